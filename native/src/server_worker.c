/* server_worker.c: takes whatever waits of one tenant, judges it, and answers (server.h).
 *
 * No timer and no added delay: an idle server judges one login alone, a loaded one fills its lanes by itself. */
#include <stdlib.h>

#include "arena.h"
#include "server.h"
#include "thread.h"

/* Rows over which the cost of a row is told, and how many at no cost stand before the first: a batch of one row whose thread was
 * put off for 50 ms says little about the thousands that wait, and must not turn them away. */
enum { ROWS_REMEMBERED = 4096, ROWS_BEFORE = 256 };

typedef struct {
    seki_wire_code code; /* an error in place of the answer */
    uint16_t slot;       /* of the profiles */
    bool done;
    uint32_t size;       /* bytes of the answer's payload */
    const uint8_t *body; /* the payload; lives until the batch's end */
    uint16_t reason;     /* to be counted; 0: none */
    seki_verdict verdict;
} answer;

struct seki_worker {
    seki_server *server;
    pthread_t thread;
    unsigned number;
    /* of the batch under way; batch_rows of each */
    seki_row **rows;
    seki_request *requests;
    answer *answers;
    seki_login_input *inputs;
    seki_verdict *verdicts;
    uint32_t *which; /* row of each input */
    seki_arena arena;
    seki_tenant *tenant;
    const seki_profiles *profiles;
    int64_t at;
};

seki_worker *seki_workers_new(seki_server *server, size_t count)
{
    size_t rows = server->options.batch_rows;
    seki_worker *workers = calloc(count, sizeof *workers);
    if (workers == NULL)
        return NULL;
    server->workers = workers;
    for (size_t i = 0; i < count; i++) {
        seki_worker *w = &workers[i];
        *w = (seki_worker){.server = server,
                           .number = (unsigned)i + 1,
                           .rows = calloc(rows, sizeof *w->rows),
                           .requests = calloc(rows, sizeof *w->requests),
                           .answers = calloc(rows, sizeof *w->answers),
                           .inputs = calloc(rows, sizeof *w->inputs),
                           .verdicts = calloc(rows, sizeof *w->verdicts),
                           .which = calloc(rows, sizeof *w->which)};
        if (w->rows == NULL || w->requests == NULL || w->answers == NULL || w->inputs == NULL || w->verdicts == NULL || w->which == NULL) {
            seki_workers_free(server);
            return NULL;
        }
    }
    return workers;
}

void seki_workers_free(seki_server *server)
{
    size_t count = server->options.threads != 0 ? server->options.threads : 1;
    for (size_t i = 0; i < count; i++) {
        seki_worker *w = &server->workers[i];
        free(w->rows);
        free(w->requests);
        free(w->answers);
        free(w->inputs);
        free(w->verdicts);
        free(w->which);
        seki_arena_free(&w->arena);
    }
    free(server->workers);
    server->workers = NULL;
}

seki_worker *seki_worker_at(seki_server *server, size_t index)
{
    return &server->workers[index];
}

void seki_worker_set_thread(seki_worker *worker, pthread_t thread)
{
    worker->thread = thread;
}

pthread_t seki_worker_thread(const seki_worker *worker)
{
    return worker->thread;
}

/* ---- judging ---------------------------------------------------------------------------------------- */

static void say_error(answer *a, seki_wire_code code)
{
    a->code = code;
    a->done = true;
}

static void say(answer *a, const void *body, size_t size)
{
    a->body = body;
    a->size = (uint32_t)size;
    a->done = true;
}

/* What leaves tells nothing of other tenants, nor of this process. */
static seki_verdict public_verdict(const seki_verdict *verdict)
{
    seki_verdict told = *verdict;
    told.certificate = 0;
    told.flags &= (uint8_t)~SEKI_FLAG_CACHE_HIT;
    return told;
}

_Static_assert(sizeof(seki_verdict) == SEKI_ERROR_SIZE, "answers to logins are all of one size");

static void say_verdict(answer *a, const seki_verdict *verdict)
{
    a->verdict = public_verdict(verdict);
    a->reason = a->verdict.reason;
    say(a, &a->verdict, sizeof a->verdict);
}

static const seki_tenant_profile *profile_at(const seki_worker *w, size_t row)
{
    return &w->profiles->at[w->answers[row].slot];
}

static bool takes_logins(const seki_tenant_profile *profile)
{
    return profile->keys != NULL || profile->verifier->profile.challenge == SEKI_CHALLENGE_FOREIGN;
}

