/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wide cache: the masks in use, each with its table, in the order in which they are probed.
 * Threads: one worker; control creates, destroys, and reads counters.
 *
 * Cost. Probing a mask pays if its hits save more translation than its probes cost:
 * hits * T >= probes * C, with T the running average of a translation and C of a probe, both
 * measured in cycles. At the end of each window masks are sorted by hits, and those that do not
 * pay are cut off: `order[0 .. n_paying)` is probed by every look-up, of the rest a few by
 * some look-ups, in turn, so that a mask whose time has come is noticed.
 */
#ifndef FLOW_WIDE_PVT_H
#define FLOW_WIDE_PVT_H

#include "flow/flow_exact_pvt.h"
#include "flow/flow_mask.h"
#include "flow/flow_pool_pvt.h"

/* All-ones masks for ports that reached their bound: one for each set of lines. */
#define FLOW_WIDE_N_OVERFLOW 16
#define FLOW_WIDE_PROBE_TAIL 8 /* masks of the rest that a sampling look-up tries */
#define FLOW_WIDE_SAMPLE     4 /* one look-up in so many samples */

struct flow_wide {
	struct flow_mask *masks;
	uint16_t *order;
	uint32_t n_order, n_paying;
	uint32_t tail; /* where sampling goes on, counted from n_paying */
	uint32_t n_lookups;
	/* The window. */
	uint64_t tsc;
	uint32_t probes, pkts;
	/* Running averages, in cycles. */
	uint32_t probe_cycles, xlate_cycles;

	uint32_t n_masks; /* without overflow masks [worker w, ctl r] */
	uint32_t max_masks, max_port_masks, n_slots;
	uint32_t max_buckets; /* of one mask */
	uint64_t *mask_hash;
	uint16_t *free_ids;
	uint32_t n_free_ids;
	uint16_t *port_masks; /* masks made by flows of a port */
	struct flow_region region, bucket_region;
};

int flow_wide_init(struct flow_wide *wide, uint32_t max_masks, uint32_t n_flows, int numa_node);
void flow_wide_fini(struct flow_wide *wide);

/* [worker] The mask object for a normalized mask, made if need be for `port`; NULL: no more
 * allowed for it. `lines`: further lines of the mask that are not all zero; if 0, they are not
 * read. */
struct flow_mask *flow_wide_mask_get(struct flow_wide *wide, const struct pkt_key *mask,
                                     uint8_t lines, uint16_t port);
/* [worker] The all-ones mask for keys with these lines. */
struct flow_mask *flow_wide_mask_overflow(struct flow_wide *wide, uint8_t lines);
/* [worker] Frees a mask that has no flow. */
void flow_wide_mask_release(struct flow_wide *wide, struct flow_mask *mask);

/* [worker] Puts a filled flow (mask, hash) into the table of its mask, or takes it out. */
void flow_wide_add(struct flow_wide *wide, struct flow_pool *pool, struct flow *flow);
void flow_wide_del(struct flow_wide *wide, struct flow_pool *pool, struct flow *flow);

/* [worker] Closes the window if it is full or if `is_due`: sorts and cuts. */
void flow_wide_reorder(struct flow_wide *wide, bool is_due);

/* [worker] A translation took so many cycles. */
EVS_INLINE void flow_wide_note_xlate(struct flow_wide *wide, uint64_t cycles)
{
	int64_t sample = (int64_t)EVS_MIN(cycles, 1u << 20); /* an interrupt is no translation */

	wide->xlate_cycles += (int32_t)((sample - (int64_t)wide->xlate_cycles) / 16);
}

EVS_INLINE struct flow_bucket *flow_mask_bucket(const struct flow_mask *mask, uint32_t hash)
{
	uint32_t bucket = hash & mask->bucket_mask;

	if (bucket >= mask->n_buckets)
		bucket &= mask->bucket_mask >> 1;
	return &mask->buckets[bucket];
}

#endif
