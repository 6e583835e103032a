/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equivalence: for random tables and packets, what comes out through cache and programs is what a
 * plain interpreter gives that knows no cache, no masks and no programs; after every rule change.
 */
#include <inttypes.h>

#include "pl_of_test.h"

#define N_PORTS  3
#define MAX_TAGS 6 /* as many as translation knows; one more drops the packet */
#define MAX_OUT  256

static uint64_t seed = 7;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

/* A packet on its way, with all of its tags. */
struct packet {
	struct pkt_key_base base; /* without tags */
	struct pkt_vlan tag[MAX_TAGS];
	unsigned n_tags;
};

struct result {
	bool failed; /* the whole packet is dropped */
	unsigned n;
	struct {
		uint32_t port;
		struct packet packet;
	} out[MAX_OUT];
};

static void result_add(struct result *result, uint32_t port, const struct packet *packet)
{
	assert_true(result->n < MAX_OUT);
	result->out[result->n].port = port;
	result->out[result->n++].packet = *packet;
}

static void packet_push(struct packet *packet, struct pkt_vlan tag)
{
	assert_true(packet->n_tags < MAX_TAGS);
	memmove(&packet->tag[1], &packet->tag[0], (MAX_TAGS - 1) * sizeof(tag));
	packet->tag[0] = tag;
	packet->n_tags++;
}

static void packet_pop(struct packet *packet)
{
	memmove(&packet->tag[0], &packet->tag[1], (MAX_TAGS - 1) * sizeof(packet->tag[0]));
	memset(&packet->tag[MAX_TAGS - 1], 0, sizeof(packet->tag[0]));
	packet->n_tags--;
}

static struct packet packet_of(const struct pkt_key *key)
{
	struct packet packet = {.base = key->base};

	for (unsigned i = 0; i < 2; i++)
		if (key->base.vlan[i].tci)
			packet.tag[packet.n_tags++] = key->base.vlan[i];
	memset(packet.base.vlan, 0, sizeof(packet.base.vlan));
	packet.base.holder = 0;
	return packet;
}

/* The interpreter */

static struct of_flow_mod rules[200]; /* what the switch was told; unused: table_id 255 */
static struct of_bucket buckets[3][3];
static unsigned n_buckets[3];

struct run {
	struct packet packet;
	uint32_t in_port;
	uint64_t metadata;
	struct result *result;
	bool stopped;
};

static void key_of(const struct run *run, struct flow_key *key)
{
	memset(key, 0, sizeof(*key));
	key->pkt.base = run->packet.base;
	memcpy(key->pkt.base.vlan, run->packet.tag, sizeof(key->pkt.base.vlan));
	key->pipe.in_port = rte_cpu_to_be_32(run->in_port);
	key->pipe.metadata = rte_cpu_to_be_64(run->metadata);
}

static bool matches(const struct flow_match *match, const struct flow_key *key)
{
	const uint64_t *k = (const uint64_t *)key, *v = (const uint64_t *)&match->key;
	const uint64_t *m = (const uint64_t *)&match->mask;

	for (unsigned i = 0; i < FLOW_KEY_N_U64; i++)
		if ((k[i] ^ v[i]) & m[i])
			return false;
	return true;
}

static const struct of_flow_mod *best_rule(const struct run *run, unsigned table)
{
	const struct of_flow_mod *best = NULL;
	struct flow_key key;

	key_of(run, &key);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(rules); i++)
		if (rules[i].table_id == table && matches(&rules[i].match, &key) &&
		    (!best || rules[i].priority > best->priority))
			best = &rules[i];
	return best;
}

static void run_actions(struct run *run, const struct of_actions *actions);

