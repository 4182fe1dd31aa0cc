#include "name_match.h"
#include "sent_chain.h"

/* Signature checks a batch may waste on searches that lead nowhere: 189 in one of 1,000 rows, some 130 ms of P-384.  When they are
 * spent, a row still gets what a chain that leads straight up takes: nobody's good login waits for others' bad ones. */
enum { WASTED_MIN = 64, WASTED_SHARE = 8 };

static void find_candidates(const seki_trust *trust, seki_login_row *row);
static bool verify_round(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count);
static void conclude(seki_login_call *call, seki_workspace *space, seki_login_row *row);
static seki_reason look_further(seki_login_call *call, seki_workspace *space, seki_judgement *judgement);
static void keep_points(const seki_login_call *call, seki_login_row *row);
static bool matches_by_form(const seki_trust *trust, const seki_certificate *leaf);
static void remember(const seki_login_call *call, const seki_judgement *judgement, seki_reason reason, int64_t from, int64_t to);

void seki_stage_issuer(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (seki_alive(&rows[i]) && !rows[i].known)
            find_candidates(call->verifier->trust, &rows[i]);
    while (verify_round(call, space, rows, count))
        ; /* each round takes one candidate off every row that is left: at most SEKI_ISSUER_CANDIDATES_MAX */
    for (size_t i = 0; i < count; i++)
        if (seki_alive(&rows[i]) && !rows[i].known)
            conclude(call, space, &rows[i]);
}

static void find_candidates(const seki_trust *trust, seki_login_row *row)
{
    row->issuer = -1;
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

/* Judges the ways up from the key that was found; where that is none, or refused, looks for others. */
static void conclude(seki_login_call *call, seki_workspace *space, seki_login_row *row)
{
    seki_verifier *verifier = call->verifier;
    seki_judgement j;
    seki_judgement_begin(&j, verifier, &call->revocation, row);
    seki_reason reason = row->candidate_count == 0 ? SEKI_ISSUER_UNKNOWN : SEKI_ISSUER_SIGNATURE_WRONG;
    if (row->issuer >= 0) {
        static const seki_path nothing = {.window_from = INT64_MIN, .window_to = INT64_MAX};
        row->verified = true;
        memcpy(row->cached.entry.issuer, verifier->trust->issuers[row->issuer].identity, sizeof row->cached.entry.issuer);
        reason = seki_judge(&j, row->issuer, &nothing) ? SEKI_NOT_DECIDED : seki_judgement_reason(&j);
    }
    if (reason != SEKI_NOT_DECIDED && !seki_judgement_ends(&j)
        && (row->intermediates.length != 0 || matches_by_form(verifier->trust, &row->leaf)))
        reason = look_further(call, space, &j);
    else if (reason != SEKI_NOT_DECIDED && j.judged != 0 && j.lasting && !j.cut)
        remember(call, &j, reason, j.from, j.to);
    if (reason == SEKI_NOT_DECIDED) {
        row->way = j.path.way;
        row->this_update = j.path.this_update;
        row->revocation_by = j.path.revocation_by;
        row->flags |= j.path.soft ? SEKI_FLAG_REVOCATION_SOFT : 0;
        keep_points(call, row);
        remember(call, &j, reason, j.path.window_from, j.path.window_to);
    }
    /* Every key of that name was tried, and OpenSSL confirmed each refusal. */
    if (reason == SEKI_ISSUER_SIGNATURE_WRONG && row->issuer < 0 && row->intermediates.length == 0
        && verifier->engine->cache != NULL && row->candidate_count < SEKI_ISSUER_CANDIDATES_MAX)
        seki_cache_put_forged(verifier->engine->cache, row->cached.entry.fingerprint, verifier->trust->number);
    seki_refuse(row, reason);
}

/* Over certificates that were sent, and by names that match in normal form. */
static seki_reason look_further(seki_login_call *call, seki_workspace *space, seki_judgement *j)
{
    seki_login_row *row = j->row;
    bool spent = atomic_load_explicit(&call->wasted, memory_order_relaxed) > WASTED_MIN + call->batch->rows / WASTED_SHARE;
    size_t signatures;
    seki_reason reason = seki_sent_chain(j, space, row->candidate + (row->issuer >= 0), spent, &signatures);
    if (reason == SEKI_NOT_DECIDED)
        row->verified = true;
    else
        (void)atomic_fetch_add_explicit(&call->wasted, signatures + j->refused, memory_order_relaxed);
    return reason;
}

/* The leaf's distribution points, for the stage of revocation and for the cache. */
static void keep_points(const seki_login_call *call, seki_login_row *row)
{
    seki_kept_points *kept = &row->cached.entry.points;
    seki_points points;
    uint8_t form[32];
    *kept = (seki_kept_points){.known = false};
    if (call->verifier->profile.revocation == SEKI_REVOCATION_OFF)
        return;
    seki_name_digest(row->leaf.issuer, form);
    seki_certificate_points(&row->leaf, form, &points);
    kept->known = true;
    kept->whole = points.count <= SEKI_CACHE_POINTS && !points.more;
    kept->count = (uint8_t)(kept->whole ? points.count : 0);
    memcpy(kept->at, points.at, kept->count * sizeof kept->at[0]);
}

static bool matches_by_form(const seki_trust *trust, const seki_certificate *leaf)
{
    int32_t candidates[SEKI_ISSUER_CANDIDATES_MAX];
    uint8_t form[32];
    seki_name_digest(leaf->issuer, form);
    return seki_trust_candidates_by_form(trust, leaf, form, candidates) != 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Enters the certificate with what was found, which holds between two times: its issuer's signature is right. */
static void remember(const seki_login_call *call, const seki_judgement *j, seki_reason reason, int64_t from, int64_t to)
{
    const seki_verifier *verifier = call->verifier;
    seki_login_row *row = j->row;
    seki_entry *entry = &row->cached.entry;
    const seki_certificate *leaf = &row->leaf;
    seki_span serial = seki_serial_magnitude(leaf->serial);
    if (verifier->engine->cache == NULL || from > to || serial.length > sizeof entry->serial
        || row->key.length > sizeof row->cached.key)
        return;
    /* Whether a CA that was sent is revoked cannot be asked again without it. */
    if (row->sent && verifier->profile.revocation != SEKI_REVOCATION_OFF)
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
    entry->kind = (uint8_t)seki_kind_of(leaf);
    memcpy(row->cached.key, row->key.bytes, row->key.length);
    int64_t skew = verifier->profile.clock_skew;
    entry->findings[0] = (seki_finding){
        .trust = verifier->trust->number,
        .profile = verifier->purpose,
        .from = later(leaf->not_before, from) - skew,
        .to = earlier(leaf->not_after, to) + skew,
        .way = reason == SEKI_NOT_DECIDED ? j->path.way : -1,
        .reason = (uint16_t)(reason == SEKI_NOT_DECIDED ? SEKI_CERTIFICATE_OK : reason),
        .flags = row->flags & SEKI_FLAG_SLOW_PATH,
        .signs = seki_leaf_may_sign(leaf),
        .doubts = call->doubts,
    };
    seki_cache_put(verifier->engine->cache, &row->cached);
}
