/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout of STT (draft-davie-stt-08, sections 3 and 4): an STT frame is a header of 18 bytes and an
 * Ethernet frame; it travels in segments that look like TCP's, so that network cards which can cut
 * TCP can cut it.
 *
 *   source port(16) | destination port(16) | frame size(16) offset in the frame(16) | frame id(32)
 * | TCP's data offset, flags, window, checksum, urgent pointer, as of TCP
 *
 *   version(8) flags(8) L4 offset(8) reserved(8) | MSS(16) PCP(3) V(1) VLAN(12) | context id(64) |
 *   padding(16)
 */
#ifndef TUN_STT_PVT_H
#define TUN_STT_PVT_H

#include "pkt/pkt_hdr.h"
#include "tunnel/tun_pvt.h"

enum stt_tcp { /* offsets in the header like TCP's */
	       STT_TCP_DST = 2,
	       STT_TCP_SIZE_OF_FRAME = 4, /* high half of the sequence number */
	       STT_TCP_OFFSET = 6,        /* low half: cutting adds to it */
	       STT_TCP_ID = 8,
	       STT_TCP_DATA = 12,
	       STT_TCP_FLAGS = 13,
	       STT_TCP_WINDOW = 14,
	       STT_TCP_CSUM = 16,
};
enum stt_header { /* offsets in the STT header */
	          STT_VERSION = 0,
	          STT_FLAGS = 1,
	          STT_L4 = 2, /* of the inner frame */
	          STT_MSS = 4,
	          STT_VLAN = 6,
	          STT_CONTEXT = 8,
	          STT_SIZE = 18,
};
enum stt_flag {
	STT_VERIFIED = 0x01, /* the inner checksum was checked */
	STT_PARTIAL = 0x02,  /* it is of the pseudo header only */
	STT_IPV4 = 0x04,
	STT_TCP = 0x08,
};
#define STT_VLAN_PRESENT 0x1000

/* What a frame says of itself, inside its STT header. */
struct stt_meta {
	uint8_t flags, l4;
	uint16_t mss;
	uint16_t vlan; /* PCP, STT_VLAN_PRESENT, VID; 0: no tag */
};

/* Offset of IP in the frame, behind its tags; 0: it is cut short, or what follows is not the IP
 * that the header speaks of. One for both ends: what is not found here is not told to the other.
 * The frame has a whole Ethernet header in its first buffer. */
EVS_INLINE uint32_t stt_find_ip(const struct rte_mbuf *m, bool ipv4)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t at = PKT_ETH_SIZE;

	while (at + PKT_VLAN_SIZE <= m->data_len && at < 64 &&
	       (pkt_be16(p + at - 2) == PKT_ETH_VLAN || pkt_be16(p + at - 2) == PKT_ETH_QINQ))
		at += PKT_VLAN_SIZE;
	return pkt_be16(p + at - 2) == (ipv4 ? PKT_ETH_IPV4 : PKT_ETH_IPV6) ? at : 0;
}

#endif
