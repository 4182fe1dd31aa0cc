/* crl.c: the streaming reader of CRLs (sekisho.h, "CRLs").
 *
 * An element that must be whole to be judged is read where it lies in the piece that was fed, or, if the piece ends inside of it, in
 * `carry`, where it is completed.  What is judged, and in what order, depends on the octets alone, never on how they were cut. */
#define OPENSSL_SUPPRESS_DEPRECATED /* digest.c says why */

#include "crl.h"

#include "algorithm.h"
#include "crl_entry.h"
#include "crl_extensions.h"
#include "crl_pem.h"
#include "digest.h"
#include "name.h"
#include "name_match.h"
#include "points.h"

#include <openssl/sha.h>
#include <stdlib.h>

enum {
    HEADER_SIZE_MAX = 10,      /* octets of a tag and a length below 2^64 */
    SMALL_SIZE_MAX = 64,       /* octets of a version or a time: the longest has 17 */
    ALGORITHM_SIZE_MAX = 1024, /* octets; PSS, the longest known, has some 70 */
    PREFIX_SIZE_MAX = 2048,    /* octets of a TBSCertList up to the end of its algorithm, which says how it is hashed */
    PIECE_SIZE = 65536,        /* octets read, then hashed, while they are in the cache */
    TEXT_OCTETS = 49152        /* octets that come of a piece of PEM */
};
_Static_assert(PREFIX_SIZE_MAX >= HEADER_SIZE_MAX + SMALL_SIZE_MAX + HEADER_SIZE_MAX + ALGORITHM_SIZE_MAX, "the prefix has room");
enum { CARRY_SIZE = SEKI_CRL_EXTENSIONS_SIZE_MAX + HEADER_SIZE_MAX };
_Static_assert((int)CARRY_SIZE >= (int)SEKI_NAME_SIZE_MAX && (int)CARRY_SIZE >= (int)SEKI_CRL_ENTRY_SIZE_MAX &&
                   (int)CARRY_SIZE >= (int)SEKI_SIGNATURE_SIZE_MAX && (int)CARRY_SIZE >= (int)ALGORITHM_SIZE_MAX,
               "every element that must be whole has room");

/* What comes next. */
typedef enum {
    LIST,            /* CertificateList */
    TBS,             /* tbsCertList */
    VERSION,         /* version, or signature where it is absent */
    ALGORITHM,       /* signature */
    ISSUER,
    THIS_UPDATE,
    AFTER_THIS,      /* nextUpdate, revokedCertificates, crlExtensions, or the end */
    AFTER_NEXT,      /* the last two, or the end */
    ENTRY,
    AFTER_ENTRIES,   /* crlExtensions, or the end */
    AFTER_EXTENSIONS,
    OUTER_ALGORITHM, /* signatureAlgorithm */
    SIGNATURE,       /* signatureValue */
    DONE
} expected;

struct seki_crl {
    char *spill_directory;
    expected next;
    uint32_t reason;     /* why it is refused; 0: it is not */
    seki_status failed;  /* a call failed: nothing can be said any more */
    bool started, is_pem, ended;
    uint64_t fault;
    uint64_t received;   /* octets of DER fed */
    uint64_t offset;     /* of the element that comes next */
    uint64_t list_end, tbs_start, tbs_end, entries_end;
    uint64_t entry_with_issuer, entry_removed; /* offset of the first such entry; 0: none */
    size_t carried;      /* octets in `carry` */
    size_t wanted;       /* octets that must be there before it is looked at again */

    seki_crl_pem pem;
    seki_crl_sets sets;
    SHA256_CTX whole;
    SHA256_CTX tbs256;
    SHA512_CTX tbs512;   /* of SHA-384 too */
    size_t prefix_length;

    seki_crl_summary summary;
    seki_crl_extensions extensions; /* spans into extension_octets */
    seki_span parts[SEKI_CRL_PARTS];
    size_t algorithm_length, tbs_kept;
    uint8_t *extension_octets, *tbs, *points;

    uint8_t issuer[SEKI_NAME_SIZE_MAX];
    uint8_t algorithm[ALGORITHM_SIZE_MAX];
    uint8_t signature[SEKI_SIGNATURE_SIZE_MAX];
    uint8_t prefix[PREFIX_SIZE_MAX];
    uint8_t text[TEXT_OCTETS];
    uint8_t carry[CARRY_SIZE];
};

/* One element as its first octets tell it. */
typedef struct {
    uint8_t tag;
    size_t header;
    uint64_t length; /* of its content */
} element;

typedef enum { HEADER_SHORT, HEADER_BAD, HEADER_GOOD } header_state;

