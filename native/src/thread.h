/* thread.h: threads of our own, which leave signals to the program's. */
#ifndef SEKI_THREAD_H
#define SEKI_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Starts `work` with all signals blocked but the faults that a thread causes itself: blocked, these kill without the program's handler
 * (a crash report) being asked. */
bool seki_thread_start(pthread_t *thread, void *(*work)(void *), void *argument);

/* Names the calling thread "sekisho-" and `suffix`, a letter or none, and `number`. */
void seki_thread_name(const char *suffix, unsigned number);

#endif
