/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look-up of a burst: one body, compiled once for each variant of the vector code.
 * Threads: one worker.
 *
 * Included by flow_lookup_{c,avx2,avx512}.c behind flow_simd_pvt.h; defines `lookup_burst` and
 * `lookup_one`. Stages, each over the whole burst so that cache misses overlap:
 *  1. runs: packets with the key of the one before share its look-up; the first of a run is a head;
 *  2. hash the heads, prefetch their home entries;
 *  3. compare; prefetch the flow of the entry; the few that are not at home follow the hops;
 *  4. is the flow alive? Those without an entry go to the wide cache, mask by mask;
 *  5. count packets and bytes to the flows.
 */

/* One look-up under way; what belongs to head j stands at [j]. */
struct lookup {
	struct flow_cache *cache;
	struct pkt_burst *burst;
	unsigned n; /* heads */
	uint8_t packet[PKT_BURST_MAX];
	struct flow *found[PKT_BURST_MAX];
};

/* Are the packets' keys equal in every line? */
EVS_INLINE bool same_key(const struct pkt_burst *burst, unsigned a, unsigned b)
{
	if (flow_simd_base_differs(&burst->base[a], &burst->base[b]))
		return false;
	for (uint32_t left = flow_ext_lines(burst->base[a].lines); left; left &= left - 1) {
		unsigned line = (unsigned)__builtin_ctz(left);

		if (flow_simd_line_differs(flow_ext_line(&burst->ext[a], line),
		                           flow_ext_line(&burst->ext[b], line)))
			return false;
	}
	return true;
}

EVS_INLINE bool entry_matches(const struct flow_entry *entry, const struct pkt_burst *burst,
                              unsigned i, const unsigned class)
{
	const uint8_t *stored = entry->lines;

	if (flow_simd_key_differs(&burst->base[i], entry))
		return false;
	if (class == 0)
		return true;
	for (uint32_t left = flow_ext_lines(burst->base[i].lines); left; left &= left - 1) {
		unsigned line = (unsigned)__builtin_ctz(left);

		if (flow_simd_line_differs(flow_ext_line(&burst->ext[i], line), stored))
			return false;
		stored += EVS_CACHE_LINE;
	}
	return true;
}

/* Heads whose key is not at home (bits of `away`): looks where the home's hops point. Returns
 * those that were not found. */
static uint32_t follow_hops(const struct lookup *l, uint32_t away, struct flow_entry **entries,
                            const struct flow_exact *exact, const unsigned class)
{
	uint32_t missing = away;

	for (uint32_t left = away; left; left &= left - 1) {
		unsigned j = (unsigned)__builtin_ctz(left);
		uint32_t home = l->burst->base[l->packet[j]].hash & exact->mask;
		uint32_t hops = entries[j]->where >> FLOW_WHERE_HOP_SHIFT & ~1u;

		for (; hops; hops &= hops - 1)
			rte_prefetch0(flow_exact_entry(exact, home ^ (uint32_t)__builtin_ctz(hops),
			                               class));
	}
	for (uint32_t left = away; left; left &= left - 1) {
		unsigned j = (unsigned)__builtin_ctz(left);
		uint32_t home = l->burst->base[l->packet[j]].hash & exact->mask;
		uint32_t hops = entries[j]->where >> FLOW_WHERE_HOP_SHIFT & ~1u;

		for (; hops; hops &= hops - 1) {
			struct flow_entry *entry = flow_exact_entry(
			        exact, home ^ (uint32_t)__builtin_ctz(hops), class);

			if (!entry_matches(entry, l->burst, l->packet[j], class))
				continue;
			entries[j] = entry;
			rte_prefetch0(&l->cache->pool.flows[entry->where & FLOW_WHERE_INDEX]);
			missing &= ~(1u << j);
			break;
		}
	}
	return missing;
}

