/* name_match.c: see name_match.h. */
#define OPENSSL_SUPPRESS_DEPRECATED /* as in digest.c: pure arithmetic, none of these calls can fail */

#include "name_match.h"

#include <openssl/sha.h>

#include "../include/sekisho.h"
#include "name.h"

/* AttributeTypeAndValue as it stands in an RDN. */
typedef struct {
    seki_span type;
    uint8_t tag;
    seki_span value;
} attribute;

/* A character string that is read in its normal form. */
typedef struct {
    seki_span rest;
    uint8_t tag;
    bool started;  /* a character was given: white space from here on may count */
    bool is_held;
    uint32_t held; /* the character behind the one space that was given */
} text;

static size_t attributes_of(seki_span rdn, attribute out[SEKI_RDN_ATTRIBUTES_MAX]);
static bool rdns_match(seki_span a, seki_span b);
static bool values_match(const attribute *a, const attribute *b);
static bool is_text(uint8_t tag);
static bool take_normal(text *in, uint32_t *out);
static void rdn_digest(seki_span rdn, uint8_t out[SHA256_DIGEST_LENGTH]);

bool seki_names_match(seki_span a, seki_span b)
{
    seki_span in_a, in_b, rdn_a, rdn_b;
    if (seki_span_equal(a, b))
        return true;
    if (!seki_der_take(&a, SEKI_DER_SEQUENCE, &in_a, NULL) || !seki_der_take(&b, SEKI_DER_SEQUENCE, &in_b, NULL))
        return false;
    while (in_a.length != 0 && in_b.length != 0)
        if (!seki_der_take(&in_a, SEKI_DER_SET, &rdn_a, NULL) || !seki_der_take(&in_b, SEKI_DER_SET, &rdn_b, NULL)
            || !rdns_match(rdn_a, rdn_b))
            return false;
    return in_a.length == 0 && in_b.length == 0;
}

bool seki_name_is_within(seki_span name, seki_span base)
{
    seki_span in_name, in_base, rdn_name, rdn_base;
    if (!seki_der_take(&name, SEKI_DER_SEQUENCE, &in_name, NULL) || !seki_der_take(&base, SEKI_DER_SEQUENCE, &in_base, NULL))
        return false;
    while (in_base.length != 0)
        if (!seki_der_take(&in_base, SEKI_DER_SET, &rdn_base, NULL) || !seki_der_take(&in_name, SEKI_DER_SET, &rdn_name, NULL)
            || !rdns_match(rdn_name, rdn_base))
            return false;
    return true;
}

void seki_name_digest(seki_span name, uint8_t out[32])
{
    seki_span in, rdn;
    uint8_t part[SHA256_DIGEST_LENGTH];
    SHA256_CTX hash;
    SHA256_Init(&hash);
    if (seki_der_take(&name, SEKI_DER_SEQUENCE, &in, NULL))
        while (seki_der_take(&in, SEKI_DER_SET, &rdn, NULL)) {
            rdn_digest(rdn, part);
            SHA256_Update(&hash, part, sizeof part);
        }
    SHA256_Final(out, &hash);
}

static bool is_name(seki_span name)
{
    seki_span content;
    const uint8_t *fault;
    return name.data != NULL && name.length <= SEKI_CERTIFICATE_SIZE_MAX && seki_der_take(&name, SEKI_DER_SEQUENCE, &content, NULL)
           && name.length == 0 && seki_name_is_valid(content, &fault);
}

seki_status seki_name_equal(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length, uint32_t *out)
{
    seki_span of_a = {a, a_length}, of_b = {b, b_length};
    if (out == NULL || !is_name(of_a) || !is_name(of_b))
        return SEKI_E_ARGUMENT;
    *out = seki_names_match(of_a, of_b);
    return SEKI_OK;
}

seki_status seki_name_within(const uint8_t *name, size_t name_length, const uint8_t *base, size_t base_length, uint32_t *out)
{
    seki_span of_name = {name, name_length}, of_base = {base, base_length};
    if (out == NULL || !is_name(of_name) || !is_name(of_base))
        return SEKI_E_ARGUMENT;
    *out = seki_name_is_within(of_name, of_base);
    return SEKI_OK;
}

static size_t attributes_of(seki_span rdn, attribute out[SEKI_RDN_ATTRIBUTES_MAX])
{
    size_t count = 0;
    seki_span one;
    while (count < SEKI_RDN_ATTRIBUTES_MAX && seki_der_take(&rdn, SEKI_DER_SEQUENCE, &one, NULL)) {
        attribute *a = &out[count];
        if (seki_der_take_oid(&one, &a->type) && seki_der_take_any(&one, &a->tag, &a->value, NULL))
            count++;
    }
    return count;
}

