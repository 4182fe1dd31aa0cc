/* judge.c: see judge.h. */
#include "judge.h"

#include "name_constraints.h"
#include "slow_path.h"

static bool passes_below(const seki_trust *trust, int32_t way, const seki_certificate *leaf, const seki_path *below);
static seki_reason judge_path(seki_judgement *j);
static seki_reason authorities(seki_judgement *j);
static seki_reason decide(seki_judgement *j, const seki_way *way);
static bool lasts(seki_reason reason);

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void seki_judgement_begin(seki_judgement *j, seki_verifier *verifier, const seki_revocation_data *revocation, seki_login_row *row)
{
    j->verifier = verifier;
    j->revocation = revocation;
    j->row = row;
    j->reason = SEKI_ISSUER_UNKNOWN;
    j->judged = 0;
    j->cut = false;
    j->lasting = true;
    j->from = INT64_MIN;
    j->to = INT64_MAX;
    j->asked = j->refused = 0;
}

bool seki_judge(seki_judgement *j, int32_t head, const seki_path *below)
{
    const seki_trust *trust = j->verifier->trust;
    for (int32_t at = trust->issuers[head].first_way; at >= 0; at = trust->ways[at].next) {
        if (passes_below(trust, at, &j->row->leaf, below))
            continue;
        for (size_t i = 0; i < below->sent_count; i++)
            j->path.sent[i] = below->sent[i];
        j->path.sent_count = below->sent_count;
        j->path.names_differ = below->names_differ;
        j->path.way = at;
        j->path.window_from = later(below->window_from, trust->ways[at].window_from);
        j->path.window_to = earlier(below->window_to, trust->ways[at].window_to);
        seki_reason reason = judge_path(j);
        if (reason == SEKI_NOT_DECIDED)
            return true;
        j->judged++;
        j->reason = seki_more_useful(j->reason, reason);
        j->lasting = j->lasting && lasts(reason);
        j->from = later(j->from, j->path.window_from);
        j->to = earlier(j->to, j->path.window_to);
        if (reason == SEKI_ENGINE_FAULT || reason == SEKI_PATH_BUDGET_SPENT) {
            j->reason = reason;
            return false;
        }
    }
    j->cut = j->cut || trust->issuers[head].more_ways;
    return false;
}

bool seki_judgement_ends(const seki_judgement *j)
{
    return j->reason == SEKI_ENGINE_FAULT || j->reason == SEKI_PATH_BUDGET_SPENT;
}

seki_reason seki_judgement_reason(const seki_judgement *j)
{
    return j->cut && j->reason != SEKI_ENGINE_FAULT ? SEKI_PATH_BUDGET_SPENT : j->reason;
}

/* Whether the way passes through the leaf itself, or a name and key of the certificates sent. */
static bool passes_below(const seki_trust *trust, int32_t way, const seki_certificate *leaf, const seki_path *below)
{
    if (below->sent_count == 0 && !leaf->is_ca)
        return false;
    for (; way >= 0; way = trust->ways[way].parent) {
        const seki_certificate *ca = &trust->issuers[trust->ways[way].issuer].certificate;
        if (seki_span_equal(ca->der, leaf->der))
            return true;
        for (size_t i = 0; i < below->sent_count; i++)
            if (seki_span_equal(ca->subject, below->sent[i]->subject) && seki_span_equal(ca->spki, below->sent[i]->spki))
                return true;
    }
    return false;
}

/* The path that stands in the judgement, from the way's own rules to OpenSSL's. */
static seki_reason judge_path(seki_judgement *j)
{
    const seki_verifier *verifier = j->verifier;
    const seki_way *way = &verifier->trust->ways[j->path.way];
    int64_t skew = verifier->profile.clock_skew, at = j->row->at;
    seki_reason reason = seki_way_check(verifier->trust, way, &verifier->profile, verifier->allowed[j->path.way] != 0, at);
    if (reason != SEKI_NOT_DECIDED)
        return reason;
    if (way->depth + j->path.sent_count > verifier->profile.path_length_max)
        return SEKI_PATH_TOO_LONG;
    if (at < j->path.window_from - skew)
        return SEKI_ISSUER_NOT_YET_VALID;
    if (at > j->path.window_to + skew)
        return SEKI_ISSUER_EXPIRED;
    if (!seki_purpose_throughout(verifier->trust, &j->row->leaf, &j->path, &verifier->profile))
        return SEKI_EXTENDED_KEY_USAGE;
    reason = authorities(j);
    return reason != SEKI_NOT_DECIDED ? reason : decide(j, way);
}

/* No CA on the path is revoked; each revocation of one closes this way, not those beside it. */
static seki_reason authorities(seki_judgement *j)
{
    const seki_verifier *verifier = j->verifier;
    j->path.soft = false;
    j->path.revocation_by = 0;
    j->path.this_update = INT64_MAX;
    if (!seki_revocation_is_given(j->revocation)) /* where the profile wants some, the stage of revocation refuses */
        return SEKI_NOT_DECIDED;
    seki_revocation_finding finding =
        seki_authorities_revocation(verifier->trust, &j->path, &verifier->profile, j->revocation, j->row->at);
    j->path.soft = finding.soft;
    j->path.revocation_by = finding.by;
    j->path.this_update = finding.this_update;
    return finding.reason;
}

/* Fast where native checks suffice and a whole chain of this way has passed OpenSSL before; else slow. */
static seki_reason decide(seki_judgement *j, const seki_way *way)
{
    seki_verifier *verifier = j->verifier;
    seki_login_row *row = j->row;
    bool plain = j->path.sent_count == 0 && !j->path.names_differ && seki_leaf_is_plain(&row->leaf, way, &verifier->profile);
    row->flags &= (uint8_t)~SEKI_FLAG_SLOW_PATH;
    if (plain && atomic_load_explicit(&verifier->admitted[j->path.way], memory_order_acquire) != 0)
        return SEKI_NOT_DECIDED;
    if (j->asked == SEKI_PATHS_ASKED_MAX) {
        j->cut = true;
        return SEKI_PATH_BUDGET_SPENT;
    }
    j->asked++;
    row->flags |= SEKI_FLAG_SLOW_PATH;
    const seki_certificate *certificates[SEKI_PATH_CERTIFICATES_MAX];
    size_t count = seki_path_certificates(verifier->trust, &row->leaf, &j->path, certificates);
    seki_reason reason = seki_name_constraints_check(certificates, count);
    if (reason == SEKI_NOT_DECIDED)
        reason = seki_slow_path(verifier->trust, &j->path, &row->leaf, &verifier->profile, row->at);
    if (reason != SEKI_NOT_DECIDED)
        j->refused += count;
    else if (plain)
        atomic_store_explicit(&verifier->admitted[j->path.way], 1, memory_order_release);
    return reason;
}

/* Refusals that follow from the certificates alone, whatever the time within the path's window, the budget or memory. */
static bool lasts(seki_reason reason)
{
    return reason == SEKI_ISSUER_NOT_ALLOWED || reason == SEKI_NAME_CONSTRAINTS || reason == SEKI_POLICY
           || reason == SEKI_PATH_REFUSED;
}
