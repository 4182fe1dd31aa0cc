#include "ec_lanes.h"

#include "cpu.h"

#ifdef SEKI_HAVE_CRYPTO_MB

#define BN_OPENSSL_DISABLE
#include <crypto_mb/cpu_features.h>
#include <crypto_mb/ec_nistp256.h>
#include <crypto_mb/ec_nistp384.h>
#include <crypto_mb/ed25519.h>
#include <limits.h>
#include <string.h>

bool seki_ec_lanes_usable(void)
{
    return seki_cpu_has_crypto_mb();
}

/* crypto_mb takes coordinates as little-endian 64-bit words. */
static void to_words(int64u *words, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size / 8; i++) {
        uint64_t word;
        memcpy(&word, bytes + size - 8 * (i + 1), 8);
        words[i] = __builtin_bswap64(word);
    }
}

static unsigned right_lanes(mbx_status status)
{
    unsigned mask = 0;
    for (int i = 0; i < SEKI_EC_LANES; i++)
        if (MBX_GET_STS(status, i) == MBX_STATUS_OK)
            mask |= 1u << i;
    return mask;
}

typedef mbx_status (*ecdsa_verify)(const int8u *const[8], const int8u *const[8], const int8u *const[8],
                                   const int64u *const[8], const int64u *const[8], const int64u *const[8], int8u *);

static unsigned ecdsa_lanes(ecdsa_verify verify, size_t size, const seki_ec_lane lanes[SEKI_EC_LANES])
{
    int64u x[SEKI_EC_LANES][6], y[SEKI_EC_LANES][6];
    const int8u *r[SEKI_EC_LANES], *s[SEKI_EC_LANES], *message[SEKI_EC_LANES];
    const int64u *px[SEKI_EC_LANES], *py[SEKI_EC_LANES];
    for (size_t i = 0; i < SEKI_EC_LANES; i++) {
        to_words(x[i], lanes[i].key, size);
        to_words(y[i], lanes[i].key + size, size);
        px[i] = x[i];
        py[i] = y[i];
        r[i] = lanes[i].r;
        s[i] = lanes[i].s;
        message[i] = lanes[i].message;
    }
    return right_lanes(verify(r, s, message, px, py, NULL, NULL));
}

unsigned seki_p256_lanes(const seki_ec_lane lanes[SEKI_EC_LANES])
{
    return ecdsa_lanes(mbx_nistp256_ecdsa_verify_mb8, 32, lanes);
}

unsigned seki_p384_lanes(const seki_ec_lane lanes[SEKI_EC_LANES])
{
    return ecdsa_lanes(mbx_nistp384_ecdsa_verify_mb8, 48, lanes);
}

unsigned seki_ed25519_lanes(const seki_ec_lane lanes[SEKI_EC_LANES])
{
    const ed25519_sign_component *r[SEKI_EC_LANES], *s[SEKI_EC_LANES];
    const int8u *message[SEKI_EC_LANES];
    int32u length[SEKI_EC_LANES];
    const ed25519_public_key *key[SEKI_EC_LANES];
    unsigned fits = 0;
    for (size_t i = 0; i < SEKI_EC_LANES; i++) {
        r[i] = (const ed25519_sign_component *)(const void *)lanes[i].r;
        s[i] = (const ed25519_sign_component *)(const void *)lanes[i].s;
        message[i] = lanes[i].message;
        length[i] = lanes[i].message_length > INT_MAX ? 0 : (int32u)lanes[i].message_length;
        key[i] = (const ed25519_public_key *)(const void *)lanes[i].key;
        fits |= (lanes[i].message_length <= INT_MAX ? 1u : 0u) << i;
    }
    return right_lanes(mbx_ed25519_verify_mb8(r, s, message, length, key)) & fits;
}

#else

bool seki_ec_lanes_usable(void)
{
    return false;
}

unsigned seki_p256_lanes(const seki_ec_lane lanes[SEKI_EC_LANES])
{
    (void)lanes;
    return 0;
}

unsigned seki_p384_lanes(const seki_ec_lane lanes[SEKI_EC_LANES])
{
    (void)lanes;
    return 0;
}

unsigned seki_ed25519_lanes(const seki_ec_lane lanes[SEKI_EC_LANES])
{
    (void)lanes;
    return 0;
}

#endif
