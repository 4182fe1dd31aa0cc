/* spki.h: SubjectPublicKeyInfo (RFC 5280, 4.1.2.7; RFC 3279; RFC 5480; RFC 8410) to a public key.
 *
 * Checks form and size only: that a point lies on its curve is established where the key is made
 * ready for use (keys.h).  Nothing is copied. */
#ifndef SEKI_SPKI_H
#define SEKI_SPKI_H

#include "../include/sekisho.h"
#include "span.h"

typedef enum {
    SEKI_KEY_NONE = 0,
    SEKI_KEY_RSA = 1,
    SEKI_KEY_P256 = 2,
    SEKI_KEY_P384 = 3,
    SEKI_KEY_ED25519 = 4
} seki_key_kind;

enum {
    SEKI_RSA_BITS_MIN = 2048,  /* FIPS 186-5, 5.1 */
    SEKI_RSA_BITS_MAX = 8192,  /* as OpenSSL's cost grows with the square; webpki's bound */
    SEKI_RSA_EXPONENT_SIZE_MAX = 8 /* bytes; FIPS 186-5 allows 256 bits, nobody uses more than 33 */
};

typedef struct {
    seki_key_kind kind;
    uint32_t bits;      /* RSA: bits of n; EC: 256, 384; Ed25519: 256 */
    uint64_t exponent;  /* RSA e, else 0 */
    seki_span modulus;  /* RSA n, big-endian without leading zeros, else empty */
    seki_span point;    /* EC: X || Y (the 04 removed; compressed points are refused); Ed25519: the 32 octets */
} seki_public_key;

/* Reads one whole SubjectPublicKeyInfo; trailing bytes are malformed.
 * Returns SEKI_NOT_DECIDED (0: nothing against it) when the key is well formed, else the SEKI_KEY_* reason.  *out is written only on 0. */
seki_reason seki_spki_parse(seki_span der, seki_public_key *out);

/* Whether `der` is the ASN.1 of a SubjectPublicKeyInfo, whatever its key: an AlgorithmIdentifier and a BIT STRING. */
bool seki_spki_is_well_formed(seki_span der);

#endif
