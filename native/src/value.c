/* value.c: see value.h. */
#include "value.h"

static bool utf8_is_valid(seki_span s);
static bool octets_are_between(seki_span s, uint8_t low, uint8_t high);
static bool printable_is_valid(seki_span s);
static bool numeric_is_valid(seki_span s);
static bool bmp_is_valid(seki_span s);
static bool universal_is_valid(seki_span s);
static bool has_nul(seki_span s);
static bool primitive_is_valid(uint8_t tag, seki_span content);

bool seki_string_is_valid(uint8_t tag, seki_span content)
{
    if (tag == SEKI_DER_UTF8_STRING) /* nearly all of them, and a branch is cheaper than a table */
        return utf8_is_valid(content);
    switch (tag) {
    case SEKI_DER_PRINTABLE_STRING:
        return printable_is_valid(content);
    case SEKI_DER_NUMERIC_STRING:
        return numeric_is_valid(content);
    case SEKI_DER_IA5_STRING:
        return octets_are_between(content, 0x01, 0x7f);
    case SEKI_DER_VISIBLE_STRING:
        return octets_are_between(content, 0x20, 0x7e);
    case SEKI_DER_TELETEX_STRING:
        return !has_nul(content);
    case SEKI_DER_BMP_STRING:
        return bmp_is_valid(content);
    case SEKI_DER_UNIVERSAL_STRING:
        return universal_is_valid(content);
    default:
        return false;
    }
}

bool seki_directory_string_is_valid(uint8_t tag, seki_span content)
{
    bool alternative = tag == SEKI_DER_UTF8_STRING || tag == SEKI_DER_PRINTABLE_STRING ||
                       tag == SEKI_DER_TELETEX_STRING || tag == SEKI_DER_BMP_STRING || tag == SEKI_DER_UNIVERSAL_STRING;
    return alternative && content.length != 0 && seki_string_is_valid(tag, content);
}

bool seki_ia5_is_valid(seki_span octets)
{
    return octets.length != 0 && octets_are_between(octets, 0x01, 0x7f);
}

bool seki_value_is_valid(uint8_t tag, seki_span content)
{
    seki_span open[SEKI_VALUE_DEPTH_MAX]; /* what is left to read of each constructed element around us */
    size_t depth = 0;
    for (;;) {
        if ((tag & SEKI_DER_CONSTRUCTED) != 0) {
            /* Of the universal types only SEQUENCE and SET are constructed in DER (X.690, 10.2). */
            if ((tag & 0xc0) == 0 && tag != SEKI_DER_SEQUENCE && tag != SEKI_DER_SET)
                return false;
            if (depth == SEKI_VALUE_DEPTH_MAX)
                return false;
            open[depth++] = content;
        } else if (!primitive_is_valid(tag, content)) {
            return false;
        }
        while (depth != 0 && open[depth - 1].length == 0)
            depth--;
        if (depth == 0)
            return true;
        if (!seki_der_take_any(&open[depth - 1], &tag, &content, NULL))
            return false;
    }
}

static bool primitive_is_valid(uint8_t tag, seki_span content)
{
    int64_t seconds;
    if ((tag & 0xc0) != 0) /* an implicit tag hides the type */
        return true;
    switch (tag) {
    case SEKI_DER_BOOLEAN:
        return content.length == 1 && (content.data[0] == 0x00 || content.data[0] == 0xff);
    case SEKI_DER_INTEGER:
    case SEKI_DER_ENUMERATED:
        return seki_der_integer_is_valid(content);
    case SEKI_DER_BIT_STRING:
        return seki_der_bits_are_valid(content);
    case SEKI_DER_OCTET_STRING:
        return true;
    case SEKI_DER_NULL:
        return content.length == 0;
    case SEKI_DER_OID:
        return seki_der_oid_is_valid(content);
    case SEKI_DER_UTC_TIME:
        return seki_der_time_is_valid(tag, content, &seconds);
    case SEKI_DER_GENERALIZED_TIME:
        return true; /* fractions are allowed outside of validity */
    case SEKI_DER_SEQUENCE & ~SEKI_DER_CONSTRUCTED:
    case SEKI_DER_SET & ~SEKI_DER_CONSTRUCTED:
        return false;
    case SEKI_DER_UTF8_STRING:
    case SEKI_DER_NUMERIC_STRING:
    case SEKI_DER_PRINTABLE_STRING:
    case SEKI_DER_IA5_STRING:
    case SEKI_DER_VISIBLE_STRING:
    case SEKI_DER_TELETEX_STRING:
    case SEKI_DER_BMP_STRING:
    case SEKI_DER_UNIVERSAL_STRING:
        return seki_string_is_valid(tag, content);
    default: /* REAL, RELATIVE-OID and others that no certificate needs to be understood */
        return true;
    }
}

