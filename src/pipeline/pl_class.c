/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of cached flows, and which of their members a rule can take packets from; see
 * pl_index_pvt.h.
 * Threads: control.
 *
 * A packet of a member exists that matches the rule if both are equal on all bits that both masks
 * have. Bits that translation had rewritten before the table say nothing about the packet, and
 * count as equal. Views compare hashes of 32 bits: a collision kills a flow that could have lived,
 * which is harmless.
 *
 * Cost. A member: a hash and a link of 12 bytes for each view; views that no rule asked for
 * IDLE_MS go when the next member comes. A rule: a compare, then a hash and a probe.
 */
#include "pipeline/pl_index_pvt.h"

#include <stdlib.h>

#include "base/evs_clock.h"
#include "flow/flow_mask.h"
#include "pkt/pkt_hash.h"

#define MAX_VIEWS 64    /* of a class; then the one that was used longest ago goes */
#define IDLE_MS   10000 /* of a view */

struct word {
	uint32_t index;
	uint64_t mask;
};

/* A member in the table of a view; numbers are positions + 1. */
struct link {
	uint32_t next, prev; /* prev 0: head of its bucket */
	uint32_t hash;
};

struct view {
	struct view *next;
	uint32_t used_ms;
	uint32_t mask; /* buckets - 1 */
	uint32_t *heads;
	struct link *links;
	uint32_t n_words;
	struct word words[]; /* the bits that both have */
};

/* A word of the key of which the mask of the flows says something. */
struct class_word {
	uint32_t index;
	uint64_t known;
	uint64_t agreed; /* bits on which all members agree; only shrinks */
	uint64_t value;  /* of them */
};

struct pl_class {
	struct pl_owner owner;
	LIST_ENTRY(pl_class) link; /* of the table */
	struct pl_table *table;
	uint32_t n, cap;       /* members */
	uint32_t *nodes;       /* by position */
	uint32_t min_priority; /* or less */
	struct view *views;
	uint32_t n_words;
	struct class_word words[];
};

static void *need(void *ptr)
{
	if (!ptr)
		abort(); /* a flow that tells an older story would live on */
	return ptr;
}

struct pl_owner *pl_class_owner(struct pl_class *class)
{
	return &class->owner;
}

struct pl_class *pl_class_of(struct pl_owner *owner)
{
	return evs_container_of(owner, struct pl_class, owner);
}

/* What a flow's mask says about the packet at the table: pipeline fields are known (no metadata, no
 * registers, the port it came in by), unless they were rewritten. */
static void known_mask(const struct flow_mask *mask, uint32_t rewritten, struct flow_key *known)
{
	uint8_t *byte = (uint8_t *)known;

	memset(known, 0xff, sizeof(*known));
	known->pkt = mask->mask;
	known->pkt.base.in_port = 0; /* rules match the OpenFlow number */
	known->pkt.base.holder = 0;
	if (!rewritten)
		return;
	for (size_t i = 0; i < sizeof(*known); i++)
		if (pl_group_of(i) & rewritten)
			byte[i] = 0;
}

struct pl_class *pl_class_create(struct pl_table *table, const struct flow_mask *mask,
                                 uint32_t rewritten)
{
	struct flow_key known;
	const uint64_t *words = (const uint64_t *)&known;
	struct pl_class *class;
	uint32_t n = 0;

	known_mask(mask, rewritten, &known);
	for (uint32_t i = 0; i < FLOW_KEY_N_U64; i++)
		n += words[i] != 0;
	class = need(calloc(1, sizeof(*class) + n * sizeof(class->words[0])));
	for (uint32_t i = 0; i < FLOW_KEY_N_U64; i++)
		if (words[i])
			class->words[class->n_words++] = (struct class_word){i, words[i], 0, 0};
	class->table = table;
	LIST_INSERT_HEAD(&table->classes, class, link);
	table->n_classes++;
	return class;
}

static void view_destroy(struct view *view)
{
	free(view->heads);
	free(view->links);
	free(view);
}

void pl_class_destroy(struct pl_class *class)
{
	while (class->views) {
		struct view *view = class->views;

		class->views = view->next;
		view_destroy(view);
	}
	LIST_REMOVE(class, link);
	class->table->n_classes--;
	free(class->nodes);
	free(class);
}

struct pl_class *pl_class_next(const struct pl_class *class)
{
	return LIST_NEXT(class, link);
}

/* Views */

/* Hashes of views: of a member's words, and of the same words of a rule. */
#define HASH_BEGIN pkt_hash_secret[3]

