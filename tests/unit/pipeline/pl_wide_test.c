/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equivalence on bytes: random frames of every kind (tags, labels, backbone headers, IPv4, IPv6,
 * ND, ARP) through random tables with NORMAL, select and fail-over groups, pushes, pops and
 * recirculation. What comes out through cached flows is what a translation of each packet alone
 * gives, which caches nothing, after every change of rules, MAC tables and links.
 */
#include <inttypes.h>

#include "pkt/pkt_edit.h"
#include "pkt/pkt_parse.h"
#include "pl_of_test.h"

#define N_PORTS   3
#define N_RULES   120
#define N_TABLES  3
#define FRAME_MAX 256
#define HEADROOM  256
#define MAX_OUT   512
#define MAX_TURNS 24 /* recirculations of a packet */

static uint64_t seed = 11;
static unsigned n_bad; /* edits of headers that frames lack */

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

/* Frames */

struct frame {
	uint8_t bytes[FRAME_MAX];
	uint32_t size;
};

static void put(struct frame *f, const void *bytes, uint32_t size)
{
	memcpy(f->bytes + f->size, bytes, size);
	f->size += size;
}

static void put_u16(struct frame *f, uint32_t value)
{
	put(f, &(uint16_t){rte_cpu_to_be_16((uint16_t)value)}, 2);
}

static void put_u32(struct frame *f, uint32_t value)
{
	put(f, &(uint32_t){rte_cpu_to_be_32(value)}, 4);
}

static void put_macs(struct frame *f)
{
	put(f, (uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)rnd(3)}, 6);
	put(f, (uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)rnd(3)}, 6);
}

static void put_l4(struct frame *f, unsigned proto)
{
	put_u16(f, proto == 58 ? (135 + rnd(2)) << 8 : rnd(3));
	put_u16(f, rnd(3));
	for (unsigned i = 0; i < 8; i++)
		put_u32(f, rnd(4));
}

static void put_ipv4(struct frame *f)
{
	static const uint8_t protos[] = {6, 17, 1, 132};
	unsigned proto = protos[rnd(4)];

	put(f, (uint8_t[4]){0x45, (uint8_t)(rnd(3) << 2), 0, 56}, 4);
	put_u32(f, rnd(8) ? 0 : 0x2000);
	put(f, (uint8_t[4]){(uint8_t)rnd(4), (uint8_t)proto, 0, 0}, 4);
	put_u32(f, 0x0a000000 + rnd(4));
	put_u32(f, 0x0a000000 + rnd(4));
	put_l4(f, proto);
}

static void put_ipv6(struct frame *f)
{
	static const uint8_t protos[] = {6, 17, 58};
	unsigned proto = protos[rnd(3)];

	put_u32(f, 0x60000000 | rnd(3) << 22 | rnd(3));
	put_u16(f, 36);
	put(f, (uint8_t[2]){(uint8_t)proto, (uint8_t)rnd(4)}, 2);
	for (unsigned i = 0; i < 2; i++) {
		put(f, (uint8_t[12]){0x20, 1}, 12);
		put_u32(f, rnd(3));
	}
	put_l4(f, proto);
}

static void put_network(struct frame *f)
{
	switch (rnd(4)) {
	case 0:
		put_u16(f, 0x86dd);
		put_ipv6(f);
		break;
	case 1:
		put_u16(f, 0x0806);
		put(f, (uint8_t[8]){0, 1, 8, 0, 6, 4, 0, (uint8_t)(1 + rnd(2))}, 8);
		for (unsigned i = 0; i < 5; i++)
			put_u32(f, rnd(3));
		break;
	default:
		put_u16(f, 0x0800);
		put_ipv4(f);
	}
}

static void put_labels(struct frame *f)
{
	unsigned n = 1 + rnd(3);

	put_u16(f, 0x8847);
	for (unsigned i = 0; i < n; i++)
		put_u32(f, rnd(3) << 12 | rnd(2) << 9 | (i + 1 == n) << 8 | rnd(4));
	f->bytes[f->size] = 0;
	if (rnd(2))
		put_ipv4(f);
	else
		put_ipv6(f);
}

static void put_tagged(struct frame *f)
{
	for (unsigned n = rnd(3); n; n--) {
		put_u16(f, rnd(2) ? 0x8100 : 0x88a8);
		put_u16(f, rnd(2) << 13 | rnd(3));
	}
	if (rnd(3))
		put_network(f);
	else
		put_labels(f);
}

