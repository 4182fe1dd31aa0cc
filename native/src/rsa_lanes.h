/* rsa_lanes.h: RSA public-key operations, eight at a time, one independent lane each.
 *
 * A kernel computes s^65537 mod n for up to eight (n, s) of one size and nothing else: what the block
 * must look like is judged by the caller (em.h).  Each lane's answer depends on its own inputs alone. */
#ifndef SEKI_RSA_LANES_H
#define SEKI_RSA_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEKI_RSA_LANES = 8 };

/* A kernel.
 *   block      eight buffers of bits / 8 bytes: s^65537 mod n, big-endian, fully reduced
 *   modulus    eight moduli, big-endian, bits / 8 bytes each, top bit set, odd
 *   signature  eight numbers s < n (checked by the caller), big-endian, bits / 8 bytes each
 *   bits       2048, 3072 or 4096
 *   scratch    SEKI_RSA_SCRATCH_SIZE bytes, 64-byte aligned, private to the calling thread
 * No pointer may be NULL; fewer than eight rows repeat one.  Returns a mask of lanes whose answer counts. */
typedef unsigned (*seki_rsa_kernel)(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                                    const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch);

enum { SEKI_RSA_SCRATCH_SIZE = 131072 }; /* bytes; for 4096 bits ours want 78 kB, with IFMA 105 kB, with AVX2 23 kB */

/* Whether this CPU and build can run the kernel; calling one that cannot is undefined. */
bool seki_rsa_avx512_usable(void);
bool seki_rsa_ifma_usable(void);
bool seki_rsa_crypto_mb_usable(void);
bool seki_rsa_avx2_usable(void);

unsigned seki_rsa_avx512(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                         const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch);
unsigned seki_rsa_ifma(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                       const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch);
unsigned seki_rsa_crypto_mb(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                            const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch);
unsigned seki_rsa_avx2(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                       const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch);

#endif
