#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "column.h"
#include "digest.h"

static seki_reason read_footer(seki_snapshot *s, seki_span *directory);
static seki_reason read_directory(seki_snapshot *s);
static bool make_table(seki_snapshot *s);

/* ---- mapping ----------------------------------------------------------------------------------- */

seki_status seki_snapshot_map(int fd, uint32_t *reason, seki_snapshot **out)
{
    struct stat about;
    if (reason == NULL || out == NULL)
        return SEKI_E_ARGUMENT;
    *out = NULL;
    *reason = SEKI_SNAPSHOT_MALFORMED;
    if (fstat(fd, &about) != 0)
        return SEKI_E_SYSTEM;
    if (about.st_size < SEKI_SNAPSHOT_HEADER_SIZE + SEKI_SNAPSHOT_DIRECTORY_HEAD + SEKI_SNAPSHOT_FOOTER_SIZE)
        return SEKI_OK;
    seki_snapshot *s = calloc(1, sizeof *s);
    if (s == NULL)
        return SEKI_E_MEMORY;
    s->references = 1;
    s->fault_slot = -1;
    void *map = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        free(s);
        return SEKI_E_SYSTEM;
    }
    s->map = (seki_span){map, (size_t)about.st_size};
    s->fault_slot = seki_fault_watch(s->map, &s->damaged);
    seki_span directory;
    seki_status status = s->fault_slot < 0 ? SEKI_E_SYSTEM : SEKI_OK;
    *reason = 0;
    if (status == SEKI_OK)
        *reason = (uint32_t)read_footer(s, &directory);
    if (status == SEKI_OK && *reason == 0) {
        s->directory = malloc(directory.length);
        if (s->directory == NULL)
            status = SEKI_E_MEMORY;
    }
    if (status == SEKI_OK && *reason == 0) {
        memcpy(s->directory, directory.data, directory.length);
        /* The footer up to the digest, then the directory: what was copied is what is checked and used. */
        uint8_t digest[SEKI_SHA256_SIZE];
        const uint8_t *footer = s->map.data + s->map.length - SEKI_SNAPSHOT_FOOTER_SIZE;
        uint8_t head[SEKI_SNAPSHOT_FOOTER_SIZE];
        memcpy(head, footer, sizeof head);
        seki_span parts[2] = {{head, SEKI_SNAPSHOT_FOOTER_DIGEST}, {s->directory, directory.length}};
        seki_sha256_parts(parts, 2, digest);
        if (memcmp(digest, head + SEKI_SNAPSHOT_FOOTER_DIGEST, sizeof digest) != 0)
            *reason = SEKI_SNAPSHOT_DIGEST;
        seki_sha256((seki_span){head, sizeof head}, s->digest);
        memcpy(s->end, head + SEKI_SNAPSHOT_FOOTER_DIGEST, sizeof s->end);
        s->names_length = directory.length;
    }
    if (status == SEKI_OK && *reason == 0)
        *reason = (uint32_t)read_directory(s);
    if (*reason == SEKI_ENGINE_FAULT || (status == SEKI_OK && *reason == 0 && !make_table(s))) {
        *reason = 0;
        status = SEKI_E_MEMORY;
    }
    if (status == SEKI_OK && *reason == 0 && seki_snapshot_damaged(s))
        *reason = SEKI_SNAPSHOT_MALFORMED;
    if (status != SEKI_OK || *reason != 0) {
        seki_snapshot_free(s);
        return status;
    }
    *out = s;
    return SEKI_OK;
}

void seki_snapshot_retain(seki_snapshot *s)
{
    atomic_fetch_add(&s->references, 1);
}

void seki_snapshot_free(seki_snapshot *s)
{
    if (s == NULL || atomic_fetch_sub(&s->references, 1) != 1)
        return;
    seki_fault_forget(s->fault_slot);
    (void)munmap((void *)s->map.data, s->map.length);
    free(s->directory);
    free(s->sources);
    free(s->sets);
    free(s->probes);
    free(s->table);
    free(s);
}

