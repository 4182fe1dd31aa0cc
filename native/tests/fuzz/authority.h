/* authority.h: a trust store in memory whose keys a fuzz target holds, so that what it makes of an input can be signed.
 *
 * All keys are Ed25519, made from their numbers; nothing here is secret, and nothing here may ever be trusted. */
#ifndef SEKI_FUZZ_AUTHORITY_H
#define SEKI_FUZZ_AUTHORITY_H

#include "../../src/engine.h"
#include "../../src/trust.h"

enum {
    AUTHORITY_ROOT = 0,        /* anchor; constrains nothing */
    AUTHORITY_ROOT_AGAIN = 1,  /* anchor of the same name with another key: a second generation */
    AUTHORITY_PLAIN = 2,       /* intermediate; constrains nothing */
    AUTHORITY_NAMES = 3,       /* intermediate with name constraints: a.b, JP, 192.0.2.0/24; not x.a.b */
    AUTHORITY_POLICIES = 4,    /* intermediate with policies 1.2.3 and 1.2.4, 1.2.3 mapped to 1.2.4, an explicit policy required */
    AUTHORITY_PURPOSE = 5,     /* intermediate for clientAuth, pathLenConstraint 0 */
    AUTHORITY_ISSUERS = 6,
    AUTHORITY_LEAF_KEY = 6,    /* the keys of what is signed here: the leaf's, and up to four CA certificates' */
    AUTHORITY_KEYS = 12,
    AUTHORITY_PROFILES = 4,
    AUTHORITY_AT = 1780000000  /* seconds; 2026-05-28 */
};

/* The store, its certificates and the four profiles; made at the first call. */
const seki_trust *authority_trust(void);
seki_span authority_certificate(size_t issuer);
const seki_profile *authority_profile(size_t number);

/* Signs `message` with key `number`. */
void authority_sign(size_t key, seki_span message, uint8_t signature[64]);

/* Gives the certificates in `der`, one behind the other, keys and right signatures, as far as their shape allows it: the leaf
 * first, each issued by the one behind it, the last by `issuer` (AUTHORITY_ISSUERS: names stay as they are).  Where `keep_names`,
 * issuer names stay, and whoever has the name signs.  Returns the octets written, and the leaf's among them. */
size_t authority_issue(seki_span der, size_t issuer, bool keep_names, uint8_t *out, size_t room, size_t *leaf);

/* A leaf in good order under `issuer`, as seeds are made of. */
size_t authority_leaf(size_t issuer, uint8_t *out, size_t room);

#endif
