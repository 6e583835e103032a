/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow cache by hand: hits, misses, runs, kills, limits, admission, what does not pay.
 */
#include "flow_cache_util.h"

static void finds_what_was_installed(void **state)
{
	for (unsigned isa = 0; isa < n_isas(); isa++) {
		struct bench *b = bench_small((enum pkt_isa)isa);
		struct flow *flow;

		for (unsigned i = 0; i < 4; i++)
			udp(b, i, i / 2, 53);
		assert_int_equal(lookup(b, 4), 0xf);
		xlate_init(b, 2);
		b->xlate.mask.base.ip_src = UINT32_MAX;
		flow = install(b, 0);
		assert_non_null(flow);
		assert_int_equal(flow->n_pkts, 1);
		assert_int_equal(flow->prog->simple_port, 2);
		assert_int_equal(lookup(b, 4), 0xc);
		assert_ptr_equal(b->found.flow[0], flow);
		assert_ptr_equal(b->found.flow[1], flow);
		assert_null(b->found.flow[2]);
		assert_int_equal(flow->n_pkts, 3);
		assert_int_equal(flow->n_bytes, 300);
		/* Another port, the same flow: the wide cache finds it, then the exact one. */
		udp(b, 0, 0, 54);
		assert_ptr_equal(flow_cache_lookup_one(b->cache, &b->burst, 0, 5), flow);
		assert_int_equal(stats(b).wide_hits, 1);
		assert_ptr_equal(flow_cache_lookup_one(b->cache, &b->burst, 0, 5), flow);
		assert_int_equal(stats(b).wide_hits, 1);
		assert_int_equal(flow->used_ms, 5);
		assert_int_equal(flow_cache_live(b->cache), 1);
		assert_int_equal(flow_cache_n_masks(b->cache), 1);
		bench_free(b);
	}
}

/* Among the flows of the same burst, too, and none that is dead. */
static void finds_fresh_ones(void **state)
{
	for (unsigned isa = 0; isa < n_isas(); isa++) {
		struct bench *b = bench_small((enum pkt_isa)isa);
		struct flow_fresh fresh = {.n = 2};

		for (unsigned i = 0; i < 4; i++)
			udp(b, i, i / 2, (uint16_t)i);
		lookup(b, 4);
		xlate_init(b, 2);
		b->xlate.mask.base.ip_src = UINT32_MAX;
		assert_null(flow_cache_lookup_fresh(b->cache, &(struct flow_fresh){0}, &b->burst, 0,
		                                    5));
		for (unsigned i = 0; i < 2; i++)
			fresh.flow[i] = install(b, 2 * i);
		for (unsigned i = 0; i < 4; i++)
			assert_ptr_equal(
			        flow_cache_lookup_fresh(b->cache, &fresh, &b->burst, i, 5 + i),
			        fresh.flow[i / 2]);
		assert_int_equal(fresh.flow[1]->n_pkts, 3);
		assert_int_equal(fresh.flow[1]->used_ms, 8);
		udp(b, 0, 7, 53);
		assert_null(flow_cache_lookup_fresh(b->cache, &fresh, &b->burst, 0, 5));
		flow_cache_kill(b->cache, fresh.flow[0]);
		assert_null(flow_cache_lookup_fresh(b->cache, &fresh, &b->burst, 1, 5));
		bench_free(b);
	}
}

static void counts_every_packet_once(void **state)
{
	struct bench *b = bench_small(pkt_isa_best());
	struct flow_cache_stats s;

	xlate_init(b, 2);
	for (unsigned i = 0; i < 32; i++)
		udp(b, i, i / 4, 53);
	assert_int_equal(lookup(b, 32), UINT32_MAX);
	assert_non_null(install(b, 0)); /* matches all */
	assert_int_equal(lookup(b, 32), 0);
	assert_int_equal(lookup(b, 32), 0);
	udp(b, 7, 9, 9)->in_port = 3;
	assert_int_equal(lookup(b, 9), 1u << 7);
	s = stats(b);
	assert_int_equal(s.misses + s.exact_hits + s.wide_hits + s.memo_hits, 32 * 3 + 9);
	assert_int_equal(s.misses, 33);
	assert_int_equal(s.wide_hits, 7);
	assert_int_equal(b->found.flow[0]->n_pkts, 1 + 64 + 8);
	assert_int_equal(lookup(b, 0), 0);
	bench_free(b);
}

