#include "claims.h"
#include "path.h"
#include "stages.h"

void seki_stage_signature(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count)
{
    const seki_verifier *verifier = call->verifier;
    size_t waiting = 0;
    for (size_t i = 0; i < count; i++) {
        if (!seki_alive(&rows[i]))
            continue;
        space->login.job_row[waiting] = (uint16_t)i;
        space->jobs[waiting++] = (seki_job){.key = rows[i].key,
                                            .mode = seki_profile_mode(&verifier->profile, rows[i].key.kind),
                                            .message = rows[i].challenge,
                                            .signature = rows[i].signature};
    }
    seki_job_policy policy = {.confirmations = &call->confirmations,
                              .cross_check_one_in = verifier->engine->options.cross_check_one_in};
    seki_jobs_run(&space->signatures, &policy, space->jobs, waiting);
    for (size_t i = 0; i < waiting; i++) {
        seki_login_row *row = &rows[space->login.job_row[i]];
        row->backend = space->jobs[i].backend;
        row->flags |= space->jobs[i].flags;
        if (space->jobs[i].reason == SEKI_SIGNATURE_OK)
            continue;
        seki_refuse(row, (seki_reason)space->jobs[i].reason);
        /* A failure counts against the challenge, never against the holder whose certificate was named (FACTS A2, row 25). */
        if (verifier->profile.challenge == SEKI_CHALLENGE_OWN && row->reason != SEKI_ENGINE_FAULT
            && row->reason != SEKI_SIGNATURE_UNCONFIRMED)
            seki_claims_failed(call->batch->claims, &row->fields);
    }
}
