#include "path_revocation.h"

#include "name_match.h"
#include "revocation_words.h"

/* The worse of two: a refusal beats none, the older thisUpdate the newer. */
static void add(seki_revocation_finding *all, seki_revocation_finding one)
{
    if (all->reason == SEKI_NOT_DECIDED)
        all->reason = one.reason;
    all->soft = all->soft || one.soft;
    all->by |= one.by;
    if (one.this_update < all->this_update)
        all->this_update = one.this_update;
}

seki_revocation_limits seki_profile_limits(const seki_profile *profile)
{
    return (seki_revocation_limits){.age_max = profile->revocation_age_max,
                                    .grace = profile->revocation_grace,
                                    .skew = profile->clock_skew,
                                    .same_key = profile->revocation_same_key != 0};
}

seki_revocation_finding seki_revocation_judge(const seki_revocation_answer *answer, const seki_profile *profile, seki_reason revoked)
{
    seki_revocation_finding finding = {.reason = SEKI_REVOCATION_UNKNOWN, .soft = false, .this_update = INT64_MAX};
    switch (answer->state) {
    case SEKI_REVOCATION_GOOD:
        finding.reason = SEKI_NOT_DECIDED;
        finding.by = answer->by;
        finding.this_update = answer->this_update;
        return finding;
    case SEKI_REVOCATION_REVOKED:
        finding.reason = revoked;
        finding.by = answer->by;
        finding.this_update = answer->this_update;
        return finding;
    case SEKI_REVOCATION_UNASKED: /* that there is no data at all is nobody's wish, a soft profile's neither */
        finding.reason = SEKI_REVOCATION_NOT_CONFIGURED;
        return finding;
    case SEKI_REVOCATION_IS_DAMAGED:
        finding.reason = SEKI_REVOCATION_DAMAGED;
        return finding;
    case SEKI_REVOCATION_IS_STALE:
        finding.reason = SEKI_REVOCATION_STALE;
        break;
    case SEKI_REVOCATION_IS_LATER:
        finding.reason = SEKI_REVOCATION_NOT_YET_VALID;
        break;
    default:
        break;
    }
    if (profile->revocation == SEKI_REVOCATION_SOFT) {
        finding.reason = SEKI_NOT_DECIDED;
        finding.soft = true;
    }
    return finding;
}

/* One CA certificate under the name and key that signed it. */
static seki_revocation_finding ask(const seki_profile *profile, const seki_revocation_data *data,
                                   const seki_revocation_question *question)
{
    seki_revocation_limits limits = seki_profile_limits(profile);
    seki_revocation_answer answer = {.state = SEKI_REVOCATION_UNASKED, .this_update = INT64_MAX};
    if (data->in_force != NULL)
        seki_revocation_ask(data->in_force, &limits, question, 1, &answer);
    if (data->ocsp_of_cas_count != 0) {
        seki_revocation_words words = {0};
        seki_words_by_crl(&words, &answer);
        for (size_t i = 0; i < data->ocsp_of_cas_count; i++)
            seki_words_by_ocsp(&words, &data->ocsp_of_cas[i], question, &limits);
        answer = seki_words_conclude(&words);
    }
    return seki_revocation_judge(&answer, profile, SEKI_ISSUER_REVOKED);
}

seki_revocation_finding seki_way_revocation(const seki_trust *trust, int32_t way, const seki_profile *profile,
                                            const seki_revocation_data *data, int64_t at)
{
    seki_revocation_finding all = {.reason = SEKI_NOT_DECIDED, .this_update = INT64_MAX};
    const uint8_t *anchor = trust->issuers[trust->ways[way].anchor].identity;
    for (; trust->ways[way].parent >= 0; way = trust->ways[way].parent) {
        const seki_issuer *ca = &trust->issuers[trust->ways[way].issuer];
        const seki_issuer *above = &trust->issuers[trust->ways[trust->ways[way].parent].issuer];
        add(&all, ask(profile, data,
                      &(seki_revocation_question){.anchor = anchor,
                                                  .issuer = &above->own,
                                                  .signer = above->identity,
                                                  .points = &ca->points,
                                                  .serial = seki_serial_magnitude(ca->certificate.serial),
                                                  .kind = seki_kind_of(&ca->certificate),
                                                  .at = at}));
    }
    return all;
}

seki_revocation_finding seki_authorities_revocation(const seki_trust *trust, const seki_path *path, const seki_profile *profile,
                                                    const seki_revocation_data *data, int64_t at)
{
    seki_revocation_finding all = seki_way_revocation(trust, path->way, profile, data, at);
    const seki_issuer *foot = &trust->issuers[trust->ways[path->way].issuer];
    const uint8_t *anchor = trust->issuers[trust->ways[path->way].anchor].identity;
    for (size_t i = 0; i < path->sent_count; i++) {
        const seki_certificate *ca = path->sent[i];
        const seki_certificate *above = i + 1 < path->sent_count ? path->sent[i + 1] : &foot->certificate;
        uint8_t signer[32], form[32];
        seki_issuer_points own;
        seki_points points;
        seki_name_digest(ca->issuer, form);
        seki_points_of_issuer(form, &own);
        seki_certificate_points(ca, form, &points);
        seki_issuer_identity(above, signer);
        add(&all, ask(profile, data,
                      &(seki_revocation_question){.anchor = anchor,
                                                  .issuer = &own,
                                                  .signer = signer,
                                                  .points = &points,
                                                  .serial = seki_serial_magnitude(ca->serial),
                                                  .kind = seki_kind_of(ca),
                                                  .at = at}));
    }
    return all;
}
