#include "trust.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "column.h"
#include "digest.h"
#include "mode.h"
#include "name_match.h"

static _Atomic uint64_t stores_made;

static uint16_t load(seki_issuer *issuer, seki_span der, seki_key_checker *checker);

/* ---- queries ----------------------------------------------------------------------------------- */

/* Eight octets at a time: how names fall together is decided by those in the store, which are the operator's own. */
static uint64_t name_hash(seki_span name)
{
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t hash = name.length, part;
    for (; name.length >= sizeof part; name.data += sizeof part, name.length -= sizeof part) {
        memcpy(&part, name.data, sizeof part);
        hash = (hash ^ part) * odd;
        hash ^= hash >> 32;
    }
    part = 0;
    memcpy(&part, name.data, name.length);
    hash = (hash ^ part) * odd;
    return hash ^ hash >> 32;
}

static uint64_t form_hash(const uint8_t form[32])
{
    uint64_t hash;
    memcpy(&hash, form, sizeof hash);
    return hash;
}

/* Candidates in their order: `named` of them have the key identifier that was named. */
typedef struct {
    const seki_trust *trust;
    int32_t *out;
    size_t count, named;
} ranking;

static void rank(ranking *r, const seki_certificate *certificate, int32_t at)
{
    const seki_issuer *issuer = &r->trust->issuers[at];
    bool first = certificate->authority_key_id.length != 0
                 && seki_span_equal(certificate->authority_key_id, issuer->certificate.subject_key_id);
    if (r->count == SEKI_ISSUER_CANDIDATES_MAX && (!first || r->named == SEKI_ISSUER_CANDIDATES_MAX))
        return;
    if (r->count == SEKI_ISSUER_CANDIDATES_MAX)
        r->count--;
    size_t place = first ? r->named++ : r->named;
    while (!first && place < r->count
           && r->trust->issuers[r->out[place]].certificate.not_before >= issuer->certificate.not_before)
        place++;
    memmove(&r->out[place + 1], &r->out[place], (r->count - place) * sizeof r->out[0]);
    r->out[place] = at;
    r->count++;
}

static void rank_by_name(ranking *r, const seki_certificate *certificate, bool linked)
{
    const seki_trust *trust = r->trust;
    int32_t at = trust->heads[name_hash(certificate->issuer) & trust->heads_mask];
    for (; at >= 0; at = trust->issuers[at].next_of_name)
        if ((trust->issuers[at].first_way >= 0 || !linked)
            && seki_span_equal(trust->issuers[at].certificate.subject, certificate->issuer))
            rank(r, certificate, at);
}

static void rank_by_form(ranking *r, const seki_certificate *certificate, const uint8_t form[32], bool linked)
{
    const seki_trust *trust = r->trust;
    int32_t at = trust->form_heads[form_hash(form) & trust->heads_mask];
    for (; at >= 0; at = trust->issuers[at].next_of_form) {
        const seki_issuer *issuer = &trust->issuers[at];
        if ((issuer->first_way >= 0 || !linked) && memcmp(issuer->form, form, sizeof issuer->form) == 0
            && !seki_span_equal(issuer->certificate.subject, certificate->issuer)
            && seki_names_match(issuer->certificate.subject, certificate->issuer))
            rank(r, certificate, at);
    }
}

size_t seki_trust_candidates(const seki_trust *trust, const seki_certificate *certificate,
                             int32_t out[SEKI_ISSUER_CANDIDATES_MAX])
{
    ranking r = {.trust = trust, .out = out};
    rank_by_name(&r, certificate, true);
    return r.count;
}

size_t seki_trust_candidates_by_form(const seki_trust *trust, const seki_certificate *certificate, const uint8_t form[32],
                                     int32_t out[SEKI_ISSUER_CANDIDATES_MAX])
{
    ranking r = {.trust = trust, .out = out};
    rank_by_form(&r, certificate, form, true);
    return r.count;
}

