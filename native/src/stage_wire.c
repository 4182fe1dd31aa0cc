#include "der.h"
#include "stages.h"

static seki_reason check_certificates(const seki_login_row *row, const seki_profile *profile)
{
    if (row->certificate.length == 0)
        return SEKI_INPUT_MISSING;
    if (row->certificate.length > SEKI_CERTIFICATE_SIZE_MAX)
        return SEKI_INPUT_TOO_LARGE;
    seki_span rest = row->intermediates, one;
    for (size_t i = 0; rest.length != 0; i++) {
        if (i == profile->intermediates_max)
            return SEKI_TOO_MANY_INTERMEDIATES;
        if (!seki_der_take(&rest, SEKI_DER_SEQUENCE, &one, NULL))
            return SEKI_CERTIFICATE_MALFORMED;
        if (one.length > SEKI_CERTIFICATE_SIZE_MAX)
            return SEKI_INPUT_TOO_LARGE;
    }
    return SEKI_NOT_DECIDED;
}

static seki_reason check_login(const seki_login_row *row, const seki_profile *profile)
{
    if (row->challenge.length == 0 || row->signature.length == 0)
        return SEKI_INPUT_MISSING;
    size_t challenge_max = profile->challenge == SEKI_CHALLENGE_OWN ? SEKI_CHALLENGE_SIZE_MAX : SEKI_FOREIGN_CHALLENGE_SIZE_MAX;
    if (row->challenge.length > challenge_max || row->signature.length > SEKI_SIGNATURE_SIZE_MAX
        || row->request.length > SEKI_REQUEST_SIZE_MAX)
        return SEKI_INPUT_TOO_LARGE;
    return SEKI_NOT_DECIDED;
}

void seki_stage_wire(seki_login_call *call, seki_login_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        seki_reason reason = check_certificates(&rows[i], &call->verifier->profile);
        if (reason == SEKI_NOT_DECIDED && call->logins)
            reason = check_login(&rows[i], &call->verifier->profile);
        seki_refuse(&rows[i], reason);
    }
}
