/* extensions.c: see extensions.h.
 *
 * A decoder gets the content of the extension's OCTET STRING and is asked whether it is one well-formed value of
 * the extension's type and nothing more.  Criticality is judged by the stages that own the extension's meaning. */
#include "extensions.h"

#include "name.h"
#include "oid.h"
#include "value.h"

/* SkipCerts and pathLenConstraint are INTEGER (0..MAX): a longer path than this cannot be presented. */
enum { CERTIFICATES_BOUND = INT32_MAX };

enum { KEY_USAGE_BITS = 9 }; /* KeyUsage names bits 0 to 8 (RFC 5280, 4.2.1.3) */

typedef bool decoder(seki_span value, seki_certificate *certificate, const uint8_t **fault);

static uint32_t known_extension(seki_span oid);
static bool openssl_judges(seki_span oid);
static bool decode(uint32_t known, seki_span value, seki_certificate *certificate, const uint8_t **fault);
static decoder subject_key_id, key_usage, basic_constraints, name_constraints, policies, policy_mappings,
    authority_key_id, policy_constraints, extended_key_usage, inhibit_any_policy;
static bool only_sequence(seki_span value, seki_span *content, const uint8_t **fault);
static bool at_most(seki_span list, size_t count, const uint8_t **fault);
static bool distribution_point(seki_span point, const uint8_t **fault);
static bool directory_attributes(seki_span value, const uint8_t **fault);
static bool subtrees(seki_span list, size_t *count, const uint8_t **fault);
static bool policy_qualifiers(seki_span list, seki_certificate *c, const uint8_t **fault);
static bool user_notice(seki_span notice, const uint8_t **fault);
static bool take_display_text(seki_span *in);
static bool ascii(seki_span text);
static bool refuse(const uint8_t **fault, const uint8_t *at);

bool seki_take_extension(seki_span *in, seki_extension *out)
{
    seki_span rest = *in, content;
    if (!seki_der_take(&rest, SEKI_DER_SEQUENCE, &content, NULL) || !seki_der_take_oid(&content, &out->oid))
        return false;
    out->critical = false;
    if (seki_der_next_is(content, SEKI_DER_BOOLEAN)) {
        /* critical BOOLEAN DEFAULT FALSE: DER leaves FALSE out (X.690, 11.5). */
        if (!seki_der_take_boolean(&content, &out->critical) || !out->critical)
            return false;
    }
    if (!seki_der_take(&content, SEKI_DER_OCTET_STRING, &out->value, NULL) || content.length != 0)
        return false;
    out->known = known_extension(out->oid);
    *in = rest;
    return true;
}

seki_reason seki_extensions_read(seki_span list, seki_certificate *certificate, const uint8_t **fault)
{
    seki_span unknown[SEKI_EXTENSIONS_MAX];
    size_t unknown_count = 0;
    certificate->extension_list = list;
    if (list.length == 0) { /* SIZE (1..MAX) */
        *fault = list.data;
        return SEKI_CERTIFICATE_EXTENSION_MALFORMED;
    }
    for (size_t count = 0; list.length != 0; count++) {
        seki_extension extension;
        *fault = list.data;
        if (count == SEKI_EXTENSIONS_MAX || !seki_take_extension(&list, &extension))
            return SEKI_CERTIFICATE_EXTENSION_MALFORMED;
        if (extension.known != SEKI_EXT_UNKNOWN) {
            if ((certificate->extensions & extension.known) != 0)
                return SEKI_CERTIFICATE_EXTENSION_DUPLICATE;
            if (!decode(extension.known, extension.value, certificate, fault))
                return SEKI_CERTIFICATE_EXTENSION_MALFORMED;
        } else {
            for (size_t i = 0; i < unknown_count; i++)
                if (seki_span_equal(unknown[i], extension.oid))
                    return SEKI_CERTIFICATE_EXTENSION_DUPLICATE;
            unknown[unknown_count++] = extension.oid;
            certificate->openssl_judges = certificate->openssl_judges || openssl_judges(extension.oid);
        }
        certificate->extensions |= extension.known;
        if (extension.critical)
            certificate->critical |= extension.known;
        /* 4.2.1.4: of a critical one software "MUST be able to interpret this extension (including the optional qualifier), or
         * MUST reject the certificate". */
        if (extension.critical && extension.known == SEKI_EXT_POLICIES && certificate->unknown_qualifier)
            certificate->critical |= SEKI_EXT_UNKNOWN;
    }
    return SEKI_NOT_DECIDED;
}

