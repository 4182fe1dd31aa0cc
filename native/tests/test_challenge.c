/* test_challenge.c: challenge.c, challenge_batch.c and base64url.c; the MAC against OpenSSL's HMAC over the layout that sekisho.h writes down.
 *
 *   cc -std=gnu11 -O2 native/tests/test_challenge.c native/src/{challenge,challenge_batch,base64url,column,claims,claims_file}.c -lcrypto
 *
 * Exit status 0 if everything held. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "../src/base64url.h"
#include "../src/challenge.h"

static size_t failures, checks;

#define CHECK(condition) check((condition), #condition, __LINE__)
static void check(bool held, const char *what, int line)
{
    checks++;
    if (held)
        return;
    fprintf(stderr, "FAILED at line %d: %s\n", line, what);
    if (++failures > 20)
        exit(1);
}

static const uint8_t SECRETS[2][SEKI_CHALLENGE_KEY_SIZE] = {
    {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32},
    {0xff, 0xfe}};
static const uint32_t IDS[2] = {0x01020304, 0xfffffffe};
static const uint8_t RANDOM[SEKI_CHALLENGE_RANDOM_SIZE] = "0123456789abcde";
static const seki_span NOTHING = {(const uint8_t *)"", 0};
enum { ISSUED = 1000000, LIFETIME = 120 };

static seki_challenge_keys *make_keys(uint64_t count, int64_t current)
{
    seki_challenge_keys *keys = NULL;
    CHECK(seki_challenge_keys_new(IDS, &SECRETS[0][0], count, current, &keys) == SEKI_OK);
    if (keys == NULL)
        exit(1);
    return keys;
}

static seki_challenge_params params(void)
{
    seki_challenge_params p = {.tenant = 7, .profile = 9, .issued = ISSUED, .lifetime = LIFETIME};
    seki_challenge_audience((const uint8_t *)"https://example.jp", 18, p.audience);
    return p;
}

static seki_challenge_expectation expectation(void)
{
    seki_challenge_params p = params();
    seki_challenge_expectation e = {.tenant = p.tenant, .profile = p.profile, .skew = 5};
    memcpy(e.audience, p.audience, sizeof e.audience);
    return e;
}

static seki_span span(const void *data, size_t length)
{
    return (seki_span){data, length};
}

static seki_reason check_at(const seki_challenge_keys *keys, const uint8_t *token, seki_span binding, seki_span transaction, int64_t at)
{
    seki_challenge_expectation e = expectation();
    seki_challenge_fields fields;
    return seki_challenge_check(keys, span(token, SEKI_CHALLENGE_SIZE), binding, transaction, &e, at, &fields);
}

/* The layout in sekisho.h, written a second time, with another base64 and another HMAC. */
static void oracle(const seki_challenge_params *p, uint32_t id, const uint8_t *secret, seki_span binding, seki_span transaction, uint8_t *token)
{
    uint8_t message[64 + 85 + 2 + SEKI_CHALLENGE_BINDING_SIZE_MAX] = "sekisho challenge token 1", body[117] = {0};
    unsigned size = 0;
    body[0] = transaction.length != 0;
    for (unsigned i = 0; i < 4; i++) {
        body[1 + i] = (uint8_t)(id >> (24 - 8 * i));
        body[5 + i] = (uint8_t)(p->tenant >> (24 - 8 * i));
        body[9 + i] = (uint8_t)(p->profile >> (24 - 8 * i));
    }
    memcpy(body + 13, p->audience, 16);
    for (unsigned i = 0; i < 6; i++)
        body[29 + i] = (uint8_t)(p->issued >> (40 - 8 * i));
    body[35] = (uint8_t)(p->lifetime >> 8);
    body[36] = (uint8_t)p->lifetime;
    memcpy(body + 37, RANDOM, 16);
    memcpy(body + 53, transaction.data, transaction.length);
    memcpy(message + 64, body, 85);
    message[149] = (uint8_t)(binding.length >> 8);
    message[150] = (uint8_t)binding.length;
    memcpy(message + 151, binding.data, binding.length);
    HMAC(EVP_sha256(), secret, 32, message, 151 + binding.length, body + 85, &size);
    char text[160];
    EVP_EncodeBlock((unsigned char *)text, body, 117);
    for (char *c = text; *c != 0; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    memcpy(token, "sekisho1.", 9);
    memcpy(token + 9, text, 156);
}

static void test_against_oracle(void)
{
    static const size_t sizes[] = {0, 1, 31, 32, 33, 63, 64, 65, 96, 97, 500, SEKI_CHALLENGE_BINDING_SIZE_MAX};
    uint8_t binding[SEKI_CHALLENGE_BINDING_SIZE_MAX], transaction[32];
    for (size_t i = 0; i < sizeof binding; i++)
        binding[i] = (uint8_t)(i * 37 + i / 256);
    memset(transaction, 0xa5, sizeof transaction);
    for (size_t which = 0; which < 2; which++) {
        seki_challenge_keys *keys = make_keys(2, IDS[which]);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            for (size_t bound = 0; bound < 2; bound++) {
                uint8_t token[SEKI_CHALLENGE_SIZE], wanted[SEKI_CHALLENGE_SIZE];
                seki_challenge_params p = params();
                p.lifetime = (int64_t)(1 + (i * 27) % SEKI_CHALLENGE_LIFETIME_MAX);
                seki_span b = span(binding, sizes[i]), t = bound ? span(transaction, 32) : NOTHING;
                CHECK(seki_challenge_issue(keys, &p, b, t, RANDOM, token));
                oracle(&p, IDS[which], SECRETS[which], b, t, wanted);
                CHECK(memcmp(token, wanted, sizeof token) == 0);
                CHECK(check_at(keys, token, b, t, ISSUED) == SEKI_NOT_DECIDED);
            }
        seki_challenge_keys_free(keys);
    }
}

/* docs/SECURITY.md: a challenge must not be readable as anything else that is signed. */
static void test_form(const seki_challenge_keys *keys)
{
    static const size_t hashes[] = {20, 28, 32, 36, 48, 64};
    uint8_t token[SEKI_CHALLENGE_SIZE];
    seki_challenge_params p = params();
    CHECK(seki_challenge_issue(keys, &p, NOTHING, NOTHING, RANDOM, token));
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        CHECK(sizeof token != hashes[i]);
    CHECK(sizeof token >= 16 && sizeof token <= 200);
    for (size_t i = 0; i < sizeof token; i++)
        CHECK(token[i] > 0x20 && token[i] < 0x7f);
    const unsigned char *at = token;
    X509_SIG *info = d2i_X509_SIG(NULL, &at, sizeof token); /* a DigestInfo, RFC 8017 A.2.4 */
    CHECK(info == NULL);
    X509_SIG_free(info);
    CHECK(memcmp(token, "sekisho1.", 9) == 0);
}

static void test_every_mutation(const seki_challenge_keys *keys)
{
    uint8_t token[SEKI_CHALLENGE_SIZE + 1];
    const uint8_t session[] = "session 4711";
    const seki_span binding = span(session, sizeof session);
    seki_challenge_expectation e = expectation();
    seki_challenge_fields fields;
    seki_challenge_params p = params();
    CHECK(seki_challenge_issue(keys, &p, binding, NOTHING, RANDOM, token));
    for (size_t i = 0; i < SEKI_CHALLENGE_SIZE; i++) {
        const uint8_t kept = token[i];
        for (unsigned c = 0; c < 256; c++) {
            token[i] = (uint8_t)c;
            seki_reason reason = seki_challenge_check(keys, span(token, SEKI_CHALLENGE_SIZE), binding, NOTHING, &e, ISSUED, &fields);
            if (c == kept) {
                CHECK(reason == SEKI_NOT_DECIDED);
                continue;
            }
            /* never a word about what an unauthenticated token says */
            CHECK(reason == SEKI_CHALLENGE_MALFORMED || reason == SEKI_CHALLENGE_KEY_UNKNOWN || reason == SEKI_CHALLENGE_FORGED);
            CHECK(fields.expires == 0 && fields.issued == 0);
        }
        token[i] = kept;
    }
    for (size_t length = 0; length < SEKI_CHALLENGE_SIZE; length++)
        CHECK(seki_challenge_check(keys, span(token, length), binding, NOTHING, &e, ISSUED, &fields) == SEKI_CHALLENGE_MALFORMED);
    token[SEKI_CHALLENGE_SIZE] = '=';
    CHECK(seki_challenge_check(keys, span(token, SEKI_CHALLENGE_SIZE + 1), binding, NOTHING, &e, ISSUED, &fields) == SEKI_CHALLENGE_MALFORMED);
    CHECK(seki_challenge_check(keys, span(NULL, 0), binding, NOTHING, &e, ISSUED, &fields) == SEKI_CHALLENGE_MALFORMED);
}

static void test_binding(const seki_challenge_keys *keys)
{
    uint8_t token[SEKI_CHALLENGE_SIZE], binding[SEKI_CHALLENGE_BINDING_SIZE_MAX + 1] = {0};
    seki_challenge_params p = params();
    CHECK(seki_challenge_issue(keys, &p, span(binding, 16), NOTHING, RANDOM, token));
    CHECK(check_at(keys, token, span(binding, 16), NOTHING, ISSUED) == SEKI_NOT_DECIDED);
    for (size_t length = 0; length <= SEKI_CHALLENGE_BINDING_SIZE_MAX; length++) /* zeros: only the length tells them apart */
        if (length != 16)
            CHECK(check_at(keys, token, span(binding, length), NOTHING, ISSUED) == SEKI_CHALLENGE_FORGED);
    for (size_t bit = 0; bit < 128; bit++) {
        binding[bit / 8] = (uint8_t)(1 << bit % 8);
        CHECK(check_at(keys, token, span(binding, 16), NOTHING, ISSUED) == SEKI_CHALLENGE_FORGED);
        binding[bit / 8] = 0;
    }
    CHECK(check_at(keys, token, span(binding, sizeof binding), NOTHING, ISSUED) == SEKI_INPUT_TOO_LARGE);
    memset(token, 'x', sizeof token);
    CHECK(!seki_challenge_issue(keys, &p, span(binding, sizeof binding), NOTHING, RANDOM, token));
    CHECK(token[0] == 'x' && token[SEKI_CHALLENGE_SIZE - 1] == 'x');
}

static void test_expectations(const seki_challenge_keys *keys)
{
    uint8_t token[SEKI_CHALLENGE_SIZE];
    seki_challenge_fields fields;
    seki_challenge_params p = params();
    CHECK(seki_challenge_issue(keys, &p, NOTHING, NOTHING, RANDOM, token));
    const seki_span whole = span(token, sizeof token);
    seki_challenge_expectation e = expectation();
    CHECK(seki_challenge_check(keys, whole, NOTHING, NOTHING, &e, ISSUED, &fields) == SEKI_NOT_DECIDED);
    CHECK(fields.tenant == 7 && fields.profile == 9 && fields.issued == ISSUED && fields.expires == ISSUED + LIFETIME
          && fields.key_id == IDS[0] && !fields.has_transaction && memcmp(fields.random, RANDOM, sizeof RANDOM) == 0
          && memcmp(fields.audience, p.audience, sizeof p.audience) == 0);

    /* Everything wrong, mended one by one: the order of sekisho.h. */
    static const uint8_t transaction[32] = {1};
    const seki_span t = span(transaction, sizeof transaction);
    e = (seki_challenge_expectation){.tenant = 8, .profile = 10, .skew = 0};
    CHECK(seki_challenge_check(keys, whole, NOTHING, t, &e, ISSUED - 1, &fields) == SEKI_CHALLENGE_WRONG_TENANT);
    CHECK(fields.tenant == 7); /* authentic, so its words are known */
    e.tenant = 7;
    CHECK(seki_challenge_check(keys, whole, NOTHING, t, &e, ISSUED - 1, &fields) == SEKI_CHALLENGE_WRONG_AUDIENCE);
    seki_challenge_audience((const uint8_t *)"https://example.jq", 18, e.audience);
    CHECK(seki_challenge_check(keys, whole, NOTHING, t, &e, ISSUED - 1, &fields) == SEKI_CHALLENGE_WRONG_AUDIENCE);
    seki_challenge_audience((const uint8_t *)"https://example.jp", 18, e.audience);
    CHECK(seki_challenge_check(keys, whole, NOTHING, t, &e, ISSUED - 1, &fields) == SEKI_CHALLENGE_WRONG_PROFILE);
    e.profile = 9;
    CHECK(seki_challenge_check(keys, whole, NOTHING, t, &e, ISSUED - 1, &fields) == SEKI_CHALLENGE_NOT_YET_VALID);
    CHECK(seki_challenge_check(keys, whole, NOTHING, t, &e, ISSUED + LIFETIME, &fields) == SEKI_CHALLENGE_EXPIRED);
    CHECK(seki_challenge_check(keys, whole, NOTHING, t, &e, ISSUED, &fields) == SEKI_CHALLENGE_WRONG_TRANSACTION);
    CHECK(seki_challenge_check(keys, whole, NOTHING, NOTHING, &e, ISSUED, &fields) == SEKI_NOT_DECIDED);
}

static void test_times(const seki_challenge_keys *keys)
{
    uint8_t token[SEKI_CHALLENGE_SIZE];
    seki_challenge_params p = params();
    CHECK(seki_challenge_issue(keys, &p, NOTHING, NOTHING, RANDOM, token));
    CHECK(check_at(keys, token, NOTHING, NOTHING, ISSUED - 6) == SEKI_CHALLENGE_NOT_YET_VALID);
    CHECK(check_at(keys, token, NOTHING, NOTHING, ISSUED - 5) == SEKI_NOT_DECIDED);
    CHECK(check_at(keys, token, NOTHING, NOTHING, ISSUED + LIFETIME - 1) == SEKI_NOT_DECIDED);
    CHECK(check_at(keys, token, NOTHING, NOTHING, ISSUED + LIFETIME) == SEKI_CHALLENGE_EXPIRED);
    CHECK(check_at(keys, token, NOTHING, NOTHING, INT64_MAX) == SEKI_CHALLENGE_EXPIRED);
    CHECK(check_at(keys, token, NOTHING, NOTHING, INT64_MIN) == SEKI_CHALLENGE_NOT_YET_VALID);

    static const int64_t bad_lifetimes[] = {INT64_MIN, -1, 0, SEKI_CHALLENGE_LIFETIME_MAX + 1, 65536 + 120, INT64_MAX};
    for (size_t i = 0; i < sizeof bad_lifetimes / sizeof bad_lifetimes[0]; i++) {
        p.lifetime = bad_lifetimes[i];
        CHECK(!seki_challenge_issue(keys, &p, NOTHING, NOTHING, RANDOM, token));
    }
    static const int64_t bad_times[] = {INT64_MIN, -1, SEKI_TIME_MAX + 1, INT64_MAX, 1700000000000};
    p = params();
    for (size_t i = 0; i < sizeof bad_times / sizeof bad_times[0]; i++) {
        p.issued = bad_times[i];
        CHECK(!seki_challenge_issue(keys, &p, NOTHING, NOTHING, RANDOM, token));
    }
    p.issued = SEKI_TIME_MAX;
    CHECK(seki_challenge_issue(keys, &p, NOTHING, NOTHING, RANDOM, token));
    CHECK(check_at(keys, token, NOTHING, NOTHING, SEKI_TIME_MAX) == SEKI_NOT_DECIDED);
}

static void test_transaction(const seki_challenge_keys *keys)
{
    static const uint8_t zeros[33]; /* a digest of zeros is a digest like any other */
    uint8_t plain[SEKI_CHALLENGE_SIZE], bound[SEKI_CHALLENGE_SIZE], other[32] = {0};
    seki_challenge_params p = params();
    CHECK(seki_challenge_issue(keys, &p, NOTHING, NOTHING, RANDOM, plain));
    CHECK(seki_challenge_issue(keys, &p, NOTHING, span(zeros, 32), RANDOM, bound));
    CHECK(memcmp(plain, bound, sizeof plain) != 0);
    CHECK(check_at(keys, bound, NOTHING, span(zeros, 32), ISSUED) == SEKI_NOT_DECIDED);
    CHECK(check_at(keys, bound, NOTHING, NOTHING, ISSUED) == SEKI_CHALLENGE_WRONG_TRANSACTION);
    CHECK(check_at(keys, bound, NOTHING, span(zeros, 31), ISSUED) == SEKI_CHALLENGE_WRONG_TRANSACTION);
    CHECK(check_at(keys, bound, NOTHING, span(zeros, 33), ISSUED) == SEKI_CHALLENGE_WRONG_TRANSACTION);
    for (size_t bit = 0; bit < 256; bit++) {
        other[bit / 8] = (uint8_t)(1 << bit % 8);
        CHECK(check_at(keys, bound, NOTHING, span(other, 32), ISSUED) == SEKI_CHALLENGE_WRONG_TRANSACTION);
        other[bit / 8] = 0;
    }
    CHECK(check_at(keys, plain, NOTHING, span(zeros, 32), ISSUED) == SEKI_CHALLENGE_WRONG_TRANSACTION);
    CHECK(!seki_challenge_issue(keys, &p, NOTHING, span(zeros, 31), RANDOM, plain));
    CHECK(!seki_challenge_issue(keys, &p, NOTHING, span(zeros, 33), RANDOM, plain));
}

/* Forms that no key of ours ever signs are malformed before any MAC is looked at. */
static void test_impossible_bodies(const seki_challenge_keys *keys)
{
    static const struct {
        size_t offset;
        uint8_t value;
    } faults[] = {{0, 2}, {0, 0x80}, {0, 3}, {53, 1}, {84, 1}, {29, 1} /* issued past SEKI_TIME_MAX */, {35, 2} /* lifetime 632 */};
    uint8_t token[SEKI_CHALLENGE_SIZE], body[117];
    seki_challenge_params p = params();
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        CHECK(seki_challenge_issue(keys, &p, NOTHING, NOTHING, RANDOM, token));
        CHECK(seki_base64url_decode(token + 9, sizeof body, body));
        body[faults[i].offset] = faults[i].value;
        seki_base64url_encode(body, sizeof body, token + 9);
        CHECK(check_at(keys, token, NOTHING, NOTHING, ISSUED) == SEKI_CHALLENGE_MALFORMED);
    }
    CHECK(seki_challenge_issue(keys, &p, NOTHING, NOTHING, RANDOM, token));
    CHECK(seki_base64url_decode(token + 9, sizeof body, body));
    body[35] = body[36] = 0; /* no lifetime at all */
    seki_base64url_encode(body, sizeof body, token + 9);
    CHECK(check_at(keys, token, NOTHING, NOTHING, ISSUED) == SEKI_CHALLENGE_MALFORMED);
}

