/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adaptive sleep: a worker without traffic backs off, in naps that grow while nothing comes.
 * Threads: worker.
 *
 * A nap ends by time, not by an event: no driver need support interrupts, and nobody pays for
 * waking. The longest nap bounds both the delay of the first packet and the cost of an idle
 * worker: one turn over its queues and two context switches a nap. While it
 * sleeps the worker is offline for grace periods, so control does not wait for it.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_pause.h>

#include "pmd/pmd_pvt.h"

#define SPIN_US    100   /* of idleness before the first nap */
#define NAP_MIN_NS 2000  /* first nap */
#define NAP_MAX_NS 40000 /* with the kernel's own delay, a wake-up takes less than 50 us */

void pmd_sleep_init(void)
{
	prctl(PR_SET_TIMERSLACK, 1); /* ns; the default of 50 us would double the longest nap */
}

static void nap(struct pmd_worker *w)
{
	struct timespec ts = {.tv_nsec = w->nap_ns};

	rte_rcu_qsbr_thread_offline(evs_rcu, w->id);
	nanosleep(&ts, NULL);
	rte_rcu_qsbr_thread_online(evs_rcu, w->id);
	evs_counter_add(&w->sleeps, 1);
	w->nap_ns = EVS_MIN(w->nap_ns * 2, (uint32_t)NAP_MAX_NS);
	w->now_tsc = w->flushed_tsc = evs_clock_tsc();
}

EVS_COLD void pmd_sleep(struct pmd_worker *w)
{
	if (w->idle_since_tsc == 0) {
		w->idle_since_tsc = w->now_tsc;
		w->nap_ns = NAP_MIN_NS;
	} else if (w->now_tsc - w->idle_since_tsc > evs_clock_tsc_hz / 1000000 * SPIN_US) {
		nap(w);
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
