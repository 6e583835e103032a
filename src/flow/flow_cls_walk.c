/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier's questions about matches instead of packets: equal, narrower, overlapping.
 * Threads: control only.
 */
#include "base/evs_task.h"
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

/* A question to all rules of a table. */
struct ask {
	const struct flow_key *key, *mask;
	uint64_t version;
	bool narrower; /* only rules whose mask has all bits of this one */
	bool (*visit)(struct flow_cls_rule *rule, void *arg);
	void *arg;
	/* the tuple asked last */
	const struct flow_cls_tuple *tuple;
	bool is_covered;
};

static bool concerns(struct ask *ask, const struct flow_cls_rule *rule)
{
	if (ask->narrower && rule->tuple != ask->tuple) {
		ask->tuple = rule->tuple;
		ask->is_covered = mask_covers(rule->tuple, ask->mask);
	}
	return (!ask->narrower || ask->is_covered) && values_agree(rule, ask->key, ask->mask);
}

static bool walk_table(const struct flow_cls_tuple *host, struct ask *ask)
{
	for (uint32_t i = 0; i <= host->slot_mask; i++) {
		uint64_t slot = host->slots[i];
		uint64_t ahead = host->slots[(i + WALK_AHEAD) & host->slot_mask];
		struct flow_cls_rule *rule = slot_in_use(slot) ? slot_rule(slot) : NULL;

		evs_task_breathe();
		__builtin_prefetch(slot_rule(ahead));
		if (rule && concerns(ask, rule) &&
		    !walk_chain(rule, ask->version, ask->visit, ask->arg))
			return false;
	}
	return true;
}

static bool may_concern(const struct ask *ask, const struct flow_cls_tuple *host)
{
	return host->n_heads && (!ask->narrower || host->filters || mask_covers(host, ask->mask));
}

/* visit may remove rules, not unlink them: tuples stay. */
static void walk_all(const struct flow_cls *cls, struct ask *ask)
{
	for (uint32_t i = 0; i < cls->n_buckets; i++)
		for (struct flow_cls_tuple *t = cls->buckets[i]; t; t = t->next)
			if (may_concern(ask, t) && !walk_table(t, ask))
				return;
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
	struct ask ask = {
	        .key = key, .mask = mask, .version = version, .visit = find_priority, .arg = &find};

	walk_all(cls, &ask);
	return find.found;
}

/* Whether the match is so narrow that only rules of just this mask can be within it: each tuple
 * has it, or lacks some of its bits. */
static bool is_narrowest(const struct flow_cls *cls, const struct flow_key *mask)
{
	for (uint32_t i = 0; i < cls->n_buckets; i++)
		for (const struct flow_cls_tuple *t = cls->buckets[i]; t; t = t->next)
			if (t->n_rules && mask_covers(t, mask) && !flow_cls_tuple_has_mask(t, mask))
				return false;
	return true;
}

void flow_cls_walk(const struct flow_cls *cls, const struct flow_key *key,
                   const struct flow_key *mask, uint64_t version,
                   bool (*visit)(struct flow_cls_rule *rule, void *arg), void *arg)
{
	struct ask ask = {.key = key,
	                  .mask = mask,
	                  .version = version,
	                  .narrower = true,
	                  .visit = visit,
	                  .arg = arg};

	if (is_narrowest(cls, mask))
		walk_chain(flow_cls_chain(cls, key, mask), version, visit, arg);
	else
		walk_all(cls, &ask);
}