size_t seki_trust_parents(const seki_trust *trust, const seki_certificate *certificate,
                          int32_t out[SEKI_ISSUER_CANDIDATES_MAX])
{
    uint8_t form[32];
    ranking same = {.trust = trust, .out = out};
    rank_by_name(&same, certificate, false);
    int32_t alike[SEKI_ISSUER_CANDIDATES_MAX];
    ranking others = {.trust = trust, .out = alike};
    seki_name_digest(certificate->issuer, form);
    rank_by_form(&others, certificate, form, false);
    size_t count = same.count;
    for (size_t i = 0; i < others.count && count < SEKI_ISSUER_CANDIDATES_MAX; i++)
        out[count++] = alike[i];
    return count;
}

seki_reason seki_ca_check(const seki_certificate *certificate)
{
    if (certificate->version != 3 || !certificate->is_ca)
        return SEKI_ISSUER_NOT_CA;
    /* OpenSSL's strict mode wants the extension itself; RFC 5280, 4.2.1.3: MUST for conforming CAs. */
    if ((certificate->key_usage & SEKI_KU_KEY_CERT_SIGN) == 0)
        return SEKI_ISSUER_KEY_USAGE;
    if ((certificate->critical & SEKI_EXT_UNKNOWN) != 0)
        return SEKI_CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL;
    return SEKI_NOT_DECIDED;
}

bool seki_ca_constrains(const seki_certificate *certificate, bool anchor)
{
    uint32_t constraining = SEKI_EXT_NAME_CONSTRAINTS | SEKI_EXT_POLICY_MAPPINGS | SEKI_EXT_POLICY_CONSTRAINTS
                            | SEKI_EXT_INHIBIT_ANY_POLICY | SEKI_EXT_EXTENDED_KEY_USAGE | SEKI_EXT_UNKNOWN;
    if (!anchor)
        constraining |= SEKI_EXT_POLICIES; /* an anchor's own policies play no part: RFC 5280, 6.1.1 (d) */
    return (certificate->extensions & constraining) != 0;
}

void seki_issuer_identity(const seki_certificate *certificate, uint8_t out[32])
{
    seki_span parts[2] = {certificate->subject, certificate->spki};
    seki_sha256_parts(parts, 2, out);
}

uint32_t seki_signature_algorithm_mode(seki_signature_algorithm algorithm)
{
    switch (algorithm) {
    case SEKI_SIGALG_RSA_SHA256:
        return seki_mode_make(SEKI_FAMILY_PKCS1, SEKI_HASH_SHA256, 0, 0);
    case SEKI_SIGALG_RSA_SHA384:
        return seki_mode_make(SEKI_FAMILY_PKCS1, SEKI_HASH_SHA384, 0, 0);
    case SEKI_SIGALG_RSA_SHA512:
        return seki_mode_make(SEKI_FAMILY_PKCS1, SEKI_HASH_SHA512, 0, 0);
    case SEKI_SIGALG_PSS_SHA256:
        return seki_mode_make(SEKI_FAMILY_PSS, SEKI_HASH_SHA256, SEKI_HASH_SHA256, 32);
    case SEKI_SIGALG_PSS_SHA384:
        return seki_mode_make(SEKI_FAMILY_PSS, SEKI_HASH_SHA384, SEKI_HASH_SHA384, 48);
    case SEKI_SIGALG_PSS_SHA512:
        return seki_mode_make(SEKI_FAMILY_PSS, SEKI_HASH_SHA512, SEKI_HASH_SHA512, 64);
    case SEKI_SIGALG_ECDSA_SHA256:
        return seki_mode_make(SEKI_FAMILY_ECDSA_DER, SEKI_HASH_SHA256, 0, 0);
    case SEKI_SIGALG_ECDSA_SHA384:
        return seki_mode_make(SEKI_FAMILY_ECDSA_DER, SEKI_HASH_SHA384, 0, 0);
    case SEKI_SIGALG_ECDSA_SHA512:
        return seki_mode_make(SEKI_FAMILY_ECDSA_DER, SEKI_HASH_SHA512, 0, 0);
    case SEKI_SIGALG_ED25519:
        return seki_mode_make(SEKI_FAMILY_ED25519, 0, 0, 0);
    default:
        return 0;
    }
}

