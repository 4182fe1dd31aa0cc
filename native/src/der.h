/* der.h: a bounded DER reader.
 *
 * Spans borrow the caller's buffer; nothing is copied or allocated, nothing recurses.  Only definite
 * lengths in their shortest form (X.690, 10.1) and single-octet tags are accepted.  Values are read by
 * those who know their type; the primitive ones that everybody needs are here, values whose type only the
 * bytes tell are in value.h. */
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
    SEKI_DER_NUMERIC_STRING = 0x12,
    SEKI_DER_PRINTABLE_STRING = 0x13,
    SEKI_DER_TELETEX_STRING = 0x14,
    SEKI_DER_IA5_STRING = 0x16,
    SEKI_DER_UTC_TIME = 0x17,
    SEKI_DER_GENERALIZED_TIME = 0x18,
    SEKI_DER_VISIBLE_STRING = 0x1a,
    SEKI_DER_UNIVERSAL_STRING = 0x1c,
    SEKI_DER_BMP_STRING = 0x1e,
    SEKI_DER_SEQUENCE = 0x30,
    SEKI_DER_SET = 0x31
};
#define SEKI_DER_CONTEXT(n) ((uint8_t)(0x80 | (n)))
#define SEKI_DER_CONTEXT_CONSTRUCTED(n) ((uint8_t)(0xa0 | (n)))
#define SEKI_DER_CONSTRUCTED 0x20 /* the bit of a tag octet (X.690, 8.1.2.5) */

/* Takes one element off the front of `in`, whatever its tag.
 *   in       advanced past the element on true, untouched otherwise
 *   tag      its tag octet; written only on true
 *   content  its content; written only on true
 *   whole    may be NULL; tag, length and content together; written only on true
 * False if `in` is too short, the length is not definite and minimal, or the tag is longer than one octet or
 * the end-of-contents of BER.  Here in the header because nothing is called more often. */
static inline bool seki_der_take_any(seki_span *in, uint8_t *tag, seki_span *content, seki_span *whole);

/* The same for the one tag wanted; false for another. */
static inline bool seki_der_take(seki_span *in, uint8_t tag, seki_span *content, seki_span *whole);

/* Whether `in` is not empty and its first element has tag `tag` (only the tag octet is looked at). */
static inline bool seki_der_next_is(seki_span in, uint8_t tag)
{
    return in.length != 0 && in.data[0] == tag;
}

/* BOOLEAN with content exactly 00 or ff (X.690, 11.1). */
bool seki_der_take_boolean(seki_span *in, bool *value);

/* INTEGER of minimal form (X.690, 8.3.2), any sign; content octets. */
bool seki_der_take_integer(seki_span *in, seki_span *content);

/* INTEGER, not negative and at most `max`. */
bool seki_der_take_uint(seki_span *in, uint64_t max, uint64_t *value);

/* The same under an implicit tag. */
bool seki_der_take_tagged_uint(seki_span *in, uint8_t tag, uint64_t max, uint64_t *value);

/* Non-negative INTEGER as magnitude: content without the leading 00; zero is one 00 octet. */
bool seki_der_take_magnitude(seki_span *in, seki_span *magnitude);

/* BIT STRING with no unused bits: its octets, which may be none. */
bool seki_der_take_octet_bits(seki_span *in, seki_span *octets);

/* BIT STRING with a list of named bits, at most `count` (up to 32) of them, one of them set; bit i becomes 1 << i.
 *   tag      SEKI_DER_BIT_STRING, or an implicit one
 *   trimmed  whether the trailing zero bits are left out, as DER wants (X.690, 11.2.2); if NULL, they must be */
bool seki_der_take_named_bits(seki_span *in, uint8_t tag, unsigned count, uint32_t *bits, bool *trimmed);

/* OBJECT IDENTIFIER of valid form (X.690, 8.19: no arc starts with 80, the last octet ends an arc). */
static inline bool seki_der_take_oid(seki_span *in, seki_span *oid);

/* UTCTime YYMMDDHHMMSSZ, years 1950 to 2049, or GeneralizedTime YYYYMMDDHHMMSSZ (RFC 5280, 4.1.2.5): Z and
 * seconds always there, no fraction, a real date, seconds 0 to 59.  A GeneralizedTime before 2050 is what a CA
 * must not write; "conforming applications MUST be able to process validity dates that are encoded in either",
 * and PKITS 4.2.4 is such a certificate and valid. */
bool seki_der_take_time(seki_span *in, int64_t *seconds);

/* The same judgements about content octets alone, for implicit tags. */
bool seki_der_integer_is_valid(seki_span content);
bool seki_der_oid_is_valid(seki_span content);
bool seki_der_bits_are_valid(seki_span content); /* count of unused bits 0 to 7, those bits 0 (X.690, 11.2.1) */
bool seki_der_time_is_valid(uint8_t tag, seki_span content, int64_t *seconds);

/* Length octets of the long form, however many; for seki_der_take_any only. */
bool seki_der_long_length(seki_span in, size_t *header, size_t *length);

static inline bool seki_der_take_any(seki_span *in, uint8_t *tag, seki_span *content, seki_span *whole)
{
    if (in->length < 2)
        return false;
    const uint8_t *at = in->data;
    if ((at[0] & 0x1f) == 0x1f || (at[0] & ~SEKI_DER_CONSTRUCTED) == 0)
        return false;
    size_t header = 2;
    size_t length = at[1];
    if (length >= 0x80) {
        /* Two octets of length or one are what certificates have; the shortest form is from 100 or 80 on. */
        if (length == 0x82 && in->length >= 4 && at[2] != 0) {
            header = 4;
            length = (size_t)at[2] << 8 | at[3];
        } else if (length == 0x81 && in->length >= 3 && at[2] >= 0x80) {
            header = 3;
            length = at[2];
        } else if (!seki_der_long_length(*in, &header, &length)) {
            return false;
        }
    }
    if (length > in->length - header)
        return false;
    *tag = at[0];
    *content = (seki_span){at + header, length};
    if (whole != NULL)
        *whole = (seki_span){at, header + length};
    *in = (seki_span){at + header + length, in->length - header - length};
    return true;
}

static inline bool seki_der_take(seki_span *in, uint8_t tag, seki_span *content, seki_span *whole)
{
    uint8_t found;
    return seki_der_next_is(*in, tag) && seki_der_take_any(in, &found, content, whole);
}

static inline bool seki_der_take_oid(seki_span *in, seki_span *oid)
{
    const uint8_t *at = in->data;
    /* Attribute types and extensions have three arcs of an octet each. */
    if (in->length >= 5 && at[0] == SEKI_DER_OID && at[1] == 3 && ((at[2] | at[3] | at[4]) & 0x80) == 0) {
        *oid = (seki_span){at + 2, 3};
        *in = (seki_span){at + 5, in->length - 5};
        return true;
    }
    seki_span rest = *in, found;
    if (!seki_der_take(&rest, SEKI_DER_OID, &found, NULL) || !seki_der_oid_is_valid(found))
        return false;
    *oid = found;
    *in = rest;
    return true;
}

#endif
