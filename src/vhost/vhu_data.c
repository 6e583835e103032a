/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets to and from the guest. Threads: worker; see vhu.h for why a device stays valid
 * until the worker's next quiescent state.
 */
#include <rte_tcp.h>
#include <rte_vhost.h>

#include "port/port_vnet.h"
#include "vhost/vhu_pvt.h"

#define RX_REQUEST (RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_MASK)

/* Turns what the library says of a received frame into requests to the sender (port.h). It has not
 * looked at more than the kind of packet; a lie is found here. */
static EVS_COLD int check_offload(struct rte_mbuf *m)
{
	const uint64_t flags = m->ol_flags;
	uint16_t gso_size = flags & RTE_MBUF_F_RX_LRO ? m->tso_segsz : 0;

	m->ol_flags &= ~RX_REQUEST;
	m->tx_offload = 0;
	if (flags & RTE_MBUF_F_RX_LRO)
		return gso_size ? port_vnet_request(m, gso_size) : -EINVAL;
	if ((flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		return port_vnet_request(m, 0);
	m->ol_flags |= flags & RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return 0;
}

static EVS_COLD uint16_t check_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                                     uint16_t n)
{
	uint64_t *dropped = &port->rxq_drops[queue].drops[PKT_DROP_GUEST_BAD_OFFLOAD];
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (!(mbufs[i]->ol_flags & RX_REQUEST) || !check_offload(mbufs[i])) {
			mbufs[kept++] = mbufs[i];
			continue;
		}
		evs_counter_add(dropped, 1);
		rte_pktmbuf_free(mbufs[i]);
	}
	return kept;
}

EVS_HOT uint16_t vhu_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct vhu *vhu = port->priv;
	int vid = evs_load_acquire(&vhu->vid);
	uint64_t any = 0;
	uint16_t got;

	if (vid < 0)
		return 0;
	got = rte_vhost_dequeue_burst(vid, (uint16_t)(2 * queue + 1), evs_load_relaxed(&vhu->pool),
	                              mbufs, n);
	for (uint16_t i = 0; i < got; i++)
		any |= mbufs[i]->ol_flags;
	if (evs_unlikely(any & RX_REQUEST))
		got = check_burst(port, queue, mbufs, got);
	evs_counter_add(&port->rxq_drops[queue].rx_pkts, got);
	return got;
}

/* The library writes another pseudo-header sum (without a length) into a large segment, which may
 * be shared: the sum is put back once the frame is copied. */
struct saved_sum {
	uint16_t index;
	uint16_t sum;
};

static uint16_t *sum_field(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint16_t *,
	                               m->l2_len + m->l3_len + offsetof(struct rte_tcp_hdr, cksum));
}

static EVS_COLD uint16_t send_large(int vid, uint16_t ring, struct rte_mbuf **mbufs, uint16_t n)
{
	struct saved_sum saved[64];
	uint16_t n_saved = 0, sent;

	n = EVS_MIN(n, (uint16_t)EVS_ARRAY_LEN(saved));
	for (uint16_t i = 0; i < n; i++)
		if (mbufs[i]->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
			saved[n_saved++] = (struct saved_sum){i, *sum_field(mbufs[i])};
	sent = rte_vhost_enqueue_burst(vid, ring, mbufs, n);
	for (uint16_t i = 0; i < n_saved; i++)
		*sum_field(mbufs[saved[i].index]) = saved[i].sum;
	return sent;
}

EVS_HOT uint16_t vhu_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct vhu *vhu = port->priv;
	struct vhu_txq *txq = &vhu->txq[queue];
	int vid = evs_load_acquire(&vhu->vid);
	uint16_t ring = evs_load_relaxed(&txq->ring), sent;
	uint64_t any = 0;

	if (vid < 0)
		return 0;
	for (uint16_t i = 0; i < n; i++)
		any |= mbufs[i]->ol_flags;
	if (evs_unlikely(any & RTE_MBUF_F_TX_TCP_SEG))
		sent = send_large(vid, ring, mbufs, n);
	else
		sent = rte_vhost_enqueue_burst(vid, ring, mbufs, n);
	evs_counter_add(&txq->n_pkts, sent);
	rte_pktmbuf_free_bulk(mbufs, sent);
	return sent;
}