static void run_set(struct run *run, const struct of_actions *written, unsigned n)
{
	static const uint8_t order[] = {OF_ACTION_POP_VLAN,   OF_ACTION_PUSH_VLAN,
	                                OF_ACTION_DEC_NW_TTL, OF_ACTION_SET_FIELD,
	                                OF_ACTION_GROUP,      OF_ACTION_OUTPUT};
	const struct of_action *last[6][FLOW_N_FIELDS] = {0};

	for (unsigned w = 0; w < n; w++)
		OF_ACTION_FOREACH(action, &written[w])
	for (unsigned o = 0; o < 6; o++)
		if (order[o] == action->kind)
			last[o][action->kind == OF_ACTION_SET_FIELD ? action->field : 0] = action;
	if (last[4][0])
		last[5][0] = NULL;
	for (unsigned o = 0; o < 6; o++)
		for (unsigned f = 0; f < FLOW_N_FIELDS; f++)
			if (last[o][f]) {
				struct of_actions one = {last[o][f], last[o][f]->size8 * 8u};

				run_actions(run, &one);
			}
}

static void run_group(struct run *run, uint32_t id)
{
	unsigned n = id == 1 ? n_buckets[0] : 1; /* all; indirect; the first is live */

	for (unsigned i = 0; i < n; i++) {
		struct run copy = *run;

		run_set(&copy, &buckets[id - 1][i].actions, 1);
	}
}

static void run_output(struct run *run, uint32_t port)
{
	if (port == OFPP_IN_PORT)
		result_add(run->result, run->in_port, &run->packet);
	else if (port == OFPP_ALL) {
		for (uint32_t i = 1; i <= N_PORTS; i++)
			if (i != run->in_port)
				result_add(run->result, i, &run->packet);
	} else if (port != run->in_port) {
		result_add(run->result, port, &run->packet);
	}
}

static void run_set_field(struct run *run, const struct of_action *action)
{
	struct flow_key key;
	bool on_tag = action->field == FLOW_FIELD_VLAN_VID || action->field == FLOW_FIELD_VLAN_PCP;
	bool on_ip = action->field == FLOW_FIELD_IPV4_DST || action->field == FLOW_FIELD_IP_DSCP;

	if ((on_tag && !run->packet.n_tags) ||
	    (on_ip && run->packet.base.eth_type != RTE_BE16(0x0800)))
		return;
	key_of(run, &key);
	flow_field_put(&flow_fields[action->field], &key, action->value);
	if (on_tag)
		run->packet.tag[0].tci = key.pkt.base.vlan[0].tci | RTE_BE16(0x1000);
	else
		memcpy(&run->packet.base, &key.pkt.base, sizeof(key.pkt.base));
	memset(run->packet.base.vlan, 0, sizeof(run->packet.base.vlan));
	run->metadata = rte_be_to_cpu_64(key.pipe.metadata);
}

static void run_ttl(struct run *run)
{
	if (run->packet.base.eth_type != RTE_BE16(0x0800))
		return;
	if (run->packet.base.ip_ttl <= 1) {
		result_add(run->result, OFPP_CONTROLLER, &run->packet);
		run->stopped = true;
		return;
	}
	run->packet.base.ip_ttl--;
}

static void run_actions(struct run *run, const struct of_actions *actions)
{
	OF_ACTION_FOREACH(action, actions)
	{
		struct pkt_vlan tag;

		if (run->stopped)
			return;
		switch (action->kind) {
		case OF_ACTION_OUTPUT:
			run_output(run, action->port);
			break;
		case OF_ACTION_GROUP:
			run_group(run, action->group_id);
			break;
		case OF_ACTION_PUSH_VLAN:
			tag.tpid = rte_cpu_to_be_16(action->eth_type);
			tag.tci = run->packet.tag[0].tci | RTE_BE16(0x1000);
			if (run->packet.n_tags == MAX_TAGS) {
				run->result->failed = run->stopped = true;
				return;
			}
			packet_push(&run->packet, tag);
			break;
		case OF_ACTION_POP_VLAN:
			if (run->packet.n_tags)
				packet_pop(&run->packet);
			break;
		case OF_ACTION_DEC_NW_TTL:
			run_ttl(run);
			break;
		default:
			run_set_field(run, action);
		}
	}
}

