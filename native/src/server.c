#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "thread.h"

enum { THREADS_MAX = 256, CONNECTIONS_MAX = 1048576, BATCH_MAX = 1048576, NS_PER_MS = 1000000 };

static bool options_valid(const seki_server_options *o)
{
    return o->threads <= THREADS_MAX && o->frame_bytes >= SEKI_FRAME_SIZE_MIN && o->frame_bytes <= SEKI_FRAME_SIZE_MAX
           && o->connections >= 1 && o->connections <= CONNECTIONS_MAX && o->rows >= 1 && o->rows <= SEKI_ROWS_MAX && o->connection_rows >= 1
           && o->connection_rows <= o->rows && o->batch_rows >= 1 && o->batch_rows <= BATCH_MAX && o->deadline_ms >= 1
           && o->deadline_ms <= SEKI_DEADLINE_MS_MAX && o->idle_ms >= 1 && o->handshake_ms >= 1 && o->backlog_bytes >= 1
           && o->reserved == 0 && o->at >= -1 && o->at <= SEKI_TIME_MAX;
}

seki_status seki_server_ours(const seki_server *server)
{
    return server->pid == getpid() ? SEKI_OK : SEKI_E_FORKED;
}

uint64_t seki_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int64_t seki_server_time(const seki_server *server)
{
    return server->options.at >= 0 ? server->options.at : (int64_t)time(NULL);
}

void seki_server_wake(const seki_server *server, bool wake)
{
    static const uint64_t one = 1;
    if (!wake || server->options.wake < 0)
        return;
    ssize_t done;
    do {
        done = write(server->options.wake, &one, sizeof one);
    } while (done < 0 && errno == EINTR); /* EAGAIN: it is readable already, by 2^64 - 2 wakes */
}

seki_status seki_server_new(const seki_server_options *options, seki_server **out)
{
    if (options == NULL || out == NULL || !options_valid(options))
        return SEKI_E_ARGUMENT;
    seki_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return SEKI_E_MEMORY;
    server->options = *options;
    server->pid = getpid();
    if (pthread_mutex_init(&server->mutex, NULL) != 0) {
        free(server);
        return SEKI_E_MEMORY;
    }
    if (pthread_cond_init(&server->work, NULL) != 0) {
        pthread_mutex_destroy(&server->mutex);
        free(server);
        return SEKI_E_MEMORY;
    }
    server->pool = calloc(options->rows, sizeof *server->pool);
    server->workers = seki_workers_new(server, options->threads != 0 ? options->threads : 1);
    if (server->pool == NULL || server->workers == NULL) {
        seki_server_free(server);
        return SEKI_E_MEMORY;
    }
    for (uint32_t i = options->rows; i-- > 0;) { /* the first is the first to be used */
        server->pool[i].next = server->free_rows;
        server->free_rows = &server->pool[i];
        server->free_count++;
    }
    for (; server->started < options->threads; server->started++) {
        pthread_t thread;
        seki_worker *worker = seki_worker_at(server, server->started);
        if (!seki_thread_start(&thread, seki_worker_run, worker)) {
            seki_server_free(server);
            return SEKI_E_SYSTEM;
        }
        seki_worker_set_thread(worker, thread);
    }
    *out = server;
    return SEKI_OK;
}

void seki_server_free(seki_server *server)
{
    if (server == NULL || server->pid != getpid())
        return;
    pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    pthread_cond_broadcast(&server->work);
    pthread_mutex_unlock(&server->mutex);
    for (uint32_t i = 0; i < server->started; i++)
        pthread_join(seki_worker_thread(seki_worker_at(server, i)), NULL);
    while (server->connections != NULL) {
        seki_connection *one = server->connections;
        if (one->tenant != NULL)
            seki_queue_forget(one);
        seki_connection_destroy(one);
    }
    while (server->tenants != NULL) {
        seki_tenant *one = server->tenants;
        server->tenants = one->next;
        seki_references_free(one->references);
        free(one->profiles);
        free(one);
    }
    while (server->blocks != NULL) {
        seki_block *one = server->blocks;
        server->blocks = one->next;
        free(one);
    }
    if (server->workers != NULL)
        seki_workers_free(server);
    free(server->pool);
    pthread_cond_destroy(&server->work);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

seki_status seki_server_work(seki_server *server, uint64_t now, uint64_t *rows)
{
    if (server == NULL || rows == NULL || server->options.threads != 0)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(server) != SEKI_OK)
        return SEKI_E_FORKED;
    pthread_mutex_lock(&server->mutex);
    bool taken = server->work_taken;
    server->work_taken = true;
    pthread_mutex_unlock(&server->mutex);
    *rows = 0;
    if (taken)
        return SEKI_OK; /* another thread is at it */
    *rows = seki_worker_once(seki_worker_at(server, 0), now);
    pthread_mutex_lock(&server->mutex);
    server->work_taken = false;
    pthread_mutex_unlock(&server->mutex);
    return SEKI_OK;
}

