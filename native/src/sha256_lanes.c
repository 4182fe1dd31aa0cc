/* sha256_lanes.c: see sha256_lanes.h.  Section numbers are those of FIPS 180-4. */
#include "sha256_lanes.h"

#include <stdalign.h>
#include <stdatomic.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/* From how many messages under way the lanes win over OpenSSL.
 *
 * A step of all sixteen AVX-512 lanes costs as much as 2.1 blocks of OpenSSL's AVX2 code, a step of eight AVX2 lanes
 * as much as 2.5 (about 1,030, 1,200 and 485 cycles on Cascade Lake; tests/bench_digest.c).  Where the CPU has SHA-NI,
 * OpenSSL needs some 120 cycles a block (32 dependent sha256rnds2 of 4 cycles each): sixteen lanes win from 9 messages
 * on, the rest is margin for a clock that wide vectors lower; eight AVX2 lanes never win. */
enum {
    AVX512_MINIMUM = 3,         /* messages */
    AVX512_SHA_NI_MINIMUM = 12, /* messages */
    AVX2_MINIMUM = 3            /* messages */
};

enum { LANES = SEKI_SHA256_LANES_MAX, BLOCK = SEKI_SHA256_BLOCK_SIZE };

enum { UNTESTED, ON, OFF };
static _Atomic int trust = UNTESTED;

/* One message in one lane. */
typedef struct {
    size_t row;  /* its index; meaningless in an idle lane */
    size_t left; /* blocks until the end of the phase: of the message's whole blocks, or of its padding */
    bool padding;
} lane;

/* Everything that hashing needs, on the caller's stack (about 3.5 kB). */
typedef struct {
    alignas(64) uint32_t state[8][LANES];
    const uint8_t *next[LANES];
    size_t stride[LANES];
    lane lanes[LANES];
    uint8_t tail[LANES][2 * BLOCK]; /* the last partial block and the padding, section 5.1.1 */
} hashing;

static const seki_sha256_lanes *choose_lanes(void);
static void lane_load(hashing *h, size_t i, const seki_span *messages, size_t row);
static void lane_pad(hashing *h, size_t i, seki_span message);
static void lane_emit(const hashing *h, size_t i, uint8_t *out);
static void lane_idle(hashing *h, size_t i);
static void lane_finish(hashing *h, size_t i, seki_span message, uint8_t *out, seki_sha256_compress compress);

void seki_sha256_lanes_run(const seki_sha256_lanes *lanes, const seki_span *messages, uint8_t (*out)[SEKI_SHA256_SIZE],
                           size_t count, seki_sha256_compress compress)
{
    hashing h;
    size_t waiting = 0, active = 0; /* the first row not yet in a lane; lanes with a message */
    for (size_t i = 0; i < LANES; i++) {
        if (i < lanes->width && waiting < count) {
            lane_load(&h, i, messages, waiting++);
            active++;
        } else {
            lane_idle(&h, i);
        }
    }
    /* At most the width: the loop must not end while a row waits, and then every lane is busy. */
    size_t minimum = lanes->minimum < lanes->width ? lanes->minimum : lanes->width;
    minimum = minimum > 0 ? minimum : 1;
    while (active >= minimum) {
        size_t blocks = SIZE_MAX;
        for (size_t i = 0; i < lanes->width; i++)
            blocks = h.lanes[i].left < blocks ? h.lanes[i].left : blocks;
        lanes->kernel(h.state, h.next, h.stride, blocks);
        for (size_t i = 0; i < lanes->width; i++) {
            if (h.stride[i] == 0)
                continue;
            h.lanes[i].left -= blocks;
            if (h.lanes[i].left > 0)
                continue;
            if (!h.lanes[i].padding) {
                lane_pad(&h, i, messages[h.lanes[i].row]);
                continue;
            }
            lane_emit(&h, i, out[h.lanes[i].row]);
            if (waiting < count) {
                lane_load(&h, i, messages, waiting++);
            } else {
                lane_idle(&h, i);
                active--;
            }
        }
    }
    /* The few that are left; a row that never saw a lane there is not, as no lane is idle while one waits. */
    for (size_t i = 0; i < lanes->width; i++) {
        if (h.stride[i] == 0)
            continue;
        size_t row = h.lanes[i].row;
        lane_finish(&h, i, messages[row], out[row], compress);
    }
}

