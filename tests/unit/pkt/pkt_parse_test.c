/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of frames that scapy built, of mutated, cut and split ones, and equality of the variants.
 */
#include "pkt_test.h"
#include "pkt/pkt_nh.h"

static void parse(const uint8_t *data, uint32_t size, uint32_t split, struct pkt_key *key,
                  struct pkt_offsets *ofs)
{
	struct fake_mbuf f;
	memset(key, 0, sizeof(*key));
	memset(ofs, 0, sizeof(*ofs));
	pkt_parse_one(fake_init(&f, data, size, split), key, ofs);
	fake_fini(&f);
}

#define CHECK(what, got, want)                                                                     \
	if ((uint32_t)(got) != (uint32_t)(want))                                                   \
	fail_msg("%s: %s is %#x, not %#x", e->name, what, (uint32_t)(got), (uint32_t)(want))

static void check_frame(const struct expected *e, uint32_t split)
{
	struct pkt_key key;
	struct pkt_offsets ofs;
	parse((const uint8_t *)e->data, e->size, split, &key, &ofs);
	const struct pkt_key_base *b = &key.base;
	CHECK("eth_type", rte_be_to_cpu_16(b->eth_type), e->eth_type);
	CHECK("vlan[0]", rte_be_to_cpu_16(b->vlan[0].tci), e->tci0);
	CHECK("vlan[1]", rte_be_to_cpu_16(b->vlan[1].tci), e->tci1);
	CHECK("proto", b->ip_proto, e->proto);
	CHECK("tos", b->ip_tos, e->tos);
	CHECK("frag", b->frag, e->frag);
	CHECK("lines", b->lines, e->lines);
	CHECK("exthdr", rte_be_to_cpu_16(b->ipv6_exthdr), e->exthdr);
	CHECK("arp_op", rte_be_to_cpu_16(b->arp_op), e->arp_op);
	CHECK("l2_5", ofs.l2_5, e->l2_5);
	CHECK("l3", ofs.l3, e->l3);
	CHECK("l4", ofs.l4, e->l4);
	if (e->isid)
		CHECK("isid", rte_be_to_cpu_32(b->pbb_isid), e->isid);
	if (e->src) {
		CHECK("src", rte_be_to_cpu_32(b->ip_src), e->src);
		CHECK("dst", rte_be_to_cpu_32(b->ip_dst), e->dst);
	}
	if (e->nd_last) {
		CHECK("nd_target", key.ext.ipv6.nd_target[15], e->nd_last);
		CHECK("nd_lladdr", key.ext.ipv6.nd_sll[5] + key.ext.ipv6.nd_tll[5], e->nd_last);
	}
	if (e->eth_type == PKT_ETH_IPV4 || e->eth_type == PKT_ETH_IPV6) {
		CHECK("ttl", b->ip_ttl, e->ttl);
		CHECK("sport", rte_be_to_cpu_16(b->tp_src), e->sport);
		CHECK("dport", rte_be_to_cpu_16(b->tp_dst), e->dport);
		CHECK("flags", rte_be_to_cpu_16(b->tcp_flags), e->flags);
	}
	if (e->eth_type == PKT_ETH_MPLS)
		CHECK("n_mpls", b->n_mpls, e->n_mpls);
}

static void scapy_frames(void **state)
{
	for (unsigned i = 0; i < EVS_ARRAY_LEN(frames); i++)
		check_frame(&frames[i], UINT32_MAX);
}

static void split_frames(void **state)
{
	for (unsigned i = 0; i < EVS_ARRAY_LEN(frames); i++)
		for (uint32_t split = 0; split < frames[i].size; split++)
			check_frame(&frames[i], split);
}

/* Cut anywhere, a frame yields a key, and never one with an L4 header beyond the cut. */
static void cut_frames(void **state)
{
	struct pkt_key key;
	struct pkt_offsets ofs;
	for (unsigned i = 0; i < EVS_ARRAY_LEN(frames); i++)
		for (uint32_t size = 0; size < frames[i].size; size++) {
			parse((const uint8_t *)frames[i].data, size, UINT32_MAX, &key, &ofs);
			assert_true(ofs.l3 + ofs.l3_len <= size || ofs.l3 == 0);
			assert_true(ofs.l4 < size || ofs.l4 == 0);
			if (size < PKT_ETH_SIZE)
				assert_int_equal(key.base.eth_type, 0);
		}
}

