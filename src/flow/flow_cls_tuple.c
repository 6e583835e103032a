/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tuples: the masks of a classifier, found by their hash.
 * Threads: control. Owner: the classifier; a tuple goes a grace period after its last use, since
 * readers reach it through rules and through the array.
 */
#include <stdlib.h>
#include <string.h>

#include "base/evs_rcu.h"
#include "flow/flow_cls_pvt.h"

static uint32_t mask_hash(const struct flow_key *mask)
{
	const uint64_t *m = key_words(mask);
	uint64_t sum = 1;

	for (uint32_t i = 0; i < FLOW_KEY_N_U64; i++)
		if (m[i])
			sum += hash_word(i, m[i]);
	return hash_end(sum);
}

static uint32_t mask_n_words(const struct flow_key *mask)
{
	const uint64_t *m = key_words(mask);
	uint32_t n = 0;

	for (uint32_t i = 0; i < FLOW_KEY_N_U64; i++)
		n += m[i] != 0;
	return n;
}

size_t flow_cls_match_size(const struct flow_key *mask)
{
	return mask_n_words(mask) * sizeof(uint64_t);
}

bool flow_cls_tuple_has_mask(const struct flow_cls_tuple *tuple, const struct flow_key *mask)
{
	const uint64_t *m = key_words(mask);

	for (uint32_t i = 0; i < tuple->n_words; i++)
		if (m[tuple->words[i].index] != tuple->words[i].mask)
			return false;
	return true;
}

void flow_cls_tuple_mask(const struct flow_cls_tuple *tuple, struct flow_key *mask)
{
	memset(mask, 0, sizeof(*mask));
	for (uint32_t i = 0; i < tuple->n_words; i++)
		((uint64_t *)mask)[tuple->words[i].index] = tuple->words[i].mask;
}

struct flow_cls_tuple *flow_cls_tuple_find(const struct flow_cls *cls, const struct flow_key *mask)
{
	uint32_t hash = mask_hash(mask), n_words = mask_n_words(mask);
	struct flow_cls_tuple *tuple = cls->buckets[hash & (cls->n_buckets - 1)];

	for (; tuple; tuple = tuple->next)
		if (tuple->mask_hash == hash && tuple->n_words == n_words &&
		    flow_cls_tuple_has_mask(tuple, mask))
			return tuple;
	return NULL;
}

static struct flow_cls_tuple *tuple_create(const struct flow_key *mask)
{
	const uint64_t *m = key_words(mask);
	uint32_t n_words = mask_n_words(mask), n = 0;
	struct flow_cls_tuple *tuple =
	        calloc(1, sizeof(*tuple) + n_words * sizeof(struct flow_cls_word));

	if (!tuple)
		return NULL;
	tuple->n_words = n_words;
	tuple->mask_hash = mask_hash(mask);
	tuple->probe = &tuple->own;
	tuple->own.tuple = tuple;
	tuple->own.n_words = (uint8_t)n_words;
	for (uint32_t i = 0; i < FLOW_KEY_N_U64; i++)
		if (m[i])
			tuple->words[n++] = (struct flow_cls_word){m[i], i};
	for (uint32_t i = 0; i < EVS_MIN(n, (uint32_t)FLOW_CLS_WORDS); i++) {
		tuple->own.mask[i] = tuple->words[i].mask;
		tuple->own.index[i] = (uint8_t)tuple->words[i].index;
	}
	return tuple;
}

void flow_cls_tuple_destroy(void *arg)
{
	struct flow_cls_tuple *tuple = arg;

	free(tuple->slots);
	free(tuple);
}

static void buckets_grow(struct flow_cls *cls)
{
	uint32_t n = cls->n_buckets * 2;
	struct flow_cls_tuple **buckets = calloc(n, sizeof(struct flow_cls_tuple *));

	if (!buckets)
		return; /* longer chains, nothing worse */
	for (uint32_t i = 0; i < cls->n_buckets; i++) {
		while (cls->buckets[i]) {
			struct flow_cls_tuple *tuple = cls->buckets[i];

			cls->buckets[i] = tuple->next;
			tuple->next = buckets[tuple->mask_hash & (n - 1)];
			buckets[tuple->mask_hash & (n - 1)] = tuple;
		}
	}
	free(cls->buckets);
	cls->buckets = buckets;
	cls->n_buckets = n;
}

struct flow_cls_tuple *flow_cls_tuple_get(struct flow_cls *cls, const struct flow_key *mask)
{
	struct flow_cls_tuple *tuple = flow_cls_tuple_find(cls, mask), **bucket;

	if (tuple)
		return tuple;
	if (cls->n_tuples >= cls->n_buckets)
		buckets_grow(cls);
	tuple = tuple_create(mask);
	if (!tuple)
		return NULL;
	tuple->id = ++cls->last_tuple_id;
	for (uint32_t i = 0; i < tuple->n_words; i++) {
		uint64_t *bits = &cls->bits[tuple->words[i].index];

		evs_store_relaxed(bits, *bits | tuple->words[i].mask);
	}
	tuple->start = cls->is_merging ? 0 : FLOW_CLS_EXACT;
	bucket = &cls->buckets[tuple->mask_hash & (cls->n_buckets - 1)];
	tuple->next = *bucket;
	*bucket = tuple;
	cls->n_tuples++;
	return tuple;
}

static void forget(struct flow_cls *cls, struct flow_cls_tuple *tuple)
{
	struct flow_cls_tuple **link = &cls->buckets[tuple->mask_hash & (cls->n_buckets - 1)];

	while (*link != tuple)
		link = &(*link)->next;
	*link = tuple->next;
	if (--cls->n_tuples == 0)
		cls->is_merging = false;
	if (!tuple->in_array) {
		evs_rcu_call(flow_cls_tuple_destroy, tuple);
		return;
	}
	/* The array still names it: publish drops it from there and then frees it. */
	cls->unsorted = true;
	tuple->next = cls->doomed;
	cls->doomed = tuple;
}

void flow_cls_tuple_check(struct flow_cls *cls, struct flow_cls_tuple *tuple)
{
	if (tuple->n_rules || tuple->n_guests)
		return;
	for (unsigned level = 0; level < FLOW_CLS_LEVELS; level++) {
		struct flow_cls_tuple *host = tuple->host[level];

		tuple->host[level] = NULL;
		if (!host || host == tuple)
			continue;
		host->n_guests--;
		flow_cls_tuple_check(cls, host);
	}
	assert(tuple->n_heads == 0);
	forget(cls, tuple);
}
