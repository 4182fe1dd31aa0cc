#include "sent_chain.h"

#include "der.h"

typedef struct {
    seki_certificate certificate;
    seki_key key;
    bool usable, taken;
} sent_certificate;

typedef struct {
    const seki_trust *trust;
    seki_workspace *space;
    size_t signatures; /* spent */
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
    s->signatures++;
    seki_jobs_run(&s->space->signatures, &policy, &job, 1);
    if (job.reason == SEKI_SIGNATURE_OK)
        return true;
    s->wrong = true;
    return false;
}

/* The issuer of the trust store that signed `certificate`, or -1. */
static int32_t from_store(search *s, const seki_certificate *certificate)
{
    int32_t candidates[SEKI_ISSUER_CANDIDATES_MAX];
    size_t count = seki_trust_candidates(s->trust, certificate, candidates);
    for (size_t i = 0; i < count && s->signatures < SEKI_SENT_SIGNATURES_MAX; i++)
        if (signed_by(s, certificate, &s->trust->issuers[candidates[i]].key))
            return candidates[i];
    return -1;
}

static sent_certificate *from_sent(search *s, const seki_certificate *certificate, sent_certificate *sent, size_t count)
{
    for (size_t i = 0; i < count && s->signatures < SEKI_SENT_SIGNATURES_MAX; i++) {
        sent_certificate *candidate = &sent[i];
        if (!candidate->usable || candidate->taken
            || !seki_span_equal(candidate->certificate.subject, certificate->issuer))
            continue;
        if (signed_by(s, certificate, &candidate->key)) {
            candidate->taken = true;
            return candidate;
        }
    }
    return NULL;
}

static size_t read_sent(seki_workspace *space, const seki_profile *profile, seki_span rest,
                        sent_certificate sent[SEKI_INTERMEDIATES_MAX])
{
    size_t count = 0;
    seki_span content, whole;
    while (count < SEKI_INTERMEDIATES_MAX && seki_der_take(&rest, SEKI_DER_SEQUENCE, &content, &whole)) {
        sent_certificate *c = &sent[count++];
        c->taken = false;
        c->usable = seki_certificate_parse(whole, &c->certificate, NULL) == SEKI_NOT_DECIDED
                    && c->certificate.key_reason == 0 && seki_ca_check(&c->certificate) == SEKI_NOT_DECIDED
                    && seki_key_ready(space->signatures.checker, &c->certificate.key, &c->key) == SEKI_NOT_DECIDED
                    && (profile->signature_algorithms >> c->certificate.signature_algorithm & 1) != 0
                    && (c->key.kind != SEKI_KEY_RSA || c->key.bits >= profile->rsa_bits_min);
    }
    return count;
}

seki_reason seki_sent_chain(const seki_trust *trust, const seki_profile *profile, seki_workspace *space, seki_login_row *row)
{
    sent_certificate sent[SEKI_INTERMEDIATES_MAX];
    search s = {.trust = trust, .space = space};
    size_t count = read_sent(space, profile, row->intermediates, sent);
    const seki_certificate *current = &row->leaf;
    row->sent_count = 0;
    row->window_from = INT64_MIN;
    row->window_to = INT64_MAX;
    for (;;) {
        row->issuer = from_store(&s, current);
        if (row->issuer >= 0)
            return SEKI_NOT_DECIDED;
        sent_certificate *next = from_sent(&s, current, sent, count);
        if (s.signatures >= SEKI_SENT_SIGNATURES_MAX)
            return SEKI_PATH_BUDGET_SPENT;
        if (next == NULL)
            return s.wrong ? SEKI_ISSUER_SIGNATURE_WRONG : SEKI_ISSUER_UNKNOWN;
        current = &next->certificate;
        row->sent[row->sent_count++] = current->der;
        if (current->not_before > row->window_from)
            row->window_from = current->not_before;
        if (current->not_after < row->window_to)
            row->window_to = current->not_after;
        if (row->sent_count == 1)
            seki_issuer_identity(current, row->cached.entry.issuer);
    }
}
