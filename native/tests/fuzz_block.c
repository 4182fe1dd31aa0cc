/* fuzz_block.c: libFuzzer target for the block that an RSA signature must open to.
 *
 * Invariant: a block is made exactly when family, hash and sizes allow it; OpenSSL then takes it for the same padding around the
 * same T, and only for that: one octet changed anywhere is another block.  Nothing is written beyond it.
 *
 *   make fuzz TARGET=block */
#define OPENSSL_SUPPRESS_DEPRECATED /* the padding check by itself */
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "../src/block.h"
#include "../src/digest.h"
#include "fuzz/fuzz.h"

enum { SIZE_MAX_ = 600 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned family = (unsigned)take_bits(&data, &size, 1) % 9, hash = (unsigned)take_bits(&data, &size, 1) % 7;
    size_t block_size = (size_t)take_bits(&data, &size, 2) % SIZE_MAX_;
    seki_span value = exact_copy(data, size);
    uint8_t *block = malloc(block_size != 0 ? block_size : 1), t[SIZE_MAX_];
    require(block != NULL, "memory");
    bool made = seki_block_construct(family, hash, value, block, block_size);

    size_t prefix = family == SEKI_FAMILY_PKCS1 ? 19 : 0, digest = hash >= SEKI_HASH_SHA256 && hash <= SEKI_HASH_SHA512 ? 32 + 16 * (hash - 2) : 0;
    bool hashed = family == SEKI_FAMILY_PKCS1 || family == SEKI_FAMILY_PKCS1_BARE;
    if (family == SEKI_FAMILY_PKCS1_BARE && hash == SEKI_HASH_SHA1)
        digest = seki_digest_size(hash);
    bool wanted = (hashed ? value.length != 0 && value.length == digest : family == SEKI_FAMILY_PKCS1_RAW && value.length != 0) &&
                  value.length + prefix + 11 <= block_size; /* RFC 8017, 9.2, step 3 */
    require(made == wanted, "made where it may be");
    if (made) {
        int length = RSA_padding_check_PKCS1_type_1(t, sizeof t, block, (int)block_size, (int)block_size);
        require(length == (int)(prefix + value.length) && memcmp(t + prefix, value.data, value.length) == 0, "OpenSSL finds T");
        if (prefix != 0)
            require(t[0] == 0x30 && t[1] == prefix - 2 + value.length && t[prefix - 1] == value.length, "a DigestInfo");
        ERR_clear_error();
    }
    free(block);
    free((void *)(uintptr_t)value.data);
    return 0;
}
