/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shaped ports in the loop of a worker: putting packets in, polling, sending.
 * Threads: worker.
 */
#include "pmd/pmd_out_pvt.h"
#include "pmd/pmd_shape_pvt.h"

#define CLOSING_BURSTS 8
#define BURSTS_MAX     2 /* taken from the ring, and sent, of one port in a loop */

static void put_own(struct pmd_worker *w, struct pmd_shaper *s, struct pmd_view *v,
                    const struct pmd_shaper_item *item)
{
	struct rte_mbuf *m = item->mbuf;
	enum qos_put put = qos_shaper_put(s->q, (uint32_t)item->queue, &m, w->now_tsc);

	if (evs_likely(put == QOS_PUT_DONE))
		evs_counter_add(&w->account.held, 1);
	else
		pmd_drop(w, v, &m, 1,
		         put == QOS_PUT_FULL ? PKT_DROP_QUEUE_FULL : PKT_DROP_QUEUE_AQM);
}

/* A shaper that goes has sent all that was put in: the rest may pass it by. What this worker put
 * into the ring has left it, which it sees first, and was sent before is_empty was set again. */
static EVS_COLD bool is_drained(struct pmd_shaper *s)
{
	bool ring_empty = rte_ring_empty(s->ring);

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return ring_empty && evs_load_acquire(&s->is_empty) && qos_shaper_backlog(s->q) == 0;
}

EVS_HOT void pmd_shape(struct pmd_worker *w, struct pmd_shaper *s, const struct pmd_shaped *pkts)
{
	struct pmd_view *v = pmd_view_of(w, s->port->index);
	struct pmd_shaper_item items[PKT_BURST_MAX];
	unsigned n_put;

	if (evs_unlikely(evs_load_acquire(&s->closing)) && is_drained(s)) {
		pmd_out_unshaped(w, v, pkts->mbufs, pkts->n);
		return;
	}
	for (unsigned i = 0; i < pkts->n; i++)
		items[i] = (struct pmd_shaper_item){pkts->mbufs[i], pkts->queue};
	if (evs_load_acquire(&s->owner) == w) {
		for (unsigned i = 0; i < pkts->n; i++)
			put_own(w, s, v, &items[i]);
		return;
	}
	n_put = rte_ring_mp_enqueue_burst_elem(s->ring, items, sizeof(items[0]), pkts->n, NULL);
	evs_counter_add(&w->account.held, n_put);
	if (evs_unlikely(n_put < pkts->n))
		pmd_drop(w, v, pkts->mbufs + n_put, pkts->n - n_put, PKT_DROP_QUEUE_FULL);
}

/* Takes over a changed configuration. While control has not yet freed the last old one it waits. */
static void adopt(struct pmd_worker *w, struct pmd_shaper *s)
{
	struct qos_shaper *next;

	if (evs_load_acquire(&s->retired))
		return;
	next = __atomic_exchange_n(&s->next_q, NULL, __ATOMIC_ACQ_REL);
	if (!next)
		return;
	qos_shaper_move(s->q, next, w->now_tsc);
	evs_store_release(&s->retired, s->q);
	evs_store_release(&s->q, next);
}

/* What other workers handed over; returns how many. */
static unsigned drain(struct pmd_worker *w, struct pmd_shaper *s, struct pmd_view *v)
{
	struct pmd_shaper_item items[PKT_BURST_MAX];
	unsigned n, sum = 0;

	for (unsigned b = 0; b < BURSTS_MAX; b++) {
		n = rte_ring_sc_dequeue_burst_elem(s->ring, items, sizeof(items[0]), PKT_BURST_MAX,
		                                   NULL);
		evs_counter_add(&w->account.held, -(uint64_t)n);
		for (unsigned i = 0; i < n; i++)
			put_own(w, s, v, &items[i]);
		sum += n;
		if (n < PKT_BURST_MAX)
			break;
	}
	return sum;
}

static unsigned send_due(struct pmd_worker *w, struct pmd_shaper *s, struct pmd_view *v)
{
	struct qos_taken t;
	unsigned sum = 0;

	for (unsigned b = 0; b < BURSTS_MAX; b++) {
		qos_shaper_take(s->q, w->now_tsc, &t);
		evs_counter_add(&w->account.held, -(uint64_t)(t.n_out + t.n_dropped));
		if (t.n_dropped)
			pmd_drop(w, v, t.dropped, t.n_dropped, PKT_DROP_QUEUE_AQM);
		if (t.n_out)
			pmd_out_unshaped(w, v, t.out, t.n_out);
		sum += t.n_out + t.n_dropped;
		if (!t.more)
			break;
	}
	return sum;
}

/* The shaper goes: all out, faster than more comes in. */
static EVS_COLD unsigned send_all(struct pmd_worker *w, struct pmd_shaper *s, struct pmd_view *v)
{
	struct rte_mbuf *out[QOS_BURST_LEN];
	unsigned n, sum = 0;

	evs_store_release(&s->is_empty, false);
	for (unsigned b = 0; b < CLOSING_BURSTS; b++) {
		sum += drain(w, s, v);
		n = qos_shaper_flush(s->q, out);
		evs_counter_add(&w->account.held, -(uint64_t)n);
		if (n)
			pmd_out_unshaped(w, v, out, n);
		sum += n;
		if (n < QOS_BURST_LEN)
			break;
	}
	if (qos_shaper_backlog(s->q) == 0 && rte_ring_empty(s->ring))
		evs_store_release(&s->is_empty, true);
	return sum;
}

EVS_HOT unsigned pmd_shape_run(struct pmd_worker *w, struct pmd_shaper *s)
{
	unsigned n = 0;

	w->now_tsc = evs_clock_tsc();
	for (; s; s = evs_load_acquire(&s->next)) {
		struct pmd_view *v = pmd_view_of(w, s->port->index);

		if (evs_unlikely(evs_load_relaxed(&s->next_q) != NULL))
			adopt(w, s);
		if (evs_unlikely(evs_load_acquire(&s->closing))) {
			n += send_all(w, s, v);
		} else {
			n += drain(w, s, v);
			n += send_due(w, s, v);
		}
	}
	return n;
}
