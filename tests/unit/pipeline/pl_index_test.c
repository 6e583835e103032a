/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of cached flows against a plain comparison of every flow with every change: random
 * rules of many shapes through three tables, thousands of flows of many masks, changes one at a
 * time and many at a time. What lists the change dies, all else lives, bit by bit.
 */
#include <inttypes.h>

#include "flow/flow_mask.h"
#include "pipeline/pl_index_pvt.h"
#include "pl_of_test.h"

#define N_RULES 400
#define N_FLOWS 4000

static uint64_t seed = 5;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

static struct of_flow_mod rules[N_RULES]; /* by priority - 1; table_id 255: none */

/* A live flow before the change. */
static struct seen {
	struct flow *flow;
	uint32_t gen;
	bool doomed;
} seen[1 << 14];
static unsigned n_seen;

static bool note(struct flow *flow, void *arg)
{
	seen[n_seen++] = (struct seen){.flow = flow, .gen = flow->gen};
	return true;
}

/* Whether the packet of the flow's masked key may match the rule, as far as the flow knows. */
static bool overlaps(const struct flow *flow, const struct flow_ref *ref,
                     const struct flow_match *match)
{
	const uint8_t *key, *mask, *rule_key = (const uint8_t *)&match->key;
	const uint8_t *rule_mask = (const uint8_t *)&match->mask;
	struct flow_key k, m;

	pl_index_key(flow, &k);
	memset(&m, 0xff, sizeof(m));
	m.pkt = flow->mask->mask;
	m.pkt.base.in_port = 0;
	key = (const uint8_t *)&k;
	mask = (const uint8_t *)&m;
	for (size_t i = 0; i < sizeof(k); i++)
		if (!(pl_group_of(i) & ref->rewritten) &&
		    ((key[i] ^ rule_key[i]) & mask[i] & rule_mask[i]))
			return false;
	return true;
}

/* The oracle: a rule came or went. */
static void doom(const struct of_flow_mod *mod, bool added)
{
	for (unsigned i = 0; i < n_seen; i++) {
		const struct flow *flow = seen[i].flow;

		for (unsigned r = 0; r < flow->n_refs; r++) {
			const struct flow_ref *ref = flow_ref_at(flow, r);

			if (ref->kind != FLOW_REF_RULE && ref->kind != FLOW_REF_TABLE_MISS)
				continue;
			if (ref->table != mod->table_id)
				continue;
			if (added ? ref->priority <= mod->priority &&
			                    overlaps(flow, ref, &mod->match)
			          : ref->kind == FLOW_REF_RULE && ref->priority == mod->priority)
				seen[i].doomed = true;
		}
	}
}

static unsigned check(unsigned step)
{
	unsigned n_doomed = 0;

	for (unsigned i = 0; i < n_seen; i++) {
		bool dead = seen[i].flow->gen != seen[i].gen;

		n_doomed += seen[i].doomed;
		if (dead != seen[i].doomed)
			fail_msg("step %u: a flow %s", step,
			         dead ? "died for nothing" : "tells an older story");
	}
	if (step % 50 == 0)
		printf("step %u: %u of %u flows doomed\n", step, n_doomed, n_seen);
	return n_doomed;
}

static struct of_flow_mod random_rule(uint16_t priority)
{
	struct of_flow_mod mod = pt_mod((uint8_t)rnd(3), priority);
	struct of_actions list = {0};

	if (!rnd(4))
		pt_match(&mod, FLOW_FIELD_IN_PORT, 1 + rnd(3));
	if (!rnd(4))
		pt_match(&mod, FLOW_FIELD_ETH_DST, 0x020000000000 + rnd(4));
	if (!rnd(5))
		pt_match(&mod, FLOW_FIELD_METADATA, rnd(2));
	if (rnd(8)) {
		pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
		if (rnd(2))
			pt_match(&mod, FLOW_FIELD_IPV4_DST, 0x0a000000 + rnd(16));
		if (!rnd(3))
			pt_match(&mod, FLOW_FIELD_IPV4_SRC, 0x0a000000 + rnd(16));
		if (rnd(2)) {
			pt_match(&mod, FLOW_FIELD_IP_PROTO, 17);
			pt_match(&mod, FLOW_FIELD_UDP_DST, rnd(64));
		}
	}
	if (!rnd(5))
		pt_set(&list, FLOW_FIELD_ETH_DST, 0x020000000000 + rnd(4));
	pt_output(&list, 1 + rnd(3));
	pt_apply(&mod, list);
	if (mod.table_id < 2 && rnd(3))
		pt_goto(&mod, (uint8_t)(mod.table_id + 1));
	return mod;
}

