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
#include "tun_frames.h"

#define INNER  62
#define ROUNDS 120000
#define NO_KEY 0x8000 /* of a shape's flags */

struct shape {
	enum tun_kind kind;
	uint16_t flags; /* PKT_TUN_* */
	bool ipv4, tagged;
};

struct frame {
	struct rte_mbuf m;
	uint8_t bytes[1024];
};

/* The same but for what differs from packet to packet of an underlay. */
static struct tun_outer make_some(const struct shape *shape)
{
	struct tun_outer outer = make_outer(shape->kind, shape->ipv4, shape->flags);
	static uint8_t options[TUN_GENEVE_OPTIONS_MAX];

	if (shape->tagged)
		outer.vlan = (struct pkt_vlan){RTE_BE16(PKT_ETH_VLAN), RTE_BE16(0x1064)};
	outer.key = rte_cpu_to_be_64((uint64_t)rand() & 0xffffff);
	if (shape->ipv4 && rand() % 2)
		outer.flags |= PKT_TUN_DF;
	if (shape->flags & NO_KEY)
		outer.flags &= (uint16_t)~PKT_TUN_KEY;
	if (shape->kind == TUN_GENEVE && rand() % 2) {
		uint8_t n = (uint8_t)(1 + rand() % 3);

		for (unsigned i = 0; i < n * 8u; i++)
			options[i] = i % 8 == 3 ? 1 : (uint8_t)rand();
		outer.options = options;
		outer.options_size = (uint8_t)(n * 8);
	}
	return outer;
}

static void frame_push(struct frame *f, const struct tun_outer *outer)
{
	struct pkt_tunnel_header header;

	make_frame(&f->m, f->bytes, sizeof(f->bytes), INNER);
	assert_int_equal(tun_header_build(outer, &header), 0);
	assert_int_equal(tun_push(&header, &f->m, (uint32_t)rand() << 1), 0);
}

/* What the underlay's cached flow looks at, by the bits of `look`. */
static void make_mask(struct pkt_key *whole, unsigned look)
{
	struct pkt_key_base *mask = &whole->base;

	memset(whole, 0, sizeof(*whole));
	memset(whole->ext.ipv6.dst, 0xff, 16);
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
		mask->ip_src = RTE_BE32(0xffffff00), memset(whole->ext.ipv6.src, 0xff, 9);
	if (look & 8)
		mask->ip_tos = 3;
	if (look & 16)
		mask->ip_ttl = UINT8_MAX;
	if (look & 32)
		mask->vlan[0].tpid = UINT16_MAX;
	if (look & 64)
		mask->tp_src = RTE_BE16(0x8000);
	if (look & 128)
		whole->ext.ipv6.flabel = RTE_BE32(0xff0ff);
	if (look & 256)
		memset(whole->ext.ipv6.nd_target, 0xff, 16), mask->ipv6_exthdr = UINT16_MAX;
}

/* All lines but the tunnel's. */
static void mask_key(struct pkt_key *key, const struct pkt_key *mask)
{
	for (unsigned i = 0; i < PKT_KEY_BASE_SIZE; i++)
		((uint8_t *)&key->base)[i] &= ((const uint8_t *)&mask->base)[i];
	for (unsigned i = 0; i < sizeof(key->ext.ipv6); i++)
		((uint8_t *)&key->ext.ipv6)[i] &= ((const uint8_t *)&mask->ext.ipv6)[i];
	key->base.holder = 0;
}

/* A cached flow of the underlay, and its template. */
struct known {
	const struct shape *shape;
	struct pkt_key flow, mask; /* the flow's key is masked */
	struct tun_template t;
	uint32_t l4;
};

static bool make_template(struct known *k, const uint8_t *header, uint16_t dst_port)
{
	const struct tun_known known = {
	        .kind = k->shape->kind,
	        .dst_port = dst_port,
	        .key = &k->flow.base,
	        .mask = &k->mask.base,
	        .key6 = &k->flow.ext.ipv6,
	        .mask6 = &k->mask.ext.ipv6,
	        .header = header,
	};

	return tun_template_make(&known, &k->t);
}

/* The flow of the frame. */
static void make_flow(struct frame *f, unsigned look, struct known *k)
{
	const struct tun_kind_ops *ops = &tun_kinds[k->shape->kind];
	struct pkt_offsets ofs = {0};
	uint32_t l4;

	make_mask(&k->mask, look);
	memset(&k->flow, 0, sizeof(k->flow));
	assert_int_equal(pkt_parse_one(&f->m, &k->flow, &ofs), 0);
	mask_key(&k->flow, &k->mask);
	l4 = ofs.l3 + (k->shape->ipv4 ? PKT_IPV4_SIZE : PKT_IPV6_SIZE);
	assert_true(make_template(
	        k,
	        rte_pktmbuf_mtod_offset(&f->m, uint8_t *, l4 + (ops->dst_port ? PKT_UDP_SIZE : 0)),
	        ops->dst_port));
	assert_int_equal(k->t.l4, l4);
}

