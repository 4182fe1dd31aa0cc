#include "points.h"

#include "der.h"
#include "digest.h"
#include "name_match.h"

enum {
    DIRECTORY_NAME = SEKI_DER_CONTEXT_CONSTRUCTED(4),
    HEADER_MAX = 4 /* octets of tag and length of a Name that is read here, or of two together */
};
_Static_assert(2 * SEKI_NAME_SIZE_MAX + HEADER_MAX <= 0xffff, "two Names together have a length of two octets");

static size_t put_header(uint8_t out[HEADER_MAX], uint8_t tag, size_t length);
static void name_digest(seki_span general_name, uint8_t out[32]);
static void directory_digest(const uint8_t form[32], uint8_t out[32]);
static void point_of_digest(const uint8_t issuer_form[32], const uint8_t digest[32], uint8_t out[SEKI_POINT_SIZE]);

void seki_point_of(const uint8_t issuer_form[32], const seki_span *general_name, uint8_t out[SEKI_POINT_SIZE])
{
    uint8_t digest[32] = {0};
    if (general_name != NULL)
        name_digest(*general_name, digest);
    point_of_digest(issuer_form, digest, out);
}

bool seki_point_of_relative(seki_span issuer_name, const uint8_t issuer_form[32], seki_span rdn_content,
                            uint8_t out[SEKI_POINT_SIZE])
{
    uint8_t name[2 * SEKI_NAME_SIZE_MAX + 2 * HEADER_MAX], set[HEADER_MAX], form[32], digest[32];
    seki_span rdns;
    if (issuer_name.length > SEKI_NAME_SIZE_MAX || rdn_content.length > SEKI_NAME_SIZE_MAX
        || !seki_der_take(&issuer_name, SEKI_DER_SEQUENCE, &rdns, NULL))
        return false;
    size_t set_header = put_header(set, SEKI_DER_SET, rdn_content.length);
    size_t at = put_header(name, SEKI_DER_SEQUENCE, rdns.length + set_header + rdn_content.length);
    seki_span parts[3] = {rdns, {set, set_header}, rdn_content};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].length != 0)
            memcpy(name + at, parts[i].data, parts[i].length);
        at += parts[i].length;
    }
    seki_name_digest((seki_span){name, at}, form);
    directory_digest(form, digest);
    point_of_digest(issuer_form, digest, out);
    return true;
}

void seki_points_of_issuer(const uint8_t issuer_form[32], seki_issuer_points *out)
{
    uint8_t digest[32];
    memcpy(out->form, issuer_form, sizeof out->form);
    seki_point_of(issuer_form, NULL, out->unnamed);
    directory_digest(issuer_form, digest);
    point_of_digest(issuer_form, digest, out->by_name);
}

/* ---- of a certificate -------------------------------------------------------------------------- */

typedef struct {
    seki_span full;      /* GeneralNames content; empty if absent */
    seki_span relative;  /* content of the RelativeDistinguishedName; empty if absent */
    seki_span crl_issuer; /* GeneralNames content; empty if absent */
    uint16_t reasons;
} distribution_point;

/* The parser has looked at the form (extensions.c): what does not fit here is left out, so that nothing is found there. */
static bool take_distribution_point(seki_span *in, distribution_point *out)
{
    seki_span point, choice;
    uint32_t reasons;
    *out = (distribution_point){.reasons = SEKI_REASONS_ALL};
    if (!seki_der_take(in, SEKI_DER_SEQUENCE, &point, NULL))
        return false;
    if (seki_der_take(&point, SEKI_DER_CONTEXT_CONSTRUCTED(0), &choice, NULL)
        && !seki_der_take(&choice, SEKI_DER_CONTEXT_CONSTRUCTED(0), &out->full, NULL)
        && !seki_der_take(&choice, SEKI_DER_CONTEXT_CONSTRUCTED(1), &out->relative, NULL))
        return false;
    if (seki_der_next_is(point, SEKI_DER_CONTEXT(1))) {
        bool trimmed;
        if (!seki_der_take_named_bits(&point, SEKI_DER_CONTEXT(1), 9, &reasons, &trimmed))
            return false;
        out->reasons = (uint16_t)(reasons & SEKI_REASONS_ALL);
    }
    if (seki_der_next_is(point, SEKI_DER_CONTEXT_CONSTRUCTED(2))
        && !seki_der_take(&point, SEKI_DER_CONTEXT_CONSTRUCTED(2), &out->crl_issuer, NULL))
        return false;
    return point.length == 0;
}

