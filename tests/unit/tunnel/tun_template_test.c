/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of outer headers: whatever fits one is, for the parser, a packet of the cached flow,
 * and tun_pop makes the same of it. Headers as tun_push makes them, mutated at random bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pkt/pkt_csum.h"
#include "pkt/pkt_parse.h"
#include "tunnel/tun_template.h"

#define HEADROOM 256
#define INNER    62
#define ROUNDS   200000

struct frame {
	struct rte_mbuf m;
	uint8_t bytes[1024];
};

static void frame_init(struct frame *f)
{
	memset(f, 0, sizeof(*f));
	f->m.buf_addr = f->bytes;
	f->m.buf_len = sizeof(f->bytes);
	f->m.data_off = HEADROOM;
	f->m.data_len = INNER;
	f->m.pkt_len = INNER;
	f->m.nb_segs = 1;
	f->m.refcnt = 1;
	for (unsigned i = 0; i < INNER; i++)
		f->bytes[HEADROOM + i] = (uint8_t)(i * 7);
}

static struct tun_outer make_outer(enum tun_kind kind, bool tagged)
{
	struct tun_outer outer = {
	        .kind = kind,
	        .eth_dst = {2, 1, 1, 1, 1, 1},
	        .eth_src = {2, 2, 2, 2, 2, 2},
	        .tos = 0xb8,
	        .ttl = 61,
	        .flags = PKT_TUN_KEY | (rand() % 2 ? PKT_TUN_DF : 0),
	        .key = rte_cpu_to_be_64((uint64_t)rand() & 0xffffff),
	        .dst_port = rte_cpu_to_be_16(tun_kinds[kind].dst_port),
	        .sport_lo = TUN_SPORT_LO,
	        .sport_n = TUN_SPORT_N,
	};

	if (tagged)
		outer.vlan = (struct pkt_vlan){RTE_BE16(PKT_ETH_VLAN), RTE_BE16(0x1064)};
	memcpy(outer.src + 10, "\xff\xff\x0a\x00\x00\x01", 6);
	memcpy(outer.dst + 10, "\xff\xff\x0a\x00\x00\x02", 6);
	return outer;
}

static void frame_push(struct frame *f, const struct tun_outer *outer)
{
	struct pkt_tunnel_header header;

	frame_init(f);
	assert_int_equal(tun_header_build(outer, &header), 0);
	assert_int_equal(tun_push(&header, &f->m, (uint32_t)rand() << 1), 0);
}

/* What the underlay's cached flow looks at, by the bits of `look`. */
static void make_mask(struct pkt_key_base *mask, unsigned look)
{
	memset(mask, 0, sizeof(*mask));
	mask->in_port = UINT16_MAX;
	mask->recirc_id = UINT32_MAX;
	mask->eth_type = UINT16_MAX;
	mask->ip_proto = UINT8_MAX;
	mask->lines = mask->frag = UINT8_MAX;
	mask->vlan[0].tci = UINT16_MAX;
	mask->ip_dst = UINT32_MAX;
	mask->tp_dst = UINT16_MAX;
	if (look & 1)
		memset(mask->eth_src, 0xff, 12); /* and the type, once more */
	if (look & 2)
		memset(mask->eth_dst, 0xff, 6);
	if (look & 4)
		mask->ip_src = RTE_BE32(0xffffff00);
	if (look & 8)
		mask->ip_tos = 3;
	if (look & 16)
		mask->ip_ttl = UINT8_MAX;
	if (look & 32)
		mask->vlan[0].tpid = UINT16_MAX;
	if (look & 64)
		mask->tp_src = RTE_BE16(0x8000);
}

static void mask_key(struct pkt_key_base *key, const struct pkt_key_base *mask)
{
	for (unsigned i = 0; i < PKT_KEY_BASE_SIZE; i++)
		((uint8_t *)key)[i] &= ((const uint8_t *)mask)[i];
	key->holder = 0;
}

/* A cached flow of the underlay, and its template. */
struct known {
	enum tun_kind kind;
	struct pkt_key_base flow, mask; /* the flow's key is masked */
	struct tun_template t;
};

/* The flow of the frame. */
static void make_flow(struct frame *f, unsigned look, struct known *k)
{
	struct pkt_key key = {0};
	struct pkt_offsets ofs = {0};

	make_mask(&k->mask, look);
	assert_int_equal(pkt_parse_one(&f->m, &key, &ofs), 0);
	k->flow = key.base;
	mask_key(&k->flow, &k->mask);
	assert_true(
	        tun_template_make(k->kind, tun_kinds[k->kind].dst_port, &k->flow, &k->mask, &k->t));
}

static void fix_ip_sum(struct frame *f, uint32_t l3)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(&f->m, uint8_t *, l3);
	uint16_t csum;

	pkt_st16(ip + 10, 0);
	csum = (uint16_t)~pkt_csum_fold(pkt_csum_add(0, ip, 20));
	pkt_st16(ip + 10, csum);
}

