/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internet checksums (RFC 1071, incremental: RFC 1624) and SCTP's CRC-32c (RFC 9260).
 * Threads: any; no state.
 *
 * A packet whose L4 checksum is still to be filled in says so by ol_flags (TX_TCP_CKSUM,
 * TX_UDP_CKSUM, or TX_TCP_SEG, TX_UDP_SEG) with TX_IPV4 or TX_IPV6, and l2_len, l3_len say
 * where; its checksum field holds the pseudo-header sum, not complemented.
 */
#ifndef PKT_CSUM_H
#define PKT_CSUM_H

#include <rte_mbuf.h>

#include "base/evs_base.h"

/* Any of the requests to the sender. Nothing asks for more: a checksum inside a tunnel, SCTP's and
 * that of an IPv4 header are always whole. */
#define PKT_TX_REQUEST (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)

/* Did whoever received the packet check it, or somebody vouch for it? Of two bits each: both
 * together say that a checksum is not there but the data is sound. */
EVS_INLINE bool pkt_l4_is_checked(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

EVS_INLINE bool pkt_ip_is_checked(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
}

EVS_INLINE uint16_t pkt_csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* RFC 1624, equation 3: HC' = ~(~HC + ~m + m'), in any byte order. */
EVS_INLINE uint16_t pkt_csum_update16(uint16_t csum, uint16_t old, uint16_t new)
{
	return (uint16_t)~pkt_csum_fold((uint64_t)(uint16_t)~csum + (uint16_t)~old + new);
}

EVS_INLINE uint16_t pkt_csum_update32(uint16_t csum, uint32_t old, uint32_t new)
{
	return (uint16_t)~pkt_csum_fold((uint64_t)(uint16_t)~csum + (uint32_t)~old + new);
}

/* One's complement sum (not complemented) of size bytes of memory, added to sum. */
uint64_t pkt_csum_add(uint64_t sum, const void *data, size_t size);
/* The same over size bytes of a packet from offset; segments may start at odd bytes. The
 * packet is at least that long. */
uint64_t pkt_csum_add_mbuf(uint64_t sum, const struct rte_mbuf *m, uint32_t offset, uint32_t size);
/* Folded one's complement sum of a pseudo header of `l4_size` bytes of `proto`: l3 is an IPv4
 * (version nibble 4) or IPv6 header. Not complemented. */
uint16_t pkt_csum_pseudo(const void *l3, uint8_t proto, uint32_t l4_size);
/* CRC-32c of size bytes of a packet, with 4 bytes at `skip` (from offset) taken as zero; in wire
 * form. */
uint32_t pkt_csum_crc32c_mbuf(const struct rte_mbuf *m, uint32_t offset, uint32_t size,
                              uint32_t skip);

/* Fills in the checksum that ol_flags ask for, if they do, and clears that flag; not for packets
 * that are to be segmented. The first segment must be writable. -EINVAL: the lengths
 * contradict the packet (nothing changed); -ENOBUFS: headers straddle and can not be pulled
 * together. */
int pkt_csum_complete(struct rte_mbuf *m);

enum pkt_csum_state {
	PKT_CSUM_GOOD,
	PKT_CSUM_NONE, /* not IP, a fragment, truncated, UDP with zero: nothing to check */
	PKT_CSUM_BAD_IP,
	PKT_CSUM_BAD_L4,
};
/* Checks IPv4 header and L4 checksum (TCP, UDP, SCTP, ICMP, ICMPv6) by full computation. l3 is the
 * offset of the IPv4 or IPv6 header in the frame. */
enum pkt_csum_state pkt_csum_verify(const struct rte_mbuf *m, uint32_t l3);

#endif