static void fix_ip_sum(struct frame *f, uint32_t l3)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(&f->m, uint8_t *, l3);
	uint16_t csum;

	pkt_st16(ip + 10, 0);
	csum = (uint16_t)~pkt_csum_fold(pkt_csum_add(0, ip, 20));
	pkt_st16(ip + 10, csum);
}

static void mutate(struct frame *f, const struct tun_template *t)
{
	uint8_t *p = rte_pktmbuf_mtod(&f->m, uint8_t *);

	for (unsigned n = (unsigned)rand() % 4; n; n--) {
		unsigned at = (unsigned)rand() % (t->size + 24u);

		p[at] = rand() % 2 ? (uint8_t)rand() : (uint8_t)(p[at] ^ 1u << rand() % 8);
	}
	if (t->is_ipv4 && rand() % 4)
		fix_ip_sum(f, t->l3);
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
	uint32_t options, front = f->m.data_off;

	assert_int_equal(pkt_parse_one(&f->m, &key, &ofs), 0);
	mask_key(&key, &k->mask);
	assert_memory_equal(&key.base, &k->flow.base, PKT_KEY_BASE_SIZE);
	assert_memory_equal(&key.ext.ipv6, &k->flow.ext.ipv6, sizeof(key.ext.ipv6));
	other.m.buf_addr = other.bytes;
	assert_int_equal(tun_pop(k->shape->kind, &other.m, &ofs, &want), PKT_DROP_NONE);
	options = tun_template_pop(&k->t, &f->m, &got);
	assert_int_equal(options + k->t.size, f->m.data_off - front);
	assert_memory_equal(&got, &want, sizeof(want));
	assert_int_equal(f->m.data_off, other.m.data_off);
	assert_int_equal(f->m.data_len, other.m.data_len);
	assert_int_equal(f->m.pkt_len, other.m.pkt_len);
	assert_int_equal(f->m.ol_flags, other.m.ol_flags);
}

