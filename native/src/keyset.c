#include "keyset.h"

#include <stdlib.h>

#include "column.h"

seki_status seki_keyset_new(const seki_column *spki, uint64_t rows, uint16_t *reasons, seki_keyset **out)
{
    if (spki == NULL || (reasons == NULL && rows != 0) || out == NULL || rows > SEKI_ROWS_MAX
        || !seki_column_valid(spki, rows, false))
        return SEKI_E_ARGUMENT;
    seki_keyset *set = calloc(1, sizeof *set);
    seki_key_checker *checker = seki_key_checker_new();
    size_t count = rows != 0 ? (size_t)rows : 1;
    if (set != NULL) {
        set->count = rows;
        set->reasons = calloc(count, sizeof *set->reasons);
        set->keys = calloc(count, sizeof *set->keys);
        set->kept = calloc(count, sizeof *set->kept);
        set->contexts = calloc(count, sizeof *set->contexts);
        /* A key's bytes are part of its DER, so the column's length bounds them all. */
        set->bytes = malloc(spki->data_length != 0 ? (size_t)spki->data_length : 1);
    }
    if (set == NULL || checker == NULL || set->reasons == NULL || set->keys == NULL || set->kept == NULL
        || set->contexts == NULL || set->bytes == NULL) {
        seki_key_checker_free(checker);
        seki_keyset_free(set);
        return SEKI_E_MEMORY;
    }
    size_t used = 0;
    for (uint64_t i = 0; i < rows; i++) {
        seki_public_key parsed;
        seki_key key = {0};
        seki_reason reason = seki_spki_parse(seki_column_row(spki, i), &parsed);
        if (reason == SEKI_NOT_DECIDED)
            reason = seki_key_ready(checker, &parsed, &key);
        set->reasons[i] = reasons[i] = (uint16_t)reason;
        if (reason != SEKI_NOT_DECIDED)
            continue;
        memcpy(set->bytes + used, key.bytes, key.length);
        key.bytes = set->bytes + used;
        key.kept = &set->kept[i];
        key.context = &set->contexts[i];
        used += key.length;
        set->keys[i] = key;
    }
    seki_key_checker_free(checker);
    *out = set;
    return SEKI_OK;
}

void seki_keyset_free(seki_keyset *set)
{
    if (set == NULL)
        return;
    for (uint64_t i = 0; set->contexts != NULL && i < set->count; i++)
        seki_kept_context_free(atomic_load(&set->contexts[i]));
    for (uint64_t i = 0; set->kept != NULL && i < set->count; i++)
        EVP_PKEY_free(atomic_load(&set->kept[i]));
    free(set->reasons);
    free(set->keys);
    free(set->bytes);
    free(set->kept);
    free(set->contexts);
    free(set);
}
