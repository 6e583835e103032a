/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier: which rule of a table does a packet hit?
 * Threads: one writer (control), many readers (workers). Owner of rules: the caller.
 *
 * Problem. Tens of thousands of rules of a few dozen mask shapes, changed at 100,000 a second, read
 * at a million misses a second; a reader must see exactly the rules of one version.
 *
 * Data structure. Tuple space, merged: a tuple is a mask; a hash table holds rules by their masked
 * value; rules with equal match hang on one chain by falling priority. With few masks each has a
 * table of its own. With more, tables are shared: rules are hashed by fewer bits than
 * their masks have (flow_cls_host.c), so that a search probes few tables and compares some rules
 * in each: first with a filter that stands beside the slot, addresses and ports, then wholly. The
 * tables stand in an array sorted by their highest priority, so that a search ends when no later
 * one can win. Each table knows the bits on which all its rules agree: a packet that differs there
 * is turned away by a compare, without a probe, and only that word counts as looked at. With very
 * many tables the agreed addresses and ports of 32 stand beside each other: those that differ in a
 * bit which counts as looked at already are turned away by a few vectors.
 *
 * Versions. A rule exists in versions [added, removed). The writer adds and removes in the next
 * version, readers search in the published one; who publishes versions is not this file's business.
 * flow_cls_publish must run before the version is published. A removed rule stays linked until the
 * caller, after a grace period, unlinks it; its memory may go after one more.
 *
 * Cost. A search: per table two cache lines in a row, a hash over the words of its mask and one
 * prefetched probe; probes of eight tables overlap. A change: O(1) amortised. A rule: 48 bytes and
 * its match, two to four slots of 8 bytes, of 32 where tables are shared.
 */
#ifndef FLOW_CLS_H
#define FLOW_CLS_H

#include "flow/flow_key.h"

#define FLOW_CLS_VERSION_MAX UINT64_MAX

struct flow_cls_tuple;
struct flow_cls_array;

/* What a search did. */
struct flow_cls_cost {
	uint32_t n_rejected; /* tables left out: the packet differs from all of their rules */
	uint32_t n_probed;   /* tables */
	uint32_t n_filtered; /* rules turned away by their filters */
	uint32_t n_compared; /* rules compared wholly */
};

/* Embedded as the last member of the caller's rule, which is allocated with
 * flow_cls_match_size(mask) further bytes. */
struct flow_cls_rule {
	struct flow_cls_tuple *tuple; /* [ctl w] before it is linked */
	struct flow_cls_rule *next;   /* same match, lower or equal priority [ctl w, worker r] */
	uint64_t added;               /* first version */
	uint64_t removed;             /* first version without it [ctl w, worker r] */
	uint32_t hash;
	uint16_t priority;
	uint8_t level; /* by which host of the tuple it is hashed [ctl] */
	uint8_t zero;
	uint64_t values[]; /* the masked words of the match, in the order of tuple's words */
};

struct flow_cls {
	struct flow_cls_array *array;    /* sorted tuples [ctl w, worker r] */
	struct flow_cls_tuple **buckets; /* tuples by mask [ctl] */
	struct flow_cls_tuple *doomed;   /* without rules, but still in the array [ctl] */
	void **left;                     /* slots that only the array still names [ctl] */
	uint32_t n_left;
	uint32_t n_buckets, n_tuples;
	uint32_t last_tuple_id;
	uint64_t bits[FLOW_KEY_N_U64]; /* that some mask has, or had [ctl w, worker r] */
	uint64_t n_rules;              /* linked and not removed */
	uint32_t
	        merge_above; /* tables to probe before tuples share some [ctl]; benchmarks set it */
	bool is_merging;
	bool unsorted;
};

int flow_cls_init(struct flow_cls *cls); /* [ctl] 0 or -ENOMEM */
/* [ctl] No reader is left; every rule was unlinked. */
void flow_cls_fini(struct flow_cls *cls);

/* Bytes of values[] for a match with this mask. */
size_t flow_cls_match_size(const struct flow_key *mask);

/* [ctl] Links a rule that exists from `version` on. key must be within mask. The rule takes its
 * place behind visible rules of equal match and priority. 0 or -ENOMEM. */
int flow_cls_insert(struct flow_cls *cls, struct flow_cls_rule *rule, const struct flow_key *key,
                    const struct flow_key *mask, uint64_t version);
/* [ctl] The rule is gone from `version` on. */
void flow_cls_remove(struct flow_cls *cls, struct flow_cls_rule *rule, uint64_t version);
/* [ctl] Takes a removed rule out of the tables; no reader looks at a version that has it. It may be
 * freed after a grace period. A rule whose insertion was never published may be unlinked at once.
 */
void flow_cls_unlink(struct flow_cls *cls, struct flow_cls_rule *rule);
/* [ctl] Makes searches of the coming version find all tuples: before that version is published.
 * 0; -ENOMEM: they do not, and no version may be published any more. */
int flow_cls_publish(struct flow_cls *cls);

/* [worker, ctl] The rule of the highest priority that matches key in `version`, or NULL. Ors into
 * wc what was looked at; wc may be NULL. */
struct flow_cls_rule *flow_cls_lookup(const struct flow_cls *cls, const struct flow_key *key,
                                      uint64_t version, struct flow_key *wc);

/* [worker, ctl] The same, and what it took. */
struct flow_cls_rule *flow_cls_measure(const struct flow_cls *cls, const struct flow_key *key,
                                       uint64_t version, struct flow_key *wc,
                                       struct flow_cls_cost *cost);

uint32_t flow_cls_n_masks(const struct flow_cls *cls);  /* [ctl] of its rules */
uint32_t flow_cls_n_tables(const struct flow_cls *cls); /* [ctl] that a search goes through */

/* [ctl] The rule with exactly this match and priority in `version`, or NULL. */
struct flow_cls_rule *flow_cls_find(const struct flow_cls *cls, const struct flow_key *key,
                                    const struct flow_key *mask, uint16_t priority,
                                    uint64_t version);
/* [ctl] Whether a rule of this priority can match a packet that the given match does too. */
bool flow_cls_overlaps(const struct flow_cls *cls, const struct flow_key *key,
                       const struct flow_key *mask, uint16_t priority, uint64_t version);
/* [ctl] Visits the rules of `version` whose match is equal to or narrower than the given one
 * (OpenFlow's non-strict matching) until visit returns false. visit may remove what it is given. */
void flow_cls_walk(const struct flow_cls *cls, const struct flow_key *key,
                   const struct flow_key *mask, uint64_t version,
                   bool (*visit)(struct flow_cls_rule *rule, void *arg), void *arg);

/* Whether the rule exists in the version. */
EVS_INLINE bool flow_cls_rule_visible(const struct flow_cls_rule *rule, uint64_t version)
{
	return rule->added <= version && version < evs_load_relaxed(&rule->removed);
}

/* The match of a rule in full form. */
void flow_cls_rule_match(const struct flow_cls_rule *rule, struct flow_key *key,
                         struct flow_key *mask);

#endif
