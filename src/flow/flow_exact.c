/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact cache: insertion, admission and ageing. Look-up is in flow_lookup.inc.
 * Threads: one worker.
 */
#define FLOW_ISA 0

#include "flow/flow_simd_pvt.h"

#include <string.h>

#include <rte_prefetch.h>

/* With all entries of a bucket at work, one newcomer in 64 gets in, so that a change of
 * the working set beyond the size of the table is followed at all. */
#define REFUSE_MASK 63
/* Entries looked at for a free one before an idle one is taken, and while all are at work. */
#define LOOK_FREE 4
/* A lap of the ageing hand: shorter than the five epochs in which an old stamp can be told. A
 * million entries are 210 lines a millisecond; what that costs is not measured. */
#define SWEEP_LAP_MS 5000u
#define SWEEP_MAX    64u /* entries per call */
#define SWEEP_AHEAD  16
#define SWEEP_FLOW   8 /* so far ahead the flow of an entry is asked for */

int flow_exact_init(struct flow_exact *exact, uint32_t n_entries, unsigned class, int numa_node)
{
	size_t size = (size_t)n_entries << (6 + class);

	if (flow_region_map(&exact->region, size, true, numa_node))
		return -ENOMEM;
	exact->entries = exact->region.base;
	exact->mask = n_entries - 1;
	exact->class = (uint8_t) class;
	exact->random = 1;
	flow_exact_set_epoch(exact, 0);
	return 0;
}

void flow_exact_fini(struct flow_exact *exact)
{
	flow_region_unmap(&exact->region);
}

void flow_exact_set_epoch(struct flow_exact *exact, uint32_t epoch)
{
	exact->stamp = (epoch % FLOW_N_STAMPS + 1) << FLOW_LIFE_STAMP_SHIFT;
	exact->stamp_before = ((epoch + FLOW_N_STAMPS - 1) % FLOW_N_STAMPS + 1)
	                      << FLOW_LIFE_STAMP_SHIFT;
}

static inline bool is_working(const struct flow_exact *exact, const struct flow_entry *entry)
{
	uint32_t stamp = entry->life & FLOW_LIFE_STAMP;

	return stamp == exact->stamp || stamp == exact->stamp_before;
}

static uint32_t next_random(struct flow_exact *exact)
{
	uint32_t x = exact->random;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return exact->random = x;
}

static bool lines_equal(const struct flow_entry *entry, const struct pkt_key_ext *ext,
                        uint8_t lines)
{
	const uint8_t *stored = entry->lines;

	for (uint32_t left = pkt_ext_lines(lines); left; left &= left - 1) {
		if (memcmp(stored, pkt_ext_line(ext, (unsigned)__builtin_ctz(left)), 64))
			return false;
		stored += EVS_CACHE_LINE;
	}
	return true;
}

static bool key_equal(const struct flow_entry *entry, const struct pkt_key_base *base,
                      const struct pkt_key_ext *ext)
{
	uint64_t diff = 0;

	for (unsigned i = 0; i < PKT_KEY_BASE_SIZE; i += 8) {
		uint64_t d = pkt_hash_u64(entry->key + i) ^ pkt_hash_u64((const uint8_t *)base + i);

		if (i == 8 * PKT_KEY_VOLATILE_WORD && !(entry->life & FLOW_LIFE_FULL))
			d &= ~PKT_KEY_VOLATILE_MASK64;
		diff |= d;
	}
	return !diff && lines_equal(entry, ext, base->lines);
}

/* Hash of a stored key. Its lines are packed, so they are folded as they lie. */
static uint64_t stored_hash(const struct flow_entry *entry)
{
	const struct pkt_key_base *base = (const struct pkt_key_base *)entry;
	uint64_t hash = pkt_nh_base(base, pkt_nh_c);
	unsigned n = (unsigned)__builtin_popcount(pkt_ext_lines(base->lines));

	for (unsigned i = 0; i < n; i++)
		hash = pkt_nh_line(hash, entry->lines + i * EVS_CACHE_LINE, pkt_nh_c);
	return hash;
}

/* Takes the entry at `slot` out: its home forgets it. */
static void evict(struct flow_exact *exact, struct flow_entry *entry, uint32_t slot)
{
	uint32_t home = (uint32_t)stored_hash(entry) & exact->mask;
	uint32_t hop = 1u << (FLOW_WHERE_HOP_SHIFT + (slot ^ home));

	flow_exact_entry(exact, home, exact->class)->where &= ~hop;
	entry->life = 0;
	exact->n_set--;
}

/* Where the same key is stored, as k of home ^ k, or -1. */
static int find_same(const struct flow_exact *exact, uint32_t home, const struct pkt_key_base *base,
                     const struct pkt_key_ext *ext)
{
	uint32_t hops = flow_exact_entry(exact, home, exact->class)->where >> FLOW_WHERE_HOP_SHIFT;

	for (; hops; hops &= hops - 1) {
		int k = __builtin_ctz(hops);

		if (key_equal(flow_exact_entry(exact, home ^ (uint32_t)k, exact->class), base, ext))
			return k;
	}
	return -1;
}

