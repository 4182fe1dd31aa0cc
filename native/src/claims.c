/* claims.c: see claims.h.
 *
 * The set
 *
 * A claim is one 64-bit word in a table of slots: 48 bits of the challenge's MAC, 16 of its expiry (the tag, in ticks of
 * 8 s, rounded up).  The challenge's home line (8 words, a cache line) follows from other bits of the MAC; its window is that line and
 * the five after it.  A claim stands in one slot of its window, the first that was free.  Nothing is ever
 * cleared: a slot whose tag is not ahead of the set's time is free.  The set's time, `newest`, only grows.
 *
 * To claim:  (1) load all words of the window; one equal to ours: the challenge is used
 *            (2) load `newest`; by it, the first free slot
 *            (3) compare-and-swap that slot from the word seen to ours; if it fails, from (1)
 *            (4) load all words of the window again; one equal to ours in another slot: used
 *            (5) load `newest`; at or past our expiry: expired
 *            (6) store the request's fingerprint in the slot's second word; accepted
 *
 * No challenge is accepted twice.  All loads and swaps above are sequentially consistent, so there is one order of them.
 *
 *   Lemma 1.  A word of X is overwritten only after newest >= X's expiry.  Its overwriter loaded the word in (1) and then
 *   `newest` in (2), and judged it free.  Either the tag was at or behind newest's tick: the tag is the expiry rounded up and
 *   the tick is newest rounded down, so newest had reached the expiry.  Or it was more than TICKS_LIVE ahead: but X was
 *   claimed when the set's time was at least the batch's `at` (checked), X's expiry is at most `at` + skew + lifetime, and
 *   newest was loaded after the word and only grows: so a claimed word is at most TICKS_LIVE ahead, and this one is of a
 *   challenge 2^16 ticks (6 days) older.  The judgement stays true until the swap of (3): the swap wants the same word, and a
 *   word of a passed expiry is not made claimable by time.
 *   (This is why `newest` is loaded after the words: a process that was stopped for an hour between the two would
 *   otherwise judge living words by an old time.)
 *
 *   Theorem.  Suppose two claims of X both reach (6).  Both swapped a word of X into a slot; say A's swap came first.  If B's
 *   slot is another one, B saw no word of X at (4), after its own swap, thus after A's: A's word had been overwritten.  If it is
 *   the same one, B's swap found another word there than A's: overwritten as well.  By lemma 1 newest >= expiry by then,
 *   and B's load at (5), which is later, refused B.
 *
 *   Two claims of X that run at the same time may both see the other at (4) and both be refused, if one saw a slot as
 *   free that the other, before the tick changed, saw taken.  That takes the same token twice within nanoseconds of a
 *   tick; nobody is accepted, and the holder gets a new challenge.
 *
 * Killed between any two steps, a process leaves either nothing or a word, and a word alone refuses: the request's
 * fingerprint is stored only by the one that was accepted, and a fingerprint left by the slot's earlier owner, or stored
 * late by one that was stopped for minutes, is of a request about another challenge.
 *
 * A tag of 6 days ago (or 12 ...) looks alive again for TICKS_LIVE ticks.  That only keeps a slot from being used.
 *
 * Losing the set
 *
 * If the file is lost, a new one knows nothing of the claims in the old.  It begins with the time of its first batch,
 * which is read after the file was made; any batch of the old set was found at its path at begin_batch, so it was begun, and
 * its time read, before the file was lost.  What the old set accepted was thus issued by `began` + skew at the latest, and the
 * new set refuses everything up to that.  A first batch that is judged at a time of the past would break this: so whoever
 * made the set raises `began` to the time at which he did (seki_claims_not_before).
 *
 * Failures
 *
 * A table apart, of the same windows: 44 bits of MAC, 16 of tag, 4 of count.  When a window is full of living
 * challenges, a further one that fails there is not counted: nobody is ever locked by the failures of others, and no
 * count is forgotten to make room.  What is given up: whoever fills the table (it has as many slots as the set has capacity,
 * and windows cannot be aimed at) with that many authentic challenges can try further ones more than 8 times; but one who gets
 * so many challenges has 8 tries in each of them anyway.  The statistics tell, as failures_uncounted.
 * A challenge counted in two slots by two processes at once is no loss: counts are summed over the window. */
#include "claims_layout.h"

#ifndef SEKI_CLAIMS_STEP
#define SEKI_CLAIMS_STEP(name) ((void)0) /* tests stop processes here */
#endif

