/* test_der.c: the DER reader, strings and ANY, and ECDSA signatures, against X.690 read literally: one table row a rule,
 * and the fast paths against slow obvious ones over every short input.
 *
 *   cc -std=gnu11 -O2 -Inative/include native/tests/test_der.c native/src/der.c native/src/value.c native/src/ecdsa_der.c
 *
 * One argument, a number: the seed of the random part (default 1).  Exit status 0 if everything held. */
#define _GNU_SOURCE

#include "hex.h"

#include "../src/der.h"
#include "../src/ecdsa_der.h"
#include "../src/value.h"

#include <time.h>

/* ---- elements ---------------------------------------------------------------------------------- */

static const struct {
    const char *rule, *hex;
    int content; /* length expected, -1 refused */
} elements[] = {
    {"empty input", "", -1},
    {"tag alone", "04", -1},
    {"no content", "0400", 0},
    {"short form", "0403 010203", 3},
    {"content cut off", "0403 0102", -1},
    {"indefinite length", "3080 0000", -1},
    {"reserved length ff", "04ff", -1},
    {"one length octet, below 80", "04817f", -1},
    {"one length octet, missing", "0481", -1},
    {"two length octets, below 100", "048200ff", -1},
    {"two length octets, below 80", "0482007f", -1},
    {"two length octets, one missing", "048201", -1},
    {"three length octets, leading zero", "0483000100", -1},
    {"four length octets, more than there is", "0484ffffffff", -1},
    {"five length octets", "04850100000000", -1},
    {"tag of two octets", "1f8101 00", -1},
    {"tag of two octets, constructed, context", "bf8101 00", -1},
    {"end-of-contents", "0000", -1},
    {"constructed end-of-contents", "2000", -1},
    {"context tag 0", "8001ff", 1},
    {"private tag", "c000", 0},
};

/* X.690, 8.1.3 and 10.1, word for word. */
static bool literal_take(seki_span in, size_t *header, size_t *length)
{
    if (in.length < 2 || (in.data[0] & 0x1f) == 0x1f || in.data[0] == 0x00 || in.data[0] == 0x20)
        return false;
    size_t octets = 0, value = in.data[1];
    if (in.data[1] >= 0x80) {
        octets = in.data[1] & 0x7f;
        if (octets == 0 || octets > 4 || in.length < 2 + octets)
            return false;
        value = 0;
        for (size_t i = 0; i < octets; i++)
            value = value * 256 + in.data[2 + i];
        size_t needed = value < 0x80 ? 0 : value < 0x100 ? 1 : value < 0x10000 ? 2 : value < 0x1000000 ? 3 : 4;
        if (octets != needed)
            return false;
    }
    if (value > in.length - 2 - octets)
        return false;
    *header = 2 + octets;
    *length = value;
    return true;
}

static void agrees_with_literal(seki_span in)
{
    seki_span rest = in, content = {NULL, 0}, whole = {NULL, 0};
    uint8_t tag = 0;
    size_t header, length;
    bool taken = seki_der_take_any(&rest, &tag, &content, &whole);
    bool wanted = literal_take(in, &header, &length);
    bool right = taken == wanted;
    if (right && wanted)
        right = tag == in.data[0] && content.data == in.data + header && content.length == length &&
                whole.data == in.data && whole.length == header + length && rest.data == in.data + header + length &&
                rest.length == in.length - header - length;
    if (right && !wanted)
        right = rest.data == in.data && rest.length == in.length && content.data == NULL && whole.data == NULL;
    if (!right) {
        char detail[64];
        snprintf(detail, sizeof detail, "%zu octets, %02x %02x %02x %02x", in.length, in.data[0], in.data[1], in.data[2],
                 in.data[3]);
        check(false, "seki_der_take_any against X.690", detail);
    }
}