static void interpret(struct run *run)
{
	struct of_actions written[8];
	unsigned n_written = 0, table = 0;

	for (;;) {
		const struct of_flow_mod *rule = best_rule(run, table);

		if (!rule)
			return;
		if (rule->insts.set & OF_INST_APPLY_ACTIONS)
			run_actions(run, &rule->insts.apply);
		if (run->stopped)
			return;
		if (rule->insts.set & OF_INST_CLEAR_ACTIONS)
			n_written = 0;
		if (rule->insts.set & OF_INST_WRITE_ACTIONS)
			written[n_written++] = rule->insts.write;
		if (rule->insts.set & OF_INST_WRITE_METADATA)
			run->metadata =
			        (run->metadata & ~rule->insts.metadata_mask) | rule->insts.metadata;
		if (!(rule->insts.set & OF_INST_GOTO_TABLE))
			break;
		table = rule->insts.goto_table;
	}
	run_set(run, written, n_written);
}

/* Programs on packets */

static void masked(void *to, const void *value, const void *mask, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = (uint8_t)((((uint8_t *)to)[i] & ~((const uint8_t *)mask)[i]) |
		                               ((const uint8_t *)value)[i]);
}

static void exec_ipv4(struct pkt_key_base *base, const struct pkt_set_ipv4 *set)
{
	masked(&base->ip_src, &set->src, &set->src_mask, 4);
	masked(&base->ip_dst, &set->dst, &set->dst_mask, 4);
	masked(&base->ip_tos, &set->tos, &set->tos_mask, 1);
	masked(&base->ip_ttl, &set->ttl, &set->ttl_mask, 1);
}

static void exec_vlan(struct packet *packet, const struct pkt_set_vlan *set)
{
	assert_true(packet->n_tags > 0);
	masked(&packet->tag[0].tpid, &set->value.tpid, &set->mask.tpid, 2);
	masked(&packet->tag[0].tci, &set->value.tci, &set->mask.tci, 2);
}

static void execute(struct packet *packet, const uint8_t *ops, size_t size, struct result *result)
{
	FLOW_OP_FOREACH (op, ops, size) {
		const void *p = op->payload;
		struct packet copy;

		switch (op->kind) {
		case FLOW_OP_OUTPUT:
			result_add(result, op->arg, packet);
			break;
		case FLOW_OP_CONTROLLER:
			result_add(result, OFPP_CONTROLLER, packet);
			break;
		case FLOW_OP_DROP:
			return;
		case FLOW_OP_CLONE:
			copy = *packet;
			execute(&copy, p, op->size - sizeof(*op), result);
			break;
		case FLOW_OP_PUSH_VLAN:
			packet_push(packet, ((const struct flow_op_push_vlan *)p)->vlan);
			break;
		case FLOW_OP_POP_VLAN:
			assert_true(packet->n_tags > 0);
			packet_pop(packet);
			break;
		case FLOW_OP_SET_VLAN:
			exec_vlan(packet, p);
			break;
		case FLOW_OP_SET_ETH:
			masked(packet->base.eth_dst, p, (const uint8_t *)p + 16, 12);
			break;
		case FLOW_OP_SET_IPV4:
			exec_ipv4(&packet->base, p);
			break;
		default:
			fail_msg("op %u", op->kind);
		}
	}
}

static unsigned n_hits, n_outputs; /* the test must not be about nothing */

/* One packet through the cache of worker 0. */
static void through_cache(const struct pkt_key *key, struct result *result)
{
	uint32_t now_ms = evs_clock_ms();
	struct packet packet = packet_of(key);
	struct flow *flow;

	pt_burst_set(key);
	pt_burst.mbuf[0] = &pt_mbuf;
	pkt_parse_rehash(&pt_burst, 1, PKT_ISA_C);
	flow = flow_cache_lookup_one(pt_cache, &pt_burst, 0, now_ms);
	n_hits += flow != NULL;
	if (!flow) {
		pl_translate(0, &pt_burst, 0, &pt_xlate);
		flow = flow_cache_install(pt_cache, &pt_burst, 0, &pt_xlate, now_ms, 1000);
		if (!flow) {
			execute(&packet, pt_xlate.prog.ops, pt_xlate.prog.size, result);
			return;
		}
	}
	execute(&packet, flow->prog->ops, flow->prog->size, result);
}

