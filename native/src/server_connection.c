/* server_connection.c: a connection's bytes: received, split into frames, answered (server.h). */
#include <stdlib.h>

#include "server.h"

enum { ROWS_AT_ONCE = 64, NS_PER_MS = 1000000 }; /* requests of a chunk that are put into the queue together */

/* ---- blocks: under the mutex --------------------------------------------------------------------- */

static seki_block *block_lease(seki_connection *c, size_t capacity)
{
    seki_server *server = c->server;
    seki_block *block = server->blocks;
    if (capacity == SEKI_BLOCK_SIZE && block != NULL) {
        server->blocks = block->next;
        server->blocks_kept--;
    } else {
        block = malloc(sizeof *block + capacity);
        if (block == NULL)
            return NULL;
    }
    block->next = NULL;
    block->users = 1;
    block->capacity = capacity;
    block->holder = c;
    c->held += capacity;
    server->count.receive_bytes += capacity;
    return block;
}

void seki_block_release(seki_server *server, seki_block *block)
{
    if (--block->users != 0)
        return;
    server->count.receive_bytes -= block->capacity;
    block->holder->held -= block->capacity;
    if (block->capacity == SEKI_BLOCK_SIZE && server->blocks_kept < SEKI_BLOCKS_KEPT) {
        block->next = server->blocks;
        server->blocks = block;
        server->blocks_kept++;
        return;
    }
    free(block);
}

/* Moves what is not split yet to the start of a new block. */
static bool move_to_block(seki_connection *c, size_t capacity)
{
    seki_block *new = block_lease(c, capacity);
    if (new == NULL)
        return false;
    if (c->block != NULL) {
        memcpy(new->data, c->block->data + c->from, c->to - c->from);
        seki_block_release(c->server, c->block);
    }
    c->to -= c->from;
    c->from = 0;
    c->block = new;
    return true;
}

static void drop_block(seki_connection *c)
{
    if (c->block != NULL)
        seki_block_release(c->server, c->block);
    c->block = NULL;
    c->from = c->to = 0;
}

/* Bytes of the frame that begins in the block; 0 while its header is not whole. */
static size_t frame_size(const seki_connection *c)
{
    if (c->to - c->from < SEKI_FRAME_HEADER_SIZE)
        return 0;
    return SEKI_FRAME_HEADER_SIZE + (size_t)seki_read_u32(c->block->data + c->from);
}

/* An idle connection keeps no block, and a frame that was begun one of its own size: what a half-open peer costs is what he sent. */
static void settle_block(seki_connection *c)
{
    if (c->block == NULL || c->block->users != 1)
        return;
    size_t size = frame_size(c), least = size > SEKI_BLOCK_SMALL ? size : SEKI_BLOCK_SMALL;
    if (c->from == c->to)
        drop_block(c);
    else if (c->block->capacity > least && c->to - c->from <= least)
        (void)move_to_block(c, least); /* if memory is short it stays where it is */
}

/* ---- lives ------------------------------------------------------------------------------------------ */

/* Whether as much waits as may: answers that the peer does not take, or frames that were received and are not done with. */
static bool is_full(const seki_connection *c)
{
    const seki_server_options *options = &c->server->options;
    uint64_t receiving = c->block != NULL ? c->block->capacity : 0; /* what a frame that was begun needs to come to its end */
    uint64_t most = SEKI_HELD_SHARE * (uint64_t)options->backlog_bytes;
    most = most > options->frame_bytes ? most : options->frame_bytes;
    return c->out_length + c->unsent > options->backlog_bytes || c->held - receiving > most;
}

static uint32_t wants_of(seki_connection *c)
{
    uint32_t wants = 0;
    if (c->phase == SEKI_PHASE_ADMISSION)
        wants |= SEKI_WANTS_ADMISSION;
    if (c->out_length != 0)
        wants |= SEKI_WANTS_WRITE;
    if (c->finishing && c->in_flight == 0)
        wants |= SEKI_WANTS_CLOSE;
    c->paused = is_full(c);
    if (c->paused || c->phase == SEKI_PHASE_ENDED)
        wants |= SEKI_WANTS_PAUSE;
    return wants;
}

