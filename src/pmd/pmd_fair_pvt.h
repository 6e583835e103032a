/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fair shares of a worker's time among the ports that it receives from.
 * Threads: worker; its own memory.
 *
 * Problem. Polling in turn gives every port that always has packets the same number of bursts, so
 * a tenant whose packets are dear (new flows, fragments, extension headers) takes most of the
 * cycles from a neighbour on the same worker whose packets are cheap.
 *
 * A port is busy while its polls find PMD_FAIR_BUSY packets or more, or take long (PMD_FAIR_LONG).
 * A port has an account of the cycles that its packets took; one that is ahead of the busy port
 * with the lowest account (the floor) by more than a quantum sits out, and its driver drops what
 * does not fit the queue. Where nobody else is busy, nobody sits out: no cycle is wasted. Who was
 * not busy neither saved up nor owes: it begins at the floor, and when for a round nobody is busy
 * all accounts end (a new epoch). A worker that loses its CPU in the middle of a burst loses it for
 * all ports, not for the one. So of two ports that want everything each gets half the cycles, and
 * one that wants less than its share gets what it wants.
 *
 * Cycles are not all that a dear port takes: what its packets make the worker read and write pushes
 * the neighbours' lines out of the caches, and their packets, too, need more cycles then. So of
 * what a port's packets take beyond the cheapest packets of a busy port in the last rounds, a part
 * (PMD_FAIR_EXTRA) is charged once more. Ports whose packets cost the same still share by halves;
 * the dearest port has 1 / (2 + 1 / PMD_FAIR_EXTRA) of the cycles beside a cheap one, never less.
 *
 * Frames that are none (a guest's descriptors or headers lie) are nobody's traffic: a poll that
 * found one is charged PMD_FAIR_BAD times, so that whoever sends them has next to nothing of a
 * worker that others want, too.
 */
#ifndef PMD_FAIR_PVT_H
#define PMD_FAIR_PVT_H

#include "base/evs_base.h"

#define PMD_FAIR_BUSY 8 /* packets */
#define PMD_FAIR_LONG 8 /* a quantum's part */
#define PMD_FAIR_MOST                                                                              \
	32 /* quanta charged for a burst: what took longer, somebody else's work did */
#define PMD_FAIR_EXTRA 3 /* a third of what is beyond the cheapest */
#define PMD_FAIR_BAD   32

struct pmd_fair {
	uint64_t quantum; /* cycles */
	uint64_t floor;   /* of the last round; UINT64_MAX: nobody was busy */
	uint64_t next;    /* of this round so far */
	uint64_t epoch;
	uint64_t cheap; /* cycles of a packet: the least of the last rounds */
	struct {
		uint64_t cycles, n;
	} cheapest; /* poll of this round; n 0: none */
};

struct pmd_fair_account {
	uint64_t cycles;
	uint64_t epoch; /* of another one, the account is void */
};

EVS_INLINE void pmd_fair_init(struct pmd_fair *fair, uint64_t quantum)
{
	*fair = (struct pmd_fair){quantum, UINT64_MAX, UINT64_MAX, 1, UINT32_MAX, {1, 0}};
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

/* What n packets are charged that took so many cycles; bad: some of them were none. */
EVS_INLINE uint64_t pmd_fair_price(struct pmd_fair *fair, unsigned n, bool bad, uint64_t cycles)
{
	uint64_t cheap = n * fair->cheap, most = PMD_FAIR_MOST * fair->quantum;

	cycles = EVS_MIN(cycles, most);
	if (evs_unlikely(bad))
		return PMD_FAIR_BAD * cycles;
	if (cycles * fair->cheapest.n < fair->cheapest.cycles * n) {
		fair->cheapest.cycles = cycles;
		fair->cheapest.n = n;
	}
	return cycles <= cheap ? cycles : cycles + (cycles - cheap) / PMD_FAIR_EXTRA;
}

/* A poll gave n packets, which took so many cycles; bad: some of them were none. */
EVS_INLINE void pmd_fair_charge(struct pmd_fair *fair, struct pmd_fair_account *a, unsigned n,
                                bool bad, uint64_t cycles)
{
	uint64_t least = fair->floor == UINT64_MAX ? 0 : fair->floor;

	if (a->epoch != fair->epoch)
		*a = (struct pmd_fair_account){0, fair->epoch};
	a->cycles = EVS_MAX(a->cycles, least) + pmd_fair_price(fair, n, bad, cycles);
	if (n >= PMD_FAIR_BUSY || cycles >= fair->quantum / PMD_FAIR_LONG)
		fair->next = EVS_MIN(fair->next, a->cycles);
}

EVS_INLINE void pmd_fair_round(struct pmd_fair *fair)
{
	fair->floor = fair->next;
	fair->next = UINT64_MAX;
	fair->epoch += fair->floor == UINT64_MAX;
	/* The cheapest port may have sat out, or gone: the least rises from round to round. */
	fair->cheap = EVS_MIN(fair->cheap + fair->cheap / 16 + 1, UINT32_MAX);
	if (fair->cheapest.n)
		fair->cheap = EVS_MIN(fair->cheap, fair->cheapest.cycles / fair->cheapest.n);
	fair->cheapest.cycles = 1;
	fair->cheapest.n = 0;
}

#endif
