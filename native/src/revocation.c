#include "revocation.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "cert.h"
#include "fork_lock.h"
#include "name_match.h"
#include "path_revocation.h"
#include "snapshot.h"

/* A snapshot and its overlay.  `overlay_of` says which source of the overlay changes a source of the base, -1: none. */
struct seki_in_force {
    _Atomic uint64_t references;
    seki_snapshot *base, *overlay;
    int32_t *overlay_of;
};

/* The lock is held for as long as it takes to copy a pointer and count it. */
struct seki_revocation {
    _Atomic int32_t owner;
    struct seki_in_force *current;
};

/* ---- what is in force -------------------------------------------------------------------------- */

seki_status seki_revocation_new(seki_revocation **out)
{
    if (out == NULL)
        return SEKI_E_ARGUMENT;
    *out = calloc(1, sizeof **out);
    return *out != NULL ? SEKI_OK : SEKI_E_MEMORY;
}

/* Waits until nobody else looks at it, so that it is the caller who unmaps it and no batch of logins: that takes 3 ms for 200 MB.
 * A batch that lasts longer, or was lost in a fork, is not waited for. */
static void wait_for_readers(const struct seki_in_force *in_force)
{
    enum { WAITS_MAX = 1000 }; /* of a millisecond each */
    const struct timespec wait = {.tv_nsec = 1000000};
    for (int i = 0; i < WAITS_MAX && in_force != NULL && atomic_load(&in_force->references) != 1; i++)
        (void)nanosleep(&wait, NULL);
}

static void drop(struct seki_in_force *in_force)
{
    if (in_force == NULL || atomic_fetch_sub(&in_force->references, 1) != 1)
        return;
    seki_snapshot_free(in_force->base);
    seki_snapshot_free(in_force->overlay);
    free(in_force->overlay_of);
    free(in_force);
}

void seki_revocation_free(seki_revocation *revocation)
{
    if (revocation == NULL)
        return;
    drop(revocation->current);
    free(revocation);
}

seki_status seki_revocation_publish(seki_revocation *revocation, seki_snapshot *base, seki_snapshot *overlay)
{
    if (revocation == NULL || base == NULL || base->kind != SEKI_SNAPSHOT_BASE
        || (overlay != NULL
            && (overlay->kind != SEKI_SNAPSHOT_OVERLAY || memcmp(overlay->base, base->digest, sizeof base->digest) != 0)))
        return SEKI_E_ARGUMENT;
    if (seki_snapshot_damaged(base) || (overlay != NULL && seki_snapshot_damaged(overlay)))
        return SEKI_E_DAMAGED;
    struct seki_in_force *next = calloc(1, sizeof *next);
    int32_t *overlay_of = malloc((base->source_count + 1) * sizeof *overlay_of);
    if (next == NULL || overlay_of == NULL) {
        free(next);
        free(overlay_of);
        return SEKI_E_MEMORY;
    }
    for (size_t i = 0; i < base->source_count; i++)
        overlay_of[i] = -1;
    for (size_t i = 0; overlay != NULL && i < overlay->source_count; i++) {
        uint64_t of = seki_get(overlay->sources[i].record + SEKI_SOURCE_BASE, 4);
        if (of >= base->source_count || overlay_of[of] >= 0) {
            free(next);
            free(overlay_of);
            return SEKI_E_ARGUMENT;
        }
        overlay_of[of] = (int32_t)i;
    }
    *next = (struct seki_in_force){.base = base, .overlay = overlay, .overlay_of = overlay_of};
    atomic_init(&next->references, 1);
    seki_snapshot_retain(base);
    if (overlay != NULL)
        seki_snapshot_retain(overlay);
    (void)seki_fork_lock(&revocation->owner);
    struct seki_in_force *before = revocation->current;
    revocation->current = next;
    seki_fork_unlock(&revocation->owner);
    wait_for_readers(before);
    drop(before);
    return SEKI_OK;
}

const seki_in_force *seki_revocation_acquire(seki_revocation *revocation)
{
    (void)seki_fork_lock(&revocation->owner);
    struct seki_in_force *current = revocation->current;
    if (current != NULL)
        atomic_fetch_add(&current->references, 1);
    seki_fork_unlock(&revocation->owner);
    return current;
}

void seki_revocation_release(seki_revocation *revocation, const seki_in_force *in_force)
{
    (void)revocation;
    drop((struct seki_in_force *)(uintptr_t)in_force);
}

