/* keys.h: a public key ready for use: strong enough, on its curve, its bytes kept by whoever owns it. */
#ifndef SEKI_KEYS_H
#define SEKI_KEYS_H

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <stdatomic.h>

#include "spki.h"

enum {
    SEKI_KEY_BYTES_MAX = SEKI_RSA_BITS_MAX / 8, /* of an RSA modulus; EC points and Ed25519 keys are smaller */
    SEKI_KEY_POOL_SIZE = 256,                   /* EVP_PKEYs a worker keeps for keys outside a KeySet */
    SEKI_KEY_POOL_BYTES_MAX = 512               /* larger keys are made anew each time */
};

/* An EVP_PKEY_CTX set up for one mode.  Making one costs a sixth of an RSA-2048 verification.  It is used by one thread
 * at a time: whoever takes it out of its place has it, and puts it back. */
typedef struct {
    EVP_PKEY_CTX *ctx;
    uint32_t mode;
} seki_kept_context;

/* A key as signature jobs use it.  `bytes` borrows from a KeySet, a cache copy or a certificate. */
typedef struct {
    seki_key_kind kind;
    uint32_t bits;
    uint64_t exponent;
    const uint8_t *bytes; /* RSA: n big-endian, no leading zeros; EC: X || Y; Ed25519: 32 octets */
    size_t length;        /* of `bytes` */
    _Atomic(EVP_PKEY *) *kept; /* where a KeySet keeps its EVP_PKEY, else NULL */
    _Atomic(seki_kept_context *) *context; /* where it keeps a context of that, else NULL */
} seki_key;

/* Scratch for curve checks; one a worker. */
typedef struct seki_key_checker seki_key_checker;
seki_key_checker *seki_key_checker_new(void);
void seki_key_checker_free(seki_key_checker *checker);

/* From a parsed SubjectPublicKeyInfo: SEKI_NOT_DECIDED (0) and *out, borrowing as `parsed` does, or the
 * reason: a point that is not on its curve (SP 800-186, 3; SP 800-56A, 5.6.2.3.3), or an Ed25519 key of small order. */
seki_reason seki_key_ready(seki_key_checker *checker, const seki_public_key *parsed, seki_key *out);

/* A new EVP_PKEY for `key` (EVP_PKEY_fromdata), or NULL if OpenSSL will not have it. */
EVP_PKEY *seki_key_to_openssl(const seki_key *key);

/* Takes NULL. */
void seki_kept_context_free(seki_kept_context *kept);

/* A bounded pool of EVP_PKEYs, one a worker, not for sharing.  Direct-mapped; keys are compared whole. */
typedef struct seki_key_pool seki_key_pool;
seki_key_pool *seki_key_pool_new(void);
void seki_key_pool_free(seki_key_pool *pool);

/* An EVP_PKEY for `key`, with a reference for the caller to drop; NULL if OpenSSL will not have it. */
EVP_PKEY *seki_key_pool_get(seki_key_pool *pool, const seki_key *key);

#endif
