/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a table by slot, for those who read them slowly: see pl_slots.c.
 * Threads: control.
 */
#ifndef PL_SLOTS_PVT_H
#define PL_SLOTS_PVT_H

#include "base/evs_base.h"

struct pl_rule;

/* The rules of the published version and of the next one, by slot [ctl]. */
struct pl_slots {
	uintptr_t *slot;
	uint32_t cap;
	uint32_t free; /* first free slot + 1; 0: none */
};

int pl_slots_add(struct pl_slots *slots, struct pl_rule *rule); /* 0 or -ENOMEM */
void pl_slots_del(struct pl_slots *slots, struct pl_rule *rule);
/* Visits the rules of the next version; visit may remove the rule it is given. */
void pl_slots_each(const struct pl_slots *slots, void (*visit)(struct pl_rule *rule, void *arg),
                   void *arg);
/* Visits the rules of the published version in up to `max` slots from *cursor on; false: that was
 * the end. */
bool pl_slots_walk(const struct pl_slots *slots, uint32_t *cursor, uint32_t max,
                   void (*visit)(struct pl_rule *rule, void *arg), void *arg);

#endif
