/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapers of ports: birth, change, owner, end.
 * Threads: control. Owner: struct pmd_shaper is the port's; freed when its queues are empty, no
 * worker's list has it and a grace period is over.
 *
 * End: the owner sends all without regard to rates, and packets pass the shaper by as soon as it is
 * empty, so that none overtakes another; then the views forget it; after a grace period nobody puts
 * packets in; then it leaves the owner's list, and after another grace period it is freed.
 */
#include <stdlib.h>

#include "pmd/pmd_shape_pvt.h"

#define DRAIN_LOOPS 20000 /* of its owner, that a shaper that goes has for running empty */

static uint32_t last_id;
static uint64_t held_before; /* by accounts of workers that ended, and what was freed here */

static struct pmd_shaper *shaper_of(const struct port *port)
{
	struct pmd_port *p = pmd_ports[port->index];

	return p ? p->shaper : NULL;
}

static void list_add(struct pmd_worker *w, struct pmd_shaper *s)
{
	evs_store_release(&s->next, w->shapers);
	evs_store_release(&w->shapers, s);
	evs_store_release(&s->owner, w);
}

static void list_del(struct pmd_shaper *s)
{
	struct pmd_shaper **link = &s->owner->shapers;

	while (*link != s)
		link = &(*link)->next;
	evs_store_release(link, s->next); /* s->next stays for who stands there */
	evs_store_release(&s->owner, NULL);
}

static void arrive(void *arg)
{
	struct pmd_shaper *s = arg;
	struct pmd_worker *w = pmd_place_pick(s->port);

	s->moving = false;
	if (w)
		list_add(w, s);
}

void pmd_shape_leave(struct pmd_worker *w)
{
	while (w->shapers) {
		struct pmd_shaper *s = w->shapers;

		list_del(s);
		s->moving = true;
		evs_rcu_call(arrive, s);
	}
}

void pmd_shape_join(void)
{
	for (unsigned i = 1; i <= PKT_PORT_MAX; i++) {
		struct pmd_shaper *s = pmd_ports[i] ? pmd_ports[i]->shaper : NULL;

		if (s && !s->owner && !s->moving)
			arrive(s);
	}
}

struct pmd_shaper *pmd_shape_of_view(const struct port *port)
{
	struct pmd_shaper *s = shaper_of(port);

	return s && !s->leaving ? s : NULL;
}

static void views_set(const struct port *port, struct pmd_shaper *s)
{
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++) {
		struct pmd_worker *w = pmd_workers[id];

		if (w && w->view[port->index] != &w->nowhere)
			evs_store_release(&w->view[port->index]->shaper, s);
	}
}

/* Frees a shaper that no worker touches any more, with what it still holds. */
static void shaper_free(struct pmd_shaper *s)
{
	struct pmd_shaper_item item;

	held_before -= qos_shaper_backlog(s->q);
	while (rte_ring_dequeue_elem(s->ring, &item, sizeof(item)) == 0) {
		rte_pktmbuf_free(item.mbuf);
		held_before--;
	}
	rte_ring_free(s->ring);
	qos_shaper_destroy(s->q);
	qos_shaper_destroy(s->next_q);
	qos_shaper_destroy(s->retired);
	s->p->shaper = NULL;
	free(s);
}

static void close_end(void *arg)
{
	struct pmd_shaper *s = arg;
	struct pmd_port *p = s->detaching ? s->p : NULL;
	void (*done)(void *arg) = s->done;
	void *done_arg = s->arg;

	shaper_free(s);
	if (done)
		done(done_arg);
	if (p)
		pmd_attach_detach_views(p);
}

/* Until the owner has sent all. Without one, or when workers stop, what is left goes with it. */
static void close_wait(void *arg)
{
	struct pmd_shaper *s = arg;
	bool stops = s->owner && evs_load_relaxed(&s->owner->stop);

	if (s->moving || (stops && !s->stopped) ||
	    (s->owner && !stops && !evs_load_acquire(&s->is_empty))) {
		s->stopped = stops;
		evs_rcu_call(close_wait, s);
		return;
	}
	if (s->owner)
		list_del(s);
	evs_rcu_call(close_end, s);
}

/* The owner sends for a while, but not for ever if more comes all the time. */
static void close_drain(void *arg)
{
	struct pmd_shaper *s = arg;
	const struct pmd_worker *w = s->owner;
	bool runs = s->moving || (w && !evs_load_relaxed(&w->stop));

	if (w && !s->loops)
		s->loops = evs_load_relaxed(&w->loops);
	if (runs && !evs_load_acquire(&s->is_empty) &&
	    (!w || evs_load_relaxed(&w->loops) - s->loops < DRAIN_LOOPS)) {
		evs_rcu_call(close_drain, s);
		return;
	}
	views_set(s->port, NULL);
	evs_rcu_call(close_wait, s);
}

