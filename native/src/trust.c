#include "trust.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "column.h"
#include "digest.h"
#include "mode.h"
#include "signatures.h"

static _Atomic uint64_t stores_made;

static uint16_t load(seki_issuer *issuer, seki_span der, seki_key_checker *checker);
static void link_intermediates(seki_trust *trust, seki_signature_scratch *scratch);

/* ---- queries ----------------------------------------------------------------------------------- */

static uint64_t name_hash(seki_span name)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a: the names in a store are the operator's own */
    for (size_t i = 0; i < name.length; i++)
        hash = (hash ^ name.data[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

int32_t seki_trust_by_name(const seki_trust *trust, seki_span name)
{
    int32_t at = trust->heads[name_hash(name) & trust->heads_mask];
    while (at >= 0 && !seki_span_equal(trust->issuers[at].certificate.subject, name))
        at = trust->issuers[at].next_of_name;
    return at;
}

size_t seki_trust_candidates(const seki_trust *trust, const seki_certificate *certificate,
                             int32_t out[SEKI_ISSUER_CANDIDATES_MAX])
{
    size_t count = 0, named = 0;
    for (int32_t at = seki_trust_by_name(trust, certificate->issuer); at >= 0; at = trust->issuers[at].next_of_name) {
        const seki_issuer *issuer = &trust->issuers[at];
        if (issuer->reason != 0 || !seki_span_equal(issuer->certificate.subject, certificate->issuer))
            continue;
        bool first = certificate->authority_key_id.length != 0
                     && seki_span_equal(certificate->authority_key_id, issuer->certificate.subject_key_id);
        if (count == SEKI_ISSUER_CANDIDATES_MAX && !first)
            continue;
        if (count == SEKI_ISSUER_CANDIDATES_MAX)
            count--;
        size_t place = first ? named++ : named;
        if (named > SEKI_ISSUER_CANDIDATES_MAX)
            break;
        while (!first && place < count
               && trust->issuers[out[place]].certificate.not_before >= issuer->certificate.not_before)
            place++;
        memmove(&out[place + 1], &out[place], (count - place) * sizeof out[0]);
        out[place] = at;
        count++;
        if (named == SEKI_ISSUER_CANDIDATES_MAX)
            break;
    }
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

seki_status seki_trust_report(const seki_trust *trust, uint64_t index, seki_issuer_report *out)
{
    if (trust == NULL || out == NULL || index >= trust->count)
        return SEKI_E_ARGUMENT;
    const seki_issuer *issuer = &trust->issuers[index];
    *out = (seki_issuer_report){.reason = issuer->reason,
                                .anchor = issuer->anchor,
                                .slow = issuer->slow,
                                .parent = issuer->parent,
                                .window_from = issuer->window_from,
                                .window_to = issuer->window_to};
    memcpy(out->identity, issuer->identity, sizeof out->identity);
    memcpy(out->fingerprint, issuer->fingerprint, sizeof out->fingerprint);
    return SEKI_OK;
}

/* ---- making ------------------------------------------------------------------------------------ */

static void add_names(seki_trust *trust)
{
    for (size_t i = 0; i <= trust->heads_mask; i++)
        trust->heads[i] = -1;
    /* Backwards, so that each name's list runs in the order given. */
    for (size_t i = trust->count; i-- > 0;) {
        seki_issuer *issuer = &trust->issuers[i];
        if (issuer->der == NULL)
            continue;
        int32_t *head = &trust->heads[name_hash(issuer->certificate.subject) & trust->heads_mask];
        issuer->next_of_name = *head;
        *head = (int32_t)i;
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
        trust->heads_mask = heads - 1;
        ready = trust->issuers != NULL && trust->heads != NULL;
    }
    if (!ready) {
        seki_trust_free(trust);
        free(scratch);
        return SEKI_E_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        seki_issuer *issuer = &trust->issuers[i];
        issuer->anchor = i < anchor_rows;
        issuer->parent = -1;
        issuer->next_of_name = -1;
        issuer->reason = load(issuer,
                              issuer->anchor ? seki_column_row(anchors, i)
                                             : seki_column_row(intermediates, i - anchor_rows),
                              scratch->checker);
        if (issuer->reason == 0 && !issuer->anchor)
            issuer->reason = SEKI_ISSUER_UNKNOWN; /* until a parent is found */
    }
    add_names(trust);
    link_intermediates(trust, scratch);
    for (size_t i = 0; i < count; i++)
        reasons[i] = trust->issuers[i].reason;
    seki_signature_scratch_clear(scratch);
    free(scratch);
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
    free(trust->heads);
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
    issuer->window_from = c->not_before;
    issuer->window_to = c->not_after;
    issuer->slow = seki_ca_constrains(c, issuer->anchor);
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
    return (uint16_t)seki_ca_check(c);
}

/* Whether `parent`'s key made the signature on `child`. */
static bool signed_by(seki_signature_scratch *scratch, const seki_issuer *child, const seki_issuer *parent)
{
    static _Atomic uint64_t no_confirmations;
    seki_job job = {.key = parent->key,
                    .mode = seki_signature_algorithm_mode(child->certificate.signature_algorithm),
                    .message = child->certificate.tbs,
                    .signature = child->certificate.signature};
    seki_job_policy policy = {.confirmations = &no_confirmations, .cross_check_one_in = 1};
    seki_jobs_run(scratch, &policy, &job, 1);
    return job.reason == SEKI_SIGNATURE_OK;
}

/* Whether every CA above `issuer` (at `parent` and up) leaves room for it: RFC 5280, 6.1.4 (l) and (m). */
static bool has_room(const seki_trust *trust, const seki_issuer *issuer, int32_t parent)
{
    bool self_issued = seki_span_equal(issuer->certificate.subject, issuer->certificate.issuer);
    int32_t below = self_issued ? 0 : 1; /* intermediates below `at` that count */
    for (int32_t at = parent; at >= 0; at = trust->issuers[at].parent) {
        const seki_certificate *c = &trust->issuers[at].certificate;
        if (c->path_length >= 0 && below > c->path_length)
            return false;
        if (!seki_span_equal(c->subject, c->issuer))
            below++;
    }
    return true;
}

static bool link_one(seki_trust *trust, seki_issuer *issuer, seki_signature_scratch *scratch)
{
    int32_t candidates[SEKI_ISSUER_CANDIDATES_MAX];
    size_t count = seki_trust_candidates(trust, &issuer->certificate, candidates);
    for (size_t i = 0; i < count; i++) {
        const seki_issuer *parent = &trust->issuers[candidates[i]];
        if (parent == issuer || !signed_by(scratch, issuer, parent))
            continue;
        if (parent->depth + 2 > SEKI_PATH_DEPTH_MAX || !has_room(trust, issuer, candidates[i])) {
            issuer->reason = SEKI_PATH_TOO_LONG;
            continue;
        }
        issuer->parent = candidates[i];
        issuer->depth = (uint8_t)(parent->depth + 1);
        issuer->slow = issuer->slow || parent->slow;
        if (parent->window_from > issuer->window_from)
            issuer->window_from = parent->window_from;
        if (parent->window_to < issuer->window_to)
            issuer->window_to = parent->window_to;
        issuer->reason = 0;
        return true;
    }
    return false;
}

/* Links whatever has a linked parent until nothing new is found: at most one round a level of depth. */
static void link_intermediates(seki_trust *trust, seki_signature_scratch *scratch)
{
    bool found = true;
    for (size_t level = 0; found && level < SEKI_PATH_DEPTH_MAX; level++) {
        found = false;
        for (size_t i = 0; i < trust->count; i++) {
            seki_issuer *issuer = &trust->issuers[i];
            if (!issuer->anchor && (issuer->reason == SEKI_ISSUER_UNKNOWN || issuer->reason == SEKI_PATH_TOO_LONG)
                && link_one(trust, issuer, scratch))
                found = true;
        }
    }
}