static seki_status feed_der(seki_crl *crl, const uint8_t *data, size_t length);
static seki_status feed_text(seki_crl *crl, const uint8_t *data, size_t length);
static seki_status walk(seki_crl *crl, const uint8_t *data, size_t length);
static seki_status take(seki_crl *crl, const uint8_t *data, size_t length, size_t *used);
static seki_status fast_entries(seki_crl *crl, const uint8_t *data, size_t length, size_t *used);
static header_state header_read(const uint8_t *data, size_t length, element *out);
static seki_reason malformed_as(expected next);
static bool tag_is_expected(expected next, uint8_t tag);
static uint64_t parent_end(const seki_crl *crl);
static bool open_container(seki_crl *crl, const element *e);
static uint64_t size_max(const seki_crl *crl, uint8_t tag);
static seki_status whole_read(seki_crl *crl, seki_span whole, seki_span content);
static void version_read(seki_crl *crl, seki_span whole);
static seki_status algorithm_read(seki_crl *crl, seki_span whole, seki_span content);
static seki_status issuer_read(seki_crl *crl, seki_span whole, seki_span content);
static void time_read(seki_crl *crl, seki_span whole, int64_t *out);
static seki_status entry_read(seki_crl *crl, seki_span whole, seki_span content);
static seki_status extensions_read(seki_crl *crl, seki_span whole, seki_span content);
static seki_status finish(seki_crl *crl);
static seki_status points_make(seki_crl *crl);
static void outer_algorithm_read(seki_crl *crl, seki_span whole);
static void signature_read(seki_crl *crl, seki_span whole);
static void settle(seki_crl *crl);
static void end_of_tbs(seki_crl *crl);
static void hash_piece(seki_crl *crl, uint64_t start, seki_span piece);
static void hash_tbs(seki_crl *crl, seki_span octets);
static void hashes_end(seki_crl *crl);
static void refuse(seki_crl *crl, seki_reason reason, uint64_t fault);

/* ---- calls ------------------------------------------------------------------------------------- */

seki_status seki_crl_new(const seki_crl_options *options, seki_crl **out)
{
    if (options == NULL || out == NULL)
        return SEKI_E_ARGUMENT;
    seki_crl *crl = calloc(1, sizeof *crl);
    if (crl == NULL)
        return SEKI_E_MEMORY;
    if (options->spill_directory != NULL && (crl->spill_directory = strdup(options->spill_directory)) == NULL) {
        free(crl);
        return SEKI_E_MEMORY;
    }
    seki_index_options index = {
        .memory_bytes = options->memory_bytes, .filter_ppm = options->filter_ppm, .spill_directory = crl->spill_directory};
    seki_crl_sets_init(&crl->sets, &index);
    seki_crl_pem_init(&crl->pem);
    SHA256_Init(&crl->whole);
    crl->summary.version = 1;
    crl->summary.next_update = SEKI_NO_TIME;
    crl->extensions.reasons = SEKI_CRL_REASONS_ALL;
    *out = crl;
    return SEKI_OK;
}

void seki_crl_free(seki_crl *crl)
{
    if (crl == NULL)
        return;
    seki_crl_sets_free(&crl->sets);
    free(crl->spill_directory);
    free(crl->extension_octets);
    free(crl->tbs);
    free(crl->points);
    free(crl);
}

seki_status seki_crl_feed(seki_crl *crl, const uint8_t *data, size_t length, uint32_t *reason)
{
    if (crl == NULL || (data == NULL && length != 0) || reason == NULL || crl->ended)
        return SEKI_E_ARGUMENT;
    if (crl->failed == SEKI_OK && crl->reason == 0 && length != 0) {
        if (!crl->started) {
            crl->started = true;
            crl->is_pem = data[0] == '-';
        }
        crl->failed = crl->is_pem ? feed_text(crl, data, length) : feed_der(crl, data, length);
    }
    *reason = crl->reason;
    return crl->failed;
}

seki_status seki_crl_end(seki_crl *crl, uint32_t *reason, uint64_t *fault)
{
    if (crl == NULL || reason == NULL || fault == NULL)
        return SEKI_E_ARGUMENT;
    if (!crl->ended && crl->failed == SEKI_OK && crl->reason == 0) {
        if (crl->next != DONE || (crl->is_pem && !seki_crl_pem_ended(&crl->pem)))
            refuse(crl, SEKI_CRL_TRUNCATED, crl->received);
        else
            crl->failed = finish(crl);
    }
    crl->ended = true;
    *reason = crl->reason;
    *fault = crl->fault;
    return crl->failed;
}

static bool is_good(const seki_crl *crl)
{
    return crl != NULL && crl->ended && crl->reason == 0 && crl->failed == SEKI_OK;
}

