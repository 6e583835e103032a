/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table features (OpenFlow 1.3.5, section 7.3.5.5): what tables can do, and which there are.
 * Threads: control.
 *
 * Every table can do everything; a request gets a superset of what it asks for, which the
 * specification allows. What it does decide is which tables are in the pipeline, and their names.
 */
#include <stdio.h>

#include "pipeline/pl_of_pvt.h"

static void fields_of(struct of_table_features *features)
{
	for (unsigned id = 0; id < FLOW_N_FIELDS; id++) {
		const struct flow_field *field = &flow_fields[id];

		if (!(field->flags & FLOW_FIELD_OF13))
			continue;
		flow_field_set_add(&features->match, id);
		flow_field_set_add(&features->wildcards, id);
		if (field->flags & FLOW_FIELD_MASK)
			flow_field_set_add(&features->match_masked, id);
		if (field->flags & FLOW_FIELD_SET)
			flow_field_set_add(&features->apply_setfield[0], id);
	}
	features->apply_setfield[1] = features->apply_setfield[0];
	features->write_setfield[0] = features->apply_setfield[0];
	features->write_setfield[1] = features->apply_setfield[0];
}

/* What a table can do beside all others. */
static void table_abilities(const struct pl_table *table, struct of_table_features *features)
{
	uint32_t actions = (1u << OF_N_ACTIONS) - 1, insts = 0;

#define X(id, number, name) insts |= OF_INST_##id;
	OF_INSTS(X)
#undef X
	memset(features, 0, sizeof(*features));
	features->table_id = table->id;
	snprintf(features->name, sizeof(features->name), "%s", table->name);
	features->metadata_match = features->metadata_write = UINT64_MAX;
	features->config = table->config;
	features->max_entries = PL_MAX_RULES;
	for (unsigned miss = 0; miss < 2; miss++) {
		bool last = table->id == PL_MAX_TABLES - 1;

		features->insts[miss] = last ? insts & ~(uint32_t)OF_INST_GOTO_TABLE : insts;
		features->write_actions[miss] = features->apply_actions[miss] = actions;
		for (unsigned next = table->id + 1u; next < PL_MAX_TABLES; next++)
			features->next_tables[miss][next / 64] |= 1ull << (next % 64);
	}
	for (unsigned prop = OFPTFPT_INSTRUCTIONS; prop <= OFPTFPT_APPLY_SETFIELD + 1; prop++)
		if (prop != OFPTFPT_MATCH + 1 && prop != OFPTFPT_WILDCARDS + 1)
			features->props |= 1u << prop;
	fields_of(features);
}

static bool set_within(const struct flow_field_set *a, const struct flow_field_set *b)
{
	return !(a->bits[0] & ~b->bits[0]) && !(a->bits[1] & ~b->bits[1]);
}

/* Whether the table can do all that is asked for. */
static bool within(const struct of_table_features *asked, const struct of_table_features *can)
{
	for (unsigned miss = 0; miss < 2; miss++) {
		if ((asked->insts[miss] & ~can->insts[miss]) ||
		    (asked->write_actions[miss] & ~can->write_actions[miss]) ||
		    (asked->apply_actions[miss] & ~can->apply_actions[miss]) ||
		    !set_within(&asked->write_setfield[miss], &can->write_setfield[miss]) ||
		    !set_within(&asked->apply_setfield[miss], &can->apply_setfield[miss]))
			return false;
		for (unsigned i = 0; i < 4; i++)
			if (asked->next_tables[miss][i] & ~can->next_tables[miss][i])
				return false;
	}
	return set_within(&asked->match, &can->match) &&
	       set_within(&asked->match_masked, &can->match_masked) &&
	       set_within(&asked->wildcards, &can->wildcards) &&
	       asked->max_entries <= can->max_entries;
}

void pl_table_features(struct pl_bridge *bridge, uint8_t table_id,
                       struct of_table_features *features)
{
	table_abilities(pl_table_at(bridge, table_id), features);
	for (unsigned next = 0; next < PL_MAX_TABLES; next++)
		for (unsigned miss = 0; miss < 2 && !pl_table_exists(bridge, next); miss++)
			features->next_tables[miss][next / 64] &= ~(1ull << (next % 64));
}

/* Which tables the list names, each once; the first is where packets begin. */
static int wanted_tables(struct pl_bridge *bridge, const struct of_table_features *list, uint32_t n,
                         bool *wanted, struct of_error *err)
{
	struct of_table_features can;

	for (uint32_t i = 0; i < n; i++) {
		uint8_t id = list[i].table_id;

		if (id >= PL_MAX_TABLES || wanted[id])
			return of_error_set(err, OFPTFFC_BAD_TABLE);
		table_abilities(pl_table_at(bridge, id), &can);
		if (!within(&list[i], &can))
			return of_error_set(err, OFPTFFC_BAD_ARGUMENT);
		wanted[id] = true;
	}
	return wanted[0] ? 0 : of_error_set(err, OFPTFFC_BAD_TABLE);
}

/* Rules of tables that go, and those that lead there, go without a word. */
static void remove_useless(struct pl_rule *rule, void *arg)
{
	const bool *wanted = arg;
	const struct pl_code *code = rule->code;

	if (!wanted[rule->table->id] ||
	    ((code->set & OF_INST_GOTO_TABLE) && !wanted[code->goto_table]))
		pl_rule_remove(rule, OFPRR_DELETE, false);
}

static void keep_tables(struct pl_bridge *bridge, bool *wanted)
{
	pl_rules_each(bridge->tables, remove_useless, wanted);
	for (unsigned id = 0; id < PL_MAX_TABLES; id++) {
		struct pl_table *table = pl_table_at(bridge, id);

		table->is_absent = !wanted[id];
		if (table->is_absent)
			snprintf(table->name, sizeof(table->name), "table%u", id);
	}
}

int pl_table_features_set(struct pl_bridge *bridge, const struct of_table_features *list,
                          uint32_t n, struct of_error *err)
{
	bool wanted[PL_MAX_TABLES] = {0};
	int rc = wanted_tables(bridge, list, n, wanted, err);

	if (rc)
		return rc;
	keep_tables(bridge, wanted);
	for (uint32_t i = 0; i < n; i++) {
		struct pl_table *table = pl_table_at(bridge, list[i].table_id);

		snprintf(table->name, sizeof(table->name), "%s", list[i].name);
		table->config = list[i].config & OFPTC_DEPRECATED_MASK;
	}
	return 0;
}
