/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sending port can not do for a packet, done in software: TCP segmentation, UDP
 * fragmentation (UFO), checksums, gathering segments into one buffer.
 * Threads: worker.
 *
 * In: a packet whose ol_flags ask for offloads as pkt_csum.h says (for segmentation also l4_len and
 * tso_segsz, the payload bytes per piece). Headers before IP may include VLAN tags and MPLS.
 * Nothing in these fields is believed: each is held against the packet before use.
 */
#ifndef PKT_OFFLOAD_H
#define PKT_OFFLOAD_H

#include "pkt/pkt_csum.h"

/* What the port can do; enum port_tx_cap has the same values. */
enum pkt_tx_cap {
	PKT_TX_MULTI_SEG = 0x01,
	PKT_TX_L4_CSUM = 0x02,
	PKT_TX_TSO = 0x04,
	PKT_TX_UFO = 0x08,  /* UDP fragmentation (TX_UDP_SEG): guests that negotiated it */
	PKT_TX_LENT = 0x10, /* frames that are not all here (pkt_lent.h) */
};

#define PKT_SEGMENT_MIN 32  /* payload of a piece; less costs its sender more than it is worth */
#define PKT_OFFLOAD_MAX 128 /* pieces of one packet; a 64 KB frame by an MSS of 536 has 123 */

/* The requests that a port with these capabilities can not meet. */
EVS_INLINE uint64_t pkt_offload_lacks(uint32_t caps)
{
	return (caps & PKT_TX_L4_CSUM ? 0 : RTE_MBUF_F_TX_L4_MASK) |
	       (caps & PKT_TX_TSO ? 0 : RTE_MBUF_F_TX_TCP_SEG) |
	       (caps & PKT_TX_UFO ? 0 : RTE_MBUF_F_TX_UDP_SEG);
}

/* Does the packet need pkt_offload_prepare for a port with these capabilities? */
EVS_INLINE bool pkt_offload_needed(const struct rte_mbuf *m, uint32_t caps)
{
	return (m->nb_segs > 1 && !(caps & PKT_TX_MULTI_SEG)) ||
	       (m->ol_flags & pkt_offload_lacks(caps));
}

/* What the wire sees of a packet: itself, or the pieces of a large one. */
struct pkt_wire {
	uint32_t n;       /* frames */
	uint32_t bytes;   /* of all of them */
	uint32_t longest; /* bytes of one */
};

struct pkt_wire pkt_wire_large(const struct rte_mbuf *m);

/* Sizes were held against the packet at receive; more pieces than PKT_OFFLOAD_MAX are charged,
 * though only a port that cuts itself takes them. */
EVS_INLINE struct pkt_wire pkt_wire_of(const struct rte_mbuf *m)
{
	if (evs_likely(!(m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG))))
		return (struct pkt_wire){1, m->pkt_len, m->pkt_len};
	return pkt_wire_large(m);
}

/*
 * Makes of m what a port with `caps` can send: `out` (room for `max`; PKT_OFFLOAD_MAX is enough)
 * receives the result, in the order of the payload; m is among it or was freed. m may be shared:
 * then copies are changed. Buffers come from `pool`; those for a port without MULTI_SEG are one
 * segment each. Pieces of a large packet are copies with headers of their own: a port that takes
 * single buffers gains by it, and one that could take chains is as well served by 1,500 copied
 * bytes as by three attached buffers. Returns the number of packets (>= 1), or a negative errno,
 * and then m is still the caller's: -EINVAL: offload fields contradict the packet (drop
 * GUEST_BAD_OFFLOAD) -ENOMEM: pool empty (NO_MBUF) -E2BIG: more than max pieces, or one that does
 * not fit a buffer (SEGMENT) -ENOTSUP: a packet of a kind that is not segmented: headers of over
 * 320 bytes, UDP fragmentation behind IPv6 extension headers (SEGMENT)
 */
int pkt_offload_prepare(struct rte_mbuf *m, uint32_t caps, struct rte_mempool *pool,
                        struct rte_mbuf **out, unsigned max);

/* Do the requests for checksums and segments fit the packet? 0 and where it ends by its IP length,
 * -EINVAL. Reads only. */
int pkt_offload_check(const struct rte_mbuf *m, uint32_t *end);

/* Drop reason for an error of the above. */
uint8_t pkt_offload_drop(int error);

#endif