static void test_elements(void)
{
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        seki_span in = from_hex(elements[i].hex), rest = in, content = {NULL, 0};
        uint8_t tag;
        bool taken = seki_der_take_any(&rest, &tag, &content, NULL);
        check(taken == (elements[i].content >= 0), "element", elements[i].rule);
        if (taken)
            check((int)content.length == elements[i].content, "element's length", elements[i].rule);
        else
            check(rest.data == in.data && rest.length == in.length, "element refused leaves the input", elements[i].rule);
        release(in);
    }
    /* Every tag with every two octets after it, in inputs that end in odd places. */
    static uint8_t buffer[70000];
    static const size_t lengths[] = {2, 3, 4, 5, 129, 130, 131, 132, 257, 258, 259, 260, 65538, 65539, 65540, 70000};
    for (unsigned second = 0; second < 256; second++)
        for (unsigned third = 0; third < 256; third++)
            for (unsigned fourth = 0; fourth < 256; fourth += 51) {
                memcpy(buffer, (uint8_t[]){0x04, (uint8_t)second, (uint8_t)third, (uint8_t)fourth}, 4);
                for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
                    agrees_with_literal((seki_span){buffer, lengths[i]});
            }
    for (unsigned tag = 0; tag < 256; tag++)
        for (unsigned second = 0; second < 256; second++) {
            memcpy(buffer, (uint8_t[]){(uint8_t)tag, (uint8_t)second, 0x81, 0x00}, 4);
            agrees_with_literal((seki_span){buffer, 1000});
        }
    check(true, "seki_der_take_any", "compared with X.690 for all short prefixes");

    seki_span in = {(const uint8_t *)"\x05\x00", 2}, content;
    check(!seki_der_take(&in, SEKI_DER_OID, &content, NULL) && in.length == 2, "seki_der_take", "another tag");
    check(seki_der_take(&in, SEKI_DER_NULL, &content, NULL) && in.length == 0, "seki_der_take", "the tag");
    check(!seki_der_next_is(in, SEKI_DER_NULL), "seki_der_next_is", "empty");
}

/* ---- primitive types ----------------------------------------------------------------------------- */

static const struct {
    const char *rule, *hex;
    int value; /* -1 refused */
} booleans[] = {
    {"false", "010100", 0},         {"true", "0101ff", 1}, {"neither 00 nor ff", "010101", -1}, {"empty", "0100", -1},
    {"two octets", "0102ffff", -1}, {"tag", "0201ff", -1},
};

static const struct {
    const char *rule, *hex;
    bool integer;
    long long small; /* seki_der_take_uint up to 1000; -1 refused */
    const char *magnitude; /* NULL refused */
} integers[] = {
    {"zero", "020100", true, 0, "00"},
    {"one", "020101", true, 1, "01"},
    {"127", "02017f", true, 127, "7f"},
    {"128", "02020080", true, 128, "80"},
    {"1000", "020203e8", true, 1000, "03e8"},
    {"1001", "020203e9", true, -1, "03e9"},
    {"-1", "0201ff", true, -1, NULL},
    {"-128", "020180", true, -1, NULL},
    {"-129", "0202ff7f", true, -1, NULL},
    {"empty", "0200", false, -1, NULL},
    {"leading 00 for nothing", "02020001", false, -1, NULL},
    {"leading 00 before zero", "02020000", false, -1, NULL},
    {"leading ff for nothing", "0202ff80", false, -1, NULL},
    {"eight octets", "02087fffffffffffffff", true, -1, "7fffffffffffffff"},
    {"nine octets", "020900ffffffffffffffff", true, -1, "ffffffffffffffff"},
    {"ten octets", "020a01000000000000000000", true, -1, "01000000000000000000"},
    {"tag", "040101", false, -1, NULL},
};

static const struct {
    const char *rule, *hex;
    bool octets; /* by seki_der_take_octet_bits */
    long named;  /* by seki_der_take_named_bits of nine, trailing zeros refused; -1 refused */
    int trimmed; /* by the same where they are not: 1, 0, or -1 refused */
} bit_strings[] = {
    {"bit 0", "03020780", false, 1, 1},
    {"bits 0 and 1", "030206c0", false, 3, 1},
    {"bits 5 and 6", "03020106", false, 0x60, 1},
    {"bit 8", "0303070080", false, 0x100, 1},
    {"bits 0 to 8", "030307ff80", false, 0x1ff, 1},
    {"bit 7", "03020001", true, 0x80, 1},
    {"trailing zero bit", "03020006", true, -1, 0},
    {"trailing zero octet", "0303070600", false, -1, 0},
    {"unused bit set", "03020781", false, -1, -1},
    {"eight unused bits", "03020880", false, -1, -1},
    {"no bits", "030100", true, -1, -1},
    {"no bits, unused", "030107", false, -1, -1},
    {"no octet at all", "0300", false, -1, -1},
    {"no bit set", "03020000", true, -1, -1},
    {"no bit set, seven unused", "03020700", false, -1, -1},
    {"a tenth bit", "0303060040", false, -1, -1},
    {"a tenth bit, zero", "0303060080", false, -1, -1},
    {"six octets", "0306008000000001", true, -1, -1},
    {"constructed", "230403020780", false, -1, -1},
};

