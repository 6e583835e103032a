/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler of a shaper by a simulated clock: guarantees, limits of queues and classes, weights
 * of classes, thousands of queues with bounded work, DSCP and PCP maps, WRED, waiting times.
 */
#include "qos_shaper_util.h"

#define CONFIG(bps, q, c)                                                                          \
	(struct qos_shaper_config)                                                                 \
	{                                                                                          \
		.average_bps = bps, .burst_bytes = 3000, .n_queues = EVS_ARRAY_LEN(q),             \
		.queues = q, .n_classes = EVS_ARRAY_LEN(c), .classes = c                           \
	}

static const struct qos_class_config no_classes[1] = {{.id = 0, .weight = 1}};

/* Keeps queues 1 to n full with frames of `size` for `ticks`. */
static void overload(struct qos_shaper *s, unsigned n, uint32_t size, uint64_t ticks)
{
	for (uint64_t now = HZ; now < HZ + ticks; now += MS / 10) {
		for (unsigned q = 1; q <= n; q++)
			fill(s, q, size, now);
		take(s, now);
	}
}

static struct qos_queue_config *queue(struct qos_queue_config *q, uint16_t id)
{
	*q = (struct qos_queue_config){.id = id, .priority = 4, .weight = 1, .limit_pkts = 32};
	return q;
}

/* Queue 1 is bulk of the highest priority; the others have guarantees all the same. */
static void guarantees_hold(void **state)
{
	struct qos_queue_config q[3];
	struct qos_shaper *s;

	queue(&q[0], 1)->priority = 0;
	queue(&q[1], 2)->min_bps = 30000000;
	queue(&q[2], 3)->min_bps = 10000000;
	q[2].priority = 7;
	s = qos_shaper_create(&CONFIG(100000000, q, no_classes), HZ);
	overload(s, 3, 1000, 2 * HZ);
	near(got_bytes[2], 2 * 30000000 / 8, 0.01);
	near(got_bytes[3], 2 * 10000000 / 8, 0.01);
	near(got_bytes[1], 2 * 60000000 / 8, 0.01);
	empty(s);
}

/* What a guarantee leaves goes by weight, on top of the guarantees. */
static void excess_goes_by_weight(void **state)
{
	struct qos_queue_config q[2];
	struct qos_shaper *s;

	queue(&q[0], 1)->min_bps = 20000000;
	queue(&q[1], 2)->weight = 3;
	s = qos_shaper_create(&CONFIG(100000000, q, no_classes), HZ);
	overload(s, 2, 700, 2 * HZ);
	near(got_bytes[1], 2 * 40000000 / 8, 0.02);
	near(got_bytes[2], 2 * 60000000 / 8, 0.02);
	empty(s);
}

static void queue_limits_hold(void **state)
{
	static const uint64_t max[] = {1000000, 10000000, 80000000};
	struct qos_queue_config q[4];
	struct qos_shaper *s;

	for (uint16_t i = 0; i < 3; i++) {
		queue(&q[i], (uint16_t)(i + 1))->max_bps = max[i];
		q[i].burst_bytes = 2000;
		q[i].priority = 0;
	}
	queue(&q[3], 4); /* the rest is its own, though all others come first */
	s = qos_shaper_create(&CONFIG(200000000, q, no_classes), HZ);
	overload(s, 4, 1000, 2 * HZ);
	for (unsigned i = 0; i < 3; i++)
		near(got_bytes[i + 1], 2 * max[i] / 8 + 2000, 0.01);
	near(got_bytes[4], 2 * 109000000 / 8, 0.01);
	empty(s);
}

/* Idle for long, a queue sends its burst, then its limit. */
static void queue_burst(void **state)
{
	struct qos_queue_config q[1];
	struct qos_shaper *s;

	queue(&q[0], 1)->max_bps = 8000000;
	q[0].burst_bytes = 40000;
	s = qos_shaper_create(&CONFIG(1000000000, q, no_classes), HZ);
	overload(s, 1, 1000, 10 * MS); /* 10 ms of the limit are 10,000 bytes */
	near(got_bytes[1], 50000, 0.03);
	empty(s);
}

