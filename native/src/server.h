/* server.h: what the parts of the socket server share (sekisho.h, "the socket server").
 *
 *     server_connection.c   bytes in, split into frames; answers out            the loop's thread
 *     server_queue.c        requests that wait: limits, fairness, shedding       under the mutex
 *     server_worker.c       takes what waits, judges it, answers                 workers
 *     server.c              lives of servers and tenants; statistics, time-outs
 *
 * One mutex guards all that is marked so.  It is held for list operations and for copying answers (48 bytes each), never while
 * something is judged, and never over a system call.  A request (seki_row) borrows its bytes from the block into which they were
 * received; a block lives as long as a connection receives into it or a row points into it. */
#ifndef SEKI_SERVER_H
#define SEKI_SERVER_H

#include <pthread.h>
#include <sys/types.h>

#include "frames.h"
#include "references.h"
#include "stages.h"

enum {
    SEKI_BLOCK_SIZE = 262144,      /* bytes received at once, at most: what a Unix socket holds by default, and a little more */
    SEKI_BLOCK_ROOM_MIN = 16384,   /* bytes; with less room left a new block is begun */
    SEKI_BLOCK_SMALL = 4096,       /* bytes; what the beginning of a frame is kept in while nothing else comes */
    SEKI_BLOCKS_KEPT = 64,         /* blocks nobody uses, kept for the next: 16 MB */
    SEKI_HELD_SHARE = 4,           /* times backlog_bytes that a connection's requests may hold: 8 MB by default, 4,096 logins */
    SEKI_ROW_BYTES = 4096,         /* a login with its intermediates; beyond this for each of `rows`, requests are refused */
    SEKI_RECEIVE_LEAST = 67108864, /* bytes that all requests may hold, however few `rows` there are */
    SEKI_QUANTUM = 8,              /* rows a connection's turn: a group of lanes */
    SEKI_OUT_KEPT = 65536,         /* bytes; a larger buffer of answers is given back when it is empty */
    SEKI_ANSWER_SIZE = SEKI_FRAME_HEADER_SIZE + SEKI_ERROR_SIZE
};

typedef struct seki_block {
    struct seki_block *next; /* of those kept */
    uint64_t users;          /* under the mutex: rows, and the connection that receives into it */
    uint64_t capacity;       /* bytes of data */
    struct seki_connection *holder; /* who received into it: outlives its rows */
    uint8_t data[];
} seki_block;

/* A request that was taken.  Under the mutex while it waits, a worker's own after that. */
typedef struct seki_row {
    struct seki_row *next;
    seki_connection *connection;
    seki_block *block;
    const uint8_t *payload; /* in the block */
    uint64_t id;
    uint64_t taken, deadline; /* ns: when its last byte came, until when its answer is wanted */
    uint32_t length;          /* bytes of the payload */
    uint32_t weight;          /* what it counts: 1, or the certificates or challenges that it asks for */
    uint8_t kind, flags;
} seki_row;

typedef struct {
    uint64_t users;  /* batches that use it, and the tenant whose profiles it is */
    uint64_t count;
    seki_tenant_profile at[SEKI_TENANT_PROFILES_MAX];
} seki_profiles;

struct seki_tenant {
    seki_server *server;
    uint32_t number;
    seki_references *references; /* NULL: none */
    seki_tenant *next;           /* of the server's */
    /* under the mutex */
    seki_profiles *profiles;
    uint64_t replaced;           /* sets that batches still use */
    seki_connection *round_first, *round_last; /* connections with rows that wait: the next turn is the first's */
    uint64_t round_count;
    uint64_t rows_held;          /* of the server's: waiting, and being worked on */
    seki_tenant *turn_next;      /* of the server's round */
    bool in_turn;
    double worked_ns, worked_rows; /* of the last batches, those before fading */
    double row_ns;               /* what a row takes a worker: their quotient; 0: not known yet */
    seki_tenant_statistics count;
};

typedef enum { SEKI_PHASE_HELLO, SEKI_PHASE_ADMISSION, SEKI_PHASE_OPEN, SEKI_PHASE_ENDED } seki_phase;

struct seki_connection {
    seki_server *server;
    seki_tenant *tenant; /* NULL before its admission */
    uint64_t token;
    seki_connection *before, *after; /* of the server's */
    /* the loop's */
    seki_phase phase;
    seki_hello hello;
    uint64_t hello_id;
    seki_block *block;  /* NULL: nothing was received that is not done with */
    size_t from, to;    /* bytes of it that are not split yet */
    uint64_t last_byte; /* ns */
    uint64_t began;     /* ns: the frame that is not whole yet, or the connection itself */
    bool counted;       /* among the server's connections */
    bool paused;        /* reading was told to pause */
    uint8_t *sending;   /* what seki_connection_take gave out */
    size_t sending_room;
    /* under the mutex */
    uint64_t held;          /* bytes of its blocks */
    seki_row *first, *last; /* rows that wait */
    uint64_t waiting, in_flight; /* weights */
    seki_connection *round_next;
    bool in_round;
    uint8_t *out; /* answers that were not taken yet */
    size_t out_length, out_room;
    uint64_t unsent;
    seki_connection *dirty_before, *dirty_after;
    bool dirty;     /* in the server's list of answered ones */
    bool finishing; /* when all is answered, it ends */
    bool goodbye;   /* and the last answer is to a goodbye */
    uint64_t goodbye_id;
    bool lost;      /* the loop is done with it: freed with its last row */
};

