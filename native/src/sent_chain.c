/* sent_chain.c: see sent_chain.h. */
#include "sent_chain.h"

#include "der.h"
#include "name_match.h"

typedef struct {
    seki_certificate certificate;
    seki_key key;
    seki_span whole; /* DER */
    bool usable, taken;
    bool has_form;
    uint8_t form[32]; /* seki_name_digest of the subject */
} sent_certificate;

/* A possible issuer's answer to "did you sign this?", so that no pair is asked twice. */
enum { NOT_ASKED = 0, SIGNED = 1, NOT_SIGNED = 2 };

/* A certificate on the way up, and how far its possible issuers were tried: those of the store by bytes, those of the store by
 * normal form, then those sent. */
typedef struct {
    const seki_certificate *certificate;
    sent_certificate *sent; /* NULL: the leaf */
    uint8_t form[32];       /* seki_name_digest of the issuer */
    bool names_differ;      /* on the way from the leaf up to here */
    int32_t candidates[2 * SEKI_ISSUER_CANDIDATES_MAX];
    size_t by_bytes, candidate_count, tried;
} step;

typedef struct {
    seki_judgement *judgement;
    seki_workspace *space;
    size_t *signatures, signatures_max, asked_max, steps;
    bool wrong; /* a key of the right name did not verify */
    bool fault;
    size_t count;
    sent_certificate sent[SEKI_INTERMEDIATES_MAX];
    /* by certificate: the leaf, then those sent */
    uint8_t by_store[1 + SEKI_INTERMEDIATES_MAX][2 * SEKI_ISSUER_CANDIDATES_MAX];
    uint8_t by_sent[1 + SEKI_INTERMEDIATES_MAX][SEKI_INTERMEDIATES_MAX];
} search;

/* Whether `key` made the signature on `certificate`; counts against the budget. */
static bool signed_by(search *s, uint8_t *answer, const seki_certificate *certificate, const seki_key *key)
{
    _Atomic uint64_t confirmations = 1;
    if (*answer != NOT_ASKED)
        return *answer == SIGNED;
    seki_job job = {.key = *key,
                    .mode = seki_signature_algorithm_mode(certificate->signature_algorithm),
                    .message = certificate->tbs,
                    .signature = certificate->signature};
    seki_job_policy policy = {.confirmations = &confirmations, .cross_check_one_in = 1};
    ++*s->signatures;
    seki_jobs_run(&s->space->signatures, &policy, &job, 1);
    s->fault = s->fault || job.reason == SEKI_ENGINE_FAULT;
    s->wrong = s->wrong || job.reason != SEKI_SIGNATURE_OK;
    *answer = job.reason == SEKI_SIGNATURE_OK ? SIGNED : NOT_SIGNED;
    return *answer == SIGNED;
}

static void read_sent(search *s, const seki_profile *profile, seki_span rest)
{
    seki_span content, whole;
    while (s->count < profile->intermediates_max && s->count < SEKI_INTERMEDIATES_MAX
           && seki_der_take(&rest, SEKI_DER_SEQUENCE, &content, &whole)) {
        sent_certificate *c = &s->sent[s->count++];
        c->taken = c->has_form = false;
        c->usable = true;
        for (size_t i = 0; i + 1 < s->count; i++) /* the same one twice is one */
            c->usable = c->usable && !seki_span_equal(s->sent[i].whole, whole);
        c->whole = whole;
        c->usable = c->usable && seki_certificate_parse(whole, &c->certificate, NULL) == SEKI_NOT_DECIDED
                    && c->certificate.key_reason == 0 && !c->certificate.maps_any_policy /* RFC 5280, 6.1.4 (a) */
                    && seki_ca_check(&c->certificate) == SEKI_NOT_DECIDED
                    && seki_key_ready(s->space->signatures.checker, &c->certificate.key, &c->key) == SEKI_NOT_DECIDED
                    && (profile->signature_algorithms >> c->certificate.signature_algorithm & 1) != 0
                    && seki_ca_fits(&c->certificate, false, profile) == SEKI_NOT_DECIDED
                    && (c->key.kind != SEKI_KEY_RSA
                        || (c->key.bits <= SEKI_SENT_RSA_BITS_MAX && c->key.exponent >> SEKI_SENT_EXPONENT_BITS_MAX == 0));
    }
}

static void start_step(const search *s, step *at, const seki_certificate *certificate, sent_certificate *sent, bool names_differ)
{
    const seki_trust *trust = s->judgement->verifier->trust;
    at->certificate = certificate;
    at->sent = sent;
    at->names_differ = names_differ;
    at->by_bytes = seki_trust_candidates(trust, certificate, at->candidates);
    seki_name_digest(certificate->issuer, at->form);
    at->candidate_count = at->by_bytes
                          + seki_trust_candidates_by_form(trust, certificate, at->form, &at->candidates[at->by_bytes]);
    at->tried = 0;
    if (at->by_bytes == SEKI_ISSUER_CANDIDATES_MAX || at->candidate_count == at->by_bytes + SEKI_ISSUER_CANDIDATES_MAX)
        s->judgement->cut = true; /* there may be more of the name */
}

