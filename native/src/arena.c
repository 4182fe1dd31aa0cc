#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

enum { CHUNK = 262144 }; /* bytes; a hundred certificates */

struct seki_arena_chunk {
    seki_arena_chunk *next;
    size_t size;
    alignas(max_align_t) unsigned char data[];
};

void *seki_arena_take(seki_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + align - 1) / align * align;
    if (arena->first == NULL || arena->first->size - arena->used < size) {
        size_t wanted = size > CHUNK ? size : CHUNK;
        seki_arena_chunk *chunk = malloc(sizeof *chunk + wanted);
        if (chunk == NULL)
            return NULL;
        chunk->next = arena->first;
        chunk->size = wanted;
        arena->first = chunk;
        arena->used = 0;
    }
    void *taken = arena->first->data + arena->used;
    arena->used += size;
    return taken;
}

void seki_arena_reset(seki_arena *arena)
{
    seki_arena_chunk *kept = NULL;
    while (arena->first != NULL) {
        seki_arena_chunk *one = arena->first;
        arena->first = one->next;
        if (kept == NULL && one->size == CHUNK) {
            kept = one;
            kept->next = NULL;
        } else {
            free(one);
        }
    }
    arena->first = kept;
    arena->used = 0;
}

void seki_arena_free(seki_arena *arena)
{
    while (arena->first != NULL) {
        seki_arena_chunk *one = arena->first;
        arena->first = one->next;
        free(one);
    }
}
