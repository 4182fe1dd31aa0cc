/* verifier.c: the batch calls of sekisho.h, "verifier": checks the arguments, then runs the stages. */
#include <stdlib.h>

#include "claims.h"
#include "column.h"
#include "kernels.h"
#include "mode.h"
#include "revocation_words.h"
#include "stages.h"

static bool profile_valid(const seki_profile *profile);
static uint64_t purpose_of(const seki_verifier *verifier);
static seki_status run_columns(seki_login_call *call);
static seki_status run(seki_login_call *call);
static seki_status run_once(seki_login_call *call);
static void claim_shared(seki_login_call *call, seki_valkey *valkey);
static void take_back(seki_login_call *call);

seki_status seki_verifier_new(seki_engine *engine, const seki_trust *trust, const seki_profile *profile,
                              const uint8_t *issuers_allowed, seki_revocation *revocation, seki_verifier **out)
{
    if (engine == NULL || trust == NULL || profile == NULL || out == NULL || (issuers_allowed == NULL && trust->count != 0)
        || !profile_valid(profile))
        return SEKI_E_ARGUMENT;
    seki_verifier *verifier = calloc(1, sizeof *verifier);
    size_t count = trust->way_count != 0 ? trust->way_count : 1;
    if (verifier != NULL) {
        verifier->engine = engine;
        verifier->trust = trust;
        verifier->profile = *profile;
        verifier->revocation = revocation;
        verifier->allowed = calloc(count, 1);
        verifier->admitted = calloc(count, sizeof *verifier->admitted);
    }
    if (verifier == NULL || verifier->allowed == NULL || verifier->admitted == NULL) {
        seki_verifier_free(verifier);
        return SEKI_E_MEMORY;
    }
    for (size_t i = 0; i < trust->way_count; i++) /* ways above stand before those below */
        verifier->allowed[i] = issuers_allowed[trust->ways[i].issuer] == 1
                               || (trust->ways[i].parent >= 0 && verifier->allowed[trust->ways[i].parent] != 0);
    verifier->purpose = purpose_of(verifier);
    *out = verifier;
    return SEKI_OK;
}

void seki_verifier_free(seki_verifier *verifier)
{
    if (verifier == NULL)
        return;
    free(verifier->allowed);
    free((void *)verifier->admitted);
    free(verifier);
}

seki_status seki_verify_logins(seki_verifier *verifier, const seki_login_batch *batch, seki_verdict *out)
{
    if (verifier == NULL || batch == NULL || (out == NULL && batch->rows != 0) || batch->rows > SEKI_ROWS_MAX)
        return SEKI_E_ARGUMENT;
    bool own = verifier->profile.challenge == SEKI_CHALLENGE_OWN;
    /* A set of claims that is not there refuses (CLAIMS_LOST), keys that are not there are the caller's mistake. */
    if ((own && (batch->keys == NULL || batch->expect.skew < 0 || batch->expect.skew > SEKI_CHALLENGE_SKEW_MAX))
        || !seki_column_valid(&batch->challenges, batch->rows, false)
        || !seki_column_valid(&batch->signatures, batch->rows, false)
        || !seki_column_valid(&batch->bindings, batch->rows, true)
        || !seki_column_valid(&batch->transactions, batch->rows, true)
        || !seki_column_valid(&batch->requests, batch->rows, true)
        /* A foreign challenge says neither: whoever passes one would believe that it was checked. */
        || (!own && (seki_column_present(&batch->bindings) || seki_column_present(&batch->transactions))))
        return SEKI_E_ARGUMENT;
    seki_login_call call = {.verifier = verifier, .batch = batch, .logins = true, .out = out};
    return run_columns(&call);
}

seki_status seki_verify_certificates(seki_verifier *verifier, const seki_certificate_batch *batch, seki_verdict *out)
{
    if (verifier == NULL || batch == NULL || (out == NULL && batch->rows != 0))
        return SEKI_E_ARGUMENT;
    seki_login_batch all = {.rows = batch->rows,
                            .certificates = batch->certificates,
                            .intermediates = batch->intermediates,
                            .at = batch->at,
                            .at_stride = batch->at_stride,
                            .confirmations = batch->confirmations,
                            .ocsp = batch->ocsp,
                            .ocsp_of_cas = batch->ocsp_of_cas,
                            .ocsp_of_cas_count = batch->ocsp_of_cas_count};
    seki_login_call call = {.verifier = verifier, .batch = &all, .logins = false, .out = out};
    return run_columns(&call);
}

