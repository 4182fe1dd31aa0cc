/* fuzz_ecdsa_der.c: libFuzzer target for ECDSA signatures in DER.
 *
 * Invariant: accepted exactly when OpenSSL reads a signature whose encoding gives the same bytes again and whose r and s are
 * positive and fit; r and s are then OpenSSL's.
 *
 * The input's first byte chooses the order's size; the rest is the signature.
 *
 *   make fuzz TARGET=ecdsa_der */
#include <openssl/bn.h>
#include <openssl/ecdsa.h>

#include "../src/ecdsa_der.h"
#include "fuzz/fuzz.h"
#include "fuzz/tlv.h"

TLV_CUSTOM_MUTATOR(1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t sizes[] = {32, 48, 66, 1};
    if (size == 0)
        return 0;
    size_t order_size = sizes[data[0] % 4];
    data++;
    size--;

    uint8_t raw[132], theirs[132], *again = NULL;
    memset(raw, 0xee, sizeof raw);
    bool ours = seki_ecdsa_der_to_raw((seki_span){data, size}, order_size, raw);

    bool wanted = false;
    const uint8_t *at = data;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)size);
    if (signature != NULL) {
        const BIGNUM *r = ECDSA_SIG_get0_r(signature), *s = ECDSA_SIG_get0_s(signature);
        int length = i2d_ECDSA_SIG(signature, &again);
        wanted = length >= 0 && (size_t)length == size && memcmp(again, data, size) == 0 && !BN_is_negative(r) &&
                 !BN_is_negative(s) && !BN_is_zero(r) && !BN_is_zero(s) &&
                 BN_bn2binpad(r, theirs, (int)order_size) == (int)order_size &&
                 BN_bn2binpad(s, theirs + order_size, (int)order_size) == (int)order_size;
        OPENSSL_free(again);
        ECDSA_SIG_free(signature);
    }
    require(ours == wanted, "OpenSSL agrees");
    if (ours)
        require(memcmp(raw, theirs, 2 * order_size) == 0, "r and s are OpenSSL's");
    else
        require(raw[0] == 0xee, "nothing is written");
    return 0;
}