static void shaper_close(struct pmd_shaper *s)
{
	if (s->leaving)
		return;
	s->leaving = true;
	evs_store_release(&s->closing, true);
	evs_rcu_call(close_drain, s);
}

bool pmd_shape_detach(struct pmd_port *p)
{
	if (!p->shaper)
		return false;
	p->shaper->detaching = true;
	shaper_close(p->shaper);
	return true;
}

void pmd_shape_fini(struct pmd_port *p)
{
	if (p->shaper)
		shaper_free(p->shaper);
}

static struct pmd_shaper *shaper_make(struct pmd_port *p, struct qos_shaper *q)
{
	struct pmd_shaper *s = aligned_alloc(EVS_CACHE_LINE, sizeof(*s));
	char name[RTE_RING_NAMESIZE];

	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	snprintf(name, sizeof(name), "shaper%u", p->port->index);
	s->ring = rte_ring_create_elem(name, sizeof(struct pmd_shaper_item), PMD_SHAPE_RING_LEN,
	                               SOCKET_ID_ANY, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
	if (!s->ring) {
		free(s);
		return NULL;
	}
	s->port = p->port;
	s->id = ++last_id;
	s->pool_pkts = qos_shaper_pool(q);
	s->p = p;
	s->q = q;
	return s;
}

static void retired_free(void *arg)
{
	qos_shaper_destroy(arg);
}

/* Hands the owner a new configuration; what it has not taken up yet is freed. Other workers may
 * still ask the old one whether it admits packets. */
static void shaper_change(struct pmd_shaper *s, struct qos_shaper *q)
{
	struct qos_shaper *old = __atomic_exchange_n(&s->retired, NULL, __ATOMIC_ACQ_REL);

	if (old)
		evs_rcu_call(retired_free, old);
	old = __atomic_exchange_n(&s->next_q, q, __ATOMIC_ACQ_REL);
	qos_shaper_destroy(old);
}

int pmd_shaper_set(struct port *port, const struct qos_shaper_config *wanted, struct evs_error *err)
{
	struct pmd_port *p = pmd_ports[port->index];
	struct qos_shaper_config config = *wanted;
	struct qos_shaper *q;

	if (!p)
		return evs_error_set(err, -ENOENT, "port '%s' is not in use", port->name);
	if (p->shaper && p->shaper->leaving)
		return evs_error_set(err, -EBUSY, "port '%s': its last shaper is being removed",
		                     port->name);
	if (p->shaper) /* what waits now, in whichever was set last, must find room */
		config.pool_pkts = p->shaper->pool_pkts;
	q = qos_shaper_create(&config, evs_clock_tsc_hz);
	if (!q && errno == ENOMEM)
		return evs_error_set(err, -ENOMEM,
		                     "port '%s': no memory for %u queues and their packets: "
		                     "configure fewer, or a smaller backlog",
		                     port->name, config.n_queues);
	if (!q)
		return evs_error_set(err, -errno, "port '%s': cannot shape: %s", port->name,
		                     strerror(errno));
	if (p->shaper) {
		p->shaper->pool_pkts = qos_shaper_pool(q);
		shaper_change(p->shaper, q);
		return 0;
	}
	p->shaper = shaper_make(p, q);
	if (!p->shaper) {
		qos_shaper_destroy(q);
		return evs_error_set(err, -ENOMEM, "port '%s': no memory for its shaper",
		                     port->name);
	}
	arrive(p->shaper);
	views_set(port, p->shaper);
	return 0;
}

int pmd_shaper_del(struct port *port, void (*done)(void *arg), void *arg, struct evs_error *err)
{
	struct pmd_shaper *s = shaper_of(port);

	if (!s || s->leaving)
		return evs_error_set(err, -ENOENT, "port '%s' is not shaped", port->name);
	s->done = done;
	s->arg = arg;
	shaper_close(s);
	return 0;
}

const struct qos_shaper *pmd_shaper_get(const struct port *port)
{
	struct pmd_shaper *s = shaper_of(port);

	return s ? evs_load_acquire(&s->q) : NULL;
}

void pmd_shape_ended(const struct pmd_worker *w)
{
	held_before += w->account.held;
}

uint64_t pmd_held(void)
{
	uint64_t sum = held_before;

	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++)
		if (pmd_workers[id] && pmd_workers[id]->state != PMD_WORKER_ENDED)
			sum += evs_load_relaxed(&pmd_workers[id]->account.held);
	return sum;
}
