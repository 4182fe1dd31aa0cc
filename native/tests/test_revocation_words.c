/* test_revocation_words.c: what a CRL's answer and up to three OCSP statements come to, every combination of them in every order,
 * against the rule as sentences (docs/SECURITY.md, "OCSP"); and statements of a wrong form.
 *
 * Exit status 0 if everything held. */
#include <stdio.h>

#include "../src/revocation_words.h"

enum { AT = 1000, AGE = 100, GRACE = 7, SKEW = 5, WORDS = 4, HOLD = SEKI_CERTIFICATE_HOLD, FINAL = 1 };

static unsigned failures;

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    if (failures++ < 20)
        fprintf(stderr, "not so: %s\n", what);
}

static const seki_revocation_limits LIMITS = {.age_max = AGE, .grace = GRACE, .skew = SKEW};
static const uint8_t KEY[32] = {1, 2, 3}, OTHER_KEY[32] = {1, 2, 4}, SERIAL[3] = {9, 8, 7};

static seki_revocation_question question(void)
{
    return (seki_revocation_question){.signer = KEY, .serial = {SERIAL, sizeof SERIAL}, .at = AT};
}

static seki_ocsp_statement statement(uint8_t status, uint8_t reason, int64_t this_update, int64_t next_update)
{
    seki_ocsp_statement one = {.status = status,
                               .reason = reason,
                               .serial_length = sizeof SERIAL,
                               .this_update = this_update,
                               .next_update = next_update,
                               .revoked_at = status == SEKI_OCSP_REVOKED ? this_update - 1 : INT64_MIN};
    memcpy(one.issuer, KEY, sizeof KEY);
    memcpy(one.serial, SERIAL, sizeof SERIAL);
    one.doubts = seki_kernels_doubts();
    return one;
}

/* ---- every combination ------------------------------------------------------------------------------ */

/* A word, as the rule sees it. */
typedef struct {
    uint8_t state;  /* seki_revocation_state; UNASKED: silence */
    uint8_t reason; /* where REVOKED */
    int64_t when;
} word;

static const word CRL_WORDS[] = {{SEKI_REVOCATION_UNASKED, 0, 0},        {SEKI_REVOCATION_GOOD, 0, 950},
                                 {SEKI_REVOCATION_GOOD, 0, 970},         {SEKI_REVOCATION_REVOKED, FINAL, 960},
                                 {SEKI_REVOCATION_REVOKED, HOLD, 960},   {SEKI_REVOCATION_REVOKED, HOLD, 970},
                                 {SEKI_REVOCATION_IS_UNKNOWN, 0, 0},     {SEKI_REVOCATION_IS_STALE, 0, 0},
                                 {SEKI_REVOCATION_IS_LATER, 0, 0},       {SEKI_REVOCATION_IS_DAMAGED, 0, 0}};
enum { CRL_KINDS = sizeof CRL_WORDS / sizeof CRL_WORDS[0] };

/* Statements, and what the rule makes of each by itself. */
typedef struct {
    seki_ocsp_statement statement;
    word is;
} spoken;

enum { OCSP_KINDS = 17 };

