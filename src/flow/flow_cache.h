/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow cache of one worker: cached flows, exact cache, wide cache.
 * Threads: one worker looks up and installs; the control thread walks, kills, credits, releases.
 *
 * Problem. A packet must find its action program in a few dozen cycles, for a million flows,
 * without ever running one that a rule change made wrong, and an attacker's packets must not
 * push out what works.
 *
 * Data structure
 *  - Pool: an array of `struct flow`, one per translation result. A flow is key, mask, program,
 *    statistics, and the references to what it depends on. `gen` is even while the flow is alive;
 *    the control thread kills it by adding one, in one store, and everybody that looks it
 *    up by (index, gen) misses from then on. So killing needs no search in any table.
 *  - Exact cache: array of 64-byte entries, key (56 bytes) + flow index + gen. The hash names a
 *    home entry, prefetched alone: at usual load one line finds the flow. What does not fit at home
 *    lives in one of the seven other entries of its bucket, and eight bits of the home entry
 *    say in which, so that a miss costs one line too. TCP flags and TTL are compared only if
 *    the flow looked at them: one entry serves all segments of a connection. Keys with further
 *    lines live in arrays with entries of 2, 4, and 8 lines.
 *  - Admission: a new entry is on probation and any newcomer may take its place; an entry hit
 *    twice is stamped with the epoch (2 s) and is safe for that and the next one. So a
 *    sweep of headers that never repeat competes with itself only.
 *  - Wide cache: mask -> linear hash table of flow indexes, sorted by hits. A mask whose hits do
 *    not pay for its probes (measured in cycles, against those of a translation) is left out, and
 *    sampled; in the worst case all are, and a miss goes to translation at once. A port may
 *    create only a share of the masks; beyond it its flows are cached with an all-ones mask.
 *  - Habits: where whole bursts of a port had one flow, it is tried first, by a masked compare of
 *    each key that touches no table. Outer packets of tunnels, with a source port for each inner
 *    flow, do not fill the caches so.
 *
 * Life of a flow: FREE -(worker takes it, fills, publishes)-> LIVE -(control kills)-> DEAD -(ring
 * to worker: flow_cache_poll unlinks it from wide cache, program and mask)-> UNLINKED -(ring to
 * control: credits the last statistics)-> FREE -(ring to worker). The worker never waits: with no
 * free slot it runs the program of the translation without caching it.
 *
 * Invariants: only the worker writes tables and programs; only control kills and frees. Only the
 * worker whose cache it is uses a flow, and holds no pointer to one when it calls flow_cache_poll:
 * what poll unlinks nobody runs or counts to any more, and no further grace period is needed.
 *
 * Cost: see docs/performance.md.
 */
#ifndef FLOW_CACHE_H
#define FLOW_CACHE_H

#include "flow/flow_prog.h"
#include "pkt/pkt_burst.h"
#include "pkt/pkt_parse.h"

#define FLOW_INDEX_NONE  UINT32_MAX
#define FLOW_REFS_INLINE 5
#define FLOW_REFS_MAX    250 /* three for each of 64 ends; beyond, any change ends the flow */

/* What a cached flow depends on; objects belong to the room that names them. */
enum flow_ref_kind {
	FLOW_REF_RULE, /* obj: rule hit; table, priority: where. Statistics are credited to it */
	FLOW_REF_TABLE_MISS, /* table passed without a rule; obj: the table */
	FLOW_REF_GROUP,      /* obj: group; arg: bucket index. Credited */
	FLOW_REF_METER,      /* obj: meter */
	FLOW_REF_FDB,        /* obj: bridge; arg: VLAN << 48 | MAC: destination, known or not */
	FLOW_REF_FDB_SRC,    /* obj: bridge; arg as above: this flow proves that the source lives */
	FLOW_REF_PORT,       /* arg: port index whose state was looked at */
	FLOW_REF_BRIDGE,     /* obj: bridge: depends on its configuration */
	FLOW_REF_RECIRC,     /* arg: recirculation id that the program uses */
	FLOW_REF_NEIGH,      /* obj: whatever stands for the neighbour */
	FLOW_REF_MIRROR,     /* obj: mirror */
};

struct flow_ref {
	void *obj;
	uint64_t arg;
	uint16_t kind;
	uint16_t priority; /* RULE: of the rule that was hit */
	uint8_t table;
	uint8_t flags;
	uint8_t zero[2];
	uint32_t rewritten; /* bits of FLOW_REWRITTEN_*: groups of fields that differ from the
	                       packet's key at this table; overlap can not be told from the key */
	uint32_t zero2;
};

