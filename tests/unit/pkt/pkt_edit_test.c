/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits and offloads, judged by parsing again and by full computation of every checksum.
 */
#include "pkt_test.h"

#include "../../test_eal.h"
#include "pkt/pkt_csum.h"
#include "pkt/pkt_edit.h"
#include "pkt/pkt_offload.h"

static struct rte_mempool *pool;

static int setup(void **state)
{
	if (!test_eal_start("128", "1"))
		return -1;
	pool = rte_pktmbuf_pool_create("t", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	unsigned left = rte_mempool_in_use_count(pool);
	rte_eal_cleanup();
	return left ? -1 : 0; /* a leak */
}

/* A packet of the pool in chunks of at most `split` bytes. */
static struct rte_mbuf *make(const void *data, uint32_t size, uint32_t split)
{
	const uint8_t *p = data;
	struct rte_mbuf *m = NULL;
	do {
		uint32_t part = EVS_MIN(size, split);
		struct rte_mbuf *seg = rte_pktmbuf_alloc(pool);
		memcpy(rte_pktmbuf_append(seg, (uint16_t)part), p, part);
		if (m == NULL)
			m = seg;
		else
			assert_int_equal(rte_pktmbuf_chain(m, seg), 0);
		p += part;
		size -= part;
	} while (size > 0);
	return m;
}

static void parse(const struct rte_mbuf *m, struct pkt_key *key, struct pkt_offsets *ofs)
{
	memset(key, 0, sizeof(*key));
	memset(ofs, 0, sizeof(*ofs));
	assert_int_equal(pkt_parse_one(m, key, ofs), 0);
}

static void fill(void *p, size_t size, uint64_t *seed)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)p)[i] = (uint8_t)test_rand(seed);
}

static uint32_t masked(uint32_t old, uint32_t value, uint32_t mask)
{
	return (old & ~mask) | (value & mask);
}

/* One random edit of each kind that applies; the key afterwards is the key before, edited. */
static void edit_ip(struct rte_mbuf *m, uint64_t *seed)
{
	struct pkt_key key, after;
	struct pkt_offsets ofs;
	struct pkt_set_ipv4 v4;
	struct pkt_set_ipv6 v6;
	struct pkt_set_l4 l4;
	parse(m, &key, &ofs);
	fill(&v4, sizeof(v4), seed);
	fill(&v6, sizeof(v6), seed);
	fill(&l4, sizeof(l4), seed);
	v4.proto_mask = v6.proto_mask = 0;
	int err4 = pkt_edit_ipv4(m, &ofs, &v4), err6 = pkt_edit_ipv6(m, &ofs, &v6);
	int err_l4 = pkt_edit_l4(m, &ofs, &l4);
	parse(m, &after, &ofs);
	if (key.base.eth_type == RTE_BE16(PKT_ETH_IPV4)) {
		assert_int_equal(err4, 0);
		assert_int_equal(err6, -EINVAL);
		assert_int_equal(after.base.ip_src, masked(key.base.ip_src, v4.src, v4.src_mask));
		assert_int_equal(after.base.ip_dst, masked(key.base.ip_dst, v4.dst, v4.dst_mask));
		assert_int_equal(after.base.ip_tos, masked(key.base.ip_tos, v4.tos, v4.tos_mask));
		assert_int_equal(after.base.ip_ttl, masked(key.base.ip_ttl, v4.ttl, v4.ttl_mask));
	} else if (key.base.lines) {
		assert_int_equal(err6, 0);
		assert_int_equal(err4, -EINVAL);
		for (unsigned i = 0; i < 16; i++)
			assert_int_equal(after.ext.ipv6.dst[i],
			                 masked(key.ext.ipv6.dst[i], v6.dst[i], v6.dst_mask[i]));
		assert_int_equal(after.base.ip_tos, masked(key.base.ip_tos, v6.tc, v6.tc_mask));
	}
	if (err_l4 == 0)
		assert_int_equal(after.base.tp_src, masked(key.base.tp_src, l4.src, l4.src_mask));
}