const seki_sha256_lanes *seki_sha256_lanes_choice(void)
{
    /* Asked once: CPUID costs microseconds in a virtual machine. */
    static _Atomic(const seki_sha256_lanes *) chosen;
    const seki_sha256_lanes *choice = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (choice == NULL) {
        choice = choose_lanes();
        atomic_store_explicit(&chosen, choice, memory_order_relaxed);
    }
    return choice;
}

bool seki_sha256_lanes_usable(void)
{
    int now = atomic_load_explicit(&trust, memory_order_relaxed);
    if (now == UNTESTED) {
        seki_sha256_lanes_self_test();
        now = atomic_load_explicit(&trust, memory_order_relaxed);
    }
    return now == ON;
}

void seki_sha256_lanes_enable(bool enable)
{
    atomic_store_explicit(&trust, enable ? UNTESTED : OFF, memory_order_relaxed);
}

bool seki_sha256_lanes_self_test(void)
{
    const seki_sha256_lanes *lanes = seki_sha256_lanes_choice();
    bool passed = lanes->kernel == NULL || seki_sha256_lanes_known_answers(lanes->kernel, lanes->width);
    /* A switch-off that came first, or comes meanwhile, stands. */
    int untested = UNTESTED;
    atomic_compare_exchange_strong(&trust, &untested, passed && lanes->kernel != NULL ? ON : OFF);
    if (!passed)
        atomic_store(&trust, OFF);
    return passed;
}

static const seki_sha256_lanes *choose_lanes(void)
{
    static const seki_sha256_lanes none = {.kernel = NULL, .width = 0, .minimum = SIZE_MAX, .name = "none"};
#if defined(__x86_64__)
    static const seki_sha256_lanes avx512 = {seki_sha256_avx512, 16, AVX512_MINIMUM, "avx512"};
    static const seki_sha256_lanes avx512_sha_ni = {seki_sha256_avx512, 16, AVX512_SHA_NI_MINIMUM, "avx512"};
    static const seki_sha256_lanes avx2 = {seki_sha256_avx2, 8, AVX2_MINIMUM, "avx2"};
    unsigned eax, ebx, ecx, edx;
    bool sha_ni = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_SHA) != 0;
    if (seki_sha256_avx512_runs())
        return sha_ni ? &avx512_sha_ni : &avx512;
    if (seki_sha256_avx2_runs() && !sha_ni)
        return &avx2;
#endif
    return &none;
}

