/* test_digest.c: digest.c and sha256_lanes.c against OpenSSL's EVP, against FIPS 180-4 read literally, and against
 * published values.
 *
 *   cc -std=c11 -O2 native/tests/test_digest.c native/src/digest.c native/src/sha256_lanes.c -lcrypto
 *
 * One argument, a number: the seed of the random part (default 1).  Exit status 0 if everything held. */
#define _GNU_SOURCE

#include "../src/digest.h"
#include "../src/sha256_lanes.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t failures;

static void check(bool held, const char *what, size_t detail)
{
    if (held)
        return;
    failures++;
    fprintf(stderr, "FAILED: %s (%zu)\n", what, detail);
    if (failures > 20)
        exit(1);
}

static uint64_t random_state;

static uint64_t random_bits(void) /* splitmix64 */
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static size_t random_below(size_t bound)
{
    return (size_t)(random_bits() % bound);
}

static void oracle(const EVP_MD *md, seki_span message, uint8_t *out)
{
    if (EVP_Digest(message.data, message.length, out, NULL, md, NULL) != 1) {
        fprintf(stderr, "EVP_Digest failed\n");
        exit(2);
    }
}

/* FIPS 180-4, 6.2.2, word for word, with the constants found as 4.2.2 says: cube roots of the first 64 primes. */
static void literal_compress(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    static uint32_t k[64];
    if (k[0] == 0) {
        for (uint64_t prime = 2, found = 0; found < 64; prime++) {
            bool composite = false;
            for (uint64_t divisor = 2; divisor * divisor <= prime; divisor++)
                composite = composite || prime % divisor == 0;
            if (composite)
                continue;
            unsigned __int128 root = 0; /* floor of the cube root of prime, times 2^32: prime < 2^9, root < 2^35 */
            for (int bit = 34; bit >= 0; bit--) {
                unsigned __int128 longer = root | ((unsigned __int128)1 << bit);
                if (longer * longer * longer <= (unsigned __int128)prime << 96)
                    root = longer;
            }
            k[found++] = (uint32_t)root;
        }
    }
#define ROTR(x, n) ((x) >> (n) | (x) << (32 - (n)))
    for (; blocks > 0; blocks--, data += 64) {
        uint32_t w[64], v[8];
        for (size_t t = 0; t < 16; t++)
            w[t] = (uint32_t)data[4 * t] << 24 | (uint32_t)data[4 * t + 1] << 16 | (uint32_t)data[4 * t + 2] << 8 |
                   data[4 * t + 3];
        for (size_t t = 16; t < 64; t++)
            w[t] = (ROTR(w[t - 2], 17) ^ ROTR(w[t - 2], 19) ^ w[t - 2] >> 10) + w[t - 7] +
                   (ROTR(w[t - 15], 7) ^ ROTR(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 16];
        memcpy(v, state, sizeof v);
        for (size_t t = 0; t < 64; t++) {
            uint32_t t1 = v[7] + (ROTR(v[4], 6) ^ ROTR(v[4], 11) ^ ROTR(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) +
                          k[t] + w[t];
            uint32_t t2 = (ROTR(v[0], 2) ^ ROTR(v[0], 13) ^ ROTR(v[0], 22)) +
                          ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            memmove(v + 1, v, 7 * sizeof v[0]);
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for (size_t i = 0; i < 8; i++)
            state[i] += v[i];
    }
#undef ROTR
}

/* A kernel as slow and obvious as can be, for every CPU: lane by lane. */
static size_t literal_width;
static void literal_kernel(uint32_t state[8][SEKI_SHA256_LANES_MAX], const uint8_t *next[SEKI_SHA256_LANES_MAX],
                           const size_t stride[SEKI_SHA256_LANES_MAX], size_t blocks)
{
    for (size_t lane = 0; lane < literal_width; lane++) {
        uint32_t one[8];
        for (size_t i = 0; i < 8; i++)
            one[i] = state[i][lane];
        for (size_t b = 0; b < blocks; b++, next[lane] += stride[lane])
            literal_compress(one, next[lane], 1);
        for (size_t i = 0; i < 8; i++)
            state[i][lane] = one[i];
    }
}

/* The same with one bit of one word of one lane wrong: what a known-answer test must notice. */
static size_t broken_lane, broken_word;
static void broken_kernel(uint32_t state[8][SEKI_SHA256_LANES_MAX], const uint8_t *next[SEKI_SHA256_LANES_MAX],
                          const size_t stride[SEKI_SHA256_LANES_MAX], size_t blocks)
{
    literal_kernel(state, next, stride, blocks);
    state[broken_word][broken_lane] ^= 1u << (broken_lane + broken_word);
}

/* ---- one message ----------------------------------------------------------------------------- */

static void unhex(const char *hex, uint8_t *out)
{
    for (; hex[0] != 0; hex += 2)
        *out++ = (uint8_t)strtoul((const char[]){hex[0], hex[1], 0}, NULL, 16);
}

static void test_published(void)
{
    /* FIPS 180-4's examples as NIST gives them (csrc.nist.gov, Example Values, SHA-2 All). */
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    static const char two_long_blocks[] = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                                          "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    static const struct {
        unsigned hash;
        const char *message, *digest;
    } cases[] = {
        {SEKI_HASH_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {SEKI_HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {SEKI_HASH_SHA256, two_blocks, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {SEKI_HASH_SHA384, "abc",
         "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
        {SEKI_HASH_SHA384, two_long_blocks,
         "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039"},
        {SEKI_HASH_SHA512, "abc",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        {SEKI_HASH_SHA512, two_long_blocks,
         "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
         "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t want[SEKI_DIGEST_SIZE_MAX] = {0}, got[SEKI_DIGEST_SIZE_MAX] = {0};
        unhex(cases[i].digest, want);
        seki_span message = {(const uint8_t *)cases[i].message, strlen(cases[i].message)};
        check(seki_digest_size(cases[i].hash) * 2 == strlen(cases[i].digest), "digest size", i);
        check(seki_digest(cases[i].hash, message, got), "known hash", i);
        check(memcmp(got, want, sizeof want) == 0, "published value, and nothing written behind it", i);
        if (cases[i].hash == SEKI_HASH_SHA256) {
            seki_sha256(message, got);
            check(memcmp(got, want, SEKI_SHA256_SIZE) == 0, "seki_sha256 of a published value", i);
        }
    }
    check(seki_digest_size(SEKI_HASH_SHA1) == 20, "SHA-1 has 20 bytes", 0);
    for (unsigned hash = 0; hash < 300; hash++) {
        if (hash >= SEKI_HASH_SHA256 && hash <= SEKI_HASH_SHA512)
            continue;
        uint8_t out[SEKI_DIGEST_SIZE_MAX] = {0}, untouched[SEKI_DIGEST_SIZE_MAX] = {0};
        check(!seki_digest(hash, (seki_span){(const uint8_t *)"abc", 3}, out), "no such hash", hash);
        check(memcmp(out, untouched, sizeof out) == 0, "nothing is written for a hash refused", hash);
        check(hash == SEKI_HASH_SHA1 || seki_digest_size(hash) == 0, "no size for no hash", hash);
    }
}

static void test_one_message(const uint8_t *pool)
{
    const EVP_MD *md[5] = {[SEKI_HASH_SHA256] = EVP_sha256(), [SEKI_HASH_SHA384] = EVP_sha384(),
                           [SEKI_HASH_SHA512] = EVP_sha512()};
    for (size_t length = 0; length < 600; length++) {
        seki_span message = {pool + length % 7, length};
        for (unsigned hash = SEKI_HASH_SHA256; hash <= SEKI_HASH_SHA512; hash++) {
            uint8_t want[SEKI_DIGEST_SIZE_MAX], got[SEKI_DIGEST_SIZE_MAX];
            oracle(md[hash], message, want);
            seki_digest(hash, message, got);
            check(memcmp(got, want, seki_digest_size(hash)) == 0, "seki_digest", length);
        }
    }
    for (size_t round = 0; round < 2000; round++) {
        size_t length = random_below(1000), count = 0, at = 0;
        seki_span parts[8];
        while (count < 7) { /* empty parts among them, with and without an address */
            size_t take = random_below(4) == 0 ? 0 : random_below(length - at + 1);
            parts[count++] = (seki_span){take == 0 && (round & 1) != 0 ? NULL : pool + at, take};
            at += take;
        }
        parts[count++] = (seki_span){pool + at, length - at};
        uint8_t want[SEKI_SHA256_SIZE], got[SEKI_SHA256_SIZE];
        oracle(md[SEKI_HASH_SHA256], (seki_span){pool, length}, want);
        seki_sha256_parts(parts, count, got);
        check(memcmp(got, want, sizeof want) == 0, "seki_sha256_parts", round);
    }
    uint8_t want[SEKI_SHA256_SIZE], got[SEKI_SHA256_SIZE];
    seki_sha256((seki_span){NULL, 0}, want);
    seki_sha256_parts(NULL, 0, got);
    check(memcmp(got, want, sizeof want) == 0, "no parts are the empty message", 0);
}

/* ---- many messages --------------------------------------------------------------------------- */

enum { POOL_SIZE = 1 << 20, COUNT_MAX = 64 };

/* Ways to hash many messages: seki_sha256_many with lanes on and off, and each kernel at several minima. */
typedef struct {
    const char *name;
    bool many, off;
    seki_sha256_lanes lanes;
} way;

static way ways[32];
static size_t way_count;
static size_t hashed;

static void add_kernel(const char *name, seki_sha256_kernel kernel, size_t width)
{
    static const size_t minima[] = {0, 1, 2, 3, 5, 12, 17};
    for (size_t i = 0; i < sizeof minima / sizeof minima[0]; i++)
        ways[way_count++] = (way){.name = name, .lanes = {kernel, width, minima[i], name}};
}

static void add_ways(void)
{
    ways[way_count++] = (way){.name = "many", .many = true};
    ways[way_count++] = (way){.name = "many, lanes off", .many = true, .off = true};
    literal_width = 16;
    add_kernel("literal", literal_kernel, 16);
#if defined(__x86_64__)
    if (seki_sha256_avx512_runs())
        add_kernel("avx512", seki_sha256_avx512, 16);
    if (seki_sha256_avx2_runs())
        add_kernel("avx2", seki_sha256_avx2, 8);
#endif
    printf("ways: %zu, chosen kernel: %s\n", way_count, seki_sha256_lanes_choice()->name);
}

/* Hashes the messages in one way and compares; the bytes around `out` must stay. */
static void run_way(const way *w, const seki_span *messages, const uint8_t (*want)[SEKI_SHA256_SIZE], size_t count)
{
    uint8_t out[COUNT_MAX + 2][SEKI_SHA256_SIZE], guard[SEKI_SHA256_SIZE];
    memset(out, 0xa5, sizeof out);
    memset(guard, 0xa5, sizeof guard);
    if (w->many) {
        seki_sha256_lanes_enable(!w->off);
        seki_sha256_many(messages, out + 1, count);
    } else {
        seki_sha256_lanes_run(&w->lanes, messages, out + 1, count, w->lanes.minimum > 1 ? literal_compress : NULL);
    }
    for (size_t i = 0; i < count; i++)
        check(memcmp(out[i + 1], want[i], SEKI_SHA256_SIZE) == 0, w->name, messages[i].length);
    check(memcmp(out[0], guard, sizeof guard) == 0, "the bytes before out", count);
    for (size_t i = count; i <= COUNT_MAX; i++)
        check(memcmp(out[i + 1], guard, sizeof guard) == 0, "the bytes behind out", count);
    hashed += count;
}

static size_t random_length(size_t style)
{
    static const size_t edges[] = {0,  1,   3,   54,  55,  56,  57,  63,  64,  65,  110, 111,
                                   112, 118, 119, 120, 121, 127, 128, 129, 183, 184, 191, 192};
    switch (style) {
    case 0: /* around the padding's edges */
        return edges[random_below(sizeof edges / sizeof edges[0])];
    case 1:
        return random_below(300);
    case 2: /* certificates */
        return 1200 + random_below(700);
    case 3: /* one long one in twenty */
        return random_below(20) == 0 ? random_below(20000) : random_below(130);
    default: /* all alike */
        return 1600;
    }
}

static void test_many(const uint8_t *pool, size_t messages_min)
{
    for (size_t round = 0; hashed < messages_min; round++) {
        size_t count = round % (COUNT_MAX + 1), style = random_below(5);
        seki_span messages[COUNT_MAX];
        uint8_t want[COUNT_MAX][SEKI_SHA256_SIZE];
        for (size_t i = 0; i < count; i++) {
            messages[i].length = random_length(style);
            messages[i].data = pool + random_below(POOL_SIZE - messages[i].length);
            if (messages[i].length == 0 && random_below(2) == 0)
                messages[i].data = NULL;
            oracle(EVP_sha256(), messages[i], want[i]);
        }
        run_way(&ways[round % way_count], messages, (const uint8_t(*)[SEKI_SHA256_SIZE])want, count);
        run_way(&ways[random_below(2)], messages, (const uint8_t(*)[SEKI_SHA256_SIZE])want, count);
    }
}

/* Every length up to four blocks, every alignment, each in each lane, in every way. */
static void test_every_length(const uint8_t *pool)
{
    for (size_t length = 0; length <= 256; length++) {
        seki_span messages[17];
        uint8_t want[17][SEKI_SHA256_SIZE];
        for (size_t i = 0; i < 17; i++) {
            messages[i] = (seki_span){pool + 64 * i + (i * 5 + length) % 64, length};
            oracle(EVP_sha256(), messages[i], want[i]);
        }
        for (size_t w = 0; w < way_count; w++)
            run_way(&ways[w], messages, (const uint8_t(*)[SEKI_SHA256_SIZE])want, 17);
    }
}

/* Messages that begin at the start of a page or end at its end, between pages that fault when touched. */
static void test_page_edges(const uint8_t *pool)
{
    enum { PAGES = 18 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *area = mmap(NULL, (2 * PAGES + 1) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    uint8_t *pages[PAGES];
    for (size_t i = 0; i < PAGES; i++) {
        pages[i] = area + (2 * i + 1) * page;
        if (mprotect(pages[i], page, PROT_READ | PROT_WRITE) != 0) {
            perror("mprotect");
            exit(2);
        }
        memcpy(pages[i], pool + i * page, page);
    }
    for (size_t length = 0; length <= 400; length++) {
        seki_span messages[PAGES];
        uint8_t want[PAGES][SEKI_SHA256_SIZE];
        for (size_t i = 0; i < PAGES; i++) {
            size_t mine = i % 3 == 2 ? random_below(page + 1) : length;
            messages[i] = (seki_span){i % 2 == 0 ? pages[i] + page - mine : pages[i], mine};
            oracle(EVP_sha256(), messages[i], want[i]);
        }
        for (size_t w = 0; w < way_count; w++)
            run_way(&ways[w], messages, (const uint8_t(*)[SEKI_SHA256_SIZE])want, PAGES);
    }
    munmap(area, (2 * PAGES + 1) * page);
}

/* A message whose length in bits wants more than 32 bits (section 5.1.1), among short ones: begun in a lane, left
 * alone, finished by OpenSSL.  It is pages of zeros that were never written and take no memory. */
static void test_long_message(const uint8_t *pool)
{
    const size_t length = ((size_t)1 << 29) + 57;
    uint8_t *zeros = mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    seki_span messages[6] = {{pool, 100}, {pool, 64}, {zeros, length}, {pool, 0}, {pool, 55}, {pool, 5000}};
    uint8_t want[6][SEKI_SHA256_SIZE];
    for (size_t i = 0; i < 6; i++)
        oracle(EVP_sha256(), messages[i], want[i]);
    run_way(&ways[0], messages, (const uint8_t(*)[SEKI_SHA256_SIZE])want, 6);
    munmap(zeros, length);
}

/* ---- trust ----------------------------------------------------------------------------------- */

static void test_trust(void)
{
    for (literal_width = 16; literal_width >= 8; literal_width -= 8) {
        check(seki_sha256_lanes_known_answers(literal_kernel, literal_width), "a right kernel passes", literal_width);
        for (broken_lane = 0; broken_lane < literal_width; broken_lane++)
            for (broken_word = 0; broken_word < 8; broken_word++)
                check(!seki_sha256_lanes_known_answers(broken_kernel, literal_width), "a broken kernel is found",
                      broken_lane * 8 + broken_word);
    }
    literal_width = 16;
#if defined(__x86_64__)
    if (seki_sha256_avx512_runs())
        check(seki_sha256_lanes_known_answers(seki_sha256_avx512, 16), "AVX-512 passes", 0);
    if (seki_sha256_avx2_runs())
        check(seki_sha256_lanes_known_answers(seki_sha256_avx2, 8), "AVX2 passes", 0);
#endif
    bool has_kernel = seki_sha256_lanes_choice()->kernel != NULL;
    seki_sha256_lanes_enable(true);
    check(seki_sha256_lanes_self_test(), "the self-test passes", 0);
    check(seki_sha256_lanes_usable() == has_kernel, "usable after the self-test", 0);
    seki_sha256_lanes_enable(false);
    check(!seki_sha256_lanes_usable(), "switched off", 0);
    check(seki_sha256_lanes_self_test(), "the self-test passes while switched off", 0);
    check(!seki_sha256_lanes_usable(), "a passed self-test does not undo a switch-off", 0);
    seki_sha256_lanes_enable(true);
    check(seki_sha256_lanes_usable() == has_kernel, "usable without anybody calling the self-test", 0);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    random_state = seed;
    uint8_t *pool = malloc(POOL_SIZE);
    if (pool == NULL)
        return 2;
    for (size_t i = 0; i < POOL_SIZE; i++)
        pool[i] = (uint8_t)random_bits();

    test_published();
    test_one_message(pool);
    test_trust();
    add_ways();
    test_every_length(pool);
    test_page_edges(pool);
    size_t before = hashed;
    /* Without a kernel only the literal one is left to schedule, and the CPU is likely an emulated one. */
    bool has_kernel = seki_sha256_lanes_choice()->kernel != NULL;
    test_many(pool, hashed + (has_kernel ? 200000 : 20000));
    printf("messages hashed and compared: %zu, of random length %zu (seed %" PRIu64 ")\n", hashed, hashed - before,
           seed);
    if (has_kernel) /* else nothing would begin it in a lane */
        test_long_message(pool);
    free(pool);
    if (failures > 0)
        return 1;
    printf("test_digest: ok\n");
    return 0;
}
