/* watched.c: certificates that are asked about again with each snapshot (sekisho.h, "watched certificates"). */
#include "name_match.h"
#include "path_revocation.h"

enum { POINTS = 4, AT_ONCE = 64 };

seki_status seki_watched_of(const uint8_t *certificate, size_t length, const uint8_t anchor[32], const uint8_t signer[32],
                            seki_watched *out)
{
    seki_certificate parsed;
    seki_points points;
    if (certificate == NULL || anchor == NULL || signer == NULL || out == NULL
        || seki_certificate_parse((seki_span){certificate, length}, &parsed, NULL) != SEKI_NOT_DECIDED)
        return SEKI_E_ARGUMENT;
    *out = (seki_watched){.kind = (uint8_t)seki_kind_of(&parsed)};
    seki_name_digest(parsed.issuer, out->issuer_form);
    seki_certificate_points(&parsed, out->issuer_form, &points);
    seki_span serial = seki_serial_magnitude(parsed.serial);
    if (points.more || points.count > POINTS || serial.length > sizeof out->serial)
        return SEKI_E_ARGUMENT;
    memcpy(out->anchor, anchor, sizeof out->anchor);
    memcpy(out->signer, signer, sizeof out->signer);
    memcpy(out->serial, serial.data, serial.length);
    out->serial_length = (uint8_t)serial.length;
    out->point_count = (uint8_t)points.count;
    for (size_t i = 0; i < points.count; i++) {
        memcpy(out->points[i], points.at[i].point, SEKI_POINT_SIZE);
        out->reasons[i] = points.at[i].reasons;
        out->indirect[i] = points.at[i].indirect;
    }
    return SEKI_OK;
}

static void question_of(const seki_watched *watched, int64_t at, seki_points *points, seki_issuer_points *issuer,
                        seki_revocation_question *question)
{
    points->more = false;
    points->count = watched->point_count;
    for (size_t i = 0; i < points->count; i++) {
        memcpy(points->at[i].point, watched->points[i], SEKI_POINT_SIZE);
        points->at[i].reasons = watched->reasons[i];
        points->at[i].indirect = watched->indirect[i] != 0;
    }
    seki_points_of_issuer(watched->issuer_form, issuer);
    *question = (seki_revocation_question){.anchor = watched->anchor,
                                           .issuer = issuer,
                                           .signer = watched->signer,
                                           .points = points,
                                           .serial = {watched->serial, watched->serial_length},
                                           .kind = watched->kind,
                                           .at = at};
}

seki_status seki_revocation_ask_watched(seki_revocation *revocation, uint64_t rows, const seki_watched *watched,
                                        const seki_profile *profile, int64_t at, seki_revocation_status *out, uint64_t *snapshot)
{
    seki_points points[AT_ONCE];
    seki_issuer_points issuers[AT_ONCE];
    seki_revocation_question questions[AT_ONCE];
    seki_revocation_answer answers[AT_ONCE];
    if (revocation == NULL || (watched == NULL && rows != 0) || profile == NULL || (out == NULL && rows != 0) || snapshot == NULL
        || rows > SEKI_ROWS_MAX)
        return SEKI_E_ARGUMENT;
    for (uint64_t i = 0; i < rows; i++)
        if (watched[i].point_count > POINTS || watched[i].serial_length == 0 || watched[i].serial_length > sizeof watched->serial)
            return SEKI_E_ARGUMENT;
    const seki_in_force *in_force = seki_revocation_acquire(revocation);
    seki_revocation_limits limits = seki_profile_limits(profile);
    seki_profile strict = *profile;
    strict.revocation = SEKI_REVOCATION_REQUIRED;
    *snapshot = in_force != NULL ? seki_in_force_id(in_force) : 0;
    for (uint64_t from = 0; from < rows; from += AT_ONCE) {
        size_t count = rows - from < AT_ONCE ? (size_t)(rows - from) : AT_ONCE;
        for (size_t i = 0; i < count; i++)
            question_of(&watched[from + i], at, &points[i], &issuers[i], &questions[i]);
        if (in_force != NULL)
            seki_revocation_ask(in_force, &limits, questions, count, answers);
        for (size_t i = 0; i < count; i++) {
            seki_revocation_status *status = &out[from + i];
            *status = (seki_revocation_status){.this_update = INT64_MAX, .reason = SEKI_REVOCATION_NOT_CONFIGURED};
            if (in_force == NULL)
                continue;
            status->revoked_at = answers[i].date;
            status->this_update = answers[i].this_update;
            status->reason = seki_revocation_judge(&answers[i], &strict, SEKI_REVOKED).reason;
            status->crl_reason = answers[i].reason;
        }
    }
    if (in_force != NULL)
        seki_revocation_release(revocation, in_force);
    return SEKI_OK;
}
