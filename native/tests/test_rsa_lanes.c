/* test_rsa_lanes.c: every RSA kernel that this CPU runs, and the IFMA kernel on multiplications in software, against
 * OpenSSL's BN_mod_exp.
 *
 *   cc -std=gnu11 -O2 native/tests/test_rsa_lanes.c native/src/rsa_*.c native/src/cpu.c -lcrypto -lm
 *   (with crypto_mb: -DSEKI_HAVE_CRYPTO_MB -I<its headers> ... libcrypto_mb.a)
 *
 *   test_rsa_lanes [lanes [seed [kernel]]]
 *
 * lanes is the number of 2048-bit lanes to compare for a kernel in hardware (half of that for 3072 bits, a quarter for
 * 4096; an eighth of all for the one in software).  Exit status 0 if everything held.
 *
 * test_rsa_emulated.c includes this file to run the kernels for IFMA, as they are compiled, on CPUs without it. */
#define _GNU_SOURCE

#include "../src/rsa_lanes.h"

#include <fenv.h>
#include <inttypes.h>
#include <openssl/bn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LANES = SEKI_RSA_LANES, SIZE_MAX_BYTES = 512, GUARD = 64, EXPONENT = 65537 };

#if defined(SEKI_EMULATOR_EMBEDDED) /* where a lane takes 30 ms and more */
enum { LANES_WANTED = 32, ROUNDING_MODES = 1, ROWS_STEP = 3 };
#elif defined(__SANITIZE_ADDRESS__)
enum { LANES_WANTED = 2400, ROUNDING_MODES = 4, ROWS_STEP = 1 };
#else
enum { LANES_WANTED = 24000, ROUNDING_MODES = 4, ROWS_STEP = 1 };
#endif

#if defined(__x86_64__) && !defined(SEKI_EMULATOR_EMBEDDED)
#define WITH_SOFTWARE 1
unsigned seki_rsa_ifma_software(uint8_t *const block[LANES], const uint8_t *const modulus[LANES],
                                const uint8_t *const signature[LANES], unsigned bits, void *scratch);
bool seki_rsa_ifma_software_usable(void);
#endif

typedef struct {
    const char *name;
    bool (*usable)(void);
    seki_rsa_kernel run;
    unsigned share; /* of the lanes wanted: one in so many */
    size_t moduli;  /* the first of the kinds of modulus it is held to; see make_modulus */
} contender;

enum { ANY_MODULUS = 0, RANDOM_MODULUS = 5 };

static const contender contenders[] = {
#ifndef SEKI_EMULATOR_EMBEDDED
    {"avx512", seki_rsa_avx512_usable, seki_rsa_avx512, 1, ANY_MODULUS},
    {"avx2", seki_rsa_avx2_usable, seki_rsa_avx2, 1, ANY_MODULUS},
#endif
    {"ifma", seki_rsa_ifma_usable, seki_rsa_ifma, 1, ANY_MODULUS},
    /* crypto_mb 2026.2 gives wrong numbers, and says that they are right, for every signature under some moduli that are
     * nobody's key, such as 2^2048 - 1 and 800000800000...800001 (hexadecimal).  What it says is confirmed or
     * cross-checked by its caller; here it is held to what keys look like. */
    {"crypto_mb", seki_rsa_crypto_mb_usable, seki_rsa_crypto_mb, 1, RANDOM_MODULUS},
#ifdef WITH_SOFTWARE
    {"ifma_software", seki_rsa_ifma_software_usable, seki_rsa_ifma_software, 8, ANY_MODULUS},
#endif
};

static size_t failures;

static void check(bool held, const char *kernel, const char *what, size_t detail)
{
    if (held)
        return;
    failures++;
    fprintf(stderr, "FAILED: %s: %s (%zu)\n", kernel, what, detail);
    if (failures > 20)
        exit(1);
}

static void need(bool done, const char *what)
{
    if (done)
        return;
    fprintf(stderr, "cannot go on: %s\n", what);
    exit(2);
}

/* ---- numbers ------------------------------------------------------------------------------------ */

static uint64_t random_state;

static uint64_t random_bits(void) /* splitmix64 */
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static size_t below(size_t bound)
{
    return (size_t)(random_bits() % bound);
}

static void fill_random(uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)random_bits();
}

/* Runs of 00, of ff and of noise, of a few bytes to the whole number. */
static void fill_runs(uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t end = i + 1 + below(below(2) == 0 ? 8 : size);
        const unsigned kind = (unsigned)below(3);
        for (; i < size && i < end; i++)
            out[i] = kind == 0 ? 0x00 : kind == 1 ? 0xff : (uint8_t)random_bits();
    }
}

