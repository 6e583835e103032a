/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Installing translations, and taking dead flows out again.
 * Threads: one worker. Owner of what a flow points to: the flow, until control freed it.
 *
 * A flow refers to its program and mask until it is unlinked; references and further lines of
 * the key stay until control has credited it, and go back to the arena when its index returns.
 */
#define FLOW_ISA 0

#include <string.h>

#include "flow/flow_cache_pvt.h"
#include "flow/flow_simd_pvt.h"

/* A poll unlinks and frees so many flows at most. */
#define POLL_FLOWS 64
#define POLL_AHEAD 4   /* flows */
#define REORDER_MS 250 /* masks are put in order after so long even if few packets came */

/* The key and mask of a flow to be, normalized: what every mask matches is set, the
 * mask has no line that the key lacks, and the key is masked. Further lines are undefined if
 * `lines` is 0, as it is for most flows. */
struct wish {
	struct pkt_key key, mask;
	uint8_t lines; /* of the mask that are not zero */
	uint64_t hash; /* of the key */
};

static bool line_is_zero(const void *line)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < 8; i++)
		any |= pkt_hash_u64((const uint8_t *)line + 8 * i);
	return !any;
}

static void mask_line(void *key, const void *mask)
{
	for (unsigned i = 0; i < 8; i++)
		((uint64_t *)key)[i] &= ((const uint64_t *)mask)[i];
}

/* Drops from `lines` the lines of the mask that are zero. */
static uint8_t lines_in_use(const struct pkt_key *mask, uint8_t lines)
{
	uint8_t used = 0;

	for (uint32_t left = pkt_ext_lines(lines); left; left &= left - 1) {
		unsigned line = (unsigned)__builtin_ctz(left);

		if (!line_is_zero(pkt_ext_line(&mask->ext, line)))
			used |= (uint8_t)(line < 3 ? 1u << line : PKT_LINE_TMD);
	}
	return used;
}

static void apply_mask(struct wish *wish, const struct pkt_key_base *base,
                       const struct pkt_key_ext *ext)
{
	uint32_t lines = pkt_ext_lines(wish->lines);

	wish->key.base = *base;
	wish->key.base.holder = 0;
	mask_line(&wish->key.base, &wish->mask.base);
	if (!lines)
		return;
	for (unsigned line = 0; line < sizeof(*ext) / EVS_CACHE_LINE; line++) {
		uint8_t *key = (uint8_t *)&wish->key.ext + line * EVS_CACHE_LINE;
		uint8_t *mask = (uint8_t *)&wish->mask.ext + line * EVS_CACHE_LINE;

		if (!(lines >> line & 1)) {
			memset(mask, 0, EVS_CACHE_LINE);
			memset(key, 0, EVS_CACHE_LINE);
			continue;
		}
		memcpy(key, pkt_ext_line(ext, line), EVS_CACHE_LINE);
		mask_line(key, mask);
	}
}

static void make_wish(struct wish *wish, const struct pkt_key *mask,
                      const struct pkt_key_base *base, const struct pkt_key_ext *ext)
{
	wish->lines = lines_in_use(mask, base->lines);
	wish->mask.base = mask->base;
	if (wish->lines)
		wish->mask.ext = mask->ext;
	wish->mask.base.in_port = UINT16_MAX;
	wish->mask.base.lines = UINT8_MAX;
	wish->mask.base.recirc_id = UINT32_MAX;
	wish->mask.base.eth_type = UINT16_MAX;
	wish->mask.base.holder = 0;
	apply_mask(wish, base, ext);
}