/* Puts the certificate that a reference names in its place. */
static void resolve(seki_worker *w, size_t row)
{
    seki_span *certificate = &w->requests[row].login.certificate;
    seki_references *references = w->tenant->references;
    uint8_t found[4096];
    size_t size = references != NULL ? seki_references_get(references, certificate->data, found, sizeof found) : 0;
    if (size == 0) {
        say_error(&w->answers[row], SEKI_WIRE_NEED_CERTIFICATE);
        return;
    }
    uint8_t *copy = seki_arena_take(&w->arena, size);
    if (copy == NULL) {
        say_error(&w->answers[row], SEKI_WIRE_ENGINE_FAULT);
        return;
    }
    if (size <= sizeof found)
        memcpy(copy, found, size);
    else if (seki_references_get(references, certificate->data, copy, size) != size) {
        say_error(&w->answers[row], SEKI_WIRE_NEED_CERTIFICATE); /* gone meanwhile */
        return;
    }
    *certificate = (seki_span){copy, size};
}

/* Finds the row's profile, and refuses what it does not offer. */
static void prepare(seki_worker *w, size_t i)
{
    const seki_row *row = w->rows[i];
    answer *a = &w->answers[i];
    seki_request *request = &w->requests[i];
    *a = (answer){.code = SEKI_WIRE_OK};
    seki_wire_code code = seki_request_read(row->kind, row->flags, (seki_span){row->payload, row->length}, request);
    if (code != SEKI_WIRE_OK) { /* it was read before */
        say_error(a, code);
        return;
    }
    if (w->profiles->count == 0) {
        say_error(a, SEKI_WIRE_NOT_OFFERED);
        return;
    }
    while (request->profile != 0 && a->slot < w->profiles->count && w->profiles->at[a->slot].expect.profile != request->profile)
        a->slot++;
    if (a->slot == w->profiles->count) {
        say_error(a, SEKI_WIRE_PROFILE_UNKNOWN);
        return;
    }
    const seki_tenant_profile *profile = profile_at(w, i);
    bool foreign = profile->verifier->profile.challenge == SEKI_CHALLENGE_FOREIGN;
    if ((row->kind == SEKI_FRAME_CHALLENGES && profile->issues == 0)
        || (row->kind == SEKI_FRAME_LOGIN
            && (!takes_logins(profile) || (foreign && (request->login.binding.length != 0 || request->login.transaction.length != 0))))) {
        say_error(a, SEKI_WIRE_NOT_OFFERED);
        return;
    }
    if ((row->kind == SEKI_FRAME_LOGIN || row->kind == SEKI_FRAME_CERTIFICATE) && (row->flags & SEKI_REQUEST_REFERENCE) != 0)
        resolve(w, i);
}

static seki_login_batch batch_of(const seki_worker *w, const seki_tenant_profile *profile, size_t rows)
{
    bool own = profile->verifier->profile.challenge == SEKI_CHALLENGE_OWN;
    return (seki_login_batch){.rows = rows,
                              .keys = own ? profile->keys : NULL,
                              .claims = own ? profile->claims : NULL,
                              .expect = profile->expect,
                              .at = &w->at,
                              .at_stride = 0,
                              .confirmations = SEKI_CONFIRMATIONS_MIN + rows / SEKI_CONFIRMATIONS_SHARE};
}

/* A batch of which nothing is known is decided for nobody. */
static void fault(seki_verdict *verdicts, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        verdicts[i] = (seki_verdict){.reason = SEKI_ENGINE_FAULT, .revocation_age = -1};
}

static void keep(const seki_worker *w, size_t row, const seki_verdict *verdict)
{
    uint8_t flags = w->rows[row]->flags;
    if (w->tenant->references != NULL && (flags & SEKI_REQUEST_KEEP) != 0 && (flags & SEKI_REQUEST_REFERENCE) == 0
        && (verdict->reason == SEKI_ACCEPTED || verdict->reason == SEKI_CERTIFICATE_OK))
        seki_references_put(w->tenant->references, w->requests[row].login.certificate);
}

/* All rows of one kind, LOGIN or CERTIFICATE, and one profile. */
static void judge(seki_worker *w, size_t count, uint8_t kind, size_t slot)
{
    size_t rows = 0;
    for (size_t i = 0; i < count; i++)
        if (!w->answers[i].done && w->rows[i]->kind == kind && w->answers[i].slot == slot) {
            w->inputs[rows] = w->requests[i].login;
            w->which[rows++] = (uint32_t)i;
        }
    if (rows == 0)
        return;
    const seki_tenant_profile *profile = &w->profiles->at[slot];
    seki_login_batch batch = batch_of(w, profile, rows);
    if (seki_verify_inputs(profile->verifier, &batch, w->inputs, kind == SEKI_FRAME_LOGIN, w->verdicts) != SEKI_OK)
        fault(w->verdicts, rows);
    for (size_t i = 0; i < rows; i++) {
        say_verdict(&w->answers[w->which[i]], &w->verdicts[i]);
        keep(w, w->which[i], &w->verdicts[i]);
    }
}

