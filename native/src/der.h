/* der.h: a bounded DER reader.
 *
 * Spans borrow the caller's buffer; nothing is copied or allocated, nothing recurses.  Only definite
 * lengths in their shortest form (X.690, 10.1) and single-octet tags are accepted.  Values are read by
 * those who know their type; the primitive ones that everybody needs are here. */
#ifndef SEKI_DER_H
#define SEKI_DER_H

#include "span.h"

enum {
    SEKI_DER_BOOLEAN = 0x01,
    SEKI_DER_INTEGER = 0x02,
    SEKI_DER_BIT_STRING = 0x03,
    SEKI_DER_OCTET_STRING = 0x04,
    SEKI_DER_NULL = 0x05,
    SEKI_DER_OID = 0x06,
    SEKI_DER_ENUMERATED = 0x0a,
    SEKI_DER_UTF8_STRING = 0x0c,
    SEKI_DER_PRINTABLE_STRING = 0x13,
    SEKI_DER_TELETEX_STRING = 0x14,
    SEKI_DER_IA5_STRING = 0x16,
    SEKI_DER_UTC_TIME = 0x17,
    SEKI_DER_GENERALIZED_TIME = 0x18,
    SEKI_DER_UNIVERSAL_STRING = 0x1c,
    SEKI_DER_BMP_STRING = 0x1e,
    SEKI_DER_SEQUENCE = 0x30,
    SEKI_DER_SET = 0x31
};
#define SEKI_DER_CONTEXT(n) (0x80 | (n))
#define SEKI_DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n))

/* Takes one element with tag `tag` off the front of `in`.
 *   in       advanced past the element on true, untouched otherwise
 *   content  its content; written only on true
 *   whole    may be NULL; tag, length and content together; written only on true
 * False if `in` is too short, the tag is another, or the length is not minimal. */
bool seki_der_take(seki_span *in, uint8_t tag, seki_span *content, seki_span *whole);

/* The same for whatever tag stands there. */
bool seki_der_take_any(seki_span *in, uint8_t *tag, seki_span *content, seki_span *whole);

/* Whether `in` is not empty and its first element has tag `tag` (only the tag octet is looked at). */
bool seki_der_next_is(seki_span in, uint8_t tag);

/* BOOLEAN with content exactly 00 or ff (X.690, 11.1). */
bool seki_der_take_boolean(seki_span *in, bool *value);

/* INTEGER of minimal form (X.690, 8.3.2), any sign; content octets. */
bool seki_der_take_integer(seki_span *in, seki_span *content);

/* INTEGER, not negative and at most `max`. */
bool seki_der_take_uint(seki_span *in, uint64_t max, uint64_t *value);

/* Non-negative INTEGER as magnitude: content without the leading 00; zero is one 00 octet. */
bool seki_der_take_magnitude(seki_span *in, seki_span *magnitude);

/* BIT STRING with no unused bits: its octets. */
bool seki_der_take_octet_bits(seki_span *in, seki_span *octets);

/* OBJECT IDENTIFIER of valid form (X.690, 8.19: no arc starts with 80, the last octet ends an arc). */
bool seki_der_take_oid(seki_span *in, seki_span *oid);

/* UTCTime YYMMDDHHMMSSZ or GeneralizedTime YYYYMMDDHHMMSSZ as RFC 5280 4.1.2.5 has them (the first up to
 * 2049, the second from 2050 on); a real date, seconds 0 to 59. */
bool seki_der_take_time(seki_span *in, int64_t *seconds);

#endif