static void end(seki_connection *c, seki_wire_code code, uint8_t kind, uint64_t id)
{
    if (code != SEKI_WIRE_OK) {
        if (c->tenant != NULL)
            c->tenant->count.errors[code]++;
        seki_connection_say_error(c, code, kind, id, 0);
    }
    c->phase = SEKI_PHASE_ENDED;
    c->finishing = true;
}

seki_status seki_connection_new(seki_server *server, uint64_t token, uint64_t now, seki_connection **out)
{
    if (server == NULL || out == NULL || token == 0)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(server) != SEKI_OK)
        return SEKI_E_FORKED;
    seki_connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return SEKI_E_MEMORY;
    *c = (seki_connection){.server = server, .token = token, .last_byte = now, .began = now};
    pthread_mutex_lock(&server->mutex);
    c->after = server->connections;
    if (c->after != NULL)
        c->after->before = c;
    server->connections = c;
    if (server->count.connections < server->options.connections) {
        c->counted = true;
        server->count.connections++;
        server->count.accepted_connections++;
    } else {
        server->count.refused_connections++;
        end(c, SEKI_WIRE_CONNECTIONS_FULL, 0, 0);
    }
    pthread_mutex_unlock(&server->mutex);
    *out = c;
    return SEKI_OK;
}

void seki_connection_destroy(seki_connection *c)
{
    seki_server *server = c->server;
    seki_connection_unlist(c);
    drop_block(c);
    *(c->before != NULL ? &c->before->after : &server->connections) = c->after;
    if (c->after != NULL)
        c->after->before = c->before;
    free(c->out);
    free(c->sending);
    free(c);
}

void seki_connection_free(seki_connection *c)
{
    if (c == NULL || seki_server_ours(c->server) != SEKI_OK)
        return;
    seki_server *server = c->server;
    pthread_mutex_lock(&server->mutex);
    if (c->counted)
        server->count.connections--;
    c->counted = false;
    c->phase = SEKI_PHASE_ENDED;
    c->finishing = true;
    if (c->tenant != NULL)
        seki_queue_forget(c);
    if (c->in_flight == 0) {
        seki_connection_destroy(c);
    } else {
        c->lost = true;
        seki_connection_unlist(c);
        drop_block(c);
    }
    pthread_mutex_unlock(&server->mutex);
}

void seki_connection_row_done(seki_connection *c, uint32_t weight)
{
    c->in_flight -= weight;
    if (c->in_flight != 0)
        return;
    if (c->lost) {
        seki_connection_destroy(c);
        return;
    }
    if (c->goodbye) {
        uint8_t header[SEKI_FRAME_HEADER_SIZE];
        seki_frame_write_header(&(seki_frame_header){.kind = SEKI_FRAME_GOODBYE + SEKI_FRAME_ANSWER, .id = c->goodbye_id}, header);
        seki_connection_say(c, header, NULL, 0);
    }
}

/* ---- answers ---------------------------------------------------------------------------------------- */

void seki_connection_say(seki_connection *c, const uint8_t *header, const uint8_t *body, size_t body_size)
{
    if (c->lost)
        return;
    size_t size = SEKI_FRAME_HEADER_SIZE + body_size;
    if (c->out_room - c->out_length < size) {
        size_t room = 2 * (c->out_length + size) + 4096;
        uint8_t *out = realloc(c->out, room);
        if (out == NULL) {
            c->phase = SEKI_PHASE_ENDED;
            c->finishing = true;
            return;
        }
        c->out = out;
        c->out_room = room;
    }
    memcpy(c->out + c->out_length, header, SEKI_FRAME_HEADER_SIZE);
    if (body_size != 0)
        memcpy(c->out + c->out_length + SEKI_FRAME_HEADER_SIZE, body, body_size);
    c->out_length += size;
}

