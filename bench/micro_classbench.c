/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a search cost in filters of a kind that people have? Nine sets like ClassBench's
 * (classbench.h): acl, fw and ipc of 1,000, 10,000 and 100,000 rules, ranges of ports written as
 * masks, packets that hit them. Usage: micro_classbench [-s] [-o FILE] [-p FILE] [KIND RULES]. -s:
 * each mask has a table of its own. -o: writes the rules as flows for `add-flows`, too; -p: the
 * packets, as numbers. One JSON object a set.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/evs_clock.h"
#include "base/evs_rcu.h"
#include "classbench.h"
#include "flow/flow_cls.h"
#include "pkt/pkt_hash.h"

#define N_PACKETS 100000
#define COMMIT    128 /* additions between two versions, as a session has them */

static bool separate;
static FILE *flows, *packets;

/* A set as the classifier has it. */
struct table {
	struct flow_cls cls;
	unsigned n_entries;
};

static size_t heap_size(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static uint16_t priority_of(const struct classbench *set, unsigned i)
{
	return (uint16_t)(65000 - (uint64_t)i * 64999 / set->n_rules);
}

static void key_of(struct flow_key *key, const struct classbench_packet *packet)
{
	memset(key, 0, sizeof(*key));
	key->pkt.base.eth_type = RTE_BE16(0x0800);
	key->pkt.base.ip_proto = packet->proto;
	key->pkt.base.ip_src = rte_cpu_to_be_32(packet->src);
	key->pkt.base.ip_dst = rte_cpu_to_be_32(packet->dst);
	key->pkt.base.tp_src = rte_cpu_to_be_16(packet->sport);
	key->pkt.base.tp_dst = rte_cpu_to_be_16(packet->dport);
}

static rte_be32_t prefix_mask(unsigned len)
{
	return len ? rte_cpu_to_be_32(~0u << (32 - len)) : 0;
}

static void write_flow(const struct classbench_rule *rule, uint16_t priority,
                       struct classbench_part sport, struct classbench_part dport)
{
	fprintf(flows, "priority=%u,ip,nw_src=%u.%u.%u.%u/%u,nw_dst=%u.%u.%u.%u/%u", priority,
	        rule->src >> 24, rule->src >> 16 & 255, rule->src >> 8 & 255, rule->src & 255,
	        rule->src_len, rule->dst >> 24, rule->dst >> 16 & 255, rule->dst >> 8 & 255,
	        rule->dst & 255, rule->dst_len);
	if (rule->proto)
		fprintf(flows, ",nw_proto=%u", rule->proto);
	if (sport.mask)
		fprintf(flows, ",tp_src=0x%x/0x%x", sport.value, sport.mask);
	if (dport.mask)
		fprintf(flows, ",tp_dst=0x%x/0x%x", dport.value, dport.mask);
	fprintf(flows, ",actions=output:2\n");
}

static void add_entry(struct table *table, const struct classbench_rule *rule, uint16_t priority,
                      struct classbench_part sport, struct classbench_part dport)
{
	struct flow_key key, mask = {.pkt.base.eth_type = UINT16_MAX};
	struct flow_cls_rule *entry;

	key_of(&key, &(struct classbench_packet){.src = rule->src,
	                                         .dst = rule->dst,
	                                         .sport = sport.value,
	                                         .dport = dport.value,
	                                         .proto = rule->proto});
	mask.pkt.base.ip_proto = rule->proto ? UINT8_MAX : 0;
	mask.pkt.base.ip_src = prefix_mask(rule->src_len);
	mask.pkt.base.ip_dst = prefix_mask(rule->dst_len);
	mask.pkt.base.tp_src = rte_cpu_to_be_16(sport.mask);
	mask.pkt.base.tp_dst = rte_cpu_to_be_16(dport.mask);
	entry = calloc(1, sizeof(*entry) + flow_cls_match_size(&mask));
	if (!entry)
		exit(1);
	entry->priority = priority;
	if (flow_cls_insert(&table->cls, entry, &key, &mask, 1))
		exit(1);
	table->n_entries++;
	if (table->n_entries % COMMIT == 0 && flow_cls_publish(&table->cls))
		exit(1);
}

/* As OpenFlow has no ranges: one entry for each pair of masks that they are made of. */
static void add_rule(struct table *table, const struct classbench_rule *rule, uint16_t priority)
{
	struct classbench_part sports[CLASSBENCH_PARTS_MAX], dports[CLASSBENCH_PARTS_MAX];
	unsigned n_sports = classbench_parts(rule->sport, sports);
	unsigned n_dports = classbench_parts(rule->dport, dports);

	for (unsigned s = 0; s < n_sports; s++) {
		for (unsigned d = 0; d < n_dports; d++) {
			add_entry(table, rule, priority, sports[s], dports[d]);
			if (flows)
				write_flow(rule, priority, sports[s], dports[d]);
		}
	}
}

static void write_packets(const struct classbench *set)
{
	for (unsigned i = 0; i < set->n_packets; i++) {
		const struct classbench_packet *p = &set->packets[i];

		fprintf(packets, "%u %u %u %u %u\n", p->src, p->dst, p->sport, p->dport, p->proto);
	}
}

/* The rules come in any order: in that of their priorities would be too easy or too hard. */
static void load(struct table *table, const struct classbench *set)
{
	unsigned step = 7919; /* a prime: visits all */

	while (set->n_rules % step == 0)
		step += 2;
	for (unsigned i = 0, at = 0; i < set->n_rules; i++, at = (at + step) % set->n_rules)
		add_rule(table, &set->rules[at], priority_of(set, at));
	if (flow_cls_publish(&table->cls))
		exit(1);
	evs_rcu_synchronize();
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void search_all(const struct table *table, const struct classbench *set)
{
	static uint64_t cycles[N_PACKETS];
	struct flow_cls_cost cost = {0};
	unsigned hits = 0;

	for (unsigned i = 0; i < set->n_packets; i++) {
		struct flow_key key, wc;
		uint64_t t0;

		memset(&wc, 0, sizeof(wc));
		key_of(&key, &set->packets[i]);
		t0 = evs_clock_tsc();
		hits += flow_cls_lookup(&table->cls, &key, 1, &wc) != NULL;
		cycles[i] = evs_clock_tsc() - t0;
		flow_cls_measure(&table->cls, &key, 1, NULL, &cost);
	}
	qsort(cycles, set->n_packets, sizeof(cycles[0]), compare_u64);
	printf("\"search_ns_p50\": %.0f, \"search_ns_p99\": %.0f, \"rejected\": %.1f, "
	       "\"probed\": %.1f, \"filtered\": %.1f, \"compared\": %.1f, \"hit_rate\": %.3f",
	       (double)evs_clock_tsc_to_ns(cycles[set->n_packets / 2] * 100) / 100,
	       (double)evs_clock_tsc_to_ns(cycles[set->n_packets / 100 * 99] * 100) / 100,
	       (double)cost.n_rejected / set->n_packets, (double)cost.n_probed / set->n_packets,
	       (double)cost.n_filtered / set->n_packets, (double)cost.n_compared / set->n_packets,
	       (double)hits / set->n_packets);
}

static void run(const char *kind, unsigned n_rules)
{
	struct classbench set;
	struct table table = {.n_entries = 0};
	uint64_t t0;
	size_t heap;

	if (classbench_make(&set, kind, n_rules, N_PACKETS) || flow_cls_init(&table.cls)) {
		fprintf(stderr, "micro_classbench: no kind '%s', or no memory\n", kind);
		exit(1);
	}
	if (packets)
		write_packets(&set);
	if (separate)
		table.cls.merge_above = UINT32_MAX;
	heap = heap_size();
	t0 = evs_clock_ns();
	load(&table, &set);
	printf("{\"kind\": \"%s\", \"rules\": %u, \"entries\": %u, \"masks\": %u, \"tables\": %u, "
	       "\"add_ns\": %.0f, \"bytes\": %.0f, ",
	       kind, n_rules, table.n_entries, flow_cls_n_masks(&table.cls),
	       flow_cls_n_tables(&table.cls), (double)(evs_clock_ns() - t0) / table.n_entries,
	       (double)(heap_size() - heap) / table.n_entries);
	search_all(&table, &set);
	printf("}\n");
	fflush(stdout);
	classbench_free(&set); /* the rules stay: the process ends soon */
}

static void run_all(void)
{
	static const char *const kinds[] = {"acl", "fw", "ipc"};

	for (unsigned k = 0; k < RTE_DIM(kinds); k++)
		for (unsigned n = 1000; n <= 100000; n *= 10)
			run(kinds[k], n);
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "so:p:")) != -1) {
		if (option == 's')
			separate = true;
		else if (option == 'o')
			flows = fopen(optarg, "w");
		else if (option == 'p')
			packets = fopen(optarg, "w");
		else
			return 2;
	}
	evs_clock_init();
	pkt_hash_init(1);
	if (evs_rcu_init(NULL))
		return 1;
	if (argc - optind >= 2)
		run(argv[optind], (unsigned)atoi(argv[optind + 1]));
	else
		run_all();
	return (flows && fclose(flows)) || (packets && fclose(packets));
}