static void edit_others(struct rte_mbuf *m, uint64_t *seed)
{
	struct pkt_key key;
	struct pkt_offsets ofs;
	struct pkt_set_icmp icmp = {.code = 1 | (uint8_t)test_rand(seed), .code_mask = 0xff};
	struct pkt_set_nd nd;
	struct pkt_set_arp arp;
	struct pkt_set_arp no_arp = {.op_mask = 0xffff, .spa_mask = UINT32_MAX};
	fill(&nd, sizeof(nd), seed);
	fill(&arp, sizeof(arp), seed);
	parse(m, &key, &ofs);
	if (pkt_edit_nd(m, &ofs, &nd) == 0)
		assert_int_equal(key.base.ip_proto, PKT_IP_ICMPV6);
	else if (pkt_edit_icmp(m, &ofs, &icmp) == 0)
		assert_true(key.base.ip_proto == PKT_IP_ICMP || key.base.ip_proto == PKT_IP_ICMPV6);
	int err = pkt_edit_arp(m, &ofs, &arp);
	assert_int_equal(err == 0, key.base.eth_type == RTE_BE16(PKT_ETH_ARP));
	/* what a frame lacks reads as zeroes, and may be set to zeroes */
	assert_int_equal(pkt_edit_arp(m, &ofs, &no_arp), 0);
}

static void edits_keep_checksums(void **state)
{
	uint64_t seed = 1;
	for (unsigned round = 0; round < 300; round++)
		for (unsigned i = 0; i < EVS_ARRAY_LEN(frames); i++) {
			struct pkt_key key;
			struct pkt_offsets ofs;
			uint32_t split = round % 3 ? UINT16_MAX : 1 + test_rand(&seed) % 70;
			struct rte_mbuf *m = make(frames[i].data, frames[i].size, split);
			parse(m, &key, &ofs);
			bool is_ip = ofs.l3 != 0;
			enum pkt_csum_state before = pkt_csum_verify(m, ofs.l3);
			edit_ip(m, &seed);
			edit_others(m, &seed);
			if (is_ip && pkt_csum_verify(m, ofs.l3) != before)
				fail_msg("%s: checksum state %d became %d", frames[i].name, before,
				         pkt_csum_verify(m, ofs.l3));
			rte_pktmbuf_free(m);
		}
}

/* What was pushed is parsed; what is popped again leaves the frame as it was. A length that an
 * earlier owner of the buffer left, without a request, means nothing. */
static void push_and_pop(void **state)
{
	struct pkt_push_mpls push = {RTE_BE32(0x00010140), RTE_BE16(PKT_ETH_MPLS), {0}};
	struct pkt_vlan vlan = {RTE_BE16(PKT_ETH_QINQ), RTE_BE16(0xf00a)};
	for (unsigned i = 0; i < EVS_ARRAY_LEN(frames); i++) {
		struct pkt_key key, now;
		struct pkt_offsets before, ofs, parsed;
		struct rte_mbuf *m = make(frames[i].data, frames[i].size, i % 2 ? 9 : UINT16_MAX);
		m->l2_len = i % 3 * 60 & 127;
		parse(m, &key, &before);
		ofs = before;
		assert_int_equal(pkt_push_vlan(m, &ofs, vlan), 0);
		parse(m, &now, &parsed);
		assert_int_equal(now.base.vlan[0].tpid, vlan.tpid);
		assert_int_equal(now.base.vlan[0].tci, vlan.tci);
		assert_int_equal(pkt_push_pbb(m, &ofs, RTE_BE32(0x20123456)), 0);
		parse(m, &now, &parsed);
		assert_int_equal(now.base.pbb_isid, RTE_BE32(0x00123456));
		assert_int_equal(ofs.l2_5, parsed.l2_5);
		assert_int_equal(pkt_pop_pbb(m, &ofs), 0);
		assert_int_equal(pkt_pop_vlan(m, &ofs), 0);
		assert_int_equal(ofs.l3, before.l3);
		if (key.base.eth_type != RTE_BE16(PKT_ETH_8022) &&
		    pkt_push_mpls(m, &ofs, &push) == 0 && key.base.vlan[1].tci == 0) {
			parse(m, &now, &parsed);
			assert_int_equal(now.base.mpls_lse[0], push.lse);
			assert_int_equal(ofs.l2_5, parsed.l2_5);
			assert_int_equal(pkt_pop_mpls(m, &ofs, key.base.eth_type), 0);
			assert_int_equal(rte_pktmbuf_linearize(m), 0);
			assert_int_equal(m->pkt_len, frames[i].size);
			assert_memory_equal(rte_pktmbuf_mtod(m, void *), frames[i].data,
			                    frames[i].size);
		}
		rte_pktmbuf_free(m);
	}
}

