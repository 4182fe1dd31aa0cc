/* fuzz_wire.c: libFuzzer target for the socket server's frames: a peer who says anything, in pieces of any size.
 *
 * Invariant: the same bytes are answered the same whether they come at once or in pieces; each whole frame up to the one that ends the
 * connection has exactly one answer, with its id; nothing that was received is held on to once all is answered; and no login is accepted.
 *
 * The input: a byte that says whether a good hello comes first (even) and how large the pieces are, then what the peer sends.
 *
 *   make fuzz TARGET=wire */
#include "../src/server.h"
#include "fuzz/authority.h"
#include "fuzz/fuzz.h"

enum { ROWS = 64, FRAMES_MAX = 4200, NOW = 1000000000 };

static seki_verifier *verifier;

static void set_up(void)
{
    static const uint8_t allowed[AUTHORITY_ISSUERS] = {1, 1, 1, 1, 1, 1};
    seki_engine_options options = {.threads = 1, .cross_check_one_in = 1, .cache_bytes = SEKI_CACHE_BYTES_MIN};
    seki_engine *engine;
    require(seki_engine_new(&options, &engine) == SEKI_OK &&
                seki_verifier_new(engine, authority_trust(), authority_profile(0), allowed, NULL, &verifier) == SEKI_OK,
            "a verifier");
}

typedef struct {
    uint8_t kind;
    uint64_t id;
    uint32_t length;
    uint8_t head[2]; /* of the payload: the reason, or the code; who answered may differ, for the second time it is the cache */
} heard;

typedef struct {
    heard frames[FRAMES_MAX];
    size_t count;
    bool closes;
    size_t held; /* bytes of memory for what was received, at the end */
} conversation;

static bool same(const heard *a, const heard *b)
{
    return a->kind == b->kind && a->id == b->id && a->length == b->length && memcmp(a->head, b->head, sizeof a->head) == 0;
}

static void hear(conversation *out, const uint8_t *data, size_t size)
{
    while (size != 0) {
        seki_frame_header header;
        require(size >= SEKI_FRAME_HEADER_SIZE && seki_frame_read_header(data, &header) == SEKI_WIRE_OK, "a header");
        require(size - SEKI_FRAME_HEADER_SIZE >= header.length && header.flags == 0, "a whole frame");
        require(header.kind >= SEKI_FRAME_ANSWER, "an answer");
        require(out->count < FRAMES_MAX, "as many answers as frames");
        heard *one = &out->frames[out->count++];
        *one = (heard){.kind = header.kind, .id = header.id, .length = header.length};
        memcpy(one->head, data + SEKI_FRAME_HEADER_SIZE, header.length < sizeof one->head ? header.length : sizeof one->head);
        if (header.kind == SEKI_FRAME_LOGIN + SEKI_FRAME_ANSWER)
            require(seki_read_u16(one->head) != SEKI_ACCEPTED && seki_read_u16(one->head) != SEKI_NOT_DECIDED, "a refusal");
        data += SEKI_FRAME_HEADER_SIZE + header.length;
        size -= SEKI_FRAME_HEADER_SIZE + header.length;
    }
}

/* A server lives for all inputs: it takes longer to make than to ask.  Both hear the same, so both have the same counts. */
typedef struct {
    seki_server *server;
    seki_tenant *tenant;
} house;

static void build(house *h)
{
    const seki_server_options options = {.wake = -1,
                                         .frame_bytes = 65536,
                                         .connections = 1,
                                         .connection_rows = ROWS,
                                         .rows = ROWS,
                                         .batch_rows = ROWS,
                                         .backlog_bytes = 1 << 20,
                                         .deadline_ms = 1000,
                                         .idle_ms = 1000,
                                         .handshake_ms = 1000,
                                         .at = AUTHORITY_AT};
    seki_tenant_profile profile = {.verifier = verifier, .expect = {.tenant = 7, .profile = 5}, .lifetime = 100};
    require(seki_server_new(&options, &h->server) == SEKI_OK && seki_tenant_new(h->server, 7, 1 << 17, &h->tenant) == SEKI_OK &&
                seki_tenant_put(h->tenant, &profile, 1) == SEKI_OK,
            "a server");
}