bool seki_snapshot_damaged(const seki_snapshot *s)
{
    atomic_thread_fence(memory_order_seq_cst); /* what was read before is read before this */
    if (memcmp(s->map.data + s->map.length - sizeof s->end, s->end, sizeof s->end) != 0)
        atomic_store((_Atomic uint32_t *)(uintptr_t)&s->damaged, 1);
    return atomic_load(&s->damaged) != 0;
}

static seki_reason read_footer(seki_snapshot *s, seki_span *directory)
{
    const uint8_t *head = s->map.data, *footer = s->map.data + s->map.length - SEKI_SNAPSHOT_FOOTER_SIZE;
    if (memcmp(head, SEKI_SNAPSHOT_MAGIC, 8) != 0 || memcmp(footer, SEKI_SNAPSHOT_END, 8) != 0)
        return SEKI_SNAPSHOT_MALFORMED;
    if (seki_get(head + 8, 4) != SEKI_SNAPSHOT_FORMAT || seki_get(footer + 8, 4) != SEKI_SNAPSHOT_FORMAT)
        return SEKI_SNAPSHOT_VERSION;
    s->kind = (uint32_t)seki_get(footer + 12, 4);
    s->id = seki_get(footer + 16, 8);
    s->built_at = (int64_t)seki_get(footer + 24, 8);
    uint64_t offset = seki_get(footer + 32, 8), length = seki_get(footer + 40, 8), most = s->map.length - SEKI_SNAPSHOT_FOOTER_SIZE;
    memcpy(s->base, footer + 48, sizeof s->base);
    static const uint8_t zeros[32];
    if ((s->kind != SEKI_SNAPSHOT_BASE && s->kind != SEKI_SNAPSHOT_OVERLAY) || s->id == 0 || offset < SEKI_SNAPSHOT_HEADER_SIZE
        || offset > most || length != most - offset || length < SEKI_SNAPSHOT_DIRECTORY_HEAD
        || (memcmp(s->base, zeros, sizeof zeros) == 0) != (s->kind == SEKI_SNAPSHOT_BASE)
        || memcmp(footer + 80, zeros, 16) != 0)
        return SEKI_SNAPSHOT_MALFORMED;
    *directory = (seki_span){s->map.data + offset, (size_t)length};
    return SEKI_NOT_DECIDED;
}

/* ---- the directory ----------------------------------------------------------------------------- */

static bool within(uint64_t from, uint64_t count, uint64_t all)
{
    return from <= all && count <= all - from;
}

static bool read_source(seki_snapshot *s, const uint8_t *record, seki_source *out)
{
    *out = (seki_source){
        .this_update = (int64_t)seki_get(record + SEKI_SOURCE_THIS_UPDATE, 8),
        .next_update = (int64_t)seki_get(record + SEKI_SOURCE_NEXT_UPDATE, 8),
        .first_set = (uint32_t)seki_get(record + SEKI_SOURCE_FIRST_SET, 4),
        .set_count = (uint32_t)seki_get(record + SEKI_SOURCE_SETS, 4),
        .first_key = (uint32_t)seki_get(record + SEKI_SOURCE_FIRST_KEY, 4),
        .key_count = (uint32_t)seki_get(record + SEKI_SOURCE_KEYS, 4),
        .flags = (uint32_t)seki_get(record + SEKI_SOURCE_FLAGS, 4),
        .reasons = (uint16_t)seki_get(record + SEKI_SOURCE_REASONS, 2),
        .record = record,
    };
    memcpy(out->signer, record + SEKI_SOURCE_SIGNER, sizeof out->signer);
    bool delta = (out->flags & SEKI_CRL_IS_DELTA) != 0;
    return record[SEKI_SOURCE_NUMBER_LENGTH] <= 20 && record[SEKI_SOURCE_BASE_NUMBER_LENGTH] <= 20
           && within(out->first_set, out->set_count, s->set_count) && within(out->first_key, out->key_count, s->key_count)
           && within(seki_get(record + SEKI_SOURCE_NAME, 4), seki_get(record + SEKI_SOURCE_NAME_LENGTH, 4), s->names_length)
           && within(seki_get(record + SEKI_SOURCE_IDP, 4), seki_get(record + SEKI_SOURCE_IDP_LENGTH, 4), s->names_length)
           && delta == (s->kind == SEKI_SNAPSHOT_OVERLAY) && (out->flags & SEKI_CRL_ONLY_ATTRIBUTE) == 0
           && delta == (out->key_count == 0) /* a change is found through its base */
           && out->this_update > INT64_MIN / 4 && out->this_update < INT64_MAX / 4
           && (out->next_update == INT64_MIN || (out->next_update > INT64_MIN / 4 && out->next_update < INT64_MAX / 4));
}

