/* test_snapshot.c: a snapshot whose file is lost under the map, and keys that stand in it twice. */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "hex.h"
#include "snapshot_maker.h"

static const uint8_t anchors[2][32] = {{1}, {2}};
static const seki_span bad = {(const uint8_t *)"\x12\x34\x56\x78\x9a\xbc", 6}, good = {(const uint8_t *)"\x12\x34\x56\x78\x9a\xbd", 6};

/* ---- the handler of SIGBUS --------------------------------------------------------------------- */

static _Atomic uint32_t *volatile seen;        /* the flag to look at when a page is replaced */
static volatile uint32_t flag_then = UINT32_MAX; /* what it was */

/* In the place of the C library's, for the core as well. */
void *mmap(void *at, size_t length, int protection, int flags, int file, off_t offset)
{
    if ((flags & MAP_FIXED) != 0 && seen != NULL)
        flag_then = atomic_load(seen);
    return (void *)syscall(SYS_mmap, at, length, protection, flags, file, offset);
}

/* Another thread may read the zeros as soon as they are there: by then the flag must say so. */
static void test_the_flag_is_up_before_the_zeros_are_there(void)
{
    static const uint8_t page[8192];
    _Atomic uint32_t damaged = 0;
    int file = made_file(page, sizeof page);
    uint8_t *map = mmap(NULL, sizeof page, PROT_READ, MAP_SHARED, file, 0);
    int slot = seki_fault_watch((seki_span){map, sizeof page}, &damaged);
    check(map != MAP_FAILED && slot >= 0 && ftruncate(file, 0) == 0, "watched", "");
    seen = &damaged;
    check(((volatile uint8_t *)map)[5000] == 0, "a page of zeros", "");
    seen = NULL;
    check(flag_then == 1 && atomic_load(&damaged) == 1, "the flag is up first", "");
    seki_fault_forget(slot);
    (void)munmap(map, sizeof page);
    (void)close(file);
}

/* ---- files that are cut off -------------------------------------------------------------------- */

static size_t read_file(int file, uint8_t *out, size_t room)
{
    ssize_t size = pread(file, out, room, 0);
    return size > 0 ? (size_t)size : 0;
}

/* Wherever the file is cut, also within a page, where nothing faults; and whatever length it then gets again. */
static void test_a_file_cut_anywhere_says_nothing_good(void)
{
    static uint8_t whole[1 << 20];
    static made_entry entries[700];
    for (size_t i = 0; i < 700; i++) {
        entries[i].length = 6;
        memcpy(entries[i].serial, bad.data, 6);
        entries[i].serial[1] = (uint8_t)i;
        entries[i].serial[0] = (uint8_t)(0x12 + i / 256);
    }
    made_crl few = {.issuer = 'A', .number = 1, .entries = entries + 0x34, .count = 1};
    made_crl many = {.issuer = 'A', .number = 1, .entries = entries, .count = 700};
    const made_crl *lists[2] = {&few, &many};
    for (size_t which = 0; which < 2; which++) {
        int made = made_base(&lists[which], anchors, 1, 1);
        size_t size = read_file(made, whole, sizeof whole);
        for (size_t cut = 0; cut < size; cut += which == 0 ? 1 : 61)
            for (int longer = 0; longer < 2; longer++) {
                seki_revocation *revocation;
                int file = made_file(whole, size);
                seki_snapshot *snapshot = made_map(file);
                check(seki_revocation_new(&revocation) == SEKI_OK && seki_revocation_publish(revocation, snapshot, NULL) == SEKI_OK, "in force", "");
                check(made_ask(revocation, anchors[0], 'A', bad).state == SEKI_REVOCATION_REVOKED, "revoked", "");
                check(made_ask(revocation, anchors[0], 'A', good).state == SEKI_REVOCATION_GOOD, "good", "");
                check(ftruncate(file, (off_t)cut) == 0 && (longer == 0 || ftruncate(file, (off_t)size) == 0), "cut", "");
                check(made_ask(revocation, anchors[0], 'A', bad).state == SEKI_REVOCATION_IS_DAMAGED, "revoked, cut off", "");
                check(made_ask(revocation, anchors[0], 'A', good).state == SEKI_REVOCATION_IS_DAMAGED, "good, cut off", "");
                check(seki_revocation_publish(revocation, snapshot, NULL) == SEKI_E_DAMAGED, "not published again", "");
                seki_revocation_free(revocation);
                seki_snapshot_free(snapshot);
                (void)close(file);
            }
        (void)close(made);
    }
}

