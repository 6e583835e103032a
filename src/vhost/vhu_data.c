/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets to and from the guest. Threads: worker; see vhu.h for why a device stays valid
 * until the worker's next quiescent state.
 */
#include <rte_vhost.h>

#include "pkt/pkt_burst.h"
#include "pkt/pkt_lent.h"
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

/* Rings of the library: behind an IOMMU. */
static uint16_t library_rx(struct port *port, uint16_t queue, struct vhu_conn *conn,
                           struct rte_mbuf **mbufs, uint16_t n)
{
	struct vhu *vhu = port->priv;
	uint16_t ring = (uint16_t)(2 * queue + 1), got, kept;
	uint64_t any = 0;

	vhu_call_for(conn, ring);
	got = rte_vhost_dequeue_burst(conn->vid, ring, evs_load_relaxed(&vhu->pool), mbufs, n);

	for (uint16_t i = 0; i < got; i++)
		any |= mbufs[i]->ol_flags;
	kept = any & RX_REQUEST ? check_burst(port, queue, mbufs, got) : got;
	vhu_ring_count(&conn->ring[ring], mbufs, kept);
	if (evs_unlikely(kept < got)) {
		__atomic_fetch_add(&conn->ring[ring].n_drops, got - kept, __ATOMIC_RELAXED);
		port_n_bad += got - kept;
	}
	return kept;
}

EVS_HOT uint16_t vhu_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct vhu *vhu = port->priv;
	struct port_counters *counters = &port->rxq_drops[queue];
	int vid = evs_load_acquire(&vhu->vid);
	struct vhu_conn *conn = evs_load_relaxed(&vhu->served);
	const struct vhu_catch c = {evs_load_relaxed(&vhu->pool), counters->drops, mbufs, n};
	uint16_t got;

	if (vid < 0)
		return 0;
	if (evs_likely(evs_load_relaxed(&conn->is_ours)))
		got = vhu_ring_take(&conn->ring[2 * queue + 1], &c);
	else
		got = library_rx(port, queue, conn, mbufs, n);
	if (evs_unlikely(evs_load_relaxed(&vhu->must_announce) && got < n))
		got += vhu_announce(vhu, mbufs + got);
	evs_counter_add(&counters->rx_pkts, got);
	return got;
}

/* The ring that the worker takes from, if it is ours. */
static struct vhu_ring *own_ring(struct port *port, uint16_t queue)
{
	struct vhu_conn *conn = evs_load_relaxed(&((struct vhu *)port->priv)->served);

	return evs_load_relaxed(&conn->is_ours) ? &conn->ring[2 * queue + 1] : NULL;
}

int vhu_arm(struct port *port, uint16_t queue)
{
	const struct vhu *vhu = port->priv;
	struct vhu_ring *ring;

	if (evs_load_acquire(&vhu->vid) < 0)
		return PORT_ARM_SILENT;
	ring = own_ring(port, queue);
	return ring ? vhu_ring_arm(ring) : PORT_ARM_NEVER;
}

void vhu_disarm(struct port *port, uint16_t queue)
{
	const struct vhu *vhu = port->priv;
	struct vhu_ring *ring;

	if (evs_load_acquire(&vhu->vid) < 0)
		return;
	ring = own_ring(port, queue);
	if (ring)
		vhu_ring_disarm(ring);
}

#define LARGE (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)

/* A frame as seen by the library: its headers but for the last byte, and the rest. */
struct halves {
	struct rte_mbuf head, rest;
};

/* The library writes another pseudo-header sum (without a length) into a large segment whose
 * headers lie in one buffer; a guest that cuts the segment itself would compute wrong checksums
 * from it, and the frame may be shared. So it is shown one whose headers lie in two. */
static struct rte_mbuf *halve(struct rte_mbuf *m, struct halves *h)
{
	uint16_t cut = (uint16_t)(m->l2_len + m->l3_len + m->l4_len - 1);

	if (evs_unlikely(m->data_len <= cut))
		return m; /* they do already */
	h->head = h->rest = *m;
	h->head.data_len = cut;
	h->head.next = &h->rest;
	h->head.nb_segs++;
	h->rest.data_off = (uint16_t)(h->rest.data_off + cut);
	h->rest.data_len = (uint16_t)(h->rest.data_len - cut);
	return &h->head;
}

static EVS_COLD uint16_t send_large(int vid, uint16_t ring, struct rte_mbuf **mbufs, uint16_t n)
{
	struct rte_mbuf *shown[PKT_BURST_MAX];
	struct halves halves[PKT_BURST_MAX];

	n = EVS_MIN(n, (uint16_t)PKT_BURST_MAX);
	for (uint16_t i = 0; i < n; i++)
		shown[i] = mbufs[i]->ol_flags & LARGE ? halve(mbufs[i], &halves[i]) : mbufs[i];
	return rte_vhost_enqueue_burst(vid, ring, shown, n);
}

