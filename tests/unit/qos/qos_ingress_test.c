/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policing by the colours of RFC 2697, 2698 and 4115 against DPDK's meters, remarks, storm control,
 * shaping at ingress, and several threads on one rate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <rte_meter.h>

#include "qos/qos_ingress.h"

#define HZ UINT64_C(2000000000)

static uint8_t frames[32][128];
static struct rte_mbuf mbufs[32], *burst[32];

/* n frames to an address, IPv4 with a TOS. */
static void make(unsigned n, uint32_t size, uint8_t dst0, uint8_t tos)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *f = frames[i];

		memset(f, 0, sizeof(frames[i]));
		memset(f, dst0, 6);
		f[6] = 2;
		f[12] = 0x08;
		f[14] = 0x45;
		f[15] = tos;
		f[24] = 0x12; /* some checksum */
		mbufs[i] = (struct rte_mbuf){.buf_addr = f, .pkt_len = size, .data_len = 64};
		mbufs[i].nb_segs = mbufs[i].refcnt = 1;
		burst[i] = &mbufs[i];
	}
}

static uint32_t run(struct qos_ingress *in, unsigned n, uint64_t now, struct qos_ingress_burst *b)
{
	*b = (struct qos_ingress_burst){.n = n, .mbufs = burst, .now_tsc = now};
	return qos_ingress_run(in, b);
}

static struct qos_ingress_config police(enum qos_tcm tcm, uint64_t c_bytes, uint64_t cbs,
                                        uint64_t e_bytes, uint64_t ebs)
{
	struct qos_ingress_config config = {.polices = true};

	config.police.tcm = tcm;
	config.police.committed_bps = c_bytes * 8;
	config.police.committed_burst_bytes = cbs;
	config.police.excess_bps = e_bytes * 8;
	config.police.excess_burst_bytes = ebs;
	config.police.actions[QOS_RED].kind = QOS_ACT_DROP;
	return config;
}

/* DPDK's meters with the same rates: one byte a period. */
struct oracle {
	struct rte_meter_srtcm_profile sp;
	struct rte_meter_srtcm s;
	struct rte_meter_trtcm_profile tp;
	struct rte_meter_trtcm t;
	struct rte_meter_trtcm_rfc4115_profile fp;
	struct rte_meter_trtcm_rfc4115 f;
};

static enum rte_color oracle_says(struct oracle *o, enum qos_tcm tcm, uint64_t now, uint32_t len,
                                  enum rte_color came)
{
	switch (tcm) {
	case QOS_TCM_2697:
		return rte_meter_srtcm_color_aware_check(&o->s, &o->sp, now, len, came);
	case QOS_TCM_2698:
		return rte_meter_trtcm_color_aware_check(&o->t, &o->tp, now, len, came);
	default:
		return rte_meter_trtcm_rfc4115_color_aware_check(&o->f, &o->fp, now, len, came);
	}
}

static void oracle_init(struct oracle *o, uint64_t start)
{
	o->sp = (struct rte_meter_srtcm_profile){
	        .cbs = 20000, .ebs = 30000, .cir_period = 2000, .cir_bytes_per_period = 1};
	o->tp = (struct rte_meter_trtcm_profile){.cbs = 20000,
	                                         .pbs = 30000,
	                                         .cir_period = 2000,
	                                         .cir_bytes_per_period = 1,
	                                         .pir_period = 1600,
	                                         .pir_bytes_per_period = 1};
	o->fp = (struct rte_meter_trtcm_rfc4115_profile){.cbs = 20000,
	                                                 .ebs = 30000,
	                                                 .cir_period = 2000,
	                                                 .cir_bytes_per_period = 1,
	                                                 .eir_period = 1600,
	                                                 .eir_bytes_per_period = 1};
	o->s = (struct rte_meter_srtcm){.time = start, .tc = 20000, .te = 30000};
	o->t = (struct rte_meter_trtcm){start, start, 20000, 30000};
	o->f = (struct rte_meter_trtcm_rfc4115){start, start, 20000, 30000};
}

/* Bursts, gaps and overloads at random; the same packet may differ by what a byte of rounding
 * does. */
