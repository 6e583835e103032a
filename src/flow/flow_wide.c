/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wide cache: masks, their tables, the order of probing. Look-up is in flow_lookup.inc.
 * Threads: one worker.
 */
#include "flow/flow_wide_pvt.h"

#include <string.h>

/* A window ends after so many packets that reached the wide cache. */
#define WINDOW_PKTS 4096
/* With fewer probes than that nothing is said about a mask. */
#define ENOUGH_PROBES      64
#define FIRST_PROBE_CYCLES 40
#define FIRST_XLATE_CYCLES 4000
/* A port may make an eighth of the masks, and at least so many. */
#define PORT_SHARE     8
#define PORT_MASKS_MIN 32

static uint32_t next_power(uint32_t n)
{
	return n <= 1 ? 1 : 1u << (32 - __builtin_clz(n - 1));
}

/* The small arrays lie in one region behind the masks. */
static void place_arrays(struct flow_wide *wide, uint8_t *p)
{
	wide->masks = (struct flow_mask *)p;
	p += wide->n_slots * sizeof(*wide->masks);
	wide->mask_hash = (uint64_t *)p;
	p += wide->n_slots * sizeof(*wide->mask_hash);
	wide->order = (uint16_t *)p;
	p += wide->n_slots * sizeof(*wide->order);
	wide->free_ids = (uint16_t *)p;
	p += wide->n_slots * sizeof(*wide->free_ids);
	wide->port_masks = (uint16_t *)p;
}

int flow_wide_init(struct flow_wide *wide, uint32_t max_masks, uint32_t n_flows, int numa_node)
{
	size_t size;

	wide->max_masks = max_masks;
	wide->max_port_masks = EVS_MAX(max_masks / PORT_SHARE, EVS_MIN(max_masks, PORT_MASKS_MIN));
	wide->n_slots = max_masks + FLOW_WIDE_N_OVERFLOW;
	wide->max_buckets = next_power(n_flows / FLOW_BUCKET_LOAD);
	wide->probe_cycles = FIRST_PROBE_CYCLES;
	wide->xlate_cycles = FIRST_XLATE_CYCLES;
	size = wide->n_slots * (sizeof(*wide->masks) + sizeof(*wide->mask_hash) +
	                        sizeof(*wide->order) + sizeof(*wide->free_ids)) +
	       (PKT_PORT_MAX + 1) * sizeof(*wide->port_masks);
	if (flow_region_map(&wide->region, size, false, numa_node))
		return -ENOMEM;
	size = (size_t)wide->n_slots * wide->max_buckets * sizeof(struct flow_bucket);
	if (flow_region_map(&wide->bucket_region, size, false, numa_node)) {
		flow_region_unmap(&wide->region);
		return -ENOMEM;
	}
	place_arrays(wide, wide->region.base);
	/* Low ids first, and the id freed last: memory that was touched is used again. */
	for (uint32_t i = 0; i < wide->n_slots; i++)
		wide->free_ids[i] = (uint16_t)(wide->n_slots - 1 - i);
	wide->n_free_ids = wide->n_slots;
	return 0;
}

void flow_wide_fini(struct flow_wide *wide)
{
	flow_region_unmap(&wide->bucket_region);
	flow_region_unmap(&wide->region);
}

/* Further lines count only if there are any: most masks have none. */
static uint64_t hash_mask(const struct pkt_key *mask, uint8_t lines)
{
	const uint8_t *p = (const uint8_t *)mask;
	uint64_t hash = pkt_hash_base(&mask->base);

	for (size_t i = EVS_CACHE_LINE; lines && i < sizeof(*mask); i += EVS_CACHE_LINE)
		hash = pkt_hash_line(hash, p + i);
	return hash | 1; /* 0 marks an id that is free */
}

static struct flow_mask *find_mask(struct flow_wide *wide, uint64_t hash,
                                   const struct pkt_key *mask, uint8_t lines)
{
	for (uint32_t i = 0; i < wide->n_order; i++) {
		uint16_t id = wide->order[i];

		if (wide->mask_hash[id] == hash && wide->masks[id].lines == lines &&
		    !memcmp(&wide->masks[id].mask.base, mask, PKT_KEY_BASE_SIZE) &&
		    (!lines || !memcmp(&wide->masks[id].mask.ext, &mask->ext, sizeof(mask->ext))))
			return &wide->masks[id];
	}
	return NULL;
}

