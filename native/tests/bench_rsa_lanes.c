/* bench_rsa_lanes.c: RSA verification in lanes beside OpenSSL, in one run and interleaved, one thread.
 *
 *   cc -std=gnu11 -O2 native/tests/bench_rsa_lanes.c native/src/rsa_avx512.c native/src/rsa_ifma.c \
 *      native/src/rsa_avx2.c native/src/rsa_crypto_mb.c native/src/cpu.c -lcrypto   (crypto_mb: as in test_rsa_lanes.c)
 *
 * Prints verify/s for each size: OpenSSL with an EVP_PKEY_CTX kept (EVP_PKEY_verify, PKCS #1 v1.5, SHA-256, so padding
 * included), then each kernel that runs here, alone and times OpenSSL's.  Medians of ROUNDS by the thread's CPU time, so
 * that a busy machine disturbs less.  Every answer is checked; a wrong one ends the run with status 1. */
#define _GNU_SOURCE

#include "../src/rsa_lanes.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LANES = SEKI_RSA_LANES, ROUNDS = 31, SIZE_MAX_BYTES = 512, ROUND_NS = 10000000, HASH_SIZE = 32 };

typedef struct {
    const char *name;
    bool (*usable)(void);
    seki_rsa_kernel run;
} contender;

static const contender contenders[] = {
    {"avx512", seki_rsa_avx512_usable, seki_rsa_avx512},
    {"avx2", seki_rsa_avx2_usable, seki_rsa_avx2},
    {"ifma", seki_rsa_ifma_usable, seki_rsa_ifma},
    {"crypto_mb", seki_rsa_crypto_mb_usable, seki_rsa_crypto_mb},
};
enum { CONTENDERS = sizeof contenders / sizeof *contenders };

static void need(bool done, const char *what)
{
    if (done)
        return;
    fprintf(stderr, "bench_rsa_lanes: %s\n", what);
    exit(1);
}

static double now_ns(void)
{
    struct timespec t;
    need(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0, "clock_gettime");
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One key and signature a lane, made by OpenSSL, and the block that the signature opens to. */
typedef struct {
    EVP_PKEY_CTX *context;
    uint8_t hash[HASH_SIZE], n[SIZE_MAX_BYTES], s[SIZE_MAX_BYTES], block[SIZE_MAX_BYTES];
} row;

static void make_row(row *r, unsigned bits)
{
    const int size = (int)bits / 8;
    size_t length = SIZE_MAX_BYTES;
    EVP_PKEY *key = EVP_RSA_gen(bits);
    BIGNUM *n = NULL, *s = BN_new(), *e = BN_new(), *block = BN_new();
    BN_CTX *numbers = BN_CTX_new();
    for (int i = 0; i < HASH_SIZE; i++)
        r->hash[i] = (uint8_t)rand();
    EVP_PKEY_CTX *sign = key == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL);
    r->context = key == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL);
    need(sign != NULL && EVP_PKEY_sign_init(sign) == 1 && EVP_PKEY_CTX_set_rsa_padding(sign, RSA_PKCS1_PADDING) == 1 &&
             EVP_PKEY_CTX_set_signature_md(sign, EVP_sha256()) == 1 &&
             EVP_PKEY_sign(sign, r->s, &length, r->hash, HASH_SIZE) == 1 && length == (size_t)size &&
             r->context != NULL && EVP_PKEY_verify_init(r->context) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(r->context, RSA_PKCS1_PADDING) == 1 &&
             EVP_PKEY_CTX_set_signature_md(r->context, EVP_sha256()) == 1 &&
             EVP_PKEY_get_bn_param(key, "n", &n) == 1 && BN_bn2binpad(n, r->n, size) == size &&
             BN_bin2bn(r->s, size, s) != NULL && BN_set_word(e, 65537) == 1 &&
             BN_mod_exp(block, s, e, n, numbers) == 1 && BN_bn2binpad(block, r->block, size) == size,
         "making a key");
    EVP_PKEY_CTX_free(sign);
    EVP_PKEY_free(key);
    BN_free(n);
    BN_free(s);
    BN_free(e);
    BN_free(block);
    BN_CTX_free(numbers);
}

static row rows[LANES];

/* ns a verification, over about ROUND_NS; NULL is OpenSSL. */
static double measure(const contender *kernel, unsigned bits, void *scratch)
{
    const size_t size = bits / 8;
    static uint8_t out[LANES][SIZE_MAX_BYTES];
    uint8_t *block[LANES];
    const uint8_t *n[LANES], *s[LANES];
    for (int i = 0; i < LANES; i++) {
        block[i] = out[i];
        n[i] = rows[i].n;
        s[i] = rows[i].s;
    }
    const double start = now_ns();
    double elapsed;
    size_t done = 0;
    do {
        if (kernel == NULL) {
            for (int i = 0; i < LANES; i++)
                need(EVP_PKEY_verify(rows[i].context, rows[i].s, size, rows[i].hash, HASH_SIZE) == 1, "OpenSSL refused");
        } else {
            need(kernel->run(block, n, s, bits, scratch) == 0xff, "a lane does not count");
            for (int i = 0; i < LANES; i++)
                need(memcmp(out[i], rows[i].block, size) == 0, "a wrong block");
        }
        done += LANES;
        elapsed = now_ns() - start;
    } while (elapsed < ROUND_NS);
    return elapsed / (double)done;
}

int main(void)
{
    void *scratch = aligned_alloc(64, SEKI_RSA_SCRATCH_SIZE);
    need(scratch != NULL, "memory");
    printf("%-6s %-10s %10s %8s\n", "bits", "by", "verify/s", "openssl");
    for (unsigned bits = 2048; bits <= 4096; bits += 1024) {
        for (int i = 0; i < LANES; i++)
            make_row(&rows[i], bits);
        double openssl[ROUNDS], lanes[CONTENDERS][ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            openssl[round] = measure(NULL, bits, NULL);
            for (int k = 0; k < CONTENDERS; k++)
                if (contenders[k].usable())
                    lanes[k][round] = measure(&contenders[k], bits, scratch);
        }
        qsort(openssl, ROUNDS, sizeof *openssl, by_value);
        const double base = openssl[ROUNDS / 2];
        printf("%-6u %-10s %10.0f %7.2fx\n", bits, "openssl", 1e9 / base, 1.0);
        for (int k = 0; k < CONTENDERS; k++) {
            if (!contenders[k].usable())
                continue;
            qsort(lanes[k], ROUNDS, sizeof *lanes[k], by_value);
            const double median = lanes[k][ROUNDS / 2];
            printf("%-6u %-10s %10.0f %7.2fx\n", bits, contenders[k].name, 1e9 / median, base / median);
        }
        for (int i = 0; i < LANES; i++)
            EVP_PKEY_CTX_free(rows[i].context);
    }
    free(scratch);
    return 0;
}
