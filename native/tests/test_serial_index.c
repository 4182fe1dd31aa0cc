/* test_serial_index.c: the index of revoked serials (serial_index.h), held against a sorted list, and its filter against its twin
 * and against theory.
 *
 * One argument, a number: the seed (default 1).  Exit status 0 if everything held. */

#include "../src/serial_index.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t state = 1;

static uint64_t random64(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void hold(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "FAILED: %s\n", what);
        exit(1);
    }
}

typedef struct {
    uint8_t *data;
    size_t length;
} bytes;

static seki_status keep(void *context, const uint8_t *data, size_t length)
{
    bytes *to = context;
    to->data = realloc(to->data, to->length + length + 1);
    memcpy(to->data + to->length, data, length);
    to->length += length;
    return SEKI_OK;
}

static int order(const void *a, const void *b)
{
    const seki_revoked *x = a, *y = b;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return memcmp(x->serial, y->serial, x->length);
}

static bytes build(const seki_revoked *entries, size_t count, seki_index_options options, uint32_t *duplicate)
{
    bytes out = {NULL, 0};
    uint64_t length;
    seki_index_builder *builder = seki_index_builder_new(&options);
    hold(builder != NULL, "a builder");
    for (size_t i = 0; i < count; i++)
        hold(seki_index_builder_add(builder, &entries[i]) == SEKI_OK, "an entry is taken");
    hold(seki_index_builder_end(builder, keep, &out, &length, duplicate) == SEKI_OK, "the index is made");
    hold(length == out.length && length % SEKI_INDEX_ALIGNMENT == 0, "its length is told");
    seki_index_builder_free(builder);
    return out;
}

/* How serials are made. */
typedef enum { COUNTER, DENSE, RANDOM16, ALL_LENGTHS, NEAR } shape;

static void make_serial(shape of, seki_revoked *out)
{
    uint8_t raw[SEKI_SERIAL_SIZE_MAX] = {0};
    size_t length = 4;
    uint64_t value = random64() % 250000000;
    switch (of) {
    case COUNTER:
        break;
    case DENSE:
        value = 1000000 + random64() % 3000;
        break;
    case NEAR: /* long serials whose first octets are the same */
    case RANDOM16:
    case ALL_LENGTHS:
        length = of == ALL_LENGTHS ? 1 + random64() % 20 : 16;
        for (size_t i = 0; i < length; i++)
            raw[i] = (uint8_t)random64();
        if (of == NEAR)
            memset(raw, 7, 12);
        if (random64() % 16 == 0)
            memset(raw, random64() % 2 != 0 ? 0xff : 0, length);
        break;
    }
    if (of == COUNTER || of == DENSE)
        for (size_t i = 0; i < 4; i++)
            raw[i] = (uint8_t)(value >> 8 * (3 - i));
    seki_span serial = {raw, length};
    hold(seki_serial_normalize(&serial), "a serial of at most 20 octets");
    memset(out, 0, sizeof *out);
    memcpy(out->serial, serial.data, serial.length);
    out->length = (uint8_t)serial.length;
}

static void make_entry(shape of, seki_revoked *out)
{
    make_serial(of, out);
    out->reason = (uint8_t)(random64() % 11);
    out->date = 1700000000 + (int64_t)(random64() % 79000000);
    if (of == ALL_LENGTHS && random64() % 8 == 0)
        out->date = (int64_t)(random64() % UINT64_C(315569519999)) - INT64_C(62167219200) + 86400;
    if (out->date > INT64_C(253402300799))
        out->date = INT64_C(253402300799);
    out->invalidity = random64() % (of == ALL_LENGTHS ? 3 : 1000) == 0 ? out->date - 86400 : SEKI_NO_TIME;
}

static bool same(const seki_revoked *a, const seki_revoked *b)
{
    return order(a, b) == 0 && a->reason == b->reason && a->date == b->date && a->invalidity == b->invalidity;
}