void seki_connection_say_error(seki_connection *c, seki_wire_code code, uint8_t kind, uint64_t id, uint32_t retry_ms)
{
    uint8_t frame[SEKI_ANSWER_SIZE];
    seki_error_write(code, kind, id, retry_ms, frame);
    seki_connection_say(c, frame, frame + SEKI_FRAME_HEADER_SIZE, SEKI_ERROR_SIZE);
}

seki_status seki_connection_take(seki_connection *c, uint64_t unsent, const uint8_t **data, uint64_t *size, uint32_t *wants)
{
    if (c == NULL || data == NULL || size == NULL || wants == NULL)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(c->server) != SEKI_OK)
        return SEKI_E_FORKED;
    static const uint8_t nothing;
    pthread_mutex_lock(&c->server->mutex);
    uint8_t *out = c->out;
    size_t room = c->out_room, length = c->out_length;
    if (c->sending_room > SEKI_OUT_KEPT) {
        free(c->sending);
        c->sending = NULL;
        c->sending_room = 0;
    }
    c->out = c->sending;
    c->out_room = c->sending_room;
    c->out_length = 0;
    c->sending = out;
    c->sending_room = room;
    c->unsent = unsent + length;
    settle_block(c);
    *data = length != 0 ? out : &nothing;
    *size = length;
    *wants = wants_of(c);
    c->unsent = unsent; /* what is given out now the next call tells of */
    pthread_mutex_unlock(&c->server->mutex);
    return SEKI_OK;
}

/* ---- frames ------------------------------------------------------------------------------------------- */

static void say_welcome(seki_connection *c)
{
    const seki_server *server = c->server;
    const seki_profiles *profiles = c->tenant->profiles;
    uint32_t features = c->tenant->references != NULL ? SEKI_FEATURE_REFERENCES : 0;
    for (uint64_t i = 0; i < profiles->count; i++) {
        if (profiles->at[i].issues != 0)
            features |= SEKI_FEATURE_CHALLENGES;
        if (profiles->at[i].keys != NULL || profiles->at[i].verifier->profile.challenge == SEKI_CHALLENGE_FOREIGN)
            features |= SEKI_FEATURE_LOGINS;
    }
    seki_welcome welcome = {.features = features & c->hello.features,
                            .frame_bytes = server->options.frame_bytes,
                            .requests = server->options.connection_rows,
                            .challenges = SEKI_BULK_ROWS_MAX,
                            .deadline_ms = server->options.deadline_ms,
                            .idle_s = server->options.idle_ms / 1000,
                            .profile = profiles->count != 0 ? profiles->at[0].expect.profile : 0,
                            .time = seki_server_time(server)};
    uint8_t header[SEKI_FRAME_HEADER_SIZE], body[SEKI_WELCOME_SIZE];
    seki_frame_write_header(&(seki_frame_header){.length = SEKI_WELCOME_SIZE, .kind = SEKI_FRAME_HELLO + SEKI_FRAME_ANSWER, .id = c->hello_id},
                            header);
    seki_welcome_write(&welcome, body);
    seki_connection_say(c, header, body, sizeof body);
    if (server->draining) {
        seki_frame_write_header(&(seki_frame_header){.kind = SEKI_FRAME_GOODBYE + SEKI_FRAME_ANSWER}, header);
        seki_connection_say(c, header, NULL, 0);
    }
}