/* A new mask is probed by every look-up until a window has judged it. */
static void order_insert(struct flow_wide *wide, uint16_t id)
{
	wide->order[wide->n_order++] = wide->order[wide->n_paying];
	wide->order[wide->n_paying++] = id;
}

static struct flow_mask *make_mask(struct flow_wide *wide, uint64_t hash,
                                   const struct pkt_key *mask, uint8_t lines)
{
	uint16_t id = wide->free_ids[--wide->n_free_ids];
	struct flow_mask *m = &wide->masks[id];

	wide->mask_hash[id] = hash;
	m->buckets =
	        (struct flow_bucket *)wide->bucket_region.base + (size_t)id * wide->max_buckets;
	m->n_buckets = 1;
	m->bucket_mask = 1;
	m->lines = lines;
	m->is_overflow = false;
	m->id = id;
	m->port = 0;
	evs_store_relaxed(&m->hits, 0);
	evs_store_relaxed(&m->probes, 0);
	m->w_hits = m->w_probes = 0;
	m->score = 1;
	m->mask.base = mask->base;
	if (lines)
		m->mask.ext = mask->ext;
	else
		memset(&m->mask.ext, 0, sizeof(m->mask.ext));
	m->is_volatile = pkt_hash_u64((const uint8_t *)mask + 40) & PKT_KEY_VOLATILE_MASK64;
	order_insert(wide, id);
	return m;
}

struct flow_mask *flow_wide_mask_get(struct flow_wide *wide, const struct pkt_key *mask,
                                     uint8_t lines, uint16_t port)
{
	uint64_t hash = hash_mask(mask, lines);
	struct flow_mask *m = find_mask(wide, hash, mask, lines);
	uint16_t *n_port = &wide->port_masks[EVS_MIN(port, PKT_PORT_MAX)];

	if (m)
		return m;
	if (wide->n_masks >= wide->max_masks || *n_port >= wide->max_port_masks)
		return NULL;
	m = make_mask(wide, hash, mask, lines);
	m->port = EVS_MIN(port, PKT_PORT_MAX);
	++*n_port;
	evs_store_relaxed(&wide->n_masks, wide->n_masks + 1);
	return m;
}

struct flow_mask *flow_wide_mask_overflow(struct flow_wide *wide, uint8_t lines)
{
	struct pkt_key mask;
	struct flow_mask *m;
	uint64_t hash;

	memset(&mask, 0, sizeof(mask));
	memset(&mask.base, 0xff, PKT_KEY_BASE_SIZE);
	for (uint32_t left = pkt_ext_lines(lines); left; left &= left - 1)
		memset((uint8_t *)&mask.ext + __builtin_ctz(left) * EVS_CACHE_LINE, 0xff,
		       EVS_CACHE_LINE);
	hash = hash_mask(&mask, lines);
	m = find_mask(wide, hash, &mask, lines);
	if (!m && wide->n_free_ids > 0) {
		m = make_mask(wide, hash, &mask, lines);
		m->is_overflow = true;
	}
	return m;
}

void flow_wide_mask_release(struct flow_wide *wide, struct flow_mask *mask)
{
	uint32_t pos = 0;

	assert(mask->n_flows == 0);
	while (wide->order[pos] != mask->id)
		pos++;
	if (pos < wide->n_paying)
		wide->n_paying--;
	memmove(&wide->order[pos], &wide->order[pos + 1],
	        (wide->n_order - pos - 1) * sizeof(*wide->order));
	wide->n_order--;
	wide->mask_hash[mask->id] = 0;
	wide->free_ids[wide->n_free_ids++] = mask->id;
	if (mask->is_overflow)
		return;
	wide->port_masks[mask->port]--;
	evs_store_relaxed(&wide->n_masks, wide->n_masks - 1);
}

static void bucket_put(struct flow_pool *pool, struct flow_bucket *bucket, uint32_t index)
{
	struct flow *flow = &pool->flows[index];

	for (unsigned i = 0; i < FLOW_BUCKET_LEN; i++) {
		if (!bucket->flow[i]) {
			bucket->sig[i] = (uint32_t)flow->hash;
			bucket->flow[i] = index + 1;
			return;
		}
	}
	flow->chain = bucket->chain;
	bucket->chain = index + 1;
}