static const struct {
    const char *rule, *hex;
    bool valid;
} oids[] = {
    {"id-ce", "060355 1d0f", true},
    {"one octet", "06012a", true},
    {"empty", "0600", false},
    {"ends in an arc", "06022a86", false},
    {"three octets, ends in an arc", "0603551d8f", false},
    {"three octets, padded arc", "0603558001", false},
    {"arc starts with 80", "0604 2a 8086 48", false},
    {"first arc starts with 80", "06028001", false},
    {"80 inside of an arc", "0604 2a 86 80 01", true},
    {"nine octets", "06092a864886f70d01010b", true},
    {"nine octets, 80 at the end", "06092a864886f70d010180", false},
    {"nine octets, padded arc", "06092a864886f70d80010b", false},
    {"tag", "0403551d0f", false},
};

static bool literal_oid(const uint8_t *at, size_t length)
{
    if (length == 0)
        return false;
    bool first = true;
    for (size_t i = 0; i < length; i++) {
        if (first && at[i] == 0x80)
            return false;
        first = at[i] < 0x80;
    }
    return first;
}

static void test_primitives(void)
{
    for (size_t i = 0; i < sizeof booleans / sizeof *booleans; i++) {
        seki_span in = from_hex(booleans[i].hex), rest = in;
        bool value = false, taken = seki_der_take_boolean(&rest, &value);
        check((taken ? (int)value : -1) == booleans[i].value, "BOOLEAN", booleans[i].rule);
        check(rest.length == (taken ? 0 : in.length), "BOOLEAN's rest", booleans[i].rule);
        release(in);
    }
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        const char *rule = integers[i].rule;
        seki_span in = from_hex(integers[i].hex), rest = in, content, magnitude;
        uint64_t value = 0;
        check(seki_der_take_integer(&rest, &content) == integers[i].integer, "INTEGER", rule);
        check(rest.length == (integers[i].integer ? 0 : in.length), "INTEGER's rest", rule);
        rest = in;
        bool taken = seki_der_take_uint(&rest, 1000, &value);
        check((taken ? (long long)value : -1) == integers[i].small, "INTEGER up to 1000", rule);
        check(rest.length == (taken ? 0 : in.length), "INTEGER up to 1000: rest", rule);
        rest = in;
        taken = seki_der_take_magnitude(&rest, &magnitude);
        check(taken == (integers[i].magnitude != NULL), "magnitude", rule);
        if (taken) {
            seki_span wanted = from_hex(integers[i].magnitude);
            check(seki_span_equal(magnitude, wanted), "magnitude's octets", rule);
            release(wanted);
        }
        release(in);
    }
    seki_span in = {(const uint8_t *)"\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff", 11};
    uint64_t value;
    check(seki_der_take_uint(&in, UINT64_MAX, &value) && value == UINT64_MAX, "INTEGER", "the largest of 64 bits");
    in = (seki_span){(const uint8_t *)"\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00", 11};
    check(!seki_der_take_uint(&in, UINT64_MAX, &value), "INTEGER", "one of 65 bits");
    in = (seki_span){(const uint8_t *)"\x80\x01\x05", 3};
    check(seki_der_take_tagged_uint(&in, 0x80, 9, &value) && value == 5, "INTEGER", "under an implicit tag");

    for (size_t i = 0; i < sizeof bit_strings / sizeof *bit_strings; i++) {
        const char *rule = bit_strings[i].rule;
        seki_span bits = from_hex(bit_strings[i].hex), rest = bits, octets;
        uint32_t named = 0;
        bool trimmed = false;
        check(seki_der_take_octet_bits(&rest, &octets) == bit_strings[i].octets, "octets of a BIT STRING", rule);
        rest = bits;
        bool taken = seki_der_take_named_bits(&rest, SEKI_DER_BIT_STRING, 9, &named, NULL);
        check((taken ? (long)named : -1) == bit_strings[i].named, "named bits", rule);
        rest = bits;
        taken = seki_der_take_named_bits(&rest, SEKI_DER_BIT_STRING, 9, &named, &trimmed);
        check((taken ? (int)trimmed : -1) == bit_strings[i].trimmed, "named bits, trimmed", rule);
        check(rest.length == (taken ? 0 : bits.length), "named bits: rest", rule);
        release(bits);
    }
    for (size_t i = 0; i < sizeof oids / sizeof *oids; i++) {
        seki_span oid_der = from_hex(oids[i].hex), rest = oid_der, oid;
        bool taken = seki_der_take_oid(&rest, &oid);
        check(taken == oids[i].valid, "OBJECT IDENTIFIER", oids[i].rule);
        check(rest.length == (taken ? 0 : oid_der.length), "OBJECT IDENTIFIER's rest", oids[i].rule);
        release(oid_der);
    }
    /* All of three octets, and long ones over the octets that matter. */
    static const uint8_t edges[] = {0x00, 0x01, 0x2a, 0x7f, 0x80, 0x81, 0xff};
    uint8_t encoded[32] = {SEKI_DER_OID, 3};
    size_t disagreed = 0;
    for (uint32_t octets = 0; octets < 1u << 24; octets += 7) {
        encoded[2] = (uint8_t)(octets >> 16);
        encoded[3] = (uint8_t)(octets >> 8);
        encoded[4] = (uint8_t)octets;
        seki_span rest = {encoded, 5}, oid;
        disagreed += seki_der_take_oid(&rest, &oid) != literal_oid(encoded + 2, 3);
    }
    for (size_t i = 0; i < 500000; i++) {
        size_t length = random_below(25);
        encoded[1] = (uint8_t)length;
        for (size_t k = 0; k < length; k++)
            encoded[2 + k] = random_below(4) == 0 ? edges[random_below(sizeof edges)] : (uint8_t)(1 + random_below(127));
        seki_span rest = {encoded, 2 + length}, oid;
        disagreed += seki_der_take_oid(&rest, &oid) != literal_oid(encoded + 2, length);
    }
    check(disagreed == 0, "OBJECT IDENTIFIER", "against X.690, 8.19");
}

