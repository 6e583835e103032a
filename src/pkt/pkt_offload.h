/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sending port can not do for a packet, done in software: TCP segmentation, UDP
 * fragmentation (UFO), checksums, gathering segments into one buffer.
 * Threads: worker.
 *
 * In: a packet whose ol_flags ask for offloads as pkt_csum.h says (for segmentation also l4_len and
 * tso_segsz, the payload bytes per piece). Headers before the inner L4 header may include VLAN
 * tags, MPLS and one tunnel (outer_l2_len, outer_l3_len, TX_TUNNEL_*). Nothing in these
 * fields is believed: each is held against the packet before use.
 */
#ifndef PKT_OFFLOAD_H
#define PKT_OFFLOAD_H

#include "pkt/pkt_csum.h"

/* What the port can do; the values of enum port_tx_cap. */
enum pkt_tx_cap {
	PKT_TX_MULTI_SEG = 0x01,
	PKT_TX_L4_CSUM = 0x02,
	PKT_TX_TSO = 0x04,
	PKT_TX_IP_CSUM = 0x08,
};

#define PKT_OFFLOAD_MAX 128 /* pieces of one packet; a 64 KB frame by an MSS of 536 has 123 */

/* Does the packet need pkt_offload_prepare for a port with these capabilities? */
EVS_INLINE bool pkt_offload_needed(const struct rte_mbuf *m, uint32_t caps)
{
	if (evs_likely(!(m->ol_flags & PKT_TX_REQUEST)))
		return m->nb_segs > 1 && !(caps & PKT_TX_MULTI_SEG);
	return caps != (PKT_TX_MULTI_SEG | PKT_TX_L4_CSUM | PKT_TX_TSO | PKT_TX_IP_CSUM);
}

/*
 * Makes of m what a port with `caps` can send: `out` (room for `max`, at most PKT_OFFLOAD_MAX
 * needed) receives the result, m among it or freed. Buffers come from `pool`; those of a port
 * without MULTI_SEG are one segment each. Order is that of the payload. Returns the number of
 * packets (>= 1), or a negative errno, and then m is still the caller's: -EINVAL: offload fields
 * contradict the packet (drop GUEST_BAD_OFFLOAD) -ENOMEM: pool empty (NO_MBUF) -E2BIG: more than
 * max pieces, or a piece that does not fit a buffer of the pool (SEGMENT)
 */
int pkt_offload_prepare(struct rte_mbuf *m, uint32_t caps, struct rte_mempool *pool,
                        struct rte_mbuf **out, unsigned max);

/* Drop reason for an error of the above. */
uint8_t pkt_offload_drop(int error);

#endif
