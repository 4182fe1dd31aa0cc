/* ocsp.h: an OCSP response (RFC 6960, 4.2; RFC 9654) as spans into its own DER.
 *
 * Strict: DER only (X.690, 10 and 11), responses of type id-pkix-ocsp-basic alone, each part decoded to its end.  Judges form, never
 * trust: signer, signature, dates and which certificate is meant are judged by whoever takes it.  Nothing is copied or allocated,
 * nothing recurses, each octet is looked at a bounded number of times. */
#ifndef SEKI_OCSP_H
#define SEKI_OCSP_H

#include "algorithm.h"
#include "../include/sekisho.h"

/* One SingleResponse: what is said of one certificate. */
typedef struct {
    uint32_t hash;       /* SEKI_HASH_SHA1 or SEKI_HASH_SHA256; SEKI_HASH_NONE: another, by which nothing is found */
    seki_span name_hash; /* octets; of the hash's length where it is known */
    seki_span key_hash;
    seki_span serial;    /* content octets of the INTEGER, 1 to 20 */
    uint8_t status;      /* SEKI_OCSP_GOOD, SEKI_OCSP_REVOKED or SEKI_OCSP_UNKNOWN */
    uint8_t reason;      /* CRLReason where revoked; 0 where it gives none */
    int64_t revoked_at;  /* where revoked; else SEKI_NO_TIME */
    int64_t this_update;
    int64_t next_update; /* SEKI_NO_TIME if absent */
    uint32_t extensions; /* SEKI_OCSP_EXT_* present */
} seki_ocsp_single;

typedef struct {
    uint32_t status;     /* OCSPResponseStatus; all below is as zeroed memory has it unless this is 0 (successful) */
    seki_span tbs;       /* the ResponseData with tag and length: what is signed */
    seki_span name;      /* ResponderID byName: the whole Name; else empty */
    seki_span key_hash;  /* ResponderID byKey: SHA-1 of the key's BIT STRING content, 20 octets; else empty */
    int64_t produced_at;
    seki_span nonce;     /* content of the Nonce; empty if absent */
    uint32_t extensions; /* SEKI_OCSP_EXT_* of the response */
    seki_signature_algorithm signature_algorithm; /* SEKI_SIGALG_UNKNOWN: one that is not taken */
    seki_span signature; /* content of the BIT STRING without its count of unused bits, which is 0 */
    size_t single_count;
    seki_ocsp_single single[SEKI_OCSP_SINGLES_MAX];
    size_t certificate_count;
    seki_span certificate[SEKI_OCSP_CERTIFICATES_MAX]; /* whole; each is some SEQUENCE, and not looked into */
} seki_ocsp;

/* Parses one OCSPResponse of at most SEKI_OCSP_SIZE_MAX bytes.
 *   der    borrowed; must outlive *out
 *   out    of use only if 0 or OCSP_NOT_SUCCESSFUL is returned
 *   fault  may be NULL; on refusal the offset in `der` at which the fault was seen
 * Returns SEKI_NOT_DECIDED (0) if it is well formed, else OCSP_MALFORMED, OCSP_NOT_SUCCESSFUL (well formed, and no answer),
 * OCSP_EXTENSION_UNKNOWN_CRITICAL or SEKI_INPUT_*. */
seki_reason seki_ocsp_parse(seki_span der, seki_ocsp *out, size_t *fault);

#endif
