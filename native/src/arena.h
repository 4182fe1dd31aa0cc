/* arena.h: memory for the length of a batch: given out piece by piece, taken back all at once. */
#ifndef SEKI_ARENA_H
#define SEKI_ARENA_H

#include <stddef.h>

typedef struct seki_arena_chunk seki_arena_chunk;

/* Begins as zeros. */
typedef struct {
    seki_arena_chunk *first;
    size_t used; /* bytes of the first chunk */
} seki_arena;

/* `size` bytes, aligned for anything; NULL: out of memory. */
void *seki_arena_take(seki_arena *arena, size_t size);
/* Takes all back, and keeps one chunk for what comes. */
void seki_arena_reset(seki_arena *arena);
void seki_arena_free(seki_arena *arena);

#endif
