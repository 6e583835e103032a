/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups: the table of a bridge, and group-mod (OpenFlow 1.3.5, section 6.5 and 7.3.4.2).
 * Threads: control writes, workers look up. Owner: this file.
 *
 * A group is one piece of memory: itself, its buckets, their actions. It is immutable but for its
 * counters; a modified group is a new one, with new counters, from the next version on.
 */
#include "pipeline/pl_of_pvt.h"

#include <stdlib.h>

#include "base/evs_clock.h"
#include "base/evs_task.h"

#define MAX_BUCKETS 4096
#define MAX_CHAIN   16 /* groups within groups */

struct pl_group *pl_group_lookup(const struct pl_tables *tables, uint32_t id, uint64_t version)
{
	struct pl_group *group = evs_load_acquire(&tables->groups[id % PL_GROUP_BUCKETS]);

	while (group && (group->id != id || !pl_exists(group->added, &group->removed, version)))
		group = evs_load_acquire(&group->next);
	return group;
}

void pl_group_free(struct pl_group *group)
{
	free(group);
}

void pl_group_unlink(struct pl_group *group)
{
	struct pl_group **link = &group->bridge->tables->groups[group->id % PL_GROUP_BUCKETS];

	while (*link != group)
		link = &(*link)->next;
	evs_store_release(link, group->next);
}

static size_t actions_size(const struct of_group_mod *mod)
{
	size_t size = 0;

	for (uint32_t i = 0; i < mod->n_buckets; i++)
		size += mod->buckets[i].actions.size;
	return size;
}

static struct pl_group *group_create(struct pl_bridge *bridge, const struct of_group_mod *mod)
{
	size_t buckets = mod->n_buckets * sizeof(struct pl_bucket);
	struct pl_group *group = calloc(1, sizeof(*group) + buckets + actions_size(mod));
	uint8_t *bytes;

	if (!group)
		return NULL;
	group->id = mod->group_id;
	group->type = mod->type;
	group->bridge = bridge;
	group->n_buckets = mod->n_buckets;
	group->buckets = (struct pl_bucket *)(group + 1);
	group->created_ns = evs_clock_ns();
	group->added = pl_next_version();
	group->removed = FLOW_CLS_VERSION_MAX;
	bytes = (uint8_t *)(group->buckets + mod->n_buckets);
	for (uint32_t i = 0; i < mod->n_buckets; i++) {
		const struct of_bucket *from = &mod->buckets[i];
		struct pl_bucket *to = &group->buckets[i];

		*to = (struct pl_bucket){
		        .actions = {(struct of_action *)bytes, from->actions.size},
		        .weight = from->weight,
		        .watch_port = from->watch_port,
		        .watch_group = from->watch_group,
		};
		if (from->actions.size)
			memcpy(bytes, from->actions.list, from->actions.size);
		bytes += from->actions.size;
	}
	return group;
}

/* Counts the group's uses of other groups up or down. */
static void count_chained(const struct pl_group *group, int by)
{
	for (uint32_t i = 0; i < group->n_buckets; i++)
		pl_actions_count(group->bridge, &group->buckets[i].actions, by);
}

static void group_link(struct pl_group *group)
{
	struct pl_group **head = &group->bridge->tables->groups[group->id % PL_GROUP_BUCKETS];

	assert(!evs_task_is_elsewhere());
	group->next = *head;
	evs_store_release(head, group);
	group->bridge->tables->n_groups++;
	count_chained(group, 1);
	pl_pending_touch();
}

static void group_remove(struct pl_group *group)
{
	assert(!evs_task_is_elsewhere());
	count_chained(group, -1);
	evs_store_relaxed(&group->removed, pl_next_version());
	group->bridge->tables->n_groups--;
	pl_pending_group(group);
}

/* Checks */

