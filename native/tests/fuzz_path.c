/* fuzz_path.c: libFuzzer target for the judgement of a leaf under a trust store in memory, whose keys sign whatever is left of it.
 *
 * Invariant: what the fast path takes, OpenSSL's whole path takes; what is accepted, OpenSSL's own path building accepts where key
 * identifiers do not stand in its way; cold, warm and asked again, the answer is the same.
 *
 * The input: one byte of profile and time, one of issuer, then the certificate.
 *
 *   make fuzz TARGET=path */
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "../src/name_constraints.h"
#include "../src/path.h"
#include "../src/slow_path.h"
#include "fuzz/judge.h"
#include "fuzz/tlv.h"

TLV_CUSTOM_MUTATOR(2)

static X509 *read_x509(seki_span der)
{
    const uint8_t *at = der.data;
    return d2i_X509(NULL, &at, (long)der.length);
}

/* OpenSSL with nothing of ours in it: its own builder, the store's certificates as they are. */
static bool openssl_accepts(seki_span leaf, const seki_profile *profile, int64_t at)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    X509 *target = read_x509(leaf);
    require(store != NULL && ctx != NULL && others != NULL && target != NULL, "OpenSSL reads what was accepted");
    for (size_t i = 0; i < AUTHORITY_ISSUERS; i++) {
        X509 *ca = read_x509(authority_certificate(i));
        if (i < AUTHORITY_PLAIN)
            require(X509_STORE_add_cert(store, ca) == 1, "an anchor");
        else
            require(sk_X509_push(others, ca) > 0, "an intermediate");
        if (i < AUTHORITY_PLAIN)
            X509_free(ca);
    }
    require(X509_STORE_CTX_init(ctx, store, target, others) == 1, "a context");
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_POLICY_CHECK |
                                           (profile->policy_count != 0 ? X509_V_FLAG_EXPLICIT_POLICY : 0));
    for (uint32_t i = 0; i < profile->policy_count; i++) {
        uint8_t der[2 + SEKI_OID_SIZE_MAX] = {V_ASN1_OBJECT, profile->policies[i].length};
        memcpy(der + 2, profile->policies[i].bytes, profile->policies[i].length);
        const uint8_t *oid = der;
        require(X509_VERIFY_PARAM_add0_policy(param, d2i_ASN1_OBJECT(NULL, &oid, 2 + (long)profile->policies[i].length)) == 1, "a policy");
    }
    X509_VERIFY_PARAM_set_time(param, (time_t)at);
    bool accepts = X509_verify_cert(ctx) == 1;
    if (!accepts)
        fprintf(stderr, "OpenSSL: %s\n", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    sk_X509_pop_free(others, X509_free);
    X509_free(target);
    ERR_clear_error();
    return accepts;
}

/* Whether the leaf names the key of `issuer`, and only so: then OpenSSL's builder finds what ours finds. */
static bool names_key_of(const seki_certificate *leaf, const seki_issuer *issuer)
{
    return leaf->authority_issuer.length == 0 && leaf->authority_key_id.length != 0 &&
           seki_span_equal(leaf->authority_key_id, issuer->certificate.subject_key_id);
}

/* Every way up from every key of the leaf's issuer name that signed it: does the profile take one, and is what is plain on it taken by
 * OpenSSL too? */
