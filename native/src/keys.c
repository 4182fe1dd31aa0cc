#include "keys.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <stdlib.h>

typedef struct {
    BIGNUM *p, *b;
} curve;

struct seki_key_checker {
    BN_CTX *ctx;
    curve p256, p384;
    BIGNUM *x, *y, *left, *right;
};

/* b of y^2 = x^3 - 3x + b, and p (SP 800-186, 3.2.1.3 and 3.2.1.4). */
static const char P256_P[] = "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF";
static const char P256_B[] = "5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B";
static const char P384_P[] = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFF";
static const char P384_B[] = "B3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF";

static bool curve_set(curve *c, const char *p, const char *b)
{
    return BN_hex2bn(&c->p, p) > 0 && BN_hex2bn(&c->b, b) > 0;
}

seki_key_checker *seki_key_checker_new(void)
{
    seki_key_checker *checker = calloc(1, sizeof *checker);
    if (checker == NULL)
        return NULL;
    checker->ctx = BN_CTX_new();
    checker->x = BN_new();
    checker->y = BN_new();
    checker->left = BN_new();
    checker->right = BN_new();
    if (checker->ctx == NULL || checker->x == NULL || checker->y == NULL || checker->left == NULL
        || checker->right == NULL || !curve_set(&checker->p256, P256_P, P256_B)
        || !curve_set(&checker->p384, P384_P, P384_B)) {
        seki_key_checker_free(checker);
        return NULL;
    }
    return checker;
}

void seki_key_checker_free(seki_key_checker *checker)
{
    if (checker == NULL)
        return;
    BN_free(checker->p256.p);
    BN_free(checker->p256.b);
    BN_free(checker->p384.p);
    BN_free(checker->p384.b);
    BN_free(checker->x);
    BN_free(checker->y);
    BN_free(checker->left);
    BN_free(checker->right);
    BN_CTX_free(checker->ctx);
    free(checker);
}

/* y^2 == x^3 - 3x + b (mod p), both coordinates below p.  The point at infinity has no such form. */
static bool on_curve(seki_key_checker *c, const curve *e, seki_span point)
{
    size_t half = point.length / 2;
    if (half == 0 || half > 48 || half * 2 != point.length)
        return false;
    if (BN_bin2bn(point.data, (int)half, c->x) == NULL || BN_bin2bn(point.data + half, (int)half, c->y) == NULL)
        return false;
    if (BN_cmp(c->x, e->p) >= 0 || BN_cmp(c->y, e->p) >= 0)
        return false;
    if (BN_mod_sqr(c->left, c->y, e->p, c->ctx) != 1 || BN_mod_sqr(c->right, c->x, e->p, c->ctx) != 1
        || BN_sub_word(c->right, 3) != 1 || BN_mod_mul(c->right, c->right, c->x, e->p, c->ctx) != 1
        || BN_mod_add(c->right, c->right, e->b, e->p, c->ctx) != 1)
        return false;
    return BN_cmp(c->left, c->right) == 0;
}

/* y < p (RFC 8032, 5.1.3, step 1) and not one of the eight points of small order: under those a signature that anybody can
 * write is right for any message.  OpenSSL 3.0 looks at neither. */
static bool ed25519_is_safe(seki_span point)
{
    static const uint8_t small[5][32] = {
        {0x00},
        {0x01},
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
         0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
         0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    };
    uint8_t y[32];
    if (point.length != sizeof y)
        return false;
    memcpy(y, point.data, sizeof y);
    y[31] &= 0x7f; /* the sign of x */
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
        if (memcmp(y, small[i], sizeof y) == 0)
            return false;
    /* p = 2^255 - 19, little-endian ed ff .. ff 7f */
    bool high = y[31] == 0x7f;
    for (size_t i = 1; i < 31; i++)
        high = high && y[i] == 0xff;
    return !high || y[0] < 0xed;
}