void seki_connection_unlist(seki_connection *connection)
{
    seki_server *server = connection->server;
    if (!connection->dirty)
        return;
    *(connection->dirty_before != NULL ? &connection->dirty_before->dirty_after : &server->dirty_first) = connection->dirty_after;
    *(connection->dirty_after != NULL ? &connection->dirty_after->dirty_before : &server->dirty_last) = connection->dirty_before;
    connection->dirty = false;
}

bool seki_connection_answered(seki_connection *connection)
{
    seki_server *server = connection->server;
    if (connection->lost)
        return false;
    if (!connection->dirty) {
        connection->dirty = true;
        connection->dirty_before = server->dirty_last;
        connection->dirty_after = NULL;
        *(server->dirty_last != NULL ? &server->dirty_last->dirty_after : &server->dirty_first) = connection;
        server->dirty_last = connection;
    }
    bool wake = !server->signalled;
    server->signalled = true;
    return wake;
}

seki_status seki_server_answered(seki_server *server, uint64_t *tokens, uint64_t capacity, uint64_t *count)
{
    if (server == NULL || tokens == NULL || count == NULL)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(server) != SEKI_OK)
        return SEKI_E_FORKED;
    uint64_t ignored, found = 0;
    if (server->options.wake >= 0)
        while (read(server->options.wake, &ignored, sizeof ignored) < 0 && errno == EINTR)
            continue;
    pthread_mutex_lock(&server->mutex);
    for (; found < capacity && server->dirty_first != NULL; found++) {
        tokens[found] = server->dirty_first->token;
        seki_connection_unlist(server->dirty_first);
    }
    server->signalled = server->dirty_first != NULL;
    bool wake = server->signalled; /* the rest */
    pthread_mutex_unlock(&server->mutex);
    seki_server_wake(server, wake);
    *count = found;
    return SEKI_OK;
}

static seki_wire_code overdue(const seki_server *server, const seki_connection *c, uint64_t now)
{
    uint64_t handshake = (uint64_t)server->options.handshake_ms * NS_PER_MS, idle = (uint64_t)server->options.idle_ms * NS_PER_MS;
    if (c->phase == SEKI_PHASE_ENDED || c->finishing)
        return SEKI_WIRE_OK;
    if (c->phase != SEKI_PHASE_OPEN)
        return now > c->began + handshake ? SEKI_WIRE_HANDSHAKE_TIMEOUT : SEKI_WIRE_OK;
    if (c->paused)
        return SEKI_WIRE_OK; /* it is ours to read */
    if (c->from != c->to)
        return now > c->began + handshake ? SEKI_WIRE_FRAME_TIMEOUT : SEKI_WIRE_OK;
    return c->in_flight == 0 && c->out_length == 0 && c->unsent == 0 && now > c->last_byte + idle ? SEKI_WIRE_IDLE_TIMEOUT
                                                                                                  : SEKI_WIRE_OK;
}

seki_status seki_server_expire(seki_server *server, uint64_t now)
{
    if (server == NULL)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(server) != SEKI_OK)
        return SEKI_E_FORKED;
    bool wake = false;
    pthread_mutex_lock(&server->mutex);
    for (seki_connection *one = server->connections; one != NULL; one = one->after) {
        seki_wire_code code = overdue(server, one, now);
        if (code == SEKI_WIRE_OK)
            continue;
        if (one->tenant != NULL)
            one->tenant->count.errors[code]++;
        seki_connection_say_error(one, code, 0, 0, 0);
        one->phase = SEKI_PHASE_ENDED;
        one->finishing = true;
        wake |= seki_connection_answered(one);
    }
    pthread_mutex_unlock(&server->mutex);
    seki_server_wake(server, wake);
    return SEKI_OK;
}

seki_status seki_server_drain(seki_server *server)
{
    if (server == NULL)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(server) != SEKI_OK)
        return SEKI_E_FORKED;
    bool wake = false;
    uint8_t header[SEKI_FRAME_HEADER_SIZE];
    seki_frame_write_header(&(seki_frame_header){.kind = SEKI_FRAME_GOODBYE + SEKI_FRAME_ANSWER}, header);
    pthread_mutex_lock(&server->mutex);
    for (seki_connection *one = server->draining ? NULL : server->connections; one != NULL; one = one->after) {
        if (one->phase != SEKI_PHASE_OPEN)
            continue;
        seki_connection_say(one, header, NULL, 0);
        wake |= seki_connection_answered(one);
    }
    server->draining = true;
    pthread_mutex_unlock(&server->mutex);
    seki_server_wake(server, wake);
    return SEKI_OK;
}

