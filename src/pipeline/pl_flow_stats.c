/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of rules and tables, table-features (OpenFlow 1.3.5, section 7.3.5).
 * Threads: control.
 */
#include <stdio.h>

#include "base/evs_clock.h"
#include "pipeline/pl_of_pvt.h"

struct query {
	const struct of_flow_request *request;
	void (*visit)(const struct of_flow_stats *stats, void *arg);
	void *arg;
};

/* Whether the rule's match is equal to or narrower than what is asked for. */
static bool match_fits(const struct flow_match *asked, const struct flow_match *rule)
{
	const uint64_t *am = (const uint64_t *)&asked->mask, *ak = (const uint64_t *)&asked->key;
	const uint64_t *rm = (const uint64_t *)&rule->mask, *rk = (const uint64_t *)&rule->key;

	for (unsigned i = 0; i < FLOW_KEY_N_U64; i++)
		if ((am[i] & ~rm[i]) || ((ak[i] ^ rk[i]) & am[i]))
			return false;
	return true;
}

static bool filters_fit(const struct of_flow_request *request, const struct pl_rule *rule)
{
	return !((request->cookie ^ rule->cookie) & request->cookie_mask) &&
	       pl_code_has_output(rule->code, request->out_port, request->out_group);
}

static void rule_tell(struct pl_rule *rule, void *arg)
{
	const struct query *query = arg;
	const struct flow_cls_rule *cls = &rule->cls;
	uint64_t age_ns = evs_clock_ns() - rule->created_ns;
	struct of_flow_stats stats;

	if (!filters_fit(query->request, rule))
		return;
	memset(&stats, 0, offsetof(struct of_flow_stats, match));
	flow_cls_rule_match(cls, &stats.match.key, &stats.match.mask);
	if (!match_fits(&query->request->match, &stats.match))
		return;
	stats.table_id = rule->table->id;
	stats.duration_sec = (uint32_t)(age_ns / 1000000000u);
	stats.duration_nsec = (uint32_t)(age_ns % 1000000000u);
	stats.priority = cls->priority;
	stats.idle_timeout = rule->idle_timeout;
	stats.hard_timeout = rule->hard_timeout;
	stats.flags = rule->flags;
	stats.cookie = rule->cookie;
	stats.packet_count = rule->n_pkts;
	stats.byte_count = rule->n_bytes;
	pl_code_insts(rule->code, &stats.insts);
	query->visit(&stats, query->arg);
}

bool pl_flow_walk(struct pl_bridge *bridge, const struct of_flow_request *request,
                  struct pl_flow_cursor *cursor, unsigned max,
                  void (*visit)(const struct of_flow_stats *stats, void *arg), void *arg)
{
	struct query query = {.request = request, .visit = visit, .arg = arg};
	bool all = request->table_id == OFPTT_ALL;

	if (!all && cursor->table == 0)
		cursor->table = request->table_id;
	while (cursor->table < PL_MAX_TABLES && (all || cursor->table == request->table_id)) {
		const struct pl_table *table = pl_table_at(bridge, cursor->table);

		if (table->n_rules &&
		    pl_slots_walk(&table->slots, &cursor->slot, max, rule_tell, &query))
			return true;
		cursor->slot = 0;
		cursor->table++;
		if (table->n_rules && all && cursor->table < PL_MAX_TABLES)
			return true;
	}
	return false;
}

void pl_table_stats(struct pl_bridge *bridge, uint8_t table_id, struct of_table_stats *stats)
{
	const struct pl_table *table = pl_table_at(bridge, table_id);

	*stats = (struct of_table_stats){
	        .table_id = table_id,
	        .active_count = table->n_rules,
	        .lookup_count = table->n_lookups,
	        .matched_count = table->n_matched,
	};
}

/* Table-features: every table can do everything. */

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

void pl_table_features(struct pl_bridge *bridge, uint8_t table_id,
                       struct of_table_features *features)
{
	const struct pl_table *table = pl_table_at(bridge, table_id);
	uint32_t actions = (1u << OF_N_ACTIONS) - 1, insts = 0;

#define X(id, number, name) insts |= OF_INST_##id;
	OF_INSTS(X)
#undef X
	memset(features, 0, sizeof(*features));
	features->table_id = table_id;
	snprintf(features->name, sizeof(features->name), "%s", table->name);
	features->metadata_match = features->metadata_write = UINT64_MAX;
	features->config = table->config;
	features->max_entries = PL_MAX_RULES;
	for (unsigned miss = 0; miss < 2; miss++) {
		bool last = table_id == PL_MAX_TABLES - 1;

		features->insts[miss] = last ? insts & ~(uint32_t)OF_INST_GOTO_TABLE : insts;
		features->write_actions[miss] = features->apply_actions[miss] = actions;
		for (unsigned next = table_id + 1; next < PL_MAX_TABLES; next++)
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
	       set_within(&asked->wildcards, &can->wildcards) &&
	       asked->max_entries <= can->max_entries;
}

int pl_table_features_set(struct pl_bridge *bridge, const struct of_table_features *list,
                          uint32_t n, struct of_error *err)
{
	struct of_table_features can;

	for (uint32_t i = 0; i < n; i++) {
		if (list[i].table_id >= PL_MAX_TABLES)
			return of_error_set(err, OFPTFFC_BAD_TABLE);
		pl_table_features(bridge, list[i].table_id, &can);
		if (!within(&list[i], &can))
			return of_error_set(err, OFPTFFC_BAD_ARGUMENT);
		for (uint32_t j = 0; j < i; j++)
			if (list[j].table_id == list[i].table_id)
				return of_error_set(err, OFPTFFC_BAD_TABLE);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct pl_table *table = pl_table_at(bridge, list[i].table_id);

		memcpy(table->name, list[i].name, sizeof(table->name));
		table->name[sizeof(table->name) - 1] = 0;
		table->config = list[i].config;
	}
	return 0;
}