seki_status seki_crl_summarize(const seki_crl *crl, seki_crl_summary *out)
{
    if (!is_good(crl) || out == NULL)
        return SEKI_E_ARGUMENT;
    *out = crl->summary;
    return SEKI_OK;
}

seki_status seki_crl_part(const seki_crl *crl, uint32_t part, const uint8_t **data, size_t *length)
{
    if (!is_good(crl) || part >= SEKI_CRL_PARTS || data == NULL || length == NULL)
        return SEKI_E_ARGUMENT;
    *data = crl->parts[part].data;
    *length = crl->parts[part].length;
    return SEKI_OK;
}

seki_status seki_crl_points(const seki_crl *crl, uint8_t *points, uint64_t capacity, uint64_t *count)
{
    if (!is_good(crl) || (points == NULL && capacity != 0) || count == NULL)
        return SEKI_E_ARGUMENT;
    *count = crl->summary.points;
    uint64_t some = capacity < *count ? capacity : *count;
    if (some != 0)
        memcpy(points, crl->points, (size_t)some * SEKI_POINT_SIZE);
    return SEKI_OK;
}

seki_status seki_crl_set_issuer(const seki_crl *crl, uint64_t set, uint8_t issuer_form[32])
{
    if (!is_good(crl) || set >= crl->sets.count || issuer_form == NULL)
        return SEKI_E_ARGUMENT;
    memcpy(issuer_form, crl->sets.set[set].issuer, sizeof crl->sets.set[set].issuer);
    return SEKI_OK;
}

seki_crl_sets *seki_crl_sets_of(seki_crl *crl)
{
    return is_good(crl) ? &crl->sets : NULL;
}

/* ---- octets in --------------------------------------------------------------------------------- */

static seki_status feed_der(seki_crl *crl, const uint8_t *data, size_t length)
{
    seki_status status = SEKI_OK;
    while (status == SEKI_OK && crl->reason == 0 && length != 0) {
        size_t piece = length < PIECE_SIZE ? length : PIECE_SIZE;
        uint64_t start = crl->received;
        crl->received += piece;
        status = walk(crl, data, piece);
        if (status == SEKI_OK && crl->reason == 0)
            hash_piece(crl, start, (seki_span){data, piece});
        data += piece;
        length -= piece;
    }
    return status;
}

static seki_status feed_text(seki_crl *crl, const uint8_t *data, size_t length)
{
    seki_span in = {data, length};
    seki_status status = SEKI_OK;
    while (status == SEKI_OK && crl->reason == 0 && in.length != 0) {
        size_t written;
        seki_reason reason = seki_crl_pem_take(&crl->pem, &in, crl->text, sizeof crl->text, &written);
        status = feed_der(crl, crl->text, written);
        /* What stands before the fault was judged first. */
        if (status == SEKI_OK && crl->reason == 0 && reason != SEKI_NOT_DECIDED)
            refuse(crl, reason, crl->pem.at);
    }
    return status;
}

static seki_status walk(seki_crl *crl, const uint8_t *data, size_t length)
{
    while (length != 0 && crl->reason == 0) {
        size_t used = 0;
        seki_status status;
        if (crl->carried == 0) {
            status = take(crl, data, length, &used);
            if (status != SEKI_OK || crl->reason != 0)
                return status;
            if (used == 0) { /* less than one element is left, and its size is within its limit */
                memcpy(crl->carry, data, length);
                crl->carried = length;
                return SEKI_OK;
            }
            data += used;
            length -= used;
            continue;
        }
        size_t missing = crl->wanted - crl->carried, some = length < missing ? length : missing;
        memcpy(crl->carry + crl->carried, data, some);
        crl->carried += some;
        data += some;
        length -= some;
        if (crl->carried < crl->wanted)
            return SEKI_OK;
        status = take(crl, crl->carry, crl->carried, &used);
        if (status != SEKI_OK || crl->reason != 0)
            return status;
        if (used != 0)
            crl->carried = 0; /* all of it: no more was put there than the element has */
    }
    return SEKI_OK;
}

/* Takes what comes next off the front of `data`: one element, the beginning of a container, or several entries.
 * *used is 0 if there is not enough; crl->wanted then says how much there must be. */
