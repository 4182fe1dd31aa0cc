/* valkey.c: see valkey.h.
 *
 * A pipeline is one transaction (MULTI ... EXEC), so that one server executes it whole, and what it says of itself is true of the claims:
 *
 *     ECHO nonce                                the answer is to this question
 *     INFO server, replication, memory          who it is: run id, replication id, a primary, one that evicts nothing
 *     TIME                                      its clock and ours agree
 *     GET epoch                                 since when it has forgotten nothing
 *     SET claim request NX PX life              for each claim; OK once
 *     GET claim                                 for each with a request id: whose it is
 *
 * The epoch is a key: "1 RUN-ID REPLICATION-ID SINCE".  A server that was restarted has another run id, one that was promoted or has
 * taken over another's data another replication id; one that was emptied has no epoch.  Whoever finds an epoch that is not the server's
 * own writes a new one (WATCH: the first wins), SINCE being the server's time and `hold` seconds more.  Challenges issued up to then
 * (and the clocks' tolerance) are refused: their claims may be among what was lost.
 *
 * No challenge is accepted twice (X, by A and then B, each of whom heard OK, at servers S and T):
 *   - S is T and has kept its data: SET NX says OK once while the key lives.  A's key lives until X's expiry by A's clock, less the
 *     tolerance between it and S's, and PX adds twice the tolerance and a second; B refuses when S's time is the tolerance past X's expiry.
 *   - S has lost data since, or T is another server: T's epoch, in B's transaction, began after A's was executed or A's link was at most
 *     SEKI_VALKEY_LINK_LIFE and a time-out old, and so the address led to S within `hold` before SINCE; either way X was issued up to
 *     SINCE, and B refuses it.  This wants the address to lead everybody to T that much before SINCE (docs/SECURITY.md). */
#include "valkey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "digest.h"
#include "fork_lock.h"

#define EPOCH "sekisho:epoch"
#define CLAIM "sekisho:claim:"

enum {
    EPOCH_SIZE = 2 + 2 * (SEKI_VALKEY_ID_SIZE + 1) + 20, /* with the longest number */
    HEAD = 6,                                            /* commands before the claims */
    RESERVE = 1                                          /* seconds; both numbers that PX comes from are cut to whole ones */
};
#define MILLION UINT64_C(1000000)

struct seki_valkey {
    char *path, *host, *password;
    uint16_t port;
    uint64_t timeout; /* ns */
    int64_t tolerance, hold;
    _Atomic int32_t lock; /* fork_lock.h; of the two below */
    seki_link *idle;
    pid_t pid; /* whose they are */
    _Atomic uint64_t retry_at; /* ns; before it nobody asks */
    _Atomic uint32_t trouble;
    _Atomic int64_t since, answered;
    _Atomic uint64_t pipelines, accepted, repeated, used, lost, expired, unavailable, changes;
};

static inline void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static seki_span span_of(const char *text)
{
    return (seki_span){(const uint8_t *)text, strlen(text)};
}

/* ---- names ---------------------------------------------------------------------------------------- */