/* What X509_check_purpose and X509_verify_cert look at beyond RFC 5280 (OpenSSL 3.0, crypto/x509/v3_purp.c), critical or not. */
static bool openssl_judges(seki_span oid)
{
    return SEKI_OID_IS(oid, SEKI_OID_PROXY) || SEKI_OID_IS(oid, SEKI_OID_IP_BLOCKS) || SEKI_OID_IS(oid, SEKI_OID_AS_NUMBERS)
           || SEKI_OID_IS(oid, SEKI_OID_NETSCAPE_TYPE);
}

static uint32_t known_extension(seki_span oid)
{
    if (oid.length == 3 && memcmp(oid.data, SEKI_OID_ID_CE, 2) == 0) {
        switch (oid.data[2]) {
        case 9:
            return SEKI_EXT_SUBJECT_DIRECTORY;
        case 14:
            return SEKI_EXT_SUBJECT_KEY_ID;
        case 15:
            return SEKI_EXT_KEY_USAGE;
        case 17:
            return SEKI_EXT_SUBJECT_ALT_NAME;
        case 18:
            return SEKI_EXT_ISSUER_ALT_NAME;
        case 19:
            return SEKI_EXT_BASIC_CONSTRAINTS;
        case 30:
            return SEKI_EXT_NAME_CONSTRAINTS;
        case 31:
            return SEKI_EXT_CRL_DISTRIBUTION;
        case 32:
            return SEKI_EXT_POLICIES;
        case 33:
            return SEKI_EXT_POLICY_MAPPINGS;
        case 35:
            return SEKI_EXT_AUTHORITY_KEY_ID;
        case 36:
            return SEKI_EXT_POLICY_CONSTRAINTS;
        case 37:
            return SEKI_EXT_EXTENDED_KEY_USAGE;
        case 46:
            return SEKI_EXT_FRESHEST_CRL;
        case 54:
            return SEKI_EXT_INHIBIT_ANY_POLICY;
        default:
            return SEKI_EXT_UNKNOWN;
        }
    }
    if (SEKI_OID_IS(oid, SEKI_OID_AUTHORITY_INFO))
        return SEKI_EXT_AUTHORITY_INFO;
    if (SEKI_OID_IS(oid, SEKI_OID_SUBJECT_INFO))
        return SEKI_EXT_SUBJECT_INFO;
    return SEKI_EXT_UNKNOWN;
}

static bool decode(uint32_t known, seki_span value, seki_certificate *c, const uint8_t **fault)
{
    switch (known) {
    case SEKI_EXT_SUBJECT_KEY_ID:
        return subject_key_id(value, c, fault);
    case SEKI_EXT_KEY_USAGE:
        return key_usage(value, c, fault);
    case SEKI_EXT_SUBJECT_ALT_NAME:
        c->subject_alt_name = value;
        return seki_general_names_value_is_valid(value, fault);
    case SEKI_EXT_ISSUER_ALT_NAME:
        c->issuer_alt_name = value;
        return seki_general_names_value_is_valid(value, fault);
    case SEKI_EXT_BASIC_CONSTRAINTS:
        return basic_constraints(value, c, fault);
    case SEKI_EXT_NAME_CONSTRAINTS:
        return name_constraints(value, c, fault);
    case SEKI_EXT_CRL_DISTRIBUTION:
        c->crl_distribution = value;
        return seki_distribution_points_are_valid(value, fault);
    case SEKI_EXT_POLICIES:
        return policies(value, c, fault);
    case SEKI_EXT_POLICY_MAPPINGS:
        return policy_mappings(value, c, fault);
    case SEKI_EXT_AUTHORITY_KEY_ID:
        return authority_key_id(value, c, fault);
    case SEKI_EXT_POLICY_CONSTRAINTS:
        return policy_constraints(value, c, fault);
    case SEKI_EXT_EXTENDED_KEY_USAGE:
        return extended_key_usage(value, c, fault);
    case SEKI_EXT_INHIBIT_ANY_POLICY:
        return inhibit_any_policy(value, c, fault);
    case SEKI_EXT_AUTHORITY_INFO:
        c->authority_info = value;
        return seki_access_descriptions_are_valid(value, fault);
    case SEKI_EXT_FRESHEST_CRL:
        c->freshest_crl = value;
        return seki_distribution_points_are_valid(value, fault);
    case SEKI_EXT_SUBJECT_INFO:
        return seki_access_descriptions_are_valid(value, fault);
    case SEKI_EXT_SUBJECT_DIRECTORY:
        return directory_attributes(value, fault);
    default:
        return refuse(fault, value.data);
    }
}