static void colours_are_those_of_dpdk(void **state)
{
	for (int k = 0; k < 6; k++) {
		enum qos_tcm tcm = (enum qos_tcm)(k % 3);
		bool aware = k >= 3;
		struct qos_ingress_config config = police(tcm, 1000000, 20000, 1250000, 30000);
		struct qos_ingress *in;
		struct oracle oracle;
		uint64_t now = 10 * HZ, said[3] = {0}, differs = 0;
		struct qos_ingress_counts counts;
		struct qos_ingress_burst b;
		unsigned seed = 7;

		config.police.colour_aware = aware;
		in = qos_ingress_create(&config, HZ);
		oracle_init(&oracle, now);
		for (unsigned i = 0; i < 100000; i++) {
			uint32_t size = 64 + (unsigned)rand_r(&seed) % 1400;
			unsigned prec = (unsigned)rand_r(&seed) % 3;
			uint64_t before;

			now += (unsigned)rand_r(&seed) % (i / 10000 % 2 ? 4000000 : 1000000);
			make(1, size, 2, (uint8_t)((10 + 2 * prec) << 2));
			qos_ingress_counts(in, &counts);
			before = counts.colours[QOS_GREEN].pkts +
			         2 * counts.colours[QOS_YELLOW].pkts;
			run(in, 1, now, &b);
			qos_ingress_counts(in, &counts);
			before = counts.colours[QOS_GREEN].pkts +
			         2 * counts.colours[QOS_YELLOW].pkts - before;
			prec = oracle_says(&oracle, tcm, now, size,
			                   aware ? (enum rte_color)prec : RTE_COLOR_GREEN);
			said[prec]++;
			differs += before != (prec == RTE_COLOR_GREEN    ? 1
			                      : prec == RTE_COLOR_YELLOW ? 2u
			                                                 : 0u);
		}
		for (unsigned c = 0; c < 3; c++) {
			assert_in_range(said[c], 100, 99000);
			assert_in_range(counts.colours[c].pkts, said[c] - said[c] / 100 - 5,
			                said[c] + said[c] / 100 + 5);
		}
		assert_in_range(differs, 0, 10000);
		free(in);
	}
}

static void rate_is_exact(void **state)
{
	static const uint64_t mbps[] = {1, 100, 40000};

	for (unsigned k = 0; k < 3; k++) {
		uint64_t bytes = mbps[k] * 125000, passed = 0;
		struct qos_ingress_config config = police(QOS_TCM_2697, bytes, 40000, 0, 0);
		struct qos_ingress *in = qos_ingress_create(&config, HZ);
		uint64_t bursts = bytes / 1000 / 16 + 500;
		struct qos_ingress_burst b;

		make(32, 1000, 2, 0);
		for (uint64_t i = 0; i < bursts; i++)
			passed += 32 - (unsigned)__builtin_popcount(
			                       run(in, 32, HZ + HZ / bursts * i, &b));
		assert_in_range(passed * 1000, bytes - bytes / 100, bytes + bytes / 100 + 41000);
		free(in);
	}
}

static void actions_remark(void **state)
{
	struct qos_ingress_config config = police(QOS_TCM_2697, 1000000, 2000, 0, 2000);
	struct qos_ingress_burst b;
	struct qos_ingress *in;

	config.police.actions[QOS_YELLOW] = (struct qos_action){QOS_ACT_REMARK, 1};
	config.police.actions[QOS_RED] = (struct qos_action){QOS_ACT_SET, 0};
	in = qos_ingress_create(&config, HZ);
	make(6, 1000, 2, 10 << 2 | 1); /* AF11 */
	assert_int_equal(run(in, 6, HZ, &b), 0);
	for (unsigned i = 0; i < 6; i++) {
		static const uint8_t dscp[] = {10, 10, 12, 12, 0, 0};
		uint32_t sum = (uint32_t)(frames[i][14] << 8 | frames[i][15]);

		assert_int_equal(frames[i][15], dscp[i] << 2 | 1);
		/* the sum over what changed and the checksum stays */
		sum += (uint32_t)(frames[i][24] << 8 | frames[i][25]);
		sum = (sum & 0xffff) + (sum >> 16);
		assert_int_equal(sum, 0x4500 + (10 << 2 | 1) + 0x1200);
	}
	free(in);
}

static void large_segments_pass(void **state)
{
	struct qos_ingress_config config = police(QOS_TCM_2697, 1000000, 2000, 0, 0);
	struct qos_ingress *in = qos_ingress_create(&config, HZ);
	struct qos_ingress_burst b;
	unsigned passed = 0;

	make(1, 60000, 2, 0);
	for (uint64_t ms = 0; ms < 1000; ms++)
		passed += run(in, 1, HZ + ms * (HZ / 1000), &b) == 0;
	assert_in_range(passed, 16, 17); /* a million bytes */
	free(in);
}