static void say_stats(seki_connection *c, uint64_t id)
{
    const seki_tenant_statistics *count = &c->tenant->count;
    enum { VERDICTS = sizeof count->verdicts / sizeof count->verdicts[0], NOW = 3 };
    uint8_t body[(VERDICTS + SEKI_WIRE_CODES + NOW) * SEKI_STATS_ROW_SIZE], header[SEKI_FRAME_HEADER_SIZE];
    size_t length = 0;
    const uint64_t now[NOW] = {count->waiting, count->working, seki_queue_wait(c->tenant, NULL) / 1000};
    const struct {
        uint16_t group, first;
        size_t rows;
        const uint64_t *values;
        bool zeros; /* rows of 0 are said too */
    } groups[] = {{1, 0, VERDICTS, count->verdicts, false}, {2, 0, SEKI_WIRE_CODES, count->errors, false}, {3, 1, NOW, now, true}};
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++)
        for (size_t i = 0; i < groups[g].rows; i++) {
            if (groups[g].values[i] == 0 && !groups[g].zeros)
                continue;
            uint8_t *row = body + length;
            seki_write_u16(row, groups[g].group);
            seki_write_u16(row + 2, (uint16_t)(groups[g].first + i));
            seki_write_u32(row + 4, 0);
            seki_write_u64(row + 8, groups[g].values[i]);
            length += SEKI_STATS_ROW_SIZE;
        }
    seki_frame_write_header(&(seki_frame_header){.length = (uint32_t)length, .kind = SEKI_FRAME_STATS + SEKI_FRAME_ANSWER, .id = id}, header);
    seki_connection_say(c, header, body, length);
}

static void answer_now(seki_connection *c, seki_wire_code code, const seki_frame_header *header)
{
    c->tenant->count.errors[code]++;
    seki_connection_say_error(c, code, header->kind, header->id, 0);
}

/* A request that the loop's thread answers by itself. */
static void do_at_once(seki_connection *c, const seki_frame_header *header, seki_span payload)
{
    uint8_t answer[SEKI_FRAME_HEADER_SIZE];
    switch (header->kind) {
    case SEKI_FRAME_HELLO:
        end(c, SEKI_WIRE_HELLO_EXPECTED, header->kind, header->id);
        break;
    case SEKI_FRAME_PING:
        if (header->flags != 0 || payload.length > SEKI_PING_SIZE_MAX) {
            answer_now(c, SEKI_WIRE_REQUEST_MALFORMED, header);
            break;
        }
        c->tenant->count.requests[SEKI_FRAME_PING]++;
        seki_frame_write_header(
            &(seki_frame_header){.length = header->length, .kind = SEKI_FRAME_PING + SEKI_FRAME_ANSWER, .id = header->id}, answer);
        seki_connection_say(c, answer, payload.data, payload.length);
        break;
    case SEKI_FRAME_STATS:
        if (header->flags != 0 || payload.length != 0) {
            answer_now(c, SEKI_WIRE_REQUEST_MALFORMED, header);
            break;
        }
        if (c->out_length > c->server->options.backlog_bytes) { /* the one answer at once that is much longer than its request */
            answer_now(c, SEKI_WIRE_TOO_MANY_REQUESTS, header);
            break;
        }
        c->tenant->count.requests[SEKI_FRAME_STATS]++;
        say_stats(c, header->id);
        break;
    case SEKI_FRAME_GOODBYE:
        if (header->flags != 0 || payload.length != 0) {
            answer_now(c, SEKI_WIRE_REQUEST_MALFORMED, header);
            break;
        }
        end(c, SEKI_WIRE_OK, 0, 0);
        c->goodbye = true;
        c->goodbye_id = header->id;
        c->in_flight++; /* itself: if nothing else is under way it is answered now, else with the last answer */
        seki_connection_row_done(c, 1);
        break;
    default: answer_now(c, SEKI_WIRE_KIND_UNKNOWN, header); break;
    }
}

/* What there is to say against a request before it waits; what only its profile decides is left to the worker. */
static seki_wire_code examine(const seki_connection *c, const seki_frame_header *header, seki_span payload, uint32_t *deadline_ms,
                              uint32_t *weight)
{
    seki_request request;
    seki_wire_code code = seki_request_read(header->kind, header->flags, payload, &request);
    if (code != SEKI_WIRE_OK)
        return code;
    size_t row = header->kind == SEKI_FRAME_CHALLENGES ? SEKI_CHALLENGE_SIZE : sizeof(seki_verdict);
    if (c->hello.frame_bytes != 0 && SEKI_FRAME_HEADER_SIZE + request.count * row > c->hello.frame_bytes)
        return SEKI_WIRE_TOO_MUCH;
    *weight = request.count != 0 ? request.count : 1;
    *deadline_ms = request.deadline_ms;
    if (*deadline_ms == 0)
        *deadline_ms = c->server->options.deadline_ms;
    if (*deadline_ms > SEKI_DEADLINE_MS_MAX)
        *deadline_ms = SEKI_DEADLINE_MS_MAX;
    return SEKI_WIRE_OK;
}