uint64_t seki_trust_count(const seki_trust *trust)
{
    return trust->count;
}

/* The first of the ways that begin at certificate `index`, NULL: none. */
static const seki_way *first_way_of(const seki_trust *trust, size_t index)
{
    int32_t head = trust->issuers[index].head;
    for (int32_t at = head >= 0 ? trust->issuers[head].first_way : -1; at >= 0; at = trust->ways[at].next)
        if ((size_t)trust->ways[at].issuer == index)
            return &trust->ways[at];
    return NULL;
}

seki_status seki_trust_report(const seki_trust *trust, uint64_t index, seki_issuer_report *out)
{
    if (trust == NULL || out == NULL || index >= trust->count)
        return SEKI_E_ARGUMENT;
    const seki_issuer *issuer = &trust->issuers[index];
    const seki_way *way = first_way_of(trust, (size_t)index);
    *out = (seki_issuer_report){.reason = issuer->reason,
                                .anchor = issuer->anchor,
                                .slow = way != NULL ? way->slow : issuer->constrains,
                                .parent = way != NULL && way->parent >= 0 ? trust->ways[way->parent].issuer : -1,
                                .ways = issuer->ways,
                                .window_from = way != NULL ? way->window_from : issuer->certificate.not_before,
                                .window_to = way != NULL ? way->window_to : issuer->certificate.not_after};
    memcpy(out->identity, issuer->identity, sizeof out->identity);
    memcpy(out->fingerprint, issuer->fingerprint, sizeof out->fingerprint);
    return SEKI_OK;
}

/* ---- making ------------------------------------------------------------------------------------ */

/* Enters what may issue by name, in the order given; of certificates with one name and key the first stands for all. */
static void add_names(seki_trust *trust)
{
    for (size_t i = 0; i <= trust->heads_mask; i++)
        trust->heads[i] = trust->form_heads[i] = -1;
    for (size_t i = 0; i < trust->count; i++) {
        seki_issuer *issuer = &trust->issuers[i];
        if (issuer->reason != 0)
            continue;
        int32_t *place = &trust->heads[name_hash(issuer->certificate.subject) & trust->heads_mask];
        while (*place >= 0 && memcmp(trust->issuers[*place].identity, issuer->identity, sizeof issuer->identity) != 0)
            place = &trust->issuers[*place].next_of_name;
        issuer->head = *place >= 0 ? *place : (int32_t)i;
        if (*place >= 0)
            continue;
        *place = (int32_t)i;
        for (place = &trust->form_heads[form_hash(issuer->form) & trust->heads_mask]; *place >= 0;)
            place = &trust->issuers[*place].next_of_form;
        *place = (int32_t)i;
    }
}

seki_status seki_trust_new(const seki_column *anchors, uint64_t anchor_rows, const seki_column *intermediates,
                           uint64_t intermediate_rows, uint16_t *reasons, seki_trust **out)
{
    if (anchors == NULL || intermediates == NULL || out == NULL || anchor_rows > SEKI_TRUST_CERTIFICATES_MAX
        || intermediate_rows > SEKI_TRUST_CERTIFICATES_MAX || !seki_column_valid(anchors, anchor_rows, anchor_rows == 0)
        || !seki_column_valid(intermediates, intermediate_rows, intermediate_rows == 0))
        return SEKI_E_ARGUMENT;
    size_t count = (size_t)(anchor_rows + intermediate_rows), heads = 16;
    if (reasons == NULL && count != 0)
        return SEKI_E_ARGUMENT;
    while (heads < 2 * count)
        heads *= 2;
    seki_trust *trust = calloc(1, sizeof *trust);
    seki_signature_scratch *scratch = calloc(1, sizeof *scratch);
    bool ready = trust != NULL && scratch != NULL && seki_signature_scratch_init(scratch);
    if (ready) {
        trust->number = atomic_fetch_add(&stores_made, 1) + 1;
        trust->count = count;
        trust->issuers = calloc(count != 0 ? count : 1, sizeof *trust->issuers);
        trust->heads = malloc(heads * sizeof *trust->heads);
        trust->form_heads = malloc(heads * sizeof *trust->form_heads);
        trust->heads_mask = heads - 1;
        ready = trust->issuers != NULL && trust->heads != NULL && trust->form_heads != NULL;
    }
    if (!ready) {
        seki_trust_free(trust);
        free(scratch);
        return SEKI_E_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        seki_issuer *issuer = &trust->issuers[i];
        issuer->anchor = i < anchor_rows;
        issuer->head = issuer->next_of_name = issuer->next_of_form = issuer->first_way = issuer->last_way = -1;
        issuer->reason = load(issuer,
                              issuer->anchor ? seki_column_row(anchors, i)
                                             : seki_column_row(intermediates, i - anchor_rows),
                              scratch->checker);
    }
    add_names(trust);
    ready = seki_trust_find_ways(trust, scratch);
    seki_signature_scratch_clear(scratch);
    free(scratch);
    if (!ready) {
        seki_trust_free(trust);
        return SEKI_E_MEMORY;
    }
    for (size_t i = 0; i < count; i++)
        reasons[i] = trust->issuers[i].reason;
    *out = trust;
    return SEKI_OK;
}

