/* fuzz_certificate.c: libFuzzer target for the certificate parser.
 *
 * Invariant: a certificate that is taken has all its spans within the input and is DER to its end; OpenSSL reads it too, with
 * the same serial, names, validity, key, key usage and CA flag, and every extension known to both, and writes the same octets
 * again; one that is refused leaves nothing behind but a place within the input.  Read twice, it is the same.
 *
 *   make fuzz TARGET=certificate */
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "../src/cert.h"
#include "fuzz/fuzz.h"
#include "fuzz/tlv.h"

TLV_CUSTOM_MUTATOR(0)

static void within(const uint8_t *data, size_t size, const seki_span *spans, size_t count)
{
    for (size_t i = 0; i < count; i++)
        require(spans[i].data == NULL ? spans[i].length == 0
                                      : spans[i].data >= data && spans[i].length <= (size_t)(data + size - spans[i].data),
                "a span within the input");
}

static bool same_name(const X509_NAME *name, seki_span ours)
{
    const uint8_t *der;
    size_t length;
    return X509_NAME_get0_der(name, &der, &length) == 1 && length == ours.length && memcmp(der, ours.data, length) == 0;
}

static bool same_time(const ASN1_TIME *time, int64_t ours)
{
    int days, seconds;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool same = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 &&
                (int64_t)days * 86400 + seconds == ours;
    ASN1_TIME_free(epoch);
    return same;
}

static void free_extension(int nid, void *value)
{
    const X509V3_EXT_METHOD *method = X509V3_EXT_get_nid(nid);
    if (method->it != NULL)
        ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
    else
        method->ext_free(value);
}

static void openssl_agrees(const uint8_t *data, size_t size, const seki_certificate *c)
{
    const uint8_t *at = data;
    X509 *x509 = d2i_X509(NULL, &at, (long)size);
    if (x509 == NULL)
        ERR_print_errors_fp(stderr);
    require(x509 != NULL && at == data + size, "OpenSSL reads it");
    require(X509_get_version(x509) + 1 == c->version, "version");
    require(same_name(X509_get_issuer_name(x509), c->issuer) && same_name(X509_get_subject_name(x509), c->subject), "names");
    require(same_time(X509_get0_notBefore(x509), c->not_before) && same_time(X509_get0_notAfter(x509), c->not_after),
            "validity");
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
    size_t pad = c->serial.length > 1 && c->serial.data[0] == 0;
    require((size_t)ASN1_STRING_length(serial) == c->serial.length - pad &&
                memcmp(ASN1_STRING_get0_data(serial), c->serial.data + pad, c->serial.length - pad) == 0,
            "serial");
    const ASN1_BIT_STRING *signature;
    X509_get0_signature(&signature, NULL, x509);
    require((size_t)ASN1_STRING_length(signature) == c->signature.length &&
                (c->signature.length == 0 ||
                 memcmp(ASN1_STRING_get0_data(signature), c->signature.data, c->signature.length) == 0),
            "signature");

    static const struct {
        uint32_t bit;
        int nid;
    } known[] = {
        {SEKI_EXT_SUBJECT_KEY_ID, NID_subject_key_identifier}, {SEKI_EXT_KEY_USAGE, NID_key_usage},
        {SEKI_EXT_SUBJECT_ALT_NAME, NID_subject_alt_name},     {SEKI_EXT_ISSUER_ALT_NAME, NID_issuer_alt_name},
        {SEKI_EXT_BASIC_CONSTRAINTS, NID_basic_constraints},   {SEKI_EXT_NAME_CONSTRAINTS, NID_name_constraints},
        {SEKI_EXT_CRL_DISTRIBUTION, NID_crl_distribution_points}, {SEKI_EXT_POLICIES, NID_certificate_policies},
        {SEKI_EXT_POLICY_MAPPINGS, NID_policy_mappings},       {SEKI_EXT_AUTHORITY_KEY_ID, NID_authority_key_identifier},
        {SEKI_EXT_POLICY_CONSTRAINTS, NID_policy_constraints}, {SEKI_EXT_EXTENDED_KEY_USAGE, NID_ext_key_usage},
        {SEKI_EXT_INHIBIT_ANY_POLICY, NID_inhibit_any_policy}, {SEKI_EXT_AUTHORITY_INFO, NID_info_access},
        {SEKI_EXT_FRESHEST_CRL, NID_freshest_crl},             {SEKI_EXT_SUBJECT_INFO, NID_sinfo_access},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        int critical = -1;
        void *value = X509_get_ext_d2i(x509, known[i].nid, &critical, NULL);
        if ((c->extensions & known[i].bit) == 0) {
            require(value == NULL && critical == -1, "an extension absent");
            continue;
        }
        if (value == NULL)
            fprintf(stderr, "extension %s, critical %d\n", OBJ_nid2sn(known[i].nid), critical);
        require(value != NULL && critical == ((c->critical & known[i].bit) != 0), "an extension read by both");
        if (known[i].nid == NID_basic_constraints) {
            const BASIC_CONSTRAINTS *constraints = value;
            require((constraints->ca != 0) == c->is_ca, "cA");
            require(constraints->pathlen == NULL ? c->path_length == -1
                                                 : ASN1_INTEGER_get(constraints->pathlen) == c->path_length,
                    "pathLenConstraint");
        }
        if (known[i].nid == NID_key_usage) {
            const ASN1_BIT_STRING *bits = value;
            for (int bit = 0; bit < 16; bit++)
                require(ASN1_BIT_STRING_get_bit(bits, bit) == (c->key_usage >> bit & 1), "keyUsage");
        }
        free_extension(known[i].nid, value);
    }
    unsigned char *spki = NULL, *tbs = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
    require(length > 0 && seki_span_equal((seki_span){spki, (size_t)length}, c->spki), "key");
    length = i2d_re_X509_tbs(x509, &tbs);
    require(length > 0 && seki_span_equal((seki_span){tbs, (size_t)length}, c->tbs), "the same octets again");
    OPENSSL_free(spki);
    OPENSSL_free(tbs);
    X509_free(x509);
    ERR_clear_error();
}

