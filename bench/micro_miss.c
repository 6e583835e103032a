/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a whole miss cost? Look-up in vain, translation, installation, in bursts of packets
 * that are new each: through one table of 10,000 five-tuple rules of 20 mask shapes, and through
 * ten tables of 1,000. Usage: micro_miss [tables] [rules of each]. One JSON object a case:
 * nanoseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "pipeline/pl_of.h"
#include "pkt/pkt_hash.h"

#define N_SHAPES 20
#define N_MISSES 60000
#define N_POOL   65536

enum part { PART_LOOKUP, PART_TRANSLATE, PART_INSTALL, PART_ALL, N_PARTS };

static uint64_t seed = 42;
static struct flow_cache *cache;
static struct pkt_key_base pool[N_POOL];
static struct pkt_burst burst;
static struct flow_xlate xlate;
static struct rte_mbuf mbuf = {.pkt_len = 60, .data_len = 60};
static uint64_t cycles[N_PARTS][N_MISSES];

static uint32_t rnd(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 32);
}

static struct flow_cache *worker_cache(unsigned worker)
{
	return worker == 0 ? cache : NULL;
}

static void make_packet(struct pkt_key_base *base)
{
	*base = (struct pkt_key_base){.in_port = 1,
	                              .eth_dst = {2, 0, 0, 0, 0, 1},
	                              .eth_src = {2, 0, 0, 0, 0, 2},
	                              .eth_type = RTE_BE16(0x0800),
	                              .ip_proto = 17,
	                              .ip_ttl = 64};
	base->ip_src = rte_cpu_to_be_32(0x0a000000 | rnd() >> 8);
	base->ip_dst = rte_cpu_to_be_32(0x0b000000 | rnd() >> 8);
	base->tp_src = rte_cpu_to_be_16((uint16_t)rnd());
	base->tp_dst = rte_cpu_to_be_16((uint16_t)rnd());
}

static void match_part(struct flow_match *match, enum flow_field_id id, uint32_t value,
                       uint32_t mask)
{
	const struct flow_field *field = &flow_fields[id];
	uint8_t v[16], m[16];

	if (!mask)
		return;
	flow_field_value_put_u64(field, v, value & mask);
	flow_field_value_put_u64(field, m, mask);
	flow_match_add(match, field, v, m);
}

/* Prefixes of 32 to 16 bits, ports whole or not at all: around a packet of the pool. */
static void make_match(struct flow_match *match, unsigned shape)
{
	const struct pkt_key_base *base = &pool[rnd() % N_POOL];

	flow_match_add_u64(match, FLOW_FIELD_ETH_TYPE, 0x0800);
	flow_match_add_u64(match, FLOW_FIELD_IP_PROTO, 17);
	match_part(match, FLOW_FIELD_IPV4_SRC, rte_be_to_cpu_32(base->ip_src),
	           ~0u << shape % 5 * 4);
	match_part(match, FLOW_FIELD_IPV4_DST, rte_be_to_cpu_32(base->ip_dst),
	           ~0u << shape / 5 * 4);
	match_part(match, FLOW_FIELD_UDP_SRC, rte_be_to_cpu_16(base->tp_src),
	           shape % 3 ? 0 : 0xffff);
	match_part(match, FLOW_FIELD_UDP_DST, rte_be_to_cpu_16(base->tp_dst),
	           shape % 2 ? 0 : 0xffff);
}

static void add_rule(struct pl_bridge *bridge, const struct flow_match *match, unsigned table,
                     bool last, uint16_t priority)
{
	struct of_action output = {.kind = OF_ACTION_OUTPUT, .size8 = 1, .port = 1 + rnd() % 2};
	struct of_flow_mod mod = {.command = OFPFC_ADD,
	                          .table_id = (uint8_t)table,
	                          .priority = priority,
	                          .match = *match,
	                          .out_port = OFPP_ANY,
	                          .out_group = OFPG_ANY,
	                          .buffer_id = OF_NO_BUFFER};
	struct of_error err;

	if (last) {
		output.port = 2;
		mod.insts.set = OF_INST_APPLY_ACTIONS;
		mod.insts.apply = (struct of_actions){&output, sizeof(output)};
	} else {
		mod.insts.set = OF_INST_GOTO_TABLE;
		mod.insts.goto_table = (uint8_t)(table + 1);
	}
	if (pl_flow_mod(bridge, &mod, &err))
		exit(1);
}

static struct pl_bridge *load(unsigned n_tables, unsigned n_rules)
{
	struct pl_bridge_config config = {.dpid = 1, .fail_mode = PL_FAIL_SECURE};
	const struct flow_match any = {0};
	struct pl_bridge *bridge;
	struct pl_port *port;

	if (pl_bridge_create("br0", &config, &bridge, NULL))
		exit(1);
	for (uint16_t i = 1; i <= 2; i++) {
		struct pl_port_config p = {.index = i, .ofport = i};
		char name[8];

		snprintf(name, sizeof(name), "p%u", i);
		if (pl_port_add(bridge, name, &p, &port, NULL))
			exit(1);
	}
	for (unsigned t = 0; t < n_tables; t++) {
		add_rule(bridge, &any, t, t + 1 == n_tables, 0);
		for (unsigned i = 0; i < n_rules; i++) {
			struct flow_match match = {0};

			make_match(&match, i % N_SHAPES);
			add_rule(bridge, &match, t, t + 1 == n_tables,
			         (uint16_t)(1 + rnd() % 1000));
		}
	}
	pl_commit();
	evs_rcu_synchronize();
	return bridge;
}