static void statements(spoken out[OCSP_KINDS])
{
    const int64_t until = AT + 50;
    size_t i = 0;
    out[i++] = (spoken){{0}, {SEKI_REVOCATION_UNASKED, 0, 0}};
    out[i++] = (spoken){statement(SEKI_OCSP_GOOD, 0, 960, until), {SEKI_REVOCATION_GOOD, 0, 960}};
    out[i++] = (spoken){statement(SEKI_OCSP_GOOD, 0, 980, until), {SEKI_REVOCATION_GOOD, 0, 980}};
    out[i++] = (spoken){statement(SEKI_OCSP_GOOD, 0, AT + SKEW, INT64_MIN), {SEKI_REVOCATION_GOOD, 0, AT + SKEW}};
    out[i++] = (spoken){statement(SEKI_OCSP_GOOD, 0, AT + SKEW + 1, until), {SEKI_REVOCATION_IS_LATER, 0, 0}};
    out[i++] = (spoken){statement(SEKI_OCSP_GOOD, 0, AT - AGE - 1, until), {SEKI_REVOCATION_IS_STALE, 0, 0}};
    out[i++] = (spoken){statement(SEKI_OCSP_GOOD, 0, 980, AT - GRACE - 1), {SEKI_REVOCATION_IS_STALE, 0, 0}};
    out[i++] = (spoken){statement(SEKI_OCSP_UNKNOWN, 0, 980, until), {SEKI_REVOCATION_IS_UNKNOWN, 0, 0}};
    out[i++] = (spoken){statement(SEKI_OCSP_REVOKED, FINAL, 100, 200), {SEKI_REVOCATION_REVOKED, FINAL, 100}};
    out[i++] = (spoken){statement(SEKI_OCSP_REVOKED, HOLD, 960, 970), {SEKI_REVOCATION_REVOKED, HOLD, 960}};
    out[i++] = (spoken){statement(SEKI_OCSP_REVOKED, HOLD, 970, until), {SEKI_REVOCATION_REVOKED, HOLD, 970}};
    out[i] = (spoken){statement(SEKI_OCSP_REVOKED, FINAL, AT + 10 * AGE, INT64_MIN), {SEKI_REVOCATION_IS_LATER, 0, 0}};
    out[i++].statement.revoked_at = AT + 1; /* what is to come */
    out[i] = (spoken){statement(SEKI_OCSP_REVOKED, HOLD, AT + SKEW + 1, until), {SEKI_REVOCATION_REVOKED, HOLD, AT + SKEW + 1}};
    out[i++].statement.revoked_at = AT; /* said later, of what was so by then */
    /* Verified before a kernel was found to accept wrongly. */
    out[i] = (spoken){statement(SEKI_OCSP_GOOD, 0, 985, until), {SEKI_REVOCATION_IS_UNKNOWN, 0, 0}};
    out[i++].statement.doubts ^= 1;
    out[i] = (spoken){statement(SEKI_OCSP_REVOKED, HOLD, 975, until), {SEKI_REVOCATION_REVOKED, HOLD, 975}};
    out[i++].statement.doubts ^= 1;
    out[i] = (spoken){statement(SEKI_OCSP_REVOKED, FINAL, 960, until), {SEKI_REVOCATION_UNASKED, 0, 0}};
    memcpy(out[i++].statement.issuer, OTHER_KEY, sizeof OTHER_KEY);
    out[i] = (spoken){statement(SEKI_OCSP_GOOD, 0, 990, until), {SEKI_REVOCATION_UNASKED, 0, 0}};
    out[i++].statement.serial_length = 2; /* a prefix of the serial */
}

/* The rule, sentence by sentence. */
static word rule(const word *words)
{
    static const uint8_t others[] = {SEKI_REVOCATION_IS_STALE, SEKI_REVOCATION_IS_LATER, SEKI_REVOCATION_IS_UNKNOWN};
    for (size_t i = 0; i < WORDS; i++)
        if (words[i].state == SEKI_REVOCATION_REVOKED && words[i].reason != HOLD)
            return words[i];
    for (size_t i = 0; i < WORDS; i++) {
        bool lifted = false;
        for (size_t j = 0; j < WORDS; j++)
            lifted = lifted || (words[j].state == SEKI_REVOCATION_GOOD && words[j].when > words[i].when);
        if (words[i].state == SEKI_REVOCATION_REVOKED && !lifted)
            return words[i];
    }
    word oldest = {SEKI_REVOCATION_UNASKED, 0, INT64_MAX};
    for (size_t i = 0; i < WORDS; i++) {
        if (words[i].state == SEKI_REVOCATION_IS_DAMAGED)
            return words[i];
        if (words[i].state == SEKI_REVOCATION_GOOD && words[i].when < oldest.when)
            oldest = words[i];
    }
    if (oldest.state == SEKI_REVOCATION_GOOD)
        return oldest;
    for (size_t kind = 0; kind < sizeof others; kind++)
        for (size_t i = 0; i < WORDS; i++)
            if (words[i].state == others[kind])
                return words[i];
    return oldest;
}

/* Who said what came out. */
static uint8_t by(const word *words, const word *outcome)
{
    uint8_t found = 0;
    for (size_t i = 0; i < WORDS; i++)
        if (words[i].state == outcome->state && (words[i].reason == HOLD) == (outcome->reason == HOLD)
            && (outcome->state == SEKI_REVOCATION_GOOD || outcome->state == SEKI_REVOCATION_REVOKED))
            found |= i == 0 ? SEKI_BY_CRL : SEKI_BY_OCSP;
    return found;
}

