/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cached flows can an added rule take packets from?
 * Threads: control.
 *
 * A flow that passed a table at a lower priority (or found nothing there) is affected if a packet
 * exists that has the flow's masked key and matches the rule: on all bits that both masks have, key
 * and match are equal. Bits that translation had rewritten before that table say nothing about the
 * packet, and count as equal.
 *
 * Ten thousand rules against a hundred thousand flows are not compared one by one. Rules are
 * grouped by mask (shape). For a shape and the mask of a flow, the common mask is the same for all
 * flows of that mask; so the rules' values under it are hashed once, with the highest priority of
 * each, and a flow costs one probe. Hashes are 64 bits and not checked further: a collision kills a
 * flow that could have lived, which is harmless.
 */
#include "pipeline/pl_of_pvt.h"

#include <stdlib.h>

#include "flow/flow_mask.h"
#include "pkt/pkt_hash.h"

struct slot {
	uint64_t hash; /* 0: free */
	uint32_t max_priority;
};

/* The rules of a shape, seen through one mask of flows. */
struct view {
	const struct flow_mask *mask;
	uint32_t rewritten;
	uint32_t n_words;
	struct slot *slots;
	uint32_t n_slots;
	struct view *next;
	struct {
		uint32_t index;
		uint64_t mask;
	} words[FLOW_KEY_N_U64];
};

struct shape {
	struct flow_key mask;
	uint32_t first, n; /* in pl_added.rules */
	uint32_t max_priority;
	struct view *views[16]; /* hashed by mask */
};

struct pl_added {
	struct pl_table *table;
	struct pl_rule **rules; /* by shape */
	uint32_t n_rules;
	struct shape *shapes;
	uint32_t n_shapes, max_priority;
	struct pl_added *next;
};

struct collected {
	struct collected *next;
	uint64_t seq;
	struct pl_vec rules;
};

static struct pl_vec pending;                          /* of the next version */
static struct collected *queue, **queue_tail = &queue; /* wait for their pass */
static struct pl_added *indexes;                       /* of the pass that walks */
static struct collected *in_pass;                      /* what they point to */

static void *need(void *ptr)
{
	if (!ptr)
		abort(); /* a flow that tells an older story would live on */
	return ptr;
}

void pl_added_collect(struct pl_rule *rule)
{
	pl_vec_add(&pending, rule);
}

void pl_added_commit(uint64_t seq)
{
	struct collected *batch;

	if (!pending.n)
		return;
	batch = need(calloc(1, sizeof(*batch)));
	batch->seq = seq;
	batch->rules = pending;
	memset(&pending, 0, sizeof(pending));
	*queue_tail = batch;
	queue_tail = &batch->next;
}

/* Building the index */

static int by_table_and_shape(const void *a, const void *b)
{
	const struct pl_rule *x = *(struct pl_rule *const *)a, *y = *(struct pl_rule *const *)b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return x->cls.tuple == y->cls.tuple ? 0 : x->cls.tuple < y->cls.tuple ? -1 : 1;
}

static void index_shape(struct pl_added *added, uint32_t first)
{
	struct shape *shape = &added->shapes[added->n_shapes++];
	const struct flow_cls_tuple *tuple = added->rules[first]->cls.tuple;
	struct flow_key key;

	memset(shape, 0, sizeof(*shape));
	shape->first = first;
	flow_cls_rule_match(&added->rules[first]->cls, &key, &shape->mask);
	while (first + shape->n < added->n_rules &&
	       added->rules[first + shape->n]->cls.tuple == tuple) {
		uint32_t priority = added->rules[first + shape->n++]->cls.priority;

		shape->max_priority = EVS_MAX(shape->max_priority, priority);
	}
	added->max_priority = EVS_MAX(added->max_priority, shape->max_priority);
}

static void index_table(struct pl_rule **rules, uint32_t n)
{
	struct pl_added *added = need(calloc(1, sizeof(*added)));
	uint32_t n_shapes = 1;

	for (uint32_t i = 1; i < n; i++)
		n_shapes += rules[i]->cls.tuple != rules[i - 1]->cls.tuple;
	added->table = rules[0]->table;
	added->rules = rules;
	added->n_rules = n;
	added->shapes = need(malloc(n_shapes * sizeof(*added->shapes)));
	while (added->n_shapes < n_shapes) {
		const struct shape *last = &added->shapes[added->n_shapes - 1];

		index_shape(added, added->n_shapes ? last->first + last->n : 0);
	}
	added->table->added = added;
	added->next = indexes;
	indexes = added;
}

void pl_added_begin(uint64_t seq)
{
	struct pl_vec *all = NULL;

	while (queue && queue->seq <= seq) {
		struct collected *batch = queue;

		queue = batch->next;
		if (!queue)
			queue_tail = &queue;
		if (!in_pass) {
			in_pass = batch;
			all = &batch->rules;
			continue;
		}
		for (uint32_t i = 0; i < batch->rules.n; i++)
			pl_vec_add(all, batch->rules.item[i]);
		free(batch->rules.item);
		free(batch);
	}
	if (!all)
		return;
	qsort(all->item, all->n, sizeof(all->item[0]), by_table_and_shape);
	for (uint32_t i = 0, n; i < all->n; i += n) {
		struct pl_rule **rules = (struct pl_rule **)all->item + i;

		for (n = 1; i + n < all->n && rules[n]->table == rules[0]->table; n++)
			;
		index_table(rules, n);
	}
}