void seki_trust_free(seki_trust *trust)
{
    if (trust == NULL)
        return;
    for (size_t i = 0; trust->issuers != NULL && i < trust->count; i++) {
        EVP_PKEY_free(atomic_load(&trust->issuers[i].pkey));
        X509_free(trust->issuers[i].x509);
        free(trust->issuers[i].der);
    }
    free(trust->issuers);
    free(trust->ways);
    free(trust->heads);
    free(trust->form_heads);
    free(trust);
}

/* Copies, parses and judges one CA certificate by itself.  issuer->der stays NULL if it cannot even be read. */
static uint16_t load(seki_issuer *issuer, seki_span der, seki_key_checker *checker)
{
    if (der.length == 0 || der.length > SEKI_CERTIFICATE_SIZE_MAX)
        return der.length == 0 ? SEKI_INPUT_MISSING : SEKI_INPUT_TOO_LARGE;
    uint8_t *copy = malloc(der.length);
    if (copy == NULL)
        return SEKI_ENGINE_FAULT;
    memcpy(copy, der.data, der.length);
    der.data = copy;
    seki_certificate *c = &issuer->certificate;
    seki_reason reason = issuer->anchor ? seki_certificate_parse_anchor(der, c, NULL) : seki_certificate_parse(der, c, NULL);
    if (reason != SEKI_NOT_DECIDED) {
        free(copy);
        return (uint16_t)reason;
    }
    issuer->der = copy;
    seki_sha256(der, issuer->fingerprint);
    seki_issuer_identity(c, issuer->identity);
    seki_name_digest(c->subject, issuer->form);
    seki_points_of_issuer(issuer->form, &issuer->own);
    uint8_t above[32];
    seki_name_digest(c->issuer, above);
    seki_certificate_points(c, above, &issuer->points);
    issuer->constrains = seki_ca_constrains(c, issuer->anchor);
    issuer->self_issued = seki_names_match(c->subject, c->issuer);
    if (c->key_reason != 0)
        return c->key_reason;
    reason = seki_key_ready(checker, &c->key, &issuer->key);
    if (reason != SEKI_NOT_DECIDED)
        return (uint16_t)reason;
    issuer->key.kept = &issuer->pkey;
    const uint8_t *at = der.data;
    issuer->x509 = d2i_X509(NULL, &at, (long)der.length);
    ERR_clear_error();
    if (issuer->x509 == NULL || at != der.data + der.length)
        return SEKI_CERTIFICATE_MALFORMED; /* the two readers must agree on whom we trust */
    /* RFC 5280, 6.1.4 (a); an anchor is its name and key (6.1.1 (d)). */
    if (!issuer->anchor && c->maps_any_policy)
        return SEKI_POLICY;
    return (uint16_t)seki_ca_check(c);
}
