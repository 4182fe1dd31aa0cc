/* crl_extensions.h: crlExtensions (RFC 5280, 5.2), each decoded to its end. */
#ifndef SEKI_CRL_EXTENSIONS_H
#define SEKI_CRL_EXTENSIONS_H

#include "extensions.h"

typedef struct {
    uint32_t present;        /* SEKI_CRL_EXT_* */
    uint32_t flags;          /* SEKI_CRL_* that they say */
    uint32_t reasons;        /* onlySomeReasons; SEKI_CRL_REASONS_ALL if absent */
    seki_span number;        /* cRLNumber as magnitude; empty if absent */
    seki_span base_number;   /* BaseCRLNumber, the same */
    seki_span key_id;        /* of authorityKeyIdentifier; empty if absent */
    seki_point_name point;   /* of issuingDistributionPoint; both empty if it names none */
    seki_span authority_key, idp, issuer_alt_name, freshest, authority_info; /* whole values; empty if absent */
} seki_crl_extensions;

/* Reads the content of SEQUENCE OF Extension; the spans point into it.
 * Returns SEKI_NOT_DECIDED or SEKI_CRL_EXTENSION_MALFORMED, _DUPLICATE or _UNKNOWN_CRITICAL; then *fault is where. */
seki_reason seki_crl_extensions_read(seki_span list, seki_crl_extensions *out, const uint8_t **fault);

#endif
