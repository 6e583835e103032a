/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow-mod and table-mod (OpenFlow 1.3.5, section 6.4 and 7.3.4).
 * Threads: control.
 */
#include "pipeline/pl_of_pvt.h"

#include <stdlib.h>

#include "base/evs_clock.h"
#include "base/evs_task.h"

#define PREFETCH_AHEAD 4

/* A request about existing rules. */
struct op {
	struct pl_bridge *bridge;
	const struct of_flow_mod *mod;
	struct of_error *err;
	struct pl_vec hits;
};

static bool cookie_fits(const struct of_flow_mod *mod, const struct pl_rule *rule)
{
	return !((mod->cookie ^ rule->cookie) & mod->cookie_mask);
}

static bool is_delete(const struct of_flow_mod *mod)
{
	return mod->command == OFPFC_DELETE || mod->command == OFPFC_DELETE_STRICT;
}

static bool collect(struct flow_cls_rule *cls, void *arg)
{
	struct op *op = arg;
	struct pl_rule *rule = pl_rule_of(cls);

	evs_task_breathe();
	if (cookie_fits(op->mod, rule) &&
	    (!is_delete(op->mod) ||
	     pl_code_has_output(rule->code, op->mod->out_port, op->mod->out_group)))
		pl_vec_add(&op->hits, rule);
	return true;
}

/* The rules of a table that the request is about. */
static void collect_table(struct op *op, struct pl_table *table)
{
	const struct of_flow_mod *mod = op->mod;
	const struct flow_match *match = &mod->match;
	struct flow_cls_rule *cls;

	if (!table->n_rules)
		return;
	if (mod->command == OFPFC_DELETE || mod->command == OFPFC_MODIFY) {
		flow_cls_walk(&table->cls, &match->key, &match->mask, pl_next_version(), collect,
		              op);
		return;
	}
	cls = flow_cls_find(&table->cls, &match->key, &match->mask, mod->priority,
	                    pl_next_version());
	if (cls)
		collect(cls, op);
}

static void collect_all(struct op *op)
{
	unsigned first = op->mod->table_id, last = op->mod->table_id;

	if (op->mod->table_id == OFPTT_ALL) {
		first = 0;
		last = PL_MAX_TABLES - 1;
	}
	for (unsigned i = first; i <= last; i++)
		collect_table(op, pl_table_at(op->bridge, i));
}

static int add(struct op *op)
{
	const struct of_flow_mod *mod = op->mod;
	const struct flow_match *match = &mod->match;
	struct pl_table *table = pl_table_at(op->bridge, mod->table_id);
	struct pl_rule *old, *rule;
	int rc;

	if ((mod->flags & OFPFF_CHECK_OVERLAP) &&
	    flow_cls_overlaps(&table->cls, &match->key, &match->mask, mod->priority,
	                      pl_next_version()))
		return of_error_set(op->err, OFPFMFC_OVERLAP);
	rc = pl_check_insts(op->bridge, mod->table_id, mod, op->err);
	if (rc)
		return rc;
	old = pl_rule_of(flow_cls_find(&table->cls, &match->key, &match->mask, mod->priority,
	                               pl_next_version()));
	if (!old && table->n_rules >= PL_MAX_RULES)
		return of_error_set(op->err, OFPFMFC_TABLE_FULL);
	rule = pl_rule_create(table, mod);
	if (!rule)
		return -ENOMEM;
	if (old && !(mod->flags & OFPFF_RESET_COUNTS)) {
		rule->n_pkts = old->n_pkts;
		rule->n_bytes = old->n_bytes;
	}
	rc = pl_rule_insert(rule, match, mod->priority);
	if (rc || !old)
		return rc;
	if (!(mod->flags & OFPFF_RESET_COUNTS))
		evs_store_release(&old->successor, rule);
	pl_rule_remove(old, OFPRR_DELETE, false);
	return 0;
}

