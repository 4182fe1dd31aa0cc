/* test_server.c: frames.c, references.c and the queue of the socket server: what is read, what is kept, who has his turn, and that every
 * request has exactly one answer while workers, connections and the end race.
 *
 *   cc -std=gnu11 -fsanitize=thread -DSEKI_VERSION='"test"' -I../include -I../src test_server.c (all of ../src) -lcrypto -lpthread -lm
 *
 * Exit status 0 if everything held. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/server.h"

static size_t failures;

static void check_at(bool held, const char *what, int line)
{
    if (held)
        return;
    failures++;
    fprintf(stderr, "FAILED, line %d: %s\n", line, what);
}
#define CHECK(condition) check_at((condition), #condition, __LINE__)

/* ---- frames ------------------------------------------------------------------------------------------ */

static void headers(void)
{
    uint8_t bytes[SEKI_FRAME_HEADER_SIZE];
    seki_frame_header in = {.length = 0x01020304, .kind = 4, .flags = 3, .id = 0x1122334455667788}, out;
    seki_frame_write_header(&in, bytes);
    CHECK(seki_frame_read_header(bytes, &out) == SEKI_WIRE_OK);
    CHECK(out.length == in.length && out.kind == in.kind && out.flags == in.flags && out.id == in.id);
    CHECK(bytes[0] == 4 && bytes[8] == 0x88);
    bytes[7] = 1;
    CHECK(seki_frame_read_header(bytes, &out) == SEKI_WIRE_FRAME_MALFORMED);
}

/* Every length of a login's payload but the right one is malformed, and nothing is read beyond it (sanitizers). */
static void logins_are_whole(void)
{
    enum { SIZE = 32 + 5 + 4 + 3 + 2 + 1 + 6 + 32 };
    uint8_t whole[SIZE + 1] = {0};
    seki_write_u32(whole, 7);
    seki_write_u32(whole + 8, 5);
    seki_write_u32(whole + 12, 4);
    seki_write_u16(whole + 16, 3);
    seki_write_u16(whole + 18, 2);
    seki_write_u16(whole + 20, 1);
    seki_write_u16(whole + 22, 6);
    seki_write_u16(whole + 24, 32);
    seki_request request;
    for (size_t length = 0; length <= SIZE + 1; length++) {
        uint8_t *exact = malloc(length != 0 ? length : 1);
        memcpy(exact, whole, length);
        seki_wire_code code = seki_request_read(SEKI_FRAME_LOGIN, 0, (seki_span){exact, length}, &request);
        CHECK((code == SEKI_WIRE_OK) == (length == SIZE));
        if (code == SEKI_WIRE_OK)
            CHECK(request.deadline_ms == 7 && request.login.request.length == 6 && request.login.transaction.data == exact + SIZE - 32);
        free(exact);
    }
    for (size_t kind = 0; kind < 256; kind++)
        if (kind < SEKI_FRAME_CHALLENGES || kind > SEKI_FRAME_REVOCATION)
            CHECK(seki_request_read((uint8_t)kind, 0, (seki_span){whole, SIZE}, &request) == SEKI_WIRE_REQUEST_MALFORMED);
}

/* ---- references ---------------------------------------------------------------------------------------- */

/* Certificates of odd sizes through a small ring, held against a list of what the newest were. */
static void the_ring_of_references(void)
{
    enum { COUNT = 3000, RING = 1 << 17, NEWEST = 40 };
    static uint8_t der[COUNT][3000];
    static size_t sizes[COUNT];
    seki_references *references = seki_references_new(RING);
    CHECK(references != NULL && seki_references_new(1000) == NULL);
    uint32_t chance = 1;
    for (size_t i = 0; i < COUNT; i++) {
        chance = chance * 1664525 + 1013904223;
        sizes[i] = 1 + (chance >> 8) % (sizeof der[i] - 1);
        memset(der[i], (int)(i & 0xFF), sizes[i]);
        if (sizes[i] >= 2)
            der[i][1] = (uint8_t)(i >> 8);
        seki_references_put(references, (seki_span){der[i], sizes[i]});
        seki_references_put(references, (seki_span){der[i], sizes[i]}); /* again: nothing changes */
        uint8_t name[32], out[3000];
        for (size_t back = 0; back < NEWEST && back <= i && back * sizeof der[0] < RING / 2; back++) {
            seki_sha256((seki_span){der[i - back], sizes[i - back]}, name);
            size_t size = seki_references_get(references, name, out, sizeof out);
            CHECK(size == 0 || (size == sizes[i - back] && memcmp(out, der[i - back], size) == 0));
            CHECK(back > 8 || size != 0); /* the very newest are there */
        }
        CHECK(seki_references_count(references) <= RING / (32 + 8 + 1));
    }
    uint8_t unknown[32] = {0};
    CHECK(seki_references_get(references, unknown, NULL, 0) == 0);
    uint8_t *large = calloc(1, RING);
    seki_references_put(references, (seki_span){large, RING / 2}); /* too large to be kept */
    free(large);
    seki_references_free(references);
}

