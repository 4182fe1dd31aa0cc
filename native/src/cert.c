/* cert.c: see cert.h. */
#include "cert.h"

#include "der.h"
#include "extensions.h"
#include "name.h"

enum { SERIAL_SIZE_MAX = 20 }; /* octets; RFC 5280, 4.1.2.2 */

static seki_reason parse(seki_span der, bool is_anchor, seki_certificate *out, size_t *fault);
static seki_reason departure_reason(const seki_certificate *c, const uint8_t **fault);
static seki_reason certificate_read(seki_span der, seki_certificate *c, const uint8_t **fault);
static seki_reason tbs_read(seki_span tbs, seki_span *inner_algorithm, seki_certificate *c, const uint8_t **fault);
static seki_reason version_read(seki_span *in, seki_certificate *c, const uint8_t **fault);
static seki_reason serial_read(seki_span *in, seki_certificate *c, const uint8_t **fault);
static seki_reason name_read(seki_span *in, bool may_be_empty, seki_span *whole, const uint8_t **fault);
static seki_reason validity_read(seki_span *in, seki_certificate *c, const uint8_t **fault);
static seki_reason key_read(seki_span *in, seki_certificate *c, const uint8_t **fault);
static seki_reason unique_ids_read(seki_span *in, const seki_certificate *c, const uint8_t **fault);
static seki_reason extensions_read(seki_span *in, seki_certificate *c, const uint8_t **fault);
static seki_reason refuse(const uint8_t **fault, const uint8_t *at, seki_reason reason);

seki_reason seki_certificate_parse(seki_span der, seki_certificate *out, size_t *fault)
{
    return parse(der, false, out, fault);
}

seki_reason seki_certificate_parse_anchor(seki_span der, seki_certificate *out, size_t *fault)
{
    return parse(der, true, out, fault);
}

static seki_reason parse(seki_span der, bool is_anchor, seki_certificate *out, size_t *fault)
{
    seki_certificate c = {.der = der, .path_length = -1};
    const uint8_t *at = der.data;
    seki_reason reason;
    if (der.length == 0)
        reason = SEKI_INPUT_MISSING;
    else if (der.length > SEKI_CERTIFICATE_SIZE_MAX)
        reason = SEKI_INPUT_TOO_LARGE;
    else
        reason = certificate_read(der, &c, &at);
    if (reason == SEKI_NOT_DECIDED && !is_anchor)
        reason = departure_reason(&c, &at);
    if (reason == SEKI_NOT_DECIDED)
        *out = c;
    else if (fault != NULL)
        *fault = der.length == 0 ? 0 : (size_t)(at - der.data);
    return reason;
}

bool seki_certificate_has_policy(const seki_certificate *certificate, seki_span oid)
{
    seki_span value = certificate->policies, in, policy, found;
    if (!seki_der_take(&value, SEKI_DER_SEQUENCE, &in, NULL))
        return false;
    while (seki_der_take(&in, SEKI_DER_SEQUENCE, &policy, NULL))
        if (seki_der_take_oid(&policy, &found) && seki_span_equal(found, oid))
            return true;
    return false;
}

static seki_reason departure_reason(const seki_certificate *c, const uint8_t **fault)
{
    if ((c->departures & SEKI_DEPARTURE_SERIAL) != 0)
        return refuse(fault, c->serial.data, SEKI_CERTIFICATE_SERIAL);
    if ((c->departures & SEKI_DEPARTURE_KEY_USAGE) != 0)
        return refuse(fault, c->key_usage_der.data, SEKI_CERTIFICATE_EXTENSION_MALFORMED);
    return SEKI_NOT_DECIDED;
}

/* Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING } (RFC 5280, 4.1) */
static seki_reason certificate_read(seki_span der, seki_certificate *c, const uint8_t **fault)
{
    seki_span in, tbs, inner_algorithm, content, outer_algorithm;
    const uint8_t *at = der.data;
    if (!seki_der_take(&der, SEKI_DER_SEQUENCE, &in, NULL))
        return refuse(fault, at, SEKI_CERTIFICATE_MALFORMED);
    if (der.length != 0)
        return refuse(fault, der.data, SEKI_CERTIFICATE_TRAILING_DATA);
    if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &tbs, &c->tbs))
        return refuse(fault, in.data, SEKI_CERTIFICATE_MALFORMED);
    seki_reason reason = tbs_read(tbs, &inner_algorithm, c, fault);
    if (reason != SEKI_NOT_DECIDED)
        return reason;
    at = in.data;
    if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &content, &outer_algorithm))
        return refuse(fault, at, SEKI_CERTIFICATE_MALFORMED);
    /* 4.1.1.2: "This field MUST contain the same algorithm identifier as the signature field". */
    if (!seki_span_equal(inner_algorithm, outer_algorithm))
        return refuse(fault, at, SEKI_CERTIFICATE_ALGORITHMS_DIFFER);
    if (!seki_der_take_octet_bits(&in, &c->signature) || in.length != 0)
        return refuse(fault, in.data, SEKI_CERTIFICATE_MALFORMED);
    return SEKI_NOT_DECIDED;
}

static seki_reason tbs_read(seki_span in, seki_span *inner_algorithm, seki_certificate *c, const uint8_t **fault)
{
    seki_reason reason;
    seki_span content;
    if ((reason = version_read(&in, c, fault)) != SEKI_NOT_DECIDED)
        return reason;
    if ((reason = serial_read(&in, c, fault)) != SEKI_NOT_DECIDED)
        return reason;
    if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &content, inner_algorithm))
        return refuse(fault, in.data, SEKI_CERTIFICATE_MALFORMED);
    if (!seki_signature_algorithm_read(content, &c->signature_algorithm, fault))
        return SEKI_CERTIFICATE_MALFORMED;
    /* 4.1.2.4: "The issuer field MUST contain a non-empty distinguished name". */
    if ((reason = name_read(&in, false, &c->issuer, fault)) != SEKI_NOT_DECIDED)
        return reason;
    if ((reason = validity_read(&in, c, fault)) != SEKI_NOT_DECIDED)
        return reason;
    if ((reason = name_read(&in, true, &c->subject, fault)) != SEKI_NOT_DECIDED)
        return reason;
    if ((reason = key_read(&in, c, fault)) != SEKI_NOT_DECIDED)
        return reason;
    if ((reason = unique_ids_read(&in, c, fault)) != SEKI_NOT_DECIDED)
        return reason;
    if ((reason = extensions_read(&in, c, fault)) != SEKI_NOT_DECIDED)
        return reason;
    if (in.length != 0)
        return refuse(fault, in.data, SEKI_CERTIFICATE_MALFORMED);
    return SEKI_NOT_DECIDED;
}

/* version [0] EXPLICIT INTEGER { v1(0), v2(1), v3(2) } DEFAULT v1: v1 is the one that is not written. */
static seki_reason version_read(seki_span *in, seki_certificate *c, const uint8_t **fault)
{
    const uint8_t *at = in->data;
    c->version = 1;
    if (!seki_der_next_is(*in, SEKI_DER_CONTEXT_CONSTRUCTED(0)))
        return SEKI_NOT_DECIDED;
    seki_span content, number;
    if (!seki_der_take(in, SEKI_DER_CONTEXT_CONSTRUCTED(0), &content, NULL) ||
        !seki_der_take_integer(&content, &number) || content.length != 0)
        return refuse(fault, at, SEKI_CERTIFICATE_MALFORMED);
    if (number.length != 1 || number.data[0] < 1 || number.data[0] > 2)
        return refuse(fault, at, SEKI_CERTIFICATE_VERSION);
    c->version = (uint8_t)(number.data[0] + 1);
    return SEKI_NOT_DECIDED;
}

/* 4.1.2.2: positive, and "conforming CAs MUST NOT use serialNumber values longer than 20 octets".  Read as content
 * octets of the INTEGER, a leading 00 included: so do BoringSSL, webpki and the CA/Browser Forum, and a serial then
 * fits 20 octets wherever it is kept. */
static seki_reason serial_read(seki_span *in, seki_certificate *c, const uint8_t **fault)
{
    const uint8_t *at = in->data;
    if (!seki_der_take_integer(in, &c->serial))
        return refuse(fault, at, SEKI_CERTIFICATE_SERIAL);
    if (c->serial.length > SERIAL_SIZE_MAX)
        return refuse(fault, at, SEKI_CERTIFICATE_SERIAL);
    bool negative = (c->serial.data[0] & 0x80) != 0;
    bool zero = c->serial.length == 1 && c->serial.data[0] == 0;
    if (negative || zero)
        c->departures |= SEKI_DEPARTURE_SERIAL;
    return SEKI_NOT_DECIDED;
}

