#include "sent_chain.h"

#include "der.h"
#include "path.h"

typedef struct {
    seki_certificate certificate;
    seki_key key;
    seki_span whole; /* DER */
    bool usable, taken;
} sent_certificate;

typedef struct {
    const seki_trust *trust;
    seki_workspace *space;
    size_t *signatures; /* spent */
    bool wrong;        /* a key of the right name did not verify */
} search;

/* Whether `key` made the signature on `certificate`; counts against the budget. */
static bool signed_by(search *s, const seki_certificate *certificate, const seki_key *key)
{
    _Atomic uint64_t confirmations = 1;
    seki_job job = {.key = *key,
                    .mode = seki_signature_algorithm_mode(certificate->signature_algorithm),
                    .message = certificate->tbs,
                    .signature = certificate->signature};
    seki_job_policy policy = {.confirmations = &confirmations, .cross_check_one_in = 1};
    ++*s->signatures;
    seki_jobs_run(&s->space->signatures, &policy, &job, 1);
    if (job.reason == SEKI_SIGNATURE_OK)
        return true;
    s->wrong = true;
    return false;
}

static size_t read_sent(seki_workspace *space, const seki_profile *profile, seki_span rest,
                        sent_certificate sent[SEKI_INTERMEDIATES_MAX])
{
    size_t count = 0;
    seki_span content, whole;
    while (count < SEKI_INTERMEDIATES_MAX && seki_der_take(&rest, SEKI_DER_SEQUENCE, &content, &whole)) {
        sent_certificate *c = &sent[count++];
        c->taken = false;
        c->usable = true;
        for (size_t i = 0; i + 1 < count; i++) /* the same one twice is one */
            c->usable = c->usable && !seki_span_equal(sent[i].whole, whole);
        c->whole = whole;
        c->usable = c->usable && seki_certificate_parse(whole, &c->certificate, NULL) == SEKI_NOT_DECIDED
                    && c->certificate.key_reason == 0 && seki_ca_check(&c->certificate) == SEKI_NOT_DECIDED
                    && seki_key_ready(space->signatures.checker, &c->certificate.key, &c->key) == SEKI_NOT_DECIDED
                    && (profile->signature_algorithms >> c->certificate.signature_algorithm & 1) != 0
                    && seki_ca_fits(&c->certificate, false, profile) == SEKI_NOT_DECIDED
                    && (c->key.kind != SEKI_KEY_RSA
                        || (c->key.bits <= SEKI_SENT_RSA_BITS_MAX && c->key.exponent >> SEKI_SENT_EXPONENT_BITS_MAX == 0));
    }
    return count;
}

/* A certificate on the way up, and how far its possible issuers were tried: those of the store, then those sent. */
typedef struct {
    const seki_certificate *certificate;
    sent_certificate *sent; /* NULL: the leaf */
    int32_t candidates[SEKI_ISSUER_CANDIDATES_MAX];
    size_t candidate_count, tried;
} step;

static void start_step(const search *s, step *at, const seki_certificate *certificate, sent_certificate *sent)
{
    at->certificate = certificate;
    at->sent = sent;
    at->candidate_count = seki_trust_candidates(s->trust, certificate, at->candidates);
    at->tried = 0;
}

/* Writes the path that ends at `issuer` into the row. */
static void describe(seki_login_row *row, const step *steps, size_t depth, int32_t issuer)
{
    row->issuer = issuer;
    row->sent_count = depth;
    row->window_from = INT64_MIN;
    row->window_to = INT64_MAX;
    for (size_t i = 0; i < depth; i++) {
        const seki_certificate *c = steps[i + 1].certificate;
        row->sent[i] = c->der;
        row->window_from = c->not_before > row->window_from ? c->not_before : row->window_from;
        row->window_to = c->not_after < row->window_to ? c->not_after : row->window_to;
    }
    if (depth != 0)
        seki_issuer_identity(steps[1].certificate, row->cached.entry.issuer);
}

seki_reason seki_sent_chain(const seki_trust *trust, const seki_profile *profile, seki_workspace *space, seki_login_row *row,
                            seki_path_judge judge, void *context, size_t *signatures)
{
    sent_certificate sent[SEKI_INTERMEDIATES_MAX];
    step steps[SEKI_INTERMEDIATES_MAX + 1];
    search s = {.trust = trust, .space = space, .signatures = signatures};
    *signatures = 0;
    size_t count = read_sent(space, profile, row->intermediates, sent), depth = 0, judged = 0;
    seki_reason found = SEKI_NOT_DECIDED; /* why the first whole path was refused */
    start_step(&s, &steps[0], &row->leaf, NULL);
    for (;;) {
        step *at = &steps[depth];
        if (at->tried == at->candidate_count + count) {
            if (depth == 0)
                break;
            at->sent->taken = false;
            depth--;
            continue;
        }
        if (*signatures >= SEKI_SENT_SIGNATURES_MAX || judged >= SEKI_SENT_PATHS_MAX) {
            row->issuer = -1;
            return SEKI_PATH_BUDGET_SPENT;
        }
        size_t option = at->tried++;
        if (option < at->candidate_count) {
            int32_t issuer = at->candidates[option];
            if (!signed_by(&s, at->certificate, &trust->issuers[issuer].key))
                continue;
            describe(row, steps, depth, issuer);
            judged++;
            seki_reason reason = judge(context, row);
            if (reason == SEKI_NOT_DECIDED)
                return reason;
            found = found == SEKI_NOT_DECIDED ? reason : found;
            continue;
        }
        sent_certificate *next = &sent[option - at->candidate_count];
        if (!next->usable || next->taken || !seki_span_equal(next->certificate.subject, at->certificate->issuer)
            || !signed_by(&s, at->certificate, &next->key))
            continue;
        next->taken = true;
        start_step(&s, &steps[++depth], &next->certificate, next);
    }
    row->issuer = -1;
    if (found != SEKI_NOT_DECIDED)
        return found;
    return s.wrong ? SEKI_ISSUER_SIGNATURE_WRONG : SEKI_ISSUER_UNKNOWN;
}
