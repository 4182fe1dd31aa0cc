#include "openssl_verify.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "mode.h"

enum { SET_UP_FAILED = -2 };

static const EVP_MD *md_of(unsigned hash)
{
    switch (hash) {
    case SEKI_HASH_SHA1:
        return EVP_sha1();
    case SEKI_HASH_SHA256:
        return EVP_sha256();
    case SEKI_HASH_SHA384:
        return EVP_sha384();
    case SEKI_HASH_SHA512:
        return EVP_sha512();
    default:
        return NULL;
    }
}

/* A reference to the key's EVP_PKEY; the first user of a KeySet's key makes it for all. */
static EVP_PKEY *pkey_of(seki_key_pool *pool, const seki_key *key)
{
    if (key->kept == NULL)
        return pool != NULL ? seki_key_pool_get(pool, key) : seki_key_to_openssl(key);
    EVP_PKEY *kept = atomic_load_explicit(key->kept, memory_order_acquire);
    if (kept == NULL) {
        EVP_PKEY *made = seki_key_to_openssl(key);
        if (made == NULL)
            return NULL;
        if (atomic_compare_exchange_strong(key->kept, &kept, made))
            kept = made;
        else
            EVP_PKEY_free(made);
    }
    return EVP_PKEY_up_ref(kept) == 1 ? kept : NULL;
}

static bool set_up_rsa(EVP_PKEY_CTX *ctx, uint32_t mode)
{
    unsigned family = seki_mode_family(mode);
    if (family == SEKI_FAMILY_PSS) {
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1
               && EVP_PKEY_CTX_set_signature_md(ctx, md_of(seki_mode_hash(mode))) == 1
               && EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md_of(seki_mode_mgf1(mode))) == 1
               && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)seki_mode_salt(mode)) == 1;
    }
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1)
        return false;
    /* No signature hash for A' and B: OpenSSL then compares what the block holds with `value` itself. */
    return family != SEKI_FAMILY_PKCS1 || EVP_PKEY_CTX_set_signature_md(ctx, md_of(seki_mode_hash(mode))) == 1;
}

/* r || s to a DER Ecdsa-Sig-Value of at most 104 bytes; returns its length. */
static size_t ecdsa_to_der(seki_span raw, uint8_t der[112])
{
    size_t half = raw.length / 2, at = 2;
    for (size_t part = 0; part < 2; part++) {
        const uint8_t *number = raw.data + part * half;
        size_t skip = 0;
        while (skip + 1 < half && number[skip] == 0)
            skip++;
        size_t pad = number[skip] >> 7, length = half - skip;
        der[at++] = 0x02;
        der[at++] = (uint8_t)(length + pad);
        if (pad != 0)
            der[at++] = 0x00;
        memcpy(der + at, number + skip, length);
        at += length;
    }
    der[0] = 0x30;
    der[1] = (uint8_t)(at - 2); /* at most 2 * (2 + 49) = 102: the short form */
    return at;
}

static int verify_ed25519(EVP_PKEY *pkey, const seki_openssl_question *q)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int answer = SET_UP_FAILED;
    if (ctx != NULL && EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) == 1)
        answer = EVP_DigestVerify(ctx, q->signature.data, q->signature.length, q->value.data, q->value.length);
    EVP_MD_CTX_free(ctx);
    /* OpenSSL 3.0 says 0 and nothing else when it had no memory for its SHA-512: is there some now? */
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (answer != 1 && EVP_Digest("", 0, digest, NULL, EVP_sha512(), NULL) != 1)
        answer = SET_UP_FAILED;
    return answer;
}

/* A context for the question's key and mode: the one that its KeySet keeps, if nobody has it now, else a new one. */
static seki_kept_context *take_context(EVP_PKEY *pkey, const seki_openssl_question *q)
{
    seki_kept_context *kept = q->key->context != NULL ? atomic_exchange(q->key->context, NULL) : NULL;
    if (kept != NULL && kept->mode == q->mode)
        return kept;
    seki_kept_context_free(kept);
    kept = calloc(1, sizeof *kept);
    if (kept == NULL)
        return NULL;
    kept->mode = q->mode;
    kept->ctx = EVP_PKEY_CTX_new(pkey, NULL);
    if (kept->ctx != NULL && EVP_PKEY_verify_init(kept->ctx) == 1
        && (q->key->kind != SEKI_KEY_RSA || set_up_rsa(kept->ctx, q->mode)))
        return kept;
    seki_kept_context_free(kept);
    return NULL;
}

static void return_context(const seki_openssl_question *q, seki_kept_context *kept)
{
    seki_kept_context *none = NULL;
    if (q->key->context == NULL || !atomic_compare_exchange_strong(q->key->context, &none, kept))
        seki_kept_context_free(kept);
}

static int verify_prehashed(EVP_PKEY *pkey, const seki_openssl_question *q)
{
    uint8_t der[112];
    seki_span signature = q->signature;
    if (q->key->kind != SEKI_KEY_RSA) {
        if (signature.length != 64 && signature.length != 96)
            return SET_UP_FAILED;
        signature = (seki_span){der, ecdsa_to_der(q->signature, der)};
    }
    seki_kept_context *kept = take_context(pkey, q);
    if (kept == NULL)
        return SET_UP_FAILED;
    int answer = EVP_PKEY_verify(kept->ctx, signature.data, signature.length, q->value.data, q->value.length);
    return_context(q, kept);
    return answer;
}

/* Whether any of the errors that OpenSSL left behind says so.  Takes them off the queue. */
static bool ran_out_of_memory(void)
{
    for (unsigned long error = ERR_get_error(); error != 0; error = ERR_get_error())
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            return true;
    return false;
}

seki_openssl_answer seki_openssl_verify(seki_key_pool *pool, const seki_openssl_question *q)
{
    ERR_clear_error(); /* what others left there is not ours to read */
    EVP_PKEY *pkey = pkey_of(pool, q->key);
    if (pkey == NULL) {
        ERR_clear_error();
        return SEKI_OPENSSL_FAULT;
    }
    int answer = q->key->kind == SEKI_KEY_ED25519 ? verify_ed25519(pkey, q) : verify_prehashed(pkey, q);
    EVP_PKEY_free(pkey);
    /* Exactly 1 is right.  A negative answer is how OpenSSL speaks of a malformed block or point too, so it is "wrong" once
     * the set-up has succeeded; a set-up that failed, or memory that ran out, is a fault. */
    if (answer != 1 && ran_out_of_memory())
        answer = SET_UP_FAILED;
    ERR_clear_error();
    return answer == 1 ? SEKI_OPENSSL_RIGHT : answer == SET_UP_FAILED ? SEKI_OPENSSL_FAULT : SEKI_OPENSSL_WRONG;
}
