/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adaptive sleep: a worker without traffic backs off, in naps that grow while nothing comes.
 * Threads: worker.
 *
 * Soon after traffic a nap ends by time: nobody pays for waking. After WAIT_US the worker arms its
 * queues (pmd_wake.c) and waits for an event, a fifth of a millisecond at a time: a guest pays for
 * one kick then, and no more until the worker has been idle for as long again. The bound keeps the
 * CPU from falling so deeply asleep that it is slow to wake (4.5 us soon after, 20 after 25 ms): so
 * long the host of a virtual machine as a rule keeps a CPU that halts. It is also a second line
 * behind events that get lost.
 *
 * Under load a pause of the sender is no reason to nap: on a CPU that others use, too, each nap may
 * cost a turn of theirs, which is milliseconds. So after LOAD_PKTS packets without a nap it spins
 * for longer; a trickle still naps at once.
 *
 * Where some queue has no event (packets of a device without interrupts), naps still end by time.
 * The longest one bounds both the delay of the first packet and the cost of an idle worker, which
 * is what the kernel takes for going to sleep and waking (1.5 us on bare metal, 4.5 us and more in
 * a virtual machine). So the worker measures that cost: after a tenth of a second naps become as
 * long as is needed to cost less than 5 % of the CPU. While it sleeps the worker is offline for
 * grace periods, so control does not wait for it.
 *
 * Who sleeps on a CPU that others use, too, is back on it at once only if its turns are shorter
 * than theirs: Linux since 6.12 lets a thread ask for that (sched(7), sched_runtime of a normal
 * thread). Its part of the CPU stays what it was.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rte_pause.h>

#include "pmd/pmd_pvt.h"

#define SPIN_US      100   /* of idleness before the first nap */
#define LOAD_PKTS    512   /* since the last one are no trickle, */
#define LOAD_SPIN_US 5000  /* and a pause is none yet */
#define NAP_MIN_NS   2000  /* first nap */
#define NAP_MAX_NS   40000 /* soon after traffic */
#define WAIT_US      2000  /* of idleness before it waits for events */
#define WAIT_NS      200000
#define DEEP_US      100000 /* of idleness before naps may become longer */
#define DEEP_MIN_NS  20000
#define DEEP_MAX_NS  95000
#define DEEP_RATIO   21     /* nap to its cost: 4.5 % */
#define MEASURE_NAPS 256    /* between two looks at the cost */
#define TURN_NS      100000 /* the shortest that Linux grants */

/* The first version of what sched_setattr(2) takes; glibc 2.36 has none, and the kernel's header
 * cannot stand beside <sched.h>. */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* Older kernels ignore it, and nothing depends on it. */
static void ask_for_short_turns(void)
{
	struct sched_attributes a = {.size = sizeof(a)};

	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) == 0 && a.policy == SCHED_OTHER) {
		a.runtime = TURN_NS;
		syscall(SYS_sched_setattr, 0, &a, 0);
	}
}

void pmd_sleep_init(void)
{
	prctl(PR_SET_TIMERSLACK, 1); /* ns; the default of 50 us would double the longest nap */
	ask_for_short_turns();
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The longest nap in deep sleep, from what the last naps cost. */
static uint32_t deep_nap_ns(struct pmd_worker *w)
{
	if (w->nap.left == 0) {
		uint64_t now = cpu_ns();
		uint64_t want = (now - w->nap.cpu_ns) / MEASURE_NAPS * DEEP_RATIO;

		if (w->nap.cpu_ns) /* the first look has nothing to compare with */
			w->nap.deep_ns = (uint32_t)EVS_MAX(EVS_MIN(want, DEEP_MAX_NS), DEEP_MIN_NS);
		w->nap.cpu_ns = now;
		w->nap.left = MEASURE_NAPS;
	}
	w->nap.left--;
	return w->nap.deep_ns;
}

static uint32_t nap_ns(struct pmd_worker *w, uint64_t idle_us)
{
	if (idle_us > WAIT_US && pmd_wake_by_events(w))
		return WAIT_NS;
	return idle_us > DEEP_US ? deep_nap_ns(w) : w->nap.ns;
}

static void take_nap(struct pmd_worker *w, uint64_t idle_us)
{
	struct timespec ts;

	if (idle_us > WAIT_US && pmd_wake_prepare(w))
		return;
	ts = (struct timespec){.tv_nsec = nap_ns(w, idle_us)};
	rte_rcu_qsbr_thread_offline(evs_rcu, w->id);
	if (idle_us > WAIT_US)
		pmd_wake_wait(w, &ts);
	else
		nanosleep(&ts, NULL);
	rte_rcu_qsbr_thread_online(evs_rcu, w->id);
	evs_counter_add(&w->sleeps, 1);
	w->nap.rx = w->account.rx;
	w->nap.ns = EVS_MIN(w->nap.ns * 2, (uint32_t)NAP_MAX_NS);
	w->now_tsc = w->flushed_tsc = evs_clock_tsc();
}

EVS_COLD void pmd_sleep(struct pmd_worker *w)
{
	uint64_t idle_tsc = w->now_tsc - w->idle_since_tsc;

	if (w->idle_since_tsc == 0) {
		w->idle_since_tsc = w->now_tsc;
		w->nap.ns = NAP_MIN_NS;
		w->nap.deep_ns = NAP_MAX_NS;
		w->nap.cpu_ns = w->nap.left = 0;
		w->nap.spin_us = w->account.rx - w->nap.rx < LOAD_PKTS ? SPIN_US : LOAD_SPIN_US;
	} else if (idle_tsc > evs_clock_tsc_hz / 1000000 * w->nap.spin_us) {
		take_nap(w, idle_tsc / (evs_clock_tsc_hz / 1000000));
	} else {
		rte_pause();
	}
}

bool pmd_sleep_wise(unsigned cpu)
{
	FILE *file = fopen("/sys/devices/system/cpu/isolated", "re");
	unsigned first, last;
	bool isolated = false;
	int n;

	if (!file)
		return true;
	while (!isolated && (n = fscanf(file, "%u-%u", &first, &last)) >= 1) {
		isolated = cpu >= first && cpu <= (n == 2 ? last : first);
		if (fgetc(file) != ',')
			break;
	}
	fclose(file);
	return !isolated;
}
