/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier's look-up; see flow_cls.h.
 * Threads: any, beside the writer.
 *
 * What a search looked at: the bits of a host's mask, if the table was probed; of each rule met
 * there that does not match, its bits in the half word that tells; of one that does, all of
 * them. A packet that is equal in those meets the same.
 */
#include <rte_byteorder.h>

#include "flow/flow_cls_pvt.h"

#define BATCH 8

/* A table that is to be looked into. */
struct probe {
	const struct flow_cls_probe *entry;
	const uint64_t *slots;
	const struct flow_cls_filter *filters; /* NULL: the table is not shared */
	uint32_t slot_mask;
	uint32_t hash;
};

struct search {
	const uint64_t *key;
	uint64_t *wc;         /* or NULL */
	const uint64_t *bits; /* of the classifier */
	uint64_t version;
	struct flow_cls_rule *best;
	struct flow_cls_cost *cost; /* or NULL */
};

/* The bits of a packet that no rule of a host can have; without a branch that depends on it. */
EVS_INLINE uint64_t differs_from(const struct flow_cls_probe *entry, const uint64_t *key)
{
	uint64_t diff = 0;

#pragma GCC unroll 4
	for (uint32_t i = 0; i < FLOW_CLS_WORDS; i++)
		diff |= (key[entry->index[i]] ^ entry->common_value[i]) &
		        evs_load_relaxed(&entry->common_mask[i]);
	return diff;
}

/* Hash of what a host sees of a packet. */
EVS_INLINE uint32_t hash_key(const struct flow_cls_probe *entry, const uint64_t *key)
{
	uint64_t sum = entry->n_words;

#pragma GCC unroll 4
	for (uint32_t i = 0; i < FLOW_CLS_WORDS; i++)
		sum += hash_word(i, key[entry->index[i]] & entry->mask[i]);
	for (uint32_t i = FLOW_CLS_WORDS; i < entry->n_words; i++) {
		const struct flow_cls_word *word = &entry->tuple->words[i];

		sum += hash_word(i, key[word->index] & word->mask);
	}
	return hash_end(sum);
}

/* The half of a word in which a difference lies: so an address tells without the other one. */
EVS_INLINE uint64_t half_of(uint64_t differs)
{
	return (uint32_t)differs ? UINT32_MAX : ~(uint64_t)UINT32_MAX;
}

static void note_probe(const struct flow_cls_probe *entry, uint64_t *wc)
{
#pragma GCC unroll 4
	for (uint32_t i = 0; i < FLOW_CLS_WORDS; i++)
		wc[entry->index[i]] |= entry->mask[i];
	for (uint32_t i = FLOW_CLS_WORDS; i < entry->n_words; i++)
		wc[entry->tuple->words[i].index] |= entry->tuple->words[i].mask;
}

/* The highest bit of a word of the key, as it travels: the first in which prefixes differ. */
EVS_INLINE uint64_t first_bit(uint64_t bits)
{
	return rte_cpu_to_be_64(UINT64_C(1) << (63 - __builtin_clzll(rte_be_to_cpu_64(bits))));
}

/* The packet differs from all rules of the host: one bit in which it does is enough to tell, and
 * costs nothing if it was looked at before. So flows that such rules cannot reach stay wide. */
static void note_rejection(const struct flow_cls_probe *entry, const uint64_t *key, uint64_t *wc)
{
	uint64_t first = 0;
	uint32_t first_index = 0;

	for (uint32_t i = 0; i < FLOW_CLS_WORDS; i++) {
		uint32_t index = entry->index[i];
		uint64_t diff = (key[index] ^ entry->common_value[i]) &
		                evs_load_relaxed(&entry->common_mask[i]);

		if (diff & wc[index])
			return;
		if (diff && !first) {
			first = diff;
			first_index = index;
		}
	}
	if (evs_likely(first))
		wc[first_index] |= first_bit(first);
	else
		note_probe(entry, wc); /* a rule that was added since took the bit away */
}

/* Half words of a mask that are not zero, whole. */
EVS_INLINE uint64_t halves(uint64_t mask)
{
	return ((uint32_t)mask ? UINT32_MAX : 0) | (mask >> 32 ? ~(uint64_t)UINT32_MAX : 0);
}

/* A rule of a shared table was compared. What counts as looked at is the same for rules of all
 * masks, as far as they have such bits at all: otherwise cached flows would have as many masks as
 * there are ways to meet rules. */
EVS_INLINE void note_half(const struct search *s, uint32_t index, uint64_t half)
{
	s->wc[index] |= evs_load_relaxed(&s->bits[index]) & half;
}

