/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shaped ports in the loop of a worker: putting packets in, polling, sending.
 * Threads: worker.
 */
#include "pmd/pmd_out_pvt.h"
#include "pmd/pmd_shape_pvt.h"

#define CLOSING_BURSTS 8
#define BURSTS_MAX     2   /* taken from the ring, and sent, of one port in a loop */
#define BUDGET         256 /* packets of all ports in a loop, before the next poll of the others */

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

static void put_all(struct pmd_worker *w, struct pmd_shaper *s, struct pmd_view *v,
                    const struct pmd_shaper_item *items, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		qos_shaper_prefetch(s->q, (uint32_t)items[i].queue);
	for (unsigned i = 0; i < n; i++)
		put_own(w, s, v, &items[i]);
}

/* A shaper that goes has sent all that was put in: the rest may pass it by. What this worker put
 * into the ring has left it, which it sees first, and was sent before is_empty was set again. */
static EVS_COLD bool is_drained(struct pmd_shaper *s)
{
	bool ring_empty = rte_ring_empty(s->ring);

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return ring_empty && evs_load_acquire(&s->is_empty) && qos_shaper_backlog(s->q) == 0;
}

/* Items of the packets, with the queues that somebody chose or the maps say. */
static void items_fill(struct pmd_view *v, const struct pmd_shaper *s, struct rte_mbuf **mbufs,
                       unsigned n, struct pmd_shaper_item items[])
{
	const struct qos_shaper *q = evs_load_acquire(&s->q);
	uint32_t queued = v->queued_by == s->id ? v->queued : 0;

	v->queued = 0;
	for (unsigned i = 0; i < n; i++) {
		uint32_t queue = queued >> i & 1 ? v->queue[i] : 0;

		queue = qos_shaper_queue_for(q, queue, mbufs[i]);
		items[i] = (struct pmd_shaper_item){mbufs[i], queue};
	}
}

/* To the owner. What its queue would refuse, or the ring has no room for, is dropped here: so an
 * overload of one queue costs the owner nothing, and does not keep others from it. */
static void hand_over(struct pmd_worker *w, struct pmd_shaper *s, struct pmd_view *v,
                      struct pmd_shaper_item items[], unsigned n)
{
	struct qos_shaper *q = evs_load_acquire(&s->q);
	unsigned room = rte_ring_free_count(s->ring), kept = 0, n_gone = 0, n_put;
	struct rte_mbuf *gone[PKT_BURST_MAX];

	for (unsigned i = 0; i < n; i++) {
		uint32_t queue = (uint32_t)items[i].queue;

		if (evs_likely(qos_shaper_admits(q, queue, room - EVS_MIN(room, kept),
		                                 PMD_SHAPE_RING_LEN))) {
			items[kept++] = items[i];
			continue;
		}
		qos_shaper_refused(q, queue);
		gone[n_gone++] = items[i].mbuf;
	}
	n_put = rte_ring_mp_rts_enqueue_burst_elem(s->ring, items, sizeof(items[0]), kept, NULL);
	evs_counter_add(&w->account.held, n_put);
	for (; n_put < kept; n_put++) {
		qos_shaper_refused(q, (uint32_t)items[n_put].queue);
		gone[n_gone++] = items[n_put].mbuf;
	}
	if (evs_unlikely(n_gone))
		pmd_drop(w, v, gone, n_gone, PKT_DROP_QUEUE_FULL);
}

EVS_HOT void pmd_shape(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                       unsigned n)
{
	struct pmd_shaper *s = evs_load_acquire(&v->shaper);
	struct pmd_shaper_item items[PKT_BURST_MAX];

	if (evs_unlikely(!s) || (evs_unlikely(evs_load_acquire(&s->closing)) && is_drained(s))) {
		pmd_out_unshaped(w, v, mbufs, n);
		return;
	}
	items_fill(v, s, mbufs, n, items);
	if (evs_load_acquire(&s->owner) == w)
		put_all(w, s, v, items, n);
	else
		hand_over(w, s, v, items, n);
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
		put_all(w, s, v, items, n);
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

static unsigned run_one(struct pmd_worker *w, struct pmd_shaper *s)
{
	struct pmd_view *v = pmd_view_of(w, s->port->index);
	unsigned n;

	if (evs_unlikely(evs_load_relaxed(&s->next_q) != NULL))
		adopt(w, s);
	if (evs_unlikely(evs_load_acquire(&s->closing)))
		return send_all(w, s, v);
	n = drain(w, s, v);
	return n + send_due(w, s, v);
}

/* Where the budget ends, the next loop goes on. The list may change between them: then one has its
 * turn twice, or a loop later. */
EVS_HOT unsigned pmd_shape_run(struct pmd_worker *w, struct pmd_shaper *s)
{
	unsigned at = 0, from = w->shapers_done, n = 0;

	w->now_tsc = evs_clock_tsc();
	for (; s && n < BUDGET; s = evs_load_acquire(&s->next), at++)
		if (at >= from)
			n += run_one(w, s);
	w->shapers_done = s ? at : 0;
	return n;
}
