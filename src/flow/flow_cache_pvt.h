/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a flow cache consists of. Threads: see the parts.
 */
#ifndef FLOW_CACHE_PVT_H
#define FLOW_CACHE_PVT_H

#include "flow/flow_cache.h"
#include "flow/flow_exact_pvt.h"
#include "flow/flow_intern_pvt.h"
#include "flow/flow_pool_pvt.h"
#include "flow/flow_wide_pvt.h"

typedef uint32_t flow_lookup_fn(struct flow_cache *cache, struct pkt_burst *burst, unsigned n,
                                struct flow_found *found, uint32_t now_ms);
typedef struct flow *flow_lookup_one_fn(struct flow_cache *cache, struct pkt_burst *burst,
                                        unsigned i, uint32_t now_ms);

typedef struct flow *flow_lookup_fresh_fn(const struct flow_fresh *fresh,
                                          const struct pkt_burst *burst, unsigned i,
                                          uint32_t now_ms);

/* The look-up in one variant of the vector code. */
struct flow_lookup_ops {
	flow_lookup_fn *burst;
	flow_lookup_one_fn *one;
	flow_lookup_fresh_fn *fresh;
};

extern const struct flow_lookup_ops flow_lookup_ops_c, flow_lookup_ops_avx2, flow_lookup_ops_avx512;

#define FLOW_N_HABITS   8
#define FLOW_HABIT_MIN  8  /* heads of a burst that must agree */
#define FLOW_HABIT_REST 32 /* bursts without a habit after one that failed */

/* Where whole bursts of a port had one flow, it is tried first: a masked compare of each key, no
 * entry of the exact cache. Tunnels' outer packets are such, with a source port for each inner
 * flow. */
struct flow_habit {
	struct flow *flow; /* NULL: none */
	uint32_t gen;      /* of the flow, then */
	uint32_t rest;     /* bursts until there may be one again */
};

struct flow_cache {
	const struct flow_lookup_ops *ops;
	uint32_t epoch;  /* of the exact cache */
	uint32_t now_ms; /* of the last look-up */
	struct flow_exact exact[FLOW_EXACT_N_CLASSES];
	struct flow_wide wide;
	struct flow_pool pool;
	struct flow_intern intern;
	struct flow_arena arena;
	struct flow_habit habits[FLOW_N_HABITS];         /* by port [worker] */
	uint32_t swept_ms;                               /* up to when the hand has aged entries */
	uint32_t reorder_ms;                             /* of the last reordering */
	uint32_t port_flows[PKT_PORT_MAX + 1];           /* not free yet [worker] */
	struct flow_cache_stats stats EVS_CACHE_ALIGNED; /* [worker w, any r] */
};

/* Epochs change rarely; everything that depends on them is done here. [worker] */
EVS_INLINE void flow_cache_set_now(struct flow_cache *cache, uint32_t now_ms)
{
	uint32_t epoch = now_ms >> FLOW_EPOCH_SHIFT;

	cache->now_ms = now_ms;
	if (evs_unlikely(epoch != cache->epoch)) {
		cache->epoch = epoch;
		for (unsigned i = 0; i < FLOW_EXACT_N_CLASSES; i++)
			flow_exact_set_epoch(&cache->exact[i], epoch);
	}
}

/* TCP's flags in a key, 0 for what is not TCP. */
EVS_INLINE uint16_t flow_tcp_flags(const struct pkt_key_base *base)
{
	return base->ip_proto == 6 ? base->tcp_flags : 0;
}

EVS_INLINE void flow_count(struct flow *flow, uint32_t n_pkts, uint64_t n_bytes, uint16_t flags,
                           uint32_t now_ms)
{
	evs_counter_add(&flow->n_pkts, n_pkts);
	evs_counter_add(&flow->n_bytes, n_bytes);
	evs_store_relaxed(&flow->used_ms, now_ms);
	if (flags & ~flow->tcp_flags)
		evs_store_relaxed(&flow->tcp_flags, flow->tcp_flags | flags);
}

#endif
