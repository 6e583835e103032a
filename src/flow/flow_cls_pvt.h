/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the classifier: tuples, where their rules are hashed, what a search reads.
 * Threads: as flow_cls.h.
 *
 * A tuple is a mask that rules have, or that rules of other masks are hashed by: their host. In the
 * table of a host a head is the first rule of each distinct match; heads with equal bits under the
 * host's mask stand in one run of slots, at most RUN_MAX (flow_cls_host.c) of them unless their
 * matches are told apart by these bits.
 */
#ifndef FLOW_CLS_PVT_H
#define FLOW_CLS_PVT_H

#include "flow/flow_cls.h"
#include "pkt/pkt_hash.h"

/*
 * A slot is a rule's address with the upper bytes of its priority and its hash on top, so that a
 * probe that misses seldom touches a rule. 0: never used; SLOT_GONE: a rule was here.
 */
#define SLOT_EMPTY    0u
#define SLOT_GONE     1u
#define SLOT_PTR_MASK 0x0000ffffffffffffu

/* Words of a mask that a search reads from the array itself; most masks have no more. Those that
 * have fewer count as having so many, the others with an empty mask: so most are hashed without a
 * branch that depends on how many they have. */
#define FLOW_CLS_WORDS 4

/* The words that nearly all filters tell rules apart by: IPv4 addresses; ports, half a word. */
#define FLOW_CLS_ADDRESSES (offsetof(struct pkt_key_base, ip_src) / sizeof(uint64_t))
#define FLOW_CLS_PORTS     (offsetof(struct pkt_key_base, tp_src) / sizeof(uint64_t))

/* How coarse the mask of a host is: see flow_cls_relax. The last one is the tuple's own mask. */
#define FLOW_CLS_LEVELS 4
#define FLOW_CLS_EXACT  (FLOW_CLS_LEVELS - 1)

/* What a search reads of a host: an entry of the array, two cache lines. */
struct flow_cls_probe {
	uint64_t table; /* see table_make [ctl w, worker r] */
	const struct flow_cls_tuple *tuple;
	uint16_t max_priority; /* of heads, or more; of when the array was made */
	uint8_t n_words;
	uint8_t index[FLOW_CLS_WORDS]; /* of the 64-bit words in struct flow_key */
	uint8_t zero[9];
	uint64_t mask[FLOW_CLS_WORDS];
	uint64_t common_mask[FLOW_CLS_WORDS]; /* bits on which all heads agree: only shrinks
	                                         [ctl w, worker r] */
	uint64_t common_value[FLOW_CLS_WORDS];
};
static_assert(sizeof(struct flow_cls_probe) == 2 * EVS_CACHE_LINE, "two lines");

/* Of 32 tables of the array the parts on which their heads agree, beside each other: a search
 * turns most of many tables away by a few vectors, without a look at their entries. The masks are
 * those of the entries: they only shrink. Halves of words: source address, destination address,
 * ports. [ctl w, worker r] */
#define FLOW_CLS_HINTS       32
#define FLOW_CLS_HINT_HALVES 3

struct flow_cls_hints {
	uint32_t mask[FLOW_CLS_HINT_HALVES][FLOW_CLS_HINTS];
	uint32_t value[FLOW_CLS_HINT_HALVES][FLOW_CLS_HINTS];
} EVS_CACHE_ALIGNED;

struct flow_cls_array {
	uint32_t len;
	struct flow_cls_hints *hints; /* behind the probes; NULL: too few of them */
	struct flow_cls_probe probes[] EVS_CACHE_ALIGNED;
};

/* Of a head in a shared table: enough of its match to turn most packets away without a look at the
 * rule and its tuple, which are lines far apart. [ctl w, worker r] */
struct flow_cls_filter {
	uint64_t address_mask, addresses;
	uint32_t port_mask, ports;
};

struct flow_cls_word {
	uint64_t mask;
	uint32_t index; /* of the 64-bit word in struct flow_key */
};

struct flow_cls_tuple {
	uint32_t n_words;
	/* control only */
	uint32_t mask_hash;
	uint32_t id;
	uint32_t n_rules;      /* of this mask, linked */
	uint32_t n_guests;     /* tuples that have it as a host, itself left out */
	uint8_t start;         /* level that new matches try first */
	uint16_t max_priority; /* of heads here, or more */
	bool in_array;
	struct flow_cls_tuple
	        *host[FLOW_CLS_LEVELS];   /* where matches are; NULL: none at this level */
	uint32_t n_full[FLOW_CLS_LEVELS]; /* matches for which a run was full */
	struct flow_cls_tuple *next;      /* in flow_cls.buckets */
	/* as a host */
	uint64_t *slots; /* NULL: it is none */
	struct flow_cls_filter
	        *filters; /* of the slots, behind them; NULL: no other tuple's heads */
	uint32_t slot_mask;
	uint32_t n_heads; /* slots in use */
	uint32_t n_gone;
	struct flow_cls_probe *probe; /* in the array, or `own` */
	struct flow_cls_probe own;
	/* constant [ctl w before it is linked, worker r] */
	struct flow_cls_word words[];
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
	return (uint64_t)(uintptr_t)rule | (uint64_t)(rule->priority >> 8) << 48 |
	       (uint64_t)(hash >> 24) << 56;
}

