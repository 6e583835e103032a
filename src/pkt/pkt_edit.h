/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header editing of one packet: masked sets, push and pop of tags and labels.
 * Threads: worker. Owner: the caller owns the mbuf before and after, also on failure.
 *
 * Contract of every function here
 *  - The first segment is writable: pkt_make_writable was called since the packet was last shared.
 *    Only bytes of the first segment are written; headers that straddle segments are
 *    pulled into it first. Data that another mbuf can see is never touched.
 *  - `ofs` is what the parser said about this frame and stays right: push and pop move it.
 *    Offsets of headers that a push hides (IP under MPLS) stay, since checksum completion and
 *    segmentation need them. What a pop brings to light is known after the next parse (RECIRC).
 *  - The IPv4 header checksum, and TCP, UDP, ICMP, ICMPv6 checksums are updated incrementally (RFC
 * 1624), so a damaged packet stays recognisable as damaged; a UDP checksum of zero stays zero.
 *    SCTP's CRC-32c is computed anew. Where ol_flags request a checksum from the sender, the field
 *    holds the pseudo-header sum and is kept in step with the addresses, and l2_len follows
 *    push and pop.
 *  - Masked sets: new = (old & ~mask) | value, value within mask. The structs have the layout of
 *    the payloads of flow_prog.h, so that a program's payload can be passed as it is.
 *  - Result: 0; -EINVAL: the packet has no such header, or not whole, and is to have something else
 *    than zeroes there (nothing was changed); -ENOTSUP: what would make the change right is not
 *    in this packet; -ENOBUFS: no room in the buffer. The caller drops as BAD_ACTION.
 */
#ifndef PKT_EDIT_H
#define PKT_EDIT_H

#include "pkt/pkt_burst.h"
#include "pkt/pkt_set.h"

/* Makes *m's first segment private and directly writable. If it is shared (refcnt above 1, a
 * clone, an external buffer with other users), the packet is replaced by a copy from `pool` and the
 * reference to the old one is given back: a packet that fits one buffer is copied whole, of a
 * longer one only the head, the rest being attached. -ENOMEM: pool empty, *m unchanged. */
int pkt_make_writable_slow(struct rte_mbuf **m, struct rte_mempool *pool);

EVS_INLINE bool pkt_is_writable(const struct rte_mbuf *m)
{
	return evs_likely(rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m));
}

EVS_INLINE int pkt_make_writable(struct rte_mbuf **m, struct rte_mempool *pool)
{
	return pkt_is_writable(*m) ? 0 : pkt_make_writable_slow(m, pool);
}

/* Ensures that the first `size` bytes lie in the first segment. -EINVAL: the frame is shorter;
 * -ENOBUFS: the first buffer is too small. */
int pkt_pull_slow(struct rte_mbuf *m, uint32_t size);

EVS_INLINE int pkt_pull(struct rte_mbuf *m, uint32_t size)
{
	return evs_likely(m->data_len >= size) ? 0 : pkt_pull_slow(m, size);
}

int pkt_edit_eth(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_eth *set);
/* The outermost tag; that there is one is the caller's knowledge. */
int pkt_edit_vlan(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_vlan *set);
int pkt_edit_ipv4(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_ipv4 *set);
/* The destination counts for L4 checksums unless a routing header has segments left (RFC 8200,
 * 8.1). proto is the next header of the last extension header. */
int pkt_edit_ipv6(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_ipv6 *set);
/* Ports of TCP, UDP, SCTP. */
int pkt_edit_l4(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_l4 *set);
int pkt_edit_icmp(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_icmp *set);
int pkt_edit_arp(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_arp *set);
/* Neighbour solicitation and advertisement; sll and tll only where the option is there. */
int pkt_edit_nd(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_nd *set);
int pkt_edit_mpls(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_mpls *set);
int pkt_edit_pbb(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_pbb *set);

/* The type behind all tags; what follows is known after the next parse. pkt_edit_eth calls it for a
 * set that names the type. */
int pkt_set_eth_type(struct rte_mbuf *m, rte_be16_t eth_type);

/* A new outermost tag, any TPID; DEI is 0. */
int pkt_push_vlan(struct rte_mbuf *m, struct pkt_offsets *ofs, struct pkt_vlan vlan);
/* The outermost tag; that there is one is the caller's knowledge. */
int pkt_pop_vlan(struct rte_mbuf *m, struct pkt_offsets *ofs);
/* A label stack entry after the VLAN tags and before other labels; BoS as given. */
int pkt_push_mpls(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_push_mpls *push);
/* Removes the top label stack entry; what follows is of eth_type. */
int pkt_pop_mpls(struct rte_mbuf *m, struct pkt_offsets *ofs, rte_be16_t eth_type);
/* Copies the TTL of what is under the top label to it (outwards), or the other way. */
int pkt_copy_ttl(struct rte_mbuf *m, struct pkt_offsets *ofs, bool outwards);
/* Backbone header before the whole frame: the frame's addresses, 0x88e7, I-TAG. */
int pkt_push_pbb(struct rte_mbuf *m, struct pkt_offsets *ofs, rte_be32_t itag);
/* The customer addresses become the frame's; a B-TAG that was not popped before stays. */
int pkt_pop_pbb(struct rte_mbuf *m, struct pkt_offsets *ofs);

#endif
