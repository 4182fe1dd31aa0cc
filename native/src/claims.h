/* claims.h: single use of challenges, shared by all processes of a machine, and the count of failed signatures.
 *
 * The life of the file is in claims_file.c and sekisho.h; here is what the pipeline calls.  Everything is
 * lock-free and may be called by any thread of any process; a process killed at any instruction leaves the set whole.
 *
 * The order for a batch: read the clock; seki_claims_begin_batch; per row seki_claims_locked before any signature
 * check, seki_claims_failed after one that failed, seki_claims_claim when all else has passed.  `claims` may be NULL
 * everywhere: no set, and CLAIMS_LOST for every challenge. */
#ifndef SEKI_CLAIMS_H
#define SEKI_CLAIMS_H

#include "challenge.h"

enum {
    /* seconds; how much older than the newest time seen a batch may start (docs/ARCHITECTURE.md): workers read the clock and then
     * start in any order */
    SEKI_CLAIMS_STEP_BACK_MAX = 1,
    /* seconds from the start of a batch to its last claim; a longer one was stopped or swapped out, and is refused */
    SEKI_CLAIMS_BATCH_AGE_MAX = 60
};

/* Starts a batch at time `at` (its newest, if rows have times of their own): the clock check and the look whether the
 * set is still the one at its path (one stat(2)).  `at` MUST have been read after the set was opened and before this call.
 * Returns 0 if nothing stands against the batch, else the reason that all its challenges get: CLAIMS_LOST (for good: the
 * set must be opened anew), CLOCK_WENT_BACK, or ENGINE_FAULT for a time beyond SEKI_TIME_MAX. */
SEKI_MUST_USE seki_reason seki_claims_begin_batch(seki_claims *claims, int64_t at);

/* Claims a challenge which seki_challenge_check found good at time `at`, of a batch that was begun.
 *   request   64-bit fingerprint of tenant, request id and all bytes of the request; 0 = no request id
 *   repeated  set to whether this is the same request again inside the challenge's life; else false
 * ACCEPTED once for a challenge and again for its repetitions, which are no second acceptance; else CHALLENGE_USED,
 * CLAIMS_LOST, CLAIMS_FULL, CLOCK_WENT_BACK, CHALLENGE_EXPIRED or CHALLENGE_NOT_YET_VALID (by the set's own time and
 * skew), ENGINE_FAULT (the batch was not begun).  A repetition that overtakes the first by nanoseconds may be told
 * CHALLENGE_USED, as may a challenge never used, with a probability below 2^-43 (the fingerprints of two meet). */
SEKI_MUST_USE seki_reason seki_claims_claim(seki_claims *claims, const seki_challenge_fields *challenge, uint64_t request, int64_t at,
                                            bool *repeated);

/* Where what this set has granted must be claimed too (valkey.h); NULL: nowhere. */
seki_valkey *seki_claims_valkey(const seki_claims *claims);

/* Two words that belong to this set and that nobody outside knows: what a request's fingerprint is made with, so that two
 * requests of one fingerprint cannot be looked for elsewhere. */
const uint64_t *seki_claims_request_secret(const seki_claims *claims);

/* Counts a failed signature against an authentic challenge.  Never call it for one whose MAC was wrong: a stranger who
 * has seen a token, but has not its binding, must not be able to lock it. */
void seki_claims_failed(seki_claims *claims, const seki_challenge_fields *challenge);

/* Whether SEKI_CHALLENGE_FAILURES_MAX failures were counted: then CHALLENGE_LOCKED, before any modular exponentiation. */
bool seki_claims_locked(const seki_claims *claims, const seki_challenge_fields *challenge);

/* Asks the CPU to fetch what a claim of this challenge will read; worth calling some rows ahead.  Optional. */
void seki_claims_prefetch(const seki_claims *claims, const seki_challenge_fields *challenge);

#endif
