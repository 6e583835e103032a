/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames and outer headers for the tests of src/tunnel.
 */
#ifndef TUN_FRAMES_H
#define TUN_FRAMES_H

#include <string.h>

#include "pkt/pkt_hdr.h"
#include "tunnel/tunnel.h"

#define HEADROOM 256

/* From 10.0.0.1 to 10.0.0.2, or fd00::1 to fd00::2, in network 0x123456. */
static inline struct tun_outer make_outer(enum tun_kind kind, bool ipv4, uint16_t flags)
{
	struct tun_outer outer = {
	        .kind = kind,
	        .eth_dst = {2, 1, 1, 1, 1, 1},
	        .eth_src = {2, 2, 2, 2, 2, 2},
	        .tos = 0xb8,
	        .ttl = 61,
	        .flags = flags | PKT_TUN_KEY,
	        .key = rte_cpu_to_be_64(0x123456),
	        .dst_port = rte_cpu_to_be_16(tun_kinds[kind].dst_port),
	        .sport_lo = TUN_SPORT_LO,
	        .sport_n = TUN_SPORT_N,
	};

	if (ipv4) {
		memcpy(&outer.src[10], "\xff\xff\x0a\x00\x00\x01", 6);
		memcpy(&outer.dst[10], "\xff\xff\x0a\x00\x00\x02", 6);
	} else {
		outer.src[0] = outer.dst[0] = 0xfd;
		outer.src[15] = 1;
		outer.dst[15] = 2;
	}
	return outer;
}

/* `size` bytes of m's own: a pattern that begins at HEADROOM. */
static inline void make_frame(struct rte_mbuf *m, uint8_t *bytes, uint16_t room, uint16_t size)
{
	memset(m, 0, sizeof(*m));
	m->buf_addr = bytes;
	m->buf_len = room;
	m->data_off = HEADROOM;
	m->data_len = size;
	m->pkt_len = size;
	m->nb_segs = 1;
	m->refcnt = 1;
	for (unsigned i = 0; i < size; i++)
		bytes[HEADROOM + i] = (uint8_t)(i * 7);
}

#endif
