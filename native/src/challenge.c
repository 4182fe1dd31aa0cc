/* challenge.c: see challenge.h.
 *
 * HMAC (RFC 2104) by hand over SHA-256's midstates: a key is kept as the two states after its padded
 * blocks, the inner one with the label's block already behind it.  A token with a binding of up to 32
 * bytes then costs three compressions and no allocation; HMAC() and EVP_MAC in OpenSSL 3.0 fetch,
 * allocate and hash the padded key anew for every token. */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_CTX: the only copyable midstate that OpenSSL offers */
#include "challenge.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "base64url.h"

/* The token's bytes before base64url; numbers big-endian. */
enum {
    AT_FLAGS = 0,
    AT_KEY_ID = 1,
    AT_TENANT = 5,
    AT_PROFILE = 9,
    AT_AUDIENCE = 13,
    AT_ISSUED = AT_AUDIENCE + SEKI_CHALLENGE_AUDIENCE_SIZE,
    AT_LIFETIME = AT_ISSUED + 6,
    AT_RANDOM = AT_LIFETIME + 2,
    AT_TRANSACTION = AT_RANDOM + SEKI_CHALLENGE_RANDOM_SIZE,
    AT_MAC = AT_TRANSACTION + SEKI_CHALLENGE_TRANSACTION_SIZE,
    BODY_SIZE = AT_MAC + SEKI_CHALLENGE_MAC_SIZE,

    FLAG_TRANSACTION = 1
};

static const char PREFIX[] = "sekisho1.";
enum { PREFIX_SIZE = sizeof PREFIX - 1 };

/* One whole block, so that it costs nothing per token; keeps this MAC apart from any other use of the key. */
static const uint8_t LABEL[SHA256_CBLOCK] = "sekisho challenge token 1";

_Static_assert(AT_MAC == 85 && BODY_SIZE == 117, "the layout written in sekisho.h");
_Static_assert(BODY_SIZE % 3 == 0, "no spare bits in base64url");
_Static_assert(SEKI_CHALLENGE_SIZE == PREFIX_SIZE + BODY_SIZE / 3 * 4, "the token's size");
_Static_assert((int)SEKI_CHALLENGE_SIZE <= (int)SEKI_CHALLENGE_SIZE_MAX, "docs/ARCHITECTURE.md");
_Static_assert(SEKI_CHALLENGE_SIZE != 20 && SEKI_CHALLENGE_SIZE != 28 && SEKI_CHALLENGE_SIZE != 32 && SEKI_CHALLENGE_SIZE != 48
                   && SEKI_CHALLENGE_SIZE != 64,
               "never the size of a hash: docs/SECURITY.md");
_Static_assert(SEKI_CHALLENGE_LIFETIME_MAX <= 0xffff && SEKI_CHALLENGE_BINDING_SIZE_MAX <= 0xffff, "two bytes each");
_Static_assert(AT_MAC + 2 + 32 <= 2 * SHA256_CBLOCK - 9, "fields, length and a 32-byte binding fit two blocks with their padding");

typedef struct {
    uint32_t id;
    SHA256_CTX inner; /* after key ^ ipad and LABEL */
    SHA256_CTX outer; /* after key ^ opad */
} mac_key;

struct seki_challenge_keys {
    size_t count;
    const mac_key *current; /* NULL: checks only */
    mac_key key[];
};

static bool key_new(mac_key *key, uint32_t id, const uint8_t *secret);
static const mac_key *key_find(const seki_challenge_keys *keys, uint32_t id);
static void mac_compute(const mac_key *key, const uint8_t fields[AT_MAC], seki_span binding, uint8_t mac[SEKI_CHALLENGE_MAC_SIZE]);
static bool body_well_formed(const uint8_t body[BODY_SIZE]);
static void body_read(const uint8_t body[BODY_SIZE], seki_challenge_fields *fields);
static uint64_t get(const uint8_t *bytes, size_t size);
static void put(uint8_t *bytes, size_t size, uint64_t value);

seki_status seki_challenge_keys_new(const uint32_t *ids, const uint8_t *secrets, uint64_t count, int64_t current,
                                    seki_challenge_keys **out)
{
    if (ids == NULL || secrets == NULL || out == NULL || count == 0 || count > SEKI_CHALLENGE_KEYS_MAX)
        return SEKI_E_ARGUMENT;
    seki_challenge_keys *keys = calloc(1, sizeof *keys + (size_t)count * sizeof keys->key[0]);
    if (keys == NULL)
        return SEKI_E_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *secret = secrets + i * SEKI_CHALLENGE_KEY_SIZE;
        if (key_find(keys, ids[i]) != NULL || !key_new(&keys->key[i], ids[i], secret)) {
            seki_challenge_keys_free(keys);
            return SEKI_E_ARGUMENT;
        }
        keys->count = i + 1;
    }
    if (current >= 0 && current <= UINT32_MAX)
        keys->current = key_find(keys, (uint32_t)current);
    if (current != -1 && keys->current == NULL) {
        seki_challenge_keys_free(keys);
        return SEKI_E_ARGUMENT;
    }
    *out = keys;
    return SEKI_OK;
}

