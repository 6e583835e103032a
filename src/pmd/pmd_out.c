/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output: from a worker's buffer towards a port to the driver.
 * Threads: worker. Owner: the packets are the driver's, or dropped, when a function here returns.
 *
 * One pass over the burst sums the bytes and finds out whether any packet needs more than to be
 * passed on: too long, or asking for an offload that the port has not. Only then the slow way
 * is gone: each packet is prepared in software and held against the MTU.
 */
#include <rte_ether.h>

#include "pkt/pkt_lent.h"
#include "pmd/pmd_out_pvt.h"

#define MAX_RETRIES 8 /* of a guest that empties its ring slowly, while there is progress */

#define STANDARD_LEN (RTE_ETHER_MAX_LEN - RTE_ETHER_CRC_LEN) /* fits into any guest's buffers */

/* Drops the packets of the mask; returns their bytes. */
static EVS_COLD uint64_t refuse(struct pmd_worker *w, struct pmd_view *v,
                                struct rte_mbuf *const *mbufs, uint32_t left)
{
	struct rte_mbuf *gone[PKT_BURST_MAX];
	uint64_t bytes = 0;
	unsigned n = 0;

	for (; left; left &= left - 1) {
		gone[n] = mbufs[__builtin_ctz(left)];
		bytes += gone[n++]->pkt_len;
	}
	if (v->port->type->refused)
		v->port->type->refused(v->port, evs_load_relaxed(&v->txq), gone, (uint16_t)n);
	pmd_drop(w, v, gone, n, v->port->drop_full);
	return bytes;
}

/* A guest's ring may have room again in a moment; a frame that is longer than others may be so than
 * the guest's buffers, which is not the fault of those behind it; those that are no shorter have no
 * better chance. Returns the mask of those that were not taken. */
static EVS_COLD uint32_t retry(struct pmd_view *v, uint16_t txq, struct rte_mbuf **mbufs,
                               unsigned at, unsigned n)
{
	const struct port *port = v->port;
	const uint32_t all = (uint32_t)((UINT64_C(1) << n) - 1);
	uint32_t aside = 0;

	if (port->drop_full != PKT_DROP_GUEST_RING_FULL)
		return all & ~(uint32_t)((UINT64_C(1) << at) - 1);
	for (unsigned tries = 0, last = at; tries < MAX_RETRIES && at < n;) {
		if (last == 0) {
			uint32_t refused = mbufs[at]->pkt_len;

			if (refused <= STANDARD_LEN)
				break;
			while (at < n && mbufs[at]->pkt_len >= refused)
				aside |= UINT32_C(1) << at++;
			if (at == n)
				break;
		} else {
			tries++;
		}
		last = evs_load_acquire(&port->tx)(v->port, txq, mbufs + at, (uint16_t)(n - at));
		at += last;
	}
	return aside | (all & ~(uint32_t)((UINT64_C(1) << at) - 1));
}

EVS_INLINE void transmit(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                         unsigned n, uint64_t bytes)
{
	struct port *port = v->port;
	uint16_t txq = evs_load_relaxed(&v->txq);
	rte_spinlock_t *lock = port->tx_locks ? &port->tx_locks[txq] : NULL;
	unsigned sent;
	uint32_t left = 0;

	if (lock)
		rte_spinlock_lock(lock);
	sent = evs_load_acquire(&port->tx)(port, txq, mbufs, (uint16_t)n);
	if (evs_unlikely(sent < n))
		left = retry(v, txq, mbufs, sent, n);
	if (lock)
		rte_spinlock_unlock(lock);
	if (evs_unlikely(left))
		bytes -= refuse(w, v, mbufs, left);
	sent = n - (unsigned)__builtin_popcount(left);
	evs_counter_add(&v->counters->tx_pkts, sent);
	evs_counter_add(&v->counters->tx_bytes, bytes);
	evs_counter_add(&w->account.tx, sent);
}

/* Bytes of VLAN tags at the start of the frame. */
static uint32_t tags_size(const struct rte_mbuf *m)
{
	uint32_t size = 0;

	while (size < 2 * 4 && m->data_len >= size + 14) {
		const rte_be16_t *type = rte_pktmbuf_mtod_offset(m, rte_be16_t *, size + 12);

		if (*type != rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN) &&
		    *type != rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ))
			break;
		size += 4;
	}
	return size;
}

/* Is the frame, or each that the port will cut it into, within the MTU? */
static bool fits(const struct rte_mbuf *m, uint32_t max_len)
{
	uint32_t len = pkt_wire_of(m).longest;

	return len <= max_len || len <= max_len + tags_size(m);
}

/* Makes of one packet what the port can send; returns how many pieces there are, 0: dropped. */
static unsigned prepare(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf *m,
                        struct rte_mbuf **pieces)
{
	uint32_t caps = v->port->tx_caps;
	int n;

