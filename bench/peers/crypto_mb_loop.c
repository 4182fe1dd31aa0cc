/* crypto_mb_loop.c: the peer "crypto_mb": Intel's multi-buffer kernels called straight from C, eight rows at a time.
 *
 *     crypto_mb_loop FILE
 *
 * Keys are turned into the form that crypto_mb takes beforehand; what is timed is the kernel, and for RSA the comparison
 * with the constructed block (RFC 8017, 8.2.2).  ECDSA signatures are split into r and s beforehand too: this is the raw
 * speed of the kernels, not a verifier one could use. */
#define BN_OPENSSL_DISABLE
#include <crypto_mb/cpu_features.h>
#include <crypto_mb/ec_nistp256.h>
#include <crypto_mb/ec_nistp384.h>
#include <crypto_mb/ed25519.h>
#include <crypto_mb/rsa.h>
#include <crypto_mb/version.h>

#include "loop.h"

enum { LANES = 8, BITS_MAX = 4096, SIZE_MAX_BYTES = BITS_MAX / 8 };

typedef struct {
    uint8_t usable;             /* 0: not a key or a signature of the expected form */
    int64u key[BITS_MAX / 64];  /* RSA modulus, or x and y from 0 and 6 on: little-endian 64-bit words */
    uint8_t signature[SIZE_MAX_BYTES]; /* RSA: as it is; else r || s */
} prepared;

static prepared *rows;
static size_t size; /* bytes of a modulus, or of a coordinate */
static const mbx_RSA_Method *method;
static int8u *buffer;

static void to_words(int64u *words, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length / 8; i++) {
        uint64_t word;
        memcpy(&word, bytes + length - 8 * (i + 1), 8);
        words[i] = __builtin_bswap64(word);
    }
}

/* The modulus out of a SubjectPublicKeyInfo of an RSA key with e = 65537: it ends in INTEGER n, 02 03 01 00 01. */
static const uint8_t *modulus_of(blob spki, size_t bytes)
{
    return spki.length > bytes + 5 ? spki.data + spki.length - 5 - bytes : NULL;
}

/* A DER INTEGER to `length` big-endian bytes. */
static int take_integer(cursor *from, uint8_t *out, size_t length)
{
    if (from->end - from->at < 2 || from->at[0] != 0x02 || from->at[1] == 0 || from->at[1] > 0x7f
        || (size_t)(from->end - from->at) < 2 + (size_t)from->at[1])
        return 0;
    const uint8_t *number = from->at + 2;
    size_t have = from->at[1];
    from->at += 2 + have;
    while (have > 1 && number[0] == 0) {
        number++;
        have--;
    }
    if (have > length)
        return 0;
    memset(out, 0, length - have);
    memcpy(out + length - have, number, have);
    return 1;
}

static int split_ecdsa(blob der, uint8_t *out, size_t length)
{
    cursor from = {der.data, der.data + der.length};
    if (der.length < 2 || der.data[0] != 0x30 || der.data[1] > 0x7f || der.length != 2u + der.data[1])
        return 0;
    from.at += 2;
    return take_integer(&from, out, length) && take_integer(&from, out + length, length) && from.at == from.end;
}

static void prepare(const rows_file *file)
{
    size_t total = (size_t)file->good + file->bad;
    rows = allocate(total, sizeof *rows);
    if (file->algorithm == RSA_SHA256) {
        size = file->rows[0].signature.length;
        method = mbx_RSA_pub65537_Method((int)(8 * size));
        if (size > SIZE_MAX_BYTES || method == NULL)
            fail("crypto_mb has no RSA of this size");
        buffer = allocate((size_t)mbx_RSA_Method_BufSize(method) + 64, 1);
    } else {
        size = file->algorithm == P384_SHA384 ? 48 : 32;
    }
    for (size_t i = 0; i < total; i++) {
        const row *row = &file->rows[i];
        prepared *to = &rows[i];
        if (file->algorithm == RSA_SHA256) {
            const uint8_t *modulus = modulus_of(row->key, size);
            to->usable = modulus != NULL && row->signature.length == size
                         && memcmp(row->signature.data, modulus, size) < 0;
            if (to->usable) {
                to_words(to->key, modulus, size);
                memcpy(to->signature, row->signature.data, size);
            }
        } else if (file->algorithm == ED25519) {
            to->usable = row->signature.length == 64 && row->key.length > 32;
            if (to->usable) {
                memcpy(to->key, row->key.data + row->key.length - 32, 32);
                memcpy(to->signature, row->signature.data, 64);
            }
        } else {
            to->usable = row->key.length > 2 * size && split_ecdsa(row->signature, to->signature, size);
            if (to->usable) {
                to_words(to->key, row->key.data + row->key.length - 2 * size, size);
                to_words(to->key + 6, row->key.data + row->key.length - size, size);
            }
        }
        if (!to->usable) { /* its lane computes something harmless, which does not count */
            *to = rows[0];
            to->usable = 0;
        }
    }
}

