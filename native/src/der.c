/* der.c: see der.h. */
#include "der.h"

enum { LENGTH_OCTETS_MAX = 4 }; /* a length below 4 GiB; CRLs of a million entries are some 40 MB */

static bool take_primitive(seki_span *in, uint8_t tag, bool (*valid)(seki_span), seki_span *content);
static bool uint_value(seki_span content, uint64_t max, uint64_t *value);
static bool eight_hold_80(const uint8_t *at);
static int64_t days_from_epoch(unsigned year, unsigned month, unsigned day);

bool seki_der_long_length(seki_span in, size_t *header, size_t *length)
{
    size_t octets = in.data[1] & 0x7f; /* 0 is BER's indefinite form */
    if (octets == 0 || octets > LENGTH_OCTETS_MAX || in.length - 2 < octets)
        return false;
    size_t value = 0;
    for (size_t i = 0; i < octets; i++)
        value = value << 8 | in.data[2 + i];
    /* Shortest form: no leading zero octet, and the short form below 128 (X.690, 10.1). */
    if (in.data[2] == 0 || value < 0x80)
        return false;
    *header = 2 + octets;
    *length = value;
    return in.length - *header >= value;
}

bool seki_der_take_boolean(seki_span *in, bool *value)
{
    seki_span rest = *in, content;
    if (!seki_der_take(&rest, SEKI_DER_BOOLEAN, &content, NULL) || content.length != 1)
        return false;
    if (content.data[0] != 0x00 && content.data[0] != 0xff)
        return false;
    *value = content.data[0] == 0xff;
    *in = rest;
    return true;
}

bool seki_der_take_integer(seki_span *in, seki_span *content)
{
    return take_primitive(in, SEKI_DER_INTEGER, seki_der_integer_is_valid, content);
}

bool seki_der_take_uint(seki_span *in, uint64_t max, uint64_t *value)
{
    return seki_der_take_tagged_uint(in, SEKI_DER_INTEGER, max, value);
}

bool seki_der_take_tagged_uint(seki_span *in, uint8_t tag, uint64_t max, uint64_t *value)
{
    seki_span rest = *in, content;
    if (!take_primitive(&rest, tag, seki_der_integer_is_valid, &content) || !uint_value(content, max, value))
        return false;
    *in = rest;
    return true;
}

bool seki_der_take_magnitude(seki_span *in, seki_span *magnitude)
{
    seki_span rest = *in, content;
    if (!seki_der_take_integer(&rest, &content) || (content.data[0] & 0x80) != 0)
        return false;
    size_t pad = content.length > 1 && content.data[0] == 0 ? 1 : 0;
    *magnitude = (seki_span){content.data + pad, content.length - pad};
    *in = rest;
    return true;
}

bool seki_der_take_octet_bits(seki_span *in, seki_span *octets)
{
    seki_span rest = *in, content;
    if (!seki_der_take(&rest, SEKI_DER_BIT_STRING, &content, NULL))
        return false;
    if (content.length == 0 || content.data[0] != 0)
        return false;
    *octets = (seki_span){content.data + 1, content.length - 1};
    *in = rest;
    return true;
}

bool seki_der_take_named_bits(seki_span *in, uint8_t tag, unsigned count, uint32_t *bits, bool *trimmed)
{
    seki_span rest = *in, content;
    if (!take_primitive(&rest, tag, seki_der_bits_are_valid, &content))
        return false;
    if (content.length < 2 || content.length > 1 + sizeof *bits)
        return false;
    unsigned unused = content.data[0];
    if ((content.length - 1) * 8 - unused > count)
        return false;
    uint32_t value = 0;
    for (size_t i = 1; i < content.length; i++)
        for (unsigned bit = 0; bit < 8; bit++)
            if ((content.data[i] >> (7 - bit) & 1) != 0)
                value |= UINT32_C(1) << ((i - 1) * 8 + bit);
    bool ends_in_one = (content.data[content.length - 1] >> unused & 1) != 0;
    if (value == 0 || (trimmed == NULL && !ends_in_one))
        return false;
    if (trimmed != NULL)
        *trimmed = ends_in_one;
    *bits = value;
    *in = rest;
    return true;
}

bool seki_der_take_time(seki_span *in, int64_t *seconds)
{
    seki_span rest = *in, content;
    uint8_t tag;
    if (!seki_der_take_any(&rest, &tag, &content, NULL) || !seki_der_time_is_valid(tag, content, seconds))
        return false;
    *in = rest;
    return true;
}

