/* references.h: certificates of one tenant that may be named by their SHA-256 (docs/PROTOCOL.md, "What requests share").
 *
 * A ring of bytes into which certificates are written one behind the other, the oldest giving way, and a table that finds them.  Memory is
 * reserved at the start and never grows.  Any thread; what is found is copied out.  Nothing of it survives a restart. */
#ifndef SEKI_REFERENCES_H
#define SEKI_REFERENCES_H

#include "digest.h"
#include "frames.h"

typedef struct seki_references seki_references;

/* For `bytes` of certificates and what finds them; NULL: out of memory, or too few for one certificate. */
seki_references *seki_references_new(uint64_t bytes);
void seki_references_free(seki_references *references);

/* Keeps a certificate that was found good.  One that is too large for the ring is not kept. */
void seki_references_put(seki_references *references, seki_span der);

/* The size of the certificate with that SHA-256, copied to `out` if it has `room` for it; 0: it is not kept. */
size_t seki_references_get(seki_references *references, const uint8_t fingerprint[SEKI_REFERENCE_SIZE], uint8_t *out, size_t room);

uint64_t seki_references_count(seki_references *references);

#endif
