/* test_name_match.c: names in normal form against OpenSSL's X509_NAME_cmp, over names that differ in what may not count: what is
 * called the same here is so there, and the other way round but for TeletexString.  Subtrees, digests and symmetry with it.
 *
 * Exit status 0 if everything held. */
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "../include/sekisho.h"
#include "../src/name.h"
#include "../src/name_match.h"

enum { PAIRS = 100000, SIZE = 512 };

static unsigned failures;

static uint32_t chance(uint32_t below)
{
    static uint64_t state = 20260131;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

typedef struct {
    uint8_t bytes[SIZE];
    size_t length;
} der;

static void put(der *out, uint8_t tag, const uint8_t *content, size_t length)
{
    if (length > 127 || out->length + length + 2 > SIZE)
        abort();
    out->bytes[out->length++] = tag;
    out->bytes[out->length++] = (uint8_t)length;
    memcpy(out->bytes + out->length, content, length);
    out->length += length;
}

/* One of few values, in one of its spellings. */
static void put_value(der *out, bool teletex)
{
    static const char *const texts[] = {"ab", "aB", " ab", "ab  ", "a b", "a  b", " a\tb ", "A B", "ac", "b", "\x5a", "a"};
    static const uint8_t tags[] = {SEKI_DER_UTF8_STRING, SEKI_DER_PRINTABLE_STRING, SEKI_DER_IA5_STRING, SEKI_DER_BMP_STRING,
                                   SEKI_DER_UNIVERSAL_STRING, SEKI_DER_TELETEX_STRING};
    const char *text = texts[chance(sizeof texts / sizeof texts[0])];
    uint8_t tag = tags[chance(teletex ? 6 : 5)], wide[64];
    size_t unit = tag == SEKI_DER_BMP_STRING ? 2 : tag == SEKI_DER_UNIVERSAL_STRING ? 4 : 1, length = 0;
    if (tag == SEKI_DER_PRINTABLE_STRING && strchr(text, '\t') != NULL)
        tag = SEKI_DER_UTF8_STRING;
    for (; *text != '\0'; text++) {
        for (size_t i = 1; i < unit; i++)
            wide[length++] = 0;
        wide[length++] = (uint8_t)*text;
    }
    if (tag != SEKI_DER_TELETEX_STRING && chance(4) == 0) { /* U+00E9 or U+00C9: case that nobody folds */
        uint8_t c = chance(2) != 0 ? 0xe9 : 0xc9;
        if (unit == 1) {
            tag = SEKI_DER_UTF8_STRING;
            wide[length++] = 0xc3;
            c = (uint8_t)(c - 0x40);
        }
        for (size_t i = 1; i < unit; i++)
            wide[length++] = 0;
        wide[length++] = c;
    }
    put(out, tag, wide, length);
}

/* A Name of up to two RDNs of up to two attributes, in DER's order. */
static der make_name(bool teletex)
{
    static const uint8_t types[2][5] = {{6, 3, 0x55, 4, 3}, {6, 3, 0x55, 4, 10}};
    der rdns = {.length = 0}, name = {.length = 0};
    for (uint32_t rdn = 1 + chance(2); rdn-- != 0;) {
        der attributes[2], set = {.length = 0};
        uint32_t count = 1 + chance(2), first = chance(2);
        for (uint32_t i = 0; i < count; i++) {
            der inside = {.length = 5};
            memcpy(inside.bytes, types[(first + i) % 2], 5);
            put_value(&inside, teletex);
            attributes[i].length = 0;
            put(&attributes[i], SEKI_DER_SEQUENCE, inside.bytes, inside.length);
        }
        size_t shorter = count == 2 && attributes[1].length < attributes[0].length ? attributes[1].length : attributes[0].length;
        uint32_t low = count == 2 && memcmp(attributes[0].bytes, attributes[1].bytes, shorter) > 0;
        for (uint32_t i = 0; i < count; i++) {
            const der *a = &attributes[(low + i) % count];
            memcpy(set.bytes + set.length, a->bytes, a->length);
            set.length += a->length;
        }
        put(&rdns, SEKI_DER_SET, set.bytes, set.length);
    }
    if (rdns.length > 127) { /* the long form is not what is tested here */
        return make_name(teletex);
    }
    put(&name, SEKI_DER_SEQUENCE, rdns.bytes, rdns.length);
    return name;
}

static X509_NAME *theirs(const der *name)
{
    const uint8_t *at = name->bytes;
    X509_NAME *read = d2i_X509_NAME(NULL, &at, (long)name->length);
    if (read == NULL)
        abort();
    return read;
}

static void fail(const char *what, const der *a, const der *b)
{
    failures++;
    printf("%s\n ", what);
    for (size_t i = 0; i < a->length; i++)
        printf("%02x", a->bytes[i]);
    printf("\n ");
    for (size_t i = 0; i < b->length; i++)
        printf("%02x", b->bytes[i]);
    printf("\n");
}

static unsigned compare(bool teletex)
{
    unsigned same = 0;
    for (unsigned pair = 0; pair < PAIRS && failures < 10; pair++) {
        der a = make_name(teletex), b = make_name(teletex);
        seki_span of_a = {a.bytes, a.length}, of_b = {b.bytes, b.length};
        uint32_t equal, back, within, above;
        if (seki_name_equal(a.bytes, a.length, b.bytes, b.length, &equal) != SEKI_OK
            || seki_name_equal(b.bytes, b.length, a.bytes, a.length, &back) != SEKI_OK
            || seki_name_within(a.bytes, a.length, b.bytes, b.length, &within) != SEKI_OK
            || seki_name_within(b.bytes, b.length, a.bytes, a.length, &above) != SEKI_OK) {
            fail("refused", &a, &b);
            continue;
        }
        X509_NAME *one = theirs(&a), *other = theirs(&b);
        bool agreed = X509_NAME_cmp(one, other) == 0;
        X509_NAME_free(one);
        X509_NAME_free(other);
        if (equal != 0 && !agreed)
            fail("the same here, not for OpenSSL", &a, &b);
        if (equal == 0 && agreed && !teletex)
            fail("the same for OpenSSL, not here", &a, &b);
        if (equal != back || (equal != 0) != (within != 0 && above != 0))
            fail("not symmetric, or not within itself", &a, &b);
        uint8_t digest_a[32], digest_b[32];
        seki_name_digest(of_a, digest_a);
        seki_name_digest(of_b, digest_b);
        if ((memcmp(digest_a, digest_b, 32) == 0) != (equal != 0))
            fail("the digest says otherwise", &a, &b);
        same += equal != 0 && !seki_span_equal(of_a, of_b);
    }
    return same;
}

int main(void)
{
    unsigned plain = compare(false), with_teletex = compare(true);
    static const uint8_t empty[] = {0x30, 0x00}, cut[] = {0x30, 0x02, 0x31, 0x00};
    uint32_t out = 7;
    if (seki_name_within(empty, 2, empty, 2, &out) != SEKI_OK || out != 1 || seki_name_equal(empty, 2, empty, 2, &out) != SEKI_OK)
        failures++;
    out = 7;
    if (seki_name_equal(cut, 4, empty, 2, &out) != SEKI_E_ARGUMENT || seki_name_equal(empty, 1, empty, 2, &out) != SEKI_E_ARGUMENT
        || seki_name_equal(NULL, 0, empty, 2, &out) != SEKI_E_ARGUMENT || seki_name_equal(empty, 2, empty, 2, NULL) != SEKI_E_ARGUMENT
        || out != 7)
        failures++;
    if (plain < 300 || with_teletex < 200) {
        printf("only %u and %u pairs are the same in other bytes\n", plain, with_teletex);
        failures++;
    }
    printf("test_name_match: %u pairs in other bytes, %u failures\n", plain + with_teletex, failures);
    return failures != 0;
}
