/* rsa_avx512.c: the RSA kernel for AVX-512F, DQ and BW: 24-bit signed digits in doubles, fused multiply-adds.
 * See rsa_lanes.h for what a kernel does. */
#include "rsa_lanes.h"

#if defined(__x86_64__)

#include "cpu.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw")
#pragma GCC optimize("no-var-tracking") /* with -g it takes longer than all the rest, and helps nobody here */
#endif

#include "rsa_digits24.inc"

/* ---- what a digit is, for rsa_kernel.inc -------------------------------------------------------- */

/* Ten columns: enough chains to keep two multiply-adds a cycle of latency four going with some to spare, and few enough
 * that columns and digits stay in 32 registers.  Eight measured 1 % slower for a squaring, twelve 3 %. */
#define T 10

/* Bounds, in units of 2^46, one product; 127 fit (rsa_digits24.inc), and one unit is kept for carries, bias and spill.
 * Before the reduction, column c holds p <= min(c + 1, 2 D - 1 - c) products.  If 2 p + T <= PRODUCTS_MAX it stays
 * so: the reduction adds at most p + T.  Else it was relieved, which leaves less than 2, squares added after included.
 * To that come, between two reliefs, RELIEF_TILES whole tiles and at most three partial ones (the first block of
 * quotient digits, one cut off at the modulus' end, and the last block, or the one on the diagonal), of T rows
 * each: 2 + 80 + 30 <= 126. */
#define RELIEF_TILES 8
#define PRODUCTS_MAX 126

typedef seki_reals seki_digits;
typedef seki_words seki_carry;
typedef struct {
    seki_reals sum[T];
} seki_columns;

typedef struct {
    seki_words digit[T]; /* n's lowest ones, as 64-bit integers */
    seki_words inverse;  /* -1 / n mod 2^24, in [-2^23, 2^23) */
} seki_modulus_words;

SEKI_INLINE seki_reals nothing(void)
{
    return _mm512_setzero_pd();
}

SEKI_INLINE seki_reals one(void)
{
    return _mm512_set1_pd(1.0);
}

SEKI_INLINE seki_carry no_carry(void)
{
    return _mm512_setzero_si512();
}

/* Columns carry a bias of 2^23 from their start to settle(), which wants it. */
SEKI_INLINE void start_biased(seki_columns *a, double bias, seki_reals *spill)
{
    SEKI_UNROLL for (int c = 0; c < T; c++) a->sum[c] = _mm512_set1_pd(bias);
    a->sum[0] = _mm512_add_pd(a->sum[0], *spill);
    *spill = nothing();
}

SEKI_INLINE void start_half(seki_columns *a, seki_reals *spill)
{
    start_biased(a, HALF24 / 2, spill);
}

SEKI_INLINE void start_empty(seki_columns *a, seki_reals *spill)
{
    start_biased(a, HALF24, spill);
}

SEKI_INLINE void start_at(seki_columns *a, const seki_reals *from, seki_reals *spill)
{
    SEKI_UNROLL for (int c = 0; c < T; c++) a->sum[c] = from[c];
    a->sum[0] = _mm512_add_pd(a->sum[0], *spill);
    *spill = nothing();
}

SEKI_INLINE void add_product(seki_columns *a, int c, seki_reals x, seki_reals y)
{
    a->sum[c] = _mm512_fmadd_pd(x, y, a->sum[c]);
}

SEKI_INLINE void twice(seki_columns *a)
{
    SEKI_UNROLL for (int c = 0; c < T; c++) a->sum[c] = _mm512_add_pd(a->sum[c], a->sum[c]);
}

SEKI_INLINE bool crowded(size_t products)
{
    return 2 * products + T > PRODUCTS_MAX;
}

SEKI_INLINE void relieve(seki_columns *a, seki_reals *spill)
{
    seki_reals carry = nothing();
    SEKI_UNROLL for (int c = 0; c < T; c++)
    {
        seki_reals next = relieve24(&a->sum[c]);
        a->sum[c] = _mm512_add_pd(a->sum[c], carry);
        carry = next;
    }
    *spill = _mm512_add_pd(*spill, carry);
}

SEKI_INLINE void collect(seki_columns *a, int cols, seki_reals *spill)
{
    (void)a, (void)cols, (void)spill; /* a column is one vector as it stands */
}

SEKI_INLINE seki_reals column(const seki_columns *a, int c)
{
    return a->sum[c];
}

SEKI_INLINE seki_reals settle(seki_reals biased, seki_carry *carry)
{
    return settle24(_mm512_cvtpd_epi64(biased), carry);
}

/* v mod 2^24, in [-2^23, 2^23). */
SEKI_INLINE seki_words signed24(seki_words v)
{
    return _mm512_srai_epi64(_mm512_slli_epi64(v, 64 - DIGIT24_BITS), 64 - DIGIT24_BITS);
}

