/* algorithm.c: see algorithm.h. */
#include "algorithm.h"

#include "oid.h"
#include "value.h"

typedef enum { HASH_OTHER, HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512 } hash_kind;

/* RFC 4055, 3.1: what an absent field means.  DER leaves a field of that value out (X.690, 11.5). */
enum { PSS_SALT_DEFAULT = 20, PSS_TRAILER_DEFAULT = 1, PSS_SALT_MAX = 4096 };

static bool refuse(const uint8_t **fault, const uint8_t *at);
static bool pss_read(seki_span parameters, seki_signature_algorithm *algorithm, const uint8_t **fault);
static bool take_explicit(seki_span *in, unsigned number, seki_span *content, bool *present);
static bool hash_read(seki_span *in, hash_kind *hash);
static bool is_null(seki_span element);

bool seki_signature_algorithm_read(seki_span content, seki_signature_algorithm *algorithm, const uint8_t **fault)
{
    seki_span oid;
    const uint8_t *at = content.data;
    if (!seki_der_take_oid(&content, &oid))
        return refuse(fault, at);
    seki_signature_algorithm found = SEKI_SIGALG_UNKNOWN;
    bool is_rsa = true;
    if (SEKI_OID_IS(oid, SEKI_OID_RSA_SHA256)) {
        found = SEKI_SIGALG_RSA_SHA256;
    } else if (SEKI_OID_IS(oid, SEKI_OID_RSA_SHA384)) {
        found = SEKI_SIGALG_RSA_SHA384;
    } else if (SEKI_OID_IS(oid, SEKI_OID_RSA_SHA512)) {
        found = SEKI_SIGALG_RSA_SHA512;
    } else if (SEKI_OID_IS(oid, SEKI_OID_PSS)) {
        return pss_read(content, algorithm, fault);
    } else {
        is_rsa = false;
        if (SEKI_OID_IS(oid, SEKI_OID_ECDSA_SHA256))
            found = SEKI_SIGALG_ECDSA_SHA256;
        else if (SEKI_OID_IS(oid, SEKI_OID_ECDSA_SHA384))
            found = SEKI_SIGALG_ECDSA_SHA384;
        else if (SEKI_OID_IS(oid, SEKI_OID_ECDSA_SHA512))
            found = SEKI_SIGALG_ECDSA_SHA512;
        else if (SEKI_OID_IS(oid, SEKI_OID_ED25519))
            found = SEKI_SIGALG_ED25519;
    }
    bool valid;
    if (found == SEKI_SIGALG_UNKNOWN) { /* one parameter of any type, or none */
        uint8_t tag;
        seki_span value, rest = content;
        valid = content.length == 0 || (seki_der_take_any(&rest, &tag, &value, NULL) && rest.length == 0 &&
                                        seki_value_is_valid(tag, value));
    } else {
        valid = is_rsa ? is_null(content) : content.length == 0;
    }
    if (!valid)
        return refuse(fault, content.data);
    *algorithm = found;
    return true;
}

static bool refuse(const uint8_t **fault, const uint8_t *at)
{
    *fault = at;
    return false;
}

/* RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] DEFAULT sha1, maskGenAlgorithm [1] DEFAULT mgf1SHA1,
 *                                  saltLength [2] DEFAULT 20, trailerField [3] DEFAULT 1 }, all tags explicit */
static bool pss_read(seki_span parameters, seki_signature_algorithm *algorithm, const uint8_t **fault)
{
    seki_span in, field, mgf, mgf_oid;
    const uint8_t *at = parameters.data;
    hash_kind hash = HASH_SHA1, mgf_hash = HASH_SHA1;
    uint64_t salt = PSS_SALT_DEFAULT, trailer = PSS_TRAILER_DEFAULT;
    bool known = true, present;
    if (!seki_der_take(&parameters, SEKI_DER_SEQUENCE, &in, NULL) || parameters.length != 0)
        return refuse(fault, at);

    at = in.data;
    if (!take_explicit(&in, 0, &field, &present))
        return refuse(fault, at);
    if (present && (!hash_read(&field, &hash) || field.length != 0 || hash == HASH_SHA1))
        return refuse(fault, at);

    at = in.data;
    if (!take_explicit(&in, 1, &field, &present))
        return refuse(fault, at);
    if (present) {
        if (!seki_der_take(&field, SEKI_DER_SEQUENCE, &mgf, NULL) || field.length != 0 ||
            !seki_der_take_oid(&mgf, &mgf_oid))
            return refuse(fault, at);
        if (SEKI_OID_IS(mgf_oid, SEKI_OID_MGF1)) {
            if (!hash_read(&mgf, &mgf_hash) || mgf.length != 0 || mgf_hash == HASH_SHA1)
                return refuse(fault, at);
        } else {
            known = false;
            if (!seki_value_is_valid(SEKI_DER_SEQUENCE, mgf))
                return refuse(fault, at);
        }
    }

    at = in.data;
    if (!take_explicit(&in, 2, &field, &present))
        return refuse(fault, at);
    if (present && (!seki_der_take_uint(&field, PSS_SALT_MAX, &salt) || field.length != 0 || salt == PSS_SALT_DEFAULT))
        return refuse(fault, at);

    at = in.data;
    if (!take_explicit(&in, 3, &field, &present))
        return refuse(fault, at);
    if (present && (!seki_der_take_uint(&field, UINT32_MAX, &trailer) || field.length != 0 ||
                    trailer == PSS_TRAILER_DEFAULT))
        return refuse(fault, at);
    if (in.length != 0)
        return refuse(fault, in.data);

    *algorithm = SEKI_SIGALG_UNKNOWN;
    if (!known || hash != mgf_hash || trailer != PSS_TRAILER_DEFAULT)
        return true;
    if (hash == HASH_SHA256 && salt == 32)
        *algorithm = SEKI_SIGALG_PSS_SHA256;
    else if (hash == HASH_SHA384 && salt == 48)
        *algorithm = SEKI_SIGALG_PSS_SHA384;
    else if (hash == HASH_SHA512 && salt == 64)
        *algorithm = SEKI_SIGALG_PSS_SHA512;
    return true;
}

static bool take_explicit(seki_span *in, unsigned number, seki_span *content, bool *present)
{
    *present = seki_der_next_is(*in, SEKI_DER_CONTEXT_CONSTRUCTED(number));
    return !*present || seki_der_take(in, SEKI_DER_CONTEXT_CONSTRUCTED(number), content, NULL);
}

/* RFC 4055, 2.1: "all implementations MUST accept both NULL and absent parameters as legal and equivalent". */
static bool hash_read(seki_span *in, hash_kind *hash)
{
    seki_span content, oid;
    if (!seki_der_take(in, SEKI_DER_SEQUENCE, &content, NULL) || !seki_der_take_oid(&content, &oid))
        return false;
    if (content.length != 0 && !is_null(content))
        return false;
    if (SEKI_OID_IS(oid, SEKI_OID_SHA256))
        *hash = HASH_SHA256;
    else if (SEKI_OID_IS(oid, SEKI_OID_SHA384))
        *hash = HASH_SHA384;
    else if (SEKI_OID_IS(oid, SEKI_OID_SHA512))
        *hash = HASH_SHA512;
    else if (SEKI_OID_IS(oid, SEKI_OID_SHA1))
        *hash = HASH_SHA1;
    else
        *hash = HASH_OTHER;
    return true;
}

static bool is_null(seki_span element)
{
    return element.length == 2 && element.data[0] == SEKI_DER_NULL && element.data[1] == 0;
}
