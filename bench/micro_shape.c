/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does it cost several workers to send to one shaped port? One worker owns it and polls it on
 * a CPU of its own where there is one; 1, 2, 3 others hand bursts over. More threads than CPUs
 * take turns, so costs are counted in CPU time of each thread, not in time that passed.
 * Usage: micro_shape [seconds]. Prints one JSON object: for each number of other workers their
 * cycles a packet, those of the owner for each that it takes over and sends, and what was lost.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../tests/test_eal.h"
#include "base/evs_clock.h"
#include "pmd/pmd_shape_pvt.h"

#define MAX_TEAM 4
#define N_MBUFS  4096 /* of a worker: more than wait anywhere */
#define N_QUEUES 8
#define ROUNDS   8

static struct port port;
static struct port_counters counters[MAX_TEAM];
static struct pmd_worker *workers[MAX_TEAM];
static struct pmd_view views[MAX_TEAM];
static struct rte_mbuf mbufs[MAX_TEAM][N_MBUFS];
static struct pmd_shaper shaper;
static bool mixed; /* each packet for another queue */
static bool stop;

static uint16_t tx(struct port *to, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	return n;
}

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int make(void)
{
	struct qos_queue_config queues[N_QUEUES];
	struct qos_shaper_config config = {.average_bps = UINT64_C(1000000000000),
	                                   .burst_bytes = 100000000,
	                                   .n_queues = N_QUEUES,
	                                   .queues = queues};

	for (unsigned i = 0; i < N_QUEUES; i++)
		queues[i] = (struct qos_queue_config){
		        .id = (uint16_t)i, .priority = 4, .weight = 1, .limit_pkts = 4096};
	port = (struct port){.name = "out", .index = 1, .tx = tx, .mtu = 9000};
	port.tx_caps = PORT_TX_MULTI_SEG;
	shaper.id = 1;
	shaper.port = &port;
	shaper.q = qos_shaper_create(&config, evs_clock_tsc_hz);
	shaper.ring =
	        rte_ring_create_elem("shaper", sizeof(struct pmd_shaper_item), PMD_SHAPE_RING_LEN,
	                             SOCKET_ID_ANY, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
	if (!shaper.q || !shaper.ring)
		return -1;
	for (unsigned i = 0; i < MAX_TEAM; i++) {
		workers[i] = mmap(NULL, sizeof(**workers), PROT_READ | PROT_WRITE,
		                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (workers[i] == MAP_FAILED)
			return -1;
		views[i].port = &port;
		views[i].counters = &counters[i];
		views[i].shaper = &shaper;
		workers[i]->id = i;
		workers[i]->view[1] = &views[i];
		for (unsigned k = 0; k < N_MBUFS; k++)
			mbufs[i][k] =
			        (struct rte_mbuf){.pkt_len = 1000, .data_len = 1000, .nb_segs = 1};
	}
	shaper.owner = workers[0];
	return 0;
}

struct member {
	pthread_t thread;
	unsigned id;
	uint64_t pkts, ns;
};

/* Sends while there is room, so that what is counted is what passes; else lets others run. */
static void *send_all(void *arg)
{
	struct member *m = arg;
	struct rte_mbuf *burst[PKT_BURST_MAX];
	unsigned next = 0;
	uint64_t start, idle_ns = 0;

	start = thread_ns();
	while (!evs_load_relaxed(&stop)) {
		if (rte_ring_free_count(shaper.ring) < PMD_SHAPE_RING_LEN / 2) {
			uint64_t before = thread_ns();

			sched_yield();
			idle_ns += thread_ns() - before;
			continue;
		}
		for (unsigned i = 0; i < PKT_BURST_MAX; i++) {
			burst[i] = &mbufs[m->id][next++ % N_MBUFS];
			rte_mbuf_refcnt_set(burst[i], 2); /* there is no pool to go to */
			if (mixed) {
				views[m->id].queue[i] = (uint16_t)(next % N_QUEUES);
				views[m->id].queued |= UINT32_C(1) << i;
			}
		}
		views[m->id].queued_by = shaper.id;
		pmd_shape(workers[m->id], &views[m->id], burst, PKT_BURST_MAX);
		m->pkts += PKT_BURST_MAX;
	}
	m->ns = thread_ns() - start - idle_ns;
	return NULL;
}

static void pin(unsigned cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

static void *own(void *arg)
{
	struct member *m = arg;
	uint64_t start, spent = 0;

	pin(0);
	while (!evs_load_relaxed(&stop)) {
		unsigned n;

		start = thread_ns();
		for (unsigned i = n = 0; i < 16; i++)
			n += pmd_shape_run(workers[0], &shaper);
		if (n == 0) {
			sched_yield();
			continue;
		}
		m->pkts += n;
		spent += thread_ns() - start;
	}
	m->ns = spent;
	return NULL;
}

struct best {
	double other, owner, lost;
};

static void round_of(unsigned n, double seconds, struct best *best)
{
	struct member team[MAX_TEAM] = {{0}};
	double cycles = (double)evs_clock_tsc_hz / 1e9;
	uint64_t pkts = 0, ns = 0, lost = 0;
	double owner;

	evs_store_relaxed(&stop, false);
	for (unsigned i = 0; i <= n; i++) {
		team[i].id = i;
		pthread_create(&team[i].thread, NULL, i ? send_all : own, &team[i]);
	}
	usleep((unsigned)(seconds * 1e6));
	evs_store_relaxed(&stop, true);
	for (unsigned i = 0; i <= n; i++)
		pthread_join(team[i].thread, NULL);
	for (unsigned i = 1; i <= n; i++) {
		pkts += team[i].pkts;
		ns += team[i].ns;
		lost += counters[i].drops[PKT_DROP_QUEUE_FULL];
		counters[i].drops[PKT_DROP_QUEUE_FULL] = 0;
	}
	best->other = EVS_MIN(best->other, (double)ns / (double)pkts * cycles);
	owner = (double)team[0].ns / ((double)team[0].pkts / 2) * cycles;
	best->owner = EVS_MIN(best->owner, owner);
	best->lost = EVS_MAX(best->lost, (double)lost / (double)pkts * 100);
}

/* The best of rounds in turn: what others take of a CPU and its caches only ever adds. */
static void measure(double seconds)
{
	struct best best[MAX_TEAM][2];

	for (unsigned i = 0; i < MAX_TEAM * 2; i++)
		best[i / 2][i % 2] = (struct best){1e9, 1e9, 0};
	for (unsigned k = 0; k < ROUNDS; k++)
		for (unsigned n = 1; n < MAX_TEAM; n++)
			for (unsigned m = 0; m < 2; m++) {
				mixed = m;
				round_of(n, seconds / ROUNDS, &best[n][m]);
			}
	for (unsigned n = 1; n < MAX_TEAM; n++)
		for (unsigned m = 0; m < 2; m++)
			printf("%s{\"others\": %u, \"queues\": %u, \"cycles-other\": %.1f, "
			       "\"cycles-owner\": %.1f, \"lost-%%\": %.2f}",
			       n + m == 1 ? "[" : ",\n ", n, m ? N_QUEUES : 1, best[n][m].other,
			       best[n][m].owner, best[n][m].lost);
	printf("]\n");
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	if (!test_eal_start("64", "error"))
		return 1;
	evs_clock_init();
	if (make())
		return 1;
	measure(seconds);
	return rte_eal_cleanup();
}