/* SHA-256 of the first `length` bytes of the pattern 3, 10, 17, … (7 i + 3 modulo 256), by CPython's hashlib. */
static const struct {
    size_t length;
    uint8_t digest[SEKI_SHA256_SIZE];
} known[] = {
    {0,
     {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
      0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}},
    {3,
     {0x6a, 0xb0, 0xdb, 0xa1, 0xf4, 0xf1, 0xdf, 0xbb, 0x37, 0xb4, 0xf9, 0xee, 0xb0, 0x92, 0xc0, 0x9f,
      0xca, 0x49, 0x00, 0xad, 0x32, 0xbd, 0xcd, 0x14, 0x7d, 0x8d, 0xde, 0x35, 0xd6, 0xc8, 0x7c, 0x35}},
    {55,
     {0xe7, 0x31, 0x3d, 0x33, 0x3c, 0x27, 0x2e, 0x63, 0x9f, 0x79, 0x09, 0x78, 0x28, 0x3f, 0x9e, 0xb3,
      0x92, 0xe8, 0x43, 0xd0, 0xf2, 0x9b, 0x70, 0x16, 0x82, 0x8b, 0xb1, 0xda, 0xa4, 0xaa, 0xc7, 0x0b}},
    {56,
     {0x43, 0x24, 0xd6, 0x5f, 0x3c, 0x10, 0x35, 0x67, 0xf5, 0x58, 0x9c, 0x71, 0x0b, 0xc0, 0x8f, 0x85,
      0x23, 0xf9, 0x29, 0xa9, 0x27, 0x2e, 0x3a, 0xf3, 0x6f, 0xc9, 0x68, 0xe5, 0x2a, 0xbc, 0x6c, 0x27}},
    {64,
     {0x39, 0xe3, 0xd7, 0xb6, 0xb5, 0xd0, 0x75, 0xd3, 0x7d, 0x05, 0x3a, 0xd8, 0x9b, 0x24, 0xb4, 0x1b,
      0xef, 0x4f, 0x3c, 0x29, 0x76, 0x0c, 0x84, 0x44, 0x7c, 0xab, 0x3f, 0x3b, 0xe1, 0x88, 0x22, 0x41}},
    {119,
     {0x9c, 0xe7, 0x36, 0x8e, 0x4d, 0xaf, 0x32, 0x34, 0x16, 0x31, 0xb4, 0x92, 0xe8, 0x03, 0x59, 0xdc,
      0x9f, 0x59, 0x4b, 0x48, 0x45, 0x3c, 0xd0, 0xdd, 0x5b, 0xf0, 0xb1, 0x92, 0x79, 0xcc, 0x17, 0x7e}},
    {120,
     {0x78, 0x36, 0xb7, 0x87, 0x75, 0x7e, 0x95, 0xe5, 0x8b, 0x3c, 0xa5, 0xae, 0xc9, 0x0b, 0x1b, 0x00,
      0x4e, 0x8d, 0xeb, 0xa1, 0xe5, 0x0e, 0x96, 0x75, 0xaf, 0x9c, 0xab, 0xf1, 0xa1, 0x3a, 0x04, 0xb5}},
    {128,
     {0xd2, 0x74, 0x2f, 0x1f, 0x4a, 0xc6, 0xbb, 0x7c, 0xa2, 0xb2, 0x39, 0xee, 0x18, 0x40, 0x2b, 0xa8,
      0xb3, 0xf9, 0xf8, 0xe6, 0x52, 0xd2, 0xa7, 0x29, 0x73, 0xc2, 0xb9, 0xba, 0x11, 0xc0, 0x8c, 0xf6}},
    {300,
     {0x04, 0x77, 0x3f, 0x87, 0x26, 0xc8, 0x1c, 0xaf, 0xcf, 0xa1, 0xa0, 0x9a, 0x82, 0x66, 0x4b, 0x98,
      0xb0, 0x0d, 0x20, 0x21, 0x03, 0x1a, 0x17, 0x15, 0xbc, 0xa1, 0x15, 0x4f, 0x2d, 0xad, 0x34, 0x72}},
};
enum { KNOWN = sizeof known / sizeof known[0], KNOWN_LENGTH_MAX = 300 };

