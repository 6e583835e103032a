/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports come to the workers and leave them.
 * Threads: control. Owner: struct pmd_port and its queues; a view is a worker's, made and freed
 * here.
 *
 * Leaving takes two grace periods: after the first nobody polls the port's queues, so nobody counts
 * in its views as the port that packets came from; then the views go, and after the second
 * nobody sends to it. A packet that a cached flow still sends there is dropped as TX_PORT_DOWN.
 */
#include <stdlib.h>

#include "pmd/pmd_pvt.h"
#include "qos/qos_ingress.h"

static uint16_t txq_of(const struct port *port, unsigned worker)
{
	return port->n_txq ? (uint16_t)(worker % port->n_txq) : 0;
}

int pmd_view_add(struct pmd_worker *w, struct port *port, struct evs_error *err)
{
	struct pmd_view *v;
	int rc = port_counters_prepare(port, w->id, err);

	if (rc)
		return rc;
	v = aligned_alloc(EVS_CACHE_LINE, sizeof(*v));
	if (!v)
		return evs_error_set(err, -ENOMEM, "port '%s': no memory for %zu bytes", port->name,
		                     sizeof(*v));
	memset(v, 0, sizeof(*v));
	v->port = port;
	v->counters = port->counters[w->id];
	v->txq = txq_of(port, w->id);
	v->shaper = pmd_shape_of_view(port);
	v->ingress = pmd_ports[port->index] ? pmd_ports[port->index]->ingress : NULL;
	evs_store_release(&w->view[port->index], v);
	return 0;
}

/* Workers forget the port; their views are freed after a grace period. */
static void views_del(const struct port *port)
{
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++) {
		struct pmd_worker *w = pmd_workers[id];
		struct pmd_view *v = w ? w->view[port->index] : NULL;

		if (!v || v == &w->nowhere)
			continue;
		evs_store_release(&w->view[port->index], &w->nowhere);
		evs_rcu_free(v);
	}
}

static struct pmd_rxq *queue_make(struct port *port, uint16_t queue)
{
	struct pmd_rxq *q = aligned_alloc(EVS_CACHE_LINE, sizeof(*q));

	if (!q)
		return NULL;
	memset(q, 0, sizeof(*q));
	q->port = port;
	q->queue = queue;
	q->in_port = port->index;
	return q;
}

/* Makes the queues from p->n_rxq up to n and gives them to workers: all, or none. They start after
 * a grace period, since another worker may still poll a queue of this number that left just now. */
static int queues_add(struct pmd_port *p, uint16_t n, struct evs_error *err)
{
	uint16_t from = p->n_rxq, i;

	for (i = from; i < n; i++) {
		p->rxq[i] = queue_make(p->port, i);
		if (!p->rxq[i])
			goto fail;
	}
	for (i = from; i < n; i++) {
		p->n_rxq = (uint16_t)(i + 1);
		p->rxq[i]->gate = p->ingress && qos_ingress_shapes(p->ingress) ? p->ingress : NULL;
		pmd_place_start(p->rxq[i]);
	}
	return 0;
fail:
	while (i > from)
		free(p->rxq[--i]);
	return evs_error_set(err, -ENOMEM, "port '%s': no memory for its queues", p->port->name);
}

/* Takes the queues from n on from the workers; they are freed after a grace period. */
static void queues_del(struct pmd_port *p, uint16_t n)
{
	while (p->n_rxq > n) {
		struct pmd_rxq *q = p->rxq[p->n_rxq - 1];

		q->leaving = true;
		p->n_rxq--;
		pmd_place_take(q);
		evs_rcu_free(q);
	}
}

int pmd_port_attach(struct port *port, struct evs_error *err)
{
	struct pmd_port *p;
	int rc = 0;

	if (pmd_ports[port->index])
		return evs_error_set(err, -EEXIST, "port '%s' is attached already", port->name);
	p = calloc(1, sizeof(*p));
	if (!p)
		return evs_error_set(err, -ENOMEM, "port '%s': no memory", port->name);
	p->port = port;
	p->numa_node = port->numa_node;
	for (unsigned id = 0; rc == 0 && id < EVS_MAX_WORKERS; id++)
		if (pmd_workers[id] && pmd_workers[id]->state != PMD_WORKER_ENDED)
			rc = pmd_view_add(pmd_workers[id], port, err);
	if (rc == 0) {
		pmd_ports[port->index] = p;
		rc = queues_add(p, EVS_MIN(port->n_rxq, PORT_MAX_QUEUES), err);
	}
	if (rc) {
		pmd_ports[port->index] = NULL;
		views_del(port);
		free(p);
	}
	return rc;
}

static void detach_end(void *arg)
{
	struct pmd_port *p = arg;

	if (p->done)
		p->done(p->port, p->arg);
	free(p->ingress);
	free(p);
}

/* Nobody polls it any more. */
static void detach_views(void *arg)
{
	struct pmd_port *p = arg;

	views_del(p->port);
	evs_rcu_call(detach_end, p);
}

void pmd_attach_detach_views(struct pmd_port *p)
{
	evs_rcu_call(detach_views, p);
}

void pmd_port_detach(struct port *port, void (*done)(struct port *port, void *arg), void *arg)
{
	struct pmd_port *p = pmd_ports[port->index];

	if (!p) {
		if (done)
			done(port, arg);
		return;
	}
	p->done = done;
	p->arg = arg;
	queues_del(p, 0);
	pmd_ports[port->index] = NULL;
	if (!pmd_shape_detach(p))
		evs_rcu_call(detach_views, p);
}

int pmd_port_queues_changed(struct port *port, struct evs_error *err)
{
	struct pmd_port *p = pmd_ports[port->index];
	uint16_t n = EVS_MIN(port->n_rxq, PORT_MAX_QUEUES);

	if (!p)
		return 0; /* it is on its way in or out */
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++) {
		struct pmd_worker *w = pmd_workers[id];

		if (w && w->view[port->index] != &w->nowhere)
			evs_store_relaxed(&w->view[port->index]->txq, txq_of(port, id));
	}
	queues_del(p, n);
	pmd_place_follow(p);
	return queues_add(p, n, err);
}

void pmd_attach_fini(void)
{
	for (unsigned i = 0; i <= PKT_PORT_MAX; i++) {
		struct pmd_port *p = pmd_ports[i];

		if (!p)
			continue;
		pmd_ports[i] = NULL;
		pmd_shape_fini(p);
		while (p->n_rxq > 0)
			free(p->rxq[--p->n_rxq]);
		free(p->ingress);
		free(p);
	}
}
