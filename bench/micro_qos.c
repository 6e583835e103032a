/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do policing and shaping cost a packet? Bursts of 32 through a policer of each kind, and
 * through a shaper of 4,096 queues at random (put, then take), whose rates never hold.
 * Usage: micro_qos [queues [seconds]]. Prints one JSON object: cycles a packet, the best of
 * windows, and packets of a policer that several threads share.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/evs_clock.h"
#include "qos/qos_ingress.h"
#include "qos/qos_shaper.h"

#define N_MBUFS   8192
#define BURST     32
#define WINDOW    250 /* bursts: shorter than what the scheduler gives at once */
#define MAX_TEAM  4
#define TEAM_RUNS 200000

static struct rte_mbuf mbufs[N_MBUFS];
static uint32_t random_state = 1;

static uint32_t random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static uint64_t police_window(struct qos_ingress *in)
{
	struct rte_mbuf *burst[BURST];
	uint64_t start = evs_clock_tsc();

	for (unsigned w = 0; w < WINDOW; w++) {
		struct qos_ingress_burst b = {
		        .n = BURST, .mbufs = burst, .now_tsc = evs_clock_tsc()};

		for (unsigned i = 0; i < BURST; i++)
			burst[i] = &mbufs[(w * BURST + i) % N_MBUFS];
		qos_ingress_run(in, &b);
	}
	return evs_clock_tsc() - start;
}

/* The same without a policer. */
static uint64_t nothing_window(void)
{
	struct rte_mbuf *burst[BURST];
	uint64_t start = evs_clock_tsc(), sum = 0;

	for (unsigned w = 0; w < WINDOW; w++) {
		sum += evs_clock_tsc();
		for (unsigned i = 0; i < BURST; i++)
			burst[i] = &mbufs[(w * BURST + i) % N_MBUFS];
		__asm__ volatile("" : : "r"(burst), "r"(sum) : "memory");
	}
	return evs_clock_tsc() - start;
}

static struct qos_ingress *policer(enum qos_tcm tcm)
{
	struct qos_ingress_config config = {.polices = true};

	config.police.tcm = tcm;
	config.police.committed_bps = 1000000000;
	config.police.excess_bps = 2000000000;
	config.police.committed_burst_bytes = config.police.excess_burst_bytes = 100000;
	return qos_ingress_create(&config, evs_clock_tsc_hz);
}

static struct qos_shaper *shaper(unsigned n_queues, bool limited)
{
	struct qos_queue_config *queues = calloc(n_queues, sizeof(*queues));
	struct qos_shaper_config config = {.average_bps = UINT64_C(1000000000000),
	                                   .burst_bytes = 100000000,
	                                   .target_us = 5000,
	                                   .interval_us = 100000,
	                                   .backlog_pkts = 131072,
	                                   .n_queues = n_queues,
	                                   .queues = queues};
	struct qos_shaper *s;

	for (unsigned i = 0; i < n_queues; i++)
		queues[i] = (struct qos_queue_config){.id = (uint16_t)i,
		                                      .priority = (uint8_t)(i % 8),
		                                      .weight = (uint8_t)(1 + i % 4),
		                                      .limit_pkts = 1024,
		                                      .min_bps = limited ? 100000000 : 0,
		                                      .max_bps = limited ? 100000000000 : 0,
		                                      .burst_bytes = 1000000};
	s = qos_shaper_create(&config, evs_clock_tsc_hz);
	free(queues);
	return s;
}

static uint64_t shape_window(struct qos_shaper *s, unsigned n_queues)
{
	static unsigned next;
	struct qos_taken t;
	uint64_t start = evs_clock_tsc();

	for (unsigned w = 0; w < WINDOW; w++) {
		uint64_t now = evs_clock_tsc();

		for (unsigned i = 0; i < BURST; i++) {
			struct rte_mbuf *m = &mbufs[next++ % N_MBUFS];

			qos_shaper_put(s, random_u32() % n_queues, &m, now);
		}
		qos_shaper_take(s, now, &t);
	}
	return evs_clock_tsc() - start;
}

static double per_packet(uint64_t tsc)
{
	return (double)tsc / WINDOW / BURST;
}

static void *team_member(void *arg)
{
	static unsigned n_members;
	struct rte_mbuf m = {.pkt_len = 1000}, *burst[BURST];
	unsigned worker = __atomic_fetch_add(&n_members, 1, __ATOMIC_RELAXED) % MAX_TEAM;

	for (unsigned i = 0; i < BURST; i++)
		burst[i] = &m;
	for (unsigned k = 0; k < TEAM_RUNS; k++) {
		struct qos_ingress_burst b = {
		        .worker = worker, .n = BURST, .mbufs = burst, .now_tsc = evs_clock_tsc()};

		qos_ingress_run(arg, &b);
	}
	return NULL;
}

static double thread_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Million packets a second of CPU time, by n threads that share a policer. */
static double team(unsigned n)
{
	struct qos_ingress *in = policer(QOS_TCM_2697);
	pthread_t threads[MAX_TEAM];
	double before = thread_seconds();

	for (unsigned i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, team_member, in);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	free(in);
	return n * (double)TEAM_RUNS * BURST / (thread_seconds() - before) / 1e6;
}

enum { NOTHING, SRTCM, TRTCM, TRTCM_4115, SHAPED, LIMITED, N_KINDS };

int main(int argc, char **argv)
{
	static const char *const names[N_KINDS] = {"nothing", "rfc2697", "rfc2698",
	                                           "rfc4115", "shaped",  "shaped-limited"};
	unsigned n_queues = argc > 1 ? EVS_MIN((unsigned)atoi(argv[1]), QOS_QUEUES) : QOS_QUEUES;
	double seconds = argc > 2 ? atof(argv[2]) : 1, best[N_KINDS];
	struct qos_ingress *in[3];
	struct qos_shaper *s[2];
	uint64_t end;

	evs_clock_init();
	for (unsigned i = 0; i < N_MBUFS; i++)
		mbufs[i] = (struct rte_mbuf){.pkt_len = 1000, .nb_segs = 1, .refcnt = 1};
	for (unsigned i = 0; i < 3; i++)
		in[i] = policer((enum qos_tcm)i);
	for (unsigned i = 0; i < N_KINDS; i++)
		best[i] = 1e9;
	s[0] = shaper(n_queues, false);
	s[1] = shaper(n_queues, true);
	if (!n_queues || !in[0] || !in[1] || !in[2] || !s[0] || !s[1])
		return 1;
	end = evs_clock_ns() + (uint64_t)(seconds * 1e9);
	while (evs_clock_ns() < end) { /* in turn: what others take of the CPU hits all alike */
		best[NOTHING] = EVS_MIN(best[NOTHING], per_packet(nothing_window()));
		for (unsigned i = 0; i < 3; i++)
			best[SRTCM + i] =
			        EVS_MIN(best[SRTCM + i], per_packet(police_window(in[i])));
		for (unsigned i = 0; i < 2; i++)
			best[SHAPED + i] =
			        EVS_MIN(best[SHAPED + i], per_packet(shape_window(s[i], n_queues)));
	}
	printf("{\"queues\": %u", n_queues);
	for (unsigned i = 0; i < N_KINDS; i++)
		printf(", \"%s\": %.1f", names[i], best[i]);
	printf(", \"mpps-1-thread\": %.0f, \"mpps-2-threads\": %.0f, \"mpps-4-threads\": %.0f}\n",
	       team(1), team(2), team(4));
	for (unsigned i = 0; i < 3; i++)
		free(in[i]);
	return 0; /* the shapers hold packets that are no mempool's */
}
