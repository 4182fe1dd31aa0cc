#include "kernels.h"

#include <openssl/bn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "digest.h"
#include "kernel_vectors.h"
#include "sha256_lanes.h"

typedef struct {
    _Atomic uint32_t state;
    _Atomic uint64_t lanes, rejected, mended;
    double ns_per_row;
#ifdef SEKI_TEST_FAULTS
    _Atomic uint32_t fault;
#endif
} kernel;

static kernel kernels[SEKI_KERNELS];
static _Atomic uint32_t doubts;
static _Atomic uint32_t rsa_kernel_of[3]; /* the choice for 2048, 3072, 4096 bits */
static pthread_once_t started = PTHREAD_ONCE_INIT;

static void start(void);
static bool self_test(seki_kernel_id id);
static void choose_rsa(void);

void seki_kernels_start(void)
{
    (void)pthread_once(&started, start);
}

bool seki_kernels_on(seki_kernel_id id)
{
    return atomic_load_explicit(&kernels[id].state, memory_order_relaxed) == SEKI_KERNEL_ON;
}

seki_kernel_id seki_kernels_rsa(unsigned bits)
{
    if (bits != 2048 && bits != 3072 && bits != 4096)
        return SEKI_KERNEL_NONE;
    seki_kernel_id id = (seki_kernel_id)atomic_load_explicit(&rsa_kernel_of[bits / 1024 - 2], memory_order_relaxed);
    return id != SEKI_KERNEL_NONE && seki_kernels_on(id) ? id : SEKI_KERNEL_NONE;
}

seki_kernel_id seki_kernels_ec(seki_kernel_id id)
{
    return seki_kernels_on(id) ? id : SEKI_KERNEL_NONE;
}

seki_rsa_kernel seki_kernels_rsa_function(seki_kernel_id id)
{
    switch (id) {
    case SEKI_KERNEL_RSA_AVX512:
        return seki_rsa_avx512;
    case SEKI_KERNEL_RSA_IFMA:
        return seki_rsa_ifma;
    case SEKI_KERNEL_RSA_CRYPTO_MB:
        return seki_rsa_crypto_mb;
    case SEKI_KERNEL_RSA_AVX2:
        return seki_rsa_avx2;
    default:
        return NULL;
    }
}

void seki_kernels_off(seki_kernel_id id, seki_kernel_state why)
{
    uint32_t expected = SEKI_KERNEL_ON;
    /* In this order: who sees the new number uses the kernel no more. */
    if (atomic_compare_exchange_strong(&kernels[id].state, &expected, (uint32_t)why) && why == SEKI_KERNEL_OFF_WRONG_ACCEPT)
        atomic_fetch_add(&doubts, 1);
    if (id == SEKI_KERNEL_SHA256)
        seki_sha256_lanes_enable(seki_kernels_on(id));
    choose_rsa();
}

uint32_t seki_kernels_doubts(void)
{
    return atomic_load(&doubts);
}

void seki_kernels_count(seki_kernel_id id, uint64_t lanes, uint64_t rejected, uint64_t mended)
{
    atomic_fetch_add_explicit(&kernels[id].lanes, lanes, memory_order_relaxed);
    if (rejected != 0)
        atomic_fetch_add_explicit(&kernels[id].rejected, rejected, memory_order_relaxed);
    if (mended != 0)
        atomic_fetch_add_explicit(&kernels[id].mended, mended, memory_order_relaxed);
}

size_t seki_kernels_rows_min(seki_kernel_id id)
{
    switch (id) {
    case SEKI_KERNEL_P384:
    case SEKI_KERNEL_ED25519:
        return 1;
    case SEKI_KERNEL_RSA_AVX2:
        return 2;
    case SEKI_KERNEL_RSA_AVX512:
        return 4;
    default:
        return 3;
    }
}

unsigned seki_kernels_backend(seki_kernel_id id)
{
    switch (id) {
    case SEKI_KERNEL_RSA_AVX512:
        return SEKI_BACKEND_AVX512;
    case SEKI_KERNEL_RSA_IFMA:
        return SEKI_BACKEND_IFMA;
    case SEKI_KERNEL_RSA_AVX2:
        return SEKI_BACKEND_AVX2;
    case SEKI_KERNEL_NONE:
        return SEKI_BACKEND_NONE;
    default:
        return SEKI_BACKEND_CRYPTO_MB;
    }
}

seki_status seki_kernels_report(seki_kernel_id id, seki_kernel_report *out)
{
    if (out == NULL || id <= SEKI_KERNEL_NONE || id >= SEKI_KERNELS)
        return SEKI_E_ARGUMENT;
    seki_kernels_start();
    *out = (seki_kernel_report){
        .state = atomic_load(&kernels[id].state),
        .chosen = atomic_load(&rsa_kernel_of[0]) == (uint32_t)id,
        .lanes = atomic_load(&kernels[id].lanes),
        .rejected = atomic_load(&kernels[id].rejected),
        .mended = atomic_load(&kernels[id].mended),
        .ns_per_row = kernels[id].ns_per_row,
    };
    return SEKI_OK;
}