static void pass_random(bool noted)
{
	struct pkt_key key = pt_packet((uint16_t)(1 + rnd(3)), (uint8_t)rnd(4), (uint8_t)rnd(4));
	struct flow *flow;

	key.base.ip_dst = rte_cpu_to_be_32(0x0a000000 + rnd(16));
	key.base.ip_src = rte_cpu_to_be_32(0x0a000000 + rnd(16));
	key.base.tp_dst = rte_cpu_to_be_16((uint16_t)rnd(64));
	if (pt_pass(&key) || !noted)
		return;
	flow = flow_cache_lookup_one(pt_cache, &pt_burst, 0, evs_clock_ms());
	if (flow) /* else no cache took its key */
		note(flow, NULL);
}

/* Also holds the oracle against it. */
static void change_one(struct pl_bridge *br)
{
	unsigned i = rnd(N_RULES);
	struct of_flow_mod mod = rules[i];

	if (mod.table_id == 255) {
		rules[i] = random_rule((uint16_t)(i + 1));
		pt_send(br, &rules[i]);
		doom(&rules[i], true);
		return;
	}
	mod.command = OFPFC_DELETE_STRICT;
	pt_send(br, &mod);
	doom(&mod, false);
	rules[i].table_id = 255;
}

static void settle(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		flow_cache_poll(pt_cache);
		pl_tick();
		evs_rcu_synchronize();
	}
}

static void test_against_comparison(void **state)
{
	const char *soak = getenv("EVS_SOAK");
	unsigned n_steps = soak ? (unsigned)atoi(soak) * 200 : 300, n_doomed = 0;
	struct pl_bridge *br = pt_secure("br0", 3);

	if (soak)
		seed = evs_clock_ns();
	printf("seed %" PRIu64 "\n", seed);
	for (unsigned i = 0; i < N_RULES; i++)
		rules[i].table_id = 255;
	for (unsigned step = 0; step < n_steps; step++) {
		pt_pool_used = 0;
		for (unsigned i = step ? rnd(100) : N_FLOWS; i; i--)
			pass_random(false);
		n_seen = 0;
		flow_cache_walk(pt_cache, note, NULL);
		for (unsigned i = rnd(40); i; i--)
			pass_random(true); /* newborn when the change comes */
		for (unsigned n = step ? rnd(8) ? 1 : 1 + rnd(60) : N_RULES / 2; n; n--)
			change_one(br);
		pt_commit();
		n_doomed += check(step);
		settle(2);
	}
	assert_true(n_doomed > n_steps);
}

static void match_masked(struct of_flow_mod *mod, enum flow_field_id id, uint64_t value,
                         uint64_t mask)
{
	const struct flow_field *field = &flow_fields[id];
	uint8_t v[16], m[16];

	flow_field_value_put_u64(field, v, value & mask);
	flow_field_value_put_u64(field, m, mask);
	flow_match_add(&mod->match, field, v, m);
}

/* Most flows in one class, most rules away from it: also what a class drops its views for. */
static void test_one_class(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct of_flow_mod mod;
	struct pkt_key key;

	/* Two rules that agree in no bit of address and port: so both are looked at, in full. */
	for (unsigned i = 0; i < 2; i++) {
		mod = pt_mod(0, 1);
		pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
		pt_match(&mod, FLOW_FIELD_IP_PROTO, 17);
		pt_match(&mod, FLOW_FIELD_UDP_DST, i ? 0x5555 : 0xaaaa);
		pt_match(&mod, FLOW_FIELD_IPV4_DST, i ? 0x55555555 : 0xaaaaaaaa);
		pt_send(br, &mod);
	}
	pt_commit();
	for (unsigned i = 0; i < 3000; i++) {
		key = pt_packet(1, 0xa, 0xb);
		key.base.tp_dst = rte_cpu_to_be_16((uint16_t)(i + 1));
		key.base.ip_dst = rte_cpu_to_be_32(0x0a000000 + i % 7);
		pt_pass(&key);
	}
	for (unsigned i = 0; i < 200; i++) {
		n_seen = 0;
		flow_cache_walk(pt_cache, note, NULL);
		mod = pt_mod(0, (uint16_t)(2 + i));
		pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
		match_masked(&mod, FLOW_FIELD_IPV4_DST, 0x0a000000 + i % 9, 0xffffffffu << i % 3);
		if (i & 1) {
			pt_match(&mod, FLOW_FIELD_IP_PROTO, 17);
			match_masked(&mod, FLOW_FIELD_UDP_DST, rnd(4000),
			             0xffffu << i % 16 & 0xffff);
		}
		pt_send(br, &mod);
		doom(&mod, true);
		pt_commit();
		check(i);
		settle(1);
		mod.command = OFPFC_DELETE_STRICT;
		pt_send(br, &mod);
		pt_commit();
		for (unsigned n = 0; n < 100; n++) {
			key.base.tp_dst = rte_cpu_to_be_16((uint16_t)(rnd(3000) + 1));
			key.base.ip_dst = rte_cpu_to_be_32(0x0a000000 + rnd(7));
			pt_pass(&key);
		}
	}
}

static int setup(void **state)
{
	int rc = pt_init(state);

	pt_cache_create();
	return rc;
}

static int teardown(void **state)
{
	pt_fini(state);
	pt_cache_destroy();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_against_comparison, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_one_class, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