/* Not what its types say: cut off, or with other bytes, zeroes more often than not, since a header
 * that is not there reads as zeroes. */
static void damage(struct frame *f)
{
	unsigned at = 12 + rnd(f->size - 12), n = 1 + rnd(8);

	if (rnd(2))
		f->size = at < 14 ? 14 : at;
	else
		for (unsigned i = at; i < at + n && i < f->size; i++)
			f->bytes[i] = (uint8_t)(rnd(3) ? 0 : rnd(256));
}

static struct frame random_frame(void)
{
	struct frame f = {.size = 0};

	put_macs(&f);
	if (!rnd(5)) {
		put_u16(&f, 0x88e7);
		put_u32(&f, rnd(3));
		put_macs(&f);
	}
	put_tagged(&f);
	if (!rnd(4))
		damage(&f);
	return f;
}

/* Programs on frames */

struct packet {
	struct rte_mbuf m;
	uint8_t room[HEADROOM + FRAME_MAX + HEADROOM];
	struct pkt_offsets ofs;
	bool dropped;
};

struct result {
	unsigned n;
	struct {
		uint32_t port;
		struct frame frame;
	} out[MAX_OUT];
};

static void packet_init(struct packet *p, const uint8_t *bytes, uint32_t size)
{
	memset(&p->m, 0, sizeof(p->m));
	p->m.buf_addr = p->room;
	p->m.buf_len = sizeof(p->room);
	p->m.data_off = HEADROOM;
	p->m.data_len = (uint16_t)size;
	p->m.pkt_len = size;
	p->m.nb_segs = 1;
	p->m.refcnt = 1;
	p->dropped = false;
	memcpy(p->room + HEADROOM, bytes, size);
}

static void result_add(struct result *result, uint32_t port, const struct packet *p)
{
	unsigned i = result->n++;

	assert_true(i < MAX_OUT && p->m.data_len <= FRAME_MAX);
	memset(&result->out[i], 0, sizeof(result->out[i]));
	result->out[i].port = port;
	put(&result->out[i].frame, rte_pktmbuf_mtod(&p->m, const void *), p->m.data_len);
}

/* A packet's way: with cached flows or alone, how often it went round, what came out. */
struct way {
	uint16_t in_port;
	bool cached;
	unsigned turn;
	struct result *result;
};

static void walk(struct packet *p, uint32_t recirc_id, struct way way);

static void execute(struct packet *p, const uint8_t *ops, size_t size, struct way way)
{
	FLOW_OP_FOREACH (op, ops, size) {
		static struct packet copies[16];
		static unsigned depth;

		switch (op->kind) {
		case FLOW_OP_OUTPUT:
			result_add(way.result, op->arg, p);
			break;
		case FLOW_OP_CONTROLLER:
			result_add(way.result, OFPP_CONTROLLER, p);
			break;
		case FLOW_OP_DROP:
			return;
		case FLOW_OP_CLONE:
			assert_true(depth < EVS_ARRAY_LEN(copies));
			packet_init(&copies[depth], rte_pktmbuf_mtod(&p->m, const uint8_t *),
			            p->m.data_len);
			copies[depth].ofs = p->ofs;
			depth++;
			execute(&copies[depth - 1], op->payload, op->size - sizeof(*op), way);
			depth--;
			break;
		case FLOW_OP_RECIRC:
			way.turn++;
			walk(p, ((const struct flow_op_recirc *)op->payload)->id, way);
			return;
		default:
			if (flow_op_edit(op, &p->m, &p->ofs) != 0) {
				n_bad++; /* dropped as bad-action */
				return;
			}
		}
	}
}

static bool loud;                           /* tells what it does: after a difference */
static unsigned n_hits, n_outputs, n_turns; /* the test must not be about nothing */

