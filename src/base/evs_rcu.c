/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grace periods and the queue of callbacks that wait for them.
 * Threads: see evs_rcu.h. Owner of callbacks: this file, until they ran.
 *
 * A callback remembers the token of rte_rcu_qsbr_start; tokens grow, so the queue is in order
 * and a check stops at the first that is not due.
 */
#include "base/evs_rcu.h"

#include <stdlib.h>

struct rte_rcu_qsbr *evs_rcu;

struct callback {
	struct callback *next;
	uint64_t token;
	void (*fn)(void *arg);
	void *arg;
};

static struct callback *head, **tail = &head; /* [ctl] */
static unsigned n_waiting;

int evs_rcu_init(struct evs_error *err)
{
	size_t size = rte_rcu_qsbr_get_memsize(EVS_MAX_WORKERS);

	evs_rcu = aligned_alloc(EVS_CACHE_LINE, (size + EVS_CACHE_LINE - 1) & ~(size_t)63);
	if (!evs_rcu)
		return evs_error_set(err, -ENOMEM, "no memory for %zu bytes of RCU state", size);
	return rte_rcu_qsbr_init(evs_rcu, EVS_MAX_WORKERS) ? -EINVAL : 0;
}

void evs_rcu_fini(void)
{
	evs_rcu_synchronize();
	free(evs_rcu);
	evs_rcu = NULL;
}

void evs_rcu_worker_online(unsigned worker)
{
	rte_rcu_qsbr_thread_register(evs_rcu, worker);
	rte_rcu_qsbr_thread_online(evs_rcu, worker);
}

void evs_rcu_worker_offline(unsigned worker)
{
	rte_rcu_qsbr_thread_offline(evs_rcu, worker);
	rte_rcu_qsbr_thread_unregister(evs_rcu, worker);
}

void evs_rcu_call(void (*fn)(void *arg), void *arg)
{
	struct callback *cb = malloc(sizeof(*cb));

	if (!cb)
		abort(); /* 32 bytes: nothing sensible can go on */
	cb->next = NULL;
	cb->fn = fn;
	cb->arg = arg;
	cb->token = rte_rcu_qsbr_start(evs_rcu);
	*tail = cb;
	tail = &cb->next;
	n_waiting++;
}

void evs_rcu_free(void *ptr)
{
	if (ptr)
		evs_rcu_call(free, ptr);
}

unsigned evs_rcu_poll(void)
{
	unsigned n = n_waiting; /* who calls again from within, to share the loop, has to wait */

	while (n-- && head && rte_rcu_qsbr_check(evs_rcu, head->token, false) == 1) {
		struct callback *cb = head;

		head = cb->next;
		if (!head)
			tail = &head;
		n_waiting--;
		cb->fn(cb->arg);
		free(cb);
	}
	return n_waiting;
}

void evs_rcu_synchronize(void)
{
	while (head) {
		rte_rcu_qsbr_check(evs_rcu, head->token, true);
		evs_rcu_poll();
	}
	rte_rcu_qsbr_synchronize(evs_rcu, RTE_QSBR_THRID_INVALID);
}