/* Groups of fields for flow_ref.rewritten. */
enum flow_rewritten {
	FLOW_REWRITTEN_ETH = 0x01,
	FLOW_REWRITTEN_VLAN = 0x02,
	FLOW_REWRITTEN_L3 = 0x04,
	FLOW_REWRITTEN_L4 = 0x08,
	FLOW_REWRITTEN_MPLS = 0x10,
	FLOW_REWRITTEN_TUN = 0x20,
	FLOW_REWRITTEN_PIPE = 0x40, /* metadata, registers */
	FLOW_REWRITTEN_CT = 0x80,
	FLOW_REWRITTEN_ALL = 0xff,
};

/* What a translation delivers. In the worker's memory, reused for each miss. */
struct flow_xlate {
	struct pkt_key mask; /* what was looked at; lines as in the key */
	struct flow_prog_builder prog;
	struct flow_ref refs[FLOW_REFS_MAX];
	uint32_t n_refs;
	bool cacheable; /* false: run it once */
};

enum flow_state { FLOW_FREE, FLOW_LIVE, FLOW_DEAD, FLOW_UNLINKED };

/* A cached flow; of an odd number of lines, so that the hot ones use all sets of the caches. */
struct flow {
	/* line 0: touched per packet */
	uint32_t gen;           /* even: alive [ctl w, worker r] */
	uint32_t used_ms;       /* evs_clock_ms of the last packet [worker w, ctl r] */
	struct flow_prog *prog; /* [worker w] */
	uint64_t n_pkts;        /* [worker w, ctl r] */
	uint64_t n_bytes;       /* [worker w, ctl r] */
	uint16_t tcp_flags;     /* seen [worker w, ctl r] */
	uint8_t state;          /* enum flow_state [worker and ctl w] */
	uint8_t n_refs;
	uint32_t created_ms;
	struct flow_mask *mask; /* flow_mask.h; valid for ctl while LIVE [worker w] */
	uint64_t hash;          /* of the masked key */
	uint32_t chain;         /* next in an overflowing bucket, or in the free list [worker] */
	uint32_t zero;
	/* line 1: masked key; further lines in ext_key: NULL if the mask has none */
	struct pkt_key_base key;
	/* line 2 */
	struct pkt_key_ext *ext_key;
	uint64_t credited_pkts;     /* [ctl] */
	uint64_t credited_bytes;    /* [ctl] */
	struct flow_ref *more_refs; /* refs beyond the inline ones; NULL if none */
	struct flow_ref refs[FLOW_REFS_INLINE];
} EVS_CACHE_ALIGNED;

static_assert(FLOW_REFS_MAX <= UINT8_MAX, "n_refs");
static_assert(offsetof(struct flow, key) == EVS_CACHE_LINE, "hot line");
static_assert(sizeof(struct flow) == 5 * EVS_CACHE_LINE, "an odd number of lines");

struct flow_cache;

#define FLOW_CACHE_MAX_FLOWS (1u << 24)
#define FLOW_CACHE_MAX_MASKS 4096

/* Sizes are rounded up to powers of two; 0 means the default in brackets. */
struct flow_cache_config {
	uint32_t n_flows;     /* slots of the pool (256 Ki) */
	uint32_t n_exact;     /* entries for keys of one line (1 Mi) */
	uint32_t n_exact_ext; /* entries for longer keys (256 Ki) */
	uint32_t max_masks;   /* of the wide cache (512) */
	int numa_node;        /* -1: any */
	enum pkt_isa isa;
	/* [ctl] Called once for each flow, live and complete, before anything else is done with it:
	 * see flow_cache_collect. NULL: nobody wants to know. */
	void (*born)(struct flow *flow, void *arg);
	void *born_arg;
};

/* Figures of one cache [worker w, ctl r]. */
struct flow_cache_stats {
	uint64_t memo_hits, exact_hits, wide_hits, misses;
	uint64_t installs, reused; /* reused: translation gave a flow that was there already */
	uint64_t not_cached_pool, not_cached_refs, not_cached_memory;
	uint64_t mask_limited; /* installed under the all-ones mask: too many masks */
	uint64_t exact_inserts, exact_refused; /* refused: admission kept a working entry */
	uint64_t wide_probes, wide_skips;      /* subtables probed; look-ups skipped as too dear */
};

/* [ctl] Memory by mmap (huge pages where there are some, else transparent ones), touched only as
 * used. Returns 0, or -ENOMEM with the size in err. */
int flow_cache_create(const struct flow_cache_config *config, struct flow_cache **cachep,
                      struct evs_error *err);
void flow_cache_destroy(struct flow_cache *cache); /* [ctl] after the worker ended */

/* What a look-up finds. */
struct flow_found {
	struct flow *flow[PKT_BURST_MAX];
	const struct flow_prog *prog; /* of all packets; NULL: they differ, or some have none */
};

