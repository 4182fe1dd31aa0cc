/* rsa_crypto_mb.c: the RSA kernel of Intel Cryptography Primitives' crypto_mb (AVX-512 IFMA).
 * See rsa_lanes.h for what a kernel does. */
#include "rsa_lanes.h"

#ifdef SEKI_HAVE_CRYPTO_MB

#define BN_OPENSSL_DISABLE
#include <crypto_mb/cpu_features.h>
#include <crypto_mb/rsa.h>
#include <string.h>
#include <xmmintrin.h>

#include "cpu.h"

enum {
    SIZE_MAX_BYTES = 4096 / 8,
    MXCSR_DEFAULT = 0x1f80 /* all exceptions masked, round to nearest (Intel SDM, volume 1, 10.2.3) */
};

/* crypto_mb would also take AVX2 IFMA; that path is not tested here, so it is not used. */
bool seki_rsa_crypto_mb_usable(void)
{
    return seki_cpu_has_crypto_mb();
}

unsigned seki_rsa_crypto_mb(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                            const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch)
{
    if (bits != 2048 && bits != 3072 && bits != 4096)
        return 0;
    const mbx_RSA_Method *method = mbx_RSA_pub65537_Method((int)bits);
    if (method == NULL)
        return 0;
    const int room = mbx_RSA_Method_BufSize(method);
    const size_t moduli = SEKI_RSA_LANES * SIZE_MAX_BYTES;
    if (room <= 0 || (size_t)room > SEKI_RSA_SCRATCH_SIZE - moduli)
        return 0;

    /* Moduli go in as little-endian 64-bit words.  One that a kernel must not take (rsa_lanes.h) is made one that
     * it may, and its lane does not count. */
    int64u *words = scratch;
    const int64u *n[SEKI_RSA_LANES];
    const size_t count = bits / 64;
    unsigned fit = 0;
    for (size_t lane = 0; lane < SEKI_RSA_LANES; lane++, words += count) {
        for (size_t i = 0; i < count; i++) {
            uint64_t word;
            memcpy(&word, modulus[lane] + 8 * (count - 1 - i), sizeof word);
            words[i] = __builtin_bswap64(word);
        }
        if ((words[0] & 1) != 0 && words[count - 1] >> 63 != 0)
            fit |= 1u << lane;
        words[0] |= 1;
        words[count - 1] |= (int64u)1 << 63;
        n[lane] = words;
    }

    /* crypto_mb divides in doubles: it must round to nearest and not trap, whatever the caller does. */
    const unsigned mxcsr = _mm_getcsr();
    _mm_setcsr(MXCSR_DEFAULT);
    const mbx_status status =
        mbx_rsa_public_mb8(signature, block, n, (int)bits, method, (int8u *)scratch + SEKI_RSA_LANES * SIZE_MAX_BYTES);
    _mm_setcsr(mxcsr);
    for (int lane = 0; lane < SEKI_RSA_LANES; lane++)
        if (MBX_GET_STS(status, lane) != MBX_STATUS_OK)
            fit &= ~(1u << lane);
    return fit;
}

#else

bool seki_rsa_crypto_mb_usable(void)
{
    return false;
}

unsigned seki_rsa_crypto_mb(uint8_t *const block[SEKI_RSA_LANES], const uint8_t *const modulus[SEKI_RSA_LANES],
                            const uint8_t *const signature[SEKI_RSA_LANES], unsigned bits, void *scratch)
{
    (void)block, (void)modulus, (void)signature, (void)bits, (void)scratch;
    return 0;
}

#endif