static uint64_t hash_word(uint64_t hash, uint64_t value)
{
	return pkt_hash_mum(hash ^ value, pkt_hash_secret[2] | 1);
}

static uint32_t view_hash(const struct view *view, const struct flow_key *key)
{
	uint64_t hash = HASH_BEGIN;

	for (uint32_t i = 0; i < view->n_words; i++)
		hash = hash_word(hash, ((const uint64_t *)key)[view->words[i].index] &
		                               view->words[i].mask);
	return (uint32_t)(hash ^ hash >> 32);
}

static void link_in(struct view *view, uint32_t position)
{
	struct link *link = &view->links[position];
	uint32_t *head = &view->heads[link->hash & view->mask];

	link->next = *head;
	link->prev = 0;
	if (*head)
		view->links[*head - 1].prev = position + 1;
	*head = position + 1;
}

/* What points to the link at `position` points to `to` (a number) from now on. */
static void repoint(struct view *view, uint32_t position, uint32_t to, uint32_t after)
{
	const struct link *link = &view->links[position];

	if (link->prev)
		view->links[link->prev - 1].next = to;
	else
		view->heads[link->hash & view->mask] = to;
	if (link->next)
		view->links[link->next - 1].prev = after;
}

static void link_out(struct view *view, uint32_t position)
{
	repoint(view, position, view->links[position].next, view->links[position].prev);
}

static void link_move(struct view *view, uint32_t from, uint32_t position)
{
	repoint(view, from, position + 1, position + 1);
	view->links[position] = view->links[from];
}

/* Room for `cap` members; the first n are linked anew. */
static void view_resize(struct view *view, uint32_t cap, uint32_t n)
{
	free(view->heads);
	view->heads = need(calloc(cap, sizeof(view->heads[0])));
	view->mask = cap - 1;
	view->links = need(realloc(view->links, cap * sizeof(view->links[0])));
	for (uint32_t i = 0; i < n; i++)
		link_in(view, i);
}

static struct view *view_create(struct pl_class *class, const struct word *words, uint32_t n_words)
{
	struct view *view = need(calloc(1, sizeof(*view) + n_words * sizeof(words[0])));
	struct flow_key key;

	view->n_words = n_words;
	memcpy(view->words, words, n_words * sizeof(words[0]));
	view_resize(view, class->cap, 0);
	for (uint32_t i = 0; i < class->n; i++) {
		pl_index_key(pl_index_flow(pl_nodes[class->nodes[i]].flow), &key);
		view->links[i].hash = view_hash(view, &key);
		link_in(view, i);
	}
	view->next = class->views;
	class->views = view;
	return view;
}

static void views_prune(struct pl_class *class, uint32_t now_ms, uint32_t n_max)
{
	struct view **link = &class->views, **oldest = NULL;
	uint32_t n = 0;

	while (*link) {
		struct view *view = *link;

		if (now_ms - view->used_ms > IDLE_MS) {
			*link = view->next;
			view_destroy(view);
			continue;
		}
		if (!oldest || (int32_t)(view->used_ms - (*oldest)->used_ms) <= 0)
			oldest = link;
		link = &view->next;
		n++;
	}
	if (n > n_max) {
		struct view *view = *oldest;

		*oldest = view->next;
		view_destroy(view);
	}
}

static struct view *view_get(struct pl_class *class, const struct word *words, uint32_t n_words)
{
	uint32_t now_ms = evs_clock_ms();
	struct view *view;

	for (view = class->views; view; view = view->next)
		if (view->n_words == n_words &&
		    !memcmp(view->words, words, n_words * sizeof(words[0])))
			break;
	if (!view) {
		views_prune(class, now_ms, MAX_VIEWS - 1);
		view = view_create(class, words, n_words);
	}
	view->used_ms = now_ms;
	return view;
}

/* Members */

static void class_grow(struct pl_class *class)
{
	class->cap = class->cap ? class->cap * 2 : 4;
	class->nodes = need(realloc(class->nodes, class->cap * sizeof(class->nodes[0])));
	for (struct view *view = class->views; view; view = view->next)
		view_resize(view, class->cap, class->n);
}

static void agree(struct pl_class *class, const struct flow_key *key)
{
	for (uint32_t i = 0; i < class->n_words; i++) {
		struct class_word *word = &class->words[i];
		uint64_t value = ((const uint64_t *)key)[word->index];

		if (class->n == 0) {
			word->agreed = word->known;
			word->value = value & word->known;
		} else {
			word->agreed &= ~(word->value ^ value);
		}
	}
}

