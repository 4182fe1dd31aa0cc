/* serial_index_builder.c: from entries in any order to an index (serial_index.h).
 *
 * Entries gather in a buffer; a full one is sorted and goes, as a run, to an unlinked file.  At the end the runs are merged once, each
 * read through a small window, straight into the sections.  Memory is the index itself, the buffer and the windows. */
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "serial_index.h"

enum {
    WINDOW_MAX = 512,      /* entries of a run read at once: 20 KiB */
    WINDOW_MIN = 16,       /* where there are so many runs that their windows would outgrow the buffer */
    BUFFER_MIN = 1024,     /* entries */
    AHEAD = 16,            /* cache lines on their way at once */
    RADIX_BITS = 11,
    RADIX = 1 << RADIX_BITS,
    RADIX_PASSES = 6       /* of 64 bits */
};

/* An entry as it is sorted.  `key` is a short serial as a number, or a long one's first eight octets. */
typedef struct {
    uint64_t key;
    uint8_t rest[12];
    uint8_t length; /* 0: short */
    uint8_t reason;
    uint8_t spare[2];
    int64_t date, invalidity;
} record;

typedef struct {
    uint64_t key;
    uint32_t place;
} ticket;

/* A sorted run: in memory, or in the file. */
typedef struct {
    record *window;
    size_t at, have;     /* in the window */
    uint64_t next, left; /* in the file: where to go on, and how many */
} run;

struct seki_index_builder {
    uint64_t ppm;
    char *directory;
    record *buffer, *sorted;
    ticket *tickets, *other;
    size_t room, fill;
    int file;
    uint64_t spilled;    /* records in the file */
    size_t run_count, run_room;
    uint64_t *run_ends;  /* in the file */
    uint64_t count, counts[SEKI_SERIAL_SIZE_MAX + 1], invalidities;
    uint64_t key_min, key_max; /* of short ones */
    int64_t date_min, date_max;
    uint32_t reasons;    /* seen */
    bool failed;
};

static void sort_buffer(seki_index_builder *b);
static seki_status spill(seki_index_builder *b);
static int order(const record *a, const record *b);

seki_index_builder *seki_index_builder_new(const seki_index_options *options)
{
    seki_index_builder *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    uint64_t memory = options->memory_bytes != 0 ? options->memory_bytes : SEKI_INDEX_MEMORY_DEFAULT;
    uint64_t room = memory / (2 * sizeof(record) + 2 * sizeof(ticket));
    b->room = room < BUFFER_MIN ? BUFFER_MIN : room > UINT32_MAX ? UINT32_MAX : (size_t)room;
    b->ppm = options->filter_ppm != 0 ? options->filter_ppm : SEKI_FILTER_PPM_DEFAULT;
    b->file = -1;
    b->key_min = UINT64_MAX;
    b->date_min = INT64_MAX;
    b->date_max = INT64_MIN;
    const char *directory = options->spill_directory != NULL ? options->spill_directory : getenv("TMPDIR");
    b->directory = strdup(directory != NULL && directory[0] != 0 ? directory : "/tmp");
    if (b->directory == NULL) {
        seki_index_builder_free(b);
        return NULL;
    }
    return b;
}

void seki_index_builder_free(seki_index_builder *b)
{
    if (b == NULL)
        return;
    if (b->file >= 0)
        (void)close(b->file);
    free(b->directory);
    free(b->buffer);
    free(b->sorted);
    free(b->tickets);
    free(b->other);
    free(b->run_ends);
    free(b);
}

/* Most sets are small: the buffer grows up to its bound. */
static bool grow_buffer(seki_index_builder *b)
{
    static const size_t first = 256;
    size_t room = b->fill == 0 ? first : b->fill * 4;
    if (room > b->room)
        room = b->room;
    record *buffer = realloc(b->buffer, room * sizeof *buffer);
    if (buffer == NULL)
        return false;
    b->buffer = buffer;
    return true;
}

static bool full(size_t fill)
{
    /* Sizes of the buffer on its way up: 256, 1024, 4096 … */
    return fill == 0 || (fill >= 256 && (fill & (fill - 1)) == 0 && __builtin_ctzll(fill) % 2 == 0);
}

