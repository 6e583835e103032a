/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation through the tables (OpenFlow 1.3.5, section 5.1 and 5.9).
 * Threads: as pl_xlate_pvt.h.
 */
#include "pipeline/pl_of_pvt.h"
#include "pipeline/pl_trace_pvt.h"

static struct pl_rule *lookup(struct pl_xlate *x, const struct pl_table *table)
{
	struct flow_key wc;
	struct flow_cls_rule *rule;

	if (!x->pkt.any_fixed)
		return pl_rule_of(flow_cls_lookup(&table->cls, &x->pkt.key, x->version, &x->wc));
	memset(&wc, 0, sizeof(wc));
	rule = flow_cls_lookup(&table->cls, &x->pkt.key, x->version, &wc);
	pl_look_mask(x, &wc);
	return pl_rule_of(rule);
}

static void emit_meter(struct pl_xlate *x, uint32_t meter_id)
{
	struct pl_meter *meter = pl_meter_lookup(x->snap->bridge->tables, meter_id, x->version);
	struct flow_op *op;

	if (!meter)
		return; /* gone since the rule was checked: as if it were not there */
	PL_TRACE(x, "meter %u", meter_id);
	pl_commit_edits(x);
	op = flow_prog_add(&x->out->prog, FLOW_OP_METER, meter_id); /* for people */
	((struct flow_op_meter *)op->payload)->meter = meter->meter;
	pl_ref_add(x, FLOW_REF_METER, meter, 0);
	x->n_edits++;
}

static void write_metadata(struct pl_xlate *x, const struct pl_code *code)
{
	rte_be64_t value = rte_cpu_to_be_64(code->metadata);
	rte_be64_t mask = rte_cpu_to_be_64(code->metadata_mask);

	pl_write(x, offsetof(struct flow_key, pipe.metadata), sizeof(value), &value, &mask);
}

/* Returns the table to go to, or -1. */
static int run_code(struct pl_xlate *x, const struct pl_code *code)
{
	if (code->set & OF_INST_APPLY_ACTIONS) {
		struct of_actions actions = pl_code_apply(code);

		pl_xlate_apply(x, &actions, code);
	}
	if (x->stopped || x->failed)
		return -1;
	if (code->set & OF_INST_CLEAR_ACTIONS)
		x->set->n = 0;
	if (code->set & OF_INST_WRITE_ACTIONS) {
		struct of_actions actions = pl_code_write(code);

		pl_actset_write(x->set, &actions);
	}
	if (code->set & OF_INST_WRITE_METADATA)
		write_metadata(x, code);
	if (code->set & OF_INST_GOTO_TABLE)
		return (int)code->goto_table;
	pl_xlate_actset(x, x->set);
	return -1;
}

static void trace_rule(struct pl_xlate *x, const struct pl_rule *rule)
{
	if (rule)
		pl_trace_rule(x, rule);
	else
		pl_trace_line(x, "no rule matches: dropped");
}

/* Returns the rule's instructions, or NULL. */
static const struct pl_code *table_hit(struct pl_xlate *x, unsigned id)
{
	struct pl_table *table = &x->snap->bridge->tables->table[id];
	struct pl_rule *rule = lookup(x, table);
	struct flow_ref *ref;

	PL_TRACE(x, "table %u", id);
	ref = pl_ref_add(x, rule ? FLOW_REF_RULE : FLOW_REF_TABLE_MISS,
	                 rule ? (void *)rule : (void *)table, 0);
	ref->table = (uint8_t)id;
	ref->priority = rule ? rule->cls.priority : 0;
	ref->rewritten |= x->pkt.rewritten;
	if (evs_unlikely(x->trace != NULL))
		trace_rule(x, rule);
	if (!rule) {
		x->reason = PKT_DROP_TABLE_MISS;
		return NULL;
	}
	x->reason = PKT_DROP_RULE; /* unless its actions know better */
	x->table = (uint8_t)id;
	x->cookie = rule->cookie;
	x->is_miss = rule->is_miss;
	if (rule->code->set & OF_INST_METER)
		emit_meter(x, rule->code->meter_id);
	return rule->code;
}

static void run_tables(struct pl_xlate *x, int table)
{
	while (table >= 0 && pl_xlate_step(x)) {
		const struct pl_code *code;

		if (x->pkt.stale) {
			const struct pl_code go = {.set = OF_INST_GOTO_TABLE,
			                           .goto_table = (uint32_t)table};

			pl_freeze(x, &go, &(struct of_actions){NULL, 0});
			return;
		}
		code = table_hit(x, (unsigned)table);
		if (!code)
			return;
		table = run_code(x, code);
	}
}

void pl_xlate_table(struct pl_xlate *x, unsigned table)
{
	struct pl_actset set;

	set.n = 0;
	x->set = &set;
	run_tables(x, (int)table);
	x->set = NULL;
}

void pl_xlate_code(struct pl_xlate *x, const struct pl_code *code)
{
	run_tables(x, run_code(x, code));
}
