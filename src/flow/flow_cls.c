/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier's writing side and look-up; see flow_cls.h.
 * Threads: flow_cls_lookup by workers, everything else by the control thread.
 * Owner: tuples, tables and arrays are this file's; rules are the caller's.
 */
#include "flow/flow_cls_pvt.h"

#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "base/evs_rcu.h"
#include "pkt/pkt_hash.h"

#define TABLE_MIN 8
#define BATCH     8
#define WORDS_MIN 4

static const uint64_t *key_words(const struct flow_key *key)
{
	return (const uint64_t *)key;
}

/* --- hashing -------------------------------------------------------------------------------- */

/* Words are folded independently of each other, so that their multiplications overlap. */
EVS_INLINE uint64_t hash_word(uint32_t i, uint64_t value)
{
	return pkt_hash_mum(value ^ pkt_hash_secret[i & 7], pkt_hash_secret[(i + 3) & 7] + i);
}

EVS_INLINE uint32_t hash_end(uint64_t sum)
{
	return (uint32_t)(sum ^ sum >> 32);
}

/* Tuples of fewer than WORDS_MIN words count as having so many, the others with an empty mask: so
 * most are hashed without a branch that depends on how many they have. */
static uint32_t hash_values(const uint64_t *values, uint32_t n)
{
	uint64_t sum = n;

	for (uint32_t i = 0; i < EVS_MAX(n, (uint32_t)WORDS_MIN); i++)
		sum += hash_word(i, i < n ? values[i] : 0);
	return hash_end(sum);
}

EVS_INLINE uint64_t look_at_word(const struct flow_cls_word *word, uint32_t i, const uint64_t *key,
                                 uint64_t *diff)
{
	uint64_t value = key[word->index];

	*diff |= (value ^ word->common_value) & evs_load_relaxed(&word->common_mask);
	return hash_word(i, value & word->mask);
}

/* Hash of what the tuple sees of a packet, and in *differs the bits that no rule of the tuple
 * can have: one pass, without a branch that depends on the packet. */
EVS_INLINE uint32_t hash_key(const struct flow_cls_tuple *tuple, const uint64_t *key,
                             uint64_t *differs)
{
	uint64_t sum = tuple->n_words, diff = 0;

#pragma GCC unroll 4
	for (uint32_t i = 0; i < WORDS_MIN; i++)
		sum += look_at_word(&tuple->words[i], i, key, &diff);
	for (uint32_t i = WORDS_MIN; i < tuple->n_words; i++)
		sum += look_at_word(&tuple->words[i], i, key, &diff);
	*differs = diff;
	return hash_end(sum);
}

/* --- hash table of one tuple ------------------------------------------------------------------ */

static struct flow_cls_table *table_create(uint32_t size)
{
	struct flow_cls_table *table = calloc(1, sizeof(*table) + size * sizeof(uint64_t));

	if (table)
		table->mask = size - 1;
	return table;
}

/* The slot of the chain whose match is `values`, or NULL. */
static uint64_t *table_find(const struct flow_cls_tuple *tuple, const uint64_t *values,
                            uint32_t hash)
{
	struct flow_cls_table *table = tuple->table;
	size_t size = tuple->n_words * sizeof(uint64_t);

	for (uint32_t i = hash & table->mask;; i = (i + 1) & table->mask) {
		uint64_t slot = table->slots[i];

		if (slot == SLOT_EMPTY)
			return NULL;
		if (slot_in_use(slot) && slot_rule(slot)->hash == hash &&
		    !memcmp(slot_rule(slot)->values, values, size))
			return &table->slots[i];
	}
}

static uint64_t *table_free_slot(struct flow_cls_table *table, uint32_t hash)
{
	uint32_t i = hash & table->mask;

	while (slot_in_use(table->slots[i]))
		i = (i + 1) & table->mask;
	return &table->slots[i];
}

/* Makes room for one more head: at most half of the slots are other than empty. */
static int table_reserve(struct flow_cls_tuple *tuple)
{
	struct flow_cls_table *old = tuple->table, *table;
	uint32_t size = old->mask + 1;

	if ((tuple->n_heads + tuple->n_gone + 1) * 2 <= size)
		return 0;
	while (size < (tuple->n_heads + 1) * 3)
		size *= 2;
	table = table_create(size);
	if (!table)
		return -ENOMEM;
	for (uint32_t i = 0; i <= old->mask; i++)
		if (slot_in_use(old->slots[i]))
			*table_free_slot(table, slot_rule(old->slots[i])->hash) = old->slots[i];
	tuple->n_gone = 0;
	evs_store_release(&tuple->table, table);
	evs_rcu_free(old);
	return 0;
}

/* --- tuples ----------------------------------------------------------------------------------- */

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

