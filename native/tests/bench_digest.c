/* bench_digest.c: SHA-256 in lanes beside OpenSSL, in one run and interleaved.
 *
 *   cc -std=c11 -O2 -Inative/include native/tests/bench_digest.c native/src/digest.c native/src/sha256_lanes.c -lcrypto
 *
 * Prints, for each length and count, ns per message (median of ROUNDS) for OpenSSL one by one, for each kernel
 * that this CPU runs (with every message in a lane), and for seki_sha256_many, which chooses.  Every digest is
 * checked; a wrong one ends the run with status 1. */
#define _POSIX_C_SOURCE 200809L

#include "../src/digest.h"
#include "../src/sha256_lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    ROUNDS = 41,
    COUNT_MAX = 256,
    LENGTH_MAX = 1840,       /* bytes; a JPKI leaf; packed so, as in a column */
    BYTES_A_ROUND = 1 << 19, /* hashed in one timed round: some milliseconds */
};

typedef void (*contender)(const seki_span *messages, uint8_t (*out)[SEKI_SHA256_SIZE], size_t count);

static void one_by_one(const seki_span *messages, uint8_t (*out)[SEKI_SHA256_SIZE], size_t count)
{
    for (size_t i = 0; i < count; i++)
        seki_sha256(messages[i], out[i]);
}

#if defined(__x86_64__)
static void lanes_avx512(const seki_span *messages, uint8_t (*out)[SEKI_SHA256_SIZE], size_t count)
{
    const seki_sha256_lanes lanes = {.kernel = seki_sha256_avx512, .width = 16, .minimum = 1, .name = "avx512"};
    seki_sha256_lanes_run(&lanes, messages, out, count, NULL);
}

static void lanes_avx2(const seki_span *messages, uint8_t (*out)[SEKI_SHA256_SIZE], size_t count)
{
    const seki_sha256_lanes lanes = {.kernel = seki_sha256_avx2, .width = 8, .minimum = 1, .name = "avx2"};
    seki_sha256_lanes_run(&lanes, messages, out, count, NULL);
}
#endif

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct {
    const char *name;
    contender run;
    double ns[ROUNDS];
} contenders[4];
static size_t contender_count;
static size_t wrong;

static void measure(const char *what, const seki_span *messages, size_t count)
{
    static uint8_t want[COUNT_MAX][SEKI_SHA256_SIZE], got[COUNT_MAX][SEKI_SHA256_SIZE];
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += messages[i].length + 64;
    size_t repeats = BYTES_A_ROUND / bytes + 1;
    one_by_one(messages, want, count);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t c = 0; c < contender_count; c++) {
            memset(got, 0, sizeof got);
            double start = now_ns();
            for (size_t i = 0; i < repeats; i++)
                contenders[c].run(messages, got, count);
            contenders[c].ns[round] = (now_ns() - start) / (double)(repeats * count);
            wrong += memcmp(got, want, count * SEKI_SHA256_SIZE) != 0;
        }
    }
    printf("%-22s %5zu", what, count);
    for (size_t c = 0; c < contender_count; c++) {
        qsort(contenders[c].ns, ROUNDS, sizeof(double), by_value);
        printf("  %8.0f", contenders[c].ns[ROUNDS / 2]);
    }
    printf("   (x%.2f)\n", contenders[0].ns[ROUNDS / 2] / contenders[contender_count - 1].ns[ROUNDS / 2]);
}

static void add(const char *name, contender run)
{
    contenders[contender_count].name = name;
    contenders[contender_count++].run = run;
}

int main(void)
{
    static const size_t counts[] = {1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 64, 256};
    static const size_t lengths[] = {100, 1600};
    seki_span messages[COUNT_MAX];
    uint8_t *pool = malloc((size_t)COUNT_MAX * LENGTH_MAX);
    if (pool == NULL)
        return 2;
    for (size_t i = 0; i < (size_t)COUNT_MAX * LENGTH_MAX; i++)
        pool[i] = (uint8_t)(i * 31 + (i >> 8));

    add("openssl", one_by_one);
#if defined(__x86_64__)
    if (seki_sha256_avx2_runs())
        add("avx2", lanes_avx2);
    if (seki_sha256_avx512_runs())
        add("avx512", lanes_avx512);
#endif
    add("many", seki_sha256_many);
    const seki_sha256_lanes *choice = seki_sha256_lanes_choice();
    printf("chosen: %s from %zu messages on, usable: %s\n", choice->name, choice->minimum,
           seki_sha256_lanes_usable() ? "yes" : "no");
    printf("%-22s %5s", "ns per message", "count");
    for (size_t c = 0; c < contender_count; c++)
        printf("  %8s", contenders[c].name);
    printf("   (openssl / many)\n");
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
        char what[32];
        snprintf(what, sizeof what, "%zu bytes", lengths[l]);
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            for (size_t i = 0; i < counts[c]; i++)
                messages[i] = (seki_span){pool + i * LENGTH_MAX, lengths[l]};
            measure(what, messages, counts[c]);
        }
    }
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (size_t i = 0; i < counts[c]; i++) /* as TBSCertificates differ in names and addresses */
            messages[i] = (seki_span){pool + i * LENGTH_MAX, 1200 + (i * 2654435761u >> 7) % 600};
        measure("1200 to 1799 bytes", messages, counts[c]);
    }
    free(pool);
    if (wrong > 0)
        fprintf(stderr, "%zu rounds with wrong digests\n", wrong);
    return wrong > 0;
}
