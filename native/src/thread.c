#define _GNU_SOURCE /* pthread_setname_np */

#include "thread.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>

bool seki_thread_start(pthread_t *thread, void *(*work)(void *), void *argument)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof synchronous / sizeof synchronous[0]; i++)
        sigdelset(&blocked, synchronous[i]);
    if (pthread_sigmask(SIG_SETMASK, &blocked, &before) != 0)
        return false;
    bool started = pthread_create(thread, NULL, work, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void seki_thread_name(const char *suffix, unsigned number)
{
    char name[16]; /* pthread_setname_np(3): 16 bytes with the final zero */
    snprintf(name, sizeof name, "sekisho-%.1s%u", suffix, number);
    pthread_setname_np(pthread_self(), name);
}
