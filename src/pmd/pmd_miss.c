/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Misses: budget, translation, installation.
 * Threads: worker.
 *
 * The budget is a token bucket in its virtual-scheduling form (GCRA, ITU-T I.371): one time stamp a
 * port says when the next new flow is due; it may lie up to the burst tolerance ahead.
 */
#include "pmd/pmd_pvt.h"

#define BURST_FLOWS 256 /* new flows that may come at once */

static bool within_budget(struct pmd_worker *w, struct pmd_view *v)
{
	uint64_t interval = evs_load_relaxed(&pmd_settings.miss_interval_tsc);
	uint64_t tolerance = interval * BURST_FLOWS, due = v->miss_tsc;

	if (interval == 0)
		return true;
	if (due < w->now_tsc)
		due = w->now_tsc;
	if (due - w->now_tsc > tolerance)
		return false;
	v->miss_tsc = due + interval;
	return true;
}

/* The flow for packet i, or NULL: the packet is done with. *mark: when it began, then when the next
 * one does; 0: other work came between, the time is to be read. What an installation cost is told
 * to the cache with the next one: so each miss reads the time twice, not four times. */
static struct flow *translate(struct pmd_worker *w, unsigned i, uint64_t *mark)
{
	struct pkt_burst *b = &w->burst;
	struct pmd_view *v = pmd_view_of(w, b->base[i].in_port);
	uint64_t translated, cycles;
	struct flow *flow;

	if (!within_budget(w, v)) {
		pmd_drop(w, v, &b->mbuf[i], 1, PKT_DROP_MISS_BUDGET);
		*mark = 0;
		return NULL;
	}
	if (*mark == 0)
		*mark = evs_clock_tsc();
	pmd_settings.translate(w->id, b, i, &w->xlate);
	translated = evs_clock_tsc();
	cycles = translated - *mark;
	evs_counter_add(&w->translations, 1);
	evs_counter_add(&w->translate_tsc, cycles);
	if (evs_unlikely(w->xlate.prog.overflow || w->xlate.prog.size == 0)) {
		pmd_drop(w, v, &b->mbuf[i], 1, PKT_DROP_RECURSION);
		*mark = 0;
		return NULL;
	}
	flow = flow_cache_install(w->cache, b, i, &w->xlate, w->now_ms, cycles + w->install_tsc);
	*mark = evs_clock_tsc();
	w->install_tsc = *mark - translated;
	if (!flow) {
		if (pmd_settings.uncached)
			pmd_settings.uncached(&w->xlate, b->mbuf[i]->pkt_len);
		pmd_exec_run(w, w->xlate.prog.ops, w->xlate.prog.size, UINT32_C(1) << i);
		*mark = 0;
	}
	return flow;
}

EVS_HOT void pmd_miss(struct pmd_worker *w, uint32_t mask)
{
	uint64_t mark = 0;
	struct flow_fresh fresh;

	fresh.n = 0;
	for (; mask; mask &= mask - 1) {
		unsigned i = (unsigned)__builtin_ctz(mask);
		struct flow *flow =
		        flow_cache_lookup_fresh(w->cache, &fresh, &w->burst, i, w->now_ms);

		if (flow)
			mark = 0;
		else if ((flow = translate(w, i, &mark)) != NULL)
			fresh.flow[fresh.n++] = flow;
		w->found.flow[i] = flow;
	}
}
