/* digest.h: SHA-2 (FIPS 180-4) without allocation, one message or many at a time. */
#ifndef SEKI_DIGEST_H
#define SEKI_DIGEST_H

#include "../include/sekisho.h"
#include "span.h"

enum { SEKI_SHA256_SIZE = 32, SEKI_DIGEST_SIZE_MAX = 64 };

/* Bytes of SEKI_HASH_*, 0 if unknown. */
size_t seki_digest_size(unsigned hash);

void seki_sha256(seki_span message, uint8_t out[SEKI_SHA256_SIZE]);

/* SHA-256 of the concatenation of `count` spans. */
void seki_sha256_parts(const seki_span *parts, size_t count, uint8_t out[SEKI_SHA256_SIZE]);

/* SHA-256, SHA-384 or SHA-512; false for any other hash. */
bool seki_digest(unsigned hash, seki_span message, uint8_t *out);

/* SHA-256 of `count` messages of any lengths, in lanes where the CPU has them and it wins; out[i] has 32 bytes
 * and overlaps no message. */
void seki_sha256_many(const seki_span *messages, uint8_t (*out)[SEKI_SHA256_SIZE], size_t count);

#endif
