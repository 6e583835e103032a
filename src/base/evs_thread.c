/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "base/evs_thread.h"

#include <signal.h>

int evs_thread_start(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg),
                     void *arg)
{
	sigset_t most, before;
	int ret;

	sigfillset(&most);
	sigdelset(&most, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &most, &before); /* the new thread has it from the first on */
	ret = pthread_create(thread, attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -ret;
}
