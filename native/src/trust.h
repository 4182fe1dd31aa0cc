/* trust.h: the CA certificates that may issue leaves: anchors, and intermediates with every way that leads up from them.
 *
 * Everything that does not depend on the leaf, the profile or the time is decided when the store is made, natively
 * and for every CA (docs/ARCHITECTURE.md): CA:TRUE, keyCertSign, path length counting a leaf below, the signature of each
 * intermediate, the window in which a whole chain is valid.
 *
 * What issues is a name and a key.  Certificates with the same name and key (a root and its cross certificate, an anchor
 * that ran out and its successor) are one issuer to a leaf: its signature is verified once.  The first of them stands for
 * all, and from it the ways up are told: one for each chain of certificates that ends at an anchor. */
#ifndef SEKI_TRUST_H
#define SEKI_TRUST_H

#include <openssl/x509.h>

#include "cert.h"
#include "keys.h"
#include "points.h"
#include "signatures.h"

enum {
    SEKI_TRUST_CERTIFICATES_MAX = 65536,
    /* CA certificates in a path, anchor included: as many below it as a login may bring (SEKI_INTERMEDIATES_MAX).  Real paths
     * have 2 or 3, the deepest in public suites 11. */
    SEKI_PATH_DEPTH_MAX = 17,
    SEKI_ISSUER_CANDIDATES_MAX = 16, /* keys of one name tried for one certificate: a signature each */
    SEKI_WAYS_MAX = 32               /* ways up kept for one name and key, shortest first; a CA crossed with 5 others has 6 */
};

/* One of the store's certificates. */
typedef struct {
    uint16_t reason;      /* 0, or why nothing is taken under it */
    bool anchor;
    bool constrains;      /* by itself: seki_ca_constrains */
    bool self_issued;     /* RFC 5280, 6.1; names compared by 7.1 */
    bool more_ways;       /* of one that stands for others: more than SEKI_WAYS_MAX lead up, or up from a CA above */
    int32_t head;         /* the certificate that stands for its name and key; -1 where `reason` is not 0 from the first */
    int32_t next_of_name; /* the next that stands for a name and key, of the same subject, -1: none */
    int32_t next_of_form; /* the same, where the subject's normal form has the same hash */
    int32_t first_way, last_way; /* of one that stands for others: of all of them, -1: none */
    uint32_t ways;        /* that begin at this very certificate */
    uint8_t identity[32], fingerprint[32];
    uint8_t form[32];     /* seki_name_digest of the subject */
    seki_issuer_points own; /* where its CRLs are that name no distribution point */
    seki_points points;     /* of its own distribution points */
    seki_certificate certificate; /* spans into `der` */
    seki_key key;                 /* bytes in `der` */
    _Atomic(EVP_PKEY *) pkey;
    X509 *x509;
    uint8_t *der;
} seki_issuer;

/* A chain of the store's certificates, from one of them up to an anchor.  No certificate, and no name and key, twice. */
typedef struct {
    int32_t issuer;  /* the certificate at its foot */
    int32_t parent;  /* the way on from there, -1: the certificate is an anchor */
    int32_t next;    /* the next way of the same name and key, -1: none */
    int32_t anchor;  /* the certificate at its head */
    uint8_t depth;   /* CA certificates above */
    bool slow;       /* its leaves go through OpenSSL whole: a CA on it constrains them, or names on it match in normal form alone */
    int64_t window_from, window_to; /* the latest notBefore and the earliest notAfter of its certificates */
} seki_way;

struct seki_trust {
    uint64_t number; /* of this store in this process, never reused; not 0 */
    size_t count;
    seki_issuer *issuers;
    size_t way_count, way_room;
    seki_way *ways;
    int32_t *heads, *form_heads; /* by hash of the subject, and of its normal form */
    size_t heads_mask;
};

/* Issuers for `certificate`, best first: those whose key identifier it names, then the others of the name, newest first.
 * Names are the same byte for byte; one index a name and key, only such as can issue.  Returns how many stand in out[]. */
size_t seki_trust_candidates(const seki_trust *trust, const seki_certificate *certificate,
                             int32_t out[SEKI_ISSUER_CANDIDATES_MAX]);

/* The same for issuers whose name matches `certificate`'s issuer by RFC 5280, 7.1, and not byte for byte.
 *   form  seki_name_digest of that issuer */
size_t seki_trust_candidates_by_form(const seki_trust *trust, const seki_certificate *certificate, const uint8_t form[32],
                                     int32_t out[SEKI_ISSUER_CANDIDATES_MAX]);

/* Whether a CA certificate may issue at all, as itself and whatever the time: 0 or the reason. */
seki_reason seki_ca_check(const seki_certificate *certificate);

/* Whether a CA certificate below the anchor constrains what stands below it, so that OpenSSL must look at each leaf. */
bool seki_ca_constrains(const seki_certificate *certificate, bool anchor);

/* SHA-256 of Name and SubjectPublicKeyInfo: what an issuer is known by (docs/ARCHITECTURE.md). */
void seki_issuer_identity(const seki_certificate *certificate, uint8_t out[32]);

/* The mode in which a certificate's signature is verified, 0 if its algorithm is unknown. */
uint32_t seki_signature_algorithm_mode(seki_signature_algorithm algorithm);

/* Finds every way (trust_ways.c); for seki_trust_new alone.  False if memory is out. */
bool seki_trust_find_ways(seki_trust *trust, seki_signature_scratch *scratch);

/* Possible issuers of `certificate`, whether anything leads up from them or not: bytes first, then normal forms. */
size_t seki_trust_parents(const seki_trust *trust, const seki_certificate *certificate,
                          int32_t out[SEKI_ISSUER_CANDIDATES_MAX]);

#endif
