/* snapshot_maker.h: CRLs and snapshots of them, in memory; for tests of snapshots.
 *
 * The CRLs have the form of CRLs and no signature that fits: the snapshot's writer leaves that to whoever calls it. */
#ifndef SEKI_TEST_SNAPSHOT_MAKER_H
#define SEKI_TEST_SNAPSHOT_MAKER_H

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../src/name_match.h"
#include "../src/revocation.h"
#include "../src/snapshot.h"

enum { MADE_THIS = 1767225600, MADE_NEXT = 1767312000, MADE_DATE = 1767225599, MADE_SIZE = 1 << 16 };

typedef struct {
    uint8_t serial[20]; /* magnitude */
    size_t length;
    uint8_t reason;     /* 0: none */
    char issuer;        /* of a certificateIssuer; 0: none */
} made_entry;

typedef struct {
    char issuer;           /* one character, its commonName */
    uint8_t number, base;  /* base 0: no delta */
    const uint8_t *idp;    /* value of issuingDistributionPoint; NULL: none */
    size_t idp_length;
    const made_entry *entries;
    size_t count;
} made_crl;

static inline void made_check(bool held, const char *what)
{
    if (held)
        return;
    fprintf(stderr, "not made: %s\n", what);
    abort();
}

/* DER, written from its end to its front. */
typedef struct {
    uint8_t data[MADE_SIZE];
    size_t at; /* of the first octet */
} made_der;

static inline void made_octets(made_der *der, const void *octets, size_t length)
{
    made_check(length <= der->at, "room");
    der->at -= length;
    if (length != 0)
        memcpy(der->data + der->at, octets, length);
}

/* The header of what was written since `end`. */
static inline void made_header(made_der *der, uint8_t tag, size_t end)
{
    size_t length = end - der->at;
    uint8_t long_form[4] = {tag, 0x82, (uint8_t)(length >> 8), (uint8_t)length}, short_form[2] = {tag, (uint8_t)length};
    uint8_t middle[3] = {tag, 0x81, (uint8_t)length};
    made_check(length <= 0xffff, "length");
    if (length < 0x80)
        made_octets(der, short_form, 2);
    else if (length < 0x100)
        made_octets(der, middle, 3);
    else
        made_octets(der, long_form, 4);
}

static inline void made_extension(made_der *der, uint8_t number, bool critical, const void *value, size_t length)
{
    size_t end = der->at;
    const uint8_t oid[5] = {0x06, 3, 0x55, 0x1d, number};
    made_octets(der, value, length);
    made_header(der, 0x04, end);
    if (critical)
        made_octets(der, "\x01\x01\xff", 3);
    made_octets(der, oid, sizeof oid);
    made_header(der, 0x30, end);
}

enum { MADE_NAME_SIZE = 14 };
static inline void made_name(char name, uint8_t out[MADE_NAME_SIZE])
{
    static const uint8_t common_name[MADE_NAME_SIZE - 1] = {0x30, 12, 0x31, 10, 0x30, 8, 0x06, 3, 0x55, 4, 3, 0x0c, 1};
    memcpy(out, common_name, sizeof common_name);
    out[MADE_NAME_SIZE - 1] = (uint8_t)name;
}

static inline void made_form(char name, uint8_t form[32])
{
    uint8_t whole[MADE_NAME_SIZE];
    made_name(name, whole);
    seki_name_digest((seki_span){whole, sizeof whole}, form);
}

static inline void made_entry_of(made_der *der, const made_entry *entry)
{
    size_t end = der->at;
    if (entry->issuer != 0) {
        uint8_t names[MADE_NAME_SIZE + 4] = {0x30, MADE_NAME_SIZE + 2, 0xa4, MADE_NAME_SIZE};
        made_name(entry->issuer, names + 4);
        made_extension(der, 29, true, names, sizeof names);
    }
    if (entry->reason != 0) {
        const uint8_t value[3] = {0x0a, 1, entry->reason};
        made_extension(der, 21, false, value, sizeof value);
    }
    if (end != der->at)
        made_header(der, 0x30, end);
    made_octets(der, "\x17\x0d" "251231235959Z", 15);
    size_t serial_end = der->at;
    made_octets(der, entry->serial, entry->length);
    if ((entry->serial[0] & 0x80) != 0)
        made_octets(der, "", 1);
    made_header(der, 0x02, serial_end);
    made_header(der, 0x30, end);
}

