/* rsa_avx2.c: the RSA kernel for AVX2 and FMA: 46-bit signed digits in doubles, products without error.
 * See rsa_lanes.h for what a kernel does.
 *
 * A product of two 46-bit digits does not fit a double; two fused multiply-adds give it whole nevertheless.  With
 * `high` near 1.5 * 2^98, where doubles are the multiples of W = 2^46,
 *
 *   high' = x y + high     rounds to a multiple of W: what was added is x y to the nearest such multiple
 *   rest  = high - high'   exact
 *   low   = x y + rest     what the rounding left, at most W / 2 in magnitude: exact
 *
 * so that a product costs two multiply-adds and two additions, where 28-bit integers need 2.7 products of two
 * instructions each (vpmuludq, vpaddq), and 24-bit doubles 3.7 multiply-adds.  AMD's cores since Zen 2 have two pipes for
 * multiply-adds and two others for additions.
 *
 * All of this wants rounding to nearest and no traps: the kernel sets MXCSR so, and puts the caller's back. */
#include "rsa_lanes.h"

#if defined(__x86_64__)

#include "cpu.h"

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#pragma GCC optimize("no-var-tracking") /* see rsa_avx512.c */
#endif

enum { VECTOR_LANES = 4 };

#include "rsa_bytes.inc"

/* ---- what a digit is, for rsa_kernel.inc -------------------------------------------------------- */

/* Four columns, each in a high and a low half: eight chains, a digit, and room in 16 registers for the products under way.
 * Tiles of six are 13 % faster by themselves, but all in all 5 to 15 % slower: their code fills the cache of decoded
 * instructions (Zen 3). */
#define T 4

/* Bounds, in units of 2^45.  A settled digit is at most 2^45 + 2^8 in magnitude, so a product leaves one unit in `low`, and
 * half a one in the `low` of the next column, by way of `high`.  `high` holds 126 products, which is more than any column gets.
 * `low` holds 256 units: before the reduction, column c has p <= min(c + 1, 2 D - 1 - c) products, 1.5 p + 1 units
 * when collected; the reduction adds at most p + T.  If 3 p + 1.5 T + 4 <= 256 nothing need be done; else the column
 * was relieved, which leaves 3 + 0.5 p of the 1.5 p: for 4096 bits, 90 digits, fewer than 200 in all. */
#define RELIEF_TILES ((size_t)-1)
#define UNITS_MAX 256

enum { DIGIT46_BITS = 46 };

#define RADIX46 0x1p46
#define BIAS46 (1.5 * 0x1p52 * RADIX46) /* adding and taking it away rounds a double below 2^97 to a multiple of 2^46 */

typedef __m256d seki_reals;
typedef __m256i seki_words;
typedef seki_reals seki_digits;
typedef seki_reals seki_carry;

typedef struct {
    seki_reals high[T], low[T]; /* high[c] belongs to column c + 1 */
} seki_columns;

typedef struct {
    seki_reals digit[T]; /* n's lowest */
    seki_reals inverse;  /* -1 / n mod 2^46, in [-2^45, 2^45] */
} seki_modulus_words;

/* The compiler would begin all products of a tile before it ends one, and run out of registers; a value that passes through
 * here is finished here. */
#define KEEP_ORDER(x) __asm__("" : "+x"(x))

SEKI_INLINE seki_reals nothing(void)
{
    return _mm256_setzero_pd();
}

SEKI_INLINE seki_reals one(void)
{
    return _mm256_set1_pd(1.0);
}

SEKI_INLINE seki_carry no_carry(void)
{
    return nothing();
}

SEKI_INLINE seki_reals bias46(void)
{
    return _mm256_set1_pd(BIAS46);
}

/* x in units of 2^46. */
SEKI_INLINE seki_reals down46(seki_reals x)
{
    return _mm256_mul_pd(x, _mm256_set1_pd(1.0 / RADIX46));
}

/* x to the nearest multiple of 2^46; |x| < 2^97. */
SEKI_INLINE seki_reals round46(seki_reals x)
{
    return _mm256_sub_pd(_mm256_add_pd(x, bias46()), bias46());
}

