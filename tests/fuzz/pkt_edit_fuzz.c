/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any frame, any sequence of edits: no access beyond the buffer, and what was put together wrongly
 * is refused. Each edit is held against its door: on an error the frame is as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz_pool.h"
#include "pkt/pkt_edit.h"
#include "pkt/pkt_parse.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADROOM  64
#define FRAME_MAX 2048

struct input {
	const uint8_t *data;
	size_t size;
};

static void take(struct input *in, void *to, size_t size)
{
	size_t n = EVS_MIN(size, in->size);

	memset(to, 0, size);
	memcpy(to, in->data, n);
	in->data += n;
	in->size -= n;
}

/* The first segment lies in a buffer of exactly headroom, its data and the tailroom asked for, so
 * that a sanitizer sees a byte too far; the second, which a pull may free, is the pool's. */
static void first_segment(struct rte_mbuf *m, const uint8_t *data, uint32_t size, uint32_t tailroom)
{
	memset(m, 0, sizeof(*m));
	m->buf_len = (uint16_t)(HEADROOM + size + tailroom);
	m->buf_addr = malloc(m->buf_len);
	m->data_off = HEADROOM;
	memcpy((uint8_t *)m->buf_addr + HEADROOM, data, size);
	m->data_len = (uint16_t)size;
	m->pkt_len = size;
	m->nb_segs = 1;
	m->refcnt = 1;
}

/* Value within mask, as the doors ask. */
static void take_set(struct input *in, uint8_t *value, uint8_t *mask, size_t size)
{
	take(in, mask, size);
	take(in, value, size);
	for (size_t i = 0; i < size; i++)
		value[i] &= mask[i];
}

static int set_addresses(struct rte_mbuf *m, struct pkt_offsets *ofs, struct input *in,
                         bool is_ipv6)
{
	struct pkt_set_ipv4 v4;
	struct pkt_set_ipv6 v6;

	memset(&v4, 0, sizeof(v4));
	memset(&v6, 0, sizeof(v6));
	if (!is_ipv6) {
		take_set(in, (uint8_t *)&v4.src, (uint8_t *)&v4.src_mask, 4);
		take_set(in, (uint8_t *)&v4.dst, (uint8_t *)&v4.dst_mask, 4);
		take_set(in, &v4.tos, &v4.tos_mask, 1);
		take_set(in, &v4.ttl, &v4.ttl_mask, 1);
		return pkt_edit_ipv4(m, ofs, &v4);
	}
	take_set(in, v6.src, v6.src_mask, 16);
	take_set(in, v6.dst, v6.dst_mask, 16);
	take_set(in, &v6.tc, &v6.tc_mask, 1);
	take_set(in, &v6.hlimit, &v6.hlimit_mask, 1);
	return pkt_edit_ipv6(m, ofs, &v6);
}

static int set_other(struct rte_mbuf *m, struct pkt_offsets *ofs, struct input *in, unsigned what)
{
	union {
		struct pkt_set_eth eth;
		struct pkt_set_l4 l4;
		struct pkt_set_icmp icmp;
		struct pkt_set_arp arp;
		struct pkt_set_nd nd;
		struct pkt_set_mpls mpls;
	} set;

	memset(&set, 0, sizeof(set));
	switch (what) {
	case 0:
		take_set(in, set.eth.value, set.eth.mask, 12);
		return pkt_edit_eth(m, ofs, &set.eth);
	case 1:
		take_set(in, (uint8_t *)&set.l4.src, (uint8_t *)&set.l4.src_mask, 2);
		take_set(in, (uint8_t *)&set.l4.dst, (uint8_t *)&set.l4.dst_mask, 2);
		return pkt_edit_l4(m, ofs, &set.l4);
	case 2:
		take_set(in, &set.icmp.type, &set.icmp.type_mask, 1);
		take_set(in, &set.icmp.code, &set.icmp.code_mask, 1);
		return pkt_edit_icmp(m, ofs, &set.icmp);
	case 3:
		take_set(in, (uint8_t *)&set.arp.spa, (uint8_t *)&set.arp.spa_mask, 4);
		take_set(in, set.arp.tha, set.arp.tha_mask, 6);
		take_set(in, (uint8_t *)&set.arp.op, (uint8_t *)&set.arp.op_mask, 2);
		return pkt_edit_arp(m, ofs, &set.arp);
	case 4:
		take_set(in, set.nd.target, set.nd.target_mask, 16);
		take_set(in, set.nd.sll, set.nd.sll_mask, 6);
		take_set(in, set.nd.tll, set.nd.tll_mask, 6);
		return pkt_edit_nd(m, ofs, &set.nd);
	default:
		take_set(in, (uint8_t *)&set.mpls.lse, (uint8_t *)&set.mpls.mask, 4);
		return pkt_edit_mpls(m, ofs, &set.mpls);
	}
}