static void add(seki_points *points, const uint8_t point[SEKI_POINT_SIZE], const distribution_point *of)
{
    if (points->count == SEKI_POINTS_MAX) {
        points->more = true;
        return;
    }
    seki_point *out = &points->at[points->count++];
    memcpy(out->point, point, SEKI_POINT_SIZE);
    out->reasons = of->reasons;
    out->indirect = of->crl_issuer.length != 0;
}

/* The names of a distribution point under one CRL issuer. */
static void add_names(seki_points *points, const distribution_point *of, seki_span crl_issuer, const uint8_t form[32])
{
    uint8_t point[SEKI_POINT_SIZE], tag;
    seki_span names = of->full, content, whole;
    while (seki_der_take_any(&names, &tag, &content, &whole)) {
        seki_point_of(form, &whole, point);
        add(points, point, of);
    }
    if (of->relative.length != 0 && seki_point_of_relative(crl_issuer, form, of->relative, point))
        add(points, point, of);
    if (of->crl_issuer.length == 0)
        return;
    /* Another's CRL that divides nothing; and, where the point has no name, one that goes by its issuer's (6.3.3 (b)(2)(i)). */
    seki_issuer_points own;
    seki_points_of_issuer(form, &own);
    add(points, own.unnamed, of);
    if (of->full.length == 0 && of->relative.length == 0)
        add(points, own.by_name, of);
}

void seki_certificate_points(const seki_certificate *certificate, const uint8_t issuer_form[32], seki_points *out)
{
    seki_span list = certificate->crl_distribution, in;
    distribution_point point;
    out->count = 0;
    out->more = false;
    if (list.length == 0 || !seki_der_take(&list, SEKI_DER_SEQUENCE, &in, NULL))
        return;
    while (in.length != 0) {
        if (!take_distribution_point(&in, &point)) {
            out->more = true;
            return;
        }
        if (point.crl_issuer.length == 0) {
            add_names(out, &point, certificate->issuer, issuer_form);
            continue;
        }
        /* "cRLIssuer ... MUST contain only the distinguished name (DN) from the issuer field of the CRL" (4.2.1.13). */
        uint8_t tag, form[32];
        seki_span name;
        while (seki_der_take_any(&point.crl_issuer, &tag, &name, NULL)) {
            if (tag != DIRECTORY_NAME)
                continue;
            distribution_point under = point;
            under.crl_issuer = name;
            seki_name_digest(name, form);
            add_names(out, &under, name, form);
        }
    }
}

/* Tag and length in DER, the length below 65,536; returns how many octets. */
static size_t put_header(uint8_t out[HEADER_MAX], uint8_t tag, size_t length)
{
    size_t size = length < 0x80 ? 2 : length < 0x100 ? 3 : 4;
    out[0] = tag;
    out[1] = size == 2 ? (uint8_t)length : (uint8_t)(0x80 | (size - 2));
    for (size_t i = 2; i < size; i++)
        out[i] = (uint8_t)(length >> 8 * (size - 1 - i));
    return size;
}

/* ---- digests ----------------------------------------------------------------------------------- */

static void directory_digest(const uint8_t form[32], uint8_t out[32])
{
    static const uint8_t tag = DIRECTORY_NAME;
    seki_span parts[2] = {{&tag, 1}, {form, 32}};
    seki_sha256_parts(parts, 2, out);
}

static void name_digest(seki_span general_name, uint8_t out[32])
{
    uint8_t tag = 0, form[32];
    seki_span content = {general_name.data, 0};
    if (seki_der_take_any(&general_name, &tag, &content, NULL) && tag == DIRECTORY_NAME) {
        seki_name_digest(content, form);
        directory_digest(form, out);
        return;
    }
    seki_span parts[2] = {{&tag, 1}, content};
    seki_sha256_parts(parts, 2, out);
}

static void point_of_digest(const uint8_t issuer_form[32], const uint8_t digest[32], uint8_t out[SEKI_POINT_SIZE])
{
    static const uint8_t label[32] = "sekisho point 1";
    seki_span parts[3] = {{label, sizeof label}, {issuer_form, 32}, {digest, 32}};
    seki_sha256_parts(parts, 3, out);
}
