/* challenge_batch.c: challenges by the column: the batch functions of sekisho.h over challenge.h and claims.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "challenge.h"
#include "claims.h"
#include "column.h"
#include "valkey.h"

static const seki_column ABSENT;

static bool expectation_good(const seki_challenge_expectation *expect);
static bool random_fill(uint8_t *bytes, size_t size);
static void share(seki_shared_claim *claim, uint64_t row, const seki_challenge_fields *fields, uint64_t request, bool repeated);

seki_status seki_challenge_issue_many(const seki_challenge_keys *keys, const seki_challenge_params *params, uint64_t rows,
                                      const seki_column *bindings, const seki_column *transactions, const uint8_t *random, uint8_t *tokens)
{
    enum { AHEAD = 16 }; /* rows; getrandom(2) gives 256 bytes whole, whatever signals come */
    uint8_t drawn[AHEAD * SEKI_CHALLENGE_RANDOM_SIZE];

    bindings = bindings != NULL ? bindings : &ABSENT;
    transactions = transactions != NULL ? transactions : &ABSENT;
    if (keys == NULL || params == NULL || (tokens == NULL && rows != 0) || rows > SEKI_ROWS_MAX
        || !seki_column_valid(bindings, rows, true) || !seki_column_valid(transactions, rows, true))
        return SEKI_E_ARGUMENT;
    for (uint64_t i = 0; i < rows; i++) {
        const uint8_t *own = drawn + i % AHEAD * SEKI_CHALLENGE_RANDOM_SIZE;
        if (random != NULL)
            own = random + i * SEKI_CHALLENGE_RANDOM_SIZE;
        else if (i % AHEAD == 0 && !random_fill(drawn, (rows - i < AHEAD ? (size_t)(rows - i) : AHEAD) * SEKI_CHALLENGE_RANDOM_SIZE))
            return SEKI_E_SYSTEM;
        if (!seki_challenge_issue(keys, params, seki_column_row(bindings, i), seki_column_row(transactions, i), own,
                                  tokens + i * SEKI_CHALLENGE_SIZE))
            return SEKI_E_ARGUMENT;
    }
    return SEKI_OK;
}

seki_status seki_challenge_check_many(const seki_challenge_keys *keys, const seki_challenge_expectation *expect, uint64_t rows,
                                      const seki_column *tokens, const seki_column *bindings, const seki_column *transactions,
                                      int64_t at, const int64_t *at_rows, uint16_t *reasons)
{
    bindings = bindings != NULL ? bindings : &ABSENT;
    transactions = transactions != NULL ? transactions : &ABSENT;
    if (keys == NULL || expect == NULL || !expectation_good(expect) || tokens == NULL || (reasons == NULL && rows != 0)
        || rows > SEKI_ROWS_MAX || !seki_column_valid(tokens, rows, false) || !seki_column_valid(bindings, rows, true)
        || !seki_column_valid(transactions, rows, true))
        return SEKI_E_ARGUMENT;
    for (uint64_t i = 0; i < rows; i++) {
        seki_challenge_fields fields;
        seki_reason reason = seki_challenge_check(keys, seki_column_row(tokens, i), seki_column_row(bindings, i),
                                                  seki_column_row(transactions, i), expect, at_rows != NULL ? at_rows[i] : at, &fields);
        reasons[i] = (uint16_t)(reason == SEKI_NOT_DECIDED ? SEKI_CHALLENGE_OK : reason);
    }
    return SEKI_OK;
}

