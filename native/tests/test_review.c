/* Memory that runs out while OpenSSL verifies a right signature is a fault, and never "wrong": a refusal that is kept, counted
 * against a challenge, or held against a kernel. */
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

#include "digest.h"
#include "keys.h"
#include "mode.h"
#include "openssl_verify.h"

static long allocations_left = -1; /* -1: as many as wanted */

static bool spent(void)
{
    if (allocations_left < 0)
        return false;
    if (allocations_left == 0)
        return true;
    allocations_left--;
    return false;
}

static void *give(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return spent() ? NULL : malloc(size);
}

static void *give_again(void *old, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return spent() ? NULL : realloc(old, size);
}

static void take(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

static EVP_PKEY *made(seki_key_kind kind)
{
    return kind == SEKI_KEY_RSA     ? EVP_RSA_gen(2048)
           : kind == SEKI_KEY_P256 ? EVP_EC_gen("P-256")
                                   : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

/* A key of the kind, in `bytes`, and its signature over `message`; ECDSA's as r || s. */
static bool sign(seki_key_kind kind, seki_span message, seki_key *key, uint8_t bytes[256], uint8_t signature[256], size_t *size)
{
    EVP_PKEY *pkey = made(kind);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t encoded[256];
    size_t length = sizeof encoded;
    bool good = EVP_DigestSignInit(ctx, NULL, kind == SEKI_KEY_ED25519 ? NULL : EVP_sha256(), NULL, pkey) == 1
                && EVP_DigestSign(ctx, encoded, &length, message.data, message.length) == 1;
    *key = (seki_key){.kind = kind, .bits = kind == SEKI_KEY_RSA ? 2048 : 256, .bytes = bytes};
    if (kind == SEKI_KEY_RSA) {
        BIGNUM *n = NULL;
        good = good && EVP_PKEY_get_bn_param(pkey, "n", &n) == 1 && BN_bn2binpad(n, bytes, 256) == 256;
        key->length = 256;
        key->exponent = 65537;
        BN_free(n);
    } else if (kind == SEKI_KEY_P256) {
        uint8_t point[65];
        good = good && EVP_PKEY_get_octet_string_param(pkey, "encoded-pub-key", point, sizeof point, NULL) == 1;
        memcpy(bytes, point + 1, 64);
        key->length = 64;
        const uint8_t *at = encoded;
        ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)length);
        good = good && pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, 32) == 32
               && BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + 32, 32) == 32;
        ECDSA_SIG_free(pair);
        *size = 64;
    } else {
        key->length = 32;
        size_t got = 32;
        good = good && EVP_PKEY_get_raw_public_key(pkey, bytes, &got) == 1;
    }
    if (kind != SEKI_KEY_P256) {
        memcpy(signature, encoded, length);
        *size = length;
    }
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return good;
}

static int check(seki_key_kind kind, uint32_t mode)
{
    static const uint8_t text[] = "what the holder signed";
    seki_span message = {text, sizeof text};
    seki_key key;
    uint8_t bytes[256], signature[256], hash[SEKI_SHA256_SIZE];
    size_t size = 0, faults = 0;
    if (!sign(kind, message, &key, bytes, signature, &size))
        return 1;
    seki_sha256(message, hash);
    seki_openssl_question question = {.key = &key,
                                      .mode = mode,
                                      .value = kind == SEKI_KEY_ED25519 ? message : (seki_span){hash, sizeof hash},
                                      .signature = {signature, size}};
    for (long allowed = 0;; allowed++) {
        allocations_left = allowed;
        seki_openssl_answer answer = seki_openssl_verify(NULL, &question);
        bool ran_out = allocations_left == 0;
        allocations_left = -1;
        if (answer == SEKI_OPENSSL_WRONG) {
            printf("kind %d: wrong after %ld allocations\n", (int)kind, allowed);
            return 1;
        }
        faults += answer == SEKI_OPENSSL_FAULT;
        if (answer == SEKI_OPENSSL_RIGHT && !ran_out)
            break;
    }
    signature[size - 1] ^= 1;
    if (kind == SEKI_KEY_ED25519)
        signature[size - 1] ^= 1, signature[33] ^= 1;
    printf("kind %d: %zu faults\n", (int)kind, faults);
    return faults == 0 || seki_openssl_verify(NULL, &question) != SEKI_OPENSSL_WRONG;
}

int main(void)
{
    if (CRYPTO_set_mem_functions(give, give_again, take) != 1)
        return 1;
    int failed = 0;
    failed += check(SEKI_KEY_RSA, seki_mode_make(SEKI_FAMILY_PKCS1, SEKI_HASH_SHA256, 0, 0));
    failed += check(SEKI_KEY_P256, seki_mode_make(SEKI_FAMILY_ECDSA_DER, SEKI_HASH_SHA256, 0, 0));
    failed += check(SEKI_KEY_ED25519, seki_mode_make(SEKI_FAMILY_ED25519, 0, 0, 0));
    return failed != 0;
}
