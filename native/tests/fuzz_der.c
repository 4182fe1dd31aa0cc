/* fuzz_der.c: libFuzzer target for the DER reader.
 *
 * Invariant: a taker takes exactly one element, whose only DER encoding it was, or nothing; elements listed tile the input
 * up to the fault, and nest; what is DER to its end is the same octets when taken apart and put together again.
 *
 *   make fuzz TARGET=der */
#include <time.h>

#include "../include/sekisho.h"
#include "../src/der.h"
#include "../src/value.h"
#include "fuzz/fuzz.h"
#include "fuzz/tlv.h"

enum { ELEMENTS = 256, DEPTH = 33 };

TLV_CUSTOM_MUTATOR(0)

/* X.690, 10.1: the octets before `length` octets of content under `tag`. */
static size_t header_of(uint8_t tag, size_t length, uint8_t out[10])
{
    size_t octets = 0;
    for (size_t rest = length; rest != 0; rest >>= 8)
        octets++;
    out[0] = tag;
    if (length < 0x80) {
        out[1] = (uint8_t)length;
        return 2;
    }
    out[1] = (uint8_t)(0x80 | octets);
    for (size_t i = 0; i < octets; i++)
        out[2 + i] = (uint8_t)(length >> 8 * (octets - 1 - i));
    return 2 + octets;
}

/* What a taker left, given whether it took: all, or what is behind the first element. */
static void took_one(seki_span before, seki_span after, bool taken, const char *what)
{
    seki_span rest = before, content;
    uint8_t tag;
    if (!taken)
        require(after.data == before.data && after.length == before.length, what);
    else
        require(seki_der_take_any(&rest, &tag, &content, NULL) && after.data == rest.data && after.length == rest.length,
                what);
}

static void one_value_one_encoding(seki_span in)
{
    seki_span rest = in, content, whole;
    uint8_t tag, header[10];
    if (seki_der_take_any(&rest, &tag, &content, &whole)) {
        size_t length = header_of(tag, content.length, header);
        require(whole.length == length + content.length && memcmp(whole.data, header, length) == 0, "header is minimal");
        require(whole.data == in.data && whole.length + rest.length == in.length, "an element and the rest");
    }
    took_one(in, rest, rest.data != in.data, "any");

    uint64_t value, again = 0;
    rest = in;
    bool taken = seki_der_take_uint(&rest, UINT64_MAX, &value);
    took_one(in, rest, taken, "unsigned");
    if (taken) {
        size_t octets = 1;
        while (octets < 8 && value >> 8 * octets != 0)
            octets++;
        if ((value >> (8 * octets - 1) & 1) != 0)
            octets++;
        require(in.data[1] == octets, "an INTEGER is minimal");
        for (size_t i = 0; i < octets; i++)
            again = again << 8 | in.data[2 + i];
        require(again == value, "an INTEGER's value");
    }
    rest = in;
    taken = seki_der_take_magnitude(&rest, &content);
    took_one(in, rest, taken, "magnitude");
    bool flag;
    rest = in;
    taken = seki_der_take_boolean(&rest, &flag);
    took_one(in, rest, taken, "boolean");
    if (taken)
        require(in.data[2] == (flag ? 0xff : 0x00), "a BOOLEAN's value");
    rest = in;
    taken = seki_der_take_oid(&rest, &content);
    took_one(in, rest, taken, "oid");
    if (taken)
        for (size_t i = 0; i < content.length; i++)
            require(content.data[i] != 0x80 || (i != 0 && (content.data[i - 1] & 0x80) != 0), "an arc is minimal");
    rest = in;
    taken = seki_der_take_octet_bits(&rest, &content);
    took_one(in, rest, taken, "octet bits");
    uint32_t bits;
    rest = in;
    taken = seki_der_take_named_bits(&rest, SEKI_DER_BIT_STRING, 32, &bits, NULL);
    took_one(in, rest, taken, "named bits");
    if (taken)
        require(bits != 0 && (size_t)(in.data[1] - 1) == (size_t)(31 - __builtin_clz(bits)) / 8 + 1, "named bits are trimmed");
    int64_t seconds;
    rest = in;
    taken = seki_der_take_time(&rest, &seconds);
    took_one(in, rest, taken, "time");
    if (taken) {
        char text[40];
        struct tm tm;
        time_t when = (time_t)seconds;
        require(gmtime_r(&when, &tm) != NULL, "a time is a time");
        size_t length = strftime(text, sizeof text, "%m%d%H%M%SZ", &tm);
        int year = tm.tm_year + 1900;
        size_t digits = in.data[0] == SEKI_DER_UTC_TIME ? 2 : 4;
        char years[16];
        snprintf(years, sizeof years, "%04d", year);
        require(in.data[1] == digits + length && memcmp(in.data + 2, years + 4 - digits, digits) == 0 &&
                    memcmp(in.data + 2 + digits, text, length) == 0 &&
                    (digits == 4 || (year >= 1950 && year < 2050)),
                "a time's one encoding");
    }
}

/* Each element within the one listed last above it, and one level below. */
static void nests(const seki_element *elements, uint64_t count, size_t size)
{
    size_t end[DEPTH + 1], depth = 0;
    end[0] = size;
    for (uint64_t i = 0; i < count; i++) {
        size_t from = elements[i].offset, to = elements[i].content + (size_t)elements[i].length;
        while (depth != 0 && end[depth] == from)
            depth--;
        require(elements[i].depth == depth && depth < DEPTH && from < elements[i].content && to <= end[depth], "elements nest");
        if ((elements[i].tag & SEKI_DER_CONSTRUCTED) != 0)
            end[++depth] = to;
    }
}

static void same_octets_again(seki_span der)
{
    static tlv_tree tree;
    if (!tlv_read(&tree, der))
        return;
    uint8_t *again = malloc(der.length + 1);
    require(again != NULL && tlv_write(&tree, again, der.length + 1) == der.length && memcmp(again, der.data, der.length) == 0,
            "the same octets again");
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static seki_element elements[ELEMENTS];
    uint64_t count;
    size_t fault;
    require(seki_der_list(data, size, elements, ELEMENTS, &count, &fault) == SEKI_OK && fault <= size, "listed");
    size_t at = 0;
    uint64_t shown = count < ELEMENTS ? count : ELEMENTS;
    for (uint64_t i = 0; i < shown; i++) {
        require(elements[i].offset == at && elements[i].content + (size_t)elements[i].length <= size, "elements tile");
        at = elements[i].content + ((elements[i].tag & SEKI_DER_CONSTRUCTED) != 0 ? 0 : elements[i].length);
        one_value_one_encoding((seki_span){data + elements[i].offset, size - elements[i].offset});
    }
    nests(elements, shown, size);
    if (fault == size)
        same_octets_again((seki_span){data, size});
    if (shown == count)
        require(at == fault, "elements end at the fault");
    one_value_one_encoding((seki_span){data, size});

    /* A value that is valid is listed to its end. */
    seki_span rest = {data, size}, content;
    uint8_t tag;
    if (seki_der_take_any(&rest, &tag, &content, NULL) && seki_value_is_valid(tag, content))
        require(seki_der_list(data, size - rest.length, NULL, 0, &count, &fault) == SEKI_OK && fault == size - rest.length,
                "a valid value is DER");
    for (unsigned type = 0; type < 32; type++)
        (void)seki_string_is_valid((uint8_t)type, (seki_span){data, size});
    return 0;
}
