/* resp.h: reads what a Valkey or Redis server says, RESP version 2 (valkey.io/topics/protocol).  Pure: bytes in, items out.
 *
 * An array is told as its count; its members follow as items of their own. */
#ifndef SEKI_RESP_H
#define SEKI_RESP_H

#include "span.h"

enum {
    SEKI_RESP_LINE_MAX = 1024,   /* bytes of a status, an error or a number; servers' own stay below 300 */
    SEKI_RESP_BULK_MAX = 65536,  /* bytes; INFO replication has 80 for each replica */
    SEKI_RESP_ARRAY_MAX = 16384  /* members; two for each claim of a pipeline, and some */
};

typedef enum { SEKI_RESP_STATUS, SEKI_RESP_ERROR, SEKI_RESP_NUMBER, SEKI_RESP_BULK, SEKI_RESP_NIL, SEKI_RESP_ARRAY } seki_resp_kind;

typedef struct {
    seki_resp_kind kind;
    seki_span text; /* of a status, an error or a bulk string; borrowed from the bytes */
    int64_t number; /* of a number; members of an array */
} seki_resp_item;

typedef enum { SEKI_RESP_WHOLE, SEKI_RESP_MORE, SEKI_RESP_BAD } seki_resp_state;

/* The item that begins at *at; SEKI_RESP_WHOLE moves *at behind it, SEKI_RESP_MORE wants more bytes first. */
seki_resp_state seki_resp_read(seki_span bytes, size_t *at, seki_resp_item *out);

/* Whether the item is a status or a bulk string of just this text. */
bool seki_resp_is(const seki_resp_item *item, seki_resp_kind kind, const char *text);

#endif