static bool open_index(const seki_snapshot *s, const uint8_t *at, seki_span *bytes, seki_index *index)
{
    uint64_t offset = seki_get(at, 8), length = seki_get(at + 8, 8);
    if (length == 0) { /* there is none: nothing is in it */
        *index = (seki_index){.count = 0};
        *bytes = (seki_span){s->map.data, 0};
        return offset == 0;
    }
    if (offset % SEKI_INDEX_ALIGNMENT != 0 || offset < SEKI_SNAPSHOT_HEADER_SIZE || !within(offset, length, s->map.length))
        return false;
    *bytes = (seki_span){s->map.data + offset, (size_t)length};
    return seki_index_open(*bytes, index);
}

static bool read_set(seki_snapshot *s, const uint8_t *record, seki_set *out)
{
    out->record = record;
    out->source = (uint32_t)seki_get(record + SEKI_SET_SOURCE, 4);
    memcpy(out->issuer_form, record + SEKI_SET_ISSUER, sizeof out->issuer_form);
    if (out->source >= s->source_count || !open_index(s, record + SEKI_SET_REVOKED, &out->revoked_bytes, &out->revoked)
        || !open_index(s, record + SEKI_SET_REMOVED, &out->removed_bytes, &out->removed))
        return false;
    s->entries += out->revoked.count;
    s->filter_size += out->revoked.filter.length;
    return out->revoked_bytes.length != 0 && (out->removed.count == 0 || s->kind == SEKI_SNAPSHOT_OVERLAY);
}

/* SEKI_ENGINE_FAULT: memory is out. */
static seki_reason read_directory(seki_snapshot *s)
{
    const uint8_t *at = s->directory;
    size_t length = s->names_length; /* of the whole directory, so far */
    uint64_t sources = seki_get(at, 4), sets = seki_get(at + 4, 4), keys = seki_get(at + 8, 4);
    uint64_t fixed = SEKI_SNAPSHOT_DIRECTORY_HEAD + sources * SEKI_SNAPSHOT_SOURCE_SIZE + sets * SEKI_SNAPSHOT_SET_SIZE
                     + keys * SEKI_SNAPSHOT_KEY_SIZE;
    if (sources > SEKI_SNAPSHOT_SOURCES_MAX || fixed > length)
        return SEKI_SNAPSHOT_MALFORMED;
    s->source_count = (size_t)sources;
    s->set_count = (size_t)sets;
    s->key_count = (size_t)keys;
    s->sources = calloc(s->source_count + 1, sizeof *s->sources);
    s->sets = calloc(s->set_count + 1, sizeof *s->sets);
    s->probes = calloc(s->set_count + 1, sizeof *s->probes);
    if (s->sources == NULL || s->sets == NULL || s->probes == NULL)
        return SEKI_ENGINE_FAULT;
    const uint8_t *source = at + SEKI_SNAPSHOT_DIRECTORY_HEAD, *set = source + sources * SEKI_SNAPSHOT_SOURCE_SIZE;
    s->keys = set + sets * SEKI_SNAPSHOT_SET_SIZE;
    s->names = at + fixed;
    s->names_length = length - (size_t)fixed;
    for (size_t i = 0; i < s->source_count; i++)
        if (!read_source(s, source + i * SEKI_SNAPSHOT_SOURCE_SIZE, &s->sources[i]))
            return SEKI_SNAPSHOT_MALFORMED;
    for (size_t i = 0; i < s->set_count; i++) {
        if (!read_set(s, set + i * SEKI_SNAPSHOT_SET_SIZE, &s->sets[i]))
            return SEKI_SNAPSHOT_MALFORMED;
        const seki_index *revoked = &s->sets[i].revoked;
        if (revoked->count != 0 && !revoked->is_bitmap) /* a filter has at most UINT32_MAX blocks: seki_index_open */
            s->probes[i] = (seki_probe){revoked->filter.data, (uint32_t)revoked->filter_blocks};
    }
    /* Each set and each key is of one source, the one that names it. */
    uint64_t first_set = 0, first_key = 0;
    for (size_t i = 0; i < s->source_count; i++) {
        const seki_source *one = &s->sources[i];
        if (one->first_set != first_set || one->first_key != first_key)
            return SEKI_SNAPSHOT_MALFORMED;
        for (size_t j = 0; j < one->set_count; j++)
            if (s->sets[one->first_set + j].source != i)
                return SEKI_SNAPSHOT_MALFORMED;
        /* A list without a set of its issuer's own would say of every certificate that it is not on it. */
        if (s->kind == SEKI_SNAPSHOT_BASE
            && (one->set_count == 0 || memcmp(s->sets[first_set].issuer_form, one->record + SEKI_SOURCE_ISSUER, 32) != 0))
            return SEKI_SNAPSHOT_MALFORMED;
        first_set += one->set_count;
        first_key += one->key_count;
    }
    return first_set == sets && first_key == keys ? SEKI_NOT_DECIDED : SEKI_SNAPSHOT_MALFORMED;
}

