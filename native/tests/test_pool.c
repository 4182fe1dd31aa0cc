/* test_pool.c: pool.c: every item once, in bounds, by whom it may be; several callers; fork; signals; sleep; what a
 * small batch costs.
 *
 *   cc -std=c11 -O2 -pthread native/tests/test_pool.c native/src/pool.c          (also with -fsanitize=thread)
 *
 * Exit status 0 if everything held.  A watchdog ends a run that hangs. */
#define _GNU_SOURCE

#include "../src/pool.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#elif __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* Whether a child of a process with threads can start threads.  It can, but under ThreadSanitizer, which does not
 * support it and dies of threads it takes for living, and under qemu's emulation of another CPU, which aborts: see
 * probe_threads_after_fork.  Children then only look at the pool and use it alone. */
static bool threads_after_fork = true;

enum {
    WATCHDOG = 300, /* seconds for the whole test, sanitizers included */
    PATIENCE = 20   /* seconds until something that must happen counts as not happening */
};

static atomic_size_t failures;

static void check_at(bool held, const char *what, int line)
{
    if (held)
        return;
    atomic_fetch_add(&failures, 1);
    fprintf(stderr, "FAILED, line %d: %s\n", line, what);
}
#define CHECK(condition) check_at((condition), #condition, __LINE__)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void nap(long microseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, NULL);
}

/* Whether *value reaches at least `goal` within PATIENCE. */
static bool reaches(atomic_uint *value, unsigned goal)
{
    for (double end = now() + PATIENCE; atomic_load(value) < goal; nap(50))
        if (now() > end)
            return false;
    return true;
}

static seki_pool *new_pool(unsigned threads)
{
    seki_pool *pool = seki_pool_new(threads);
    if (pool == NULL) {
        fprintf(stderr, "seki_pool_new failed\n");
        exit(2);
    }
    return pool;
}

/* ---- every item once ------------------------------------------------------------------------- */

enum { ITEMS_MAX = 3000 };

/* Ranges done in a child for a run of its parent: there must be none. */
static atomic_uint ghosts;

typedef struct {
    size_t items, grain;
    unsigned threads;
    pid_t process;
    unsigned char times[ITEMS_MAX]; /* not atomic: two threads at one item are a race that the sanitizer sees */
    atomic_size_t ranges;
    atomic_bool busy[SEKI_POOL_THREADS_MAX]; /* whether this worker's number is in use */
    atomic_bool wrong;
} count;

static void count_items(void *context, size_t from, size_t to, unsigned worker)
{
    count *c = context;
    if (c->process != getpid())
        atomic_fetch_add(&ghosts, 1);
    bool right = from < to && to <= c->items && from % c->grain == 0 && to - from <= c->grain &&
                 (to == c->items || to - from == c->grain) && worker < c->threads;
    if (!right || atomic_exchange(&c->busy[worker], true)) {
        atomic_store(&c->wrong, true);
        return;
    }
    for (size_t i = from; i < to; i++)
        c->times[i]++;
    atomic_fetch_add(&c->ranges, 1);
    atomic_store(&c->busy[worker], false);
}

/* One run over `items`; everything about it checked. */
static bool counted(seki_pool *pool, size_t items, size_t grain)
{
    /* On the stack: forked while another thread is in malloc, a child hangs in some sanitizers' allocators. */
    count c = {.items = items, .grain = grain, .threads = seki_pool_threads(pool), .process = getpid()};
    bool right = seki_pool_run(pool, items, grain, count_items, &c) == SEKI_OK && !atomic_load(&c.wrong) &&
                 atomic_load(&c.ranges) == (items + grain - 1) / grain;
    for (size_t i = 0; i < ITEMS_MAX; i++)
        right = right && c.times[i] == (i < items);
    return right;
}

static void test_every_item_once(void)
{
    static const size_t items[] = {0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 1000, ITEMS_MAX};
    static const size_t grains[] = {1, 2, 3, 8, 64, 999, 1000, 1001};
    for (unsigned threads = 1; threads <= 9; threads += 2) {
        seki_pool *pool = new_pool(threads);
        CHECK(seki_pool_threads(pool) == threads);
        for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
            for (size_t g = 0; g < sizeof grains / sizeof grains[0]; g++)
                CHECK(counted(pool, items[i], grains[g]));
        CHECK(seki_pool_helpers(pool) == threads - 1);
        seki_pool_free(pool);
    }
}

typedef struct {
    atomic_size_t calls;
    atomic_bool wrong;
} huge;

