/* fuzz_snapshot.c: libFuzzer target for snapshots: the input is a file, whose digests are made right so that its inside is reached.
 *
 * Invariant: of whatever is mapped, every source, name, key and set can be
 * looked at, walked and asked about within the map, and what is found is what was asked for; what the writer copies of it is mapped
 * again, and holds the same entries.  An overlay is looked at over a base of ours.
 *
 *   make fuzz TARGET=snapshot */
#include "snapshot_maker.h"

#include "../src/digest.h"
#include "fuzz/fuzz.h"
#include "fuzz/tlv.h"

enum { FILE_MAX = 1 << 17, ENTRIES_MAX = 1 << 15, ASKED_MAX = 64 };

static uint64_t next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed)
{
    /* Offsets are absolute: mostly a few octets are changed where they stand, half of the time in the directory or the footer. */
    uint64_t state = seed;
    if (seed % 8 == 0 || size < SEKI_SNAPSHOT_FOOTER_SIZE)
        return LLVMFuzzerMutate(data, size, room);
    for (unsigned i = 0; i <= seed / 8 % 4; i++) {
        uint64_t from = (next(&state) & 1) == 0 ? seki_get(data + size - SEKI_SNAPSHOT_FOOTER_SIZE + 32, 8) : 0;
        from = from < size ? from : 0;
        size_t at = (size_t)(from + next(&state) % (size - from)), some = 1 + (size_t)(next(&state) % 8);
        static const uint8_t edges[8] = {0, 1, 0xff, 0x7f, 0x80, 64, 8, 20};
        uint64_t kind = next(&state) % 4;
        some = some < size - at ? some : size - at;
        if (kind == 0)
            (void)LLVMFuzzerMutate(data + at, some, some);
        else if (kind == 1)
            data[at] ^= (uint8_t)(1u << next(&state) % 8);
        else if (kind == 2)
            data[at] = edges[next(&state) % 8];
        else
            data[at] = (uint8_t)(data[at] + next(&state) % 9 - 4);
    }
    return size;
}

/* The base that overlays are looked at over: one list with a hold and a revoked certificate, and one indirect list. */
static seki_snapshot *our_base(void)
{
    static seki_snapshot *base;
    if (base == NULL) {
        static const made_entry entries[3] = {
            {.serial = {1, 2}, .length = 2, .reason = 6}, {.serial = {3}, .length = 1}, {.serial = {9, 9, 9}, .length = 3, .issuer = 'B'}};
        static const uint8_t indirect[5] = {0x30, 3, 0x84, 1, 0xff};
        made_crl direct = {.issuer = 'A', .number = 5, .entries = entries, .count = 2};
        made_crl other = {.issuer = 'C', .number = 5, .entries = entries, .count = 3, .idp = indirect, .idp_length = sizeof indirect};
        const made_crl *lists[2] = {&direct, &other};
        static const uint8_t anchors[2][32] = {{1}, {1}};
        int file = made_base(lists, anchors, 2, 1);
        base = made_map(file);
        (void)close(file);
    }
    return base;
}

static bool directory_of(uint8_t *file, size_t size, uint8_t **at, uint64_t *length)
{
    if (size < SEKI_SNAPSHOT_HEADER_SIZE + SEKI_SNAPSHOT_FOOTER_SIZE)
        return false;
    uint64_t most = size - SEKI_SNAPSHOT_FOOTER_SIZE, offset = seki_get(file + most + 32, 8);
    *length = seki_get(file + most + 40, 8);
    if (offset > most || *length > most - offset)
        return false;
    *at = file + offset;
    return true;
}