/* ---- time ---------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    uint8_t tag;
    bool valid;
    int64_t seconds;
} times[] = {
    {"700101000000Z", 0x17, true, 0},
    {"491231235959Z", 0x17, true, 2524607999},
    {"500101000000Z", 0x17, true, -631152000},
    {"991231235959Z", 0x17, true, 946684799},
    {"000229000000Z", 0x17, true, 951782400},
    {"010229000000Z", 0x17, false, 0},
    {"20500101000000Z", 0x18, true, 2524608000},
    {"20020101120100Z", 0x18, true, 1009886460}, /* before 2050: PKITS 4.2.4 */
    {"99991231235959Z", 0x18, true, 253402300799},
    {"00000101000000Z", 0x18, true, -62167219200},
    {"21000229000000Z", 0x18, false, 0},
    {"20000229000000Z", 0x18, true, 951782400},
    {"24000229000000Z", 0x18, true, 13574563200},
    {"700001000000Z", 0x17, false, 0},
    {"701301000000Z", 0x17, false, 0},
    {"700100000000Z", 0x17, false, 0},
    {"700132000000Z", 0x17, false, 0},
    {"700431000000Z", 0x17, false, 0},
    {"700101240000Z", 0x17, false, 0},
    {"700101006000Z", 0x17, false, 0},
    {"700101000060Z", 0x17, false, 0}, /* a leap second is no time of a certificate */
    {"7001010000Z", 0x17, false, 0},
    {"700101000000", 0x17, false, 0},
    {"700101000000z", 0x17, false, 0},
    {"700101000000+0000", 0x17, false, 0},
    {"700101000000.0Z", 0x17, false, 0},
    {"7001010000:0Z", 0x17, false, 0},
    {"70010100000/Z", 0x17, false, 0},
    {" 00101000000Z", 0x17, false, 0},
    {"", 0x17, false, 0},
    {"19700101000000Z", 0x17, false, 0},
    {"700101000000Z", 0x18, false, 0},
    {"19700101000000.5Z", 0x18, false, 0},
    {"19700101000000+0900", 0x18, false, 0},
    {"19700101000000", 0x18, false, 0},
    {"1970010100Z", 0x18, false, 0},
    {"700101000000Z", 0x16, false, 0},
};

