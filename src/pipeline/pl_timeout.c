/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idle and hard timeouts of rules: a heap by the moment at which a rule must be looked at.
 * Threads: control. Owner: rules belong to their tables.
 *
 * The moment is right for hard timeouts. For idle ones it is a lower bound, since use only moves it
 * away: a rule that is due is checked, after the counters of its flows were brought up to date,
 * and put back if it was used.
 */
#include "pipeline/pl_of_pvt.h"

#include <stdlib.h>

#include "base/evs_clock.h"

#define RUN_MAX 10000 /* rules a tick */

struct entry {
	uint64_t due_ms;
	struct pl_rule *rule;
};

static struct entry *heap;
static uint32_t heap_len, heap_cap;

static void place(uint32_t i, struct entry entry)
{
	heap[i] = entry;
	entry.rule->heap = i + 1;
}

static void sift_up(uint32_t i, struct entry entry)
{
	while (i && heap[(i - 1) / 2].due_ms > entry.due_ms) {
		place(i, heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(i, entry);
}

static void sift_down(uint32_t i, struct entry entry)
{
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < heap_len && heap[child + 1].due_ms < heap[child].due_ms)
			child++;
		if (child >= heap_len || heap[child].due_ms >= entry.due_ms)
			break;
		place(i, heap[child]);
		i = child;
	}
	place(i, entry);
}

static uint64_t now64_ms(void)
{
	return evs_clock_ns() / 1000000;
}

static uint64_t hard_due(const struct pl_rule *rule)
{
	return rule->hard_timeout ? rule->created_ns / 1000000 + rule->hard_timeout * 1000u
	                          : UINT64_MAX;
}

static uint64_t idle_due(const struct pl_rule *rule, uint64_t now)
{
	uint32_t unused = evs_clock_ms() - rule->used_ms;

	return rule->idle_timeout ? now - unused + rule->idle_timeout * 1000u : UINT64_MAX;
}

static uint64_t due_of(const struct pl_rule *rule, uint64_t now)
{
	return EVS_MIN(hard_due(rule), idle_due(rule, now));
}

void pl_timeout_add(struct pl_rule *rule)
{
	if (heap_len == heap_cap) {
		heap_cap = heap_cap ? heap_cap * 2 : 1024;
		heap = realloc(heap, heap_cap * sizeof(heap[0]));
		if (!heap)
			abort(); /* the rule would stay for ever */
	}
	sift_up(heap_len++, (struct entry){due_of(rule, now64_ms()), rule});
}

void pl_timeout_del(struct pl_rule *rule)
{
	uint32_t i = rule->heap;
	struct entry last;

	if (!i--)
		return;
	rule->heap = 0;
	last = heap[--heap_len];
	if (last.rule == rule)
		return;
	if (i && heap[(i - 1) / 2].due_ms > last.due_ms)
		sift_up(i, last);
	else
		sift_down(i, last);
}

void pl_timeout_run(uint32_t now_ms)
{
	uint64_t now = now64_ms();
	bool synced = false, any = false;

	for (unsigned n = 0; n < RUN_MAX && heap_len && heap[0].due_ms <= now; n++) {
		struct pl_rule *rule = heap[0].rule;

		if (rule->idle_timeout && !synced) {
			pl_stats_sync();
			synced = true;
		}
		if (hard_due(rule) <= now) {
			pl_rule_remove(rule, OFPRR_HARD_TIMEOUT, true);
			any = true;
		} else if (idle_due(rule, now) <= now) {
			pl_rule_remove(rule, OFPRR_IDLE_TIMEOUT, true);
			any = true;
		} else {
			sift_down(0, (struct entry){due_of(rule, now), rule});
		}
	}
	if (any)
		pl_commit();
}
