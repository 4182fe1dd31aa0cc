/* test_claims.c: claims.c and claims_file.c: no challenge accepted twice, by threads, by processes, stopped anywhere, killed anywhere.
 *
 *   cc -std=gnu11 -O2 native/tests/test_claims.c native/src/{challenge,challenge_batch,base64url,column,claims,claims_file}.c -lcrypto -lpthread
 *
 * Arguments: a folder for its files (default /dev/shm, else /tmp), a seed (default 1), and "all" to be killed after every single
 * instruction and not after one in eight (minutes).  Exit status 0 if everything held.
 *
 * claims.c is linked as it is, and included here a second time under other names with a scheduler at its steps. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "../src/claims_layout.h"

static void interleave_step(void);
#define SEKI_CLAIMS_STEP(name) interleave_step()
#define seki_claims_begin_batch stepped_begin_batch
#define seki_claims_claim stepped_claim
#define seki_claims_failed stepped_failed
#define seki_claims_locked stepped_locked
#define seki_claims_prefetch stepped_prefetch
#define seki_claims_read_statistics stepped_read_statistics
#define seki_claims_request_secret stepped_request_secret
#define seki_claims_share stepped_share
#define seki_claims_valkey stepped_valkey
#define seki_claims_not_before stepped_not_before
#ifdef SEKI_CLAIMS_UNDER_TEST /* a broken copy, to see that the test sees it */
#include SEKI_CLAIMS_UNDER_TEST
#else
#include "../src/claims.c"
#endif
#undef seki_claims_begin_batch
#undef seki_claims_claim
#undef seki_claims_failed
#undef seki_claims_locked
#undef seki_claims_prefetch
#undef seki_claims_read_statistics
#undef seki_claims_request_secret
#undef seki_claims_share
#undef seki_claims_valkey

static size_t failures, checks;

#define CHECK(condition) check((condition), #condition, __LINE__)
static void check(bool held, const char *what, int line)
{
    checks++;
    if (held)
        return;
    fprintf(stderr, "FAILED at line %d: %s\n", line, what);
    if (++failures > 20)
        exit(1);
}

static uint64_t random_state = 1;

static uint64_t mix(uint64_t z) /* splitmix64's */
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t random_bits(void)
{
    return mix(random_state += 0x9e3779b97f4a7c15);
}

enum { T0 = 1600000000 }; /* a whole tick */

/* The challenge called `name`; `place` is what decides its window. */
static seki_challenge_fields challenge_at(uint64_t name, uint64_t place, int64_t issued, int64_t lifetime)
{
    seki_challenge_fields fields = {.issued = issued, .expires = issued + lifetime};
    const uint64_t words[4] = {mix(name ^ 0x1111111111111111), mix(place ^ 0x2222222222222222), mix(place ^ 0x3333333333333333), name};
    memcpy(fields.mac, words, sizeof fields.mac);
    return fields;
}

static seki_challenge_fields challenge(uint64_t name, int64_t issued, int64_t lifetime)
{
    return challenge_at(name, name, issued, lifetime);
}

static char folder[200], path[256];

static void remove_set(void)
{
    static const char *const endings[] = {"", ".lock", ".new", ".away"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char name[300];
        (void)snprintf(name, sizeof name, "%s%s", path, endings[i]);
        (void)unlink(name);
    }
}

static seki_claims *open_set(uint64_t capacity, uint32_t flags)
{
    seki_claims *claims = NULL;
    seki_status status = seki_claims_open(path, capacity, 5, flags, &claims);
    if (status != SEKI_OK) {
        fprintf(stderr, "cannot open %s: status %d, %s\n", path, status, strerror(errno));
        exit(1);
    }
    return claims;
}

static seki_claims *fresh_set(uint64_t capacity)
{
    remove_set();
    return open_set(capacity, SEKI_CLAIMS_FRESH);
}

static seki_reason claim(seki_claims *claims, seki_challenge_fields fields, uint64_t request, int64_t at)
{
    bool repeated;
    seki_reason reason = seki_claims_claim(claims, &fields, request, at, &repeated);
    CHECK(!repeated);
    return reason;
}

static uint32_t origin_of(seki_claims *claims)
{
    seki_claims_statistics statistics;
    CHECK(seki_claims_read_statistics(claims, &statistics) == SEKI_OK);
    return statistics.origin;
}

/* ---- one caller ----------------------------------------------------------------------------- */