/* The digests of sections and of the directory, and an overlay's base; false where there is no place for them. */
static bool make_right(uint8_t *file, size_t size)
{
    uint8_t *directory, *footer = file + size - SEKI_SNAPSHOT_FOOTER_SIZE;
    uint64_t length;
    if (!directory_of(file, size, &directory, &length))
        return false;
    uint64_t sources = length >= 32 ? seki_get(directory, 4) : 0, sets = length >= 32 ? seki_get(directory + 4, 4) : 0;
    uint64_t at = SEKI_SNAPSHOT_DIRECTORY_HEAD + sources * SEKI_SNAPSHOT_SOURCE_SIZE;
    for (uint64_t i = 0; i < sets && at + (i + 1) * SEKI_SNAPSHOT_SET_SIZE <= length; i++)
        for (unsigned which = 0; which < 2; which++) {
            uint8_t *record = directory + at + i * SEKI_SNAPSHOT_SET_SIZE;
            uint64_t offset = seki_get(record + SEKI_SET_REVOKED + 16 * which, 8), bytes = seki_get(record + SEKI_SET_REVOKED + 16 * which + 8, 8);
            if (offset <= size && bytes <= size - offset && (offset + bytes <= (uint64_t)(directory - file) || bytes == 0))
                seki_sha256((seki_span){file + offset, bytes}, record + SEKI_SET_REVOKED_SHA256 + 32 * which);
        }
    if (seki_get(footer + 12, 4) == SEKI_SNAPSHOT_OVERLAY)
        memcpy(footer + 48, our_base()->digest, 32);
    seki_span parts[2] = {{footer, SEKI_SNAPSHOT_FOOTER_DIGEST}, {directory, length}};
    seki_sha256_parts(parts, 2, footer + SEKI_SNAPSHOT_FOOTER_DIGEST);
    return true;
}

static seki_snapshot *map(const uint8_t *data, size_t size)
{
    seki_snapshot *snapshot;
    uint32_t reason;
    int file = made_file(data, size);
    require(seki_snapshot_map(file, &reason, &snapshot) == SEKI_OK, "mapped or refused");
    require((snapshot != NULL) == (reason == 0), "a reason or a snapshot");
    require(reason == 0 || reason == SEKI_SNAPSHOT_MALFORMED || reason == SEKI_SNAPSHOT_VERSION || reason == SEKI_SNAPSHOT_DIGEST, "a reason of snapshots");
    (void)close(file);
    return snapshot;
}

static unsigned touch(seki_span bytes)
{
    unsigned sum = 0;
    for (size_t i = 0; i < bytes.length; i++)
        sum += bytes.data[i];
    return sum;
}

/* An index in a block of exactly its size: walked, and asked for what it holds and for what is beside that. */
static uint64_t look_at_index(seki_span bytes, seki_revoked *asked, size_t *asked_count)
{
    seki_span exact = exact_copy(bytes.data, bytes.length);
    seki_index index;
    seki_index_cursor cursor = {0};
    seki_revoked entry, found;
    uint64_t count = 0;
    if (bytes.length != 0) {
        require(seki_index_open(exact, &index), "opened in the map, opened alone");
        for (; count < ENTRIES_MAX && seki_index_next(&index, &cursor, &entry); count++) {
            require(entry.length >= 1 && entry.length <= SEKI_SERIAL_SIZE_MAX, "a serial's length");
            for (int beside = 0; beside < 2; beside++) {
                uint8_t *serial = entry.serial;
                serial[entry.length - 1] ^= (uint8_t)beside;
                uint64_t hash = seki_serial_hash(serial, entry.length);
                seki_index_prefetch(&index, hash);
                (void)seki_index_maybe(&index, serial, entry.length, hash);
                if (seki_index_find(&index, serial, entry.length, &found))
                    require(found.length == entry.length && memcmp(found.serial, serial, entry.length) == 0, "found is what was asked for");
            }
            if (*asked_count < ASKED_MAX)
                asked[(*asked_count)++] = entry;
        }
        require(count == ENTRIES_MAX || count == index.count, "as many entries as it says");
    }
    free((void *)(uintptr_t)exact.data);
    return count;
}