/* RFC 5280, 4.2.1.2: KeyIdentifier ::= OCTET STRING; an empty one identifies nothing. */
static bool subject_key_id(seki_span value, seki_certificate *c, const uint8_t **fault)
{
    seki_span id;
    const uint8_t *at = value.data;
    if (!seki_der_take(&value, SEKI_DER_OCTET_STRING, &id, NULL) || value.length != 0 || id.length == 0)
        return refuse(fault, at);
    c->subject_key_id = id;
    return true;
}

/* RFC 5280, 4.2.1.3: "at least one of the bits MUST be set to 1". */
static bool key_usage(seki_span value, seki_certificate *c, const uint8_t **fault)
{
    uint32_t bits;
    bool trimmed;
    const uint8_t *at = value.data;
    c->key_usage_der = value;
    if (!seki_der_take_named_bits(&value, SEKI_DER_BIT_STRING, KEY_USAGE_BITS, &bits, &trimmed) || value.length != 0)
        return refuse(fault, at);
    if (!trimmed)
        c->departures |= SEKI_DEPARTURE_KEY_USAGE;
    c->key_usage = (uint16_t)bits;
    return true;
}

/* RFC 5280, 4.2.1.9: SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER (0..MAX) OPTIONAL };
 * "CAs MUST NOT include the pathLenConstraint field unless the cA boolean is asserted". */
static bool basic_constraints(seki_span value, seki_certificate *c, const uint8_t **fault)
{
    seki_span in;
    if (!only_sequence(value, &in, fault))
        return false;
    const uint8_t *at = in.data;
    bool is_ca = false;
    if (seki_der_next_is(in, SEKI_DER_BOOLEAN) && (!seki_der_take_boolean(&in, &is_ca) || !is_ca))
        return refuse(fault, at);
    if (in.length != 0) {
        uint64_t length;
        at = in.data;
        if (!is_ca || !seki_der_take_uint(&in, CERTIFICATES_BOUND, &length) || in.length != 0)
            return refuse(fault, at);
        c->path_length = (int32_t)length;
    }
    c->is_ca = is_ca;
    return true;
}

/* RFC 5280, 4.2.1.10: SEQUENCE { permittedSubtrees [0] OPTIONAL, excludedSubtrees [1] OPTIONAL }, not empty. */
static bool name_constraints(seki_span value, seki_certificate *c, const uint8_t **fault)
{
    seki_span in;
    if (!only_sequence(value, &in, fault))
        return false;
    if (in.length == 0)
        return refuse(fault, in.data);
    size_t count = 0;
    for (unsigned part = 0; part < 2; part++) {
        seki_span list;
        if (seki_der_take(&in, SEKI_DER_CONTEXT_CONSTRUCTED(part), &list, NULL) && !subtrees(list, &count, fault))
            return false;
    }
    if (in.length != 0)
        return refuse(fault, in.data);
    c->name_constraints = value;
    return true;
}

/* GeneralSubtree ::= SEQUENCE { base GeneralName, minimum [0] DEFAULT 0, maximum [1] OPTIONAL }; "the minimum MUST
 * be zero, and maximum MUST be absent": in DER there is the base alone. */
