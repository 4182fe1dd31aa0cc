/* loop.h: what every peer written in C has in common: the rows of a file, and the line protocol of bench/peers/process.py.
 *
 * The file is what bench/rows.py writes.  The protocol, a line each way:
 *     (at start)  ready NAME VERSION...
 *     check       check 1101...          the answer to every row, planted bad ones included
 *     run N       ran SECONDS CPU WRONG  N good rows, from where the last run ended, around and around; only they are timed,
 *                                        by the clock on the wall and by the CPU time of the thread
 * End of input ends the program. */
#ifndef SEKISHO_BENCH_LOOP_H
#define SEKISHO_BENCH_LOOP_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RSA_SHA256 = 1, P256_SHA256 = 2, P384_SHA384 = 3, ED25519 = 4 };
enum { ANSWERS_MAX = 64 }; /* rows answered between two looks at their answers */

typedef struct {
    const uint8_t *data;
    size_t length;
} blob;

typedef struct {
    blob key; /* SubjectPublicKeyInfo, or a certificate where the file has anchors */
    blob message;
    blob digest; /* empty for Ed25519 */
    blob signature;
} row;

typedef struct {
    uint32_t algorithm;
    uint32_t good, bad; /* rows; the bad ones stand last */
    uint32_t anchors;
    int64_t at; /* seconds since 1970 */
    blob *anchor;
    row *rows;
} rows_file;

/* Writes '1' (right) or '0' for rows first .. first + count. */
typedef void (*answer_fn)(const rows_file *file, size_t first, size_t count, char *answers);

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(2);
}

typedef struct {
    const uint8_t *at, *end;
} cursor;

static const uint8_t *take(cursor *from, size_t size)
{
    if ((size_t)(from->end - from->at) < size)
        fail("the file of rows is cut short");
    const uint8_t *taken = from->at;
    from->at += size;
    return taken;
}

static uint32_t take_u32(cursor *from)
{
    uint32_t value; /* little-endian, as every machine this is built for */
    memcpy(&value, take(from, sizeof value), sizeof value);
    return value;
}

static blob take_blob(cursor *from)
{
    size_t length = take_u32(from);
    return (blob){take(from, length), length};
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count != 0 ? count : 1, size);
    if (memory == NULL)
        fail("out of memory");
    return memory;
}

static rows_file load_rows(const char *path)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL || fseek(stream, 0, SEEK_END) != 0)
        fail("cannot read the file of rows");
    long size = ftell(stream);
    if (size < 0)
        fail("cannot read the file of rows");
    rewind(stream);
    uint8_t *data = allocate((size_t)size, 1);
    if (fread(data, 1, (size_t)size, stream) != (size_t)size)
        fail("cannot read the file of rows");
    fclose(stream);

    cursor from = {data, data + size};
    if (memcmp(take(&from, 8), "SEKIROW1", 8) != 0)
        fail("not a file of rows");
    rows_file file = {0};
    file.algorithm = take_u32(&from);
    file.good = take_u32(&from);
    file.bad = take_u32(&from);
    file.anchors = take_u32(&from);
    memcpy(&file.at, take(&from, sizeof file.at), sizeof file.at);
    file.anchor = allocate(file.anchors, sizeof *file.anchor);
    for (uint32_t i = 0; i < file.anchors; i++)
        file.anchor[i] = take_blob(&from);
    file.rows = allocate((size_t)file.good + file.bad, sizeof *file.rows);
    for (size_t i = 0; i < (size_t)file.good + file.bad; i++) {
        file.rows[i].key = take_blob(&from);
        file.rows[i].message = take_blob(&from);
        file.rows[i].digest = take_blob(&from);
        file.rows[i].signature = take_blob(&from);
    }
    return file;
}

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void serve(const rows_file *file, answer_fn answer)
{
    char line[64], answers[ANSWERS_MAX];
    size_t at = 0;
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strncmp(line, "check", 5) == 0) {
            fputs("check ", stdout);
            size_t total = (size_t)file->good + file->bad;
            for (size_t i = 0; i < total; i += ANSWERS_MAX) {
                size_t count = total - i < ANSWERS_MAX ? total - i : ANSWERS_MAX;
                answer(file, i, count, answers);
                fwrite(answers, 1, count, stdout);
            }
            fputc('\n', stdout);
        } else if (strncmp(line, "run ", 4) == 0) {
            unsigned long long wanted = strtoull(line + 4, NULL, 10), wrong = 0;
            double start = now(CLOCK_MONOTONIC), cpu_start = now(CLOCK_THREAD_CPUTIME_ID);
            while (wanted != 0) {
                size_t count = file->good - at < ANSWERS_MAX ? file->good - at : ANSWERS_MAX;
                count = count < wanted ? count : (size_t)wanted;
                answer(file, at, count, answers);
                for (size_t i = 0; i < count; i++)
                    wrong += answers[i] != '1';
                wanted -= count;
                at = at + count == file->good ? 0 : at + count;
            }
            double cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
            printf("ran %.9f %.9f %llu\n", now(CLOCK_MONOTONIC) - start, cpu, wrong);
        } else {
            fail("unknown command");
        }
        fflush(stdout);
    }
}

#endif
