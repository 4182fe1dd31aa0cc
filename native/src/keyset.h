/* keyset.h: keys parsed once, shared by calls (sekisho.h, "key sets"). */
#ifndef SEKI_KEYSET_H
#define SEKI_KEYSET_H

#include "keys.h"

struct seki_keyset {
    uint64_t count;
    uint16_t *reasons;             /* 0, or why the key cannot be used */
    seki_key *keys;                /* `bytes`, `kept` and `context` point into the three below */
    uint8_t *bytes;
    _Atomic(EVP_PKEY *) *kept;
    _Atomic(seki_kept_context *) *contexts;
};

#endif
