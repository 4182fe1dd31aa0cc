/* engine.h: threads, scratch and counters that calls share. */
#ifndef SEKI_ENGINE_H
#define SEKI_ENGINE_H

#include "cache.h"
#include "login.h"
#include "pool.h"
#include "signatures.h"

enum {
    SEKI_THREADS_MAX = 256,
    SEKI_WORKSPACES_MAX = 512, /* calls and threads at work at once; more wait for one another */
    SEKI_GRAIN_MIN = 64        /* rows a worker takes at once, at least: eight groups of lanes */
};

/* What one worker needs while it has a range of rows; allocated at first use, kept until the engine ends. */
typedef struct {
    seki_signature_scratch signatures;
    seki_job jobs[SEKI_JOBS_MAX];
    seki_login_scratch login;
} seki_workspace;

struct seki_engine {
    seki_engine_options options;
    seki_pool *pool;
    seki_cache *cache; /* NULL: none */
    /* A workspace belongs to whoever put its process id into its slot; after fork() the parent's claims are void. */
    _Atomic int32_t owner[SEKI_WORKSPACES_MAX];
    seki_workspace *workspaces[SEKI_WORKSPACES_MAX];
};

/* A workspace for the calling thread, waiting for one if all are taken; NULL if memory is out. */
seki_workspace *seki_workspace_take(seki_engine *engine, size_t *slot);
void seki_workspace_return(seki_engine *engine, size_t slot);

/* Rows a worker takes at once: an equal share of a small batch, `most` of a large one, whole groups of lanes. */
size_t seki_grain(const seki_engine *engine, size_t rows, size_t most);

#endif