static uint32_t mutate(const struct expected *e, uint8_t *data, uint64_t *seed)
{
	uint32_t size = e->size;
	memcpy(data, e->data, size);
	for (uint32_t n = test_rand(seed) % 4; n > 0; n--)
		data[12 + test_rand(seed) % (size - 12)] = (uint8_t)test_rand(seed);
	return test_rand(seed) % 4 ? size : test_rand(seed) % (size + 1);
}

/* Packets i - 1 and i have one key. */
static bool follows(const struct pkt_burst *burst, unsigned i)
{
	return i > 0 &&
	       !memcmp(&burst->base[i - 1], &burst->base[i], sizeof(struct pkt_key_base)) &&
	       (!(burst->base[i].lines & PKT_LINE_IPV6) ||
	        !memcmp(&burst->ext[i - 1].ipv6, &burst->ext[i].ipv6, sizeof(struct pkt_key_ipv6)));
}

static void compare_sum(const struct pkt_burst *burst, unsigned n)
{
	struct pkt_sum want = pkt_sum_up(burst->mbuf, n);
	assert_int_equal(burst->sum.n, n);
	assert_int_equal(burst->sum.bytes, want.bytes);
	assert_int_equal(burst->sum.flags, want.flags);
	assert_int_equal(burst->sum.longest, want.longest);
	assert_int_equal(burst->sum.segs, want.segs);
}

static void compare(struct pkt_burst *burst, unsigned n, enum pkt_isa isa, uint16_t in_port)
{
	static struct pkt_key want;
	struct pkt_offsets ofs;
	memset(burst->base, 0xa5, sizeof(burst->base));
	memset(burst->ofs, 0xa5, sizeof(burst->ofs));
	uint32_t drop = pkt_parse_burst(burst, n, in_port, isa);
	compare_sum(burst, n);
	for (unsigned i = 0; i < n; i++) {
		memset(&want, 0, sizeof(want));
		memset(&ofs, 0, sizeof(ofs));
		want.base.in_port = in_port;
		int err = pkt_parse_one(burst->mbuf[i], &want, &ofs);
		assert_int_equal(err != 0, drop >> i & 1);
		want.base.hash = pkt_nh_key(&want.base, &want.ext, pkt_nh_c);
		assert_memory_equal(&burst->base[i], &want.base, sizeof(want.base));
		assert_memory_equal(&burst->ofs[i], &ofs, sizeof(ofs));
		assert_int_equal(burst->heads >> i & 1, !follows(burst, i));
		if (want.base.lines)
			assert_memory_equal(&burst->ext[i].ipv6, &want.ext.ipv6,
			                    sizeof(want.ext.ipv6));
	}
}

/* The same for frames that came out of a tunnel, whose lines are there already. */
static void compare_inner(struct pkt_burst *burst, unsigned n, enum pkt_isa isa, uint64_t *seed)
{
	static struct pkt_key want;
	uint64_t id = 0;
	for (unsigned i = 0; i < n; i++) {
		memset(&burst->ext[i].tun, 0, sizeof(burst->ext[i].tun));
		id += test_rand(seed) % 4 == 0;
		burst->ext[i].tun.id = id;
	}
	memset(burst->base, 0xa5, sizeof(burst->base));
	uint32_t drop = pkt_parse_inner(burst, n, 9, isa);
	for (unsigned i = 0; i < n; i++) {
		struct pkt_offsets ofs = {0};
		memset(&want, 0, sizeof(want));
		want.base.in_port = 9;
		int err = pkt_parse_one(burst->mbuf[i], &want, &ofs);
		assert_int_equal(err != 0, drop >> i & 1);
		want.base.lines |= PKT_LINE_TUN;
		want.ext.tun = burst->ext[i].tun;
		want.base.hash = pkt_nh_key(&want.base, &want.ext, pkt_nh_c);
		assert_memory_equal(&burst->base[i], &want.base, sizeof(want.base));
		assert_memory_equal(&burst->ofs[i], &ofs, sizeof(ofs));
		assert_int_equal(burst->lines & want.base.lines, want.base.lines);
		bool same = i > 0 && burst->ext[i - 1].tun.id == burst->ext[i].tun.id &&
		            follows(burst, i);
		assert_int_equal(burst->heads >> i & 1, !same);
	}
	compare_sum(burst, n);
}

