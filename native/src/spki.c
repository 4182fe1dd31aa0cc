/* spki.c: see spki.h. */
#include "spki.h"

#include "der.h"
#include "oid.h"
#include "value.h"

static bool split(seki_span der, seki_span *oid, seki_span *parameters, seki_span *bits);
static seki_reason rsa_read(seki_span key, seki_public_key *out);
static seki_reason ec_read(seki_span parameters, seki_span point, seki_public_key *out);
static seki_reason ed25519_read(seki_span parameters, seki_span point, seki_public_key *out);

seki_reason seki_spki_parse(seki_span der, seki_public_key *out)
{
    seki_span oid, parameters, bits, octets;
    if (!split(der, &oid, &parameters, &bits))
        return SEKI_KEY_MALFORMED;
    bool rsa = SEKI_OID_IS(oid, SEKI_OID_RSA);
    bool ec = SEKI_OID_IS(oid, SEKI_OID_EC);
    bool ed25519 = SEKI_OID_IS(oid, SEKI_OID_ED25519);
    if (!rsa && !ec && !ed25519) /* id-RSASSA-PSS among them: its parameters bind the key to one mode */
        return SEKI_KEY_UNSUPPORTED;
    if (bits.data[0] != 0) /* keys are whole octets */
        return SEKI_KEY_MALFORMED;
    octets = (seki_span){bits.data + 1, bits.length - 1};
    if (rsa) {
        /* RFC 3279, 2.3.1: "The parameters field MUST have ASN.1 type NULL". */
        if (parameters.length != 2 || parameters.data[0] != SEKI_DER_NULL)
            return SEKI_KEY_MALFORMED;
        return rsa_read(octets, out);
    }
    return ec ? ec_read(parameters, octets, out) : ed25519_read(parameters, octets, out);
}

bool seki_spki_is_well_formed(seki_span der)
{
    seki_span oid, parameters, bits;
    return split(der, &oid, &parameters, &bits);
}

/* SubjectPublicKeyInfo ::= SEQUENCE { algorithm SEQUENCE { OID, parameters ANY OPTIONAL }, BIT STRING }; the bits with
 * their count of unused ones in front. */
static bool split(seki_span der, seki_span *oid, seki_span *parameters, seki_span *bits)
{
    seki_span info, rest, content;
    uint8_t tag;
    if (!seki_der_take(&der, SEKI_DER_SEQUENCE, &info, NULL) || der.length != 0)
        return false;
    if (!seki_der_take(&info, SEKI_DER_SEQUENCE, parameters, NULL) || !seki_der_take_oid(parameters, oid))
        return false;
    rest = *parameters;
    if (rest.length != 0 && (!seki_der_take_any(&rest, &tag, &content, NULL) || rest.length != 0 ||
                             !seki_value_is_valid(tag, content)))
        return false;
    return seki_der_take(&info, SEKI_DER_BIT_STRING, bits, NULL) && info.length == 0 && seki_der_bits_are_valid(*bits);
}

/* RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } (RFC 8017, A.1.1) */
static seki_reason rsa_read(seki_span key, seki_public_key *out)
{
    seki_span in, modulus, exponent;
    if (!seki_der_take(&key, SEKI_DER_SEQUENCE, &in, NULL) || key.length != 0)
        return SEKI_KEY_MALFORMED;
    if (!seki_der_take_magnitude(&in, &modulus) || !seki_der_take_magnitude(&in, &exponent) || in.length != 0)
        return SEKI_KEY_MALFORMED;
    if (modulus.data[0] == 0) /* zero is no modulus */
        return SEKI_KEY_MALFORMED;
    size_t bits = modulus.length * 8;
    for (uint8_t top = modulus.data[0]; (top & 0x80) == 0; top = (uint8_t)(top << 1))
        bits--;
    if (bits < SEKI_RSA_BITS_MIN)
        return SEKI_KEY_TOO_SMALL;
    if (bits > SEKI_RSA_BITS_MAX)
        return SEKI_KEY_TOO_LARGE;
    if ((modulus.data[modulus.length - 1] & 1) == 0)
        return SEKI_KEY_MODULUS_EVEN;
    if ((exponent.data[exponent.length - 1] & 1) == 0)
        return SEKI_KEY_EXPONENT;
    if (exponent.length == 1 && exponent.data[0] < 3)
        return SEKI_KEY_EXPONENT;
    if (exponent.length > SEKI_RSA_EXPONENT_SIZE_MAX) /* a key that mathematics allows and nobody uses */
        return SEKI_KEY_UNSUPPORTED;
    uint64_t e = 0;
    for (size_t i = 0; i < exponent.length; i++)
        e = e << 8 | exponent.data[i];
    *out = (seki_public_key){.kind = SEKI_KEY_RSA, .bits = (uint32_t)bits, .exponent = e, .modulus = modulus};
    return SEKI_NOT_DECIDED;
}

/* RFC 5480, 2.1.1 and 2.2: a named curve, and the point's octets as the content of the BIT STRING. */
static seki_reason ec_read(seki_span parameters, seki_span point, seki_public_key *out)
{
    seki_span curve;
    if (parameters.length == 0)
        return SEKI_KEY_MALFORMED;
    if (!seki_der_next_is(parameters, SEKI_DER_OID)) /* a curve spelled out, or one implied */
        return SEKI_KEY_UNSUPPORTED;
    if (!seki_der_take_oid(&parameters, &curve))
        return SEKI_KEY_MALFORMED;
    seki_key_kind kind;
    size_t size; /* octets of a coordinate */
    if (SEKI_OID_IS(curve, SEKI_OID_P256)) {
        kind = SEKI_KEY_P256;
        size = 32;
    } else if (SEKI_OID_IS(curve, SEKI_OID_P384)) {
        kind = SEKI_KEY_P384;
        size = 48;
    } else {
        return SEKI_KEY_UNSUPPORTED;
    }
    /* Compressed and hybrid forms and the point at infinity are refused with everything else. */
    if (point.length != 1 + 2 * size || point.data[0] != 0x04)
        return SEKI_KEY_POINT;
    *out = (seki_public_key){.kind = kind, .bits = (uint32_t)size * 8, .point = {point.data + 1, 2 * size}};
    return SEKI_NOT_DECIDED;
}

/* RFC 8410, 3 and 4: no parameters, 32 octets. */
static seki_reason ed25519_read(seki_span parameters, seki_span point, seki_public_key *out)
{
    if (parameters.length != 0 || point.length != 32)
        return SEKI_KEY_MALFORMED;
    *out = (seki_public_key){.kind = SEKI_KEY_ED25519, .bits = 256, .point = point};
    return SEKI_NOT_DECIDED;
}