/* Whether the group `id`, or one that its buckets lead to, leads to `target`. */
static bool leads_to(struct pl_bridge *bridge, const struct of_actions *actions, uint32_t target,
                     unsigned depth, bool *too_deep)
{
	OF_ACTION_FOREACH(action, actions)
	{
		const struct pl_group *group;

		if (action->kind != OF_ACTION_GROUP)
			continue;
		if (action->group_id == target)
			return true;
		if (depth >= MAX_CHAIN) {
			*too_deep = true;
			return false;
		}
		group = pl_group_lookup(bridge->tables, action->group_id, pl_next_version());
		for (uint32_t i = 0; group && i < group->n_buckets; i++)
			if (leads_to(bridge, &group->buckets[i].actions, target, depth + 1,
			             too_deep))
				return true;
	}
	return false;
}

/* Only the buckets of select and fast failover groups are chosen by what lives. */
static int check_watch(struct pl_bridge *bridge, const struct of_group_mod *mod,
                       const struct of_bucket *bucket, struct of_error *err)
{
	uint32_t port = bucket->watch_port, group = bucket->watch_group;

	if (mod->type == OFPGT_FF && port == OFPP_ANY && group == OFPG_ANY)
		return of_error_set(err, OFPGMFC_BAD_WATCH);
	if (mod->type != OFPGT_FF && (mod->type != OFPGT_SELECT || !pl_bucket_watches(port, group)))
		return 0;
	if (group != OFPG_ANY &&
	    (group == mod->group_id || !pl_group_lookup(bridge->tables, group, pl_next_version())))
		return of_error_set(err, OFPGMFC_BAD_WATCH);
	if (port != OFPP_ANY && (port == 0 || (port > OFPP_MAX && port != OFPP_LOCAL)))
		return of_error_set(err, OFPGMFC_BAD_WATCH);
	return 0;
}

static int check_bucket(struct pl_bridge *bridge, const struct of_group_mod *mod,
                        const struct of_bucket *bucket, struct of_error *err)
{
	bool too_deep = false;
	struct of_insts insts = {.set = OF_INST_WRITE_ACTIONS, .write = bucket->actions};
	int rc = of_insts_check(&insts, NULL, err);

	if (!rc)
		rc = check_watch(bridge, mod, bucket, err);
	if (rc)
		return rc;
	if (leads_to(bridge, &bucket->actions, mod->group_id, 0, &too_deep))
		return of_error_set(err, OFPGMFC_LOOP);
	if (too_deep)
		return of_error_set(err, OFPGMFC_CHAINING_UNSUPPORTED);
	return pl_check_actions(bridge, &bucket->actions, false, err);
}

static int check(struct pl_bridge *bridge, const struct of_group_mod *mod, struct of_error *err)
{
	uint64_t weights = 0;

	if (mod->type >= OF_N_GROUP_TYPES)
		return of_error_set(err, OFPGMFC_BAD_TYPE);
	if (mod->group_id > OFPG_MAX)
		return of_error_set(err, OFPGMFC_INVALID_GROUP);
	if (mod->n_buckets > MAX_BUCKETS)
		return of_error_set(err, OFPGMFC_OUT_OF_BUCKETS);
	if (mod->type == OFPGT_INDIRECT && mod->n_buckets != 1)
		return of_error_set(err, OFPGMFC_INVALID_GROUP);
	for (uint32_t i = 0; i < mod->n_buckets; i++) {
		int rc;

		if (mod->type != OFPGT_SELECT && mod->buckets[i].weight)
			return of_error_set(err, OFPGMFC_INVALID_GROUP);
		weights += mod->buckets[i].weight;
		rc = check_bucket(bridge, mod, &mod->buckets[i], err);
		if (rc)
			return rc;
	}
	/* nothing could ever be selected */
	if (mod->type == OFPGT_SELECT && mod->n_buckets && !weights)
		return of_error_set(err, OFPGMFC_INVALID_GROUP);
	return 0;
}

/* Group-mod */

static int add(struct pl_bridge *bridge, const struct of_group_mod *mod, struct of_error *err)
{
	struct pl_group *group;
	int rc;

	if (mod->group_id <= OFPG_MAX &&
	    pl_group_lookup(bridge->tables, mod->group_id, pl_next_version()))
		return of_error_set(err, OFPGMFC_GROUP_EXISTS);
	rc = check(bridge, mod, err);
	if (rc)
		return rc;
	if (bridge->tables->n_groups >= PL_MAX_GROUPS)
		return of_error_set(err, OFPGMFC_OUT_OF_GROUPS);
	group = group_create(bridge, mod);
	if (!group)
		return -ENOMEM;
	group_link(group);
	return 0;
}