/* ---- the table of keys ------------------------------------------------------------------------- */

/* Both are digests already: any eight bytes of each are as good as any. */
static uint64_t key_hash(const uint8_t anchor[32], const uint8_t point[32])
{
    return seki_mix(seki_load64(anchor) ^ UINT64_C(0x9e3779b97f4a7c15), seki_load64(point));
}

/* A point that a CRL names twice is entered once: it would be weighed twice, and many alike would make long ways of short ones. */
static void enter_key(seki_snapshot *s, size_t source, size_t key)
{
    size_t first = s->sources[source].first_key;
    const uint8_t *at = s->keys + key * SEKI_SNAPSHOT_KEY_SIZE;
    uint64_t hash = key_hash(at, at + 32);
    uint32_t tag = (uint32_t)(hash >> 32);
    size_t place = (size_t)hash & s->table_mask;
    for (; s->table[place].key != 0; place = (place + 1) & s->table_mask) {
        size_t other = (size_t)s->table[place].key - 1;
        if (s->table[place].tag == tag && other >= first
            && memcmp(s->keys + other * SEKI_SNAPSHOT_KEY_SIZE, at, SEKI_SNAPSHOT_KEY_SIZE) == 0)
            return;
    }
    s->table[place] = (seki_key_slot){.tag = tag, .key = (uint32_t)key + 1, .source = (uint32_t)source};
}

static bool make_table(seki_snapshot *s)
{
    size_t slots = 16;
    while (slots < 2 * s->key_count)
        slots *= 2;
    s->table = calloc(slots, sizeof *s->table);
    if (s->table == NULL)
        return false;
    s->table_mask = slots - 1;
    for (size_t source = 0; source < s->source_count; source++) {
        size_t first = s->sources[source].first_key, end = first + s->sources[source].key_count;
        for (size_t key = first; key < end; key++)
            enter_key(s, source, key);
    }
    return true;
}

