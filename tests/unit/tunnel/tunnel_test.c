/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tunnels: what push puts on, the parser reads, checksums confirm and pop takes off again; and
 * what malformed headers come to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "pkt/pkt_csum.h"
#include "pkt/pkt_parse.h"
#include "tunnel/tun_push.h"
#include "tun_frames.h"

#define INNER 60

static uint8_t buffer[2048];

static void make_inner(struct rte_mbuf *m)
{
	static const uint8_t head[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};

	memset(buffer, 0xee, sizeof(buffer));
	make_frame(m, buffer, sizeof(buffer), INNER);
	memcpy(&buffer[HEADROOM], head, sizeof(head));
}

static const uint8_t options[8] = {0x01, 0x02, 0x05, 0x01, 0xaa, 0xbb, 0xcc, 0xdd};

static struct tun_outer make_with_options(enum tun_kind kind, bool ipv4, uint16_t flags)
{
	struct tun_outer outer = make_outer(kind, ipv4, flags);

	if (kind == TUN_GENEVE) {
		outer.options = options;
		outer.options_size = sizeof(options);
	}
	return outer;
}

static void push(struct rte_mbuf *m, const struct tun_outer *outer, struct pkt_key *key,
                 struct pkt_offsets *ofs)
{
	struct pkt_tunnel_header header;

	make_inner(m);
	assert_int_equal(tun_header_build(outer, &header), 0);
	assert_int_equal(tun_push(&header, m, 0x80000000), 0);
	memset(key, 0, sizeof(*key));
	memset(ofs, 0, sizeof(*ofs));
	assert_int_equal(pkt_parse_one(m, key, ofs), 0);
}

static void check_round_trip(enum tun_kind kind, bool ipv4, uint16_t flags, bool tagged)
{
	struct tun_outer outer = make_with_options(kind, ipv4, flags);
	struct rte_mbuf m;
	struct pkt_offsets ofs;
	struct pkt_key_tun tun;
	struct pkt_key key;

	if (tagged)
		outer.vlan = (struct pkt_vlan){rte_cpu_to_be_16(0x8100), rte_cpu_to_be_16(0x1064)};
	push(&m, &outer, &key, &ofs);
	assert_memory_equal(key.base.eth_dst, outer.eth_dst, 6);
	assert_int_equal(key.base.vlan[0].tci, outer.vlan.tci);
	assert_int_equal(key.base.eth_type, rte_cpu_to_be_16(ipv4 ? 0x0800 : 0x86dd));
	assert_int_equal(key.base.ip_tos, 0xb8);
	assert_int_equal(key.base.ip_ttl, 61);
	assert_int_equal(ofs.l3_len, m.pkt_len - ofs.l3);
	if (key.base.ip_proto == 17) {
		assert_int_equal(key.base.tp_dst, outer.dst_port);
		assert_int_equal(rte_be_to_cpu_16(key.base.tp_src), TUN_SPORT_LO + TUN_SPORT_N / 2);
		assert_int_equal(pkt_csum_verify(&m, ofs.l3),
		                 flags & PKT_TUN_CSUM ? PKT_CSUM_GOOD : PKT_CSUM_NONE);
	} else if (key.base.ip_proto == 6) {
		flags |= PKT_TUN_CSUM; /* always */
		assert_int_equal(key.base.tp_dst, outer.dst_port);
		assert_int_equal(key.base.tcp_flags, rte_cpu_to_be_16(TUN_STT_TCP_FLAGS));
		assert_int_equal(pkt_csum_verify(&m, ofs.l3), PKT_CSUM_GOOD);
	} else {
		assert_int_equal(key.base.ip_proto, 47);
	}

	/* Padding of the link behind the packet is not the inner frame's. */
	m.data_len += 5;
	m.pkt_len += 5;
	assert_int_equal(tun_pop(kind, &m, &ofs, &tun), PKT_DROP_NONE);
	assert_int_equal(m.pkt_len, INNER);
	assert_int_equal(m.data_off, HEADROOM);
	for (unsigned i = 14; i < INNER; i++)
		assert_int_equal(buffer[HEADROOM + i], (uint8_t)(i * 7));
	assert_int_equal(tun.id, outer.key);
	assert_memory_equal(tun.src, outer.src, 16);
	assert_memory_equal(tun.dst, outer.dst, 16);
	assert_int_equal(tun.tos, 0xb8);
	assert_int_equal(tun.ttl, 61);
	assert_int_equal(tun.flags & (PKT_TUN_CSUM | PKT_TUN_KEY),
	                 (flags & PKT_TUN_CSUM) | PKT_TUN_KEY);
}