/* A column over rows that lie apart, copied end to end; false: out of memory. */
static bool gather(seki_worker *w, size_t rows, size_t member, seki_column *out)
{
    size_t total = 0;
    uint64_t *offsets = seki_arena_take(&w->arena, (rows + 1) * sizeof *offsets);
    for (size_t i = 0; i < rows; i++)
        total += ((const seki_span *)(const void *)((const uint8_t *)&w->requests[w->which[i]] + member))->length;
    uint8_t *data = seki_arena_take(&w->arena, total + 1);
    if (offsets == NULL || data == NULL)
        return false;
    offsets[0] = 0;
    for (size_t i = 0; i < rows; i++) {
        const seki_span *span = (const seki_span *)(const void *)((const uint8_t *)&w->requests[w->which[i]] + member);
        memcpy(data + offsets[i], span->data, span->length);
        offsets[i + 1] = offsets[i] + span->length;
    }
    *out = (seki_column){data, total, offsets, sizeof *offsets};
    return true;
}

/* All signatures, those whose messages are hashes or the others. */
static void judge_signatures(seki_worker *w, size_t count, uint8_t flags)
{
    size_t rows = 0;
    for (size_t i = 0; i < count; i++)
        if (!w->answers[i].done && w->rows[i]->kind == SEKI_FRAME_SIGNATURE && w->rows[i]->flags == flags)
            w->which[rows++] = (uint32_t)i;
    if (rows == 0)
        return;
    seki_column keys;
    seki_keyset *set = NULL;
    seki_signature_batch batch = {.rows = rows,
                                  .key_index_stride = 1,
                                  .modes_stride = 1,
                                  .prehashed = (flags & SEKI_REQUEST_PREHASHED) != 0,
                                  .confirmations = SEKI_CONFIRMATIONS_MIN + rows / SEKI_CONFIRMATIONS_SHARE};
    uint16_t *reasons = seki_arena_take(&w->arena, rows * sizeof *reasons);
    uint32_t *modes = seki_arena_take(&w->arena, rows * sizeof *modes);
    seki_signature_verdict *verdicts = seki_arena_take(&w->arena, rows * sizeof *verdicts);
    bool good = reasons != NULL && modes != NULL && verdicts != NULL && gather(w, rows, offsetof(seki_request, key), &keys)
                && gather(w, rows, offsetof(seki_request, message), &batch.messages)
                && gather(w, rows, offsetof(seki_request, login.signature), &batch.signatures);
    for (size_t i = 0; good && i < rows; i++)
        modes[i] = w->requests[w->which[i]].mode;
    batch.modes = modes;
    good = good && seki_keyset_new(&keys, rows, reasons, &set) == SEKI_OK;
    batch.keys = set;
    good = good && seki_verify_signatures(w->profiles->at[0].verifier->engine, &batch, verdicts) == SEKI_OK;
    for (size_t i = 0; i < rows; i++) {
        answer *a = &w->answers[w->which[i]];
        if (!good) {
            say_error(a, SEKI_WIRE_ENGINE_FAULT);
            continue;
        }
        a->reason = verdicts[i].reason;
        say(a, &verdicts[i], sizeof verdicts[i]);
    }
    seki_keyset_free(set);
}

/* Certificates that are kept, asked about again.  One that is not is an empty row. */
static void judge_revocation(seki_worker *w, size_t row)
{
    const seki_request *request = &w->requests[row];
    const seki_tenant_profile *profile = profile_at(w, row);
    answer *a = &w->answers[row];
    size_t count = request->count;
    seki_login_input *inputs = seki_arena_take(&w->arena, count * sizeof *inputs);
    seki_verdict *verdicts = seki_arena_take(&w->arena, count * sizeof *verdicts);
    if (inputs == NULL || verdicts == NULL) {
        say_error(a, SEKI_WIRE_ENGINE_FAULT);
        return;
    }
    seki_span none = {w->rows[row]->payload, 0};
    for (size_t i = 0; i < count; i++) {
        const uint8_t *name = request->references.data + i * SEKI_REFERENCE_SIZE;
        inputs[i] = (seki_login_input){none, none, none, none, none, none, none};
        size_t size = w->tenant->references != NULL ? seki_references_get(w->tenant->references, name, NULL, 0) : 0;
        uint8_t *copy = size != 0 ? seki_arena_take(&w->arena, size) : NULL;
        if (copy != NULL && seki_references_get(w->tenant->references, name, copy, size) == size)
            inputs[i].certificate = (seki_span){copy, size};
    }
    seki_login_batch batch = batch_of(w, profile, count);
    if (seki_verify_inputs(profile->verifier, &batch, inputs, false, verdicts) != SEKI_OK)
        fault(verdicts, count);
    for (size_t i = 0; i < count; i++)
        verdicts[i] = public_verdict(&verdicts[i]);
    say(a, verdicts, count * sizeof *verdicts);
}