int32_t seki_snapshot_next_source(const seki_snapshot *s, const uint8_t anchor[32], const uint8_t point[32], size_t *place)
{
    uint64_t hash = key_hash(anchor, point);
    size_t at = *place == SEKI_KEY_FIRST ? (size_t)hash & s->table_mask : (*place + 1) & s->table_mask;
    for (;; at = (at + 1) & s->table_mask) { /* at least half of the slots are empty */
        const seki_key_slot *slot = &s->table[at];
        if (slot->key == 0)
            return -1;
        const uint8_t *key = s->keys + (size_t)(slot->key - 1) * SEKI_SNAPSHOT_KEY_SIZE;
        if (slot->tag == (uint32_t)(hash >> 32) && memcmp(key, anchor, 32) == 0 && memcmp(key + 32, point, 32) == 0) {
            *place = at;
            return (int32_t)slot->source;
        }
    }
}

const seki_set *seki_snapshot_set_of(const seki_snapshot *s, const seki_source *source, const uint8_t issuer_form[32])
{
    for (size_t i = 0; i < source->set_count; i++)
        if (memcmp(s->sets[source->first_set + i].issuer_form, issuer_form, 32) == 0)
            return &s->sets[source->first_set + i];
    return NULL;
}

/* ---- looking at it ----------------------------------------------------------------------------- */

static bool digest_is(seki_span bytes, const uint8_t *wanted)
{
    uint8_t digest[SEKI_SHA256_SIZE];
    if (bytes.length == 0)
        return true;
    seki_sha256(bytes, digest);
    return memcmp(digest, wanted, sizeof digest) == 0;
}

bool seki_set_is_whole(const seki_set *set)
{
    return digest_is(set->revoked_bytes, set->record + SEKI_SET_REVOKED_SHA256)
           && digest_is(set->removed_bytes, set->record + SEKI_SET_REMOVED_SHA256);
}

seki_status seki_snapshot_verify(const seki_snapshot *s, uint32_t *reason)
{
    if (s == NULL || reason == NULL)
        return SEKI_E_ARGUMENT;
    *reason = 0;
    for (size_t i = 0; i < s->set_count && *reason == 0; i++)
        if (!seki_set_is_whole(&s->sets[i]))
            *reason = SEKI_SNAPSHOT_DIGEST;
    /* What lies between the sections is zeros. */
    const uint8_t *at = s->map.data + 12, *end = s->map.data + SEKI_SNAPSHOT_HEADER_SIZE;
    while (*reason == 0 && at < end)
        if (*at++ != 0)
            *reason = SEKI_SNAPSHOT_DIGEST;
    if (seki_snapshot_damaged(s))
        *reason = SEKI_REVOCATION_DAMAGED;
    return SEKI_OK;
}

seki_status seki_snapshot_summarize(const seki_snapshot *s, seki_snapshot_report *out)
{
    if (s == NULL || out == NULL)
        return SEKI_E_ARGUMENT;
    *out = (seki_snapshot_report){.id = s->id,
                                  .built_at = s->built_at,
                                  .size = s->map.length,
                                  .sources = s->source_count,
                                  .sets = s->set_count,
                                  .keys = s->key_count,
                                  .entries = s->entries,
                                  .filter_size = s->filter_size,
                                  .kind = s->kind,
                                  .damaged = seki_snapshot_damaged(s)};
    memcpy(out->digest, s->digest, sizeof out->digest);
    memcpy(out->base, s->base, sizeof out->base);
    return SEKI_OK;
}

