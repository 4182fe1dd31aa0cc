/* name.c: see name.h. */
#include "name.h"

#include "oid.h"
#include "value.h"

enum { DNS_NAME_MAX = 253, DNS_LABEL_MAX = 63 }; /* octets as text; RFC 1035, 2.3.4 */

static bool refuse(const uint8_t **fault, const uint8_t *at);
static bool attribute_is_valid(seki_span content, seki_span *type, const uint8_t **fault);
static bool seen(const seki_span *types, size_t count);
static bool in_order(seki_span before, seki_span after);
static bool general_name_is_valid(uint8_t tag, seki_span content, seki_general_name_place place,
                                  const uint8_t **fault);
static bool other_name_is_valid(seki_span content, const uint8_t **fault);
static bool edi_party_name_is_valid(seki_span content, const uint8_t **fault);
static bool dns_name_is_valid(seki_span name, seki_general_name_place place);
static bool address_is_valid(seki_span address, seki_general_name_place place);

bool seki_name_is_valid(seki_span content, const uint8_t **fault)
{
    while (content.length != 0) {
        seki_span rdn;
        const uint8_t *at = content.data;
        if (!seki_der_take(&content, SEKI_DER_SET, &rdn, NULL))
            return refuse(fault, at);
        if (!seki_rdn_is_valid(rdn, fault))
            return false;
    }
    return true;
}

bool seki_rdn_is_valid(seki_span content, const uint8_t **fault)
{
    seki_span types[SEKI_RDN_ATTRIBUTES_MAX], before = {NULL, 0};
    size_t count = 0;
    if (content.length == 0)
        return refuse(fault, content.data);
    for (;;) {
        seki_span attribute, whole;
        const uint8_t *at = content.data;
        if (!seki_der_take(&content, SEKI_DER_SEQUENCE, &attribute, &whole))
            return refuse(fault, at);
        if (!attribute_is_valid(attribute, &types[count], fault))
            return false;
        if (count != 0 && (!in_order(before, whole) || seen(types, count)))
            return refuse(fault, at);
        if (content.length == 0)
            return true;
        if (++count == SEKI_RDN_ATTRIBUTES_MAX)
            return refuse(fault, content.data);
        before = whole;
    }
}

bool seki_take_general_name(seki_span *in, seki_general_name_place place, const uint8_t **fault)
{
    seki_span rest = *in, content;
    uint8_t tag;
    if (!seki_der_take_any(&rest, &tag, &content, NULL))
        return refuse(fault, in->data);
    if (!general_name_is_valid(tag, content, place, fault))
        return false;
    *in = rest;
    return true;
}

bool seki_general_names_are_valid(seki_span content, const uint8_t **fault)
{
    if (content.length == 0)
        return refuse(fault, content.data);
    while (content.length != 0)
        if (!seki_take_general_name(&content, SEKI_GENERAL_NAME, fault))
            return false;
    return true;
}

static bool refuse(const uint8_t **fault, const uint8_t *at)
{
    *fault = at;
    return false;
}

/* AttributeTypeAndValue; the value's tag decides what is asked of it. */
static bool attribute_is_valid(seki_span content, seki_span *type, const uint8_t **fault)
{
    seki_span value;
    uint8_t tag;
    const uint8_t *at = content.data;
    if (!seki_der_take_oid(&content, type))
        return refuse(fault, at);
    at = content.data;
    if (!seki_der_take_any(&content, &tag, &value, NULL) || content.length != 0)
        return refuse(fault, at);
    bool is_string = tag == SEKI_DER_UTF8_STRING || tag == SEKI_DER_PRINTABLE_STRING || tag == SEKI_DER_IA5_STRING ||
                     tag == SEKI_DER_TELETEX_STRING || tag == SEKI_DER_BMP_STRING || tag == SEKI_DER_UNIVERSAL_STRING ||
                     tag == SEKI_DER_NUMERIC_STRING;
    bool valid = is_string ? value.length != 0 && seki_string_is_valid(tag, value)
                           : tag == SEKI_DER_BIT_STRING && SEKI_OID_IS(*type, SEKI_OID_UNIQUE_IDENTIFIER) &&
                                 seki_der_bits_are_valid(value);
    return valid || refuse(fault, at);
}

/* Whether the type behind `count` others is among them. */
static bool seen(const seki_span *types, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (seki_span_equal(types[i], types[count]))
            return true;
    return false;
}

/* X.690, 11.6: ascending as octet strings.  One encoding is never the beginning of another. */
static bool in_order(seki_span before, seki_span after)
{
    size_t shorter = before.length < after.length ? before.length : after.length;
    return memcmp(before.data, after.data, shorter) <= 0;
}