/*
 * [worker] Finds the flows of the first n packets of the burst: found->flow[i], or NULL where the
 * result has bit i set: a miss. Counts packets and bytes to each flow found. Two packets of one
 * burst with the same missing key are both reported: look the second up again after the
 * first was installed, with flow_cache_lookup_fresh.
 */
uint32_t flow_cache_lookup(struct flow_cache *cache, struct pkt_burst *burst, unsigned n,
                           struct flow_found *found, uint32_t now_ms);
/* [worker] The same for one packet; the worker has bursts, tests and benchmarks ask for this. */
struct flow *flow_cache_lookup_one(struct flow_cache *cache, struct pkt_burst *burst, unsigned i,
                                   uint32_t now_ms);

/* The flows that misses of one burst gave so far. */
struct flow_fresh {
	unsigned n;
	struct flow *flow[PKT_BURST_MAX];
};

/* [worker] The first of them that packet i, counted as a miss, belongs to; counts it to the flow. A
 * few compares: the tables know no other flows than when the burst was looked up. */
struct flow *flow_cache_lookup_fresh(const struct flow_cache *cache, const struct flow_fresh *fresh,
                                     const struct pkt_burst *burst, unsigned i, uint32_t now_ms);

/* [worker] Counts packets to a flow that the caller found by other means: it is alive (its gen is
 * what it was when it was found by look-up), and they match it. */
void flow_cache_hit(struct flow_cache *cache, struct flow *flow, uint32_t n_pkts, uint64_t n_bytes,
                    uint32_t now_ms);

/* [worker] Installs a translation for packet i and counts the packet to it. NULL: run
 * xlate->prog without caching. `cycles`: of translating, installing (for the wide cache). */
struct flow *flow_cache_install(struct flow_cache *cache, struct pkt_burst *burst, unsigned i,
                                const struct flow_xlate *xlate, uint32_t now_ms, uint64_t cycles);

/* [worker] Bounded housekeeping, once per loop or so: unlinks what control killed, ages the exact
 * cache. The caller holds no flow and no program of this cache across it. */
void flow_cache_poll(struct flow_cache *cache);

/* [worker] Has it done all that control asked for? */
bool flow_cache_is_settled(const struct flow_cache *cache);

/* [ctl] Flows travel to control by a ring: those that were installed so far are all before this
 * mark. */
uint32_t flow_cache_born(const struct flow_cache *cache);
/* [ctl] Makes known, by the callback `born`, at most `max` of the flows before the mark `until`;
 * returns whether there are more. Only flows that are known are walked over and killed. */
bool flow_cache_collect(struct flow_cache *cache, uint32_t until, uint32_t max);
/* [ctl] Calls visit for every live flow until it returns false; collects first. */
void flow_cache_walk(struct flow_cache *cache, bool (*visit)(struct flow *flow, void *arg),
                     void *arg);
/* [ctl] The same in slices of at most `max` slots, from *cursor (at first 0) on. Returns whether
 * there is more. Flows that were known before the first slice are all visited. */
bool flow_cache_walk_some(struct flow_cache *cache, uint32_t *cursor, uint32_t max,
                          bool (*visit)(struct flow *flow, void *arg), void *arg);
/* [ctl] Kills a live flow: from the next look-up on nobody finds it. */
void flow_cache_kill(struct flow_cache *cache, struct flow *flow);
/* [ctl] Moves what was killed towards FREE; calls credit once per flow with its final figures
 * before the slot is free. Non-blocking; call it each tick until it returns 0 (flows under way). */
uint32_t flow_cache_reap(struct flow_cache *cache, void (*credit)(struct flow *flow, void *arg),
                         void *arg);
uint32_t flow_cache_live(const struct flow_cache *cache); /* [ctl] */
uint32_t flow_cache_size(const struct flow_cache *cache); /* any: slots of its pool */
void flow_cache_stats_get(const struct flow_cache *cache, struct flow_cache_stats *stats); /* any */
uint32_t flow_cache_n_masks(const struct flow_cache *cache); /* [ctl] of the wide cache */
/* Index of a flow in its pool, its name in `cache dump`; and the reverse. */
uint32_t flow_cache_flow_index(const struct flow_cache *cache, const struct flow *flow);
struct flow *flow_cache_flow(const struct flow_cache *cache, uint32_t index);

/* Reference i of a flow, wherever it is stored. */
EVS_INLINE const struct flow_ref *flow_ref_at(const struct flow *flow, unsigned i)
{
	return i < FLOW_REFS_INLINE ? &flow->refs[i] : &flow->more_refs[i - FLOW_REFS_INLINE];
}

#endif