static size_t make_set(shape of, size_t count, seki_revoked **entries)
{
    *entries = malloc((count + 1) * sizeof **entries);
    for (size_t i = 0; i < count; i++)
        make_entry(of, &(*entries)[i]);
    qsort(*entries, count, sizeof **entries, order);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || order(&(*entries)[kept - 1], &(*entries)[i]) != 0)
            (*entries)[kept++] = (*entries)[i];
    return kept;
}

static void shuffle(seki_revoked *entries, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = random64() % i;
        seki_revoked swap = entries[i - 1];
        entries[i - 1] = entries[j];
        entries[j] = swap;
    }
}

static void look_up_all(shape of, const seki_index *index, const seki_revoked *sorted, size_t count)
{
    seki_revoked found;
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = seki_serial_hash(sorted[i].serial, sorted[i].length);
        seki_index_prefetch(index, hash);
        hold(seki_index_maybe(index, sorted[i].serial, sorted[i].length, hash), "what is in the set passes its filter");
        hold(seki_index_find(index, sorted[i].serial, sorted[i].length, &found) && same(&found, &sorted[i]), "what is in the set is found");
    }
    for (size_t i = 0; i < 20000; i++) {
        seki_revoked other;
        make_serial(of, &other);
        const seki_revoked *there = count == 0 ? NULL : bsearch(&other, sorted, count, sizeof *sorted, order);
        uint64_t hash = seki_serial_hash(other.serial, other.length);
        bool maybe = seki_index_maybe(index, other.serial, other.length, hash);
        hold(seki_index_find(index, other.serial, other.length, &found) == (there != NULL), "what is not in the set is not found");
        hold(there == NULL || maybe, "no false negative");
        hold(!index->is_bitmap || maybe == (there != NULL), "a bitmap is exact");
    }
}

static void one_set(shape of, size_t count, seki_index_options options, bool bitmap)
{
    seki_revoked *entries, found;
    uint32_t duplicate;
    size_t kept = make_set(of, count, &entries);
    seki_revoked *mixed = malloc((kept + 1) * sizeof *mixed);
    memcpy(mixed, entries, kept * sizeof *mixed);
    shuffle(mixed, kept);
    bytes made = build(mixed, kept, options, &duplicate);
    hold(duplicate == 0, "no duplicate");
    seki_index index;
    hold(seki_index_open((seki_span){made.data, made.length}, &index) && index.count == kept, "the index opens");
    hold(index.is_bitmap == bitmap || kept < (bitmap ? 400 : 2), "a bitmap where serials are dense");
    seki_index_cursor cursor = {0};
    for (size_t i = 0; i < kept; i++)
        hold(seki_index_next(&index, &cursor, &found) && same(&found, &entries[i]), "the walk goes in order");
    hold(!seki_index_next(&index, &cursor, &found), "and ends");
    look_up_all(of, &index, entries, kept);
    if (kept >= 10000)
        printf("  shape %d: %zu entries, %.2f bytes each, filter %.2f bits\n", (int)of, kept, (double)made.length / (double)kept,
               8.0 * (double)index.filter.length / (double)kept);
    if (kept != 0) { /* one of them twice, wherever it stands */
        mixed[kept] = mixed[random64() % kept];
        shuffle(mixed, kept + 1);
        bytes none = build(mixed, kept + 1, options, &duplicate);
        hold(duplicate == 1 && none.length == 0, "a duplicate is told, and nothing is written");
        free(none.data);
    }
    /* Cut anywhere, it is no index. */
    for (size_t i = 0; i < 16; i++)
        hold(!seki_index_open((seki_span){made.data, random64() % made.length}, &index), "an index that is cut off does not open");
    free(made.data);
    free(mixed);
    free(entries);
}

static void sizes(void)
{
    static const size_t counts[] = {0, 1, 2, 3, 127, 128, 129, 255, 256, 257, 1000, 5000};
    seki_index_options plain = {0, 0, NULL}, tiny = {1, 100, "/tmp"};
    for (shape of = COUNTER; of <= NEAR; of++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            one_set(of, counts[i], plain, of == DENSE);
            one_set(of, counts[i], tiny, of == DENSE);
        }
    one_set(COUNTER, 100000, plain, false);
    one_set(RANDOM16, 100000, plain, false);
    one_set(ALL_LENGTHS, 30000, tiny, false);
}

