/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement: which worker polls which queue, and what workers know of ports.
 * Threads: control. Owner: queues, views and poll lists are made and freed here; workers see them
 * through pointers that are swapped, and never after a grace period.
 *
 * Life of a queue: MOVING (nobody polls it, a grace period runs) -> POLLED by its target, or IDLE
 * if there is no worker -> MOVING (its worker's list lost it) -> POLLED by the next. The target may
 * change while the queue is under way. Callbacks run in the order of their calls, so an arrival
 * that was called for before its port left finds the queue still there and marked as leaving.
 */
#include <stdlib.h>

#include "base/evs_log.h"
#include "pmd/pmd_pvt.h"

#define MEASURE_MIN_NS 100000000 /* a load over less time says little */
#define LOAD_NEW       0.02      /* what a queue counts at least */
#define GAIN_MIN       0.03      /* of the busiest worker's load, to be worth a redistribution */

struct pmd_port *pmd_ports[PKT_PORT_MAX + 1];

/* Calls do(q) for each queue of all ports. */
#define QUEUE_FOREACH(q)                                                                           \
	for (unsigned port_ = 1; port_ <= PKT_PORT_MAX; port_++)                                   \
		for (unsigned i_ = 0; pmd_ports[port_] && i_ < pmd_ports[port_]->n_rxq; i_++)      \
			for (struct pmd_rxq *q = pmd_ports[port_]->rxq[i_]; q; q = NULL)

static void list_publish(struct pmd_worker *w);

static void list_publish_again(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;

	if (pmd_workers[id] && pmd_workers[id]->state != PMD_WORKER_ENDED)
		list_publish(pmd_workers[id]);
}

/* A round of the loop costs about a hundred cycles besides its bursts: with few queues each may
 * give some before the next has its turn. */
#define MOST_BURSTS  4u
#define ROUND_BURSTS 8u

static void list_swap(struct pmd_worker *w, struct pmd_poll *poll)
{
	struct pmd_poll *old = w->poll;

	evs_store_release(&w->poll, poll);
	pmd_wake_changed(w);
	w->n_queues = poll->n;
	if (old != &pmd_poll_nothing)
		evs_rcu_free(old);
}

/* There is no memory for a list. What left the worker may be freed soon, so a list that names it
 * must not stay: better that all its queues wait. */
static void list_postpone(struct pmd_worker *w)
{
	bool stays = true;

	EVS_LOG_LIMITED(pmd, ERR, "worker %u: no memory for a poll list, it is tried again", w->id);
	for (unsigned i = 0; i < w->poll->n; i++)
		stays &= w->poll->rxq[i]->owner == w;
	if (!stays)
		list_swap(w, (struct pmd_poll *)&pmd_poll_nothing);
	evs_rcu_call(list_publish_again, (void *)(uintptr_t)w->id);
}

/* Makes w's poll list anew: the queues that it owns. Without memory it is tried again later. */
static void list_publish(struct pmd_worker *w)
{
	struct pmd_poll *poll;
	unsigned n = 0;

	QUEUE_FOREACH(q)
	n += q->owner == w;
	poll = malloc(sizeof(*poll) + n * sizeof(poll->rxq[0]));
	if (!poll) {
		list_postpone(w);
		return;
	}
	poll->n = 0;
	QUEUE_FOREACH(q)
	if (q->owner == w)
		poll->rxq[poll->n++] = q;
	poll->most = EVS_MAX(1u, EVS_MIN(MOST_BURSTS, ROUND_BURSTS / EVS_MAX(1u, n)));
	list_swap(w, poll);
}

/* The old worker has passed a quiescent state without the queue. */
static void queue_arrive(void *arg)
{
	struct pmd_rxq *q = arg;

	if (q->leaving)
		return;
	q->owner = q->target;
	q->target = NULL;
	q->state = q->owner ? PMD_RXQ_POLLED : PMD_RXQ_IDLE;
	if (q->owner)
		list_publish(q->owner);
}

void pmd_place_take(struct pmd_rxq *q)
{
	struct pmd_worker *owner = q->owner;

	q->owner = NULL;
	if (owner)
		list_publish(owner);
}

void pmd_place_assign(struct pmd_rxq *q, struct pmd_worker *w)
{
	if (q->owner == w && q->state == PMD_RXQ_POLLED)
		return;
	q->target = w;
	if (q->state == PMD_RXQ_IDLE) {
		queue_arrive(q);
	} else if (q->state == PMD_RXQ_POLLED) {
		q->state = PMD_RXQ_MOVING;
		pmd_place_take(q);
		evs_rcu_call(queue_arrive, q);
	}
}

void pmd_place_start(struct pmd_rxq *q)
{
	q->state = PMD_RXQ_MOVING;
	q->target = pmd_place_pick(q->port);
	evs_rcu_call(queue_arrive, q);
}

static double weight(const struct pmd_rxq *q)
{
	return EVS_MAX(q->load, LOAD_NEW);
}

void pmd_place_measure(void)
{
	uint64_t now = evs_clock_tsc(), min = evs_clock_ns_to_tsc(MEASURE_MIN_NS);

	QUEUE_FOREACH(q)
	{
		uint64_t busy = evs_load_relaxed(&q->busy_tsc);

		if (now - q->seen_tsc < min)
			continue;
		if (q->seen_tsc)
			q->load = (double)(busy - q->seen_busy_tsc) / (double)(now - q->seen_tsc);
		q->seen_busy_tsc = busy;
		q->seen_tsc = now;
	}
}

static bool is_running(const struct pmd_worker *w)
{
	return w && w->state == PMD_WORKER_RUNNING;
}

/* The running worker with the least load; on the node, if there is one on it; among equals the one
 * that has the queue already. */
static struct pmd_worker *least_loaded(int numa_node, const struct pmd_worker *present)
{
	struct pmd_worker *best = NULL;

	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++) {
		struct pmd_worker *w = pmd_workers[id];
		bool local, best_local;

		if (!is_running(w))
			continue;
		local = numa_node < 0 || w->numa_node == numa_node;
		best_local = best && (numa_node < 0 || best->numa_node == numa_node);
		if (!best || local > best_local ||
		    (local == best_local &&
		     (w->load < best->load || (w->load == best->load && w == present))))
			best = w;
	}
	return best;
}

