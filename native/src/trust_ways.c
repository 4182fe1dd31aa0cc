/* trust_ways.c: every way from an intermediate up to an anchor (trust.h), found level by level, shortest first. */
#include <stdlib.h>

#include "name_match.h"
#include "trust.h"

/* Who may have signed an intermediate, and what came of asking. */
typedef struct {
    int32_t parents[SEKI_ISSUER_CANDIDATES_MAX];
    uint8_t answers[SEKI_ISSUER_CANDIDATES_MAX];
    size_t count;
} link;

enum { NOT_ASKED = 0, SIGNED = 1, NOT_SIGNED = 2 };

static bool extend(seki_trust *trust, link *of, int32_t at, size_t level_from, size_t level_to, bool too_deep,
                   seki_signature_scratch *scratch);
static bool add_way(seki_trust *trust, int32_t issuer, int32_t parent);

bool seki_trust_find_ways(seki_trust *trust, seki_signature_scratch *scratch)
{
    link *links = calloc(trust->count != 0 ? trust->count : 1, sizeof *links);
    bool ready = links != NULL;
    for (size_t i = 0; ready && i < trust->count; i++) {
        seki_issuer *issuer = &trust->issuers[i];
        if (issuer->reason != 0)
            continue;
        if (issuer->anchor) {
            ready = add_way(trust, (int32_t)i, -1);
        } else {
            issuer->reason = SEKI_ISSUER_UNKNOWN; /* until a way is found */
            links[i].count = seki_trust_parents(trust, &issuer->certificate, links[i].parents);
            trust->issuers[issuer->head].more_ways |= links[i].count == SEKI_ISSUER_CANDIDATES_MAX;
        }
    }
    /* Ways stand in trust->ways level by level; each level is made from the one before. */
    size_t from = 0;
    for (size_t depth = 1; ready && depth <= SEKI_PATH_DEPTH_MAX && from < trust->way_count; depth++) {
        size_t to = trust->way_count;
        for (size_t i = 0; ready && i < trust->count; i++)
            if (trust->issuers[i].head >= 0 && !trust->issuers[i].anchor)
                ready = extend(trust, &links[i], (int32_t)i, from, to, depth == SEKI_PATH_DEPTH_MAX, scratch);
        from = to;
    }
    free(links);
    return ready;
}

/* Whether `parent`'s key made the signature on `child`. */
static bool signed_by(seki_signature_scratch *scratch, const seki_issuer *child, const seki_issuer *parent)
{
    static _Atomic uint64_t no_confirmations;
    seki_job job = {.key = parent->key,
                    .mode = seki_signature_algorithm_mode(child->certificate.signature_algorithm),
                    .message = child->certificate.tbs,
                    .signature = child->certificate.signature};
    seki_job_policy policy = {.confirmations = &no_confirmations, .cross_check_one_in = 1};
    seki_jobs_run(scratch, &policy, &job, 1);
    return job.reason == SEKI_SIGNATURE_OK;
}

/* Whether every CA on way `parent` leaves room for `issuer`: RFC 5280, 6.1.4 (l) and (m). */
static bool has_room(const seki_trust *trust, const seki_issuer *issuer, int32_t parent)
{
    int32_t below = issuer->self_issued ? 0 : 1; /* intermediates below `at` that count */
    for (int32_t at = parent; at >= 0; at = trust->ways[at].parent) {
        const seki_issuer *ca = &trust->issuers[trust->ways[at].issuer];
        if (ca->certificate.path_length >= 0 && below > ca->certificate.path_length)
            return false;
        if (!ca->self_issued)
            below++;
    }
    return true;
}

/* Whether way `at` passes through `issuer`'s name and key already. */
static bool passes(const seki_trust *trust, int32_t at, const seki_issuer *issuer)
{
    for (; at >= 0; at = trust->ways[at].parent)
        if (trust->issuers[trust->ways[at].issuer].head == issuer->head)
            return true;
    return false;
}

/* Makes a way from `at` through each way of its possible issuers that stands in the level. */
static bool extend(seki_trust *trust, link *of, int32_t at, size_t level_from, size_t level_to, bool too_deep,
                   seki_signature_scratch *scratch)
{
    seki_issuer *issuer = &trust->issuers[at], *head = &trust->issuers[issuer->head];
    for (size_t i = 0; i < of->count; i++) {
        const seki_issuer *parent = &trust->issuers[of->parents[i]];
        if (parent->first_way < 0 || of->answers[i] == NOT_SIGNED || of->parents[i] == issuer->head)
            continue;
        if (of->answers[i] == NOT_ASKED)
            of->answers[i] = signed_by(scratch, issuer, parent) ? SIGNED : NOT_SIGNED;
        if (of->answers[i] == NOT_SIGNED)
            continue;
        head->more_ways = head->more_ways || parent->more_ways;
        for (int32_t way = parent->first_way; way >= 0; way = trust->ways[way].next) {
            if ((size_t)way < level_from || (size_t)way >= level_to || passes(trust, way, issuer))
                continue;
            if (too_deep || !has_room(trust, issuer, way)) {
                issuer->reason = issuer->ways == 0 ? SEKI_PATH_TOO_LONG : 0;
                continue;
            }
            if (!add_way(trust, at, way))
                return false;
        }
    }
    return true;
}

/* False if memory is out. */
static bool add_way(seki_trust *trust, int32_t at, int32_t parent)
{
    seki_issuer *issuer = &trust->issuers[at], *head = &trust->issuers[issuer->head];
    size_t of_head = 0;
    for (int32_t way = head->first_way; way >= 0; way = trust->ways[way].next)
        of_head++;
    if (of_head == SEKI_WAYS_MAX) {
        head->more_ways = true;
        if (issuer->ways == 0)
            issuer->reason = SEKI_PATH_BUDGET_SPENT;
        return true;
    }
    if (trust->way_count == trust->way_room) {
        size_t room = trust->way_room != 0 ? 2 * trust->way_room : 16;
        seki_way *ways = realloc(trust->ways, room * sizeof *ways);
        if (ways == NULL)
            return false;
        trust->ways = ways;
        trust->way_room = room;
    }
    const seki_certificate *c = &issuer->certificate;
    seki_way *way = &trust->ways[trust->way_count];
    *way = (seki_way){.issuer = at,
                      .parent = parent,
                      .next = -1,
                      .anchor = at,
                      .slow = issuer->constrains,
                      .window_from = c->not_before,
                      .window_to = c->not_after};
    if (parent >= 0) {
        const seki_way *above = &trust->ways[parent];
        way->anchor = above->anchor;
        way->depth = (uint8_t)(above->depth + 1);
        way->slow = way->slow || above->slow
                    || !seki_span_equal(c->issuer, trust->issuers[above->issuer].certificate.subject);
        way->window_from = above->window_from > way->window_from ? above->window_from : way->window_from;
        way->window_to = above->window_to < way->window_to ? above->window_to : way->window_to;
    }
    int32_t number = (int32_t)trust->way_count++;
    if (head->first_way < 0)
        head->first_way = number;
    else
        trust->ways[head->last_way].next = number;
    head->last_way = number;
    issuer->ways++;
    issuer->reason = 0;
    return true;
}
