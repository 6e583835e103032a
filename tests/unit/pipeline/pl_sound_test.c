/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Soundness of un-wildcarding, by chance: translation may depend only on bits that its mask has. So
 * a packet that differs in other bits only must get the very same program.
 */
#include "pl_of_test.h"

static uint64_t seed = 42;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

static void random_match(struct of_flow_mod *mod)
{
	if (!rnd(3))
		pt_match(mod, FLOW_FIELD_IN_PORT, 1 + rnd(3));
	if (!rnd(3))
		pt_match(mod, FLOW_FIELD_ETH_DST, 0x020000000000 + rnd(3));
	if (!rnd(4))
		pt_match(mod, FLOW_FIELD_VLAN_VID, rnd(3) ? 0x1000 + rnd(3) : 0);
	if (!rnd(4))
		pt_match(mod, FLOW_FIELD_METADATA, rnd(2));
	if (rnd(3)) {
		pt_match(mod, FLOW_FIELD_ETH_TYPE, 0x0800);
		if (!rnd(2))
			pt_match(mod, FLOW_FIELD_IPV4_DST, 0x0a000000 + rnd(4));
		if (!rnd(3))
			pt_match(mod, FLOW_FIELD_IP_DSCP, rnd(3));
		if (rnd(2)) {
			pt_match(mod, FLOW_FIELD_IP_PROTO, 17);
			if (rnd(2))
				pt_match(mod, FLOW_FIELD_UDP_DST, rnd(4));
		}
	}
}

static bool has_ip(const struct of_flow_mod *mod)
{
	return mod->match.key.pkt.base.eth_type == RTE_BE16(0x0800);
}

static void random_action(struct of_actions *list, bool ip)
{
	switch (rnd(ip ? 12 : 6)) {
	case 0:
	case 1:
		pt_output(list, 1 + rnd(3));
		break;
	case 2:
		pt_set(list, FLOW_FIELD_ETH_DST, 0x020000000000 + rnd(3));
		break;
	case 3:
		pt_tag_op(list, OF_ACTION_PUSH_VLAN, rnd(2) ? 0x8100 : 0x88a8);
		break;
	case 4:
		pt_tag_op(list, OF_ACTION_POP_VLAN, 0);
		break;
	case 5:
		pt_group(list, 1 + rnd(3));
		break;
	case 6:
		pt_set(list, FLOW_FIELD_IPV4_DST, 0x0a000000 + rnd(4));
		break;
	case 7:
		pt_set(list, FLOW_FIELD_IP_DSCP, rnd(3));
		break;
	case 8:
		pt_act(list, OF_ACTION_DEC_NW_TTL, 1);
		break;
	case 9:
		pt_output(list, OFPP_NORMAL);
		break;
	case 10:
		pt_output(list, OFPP_ALL);
		break;
	case 11:
		pt_output(list, OFPP_IN_PORT);
		break;
	}
}

static struct of_actions random_actions(unsigned max, bool ip)
{
	struct of_actions list = {NULL, 0};
	unsigned n = 1 + rnd(max);

	for (unsigned i = 0; i < n; i++)
		random_action(&list, ip);
	return list;
}

static void random_tables(struct pl_bridge *br)
{
	struct of_bucket buckets[3];

	for (uint32_t id = 1; id <= 3; id++) {
		struct of_actions list = {NULL, 0};

		for (unsigned i = 0; i < 3; i++) {
			list = (struct of_actions){NULL, 0};
			if (rnd(2))
				pt_tag_op(&list, OF_ACTION_PUSH_VLAN, 0x8100);
			pt_output(&list, 1 + rnd(3));
			buckets[i] = pt_bucket((uint16_t)(id == 2 ? 1 + i : 0),
			                       id == 3 ? 1 + rnd(3) : OFPP_ANY, list);
		}
		pt_group_mod(br, OFPGC_ADD, id,
		             id == 1   ? OFPGT_ALL
		             : id == 2 ? OFPGT_SELECT
		                       : OFPGT_FF,
		             buckets, 3);
	}
	for (unsigned i = 0; i < 60; i++) {
		struct of_flow_mod mod = pt_mod((uint8_t)rnd(3), (uint16_t)rnd(20));

		random_match(&mod);
		if (rnd(3))
			pt_apply(&mod, random_actions(3, has_ip(&mod)));
		if (!rnd(3))
			pt_write(&mod, random_actions(3, has_ip(&mod)));
		if (!rnd(4)) {
			mod.insts.set |= OF_INST_WRITE_METADATA;
			mod.insts.metadata = rnd(2);
			mod.insts.metadata_mask = 1;
		}
		if (mod.table_id < 2 && rnd(3))
			pt_goto(&mod, (uint8_t)(mod.table_id + 1));
		pl_flow_mod(br, &mod, &pt_err); /* some do not fit their match: refused */
	}
	pt_commit();
}

static struct pkt_key random_packet(void)
{
	struct pkt_key key = pt_packet((uint16_t)(1 + rnd(3)), (uint8_t)rnd(3), (uint8_t)rnd(3));

