#include "name_match.h"
#include "revocation_words.h"
#include "stages.h"

static void question_of(const seki_login_call *call, seki_login_scratch *scratch, seki_login_row *row, size_t place);
static void take_answer(const seki_login_call *call, seki_login_row *row, const seki_revocation_question *question,
                        const seki_revocation_limits *limits, seki_revocation_answer *answer);

/* Asks about the leaves of all rows alive at once; CAs above them were asked about where their way was chosen (judge.c,
 * stage_certificate.c).  By now each leaf's own signature was verified, so nobody learns from a forged certificate who is revoked. */
void seki_stage_revocation(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count)
{
    const seki_profile *profile = &call->verifier->profile;
    seki_login_scratch *scratch = &space->login;
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        if (!seki_alive(&rows[i]))
            continue;
        if (profile->revocation == SEKI_REVOCATION_OFF) {
            rows[i].flags |= SEKI_FLAG_REVOCATION_OFF;
        } else if (!seki_revocation_is_given(&call->revocation)) {
            seki_refuse(&rows[i], SEKI_REVOCATION_NOT_CONFIGURED);
        } else if (rows[i].way < 0) {
            seki_refuse(&rows[i], SEKI_ENGINE_FAULT); /* no row comes here without a path */
        } else {
            question_of(call, scratch, &rows[i], asked);
            scratch->asked_row[asked++] = (uint16_t)i;
        }
    }
    seki_revocation_limits limits = seki_profile_limits(profile);
    if (call->revocation.in_force != NULL)
        seki_revocation_ask(call->revocation.in_force, &limits, scratch->questions, asked, scratch->answers);
    else
        for (size_t i = 0; i < asked; i++)
            scratch->answers[i] = (seki_revocation_answer){.state = SEKI_REVOCATION_UNASKED, .this_update = INT64_MAX};
    for (size_t i = 0; i < asked; i++)
        take_answer(call, &rows[scratch->asked_row[i]], &scratch->questions[i], &limits, &scratch->answers[i]);
}

static void question_of(const seki_login_call *call, seki_login_scratch *scratch, seki_login_row *row, size_t place)
{
    const seki_trust *trust = call->verifier->trust;
    const seki_way *way = &trust->ways[row->way];
    const seki_entry *entry = &row->cached.entry;
    seki_points *points = &scratch->points[place];
    seki_issuer_points *sent = &scratch->issuers[place];
    uint8_t form[32];
    if (row->known || entry->points.whole) {
        points->more = false;
        points->count = entry->points.count;
        memcpy(points->at, entry->points.at, points->count * sizeof points->at[0]);
    } else {
        seki_name_digest(row->leaf.issuer, form);
        seki_certificate_points(&row->leaf, form, points);
    }
    if (row->sent) {
        seki_name_digest(row->leaf.issuer, form);
        seki_points_of_issuer(form, sent);
    }
    scratch->questions[place] = (seki_revocation_question){
        .anchor = trust->issuers[way->anchor].identity,
        .issuer = row->sent ? sent : &trust->issuers[way->issuer].own,
        .signer = entry->issuer,
        .points = points,
        .serial = row->known ? (seki_span){entry->serial, entry->serial_length} : seki_serial_magnitude(row->leaf.serial),
        .kind = row->known ? entry->kind : (uint8_t)seki_kind_of(&row->leaf),
        .at = row->at,
    };
}

static void take_answer(const seki_login_call *call, seki_login_row *row, const seki_revocation_question *question,
                        const seki_revocation_limits *limits, seki_revocation_answer *answer)
{
    if (call->revocation.ocsp != NULL) {
        seki_revocation_words words = {0};
        seki_words_by_crl(&words, answer);
        seki_words_by_ocsp(&words, &call->revocation.ocsp[row->number], question, limits);
        *answer = seki_words_conclude(&words);
    }
    seki_revocation_finding finding = seki_revocation_judge(answer, &call->verifier->profile, SEKI_REVOKED);
    if (finding.this_update < row->this_update)
        row->this_update = finding.this_update;
    row->revocation_by |= finding.by;
    if (finding.soft)
        row->flags |= SEKI_FLAG_REVOCATION_SOFT;
    if (finding.reason != SEKI_NOT_DECIDED)
        seki_refuse(row, finding.reason);
}
