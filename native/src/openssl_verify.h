/* openssl_verify.h: one signature, decided by OpenSSL: the backend of every mode, and the judge of the lanes. */
#ifndef SEKI_OPENSSL_VERIFY_H
#define SEKI_OPENSSL_VERIFY_H

#include "digest.h"
#include "keys.h"

typedef enum {
    SEKI_OPENSSL_WRONG = 0,
    SEKI_OPENSSL_RIGHT = 1,
    SEKI_OPENSSL_FAULT = -1 /* OpenSSL could not decide (memory, key refused): never an acceptance */
} seki_openssl_answer;

/* What is to be verified, after digest and form checks by the caller.
 *   value  the hash (PKCS1, BARE, PSS, ECDSA) or the message itself (RAW, ED25519)
 *   signature  ECDSA: r || s, each of the order's size, whatever the wire form was */
typedef struct {
    const seki_key *key;
    uint32_t mode;
    seki_span value;
    seki_span signature;
} seki_openssl_question;

/* Leaves OpenSSL's error queue empty.  `pool` may be NULL for keys that a KeySet keeps. */
seki_openssl_answer seki_openssl_verify(seki_key_pool *pool, const seki_openssl_question *question);

#endif