/* Whether all octets are ASCII but NUL: with no top bit set, adding 7f sets one in every octet but NUL. */
static inline bool eight_are_ascii(const uint8_t *at)
{
    const uint64_t tops = UINT64_C(0x8080808080808080), ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return (word & tops) == 0 && ((word + (tops - ones)) & tops) == tops;
}

static inline bool four_are_ascii(const uint8_t *at)
{
    const uint32_t tops = UINT32_C(0x80808080), ones = UINT32_C(0x01010101);
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return (word & tops) == 0 && ((word + (tops - ones)) & tops) == tops;
}

/* Whether six octets are two characters of three octets each, U+1000 to U+CFFF or U+E000 on: all kana and kanji. */
static inline bool six_are_two_characters(const uint8_t *at)
{
    return at[0] > 0xe0 && at[0] < 0xf0 && at[0] != 0xed && at[3] > 0xe0 && at[3] < 0xf0 && at[3] != 0xed &&
           ((at[1] & 0xc0) ^ 0x80) + ((at[2] & 0xc0) ^ 0x80) + ((at[4] & 0xc0) ^ 0x80) + ((at[5] & 0xc0) ^ 0x80) == 0;
}

static inline bool is_continuation(uint8_t octet)
{
    return (octet & 0xc0) == 0x80;
}

/* Names are ASCII, eight octets at a time, or Japanese, three octets a character. */
static bool utf8_is_valid(seki_span s)
{
    const uint8_t *at = s.data, *end = s.data + s.length;
    while (at != end) {
        size_t left = (size_t)(end - at);
        if (left >= 8) {
            if (eight_are_ascii(at)) {
                at += 8;
                continue;
            }
            if (six_are_two_characters(at)) {
                at += 6;
                continue;
            }
        } else if (left >= 4) {
            /* The last four octets may be half seen already. */
            if (four_are_ascii(at) && four_are_ascii(end - 4))
                return true;
        }
        uint8_t first = at[0];
        if (first < 0x80) {
            if (first == 0)
                return false;
            at++;
            continue;
        }
        /* RFC 3629, section 4: the second octet rules out overlong forms, surrogates and more than U+10FFFF. */
        if ((first & 0xf0) == 0xe0) {
            if (left < 3 || !is_continuation(at[1]) || !is_continuation(at[2]))
                return false;
            if ((first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f))
                return false;
            at += 3;
        } else if (first >= 0xc2 && first <= 0xdf) {
            if (left < 2 || !is_continuation(at[1]))
                return false;
            at += 2;
        } else if (first >= 0xf0 && first <= 0xf4) {
            if (left < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) || !is_continuation(at[3]))
                return false;
            if ((first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] > 0x8f))
                return false;
            at += 4;
        } else {
            return false;
        }
    }
    return true;
}

static bool octets_are_between(seki_span s, uint8_t low, uint8_t high)
{
    uint8_t outside = 0;
    for (size_t i = 0; i < s.length; i++)
        outside |= (uint8_t)(s.data[i] < low) | (uint8_t)(s.data[i] > high);
    return outside == 0;
}

static bool printable_is_valid(seki_span s)
{
    /* A-Z a-z 0-9 space ' ( ) + , - . / : = ?   One bit a character, 32 characters a word. */
    static const uint32_t allowed[4] = {0, 0xa7fffb81u, 0x07fffffeu, 0x07fffffeu};
    for (size_t i = 0; i < s.length; i++) {
        uint8_t c = s.data[i];
        if (c >= 0x80 || (allowed[c >> 5] >> (c & 31) & 1) == 0)
            return false;
    }
    return true;
}

static bool numeric_is_valid(seki_span s)
{
    for (size_t i = 0; i < s.length; i++)
        if (s.data[i] != ' ' && (s.data[i] < '0' || s.data[i] > '9'))
            return false;
    return true;
}

static bool bmp_is_valid(seki_span s)
{
    if (s.length % 2 != 0)
        return false;
    for (size_t i = 0; i < s.length; i += 2) {
        unsigned unit = (unsigned)s.data[i] << 8 | s.data[i + 1];
        if (unit == 0 || (unit >= 0xd800 && unit <= 0xdfff))
            return false;
    }
    return true;
}

static bool universal_is_valid(seki_span s)
{
    if (s.length % 4 != 0)
        return false;
    for (size_t i = 0; i < s.length; i += 4) {
        uint32_t unit = (uint32_t)s.data[i] << 24 | (uint32_t)s.data[i + 1] << 16 | (uint32_t)s.data[i + 2] << 8 |
                        s.data[i + 3];
        if (unit == 0 || unit > 0x10ffff || (unit >= 0xd800 && unit <= 0xdfff))
            return false;
    }
    return true;
}

static bool has_nul(seki_span s)
{
    return s.length != 0 && memchr(s.data, 0, s.length) != NULL;
}