/* One look-up or translation, and what follows from it. */
static void walk(struct packet *p, uint32_t recirc_id, struct way way)
{
	uint32_t now_ms = evs_clock_ms();
	struct flow_prog_builder prog;
	struct flow *flow = NULL;
	struct pkt_key key = {.base = {.in_port = way.in_port, .recirc_id = recirc_id}};

	if (way.turn == MAX_TURNS)
		return;
	n_turns += way.turn > 0;
	memset(&p->ofs, 0, sizeof(p->ofs));
	if (pkt_parse_one(&p->m, &key, &p->ofs) != 0)
		return;
	pt_burst_set(&key);
	pt_burst.mbuf[0] = &p->m;
	if (way.cached) {
		pkt_parse_rehash(&pt_burst, 1, PKT_ISA_C);
		flow = flow_cache_lookup_one(pt_cache, &pt_burst, 0, now_ms);
		n_hits += flow != NULL;
	}
	if (!flow) {
		pl_translate(0, &pt_burst, 0, &pt_xlate);
		if (way.cached)
			flow = flow_cache_install(pt_cache, &pt_burst, 0, &pt_xlate, now_ms, 1000);
	}
	if (loud) {
		flow_prog_format(pt_text, sizeof(pt_text),
		                 flow ? flow->prog->ops : pt_xlate.prog.ops,
		                 flow ? flow->prog->size : pt_xlate.prog.size, NULL, NULL);
		printf("  %s, recirc %x: %s\n", flow ? "cached" : "alone", recirc_id, pt_text);
	}
	if (flow) {
		execute(p, flow->prog->ops, flow->prog->size, way);
		return;
	}
	prog = pt_xlate.prog;
	execute(p, prog.ops, prog.size, way);
}

static void compare(const struct frame *frame, uint16_t in_port)
{
	static struct result want, have;
	static struct packet p;

	have.n = want.n = 0;
	packet_init(&p, frame->bytes, frame->size);
	walk(&p, 0, (struct way){in_port, true, 0, &have});
	packet_init(&p, frame->bytes, frame->size);
	walk(&p, 0, (struct way){in_port, false, 0, &want});
	n_outputs += want.n;
	if (want.n == have.n && !memcmp(want.out, have.out, want.n * sizeof(want.out[0])))
		return;
	for (uint32_t i = 0; i < frame->size; i++)
		printf("%02x", frame->bytes[i]);
	printf("\n");
	loud = true;
	packet_init(&p, frame->bytes, frame->size);
	walk(&p, 0, (struct way){in_port, true, 0, &have});
	packet_init(&p, frame->bytes, frame->size);
	walk(&p, 0, (struct way){in_port, false, 0, &want});
	fail_msg("in at %u: %u outputs instead of %u, or others", in_port, have.n, want.n);
}

/* Random rules */

enum kind {
	KIND_ANY,
	KIND_IPV4,
	KIND_UDP,
	KIND_IPV6,
	KIND_TCP6,
	KIND_ND,
	KIND_MPLS,
	KIND_PBB,
	KIND_ARP,
	N_KINDS
};

static void random_match(struct of_flow_mod *mod, enum kind kind)
{
	static const uint16_t types[N_KINDS] = {0,      0x0800, 0x0800, 0x86dd, 0x86dd,
	                                        0x86dd, 0x8847, 0x88e7, 0x0806};
	static const uint8_t protos[N_KINDS] = {[KIND_UDP] = 17, [KIND_TCP6] = 6, [KIND_ND] = 58};

	if (!rnd(3))
		pt_match(mod, FLOW_FIELD_IN_PORT, 1 + rnd(N_PORTS));
	if (!rnd(3))
		pt_match(mod, FLOW_FIELD_ETH_DST, 0x020000000000 + rnd(3));
	if (!rnd(3))
		pt_match(mod, FLOW_FIELD_VLAN_VID, rnd(3) ? 0x1000 + rnd(3) : 0);
	if (types[kind])
		pt_match(mod, FLOW_FIELD_ETH_TYPE, types[kind]);
	if (protos[kind])
		pt_match(mod, FLOW_FIELD_IP_PROTO, protos[kind]);
	if ((kind == KIND_IPV4 || kind == KIND_UDP) && rnd(2))
		pt_match(mod, FLOW_FIELD_IPV4_DST, 0x0a000000 + rnd(4));
	if (kind == KIND_UDP && rnd(2))
		pt_match(mod, FLOW_FIELD_UDP_DST, rnd(3));
	if (kind == KIND_TCP6 && rnd(2))
		pt_match(mod, FLOW_FIELD_TCP_SRC, rnd(3));
	if (kind == KIND_ND)
		pt_match(mod, FLOW_FIELD_ICMPV6_TYPE, 135);
	if (kind == KIND_IPV6 && rnd(2))
		pt_match(mod, FLOW_FIELD_IPV6_FLABEL, rnd(3));
	if (kind == KIND_MPLS && rnd(2))
		pt_match(mod, FLOW_FIELD_MPLS_LABEL, rnd(3));
	if (kind == KIND_MPLS && !rnd(3))
		pt_match(mod, FLOW_FIELD_MPLS_BOS, rnd(2));
	if (kind == KIND_PBB && rnd(2))
		pt_match(mod, FLOW_FIELD_PBB_ISID, rnd(3));
	if (kind == KIND_ARP && rnd(2))
		pt_match(mod, FLOW_FIELD_ARP_OP, 1 + rnd(2));
}