bool seki_sha256_lanes_known_answers(seki_sha256_kernel kernel, size_t width)
{
    /* KNOWN is odd, so that each lane meets each answer beside changing neighbours; the last lanes run dry. */
    enum { ROWS = KNOWN * LANES + 5 };
    uint8_t pattern[KNOWN_LENGTH_MAX];
    seki_span messages[ROWS];
    uint8_t out[ROWS][SEKI_SHA256_SIZE];
    for (size_t i = 0; i < KNOWN_LENGTH_MAX; i++)
        pattern[i] = (uint8_t)(7 * i + 3);
    for (size_t i = 0; i < ROWS; i++)
        messages[i] = (seki_span){pattern, known[i % KNOWN].length};
    memset(out, 0, sizeof out);
    seki_sha256_lanes lanes = {.kernel = kernel, .width = width, .minimum = 1, .name = "known answers"};
    seki_sha256_lanes_run(&lanes, messages, out, ROWS, NULL);
    bool right = true;
    for (size_t i = 0; i < ROWS; i++)
        right = right && memcmp(out[i], known[i % KNOWN].digest, SEKI_SHA256_SIZE) == 0;
    return right;
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static const uint8_t idle_block[BLOCK]; /* what idle lanes chew on; a stride of 0 tells them */

static void lane_load(hashing *h, size_t i, const seki_span *messages, size_t row)
{
    /* H(0), section 5.3.3 */
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (size_t word = 0; word < 8; word++)
        h->state[word][i] = initial[word];
    h->lanes[i] = (lane){.row = row, .left = messages[row].length / BLOCK, .padding = false};
    h->next[i] = messages[row].data;
    h->stride[i] = BLOCK;
    if (h->lanes[i].left == 0)
        lane_pad(h, i, messages[row]);
}

/* Turns a lane from its message's whole blocks to the rest, 80, zeros, and the length in bits (section 5.1.1). */
static void lane_pad(hashing *h, size_t i, seki_span message)
{
    size_t rest = message.length % BLOCK;
    size_t blocks = rest + 1 + sizeof(uint64_t) <= BLOCK ? 1 : 2;
    uint8_t *tail = h->tail[i], *end = tail + blocks * BLOCK;
    memset(tail, 0, blocks * BLOCK);
    if (rest > 0) /* an empty span may have no data */
        memcpy(tail, message.data + (message.length - rest), rest);
    tail[rest] = 0x80;
    uint64_t bits = (uint64_t)message.length * 8;
    for (size_t byte = 1; byte <= sizeof bits; byte++, bits >>= 8)
        end[-(ptrdiff_t)byte] = (uint8_t)bits;
    h->lanes[i].left = blocks;
    h->lanes[i].padding = true;
    h->next[i] = tail;
}

static void put_state(const uint32_t state[8], uint8_t *out)
{
    for (size_t word = 0; word < 8; word++)
        for (size_t byte = 0; byte < 4; byte++)
            out[4 * word + byte] = (uint8_t)(state[word] >> (24 - 8 * byte));
}

static void lane_state(const hashing *h, size_t i, uint32_t state[8])
{
    for (size_t word = 0; word < 8; word++)
        state[word] = h->state[word][i];
}

static void lane_emit(const hashing *h, size_t i, uint8_t *out)
{
    uint32_t state[8];
    lane_state(h, i, state);
    put_state(state, out);
}

static void lane_idle(hashing *h, size_t i)
{
    for (size_t word = 0; word < 8; word++)
        h->state[word][i] = 0;
    h->lanes[i] = (lane){.row = SIZE_MAX, .left = SIZE_MAX, .padding = false};
    h->next[i] = idle_block;
    h->stride[i] = 0;
}

/* The rest of a lane's message without the kernel. */
static void lane_finish(hashing *h, size_t i, seki_span message, uint8_t *out, seki_sha256_compress compress)
{
    uint32_t state[8];
    lane_state(h, i, state);
    if (!h->lanes[i].padding) {
        compress(state, h->next[i], h->lanes[i].left);
        lane_pad(h, i, message);
    }
    compress(state, h->next[i], h->lanes[i].left);
    put_state(state, out);
}

/* ---- kernels --------------------------------------------------------------------------------- */

#if defined(__x86_64__)

/* K, section 4.2.2 */
static const alignas(64) uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* Loops over registers must vanish, or the words live in memory; -O2 alone unrolls none of them. */
#define UNROLL _Pragma("GCC unroll 16")

/* One round, section 6.2.2 step 3; instead of moving the eight variables along, their names move. */
#define ROUND(isa, a, b, c, d, e, f, g, h, t)                                                           \
    do {                                                                                                \
        h = isa##_add(isa##_add(h, isa##_constant(constants + (t))), w[t]);                             \
        h = isa##_add(h, isa##_add(isa##_choose(e, f, g), isa##_sum1(e)));                              \
        d = isa##_add(d, h);                                                                            \
        h = isa##_add(h, isa##_add(isa##_majority(a, b, c), isa##_sum0(a)));                            \
    } while (0)

#define ROUNDS_8(isa, t)                                   \
    do {                                                   \
        ROUND(isa, a, b, c, d, e, f, g, h, (t) + 0);       \
        ROUND(isa, h, a, b, c, d, e, f, g, (t) + 1);       \
        ROUND(isa, g, h, a, b, c, d, e, f, (t) + 2);       \
        ROUND(isa, f, g, h, a, b, c, d, e, (t) + 3);       \
        ROUND(isa, e, f, g, h, a, b, c, d, (t) + 4);       \
        ROUND(isa, d, e, f, g, h, a, b, c, (t) + 5);       \
        ROUND(isa, c, d, e, f, g, h, a, b, (t) + 6);       \
        ROUND(isa, b, c, d, e, f, g, h, a, (t) + 7);       \
    } while (0)

/* W(t) for the next sixteen rounds in the place of the last sixteen, section 6.2.2 step 1. */
#define SCHEDULE(isa, t)                                                                                \
    w[t] = isa##_add(isa##_add(w[t], isa##_sigma0(w[((t) + 1) & 15])),                                  \
                     isa##_add(w[((t) + 9) & 15], isa##_sigma1(w[((t) + 14) & 15])))

/* The kernel's loop; `isa` names the vector functions above it. */
#define KERNEL_BODY(isa, vector)                                                                        \
    do {                                                                                                \
        vector s[8];                                                                                    \
        UNROLL for (size_t i = 0; i < 8; i++)                                                                  \
            s[i] = isa##_get(state[i]);                                                                 \
        for (; blocks > 0; blocks--) {                                                                  \
            vector w[16];                                                                               \
            isa##_words(w, next);                                                                       \
            for (size_t i = 0; i < isa##_LANES; i++)                                                    \
                next[i] += stride[i];                                                                   \
            vector a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];      \
            const uint32_t *constants = round_constants;                                                \
            for (;;) {                                                                                  \
                ROUNDS_8(isa, 0);                                                                       \
                ROUNDS_8(isa, 8);                                                                       \
                constants += 16;                                                                        \
                if (constants == round_constants + 64)                                                  \
                    break;                                                                              \
                SCHEDULE(isa, 0), SCHEDULE(isa, 1), SCHEDULE(isa, 2), SCHEDULE(isa, 3);                 \
                SCHEDULE(isa, 4), SCHEDULE(isa, 5), SCHEDULE(isa, 6), SCHEDULE(isa, 7);                 \
                SCHEDULE(isa, 8), SCHEDULE(isa, 9), SCHEDULE(isa, 10), SCHEDULE(isa, 11);               \
                SCHEDULE(isa, 12), SCHEDULE(isa, 13), SCHEDULE(isa, 14), SCHEDULE(isa, 15);             \
            }                                                                                           \
            s[0] = isa##_add(s[0], a), s[1] = isa##_add(s[1], b), s[2] = isa##_add(s[2], c);            \
            s[3] = isa##_add(s[3], d), s[4] = isa##_add(s[4], e), s[5] = isa##_add(s[5], f);            \
            s[6] = isa##_add(s[6], g), s[7] = isa##_add(s[7], h);                                       \
        }                                                                                               \
        UNROLL for (size_t i = 0; i < 8; i++)                                                           \
            isa##_put(state[i], s[i]);                                                                  \
    } while (0)

/* -- AVX-512: a rotation and any function of three bits are one instruction each. */

#define IN_AVX512 __attribute__((target("avx512f,avx512bw")))
#define INLINE_AVX512 __attribute__((target("avx512f,avx512bw"), always_inline)) static inline

enum { avx512_LANES = 16 };
enum { XOR3 = 0x96, CHOOSE = 0xca, MAJORITY = 0xe8 }; /* truth tables of vpternlogd */

INLINE_AVX512 __m512i avx512_get(const uint32_t *row) { return _mm512_load_si512(row); }
INLINE_AVX512 void avx512_put(uint32_t *row, __m512i x) { _mm512_store_si512(row, x); }
INLINE_AVX512 __m512i avx512_add(__m512i x, __m512i y) { return _mm512_add_epi32(x, y); }
INLINE_AVX512 __m512i avx512_constant(const uint32_t *k) { return _mm512_set1_epi32((int)*k); }
INLINE_AVX512 __m512i avx512_choose(__m512i e, __m512i f, __m512i g)
{
    return _mm512_ternarylogic_epi32(e, f, g, CHOOSE);
}
INLINE_AVX512 __m512i avx512_majority(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi32(a, b, c, MAJORITY);
}
INLINE_AVX512 __m512i avx512_xor3(__m512i x, __m512i y, __m512i z) { return _mm512_ternarylogic_epi32(x, y, z, XOR3); }
INLINE_AVX512 __m512i avx512_sum0(__m512i x)
{
    return avx512_xor3(_mm512_ror_epi32(x, 2), _mm512_ror_epi32(x, 13), _mm512_ror_epi32(x, 22));
}
INLINE_AVX512 __m512i avx512_sum1(__m512i x)
{
    return avx512_xor3(_mm512_ror_epi32(x, 6), _mm512_ror_epi32(x, 11), _mm512_ror_epi32(x, 25));
}
INLINE_AVX512 __m512i avx512_sigma0(__m512i x)
{
    return avx512_xor3(_mm512_ror_epi32(x, 7), _mm512_ror_epi32(x, 18), _mm512_srli_epi32(x, 3));
}
INLINE_AVX512 __m512i avx512_sigma1(__m512i x)
{
    return avx512_xor3(_mm512_ror_epi32(x, 17), _mm512_ror_epi32(x, 19), _mm512_srli_epi32(x, 10));
}

/* Word t of every lane's block into w[t]: sixteen loads, byte swaps, and a 16 × 16 transpose. */
INLINE_AVX512 void avx512_words(__m512i w[16], const uint8_t *const next[16])
{
    const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    __m512i t[16];
    UNROLL for (size_t i = 0; i < 16; i++)
        w[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(next[i]), swap);
    UNROLL for (size_t i = 0; i < 16; i += 2) { /* within pairs of rows: words 0 1 4 5 … and 2 3 6 7 … */
        t[i] = _mm512_unpacklo_epi32(w[i], w[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(w[i], w[i + 1]);
    }
    UNROLL for (size_t i = 0; i < 16; i += 4) { /* w[i + j]: words j, j + 4, j + 8, j + 12 of rows i to i + 3 */
        w[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        w[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        w[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        w[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL for (size_t i = 0; i < 4; i++) { /* quarters: first of two row groups each, 0x88 even and 0xdd odd ones */
        t[i] = _mm512_shuffle_i32x4(w[i], w[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(w[i], w[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(w[i + 8], w[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(w[i + 8], w[i + 12], 0xdd);
    }
    UNROLL for (size_t i = 0; i < 4; i++) {
        w[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        w[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        w[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        w[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

IN_AVX512 void seki_sha256_avx512(uint32_t state[8][LANES], const uint8_t *next[LANES], const size_t stride[LANES],
                                  size_t blocks)
{
    KERNEL_BODY(avx512, __m512i);
}

bool seki_sha256_avx512_runs(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

/* -- AVX2: eight lanes, the first half of each row of the state; a rotation is three instructions. */

#define IN_AVX2 __attribute__((target("avx2")))
#define INLINE_AVX2 __attribute__((target("avx2"), always_inline)) static inline

enum { avx2_LANES = 8 };

INLINE_AVX2 __m256i avx2_get(const uint32_t *row) { return _mm256_load_si256((const __m256i *)row); }
INLINE_AVX2 void avx2_put(uint32_t *row, __m256i x) { _mm256_store_si256((__m256i *)row, x); }
INLINE_AVX2 __m256i avx2_add(__m256i x, __m256i y) { return _mm256_add_epi32(x, y); }
INLINE_AVX2 __m256i avx2_constant(const uint32_t *k) { return _mm256_set1_epi32((int)*k); }
INLINE_AVX2 __m256i avx2_xor(__m256i x, __m256i y) { return _mm256_xor_si256(x, y); }
INLINE_AVX2 __m256i avx2_choose(__m256i e, __m256i f, __m256i g)
{
    return avx2_xor(g, _mm256_and_si256(e, avx2_xor(f, g)));
}
INLINE_AVX2 __m256i avx2_majority(__m256i a, __m256i b, __m256i c)
{
    return avx2_xor(b, _mm256_and_si256(avx2_xor(a, b), avx2_xor(b, c)));
}
INLINE_AVX2 __m256i avx2_rotate(__m256i x, int n)
{
    return avx2_xor(_mm256_srli_epi32(x, n), _mm256_slli_epi32(x, 32 - n));
}
INLINE_AVX2 __m256i avx2_sum0(__m256i x)
{
    return avx2_xor(avx2_xor(avx2_rotate(x, 2), avx2_rotate(x, 13)), avx2_rotate(x, 22));
}
INLINE_AVX2 __m256i avx2_sum1(__m256i x)
{
    return avx2_xor(avx2_xor(avx2_rotate(x, 6), avx2_rotate(x, 11)), avx2_rotate(x, 25));
}
INLINE_AVX2 __m256i avx2_sigma0(__m256i x)
{
    return avx2_xor(avx2_xor(avx2_rotate(x, 7), avx2_rotate(x, 18)), _mm256_srli_epi32(x, 3));
}
INLINE_AVX2 __m256i avx2_sigma1(__m256i x)
{
    return avx2_xor(avx2_xor(avx2_rotate(x, 17), avx2_rotate(x, 19)), _mm256_srli_epi32(x, 10));
}

/* Word t of every lane's block into w[t]: each half block is an 8 × 8 transpose. */
INLINE_AVX2 void avx2_words(__m256i w[16], const uint8_t *const next[8])
{
    const __m256i swap =
        _mm256_broadcastsi128_si256(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    UNROLL for (size_t half = 0; half < 2; half++) {
        __m256i *x = w + 8 * half, t[8];
        UNROLL for (size_t i = 0; i < 8; i++)
            x[i] = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(const void *)(next[i] + 32 * half)), swap);
        UNROLL for (size_t i = 0; i < 8; i += 2) { /* words 0 1 4 5 and 2 3 6 7 of pairs of rows */
            t[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
            t[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
        }
        UNROLL for (size_t i = 0; i < 8; i += 4) { /* x[i + j]: words j and j + 4 of rows i to i + 3 */
            x[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
            x[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
            x[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
            x[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
        }
        UNROLL for (size_t i = 0; i < 4; i++) {
            t[i] = _mm256_permute2x128_si256(x[i], x[i + 4], 0x20);
            t[i + 4] = _mm256_permute2x128_si256(x[i], x[i + 4], 0x31);
        }
        UNROLL for (size_t i = 0; i < 8; i++)
            x[i] = t[i];
    }
}

IN_AVX2 void seki_sha256_avx2(uint32_t state[8][LANES], const uint8_t *next[LANES], const size_t stride[LANES],
                              size_t blocks)
{
    KERNEL_BODY(avx2, __m256i);
}

bool seki_sha256_avx2_runs(void)
{
    return __builtin_cpu_supports("avx2");
}

#endif