void seki_challenge_keys_free(seki_challenge_keys *keys)
{
    if (keys == NULL)
        return;
    OPENSSL_cleanse(keys->key, keys->count * sizeof keys->key[0]);
    free(keys);
}

void seki_challenge_audience(const uint8_t *name, uint64_t length, uint8_t *out)
{
    static const char label[] = "sekisho audience 1"; /* its terminator is the 00 between label and name */
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, label, sizeof label);
    if (length != 0)
        SHA256_Update(&context, name, (size_t)length);
    SHA256_Final(digest, &context);
    memcpy(out, digest, SEKI_CHALLENGE_AUDIENCE_SIZE);
}

bool seki_challenge_issue(const seki_challenge_keys *keys, const seki_challenge_params *params, seki_span binding,
                          seki_span transaction, const uint8_t random[SEKI_CHALLENGE_RANDOM_SIZE], uint8_t *token)
{
    bool has_transaction = transaction.length == SEKI_CHALLENGE_TRANSACTION_SIZE;
    if (keys->current == NULL || params->issued < 0 || params->issued > SEKI_TIME_MAX || params->lifetime < 1
        || params->lifetime > SEKI_CHALLENGE_LIFETIME_MAX || binding.length > SEKI_CHALLENGE_BINDING_SIZE_MAX
        || (transaction.length != 0 && !has_transaction))
        return false;

    uint8_t body[BODY_SIZE] = {0};
    body[AT_FLAGS] = has_transaction ? FLAG_TRANSACTION : 0;
    put(body + AT_KEY_ID, 4, keys->current->id);
    put(body + AT_TENANT, 4, params->tenant);
    put(body + AT_PROFILE, 4, params->profile);
    memcpy(body + AT_AUDIENCE, params->audience, SEKI_CHALLENGE_AUDIENCE_SIZE);
    put(body + AT_ISSUED, 6, (uint64_t)params->issued);
    put(body + AT_LIFETIME, 2, (uint64_t)params->lifetime);
    memcpy(body + AT_RANDOM, random, SEKI_CHALLENGE_RANDOM_SIZE);
    if (has_transaction)
        memcpy(body + AT_TRANSACTION, transaction.data, SEKI_CHALLENGE_TRANSACTION_SIZE);
    mac_compute(keys->current, body, binding, body + AT_MAC);

    memcpy(token, PREFIX, PREFIX_SIZE);
    seki_base64url_encode(body, BODY_SIZE, token + PREFIX_SIZE);
    return true;
}

seki_reason seki_challenge_check(const seki_challenge_keys *keys, seki_span token, seki_span binding, seki_span transaction,
                                 const seki_challenge_expectation *expect, int64_t at, seki_challenge_fields *fields)
{
    uint8_t text[SEKI_CHALLENGE_SIZE], body[BODY_SIZE], mac[SEKI_CHALLENGE_MAC_SIZE];

    memset(fields, 0, sizeof *fields);
    if (binding.length > SEKI_CHALLENGE_BINDING_SIZE_MAX)
        return SEKI_INPUT_TOO_LARGE;
    if (token.length != SEKI_CHALLENGE_SIZE)
        return SEKI_CHALLENGE_MALFORMED;
    memcpy(text, token.data, SEKI_CHALLENGE_SIZE);
    if (memcmp(text, PREFIX, PREFIX_SIZE) != 0 || !seki_base64url_decode(text + PREFIX_SIZE, BODY_SIZE, body)
        || !body_well_formed(body))
        return SEKI_CHALLENGE_MALFORMED;

    const mac_key *key = key_find(keys, (uint32_t)get(body + AT_KEY_ID, 4));
    if (key == NULL)
        return SEKI_CHALLENGE_KEY_UNKNOWN;
    mac_compute(key, body, binding, mac);
    if (CRYPTO_memcmp(mac, body + AT_MAC, sizeof mac) != 0)
        return SEKI_CHALLENGE_FORGED;

    body_read(body, fields);
    if (fields->tenant != expect->tenant)
        return SEKI_CHALLENGE_WRONG_TENANT;
    if (memcmp(fields->audience, expect->audience, sizeof fields->audience) != 0)
        return SEKI_CHALLENGE_WRONG_AUDIENCE;
    if (fields->profile != expect->profile)
        return SEKI_CHALLENGE_WRONG_PROFILE;
    if (at < fields->issued - expect->skew)
        return SEKI_CHALLENGE_NOT_YET_VALID;
    if (at >= fields->expires)
        return SEKI_CHALLENGE_EXPIRED;
    if (transaction.length != (fields->has_transaction ? sizeof fields->transaction : 0)
        || (fields->has_transaction && memcmp(transaction.data, fields->transaction, sizeof fields->transaction) != 0))
        return SEKI_CHALLENGE_WRONG_TRANSACTION;
    return SEKI_NOT_DECIDED;
}