static double load_max(void)
{
	double max = 0;

	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++)
		if (is_running(pmd_workers[id]))
			max = EVS_MAX(max, pmd_workers[id]->load);
	return max;
}

static void loads_clear(void)
{
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++)
		if (pmd_workers[id])
			pmd_workers[id]->load = 0;
}

/* Sums the loads of workers from the queues that they have or will have. */
static void loads_sum(void)
{
	loads_clear();
	QUEUE_FOREACH(q)
	{
		struct pmd_worker *w = q->state == PMD_RXQ_MOVING ? q->target : q->owner;

		if (w)
			w->load += weight(q);
	}
}

struct pmd_worker *pmd_place_pick(const struct port *port)
{
	pmd_place_measure();
	loads_sum();
	return least_loaded(port->numa_node, NULL);
}

void pmd_place_follow(struct pmd_port *p)
{
	const int node = p->port->numa_node;

	if (p->numa_node == node)
		return;
	p->numa_node = node;
	for (unsigned i = 0; node >= 0 && i < p->n_rxq; i++) {
		struct pmd_rxq *q = p->rxq[i];
		const struct pmd_worker *now = q->owner ? q->owner : q->target;
		struct pmd_worker *best = pmd_place_pick(p->port);

		if (now && now->numa_node != node && best->numa_node == node)
			pmd_place_assign(q, best);
	}
}

static int by_weight(const void *a, const void *b)
{
	double x = weight(*(struct pmd_rxq *const *)a), y = weight(*(struct pmd_rxq *const *)b);

	return x < y ? 1 : x > y ? -1 : 0;
}

/* The heaviest queue first, each to the worker that has least by then. */
void pmd_place_spread(bool only_if_better)
{
	struct pmd_worker **to;
	struct pmd_rxq **all;
	double before;
	unsigned n = 0, i = 0;

	pmd_place_measure();
	loads_sum();
	before = load_max();
	QUEUE_FOREACH(q)
	n++;
	all = calloc(n + 1, sizeof(*all));
	to = calloc(n + 1, sizeof(*to));
	if (all && to) {
		QUEUE_FOREACH(q)
		all[i++] = q;
		qsort(all, n, sizeof(*all), by_weight);
		loads_clear();
		for (i = 0; i < n; i++) {
			to[i] = least_loaded(all[i]->port->numa_node, all[i]->owner);
			if (to[i])
				to[i]->load += weight(all[i]);
		}
		if (!only_if_better || load_max() + GAIN_MIN < before)
			for (i = 0; i < n; i++)
				pmd_place_assign(all[i], to[i]);
	}
	free(all);
	free(to);
}

int pmd_rebalance(struct evs_error *err)
{
	if (pmd_n_workers() == 0)
		return evs_error_set(err, -ENOENT, "there is no worker; add one (worker add CPU)");
	pmd_place_spread(true);
	return 0;
}

void pmd_rebalance_above(double load)
{
	if (pmd_n_workers() < 2)
		return;
	pmd_place_measure();
	loads_sum();
	if (load_max() > load)
		pmd_place_spread(true);
}

void pmd_place_leave(struct pmd_worker *w)
{
	QUEUE_FOREACH(q)
	{
		if (q->owner == w || (q->state == PMD_RXQ_MOVING && q->target == w))
			pmd_place_assign(q, pmd_place_pick(q->port));
	}
}

int pmd_queue_move(struct port *port, uint16_t queue, unsigned cpu, struct evs_error *err)
{
	struct pmd_port *p = pmd_ports[port->index];
	struct pmd_worker *w = pmd_worker_at_cpu(cpu);

	if (!p || queue >= p->n_rxq)
		return evs_error_set(err, -ENOENT, "port '%s' has no receive queue %u", port->name,
		                     queue);
	if (!w)
		return evs_error_set(err, -ENOENT, "CPU %u has no worker; add one (worker add %u)",
		                     cpu, cpu);
	pmd_place_assign(p->rxq[queue], w);
	return 0;
}

void pmd_queues_walk(void (*visit)(const struct pmd_queue_stats *queue, void *arg), void *arg)
{
	pmd_place_measure();
	QUEUE_FOREACH(q)
	{
		struct pmd_worker *w = q->owner ? q->owner : q->target;
		struct pmd_queue_stats stats = {.port = q->port,
		                                .queue = q->queue,
		                                .cpu = w ? w->cpu : UINT32_MAX,
		                                .pkts = evs_load_relaxed(&q->pkts),
		                                .load = q->load};

		visit(&stats, arg);
	}
}