/* Finds or makes the mask; a port with too many gets the one that wildcards nothing. */
static struct flow_mask *choose_mask(struct flow_cache *cache, struct wish *wish,
                                     const struct pkt_key_base *base, const struct pkt_key_ext *ext)
{
	struct flow_mask *mask =
	        flow_wide_mask_get(&cache->wide, &wish->mask, wish->lines, base->in_port);

	if (mask)
		return mask;
	evs_counter_add(&cache->stats.mask_limited, 1);
	/* Such flows are one per key: they must not take the last quarter of the pool. */
	if (flow_pool_n_free(&cache->pool) < cache->pool.n_flows / 4)
		return NULL;
	mask = flow_wide_mask_overflow(&cache->wide, base->lines);
	if (mask) {
		wish->mask = mask->mask;
		wish->lines = mask->lines;
		apply_mask(wish, base, ext);
	}
	return mask;
}

static bool same_refs(const struct flow *flow, const struct flow_xlate *xlate)
{
	if (flow->n_refs != xlate->n_refs)
		return false;
	for (unsigned i = 0; i < flow->n_refs; i++)
		if (memcmp(flow_ref_at(flow, i), &xlate->refs[i], sizeof(struct flow_ref)))
			return false;
	return true;
}

static bool is_same(const struct flow *flow, const struct wish *wish, const struct flow_prog *prog,
                    const struct flow_xlate *xlate)
{
	return !(evs_load_relaxed(&flow->gen) & 1) && flow->prog == prog &&
	       !memcmp(&flow->key, &wish->key.base, PKT_KEY_BASE_SIZE) &&
	       (!flow->ext_key || !memcmp(flow->ext_key, &wish->key.ext, sizeof(wish->key.ext))) &&
	       same_refs(flow, xlate);
}

/* The live flow that says what this translation says. While look-ups leave its mask out, every
 * second packet of a flow comes here. One with the same key and another program is of an
 * older configuration: control kills it soon, and it is not reused. */
static struct flow *find_same(struct flow_cache *cache, const struct flow_bucket *bucket,
                              const struct wish *wish, const struct flow_prog *prog,
                              const struct flow_xlate *xlate)
{
	struct flow *flows = cache->pool.flows;

	for (unsigned i = 0; i < FLOW_BUCKET_LEN; i++) {
		struct flow *flow = &flows[bucket->flow[i] - 1];

		if (bucket->flow[i] && bucket->sig[i] == (uint32_t)wish->hash &&
		    is_same(flow, wish, prog, xlate))
			return flow;
	}
	for (uint32_t next = bucket->chain; next; next = flows[next - 1].chain)
		if (flows[next - 1].hash == wish->hash &&
		    is_same(&flows[next - 1], wish, prog, xlate))
			return &flows[next - 1];
	return NULL;
}

static size_t more_refs_size(uint32_t n_refs)
{
	return n_refs > FLOW_REFS_INLINE ? (n_refs - FLOW_REFS_INLINE) * sizeof(struct flow_ref)
	                                 : 0;
}

static void release_blocks(struct flow_cache *cache, struct flow *flow)
{
	flow_arena_free(&cache->arena, flow->more_refs, more_refs_size(flow->n_refs));
	flow_arena_free(&cache->arena, flow->ext_key, sizeof(*flow->ext_key));
	flow->more_refs = NULL;
	flow->ext_key = NULL;
}

/* Copies references and further lines into blocks of the flow. */
static bool fill_blocks(struct flow_cache *cache, struct flow *flow, const struct wish *wish,
                        const struct flow_xlate *xlate)
{
	uint32_t n_inline = EVS_MIN(xlate->n_refs, (uint32_t)FLOW_REFS_INLINE);
	size_t more_size = more_refs_size(xlate->n_refs);
	struct flow_arena *arena = &cache->arena;
	uint16_t port = wish->key.base.in_port;

	flow->n_refs = (uint8_t)xlate->n_refs;
	flow->ext_key = NULL;
	flow->more_refs = NULL;
	if (more_size && !(flow->more_refs = flow_arena_alloc(arena, port, more_size)))
		return false;
	if (wish->lines &&
	    !(flow->ext_key = flow_arena_alloc(arena, port, sizeof(wish->key.ext)))) {
		release_blocks(cache, flow);
		return false;
	}
	memcpy(flow->refs, xlate->refs, n_inline * sizeof(struct flow_ref));
	if (more_size)
		memcpy(flow->more_refs, &xlate->refs[FLOW_REFS_INLINE], more_size);
	if (wish->lines)
		*flow->ext_key = wish->key.ext;
	return true;
}