static bool subtrees(seki_span list, size_t *count, const uint8_t **fault)
{
    if (list.length == 0)
        return refuse(fault, list.data);
    while (list.length != 0) {
        seki_span subtree;
        const uint8_t *at = list.data;
        if (++*count > SEKI_SUBTREES_MAX || !seki_der_take(&list, SEKI_DER_SEQUENCE, &subtree, NULL))
            return refuse(fault, at);
        if (!seki_take_general_name(&subtree, SEKI_GENERAL_NAME_CONSTRAINT, fault))
            return false;
        if (subtree.length != 0)
            return refuse(fault, subtree.data);
    }
    return true;
}

/* RFC 5280, 4.2.1.4: SEQUENCE SIZE (1..MAX) OF SEQUENCE { policyIdentifier OID, policyQualifiers SEQUENCE OPTIONAL };
 * "A certificate policy OID MUST NOT appear more than once". */
static bool policies(seki_span value, seki_certificate *c, const uint8_t **fault)
{
    seki_span in, seen[SEKI_POLICIES_MAX];
    size_t count = 0;
    if (!only_sequence(value, &in, fault))
        return false;
    if (in.length == 0)
        return refuse(fault, in.data);
    while (in.length != 0) {
        seki_span policy, oid, qualifiers;
        const uint8_t *at = in.data;
        if (count == SEKI_POLICIES_MAX || !seki_der_take(&in, SEKI_DER_SEQUENCE, &policy, NULL) ||
            !seki_der_take_oid(&policy, &oid))
            return refuse(fault, at);
        for (size_t i = 0; i < count; i++)
            if (seki_span_equal(seen[i], oid))
                return refuse(fault, at);
        seen[count++] = oid;
        if (policy.length == 0)
            continue;
        at = policy.data;
        if (!seki_der_take(&policy, SEKI_DER_SEQUENCE, &qualifiers, NULL) || policy.length != 0)
            return refuse(fault, at);
        if (!policy_qualifiers(qualifiers, c, fault))
            return false;
    }
    c->policies = value;
    return true;
}

/* SEQUENCE SIZE (1..MAX) OF SEQUENCE { policyQualifierId OID, qualifier ANY } */
static bool policy_qualifiers(seki_span list, seki_certificate *c, const uint8_t **fault)
{
    if (list.length == 0)
        return refuse(fault, list.data);
    while (list.length != 0) {
        seki_span in, oid, content;
        uint8_t tag;
        const uint8_t *at = list.data;
        if (!seki_der_take(&list, SEKI_DER_SEQUENCE, &in, NULL) || !seki_der_take_oid(&in, &oid))
            return refuse(fault, at);
        at = in.data;
        if (!seki_der_take_any(&in, &tag, &content, NULL) || in.length != 0)
            return refuse(fault, at);
        bool valid;
        if (SEKI_OID_IS(oid, SEKI_OID_QUALIFIER_CPS)) {
            valid = tag == SEKI_DER_IA5_STRING && content.length != 0 && ascii(content);
        } else if (SEKI_OID_IS(oid, SEKI_OID_QUALIFIER_NOTICE)) {
            if (tag == SEKI_DER_SEQUENCE && !user_notice(content, fault))
                return false;
            valid = tag == SEKI_DER_SEQUENCE;
        } else {
            c->unknown_qualifier = true;
            valid = seki_value_is_valid(tag, content);
        }
        if (!valid)
            return refuse(fault, at);
    }
    return true;
}

/* An IA5String, NUL included: the roots of Microsoft's TLS hierarchy (2017) end their CPS pointers with one, and
 * nobody decides anything by the text of a qualifier. */
static bool ascii(seki_span text)
{
    uint8_t any = 0;
    for (size_t i = 0; i < text.length; i++)
        any |= text.data[i];
    return any < 0x80;
}

/* UserNotice ::= SEQUENCE { noticeRef SEQUENCE { organization DisplayText, noticeNumbers SEQUENCE OF INTEGER } OPTIONAL,
 *                           explicitText DisplayText OPTIONAL } */