static seki_reason name_read(seki_span *in, bool may_be_empty, seki_span *whole, const uint8_t **fault)
{
    seki_span content;
    const uint8_t *at = in->data;
    if (!seki_der_take(in, SEKI_DER_SEQUENCE, &content, whole) || (content.length == 0 && !may_be_empty) ||
        whole->length > SEKI_NAME_SIZE_MAX)
        return refuse(fault, at, SEKI_CERTIFICATE_NAME_MALFORMED);
    return seki_name_is_valid(content, fault) ? SEKI_NOT_DECIDED : SEKI_CERTIFICATE_NAME_MALFORMED;
}

/* Validity ::= SEQUENCE { notBefore Time, notAfter Time }.  A window that closes before it opens is no window. */
static seki_reason validity_read(seki_span *in, seki_certificate *c, const uint8_t **fault)
{
    seki_span content;
    const uint8_t *at = in->data;
    if (!seki_der_take(in, SEKI_DER_SEQUENCE, &content, NULL))
        return refuse(fault, at, SEKI_CERTIFICATE_VALIDITY_MALFORMED);
    if (!seki_der_take_time(&content, &c->not_before) || !seki_der_take_time(&content, &c->not_after) ||
        content.length != 0)
        return refuse(fault, content.data, SEKI_CERTIFICATE_VALIDITY_MALFORMED);
    if (c->not_before > c->not_after)
        return refuse(fault, at, SEKI_CERTIFICATE_VALIDITY_MALFORMED);
    return SEKI_NOT_DECIDED;
}

static seki_reason key_read(seki_span *in, seki_certificate *c, const uint8_t **fault)
{
    seki_span content;
    const uint8_t *at = in->data;
    if (!seki_der_take(in, SEKI_DER_SEQUENCE, &content, &c->spki))
        return refuse(fault, at, SEKI_CERTIFICATE_MALFORMED);
    c->key_reason = (uint16_t)seki_spki_parse(c->spki, &c->key);
    if (c->key_reason == SEKI_KEY_MALFORMED && !seki_spki_is_well_formed(c->spki))
        return refuse(fault, at, SEKI_CERTIFICATE_MALFORMED);
    return SEKI_NOT_DECIDED;
}

/* issuerUniqueID [1], subjectUniqueID [2], implicit BIT STRINGs: "MUST NOT appear if the version is 1" (4.1.2.8). */
static seki_reason unique_ids_read(seki_span *in, const seki_certificate *c, const uint8_t **fault)
{
    for (unsigned number = 1; number <= 2; number++) {
        seki_span bits;
        const uint8_t *at = in->data;
        if (!seki_der_next_is(*in, SEKI_DER_CONTEXT(number)))
            continue;
        if (c->version == 1)
            return refuse(fault, at, SEKI_CERTIFICATE_VERSION);
        if (!seki_der_take(in, SEKI_DER_CONTEXT(number), &bits, NULL) || !seki_der_bits_are_valid(bits))
            return refuse(fault, at, SEKI_CERTIFICATE_MALFORMED);
    }
    return SEKI_NOT_DECIDED;
}

/* extensions [3] EXPLICIT SEQUENCE OF Extension: "MUST only appear if the version is 3" (4.1.2.9). */
static seki_reason extensions_read(seki_span *in, seki_certificate *c, const uint8_t **fault)
{
    seki_span content, list;
    const uint8_t *at = in->data;
    if (!seki_der_next_is(*in, SEKI_DER_CONTEXT_CONSTRUCTED(3)))
        return SEKI_NOT_DECIDED;
    if (c->version != 3)
        return refuse(fault, at, SEKI_CERTIFICATE_VERSION);
    if (!seki_der_take(in, SEKI_DER_CONTEXT_CONSTRUCTED(3), &content, NULL) ||
        !seki_der_take(&content, SEKI_DER_SEQUENCE, &list, NULL) || content.length != 0)
        return refuse(fault, at, SEKI_CERTIFICATE_MALFORMED);
    return seki_extensions_read(list, c, fault);
}

static seki_reason refuse(const uint8_t **fault, const uint8_t *at, seki_reason reason)
{
    *fault = at;
    return reason;
}