uint64_t seki_in_force_id(const seki_in_force *in_force)
{
    return in_force->overlay != NULL ? in_force->overlay->id : in_force->base->id;
}

uint64_t seki_revocation_id(seki_revocation *revocation)
{
    if (revocation == NULL)
        return 0;
    const seki_in_force *in_force = seki_revocation_acquire(revocation);
    uint64_t id = in_force != NULL ? seki_in_force_id(in_force) : 0;
    if (in_force != NULL)
        seki_revocation_release(revocation, in_force);
    return id;
}

/* ---- the question ------------------------------------------------------------------------------ */

/* A CRL that was found under one of the certificate's points. */
typedef struct {
    uint32_t number;
    uint16_t reasons;
    bool indirect;
} hit;

enum { HITS = 6 }; /* kept between looking for them and weighing them; a certificate with more has them looked for again */

/* What came together for one question. */
typedef struct {
    const seki_in_force *in_force;
    const seki_revocation_limits *limits;
    const seki_revocation_question *question;
    uint64_t hash;
    size_t hit_count;
    bool more;                    /* there are more than `hits` */
    hit hits[HITS];
    uint16_t covered;             /* reasons that fresh data speaks for */
    bool revoked, stale, later;
    uint8_t reason;
    int64_t date, revoked_at; /* revocationDate, and thisUpdate of the list that says so */
    int64_t this_update;      /* the oldest of those that are good */
} asking;

/* The entry that counts: what a delta added, else what the base has and no delta took off. */
static bool find_entry(const asking *a, const seki_set *base, const seki_set *overlay, seki_revoked *out)
{
    seki_span serial = a->question->serial;
    if (overlay != NULL && seki_index_maybe(&overlay->revoked, serial.data, serial.length, a->hash)
        && seki_index_find(&overlay->revoked, serial.data, serial.length, out))
        return true;
    if (base == NULL || !seki_index_maybe(&base->revoked, serial.data, serial.length, a->hash)
        || !seki_index_find(&base->revoked, serial.data, serial.length, out))
        return false;
    seki_revoked removed;
    return overlay == NULL || overlay->removed.count == 0
           || !seki_index_find(&overlay->removed, serial.data, serial.length, &removed);
}

bool seki_revocation_is_fresh(const seki_revocation_limits *limits, int64_t at, int64_t this_update, int64_t next_update)
{
    if (limits->age_max != 0 && at - this_update > limits->age_max)
        return false;
    if (next_update == INT64_MIN)
        return limits->age_max != 0;
    return at <= next_update + limits->grace;
}

/* Of several lists that name the certificate: what is final before a hold, of holds the newest. */
static void take_entry(asking *a, const seki_revoked *entry, int64_t this_update)
{
    bool was_hold = a->reason == SEKI_CERTIFICATE_HOLD, is_hold = entry->reason == SEKI_CERTIFICATE_HOLD;
    if (!a->revoked || (was_hold && (!is_hold || this_update > a->revoked_at))) {
        a->reason = entry->reason;
        a->date = entry->date;
        a->revoked_at = this_update;
    }
    a->revoked = true;
}

/* Weighs one CRL, found under one of the certificate's points (RFC 5280, 6.3.3 (b) to (k)). */
static void weigh(asking *a, uint32_t number, uint16_t reasons, bool indirect)
{
    const seki_revocation_question *q = a->question;
    const seki_source *source = &a->in_force->base->sources[number];
    int32_t at = a->in_force->overlay_of[number];
    const seki_source *newer = at >= 0 ? &a->in_force->overlay->sources[at] : NULL;
    /* (b)(2)(ii) and (iii): of user certificates alone, of CA certificates alone. */
    if (((source->flags & SEKI_CRL_ONLY_USER) != 0 && q->kind != SEKI_KIND_USER)
        || ((source->flags & SEKI_CRL_ONLY_CA) != 0 && q->kind != SEKI_KIND_CA))
        return;
    /* (b)(1): what another than the certificate's issuer publishes must say that it is indirect. */
    if (indirect && (source->flags & SEKI_CRL_IS_INDIRECT) == 0)
        return;
    if (a->limits->same_key
        && (memcmp(source->signer, q->signer, 32) != 0 || (newer != NULL && memcmp(newer->signer, q->signer, 32) != 0)))
        return;
    const seki_set *base = seki_snapshot_set_of(a->in_force->base, source, q->issuer->form);
    const seki_set *overlay = newer != NULL ? seki_snapshot_set_of(a->in_force->overlay, newer, q->issuer->form) : NULL;
    int64_t this_update = newer != NULL ? newer->this_update : source->this_update;
    int64_t next_update = newer != NULL ? newer->next_update : source->next_update;
    int64_t moment = seki_revocation_time(q->at);
    bool later = this_update > moment + a->limits->skew;
    seki_revoked entry;
    if (find_entry(a, base, overlay, &entry) && (!later || entry.date <= q->at)) {
        take_entry(a, &entry, this_update);
        return;
    }
    if (later) {
        a->later = true;
    } else if (!seki_revocation_is_fresh(a->limits, moment, this_update, next_update)) {
        a->stale = true;
    } else {
        a->covered |= (uint16_t)(reasons & source->reasons);
        if (this_update < a->this_update)
            a->this_update = this_update;
    }
}

