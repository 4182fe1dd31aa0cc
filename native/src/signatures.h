/* signatures.h: many signatures, each answered by the backend that fits it.
 *
 * A job is one signature.  seki_jobs_run checks its form, hashes its message, sorts it into lanes or to
 * OpenSSL, and confirms what docs/ARCHITECTURE.md wants confirmed. */
#ifndef SEKI_SIGNATURES_H
#define SEKI_SIGNATURES_H

#include "digest.h"
#include "keys.h"
#include "rsa_lanes.h"

typedef struct {
    /* in; all borrowed until seki_jobs_run returns */
    seki_key key;
    uint32_t mode;
    bool prehashed;
    seki_span message;
    seki_span signature;
    /* out */
    uint16_t reason; /* in: 0, or a reason already found, which stays; out: SEKI_SIGNATURE_OK or why not */
    uint8_t backend;
    uint8_t flags;
    /* work */
    uint8_t value_size;
    uint8_t value[SEKI_DIGEST_SIZE_MAX];  /* the hash, where the mode has one */
    uint8_t ecdsa[96];                    /* r || s */
} seki_job;

enum {
    SEKI_JOBS_MAX = 1024,           /* jobs a run; more gain nothing: lanes are eight wide */
    SEKI_BLOCK_SIZE_MAX = 512       /* bytes of the largest RSA block in lanes (4096 bits) */
};

/* Scratch of one worker, allocated once. */
typedef struct {
    seki_key_checker *checker;
    seki_key_pool *pool;
    void *kernel_scratch;      /* SEKI_RSA_SCRATCH_SIZE, aligned */
    uint64_t accepted;         /* by lanes, for the cross-check's turn */
    uint16_t order[SEKI_JOBS_MAX];
    seki_span hash_in[SEKI_JOBS_MAX];
    uint16_t hash_job[SEKI_JOBS_MAX];
    uint8_t hash_out[SEKI_JOBS_MAX][SEKI_SHA256_SIZE];
    uint8_t blocks[SEKI_RSA_LANES][SEKI_BLOCK_SIZE_MAX];
    uint8_t expected[SEKI_BLOCK_SIZE_MAX];
} seki_signature_scratch;

/* What a run may spend and must check. */
typedef struct {
    _Atomic uint64_t *confirmations; /* left for this batch, shared by its workers */
    uint32_t cross_check_one_in;
} seki_job_policy;

bool seki_signature_scratch_init(seki_signature_scratch *scratch);
void seki_signature_scratch_clear(seki_signature_scratch *scratch);

/* Answers jobs[0 .. count), count <= SEKI_JOBS_MAX. */
void seki_jobs_run(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *jobs, size_t count);

#endif
