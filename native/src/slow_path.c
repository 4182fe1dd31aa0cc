#include "slow_path.h"

#include "der.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#define NO_TIME INT64_MIN

static seki_reason reason_of(int error, int depth)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return depth == 0 ? SEKI_EXPIRED : SEKI_ISSUER_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return depth == 0 ? SEKI_NOT_YET_VALID : SEKI_ISSUER_NOT_YET_VALID;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return SEKI_ISSUER_UNKNOWN;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return SEKI_ISSUER_SIGNATURE_WRONG;
    case X509_V_ERR_INVALID_CA:
        return SEKI_ISSUER_NOT_CA;
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
        return SEKI_PATH_TOO_LONG;
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
        return SEKI_NAME_CONSTRAINTS;
    case X509_V_ERR_NO_EXPLICIT_POLICY:
    case X509_V_ERR_INVALID_POLICY_EXTENSION:
        return SEKI_POLICY;
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
        return SEKI_CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL;
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
        return SEKI_ISSUER_KEY_USAGE;
    case X509_V_ERR_OUT_OF_MEM:
    case X509_V_ERR_UNSPECIFIED:
        return SEKI_ENGINE_FAULT;
    default:
        return SEKI_PATH_REFUSED;
    }
}

static X509 *read_certificate(seki_span der)
{
    const uint8_t *at = der.data;
    X509 *x509 = der.length <= SEKI_CERTIFICATE_SIZE_MAX ? d2i_X509(NULL, &at, (long)der.length) : NULL;
    if (x509 != NULL && at == der.data + der.length)
        return x509;
    X509_free(x509);
    return NULL;
}

static bool same_time(const ASN1_TIME *theirs, int64_t ours)
{
    ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)ours);
    bool same = time != NULL && ASN1_TIME_compare(theirs, time) == 0;
    ASN1_TIME_free(time);
    return same;
}

/* Our reader and OpenSSL's on the same bytes (docs/ARCHITECTURE.md): serial, validity, key. */
static bool readers_agree(X509 *theirs, const seki_certificate *ours)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(theirs);
    seki_span magnitude = ours->serial;
    while (magnitude.length > 1 && magnitude.data[0] == 0) {
        magnitude.data++;
        magnitude.length--;
    }
    if (serial == NULL || ASN1_STRING_type(serial) != V_ASN1_INTEGER
        || !seki_span_equal((seki_span){ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial)}, magnitude))
        return false;
    if (!same_time(X509_get0_notBefore(theirs), ours->not_before) || !same_time(X509_get0_notAfter(theirs), ours->not_after))
        return false;
    unsigned char *spki = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(theirs), &spki);
    bool same = length > 0 && seki_span_equal((seki_span){spki, (size_t)length}, ours->spki);
    OPENSSL_free(spki);
    return same;
}

static bool add_policy(X509_VERIFY_PARAM *param, const uint8_t *oid, uint8_t length)
{
    uint8_t der[2 + SEKI_OID_SIZE_MAX] = {V_ASN1_OBJECT, length};
    memcpy(der + 2, oid, length);
    const uint8_t *at = der;
    ASN1_OBJECT *policy = d2i_ASN1_OBJECT(NULL, &at, 2 + (long)length);
    if (policy != NULL && X509_VERIFY_PARAM_add0_policy(param, policy) == 1)
        return true;
    ASN1_OBJECT_free(policy);
    return false;
}

/* The user-initial-policy-set (RFC 5280, 6.1.1 (c)): the profile's, else anyPolicy, which OpenSSL wants to be told. */
static bool add_policies(X509_VERIFY_PARAM *param, const seki_profile *profile)
{
    static const uint8_t any_policy[] = {0x55, 0x1d, 0x20, 0x00};
    if (profile->policy_count == 0)
        return add_policy(param, any_policy, sizeof any_policy);
    for (uint32_t i = 0; i < profile->policy_count; i++)
        if (!add_policy(param, profile->policies[i].bytes, profile->policies[i].length))
            return false;
    return true;
}

/* The one path that OpenSSL is asked about, leaf first, anchor last.  Its builder would look for others, by key identifiers,
 * which only order candidates (docs/ARCHITECTURE.md), or by names, which generations share; our signatures have settled it. */
static int issued_on_path(X509_STORE_CTX *ctx, X509 *subject, X509 *issuer)
{
    STACK_OF(X509) *path = X509_STORE_CTX_get_app_data(ctx);
    int last = sk_X509_num(path) - 1;
    if (X509_cmp(subject, sk_X509_value(path, last)) == 0)
        return X509_cmp(subject, issuer) == 0 && X509_NAME_cmp(X509_get_issuer_name(subject), X509_get_subject_name(issuer)) == 0;
    for (int i = 0; i < last; i++)
        if (X509_cmp(subject, sk_X509_value(path, i)) == 0)
            return X509_cmp(issuer, sk_X509_value(path, i + 1)) == 0
                   && X509_NAME_cmp(X509_get_issuer_name(subject), X509_get_subject_name(issuer)) == 0;
    return 0;
}

