/* ec_lanes.h: ECDSA P-256 and P-384 and Ed25519, eight signatures at a time (Intel crypto_mb).
 *
 * The caller has checked what the kernels must not be trusted with: 0 < r, s < q; S < L; points on
 * their curve and coordinates below p.  Each lane's answer depends on its own inputs alone. */
#ifndef SEKI_EC_LANES_H
#define SEKI_EC_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEKI_EC_LANES = 8 };

/* One signature to verify.  size is 32 (P-256, Ed25519) or 48 (P-384) bytes. */
typedef struct {
    const uint8_t *r, *s;      /* ECDSA: big-endian, `size` bytes each; Ed25519: R and S as in RFC 8032 */
    const uint8_t *message;    /* ECDSA: the leftmost `size` bytes of the hash, zero-padded on the left; Ed25519: the message */
    size_t message_length;     /* Ed25519 only; at most 2^31 - 1 */
    const uint8_t *key;        /* ECDSA: X || Y big-endian; Ed25519: 32 octets */
} seki_ec_lane;

bool seki_ec_lanes_usable(void);

/* Each verifies eight rows (fewer repeat one) and returns a mask: bit i set if lane i's signature is right. */
unsigned seki_p256_lanes(const seki_ec_lane lanes[SEKI_EC_LANES]);
unsigned seki_p384_lanes(const seki_ec_lane lanes[SEKI_EC_LANES]);
unsigned seki_ed25519_lanes(const seki_ec_lane lanes[SEKI_EC_LANES]);

#endif