/* Adds a bucket and moves to it what belongs there from the one it splits off. */
static void split_bucket(struct flow_mask *mask, struct flow_pool *pool)
{
	uint32_t from = mask->n_buckets & (mask->bucket_mask >> 1);
	struct flow_bucket old = mask->buckets[from];
	uint32_t chain = old.chain;

	mask->n_buckets++;
	memset(&mask->buckets[from], 0, sizeof(old));
	for (unsigned i = 0; i < FLOW_BUCKET_LEN; i++) {
		if (old.flow[i])
			bucket_put(pool, flow_mask_bucket(mask, old.sig[i]), old.flow[i] - 1);
	}
	while (chain) {
		struct flow *flow = &pool->flows[chain - 1];
		uint32_t next = flow->chain;

		bucket_put(pool, flow_mask_bucket(mask, (uint32_t)flow->hash), chain - 1);
		chain = next;
	}
	if (mask->n_buckets == mask->bucket_mask + 1)
		mask->bucket_mask = mask->bucket_mask * 2 + 1;
}

void flow_wide_add(struct flow_wide *wide, struct flow_pool *pool, struct flow *flow)
{
	struct flow_mask *mask = flow->mask;

	evs_store_relaxed(&mask->n_flows, mask->n_flows + 1);
	bucket_put(pool, flow_mask_bucket(mask, (uint32_t)flow->hash), flow_pool_index(pool, flow));
	if (mask->n_flows > FLOW_BUCKET_LOAD * mask->n_buckets &&
	    mask->n_buckets < wide->max_buckets)
		split_bucket(mask, pool);
}

/* Fills the hole at i with the first flow of the chain, so that a chain means a full bucket. */
static void bucket_clear(struct flow_pool *pool, struct flow_bucket *bucket, unsigned i)
{
	uint32_t chained = bucket->chain;

	bucket->flow[i] = chained;
	bucket->sig[i] = 0;
	if (chained) {
		bucket->sig[i] = (uint32_t)pool->flows[chained - 1].hash;
		bucket->chain = pool->flows[chained - 1].chain;
	}
}

void flow_wide_del(struct flow_wide *wide, struct flow_pool *pool, struct flow *flow)
{
	struct flow_mask *mask = flow->mask;
	struct flow_bucket *bucket = flow_mask_bucket(mask, (uint32_t)flow->hash);
	uint32_t wanted = flow_pool_index(pool, flow) + 1;
	uint32_t *link = &bucket->chain;
	unsigned i = 0;

	while (i < FLOW_BUCKET_LEN && bucket->flow[i] != wanted)
		i++;
	if (i < FLOW_BUCKET_LEN) {
		bucket_clear(pool, bucket, i);
	} else {
		while (*link != wanted)
			link = &pool->flows[*link - 1].chain;
		*link = flow->chain;
	}
	evs_store_relaxed(&mask->n_flows, mask->n_flows - 1);
	if (mask->n_flows == 0)
		flow_wide_mask_release(wide, mask);
}

/* Ends a mask's window: its score, 0 if its probes do not pay. */
static void judge(const struct flow_wide *wide, struct flow_mask *mask)
{
	uint64_t saved = (uint64_t)mask->w_hits * wide->xlate_cycles;
	uint64_t spent = (uint64_t)mask->w_probes * wide->probe_cycles;

	if (mask->w_probes < ENOUGH_PROBES)
		return;
	mask->score = saved < spent ? 0 : mask->score / 2 + mask->w_hits + 1;
	mask->w_hits = mask->w_probes = 0;
}

/* Insertion sort by score: from one window to the next little moves. */
static void sort(struct flow_wide *wide)
{
	const struct flow_mask *masks = wide->masks;

	for (uint32_t i = 1; i < wide->n_order; i++) {
		uint16_t id = wide->order[i];
		uint32_t j = i;

		for (; j > 0 && masks[wide->order[j - 1]].score < masks[id].score; j--)
			wide->order[j] = wide->order[j - 1];
		wide->order[j] = id;
	}
}

void flow_wide_reorder(struct flow_wide *wide, bool is_due)
{
	if (wide->pkts < WINDOW_PKTS && !(is_due && wide->pkts))
		return;
	if (wide->probes >= ENOUGH_PROBES) {
		uint32_t cycles = (uint32_t)EVS_MIN(wide->tsc / wide->probes, 10000u);

		wide->probe_cycles = (3 * wide->probe_cycles + cycles) / 4;
	}
	for (uint32_t i = 0; i < wide->n_order; i++)
		judge(wide, &wide->masks[wide->order[i]]);
	sort(wide);
	wide->n_paying = 0;
	while (wide->n_paying < wide->n_order && wide->masks[wide->order[wide->n_paying]].score)
		wide->n_paying++;
	wide->tsc = 0;
	wide->probes = wide->pkts = 0;
}