/* All of a snapshot; what there is to ask about goes to `asked`. */
static void look_at(const seki_snapshot *s, seki_revoked *asked, size_t *asked_count)
{
    seki_snapshot_report report;
    static uint8_t keys[64 * 64];
    static seki_crl_entry entries[ENTRIES_MAX];
    unsigned sum = 0;
    uint32_t reason;
    require(seki_snapshot_summarize(s, &report) == SEKI_OK && report.damaged == 0, "a report");
    require(seki_snapshot_verify(s, &reason) == SEKI_OK && (reason == 0 || reason == SEKI_SNAPSHOT_DIGEST), "verified");
    for (uint64_t i = 0; i < report.sources; i++) {
        seki_snapshot_source source;
        const uint8_t *name, *idp;
        size_t name_length, idp_length;
        require(seki_snapshot_source_at(s, i, &source) == SEKI_OK, "a source");
        require(source.first_set <= report.sets && source.sets <= report.sets - source.first_set, "its sets");
        require(seki_snapshot_source_names(s, i, &name, &name_length, &idp, &idp_length) == SEKI_OK, "its names");
        require(seki_snapshot_source_keys(s, i, keys, 64) == SEKI_OK, "its keys");
        sum += touch((seki_span){name, name_length}) + touch((seki_span){idp, idp_length});
    }
    for (uint64_t i = 0; i < report.sets; i++) {
        seki_snapshot_set set;
        require(seki_snapshot_set_at(s, i, &set) == SEKI_OK && set.source < report.sources, "a set");
        for (uint32_t removed = 0; removed < 2; removed++) {
            uint64_t count, all = look_at_index(removed != 0 ? s->sets[i].removed_bytes : s->sets[i].revoked_bytes, asked, asked_count);
            seki_snapshot_cursor cursor = {{0}};
            require(seki_snapshot_walk(s, i, removed, &cursor, entries, ENTRIES_MAX, &count) == SEKI_OK && count == all, "walked");
        }
    }
    require(sum != UINT32_MAX, "read");
}

static void ask_about(seki_snapshot *base, seki_snapshot *overlay, const seki_revoked *asked, size_t asked_count)
{
    static const seki_revocation_limits limits = {.age_max = 86400, .grace = 60, .skew = 60};
    seki_revocation_question questions[ASKED_MAX];
    seki_revocation_answer answers[ASKED_MAX];
    seki_issuer_points issuer;
    seki_revocation *revocation;
    require(seki_revocation_new(&revocation) == SEKI_OK, "memory");
    seki_status status = seki_revocation_publish(revocation, base, overlay);
    require(status == SEKI_OK || status == SEKI_E_ARGUMENT, "published");
    const seki_in_force *in_force = seki_revocation_acquire(revocation);
    for (size_t key = 0; in_force != NULL && key < base->key_count && key < 8; key++) {
        const uint8_t *at = base->keys + key * SEKI_SNAPSHOT_KEY_SIZE;
        seki_points points = {.count = 1, .at = {{.reasons = SEKI_REASONS_ALL, .indirect = (key & 1) != 0}}};
        memcpy(points.at[0].point, at + 32, 32);
        seki_points_of_issuer(base->set_count != 0 ? base->sets[key % base->set_count].issuer_form : at, &issuer);
        for (size_t i = 0; i < asked_count; i++)
            questions[i] = (seki_revocation_question){.anchor = at,
                                                      .issuer = &issuer,
                                                      .signer = at,
                                                      .points = &points,
                                                      .serial = {asked[i].serial, asked[i].length},
                                                      .kind = (uint8_t)(i % 3),
                                                      .at = (i & 2) != 0 ? MADE_THIS : base->built_at};
        seki_revocation_ask(in_force, &limits, questions, asked_count, answers);
        for (size_t i = 0; i < asked_count; i++)
            require(answers[i].state >= SEKI_REVOCATION_GOOD && answers[i].state <= SEKI_REVOCATION_IS_LATER, "an answer");
    }
    if (in_force != NULL)
        seki_revocation_release(revocation, in_force);
    seki_revocation_free(revocation);
}

