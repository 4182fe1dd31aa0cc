/* trust.h: the CA certificates that may issue leaves: anchors, and intermediates linked to them once.
 *
 * Everything that does not depend on the leaf or on the time is decided when the store is made, natively
 * and for every CA (docs/ARCHITECTURE.md): CA:TRUE, keyCertSign, path length counting a leaf below, the
 * signature of each intermediate, the window in which the whole chain is valid. */
#ifndef SEKI_TRUST_H
#define SEKI_TRUST_H

#include <openssl/x509.h>

#include "cert.h"
#include "keys.h"

enum {
    SEKI_TRUST_CERTIFICATES_MAX = 65536,
    SEKI_PATH_DEPTH_MAX = 8,        /* CA certificates in a path, anchor included; real ones have 2 or 3 */
    SEKI_ISSUER_CANDIDATES_MAX = 16 /* keys of one name tried for one certificate: a signature each */
};

typedef struct {
    uint16_t reason;      /* 0, or why nothing is taken under it */
    bool anchor;
    bool slow;            /* its leaves go through OpenSSL whole: it or a CA above constrains them */
    int32_t parent;       /* -1: an anchor */
    int32_t next_of_name; /* the next issuer with the same subject, -1: none */
    uint8_t depth;        /* CA certificates above it */
    int64_t window_from, window_to;
    uint8_t identity[32], fingerprint[32];
    seki_certificate certificate; /* spans into `der` */
    seki_key key;                 /* bytes in `der` */
    _Atomic(EVP_PKEY *) pkey;
    X509 *x509;
    uint8_t *der;
} seki_issuer;

struct seki_trust {
    uint64_t number; /* of this store in this process, never reused; not 0 */
    size_t count;
    seki_issuer *issuers;
    int32_t *heads; /* by hash of the subject */
    size_t heads_mask;
};

/* The first issuer whose subject is `name`, byte for byte, or -1; the others follow by next_of_name. */
int32_t seki_trust_by_name(const seki_trust *trust, seki_span name);

/* Issuers for `certificate`, best first: those whose key identifier it names, then the others of the name, newest first.
 * Only those that can issue.  Returns how many stand in out[]. */
size_t seki_trust_candidates(const seki_trust *trust, const seki_certificate *certificate,
                             int32_t out[SEKI_ISSUER_CANDIDATES_MAX]);

/* Whether a CA certificate may issue at all, as itself and whatever the time: 0 or the reason. */
seki_reason seki_ca_check(const seki_certificate *certificate);

/* Whether a CA certificate below the anchor constrains what stands below it, so that OpenSSL must look at each leaf. */
bool seki_ca_constrains(const seki_certificate *certificate, bool anchor);

/* SHA-256 of Name and SubjectPublicKeyInfo: what an issuer is known by (docs/ARCHITECTURE.md). */
void seki_issuer_identity(const seki_certificate *certificate, uint8_t out[32]);

/* The mode in which a certificate's signature is verified, 0 if its algorithm is unknown. */
uint32_t seki_signature_algorithm_mode(seki_signature_algorithm algorithm);

#endif
