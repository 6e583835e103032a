/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of src/pkt: frames in memory of exactly their size, so that a sanitizer sees a read
 * too far.
 */
#ifndef PKT_TEST_H
#define PKT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pkt/pkt_hdr.h"
#include "pkt/pkt_parse.h"

struct expected {
	const char *name;
	uint32_t size;
	uint32_t eth_type, tci0, tci1, proto, tos, ttl, src, dst, frag, sport, dport, flags, exthdr;
	uint32_t lines, l2_5, l3, l4, n_mpls, isid, arp_op, nd_last;
	const char *data;
};

#include "frames_scapy.h"

/* A frame in one or two segments without a mempool; only to be read. */
struct fake_mbuf {
	struct rte_mbuf m[2];
};

static inline void fake_segment(struct rte_mbuf *m, const void *data, uint32_t size)
{
	memset(m, 0, sizeof(*m));
	m->buf_addr = malloc(size ? size : 1);
	memcpy(m->buf_addr, data, size);
	m->buf_len = m->data_len = (uint16_t)size;
	m->pkt_len = size;
	m->nb_segs = 1;
	m->refcnt = 1;
}

static inline struct rte_mbuf *fake_init(struct fake_mbuf *f, const uint8_t *data, uint32_t size,
                                         uint32_t split)
{
	split = EVS_MIN(split, size);
	fake_segment(&f->m[0], data, split);
	fake_segment(&f->m[1], data + split, size - split);
	f->m[0].pkt_len = size;
	if (size > split) {
		f->m[0].next = &f->m[1];
		f->m[0].nb_segs = 2;
	}
	return &f->m[0];
}

static inline void fake_fini(struct fake_mbuf *f)
{
	free(f->m[0].buf_addr);
	free(f->m[1].buf_addr);
}

static inline uint32_t test_rand(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

#endif
