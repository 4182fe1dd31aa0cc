/* login.h: the way of a login (docs/ARCHITECTURE.md): one stage a file, each a loop over the rows still alive.
 *
 *     wire - challenge - certificate - issuer - signature - revocation - claim - verdict
 *
 * A row is alive while its reason is 0.  A stage gives a reason or leaves it; nothing revives a row. */
#ifndef SEKI_LOGIN_H
#define SEKI_LOGIN_H

#include "cache.h"
#include "cert.h"
#include "challenge.h"
#include "digest.h"
#include "revocation.h"
#include "trust.h"

enum { SEKI_LOGIN_ROWS = 256 }; /* rows a worker takes at once: 32 groups of lanes, within the L2 cache */

/* What a login brings, borrowed; what it does not bring has length 0, and a pointer that is not NULL. */
typedef struct {
    seki_span certificate, intermediates, challenge, signature, binding, transaction, request;
} seki_login_input;

typedef struct {
    /* the request, borrowed from the batch */
    uint64_t number;
    int64_t at;
    seki_span certificate, intermediates, challenge, signature, binding, transaction, request;
    /* the verdict so far */
    uint16_t reason;
    uint8_t backend;
    uint8_t flags;
    /* the challenge */
    seki_challenge_fields fields;
    /* the certificate: copied from the cache, or made here and entered after its issuer's signature */
    seki_cached cached;
    seki_key key;            /* of the leaf; bytes in `cached` or in the request */
    bool known;              /* its path was decided by the cache */
    seki_certificate leaf;   /* parsed; only where not known */
    /* the path, where not known */
    int32_t candidates[SEKI_ISSUER_CANDIDATES_MAX];
    size_t candidate_count, candidate;
    int32_t issuer;          /* of the trust store, whose key verified the leaf; -1: not found */
    bool verified;           /* the leaf's signature, by a key of the store or one that leads to it */
    /* the path that was taken */
    int32_t way;             /* of the trust store; -1: none */
    bool sent;               /* CA certificates that were sent stand between the leaf and the way */
    int64_t this_update;     /* the oldest thisUpdate of revocation data that counted; INT64_MAX: none did */
    uint8_t revocation_by;   /* SEKI_BY_*: what counted */
} seki_login_row;

typedef struct {
    seki_login_row rows[SEKI_LOGIN_ROWS];
    seki_span hash_in[SEKI_LOGIN_ROWS];
    uint16_t hash_row[SEKI_LOGIN_ROWS];
    uint8_t hash_out[SEKI_LOGIN_ROWS][SEKI_SHA256_SIZE];
    uint16_t job_row[SEKI_LOGIN_ROWS];
    uint16_t asked_row[SEKI_LOGIN_ROWS];
    seki_revocation_question questions[SEKI_LOGIN_ROWS];
    seki_revocation_answer answers[SEKI_LOGIN_ROWS];
    seki_points points[SEKI_LOGIN_ROWS];
    seki_issuer_points issuers[SEKI_LOGIN_ROWS];
} seki_login_scratch;

static inline bool seki_alive(const seki_login_row *row)
{
    return row->reason == SEKI_NOT_DECIDED;
}

static inline void seki_refuse(seki_login_row *row, seki_reason reason)
{
    row->reason = (uint16_t)reason;
}

#endif
