/* snapshot_writer.c: writes a snapshot as a stream: header, the indexes one behind the other, the directory, the footer. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "crl.h"
#include "digest.h"
#include "snapshot.h"

/* A part of the directory that grows. */
typedef struct {
    uint8_t *data;
    size_t length, room;
} part;

struct seki_snapshot_writer {
    int fd;
    uint64_t offset;
    seki_snapshot_options options;
    part sources, sets, keys, names;
    uint32_t source_count, set_count, key_count;
    bool failed;
};

/* An index on its way into the file, or kept in memory. */
typedef struct {
    seki_snapshot_writer *writer; /* NULL: kept */
    part kept;
    uint64_t offset, length;
    uint8_t sha256[SEKI_SHA256_SIZE];
} sink;

static bool append(part *to, const uint8_t *bytes, size_t length)
{
    if (length > to->room - to->length) {
        size_t room = 2 * to->room > to->length + length ? 2 * to->room : to->length + length + 256;
        uint8_t *data = realloc(to->data, room);
        if (data == NULL)
            return false;
        to->data = data;
        to->room = room;
    }
    if (length != 0)
        memcpy(to->data + to->length, bytes, length);
    to->length += length;
    return true;
}

static seki_status write_all(seki_snapshot_writer *writer, const uint8_t *bytes, size_t length)
{
    while (length != 0) {
        ssize_t done = write(writer->fd, bytes, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return SEKI_E_SYSTEM;
        bytes += done;
        length -= (size_t)done;
        writer->offset += (uint64_t)done;
    }
    return SEKI_OK;
}

/* seki_write: an index comes in one piece. */
static seki_status take_index(void *context, const uint8_t *bytes, size_t length)
{
    sink *to = context;
    to->length = length;
    if (to->writer == NULL)
        return append(&to->kept, bytes, length) ? SEKI_OK : SEKI_E_MEMORY;
    to->offset = to->writer->offset;
    seki_sha256((seki_span){bytes, length}, to->sha256);
    return write_all(to->writer, bytes, length);
}

seki_status seki_snapshot_writer_new(int fd, const seki_snapshot_options *options, seki_snapshot_writer **out)
{
    if (options == NULL || out == NULL || options->id == 0 || options->reserved != 0
        || (options->kind != SEKI_SNAPSHOT_BASE && options->kind != SEKI_SNAPSHOT_OVERLAY))
        return SEKI_E_ARGUMENT;
    static const uint8_t zeros[32];
    if ((memcmp(options->base, zeros, sizeof zeros) == 0) != (options->kind == SEKI_SNAPSHOT_BASE))
        return SEKI_E_ARGUMENT;
    if (lseek(fd, 0, SEEK_END) != 0)
        return SEKI_E_ARGUMENT;
    seki_snapshot_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return SEKI_E_MEMORY;
    writer->fd = fd;
    writer->options = *options;
    uint8_t head[SEKI_SNAPSHOT_HEADER_SIZE] = {0};
    memcpy(head, SEKI_SNAPSHOT_MAGIC, 8);
    seki_put(head + 8, 4, SEKI_SNAPSHOT_FORMAT);
    seki_status status = write_all(writer, head, sizeof head);
    if (status != SEKI_OK) {
        seki_snapshot_writer_free(writer);
        return status;
    }
    *out = writer;
    return SEKI_OK;
}

void seki_snapshot_writer_free(seki_snapshot_writer *writer)
{
    if (writer == NULL)
        return;
    free(writer->sources.data);
    free(writer->sets.data);
    free(writer->keys.data);
    free(writer->names.data);
    free(writer);
}

/* ---- records ----------------------------------------------------------------------------------- */

static seki_status add_set(seki_snapshot_writer *writer, const uint8_t issuer_form[32], const sink *revoked, const sink *removed)
{
    uint8_t record[SEKI_SNAPSHOT_SET_SIZE] = {0};
    memcpy(record + SEKI_SET_ISSUER, issuer_form, 32);
    seki_put(record + SEKI_SET_REVOKED, 8, revoked->length != 0 ? revoked->offset : 0);
    seki_put(record + SEKI_SET_REVOKED_LENGTH, 8, revoked->length);
    memcpy(record + SEKI_SET_REVOKED_SHA256, revoked->sha256, SEKI_SHA256_SIZE);
    seki_put(record + SEKI_SET_REMOVED, 8, removed->length != 0 ? removed->offset : 0);
    seki_put(record + SEKI_SET_REMOVED_LENGTH, 8, removed->length);
    memcpy(record + SEKI_SET_REMOVED_SHA256, removed->sha256, SEKI_SHA256_SIZE);
    seki_put(record + SEKI_SET_SOURCE, 4, writer->source_count);
    if (!append(&writer->sets, record, sizeof record))
        return SEKI_E_MEMORY;
    writer->set_count++;
    return SEKI_OK;
}

/* The names of a source go behind one another; the record says where. */
static bool add_names(seki_snapshot_writer *writer, uint8_t *record, seki_span issuer, seki_span idp)
{
    size_t at = writer->names.length;
    if (at > UINT32_MAX - SEKI_CRL_EXTENSIONS_SIZE_MAX - SEKI_NAME_SIZE_MAX || !append(&writer->names, issuer.data, issuer.length)
        || !append(&writer->names, idp.data, idp.length))
        return false;
    seki_put(record + SEKI_SOURCE_NAME, 4, at);
    seki_put(record + SEKI_SOURCE_NAME_LENGTH, 4, issuer.length);
    seki_put(record + SEKI_SOURCE_IDP, 4, at + issuer.length);
    seki_put(record + SEKI_SOURCE_IDP_LENGTH, 4, idp.length);
    return true;
}

static seki_status add_keys(seki_snapshot_writer *writer, const uint8_t *anchors, uint64_t anchor_count, const uint8_t *points,
                            uint64_t point_count, uint8_t *record)
{
    seki_put(record + SEKI_SOURCE_FIRST_KEY, 4, writer->key_count);
    seki_put(record + SEKI_SOURCE_KEYS, 4, anchor_count * point_count);
    for (uint64_t a = 0; a < anchor_count; a++)
        for (uint64_t p = 0; p < point_count; p++)
            if (!append(&writer->keys, anchors + 32 * a, 32) || !append(&writer->keys, points + 32 * p, 32))
                return SEKI_E_MEMORY;
    writer->key_count += (uint32_t)(anchor_count * point_count);
    return SEKI_OK;
}

static void put_summary(uint8_t *record, const seki_crl_summary *crl, const uint8_t signer[32])
{
    memcpy(record + SEKI_SOURCE_ISSUER, crl->issuer_form, 32);
    memcpy(record + SEKI_SOURCE_SIGNER, signer, 32);
    memcpy(record + SEKI_SOURCE_SHA256, crl->sha256, 32);
    seki_put(record + SEKI_SOURCE_THIS_UPDATE, 8, (uint64_t)crl->this_update);
    seki_put(record + SEKI_SOURCE_NEXT_UPDATE, 8, (uint64_t)crl->next_update);
    memcpy(record + SEKI_SOURCE_NUMBER, crl->number, 20);
    memcpy(record + SEKI_SOURCE_BASE_NUMBER, crl->base_number, 20);
    record[SEKI_SOURCE_NUMBER_LENGTH] = crl->number_length;
    record[SEKI_SOURCE_BASE_NUMBER_LENGTH] = crl->base_number_length;
    seki_put(record + SEKI_SOURCE_REASONS, 2, crl->reasons);
    seki_put(record + SEKI_SOURCE_FLAGS, 4, crl->flags);
    seki_put(record + SEKI_SOURCE_ALGORITHM, 4, crl->signature_algorithm);
    seki_put(record + SEKI_SOURCE_BYTES, 8, crl->size);
}

static seki_status end_source(seki_snapshot_writer *writer, uint8_t *record, uint32_t sets, uint64_t entries, uint64_t removals)
{
    seki_put(record + SEKI_SOURCE_FIRST_SET, 4, writer->set_count - sets);
    seki_put(record + SEKI_SOURCE_SETS, 4, sets);
    seki_put(record + SEKI_SOURCE_ENTRIES, 8, entries);
    seki_put(record + SEKI_SOURCE_REMOVALS, 8, removals);
    if (!append(&writer->sources, record, SEKI_SNAPSHOT_SOURCE_SIZE))
        return SEKI_E_MEMORY;
    writer->source_count++;
    return SEKI_OK;
}

/* What is undone where a source is refused half-way. */
typedef struct {
    uint64_t offset;
    size_t sets, keys, names;
    uint32_t set_count, key_count;
} mark;

static mark mark_of(const seki_snapshot_writer *w)
{
    return (mark){w->offset, w->sets.length, w->keys.length, w->names.length, w->set_count, w->key_count};
}

/* The file is cut back too: the digest speaks for every byte of it. */
static seki_status go_back(seki_snapshot_writer *w, mark to)
{
    w->sets.length = to.sets;
    w->keys.length = to.keys;
    w->names.length = to.names;
    w->set_count = to.set_count;
    w->key_count = to.key_count;
    if (w->offset != to.offset && (ftruncate(w->fd, (off_t)to.offset) != 0 || lseek(w->fd, (off_t)to.offset, SEEK_SET) < 0))
        return SEKI_E_SYSTEM;
    w->offset = to.offset;
    return SEKI_OK;
}

static seki_status ended(seki_snapshot_writer *writer, seki_status status)
{
    writer->failed = writer->failed || status != SEKI_OK;
    return status;
}

/* ---- a complete CRL ---------------------------------------------------------------------------- */

static seki_status names_of(const seki_crl *crl, seki_span *issuer, seki_span *idp)
{
    seki_status status = seki_crl_part(crl, SEKI_CRL_PART_ISSUER, &issuer->data, &issuer->length);
    return status != SEKI_OK ? status : seki_crl_part(crl, SEKI_CRL_PART_IDP, &idp->data, &idp->length);
}

static seki_status points_of(const seki_crl *crl, const seki_crl_summary *summary, uint8_t **points)
{
    uint64_t count;
    *points = malloc((size_t)summary->points * SEKI_POINT_SIZE + 1);
    if (*points == NULL)
        return SEKI_E_MEMORY;
    seki_status status = seki_crl_points(crl, *points, summary->points, &count);
    return status == SEKI_OK && count != summary->points ? SEKI_E_ARGUMENT : status;
}

static seki_status add_complete(seki_snapshot_writer *writer, seki_crl *crl, const seki_crl_summary *summary, uint8_t *record,
                                uint32_t *reason)
{
    seki_crl_sets *sets = seki_crl_sets_of(crl);
    static const sink none;
    for (size_t i = 0; i < sets->count; i++) {
        sink to = {.writer = writer};
        uint8_t issuer[32];
        uint64_t length;
        uint32_t duplicate;
        memcpy(issuer, sets->set[i].issuer, sizeof issuer);
        seki_status status = seki_crl_set_write(sets, i, false, take_index, &to, &length, &duplicate);
        if (status != SEKI_OK)
            return status;
        if (duplicate != 0) {
            *reason = SEKI_CRL_ENTRY_DUPLICATE;
            return SEKI_OK;
        }
        status = add_set(writer, issuer, &to, &none);
        if (status != SEKI_OK)
            return status;
    }
    return end_source(writer, record, (uint32_t)sets->count, summary->entries - summary->negative, 0);
}

seki_status seki_snapshot_writer_add(seki_snapshot_writer *writer, seki_crl *crl, const uint8_t signer[32],
                                     const uint8_t *anchors, uint64_t anchor_count, uint32_t *reason)
{
    seki_crl_summary summary;
    seki_span issuer, idp;
    uint8_t record[SEKI_SNAPSHOT_SOURCE_SIZE] = {0}, *points = NULL;
    if (writer == NULL || writer->failed || writer->options.kind != SEKI_SNAPSHOT_BASE || crl == NULL || signer == NULL
        || anchors == NULL || anchor_count == 0 || anchor_count > SEKI_SNAPSHOT_ANCHORS_MAX || reason == NULL
        || writer->source_count == SEKI_SNAPSHOT_SOURCES_MAX)
        return SEKI_E_ARGUMENT;
    seki_status status = seki_crl_summarize(crl, &summary);
    if (status != SEKI_OK || seki_crl_sets_of(crl) == NULL)
        return SEKI_E_ARGUMENT;
    *reason = (summary.flags & SEKI_CRL_IS_DELTA) != 0        ? SEKI_CRL_DELTA_WITHOUT_BASE
              : (summary.flags & SEKI_CRL_ONLY_ATTRIBUTE) != 0 ? SEKI_CRL_SCOPE_UNSUPPORTED
                                                               : 0;
    if (*reason != 0)
        return SEKI_OK;
    mark start = mark_of(writer);
    put_summary(record, &summary, signer);
    status = names_of(crl, &issuer, &idp);
    if (status == SEKI_OK)
        status = points_of(crl, &summary, &points);
    if (status == SEKI_OK && !add_names(writer, record, issuer, idp))
        status = SEKI_E_MEMORY;
    if (status == SEKI_OK)
        status = add_keys(writer, anchors, anchor_count, points, summary.points, record);
    if (status == SEKI_OK)
        status = add_complete(writer, crl, &summary, record, reason);
    if (status == SEKI_OK && *reason != 0)
        status = go_back(writer, start);
    free(points);
    return ended(writer, status);
}

/* ---- a source of another snapshot -------------------------------------------------------------- */

static const seki_source *overlay_source(const seki_snapshot *overlay, uint64_t base_source)
{
    for (size_t i = 0; overlay != NULL && i < overlay->source_count; i++)
        if (seki_get(overlay->sources[i].record + SEKI_SOURCE_BASE, 4) == base_source)
            return &overlay->sources[i];
    return NULL;
}

static bool holds(const seki_index *index, const seki_revoked *entry)
{
    seki_revoked found;
    return index->count != 0 && seki_index_find(index, entry->serial, entry->length, &found);
}

/* Entries of `from` that neither `but` nor `nor` holds. */
static seki_status add_entries(seki_index_builder *builder, const seki_index *from, const seki_index *but, const seki_index *nor)
{
    seki_index_cursor cursor = {0};
    seki_revoked entry;
    while (seki_index_next(from, &cursor, &entry)) {
        if (holds(but, &entry) || holds(nor, &entry))
            continue;
        seki_status status = seki_index_builder_add(builder, &entry);
        if (status != SEKI_OK)
            return status == SEKI_E_ARGUMENT ? SEKI_E_DAMAGED : status;
    }
    return SEKI_OK;
}

static seki_status end_builder(seki_index_builder *builder, seki_status status, sink *to)
{
    uint64_t length;
    uint32_t duplicate = 0;
    if (status == SEKI_OK)
        status = seki_index_builder_end(builder, take_index, to, &length, &duplicate);
    seki_index_builder_free(builder);
    return status == SEKI_OK && duplicate != 0 ? SEKI_E_DAMAGED : status;
}

/* Of two indexes, each of a whole set, the newer first, one: what the newer has, and what the older has and the newer does not lift. */
static seki_status join(const seki_index *newer, const seki_index *lifted, const seki_index *older, sink *to)
{
    static const seki_index_options options;
    static const seki_index none;
    seki_index_builder *builder = seki_index_builder_new(&options);
    if (builder == NULL)
        return SEKI_E_MEMORY;
    seki_status status = add_entries(builder, newer, &none, &none);
    if (status == SEKI_OK)
        status = add_entries(builder, older, newer, lifted);
    return end_builder(builder, status, to);
}

/* The bytes of a section, as they are; checked against their digest so that damage is not copied. */
static seki_status copy_section(seki_span bytes, const uint8_t *sha256, sink *to)
{
    uint8_t digest[SEKI_SHA256_SIZE];
    if (bytes.length == 0)
        return SEKI_OK;
    seki_sha256(bytes, digest);
    if (memcmp(digest, sha256, sizeof digest) != 0)
        return SEKI_E_DAMAGED;
    seki_status status = take_index(to, bytes.data, bytes.length);
    return status == SEKI_OK && memcmp(digest, to->sha256, sizeof digest) != 0 ? SEKI_E_DAMAGED : status;
}

/* What an overlay's source says in the place of its base's. */
static void put_newer(uint8_t *record, const uint8_t *newer)
{
    static const struct {
        size_t at, size;
    } fields[] = {{SEKI_SOURCE_SHA256, 32},       {SEKI_SOURCE_THIS_UPDATE, 8},   {SEKI_SOURCE_NEXT_UPDATE, 8},
                  {SEKI_SOURCE_NUMBER, 20},       {SEKI_SOURCE_NUMBER_LENGTH, 1}, {SEKI_SOURCE_SIGNER, 32},
                  {SEKI_SOURCE_ALGORITHM, 4},     {SEKI_SOURCE_BYTES, 8}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        memcpy(record + fields[i].at, newer + fields[i].at, fields[i].size);
}

seki_status seki_snapshot_writer_copy(seki_snapshot_writer *writer, const seki_snapshot *from, const seki_snapshot *overlay,
                                      uint64_t number)
{
    return seki_snapshot_writer_copy_under(writer, from, overlay, number, NULL, 0);
}

/* Those keys of a source that are of one of the anchors; NULL: all. */
static bool copy_keys(seki_snapshot_writer *writer, const seki_snapshot *from, const seki_source *source, const uint8_t *anchors,
                      uint64_t anchor_count, uint32_t *count)
{
    *count = 0;
    for (uint32_t i = 0; i < source->key_count; i++) {
        const uint8_t *key = from->keys + ((size_t)source->first_key + i) * SEKI_SNAPSHOT_KEY_SIZE;
        bool wanted = anchors == NULL;
        for (uint64_t j = 0; j < anchor_count && !wanted; j++)
            wanted = memcmp(key, anchors + 32 * j, 32) == 0;
        if (!wanted)
            continue;
        if (!append(&writer->keys, key, SEKI_SNAPSHOT_KEY_SIZE))
            return false;
        ++*count;
    }
    return true;
}

seki_status seki_snapshot_writer_copy_under(seki_snapshot_writer *writer, const seki_snapshot *from, const seki_snapshot *overlay,
                                            uint64_t number, const uint8_t *anchors, uint64_t anchor_count)
{
    uint8_t record[SEKI_SNAPSHOT_SOURCE_SIZE];
    static const seki_index none;
    static const sink nothing;
    if (writer == NULL || writer->failed || writer->options.kind != SEKI_SNAPSHOT_BASE || from == NULL
        || from->kind != SEKI_SNAPSHOT_BASE || number >= from->source_count || writer->source_count == SEKI_SNAPSHOT_SOURCES_MAX
        || (overlay != NULL && memcmp(overlay->base, from->digest, sizeof overlay->base) != 0))
        return SEKI_E_ARGUMENT;
    const seki_source *source = &from->sources[number], *newer = overlay_source(overlay, number);
    memcpy(record, source->record, sizeof record);
    if (newer != NULL)
        put_newer(record, newer->record);
    seki_span issuer = {from->names + seki_get(source->record + SEKI_SOURCE_NAME, 4), (size_t)seki_get(source->record + SEKI_SOURCE_NAME_LENGTH, 4)};
    seki_span idp = {from->names + seki_get(source->record + SEKI_SOURCE_IDP, 4), (size_t)seki_get(source->record + SEKI_SOURCE_IDP_LENGTH, 4)};
    uint32_t keys;
    if (!add_names(writer, record, issuer, idp) || !copy_keys(writer, from, source, anchors, anchor_count, &keys))
        return ended(writer, SEKI_E_MEMORY);
    if (keys == 0)
        return ended(writer, SEKI_E_ARGUMENT);
    seki_put(record + SEKI_SOURCE_FIRST_KEY, 4, writer->key_count);
    seki_put(record + SEKI_SOURCE_KEYS, 4, keys);
    writer->key_count += keys;
    uint32_t sets = 0;
    uint64_t entries = 0;
    seki_status status = SEKI_OK;
    for (size_t i = 0; status == SEKI_OK && i < source->set_count; i++) {
        const seki_set *set = &from->sets[source->first_set + i];
        const seki_set *changed = newer != NULL ? seki_snapshot_set_of(overlay, newer, set->issuer_form) : NULL;
        sink to = {.writer = writer};
        status = changed == NULL ? copy_section(set->revoked_bytes, set->record + SEKI_SET_REVOKED_SHA256, &to)
                 : !seki_set_is_whole(set) || !seki_set_is_whole(changed)
                     ? SEKI_E_DAMAGED
                     : join(&changed->revoked, &changed->removed, &set->revoked, &to);
        if (status == SEKI_OK)
            status = add_set(writer, set->issuer_form, &to, &nothing);
        entries += set->revoked.count;
        sets++;
    }
    /* Certificate issuers that only the changes know. */
    for (size_t i = 0; status == SEKI_OK && newer != NULL && i < newer->set_count; i++) {
        const seki_set *set = &overlay->sets[newer->first_set + i];
        sink to = {.writer = writer};
        if (seki_snapshot_set_of(from, source, set->issuer_form) != NULL)
            continue;
        status = seki_set_is_whole(set) ? join(&set->revoked, &none, &none, &to) : SEKI_E_DAMAGED;
        if (status == SEKI_OK)
            status = add_set(writer, set->issuer_form, &to, &nothing);
        sets++;
    }
    if (status == SEKI_OK && newer != NULL) { /* of what was joined the count stands in the indexes */
        entries = seki_get(newer->record + SEKI_SOURCE_ENTRIES, 8) + entries;
    }
    if (status == SEKI_OK)
        status = end_source(writer, record, sets, entries, 0);
    if (status == SEKI_OK && (seki_snapshot_damaged(from) || (overlay != NULL && seki_snapshot_damaged(overlay))))
        status = SEKI_E_DAMAGED;
    return ended(writer, status);
}

/* ---- a delta CRL ------------------------------------------------------------------------------- */

/* One set's changes: what a delta adds and takes off, in memory, on top of what was changed before. */
static seki_status change_set(seki_snapshot_writer *writer, seki_crl_sets *sets, size_t number, const seki_set *before,
                              const uint8_t issuer[32], uint64_t counts[2], uint32_t *reason)
{
    static const seki_index none;
    sink added = {.writer = NULL}, taken = {.writer = NULL}, revoked = {.writer = writer}, removed = {.writer = writer};
    seki_index add = none, take = none;
    uint64_t length;
    uint32_t duplicate = 0;
    seki_status status = before == NULL || seki_set_is_whole(before) ? SEKI_OK : SEKI_E_DAMAGED;
    if (status == SEKI_OK && sets != NULL) {
        status = seki_crl_set_write(sets, number, false, take_index, &added, &length, &duplicate);
        if (status == SEKI_OK && duplicate == 0)
            status = seki_crl_set_write(sets, number, true, take_index, &taken, &length, &duplicate);
        if (status == SEKI_OK && duplicate == 0
            && (!seki_index_open((seki_span){added.kept.data, added.kept.length}, &add)
                || !seki_index_open((seki_span){taken.kept.data, taken.kept.length}, &take)))
            status = SEKI_E_DAMAGED;
        seki_index_cursor cursor = {0};
        seki_revoked entry;
        while (status == SEKI_OK && duplicate == 0 && seki_index_next(&take, &cursor, &entry))
            duplicate = holds(&add, &entry); /* on the list and off it at once */
    }
    if (status == SEKI_OK && duplicate != 0) {
        *reason = SEKI_CRL_ENTRY_DUPLICATE;
    } else if (status == SEKI_OK) {
        status = join(&add, &take, before != NULL ? &before->revoked : &none, &revoked);
        if (status == SEKI_OK)
            status = join(&take, &add, before != NULL ? &before->removed : &none, &removed);
        if (status == SEKI_OK)
            status = add_set(writer, issuer, &revoked, &removed);
        counts[0] += add.count;
        counts[1] += take.count;
    }
    free(added.kept.data);
    free(taken.kept.data);
    return status;
}

/* Below, at or above 0: of two magnitudes. */
static int number_order(const uint8_t *one, size_t one_length, const uint8_t *other, size_t other_length)
{
    if (one_length != other_length)
        return one_length < other_length ? -1 : 1;
    return memcmp(one, other, one_length);
}

seki_status seki_snapshot_writer_change(seki_snapshot_writer *writer, const seki_snapshot *base, uint64_t number,
                                        const seki_snapshot *before, seki_crl *crl, const uint8_t signer[32], uint32_t *reason)
{
    seki_crl_summary summary;
    uint8_t record[SEKI_SNAPSHOT_SOURCE_SIZE] = {0};
    if (writer == NULL || writer->failed || writer->options.kind != SEKI_SNAPSHOT_OVERLAY || base == NULL
        || number >= base->source_count || reason == NULL || memcmp(writer->options.base, base->digest, 32) != 0
        || (before != NULL && memcmp(before->base, base->digest, 32) != 0) || (crl != NULL && signer == NULL)
        || (before == NULL && crl == NULL) || writer->source_count == SEKI_SNAPSHOT_SOURCES_MAX)
        return SEKI_E_ARGUMENT;
    *reason = 0;
    const seki_source *older = overlay_source(before, number), *source = &base->sources[number];
    if (crl == NULL && older == NULL)
        return SEKI_E_ARGUMENT;
    if (crl != NULL) {
        if (seki_crl_summarize(crl, &summary) != SEKI_OK || seki_crl_sets_of(crl) == NULL || (summary.flags & SEKI_CRL_IS_DELTA) == 0)
            return SEKI_E_ARGUMENT;
        put_summary(record, &summary, signer);
        /* A delta says all that changed since its base CRL: where that is the base's own, what earlier deltas said is said again, or
         * is no longer so (RFC 5280, 5.2.4). */
        if (number_order(summary.base_number, summary.base_number_length, source->record + SEKI_SOURCE_NUMBER,
                         source->record[SEKI_SOURCE_NUMBER_LENGTH])
            <= 0)
            older = NULL;
    } else {
        memcpy(record, older->record, sizeof record);
    }
    seki_put(record + SEKI_SOURCE_BASE, 4, number);
    mark start = mark_of(writer);
    uint64_t counts[2] = {0, 0};
    uint32_t sets_written = 0;
    seki_span issuer = {base->names + seki_get(source->record + SEKI_SOURCE_NAME, 4), (size_t)seki_get(source->record + SEKI_SOURCE_NAME_LENGTH, 4)};
    seki_status status = add_names(writer, record, issuer, (seki_span){issuer.data, 0}) ? SEKI_OK : SEKI_E_MEMORY;
    seki_put(record + SEKI_SOURCE_FIRST_KEY, 4, writer->key_count); /* it is found through its base */
    seki_put(record + SEKI_SOURCE_KEYS, 4, 0);
    seki_crl_sets *sets = crl != NULL ? seki_crl_sets_of(crl) : NULL;
    for (size_t i = 0; status == SEKI_OK && *reason == 0 && sets != NULL && i < sets->count; i++, sets_written++) {
        uint8_t form[32];
        memcpy(form, sets->set[i].issuer, sizeof form);
        const seki_set *was = older != NULL ? seki_snapshot_set_of(before, older, form) : NULL;
        status = change_set(writer, sets, i, was, form, counts, reason);
    }
    for (size_t i = 0; status == SEKI_OK && *reason == 0 && older != NULL && i < older->set_count; i++) {
        const seki_set *was = &before->sets[older->first_set + i];
        bool done = false;
        for (size_t j = 0; sets != NULL && j < sets->count; j++)
            done = done || memcmp(sets->set[j].issuer, was->issuer_form, 32) == 0;
        if (done)
            continue;
        status = change_set(writer, NULL, 0, was, was->issuer_form, counts, reason);
        sets_written++;
    }
    if (crl == NULL) {
        counts[0] = seki_get(older->record + SEKI_SOURCE_ENTRIES, 8);
        counts[1] = seki_get(older->record + SEKI_SOURCE_REMOVALS, 8);
    }
    if (status == SEKI_OK && *reason == 0)
        status = end_source(writer, record, sets_written, counts[0], counts[1]);
    if (status == SEKI_OK && *reason != 0)
        status = go_back(writer, start);
    if (status == SEKI_OK && before != NULL && seki_snapshot_damaged(before))
        status = SEKI_E_DAMAGED;
    return ended(writer, status);
}

/* ---- the end ----------------------------------------------------------------------------------- */

seki_status seki_snapshot_writer_end(seki_snapshot_writer *writer, uint8_t digest[32])
{
    if (writer == NULL || writer->failed || digest == NULL)
        return SEKI_E_ARGUMENT;
    uint8_t head[SEKI_SNAPSHOT_DIRECTORY_HEAD] = {0}, footer[SEKI_SNAPSHOT_FOOTER_SIZE] = {0};
    seki_put(head, 4, writer->source_count);
    seki_put(head + 4, 4, writer->set_count);
    seki_put(head + 8, 4, writer->key_count);
    const part *parts[4] = {&writer->sources, &writer->sets, &writer->keys, &writer->names};
    uint64_t at = writer->offset;
    part directory = {0};
    bool whole = append(&directory, head, sizeof head);
    for (size_t i = 0; i < 4 && whole; i++)
        whole = append(&directory, parts[i]->data, parts[i]->length);
    seki_status status = whole ? write_all(writer, directory.data, directory.length) : SEKI_E_MEMORY;
    memcpy(footer, SEKI_SNAPSHOT_END, 8);
    seki_put(footer + 8, 4, SEKI_SNAPSHOT_FORMAT);
    seki_put(footer + 12, 4, writer->options.kind);
    seki_put(footer + 16, 8, writer->options.id);
    seki_put(footer + 24, 8, (uint64_t)writer->options.built_at);
    seki_put(footer + 32, 8, at);
    seki_put(footer + 40, 8, directory.length);
    memcpy(footer + 48, writer->options.base, 32);
    if (status == SEKI_OK) {
        seki_span both[2] = {{footer, SEKI_SNAPSHOT_FOOTER_DIGEST}, {directory.data, directory.length}};
        seki_sha256_parts(both, 2, footer + SEKI_SNAPSHOT_FOOTER_DIGEST);
        status = write_all(writer, footer, sizeof footer);
    }
    if (status == SEKI_OK)
        seki_sha256((seki_span){footer, sizeof footer}, digest);
    free(directory.data);
    writer->failed = true; /* nothing more goes in */
    return status;
}
