/* crl_sets.c: see crl_sets.h. */
#include "crl_sets.h"

#include "crl.h"
#include "crl_entry.h"

#include <stdlib.h>

static seki_index_builder *builder_new(const seki_crl_sets *sets, size_t set, bool removals);
static seki_status grow(seki_crl_sets *sets);
static seki_status list(seki_crl_sets *sets, size_t set, bool removals, seki_crl_entry *out, uint64_t capacity, uint64_t *count,
                        uint32_t *duplicate);
static seki_status keep(void *context, const uint8_t *bytes, size_t length);

void seki_crl_sets_init(seki_crl_sets *sets, const seki_index_options *options)
{
    *sets = (seki_crl_sets){.options = *options};
}

void seki_crl_sets_free(seki_crl_sets *sets)
{
    for (size_t i = 0; i < sets->count; i++) {
        seki_index_builder_free(sets->set[i].revoked);
        seki_index_builder_free(sets->set[i].removed);
    }
    free(sets->set);
}

seki_status seki_crl_sets_choose(seki_crl_sets *sets, const uint8_t issuer[32], uint32_t *full)
{
    *full = 0;
    /* Entries of one issuer mostly stand together, and issuers are few. */
    for (size_t i = 0; i < sets->count; i++)
        if (memcmp(sets->set[i].issuer, issuer, sizeof sets->set[i].issuer) == 0) {
            sets->current = i;
            return SEKI_OK;
        }
    if (sets->count == SEKI_CRL_SETS_MAX) {
        *full = 1;
        return SEKI_OK;
    }
    if (sets->count == sets->capacity) {
        seki_status status = grow(sets);
        if (status != SEKI_OK)
            return status;
    }
    sets->current = sets->count++;
    sets->set[sets->current] = (seki_crl_set){0};
    memcpy(sets->set[sets->current].issuer, issuer, sizeof sets->set[sets->current].issuer);
    return SEKI_OK;
}

seki_status seki_crl_sets_add(seki_crl_sets *sets, const seki_revoked *entry)
{
    seki_crl_set *set = &sets->set[sets->current];
    bool removal = entry->reason == SEKI_REASON_REMOVE_FROM_CRL;
    seki_index_builder **builder = removal ? &set->removed : &set->revoked;
    if (*builder == NULL) {
        *builder = builder_new(sets, sets->current, removal);
        if (*builder == NULL)
            return SEKI_E_MEMORY;
    }
    if (removal)
        set->removals++;
    else
        set->entries++;
    return seki_index_builder_add(*builder, entry);
}

seki_status seki_crl_set_write(seki_crl_sets *sets, size_t set, bool removals, seki_write *write, void *context, uint64_t *length,
                               uint32_t *duplicate)
{
    if (set >= sets->count || sets->set[set].written[removals])
        return SEKI_E_ARGUMENT;
    sets->set[set].written[removals] = true;
    seki_index_builder **place = removals ? &sets->set[set].removed : &sets->set[set].revoked;
    seki_index_builder *builder = *place;
    if (builder == NULL && (builder = builder_new(sets, set, removals)) == NULL)
        return SEKI_E_MEMORY;
    *place = NULL;
    seki_status status = seki_index_builder_end(builder, write, context, length, duplicate);
    seki_index_builder_free(builder);
    return status;
}

/* Whatever issuers an indirect CRL names, all builders together take less than five times what the CRL issuer's own does: its
 * removals and those of 15 others a 16th each, all further ones a 256th. */
static seki_index_builder *builder_new(const seki_crl_sets *sets, size_t set, bool removals)
{
    seki_index_options options = sets->options;
    uint64_t memory = options.memory_bytes != 0 ? options.memory_bytes : SEKI_INDEX_MEMORY_DEFAULT;
    if (set != 0 || removals)
        memory /= set < 16 ? 16 : 256;
    options.memory_bytes = memory != 0 ? memory : 1;
    return seki_index_builder_new(&options);
}

static seki_status grow(seki_crl_sets *sets)
{
    size_t capacity = sets->capacity != 0 ? 2 * sets->capacity : 1;
    seki_crl_set *set = realloc(sets->set, capacity * sizeof *set);
    if (set == NULL)
        return SEKI_E_MEMORY;
    sets->set = set;
    sets->capacity = capacity;
    return SEKI_OK;
}

/* ---- the entries as a list --------------------------------------------------------------------- */

typedef struct {
    uint8_t *data;
    size_t length, capacity;
} block;

seki_status seki_crl_entries(seki_crl *crl, seki_crl_entry *out, uint64_t capacity, uint64_t *count, uint32_t *reason)
{
    if (crl == NULL || (out == NULL && capacity != 0) || count == NULL || reason == NULL)
        return SEKI_E_ARGUMENT;
    seki_crl_sets *sets = seki_crl_sets_of(crl);
    if (sets == NULL)
        return SEKI_E_ARGUMENT;
    *count = 0;
    *reason = 0;
    for (size_t i = 0; i < sets->count; i++)
        for (unsigned removals = 0; removals < 2; removals++) {
            uint32_t duplicate = 0;
            seki_status status = list(sets, i, removals != 0, out, capacity, count, &duplicate);
            if (status != SEKI_OK)
                return status;
            if (duplicate != 0)
                *reason = SEKI_CRL_ENTRY_DUPLICATE;
        }
    if (*reason != 0)
        *count = 0;
    return SEKI_OK;
}

static seki_status list(seki_crl_sets *sets, size_t set, bool removals, seki_crl_entry *out, uint64_t capacity, uint64_t *count,
                        uint32_t *duplicate)
{
    block bytes = {NULL, 0, 0};
    uint64_t length;
    seki_index index;
    seki_revoked entry;
    seki_index_cursor cursor = {0};
    seki_status status = seki_crl_set_write(sets, set, removals, keep, &bytes, &length, duplicate);
    if (status == SEKI_OK && *duplicate == 0) {
        if (!seki_index_open((seki_span){bytes.data, bytes.length}, &index))
            status = SEKI_E_DAMAGED;
        while (status == SEKI_OK && seki_index_next(&index, &cursor, &entry)) {
            if (*count == capacity) {
                status = SEKI_E_ARGUMENT;
                break;
            }
            seki_crl_entry *e = &out[(*count)++];
            *e = (seki_crl_entry){.length = entry.length, .reason = entry.reason, .date = entry.date, .invalidity = entry.invalidity, .set = set};
            memcpy(e->serial, entry.serial, entry.length);
        }
    }
    free(bytes.data);
    return status;
}

static seki_status keep(void *context, const uint8_t *bytes, size_t length)
{
    block *to = context;
    if (length > to->capacity - to->length) {
        size_t capacity = 2 * to->capacity > to->length + length ? 2 * to->capacity : to->length + length;
        uint8_t *data = realloc(to->data, capacity);
        if (data == NULL)
            return SEKI_E_MEMORY;
        to->data = data;
        to->capacity = capacity;
    }
    if (length != 0)
        memcpy(to->data + to->length, bytes, length);
    to->length += length;
    return SEKI_OK;
}