seki_status seki_index_builder_add(seki_index_builder *b, const seki_revoked *entry)
{
    if (entry->length == 0 || entry->length > SEKI_SERIAL_SIZE_MAX || (entry->length > 1 && entry->serial[0] == 0)
        || entry->reason >= SEKI_INDEX_REASONS_MAX || entry->date < SEKI_INDEX_DATE_MIN || entry->date > SEKI_INDEX_DATE_MAX)
        return SEKI_E_ARGUMENT;
    if (b->failed)
        return SEKI_E_SYSTEM;
    if (b->fill == b->room) {
        seki_status status = spill(b);
        if (status != SEKI_OK) {
            b->failed = true;
            return status;
        }
    } else if (b->spilled == 0 && full(b->fill) && !grow_buffer(b)) {
        b->failed = true;
        return SEKI_E_MEMORY;
    }
    record *r = &b->buffer[b->fill++];
    uint64_t key = 0;
    size_t head = entry->length <= SEKI_INDEX_SHORT ? entry->length : 8;
    for (size_t i = 0; i < head; i++)
        key = key << 8 | entry->serial[i];
    *r = (record){.key = key, .reason = entry->reason, .date = entry->date, .invalidity = entry->invalidity};
    if (entry->length > SEKI_INDEX_SHORT) {
        r->length = entry->length;
        memcpy(r->rest, entry->serial + 8, sizeof r->rest < (size_t)entry->length - 8 ? sizeof r->rest : (size_t)entry->length - 8);
    } else {
        b->key_min = key < b->key_min ? key : b->key_min;
        b->key_max = key > b->key_max ? key : b->key_max;
    }
    b->count++;
    b->counts[r->length]++;
    b->invalidities += entry->invalidity != SEKI_NO_TIME;
    b->reasons |= UINT32_C(1) << entry->reason;
    b->date_min = entry->date < b->date_min ? entry->date : b->date_min;
    b->date_max = entry->date > b->date_max ? entry->date : b->date_max;
    return SEKI_OK;
}

/* ---- sorting ----------------------------------------------------------------------------------- */

/* By length (0: short), then as numbers, which for one length is as octets. */
static int order(const record *a, const record *b)
{
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return memcmp(a->rest, b->rest, sizeof a->rest);
}