typedef struct seki_worker seki_worker;

struct seki_server {
    seki_server_options options;
    pid_t pid;
    pthread_mutex_t mutex;
    pthread_cond_t work; /* rows wait, or the end */
    seki_worker *workers; /* options.threads, or one for seki_server_work */
    uint32_t started;
    /* under the mutex */
    seki_row *pool;      /* `rows` of them, and those not in use */
    seki_row *free_rows;
    uint64_t free_count;
    seki_block *blocks;  /* kept */
    uint64_t blocks_kept;
    seki_tenant *tenants;
    seki_tenant *turn_first, *turn_last; /* tenants with rows that wait */
    uint64_t turn_count;
    seki_connection *connections;
    seki_connection *dirty_first, *dirty_last;
    bool signalled;      /* the eventfd was written and nobody has read it */
    bool draining, stopping;
    uint32_t asleep;     /* workers */
    bool work_taken;     /* seki_server_work has the one worker */
    seki_server_statistics count;
};

/* ---- server.c ------------------------------------------------------------------------------------ */

/* SEKI_E_FORKED in a child of the process that made it. */
SEKI_MUST_USE seki_status seki_server_ours(const seki_server *server);
uint64_t seki_monotonic(void); /* ns */
/* The time to judge at, seconds. */
int64_t seki_server_time(const seki_server *server);
/* After the mutex was let go: writes the eventfd if `wake`. */
void seki_server_wake(const seki_server *server, bool wake);

/* The rest under the mutex.  The profiles of a tenant as they stand; to be given back. */
seki_profiles *seki_profiles_take(seki_tenant *tenant);
void seki_profiles_return(seki_tenant *tenant, seki_profiles *profiles);
/* Has the loop come for a connection's answers; true if the eventfd is to be written. */
SEKI_MUST_USE bool seki_connection_answered(seki_connection *connection);
/* Has the loop come no more. */
void seki_connection_unlist(seki_connection *connection);

/* ---- server_connection.c, all under the mutex -------------------------------------------------------- */

/* Adds to a connection's answers.  If memory is short the connection ends without them. */
void seki_connection_say(seki_connection *connection, const uint8_t *header, const uint8_t *body, size_t body_size);
void seki_connection_say_error(seki_connection *connection, seki_wire_code code, uint8_t kind, uint64_t id, uint32_t retry_ms);
/* One of its requests is done with.  Frees a connection that was lost, if it was the last: it is not to be touched after that. */
void seki_connection_row_done(seki_connection *connection, uint32_t weight);
void seki_connection_destroy(seki_connection *connection);
void seki_block_release(seki_server *server, seki_block *block);

/* ---- server_queue.c, all under the mutex --------------------------------------------------------------- */

/* Takes requests in, in order, or answers at once those that it does not take. */
void seki_queue_put(seki_connection *connection, const seki_row *rows, size_t count, uint64_t now);
/* Takes rows of the tenant whose turn it is that weigh up to `most` together, or one that weighs more; those whose deadline would
 * pass are answered instead.
 *   *wake  the eventfd is to be written */
size_t seki_queue_take(seki_server *server, seki_row **rows, size_t most, uint64_t now, seki_tenant **tenant, bool *wake);
/* What those rows weigh. */
uint64_t seki_queue_weight(seki_row *const *rows, size_t count);
/* Gives a row back. */
void seki_queue_free(seki_tenant *tenant, seki_row *row);
/* Forgets what waits of a connection. */
void seki_queue_forget(seki_connection *connection);
/* ns that a request of this connection (or NULL) would wait, that came now. */
uint64_t seki_queue_wait(const seki_tenant *tenant, const seki_connection *connection);

/* ---- server_worker.c ----------------------------------------------------------------------------------- */

seki_worker *seki_workers_new(seki_server *server, size_t count);
void seki_workers_free(seki_server *server);
void *seki_worker_run(void *worker);
/* One batch; how many rows it was. */
size_t seki_worker_once(seki_worker *worker, uint64_t now);

/* Takes into `row_ns` that a batch of that weight took so long. Under the mutex. */
void seki_tenant_learn_cost(seki_tenant *tenant, uint64_t ns, uint64_t weight);
seki_worker *seki_worker_at(seki_server *server, size_t index);
void seki_worker_set_thread(seki_worker *worker, pthread_t thread);
pthread_t seki_worker_thread(const seki_worker *worker);

#endif