static bool user_notice(seki_span in, const uint8_t **fault)
{
    seki_span reference, numbers, number;
    const uint8_t *at = in.data;
    if (seki_der_next_is(in, SEKI_DER_SEQUENCE)) {
        if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &reference, NULL) || !take_display_text(&reference) ||
            !seki_der_take(&reference, SEKI_DER_SEQUENCE, &numbers, NULL) || reference.length != 0)
            return refuse(fault, at);
        while (numbers.length != 0)
            if (!seki_der_take_integer(&numbers, &number))
                return refuse(fault, numbers.data);
    }
    if (in.length != 0 && !take_display_text(&in))
        return refuse(fault, in.data);
    return in.length == 0 || refuse(fault, in.data);
}

/* DisplayText: one of four strings, not empty.  Its limit of 200 characters is not enforced: RFC 5280, 4.2.1.4, asks
 * users to handle longer texts gracefully. */
static bool take_display_text(seki_span *in)
{
    seki_span text, rest = *in;
    uint8_t tag;
    if (!seki_der_take_any(&rest, &tag, &text, NULL) || text.length == 0)
        return false;
    if (tag != SEKI_DER_IA5_STRING && tag != SEKI_DER_VISIBLE_STRING && tag != SEKI_DER_BMP_STRING &&
        tag != SEKI_DER_UTF8_STRING)
        return false;
    if (!seki_string_is_valid(tag, text))
        return false;
    *in = rest;
    return true;
}

/* RFC 5280, 4.2.1.5: SEQUENCE SIZE (1..MAX) OF SEQUENCE { issuerDomainPolicy OID, subjectDomainPolicy OID }.
 * That anyPolicy must not be mapped is a matter of the path (6.1.4 (a)). */
static bool policy_mappings(seki_span value, seki_certificate *c, const uint8_t **fault)
{
    seki_span in;
    if (!only_sequence(value, &in, fault))
        return false;
    if (in.length == 0)
        return refuse(fault, in.data);
    while (in.length != 0) {
        seki_span mapping, from, to;
        const uint8_t *at = in.data;
        if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &mapping, NULL) || !seki_der_take_oid(&mapping, &from) ||
            !seki_der_take_oid(&mapping, &to) || mapping.length != 0)
            return refuse(fault, at);
        if (SEKI_OID_IS(from, SEKI_OID_ANY_POLICY) || SEKI_OID_IS(to, SEKI_OID_ANY_POLICY))
            c->maps_any_policy = true;
    }
    c->policy_mappings = value;
    return true;
}

/* RFC 5280, 4.2.1.1: SEQUENCE { keyIdentifier [0] OPTIONAL, authorityCertIssuer [1] GeneralNames OPTIONAL,
 * authorityCertSerialNumber [2] OPTIONAL }, all implicit; appendix A.2: the last two both or neither.  The serial is
 * compared with others only, so any INTEGER will do. */
bool seki_authority_key_id_read(seki_span value, seki_span *id, seki_span *issuer, seki_span *serial, const uint8_t **fault)
{
    seki_span in;
    *id = *issuer = *serial = (seki_span){NULL, 0};
    if (!only_sequence(value, &in, fault))
        return false;
    const uint8_t *at = in.data;
    if (seki_der_take(&in, SEKI_DER_CONTEXT(0), id, NULL) && id->length == 0)
        return refuse(fault, at);
    if (in.length != 0) {
        if (!seki_der_take(&in, SEKI_DER_CONTEXT_CONSTRUCTED(1), issuer, NULL))
            return refuse(fault, in.data);
        if (!seki_general_names_are_valid(*issuer, fault))
            return false;
        at = in.data;
        if (!seki_der_take(&in, SEKI_DER_CONTEXT(2), serial, NULL) || !seki_der_integer_is_valid(*serial) ||
            in.length != 0)
            return refuse(fault, at);
    }
    return true;
}

static bool authority_key_id(seki_span value, seki_certificate *c, const uint8_t **fault)
{
    return seki_authority_key_id_read(value, &c->authority_key_id, &c->authority_issuer, &c->authority_serial, fault);
}