/* ---- the queue, raced ------------------------------------------------------------------------------------ */

enum { LINES = 24, ROUNDS = 400, BURST = 20 };

typedef struct {
    seki_connection *connection;
    uint64_t sent, heard, sum_sent, sum_heard;
    bool ended;
} line;

static seki_server *server;
static seki_tenant *tenants[2];
static line lines[LINES];
static uint64_t tokens_made;

static void feed(line *l, const uint8_t *data, size_t size)
{
    uint32_t wants;
    while (size != 0) {
        uint8_t *to;
        uint64_t room;
        CHECK(seki_connection_buffer(l->connection, &to, &room) == SEKI_OK);
        size_t taken = size < room ? size : (size_t)room;
        memcpy(to, data, taken);
        CHECK(seki_connection_received(l->connection, taken, seki_monotonic(), &wants) == SEKI_OK);
        data += taken;
        size -= taken;
        if ((wants & SEKI_WANTS_ADMISSION) != 0) {
            uint32_t number;
            CHECK(seki_connection_hello(l->connection, &number) == SEKI_OK);
            CHECK(seki_connection_admit(l->connection, tenants[number], seki_monotonic(), &wants) == SEKI_OK);
        }
    }
}

static void open_line(line *l, size_t index)
{
    uint8_t hello[SEKI_FRAME_HEADER_SIZE + SEKI_HELLO_SIZE] = {SEKI_HELLO_SIZE, 0, 0, 0, SEKI_FRAME_HELLO};
    memcpy(hello + 16, "sekisho", 8);
    hello[24] = hello[25] = 1;
    hello[32] = (uint8_t)(index % 2);
    *l = (line){0};
    CHECK(seki_connection_new(server, ++tokens_made * LINES + index, seki_monotonic(), &l->connection) == SEKI_OK);
    feed(l, hello, sizeof hello);
}

static void hear(line *l)
{
    const uint8_t *data;
    uint64_t size;
    uint32_t wants;
    CHECK(seki_connection_take(l->connection, 0, &data, &size, &wants) == SEKI_OK);
    while (size != 0) {
        seki_frame_header header;
        CHECK(size >= SEKI_FRAME_HEADER_SIZE && seki_frame_read_header(data, &header) == SEKI_WIRE_OK);
        if (header.kind != SEKI_FRAME_HELLO + SEKI_FRAME_ANSWER) {
            /* The tenants offer nothing: what goes through the workers comes back as that. */
            CHECK(header.kind == SEKI_FRAME_ERROR && seki_read_u16(data + 16) == SEKI_WIRE_NOT_OFFERED);
            l->heard++;
            l->sum_heard += header.id;
        }
        data += SEKI_FRAME_HEADER_SIZE + header.length;
        size -= SEKI_FRAME_HEADER_SIZE + header.length;
    }
}

static void burst(line *l, uint32_t chance)
{
    uint8_t frames[BURST][SEKI_FRAME_HEADER_SIZE + 16];
    size_t count = 1 + chance % BURST;
    memset(frames, 0, sizeof frames);
    for (size_t i = 0; i < count; i++) {
        seki_frame_header header = {.length = 16, .kind = SEKI_FRAME_CERTIFICATE, .id = ++l->sent};
        seki_frame_write_header(&header, frames[i]);
        seki_write_u32(frames[i] + 16, 600000); /* nobody is in a hurry */
        l->sum_sent += header.id;
    }
    feed(l, frames[0], count * sizeof frames[0]);
}

static void answered(int wake)
{
    uint64_t found[7], count;
    struct pollfd ready = {.fd = wake, .events = POLLIN};
    CHECK(poll(&ready, 1, 20000) == 1); /* a wake-up that is lost hangs here */
    CHECK(seki_server_answered(server, found, sizeof found / sizeof found[0], &count) == SEKI_OK);
    for (uint64_t i = 0; i < count; i++)
        hear(&lines[found[i] % LINES]);
}

static uint64_t outstanding(void)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < LINES; i++)
        missing += lines[i].sent - lines[i].heard;
    return missing;
}

