/* algorithm.h: the AlgorithmIdentifier of a signature (RFC 4055, RFC 5758, RFC 8410). */
#ifndef SEKI_ALGORITHM_H
#define SEKI_ALGORITHM_H

#include "der.h"

/* Signature algorithms of certificates and CRLs.  RSA parameters must be NULL (RFC 4055, 5), ECDSA and EdDSA absent. */
typedef enum {
    SEKI_SIGALG_UNKNOWN = 0,
    SEKI_SIGALG_RSA_SHA256 = 1,
    SEKI_SIGALG_RSA_SHA384 = 2,
    SEKI_SIGALG_RSA_SHA512 = 3,
    SEKI_SIGALG_PSS_SHA256 = 4, /* PSS only with MGF1 of the same hash, salt as long as the hash, trailer 1 */
    SEKI_SIGALG_PSS_SHA384 = 5,
    SEKI_SIGALG_PSS_SHA512 = 6,
    SEKI_SIGALG_ECDSA_SHA256 = 7,
    SEKI_SIGALG_ECDSA_SHA384 = 8,
    SEKI_SIGALG_ECDSA_SHA512 = 9,
    SEKI_SIGALG_ED25519 = 10
} seki_signature_algorithm;

/* Content of an AlgorithmIdentifier.
 * True with SEKI_SIGALG_UNKNOWN: well formed, but an algorithm, or a choice of PSS parameters, not in the list.
 * False: not DER, or a known algorithm with parameters it must not have; *fault is where. */
bool seki_signature_algorithm_read(seki_span content, seki_signature_algorithm *algorithm, const uint8_t **fault);

#endif
