/* ocsp.c: see ocsp.h.  Tags are explicit but for certStatus (RFC 6960, appendix B.1). */
#include "ocsp.h"

#include "extensions.h"
#include "name.h"
#include "oid.h"
#include "serial_index.h"
#include "value.h"

enum {
    STATUS_MAX = 6, STATUS_UNUSED = 4, /* OCSPResponseStatus (4.2.1): 4 is not used */
    SERIAL_SIZE_MAX = 20,              /* content octets, as of certificates (cert.c) */
    SHA1_SIZE = 20, SHA256_SIZE = 32, HASH_SIZE_MAX = 64, /* octets */
    REASON_MAX = 10, REASON_UNUSED = 7 /* CRLReason (RFC 5280, 5.3.1): 7 is not used */
};

typedef enum { OF_RESPONSE, OF_SINGLE } place;

static seki_reason response_read(seki_span der, seki_ocsp *r, const uint8_t **fault);
static seki_reason basic_read(seki_span in, seki_ocsp *r, const uint8_t **fault);
static seki_reason data_read(seki_span in, seki_ocsp *r, const uint8_t **fault);
static bool responder_read(seki_span *in, seki_ocsp *r, const uint8_t **fault);
static bool certificates_read(seki_span *in, seki_ocsp *r, const uint8_t **fault);
static seki_reason single_read(seki_span in, seki_ocsp_single *s, const uint8_t **fault);
static bool certificate_id_read(seki_span *in, seki_ocsp_single *s, const uint8_t **fault);
static bool hash_read(seki_span *in, uint32_t *hash, size_t *size);
static bool status_read(seki_span *in, seki_ocsp_single *s, const uint8_t **fault);
static bool take_instant(seki_span *in, int64_t *seconds);
static bool take_code(seki_span *in, uint8_t *code);
static seki_reason extensions_read(seki_span *in, place where, uint32_t *present, seki_span *nonce, const uint8_t **fault);
static uint32_t known(seki_span oid, place where);
static bool value_read(uint32_t kind, seki_span value, seki_span *nonce);
static bool refuse(const uint8_t **fault, const uint8_t *at);
static seki_reason malformed(const uint8_t **fault, const uint8_t *at);

_Static_assert(sizeof(seki_ocsp_statement) == 88, "columns of statements have no holes");

seki_reason seki_ocsp_parse(seki_span der, seki_ocsp *out, size_t *fault)
{
    const uint8_t *at = der.data;
    seki_reason reason;
    if (der.length == 0) {
        reason = SEKI_INPUT_MISSING;
    } else if (der.length > SEKI_OCSP_SIZE_MAX) {
        reason = SEKI_INPUT_TOO_LARGE;
    } else {
        memset(out, 0, sizeof *out);
        reason = response_read(der, out, &at);
    }
    if (reason != SEKI_NOT_DECIDED && fault != NULL)
        *fault = der.length == 0 ? 0 : (size_t)(at - der.data);
    return reason;
}

/* OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED, responseBytes [0] ResponseBytes OPTIONAL }
 * ResponseBytes ::= SEQUENCE { responseType OBJECT IDENTIFIER, response OCTET STRING }  (4.2.1) */
static seki_reason response_read(seki_span der, seki_ocsp *r, const uint8_t **fault)
{
    seki_span in, explicit_bytes, bytes, type, response, basic;
    uint8_t status;
    const uint8_t *at = der.data;
    if (!seki_der_take(&der, SEKI_DER_SEQUENCE, &in, NULL))
        return malformed(fault, at);
    if (der.length != 0)
        return malformed(fault, der.data);
    at = in.data;
    if (!take_code(&in, &status) || status > STATUS_MAX || status == STATUS_UNUSED)
        return malformed(fault, at);
    r->status = status;
    if (status != 0) {
        /* "If the value of responseStatus is one of the error conditions, the responseBytes field is not set." */
        return in.length != 0 ? malformed(fault, in.data) : (*fault = at, SEKI_OCSP_NOT_SUCCESSFUL);
    }
    at = in.data;
    if (!seki_der_take(&in, SEKI_DER_CONTEXT_CONSTRUCTED(0), &explicit_bytes, NULL) || in.length != 0 ||
        !seki_der_take(&explicit_bytes, SEKI_DER_SEQUENCE, &bytes, NULL) || explicit_bytes.length != 0)
        return malformed(fault, at);
    at = bytes.data;
    if (!seki_der_take_oid(&bytes, &type) || !SEKI_OID_IS(type, SEKI_OID_OCSP_BASIC))
        return malformed(fault, at);
    at = bytes.data;
    if (!seki_der_take(&bytes, SEKI_DER_OCTET_STRING, &response, NULL) || bytes.length != 0)
        return malformed(fault, at);
    at = response.data;
    if (!seki_der_take(&response, SEKI_DER_SEQUENCE, &basic, NULL) || response.length != 0)
        return malformed(fault, at);
    return basic_read(basic, r, fault);
}

