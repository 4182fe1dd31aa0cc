/* rsa_ifma.c: the RSA kernel for AVX-512 IFMA: 52-bit digits.  See rsa_lanes.h for what a kernel does.
 *
 * With SEKI_IFMA_SOFTWARE the two multiplications are done by other instructions, so that a test can run everything
 * else here on a CPU without IFMA; the kernel is then called seki_rsa_ifma_software. */
#include "rsa_lanes.h"

#if defined(__x86_64__)

#include "cpu.h"

#ifdef SEKI_IFMA_SOFTWARE
#define seki_rsa_ifma seki_rsa_ifma_software
#define seki_rsa_ifma_usable seki_rsa_ifma_software_usable
#endif

#if defined(__clang__) && defined(SEKI_IFMA_SOFTWARE)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw"))), apply_to = function)
#elif defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512ifma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC optimize("no-var-tracking") /* see rsa_avx512.c */
#ifdef SEKI_IFMA_SOFTWARE
#pragma GCC target("avx512f,avx512dq,avx512bw")
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512ifma")
#endif
#endif

#include "rsa_digits24.inc"

/* ---- what a digit is, for rsa_kernel.inc -------------------------------------------------------- */

/* Eight columns, each in a low and a high half: sixteen chains, eight digits and one more in 32 registers. */
#define T 8

/* A column takes two terms below 2^52 for each of at most 80 products, doubled in a square, and as many again in the
 * reduction: below 2^61, so relief is never wanted. */
#define RELIEF_TILES ((size_t)-1)

enum { DIGIT52_BITS = 52 };

typedef seki_words seki_digits;
typedef seki_words seki_carry;
typedef struct {
    seki_words low[T], high[T]; /* high[c] belongs to column c + 1 */
} seki_columns;

typedef struct {
    seki_words digit[T]; /* n's lowest */
    seki_words inverse;  /* -1 / n mod 2^52 */
} seki_modulus_words;

SEKI_INLINE seki_words mask52(void)
{
    return _mm512_set1_epi64(((long long)1 << DIGIT52_BITS) - 1);
}

#ifdef SEKI_IFMA_SOFTWARE

SEKI_INLINE seki_words add_low(seki_words sum, seki_words x, seki_words y)
{
    return _mm512_add_epi64(sum, _mm512_and_si512(_mm512_mullo_epi64(x, y), mask52()));
}

SEKI_INLINE seki_words add_high(seki_words sum, seki_words x, seki_words y)
{
    const seki_words half = _mm512_set1_epi64((1 << 26) - 1);
    seki_words x0 = _mm512_and_si512(x, half), x1 = _mm512_and_si512(_mm512_srli_epi64(x, 26), half);
    seki_words y0 = _mm512_and_si512(y, half), y1 = _mm512_and_si512(_mm512_srli_epi64(y, 26), half);
    seki_words middle = _mm512_srli_epi64(_mm512_mul_epu32(x0, y0), 26);
    middle = _mm512_add_epi64(middle, _mm512_add_epi64(_mm512_mul_epu32(x0, y1), _mm512_mul_epu32(x1, y0)));
    return _mm512_add_epi64(sum, _mm512_add_epi64(_mm512_mul_epu32(x1, y1), _mm512_srli_epi64(middle, 26)));
}

#else

SEKI_INLINE seki_words add_low(seki_words sum, seki_words x, seki_words y)
{
    return _mm512_madd52lo_epu64(sum, x, y);
}

SEKI_INLINE seki_words add_high(seki_words sum, seki_words x, seki_words y)
{
    return _mm512_madd52hi_epu64(sum, x, y);
}

#endif

SEKI_INLINE seki_words nothing(void)
{
    return _mm512_setzero_si512();
}

SEKI_INLINE seki_words one(void)
{
    return _mm512_set1_epi64(1);
}

SEKI_INLINE seki_carry no_carry(void)
{
    return _mm512_setzero_si512();
}