static void issue(seki_worker *w, size_t row)
{
    const seki_request *request = &w->requests[row];
    const seki_tenant_profile *profile = profile_at(w, row);
    answer *a = &w->answers[row];
    size_t count = request->count, size = count * SEKI_CHALLENGE_SIZE;
    seki_challenge_params params = {.tenant = profile->expect.tenant,
                                    .profile = profile->expect.profile,
                                    .issued = w->at,
                                    .lifetime = request->lifetime != 0 ? request->lifetime : profile->lifetime};
    memcpy(params.audience, profile->expect.audience, sizeof params.audience);
    uint8_t *tokens = seki_arena_take(&w->arena, size);
    uint64_t *offsets = seki_arena_take(&w->arena, 2 * (count + 1) * sizeof *offsets);
    if (tokens == NULL || offsets == NULL) {
        say_error(a, SEKI_WIRE_ENGINE_FAULT);
        return;
    }
    seki_column columns[2] = {{0}, {0}};
    uint64_t *of_bindings = offsets, *of_transactions = offsets + count + 1;
    of_bindings[0] = of_transactions[0] = 0;
    for (size_t i = 0; i < count; i++) {
        of_bindings[i + 1] = of_bindings[i] + (request->binding_sizes.length != 0 ? seki_read_u16(request->binding_sizes.data + 2 * i) : 0);
        of_transactions[i + 1] = (i + 1) * SEKI_CHALLENGE_TRANSACTION_SIZE;
    }
    if (request->binding_sizes.length != 0)
        columns[0] = (seki_column){request->bindings.data, request->bindings.length, of_bindings, sizeof *offsets};
    if (request->transactions.length != 0)
        columns[1] = (seki_column){request->transactions.data, request->transactions.length, of_transactions, sizeof *offsets};
    if (seki_challenge_issue_many(profile->keys, &params, count, &columns[0], &columns[1], NULL, tokens) == SEKI_OK)
        say(a, tokens, size);
    else
        say_error(a, SEKI_WIRE_ENGINE_FAULT);
}

static void judge_all(seki_worker *w, size_t count)
{
    uint32_t kinds = 0, slots = 0;
    for (size_t i = 0; i < count; i++) {
        prepare(w, i);
        if (w->answers[i].done)
            continue;
        kinds |= 1u << w->rows[i]->kind;
        slots |= 1u << w->answers[i].slot;
    }
    for (size_t slot = 0; slot < SEKI_TENANT_PROFILES_MAX; slot++) {
        if ((slots >> slot & 1) == 0)
            continue;
        if ((kinds >> SEKI_FRAME_LOGIN & 1) != 0)
            judge(w, count, SEKI_FRAME_LOGIN, slot);
        if ((kinds >> SEKI_FRAME_CERTIFICATE & 1) != 0)
            judge(w, count, SEKI_FRAME_CERTIFICATE, slot);
    }
    if ((kinds >> SEKI_FRAME_SIGNATURE & 1) != 0) {
        judge_signatures(w, count, 0);
        judge_signatures(w, count, SEKI_REQUEST_PREHASHED);
    }
    for (size_t i = 0; i < count && (kinds >> SEKI_FRAME_REVOCATION & 1) != 0; i++)
        if (!w->answers[i].done && w->rows[i]->kind == SEKI_FRAME_REVOCATION)
            judge_revocation(w, i);
    for (size_t i = 0; i < count && (kinds >> SEKI_FRAME_CHALLENGES & 1) != 0; i++)
        if (!w->answers[i].done && w->rows[i]->kind == SEKI_FRAME_CHALLENGES)
            issue(w, i);
}

/* ---- answering: under the mutex ----------------------------------------------------------------------- */