/* The bound that docs/ARCHITECTURE.md names: JPKI-like serials of a municipality, and random ones. */
static void bytes_an_entry(void)
{
    static const struct {
        shape of;
        size_t count;
        double most;
    } cases[] = {{COUNTER, 14000, 8.0}, {COUNTER, 1000000, 8.0}, {RANDOM16, 14000, 24.0}};
    for (size_t i = 0; i < 3; i++) {
        seki_revoked *entries;
        uint32_t duplicate;
        size_t kept = make_set(cases[i].of, cases[i].count, &entries);
        for (size_t j = 0; j < kept; j++)
            entries[j].invalidity = SEKI_NO_TIME;
        bytes made = build(entries, kept, (seki_index_options){0, 0, NULL}, &duplicate);
        seki_index index;
        hold(seki_index_open((seki_span){made.data, made.length}, &index), "it opens");
        printf("  %zu entries of shape %d: %.2f bytes each\n", kept, (int)cases[i].of, (double)made.length / (double)kept);
        hold((double)made.length <= cases[i].most * (double)kept, "bytes an entry are within their bound");
        hold((double)index.filter.length * 8 <= 16.0 * (double)kept, "bits of the filter are within theirs");
        free(made.data);
        free(entries);
    }
}

static void filters(void)
{
    static const uint32_t rates[] = {100000, 10000, 5000, 1000};
    for (size_t r = 0; r < 4; r++) {
        enum { ENTRIES = 50000, ASKED = 2000000 };
        uint64_t blocks = seki_filter_blocks(ENTRIES, rates[r]), wrong = 0;
        uint8_t *filter = calloc(blocks, SEKI_FILTER_BLOCK_SIZE), serial[16];
        for (uint64_t i = 0; i < ENTRIES; i++) {
            memcpy(serial, &i, 8);
            seki_filter_add(filter, blocks, seki_serial_hash(serial, 5));
        }
        for (uint64_t i = 0; i < ENTRIES + ASKED; i++) {
            memcpy(serial, &i, 8);
            uint64_t hash = seki_serial_hash(serial, 5);
            bool may = seki_filter_may_hold(filter, blocks, hash);
            hold(may == seki_filter_may_hold_portable(filter, blocks, hash), "the twins agree");
            hold(may || i >= ENTRIES, "no false negative");
            wrong += may && i >= ENTRIES;
        }
        double measured = (double)wrong / ASKED, theory = seki_filter_rate(ENTRIES, blocks);
        printf("  %u ppm wanted: %.2f bits an entry, %.0f ppm by theory, %.0f measured\n", rates[r],
               256.0 * (double)blocks / ENTRIES, theory * 1e6, measured * 1e6);
        hold(theory <= rates[r] / 1e6 * 1.0001 || blocks * 256 >= 16 * (uint64_t)ENTRIES, "the rate that was asked for");
        hold(measured < 1.5 * theory + 1e-5 && measured > theory / 1.5 - 1e-5, "measured as theory has it");
        free(filter);
    }
}

static void refused_entries(void)
{
    seki_revoked good = {.serial = {1}, .length = 1, .date = 0, .invalidity = SEKI_NO_TIME}, bad;
    seki_index_options options = {0, 0, NULL};
    seki_index_builder *builder = seki_index_builder_new(&options);
    bad = good, bad.length = 0;
    hold(seki_index_builder_add(builder, &bad) == SEKI_E_ARGUMENT, "no serial");
    bad = good, bad.length = 21;
    hold(seki_index_builder_add(builder, &bad) == SEKI_E_ARGUMENT, "a serial of 21 octets");
    bad = good, bad.length = 2, bad.serial[0] = 0;
    hold(seki_index_builder_add(builder, &bad) == SEKI_E_ARGUMENT, "a leading zero");
    bad = good, bad.date = INT64_C(253402300800);
    hold(seki_index_builder_add(builder, &bad) == SEKI_E_ARGUMENT, "a date after 9999");
    bad = good, bad.reason = 16;
    hold(seki_index_builder_add(builder, &bad) == SEKI_E_ARGUMENT, "a reason beyond all");
    seki_index_builder_free(builder);
    seki_index_builder_free(NULL);
    options.spill_directory = "/nonexistent";
    options.memory_bytes = 1;
    builder = seki_index_builder_new(&options);
    seki_status status = SEKI_OK;
    for (uint32_t i = 1; i < 5000 && status == SEKI_OK; i++) {
        seki_revoked one = {.serial = {(uint8_t)(1 + i % 255), (uint8_t)(i / 255)}, .length = 2, .invalidity = SEKI_NO_TIME};
        status = seki_index_builder_add(builder, &one);
    }
    hold(status == SEKI_E_SYSTEM, "no place to spill to");
    seki_index_builder_free(builder);
}

