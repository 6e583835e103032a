/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier's questions about matches instead of packets: equal, narrower, overlapping.
 * Threads: control only.
 */
#include "flow/flow_cls_pvt.h"

#define WALK_AHEAD 16 /* slots */

/* Whether every bit of the filter's mask is in the tuple's too. */
static bool mask_covers(const struct flow_cls_tuple *tuple, const struct flow_key *filter_mask)
{
	const uint64_t *m = (const uint64_t *)filter_mask;
	uint32_t w = 0;

	for (uint32_t i = 0; i < FLOW_KEY_N_U64; i++) {
		if (!m[i])
			continue;
		while (w < tuple->n_words && tuple->words[w].index < i)
			w++;
		if (w == tuple->n_words || tuple->words[w].index != i ||
		    (m[i] & ~tuple->words[w].mask))
			return false;
	}
	return true;
}

/* Whether a rule agrees with the filter in all bits that both masks have. */
static bool values_agree(const struct flow_cls_rule *rule, const struct flow_key *key,
                         const struct flow_key *mask)
{
	const struct flow_cls_tuple *tuple = rule->tuple;
	const uint64_t *k = (const uint64_t *)key, *m = (const uint64_t *)mask;

	for (uint32_t i = 0; i < tuple->n_words; i++) {
		uint32_t index = tuple->words[i].index;

		if ((rule->values[i] ^ k[index]) & m[index] & tuple->words[i].mask)
			return false;
	}
	return true;
}

/* Visits the rules of one match. visit may remove the rule, not unlink it. */
static bool walk_chain(struct flow_cls_rule *rule, uint64_t version,
                       bool (*visit)(struct flow_cls_rule *rule, void *arg), void *arg)
{
	while (rule) {
		struct flow_cls_rule *next = rule->next;

		if (flow_cls_rule_visible(rule, version) && !visit(rule, arg))
			return false;
		rule = next;
	}
	return true;
}

/* Visits the matches of one tuple that agree with the filter. */
static bool walk_tuple(const struct flow_cls_tuple *tuple, const struct flow_key *key,
                       const struct flow_key *mask, uint64_t version,
                       bool (*visit)(struct flow_cls_rule *rule, void *arg), void *arg)
{
	for (uint32_t i = 0; i <= tuple->table->mask; i++) {
		uint64_t slot = tuple->table->slots[i];
		uint64_t ahead = tuple->table->slots[(i + WALK_AHEAD) & tuple->table->mask];
		struct flow_cls_rule *rule = slot_in_use(slot) ? slot_rule(slot) : NULL;

		__builtin_prefetch(slot_rule(ahead));
		if (!rule || !values_agree(rule, key, mask))
			continue;
		if (!walk_chain(rule, version, visit, arg))
			return false;
	}
	return true;
}

struct find {
	uint16_t priority;
	struct flow_cls_rule *found;
};

static bool find_priority(struct flow_cls_rule *rule, void *arg)
{
	struct find *find = arg;

	if (rule->priority == find->priority)
		find->found = rule;
	return !find->found;
}

struct flow_cls_rule *flow_cls_find(const struct flow_cls *cls, const struct flow_key *key,
                                    const struct flow_key *mask, uint16_t priority,
                                    uint64_t version)
{
	struct flow_cls_rule *rule = flow_cls_chain(cls, key, mask);

	while (rule && (rule->priority != priority || !flow_cls_rule_visible(rule, version)))
		rule = rule->next;
	return rule;
}

bool flow_cls_overlaps(const struct flow_cls *cls, const struct flow_key *key,
                       const struct flow_key *mask, uint16_t priority, uint64_t version)
{
	struct find find = {.priority = priority};

	for (uint32_t i = 0; i < cls->n_buckets && !find.found; i++)
		for (struct flow_cls_tuple *t = cls->buckets[i]; t && !find.found; t = t->next)
			walk_tuple(t, key, mask, version, find_priority, &find);
	return find.found;
}

void flow_cls_walk(const struct flow_cls *cls, const struct flow_key *key,
                   const struct flow_key *mask, uint64_t version,
                   bool (*visit)(struct flow_cls_rule *rule, void *arg), void *arg)
{
	for (uint32_t i = 0; i < cls->n_buckets; i++) {
		struct flow_cls_tuple *t = cls->buckets[i], *next;

		for (; t; t = next) {
			bool more = true;

			next = t->next;
			if (!mask_covers(t, mask))
				continue;
			if (flow_cls_tuple_has_mask(t, mask))
				more = walk_chain(flow_cls_chain(cls, key, mask), version, visit,
				                  arg);
			else
				more = walk_tuple(t, key, mask, version, visit, arg);
			if (!more)
				return;
		}
	}
}