/* BasicOCSPResponse ::= SEQUENCE { tbsResponseData, signatureAlgorithm, signature BIT STRING,
 *                                  certs [0] SEQUENCE OF Certificate OPTIONAL } */
static seki_reason basic_read(seki_span in, seki_ocsp *r, const uint8_t **fault)
{
    seki_span data, algorithm;
    const uint8_t *at = in.data;
    if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &data, &r->tbs))
        return malformed(fault, at);
    seki_reason reason = data_read(data, r, fault);
    if (reason != SEKI_NOT_DECIDED)
        return reason;
    at = in.data;
    if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &algorithm, NULL))
        return malformed(fault, at);
    if (!seki_signature_algorithm_read(algorithm, &r->signature_algorithm, fault))
        return SEKI_OCSP_MALFORMED;
    at = in.data;
    if (!seki_der_take_octet_bits(&in, &r->signature))
        return malformed(fault, at);
    if (!certificates_read(&in, r, fault))
        return SEKI_OCSP_MALFORMED;
    return in.length != 0 ? malformed(fault, in.data) : SEKI_NOT_DECIDED;
}

/* ResponseData ::= SEQUENCE { version [0] INTEGER DEFAULT v1, responderID, producedAt GeneralizedTime,
 *                             responses SEQUENCE OF SingleResponse, responseExtensions [1] Extensions OPTIONAL }
 * v1 is the one version there is, and DER does not write it (X.690, 11.5). */
static seki_reason data_read(seki_span in, seki_ocsp *r, const uint8_t **fault)
{
    seki_span list;
    if (!responder_read(&in, r, fault))
        return SEKI_OCSP_MALFORMED;
    const uint8_t *at = in.data;
    if (!take_instant(&in, &r->produced_at))
        return malformed(fault, at);
    at = in.data;
    if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &list, NULL))
        return malformed(fault, at);
    while (list.length != 0) {
        seki_span single;
        at = list.data;
        if (r->single_count == SEKI_OCSP_SINGLES_MAX || !seki_der_take(&list, SEKI_DER_SEQUENCE, &single, NULL))
            return malformed(fault, at);
        seki_reason reason = single_read(single, &r->single[r->single_count], fault);
        if (reason != SEKI_NOT_DECIDED)
            return reason;
        r->single_count++;
    }
    seki_reason reason = extensions_read(&in, OF_RESPONSE, &r->extensions, &r->nonce, fault);
    if (reason != SEKI_NOT_DECIDED)
        return reason;
    return in.length != 0 ? malformed(fault, in.data) : SEKI_NOT_DECIDED;
}

/* ResponderID ::= CHOICE { byName [1] Name, byKey [2] KeyHash }; KeyHash: SHA-1 (4.2.1).  A name that is empty names nobody. */
static bool responder_read(seki_span *in, seki_ocsp *r, const uint8_t **fault)
{
    seki_span choice, content;
    const uint8_t *at = in->data;
    if (seki_der_take(in, SEKI_DER_CONTEXT_CONSTRUCTED(1), &choice, NULL)) {
        if (!seki_der_take(&choice, SEKI_DER_SEQUENCE, &content, &r->name) || choice.length != 0 || content.length == 0 ||
            r->name.length > SEKI_NAME_SIZE_MAX)
            return refuse(fault, at);
        return seki_name_is_valid(content, fault);
    }
    if (!seki_der_take(in, SEKI_DER_CONTEXT_CONSTRUCTED(2), &choice, NULL) ||
        !seki_der_take(&choice, SEKI_DER_OCTET_STRING, &r->key_hash, NULL) || choice.length != 0 || r->key_hash.length != SHA1_SIZE)
        return refuse(fault, at);
    return true;
}

/* An empty list is let pass: SEQUENCE OF has no least size there, and some responders write it. */
static bool certificates_read(seki_span *in, seki_ocsp *r, const uint8_t **fault)
{
    seki_span choice, list, content;
    const uint8_t *at = in->data;
    if (!seki_der_next_is(*in, SEKI_DER_CONTEXT_CONSTRUCTED(0)))
        return true;
    if (!seki_der_take(in, SEKI_DER_CONTEXT_CONSTRUCTED(0), &choice, NULL) ||
        !seki_der_take(&choice, SEKI_DER_SEQUENCE, &list, NULL) || choice.length != 0)
        return refuse(fault, at);
    while (list.length != 0) {
        at = list.data;
        if (r->certificate_count == SEKI_OCSP_CERTIFICATES_MAX ||
            !seki_der_take(&list, SEKI_DER_SEQUENCE, &content, &r->certificate[r->certificate_count]))
            return refuse(fault, at);
        r->certificate_count++;
    }
    return true;
}