static void ignores_flags_nobody_looked_at(void **state)
{
	for (unsigned isa = 0; isa < n_isas(); isa++) {
		struct bench *b = bench_small((enum pkt_isa)isa);
		struct flow *flow;

		xlate_init(b, 2);
		b->xlate.mask.base.ip_src = UINT32_MAX;
		udp(b, 0, 1, 53)->ip_proto = 6;
		flow = install(b, 0);
		for (unsigned i = 0; i < 32; i++) {
			udp(b, i, 1, 53)->ip_proto = 6;
			b->burst.base[i].tcp_flags = rte_cpu_to_be_16((uint16_t)(1 << i % 8));
			b->burst.base[i].ip_ttl = (uint8_t)i;
		}
		assert_int_equal(lookup(b, 32), 0);
		assert_int_equal(stats(b).exact_inserts, 1);
		assert_int_equal(stats(b).wide_hits, 0);
		assert_int_equal(flow->tcp_flags, rte_cpu_to_be_16(0xff));
		/* One that looks at the TTL tells them apart. */
		b->xlate.mask.base.ip_ttl = 0xff;
		b->xlate.mask.base.ip_src = 0;
		udp(b, 0, 2, 53)->ip_ttl = 64;
		udp(b, 1, 2, 53)->ip_ttl = 63;
		flow = install(b, 0);
		assert_int_equal(lookup(b, 2), 2);
		assert_ptr_equal(b->found.flow[0], flow);
		assert_ptr_not_equal(install(b, 1), flow);
		assert_int_equal(lookup(b, 2), 0);
		assert_ptr_not_equal(b->found.flow[0], b->found.flow[1]);
		bench_free(b);
	}
}

static uint64_t credited;
static void credit(struct flow *flow, void *arg)
{
	credited += flow->n_pkts - flow->credited_pkts;
	assert_int_equal(flow_ref_at(flow, flow->n_refs - 1u)->arg, flow->n_refs - 1u);
}

static void kills_and_frees(void **state)
{
	struct bench *b = bench_small(pkt_isa_best());

	for (unsigned round = 0; round < 3000; round++) {
		struct flow *flow;

		xlate_init(b, 1 + round % 5);
		b->xlate.n_refs = 1 + round % FLOW_REFS_MAX;
		for (unsigned i = 0; i < b->xlate.n_refs; i++)
			b->xlate.refs[i].arg = i;
		udp(b, 0, round % 3, 1);
		b->xlate.mask.base.ip_src = UINT32_MAX;
		flow = install(b, 0);
		assert_non_null(flow);
		assert_int_equal(lookup(b, 1), 0);
		flow_cache_kill(b->cache, flow);
		assert_int_equal(lookup(b, 1), 1);
		assert_int_equal(flow_cache_live(b->cache), 0);
		assert_int_equal(flow_cache_reap(b->cache, credit, NULL), 1);
		flow_cache_poll(b->cache);
		credited = 0;
		assert_int_equal(flow_cache_reap(b->cache, credit, NULL), 0);
		assert_int_equal(credited, 2);
		flow_cache_poll(b->cache);
		assert_int_equal(flow_cache_n_masks(b->cache), 0);
	}
	/* Everything came back. */
	assert_int_equal(b->cache->arena.n_held, 0);
	assert_int_equal(b->cache->intern.n_progs, 0);
	assert_int_equal(flow_pool_n_free(&b->cache->pool), 4096);
	assert_int_equal(b->cache->pool.n_touched, 1);
	bench_free(b);
}

static bool count_visit(struct flow *flow, void *arg)
{
	return ++*(unsigned *)arg < 10;
}