/* x y mod 2^46, in [-2^45, 2^45]. */
SEKI_INLINE seki_reals low46(seki_reals x, seki_reals y)
{
    return _mm256_fmadd_pd(x, y, _mm256_sub_pd(bias46(), _mm256_fmadd_pd(x, y, bias46())));
}

/* What goes from the column whose `high` this is to the next one. */
SEKI_INLINE seki_reals passed_on(seki_reals high)
{
    return down46(_mm256_sub_pd(high, bias46()));
}

SEKI_INLINE void start_empty(seki_columns *a, seki_reals *spill)
{
    (void)spill; /* collect() adds it */
    SEKI_UNROLL for (int c = 0; c < T; c++)
    {
        a->high[c] = bias46();
        a->low[c] = nothing();
    }
}

SEKI_INLINE void start_half(seki_columns *a, seki_reals *spill)
{
    start_empty(a, spill);
}

SEKI_INLINE void start_at(seki_columns *a, const seki_reals *from, seki_reals *spill)
{
    start_empty(a, spill);
    SEKI_UNROLL for (int c = 0; c < T; c++) a->low[c] = from[c];
}

SEKI_INLINE void add_product(seki_columns *a, int c, seki_reals x, seki_reals y)
{
    seki_reals high = _mm256_fmadd_pd(x, y, a->high[c]);
    seki_reals rest = _mm256_sub_pd(a->high[c], high);
    a->high[c] = high;
    a->low[c] = _mm256_add_pd(a->low[c], _mm256_fmadd_pd(x, y, rest));
    KEEP_ORDER(a->high[c]);
    KEEP_ORDER(a->low[c]);
}

SEKI_INLINE void twice(seki_columns *a)
{
    SEKI_UNROLL for (int c = 0; c < T; c++)
    {
        a->high[c] = _mm256_add_pd(a->high[c], _mm256_sub_pd(a->high[c], bias46()));
        a->low[c] = _mm256_add_pd(a->low[c], a->low[c]);
    }
}

SEKI_INLINE bool crowded(size_t products)
{
    return 3 * products + 3 * T / 2 + 4 > UNITS_MAX;
}

SEKI_INLINE void relieve(seki_columns *a, seki_reals *spill)
{
    (void)spill;
    SEKI_UNROLL for (int c = 0; c < T; c++)
    {
        seki_reals excess = round46(a->low[c]);
        a->low[c] = _mm256_sub_pd(a->low[c], excess);
        a->high[c] = _mm256_add_pd(a->high[c], excess);
    }
}

SEKI_INLINE void collect(seki_columns *a, int cols, seki_reals *spill)
{
    a->low[0] = _mm256_add_pd(a->low[0], *spill);
    *spill = passed_on(a->high[cols - 1]);
    SEKI_UNROLL for (int c = 1; c < T; c++) a->low[c] = _mm256_add_pd(a->low[c], passed_on(a->high[c - 1]));
}

SEKI_INLINE seki_reals column(const seki_columns *a, int c)
{
    return a->low[c];
}

/* Each column passes on what is its own to pass on and keeps what it is given, at most 2^7: no digit waits for another's. */
SEKI_INLINE seki_reals settle(seki_reals column, seki_carry *carry)
{
    seki_reals excess = round46(column);
    seki_reals digit = _mm256_add_pd(_mm256_sub_pd(column, excess), *carry);
    *carry = down46(excess);
    return digit;
}

SEKI_INLINE void resolve(seki_reals *q, const seki_columns *a, const seki_modulus_words *n, seki_carry *carry,
                         seki_reals *spill)
{
    seki_columns left;
    SEKI_UNROLL for (int c = 0; c < T; c++)
    {
        left.high[c] = bias46();
        left.low[c] = a->low[c];
    }
    SEKI_UNROLL for (int c = 0; c < T; c++)
    {
        seki_reals sum = _mm256_add_pd(left.low[c], *carry);
        seki_reals excess = round46(sum);
        seki_reals low = _mm256_sub_pd(sum, excess);
        seki_reals digit = low46(low, n->inverse);
        /* low and the product make a multiple of 2^46. */
        seki_reals high = _mm256_fmadd_pd(digit, n->digit[0], bias46());
        seki_reals rest = _mm256_fmadd_pd(digit, n->digit[0], _mm256_sub_pd(bias46(), high));
        excess = _mm256_add_pd(excess, _mm256_add_pd(low, rest));
        *carry = down46(_mm256_add_pd(excess, _mm256_sub_pd(high, bias46())));
        SEKI_UNROLL for (int d = 1; d < T; d++)
        {
            if (c + d < T)
                add_product(&left, c + d, digit, n->digit[d]);
        }
        if (c + 1 < T && c > 0)
            *carry = _mm256_add_pd(*carry, passed_on(left.high[c]));
        q[c] = digit;
    }
    *spill = _mm256_add_pd(*spill, passed_on(left.high[T - 1]));
}