static inline seki_crl *made_read(const made_crl *plan)
{
    static const uint8_t rsa_sha256[] = {0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0};
    static const char dates[] = "\x17\x0d" "260101000000Z" "\x17\x0d" "260102000000Z";
    static made_der der;
    uint8_t name[MADE_NAME_SIZE];
    der.at = MADE_SIZE;
    made_octets(&der, "\x03\x03\x00\xaa\xbb", 5);
    made_octets(&der, rsa_sha256, sizeof rsa_sha256);
    size_t tbs = der.at;
    if (plan->idp != NULL)
        made_extension(&der, 28, true, plan->idp, plan->idp_length);
    if (plan->base != 0)
        made_extension(&der, 27, true, (uint8_t[]){2, 1, plan->base}, 3);
    made_extension(&der, 20, false, (uint8_t[]){2, 1, plan->number}, 3);
    made_header(&der, 0x30, tbs);
    made_header(&der, 0xa0, tbs);
    size_t entries = der.at;
    for (size_t i = plan->count; i-- != 0;)
        made_entry_of(&der, &plan->entries[i]);
    if (plan->count != 0)
        made_header(&der, 0x30, entries);
    made_octets(&der, dates, sizeof dates - 1);
    made_name(plan->issuer, name);
    made_octets(&der, name, sizeof name);
    made_octets(&der, rsa_sha256, sizeof rsa_sha256);
    made_octets(&der, "\x02\x01\x01", 3);
    made_header(&der, 0x30, tbs);
    made_header(&der, 0x30, MADE_SIZE);
    seki_crl_options options = {.memory_bytes = 0};
    seki_crl *crl;
    uint32_t reason;
    uint64_t fault;
    made_check(seki_crl_new(&options, &crl) == SEKI_OK, "a reader");
    made_check(seki_crl_feed(crl, der.data + der.at, MADE_SIZE - der.at, &reason) == SEKI_OK, "fed");
    seki_status ended = seki_crl_end(crl, &reason, &fault);
    if (ended != SEKI_OK || reason != 0)
        fprintf(stderr, "reason %u at %llu\n", reason, (unsigned long long)fault);
    made_check(ended == SEKI_OK && reason == 0, "a CRL");
    return crl;
}

static inline int made_file(const uint8_t *data, size_t size)
{
    int file = memfd_create("snapshot", MFD_CLOEXEC);
    made_check(file >= 0 && write(file, data, size) == (ssize_t)size, "a file");
    return file;
}

/* A base of complete CRLs, each under anchors[i] and by the key of that anchor. */
static inline int made_base(const made_crl *const *crls, const uint8_t (*anchors)[32], size_t count, uint64_t id)
{
    seki_snapshot_options options = {.kind = SEKI_SNAPSHOT_BASE, .id = id, .built_at = MADE_THIS};
    seki_snapshot_writer *writer;
    uint8_t digest[32];
    uint32_t reason;
    int file = made_file(digest, 0);
    made_check(seki_snapshot_writer_new(file, &options, &writer) == SEKI_OK, "a writer");
    for (size_t i = 0; i < count; i++) {
        seki_crl *crl = made_read(crls[i]);
        made_check(seki_snapshot_writer_add(writer, crl, anchors[i], anchors[i], 1, &reason) == SEKI_OK && reason == 0, "taken");
        seki_crl_free(crl);
    }
    made_check(seki_snapshot_writer_end(writer, digest) == SEKI_OK, "written");
    seki_snapshot_writer_free(writer);
    return file;
}

static inline seki_snapshot *made_map(int file)
{
    seki_snapshot *snapshot;
    uint32_t reason;
    made_check(seki_snapshot_map(file, &reason, &snapshot) == SEKI_OK && reason == 0, "mapped");
    return snapshot;
}

/* What is said of a certificate of that issuer, without distribution points, at a time at which the CRLs are fresh. */
static inline seki_revocation_answer made_ask(seki_revocation *revocation, const uint8_t anchor[32], char issuer, seki_span serial)
{
    static const seki_points none;
    static const seki_revocation_limits limits;
    uint8_t form[32];
    seki_issuer_points own;
    seki_revocation_answer answer;
    made_form(issuer, form);
    seki_points_of_issuer(form, &own);
    seki_revocation_question question = {
        .anchor = anchor, .issuer = &own, .signer = anchor, .points = &none, .serial = serial, .at = MADE_THIS + 10};
    const seki_in_force *in_force = seki_revocation_acquire(revocation);
    seki_revocation_ask(in_force, &limits, &question, 1, &answer);
    seki_revocation_release(revocation, in_force);
    return answer;
}

#endif
