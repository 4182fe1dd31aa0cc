#include "path.h"

static bool meets_policies(const seki_certificate *leaf, const seki_profile *profile)
{
    if (profile->policy_count == 0)
        return true;
    for (uint32_t i = 0; i < profile->policy_count; i++)
        if (seki_certificate_has_policy(leaf, (seki_span){profile->policies[i].bytes, profile->policies[i].length}))
            return true;
    return false;
}

static seki_reason check_key_usages(const seki_certificate *leaf, const seki_profile *profile)
{
    bool has_usage = (leaf->extensions & SEKI_EXT_KEY_USAGE) != 0;
    if (has_usage ? (leaf->key_usage & profile->key_usage_required) != profile->key_usage_required
                        || (leaf->key_usage & profile->key_usage_forbidden) != 0
                  : profile->key_usage_required != 0)
        return SEKI_KEY_USAGE;
    bool has_purposes = (leaf->extensions & SEKI_EXT_EXTENDED_KEY_USAGE) != 0;
    if (has_purposes ? profile->extended_key_usage != 0 && (leaf->extended_key_usage & profile->extended_key_usage) == 0
                     : profile->extended_key_usage_required != 0)
        return SEKI_EXTENDED_KEY_USAGE;
    return SEKI_NOT_DECIDED;
}

seki_reason seki_leaf_check(const seki_certificate *leaf, const seki_profile *profile, int64_t at)
{
    /* RFC 5280, 4.2: refuse a critical extension that is not recognized "or a critical extension that contains information
     * that it cannot process": these are read and no more, and all but the name are never to be critical. */
    uint32_t only_read = SEKI_EXT_ISSUER_ALT_NAME | SEKI_EXT_AUTHORITY_INFO | SEKI_EXT_FRESHEST_CRL | SEKI_EXT_SUBJECT_INFO
                         | SEKI_EXT_SUBJECT_DIRECTORY;
    if ((leaf->critical & (SEKI_EXT_UNKNOWN | only_read)) != 0)
        return SEKI_CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL;
    if (leaf->is_ca)
        return SEKI_LEAF_IS_CA;
    if ((leaf->extensions & SEKI_EXT_NAME_CONSTRAINTS) != 0)
        return SEKI_NAME_CONSTRAINTS; /* RFC 5280, 4.2.1.10: only in a CA certificate; OpenSSL does not look */
    if (at < leaf->not_before - profile->clock_skew)
        return SEKI_NOT_YET_VALID;
    if (at > leaf->not_after + profile->clock_skew)
        return SEKI_EXPIRED;
    if (leaf->signature_algorithm == SEKI_SIGALG_UNKNOWN
        || (profile->signature_algorithms >> leaf->signature_algorithm & 1) == 0)
        return SEKI_ALGORITHM_NOT_ALLOWED;
    if (leaf->key_reason != 0)
        return (seki_reason)leaf->key_reason;
    if (seki_profile_mode(profile, leaf->key.kind) == 0)
        return SEKI_KEY_MODE_MISMATCH;
    if (leaf->key.kind == SEKI_KEY_RSA && leaf->key.bits < profile->rsa_bits_min)
        return SEKI_KEY_TOO_SMALL;
    if (leaf->key.kind == SEKI_KEY_RSA && leaf->key.bits > profile->rsa_bits_max)
        return SEKI_KEY_TOO_LARGE;
    if (leaf->key.kind == SEKI_KEY_RSA && leaf->key.exponent < 65537)
        return SEKI_KEY_EXPONENT; /* docs/ARCHITECTURE.md: certificate profiles want e >= 65537 */
    seki_reason reason = check_key_usages(leaf, profile);
    if (reason != SEKI_NOT_DECIDED)
        return reason;
    /* A policy that is not the profile's own may be anyPolicy, or be mapped by a CA above (RFC 5280, 6.1.4 (b)): such a
     * leaf is not plain, and OpenSSL decides.  One without any policy is valid for none (6.1.3 (e)). */
    return profile->policy_count != 0 && (leaf->extensions & SEKI_EXT_POLICIES) == 0 ? SEKI_POLICY : SEKI_NOT_DECIDED;
}

