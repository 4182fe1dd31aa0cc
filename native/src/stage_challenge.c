#include "claims.h"
#include "der.h"
#include "mode.h"
#include "stages.h"

/* Takes a tag and a length in any form that BER knows (X.690, 8.1.3), careless readers' included, off the front. */
static bool skip_header(seki_span *in, uint8_t tag)
{
    if (in->length < 2 || in->data[0] != tag)
        return false;
    size_t size = 2 + (in->data[1] > 0x80 ? in->data[1] & 0x7f : 0);
    if (in->length < size)
        return false;
    *in = (seki_span){in->data + size, in->length - size};
    return true;
}

/* Whether the octets begin as DigestInfo ::= SEQUENCE { SEQUENCE { OBJECT IDENTIFIER ... does (RFC 8017, 9.2), whatever its
 * lengths say and whatever follows.  Text never does: 0x06 is no printable character. */
static bool begins_as_digest_info(seki_span octets)
{
    return skip_header(&octets, SEKI_DER_SEQUENCE) && skip_header(&octets, SEKI_DER_SEQUENCE) && octets.length != 0
           && octets.data[0] == SEKI_DER_OID;
}

/* Foreign challenges under modes A' and B (docs/ARCHITECTURE.md): what is signed must not be able to be a hash or a
 * DigestInfo of something else (docs/SECURITY.md, cross-mode confusion). */
static seki_reason check_foreign(seki_span challenge)
{
    enum { LENGTH_MIN = 16 }; /* bytes: 128 bits, docs/SECURITY.md, "nonce hygiene" */
    /* of hashes, and of MD5 || SHA-1, which TLS 1.0 and 1.1 sign bare (RFC 4346, 4.7) */
    static const uint8_t hash_sizes[] = {20, 28, 32, 36, 48, 64};
    if (challenge.length < LENGTH_MIN || begins_as_digest_info(challenge))
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

/* Failures are counted after the signatures of a range were checked, so within it a challenge gets no more checks than it
 * may fail: further rows of the same challenge are refused. */
static void limit_copies(seki_login_row *rows, size_t count)
{
    enum { SLOTS = 2 * SEKI_LOGIN_ROWS };
    uint16_t first[SLOTS] = {0}; /* row + 1 of a challenge's first row */
    uint16_t copies[SEKI_LOGIN_ROWS] = {0};
    for (size_t i = 0; i < count; i++) {
        if (!seki_alive(&rows[i]))
            continue;
        uint64_t place;
        memcpy(&place, rows[i].fields.mac, sizeof place);
        while (first[place % SLOTS] != 0
               && memcmp(rows[first[place % SLOTS] - 1].fields.mac, rows[i].fields.mac, sizeof rows[i].fields.mac) != 0)
            place++;
        if (first[place % SLOTS] == 0)
            first[place % SLOTS] = (uint16_t)(i + 1);
        if (++copies[first[place % SLOTS] - 1] > SEKI_CHALLENGE_FAILURES_MAX)
            seki_refuse(&rows[i], SEKI_CHALLENGE_LOCKED);
    }
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
    if (profile->challenge == SEKI_CHALLENGE_OWN)
        limit_copies(rows, count);
}