static void test_round_trip(void **state)
{
	for (enum tun_kind kind = TUN_VXLAN; kind < TUN_N_KINDS; kind++)
		for (unsigned n = 0; n < 8; n++)
			if (kind != TUN_NVGRE || !(n & 2))
				check_round_trip(kind, n & 1, n & 2 ? PKT_TUN_CSUM : PKT_TUN_DF,
				                 n & 4);
}

/* The inline way puts on what tun_push does; what is not of that shape is not taken for it. */
static void check_push_plain(enum tun_kind kind, bool ipv4, unsigned n)
{
	static uint8_t want[sizeof(buffer)];
	struct tun_outer outer = make_with_options(kind, ipv4, PKT_TUN_DF);
	struct pkt_tunnel_header header;
	uint32_t hash = n * 0x9e3779b1u;
	struct rte_mbuf m, same;

	outer.options_size = outer.options && n & 16 ? sizeof(options) : 0;
	outer.tos = (uint8_t)n;
	outer.vlan.tci = n & 8 ? RTE_BE16(0x1064) : 0;
	outer.vlan.tpid = n & 8 ? RTE_BE16(0x8100) : 0;
	assert_int_equal(tun_header_build(&outer, &header), 0);
	make_inner(&m);
	m.data_len = (uint16_t)(14 + n % 1500);
	m.pkt_len = m.data_len + n % 7 * 9000;
	same = m;
	assert_int_equal(tun_push(&header, &same, hash), 0);
	memcpy(want, buffer, sizeof(want));
	make_inner(&m);
	m.data_len = (uint16_t)(14 + n % 1500);
	m.pkt_len = m.data_len + n % 7 * 9000;
	assert_true(tun_push_is_plain(&header, &m));
	tun_push_plain(&header, &m, hash);
	assert_memory_equal(&m, &same, sizeof(m));
	assert_memory_equal(buffer + m.data_off, want + m.data_off, header.size + INNER);
}

static void test_push_plain(void **state)
{
	for (unsigned n = 0; n < 500; n++)
		for (enum tun_kind kind = TUN_VXLAN; kind < TUN_N_KINDS; kind++)
			for (unsigned ipv4 = 0; ipv4 < 2 && !tun_kinds[kind].push; ipv4++)
				check_push_plain(kind, ipv4, n);
}

static void test_push_not_plain(void **state)
{
	static const struct {
		enum tun_kind kind;
		bool ipv4;
		uint16_t flags;
	} cases[] = {{TUN_VXLAN, true, 0},
	             {TUN_VXLAN, true, PKT_TUN_DF | PKT_TUN_CSUM},
	             {TUN_GRE, true, PKT_TUN_DF | PKT_TUN_SEQ},
	             {TUN_GRE, false, PKT_TUN_CSUM}};
	struct tun_outer outer = make_with_options(TUN_VXLAN, true, PKT_TUN_DF);
	struct pkt_tunnel_header header;
	struct rte_mbuf m;

	make_inner(&m);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(cases); i++) {
		struct tun_outer other =
		        make_with_options(cases[i].kind, cases[i].ipv4, cases[i].flags);

		assert_int_equal(tun_header_build(&other, &header), 0);
		assert_false(tun_push_is_plain(&header, &m));
	}
	assert_int_equal(tun_header_build(&outer, &header), 0);
	assert_true(tun_push_is_plain(&header, &m));
	m.pkt_len = 65535 - 36 + 1; /* with 36 bytes from IPv4 on one too many */
	assert_false(tun_push_is_plain(&header, &m));
	m.pkt_len--;
	assert_true(tun_push_is_plain(&header, &m));
	m.data_off = 63;
	assert_false(tun_push_is_plain(&header, &m));
}

static void test_truncated(void **state)
{
	for (enum tun_kind kind = TUN_VXLAN; kind < TUN_N_KINDS; kind++) {
		struct tun_outer outer = make_with_options(kind, true, 0);
		uint16_t whole = 0;

		for (uint16_t size = 0; size == 0 || size < whole - INNER + 14; size++) {
			struct rte_mbuf m;
			struct pkt_offsets ofs;
			struct pkt_key_tun tun;
			struct pkt_key key;
			uint8_t *l3;

			push(&m, &outer, &key, &ofs);
			whole = m.data_len;
			if (size < ofs.l4)
				continue;
			/* An honest IP length of a packet cut short: the inner frame is a stump. */
			l3 = rte_pktmbuf_mtod_offset(&m, uint8_t *, ofs.l3);
			ofs.l3_len = (uint16_t)(size - ofs.l3);
			l3[2] = (uint8_t)(ofs.l3_len >> 8);
			l3[3] = (uint8_t)ofs.l3_len;
			m.data_len = size;
			m.pkt_len = size;
			assert_int_equal(tun_pop(kind, &m, &ofs, &tun), PKT_DROP_TUN_BAD_HEADER);
			assert_int_equal(m.pkt_len, size);
		}
	}
}

