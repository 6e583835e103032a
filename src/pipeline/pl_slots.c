/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a table in slots, for slow readers: a cursor is a slot, and stays good while rules
 * come and go. A removed rule keeps its slot until it is taken apart, so that readers see the
 * version that is published, whatever a task has done to the next one.
 * Threads: control. Owner: the table owns the array.
 *
 * A free slot holds the number of the next free one, shifted, with the lowest bit set.
 */
#include "pipeline/pl_of_pvt.h"

#include <stdlib.h>

#include "base/evs_task.h"

static bool is_rule(uintptr_t slot)
{
	return !(slot & 1);
}

int pl_slots_add(struct pl_slots *slots, struct pl_rule *rule)
{
	if (!slots->free) {
		uint32_t cap = slots->cap ? slots->cap * 2 : 16;
		uintptr_t *slot = realloc(slots->slot, cap * sizeof(slot[0]));

		if (!slot)
			return -ENOMEM;
		slots->slot = slot;
		for (uint32_t i = cap; i-- > slots->cap;) {
			slot[i] = (uintptr_t)slots->free << 1 | 1;
			slots->free = i + 1;
		}
		slots->cap = cap;
	}
	rule->slot = slots->free - 1;
	slots->free = (uint32_t)(slots->slot[rule->slot] >> 1);
	slots->slot[rule->slot] = (uintptr_t)rule;
	return 0;
}

void pl_slots_del(struct pl_slots *slots, struct pl_rule *rule)
{
	slots->slot[rule->slot] = (uintptr_t)slots->free << 1 | 1;
	slots->free = rule->slot + 1;
}

static void visit_at(const struct pl_slots *slots, uint32_t i, uint64_t version,
                     void (*visit)(struct pl_rule *rule, void *arg), void *arg)
{
	struct pl_rule *rule = is_rule(slots->slot[i]) ? (struct pl_rule *)slots->slot[i] : NULL;

	if (rule && flow_cls_rule_visible(&rule->cls, version))
		visit(rule, arg);
}

void pl_slots_each(const struct pl_slots *slots, void (*visit)(struct pl_rule *rule, void *arg),
                   void *arg)
{
	for (uint32_t i = 0; i < slots->cap; i++) {
		evs_task_breathe();
		visit_at(slots, i, pl_next_version(), visit, arg);
	}
}

bool pl_slots_walk(const struct pl_slots *slots, uint32_t *cursor, uint32_t max,
                   void (*visit)(struct pl_rule *rule, void *arg), void *arg)
{
	uint32_t end = *cursor + EVS_MIN(max, slots->cap - EVS_MIN(*cursor, slots->cap));

	for (; *cursor < end; ++*cursor)
		visit_at(slots, *cursor, pl_version, visit, arg);
	return *cursor < slots->cap;
}