/* Looks up the heads from..to, all of one class. Returns those not found as bits. */
EVS_INLINE uint32_t exact_lookup(struct lookup *l, uint32_t heads, const unsigned class)
{
	struct flow_exact *exact = &l->cache->exact[class];
	struct flow *flows = l->cache->pool.flows;
	struct flow_entry *entries[PKT_BURST_MAX];
	uint32_t away = 0, missing, stamp = exact->stamp;

	for (uint32_t left = heads; left; left &= left - 1) {
		unsigned j = (unsigned)__builtin_ctz(left), i = l->packet[j];
		struct pkt_key_base *base = &l->burst->base[i];

		base->hash = (uint32_t)flow_exact_hash(base, &l->burst->ext[i], class);
		entries[j] = flow_exact_entry(exact, base->hash & exact->mask, class);
		rte_prefetch0(entries[j]);
		if (class > 0)
			rte_prefetch0(entries[j]->lines);
	}
	for (uint32_t left = heads; left; left &= left - 1) {
		unsigned j = (unsigned)__builtin_ctz(left);
		bool found = entry_matches(entries[j], l->burst, l->packet[j], class);

		rte_prefetch0(&flows[entries[j]->where & FLOW_WHERE_INDEX]);
		away |= (uint32_t)!found << j;
	}
	missing = evs_unlikely(away) ? follow_hops(l, away, entries, exact, class) : 0;
	for (uint32_t left = heads & ~missing; left; left &= left - 1) {
		unsigned j = (unsigned)__builtin_ctz(left);
		struct flow_entry *entry = entries[j];
		struct flow *flow = &flows[entry->where & FLOW_WHERE_INDEX];

		if (evs_unlikely((evs_load_relaxed(&flow->gen) ^ entry->life) & FLOW_LIFE_GEN)) {
			missing |= 1u << j;
			continue;
		}
		if (evs_unlikely((entry->life ^ stamp) & FLOW_LIFE_STAMP))
			entry->life = (entry->life & ~FLOW_LIFE_STAMP) | stamp;
		l->found[j] = flow;
	}
	return missing;
}

EVS_INLINE bool flow_matches(const struct flow *flow, const struct flow_mask *mask,
                             const struct pkt_key_base *base, const struct pkt_key_ext *ext)
{
	if (evs_load_relaxed(&flow->gen) & 1)
		return false;
	if (flow_simd_masked_differ(base, &mask->mask.base, &flow->key, false))
		return false;
	for (uint32_t left = flow_ext_lines(mask->lines); left; left &= left - 1) {
		unsigned line = (unsigned)__builtin_ctz(left);

		if (flow_simd_masked_differ(flow_ext_line(ext, line),
		                            flow_ext_line(&mask->mask.ext, line),
		                            flow_ext_line(flow->ext_key, line), true))
			return false;
	}
	return true;
}

/* The live flow of the mask that has the key, among the pairs of the bucket with the
 * signature (bits of `pairs`) and its chain. */
static struct flow *bucket_find(const struct lookup *l, const struct flow_mask *mask,
                                const struct flow_bucket *bucket, unsigned pairs, unsigned i)
{
	const struct pkt_key_base *base = &l->burst->base[i];
	struct flow *flows = l->cache->pool.flows;

	for (; pairs; pairs &= pairs - 1) {
		uint32_t index = bucket->flow[__builtin_ctz(pairs)];

		if (index && flow_matches(&flows[index - 1], mask, base, &l->burst->ext[i]))
			return &flows[index - 1];
	}
	for (uint32_t next = bucket->chain; next; next = flows[next - 1].chain)
		if (flow_matches(&flows[next - 1], mask, base, &l->burst->ext[i]))
			return &flows[next - 1];
	return NULL;
}

