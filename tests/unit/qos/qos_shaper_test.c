/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shaper by a simulated clock: rates within 1 % from 1 Mbit/s to 40 Gbit/s, burst and peak,
 * priorities, weights, limits, CoDel with drops and marks, change of configuration.
 */
#include "qos_shaper_util.h"

/* Bytes in `ticks` from `start` while there is always something to send, polled every `step`. */
static uint64_t run(struct qos_shaper *s, uint32_t size, uint64_t start, uint64_t ticks,
                    uint64_t step)
{
	uint64_t bytes = 0;

	for (uint64_t now = start; now < start + ticks; now += step) {
		fill(s, 0, size, now);
		bytes += take(s, now);
	}
	return bytes;
}

static void rate_is_exact(void **state)
{
	static const uint64_t bps[] = {1000000,    10000000,    100000000,
	                               1000000000, 10000000000, 40000000000};
	static const uint32_t sizes[] = {64, 1514, 9014};

	for (unsigned r = 0; r < EVS_ARRAY_LEN(bps); r++)
		for (unsigned i = 0; i < EVS_ARRAY_LEN(sizes); i++) {
			struct qos_shaper_config config = {.average_bps = bps[r],
			                                   .burst_bytes = 20000};
			struct qos_shaper *s = qos_shaper_create(&config, HZ);
			/* 4,096 packets of 64 bytes are 52 us of 40 Gbit/s */
			uint64_t step = bps[r] > 1000000000 ? HZ / 100000 : HZ / 5000;
			uint64_t ticks = bps[r] > 1000000000 ? HZ / 20 : 10 * HZ, want;

			run(s, sizes[i], 5 * HZ, HZ / 10, step);
			want = (uint64_t)((double)bps[r] / 8 * (double)ticks / (double)HZ);
			near(run(s, sizes[i], 5 * HZ + HZ / 10, ticks, step), want, 0.01);
			empty(s);
		}
}

/* Mixed frames, counted as on layer 1: each window of 50 ms is within 5 %, or a frame. */
static void short_windows_hold(void **state)
{
	static const uint64_t bps[] = {1000000, 100000000, 40000000000};
	static const uint32_t sizes[] = {60, 1514, 576, 9014, 60};

	for (unsigned r = 0; r < EVS_ARRAY_LEN(bps); r++) {
		struct qos_shaper_config config = {.average_bps = bps[r],
		                                   .burst_bytes = 10000,
		                                   .overhead_bytes = 24,
		                                   .frame_min_bytes = 60};
		struct qos_shaper *s = qos_shaper_create(&config, HZ);
		uint64_t step = bps[r] > 1000000000 ? HZ / 100000 : HZ / 5000, now = 5 * HZ;
		double want = (double)bps[r] / 8 / 20;
		struct qos_queue_info info;
		unsigned i = 0;

		for (unsigned window = 0; window < 12; window++) {
			uint64_t before, end = now + 50 * MS;

			assert_true(qos_shaper_queue(s, 0, &info));
			before = info.stats.bytes;
			for (; now < end; now += step) {
				while (put(s, 0, packet(0, sizes[i++ % 5]), now))
					;
				take(s, now);
			}
			qos_shaper_queue(s, 0, &info);
			if (window < 4) /* the burst */
				continue;
			near(info.stats.bytes - before, (uint64_t)want, 0.05 + 9038 / want);
		}
		empty(s);
	}
}

/* Polls that come some milliseconds late cost no rate, even with a burst of one frame. */
static void late_polls_cost_nothing(void **state)
{
	struct qos_shaper_config config = {.average_bps = 100000000, .burst_bytes = 1514};
	struct qos_shaper *s = qos_shaper_create(&config, HZ);

	run(s, 1514, HZ, HZ / 10, HZ / 110);
	near(run(s, 1514, HZ + HZ / 10, HZ, HZ / 110), 100000000 / 8, 0.01);
	empty(s);
}

/* Idle for long, then full: exactly the burst at the peak rate, then the average. */
static void burst_goes_at_peak(void **state)
{
	struct qos_shaper_config config = {
	        .average_bps = 200000000, .peak_bps = 500000000, .burst_bytes = 3000000};
	struct qos_shaper *s = qos_shaper_create(&config, HZ);
	/* burst + average * t = peak * t */
	uint64_t t = (uint64_t)(3000000 * 8 / 300e6 * (double)HZ), step = HZ / 20000;

	near(run(s, 1000, 9 * HZ, t, step), (uint64_t)(500e6 / 8 * 0.08), 0.01);
	near(run(s, 1000, 9 * HZ + t, HZ, step), 200000000 / 8, 0.01);
	empty(s);
	config.peak_bps = 0;
	s = qos_shaper_create(&config, HZ);
	fill(s, 0, 1000, 9 * HZ); /* at once: what the queue holds of it */
	assert_int_equal(take(s, 9 * HZ), QOS_LIMIT_DEFAULT * 1000);
	empty(s);
}

