/* crl_sets.h: the entries of a CRL, one set for each certificate issuer (RFC 5280, 5.3.3), each in an index builder of its own.
 *
 * Entries of reason removeFromCRL, which only a delta has, stand apart: they take certificates off the list. */
#ifndef SEKI_CRL_SETS_H
#define SEKI_CRL_SETS_H

#include "../include/sekisho.h"
#include "serial_index.h"

typedef struct {
    uint8_t issuer[32];          /* seki_name_digest of the certificate issuer's Name */
    seki_index_builder *revoked; /* NULL: no entry yet, or written already */
    seki_index_builder *removed; /* the same */
    bool written[2];             /* entries, removals: they left, and must not pass for a set of none */
    uint64_t entries;            /* in `revoked` */
    uint64_t removals;           /* in `removed` */
} seki_crl_set;

typedef struct {
    seki_index_options options;
    seki_crl_set *set;
    size_t count, capacity;
    size_t current; /* the set that the next entry belongs to */
} seki_crl_sets;

/* `options` borrows its strings. */
void seki_crl_sets_init(seki_crl_sets *sets, const seki_index_options *options);
void seki_crl_sets_free(seki_crl_sets *sets);

/* Makes the set of `issuer` the current one, and makes it where there is none.
 * *full is 1, and nothing else happens, where there would be more than SEKI_CRL_SETS_MAX. */
seki_status seki_crl_sets_choose(seki_crl_sets *sets, const uint8_t issuer[32], uint32_t *full);

/* Adds to the current set; reason 8 (removeFromCRL) to its removals. */
seki_status seki_crl_sets_add(seki_crl_sets *sets, const seki_revoked *entry);

/* Writes the index of a set's revoked entries, or of its removals, and empties it of them: see seki_index_builder_end.
 * A set without entries writes the index of none; SEKI_E_ARGUMENT the second time, when they are gone. */
seki_status seki_crl_set_write(seki_crl_sets *sets, size_t set, bool removals, seki_write *write, void *context, uint64_t *length,
                               uint32_t *duplicate);

#endif