static void test_plain(void)
{
    seki_claims *claims = fresh_set(1000);
    bool repeated;
    seki_challenge_fields x = challenge(1, T0, 120), y = challenge(2, T0, 120);
    CHECK(claim(claims, x, 77, T0) == SEKI_ENGINE_FAULT); /* no batch begun */
    CHECK(seki_claims_begin_batch(claims, T0) == SEKI_NOT_DECIDED);
    CHECK(claim(claims, x, 77, T0 + 1) == SEKI_ENGINE_FAULT); /* ahead of its batch */
    CHECK(claim(claims, x, 77, T0) == SEKI_ACCEPTED);
    CHECK(claim(claims, x, 78, T0) == SEKI_CHALLENGE_USED);
    CHECK(claim(claims, x, 0, T0) == SEKI_CHALLENGE_USED);
    CHECK(seki_claims_claim(claims, &x, 77, T0, &repeated) == SEKI_ACCEPTED && repeated);
    CHECK(claim(claims, y, 0, T0) == SEKI_ACCEPTED);
    CHECK(claim(claims, y, 0, T0) == SEKI_CHALLENGE_USED); /* no request id never repeats */
    CHECK(claim(NULL, y, 0, T0) == SEKI_CLAIMS_LOST);
    CHECK(seki_claims_begin_batch(NULL, T0) == SEKI_CLAIMS_LOST);

    /* What the caller should have refused by itself is refused here again. */
    CHECK(claim(claims, challenge(3, T0 + 6, 120), 0, T0) == SEKI_CHALLENGE_NOT_YET_VALID);
    CHECK(claim(claims, challenge(3, T0 + 5, 120), 0, T0) == SEKI_ACCEPTED);
    CHECK(claim(claims, challenge(4, T0 - 120, 120), 0, T0) == SEKI_CHALLENGE_EXPIRED);
    CHECK(claim(claims, challenge(4, T0 - 119, 120), 0, T0) == SEKI_ACCEPTED);
    CHECK(claim(claims, challenge(5, T0, SEKI_CHALLENGE_LIFETIME_MAX + 1), 0, T0) == SEKI_CHALLENGE_EXPIRED);
    CHECK(claim(claims, (seki_challenge_fields){0}, 0, T0) == SEKI_CLAIMS_LOST); /* zeroed fields accept nothing */

    /* The life ends for repetitions too, to the second. */
    CHECK(seki_claims_begin_batch(claims, T0 + 119) == SEKI_NOT_DECIDED);
    CHECK(seki_claims_claim(claims, &x, 77, T0 + 119, &repeated) == SEKI_ACCEPTED && repeated);
    CHECK(seki_claims_begin_batch(claims, T0 + 120) == SEKI_NOT_DECIDED);
    CHECK(claim(claims, x, 77, T0 + 120) == SEKI_CHALLENGE_EXPIRED);

    seki_claims_statistics statistics;
    CHECK(seki_claims_read_statistics(claims, &statistics) == SEKI_OK);
    CHECK(statistics.accepted == 4 && statistics.repeated == 2 && statistics.used == 3 && statistics.capacity == 1000
          && statistics.newest == T0 + 120 && statistics.began == 1 && statistics.lost == 0 && statistics.origin == SEKI_CLAIMS_MADE);
    seki_claims_free(claims);
}

static void test_clock(void)
{
    seki_claims *claims = fresh_set(1000);
    seki_challenge_fields x = challenge(1, T0, 120), y = challenge(2, T0, 120);
    CHECK(seki_claims_begin_batch(claims, T0) == SEKI_NOT_DECIDED);
    CHECK(claim(claims, x, 0, T0) == SEKI_ACCEPTED);
    CHECK(seki_claims_begin_batch(claims, T0 - 1) == SEKI_NOT_DECIDED);
    CHECK(seki_claims_begin_batch(claims, T0 - 2) == SEKI_CLOCK_WENT_BACK);
    CHECK(seki_claims_begin_batch(claims, -1) == SEKI_CLOCK_WENT_BACK);
    CHECK(seki_claims_begin_batch(claims, INT64_MIN) == SEKI_CLOCK_WENT_BACK);
    CHECK(seki_claims_begin_batch(claims, (int64_t)T0 * 1000) == SEKI_ENGINE_FAULT); /* milliseconds: must not poison the set */
    CHECK(seki_claims_begin_batch(claims, INT64_MAX) == SEKI_ENGINE_FAULT);
    CHECK(claim(claims, y, 0, T0) == SEKI_ACCEPTED);

    /* An hour ahead and back: neither is accepted again, whatever stood in the window meanwhile. */
    CHECK(seki_claims_begin_batch(claims, T0 + 3600) == SEKI_NOT_DECIDED);
    for (uint64_t i = 0; i < 500; i++)
        CHECK(claim(claims, challenge(100 + i, T0 + 3600, 120), 0, T0 + 3600) == SEKI_ACCEPTED);
    CHECK(claim(claims, x, 0, T0 + 3600) == SEKI_CHALLENGE_EXPIRED);
    CHECK(seki_claims_begin_batch(claims, T0 + 60) == SEKI_CLOCK_WENT_BACK);
    CHECK(claim(claims, x, 0, T0 + 60) == SEKI_CLOCK_WENT_BACK); /* nor for a caller who did not ask */
    CHECK(claim(claims, challenge(3, T0, 120), 0, T0 + 60) == SEKI_CLOCK_WENT_BACK);
    seki_claims_free(claims);
}