/* Who sweeps through addresses must not keep the others' new flows out of the cache. */
static bool may_take(const struct flow_cache *cache, uint16_t port)
{
	return evs_may_take(flow_pool_n_free(&cache->pool), cache->pool.n_flows,
	                    cache->port_flows[port & PKT_PORT_MAX]);
}

/* A new flow, not linked yet; NULL: *blame would count why. */
static struct flow *make_flow(struct flow_cache *cache, const struct wish *wish,
                              struct flow_mask *mask, const struct flow_xlate *xlate,
                              uint64_t **blame)
{
	uint16_t port = wish->key.base.in_port;
	struct flow *flow = may_take(cache, port) ? flow_pool_take(&cache->pool) : NULL;

	*blame = &cache->stats.not_cached_pool;
	if (!flow)
		return NULL;
	if (!fill_blocks(cache, flow, wish, xlate)) {
		*blame = &cache->stats.not_cached_memory;
		flow_pool_untake(&cache->pool, flow);
		return NULL;
	}
	cache->port_flows[port & PKT_PORT_MAX]++;
	flow->mask = mask;
	flow->hash = wish->hash;
	flow->key = wish->key.base;
	flow->created_ms = cache->now_ms;
	evs_store_relaxed(&flow->n_pkts, 0);
	evs_store_relaxed(&flow->n_bytes, 0);
	evs_store_relaxed(&flow->tcp_flags, 0);
	evs_store_relaxed(&flow->used_ms, cache->now_ms);
	return flow;
}

/* Gives back what make_flow made. */
static void unmake_flow(struct flow_cache *cache, struct flow *flow)
{
	release_blocks(cache, flow);
	cache->port_flows[flow->key.in_port & PKT_PORT_MAX]--;
	flow_pool_untake(&cache->pool, flow);
}

/* The flow for a wish: one that is there, or a new one. Where look-ups probe the mask it is seldom
 * there: the new one is made while the line of the bucket is under way. */
static struct flow *get_flow(struct flow_cache *cache, const struct wish *wish,
                             struct flow_mask *mask, const struct flow_xlate *xlate)
{
	struct flow_prog *prog = flow_intern_get(&cache->intern, &cache->arena,
	                                         wish->key.base.in_port, &xlate->prog);
	struct flow *flow = NULL, *same;
	bool is_probed = mask->score;
	uint64_t *blame = NULL;

	if (!prog) {
		evs_counter_add(&cache->stats.not_cached_memory, 1);
		return NULL;
	}
	if (is_probed)
		flow = make_flow(cache, wish, mask, xlate, &blame);
	same = find_same(cache, flow_mask_bucket(mask, (uint32_t)wish->hash), wish, prog, xlate);
	if (!is_probed && !same)
		flow = make_flow(cache, wish, mask, xlate, &blame);
	if (same || !flow) {
		flow_intern_put(&cache->intern, &cache->arena, prog);
		evs_counter_add(same ? &cache->stats.reused : blame, 1);
		if (flow)
			unmake_flow(cache, flow);
		return same;
	}
	flow->prog = prog;
	flow_wide_add(&cache->wide, &cache->pool, flow);
	flow_pool_publish(&cache->pool, flow);
	evs_counter_add(&cache->stats.installs, 1);
	return flow;
}

