/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shaped port in the loop of workers: rate, order, queues, change, removal, and that every packet
 * is accounted for, also those that are held.
 */
#include "pmd_test_env.h"
#include "pmd/pmd_shape.h"

static struct fake *a, *b, *c;
static bool is_done;

static int start(void **state)
{
	struct pmd_config config = env_config();

	env_pmd_start(&config);
	a = fake_attach(1);
	b = fake_attach(2);
	c = fake_attach(3);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	flow_prog_add(&env_progs[3], FLOW_OP_SET_QUEUE, 7);
	flow_prog_add(&env_progs[3], FLOW_OP_OUTPUT, 2);
	assert_int_equal(pmd_worker_add(0, NULL), 0);
	is_done = false;
	return 0;
}

static int stop(void **state)
{
	env_pmd_stop();
	assert_int_equal(pmd_held(), 0);
	return 0;
}

/* A frame at SLOW takes a minute. */
#define SLOW 8

static void shape(uint64_t bps, uint64_t burst)
{
	static const struct qos_queue_config queues[] = {
	        {.id = 0, .priority = 4, .weight = 1, .limit_pkts = 1000},
	        {.id = 7, .priority = 1, .weight = 1, .limit_pkts = 1000}};
	struct qos_shaper_config config = {
	        .average_bps = bps, .burst_bytes = burst, .n_queues = 2, .queues = queues};

	assert_int_equal(pmd_shaper_set(&b->port, &config, NULL), 0);
}

static void put(struct fake *f, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		env_put(f, env_frame(1, i, ENV_FRAME_SIZE));
}

static void expect(uint32_t seq)
{
	struct rte_mbuf *m = env_take(b);

	assert_int_equal(env_seq(m), seq);
	rte_pktmbuf_free(m);
}

static bool sum_is(uint64_t rx, uint64_t tx, uint64_t dropped)
{
	struct pmd_account s = env_account();

	return s.rx == rx && s.tx == tx && s.dropped == dropped && pmd_held() == rx - tx - dropped;
}

static void on_done(void *arg)
{
	is_done = true;
}

static void test_rate_and_order(void **state)
{
	uint64_t begin = evs_clock_ns();

	shape(480000, 600); /* 10 frames, then one a millisecond */
	put(a, 0, 110);
	for (uint32_t i = 0; i < 110; i++)
		expect(i);
	assert_true(evs_clock_ns() - begin >= 99000000); /* no upper end: the machine may stall */
	assert_true(ENV_WAIT(sum_is(110, 110, 0)));
}

static void test_delete_sends_what_is_held(void **state)
{
	shape(SLOW, 1);
	put(a, 0, 200);
	expect(0);
	assert_true(ENV_WAIT(sum_is(200, 1, 0)));
	assert_int_equal(pmd_shaper_del(&b->port, on_done, NULL, NULL), 0);
	assert_int_equal(pmd_shaper_del(&b->port, on_done, NULL, NULL), -ENOENT);
	for (uint32_t i = 1; i < 500; i++) { /* what comes meanwhile overtakes nothing */
		if (i < 301)
			put(a, 199 + i, 1);
		expect(i);
	}
	assert_true(ENV_WAIT(is_done));
	assert_null(pmd_shaper_get(&b->port));
	put(a, 500, 100);
	for (uint32_t i = 500; i < 600; i++)
		expect(i);
	assert_true(ENV_WAIT(sum_is(600, 600, 0)));
}

static void test_change_keeps_what_is_held(void **state)
{
	shape(SLOW, 1);
	put(a, 0, 100);
	expect(0);
	shape(2 * SLOW, 1);
	put(a, 100, 100);
	assert_true(ENV_WAIT(sum_is(200, 1, 0)));
	shape(1000000000, 60);
	for (uint32_t i = 1; i < 200; i++)
		expect(i);
	assert_true(ENV_WAIT(sum_is(200, 200, 0)));
}

/* Queue 7 is served before queue 0, which came first. */
static void test_set_queue(void **state)
{
	struct qos_queue_info info;

	shape(SLOW, 1);
	put(a, 0, 11);
	expect(0);
	assert_true(ENV_WAIT(sum_is(11, 1, 0)));
	put(c, 500, 10);
	assert_true(ENV_WAIT(sum_is(21, 1, 0)));
	assert_true(qos_shaper_queue(pmd_shaper_get(&b->port), 1, &info));
	assert_int_equal(info.config.id, 7);
	assert_int_equal(info.stats.backlog_pkts, 10);
	shape(1000000000, 60);
	for (uint32_t i = 500; i < 510; i++)
		expect(i);
	for (uint32_t i = 1; i < 11; i++)
		expect(i);
}