/* The set at its capacity takes claims; a window that is full refuses; expired claims make room with no clearing. */
static void test_capacity(void)
{
    enum { CAPACITY = 100000 };
    seki_claims *claims = fresh_set(CAPACITY);
    seki_claims_statistics statistics;
    uint64_t name = 0;
    for (int64_t at = T0; at < T0 + 1200; at += 10) { /* a tenth of the capacity in 10 s of 100 */
        CHECK(seki_claims_begin_batch(claims, at) == SEKI_NOT_DECIDED);
        for (size_t i = 0; i < CAPACITY / 12; i++)
            CHECK(claim(claims, challenge(++name, at, 100), 0, at) == SEKI_ACCEPTED);
    }
    CHECK(seki_claims_read_statistics(claims, &statistics) == SEKI_OK);
    CHECK(statistics.live >= CAPACITY / 12 * 10 && statistics.live <= CAPACITY && statistics.full == 0);

    const int64_t at = T0 + 10000;
    CHECK(seki_claims_begin_batch(claims, at) == SEKI_NOT_DECIDED);
    for (uint64_t i = 0; i < SEKI_CLAIMS_WINDOW; i++)
        CHECK(claim(claims, challenge_at(++name, 42, at, 100), 0, at) == SEKI_ACCEPTED);
    CHECK(claim(claims, challenge_at(++name, 42, at, 100), 0, at) == SEKI_CLAIMS_FULL);
    CHECK(seki_claims_begin_batch(claims, at + 100 + 16) == SEKI_NOT_DECIDED);
    for (uint64_t i = 0; i < SEKI_CLAIMS_WINDOW; i++)
        CHECK(claim(claims, challenge_at(++name, 42, at + 116, 300), 0, at + 116) == SEKI_ACCEPTED);
    CHECK(claim(claims, challenge_at(++name, 42, at + 116, 100), 0, at + 116) == SEKI_CLAIMS_FULL);
    seki_claims_free(claims);
}

/* A claim stays a claim at every second of its life, whatever its expiry modulo a tick. */
static void test_every_second(void)
{
    seki_claims *claims = fresh_set(SEKI_CLAIMS_CAPACITY_MIN);
    uint64_t name = 0;
    for (int64_t start = T0; start < T0 + 33 * 400; start += 400) {
        const int64_t issued = start + (start - T0) / 400 % 33;
        seki_challenge_fields x = challenge(++name, issued, SEKI_CHALLENGE_LIFETIME_MAX);
        CHECK(seki_claims_begin_batch(claims, issued) == SEKI_NOT_DECIDED);
        CHECK(claim(claims, x, 0, issued) == SEKI_ACCEPTED);
        for (int64_t at = issued; at < x.expires; at++) {
            CHECK(seki_claims_begin_batch(claims, at) == SEKI_NOT_DECIDED);
            /* others fight for its window as much as they can */
            seki_challenge_fields other = challenge_at(++name, x.mac[0], at, 1);
            memcpy(other.mac + 8, x.mac + 8, 16);
            CHECK(claim(claims, other, 0, at) == SEKI_ACCEPTED);
            CHECK(claim(claims, x, 0, at) == SEKI_CHALLENGE_USED);
        }
    }
    seki_claims_free(claims);
}

/* Tags come round after 2^16 ticks: that never frees a living claim. */
static void test_tag_wrap(void)
{
    seki_claims *claims = fresh_set(SEKI_CLAIMS_CAPACITY_MIN);
    uint64_t name = 0;
    for (int64_t at = T0; at < T0 + (INT64_C(3) << 20); at += 4999) {
        CHECK(seki_claims_begin_batch(claims, at) == SEKI_NOT_DECIDED);
        seki_challenge_fields x = challenge_at(++name, 5, at, 300);
        CHECK(claim(claims, x, 0, at) == SEKI_ACCEPTED);
        for (int i = 0; i < 20; i++)
            CHECK(claim(claims, challenge_at(++name, 5, at, 300), 0, at) == SEKI_ACCEPTED);
        CHECK(claim(claims, x, 0, at) == SEKI_CHALLENGE_USED);
        CHECK(seki_claims_begin_batch(claims, at + 299) == SEKI_NOT_DECIDED);
        CHECK(claim(claims, x, 0, at + 299) == SEKI_CHALLENGE_USED);
    }
    seki_claims_free(claims);
}

static void test_failures(void)
{
    seki_claims *claims = fresh_set(1000);
    seki_claims_statistics statistics;
    seki_challenge_fields x = challenge(1, T0, 120), y = challenge(2, T0, 120);
    CHECK(seki_claims_begin_batch(claims, T0) == SEKI_NOT_DECIDED);
    for (int i = 0; i < SEKI_CHALLENGE_FAILURES_MAX; i++) {
        CHECK(!seki_claims_locked(claims, &x));
        seki_claims_failed(claims, &x);
    }
    CHECK(seki_claims_locked(claims, &x));
    CHECK(!seki_claims_locked(claims, &y));
    for (int i = 0; i < 100; i++) /* the count does not run over into its neighbour bits */
        seki_claims_failed(claims, &x);
    CHECK(seki_claims_locked(claims, &x));
    CHECK(claim(claims, y, 0, T0) == SEKI_ACCEPTED);
    CHECK(!seki_claims_locked(NULL, &x));
    seki_claims_failed(NULL, &x);

    /* A full window: those within are counted exactly, those without are not locked by them. */
    const int64_t at = T0 + 1000;
    CHECK(seki_claims_begin_batch(claims, at) == SEKI_NOT_DECIDED);
    CHECK(!seki_claims_locked(claims, &x)); /* long expired */
    for (int round = 1; round <= SEKI_CHALLENGE_FAILURES_MAX; round++)
        for (uint64_t i = 0; i < SEKI_CLAIMS_WINDOW + 10; i++) {
            seki_challenge_fields z = challenge_at(1000 + i, 9, at, 120);
            seki_claims_failed(claims, &z);
            CHECK(seki_claims_locked(claims, &z) == (i < SEKI_CLAIMS_WINDOW && round == SEKI_CHALLENGE_FAILURES_MAX));
        }
    CHECK(seki_claims_read_statistics(claims, &statistics) == SEKI_OK);
    CHECK(statistics.locked == SEKI_CLAIMS_WINDOW && statistics.failing == SEKI_CLAIMS_WINDOW && statistics.failures_uncounted == 80);
    /* An expired failure makes room. */
    CHECK(seki_claims_begin_batch(claims, at + 137) == SEKI_NOT_DECIDED);
    seki_challenge_fields late = challenge_at(5000, 9, at + 137, 120);
    for (int i = 0; i < SEKI_CHALLENGE_FAILURES_MAX; i++)
        seki_claims_failed(claims, &late);
    CHECK(seki_claims_locked(claims, &late));
    seki_claims_free(claims);
}