seki_status seki_snapshot_source_at(const seki_snapshot *s, uint64_t number, seki_snapshot_source *out)
{
    if (s == NULL || out == NULL || number >= s->source_count)
        return SEKI_E_ARGUMENT;
    const seki_source *source = &s->sources[number];
    const uint8_t *at = source->record;
    *out = (seki_snapshot_source){
        .this_update = source->this_update,
        .next_update = source->next_update,
        .entries = seki_get(at + SEKI_SOURCE_ENTRIES, 8),
        .removals = seki_get(at + SEKI_SOURCE_REMOVALS, 8),
        .size = seki_get(at + SEKI_SOURCE_BYTES, 8),
        .first_set = source->first_set,
        .sets = source->set_count,
        .keys = source->key_count,
        .flags = source->flags,
        .reasons = source->reasons,
        .signature_algorithm = (uint32_t)seki_get(at + SEKI_SOURCE_ALGORITHM, 4),
        .base_source = (uint32_t)seki_get(at + SEKI_SOURCE_BASE, 4),
        .number_length = at[SEKI_SOURCE_NUMBER_LENGTH],
        .base_number_length = at[SEKI_SOURCE_BASE_NUMBER_LENGTH],
    };
    memcpy(out->number, at + SEKI_SOURCE_NUMBER, sizeof out->number);
    memcpy(out->base_number, at + SEKI_SOURCE_BASE_NUMBER, sizeof out->base_number);
    memcpy(out->issuer_form, at + SEKI_SOURCE_ISSUER, sizeof out->issuer_form);
    memcpy(out->signer, at + SEKI_SOURCE_SIGNER, sizeof out->signer);
    memcpy(out->sha256, at + SEKI_SOURCE_SHA256, sizeof out->sha256);
    return SEKI_OK;
}

seki_status seki_snapshot_source_names(const seki_snapshot *s, uint64_t source, const uint8_t **issuer, size_t *issuer_length,
                                       const uint8_t **idp, size_t *idp_length)
{
    if (s == NULL || source >= s->source_count || issuer == NULL || issuer_length == NULL || idp == NULL || idp_length == NULL)
        return SEKI_E_ARGUMENT;
    const uint8_t *at = s->sources[source].record;
    *issuer = s->names + seki_get(at + SEKI_SOURCE_NAME, 4);
    *issuer_length = (size_t)seki_get(at + SEKI_SOURCE_NAME_LENGTH, 4);
    *idp = s->names + seki_get(at + SEKI_SOURCE_IDP, 4);
    *idp_length = (size_t)seki_get(at + SEKI_SOURCE_IDP_LENGTH, 4);
    return SEKI_OK;
}

seki_status seki_snapshot_source_keys(const seki_snapshot *s, uint64_t source, uint8_t *keys, uint64_t capacity)
{
    if (s == NULL || source >= s->source_count || (keys == NULL && capacity != 0))
        return SEKI_E_ARGUMENT;
    const seki_source *one = &s->sources[source];
    uint64_t count = one->key_count < capacity ? one->key_count : capacity;
    if (count != 0)
        memcpy(keys, s->keys + (size_t)one->first_key * SEKI_SNAPSHOT_KEY_SIZE, (size_t)count * SEKI_SNAPSHOT_KEY_SIZE);
    return SEKI_OK;
}

seki_status seki_snapshot_set_at(const seki_snapshot *s, uint64_t number, seki_snapshot_set *out)
{
    if (s == NULL || out == NULL || number >= s->set_count)
        return SEKI_E_ARGUMENT;
    const seki_set *set = &s->sets[number];
    *out = (seki_snapshot_set){.entries = set->revoked.count,
                               .size = set->revoked_bytes.length,
                               .filter_size = set->revoked.filter.length,
                               .is_bitmap = set->revoked.is_bitmap,
                               .source = set->source};
    if (set->revoked.count != 0 && !set->revoked.is_bitmap)
        out->filter_rate = seki_filter_rate(set->revoked.count, set->revoked.filter_blocks);
    memcpy(out->issuer_form, set->issuer_form, sizeof out->issuer_form);
    return SEKI_OK;
}

static void copy_entry(const seki_revoked *from, uint64_t set, seki_crl_entry *to)
{
    *to = (seki_crl_entry){.length = from->length, .reason = from->reason, .date = from->date, .invalidity = from->invalidity, .set = set};
    memcpy(to->serial, from->serial, sizeof to->serial);
}

/* ---- look-ups in bulk --------------------------------------------------------------------------- */

enum { AHEAD = 64 }; /* look-ups under way at once: more than a core has cache lines in flight; a power of two */

/* A look-up whose cache line is on its way. */
typedef struct {
    seki_span serial; /* without leading zeros; empty: of no certificate */
    uint64_t hash;
    uint32_t set;
} look_up;