#include "rsa_kernel.inc"

/* ---- numbers in bytes ------------------------------------------------------------------------- */

/* Digits of 2048, 3072 and 4096 bits: W^D >= 2^10 n, and reduce() maps |x| <= 0.8 n to x^2 / W^D + (1/4 + 1/2) 1.01 n
 * < 0.8 n: quotient digits below the last block multiply M < W^-T 0.51 W^T n, those in it n. */
#define DIGITS(bits) (((bits) + 8 + DIGIT46_BITS - 1) / DIGIT46_BITS)

/* Four digits are 23 bytes. */
enum { DIGITS_AT_ONCE = 4, BYTES_AT_ONCE = DIGITS_AT_ONCE * DIGIT46_BITS / 8 };

SEKI_INLINE seki_words mask46(void)
{
    return _mm256_set1_epi64x(((long long)1 << DIGIT46_BITS) - 1);
}

/* The eight bytes that end `below` bytes before a lane's number's end, as an integer. */
SEKI_INLINE uint64_t load_bytes(const uint8_t *bytes, size_t size, size_t below, size_t lane)
{
    uint64_t word;
    memcpy(&word, bytes + lane * BYTES_STRIDE + BYTES_PAD + size - below - sizeof word, sizeof word);
    return __builtin_bswap64(word);
}

SEKI_INLINE void store_bytes(uint8_t *bytes, size_t size, size_t below, seki_words v)
{
    uint64_t lanes[VECTOR_LANES];
    memcpy(lanes, &v, sizeof v);
    for (size_t lane = 0; lane < VECTOR_LANES; lane++) {
        uint64_t word = __builtin_bswap64(lanes[lane]);
        memcpy(bytes + lane * BYTES_STRIDE + BYTES_PAD + size - below - sizeof word, &word, sizeof word);
    }
}

/* The settled digits of the numbers in the lanes' buffer. */
SEKI_INLINE void read46(seki_reals *out, const uint8_t *bytes, size_t size, size_t digits)
{
    const double two52 = 0x1p52;
    const seki_words exponent = _mm256_castpd_si256(_mm256_set1_pd(two52));
    seki_carry carry = no_carry();
    for (size_t j = 0; j < digits; j++) {
        const size_t below = DIGIT46_BITS * j / 8;
        const int skip = (int)(DIGIT46_BITS * j % 8);
        uint64_t words[VECTOR_LANES];
        for (size_t lane = 0; lane < VECTOR_LANES; lane++)
            words[lane] = load_bytes(bytes, size, below, lane);
        seki_words v = _mm256_setr_epi64x((long long)words[0], (long long)words[1], (long long)words[2], (long long)words[3]);
        v = _mm256_and_si256(_mm256_srl_epi64(v, _mm_cvtsi32_si128(skip)), mask46());
        seki_reals digit = _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(v, exponent)), _mm256_set1_pd(two52));
        out[j] = settle(digit, &carry);
    }
}

/* An integer of at most 2^50 in magnitude. */
SEKI_INLINE seki_words integer(seki_reals x)
{
    const seki_reals magic = _mm256_set1_pd(1.5 * 0x1p52);
    return _mm256_sub_epi64(_mm256_castpd_si256(_mm256_add_pd(x, magic)), _mm256_castpd_si256(magic));
}

