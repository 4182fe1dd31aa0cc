/* fuzz.h: what the fuzz targets share.
 *
 * A target is one function over bytes; its header comment states the invariant that it asserts.  It is linked with libFuzzer
 * (`make fuzz`) or with replay.c, which runs it over files (`make tests`, `make sanitize`). */
#ifndef SEKI_FUZZ_H
#define SEKI_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "../../src/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool held, const char *what)
{
    if (held)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

/* A copy in a block of exactly its size, so that a sanitizer sees each step beyond it.  The caller frees .data. */
static inline seki_span exact_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size != 0 ? size : 1);
    require(copy != NULL, "memory");
    if (size != 0)
        memcpy(copy, data, size);
    return (seki_span){copy, size};
}

/* The bits of an input that a target reads as numbers. */
static inline uint64_t take_bits(const uint8_t **data, size_t *size, size_t octets)
{
    uint64_t value = 0;
    for (; octets != 0; octets--) {
        value = value << 8 | (*size != 0 ? **data : 0);
        if (*size != 0) {
            ++*data;
            --*size;
        }
    }
    return value;
}

#endif