/* The same few bits again and again, which makes all digits extreme at once for some period: 24 bits of 800000 and
 * 7fffff, where a signed digit turns over, 46 bits likewise, 52 bits of ones, and the like. */
static void fill_periods(uint8_t *out, size_t size)
{
    static const size_t periods[] = {24, 24, 24, 48, 46, 46, 46, 92, 23, 52, 52, 104, 13, 64};
    const size_t period = periods[below(sizeof periods / sizeof *periods)];
    const size_t aligned = (period - 8 * size % period) % period; /* the pattern starts at a digit's top */
    const size_t phase = below(4) == 0 ? below(period) : aligned;
    uint8_t pattern[104];
    const unsigned kind = (unsigned)below(4);
    for (size_t i = 0; i < period; i++)
        pattern[i] = kind == 0 ? i == 0 : kind == 1 ? i != 0 : kind == 2 ? i != period - 1 : (uint8_t)(random_bits() & 1);
    memset(out, 0, size);
    for (size_t bit = 0; bit < 8 * size; bit++)
        out[bit / 8] |= (uint8_t)(pattern[(bit + phase) % period] << (7 - bit % 8));
}

static void set_word(uint8_t *out, size_t size, bool high, uint64_t low)
{
    memset(out, high ? 0xff : 0, size);
    for (size_t i = 0; i < 8; i++)
        out[size - 1 - i] = (uint8_t)(low >> (8 * i));
}

enum { MODULUS_KINDS = 7 };

static void make_modulus(uint8_t *out, size_t size, size_t kind)
{
    switch (kind) {
    case 0: /* 2^(b-1) + small */
        set_word(out, size, false, random_bits() >> below(64));
        break;
    case 1: /* 2^b - small */
        set_word(out, size, true, ~(random_bits() >> below(64)));
        break;
    case 2:
        fill_runs(out, size);
        break;
    case 3:
        fill_periods(out, size);
        break;
    case 4: /* 2^(b-1) + 1, 2^b - 1 */
        set_word(out, size, below(2) == 0, 0);
        memset(out + size - 8, out[0], 8);
        break;
    default:
        fill_random(out, size);
    }
    out[0] |= 0x80;
    out[size - 1] |= 1;
}

enum { SIGNATURE_KINDS = 16 };

/* Bits of a kernel's digit. */
static int some_digit(void)
{
    static const int bits[] = {24, 46, 52};
    return bits[below(sizeof bits / sizeof *bits)];
}

/* A number below n. */
static void make_signature(BIGNUM *out, const BIGNUM *n, size_t size, size_t kind, BN_CTX *context)
{
    uint8_t bytes[SIZE_MAX_BYTES];
    bool done = true;
    switch (kind) {
    case 0:
        BN_zero(out);
        break;
    case 1: /* 1, 2, 3 ... */
        done = BN_set_word(out, 1 + below(5)) == 1;
        break;
    case 2: /* n - 1, n - 2 ... */
        done = BN_copy(out, n) != NULL && BN_sub_word(out, 1 + below(5)) == 1;
        break;
    case 3: /* n / 2^k, about */
        done = BN_rshift(out, n, 1 + (int)below(60)) == 1 && BN_add_word(out, below(3)) == 1;
        break;
    case 4: { /* n (m + 1/2) / 2^k, about: quotient digits halfway between two */
        const int bits = some_digit();
        done = BN_copy(out, n) != NULL && BN_mul_word(out, 2 * (random_bits() >> (65 - bits)) + 1) == 1 &&
               BN_rshift(out, out, bits + 1) == 1 && BN_add_word(out, below(3)) == 1;
        break;
    }
    case 5: /* 2^k, 2^k - 1 */
        BN_zero(out);
        done = BN_set_bit(out, (int)below(8 * size - 1)) == 1 && BN_sub_word(out, below(2)) == 1;
        break;
    case 6:
    case 7:
        fill_runs(bytes, size);
        done = BN_bin2bn(bytes, (int)size, out) != NULL;
        break;
    case 8:
    case 9:
        fill_periods(bytes, size);
        done = BN_bin2bn(bytes, (int)size, out) != NULL;
        break;
    case 10:
    case 11: { /* such that s 2^k mod n, with which a kernel begins, is all extreme digits */
        const int radix = some_digit();
        const int shift = (8 * (int)size + (radix == 52 ? 0 : 8) + radix - 1) / radix * radix;
        BIGNUM *power = BN_new();
        fill_periods(bytes, size);
        bytes[0] &= 0x7f;
        done = power != NULL && BN_set_bit(power, shift) == 1 && BN_mod_inverse(power, power, n, context) != NULL &&
               BN_bin2bn(bytes, (int)size, out) != NULL && BN_mod_mul(out, out, power, n, context) == 1;
        BN_free(power);
        break;
    }
    default:
        fill_random(bytes, size);
        done = BN_bin2bn(bytes, (int)size, out) != NULL;
    }
    need(done, "BIGNUM arithmetic");
    while (BN_cmp(out, n) >= 0)
        need(BN_sub(out, out, n) == 1, "BN_sub");
}