static void converse(const house *h, seki_span said, size_t piece, conversation *out)
{
    seki_connection *connection;
    uint32_t wants = 0;
    uint64_t size = 0, rows;
    const uint8_t *answers;
    out->count = 0;
    h->tenant->worked_ns = h->tenant->row_ns = 0; /* what earlier inputs took would shed the hasty */
    require(seki_connection_new(h->server, 1, NOW, &connection) == SEKI_OK, "a connection");
    while (said.length != 0) {
        uint8_t *to;
        uint64_t room;
        require(seki_connection_buffer(connection, &to, &room) == SEKI_OK && room != 0, "room");
        size_t taken = said.length < piece ? said.length : piece;
        taken = taken < room ? taken : (size_t)room;
        memcpy(to, said.data, taken);
        said = (seki_span){said.data + taken, said.length - taken};
        require(seki_connection_received(connection, taken, NOW, &wants) == SEKI_OK, "received");
        if ((wants & SEKI_WANTS_ADMISSION) != 0) {
            uint32_t number;
            require(seki_connection_hello(connection, &number) == SEKI_OK, "a hello");
            require(seki_connection_admit(connection, number == 7 ? h->tenant : NULL, NOW, &wants) == SEKI_OK, "an admission");
        }
    }
    do {
        require(seki_server_work(h->server, NOW, &rows) == SEKI_OK, "work");
    } while (rows != 0);
    require(seki_connection_take(connection, 0, &answers, &size, &wants) == SEKI_OK, "answers");
    hear(out, answers, (size_t)size);
    out->closes = (wants & SEKI_WANTS_CLOSE) != 0;
    seki_server_statistics count;
    require(seki_server_read_statistics(h->server, &count) == SEKI_OK && count.waiting == 0 && count.working == 0, "all is answered");
    out->held = (size_t)count.receive_bytes;
    seki_connection_free(connection);
}

/* Whole frames up to the first that may end the connection, as the document has it; their ids summed. */
static size_t whole_frames(seki_span said, uint64_t *ids)
{
    size_t count = 0;
    *ids = 0;
    while (said.length >= SEKI_FRAME_HEADER_SIZE) {
        uint64_t length = seki_read_u32(said.data);
        if (seki_read_u16(said.data + 6) != 0 || length > 65536 - SEKI_FRAME_HEADER_SIZE)
            break;
        if (said.length - SEKI_FRAME_HEADER_SIZE < length)
            break;
        uint8_t kind = said.data[4];
        if ((kind == SEKI_FRAME_HELLO) != (count == 0) || (kind == SEKI_FRAME_GOODBYE && said.data[5] == 0 && length == 0))
            break;
        *ids += seki_read_u64(said.data + 8);
        count++;
        said = (seki_span){said.data + SEKI_FRAME_HEADER_SIZE + length, said.length - SEKI_FRAME_HEADER_SIZE - (size_t)length};
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static conversation whole, pieces;
    static const uint8_t hello[] = {24, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 's', 'e', 'k', 'i',
                                    's', 'h', 'o', 0, 1, 1, 0, 0, 7, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0};
    static house one, other;
    if (verifier == NULL) {
        set_up();
        build(&one);
        build(&other);
    }
    if (size < 1 || size > 1 << 16)
        return 0;
    bool greeted = data[0] % 2 == 0;
    size_t before = greeted ? sizeof hello : 0;
    uint8_t *said = malloc(before + size);
    require(said != NULL, "memory");
    memcpy(said, hello, before);
    memcpy(said + before, data + 1, size - 1);
    seki_span all = {said, before + size - 1};

    converse(&one, all, all.length != 0 ? all.length : 1, &whole);
    converse(&other, all, 1 + data[0] / 2u * (data[0] / 2u), &pieces);
    require(whole.count == pieces.count && whole.closes == pieces.closes, "pieces change nothing");
    for (size_t i = 0; i < whole.count; i++)
        require(same(&whole.frames[i], &pieces.frames[i]), "pieces change no answer");
    require(whole.held <= 65536 + SEKI_BLOCK_SMALL, "nothing is held on to but a frame that was begun");

    uint64_t ids, heard_ids = 0;
    size_t frames = whole_frames(all, &ids);
    if (greeted) {
        require(whole.count >= frames && whole.count <= frames + 1, "an answer each, and what ended it");
        for (size_t i = 0; i < frames; i++)
            heard_ids += whole.frames[i].id;
        if (whole.count == frames)
            require(heard_ids == ids, "answers bear the ids of requests");
    }
    free(said);
    return 0;
}