/* ---- the file ------------------------------------------------------------------------------- */

static void test_lost(void)
{
    /* A set made without FRESH refuses what may have been claimed in one before it, and nothing later. */
    remove_set();
    seki_claims *claims = open_set(1000, 0);
    CHECK(origin_of(claims) == SEKI_CLAIMS_MADE);
    CHECK(claim(claims, challenge(1, T0 + 6, 120), 0, 0) == SEKI_ENGINE_FAULT); /* has not begun */
    CHECK(seki_claims_begin_batch(claims, T0) == SEKI_NOT_DECIDED);
    CHECK(claim(claims, challenge(1, T0 - 100, 120), 0, T0) == SEKI_CLAIMS_LOST);
    CHECK(claim(claims, challenge(1, T0, 120), 0, T0) == SEKI_CLAIMS_LOST);
    CHECK(claim(claims, challenge(1, T0 + 5, 120), 0, T0) == SEKI_CLAIMS_LOST);
    CHECK(seki_claims_begin_batch(claims, T0 + 6) == SEKI_NOT_DECIDED);
    CHECK(claim(claims, challenge(1, T0 + 5, 120), 0, T0 + 6) == SEKI_CLAIMS_LOST);
    CHECK(claim(claims, challenge(1, T0 + 6, 120), 0, T0 + 6) == SEKI_ACCEPTED);

    /* A second process finds the same set; FRESH and another capacity change nothing about it. */
    seki_claims *second = open_set(5000, SEKI_CLAIMS_FRESH);
    CHECK(origin_of(second) == SEKI_CLAIMS_FOUND && second->identity.capacity == 1000);
    CHECK(claim(second, challenge(1, T0 + 6, 120), 0, T0 + 6) == SEKI_CHALLENGE_USED);
    CHECK(claim(second, challenge(2, T0 + 5, 120), 0, T0 + 6) == SEKI_CLAIMS_LOST);
    seki_claims_free(second);

    /* Taken away under us: from the next batch on nothing is accepted, even if it comes back. */
    char away[300];
    (void)snprintf(away, sizeof away, "%s.away", path);
    CHECK(rename(path, away) == 0);
    CHECK(seki_claims_begin_batch(claims, T0 + 7) == SEKI_CLAIMS_LOST);
    CHECK(rename(away, path) == 0);
    CHECK(seki_claims_begin_batch(claims, T0 + 7) == SEKI_CLAIMS_LOST);
    CHECK(claim(claims, challenge(3, T0 + 7, 120), 0, T0 + 6) == SEKI_CLAIMS_LOST);
    seki_claims_free(claims);
    claims = open_set(1000, 0);
    CHECK(origin_of(claims) == SEKI_CLAIMS_FOUND);
    CHECK(seki_claims_begin_batch(claims, T0 + 7) == SEKI_NOT_DECIDED);
    CHECK(claim(claims, challenge(1, T0 + 6, 120), 0, T0 + 7) == SEKI_CHALLENGE_USED);

    /* Deleted and made anew by another process: the old one notices, the new one refuses what the old one may have claimed. */
    CHECK(unlink(path) == 0);
    second = open_set(1000, 0);
    CHECK(origin_of(second) == SEKI_CLAIMS_MADE);
    CHECK(seki_claims_begin_batch(claims, T0 + 8) == SEKI_CLAIMS_LOST);
    CHECK(seki_claims_begin_batch(second, T0 + 8) == SEKI_NOT_DECIDED);
    CHECK(claim(second, challenge(1, T0 + 6, 120), 0, T0 + 8) == SEKI_CLAIMS_LOST);
    seki_claims_free(claims);

    /* Cut short before a batch: noticed without touching the missing part. */
    CHECK(truncate(path, SEKI_CLAIMS_HEADER_SIZE) == 0);
    CHECK(seki_claims_begin_batch(second, T0 + 9) == SEKI_CLAIMS_LOST);
    seki_claims_free(second);
    second = open_set(1000, 0);
    CHECK(origin_of(second) == SEKI_CLAIMS_REMADE_DAMAGED);

    /* Its header overwritten while mapped. */
    CHECK(seki_claims_begin_batch(second, T0 + 10) == SEKI_NOT_DECIDED);
    second->header->identity.secret[0] ^= 1;
    CHECK(seki_claims_begin_batch(second, T0 + 10) == SEKI_CLAIMS_LOST);
    seki_claims_free(second);
}

static void write_file(const void *bytes, size_t size, mode_t mode)
{
    remove_set();
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && fchmod(fd, mode) == 0);
    (void)close(fd);
}