seki_reason seki_key_ready(seki_key_checker *checker, const seki_public_key *parsed, seki_key *out)
{
    seki_span bytes = parsed->kind == SEKI_KEY_RSA ? parsed->modulus : parsed->point;
    if (bytes.length > SEKI_KEY_BYTES_MAX)
        return SEKI_KEY_TOO_LARGE;
    switch (parsed->kind) {
    case SEKI_KEY_RSA:
        break;
    case SEKI_KEY_ED25519: /* whether there is an x to its y is seen at verification (RFC 8032, 5.1.3) */
        if (!ed25519_is_safe(bytes))
            return SEKI_KEY_POINT;
        break;
    case SEKI_KEY_P256:
        if (bytes.length != 64 || !on_curve(checker, &checker->p256, bytes))
            return SEKI_KEY_POINT;
        break;
    case SEKI_KEY_P384:
        if (bytes.length != 96 || !on_curve(checker, &checker->p384, bytes))
            return SEKI_KEY_POINT;
        break;
    default:
        return SEKI_KEY_UNSUPPORTED;
    }
    *out = (seki_key){.kind = parsed->kind,
                      .bits = parsed->bits,
                      .exponent = parsed->exponent,
                      .bytes = bytes.data,
                      .length = bytes.length,
                      .kept = NULL};
    return SEKI_NOT_DECIDED;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1
        && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

void seki_kept_context_free(seki_kept_context *kept)
{
    if (kept == NULL)
        return;
    EVP_PKEY_CTX_free(kept->ctx);
    free(kept);
}

EVP_PKEY *seki_key_to_openssl(const seki_key *key)
{
    if (key->kind == SEKI_KEY_ED25519)
        return EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key->bytes, key->length);
    if (key->kind == SEKI_KEY_P256 || key->kind == SEKI_KEY_P384) {
        char group_p256[] = "prime256v1", group_p384[] = "secp384r1";
        uint8_t point[1 + 96];
        if (key->length > sizeof point - 1)
            return NULL;
        point[0] = POINT_CONVERSION_UNCOMPRESSED;
        memcpy(point + 1, key->bytes, key->length);
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                             key->kind == SEKI_KEY_P256 ? group_p256 : group_p384, 0),
            OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, key->length + 1),
            OSSL_PARAM_construct_end(),
        };
        return from_params("EC", params);
    }
    if (key->kind != SEKI_KEY_RSA || key->length > SEKI_KEY_BYTES_MAX)
        return NULL;
    /* OSSL_PARAM wants native (little-endian) order. */
    uint8_t modulus[SEKI_KEY_BYTES_MAX];
    for (size_t i = 0; i < key->length; i++)
        modulus[i] = key->bytes[key->length - 1 - i];
    uint64_t exponent = key->exponent;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, modulus, key->length),
        OSSL_PARAM_construct_uint64(OSSL_PKEY_PARAM_RSA_E, &exponent),
        OSSL_PARAM_construct_end(),
    };
    return from_params("RSA", params);
}

typedef struct {
    EVP_PKEY *pkey;
    seki_key_kind kind;
    uint64_t exponent;
    size_t length;
    uint8_t bytes[SEKI_KEY_POOL_BYTES_MAX];
} pool_entry;

struct seki_key_pool {
    pool_entry entries[SEKI_KEY_POOL_SIZE];
};

seki_key_pool *seki_key_pool_new(void)
{
    return calloc(1, sizeof(seki_key_pool));
}

void seki_key_pool_free(seki_key_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < SEKI_KEY_POOL_SIZE; i++)
        EVP_PKEY_free(pool->entries[i].pkey);
    free(pool);
}

EVP_PKEY *seki_key_pool_get(seki_key_pool *pool, const seki_key *key)
{
    if (key->length < 8 || key->length > SEKI_KEY_POOL_BYTES_MAX)
        return seki_key_to_openssl(key);
    uint64_t tail;
    memcpy(&tail, key->bytes + key->length - 8, 8);
    /* Any spread will do: an attacker who aims at one slot makes misses, never a wrong key. */
    pool_entry *entry = &pool->entries[(tail * 0x9e3779b97f4a7c15u >> 56) % SEKI_KEY_POOL_SIZE];
    if (entry->pkey == NULL || entry->kind != key->kind || entry->exponent != key->exponent
        || entry->length != key->length || memcmp(entry->bytes, key->bytes, key->length) != 0) {
        EVP_PKEY *made = seki_key_to_openssl(key);
        if (made == NULL)
            return NULL;
        EVP_PKEY_free(entry->pkey);
        entry->pkey = made;
        entry->kind = key->kind;
        entry->exponent = key->exponent;
        entry->length = key->length;
        memcpy(entry->bytes, key->bytes, key->length);
    }
    return EVP_PKEY_up_ref(entry->pkey) == 1 ? entry->pkey : NULL;
}