/* Rings of the library. */
static uint16_t library_tx(struct vhu_conn *conn, uint16_t ring, struct rte_mbuf **mbufs,
                           uint16_t n)
{
	uint64_t any = 0;
	uint16_t sent;

	vhu_call_for(conn, ring);
	for (uint16_t i = 0; i < n; i++) {
		if (pkt_own(mbufs[i])) /* the guest has changed its rings just now */
			n = i;
		else
			any |= mbufs[i]->ol_flags;
	}
	sent = evs_unlikely(any & LARGE) ? send_large(conn->vid, ring, mbufs, n)
	                                 : rte_vhost_enqueue_burst(conn->vid, ring, mbufs, n);
	vhu_ring_count(&conn->ring[ring], mbufs, sent);
	return sent;
}

EVS_INLINE uint16_t give(struct vhu *vhu, uint16_t ring, struct rte_mbuf **mbufs, uint16_t n)
{
	struct vhu_conn *conn = evs_load_relaxed(&vhu->served);

	if (evs_likely(evs_load_relaxed(&conn->is_ours)))
		return vhu_ring_give(&conn->ring[ring], mbufs, n);
	return library_tx(conn, ring, mbufs, n);
}

/* Each frame to the ring of its flow; those that were taken come first in the end. */
static EVS_HOT uint16_t spread(struct vhu *vhu, struct rte_mbuf **mbufs, uint16_t n)
{
	struct rte_mbuf *part[PKT_BURST_MAX], *rest[PKT_BURST_MAX], *refused[PKT_BURST_MAX];
	uint16_t ring[PKT_BURST_MAX], sent = 0, n_refused = 0;

	n = EVS_MIN(n, (uint16_t)PKT_BURST_MAX);
	memcpy(rest, mbufs, n * sizeof(rest[0]));
	for (uint16_t i = 0; i < n; i++)
		ring[i] = vhu_steer(vhu, rest[i]);
	for (uint16_t left = n; left;) {
		uint16_t now = ring[0], n_part = 0, kept = 0, got;

		for (uint16_t i = 0; i < left; i++) {
			if (ring[i] == now) {
				part[n_part++] = rest[i];
			} else {
				ring[kept] = ring[i];
				rest[kept++] = rest[i];
			}
		}
		left = kept;
		got = give(vhu, now, part, n_part);
		memcpy(mbufs + sent, part, got * sizeof(part[0]));
		sent += got;
		memcpy(refused + n_refused, part + got, (n_part - got) * sizeof(part[0]));
		n_refused += n_part - got;
	}
	memcpy(mbufs + sent, refused, n_refused * sizeof(refused[0]));
	return sent;
}

EVS_INLINE uint16_t transmit(struct vhu *vhu, const struct vhu_txq *txq, struct rte_mbuf **mbufs,
                             uint16_t n)
{
	uint16_t ring = evs_load_relaxed(&txq->ring);

	return evs_unlikely(ring == VHU_STEERED) ? spread(vhu, mbufs, n)
	                                         : give(vhu, ring, mbufs, n);
}

EVS_HOT uint16_t vhu_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct vhu *vhu = port->priv;
	struct vhu_txq *txq = &vhu->txq[queue];
	uint16_t map = evs_load_acquire(&txq->n_maps), sent;

	if (evs_load_acquire(&vhu->vid) < 0)
		return 0;
	sent = transmit(vhu, txq, mbufs, n);
	if (evs_unlikely(sent < n) && evs_load_acquire(&txq->n_maps) != map)
		sent = (uint16_t)(sent + transmit(vhu, txq, mbufs + sent, (uint16_t)(n - sent)));
	evs_counter_add(&txq->n_pkts, sent);
	rte_pktmbuf_free_bulk(mbufs, sent);
	return sent;
}

EVS_COLD void vhu_refused(struct port *port, uint16_t queue, struct rte_mbuf *const *mbufs,
                          uint16_t n)
{
	struct vhu *vhu = port->priv;
	int vid = evs_load_acquire(&vhu->vid); /* first: then there is one that is served */
	struct vhu_conn *conn = evs_load_relaxed(&vhu->served);

	if (vid < 0)
		return;
	for (uint16_t i = 0; i < n; i++) {
		uint16_t ring = evs_load_relaxed(&vhu->txq[queue].ring);

		if (ring == VHU_STEERED)
			ring = vhu_steer(vhu, mbufs[i]);
		__atomic_fetch_add(&conn->ring[ring].n_drops, 1, __ATOMIC_RELAXED);
	}
}