static seki_status take(seki_crl *crl, const uint8_t *data, size_t length, size_t *used)
{
    element e;
    *used = 0;
    if (crl->next == ENTRY) {
        seki_status status = fast_entries(crl, data, length, used);
        if (status != SEKI_OK || *used != 0)
            return status;
    }
    if (crl->next == DONE) {
        refuse(crl, SEKI_CRL_TRAILING_DATA, crl->offset);
        return SEKI_OK;
    }
    header_state state = header_read(data, length, &e);
    if (state == HEADER_SHORT) {
        crl->wanted = length + 1;
        return SEKI_OK;
    }
    uint64_t room = parent_end(crl) - crl->offset;
    if (state == HEADER_BAD || !tag_is_expected(crl->next, e.tag) || e.header > room || e.length > room - e.header) {
        refuse(crl, malformed_as(crl->next), crl->offset);
        return SEKI_OK;
    }
    if (open_container(crl, &e)) {
        *used = e.header;
        crl->offset += e.header;
        settle(crl);
        return SEKI_OK;
    }
    if (e.length > size_max(crl, e.tag) - e.header) {
        refuse(crl, SEKI_CRL_TOO_LARGE, crl->offset);
        return SEKI_OK;
    }
    size_t size = e.header + (size_t)e.length;
    if (size > length) {
        crl->wanted = size;
        return SEKI_OK;
    }
    seki_status status = whole_read(crl, (seki_span){data, size}, (seki_span){data + e.header, (size_t)e.length});
    if (status == SEKI_OK && crl->reason == 0) {
        *used = size;
        crl->offset += size;
        settle(crl);
    }
    return status;
}

/* Entries of the common shapes, as many as come one behind the other. */
static seki_status fast_entries(seki_crl *crl, const uint8_t *data, size_t length, size_t *used)
{
    const uint8_t *at = data, *end = data + length;
    bool extensions_allowed = crl->summary.version == 2;
    seki_status status = SEKI_OK;
    uint64_t within = crl->entries_end - crl->offset, count = 0;
    while (status == SEKI_OK && within != 0 && (size_t)(end - at) >= SEKI_CRL_ENTRY_FAST_ROOM) {
        seki_revoked entry;
        size_t size = seki_crl_entry_fast(at, within, extensions_allowed, &entry);
        if (size == 0)
            break;
        if (entry.reason == SEKI_REASON_REMOVE_FROM_CRL && crl->entry_removed == 0)
            crl->entry_removed = crl->entries_end - within;
        status = seki_crl_sets_add(&crl->sets, &entry);
        at += size;
        within -= size;
        count++;
    }
    *used = (size_t)(at - data);
    crl->offset += *used;
    crl->summary.entries += count;
    if (*used != 0)
        settle(crl);
    return status;
}

/* As seki_der_take_any reads it, but with lengths below 2^64. */
static header_state header_read(const uint8_t *data, size_t length, element *out)
{
    if (length < 2)
        return HEADER_SHORT;
    out->tag = data[0];
    if ((data[0] & 0x1f) == 0x1f || (data[0] & ~SEKI_DER_CONSTRUCTED) == 0)
        return HEADER_BAD;
    out->header = 2;
    out->length = data[1];
    if (data[1] < 0x80)
        return HEADER_GOOD;
    size_t octets = data[1] & 0x7f;
    if (octets == 0 || octets > HEADER_SIZE_MAX - 2)
        return HEADER_BAD;
    if (length < 2 + octets)
        return HEADER_SHORT;
    uint64_t value = 0;
    for (size_t i = 0; i < octets; i++)
        value = value << 8 | data[2 + i];
    if (data[2] == 0 || value < 0x80) /* X.690, 10.1 */
        return HEADER_BAD;
    out->header = 2 + octets;
    out->length = value;
    return HEADER_GOOD;
}

/* ---- where we are ------------------------------------------------------------------------------ */

static seki_reason malformed_as(expected next)
{
    switch (next) {
    case ISSUER:
        return SEKI_CRL_NAME_MALFORMED;
    case THIS_UPDATE:
        return SEKI_CRL_TIME_MALFORMED;
    case ENTRY:
        return SEKI_CRL_ENTRY_MALFORMED;
    default:
        return SEKI_CRL_MALFORMED;
    }
}

static bool tag_is_expected(expected next, uint8_t tag)
{
    bool is_time = tag == SEKI_DER_UTC_TIME || tag == SEKI_DER_GENERALIZED_TIME;
    switch (next) {
    case VERSION:
        return tag == SEKI_DER_INTEGER || tag == SEKI_DER_SEQUENCE;
    case THIS_UPDATE:
        return is_time;
    case AFTER_THIS:
        return is_time || tag == SEKI_DER_SEQUENCE || tag == SEKI_DER_CONTEXT_CONSTRUCTED(0);
    case AFTER_NEXT:
        return tag == SEKI_DER_SEQUENCE || tag == SEKI_DER_CONTEXT_CONSTRUCTED(0);
    case AFTER_ENTRIES:
        return tag == SEKI_DER_CONTEXT_CONSTRUCTED(0);
    case AFTER_EXTENSIONS:
        return false;
    case SIGNATURE:
        return tag == SEKI_DER_BIT_STRING;
    default:
        return tag == SEKI_DER_SEQUENCE;
    }
}

