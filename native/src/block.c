#include "block.h"

#include "digest.h"

enum { PREFIX_SIZE = 19, PS_MIN = 8 };

/* DigestInfo before the hash, RFC 8017, 9.2, note 1: parameters NULL and present. */
static const uint8_t SHA256_PREFIX[PREFIX_SIZE] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                                   0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
static const uint8_t SHA384_PREFIX[PREFIX_SIZE] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                                   0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30};
static const uint8_t SHA512_PREFIX[PREFIX_SIZE] = {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                                   0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40};

bool seki_block_construct(unsigned family, unsigned hash, seki_span value, uint8_t *block, size_t size)
{
    seki_span prefix = {NULL, 0};
    if (family == SEKI_FAMILY_PKCS1) {
        const uint8_t *bytes = hash == SEKI_HASH_SHA256   ? SHA256_PREFIX
                               : hash == SEKI_HASH_SHA384 ? SHA384_PREFIX
                               : hash == SEKI_HASH_SHA512 ? SHA512_PREFIX
                                                          : NULL;
        if (bytes == NULL)
            return false;
        prefix = (seki_span){bytes, PREFIX_SIZE};
    }
    if (family == SEKI_FAMILY_PKCS1 || family == SEKI_FAMILY_PKCS1_BARE) {
        if (value.length == 0 || value.length != seki_digest_size(hash))
            return false;
    } else if (family != SEKI_FAMILY_PKCS1_RAW || value.length == 0) {
        return false;
    }
    if (value.length > size || size - value.length < prefix.length + 3 + PS_MIN)
        return false;
    size_t padding = size - 3 - prefix.length - value.length;
    block[0] = 0x00;
    block[1] = 0x01;
    memset(block + 2, 0xff, padding);
    block[2 + padding] = 0x00;
    if (prefix.length != 0)
        memcpy(block + 3 + padding, prefix.data, prefix.length);
    memcpy(block + 3 + padding + prefix.length, value.data, value.length);
    return true;
}