/* What to do with each CRL found under a point. */
typedef void visit(asking *a, uint32_t number, uint16_t reasons, bool indirect);

static void under_point(asking *a, const uint8_t point[32], uint16_t reasons, bool indirect, visit *each)
{
    size_t place = SEKI_KEY_FIRST;
    int32_t number;
    while ((number = seki_snapshot_next_source(a->in_force->base, a->question->anchor, point, &place)) >= 0)
        each(a, (uint32_t)number, reasons, indirect);
}

/* All points of the certificate, then CRLs that its issuer publishes without a distribution point, or by its own name (6.3.3, at
 * the end): whatever is there is weighed, for a certificate is revoked if one of them says so. */
static void visit_all(asking *a, visit *each)
{
    const seki_revocation_question *q = a->question;
    for (size_t i = 0; i < q->points->count; i++)
        under_point(a, q->points->at[i].point, q->points->at[i].reasons, q->points->at[i].indirect, each);
    under_point(a, q->issuer->unnamed, SEKI_REASONS_ALL, false, each);
    under_point(a, q->issuer->by_name, SEKI_REASONS_ALL, false, each);
}

/* Each look goes one step on, and what the next will touch is on its way meanwhile: its sources, their sets, their filters. */
static void collect(asking *a, uint32_t number, uint16_t reasons, bool indirect)
{
    if (a->hit_count == HITS) {
        a->more = true;
        return;
    }
    a->hits[a->hit_count++] = (hit){.number = number, .reasons = reasons, .indirect = indirect};
    __builtin_prefetch(&a->in_force->base->sources[number]);
}

static void fetch_sets(const asking *a)
{
    const seki_snapshot *base = a->in_force->base;
    for (size_t i = 0; i < a->hit_count; i++) {
        const char *set = (const char *)&base->sets[base->sources[a->hits[i].number].first_set];
        __builtin_prefetch(set);
        __builtin_prefetch(set + 64);
    }
}

static void fetch_filters(const asking *a)
{
    const seki_snapshot *base = a->in_force->base;
    for (size_t i = 0; i < a->hit_count; i++) {
        const seki_set *set = seki_snapshot_set_of(base, &base->sources[a->hits[i].number], a->question->issuer->form);
        if (set != NULL)
            seki_index_prefetch(&set->revoked, a->hash);
    }
}

static void weigh_all(asking *a)
{
    if (a->more) {
        visit_all(a, weigh);
        return;
    }
    for (size_t i = 0; i < a->hit_count; i++)
        weigh(a, a->hits[i].number, a->hits[i].reasons, a->hits[i].indirect);
}

static void conclude(const asking *a, seki_revocation_answer *answer)
{
    *answer = (seki_revocation_answer){.state = SEKI_REVOCATION_IS_UNKNOWN, .this_update = INT64_MAX};
    if (a->revoked) {
        answer->state = SEKI_REVOCATION_REVOKED;
        answer->reason = a->reason;
        answer->by = SEKI_BY_CRL;
        answer->date = a->date;
        answer->this_update = a->revoked_at;
    } else if ((a->covered & SEKI_REASONS_ALL) == SEKI_REASONS_ALL) {
        answer->state = SEKI_REVOCATION_GOOD;
        answer->by = SEKI_BY_CRL;
        answer->this_update = a->this_update;
    } else if (a->stale) {
        answer->state = SEKI_REVOCATION_IS_STALE;
    } else if (a->later) {
        answer->state = SEKI_REVOCATION_IS_LATER;
    }
}