/* A place for a new entry, as k of home ^ k, or -1: refused. The home, whose line is in the
 * first-level cache, if nobody works there; but one in four looks further all the same, or two new
 * flows with one home would replace each other for ever. Then a free entry close by, then an
 * idle one; among entries at work, luck. */
static int find_place(struct flow_exact *exact, uint32_t home)
{
	const struct flow_entry *entry = flow_exact_entry(exact, home, exact->class);
	uint32_t random = next_random(exact);
	int n = random & 1 ? LOOK_FREE : FLOW_EXACT_WAYS;
	int idle = is_working(exact, entry) ? -1 : 0;

	if (!entry->life || (idle == 0 && random >> 4 & 3))
		return 0;
	for (int k = 1; k < n; k++) {
		entry = flow_exact_entry(exact, home ^ (uint32_t)k, exact->class);
		if (!entry->life)
			return k;
		if (!is_working(exact, entry))
			idle = k;
	}
	if (idle < 0 && !(random >> 8 & REFUSE_MASK))
		idle = (int)(random >> 16 & (FLOW_EXACT_WAYS - 1));
	return idle;
}

static void store(struct flow_entry *entry, const struct pkt_key_base *base,
                  const struct pkt_key_ext *ext)
{
	uint8_t *to = entry->lines;

	memcpy(entry->key, base, PKT_KEY_BASE_SIZE);
	for (uint32_t left = pkt_ext_lines(base->lines); left; left &= left - 1) {
		memcpy(to, pkt_ext_line(ext, (unsigned)__builtin_ctz(left)), EVS_CACHE_LINE);
		to += EVS_CACHE_LINE;
	}
}

void flow_exact_insert(struct flow_exact *exact, const struct pkt_key_base *base,
                       const struct pkt_key_ext *ext, uint64_t hash, const struct flow_value *value)
{
	uint32_t home = (uint32_t)hash & exact->mask;
	struct flow_entry *entry;
	int k;

	/* Killed since it was found: an entry with an odd generation would find it as long as it
	 * is dead. */
	if (value->gen & 1)
		return;
	k = find_same(exact, home, base, ext);
	if (k < 0)
		k = find_place(exact, home);
	if (k < 0) {
		evs_counter_add(&exact->refused, 1);
		return;
	}
	entry = flow_exact_entry(exact, home ^ (uint32_t)k, exact->class);
	if (entry->life)
		evict(exact, entry, home ^ (uint32_t)k);
	store(entry, base, ext);
	entry->where = (entry->where & ~FLOW_WHERE_INDEX) | value->index;
	entry->life = (value->gen & FLOW_LIFE_GEN) | (value->is_full ? FLOW_LIFE_FULL : 0);
	flow_exact_entry(exact, home, exact->class)->where |= 1u << (FLOW_WHERE_HOP_SHIFT + k);
	exact->n_set++;
	evs_counter_add(&exact->inserts, 1);
}

/* An entry without a hit in this and the last epoch: on probation again, and free if by the
 * next lap nobody hit it and its flow is dead. */
static void age(struct flow_exact *exact, const struct flow *flows, struct flow_entry *entry,
                uint32_t slot)
{
	const struct flow *flow = &flows[entry->where & FLOW_WHERE_INDEX];

	if (entry->life & FLOW_LIFE_STAMP)
		entry->life &= ~FLOW_LIFE_STAMP;
	else if ((evs_load_relaxed(&flow->gen) ^ entry->life) & FLOW_LIFE_GEN)
		evict(exact, entry, slot);
}

/* Whether it lives is asked of the flows of entries that were on probation a lap ago. */
static void prefetch_flow(const struct flow_exact *exact, const struct flow *flows, uint32_t slot)
{
	const struct flow_entry *entry = flow_exact_entry(exact, slot, exact->class);

	if (entry->life && !(entry->life & FLOW_LIFE_STAMP))
		rte_prefetch_non_temporal(&flows[entry->where & FLOW_WHERE_INDEX]);
}

void flow_exact_sweep(struct flow_exact *exact, const struct flow *flows, uint32_t elapsed_ms)
{
	uint64_t len = (uint64_t)exact->mask + 1;
	uint32_t n;

	if (!exact->n_set)
		return;
	exact->due += len * EVS_MIN(elapsed_ms, SWEEP_LAP_MS);
	exact->due = EVS_MIN(exact->due, len * SWEEP_LAP_MS);
	n = (uint32_t)EVS_MIN(exact->due / SWEEP_LAP_MS, SWEEP_MAX);
	exact->due -= n * SWEEP_LAP_MS;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t slot = exact->hand;
		struct flow_entry *entry = flow_exact_entry(exact, slot, exact->class);

		rte_prefetch_non_temporal(
		        flow_exact_entry(exact, (slot + SWEEP_AHEAD) & exact->mask, exact->class));
		exact->hand = (slot + 1) & exact->mask;
		prefetch_flow(exact, flows, (slot + SWEEP_FLOW) & exact->mask);
		if (entry->life && !is_working(exact, entry))
			age(exact, flows, entry, slot);
	}
}