static void mutate(struct frame *f, uint32_t l3)
{
	uint8_t *p = rte_pktmbuf_mtod(&f->m, uint8_t *);

	for (unsigned n = (unsigned)rand() % 4; n; n--) {
		unsigned at = (unsigned)rand() % (l3 + 38);

		p[at] = rand() % 2 ? (uint8_t)rand() : (uint8_t)(p[at] ^ 1u << rand() % 8);
	}
	if (rand() % 4)
		fix_ip_sum(f, l3);
	if (rand() % 8 == 0) {
		int more = rand() % 9 - 4;

		f->m.data_len = (uint16_t)(f->m.data_len + more);
		f->m.pkt_len = f->m.data_len;
	}
	if (rand() % 8 == 0)
		f->m.ol_flags =
		        rand() % 2 ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	if (rand() % 64 == 0)
		f->m.refcnt = 2;
}

/* A frame that fits: the long way agrees in every respect. */
static void check_same(struct frame *f, const struct known *k)
{
	struct frame other = *f;
	struct pkt_key key = {0};
	struct pkt_offsets ofs = {0};
	struct pkt_key_tun want, got;

	assert_int_equal(pkt_parse_one(&f->m, &key, &ofs), 0);
	mask_key(&key.base, &k->mask);
	assert_memory_equal(&key.base, &k->flow, PKT_KEY_BASE_SIZE);
	other.m.buf_addr = other.bytes;
	assert_int_equal(tun_pop(k->kind, &other.m, &ofs, &want), PKT_DROP_NONE);
	tun_template_pop(&k->t, &f->m, &got);
	assert_memory_equal(&got, &want, sizeof(want));
	assert_int_equal(f->m.data_off, other.m.data_off);
	assert_int_equal(f->m.data_len, other.m.data_len);
	assert_int_equal(f->m.pkt_len, other.m.pkt_len);
	assert_int_equal(f->m.ol_flags, other.m.ol_flags);
}

static void check_kind(enum tun_kind kind, bool tagged)
{
	struct known k = {.kind = kind};
	unsigned n_fit = 0, n_plain = 0;
	struct frame f;

	srand((unsigned)kind);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct tun_outer outer = make_outer(kind, tagged);

		frame_push(&f, &outer);
		if (i % 64 == 0)
			make_flow(&f, (unsigned)rand(), &k);
		if (i % 4)
			mutate(&f, k.t.l3);
		else
			n_plain++;
		if (!tun_template_may_fit(&f.m) || !tun_template_fits(&k.t, &f.m))
			continue;
		n_fit++;
		check_same(&f, &k);
	}
	/* what nobody touched fits, but for a source port that the flow may look at */
	assert_in_range(n_fit, n_plain / 2, ROUNDS);
}

static void test_same(void **state)
{
	for (unsigned tagged = 0; tagged < 2; tagged++) {
		check_kind(TUN_VXLAN, tagged);
		check_kind(TUN_VXLAN_GPE, tagged);
		check_kind(TUN_GENEVE, tagged);
	}
}

/* Each of these has its own way: one bit, and the frame does not fit. */
static void test_refused(void **state)
{
	static const struct {
		uint8_t at, value;
	} changes[] = {
	        {14, 0x46},             /* IPv4 options */
	        {20, 0x20}, {21, 1},    /* fragments: the first, a later one */
	        {23, 6},                /* TCP */
	        {30, 11},               /* another local address */
	        {36, 0x13},             /* another UDP port */
	        {38, 1},                /* UDP longer than IP */
	        {39, 40},               /* and shorter */
	        {41, 1},                /* a checksum that nobody vouches for */
	        {42, 0},    {42, 0x88}, /* no network; group policy */
	};
	struct tun_outer outer = make_outer(TUN_VXLAN, false);
	struct known k = {.kind = TUN_VXLAN};
	struct frame f;

	frame_push(&f, &outer);
	make_flow(&f, 0, &k);
	assert_true(tun_template_fits(&k.t, &f.m));
	for (unsigned i = 0; i < EVS_ARRAY_LEN(changes); i++) {
		frame_push(&f, &outer);
		*rte_pktmbuf_mtod_offset(&f.m, uint8_t *, changes[i].at) = changes[i].value;
		fix_ip_sum(&f, 14);
		assert_false(tun_template_fits(&k.t, &f.m));
	}
	frame_push(&f, &outer);
	*rte_pktmbuf_mtod_offset(&f.m, uint8_t *, 24) ^= 1; /* checksum of IPv4 */
	assert_false(tun_template_fits(&k.t, &f.m));
}

static void test_no_template(void **state)
{
	struct tun_outer outer = make_outer(TUN_VXLAN, false);
	struct known k = {.kind = TUN_VXLAN};
	struct frame f;

	frame_push(&f, &outer);
	make_flow(&f, 0, &k);
	assert_false(tun_template_make(TUN_GRE, 0, &k.flow, &k.mask, &k.t));
	assert_false(tun_template_make(TUN_VXLAN, 4790, &k.flow, &k.mask, &k.t));
	k.flow.frag = PKT_FRAG_ANY;
	assert_false(tun_template_make(TUN_VXLAN, 4789, &k.flow, &k.mask, &k.t));
	k.flow.frag = 0;
	k.flow.eth_type = RTE_BE16(PKT_ETH_IPV6);
	assert_false(tun_template_make(TUN_VXLAN, 4789, &k.flow, &k.mask, &k.t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_same),
	        cmocka_unit_test(test_refused),
	        cmocka_unit_test(test_no_template),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