/* SingleResponse ::= SEQUENCE { certID, certStatus, thisUpdate GeneralizedTime, nextUpdate [0] GeneralizedTime OPTIONAL,
 *                               singleExtensions [1] Extensions OPTIONAL } */
static seki_reason single_read(seki_span in, seki_ocsp_single *s, const uint8_t **fault)
{
    seki_span choice, none;
    s->revoked_at = s->next_update = SEKI_NO_TIME;
    if (!certificate_id_read(&in, s, fault) || !status_read(&in, s, fault))
        return SEKI_OCSP_MALFORMED;
    const uint8_t *at = in.data;
    if (!take_instant(&in, &s->this_update))
        return malformed(fault, at);
    at = in.data;
    if (seki_der_next_is(in, SEKI_DER_CONTEXT_CONSTRUCTED(0))) {
        if (!seki_der_take(&in, SEKI_DER_CONTEXT_CONSTRUCTED(0), &choice, NULL) || !take_instant(&choice, &s->next_update) ||
            choice.length != 0)
            return malformed(fault, at);
        if (s->next_update < s->this_update) /* a window that closes before it opens is no window */
            return malformed(fault, at);
    }
    seki_reason reason = extensions_read(&in, OF_SINGLE, &s->extensions, &none, fault);
    if (reason != SEKI_NOT_DECIDED)
        return reason;
    return in.length != 0 ? malformed(fault, in.data) : SEKI_NOT_DECIDED;
}

/* CertID ::= SEQUENCE { hashAlgorithm AlgorithmIdentifier, issuerNameHash OCTET STRING, issuerKeyHash OCTET STRING,
 *                       serialNumber CertificateSerialNumber }  (4.1.1) */
static bool certificate_id_read(seki_span *in, seki_ocsp_single *s, const uint8_t **fault)
{
    seki_span id;
    size_t size;
    const uint8_t *at = in->data;
    if (!seki_der_take(in, SEKI_DER_SEQUENCE, &id, NULL))
        return refuse(fault, at);
    at = id.data;
    if (!hash_read(&id, &s->hash, &size))
        return refuse(fault, at);
    at = id.data;
    if (!seki_der_take(&id, SEKI_DER_OCTET_STRING, &s->name_hash, NULL) ||
        !seki_der_take(&id, SEKI_DER_OCTET_STRING, &s->key_hash, NULL) || s->name_hash.length != s->key_hash.length ||
        s->name_hash.length == 0 || s->name_hash.length > HASH_SIZE_MAX || (size != 0 && s->name_hash.length != size))
        return refuse(fault, at);
    at = id.data;
    if (!seki_der_take_integer(&id, &s->serial) || s->serial.length > SERIAL_SIZE_MAX || id.length != 0)
        return refuse(fault, at);
    return true;
}

/* RFC 4055, 2.1: parameters are NULL or absent, and both mean the same.  *size is 0 for a hash that is not known. */
static bool hash_read(seki_span *in, uint32_t *hash, size_t *size)
{
    seki_span content, oid, parameter;
    uint8_t tag;
    if (!seki_der_take(in, SEKI_DER_SEQUENCE, &content, NULL) || !seki_der_take_oid(&content, &oid))
        return false;
    bool sha1 = SEKI_OID_IS(oid, SEKI_OID_SHA1), sha256 = SEKI_OID_IS(oid, SEKI_OID_SHA256);
    *hash = sha1 ? SEKI_HASH_SHA1 : sha256 ? SEKI_HASH_SHA256 : SEKI_HASH_NONE;
    *size = sha1 ? SHA1_SIZE : sha256 ? SHA256_SIZE : 0;
    if (content.length == 0)
        return true;
    if (!seki_der_take_any(&content, &tag, &parameter, NULL) || content.length != 0)
        return false;
    return *size != 0 ? tag == SEKI_DER_NULL && parameter.length == 0 : seki_value_is_valid(tag, parameter);
}

/* CertStatus ::= CHOICE { good [0] NULL, revoked [1] RevokedInfo, unknown [2] NULL }, implicit;
 * RevokedInfo ::= SEQUENCE { revocationTime GeneralizedTime, revocationReason [0] CRLReason OPTIONAL } */