/* What fits packets of one kind. */
static void kind_action(struct of_actions *list, enum kind kind)
{
	switch (kind) {
	case KIND_UDP:
		pt_set(list, rnd(2) ? FLOW_FIELD_UDP_SRC : FLOW_FIELD_UDP_DST, rnd(3));
		break;
	case KIND_IPV4:
		pt_set(list, rnd(2) ? FLOW_FIELD_IPV4_DST : FLOW_FIELD_IPV4_SRC,
		       0x0a000000 + rnd(4));
		break;
	case KIND_TCP6:
		pt_set(list, rnd(2) ? FLOW_FIELD_TCP_DST : FLOW_FIELD_IPV6_DST, rnd(3));
		break;
	case KIND_IPV6:
		pt_set(list, rnd(2) ? FLOW_FIELD_IPV6_FLABEL : FLOW_FIELD_IP_DSCP, rnd(3));
		break;
	case KIND_ND:
		pt_set(list, rnd(2) ? FLOW_FIELD_IPV6_ND_TARGET : FLOW_FIELD_IPV6_ND_SLL, rnd(3));
		break;
	case KIND_MPLS:
		if (rnd(2))
			pt_set(list, rnd(2) ? FLOW_FIELD_MPLS_LABEL : FLOW_FIELD_MPLS_TC, rnd(3));
		else
			pt_tag_op(list, OF_ACTION_POP_MPLS, rnd(3) ? 0x0800 : 0x8847);
		break;
	case KIND_PBB:
		if (rnd(2))
			pt_set(list, FLOW_FIELD_PBB_ISID, rnd(3));
		else
			pt_tag_op(list, OF_ACTION_POP_PBB, 0);
		break;
	case KIND_ARP:
		pt_set(list, rnd(2) ? FLOW_FIELD_ARP_SPA : FLOW_FIELD_ARP_THA, rnd(3));
		break;
	default:
		pt_set(list, FLOW_FIELD_ETH_TYPE, rnd(2) ? 0x0800 : 0x86dd);
	}
}

static struct of_actions random_actions(enum kind kind, bool in_bucket)
{
	static const uint8_t ttl[] = {OF_ACTION_COPY_TTL_OUT, OF_ACTION_COPY_TTL_IN,
	                              OF_ACTION_DEC_MPLS_TTL, OF_ACTION_DEC_NW_TTL};
	struct of_actions list = {NULL, 0};

	for (unsigned n = 1 + rnd(4); n; n--) {
		switch (rnd(12)) {
		case 0:
		case 1:
			pt_output(&list, 1 + rnd(N_PORTS));
			break;
		case 2:
			pt_output(&list, rnd(2) ? OFPP_NORMAL : OFPP_ALL);
			break;
		case 3:
			pt_set(&list, rnd(2) ? FLOW_FIELD_ETH_DST : FLOW_FIELD_ETH_SRC,
			       0x020000000000 + rnd(3));
			break;
		case 4:
			pt_tag_op(&list, OF_ACTION_PUSH_VLAN, rnd(2) ? 0x8100 : 0x88a8);
			pt_set(&list, FLOW_FIELD_VLAN_VID, 0x1000 + rnd(3));
			break;
		case 5:
			pt_tag_op(&list, OF_ACTION_POP_VLAN, 0);
			break;
		case 6:
			pt_tag_op(&list, OF_ACTION_PUSH_MPLS, 0x8847);
			break;
		case 7:
			if (!rnd(3))
				pt_tag_op(&list, OF_ACTION_PUSH_PBB, 0x88e7);
			break;
		case 8:
			if (!in_bucket)
				pt_group(&list, 1 + rnd(3));
			break;
		case 9:
			pt_act(&list, ttl[rnd(4)], 1);
			break;
		default:
			kind_action(&list, kind);
		}
	}
	return list;
}

