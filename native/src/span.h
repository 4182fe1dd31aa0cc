/* span.h: a borrowed run of bytes.  Whoever made the span owns nothing; the buffer must outlive it. */
#ifndef SEKI_SPAN_H
#define SEKI_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const uint8_t *data;
    size_t length; /* bytes */
} seki_span;

static inline bool seki_span_equal(seki_span a, seki_span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

#endif