seki_status seki_kernels_disable(seki_kernel_id id)
{
    if (id <= SEKI_KERNEL_NONE || id >= SEKI_KERNELS)
        return SEKI_E_ARGUMENT;
    seki_kernels_start();
    seki_kernels_off(id, SEKI_KERNEL_OFF_REQUESTED);
    return SEKI_OK;
}

/* ---- start ------------------------------------------------------------------------------------- */

static bool usable(seki_kernel_id id)
{
    switch (id) {
    case SEKI_KERNEL_RSA_AVX512:
        return seki_rsa_avx512_usable();
    case SEKI_KERNEL_RSA_IFMA:
        return seki_rsa_ifma_usable();
    case SEKI_KERNEL_RSA_CRYPTO_MB:
        return seki_rsa_crypto_mb_usable();
    case SEKI_KERNEL_RSA_AVX2:
        return seki_rsa_avx2_usable();
    case SEKI_KERNEL_P256:
    case SEKI_KERNEL_P384:
    case SEKI_KERNEL_ED25519:
        return seki_ec_lanes_usable();
    case SEKI_KERNEL_SHA256:
        return seki_sha256_lanes_choice()->kernel != NULL; /* seki_sha256_lanes_usable tests it too: not yet */
    default:
        return false;
    }
}

static void start_one(seki_kernel_id id)
{
    seki_kernel_state state = !usable(id) ? SEKI_KERNEL_ABSENT : self_test(id) ? SEKI_KERNEL_ON : SEKI_KERNEL_OFF_SELF_TEST;
    atomic_store(&kernels[id].state, (uint32_t)state);
    if (id == SEKI_KERNEL_SHA256)
        seki_sha256_lanes_enable(state == SEKI_KERNEL_ON);
}

static void start(void)
{
    for (seki_kernel_id id = SEKI_KERNEL_RSA_AVX512; id < SEKI_KERNELS; id++)
        start_one(id);
    choose_rsa();
}

/* The fastest of the RSA kernels that are on. */
static void choose_rsa(void)
{
    seki_kernel_id best = SEKI_KERNEL_NONE;
    for (seki_kernel_id id = SEKI_KERNEL_RSA_AVX512; id < SEKI_KERNELS; id++)
        if (seki_kernels_rsa_function(id) != NULL && seki_kernels_on(id) && (best == SEKI_KERNEL_NONE || kernels[id].ns_per_row < kernels[best].ns_per_row))
            best = id;
    for (size_t i = 0; i < 3; i++)
        atomic_store(&rsa_kernel_of[i], (uint32_t)best);
}

/* ---- known answers ----------------------------------------------------------------------------- */

enum { TIMED_GROUPS = 3 };

/* Eight odd moduli with the top bit set and eight numbers below them, the same at every start. */
static void rsa_inputs(unsigned bits, uint8_t modulus[SEKI_RSA_LANES][512], uint8_t signature[SEKI_RSA_LANES][512])
{
    size_t size = bits / 8;
    for (uint8_t lane = 0; lane < SEKI_RSA_LANES; lane++) {
        for (size_t at = 0; at < size; at += SEKI_SHA256_SIZE) {
            uint8_t seed[4] = {'n', lane, (uint8_t)(bits >> 8), (uint8_t)(at / SEKI_SHA256_SIZE)};
            seki_sha256((seki_span){seed, sizeof seed}, modulus[lane] + at);
            seed[0] = 's';
            seki_sha256((seki_span){seed, sizeof seed}, signature[lane] + at);
        }
        modulus[lane][0] |= 0x80;
        modulus[lane][size - 1] |= 0x01;
        signature[lane][0] &= 0x7f;
    }
}

static bool rsa_agrees(const uint8_t *block, const uint8_t *modulus, const uint8_t *signature, size_t size, BN_CTX *ctx)
{
    uint8_t expected[512];
    BIGNUM *n = BN_bin2bn(modulus, (int)size, NULL), *s = BN_bin2bn(signature, (int)size, NULL), *e = BN_new(),
           *r = BN_new();
    bool agrees = n != NULL && s != NULL && e != NULL && r != NULL && BN_set_word(e, 65537) == 1
                  && BN_mod_exp(r, s, e, n, ctx) == 1 && BN_bn2binpad(r, expected, (int)size) == (int)size
                  && memcmp(expected, block, size) == 0;
    BN_free(n);
    BN_free(s);
    BN_free(e);
    BN_free(r);
    return agrees;
}

static double nanoseconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

typedef struct {
    uint8_t modulus[SEKI_RSA_LANES][512], signature[SEKI_RSA_LANES][512], block[SEKI_RSA_LANES][512];
} rsa_trial;