/* The path below an issuer of the store that signed steps[depth]. */
static seki_path path_below(const step *steps, size_t depth, bool names_differ)
{
    seki_path path = {.sent_count = depth, .names_differ = names_differ, .window_from = INT64_MIN, .window_to = INT64_MAX};
    for (size_t i = 0; i < depth; i++) {
        const seki_certificate *c = steps[i + 1].certificate;
        path.sent[i] = c;
        path.window_from = c->not_before > path.window_from ? c->not_before : path.window_from;
        path.window_to = c->not_after < path.window_to ? c->not_after : path.window_to;
    }
    return path;
}

/* Whether the sent certificate may be the issuer of steps[depth] by name, and is not on the way already, nor its name and key. */
static bool may_follow(sent_certificate *next, const step *steps, size_t depth)
{
    const step *at = &steps[depth];
    if (!next->usable || next->taken)
        return false;
    if (!seki_span_equal(next->certificate.subject, at->certificate->issuer)) {
        if (!next->has_form)
            seki_name_digest(next->certificate.subject, next->form);
        next->has_form = true;
        if (memcmp(next->form, at->form, sizeof next->form) != 0
            || !seki_names_match(next->certificate.subject, at->certificate->issuer))
            return false;
    }
    for (size_t i = 0; i <= depth; i++)
        if (i == 0 ? seki_span_equal(steps[0].certificate->der, next->whole)
                   : seki_span_equal(steps[i].certificate->subject, next->certificate.subject)
                         && seki_span_equal(steps[i].certificate->spki, next->certificate.spki))
            return false;
    return true;
}

/* Goes on until a path is taken; true if one was. */
static bool look(search *s, step *steps, size_t tried)
{
    seki_judgement *j = s->judgement;
    const seki_trust *trust = j->verifier->trust;
    size_t depth = 0;
    start_step(s, &steps[0], &j->row->leaf, NULL, false);
    steps[0].tried = tried;
    for (;;) {
        step *at = &steps[depth];
        size_t number = at->sent == NULL ? 0 : 1 + (size_t)(at->sent - s->sent);
        if (at->tried == at->candidate_count + s->count) {
            if (depth == 0)
                return false;
            at->sent->taken = false;
            depth--;
            continue;
        }
        if (*s->signatures >= s->signatures_max || s->steps++ == SEKI_SENT_STEPS_MAX || j->asked >= s->asked_max) {
            j->cut = true;
            return false;
        }
        size_t option = at->tried++;
        if (option < at->candidate_count) {
            int32_t head = at->candidates[option];
            if (!signed_by(s, &s->by_store[number][option], at->certificate, &trust->issuers[head].key))
                continue;
            seki_path below = path_below(steps, depth, at->names_differ || option >= at->by_bytes);
            if (seki_judge(j, head, &below)) {
                memcpy(j->row->cached.entry.issuer, trust->issuers[head].identity, sizeof j->row->cached.entry.issuer);
                if (depth != 0)
                    seki_issuer_identity(steps[1].certificate, j->row->cached.entry.issuer);
                return true;
            }
            if (seki_judgement_ends(j))
                return false;
            continue;
        }
        sent_certificate *next = &s->sent[option - at->candidate_count];
        if (!may_follow(next, steps, depth)
            || !signed_by(s, &s->by_sent[number][option - at->candidate_count], at->certificate, &next->key))
            continue;
        next->taken = true;
        bool differ = !seki_span_equal(next->certificate.subject, at->certificate->issuer);
        start_step(s, &steps[depth + 1], &next->certificate, next, at->names_differ || differ);
        depth++;
    }
}

seki_reason seki_sent_chain(seki_judgement *j, seki_workspace *space, size_t tried, bool straight, size_t *signatures)
{
    const seki_profile *profile = &j->verifier->profile;
    size_t share = (size_t)SEKI_SENT_SIGNATURES_SHARE * profile->intermediates_max;
    search s = {.judgement = j,
                .space = space,
                .signatures = signatures,
                .wrong = j->row->issuer < 0 && j->row->candidate_count != 0,
                .signatures_max = share > SEKI_SENT_SIGNATURES_MIN ? share : SEKI_SENT_SIGNATURES_MIN,
                .asked_max = SIZE_MAX};
    step steps[SEKI_INTERMEDIATES_MAX + 1];
    *signatures = 0;
    read_sent(&s, profile, j->row->intermediates);
    if (straight) {
        s.signatures_max = s.count + 1;
        s.asked_max = j->asked + 1;
    }
    bool found = look(&s, steps, tried);
    j->row->sent = found && j->path.sent_count != 0;
    j->path.sent_count = 0; /* they stand in `s` */
    if (found)
        return SEKI_NOT_DECIDED;
    if (s.fault)
        return SEKI_ENGINE_FAULT;
    if (j->cut || j->judged != 0)
        return seki_judgement_reason(j);
    return s.wrong ? SEKI_ISSUER_SIGNATURE_WRONG : SEKI_ISSUER_UNKNOWN;
}