SEKI_INLINE void start_empty(seki_columns *a, seki_words *spill)
{
    (void)spill; /* collect() adds it */
    SEKI_UNROLL for (int c = 0; c < T; c++) a->low[c] = a->high[c] = nothing();
}

SEKI_INLINE void start_half(seki_columns *a, seki_words *spill)
{
    start_empty(a, spill);
}

SEKI_INLINE void start_at(seki_columns *a, const seki_words *from, seki_words *spill)
{
    start_empty(a, spill);
    SEKI_UNROLL for (int c = 0; c < T; c++) a->low[c] = from[c];
}

SEKI_INLINE void add_product(seki_columns *a, int c, seki_words x, seki_words y)
{
    a->low[c] = add_low(a->low[c], x, y);
    a->high[c] = add_high(a->high[c], x, y);
}

SEKI_INLINE void twice(seki_columns *a)
{
    SEKI_UNROLL for (int c = 0; c < T; c++)
    {
        a->low[c] = _mm512_add_epi64(a->low[c], a->low[c]);
        a->high[c] = _mm512_add_epi64(a->high[c], a->high[c]);
    }
}

SEKI_INLINE bool crowded(size_t products)
{
    (void)products;
    return false;
}

SEKI_INLINE void relieve(seki_columns *a, seki_words *spill)
{
    (void)a, (void)spill;
}

SEKI_INLINE void collect(seki_columns *a, int cols, seki_words *spill)
{
    a->low[0] = _mm512_add_epi64(a->low[0], *spill);
    *spill = a->high[cols - 1];
    SEKI_UNROLL for (int c = 1; c < T; c++) a->low[c] = _mm512_add_epi64(a->low[c], a->high[c - 1]);
}

SEKI_INLINE seki_words column(const seki_columns *a, int c)
{
    return a->low[c];
}

SEKI_INLINE seki_words settle(seki_words column, seki_carry *carry)
{
    seki_words sum = _mm512_add_epi64(column, *carry);
    *carry = _mm512_srli_epi64(sum, DIGIT52_BITS);
    return _mm512_and_si512(sum, mask52());
}

SEKI_INLINE void resolve(seki_words *q, const seki_columns *a, const seki_modulus_words *n, seki_carry *carry,
                         seki_words *spill)
{
    seki_words left[T + 1];
    SEKI_UNROLL for (int c = 0; c < T; c++) left[c] = a->low[c];
    left[T] = *spill;
    SEKI_UNROLL for (int c = 0; c < T; c++)
    {
        seki_words low = settle(left[c], carry);
        seki_words digit = add_low(nothing(), low, n->inverse);
        seki_words cleared = add_low(low, digit, n->digit[0]); /* 0 or 2^52 */
        *carry = _mm512_add_epi64(*carry, _mm512_srli_epi64(cleared, DIGIT52_BITS));
        *carry = add_high(*carry, digit, n->digit[0]);
        SEKI_UNROLL for (int d = 1; d < T; d++)
        {
            if (c + d < T) {
                left[c + d] = add_low(left[c + d], digit, n->digit[d]);
                left[c + d + 1] = add_high(left[c + d + 1], digit, n->digit[d]);
            }
        }
        q[c] = digit;
    }
    *spill = left[T];
}

#include "rsa_kernel.inc"

/* ---- the kernel ----------------------------------------------------------------------------------- */

/* Digits of 2048, 3072 and 4096 bits: W^D >= 2^32 n, and reduce() maps x < 3 n to less than x^2 / W^D + 2 n < 2.001 n:
 * quotient digits below the last block are less than W^(D-T) and multiply N < W^T n, those in it n. */
#define DIGITS(bits) (((bits) + DIGIT52_BITS - 1) / DIGIT52_BITS)

/* The signature enters Montgomery form by division in 24-bit digits (rsa_digits24.inc): so many hold the modulus, as in
 * rsa_avx512.c; and W^D is this power of 2^24, times 2^16, 1 or 2^8. */
