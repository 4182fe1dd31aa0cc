/* ecdsa_der.c: see ecdsa_der.h. */
#include "ecdsa_der.h"

#include "der.h"

static void put(seki_span number, size_t size, uint8_t *out);

bool seki_ecdsa_der_to_raw(seki_span der, size_t order_size, uint8_t *raw)
{
    seki_span in, r, s;
    if (!seki_der_take(&der, SEKI_DER_SEQUENCE, &in, NULL) || der.length != 0)
        return false;
    if (!seki_der_take_magnitude(&in, &r) || !seki_der_take_magnitude(&in, &s) || in.length != 0)
        return false;
    /* A magnitude starts with 00 only if it is zero, and FIPS 186-5, 6.4.2, wants r and s from 1 on. */
    if (r.data[0] == 0 || s.data[0] == 0 || r.length > order_size || s.length > order_size)
        return false;
    put(r, order_size, raw);
    put(s, order_size, raw + order_size);
    return true;
}

static void put(seki_span number, size_t size, uint8_t *out)
{
    memset(out, 0, size - number.length);
    memcpy(out + size - number.length, number.data, number.length);
}