static void test_open(void)
{
    seki_claims *claims = fresh_set(1000);
    struct stat status;
    CHECK(stat(path, &status) == 0 && (status.st_mode & 07777) == 0600);
    CHECK(status.st_blocks * 512 >= status.st_size); /* no hole that a full file system could fail to fill */
    const size_t size = (size_t)status.st_size;
    uint8_t *good = malloc(size), *bad = malloc(size);
    int fd = open(path, O_RDONLY);
    CHECK(good != NULL && bad != NULL && read(fd, good, size) == (ssize_t)size);
    (void)close(fd);
    seki_claims_free(claims);

    /* Every bit of the header's identity counts, but for the magic: without that it is not ours to replace. */
    for (size_t bit = 0; bit < sizeof(seki_claims_identity) * 8; bit++) {
        memcpy(bad, good, size);
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_file(bad, size, 0600);
        claims = NULL;
        seki_status opened = seki_claims_open(path, 1000, 5, 0, &claims);
        if (bit / 8 < 8) {
            CHECK(opened == SEKI_E_DAMAGED && claims == NULL);
            CHECK(stat(path, &status) == 0 && (size_t)status.st_size == size);
        } else {
            CHECK(opened == SEKI_OK && origin_of(claims) == SEKI_CLAIMS_REMADE_DAMAGED);
        }
        seki_claims_free(claims);
    }
    /* Another length. */
    const size_t lengths[] = {0, 8, 100, sizeof(seki_claims_identity), SEKI_CLAIMS_HEADER_SIZE, size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        write_file(good, lengths[i], 0600);
        claims = open_set(1000, 0);
        CHECK(origin_of(claims) == SEKI_CLAIMS_REMADE_DAMAGED);
        seki_claims_free(claims);
    }
    write_file("root:x:0:0", 10, 0600); /* somebody gave the wrong path */
    CHECK(seki_claims_open(path, 1000, 5, 0, &claims) == SEKI_E_DAMAGED);
    write_file("ro", 2, 0600);
    CHECK(seki_claims_open(path, 1000, 5, 0, &claims) == SEKI_E_DAMAGED);

    /* A file that others can open is refused, and left as it is. */
    static const mode_t modes[] = {0640, 0604, 0660, 0666, 0601};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        write_file(good, size, modes[i]);
        CHECK(seki_claims_open(path, 1000, 5, 0, &claims) == SEKI_E_SYSTEM && errno == EPERM);
    }
    /* Nor is a symbolic link followed, nor a FIFO waited for. */
    remove_set();
    CHECK(symlink("/dev/null", path) == 0);
    CHECK(seki_claims_open(path, 1000, 5, 0, &claims) == SEKI_E_SYSTEM && errno == ELOOP);
    remove_set();
    CHECK(mkfifo(path, 0600) == 0);
    CHECK(seki_claims_open(path, 1000, 5, 0, &claims) == SEKI_E_SYSTEM);
    remove_set();
    char nowhere[300];
    (void)snprintf(nowhere, sizeof nowhere, "%s/no/such", folder);
    CHECK(seki_claims_open(nowhere, 1000, 5, 0, &claims) == SEKI_E_SYSTEM && errno == ENOENT);

    /* What a killed maker leaves behind is in nobody's way. */
    char beside[300];
    (void)snprintf(beside, sizeof beside, "%s.new", path);
    fd = open(beside, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, good, 5000) == 5000);
    (void)close(fd);
    claims = open_set(1000, 0);
    CHECK(origin_of(claims) == SEKI_CLAIMS_MADE && access(beside, F_OK) != 0);
    seki_claims_free(claims);

    CHECK(seki_claims_open(path, SEKI_CLAIMS_CAPACITY_MIN - 1, 5, 0, &claims) == SEKI_E_ARGUMENT);
    CHECK(seki_claims_open(path, UINT64_MAX, 5, 0, &claims) == SEKI_E_ARGUMENT);
    CHECK(seki_claims_open(path, 1000, -1, 0, &claims) == SEKI_E_ARGUMENT);
    CHECK(seki_claims_open(path, 1000, SEKI_CHALLENGE_SKEW_MAX + 1, 0, &claims) == SEKI_E_ARGUMENT);
    CHECK(seki_claims_open(path, 1000, 5, 2, &claims) == SEKI_E_ARGUMENT);
    CHECK(seki_claims_open("", 1000, 5, 0, &claims) == SEKI_E_ARGUMENT);
    CHECK(seki_claims_open(NULL, 1000, 5, 0, &claims) == SEKI_E_ARGUMENT);
    seki_claims_free(NULL);
    free(good);
    free(bad);
}

/* A file that outlived a boot may lack its last pages; memory does not outlive one. */
static void test_earlier_boot(void)
{
    struct statfs status;
    seki_claims *claims = fresh_set(1000);
    const bool in_memory_here = statfs(path, &status) == 0 && status.f_type == 0x01021994; /* tmpfs */
    seki_claims_identity other = claims->identity;
    other.boot[0] = (char)(other.boot[0] == 'f' ? '0' : 'f');
    SHA256((const uint8_t *)&other, offsetof(seki_claims_identity, checksum), other.checksum);
    int fd = open(path, O_WRONLY);
    CHECK(fd >= 0 && pwrite(fd, &other, sizeof other, 0) == sizeof other);
    (void)close(fd);
    CHECK(seki_claims_begin_batch(claims, T0) == SEKI_CLAIMS_LOST);
    seki_claims_free(claims);
    claims = open_set(1000, 0);
    CHECK(origin_of(claims) == (in_memory_here ? SEKI_CLAIMS_FOUND : SEKI_CLAIMS_REMADE_BOOT));
    seki_claims_free(claims);
}