static void test_keys(void)
{
    seki_challenge_keys *keys = NULL;
    static const uint8_t zeros[32];
    static const uint32_t twice[2] = {5, 5};
    static uint32_t many_ids[SEKI_CHALLENGE_KEYS_MAX + 1];
    static uint8_t many[SEKI_CHALLENGE_KEYS_MAX + 1][SEKI_CHALLENGE_KEY_SIZE];
    uint8_t token[SEKI_CHALLENGE_SIZE], later[SEKI_CHALLENGE_SIZE];
    CHECK(seki_challenge_keys_new(IDS, &SECRETS[0][0], 0, -1, &keys) == SEKI_E_ARGUMENT);
    CHECK(seki_challenge_keys_new(IDS, zeros, 1, IDS[0], &keys) == SEKI_E_ARGUMENT);
    CHECK(seki_challenge_keys_new(twice, &SECRETS[0][0], 2, 5, &keys) == SEKI_E_ARGUMENT);
    CHECK(seki_challenge_keys_new(IDS, &SECRETS[0][0], 1, IDS[1], &keys) == SEKI_E_ARGUMENT);
    CHECK(seki_challenge_keys_new(IDS, &SECRETS[0][0], 1, -2, &keys) == SEKI_E_ARGUMENT);
    CHECK(seki_challenge_keys_new(IDS, &SECRETS[0][0], 1, (int64_t)IDS[0] + (INT64_C(1) << 32), &keys) == SEKI_E_ARGUMENT);
    CHECK(seki_challenge_keys_new(NULL, &SECRETS[0][0], 1, -1, &keys) == SEKI_E_ARGUMENT);
    CHECK(keys == NULL);
    for (size_t i = 0; i <= SEKI_CHALLENGE_KEYS_MAX; i++) {
        many_ids[i] = (uint32_t)i;
        many[i][0] = (uint8_t)(i + 1);
    }
    CHECK(seki_challenge_keys_new(many_ids, &many[0][0], SEKI_CHALLENGE_KEYS_MAX + 1, 0, &keys) == SEKI_E_ARGUMENT);
    CHECK(seki_challenge_keys_new(many_ids, &many[0][0], SEKI_CHALLENGE_KEYS_MAX, 0, &keys) == SEKI_OK);
    seki_challenge_keys_free(keys);
    seki_challenge_keys_free(NULL);

    /* A rotation: the old key's tokens are good until it is dropped. */
    seki_challenge_params p = params();
    seki_challenge_keys *old = make_keys(1, IDS[0]), *both = make_keys(2, IDS[1]), *reader = make_keys(2, -1);
    seki_challenge_keys *dropped = NULL;
    CHECK(seki_challenge_keys_new(&IDS[1], SECRETS[1], 1, IDS[1], &dropped) == SEKI_OK);
    CHECK(seki_challenge_issue(old, &p, NOTHING, NOTHING, RANDOM, token));
    CHECK(seki_challenge_issue(both, &p, NOTHING, NOTHING, RANDOM, later));
    CHECK(!seki_challenge_issue(reader, &p, NOTHING, NOTHING, RANDOM, later));
    CHECK(check_at(both, token, NOTHING, NOTHING, ISSUED) == SEKI_NOT_DECIDED);
    CHECK(check_at(reader, token, NOTHING, NOTHING, ISSUED) == SEKI_NOT_DECIDED);
    CHECK(check_at(dropped, token, NOTHING, NOTHING, ISSUED) == SEKI_CHALLENGE_KEY_UNKNOWN);
    CHECK(check_at(old, later, NOTHING, NOTHING, ISSUED) == SEKI_CHALLENGE_KEY_UNKNOWN);
    CHECK(check_at(dropped, later, NOTHING, NOTHING, ISSUED) == SEKI_NOT_DECIDED);
    /* The same id with another secret forges nothing. */
    seki_challenge_keys *impostor = NULL;
    CHECK(seki_challenge_keys_new(IDS, SECRETS[1], 1, IDS[0], &impostor) == SEKI_OK);
    CHECK(check_at(impostor, token, NOTHING, NOTHING, ISSUED) == SEKI_CHALLENGE_FORGED);
    seki_challenge_keys_free(old);
    seki_challenge_keys_free(both);
    seki_challenge_keys_free(reader);
    seki_challenge_keys_free(dropped);
    seki_challenge_keys_free(impostor);
}