static bool status_read(seki_span *in, seki_ocsp_single *s, const uint8_t **fault)
{
    seki_span content, choice;
    uint8_t tag;
    const uint8_t *at = in->data;
    if (!seki_der_take_any(in, &tag, &content, NULL))
        return refuse(fault, at);
    switch (tag) {
    case SEKI_DER_CONTEXT(0):
        s->status = SEKI_OCSP_GOOD;
        return content.length == 0 || refuse(fault, at);
    case SEKI_DER_CONTEXT(2):
        s->status = SEKI_OCSP_UNKNOWN;
        return content.length == 0 || refuse(fault, at);
    case SEKI_DER_CONTEXT_CONSTRUCTED(1):
        break;
    default:
        return refuse(fault, at);
    }
    s->status = SEKI_OCSP_REVOKED;
    if (!take_instant(&content, &s->revoked_at))
        return refuse(fault, at);
    if (seki_der_next_is(content, SEKI_DER_CONTEXT_CONSTRUCTED(0)) &&
        (!seki_der_take(&content, SEKI_DER_CONTEXT_CONSTRUCTED(0), &choice, NULL) || !take_code(&choice, &s->reason) ||
         choice.length != 0 || s->reason > REASON_MAX || s->reason == REASON_UNUSED))
        return refuse(fault, at);
    return content.length == 0 || refuse(fault, content.data);
}

/* 4.2.2.1: GeneralizedTime as RFC 5280, 4.1.2.5.2, has it. */
static bool take_instant(seki_span *in, int64_t *seconds)
{
    seki_span content;
    return seki_der_take(in, SEKI_DER_GENERALIZED_TIME, &content, NULL) &&
           seki_der_time_is_valid(SEKI_DER_GENERALIZED_TIME, content, seconds);
}

/* An ENUMERATED of one octet that is not negative: all that are defined here. */
static bool take_code(seki_span *in, uint8_t *code)
{
    seki_span content;
    if (!seki_der_take(in, SEKI_DER_ENUMERATED, &content, NULL) || content.length != 1 || content.data[0] >= 0x80)
        return false;
    *code = content.data[0];
    return true;
}

/* Extensions [1] OPTIONAL.  4.4: an extension that is critical and not processed refuses; what is read here and not acted upon is not
 * processed. */
static seki_reason extensions_read(seki_span *in, place where, uint32_t *present, seki_span *nonce, const uint8_t **fault)
{
    seki_span unknown[SEKI_EXTENSIONS_MAX], choice, list;
    size_t unknown_count = 0;
    const uint8_t *at = in->data;
    if (!seki_der_next_is(*in, SEKI_DER_CONTEXT_CONSTRUCTED(1)))
        return SEKI_NOT_DECIDED;
    if (!seki_der_take(in, SEKI_DER_CONTEXT_CONSTRUCTED(1), &choice, NULL) ||
        !seki_der_take(&choice, SEKI_DER_SEQUENCE, &list, NULL) || choice.length != 0 || list.length == 0)
        return malformed(fault, at);
    for (size_t count = 0; list.length != 0; count++) {
        seki_extension extension;
        at = list.data;
        if (count == SEKI_EXTENSIONS_MAX || !seki_take_extension(&list, &extension))
            return malformed(fault, at);
        uint32_t kind = known(extension.oid, where);
        if (kind == SEKI_OCSP_EXT_UNKNOWN) {
            for (size_t i = 0; i < unknown_count; i++)
                if (seki_span_equal(unknown[i], extension.oid))
                    return malformed(fault, at);
            unknown[unknown_count++] = extension.oid;
        } else if ((*present & kind) != 0 || !value_read(kind, extension.value, nonce)) {
            return malformed(fault, at);
        }
        if (extension.critical && kind != SEKI_OCSP_EXT_NONCE) {
            *fault = at;
            return SEKI_OCSP_EXTENSION_UNKNOWN_CRITICAL;
        }
        *present |= kind;
    }
    return SEKI_NOT_DECIDED;
}

static uint32_t known(seki_span oid, place where)
{
    if (oid.length != sizeof SEKI_OID_OCSP || /* one arc more: the literal's NUL is counted */
        memcmp(oid.data, SEKI_OID_OCSP, sizeof SEKI_OID_OCSP - 1) != 0)
        return SEKI_OCSP_EXT_UNKNOWN;
    switch (oid.data[oid.length - 1]) {
    case 2:
        return where == OF_RESPONSE ? SEKI_OCSP_EXT_NONCE : SEKI_OCSP_EXT_UNKNOWN;
    case 3:
        return where == OF_SINGLE ? SEKI_OCSP_EXT_CRL_REFERENCE : SEKI_OCSP_EXT_UNKNOWN;
    case 6:
        return where == OF_SINGLE ? SEKI_OCSP_EXT_ARCHIVE_CUTOFF : SEKI_OCSP_EXT_UNKNOWN;
    case 9:
        return where == OF_RESPONSE ? SEKI_OCSP_EXT_EXTENDED_REVOKE : SEKI_OCSP_EXT_UNKNOWN;
    default:
        return SEKI_OCSP_EXT_UNKNOWN;
    }
}