/* A wrong checksum passes only where somebody vouches for it. */
static void test_promises(void **state)
{
	static const uint64_t states[] = {RTE_MBUF_F_RX_L4_CKSUM_NONE, RTE_MBUF_F_RX_L4_CKSUM_BAD,
	                                  RTE_MBUF_F_RX_L4_CKSUM_GOOD};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(states); i++) {
		struct tun_outer outer = make_with_options(TUN_VXLAN, true, 0);
		struct rte_mbuf m;
		struct pkt_offsets ofs;
		struct pkt_key_tun tun;
		struct pkt_key key;

		push(&m, &outer, &key, &ofs);
		*rte_pktmbuf_mtod_offset(&m, uint8_t *, ofs.l3 + 26u) = 0x12;
		m.ol_flags |= states[i];
		assert_int_equal(tun_pop(TUN_VXLAN, &m, &ofs, &tun),
		                 states[i] == RTE_MBUF_F_RX_L4_CKSUM_GOOD
		                         ? PKT_DROP_NONE
		                         : PKT_DROP_TUN_BAD_HEADER);
	}
}

static void check_refused(enum tun_kind kind, unsigned at, uint8_t value)
{
	struct tun_outer outer = make_with_options(kind, true, 0);
	struct rte_mbuf m;
	struct pkt_offsets ofs;
	struct pkt_key_tun tun;
	struct pkt_key key;

	push(&m, &outer, &key, &ofs);
	*rte_pktmbuf_mtod_offset(&m, uint8_t *, ofs.l3 + 20u + at) = value;
	assert_int_equal(tun_pop(kind, &m, &ofs, &tun), PKT_DROP_TUN_BAD_HEADER);
}

static void test_refused(void **state)
{
	check_refused(TUN_VXLAN, 8, 0x00);      /* no VNI */
	check_refused(TUN_VXLAN, 4, 0xff);      /* UDP longer than IP */
	check_refused(TUN_VXLAN, 6, 0x12);      /* a checksum, and wrong */
	check_refused(TUN_VXLAN_GPE, 8, 0x3c);  /* version 3 */
	check_refused(TUN_VXLAN_GPE, 11, 0x09); /* unknown next protocol */
	check_refused(TUN_GENEVE, 8, 0x42);     /* version 1 */
	check_refused(TUN_GENEVE, 8, 0x3f);     /* options longer than the packet */
	check_refused(TUN_GENEVE, 19, 0x1f);    /* an option longer than all options */
	check_refused(TUN_GRE, 0, 0x68);        /* RFC 1701 routing, strict source route */
	check_refused(TUN_GRE, 1, 0x01);        /* version 1: PPTP */
	check_refused(TUN_NVGRE, 0, 0x30);      /* with a sequence number */
}

static void test_build_refuses(void **state)
{
	struct tun_outer outer = make_with_options(TUN_VXLAN, true, 0);
	struct pkt_tunnel_header header;

	outer.key = rte_cpu_to_be_64(1u << 24);
	assert_int_equal(tun_header_build(&outer, &header), -EINVAL);
	outer = make_with_options(TUN_GENEVE, true, 0);
	outer.options_size = 6;
	assert_int_equal(tun_header_build(&outer, &header), -EINVAL);
	outer = make_with_options(TUN_VXLAN, true, 0);
	outer.src[10] = 0;
	assert_int_equal(tun_header_build(&outer, &header), -EINVAL);
}

static void test_ecn(void **state)
{
	/* RFC 6040, figure 4: rows are the inner, columns the outer field: 0, ECT(1), ECT(0), CE.
	 */
	static const int table[4][4] = {{0, 0, 0, -1}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};

	for (uint8_t inner = 0; inner < 4; inner++)
		for (uint8_t outer = 0; outer < 4; outer++)
			assert_int_equal(tun_ecn_inner(inner | 0xb8, outer), table[inner][outer]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_push_plain),
	        cmocka_unit_test(test_push_not_plain), cmocka_unit_test(test_truncated),
	        cmocka_unit_test(test_promises),       cmocka_unit_test(test_refused),
	        cmocka_unit_test(test_build_refuses),  cmocka_unit_test(test_ecn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
