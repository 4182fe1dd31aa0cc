#include "path.h"
#include "sent_chain.h"
#include "slow_path.h"
#include "stages.h"

/* Signature checks a batch may waste on sent chains that lead nowhere: 189 in one of 1,000 rows, some 130 ms of P-384. */
enum { WASTED_MIN = 64, WASTED_SHARE = 8 };

static void find_candidates(const seki_trust *trust, seki_login_row *row);
static bool verify_round(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count);
static void try_sent(seki_login_call *call, seki_workspace *space, seki_login_row *row);
static void judge(seki_login_call *call, seki_login_row *row);
static seki_reason judge_path(void *context, seki_login_row *row);
static void remember(seki_verifier *verifier, seki_login_row *row, seki_reason reason, uint32_t doubts);

void seki_stage_issuer(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (seki_alive(&rows[i]) && !rows[i].known)
            find_candidates(call->verifier->trust, &rows[i]);
    while (verify_round(call, space, rows, count))
        ; /* each round takes one candidate off every row that is left: at most SEKI_ISSUER_CANDIDATES_MAX */
    for (size_t i = 0; i < count; i++) {
        if (!seki_alive(&rows[i]) || rows[i].known)
            continue;
        if (rows[i].issuer >= 0)
            judge(call, &rows[i]);
        else
            try_sent(call, space, &rows[i]);
    }
}

static void find_candidates(const seki_trust *trust, seki_login_row *row)
{
    row->issuer = -1;
    row->sent_count = 0;
    row->candidate = 0;
    row->candidate_count = seki_trust_candidates(trust, &row->leaf, row->candidates);
}

/* Takes the answer of one candidate's key. */
static void take_answer(seki_login_row *row, const seki_job *job)
{
    switch (job->reason) {
    case SEKI_SIGNATURE_OK:
        row->issuer = row->candidates[row->candidate];
        row->backend = job->backend;
        break;
    case SEKI_SIGNATURE_UNCONFIRMED:
    case SEKI_ENGINE_FAULT:
        seki_refuse(row, (seki_reason)job->reason);
        break;
    default: /* wrong, or of another length or algorithm than this key's: the next candidate may fit */
        row->candidate++;
    }
}

/* One signature check for each row that has a candidate left; false when there is none. */
static bool verify_round(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count)
{
    const seki_trust *trust = call->verifier->trust;
    size_t waiting = 0;
    for (size_t i = 0; i < count; i++) {
        const seki_login_row *row = &rows[i];
        if (!seki_alive(row) || row->known || row->issuer >= 0 || row->candidate == row->candidate_count)
            continue;
        space->login.job_row[waiting] = (uint16_t)i;
        space->jobs[waiting++] = (seki_job){.key = trust->issuers[row->candidates[row->candidate]].key,
                                            .mode = seki_signature_algorithm_mode(row->leaf.signature_algorithm),
                                            .message = row->leaf.tbs,
                                            .signature = row->leaf.signature};
    }
    seki_job_policy policy = {.confirmations = &call->confirmations,
                              .cross_check_one_in = call->verifier->engine->options.cross_check_one_in};
    seki_jobs_run(&space->signatures, &policy, space->jobs, waiting);
    for (size_t i = 0; i < waiting; i++)
        take_answer(&rows[space->login.job_row[i]], &space->jobs[i]);
    return waiting != 0;
}

/* No configured issuer signed the leaf. */
static void try_sent(seki_login_call *call, seki_workspace *space, seki_login_row *row)
{
    seki_verifier *verifier = call->verifier;
    if (row->intermediates.length != 0) {
        /* Chains that lead nowhere are what a flood would be made of: the batch pays for so many, the rest may try again. */
        if (atomic_load_explicit(&call->wasted, memory_order_relaxed) > WASTED_MIN + call->batch->rows / WASTED_SHARE) {
            seki_refuse(row, SEKI_PATH_BUDGET_SPENT);
            return;
        }
        size_t signatures;
        seki_refuse(row, seki_sent_chain(verifier->trust, &verifier->profile, space, row, judge_path, verifier, &signatures));
        if (seki_alive(row))
            remember(verifier, row, SEKI_NOT_DECIDED, call->doubts);
        else
            (void)atomic_fetch_add_explicit(&call->wasted, signatures, memory_order_relaxed);
        return;
    }
    if (row->candidate_count == 0) {
        seki_refuse(row, SEKI_ISSUER_UNKNOWN);
        return;
    }
    seki_refuse(row, SEKI_ISSUER_SIGNATURE_WRONG);
    /* Every key of that name was tried, and OpenSSL confirmed each refusal. */
    if (verifier->engine->cache != NULL && row->candidate_count < SEKI_ISSUER_CANDIDATES_MAX)
        seki_cache_put_forged(verifier->engine->cache, row->cached.entry.fingerprint, verifier->trust->number);
}

