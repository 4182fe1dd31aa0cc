/* crl_extensions.c: see crl_extensions.h.
 *
 * Critical where they must be (5.2.4, 5.2.5): deltaCRLIndicator and issuingDistributionPoint.  Critical where they must not be: those
 * that are acted upon, authorityKeyIdentifier and cRLNumber, are taken; the others would be a CRL that asks for what is not done. */
#include "crl_extensions.h"

#include "oid.h"

enum { NUMBER_SIZE_MAX = 20 }; /* octets; RFC 5280, 5.2.3 */

static uint32_t known(seki_span oid);
static bool value_read(uint32_t kind, const seki_extension *extension, seki_crl_extensions *out, const uint8_t **fault);
static bool number_read(seki_span value, seki_span *magnitude, const uint8_t **fault);
static bool idp_read(seki_span value, seki_crl_extensions *out, const uint8_t **fault);
static bool take_true(seki_span *in, unsigned number, bool *present);
static seki_reason refuse(const uint8_t **fault, const uint8_t *at, seki_reason reason);

seki_reason seki_crl_extensions_read(seki_span list, seki_crl_extensions *out, const uint8_t **fault)
{
    seki_span unknown[SEKI_EXTENSIONS_MAX];
    size_t unknown_count = 0;
    *out = (seki_crl_extensions){.reasons = SEKI_CRL_REASONS_ALL};
    const uint8_t *start = *fault = list.data;
    if (list.length == 0) /* SIZE (1..MAX) */
        return SEKI_CRL_EXTENSION_MALFORMED;
    for (size_t count = 0; list.length != 0; count++) {
        seki_extension extension;
        const uint8_t *at = *fault = list.data;
        if (count == SEKI_EXTENSIONS_MAX || !seki_take_extension(&list, &extension))
            return SEKI_CRL_EXTENSION_MALFORMED;
        uint32_t kind = known(extension.oid);
        if (kind == SEKI_CRL_EXT_UNKNOWN) {
            for (size_t i = 0; i < unknown_count; i++)
                if (seki_span_equal(unknown[i], extension.oid))
                    return refuse(fault, at, SEKI_CRL_EXTENSION_DUPLICATE);
            unknown[unknown_count++] = extension.oid;
        } else {
            if ((out->present & kind) != 0)
                return refuse(fault, at, SEKI_CRL_EXTENSION_DUPLICATE);
            if (!value_read(kind, &extension, out, fault))
                return SEKI_CRL_EXTENSION_MALFORMED;
        }
        /* 5.2: "If a CRL contains a critical extension that the application cannot process, then the application MUST NOT use
         * that CRL to determine the status of certificates." */
        uint32_t idle = SEKI_CRL_EXT_UNKNOWN | SEKI_CRL_EXT_ISSUER_ALT_NAME | SEKI_CRL_EXT_FRESHEST | SEKI_CRL_EXT_AUTHORITY_INFO;
        if (extension.critical && (kind & idle) != 0)
            return refuse(fault, at, SEKI_CRL_EXTENSION_UNKNOWN_CRITICAL);
        out->present |= kind;
    }
    /* 5.2.3: every complete and delta CRL has a number; a delta that has none follows on nothing. */
    if ((out->present & SEKI_CRL_EXT_DELTA) != 0 && (out->present & SEKI_CRL_EXT_NUMBER) == 0)
        return refuse(fault, start, SEKI_CRL_EXTENSION_MALFORMED);
    return SEKI_NOT_DECIDED;
}

static uint32_t known(seki_span oid)
{
    if (SEKI_OID_IS(oid, SEKI_OID_AUTHORITY_INFO))
        return SEKI_CRL_EXT_AUTHORITY_INFO;
    if (oid.length != 3 || memcmp(oid.data, SEKI_OID_ID_CE, 2) != 0)
        return SEKI_CRL_EXT_UNKNOWN;
    switch (oid.data[2]) {
    case 18:
        return SEKI_CRL_EXT_ISSUER_ALT_NAME;
    case 20:
        return SEKI_CRL_EXT_NUMBER;
    case 27:
        return SEKI_CRL_EXT_DELTA;
    case 28:
        return SEKI_CRL_EXT_IDP;
    case 35:
        return SEKI_CRL_EXT_AUTHORITY_KEY_ID;
    case 46:
        return SEKI_CRL_EXT_FRESHEST;
    default:
        return SEKI_CRL_EXT_UNKNOWN;
    }
}

