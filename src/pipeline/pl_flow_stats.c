/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of rules and tables (OpenFlow 1.3.5, section 7.3.5).
 * Threads: control.
 */
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
	const struct pl_rule *latest = pl_rule_latest(rule);
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
	stats.packet_count = latest->n_pkts;
	stats.byte_count = latest->n_bytes;
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

		if (table->n_published &&
		    pl_slots_walk(&table->slots, &cursor->slot, max, rule_tell, &query))
			return true;
		cursor->slot = 0;
		cursor->table++;
		if (table->n_published && all && cursor->table < PL_MAX_TABLES)
			return true;
	}
	return false;
}

bool pl_table_exists(struct pl_bridge *bridge, unsigned table_id)
{
	return table_id < PL_MAX_TABLES && !pl_table_at(bridge, table_id)->is_absent;
}

void pl_table_stats(struct pl_bridge *bridge, uint8_t table_id, struct of_table_stats *stats)
{
	const struct pl_table *table = pl_table_at(bridge, table_id);

	*stats = (struct of_table_stats){
	        .table_id = table_id,
	        .active_count = table->n_published,
	        .lookup_count = table->n_lookups,
	        .matched_count = table->n_matched,
	};
}
