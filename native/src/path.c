#include "path.h"

#include "name_match.h"

bool seki_profile_wants_policy(const seki_profile *profile)
{
    return profile->policy_count != 0 || profile->initial_explicit_policy != 0;
}

/* Natively: by a policy of the profile that stands in the leaf.  Which policy of no list would do is for OpenSSL. */
static bool meets_policies(const seki_certificate *leaf, const seki_profile *profile)
{
    if (profile->policy_count == 0)
        return profile->initial_explicit_policy == 0;
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

bool seki_leaf_may_sign(const seki_certificate *leaf)
{
    return (leaf->extensions & SEKI_EXT_KEY_USAGE) == 0
           || (leaf->key_usage & (SEKI_KU_DIGITAL_SIGNATURE | SEKI_KU_NON_REPUDIATION)) != 0;
}

seki_reason seki_leaf_check(const seki_certificate *leaf, const seki_profile *profile, int64_t at)
{
    /* RFC 5280, 4.2: refuse a critical extension that is not recognized "or a critical extension that contains information
     * that it cannot process": these are read and no more, and all but the name are never to be critical. */
    uint32_t only_read = SEKI_EXT_ISSUER_ALT_NAME | SEKI_EXT_AUTHORITY_INFO | SEKI_EXT_FRESHEST_CRL | SEKI_EXT_SUBJECT_INFO
                         | SEKI_EXT_SUBJECT_DIRECTORY;
    if ((leaf->critical & (SEKI_EXT_UNKNOWN | only_read)) != 0)
        return SEKI_CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL;
    if (leaf->is_ca && profile->ca_leaf_allowed == 0)
        return SEKI_LEAF_IS_CA;
    if (!leaf->is_ca && (leaf->extensions & SEKI_EXT_NAME_CONSTRAINTS) != 0)
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
    return seki_profile_wants_policy(profile) && (leaf->extensions & SEKI_EXT_POLICIES) == 0 ? SEKI_POLICY : SEKI_NOT_DECIDED;
}

/* OpenSSL takes a certificate for self-signed, and ends the path there, if its two names match and its key identifiers do not
 * speak against it.  Identifiers are looked at first: in normal form names are dear to compare. */
static bool may_pass_for_self_signed(const seki_certificate *leaf)
{
    if (seki_span_equal(leaf->subject, leaf->issuer))
        return true;
    bool told_apart = leaf->subject_key_id.length != 0 && !seki_span_equal(leaf->subject_key_id, leaf->authority_key_id);
    return !told_apart && seki_names_match(leaf->subject, leaf->issuer);
}

bool seki_leaf_is_plain(const seki_certificate *leaf, const seki_way *way, const seki_profile *profile)
{
    uint32_t for_openssl = SEKI_EXT_POLICY_MAPPINGS | SEKI_EXT_POLICY_CONSTRAINTS | SEKI_EXT_INHIBIT_ANY_POLICY;
    uint32_t never_critical = SEKI_EXT_AUTHORITY_KEY_ID | SEKI_EXT_SUBJECT_KEY_ID;
    bool subject_empty = leaf->subject.length <= 2;
    return !way->slow && leaf->version == 3 && !leaf->is_ca && !leaf->openssl_judges && (leaf->extensions & for_openssl) == 0
           && (leaf->critical & never_critical) == 0 && (leaf->key_usage & SEKI_KU_KEY_CERT_SIGN) == 0
           && leaf->path_length < 0 && !subject_empty && meets_policies(leaf, profile)
           && leaf->authority_key_id.length != 0 /* RFC 5280, 4.2.1.1: MUST be there; which key it names only orders candidates */
           && !may_pass_for_self_signed(leaf);
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
    if (has_purposes && profile->ca_purposes_ignored == 0 && profile->extended_key_usage != 0
        && (ca->extended_key_usage & (profile->extended_key_usage | SEKI_EKU_ANY)) == 0)
        return SEKI_EXTENDED_KEY_USAGE;
    return SEKI_NOT_DECIDED;
}

seki_reason seki_way_check(const seki_trust *trust, const seki_way *way, const seki_profile *profile, bool allowed, int64_t at)
{
    if (!allowed)
        return SEKI_ISSUER_NOT_ALLOWED;
    if (at < way->window_from - profile->clock_skew)
        return SEKI_ISSUER_NOT_YET_VALID;
    if (at > way->window_to + profile->clock_skew)
        return SEKI_ISSUER_EXPIRED;
    if (way->depth > profile->path_length_max)
        return SEKI_PATH_TOO_LONG;
    /* The signatures between the CAs below the anchor are of allowed algorithms too; their keys and purposes fit. */
    for (;; way = &trust->ways[way->parent]) {
        const seki_issuer *ca = &trust->issuers[way->issuer];
        seki_reason reason = seki_ca_fits(&ca->certificate, ca->anchor, profile);
        if (reason != SEKI_NOT_DECIDED)
            return reason;
        if (way->parent < 0)
            return SEKI_NOT_DECIDED;
        if ((profile->signature_algorithms >> ca->certificate.signature_algorithm & 1) == 0)
            return SEKI_ALGORITHM_NOT_ALLOWED;
    }
}

bool seki_purpose_throughout(const seki_trust *trust, const seki_certificate *leaf, const seki_path *path,
                             const seki_profile *profile)
{
    uint32_t wanted = profile->extended_key_usage, left = wanted;
    /* Of one purpose seki_leaf_check and seki_ca_fits have said it. */
    if ((wanted & (wanted - 1)) == 0 || profile->ca_purposes_ignored != 0)
        return true;
    const seki_certificate *certificates[SEKI_PATH_CERTIFICATES_MAX];
    size_t count = seki_path_certificates(trust, leaf, path, certificates);
    for (size_t i = 0; i < count; i++) {
        const seki_certificate *one = certificates[i];
        /* A CA may be for any purpose; a leaf may where the profile says so. */
        uint32_t any = i == 0 ? wanted & SEKI_EKU_ANY : SEKI_EKU_ANY;
        if ((one->extensions & SEKI_EXT_EXTENDED_KEY_USAGE) != 0 && (one->extended_key_usage & any) == 0)
            left &= one->extended_key_usage;
    }
    return left != 0;
}

size_t seki_path_certificates(const seki_trust *trust, const seki_certificate *leaf, const seki_path *path,
                              const seki_certificate *out[SEKI_PATH_CERTIFICATES_MAX])
{
    size_t count = 0;
    out[count++] = leaf;
    for (size_t i = 0; i < path->sent_count; i++)
        out[count++] = path->sent[i];
    for (int32_t at = path->way; at >= 0; at = trust->ways[at].parent)
        out[count++] = &trust->issuers[trust->ways[at].issuer].certificate;
    return count;
}

/* How far a way came, in the order in which ways are judged. */
static unsigned progress(seki_reason reason)
{
    switch (reason) {
    case SEKI_ISSUER_UNKNOWN:
        return 0;
    case SEKI_ISSUER_SIGNATURE_WRONG:
        return 1;
    case SEKI_ISSUER_NOT_ALLOWED:
        return 2;
    case SEKI_ISSUER_NOT_YET_VALID:
    case SEKI_ISSUER_EXPIRED:
        return 3;
    case SEKI_PATH_TOO_LONG:
        return 4;
    case SEKI_KEY_TOO_SMALL:
    case SEKI_KEY_EXPONENT:
    case SEKI_EXTENDED_KEY_USAGE:
    case SEKI_ALGORITHM_NOT_ALLOWED:
        return 5;
    case SEKI_ISSUER_REVOKED:
    case SEKI_REVOCATION_NOT_CONFIGURED:
    case SEKI_REVOCATION_UNKNOWN:
    case SEKI_REVOCATION_STALE:
    case SEKI_REVOCATION_NOT_YET_VALID:
    case SEKI_REVOCATION_DAMAGED:
        return 6;
    default: /* what constraints, policies or OpenSSL say of the path as a whole */
        return 7;
    }
}

seki_reason seki_more_useful(seki_reason one, seki_reason other)
{
    return progress(other) > progress(one) ? other : one;
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