/* A burst as the worker has it. Half of the packets are of the pool, around which the rules are,
 * with other ports. */
static void make_burst(unsigned first)
{
	for (unsigned i = 0; i < PKT_BURST_MAX; i++) {
		burst.base[i] = pool[(first + i) % N_POOL];
		if (i & 1)
			burst.base[i].tp_src = rte_cpu_to_be_16((uint16_t)rnd());
		burst.mbuf[i] = &mbuf;
	}
	pkt_parse_rehash(&burst, PKT_BURST_MAX, pkt_isa_best());
}

/* As pmd_miss does it: what other misses of the burst gave is tried first. `shared`: what each
 * packet's part in the look-up of the burst took. */
static void one_miss(struct flow_fresh *fresh, unsigned i, uint64_t shared,
                     uint64_t *parts[N_PARTS])
{
	static uint64_t installed; /* what the last one took */
	uint32_t now_ms = evs_clock_ms();
	uint64_t t0 = evs_clock_tsc(), t1, t2, t3;
	struct flow *flow = flow_cache_lookup_fresh(cache, fresh, &burst, i, now_ms);

	if (flow)
		return;
	t1 = evs_clock_tsc();
	pl_translate(0, &burst, i, &xlate);
	t2 = evs_clock_tsc();
	flow = flow_cache_install(cache, &burst, i, &xlate, now_ms, t2 - t1 + installed);
	t3 = evs_clock_tsc();
	installed = t3 - t2;
	if (!flow)
		exit(1);
	*parts[PART_LOOKUP] = shared + t1 - t0;
	*parts[PART_TRANSLATE] = t2 - t1;
	*parts[PART_INSTALL] = installed;
	*parts[PART_ALL] = shared + t3 - t0;
	fresh->flow[fresh->n++] = flow;
}

/* What a cache knew has 0 in all parts. */
static void one_burst(unsigned first)
{
	struct flow_fresh fresh = {.n = 0};
	struct flow_found found;
	uint64_t shared;
	uint32_t missing;

	make_burst(first);
	shared = evs_clock_tsc();
	missing = flow_cache_lookup(cache, &burst, PKT_BURST_MAX, &found, evs_clock_ms());
	shared = (evs_clock_tsc() - shared) / PKT_BURST_MAX;
	for (; missing; missing &= missing - 1) {
		unsigned i = (unsigned)__builtin_ctz(missing);
		uint64_t *parts[N_PARTS];

		for (unsigned p = 0; p < N_PARTS; p++)
			parts[p] = &cycles[p][first + i];
		one_miss(&fresh, i, shared, parts);
	}
	flow_cache_poll(cache);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of the misses proper: those that are not zero. */
static double percentile(uint64_t *values, unsigned percent)
{
	unsigned first = 0, at;

	qsort(values, N_MISSES, sizeof(values[0]), compare_u64);
	while (first < N_MISSES - 1 && !values[first])
		first++;
	at = first + (unsigned)((uint64_t)(N_MISSES - first - 1) * percent / 100);
	return (double)evs_clock_tsc_to_ns(values[at] * 100) / 100;
}

static void run(unsigned n_tables, unsigned n_rules)
{
	static const char *const names[N_PARTS] = {"lookup", "translate", "install", "miss"};
	struct flow_cache_config config = {.n_flows = 1 << 18,
	                                   .n_exact = 1 << 19,
	                                   .numa_node = -1,
	                                   .isa = pkt_isa_best(),
	                                   .born = pl_flow_born};
	struct pl_config pl = {.worker_cache = worker_cache};
	unsigned n_hits = 0;

	if (flow_cache_create(&config, &cache, NULL) || pl_init(&pl, NULL))
		exit(1);
	for (unsigned i = 0; i < N_POOL; i++)
		make_packet(&pool[i]);
	load(n_tables, n_rules);
	memset(cycles, 0, sizeof(cycles));
	for (unsigned i = 0; i < N_MISSES; i += PKT_BURST_MAX)
		one_burst(i);
	for (unsigned i = 0; i < N_MISSES; i++)
		n_hits += !cycles[PART_ALL][i];
	printf("{\"tables\": %u, \"rules\": %u, \"masks\": %u, \"wide_hits\": %u", n_tables,
	       n_rules, flow_cache_n_masks(cache), n_hits);
	for (unsigned p = 0; p < N_PARTS; p++)
		printf(", \"%s_ns_p50\": %.0f, \"%s_ns_p99\": %.0f", names[p],
		       percentile(cycles[p], 50), names[p], percentile(cycles[p], 99));
	printf("}\n");
	pl_fini();
	flow_cache_destroy(cache);
	cache = NULL;
}

int main(int argc, char **argv)
{
	evs_clock_init();
	pkt_hash_init(1);
	if (evs_rcu_init(NULL))
		return 1;
	if (argc > 1) {
		run((unsigned)atoi(argv[1]), argc > 2 ? (unsigned)atoi(argv[2]) : 1000);
		return 0;
	}
	run(1, 10000);
	run(10, 1000);
	return 0;
}
