/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do rules of a table cost? Five-tuple rules of one mask, as flow-mods: memory beyond the
 * match, time of an addition, of deleting all of them, and what memory comes back. Usage:
 * micro_rules [rules]. Prints one JSON object.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/evs_clock.h"
#include "flow/flow_cls.h"
#include "pipeline/pl_of.h"
#include "pkt/pkt_hash.h"

#define BATCH 128 /* flow-mods between two commits, as a session has them */

static uint64_t worst_ns, begun_ns;

/* Time on a CPU: others may use the machine too. */
static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void turn_begin(void)
{
	begun_ns = cpu_ns();
}

/* How long the control thread was busy with one thing. */
static void turn_end(void)
{
	uint64_t ns = cpu_ns() - begun_ns;

	worst_ns = ns > worst_ns ? ns : worst_ns;
}

static size_t heap_size(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static size_t rss_size(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file && fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void settle(void)
{
	unsigned more;

	do {
		turn_begin();
		evs_rcu_poll();
		turn_end();
		turn_begin();
		pl_tick();
		more = evs_rcu_poll();
		turn_end();
	} while (more);
}

static void match_add(struct flow_match *match, enum flow_field_id id, uint64_t value)
{
	flow_match_add_u64(match, id, value);
}

static struct of_flow_mod rule(uint32_t i)
{
	static const struct of_action output = {.kind = OF_ACTION_OUTPUT, .size8 = 1, .port = 1};
	struct of_flow_mod mod = {
	        .command = OFPFC_ADD,
	        .priority = 100,
	        .out_port = OFPP_ANY,
	        .out_group = OFPG_ANY,
	        .buffer_id = OF_NO_BUFFER,
	        .insts = {.set = OF_INST_APPLY_ACTIONS, .apply = {&output, sizeof(output)}}};

	match_add(&mod.match, FLOW_FIELD_ETH_TYPE, 0x0800);
	match_add(&mod.match, FLOW_FIELD_IP_PROTO, 17);
	match_add(&mod.match, FLOW_FIELD_IPV4_SRC, 0x0a000000 + i);
	match_add(&mod.match, FLOW_FIELD_IPV4_DST, 0x0b000000 + i * 7);
	match_add(&mod.match, FLOW_FIELD_UDP_SRC, i & 0xffff);
	match_add(&mod.match, FLOW_FIELD_UDP_DST, i >> 4 & 0xffff);
	return mod;
}

static uint64_t add_rules(struct pl_bridge *bridge, uint32_t n)
{
	uint64_t start = cpu_ns();
	struct of_error err;

	for (uint32_t i = 0; i < n;) {
		turn_begin();
		for (uint32_t end = EVS_MIN(n, i + BATCH); i < end; i++) {
			struct of_flow_mod mod = rule(i);

			if (pl_flow_mod(bridge, &mod, &err))
				exit(1);
		}
		pl_commit();
		turn_end();
		turn_begin();
		evs_rcu_poll();
		turn_end();
	}
	settle();
	return cpu_ns() - start;
}

static uint64_t delete_all(struct pl_bridge *bridge)
{
	struct of_flow_mod mod = {.command = OFPFC_DELETE,
	                          .table_id = OFPTT_ALL,
	                          .out_port = OFPP_ANY,
	                          .out_group = OFPG_ANY};
	uint64_t start = cpu_ns();
	struct of_error err;

	turn_begin();
	if (pl_flow_mod(bridge, &mod, &err))
		exit(1);
	pl_commit();
	turn_end();
	settle();
	return cpu_ns() - start;
}

int main(int argc, char **argv)
{
	uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000;
	struct pl_bridge_config config = {.dpid = 1, .fail_mode = PL_FAIL_SECURE};
	size_t heap, rss, heap_full, rss_full;
	uint64_t add_ns, again_ns, del_ns, add_worst_ns, del_worst_ns;
	struct pl_config pl = {0};
	struct pl_bridge *bridge;
	struct of_flow_mod one = rule(0);

	evs_clock_init();
	pkt_hash_init(1);
	if (evs_rcu_init(NULL) || pl_init(&pl, NULL) ||
	    pl_bridge_create("br0", &config, &bridge, NULL))
		return 1;
	heap = heap_size();
	rss = rss_size();
	add_ns = add_rules(bridge, n);
	heap_full = heap_size();
	rss_full = rss_size();
	add_worst_ns = worst_ns;
	again_ns = add_rules(bridge, n);
	worst_ns = 0;
	del_ns = delete_all(bridge);
	del_worst_ns = worst_ns;
	printf("{\"rules\": %u, \"match_bytes\": %zu, \"heap_bytes\": %.0f, \"rss_bytes\": %.0f, "
	       "\"rss_left_bytes\": %.0f, \"add_ns\": %.0f, \"replace_ns\": %.0f, "
	       "\"delete_ns\": %.0f, \"add_turn_ms\": %.1f, \"delete_turn_ms\": %.1f}\n",
	       n, flow_cls_match_size(&one.match.mask), (double)(heap_full - heap) / n,
	       (double)(rss_full - rss) / n, ((double)rss_size() - (double)rss) / n,
	       (double)add_ns / n, (double)again_ns / n, (double)del_ns / n, add_worst_ns / 1e6,
	       del_worst_ns / 1e6);
	pl_fini();
	return 0;
}