static struct flow *install(struct flow_cache *cache, const struct pkt_key_base *base,
                            const struct pkt_key_ext *ext, const struct flow_xlate *xlate)
{
	unsigned class = flow_exact_class(base->lines);
	struct flow_mask *mask;
	struct flow_value value;
	struct flow *flow;
	struct wish wish;

	if (!xlate->cacheable || xlate->n_refs > FLOW_REFS_MAX || !xlate->prog.size ||
	    xlate->prog.overflow) {
		evs_counter_add(&cache->stats.not_cached_refs, 1);
		return NULL;
	}
	make_wish(&wish, &xlate->mask, base, ext);
	mask = choose_mask(cache, &wish, base, ext);
	if (!mask) {
		evs_counter_add(&cache->stats.not_cached_pool, 1);
		return NULL;
	}
	wish.hash = flow_mask_hash(mask, &wish.key.base, &wish.key.ext);
	__builtin_prefetch(flow_mask_bucket(mask, (uint32_t)wish.hash), 1);
	flow = get_flow(cache, &wish, mask, xlate);
	if (!flow) {
		if (!mask->n_flows)
			flow_wide_mask_release(&cache->wide, mask);
		return NULL;
	}
	value = (struct flow_value){flow_pool_index(&cache->pool, flow),
	                            evs_load_relaxed(&flow->gen), mask->is_volatile};
	flow_exact_insert(&cache->exact[class], base, ext, base->hash, &value);
	return flow;
}

struct flow *flow_cache_install(struct flow_cache *cache, struct pkt_burst *burst, unsigned i,
                                const struct flow_xlate *xlate, uint32_t now_ms, uint64_t cycles)
{
	struct flow *flow;

	flow_cache_set_now(cache, now_ms);
	flow = install(cache, &burst->base[i], &burst->ext[i], xlate);
	if (flow)
		flow_count(flow, 1, burst->mbuf[i]->pkt_len, flow_tcp_flags(&burst->base[i]),
		           now_ms);
	flow_wide_note_xlate(&cache->wide, cycles);
	return flow;
}

/* The flows of a ring were written by another CPU last; asks for those that are soon next. */
static void poll_ahead(const struct flow_pool *pool, const struct flow_ring *ring)
{
	const struct flow *flow;
	uint32_t index;

	if (!flow_ring_peek(ring, 2 * POLL_AHEAD, &index))
		return;
	for (unsigned line = 0; line < 3; line++)
		__builtin_prefetch((const uint8_t *)&pool->flows[index] + line * EVS_CACHE_LINE, 1);
	if (ring != &pool->killed || !flow_ring_peek(ring, POLL_AHEAD, &index))
		return;
	flow = &pool->flows[index];
	__builtin_prefetch(flow_mask_bucket(flow->mask, (uint32_t)flow->hash), 1);
}

static void unlink_flow(struct flow_cache *cache, struct flow *flow)
{
	flow_wide_del(&cache->wide, &cache->pool, flow);
	flow_intern_put(&cache->intern, &cache->arena, flow->prog);
	flow->prog = NULL;
	flow->mask = NULL;
	flow_pool_unlinked(&cache->pool, flow);
}

static void sweep(struct flow_cache *cache)
{
	uint32_t elapsed = cache->now_ms - cache->swept_ms;

	cache->swept_ms = cache->now_ms;
	for (unsigned i = 0; i < FLOW_EXACT_N_CLASSES; i++)
		if (elapsed || cache->exact[i].due)
			flow_exact_sweep(&cache->exact[i], cache->pool.flows, elapsed);
}

bool flow_cache_is_settled(const struct flow_cache *cache)
{
	return flow_ring_is_empty(&cache->pool.killed) && flow_ring_is_empty(&cache->pool.freed);
}

void flow_cache_poll(struct flow_cache *cache)
{
	struct flow *flow;
	unsigned n = 0;

	while (n++ < POLL_FLOWS && (flow = flow_pool_next_killed(&cache->pool))) {
		poll_ahead(&cache->pool, &cache->pool.killed);
		unlink_flow(cache, flow);
	}
	n = 0;
	while (n++ < POLL_FLOWS && (flow = flow_pool_next_freed(&cache->pool))) {
		poll_ahead(&cache->pool, &cache->pool.freed);
		unmake_flow(cache, flow);
	}
	sweep(cache);
	if (cache->now_ms - cache->reorder_ms >= REORDER_MS) {
		cache->reorder_ms = cache->now_ms;
		flow_wide_reorder(&cache->wide, true);
	}
}