static void fast_is_slow(seki_span der, const seki_profile *profile, int64_t at, seki_reason reason)
{
    const seki_trust *trust = authority_trust();
    seki_certificate leaf;
    int32_t candidates[SEKI_ISSUER_CANDIDATES_MAX];
    if (seki_certificate_parse(der, &leaf, NULL) != SEKI_NOT_DECIDED || seki_leaf_check(&leaf, profile, at) != SEKI_NOT_DECIDED) {
        require(reason != SEKI_CERTIFICATE_OK, "no leaf is taken that is refused by itself");
        return;
    }
    size_t count = seki_trust_candidates(trust, &leaf, candidates), signers = 0;
    bool taken = false, by_itself = false;
    for (size_t i = 0; i < count; i++) {
        const seki_issuer *issuer = &trust->issuers[candidates[i]];
        X509 *x509 = read_x509(der);
        bool signed_by = x509 != NULL && X509_verify(x509, X509_get0_pubkey(issuer->x509)) == 1;
        X509_free(x509);
        ERR_clear_error();
        if (!signed_by)
            continue;
        signers++;
        for (int32_t at_way = issuer->first_way; at_way >= 0; at_way = trust->ways[at_way].next) {
            const seki_way *way = &trust->ways[at_way];
            seki_path path = {.way = at_way, .window_from = way->window_from, .window_to = way->window_to};
            const seki_certificate *certificates[SEKI_PATH_CERTIFICATES_MAX];
            if (seki_way_check(trust, way, profile, true, at) != SEKI_NOT_DECIDED)
                continue;
            seki_reason slow = seki_name_constraints_check(certificates, seki_path_certificates(trust, &leaf, &path, certificates));
            if (slow == SEKI_NOT_DECIDED)
                slow = seki_slow_path(trust, &path, &leaf, profile, at);
            if (seki_leaf_is_plain(&leaf, way, profile) && slow != SEKI_NOT_DECIDED)
                fprintf(stderr, "issuer %d: the slow path says %d\n", candidates[i], (int)slow);
            require(!seki_leaf_is_plain(&leaf, way, profile) || slow == SEKI_NOT_DECIDED, "what is plain, OpenSSL takes");
            taken = taken || slow == SEKI_NOT_DECIDED;
            by_itself = by_itself || (slow == SEKI_NOT_DECIDED && at < leaf.not_after && at < way->window_to && names_key_of(&leaf, issuer));
        }
    }
    if (signers != 0 || reason == SEKI_CERTIFICATE_OK) /* names that match in normal form alone are not looked at here */
        require((reason == SEKI_CERTIFICATE_OK) == taken || signers == 0, "the engine says the same");
    if (reason == SEKI_CERTIFICATE_OK && profile->clock_skew == 0 && by_itself)
        require(openssl_accepts(der, profile, at), "OpenSSL by itself says the same");
    require(signers != 0 || reason == SEKI_ISSUER_UNKNOWN || reason == SEKI_ISSUER_SIGNATURE_WRONG || reason == SEKI_CERTIFICATE_OK
                || reason == SEKI_POLICY || reason == SEKI_NAME_CONSTRAINTS || reason == SEKI_PATH_REFUSED || reason == SEKI_ISSUER_EXPIRED
                || reason == SEKI_ISSUER_NOT_YET_VALID || reason == SEKI_PATH_TOO_LONG || reason == SEKI_PATH_BUDGET_SPENT
                || reason == SEKI_EXTENDED_KEY_USAGE,
            "nobody of that very name signed it");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[SEKI_CERTIFICATE_SIZE_MAX * 2];
    unsigned choice = (unsigned)take_bits(&data, &size, 1), by = (unsigned)take_bits(&data, &size, 1);
    if (size == 0 || size > SEKI_CERTIFICATE_SIZE_MAX)
        return 0;
    size_t first;
    size_t length = authority_issue((seki_span){data, size}, by % (AUTHORITY_ISSUERS + 1), (by & 0x80) != 0, out, sizeof out, &first);
    seki_span leaf = exact_copy(out, first), none = {out, 0};
    (void)length;
    const seki_profile *profile = authority_profile(choice);
    int64_t at = judge_at(leaf, choice >> 2);
    seki_reason reason = judge(JUDGE_COLD, choice, leaf, none, at);
    require(judge(JUDGE_COLD, choice, leaf, none, at) == reason, "cold, and again");
    require(judge(JUDGE_WARM, choice, leaf, none, at) == reason, "warm");
    require(judge(JUDGE_WARM, choice, leaf, none, at) == reason, "warm, and again");
    fast_is_slow(leaf, profile, at, reason);
    free((void *)(uintptr_t)leaf.data);
    return 0;
}