static void shape_free(struct shape *shape)
{
	for (unsigned i = 0; i < EVS_ARRAY_LEN(shape->views); i++) {
		struct view *view = shape->views[i], *next;

		for (; view; view = next) {
			next = view->next;
			free(view->slots);
			free(view);
		}
	}
}

void pl_added_end(void)
{
	while (indexes) {
		struct pl_added *added = indexes;

		indexes = added->next;
		added->table->added = NULL;
		for (uint32_t i = 0; i < added->n_shapes; i++)
			shape_free(&added->shapes[i]);
		free(added->shapes);
		free(added);
	}
	if (in_pass)
		free(in_pass->rules.item);
	free(in_pass);
	in_pass = NULL;
}

/* Views */

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

static void view_words(struct view *view, const struct shape *shape)
{
	struct flow_key known;
	const uint64_t *a = (const uint64_t *)&known, *b = (const uint64_t *)&shape->mask;

	known_mask(view->mask, view->rewritten, &known);
	for (uint32_t i = 0; i < FLOW_KEY_N_U64; i++) {
		if (!(a[i] & b[i]))
			continue;
		view->words[view->n_words].index = i;
		view->words[view->n_words++].mask = a[i] & b[i];
	}
}

static uint64_t view_hash(const struct view *view, const struct flow_key *key)
{
	const uint64_t *word = (const uint64_t *)key;
	uint64_t hash = 0x9e3779b97f4a7c15ull;

	for (uint32_t i = 0; i < view->n_words; i++)
		hash = pkt_hash_mum(hash ^ (word[view->words[i].index] & view->words[i].mask),
		                    pkt_hash_secret[i & 7] | 1);
	return hash ? hash : 1;
}

static struct slot *view_slot(const struct view *view, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & (view->n_slots - 1);

	while (view->slots[i].hash && view->slots[i].hash != hash)
		i = (i + 1) & (view->n_slots - 1);
	return &view->slots[i];
}

static struct view *view_create(const struct pl_added *added, const struct shape *shape,
                                const struct flow_mask *mask, uint32_t rewritten)
{
	struct view *view = need(calloc(1, sizeof(*view)));
	struct flow_key key, unused;

	view->mask = mask;
	view->rewritten = rewritten;
	view_words(view, shape);
	for (view->n_slots = 4; view->n_slots < 2 * shape->n; view->n_slots *= 2)
		;
	if (!view->n_words)
		view->n_slots = 4; /* all rules are one */
	view->slots = need(calloc(view->n_slots, sizeof(view->slots[0])));
	for (uint32_t i = 0; i < shape->n; i++) {
		const struct flow_cls_rule *rule = &added->rules[shape->first + i]->cls;
		struct slot *slot;
		uint64_t hash;

		flow_cls_rule_match(rule, &key, &unused);
		hash = view_hash(view, &key);
		slot = view_slot(view, hash);
		slot->hash = hash;
		slot->max_priority = EVS_MAX(slot->max_priority, rule->priority);
	}
	return view;
}

static struct view *view_of(const struct pl_added *added, struct shape *shape,
                            const struct flow_mask *mask, uint32_t rewritten)
{
	struct view **head = &shape->views[((uintptr_t)mask >> 8 ^ rewritten) & 15], *view;

	for (view = *head; view; view = view->next)
		if (view->mask == mask && view->rewritten == rewritten)
			return view;
	view = view_create(added, shape, mask, rewritten);
	view->next = *head;
	*head = view;
	return view;
}

/* The flow's key as rules see it. */
static void flow_key_of(const struct flow *flow, struct flow_key *key)
{
	const struct pl_port *port = pl_port_map[flow->key.in_port];

	memset(key, 0, sizeof(*key));
	key->pkt.base = flow->key;
	if (flow->ext_key)
		key->pkt.ext = *flow->ext_key;
	key->pipe.in_port = port ? rte_cpu_to_be_32(port->ofport) : 0;
	key->pipe.in_phy_port = key->pipe.in_port;
}

bool pl_added_hit(const struct flow *flow, const struct flow_ref *ref, const struct pl_table *table)
{
	struct pl_added *added = table->added;
	struct flow_key key;

	if (!added || added->max_priority < ref->priority)
		return false;
	flow_key_of(flow, &key);
	for (uint32_t i = 0; i < added->n_shapes; i++) {
		struct shape *shape = &added->shapes[i];
		const struct view *view;
		const struct slot *slot;

		if (shape->max_priority < ref->priority)
			continue;
		view = view_of(added, shape, flow->mask, ref->rewritten);
		slot = view_slot(view, view_hash(view, &key));
		if (slot->hash && slot->max_priority >= ref->priority)
			return true;
	}
	return false;
}
