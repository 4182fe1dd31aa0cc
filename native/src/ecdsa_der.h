/* ecdsa_der.h: Ecdsa-Sig-Value (RFC 3279, 2.2.3) between DER and the fixed width that verifiers compute with. */
#ifndef SEKI_ECDSA_DER_H
#define SEKI_ECDSA_DER_H

#include "span.h"

/* Reads SEQUENCE { r INTEGER, s INTEGER } in strict DER and nothing after it.
 *   order_size  bytes of the curve's order: 32 for P-256, 48 for P-384
 *   raw         r || s, big-endian, order_size bytes each; written only on true
 * True if both are positive, of minimal form, and fit.  Whether they are below the order is the verifier's to say. */
bool seki_ecdsa_der_to_raw(seki_span der, size_t order_size, uint8_t *raw);

#endif