/* A path relative to the working directory is the same file after the process has gone elsewhere. */
static void test_relative_path(void)
{
    char before[500];
    CHECK(getcwd(before, sizeof before) != NULL && chdir(folder) == 0);
    remove_set();
    seki_claims *claims = NULL;
    CHECK(seki_claims_open(strrchr(path, '/') + 1, 1000, 5, SEKI_CLAIMS_FRESH, &claims) == SEKI_OK);
    CHECK(chdir(before) == 0);
    CHECK(seki_claims_begin_batch(claims, T0) == SEKI_NOT_DECIDED);
    seki_claims_free(claims);
}

/* Sixteen processes start at once: one set, however it was before. */
static void test_race_to_make(void)
{
    for (int round = 0; round < 30; round++) {
        remove_set();
        if (round % 3 == 1)
            write_file("", 0, 0600);
        int lines[2];
        CHECK(pipe(lines) == 0);
        for (int i = 0; i < 16; i++)
            if (fork() == 0) {
                seki_claims *claims = open_set(100000, 0);
                uint64_t word = claims->identity.secret[0];
                _exit(write(lines[1], &word, sizeof word) == sizeof word ? 0 : 1);
            }
        uint64_t first = 0, word = 0;
        for (int i = 0; i < 16; i++) {
            int status;
            CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
            CHECK(read(lines[0], &word, sizeof word) == sizeof word);
            first = i == 0 ? word : first;
            CHECK(word == first);
        }
        (void)close(lines[0]);
        (void)close(lines[1]);
    }
}

/* ---- many callers --------------------------------------------------------------------------- */

enum { OFFERED = 20000 };

typedef struct {
    seki_claims *claims;
    _Atomic uint32_t *accepted;
    unsigned seed;
    _Atomic int *start;
} offer;

static void *offer_all(void *argument)
{
    offer *o = argument;
    atomic_fetch_sub(o->start, 1);
    while (atomic_load(o->start) > 0)
        continue;
    for (uint64_t i = 0; i < OFFERED; i++) {
        seki_challenge_fields x = challenge(i, T0, 120);
        bool repeated;
        if (seki_claims_claim(o->claims, &x, 0, T0, &repeated) == SEKI_ACCEPTED)
            atomic_fetch_add(&o->accepted[i], 1);
    }
    return NULL;
}

static void test_threads(void)
{
    enum { THREADS = 4, ROUNDS = 5 };
    static _Atomic uint32_t accepted[OFFERED];
    for (int round = 0; round < ROUNDS; round++) {
        seki_claims *claims = fresh_set(OFFERED);
        CHECK(seki_claims_begin_batch(claims, T0) == SEKI_NOT_DECIDED);
        memset((void *)accepted, 0, sizeof accepted);
        _Atomic int start = THREADS;
        pthread_t threads[THREADS];
        offer offers[THREADS];
        for (unsigned i = 0; i < THREADS; i++) {
            offers[i] = (offer){claims, accepted, i, &start};
            CHECK(pthread_create(&threads[i], NULL, offer_all, &offers[i]) == 0);
        }
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        for (size_t i = 0; i < OFFERED; i++)
            CHECK(atomic_load(&accepted[i]) == 1);
        seki_claims_free(claims);
    }
}

