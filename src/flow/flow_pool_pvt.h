/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of cached flows and the rings on which their indexes travel between worker and control.
 * Threads: each function says which.
 *
 * An index is in exactly one place: the untouched end, the worker's free list, LIVE, one of three
 * rings, or in the hands of a thread. The fourth ring, of newborn flows, names LIVE ones that
 * control does not know yet; it kills no other than known ones. So rings as large as the pool never
 * overflow. What is known stands in an array of control's own: a walk reads no line of a flow that
 * is free.
 * The worker reuses the index it got back last, which keeps live flows dense for the walk.
 */
#ifndef FLOW_POOL_PVT_H
#define FLOW_POOL_PVT_H

#include "flow/flow_cache.h"
#include "flow/flow_mem_pvt.h"

/* Ring of indexes, one producer, one consumer. */
struct flow_ring {
	uint32_t *slots;
	uint32_t mask;
	uint32_t head EVS_CACHE_ALIGNED; /* [producer w, consumer r] */
	uint32_t tail
	        EVS_CACHE_ALIGNED; /* [consumer w]; never overrun, so the producer looks not */
};

struct flow_pool {
	struct flow *flows;
	uint32_t n_flows;
	struct flow_region region, ring_region;
	/* worker */
	uint32_t free EVS_CACHE_ALIGNED; /* head of the free list, index + 1 */
	uint32_t n_free;
	uint32_t n_touched;  /* flows from here on were never used [worker w, ctl r] */
	uint64_t n_installs; /* [worker w, ctl r] */
	/* control */
	uint64_t n_kills EVS_CACHE_ALIGNED;
	uint32_t n_under_way; /* killed, not yet free */
	uint8_t *known;       /* by index: live, and born() was told */
	void (*born)(struct flow *flow, void *arg);
	void *born_arg;
	struct flow_ring killed, unlinked, freed, newborn;
};

int flow_pool_init(struct flow_pool *pool, uint32_t n_flows, int numa_node); /* [ctl] */
void flow_pool_fini(struct flow_pool *pool);                                 /* [ctl] */

/* [worker] A flow to fill, with gen even and larger than before; NULL: none left. */
struct flow *flow_pool_take(struct flow_pool *pool);
/* [worker] Gives back what take gave and nobody saw. */
void flow_pool_untake(struct flow_pool *pool, struct flow *flow);
/* [worker] From here on control sees it. */
void flow_pool_publish(struct flow_pool *pool, struct flow *flow);
/* [worker] Flows that could be taken now. */
EVS_INLINE uint32_t flow_pool_n_free(const struct flow_pool *pool)
{
	return pool->n_free + (pool->n_flows - pool->n_touched);
}

EVS_INLINE uint32_t flow_pool_index(const struct flow_pool *pool, const struct flow *flow)
{
	return (uint32_t)(flow - pool->flows);
}

EVS_INLINE void flow_ring_push(struct flow_ring *ring, uint32_t index)
{
	ring->slots[ring->head & ring->mask] = index;
	evs_store_release(&ring->head, ring->head + 1);
}

EVS_INLINE bool flow_ring_is_empty(const struct flow_ring *ring) /* [consumer] */
{
	return ring->tail == evs_load_acquire(&ring->head);
}

EVS_INLINE bool flow_ring_pop(struct flow_ring *ring, uint32_t *index)
{
	if (flow_ring_is_empty(ring))
		return false;
	*index = ring->slots[ring->tail & ring->mask];
	ring->tail++;
	return true;
}

/* The index that is `ahead` places behind the next one, if it is there yet. */
EVS_INLINE bool flow_ring_peek(const struct flow_ring *ring, uint32_t ahead, uint32_t *index)
{
	if (evs_load_acquire(&ring->head) - ring->tail <= ahead)
		return false;
	*index = ring->slots[(ring->tail + ahead) & ring->mask];
	return true;
}

/* [worker] The next flow that control killed, or NULL. */
EVS_INLINE struct flow *flow_pool_next_killed(struct flow_pool *pool)
{
	uint32_t index;

	return flow_ring_pop(&pool->killed, &index) ? &pool->flows[index] : NULL;
}

/* [worker] No table refers to the flow any more. */
EVS_INLINE void flow_pool_unlinked(struct flow_pool *pool, struct flow *flow)
{
	evs_store_relaxed(&flow->state, FLOW_UNLINKED);
	flow_ring_push(&pool->unlinked, flow_pool_index(pool, flow));
}

/* [worker] The next flow that control is done with, or NULL: release its blocks, then put it on
 * the free list with flow_pool_untake. */
EVS_INLINE struct flow *flow_pool_next_freed(struct flow_pool *pool)
{
	uint32_t index;

	return flow_ring_pop(&pool->freed, &index) ? &pool->flows[index] : NULL;
}

#endif
