/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier's writing side; see flow_cls.h.
 * Threads: control. Owner: tuples and arrays are the classifier's; rules are the caller's.
 */
#include "flow/flow_cls.h"

#include <stdlib.h>
#include <string.h>

#include "base/evs_rcu.h"
#include "flow/flow_cls_pvt.h"

#define MERGE_ABOVE 4  /* tables to probe */
#define HINTS_MIN   64 /* tables that are worth hints */

static struct flow_cls_array *array_create(uint32_t len)
{
	size_t size = sizeof(struct flow_cls_array) + len * sizeof(struct flow_cls_probe),
	       hints = 0;
	struct flow_cls_array *array;

	if (len >= HINTS_MIN)
		hints = (len + FLOW_CLS_HINTS - 1) / FLOW_CLS_HINTS * sizeof(struct flow_cls_hints);
	array = aligned_alloc(EVS_CACHE_LINE, size + hints);
	if (!array)
		return NULL;
	array->len = 0;
	array->hints = hints ? (struct flow_cls_hints *)((uint8_t *)array + size) : NULL;
	memset((uint8_t *)array + size, 0, hints);
	return array;
}

int flow_cls_init(struct flow_cls *cls)
{
	memset(cls, 0, sizeof(*cls));
	cls->merge_above = MERGE_ABOVE;
	cls->n_buckets = 16;
	cls->buckets = calloc(cls->n_buckets, sizeof(struct flow_cls_tuple *));
	cls->array = array_create(0);
	if (cls->buckets && cls->array)
		return 0;
	free(cls->buckets);
	free(cls->array);
	return -ENOMEM;
}

static void destroy_all(struct flow_cls_tuple *tuple)
{
	while (tuple) {
		struct flow_cls_tuple *next = tuple->next;

		assert(tuple->n_rules == 0);
		flow_cls_tuple_destroy(tuple);
		tuple = next;
	}
}

void flow_cls_fini(struct flow_cls *cls)
{
	for (uint32_t i = 0; i < cls->n_buckets; i++)
		destroy_all(cls->buckets[i]);
	destroy_all(cls->doomed);
	while (cls->n_left)
		free(cls->left[--cls->n_left]);
	free(cls->left);
	free(cls->buckets);
	free(cls->array);
}

/* Links rule into the chain at `slot`: behind those of higher or equal priority. */
static void chain_insert(uint64_t *slot, struct flow_cls_rule *rule)
{
	struct flow_cls_rule *head = slot_rule(*slot), *before;

	rule->hash = head->hash;
	rule->level = head->level;
	if (head->priority < rule->priority) {
		rule->next = head;
		evs_store_release(slot, slot_make(rule, rule->hash));
		return;
	}
	for (before = head; before->next && before->next->priority >= rule->priority;)
		before = before->next;
	rule->next = before->next;
	evs_store_release(&before->next, rule);
}

static int rule_link(struct flow_cls *cls, struct flow_cls_rule *rule)
{
	uint64_t *slot = flow_cls_head_find(rule->tuple, rule->values);

	if (!slot)
		return flow_cls_head_add(cls, rule);
	chain_insert(slot, rule);
	flow_cls_host_raise(cls, rule->tuple->host[rule->level], rule->priority);
	return 0;
}

int flow_cls_insert(struct flow_cls *cls, struct flow_cls_rule *rule, const struct flow_key *key,
                    const struct flow_key *mask, uint64_t version)
{
	struct flow_cls_tuple *tuple = flow_cls_tuple_get(cls, mask);
	int rc;

	if (!tuple)
		return -ENOMEM;
	for (uint32_t i = 0; i < tuple->n_words; i++)
		rule->values[i] = key_words(key)[tuple->words[i].index] & tuple->words[i].mask;
	rule->tuple = tuple;
	rule->added = version;
	rule->removed = FLOW_CLS_VERSION_MAX;
	rule->next = NULL;
	rc = rule_link(cls, rule);
	if (rc)
		return rc;
	tuple->n_rules++;
	cls->n_rules++;
	return 0;
}

void flow_cls_remove(struct flow_cls *cls, struct flow_cls_rule *rule, uint64_t version)
{
	assert(rule->removed == FLOW_CLS_VERSION_MAX);
	evs_store_relaxed(&rule->removed, version);
	cls->n_rules--;
}

void flow_cls_unlink(struct flow_cls *cls, struct flow_cls_rule *rule)
{
	struct flow_cls_tuple *tuple = rule->tuple, *host = tuple->host[rule->level];
	uint64_t *slot = flow_cls_head_slot(rule);
	struct flow_cls_rule *before = slot_rule(*slot);

	if (rule->removed == FLOW_CLS_VERSION_MAX)
		cls->n_rules--;
	if (before != rule) {
		while (before->next != rule)
			before = before->next;
		evs_store_release(&before->next, rule->next);
	} else if (rule->next) {
		evs_store_release(slot, slot_make(rule->next, rule->hash));
	} else {
		evs_store_release(slot, SLOT_GONE);
		host->n_heads--;
		host->n_gone++;
	}
	/* rule->tuple stays: readers may be at it */
	if (--tuple->n_rules == 0)
		flow_cls_tuple_check(cls, tuple);
}

/* --- the array that readers search ------------------------------------------------------------ */

static int compare_probes(const void *a, const void *b)
{
	const struct flow_cls_probe *x = a, *y = b;

	if (x->max_priority != y->max_priority)
		return x->max_priority < y->max_priority ? 1 : -1;
	return x->tuple->id < y->tuple->id ? -1 : 1;
}

