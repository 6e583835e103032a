/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the classifier: tuples and their hash tables.
 * Threads: as flow_cls.h.
 */
#ifndef FLOW_CLS_PVT_H
#define FLOW_CLS_PVT_H

#include "flow/flow_cls.h"

/*
 * A slot is a rule's address with 16 bits of its hash on top, so that a probe that
 * misses seldom touches a rule. 0: never used; SLOT_GONE: a rule was here.
 */
#define SLOT_EMPTY    0u
#define SLOT_GONE     1u
#define SLOT_PTR_MASK 0x0000ffffffffffffu

struct flow_cls_table {
	uint32_t mask; /* slots - 1 */
	uint64_t slots[];
};

struct flow_cls_word {
	uint64_t mask;
	uint64_t common_mask;  /* bits on which all rules agree [ctl w, worker r]: only shrinks */
	uint64_t common_value; /* their value there */
	uint32_t index;        /* of the 64-bit word in struct flow_key */
};

struct flow_cls_tuple {
	struct flow_cls_table *table; /* [ctl w, worker r] */
	uint32_t n_words;
	uint32_t mask_hash;
	/* control only */
	uint32_t id;
	uint32_t n_rules; /* linked */
	uint32_t n_heads; /* slots in use */
	uint32_t n_gone;
	uint16_t max_priority; /* of linked rules, or more */
	bool in_array;
	struct flow_cls_tuple *next; /* in flow_cls.buckets */
	struct flow_cls_word words[];
};

struct flow_cls_entry {
	const struct flow_cls_tuple *tuple;
	uint32_t max_priority;
};

struct flow_cls_array {
	uint32_t len;
	struct flow_cls_entry entries[];
};

EVS_INLINE struct flow_cls_rule *slot_rule(uint64_t slot)
{
	return (struct flow_cls_rule *)(slot & SLOT_PTR_MASK);
}

EVS_INLINE bool slot_in_use(uint64_t slot)
{
	return slot > SLOT_GONE;
}

EVS_INLINE uint64_t slot_make(const struct flow_cls_rule *rule, uint32_t hash)
{
	return (uint64_t)(uintptr_t)rule | (uint64_t)(hash >> 16) << 48;
}

bool flow_cls_tuple_has_mask(const struct flow_cls_tuple *tuple, const struct flow_key *mask);
/* The rules of exactly this match, by falling priority, visible or not; NULL if there are none. */
struct flow_cls_rule *flow_cls_chain(const struct flow_cls *cls, const struct flow_key *key,
                                     const struct flow_key *mask);

#endif