/* End of what the next element must lie in. */
static uint64_t parent_end(const seki_crl *crl)
{
    if (crl->next == LIST)
        return INT64_MAX;
    if (crl->next == TBS || crl->next == OUTER_ALGORITHM || crl->next == SIGNATURE)
        return crl->list_end;
    return crl->next == ENTRY ? crl->entries_end : crl->tbs_end;
}

/* Goes into CertificateList, tbsCertList and revokedCertificates. */
static bool open_container(seki_crl *crl, const element *e)
{
    uint64_t start = crl->offset + e->header, end = start + e->length;
    switch (crl->next) {
    case LIST:
        crl->list_end = end;
        crl->tbs_start = start;
        crl->summary.size = end;
        crl->next = TBS;
        return true;
    case TBS:
        crl->tbs_end = end;
        crl->summary.tbs_size = end - crl->offset;
        crl->next = VERSION;
        return true;
    case AFTER_THIS:
    case AFTER_NEXT:
        if (e->tag != SEKI_DER_SEQUENCE)
            return false;
        /* 5.1.2.6: "When there are no revoked certificates, the revoked certificates list MUST be absent." */
        if (e->length == 0)
            refuse(crl, SEKI_CRL_MALFORMED, crl->offset);
        crl->entries_end = end;
        crl->next = ENTRY;
        return true;
    default:
        return false;
    }
}

/* Octets that the element may have, header included. */
static uint64_t size_max(const seki_crl *crl, uint8_t tag)
{
    switch (crl->next) {
    case ALGORITHM:
    case OUTER_ALGORITHM:
        return ALGORITHM_SIZE_MAX;
    case VERSION:
        return tag == SEKI_DER_SEQUENCE ? ALGORITHM_SIZE_MAX : SMALL_SIZE_MAX;
    case ISSUER:
        return SEKI_NAME_SIZE_MAX;
    case ENTRY:
        return SEKI_CRL_ENTRY_SIZE_MAX;
    case SIGNATURE:
        return SEKI_SIGNATURE_SIZE_MAX;
    default:
        return tag == SEKI_DER_CONTEXT_CONSTRUCTED(0) ? SEKI_CRL_EXTENSIONS_SIZE_MAX : SMALL_SIZE_MAX;
    }
}

/* After an element: what ends here, so that nothing more needs to come to know it. */
static void settle(seki_crl *crl)
{
    if (crl->reason != 0)
        return;
    if (crl->next == ENTRY && crl->offset == crl->entries_end)
        crl->next = AFTER_ENTRIES;
    if (crl->next >= AFTER_THIS && crl->next <= AFTER_EXTENSIONS && crl->next != ENTRY && crl->offset == crl->tbs_end) {
        end_of_tbs(crl);
        crl->next = OUTER_ALGORITHM;
    }
    if (crl->next == DONE) {
        if (crl->offset != crl->list_end)
            refuse(crl, SEKI_CRL_MALFORMED, crl->offset);
    } else if (crl->offset == parent_end(crl)) { /* something must still come, and has no room */
        refuse(crl, malformed_as(crl->next), crl->offset);
    }
}

/* What an entry says is judged by extensions that follow all entries. */
static void end_of_tbs(seki_crl *crl)
{
    if (crl->entry_with_issuer != 0 && (crl->extensions.flags & SEKI_CRL_IS_INDIRECT) == 0)
        refuse(crl, SEKI_CRL_ENTRY_EXTENSION, crl->entry_with_issuer); /* 5.3.3: "in an indirect CRL" */
    else if (crl->entry_removed != 0 && (crl->extensions.flags & SEKI_CRL_IS_DELTA) == 0)
        refuse(crl, SEKI_CRL_ENTRY_EXTENSION, crl->entry_removed); /* 5.3.1: "may only appear in delta CRLs" */
}

/* ---- elements ---------------------------------------------------------------------------------- */

static seki_status whole_read(seki_crl *crl, seki_span whole, seki_span content)
{
    switch (crl->next) {
    case VERSION:
        if (whole.data[0] != SEKI_DER_INTEGER)
            return algorithm_read(crl, whole, content);
        version_read(crl, whole);
        return SEKI_OK;
    case ALGORITHM:
        return algorithm_read(crl, whole, content);
    case ISSUER:
        return issuer_read(crl, whole, content);
    case THIS_UPDATE:
        time_read(crl, whole, &crl->summary.this_update);
        crl->next = AFTER_THIS;
        return SEKI_OK;
    case ENTRY:
        return entry_read(crl, whole, content);
    case OUTER_ALGORITHM:
        outer_algorithm_read(crl, whole);
        return SEKI_OK;
    case SIGNATURE:
        signature_read(crl, whole);
        return SEKI_OK;
    default:
        if (whole.data[0] == SEKI_DER_CONTEXT_CONSTRUCTED(0))
            return extensions_read(crl, whole, content);
        time_read(crl, whole, &crl->summary.next_update);
        /* A window that closes before it opens is no window. */
        if (crl->reason == 0 && crl->summary.next_update < crl->summary.this_update)
            refuse(crl, SEKI_CRL_TIME_MALFORMED, crl->offset);
        crl->next = AFTER_NEXT;
        return SEKI_OK;
    }
}

