/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache as a whole: creation, installation of translations, housekeeping.
 * Threads: control creates and destroys; one worker installs and polls.
 */
#include "flow/flow_cache_pvt.h"

#define DEFAULT_FLOWS     (1u << 18)
#define DEFAULT_EXACT     (1u << 20)
#define DEFAULT_EXACT_EXT (1u << 18)
#define DEFAULT_MASKS     512
/* Address space for programs, references and further lines, per flow of the pool. */
#define ARENA_PER_FLOW 512
#define ARENA_MIN      ((size_t)1 << 24)

static uint32_t power_of_two(uint32_t n, uint32_t otherwise, uint32_t min, uint32_t max)
{
	uint32_t power = min;

	if (!n)
		n = otherwise;
	while (power < n && power < max)
		power *= 2;
	return power;
}

static int init_exact(struct flow_cache *cache, const struct flow_cache_config *config)
{
	uint32_t n_ext = power_of_two(config->n_exact_ext, DEFAULT_EXACT_EXT, 128, 1u << 26);
	const uint32_t n[FLOW_EXACT_N_CLASSES] = {
	        power_of_two(config->n_exact, DEFAULT_EXACT, FLOW_EXACT_WAYS, 1u << 28), n_ext,
	        n_ext / 4,  /* several further lines */
	        n_ext / 16, /* tunnel options: rare */
	};

	for (unsigned i = 0; i < FLOW_EXACT_N_CLASSES; i++) {
		if (flow_exact_init(&cache->exact[i], n[i], i, config->numa_node))
			return -ENOMEM;
	}
	return 0;
}

static int init_parts(struct flow_cache *cache, const struct flow_cache_config *config)
{
	uint32_t n_flows = power_of_two(config->n_flows, DEFAULT_FLOWS, 64, FLOW_CACHE_MAX_FLOWS);
	uint32_t max_masks = config->max_masks ? config->max_masks : DEFAULT_MASKS;
	size_t arena_size = EVS_MAX((size_t)n_flows * ARENA_PER_FLOW, ARENA_MIN);
	int node = config->numa_node;

	if (init_exact(cache, config) || flow_pool_init(&cache->pool, n_flows, node) ||
	    flow_wide_init(&cache->wide, EVS_MIN(max_masks, FLOW_CACHE_MAX_MASKS), n_flows, node) ||
	    flow_intern_init(&cache->intern, EVS_MIN(n_flows, 1u << 16), node) ||
	    flow_arena_init(&cache->arena, arena_size, node))
		return -ENOMEM;
	return 0;
}

static const struct flow_lookup_ops *ops_of(enum pkt_isa isa)
{
	switch (isa) {
	case PKT_ISA_AVX512:
		return &flow_lookup_ops_avx512;
	case PKT_ISA_AVX2:
		return &flow_lookup_ops_avx2;
	default:
		return &flow_lookup_ops_c;
	}
}

int flow_cache_create(const struct flow_cache_config *config, struct flow_cache **cachep,
                      struct evs_error *err)
{
	struct flow_region self;
	struct flow_cache *cache;

	if (flow_region_map(&self, sizeof(*cache), false, config->numa_node))
		return evs_error_set(err, -ENOMEM, "no memory for a flow cache");
	cache = self.base;
	cache->ops = ops_of(config->isa);
	cache->pool.born = config->born;
	cache->pool.born_arg = config->born_arg;
	if (init_parts(cache, config)) {
		flow_cache_destroy(cache);
		return evs_error_set(
		        err, -ENOMEM,
		        "no address space for a flow cache of %u flows and %u entries: "
		        "configure a smaller one, or raise the limit (ulimit -v)",
		        config->n_flows, config->n_exact);
	}
	*cachep = cache;
	return 0;
}

void flow_cache_destroy(struct flow_cache *cache)
{
	struct flow_region self = {.base = cache, .size = sizeof(*cache)};

	if (!cache)
		return;
	flow_arena_fini(&cache->arena);
	flow_intern_fini(&cache->intern);
	if (cache->wide.masks)
		flow_wide_fini(&cache->wide);
	flow_pool_fini(&cache->pool);
	for (unsigned i = 0; i < FLOW_EXACT_N_CLASSES; i++)
		flow_exact_fini(&cache->exact[i]);
	self.size = (self.size + 4095) & ~(size_t)4095;
	flow_region_unmap(&self);
}

uint32_t flow_cache_lookup(struct flow_cache *cache, struct pkt_burst *burst, unsigned n,
                           struct flow_found *found, uint32_t now_ms)
{
	return cache->ops->burst(cache, burst, n, found, now_ms);
}

struct flow *flow_cache_lookup_one(struct flow_cache *cache, struct pkt_burst *burst, unsigned i,
                                   uint32_t now_ms)
{
	return cache->ops->one(cache, burst, i, now_ms);
}

struct flow *flow_cache_lookup_fresh(const struct flow_cache *cache, const struct flow_fresh *fresh,
                                     const struct pkt_burst *burst, unsigned i, uint32_t now_ms)
{
	return cache->ops->fresh(fresh, burst, i, now_ms);
}

void flow_cache_hit(struct flow_cache *cache, struct flow *flow, uint32_t n_pkts, uint64_t n_bytes,
                    uint32_t now_ms)
{
	flow_count(flow, n_pkts, n_bytes, 0, now_ms);
	evs_counter_add(&cache->stats.exact_hits, n_pkts);
}

void flow_cache_stats_get(const struct flow_cache *cache, struct flow_cache_stats *stats)
{
	const uint64_t *from = (const uint64_t *)&cache->stats;
	uint64_t *to = (uint64_t *)stats;

	static_assert(sizeof(*stats) % sizeof(*to) == 0, "counters only");
	for (unsigned i = 0; i < sizeof(*stats) / sizeof(*to); i++)
		to[i] = evs_load_relaxed(&from[i]);
	stats->exact_inserts = stats->exact_refused = 0;
	for (unsigned i = 0; i < FLOW_EXACT_N_CLASSES; i++) {
		stats->exact_inserts += evs_load_relaxed(&cache->exact[i].inserts);
		stats->exact_refused += evs_load_relaxed(&cache->exact[i].refused);
	}
}

uint32_t flow_cache_n_masks(const struct flow_cache *cache)
{
	return evs_load_relaxed(&cache->wide.n_masks);
}
