/* snapshot.h: a snapshot file, mapped (sekisho.h, "snapshots"; the layout: docs/SNAPSHOT.md).
 *
 * The directory is copied when the file is mapped and checked against its digest; indexes are looked up where they lie.  Whatever the
 * file's bytes become, no look-up reads outside the map, and whether they were lost seki_snapshot_damaged tells afterwards. */
#ifndef SEKI_SNAPSHOT_H
#define SEKI_SNAPSHOT_H

#include <stdatomic.h>

#include "../include/sekisho.h"
#include "points.h"
#include "serial_index.h"

/* The entries of one certificate issuer in one source. */
typedef struct {
    uint8_t issuer_form[32];
    uint32_t source;
    seki_index revoked, removed;
    seki_span revoked_bytes, removed_bytes; /* in the map */
    const uint8_t *record;                  /* in the directory */
} seki_set;

/* One CRL, as it is looked at. */
typedef struct {
    int64_t this_update, next_update;
    uint32_t first_set, set_count;
    uint32_t first_key, key_count;
    uint32_t flags;
    uint16_t reasons;
    uint8_t signer[32];
    const uint8_t *record; /* in the directory */
} seki_source;

/* Where a source is found: open addressing, keys of one hash behind one another. */
typedef struct {
    uint32_t tag;
    uint32_t key; /* its number + 1; 0: empty */
    uint32_t source;
} seki_key_slot;

/* Where a set's filter is: all that a look-up of a good certificate reads besides one line of it, 16 bytes a set, so that those of
 * thousands of sets stay in a core's cache. */
typedef struct {
    const uint8_t *filter;
    uint32_t blocks; /* 0: it has no filter (it is empty, or has a bitmap) */
} seki_probe;

struct seki_snapshot {
    _Atomic uint32_t references;
    _Atomic uint32_t damaged; /* asked by seki_snapshot_damaged alone */
    uint32_t kind;
    uint64_t id;
    int64_t built_at;
    uint8_t digest[32], base[32];
    uint8_t end[32]; /* the file's last bytes: the directory's digest */
    seki_span map;
    uint8_t *directory; /* a copy */
    const uint8_t *keys, *names;
    size_t names_length;
    size_t source_count, set_count, key_count;
    seki_source *sources;
    seki_set *sets;
    seki_probe *probes; /* of the sets' `revoked` */
    seki_key_slot *table;
    size_t table_mask;
    uint64_t entries, filter_size;
    int fault_slot;
};

void seki_snapshot_retain(seki_snapshot *snapshot);

/* Whether anything that was read before may have been lost: asked after reading, and before what was read is believed.  A file that
 * was cut off, anywhere, lost its last bytes too; the page in which it now ends reads as zeros without any fault. */
bool seki_snapshot_damaged(const seki_snapshot *snapshot);

/* The next source under a key (an anchor and a point), -1 if there is no more.  *place begins as SEKI_KEY_FIRST. */
#define SEKI_KEY_FIRST SIZE_MAX
int32_t seki_snapshot_next_source(const seki_snapshot *snapshot, const uint8_t anchor[32], const uint8_t point[32], size_t *place);

/* The set of a certificate issuer in a source; NULL if there is none. */
const seki_set *seki_snapshot_set_of(const seki_snapshot *snapshot, const seki_source *source, const uint8_t issuer_form[32]);

/* Whether a set's sections have the digests that the directory says. */
bool seki_set_is_whole(const seki_set *set);

/* ---- pages that are lost (snapshot_fault.c) ------------------------------------------------------ */

/* From now on a lost page of `map` is replaced by zeros, and *damaged becomes 1.  Returns a slot, or -1 if none is free. */
int seki_fault_watch(seki_span map, _Atomic uint32_t *damaged);
void seki_fault_forget(int slot);

/* ---- the layout ---------------------------------------------------------------------------------- */

enum {
    SEKI_SNAPSHOT_FORMAT = 1, /* its version */
    SEKI_SNAPSHOT_HEADER_SIZE = 64,
    SEKI_SNAPSHOT_FOOTER_SIZE = 128,
    SEKI_SNAPSHOT_FOOTER_DIGEST = 96,     /* offset of the directory's digest in the footer */
    SEKI_SNAPSHOT_DIRECTORY_HEAD = 32,
    SEKI_SNAPSHOT_SOURCE_SIZE = 256,
    SEKI_SNAPSHOT_SET_SIZE = 160,
    SEKI_SNAPSHOT_KEY_SIZE = 64
};
#define SEKI_SNAPSHOT_MAGIC "sekisnap"
#define SEKI_SNAPSHOT_END "sekiend1"

static inline void seki_put(uint8_t *at, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t seki_get(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

/* Places of the fields in a record of the directory. */
enum {
    SEKI_SOURCE_ISSUER = 0, SEKI_SOURCE_SIGNER = 32, SEKI_SOURCE_SHA256 = 64, SEKI_SOURCE_THIS_UPDATE = 96,
    SEKI_SOURCE_NEXT_UPDATE = 104, SEKI_SOURCE_NUMBER = 112, SEKI_SOURCE_BASE_NUMBER = 132, SEKI_SOURCE_NUMBER_LENGTH = 152,
    SEKI_SOURCE_BASE_NUMBER_LENGTH = 153, SEKI_SOURCE_REASONS = 154, SEKI_SOURCE_FLAGS = 156, SEKI_SOURCE_ALGORITHM = 160,
    SEKI_SOURCE_NAME = 164, SEKI_SOURCE_NAME_LENGTH = 168, SEKI_SOURCE_IDP = 172, SEKI_SOURCE_IDP_LENGTH = 176,
    SEKI_SOURCE_FIRST_SET = 180, SEKI_SOURCE_SETS = 184, SEKI_SOURCE_FIRST_KEY = 188, SEKI_SOURCE_KEYS = 192,
    SEKI_SOURCE_BASE = 196, SEKI_SOURCE_BYTES = 200, SEKI_SOURCE_ENTRIES = 208, SEKI_SOURCE_REMOVALS = 216,

    SEKI_SET_ISSUER = 0, SEKI_SET_REVOKED = 32, SEKI_SET_REVOKED_LENGTH = 40, SEKI_SET_REMOVED = 48, SEKI_SET_REMOVED_LENGTH = 56,
    SEKI_SET_REVOKED_SHA256 = 64, SEKI_SET_REMOVED_SHA256 = 96, SEKI_SET_SOURCE = 128
};

#endif