static struct of_flow_mod random_rule(uint16_t priority)
{
	struct of_flow_mod mod = pt_mod((uint8_t)rnd(N_TABLES), priority);
	enum kind kind = rnd(N_KINDS);

	random_match(&mod, kind);
	if (rnd(4))
		pt_apply(&mod, random_actions(kind, false));
	if (!rnd(3))
		pt_write(&mod, random_actions(kind, false));
	if (!rnd(6))
		mod.insts.set |= OF_INST_CLEAR_ACTIONS;
	if (mod.table_id + 1 < N_TABLES && rnd(3))
		pt_goto(&mod, (uint8_t)(mod.table_id + 1));
	return mod;
}

static void groups_create(struct pl_bridge *br)
{
	static const unsigned types[3] = {OFPGT_ALL, OFPGT_SELECT, OFPGT_FF};
	struct of_bucket buckets[3];

	for (uint32_t g = 0; g < 3; g++) {
		for (unsigned i = 0; i < 3; i++)
			buckets[i] = pt_bucket((uint16_t)(types[g] == OFPGT_SELECT ? 1 + i : 0),
			                       types[g] == OFPGT_FF ? 1 + rnd(N_PORTS) : OFPP_ANY,
			                       random_actions(rnd(N_KINDS), true));
		pt_group_mod(br, OFPGC_ADD, g + 1, types[g], buckets, 3);
	}
}

/* Rules by priority; table 255: none. What does not fit its match is refused, which is fine. */
static void change_one(struct pl_bridge *br, struct of_flow_mod rules[N_RULES])
{
	unsigned i = rnd(N_RULES);

	if (rules[i].table_id == 255) {
		struct of_flow_mod mod = random_rule((uint16_t)(i + 1));

		if (!pl_flow_mod(br, &mod, &pt_err))
			rules[i] = mod;
		return;
	}
	rules[i].command = OFPFC_DELETE_STRICT;
	pt_send(br, &rules[i]);
	rules[i].table_id = 255;
}

static void one_step(struct pl_bridge *br, struct of_flow_mod rules[N_RULES], unsigned n_changes)
{
	struct frame frames[24];

	for (; n_changes; n_changes--)
		change_one(br, rules);
	if (!rnd(4))
		pl_port_state(pl_port_by_ofport(br, 1 + rnd(N_PORTS)), 0, rnd(2));
	pt_settle(); /* addresses that were learned are in the table from here on */
	pt_commit();
	for (unsigned i = 0; i < EVS_ARRAY_LEN(frames); i++)
		frames[i] = random_frame();
	for (unsigned i = 0; i < 2 * EVS_ARRAY_LEN(frames); i++)
		compare(&frames[rnd(EVS_ARRAY_LEN(frames))], (uint16_t)(1 + rnd(N_PORTS)));
	flow_cache_poll(pt_cache);
	pl_tick();
}

static void test_bytes(void **state)
{
	static struct of_flow_mod rules[N_RULES];
	/* EVS_SOAK=N: N rounds instead, from a seed of its own, or EVS_SEED */
	const char *soak = getenv("EVS_SOAK");
	unsigned n_rounds = soak ? (unsigned)atoi(soak) : 12;

	if (soak)
		seed = getenv("EVS_SEED") ? strtoull(getenv("EVS_SEED"), NULL, 0) : evs_clock_ns();
	printf("seed %" PRIu64 "\n", seed);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct pl_bridge *br = pt_secure("br0", N_PORTS);

		for (unsigned i = 0; i < N_RULES; i++)
			rules[i].table_id = 255;
		groups_create(br);
		for (unsigned step = 0; step < 100; step++)
			one_step(br, rules, step ? 1 + rnd(3) : N_RULES);
		pl_bridge_destroy(br);
		pt_commit();
		for (unsigned i = 0; i < 4; i++) {
			flow_cache_poll(pt_cache);
			pl_tick();
			evs_rcu_synchronize();
		}
	}
	printf("%u hits, %u outputs, %u recirculations, %u bad edits\n", n_hits, n_outputs, n_turns,
	       n_bad);
	assert_true(n_hits > 400 * n_rounds && n_outputs > 1500 * n_rounds &&
	            n_turns > 50 * n_rounds && n_bad > 10 * n_rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_bytes, pt_cache_init, pt_cache_fini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
