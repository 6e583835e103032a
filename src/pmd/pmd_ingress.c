/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policing, shaping and storm control in the loop of a worker, and how they come to it.
 * Threads: worker; pmd_ingress_set and _get: control. A view or queue holds a pointer for each
 * port, so a port without one costs a branch a burst.
 */
#include "pmd/pmd_ingress.h"

#include <stdlib.h>

#include "pmd/pmd_pvt.h"

/* ---- control ---- */

static void publish(const struct pmd_port *p)
{
	struct qos_ingress *in = p->ingress;

	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++) {
		struct pmd_worker *w = pmd_workers[id];

		if (w && w->view[p->port->index] != &w->nowhere)
			evs_store_release(&w->view[p->port->index]->ingress, in);
	}
	for (unsigned i = 0; i < p->n_rxq; i++)
		evs_store_release(&p->rxq[i]->gate, in && qos_ingress_shapes(in) ? in : NULL);
	port_wake(); /* a queue with a gate has no event */
}

int pmd_ingress_set(struct port *port, struct qos_ingress *in, struct evs_error *err)
{
	struct pmd_port *p = pmd_ports[port->index];
	struct qos_ingress *old;

	if (!p) {
		free(in);
		return evs_error_set(err, -ENOENT, "port '%s' is not in use", port->name);
	}
	old = p->ingress;
	p->ingress = in;
	publish(p);
	if (old)
		evs_rcu_free(old);
	return 0;
}

const struct qos_ingress *pmd_ingress_get(const struct port *port)
{
	const struct pmd_port *p = pmd_ports[port->index];

	return p ? p->ingress : NULL;
}

/* ---- worker ---- */

void pmd_ingress_drop(struct pmd_worker *w, struct pmd_view *v, uint32_t mask, enum pkt_drop reason)
{
	struct rte_mbuf *gone[PKT_BURST_MAX];
	uint64_t bytes = 0;
	unsigned n = 0;

	for (; mask; mask &= mask - 1) {
		gone[n] = w->burst.mbuf[__builtin_ctz(mask)];
		bytes += gone[n++]->pkt_len;
	}
	if (n == 0)
		return;
	evs_counter_add(&w->account.rx, n);
	evs_counter_add(&v->counters->rx_pkts, n);
	evs_counter_add(&v->counters->rx_bytes, bytes);
	pmd_drop(w, v, gone, n, reason);
}

unsigned pmd_ingress_keep(struct pmd_worker *w, unsigned n, uint32_t gone)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++)
		if (!(gone >> i & 1))
			w->burst.mbuf[kept++] = w->burst.mbuf[i];
	return kept;
}

EVS_HOT unsigned pmd_ingress(struct pmd_worker *w, struct pmd_view *v, struct qos_ingress *in,
                             unsigned n)
{
	struct qos_ingress_burst b = {
	        .worker = w->id, .n = n, .mbufs = w->burst.mbuf, .now_tsc = w->now_tsc};
	uint32_t gone = qos_ingress_run(in, &b);

	if (evs_likely(!gone))
		return n;
	pmd_ingress_drop(w, v, b.storm, PKT_DROP_STORM);
	pmd_ingress_drop(w, v, b.police, PKT_DROP_POLICER);
	pmd_ingress_drop(w, v, b.no_mbuf, PKT_DROP_NO_MBUF);
	return pmd_ingress_keep(w, n, gone);
}

EVS_HOT unsigned pmd_ingress_rx(struct pmd_worker *w, const struct pmd_rxq *rxq,
                                struct qos_ingress *gate)
{
	unsigned room = qos_ingress_room(gate, w->now_tsc, PKT_BURST_MAX), n = 0;

	if (room)
		n = evs_load_acquire(&rxq->port->rx)(rxq->port, rxq->queue, w->burst.mbuf,
		                                     (uint16_t)room);
	if (n)
		qos_ingress_took(gate, w->burst.mbuf, n, w->now_tsc);
	return n;
}

/* A group seldom comes from several ports. */
EVS_HOT void pmd_ingress_unknown(struct pmd_worker *w, struct pmd_exec *x)
{
	const struct pkt_key_base *base = w->burst.base;
	struct qos_ingress_burst b = {
	        .worker = w->id, .n = x->n, .mbufs = x->mbuf, .now_tsc = w->now_tsc};
	uint32_t over = 0, left = (uint32_t)((UINT64_C(1) << x->n) - 1);

	while (left) {
		uint16_t in_port = base[x->slot[__builtin_ctz(left)]].in_port;
		struct qos_ingress *in = evs_load_acquire(&pmd_view_of(w, in_port)->ingress);
		uint32_t same = 0;

		for (unsigned i = 0; i < x->n; i++)
			same |= (uint32_t)(base[x->slot[i]].in_port == in_port) << i;
		if (in)
			over |= qos_ingress_unknown(in, &b, same);
		left &= ~same;
	}
	if (over)
		pmd_exec_drop(w, x, over, PKT_DROP_STORM);
}