static int push_or_pop(struct rte_mbuf *m, struct pkt_offsets *ofs, struct input *in, unsigned what)
{
	struct pkt_push_mpls mpls = {.eth_type = RTE_BE16(0x8847)};
	struct pkt_vlan vlan = {.tpid = RTE_BE16(0x88a8)};
	rte_be32_t itag;
	rte_be16_t type;

	switch (what) {
	case 0:
		take(in, &vlan.tci, 2);
		return pkt_push_vlan(m, ofs, vlan);
	case 1:
		take(in, &mpls.lse, 4);
		return pkt_push_mpls(m, ofs, &mpls);
	case 2:
		take(in, &type, 2);
		return pkt_pop_mpls(m, ofs, type);
	case 3:
		take(in, &itag, 4);
		return pkt_push_pbb(m, ofs, itag);
	case 4:
		return pkt_pop_pbb(m, ofs);
	default:
		return pkt_copy_ttl(m, ofs, what & 1);
	}
}

static int edit(struct rte_mbuf *m, struct pkt_offsets *ofs, struct input *in, uint8_t op)
{
	const uint8_t *type = rte_pktmbuf_mtod_offset(m, const uint8_t *, 12);

	if (op % 16 < 2)
		return set_addresses(m, ofs, in, op & 1);
	if (op % 16 < 8)
		return set_other(m, ofs, in, op % 16 - 2u);
	if (op % 16 < 15)
		return push_or_pop(m, ofs, in, op % 16 - 8u);
	/* that there is a tag is the caller's knowledge */
	if (m->data_len < 18 ||
	    !((type[0] == 0x81 && !type[1]) || (type[0] == 0x88 && type[1] == 0xa8)))
		return 0;
	return pkt_pop_vlan(m, ofs);
}

static uint32_t copy_of(const struct rte_mbuf *m, uint8_t *to)
{
	const void *p = rte_pktmbuf_read(m, 0, m->pkt_len, to);

	if (p != to)
		memcpy(to, p, m->pkt_len);
	return m->pkt_len;
}

static void edit_all(struct rte_mbuf *m, struct pkt_offsets *ofs, struct input *in)
{
	static uint8_t before[2 * FRAME_MAX], after[2 * FRAME_MAX];
	uint8_t op;

	for (unsigned i = 0; i < 8 && in->size; i++) {
		uint32_t size = copy_of(m, before);

		take(in, &op, 1);
		if (edit(m, ofs, in, op) &&
		    (copy_of(m, after) != size || memcmp(before, after, size) != 0))
			abort();
	}
}

static void rest(struct rte_mbuf *m, const uint8_t *data, uint32_t size)
{
	if (size == 0)
		return;
	m->next = fuzz_segment(data, size);
	m->nb_segs = 2;
	m->pkt_len += size;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return fuzz_pool_init();
}

/* Layout: bytes of the frame (2), where it is split (1), tailroom (1), frame, edits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct pkt_offsets ofs = {0};
	static struct pkt_key key;
	uint8_t head[4];
	struct rte_mbuf m;
	uint32_t frame, split;

	take(&in, head, sizeof(head));
	frame = EVS_MIN((uint32_t)(head[0] << 8 | head[1]) % FRAME_MAX, (uint32_t)in.size);
	split = head[2] >= 14 ? EVS_MIN((uint32_t)head[2], frame) : frame;
	if (frame < 14)
		return 0;
	first_segment(&m, in.data, split, head[3]);
	rest(&m, in.data + split, frame - split);
	in.data += frame;
	in.size -= frame;
	memset(&key, 0, sizeof(key));
	if (!pkt_parse_one(&m, &key, &ofs))
		edit_all(&m, &ofs, &in);
	rte_pktmbuf_free(m.next);
	free(m.buf_addr);
	fuzz_pool_check();
	return 0;
}