/* Fast where native checks suffice and a whole chain under this issuer has passed OpenSSL before; else slow. */
static seki_reason decide_path(seki_verifier *verifier, seki_login_row *row)
{
    const seki_issuer *issuer = &verifier->trust->issuers[row->issuer];
    bool plain = row->sent_count == 0 && seki_leaf_is_plain(&row->leaf, issuer, &verifier->profile);
    if (plain && atomic_load_explicit(&verifier->admitted[row->issuer], memory_order_acquire) != 0)
        return SEKI_NOT_DECIDED;
    row->flags |= SEKI_FLAG_SLOW_PATH;
    seki_reason reason = seki_slow_path(verifier->trust, issuer, &row->leaf, row->sent, row->sent_count,
                                        &verifier->profile, row->window_from, row->window_to, row->at);
    if (plain && reason == SEKI_NOT_DECIDED)
        atomic_store_explicit(&verifier->admitted[row->issuer], 1, memory_order_release);
    return reason;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Enters the certificate with what was found: its issuer's signature is right. */
static void remember(seki_verifier *verifier, seki_login_row *row, seki_reason reason, uint32_t doubts)
{
    seki_entry *entry = &row->cached.entry;
    const seki_certificate *leaf = &row->leaf;
    seki_span serial = leaf->serial;
    if (serial.length > 1 && serial.data[0] == 0) {
        serial.data++;
        serial.length--;
    }
    if (verifier->engine->cache == NULL || row->window_from > row->window_to || serial.length > sizeof entry->serial
        || row->key.length > sizeof row->cached.key)
        return;
    memset(entry->findings, 0, sizeof entry->findings);
    memset(entry->serial, 0, sizeof entry->serial);
    memcpy(entry->serial, serial.data, serial.length);
    entry->serial_length = (uint8_t)serial.length;
    entry->key_kind = (uint8_t)row->key.kind;
    entry->key_bits = (uint16_t)row->key.bits;
    entry->key_length = (uint32_t)row->key.length;
    entry->key_exponent = row->key.exponent;
    entry->not_before = leaf->not_before;
    entry->not_after = leaf->not_after;
    memcpy(row->cached.key, row->key.bytes, row->key.length);
    int64_t skew = verifier->profile.clock_skew;
    entry->findings[0] = (seki_finding){
        .trust = verifier->trust->number,
        .profile = verifier->profile.id,
        .from = later(leaf->not_before, row->window_from) - skew,
        .to = earlier(leaf->not_after, row->window_to) + skew,
        .reason = (uint16_t)(reason == SEKI_NOT_DECIDED ? SEKI_CERTIFICATE_OK : reason),
        .flags = row->flags & SEKI_FLAG_SLOW_PATH,
        .doubts = doubts,
    };
    seki_cache_put(verifier->engine->cache, &row->cached);
}

/* Refusals that follow from the certificates alone, whatever the time, budget or memory. */
static bool lasts(seki_reason reason)
{
    return reason == SEKI_NOT_DECIDED || reason == SEKI_ISSUER_NOT_ALLOWED || reason == SEKI_NAME_CONSTRAINTS
           || reason == SEKI_POLICY || reason == SEKI_PATH_REFUSED;
}

/* The path that stands in the row, from the issuer's own rules to OpenSSL's. */
static seki_reason judge_path(void *context, seki_login_row *row)
{
    seki_verifier *verifier = context;
    const seki_issuer *issuer = &verifier->trust->issuers[row->issuer];
    int64_t skew = verifier->profile.clock_skew;
    row->window_from = row->sent_count != 0 ? later(row->window_from, issuer->window_from) : issuer->window_from;
    row->window_to = row->sent_count != 0 ? earlier(row->window_to, issuer->window_to) : issuer->window_to;
    if (row->sent_count == 0)
        memcpy(row->cached.entry.issuer, issuer->identity, sizeof row->cached.entry.issuer);
    seki_reason reason = seki_issuer_check(verifier->trust, issuer, &verifier->profile,
                                           verifier->allowed[row->issuer] != 0, row->at);
    if (reason != SEKI_NOT_DECIDED)
        return reason;
    if (issuer->depth + row->sent_count > verifier->profile.path_length_max)
        return SEKI_PATH_TOO_LONG;
    if (row->at < row->window_from - skew)
        return SEKI_ISSUER_NOT_YET_VALID;
    if (row->at > row->window_to + skew)
        return SEKI_ISSUER_EXPIRED;
    return decide_path(verifier, row);
}

static void judge(seki_login_call *call, seki_login_row *row)
{
    seki_reason reason = judge_path(call->verifier, row);
    if (lasts(reason))
        remember(call->verifier, row, reason, call->doubts);
    seki_refuse(row, reason);
}
