/* valkey_answer.h: an answer of a Valkey to one pipeline, as it would be said, for tests. */
#ifndef SEKI_TEST_VALKEY_ANSWER_H
#define SEKI_TEST_VALKEY_ANSWER_H

#include <stdio.h>
#include <time.h>

#include "../../src/valkey.h"

#define ANSWER_NONCE "00112233445566778899aabbccddeeff"
#define ANSWER_RUN "0123456789012345678901234567890123456789"
#define ANSWER_REPLICATION "abcdefabcdefabcdefabcdefabcdefabcdefabcd"
#define ANSWER_OWN "ffeeddccbbaa99887766554433221100"

/* Four claims: taken; used; used by the very same request; used by another. */
enum { ANSWER_CLAIMS = 4, ANSWER_ROOM = 2048 };

static inline size_t answer_make(char out[ANSWER_ROOM], int64_t now, int64_t since)
{
    char epoch[128], server[128], replication[128];
    static const char memory[] = "# Memory\r\nused_memory:1\r\nmaxmemory_policy:noeviction\r\n";
    int size = snprintf(server, sizeof server, "# Server\r\nredis_version:7.0.15\r\nrun_id:%s\r\n", ANSWER_RUN);
    int more = snprintf(replication, sizeof replication, "# Replication\r\nrole:master\r\nmaster_replid:%s\r\n", ANSWER_REPLICATION);
    int last = snprintf(epoch, sizeof epoch, "1 %s %s %lld", ANSWER_RUN, ANSWER_REPLICATION, (long long)since);
    int all = snprintf(out, ANSWER_ROOM,
                       "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
                       "+QUEUED\r\n+QUEUED\r\n*12\r\n$32\r\n%s\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n*2\r\n$10\r\n%010lld\r\n$6\r\n123456\r\n"
                       "$%d\r\n%s\r\n+OK\r\n$-1\r\n$-1\r\n$32\r\n%s\r\n$-1\r\n$1\r\n-\r\n",
                       ANSWER_NONCE, size, server, more, replication, (int)sizeof memory - 1, memory, (long long)now, last, epoch, ANSWER_OWN);
    return (size_t)all;
}

static inline void answer_claims(seki_shared_claim claims[ANSWER_CLAIMS], int64_t now)
{
    for (size_t i = 0; i < ANSWER_CLAIMS; i++) {
        claims[i] = (seki_shared_claim){.issued = now - 10, .expires = now + 100, .has_request = i >= 2};
        memcpy(claims[i].request, ANSWER_OWN, sizeof claims[i].request);
    }
}

static inline seki_valkey_terms answer_terms(int64_t now)
{
    seki_valkey_terms terms = {.tolerance = 2, .before = now, .link_until = UINT64_MAX, .deadline = UINT64_MAX};
    memcpy(terms.nonce, ANSWER_NONCE, sizeof terms.nonce);
    return terms;
}

/* What comes of that answer, all of which is there. */
static inline seki_valkey_trouble answer_read(const void *bytes, size_t size, int64_t now, seki_shared_claim claims[ANSWER_CLAIMS])
{
    static seki_link link;
    seki_valkey_state state;
    seki_valkey_terms terms = answer_terms(now);
    answer_claims(claims, now);
    seki_link_begin(&link);
    link.fd = -1;
    memcpy(link.in, bytes, size);
    link.in_length = size;
    return seki_valkey_read(&link, &terms, claims, ANSWER_CLAIMS, &state);
}

#endif
