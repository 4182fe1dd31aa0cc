/* inspect.c: a certificate for people to look at; "certificate, field by field" in sekisho.h. */
#include "cert.h"
#include "der.h"
#include "extensions.h"

enum { LIST_DEPTH_MAX = 32 }; /* levels; said in sekisho.h */

static seki_part part(seki_span whole, seki_span inner);
static void fill(const seki_certificate *c, seki_certificate_summary *out);

_Static_assert(sizeof((seki_certificate_summary *)0)->extension / sizeof(seki_extension_summary) == SEKI_EXTENSIONS_MAX,
               "sekisho.h writes the number out for cffi");

seki_status seki_certificate_summarize(const uint8_t *der, size_t length, seki_certificate_summary *out,
                                       uint32_t *reason, size_t *fault)
{
    if (out == NULL || reason == NULL || fault == NULL || (der == NULL && length != 0))
        return SEKI_E_ARGUMENT;
    seki_certificate c;
    seki_span whole = {der, length};
    memset(out, 0, sizeof *out);
    *fault = 0;
    *reason = (uint32_t)seki_certificate_parse(whole, &c, fault);
    if (*reason == SEKI_NOT_DECIDED || seki_certificate_parse_anchor(whole, &c, NULL) == SEKI_NOT_DECIDED)
        fill(&c, out);
    return SEKI_OK;
}

seki_status seki_der_list(const uint8_t *der, size_t length, seki_element *out, uint64_t capacity, uint64_t *count,
                          size_t *fault)
{
    if (count == NULL || fault == NULL || (der == NULL && length != 0) || (out == NULL && capacity != 0) ||
        length > UINT32_MAX)
        return SEKI_E_ARGUMENT;
    seki_span open[LIST_DEPTH_MAX + 1]; /* what is left to read at each depth */
    size_t depth = 0;
    *count = 0;
    *fault = length;
    open[0] = (seki_span){der, length};
    for (;;) {
        while (depth != 0 && open[depth].length == 0)
            depth--;
        if (open[depth].length == 0)
            return SEKI_OK;
        const uint8_t *at = open[depth].data;
        seki_span content;
        uint8_t tag;
        if (!seki_der_take_any(&open[depth], &tag, &content, NULL)) {
            *fault = (size_t)(at - der);
            return SEKI_OK;
        }
        if (*count < capacity)
            out[*count] = (seki_element){.offset = (uint32_t)(at - der),
                                         .content = (uint32_t)(content.data - der),
                                         .length = (uint32_t)content.length,
                                         .tag = tag,
                                         .depth = (uint8_t)depth};
        ++*count;
        if ((tag & SEKI_DER_CONSTRUCTED) == 0)
            continue;
        if (depth == LIST_DEPTH_MAX) {
            *fault = (size_t)(content.data - der);
            return SEKI_OK;
        }
        open[++depth] = content;
    }
}

static seki_part part(seki_span whole, seki_span inner)
{
    if (inner.data == NULL)
        return (seki_part){0, 0};
    return (seki_part){(uint32_t)(inner.data - whole.data), (uint32_t)inner.length};
}

static void fill(const seki_certificate *c, seki_certificate_summary *out)
{
    seki_span der = c->der;
    out->not_before = c->not_before;
    out->not_after = c->not_after;
    out->version = c->version;
    out->signature_algorithm = (uint32_t)c->signature_algorithm;
    out->key_reason = c->key_reason;
    if (c->key_reason == 0) {
        out->key_kind = (uint32_t)c->key.kind;
        out->key_bits = c->key.bits;
        out->key_exponent = c->key.exponent;
        out->modulus = part(der, c->key.modulus);
        out->point = part(der, c->key.point);
    }
    out->extensions = c->extensions;
    out->critical = c->critical;
    out->key_usage = c->key_usage;
    out->extended_key_usage = c->extended_key_usage;
    out->is_ca = c->is_ca;
    out->path_length = c->path_length;
    out->departures = c->departures;
    out->tbs = part(der, c->tbs);
    out->serial = part(der, c->serial);
    out->issuer = part(der, c->issuer);
    out->subject = part(der, c->subject);
    out->spki = part(der, c->spki);
    out->signature = part(der, c->signature);
    out->subject_key_id = part(der, c->subject_key_id);
    out->authority_key_id = part(der, c->authority_key_id);
    out->authority_issuer = part(der, c->authority_issuer);
    out->authority_serial = part(der, c->authority_serial);
    out->key_usage_der = part(der, c->key_usage_der);
    out->subject_alt_name = part(der, c->subject_alt_name);
    out->issuer_alt_name = part(der, c->issuer_alt_name);
    out->name_constraints = part(der, c->name_constraints);
    out->crl_distribution = part(der, c->crl_distribution);
    out->policies = part(der, c->policies);
    out->policy_mappings = part(der, c->policy_mappings);
    out->policy_constraints = part(der, c->policy_constraints);
    out->extended_key_usage_der = part(der, c->extended_key_usage_der);
    out->inhibit_any_policy = part(der, c->inhibit_any_policy);
    out->authority_info = part(der, c->authority_info);
    out->freshest_crl = part(der, c->freshest_crl);
    seki_span list = c->extension_list;
    seki_extension extension;
    while (out->extension_count < SEKI_EXTENSIONS_MAX && seki_take_extension(&list, &extension))
        out->extension[out->extension_count++] = (seki_extension_summary){.oid = part(der, extension.oid),
                                                                         .value = part(der, extension.value),
                                                                         .known = extension.known,
                                                                         .critical = extension.critical};
}