void pl_class_join(struct pl_class *class, uint32_t node, const struct flow_key *key)
{
	uint32_t position = class->n, priority = pl_nodes[node].priority;

	if (class->n == class->cap)
		class_grow(class);
	if (class->views)
		views_prune(class, evs_clock_ms(), MAX_VIEWS);
	agree(class, key);
	class->min_priority = position ? EVS_MIN(class->min_priority, priority) : priority;
	class->nodes[position] = node;
	pl_nodes[node].position = position;
	class->n++;
	for (struct view *view = class->views; view; view = view->next) {
		view->links[position].hash = view_hash(view, key);
		link_in(view, position);
	}
}

bool pl_class_leave(struct pl_class *class, uint32_t position)
{
	uint32_t last = --class->n;

	for (struct view *view = class->views; view; view = view->next) {
		link_out(view, position);
		if (last != position)
			link_move(view, last, position);
	}
	class->nodes[position] = class->nodes[last];
	pl_nodes[class->nodes[position]].position = position;
	return class->n == 0;
}

/* Rules */

/* A shape of rules before the class. */
struct query {
	struct pl_class *class;
	struct view *view;
	uint32_t n_words;
	struct query_word {
		uint32_t rule; /* which of the rule's values */
		uint64_t mask; /* bits that both have */
		uint64_t agreed, value;
	} words[FLOW_KEY_N_U64];
};

static void query_init(struct query *query, struct pl_class *class, const struct flow_key *mask)
{
	const uint64_t *masks = (const uint64_t *)mask;
	uint32_t rule = 0, at = 0;

	query->class = class;
	query->view = NULL;
	query->n_words = 0;
	for (uint32_t w = 0; w < class->n_words; w++) {
		const struct class_word *word = &class->words[w];

		for (; at < word->index; at++)
			rule += masks[at] != 0;
		if (!(masks[at] & word->known))
			continue;
		query->words[query->n_words++] = (struct query_word){
		        rule, masks[at] & word->known, masks[at] & word->agreed, word->value};
	}
}

static bool query_agrees(const struct query *query, const uint64_t *values)
{
	uint64_t differs = 0;

	for (uint32_t i = 0; i < query->n_words; i++) {
		const struct query_word *word = &query->words[i];

		differs |= (values[word->rule] ^ word->value) & word->agreed;
	}
	return !differs;
}

static uint32_t query_hash(const struct query *query, const uint64_t *values)
{
	uint64_t hash = HASH_BEGIN;

	for (uint32_t i = 0; i < query->n_words; i++)
		hash = hash_word(hash, values[query->words[i].rule] & query->words[i].mask);
	return (uint32_t)(hash ^ hash >> 32);
}

static void doom_position(const struct pl_class *class, uint32_t position, uint32_t priority)
{
	const struct pl_node *node = &pl_nodes[class->nodes[position]];

	if (node->priority <= priority)
		pl_victim_add(node->flow);
}

static void view_want(struct query *query, const struct flow_key *mask)
{
	struct word words[FLOW_KEY_N_U64];
	uint32_t n = 0;

	memset(words, 0, sizeof(words)); /* padding, too, is compared */
	for (uint32_t w = 0; w < query->class->n_words; w++) {
		uint32_t index = query->class->words[w].index;
		uint64_t both = ((const uint64_t *)mask)[index] & query->class->words[w].known;

		if (!both)
			continue;
		words[n].index = index;
		words[n++].mask = both;
	}
	query->view = view_get(query->class, words, n);
}

static void doom_hash(const struct query *query, uint32_t hash, uint32_t priority)
{
	const struct view *view = query->view;

	for (uint32_t at = view->heads[hash & view->mask]; at; at = view->links[at - 1].next)
		if (view->links[at - 1].hash == hash)
			doom_position(query->class, at - 1, priority);
}

void pl_class_doom(struct pl_class *class, const struct flow_key *mask,
                   struct pl_rule *const *rules, uint32_t n)
{
	uint32_t last_hash = 0, last_priority = 0;
	struct query query;
	bool any = false;

	query_init(&query, class, mask);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t priority = rules[i]->cls.priority, hash;

		if (priority < class->min_priority || !query_agrees(&query, rules[i]->cls.values))
			continue;
		hash = query_hash(&query, rules[i]->cls.values);
		/* Rules that look alike to this class often come in a row. */
		if (any && hash == last_hash && priority <= last_priority)
			continue;
		if (!query.view)
			view_want(&query, mask);
		doom_hash(&query, hash, priority);
		any = true;
		last_hash = hash;
		last_priority = priority;
	}
}