static void runs_out_of_flows(void **state)
{
	struct flow_cache_config config = {.n_flows = 64, .n_exact = 64, .numa_node = -1};
	struct bench *b = bench_new(&config);
	unsigned visited = 0;

	xlate_init(b, 2);
	b->xlate.mask.base.ip_src = UINT32_MAX;
	for (unsigned i = 0; i < 64; i++) { /* the last eighth is not for a port with more */
		udp(b, 0, i, 53)->in_port = i < 56 ? 1 : 2;
		assert_non_null(install(b, 0));
		udp(b, 0, 64, 53);
		assert_true(i < 55 || !install(b, 0));
	}
	udp(b, 0, 64, 53)->in_port = 3;
	assert_null(install(b, 0));
	assert_int_equal(stats(b).not_cached_pool, 10);
	udp(b, 0, 55, 53);
	assert_non_null(install(b, 0)); /* there already */
	assert_int_equal(stats(b).reused, 1);
	assert_int_equal(stats(b).installs, 64);
	flow_cache_walk(b->cache, count_visit, &visited);
	assert_int_equal(visited, 10);
	b->xlate.cacheable = false;
	assert_null(install(b, 0));
	assert_int_equal(stats(b).not_cached_refs, 1);
	bench_free(b);
}

/* Flows that depend on much: a port that fills the arena leaves its last eighth to the others. What
 * went is there for other sizes, but for what a flow that stays keeps of its port's. */
static void shares_memory_out(void **state)
{
	struct bench *b = bench_small(pkt_isa_best());
	const struct flow_arena *arena = &b->cache->arena;
	struct flow *first, *flow;
	unsigned n = 0;

	xlate_init(b, 2);
	b->xlate.mask.base.ip_src = UINT32_MAX;
	for (b->xlate.n_refs = 0; b->xlate.n_refs < FLOW_REFS_MAX; b->xlate.n_refs++)
		b->xlate.refs[b->xlate.n_refs].arg = b->xlate.n_refs;
	udp(b, 0, 0, 53);
	first = install(b, 0);
	while (udp(b, 0, ++n, 53), install(b, 0))
		;
	assert_int_equal(stats(b).not_cached_memory, 1);
	assert_int_equal(stats(b).not_cached_pool, 0);
	assert_int_equal(arena->n_chunks - arena->n_held, EVS_SHARE(arena->n_chunks));
	udp(b, 0, n, 53)->in_port = 2;
	flow = install(b, 0);
	assert_non_null(flow);
	for (unsigned i = 0; i < n; i++)
		if (&first[i] != flow)
			flow_cache_kill(b->cache, &first[i]);
	while (flow_cache_reap(b->cache, credit, NULL) || arena->n_held > 2)
		flow_cache_poll(b->cache);
	assert_int_equal(arena->holders[1].n_chunks, 1); /* the program, which port 2 uses, too */
	b->xlate.n_refs = FLOW_REFS_INLINE + 1;
	for (unsigned i = 0; i < n; i++) {
		udp(b, 0, i, 53);
		assert_non_null(install(b, 0));
	}
	bench_free(b);
}

/* A port that makes masks without end gets its share; another port still gets its own. */
static void bounds_masks_of_a_port(void **state)
{
	struct bench *b = bench_small(pkt_isa_best());
	uint32_t bound;

	for (unsigned i = 0; i < 1000; i++) {
		xlate_init(b, 2);
		b->xlate.mask.base.ip_src = i;
		udp(b, 0, i, 53);
		assert_non_null(install(b, 0));
		assert_int_equal(lookup(b, 1), 0);
	}
	bound = flow_cache_n_masks(b->cache);
	assert_int_equal(bound, 64);
	assert_int_equal(stats(b).mask_limited, 1000 - 64);
	udp(b, 0, 5, 53)->in_port = 7;
	assert_non_null(install(b, 0));
	assert_int_equal(flow_cache_n_masks(b->cache), bound + 1);
	/* The share ends where every other flow would suffer. */
	for (unsigned i = 1000; i < 5000; i++) {
		xlate_init(b, 2);
		b->xlate.mask.base.ip_src = i;
		udp(b, 0, i, 53);
		install(b, 0);
	}
	assert_true(flow_pool_n_free(&b->cache->pool) >= 4096 / 4 - 1);
	bench_free(b);
}