enum { HUGE_RANGES = 7 };
static const size_t huge_grain = SIZE_MAX / HUGE_RANGES; /* SIZE_MAX = 7 grains and a remainder of 1 */

static void count_huge(void *context, size_t from, size_t to, unsigned worker)
{
    huge *h = context;
    (void)worker;
    size_t range = from / huge_grain;
    bool last = range == HUGE_RANGES;
    if (from != range * huge_grain || to != (last ? SIZE_MAX : from + huge_grain))
        atomic_store(&h->wrong, true);
    atomic_fetch_add(&h->calls, 1);
}

static void note_thread(void *context, size_t from, size_t to, unsigned worker)
{
    if (from == 0 && to == 5 && worker == 0)
        *(pthread_t *)context = pthread_self();
}

static void test_edges(void)
{
    seki_pool *pool = new_pool(4);
    pthread_t by = (pthread_t)0;
    CHECK(seki_pool_run(NULL, 1, 1, note_thread, &by) == SEKI_E_ARGUMENT);
    CHECK(seki_pool_run(pool, 1, 0, note_thread, &by) == SEKI_E_ARGUMENT);
    CHECK(seki_pool_run(pool, 1, 1, NULL, &by) == SEKI_E_ARGUMENT);
    CHECK(seki_pool_run(pool, 5, 5, note_thread, &by) == SEKI_OK && pthread_equal(by, pthread_self()));
    by = (pthread_t)0;
    CHECK(seki_pool_run(pool, 5, SIZE_MAX, note_thread, &by) == SEKI_OK && pthread_equal(by, pthread_self()));
    CHECK(seki_pool_helpers(pool) == 0); /* nothing yet that a helper could have done */
    huge h = {0};
    CHECK(SIZE_MAX % HUGE_RANGES != 0);
    CHECK(seki_pool_run(pool, SIZE_MAX, huge_grain, count_huge, &h) == SEKI_OK);
    CHECK(atomic_load(&h.calls) == HUGE_RANGES + 1 && !atomic_load(&h.wrong));
    seki_pool_free(pool);
    seki_pool_free(NULL);

    pool = new_pool(0);
    CHECK(seki_pool_threads(pool) >= 1);
    seki_pool_free(pool);
    pool = new_pool(SEKI_POOL_THREADS_MAX + 1);
    CHECK(seki_pool_threads(pool) == SEKI_POOL_THREADS_MAX);
    CHECK(counted(pool, 40, 10) && seki_pool_helpers(pool) == 3); /* no more than the ranges could use */
    seki_pool_free(pool);
}

/* ---- at the same time ------------------------------------------------------------------------ */

typedef struct {
    unsigned threads;
    atomic_uint arrived;
    atomic_bool missing;
} meeting;

static void meet(void *context, size_t from, size_t to, unsigned worker)
{
    meeting *m = context;
    (void)from, (void)to, (void)worker;
    atomic_fetch_add(&m->arrived, 1);
    if (!reaches(&m->arrived, m->threads))
        atomic_store(&m->missing, true);
}

static void test_all_threads_work(void)
{
    for (unsigned threads = 2; threads <= 8; threads *= 2) {
        seki_pool *pool = new_pool(threads);
        for (int round = 0; round < 20; round++) {
            meeting m = {.threads = threads};
            CHECK(seki_pool_run(pool, threads, 1, meet, &m) == SEKI_OK && !atomic_load(&m.missing));
        }
        seki_pool_free(pool);
    }
}

typedef struct {
    seki_pool *pool;
    unsigned seed;
} caller;

static void *call_often(void *argument)
{
    caller *c = argument;
    for (unsigned i = 0; i < (SANITIZED ? 300 : 3000); i++) {
        c->seed = c->seed * 1664525 + 1013904223;
        CHECK(counted(c->pool, (c->seed >> 8) % 200, 1 + (c->seed >> 20) % 40));
    }
    return NULL;
}