/* Probes one mask for the heads in `missing`; returns those that are missing still. */
static EVS_HOT uint32_t wide_probe(struct lookup *l, struct flow_mask *mask, uint32_t missing)
{
	struct flow *flows = l->cache->pool.flows;
	const struct flow_bucket *buckets[PKT_BURST_MAX];
	uint32_t sigs[PKT_BURST_MAX], asked = 0, n_asked, n_hits = 0;
	uint8_t pairs[PKT_BURST_MAX];

	for (uint32_t left = missing; left; left &= left - 1) {
		unsigned j = (unsigned)__builtin_ctz(left), i = l->packet[j];

		if (mask->lines & ~l->burst->base[i].lines)
			continue; /* it lacks a line that every flow of this mask has */
		sigs[j] = (uint32_t)flow_mask_hash(mask, &l->burst->base[i], &l->burst->ext[i]);
		buckets[j] = flow_mask_bucket(mask, sigs[j]);
		rte_prefetch0(buckets[j]);
		asked |= 1u << j;
	}
	n_asked = (uint32_t)__builtin_popcount(asked);
	for (uint32_t left = asked; left; left &= left - 1) {
		unsigned j = (unsigned)__builtin_ctz(left);

		pairs[j] = (uint8_t)flow_simd_sig_match(buckets[j], sigs[j]);
		if (pairs[j]) {
			uint32_t index = buckets[j]->flow[__builtin_ctz(pairs[j])];

			rte_prefetch0(&flows[index - 1]);
			rte_prefetch0(&flows[index - 1].key);
		} else if (!buckets[j]->chain) {
			asked &= ~(1u << j);
		}
	}
	for (uint32_t left = asked; left; left &= left - 1) {
		unsigned j = (unsigned)__builtin_ctz(left);
		struct flow *flow = bucket_find(l, mask, buckets[j], pairs[j], l->packet[j]);

		if (!flow)
			continue;
		l->found[j] = flow;
		missing &= ~(1u << j);
		n_hits++;
	}
	mask->w_hits += n_hits;
	mask->w_probes += n_asked;
	evs_counter_add(&mask->hits, n_hits);
	evs_counter_add(&mask->probes, n_asked);
	l->cache->wide.probes += n_asked;
	return missing;
}

/* Of the masks that do not pay, some look-ups try a few in turn. */
static uint32_t wide_sample(struct lookup *l, uint32_t missing)
{
	struct flow_wide *wide = &l->cache->wide;
	uint32_t n_tail = wide->n_order - wide->n_paying;

	if (++wide->n_lookups % FLOW_WIDE_SAMPLE)
		return missing;
	for (uint32_t k = 0; k < EVS_MIN(n_tail, FLOW_WIDE_PROBE_TAIL) && missing; k++) {
		wide->tail = wide->tail + 1 < n_tail ? wide->tail + 1 : 0;
		missing = wide_probe(l, &wide->masks[wide->order[wide->n_paying + wide->tail]],
		                     missing);
	}
	return missing;
}

/* The wide cache for the heads in `missing`; what it finds enters the exact cache. */
static EVS_HOT uint32_t wide_lookup(struct lookup *l, uint32_t missing)
{
	struct flow_cache *cache = l->cache;
	struct flow_wide *wide = &cache->wide;
	uint32_t asked = missing, probes = wide->probes;
	uint64_t start = __builtin_ia32_rdtsc();

	wide->pkts += (uint32_t)__builtin_popcount(missing);
	for (uint32_t k = 0; k < wide->n_paying && missing; k++)
		missing = wide_probe(l, &wide->masks[wide->order[k]], missing);
	if (missing && wide->n_paying < wide->n_order) {
		evs_counter_add(&cache->stats.wide_skips, (uint64_t)__builtin_popcount(missing));
		missing = wide_sample(l, missing);
	}
	wide->tsc += __builtin_ia32_rdtsc() - start;
	evs_counter_add(&cache->stats.wide_probes, wide->probes - probes);

	for (uint32_t left = asked & ~missing; left; left &= left - 1) {
		unsigned j = (unsigned)__builtin_ctz(left), i = l->packet[j];
		struct flow *flow = l->found[j];
		struct pkt_key_base *base = &l->burst->base[i];

		flow_exact_insert(&cache->exact[flow_exact_class(base->lines)], base,
		                  &l->burst->ext[i], base->hash,
		                  flow_pool_index(&cache->pool, flow), evs_load_relaxed(&flow->gen),
		                  flow->mask->is_volatile);
	}
	flow_wide_reorder(wide, false);
	return missing;
}