/* No type stands twice in an RDN (name.h), so each attribute has at most one counterpart. */
static bool rdns_match(seki_span a, seki_span b)
{
    attribute of_a[SEKI_RDN_ATTRIBUTES_MAX], of_b[SEKI_RDN_ATTRIBUTES_MAX];
    if (seki_span_equal(a, b))
        return true;
    size_t count = attributes_of(a, of_a);
    if (count == 0 || count != attributes_of(b, of_b))
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t other = 0;
        while (other < count && !seki_span_equal(of_a[i].type, of_b[other].type))
            other++;
        if (other == count || !values_match(&of_a[i], &of_b[other]))
            return false;
    }
    return true;
}

static bool values_match(const attribute *a, const attribute *b)
{
    if (!is_text(a->tag) || !is_text(b->tag))
        return a->tag == b->tag && seki_span_equal(a->value, b->value);
    text in_a = {.rest = a->value, .tag = a->tag}, in_b = {.rest = b->value, .tag = b->tag};
    for (;;) {
        uint32_t of_a, of_b;
        bool more = take_normal(&in_a, &of_a);
        if (more != take_normal(&in_b, &of_b))
            return false;
        if (!more)
            return true;
        if (of_a != of_b)
            return false;
    }
}

static bool is_text(uint8_t tag)
{
    return tag == SEKI_DER_UTF8_STRING || tag == SEKI_DER_PRINTABLE_STRING || tag == SEKI_DER_IA5_STRING
           || tag == SEKI_DER_BMP_STRING || tag == SEKI_DER_UNIVERSAL_STRING;
}

/* One character; false at the end.  The octets are of valid form (value.h), so that a lead octet says how many follow. */
static bool take_character(text *in, uint32_t *out)
{
    const uint8_t *at = in->rest.data;
    size_t size = in->tag == SEKI_DER_BMP_STRING ? 2 : in->tag == SEKI_DER_UNIVERSAL_STRING ? 4 : 1;
    if (in->rest.length == 0)
        return false;
    if (in->tag == SEKI_DER_UTF8_STRING && at[0] >= 0xc0)
        size = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (size > in->rest.length)
        return false;
    if (in->tag == SEKI_DER_UTF8_STRING && size > 1) {
        *out = at[0] & (0x7fu >> size);
        for (size_t i = 1; i < size; i++)
            *out = *out << 6 | (at[i] & 0x3fu);
    } else {
        *out = 0;
        for (size_t i = 0; i < size; i++)
            *out = *out << 8 | at[i];
    }
    in->rest.data += size;
    in->rest.length -= size;
    return true;
}

/* The next character of the normal form; false at its end.  White space is what RFC 4518, 2.2, maps to a space, of ASCII. */
static bool take_normal(text *in, uint32_t *out)
{
    bool space = false;
    uint32_t c;
    if (in->is_held) {
        in->is_held = false;
        *out = in->held;
        return true;
    }
    while (take_character(in, &c)) {
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            space = true;
            continue;
        }
        if (c >= 'A' && c <= 'Z')
            c += 'a' - 'A';
        in->is_held = space && in->started;
        in->started = true;
        in->held = c;
        *out = in->is_held ? ' ' : c;
        return true;
    }
    return false;
}

/* ---- digests ----------------------------------------------------------------------------------- */

enum { CHUNK = 64 }; /* characters hashed at once */

static void attribute_digest(const attribute *a, uint8_t out[SHA256_DIGEST_LENGTH])
{
    uint8_t head[2] = {is_text(a->tag) ? SEKI_DER_UNIVERSAL_STRING : a->tag, (uint8_t)a->type.length};
    SHA256_CTX hash;
    SHA256_Init(&hash);
    SHA256_Update(&hash, head, sizeof head);
    SHA256_Update(&hash, a->type.data, a->type.length);
    if (is_text(a->tag)) {
        text in = {.rest = a->value, .tag = a->tag};
        uint32_t characters[CHUNK];
        size_t count = 0;
        while (take_normal(&in, &characters[count]))
            if (++count == CHUNK) {
                SHA256_Update(&hash, characters, sizeof characters);
                count = 0;
            }
        SHA256_Update(&hash, characters, count * sizeof characters[0]);
    } else {
        SHA256_Update(&hash, a->value.data, a->value.length);
    }
    SHA256_Final(out, &hash);
}

static void rdn_digest(seki_span rdn, uint8_t out[SHA256_DIGEST_LENGTH])
{
    attribute attributes[SEKI_RDN_ATTRIBUTES_MAX];
    uint8_t digests[SEKI_RDN_ATTRIBUTES_MAX][SHA256_DIGEST_LENGTH], one[SHA256_DIGEST_LENGTH];
    size_t count = attributes_of(rdn, attributes);
    for (size_t i = 0; i < count; i++) { /* in order, since a set has none */
        size_t place = i;
        attribute_digest(&attributes[i], one);
        for (; place != 0 && memcmp(digests[place - 1], one, sizeof one) > 0; place--)
            memcpy(digests[place], digests[place - 1], sizeof one);
        memcpy(digests[place], one, sizeof one);
    }
    SHA256_CTX hash;
    SHA256_Init(&hash);
    SHA256_Update(&hash, digests, count * sizeof one);
    SHA256_Final(out, &hash);
}