/* A hundred thousand headers that come once do not push out a thousand that come again. */
static void sweep_does_not_evict(void **state)
{
	struct bench *b = bench_small(pkt_isa_best());
	uint64_t before;

	xlate_init(b, 2);
	udp(b, 0, 0, 0);
	install(b, 0);
	for (unsigned round = 0; round < 16; round++)
		for (unsigned i = 0; i < 1000; i++) {
			udp(b, 0, i, 53);
			assert_int_equal(lookup(b, 1), 0);
		}
	for (unsigned i = 0; i < 100000; i++) {
		udp(b, 0, rnd(b), 1);
		assert_int_equal(lookup(b, 1), 0);
	}
	before = stats(b).exact_hits;
	for (unsigned i = 0; i < 1000; i++) {
		udp(b, 0, i, 53);
		assert_int_equal(lookup(b, 1), 0);
	}
	assert_true(stats(b).exact_hits - before > 980);
	/* Later, when nobody used them for a while, they make room. */
	b->now_ms = 20000;
	for (unsigned i = 0; i < 2000; i++) {
		udp(b, 0, 5000 + i, 53);
		lookup(b, 1);
		lookup(b, 1);
	}
	before = stats(b).exact_hits;
	for (unsigned i = 0; i < 2000; i++) {
		udp(b, 0, 5000 + i, 53);
		lookup(b, 1);
	}
	assert_true(stats(b).exact_hits - before > 1700);
	bench_free(b);
}

static void hand_frees_entries_of_the_dead(void **state)
{
	struct bench *b = bench_small(pkt_isa_best());
	struct flow *flow;

	xlate_init(b, 2);
	udp(b, 0, 0, 0);
	flow = install(b, 0);
	for (unsigned i = 0; i < 1000; i++) {
		udp(b, 0, i, 53);
		lookup(b, 1);
		lookup(b, 1);
	}
	assert_true(b->cache->exact[0].n_set > 900);
	flow_cache_kill(b->cache, flow);
	for (unsigned i = 0; i < 20000; i++) {
		b->now_ms++;
		lookup(b, 1);
		flow_cache_poll(b->cache);
	}
	assert_int_equal(b->cache->exact[0].n_set, 0);
	for (uint32_t i = 0; i < 4096; i++)
		assert_int_equal(flow_exact_entry(&b->cache->exact[0], i, 0)->where >>
		                         FLOW_WHERE_HOP_SHIFT,
		                 0);
	bench_free(b);
}

/* Many masks that never hit, and a cheap translation: they are left out, then tried again. */
static void leaves_out_what_does_not_pay(void **state)
{
	struct bench *b = bench_small(pkt_isa_best());
	uint64_t before, installs;

	b->cycles = 100;
	b->cache->wide.xlate_cycles = 100;
	for (unsigned i = 0; i < 60; i++) {
		xlate_init(b, 2);
		b->xlate.mask.base.ip_src = 0xff000000u | i;
		udp(b, 0, i, 53);
		install(b, 0);
	}
	xlate_init(b, 2);
	b->xlate.mask.base.ip_src = UINT32_MAX;
	b->xlate.mask.base.tp_dst = UINT16_MAX;
	for (unsigned i = 0; i < 20000; i++) {
		udp(b, 0, 0x80000000u + i % 1000, (uint16_t)(i / 1000));
		if (lookup(b, 1))
			install(b, 0);
	}
	assert_true(b->cache->wide.n_paying < b->cache->wide.n_order);
	assert_true(stats(b).wide_skips > 1000);
	/* Flows stay single although the wide cache is not asked. */
	installs = stats(b).installs;
	for (unsigned i = 0; i < 2000; i++) {
		udp(b, 0, 0x80000000u + i % 1000, 2)->eth_src[5] = (uint8_t)(i % 251);
		if (lookup(b, 1))
			install(b, 0);
	}
	assert_int_equal(stats(b).installs, installs);
	/* Translation becomes dear, and the useful mask comes back. */
	b->cache->wide.xlate_cycles = DEAR;
	b->cycles = DEAR;
	for (unsigned i = 0; i < 30000; i++) {
		udp(b, 0, 0x80000000u + i % 1000, 2)->eth_src[4] = (uint8_t)(i % 241);
		b->burst.base[0].eth_src[3] = (uint8_t)(i % 239);
		if (lookup(b, 1))
			install(b, 0);
	}
	before = stats(b).misses;
	for (unsigned i = 0; i < 1000; i++) {
		udp(b, 0, 0x80000000u + i, 2)->eth_src[2] = 77;
		lookup(b, 1);
	}
	assert_int_equal(stats(b).misses, before);
	bench_free(b);
}