static void test_many_callers(void)
{
    seki_pool *pool = new_pool(3);
    pthread_t threads[5];
    caller callers[5];
    for (unsigned i = 0; i < 5; i++) {
        callers[i] = (caller){pool, i};
        CHECK(pthread_create(&threads[i], NULL, call_often, &callers[i]) == 0);
    }
    for (unsigned i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    seki_pool_free(pool);
}

typedef struct {
    seki_pool *pool;
    atomic_uint entered, release;
    atomic_bool stuck;
} slow;

static void be_slow(void *context, size_t from, size_t to, unsigned worker)
{
    slow *s = context;
    (void)from, (void)to, (void)worker;
    atomic_fetch_add(&s->entered, 1);
    if (!reaches(&s->release, 1))
        atomic_store(&s->stuck, true);
}

static void *call_slowly(void *argument)
{
    slow *s = argument;
    CHECK(seki_pool_run(s->pool, 4, 1, be_slow, s) == SEKI_OK);
    return NULL;
}

/* While one caller's run holds every helper, another's comes to its end. */
static void test_callers_do_not_wait(void)
{
    slow s = {.pool = new_pool(3)};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, call_slowly, &s) == 0);
    CHECK(reaches(&s.entered, 3));
    CHECK(counted(s.pool, 1000, 10));
    CHECK(atomic_load(&s.entered) == 3);
    atomic_store(&s.release, 1);
    pthread_join(thread, NULL);
    CHECK(!atomic_load(&s.stuck) && atomic_load(&s.entered) == 4);
    seki_pool_free(s.pool);
}

enum { TURNS = 10 };

typedef struct {
    atomic_uint callers;   /* that have begun: both runs are listed */
    atomic_uint helped[2]; /* ranges that the helper did, of either run */
} shares;

typedef struct {
    shares *all;
    seki_pool *pool;
    size_t which;
    bool begun;
} share;

static void take_share(void *context, size_t from, size_t to, unsigned worker)
{
    share *s = context;
    (void)from, (void)to;
    if (worker > 0) {
        CHECK(reaches(&s->all->callers, 2));
        unsigned mine = atomic_fetch_add(&s->all->helped[s->which], 1) + 1;
        unsigned other = atomic_load(&s->all->helped[1 - s->which]);
        if (mine <= TURNS)
            CHECK(other + 2 >= mine && mine + 2 >= other); /* in turn, but for a run that was alone at first */
        return;
    }
    if (!s->begun)
        atomic_fetch_add(&s->all->callers, 1);
    s->begun = true;
    CHECK(reaches(&s->all->helped[0], TURNS) && reaches(&s->all->helped[1], TURNS));
}

static void *call_share(void *argument)
{
    share *s = argument;
    CHECK(seki_pool_run(s->pool, 400, 1, take_share, s) == SEKI_OK);
    return NULL;
}

/* One helper, two long runs: it works for both in turn while their callers are held up. */
static void test_helpers_are_shared(void)
{
    shares all = {0};
    seki_pool *pool = new_pool(2);
    share one = {.all = &all, .pool = pool, .which = 0}, other = {.all = &all, .pool = pool, .which = 1};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, call_share, &one) == 0);
    call_share(&other);
    pthread_join(thread, NULL);
    seki_pool_free(pool);
}

static void run_inside(void *context, size_t from, size_t to, unsigned worker)
{
    (void)from, (void)to, (void)worker;
    CHECK(counted(context, 200, 7));
}

static void test_run_within_run(void)
{
    seki_pool *pool = new_pool(4);
    for (int i = 0; i < (SANITIZED ? 30 : 300); i++)
        CHECK(seki_pool_run(pool, 10, 1, run_inside, pool) == SEKI_OK);
    seki_pool_free(pool);
}

/* ---- threads of the system ------------------------------------------------------------------- */

static void look_at_helper(void *context, size_t from, size_t to, unsigned worker)
{
    meet(context, from, to, worker);
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    char name[16] = "", want[16];
    CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
    snprintf(want, sizeof want, "sekisho-%u", worker);
    bool helps = worker > 0;
    CHECK((strcmp(name, want) == 0) == helps);
    CHECK(sigismember(&mask, SIGTERM) == helps && sigismember(&mask, SIGINT) == helps);
    CHECK(sigismember(&mask, SIGCHLD) == helps && sigismember(&mask, SIGPROF) == helps);
    CHECK(!sigismember(&mask, SIGSEGV) && !sigismember(&mask, SIGBUS) && !sigismember(&mask, SIGABRT));
}

static void test_names_and_signals(void)
{
    seki_pool *pool = new_pool(4);
    meeting m = {.threads = 4};
    CHECK(seki_pool_run(pool, 4, 1, look_at_helper, &m) == SEKI_OK && !atomic_load(&m.missing));
    seki_pool_free(pool);
}

static unsigned thread_count(void)
{
    unsigned found = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        found += entry->d_name[0] != '.';
    closedir(tasks);
    return found;
}

