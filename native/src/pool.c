/* pool.c: see pool.h.
 *
 * One mutex guards the list of runs and every count; it is held for list operations and thread starts, never
 * while working.  Ranges are taken by an atomic counter of each run.  A run lives on its caller's stack: it is
 * in the list while it has ranges to give, and its caller leaves only when no helper is inside. */
#define _GNU_SOURCE /* sched_getaffinity */

#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "thread.h"

/* Looks at an atomic before going to sleep, with a pause after each: 5 to 15 µs by CPU, about what falling asleep
 * and being woken cost.  Only where another CPU can change what is looked at. */
enum { SPINS_MAX = 256 };

/* A run under way. */
typedef struct run {
    seki_pool_work work;
    void *context;
    size_t items, grain, ranges;
    atomic_size_t next;     /* the first range that nobody took; beyond `ranges` when all are taken */
    atomic_uint inside;     /* helpers working here; rises only under the mutex and while listed */
    bool listed;            /* under the mutex */
    struct run *before, *after;
} run;

typedef struct {
    seki_pool *pool;
    pthread_t thread;
    unsigned worker;
} helper;

struct seki_pool {
    unsigned threads;
    bool spins; /* whether more than one CPU is ours */
    pthread_mutex_t mutex;
    pthread_cond_t wake;    /* a run was listed, or the pool stops */
    pthread_cond_t left;    /* the last helper left a run whose caller sleeps */
    run *first, *last;      /* listed runs */
    atomic_uint listed;     /* how many; written under the mutex */
    unsigned asleep;        /* helpers waiting for `wake` */
    unsigned callers_asleep; /* callers waiting for `left` */
    atomic_bool stopping;
    atomic_ulong generation; /* forks that led to this process; written in the child, when it has one thread */
    seki_pool *pool_before, *pool_after; /* all pools, under pools_mutex */
    unsigned started;       /* helpers running */
    helper helpers[];       /* threads - 1 */
};

static bool watch_forks(void);
static void pools_add(seki_pool *pool);
static void pools_remove(seki_pool *pool);
static unsigned cpus_allowed(void);
static void start_helpers(seki_pool *pool, size_t wanted);
static bool do_range(run *r, unsigned worker);
static void list_run(seki_pool *pool, run *r);
static void unlist_run(seki_pool *pool, run *r);
static void wait_for_helpers(seki_pool *pool, run *r);

seki_pool *seki_pool_new(unsigned threads)
{
    unsigned cpus = cpus_allowed();
    if (threads == 0)
        threads = cpus;
    if (threads > SEKI_POOL_THREADS_MAX)
        threads = SEKI_POOL_THREADS_MAX;
    if (!watch_forks())
        return NULL;
    seki_pool *pool = calloc(1, sizeof *pool + (threads - 1) * sizeof pool->helpers[0]);
    if (pool == NULL)
        return NULL;
    pool->threads = threads;
    pool->spins = cpus > 1;
    if (pthread_mutex_init(&pool->mutex, NULL) != 0)
        goto no_mutex;
    if (pthread_cond_init(&pool->wake, NULL) != 0)
        goto no_wake;
    if (pthread_cond_init(&pool->left, NULL) != 0)
        goto no_left;
    pools_add(pool);
    return pool;

no_left:
    pthread_cond_destroy(&pool->wake);
no_wake:
    pthread_mutex_destroy(&pool->mutex);
no_mutex:
    free(pool);
    return NULL;
}

void seki_pool_free(seki_pool *pool)
{
    if (pool == NULL)
        return;
    pools_remove(pool);
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->stopping, true);
    unsigned started = pool->started;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < started; i++)
        pthread_join(pool->helpers[i].thread, NULL);
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

unsigned seki_pool_threads(const seki_pool *pool)
{
    return pool->threads;
}

unsigned seki_pool_helpers(seki_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    unsigned started = pool->started;
    pthread_mutex_unlock(&pool->mutex);
    return started;
}

