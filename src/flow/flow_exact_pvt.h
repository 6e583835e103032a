/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact cache: full key -> (flow index, generation).
 * Threads: one worker; control creates and destroys.
 *
 * A table is an array of entries of 1, 2, 4 or 8 lines (the class), in buckets of eight. The low
 * bits of the hash name the home entry. An entry that does not live at home is at home ^ k for
 * some k in 1..7, and bit k of the home's `hops` is set for it, so a look-up touches the
 * home and entries that may be right, nothing else. `hops` belongs to the place, `life` and key
 * to the entry that is stored there.
 *
 * Bytes 44..46 of the base line (TCP flags, TTL) are not hashed, and compared only if FULL
 * is set, that is, if the flow's mask has bits there. By the meaning of the mask any other
 * packet that differs in these bytes only belongs to the same flow.
 */
#ifndef FLOW_EXACT_PVT_H
#define FLOW_EXACT_PVT_H

#include "flow/flow_cache.h"
#include "flow/flow_mem_pvt.h"
#include "pkt/pkt_nh.h"

#define FLOW_EXACT_WAYS      8
#define FLOW_EXACT_N_CLASSES 4

/* flow_entry.where: index, and hops above it. */
#define FLOW_WHERE_INDEX     0x00ffffffu
#define FLOW_WHERE_HOP_SHIFT 24
/* flow_entry.life: generation (0: the entry is free), FULL, epoch stamp (0: on probation or
 * idle; 1..7: the epoch of the last hit). */
#define FLOW_LIFE_GEN         0x0fffffffu
#define FLOW_LIFE_FULL        0x10000000u
#define FLOW_LIFE_STAMP_SHIFT 29
#define FLOW_LIFE_STAMP       0xe0000000u
#define FLOW_N_STAMPS         7

#define FLOW_EPOCH_SHIFT 11 /* an epoch is 2048 ms */

#define FLOW_KEY_BYTES ((1ull << PKT_KEY_BASE_SIZE) - 1)

struct flow_entry {
	uint8_t key[PKT_KEY_BASE_SIZE];
	uint32_t where;
	uint32_t life;
	uint8_t lines[]; /* the further lines, those in use, in order */
} EVS_CACHE_ALIGNED;

static_assert(sizeof(struct flow_entry) == EVS_CACHE_LINE, "one line");
static_assert(offsetof(struct pkt_key_base, tcp_flags) == 44, "volatile bytes");
static_assert(offsetof(struct pkt_key_base, ip_ttl) == 46, "volatile bytes");

/* What an entry says of its key. */
struct flow_value {
	uint32_t index, gen; /* of the flow */
	bool is_full;        /* compare volatile bytes too */
};

struct flow_exact {
	uint8_t *entries;
	uint32_t mask;  /* number of entries - 1 */
	uint8_t class;  /* an entry is (1 << class) lines */
	uint32_t hand;  /* where ageing goes on */
	uint64_t due;   /* by how much it is behind: entries times the milliseconds of a lap */
	uint32_t n_set; /* entries that are not free */
	uint64_t inserts, refused; /* [worker w, any r] */
	uint32_t random;
	uint32_t stamp, stamp_before; /* of this and the last epoch, shifted */
	struct flow_region region;
};

/* n_entries: a power of two, at least FLOW_EXACT_WAYS. [ctl] */
int flow_exact_init(struct flow_exact *exact, uint32_t n_entries, unsigned class, int numa_node);
void flow_exact_fini(struct flow_exact *exact); /* [ctl] */

/* The class of keys with these lines. */
EVS_INLINE unsigned flow_exact_class(uint8_t lines)
{
	if (evs_likely(lines == 0))
		return 0;
	if (lines & PKT_LINE_TMD)
		return 3;
	return lines & (lines - 1) ? 2 : 1;
}

EVS_INLINE struct flow_entry *flow_exact_entry(const struct flow_exact *exact, uint32_t slot,
                                               unsigned class)
{
	return (struct flow_entry *)(exact->entries + ((size_t)slot << (6 + class)));
}

/* [worker] Stores key -> flow if admission allows and the flow is alive (gen is even). `hash` by
 * flow_exact_hash. */
void flow_exact_insert(struct flow_exact *exact, const struct pkt_key_base *base,
                       const struct pkt_key_ext *ext, uint64_t hash,
                       const struct flow_value *value);
/* [worker] Sets the epoch; cheap when it did not change. */
void flow_exact_set_epoch(struct flow_exact *exact, uint32_t epoch);
/* [worker] Ages as many entries as are due after so much time, a bounded number per call. */
void flow_exact_sweep(struct flow_exact *exact, const struct flow *flows, uint32_t elapsed_ms);

#endif
