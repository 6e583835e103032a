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

/* What counters and the output must know of n packets: how much they are, and whether any of them
 * needs more than to be passed on. */
struct pkt_sum {
	uint64_t bytes;
	uint64_t flags;   /* all ol_flags together */
	uint32_t longest; /* bytes */
	uint32_t segs;    /* all nb_segs together: 1, or some packet has several */
	unsigned n;
};

/* A small frame of an odd shape, and what was found for it: trains of one frame (hellos, probes,
 * test streams) cost a compare from burst to burst, too. */
struct pkt_memo {
	uint8_t frame[EVS_CACHE_LINE] EVS_CACHE_ALIGNED; /* zero behind its end */
	struct pkt_key_base base;                        /* with in_port and hash; of one line */
	struct pkt_offsets ofs;
	uint16_t data_len; /* 0: nothing is remembered */
};

#define PKT_N_MEMOS 4

/* Zero before its first use. */
struct pkt_burst {
	struct rte_mbuf *mbuf[PKT_BURST_MAX];
	struct pkt_offsets ofs[PKT_BURST_MAX];
	struct pkt_key_base base[PKT_BURST_MAX];
	struct pkt_key_ext ext[PKT_BURST_MAX]; /* only for packets with base.lines != 0 */
	/* Bit i: packet i begins a run; not set: its key is that of packet i - 1. Bit 0 is set. */
	uint32_t heads;
	uint8_t lines;      /* all base[i].lines together */
	struct pkt_sum sum; /* as the packets were parsed; n is 0 once it does not hold any more */
	struct pkt_memo memo[PKT_N_MEMOS]; /* by input port; the parser's own */
};

EVS_INLINE struct pkt_sum pkt_sum_up(struct rte_mbuf *const *mbufs, unsigned n)
{
	struct pkt_sum sum = {.n = n};

	for (unsigned i = 0; i < n; i++) {
		const struct rte_mbuf *m = mbufs[i];

		sum.bytes += m->pkt_len;
		sum.longest = EVS_MAX(sum.longest, m->pkt_len);
		sum.flags |= m->ol_flags;
		sum.segs |= m->nb_segs;
	}
	return sum;
}

#endif