static void test_times(void)
{
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        uint8_t element[40] = {times[i].tag, (uint8_t)strlen(times[i].text)};
        memcpy(element + 2, times[i].text, strlen(times[i].text));
        seki_span in = {element, 2 + strlen(times[i].text)}, rest = in;
        int64_t seconds = 12345;
        bool taken = seki_der_take_time(&rest, &seconds);
        check(taken == times[i].valid, "time", times[i].text);
        if (taken)
            check(seconds == times[i].seconds, "time's seconds", times[i].text);
        check(rest.length == (taken ? 0 : in.length), "time's rest", times[i].text);
    }
    /* Every day of two centuries, and of every seventh year that a certificate can name, as the C library counts them. */
    size_t disagreed = 0, days = 0;
    for (int year = 0; year <= 9999; year += year >= 1900 && year < 2100 ? 1 : 7)
        for (int month = 1; month <= 12; month++)
            for (int day = 0; day <= 32; day++) {
                char text[16 + 32];
                int hour = (year + day) % 24, minute = (month * 7 + day) % 60, second = (year + month) % 60;
                snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02dZ", year, month, day, hour, minute, second);
                struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour,
                                .tm_min = minute, .tm_sec = second};
                time_t wanted = timegm(&tm); /* carries days that are none into the next month */
                bool real = tm.tm_mday == day && tm.tm_mon == month - 1;
                int64_t seconds = 0;
                bool valid = seki_der_time_is_valid(0x18, (seki_span){(uint8_t *)text, 15}, &seconds);
                disagreed += valid != real || (valid && seconds != (int64_t)wanted);
                if (year >= 1950 && year < 2050) {
                    valid = seki_der_time_is_valid(0x17, (seki_span){(uint8_t *)text + 2, 13}, &seconds);
                    disagreed += valid != real || (valid && seconds != (int64_t)wanted);
                }
                days += real;
            }
    check(disagreed == 0 && days > 200 * 365, "time", "days from 0000 to 9999 against timegm");
}

/* ---- strings and ANY ----------------------------------------------------------------------------- */

/* RFC 3629 by decoding: one character off the front, 0 if there is none. */
static size_t literal_utf8(const uint8_t *at, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t point = length == 1 ? at[0] : at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        point = point << 6 | (at[i] & 0x3f);
    }
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) || point == 0)
        return 0;
    return length;
}

static bool literal_utf8_string(const uint8_t *at, size_t length)
{
    while (length != 0) {
        size_t character = literal_utf8(at, length);
        if (character == 0)
            return false;
        at += character;
        length -= character;
    }
    return true;
}

static const struct {
    const char *rule;
    uint8_t tag;
    const char *hex;
    bool valid;
} strings[] = {
    {"NUL", 0x0c, "6100", false},
    {"NUL among eight", 0x0c, "6161616100616161", false},
    {"overlong two", 0x0c, "c1bf", false},
    {"overlong three", 0x0c, "e09fbf", false},
    {"overlong four", 0x0c, "f08fbfbf", false},
    {"surrogate", 0x0c, "eda080", false},
    {"U+10FFFF", 0x0c, "f48fbfbf", true},
    {"U+110000", 0x0c, "f4908080", false},
    {"five octets", 0x0c, "f888808080", false},
    {"lone continuation", 0x0c, "80", false},
    {"cut off", 0x0c, "e585", false},
    {"公的個人", 0x0c, "e585ace79a84e5808be4baba", true},
    {"empty", 0x0c, "", true},
    {"Printable: all 74", 0x13,
     "4142434445464748494a4b4c4d4e4f505152535455565758595a6162636465666768696a6b6c6d6e6f707172737475767778797a"
     "30313233343536373839 20 27 28 29 2b 2c 2d 2e 2f 3a 3d 3f",
     true},
    {"Printable: *", 0x13, "2a", false},
    {"Printable: @", 0x13, "40", false},
    {"Printable: &", 0x13, "26", false},
    {"Printable: _", 0x13, "5f", false},
    {"Printable: NUL", 0x13, "00", false},
    {"Printable: 80", 0x13, "80", false},
    {"Numeric", 0x12, "30 20 39", true},
    {"Numeric: letter", 0x12, "61", false},
    {"IA5: 7f", 0x16, "7f", true},
    {"IA5: 80", 0x16, "80", false},
    {"IA5: NUL", 0x16, "6100", false},
    {"Visible: ~", 0x1a, "7e", true},
    {"Visible: control", 0x1a, "1f", false},
    {"Visible: 7f", 0x1a, "7f", false},
    {"Teletex: anything", 0x14, "a1ff", true},
    {"Teletex: NUL", 0x14, "6100", false},
    {"BMP", 0x1e, "516c7684", true},
    {"BMP: half a unit", 0x1e, "516c76", false},
    {"BMP: surrogate", 0x1e, "d83d de00", false},
    {"BMP: NUL", 0x1e, "0000", false},
    {"Universal", 0x1c, "0001f600", true},
    {"Universal: three octets", 0x1c, "01f600", false},
    {"Universal: beyond", 0x1c, "00110000", false},
    {"Universal: surrogate", 0x1c, "0000d800", false},
    {"Universal: NUL", 0x1c, "00000000", false},
    {"no string", 0x04, "61", false},
};