bool seki_der_integer_is_valid(seki_span content)
{
    if (content.length == 0)
        return false;
    if (content.length == 1)
        return true;
    /* The first nine bits are neither all zero nor all one (X.690, 8.3.2). */
    bool top = (content.data[1] & 0x80) != 0;
    return !(content.data[0] == 0x00 && !top) && !(content.data[0] == 0xff && top);
}

bool seki_der_oid_is_valid(seki_span content)
{
    const uint8_t *at = content.data;
    size_t length = content.length;
    if (length == 0 || (at[length - 1] & 0x80) != 0)
        return false;
    /* Where no octet is 80, no arc starts with it: told at once for the lengths that algorithms and policies have. */
    if (length >= 8 && length <= 16 && !eight_hold_80(at) && !eight_hold_80(at + length - 8))
        return true;
    for (size_t i = 0; i < length; i++)
        if (at[i] == 0x80 && (i == 0 || (at[i - 1] & 0x80) == 0))
            return false;
    return true;
}

bool seki_der_bits_are_valid(seki_span content)
{
    if (content.length == 0 || content.data[0] > 7)
        return false;
    unsigned unused = content.data[0];
    if (content.length == 1)
        return unused == 0;
    return (content.data[content.length - 1] & ((1u << unused) - 1)) == 0;
}

bool seki_der_time_is_valid(uint8_t tag, seki_span content, int64_t *seconds)
{
    static const uint8_t days_of_month[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint8_t digits[14] = {0}; /* YYYYMMDDHHMMSS; a UTCTime's are the last twelve */
    if (!(tag == SEKI_DER_UTC_TIME && content.length == 13) &&
        !(tag == SEKI_DER_GENERALIZED_TIME && content.length == 15))
        return false;
    size_t count = content.length - 1;
    uint8_t *first = digits + sizeof digits - count;
    unsigned fault = content.data[count] != 'Z';
    for (size_t i = 0; i < count; i++) {
        first[i] = (uint8_t)(content.data[i] - '0');
        fault |= first[i] > 9;
    }
    if (fault != 0)
        return false;
    unsigned century = digits[0] * 10u + digits[1], year = digits[2] * 10u + digits[3];
    unsigned month = digits[4] * 10u + digits[5], day = digits[6] * 10u + digits[7];
    unsigned hour = digits[8] * 10u + digits[9], minute = digits[10] * 10u + digits[11];
    unsigned second = digits[12] * 10u + digits[13];
    if (tag == SEKI_DER_UTC_TIME)
        century = year >= 50 ? 19 : 20;
    year += century * 100;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59)
        return false;
    if (day < 1 || day > days_of_month[month - 1] + (unsigned)(leap && month == 2))
        return false;
    *seconds = days_from_epoch(year, month, day) * 86400 + (int64_t)(hour * 3600 + minute * 60 + second);
    return true;
}

static bool take_primitive(seki_span *in, uint8_t tag, bool (*valid)(seki_span), seki_span *content)
{
    seki_span rest = *in, found;
    if (!seki_der_take(&rest, tag, &found, NULL) || !valid(found))
        return false;
    *content = found;
    *in = rest;
    return true;
}

static bool uint_value(seki_span content, uint64_t max, uint64_t *value)
{
    if ((content.data[0] & 0x80) != 0)
        return false;
    if (content.length > 9 || (content.length == 9 && content.data[0] != 0))
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < content.length; i++)
        number = number << 8 | content.data[i];
    if (number > max)
        return false;
    *value = number;
    return true;
}

/* Whether one of eight octets is 80: subtracting 1 from each borrows into a clear top bit only where there is a zero,
 * so the answer as a whole is exact. */
static bool eight_hold_80(const uint8_t *at)
{
    const uint64_t tops = UINT64_C(0x8080808080808080), ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, at, sizeof word);
    word ^= tops;
    return ((word - ones) & ~word & tops) != 0;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar; years 0 to 9999. */
static int64_t days_from_epoch(unsigned year, unsigned month, unsigned day)
{
    /* A year that starts in March ends with the leap day, so its months need no table. */
    unsigned from_march = month > 2 ? month - 3 : month + 9;
    int64_t y = (int64_t)year - (month <= 2 ? 1 : 0) + 400; /* + 400 keeps the divisions below non-negative */
    int64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * (int64_t)from_march + 2) / 5 + (int64_t)day - 1;
    return days - 719468 - 146097; /* from 0000-03-01 to 1970-01-01, and the 400 years added */
}