bool seki_leaf_is_plain(const seki_certificate *leaf, const seki_issuer *issuer, const seki_profile *profile)
{
    uint32_t for_openssl = SEKI_EXT_POLICY_MAPPINGS | SEKI_EXT_POLICY_CONSTRAINTS | SEKI_EXT_INHIBIT_ANY_POLICY;
    uint32_t never_critical = SEKI_EXT_AUTHORITY_KEY_ID | SEKI_EXT_SUBJECT_KEY_ID;
    bool subject_empty = leaf->subject.length <= 2;
    return !issuer->slow && leaf->version == 3 && (leaf->extensions & for_openssl) == 0
           && (leaf->critical & never_critical) == 0 && (leaf->key_usage & SEKI_KU_KEY_CERT_SIGN) == 0
           && leaf->path_length < 0 && !subject_empty && meets_policies(leaf, profile)
           && leaf->authority_key_id.length != 0 /* RFC 5280, 4.2.1.1: MUST be there; which key it names only orders candidates */
           && !seki_span_equal(leaf->subject, leaf->issuer); /* OpenSSL may take it for self-signed and end the path there */
}

seki_reason seki_ca_fits(const seki_certificate *ca, bool anchor, const seki_profile *profile)
{
    if (ca->key.kind == SEKI_KEY_RSA && ca->key.bits < profile->rsa_bits_min)
        return SEKI_KEY_TOO_SMALL;
    /* As for leaves; an anchor's exponent is its operator's choice, and some public roots of 2004 have 3. */
    if (!anchor && ca->key.kind == SEKI_KEY_RSA && ca->key.exponent < 65537)
        return SEKI_KEY_EXPONENT;
    /* A CA for other purposes issues nothing for this one.  RFC 5280, 4.2.1.12, leaves purposes of CAs open; everybody who
     * reads them reads them so, OpenSSL among them, but only for purposes of its own (X509_PURPOSE_*), never for a list. */
    bool has_purposes = (ca->extensions & SEKI_EXT_EXTENDED_KEY_USAGE) != 0;
    if (has_purposes && profile->extended_key_usage != 0
        && (ca->extended_key_usage & (profile->extended_key_usage | SEKI_EKU_ANY)) == 0)
        return SEKI_EXTENDED_KEY_USAGE;
    return SEKI_NOT_DECIDED;
}

seki_reason seki_issuer_check(const seki_trust *trust, const seki_issuer *issuer, const seki_profile *profile, bool allowed,
                              int64_t at)
{
    if (issuer->reason != 0)
        return (seki_reason)issuer->reason;
    if (!allowed)
        return SEKI_ISSUER_NOT_ALLOWED;
    if (at < issuer->window_from - profile->clock_skew)
        return SEKI_ISSUER_NOT_YET_VALID;
    if (at > issuer->window_to + profile->clock_skew)
        return SEKI_ISSUER_EXPIRED;
    if (issuer->depth > profile->path_length_max)
        return SEKI_PATH_TOO_LONG;
    /* The signatures between the CAs below the anchor are of allowed algorithms too; their keys and purposes fit. */
    for (const seki_issuer *ca = issuer;; ca = &trust->issuers[ca->parent]) {
        seki_reason reason = seki_ca_fits(&ca->certificate, ca->anchor, profile);
        if (reason != SEKI_NOT_DECIDED)
            return reason;
        if (ca->parent < 0)
            return SEKI_NOT_DECIDED;
        if ((profile->signature_algorithms >> ca->certificate.signature_algorithm & 1) == 0)
            return SEKI_ALGORITHM_NOT_ALLOWED;
    }
}

uint32_t seki_profile_mode(const seki_profile *profile, seki_key_kind kind)
{
    switch (kind) {
    case SEKI_KEY_RSA:
        return profile->rsa_mode;
    case SEKI_KEY_P256:
        return profile->p256_mode;
    case SEKI_KEY_P384:
        return profile->p384_mode;
    case SEKI_KEY_ED25519:
        return profile->ed25519_mode;
    default:
        return 0;
    }
}