static void test_processes(void)
{
    enum { PROCESSES = 3 };
    const size_t size = OFFERED * sizeof(_Atomic uint32_t) + sizeof(_Atomic int);
    uint8_t *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    _Atomic uint32_t *accepted = (_Atomic uint32_t *)shared;
    _Atomic int *start = (_Atomic int *)(shared + OFFERED * sizeof(_Atomic uint32_t));
    for (int kill_them = 0; kill_them < 2; kill_them++)
        for (int round = 0; round < 10; round++) {
            pid_t children[PROCESSES];
            memset(shared, 0, size);
            atomic_store(start, PROCESSES);
            seki_claims_free(fresh_set(OFFERED));
            for (unsigned i = 0; i < PROCESSES; i++)
                if ((children[i] = fork()) == 0) {
                    offer o = {open_set(OFFERED, 0), accepted, i, start};
                    if (seki_claims_begin_batch(o.claims, T0) != SEKI_NOT_DECIDED)
                        _exit(1);
                    (void)offer_all(&o);
                    _exit(0);
                }
            while (kill_them != 0 && atomic_load(start) > 0)
                continue;
            if (kill_them != 0)
                (void)usleep((useconds_t)(random_bits() % 3000));
            for (int i = 0; i < PROCESSES; i++) {
                int status;
                if (kill_them != 0)
                    CHECK(kill(children[i], SIGKILL) == 0);
                CHECK(waitpid(children[i], &status, 0) == children[i]);
                CHECK(kill_them != 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
            }
            /* A process comes back and offers all of them again. */
            seki_claims *claims = open_set(OFFERED, 0);
            CHECK(origin_of(claims) == SEKI_CLAIMS_FOUND);
            CHECK(seki_claims_begin_batch(claims, T0) == SEKI_NOT_DECIDED);
            atomic_store(start, 1);
            offer again = {claims, accepted, 9, start};
            (void)offer_all(&again);
            size_t unsaid = 0;
            for (size_t i = 0; i < OFFERED; i++) {
                CHECK(atomic_load(&accepted[i]) <= 1);
                unsaid += atomic_load(&accepted[i]) == 0;
            }
            CHECK(unsaid <= (kill_them != 0 ? PROCESSES : 0)); /* each one killed took at most the one in hand */
            seki_claims_free(claims);
        }
    (void)munmap(shared, size);
}

/* ---- killed after every single instruction -------------------------------------------------- */

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SINGLE_STEP 1
#endif

#ifdef SINGLE_STEP
/* The child claims `x` one machine instruction at a time and is killed after `steps` of them.  Returns whether it got that far. */
static bool killed_after(seki_claims *claims, const seki_challenge_fields *x, size_t steps)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        bool repeated;
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(2);
        (void)raise(SIGSTOP);
        _exit(seki_claims_claim(claims, x, 1, T0, &repeated) == SEKI_ACCEPTED ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
    for (size_t i = 0; i < steps; i++) {
        CHECK(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
        CHECK(waitpid(child, &status, 0) == child);
        if (!WIFSTOPPED(status))
            return false;
    }
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
    return true;
}

static bool every_instruction;

static void test_killed_anywhere(void)
{
    seki_claims *claims = fresh_set(100000);
    size_t ours = 0, used = 0, repeats = 0;
    CHECK(seki_claims_begin_batch(claims, T0) == SEKI_NOT_DECIDED);
    /* All 1,900 of them take minutes: one in eight, others with another seed. */
    for (size_t steps = random_bits() % 8;; steps += every_instruction ? 1 : 1 + random_bits() % 15) {
        seki_challenge_fields x = challenge(1000 + steps, T0, 120);
        if (!killed_after(claims, &x, steps))
            break;
        /* The retry of the very request comes first; then a stranger with the same challenge. */
        bool repeated;
        seki_reason retry = seki_claims_claim(claims, &x, 1, T0, &repeated);
        CHECK(retry == SEKI_ACCEPTED || retry == SEKI_CHALLENGE_USED);
        ours += retry == SEKI_ACCEPTED && !repeated;
        repeats += retry == SEKI_ACCEPTED && repeated;
        used += retry == SEKI_CHALLENGE_USED;
        CHECK(claim(claims, x, 2, T0) == SEKI_CHALLENGE_USED);
        if (retry == SEKI_ACCEPTED)
            CHECK(seki_claims_claim(claims, &x, 1, T0, &repeated) == SEKI_ACCEPTED && repeated);
        if (failures != 0)
            break;
    }
    /* All three fates were met: killed before the swap, between swap and request word, after it. */
    CHECK(ours > 10 && used > 10 && repeats > 10);
    printf("killed after each instruction: %zu before the claim, %zu between its words, %zu after\n", ours, used, repeats);
    seki_claims_free(claims);
}
#else
static void test_killed_anywhere(void)
{
    puts("killed after each instruction: left to the plain x86-64 build (emulators and sanitizers cannot be single-stepped)");
}
#endif

/* ---- stopped anywhere: random schedules of coroutines --------------------------------------- */

enum { ACTORS = 8, STACK_SIZE = 65536 };

typedef struct {
    ucontext_t context;
    bool done;
    seki_challenge_fields fields;
    int64_t at;
    int64_t not_before; /* starts when the set's time has come to this */
    bool clock;         /* not a claimer: moves the set's time on to `stop`, by leaps to `leap_to`, then by `hop` seconds */
    int64_t leap_to, hop, stop;
    seki_reason reason;
} actor;

static actor actors[ACTORS];
static uint8_t stacks[ACTORS][STACK_SIZE] __attribute__((aligned(64)));
static ucontext_t scheduler;
static int running = -1;
static unsigned preemption; /* one step in so many */
static seki_claims *stage;

static void interleave_step(void)
{
    if (running >= 0 && random_bits() % preemption == 0)
        (void)swapcontext(&actors[running].context, &scheduler);
}

static void act(int which)
{
    actor *a = &actors[which];
    while (atomic_load(&stage->header->newest) < a->not_before)
        (void)swapcontext(&a->context, &scheduler);
    if (a->clock) {
        for (int64_t now = atomic_load(&stage->header->newest); now < a->stop;) {
            for (uint64_t wait = now < a->leap_to ? 0 : random_bits() % (1 + 64 / preemption); wait > 0; wait--)
                (void)swapcontext(&a->context, &scheduler);
            (void)swapcontext(&a->context, &scheduler);
            now += now < a->leap_to ? 500 : a->hop;
            atomic_store(&stage->header->newest, now);
        }
    } else {
        bool repeated;
        a->reason = stepped_claim(stage, &a->fields, 0, a->at, &repeated);
    }
    a->done = true;
}

static void prepare(int which)
{
    actor *a = &actors[which];
    (void)getcontext(&a->context);
    a->context.uc_stack.ss_sp = stacks[which];
    a->context.uc_stack.ss_size = STACK_SIZE;
    a->context.uc_link = &scheduler;
    a->done = false;
    a->reason = SEKI_NOT_DECIDED;
    makecontext(&a->context, (void (*)(void))act, 1, which);
}

/* Runs all actors to their end in a random order of steps; one may be stopped for a short or a long while. */
static void run_actors(int count)
{
    for (int i = 0; i < count; i++)
        prepare(i);
    int sleeper = (int)(random_bits() % (unsigned)(2 * count)); /* from some moment on one of them is stopped for long */
    const uint64_t asleep = 1 + random_bits() % (random_bits() % 2 == 0 ? 16 : 256);
    const uint64_t awoken = asleep + random_bits() % (1u << random_bits() % 13);
    for (uint64_t turn = 0;; turn++) {
        int left = 0, awake = 0;
        for (int i = 0; i < count; i++) {
            left += !actors[i].done;
            awake += !actors[i].done && i != sleeper;
        }
        if (left == 0)
            break;
        if (awake == 0 || turn > awoken)
            sleeper = -1; /* for good */
        int pick = (int)(random_bits() % (unsigned)count);
        if (actors[pick].done || (pick == sleeper && turn > asleep))
            continue;
        running = pick;
        (void)swapcontext(&scheduler, &actors[pick].context);
        running = -1;
    }
}

static void put_word(size_t slot, int64_t expires)
{
    seki_challenge_fields other = challenge_at(random_bits(), 7, expires - 100, 100);
    stage->words[slot] = claim_word(&other);
}

/* Several actors claim the challenge X in a window that is nearly full of claims about to expire, while the set's time
 * moves on and others claim what gets free.  However they are stopped, X is accepted once at most. */
static void test_stopped_anywhere(size_t trials)
{
    size_t none = 0, once = 0;
    stage = fresh_set(SEKI_CLAIMS_CAPACITY_MIN);
    seki_challenge_fields place = challenge_at(0, 7, T0, 100);
    const uint64_t from = home(stage, &place, stage->slots);
    for (size_t trial = 0; trial < trials; trial++) {
        preemption = 1u << random_bits() % 8;
        const bool late = random_bits() % 3 == 0; /* X is issued long after the others started */
        const int64_t begin = T0 + (int64_t)(random_bits() % 16), issued = late ? begin + 2000 : begin;
        const int64_t lifetime = 1 + (int64_t)(random_bits() % (late ? 300 : 40));
        atomic_store(&stage->header->newest, begin);
        for (size_t i = 0; i < SEKI_CLAIMS_WINDOW; i++) {
            uint64_t kind = random_bits() % 16;
            if (i < 2 || kind < 2)
                put_word(from + i, T0 + 1 + (int64_t)(random_bits() % 48)); /* expires as the trial runs */
            else if (kind == 2)
                stage->words[from + i] = 0;
            else
                put_word(from + i, T0 + 300);
        }
        int count = 0;
        for (int i = 0; i < 3; i++) { /* claimers of X; the last comes later in its life */
            actors[count] = (actor){.fields = challenge_at(trial, 7, issued, lifetime), .at = issued, .not_before = issued};
            actors[count].fields.mac[31] = 1;
            if (i == 2) {
                actors[count].at = issued + (int64_t)(random_bits() % (uint64_t)lifetime);
                actors[count].not_before = actors[count].at;
            }
            count++;
        }
        for (int i = 0; i < 3; i++) { /* others, before and after it */
            const int64_t at = i == 0 ? begin : (i == 1 ? begin : issued) + (int64_t)(random_bits() % 64);
            actors[count++] = (actor){.fields = challenge_at(trial + ((uint64_t)(i + 1) << 40), 7, at, 200), .at = at, .not_before = at};
        }
        actors[count++] = (actor){.clock = true, /* past everybody's start and X's end */
                                  .leap_to = issued,
                                  .hop = 1 + (int64_t)(random_bits() % (late ? 64 : 16)),
                                  .stop = issued + lifetime + 64};
        run_actors(count);

        int accepted = 0;
        for (int i = 0; i < 3; i++)
            accepted += actors[i].reason == SEKI_ACCEPTED;
        CHECK(accepted <= 1);
        none += accepted == 0;
        once += accepted == 1;
    }
    CHECK(once > trials / 10);
    printf("stopped anywhere: %zu schedules, accepted once in %zu, never (expired or window full) in %zu\n", trials, once, none);
    seki_claims_free(stage);
}

int main(int argc, char **argv)
{
    const char *where = argc > 1 ? argv[1] : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
#ifdef SINGLE_STEP
    every_instruction = argc > 3 && strcmp(argv[3], "all") == 0;
#endif
    (void)snprintf(folder, sizeof folder, "%s", where);
    (void)snprintf(path, sizeof path, "%s/sekisho-test-claims-%d", folder, (int)getpid());

#ifdef __x86_64__
    test_stopped_anywhere(60000);
#else
    test_stopped_anywhere(5000); /* an emulator's time */
#endif
    test_plain();
    test_clock();
    test_capacity();
    test_every_second();
    test_tag_wrap();
    test_failures();
    test_lost();
    test_open();
    test_earlier_boot();
    test_relative_path();
    test_race_to_make();
    test_threads();
    test_processes();
    test_killed_anywhere();
    remove_set();
    if (failures != 0)
        return 1;
    printf("test_claims: ok (%zu checks, seed %llu)\n", checks, argc > 2 ? strtoull(argv[2], NULL, 0) : 1ULL);
    return 0;
}