static void hexadecimal(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

static void digest_name(const seki_span *parts, size_t count, char out[SEKI_VALKEY_NAME_SIZE])
{
    uint8_t digest[SEKI_SHA256_SIZE];
    seki_sha256_parts(parts, count, digest);
    hexadecimal(digest, SEKI_VALKEY_NAME_SIZE / 2, out);
}

void seki_shared_claim_name(seki_shared_claim *claim, const seki_challenge_fields *challenge)
{
    static const char label[] = "sekisho shared claim 1";
    const uint8_t tenant[4] = {(uint8_t)(challenge->tenant >> 24), (uint8_t)(challenge->tenant >> 16), (uint8_t)(challenge->tenant >> 8),
                               (uint8_t)challenge->tenant};
    seki_span parts[] = {{(const uint8_t *)label, sizeof label},
                         {tenant, sizeof tenant},
                         {challenge->random, sizeof challenge->random},
                         {challenge->mac, sizeof challenge->mac}};
    digest_name(parts, sizeof parts / sizeof parts[0], claim->name);
    claim->issued = challenge->issued;
    claim->expires = challenge->expires;
}

void seki_shared_claim_request(seki_shared_claim *claim, const seki_span *parts, size_t count)
{
    claim->has_request = true;
    digest_name(parts, count, claim->request);
}

/* ---- saying --------------------------------------------------------------------------------------- */

static bool say_words(seki_link *link, const char *const *words, size_t count)
{
    seki_span parts[8];
    for (size_t i = 0; i < count; i++)
        parts[i] = span_of(words[i]);
    return seki_link_say(link, parts, count);
}
#define SAY(link, ...) say_words((link), (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static bool say_claim(seki_link *link, const seki_valkey_terms *terms, const seki_shared_claim *claim)
{
    char key[sizeof CLAIM + SEKI_VALKEY_NAME_SIZE], value[SEKI_VALKEY_NAME_SIZE + 1] = "-", life[24];
    (void)snprintf(key, sizeof key, "%s%.*s", CLAIM, SEKI_VALKEY_NAME_SIZE, claim->name);
    if (claim->has_request)
        (void)snprintf(value, sizeof value, "%.*s", SEKI_VALKEY_NAME_SIZE, claim->request);
    int64_t left = claim->expires > terms->before ? claim->expires - terms->before : 0; /* a lifetime at most: the challenge was checked */
    (void)snprintf(life, sizeof life, "%lld", (long long)(left + 2 * terms->tolerance + RESERVE) * 1000);
    return SAY(link, "SET", key, value, "NX", "PX", life) && (!claim->has_request || SAY(link, "GET", key));
}

static bool say_all(seki_link *link, const seki_valkey_terms *terms, const seki_shared_claim *claims, size_t count)
{
    char nonce[SEKI_VALKEY_NAME_SIZE + 1];
    (void)snprintf(nonce, sizeof nonce, "%.*s", SEKI_VALKEY_NAME_SIZE, terms->nonce);
    seki_link_begin(link);
    bool fits = SAY(link, "MULTI") && SAY(link, "ECHO", nonce) && SAY(link, "INFO", "server") && SAY(link, "INFO", "replication")
                && SAY(link, "INFO", "memory") && SAY(link, "TIME") && SAY(link, "GET", EPOCH);
    for (size_t i = 0; fits && i < count; i++)
        fits = say_claim(link, terms, &claims[i]);
    return fits && SAY(link, "EXEC");
}

/* ---- hearing -------------------------------------------------------------------------------------- */

static seki_valkey_trouble hear(seki_link *link, uint64_t deadline, seki_resp_kind kind, seki_resp_item *out)
{
    seki_valkey_trouble trouble = seki_link_hear(link, deadline, out);
    return trouble != SEKI_VALKEY_FINE || out->kind == kind ? trouble : SEKI_VALKEY_BROKEN;
}

static seki_valkey_trouble hear_status(seki_link *link, uint64_t deadline, const char *text)
{
    seki_resp_item item;
    seki_valkey_trouble trouble = hear(link, deadline, SEKI_RESP_STATUS, &item);
    return trouble != SEKI_VALKEY_FINE || seki_resp_is(&item, SEKI_RESP_STATUS, text) ? trouble : SEKI_VALKEY_BROKEN;
}

/* What an INFO says of a field, "name:" at the beginning of a line; empty: nothing. */
static seki_span field_of(seki_span info, const char *name)
{
    size_t length = strlen(name);
    for (const uint8_t *at = info.data, *end = info.data + info.length; at < end;) {
        const uint8_t *stop = memchr(at, '\r', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        if ((size_t)(stop - at) > length && memcmp(at, name, length) == 0)
            return (seki_span){at + length, (size_t)(stop - at) - length};
        at = stop;
        while (at < end && (*at == '\r' || *at == '\n'))
            at++;
    }
    return (seki_span){info.data, 0};
}

static bool id_of(seki_span text, char out[SEKI_VALKEY_ID_SIZE])
{
    if (text.length != SEKI_VALKEY_ID_SIZE)
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (!((text.data[i] >= '0' && text.data[i] <= '9') || (text.data[i] >= 'a' && text.data[i] <= 'f')))
            return false;
    memcpy(out, text.data, text.length);
    return true;
}

static bool seconds_of(seki_span text, int64_t *out)
{
    if (text.length == 0 || text.length > 13 /* digits of SEKI_TIME_MAX */)
        return false;
    *out = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *out = *out * 10 + (text.data[i] - '0');
    }
    return *out <= SEKI_TIME_MAX;
}

/* The two INFOs and TIME, as they come. */
static seki_valkey_trouble hear_identity(seki_link *link, uint64_t deadline, seki_valkey_state *state)
{
    seki_resp_item item;
    seki_valkey_trouble trouble = hear(link, deadline, SEKI_RESP_BULK, &item);
    if (trouble == SEKI_VALKEY_FINE && !id_of(field_of(item.text, "run_id:"), state->identity.run))
        return SEKI_VALKEY_BROKEN;
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear(link, deadline, SEKI_RESP_BULK, &item);
    if (trouble == SEKI_VALKEY_FINE && !seki_span_equal(field_of(item.text, "role:"), span_of("master")))
        return SEKI_VALKEY_NOT_PRIMARY;
    if (trouble == SEKI_VALKEY_FINE && !id_of(field_of(item.text, "master_replid:"), state->identity.replication))
        return SEKI_VALKEY_BROKEN;
    return trouble;
}

static seki_valkey_trouble hear_time(seki_link *link, uint64_t deadline, int64_t *out)
{
    seki_resp_item item;
    seki_valkey_trouble trouble = hear(link, deadline, SEKI_RESP_ARRAY, &item);
    if (trouble == SEKI_VALKEY_FINE && item.number != 2)
        return SEKI_VALKEY_BROKEN;
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear(link, deadline, SEKI_RESP_BULK, &item);
    if (trouble == SEKI_VALKEY_FINE && !seconds_of(item.text, out))
        return SEKI_VALKEY_BROKEN;
    return trouble != SEKI_VALKEY_FINE ? trouble : hear(link, deadline, SEKI_RESP_BULK, &item);
}

/* The epoch; what is not one counts as none. */
static seki_valkey_trouble hear_epoch(seki_link *link, uint64_t deadline, seki_valkey_state *state)
{
    enum { RUN = 2, REPLICATION = RUN + SEKI_VALKEY_ID_SIZE + 1, SINCE = REPLICATION + SEKI_VALKEY_ID_SIZE + 1 };
    seki_resp_item item;
    seki_valkey_trouble trouble = seki_link_hear(link, deadline, &item);
    state->whole = false;
    if (trouble != SEKI_VALKEY_FINE || item.kind == SEKI_RESP_NIL)
        return trouble;
    if (item.kind != SEKI_RESP_BULK)
        return SEKI_VALKEY_BROKEN;
    const uint8_t *text = item.text.data;
    if (item.text.length > SINCE && memcmp(text, "1 ", 2) == 0 && text[REPLICATION - 1] == ' ' && text[SINCE - 1] == ' ')
        state->whole = memcmp(text + RUN, state->identity.run, SEKI_VALKEY_ID_SIZE) == 0
                       && memcmp(text + REPLICATION, state->identity.replication, SEKI_VALKEY_ID_SIZE) == 0
                       && seconds_of((seki_span){text + SINCE, item.text.length - SINCE}, &state->since);
    return SEKI_VALKEY_FINE;
}

/* Whether its clock, read between two readings of ours, agrees with ours. */
static bool clocks_agree(const seki_valkey_terms *terms, int64_t theirs, int64_t now)
{
    return theirs >= terms->before - terms->tolerance && theirs <= now + terms->tolerance;
}

/* What was said to one claim, whatever becomes of it. */
static seki_valkey_trouble hear_claim(seki_link *link, uint64_t deadline, seki_shared_claim *claim)
{
    seki_resp_item item;
    seki_valkey_trouble trouble = seki_link_hear(link, deadline, &item);
    if (trouble != SEKI_VALKEY_FINE)
        return trouble;
    bool set = seki_resp_is(&item, SEKI_RESP_STATUS, "OK");
    if (!set && item.kind != SEKI_RESP_NIL)
        return SEKI_VALKEY_BROKEN;
    bool own = false;
    if (claim->has_request) {
        trouble = seki_link_hear(link, deadline, &item);
        if (trouble != SEKI_VALKEY_FINE)
            return trouble;
        own = item.kind == SEKI_RESP_BULK && seki_span_equal(item.text, (seki_span){(const uint8_t *)claim->request, SEKI_VALKEY_NAME_SIZE});
        if (set && !own) /* it does not hold what it has just taken */
            return SEKI_VALKEY_BROKEN;
    }
    claim->repeated = claim->repeated || (own && !set);
    claim->reason = (uint16_t)(set || own ? SEKI_ACCEPTED : SEKI_CHALLENGE_USED);
    return SEKI_VALKEY_FINE;
}

/* What the server has decided stands only for a challenge whose claims it cannot have lost. */
static void settle(const seki_valkey_terms *terms, const seki_valkey_state *state, seki_shared_claim *claim)
{
    if (!state->whole || claim->issued <= state->since + terms->tolerance)
        claim->reason = (uint16_t)SEKI_CLAIMS_LOST;
    else if (state->time - terms->tolerance >= claim->expires)
        claim->reason = (uint16_t)SEKI_CHALLENGE_EXPIRED;
    if (claim->reason != SEKI_ACCEPTED)
        claim->repeated = false;
}

static seki_valkey_trouble hear_all(seki_link *link, const seki_valkey_terms *terms, seki_shared_claim *claims, size_t count,
                                    seki_valkey_state *state)
{
    const uint64_t deadline = terms->deadline;
    size_t commands = HEAD + count;
    seki_resp_item item;
    for (size_t i = 0; i < count; i++)
        commands += claims[i].has_request ? 1 : 0;

    seki_valkey_trouble trouble = hear_status(link, deadline, "OK");
    for (size_t i = 0; i < commands && trouble == SEKI_VALKEY_FINE; i++)
        trouble = hear_status(link, deadline, "QUEUED");
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear(link, deadline, SEKI_RESP_ARRAY, &item);
    if (trouble == SEKI_VALKEY_FINE && (size_t)item.number != commands)
        return SEKI_VALKEY_BROKEN;
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear(link, deadline, SEKI_RESP_BULK, &item);
    if (trouble == SEKI_VALKEY_FINE && !seki_span_equal(item.text, (seki_span){(const uint8_t *)terms->nonce, SEKI_VALKEY_NAME_SIZE}))
        return SEKI_VALKEY_BROKEN;
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear_identity(link, deadline, state);
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear(link, deadline, SEKI_RESP_BULK, &item);
    if (trouble == SEKI_VALKEY_FINE && !seki_span_equal(field_of(item.text, "maxmemory_policy:"), span_of("noeviction")))
        return SEKI_VALKEY_EVICTS;
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear_time(link, deadline, &state->time);
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear_epoch(link, deadline, state);
    for (size_t i = 0; i < count && trouble == SEKI_VALKEY_FINE; i++)
        trouble = hear_claim(link, deadline, &claims[i]);
    if (trouble == SEKI_VALKEY_FINE && link->in_at != link->in_length)
        return SEKI_VALKEY_BROKEN; /* more than was asked for */
    return trouble;
}

seki_valkey_trouble seki_valkey_read(seki_link *link, const seki_valkey_terms *terms, seki_shared_claim *claims, size_t count,
                                     seki_valkey_state *state)
{
    memset(state, 0, sizeof *state);
    seki_valkey_trouble trouble = hear_all(link, terms, claims, count, state);
    if (trouble == SEKI_VALKEY_FINE && !clocks_agree(terms, state->time, (int64_t)time(NULL)))
        trouble = SEKI_VALKEY_CLOCK;
    if (trouble == SEKI_VALKEY_FINE && seki_link_now() > terms->link_until)
        trouble = SEKI_VALKEY_SLOW; /* this process was stopped, or the machine slept */
    for (size_t i = 0; i < count; i++) {
        if (trouble == SEKI_VALKEY_FINE) {
            settle(terms, state, &claims[i]);
        } else {
            claims[i].reason = (uint16_t)SEKI_CLAIMS_UNAVAILABLE;
            claims[i].repeated = false;
        }
    }
    return trouble;
}

/* ---- the epoch ------------------------------------------------------------------------------------ */

static seki_valkey_trouble hear_watched(seki_link *link, uint64_t deadline, seki_valkey_state *state)
{
    seki_resp_item item;
    seki_valkey_trouble trouble = hear_status(link, deadline, "OK");
    size_t epoch_at = 0, after;
    if (trouble == SEKI_VALKEY_FINE) { /* it comes first, and is compared with what comes after */
        epoch_at = link->in_at;
        trouble = seki_link_hear(link, deadline, &item);
    }
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear_identity(link, deadline, state);
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear_time(link, deadline, &state->time);
    if (trouble != SEKI_VALKEY_FINE)
        return trouble;
    after = link->in_at;
    link->in_at = epoch_at;
    trouble = hear_epoch(link, deadline, state);
    link->in_at = after;
    return trouble;
}

/* Begins an epoch unless there is one of this server by now: of several who try, one does. */
static seki_valkey_trouble begin_epoch(seki_valkey *valkey, seki_link *link, uint64_t deadline)
{
    char epoch[EPOCH_SIZE + 1];
    seki_valkey_state state = {0};
    seki_resp_item item;
    seki_link_begin(link);
    if (!SAY(link, "WATCH", EPOCH) || !SAY(link, "GET", EPOCH) || !SAY(link, "INFO", "server") || !SAY(link, "INFO", "replication")
        || !SAY(link, "TIME"))
        return SEKI_VALKEY_BROKEN;
    seki_valkey_trouble trouble = hear_watched(link, deadline, &state);
    if (trouble != SEKI_VALKEY_FINE)
        return trouble;
    seki_link_begin(link);
    if (state.whole) {
        if (!SAY(link, "UNWATCH"))
            return SEKI_VALKEY_BROKEN;
        return hear_status(link, deadline, "OK");
    }
    (void)snprintf(epoch, sizeof epoch, "1 %.*s %.*s %lld", SEKI_VALKEY_ID_SIZE, state.identity.run, SEKI_VALKEY_ID_SIZE,
                   state.identity.replication, (long long)(state.time + valkey->hold));
    if (!SAY(link, "MULTI") || !SAY(link, "SET", EPOCH, epoch) || !SAY(link, "EXEC"))
        return SEKI_VALKEY_BROKEN;
    trouble = hear_status(link, deadline, "OK");
    if (trouble == SEKI_VALKEY_FINE)
        trouble = hear_status(link, deadline, "QUEUED");
    if (trouble == SEKI_VALKEY_FINE)
        trouble = seki_link_hear(link, deadline, &item);
    if (trouble != SEKI_VALKEY_FINE || item.kind == SEKI_RESP_NIL) /* another was first */
        return trouble;
    if (item.kind != SEKI_RESP_ARRAY || item.number != 1)
        return SEKI_VALKEY_BROKEN;
    trouble = hear_status(link, deadline, "OK");
    if (trouble == SEKI_VALKEY_FINE) {
        count(&valkey->changes);
        atomic_store(&valkey->since, state.time + valkey->hold);
    }
    return trouble;
}

/* ---- links ---------------------------------------------------------------------------------------- */

/* A child of fork() leaves its parent's links alone: two who speak over one would hear each other's answers. */
static seki_link *take_idle(seki_valkey *valkey)
{
    bool half_done = seki_fork_lock(&valkey->lock);
    seki_link *theirs = NULL;
    if (half_done || valkey->pid != getpid()) {
        theirs = half_done ? NULL : valkey->idle;
        valkey->idle = NULL;
        valkey->pid = getpid();
    }
    seki_link *found = valkey->idle;
    if (found != NULL)
        valkey->idle = found->next;
    seki_fork_unlock(&valkey->lock);
    while (theirs != NULL) {
        seki_link *next = theirs->next;
        seki_link_close(theirs);
        theirs = next;
    }
    return found;
}

static void give_back(seki_valkey *valkey, seki_link *link)
{
    (void)seki_fork_lock(&valkey->lock);
    link->next = valkey->idle;
    valkey->idle = link;
    seki_fork_unlock(&valkey->lock);
}

static seki_valkey_trouble log_in(const seki_valkey *valkey, seki_link *link, uint64_t deadline)
{
    if (valkey->password == NULL)
        return SEKI_VALKEY_FINE;
    seki_link_begin(link);
    if (!SAY(link, "AUTH", valkey->password))
        return SEKI_VALKEY_BROKEN;
    seki_valkey_trouble trouble = hear_status(link, deadline, "OK");
    explicit_bzero(link->out, link->out_length);
    return trouble;
}

static seki_link *take_link(seki_valkey *valkey, uint64_t deadline, seki_valkey_trouble *why)
{
    const uint64_t now = seki_link_now();
    for (seki_link *idle = take_idle(valkey); idle != NULL; idle = take_idle(valkey)) {
        if (now - idle->born < SEKI_VALKEY_LINK_LIFE * 1000 * MILLION && seki_link_quiet(idle))
            return idle;
        seki_link_close(idle);
    }
    seki_link *link = seki_link_open(valkey->path, valkey->host, valkey->port, deadline, why);
    if (link == NULL)
        return NULL;
    *why = log_in(valkey, link, deadline);
    if (*why == SEKI_VALKEY_FINE)
        return link;
    seki_link_close(link);
    return NULL;
}

/* ---- claiming ------------------------------------------------------------------------------------- */

static bool draw_nonce(char out[SEKI_VALKEY_NAME_SIZE])
{
    uint8_t drawn[SEKI_VALKEY_NAME_SIZE / 2];
    if (getrandom(drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn)
        return false;
    hexadecimal(drawn, sizeof drawn, out);
    return true;
}

static seki_valkey_trouble ask(seki_valkey *valkey, seki_link *link, uint64_t deadline, seki_shared_claim *claims, size_t rows)
{
    seki_valkey_state state;
    seki_valkey_terms terms = {.tolerance = valkey->tolerance,
                               .before = (int64_t)time(NULL),
                               .link_until = link->born + SEKI_VALKEY_LINK_LIFE * 1000 * MILLION + valkey->timeout,
                               .deadline = deadline};
    if (!draw_nonce(terms.nonce) || !say_all(link, &terms, claims, rows))
        return SEKI_VALKEY_BROKEN;
    seki_valkey_trouble trouble = seki_valkey_read(link, &terms, claims, rows, &state);
    if (trouble != SEKI_VALKEY_FINE)
        return trouble;
    if (!state.whole)
        return begin_epoch(valkey, link, deadline);
    atomic_store(&valkey->since, state.since);
    atomic_store(&valkey->answered, state.time);
    return SEKI_VALKEY_FINE;
}

static seki_valkey_trouble claim_some(seki_valkey *valkey, seki_shared_claim *claims, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        claims[i].reason = (uint16_t)SEKI_CLAIMS_UNAVAILABLE;
    uint64_t now = seki_link_now();
    if (now < atomic_load(&valkey->retry_at)) {
        for (size_t i = 0; i < rows; i++)
            claims[i].repeated = false;
        return (seki_valkey_trouble)atomic_load(&valkey->trouble);
    }
    seki_valkey_trouble trouble = SEKI_VALKEY_FINE;
    seki_link *link = take_link(valkey, now + valkey->timeout, &trouble);
    if (link == NULL) {
        for (size_t i = 0; i < rows; i++)
            claims[i].repeated = false;
    } else {
        count(&valkey->pipelines);
        trouble = ask(valkey, link, now + valkey->timeout, claims, rows);
        if (trouble == SEKI_VALKEY_FINE)
            give_back(valkey, link);
        else
            seki_link_close(link);
    }
    if (trouble != SEKI_VALKEY_FINE)
        atomic_store(&valkey->retry_at, seki_link_now() + SEKI_VALKEY_RETRY_MS * MILLION);
    atomic_store(&valkey->trouble, (uint32_t)trouble);
    return trouble;
}

void seki_valkey_claim(seki_valkey *valkey, seki_shared_claim *claims, size_t rows)
{
    for (size_t from = 0; from < rows; from += SEKI_VALKEY_CLAIMS_MAX)
        (void)claim_some(valkey, claims + from, rows - from < SEKI_VALKEY_CLAIMS_MAX ? rows - from : SEKI_VALKEY_CLAIMS_MAX);
    for (size_t i = 0; i < rows; i++) {
        switch (claims[i].reason) {
        case SEKI_ACCEPTED: count(claims[i].repeated ? &valkey->repeated : &valkey->accepted); break;
        case SEKI_CHALLENGE_USED: count(&valkey->used); break;
        case SEKI_CLAIMS_LOST: count(&valkey->lost); break;
        case SEKI_CHALLENGE_EXPIRED: count(&valkey->expired); break;
        default: count(&valkey->unavailable); break;
        }
    }
}

/* ---- its life ------------------------------------------------------------------------------------- */

static bool copied(char **to, const char *from)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

seki_status seki_valkey_new(const seki_valkey_options *options, seki_valkey **out)
{
    if (options == NULL || out == NULL || (options->path == NULL) == (options->host == NULL)
        || (options->host != NULL && (!seki_link_loopback(options->host) || options->port == 0 || options->port > 65535))
        || options->timeout_ms == 0 || options->timeout_ms > SEKI_VALKEY_TIMEOUT_MAX || options->skew < 0
        || options->skew > SEKI_CHALLENGE_SKEW_MAX || options->hold < 0 || options->hold > SEKI_VALKEY_HOLD_MAX)
        return SEKI_E_ARGUMENT;
    seki_valkey *valkey = calloc(1, sizeof *valkey);
    if (valkey == NULL)
        return SEKI_E_MEMORY;
    if (!copied(&valkey->path, options->path) || !copied(&valkey->host, options->host) || !copied(&valkey->password, options->password)) {
        seki_valkey_free(valkey);
        return SEKI_E_MEMORY;
    }
    valkey->port = (uint16_t)options->port;
    valkey->timeout = options->timeout_ms * MILLION;
    valkey->tolerance = options->skew + SEKI_VALKEY_CLOCK_SLACK;
    valkey->hold = options->hold;
    valkey->pid = getpid();
    atomic_init(&valkey->trouble, SEKI_VALKEY_NOT_ASKED);
    *out = valkey;
    return SEKI_OK;
}

void seki_valkey_free(seki_valkey *valkey)
{
    if (valkey == NULL)
        return;
    for (seki_link *link = take_idle(valkey); link != NULL; link = take_idle(valkey))
        seki_link_close(link);
    if (valkey->password != NULL)
        explicit_bzero(valkey->password, strlen(valkey->password));
    free(valkey->path);
    free(valkey->host);
    free(valkey->password);
    free(valkey);
}

seki_status seki_valkey_look(seki_valkey *valkey, uint32_t *trouble)
{
    if (valkey == NULL || trouble == NULL)
        return SEKI_E_ARGUMENT;
    *trouble = (uint32_t)claim_some(valkey, NULL, 0);
    return SEKI_OK;
}

seki_status seki_valkey_read_statistics(const seki_valkey *valkey, seki_valkey_statistics *out)
{
    if (valkey == NULL || out == NULL)
        return SEKI_E_ARGUMENT;
    *out = (seki_valkey_statistics){.trouble = atomic_load(&valkey->trouble),
                                    .since = atomic_load(&valkey->since),
                                    .answered = atomic_load(&valkey->answered),
                                    .pipelines = atomic_load(&valkey->pipelines),
                                    .accepted = atomic_load(&valkey->accepted),
                                    .repeated = atomic_load(&valkey->repeated),
                                    .used = atomic_load(&valkey->used),
                                    .lost = atomic_load(&valkey->lost),
                                    .expired = atomic_load(&valkey->expired),
                                    .unavailable = atomic_load(&valkey->unavailable),
                                    .changes = atomic_load(&valkey->changes)};
    return SEKI_OK;
}