/* ---- eight lanes, in memory that shows a stray access --------------------------------------------- */

/* Pages of one number each, between pages that nobody may touch; numbers end, or begin, at such a page. */
typedef struct {
    uint8_t *page[LANES];
} fenced;

static fenced fence(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *all = mmap(NULL, (2 * LANES + 1) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(all != MAP_FAILED, "mmap");
    fenced out;
    for (size_t i = 0; i < LANES; i++) {
        out.page[i] = all + (2 * i + 1) * page;
        need(mprotect(out.page[i], page, PROT_READ | PROT_WRITE) == 0, "mprotect");
    }
    return out;
}

static uint8_t *at_edge(const fenced *where, size_t lane, size_t size, bool end)
{
    return where->page[lane] + (end ? (size_t)sysconf(_SC_PAGESIZE) - size : 0);
}

typedef struct {
    fenced blocks, moduli, signatures;
    uint8_t *block[LANES], *n[LANES], *s[LANES]; /* in them, for the size in hand */
    uint8_t *scratch, *guard;
    BIGNUM *bn_n, *bn_s, *bn_e, *bn_r;
    BN_CTX *context;
} bench;

static void lay_out(bench *b, size_t size)
{
    for (size_t i = 0; i < LANES; i++) {
        const bool end = below(2) == 0;
        b->block[i] = at_edge(&b->blocks, i, size, end);
        b->n[i] = at_edge(&b->moduli, i, size, below(2) == 0);
        b->s[i] = at_edge(&b->signatures, i, size, below(2) == 0);
    }
}

static void open_bench(bench *b)
{
    b->blocks = fence();
    b->moduli = fence();
    b->signatures = fence();
    b->scratch = aligned_alloc(64, SEKI_RSA_SCRATCH_SIZE + GUARD);
    b->bn_n = BN_new();
    b->bn_s = BN_new();
    b->bn_e = BN_new();
    b->bn_r = BN_new();
    b->context = BN_CTX_new();
    need(b->scratch != NULL && b->bn_n != NULL && b->bn_s != NULL && b->bn_e != NULL && b->bn_r != NULL &&
             b->context != NULL && BN_set_word(b->bn_e, EXPONENT) == 1,
         "memory");
    b->guard = b->scratch + SEKI_RSA_SCRATCH_SIZE;
}

static void close_bench(bench *b)
{
    free(b->scratch);
    BN_free(b->bn_n);
    BN_free(b->bn_s);
    BN_free(b->bn_e);
    BN_free(b->bn_r);
    BN_CTX_free(b->context);
}

static void make_lane(bench *b, size_t lane, size_t size, size_t modulus_kind, size_t signature_kind)
{
    make_modulus(b->n[lane], size, modulus_kind);
    need(BN_bin2bn(b->n[lane], (int)size, b->bn_n) != NULL, "BN_bin2bn");
    make_signature(b->bn_s, b->bn_n, size, signature_kind, b->context);
    need(BN_bn2binpad(b->bn_s, b->s[lane], (int)size) == (int)size, "BN_bn2binpad");
}

static size_t some_modulus(const contender *kernel, uint64_t number)
{
    return kernel->moduli + (size_t)(number % (MODULUS_KINDS - kernel->moduli));
}

static bool lane_is_right(bench *b, size_t lane, size_t size)
{
    uint8_t expected[SIZE_MAX_BYTES];
    need(BN_bin2bn(b->n[lane], (int)size, b->bn_n) != NULL && BN_bin2bn(b->s[lane], (int)size, b->bn_s) != NULL &&
             BN_mod_exp(b->bn_r, b->bn_s, b->bn_e, b->bn_n, b->context) == 1 &&
             BN_bn2binpad(b->bn_r, expected, (int)size) == (int)size,
         "BN_mod_exp");
    return memcmp(expected, b->block[lane], size) == 0;
}

static unsigned call(const contender *kernel, bench *b, unsigned bits)
{
    memset(b->scratch, 0xff, SEKI_RSA_SCRATCH_SIZE); /* NaNs and the largest integers: nothing may be taken for zero */
    memset(b->guard, 0xa5, GUARD);
    const unsigned mask = kernel->run(b->block, (const uint8_t *const *)b->n, (const uint8_t *const *)b->s, bits, b->scratch);
    for (size_t i = 0; i < GUARD; i++)
        check(b->guard[i] == 0xa5, kernel->name, "bytes after the scratch", i);
    return mask;
}

/* ---- what is tested --------------------------------------------------------------------------------- */

/* Each kind of modulus with each kind of signature, then at random. */
static size_t test_values(const contender *kernel, bench *b, unsigned bits, size_t lanes)
{
    const size_t size = bits / 8;
    size_t compared = 0;
    while (compared < lanes) {
        lay_out(b, size);
        for (size_t i = 0; i < LANES; i++) {
            const size_t turn = compared + i;
            const bool first_round = turn < MODULUS_KINDS * SIGNATURE_KINDS;
            make_lane(b, i, size, first_round ? some_modulus(kernel, turn) : some_modulus(kernel, random_bits()),
                      first_round ? turn / MODULUS_KINDS : below(SIGNATURE_KINDS));
        }
        check(call(kernel, b, bits) == 0xff, kernel->name, "all lanes count", bits);
        for (size_t i = 0; i < LANES; i++, compared++)
            check(lane_is_right(b, i, size), kernel->name, "s^65537 mod n", compared);
    }
    return compared;
}

/* Neighbours that must not count, or that break the rule s < n, change nothing in the others. */
static void test_neighbours(const contender *kernel, bench *b, unsigned bits, size_t rounds)
{
    const size_t size = bits / 8;
    for (size_t round = 0; round < rounds; round++) {
        lay_out(b, size);
        unsigned must = 0, may = 0;
        for (size_t i = 0; i < LANES; i++) {
            make_lane(b, i, size, some_modulus(kernel, random_bits()), below(SIGNATURE_KINDS));
            switch (below(7)) {
            case 0:
                b->n[i][size - 1] &= 0xfe;
                break;
            case 1:
                b->n[i][0] &= 0x7f;
                break;
            case 2:
                memset(b->n[i], 0, size);
                memset(b->s[i], 0xff, size);
                break;
            case 3:
                memset(b->s[i], 0xff, size);
                may |= 1u << i;
                break;
            default:
                must |= 1u << i;
            }
        }
        const unsigned mask = call(kernel, b, bits);
        check((mask & ~may) == must, kernel->name, "the mask", mask);
        for (size_t i = 0; i < LANES; i++)
            if ((must >> i & 1) != 0)
                check(lane_is_right(b, i, size), kernel->name, "a lane beside bad ones", i);
    }
}

/* The same row eight times, which is how fewer than eight are asked. */
static void test_repeated(const contender *kernel, bench *b, unsigned bits)
{
    const size_t size = bits / 8;
    lay_out(b, size);
    make_lane(b, 0, size, MODULUS_KINDS - 1, SIGNATURE_KINDS - 1);
    uint8_t spare[SIZE_MAX_BYTES];
    uint8_t *const block[LANES] = {b->block[0], spare, spare, spare, spare, spare, spare, spare};
    const uint8_t *n[LANES], *s[LANES];
    for (size_t i = 0; i < LANES; i++) {
        n[i] = b->n[0];
        s[i] = b->s[0];
    }
    check((kernel->run(block, n, s, bits, b->scratch) & 1) != 0, kernel->name, "a row repeated counts", bits);
    check(lane_is_right(b, 0, size), kernel->name, "a row repeated", bits);
    check(memcmp(block[0], spare, size) == 0, kernel->name, "a row repeated gives the same each time", bits);
}

/* One to seven rows, the first one repeated in the other lanes: each row's answer is its own. */
static void test_few(const contender *kernel, bench *b, unsigned bits)
{
    const size_t size = bits / 8;
    for (size_t rows = 1; rows < LANES; rows += ROWS_STEP) {
        lay_out(b, size);
        const uint8_t *n[LANES], *s[LANES];
        for (size_t i = 0; i < LANES; i++) {
            make_lane(b, i, size, MODULUS_KINDS - 1, SIGNATURE_KINDS - 1);
            memset(b->block[i], 0, size);
            n[i] = b->n[i < rows ? i : 0];
            s[i] = b->s[i < rows ? i : 0];
        }
        check(kernel->run(b->block, n, s, bits, b->scratch) == 0xff, kernel->name, "few rows count", rows);
        for (size_t i = 0; i < LANES; i++)
            if (i < rows)
                check(lane_is_right(b, i, size), kernel->name, "one of few rows", i);
            else
                check(memcmp(b->block[i], b->block[0], size) == 0, kernel->name, "the first of few rows again", i);
        /* One key for several rows, and one signature under several keys. */
        for (size_t i = 0; i < LANES; i++) {
            n[i] = b->n[rows % 2 == 0 ? 0 : i];
            s[i] = b->s[rows % 2 == 0 ? i : 0];
            b->s[i][0] &= 0x7f;
        }
        check(kernel->run(b->block, n, s, bits, b->scratch) == 0xff, kernel->name, "rows that share count", rows);
        for (size_t i = 0; i < LANES; i++) {
            memmove(b->n[i], n[i], size);
            memmove(b->s[i], s[i], size);
            check(lane_is_right(b, i, size), kernel->name, "one of rows that share", i);
        }
    }
}

static void test_sizes_refused(const contender *kernel, bench *b)
{
    static const unsigned sizes[] = {0, 8, 1024, 2040, 2056, 4104, 8192};
    lay_out(b, SIZE_MAX_BYTES);
    for (size_t i = 0; i < LANES; i++) {
        make_lane(b, i, SIZE_MAX_BYTES, MODULUS_KINDS - 1, SIGNATURE_KINDS - 1);
        memset(b->block[i], 0x5a, SIZE_MAX_BYTES);
    }
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        check(call(kernel, b, sizes[k]) == 0, kernel->name, "a size that is none", sizes[k]);
        for (size_t i = 0; i < LANES; i++)
            check(b->block[i][0] == 0x5a, kernel->name, "a block of a size that is none", sizes[k]);
    }
}

