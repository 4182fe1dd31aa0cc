/* bench_serial_index.c: the index of revoked serials: building it, its size, looking up.
 *
 *   make -C native/tests build/bench_serial_index && native/tests/build/bench_serial_index [SETS [ENTRIES [LARGE]]]
 *
 * SETS sets (1,700) of ENTRIES serials each (14,000), then one of LARGE (1,000,000): 4-octet serials out of 250 million, dates to the
 * second over 2.5 years, 8 reasons.  Then a set of random 16-octet serials of the same LARGE.  LARGE beyond some 300,000 goes over a
 * temporary file.  Times are CPU time of this thread, so that a busy machine slows them less; what is not timed is the making of serials.
 * Every answer is checked; a wrong one ends the run with status 1. */
#define _GNU_SOURCE /* RUSAGE, clock_gettime */

#include "../src/serial_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum {
    BATCH = 4096,
    BATCHES = 2000,
    SERIALS = 250000000, /* that an issuer has given out */
    SPAN = 78840000      /* seconds of 2.5 years */
};

typedef struct {
    uint8_t *data;
    size_t length;
} written;

typedef struct {
    uint8_t serial[16];
    size_t length, set;
    uint64_t hash;
} asked;

static uint64_t state = 1;

static uint64_t random64(void) /* splitmix64 */
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void must(bool held, const char *what)
{
    if (!held) {
        fprintf(stderr, "WRONG: %s\n", what);
        exit(1);
    }
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static seki_status keep(void *context, const uint8_t *bytes, size_t length)
{
    written *to = context;
    to->data = malloc(length);
    if (to->data == NULL)
        return SEKI_E_MEMORY;
    memcpy(to->data, bytes, length);
    to->length = length;
    return SEKI_OK;
}

/* A permutation of 2^28 numbers, a different one for each set: what is below SERIALS is drawn without repeats, and one can tell
 * who was drawn by going back. */
static uint32_t drawn(uint32_t place, uint32_t set)
{
    uint32_t x = place, mask = (1u << 28) - 1;
    do {
        for (unsigned round = 0; round < 3; round++) {
            x = (x * 0x9e3779b1u + set) & mask;
            x ^= x >> 14;
        }
    } while (x >= SERIALS);
    return x;
}

static void four_octets(uint32_t value, asked *out)
{
    for (unsigned i = 0; i < 4; i++)
        out->serial[i] = (uint8_t)(value >> 8 * (3 - i));
    seki_span serial = {out->serial, 4};
    must(seki_serial_normalize(&serial), "a serial");
    memmove(out->serial, serial.data, serial.length);
    out->length = serial.length;
}

/* The serial that is number `place` of a set; those from the set's count on are not in it. */
static void serial_of(uint32_t place, size_t set, bool wide, asked *out)
{
    out->set = set;
    if (!wide) {
        four_octets(drawn(place, (uint32_t)set), out);
    } else {
        uint64_t keep_state = state;
        state = (uint64_t)place << 20 ^ UINT64_C(0x5eed) << 48;
        uint64_t high = random64() | UINT64_C(1) << 63, low = random64();
        state = keep_state;
        memcpy(out->serial, &high, 8);
        memcpy(out->serial + 8, &low, 8);
        out->serial[0] |= 1;
        out->length = 16;
    }
    out->hash = seki_serial_hash(out->serial, out->length);
}

static double build(uint32_t count, size_t set, bool wide, uint64_t memory, written *out)
{
    enum { CHUNK = 16384 };
    static seki_revoked entries[CHUNK];
    seki_index_options options = {.memory_bytes = memory};
    uint64_t length;
    uint32_t duplicate;
    double spent = -cpu_ns();
    seki_index_builder *builder = seki_index_builder_new(&options);
    spent += cpu_ns();
    must(builder != NULL, "memory");
    for (uint32_t from = 0; from < count; from += CHUNK) {
        uint32_t some = count - from < CHUNK ? count - from : CHUNK;
        for (uint32_t i = 0; i < some; i++) {
            static const uint8_t reasons[] = {0, 1, 3, 4, 5, 6, 9, 10};
            asked one;
            serial_of(from + i, set, wide, &one);
            seki_revoked *e = &entries[i];
            *e = (seki_revoked){.length = (uint8_t)one.length, .invalidity = SEKI_NO_TIME};
            memcpy(e->serial, one.serial, one.length);
            e->reason = reasons[random64() % 8];
            e->date = 1690000000 + (int64_t)(random64() % SPAN);
        }
        spent -= cpu_ns();
        for (uint32_t i = 0; i < some; i++)
            must(seki_index_builder_add(builder, &entries[i]) == SEKI_OK, "an entry is taken");
        spent += cpu_ns();
    }
    spent -= cpu_ns();
    must(seki_index_builder_end(builder, keep, out, &length, &duplicate) == SEKI_OK && duplicate == 0, "an index is made");
    seki_index_builder_free(builder);
    return spent + cpu_ns();
}

/* Batches of serials that are (or are not) in their sets: all filters' lines on their way, then the answers. */
static void look_up(const seki_index *indexes, size_t sets, const uint32_t *counts, bool wide, bool there, const char *what)
{
    static asked batch[BATCH];
    double spent = 0;
    uint64_t passed = 0;
    for (size_t round = 0; round < BATCHES; round++) {
        for (size_t i = 0; i < BATCH; i++) {
            size_t set = random64() % sets;
            serial_of((there ? 0 : counts[set]) + (uint32_t)(random64() % counts[set]), set, wide, &batch[i]);
        }
        uint64_t found = 0;
        spent -= cpu_ns();
        for (size_t i = 0; i < BATCH; i++) {
            batch[i].hash = seki_serial_hash(batch[i].serial, batch[i].length);
            seki_index_prefetch(&indexes[batch[i].set], batch[i].hash);
        }
        for (size_t i = 0; i < BATCH; i++) {
            seki_revoked entry;
            const asked *a = &batch[i];
            if (!seki_index_maybe(&indexes[a->set], a->serial, a->length, a->hash))
                continue;
            passed++;
            found += seki_index_find(&indexes[a->set], a->serial, a->length, &entry);
        }
        spent += cpu_ns();
        must(found == (there ? BATCH : 0), "each look-up is answered as it must be");
    }
    double all = (double)BATCHES * BATCH;
    printf("  %-7s %6.2f M look-ups a second, %5.1f ns each", what, all / spent * 1e3, spent / all);
    if (!there) {
        double theory = 0;
        for (size_t i = 0; i < sets; i++)
            theory += indexes[i].is_bitmap ? 0 : seki_filter_rate(indexes[i].count, indexes[i].filter_blocks) / (double)sets;
        printf(", %.0f ppm pass the filter (%.0f by theory)", (double)passed / all * 1e6, theory * 1e6);
    }
    puts("");
}

static void run(size_t sets, const uint32_t *counts, bool wide, uint64_t memory, const char *what)
{
    written *made = calloc(sets, sizeof *made);
    seki_index *indexes = calloc(sets, sizeof *indexes);
    must(made != NULL && indexes != NULL, "memory");
    double spent = 0, entries = 0, bytes = 0, filter = 0;
    for (size_t i = 0; i < sets; i++) {
        spent += build(counts[i], i, wide, memory, &made[i]);
        must(seki_index_open((seki_span){made[i].data, made[i].length}, &indexes[i]) && indexes[i].count == counts[i], "it opens");
        entries += counts[i];
        bytes += (double)made[i].length;
        filter += (double)indexes[i].filter.length;
    }
    printf("%s: %.0f entries in %zu sets\n", what, entries, sets);
    printf("  built   %.2f s, %.1f ns an entry; peak of the process %.0f MiB, the indexes %.0f MiB\n", spent / 1e9, spent / entries, peak_mib(),
           bytes / (1024 * 1024));
    printf("  size    %.2f bytes an entry, %.2f bits of them the filter's\n", bytes / entries, 8 * filter / entries);
    look_up(indexes, sets, counts, wide, false, "misses");
    look_up(indexes, sets, counts, wide, true, "hits");
    for (size_t i = 0; i < sets; i++)
        free(made[i].data);
    free(made);
    free(indexes);
}

int main(int argc, char **argv)
{
    size_t sets = argc > 1 ? strtoul(argv[1], NULL, 10) : 1700;
    uint32_t each = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 14000;
    uint32_t large = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1000000;
    must(each < SERIALS / 2 && large < SERIALS / 2 && sets < 100000, "arguments within reason");
    uint32_t *counts = calloc(sets + 1, sizeof *counts);
    must(counts != NULL, "memory");
    for (size_t i = 0; i < sets; i++)
        counts[i] = each;
    counts[sets] = large;
    if (sets != 0 && each != 0 && large != 0)
        run(sets + 1, counts, false, 0, "4-octet serials, as of municipalities and one large issuer");
    if (large != 0) {
        run(1, &counts[sets], false, 0, "4-octet serials, one issuer");
        run(1, &counts[sets], true, 0, "16-octet serials, one issuer");
    }
    free(counts);
    return 0;
}