/* Two tenants with a cap each, and one with half the weight of what is left. */
static void tenants_share_their_limits(void **state)
{
	static const struct qos_class_config classes[] = {
	        {.id = 1, .weight = 1, .max_bps = 20000000, .burst_bytes = 2000},
	        {.id = 2, .weight = 1, .max_bps = 30000000, .burst_bytes = 2000},
	        {.id = 3, .weight = 1},
	        {.id = 4, .weight = 2}};
	struct qos_queue_config q[6];
	struct qos_shaper *s;

	for (uint16_t i = 0; i < 6; i++)
		queue(&q[i], (uint16_t)(i + 1));
	q[0].class_id = q[1].class_id = 1;
	q[1].weight = 3;
	q[2].class_id = q[3].class_id = 2;
	q[3].priority = 0; /* comes first within its tenant's limit */
	q[4].class_id = 3;
	q[5].class_id = 4;
	s = qos_shaper_create(&CONFIG(110000000, q, classes), HZ);
	overload(s, 6, 500, 2 * HZ);
	near(got_bytes[1], 2 * 5000000 / 8, 0.03);
	near(got_bytes[2], 2 * 15000000 / 8, 0.03);
	near(got_bytes[3] + got_bytes[4], 2 * 30000000 / 8, 0.01);
	assert_in_range(got_bytes[3], 0, got_bytes[4] / 100);
	near(got_bytes[5], 2 * 20000000 / 8, 0.03);
	near(got_bytes[6], 2 * 40000000 / 8, 0.03);
	empty(s);
}

/* A tenant's guarantee is for its queues together, whatever comes first; it holds beside that of a
 * queue in it, and one that is idle loses it to the others. */
static void tenants_have_guarantees(void **state)
{
	static const struct qos_class_config classes[] = {
	        {.id = 1, .weight = 1},
	        {.id = 2, .weight = 1, .min_bps = 30000000},
	        {.id = 3, .weight = 1, .min_bps = 20000000}};
	struct qos_queue_config q[5];
	struct qos_shaper *s;

	for (uint16_t i = 0; i < 5; i++)
		queue(&q[i], (uint16_t)(i + 1))->class_id = i / 2 + 1;
	q[0].priority = q[1].priority = 0;
	q[2].min_bps = 10000000; /* of the 30 of its class */
	q[3].priority = 3;       /* has the rest of them */
	s = qos_shaper_create(&CONFIG(100000000, q, classes), HZ);
	overload(s, 4, 500, 2 * HZ);
	near(got_bytes[3], 2 * 10000000 / 8, 0.01);
	near(got_bytes[4], 2 * 20000000 / 8, 0.01);
	near(got_bytes[1], 2 * 35000000 / 8, 0.01);
	near(got_bytes[2], 2 * 35000000 / 8, 0.01);
	empty(s);
	reset(NULL);
	s = qos_shaper_create(&CONFIG(100000000, q, classes), HZ);
	overload(s, 5, 500, 2 * HZ);
	near(got_bytes[3] + got_bytes[4], 2 * 30000000 / 8, 0.01);
	near(got_bytes[5], 2 * 20000000 / 8, 0.01);
	empty(s);
}

/* A poll that comes 80 ms late costs the port its rate, but nobody who has a guarantee. */
static void guarantees_are_made_up_for(void **state)
{
	struct qos_queue_config q[2];
	struct qos_shaper *s;

	queue(&q[0], 1)->priority = 0;
	queue(&q[1], 2)->min_bps = 20000000;
	q[1].limit_pkts = 1000; /* who runs empty is owed nothing */
	s = qos_shaper_create(&CONFIG(100000000, q, no_classes), HZ);
	for (uint64_t now = HZ; now < 3 * HZ; now += now % (HZ / 5) ? MS / 10 : 80 * MS) {
		fill(s, 1, 1000, now);
		fill(s, 2, 1000, now);
		take(s, now);
	}
	near(got_bytes[2], 2 * 20000000 / 8, 0.01);
	assert_in_range(got_bytes[1], 1, 2 * 60000000 / 8);
	empty(s);
}