/* The first frame. */
static void greet(seki_connection *c, const seki_frame_header *header, seki_span payload)
{
    seki_wire_code code = seki_hello_read(header->flags, payload, &c->hello);
    c->hello_id = header->id;
    if (code != SEKI_WIRE_OK)
        end(c, code, header->kind, header->id);
    else
        c->phase = SEKI_PHASE_ADMISSION;
}

/* A header that is whole: what stands against its frame before the payload is there. */
static seki_wire_code against(const seki_connection *c, const seki_frame_header *header, seki_wire_code read)
{
    bool first = c->phase == SEKI_PHASE_HELLO;
    if (first && header->kind != SEKI_FRAME_HELLO)
        return SEKI_WIRE_HELLO_EXPECTED;
    if (read != SEKI_WIRE_OK)
        return read;
    if (first)
        return header->length > SEKI_HELLO_SIZE_MAX ? SEKI_WIRE_HELLO_MALFORMED : SEKI_WIRE_OK;
    return header->length > c->server->options.frame_bytes - SEKI_FRAME_HEADER_SIZE ? SEKI_WIRE_FRAME_TOO_LARGE : SEKI_WIRE_OK;
}

static void put_rows(seki_connection *c, const seki_row *rows, size_t *count, uint64_t now)
{
    if (*count != 0)
        seki_queue_put(c, rows, *count, now);
    *count = 0;
}

/* Under the mutex.  Takes frames off the front of what was received while they are whole and more is wanted. */
static void split(seki_connection *c, uint64_t now)
{
    seki_row rows[ROWS_AT_ONCE];
    size_t count = 0;
    while ((c->phase == SEKI_PHASE_HELLO || c->phase == SEKI_PHASE_OPEN) && c->to - c->from >= SEKI_FRAME_HEADER_SIZE) {
        seki_frame_header header;
        const uint8_t *at = c->block->data + c->from;
        seki_wire_code code = against(c, &header, seki_frame_read_header(at, &header));
        if (code != SEKI_WIRE_OK) {
            put_rows(c, rows, &count, now); /* what is said at once is said in order */
            end(c, code, header.kind, header.id);
            break;
        }
        if (c->to - c->from - SEKI_FRAME_HEADER_SIZE < header.length)
            break;
        seki_span payload = {at + SEKI_FRAME_HEADER_SIZE, header.length};
        c->from += SEKI_FRAME_HEADER_SIZE + header.length;
        c->began = now;
        if (c->phase == SEKI_PHASE_HELLO) {
            greet(c, &header, payload);
            continue;
        }
        if (header.kind < SEKI_FRAME_CHALLENGES || header.kind > SEKI_FRAME_REVOCATION) {
            put_rows(c, rows, &count, now); /* a goodbye is behind what came before it */
            do_at_once(c, &header, payload);
            continue;
        }
        uint32_t deadline_ms, weight;
        code = examine(c, &header, payload, &deadline_ms, &weight);
        if (code != SEKI_WIRE_OK) {
            put_rows(c, rows, &count, now);
            answer_now(c, code, &header);
            continue;
        }
        rows[count++] = (seki_row){.connection = c,
                                   .block = c->block,
                                   .payload = payload.data,
                                   .id = header.id,
                                   .taken = now,
                                   .deadline = now + (uint64_t)deadline_ms * NS_PER_MS,
                                   .length = header.length,
                                   .weight = weight,
                                   .kind = header.kind,
                                   .flags = header.flags};
        if (count == ROWS_AT_ONCE)
            put_rows(c, rows, &count, now);
    }
    put_rows(c, rows, &count, now);
    if (c->phase == SEKI_PHASE_ENDED)
        c->from = c->to; /* what stands behind is not looked at */
}

