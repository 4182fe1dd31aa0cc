#include "references.h"

#include <pthread.h>
#include <stdlib.h>

/* What stands before each certificate in the ring. */
typedef struct {
    uint8_t fingerprint[SEKI_REFERENCE_SIZE];
    uint32_t length; /* bytes of the certificate; it and this header are padded to ALIGN */
    uint32_t zero;
} entry;

enum {
    ALIGN = 8,
    WAYS = 4,          /* places in which a fingerprint can stand */
    TYPICAL = 1024,    /* bytes of a certificate in the ring, below what is usual: a place of the table each */
    BYTES_MIN = 65536 + 256
};

/* Positions count the bytes ever written: one is in the ring if it lies less than `size` behind the head. */
struct seki_references {
    pthread_mutex_t mutex;
    uint64_t head, tail; /* where the next entry is written; the oldest that is whole */
    uint64_t size, mask; /* bytes of the ring; groups of places - 1 */
    uint64_t count;
    uint64_t *places;    /* position + 1; 0: nobody's */
    uint8_t *ring;
};

seki_references *seki_references_new(uint64_t bytes)
{
    if (bytes < BYTES_MIN)
        return NULL;
    seki_references *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->size = bytes / ALIGN * ALIGN;
    uint64_t groups = 1;
    while (groups * WAYS * TYPICAL < made->size)
        groups *= 2;
    made->mask = groups - 1;
    made->places = calloc(groups * WAYS, sizeof *made->places);
    made->ring = malloc(made->size);
    if (made->places == NULL || made->ring == NULL || pthread_mutex_init(&made->mutex, NULL) != 0) {
        free(made->places);
        free(made->ring);
        free(made);
        return NULL;
    }
    return made;
}

void seki_references_free(seki_references *references)
{
    if (references == NULL)
        return;
    pthread_mutex_destroy(&references->mutex);
    free(references->places);
    free(references->ring);
    free(references);
}

static uint64_t *group_of(seki_references *r, const uint8_t fingerprint[SEKI_REFERENCE_SIZE])
{
    return r->places + (seki_read_u64(fingerprint) & r->mask) * WAYS;
}

static size_t space_of(size_t length)
{
    return (sizeof(entry) + length + ALIGN - 1) / ALIGN * ALIGN;
}

static bool alive(const seki_references *r, uint64_t place)
{
    return place != 0 && place - 1 >= r->tail;
}

/* An entry lies in one piece: one that would reach over the ring's end begins at its start. */
static const uint8_t *at(const seki_references *r, uint64_t position)
{
    return r->ring + position % r->size;
}

static uint64_t *find(seki_references *r, const uint8_t fingerprint[SEKI_REFERENCE_SIZE])
{
    uint64_t *group = group_of(r, fingerprint);
    for (size_t i = 0; i < WAYS; i++)
        if (alive(r, group[i]) && memcmp(at(r, group[i] - 1), fingerprint, SEKI_REFERENCE_SIZE) == 0)
            return &group[i];
    return NULL;
}

/* Takes the oldest entries away until `space` bytes from the head on are free. */
static void make_room(seki_references *r, uint64_t space)
{
    while (r->head + space - r->tail > r->size) {
        entry oldest;
        if (r->size - r->tail % r->size < sizeof oldest) {
            r->tail += r->size - r->tail % r->size;
            continue;
        }
        memcpy(&oldest, at(r, r->tail), sizeof oldest);
        if (oldest.length == 0) { /* what was left free before the ring's end */
            r->tail += r->size - r->tail % r->size;
            continue;
        }
        uint64_t *place = find(r, oldest.fingerprint);
        if (place != NULL && *place == r->tail + 1)
            *place = 0;
        r->tail += space_of(oldest.length);
        r->count--;
    }
}

void seki_references_put(seki_references *r, seki_span der)
{
    entry new = {.length = (uint32_t)der.length};
    size_t space = space_of(der.length);
    if (der.length == 0 || space > r->size / 2)
        return;
    seki_sha256(der, new.fingerprint);
    pthread_mutex_lock(&r->mutex);
    if (find(r, new.fingerprint) == NULL) {
        uint64_t left = r->size - r->head % r->size;
        if (left < space) {
            make_room(r, left);
            if (left >= sizeof new)
                memset(r->ring + r->head % r->size, 0, sizeof new);
            r->head += left;
        }
        make_room(r, space);
        uint8_t *to = r->ring + r->head % r->size;
        memcpy(to, &new, sizeof new);
        memcpy(to + sizeof new, der.data, der.length);
        uint64_t *group = group_of(r, new.fingerprint), *oldest = group;
        for (size_t i = 0; i < WAYS && alive(r, *oldest); i++)
            if (!alive(r, group[i]) || group[i] < *oldest)
                oldest = &group[i];
        *oldest = r->head + 1;
        r->head += space;
        r->count++;
    }
    pthread_mutex_unlock(&r->mutex);
}

size_t seki_references_get(seki_references *r, const uint8_t fingerprint[SEKI_REFERENCE_SIZE], uint8_t *out, size_t room)
{
    size_t length = 0;
    pthread_mutex_lock(&r->mutex);
    const uint64_t *place = find(r, fingerprint);
    if (place != NULL) {
        entry found;
        memcpy(&found, at(r, *place - 1), sizeof found);
        length = found.length;
        if (length <= room)
            memcpy(out, at(r, *place - 1) + sizeof found, length);
    }
    pthread_mutex_unlock(&r->mutex);
    return length;
}

uint64_t seki_references_count(seki_references *r)
{
    pthread_mutex_lock(&r->mutex);
    uint64_t count = r->count;
    pthread_mutex_unlock(&r->mutex);
    return count;
}
