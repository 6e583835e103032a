/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: taking and publishing by the worker, walking, killing and freeing by control.
 */
#include "flow/flow_pool_pvt.h"

#include <rte_prefetch.h>

#include "flow/flow_cache_pvt.h"

#define WALK_AHEAD    12 /* flows prefetched ahead; a guess, not yet measured */
#define COLLECT_AHEAD 4
#define N_RINGS       4

int flow_pool_init(struct flow_pool *pool, uint32_t n_flows, int numa_node)
{
	struct flow_ring *const rings[N_RINGS] = {&pool->killed, &pool->unlinked, &pool->freed,
	                                          &pool->newborn};
	size_t ring_len = 1;

	while (ring_len < n_flows)
		ring_len *= 2;
	if (flow_region_map(&pool->region, n_flows * sizeof(struct flow), true, numa_node))
		return -ENOMEM;
	if (flow_region_map(&pool->ring_region, N_RINGS * ring_len * sizeof(uint32_t) + n_flows,
	                    false, numa_node)) {
		flow_region_unmap(&pool->region);
		return -ENOMEM;
	}
	pool->flows = pool->region.base;
	pool->n_flows = n_flows;
	for (unsigned i = 0; i < N_RINGS; i++) {
		rings[i]->slots = (uint32_t *)pool->ring_region.base + i * ring_len;
		rings[i]->mask = (uint32_t)ring_len - 1;
	}
	pool->known = (uint8_t *)pool->ring_region.base + N_RINGS * ring_len * sizeof(uint32_t);
	return 0;
}

void flow_pool_fini(struct flow_pool *pool)
{
	flow_region_unmap(&pool->ring_region);
	flow_region_unmap(&pool->region);
}

/* The flow that the next call takes: its lines arrive while a packet is translated. */
static void prefetch_next(const struct flow_pool *pool)
{
	uint32_t next = pool->free ? pool->free - 1 : pool->n_touched;

	if (next < pool->n_flows)
		for (unsigned line = 0; line < sizeof(struct flow); line += EVS_CACHE_LINE)
			__builtin_prefetch((const uint8_t *)&pool->flows[next] + line, 1);
}

struct flow *flow_pool_take(struct flow_pool *pool)
{
	struct flow *flow;

	if (pool->free) {
		flow = &pool->flows[pool->free - 1];
		pool->free = flow->chain;
		pool->n_free--;
		prefetch_next(pool);
		return flow;
	}
	if (pool->n_touched == pool->n_flows)
		return NULL;
	flow = &pool->flows[pool->n_touched];
	/* Generation 0 belongs to nobody: a zeroed table entry must not find flow 0. */
	evs_store_relaxed(&flow->gen, 2);
	evs_store_release(&pool->n_touched, pool->n_touched + 1);
	prefetch_next(pool);
	return flow;
}

void flow_pool_untake(struct flow_pool *pool, struct flow *flow)
{
	flow->chain = pool->free;
	pool->free = flow_pool_index(pool, flow) + 1;
	pool->n_free++;
}

void flow_pool_publish(struct flow_pool *pool, struct flow *flow)
{
	evs_store_relaxed(&flow->state, FLOW_LIVE);
	flow_ring_push(&pool->newborn, flow_pool_index(pool, flow));
	evs_counter_add(&pool->n_installs, 1);
}

static void prefetch_flow(const struct flow *flow)
{
	for (unsigned line = 0; line < sizeof(*flow); line += EVS_CACHE_LINE)
		rte_prefetch0((const uint8_t *)flow + line);
}

uint32_t flow_cache_born(const struct flow_cache *cache)
{
	return evs_load_acquire(&cache->pool.newborn.head);
}

bool flow_cache_collect(struct flow_cache *cache, uint32_t until, uint32_t max)
{
	struct flow_pool *pool = &cache->pool;
	struct flow_ring *ring = &pool->newborn;
	uint32_t index;

	for (uint32_t n = 0; n < max && (int32_t)(until - ring->tail) > 0; n++) {
		prefetch_flow(&pool->flows[ring->slots[(ring->tail + COLLECT_AHEAD) & ring->mask]]);
		if (!flow_ring_pop(ring, &index))
			return false; /* the mark is of a cache that was here before */
		pool->known[index] = true;
		if (pool->born)
			pool->born(&pool->flows[index], pool->born_arg);
	}
	return (int32_t)(until - ring->tail) > 0;
}

bool flow_cache_walk_some(struct flow_cache *cache, uint32_t *cursor, uint32_t max,
                          bool (*visit)(struct flow *flow, void *arg), void *arg)
{
	struct flow_pool *pool = &cache->pool;
	uint32_t n = evs_load_acquire(&pool->n_touched);
	uint32_t end = *cursor < n && max < n - *cursor ? *cursor + max : n;

	while (*cursor < end) {
		uint32_t i = (*cursor)++;

		if (i + WALK_AHEAD < n && pool->known[i + WALK_AHEAD])
			prefetch_flow(&pool->flows[i + WALK_AHEAD]);
		if (pool->known[i] && !visit(&pool->flows[i], arg))
			return false;
	}
	return end < n;
}

void flow_cache_walk(struct flow_cache *cache, bool (*visit)(struct flow *flow, void *arg),
                     void *arg)
{
	uint32_t cursor = 0;

	flow_cache_collect(cache, flow_cache_born(cache), UINT32_MAX);
	flow_cache_walk_some(cache, &cursor, UINT32_MAX, visit, arg);
}

void flow_cache_kill(struct flow_cache *cache, struct flow *flow)
{
	struct flow_pool *pool = &cache->pool;
	uint32_t index = flow_pool_index(pool, flow);

	assert(flow->state == FLOW_LIVE);
	if (evs_unlikely(!pool->known[index]))
		flow_cache_collect(cache, flow_cache_born(cache), UINT32_MAX);
	pool->known[index] = false;
	evs_store_relaxed(&flow->gen, flow->gen + 1);
	evs_store_relaxed(&flow->state, FLOW_DEAD);
	flow_ring_push(&pool->killed, index);
	pool->n_kills++;
	pool->n_under_way++;
}

uint32_t flow_cache_reap(struct flow_cache *cache, void (*credit)(struct flow *flow, void *arg),
                         void *arg)
{
	struct flow_pool *pool = &cache->pool;
	uint32_t index;

	while (flow_ring_pop(&pool->unlinked, &index)) {
		struct flow *flow = &pool->flows[index];

		if (credit)
			credit(flow, arg);
		flow->credited_pkts = 0;
		flow->credited_bytes = 0;
		evs_store_relaxed(&flow->gen, flow->gen + 1);
		evs_store_relaxed(&flow->state, FLOW_FREE);
		flow_ring_push(&pool->freed, index);
		pool->n_under_way--;
	}
	return pool->n_under_way;
}

uint32_t flow_cache_live(const struct flow_cache *cache)
{
	return (uint32_t)(evs_load_relaxed(&cache->pool.n_installs) - cache->pool.n_kills);
}

uint32_t flow_cache_size(const struct flow_cache *cache)
{
	return cache->pool.n_flows;
}

uint32_t flow_cache_flow_index(const struct flow_cache *cache, const struct flow *flow)
{
	return flow_pool_index(&cache->pool, flow);
}

struct flow *flow_cache_flow(const struct flow_cache *cache, uint32_t index)
{
	return &cache->pool.flows[index];
}