/* Whether the packet has the rule's match. is_shared: the table's mask does not tell. */
EVS_INLINE bool matches(const struct search *s, const struct flow_cls_rule *rule, bool is_shared)
{
	const struct flow_cls_tuple *tuple = rule->tuple;
	bool is_noted = is_shared && s->wc;

	for (uint32_t i = 0; i < tuple->n_words; i++) {
		const struct flow_cls_word *word = &tuple->words[i];
		uint64_t differs = (s->key[word->index] & word->mask) ^ rule->values[i];

		if (differs) {
			if (is_noted)
				note_half(s, word->index, half_of(differs));
			return false;
		}
	}
	if (is_noted)
		for (uint32_t i = 0; i < tuple->n_words; i++)
			note_half(s, tuple->words[i].index, halves(tuple->words[i].mask));
	return true;
}

/* Parts of the packet in which rules differed from it. */
struct differed {
	uint64_t addresses;
	bool ports;
};

/* Whether the head of a slot is none of the packet's by what its filter tells. */
EVS_INLINE bool turns_away(const struct flow_cls_filter *filter, const uint64_t *key,
                           struct differed *differed)
{
	uint64_t addresses = (key[FLOW_CLS_ADDRESSES] ^ evs_load_relaxed(&filter->addresses)) &
	                     evs_load_relaxed(&filter->address_mask);
	uint32_t ports = ((uint32_t)key[FLOW_CLS_PORTS] ^ evs_load_relaxed(&filter->ports)) &
	                 evs_load_relaxed(&filter->port_mask);

	if (addresses)
		differed->addresses |= half_of(addresses);
	else if (ports)
		differed->ports = true;
	else
		return false;
	return true;
}

static void note_differed(const struct search *s, const struct differed *differed)
{
	note_half(s, FLOW_CLS_ADDRESSES, differed->addresses);
	if (differed->ports)
		note_half(s, FLOW_CLS_PORTS, UINT32_MAX);
}

/* The first of a chain that exists in the version becomes the best. */
EVS_INLINE void take(struct search *s, struct flow_cls_rule *rule)
{
	while (rule && !flow_cls_rule_visible(rule, s->version))
		rule = evs_load_acquire(&rule->next);
	if (rule && (!s->best || rule->priority > s->best->priority))
		s->best = rule;
}

/* Looks at the rules with the hash of the packet. */
EVS_INLINE void look(struct search *s, const struct probe *probe)
{
	struct differed differed = {0};

	if (s->wc)
		note_probe(probe->entry, s->wc);
	for (uint32_t i = probe->hash & probe->slot_mask;; i = (i + 1) & probe->slot_mask) {
		uint64_t slot = evs_load_acquire(&probe->slots[i]);
		struct flow_cls_rule *rule;

		if (slot == SLOT_EMPTY)
			break;
		if (!slot_has_hash(slot, probe->hash) ||
		    (s->best && slot_is_below(slot, s->best->priority)))
			continue;
		if (probe->filters && turns_away(&probe->filters[i], s->key, &differed)) {
			if (s->cost)
				s->cost->n_filtered++;
			continue;
		}
		rule = slot_rule(slot);
		if (s->best && rule->priority <= s->best->priority)
			continue;
		if (s->cost)
			s->cost->n_compared++;
		if (!matches(s, rule, probe->filters != NULL))
			continue;
		take(s, rule);
		if (!probe->filters)
			return; /* no other head has this match */
	}
	if (s->wc && probe->filters)
		note_differed(s, &differed);
}

/* Whether no rule from this entry of the array on can be better. */
EVS_INLINE bool is_over(const struct search *s, const struct flow_cls_probe *entry)
{
	return s->best && entry->max_priority <= s->best->priority;
}

/* Hashes for a table, and prefetches. False: no rule there can match. */
EVS_INLINE bool prepare(struct search *s, const struct flow_cls_probe *entry, struct probe *probe)
{
	uint64_t table;

	if (differs_from(entry, s->key)) {
		if (s->wc)
			note_rejection(entry, s->key, s->wc);
		if (s->cost)
			s->cost->n_rejected++;
		return false;
	}
	probe->hash = hash_key(entry, s->key);
	table = evs_load_acquire(&entry->table);
	probe->entry = entry;
	probe->slots = table_slots(table);
	probe->slot_mask = table_size(table) - 1;
	probe->filters = table_filters(table);
	__builtin_prefetch(&probe->slots[probe->hash & probe->slot_mask]);
	if (probe->filters)
		__builtin_prefetch(&probe->filters[probe->hash & probe->slot_mask]);
	return true;
}