/* A priority above an overload of ten times: nothing lost, and it waits for a frame at most. */
static void high_priority_waits_for_a_frame(void **state)
{
	struct qos_queue_config q[2];
	struct qos_queue_info info;
	struct qos_shaper *s;

	queue(&q[0], 1)->priority = 0;
	queue(&q[1], 2)->limit_pkts = 1000;
	s = qos_shaper_create(&CONFIG(100000000, q, no_classes), HZ);
	for (uint64_t now = HZ; now < 2 * HZ; now += MS / 50) {
		if (now % (MS / 2) == 0) /* 3.2 of 100 Mbit/s */
			assert_true(put(s, 1, packet(1, 200), now));
		for (unsigned i = 0; i < 2; i++) /* 1.2 Gbit/s */
			put(s, 2, packet(2, 1514), now);
		take(s, now);
	}
	assert_true(qos_shaper_queue_by_id(s, 1, &info));
	assert_int_equal(info.stats.full_drops, 0);
	assert_in_range((int)info.wait_max_us, 1, 240); /* a burst of 3,000 bytes */
	assert_in_range(info.stats.pkts, 1999, 2000);
	assert_true(qos_shaper_queue_by_id(s, 2, &info));
	assert_in_range((int)info.wait_p50_us, 100000, 150000); /* 1,000 frames */
	empty(s);
}

/* As many queues as there may be, with limits and guarantees: all get the same. */
static void thousands_of_queues(void **state)
{
	static struct qos_queue_config q[QOS_QUEUES - 1];
	uint64_t least = UINT64_MAX, most = 0;
	struct qos_shaper *s;

	for (unsigned i = 0; i < EVS_ARRAY_LEN(q); i++) {
		queue(&q[i], (uint16_t)(i + 1))->limit_pkts = 4;
		q[i].min_bps = i % 3 == 0 ? 100000 : 0;
		q[i].max_bps = i % 2 == 0 ? 20000000 : 0;
		q[i].burst_bytes = 2000;
	}
	s = qos_shaper_create(&CONFIG(1000000000, q, no_classes), HZ);
	assert_non_null(s);
	overload(s, QOS_QUEUES - 1, 1000, HZ);
	for (unsigned i = 1; i < QOS_QUEUES; i++) {
		if ((i - 1) % 3 == 0)
			continue; /* has its guarantee besides */
		least = EVS_MIN(least, got_bytes[i]);
		most = EVS_MAX(most, got_bytes[i]);
	}
	assert_in_range(least, 26000, 31000);
	assert_in_range(most - least, 0, 4000);
	empty(s);
}

/* Many queues that all may not send cost a bounded number of steps a call. */
static void work_is_bounded(void **state)
{
	static struct qos_queue_config q[QOS_QUEUES - 1];
	struct qos_taken t;
	struct qos_shaper *s;
	unsigned calls = 0, out = 0;

	for (unsigned i = 0; i < EVS_ARRAY_LEN(q); i++) {
		queue(&q[i], (uint16_t)(i + 1))->max_bps = 8000;
		q[i].burst_bytes = 100;
	}
	s = qos_shaper_create(&CONFIG(UINT64_C(100000000000), q, no_classes), HZ);
	for (unsigned i = 1; i < QOS_QUEUES; i++)
		for (unsigned n = 0; n < 4; n++)
			put(s, i, packet(i, 1000), HZ);
	do {
		qos_shaper_take(s, HZ + MS, &t);
		out += t.n_out;
		calls++;
	} while (t.more);
	assert_int_equal(out, QOS_QUEUES - 1); /* one each, and then none for a second */
	assert_in_range(calls, (QOS_QUEUES - 1) / 32, 1000);
	qos_shaper_take(s, HZ + 2 * MS, &t);
	assert_int_equal(t.n_out, 0);
	assert_false(t.more);
	empty(s);
}

