/* claims_layout.h: the shared file of claims as it lies in memory; for claims.c and claims_file.c only.
 *
 *     header             one page
 *     claim words        seki_claims_slots(capacity) of 8 bytes
 *     request words      as many
 *     failure words      seki_claims_failure_slots(capacity) of 8 bytes
 *
 * Native byte order: the file never leaves its machine, nor its boot. */
#ifndef SEKI_CLAIMS_LAYOUT_H
#define SEKI_CLAIMS_LAYOUT_H

#include <stdatomic.h>
#include <sys/types.h>

#include "claims.h"

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "atomics between processes must not be locks");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "one word");

enum {
    SEKI_CLAIMS_HEADER_SIZE = 4096,
    SEKI_CLAIMS_BOOT_SIZE = 40,
    SEKI_CLAIMS_LINE = 8,                      /* words in a cache line */
    SEKI_CLAIMS_WINDOW = 6 * SEKI_CLAIMS_LINE, /* words in which a claim can stand */
    SEKI_CLAIMS_WINDOW_REST = SEKI_CLAIMS_WINDOW - SEKI_CLAIMS_LINE /* words behind the last home line */
};

/* Two and a half slots for a claim.  Simulated with claims that expire as new ones come: a window is full for one claim in 10^8 when
 * the set holds its capacity, in 10^6 with a quarter more, and never seen with a sixth less (4 * 10^7 claims each). */
static inline uint64_t seki_claims_slots(uint64_t capacity)
{
    return (capacity * 5 / 2 + SEKI_CLAIMS_LINE - 1) / SEKI_CLAIMS_LINE * SEKI_CLAIMS_LINE + SEKI_CLAIMS_WINDOW_REST;
}

static inline uint64_t seki_claims_failure_slots(uint64_t capacity)
{
    return (capacity + SEKI_CLAIMS_LINE - 1) / SEKI_CLAIMS_LINE * SEKI_CLAIMS_LINE + SEKI_CLAIMS_WINDOW_REST;
}

/* Written once, before the file has its name; compared with each process's own copy at every batch. */
typedef struct {
    char magic[8]; /* "SEKICLM\n" */
    uint32_t version;
    uint32_t header_size;
    uint64_t capacity; /* claims */
    uint64_t file_size;
    int64_t skew;
    uint64_t secret[2]; /* where a challenge's window lies is nobody's to choose */
    char boot[SEKI_CLAIMS_BOOT_SIZE];
    uint8_t checksum[32]; /* SHA-256 of all before it */
} seki_claims_identity;

typedef struct {
    seki_claims_identity identity;
    _Alignas(64) _Atomic int64_t began; /* seconds: its making or first batch; 0 not yet; 1 SEKI_CLAIMS_FRESH */
    _Atomic int64_t newest;             /* seconds: the newest time a batch has started at; only grows */
    _Atomic int64_t failures_until;     /* seconds: no counted failure is of a challenge that expires later; only grows */
} seki_claims_header;

_Static_assert(sizeof(seki_claims_header) <= SEKI_CLAIMS_HEADER_SIZE, "one page");

struct seki_claims {
    seki_claims_header *header;
    _Atomic uint64_t *words;
    _Atomic uint64_t *requests;
    _Atomic uint64_t *failures;
    uint64_t slots, failure_slots;
    uint64_t secret[2];
    int64_t skew;

    seki_claims_identity identity; /* as it was when the set was opened */
    size_t size;
    char *path; /* absolute */
    dev_t device;
    ino_t inode;
    uint32_t origin;

    seki_valkey *valkey; /* where its claims are shared; NULL: nowhere */

    /* this process's own */
    _Alignas(64) _Atomic bool lost;
    _Atomic uint64_t accepted, repeated, used, full, failed, uncounted;
};

/* Whether the path still leads to this very file, whole and of the same identity; once it did not, never again. */
bool seki_claims_present(seki_claims *claims);

#endif