#define DIGITS24(bits) (((bits) + 8 + DIGIT24_BITS - 1) / DIGIT24_BITS)
#define SHIFT24(bits) (DIGIT52_BITS * DIGITS(bits) / DIGIT24_BITS)

SEKI_INLINE seki_modulus_words lowest_words(const seki_words *n)
{
    seki_modulus_words low;
    for (int c = 0; c < T; c++)
        low.digit[c] = n[c];
    /* Newton: x (2 - n x) doubles the bits to which n x = 1; n n = 1 mod 8 gives the first three.  Multiplication
     * looks at the low 52 bits only. */
    seki_words x = n[0];
    for (int bits = 3; bits < DIGIT52_BITS; bits *= 2)
        x = add_low(nothing(), x, _mm512_sub_epi64(_mm512_set1_epi64(2), add_low(nothing(), x, n[0])));
    low.inverse = _mm512_and_si512(_mm512_sub_epi64(nothing(), x), mask52());
    return low;
}

/* Digits of 52 bits out of chunks of 48: digit j starts 4 j mod 48 bits, at most 44, up chunk 52 j / 48. */
SEKI_INLINE void read52(seki_words *out, const seki_words *chunks, size_t digits)
{
    for (size_t j = 0; j < digits; j++) {
        const size_t first = DIGIT52_BITS * j / (8 * CHUNK_SIZE), skip = DIGIT52_BITS * j % (8 * CHUNK_SIZE);
        seki_words low = _mm512_srl_epi64(chunks[first], _mm_cvtsi64_si128((long long)skip));
        seki_words high = _mm512_sll_epi64(chunks[first + 1], _mm_cvtsi64_si128((long long)(8 * CHUNK_SIZE - skip)));
        out[j] = _mm512_and_si512(_mm512_or_si512(low, high), mask52());
    }
}

/* Multiplies a number in chunks by 2^bits, bits < 48, where the highest chunk has room for that. */
SEKI_INLINE void shift_chunks(seki_words *chunks, size_t count, size_t bits)
{
    const __m128i up = _mm_cvtsi64_si128((long long)bits), down = _mm_cvtsi64_si128((long long)(8 * CHUNK_SIZE - bits));
    const seki_words mask48 = _mm512_set1_epi64(((long long)1 << (8 * CHUNK_SIZE)) - 1);
    seki_words below = nothing();
    for (size_t i = 0; i < count; i++) {
        seki_words chunk = chunks[i];
        seki_words shifted = _mm512_or_si512(_mm512_sll_epi64(chunk, up), _mm512_srl_epi64(below, down));
        chunks[i] = _mm512_and_si512(shifted, mask48);
        below = chunk;
    }
}

/* Writes x < 3 n, fully reduced, to the lanes' buffer. */
SEKI_INLINE void write52(uint8_t *bytes, size_t size, seki_words *x, const seki_words *n, size_t digits)
{
    for (int i = 0; i < 2; i++) {
        seki_words carry = nothing();
        for (size_t j = 0; j < digits; j++)
            carry = _mm512_srai_epi64(_mm512_add_epi64(_mm512_sub_epi64(x[j], n[j]), carry), DIGIT52_BITS);
        __mmask8 subtract = _mm512_cmpge_epi64_mask(carry, nothing());
        carry = nothing();
        for (size_t j = 0; j < digits; j++) {
            seki_words sum = _mm512_add_epi64(_mm512_mask_sub_epi64(x[j], subtract, x[j], n[j]), carry);
            carry = _mm512_srai_epi64(sum, DIGIT52_BITS);
            x[j] = _mm512_and_si512(sum, mask52());
        }
    }
    for (size_t j = 0; j < digits; j += 2) {
        store_bytes(bytes, size, 13 * (j / 2), _mm512_or_si512(x[j], _mm512_slli_epi64(x[j + 1], DIGIT52_BITS)));
        store_bytes(bytes, size, 13 * (j / 2) + 8, _mm512_srli_epi64(x[j + 1], 64 - DIGIT52_BITS));
    }
}