static uint8_t frames[8][64];

static struct rte_mbuf *framed(unsigned i, uint16_t vlan_tci, uint8_t tos)
{
	struct rte_mbuf *m = packet(0, 64);
	uint8_t *p = frames[i % 8] + 12;

	memset(frames[i % 8], 0, 64);
	if (vlan_tci) {
		*p++ = 0x81;
		*p++ = 0x00;
		*p++ = (uint8_t)(vlan_tci >> 8);
		*p++ = (uint8_t)vlan_tci;
	}
	if (tos) {
		*p++ = 0x08;
		*p++ = 0x00;
		*p++ = 0x45;
		*p = tos;
	}
	m->buf_addr = frames[i % 8];
	m->data_len = 64;
	m->nb_segs = m->refcnt = 1;
	return m;
}

static void maps_choose_queues(void **state)
{
	struct qos_queue_config q[3];
	struct qos_map map;
	struct qos_shaper_config config = CONFIG(1000000, q, no_classes);
	struct qos_queue_info info;
	struct qos_shaper *s;

	for (uint16_t i = 0; i < 3; i++)
		queue(&q[i], (uint16_t)(i + 1));
	memset(&map, 0xff, sizeof(map));
	map.dscp[46] = 1;
	map.pcp[5] = 2;
	config.map = &map;
	s = qos_shaper_create(&config, HZ);
	put(s, 0, framed(0, 0, 46 << 2), HZ);            /* 1: by DSCP */
	put(s, 0, framed(1, 5 << 13 | 10, 46 << 2), HZ); /* 1: DSCP comes first */
	put(s, 0, framed(2, 5 << 13 | 10, 0), HZ);       /* 2: no IP */
	put(s, 0, framed(3, 5 << 13 | 10, 8 << 2), HZ);  /* 2: its DSCP says nothing */
	put(s, 0, framed(4, 1 << 13 | 10, 8 << 2), HZ);  /* 0 */
	put(s, 3, framed(5, 5 << 13, 46 << 2), HZ);      /* 3: a rule said so */
	for (unsigned i = 0; i < 4; i++) {
		static const unsigned want[] = {1, 2, 2, 1};

		assert_true(qos_shaper_queue_by_id(s, i, &info));
		assert_int_equal(info.stats.backlog_pkts, want[i]);
	}
	empty(s);
}

/* On a crowded way to the owner bulk gives way to what comes first and to what is guaranteed. */
static void crowds_are_admitted_by_priority(void **state)
{
	struct qos_queue_config q[3];
	struct qos_shaper *s;

	queue(&q[0], 1)->priority = 0;
	queue(&q[1], 2)->priority = 7;
	queue(&q[2], 3)->min_bps = 8000;
	s = qos_shaper_create(&CONFIG(1000000, q, no_classes), HZ);
	for (unsigned i = 1; i <= 3; i++)
		assert_true(qos_shaper_admits(s, i, 1024, 1024));
	assert_true(qos_shaper_admits(s, 1, 1, 1024));
	assert_false(qos_shaper_admits(s, 2, 448, 1024));
	assert_true(qos_shaper_admits(s, 2, 449, 1024));
	assert_true(qos_shaper_admits(s, 3, 1, 1024));
	assert_false(qos_shaper_admits(s, 1, 0, 1024));
	fill(s, 1, 100, HZ);
	assert_false(qos_shaper_admits(s, 1, 1024, 1024));
	assert_true(qos_shaper_admits(s, 2, 1024, 1024));
	empty(s);
}

