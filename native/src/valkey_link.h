/* valkey_link.h: one connection to a Valkey or Redis server: commands out, items in, each with a deadline.
 *
 * Nothing here is shared: a link is one thread's while it is used.  After any trouble it is closed, never used again. */
#ifndef SEKI_VALKEY_LINK_H
#define SEKI_VALKEY_LINK_H

#include "../include/sekisho.h"
#include "resp.h"

enum { SEKI_LINK_ROOM = 1 << 20 }; /* bytes each way: a pipeline of SEKI_VALKEY_CLAIMS_MAX claims has 850,000 */

typedef struct seki_link {
    struct seki_link *next;
    int fd;        /* -1: what it will hear is in `in` already */
    uint64_t born; /* ns of seki_link_now: before it was connected */
    size_t said, out_length, in_at, in_length;
    uint8_t out[SEKI_LINK_ROOM], in[SEKI_LINK_ROOM];
} seki_link;

/* ns; goes on while the machine sleeps. */
uint64_t seki_link_now(void);

/* Connects; NULL and why not.  A path, or (path NULL) an address of loopback in numbers. */
seki_link *seki_link_open(const char *path, const char *host, uint16_t port, uint64_t deadline, seki_valkey_trouble *why);
void seki_link_close(seki_link *link);

/* Whether a number address is one of loopback. */
bool seki_link_loopback(const char *host);

/* Whether the server has neither closed it nor said what nobody asked for. */
bool seki_link_quiet(const seki_link *link);

/* Forgets what was said and heard before. */
void seki_link_begin(seki_link *link);

/* Adds a command of so many parts to what will be said; false: no room. */
SEKI_MUST_USE bool seki_link_say(seki_link *link, const seki_span *parts, size_t count);

/* Says what is left to say, and hears the next item; its text lives until seki_link_begin. */
SEKI_MUST_USE seki_valkey_trouble seki_link_hear(seki_link *link, uint64_t deadline, seki_resp_item *out);

#endif