static bool value_read(uint32_t kind, seki_span value, seki_span *nonce)
{
    seki_span content;
    int64_t instant;
    uint8_t tag;
    switch (kind) {
    case SEKI_OCSP_EXT_NONCE: /* RFC 9654, 2.1: OCTET STRING (SIZE (1..128)) */
        return seki_der_take(&value, SEKI_DER_OCTET_STRING, nonce, NULL) && value.length == 0 && nonce->length != 0 &&
               nonce->length <= SEKI_OCSP_NONCE_SIZE_MAX;
    case SEKI_OCSP_EXT_ARCHIVE_CUTOFF: /* 4.4.4 */
        return take_instant(&value, &instant) && value.length == 0;
    case SEKI_OCSP_EXT_EXTENDED_REVOKE: /* 4.4.8: NULL */
        return seki_der_take(&value, SEKI_DER_NULL, &content, NULL) && content.length == 0 && value.length == 0;
    default: /* 4.4.2: a CrlID, by which nothing is decided */
        return seki_der_take_any(&value, &tag, &content, NULL) && value.length == 0 && tag == SEKI_DER_SEQUENCE &&
               seki_value_is_valid(tag, content);
    }
}

static bool refuse(const uint8_t **fault, const uint8_t *at)
{
    *fault = at;
    return false;
}

static seki_reason malformed(const uint8_t **fault, const uint8_t *at)
{
    *fault = at;
    return SEKI_OCSP_MALFORMED;
}

/* ---- for Python ---------------------------------------------------------------------------------- */

static seki_part part(seki_span whole, seki_span inner)
{
    if (inner.data == NULL)
        return (seki_part){0, 0};
    return (seki_part){(uint32_t)(inner.data - whole.data), (uint32_t)inner.length};
}

_Static_assert(sizeof((seki_ocsp_summary *)0)->single / sizeof(seki_ocsp_single_summary) == SEKI_OCSP_SINGLES_MAX &&
                   sizeof((seki_ocsp_summary *)0)->certificate / sizeof(seki_part) == SEKI_OCSP_CERTIFICATES_MAX,
               "sekisho.h writes the numbers out for cffi");

seki_status seki_ocsp_summarize(const uint8_t *der, size_t length, seki_ocsp_summary *out, uint32_t *reason, size_t *fault)
{
    if (out == NULL || reason == NULL || fault == NULL || (der == NULL && length != 0))
        return SEKI_E_ARGUMENT;
    seki_ocsp r;
    seki_span whole = {der, length};
    memset(out, 0, sizeof *out);
    *fault = 0;
    *reason = (uint32_t)seki_ocsp_parse(whole, &r, fault);
    if (*reason == SEKI_OCSP_NOT_SUCCESSFUL)
        out->response_status = r.status;
    if (*reason != SEKI_NOT_DECIDED)
        return SEKI_OK;
    out->signature_algorithm = (uint32_t)r.signature_algorithm;
    out->extensions = r.extensions;
    out->produced_at = r.produced_at;
    out->tbs = part(whole, r.tbs);
    out->responder_name = part(whole, r.name);
    out->responder_key = part(whole, r.key_hash);
    out->nonce = part(whole, r.nonce);
    out->signature = part(whole, r.signature);
    out->certificate_count = (uint32_t)r.certificate_count;
    for (size_t i = 0; i < r.certificate_count; i++)
        out->certificate[i] = part(whole, r.certificate[i]);
    out->single_count = (uint32_t)r.single_count;
    for (size_t i = 0; i < r.single_count; i++) {
        const seki_ocsp_single *s = &r.single[i];
        out->single[i] = (seki_ocsp_single_summary){
            .this_update = s->this_update,
            .next_update = s->next_update,
            .revoked_at = s->revoked_at,
            .hash = s->hash,
            .status = s->status,
            .reason = s->reason,
            .extensions = s->extensions,
            .name_hash = part(whole, s->name_hash),
            .key_hash = part(whole, s->key_hash),
            .serial = part(whole, s->serial),
        };
    }
    return SEKI_OK;
}
