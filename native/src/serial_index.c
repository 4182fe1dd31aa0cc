#include "serial_index.h"

/* Of `bits` bits (at most 57) from bit `at` on; 0 where that is not within the section and its slack. */
static uint64_t packed(seki_span section, uint64_t at, unsigned bits)
{
    uint64_t byte = at / 8;
    if (section.length < sizeof(uint64_t) || byte > section.length - sizeof(uint64_t))
        return 0;
    return seki_load64(section.data + byte) >> at % 8 & ((UINT64_C(1) << bits) - 1);
}

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t number_of(const uint8_t *serial, size_t length)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++)
        value = value << 8 | serial[i];
    return value;
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* The section of `length` bytes at `offset`, if it lies within. */
static bool section(seki_span bytes, uint64_t offset, uint64_t length, seki_span *out)
{
    if (offset > bytes.length || length > bytes.length - offset || offset % SEKI_INDEX_ALIGNMENT != 0)
        return false;
    *out = (seki_span){bytes.data + offset, (size_t)length};
    return true;
}

/* Bytes of `count` fields of `bits` bits, with their slack; false if they are more than can be. */
static bool packed_size(uint64_t count, unsigned bits, uint64_t *size)
{
    uint64_t all;
    if (__builtin_mul_overflow(count, bits, &all) || all > UINT64_MAX - 7)
        return false;
    *size = (all + 7) / 8 + SEKI_INDEX_SLACK;
    return true;
}

static bool open_table(seki_span bytes, const uint8_t *at, uint64_t first_entry, seki_index_table *out)
{
    uint64_t keys = seki_load64(at + 16), blocks = seki_load64(at + 24), keys_length = seki_load64(at + 32), length;
    *out = (seki_index_table){.length = at[0], .count = seki_load64(at + 8), .first_entry = first_entry};
    if (out->count == 0 || out->count / 8 > bytes.length || !section(bytes, keys, keys_length, &out->keys))
        return false;
    if (out->length == 0) {
        length = (out->count + SEKI_INDEX_BLOCK - 1) / SEKI_INDEX_BLOCK * SEKI_INDEX_BLOCK_HEAD_SIZE;
        if (keys_length < SEKI_INDEX_SLACK || !section(bytes, blocks, length, &out->blocks))
            return false;
        out->key_first = seki_load64(out->blocks.data);
        out->key_last = seki_load64(out->blocks.data + length - SEKI_INDEX_BLOCK_HEAD_SIZE);
        return true;
    }
    return out->length > SEKI_INDEX_SHORT && out->length <= SEKI_SERIAL_SIZE_MAX && keys_length == out->count * out->length;
}

bool seki_index_open(seki_span bytes, seki_index *out)
{
    const uint8_t *head = bytes.data;
    *out = (seki_index){.count = 0};
    if (bytes.length < SEKI_INDEX_HEADER_SIZE || load32(head) != SEKI_INDEX_MAGIC || head[4] != SEKI_INDEX_VERSION
        || (head[5] & ~SEKI_INDEX_FLAG_BITMAP) != 0 || seki_load64(head + 8) != bytes.length)
        return false;
    out->is_bitmap = (head[5] & SEKI_INDEX_FLAG_BITMAP) != 0;
    out->table_count = head[6];
    out->date_bits = head[7];
    out->reason_bits = head[32];
    out->date_min = (int64_t)seki_load64(head + 24);
    memcpy(out->reasons, head + 40, sizeof out->reasons);
    out->count = seki_load64(head + 16);
    out->filter_blocks = seki_load64(head + 64);
    out->bitmap_base = seki_load64(head + 72);
    uint64_t filter_length, payload_length, invalid_length;
    if (out->table_count > SEKI_INDEX_TABLES || out->date_bits > 40 || out->reason_bits > 4 || out->count / 8 > bytes.length /* a bit each at least */
        || bytes.length < SEKI_INDEX_HEADER_SIZE + out->table_count * SEKI_INDEX_TABLE_SIZE
        || out->date_min < SEKI_INDEX_DATE_MIN || out->date_min > SEKI_INDEX_DATE_MAX
        || out->filter_blocks > bytes.length * (uint64_t)8 || out->filter_blocks > UINT32_MAX * (uint64_t)256)
        return false;
    if (!out->is_bitmap && out->filter_blocks > UINT32_MAX)
        return false;
    for (size_t i = 0; i < sizeof out->reasons; i++)
        if (out->reasons[i] >= SEKI_INDEX_REASONS_MAX)
            return false;
    filter_length = out->is_bitmap ? (out->filter_blocks + 7) / 8 : out->filter_blocks * SEKI_FILTER_BLOCK_SIZE;
    uint64_t invalid_count = seki_load64(head + 96);
    if (invalid_count > out->count || !packed_size(out->count, out->date_bits + out->reason_bits, &payload_length))
        return false;
    invalid_length = invalid_count * SEKI_INDEX_INVALIDITY_SIZE;
    if (!section(bytes, seki_load64(head + 56), filter_length, &out->filter)
        || !section(bytes, seki_load64(head + 80), payload_length, &out->payload)
        || !section(bytes, seki_load64(head + 88), invalid_length, &out->invalidity))
        return false;
    uint64_t counted = 0;
    for (size_t i = 0; i < out->table_count; i++) {
        seki_index_table *table = &out->tables[i];
        if (!open_table(bytes, head + SEKI_INDEX_HEADER_SIZE + i * SEKI_INDEX_TABLE_SIZE, counted, table)
            || (i != 0 && table->length <= table[-1].length))
            return false;
        counted += table->count; /* no overflow: each is below 2^61 */
    }
    /* A filter without blocks or a bitmap without bits says no to everything; a bitmap, to all longer serials. */
    return counted == out->count && (out->count == 0 || out->filter_blocks != 0)
           && (!out->is_bitmap || out->table_count == 0 || out->tables[out->table_count - 1].length == 0);
}

