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

#endif