static bool set_up(X509_STORE_CTX *ctx, const seki_profile *profile, int64_t at)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    unsigned long flags = X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_POLICY_CHECK;
    if (seki_profile_wants_policy(profile))
        flags |= X509_V_FLAG_EXPLICIT_POLICY;
    if (profile->initial_policy_mapping_inhibit != 0)
        flags |= X509_V_FLAG_INHIBIT_MAP;
    if (profile->initial_any_policy_inhibit != 0)
        flags |= X509_V_FLAG_INHIBIT_ANY;
    if (at == NO_TIME)
        flags |= X509_V_FLAG_NO_CHECK_TIME;
    if (param == NULL || X509_VERIFY_PARAM_set_flags(param, flags) != 1 || !add_policies(param, profile))
        return false;
    if (at != NO_TIME)
        X509_VERIFY_PARAM_set_time(param, (time_t)at);
    X509_VERIFY_PARAM_set_depth(param, profile->path_length_max);
    return true;
}

static bool push(STACK_OF(X509) *path, X509 *x509)
{
    if (x509 != NULL && sk_X509_push(path, x509) > 0)
        return true;
    X509_free(x509);
    return false;
}

/* The leaf, the CA certificates that were sent, then those of the way up to the anchor. */
static bool collect(const seki_trust *trust, const seki_path *path, X509 *leaf, STACK_OF(X509) *out)
{
    if (X509_up_ref(leaf) != 1 || !push(out, leaf))
        return false;
    for (size_t i = 0; i < path->sent_count; i++)
        if (!push(out, read_certificate(path->sent[i]->der)))
            return false;
    for (int32_t at = path->way; at >= 0; at = trust->ways[at].parent) {
        X509 *ca = trust->issuers[trust->ways[at].issuer].x509;
        if (X509_up_ref(ca) != 1 || !push(out, ca))
            return false;
    }
    return true;
}

/* `at` taken into [from, to): OpenSSL already calls the second of notAfter expired, which RFC 5280, 4.1.2.5 does not.
 * A window of that one second leaves nothing that OpenSSL would call valid: then the dates, judged by the caller, stay so. */
static int64_t within(int64_t at, int64_t from, int64_t to)
{
    return from >= to ? NO_TIME : at < from ? from : at >= to ? to - 1 : at;
}

/* Whether OpenSSL cannot read an extension of a certificate on the chain: it then says "unspecified", as it does for faults of
 * its own, which a certificate must not be able to feign. */
static bool has_unreadable(STACK_OF(X509) *chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++)
        if ((X509_get_extension_flags(sk_X509_value(chain, i)) & EXFLAG_INVALID) != 0)
            return true;
    return false;
}

static size_t elements(seki_span value)
{
    size_t count = 0;
    seki_span list, content;
    uint8_t tag;
    if (seki_der_take(&value, SEKI_DER_SEQUENCE, &list, NULL))
        while (seki_der_take_any(&list, &tag, &content, NULL))
            count++;
    return count;
}

/* Whether the policy tree of the path (RFC 5280, 6.1.2 (a)) may have more nodes than OpenSSL builds, 1,000 since CVE-2023-0464.  It then
 * says that it had no memory, which is a fault of the certificates all the same. */
static bool policies_may_be_too_many(const seki_trust *trust, const seki_certificate *leaf, const seki_path *path)
{
    enum { NODES_MAX = 1000 };
    const seki_certificate *certificates[SEKI_PATH_CERTIFICATES_MAX];
    size_t count = seki_path_certificates(trust, leaf, path, certificates), level = 1, nodes = 1;
    while (count-- > 0 && nodes <= NODES_MAX) {
        size_t branches = elements(certificates[count]->policies) + elements(certificates[count]->policy_mappings);
        level *= branches > 1 ? branches : 1;
        nodes += level;
    }
    return nodes > NODES_MAX;
}

seki_reason seki_slow_path(const seki_trust *trust, const seki_path *path, const seki_certificate *leaf,
                           const seki_profile *profile, int64_t at)
{
    ERR_clear_error(); /* what others left there is not ours to read */
    seki_reason reason = SEKI_ENGINE_FAULT;
    X509 *target = read_certificate(leaf->der);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = sk_X509_new_null();
    at = within(at, leaf->not_before > path->window_from ? leaf->not_before : path->window_from,
                leaf->not_after < path->window_to ? leaf->not_after : path->window_to);
    if (target == NULL || !readers_agree(target, leaf)) {
        reason = SEKI_PATH_REFUSED;
    } else if (store != NULL && ctx != NULL && chain != NULL && collect(trust, path, target, chain)
               && X509_STORE_add_cert(store, sk_X509_value(chain, sk_X509_num(chain) - 1)) == 1) {
        X509_STORE_set_check_issued(store, issued_on_path);
        if (has_unreadable(chain))
            reason = SEKI_PATH_REFUSED;
        else if (X509_STORE_CTX_init(ctx, store, target, chain) == 1 && X509_STORE_CTX_set_app_data(ctx, chain) == 1
                 && set_up(ctx, profile, at))
            reason = X509_verify_cert(ctx) == 1
                         ? SEKI_NOT_DECIDED
                         : reason_of(X509_STORE_CTX_get_error(ctx), X509_STORE_CTX_get_error_depth(ctx));
        if (reason == SEKI_ENGINE_FAULT && X509_STORE_CTX_get_error(ctx) == X509_V_ERR_OUT_OF_MEM
            && policies_may_be_too_many(trust, leaf, path)) {
            reason = SEKI_POLICY;
            ERR_clear_error();
        }
    }
    /* A refusal for want of memory must not be kept as one of the certificates. */
    for (unsigned long error = ERR_get_error(); error != 0 && reason != SEKI_NOT_DECIDED; error = ERR_get_error())
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            reason = SEKI_ENGINE_FAULT;
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    sk_X509_pop_free(chain, X509_free);
    X509_free(target);
    ERR_clear_error();
    return reason;
}
