/* pool.h: native threads that share the rows of a batch.
 *
 * A run cuts its items into ranges; the calling thread and the pool's helpers take one range after
 * another until none is left.  The caller always works too, so a run ends even if no helper could be
 * started, and a run of a single range stays on the caller's thread and takes no lock.
 *
 * Several threads may run at once, on one pool: runs are not put in a row but share the helpers.  A
 * helper that sees more than one run changes to the next after each range; every caller has at least
 * itself, and waits for nothing but the ranges of its own run.  `work` may call seki_pool_run again.
 *
 * Helpers start with the first run that can use them, are named sekisho-1, sekisho-2, …, leave all
 * signals but synchronous faults to the program's own threads, and sleep when there is nothing to do.
 *
 * After fork() the child has the pool without helpers; its next run starts new ones.  Runs of other
 * threads do not exist in the child.  A run whose `work` itself forks goes on in the parent; in the
 * child it ends early with SEKI_E_SYSTEM, as the helpers' ranges are not done there. */
#ifndef SEKI_POOL_H
#define SEKI_POOL_H

#include "../include/sekisho.h"

enum { SEKI_POOL_THREADS_MAX = 1024 }; /* the caller counted; more CPUs than that no machine of ours has */

typedef struct seki_pool seki_pool;

/* Does items from ≤ i < to; called at once from several threads, with ranges that do not overlap.
 *   context  as given to seki_pool_run
 *   from     a multiple of the grain
 *   to       at most from + grain, and at most the run's items
 *   worker   0 for the caller, else the helper's number, less than seki_pool_threads; in one run a number belongs
 *            to one thread, but the callers of two runs are both 0: memory indexed by it must belong to the run */
typedef void (*seki_pool_work)(void *context, size_t from, size_t to, unsigned worker);

/* A pool of `threads` threads, the calling one counted: threads - 1 helpers.  0 means one for each CPU that this
 * process may use; more than SEKI_POOL_THREADS_MAX counts as that.  NULL if memory is short. */
seki_pool *seki_pool_new(unsigned threads);

/* Ends the helpers and frees the pool; no run may be under way.  Takes NULL. */
void seki_pool_free(seki_pool *pool);

/* Threads, the caller counted: one more than the largest `worker`. */
unsigned seki_pool_threads(const seki_pool *pool);

/* Helpers running now; fewer than threads - 1 before the first run, or if the system refused some. */
unsigned seki_pool_helpers(seki_pool *pool);

/* Calls work for all of 0 ≤ i < items in ranges of `grain` (the last may be shorter), and returns when all are done;
 * what they wrote is then visible to the caller.
 * SEKI_OK; SEKI_E_ARGUMENT if pool or work is NULL or grain is 0; SEKI_E_SYSTEM after a fork inside `work`. */
SEKI_MUST_USE seki_status seki_pool_run(seki_pool *pool, size_t items, size_t grain, seki_pool_work work,
                                        void *context);

#endif