static const struct {
    const char *rule, *hex;
    bool valid;
} values[] = {
    {"NULL", "0500", true},
    {"NULL with content", "050100", false},
    {"BOOLEAN 01", "010101", false},
    {"INTEGER padded", "02020001", false},
    {"ENUMERATED", "0a0101", true},
    {"ENUMERATED padded", "0a020001", false},
    {"BIT STRING, unused bit set", "03020701", false},
    {"OCTET STRING of anything", "0403ffffff", true},
    {"OID padded", "06028001", false},
    {"UTF8String", "0c0161", true},
    {"UTF8String, not UTF-8", "0c01ff", false},
    {"BMPString, half", "1e0161", false},
    {"UTCTime", "170d3730303130313030303030305a", true},
    {"UTCTime, no date", "170d3730303130303030303030305a", false},
    {"GeneralizedTime with a fraction", "18113139373030313031303030303030"
                                        "2e355a",
     true},
    {"SEQUENCE, primitive", "1000", false},
    {"SET, primitive", "1100", false},
    {"OCTET STRING, constructed", "2403040161", false},
    {"SEQUENCE of two", "3006 0500 020101 00", false},
    {"SEQUENCE of three elements", "3008 0500 020101 010100", true},
    {"SEQUENCE, inner length too long", "30040402 6100 00", false},
    {"SEQUENCE, inner cut off", "3003 040261", false},
    {"SEQUENCE, length not minimal inside", "3004 048101 61", false},
    {"SEQUENCE of an empty SET", "30023100", true},
    {"context, primitive, anything", "8002ffff", true},
    {"context, constructed, not DER", "a002ffff", false},
    {"context, constructed", "a0020500", true},
};

static void test_values(void)
{
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        seki_span content = from_hex(strings[i].hex);
        check(seki_string_is_valid(strings[i].tag, content) == strings[i].valid, "string", strings[i].rule);
        release(content);
    }
    seki_span empty = {(const uint8_t *)"", 0}, a = {(const uint8_t *)"a", 1};
    check(!seki_directory_string_is_valid(SEKI_DER_UTF8_STRING, empty), "DirectoryString", "empty");
    check(seki_directory_string_is_valid(SEKI_DER_UTF8_STRING, a), "DirectoryString", "UTF8String");
    check(!seki_directory_string_is_valid(SEKI_DER_IA5_STRING, a), "DirectoryString", "IA5String is none");
    check(!seki_ia5_is_valid(empty) && seki_ia5_is_valid(a), "IA5String", "at least one octet");

    /* Every first two octets with edges after them, then long mixtures around the fast paths. */
    static const uint8_t edges[] = {0x00, 0x01, 0x61, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    static const char *const pieces[] = {"a",    "ab\x01",      "Tokyo-to",     "\xe5\x85\xac", "\xe3\x81\x82",
                                         "\xc3\xa9", "\xf0\x9f\x98\x80", "\xe0\xa4\x85", "\xed\x9f\xbf", "\xef\xbc\xa1"};
    size_t disagreed = 0;
    for (unsigned first = 0; first < 256; first++)
        for (unsigned second = 0; second < 256; second++)
            for (size_t third = 0; third < sizeof edges; third++)
                for (size_t fourth = 0; fourth < sizeof edges; fourth++) {
                    uint8_t s[4] = {(uint8_t)first, (uint8_t)second, edges[third], edges[fourth]};
                    for (size_t length = 1; length <= 4; length++)
                        disagreed += seki_string_is_valid(SEKI_DER_UTF8_STRING, (seki_span){s, length}) !=
                                     literal_utf8_string(s, length);
                }
    for (size_t i = 0; i < 300000; i++) {
        uint8_t s[64];
        size_t length = 0, count = random_below(9);
        for (size_t k = 0; k < count; k++) {
            const char *piece = pieces[random_below(sizeof pieces / sizeof *pieces)];
            memcpy(s + length, piece, strlen(piece));
            length += strlen(piece);
        }
        if (length != 0 && random_below(2) == 0)
            s[random_below(length)] = random_below(2) == 0 ? edges[random_below(sizeof edges)] : (uint8_t)random_bits();
        disagreed += seki_string_is_valid(SEKI_DER_UTF8_STRING, (seki_span){s, length}) != literal_utf8_string(s, length);
    }
    check(disagreed == 0, "UTF8String", "against RFC 3629 by decoding");

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        seki_span in = from_hex(values[i].hex), rest = in, content;
        uint8_t tag;
        bool valid = seki_der_take_any(&rest, &tag, &content, NULL) && rest.length == 0 &&
                     seki_value_is_valid(tag, content);
        check(valid == values[i].valid, "value", values[i].rule);
        release(in);
    }
    uint8_t nested[64];
    for (size_t depth = 1; depth <= 30; depth++) { /* SEQUENCEs, the innermost empty */
        for (size_t level = 0; level < depth; level++)
            memcpy(nested + 2 * level, (uint8_t[]){0x30, (uint8_t)(2 * (depth - 1 - level))}, 2);
        bool valid = seki_value_is_valid(0x30, (seki_span){nested + 2, 2 * (depth - 1)});
        check(valid == (depth <= SEKI_VALUE_DEPTH_MAX), "value", "depth");
    }
}