/* ---- looking up -------------------------------------------------------------------------------- */

bool seki_index_maybe(const seki_index *index, const uint8_t *serial, size_t length, uint64_t hash)
{
    if (index->count == 0)
        return false;
    if (!index->is_bitmap)
        return seki_filter_may_hold(index->filter.data, index->filter_blocks, hash);
    if (length > SEKI_INDEX_SHORT)
        return false;
    uint64_t bit = number_of(serial, length) - index->bitmap_base; /* one below the base becomes a large one */
    return bit < index->filter_blocks && (index->filter.data[bit / 8] >> bit % 8 & 1) != 0;
}

static uint64_t block_first(const seki_index_table *table, uint64_t block)
{
    return seki_load64(table->blocks.data + block * SEKI_INDEX_BLOCK_HEAD_SIZE);
}

static void block_packing(const seki_index_table *table, uint64_t block, uint64_t *bit, unsigned *width)
{
    const uint8_t *head = table->blocks.data + block * SEKI_INDEX_BLOCK_HEAD_SIZE;
    *bit = (uint64_t)load32(head + 8) * 64 + ((uint64_t)head[13] << 38); /* in words of 64 bits */
    *width = head[12] <= 64 ? head[12] : 64;
}

/* A difference of `width` bits, up to 64. */
static uint64_t difference(seki_span keys, uint64_t bit, unsigned width)
{
    if (width <= 57)
        return packed(keys, bit, width);
    return packed(keys, bit, 32) | packed(keys, bit + 32, width - 32) << 32;
}

/* Of the blocks that begin at or below `key`, the last; the number of blocks if there is none.  Serials of an issuer are often spread
 * evenly, so the search begins where the key would then be, and widens in steps that double: at most twice log2 of the blocks. */
