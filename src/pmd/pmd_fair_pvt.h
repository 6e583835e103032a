/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fair shares of a worker's time among the ports that it receives from.
 * Threads: worker; its own memory.
 *
 * Problem. Polling in turn gives every port that always has packets the same number of bursts, so
 * a tenant whose packets are dear (new flows, fragments, extension headers) takes most of the
 * cycles from a neighbour on the same worker whose packets are cheap.
 *
 * A port is busy while its polls find PMD_FAIR_BUSY packets or more. A busy port has an account of
 * the cycles that its packets took; one that is ahead of the busy port with the lowest account (the
 * floor) by more than a quantum sits out, and its driver drops what does not fit the queue. Where
 * nobody else is busy, nobody sits out: no cycle is wasted. Who was not busy neither saved up nor
 * owes: it begins at the floor, and when for a round nobody is busy all accounts end (a new epoch).
 * A worker that loses its CPU in the middle of a burst loses it for all ports, not for the one.
 * So of two ports that want everything each gets half the cycles, and one that wants less than its
 * share gets what it wants.
 */
#ifndef PMD_FAIR_PVT_H
#define PMD_FAIR_PVT_H

#include "base/evs_base.h"

#define PMD_FAIR_BUSY 8 /* packets */
#define PMD_FAIR_MOST                                                                              \
	32 /* quanta charged for a burst: what took longer, somebody else's work did */

struct pmd_fair {
	uint64_t quantum; /* cycles */
	uint64_t floor;   /* of the last round; UINT64_MAX: nobody was busy */
	uint64_t next;    /* of this round so far */
	uint64_t epoch;
};

struct pmd_fair_account {
	uint64_t cycles;
	uint64_t epoch; /* of another one, the account is void */
};

EVS_INLINE void pmd_fair_init(struct pmd_fair *fair, uint64_t quantum)
{
	*fair = (struct pmd_fair){quantum, UINT64_MAX, UINT64_MAX, 1};
}

/* May the port be polled? If not, it stays busy. */
EVS_INLINE bool pmd_fair_may(struct pmd_fair *fair, const struct pmd_fair_account *a)
{
	if (evs_likely(a->cycles <= fair->floor || a->cycles - fair->floor <= fair->quantum ||
	               a->epoch != fair->epoch))
		return true;
	fair->next = EVS_MIN(fair->next, a->cycles);
	return false;
}

/* A poll gave n packets, which took so many cycles. */
EVS_INLINE void pmd_fair_charge(struct pmd_fair *fair, struct pmd_fair_account *a, unsigned n,
                                uint64_t cycles)
{
	uint64_t least = fair->floor == UINT64_MAX ? 0 : fair->floor;

	if (n < PMD_FAIR_BUSY)
		return;
	if (a->epoch != fair->epoch)
		*a = (struct pmd_fair_account){0, fair->epoch};
	a->cycles = EVS_MAX(a->cycles, least) + EVS_MIN(cycles, PMD_FAIR_MOST * fair->quantum);
	fair->next = EVS_MIN(fair->next, a->cycles);
}

EVS_INLINE void pmd_fair_round(struct pmd_fair *fair)
{
	fair->floor = fair->next;
	fair->next = UINT64_MAX;
	fair->epoch += fair->floor == UINT64_MAX;
}

#endif