/* version INTEGER OPTIONAL, "if present, MUST be v2" (5.1.2.1), that is 1. */
static void version_read(seki_crl *crl, seki_span whole)
{
    seki_span number;
    if (!seki_der_take_integer(&whole, &number))
        refuse(crl, SEKI_CRL_MALFORMED, crl->offset);
    else if (number.length != 1 || number.data[0] != 1)
        refuse(crl, SEKI_CRL_VERSION, crl->offset);
    crl->summary.version = 2;
    crl->next = ALGORITHM;
}

static uint32_t hash_of(seki_signature_algorithm algorithm)
{
    switch (algorithm) {
    case SEKI_SIGALG_RSA_SHA256:
    case SEKI_SIGALG_PSS_SHA256:
    case SEKI_SIGALG_ECDSA_SHA256:
        return SEKI_HASH_SHA256;
    case SEKI_SIGALG_RSA_SHA384:
    case SEKI_SIGALG_PSS_SHA384:
    case SEKI_SIGALG_ECDSA_SHA384:
        return SEKI_HASH_SHA384;
    case SEKI_SIGALG_RSA_SHA512:
    case SEKI_SIGALG_PSS_SHA512:
    case SEKI_SIGALG_ECDSA_SHA512:
        return SEKI_HASH_SHA512;
    default:
        return SEKI_HASH_NONE;
    }
}

static seki_status algorithm_read(seki_crl *crl, seki_span whole, seki_span content)
{
    seki_signature_algorithm algorithm;
    const uint8_t *fault = whole.data;
    crl->next = ISSUER;
    if (!seki_signature_algorithm_read(content, &algorithm, &fault)) {
        refuse(crl, SEKI_CRL_MALFORMED, crl->offset + (uint64_t)(fault - whole.data));
        return SEKI_OK;
    }
    if (algorithm == SEKI_SIGALG_UNKNOWN) {
        refuse(crl, SEKI_CRL_ALGORITHM_NOT_ALLOWED, crl->offset);
        return SEKI_OK;
    }
    memcpy(crl->algorithm, whole.data, whole.length);
    crl->algorithm_length = whole.length;
    crl->summary.signature_algorithm = (uint32_t)algorithm;
    crl->summary.hash = hash_of(algorithm);
    if (crl->summary.hash == SEKI_HASH_SHA256) {
        SHA256_Init(&crl->tbs256);
    } else if (crl->summary.hash == SEKI_HASH_SHA384) {
        SHA384_Init(&crl->tbs512);
    } else if (crl->summary.hash == SEKI_HASH_SHA512) {
        SHA512_Init(&crl->tbs512);
    } else {
        if (crl->summary.tbs_size > SEKI_CRL_TBS_KEPT_MAX) {
            refuse(crl, SEKI_CRL_TOO_LARGE, crl->tbs_start);
            return SEKI_OK;
        }
        crl->tbs = malloc((size_t)crl->summary.tbs_size);
        if (crl->tbs == NULL)
            return SEKI_E_MEMORY;
    }
    return SEKI_OK;
}

/* 5.1.2.3: "The issuer field MUST contain a non-empty X.500 distinguished name (DN)." */
static seki_status issuer_read(seki_crl *crl, seki_span whole, seki_span content)
{
    const uint8_t *fault = whole.data;
    uint32_t full;
    crl->next = THIS_UPDATE;
    if (content.length == 0 || !seki_name_is_valid(content, &fault)) {
        refuse(crl, SEKI_CRL_NAME_MALFORMED, crl->offset + (uint64_t)(fault - whole.data));
        return SEKI_OK;
    }
    memcpy(crl->issuer, whole.data, whole.length);
    crl->parts[SEKI_CRL_PART_ISSUER] = (seki_span){crl->issuer, whole.length};
    seki_name_digest(whole, crl->summary.issuer_form);
    return seki_crl_sets_choose(&crl->sets, crl->summary.issuer_form, &full);
}

static void time_read(seki_crl *crl, seki_span whole, int64_t *out)
{
    if (!seki_der_take_time(&whole, out))
        refuse(crl, SEKI_CRL_TIME_MALFORMED, crl->offset);
}