seki_status seki_pool_run(seki_pool *pool, size_t items, size_t grain, seki_pool_work work, void *context)
{
    if (pool == NULL || work == NULL || grain == 0)
        return SEKI_E_ARGUMENT;
    if (items == 0)
        return SEKI_OK;
    run r = {.work = work, .context = context, .items = items, .grain = grain};
    r.ranges = items / grain + (items % grain != 0);
    if (r.ranges == 1 || pool->threads == 1) {
        while (do_range(&r, 0))
            continue;
        return SEKI_OK;
    }
    unsigned long generation = atomic_load_explicit(&pool->generation, memory_order_relaxed);
    list_run(pool, &r);
    while (do_range(&r, 0))
        if (atomic_load_explicit(&pool->generation, memory_order_relaxed) != generation)
            return SEKI_E_SYSTEM; /* we are the child: `r` is in no list, and nobody else works here */
    wait_for_helpers(pool, &r);
    return SEKI_OK;
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* Takes the next range and does it; false if there was none. */
static bool do_range(run *r, unsigned worker)
{
    size_t range = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
    if (range >= r->ranges)
        return false;
    size_t from = range * r->grain; /* less than items */
    size_t to = r->items - from < r->grain ? r->items : from + r->grain;
    r->work(r->context, from, to, worker);
    return true;
}

/* Makes a run known to the helpers, starting and waking as many as it has ranges for. */
static void list_run(seki_pool *pool, run *r)
{
    size_t wanted = r->ranges - 1; /* the caller takes one */
    pthread_mutex_lock(&pool->mutex);
    start_helpers(pool, wanted);
    r->listed = true;
    r->before = pool->last;
    r->after = NULL;
    *(pool->last != NULL ? &pool->last->after : &pool->first) = r;
    pool->last = r;
    atomic_fetch_add(&pool->listed, 1);
    unsigned asleep = pool->asleep;
    if (asleep > wanted)
        for (size_t i = 0; i < wanted; i++)
            pthread_cond_signal(&pool->wake);
    else if (asleep > 0)
        pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

/* Under the mutex. */
static void unlist_run(seki_pool *pool, run *r)
{
    if (!r->listed)
        return;
    r->listed = false;
    *(r->before != NULL ? &r->before->after : &pool->first) = r->after;
    *(r->after != NULL ? &r->after->before : &pool->last) = r->before;
    atomic_fetch_sub(&pool->listed, 1);
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* The caller's end of a run: all ranges are taken, those of the helpers may not be done. */
static void wait_for_helpers(seki_pool *pool, run *r)
{
    pthread_mutex_lock(&pool->mutex);
    unlist_run(pool, r); /* from here on nobody comes in */
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; pool->spins && i < SPINS_MAX; i++) {
        if (atomic_load_explicit(&r->inside, memory_order_acquire) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load_explicit(&r->inside, memory_order_acquire) != 0) {
        pool->callers_asleep++;
        pthread_cond_wait(&pool->left, &pool->mutex);
        pool->callers_asleep--;
    }
    pthread_mutex_unlock(&pool->mutex);
}

/* ---- helpers --------------------------------------------------------------------------------- */

/* Waits for a listed run and enters it, putting it last in the list, so that helpers spread over runs; NULL when the
 * pool stops. */
static run *enter_run(seki_pool *pool)
{
    for (unsigned i = 0; pool->spins && i < SPINS_MAX; i++) {
        if (atomic_load_explicit(&pool->listed, memory_order_relaxed) > 0 ||
            atomic_load_explicit(&pool->stopping, memory_order_relaxed))
            break;
        relax();
    }
    run *r = NULL;
    pthread_mutex_lock(&pool->mutex);
    while (pool->first == NULL && !atomic_load(&pool->stopping)) {
        pool->asleep++;
        pthread_cond_wait(&pool->wake, &pool->mutex);
        pool->asleep--;
    }
    if (pool->first != NULL) {
        r = pool->first;
        if (r->after != NULL) {
            pool->first = r->after;
            r->after->before = NULL;
            r->before = pool->last;
            r->after = NULL;
            pool->last->after = r;
            pool->last = r;
        }
        atomic_fetch_add_explicit(&r->inside, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&pool->mutex);
    return r;
}

/* After this the run may be gone: its caller waits for nothing but `inside`. */
static void leave_run(seki_pool *pool, run *r, bool exhausted)
{
    pthread_mutex_lock(&pool->mutex);
    if (exhausted)
        unlist_run(pool, r); /* or we would come back until its caller has done its own range */
    bool last = atomic_fetch_sub_explicit(&r->inside, 1, memory_order_release) == 1;
    if (last && pool->callers_asleep > 0)
        pthread_cond_broadcast(&pool->left);
    pthread_mutex_unlock(&pool->mutex);
}

static void *help(void *argument)
{
    helper *me = argument;
    seki_pool *pool = me->pool;
    unsigned worker = me->worker;
    unsigned long generation = atomic_load_explicit(&pool->generation, memory_order_relaxed);
    seki_thread_name("", worker);
    for (run *r; (r = enter_run(pool)) != NULL;) {
        bool more;
        do {
            more = do_range(r, worker);
            if (atomic_load_explicit(&pool->generation, memory_order_relaxed) != generation)
                return NULL; /* `work` forked and this is the child: no helper of its pool */
        } while (more && atomic_load_explicit(&pool->listed, memory_order_relaxed) <= 1);
        leave_run(pool, r, !more);
    }
    return NULL;
}

/* Under the mutex: brings the number of helpers up to `wanted`, as far as the system lets us; with fewer, a run is
 * slower but right, and the next one tries again. */
static void start_helpers(seki_pool *pool, size_t wanted)
{
    if (wanted > pool->threads - 1)
        wanted = pool->threads - 1;
    if (pool->started >= wanted)
        return;
    while (pool->started < wanted) {
        helper *new = &pool->helpers[pool->started];
        new->pool = pool;
        new->worker = pool->started + 1;
        if (!seki_thread_start(&new->thread, help, new))
            break;
        pool->started++;
    }
}

/* CPUs that this process may run on: a container's or taskset's count, not the machine's. */
static unsigned cpus_allowed(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than cpu_set_t has bits */
    return online > 0 ? (unsigned)online : 1;
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* The forking thread holds every mutex, so that the child's copy of each pool is whole; the child then forgets the
 * threads that it does not have.  The order is pools_mutex, then pools; nothing takes pools_mutex under a pool's. */
static pthread_mutex_t pools_mutex = PTHREAD_MUTEX_INITIALIZER;
static seki_pool *pools;

static void before_fork(void)
{
    pthread_mutex_lock(&pools_mutex);
    for (seki_pool *pool = pools; pool != NULL; pool = pool->pool_after)
        pthread_mutex_lock(&pool->mutex);
}

static void after_fork_in_parent(void)
{
    for (seki_pool *pool = pools; pool != NULL; pool = pool->pool_after)
        pthread_mutex_unlock(&pool->mutex);
    pthread_mutex_unlock(&pools_mutex);
}

static void after_fork_in_child(void)
{
    for (seki_pool *pool = pools; pool != NULL; pool = pool->pool_after) {
        pool->first = pool->last = NULL; /* runs of other threads, and of ours if it forked in `work` */
        atomic_store(&pool->listed, 0);
        pool->asleep = pool->callers_asleep = 0;
        pool->started = 0;
        atomic_fetch_add(&pool->generation, 1);
        /* They remember waiters that are not here; to destroy them would wait for those. */
        pthread_cond_init(&pool->wake, NULL);
        pthread_cond_init(&pool->left, NULL);
        pthread_mutex_unlock(&pool->mutex);
    }
    pthread_mutex_unlock(&pools_mutex);
}

static int watch_error;

static void watch_once(void)
{
    watch_error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static bool watch_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    return pthread_once(&once, watch_once) == 0 && watch_error == 0;
}

static void pools_add(seki_pool *pool)
{
    pthread_mutex_lock(&pools_mutex);
    pool->pool_after = pools;
    if (pools != NULL)
        pools->pool_before = pool;
    pools = pool;
    pthread_mutex_unlock(&pools_mutex);
}

static void pools_remove(seki_pool *pool)
{
    pthread_mutex_lock(&pools_mutex);
    *(pool->pool_before != NULL ? &pool->pool_before->pool_after : &pools) = pool->pool_after;
    if (pool->pool_after != NULL)
        pool->pool_after->pool_before = pool->pool_before;
    pthread_mutex_unlock(&pools_mutex);
}