static void test_clean_end(void)
{
    unsigned before = thread_count();
    CHECK(before > 0);
    for (int i = 0; i < (SANITIZED ? 50 : 500); i++) {
        seki_pool *pool = new_pool(5);
        if (i % 3 != 0)
            CHECK(counted(pool, 100, 1 + (size_t)i % 10));
        seki_pool_free(pool);
    }
    unsigned after = before + 1;
    for (double end = now() + PATIENCE; after > before && now() < end; nap(1000))
        after = thread_count(); /* a joined thread stays listed for a moment */
    CHECK(after <= before); /* fewer: some of the test before were listed still */
}

static double cpu_used(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void nap_in_first(void *context, size_t from, size_t to, unsigned worker)
{
    (void)context, (void)to, (void)worker;
    if (from == 0)
        nap(300000);
}

/* Without a run, and while somebody else still does the last range of one: seven helpers that looked for work all the
 * time would use 0.3 s and more. */
static void test_idle_helpers_sleep(void)
{
    seki_pool *pool = new_pool(8);
    CHECK(counted(pool, 1000, 10));
    nap(50000);
    double before = cpu_used();
    nap(300000);
    CHECK(cpu_used() - before < 0.05);
    before = cpu_used();
    CHECK(seki_pool_run(pool, 100, 1, nap_in_first, NULL) == SEKI_OK);
    CHECK(cpu_used() - before < 0.05);
    seki_pool_free(pool);
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* Whether the child ends with status 0 within PATIENCE; a child that hangs is killed. */
static bool ends_well(pid_t child)
{
    int status = -1;
    for (double end = now() + PATIENCE; waitpid(child, &status, WNOHANG) == 0; nap(200))
        if (now() > end) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return false;
        }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void *come_and_go(void *argument)
{
    return argument;
}

/* Asks the system without any pool; only where the answer can be no.  An x86-64 is not asked: there all must pass. */
static void probe_threads_after_fork(void)
{
#if defined(__SANITIZE_THREAD__)
    threads_after_fork = false;
#elif !defined(__x86_64__)
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, come_and_go, NULL) == 0);
    pid_t child = fork();
    if (child == 0) {
        fclose(stderr); /* an emulator's last words */
        _exit(pthread_create(&thread, NULL, come_and_go, NULL) == 0 && pthread_join(thread, NULL) == 0 ? 0 : 1);
    }
    threads_after_fork = ends_well(child);
    pthread_join(thread, NULL);
#endif
    (void)come_and_go;
    if (!threads_after_fork)
        printf("no threads after fork here: a sanitizer or an emulator; children use the pool alone\n");
}

/* What a child does with the pool that it was born with: its own helpers, its own child, an end. */
static int live_in_child(seki_pool *pool, int generations)
{
    bool right = seki_pool_helpers(pool) == 0 && counted(pool, 500, 500);
    unsigned threads = seki_pool_threads(pool);
    meeting m = {.threads = threads};
    if (!threads_after_fork) {
        seki_pool_free(pool);
        return right ? 0 : 1;
    }
    right = right && seki_pool_run(pool, threads, 1, meet, &m) == SEKI_OK && !atomic_load(&m.missing);
    right = right && counted(pool, 500, 3) && seki_pool_helpers(pool) == threads - 1;
    if (right && generations > 0) {
        pid_t child = fork();
        if (child == 0)
            _exit(live_in_child(pool, generations - 1));
        right = ends_well(child) && counted(pool, 500, 3);
    }
    seki_pool_free(pool);
    return right && atomic_load(&ghosts) == 0 ? 0 : 1;
}

static void test_fork(void)
{
    seki_pool *pool = new_pool(4), *unused = new_pool(3);
    for (int i = 0; i < 20; i++) {
        if (i > 0)
            CHECK(counted(pool, 1000, 10));
        pid_t child = fork();
        if (child == 0)
            _exit(live_in_child(pool, 2) | live_in_child(unused, 0));
        CHECK(child > 0 && ends_well(child));
    }
    CHECK(counted(pool, 1000, 10) && seki_pool_helpers(unused) == 0);
    seki_pool_free(pool);
    seki_pool_free(unused);
}

typedef struct {
    seki_pool *pool;
    atomic_bool stop;
    atomic_uint runs;
} busy;

static void *keep_busy(void *argument)
{
    busy *b = argument;
    while (!atomic_load(&b->stop)) {
        CHECK(counted(b->pool, 300, 3));
        atomic_fetch_add(&b->runs, 1);
    }
    return NULL;
}