static bool value_read(uint32_t kind, const seki_extension *extension, seki_crl_extensions *out, const uint8_t **fault)
{
    seki_span value = extension->value, issuer, serial;
    *fault = value.data;
    switch (kind) {
    case SEKI_CRL_EXT_AUTHORITY_KEY_ID:
        out->authority_key = value;
        return seki_authority_key_id_read(value, &out->key_id, &issuer, &serial, fault);
    case SEKI_CRL_EXT_ISSUER_ALT_NAME:
        out->issuer_alt_name = value;
        return seki_general_names_value_is_valid(value, fault);
    case SEKI_CRL_EXT_NUMBER: /* "MUST be non-critical": whoever marks it means something else by it */
        return !extension->critical && number_read(value, &out->number, fault);
    case SEKI_CRL_EXT_DELTA:
        out->flags |= SEKI_CRL_IS_DELTA;
        return extension->critical && number_read(value, &out->base_number, fault);
    case SEKI_CRL_EXT_IDP:
        out->idp = value;
        return extension->critical && idp_read(value, out, fault);
    case SEKI_CRL_EXT_FRESHEST:
        out->freshest = value;
        return seki_distribution_points_are_valid(value, fault);
    default:
        out->authority_info = value;
        return seki_access_descriptions_are_valid(value, fault);
    }
}

/* CRLNumber ::= INTEGER (0..MAX): "CRL verifiers MUST be able to handle CRLNumber values up to 20 octets", and issuers write no
 * longer ones. */
static bool number_read(seki_span value, seki_span *magnitude, const uint8_t **fault)
{
    seki_span content, in = value;
    *fault = value.data;
    return seki_der_take_integer(&in, &content) && in.length == 0 && content.length <= NUMBER_SIZE_MAX &&
           seki_der_take_magnitude(&value, magnitude);
}

/* IssuingDistributionPoint ::= SEQUENCE { distributionPoint [0] EXPLICIT DistributionPointName OPTIONAL,
 *     onlyContainsUserCerts [1] BOOLEAN DEFAULT FALSE, onlyContainsCACerts [2] the same, onlySomeReasons [3] ReasonFlags OPTIONAL,
 *     indirectCRL [4] BOOLEAN DEFAULT FALSE, onlyContainsAttributeCerts [5] the same } (5.2.5) */
static bool idp_read(seki_span value, seki_crl_extensions *out, const uint8_t **fault)
{
    static const uint32_t said[6] = {0, SEKI_CRL_ONLY_USER, SEKI_CRL_ONLY_CA, 0, SEKI_CRL_IS_INDIRECT, SEKI_CRL_ONLY_ATTRIBUTE};
    seki_span in, choice;
    unsigned only = 0;
    *fault = value.data;
    if (!seki_der_take(&value, SEKI_DER_SEQUENCE, &in, NULL) || value.length != 0)
        return false;
    *fault = in.data;
    if (in.length == 0) /* "the DER encoding of IssuingDistributionPoint MUST NOT be an empty sequence" */
        return false;
    if (seki_der_next_is(in, SEKI_DER_CONTEXT_CONSTRUCTED(0)) &&
        (!seki_der_take(&in, SEKI_DER_CONTEXT_CONSTRUCTED(0), &choice, NULL) || !seki_point_name_read(choice, &out->point, fault)))
        return false;
    for (unsigned number = 1; number <= 5; number++) {
        bool present = false;
        *fault = in.data;
        if (number == 3) {
            if (seki_der_next_is(in, SEKI_DER_CONTEXT(3)) &&
                !seki_der_take_named_bits(&in, SEKI_DER_CONTEXT(3), SEKI_REASON_BITS, &out->reasons, NULL))
                return false;
            continue;
        }
        if (!take_true(&in, number, &present))
            return false;
        if (present)
            out->flags |= said[number];
        only += present && number != 4;
    }
    /* "at most one of onlyContainsUserCerts, onlyContainsCACerts, and onlyContainsAttributeCerts may be set to TRUE" */
    *fault = in.data;
    return in.length == 0 && only <= 1;
}

/* An implicit BOOLEAN DEFAULT FALSE: DER leaves FALSE out (X.690, 11.5). */
static bool take_true(seki_span *in, unsigned number, bool *present)
{
    seki_span content;
    *present = seki_der_next_is(*in, SEKI_DER_CONTEXT(number));
    return !*present || (seki_der_take(in, SEKI_DER_CONTEXT(number), &content, NULL) && content.length == 1 && content.data[0] == 0xff);
}

static seki_reason refuse(const uint8_t **fault, const uint8_t *at, seki_reason reason)
{
    *fault = at;
    return reason;
}
