/* fork_lock.h: a lock for a few instructions, whose word holds the owner's process id, so that a child of fork() can take over what a
 * thread of its parent held. */
#ifndef SEKI_FORK_LOCK_H
#define SEKI_FORK_LOCK_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

/* True if the lock was taken over from a thread that did not survive fork(): what it guards may be half done. */
static inline bool seki_fork_lock(_Atomic int32_t *owner)
{
    int32_t self = (int32_t)getpid();
    for (unsigned tries = 0;; tries++) {
        int32_t seen = 0;
        if (atomic_compare_exchange_weak_explicit(owner, &seen, self, memory_order_acquire, memory_order_relaxed))
            return false;
        if (seen != 0 && seen != self && atomic_compare_exchange_strong(owner, &seen, self))
            return true;
        if (tries % 64 == 63)
            (void)sched_yield();
    }
}

static inline void seki_fork_unlock(_Atomic int32_t *owner)
{
    atomic_store_explicit(owner, 0, memory_order_release);
}

#endif
