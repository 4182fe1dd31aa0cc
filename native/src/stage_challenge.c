#include "claims.h"
#include "mode.h"
#include "stages.h"

/* Foreign challenges under modes A' and B (DESIGN section 3): what is signed must not be able to be a hash or a
 * DigestInfo of something else (FACTS section C, cross-mode confusion). */
static seki_reason check_foreign(seki_span challenge)
{
    enum { LENGTH_MIN = 16 }; /* bytes: 128 bits, FACTS section C, "nonce hygiene" */
    static const uint8_t hash_sizes[] = {20, 28, 32, 48, 64};
    if (challenge.length < LENGTH_MIN || challenge.data[0] == 0x30)
        return SEKI_CHALLENGE_FORM_FORBIDDEN;
    for (size_t i = 0; i < sizeof hash_sizes; i++)
        if (challenge.length == hash_sizes[i])
            return SEKI_CHALLENGE_FORM_FORBIDDEN;
    return SEKI_NOT_DECIDED;
}

static bool signs_whole(uint32_t mode)
{
    unsigned family = seki_mode_family(mode);
    return family == SEKI_FAMILY_PKCS1_BARE || family == SEKI_FAMILY_PKCS1_RAW;
}

static seki_reason check_own(const seki_login_batch *batch, seki_login_row *row)
{
    seki_reason reason = seki_challenge_check(batch->keys, row->challenge, row->binding, row->transaction, &batch->expect,
                                              row->at, &row->fields);
    if (reason == SEKI_NOT_DECIDED && seki_claims_locked(batch->claims, &row->fields))
        reason = SEKI_CHALLENGE_LOCKED;
    return reason;
}

void seki_stage_challenge(seki_login_call *call, seki_login_row *rows, size_t count)
{
    const seki_profile *profile = &call->verifier->profile;
    for (size_t i = 0; i < count; i++) {
        if (!seki_alive(&rows[i]))
            continue;
        if (call->batch_reason != 0)
            seki_refuse(&rows[i], (seki_reason)call->batch_reason);
        else if (profile->challenge == SEKI_CHALLENGE_OWN)
            seki_refuse(&rows[i], check_own(call->batch, &rows[i]));
        else if (signs_whole(profile->rsa_mode))
            seki_refuse(&rows[i], check_foreign(rows[i].challenge));
    }
}