static int modify(struct pl_bridge *bridge, const struct of_group_mod *mod, struct of_error *err)
{
	struct pl_group *old, *group;
	int rc;

	if (mod->group_id > OFPG_MAX)
		return of_error_set(err, OFPGMFC_INVALID_GROUP);
	old = pl_group_lookup(bridge->tables, mod->group_id, pl_next_version());
	if (!old)
		return of_error_set(err, OFPGMFC_UNKNOWN_GROUP);
	rc = check(bridge, mod, err);
	if (rc)
		return rc;
	group = group_create(bridge, mod);
	if (!group)
		return -ENOMEM;
	group->n_refs = old->n_refs;
	group_remove(old);
	group_link(group);
	return 0;
}

static bool is_chained(const struct pl_tables *tables, uint32_t id)
{
	for (unsigned i = 0; i < PL_GROUP_BUCKETS; i++) {
		const struct pl_group *group;

		for (group = tables->groups[i]; group; group = group->next) {
			if (!pl_exists(group->added, &group->removed, pl_next_version()))
				continue;
			for (uint32_t j = 0; j < group->n_buckets; j++)
				OF_ACTION_FOREACH(action, &group->buckets[j].actions)
			if (action->kind == OF_ACTION_GROUP && action->group_id == id)
				return true;
		}
	}
	return false;
}

static bool has_group(const struct of_actions *actions)
{
	OF_ACTION_FOREACH(action, actions)
	{
		if (action->kind == OF_ACTION_GROUP)
			return true;
	}
	return false;
}

static void remove_user(struct pl_rule *rule, void *arg)
{
	uint32_t id = *(const uint32_t *)arg;
	struct of_actions apply = pl_code_apply(rule->code), write = pl_code_write(rule->code);

	if (id == OFPG_ALL ? has_group(&apply) || has_group(&write)
	                   : pl_code_has_output(rule->code, OFPP_ANY, id))
		pl_rule_remove(rule, OFPRR_GROUP_DELETE, true);
}

/* Rules that name the group, or any (OFPG_ALL), go with it. */
static void remove_users(struct pl_tables *tables, uint32_t id)
{
	pl_rules_each(tables, remove_user, &id);
}

static void visit_chain(struct pl_group *group, uint64_t version,
                        void (*fn)(struct pl_group *group, void *arg), void *arg)
{
	evs_task_breathe();
	for (; group; group = group->next)
		if (pl_exists(group->added, &group->removed, version))
			fn(group, arg);
}

/* The published groups of up to n chains from *cursor on; false: that was the end. */
static bool some_groups(const struct pl_tables *tables, uint32_t *cursor, uint32_t n,
                        void (*fn)(struct pl_group *group, void *arg), void *arg)
{
	for (; n && *cursor < PL_GROUP_BUCKETS; n--, ++*cursor)
		visit_chain(tables->groups[*cursor], pl_version, fn, arg);
	return *cursor < PL_GROUP_BUCKETS;
}

static void remove_one(struct pl_group *group, void *arg)
{
	group_remove(group);
}

void pl_groups_clear(struct pl_tables *tables)
{
	if (!tables->n_groups)
		return;
	remove_users(tables, OFPG_ALL);
	for (unsigned i = 0; i < PL_GROUP_BUCKETS; i++)
		visit_chain(tables->groups[i], pl_next_version(), remove_one, NULL);
}

static int delete (struct pl_bridge *bridge, const struct of_group_mod *mod, struct of_error *err)
{
	struct pl_group *group;

	if (mod->group_id == OFPG_ALL) {
		pl_groups_clear(bridge->tables);
		return 0;
	}
	if (mod->group_id > OFPG_MAX)
		return of_error_set(err, OFPGMFC_INVALID_GROUP);
	group = pl_group_lookup(bridge->tables, mod->group_id, pl_next_version());
	if (!group)
		return 0; /* section 6.5: no error */
	if (is_chained(bridge->tables, mod->group_id))
		return of_error_set(err, OFPGMFC_CHAINED_GROUP);
	if (group->n_refs)
		remove_users(bridge->tables, group->id);
	group_remove(group);
	return 0;
}

