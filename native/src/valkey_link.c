/* valkey_link.c: see valkey_link.h.
 *
 * No client library: theirs have a time-out for each read, not a deadline for a pipeline, and grow their buffers without end. */
#include "valkey_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

typedef union {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
} address;

uint64_t seki_link_now(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Length of the address, 0: there is none. */
static socklen_t address_of(const char *path, const char *host, uint16_t port, address *out)
{
    memset(out, 0, sizeof *out);
    if (path != NULL) {
        if (strlen(path) >= sizeof out->local.sun_path)
            return 0;
        out->local.sun_family = AF_UNIX;
        memcpy(out->local.sun_path, path, strlen(path));
        return sizeof out->local;
    }
    if (host != NULL && inet_pton(AF_INET, host, &out->four.sin_addr) == 1) {
        out->four.sin_family = AF_INET;
        out->four.sin_port = htons(port);
        return sizeof out->four;
    }
    if (host != NULL && inet_pton(AF_INET6, host, &out->six.sin6_addr) == 1) {
        out->six.sin6_family = AF_INET6;
        out->six.sin6_port = htons(port);
        return sizeof out->six;
    }
    return 0;
}

bool seki_link_loopback(const char *host)
{
    address found;
    if (address_of(NULL, host, 1, &found) == 0)
        return false;
    return found.any.sa_family == AF_INET ? (ntohl(found.four.sin_addr.s_addr) >> 24) == 127 : IN6_IS_ADDR_LOOPBACK(&found.six.sin6_addr) != 0;
}

/* Waits for the socket; 0: the deadline has passed. */
static short wait_for(int fd, short events, uint64_t deadline)
{
    for (;;) {
        uint64_t now = seki_link_now();
        if (now >= deadline)
            return 0;
        struct pollfd one = {.fd = fd, .events = events};
        int ready = poll(&one, 1, (int)((deadline - now) / 1000000u) + 1);
        if (ready > 0)
            return one.revents;
        if (ready < 0 && errno != EINTR)
            return POLLERR;
    }
}

static bool connected(int fd, const address *to, socklen_t length, uint64_t deadline, seki_valkey_trouble *why)
{
    int error = 0;
    socklen_t size = sizeof error;
    *why = SEKI_VALKEY_UNREACHABLE;
    if (connect(fd, &to->any, length) == 0)
        return true;
    if (errno != EINPROGRESS) /* EAGAIN, of a Unix socket: its backlog is full */
        return false;
    if (wait_for(fd, POLLOUT, deadline) == 0) {
        *why = SEKI_VALKEY_SLOW;
        return false;
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

seki_link *seki_link_open(const char *path, const char *host, uint16_t port, uint64_t deadline, seki_valkey_trouble *why)
{
    address to;
    socklen_t length = address_of(path, host, port, &to);
    *why = SEKI_VALKEY_UNREACHABLE;
    if (length == 0)
        return NULL;
    seki_link *link = malloc(sizeof *link);
    if (link == NULL)
        return NULL;
    link->next = NULL;
    link->born = seki_link_now();
    link->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    seki_link_begin(link);
    if (link->fd < 0 || !connected(link->fd, &to, length, deadline, why)) {
        seki_link_close(link);
        return NULL;
    }
    if (path == NULL)
        (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return link;
}

void seki_link_close(seki_link *link)
{
    if (link == NULL)
        return;
    if (link->fd >= 0)
        (void)close(link->fd);
    free(link);
}

bool seki_link_quiet(const seki_link *link)
{
    struct pollfd one = {.fd = link->fd, .events = POLLIN};
    return poll(&one, 1, 0) == 0;
}

void seki_link_begin(seki_link *link)
{
    link->said = link->out_length = link->in_at = link->in_length = 0;
}

static bool add(seki_link *link, const void *bytes, size_t size)
{
    if (size > SEKI_LINK_ROOM - link->out_length)
        return false;
    memcpy(link->out + link->out_length, bytes, size);
    link->out_length += size;
    return true;
}

static bool add_head(seki_link *link, char kind, size_t number)
{
    char head[24];
    int size = snprintf(head, sizeof head, "%c%zu\r\n", kind, number);
    return size > 0 && add(link, head, (size_t)size);
}

bool seki_link_say(seki_link *link, const seki_span *parts, size_t count)
{
    if (!add_head(link, '*', count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!add_head(link, '$', parts[i].length) || !add(link, parts[i].data, parts[i].length) || !add(link, "\r\n", 2))
            return false;
    return true;
}

/* Lets bytes pass in both directions: whoever only writes may wait for a peer that waits for his reading. */
static seki_valkey_trouble pump(seki_link *link, uint64_t deadline)
{
    if (link->fd < 0 || link->in_length == SEKI_LINK_ROOM)
        return SEKI_VALKEY_BROKEN;
    short wanted = (short)(POLLIN | (link->said < link->out_length ? POLLOUT : 0));
    short ready = wait_for(link->fd, wanted, deadline);
    if (ready == 0)
        return SEKI_VALKEY_SLOW;
    if ((ready & POLLOUT) != 0 && link->said < link->out_length) {
        ssize_t put = send(link->fd, link->out + link->said, link->out_length - link->said, MSG_NOSIGNAL);
        if (put < 0 && errno != EAGAIN && errno != EINTR)
            return SEKI_VALKEY_BROKEN;
        link->said += put > 0 ? (size_t)put : 0;
    }
    if ((ready & (POLLIN | POLLHUP | POLLERR)) != 0) {
        ssize_t got = recv(link->fd, link->in + link->in_length, SEKI_LINK_ROOM - link->in_length, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return SEKI_VALKEY_BROKEN;
        link->in_length += got > 0 ? (size_t)got : 0;
    }
    return SEKI_VALKEY_FINE;
}

seki_valkey_trouble seki_link_hear(seki_link *link, uint64_t deadline, seki_resp_item *out)
{
    for (;;) {
        seki_resp_state state = seki_resp_read((seki_span){link->in, link->in_length}, &link->in_at, out);
        if (state == SEKI_RESP_BAD)
            return SEKI_VALKEY_BROKEN;
        if (state == SEKI_RESP_WHOLE)
            return out->kind == SEKI_RESP_ERROR ? SEKI_VALKEY_REFUSED : SEKI_VALKEY_FINE;
        seki_valkey_trouble trouble = pump(link, deadline);
        if (trouble != SEKI_VALKEY_FINE)
            return trouble;
    }
}