	pieces[0] = m;
	if (evs_unlikely(m->ol_flags & PKT_LENT) &&
	    (!(caps & PORT_TX_LENT) || pkt_offload_needed(m, caps)) && pkt_own(m)) {
		pmd_drop(w, v, &m, 1, PKT_DROP_NO_MBUF);
		return 0;
	}
	if (!pkt_offload_needed(m, caps))
		return 1;
	n = pkt_offload_prepare(m, caps, m->pool, pieces, PKT_OFFLOAD_MAX);
	if (n <= 0) {
		pmd_drop(w, v, &m, 1, pkt_offload_drop(n));
		return 0;
	}
	evs_counter_add(&w->account.copies, (unsigned)n - 1);
	return (unsigned)n;
}

/* The burst holds packets that may need preparation or be too long. */
static void send_odd(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs, unsigned n)
{
	struct rte_mbuf *pieces[PKT_OFFLOAD_MAX], *ready[PKT_BURST_MAX];
	uint32_t max_len = evs_load_relaxed(&v->port->mtu) + RTE_ETHER_HDR_LEN;
	uint64_t bytes = 0;
	unsigned n_ready = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned n_pieces = prepare(w, v, mbufs[i], pieces);

		for (unsigned p = 0; p < n_pieces; p++) {
			if (!fits(pieces[p], max_len)) {
				pmd_drop(w, v, &pieces[p], 1, PKT_DROP_TX_MTU);
				continue;
			}
			bytes += pieces[p]->pkt_len;
			ready[n_ready++] = pieces[p];
			if (n_ready == PKT_BURST_MAX) {
				transmit(w, v, ready, n_ready, bytes);
				n_ready = 0;
				bytes = 0;
			}
		}
	}
	if (n_ready)
		transmit(w, v, ready, n_ready, bytes);
}

EVS_INLINE void send_burst(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                           const struct pkt_sum *sum)
{
	const struct port *port = v->port;
	unsigned n = sum->n;
	uint32_t caps, max_len;
	uint64_t requests;

	if (evs_unlikely(!port) || evs_unlikely(evs_load_relaxed(&port->config) &
	                                        (PORT_CONFIG_DOWN | PORT_CONFIG_NO_FWD))) {
		pmd_drop(w, v, mbufs, n, PKT_DROP_TX_PORT_DOWN);
		return;
	}
	caps = port->tx_caps;
	max_len = evs_load_relaxed(&port->mtu) + RTE_ETHER_HDR_LEN;
	requests = pkt_offload_lacks(caps) | (caps & PORT_TX_LENT ? 0 : PKT_LENT);
	if (evs_unlikely(sum->longest > max_len || (sum->segs > 1 && !(caps & PORT_TX_MULTI_SEG)) ||
	                 (sum->flags & requests)))
		send_odd(w, v, mbufs, n);
	else
		transmit(w, v, mbufs, n, sum->bytes);
}

static EVS_COLD void send_sampled(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                                  const struct pkt_sum *sum)
{
	uint64_t start = pmd_nested_begin(w);

	send_burst(w, v, mbufs, sum);
	pmd_nested_end(w, PMD_STAGE_TX, start);
}

EVS_HOT void pmd_out_unshaped(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                              unsigned n)
{
	struct pkt_sum sum = pkt_sum_up(mbufs, n);

	send_burst(w, v, mbufs, &sum);
}

/* A shaper holds packets: those that are lent are made its own. The array stays as it is: it may be
 * that of a group which goes to other ports, too. */
static EVS_COLD void shape_lent(struct pmd_worker *w, struct pmd_view *v,
                                struct rte_mbuf *const *mbufs, unsigned n)
{
	struct rte_mbuf *kept[PKT_BURST_MAX], *gone[PKT_BURST_MAX];
	uint32_t bad = pkt_own_all(mbufs, n);
	unsigned n_kept = 0, n_gone = 0;

	for (unsigned i = 0; i < n; i++)
		if (bad >> i & 1)
			gone[n_gone++] = mbufs[i];
		else
			kept[n_kept++] = mbufs[i];
	if (bad) {
		pmd_drop(w, v, gone, n_gone, PKT_DROP_NO_MBUF);
		v->queued = 0; /* whose places these were; the rest takes the queues of the maps */
	}
	pmd_shape(w, v, kept, n_kept);
}

EVS_HOT void pmd_out_send_sum(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                              const struct pkt_sum *sum)
{
	if (evs_unlikely(evs_load_acquire(&v->shaper) != NULL)) {
		if (evs_unlikely(sum->flags & PKT_LENT))
			shape_lent(w, v, mbufs, sum->n);
		else
			pmd_shape(w, v, mbufs, sum->n);
		return;
	}
	if (evs_unlikely(w->sampling))
		send_sampled(w, v, mbufs, sum);
	else
		send_burst(w, v, mbufs, sum);
}

EVS_HOT void pmd_out_send(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                          unsigned n)
{
	struct pkt_sum sum = pkt_sum_up(mbufs, n);

	pmd_out_send_sum(w, v, mbufs, &sum);
}

EVS_HOT void pmd_out_flush(struct pmd_worker *w)
{
	struct pmd_view *v = w->waiting;

	w->waiting = NULL;
	w->flushed_tsc = w->now_tsc;
	while (v) {
		struct pmd_view *next = v->next;
		unsigned n = v->n;

		v->listed = false;
		v->n = 0;
		if (n)
			pmd_out_send(w, v, v->mbuf, n);
		v = next;
	}
}
