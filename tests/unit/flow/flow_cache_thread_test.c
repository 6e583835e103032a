/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow cache between two threads: a worker looks up and installs, control walks, kills,
 * credits. Every packet counted is credited exactly once. Meant for ThreadSanitizer as well.
 */
#include <pthread.h>

#include "base/evs_clock.h"
#include "flow_cache_util.h"

#define N_BURSTS 60000
#define N_KEYS   600

struct shared {
	struct bench *b;
	uint64_t counted; /* packets that found a flow [worker w] */
	bool done;        /* [worker w, ctl r] */
};

static void *worker(void *arg)
{
	struct shared *s = arg;
	struct bench *b = s->b;

	for (unsigned k = 0; k < N_BURSTS; k++) {
		uint32_t missed;

		for (unsigned i = 0; i < PKT_BURST_MAX; i++)
			udp(b, i, rnd(b) % N_KEYS, (uint16_t)(rnd(b) % 4));
		missed = lookup(b, PKT_BURST_MAX);
		s->counted += PKT_BURST_MAX - (unsigned)__builtin_popcount(missed);
		for (unsigned i = 0; i < PKT_BURST_MAX; i++) {
			if (!(missed >> i & 1))
				continue;
			xlate_init(b, 1 + b->burst.base[i].ip_src % 5);
			b->xlate.mask.base.ip_src = UINT32_MAX;
			b->xlate.n_refs = 1 + b->burst.base[i].ip_src % 8;
			s->counted += flow_cache_lookup_one(b->cache, &b->burst, i, k / 100) ||
			              install(b, i) != NULL;
		}
		b->now_ms = k / 100;
		flow_cache_poll(b->cache);
	}
	__atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static uint64_t total;

static void take_credit(struct flow *flow, void *arg)
{
	uint64_t n = evs_load_relaxed(&flow->n_pkts);

	assert_true(n >= flow->credited_pkts);
	total += n - flow->credited_pkts;
	flow->credited_pkts = n;
	for (unsigned i = 0; i < flow->n_refs; i++)
		assert_int_equal(flow_ref_at(flow, i)->arg, 0);
}

struct ctl {
	struct bench *b;
	uint32_t turn;
	bool kill_all;
};

static bool visit(struct flow *flow, void *arg)
{
	struct ctl *c = arg;

	/* What control reads of a live flow. */
	assert_int_equal(flow->n_refs, 1 + flow->key.ip_src % 8);
	assert_int_equal(flow->mask->mask.base.ip_src, UINT32_MAX);
	assert_int_equal(flow->prog->simple_port, 1 + flow->key.ip_src % 5);
	if (c->kill_all || (flow->key.ip_src + c->turn) % 3 == 0)
		flow_cache_kill(c->b->cache, flow);
	else
		take_credit(flow, NULL);
	return true;
}

static void loses_no_count(void **state)
{
	struct flow_cache_config config = {
	        .n_flows = 512, .n_exact = 1024, .numa_node = -1, .isa = pkt_isa_best()};
	struct shared s = {.b = bench_new(&config)};
	struct ctl c = {.b = s.b};
	struct flow_cache_stats st;
	pthread_t thread;

	total = 0;
	assert_int_equal(pthread_create(&thread, NULL, worker, &s), 0);
	while (!__atomic_load_n(&s.done, __ATOMIC_ACQUIRE)) {
		c.turn++;
		flow_cache_walk(s.b->cache, visit, &c);
		for (unsigned i = 0; i < 50; i++)
			flow_cache_reap(s.b->cache, take_credit, NULL);
		flow_cache_stats_get(s.b->cache, &st);
	}
	pthread_join(thread, NULL);
	c.kill_all = true;
	flow_cache_walk(s.b->cache, visit, &c);
	while (flow_cache_reap(s.b->cache, take_credit, NULL))
		flow_cache_poll(s.b->cache);
	assert_int_equal(total, s.counted);
	assert_true(c.turn > 3);
	assert_int_equal(flow_cache_live(s.b->cache), 0);
	bench_free(s.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(loses_no_count)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
