/* serial_filter.h: which serials are certainly not in a set, in one cache line.
 *
 * A split-block Bloom filter (Putze, Sanders, Singler, 2007, "blocked"; the eight-word form of Apache Parquet): a block has 256 bits in
 * eight words, a serial sets one bit in each word of one block.  The bits are the same on every CPU.
 * Where serials are dense a bitmap may take its place (serial_index.h): that one is exact. */
#ifndef SEKI_SERIAL_FILTER_H
#define SEKI_SERIAL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    SEKI_FILTER_BLOCK_SIZE = 32,    /* bytes */
    SEKI_FILTER_BITS_MAX = 16,      /* bits an entry, at most, whatever rate is asked for: 0.06 % */
    SEKI_FILTER_PPM_DEFAULT = 5000  /* false positives a million look-ups: each costs some 100 ns in the exact set, a bit 1/8 byte */
};

/* Blocks for `entries` and a rate of false positives in parts per million; at least 1. */
uint64_t seki_filter_blocks(uint64_t entries, uint32_t ppm);

/* The rate to expect with so many entries in so many blocks, by theory: blocks fill by a Poisson distribution. */
double seki_filter_rate(uint64_t entries, uint64_t blocks);

/* Sets the bits of a hash.  `filter` has `blocks` blocks. */
void seki_filter_add(uint8_t *filter, uint64_t blocks, uint64_t hash);

/* Whether all bits of a hash are set.  blocks > 0. */
bool seki_filter_may_hold(const uint8_t *filter, uint64_t blocks, uint64_t hash);

/* The same without vectors: what the other is held against. */
bool seki_filter_may_hold_portable(const uint8_t *filter, uint64_t blocks, uint64_t hash);

/* Offset of the hash's block. */
static inline size_t seki_filter_place(uint64_t blocks, uint64_t hash)
{
    return (size_t)(((hash >> 32) * blocks) >> 32) * SEKI_FILTER_BLOCK_SIZE;
}

/* A 64-bit hash of a serial's magnitude of 1 to 20 octets.  Fixed, since filters are kept in files; whoever finds serials that
 * collide finds more work for the exact set, and no other answer. */
static inline uint64_t seki_serial_hash(const uint8_t *serial, size_t length);

/* ---- inlined ----------------------------------------------------------------------------------- */

static inline uint64_t seki_load64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static inline uint64_t seki_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t seki_serial_hash(const uint8_t *serial, size_t length)
{
    const uint64_t k0 = UINT64_C(0x9e3779b97f4a7c15), k1 = UINT64_C(0xd6e8feb86659fd93), k2 = UINT64_C(0xa0761d6478bd642f);
    uint64_t a = 0, b = 0, c = 0;
    if (length >= 8) { /* overlapping words cover every octet */
        a = seki_load64(serial);
        b = seki_load64(serial + length - 8);
        c = length > 16 ? seki_load64(serial + 8) : 0;
    } else {
        for (size_t i = 0; i < length; i++)
            a = a << 8 | serial[i];
    }
    return seki_mix(seki_mix(a ^ k0, b ^ k1) ^ c, length ^ k2) ^ seki_mix(a ^ c ^ k2, b ^ k0);
}

#endif