/* While an older flow with another program lives, a new translation does not run it. */
static void does_not_reuse_an_older_story(void **state)
{
	struct bench *b = bench_small(pkt_isa_best());
	struct flow *old, *new;

	udp(b, 0, 1, 1);
	xlate_init(b, 2);
	old = install(b, 0);
	xlate_init(b, 3);
	new = install(b, 0);
	assert_ptr_not_equal(old, new);
	assert_int_equal(new->prog->simple_port, 3);
	assert_ptr_equal(install(b, 0), new);
	flow_cache_kill(b->cache, old);
	flow_cache_poll(b->cache);
	udp(b, 0, 77, 1);
	assert_int_equal(lookup(b, 1), 0);
	assert_ptr_equal(b->found.flow[0], new);
	bench_free(b);
}

/* A flow that was killed between its look-up and the insertion of its entry stays dead. */
static void dead_flow_gets_no_entry(void **state)
{
	struct bench *b = bench_small(pkt_isa_best());
	struct pkt_key_base *base = udp(b, 0, 1, 1);
	struct flow *flow;

	xlate_init(b, 2);
	flow = install(b, 0);
	lookup(b, 1); /* leaves the hash in the key */
	flow_cache_kill(b->cache, flow);
	flow_exact_insert(&b->cache->exact[0], base, NULL, base->hash,
	                  &(struct flow_value){.gen = flow->gen});
	assert_int_equal(lookup(b, 1), 1);
	bench_free(b);
}

/* Whole bursts of one flow are taken by habit; what does not fit, or died, is not. */
static void follows_habits(void **state)
{
	for (unsigned isa = 0; isa < n_isas(); isa++) {
		struct bench *b = bench_small((enum pkt_isa)isa);
		struct flow_habit *habit = &b->cache->habits[1];
		struct flow *all, *one;

		xlate_init(b, 2);
		b->xlate.mask.base.ip_src = rte_cpu_to_be_32(0xff000000);
		for (unsigned i = 0; i < 32; i++)
			udp(b, i, rte_cpu_to_be_32(0x0a000000 + i), 53);
		all = install(b, 0);
		assert_int_equal(lookup(b, 32), 0);
		assert_ptr_equal(habit->flow, all);
		assert_int_equal(lookup(b, 32), 0);
		assert_int_equal(stats(b).wide_hits, 31); /* as they came first */
		for (unsigned i = 0; i < 32; i++)
			assert_ptr_equal(b->found.flow[i], all);
		assert_int_equal(all->n_pkts, 65);
		/* One packet of another flow: it gets its own. */
		udp(b, 31, rte_cpu_to_be_32(0x0b000000), 53);
		assert_int_equal(lookup(b, 32), 1u << 31);
		assert_null(habit->flow);
		one = install(b, 31);
		assert_int_equal(lookup(b, 32), 0);
		assert_ptr_equal(b->found.flow[31], one);
		assert_ptr_equal(b->found.flow[30], all);
		/* Again the habit, until the flow dies. */
		udp(b, 31, rte_cpu_to_be_32(0x0a000000), 53);
		for (unsigned i = 0; i <= FLOW_HABIT_REST; i++)
			assert_int_equal(lookup(b, 32), 0);
		assert_ptr_equal(habit->flow, all);
		flow_cache_kill(b->cache, all);
		assert_int_equal(lookup(b, 32), UINT32_MAX);
		bench_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(finds_what_was_installed),
	        cmocka_unit_test(finds_fresh_ones),
	        cmocka_unit_test(counts_every_packet_once),
	        cmocka_unit_test(ignores_flags_nobody_looked_at),
	        cmocka_unit_test(kills_and_frees),
	        cmocka_unit_test(runs_out_of_flows),
	        cmocka_unit_test(shares_memory_out),
	        cmocka_unit_test(bounds_masks_of_a_port),
	        cmocka_unit_test(sweep_does_not_evict),
	        cmocka_unit_test(hand_frees_entries_of_the_dead),
	        cmocka_unit_test(leaves_out_what_does_not_pay),
	        cmocka_unit_test(does_not_reuse_an_older_story),
	        cmocka_unit_test(dead_flow_gets_no_entry),
	        cmocka_unit_test(follows_habits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
