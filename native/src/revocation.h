/* revocation.h: what is in force of revocation data, and what it says of a certificate (RFC 5280, 6.3.3).
 *
 * One pointer says what is in force.  A batch takes it once and gives it back once; a snapshot that was replaced is unmapped when
 * the last batch that took it has given it back. */
#ifndef SEKI_REVOCATION_H
#define SEKI_REVOCATION_H

#include "../include/sekisho.h"
#include "points.h"

/* A snapshot and its overlay, as one batch sees them; does not change. */
typedef struct seki_in_force seki_in_force;

/* What is in force now; NULL if nothing was ever published.  Given back with seki_revocation_release. */
const seki_in_force *seki_revocation_acquire(seki_revocation *revocation);
void seki_revocation_release(seki_revocation *revocation, const seki_in_force *in_force);

/* The id that it was published under. */
uint64_t seki_in_force_id(const seki_in_force *in_force);

/* How old data may be. */
typedef struct {
    int64_t age_max; /* seconds since thisUpdate; 0: nextUpdate alone decides, and without one it is stale */
    int64_t grace;   /* seconds after nextUpdate */
    int64_t skew;    /* seconds by which thisUpdate may be later than the time of judgement */
    bool same_key;   /* only CRLs signed by the key that signed the certificate count */
} seki_revocation_limits;

/* What a list of user certificates alone, or of CA certificates alone, is asked about (RFC 5280, 6.3.3 (b)(2)). */
typedef enum {
    SEKI_KIND_UNTOLD = 0, /* of version 1 or 2, which cannot say: neither list speaks of it */
    SEKI_KIND_USER = 1,
    SEKI_KIND_CA = 2
} seki_certificate_kind;

static inline seki_certificate_kind seki_kind_of(const seki_certificate *certificate)
{
    return certificate->version < 3 ? SEKI_KIND_UNTOLD : certificate->is_ca ? SEKI_KIND_CA : SEKI_KIND_USER;
}

typedef struct {
    const uint8_t *anchor;            /* 32: identity of the path's trust anchor (seki_issuer_identity) */
    const seki_issuer_points *issuer; /* of the certificate's issuer */
    const uint8_t *signer;            /* 32: identity of the key that verified the certificate */
    const seki_points *points;        /* of its distribution points */
    seki_span serial;                 /* magnitude */
    uint8_t kind;                     /* seki_certificate_kind */
    int64_t at;                       /* the time of judgement */
} seki_revocation_question;

enum { SEKI_CERTIFICATE_HOLD = 6 }; /* the one CRLReason that may be taken back (RFC 5280, 5.3.1) */

typedef enum {
    SEKI_REVOCATION_UNASKED = 0,      /* zeroed memory says nothing good */
    SEKI_REVOCATION_GOOD = 1,
    SEKI_REVOCATION_REVOKED = 2,
    SEKI_REVOCATION_IS_UNKNOWN = 3,   /* nothing in force covers it, or not for all reasons */
    SEKI_REVOCATION_IS_STALE = 4,     /* what covers it is older than the limits allow */
    SEKI_REVOCATION_IS_LATER = 5,     /* what covers it is later than the time of judgement */
    SEKI_REVOCATION_IS_DAMAGED = 6    /* the snapshot was damaged under the map */
} seki_revocation_state;

typedef struct {
    uint8_t state;       /* seki_revocation_state */
    uint8_t reason;      /* CRLReason of the entry, where REVOKED */
    uint8_t by;          /* SEKI_BY_*: who said so, where GOOD or REVOKED */
    int64_t date;        /* its revocationDate */
    int64_t this_update; /* the oldest thisUpdate that counted; where REVOKED, of who said so last; INT64_MAX: none did */
} seki_revocation_answer;

/* A time of judgement, within what can be reckoned with: times of revocation data are within a quarter of the range (snapshot.c). */
static inline int64_t seki_revocation_time(int64_t at)
{
    const int64_t most = INT64_MAX / 2;
    return at > most ? most : at < -most ? -most : at;
}

/* Whether what was said at `this_update` still holds; next_update INT64_MIN: it does not say until when.  An age never stretches
 * nextUpdate. */
bool seki_revocation_is_fresh(const seki_revocation_limits *limits, int64_t at, int64_t this_update, int64_t next_update);

/* Answers `count` questions by CRLs; in_force may be NULL only if count is 0.  Of several lists on which a certificate stands, one
 * that gives another reason than certificateHold is told, else the newest. */
void seki_revocation_ask(const seki_in_force *in_force, const seki_revocation_limits *limits,
                         const seki_revocation_question *questions, size_t count, seki_revocation_answer *answers);

#endif