/* A rule is immutable: its successor has its match, counters and timeouts, and new instructions. */
static int modify_one(struct op *op, struct pl_rule *old)
{
	struct of_flow_mod mod = *op->mod;
	struct pl_rule *rule;
	int rc;

	flow_cls_rule_match(&old->cls, &mod.match.key, &mod.match.mask);
	mod.cookie = old->cookie;
	mod.idle_timeout = old->idle_timeout;
	mod.hard_timeout = old->hard_timeout;
	mod.flags = old->flags;
	rule = pl_rule_create(old->table, &mod);
	if (!rule)
		return -ENOMEM;
	rule->created_ns = old->created_ns;
	rule->used_ms = old->used_ms;
	if (!(op->mod->flags & OFPFF_RESET_COUNTS)) {
		rule->n_pkts = old->n_pkts;
		rule->n_bytes = old->n_bytes;
	}
	rc = pl_rule_insert(rule, &mod.match, old->cls.priority);
	if (rc)
		return rc;
	if (!(op->mod->flags & OFPFF_RESET_COUNTS))
		evs_store_release(&old->successor, rule);
	pl_rule_remove(old, OFPRR_DELETE, false);
	return 0;
}

/* All or nothing: each rule's match decides about the actions (prerequisites). */
static int modify_check(struct op *op)
{
	struct of_flow_mod mod = *op->mod;

	for (uint32_t i = 0; i < op->hits.n; i++) {
		const struct pl_rule *rule = op->hits.item[i];
		int rc;

		evs_task_breathe();
		flow_cls_rule_match(&rule->cls, &mod.match.key, &mod.match.mask);
		rc = pl_check_insts(op->bridge, rule->table->id, &mod, op->err);
		if (rc)
			return rc;
	}
	if (!op->hits.n && mod.table_id != OFPTT_ALL)
		return pl_check_insts(op->bridge, mod.table_id, &mod, op->err);
	return 0;
}

static int modify(struct op *op)
{
	int rc;

	collect_all(op);
	rc = modify_check(op);
	for (uint32_t i = 0; !rc && i < op->hits.n; i++) {
		evs_task_breathe();
		rc = modify_one(op, op->hits.item[i]);
	}
	return rc;
}

/* A million rules are not in the caches. */
static void prefetch_rule(const struct op *op, uint32_t i)
{
	if (i + 2 * PREFETCH_AHEAD >= op->hits.n)
		return;
	__builtin_prefetch(op->hits.item[i + 2 * PREFETCH_AHEAD]);
	__builtin_prefetch(((const struct pl_rule *)op->hits.item[i + PREFETCH_AHEAD])->code);
}

static int delete (struct op *op)
{
	collect_all(op);
	for (uint32_t i = 0; i < op->hits.n; i++) {
		evs_task_breathe();
		prefetch_rule(op, i);
		pl_rule_remove(op->hits.item[i], OFPRR_DELETE, true);
	}
	return 0;
}

int pl_flow_mod(struct pl_bridge *bridge, const struct of_flow_mod *mod, struct of_error *err)
{
	struct op op = {.bridge = bridge, .mod = mod, .err = err};
	int rc;

	if (mod->command >= OF_N_FLOW_MOD_COMMANDS)
		return of_error_set(err, OFPFMFC_BAD_COMMAND);
	if (mod->flags & ~OFPFF_ALL)
		return of_error_set(err, OFPFMFC_BAD_FLAGS);
	if (!pl_table_exists(bridge, mod->table_id) &&
	    (!is_delete(mod) || mod->table_id != OFPTT_ALL))
		return of_error_set(err, OFPFMFC_BAD_TABLE_ID);
	if (mod->command == OFPFC_ADD)
		return add(&op);
	rc = is_delete(mod) ? delete (&op) : modify(&op);
	free(op.hits.item);
	return rc;
}

int pl_table_mod(struct pl_bridge *bridge, const struct of_table_mod *mod, struct of_error *err)
{
	unsigned first = mod->table_id, last = mod->table_id;

	if (mod->table_id == OFPTT_ALL) {
		first = 0;
		last = PL_MAX_TABLES - 1;
	} else if (!pl_table_exists(bridge, mod->table_id)) {
		return of_error_set(err, OFPTMFC_BAD_TABLE);
	}
	/* section 7.3.4.1: only the deprecated bits exist, and they do nothing */
	if (mod->config & ~(uint32_t)OFPTC_DEPRECATED_MASK)
		return of_error_set(err, OFPTMFC_BAD_CONFIG);
	for (unsigned i = first; i <= last; i++)
		pl_table_at(bridge, i)->config = mod->config;
	return 0;
}