static void shared_data_stays(void **state)
{
	struct rte_mbuf *m = make(frames[0].data, frames[0].size, UINT16_MAX);
	struct rte_mbuf *clone = rte_pktmbuf_clone(m, pool), *both[2] = {m, clone};
	struct pkt_set_eth set = {.value = {1}, .mask = {1}};
	struct pkt_offsets ofs = {0};
	for (unsigned i = 0; i < 2; i++) {
		assert_false(pkt_is_writable(both[i]));
		assert_int_equal(pkt_make_writable(&both[i], pool), 0);
		assert_int_equal(pkt_edit_eth(both[i], &ofs, &set), 0);
		if (i == 0)
			assert_memory_equal(rte_pktmbuf_mtod(clone, void *), frames[0].data,
			                    frames[0].size);
	}
	rte_pktmbuf_free_bulk(both, 2);
}

/* A large TCP or UDP packet as a guest hands it over. */
static struct rte_mbuf *make_large(bool v6, bool udp, uint32_t vlan, uint32_t payload)
{
	static uint8_t p[32768];
	uint32_t l3 = 14 + vlan, l4 = l3 + (v6 ? 40 : 20), hdr = udp ? 8 : 20;
	memset(p, 0, l4 + hdr);
	memset(p, 2, 12);
	pkt_st16(p + 12, RTE_BE16(PKT_ETH_VLAN));
	pkt_st16(p + l3 - 2, v6 ? RTE_BE16(PKT_ETH_IPV6) : RTE_BE16(PKT_ETH_IPV4));
	uint8_t proto = udp ? PKT_IP_UDP : PKT_IP_TCP, *ip = p + l3;
	ip[0] = v6 ? 0x60 : 0x45;
	pkt_st16(ip + (v6 ? 4 : 2), rte_cpu_to_be_16((uint16_t)(payload + hdr + (v6 ? 0 : 20))));
	ip[v6 ? 6 : 9] = proto;
	ip[v6 ? 7 : 8] = 64;
	memset(ip + (v6 ? 8 : 12), 0x11, v6 ? 32 : 8);
	if (!v6)
		pkt_st16(ip + 10, (uint16_t)~pkt_csum_fold(pkt_csum_add(0, ip, 20)));
	p[l4 + 12] = 0x50;
	p[l4 + 13] = 0x99; /* CWR ACK PSH FIN */
	if (udp)
		pkt_st16(p + l4 + 4, rte_cpu_to_be_16((uint16_t)(payload + 8)));
	pkt_st16(p + l4 + (udp ? 6 : 16), pkt_csum_pseudo(ip, proto, payload + hdr));
	for (uint32_t i = 0; i < payload; i++)
		p[l4 + hdr + i] = (uint8_t)(i * 7 >> 3);
	struct rte_mbuf *m = make(p, l4 + hdr + payload, 2000);
	m->l2_len = l3;
	m->l3_len = l4 - l3;
	m->l4_len = hdr;
	m->tso_segsz = 1200;
	m->ol_flags = (v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4) |
	              (udp ? RTE_MBUF_F_TX_UDP_SEG : RTE_MBUF_F_TX_TCP_SEG);
	return m;
}

