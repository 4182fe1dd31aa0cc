/* name_constraints.c: see name_constraints.h. */
#include "name_constraints.h"

#include "name.h"
#include "name_match.h"
#include "oid.h"

enum { OCTETS_A_COMPARISON = 16 };

/* The tags of GeneralName (RFC 5280, 4.2.1.6) that are compared. */
enum {
    MAILBOX = 0x81,
    DNS_NAME = 0x82,
    DIRECTORY_NAME = 0xa4,
    URI = 0x86,
    ADDRESS = 0x87
};

/* Of the two lists of NameConstraints. */
typedef struct {
    seki_span permitted, excluded;
    size_t *left; /* comparisons */
} constraints;

static bool names_are_allowed(const constraints *c, const seki_certificate *certificate);
static bool subject_is_allowed(const constraints *c, seki_span subject);
static bool name_is_allowed(const constraints *c, uint8_t kind, seki_span name, size_t cost);
static bool matches(uint8_t kind, seki_span name, seki_span base, bool excluding);

seki_reason seki_name_constraints_check(const seki_certificate *const *certificates, size_t count)
{
    size_t left = SEKI_NAME_COMPARISONS_MAX;
    for (size_t ca = 1; ca < count; ca++) {
        seki_span value = certificates[ca]->name_constraints, in;
        constraints c = {.left = &left};
        if (!seki_der_take(&value, SEKI_DER_SEQUENCE, &in, NULL))
            continue;
        (void)seki_der_take(&in, SEKI_DER_CONTEXT_CONSTRUCTED(0), &c.permitted, NULL);
        (void)seki_der_take(&in, SEKI_DER_CONTEXT_CONSTRUCTED(1), &c.excluded, NULL);
        for (size_t i = 0; i < ca; i++) {
            /* 6.1.3 (b): "is self-issued and it is not the final certificate in the path": skipped. */
            if (i != 0 && seki_names_match(certificates[i]->subject, certificates[i]->issuer))
                continue;
            if (!names_are_allowed(&c, certificates[i]))
                return SEKI_NAME_CONSTRAINTS;
        }
    }
    return SEKI_NOT_DECIDED;
}

static bool names_are_allowed(const constraints *c, const seki_certificate *certificate)
{
    seki_span value = certificate->subject_alt_name, in, name;
    uint8_t kind;
    if (!subject_is_allowed(c, certificate->subject))
        return false;
    if (value.length == 0)
        return true;
    if (!seki_der_take(&value, SEKI_DER_SEQUENCE, &in, NULL))
        return false;
    while (in.length != 0)
        if (!seki_der_take_any(&in, &kind, &name, NULL) || !name_is_allowed(c, kind, name, 1))
            return false;
    return true;
}

/* 4.2.1.10: the subject is a directoryName, and what it has of emailAddress an rfc822Name: here whether the alternative names
 * have one of their own or not. */
static bool subject_is_allowed(const constraints *c, seki_span subject)
{
    seki_span rest = subject, rdns, rdn, attribute, type, value;
    size_t attributes = 0;
    uint8_t tag;
    if (!seki_der_take(&rest, SEKI_DER_SEQUENCE, &rdns, NULL))
        return false;
    if (rdns.length == 0)
        return true;
    while (seki_der_take(&rdns, SEKI_DER_SET, &rdn, NULL))
        while (seki_der_take(&rdn, SEKI_DER_SEQUENCE, &attribute, NULL)) {
            attributes++;
            if (!seki_der_take_oid(&attribute, &type) || !seki_der_take_any(&attribute, &tag, &value, NULL))
                return false;
            if (!SEKI_OID_IS(type, SEKI_OID_EMAIL_ADDRESS))
                continue;
            /* In other strings than these its octets are not its characters: no mailbox, and so refused if constrained. */
            bool octets = tag == SEKI_DER_IA5_STRING || tag == SEKI_DER_UTF8_STRING || tag == SEKI_DER_PRINTABLE_STRING;
            if (!name_is_allowed(c, MAILBOX, octets ? value : (seki_span){value.data, 0}, 1))
                return false;
        }
    return name_is_allowed(c, DIRECTORY_NAME, subject, attributes);
}

/* Takes the next subtree's base; false at the end. */
static bool take_base(seki_span *list, uint8_t *kind, seki_span *base)
{
    seki_span subtree;
    return seki_der_take(list, SEKI_DER_SEQUENCE, &subtree, NULL) && seki_der_take_any(&subtree, kind, base, NULL);
}

static bool spend(const constraints *c, size_t cost)
{
    if (*c->left < cost)
        return false;
    *c->left -= cost;
    return true;
}

/* Whether the name is in a permitted subtree of its kind, if there is one, and in no excluded one.
 *   cost  what holding it against one subtree counts for, its length apart */
static bool name_is_allowed(const constraints *c, uint8_t kind, seki_span name, size_t cost)
{
    bool constrained = false, permitted = false;
    uint8_t base_kind;
    seki_span list, base;
    for (unsigned excluding = 0; excluding < 2; excluding++)
        for (list = excluding != 0 ? c->excluded : c->permitted; take_base(&list, &base_kind, &base);) {
            if (!spend(c, cost))
                return false;
            if (base_kind != kind)
                continue;
            if (!spend(c, (base.length < name.length ? base.length : name.length) / OCTETS_A_COMPARISON))
                return false;
            if (kind != MAILBOX && kind != DNS_NAME && kind != DIRECTORY_NAME && kind != URI && kind != ADDRESS)
                return false; /* 4.2.1.10: "MUST either process the constraint or reject the certificate" */
            bool match = matches(kind, name, base, excluding != 0);
            if (excluding != 0 && match)
                return false;
            constrained = constrained || excluding == 0;
            permitted = permitted || (excluding == 0 && match);
        }
    return permitted || !constrained;
}

