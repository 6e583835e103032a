/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which software offloads a packet needs for a port, and their order. Threads: worker.
 */
#include "pkt/pkt_offload.h"

#include "pkt/pkt_drop.h"
#include "pkt/pkt_edit.h"
#include "pkt/pkt_gso_pvt.h"
#include "pkt/pkt_offload_pvt.h"

static bool needs_segmentation(const struct rte_mbuf *m, uint32_t caps)
{
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		return !(caps & PKT_TX_TSO);
	return m->ol_flags & RTE_MBUF_F_TX_UDP_SEG && !(caps & PKT_TX_UFO);
}

static bool needs_checksum(const struct rte_mbuf *m, uint32_t caps)
{
	if (m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG))
		return false; /* the sender segments, so it does that as well */
	return m->ol_flags & RTE_MBUF_F_TX_L4_MASK && !(caps & PKT_TX_L4_CSUM);
}

/* m, or a copy of it, in one segment. -E2BIG: it fits no buffer. */
static int make_linear(struct rte_mbuf *m, struct rte_mempool *pool, struct rte_mbuf **out)
{
	if (pkt_is_writable(m) && m->pkt_len - m->data_len <= rte_pktmbuf_tailroom(m)) {
		*out = m;
		return rte_pktmbuf_linearize(m) < 0 ? -E2BIG : 0;
	}
	if (m->pkt_len + RTE_PKTMBUF_HEADROOM > rte_pktmbuf_data_room_size(pool))
		return -E2BIG;
	*out = rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	return *out == NULL ? -ENOMEM : 0;
}

static int make_private(struct rte_mbuf *m, struct rte_mempool *pool, struct rte_mbuf **out)
{
	*out = pkt_is_writable(m) ? m : pkt_copy_writable(m, pool);
	return *out == NULL ? -ENOMEM : 0;
}

/* m as it can be sent in one piece; what is not m any more is freed at the end, so that a
 * failure leaves m to the caller. */
static int prepare_one(struct rte_mbuf *m, uint32_t caps, struct rte_mempool *pool,
                       struct rte_mbuf **out)
{
	bool checksum = needs_checksum(m, caps);
	struct rte_mbuf *result = m;
	int err = 0;
	if (!(caps & PKT_TX_MULTI_SEG) && (m->nb_segs > 1 || checksum))
		err = make_linear(m, pool, &result);
	else if (checksum)
		err = make_private(m, pool, &result);
	if (err == 0 && checksum)
		err = pkt_csum_complete(result);
	if (err) {
		if (result != m)
			rte_pktmbuf_free(result);
		return err == -ENOBUFS ? -E2BIG : err;
	}
	if (result != m)
		rte_pktmbuf_free(m);
	*out = result;
	return 1;
}

/* A segment of TCP repeats all headers; a fragment of UDP carries what follows IP, UDP's header
 * among it, in multiples of 8, and of IPv6 has a header of its own. */
struct pkt_wire pkt_wire_large(const struct rte_mbuf *m)
{
	const bool is_tcp = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	uint32_t headers = (uint32_t)m->l2_len + m->l3_len + (is_tcp ? m->l4_len : 0);
	uint32_t size = is_tcp ? m->tso_segsz : m->tso_segsz & ~7u;
	uint32_t payload = m->pkt_len - EVS_MIN(headers, m->pkt_len), n;

	if (size == 0 || payload <= size)
		return (struct pkt_wire){1, m->pkt_len, m->pkt_len};
	n = (payload + size - 1) / size;
	if (!is_tcp && m->ol_flags & RTE_MBUF_F_TX_IPV6)
		headers += PKT_FRAG_SIZE;
	return (struct pkt_wire){n, payload + n * headers, headers + size};
}

int pkt_offload_prepare(struct rte_mbuf *m, uint32_t caps, struct rte_mempool *pool,
                        struct rte_mbuf **out, unsigned max)
{
	if (max == 0)
		return -E2BIG;
	if (!needs_segmentation(m, caps))
		return prepare_one(m, caps, pool, out);
	int n = pkt_gso_run(m, caps, pool, out, max);
	if (n > 0)
		rte_pktmbuf_free(m);
	return n;
}

int pkt_offload_check(const struct rte_mbuf *m, uint32_t *end)
{
	struct pkt_request r;
	int err = pkt_request_check(m, &r);
	if (err == 0)
		*end = r.l4 + r.l4_size;
	return err;
}

uint8_t pkt_offload_drop(int error)
{
	switch (error) {
	case -EINVAL:
		return PKT_DROP_GUEST_BAD_OFFLOAD;
	case -ENOMEM:
		return PKT_DROP_NO_MBUF;
	default:
		return PKT_DROP_SEGMENT;
	}
}
