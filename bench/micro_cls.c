/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a search of the classifier cost? Five-tuple rules in 20 mask shapes, packets that hit
 * them. Usage: micro_cls [rules]. Prints one JSON object: nanoseconds per search and per change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "base/evs_rcu.h"
#include "flow/flow_cls.h"
#include "pkt/pkt_hash.h"

#define N_SHAPES   20
#define N_PACKETS  65536
#define N_SEARCHES 200000

static uint64_t seed = 42;

static uint32_t rnd(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 32);
}

static void make_shape(struct flow_key *mask, unsigned i)
{
	memset(mask, 0, sizeof(*mask));
	mask->pkt.base.eth_type = 0xffff;
	mask->pkt.base.ip_src = rte_cpu_to_be_32(~0u << (i % 5) * 4);
	mask->pkt.base.ip_dst = rte_cpu_to_be_32(~0u << (i / 5) * 4);
	mask->pkt.base.ip_proto = 0xff;
	mask->pkt.base.tp_src = (rte_be16_t)(i % 3 ? 0 : 0xffff);
	mask->pkt.base.tp_dst = (rte_be16_t)(i % 2 ? 0 : 0xffff);
}

static void make_packet(struct flow_key *key)
{
	memset(key, 0, sizeof(*key));
	key->pipe.in_port = 1;
	key->pkt.base.eth_type = 0x0008;
	key->pkt.base.ip_src = rnd();
	key->pkt.base.ip_dst = rnd();
	key->pkt.base.ip_proto = rnd() & 1 ? 6 : 17;
	key->pkt.base.tp_src = (rte_be16_t)rnd();
	key->pkt.base.tp_dst = (rte_be16_t)rnd();
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	unsigned n_rules = argc > 1 ? (unsigned)atoi(argv[1]) : 10000, hits = 0;
	struct flow_key *packets = aligned_alloc(64, sizeof(*packets) * N_PACKETS);
	static uint64_t cycles[N_SEARCHES];
	struct flow_cls cls;
	uint64_t t0, add_ns;

	evs_clock_init();
	pkt_hash_init(1);
	if (!packets || evs_rcu_init(NULL) || flow_cls_init(&cls))
		return 1;
	for (unsigned i = 0; i < N_PACKETS; i++)
		make_packet(&packets[i]);
	t0 = evs_clock_ns();
	for (unsigned i = 0; i < n_rules; i++) {
		struct flow_key mask, key = packets[rnd() % N_PACKETS];
		struct flow_cls_rule *rule;

		make_shape(&mask, i % N_SHAPES);
		rule = calloc(1, sizeof(*rule) + flow_cls_match_size(&mask));
		if (!rule)
			return 1;
		rule->priority = (uint16_t)(rnd() % 1000);
		if (flow_cls_insert(&cls, rule, &key, &mask, 1))
			return 1;
	}
	if (flow_cls_publish(&cls))
		return 1;
	add_ns = evs_clock_ns() - t0;
	for (unsigned i = 0; i < N_SEARCHES; i++) {
		struct flow_key wc;

		t0 = evs_clock_tsc();
		hits += flow_cls_lookup(&cls, &packets[rnd() % N_PACKETS], 1, &wc) != NULL;
		cycles[i] = evs_clock_tsc() - t0;
	}
	qsort(cycles, N_SEARCHES, sizeof(cycles[0]), compare_u64);
	printf("{\"rules\": %u, \"shapes\": %u, \"hit_rate\": %.3f, \"add_ns\": %.0f, "
	       "\"search_ns_p50\": %.0f, \"search_ns_p99\": %.0f}\n",
	       n_rules, N_SHAPES, (double)hits / N_SEARCHES, (double)add_ns / n_rules,
	       (double)evs_clock_tsc_to_ns(cycles[N_SEARCHES / 2] * 100) / 100,
	       (double)evs_clock_tsc_to_ns(cycles[N_SEARCHES / 100 * 99] * 100) / 100);
	return 0;
}