static void tcp_is_segmented(void **state)
{
	for (unsigned kind = 0; kind < 8; kind++) {
		struct rte_mbuf *out[PKT_OFFLOAD_MAX];
		uint32_t seq = 0, l3 = 14 + (kind & 2) * 2, l4 = l3 + (kind & 1 ? 40 : 20);
		struct rte_mbuf *m = make_large(kind & 1, false, (kind & 2) * 2, 20000);
		bool hw = kind & 4;
		int n = pkt_offload_prepare(m, hw ? PKT_TX_L4_CSUM : 0, pool, out, PKT_OFFLOAD_MAX);
		assert_int_equal(n, 17);
		for (int i = 0; i < n; i++) {
			uint8_t *tcp = rte_pktmbuf_mtod_offset(out[i], uint8_t *, l4);
			assert_int_equal(out[i]->nb_segs, 1);
			assert_int_equal(pkt_be32(tcp + 4), seq);
			assert_int_equal(tcp[13], i == 0 ? 0x90 : i == n - 1 ? 0x19 : 0x10);
			for (uint32_t k = 0; k < out[i]->pkt_len - l4 - 20; k++)
				assert_int_equal(tcp[20 + k], (uint8_t)((seq + k) * 7 >> 3));
			seq += out[i]->pkt_len - l4 - 20;
			if (hw)
				assert_int_equal(pkt_csum_complete(out[i]), 0);
			assert_int_equal(pkt_csum_verify(out[i], l3), PKT_CSUM_GOOD);
		}
		assert_int_equal(seq, 20000);
		rte_pktmbuf_free_bulk(out, (unsigned)n);
	}
}

static void udp_is_fragmented(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		static uint8_t whole[32768];
		struct rte_mbuf *out[PKT_OFFLOAD_MAX];
		uint32_t l4 = v6 ? 54 : 34, size = 0;
		int n = pkt_offload_prepare(make_large(v6, true, 0, 5000), 0, pool, out,
		                            PKT_OFFLOAD_MAX);
		assert_int_equal(n, 5);
		memcpy(whole, rte_pktmbuf_mtod(out[0], void *), l4);
		for (int i = 0; i < n; i++) {
			struct pkt_key key;
			struct pkt_offsets ofs;
			parse(out[i], &key, &ofs);
			assert_int_equal(key.base.frag, i ? 3 : 1);
			assert_int_equal(key.base.ip_proto, PKT_IP_UDP);
			uint32_t skip = l4 + (v6 ? 8 : 0), part = out[i]->pkt_len - skip;
			memcpy(whole + l4 + size, rte_pktmbuf_mtod_offset(out[i], void *, skip),
			       part);
			size += part;
		}
		assert_int_equal(size, 5008);
		uint16_t pseudo = pkt_csum_pseudo(whole + 14, PKT_IP_UDP, size);
		assert_int_equal(pkt_csum_fold(pkt_csum_add(pseudo, whole + l4, size)), 0xffff);
		rte_pktmbuf_free_bulk(out, (unsigned)n);
	}
}

/* What is said of the wire before a large packet is cut is what cutting makes of it. */
static void pieces_are_foretold(void **state)
{
	static const uint16_t sizes[] = {32, 536, 1199, 1200, 1448, 1480, 9000};
	for (unsigned kind = 0; kind < 8 * EVS_ARRAY_LEN(sizes); kind++) {
		struct rte_mbuf *out[PKT_OFFLOAD_MAX], *m;
		uint32_t payload = kind & 2 ? 2960 : 3000, longest = 0, bytes = 0;
		m = make_large(kind & 1, kind & 2, kind & 4, payload);
		m->tso_segsz = sizes[kind / 8];
		struct pkt_wire wire = pkt_wire_of(m);
		int n = pkt_offload_prepare(m, PKT_TX_MULTI_SEG, pool, out, PKT_OFFLOAD_MAX);
		assert_in_range(n, 1, PKT_OFFLOAD_MAX);
		for (int i = 0; i < n; i++) {
			longest = EVS_MAX(longest, out[i]->pkt_len);
			bytes += out[i]->pkt_len;
		}
		assert_int_equal(wire.n, n);
		assert_int_equal(wire.longest, longest);
		assert_int_equal(wire.bytes, bytes);
		rte_pktmbuf_free_bulk(out, (unsigned)n);
	}
}