static void storms_are_told_apart(void **state)
{
	struct qos_ingress_config config = {0};
	struct qos_ingress_counts counts;
	struct qos_ingress_burst b;
	struct qos_ingress *in;

	config.storm[QOS_STORM_BROADCAST].by_pkts = true;
	config.storm[QOS_STORM_BROADCAST].rate = 1000;
	config.storm[QOS_STORM_BROADCAST].burst = 4;
	config.storm[QOS_STORM_MULTICAST].rate = 8000;
	config.storm[QOS_STORM_MULTICAST].burst = 150;
	config.storm[QOS_STORM_UNKNOWN].by_pkts = true;
	config.storm[QOS_STORM_UNKNOWN].rate = 10;
	config.storm[QOS_STORM_UNKNOWN].burst = 1;
	in = qos_ingress_create(&config, HZ);
	make(8, 100, 0xff, 0);
	assert_int_equal(run(in, 8, HZ, &b), 0xf0);
	assert_int_equal(b.storm, 0xf0);
	assert_int_equal(run(in, 8, HZ + HZ / 500, &b), 0xfc); /* two more a 2 ms */
	make(8, 100, 0x33, 0);
	assert_int_equal(run(in, 8, HZ, &b), 0xfc); /* 150 bytes: two frames */
	make(8, 100, 0x02, 0);
	assert_int_equal(run(in, 8, HZ, &b), 0);
	assert_int_equal(qos_ingress_unknown(in, &b, 0x3c), 0x38);
	qos_ingress_counts(in, &counts);
	assert_int_equal(counts.storm[QOS_STORM_BROADCAST].pkts, 10);
	assert_int_equal(counts.storm[QOS_STORM_MULTICAST].bytes, 600);
	assert_int_equal(counts.storm[QOS_STORM_UNKNOWN].pkts, 3);
	free(in);
}

/* A queue that is always full, polled every 20 us: burst at the peak, then the average. */
static void shaping_takes_at_the_rate(void **state)
{
	struct qos_ingress_config config = {.shapes = true,
	                                    .average_bps = 80000000,
	                                    .peak_bps = 160000000,
	                                    .burst_bytes = 1000000};
	struct qos_ingress *in = qos_ingress_create(&config, HZ);
	uint64_t at[3] = {0}, bytes = 0;

	make(32, 1000, 2, 0);
	for (uint64_t us = 0; us < 2100000; us += 20) {
		uint64_t now = 9 * HZ + us * (HZ / 1000000);
		unsigned n = qos_ingress_room(in, now, 32);

		if (n)
			qos_ingress_took(in, burst, n, now);
		bytes += n * 1000;
		if (us % 100000 == 0 && us / 100000 < 3)
			at[us / 100000] = bytes; /* after 0, 100, 200 ms */
	}
	assert_in_range(at[1], 2000000 - 20000, 2000000 + 40000); /* at the peak: 20 MB/s */
	assert_in_range(at[2], 3000000 - 30000, 3000000 + 40000); /* then at 10 MB/s */
	assert_in_range(bytes, 22000000 - 20000, 22000000 + 50000);
	free(in);
}

#define THREADS 4

static struct qos_ingress *shared;

static void *offer(void *arg)
{
	unsigned worker = (unsigned)(uintptr_t)arg;
	struct rte_mbuf m = {.pkt_len = 1000}, *many[32];
	uint64_t passed = 0;

	for (unsigned i = 0; i < 32; i++)
		many[i] = &m;
	for (uint64_t i = 0; i < 20000; i++) {
		struct qos_ingress_burst b = {
		        .worker = worker, .n = 32, .mbufs = many, .now_tsc = HZ + i * (HZ / 20000)};

		passed += 32 - (unsigned)__builtin_popcount(qos_ingress_run(shared, &b));
	}
	return (void *)(uintptr_t)passed;
}

/* Four threads, each with a clock of its own: never more than the rate of the time that passed. */
static void threads_share_a_rate(void **state)
{
	struct qos_ingress_config config = police(QOS_TCM_2697, 100000000, 10000, 0, 0);
	pthread_t threads[THREADS];
	struct qos_ingress_counts counts;
	uint64_t sum = 0;
	void *passed;

	shared = qos_ingress_create(&config, HZ);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, offer, (void *)i);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &passed);
		sum += (uintptr_t)passed;
	}
	qos_ingress_counts(shared, &counts);
	assert_int_equal(counts.colours[QOS_GREEN].pkts, sum);
	assert_int_equal(sum + counts.colours[QOS_RED].pkts, THREADS * 20000 * 32);
	assert_in_range(sum, 99000, 100010); /* of 1,000 bytes: a second and the burst */
	free(shared);
}

static void bad_config_is_refused(void **state)
{
	struct qos_ingress_config config = police(QOS_TCM_2698, 1000, 2000, 999, 2000);

	assert_null(qos_ingress_create(&config, HZ)); /* peak below committed */
	config = police(QOS_TCM_2697, 0, 2000, 0, 0);
	assert_null(qos_ingress_create(&config, HZ));
	config = police(QOS_TCM_2697, 1000, 0, 0, 0);
	assert_null(qos_ingress_create(&config, HZ));
	config = police(QOS_TCM_4115, 1000, 2000, 0, 10);
	assert_null(qos_ingress_create(&config, HZ));
	config = (struct qos_ingress_config){.shapes = true};
	assert_null(qos_ingress_create(&config, HZ));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(colours_are_those_of_dpdk),
	        cmocka_unit_test(rate_is_exact),
	        cmocka_unit_test(actions_remark),
	        cmocka_unit_test(large_segments_pass),
	        cmocka_unit_test(storms_are_told_apart),
	        cmocka_unit_test(shaping_takes_at_the_rate),
	        cmocka_unit_test(threads_share_a_rate),
	        cmocka_unit_test(bad_config_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
