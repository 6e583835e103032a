/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grace periods, over rte_rcu_qsbr. One instance for the whole daemon.
 * Threads: workers report; the control thread waits, without blocking, by callbacks.
 *
 * A worker that sleeps goes offline and must not hold what it read before.
 */
#ifndef EVS_RCU_H
#define EVS_RCU_H

#include <rte_rcu_qsbr.h>

#include "base/evs_base.h"

#define EVS_MAX_WORKERS 64

extern struct rte_rcu_qsbr *evs_rcu; /* set by evs_rcu_init, read by all */

int evs_rcu_init(struct evs_error *err); /* [ctl] after EAL */
void evs_rcu_fini(void);                 /* [ctl] runs what is pending */

void evs_rcu_worker_online(unsigned worker);       /* [worker] */
void evs_rcu_worker_offline(unsigned worker);      /* [worker] */
EVS_INLINE void evs_rcu_quiescent(unsigned worker) /* [worker] once per loop */
{
	rte_rcu_qsbr_quiescent(evs_rcu, worker);
}

/* [ctl] Calls fn(arg) on the control thread once every worker that is online now has passed a
 * quiescent state. Callbacks run in the order of their calls. Never fails, never blocks. */
void evs_rcu_call(void (*fn)(void *arg), void *arg);
void evs_rcu_free(void *ptr); /* [ctl] free() after a grace period; NULL is fine */

/* [ctl] Runs the callbacks that are due; returns how many wait still. The event loop calls it
 * while that is not 0. */
unsigned evs_rcu_poll(void);
/* [ctl] A grace period, waited for. Start-up, shutdown and tests only. */
void evs_rcu_synchronize(void);

#endif
