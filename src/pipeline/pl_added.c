/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cached flows can added rules take packets from?
 * Threads: control.
 *
 * A flow that passed a table at a lower priority (or found nothing there) is affected if a packet
 * exists that has the flow's masked key and matches the rule. Rules wait for the pass of their
 * version; then each is held against the classes of flows of its table (pl_index_pvt.h), some rules
 * in each step, those of one tuple together.
 */
#include "pipeline/pl_index_pvt.h"

#include <stdlib.h>

#define STEP_COST 65536 /* rules times classes in one step */
#define STEP_MIN  64    /* rules */
#define STEP_MAX  4096

struct collected {
	struct collected *next;
	uint64_t seq;
	struct pl_vec rules;
};

static struct pl_vec pending;                          /* of the next version */
static struct collected *queue, **queue_tail = &queue; /* wait for their pass */
static uint32_t cursor;                                /* in the head of the queue */

void pl_added_collect(struct pl_rule *rule)
{
	pl_vec_add(&pending, rule);
}

void pl_added_commit(uint64_t seq)
{
	struct collected *batch;

	if (!pending.n)
		return;
	batch = calloc(1, sizeof(*batch));
	if (!batch)
		abort(); /* a flow that tells an older story would live on */
	batch->seq = seq;
	batch->rules = pending;
	memset(&pending, 0, sizeof(pending));
	*queue_tail = batch;
	queue_tail = &batch->next;
}

static int by_tuple(const void *a, const void *b)
{
	const struct pl_rule *x = *(struct pl_rule *const *)a, *y = *(struct pl_rule *const *)b;
	uintptr_t s = (uintptr_t)x->cls.tuple, t = (uintptr_t)y->cls.tuple;

	return s == t ? 0 : s < t ? -1 : 1;
}

/* Rules of one tuple, hence of one table. */
static void doom_run(struct pl_rule *const *rules, uint32_t n)
{
	struct flow_key key, mask;
	struct pl_class *class;

	flow_cls_rule_match(&rules[0]->cls, &key, &mask);
	for (class = LIST_FIRST(&rules[0]->table->classes); class; class = pl_class_next(class))
		pl_class_doom(class, &mask, rules, n);
}

static uint32_t max_classes(struct pl_rule *const *rules, uint32_t n)
{
	uint32_t max = 1;

	for (uint32_t i = 0; i < n; i++)
		max = EVS_MAX(max, rules[i]->table->n_classes);
	return max;
}

static void step(struct collected *batch)
{
	struct pl_rule **rules = (struct pl_rule **)batch->rules.item + cursor;
	uint32_t n = EVS_MIN(batch->rules.n - cursor, (uint32_t)STEP_MAX);

	n = EVS_MIN(n, EVS_MAX(STEP_COST / max_classes(rules, n), (uint32_t)STEP_MIN));
	cursor += n;
	qsort(rules, n, sizeof(rules[0]), by_tuple);
	for (uint32_t i = 0, run; i < n; i += run) {
		for (run = 1; i + run < n && rules[i + run]->cls.tuple == rules[i]->cls.tuple;)
			run++;
		doom_run(rules + i, run);
	}
}

bool pl_added_step(uint64_t seq)
{
	struct collected *batch = queue;

	if (!batch || batch->seq > seq)
		return false;
	if (cursor < batch->rules.n && pl_index_n_flows()) {
		step(batch);
		return true;
	}
	cursor = 0;
	queue = batch->next;
	if (!queue)
		queue_tail = &queue;
	free(batch->rules.item);
	free(batch);
	return true;
}
