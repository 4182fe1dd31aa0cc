/* challenge.h: one challenge token: issue and check.  The format is in sekisho.h, "challenges and claims".
 *
 * Stateless: whether a challenge was used already is the business of claims.h. */
#ifndef SEKI_CHALLENGE_H
#define SEKI_CHALLENGE_H

#include "../include/sekisho.h"
#include "span.h"

enum { SEKI_CHALLENGE_MAC_SIZE = 32 };

/* What an authentic token says.  All zeros is no challenge: it was issued before every set of claims began. */
typedef struct {
    uint32_t key_id;
    uint32_t tenant;
    uint32_t profile;
    uint8_t audience[SEKI_CHALLENGE_AUDIENCE_SIZE];
    int64_t issued;  /* seconds */
    int64_t expires; /* seconds; the first one in which it is no longer valid */
    bool has_transaction;
    uint8_t random[SEKI_CHALLENGE_RANDOM_SIZE];
    uint8_t transaction[SEKI_CHALLENGE_TRANSACTION_SIZE]; /* zeros without one */
    uint8_t mac[SEKI_CHALLENGE_MAC_SIZE];                 /* also the token's identity for claims.h */
} seki_challenge_fields;

/* Writes one token of SEKI_CHALLENGE_SIZE characters.
 *   binding      at most SEKI_CHALLENGE_BINDING_SIZE_MAX bytes
 *   transaction  empty or SEKI_CHALLENGE_TRANSACTION_SIZE bytes
 * False, and nothing written, if an argument is out of its range or the keys only check. */
SEKI_MUST_USE bool seki_challenge_issue(const seki_challenge_keys *keys, const seki_challenge_params *params, seki_span binding,
                                        seki_span transaction, const uint8_t random[SEKI_CHALLENGE_RANDOM_SIZE], uint8_t *token);

/* Checks one token at time `at`.
 *   token        read once, so that a caller's buffer that changes meanwhile cannot be two tokens
 *   transaction  what the signature is expected to be for; empty = a plain login.  Must agree with the token: one that was
 *                issued for a transaction is no plain login, and the other way round
 *   expect       skew within 0 to SEKI_CHALLENGE_SKEW_MAX
 *   fields       written if the token is authentic, whatever else is wrong with it; zeroed otherwise
 * Returns SEKI_NOT_DECIDED (0) if nothing stands against it, else the first reason in the order of sekisho.h. */
SEKI_MUST_USE seki_reason seki_challenge_check(const seki_challenge_keys *keys, seki_span token, seki_span binding, seki_span transaction,
                                               const seki_challenge_expectation *expect, int64_t at, seki_challenge_fields *fields);

#endif
