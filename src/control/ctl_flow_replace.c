/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method flow.replace: makes the tables of a bridge what a list says, in one version.
 * Threads: control.
 *
 * Rules that are the same already stay as they are, with their counters and cached flows.
 */
#include <stdlib.h>
#include <string.h>

#include "control/ctl_rules.h"

#define KEPT_FLAGS ((unsigned)(OFPFF_SEND_FLOW_REM | OFPFF_NO_PKT_COUNTS | OFPFF_NO_BYT_COUNTS))

struct replace {
	struct of_arena arena;
	struct of_flow_mod *wanted; /* sorted; of equal rules the last one remains */
	uint32_t *line;             /* of each, from 0 */
	bool *same;                 /* is in the table as wanted */
	uint32_t n;
	struct of_flow_mod *mods; /* what is to be done */
	uint32_t n_mods, cap;
	bool no_memory;
};

struct item {
	const struct of_flow_mod *mod;
	uint32_t line;
};

static int compare_mods(const struct of_flow_mod *a, const struct of_flow_mod *b)
{
	if (a->table_id != b->table_id)
		return a->table_id < b->table_id ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return memcmp(&a->match, &b->match, sizeof(a->match));
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int c = compare_mods(x->mod, y->mod);

	return c ? c : x->line < y->line ? -1 : 1;
}

static int compare_found(const void *a, const void *b)
{
	return compare_mods(a, b);
}

static bool same_bytes(const struct of_actions *a, const struct of_actions *b)
{
	return a->size == b->size && (a->size == 0 || !memcmp(a->list, b->list, a->size));
}

static bool same_rule(const struct of_flow_mod *a, const struct of_flow_stats *b)
{
	const struct of_insts *x = &a->insts, *y = &b->insts;

	return a->cookie == b->cookie && a->idle_timeout == b->idle_timeout &&
	       a->hard_timeout == b->hard_timeout && !((a->flags ^ b->flags) & KEPT_FLAGS) &&
	       x->set == y->set && x->metadata == y->metadata &&
	       x->metadata_mask == y->metadata_mask && x->meter_id == y->meter_id &&
	       x->goto_table == y->goto_table && same_bytes(&x->apply, &y->apply) &&
	       same_bytes(&x->write, &y->write);
}

static void add_mod(struct replace *r, const struct of_flow_mod *mod)
{
	if (r->n_mods == r->cap) {
		uint32_t cap = r->cap ? r->cap * 2 : 256;
		struct of_flow_mod *mods = realloc(r->mods, cap * sizeof(*mods));

		if (!mods) {
			r->no_memory = true;
			return;
		}
		r->mods = mods;
		r->cap = cap;
	}
	r->mods[r->n_mods++] = *mod;
}

/* A rule that is there: as wanted, to be changed (later, by ADD), or to go. */
static void visit(const struct of_flow_stats *stats, void *arg)
{
	struct replace *r = arg;
	struct of_flow_mod mod = {
	        .command = OFPFC_DELETE_STRICT,
	        .table_id = stats->table_id,
	        .priority = stats->priority,
	        .buffer_id = OF_NO_BUFFER,
	        .out_port = OFPP_ANY,
	        .out_group = OFPG_ANY,
	        .match = stats->match,
	};
	const struct of_flow_mod *found =
	        r->n ? bsearch(&mod, r->wanted, r->n, sizeof(mod), compare_found) : NULL;

	if (!found)
		add_mod(r, &mod);
	else if (same_rule(found, stats))
		r->same[found - r->wanted] = true;
}

static bool is_blank(const char *text)
{
	text += strspn(text, " \t\r\n");
	return *text == '\0' || *text == '#';
}

static int parse(struct ctl_call *call, struct ctl_bridge *bridge, struct replace *r,
                 struct of_flow_mod *parsed, struct item *items)
{
	const json_t *flows = json_object_get(call->params, "flows");
	struct of_text_names names = ctl_rules_names(bridge);
	size_t n_lines = json_array_size(flows), n = 0;

	for (size_t i = 0; i < n_lines; i++) {
		const char *text = json_string_value(json_array_get(flows, i));

		if (is_blank(text))
			continue;
		if (of_text_parse_flow(text, OFPFC_ADD, &names, &r->arena, &parsed[n], &call->err))
			return ctl_rules_item_refused(call, "line", i, SIZE_MAX);
		items[n] = (struct item){&parsed[n], (uint32_t)i};
		n++;
	}
	qsort(items, n, sizeof(*items), compare_items);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && !compare_mods(items[i].mod, items[i + 1].mod))
			continue;
		r->line[r->n] = items[i].line;
		r->wanted[r->n++] = *items[i].mod;
	}
	return 0;
}

static int read_list(struct ctl_call *call, struct ctl_bridge *bridge, struct replace *r)
{
	size_t n = json_array_size(json_object_get(call->params, "flows"));
	struct of_flow_mod *parsed = calloc(n, sizeof(*parsed));
	struct item *items = calloc(n, sizeof(*items));
	int ret = -ENOMEM;

	r->wanted = calloc(n, sizeof(*r->wanted));
	r->line = calloc(n, sizeof(*r->line));
	r->same = calloc(n, sizeof(*r->same));
	if (parsed && items && r->wanted && r->line && r->same)
		ret = parse(call, bridge, r, parsed, items);
	free(parsed);
	free(items);
	return ret;
}

/* The line of the i-th modification that adds a rule. */
static uint32_t line_of(const struct replace *r, uint32_t failed, uint32_t n_deleted)
{
	uint32_t i = 0;

	for (uint32_t left = failed - n_deleted;; i++)
		if (!r->same[i] && left-- == 0)
			return r->line[i];
}

static int apply(struct ctl_call *call, struct ctl_bridge *bridge, struct replace *r)
{
	struct of_flow_request all = {.table_id = OFPTT_ALL, .out_port = OFPP_ANY};
	struct pl_flow_cursor cursor = {0};
	struct of_error why = {0};
	uint32_t n_deleted, failed = 0;
	int ret;

	all.out_group = OFPG_ANY;
	while (pl_flow_walk(bridge->pl, &all, &cursor, UINT32_MAX, visit, r))
		;
	n_deleted = r->n_mods;
	for (uint32_t i = 0; i < r->n; i++)
		if (!r->same[i])
			add_mod(r, &r->wanted[i]);
	if (r->no_memory)
		return -ENOMEM;
	ret = pl_flow_mods(bridge->pl, r->mods, r->n_mods, &failed, &why);
	if (ret == 0) {
		call->result = json_pack("{s:I, s:I, s:I}", "deleted", (json_int_t)n_deleted,
		                         "written", (json_int_t)(r->n_mods - n_deleted), "kept",
		                         (json_int_t)(r->n - (r->n_mods - n_deleted)));
		return ctl_rules_publish(call);
	}
	pl_commit(); /* what was taken back */
	ret = ctl_rules_refused(call, ret, why);
	return failed < n_deleted ? ret
	                          : ctl_rules_item_refused(call, "line",
	                                                   line_of(r, failed, n_deleted), SIZE_MAX);
}

int ctl_flow_replace(struct ctl_call *call)
{
	struct ctl_bridge *bridge = ctl_rules_bridge(call);
	struct replace r = {.n = 0};
	int ret;

	if (!bridge)
		return call->err.code;
	of_arena_init(&r.arena);
	ret = read_list(call, bridge, &r);
	if (ret == 0)
		ret = apply(call, bridge, &r);
	of_arena_fini(&r.arena);
	free(r.wanted);
	free(r.line);
	free(r.same);
	free(r.mods);
	return ret;
}
