#include "serial_filter.h"

#include <math.h>
#include <stdatomic.h>

#include "cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Odd constants that tell the eight words apart (Apache Parquet, BloomFilter.md). */
static const uint32_t SALT[8] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};

/* The rate with `mean` entries a block. */
static double rate_of(double mean)
{
    double weight = exp(-mean), left = 1, rate = 0; /* of blocks with so many entries; of a word's bits that are still 0 */
    unsigned most = (unsigned)(mean + 12 * sqrt(mean) + 32);
    for (unsigned in_block = 0; in_block < most; in_block++) {
        double set = 1 - left, two = set * set, four = two * two;
        rate += weight * four * four;
        weight *= mean / (in_block + 1);
        left *= 1 - 1.0 / 32;
    }
    return rate;
}

double seki_filter_rate(uint64_t entries, uint64_t blocks)
{
    return rate_of((double)entries / (double)blocks);
}

uint64_t seki_filter_blocks(uint64_t entries, uint32_t ppm)
{
    enum { BLOCK_BITS = 8 * SEKI_FILTER_BLOCK_SIZE, HALVINGS = 40 };
    double wanted = ppm / 1e6, least = (double)BLOCK_BITS / SEKI_FILTER_BITS_MAX, most = BLOCK_BITS;
    /* The most entries a block that keep the rate. */
    for (unsigned i = 0; i < HALVINGS; i++) {
        double middle = (least + most) / 2;
        if (rate_of(middle) <= wanted)
            least = middle;
        else
            most = middle;
    }
    double blocks = ceil((double)entries / least);
    return blocks < 1 ? 1 : (uint64_t)blocks;
}

void seki_filter_add(uint8_t *filter, uint64_t blocks, uint64_t hash)
{
    uint8_t *block = filter + seki_filter_place(blocks, hash);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t bit = (uint32_t)hash * SALT[i] >> 27;
        block[4 * i + bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

bool seki_filter_may_hold_portable(const uint8_t *filter, uint64_t blocks, uint64_t hash)
{
    const uint8_t *block = filter + seki_filter_place(blocks, hash);
    unsigned missing = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint32_t bit = (uint32_t)hash * SALT[i] >> 27;
        missing |= (unsigned)~block[4 * i + bit / 8] >> bit % 8 & 1;
    }
    return missing == 0;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static bool may_hold_avx2(const uint8_t *filter, uint64_t blocks, uint64_t hash)
{
    const uint8_t *block = filter + seki_filter_place(blocks, hash);
    __m256i salt = _mm256_loadu_si256((const __m256i *)(const void *)SALT);
    __m256i bit = _mm256_srli_epi32(_mm256_mullo_epi32(_mm256_set1_epi32((int)(uint32_t)hash), salt), 27);
    __m256i mask = _mm256_sllv_epi32(_mm256_set1_epi32(1), bit);
    return _mm256_testc_si256(_mm256_loadu_si256((const __m256i *)(const void *)block), mask) != 0;
}
#endif

enum { UNASKED = -1 };

bool seki_filter_may_hold(const uint8_t *filter, uint64_t blocks, uint64_t hash)
{
#if defined(__x86_64__)
    static _Atomic int avx2 = UNASKED; /* asking the CPU costs more than the answer here */
    int has = atomic_load_explicit(&avx2, memory_order_relaxed);
    if (has == UNASKED) {
        has = seki_cpu_has_avx2() ? 1 : 0;
        atomic_store_explicit(&avx2, has, memory_order_relaxed);
    }
    if (has == 1)
        return may_hold_avx2(filter, blocks, hash);
#endif
    return seki_filter_may_hold_portable(filter, blocks, hash);
}
