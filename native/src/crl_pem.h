/* crl_pem.h: the text form of a CRL (RFC 7468, 5.2, "stricttextualmsg"), taken apart as it comes.
 *
 * "-----BEGIN X509 CRL-----", lines of 64 characters of base64 and a last one of 64 or fewer, "-----END X509 CRL-----"; each line
 * ends with LF or CR LF, the end line may lack it.  Nothing stands before; behind stands nothing but blanks and line ends. */
#ifndef SEKI_CRL_PEM_H
#define SEKI_CRL_PEM_H

#include "../include/sekisho.h"
#include "span.h"

typedef struct {
    uint64_t at;        /* octets of text read */
    uint32_t state;
    uint32_t column;    /* in the line, or in the expected text */
    uint32_t bits;      /* of the group of four that is being read */
    uint32_t held;      /* characters of it, = included */
    uint32_t padding;   /* = that came: no character may follow them */
    bool short_line;    /* a line below 64 characters came: it was the last */
    bool carriage;      /* a CR came, LF must follow */
    uint8_t value[256]; /* of a character of base64 */
} seki_crl_pem;

void seki_crl_pem_init(seki_crl_pem *pem);

/* Takes text off the front of `in` and writes the octets that it holds.
 *   out   at most `capacity` octets, which is at least 48; the caller calls again until `in` is empty
 * Returns 0, SEKI_CRL_PEM_MALFORMED or SEKI_CRL_TRAILING_DATA; then pem->at is where. */
seki_reason seki_crl_pem_take(seki_crl_pem *pem, seki_span *in, uint8_t *out, size_t capacity, size_t *written);

/* Whether the end line was there. */
bool seki_crl_pem_ended(const seki_crl_pem *pem);

#endif
