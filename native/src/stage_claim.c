#include "claims.h"
#include "stages.h"

/* 64 bits over tenant, request id and all bytes of the request; 0 where there is no request id, or no set that it is for.
 * Binding and transaction are the challenge's own, by its MAC. */
static uint64_t request_fingerprint(const seki_login_batch *batch, const seki_login_row *row)
{
    if (row->request.length == 0 || batch->claims == NULL)
        return 0;
    static const char label[] = "sekisho request 1";
    uint64_t sizes[3] = {batch->expect.tenant, row->request.length, row->signature.length};
    seki_span parts[] = {{(const uint8_t *)label, sizeof label},
                         {(const uint8_t *)seki_claims_request_secret(batch->claims), 2 * sizeof(uint64_t)},
                         {(const uint8_t *)sizes, sizeof sizes},
                         row->request,
                         {row->cached.entry.fingerprint, sizeof row->cached.entry.fingerprint},
                         row->signature,
                         row->challenge};
    uint8_t digest[SEKI_SHA256_SIZE];
    uint64_t fingerprint;
    seki_sha256_parts(parts, sizeof parts / sizeof parts[0], digest);
    memcpy(&fingerprint, digest, sizeof fingerprint);
    return fingerprint != 0 ? fingerprint : 1;
}

static seki_reason claim(seki_login_call *call, seki_login_row *row)
{
    if (call->verifier->profile.challenge == SEKI_CHALLENGE_FOREIGN)
        return SEKI_ACCEPTED; /* its single use is the relying party's own */
    bool repeated = false;
    seki_reason reason = seki_claims_claim(call->batch->claims, &row->fields, request_fingerprint(call->batch, row),
                                           row->at, &repeated);
    if (repeated)
        row->flags |= SEKI_FLAG_REPEATED;
    return reason;
}

void seki_stage_claim(seki_login_call *call, seki_login_row *rows, size_t count)
{
    enum { AHEAD = 8 }; /* rows whose claim is fetched before it is needed */
    bool own = call->logins && call->verifier->profile.challenge == SEKI_CHALLENGE_OWN;
    for (size_t i = 0; i < count; i++) {
        if (own && i + AHEAD < count && seki_alive(&rows[i + AHEAD]))
            seki_claims_prefetch(call->batch->claims, &rows[i + AHEAD].fields);
        if (seki_alive(&rows[i]))
            seki_refuse(&rows[i], call->logins ? claim(call, &rows[i]) : SEKI_CERTIFICATE_OK);
    }
}
