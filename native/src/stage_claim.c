#include "claims.h"
#include "stages.h"

enum { PARTS = 7 };

/* Tenant, request id and all bytes of the request.  Binding and transaction are the challenge's own, by its MAC. */
static void parts_of(const seki_login_batch *batch, const seki_login_row *row, const uint64_t sizes[3], seki_span parts[PARTS])
{
    static const char label[] = "sekisho request 1";
    parts[0] = (seki_span){(const uint8_t *)label, sizeof label};
    parts[1] = (seki_span){(const uint8_t *)seki_claims_request_secret(batch->claims), 2 * sizeof(uint64_t)};
    parts[2] = (seki_span){(const uint8_t *)sizes, 3 * sizeof(uint64_t)};
    parts[3] = row->request;
    parts[4] = (seki_span){row->cached.entry.fingerprint, sizeof row->cached.entry.fingerprint};
    parts[5] = row->signature;
    parts[6] = row->challenge;
}

/* 64 bits over the request; 0 where there is no request id, or no set that it is for. */
static uint64_t request_fingerprint(const seki_span parts[PARTS])
{
    uint8_t digest[SEKI_SHA256_SIZE];
    uint64_t fingerprint;
    seki_sha256_parts(parts, PARTS, digest);
    memcpy(&fingerprint, digest, sizeof fingerprint);
    return fingerprint != 0 ? fingerprint : 1;
}

/* Another machine has another secret: its hash of the same request must be the same. */
static void share(seki_login_call *call, const seki_login_row *row, seki_span parts[PARTS], bool repeated)
{
    seki_shared_claim *claim = &call->shared[atomic_fetch_add(&call->shared_count, 1)];
    *claim = (seki_shared_claim){.row = row->number, .repeated = repeated};
    seki_shared_claim_name(claim, &row->fields);
    if (row->request.length != 0) {
        parts[1].length = 0;
        seki_shared_claim_request(claim, parts, PARTS);
    }
}

static seki_reason claim(seki_login_call *call, seki_login_row *row)
{
    if (call->verifier->profile.challenge == SEKI_CHALLENGE_FOREIGN)
        return SEKI_ACCEPTED; /* its single use is the relying party's own */
    const seki_login_batch *batch = call->batch;
    const uint64_t sizes[3] = {batch->expect.tenant, row->request.length, row->signature.length};
    bool asks = row->request.length != 0 && batch->claims != NULL, repeated = false;
    seki_span parts[PARTS];
    if (asks)
        parts_of(batch, row, sizes, parts);
    seki_reason reason = seki_claims_claim(batch->claims, &row->fields, asks ? request_fingerprint(parts) : 0, row->at, &repeated);
    if (repeated)
        row->flags |= SEKI_FLAG_REPEATED;
    if (reason == SEKI_ACCEPTED && call->shared != NULL)
        share(call, row, parts, repeated);
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