/* One size against OpenSSL; for 2048 bits the best of a few runs is the kernel's speed. */
static bool rsa_test_size(seki_kernel_id id, unsigned bits, rsa_trial *trial, void *scratch, BN_CTX *ctx)
{
    uint8_t *blocks[SEKI_RSA_LANES];
    const uint8_t *moduli[SEKI_RSA_LANES], *signatures[SEKI_RSA_LANES];
    rsa_inputs(bits, trial->modulus, trial->signature);
    for (size_t i = 0; i < SEKI_RSA_LANES; i++) {
        blocks[i] = trial->block[i];
        moduli[i] = trial->modulus[i];
        signatures[i] = trial->signature[i];
    }
    double best = 0;
    for (int group = 0; group < (bits == 2048 ? TIMED_GROUPS : 1); group++) {
        memset(trial->block, 0, sizeof trial->block);
        double from = nanoseconds();
        if (seki_kernels_rsa_function(id)(blocks, moduli, signatures, bits, scratch) != 0xff)
            return false;
        double spent = nanoseconds() - from;
        best = best == 0 || spent < best ? spent : best;
    }
    if (bits == 2048)
        kernels[id].ns_per_row = best / SEKI_RSA_LANES;
    for (size_t i = 0; i < SEKI_RSA_LANES; i++)
        if (!rsa_agrees(trial->block[i], trial->modulus[i], trial->signature[i], bits / 8, ctx))
            return false;
    return true;
}

static bool rsa_self_test(seki_kernel_id id)
{
    rsa_trial *trial = malloc(sizeof *trial);
    void *scratch = aligned_alloc(64, SEKI_RSA_SCRATCH_SIZE);
    BN_CTX *ctx = BN_CTX_new();
    bool passed = trial != NULL && scratch != NULL && ctx != NULL;
    for (unsigned bits = 2048; passed && bits <= 4096; bits += 1024)
        passed = rsa_test_size(id, bits, trial, scratch, ctx);
    free(trial);
    free(scratch);
    BN_CTX_free(ctx);
    return passed;
}

/* A published signature in the even lanes, the same with one bit of s turned in the odd ones. */
static bool ec_self_test(unsigned (*verify)(const seki_ec_lane *), const seki_ec_vector *vector)
{
    uint8_t wrong[48];
    seki_ec_lane lanes[SEKI_EC_LANES];
    memcpy(wrong, vector->s, vector->size);
    wrong[1] ^= 0x10;
    for (size_t i = 0; i < SEKI_EC_LANES; i++)
        lanes[i] = (seki_ec_lane){.r = vector->r,
                                  .s = i % 2 == 0 ? vector->s : wrong,
                                  .message = vector->message,
                                  .message_length = vector->message_length,
                                  .key = vector->key};
    return verify(lanes) == 0x55;
}

static bool self_test(seki_kernel_id id)
{
#ifdef SEKI_TEST_FAULTS
    if (atomic_load(&kernels[id].fault) == SEKI_FAULT_SELF_TEST)
        return false;
#endif
    switch (id) {
    case SEKI_KERNEL_RSA_AVX512:
    case SEKI_KERNEL_RSA_IFMA:
    case SEKI_KERNEL_RSA_CRYPTO_MB:
    case SEKI_KERNEL_RSA_AVX2:
        return rsa_self_test(id);
    case SEKI_KERNEL_P256:
        return ec_self_test(seki_p256_lanes, &SEKI_VECTOR_P256);
    case SEKI_KERNEL_P384:
        return ec_self_test(seki_p384_lanes, &SEKI_VECTOR_P384);
    case SEKI_KERNEL_ED25519:
        return ec_self_test(seki_ed25519_lanes, &SEKI_VECTOR_ED25519);
    case SEKI_KERNEL_SHA256:
        return seki_sha256_lanes_self_test();
    default:
        return false;
    }
}

/* ---- planted faults ---------------------------------------------------------------------------- */

#ifdef SEKI_TEST_FAULTS

seki_kernel_fault seki_kernels_fault(seki_kernel_id id)
{
    return (seki_kernel_fault)atomic_load_explicit(&kernels[id].fault, memory_order_relaxed);
}

seki_status seki_kernels_plant(seki_kernel_id id, seki_kernel_fault fault)
{
    if (id <= SEKI_KERNEL_NONE || id >= SEKI_KERNELS || fault > SEKI_FAULT_REJECT)
        return SEKI_E_ARGUMENT;
    seki_kernels_start();
    atomic_store(&kernels[id].fault, (uint32_t)fault);
    start_one(id);
    choose_rsa();
    return SEKI_OK;
}

#else

seki_status seki_kernels_plant(seki_kernel_id id, seki_kernel_fault fault)
{
    (void)id;
    (void)fault;
    return SEKI_E_ARGUMENT;
}

#endif