static void count_latency(seki_tenant_statistics *count, uint64_t ns)
{
    uint64_t units = ns >> 7;
    size_t bucket = (size_t)units;
    if (units >= 8) {
        unsigned e = 60 - (unsigned)__builtin_clzll(units); /* of (8 + m) << e */
        bucket = 8 * ((size_t)e + 1) + (units >> e & 7);
    }
    count->latency[bucket < SEKI_LATENCY_BUCKETS ? bucket : SEKI_LATENCY_BUCKETS - 1]++;
    count->latency_ns += ns;
}

static bool answer_row(seki_worker *w, size_t i, uint64_t now)
{
    seki_row *row = w->rows[i];
    seki_connection *connection = row->connection;
    const answer *a = &w->answers[i];
    seki_tenant_statistics *count = &w->tenant->count;
    if (!a->done || a->code != SEKI_WIRE_OK) {
        seki_wire_code code = a->done ? a->code : SEKI_WIRE_ENGINE_FAULT;
        count->errors[code]++;
        seki_connection_say_error(connection, code, row->kind, row->id, 0);
    } else {
        uint8_t header[SEKI_FRAME_HEADER_SIZE];
        seki_frame_write_header(
            &(seki_frame_header){.length = a->size, .kind = (uint8_t)(row->kind + SEKI_FRAME_ANSWER), .id = row->id}, header);
        seki_connection_say(connection, header, a->body, a->size);
        if (a->reason != 0 && a->reason < sizeof count->verdicts / sizeof count->verdicts[0])
            count->verdicts[a->reason]++;
    }
    count_latency(count, now > row->taken ? now - row->taken : 0);
    bool wake = seki_connection_answered(connection);
    uint32_t weight = row->weight;
    seki_queue_free(w->tenant, row);
    seki_connection_row_done(connection, weight);
    return wake;
}

void seki_tenant_learn_cost(seki_tenant *tenant, uint64_t ns, uint64_t weight)
{
    double stays = (double)ROWS_REMEMBERED / (double)(ROWS_REMEMBERED + weight);
    if (tenant->worked_rows == 0)
        tenant->worked_rows = ROWS_BEFORE;
    tenant->worked_ns = tenant->worked_ns * stays + (double)ns;
    tenant->worked_rows = tenant->worked_rows * stays + (double)weight;
    tenant->row_ns = tenant->worked_ns / tenant->worked_rows;
}

static bool answer_all(seki_worker *w, size_t count, uint64_t began, uint64_t now)
{
    seki_server *server = w->server;
    seki_tenant *tenant = w->tenant;
    bool wake = false;
    uint64_t weight = seki_queue_weight(w->rows, count);
    for (size_t i = 0; i < count; i++)
        wake |= answer_row(w, i, now);
    seki_tenant_learn_cost(tenant, now - began, weight);
    tenant->count.working -= weight;
    server->count.working -= weight;
    server->count.batches++;
    server->count.rows += count;
    server->count.work_ns += now - began;
    return wake;
}

size_t seki_worker_once(seki_worker *w, uint64_t now)
{
    seki_server *server = w->server;
    bool wake = false;
    pthread_mutex_lock(&server->mutex);
    size_t count = seki_queue_take(server, w->rows, server->options.batch_rows, now, &w->tenant, &wake);
    if (count != 0)
        w->profiles = seki_profiles_take(w->tenant);
    if (server->count.waiting != 0 && server->asleep != 0)
        pthread_cond_signal(&server->work);
    pthread_mutex_unlock(&server->mutex);
    seki_server_wake(server, wake);
    if (count == 0)
        return 0;
    uint64_t began = seki_monotonic();
    w->at = seki_server_time(server);
    judge_all(w, count);
    uint64_t ended = seki_monotonic();
    pthread_mutex_lock(&server->mutex);
    wake = answer_all(w, count, began, ended);
    seki_profiles_return(w->tenant, (seki_profiles *)(uintptr_t)w->profiles);
    pthread_mutex_unlock(&server->mutex);
    seki_server_wake(server, wake);
    seki_arena_reset(&w->arena);
    return count;
}

void *seki_worker_run(void *argument)
{
    seki_worker *w = argument;
    seki_server *server = w->server;
    seki_thread_name("w", w->number);
    for (;;) {
        pthread_mutex_lock(&server->mutex);
        while (server->count.waiting == 0 && !server->stopping) {
            server->asleep++;
            pthread_cond_wait(&server->work, &server->mutex);
            server->asleep--;
        }
        bool stopping = server->stopping;
        pthread_mutex_unlock(&server->mutex);
        if (stopping)
            return NULL;
        seki_worker_once(w, seki_monotonic());
    }
}