static void try_all(void)
{
    spoken kinds[OCSP_KINDS];
    statements(kinds);
    const seki_revocation_question asked = question();
    unsigned good = 0, revoked = 0;
    for (size_t n = 0; n < CRL_KINDS * OCSP_KINDS * OCSP_KINDS * OCSP_KINDS; n++) {
        size_t at[WORDS] = {n % CRL_KINDS, n / CRL_KINDS % OCSP_KINDS, n / CRL_KINDS / OCSP_KINDS % OCSP_KINDS,
                            n / CRL_KINDS / OCSP_KINDS / OCSP_KINDS};
        word words[WORDS] = {CRL_WORDS[at[0]], kinds[at[1]].is, kinds[at[2]].is, kinds[at[3]].is};
        seki_revocation_answer crl = {.state = words[0].state,
                                      .reason = words[0].reason,
                                      .by = SEKI_BY_CRL,
                                      .this_update = words[0].state == SEKI_REVOCATION_GOOD || words[0].state == SEKI_REVOCATION_REVOKED
                                                         ? words[0].when
                                                         : INT64_MAX};
        seki_revocation_words said = {0};
        for (size_t i = 0; i < WORDS; i++) /* the CRLs first, last, or in between */
            if (i == n % WORDS)
                seki_words_by_crl(&said, &crl);
            else
                seki_words_by_ocsp(&said, &kinds[at[i == 0 ? n % WORDS : i]].statement, &asked, &LIMITS);
        seki_revocation_answer answer = seki_words_conclude(&said);
        word expected = rule(words);
        require(answer.state == expected.state, "the rule's state");
        require((answer.reason == HOLD) == (expected.reason == HOLD), "the rule's reason");
        require(answer.by == by(words, &expected), "who said so");
        if (expected.state == SEKI_REVOCATION_GOOD)
            require(answer.this_update == expected.when, "the oldest that is good");
        good += expected.state == SEKI_REVOCATION_GOOD;
        revoked += expected.state == SEKI_REVOCATION_REVOKED;
    }
    require(good > 1000 && revoked > 1000, "combinations of every kind");
}

/* ---- form and range --------------------------------------------------------------------------------- */

static void try_forms(void)
{
    seki_ocsp_statement fine = statement(SEKI_OCSP_REVOKED, FINAL, 960, INT64_MIN), nothing = {0}, one;
    require(seki_ocsp_statements_valid(&fine, 1) && seki_ocsp_statements_valid(&nothing, 1) && seki_ocsp_statements_valid(NULL, 0),
            "a good form");
#define REFUSED(change) \
    do { \
        one = fine; \
        change; \
        require(!seki_ocsp_statements_valid(&one, 1), #change); \
    } while (0)
    REFUSED(one.status = SEKI_OCSP_UNKNOWN + 1);
    REFUSED(one.status = SEKI_OCSP_GOOD); /* with a time of revocation */
    REFUSED(one.revoked_at = INT64_MIN);
    REFUSED(one.serial_length = 0);
    REFUSED(one.serial_length = sizeof one.serial + 1);
    REFUSED(one.this_update = INT64_MIN);
    REFUSED(one.this_update = SEKI_TIME_MAX + 1);
    REFUSED(one.next_update = INT64_MIN + 1);
    REFUSED(one.next_update = INT64_MAX);
    REFUSED(one.revoked_at = INT64_MAX);
}

/* Times of judgement at the ends of the range, under sanitizers. */
static void try_times(void)
{
    seki_revocation_question asked = question();
    const int64_t ends[] = {INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 2; i++) {
        asked.at = ends[i];
        seki_revocation_words said = {0};
        seki_ocsp_statement one = statement(SEKI_OCSP_GOOD, 0, i == 0 ? SEKI_TIME_MAX : -SEKI_TIME_MAX, INT64_MIN);
        seki_words_by_ocsp(&said, &one, &asked, &LIMITS);
        require(seki_words_conclude(&said).state == (i == 0 ? SEKI_REVOCATION_IS_LATER : SEKI_REVOCATION_IS_STALE), "far times");
    }
}

int main(void)
{
    try_all();
    try_forms();
    try_times();
    return failures == 0 ? 0 : 1;
}
