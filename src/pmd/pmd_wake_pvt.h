/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a worker without traffic sleeps, and what wakes it; see pmd_wake.c.
 * Threads: each line says. Owner: part of the worker.
 */
#ifndef PMD_WAKE_PVT_H
#define PMD_WAKE_PVT_H

#include <time.h>

#include "base/evs_base.h"

struct pmd_worker;
struct pmd_rxq;

struct pmd_nap {              /* [worker] see pmd_sleep.c */
	uint32_t ns, deep_ns; /* the next nap; the longest */
	uint32_t left;        /* naps until the cost is measured again */
	uint32_t spin_us;     /* of idleness, before the next */
	uint64_t cpu_ns;      /* at the last measurement */
	uint64_t rx;          /* packets, at the last one */
};

struct pmd_wake {         /* [worker], unless marked */
	int epoll_fd;     /* -1: none yet */
	int event_fd;     /* [ctl w] */
	uint64_t epoch;   /* for which the set was made */
	uint32_t changes; /* of its queues [ctl w, worker r] */
	bool by_events;   /* all that it waits for has edges */
	bool is_asleep;   /* [worker w, ctl r] */
};

int pmd_wake_init(struct pmd_worker *w); /* [ctl] */
void pmd_wake_fini(struct pmd_worker *w);
void pmd_wake(struct pmd_worker *w);         /* [ctl] something was put into its rings */
void pmd_wake_changed(struct pmd_worker *w); /* [ctl] what it polls did */
/* [worker] Arms what is not yet; true: before it waits it must look into all queues again. */
bool pmd_wake_prepare(struct pmd_worker *w);
bool pmd_wake_by_events(const struct pmd_worker *w); /* need it not look of its own accord? */
void pmd_wake_wait(struct pmd_worker *w, const struct timespec *most);
void pmd_wake_disarm(struct pmd_rxq *rxq); /* frames came */

#endif