/* ---- kinds ------------------------------------------------------------------------------------- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

static bool same_without_case(seki_span a, seki_span b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

static bool ends_with(seki_span name, seki_span end)
{
    return name.length >= end.length
           && same_without_case((seki_span){name.data + name.length - end.length, end.length}, end);
}

/* Whether host `name` is `base`, or stands below it. */
static bool is_host_or_below(seki_span name, seki_span base)
{
    return base.length == 0
           || (ends_with(name, base) && (name.length == base.length || name.data[name.length - base.length - 1] == '.'));
}

/* Labels of letters, digits, hyphens and underscores, none of them empty. */
static bool is_host(seki_span name)
{
    size_t label = 0;
    for (size_t i = 0; i < name.length; i++) {
        uint8_t c = lower(name.data[i]);
        if (c == '.' ? label == 0 : !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
        label = c == '.' ? 0 : label + 1;
    }
    return label != 0;
}

/* "*.example.jp" stands for each host right below example.jp: permitted if they all are, excluded if one may be. */
static bool dns_matches(seki_span name, seki_span base, bool excluding)
{
    if (name.length < 2 || name.data[0] != '*' || name.data[1] != '.')
        return is_host_or_below(name, base);
    seki_span parent = {name.data + 2, name.length - 2};
    return is_host_or_below(parent, base) || (excluding && base.length > parent.length && is_host_or_below(base, parent));
}

/* A constraint on hosts, as mailboxes and URIs have it: "example.jp" is that host alone, ".example.jp" whatever is below it. */
static bool host_matches(seki_span host, seki_span base)
{
    if (base.length != 0 && base.data[0] == '.')
        return host.length > base.length && ends_with(host, base);
    return same_without_case(host, base);
}

/* The octets behind the last `c`, and those before it; false if there is none. */
static bool split(seki_span in, uint8_t c, seki_span *before, seki_span *behind)
{
    for (size_t i = in.length; i-- != 0;)
        if (in.data[i] == c) {
            *before = (seki_span){in.data, i};
            *behind = (seki_span){in.data + i + 1, in.length - i - 1};
            return true;
        }
    return false;
}

/* What cannot be told is as bad as can be: not permitted, and excluded. */
static bool mailbox_matches(seki_span name, seki_span base, bool excluding)
{
    seki_span local, host, base_local, base_host;
    if (!split(name, '@', &local, &host) || local.length == 0 || !is_host(host))
        return excluding;
    if (base.length == 0)
        return true;
    if (!split(base, '@', &base_local, &base_host)) {
        size_t period = base.data[0] == '.';
        return is_host((seki_span){base.data + period, base.length - period}) ? host_matches(host, base) : excluding;
    }
    if (base_local.length == 0 || !is_host(base_host))
        return excluding;
    /* RFC 5321, 2.4: local parts have case, which is no way round an exclusion. */
    return same_without_case(host, base_host)
           && (excluding ? same_without_case(local, base_local) : seki_span_equal(local, base_local));
}

/* The host of a URI's authority (RFC 3986, 3.2); false if it has none, or an address: such a URI "MUST" be refused (4.2.1.10). */
static bool uri_host(seki_span uri, seki_span *host)
{
    size_t at = 0, end;
    while (at < uri.length && uri.data[at] != ':' && uri.data[at] != '/' && uri.data[at] != '?' && uri.data[at] != '#')
        at++;
    if (at == 0 || uri.length - at < 3 || memcmp(uri.data + at, "://", 3) != 0)
        return false;
    at += 3;
    for (end = at; end < uri.length && uri.data[end] != '/' && uri.data[end] != '?' && uri.data[end] != '#';)
        end++;
    seki_span authority = {uri.data + at, end - at}, before, behind;
    if (split(authority, '@', &before, &behind))
        authority = behind;
    if (split(authority, ':', &before, &behind)) {
        for (size_t i = 0; i < behind.length; i++)
            if (behind.data[i] < '0' || behind.data[i] > '9')
                return false;
        authority = before;
    }
    bool digits_only = true; /* of the last label: an IPv4 address */
    for (size_t i = authority.length; i-- != 0 && authority.data[i] != '.';)
        digits_only = digits_only && authority.data[i] >= '0' && authority.data[i] <= '9';
    *host = authority;
    return is_host(authority) && !digits_only;
}

static bool uri_matches(seki_span name, seki_span base, bool excluding)
{
    seki_span host;
    size_t period = base.length != 0 && base.data[0] == '.';
    if (!uri_host(name, &host))
        return excluding;
    if (base.length == 0)
        return true;
    return is_host((seki_span){base.data + period, base.length - period}) ? host_matches(host, base) : excluding;
}

/* An address and a mask of its own length (4.2.1.10). */
static bool address_matches(seki_span name, seki_span base)
{
    if (base.length != 2 * name.length)
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (((name.data[i] ^ base.data[i]) & base.data[name.length + i]) != 0)
            return false;
    return true;
}

/* The Name inside of directoryName, or a whole Name as it is. */
static seki_span name_inside(seki_span name)
{
    seki_span rest = name, content, whole;
    return seki_der_take(&rest, SEKI_DER_SEQUENCE, &content, &whole) ? whole : (seki_span){name.data, 0};
}

static bool matches(uint8_t kind, seki_span name, seki_span base, bool excluding)
{
    switch (kind) {
    case MAILBOX:
        return mailbox_matches(name, base, excluding);
    case DNS_NAME:
        return dns_matches(name, base, excluding);
    case DIRECTORY_NAME:
        return seki_name_is_within(name_inside(name), name_inside(base));
    case URI:
        return uri_matches(name, base, excluding);
    default:
        return address_matches(name, base);
    }
}
