/* fuzz_serial_index.c: libFuzzer target for the index of revoked serials.
 *
 * Invariants.  Of entries: the index that is built of them, in any order and with any bound of memory, has the same bytes, or they
 * are told to hold a duplicate and nothing is written; it opens, walks as the sorted list of them, passes and finds each, and
 * finds nothing else.  Of bytes of any kind: what opens as an index is never read beyond its end, each look-up and the walk end, what
 * is found is what was asked for, and both forms of the filter agree.
 *
 * The input: an octet of form.  0: the bytes of an index, whose length is put in.  1: four octets of options, then groups of entries.
 * 2: the same, but first an octet of how many patches there are; each is three octets of a place and one to be put there.
 *
 *   make fuzz TARGET=serial_index */
#include "../src/serial_index.h"
#include "fuzz/fuzz.h"

enum { ENTRIES_MAX = 1300, WALK_MAX = 1024, PATCHES_MAX = 64, ASKED = 24 };

typedef struct {
    uint8_t *data;
    size_t length;
    unsigned calls;
} written;

typedef struct {
    seki_revoked *at;
    size_t count;
} list;

static seki_status keep(void *context, const uint8_t *bytes, size_t length)
{
    written *to = context;
    to->data = malloc(length != 0 ? length : 1);
    require(to->data != NULL, "memory");
    memcpy(to->data, bytes, length);
    to->length = length;
    to->calls++;
    return SEKI_OK;
}

static int order(const void *a, const void *b)
{
    const seki_revoked *x = a, *y = b;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return memcmp(x->serial, y->serial, sizeof x->serial);
}

static bool same(const seki_revoked *a, const seki_revoked *b)
{
    return order(a, b) == 0 && a->reason == b->reason && a->date == b->date && a->invalidity == b->invalidity;
}

/* ---- entries of the input ------------------------------------------------------------------------ */

/* Adds to the last eight octets of the serial, as a number. */
static void step(uint8_t serial[SEKI_SERIAL_SIZE_MAX], size_t length, uint64_t by)
{
    unsigned carry = 0;
    for (size_t i = 0; i < length; i++, by >>= 8) {
        unsigned sum = serial[length - 1 - i] + (unsigned)(by & 0xff) + carry;
        serial[length - 1 - i] = (uint8_t)sum;
        carry = sum >> 8;
    }
}

/* Groups: octets of the serial (its length in the low five bits of the first octet), how many serials, octets of the step between
 * them, of the date, and of reason and invalidityDate. */
static list take_entries(const uint8_t *data, size_t size)
{
    list out = {calloc(ENTRIES_MAX, sizeof *out.at), 0};
    require(out.at != NULL, "memory");
    while (size != 0) {
        unsigned shape = (unsigned)take_bits(&data, &size, 1);
        uint8_t raw[SEKI_SERIAL_SIZE_MAX] = {0};
        size_t length = 1 + (shape & 31) % SEKI_SERIAL_SIZE_MAX;
        for (size_t i = 0; i < length; i++)
            raw[i] = (uint8_t)take_bits(&data, &size, 1);
        size_t many = 1 + (size_t)take_bits(&data, &size, 1) * ((shape & 32) != 0 ? 8 : 1);
        uint64_t by = take_bits(&data, &size, (shape & 64) != 0 ? 8 : 1);
        int64_t date = (int64_t)take_bits(&data, &size, (shape & 128) != 0 ? 5 : 4) - (INT64_C(1) << 31);
        uint8_t reason = (uint8_t)take_bits(&data, &size, 1);
        if (date > INT64_C(253402300799))
            date = INT64_C(253402300799);
        for (size_t i = 0; i < many && out.count < ENTRIES_MAX; i++, step(raw, length, by)) {
            seki_revoked *e = &out.at[out.count++];
            seki_span serial = {raw, length};
            require(seki_serial_normalize(&serial), "a serial of 1 to 20 octets");
            memcpy(e->serial, serial.data, serial.length);
            e->length = (uint8_t)serial.length;
            e->reason = (uint8_t)((reason + (reason >> 4) * i) % 16);
            e->date = date - (int64_t)(i * (reason & 7) * 3600);
            if (e->date < INT64_C(-62167219200))
                e->date = INT64_C(-62167219200);
            e->invalidity = (reason & 8) != 0 && i % 3 == 0 ? date ^ (int64_t)i : SEKI_NO_TIME;
        }
    }
    return out;
}

static written build(const list *entries, const seki_index_options *options, bool backwards, uint32_t *duplicate)
{
    written out = {NULL, 0, 0};
    uint64_t length;
    seki_index_builder *builder = seki_index_builder_new(options);
    require(builder != NULL, "memory");
    for (size_t i = 0; i < entries->count; i++)
        require(seki_index_builder_add(builder, &entries->at[backwards ? entries->count - 1 - i : i]) == SEKI_OK, "an entry is taken");
    require(seki_index_builder_end(builder, keep, &out, &length, duplicate) == SEKI_OK, "the index is made");
    require(length == out.length && out.calls == (*duplicate == 0), "written once, or a duplicate");
    uint64_t again;
    uint32_t told;
    require(seki_index_builder_end(builder, keep, &out, &again, &told) != SEKI_OK && again == 0, "the end is the end");
    seki_index_builder_free(builder);
    return out;
}

/* ---- looking ------------------------------------------------------------------------------------- */

