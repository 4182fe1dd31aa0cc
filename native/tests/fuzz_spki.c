/* fuzz_spki.c: libFuzzer target for SubjectPublicKeyInfo.
 *
 * Invariant: a key is within the bounds spki.h promises and within the input; OpenSSL reads the same RSA and Ed25519 keys from
 * the same bytes, and the same EC key or none: then, and never else, seki_key_ready refuses it as no point of its curve.
 *
 *   make fuzz TARGET=spki */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "../src/keys.h"
#include "fuzz/fuzz.h"
#include "fuzz/tlv.h"

TLV_CUSTOM_MUTATOR(0)

/* What is ready for use is the key that OpenSSL read. */
static void ready(const seki_public_key *parsed, const EVP_PKEY *theirs)
{
    static seki_key_checker *checker;
    if (checker == NULL)
        checker = seki_key_checker_new();
    seki_key key;
    seki_reason reason = seki_key_ready(checker, parsed, &key);
    require(reason == SEKI_NOT_DECIDED || reason == SEKI_KEY_POINT, "a reason of keys.h");
    if (parsed->kind == SEKI_KEY_RSA)
        require(reason == SEKI_NOT_DECIDED, "RSA is ready");
    else if (parsed->kind != SEKI_KEY_ED25519)
        require((reason == SEKI_NOT_DECIDED) == (theirs != NULL), "on the curve for both, or for neither");
    if (reason != SEKI_NOT_DECIDED)
        return;
    EVP_PKEY *ours = seki_key_to_openssl(&key);
    require(ours != NULL && EVP_PKEY_eq(ours, theirs) == 1, "the same key");
    EVP_PKEY_free(ours);
}

static void same_rsa(const EVP_PKEY *pkey, const seki_public_key *key)
{
    BIGNUM *n = NULL, *e = NULL, *ours = BN_bin2bn(key->modulus.data, (int)key->modulus.length, NULL);
    require(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
                EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && ours != NULL,
            "OpenSSL's numbers");
    require(BN_cmp(n, ours) == 0 && (uint32_t)BN_num_bits(n) == key->bits && BN_is_odd(n), "the modulus");
    require(BN_num_bits(e) <= 64 && BN_get_word(e) == key->exponent && key->exponent % 2 == 1 && key->exponent >= 3,
            "the exponent");
    BN_free(n);
    BN_free(e);
    BN_free(ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    seki_public_key key = {.kind = SEKI_KEY_NONE};
    seki_reason reason = seki_spki_parse((seki_span){data, size}, &key);
    if (reason != SEKI_NOT_DECIDED) {
        require(key.kind == SEKI_KEY_NONE && reason >= SEKI_KEY_MALFORMED && reason <= SEKI_KEY_POINT, "a refusal");
        return 0;
    }
    seki_span material = key.kind == SEKI_KEY_RSA ? key.modulus : key.point;
    require(material.data > data && material.data + material.length <= data + size, "within the input");
    const uint8_t *at = data;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)size);
    require(pkey != NULL || key.kind == SEKI_KEY_P256 || key.kind == SEKI_KEY_P384, "OpenSSL reads it");
    uint8_t theirs[128];
    size_t length = sizeof theirs;
    switch (key.kind) {
    case SEKI_KEY_RSA:
        require(key.bits >= SEKI_RSA_BITS_MIN && key.bits <= SEKI_RSA_BITS_MAX && key.point.length == 0, "RSA bounds");
        same_rsa(pkey, &key);
        break;
    case SEKI_KEY_ED25519:
        require(EVP_PKEY_get_raw_public_key(pkey, theirs, &length) == 1 && length == 32 && material.length == 32 &&
                    memcmp(theirs, material.data, 32) == 0,
                "Ed25519 octets");
        break;
    default:
        require((size_t)key.bits == material.length * 4 && key.exponent == 0, "EC size");
        if (pkey != NULL)
            require(EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, theirs, sizeof theirs, &length) == 1 &&
                        length == 1 + material.length && memcmp(theirs + 1, material.data, material.length) == 0,
                    "EC point");
    }
    ready(&key, pkey);
    EVP_PKEY_free(pkey);
    return 0;
}
