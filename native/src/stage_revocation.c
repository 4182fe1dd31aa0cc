#include "stages.h"

/* No revocation data can be configured yet: a profile that wants it refuses, one that does not says so in every verdict. */
void seki_stage_revocation(seki_login_call *call, seki_login_row *rows, size_t count)
{
    bool off = call->verifier->profile.revocation == SEKI_REVOCATION_OFF;
    for (size_t i = 0; i < count; i++) {
        if (!seki_alive(&rows[i]))
            continue;
        if (off)
            rows[i].flags |= SEKI_FLAG_REVOCATION_OFF;
        else
            seki_refuse(&rows[i], SEKI_REVOCATION_NOT_CONFIGURED);
    }
}
