#include "kernels.h"
#include "stages.h"

/* SHA-256 of each certificate still alive, in lanes. */
static void fingerprint(seki_login_scratch *scratch, seki_login_row *rows, size_t count)
{
    size_t waiting = 0;
    for (size_t i = 0; i < count; i++) {
        if (!seki_alive(&rows[i]))
            continue;
        scratch->hash_in[waiting] = rows[i].certificate;
        scratch->hash_row[waiting++] = (uint16_t)i;
    }
    seki_sha256_many(scratch->hash_in, scratch->hash_out, waiting);
    for (size_t i = 0; i < waiting; i++)
        memcpy(rows[scratch->hash_row[i]].cached.entry.fingerprint, scratch->hash_out[i], SEKI_SHA256_SIZE);
}

/* The CAs of the way that was found good, by the revocation data of this call; false: look again, there may be another way. */
static bool way_stands(const seki_login_call *call, seki_login_row *row, int32_t way)
{
    const seki_verifier *verifier = call->verifier;
    row->way = way;
    if (!seki_revocation_is_given(&call->revocation))
        return true;
    if (way < 0 || !row->cached.entry.points.known || !row->cached.entry.points.whole)
        return false;
    if (verifier->trust->ways[way].parent < 0)
        return true;
    seki_revocation_finding finding =
        seki_way_revocation(verifier->trust, way, &verifier->profile, &call->revocation, row->at);
    row->this_update = finding.this_update;
    row->revocation_by = finding.by;
    row->flags |= finding.soft ? SEKI_FLAG_REVOCATION_SOFT : 0;
    return finding.reason == SEKI_NOT_DECIDED;
}

/* Whether the cache decides the row's path at its time. */
static bool decide_from_cache(const seki_login_call *call, seki_login_row *row)
{
    const seki_verifier *verifier = call->verifier;
    for (size_t i = 0; i < SEKI_CACHE_PATHS; i++) {
        const seki_finding *finding = &row->cached.entry.findings[i];
        if (finding->trust != verifier->trust->number || finding->profile != verifier->purpose)
            continue;
        /* Outside its window, or from before a kernel was found to accept wrongly, it says nothing: look again. */
        if (row->at < finding->from || row->at > finding->to || finding->doubts != seki_kernels_doubts())
            return false;
        /* A refusal was found in the store's own ways; CA certificates that were sent may open another. */
        if (finding->reason != SEKI_CERTIFICATE_OK && row->intermediates.length != 0)
            return false;
        if (finding->reason == SEKI_CERTIFICATE_OK && !way_stands(call, row, finding->way))
            return false;
        row->flags |= SEKI_FLAG_CACHE_HIT | finding->flags;
        if (finding->reason != SEKI_CERTIFICATE_OK)
            seki_refuse(row, (seki_reason)finding->reason);
        else if (call->logins && !finding->signs)
            seki_refuse(row, SEKI_KEY_USAGE);
        return true;
    }
    return false;
}

static seki_reason read_certificate(const seki_login_call *call, seki_workspace *space, seki_login_row *row)
{
    const seki_verifier *verifier = call->verifier;
    seki_reason reason = seki_certificate_parse(row->certificate, &row->leaf, NULL);
    if (reason == SEKI_NOT_DECIDED)
        reason = seki_leaf_check(&row->leaf, &verifier->profile, row->at);
    if (reason == SEKI_NOT_DECIDED)
        reason = call->logins && !seki_leaf_may_sign(&row->leaf) ? SEKI_KEY_USAGE : SEKI_NOT_DECIDED;
    if (reason == SEKI_NOT_DECIDED)
        reason = seki_key_ready(space->signatures.checker, &row->leaf.key, &row->key);
    return reason;
}

void seki_stage_certificate(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count)
{
    const seki_verifier *verifier = call->verifier;
    seki_cache *cache = verifier->engine->cache;
    fingerprint(&space->login, rows, count);
    for (size_t i = 0; i < count; i++) {
        seki_login_row *row = &rows[i];
        if (!seki_alive(row))
            continue;
        const uint8_t *name = row->cached.entry.fingerprint;
        if (cache != NULL && seki_cache_get(cache, name, &row->cached) && decide_from_cache(call, row)) {
            row->known = true;
            row->key = seki_cached_key(&row->cached);
        } else if (cache != NULL && row->intermediates.length == 0
                   && seki_cache_forged(cache, name, verifier->trust->number)) {
            seki_refuse(row, SEKI_ISSUER_SIGNATURE_WRONG); /* with intermediates it may be another's, of the same name */
        } else {
            row->cached.handle = 0; /* what another store or time made of it */
            row->way = -1;
            row->this_update = INT64_MAX;
            row->revocation_by = 0;
            row->flags = 0;
            seki_refuse(row, read_certificate(call, space, row));
        }
    }
}