static look_up look_up_begin(const seki_snapshot *s, uint32_t set, seki_span serial)
{
    look_up one = {serial, 0, set};
    seki_probe probe = s->probes[set];
    if (!seki_serial_normalize(&one.serial)) {
        one.serial.length = 0;
        return one;
    }
    one.hash = seki_serial_hash(one.serial.data, one.serial.length);
    if (probe.blocks != 0)
        __builtin_prefetch(probe.filter + seki_filter_place(probe.blocks, one.hash));
    return one;
}

/* Whether the exact set must be asked: the set has no filter, or the filter says maybe. */
static bool look_up_goes_on(const seki_snapshot *s, const look_up *one)
{
    seki_probe probe = s->probes[one->set];
    return one->serial.length != 0 && (probe.blocks == 0 || seki_filter_may_hold(probe.filter, probe.blocks, one->hash));
}

/* 0 to 2, as seki_snapshot_look_up tells it. */
static uint8_t look_up_end(const seki_snapshot *s, const look_up *one, seki_crl_entry *out)
{
    const seki_index *index = &s->sets[one->set].revoked;
    seki_revoked entry;
    if (s->probes[one->set].blocks == 0 && !seki_index_maybe(index, one->serial.data, one->serial.length, one->hash))
        return 0;
    if (!seki_index_find(index, one->serial.data, one->serial.length, &entry))
        return 1;
    if (out != NULL)
        copy_entry(&entry, one->set, out);
    return 2;
}

seki_status seki_snapshot_look_up(const seki_snapshot *s, uint64_t rows, const uint32_t *sets, uint64_t sets_stride,
                                  const seki_column *serials, uint8_t *found, seki_crl_entry *entries)
{
    look_up under_way[AHEAD];
    if (s == NULL || sets == NULL || serials == NULL || sets_stride > 1 || (found == NULL && rows != 0)
        || rows > SEKI_ROWS_MAX || !seki_column_valid(serials, rows, false))
        return SEKI_E_ARGUMENT;
    for (uint64_t i = 0; i < rows && (i == 0 || sets_stride != 0); i++)
        if (sets[i] >= s->set_count)
            return SEKI_E_ARGUMENT;
    /* One begins for each that ends, so that there is work to do while lines are on their way. */
    for (uint64_t i = 0; i < rows + AHEAD; i++) {
        look_up *one = &under_way[i % AHEAD];
        if (i >= AHEAD) {
            uint64_t row = i - AHEAD;
            found[row] = look_up_goes_on(s, one) ? look_up_end(s, one, entries != NULL ? &entries[row] : NULL) : 0;
        }
        if (i < rows)
            *one = look_up_begin(s, sets[i * sets_stride], seki_column_row(serials, i));
    }
    if (rows != 0 && seki_snapshot_damaged(s))
        memset(found, 3, (size_t)rows);
    return SEKI_OK;
}

seki_status seki_snapshot_walk(const seki_snapshot *s, uint64_t set, uint32_t removed, seki_snapshot_cursor *cursor,
                               seki_crl_entry *out, uint64_t capacity, uint64_t *count)
{
    if (s == NULL || set >= s->set_count || removed > 1 || cursor == NULL || (out == NULL && capacity != 0) || count == NULL)
        return SEKI_E_ARGUMENT;
    const seki_index *index = removed != 0 ? &s->sets[set].removed : &s->sets[set].revoked;
    seki_index_cursor at = {cursor->place[0], (size_t)cursor->place[1], cursor->place[2], cursor->place[3]};
    if (at.entry > index->count || at.table > index->table_count
        || (at.table < index->table_count && at.in_table > index->tables[at.table].count))
        return SEKI_E_ARGUMENT;
    seki_revoked entry;
    for (*count = 0; *count < capacity && seki_index_next(index, &at, &entry); ++*count)
        copy_entry(&entry, set, &out[*count]);
    *cursor = (seki_snapshot_cursor){{at.entry, at.table, at.in_table, at.key}};
    return seki_snapshot_damaged(s) ? SEKI_E_DAMAGED : SEKI_OK;
}
