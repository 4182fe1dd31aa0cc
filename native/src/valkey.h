/* valkey.h: claims that machines share (sekisho.h, "claims that machines share"): what the pipeline calls. */
#ifndef SEKI_VALKEY_H
#define SEKI_VALKEY_H

#include "challenge.h"
#include "valkey_link.h"

enum {
    SEKI_VALKEY_CLAIMS_MAX = 4096,  /* in a pipeline: a batch of the server; more go in several */
    SEKI_VALKEY_NAME_SIZE = 32,     /* characters: 128 bits in hexadecimal */
    SEKI_VALKEY_ID_SIZE = 40,       /* characters of a run id, and of a replication id */
    SEKI_VALKEY_LINK_LIFE = 5,      /* seconds after which a link is made anew, so that it leads where the address leads */
    SEKI_VALKEY_CLOCK_SLACK = 2,    /* seconds, over the skew, between this clock and Valkey's: TIME is in whole seconds, ours too */
    SEKI_VALKEY_RETRY_MS = 100      /* after trouble, until it is asked again */
};

/* A claim that the machine's own set has granted. */
typedef struct {
    char name[SEKI_VALKEY_NAME_SIZE];    /* hash of tenant and challenge: opaque */
    char request[SEKI_VALKEY_NAME_SIZE]; /* hash of the request and all its bytes */
    bool has_request;
    bool repeated;     /* in: says the machine's own set; out: or Valkey */
    uint16_t reason;   /* out: ACCEPTED, CHALLENGE_USED, CLAIMS_LOST, CHALLENGE_EXPIRED, CLAIMS_UNAVAILABLE */
    uint64_t row;      /* the caller's */
    int64_t issued, expires;
} seki_shared_claim;

/* What a claim is called, and what its request. */
void seki_shared_claim_name(seki_shared_claim *claim, const seki_challenge_fields *challenge);
void seki_shared_claim_request(seki_shared_claim *claim, const seki_span *parts, size_t count);

/* Claims them in pipelines of up to SEKI_VALKEY_CLAIMS_MAX; every reason is written.  ACCEPTED is what the server said OK to. */
void seki_valkey_claim(seki_valkey *valkey, seki_shared_claim *claims, size_t count);

/* ---- the parts, for tests ---- */

typedef struct {
    char run[SEKI_VALKEY_ID_SIZE], replication[SEKI_VALKEY_ID_SIZE];
} seki_valkey_identity;

typedef struct {
    int64_t tolerance;      /* seconds between this clock and Valkey's */
    int64_t before;         /* seconds of this clock when the pipeline was said */
    uint64_t link_until;    /* ns: an answer heard after that may be of a server that the address has left */
    uint64_t deadline;      /* ns */
    char nonce[SEKI_VALKEY_NAME_SIZE];
} seki_valkey_terms;

typedef struct {
    seki_valkey_identity identity;
    int64_t time;  /* seconds of the server's clock */
    bool whole;    /* its epoch is that of this identity */
    int64_t since; /* where whole: no claim on a challenge issued after it was lost */
} seki_valkey_state;

/* Reads the answer to one pipeline, and decides all claims if nothing stands against it. */
SEKI_MUST_USE seki_valkey_trouble seki_valkey_read(seki_link *link, const seki_valkey_terms *terms, seki_shared_claim *claims, size_t count,
                                                   seki_valkey_state *state);

#endif