/* All sources of a base, with an overlay's changes, into a new base. */
static void copy_all(const seki_snapshot *base, const seki_snapshot *overlay)
{
    static const uint8_t zeros[32];
    seki_snapshot_options options = {.kind = SEKI_SNAPSHOT_BASE, .id = 7};
    seki_snapshot_writer *writer;
    uint8_t digest[32];
    uint32_t reason;
    seki_snapshot *again;
    int file = made_file(zeros, 0);
    require(seki_snapshot_writer_new(file, &options, &writer) == SEKI_OK, "a writer");
    seki_status status = SEKI_OK;
    for (size_t i = 0; status == SEKI_OK && i < base->source_count; i++)
        status = seki_snapshot_writer_copy(writer, base, overlay, i);
    require(status == SEKI_OK || status == SEKI_E_DAMAGED, "copied, or seen to be damaged");
    if (status == SEKI_OK) {
        require(seki_snapshot_writer_end(writer, digest) == SEKI_OK, "ended");
        require(seki_snapshot_map(file, &reason, &again) == SEKI_OK && reason == 0, "what was written is mapped");
        require(seki_snapshot_verify(again, &reason) == SEKI_OK && reason == 0, "and whole");
        require(memcmp(again->digest, digest, 32) == 0 && again->source_count == base->source_count, "the same");
        if (overlay == NULL) {
            require(again->set_count == base->set_count && again->entries == base->entries, "with the same entries");
            for (size_t i = 0; i < base->set_count; i++)
                require(seki_span_equal(again->sets[i].revoked_bytes, base->sets[i].revoked_bytes), "in the same bytes");
        }
        seki_snapshot_free(again);
    }
    seki_snapshot_writer_free(writer);
    (void)close(file);
}

/* An overlay that holds what another says, and nothing more. */
static void repeat(const seki_snapshot *base, const seki_snapshot *overlay)
{
    static const uint8_t zeros[32];
    seki_snapshot_options options = {.kind = SEKI_SNAPSHOT_OVERLAY, .id = 8};
    seki_snapshot_writer *writer;
    uint32_t reason;
    memcpy(options.base, base->digest, 32);
    int file = made_file(zeros, 0);
    require(seki_snapshot_writer_new(file, &options, &writer) == SEKI_OK, "a writer");
    for (size_t i = 0; i < base->source_count; i++) {
        seki_status status = seki_snapshot_writer_change(writer, base, i, overlay, NULL, NULL, &reason);
        require(status == SEKI_OK || status == SEKI_E_ARGUMENT || status == SEKI_E_DAMAGED, "repeated, or nothing to repeat");
        if (status != SEKI_OK)
            break;
    }
    seki_snapshot_writer_free(writer);
    (void)close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static seki_revoked asked[ASKED_MAX];
    if (size == 0 || size > FILE_MAX)
        return 0;
    seki_span copy = exact_copy(data, size);
    uint8_t *file = (uint8_t *)(uintptr_t)copy.data;
    seki_snapshot_free(map(file, size)); /* as it is: mostly refused */
    if (make_right(file, size)) {
        size_t asked_count = 0;
        seki_snapshot *snapshot = map(file, size);
        if (snapshot != NULL) {
            bool overlay = snapshot->kind == SEKI_SNAPSHOT_OVERLAY;
            look_at(snapshot, asked, &asked_count);
            ask_about(overlay ? our_base() : snapshot, overlay ? snapshot : NULL, asked, asked_count);
            copy_all(overlay ? our_base() : snapshot, overlay ? snapshot : NULL);
            if (overlay)
                repeat(our_base(), snapshot);
            seki_snapshot_free(snapshot);
        }
    }
    free(file);
    return 0;
}