seki_status seki_server_read_statistics(seki_server *server, seki_server_statistics *out)
{
    if (server == NULL || out == NULL)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(server) != SEKI_OK)
        return SEKI_E_FORKED;
    pthread_mutex_lock(&server->mutex);
    *out = server->count;
    out->wait_ns = out->backlog_bytes = 0;
    for (const seki_tenant *one = server->tenants; one != NULL; one = one->next) {
        uint64_t wait = seki_queue_wait(one, NULL);
        out->wait_ns = wait > out->wait_ns ? wait : out->wait_ns;
    }
    for (const seki_connection *one = server->connections; one != NULL; one = one->after)
        out->backlog_bytes += one->out_length + one->unsent;
    pthread_mutex_unlock(&server->mutex);
    return SEKI_OK;
}

/* ---- tenants -------------------------------------------------------------------------------------- */

seki_status seki_tenant_new(seki_server *server, uint32_t number, uint64_t reference_bytes, seki_tenant **out)
{
    if (server == NULL || out == NULL)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(server) != SEKI_OK)
        return SEKI_E_FORKED;
    seki_tenant *tenant = calloc(1, sizeof *tenant);
    if (tenant == NULL)
        return SEKI_E_MEMORY;
    tenant->server = server;
    tenant->number = number;
    tenant->profiles = calloc(1, sizeof *tenant->profiles);
    tenant->references = reference_bytes != 0 ? seki_references_new(reference_bytes) : NULL;
    if (tenant->profiles == NULL || (reference_bytes != 0 && tenant->references == NULL)) {
        seki_references_free(tenant->references);
        free(tenant->profiles);
        free(tenant);
        return SEKI_E_MEMORY;
    }
    tenant->profiles->users = 1;
    pthread_mutex_lock(&server->mutex);
    tenant->next = server->tenants;
    server->tenants = tenant;
    pthread_mutex_unlock(&server->mutex);
    *out = tenant;
    return SEKI_OK;
}

static bool profile_valid(const seki_tenant_profile *p)
{
    return p->verifier != NULL && p->issues <= 1 && (p->issues == 0 || p->keys != NULL) && p->lifetime >= 1
           && p->lifetime <= SEKI_CHALLENGE_LIFETIME_MAX && p->expect.skew >= 0 && p->expect.skew <= SEKI_CHALLENGE_SKEW_MAX;
}

seki_status seki_tenant_put(seki_tenant *tenant, const seki_tenant_profile *profiles, uint64_t count)
{
    if (tenant == NULL || (profiles == NULL && count != 0) || count > SEKI_TENANT_PROFILES_MAX)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(tenant->server) != SEKI_OK)
        return SEKI_E_FORKED;
    seki_profiles *new = calloc(1, sizeof *new);
    if (new == NULL)
        return SEKI_E_MEMORY;
    new->users = 1;
    new->count = count;
    for (uint64_t i = 0; i < count; i++) {
        new->at[i] = profiles[i];
        bool good = profile_valid(&profiles[i]);
        for (uint64_t j = 0; j < i; j++)
            good &= profiles[j].expect.profile != profiles[i].expect.profile;
        if (!good) {
            free(new);
            return SEKI_E_ARGUMENT;
        }
    }
    pthread_mutex_lock(&tenant->server->mutex);
    seki_profiles *old = tenant->profiles;
    tenant->profiles = new;
    tenant->replaced++;
    seki_profiles_return(tenant, old);
    pthread_mutex_unlock(&tenant->server->mutex);
    return SEKI_OK;
}

uint64_t seki_tenant_replaced(seki_tenant *tenant)
{
    if (seki_server_ours(tenant->server) != SEKI_OK)
        return 0;
    pthread_mutex_lock(&tenant->server->mutex);
    uint64_t replaced = tenant->replaced;
    pthread_mutex_unlock(&tenant->server->mutex);
    return replaced;
}

seki_status seki_tenant_read_statistics(seki_tenant *tenant, seki_tenant_statistics *out)
{
    if (tenant == NULL || out == NULL)
        return SEKI_E_ARGUMENT;
    if (seki_server_ours(tenant->server) != SEKI_OK)
        return SEKI_E_FORKED;
    pthread_mutex_lock(&tenant->server->mutex);
    *out = tenant->count;
    out->wait_ns = seki_queue_wait(tenant, NULL);
    pthread_mutex_unlock(&tenant->server->mutex);
    out->references = tenant->references != NULL ? seki_references_count(tenant->references) : 0;
    return SEKI_OK;
}

seki_profiles *seki_profiles_take(seki_tenant *tenant)
{
    tenant->profiles->users++;
    return tenant->profiles;
}

void seki_profiles_return(seki_tenant *tenant, seki_profiles *profiles)
{
    if (--profiles->users != 0)
        return;
    tenant->replaced--; /* those in force are the tenant's own */
    free(profiles);
}