/* v / 2^46 rounded down, |v| < 2^62: there is no arithmetic shift of 64-bit integers. */
SEKI_INLINE seki_words carry46(seki_words v)
{
    const seki_words bias = _mm256_set1_epi64x((long long)1 << 62);
    return _mm256_sub_epi64(_mm256_srli_epi64(_mm256_add_epi64(v, bias), DIGIT46_BITS), _mm256_srli_epi64(bias, DIGIT46_BITS));
}

/* Writes the number in [0, n) congruent to x, |x| < n, to the lanes' buffer.  x has room for DIGITS_AT_ONCE - 1 more. */
SEKI_INLINE void write46(uint8_t *bytes, size_t size, seki_reals *x, const seki_reals *n, size_t digits)
{
    seki_words carry = _mm256_setzero_si256();
    for (size_t j = 0; j < digits; j++)
        carry = carry46(_mm256_add_epi64(integer(x[j]), carry));
    const seki_reals negative = _mm256_castsi256_pd(carry); /* all bits or none */
    carry = _mm256_setzero_si256();
    for (size_t j = 0; j < digits; j += DIGITS_AT_ONCE) {
        seki_words d[DIGITS_AT_ONCE];
        SEKI_UNROLL for (size_t i = 0; i < DIGITS_AT_ONCE; i++)
        {
            d[i] = _mm256_setzero_si256();
            if (j + i < digits) {
                seki_reals digit = _mm256_add_pd(x[j + i], _mm256_and_pd(n[j + i], negative));
                seki_words sum = _mm256_add_epi64(integer(digit), carry);
                carry = carry46(sum);
                d[i] = _mm256_and_si256(sum, mask46());
            }
        }
        const size_t below = BYTES_AT_ONCE * (j / DIGITS_AT_ONCE);
        store_bytes(bytes, size, below, _mm256_or_si256(d[0], _mm256_slli_epi64(d[1], 46)));
        store_bytes(bytes, size, below + 8, _mm256_or_si256(_mm256_srli_epi64(d[1], 18), _mm256_slli_epi64(d[2], 28)));
        store_bytes(bytes, size, below + 16, _mm256_or_si256(_mm256_srli_epi64(d[2], 36), _mm256_slli_epi64(d[3], 10)));
    }
}

/* ---- division --------------------------------------------------------------------------------- */

enum { TOP_COLUMNS = T + 3 }; /* columns in which T quotient digits are found before any is multiplied out */

typedef struct {
    seki_reals digit[TOP_COLUMNS]; /* the divisor's highest ones, highest first */
    seki_reals inverse;            /* 1 / the divisor, in units of the highest */
} seki_divisor_top;

/* Minus the quotient digit that top[t] and what follows it call for, taken out there; folds top[t] into top[t + 1].  Adds to
 * `passed` what went up into top[last] from below. */
