#include "cache.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "fork_lock.h"

/* Cells of three sizes, for keys of up to 2048, 3072 and 4096 bits.  Chunks of one size are taken from a
 * shard's region as they are needed; a chunk never changes its size. */
enum {
    CLASSES = 3,
    CHUNK_SIZE = 16384,      /* bytes */
    CHUNK_CELLS_MAX = 32,
    SHARDS = 64,
    FORGED_SLOTS = 16384,    /* 1 MiB; the last forged certificates, whoever sent them */
    NO_CELL = -1
};

typedef struct {
    seki_entry entry;
    uint32_t generation; /* of the cell: a handle names cell and generation */
    uint8_t used;
    uint8_t referenced;  /* CLOCK's bit */
    uint8_t key[];       /* 256, 384 or 512 bytes */
} cell;

static const size_t CELL_SIZE[CLASSES] = {
    (sizeof(cell) + 256 + 7) & ~(size_t)7,
    (sizeof(cell) + 384 + 7) & ~(size_t)7,
    (sizeof(cell) + 512 + 7) & ~(size_t)7,
};

/* docs/ARCHITECTURE.md: 768 bytes for RSA-2048, 256 more per further 1,024 bits; the index takes up to 16 a cell. */
_Static_assert(sizeof(cell) + 256 + 7 + 16 <= 768, "an entry for RSA-2048 has grown beyond its bound");

/* A slot of the index: which cell, and 32 bits of its fingerprint so that most misses end here. */
typedef struct {
    int32_t cell; /* chunk * CHUNK_CELLS_MAX + place + 1; 0: empty; NO_CELL: deleted */
    uint32_t tag;
} slot;

typedef struct {
    _Atomic int32_t owner; /* process id of the holder, 0 if free */
    uint8_t *region;
    slot *index;
    uint8_t *chunk_class;
    size_t chunks_max, chunks, index_mask;
    size_t hand[CLASSES], cells[CLASSES], free_cells[CLASSES];
    size_t deleted;
    uint64_t entries, hits, misses, inserted, evicted;
} shard;

typedef struct {
    uint8_t fingerprint[32];
    uint64_t trust;
} forged;

struct seki_cache {
    uint64_t bytes_max;
    shard shards[SHARDS];
    _Atomic int32_t forged_owner;
    _Atomic uint64_t forged_hits;
    forged *forged;
    void *mapping;
    size_t mapping_size;
};

static shard *shard_of(seki_cache *cache, const uint8_t fingerprint[32])
{
    return &cache->shards[fingerprint[0] % SHARDS];
}

static uint32_t tag_of(const uint8_t fingerprint[32])
{
    uint32_t tag;
    memcpy(&tag, fingerprint + 1, 4);
    return tag;
}

static size_t home_of(const shard *s, const uint8_t fingerprint[32])
{
    uint64_t home;
    memcpy(&home, fingerprint + 5, 8);
    return (size_t)home & s->index_mask;
}

static size_t chunk_cells(unsigned class)
{
    return CHUNK_SIZE / CELL_SIZE[class];
}

static cell *cell_at(const shard *s, int32_t id)
{
    size_t number = (size_t)(id - 1), chunk = number / CHUNK_CELLS_MAX, place = number % CHUNK_CELLS_MAX;
    return (cell *)(void *)(s->region + chunk * CHUNK_SIZE + place * CELL_SIZE[s->chunk_class[chunk]]);
}

/* ---- locks ------------------------------------------------------------------------------------- */

static void empty(shard *s)
{
    memset(s->index, 0, (s->index_mask + 1) * sizeof *s->index);
    for (size_t chunk = 0; chunk < s->chunks; chunk++)
        for (size_t place = 0; place < chunk_cells(s->chunk_class[chunk]); place++) {
            cell *c = cell_at(s, (int32_t)(chunk * CHUNK_CELLS_MAX + place + 1));
            c->used = 0;
            c->generation++;
        }
    for (unsigned class = 0; class < CLASSES; class++)
        s->free_cells[class] = s->cells[class];
    s->deleted = 0;
    s->entries = 0;
}

static void lock_shard(shard *s)
{
    if (seki_fork_lock(&s->owner))
        empty(s);
}