/* RFC 5280, 4.2.1.11: SEQUENCE { requireExplicitPolicy [0] OPTIONAL, inhibitPolicyMapping [1] OPTIONAL }, not empty. */
static bool policy_constraints(seki_span value, seki_certificate *c, const uint8_t **fault)
{
    seki_span in;
    if (!only_sequence(value, &in, fault))
        return false;
    if (in.length == 0)
        return refuse(fault, in.data);
    for (unsigned part = 0; part < 2; part++) {
        uint64_t skip;
        if (seki_der_next_is(in, SEKI_DER_CONTEXT(part)) &&
            !seki_der_take_tagged_uint(&in, SEKI_DER_CONTEXT(part), CERTIFICATES_BOUND, &skip))
            return refuse(fault, in.data);
    }
    if (in.length != 0)
        return refuse(fault, in.data);
    c->policy_constraints = value;
    return true;
}

/* RFC 5280, 4.2.1.12: SEQUENCE SIZE (1..MAX) OF OID.  A purpose said twice says nothing new; no rule forbids it. */
static bool extended_key_usage(seki_span value, seki_certificate *c, const uint8_t **fault)
{
    seki_span in, oid;
    uint32_t usage = 0;
    if (!only_sequence(value, &in, fault))
        return false;
    if (in.length == 0)
        return refuse(fault, in.data);
    while (in.length != 0) {
        if (!seki_der_take_oid(&in, &oid))
            return refuse(fault, in.data);
        uint32_t purpose = SEKI_EKU_OTHER;
        if (SEKI_OID_IS(oid, SEKI_OID_EKU_ANY)) {
            purpose = SEKI_EKU_ANY;
        } else if (oid.length == 8 && memcmp(oid.data, SEKI_OID_ID_KP, 7) == 0) {
            switch (oid.data[7]) {
            case 1:
                purpose = SEKI_EKU_SERVER_AUTH;
                break;
            case 2:
                purpose = SEKI_EKU_CLIENT_AUTH;
                break;
            case 3:
                purpose = SEKI_EKU_CODE_SIGNING;
                break;
            case 4:
                purpose = SEKI_EKU_EMAIL_PROTECTION;
                break;
            case 8:
                purpose = SEKI_EKU_TIME_STAMPING;
                break;
            case 9:
                purpose = SEKI_EKU_OCSP_SIGNING;
                break;
            default:
                break;
            }
        }
        usage |= purpose;
    }
    c->extended_key_usage = usage;
    c->extended_key_usage_der = value;
    return true;
}

/* RFC 5280, 4.2.1.14: SkipCerts */
static bool inhibit_any_policy(seki_span value, seki_certificate *c, const uint8_t **fault)
{
    uint64_t skip;
    c->inhibit_any_policy = value;
    const uint8_t *at = value.data;
    return (seki_der_take_uint(&value, CERTIFICATES_BOUND, &skip) && value.length == 0) || refuse(fault, at);
}

/* RFC 5280, 4.2.1.6 and 4.2.1.7 */
bool seki_general_names_value_is_valid(seki_span value, const uint8_t **fault)
{
    seki_span names;
    return only_sequence(value, &names, fault) && at_most(names, SEKI_GENERAL_NAMES_MAX, fault)
           && seki_general_names_are_valid(names, fault);
}

/* RFC 5280, 4.2.1.13: SEQUENCE SIZE (1..MAX) OF DistributionPoint */
bool seki_distribution_points_are_valid(seki_span value, const uint8_t **fault)
{
    seki_span in;
    if (!only_sequence(value, &in, fault))
        return false;
    if (in.length == 0)
        return refuse(fault, in.data);
    while (in.length != 0) {
        seki_span point;
        const uint8_t *at = in.data;
        if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &point, NULL))
            return refuse(fault, at);
        if (!distribution_point(point, fault))
            return false;
    }
    return true;
}

/* DistributionPoint ::= SEQUENCE { distributionPoint [0] EXPLICIT CHOICE { fullName [0] GeneralNames,
 *     nameRelativeToCRLIssuer [1] RelativeDistinguishedName } OPTIONAL, reasons [1] OPTIONAL, cRLIssuer [2] OPTIONAL };
 * "either distributionPoint or cRLIssuer MUST be present". */
