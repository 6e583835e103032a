/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers and byte offsets of the headers that parser, editor and offload code read. Threads: any.
 * Headers are read bytewise or by memcpy of words, since in a frame they have any alignment.
 */
#ifndef PKT_HDR_H
#define PKT_HDR_H

#include <string.h>

#include <rte_byteorder.h>

#include "base/evs_base.h"

enum pkt_eth_type {
	PKT_ETH_IPV4 = 0x0800,
	PKT_ETH_ARP = 0x0806,
	PKT_ETH_RARP = 0x8035,
	PKT_ETH_VLAN = 0x8100,
	PKT_ETH_IPV6 = 0x86dd,
	PKT_ETH_MPLS = 0x8847,
	PKT_ETH_MPLS_MC = 0x8848,
	PKT_ETH_QINQ = 0x88a8,
	PKT_ETH_PBB = 0x88e7,
	PKT_ETH_MIN = 0x0600,  /* less is an 802.3 length */
	PKT_ETH_8022 = 0x05ff, /* 802.2 without SNAP, as OpenFlow says it */
};

enum pkt_ip_proto {
	PKT_IP_ICMP = 1,
	PKT_IP_TCP = 6,
	PKT_IP_UDP = 17,
	PKT_IP_ICMPV6 = 58,
	PKT_IP_SCTP = 132,
	/* IPv6 extension headers */
	PKT_IP_HOP = 0,
	PKT_IP_ROUTER = 43,
	PKT_IP_FRAG = 44,
	PKT_IP_ESP = 50,
	PKT_IP_AUTH = 51,
	PKT_IP_NONEXT = 59,
	PKT_IP_DEST = 60,
};

enum pkt_hdr_size {
	PKT_ETH_SIZE = 14,
	PKT_VLAN_SIZE = 4,
	PKT_ARP_SIZE = 28,
	PKT_IPV4_SIZE = 20,
	PKT_IPV6_SIZE = 40,
	PKT_TCP_SIZE = 20,
	PKT_UDP_SIZE = 8,
	PKT_SCTP_SIZE = 12,
	PKT_ICMP_SIZE = 8,
	PKT_ND_SIZE = 24, /* ICMPv6 neighbour message up to its options */
	PKT_MPLS_SIZE = 4,
	PKT_ITAG_SIZE = 4,
	PKT_SNAP_SIZE = 8,
};

/* OpenFlow 1.3.5, A.2.3.8 */
enum pkt_exthdr {
	PKT_EXTHDR_NONEXT = 1 << 0,
	PKT_EXTHDR_ESP = 1 << 1,
	PKT_EXTHDR_AUTH = 1 << 2,
	PKT_EXTHDR_DEST = 1 << 3,
	PKT_EXTHDR_FRAG = 1 << 4,
	PKT_EXTHDR_ROUTER = 1 << 5,
	PKT_EXTHDR_HOP = 1 << 6,
	PKT_EXTHDR_UNREP = 1 << 7,
	PKT_EXTHDR_UNSEQ = 1 << 8,
};

#define PKT_IPV4_MF        0x2000
#define PKT_IPV4_FRAGOFS   0x1fff
#define PKT_MPLS_BOS       0x00000100 /* host order */
#define PKT_ND_SOLICIT     135
#define PKT_ND_ADVERT      136
#define PKT_ND_OPT_SLL     1
#define PKT_ND_OPT_TLL     2
#define PKT_ND_OPTIONS_MAX 16 /* options looked at: a bound for crafted messages */

/* Words as they lie in memory (wire order), and numbers. */
EVS_INLINE uint16_t pkt_ld16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

EVS_INLINE uint32_t pkt_ld32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

EVS_INLINE uint64_t pkt_ld64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

EVS_INLINE void pkt_st16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

EVS_INLINE void pkt_st32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

EVS_INLINE void pkt_st64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

EVS_INLINE uint16_t pkt_be16(const uint8_t *p)
{
	return rte_be_to_cpu_16(pkt_ld16(p));
}

EVS_INLINE uint32_t pkt_be32(const uint8_t *p)
{
	return rte_be_to_cpu_32(pkt_ld32(p));
}

EVS_INLINE bool pkt_eth_is_vlan(uint16_t eth_type) /* host order */
{
	return eth_type == PKT_ETH_VLAN || eth_type == PKT_ETH_QINQ;
}

EVS_INLINE bool pkt_eth_is_mpls(uint16_t eth_type)
{
	return eth_type == PKT_ETH_MPLS || eth_type == PKT_ETH_MPLS_MC;
}

/* Bytes that the header of an L4 protocol has at least; 0: not one that is parsed. */
EVS_INLINE uint32_t pkt_l4_min_size(uint8_t proto, bool is_ipv6)
{
	switch (proto) {
	case PKT_IP_TCP:
		return PKT_TCP_SIZE;
	case PKT_IP_UDP:
		return PKT_UDP_SIZE;
	case PKT_IP_SCTP:
		return PKT_SCTP_SIZE;
	case PKT_IP_ICMP:
		return is_ipv6 ? 0 : PKT_ICMP_SIZE;
	case PKT_IP_ICMPV6:
		return is_ipv6 ? PKT_ICMP_SIZE : 0;
	default:
		return 0;
	}
}

#endif