static bool damaged(const seki_in_force *in_force)
{
    return seki_snapshot_damaged(in_force->base) || (in_force->overlay != NULL && seki_snapshot_damaged(in_force->overlay));
}

void seki_revocation_ask(const seki_in_force *in_force, const seki_revocation_limits *limits,
                         const seki_revocation_question *questions, size_t count, seki_revocation_answer *answers)
{
    enum { AHEAD = 32 }; /* questions whose filters are fetched before the first is answered */
    static const uint8_t zero = 0;
    asking under_way[AHEAD];
    for (size_t from = 0; from < count; from += AHEAD) {
        size_t some = count - from < AHEAD ? count - from : AHEAD;
        for (size_t i = 0; i < some; i++) {
            asking *a = &under_way[i];
            *a = (asking){.in_force = in_force, .limits = limits, .question = &questions[from + i], .this_update = INT64_MAX};
            seki_span serial = questions[from + i].serial;
            if (serial.length == 0)
                serial = (seki_span){&zero, 1};
            a->hash = seki_serial_hash(serial.data, serial.length < SEKI_SERIAL_SIZE_MAX ? serial.length : SEKI_SERIAL_SIZE_MAX);
            visit_all(a, collect);
        }
        for (size_t i = 0; some != 1 && i < some; i++)
            fetch_sets(&under_way[i]);
        for (size_t i = 0; some != 1 && i < some; i++)
            fetch_filters(&under_way[i]);
        for (size_t i = 0; i < some; i++) {
            size_t length = under_way[i].question->serial.length;
            /* A serial that no CRL can name is covered by none. */
            if (length != 0 && length <= SEKI_SERIAL_SIZE_MAX)
                weigh_all(&under_way[i]);
            conclude(&under_way[i], &answers[from + i]);
        }
    }
    /* Asked after all was read: what was read of what is lost was zeros. */
    if (count != 0 && damaged(in_force))
        for (size_t i = 0; i < count; i++)
            answers[i] = (seki_revocation_answer){.state = SEKI_REVOCATION_IS_DAMAGED, .this_update = INT64_MAX};
}

/* ---- one certificate --------------------------------------------------------------------------- */

seki_status seki_revocation_ask_one(seki_revocation *revocation, const uint8_t *certificate, size_t length, const uint8_t anchor[32],
                                    const uint8_t signer[32], const seki_profile *profile, int64_t at, seki_revocation_status *out)
{
    seki_certificate parsed;
    if (revocation == NULL || certificate == NULL || anchor == NULL || signer == NULL || profile == NULL || out == NULL
        || at < -SEKI_TIME_MAX || at > SEKI_TIME_MAX || seki_certificate_parse((seki_span){certificate, length}, &parsed, NULL) != SEKI_NOT_DECIDED)
        return SEKI_E_ARGUMENT;
    *out = (seki_revocation_status){.this_update = INT64_MAX, .reason = SEKI_REVOCATION_NOT_CONFIGURED};
    const seki_in_force *in_force = seki_revocation_acquire(revocation);
    if (in_force == NULL)
        return SEKI_OK;
    uint8_t form[32];
    seki_issuer_points issuer;
    seki_points points;
    seki_name_digest(parsed.issuer, form);
    seki_points_of_issuer(form, &issuer);
    seki_certificate_points(&parsed, form, &points);
    seki_revocation_limits limits = seki_profile_limits(profile);
    seki_revocation_question question = {.anchor = anchor,
                                         .issuer = &issuer,
                                         .signer = signer,
                                         .points = &points,
                                         .serial = seki_serial_magnitude(parsed.serial),
                                         .kind = seki_kind_of(&parsed),
                                         .at = at};
    seki_revocation_answer answer;
    seki_revocation_ask(in_force, &limits, &question, 1, &answer);
    seki_profile strict = *profile;
    strict.revocation = SEKI_REVOCATION_REQUIRED;
    *out = (seki_revocation_status){.revoked_at = answer.date,
                                    .this_update = answer.this_update,
                                    .reason = seki_revocation_judge(&answer, &strict, SEKI_REVOKED).reason,
                                    .crl_reason = answer.reason};
    seki_revocation_release(revocation, in_force);
    return SEKI_OK;
}