/* An array of `digits` vectors with zeros around it, out of the room left. */
SEKI_INLINE void *take(seki_words **room, size_t below, size_t digits, size_t above)
{
    seki_words *array = *room + below;
    memset(*room, 0, below * sizeof *array);
    memset(array + digits, 0, above * sizeof *array);
    *room = array + digits + above;
    return array;
}

SEKI_INLINE unsigned kernel(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                            const uint8_t *const signature[SEKI_RSA_LANES], void *scratch, size_t size)
{
    const size_t digits = DIGITS(8 * size), digits24 = DIGITS24(8 * size);
    const size_t chunks_wanted = DIGIT52_BITS * digits / (8 * CHUNK_SIZE) + 1;
    seki_words *room = scratch;
    seki_words *n = take(&room, T, digits, 2 * T);
    seki_words *m = take(&room, 0, digits, T);
    seki_words *s = take(&room, T, digits, 2 * T);
    seki_words *x = take(&room, T, digits, 3 * T);
    seki_words *wide = take(&room, 0, 2 * digits, T);
    seki_words *chunks = take(&room, 0, chunks_wanted, CHUNKS_AT_ONCE);
    seki_reals *n24 = take(&room, QUOTIENTS, digits24, 0);
    seki_reals *s24 = take(&room, 0, digits24 + 1, 0);
    seki_reals *r24 = take(&room, 0, digits24 + SHIFT24(8 * size) + 1, 0);
    uint8_t *bytes = (uint8_t *)room;

    gather_numbers(bytes, modulus, size);
    unsigned counts = mend_moduli(bytes, size);
    read_chunks(chunks, bytes, size, chunks_wanted);
    read24(n24, chunks, digits24);
    read52(n, chunks, digits);
    gather_numbers(bytes, signature, size);
    read_chunks(chunks, bytes, size, chunks_wanted);
    read52(s, chunks, digits);

    seki_modulus mod = {.n = n, .m = m, .low = lowest_words(n)};
    find_multiple(m, wide, n, &mod.low, digits);
    shift_chunks(chunks, chunks_wanted, DIGIT52_BITS * digits % DIGIT24_BITS);
    read24(s24, chunks, digits24 + 1);
    divide24(s24, r24, s24, 1, SHIFT24(8 * size) + 1, n24, digits24);
    canonical24(chunks, s24, n24, digits24);
    read52(x, chunks, digits);
    raise_to_65537(x, wide, s, &mod, digits);
    write52(bytes, size, x, n, digits);
    scatter_numbers(block, bytes, size);
    return counts;
}

/* Room for the largest size: 52-bit arrays, 24-bit arrays, chunks, bytes. */
_Static_assert((6 * DIGITS(4096) + 12 * T + 3 * DIGITS24(4096) + SHIFT24(4096) + QUOTIENTS + 2 +
                DIGITS(4096) * DIGIT52_BITS / (8 * CHUNK_SIZE) + 1 + CHUNKS_AT_ONCE) *
                           sizeof(seki_words) +
                       BYTES_SIZE <=
                   SEKI_RSA_SCRATCH_SIZE,
               "scratch");

unsigned seki_rsa_ifma(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                       const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch)
{
    switch (bits) {
    case 2048:
        return kernel(block, modulus, signature, scratch, 2048 / 8);
    case 3072:
        return kernel(block, modulus, signature, scratch, 3072 / 8);
    case 4096:
        return kernel(block, modulus, signature, scratch, 4096 / 8);
    default:
        return 0;
    }
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

bool seki_rsa_ifma_usable(void)
{
#ifdef SEKI_IFMA_SOFTWARE
    return seki_cpu_has_avx512();
#else
    return seki_cpu_has_ifma();
#endif
}

#else

bool seki_rsa_ifma_usable(void)
{
    return false;
}

unsigned seki_rsa_ifma(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                       const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch)
{
    (void)block, (void)modulus, (void)signature, (void)bits, (void)scratch;
    return 0;
}

#endif