	key.base.ip_dst = rte_cpu_to_be_32(0x0a000000 + rnd(4));
	key.base.tp_dst = rte_cpu_to_be_16((uint16_t)rnd(4));
	key.base.ip_tos = (uint8_t)(rnd(3) << 2);
	key.base.ip_ttl = (uint8_t)rnd(4);
	for (unsigned n = rnd(3); n; n--)
		pt_tag(&key, (uint16_t)rnd(3));
	if (!rnd(3)) {
		memset(&key.base.ip_proto, 0, 26);
		key.base.eth_type = RTE_BE16(0x1234);
	}
	return key;
}

/* Bits that nobody looked at are thrown anew; a tag stays a tag, what is no IP stays none. */
static struct pkt_key mutate(const struct pkt_key *key, const struct pkt_key *mask)
{
	struct pkt_key other = *key;
	uint8_t *to = (uint8_t *)&other.base;
	const uint8_t *m = (const uint8_t *)&mask->base;
	size_t end = key->base.eth_type == RTE_BE16(0x0800) ? 47 : 30;

	for (size_t i = 8; i < end; i++) {
		uint8_t bits = (uint8_t)(rnd(256) & ~m[i]);

		if (i >= 20 && i < 30) /* type, tags */
			continue;
		to[i] ^= bits;
	}
	for (unsigned i = 0; i < PKT_N_VLANS; i++)
		if (other.base.vlan[i].tci)
			other.base.vlan[i].tci ^= rte_cpu_to_be_16((uint16_t)rnd(0x10000)) &
			                          ~mask->base.vlan[i].tci & RTE_BE16(0xefff);
	return other;
}

/* Masked set of `size` bytes at `field`. */
static void set_bytes(void *field, const void *value, const void *mask, size_t size)
{
	uint8_t *f = field;
	const uint8_t *v = value, *m = mask;

	for (size_t i = 0; i < size; i++)
		f[i] = (uint8_t)((f[i] & ~m[i]) | v[i]);
}

/* Runs set ops from `at` on the key; returns where another op stands. */
static size_t run_sets(const struct flow_prog_builder *prog, size_t at, struct pkt_key_base *key)
{
	for (; at < prog->size;) {
		const struct flow_op *op = (const void *)&prog->ops[at];
		const struct pkt_set_eth *eth = (const void *)op->payload;
		const struct pkt_set_ipv4 *ip = (const void *)op->payload;

		if (op->kind == FLOW_OP_SET_ETH) {
			set_bytes(key->eth_dst, eth->value, eth->mask, 12);
		} else if (op->kind == FLOW_OP_SET_IPV4) {
			set_bytes(&key->ip_src, &ip->src, &ip->src_mask, 4);
			set_bytes(&key->ip_dst, &ip->dst, &ip->dst_mask, 4);
			set_bytes(&key->ip_tos, &ip->tos, &ip->tos_mask, 1);
			set_bytes(&key->ip_ttl, &ip->ttl, &ip->ttl_mask, 1);
		} else {
			break;
		}
		at += op->size;
	}
	return at;
}

/*
 * The programs do the same to this packet: the same other ops on the same fields. They need not be
 * equal byte by byte: which word of a tuple turned a packet away, and so was looked at, may differ
 * between packets that the mask does not tell apart, and what was looked at and is right need not
 * be set.
 */
static bool same_effect(const struct flow_prog_builder *a, const struct flow_prog_builder *b,
                        const struct pkt_key *packet)
{
	struct pkt_key_base key_a = packet->base, key_b = packet->base;
	size_t i = 0, j = 0;

	for (;;) {
		const struct flow_op *op;

		i = run_sets(a, i, &key_a);
		j = run_sets(b, j, &key_b);
		if (i == a->size || j == b->size)
			return i == a->size && j == b->size;
		op = (const void *)&a->ops[i];
		if (j + op->size > b->size || memcmp(op, &b->ops[j], op->size) ||
		    memcmp(&key_a, &key_b, sizeof(key_a)))
			return false;
		i += op->size;
		j += op->size;
	}
}

static void test_same_program(void **state)
{
	static struct flow_prog_builder first;

	for (unsigned round = 0; round < 60; round++) {
		struct pl_bridge *br = pt_secure("br0", 3);

		random_tables(br);
		for (unsigned i = 0; i < 200; i++) {
			struct pkt_key key = random_packet(), other;
			struct pkt_key mask;
			char text[4096];

			strcpy(text, pt_translate(&key));
			first = pt_xlate.prog;
			mask = pt_xlate.mask;
			for (unsigned j = 0; j < 4; j++) {
				other = mutate(&key, &mask);
				pt_translate(&other);
				if (!same_effect(&first, &pt_xlate.prog, &other))
					fail_msg("round %u packet %u:\n%s\n%s", round, i, text,
					         pt_text);
			}
		}
		pl_bridge_destroy(br);
		pt_commit();
		pl_tick();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_same_program, pt_init, pt_fini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