/* Bursts on many lines, some lines lost in the middle of it; every request of those that stay has one answer. */
static void everything_is_answered_once(unsigned threads)
{
    int wake = eventfd(0, EFD_NONBLOCK);
    seki_server_options options = {.threads = threads,
                                   .wake = wake,
                                   .frame_bytes = 65536,
                                   .connections = LINES,
                                   .connection_rows = 100000,
                                   .rows = 200000,
                                   .batch_rows = 64,
                                   .backlog_bytes = 1 << 20,
                                   .deadline_ms = 1000,
                                   .idle_ms = 1000,
                                   .handshake_ms = 1000,
                                   .at = 0};
    CHECK(seki_server_new(&options, &server) == SEKI_OK);
    for (size_t i = 0; i < 2; i++)
        CHECK(seki_tenant_new(server, (uint32_t)i, 0, &tenants[i]) == SEKI_OK);
    for (size_t i = 0; i < LINES; i++)
        open_line(&lines[i], i);
    uint32_t chance = 7;
    for (size_t round = 0; round < ROUNDS; round++) {
        chance = chance * 1664525 + 1013904223;
        line *one = &lines[(chance >> 16) % LINES];
        burst(one, chance >> 8);
        if (round % 50 == 49) {
            seki_connection_free(one->connection);
            open_line(one, (size_t)(one - lines));
            hear(one);
        }
        if (round % 10 == 0 && tenants[round % 2] != NULL)
            CHECK(seki_tenant_put(tenants[round % 2], NULL, 0) == SEKI_OK);
        hear(&lines[round % LINES]);
    }
    while (outstanding() != 0)
        answered(wake);
    for (size_t i = 0; i < LINES; i++)
        CHECK(lines[i].sent == lines[i].heard && lines[i].sum_sent == lines[i].sum_heard);
    seki_server_statistics count;
    CHECK(seki_server_read_statistics(server, &count) == SEKI_OK);
    CHECK(count.waiting == 0 && count.working == 0 && count.connections == LINES);
    for (size_t i = 0; i < 2; i++)
        CHECK(seki_tenant_replaced(tenants[i]) == 0);
    for (size_t i = 0; i < LINES / 2; i++)
        burst(&lines[i], 19); /* the end comes in the middle of these */
    seki_server_free(server);
    close(wake);
}

static void a_child_is_refused(void)
{
    seki_server_options options = {.threads = 1,
                                   .wake = -1,
                                   .frame_bytes = 4096,
                                   .connections = 1,
                                   .connection_rows = 1,
                                   .rows = 1,
                                   .batch_rows = 1,
                                   .backlog_bytes = 1,
                                   .deadline_ms = 1,
                                   .idle_ms = 1,
                                   .handshake_ms = 1,
                                   .at = -1};
    seki_connection *connection;
    CHECK(seki_server_new(&options, &server) == SEKI_OK);
    CHECK(seki_connection_new(server, 1, 0, &connection) == SEKI_OK);
    pid_t child = fork();
    if (child == 0) {
        seki_server_statistics count;
        seki_connection *other;
        bool refused = seki_server_read_statistics(server, &count) == SEKI_E_FORKED && seki_server_drain(server) == SEKI_E_FORKED
                       && seki_connection_new(server, 2, 0, &other) == SEKI_E_FORKED;
        seki_connection_free(connection);
        seki_server_free(server);
        _exit(refused ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    seki_server_free(server);
    seki_server_free(NULL);
    options.rows = 0;
    CHECK(seki_server_new(&options, &server) == SEKI_E_ARGUMENT);
}

/* What a row costs is told over thousands: one whose thread was put off must not turn away all that wait. */
static void one_slow_row(void)
{
    enum { SLOW_NS = 50000000, ROW_NS = 8000, DEARER_NS = 95000, ROWS = 4096 };
    seki_tenant tenant = {0};
    seki_tenant_learn_cost(&tenant, SLOW_NS, 1);
    CHECK(tenant.row_ns > 0 && tenant.row_ns < SLOW_NS / 200);
    for (int i = 0; i < 8; i++)
        seki_tenant_learn_cost(&tenant, (uint64_t)ROWS * ROW_NS, ROWS);
    CHECK(tenant.row_ns > 0.9 * ROW_NS && tenant.row_ns < 1.1 * ROW_NS);
    seki_tenant_learn_cost(&tenant, SLOW_NS, 1);
    CHECK(tenant.row_ns < 3 * ROW_NS);
    for (int i = 0; i < 8; i++)
        seki_tenant_learn_cost(&tenant, (uint64_t)ROWS * DEARER_NS, ROWS);
    CHECK(tenant.row_ns > 0.9 * DEARER_NS && tenant.row_ns < 1.1 * DEARER_NS);
}

int main(void)
{
    headers();
    one_slow_row();
    logins_are_whole();
    the_ring_of_references();
    for (unsigned threads = 1; threads <= 4; threads++)
        everything_is_answered_once(threads);
    a_child_is_refused();
    if (failures == 0)
        puts("test_server: ok");
    return failures != 0;
}