/* ---- ECDSA signatures ------------------------------------------------------------------------------ */

static const struct {
    const char *rule, *hex;
    size_t size;
    const char *raw; /* NULL refused */
} signatures[] = {
    {"small", "3006 020101 020102", 2, "0001 0002"},
    {"full width", "3008 02020080 0202 00ff", 1, "80 ff"},
    {"wider than the order", "3008 02020100 02020101", 1, NULL},
    {"r zero", "3006 020100 020102", 2, NULL},
    {"s zero", "3006 020101 020100", 2, NULL},
    {"r negative", "3006 0201ff 020102", 2, NULL},
    {"s negative", "3006 020101 020180", 2, NULL},
    {"r padded", "3007 02020001 020102", 2, NULL},
    {"r unpadded where it must be", "3006 020180 020102", 2, NULL},
    {"r empty", "3005 0200 020102", 2, NULL},
    {"trailing data", "3006 020101 020102 00", 2, NULL},
    {"trailing data inside", "3008 020101 020102 0500", 2, NULL},
    {"a third number", "3009 020101 020102 020103", 2, NULL},
    {"one number", "3003 020101", 2, NULL},
    {"length not minimal", "308106 020101 020102", 2, NULL},
    {"indefinite", "3080 020101 020102 0000", 2, NULL},
    {"SET", "3106 020101 020102", 2, NULL},
    {"OCTET STRING", "3006 040101 020102", 2, NULL},
    {"cut off", "3006 020101 0201", 2, NULL},
    {"empty", "", 2, NULL},
};

static void test_signatures(void)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        seki_span der = from_hex(signatures[i].hex);
        uint8_t raw[8];
        memset(raw, 0xee, sizeof raw);
        bool read = seki_ecdsa_der_to_raw(der, signatures[i].size, raw);
        check(read == (signatures[i].raw != NULL), "ECDSA signature", signatures[i].rule);
        if (signatures[i].raw != NULL) {
            seki_span wanted = from_hex(signatures[i].raw);
            check(wanted.length == 2 * signatures[i].size && memcmp(raw, wanted.data, wanted.length) == 0,
                  "ECDSA signature's r and s", signatures[i].rule);
            release(wanted);
        } else {
            check(raw[0] == 0xee && raw[2 * signatures[i].size - 1] == 0xee, "ECDSA refused writes nothing",
                  signatures[i].rule);
        }
        check(raw[2 * signatures[i].size] == 0xee, "ECDSA writes no more than r and s", signatures[i].rule);
        release(der);
    }
}

int main(int count, char **arguments)
{
    if (count > 1)
        random_state = strtoull(arguments[1], NULL, 10);
    test_elements();
    test_primitives();
    test_times();
    test_values();
    test_signatures();
    return verdict("test_der");
}
