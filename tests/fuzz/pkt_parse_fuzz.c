/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a frame, in one or two segments, that comes several times: no read beyond it, and
 * every variant agrees.
 */
#include <stdlib.h>
#include <string.h>

#include "pkt/pkt_csum.h"
#include "pkt/pkt_nh.h"
#include "pkt/pkt_parse.h"

#define N_TRAIN 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void segment(struct rte_mbuf *m, const uint8_t *data, uint32_t size)
{
	memset(m, 0, sizeof(*m));
	m->buf_addr = malloc(size + 1);
	m->buf_addr = realloc(m->buf_addr, size ? size : 1); /* exact: ASan sees a byte too far */
	memcpy(m->buf_addr, data, size);
	m->buf_len = m->data_len = (uint16_t)size;
	m->pkt_len = size;
	m->nb_segs = 1;
	m->refcnt = 1;
}

static void check(struct rte_mbuf *m)
{
	static struct pkt_burst burst;
	static struct pkt_key key;
	struct pkt_offsets ofs = {0};
	memset(&key, 0, sizeof(key));
	key.base.in_port = 1;
	int err = pkt_parse_one(m, &key, &ofs);
	key.base.hash = pkt_nh_key(&key.base, &key.ext, pkt_nh_c);
	for (unsigned i = 0; i < N_TRAIN; i++)
		burst.mbuf[i] = m;
	for (enum pkt_isa isa = PKT_ISA_C; isa <= pkt_isa_best(); isa++) {
		uint32_t drop = pkt_parse_burst(&burst, N_TRAIN, 1, isa);
		if (drop != (err ? (1u << N_TRAIN) - 1 : 0) || burst.heads != 1)
			abort();
		for (unsigned i = 0; i < N_TRAIN; i++)
			if (memcmp(&burst.base[i], &key.base, 64) != 0 ||
			    memcmp(&burst.ofs[i], &ofs, sizeof(ofs)) != 0 ||
			    (key.base.lines && memcmp(&burst.ext[i].ipv6, &key.ext.ipv6, 64) != 0))
				abort();
	}
	if (ofs.l3)
		pkt_csum_verify(m, ofs.l3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_mbuf m[2];
	if (size < 1 || size > 9000)
		return 0;
	uint32_t split = data[0];
	data++;
	size--;
	split = split > size ? (uint32_t)size : split;
	segment(&m[0], data, split);
	segment(&m[1], data + split, (uint32_t)size - split);
	m[0].pkt_len = (uint32_t)size;
	if (size > split) {
		m[0].next = &m[1];
		m[0].nb_segs = 2;
	}
	check(&m[0]);
	free(m[0].buf_addr);
	free(m[1].buf_addr);
	return 0;
}
