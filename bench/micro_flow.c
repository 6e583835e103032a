/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a look-up in the flow cache cost? Cycles per packet, for each variant of the vector
 * code. Fixed seed; one JSON object.
 *
 * own:    every key has a cached flow of its own (a rule per connection).
 * shared: all keys belong to 1,000 cached flows (an ordinary rule set, MAC learning).
 * wide:   an exact cache of 64 entries, so that all but nothing goes through the masks.
 * sweep:  keys that never come again, through the masks: hits of the wide cache, and misses.
 * The best of several rounds counts: time stolen from the machine only ever adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "flow/flow_cache.h"
#include "pkt/pkt_hash.h"

#define N_ROUNDS 24
#define N_BURSTS 1024
#define N_SHARED 1000

struct scenario {
	const char *name;
	uint32_t n_keys;
	uint32_t n_masks;
	uint32_t n_exact;
	bool is_shared; /* keys map to N_SHARED flows */
	bool is_sweep;  /* every key is new */
	bool is_same;   /* bursts of one key */
};

static struct pkt_burst burst;
static struct rte_mbuf mbufs[PKT_BURST_MAX];
static struct flow_xlate xlate;
static struct flow_found found;
static uint64_t seed = 1;

static uint32_t rnd(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

static void make_key(struct pkt_key_base *base, uint32_t key, const struct scenario *s)
{
	static const struct pkt_key_base pattern = {
	        .in_port = 1, .eth_type = 0x0008, .ip_proto = 17, .ip_dst = 0x0100000a};
	uint32_t flow = s->is_shared ? key % N_SHARED : key;

	*base = pattern;
	base->ip_src = flow;
	base->vlan[0].tci = (uint16_t)(flow % s->n_masks);
	base->tp_src = (uint16_t)(key >> 16);
	base->tp_dst = (uint16_t)key;
}

/* Flows spread over n_masks masks: the VLAN tells which. */
static void install(struct flow_cache *cache, const struct scenario *s, uint32_t key)
{
	uint32_t flow = s->is_shared ? key % N_SHARED : key;

	make_key(&burst.base[0], key, s);
	pkt_parse_rehash(&burst, 1, PKT_ISA_C);
	memset(&xlate.mask, 0, sizeof(xlate.mask));
	xlate.mask.base.vlan[0].tci = UINT16_MAX;
	xlate.mask.base.ip_src = UINT32_MAX;
	xlate.mask.base.ip_dst = UINT32_MAX << (flow % s->n_masks);
	flow_prog_builder_init(&xlate.prog);
	flow_prog_add(&xlate.prog, FLOW_OP_OUTPUT, 1 + flow % 16);
	if (!flow_cache_install(cache, &burst, 0, &xlate, 0, 1 << 20))
		fprintf(stderr, "key %u was not cached\n", key);
}

static void fill_burst(const struct scenario *s)
{
	static uint32_t next = 1u << 30;
	uint32_t same = rnd() % s->n_keys;

	for (unsigned i = 0; i < PKT_BURST_MAX; i++) {
		uint32_t key = s->is_same ? same : rnd() % s->n_keys;

		make_key(&burst.base[i], key, s);
		if (s->is_sweep)
			burst.base[i].recirc_id = 0, memcpy(burst.base[i].eth_src, &next, 4),
			next++;
	}
	pkt_parse_rehash(&burst, PKT_BURST_MAX, PKT_ISA_C);
}

static double round_cycles(struct flow_cache *cache, const struct scenario *s, uint32_t now_ms,
                           uint64_t *misses)
{
	uint64_t total = 0;

	for (unsigned k = 0; k < N_BURSTS; k++) {
		uint64_t start;

		fill_burst(s);
		start = evs_clock_tsc();
		*misses += (unsigned)__builtin_popcount(
		        flow_cache_lookup(cache, &burst, PKT_BURST_MAX, &found, now_ms));
		total += evs_clock_tsc() - start;
		if (k % 8 == 0)
			flow_cache_poll(cache);
	}
	return (double)total / N_BURSTS / PKT_BURST_MAX;
}

static void run(const struct scenario *s, enum pkt_isa isa, bool is_first)
{
	struct flow_cache_config config = {
	        .n_flows = 1u << 20, .n_exact = s->n_exact, .numa_node = -1, .isa = isa};
	struct flow_cache_stats before, stats;
	struct flow_cache *cache;
	struct evs_error err;
	double best = 1e9;
	uint64_t misses = 0;

	if (flow_cache_create(&config, &cache, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	for (uint32_t key = 0; key < (s->is_shared ? N_SHARED : s->n_keys); key++)
		install(cache, s, key);
	/* Twice through all keys, in order, so that each is at work. */
	for (uint32_t key = 0; key < 2 * s->n_keys && !s->is_sweep; key++) {
		make_key(&burst.base[0], key % s->n_keys, s);
		pkt_parse_rehash(&burst, 1, PKT_ISA_C);
		flow_cache_lookup(cache, &burst, 1, &found, 0);
	}
	for (unsigned i = 0; i < N_ROUNDS; i++) {
		double cycles;

		misses = 0;
		flow_cache_stats_get(cache, &before);
		cycles = round_cycles(cache, s, 10 * i, &misses);
		best = EVS_MIN(best, cycles);
	}
	flow_cache_stats_get(cache, &stats);
	printf("%s\n  {\"case\": \"%s\", \"isa\": \"%s\", \"keys\": %u, \"masks\": %u, "
	       "\"cycles_per_packet\": %.1f, \"misses\": %.4f, \"wide_hits\": %.4f}",
	       is_first ? "" : ",", s->name, pkt_isa_name(isa), s->n_keys, s->n_masks, best,
	       (double)misses / N_BURSTS / PKT_BURST_MAX,
	       (double)(stats.wide_hits - before.wide_hits) / N_BURSTS / PKT_BURST_MAX);
	fflush(stdout);
	flow_cache_destroy(cache);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
	        {.name = "one", .n_keys = 1, .n_masks = 1, .n_exact = 1 << 20, .is_same = true},
	        {.name = "runs", .n_keys = 1000, .n_masks = 1, .n_exact = 1 << 20, .is_same = true},
	        {.name = "own", .n_keys = 1000, .n_masks = 1, .n_exact = 1 << 20},
	        {.name = "own", .n_keys = 10000, .n_masks = 1, .n_exact = 1 << 20},
	        {.name = "own", .n_keys = 100000, .n_masks = 1, .n_exact = 1 << 20},
	        {.name = "own", .n_keys = 1000000, .n_masks = 1, .n_exact = 1 << 21},
	        {.name = "shared",
	         .n_keys = 1000,
	         .n_masks = 20,
	         .n_exact = 1 << 20,
	         .is_shared = 1},
	        {.name = "shared",
	         .n_keys = 10000,
	         .n_masks = 20,
	         .n_exact = 1 << 20,
	         .is_shared = 1},
	        {.name = "shared",
	         .n_keys = 100000,
	         .n_masks = 20,
	         .n_exact = 1 << 20,
	         .is_shared = 1},
	        {.name = "shared",
	         .n_keys = 1000000,
	         .n_masks = 20,
	         .n_exact = 1 << 21,
	         .is_shared = 1},
	        {.name = "wide", .n_keys = 100000, .n_masks = 1, .n_exact = 64},
	        {.name = "wide", .n_keys = 100000, .n_masks = 1, .n_exact = 64, .is_shared = 1},
	        {.name = "wide", .n_keys = 100000, .n_masks = 5, .n_exact = 64, .is_shared = 1},
	        {.name = "wide", .n_keys = 100000, .n_masks = 20, .n_exact = 64, .is_shared = 1},
	        {.name = "sweep",
	         .n_keys = 100000,
	         .n_masks = 1,
	         .n_exact = 1 << 20,
	         .is_shared = 1,
	         .is_sweep = true},
	        {.name = "sweep",
	         .n_keys = 100000,
	         .n_masks = 20,
	         .n_exact = 1 << 20,
	         .is_shared = 1,
	         .is_sweep = true},
	};
	bool is_first = true;

	evs_clock_init();
	pkt_hash_init(1);
	for (unsigned i = 0; i < PKT_BURST_MAX; i++) {
		burst.mbuf[i] = &mbufs[i];
		mbufs[i].pkt_len = 64;
	}
	xlate.cacheable = true;
	xlate.n_refs = 1;
	printf("{\"bench\": \"micro_flow\", \"results\": [");
	for (unsigned isa = 0; isa <= pkt_isa_best(); isa++) {
		if (argc > 1 && strcmp(argv[1], pkt_isa_name((enum pkt_isa)isa)))
			continue;
		for (unsigned i = 0; i < EVS_ARRAY_LEN(scenarios); i++) {
			seed = 1;
			run(&scenarios[i], (enum pkt_isa)isa, is_first);
			is_first = false;
		}
	}
	printf("\n]}\n");
	return 0;
}
