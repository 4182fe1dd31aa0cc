#include "engine.h"

#include <openssl/crypto.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernels.h"

const char *seki_version(void)
{
    return SEKI_VERSION;
}

const char *seki_openssl_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

seki_status seki_engine_new(const seki_engine_options *options, seki_engine **out)
{
    if (options == NULL || out == NULL || options->threads < 1 || options->threads > SEKI_THREADS_MAX
        || (options->cache_bytes != 0 && options->cache_bytes < SEKI_CACHE_BYTES_MIN))
        return SEKI_E_ARGUMENT;
    seki_kernels_start();
    seki_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return SEKI_E_MEMORY;
    engine->options = *options;
    engine->pool = seki_pool_new(options->threads);
    engine->cache = options->cache_bytes != 0 ? seki_cache_new(options->cache_bytes) : NULL;
    if (engine->pool == NULL || (options->cache_bytes != 0 && engine->cache == NULL)) {
        seki_engine_free(engine);
        return SEKI_E_MEMORY;
    }
    *out = engine;
    return SEKI_OK;
}

void seki_engine_free(seki_engine *engine)
{
    if (engine == NULL)
        return;
    seki_pool_free(engine->pool);
    seki_cache_free(engine->cache);
    for (size_t i = 0; i < SEKI_WORKSPACES_MAX; i++) {
        if (engine->workspaces[i] == NULL)
            continue;
        seki_signature_scratch_clear(&engine->workspaces[i]->signatures);
        free(engine->workspaces[i]);
    }
    free(engine);
}

static seki_workspace *workspace_new(void)
{
    seki_workspace *workspace = calloc(1, sizeof *workspace);
    if (workspace != NULL && seki_signature_scratch_init(&workspace->signatures))
        return workspace;
    free(workspace);
    return NULL;
}

seki_workspace *seki_workspace_take(seki_engine *engine, size_t *slot)
{
    int32_t self = (int32_t)getpid();
    for (;;) {
        for (size_t i = 0; i < SEKI_WORKSPACES_MAX; i++) {
            int32_t owner = atomic_load_explicit(&engine->owner[i], memory_order_relaxed);
            if (owner == self || !atomic_compare_exchange_strong(&engine->owner[i], &owner, self))
                continue;
            if (owner != 0) {
                /* Another process's thread was in the middle of it when we were forked: start it afresh.  Its old
                 * contents are not freed, since nothing is known of their state. */
                engine->workspaces[i] = NULL;
            }
            if (engine->workspaces[i] == NULL)
                engine->workspaces[i] = workspace_new();
            if (engine->workspaces[i] == NULL) {
                atomic_store(&engine->owner[i], 0);
                return NULL;
            }
            *slot = i;
            return engine->workspaces[i];
        }
        (void)sched_yield();
    }
}

void seki_workspace_return(seki_engine *engine, size_t slot)
{
    atomic_store(&engine->owner[slot], 0);
}

size_t seki_grain(const seki_engine *engine, size_t rows, size_t most)
{
    size_t share = (rows + engine->options.threads - 1) / engine->options.threads;
    share = (share + SEKI_RSA_LANES - 1) / SEKI_RSA_LANES * SEKI_RSA_LANES;
    return share < SEKI_GRAIN_MIN ? SEKI_GRAIN_MIN : share > most ? most : share;
}
