/* server_queue.c: requests that wait (server.h).
 *
 * Tenants take turns, a batch each; within a tenant its connections take turns, SEKI_QUANTUM rows each.  Who floods waits in his own
 * line: the wait that a request may expect is told from its own connection's and tenant's share, not from all that wait. */
#include "server.h"

enum { NS_PER_MS = 1000000 };

static void join_round(seki_connection *connection)
{
    seki_tenant *tenant = connection->tenant;
    if (connection->in_round)
        return;
    connection->in_round = true;
    connection->round_next = NULL;
    *(tenant->round_last != NULL ? &tenant->round_last->round_next : &tenant->round_first) = connection;
    tenant->round_last = connection;
    tenant->round_count++;
}

static void join_turn(seki_tenant *tenant)
{
    seki_server *server = tenant->server;
    if (tenant->in_turn)
        return;
    tenant->in_turn = true;
    tenant->turn_next = NULL;
    *(server->turn_last != NULL ? &server->turn_last->turn_next : &server->turn_first) = tenant;
    server->turn_last = tenant;
    server->turn_count++;
}

static seki_connection *leave_round(seki_tenant *tenant)
{
    seki_connection *first = tenant->round_first;
    tenant->round_first = first->round_next;
    if (tenant->round_first == NULL)
        tenant->round_last = NULL;
    tenant->round_count--;
    first->in_round = false;
    return first;
}

static seki_tenant *leave_turn(seki_server *server)
{
    seki_tenant *first = server->turn_first;
    server->turn_first = first->turn_next;
    if (server->turn_first == NULL)
        server->turn_last = NULL;
    server->turn_count--;
    first->in_turn = false;
    return first;
}

uint64_t seki_queue_wait(const seki_tenant *tenant, const seki_connection *connection)
{
    const seki_server *server = tenant->server;
    double ahead = (double)tenant->count.waiting;
    if (connection != NULL) {
        double share = (double)(connection->waiting + SEKI_QUANTUM) * (double)(tenant->round_count + !connection->in_round);
        ahead = share < ahead ? share : ahead;
    }
    double own = ahead * tenant->row_ns * (double)(server->turn_count + !tenant->in_turn), all = 0;
    for (const seki_tenant *other = server->turn_first; other != NULL; other = other->turn_next)
        all += (double)other->count.waiting * other->row_ns;
    double wait = (own < all ? own : all) + (double)server->count.working * tenant->row_ns;
    return (uint64_t)(wait / (server->options.threads != 0 ? server->options.threads : 1));
}

static uint32_t to_ms(uint64_t ns)
{
    uint64_t ms = ns / NS_PER_MS + 1;
    return ms < SEKI_DEADLINE_MS_MAX ? (uint32_t)ms : SEKI_DEADLINE_MS_MAX;
}

static void refuse(seki_connection *connection, const seki_row *row, seki_wire_code code, uint64_t wait)
{
    connection->tenant->count.errors[code]++;
    seki_connection_say_error(connection, code, row->kind, row->id, code == SEKI_WIRE_OVERLOADED ? to_ms(wait) : 0);
}

/* Whether what was received takes all the memory that it may. */
static bool is_crowded(const seki_server *server)
{
    uint64_t most = (uint64_t)server->options.rows * SEKI_ROW_BYTES;
    return server->count.receive_bytes > (most > SEKI_RECEIVE_LEAST ? most : SEKI_RECEIVE_LEAST);
}

/* Whether a tenant holds as many rows as are free: who floods leaves as many for the others, and the next as many of the rest.  One that
 * is alone may have them all. */
static bool has_his_share(const seki_server *server, const seki_tenant *tenant)
{
    return server->tenants->next != NULL && tenant->rows_held >= server->free_count;
}