/* Which tables of a block, as bits, may have a rule of the packet's? Of the others each differs in
 * a bit that counts as looked at already: so they cost nothing more. The masks may shrink
 * meanwhile, for rules that are in no version of ours; plain loads, so that the compiler may make
 * vectors. */
static EVS_HOT __attribute__((noinline, no_sanitize("thread"))) uint32_t
open_tables(const struct flow_cls_hints *hints, const uint64_t *key, const uint64_t *wc)
{
	uint64_t seen = wc ? wc[FLOW_CLS_ADDRESSES] : UINT64_MAX;
	uint32_t seen_src = (uint32_t)seen, seen_dst = (uint32_t)(seen >> 32);
	uint32_t seen_ports = wc ? (uint32_t)wc[FLOW_CLS_PORTS] : UINT32_MAX;
	uint32_t src = (uint32_t)key[FLOW_CLS_ADDRESSES];
	uint32_t dst = (uint32_t)(key[FLOW_CLS_ADDRESSES] >> 32);
	uint32_t ports = (uint32_t)key[FLOW_CLS_PORTS], open = 0;

	for (uint32_t i = 0; i < FLOW_CLS_HINTS; i++) {
		uint32_t differs = ((src ^ hints->value[0][i]) & hints->mask[0][i] & seen_src) |
		                   ((dst ^ hints->value[1][i]) & hints->mask[1][i] & seen_dst) |
		                   ((ports ^ hints->value[2][i]) & hints->mask[2][i] & seen_ports);

		open |= differs ? 0 : UINT32_C(1) << i;
	}
	return open;
}

/* The tables in turn, without those that are turned away by blocks. */
struct turn {
	const struct flow_cls_array *array;
	uint32_t block; /* number of the first table behind it */
	uint32_t open;  /* of the block, not taken yet */
};

EVS_INLINE uint32_t next_block(struct search *s, struct turn *t)
{
	uint32_t first = t->block, n = EVS_MIN(t->array->len - first, (uint32_t)FLOW_CLS_HINTS);
	uint32_t all = (uint32_t)((UINT64_C(1) << n) - 1), open = all;

	if (t->array->hints)
		open &= open_tables(&t->array->hints[first / FLOW_CLS_HINTS], s->key, s->wc);
	if (s->cost)
		s->cost->n_rejected += (uint32_t)__builtin_popcount(all & ~open);
	t->block += n;
	return open;
}

/* The next table, or NULL: there is none that could have a better rule. */
EVS_INLINE const struct flow_cls_probe *next_table(struct search *s, struct turn *t)
{
	const struct flow_cls_probe *probes = t->array->probes, *entry;

	while (!t->open) {
		if (t->block >= t->array->len || is_over(s, &probes[t->block]))
			return NULL;
		t->open = next_block(s, t);
	}
	entry = &probes[(t->block - 1) / FLOW_CLS_HINTS * FLOW_CLS_HINTS +
	                (uint32_t)__builtin_ctz(t->open)];
	t->open &= t->open - 1;
	return is_over(s, entry) ? NULL : entry;
}

EVS_INLINE void search(struct search *s, const struct flow_cls_array *array)
{
	const struct flow_cls_probe *entry;
	struct turn turn = {.array = array};
	struct probe probes[BATCH];

	do {
		uint32_t n = 0;

		/* Hash and prefetch a batch ... */
		do {
			entry = next_table(s, &turn);
			n += entry && prepare(s, entry, &probes[n]);
		} while (entry && n < BATCH);
		/* ... then look; what is not needed any more does not count as looked at. */
		for (uint32_t i = 0; i < n; i++) {
			if (is_over(s, probes[i].entry))
				return;
			if (s->cost)
				s->cost->n_probed++;
			look(s, &probes[i]);
		}
	} while (entry);
}

struct flow_cls_rule *flow_cls_lookup(const struct flow_cls *cls, const struct flow_key *key,
                                      uint64_t version, struct flow_key *wc)
{
	struct search s = {
	        .key = key_words(key), .wc = (uint64_t *)wc, .bits = cls->bits, .version = version};

	search(&s, evs_load_acquire(&cls->array));
	return s.best;
}

struct flow_cls_rule *flow_cls_measure(const struct flow_cls *cls, const struct flow_key *key,
                                       uint64_t version, struct flow_key *wc,
                                       struct flow_cls_cost *cost)
{
	struct search s = {.key = key_words(key),
	                   .wc = (uint64_t *)wc,
	                   .bits = cls->bits,
	                   .version = version,
	                   .cost = cost};

	search(&s, evs_load_acquire(&cls->array));
	return s.best;
}