static seki_status entry_read(seki_crl *crl, seki_span whole, seki_span content)
{
    seki_crl_one one;
    const uint8_t *fault = whole.data;
    seki_reason reason = seki_crl_entry_read(content, crl->summary.version == 2, &one, &fault);
    if (reason != SEKI_NOT_DECIDED) {
        refuse(crl, reason, crl->offset + (uint64_t)(fault - whole.data));
        return SEKI_OK;
    }
    crl->summary.entries++;
    if (one.issuer.length != 0) { /* 5.3.3: of this entry and of those that follow, up to the next that has one */
        uint8_t form[32];
        uint32_t full;
        if (crl->entry_with_issuer == 0)
            crl->entry_with_issuer = crl->offset;
        seki_name_digest(one.issuer, form);
        seki_status status = seki_crl_sets_choose(&crl->sets, form, &full);
        if (status != SEKI_OK)
            return status;
        if (full != 0) {
            refuse(crl, SEKI_CRL_TOO_LARGE, crl->offset);
            return SEKI_OK;
        }
    }
    if (one.revoked.reason == SEKI_REASON_REMOVE_FROM_CRL && crl->entry_removed == 0)
        crl->entry_removed = crl->offset;
    if (one.negative) {
        crl->summary.negative++;
        return SEKI_OK;
    }
    return seki_crl_sets_add(&crl->sets, &one.revoked);
}

/* crlExtensions [0] EXPLICIT Extensions: "MUST be version 2" where they are (5.1.2.7). */
static seki_status extensions_read(seki_crl *crl, seki_span whole, seki_span content)
{
    uint8_t *octets = malloc(content.length != 0 ? content.length : 1);
    if (octets == NULL)
        return SEKI_E_MEMORY;
    if (content.length != 0)
        memcpy(octets, content.data, content.length);
    crl->extension_octets = octets;
    crl->next = AFTER_EXTENSIONS;
    seki_span in = {octets, content.length}, list;
    if (crl->summary.version != 2) {
        refuse(crl, SEKI_CRL_VERSION, crl->offset);
        return SEKI_OK;
    }
    if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &list, NULL) || in.length != 0) {
        refuse(crl, SEKI_CRL_MALFORMED, crl->offset);
        return SEKI_OK;
    }
    const uint8_t *fault = octets;
    seki_reason reason = seki_crl_extensions_read(list, &crl->extensions, &fault);
    if (reason != SEKI_NOT_DECIDED) {
        refuse(crl, reason, crl->offset + (uint64_t)(content.data - whole.data) + (uint64_t)(fault - octets));
        return SEKI_OK;
    }
    if (crl->extensions.point.relative.length > SEKI_NAME_SIZE_MAX) /* a name below the issuer's, itself beyond any name */
        refuse(crl, SEKI_CRL_TOO_LARGE, crl->offset);
    return SEKI_OK;
}

/* 5.1.1.2: "This field MUST contain the same algorithm identifier as the signature field in the sequence tbsCertList". */
static void outer_algorithm_read(seki_crl *crl, seki_span whole)
{
    if (!seki_span_equal(whole, (seki_span){crl->algorithm, crl->algorithm_length}))
        refuse(crl, SEKI_CRL_ALGORITHMS_DIFFER, crl->offset);
    crl->next = SIGNATURE;
}

static void signature_read(seki_crl *crl, seki_span whole)
{
    seki_span octets;
    crl->next = DONE;
    if (!seki_der_take_octet_bits(&whole, &octets)) {
        refuse(crl, SEKI_CRL_MALFORMED, crl->offset);
        return;
    }
    memcpy(crl->signature, octets.data, octets.length);
    crl->parts[SEKI_CRL_PART_SIGNATURE] = (seki_span){crl->signature, octets.length};
}

static void refuse(seki_crl *crl, seki_reason reason, uint64_t fault)
{
    if (crl->reason != 0)
        return;
    crl->reason = (uint32_t)reason;
    crl->fault = fault;
}

/* ---- hashes ------------------------------------------------------------------------------------ */

/* `piece` starts at offset `start` of the list, and was walked. */
static void hash_piece(seki_crl *crl, uint64_t start, seki_span piece)
{
    SHA256_Update(&crl->whole, piece.data, piece.length);
    if (crl->next == LIST)
        return;
    uint64_t from = start > crl->tbs_start ? start : crl->tbs_start, to = start + piece.length;
    if (crl->tbs_end != 0 && crl->tbs_end < to)
        to = crl->tbs_end;
    if (from >= to)
        return;
    seki_span octets = {piece.data + (from - start), (size_t)(to - from)};
    if (crl->algorithm_length != 0) {
        if (crl->prefix_length != 0)
            hash_tbs(crl, (seki_span){crl->prefix, crl->prefix_length});
        crl->prefix_length = 0;
        hash_tbs(crl, octets);
    } else if (octets.length <= sizeof crl->prefix - crl->prefix_length) {
        memcpy(crl->prefix + crl->prefix_length, octets.data, octets.length);
        crl->prefix_length += octets.length;
    } else { /* not reached: the elements up to the algorithm have no more room (PREFIX_SIZE_MAX) */
        refuse(crl, SEKI_CRL_TOO_LARGE, crl->tbs_start);
    }
}