static void check_shape(const struct shape *shape)
{
	struct known k = {.shape = shape};
	unsigned n_fit = 0, n_plain = 0;
	struct frame f;

	srand((unsigned)shape->kind);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct tun_outer outer = make_some(shape);

		frame_push(&f, &outer);
		if (i % 64 == 0)
			make_flow(&f, (unsigned)rand(), &k);
		if (i % 4)
			mutate(&f, &k.t);
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

static const struct shape shapes[] = {
        {TUN_VXLAN, 0, true, false},
        {TUN_VXLAN, PKT_TUN_CSUM, true, true},
        {TUN_VXLAN_GPE, 0, true, true},
        {TUN_GENEVE, 0, true, false},
        {TUN_GENEVE, PKT_TUN_CSUM, true, true},
        {TUN_GRE, NO_KEY, true, false},
        {TUN_GRE, 0, true, true},
        {TUN_GRE, PKT_TUN_CSUM | PKT_TUN_SEQ, true, false},
        {TUN_NVGRE, 0, true, true},
        {TUN_VXLAN, 0, false, false},
        {TUN_VXLAN, PKT_TUN_CSUM, false, true},
        {TUN_VXLAN_GPE, 0, false, true},
        {TUN_GENEVE, 0, false, false},
        {TUN_GENEVE, PKT_TUN_CSUM, false, true},
        {TUN_GRE, NO_KEY | PKT_TUN_SEQ, false, false},
        {TUN_GRE, PKT_TUN_CSUM, false, true},
        {TUN_GRE, 0, false, false},
        {TUN_NVGRE, 0, false, true},
};

static void test_same(void **state)
{
	for (unsigned i = 0; i < EVS_ARRAY_LEN(shapes); i++)
		check_shape(&shapes[i]);
}

/* Each of these has its own way: one byte, and the frame does not fit. */
static const struct {
	struct shape shape;
	uint8_t at, value;
} changes[] = {
        {{TUN_VXLAN, 0, true, false}, 14, 0x46},       /* IPv4 options */
        {{TUN_VXLAN, 0, true, false}, 20, 0x20},       /* the first of some fragments */
        {{TUN_VXLAN, 0, true, false}, 21, 1},          /* a later one */
        {{TUN_VXLAN, 0, true, false}, 23, 6},          /* TCP */
        {{TUN_VXLAN, 0, true, false}, 30, 11},         /* another local address */
        {{TUN_VXLAN, 0, true, false}, 36, 0x13},       /* another UDP port */
        {{TUN_VXLAN, 0, true, false}, 38, 1},          /* UDP longer than IP */
        {{TUN_VXLAN, 0, true, false}, 39, 40},         /* and shorter */
        {{TUN_VXLAN, 0, true, false}, 41, 1},          /* a wrong checksum of UDP */
        {{TUN_VXLAN, 0, true, false}, 42, 0},          /* no network */
        {{TUN_VXLAN, 0, true, false}, 42, 0x88},       /* group policy */
        {{TUN_GENEVE, 0, true, false}, 42, 0x80},      /* another version */
        {{TUN_GENEVE, 0, true, false}, 42, 0x3f},      /* options longer than the packet */
        {{TUN_GENEVE, 0, true, false}, 43, 0x80},      /* operations */
        {{TUN_GENEVE, 0, true, false}, 44, 0x08},      /* no Ethernet inside */
        {{TUN_GRE, 0, true, false}, 34, 0},            /* no key */
        {{TUN_GRE, 0, true, false}, 34, 0x60},         /* routing */
        {{TUN_GRE, 0, true, false}, 35, 1},            /* another version */
        {{TUN_GRE, 0, true, false}, 36, 0x08},         /* no Ethernet inside */
        {{TUN_GRE, PKT_TUN_CSUM, true, false}, 38, 0}, /* a wrong checksum of GRE */
        {{TUN_GRE, PKT_TUN_CSUM, true, false}, 70, 0}, /* of it too */
        {{TUN_VXLAN, 0, false, false}, 14, 0x40},      /* another version of IP */
        {{TUN_VXLAN, 0, false, false}, 19, 0x71},      /* longer than the frame */
        {{TUN_VXLAN, 0, false, false}, 20, 60},        /* an extension header */
        {{TUN_VXLAN, 0, false, false}, 53, 3},         /* another local address */
        {{TUN_VXLAN, 0, false, false}, 57, 0xb6},      /* another UDP port */
        {{TUN_VXLAN, 0, false, false}, 62, 0},         /* no network */
        {{TUN_VXLAN, 0, false, true}, 66, 0},          /* behind a tag: in the bytes behind 64 */
        {{TUN_VXLAN, PKT_TUN_CSUM, false, false}, 100, 0}, /* a wrong checksum of UDP */
        {{TUN_NVGRE, 0, false, false}, 54, 0x30},          /* a sequence number */
};

static void test_refused(void **state)
{
	for (unsigned i = 0; i < EVS_ARRAY_LEN(changes); i++) {
		const struct shape *shape = &changes[i].shape;
		struct tun_outer outer = make_outer(shape->kind, shape->ipv4, shape->flags);
		struct known k = {.shape = shape};
		struct frame f;

		if (shape->tagged)
			outer.vlan = (struct pkt_vlan){RTE_BE16(PKT_ETH_VLAN), RTE_BE16(0x1064)};
		frame_push(&f, &outer);
		make_flow(&f, 0, &k);
		assert_true(tun_template_fits(&k.t, &f.m));
		*rte_pktmbuf_mtod_offset(&f.m, uint8_t *, changes[i].at) = changes[i].value;
		if (shape->ipv4)
			fix_ip_sum(&f, 14);
		assert_false(tun_template_fits(&k.t, &f.m));
		if (!shape->ipv4)
			continue;
		frame_push(&f, &outer);
		*rte_pktmbuf_mtod_offset(&f.m, uint8_t *, 24) ^= 1; /* checksum of IPv4 */
		assert_false(tun_template_fits(&k.t, &f.m));
	}
}

static void test_no_template(void **state)
{
	const struct shape vxlan = {TUN_VXLAN, 0, true, false}, gre = {TUN_GRE, 0, true, false};
	const uint8_t i[TUN_PLAIN_SIZE] = {8}, none[TUN_PLAIN_SIZE] = {0};
	struct tun_outer outer = make_outer(TUN_VXLAN, true, 0);
	struct known k = {.shape = &vxlan};
	struct frame f;

	frame_push(&f, &outer);
	make_flow(&f, 0, &k);
	assert_true(make_template(&k, i, 4789));
	assert_false(make_template(&k, none, 4789));
	assert_false(make_template(&k, i, 4790));
	k.shape = &gre;
	assert_false(make_template(&k, tun_kinds[TUN_GRE].plain->want, 0));
	k.shape = &vxlan;
	k.flow.base.frag = PKT_FRAG_ANY;
	assert_false(make_template(&k, i, 4789));
	k.flow.base.frag = 0;
	k.flow.base.eth_type = RTE_BE16(PKT_ETH_IPV6);
	assert_false(make_template(&k, i, 4789)); /* but no line of it */
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