seki_status seki_verify_inputs(seki_verifier *verifier, const seki_login_batch *batch, const seki_login_input *inputs, bool logins,
                               seki_verdict *out)
{
    if (logins && verifier->profile.challenge == SEKI_CHALLENGE_OWN && batch->keys == NULL)
        return SEKI_E_ARGUMENT;
    seki_login_call call = {.verifier = verifier, .batch = batch, .inputs = inputs, .logins = logins, .out = out};
    return run(&call);
}

seki_status seki_certificate_of(const seki_engine *engine, uint64_t handle, seki_certificate_facts *out)
{
    seki_entry entry;
    if (engine == NULL || out == NULL || engine->cache == NULL || !seki_cache_by_handle(engine->cache, handle, &entry))
        return SEKI_E_ARGUMENT;
    *out = (seki_certificate_facts){.serial_length = entry.serial_length,
                                    .key_kind = entry.key_kind,
                                    .key_bits = entry.key_bits,
                                    .not_before = entry.not_before,
                                    .not_after = entry.not_after};
    memcpy(out->fingerprint, entry.fingerprint, sizeof out->fingerprint);
    memcpy(out->issuer, entry.issuer, sizeof out->issuer);
    memcpy(out->serial, entry.serial, sizeof out->serial);
    return SEKI_OK;
}

seki_status seki_engine_cache_statistics(const seki_engine *engine, seki_cache_statistics *out)
{
    if (engine == NULL || out == NULL)
        return SEKI_E_ARGUMENT;
    *out = (seki_cache_statistics){0};
    if (engine->cache != NULL)
        seki_cache_read_statistics(engine->cache, out);
    return SEKI_OK;
}

void seki_engine_cache_clear(seki_engine *engine)
{
    if (engine->cache != NULL)
        seki_cache_clear(engine->cache);
}

/* ---- running ----------------------------------------------------------------------------------- */

enum { CLOCK_SKEW_MAX = 300 }; /* seconds; more would be a different date, not a different clock */

static bool mode_valid(uint32_t mode, seki_key_kind kind)
{
    return mode == 0 || (seki_mode_known(mode) && seki_mode_fits(mode, kind));
}

static bool profile_valid(const seki_profile *profile)
{
    if (profile->id == 0 || profile->policy_count > SEKI_PROFILE_POLICIES_MAX || profile->clock_skew < 0
        || profile->clock_skew > CLOCK_SKEW_MAX || profile->revocation > SEKI_REVOCATION_SOFT
        || profile->challenge > SEKI_CHALLENGE_FOREIGN || profile->rsa_bits_min < SEKI_RSA_BITS_MIN
        || profile->intermediates_max > SEKI_INTERMEDIATES_MAX || profile->ca_leaf_allowed > 1 || profile->ca_purposes_ignored > 1
        || profile->initial_explicit_policy > 1 || profile->initial_policy_mapping_inhibit > 1
        || profile->initial_any_policy_inhibit > 1 || profile->revocation_same_key > 1 || profile->revocation_age_max < 0
        || profile->revocation_grace < 0 || profile->revocation_grace > SEKI_REVOCATION_GRACE_MAX)
        return false;
    for (uint32_t i = 0; i < profile->policy_count; i++)
        if (profile->policies[i].length == 0 || profile->policies[i].length > SEKI_OID_SIZE_MAX)
            return false;
    return mode_valid(profile->rsa_mode, SEKI_KEY_RSA) && mode_valid(profile->p256_mode, SEKI_KEY_P256)
           && mode_valid(profile->p384_mode, SEKI_KEY_P384) && mode_valid(profile->ed25519_mode, SEKI_KEY_ED25519);
}

static seki_login_input input_of(const seki_login_batch *batch, uint64_t number)
{
    return (seki_login_input){.certificate = seki_column_row(&batch->certificates, number),
                              .intermediates = seki_column_row(&batch->intermediates, number),
                              .challenge = seki_column_row(&batch->challenges, number),
                              .signature = seki_column_row(&batch->signatures, number),
                              .binding = seki_column_row(&batch->bindings, number),
                              .transaction = seki_column_row(&batch->transactions, number),
                              .request = seki_column_row(&batch->requests, number)};
}