seki_status seki_connection_buffer(seki_connection *c, uint8_t **data, uint64_t *size)
{
    if (c == NULL || data == NULL || size == NULL)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(c->server) != SEKI_OK)
        return SEKI_E_FORKED;
    bool good = true;
    pthread_mutex_lock(&c->server->mutex);
    if (c->block != NULL && c->from == c->to && c->block->users == 1)
        c->from = c->to = 0;
    size_t frame = c->block != NULL ? frame_size(c) : 0;
    /* A frame lies in one block; and where little room is left, the next is begun, so that few bytes move. */
    if (c->block == NULL || frame > c->block->capacity - c->from || c->block->capacity == SEKI_BLOCK_SMALL
        || (c->block->capacity - c->to < SEKI_BLOCK_ROOM_MIN && (frame == 0 || c->block->capacity == SEKI_BLOCK_SIZE)))
        good = move_to_block(c, frame > SEKI_BLOCK_SIZE ? frame : SEKI_BLOCK_SIZE);
    if (good) {
        *data = c->block->data + c->to;
        *size = c->block->capacity - c->to;
    }
    pthread_mutex_unlock(&c->server->mutex);
    return good ? SEKI_OK : SEKI_E_MEMORY;
}

seki_status seki_connection_received(seki_connection *c, uint64_t size, uint64_t now, uint32_t *wants)
{
    if (c == NULL || wants == NULL)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(c->server) != SEKI_OK)
        return SEKI_E_FORKED;
    if (c->block == NULL || size > c->block->capacity - c->to)
        return SEKI_E_ARGUMENT;
    pthread_mutex_lock(&c->server->mutex);
    if (c->from == c->to)
        c->began = c->phase == SEKI_PHASE_OPEN ? now : c->began;
    c->to += (size_t)size;
    c->last_byte = now;
    split(c, now);
    settle_block(c);
    *wants = wants_of(c);
    pthread_mutex_unlock(&c->server->mutex);
    return SEKI_OK;
}

seki_status seki_connection_ended(seki_connection *c, uint32_t *wants)
{
    if (c == NULL || wants == NULL)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(c->server) != SEKI_OK)
        return SEKI_E_FORKED;
    pthread_mutex_lock(&c->server->mutex);
    c->from = c->to;
    end(c, SEKI_WIRE_OK, 0, 0);
    settle_block(c);
    *wants = wants_of(c);
    pthread_mutex_unlock(&c->server->mutex);
    return SEKI_OK;
}

seki_status seki_connection_hello(const seki_connection *c, uint32_t *tenant)
{
    if (c == NULL || tenant == NULL || c->phase != SEKI_PHASE_ADMISSION)
        return SEKI_E_ARGUMENT;
    *tenant = c->hello.tenant;
    return SEKI_OK;
}

seki_status seki_connection_admit(seki_connection *c, seki_tenant *tenant, uint64_t now, uint32_t *wants)
{
    if (c == NULL || wants == NULL || c->phase != SEKI_PHASE_ADMISSION || (tenant != NULL && tenant->server != c->server))
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(c->server) != SEKI_OK)
        return SEKI_E_FORKED;
    pthread_mutex_lock(&c->server->mutex);
    if (tenant == NULL) {
        end(c, SEKI_WIRE_TENANT_REFUSED, SEKI_FRAME_HELLO, c->hello_id);
        c->from = c->to;
    } else {
        c->tenant = tenant;
        c->phase = SEKI_PHASE_OPEN;
        c->began = now;
        say_welcome(c);
        split(c, now);
    }
    settle_block(c);
    *wants = wants_of(c);
    pthread_mutex_unlock(&c->server->mutex);
    return SEKI_OK;
}
