/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The burst: up to 32 packets on their way through one worker.
 * Threads: worker (the one that owns the burst).
 */
#ifndef PKT_BURST_H
#define PKT_BURST_H

#include <rte_mbuf.h>

#include "pkt/pkt_key.h"

#define PKT_BURST_MAX 32

/* Where the headers start, in bytes from the start of the frame; 0 means absent. */
struct pkt_offsets {
	uint16_t l2_5;   /* first MPLS label or PBB I-TAG */
	uint16_t l3;     /* IPv4, IPv6, ARP */
	uint16_t l4;     /* TCP, UDP, SCTP, ICMP, ICMPv6, of a first or only fragment */
	uint16_t l3_len; /* bytes from l3 that belong to the packet by its own length field */
};

struct pkt_burst {
	struct rte_mbuf *mbuf[PKT_BURST_MAX];
	struct pkt_offsets ofs[PKT_BURST_MAX];
	struct pkt_key_base base[PKT_BURST_MAX];
	struct pkt_key_ext ext[PKT_BURST_MAX]; /* only for packets with base.lines != 0 */
	/* Bit i: packet i begins a run; not set: its key is that of packet i - 1. Bit 0 is set. */
	uint32_t heads;
	uint8_t lines; /* all base[i].lines together */
};

#endif
