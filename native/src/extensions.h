/* extensions.h: the extensions of a certificate (RFC 5280, 4.2), each decoded to its end. */
#ifndef SEKI_EXTENSIONS_H
#define SEKI_EXTENSIONS_H

#include "cert.h"

/* One Extension as it stands. */
typedef struct {
    seki_span oid;   /* content octets */
    seki_span value; /* content of the OCTET STRING */
    bool critical;
    uint32_t known;  /* its one bit of SEKI_EXT_*; SEKI_EXT_UNKNOWN for others */
} seki_extension;

/* Takes one Extension off the front of `in`, which is advanced only on true; the value is not looked at. */
bool seki_take_extension(seki_span *in, seki_extension *out);

/* Reads the content of SEQUENCE OF Extension into the fields of `certificate` that belong to extensions, which
 * must be as zeroed memory has them but path_length, which is -1.
 * Returns SEKI_NOT_DECIDED, SEKI_CERTIFICATE_EXTENSION_MALFORMED or SEKI_CERTIFICATE_EXTENSION_DUPLICATE;
 * on refusal *fault is where, and the fields are of no use. */
seki_reason seki_extensions_read(seki_span list, seki_certificate *certificate, const uint8_t **fault);

/* Values that stand in CRLs and in single certificates' extensions alike; `value` is the content of the OCTET STRING.
 * Each returns false with *fault where it saw the fault. */

/* GeneralNames of at most SEKI_GENERAL_NAMES_MAX (RFC 5280, 4.2.1.6, 4.2.1.7, 5.2.2). */
bool seki_general_names_value_is_valid(seki_span value, const uint8_t **fault);
/* CRLDistributionPoints (4.2.1.13, 4.2.1.15, 5.2.6). */
bool seki_distribution_points_are_valid(seki_span value, const uint8_t **fault);
/* AuthorityInfoAccessSyntax (4.2.2.1, 5.2.7). */
bool seki_access_descriptions_are_valid(seki_span value, const uint8_t **fault);
/* AuthorityKeyIdentifier (4.2.1.1, 5.2.1): parts that are absent are empty. */
bool seki_authority_key_id_read(seki_span value, seki_span *id, seki_span *issuer, seki_span *serial, const uint8_t **fault);

/* DistributionPointName as it stands under its explicit [0]. */
typedef struct {
    seki_span full_name; /* content of GeneralNames; empty where the name is relative */
    seki_span relative;  /* content of a RelativeDistinguishedName; empty where it is full */
} seki_point_name;
bool seki_point_name_read(seki_span choice, seki_point_name *out, const uint8_t **fault);

enum { SEKI_REASON_BITS = 9 }; /* ReasonFlags names bits 0 to 8 (RFC 5280, 4.2.1.13) */

#endif