static void fill(const seki_login_call *call, seki_login_row *row, uint64_t number)
{
    const seki_login_batch *batch = call->batch;
    row->number = number;
    row->at = batch->at[number * batch->at_stride];
    seki_login_input input = call->inputs != NULL ? call->inputs[number] : input_of(batch, number);
    row->certificate = input.certificate;
    row->intermediates = input.intermediates;
    row->challenge = input.challenge;
    row->signature = input.signature;
    row->binding = input.binding;
    row->transaction = input.transaction;
    row->request = input.request;
    row->reason = SEKI_NOT_DECIDED;
    row->backend = SEKI_BACKEND_NONE;
    row->flags = 0;
    row->known = false;
    row->cached.handle = 0;
    row->issuer = -1;
    row->verified = false;
    row->way = -1;
    row->sent = false;
    row->this_update = INT64_MAX;
    row->revocation_by = 0;
}

/* Data from after the time of judgement (within the clock's skew) is new. */
static int32_t age_of(const seki_login_row *row)
{
    if (row->this_update == INT64_MAX)
        return -1;
    int64_t age;
    if (__builtin_sub_overflow(row->at, row->this_update, &age) || age > INT32_MAX)
        return INT32_MAX;
    return age > 0 ? (int32_t)age : 0;
}

/* The handle is given only for certificates whose issuer's signature was verified. */
static seki_verdict verdict_of(const seki_login_call *call, const seki_login_row *row)
{
    const seki_in_force *in_force = call->revocation.in_force;
    return (seki_verdict){.reason = row->reason,
                          .backend = row->backend,
                          .flags = row->flags,
                          .revocation_age = age_of(row),
                          .certificate = row->known || row->verified ? row->cached.handle : 0,
                          .snapshot = in_force != NULL ? seki_in_force_id(in_force) : 0,
                          .revocation_by = row->revocation_by};
}

/* All stages but the last. */
static void judge_range(seki_login_call *call, seki_workspace *space, size_t from, size_t count)
{
    seki_login_row *rows = space->login.rows;
    for (size_t i = 0; i < count; i++)
        fill(call, &rows[i], from + i);
    seki_stage_wire(call, rows, count);
    if (call->logins)
        seki_stage_challenge(call, rows, count);
    seki_stage_certificate(call, space, rows, count);
    seki_stage_issuer(call, space, rows, count);
    if (call->logins)
        seki_stage_signature(call, space, rows, count);
    seki_stage_revocation(call, space, rows, count);
}

static void lower_to(_Atomic uint32_t *least, uint32_t value)
{
    uint32_t seen = atomic_load(least);
    while (seen > value && !atomic_compare_exchange_weak(least, &seen, value))
        continue;
}

static void verify_range(void *context, size_t from, size_t to, unsigned worker)
{
    (void)worker;
    seki_login_call *call = context;
    size_t slot, count = to - from;
    seki_workspace *space = seki_workspace_take(call->verifier->engine, &slot);
    if (space == NULL) {
        atomic_store(&call->status, SEKI_E_MEMORY);
        return;
    }
    /* Once a kernel is found to accept wrongly, nothing counts that may rest on it: again, without it, and before the claim.
     * As often as there are kernels, at most. */
    uint32_t doubts;
    do {
        doubts = seki_kernels_doubts();
        judge_range(call, space, from, count);
    } while (doubts != seki_kernels_doubts());
    seki_login_row *rows = space->login.rows;
    seki_stage_claim(call, rows, count);
    lower_to(&call->claimed_under, doubts);
    for (size_t i = 0; i < count; i++)
        call->out[from + i] = verdict_of(call, &rows[i]);
    seki_workspace_return(call->verifier->engine, slot);
}

static int64_t newest(const seki_login_batch *batch)
{
    int64_t at = batch->at[0];
    for (uint64_t i = 1; i < batch->rows && batch->at_stride != 0; i++)
        at = batch->at[i] > at ? batch->at[i] : at;
    return at;
}

static bool statements_valid(const seki_login_batch *batch)
{
    return batch->ocsp_of_cas_count <= SEKI_OCSP_OF_CAS_MAX && (batch->ocsp_of_cas != NULL || batch->ocsp_of_cas_count == 0)
           && (batch->ocsp == NULL || seki_ocsp_statements_valid(batch->ocsp, batch->rows))
           && seki_ocsp_statements_valid(batch->ocsp_of_cas, batch->ocsp_of_cas_count);
}

static seki_status run_columns(seki_login_call *call)
{
    const seki_login_batch *batch = call->batch;
    if (batch->rows > SEKI_ROWS_MAX || batch->at == NULL || batch->at_stride > 1
        || !seki_column_valid(&batch->certificates, batch->rows, false)
        || !seki_column_valid(&batch->intermediates, batch->rows, true) || !statements_valid(batch))
        return SEKI_E_ARGUMENT;
    return run(call);
}