EVS_INLINE bool slot_has_hash(uint64_t slot, uint32_t hash)
{
	return slot_in_use(slot) && slot >> 56 == hash >> 24;
}

/* Whether no rule of the chain has this priority or more. */
EVS_INLINE bool slot_is_below(uint64_t slot, uint16_t priority)
{
	return (slot >> 48 & 0xff) < priority >> 8;
}

/* A table in one word, so that readers see all of it change at once: address of the slots, above it
 * log2 of their number, above that whether filters stand behind them. */
EVS_INLINE uint64_t table_make(const uint64_t *slots, uint32_t size, bool has_filters)
{
	return (uint64_t)(uintptr_t)slots | (uint64_t)__builtin_ctz(size) << 56 |
	       (uint64_t)has_filters << 63;
}

EVS_INLINE const uint64_t *table_slots(uint64_t table)
{
	return (const uint64_t *)(table & SLOT_PTR_MASK);
}

EVS_INLINE uint32_t table_size(uint64_t table)
{
	return 1u << (table >> 56 & 63);
}

EVS_INLINE const struct flow_cls_filter *table_filters(uint64_t table)
{
	return table >> 63
	               ? (const struct flow_cls_filter *)(table_slots(table) + table_size(table))
	               : NULL;
}

EVS_INLINE const uint64_t *key_words(const struct flow_key *key)
{
	return (const uint64_t *)key;
}

/* Words are folded independently of each other, so that their multiplications overlap. */
EVS_INLINE uint64_t hash_word(uint32_t i, uint64_t value)
{
	return pkt_hash_mum(value ^ pkt_hash_secret[i & 7], pkt_hash_secret[(i + 3) & 7] + i);
}

EVS_INLINE uint32_t hash_end(uint64_t sum)
{
	return (uint32_t)(sum ^ sum >> 32);
}

/* flow_cls_tuple.c [ctl] */
struct flow_cls_tuple *flow_cls_tuple_find(const struct flow_cls *cls, const struct flow_key *mask);
struct flow_cls_tuple *flow_cls_tuple_get(struct flow_cls *cls, const struct flow_key *mask);
bool flow_cls_tuple_has_mask(const struct flow_cls_tuple *tuple, const struct flow_key *mask);
/* The tuple lost a rule or a guest: lets it go if it was the last. */
void flow_cls_tuple_check(struct flow_cls *cls, struct flow_cls_tuple *tuple);
void flow_cls_tuple_destroy(void *tuple);
void flow_cls_tuple_mask(const struct flow_cls_tuple *tuple, struct flow_key *mask);

/* flow_cls.c [ctl] */
/* The bits on which the heads of an entry agree are others now. */
void flow_cls_array_hint(struct flow_cls_array *array, const struct flow_cls_probe *probe);

/* flow_cls_host.c [ctl] */
/* The slot of the head with these values, or NULL. */
uint64_t *flow_cls_head_find(const struct flow_cls_tuple *tuple, const uint64_t *values);
/* The slot of the chain that the rule is in. */
uint64_t *flow_cls_head_slot(const struct flow_cls_rule *rule);
/* Puts the head of a match, with its chain, into a host. 0 or -ENOMEM. */
int flow_cls_head_add(struct flow_cls *cls, struct flow_cls_rule *head);
/* The host has a rule of this priority. */
void flow_cls_host_raise(struct flow_cls *cls, struct flow_cls_tuple *host, uint16_t priority);
/* Many masks: finds coarser hosts for what is hashed by its own mask. 0, also if there is no memory
 * to begin; -ENOMEM: rules were lost. */
int flow_cls_merge(struct flow_cls *cls);
/* The mask of a level: a subset of the given one. */
void flow_cls_relax(const struct flow_key *mask, unsigned level, struct flow_key *relaxed);

/* The rules of exactly this match, by falling priority, visible or not; NULL if there are none. */
struct flow_cls_rule *flow_cls_chain(const struct flow_cls *cls, const struct flow_key *key,
                                     const struct flow_key *mask);

#endif