static void priority_is_strict(void **state)
{
	static const struct qos_queue_config queues[] = {QUEUE(1, 0, 1, 100),
	                                                 QUEUE(2, 7, 100, 1000)};
	struct qos_shaper_config config = {
	        .average_bps = 10000000, .burst_bytes = 2000, .n_queues = 2, .queues = queues};
	struct qos_shaper *s = qos_shaper_create(&config, HZ);

	for (uint64_t now = HZ; now < 3 * HZ; now += MS) {
		fill(s, 2, 1000, now);
		/* 500 bytes a millisecond: 4 of the 10 Mbit/s */
		assert_true(put(s, 1, packet(1, 500), now));
		take(s, now);
	}
	near(got_bytes[1], 2000 * 500, 0.005);
	near(got_bytes[2], 2 * 10000000 / 8 - 2000 * 500, 0.01);
	empty(s);
}

static void weights_share(void **state)
{
	static const struct qos_queue_config queues[] = {QUEUE(1, 3, 1, 50), QUEUE(2, 3, 2, 50),
	                                                 QUEUE(3, 3, 4, 50)};
	struct qos_shaper_config config = {
	        .average_bps = 100000000, .burst_bytes = 3000, .n_queues = 3, .queues = queues};
	struct qos_shaper *s = qos_shaper_create(&config, HZ);
	static const uint32_t sizes[] = {0, 1514, 64, 700};

	for (uint64_t now = HZ; now < 3 * HZ; now += MS / 10) {
		for (unsigned q = 1; q <= 3; q++)
			fill(s, q, sizes[q], now);
		take(s, now);
	}
	near(got_bytes[1], 100000000 / 8 * 2 / 7, 0.03);
	near(got_bytes[2], 100000000 / 8 * 4 / 7, 0.03);
	near(got_bytes[3], 100000000 / 8 * 8 / 7, 0.03);
	empty(s);
}

static void queues_are_bounded(void **state)
{
	static const struct qos_queue_config queues[] = {QUEUE(5, 0, 1, 10), QUEUE(6, 0, 1, 4096),
	                                                 QUEUE(7, 0, 1, 4096)};
	struct qos_shaper_config config = {.average_bps = 1000, .n_queues = 3, .queues = queues};
	struct qos_shaper *s = qos_shaper_create(&config, HZ);
	struct qos_queue_info info;

	fill(s, 5, 100, HZ);
	assert_int_equal(qos_shaper_backlog(s), 10);
	fill(s, 6, 100, HZ);
	/* all but what the four queues have for themselves, 32 each, and that of its own */
	assert_int_equal(qos_shaper_backlog(s), 4096 - 3 * 32 + 10);
	fill(s, 7, 100, HZ);
	assert_int_equal(qos_shaper_backlog(s), 4096 - 2 * 32 + 10);
	fill(s, 999, 100, HZ); /* queue 0 */
	assert_int_equal(qos_shaper_backlog(s), 4096 - 32 + 10);
	assert_true(qos_shaper_queue(s, 1, &info));
	assert_int_equal(info.config.id, 5);
	assert_int_equal(info.stats.full_drops, 1);
	assert_int_equal(info.stats.backlog_bytes, 1000);
	assert_false(qos_shaper_queue(s, 4, &info));
	empty(s);
	config.average_bps = 0;
	assert_null(qos_shaper_create(&config, HZ));
}

static void large_segments_count_their_headers(void **state)
{
	struct qos_shaper_config config = {.average_bps = 1000000, .overhead_bytes = 24};
	struct qos_shaper *s = qos_shaper_create(&config, HZ);
	struct rte_mbuf *m = packet(0, 54 + 3000);
	struct qos_queue_info info;

	m->ol_flags = RTE_MBUF_F_TX_TCP_SEG;
	m->l2_len = 14;
	m->l3_len = m->l4_len = 20;
	m->tso_segsz = 1448;
	assert_true(put(s, 0, m, HZ));
	assert_true(qos_shaper_queue(s, 0, &info));
	assert_int_equal(info.stats.backlog_bytes, 3000 + 3 * (54 + 24));
	empty(s);
}