SEKI_INLINE seki_reals next_quotient(seki_reals top[TOP_COLUMNS], int t, int last, seki_reals *passed,
                                     const seki_divisor_top *n)
{
    const seki_reals radix = _mm256_set1_pd(RADIX46);
    seki_reals sum = _mm256_fmadd_pd(top[t], radix, top[t + 1]);
    sum = _mm256_add_pd(sum, down46(top[t + 2]));
    sum = _mm256_mul_pd(sum, n->inverse);
    seki_reals q = _mm256_sub_pd(nothing(), _mm256_round_pd(sum, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    SEKI_UNROLL for (int j = 0; j < TOP_COLUMNS; j++)
    {
        if (t + 1 + j < TOP_COLUMNS) {
            seki_reals high = _mm256_fmadd_pd(q, n->digit[j], bias46());
            seki_reals low = _mm256_fmadd_pd(q, n->digit[j], _mm256_sub_pd(bias46(), high));
            top[t + j] = _mm256_add_pd(top[t + j], passed_on(high));
            if (t + j == last)
                *passed = _mm256_add_pd(*passed, passed_on(high));
            top[t + 1 + j] = _mm256_add_pd(top[t + 1 + j], low);
        }
    }
    top[t + 1] = _mm256_fmadd_pd(top[t], radix, top[t + 1]);
    return q;
}

/* x = s W^digits mod n, settled and within 0.54 n of 0; 0 <= s < n, settled.
 *   r  room for 2 * digits vectors, and T more below
 *   n  its highest bit set, 2 T zeros below it
 *
 * Schoolbook division from the top, T quotient digits at a time, in columns that are never carried.  With X the remainder
 * before quotient digit i:
 *  (a) q = round(top(X) / top(n)) misses X / (n W^i) by less than 0.54: top(X) and top(n) are exact to some 2^-51 each, which times
 *      a quotient of 2^45 (2^46, the first one) is 2^-5; what three columns leave out of X is below
 *      2^53 / W^2, while n is there at least 2 (90 digits; 2^23 for 45, 2^35 for 67).
 *  (b) So |X - q n W^i| <= 0.54 n W^i, and every q but the first has |q| <= 0.54 W + 1; the first, |q| <= W.
 *  (c) Folding the highest column into the one below it leaves what (b) bounds, less the lower columns' share:
 *      below 2^36 + 2^8.  Both terms are integers and the fused operation rounds once, so this is exact.
 *  (d) A quotient digit adds to a column at most 1.08 units, by way of `high` half of that again, the first one twice as much: in
 *      all 1.62 (D + 1) + 1 < 256 units.
 *  (e) Where a product lies halfway between two multiples of W, the tile that multiplies it out and next_quotient() may divide it
 *      between `high` and `low` differently.  So what went up into the folded column is the tile's, not the other. */
SEKI_INLINE void divide46(seki_reals *x, seki_reals *r, const seki_reals *s, const seki_reals *n, size_t digits)
{
    seki_divisor_top high;
    for (size_t j = 0; j < TOP_COLUMNS; j++)
        high.digit[j] = n[digits - 1 - j];
    seki_reals unit = down46(_mm256_add_pd(high.digit[1], down46(high.digit[2])));
    high.inverse = _mm256_div_pd(one(), _mm256_add_pd(high.digit[0], unit));
    for (size_t j = 0; j < digits; j++) {
        r[j] = nothing();
        r[digits + j] = s[j];
    }

    /* top[j] is column digits + left - 1 - j of r, and what stood above the first one is folded into it. */
    size_t left = digits; /* quotient digits still to find */
    seki_reals top[TOP_COLUMNS], q[T], passed = nothing();
    for (size_t j = 0; j < TOP_COLUMNS; j++)
        top[j] = r[digits + left - 1 - j];
    const size_t tiles = (digits - 1 + T - 1) / T;
    SEKI_UNROLL for (int c = 0; c < T; c++) q[c] = nothing();
    const int first = (int)((digits - 1) % T) + 1;
    SEKI_UNROLL for (int t = 0; t < T; t++)
    {
        if (t < first)
            q[first - 1 - t] = next_quotient(top, t, first, &passed, &high);
    }
    top[0] = top[first];
    left -= (size_t)first;
    for (;;) {
        /* Columns left + digits - 2 and down, the highest tile first. */
        seki_reals now[T];
        SEKI_UNROLL for (int c = 0; c < T; c++) now[c] = q[c];
        seki_reals *row = r + left + digits - 1;
        const seki_reals *part = n + digits - 1;
        for (size_t k = 0; k < tiles; k++) {
            seki_columns a;
            seki_reals spill = nothing();
            row -= T;
            part -= T;
            start_at(&a, row, &spill);
            add_tile(&a, now, part, T, T, -ALL, ALL, ALL);
            collect(&a, T, &spill);
            store_columns(row, &a);
            if (k > 0)
                row[T] = _mm256_add_pd(row[T], spill);
            else
                top[0] = _mm256_add_pd(top[0], _mm256_sub_pd(spill, passed));
            if (k == 1) {
                for (size_t j = 1; j < TOP_COLUMNS; j++)
                    top[j] = r[left + digits - 1 - j];
            }
            if (k == 1 && left > 0) {
                passed = nothing();
                SEKI_UNROLL for (int t = 0; t < T; t++) q[T - 1 - t] = next_quotient(top, t, T, &passed, &high);
            }
        }
        if (left == 0)
            break;
        left -= T;
        top[0] = top[T];
    }
    seki_carry carry = no_carry();
    for (size_t j = 0; j < digits; j++)
        x[j] = settle(j + 1 < digits ? r[j] : top[0], &carry);
}

/* ---- the kernel ----------------------------------------------------------------------------------- */

SEKI_INLINE seki_modulus_words lowest_words(const seki_reals *n)
{
    seki_modulus_words low;
    for (int c = 0; c < T; c++)
        low.digit[c] = n[c];
    /* Newton: x (2 - n x) doubles the bits to which n x = 1; n n = 1 mod 8 gives the first three. */
    seki_reals x = n[0];
    for (int bits = 3; bits < DIGIT46_BITS; bits *= 2)
        x = low46(x, _mm256_sub_pd(_mm256_set1_pd(2.0), low46(x, n[0])));
    low.inverse = _mm256_sub_pd(nothing(), x);
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

/* Four lanes. */
SEKI_INLINE unsigned kernel(uint8_t *const *block, const uint8_t *const *modulus, const uint8_t *const *signature,
                            void *scratch, size_t size)
{
    const size_t digits = DIGITS(8 * size);
    seki_reals *room = scratch;
    seki_reals *n = take(&room, 2 * T, digits, 2 * T);
    seki_reals *m = take(&room, 0, digits, T);
    seki_reals *s = take(&room, T, digits, 2 * T);
    seki_reals *x = take(&room, T, digits, 3 * T);
    seki_reals *wide = take(&room, T, 2 * digits, T);
    uint8_t *bytes = (uint8_t *)room;

    gather_numbers(bytes, modulus, size);
    unsigned counts = mend_moduli(bytes, size);
    read46(n, bytes, size, digits);
    gather_numbers(bytes, signature, size);
    read46(s, bytes, size, digits);

    seki_modulus mod = {.n = n, .m = m, .low = lowest_words(n)};
    find_multiple(m, wide, n, &mod.low, digits);
    divide46(x, wide, s, n, digits);
    raise_to_65537(x, wide, s, &mod, digits);
    write46(bytes, size, x, n, digits);
    scatter_numbers(block, bytes, size);
    return counts;
}

/* Room for the largest size, with the most padding of one array counted for all five. */
_Static_assert(6 * (DIGITS(4096) + 4 * T) * sizeof(seki_reals) + BYTES_SIZE <= SEKI_RSA_SCRATCH_SIZE, "scratch");

/* Not inlined: what changes MXCSR must not change places with what depends on it. */
__attribute__((noinline)) static unsigned four(uint8_t *const *block, const uint8_t *const *modulus,
                                               const uint8_t *const *signature, unsigned bits, void *scratch)
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

/* Whether the four lanes from `lane` on are given what lane 0 was: then at most four rows are asked. */
static bool repeats(const uint8_t *const *from, unsigned lane)
{
    bool same = true;
    for (unsigned i = 0; i < VECTOR_LANES; i++)
        same = same && from[lane + i] == from[0];
    return same;
}

static unsigned copy_first(uint8_t *const *block, unsigned lane, size_t size)
{
    for (unsigned i = 0; i < VECTOR_LANES; i++)
        memmove(block[lane + i], block[0], size); /* the same buffer may stand for several lanes */
    return (1u << VECTOR_LANES) - 1;
}

unsigned seki_rsa_avx2(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                       const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch)
{
    enum { MXCSR_DEFAULT = 0x1f80 }; /* all exceptions masked, round to nearest; Intel SDM, volume 1, 11.6.4 */
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(MXCSR_DEFAULT);
    unsigned counts = 0;
    for (unsigned lane = 0; lane < SEKI_RSA_LANES; lane += VECTOR_LANES) {
        if (lane == 0 || !repeats(modulus, lane) || !repeats(signature, lane))
            counts |= four(block + lane, modulus + lane, signature + lane, bits, scratch) << lane;
        else if ((counts & 1) != 0)
            counts |= copy_first(block, lane, bits / 8) << lane;
    }
    _mm_setcsr(mode);
    return counts;
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

bool seki_rsa_avx2_usable(void)
{
    return seki_cpu_has_avx2();
}

#else

bool seki_rsa_avx2_usable(void)
{
    return false;
}

unsigned seki_rsa_avx2(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                       const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch)
{
    (void)block, (void)modulus, (void)signature, (void)bits, (void)scratch;
    return 0;
}

#endif