static bool distribution_point(seki_span point, const uint8_t **fault)
{
    seki_span choice, content;
    seki_point_name name;
    uint32_t reasons;
    bool named = false;
    const uint8_t *start = point.data, *at;
    if (seki_der_take(&point, SEKI_DER_CONTEXT_CONSTRUCTED(0), &choice, NULL)) {
        if (!seki_point_name_read(choice, &name, fault))
            return false;
        named = true;
    }
    at = point.data;
    if (seki_der_next_is(point, SEKI_DER_CONTEXT(1)) &&
        !seki_der_take_named_bits(&point, SEKI_DER_CONTEXT(1), SEKI_REASON_BITS, &reasons, NULL))
        return refuse(fault, at);
    if (seki_der_take(&point, SEKI_DER_CONTEXT_CONSTRUCTED(2), &content, NULL)) {
        if (!seki_general_names_are_valid(content, fault))
            return false;
        named = true;
    }
    if (point.length != 0)
        return refuse(fault, point.data);
    return named || refuse(fault, start);
}

bool seki_point_name_read(seki_span choice, seki_point_name *out, const uint8_t **fault)
{
    seki_span content;
    uint8_t tag;
    const uint8_t *at = choice.data;
    *out = (seki_point_name){{NULL, 0}, {NULL, 0}};
    if (!seki_der_take_any(&choice, &tag, &content, NULL) || choice.length != 0)
        return refuse(fault, at);
    if (tag == SEKI_DER_CONTEXT_CONSTRUCTED(0)) {
        out->full_name = content;
        return seki_general_names_are_valid(content, fault);
    }
    out->relative = content;
    return tag == SEKI_DER_CONTEXT_CONSTRUCTED(1) ? seki_rdn_is_valid(content, fault) : refuse(fault, at);
}

/* RFC 5280, 4.2.2.1 and 4.2.2.2: SEQUENCE SIZE (1..MAX) OF SEQUENCE { accessMethod OID, accessLocation GeneralName } */
bool seki_access_descriptions_are_valid(seki_span value, const uint8_t **fault)
{
    seki_span in;
    if (!only_sequence(value, &in, fault))
        return false;
    if (in.length == 0)
        return refuse(fault, in.data);
    while (in.length != 0) {
        seki_span access, method;
        const uint8_t *at = in.data;
        if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &access, NULL) || !seki_der_take_oid(&access, &method))
            return refuse(fault, at);
        if (!seki_take_general_name(&access, SEKI_GENERAL_NAME, fault))
            return false;
        if (access.length != 0)
            return refuse(fault, access.data);
    }
    return true;
}

/* RFC 5280, 4.2.1.8: SEQUENCE SIZE (1..MAX) OF SEQUENCE { type OID, values SET OF ANY } */
static bool directory_attributes(seki_span value, const uint8_t **fault)
{
    seki_span in;
    if (!only_sequence(value, &in, fault))
        return false;
    if (in.length == 0)
        return refuse(fault, in.data);
    while (in.length != 0) {
        seki_span attribute, type, values;
        const uint8_t *at = in.data;
        if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &attribute, NULL) || !seki_der_take_oid(&attribute, &type))
            return refuse(fault, at);
        at = attribute.data;
        if (!seki_der_take(&attribute, SEKI_DER_SET, &values, NULL) || attribute.length != 0 || values.length == 0 ||
            !seki_value_is_valid(SEKI_DER_SET, values))
            return refuse(fault, at);
    }
    return true;
}

static bool only_sequence(seki_span value, seki_span *content, const uint8_t **fault)
{
    const uint8_t *at = value.data;
    return (seki_der_take(&value, SEKI_DER_SEQUENCE, content, NULL) && value.length == 0) || refuse(fault, at);
}

/* Whether `list` has no more than `count` elements; whether they are any is for their reader to say. */
static bool at_most(seki_span list, size_t count, const uint8_t **fault)
{
    uint8_t tag;
    seki_span content;
    while (count != 0 && seki_der_take_any(&list, &tag, &content, NULL))
        count--;
    return count != 0 || list.length == 0 || refuse(fault, list.data);
}

static bool refuse(const uint8_t **fault, const uint8_t *at)
{
    *fault = at;
    return false;
}