/* A sender that speeds up until it loses a packet, then slows down by a fifth. */
static void codel_ends_standing_queues(void **state)
{
	struct qos_shaper_config config = {.average_bps = 100000000,
	                                   .burst_bytes = 3000,
	                                   .target_us = 5000,
	                                   .interval_us = 100000};
	struct qos_shaper *s = qos_shaper_create(&config, HZ);
	uint64_t slowed = 0, waited = 0, polls = 0;
	unsigned seen = 0;
	double pps = 4000, due = 0;
	struct qos_queue_info info;

	for (uint64_t now = HZ; now < 21 * HZ; now += MS / 10) {
		for (due += pps / 10000; due >= 1; due--)
			put(s, 0, packet(0, 1514), now);
		take(s, now);
		if (n_dropped > seen && now - slowed > 50 * MS) {
			pps *= 0.8;
			slowed = now;
		}
		seen = n_dropped;
		pps += 0.2;
		waited += qos_shaper_backlog(s);
		polls++;
	}
	assert_true(qos_shaper_queue(s, 0, &info));
	assert_int_equal(info.stats.aqm_drops, n_dropped);
	assert_int_equal(info.stats.full_drops, 0);
	assert_in_range(n_dropped, 5, 2000);
	assert_in_range(info.stats.bytes, 20 * 90000000l / 8, 20 * 100000000l / 8 + 10000);
	assert_in_range(waited / polls, 0, 165); /* 20 ms; without CoDel 1,024 stand */
	empty(s);
}

static uint8_t frame[64];

/* A packet that may be marked is: nothing is lost. */
static void codel_marks(void **state)
{
	struct qos_shaper_config config = {.average_bps = 1000000,
	                                   .burst_bytes = 100,
	                                   .target_us = 5000,
	                                   .interval_us = 100000};
	struct qos_shaper *s = qos_shaper_create(&config, HZ);
	struct qos_queue_info info;

	frame[12] = 0x08;
	frame[14] = 0x45;
	frame[15] = 0xb8 | 2; /* capable of it */
	for (unsigned i = 0; i < 500; i++) {
		struct rte_mbuf *m = packet(0, 64);

		m->buf_addr = frame;
		m->data_len = 64;
		m->nb_segs = m->refcnt = 1;
		assert_true(put(s, 0, m, HZ));
	}
	for (uint64_t now = HZ; now < 2 * HZ; now += MS / 10)
		take(s, now);
	assert_true(qos_shaper_queue(s, 0, &info));
	assert_in_range(info.stats.marks, 1, 499);
	assert_int_equal(info.stats.aqm_drops, 0);
	assert_int_equal(info.stats.pkts, 500);
	assert_int_equal(frame[15], 0xb8 | 3);
	/* The checksum started as 0, whose complement is 0xffff; one more in the sum: 1. */
	assert_int_equal(frame[24] << 8 | frame[25], 0xfffe);
	empty(s);
}

static void change_keeps_packets_and_order(void **state)
{
	static const struct qos_queue_config queues[] = {QUEUE(1, 0, 1, 100), QUEUE(2, 1, 1, 100)};
	struct qos_shaper_config config = {
	        .average_bps = 1000000, .burst_bytes = 2000, .n_queues = 2, .queues = queues};
	struct qos_shaper *s = qos_shaper_create(&config, HZ), *next;
	struct rte_mbuf *out[QOS_BURST_LEN];

	for (unsigned i = 0; i < 5; i++) {
		put(s, 1, packet(1, 100 + i), HZ);
		put(s, 2, packet(2, 200 + i), HZ);
	}
	config.n_queues = 1;
	config.burst_bytes = 1;
	config.average_bps = 8000000; /* 1,000 bytes a millisecond */
	next = qos_shaper_create(&config, HZ);
	qos_shaper_move(s, next, HZ);
	assert_int_equal(qos_shaper_backlog(s), 0);
	assert_int_equal(qos_shaper_backlog(next), 10);
	qos_shaper_destroy(s);
	assert_in_range(take(next, HZ + MS / 10), 1, 300);
	assert_int_equal(qos_shaper_flush(next, out), 10 - got_bytes[1] / 100);
	assert_int_equal(out[0]->pkt_len, 100 + got_bytes[1] / 100);
	assert_int_equal(out[9 - got_bytes[1] / 100]->pkt_len, 204);
	empty(next);
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(rate_is_exact),
	        TEST(short_windows_hold),
	        TEST(late_polls_cost_nothing),
	        TEST(burst_goes_at_peak),
	        TEST(priority_is_strict),
	        TEST(weights_share),
	        TEST(queues_are_bounded),
	        TEST(large_segments_count_their_headers),
	        TEST(codel_ends_standing_queues),
	        TEST(codel_marks),
	        TEST(change_keeps_packets_and_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