/* The summary for people says what the parser says. */
static void summary_agrees(const uint8_t *data, size_t size, seki_reason wanted, const seki_certificate *c)
{
    static seki_certificate_summary summary;
    uint32_t reason;
    size_t fault;
    require(seki_certificate_summarize(data, size, &summary, &reason, &fault) == SEKI_OK && reason == (uint32_t)wanted && fault <= size,
            "summarized");
    if (c != NULL)
        require(summary.extensions == c->extensions && summary.critical == c->critical && summary.not_after == c->not_after &&
                    summary.key_reason == c->key_reason && summary.tbs.length == c->tbs.length &&
                    data + summary.tbs.offset == c->tbs.data && summary.is_ca == c->is_ca && summary.path_length == c->path_length,
                "the same in summary");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    seki_certificate c, untouched;
    size_t fault = SIZE_MAX;
    memset(&c, 0xee, sizeof c);
    memset(&untouched, 0xee, sizeof untouched);
    seki_reason reason = seki_certificate_parse((seki_span){data, size}, &c, &fault);
    if (reason != SEKI_NOT_DECIDED) {
        require(fault <= size && memcmp(&c, &untouched, sizeof c) == 0, "refused and nothing written");
        require(reason == SEKI_INPUT_MISSING || reason == SEKI_INPUT_TOO_LARGE ||
                    (reason >= SEKI_CERTIFICATE_MALFORMED && reason <= SEKI_CERTIFICATE_EXTENSION_DUPLICATE),
                "a reason of the list");
        if (seki_certificate_parse_anchor((seki_span){data, size}, &c, &fault) == SEKI_NOT_DECIDED)
            require(c.departures != 0, "an anchor refused elsewhere has departed");
        summary_agrees(data, size, reason, NULL);
        return 0;
    }
    const seki_span spans[] = {c.der,
                               c.tbs,
                               c.serial,
                               c.issuer,
                               c.subject,
                               c.spki,
                               c.signature,
                               c.subject_key_id,
                               c.authority_key_id,
                               c.authority_issuer,
                               c.authority_serial,
                               c.key_usage_der,
                               c.subject_alt_name,
                               c.issuer_alt_name,
                               c.name_constraints,
                               c.crl_distribution,
                               c.policies,
                               c.policy_mappings,
                               c.policy_constraints,
                               c.extended_key_usage_der,
                               c.inhibit_any_policy,
                               c.authority_info,
                               c.freshest_crl,
                               c.extension_list,
                               c.key_reason == 0 ? c.key.modulus : c.der,
                               c.key_reason == 0 ? c.key.point : c.der};
    within(data, size, spans, sizeof spans / sizeof *spans);
    require(c.departures == 0 && c.serial.length >= 1 && c.serial.length <= 20 && (c.serial.data[0] & 0x80) == 0 &&
                c.not_before <= c.not_after && c.issuer.length > 2 &&
                (c.critical & ~(c.extensions | SEKI_EXT_UNKNOWN)) == 0 &&
                ((c.critical & ~c.extensions) == 0 || (c.critical & SEKI_EXT_POLICIES) != 0),
            "what cert.h promises");
    uint64_t count;
    require(seki_der_list(data, size, NULL, 0, &count, &fault) == SEKI_OK && fault == size, "DER to its end");
    seki_certificate twice;
    require(seki_certificate_parse((seki_span){data, size}, &twice, NULL) == SEKI_NOT_DECIDED &&
                twice.tbs.data == c.tbs.data && twice.extensions == c.extensions && twice.signature.data == c.signature.data,
            "read twice");
    summary_agrees(data, size, reason, &c);
    openssl_agrees(data, size, &c);
    return 0;
}
