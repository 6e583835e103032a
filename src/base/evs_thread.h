/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads beside the control thread.
 * Threads: any. Owner: the caller joins what it has started.
 */
#ifndef EVS_THREAD_H
#define EVS_THREAD_H

#include <pthread.h>

/* Starts fn(arg) in a thread that takes no signals: these are the control thread's. But a fault in
 * memory that a guest takes away: the kernel ends us if SIGBUS is blocked. attr: NULL for none.
 * 0 or a negative errno. */
int evs_thread_start(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg),
                     void *arg);

#endif