enum {
    WINDOW = SEKI_CLAIMS_WINDOW,
    TICK_SHIFT = 3, /* 8 s: a claim keeps its slot 4 s longer than its life, on the average */
    TICKS_LIVE = ((SEKI_CHALLENGE_LIFETIME_MAX + SEKI_CHALLENGE_SKEW_MAX) >> TICK_SHIFT) + 2,
    /* Each failed swap means that another claim took a slot; after so many, the window is being fought over beyond reason. */
    ATTEMPTS_MAX = 4 * WINDOW,
    COUNT_BITS = 4
};
_Static_assert(SEKI_CHALLENGE_FAILURES_MAX < 1 << COUNT_BITS, "a count fits its bits");
#define TAG_MASK UINT64_C(0xffff)

static uint64_t claim_word(const seki_challenge_fields *challenge);
static uint64_t failure_word(const seki_challenge_fields *challenge);
static uint64_t home(const seki_claims *claims, const seki_challenge_fields *challenge, uint64_t slots);
static unsigned tag_of(int64_t expires);
static bool is_free(uint64_t word, unsigned tag, int64_t newest);
static void raise_to(_Atomic int64_t *time, int64_t value);
static seki_reason claim_again(seki_claims *claims, const seki_challenge_fields *challenge, size_t slot, uint64_t request, bool *repeated);
static inline void count(_Atomic uint64_t *counter);

seki_status seki_claims_not_before(seki_claims *claims, int64_t at)
{
    if (claims == NULL || at < 0 || at > SEKI_TIME_MAX)
        return SEKI_E_ARGUMENT;
    _Atomic int64_t *began = &claims->header->began;
    int64_t seen = atomic_load(began);
    while (seen != 1 && seen < at && !atomic_compare_exchange_weak(began, &seen, at))
        continue;
    return SEKI_OK;
}

seki_reason seki_claims_begin_batch(seki_claims *claims, int64_t at)
{
    if (claims == NULL || !seki_claims_present(claims))
        return SEKI_CLAIMS_LOST;
    if (at > SEKI_TIME_MAX)
        return SEKI_ENGINE_FAULT;
    seki_claims_header *header = claims->header;
    int64_t newest = atomic_load(&header->newest);
    if (at < 0 || at < newest - SEKI_CLAIMS_STEP_BACK_MAX)
        return SEKI_CLOCK_WENT_BACK;
    if (at > newest)
        raise_to(&header->newest, at);
    int64_t not_begun = 0;
    if (atomic_load(&header->began) == 0)
        (void)atomic_compare_exchange_strong(&header->began, &not_begun, at > 1 ? at : 1);
    return SEKI_NOT_DECIDED;
}

seki_reason seki_claims_claim(seki_claims *claims, const seki_challenge_fields *challenge, uint64_t request, int64_t at, bool *repeated)
{
    *repeated = false;
    if (claims == NULL || atomic_load_explicit(&claims->lost, memory_order_relaxed))
        return SEKI_CLAIMS_LOST;

    /* What the proof above rests on, whoever calls. */
    const int64_t began = atomic_load(&claims->header->began), newest = atomic_load(&claims->header->newest);
    if (began == 0 || at > newest)
        return SEKI_ENGINE_FAULT;
    if (challenge->issued <= began + claims->skew)
        return SEKI_CLAIMS_LOST;
    if (at < newest - SEKI_CLAIMS_BATCH_AGE_MAX)
        return SEKI_CLOCK_WENT_BACK;
    if (at < challenge->issued - claims->skew)
        return SEKI_CHALLENGE_NOT_YET_VALID;
    if (newest >= challenge->expires || challenge->expires > challenge->issued + SEKI_CHALLENGE_LIFETIME_MAX)
        return SEKI_CHALLENGE_EXPIRED;

    const uint64_t ours = claim_word(challenge), from = home(claims, challenge, claims->slots);
    uint64_t seen[WINDOW];
    size_t taken = 0;
    for (unsigned attempt = 0;; attempt++) {
        if (attempt == ATTEMPTS_MAX) {
            count(&claims->full);
            return SEKI_CLAIMS_FULL;
        }
        for (size_t i = 0; i < WINDOW; i++) { /* (1) */
            SEKI_CLAIMS_STEP("load");
            seen[i] = atomic_load(&claims->words[from + i]);
        }
        for (size_t i = 0; i < WINDOW; i++)
            if (seen[i] == ours)
                return claim_again(claims, challenge, from + i, request, repeated);
        SEKI_CLAIMS_STEP("time");
        const int64_t now = atomic_load(&claims->header->newest); /* (2) */
        size_t free = 0;
        while (free < WINDOW && !is_free(seen[free], (unsigned)(seen[free] & TAG_MASK), now))
            free++;
        if (free == WINDOW) {
            count(&claims->full);
            return SEKI_CLAIMS_FULL;
        }
        taken = from + free;
        SEKI_CLAIMS_STEP("swap");
        if (atomic_compare_exchange_strong(&claims->words[taken], &seen[free], ours)) /* (3) */
            break;
    }
    for (size_t i = 0; i < WINDOW; i++) { /* (4) */
        const size_t slot = from + i;
        SEKI_CLAIMS_STEP("look again");
        if (slot != taken && atomic_load(&claims->words[slot]) == ours) {
            count(&claims->used);
            return SEKI_CHALLENGE_USED;
        }
    }
    SEKI_CLAIMS_STEP("time again");
    if (atomic_load(&claims->header->newest) >= challenge->expires) /* (5) */
        return SEKI_CHALLENGE_EXPIRED;
    SEKI_CLAIMS_STEP("request");
    atomic_store(&claims->requests[taken], request); /* (6) */
    count(&claims->accepted);
    return SEKI_ACCEPTED;
}