void seki_queue_put(seki_connection *connection, const seki_row *rows, size_t count, uint64_t now)
{
    seki_server *server = connection->server;
    seki_tenant *tenant = connection->tenant;
    uint64_t wait = seki_queue_wait(tenant, connection), put = 0;
    for (size_t i = 0; i < count; i++) {
        if (server->draining) {
            refuse(connection, &rows[i], SEKI_WIRE_SHUTTING_DOWN, 0);
            continue;
        }
        if (connection->in_flight != 0 && connection->in_flight + rows[i].weight > server->options.connection_rows) {
            refuse(connection, &rows[i], SEKI_WIRE_TOO_MANY_REQUESTS, 0);
            continue;
        }
        if (i % SEKI_QUANTUM == SEKI_QUANTUM - 1)
            wait = seki_queue_wait(tenant, connection);
        seki_row *row = server->free_rows;
        if (row == NULL || has_his_share(server, tenant) || is_crowded(server) || now + wait > rows[i].deadline) {
            refuse(connection, &rows[i], SEKI_WIRE_OVERLOADED, wait);
            continue;
        }
        server->free_rows = row->next;
        server->free_count--;
        tenant->rows_held++;
        *row = rows[i];
        row->next = NULL;
        row->block->users++;
        *(connection->last != NULL ? &connection->last->next : &connection->first) = row;
        connection->last = row;
        connection->waiting += row->weight;
        connection->in_flight += row->weight;
        tenant->count.waiting += row->weight;
        tenant->count.requests[row->kind]++;
        server->count.waiting += row->weight;
        join_round(connection);
        join_turn(tenant);
        put++;
    }
    if (put != 0 && server->asleep != 0)
        pthread_cond_signal(&server->work);
}

static seki_row *pop(seki_connection *connection)
{
    seki_row *row = connection->first;
    connection->first = row->next;
    if (connection->first == NULL)
        connection->last = NULL;
    connection->waiting -= row->weight;
    connection->tenant->count.waiting -= row->weight;
    connection->server->count.waiting -= row->weight;
    return row;
}

size_t seki_queue_take(seki_server *server, seki_row **rows, size_t most, uint64_t now, seki_tenant **whose, bool *wake)
{
    size_t taken = 0, late = 0;
    seki_tenant *tenant = NULL;
    while (server->turn_first != NULL && (tenant == NULL || tenant->round_first == NULL))
        tenant = leave_turn(server); /* one whose connections were lost has its turn for nothing */
    if (tenant == NULL)
        return 0;
    uint64_t weight = 0; /* of those taken */
    bool full = false;
    while (!full && tenant->round_first != NULL) {
        seki_connection *connection = leave_round(tenant);
        for (size_t turn = 0; turn < SEKI_QUANTUM && connection->first != NULL; turn++) {
            full = taken + late == most || (taken != 0 && weight + connection->first->weight > most);
            if (full)
                break;
            seki_row *row = pop(connection);
            if (now + (uint64_t)((double)weight * tenant->row_ns) <= row->deadline) {
                rows[taken++] = row;
                weight += row->weight;
                continue;
            }
            late++;
            uint32_t of_late = row->weight;
            refuse(connection, row, SEKI_WIRE_OVERLOADED, (uint64_t)tenant->row_ns);
            seki_queue_free(tenant, row);
            *wake |= seki_connection_answered(connection);
            seki_connection_row_done(connection, of_late); /* not lost: what is lost does not wait */
        }
        if (connection->first != NULL)
            join_round(connection);
    }
    if (tenant->round_first != NULL)
        join_turn(tenant);
    tenant->count.working += weight;
    server->count.working += weight;
    *whose = tenant;
    return taken;
}

uint64_t seki_queue_weight(seki_row *const *rows, size_t count)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < count; i++)
        weight += rows[i]->weight;
    return weight;
}

void seki_queue_free(seki_tenant *tenant, seki_row *row)
{
    seki_server *server = tenant->server;
    seki_block_release(server, row->block);
    tenant->rows_held--;
    server->free_count++;
    row->next = server->free_rows;
    server->free_rows = row;
}

void seki_queue_forget(seki_connection *connection)
{
    seki_tenant *tenant = connection->tenant;
    while (connection->first != NULL) {
        seki_row *row = pop(connection);
        connection->in_flight -= row->weight;
        seki_queue_free(tenant, row);
    }
    if (!connection->in_round)
        return;
    seki_connection *before = NULL;
    for (seki_connection *one = tenant->round_first; one != connection; one = one->round_next)
        before = one;
    *(before != NULL ? &before->round_next : &tenant->round_first) = connection->round_next;
    if (tenant->round_last == connection)
        tenant->round_last = before;
    tenant->round_count--;
    connection->in_round = false;
}