static void variants_agree(void **state)
{
	static struct pkt_burst burst;
	static struct fake_mbuf fake[PKT_BURST_MAX];
	uint64_t seed = 42;
	uint8_t data[2048];
	enum pkt_isa best = pkt_isa_best();
	for (unsigned round = 0; round < 10000; round++) {
		unsigned n = 1 + test_rand(&seed) % PKT_BURST_MAX;
		for (unsigned i = 0; i < n; i++) {
			const struct expected *e =
			        &frames[test_rand(&seed) % EVS_ARRAY_LEN(frames)];
			uint32_t size = mutate(e, data, &seed);
			uint32_t split = test_rand(&seed) % 8 ? size : test_rand(&seed) % 80;
			burst.mbuf[i] = fake_init(&fake[i], data, size, split);
		}
		for (enum pkt_isa isa = PKT_ISA_C; isa <= best; isa++)
			compare(&burst, n, isa, 7);
		/* what is remembered of a burst neither serves another port nor other bytes */
		for (unsigned k = 0; k < 3; k++) {
			uint8_t *p = rte_pktmbuf_mtod(burst.mbuf[n - 1], uint8_t *);
			compare(&burst, n, best, 7 + PKT_N_MEMOS * (k == 1));
			if (burst.mbuf[n - 1]->data_len > 0)
				p[test_rand(&seed) % burst.mbuf[n - 1]->data_len] ^= 1;
			compare(&burst, n, best, 7);
		}
		for (enum pkt_isa isa = PKT_ISA_C; isa <= best; isa++)
			compare_inner(&burst, n, isa, &seed);
		for (unsigned i = 0; i < n; i++)
			fake_fini(&fake[i]);
	}
}

/* The frame and nulls behind it; as_snap: its type stands in an LLC and SNAP header. */
static uint32_t lengthen(const struct expected *e, uint8_t *data, bool as_snap)
{
	static const uint8_t snap[8] = {0, 40, 0xaa, 0xaa, 3, 0, 0, 0};
	uint32_t ofs = as_snap && e->size > PKT_ETH_SIZE ? sizeof(snap) : 0;
	memset(data, 0, 2048);
	memcpy(data, e->data, 12);
	memcpy(data + 12, snap, ofs);
	memcpy(data + 12 + ofs, e->data + 12, e->size - 12);
	return e->size + ofs + 80;
}

/* Frames of one kind, longer than what is compared of them, and one among them that differs from
 * the others in one bit, anywhere. */
static void long_trains(void **state)
{
	static struct pkt_burst burst;
	static struct fake_mbuf fake[PKT_BURST_MAX];
	uint64_t seed = 43;
	uint8_t data[2048];
	for (unsigned round = 0; round < 20000; round++) {
		const struct expected *e = &frames[round / 2 % EVS_ARRAY_LEN(frames)];
		uint32_t odd = test_rand(&seed) % 8, at = test_rand(&seed) % 120;
		for (unsigned i = 0; i < 8; i++) {
			uint32_t size = lengthen(e, data, round % 2);
			data[at] ^= i == odd ? 1 << test_rand(&seed) % 8 : 0;
			burst.mbuf[i] = fake_init(&fake[i], data, size, UINT32_MAX);
		}
		for (enum pkt_isa isa = PKT_ISA_C; isa <= pkt_isa_best(); isa++)
			compare(&burst, 8, isa, 7);
		for (unsigned i = 0; i < 8; i++)
			fake_fini(&fake[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(scapy_frames), cmocka_unit_test(split_frames),
	        cmocka_unit_test(cut_frames),   cmocka_unit_test(variants_agree),
	        cmocka_unit_test(long_trains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