seki_status seki_claims_share(seki_claims *claims, seki_valkey *valkey)
{
    if (claims == NULL || valkey == NULL)
        return SEKI_E_ARGUMENT;
    claims->valkey = valkey;
    return SEKI_OK;
}

seki_valkey *seki_claims_valkey(const seki_claims *claims)
{
    return claims != NULL ? claims->valkey : NULL;
}

const uint64_t *seki_claims_request_secret(const seki_claims *claims)
{
    return claims->secret;
}

void seki_claims_failed(seki_claims *claims, const seki_challenge_fields *challenge)
{
    if (claims == NULL)
        return;
    count(&claims->failed);
    const uint64_t from = home(claims, challenge, claims->failure_slots);
    const uint64_t ours = failure_word(challenge);
    raise_to(&claims->header->failures_until, challenge->expires); /* before the count, so that locked() looks */
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        uint64_t seen[WINDOW];
        size_t slot = WINDOW;
        for (size_t i = 0; i < WINDOW; i++) {
            seen[i] = atomic_load(&claims->failures[from + i]);
            if (slot == WINDOW && seen[i] >> COUNT_BITS == ours >> COUNT_BITS)
                slot = i;
        }
        const int64_t now = atomic_load(&claims->header->newest);
        if (now >= challenge->expires)
            return;
        uint64_t wanted = ours | 1;
        if (slot < WINDOW) {
            if ((seen[slot] & ((1u << COUNT_BITS) - 1)) >= SEKI_CHALLENGE_FAILURES_MAX)
                return;
            wanted = seen[slot] + 1;
        } else {
            slot = 0;
            while (slot < WINDOW && !is_free(seen[slot], (unsigned)(seen[slot] >> COUNT_BITS & TAG_MASK), now))
                slot++;
            if (slot == WINDOW)
                break;
        }
        if (atomic_compare_exchange_strong(&claims->failures[from + slot], &seen[slot], wanted))
            return;
    }
    count(&claims->uncounted);
}

bool seki_claims_locked(const seki_claims *claims, const seki_challenge_fields *challenge)
{
    if (claims == NULL || atomic_load(&claims->header->failures_until) <= atomic_load(&claims->header->newest))
        return false;
    const uint64_t from = home(claims, challenge, claims->failure_slots);
    const uint64_t ours = failure_word(challenge) >> COUNT_BITS;
    uint64_t failures = 0;
    for (size_t i = 0; i < WINDOW; i++) {
        uint64_t word = atomic_load_explicit(&claims->failures[from + i], memory_order_relaxed);
        if (word >> COUNT_BITS == ours)
            failures += word & ((1u << COUNT_BITS) - 1);
    }
    return failures >= SEKI_CHALLENGE_FAILURES_MAX;
}

void seki_claims_prefetch(const seki_claims *claims, const seki_challenge_fields *challenge)
{
    if (claims == NULL)
        return;
    const uint64_t from = home(claims, challenge, claims->slots);
    for (size_t i = 0; i < WINDOW; i += SEKI_CLAIMS_LINE)
        __builtin_prefetch((const void *)&claims->words[from + i], 1);
}