/* Tickets by key, least digit first; digits that all keys share are passed over. */
static ticket *radix_sort(ticket *from, ticket *to, size_t count)
{
    uint64_t any = 0, all = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        any |= from[i].key;
        all &= from[i].key;
    }
    for (unsigned pass = 0; pass < RADIX_PASSES; pass++) {
        unsigned shift = pass * RADIX_BITS;
        if (((any ^ all) >> shift & (RADIX - 1)) == 0)
            continue;
        size_t starts[RADIX] = {0}, sum = 0;
        for (size_t i = 0; i < count; i++)
            starts[from[i].key >> shift & (RADIX - 1)]++;
        for (size_t digit = 0; digit < RADIX; digit++) {
            size_t here = starts[digit];
            starts[digit] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++)
            to[starts[from[i].key >> shift & (RADIX - 1)]++] = from[i];
        ticket *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

static bool in_order(const record *records, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (order(&records[i - 1], &records[i]) > 0)
            return false;
    return true;
}

/* Leaves the buffer's records in `buffer`, in order. */
static void sort_buffer(seki_index_builder *b)
{
    if (in_order(b->buffer, b->fill))
        return;
    for (size_t i = 0; i < b->fill; i++)
        b->tickets[i] = (ticket){.key = b->buffer[i].key, .place = (uint32_t)i};
    const ticket *tickets = radix_sort(b->tickets, b->other, b->fill);
    size_t starts[SEKI_SERIAL_SIZE_MAX + 1] = {0}, sum = 0;
    for (size_t i = 0; i < b->fill; i++)
        starts[b->buffer[i].length]++;
    for (size_t length = 0; length <= SEKI_SERIAL_SIZE_MAX; length++) {
        size_t here = starts[length];
        starts[length] = sum;
        sum += here;
    }
    for (size_t i = 0; i < b->fill; i++) { /* by length, keeping the order of keys */
        const record *from = &b->buffer[tickets[i].place];
        b->sorted[starts[from->length]++] = *from;
    }
    /* Long serials whose first eight octets are the same stand side by side, in any order. */
    for (size_t i = 0; i < b->fill;) {
        size_t end = i + 1;
        while (end < b->fill && b->sorted[end].length == b->sorted[i].length && b->sorted[end].key == b->sorted[i].key)
            end++;
        if (end - i > 1 && b->sorted[i].length != 0)
            qsort(&b->sorted[i], end - i, sizeof b->sorted[i], (int (*)(const void *, const void *))order);
        i = end;
    }
    record *swap = b->buffer;
    b->buffer = b->sorted;
    b->sorted = swap;
}

static bool prepare_sort(seki_index_builder *b)
{
    if (b->sorted != NULL)
        return true;
    size_t room = b->spilled != 0 || b->fill == b->room ? b->room : b->fill;
    b->sorted = malloc((room + 1) * sizeof *b->sorted);
    b->tickets = malloc((room + 1) * sizeof *b->tickets);
    b->other = malloc((room + 1) * sizeof *b->other);
    return b->sorted != NULL && b->tickets != NULL && b->other != NULL;
}

/* ---- runs -------------------------------------------------------------------------------------- */

static int unlinked_file(const char *directory)
{
    char path[PATH_MAX];
    int file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return file;
    if ((size_t)snprintf(path, sizeof path, "%s/sekisho-XXXXXX", directory) >= sizeof path)
        return -1;
    file = mkostemp(path, O_CLOEXEC);
    if (file >= 0)
        (void)unlink(path);
    return file;
}

static bool transfer(int file, uint8_t *bytes, size_t length, uint64_t offset, bool write)
{
    while (length != 0) {
        ssize_t done = write ? pwrite(file, bytes, length, (off_t)offset) : pread(file, bytes, length, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        offset += (uint64_t)done;
        length -= (size_t)done;
    }
    return true;
}

/* Sorts the buffer and puts it away. */
static seki_status spill(seki_index_builder *b)
{
    if (!prepare_sort(b))
        return SEKI_E_MEMORY;
    if (b->run_count == b->run_room) {
        size_t room = b->run_room != 0 ? 2 * b->run_room : 16;
        uint64_t *ends = realloc(b->run_ends, room * sizeof *ends);
        if (ends == NULL)
            return SEKI_E_MEMORY;
        b->run_ends = ends;
        b->run_room = room;
    }
    if (b->file < 0 && (b->file = unlinked_file(b->directory)) < 0)
        return SEKI_E_SYSTEM;
    sort_buffer(b);
    if (!transfer(b->file, (uint8_t *)b->buffer, b->fill * sizeof *b->buffer, b->spilled * sizeof *b->buffer, true))
        return SEKI_E_SYSTEM;
    b->spilled += b->fill;
    b->run_ends[b->run_count++] = b->spilled;
    b->fill = 0;
    return SEKI_OK;
}

/* All runs, and the heap of those that have something left, least first. */
typedef struct {
    int file;
    run *runs;
    size_t count;
    record *windows; /* of the runs in the file, one behind the other */
    size_t window;   /* records a window */
    size_t *heap;
    size_t heap_count;
    bool failed;
} merge;

static const record *peek(const merge *m, size_t which)
{
    return &m->runs[which].window[m->runs[which].at];
}

static void sift(merge *m, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1;
        for (size_t child = left; child < left + 2 && child < m->heap_count; child++)
            if (order(peek(m, m->heap[child]), peek(m, m->heap[least])) < 0)
                least = child;
        if (least == at)
            return;
        size_t swap = m->heap[at];
        m->heap[at] = m->heap[least];
        m->heap[least] = swap;
        at = least;
    }
}

/* Whether the run has a record, reading on where its window is used up. */
static bool refill(merge *m, run *r)
{
    if (r->at < r->have)
        return true;
    if (r->left == 0)
        return false;
    r->have = r->left < m->window ? (size_t)r->left : m->window;
    if (!transfer(m->file, (uint8_t *)r->window, r->have * sizeof *r->window, r->next * sizeof *r->window, false)) {
        m->failed = true;
        return false;
    }
    r->at = 0;
    r->next += r->have;
    r->left -= r->have;
    return true;
}

static void merge_free(merge *m)
{
    free(m->windows);
    free(m->runs);
    free(m->heap);
}

static bool merge_begin(merge *m, seki_index_builder *b)
{
    *m = (merge){.file = b->file, .count = b->run_count + 1};
    m->runs = calloc(m->count, sizeof *m->runs);
    m->heap = calloc(m->count, sizeof *m->heap);
    size_t window = b->room / m->count;
    m->window = window < WINDOW_MIN ? WINDOW_MIN : window > WINDOW_MAX ? WINDOW_MAX : window;
    m->windows = calloc(m->count, m->window * sizeof *m->windows);
    if (m->runs == NULL || m->heap == NULL || m->windows == NULL)
        return false;
    uint64_t from = 0;
    for (size_t i = 0; i < b->run_count; i++) {
        m->runs[i].window = m->windows + i * m->window;
        m->runs[i].next = from;
        m->runs[i].left = b->run_ends[i] - from;
        from = b->run_ends[i];
    }
    m->runs[b->run_count] = (run){.window = b->buffer, .have = b->fill};
    for (size_t i = 0; i < m->count; i++)
        if (refill(m, &m->runs[i]))
            m->heap[m->heap_count++] = i;
    for (size_t i = m->heap_count; i-- > 0;)
        sift(m, i);
    return !m->failed;
}

/* The next record of all, in order. */
static bool merge_next(merge *m, record *out)
{
    if (m->heap_count == 0)
        return false;
    run *r = &m->runs[m->heap[0]];
    *out = r->window[r->at++];
    if (!refill(m, r)) {
        if (m->failed)
            return false;
        m->heap[0] = m->heap[--m->heap_count];
    }
    sift(m, 0);
    return true;
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* The index as it is made: all sections but the last have their size from the start. */
typedef struct {
    uint8_t *bytes;
    uint64_t length, room;
    uint64_t ahead[AHEAD], hashed; /* hashes whose lines of the filter are on their way; how many there were */
    uint64_t filter, filter_blocks, payload, invalidity, blocks, keys; /* offsets; filter_blocks are bits of a bitmap */
    uint64_t long_keys[SEKI_SERIAL_SIZE_MAX + 1];
    bool is_bitmap;
    unsigned date_bits, reason_bits;
    uint8_t reason_code[SEKI_INDEX_REASONS_MAX];
    uint64_t entry, invalid, in_block, block, key_bit; /* how far it is */
    uint64_t block_keys[SEKI_INDEX_BLOCK];
} making;

static void put32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static void put64(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* ORs a field of at most 57 bits into zeroed memory that has slack behind it. */
static void pack(uint8_t *section, uint64_t bit, uint64_t value)
{
    uint8_t *at = section + bit / 8;
    put64(at, seki_load64(at) | value << bit % 8);
}

static unsigned bits_for(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

static uint64_t aligned(uint64_t length)
{
    return (length + SEKI_INDEX_ALIGNMENT - 1) / SEKI_INDEX_ALIGNMENT * SEKI_INDEX_ALIGNMENT;
}

static uint64_t reserve(making *m, uint64_t length)
{
    uint64_t at = m->length;
    m->length = aligned(at + length);
    return at;
}

/* A bitmap is exact, and takes the filter's place where it is no larger. */
static void choose_filter(making *m, const seki_index_builder *b)
{
    m->filter_blocks = b->count == 0 ? 0 : seki_filter_blocks(b->count, (uint32_t)b->ppm);
    uint64_t filter = m->filter_blocks * SEKI_FILTER_BLOCK_SIZE;
    if (b->count != 0 && b->counts[0] == b->count && (b->key_max - b->key_min) / 8 < filter) {
        m->is_bitmap = true;
        m->filter_blocks = b->key_max - b->key_min + 1;
        filter = (m->filter_blocks + 7) / 8;
    }
    m->filter = reserve(m, filter);
}

static seki_status lay_out(making *m, const seki_index_builder *b)
{
    unsigned codes = 0;
    size_t tables = 0;
    for (unsigned reason = 0; reason < SEKI_INDEX_REASONS_MAX; reason++)
        if ((b->reasons >> reason & 1) != 0)
            m->reason_code[reason] = (uint8_t)codes++;
    m->reason_bits = codes < 2 ? 0 : bits_for(codes - 1);
    m->date_bits = b->count == 0 ? 0 : bits_for((uint64_t)(b->date_max - b->date_min));
    for (size_t length = 0; length <= SEKI_SERIAL_SIZE_MAX; length++)
        tables += b->counts[length] != 0;
    (void)reserve(m, SEKI_INDEX_HEADER_SIZE + tables * SEKI_INDEX_TABLE_SIZE);
    choose_filter(m, b);
    m->payload = reserve(m, (b->count * (m->date_bits + m->reason_bits) + 7) / 8 + SEKI_INDEX_SLACK);
    m->invalidity = reserve(m, b->invalidities * SEKI_INDEX_INVALIDITY_SIZE);
    for (size_t length = 1; length <= SEKI_SERIAL_SIZE_MAX; length++)
        m->long_keys[length] = reserve(m, b->counts[length] * length);
    m->blocks = reserve(m, (b->counts[0] + SEKI_INDEX_BLOCK - 1) / SEKI_INDEX_BLOCK * SEKI_INDEX_BLOCK_HEAD_SIZE);
    m->keys = m->length;
    m->room = m->length + SEKI_INDEX_BLOCK * 8 + SEKI_INDEX_ALIGNMENT;
    m->bytes = calloc(m->room, 1);
    return m->bytes != NULL ? SEKI_OK : SEKI_E_MEMORY;
}

/* Packs the block of numbers that is full, or the last one. */
static bool close_block(making *m)
{
    uint64_t most = 0;
    if (m->in_block == 0)
        return true;
    for (size_t i = 1; i < m->in_block; i++)
        most = m->block_keys[i] - m->block_keys[i - 1] > most ? m->block_keys[i] - m->block_keys[i - 1] : most;
    unsigned width = bits_for(most);
    uint64_t words = ((m->in_block - 1) * width + 63) / 64, wanted = m->keys + (m->key_bit / 64 + words) * 8 + 2 * SEKI_INDEX_ALIGNMENT;
    if (wanted > m->room) {
        uint64_t room = wanted + (m->length - m->keys) / 2 + m->room / 8;
        uint8_t *bytes = realloc(m->bytes, room);
        if (bytes == NULL)
            return false;
        memset(bytes + m->room, 0, room - m->room);
        m->bytes = bytes;
        m->room = room;
    }
    uint8_t *head = m->bytes + m->blocks + m->block * SEKI_INDEX_BLOCK_HEAD_SIZE, *keys = m->bytes + m->keys;
    uint64_t word = m->key_bit / 64, bit = m->key_bit;
    put64(head, m->block_keys[0]);
    put32(head + 8, (uint32_t)word);
    head[12] = (uint8_t)width;
    head[13] = (uint8_t)(word >> 32);
    for (size_t i = 1; i < m->in_block; i++, bit += width) {
        uint64_t value = m->block_keys[i] - m->block_keys[i - 1];
        if (width <= 57) {
            pack(keys, bit, value);
        } else {
            pack(keys, bit, value & UINT32_MAX);
            pack(keys, bit + 32, value >> 32);
        }
    }
    m->key_bit += words * 64;
    m->block++;
    m->in_block = 0;
    return true;
}

/* Sets a serial's bits in the filter, once its cache line is there: serials in order have their lines at random. */
static void filter_soon(making *m, uint64_t hash)
{
    uint64_t *place = &m->ahead[m->hashed % AHEAD];
    uint8_t *filter = m->bytes + m->filter;
    if (m->hashed >= AHEAD)
        seki_filter_add(filter, m->filter_blocks, *place);
    *place = hash;
    m->hashed++;
    __builtin_prefetch(filter + seki_filter_place(m->filter_blocks, hash), 1);
}

/* The last ones. */
static void filter_now(making *m)
{
    for (uint64_t i = 0; i < m->hashed && i < AHEAD; i++)
        seki_filter_add(m->bytes + m->filter, m->filter_blocks, m->ahead[i]);
}

static bool put_record(making *m, const seki_index_builder *b, const record *r)
{
    uint8_t serial[SEKI_SERIAL_SIZE_MAX];
    size_t length = r->length, head = 8;
    if (length == 0) {
        if (m->in_block == SEKI_INDEX_BLOCK && !close_block(m))
            return false;
        m->block_keys[m->in_block++] = r->key;
        for (head = 1; head < 8 && r->key >> 8 * head != 0;)
            head++;
        length = head;
    }
    for (size_t i = 0; i < head; i++)
        serial[i] = (uint8_t)(r->key >> 8 * (head - 1 - i));
    if (r->length != 0) {
        memcpy(serial + 8, r->rest, length - 8);
        memcpy(m->bytes + m->long_keys[length], serial, length);
        m->long_keys[length] += length;
    }
    if (m->is_bitmap) {
        uint64_t bit = r->key - b->key_min;
        m->bytes[m->filter + bit / 8] |= (uint8_t)(1u << bit % 8);
    } else {
        filter_soon(m, seki_serial_hash(serial, length));
    }
    uint64_t value = (uint64_t)(r->date - b->date_min) | (uint64_t)m->reason_code[r->reason] << m->date_bits;
    pack(m->bytes + m->payload, m->entry * (m->date_bits + m->reason_bits), value);
    if (r->invalidity != SEKI_NO_TIME) {
        uint8_t *at = m->bytes + m->invalidity + m->invalid++ * SEKI_INDEX_INVALIDITY_SIZE;
        put64(at, m->entry);
        put64(at + 8, (uint64_t)r->invalidity);
    }
    m->entry++;
    return true;
}

static void put_header(making *m, const seki_index_builder *b)
{
    uint8_t *head = m->bytes, *table = head + SEKI_INDEX_HEADER_SIZE;
    size_t tables = 0;
    for (size_t length = 0; length <= SEKI_SERIAL_SIZE_MAX; length++) {
        if (b->counts[length] == 0)
            continue;
        uint64_t keys = length == 0 ? m->keys : m->long_keys[length] - b->counts[length] * length;
        table[0] = (uint8_t)length;
        put64(table + 8, b->counts[length]);
        put64(table + 16, keys);
        put64(table + 24, length == 0 ? m->blocks : 0);
        put64(table + 32, length == 0 ? m->key_bit / 8 + SEKI_INDEX_SLACK : b->counts[length] * length);
        table += SEKI_INDEX_TABLE_SIZE;
        tables++;
    }
    put32(head, SEKI_INDEX_MAGIC);
    head[4] = SEKI_INDEX_VERSION;
    head[5] = m->is_bitmap ? SEKI_INDEX_FLAG_BITMAP : 0;
    head[6] = (uint8_t)tables;
    head[7] = (uint8_t)m->date_bits;
    put64(head + 8, m->length);
    put64(head + 16, b->count);
    put64(head + 24, b->count == 0 ? 0 : (uint64_t)b->date_min);
    head[32] = (uint8_t)m->reason_bits;
    for (unsigned reason = 0; reason < SEKI_INDEX_REASONS_MAX; reason++)
        if ((b->reasons >> reason & 1) != 0)
            head[40 + m->reason_code[reason]] = (uint8_t)reason;
    put64(head + 56, m->filter);
    put64(head + 64, m->filter_blocks);
    put64(head + 72, m->is_bitmap ? b->key_min : 0);
    put64(head + 80, m->payload);
    put64(head + 88, m->invalidity);
    put64(head + 96, b->invalidities);
}

/* Merges all runs into the sections. */
static seki_status fill_in(making *m, seki_index_builder *b, uint32_t *duplicate)
{
    merge runs;
    record one, before;
    bool begun = merge_begin(&runs, b), first = true;
    seki_status status = begun ? SEKI_OK : runs.failed ? SEKI_E_SYSTEM : SEKI_E_MEMORY;
    while (status == SEKI_OK && merge_next(&runs, &one)) {
        if (!first && order(&before, &one) == 0) {
            *duplicate = 1;
            break;
        }
        if (!put_record(m, b, &one))
            status = SEKI_E_MEMORY;
        before = one;
        first = false;
    }
    if (status == SEKI_OK && runs.failed)
        status = SEKI_E_SYSTEM;
    merge_free(&runs);
    if (status == SEKI_OK && *duplicate == 0 && !close_block(m))
        status = SEKI_E_MEMORY;
    if (status == SEKI_OK)
        filter_now(m);
    return status;
}

seki_status seki_index_builder_end(seki_index_builder *b, seki_write *write, void *context, uint64_t *length, uint32_t *duplicate)
{
    *length = 0;
    *duplicate = 0;
    if (b->failed)
        return SEKI_E_SYSTEM;
    if (!prepare_sort(b))
        return SEKI_E_MEMORY;
    sort_buffer(b);
    making m = {0};
    seki_status status = lay_out(&m, b);
    if (status == SEKI_OK)
        status = fill_in(&m, b, duplicate);
    if (status == SEKI_OK && *duplicate == 0) {
        m.length = aligned(m.keys + (b->counts[0] != 0 ? m.key_bit / 8 + SEKI_INDEX_SLACK : 0));
        put_header(&m, b);
        status = write(context, m.bytes, m.length);
        *length = status == SEKI_OK ? m.length : 0;
    }
    free(m.bytes);
    b->failed = true; /* good for nothing more */
    return status;
}
