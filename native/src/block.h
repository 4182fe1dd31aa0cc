/* block.h: the block that an RSA signature must open to, constructed whole (docs/SECURITY.md).
 *
 * Nothing here parses: a signature is right when s^e mod n equals the one block that the message, the
 * mode and the key's size allow (RFC 8017, 8.2.2; Bleichenbacher 2006 is why). */
#ifndef SEKI_BLOCK_H
#define SEKI_BLOCK_H

#include "../include/sekisho.h"
#include "span.h"

/* Writes 00 01 FF..FF 00 T, `size` bytes (RFC 8017, 9.2), PS of at least eight octets.
 *   family  SEKI_FAMILY_PKCS1 (T = DigestInfo of `hash` and `value`), _PKCS1_BARE or _PKCS1_RAW (T = `value`)
 * False if the family is another, the hash is unknown, `value` is not the hash's size, or T is empty or does not fit. */
bool seki_block_construct(unsigned family, unsigned hash, seki_span value, uint8_t *block, size_t size);

#endif
