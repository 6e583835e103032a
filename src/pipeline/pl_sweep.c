/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep over live flows: credits statistics, keeps MAC entries and rules alive that are in
 * use, and lets idle flows go.
 * Threads: control.
 *
 * A flow that counted nothing since the last sweep costs one compare. When a pool is nearly full,
 * idle flows go sooner and the sweep runs with each tick: a worker with no free slot would have to
 * translate each packet of a new flow.
 */
#include "base/evs_clock.h"
#include "pipeline/pl_of_pvt.h"
#include "pipeline/pl_pvt.h"

#define SWEEP_MS     1000
#define SLICE_LEN    131072 /* flows of a cache in one tick */
#define SYNC_LEN     16384  /* flows of a cache in one call of pl_stats_sync_some */
#define IDLE_MS      10000
#define IDLE_MS_FULL 1000 /* above three quarters of the pool */
#define IDLE_MS_MOST 200  /* above thirteen sixteenths; one port alone can have 14 */

void pl_flow_credit(struct flow *flow)
{
	uint64_t pkts = evs_load_relaxed(&flow->n_pkts), bytes = evs_load_relaxed(&flow->n_bytes);
	struct pl_credit credit = {
	        .pkts = pkts - flow->credited_pkts,
	        .bytes = bytes - flow->credited_bytes,
	        .used_ms = evs_load_relaxed(&flow->used_ms),
	};

	if (!credit.pkts)
		return;
	flow->credited_pkts = pkts;
	flow->credited_bytes = bytes;
	for (unsigned i = 0; i < flow->n_refs; i++) {
		const struct flow_ref *ref = flow_ref_at(flow, i);

		if (ref->kind == FLOW_REF_FDB_SRC)
			pl_fdb_used(ref->obj, ref->arg, flow->key.in_port, credit.used_ms);
		else if (ref->kind == FLOW_REF_RECIRC)
			pl_recirc_used((uint32_t)ref->arg, credit.used_ms);
		else
			pl_of_credit(ref, &credit);
	}
}

void pl_credit_packet(const struct flow_xlate *xlate, uint32_t size)
{
	struct pl_credit credit = {.pkts = 1, .bytes = size, .used_ms = evs_clock_ms()};

	for (uint32_t i = 0; i < xlate->n_refs; i++)
		pl_of_credit(&xlate->refs[i], &credit);
}

struct sweep {
	struct flow_cache *cache;
	unsigned worker;
	uint32_t now_ms, idle_ms;
};

static bool sweep_visit(struct flow *flow, void *arg)
{
	struct sweep *sweep = arg;

	if (evs_load_relaxed(&flow->n_pkts) != flow->credited_pkts)
		pl_flow_credit(flow);
	else if ((int32_t)(sweep->now_ms - evs_load_relaxed(&flow->used_ms)) >=
	         (int32_t)sweep->idle_ms)
		pl_flow_kill(sweep->worker, sweep->cache, flow);
	return true;
}

static uint32_t idle_ms_of(const struct flow_cache *cache)
{
	uint32_t idle = pl_globals.config.flow_idle_ms ? pl_globals.config.flow_idle_ms : IDLE_MS;
	uint64_t live = flow_cache_live(cache), size = flow_cache_size(cache);

	if (live * 4 <= size * 3)
		return idle;
	return EVS_MIN(idle, live * 16 <= size * 13 ? IDLE_MS_FULL : IDLE_MS_MOST);
}

/* Where the sweep over a worker's cache is. */
static struct {
	uint32_t cursor, last_ms;
	bool is_under_way;
} progress[EVS_MAX_WORKERS];

static void sweep_slice(struct sweep *sweep)
{
	unsigned w = sweep->worker;

	if (!progress[w].is_under_way) {
		if (sweep->now_ms - progress[w].last_ms < EVS_MIN(SWEEP_MS, sweep->idle_ms / 2))
			return;
		progress[w].last_ms = sweep->now_ms;
		progress[w].cursor = 0;
	}
	progress[w].is_under_way = flow_cache_walk_some(sweep->cache, &progress[w].cursor,
	                                                SLICE_LEN, sweep_visit, sweep);
}

void pl_sweep(uint32_t now_ms, bool all)
{
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		struct sweep sweep = {.worker = w, .now_ms = now_ms};

		sweep.cache =
		        pl_globals.config.worker_cache ? pl_globals.config.worker_cache(w) : NULL;
		if (!sweep.cache)
			continue;
		sweep.idle_ms = idle_ms_of(sweep.cache);
		if (all)
			flow_cache_walk(sweep.cache, sweep_visit, &sweep);
		else
			sweep_slice(&sweep);
	}
}

void pl_stats_sync(void)
{
	pl_sweep(evs_clock_ms(), true);
}

static bool sync_visit(struct flow *flow, void *arg)
{
	pl_flow_credit(flow);
	return true;
}

bool pl_stats_sync_some(struct pl_sync_cursor *cursor)
{
	for (; cursor->worker < EVS_MAX_WORKERS; cursor->worker++, cursor->slot = 0) {
		struct flow_cache *cache = pl_globals.config.worker_cache
		                                   ? pl_globals.config.worker_cache(cursor->worker)
		                                   : NULL;

		if (!cache)
			continue;
		/* flows that were born since the last tick count, too */
		if (cursor->slot == 0 &&
		    flow_cache_collect(cache, flow_cache_born(cache), SYNC_LEN))
			return true;
		if (flow_cache_walk_some(cache, &cursor->slot, SYNC_LEN, sync_visit, NULL))
			return true;
	}
	return false;
}
