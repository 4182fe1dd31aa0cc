#include "revocation_words.h"

#include "kernels.h"

static void say_good(seki_revocation_words *words, int64_t this_update, uint8_t by)
{
    if (!words->good || this_update < words->good_oldest)
        words->good_oldest = this_update;
    if (!words->good || this_update > words->good_newest)
        words->good_newest = this_update;
    words->good = true;
    words->good_by |= by;
}

/* Of several holds the newest counts: it is the last that must be lifted. */
static void say_revoked(seki_revocation_words *words, const seki_revocation_answer *as)
{
    bool hold = as->reason == SEKI_CERTIFICATE_HOLD;
    bool *told = hold ? &words->held : &words->revoked;
    seki_revocation_answer *kept = hold ? &words->held_as : &words->revoked_as;
    uint8_t by = (uint8_t)(as->by | (*told ? kept->by : 0));
    if (!*told || as->this_update > kept->this_update)
        *kept = *as;
    kept->by = by;
    *told = true;
}

void seki_words_by_crl(seki_revocation_words *words, const seki_revocation_answer *answer)
{
    switch (answer->state) {
    case SEKI_REVOCATION_GOOD:
        say_good(words, answer->this_update, answer->by);
        break;
    case SEKI_REVOCATION_REVOKED:
        say_revoked(words, answer);
        break;
    case SEKI_REVOCATION_IS_DAMAGED:
        words->damaged = true;
        break;
    case SEKI_REVOCATION_IS_STALE:
        words->stale = true;
        break;
    case SEKI_REVOCATION_IS_LATER:
        words->later = true;
        break;
    case SEKI_REVOCATION_UNASKED:
        break;
    default:
        words->unknown = true;
        break;
    }
}

/* The key that verified the certificate and its serial are its identity: a name alone is shared by generations of a CA. */
static bool names(const seki_ocsp_statement *statement, const seki_revocation_question *question)
{
    return statement->serial_length != 0 && statement->serial_length <= sizeof statement->serial
           && seki_span_equal((seki_span){statement->serial, statement->serial_length}, question->serial)
           && memcmp(statement->issuer, question->signer, sizeof statement->issuer) == 0;
}

void seki_words_by_ocsp(seki_revocation_words *words, const seki_ocsp_statement *statement,
                        const seki_revocation_question *question, const seki_revocation_limits *limits)
{
    if (statement->status == SEKI_OCSP_NONE || !names(statement, question))
        return;
    int64_t at = seki_revocation_time(question->at);
    bool later = statement->this_update > at + limits->skew;
    if (statement->status == SEKI_OCSP_REVOKED && (!later || statement->revoked_at <= at)) {
        /* Does not age, as an entry of a CRL does not. */
        say_revoked(words, &(seki_revocation_answer){.state = SEKI_REVOCATION_REVOKED,
                                                     .reason = statement->reason,
                                                     .by = SEKI_BY_OCSP,
                                                     .date = statement->revoked_at,
                                                     .this_update = statement->this_update});
    } else if (later) {
        words->later = true;
    } else if (statement->status != SEKI_OCSP_GOOD || statement->doubts != seki_kernels_doubts()) {
        words->unknown = true;
    } else if (!seki_revocation_is_fresh(limits, at, statement->this_update, statement->next_update)) {
        words->stale = true;
    } else {
        say_good(words, statement->this_update, SEKI_BY_OCSP);
    }
}

seki_revocation_answer seki_words_conclude(const seki_revocation_words *words)
{
    if (words->revoked)
        return words->revoked_as;
    if (words->held && !(words->good && words->good_newest > words->held_as.this_update))
        return words->held_as;
    if (words->damaged)
        return (seki_revocation_answer){.state = SEKI_REVOCATION_IS_DAMAGED, .this_update = INT64_MAX};
    if (words->good)
        return (seki_revocation_answer){
            .state = SEKI_REVOCATION_GOOD, .by = words->good_by, .this_update = words->good_oldest};
    return (seki_revocation_answer){.state = words->stale     ? SEKI_REVOCATION_IS_STALE
                                             : words->later   ? SEKI_REVOCATION_IS_LATER
                                             : words->unknown ? SEKI_REVOCATION_IS_UNKNOWN
                                                              : SEKI_REVOCATION_UNASKED,
                                    .this_update = INT64_MAX};
}

static bool within_time(int64_t time)
{
    return time >= -SEKI_TIME_MAX && time <= SEKI_TIME_MAX;
}

static bool is_valid(const seki_ocsp_statement *one)
{
    if (one->status == SEKI_OCSP_NONE)
        return true;
    return one->status <= SEKI_OCSP_UNKNOWN && one->serial_length != 0 && one->serial_length <= sizeof one->serial
           && within_time(one->this_update) && (one->next_update == INT64_MIN || within_time(one->next_update))
           && (one->status == SEKI_OCSP_REVOKED ? within_time(one->revoked_at) : one->revoked_at == INT64_MIN);
}

bool seki_ocsp_statements_valid(const seki_ocsp_statement *statements, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (!is_valid(&statements[i]))
            return false;
    return true;
}