/* Heads of longer keys, class by class. */
static uint32_t exact_lookup_mixed(struct lookup *l)
{
	uint32_t heads[FLOW_EXACT_N_CLASSES] = {0};

	for (unsigned j = 0; j < l->n; j++)
		heads[flow_exact_class(l->burst->base[l->packet[j]].lines)] |= 1u << j;
	return exact_lookup(l, heads[0], 0) | exact_lookup(l, heads[1], 1) |
	       exact_lookup(l, heads[2], 2) | exact_lookup(l, heads[3], 3);
}

/* Exact and wide cache for all heads; returns those not found. */
EVS_INLINE uint32_t lookup_heads(struct lookup *l, uint8_t lines)
{
	struct flow_cache_stats *stats = &l->cache->stats;
	uint32_t all = UINT32_MAX >> (32 - l->n), missing, misses;

	missing = evs_likely(!lines) ? exact_lookup(l, all, 0) : exact_lookup_mixed(l);
	misses = evs_unlikely(missing) ? wide_lookup(l, missing) : 0;
	evs_counter_add(&stats->exact_hits, (uint64_t)__builtin_popcount(all & ~missing));
	if (evs_unlikely(missing))
		evs_counter_add(&stats->wide_hits, (uint64_t)__builtin_popcount(missing & ~misses));
	return misses;
}

/* Gives each packet the flow of its head and counts whole runs. Returns the misses. */
static EVS_HOT uint32_t spread_runs(struct lookup *l, uint32_t is_head, uint32_t misses, unsigned n,
                                    struct flow **flows)
{
	uint32_t missed = 0, heads = is_head;

	for (unsigned j = 0; j < l->n; j++) {
		unsigned first = l->packet[j], end;
		uint64_t n_bytes = 0;
		struct flow *flow = misses >> j & 1 ? NULL : l->found[j];

		heads &= heads - 1;
		end = heads ? (unsigned)__builtin_ctz(heads) : n;
		for (unsigned i = first; i < end; i++) {
			n_bytes += l->burst->mbuf[i]->pkt_len;
			flows[i] = flow;
		}
		if (flow)
			flow_count(flow, end - first, n_bytes, &l->burst->base[first],
			           l->cache->now_ms);
		else
			missed |= (uint32_t)(((uint64_t)1 << end) - ((uint64_t)1 << first));
	}
	return missed;
}

static EVS_HOT uint32_t lookup_burst(struct flow_cache *cache, struct pkt_burst *burst, unsigned n,
                                     struct flow **flows, uint32_t now_ms)
{
	struct lookup l = {.cache = cache, .burst = burst};
	struct flow_cache_stats *stats = &cache->stats;
	uint32_t is_head = 1, missed;
	uint8_t lines = 0;

	if (n == 0)
		return 0;
	flow_cache_set_now(cache, now_ms);
	for (unsigned i = 1; i < n; i++)
		is_head |= (uint32_t)!same_key(burst, i - 1, i) << i;
	for (uint32_t left = is_head; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		lines |= burst->base[i].lines;
		l.packet[l.n++] = (uint8_t)i;
	}
	missed = spread_runs(&l, is_head, lookup_heads(&l, lines), n, flows);
	evs_counter_add(&stats->misses, (uint64_t)__builtin_popcount(missed));
	evs_counter_add(&stats->memo_hits,
	                (uint64_t)__builtin_popcount(~(missed | is_head)) - (32 - n));
	return missed;
}

static struct flow *lookup_one(struct flow_cache *cache, struct pkt_burst *burst, unsigned i,
                               uint32_t now_ms)
{
	struct lookup l = {.cache = cache, .burst = burst, .n = 1, .packet = {(uint8_t)i}};
	const struct pkt_key_base *base = &burst->base[i];

	flow_cache_set_now(cache, now_ms);
	if (lookup_heads(&l, base->lines)) {
		evs_counter_add(&cache->stats.misses, 1);
		return NULL;
	}
	flow_count(l.found[0], 1, burst->mbuf[i]->pkt_len, base, now_ms);
	return l.found[0];
}