/* Forks while other threads start, run and finish batches. */
static void test_fork_while_busy(void)
{
    busy b = {.pool = new_pool(3)};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, keep_busy, &b) == 0);
    CHECK(reaches(&b.runs, 1));
    for (int i = 0; i < (SANITIZED ? 20 : 200); i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(live_in_child(b.pool, 0));
        CHECK(child > 0 && ends_well(child));
        CHECK(counted(b.pool, 300, 3));
        nap(i * 7 % 100);
    }
    atomic_store(&b.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    seki_pool_free(b.pool);
}

typedef struct {
    meeting all;
    bool is_child; /* written by the caller's thread alone */
    pid_t child;
} forking;

static void fork_inside(void *context, size_t from, size_t to, unsigned worker)
{
    forking *f = context;
    if (from < f->all.threads)
        meet(&f->all, from, to, worker); /* every helper holds a range when the caller forks */
    if (worker == 0 && f->child == 0 && !f->is_child) {
        f->child = fork();
        f->is_child = f->child == 0;
    }
}

static void test_fork_inside_work(void)
{
    seki_pool *pool = new_pool(3);
    for (int i = 0; i < 10; i++) {
        forking f = {.all.threads = 3};
        seki_status status = seki_pool_run(pool, 6, 1, fork_inside, &f);
        if (f.is_child)
            _exit(status == SEKI_E_SYSTEM ? live_in_child(pool, 0) : 1);
        CHECK(status == SEKI_OK && !atomic_load(&f.all.missing));
        CHECK(f.child > 0 && ends_well(f.child));
    }
    seki_pool_free(pool);
}

/* A system that refuses threads makes a run slower, not wrong.  (Sanitizers and emulators want address space of their
 * own.) */
static void test_no_threads_to_be_had(void)
{
    pid_t child = fork();
    if (child == 0) {
        enum { THREADS = 400 };
        seki_pool *pool = new_pool(THREADS);
        struct rlimit limit = {256 << 20, 256 << 20}; /* bytes: some stacks of 8 MiB, never 399 */
        bool right = setrlimit(RLIMIT_AS, &limit) == 0;
        for (int i = 0; i < 3; i++)
            right = right && counted(pool, ITEMS_MAX, 3);
        right = right && seki_pool_helpers(pool) < THREADS - 1;
        seki_pool_free(pool);
        _exit(right ? 0 : 1);
    }
    CHECK(child > 0 && ends_well(child));
}

/* ---- what it costs --------------------------------------------------------------------------- */

static void do_little(void *context, size_t from, size_t to, unsigned worker)
{
    (void)worker;
    atomic_fetch_add_explicit((atomic_size_t *)context, to - from, memory_order_relaxed);
}

static void time_small_batches(void)
{
    static const struct {
        unsigned threads;
        size_t items, grain;
    } cases[] = {{2, 16, 16}, {1, 16, 8}, {2, 16, 8}, {2, 64, 8}, {4, 64, 8}};
    enum { RUNS = 100000 };
    size_t runs = SANITIZED ? RUNS / 20 : RUNS;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        seki_pool *pool = new_pool(cases[i].threads);
        atomic_size_t done = 0;
        double start = now();
        for (size_t j = 0; j < runs; j++)
            CHECK(seki_pool_run(pool, cases[i].items, cases[i].grain, do_little, &done) == SEKI_OK);
        double each = (now() - start) / (double)runs * 1e6;
        CHECK(atomic_load(&done) == runs * cases[i].items);
        printf("%zu runs of %zu items in ranges of %zu, %u threads: %.2f us each\n", runs, cases[i].items,
               cases[i].grain, cases[i].threads, each);
        seki_pool_free(pool);
    }
}

int main(void)
{
    alarm(WATCHDOG);
    test_every_item_once();
    test_edges();
    test_all_threads_work();
    test_many_callers();
    test_callers_do_not_wait();
    test_helpers_are_shared();
    test_run_within_run();
    test_names_and_signals();
    test_clean_end();
    test_idle_helpers_sleep();
    if (getenv("SEKI_TEST_QEMU_USER") != NULL) {
        threads_after_fork = false;
        printf("no forks here: in a process with threads they trip assertions of qemu-user's own (7.2)\n");
    } else {
        probe_threads_after_fork();
        test_fork();
        test_fork_while_busy();
        test_fork_inside_work();
    }
    if (!SANITIZED && threads_after_fork)
        test_no_threads_to_be_had();
    time_small_batches();
    if (atomic_load(&failures) > 0)
        return 1;
    printf("test_pool: ok\n");
    return 0;
}