SEKI_INLINE void resolve(seki_reals *q, const seki_columns *a, const seki_modulus_words *n, seki_carry *carry,
                         seki_reals *spill)
{
    const seki_words half = _mm512_set1_epi64(1 << (DIGIT24_BITS - 1));
    seki_words left[T];
    SEKI_UNROLL for (int c = 0; c < T; c++) left[c] = _mm512_cvtpd_epi64(a->sum[c]);
    SEKI_UNROLL for (int c = 0; c < T; c++)
    {
        seki_words sum = _mm512_add_epi64(left[c], *carry); /* biased, so that >> rounds to nearest */
        seki_words low = _mm512_sub_epi64(_mm512_and_si512(sum, mask24()), half);
        seki_words digit = signed24(_mm512_mul_epi32(low, n->inverse));
        seki_words cleared = _mm512_add_epi64(low, _mm512_mul_epi32(digit, n->digit[0])); /* 0 mod 2^24 */
        *carry = _mm512_add_epi64(_mm512_srai_epi64(sum, DIGIT24_BITS), _mm512_srai_epi64(cleared, DIGIT24_BITS));
        SEKI_UNROLL for (int d = 1; d < T; d++)
        {
            if (c + d < T)
                left[c + d] = _mm512_add_epi64(left[c + d], _mm512_mul_epi32(digit, n->digit[d]));
        }
        q[c] = _mm512_cvtepi64_pd(digit);
    }
    (void)spill;
}

#include "rsa_kernel.inc"

/* ---- the kernel ----------------------------------------------------------------------------------- */

/* Digits of 2048, 3072 and 4096 bits: W^D > 2^8 n, and reduce() maps |x| <= 0.8 n to x^2 / W^D + (1/4 + 1/2) 1.001 n
 * < 0.8 n: quotient digits below the last block multiply M < W^-T 2^23 W^(T-1) n 1.001, those in it n. */
#define DIGITS(bits) (((bits) + 8 + DIGIT24_BITS - 1) / DIGIT24_BITS)

SEKI_INLINE seki_modulus_words lowest_words(const seki_reals *n)
{
    seki_modulus_words low;
    for (int c = 0; c < T; c++)
        low.digit[c] = _mm512_cvtpd_epi64(n[c]);
    /* Newton: x (2 - n x) doubles the bits to which n x = 1; n n = 1 mod 8 gives the first three. */
    seki_words x = low.digit[0];
    for (int bits = 3; bits < DIGIT24_BITS; bits *= 2)
        x = _mm512_mul_epi32(x, _mm512_sub_epi64(_mm512_set1_epi64(2), _mm512_mul_epi32(x, low.digit[0])));
    low.inverse = signed24(_mm512_sub_epi64(_mm512_setzero_si512(), x));
    return low;
}

/* An array of `digits` vectors with zeros around it, out of the room left. */
SEKI_INLINE seki_reals *take(seki_reals **room, size_t below, size_t digits, size_t above)
{
    seki_reals *array = *room + below;
    memset(*room, 0, below * sizeof *array);
    memset(array + digits, 0, above * sizeof *array);
    *room = array + digits + above;
    return array;
}

SEKI_INLINE unsigned kernel(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                            const uint8_t *const signature[SEKI_RSA_LANES], void *scratch, size_t size)
{
    const size_t digits = DIGITS(8 * size);
    seki_reals *room = scratch;
    seki_reals *n = take(&room, T, digits, 2 * T);
    seki_reals *m = take(&room, 0, digits, T);
    seki_reals *s = take(&room, T, digits, 2 * T);
    seki_reals *x = take(&room, T, digits, 3 * T);
    seki_reals *wide = take(&room, 0, 2 * digits, T);
    uint8_t *bytes = (uint8_t *)room;
    seki_words *chunks = (seki_words *)wide; /* when wide is not in use */

    gather_numbers(bytes, modulus, size);
    unsigned counts = mend_moduli(bytes, size);
    read_chunks(chunks, bytes, size, (digits + 1) / 2);
    read24(n, chunks, digits);
    gather_numbers(bytes, signature, size);
    read_chunks(chunks, bytes, size, (digits + 1) / 2);
    read24(s, chunks, digits);

    seki_modulus mod = {.n = n, .m = m, .low = lowest_words(n)};
    find_multiple(m, wide, n, &mod.low, digits);
    divide24(x, wide, s, 0, digits, n, digits);
    raise_to_65537(x, wide, s, &mod, digits);
    canonical24(chunks, x, n, digits);
    for (size_t i = 0; i < (digits + 1) / 2; i++)
        store_bytes(bytes, size, CHUNK_SIZE * i, chunks[i]);
    scatter_numbers(block, bytes, size);
    return counts;
}

/* Room for the largest size, with one array's padding counted for all five. */
_Static_assert(6 * (DIGITS(4096) + 3 * T) * sizeof(seki_reals) + BYTES_SIZE <= SEKI_RSA_SCRATCH_SIZE, "scratch");

unsigned seki_rsa_avx512(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
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

bool seki_rsa_avx512_usable(void)
{
    return seki_cpu_has_avx512();
}

#else

bool seki_rsa_avx512_usable(void)
{
    return false;
}

unsigned seki_rsa_avx512(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                         const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch)
{
    (void)block, (void)modulus, (void)signature, (void)bits, (void)scratch;
    return 0;
}

#endif
