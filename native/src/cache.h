/* cache.h: the parsing cache (docs/ARCHITECTURE.md): SHA-256 of a certificate's DER to what is needed of it.
 *
 * An entry says: this certificate was parsed, its issuer's signature was verified, and for up to
 * SEKI_CACHE_PATHS pairs of trust store and profile, what was found and in which window of time that
 * holds.  Nothing else ever enters: the caller inserts after the signature, never before.  Certificates
 * whose signature was found wrong go to a small table apart, so that a flood of them displaces nobody.
 *
 * Shards with a lock each; entries are copied in and out, so no pointer into the cache ever leaves it.
 * Memory is reserved at the start and never grows; CLOCK evicts.  After fork() a shard whose lock the
 * parent's thread held is emptied and taken over. */
#ifndef SEKI_CACHE_H
#define SEKI_CACHE_H

#include "keys.h"
#include "points.h"

enum {
    SEKI_CACHE_PATHS = 3,             /* pairs of trust store and profile an entry can speak for */
    SEKI_CACHE_KEY_BYTES_MAX = 512,   /* keys over RSA-4096 are not cached */
    SEKI_CACHE_POINTS = 2             /* names of distribution points kept; a certificate with more is read anew each time */
};

/* What an entry keeps of a certificate's distribution points. */
typedef struct {
    bool known; /* nobody wanted them before: false */
    bool whole; /* they are all here */
    uint8_t count;
    seki_point at[SEKI_CACHE_POINTS];
} seki_kept_points;

/* A finding on a certificate's path. */
typedef struct {
    uint64_t trust;    /* seki_trust's number, never reused in a process; 0: no finding */
    uint64_t profile;  /* seki_verifier's purpose */
    int64_t from, to;  /* the times of judgement for which it holds, both included */
    int32_t way;       /* of the trust store, that was taken; -1: none */
    uint16_t reason;   /* SEKI_CERTIFICATE_OK, or the refusal */
    uint8_t flags;     /* SEKI_FLAG_SLOW_PATH */
    bool signs;        /* seki_leaf_may_sign: a login wants it, whatever the finding */
    uint32_t doubts;   /* seki_kernels_doubts when it was found */
} seki_finding;

typedef struct {
    uint8_t fingerprint[32];  /* SHA-256 of the DER */
    uint8_t issuer[32];       /* identity of the key that verified it */
    uint8_t serial[20];       /* magnitude */
    uint8_t serial_length;
    uint8_t key_kind;
    uint16_t key_bits;
    uint32_t key_length;
    uint64_t key_exponent;
    int64_t not_before, not_after;
    uint8_t kind;             /* seki_certificate_kind */
    seki_kept_points points;
    seki_finding findings[SEKI_CACHE_PATHS];
} seki_entry;

/* An entry copied out, with its key. */
typedef struct {
    seki_entry entry;
    uint8_t key[SEKI_CACHE_KEY_BYTES_MAX];
    uint64_t handle;
} seki_cached;

typedef struct seki_cache seki_cache;

/* A cache of at most `bytes` in all; NULL if memory is out or `bytes` is too little for one entry a shard. */
seki_cache *seki_cache_new(uint64_t bytes);
void seki_cache_free(seki_cache *cache);

/* Copies the entry for `fingerprint` to *out; false if there is none. */
bool seki_cache_get(seki_cache *cache, const uint8_t fingerprint[32], seki_cached *out);

/* Enters a certificate, or adds the finding of `in` at findings[0] to the one already there.  An entry of another issuer is
 * replaced with all its findings: two keys may fit one ECDSA signature, and a verdict names the one of its own store.
 * Points that it did not have it gets.
 * Sets in->handle; 0 if there was no room for it. */
void seki_cache_put(seki_cache *cache, seki_cached *in);

/* The table of forged certificates, by fingerprint and trust store. */
bool seki_cache_forged(seki_cache *cache, const uint8_t fingerprint[32], uint64_t trust);
void seki_cache_put_forged(seki_cache *cache, const uint8_t fingerprint[32], uint64_t trust);

/* The entry that `handle` named; false if it is gone. */
bool seki_cache_by_handle(seki_cache *cache, uint64_t handle, seki_entry *out);

void seki_cache_read_statistics(seki_cache *cache, seki_cache_statistics *out);
void seki_cache_clear(seki_cache *cache);

static inline seki_key seki_cached_key(const seki_cached *cached)
{
    return (seki_key){.kind = (seki_key_kind)cached->entry.key_kind,
                      .bits = cached->entry.key_bits,
                      .exponent = cached->entry.key_exponent,
                      .bytes = cached->key,
                      .length = cached->entry.key_length,
                      .kept = NULL};
}

#endif