static seki_status run(seki_login_call *call)
{
    const seki_login_batch *batch = call->batch;
    if (batch->rows == 0)
        return SEKI_OK;
    bool claims = call->logins && call->verifier->profile.challenge == SEKI_CHALLENGE_OWN;
    seki_revocation *revocation = call->verifier->revocation;
    if (call->verifier->profile.revocation != SEKI_REVOCATION_OFF)
        call->revocation = (seki_revocation_data){.in_force = revocation != NULL ? seki_revocation_acquire(revocation) : NULL,
                                                  .ocsp = batch->ocsp,
                                                  .ocsp_of_cas = batch->ocsp_of_cas_count != 0 ? batch->ocsp_of_cas : NULL,
                                                  .ocsp_of_cas_count = (size_t)batch->ocsp_of_cas_count};
    if (claims)
        call->batch_reason = (uint16_t)seki_claims_begin_batch(batch->claims, newest(batch));
    seki_valkey *valkey = claims ? seki_claims_valkey(batch->claims) : NULL;
    seki_status status = SEKI_OK;
    if (valkey != NULL) {
        call->shared = malloc((size_t)batch->rows * sizeof *call->shared);
        status = call->shared != NULL ? SEKI_OK : SEKI_E_MEMORY;
    }
    if (status == SEKI_OK) {
        do {
            status = run_once(call);
        } while (status == SEKI_OK && !claims && call->doubts != seki_kernels_doubts());
    }
    if (valkey != NULL && status == SEKI_OK)
        claim_shared(call, valkey);
    free(call->shared);
    call->shared = NULL;
    if (claims && status == SEKI_OK && atomic_load(&call->claimed_under) != seki_kernels_doubts())
        take_back(call);
    if (call->revocation.in_force != NULL)
        seki_revocation_release(revocation, call->revocation.in_force);
    return status;
}

static seki_status run_once(seki_login_call *call)
{
    const seki_login_batch *batch = call->batch;
    seki_engine *engine = call->verifier->engine;
    memset(call->out, 0, (size_t)batch->rows * sizeof *call->out);
    call->doubts = seki_kernels_doubts();
    atomic_init(&call->claimed_under, UINT32_MAX);
    atomic_init(&call->confirmations, batch->confirmations);
    atomic_init(&call->wasted, 0);
    atomic_init(&call->status, SEKI_OK);
    atomic_init(&call->shared_count, 0);
    seki_status status = seki_pool_run(engine->pool, (size_t)batch->rows,
                                       seki_grain(engine, (size_t)batch->rows, SEKI_LOGIN_ROWS), verify_range, call);
    return status != SEKI_OK ? status : (seki_status)atomic_load(&call->status);
}

/* What this machine has granted is accepted when Valkey grants it too: until then no row of it says ACCEPTED to anybody. */
static void claim_shared(seki_login_call *call, seki_valkey *valkey)
{
    size_t count = (size_t)atomic_load(&call->shared_count);
    seki_valkey_claim(valkey, call->shared, count);
    for (size_t i = 0; i < count; i++) {
        const seki_shared_claim *claim = &call->shared[i];
        seki_verdict *verdict = &call->out[claim->row];
        verdict->reason = claim->reason;
        verdict->flags = (uint8_t)((verdict->flags & ~SEKI_FLAG_REPEATED) | (claim->repeated ? SEKI_FLAG_REPEATED : 0));
    }
}

/* Ranges were claimed before a kernel was found to accept wrongly.  A claim cannot be asked for twice, so what was accepted in
 * the call is a fault of ours: the challenges stay spent, and the holders try again with new ones. */
static void take_back(seki_login_call *call)
{
    for (uint64_t i = 0; i < call->batch->rows; i++)
        if (call->out[i].reason == SEKI_ACCEPTED)
            call->out[i].reason = SEKI_ENGINE_FAULT;
}

/* Two verifiers of one profile and store may be for different issuers: what one found is not the other's finding. */
static uint64_t purpose_of(const seki_verifier *verifier)
{
    seki_span parts[2] = {{(const uint8_t *)&verifier->profile.id, sizeof verifier->profile.id},
                          {verifier->allowed, verifier->trust->way_count}};
    uint8_t digest[SEKI_SHA256_SIZE];
    uint64_t purpose;
    seki_sha256_parts(parts, 2, digest);
    memcpy(&purpose, digest, sizeof purpose);
    return purpose;
}
