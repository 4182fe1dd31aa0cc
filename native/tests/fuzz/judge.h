/* judge.h: asking the engine about certificates, warm and cold; for the fuzz targets of paths. */
#ifndef SEKI_FUZZ_JUDGE_H
#define SEKI_FUZZ_JUDGE_H

#include "authority.h"
#include "fuzz.h"

/* OpenSSL 3.0 loses the policyConstraints of a certificate without policies (policy_cache_new in crypto/x509/pcy_cache.c). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:CRYPTO_zalloc\nleak:ASN1_STRING_set\nleak:CRYPTO_malloc\n";
}

enum { JUDGE_COLD = 0, JUDGE_WARM = 1, JUDGE_ENGINES = 2 };

static seki_engine *judge_engines[JUDGE_ENGINES];

/* The reason of one certificate, with what was sent, under a profile of the authority's; `warm` keeps what it saw. */
static inline seki_reason judge(size_t warm, size_t profile, seki_span leaf, seki_span sent, int64_t at)
{
    static seki_verifier *verifiers[JUDGE_ENGINES][AUTHORITY_PROFILES];
    static const uint8_t allowed[AUTHORITY_ISSUERS] = {1, 1, 1, 1, 1, 1};
    for (size_t i = 0; judge_engines[warm] == NULL && i < AUTHORITY_PROFILES; i++) {
        static seki_engine *engine;
        seki_engine_options options = {.threads = 1, .cross_check_one_in = 1, .cache_bytes = warm == JUDGE_WARM ? SEKI_CACHE_BYTES_MIN : 0};
        if (i == 0)
            require(seki_engine_new(&options, &engine) == SEKI_OK, "an engine");
        require(seki_verifier_new(engine, authority_trust(), authority_profile(i), allowed, NULL, &verifiers[warm][i]) == SEKI_OK, "a verifier");
        if (i + 1 == AUTHORITY_PROFILES)
            judge_engines[warm] = engine;
    }
    static const uint8_t nothing;
    uint64_t leaf_offsets[2] = {0, leaf.length}, sent_offsets[2] = {0, sent.length};
    seki_certificate_batch batch = {
        .rows = 1,
        .certificates = {leaf.length != 0 ? leaf.data : &nothing, leaf.length, leaf_offsets, 8},
        .intermediates = {sent.length != 0 ? sent.data : &nothing, sent.length, sent_offsets, 8},
        .at = &at,
        .confirmations = 64,
    };
    seki_verdict verdict;
    require(seki_verify_certificates(verifiers[warm][profile % AUTHORITY_PROFILES], &batch, &verdict) == SEKI_OK, "verified");
    require(verdict.reason == SEKI_CERTIFICATE_OK || verdict.reason == SEKI_INPUT_MISSING || verdict.reason == SEKI_INPUT_TOO_LARGE ||
                verdict.reason == SEKI_TOO_MANY_INTERMEDIATES ||
                (verdict.reason >= SEKI_CERTIFICATE_MALFORMED && verdict.reason <= SEKI_CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL) ||
                (verdict.reason >= SEKI_KEY_MALFORMED && verdict.reason <= SEKI_KEY_MODE_MISMATCH) ||
                (verdict.reason >= SEKI_ISSUER_UNKNOWN && verdict.reason <= SEKI_LEAF_IS_CA) || verdict.reason == SEKI_SIGNATURE_UNCONFIRMED,
            "a reason that a certificate can have");
    return (seki_reason)verdict.reason;
}

/* Forgets what the warm engine has seen of others. */
static inline void judge_forget(void)
{
    seki_engine_cache_clear(judge_engines[JUDGE_WARM]);
}

/* A time at which to judge, chosen by two bits: now, or at an end of the certificate's validity, or a step beyond. */
static inline int64_t judge_at(seki_span der, unsigned choice)
{
    seki_certificate c;
    if (choice % 4 == 0 || seki_certificate_parse(der, &c, NULL) != SEKI_NOT_DECIDED)
        return AUTHORITY_AT;
    return choice % 4 == 1 ? c.not_before : choice % 4 == 2 ? c.not_after : c.not_after + 1;
}

#endif