/* ---- helpers -------------------------------------------------------------------------------- */

/* False for a secret that is all zeros: memory that somebody forgot to fill. */
static bool key_new(mac_key *key, uint32_t id, const uint8_t *secret)
{
    uint8_t pad[SHA256_CBLOCK], any = 0;
    for (size_t i = 0; i < SEKI_CHALLENGE_KEY_SIZE; i++)
        any |= secret[i];
    if (any == 0)
        return false;

    key->id = id;
    memset(pad, 0x36, sizeof pad);
    for (size_t i = 0; i < SEKI_CHALLENGE_KEY_SIZE; i++)
        pad[i] ^= secret[i];
    SHA256_Init(&key->inner);
    SHA256_Update(&key->inner, pad, sizeof pad);
    SHA256_Update(&key->inner, LABEL, sizeof LABEL);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&key->outer);
    SHA256_Update(&key->outer, pad, sizeof pad);
    OPENSSL_cleanse(pad, sizeof pad);
    return true;
}

static const mac_key *key_find(const seki_challenge_keys *keys, uint32_t id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->key[i].id == id)
            return &keys->key[i];
    return NULL;
}

/* The length before the binding is not needed to tell two bindings apart (nothing follows), but
 * leaves room for a second opaque input one day. */
static void mac_compute(const mac_key *key, const uint8_t fields[AT_MAC], seki_span binding, uint8_t mac[SEKI_CHALLENGE_MAC_SIZE])
{
    uint8_t head[AT_MAC + 2];
    memcpy(head, fields, AT_MAC);
    put(head + AT_MAC, 2, binding.length);

    SHA256_CTX context = key->inner;
    SHA256_Update(&context, head, sizeof head);
    if (binding.length != 0)
        SHA256_Update(&context, binding.data, binding.length);
    SHA256_Final(mac, &context);
    context = key->outer;
    SHA256_Update(&context, mac, SHA256_DIGEST_LENGTH);
    SHA256_Final(mac, &context);
}

/* What no token of ours can be, whoever's key: told before the MAC is looked at. */
static bool body_well_formed(const uint8_t body[BODY_SIZE])
{
    static const uint8_t zeros[SEKI_CHALLENGE_TRANSACTION_SIZE];
    uint64_t lifetime = get(body + AT_LIFETIME, 2);
    if (body[AT_FLAGS] > FLAG_TRANSACTION || lifetime < 1 || lifetime > SEKI_CHALLENGE_LIFETIME_MAX
        || get(body + AT_ISSUED, 6) > SEKI_TIME_MAX)
        return false;
    return body[AT_FLAGS] == FLAG_TRANSACTION || memcmp(body + AT_TRANSACTION, zeros, sizeof zeros) == 0;
}

static void body_read(const uint8_t body[BODY_SIZE], seki_challenge_fields *fields)
{
    fields->key_id = (uint32_t)get(body + AT_KEY_ID, 4);
    fields->tenant = (uint32_t)get(body + AT_TENANT, 4);
    fields->profile = (uint32_t)get(body + AT_PROFILE, 4);
    memcpy(fields->audience, body + AT_AUDIENCE, sizeof fields->audience);
    fields->issued = (int64_t)get(body + AT_ISSUED, 6);
    fields->expires = fields->issued + (int64_t)get(body + AT_LIFETIME, 2);
    fields->has_transaction = body[AT_FLAGS] == FLAG_TRANSACTION;
    memcpy(fields->random, body + AT_RANDOM, sizeof fields->random);
    memcpy(fields->transaction, body + AT_TRANSACTION, sizeof fields->transaction);
    memcpy(fields->mac, body + AT_MAC, sizeof fields->mac);
}

static uint64_t get(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void put(uint8_t *bytes, size_t size, uint64_t value)
{
    for (size_t i = size; i-- > 0; value >>= 8)
        bytes[i] = (uint8_t)value;
}