static bool ask(const seki_index *index, const seki_revoked *one, seki_revoked *found)
{
    uint64_t hash = seki_serial_hash(one->serial, one->length);
    seki_index_prefetch(index, hash);
    bool maybe = seki_index_maybe(index, one->serial, one->length, hash);
    if (!index->is_bitmap && index->count != 0)
        require(maybe == seki_filter_may_hold_portable(index->filter.data, index->filter_blocks, hash), "both filters agree");
    if (seki_index_find(index, one->serial, one->length, found))
        require(order(found, one) == 0, "what is found is what was asked for");
    else
        return false;
    return maybe;
}

/* Whatever bytes: `data` is a block of exactly its size. */
static void look_at(const uint8_t *data, size_t size)
{
    seki_index index;
    seki_revoked found, walked;
    if (!seki_index_open((seki_span){data, size}, &index))
        return;
    seki_index_cursor cursor = {0};
    uint64_t count = 0;
    while (count < WALK_MAX && seki_index_next(&index, &cursor, &walked)) {
        require(walked.length >= 1 && walked.length <= SEKI_SERIAL_SIZE_MAX, "a serial has 1 to 20 octets");
        require(walked.reason < SEKI_INDEX_REASONS_MAX, "a reason is one that a builder takes");
        if (count++ % (WALK_MAX / 64) == 0) {
            seki_revoked near = walked;
            (void)ask(&index, &walked, &found);
            near.serial[near.length - 1] ^= 1;
            (void)ask(&index, &near, &found);
        }
    }
    require(count == (index.count < WALK_MAX ? index.count : WALK_MAX), "the walk goes over as many as there are");
    for (size_t i = 0; i < ASKED; i++) { /* of every length, from anywhere in the bytes */
        seki_revoked one = {.length = (uint8_t)(1 + i % SEKI_SERIAL_SIZE_MAX)};
        size_t at = (i * 2654435761u) % (size - SEKI_SERIAL_SIZE_MAX);
        memcpy(one.serial, data + at, one.length);
        (void)ask(&index, &one, &found);
    }
}

static void hold_to_list(const written *made, list *entries)
{
    seki_index index;
    seki_revoked found;
    seki_index_cursor cursor = {0};
    qsort(entries->at, entries->count, sizeof *entries->at, order);
    require(seki_index_open((seki_span){made->data, made->length}, &index) && index.count == entries->count, "what is built opens");
    for (size_t i = 0; i < entries->count; i++) {
        const seki_revoked *one = &entries->at[i];
        require(seki_index_next(&index, &cursor, &found) && same(&found, one), "the walk is the sorted list");
        require(ask(&index, one, &found) && same(&found, one), "what is in it passes and is found");
        seki_revoked near = *one;
        step(near.serial, near.length, 1);
        seki_span serial = {near.serial, near.length};
        require(seki_serial_normalize(&serial), "a serial");
        seki_revoked other = {.length = (uint8_t)serial.length};
        memcpy(other.serial, serial.data, serial.length);
        bool there = bsearch(&other, entries->at, entries->count, sizeof other, order) != NULL;
        require(ask(&index, &other, &found) == there, "its neighbour is found if it is in it");
    }
    require(!seki_index_next(&index, &cursor, &found), "and ends");
}

static bool has_duplicate(const list *entries)
{
    list sorted = {malloc((entries->count + 1) * sizeof *sorted.at), entries->count};
    require(sorted.at != NULL, "memory");
    memcpy(sorted.at, entries->at, entries->count * sizeof *sorted.at);
    qsort(sorted.at, sorted.count, sizeof *sorted.at, order);
    bool found = false;
    for (size_t i = 1; i < sorted.count; i++)
        found |= order(&sorted.at[i - 1], &sorted.at[i]) == 0;
    free(sorted.at);
    return found;
}

static void of_entries(const uint8_t *data, size_t size, const uint8_t *patches, size_t patch_count)
{
    seki_index_options options = {.filter_ppm = take_bits(&data, &size, 3), .memory_bytes = take_bits(&data, &size, 1)};
    seki_index_options roomy = {.filter_ppm = options.filter_ppm};
    list entries = take_entries(data, size);
    uint32_t duplicate;
    written made = build(&entries, &options, false, &duplicate);
    require((duplicate == 1) == has_duplicate(&entries), "a duplicate is told where there is one, and only there");
    if (patch_count == 0) {
        written again = build(&entries, &roomy, true, &duplicate);
        require(again.length == made.length && (made.length == 0 || memcmp(made.data, again.data, made.length) == 0),
                "the same bytes in any order, within any memory");
        free(again.data);
        if (made.data != NULL)
            hold_to_list(&made, &entries);
    } else if (made.data != NULL) {
        for (size_t i = 0; i < patch_count; i++) {
            const uint8_t *p = patches + 4 * i;
            /* Half of them within the header and its tables, where most is decided. */
            size_t place = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
            size_t within = (p[0] & 0x80) != 0 && made.length > 256 ? 256 : made.length;
            made.data[place % within] = p[3];
        }
        look_at(made.data, made.length);
    }
    free(made.data);
    free(entries.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned form = (unsigned)take_bits(&data, &size, 1);
    if (form % 3 == 0) {
        seki_span copy = exact_copy(data, size);
        uint8_t *head = (uint8_t *)(uintptr_t)copy.data;
        for (unsigned i = 0; i < 8 && size >= 16; i++)
            head[8 + i] = (uint8_t)((uint64_t)size >> 8 * i);
        look_at(head, size);
        free(head);
    } else if (form % 3 == 1) {
        of_entries(data, size, NULL, 0);
    } else {
        size_t patches = 1 + (size_t)take_bits(&data, &size, 1) % PATCHES_MAX;
        if (size < 4 * patches)
            return 0;
        of_entries(data + 4 * patches, size - 4 * patches, data, patches);
    }
    return 0;
}