/* Random rules */

static struct of_actions random_actions(bool ip, bool in_bucket)
{
	struct of_actions list = {NULL, 0};

	for (unsigned n = 1 + rnd(4); n; n--) {
		switch (rnd(ip ? 11 : 8)) {
		case 0:
		case 1:
			pt_output(&list, 1 + rnd(N_PORTS));
			break;
		case 2:
			pt_set(&list, FLOW_FIELD_ETH_DST, 0x020000000000 + rnd(3));
			break;
		case 3:
			pt_tag_op(&list, OF_ACTION_PUSH_VLAN, rnd(2) ? 0x8100 : 0x88a8);
			pt_set(&list, FLOW_FIELD_VLAN_VID, 0x1000 + rnd(3));
			break;
		case 4:
			pt_tag_op(&list, OF_ACTION_POP_VLAN, 0);
			break;
		case 5:
			if (!in_bucket)
				pt_group(&list, 1 + rnd(3));
			break;
		case 6:
			pt_output(&list, rnd(2) ? OFPP_ALL : OFPP_IN_PORT);
			break;
		case 7:
			pt_set(&list, FLOW_FIELD_ETH_SRC, 0x020000000000 + rnd(3));
			break;
		case 8:
			pt_set(&list, FLOW_FIELD_IPV4_DST, 0x0a000000 + rnd(4));
			break;
		case 9:
			pt_set(&list, FLOW_FIELD_IP_DSCP, rnd(3));
			break;
		case 10:
			pt_act(&list, OF_ACTION_DEC_NW_TTL, 1);
			break;
		}
	}
	return list;
}

static struct of_flow_mod random_rule(uint16_t priority)
{
	struct of_flow_mod mod = pt_mod((uint8_t)rnd(3), priority);
	bool ip = rnd(3);

	if (!rnd(3))
		pt_match(&mod, FLOW_FIELD_IN_PORT, 1 + rnd(N_PORTS));
	if (!rnd(3))
		pt_match(&mod, FLOW_FIELD_ETH_DST, 0x020000000000 + rnd(3));
	if (!rnd(3))
		pt_match(&mod, FLOW_FIELD_VLAN_VID, rnd(3) ? 0x1000 + rnd(3) : 0);
	if (!rnd(4))
		pt_match(&mod, FLOW_FIELD_METADATA, rnd(2));
	if (ip) {
		pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
		if (!rnd(2))
			pt_match(&mod, FLOW_FIELD_IPV4_DST, 0x0a000000 + rnd(4));
		if (!rnd(3))
			pt_match(&mod, FLOW_FIELD_IP_DSCP, rnd(3));
	}
	if (rnd(3))
		pt_apply(&mod, random_actions(ip, false));
	if (!rnd(3))
		pt_write(&mod, random_actions(ip, false));
	if (!rnd(6))
		mod.insts.set |= OF_INST_CLEAR_ACTIONS;
	if (!rnd(4)) {
		mod.insts.set |= OF_INST_WRITE_METADATA;
		mod.insts.metadata = rnd(2);
		mod.insts.metadata_mask = 1;
	}
	if (mod.table_id < 2 && rnd(3))
		pt_goto(&mod, (uint8_t)(mod.table_id + 1 + rnd(2 - mod.table_id)));
	return mod;
}

static struct pkt_key random_packet(void)
{
	struct pkt_key key =
	        pt_packet((uint16_t)(1 + rnd(N_PORTS)), (uint8_t)rnd(3), (uint8_t)rnd(3));

	key.base.ip_dst = rte_cpu_to_be_32(0x0a000000 + rnd(4));
	key.base.ip_tos = (uint8_t)(rnd(3) << 2 | rnd(4));
	key.base.ip_ttl = (uint8_t)rnd(4);
	for (unsigned n = rnd(3); n; n--) {
		pt_tag(&key, (uint16_t)rnd(3));
		key.base.vlan[0].tci |= rte_cpu_to_be_16((uint16_t)(rnd(8) << 13));
	}
	if (!rnd(4)) {
		memset(&key.base.ip_proto, 0, 26);
		key.base.eth_type = RTE_BE16(0x1234);
	}
	return key;
}