static void array_add(struct flow_cls_array *array, struct flow_cls_tuple *tuple)
{
	struct flow_cls_probe *probe = &array->probes[array->len++];

	*probe = *tuple->probe;
	probe->max_priority = tuple->max_priority;
}

static uint32_t count_hosts(const struct flow_cls *cls)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cls->n_buckets; i++)
		for (const struct flow_cls_tuple *t = cls->buckets[i]; t; t = t->next)
			n += t->n_heads > 0;
	return n;
}

void flow_cls_array_hint(struct flow_cls_array *array, const struct flow_cls_probe *probe)
{
	uint32_t at = (uint32_t)(probe - array->probes), lane = at % FLOW_CLS_HINTS;
	struct flow_cls_hints *hints = &array->hints[at / FLOW_CLS_HINTS];
	uint32_t mask[FLOW_CLS_HINT_HALVES] = {0}, value[FLOW_CLS_HINT_HALVES] = {0};

	for (unsigned i = 0; i < FLOW_CLS_WORDS && probe->mask[i]; i++) {
		uint64_t common = probe->common_mask[i], agreed = probe->common_value[i];

		if (probe->index[i] == FLOW_CLS_ADDRESSES) {
			mask[0] = (uint32_t)common;
			value[0] = (uint32_t)agreed;
			mask[1] = (uint32_t)(common >> 32);
			value[1] = (uint32_t)(agreed >> 32);
		} else if (probe->index[i] == FLOW_CLS_PORTS) {
			mask[2] = (uint32_t)common;
			value[2] = (uint32_t)agreed;
		}
	}
	for (unsigned half = 0; half < FLOW_CLS_HINT_HALVES; half++) {
		evs_store_relaxed(&hints->mask[half][lane], mask[half]);
		evs_store_relaxed(&hints->value[half][lane], value[half]);
	}
}

static void array_fill(struct flow_cls_array *array, struct flow_cls *cls)
{
	for (uint32_t i = 0; i < cls->n_buckets; i++) {
		for (struct flow_cls_tuple *t = cls->buckets[i]; t; t = t->next) {
			if (t->n_heads)
				array_add(array, t);
			else if (t->in_array)
				t->own = *t->probe;
			t->in_array = t->n_heads > 0;
			t->probe = &t->own; /* unless it is in the array: below */
		}
	}
	qsort(array->probes, array->len, sizeof(array->probes[0]), compare_probes);
	for (uint32_t i = 0; i < array->len; i++)
		((struct flow_cls_tuple *)array->probes[i].tuple)->probe = &array->probes[i];
	for (uint32_t i = 0; array->hints && i < array->len; i++)
		flow_cls_array_hint(array, &array->probes[i]);
}

/* Nobody finds these in the new array; who searches the old one still may. */
static void free_old(struct flow_cls *cls, struct flow_cls_array *old)
{
	evs_rcu_free(old);
	while (cls->n_left)
		evs_rcu_free(cls->left[--cls->n_left]);
	free(cls->left);
	cls->left = NULL;
	while (cls->doomed) {
		struct flow_cls_tuple *tuple = cls->doomed;

		cls->doomed = tuple->next;
		evs_rcu_call(flow_cls_tuple_destroy, tuple);
	}
}

int flow_cls_publish(struct flow_cls *cls)
{
	struct flow_cls_array *array, *old = cls->array;
	uint32_t n;

	if (!cls->unsorted)
		return 0;
	n = count_hosts(cls);
	if (n > cls->merge_above && !cls->is_merging) {
		int rc = flow_cls_merge(cls);

		if (rc)
			return rc;
		n = count_hosts(cls);
	}
	array = array_create(n);
	if (!array)
		return -ENOMEM;
	array_fill(array, cls);
	evs_store_release(&cls->array, array);
	free_old(cls, old);
	cls->unsorted = false;
	return 0;
}

uint32_t flow_cls_n_masks(const struct flow_cls *cls)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cls->n_buckets; i++)
		for (const struct flow_cls_tuple *t = cls->buckets[i]; t; t = t->next)
			n += t->n_rules > 0;
	return n;
}

uint32_t flow_cls_n_tables(const struct flow_cls *cls)
{
	return cls->array->len;
}

/* --- matches ---------------------------------------------------------------------------------- */

struct flow_cls_rule *flow_cls_chain(const struct flow_cls *cls, const struct flow_key *key,
                                     const struct flow_key *mask)
{
	const struct flow_cls_tuple *tuple = flow_cls_tuple_find(cls, mask);
	uint64_t values[FLOW_KEY_N_U64];
	uint64_t *slot;

	if (!tuple)
		return NULL;
	for (uint32_t i = 0; i < tuple->n_words; i++)
		values[i] = key_words(key)[tuple->words[i].index] & tuple->words[i].mask;
	slot = flow_cls_head_find(tuple, values);
	return slot ? slot_rule(*slot) : NULL;
}

void flow_cls_rule_match(const struct flow_cls_rule *rule, struct flow_key *key,
                         struct flow_key *mask)
{
	const struct flow_cls_tuple *tuple = rule->tuple;

	memset(key, 0, sizeof(*key));
	flow_cls_tuple_mask(tuple, mask);
	for (uint32_t i = 0; i < tuple->n_words; i++)
		((uint64_t *)key)[tuple->words[i].index] = rule->values[i];
}