/* ---- making ------------------------------------------------------------------------------------ */

seki_cache *seki_cache_new(uint64_t bytes)
{
    const uint64_t fixed = sizeof(seki_cache) + FORGED_SLOTS * sizeof(forged);
    uint64_t per_shard = bytes > fixed ? (bytes - fixed) / SHARDS : 0;
    size_t chunks = 0, index = 0;
    /* As many chunks as fit beside an index of at least 1.5 slots a cell. */
    for (size_t n = 1; n <= (1u << 26) / CHUNK_CELLS_MAX - 1; n++) {
        size_t slots = 32;
        while (slots * 2 < n * chunk_cells(0) * 3)
            slots *= 2;
        if (n * (CHUNK_SIZE + 1) + slots * sizeof(slot) > per_shard)
            break;
        chunks = n;
        index = slots;
    }
    if (chunks == 0)
        return NULL;
    seki_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return NULL;
    cache->forged = calloc(FORGED_SLOTS, sizeof *cache->forged);
    size_t shard_size = chunks * CHUNK_SIZE + index * sizeof(slot) + ((chunks + 63) & ~(size_t)63);
    cache->mapping_size = shard_size * SHARDS;
    cache->mapping = mmap(NULL, cache->mapping_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                          -1, 0);
    if (cache->forged == NULL || cache->mapping == MAP_FAILED) {
        cache->mapping_size = cache->mapping == MAP_FAILED ? 0 : cache->mapping_size;
        seki_cache_free(cache);
        return NULL;
    }
    cache->bytes_max = bytes;
    for (size_t i = 0; i < SHARDS; i++) {
        uint8_t *base = (uint8_t *)cache->mapping + i * shard_size;
        cache->shards[i].region = base;
        cache->shards[i].index = (slot *)(void *)(base + chunks * CHUNK_SIZE);
        cache->shards[i].chunk_class = base + chunks * CHUNK_SIZE + index * sizeof(slot);
        cache->shards[i].chunks_max = chunks;
        cache->shards[i].index_mask = index - 1;
    }
    return cache;
}

void seki_cache_free(seki_cache *cache)
{
    if (cache == NULL)
        return;
    free(cache->forged);
    if (cache->mapping_size != 0)
        (void)munmap(cache->mapping, cache->mapping_size);
    free(cache);
}

/* ---- the index --------------------------------------------------------------------------------- */

/* The slot that holds `fingerprint`, or NULL.  The index always has an empty slot, so the walk ends. */
static slot *find(const shard *s, const uint8_t fingerprint[32])
{
    uint32_t tag = tag_of(fingerprint);
    for (size_t at = home_of(s, fingerprint);; at = (at + 1) & s->index_mask) {
        slot *candidate = &s->index[at];
        if (candidate->cell == 0)
            return NULL;
        if (candidate->cell != NO_CELL && candidate->tag == tag
            && memcmp(cell_at(s, candidate->cell)->entry.fingerprint, fingerprint, 32) == 0)
            return candidate;
    }
}

static void index_add(shard *s, const uint8_t fingerprint[32], int32_t id)
{
    size_t at = home_of(s, fingerprint);
    while (s->index[at].cell > 0)
        at = (at + 1) & s->index_mask;
    if (s->index[at].cell == NO_CELL)
        s->deleted--;
    s->index[at] = (slot){.cell = id, .tag = tag_of(fingerprint)};
}

/* Deleted slots make walks longer: once they are a quarter of the index it is built anew. */
static void index_rebuild(shard *s)
{
    memset(s->index, 0, (s->index_mask + 1) * sizeof *s->index);
    s->deleted = 0;
    for (size_t chunk = 0; chunk < s->chunks; chunk++)
        for (size_t place = 0; place < chunk_cells(s->chunk_class[chunk]); place++) {
            int32_t id = (int32_t)(chunk * CHUNK_CELLS_MAX + place + 1);
            if (cell_at(s, id)->used)
                index_add(s, cell_at(s, id)->entry.fingerprint, id);
        }
}