static void groups_create(struct pl_bridge *br)
{
	static const unsigned types[3] = {OFPGT_ALL, OFPGT_INDIRECT, OFPGT_FF};

	for (unsigned g = 0; g < 3; g++) {
		n_buckets[g] = types[g] == OFPGT_INDIRECT ? 1 : 3;
		for (unsigned i = 0; i < n_buckets[g]; i++)
			buckets[g][i] =
			        pt_bucket(0, g == 2 ? 1 : OFPP_ANY, random_actions(rnd(2), true));
		pt_group_mod(br, OFPGC_ADD, g + 1, types[g], buckets[g], n_buckets[g]);
	}
}

/* Adds, changes or deletes a rule, in the switch and in the interpreter. */
static void change_one(struct pl_bridge *br)
{
	unsigned i = rnd(EVS_ARRAY_LEN(rules));
	struct of_flow_mod mod = rules[i];

	if (mod.table_id == 255) {
		mod = random_rule((uint16_t)(i + 1));
		if (!pl_flow_mod(br, &mod, &pt_err))
			rules[i] = mod;
	} else if (rnd(2)) {
		mod.command = OFPFC_DELETE_STRICT;
		pt_send(br, &mod);
		rules[i].table_id = 255;
	} else {
		struct of_flow_mod other = random_rule(mod.priority);

		mod.command = OFPFC_MODIFY_STRICT;
		mod.insts = other.insts;
		if (mod.table_id >= other.table_id && !pl_flow_mod(br, &mod, &pt_err))
			rules[i].insts = mod.insts;
	}
}

static void compare(const struct pkt_key *key)
{
	static struct result want, have;
	struct run run = {.packet = packet_of(key), .in_port = key->base.in_port, .result = &want};

	want.n = have.n = 0;
	want.failed = false;
	interpret(&run);
	if (want.failed)
		want.n = 0;
	through_cache(key, &have);
	n_outputs += want.n;
	if (want.n == have.n && !memcmp(want.out, have.out, want.n * sizeof(want.out[0])))
		return;
	pt_translate(key);
	for (unsigned i = 0; i < want.n; i++)
		printf("want port %x tags %u\n", want.out[i].port, want.out[i].packet.n_tags);
	fail_msg("%u outputs instead of %u; translated now: %s", have.n, want.n, pt_text);
}

static void test_equivalence(void **state)
{
	/* EVS_SOAK=N: N rounds instead, from a seed of its own */
	const char *soak = getenv("EVS_SOAK");
	unsigned n_rounds = soak ? (unsigned)atoi(soak) : 12;

	if (soak)
		seed = evs_clock_ns();
	printf("seed %" PRIu64 "\n", seed);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct pl_bridge *br = pt_secure("br0", N_PORTS);

		for (unsigned i = 0; i < EVS_ARRAY_LEN(rules); i++)
			rules[i].table_id = 255;
		groups_create(br);
		for (unsigned step = 0; step < 120; step++) {
			for (unsigned n = step ? 1 + rnd(4) : 60; n; n--)
				change_one(br);
			pt_commit();
			for (unsigned i = 0; i < 40; i++) {
				struct pkt_key key = random_packet();

				compare(&key);
			}
			flow_cache_poll(pt_cache);
			pl_tick();
		}
		pl_bridge_destroy(br);
		pt_commit();
		for (unsigned i = 0; i < 4; i++) {
			flow_cache_poll(pt_cache);
			pl_tick();
			evs_rcu_synchronize();
		}
	}
	printf("%u hits, %u outputs\n", n_hits, n_outputs);
	assert_true(n_hits > 400 * n_rounds && n_outputs > 1500 * n_rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_equivalence, pt_cache_init, pt_cache_fini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