int pl_group_mod(struct pl_bridge *bridge, const struct of_group_mod *mod, struct of_error *err)
{
	switch (mod->command) {
	case OFPGC_ADD:
		return add(bridge, mod, err);
	case OFPGC_MODIFY:
		return modify(bridge, mod, err);
	case OFPGC_DELETE:
		return delete (bridge, mod, err);
	default:
		return of_error_set(err, OFPGMFC_BAD_COMMAND);
	}
}

/* Statistics */

struct visitor {
	void (*stats)(const struct of_group_stats *stats, void *arg);
	void (*desc)(const struct of_group_desc *desc, void *arg);
	void *arg;
};

static void tell_stats(struct pl_group *group, void *arg)
{
	const struct visitor *visitor = arg;
	struct of_bucket_counter *counters = calloc(group->n_buckets + 1, sizeof(*counters));
	uint64_t age_ns = evs_clock_ns() - group->created_ns;
	struct of_group_stats stats = {
	        .group_id = group->id,
	        .ref_count = group->n_refs,
	        .packet_count = group->n_pkts,
	        .byte_count = group->n_bytes,
	        .duration_sec = (uint32_t)(age_ns / 1000000000u),
	        .duration_nsec = (uint32_t)(age_ns % 1000000000u),
	        .buckets = counters,
	        .n_buckets = counters ? group->n_buckets : 0,
	};

	for (uint32_t i = 0; i < stats.n_buckets; i++)
		counters[i] = (struct of_bucket_counter){group->buckets[i].n_pkts,
		                                         group->buckets[i].n_bytes};
	visitor->stats(&stats, visitor->arg);
	free(counters);
}

bool pl_group_walk(struct pl_bridge *bridge, uint32_t group_id, uint32_t *cursor,
                   void (*visit)(const struct of_group_stats *stats, void *arg), void *arg)
{
	struct visitor visitor = {.stats = visit, .arg = arg};
	struct pl_group *group;

	if (group_id == OFPG_ALL)
		return some_groups(bridge->tables, cursor, PL_WALK_CHAINS, tell_stats, &visitor);
	group = pl_group_lookup(bridge->tables, group_id, pl_version);
	if (group)
		tell_stats(group, &visitor);
	return false;
}

static void tell_desc(struct pl_group *group, void *arg)
{
	const struct visitor *visitor = arg;
	struct of_bucket *buckets = calloc(group->n_buckets + 1, sizeof(*buckets));
	struct of_group_desc desc = {
	        .type = group->type,
	        .group_id = group->id,
	        .buckets = buckets,
	        .n_buckets = buckets ? group->n_buckets : 0,
	};

	for (uint32_t i = 0; i < desc.n_buckets; i++)
		buckets[i] = (struct of_bucket){
		        .weight = (uint16_t)group->buckets[i].weight,
		        .watch_port = group->buckets[i].watch_port,
		        .watch_group = group->buckets[i].watch_group,
		        .actions = group->buckets[i].actions,
		};
	visitor->desc(&desc, visitor->arg);
	free(buckets);
}

bool pl_group_desc_walk(struct pl_bridge *bridge, uint32_t *cursor,
                        void (*visit)(const struct of_group_desc *desc, void *arg), void *arg)
{
	struct visitor visitor = {.desc = visit, .arg = arg};

	return some_groups(bridge->tables, cursor, PL_WALK_CHAINS, tell_desc, &visitor);
}

void pl_group_features(struct of_group_features *features)
{
	static const uint32_t actions =
#define X(id, number, size, name) 1u << (number) |
	        OF_ACTIONS(X)
#undef X
	                0;

	memset(features, 0, sizeof(*features));
	features->capabilities = OFPGFC_SELECT_WEIGHT | OFPGFC_SELECT_LIVENESS | OFPGFC_CHAINING |
	                         OFPGFC_CHAINING_CHECKS;
	for (unsigned type = 0; type < OF_N_GROUP_TYPES; type++) {
		features->types |= 1u << type;
		features->max_groups[type] = PL_MAX_GROUPS;
		features->actions[type] = actions;
	}
}