static void hash_tbs(seki_crl *crl, seki_span octets)
{
    switch (crl->summary.hash) {
    case SEKI_HASH_SHA256:
        SHA256_Update(&crl->tbs256, octets.data, octets.length);
        return;
    case SEKI_HASH_SHA384:
        SHA384_Update(&crl->tbs512, octets.data, octets.length);
        return;
    case SEKI_HASH_SHA512:
        SHA512_Update(&crl->tbs512, octets.data, octets.length);
        return;
    default: /* never more than tbs_size: only octets before tbs_end come here */
        memcpy(crl->tbs + crl->tbs_kept, octets.data, octets.length);
        crl->tbs_kept += octets.length;
    }
}

static void hashes_end(seki_crl *crl)
{
    seki_crl_summary *s = &crl->summary;
    SHA256_Final(s->sha256, &crl->whole);
    s->digest_length = s->hash == SEKI_HASH_NONE ? 0 : (uint8_t)seki_digest_size(s->hash);
    if (s->hash == SEKI_HASH_SHA256)
        SHA256_Final(s->digest, &crl->tbs256);
    else if (s->hash == SEKI_HASH_SHA384)
        SHA384_Final(s->digest, &crl->tbs512);
    else if (s->hash == SEKI_HASH_SHA512)
        SHA512_Final(s->digest, &crl->tbs512);
}

/* ---- the end ----------------------------------------------------------------------------------- */

static void number_copy(seki_span magnitude, uint8_t out[20], uint8_t *length)
{
    *length = (uint8_t)magnitude.length;
    if (magnitude.length != 0)
        memcpy(out, magnitude.data, magnitude.length);
}

static seki_status finish(seki_crl *crl)
{
    seki_crl_summary *s = &crl->summary;
    const seki_crl_extensions *x = &crl->extensions;
    hashes_end(crl);
    s->flags = x->flags | (crl->is_pem ? SEKI_CRL_IS_PEM : 0u);
    s->reasons = x->reasons;
    s->extensions = x->present;
    s->sets = crl->sets.count;
    for (size_t i = 0; i < crl->sets.count; i++)
        s->removals += crl->sets.set[i].removals;
    number_copy(x->number, s->number, &s->number_length);
    number_copy(x->base_number, s->base_number, &s->base_number_length);
    crl->parts[SEKI_CRL_PART_TBS] = (seki_span){crl->tbs, crl->tbs_kept};
    crl->parts[SEKI_CRL_PART_AUTHORITY_KEY_ID] = x->key_id;
    crl->parts[SEKI_CRL_PART_AUTHORITY_KEY] = x->authority_key;
    crl->parts[SEKI_CRL_PART_IDP] = x->idp;
    crl->parts[SEKI_CRL_PART_ISSUER_ALT_NAME] = x->issuer_alt_name;
    crl->parts[SEKI_CRL_PART_FRESHEST] = x->freshest;
    crl->parts[SEKI_CRL_PART_AUTHORITY_INFO] = x->authority_info;
    return points_make(crl);
}

static seki_status points_make(seki_crl *crl)
{
    const seki_point_name *point = &crl->extensions.point;
    const uint8_t *form = crl->summary.issuer_form;
    seki_span names = point->full_name, content, whole;
    size_t count = 0;
    uint8_t tag;
    while (seki_der_take_any(&names, &tag, &content, &whole))
        count++;
    count = count != 0 ? count : 1;
    crl->points = malloc(count * SEKI_POINT_SIZE);
    if (crl->points == NULL)
        return SEKI_E_MEMORY;
    crl->summary.points = (uint32_t)count;
    if (point->relative.length != 0) /* both names are within their limits, so that this does not fail */
        return seki_point_of_relative(crl->parts[SEKI_CRL_PART_ISSUER], form, point->relative, crl->points) ? SEKI_OK : SEKI_E_DAMAGED;
    if (point->full_name.length == 0) {
        seki_point_of(form, NULL, crl->points);
        return SEKI_OK;
    }
    names = point->full_name;
    for (uint8_t *out = crl->points; seki_der_take_any(&names, &tag, &content, &whole); out += SEKI_POINT_SIZE)
        seki_point_of(form, &whole, out);
    return SEKI_OK;
}