bool flow_cls_tuple_has_mask(const struct flow_cls_tuple *tuple, const struct flow_key *mask)
{
	const uint64_t *m = key_words(mask);

	for (uint32_t i = 0; i < tuple->n_words; i++)
		if (m[tuple->words[i].index] != tuple->words[i].mask)
			return false;
	return true;
}

static struct flow_cls_tuple *tuple_find(const struct flow_cls *cls, const struct flow_key *mask)
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
	        calloc(1, sizeof(*tuple) + EVS_MAX(n_words, (uint32_t)WORDS_MIN) *
	                                           sizeof(struct flow_cls_word));

	if (!tuple)
		return NULL;
	tuple->table = table_create(TABLE_MIN);
	if (!tuple->table) {
		free(tuple);
		return NULL;
	}
	tuple->n_words = n_words;
	tuple->mask_hash = mask_hash(mask);
	for (uint32_t i = 0; i < FLOW_KEY_N_U64; i++)
		if (m[i])
			tuple->words[n++] = (struct flow_cls_word){.mask = m[i], .index = i};
	return tuple;
}

static void tuple_destroy(void *arg)
{
	struct flow_cls_tuple *tuple = arg;

	free(tuple->table);
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

static struct flow_cls_tuple *tuple_get(struct flow_cls *cls, const struct flow_key *mask)
{
	struct flow_cls_tuple *tuple = tuple_find(cls, mask), **bucket;

	if (tuple)
		return tuple;
	if (cls->n_tuples >= cls->n_buckets)
		buckets_grow(cls);
	tuple = tuple_create(mask);
	if (!tuple)
		return NULL;
	tuple->id = ++cls->last_tuple_id;
	bucket = &cls->buckets[tuple->mask_hash & (cls->n_buckets - 1)];
	tuple->next = *bucket;
	*bucket = tuple;
	cls->n_tuples++;
	cls->unsorted = true;
	return tuple;
}

/* Shrinks the agreed bits to those that the new rule shares. The rule is not visible yet, so
 * readers may see either state. */
static void tuple_note_values(struct flow_cls_tuple *tuple, const uint64_t *values)
{
	for (uint32_t i = 0; i < tuple->n_words; i++) {
		struct flow_cls_word *word = &tuple->words[i];

		if (tuple->n_rules == 0 && !tuple->in_array) {
			word->common_mask = word->mask;
			word->common_value = values[i];
		} else {
			evs_store_relaxed(&word->common_mask,
			                  word->common_mask & ~(word->common_value ^ values[i]));
		}
	}
}

/* --- changes ---------------------------------------------------------------------------------- */

int flow_cls_init(struct flow_cls *cls)
{
	memset(cls, 0, sizeof(*cls));
	cls->n_buckets = 16;
	cls->buckets = calloc(cls->n_buckets, sizeof(struct flow_cls_tuple *));
	cls->array = calloc(1, sizeof(struct flow_cls_array));
	if (cls->buckets && cls->array)
		return 0;
	free(cls->buckets);
	free(cls->array);
	return -ENOMEM;
}

void flow_cls_fini(struct flow_cls *cls)
{
	for (uint32_t i = 0; i < cls->n_buckets; i++) {
		while (cls->buckets[i]) {
			struct flow_cls_tuple *tuple = cls->buckets[i];

			cls->buckets[i] = tuple->next;
			assert(tuple->n_rules == 0);
			tuple_destroy(tuple);
		}
	}
	while (cls->doomed) {
		struct flow_cls_tuple *tuple = cls->doomed;

		cls->doomed = tuple->next;
		tuple_destroy(tuple);
	}
	free(cls->buckets);
	free(cls->array);
}

size_t flow_cls_match_size(const struct flow_key *mask)
{
	return mask_n_words(mask) * sizeof(uint64_t);
}

/* Links rule into the chain at `slot`: behind those of higher or equal priority. */
static void chain_insert(uint64_t *slot, struct flow_cls_rule *rule)
{
	struct flow_cls_rule *head = slot_rule(*slot), *before;

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

int flow_cls_insert(struct flow_cls *cls, struct flow_cls_rule *rule, const struct flow_key *key,
                    const struct flow_key *mask, uint64_t version)
{
	struct flow_cls_tuple *tuple = tuple_get(cls, mask);
	uint64_t *slot;

	if (!tuple || table_reserve(tuple))
		return -ENOMEM;
	for (uint32_t i = 0; i < tuple->n_words; i++)
		rule->values[i] = key_words(key)[tuple->words[i].index] & tuple->words[i].mask;
	rule->tuple = tuple;
	rule->hash = hash_values(rule->values, tuple->n_words);
	rule->added = version;
	rule->removed = FLOW_CLS_VERSION_MAX;
	rule->next = NULL;

	tuple_note_values(tuple, rule->values);
	slot = table_find(tuple, rule->values, rule->hash);
	if (slot) {
		chain_insert(slot, rule);
	} else {
		slot = table_free_slot(tuple->table, rule->hash);
		tuple->n_gone -= *slot == SLOT_GONE;
		tuple->n_heads++;
		evs_store_release(slot, slot_make(rule, rule->hash));
	}
	tuple->n_rules++;
	cls->n_rules++;
	if (tuple->n_rules == 1 || rule->priority > tuple->max_priority) {
		tuple->max_priority = rule->priority;
		cls->unsorted = true;
	}
	return 0;
}

void flow_cls_remove(struct flow_cls *cls, struct flow_cls_rule *rule, uint64_t version)
{
	assert(rule->removed == FLOW_CLS_VERSION_MAX);
	evs_store_relaxed(&rule->removed, version);
	cls->n_rules--;
}

static void tuple_forget(struct flow_cls *cls, struct flow_cls_tuple *tuple)
{
	struct flow_cls_tuple **link = &cls->buckets[tuple->mask_hash & (cls->n_buckets - 1)];

	while (*link != tuple)
		link = &(*link)->next;
	*link = tuple->next;
	cls->n_tuples--;
	cls->unsorted = true;
	if (!tuple->in_array) {
		tuple_destroy(tuple);
		return;
	}
	/* The array still names it: publish drops it from there and then frees it. */
	tuple->next = cls->doomed;
	cls->doomed = tuple;
}

void flow_cls_unlink(struct flow_cls *cls, struct flow_cls_rule *rule)
{
	struct flow_cls_tuple *tuple = rule->tuple;
	uint64_t *slot = table_find(tuple, rule->values, rule->hash);
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
		tuple->n_heads--;
		tuple->n_gone++;
	}
	rule->tuple = NULL;
	if (--tuple->n_rules == 0)
		tuple_forget(cls, tuple);
}

static int compare_entries(const void *a, const void *b)
{
	const struct flow_cls_entry *x = a, *y = b;

	if (x->max_priority != y->max_priority)
		return x->max_priority < y->max_priority ? 1 : -1;
	return x->tuple->id < y->tuple->id ? -1 : 1;
}

int flow_cls_publish(struct flow_cls *cls)
{
	struct flow_cls_array *array, *old = cls->array;

	if (!cls->unsorted)
		return 0;
	array = malloc(sizeof(*array) + cls->n_tuples * sizeof(struct flow_cls_entry));
	if (!array)
		return -ENOMEM;
	array->len = 0;
	for (uint32_t i = 0; i < cls->n_buckets; i++) {
		for (struct flow_cls_tuple *t = cls->buckets[i]; t; t = t->next) {
			array->entries[array->len++] = (struct flow_cls_entry){t, t->max_priority};
			t->in_array = true;
		}
	}
	qsort(array->entries, array->len, sizeof(struct flow_cls_entry), compare_entries);
	evs_store_release(&cls->array, array);
	evs_rcu_free(old);
	while (cls->doomed) {
		struct flow_cls_tuple *tuple = cls->doomed;

		cls->doomed = tuple->next;
		evs_rcu_call(tuple_destroy, tuple);
	}
	cls->unsorted = false;
	return 0;
}

/* --- look-up ---------------------------------------------------------------------------------- */

/* The highest bit of a word of the key, as it travels: the first in which prefixes differ. */
EVS_INLINE uint64_t first_bit(uint64_t bits)
{
	return rte_cpu_to_be_64(UINT64_C(1) << (63 - __builtin_clzll(rte_be_to_cpu_64(bits))));
}

EVS_INLINE bool rule_has_values(const struct flow_cls_rule *rule,
                                const struct flow_cls_tuple *tuple, const uint64_t *key)
{
	for (uint32_t i = 0; i < tuple->n_words; i++)
		if (rule->values[i] != (key[tuple->words[i].index] & tuple->words[i].mask))
			return false;
	return true;
}

/* The best visible rule of the tuple that matches. */
EVS_INLINE struct flow_cls_rule *tuple_probe(const struct flow_cls_tuple *tuple,
                                             const struct flow_cls_table *table,
                                             const uint64_t *key, uint32_t hash, uint64_t version)
{
	for (uint32_t i = hash & table->mask;; i = (i + 1) & table->mask) {
		uint64_t slot = evs_load_acquire(&table->slots[i]);
		struct flow_cls_rule *rule;

		if (slot == SLOT_EMPTY)
			return NULL;
		if (!slot_in_use(slot) || slot >> 48 != hash >> 16)
			continue;
		rule = slot_rule(slot);
		if (!rule_has_values(rule, tuple, key))
			continue;
		while (rule && !flow_cls_rule_visible(rule, version))
			rule = evs_load_acquire(&rule->next);
		return rule;
	}
}

struct probe {
	const struct flow_cls_tuple *tuple;
	const struct flow_cls_table *table;
	uint32_t hash;
	uint32_t max_priority;
};

static void tuple_note_wc(const struct flow_cls_tuple *tuple, uint64_t *wc)
{
#pragma GCC unroll 4
	for (uint32_t i = 0; i < WORDS_MIN; i++)
		wc[tuple->words[i].index] |= tuple->words[i].mask;
	for (uint32_t i = WORDS_MIN; i < tuple->n_words; i++)
		wc[tuple->words[i].index] |= tuple->words[i].mask;
}

/* The packet differs from all rules of the tuple: one bit in which it does is enough to tell, and
 * costs nothing if it was looked at before. So flows that such rules cannot reach stay wide. */
static void note_rejection(const struct flow_cls_tuple *tuple, const uint64_t *key, uint64_t *wc)
{
	uint64_t first = 0;
	uint32_t first_index = 0;

	for (uint32_t i = 0; i < tuple->n_words; i++) {
		const struct flow_cls_word *word = &tuple->words[i];
		uint64_t diff = (key[word->index] ^ word->common_value) &
		                evs_load_relaxed(&word->common_mask);

		if (diff & wc[word->index])
			return;
		if (diff && !first) {
			first = diff;
			first_index = word->index;
		}
	}
	if (evs_likely(first))
		wc[first_index] |= first_bit(first);
	else
		tuple_note_wc(tuple, wc); /* a rule that was added since took the bit away */
}

struct flow_cls_rule *flow_cls_lookup(const struct flow_cls *cls, const struct flow_key *key,
                                      uint64_t version, struct flow_key *wc)
{
	const struct flow_cls_array *array = evs_load_acquire(&cls->array);
	const uint64_t *words = key_words(key);
	struct flow_cls_rule *best = NULL;
	struct probe probes[BATCH];

	for (uint32_t next = 0; next < array->len;) {
		uint32_t n = 0;

		/* Hash and prefetch a batch ... */
		for (; next < array->len && n < BATCH; next++) {
			const struct flow_cls_entry *entry = &array->entries[next];
			struct probe *probe = &probes[n];
			uint64_t differs;

			if (best && entry->max_priority <= best->priority)
				break;
			probe->hash = hash_key(entry->tuple, words, &differs);
			if (differs) {
				if (wc)
					note_rejection(entry->tuple, words, (uint64_t *)wc);
				continue;
			}
			probe->tuple = entry->tuple;
			probe->max_priority = entry->max_priority;
			probe->table = evs_load_acquire(&entry->tuple->table);
			__builtin_prefetch(&probe->table->slots[probe->hash & probe->table->mask]);
			n++;
		}
		/* ... then look; what is not needed any more does not count as looked at. */
		for (uint32_t i = 0; i < n; i++) {
			struct flow_cls_rule *rule;

			if (best && probes[i].max_priority <= best->priority)
				return best;
			rule = tuple_probe(probes[i].tuple, probes[i].table, words, probes[i].hash,
			                   version);
			if (wc)
				tuple_note_wc(probes[i].tuple, (uint64_t *)wc);
			if (rule && (!best || rule->priority > best->priority))
				best = rule;
		}
		if (best && next < array->len &&
		    array->entries[next].max_priority <= best->priority)
			break;
	}
	return best;
}

struct flow_cls_rule *flow_cls_chain(const struct flow_cls *cls, const struct flow_key *key,
                                     const struct flow_key *mask)
{
	const struct flow_cls_tuple *tuple = tuple_find(cls, mask);
	uint64_t values[FLOW_KEY_N_U64];
	uint64_t *slot;

	if (!tuple)
		return NULL;
	for (uint32_t i = 0; i < tuple->n_words; i++)
		values[i] = key_words(key)[tuple->words[i].index] & tuple->words[i].mask;
	slot = table_find(tuple, values, hash_values(values, tuple->n_words));
	return slot ? slot_rule(*slot) : NULL;
}

void flow_cls_rule_match(const struct flow_cls_rule *rule, struct flow_key *key,
                         struct flow_key *mask)
{
	const struct flow_cls_tuple *tuple = rule->tuple;

	memset(key, 0, sizeof(*key));
	memset(mask, 0, sizeof(*mask));
	for (uint32_t i = 0; i < tuple->n_words; i++) {
		((uint64_t *)key)[tuple->words[i].index] = rule->values[i];
		((uint64_t *)mask)[tuple->words[i].index] = tuple->words[i].mask;
	}
}