/* Twice the rate for some seconds: drops by probability, more for higher drop precedence, and
 * the queue is never full. */
static void wred_drops_by_precedence(void **state)
{
	struct qos_queue_config q[1];
	struct qos_queue_info info;
	struct qos_shaper *s;
	unsigned lost[3] = {0}, marked = 0;

	queue(&q[0], 1)->limit_pkts = 500;
	q[0].aqm = QOS_AQM_WRED;
	q[0].wred = (struct qos_wred_config){100, 300, 200};
	s = qos_shaper_create(&CONFIG(10000000, q, no_classes), HZ);
	for (unsigned i = 0; i < 30000; i++) {
		uint64_t now = HZ + i * (MS / 20);
		unsigned prec = i % 3, ecn = i % 4 == 0 ? 2 : 0;
		struct rte_mbuf *m = framed(i, 0, (uint8_t)((10 + 2 * prec) << 2 | ecn));

		lost[prec] += !put(s, 1, m, now);
		marked += (frames[i % 8][15] & 3) == 3;
		take(s, now);
	}
	assert_true(qos_shaper_queue_by_id(s, 1, &info));
	assert_int_equal(info.stats.full_drops, 0);
	assert_int_equal(info.stats.aqm_drops, lost[0] + lost[1] + lost[2]);
	assert_int_equal(info.stats.marks, marked);
	assert_in_range(marked, 10, 7500);
	assert_true(lost[0] * 3 < lost[1] * 2 && lost[1] < lost[2]);
	empty(s);
}

static void wrong_configs_are_refused(void **state)
{
	static const struct {
		struct qos_queue_config queue;
		struct qos_class_config class;
	} wrong[] = {
	        {{1, 8, 1, 10, 0, 0, 0, 0, 0, {0, 0, 0}}, {0, 1, 0, 0, 0}},
	        {{1, 0, 1, 10, 5, 0, 0, 0, 0, {0, 0, 0}}, {0, 1, 0, 0, 0}},
	        {{1, 0, 1, 10, 0, 0, 20, 10, 0, {0, 0, 0}}, {0, 1, 0, 0, 0}},
	        {{1, 0, 1, 10, 0, QOS_AQM_WRED, 0, 0, 0, {9, 9, 1}}, {0, 1, 0, 0, 0}},
	        {{1, 0, 1, 10, 0, QOS_AQM_WRED, 0, 0, 0, {1, 9, 1001}}, {0, 1, 0, 0, 0}},
	        {{1, 0, 1, 10, 0, 0, 0, 0, 0, {0, 0, 0}}, {QOS_CLASSES, 1, 0, 0, 0}},
	        {{1, 0, 1, 10, 0, 0, 0, 0, 0, {0, 0, 0}}, {1, 0, 0, 0, 0}},
	        {{1, 0, 1, 10, 0, 0, 0, 0, 0, {0, 0, 0}}, {1, 1, 20, 10, 0}},
	};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(wrong); i++) {
		struct qos_shaper_config config = {.average_bps = 1000000,
		                                   .n_queues = 1,
		                                   .queues = &wrong[i].queue,
		                                   .n_classes = 1,
		                                   .classes = &wrong[i].class};

		assert_null(qos_shaper_create(&config, HZ));
	}
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(guarantees_hold),
	        TEST(tenants_have_guarantees),
	        TEST(guarantees_are_made_up_for),
	        TEST(excess_goes_by_weight),
	        TEST(queue_limits_hold),
	        TEST(queue_burst),
	        TEST(tenants_share_their_limits),
	        TEST(high_priority_waits_for_a_frame),
	        TEST(thousands_of_queues),
	        TEST(work_is_bounded),
	        TEST(maps_choose_queues),
	        TEST(crowds_are_admitted_by_priority),
	        TEST(wred_drops_by_precedence),
	        TEST(wrong_configs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