/* A datagram of 2,960 bytes is 2,968 behind IP: two whole fragments and 8 bytes. */
static void fragments_count_the_udp_header(void **state)
{
	struct rte_mbuf *m = make_large(false, true, 0, 2960);
	m->tso_segsz = 1480;
	struct pkt_wire wire = pkt_wire_of(m);
	assert_int_equal(wire.n, 3);
	assert_int_equal(wire.longest, 1514);
	assert_int_equal(wire.bytes, 2968 + 3 * 34);
	m->tso_segsz = 0; /* nobody will cut it */
	assert_int_equal(pkt_wire_of(m).bytes, m->pkt_len);
	m->tso_segsz = 100;
	m->l2_len = 127;
	m->l3_len = 511;
	m->pkt_len = 600;
	assert_int_equal(pkt_wire_of(m).n, 1);
	rte_pktmbuf_free(m);
}

/* A requested checksum survives edits of the addresses and tags, and is completed in a copy of
 * shared data.
 */
static void requested_checksum_is_completed(void **state)
{
	struct pkt_vlan vlan = {RTE_BE16(PKT_ETH_VLAN), RTE_BE16(0x100a)};
	for (unsigned kind = 0; kind < 4; kind++) {
		bool v6 = kind & 1, udp = kind & 2;
		struct rte_mbuf *out, *m = make_large(v6, udp, 0, 999);
		struct pkt_key key;
		struct pkt_offsets ofs;
		uint64_t seed = kind;
		m->ol_flags &= ~(RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG);
		m->ol_flags |= udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM;
		edit_ip(m, &seed);
		parse(m, &key, &ofs);
		assert_int_equal(pkt_push_vlan(m, &ofs, vlan), 0);
		struct rte_mbuf *clone = rte_pktmbuf_clone(m, pool);
		assert_true(pkt_offload_needed(m, 0));
		assert_int_equal(pkt_offload_prepare(m, 0, pool, &out, 1), 1);
		assert_int_equal(pkt_csum_verify(out, ofs.l3), PKT_CSUM_GOOD);
		assert_int_not_equal(pkt_csum_verify(clone, ofs.l3), PKT_CSUM_GOOD);
		rte_pktmbuf_free(clone);
		rte_pktmbuf_free(out);
	}
}

static void lies_are_refused(void **state)
{
	uint64_t seed = 9;
	for (unsigned i = 0; i < 20000; i++) {
		struct rte_mbuf *out[PKT_OFFLOAD_MAX], *m;
		m = make_large(i & 1, i & 2, 0, 300);
		m->tx_offload ^= i & 8 ? 1ull << (test_rand(&seed) % 56) : 0;
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
		p[12 + test_rand(&seed) % 60] = (uint8_t)test_rand(&seed);
		int n = pkt_offload_prepare(m, test_rand(&seed) & 0x0f, pool, out, PKT_OFFLOAD_MAX);
		if (n < 0)
			rte_pktmbuf_free(m);
		else
			rte_pktmbuf_free_bulk(out, (unsigned)n);
	}
	struct rte_mbuf *out, *m = make_large(false, false, 0, 300);
	m->l3_len = 24;
	assert_int_equal(pkt_offload_prepare(m, 0, pool, &out, 1), -EINVAL);
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(edits_keep_checksums),
	        cmocka_unit_test(push_and_pop),
	        cmocka_unit_test(shared_data_stays),
	        cmocka_unit_test(tcp_is_segmented),
	        cmocka_unit_test(udp_is_fragmented),
	        cmocka_unit_test(pieces_are_foretold),
	        cmocka_unit_test(fragments_count_the_udp_header),
	        cmocka_unit_test(requested_checksum_is_completed),
	        cmocka_unit_test(lies_are_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
