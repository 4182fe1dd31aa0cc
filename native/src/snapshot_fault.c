/* snapshot_fault.c: pages of a mapped file that are lost under the map (the file was cut off, the disk failed).
 *
 * The kernel tells of it by SIGBUS.  The handler says so by a flag and puts a page of zeros in the place of the lost one; whoever
 * looks up then reads zeros, looks at the flag afterwards, and refuses.  mmap and the atomics are all that it uses.
 * Of the page in which a cut file now ends it tells nothing: seki_snapshot_damaged sees that one. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fork_lock.h"
#include "snapshot.h"

enum { SLOTS = 256 }; /* snapshots mapped in a process; two or three are */

typedef struct {
    _Atomic uintptr_t from, to; /* `from` is written last, and taken away first; 0: free */
    _Atomic uint32_t *_Atomic damaged;
} watched;

static watched slots[SLOTS];
static struct sigaction before;
static pthread_once_t installed = PTHREAD_ONCE_INIT;
static bool ready;
static uintptr_t page_size;
static _Atomic int32_t changing;

static bool mend(uintptr_t at)
{
    for (size_t i = 0; i < SLOTS; i++) {
        uintptr_t from = atomic_load(&slots[i].from), to = atomic_load(&slots[i].to);
        _Atomic uint32_t *damaged = atomic_load(&slots[i].damaged);
        /* Seen again, so that `to` is not of a map that another thread puts here meanwhile. */
        if (from == 0 || at < from || at >= to || atomic_load(&slots[i].from) != from)
            continue;
        /* The flag first: no other thread may read the zeros and find it down. */
        atomic_store(damaged, 1);
        void *page = (void *)(at & ~(page_size - 1));
        return mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
    }
    return false;
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
    int saved = errno;
    if (info->si_code > 0 && mend((uintptr_t)info->si_addr)) { /* the kernel's, not somebody's kill() */
        errno = saved;
        return;
    }
    if ((before.sa_flags & SA_SIGINFO) != 0) {
        before.sa_sigaction(signal_number, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(signal_number);
    } else { /* as if we had never been here: the access faults again */
        (void)sigaction(signal_number, &before, NULL);
        if (info->si_code <= 0)
            (void)raise(signal_number);
    }
    errno = saved;
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    (void)sigemptyset(&action.sa_mask);
    long size = sysconf(_SC_PAGESIZE);
    page_size = size > 0 ? (uintptr_t)size : 4096;
    ready = sigaction(SIGBUS, &action, &before) == 0;
}

int seki_fault_watch(seki_span map, _Atomic uint32_t *damaged)
{
    int slot = -1;
    (void)pthread_once(&installed, install);
    if (!ready)
        return -1;
    (void)seki_fork_lock(&changing);
    for (int i = 0; i < SLOTS && slot < 0; i++)
        if (atomic_load(&slots[i].from) == 0)
            slot = i;
    if (slot >= 0) {
        atomic_store(&slots[slot].to, (uintptr_t)map.data + map.length);
        atomic_store(&slots[slot].damaged, damaged);
        atomic_store(&slots[slot].from, (uintptr_t)map.data);
    }
    seki_fork_unlock(&changing);
    return slot;
}

void seki_fault_forget(int slot)
{
    if (slot >= 0)
        atomic_store(&slots[slot].from, 0);
}