seki_status seki_claims_read_statistics(const seki_claims *claims, seki_claims_statistics *out)
{
    if (claims == NULL || out == NULL)
        return SEKI_E_ARGUMENT;
    memset(out, 0, sizeof *out);
    out->capacity = claims->identity.capacity;
    out->slots = claims->slots;
    out->failure_slots = claims->failure_slots;
    out->began = atomic_load(&claims->header->began);
    out->newest = atomic_load(&claims->header->newest);
    out->skew = claims->skew;
    out->origin = claims->origin;
    out->lost = atomic_load(&claims->lost) ? 1 : 0;
    for (uint64_t i = 0; i < claims->slots; i++) {
        uint64_t word = atomic_load_explicit(&claims->words[i], memory_order_relaxed);
        out->live += !is_free(word, (unsigned)(word & TAG_MASK), out->newest);
    }
    for (uint64_t i = 0; i < out->failure_slots; i++) {
        uint64_t word = atomic_load_explicit(&claims->failures[i], memory_order_relaxed);
        if (is_free(word, (unsigned)(word >> COUNT_BITS & TAG_MASK), out->newest))
            continue;
        out->failing++;
        out->locked += (word & ((1u << COUNT_BITS) - 1)) >= SEKI_CHALLENGE_FAILURES_MAX;
    }
    out->accepted = atomic_load(&claims->accepted);
    out->repeated = atomic_load(&claims->repeated);
    out->used = atomic_load(&claims->used);
    out->full = atomic_load(&claims->full);
    out->failures = atomic_load(&claims->failed);
    out->failures_uncounted = atomic_load(&claims->uncounted);
    return SEKI_OK;
}

/* ---- helpers -------------------------------------------------------------------------------- */

static uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Never 0, which is a slot never used: the fingerprint 0 is taken for 1. */
static uint64_t claim_word(const seki_challenge_fields *challenge)
{
    uint64_t fingerprint = word_at(challenge->mac) >> 16;
    return (fingerprint == 0 ? 1 : fingerprint) << 16 | tag_of(challenge->expires);
}

/* With a count of 0. */
static uint64_t failure_word(const seki_challenge_fields *challenge)
{
    uint64_t fingerprint = word_at(challenge->mac) >> 20;
    return ((fingerprint == 0 ? 1 : fingerprint) << 16 | tag_of(challenge->expires)) << COUNT_BITS;
}

/* The first slot of the challenge's home line.  The MAC is nobody's to choose, but everybody's to see: the set's secret
 * keeps others from picking challenges that share a window. */
static uint64_t home(const seki_claims *claims, const seki_challenge_fields *challenge, uint64_t slots)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(word_at(challenge->mac + 8) ^ claims->secret[0]) * (word_at(challenge->mac + 16) ^ claims->secret[1]);
    uint64_t mixed = (uint64_t)(product >> 64) ^ (uint64_t)product, lines = (slots - SEKI_CLAIMS_WINDOW_REST) / SEKI_CLAIMS_LINE;
    return (uint64_t)((wide)mixed * lines >> 64) * SEKI_CLAIMS_LINE;
}

/* The expiry in ticks, rounded up, modulo 2^16. */
static unsigned tag_of(int64_t expires)
{
    return (unsigned)((uint64_t)(expires + (1 << TICK_SHIFT) - 1) >> TICK_SHIFT & TAG_MASK);
}

/* `newest` MUST have been loaded after `word`: lemma 1. */
static bool is_free(uint64_t word, unsigned tag, int64_t newest)
{
    unsigned ahead = (tag - (unsigned)((uint64_t)newest >> TICK_SHIFT)) & (unsigned)TAG_MASK;
    return word == 0 || ahead == 0 || ahead > TICKS_LIVE;
}

static void raise_to(_Atomic int64_t *time, int64_t value)
{
    int64_t seen = atomic_load(time);
    while (seen < value && !atomic_compare_exchange_weak(time, &seen, value))
        continue;
}

/* The challenge is claimed already: by this very request?  Its life is looked at last, when the request's word is known. */
static seki_reason claim_again(seki_claims *claims, const seki_challenge_fields *challenge, size_t slot, uint64_t request, bool *repeated)
{
    if (request == 0 || atomic_load(&claims->requests[slot]) != request) {
        count(&claims->used);
        return SEKI_CHALLENGE_USED;
    }
    if (atomic_load(&claims->header->newest) >= challenge->expires)
        return SEKI_CHALLENGE_EXPIRED;
    count(&claims->repeated);
    *repeated = true;
    return SEKI_ACCEPTED;
}

static inline void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}