/* A header that would have look-ups say what no builder writes, or no to what is there. */
static void false_headers(void)
{
    enum { FLAGS = 5, DATE_MIN = 24, REASONS = 40, FILTER_BLOCKS = 64 };
    seki_revoked *entries;
    seki_index index;
    uint32_t duplicate;
    size_t kept = make_set(RANDOM16, 300, &entries);
    bytes made = build(entries, kept, (seki_index_options){0, 0, NULL}, &duplicate);
    static const struct {
        size_t at;
        uint8_t octets[8];
        size_t length;
        const char *what;
    } changes[] = {{REASONS, {16}, 1, "a reason beyond all"},
                   {REASONS + 15, {255}, 1, "a reason beyond all that no entry has"},
                   {DATE_MIN, {0, 0, 0, 0, 0, 0, 0, 0x80}, 8, "a date before all years"},
                   {DATE_MIN, {0x80, 0x41, 0xf4, 0xff, 0x3a, 0, 0, 0}, 8, "a date after 9999"},
                   {FLAGS, {SEKI_INDEX_FLAG_BITMAP}, 1, "a bitmap of longer serials"},
                   {FILTER_BLOCKS, {0, 0, 0, 0, 0, 0, 0, 0}, 8, "a filter that holds nothing"}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t before[8];
        memcpy(before, made.data + changes[i].at, 8);
        hold(seki_index_open((seki_span){made.data, made.length}, &index), "as it was made, it opens");
        memcpy(made.data + changes[i].at, changes[i].octets, changes[i].length);
        hold(!seki_index_open((seki_span){made.data, made.length}, &index), changes[i].what);
        memcpy(made.data + changes[i].at, before, 8);
    }
    free(made.data);
    free(entries);
}

/* Whatever the bytes are, nothing is read beyond them: for the sanitizers. */
static void damaged(void)
{
    for (shape of = COUNTER; of <= NEAR; of++) {
        seki_revoked *entries, found;
        uint32_t duplicate;
        size_t kept = make_set(of, 700, &entries);
        bytes made = build(entries, kept, (seki_index_options){0, 0, NULL}, &duplicate);
        uint8_t *copy = malloc(made.length);
        for (size_t round = 0; round < 3000; round++) {
            memcpy(copy, made.data, made.length);
            size_t place = round % 2 == 0 ? random64() % (made.length < 700 ? made.length : 700) : random64() % made.length;
            copy[place] = (uint8_t)random64();
            if (round % 3 == 0)
                memset(copy + place, 0xff, made.length - place < 8 ? made.length - place : 8);
            seki_index index;
            if (!seki_index_open((seki_span){copy, made.length}, &index))
                continue;
            for (size_t i = 0; i < 20; i++) {
                const seki_revoked *one = &entries[random64() % kept];
                uint64_t hash = seki_serial_hash(one->serial, one->length);
                (void)seki_index_maybe(&index, one->serial, one->length, hash);
                (void)seki_index_find(&index, one->serial, one->length, &found);
            }
            seki_index_cursor cursor = {0};
            size_t walked = 0;
            while (walked < 2000 && seki_index_next(&index, &cursor, &found))
                walked++;
        }
        free(copy);
        free(made.data);
        free(entries);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        state = strtoull(argv[1], NULL, 10);
    filters();
    refused_entries();
    sizes();
    bytes_an_entry();
    false_headers();
    damaged();
    puts("serial index: all held");
    return 0;
}