static void test_full_queue_drops(void **state)
{
	shape(SLOW, 1);
	put(a, 0, 1501);
	assert_true(ENV_WAIT(sum_is(1501, 1, 500)));
	assert_int_equal(env_drops(b, PKT_DROP_QUEUE_FULL), 500);
}

/* A port that is full holds up nobody else. */
static void test_other_ports_do_not_wait(void **state)
{
	shape(SLOW, 1);
	flow_prog_builder_init(&env_progs[3]);
	flow_prog_add(&env_progs[3], FLOW_OP_OUTPUT, 1);
	put(a, 0, 1501);
	assert_true(ENV_WAIT(sum_is(1501, 1, 500)));
	put(c, 0, 500);
	for (uint32_t i = 0; i < 500; i++) {
		struct rte_mbuf *m = env_take(a);

		assert_int_equal(env_seq(m), i);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(pmd_held(), 1000);
}

/* The worker that receives is not the one that shapes; then its owner leaves. */
static void test_two_workers(void **state)
{
	assert_int_equal(pmd_worker_add(1, NULL), 0);
	assert_true(ENV_WAIT(evs_rcu_poll() == 0));
	shape(SLOW, 1);
	put(a, 0, 500);
	put(c, 1000, 400);
	assert_true(ENV_WAIT(sum_is(900, 1, 0)));
	assert_int_equal(pmd_worker_del(0, NULL), 0);
	assert_true(ENV_WAIT(!pmd_worker_cache(0)));
	assert_int_equal(pmd_held(), 899);
	assert_int_equal(pmd_worker_add(0, NULL), 0);
	assert_int_equal(pmd_worker_del(1, NULL), 0);
	assert_true(ENV_WAIT(!pmd_worker_cache(1)));
	assert_int_equal(pmd_held(), 899);
	shape(1000000000, 60);
	for (uint32_t i = 0; i < 900; i++)
		rte_pktmbuf_free(env_take(b));
	assert_true(ENV_WAIT(pmd_held() == 0));
}

/* All came, and nothing is on its way to the owner. */
static bool all_came(uint64_t rx)
{
	struct pmd_account s = env_account();
	uint64_t held = pmd_held();

	return s.rx == rx && s.tx + s.dropped + held == rx &&
	       qos_shaper_backlog(pmd_shaper_get(&b->port)) == held;
}

/* An overload from both workers: whoever drops, at the queue or on a crowded way to it, the queues
 * and the port tell of all of it. */
static void test_two_workers_overload(void **state)
{
	struct qos_queue_info info[2];
	uint64_t dropped;

	assert_int_equal(pmd_worker_add(1, NULL), 0);
	assert_true(ENV_WAIT(evs_rcu_poll() == 0));
	shape(SLOW, 1);
	put(a, 0, 1900);
	put(c, 2000, 1900);
	assert_true(ENV_WAIT(all_came(3800)));
	dropped = env_account().dropped;
	assert_in_range(dropped, 1798, 3000);
	assert_int_equal(env_drops(b, PKT_DROP_QUEUE_FULL), dropped);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(qos_shaper_queue(pmd_shaper_get(&b->port), i, &info[i]));
		assert_in_range(info[i].stats.full_drops, 899, dropped);
	}
	assert_int_equal(info[0].stats.full_drops + info[1].stats.full_drops, dropped);
	shape(1000000000, 60);
	for (uint64_t i = 0; i < 3800 - dropped; i++)
		rte_pktmbuf_free(env_take(b));
	assert_true(ENV_WAIT(pmd_held() == 0));
}

static void on_detached(struct port *port, void *arg)
{
	is_done = true;
}

static void test_port_goes_while_packets_wait(void **state)
{
	shape(SLOW, 1);
	put(a, 0, 300);
	assert_true(ENV_WAIT(sum_is(300, 1, 0)));
	pmd_port_detach(&b->port, on_detached, NULL);
	assert_true(ENV_WAIT(is_done));
	assert_int_equal(pmd_held(), 0);
	assert_true(ENV_WAIT(env_account().tx + env_account().dropped == 300));
}

static void test_end_while_packets_wait(void **state)
{
	shape(SLOW, 1);
	put(a, 0, 300);
	assert_true(ENV_WAIT(sum_is(300, 1, 0)));
	assert_int_equal(pmd_shaper_del(&b->port, NULL, NULL, NULL), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_rate_and_order),
	        TEST(test_delete_sends_what_is_held),
	        TEST(test_change_keeps_what_is_held),
	        TEST(test_set_queue),
	        TEST(test_full_queue_drops),
	        TEST(test_other_ports_do_not_wait),
	        TEST(test_two_workers),
	        TEST(test_two_workers_overload),
	        TEST(test_port_goes_while_packets_wait),
	        TEST(test_end_while_packets_wait),
	};

	return cmocka_run_group_tests(tests, env_eal_start, env_eal_stop);
}