/* ---- keys -------------------------------------------------------------------------------------- */

/* A distribution point that a CRL names a thousand times is found once. */
static void test_a_point_named_often_is_found_once(void)
{
    enum { OFTEN = 1000 };
    static uint8_t idp[12 + 4 * OFTEN];
    size_t names = (size_t)4 * OFTEN, at = 0;
    const uint8_t heads[12] = {0x30, 0x82, (uint8_t)((names + 8) >> 8), (uint8_t)(names + 8), 0xa0, 0x82, (uint8_t)((names + 4) >> 8),
                               (uint8_t)(names + 4), 0xa0, 0x82, (uint8_t)(names >> 8), (uint8_t)names};
    memcpy(idp, heads, sizeof heads);
    for (at = sizeof heads; at < sizeof idp; at += 4)
        memcpy(idp + at, "\x86\x02u:", 4);
    made_crl often = {.issuer = 'A', .number = 1, .idp = idp, .idp_length = sizeof idp}, once = {.issuer = 'B', .number = 1};
    const made_crl *lists[3] = {&often, &often, &once};
    static const uint8_t same[3][32] = {{1}, {1}, {1}};
    int file = made_base(lists, same, 3, 1);
    seki_snapshot *snapshot = made_map(file);
    uint8_t form[32], point[32];
    made_form('A', form);
    seki_point_of(form, &(seki_span){(const uint8_t *)"\x86\x02u:", 4}, point);
    size_t place = SEKI_KEY_FIRST, found[3] = {0};
    for (int32_t source; (source = seki_snapshot_next_source(snapshot, same[0], point, &place)) >= 0;)
        found[source]++;
    check(found[0] == 1 && found[1] == 1 && found[2] == 0, "each CRL of the point once", "");
    seki_snapshot_free(snapshot);
    (void)close(file);
}

/* ---- copies ------------------------------------------------------------------------------------ */

static seki_status copied(const seki_snapshot *base, const seki_snapshot *overlay)
{
    seki_snapshot_options options = {.kind = SEKI_SNAPSHOT_BASE, .id = 9};
    seki_snapshot_writer *writer;
    int file = made_file(good.data, 0);
    check(seki_snapshot_writer_new(file, &options, &writer) == SEKI_OK, "a writer", "");
    seki_status status = seki_snapshot_writer_copy(writer, base, overlay, 0);
    seki_snapshot_writer_free(writer);
    (void)close(file);
    return status;
}

/* What `delta` (NULL: nothing new) changes on top of `before`. */
static seki_status changed(const seki_snapshot *base, const seki_snapshot *before, const made_crl *delta, int *out)
{
    seki_snapshot_options options = {.kind = SEKI_SNAPSHOT_OVERLAY, .id = 8};
    seki_snapshot_writer *writer;
    uint32_t reason;
    uint8_t digest[32];
    memcpy(options.base, base->digest, 32);
    int file = made_file(good.data, 0);
    seki_crl *crl = delta != NULL ? made_read(delta) : NULL;
    check(seki_snapshot_writer_new(file, &options, &writer) == SEKI_OK, "a writer", "");
    seki_status status = seki_snapshot_writer_change(writer, base, 0, before, crl, anchors[0], &reason);
    if (status == SEKI_OK)
        check(reason == 0 && seki_snapshot_writer_end(writer, digest) == SEKI_OK, "an overlay", "");
    seki_snapshot_writer_free(writer);
    seki_crl_free(crl);
    if (out != NULL)
        *out = file;
    else
        (void)close(file);
    return status;
}

/* Turns a bit of the first serial of a set, in the file; and back. */
static void flip(int file, const seki_snapshot *s, const seki_index *index)
{
    off_t at = index->tables[0].blocks.data - s->map.data;
    uint8_t octet;
    check(pread(file, &octet, 1, at) == 1, "read", "");
    octet ^= 4;
    check(pwrite(file, &octet, 1, at) == 1, "turned", "");
}