static void evict(shard *s, cell *victim)
{
    slot *held = find(s, victim->entry.fingerprint);
    if (held != NULL) {
        *held = (slot){.cell = NO_CELL, .tag = 0};
        s->deleted++;
    }
    victim->used = 0;
    victim->generation++;
    s->entries--;
    s->evicted++;
    if (s->deleted > (s->index_mask + 1) / 4)
        index_rebuild(s);
}

/* ---- cells ------------------------------------------------------------------------------------- */

static bool add_chunk(shard *s, unsigned class)
{
    if (s->chunks == s->chunks_max)
        return false;
    s->chunk_class[s->chunks++] = (uint8_t)class;
    s->cells[class] += chunk_cells(class);
    s->free_cells[class] += chunk_cells(class);
    return true;
}

/* The next cell of the class that CLOCK's hand meets; there is at least one. */
static int32_t advance(shard *s, unsigned class)
{
    for (;;) {
        size_t hand = s->hand[class], chunk = hand / CHUNK_CELLS_MAX, place = hand % CHUNK_CELLS_MAX;
        if (chunk >= s->chunks) {
            s->hand[class] = 0;
        } else if (s->chunk_class[chunk] != class || place >= chunk_cells(class)) {
            s->hand[class] = (chunk + 1) * CHUNK_CELLS_MAX;
        } else {
            s->hand[class] = hand + 1;
            return (int32_t)hand + 1;
        }
    }
}

/* A cell for a new entry, evicting one if it must; NO_CELL if the shard has no room for the class at all. */
static int32_t take_cell(shard *s, unsigned class)
{
    if (s->free_cells[class] == 0 && !add_chunk(s, class) && s->cells[class] == 0)
        return NO_CELL;
    /* Twice round at most: the first round clears every referenced bit. */
    for (;;) {
        int32_t id = advance(s, class);
        cell *c = cell_at(s, id);
        if (!c->used) {
            s->free_cells[class]--;
            return id;
        }
        if (s->free_cells[class] != 0)
            continue;
        if (c->referenced) {
            c->referenced = 0;
            continue;
        }
        evict(s, c);
        return id;
    }
}

static uint64_t handle_of(const seki_cache *cache, const shard *s, int32_t id)
{
    return (uint64_t)cell_at(s, id)->generation << 32 | (uint64_t)(s - cache->shards) << 26 | (uint64_t)(uint32_t)id;
}

/* ---- use --------------------------------------------------------------------------------------- */

bool seki_cache_get(seki_cache *cache, const uint8_t fingerprint[32], seki_cached *out)
{
    shard *s = shard_of(cache, fingerprint);
    lock_shard(s);
    const slot *held = find(s, fingerprint);
    if (held != NULL) {
        cell *c = cell_at(s, held->cell);
        c->referenced = 1;
        out->entry = c->entry;
        memcpy(out->key, c->key, c->entry.key_length);
        out->handle = handle_of(cache, s, held->cell);
        s->hits++;
    } else {
        s->misses++;
    }
    seki_fork_unlock(&s->owner);
    return held != NULL;
}

/* The newest finding stands first; one for the same pair is replaced, else the oldest goes. */
static void add_finding(seki_entry *entry, const seki_finding *finding)
{
    size_t place = 0;
    while (place + 1 < SEKI_CACHE_PATHS && entry->findings[place].trust != 0
           && (entry->findings[place].trust != finding->trust || entry->findings[place].profile != finding->profile))
        place++;
    memmove(&entry->findings[1], &entry->findings[0], place * sizeof entry->findings[0]);
    entry->findings[0] = *finding;
}