static void test_base64url(void)
{
    uint8_t bytes[117], back[117], text[156];
    for (unsigned round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)rand();
        seki_base64url_encode(bytes, sizeof bytes, text);
        CHECK(seki_base64url_decode(text, sizeof back, back) && memcmp(bytes, back, sizeof bytes) == 0);
    }
    for (unsigned c = 0; c < 256; c++) {
        memset(text, 'A', 4);
        text[c % 4] = (uint8_t)c;
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        CHECK(seki_base64url_decode(text, 3, back) == letter);
    }
}

static void test_batch(const seki_challenge_keys *keys)
{
    enum { ROWS = 1000 };
    static uint8_t tokens[ROWS * SEKI_CHALLENGE_SIZE], bytes[ROWS * 32], random[ROWS * SEKI_CHALLENGE_RANDOM_SIZE];
    static int32_t narrow[ROWS + 1], bindings_at[ROWS + 1];
    static int64_t wide[ROWS + 1], at_rows[ROWS];
    static uint16_t reasons[ROWS];
    for (size_t i = 0; i <= ROWS; i++) {
        narrow[i] = (int32_t)(i * SEKI_CHALLENGE_SIZE);
        wide[i] = (int64_t)(i * 32);
        bindings_at[i] = (int32_t)(i * 31);
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i / 7);
    seki_column token_column = {tokens, sizeof tokens, narrow, 4}, bindings = {bytes, sizeof bytes, bindings_at, 4},
                transactions = {bytes, sizeof bytes, wide, 8};
    seki_challenge_params p = params();
    seki_challenge_expectation e = expectation();
    CHECK(seki_challenge_issue_many(keys, &p, ROWS, &bindings, &transactions, NULL, tokens) == SEKI_OK);
    CHECK(seki_challenge_check_many(keys, &e, ROWS, &token_column, &bindings, &transactions, ISSUED, NULL, reasons) == SEKI_OK);
    for (size_t i = 0; i < ROWS; i++)
        CHECK(reasons[i] == SEKI_CHALLENGE_OK);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = i > 40 ? i - 40 : 0; j < i; j++) /* drawn in sixteens */
            CHECK(memcmp(tokens + i * SEKI_CHALLENGE_SIZE, tokens + j * SEKI_CHALLENGE_SIZE, SEKI_CHALLENGE_SIZE) != 0
                  && memcmp(tokens + i * SEKI_CHALLENGE_SIZE + 9 + 52, tokens + j * SEKI_CHALLENGE_SIZE + 9 + 52, 16) != 0);

    /* a time a row */
    for (size_t i = 0; i < ROWS; i++)
        at_rows[i] = i % 3 == 0 ? ISSUED : i % 3 == 1 ? ISSUED - 100 : ISSUED + 1000;
    CHECK(seki_challenge_check_many(keys, &e, ROWS, &token_column, &bindings, &transactions, 0, at_rows, reasons) == SEKI_OK);
    for (size_t i = 0; i < ROWS; i++)
        CHECK(reasons[i] == (i % 3 == 0 ? SEKI_CHALLENGE_OK : i % 3 == 1 ? SEKI_CHALLENGE_NOT_YET_VALID : SEKI_CHALLENGE_EXPIRED));

    /* given randomness is used as given, and each row as the single call has it */
    for (size_t i = 0; i < ROWS; i++)
        memcpy(random + i * SEKI_CHALLENGE_RANDOM_SIZE, RANDOM, sizeof RANDOM);
    CHECK(seki_challenge_issue_many(keys, &p, ROWS, &bindings, NULL, random, tokens) == SEKI_OK);
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t one[SEKI_CHALLENGE_SIZE];
        CHECK(seki_challenge_issue(keys, &p, span(bytes + 31 * i, 31), NOTHING, RANDOM, one));
        CHECK(memcmp(one, tokens + i * SEKI_CHALLENGE_SIZE, sizeof one) == 0);
    }

    /* misuse */
    CHECK(seki_challenge_issue_many(keys, &p, ROWS, &bindings, &bindings, NULL, tokens) == SEKI_E_ARGUMENT); /* transactions of 31 */
    CHECK(seki_challenge_issue_many(NULL, &p, ROWS, NULL, NULL, NULL, tokens) == SEKI_E_ARGUMENT);
    CHECK(seki_challenge_issue_many(keys, &p, SEKI_ROWS_MAX + 1, NULL, NULL, NULL, tokens) == SEKI_E_ARGUMENT);
    CHECK(seki_challenge_issue_many(keys, &p, 0, NULL, NULL, NULL, NULL) == SEKI_OK);
    CHECK(seki_challenge_check_many(keys, &e, ROWS, NULL, NULL, NULL, ISSUED, NULL, reasons) == SEKI_E_ARGUMENT);
    e.skew = SEKI_CHALLENGE_SKEW_MAX + 1;
    CHECK(seki_challenge_check_many(keys, &e, ROWS, &token_column, NULL, NULL, ISSUED, NULL, reasons) == SEKI_E_ARGUMENT);
    e.skew = -1;
    CHECK(seki_challenge_check_many(keys, &e, ROWS, &token_column, NULL, NULL, ISSUED, NULL, reasons) == SEKI_E_ARGUMENT);
    e.skew = 5;
    narrow[500] = -1;
    CHECK(seki_challenge_check_many(keys, &e, ROWS, &token_column, NULL, NULL, ISSUED, NULL, reasons) == SEKI_E_ARGUMENT);
}

int main(void)
{
    seki_challenge_keys *keys = make_keys(2, IDS[0]);
    test_base64url();
    test_against_oracle();
    test_form(keys);
    test_every_mutation(keys);
    test_binding(keys);
    test_expectations(keys);
    test_times(keys);
    test_transaction(keys);
    test_impossible_bodies(keys);
    test_keys();
    test_batch(keys);
    seki_challenge_keys_free(keys);
    if (failures != 0)
        return 1;
    printf("test_challenge: ok (%zu checks)\n", checks);
    return 0;
}