/* A serial that has become another on the disk is not written anew under a digest that fits. */
static void test_damage_is_not_copied(void)
{
    made_entry entries[3] = {{.length = 6}, {.serial = {7}, .length = 1}, {.serial = {8}, .length = 1, .reason = 8}};
    memcpy(entries[0].serial, bad.data, 6);
    made_crl complete = {.issuer = 'A', .number = 1, .entries = entries, .count = 1};
    made_crl first = {.issuer = 'A', .number = 2, .base = 1, .entries = entries + 1, .count = 2};
    made_crl second = {.issuer = 'A', .number = 3, .base = 2};
    const made_crl *list = &complete;
    int file = made_base(&list, anchors, 1, 1), over_file;
    seki_snapshot *base = made_map(file);
    check(changed(base, NULL, &first, &over_file) == SEKI_OK, "an overlay", "");
    seki_snapshot *overlay = made_map(over_file);
    struct {
        int file;
        const seki_snapshot *of;
        const seki_index *index;
        bool of_overlay;
    } places[3] = {{file, base, &base->sets[0].revoked, false},
                   {over_file, overlay, &overlay->sets[0].revoked, true},
                   {over_file, overlay, &overlay->sets[0].removed, true}};
    for (size_t i = 0; i < 3; i++)
        for (int turned = 1; turned >= 0; turned--) {
            flip(places[i].file, places[i].of, places[i].index);
            seki_status wanted = turned != 0 ? SEKI_E_DAMAGED : SEKI_OK;
            check(copied(base, overlay) == wanted, "joined", "");
            check(copied(base, NULL) == (places[i].of_overlay ? SEKI_OK : wanted), "copied", "");
            check(changed(base, overlay, &second, NULL) == (places[i].of_overlay ? wanted : SEKI_OK), "changed on top", "");
            check(changed(base, overlay, NULL, NULL) == (places[i].of_overlay ? wanted : SEKI_OK), "said again", "");
        }
    seki_snapshot_free(overlay);
    seki_snapshot_free(base);
    (void)close(over_file);
    (void)close(file);
}

/* What was refused half-way leaves no bytes behind. */
static void test_a_refused_list_leaves_nothing(void)
{
    static uint8_t one[8192], other[8192];
    made_entry entries[3] = {{.serial = {7}, .length = 1}, {.serial = {8}, .length = 1, .issuer = 'B'}, {.serial = {8}, .length = 1}};
    static const uint8_t indirect[5] = {0x30, 3, 0x84, 1, 0xff};
    made_crl twice = {.issuer = 'A', .number = 1, .idp = indirect, .idp_length = sizeof indirect, .entries = entries, .count = 3};
    made_crl fine = {.issuer = 'A', .number = 1, .entries = entries, .count = 1};
    const made_crl *list = &fine;
    seki_snapshot_options options = {.kind = SEKI_SNAPSHOT_BASE, .id = 1, .built_at = MADE_THIS};
    seki_snapshot_writer *writer;
    uint32_t reason;
    uint8_t digest[32];
    int file = made_file(good.data, 0), plain = made_base(&list, anchors, 1, 1);
    seki_crl *bad_list = made_read(&twice), *good_list = made_read(&fine);
    check(seki_snapshot_writer_new(file, &options, &writer) == SEKI_OK, "a writer", "");
    check(seki_snapshot_writer_add(writer, bad_list, anchors[0], anchors[0], 1, &reason) == SEKI_OK && reason == SEKI_CRL_ENTRY_DUPLICATE, "refused", "");
    check(seki_snapshot_writer_add(writer, good_list, anchors[0], anchors[0], 1, &reason) == SEKI_OK && reason == 0, "taken", "");
    check(seki_snapshot_writer_end(writer, digest) == SEKI_OK, "ended", "");
    size_t size = read_file(file, one, sizeof one);
    check(size != 0 && size == read_file(plain, other, sizeof other) && memcmp(one, other, size) == 0, "as if it had never come", "");
    seki_snapshot_writer_free(writer);
    seki_crl_free(bad_list);
    seki_crl_free(good_list);
    (void)close(file);
    (void)close(plain);
}

int main(void)
{
    test_a_refused_list_leaves_nothing();
    test_damage_is_not_copied();
    test_the_flag_is_up_before_the_zeros_are_there();
    test_a_file_cut_anywhere_says_nothing_good();
    test_a_point_named_often_is_found_once();
    return verdict("test_snapshot");
}
