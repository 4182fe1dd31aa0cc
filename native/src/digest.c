/* OpenSSL's low-level functions are deprecated since 3.0, yet they are what the hot path needs: EVP_Digest
 * (and the one-shot SHA256(), which calls it) fetches the algorithm and allocates a context each time. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "digest.h"
#include "sha256_lanes.h"

#include <openssl/sha.h>

size_t seki_digest_size(unsigned hash)
{
    switch (hash) {
    case SEKI_HASH_SHA1:
        return SHA_DIGEST_LENGTH;
    case SEKI_HASH_SHA256:
        return SHA256_DIGEST_LENGTH;
    case SEKI_HASH_SHA384:
        return SHA384_DIGEST_LENGTH;
    case SEKI_HASH_SHA512:
        return SHA512_DIGEST_LENGTH;
    default:
        return 0;
    }
}

/* The low-level calls below are pure arithmetic on the caller's context; none can fail (each returns 1 always). */

void seki_sha256(seki_span message, uint8_t out[SEKI_SHA256_SIZE])
{
    seki_sha256_parts(&message, 1, out);
}

void seki_sha256_parts(const seki_span *parts, size_t count, uint8_t out[SEKI_SHA256_SIZE])
{
    SHA256_CTX context;
    SHA256_Init(&context);
    for (size_t i = 0; i < count; i++)
        SHA256_Update(&context, parts[i].data, parts[i].length);
    SHA256_Final(out, &context);
}

bool seki_digest(unsigned hash, seki_span message, uint8_t *out)
{
    SHA512_CTX context; /* of SHA-384 too */
    switch (hash) {
    case SEKI_HASH_SHA256:
        seki_sha256(message, out);
        return true;
    case SEKI_HASH_SHA384:
        SHA384_Init(&context);
        SHA384_Update(&context, message.data, message.length);
        SHA384_Final(out, &context);
        return true;
    case SEKI_HASH_SHA512:
        SHA512_Init(&context);
        SHA512_Update(&context, message.data, message.length);
        SHA512_Final(out, &context);
        return true;
    default:
        return false;
    }
}

/* Blocks through one state, for messages that lanes began: a context without bytes in its buffer is but its state. */
static void compress(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    SHA256_CTX context;
    SHA256_Init(&context);
    memcpy(context.h, state, sizeof context.h);
    SHA256_Update(&context, data, blocks * SEKI_SHA256_BLOCK_SIZE);
    memcpy(state, context.h, sizeof context.h);
}
_Static_assert(sizeof(SHA_LONG) == sizeof(uint32_t), "OpenSSL's words of the SHA-256 state have 32 bits");

void seki_sha256_many(const seki_span *messages, uint8_t (*out)[SEKI_SHA256_SIZE], size_t count)
{
    const seki_sha256_lanes *lanes = seki_sha256_lanes_choice();
    if (count >= lanes->minimum && seki_sha256_lanes_usable()) {
        seki_sha256_lanes_run(lanes, messages, out, count, compress);
        return;
    }
    for (size_t i = 0; i < count; i++)
        seki_sha256(messages[i], out[i]);
}