seki_status seki_challenge_redeem_many(const seki_challenge_keys *keys, seki_claims *claims, const seki_challenge_expectation *expect,
                                       uint64_t rows, const seki_column *tokens, const seki_column *bindings,
                                       const seki_column *transactions, const uint64_t *requests, const uint8_t *outcomes, int64_t at,
                                       uint16_t *reasons, uint8_t *repeated)
{
    bindings = bindings != NULL ? bindings : &ABSENT;
    transactions = transactions != NULL ? transactions : &ABSENT;
    if (keys == NULL || claims == NULL || expect == NULL || !expectation_good(expect) || tokens == NULL
        || ((reasons == NULL || repeated == NULL) && rows != 0) || rows > SEKI_ROWS_MAX || at < 0 || at > SEKI_TIME_MAX
        || !seki_column_valid(tokens, rows, false) || !seki_column_valid(bindings, rows, true)
        || !seki_column_valid(transactions, rows, true))
        return SEKI_E_ARGUMENT;
    for (uint64_t i = 0; outcomes != NULL && i < rows; i++)
        if (outcomes[i] > SEKI_OUTCOME_FAILED)
            return SEKI_E_ARGUMENT;

    seki_valkey *valkey = seki_claims_valkey(claims);
    seki_shared_claim *shared = NULL;
    size_t granted = 0;
    if (valkey != NULL && rows != 0) {
        shared = malloc((size_t)rows * sizeof *shared);
        if (shared == NULL)
            return SEKI_E_MEMORY;
    }
    const seki_reason batch = seki_claims_begin_batch(claims, at);
    for (uint64_t i = 0; i < rows; i++) {
        seki_challenge_fields fields;
        const uint8_t outcome = outcomes != NULL ? outcomes[i] : SEKI_OUTCOME_GOOD;
        bool again = false;
        seki_reason reason = seki_challenge_check(keys, seki_column_row(tokens, i), seki_column_row(bindings, i),
                                                  seki_column_row(transactions, i), expect, at, &fields);
        if (reason == SEKI_NOT_DECIDED)
            reason = batch;
        if (reason == SEKI_NOT_DECIDED && seki_claims_locked(claims, &fields))
            reason = SEKI_CHALLENGE_LOCKED;
        if (reason == SEKI_NOT_DECIDED && outcome == SEKI_OUTCOME_GOOD) {
            reason = seki_claims_claim(claims, &fields, requests != NULL ? requests[i] : 0, at, &again);
        } else if (reason == SEKI_NOT_DECIDED && outcome == SEKI_OUTCOME_FAILED) {
            seki_claims_failed(claims, &fields);
            reason = SEKI_SIGNATURE_WRONG;
        } else if (reason == SEKI_NOT_DECIDED) {
            reason = SEKI_CHALLENGE_OK;
        }
        reasons[i] = (uint16_t)reason;
        repeated[i] = again ? 1 : 0;
        if (shared != NULL && reason == SEKI_ACCEPTED)
            share(&shared[granted++], i, &fields, requests != NULL ? requests[i] : 0, again);
    }
    if (shared != NULL) {
        seki_valkey_claim(valkey, shared, granted);
        for (size_t i = 0; i < granted; i++) {
            reasons[shared[i].row] = shared[i].reason;
            repeated[shared[i].row] = shared[i].repeated ? 1 : 0;
        }
        free(shared);
    }
    return SEKI_OK;
}

/* ---- helpers -------------------------------------------------------------------------------- */

static bool expectation_good(const seki_challenge_expectation *expect)
{
    return expect->skew >= 0 && expect->skew <= SEKI_CHALLENGE_SKEW_MAX;
}

static bool random_fill(uint8_t *bytes, size_t size)
{
    while (size != 0) {
        ssize_t got = getrandom(bytes, size, 0);
        if (got < 0 && errno != EINTR)
            return false;
        if (got > 0) {
            bytes += got;
            size -= (size_t)got;
        }
    }
    return true;
}

static void share(seki_shared_claim *claim, uint64_t row, const seki_challenge_fields *fields, uint64_t request, bool repeated)
{
    static const char label[] = "sekisho redeemed request 1";
    *claim = (seki_shared_claim){.row = row, .repeated = repeated};
    seki_shared_claim_name(claim, fields);
    if (request != 0) {
        seki_span parts[] = {{(const uint8_t *)label, sizeof label}, {(const uint8_t *)&request, sizeof request}};
        seki_shared_claim_request(claim, parts, sizeof parts / sizeof parts[0]);
    }
}
