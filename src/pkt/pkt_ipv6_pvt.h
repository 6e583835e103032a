/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame as the parser reads it, and the walk over IPv6 extension headers that parser, editor and
 * checksum code share. Threads: any.
 */
#ifndef PKT_IPV6_PVT_H
#define PKT_IPV6_PVT_H

#include <rte_mbuf.h>

#include "pkt/pkt_hdr.h"

/* A reader of header bytes: direct from the first segment, else by a copy. A pointer that it gave
 * is valid until the next call. */
struct pkt_frame {
	const struct rte_mbuf *m;
	const uint8_t *data;
	uint32_t seg_size; /* of the first segment */
	uint32_t end;      /* bytes that may be read: the frame, later what the IP length says */
	uint8_t scratch[64];
};

EVS_INLINE void pkt_frame_init(struct pkt_frame *f, const struct rte_mbuf *m)
{
	f->m = m;
	f->data = rte_pktmbuf_mtod(m, const uint8_t *);
	f->seg_size = m->data_len;
	f->end = m->pkt_len;
}

/* size <= 64 bytes at ofs, or NULL if the frame ends before. */
EVS_INLINE const uint8_t *pkt_frame_at(struct pkt_frame *f, uint32_t ofs, uint32_t size)
{
	if (evs_unlikely(ofs + size > f->end))
		return NULL;
	if (evs_likely(ofs + size <= f->seg_size))
		return f->data + ofs;
	return rte_pktmbuf_read(f->m, ofs, size, f->scratch);
}

/* Extension headers walked at most; a packet with more ends there and has no L4 header. */
#define PKT_EXTHDR_MAX 32

struct pkt_ipv6_walk {
	uint32_t l4;        /* offset of what follows the extension headers */
	uint32_t proto_ofs; /* offset of the byte that holds `proto` */
	uint16_t exthdr;    /* enum pkt_exthdr */
	uint8_t proto;      /* next header where the walk ended */
	uint8_t frag;       /* enum pkt_frag */
	bool complete; /* false: truncated, too long, ESP, no next header, later fragment: no L4 */
	bool routing_left; /* a routing header has segments left: dst is not the final one */
};

/* From the IPv6 header at l3 (whole and checked); f->end is the end of the IPv6 packet. */
void pkt_ipv6_walk(struct pkt_frame *f, uint32_t l3, struct pkt_ipv6_walk *walk);

#endif