static bool general_name_is_valid(uint8_t tag, seki_span content, seki_general_name_place place,
                                  const uint8_t **fault)
{
    bool may_be_empty = place == SEKI_GENERAL_NAME_CONSTRAINT;
    seki_span name;
    bool valid;
    switch (tag) {
    case SEKI_DER_CONTEXT_CONSTRUCTED(0):
        return other_name_is_valid(content, fault);
    case SEKI_DER_CONTEXT(1): /* rfc822Name */
    case SEKI_DER_CONTEXT(6): /* uniformResourceIdentifier */
        valid = content.length == 0 ? may_be_empty : seki_ia5_is_valid(content);
        break;
    case SEKI_DER_CONTEXT(2):
        valid = content.length == 0 ? may_be_empty : dns_name_is_valid(content, place);
        break;
    case SEKI_DER_CONTEXT_CONSTRUCTED(3): /* x400Address: a SEQUENCE that nobody uses; its form only */
        valid = seki_value_is_valid(SEKI_DER_SEQUENCE, content);
        break;
    case SEKI_DER_CONTEXT_CONSTRUCTED(4): /* directoryName; explicit, since Name is a CHOICE */
        if (!seki_der_take(&content, SEKI_DER_SEQUENCE, &name, NULL) || content.length != 0)
            return refuse(fault, content.data);
        if (name.length == 0 && !may_be_empty)
            return refuse(fault, name.data);
        return seki_name_is_valid(name, fault);
    case SEKI_DER_CONTEXT_CONSTRUCTED(5):
        return edi_party_name_is_valid(content, fault);
    case SEKI_DER_CONTEXT(7):
        valid = address_is_valid(content, place);
        break;
    case SEKI_DER_CONTEXT(8): /* registeredID */
        valid = seki_der_oid_is_valid(content);
        break;
    default:
        valid = false;
    }
    return valid || refuse(fault, content.data);
}

/* OtherName ::= SEQUENCE { type-id OID, value [0] EXPLICIT ANY } */
static bool other_name_is_valid(seki_span content, const uint8_t **fault)
{
    seki_span type, explicit_value, value;
    uint8_t tag;
    const uint8_t *at = content.data;
    if (!seki_der_take_oid(&content, &type))
        return refuse(fault, at);
    at = content.data;
    if (!seki_der_take(&content, SEKI_DER_CONTEXT_CONSTRUCTED(0), &explicit_value, NULL) || content.length != 0)
        return refuse(fault, at);
    at = explicit_value.data;
    if (!seki_der_take_any(&explicit_value, &tag, &value, NULL) || explicit_value.length != 0)
        return refuse(fault, at);
    return seki_value_is_valid(tag, value) || refuse(fault, at);
}

/* EDIPartyName ::= SEQUENCE { nameAssigner [0] DirectoryString OPTIONAL, partyName [1] DirectoryString } */
static bool edi_party_name_is_valid(seki_span content, const uint8_t **fault)
{
    for (unsigned part = 0; part < 2; part++) {
        seki_span choice, value;
        uint8_t tag;
        if (part == 0 && !seki_der_next_is(content, SEKI_DER_CONTEXT_CONSTRUCTED(0)))
            continue;
        const uint8_t *at = content.data;
        if (!seki_der_take(&content, SEKI_DER_CONTEXT_CONSTRUCTED(part), &choice, NULL))
            return refuse(fault, at);
        if (!seki_der_take_any(&choice, &tag, &value, NULL) || choice.length != 0 ||
            !seki_directory_string_is_valid(tag, value))
            return refuse(fault, at);
    }
    return content.length == 0 || refuse(fault, content.data);
}

/* RFC 5280, 4.2.1.6: the "preferred name syntax" of RFC 1034, 3.5, as RFC 1123, 2.1, has it.  An underscore is
 * let pass (hosts on private networks have them), as is one whole leading label "*" in a name; a constraint has
 * neither a wildcard nor a leading period (RFC 5280, 4.2.1.10, gives the period to URIs only).  A last label
 * of digits alone would make the name an IPv4 address. */
static bool dns_name_is_valid(seki_span name, seki_general_name_place place)
{
    if (name.length > DNS_NAME_MAX)
        return false;
    size_t start = 0;
    if (place == SEKI_GENERAL_NAME && name.length > 2 && name.data[0] == '*' && name.data[1] == '.')
        start = 2;
    size_t label = 0;
    bool digits_only = true;
    for (size_t i = start; i < name.length; i++) {
        uint8_t c = name.data[i];
        if (c == '.') {
            if (label == 0 || name.data[i - 1] == '-')
                return false;
            label = 0;
            digits_only = true;
            continue;
        }
        bool digit = c >= '0' && c <= '9';
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!digit && !letter && c != '_' && !(c == '-' && label != 0))
            return false;
        if (++label > DNS_LABEL_MAX)
            return false;
        digits_only = digits_only && digit;
    }
    return label != 0 && name.data[name.length - 1] != '-' && !digits_only;
}

/* RFC 5280, 4.2.1.6: 4 or 16 octets; in a constraint (4.2.1.10) as many again for a mask in the style of RFC 4632,
 * ones before zeros. */
static bool address_is_valid(seki_span address, seki_general_name_place place)
{
    if (place == SEKI_GENERAL_NAME)
        return address.length == 4 || address.length == 16;
    if (address.length != 8 && address.length != 32)
        return false;
    bool ended = false;
    for (size_t i = address.length / 2; i < address.length; i++)
        for (unsigned bit = 8; bit-- != 0;) {
            bool one = (address.data[i] >> bit & 1) != 0;
            if (one && ended)
                return false;
            ended = ended || !one;
        }
    return true;
}
