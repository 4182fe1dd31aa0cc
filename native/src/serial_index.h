/* serial_index.h: the revoked serials of one certificate issuer in one CRL: exact, sorted, compressed, behind a filter.
 *
 * An index is one run of bytes, written once and looked up where it lies, mapped.  Numbers are little-endian; sections begin at
 * multiples of 64 bytes.  docs/SNAPSHOT.md has the layout.  Serials of up to 8 octets stand as numbers in blocks of 128, the
 * differences bit-packed; longer ones by length, as they are.  Date and reason of each are bit-packed beside them.
 *
 * seki_index_open checks what every look-up relies on; each look-up then keeps within the bounds captured there, and ends,
 * whatever the bytes are: a file may be damaged under its map. */
#ifndef SEKI_SERIAL_INDEX_H
#define SEKI_SERIAL_INDEX_H

#include "../include/sekisho.h"
#include "serial_filter.h"
#include "span.h"

#define SEKI_NO_TIME INT64_MIN
#define SEKI_INDEX_DATE_MIN INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define SEKI_INDEX_DATE_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

enum {
    SEKI_SERIAL_SIZE_MAX = 20,  /* octets of magnitude (RFC 5280, 4.1.2.2) */
    SEKI_INDEX_SHORT = 8,       /* octets of a serial that is kept as a number */
    SEKI_INDEX_TABLES = 1 + SEKI_SERIAL_SIZE_MAX - SEKI_INDEX_SHORT,
    SEKI_INDEX_BLOCK = 128,     /* serials a block of numbers */
    SEKI_INDEX_ALIGNMENT = 64,  /* bytes */
    SEKI_INDEX_REASONS_MAX = 16 /* CRLReasons are 0 to 10 */
};

/* One entry. */
typedef struct {
    uint8_t serial[20];
    uint8_t length;     /* of the magnitude, big-endian, without leading zeros; zero is one octet 0 */
    uint8_t reason;     /* CRLReason, 0 where the CRL gives none (RFC 5280, 5.3.1) */
    int64_t date;       /* revocationDate, seconds, within years 0 to 9999 */
    int64_t invalidity; /* invalidityDate, seconds; SEKI_NO_TIME if absent */
} seki_revoked;

/* ---- making one -------------------------------------------------------------------------------- */

typedef struct {
    uint64_t memory_bytes;       /* for sorting; 0: SEKI_INDEX_MEMORY_DEFAULT.  What is beyond it goes to an unlinked file */
    uint64_t filter_ppm;         /* false positives a million look-ups; 0: SEKI_FILTER_PPM_DEFAULT */
    const char *spill_directory; /* of that file; NULL: $TMPDIR, or /tmp */
} seki_index_options;

enum { SEKI_INDEX_MEMORY_DEFAULT = 32 * 1024 * 1024 }; /* bytes */

typedef struct seki_index_builder seki_index_builder;
typedef seki_status seki_write(void *context, const uint8_t *bytes, size_t length);

/* `options` borrows its strings; NULL if memory is out. */
seki_index_builder *seki_index_builder_new(const seki_index_options *options);
void seki_index_builder_free(seki_index_builder *builder);

/* Takes an entry, in any order.  SEKI_E_ARGUMENT: its serial is no magnitude of 1 to 20 octets, or its date is out of range. */
seki_status seki_index_builder_add(seki_index_builder *builder, const seki_revoked *entry);

/* Writes the index of all that was taken; the builder is then good for nothing but to be freed.
 *   length     bytes written, a multiple of 64
 *   duplicate  1, and nothing is written, if one serial was taken twice */
seki_status seki_index_builder_end(seki_index_builder *builder, seki_write *write, void *context, uint64_t *length,
                                   uint32_t *duplicate);

/* ---- looking up -------------------------------------------------------------------------------- */

/* Serials of one length, or (length 0) those of up to 8 octets. */
typedef struct {
    size_t length;
    uint64_t count, first_entry; /* place of its first serial among all */
    seki_span keys;              /* long: the serials; short: the packed differences */
    seki_span blocks;            /* short: a block's head each */
    uint64_t key_first, key_last; /* short: where the first block and the last one begin */
} seki_index_table;

typedef struct {
    uint64_t count;
    bool is_bitmap;              /* exact, instead of the filter */
    seki_span filter;
    uint64_t filter_blocks;      /* or, of a bitmap, its bits */
    uint64_t bitmap_base;        /* the serial of its first bit */
    size_t table_count;
    seki_index_table tables[SEKI_INDEX_TABLES];
    seki_span payload;           /* dates and reasons */
    unsigned date_bits, reason_bits;
    int64_t date_min;
    uint8_t reasons[SEKI_INDEX_REASONS_MAX];
    seki_span invalidity;        /* pairs of a serial's place and its invalidityDate */
} seki_index;

/* False if `bytes` are no index.  Of one that opens, each entry that is told has a serial of 1 to 20 octets and a reason below
 * SEKI_INDEX_REASONS_MAX. */
bool seki_index_open(seki_span bytes, seki_index *out);

/* Touches the cache line that seki_index_maybe will look at. */
static inline void seki_index_prefetch(const seki_index *index, uint64_t hash)
{
    if (!index->is_bitmap && index->filter_blocks != 0)
        __builtin_prefetch(index->filter.data + seki_filter_place(index->filter_blocks, hash));
}

/* False: the serial is not in the set.  True: it may be (by the filter), or is (by a bitmap).
 *   hash  seki_serial_hash of it */
bool seki_index_maybe(const seki_index *index, const uint8_t *serial, size_t length, uint64_t hash);

/* Whether it is; if so *out is its entry.  The filter is not asked. */
bool seki_index_find(const seki_index *index, const uint8_t *serial, size_t length, seki_revoked *out);

/* All entries, shorter serials first and then in their order.  A cursor begins as zeros. */
typedef struct {
    uint64_t entry;    /* the next one */
    size_t table;
    uint64_t in_table;
    uint64_t key;      /* the one before it, of a block of numbers */
} seki_index_cursor;

bool seki_index_next(const seki_index *index, seki_index_cursor *cursor, seki_revoked *out);

/* A serial as it is looked up: without leading zeros, zero as one octet.  False if it is empty or longer than 20 octets. */
static inline bool seki_serial_normalize(seki_span *serial)
{
    while (serial->length > 1 && serial->data[0] == 0) {
        serial->data++;
        serial->length--;
    }
    return serial->length != 0 && serial->length <= SEKI_SERIAL_SIZE_MAX;
}

/* ---- the layout, for the two that know it ------------------------------------------------------- */

enum {
    SEKI_INDEX_MAGIC = 0x58494b53, /* "SKIX" */
    SEKI_INDEX_VERSION = 1,
    SEKI_INDEX_FLAG_BITMAP = 1,
    SEKI_INDEX_HEADER_SIZE = 128,
    SEKI_INDEX_TABLE_SIZE = 48,    /* in the header, after it */
    SEKI_INDEX_BLOCK_HEAD_SIZE = 16,
    SEKI_INDEX_INVALIDITY_SIZE = 16,
    SEKI_INDEX_SLACK = 8           /* bytes behind bit-packed sections, so that each field can be read as a whole word */
};

#endif