static uint64_t block_of(const seki_index_table *table, uint64_t blocks, uint64_t key)
{
    uint64_t low = 0, high = blocks, step = 1; /* low begins at or below the key, high above it */
    if (blocks == 0 || key < table->key_first)
        return blocks;
    if (key >= table->key_last) {
        low = blocks - 1;
    } else {
        double share = (double)(key - table->key_first) / (double)(table->key_last - table->key_first);
        uint64_t guess = (uint64_t)(share * (double)(blocks - 1));
        guess = guess < blocks ? guess : blocks - 1;
        if (block_first(table, guess) <= key) {
            for (low = guess; step < high - low && block_first(table, low + step) <= key; step *= 2)
                low += step;
            high = step < high - low ? low + step : high;
        } else {
            for (high = guess; step < high && block_first(table, high - step) > key; step *= 2)
                high -= step;
            low = step < high ? high - step : 0;
        }
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (block_first(table, middle) <= key)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Fetches what read_payload will look at, if the block's serials are spread evenly. */
static void payload_soon(const seki_index *index, const seki_index_table *table, uint64_t block, uint64_t first, uint64_t key)
{
    uint64_t blocks = table->blocks.length / SEKI_INDEX_BLOCK_HEAD_SIZE, in_block = 0;
    uint64_t next = block + 1 < blocks ? block_first(table, block + 1) : 0;
    if (first <= key && key < next)
        in_block = (uint64_t)((double)(key - first) / (double)(next - first) * SEKI_INDEX_BLOCK);
    uint64_t byte = (table->first_entry + block * SEKI_INDEX_BLOCK + in_block) * (index->date_bits + index->reason_bits) / 8;
    if (byte < index->payload.length)
        __builtin_prefetch(index->payload.data + byte);
}

/* The place in the table of `key`, a number; false if it is not there. */
static bool find_number(const seki_index *index, const seki_index_table *table, uint64_t key, uint64_t *place)
{
    uint64_t blocks = table->blocks.length / SEKI_INDEX_BLOCK_HEAD_SIZE, block = block_of(table, blocks, key);
    if (block >= blocks)
        return false;
    uint64_t at = block_first(table, block), bit, count = table->count - block * SEKI_INDEX_BLOCK, i = 0;
    unsigned width;
    block_packing(table, block, &bit, &width);
    payload_soon(index, table, block, at, key);
    count = count < SEKI_INDEX_BLOCK ? count : SEKI_INDEX_BLOCK;
    if (width <= 57 && (bit + count * width) / 8 + sizeof(uint64_t) <= table->keys.length) { /* all of it within the section */
        const uint8_t *keys = table->keys.data;
        uint64_t mask = (UINT64_C(1) << width) - 1;
        for (; at < key && ++i < count; bit += width)
            at += seki_load64(keys + bit / 8) >> bit % 8 & mask;
    } else {
        for (; at < key && ++i < count; bit += width)
            at += difference(table->keys, bit, width);
    }
    *place = block * SEKI_INDEX_BLOCK + i;
    return i < count && at == key;
}

static bool find_long(const seki_index_table *table, const uint8_t *serial, uint64_t *place)
{
    uint64_t low = 0, high = table->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order = memcmp(table->keys.data + middle * table->length, serial, table->length);
        if (order == 0) {
            *place = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Date, reason and invalidityDate of the entry at `place` among all. */
static void read_payload(const seki_index *index, uint64_t place, seki_revoked *out)
{
    unsigned bits = index->date_bits + index->reason_bits;
    uint64_t value = packed(index->payload, place * bits, bits), date = value & ((UINT64_C(1) << index->date_bits) - 1);
    out->date = (int64_t)((uint64_t)index->date_min + date);
    out->reason = index->reasons[value >> index->date_bits & (SEKI_INDEX_REASONS_MAX - 1)];
    out->invalidity = SEKI_NO_TIME;
    uint64_t low = 0, high = index->invalidity.length / SEKI_INDEX_INVALIDITY_SIZE;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const uint8_t *at = index->invalidity.data + middle * SEKI_INDEX_INVALIDITY_SIZE;
        uint64_t of = seki_load64(at);
        if (of == place) {
            out->invalidity = (int64_t)seki_load64(at + 8);
            return;
        }
        if (of < place)
            low = middle + 1;
        else
            high = middle;
    }
}

bool seki_index_find(const seki_index *index, const uint8_t *serial, size_t length, seki_revoked *out)
{
    size_t wanted = length <= SEKI_INDEX_SHORT ? 0 : length;
    if (length == 0 || length > SEKI_SERIAL_SIZE_MAX)
        return false;
    for (size_t i = 0; i < index->table_count; i++) {
        const seki_index_table *table = &index->tables[i];
        uint64_t place;
        if (table->length != wanted)
            continue;
        if (wanted == 0 ? !find_number(index, table, number_of(serial, length), &place) : !find_long(table, serial, &place))
            return false;
        memset(out->serial, 0, sizeof out->serial);
        memcpy(out->serial, serial, length);
        out->length = (uint8_t)length;
        read_payload(index, table->first_entry + place, out);
        return true;
    }
    return false;
}

/* ---- walking ----------------------------------------------------------------------------------- */

static void put_number(uint64_t key, seki_revoked *out)
{
    unsigned length = 1;
    while (length < SEKI_INDEX_SHORT && key >> 8 * length != 0)
        length++;
    memset(out->serial, 0, sizeof out->serial);
    out->length = (uint8_t)length;
    for (unsigned i = 0; i < length; i++)
        out->serial[i] = (uint8_t)(key >> 8 * (length - 1 - i));
}

bool seki_index_next(const seki_index *index, seki_index_cursor *cursor, seki_revoked *out)
{
    while (cursor->table < index->table_count && cursor->in_table == index->tables[cursor->table].count) {
        cursor->table++;
        cursor->in_table = 0;
    }
    if (cursor->table >= index->table_count)
        return false;
    const seki_index_table *table = &index->tables[cursor->table];
    if (table->length == 0) {
        uint64_t block = cursor->in_table / SEKI_INDEX_BLOCK, in_block = cursor->in_table % SEKI_INDEX_BLOCK, bit;
        unsigned width;
        block_packing(table, block, &bit, &width);
        cursor->key = in_block == 0 ? block_first(table, block)
                                    : cursor->key + difference(table->keys, bit + (in_block - 1) * width, width);
        put_number(cursor->key, out);
    } else {
        memset(out->serial, 0, sizeof out->serial);
        memcpy(out->serial, table->keys.data + cursor->in_table * table->length, table->length);
        out->length = (uint8_t)table->length;
    }
    read_payload(index, cursor->entry++, out);
    cursor->in_table++;
    return true;
}