void seki_cache_put(seki_cache *cache, seki_cached *in)
{
    in->handle = 0;
    if (in->entry.key_length > SEKI_CACHE_KEY_BYTES_MAX)
        return;
    unsigned class = in->entry.key_length <= 256 ? 0 : in->entry.key_length <= 384 ? 1 : 2;
    shard *s = shard_of(cache, in->entry.fingerprint);
    lock_shard(s);
    const slot *held = find(s, in->entry.fingerprint);
    int32_t id = held != NULL ? held->cell : take_cell(s, class);
    if (held != NULL) {
        cell *c = cell_at(s, id);
        if (memcmp(c->entry.issuer, in->entry.issuer, sizeof c->entry.issuer) == 0) {
            add_finding(&c->entry, &in->entry.findings[0]);
            if (in->entry.points.known)
                c->entry.points = in->entry.points;
        } else {
            c->entry = in->entry;
            c->generation++;
        }
        c->referenced = 1;
    } else if (id != NO_CELL) {
        cell *c = cell_at(s, id);
        c->entry = in->entry;
        memcpy(c->key, in->key, in->entry.key_length);
        c->used = 1;
        c->referenced = 0;
        c->generation++;
        index_add(s, in->entry.fingerprint, id);
        s->entries++;
        s->inserted++;
    }
    if (id != NO_CELL)
        in->handle = handle_of(cache, s, id);
    seki_fork_unlock(&s->owner);
}

static forged *forged_slot(seki_cache *cache, const uint8_t fingerprint[32])
{
    uint32_t place;
    memcpy(&place, fingerprint + 16, 4);
    return &cache->forged[place % FORGED_SLOTS];
}

static void lock_forged(seki_cache *cache)
{
    if (seki_fork_lock(&cache->forged_owner))
        memset(cache->forged, 0, FORGED_SLOTS * sizeof *cache->forged);
}

bool seki_cache_forged(seki_cache *cache, const uint8_t fingerprint[32], uint64_t trust)
{
    lock_forged(cache);
    const forged *f = forged_slot(cache, fingerprint);
    bool known = f->trust == trust && memcmp(f->fingerprint, fingerprint, 32) == 0;
    seki_fork_unlock(&cache->forged_owner);
    if (known)
        atomic_fetch_add_explicit(&cache->forged_hits, 1, memory_order_relaxed);
    return known;
}

void seki_cache_put_forged(seki_cache *cache, const uint8_t fingerprint[32], uint64_t trust)
{
    lock_forged(cache);
    forged *f = forged_slot(cache, fingerprint);
    memcpy(f->fingerprint, fingerprint, 32);
    f->trust = trust;
    seki_fork_unlock(&cache->forged_owner);
}

bool seki_cache_by_handle(seki_cache *cache, uint64_t handle, seki_entry *out)
{
    shard *s = &cache->shards[handle >> 26 & (SHARDS - 1)];
    uint32_t id = (uint32_t)(handle & 0x3ffffff), generation = (uint32_t)(handle >> 32);
    lock_shard(s);
    bool there = id != 0 && (id - 1) / CHUNK_CELLS_MAX < s->chunks
                 && (id - 1) % CHUNK_CELLS_MAX < chunk_cells(s->chunk_class[(id - 1) / CHUNK_CELLS_MAX]);
    if (there) {
        const cell *c = cell_at(s, (int32_t)id);
        there = c->used && c->generation == generation;
        if (there)
            *out = c->entry;
    }
    seki_fork_unlock(&s->owner);
    return there;
}

void seki_cache_read_statistics(seki_cache *cache, seki_cache_statistics *out)
{
    *out = (seki_cache_statistics){.bytes_max = cache->bytes_max,
                                   .bytes = sizeof *cache + FORGED_SLOTS * sizeof *cache->forged,
                                   .forged_hits = atomic_load(&cache->forged_hits)};
    for (size_t i = 0; i < SHARDS; i++) {
        shard *s = &cache->shards[i];
        lock_shard(s);
        out->entries += s->entries;
        out->bytes += s->chunks * CHUNK_SIZE + (s->index_mask + 1) * sizeof(slot);
        out->hits += s->hits;
        out->misses += s->misses;
        out->inserted += s->inserted;
        out->evicted += s->evicted;
        seki_fork_unlock(&s->owner);
    }
}

void seki_cache_clear(seki_cache *cache)
{
    for (size_t i = 0; i < SHARDS; i++) {
        lock_shard(&cache->shards[i]);
        empty(&cache->shards[i]);
        seki_fork_unlock(&cache->shards[i].owner);
    }
    lock_forged(cache);
    memset(cache->forged, 0, FORGED_SLOTS * sizeof *cache->forged);
    seki_fork_unlock(&cache->forged_owner);
}