/* 00 01 FF... 00 DigestInfo(SHA-256): whether `block` is that block over `digest`. */
static int right_block(const uint8_t *block, const uint8_t *digest)
{
    static const uint8_t info[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    static uint8_t expected[SIZE_MAX_BYTES];
    if (expected[1] == 0) {
        memset(expected, 0xff, size);
        expected[0] = 0;
        expected[1] = 1;
        expected[size - 52] = 0;
        memcpy(expected + size - 51, info, sizeof info);
    }
    memcpy(expected + size - 32, digest, 32);
    return memcmp(block, expected, size) == 0;
}

static void eight_rsa(const size_t index[LANES], const rows_file *file, char *right)
{
    static uint8_t blocks[LANES][SIZE_MAX_BYTES];
    const int8u *from[LANES];
    int8u *to[LANES];
    const int64u *modulus[LANES];
    for (size_t i = 0; i < LANES; i++) {
        from[i] = rows[index[i]].signature;
        to[i] = blocks[i];
        modulus[i] = rows[index[i]].key;
    }
    int8u *aligned = buffer + (64 - (uintptr_t)buffer % 64) % 64;
    mbx_status status = mbx_rsa_public_mb8(from, to, modulus, (int)(8 * size), method, aligned);
    for (int i = 0; i < LANES; i++)
        right[i] = MBX_GET_STS(status, i) == MBX_STATUS_OK && right_block(blocks[i], file->rows[index[i]].digest.data);
}

static void eight_ecdsa(const size_t index[LANES], const rows_file *file, char *right)
{
    const int8u *r[LANES], *s[LANES], *message[LANES];
    const int64u *x[LANES], *y[LANES];
    for (size_t i = 0; i < LANES; i++) {
        r[i] = rows[index[i]].signature;
        s[i] = rows[index[i]].signature + size;
        message[i] = file->rows[index[i]].digest.data;
        x[i] = rows[index[i]].key;
        y[i] = rows[index[i]].key + 6;
    }
    mbx_status status = size == 32 ? mbx_nistp256_ecdsa_verify_mb8(r, s, message, x, y, NULL, NULL)
                                   : mbx_nistp384_ecdsa_verify_mb8(r, s, message, x, y, NULL, NULL);
    for (int i = 0; i < LANES; i++)
        right[i] = MBX_GET_STS(status, i) == MBX_STATUS_OK;
}

static void eight_ed25519(const size_t index[LANES], const rows_file *file, char *right)
{
    const ed25519_sign_component *r[LANES], *s[LANES];
    const int8u *message[LANES];
    int32u length[LANES];
    const ed25519_public_key *key[LANES];
    for (size_t i = 0; i < LANES; i++) {
        r[i] = (const ed25519_sign_component *)(const void *)rows[index[i]].signature;
        s[i] = (const ed25519_sign_component *)(const void *)(rows[index[i]].signature + 32);
        message[i] = file->rows[index[i]].message.data;
        length[i] = (int32u)file->rows[index[i]].message.length;
        key[i] = (const ed25519_public_key *)(const void *)rows[index[i]].key;
    }
    mbx_status status = mbx_ed25519_verify_mb8(r, s, message, length, key);
    for (int i = 0; i < LANES; i++)
        right[i] = MBX_GET_STS(status, i) == MBX_STATUS_OK;
}

static void answer(const rows_file *file, size_t first, size_t count, char *answers)
{
    for (size_t i = 0; i < count; i += LANES) {
        size_t index[LANES];
        char right[LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            index[lane] = first + (i + lane < count ? i + lane : i);
        if (file->algorithm == RSA_SHA256)
            eight_rsa(index, file, right);
        else if (file->algorithm == ED25519)
            eight_ed25519(index, file, right);
        else
            eight_ecdsa(index, file, right);
        for (size_t lane = 0; lane < LANES && i + lane < count; lane++)
            answers[i + lane] = right[lane] && rows[index[lane]].usable ? '1' : '0';
    }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        fail("usage: crypto_mb_loop FILE");
    /* The AVX-512 IFMA path alone is measured; crypto_mb's AVX2 one is another kernel. */
    if (!__builtin_cpu_supports("avx512ifma") || !mbx_is_crypto_mb_applicable(0))
        fail("this CPU has no AVX-512 IFMA");
    rows_file file = load_rows(argv[1]);
    prepare(&file);
    printf("ready crypto_mb %d.%d\n", MBX_VER_MAJOR, MBX_VER_MINOR);
    fflush(stdout);
    serve(&file, answer);
    return 0;
}