/* The caller's rounding mode and floating-point traps make no difference. */
static void test_environment(const contender *kernel, bench *b, unsigned bits)
{
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
    const size_t size = bits / 8;
    for (size_t round = 0; round < ROUNDING_MODES; round++) {
        lay_out(b, size);
        for (size_t i = 0; i < LANES; i++)
            make_lane(b, i, size, some_modulus(kernel, random_bits()), below(SIGNATURE_KINDS));
        fenv_t before;
        need(fegetenv(&before) == 0 && fesetround(modes[round]) == 0 && feenableexcept(FE_ALL_EXCEPT) != -1, "fenv");
        const unsigned mask = call(kernel, b, bits);
        need(fesetenv(&before) == 0, "fesetenv");
        check(mask == 0xff, kernel->name, "all lanes count in another rounding mode", round);
        for (size_t i = 0; i < LANES; i++)
            check(lane_is_right(b, i, size), kernel->name, "another rounding mode", round);
    }
}

int main(int argc, char **argv)
{
#ifdef SEKI_EMULATOR_EMBEDDED
    const char *why = begin_emulation();
    if (why != NULL) {
        printf("test_rsa_emulated: nothing to emulate: %s\n", why);
        return 0;
    }
#endif
    const size_t wanted = argc > 1 ? strtoull(argv[1], NULL, 0) : LANES_WANTED;
    random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    bench b;
    open_bench(&b);
    size_t run = 0;
    for (size_t k = 0; k < sizeof contenders / sizeof *contenders; k++) {
        const contender *kernel = &contenders[k];
        if (argc > 3 && strcmp(argv[3], kernel->name) != 0)
            continue;
        if (!kernel->usable()) {
            printf("%s: not on this CPU or not in this build\n", kernel->name);
            continue;
        }
        run++;
        test_sizes_refused(kernel, &b);
        for (unsigned bits = 2048; bits <= 4096; bits += 1024) {
            const size_t lanes = wanted / kernel->share >> (bits / 1024 - 2);
            const size_t compared = test_values(kernel, &b, bits, lanes);
            test_neighbours(kernel, &b, bits, 1 + lanes / 400);
            test_repeated(kernel, &b, bits);
            test_few(kernel, &b, bits);
            test_environment(kernel, &b, bits);
            printf("%s, %u bits: %zu lanes compared\n", kernel->name, bits, compared);
        }
    }
    close_bench(&b);
    if (argc > 3 && run == 0) {
        fprintf(stderr, "kernel %s did not run\n", argv[3]);
        return 1;
    }
    if (failures > 0)
        return 1;
    printf("test_rsa_lanes: ok\n");
    return 0;
}

#ifdef WITH_SOFTWARE
#define SEKI_IFMA_SOFTWARE 1
#include "../src/rsa_ifma.c"
#endif
