/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables and rules, and the commit that makes changes visible.
 * Threads: control writes, workers read. Owner: this file.
 *
 * Life of a removed rule: out of the next version -(commit, grace period, walk; the flows that hit
 * it left the caches)-> its counters are final, flow-removed is sent, it is unlinked from its table
 * -(one more grace period)-> freed.
 */
#include "pipeline/pl_index_pvt.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "base/evs_log.h"
#include "base/evs_task.h"

uint64_t pl_version = 1;

#define STEP_LEN  4096  /* removed objects in one step of a pass */
#define SLICE_LEN 64    /* rules between two looks at the clock */
#define TURNS_A_S 1000  /* what is taken apart leaves the event loop a turn so often */
#define TRIM_LEN  65536 /* after so many freed rules memory goes back to the system */

/* What leaves with one version. */
struct batch {
	struct pl_vec rules, groups, meters;
	uint64_t seq; /* of the pass for it */
	struct batch *next;
	uint32_t cursor; /* in rules: where taking apart is */
	bool is_apart;   /* has begun to be taken apart, over several turns */
};

static struct batch *pending; /* of the next version */
static TAILQ_HEAD(, pl_table) dirty = TAILQ_HEAD_INITIALIZER(dirty);
static bool touched;
static pl_flow_removed_fn *flow_removed;
static void *flow_removed_arg;

void pl_vec_add(struct pl_vec *vec, void *item)
{
	if (vec->n == vec->cap) {
		vec->cap = vec->cap ? vec->cap * 2 : 16;
		vec->item = realloc(vec->item, vec->cap * sizeof(void *));
		if (!vec->item)
			abort(); /* a removed rule that is forgotten would be met for ever */
	}
	vec->item[vec->n++] = item;
}

static struct batch *batch_now(void)
{
	if (!pending) {
		pending = calloc(1, sizeof(*pending));
		if (!pending)
			abort(); /* as above */
	}
	return pending;
}

void pl_pending_touch(void)
{
	touched = true;
}

void pl_pending_group(struct pl_group *removed)
{
	pl_vec_add(&batch_now()->groups, removed);
}

void pl_pending_meter(struct pl_meter *removed)
{
	pl_vec_add(&batch_now()->meters, removed);
}

static void table_touch(struct pl_table *table)
{
	touched = true;
	if (table->is_dirty)
		return;
	table->is_dirty = true;
	TAILQ_INSERT_TAIL(&dirty, table, dirty);
}

/* Rules */

struct pl_rule *pl_rule_create(struct pl_table *table, const struct of_flow_mod *mod)
{
	size_t size = sizeof(struct pl_rule) + flow_cls_match_size(&mod->match.mask);
	struct pl_rule *rule = calloc(1, size);

	if (!rule)
		return NULL;
	rule->code = pl_code_create(&mod->insts);
	if (!rule->code) {
		free(rule);
		return NULL;
	}
	rule->table = table;
	rule->cookie = mod->cookie;
	rule->created_ns = evs_clock_ns();
	rule->used_ms = evs_clock_ms();
	rule->idle_timeout = mod->idle_timeout;
	rule->hard_timeout = mod->hard_timeout;
	rule->flags = (uint8_t)mod->flags;
	return rule;
}

static bool matches_all(const struct flow_key *mask)
{
	const uint64_t *word = (const uint64_t *)mask;
	uint64_t any = 0;

	for (unsigned i = 0; i < FLOW_KEY_N_U64; i++)
		any |= word[i];
	return !any;
}

static void rule_free(struct pl_rule *rule)
{
	free(rule->code);
	free(rule);
}

int pl_rule_insert(struct pl_rule *rule, const struct flow_match *match, uint16_t priority)
{
	struct pl_table *table = rule->table;
	int rc;

	assert(!evs_task_is_elsewhere());
	rule->cls.priority = priority;
	rule->is_miss = priority == 0 && matches_all(&match->mask);
	rc = pl_slots_add(&table->slots, rule);
	if (rc)
		goto free_rule;
	rc = flow_cls_insert(&table->cls, &rule->cls, &match->key, &match->mask, pl_next_version());
	if (rc)
		goto free_slot;
	table->n_rules++;
	pl_code_count(table->bridge, rule->code, 1);
	if (rule->idle_timeout || rule->hard_timeout)
		pl_timeout_add(rule);
	pl_added_collect(rule);
	table_touch(table);
	pl_journal_insert(rule);
	return 0;
free_slot:
	pl_slots_del(&table->slots, rule);
free_rule:
	rule_free(rule);
	return rc;
}

void pl_rule_remove(struct pl_rule *rule, uint8_t reason, bool notify)
{
	struct pl_table *table = rule->table;

	assert(!evs_task_is_elsewhere());
	pl_journal_remove(rule);
	flow_cls_remove(&table->cls, &rule->cls, pl_next_version());
	rule->reason = reason;
	rule->notify = notify && (rule->flags & OFPFF_SEND_FLOW_REM);
	table->n_rules--;
	pl_code_count(table->bridge, rule->code, -1);
	pl_timeout_del(rule);
	if (table->bridge->tables->implicit == rule)
		table->bridge->tables->implicit = NULL;
	pl_vec_add(&batch_now()->rules, rule);
	table_touch(table);
}

void pl_rules_each(struct pl_tables *tables, void (*visit)(struct pl_rule *rule, void *arg),
                   void *arg)
{
	for (unsigned i = 0; i < PL_MAX_TABLES; i++)
		pl_slots_each(&tables->table[i].slots, visit, arg);
}

void pl_on_flow_removed(pl_flow_removed_fn *fn, void *arg)
{
	flow_removed = fn;
	flow_removed_arg = arg;
}

static void tell_removed(const struct pl_rule *rule)
{
	uint64_t age_ns = evs_clock_ns() - rule->created_ns;
	struct of_flow_removed msg = {
	        .cookie = rule->cookie,
	        .priority = rule->cls.priority,
	        .reason = rule->reason,
	        .table_id = rule->table->id,
	        .duration_sec = (uint32_t)(age_ns / 1000000000u),
	        .duration_nsec = (uint32_t)(age_ns % 1000000000u),
	        .idle_timeout = rule->idle_timeout,
	        .hard_timeout = rule->hard_timeout,
	        .packet_count = rule->n_pkts,
	        .byte_count = rule->n_bytes,
	};

	flow_cls_rule_match(&rule->cls, &msg.match.key, &msg.match.mask);
	flow_removed(rule->table->bridge, &msg, flow_removed_arg);
}

/* Batches */

static uint32_t n_apart; /* batches */

bool pl_rules_leave(void)
{
	return n_apart > 0;
}

/* Handles the rules of a batch, for one turn; returns whether that was all of them. */
static bool each_rule(struct batch *batch, void (*fn)(struct pl_rule *rule))
{
	uint64_t end_tsc = evs_clock_tsc() + evs_clock_tsc_hz / TURNS_A_S;

	while (batch->cursor < batch->rules.n) {
		fn(batch->rules.item[batch->cursor++]);
		if (batch->cursor % SLICE_LEN == 0 && evs_clock_tsc() > end_tsc)
			break;
	}
	return batch->cursor == batch->rules.n;
}

/* Freed rules leave holes all over the heap, which the allocator would keep. */
static void trim(uint32_t n_rules)
{
	static uint32_t n_freed;

	n_freed += n_rules;
	if (n_freed < TRIM_LEN)
		return;
	n_freed = 0;
	malloc_trim(0);
}

static void batch_free(void *arg)
{
	struct batch *batch = arg;

	if (!each_rule(batch, rule_free)) {
		evs_rcu_call(batch_free, batch);
		return;
	}
	for (uint32_t i = 0; i < batch->groups.n; i++)
		pl_group_free(batch->groups.item[i]);
	for (uint32_t i = 0; i < batch->meters.n; i++)
		pl_meter_free(batch->meters.item[i]);
	free(batch->rules.item);
	free(batch->groups.item);
	free(batch->meters.item);
	trim(batch->rules.n);
	n_apart--;
	free(batch);
}

static void rule_gone(struct pl_rule *rule)
{
	if (rule->notify && flow_removed)
		tell_removed(rule);
	pl_slots_del(&rule->table->slots, rule);
	flow_cls_unlink(&rule->table->cls, &rule->cls);
}

/* No cached flow refers to what is in it: counters are final. No reader looks at a version that has
 * it. */
static void batch_gone(void *arg)
{
	struct batch *batch = arg;

	n_apart += !batch->is_apart; /* also while it waits: its tables must */
	batch->is_apart = true;
	if (evs_task_after(batch_gone, batch))
		return; /* it walks over what would be taken apart */
	if (!each_rule(batch, rule_gone)) {
		evs_rcu_call(batch_gone, batch);
		return;
	}
	batch->cursor = 0;
	for (uint32_t i = 0; i < batch->groups.n; i++)
		pl_group_unlink(batch->groups.item[i]);
	for (uint32_t i = 0; i < batch->meters.n; i++)
		pl_meter_unlink(batch->meters.item[i]);
	evs_rcu_call(batch_free, batch);
}

/* Batches wait for the pass of their version. */
static struct batch *walk_head, **walk_tail = &walk_head;
static uint32_t walk_cursor; /* in the head of the queue */

static void batch_queue(struct batch *batch, uint64_t seq)
{
	batch->seq = seq;
	batch->next = NULL;
	*walk_tail = batch;
	walk_tail = &batch->next;
}

/* Item i of a batch, all kinds one after the other. */
static void batch_doom(const struct batch *batch, uint32_t i)
{
	if (i < batch->rules.n) {
		pl_index_doom(FLOW_REF_RULE, batch->rules.item[i], 0, NULL, NULL);
		return;
	}
	i -= batch->rules.n;
	if (i < batch->groups.n)
		pl_index_doom(FLOW_REF_GROUP, batch->groups.item[i], 0, NULL, NULL);
	else
		pl_index_doom(FLOW_REF_METER, batch->meters.item[i - batch->groups.n], 0, NULL,
		              NULL);
}

bool pl_removed_step(uint64_t seq)
{
	struct batch *batch = walk_head;
	uint32_t n, end;

	if (!batch || batch->seq > seq)
		return false;
	n = pl_index_n_flows() ? batch->rules.n + batch->groups.n + batch->meters.n : 0;
	end = EVS_MIN(n, walk_cursor + STEP_LEN);
	for (; walk_cursor < end; walk_cursor++)
		batch_doom(batch, walk_cursor);
	if (walk_cursor < n)
		return true;
	walk_cursor = 0;
	walk_head = batch->next;
	if (!walk_head)
		walk_tail = &walk_head;
	return true;
}

static bool is_put_off;

static void commit_after(void *arg)
{
	is_put_off = false;
	pl_commit();
}

/* Nobody sees half of what a task does. */
static bool has_to_wait(void)
{
	if (evs_task_is_elsewhere())
		is_put_off = is_put_off || evs_task_after(commit_after, NULL);
	return evs_task_is_elsewhere();
}

void pl_commit(void)
{
	struct batch *batch = pending;
	struct pl_table *table;

	if ((!touched && !batch) || has_to_wait())
		return;
	while ((table = TAILQ_FIRST(&dirty))) {
		TAILQ_REMOVE(&dirty, table, dirty);
		table->is_dirty = false;
		table->n_published = table->n_rules;
		if (flow_cls_publish(&table->cls))
			abort(); /* readers would not find rules that were acknowledged */
	}
	evs_store_release(&pl_version, pl_version + 1);
	touched = false;
	pending = NULL;
	pl_added_commit(pl_change_seq());
	if (!batch) {
		pl_change_rules();
		return;
	}
	batch_queue(batch, pl_change_seq());
	pl_change_batch(batch_gone, batch);
}

/* Workers credit packets that they could not cache, beside the control thread. */
EVS_INLINE void count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void credit_rule(struct pl_rule *rule, const struct pl_credit *credit)
{
	count(&rule->table->n_lookups, credit->pkts);
	count(&rule->table->n_matched, credit->pkts);
	rule = pl_rule_latest(rule);
	count(&rule->n_pkts, credit->pkts);
	count(&rule->n_bytes, credit->bytes);
	if ((int32_t)(credit->used_ms - evs_load_relaxed(&rule->used_ms)) > 0)
		evs_store_relaxed(&rule->used_ms, credit->used_ms);
}

static void credit_group(struct pl_group *group, const struct flow_ref *ref,
                         const struct pl_credit *credit)
{
	if (ref->flags & PL_REF_FIRST) {
		count(&group->n_pkts, credit->pkts);
		count(&group->n_bytes, credit->bytes);
	}
	if (ref->arg < group->n_buckets) {
		count(&group->buckets[ref->arg].n_pkts, credit->pkts);
		count(&group->buckets[ref->arg].n_bytes, credit->bytes);
	}
}

void pl_of_credit(const struct flow_ref *ref, const struct pl_credit *credit)
{
	if (ref->kind == FLOW_REF_RULE)
		credit_rule(ref->obj, credit);
	else if (ref->kind == FLOW_REF_TABLE_MISS)
		count(&((struct pl_table *)ref->obj)->n_lookups, credit->pkts);
	else if (ref->kind == FLOW_REF_GROUP)
		credit_group(ref->obj, ref, credit);
}

void pl_of_tick(uint32_t now_ms)
{
	if (!evs_task_is_elsewhere())
		pl_timeout_run(now_ms);
	pl_recirc_tick(now_ms);
}

/* Tables of a bridge */

static void implicit_add(struct pl_bridge *bridge)
{
	static const struct of_action normal = {
	        .kind = OF_ACTION_OUTPUT, .size8 = 1, .port = OFPP_NORMAL};
	struct of_flow_mod mod = {
	        .insts = {.set = OF_INST_APPLY_ACTIONS, .apply = {&normal, sizeof(normal)}},
	};
	struct pl_rule *rule = pl_rule_create(pl_table_at(bridge, 0), &mod);

	if (!rule || pl_rule_insert(rule, &mod.match, 0))
		EVS_LOG(pipeline, ERR, "bridge '%s': no memory for its NORMAL rule", bridge->name);
	else
		bridge->tables->implicit = rule;
}

static bool acts_as_normal(const struct pl_bridge *bridge)
{
	return bridge->config.fail_mode == PL_FAIL_STANDALONE && !bridge->config.has_controller;
}

static void tables_free(void *arg)
{
	struct pl_tables *tables = arg;

	for (unsigned i = 0; i < PL_MAX_TABLES; i++) {
		if (tables->table[i].bridge)
			flow_cls_fini(&tables->table[i].cls);
		free(tables->table[i].slots.slot);
	}
	free(tables);
}

int pl_tables_create(struct pl_bridge *bridge, struct pl_tables **tablesp, struct evs_error *err)
{
	struct pl_tables *tables = calloc(1, sizeof(*tables));

	if (!tables)
		goto no_memory;
	tables->bridge = bridge;
	for (unsigned i = 0; i < PL_MAX_TABLES; i++) {
		struct pl_table *table = &tables->table[i];

		if (flow_cls_init(&table->cls))
			goto free_tables;
		table->bridge = bridge;
		table->id = (uint8_t)i;
		snprintf(table->name, sizeof(table->name), "table%u", i);
	}
	*tablesp = tables;
	if (acts_as_normal(bridge)) {
		implicit_add(bridge);
		pl_commit();
	}
	return 0;
free_tables:
	tables_free(tables);
no_memory:
	return evs_error_set(err, -ENOMEM, "bridge '%s': no memory for its tables", bridge->name);
}

/* Rules that are gone too need their table, until they are free. */
static void tables_gone(void *arg)
{
	evs_rcu_call(pl_rules_leave() ? tables_gone : tables_free, arg);
}

static void remove_silently(struct pl_rule *rule, void *arg)
{
	pl_rule_remove(rule, OFPRR_DELETE, false);
}

void pl_tables_destroy(struct pl_tables *tables)
{
	pl_rules_each(tables, remove_silently, NULL);
	pl_groups_clear(tables);
	pl_meters_clear(tables);
	pl_commit();
	pl_change_call(tables_gone, tables);
}

void pl_tables_bridge_set(struct pl_bridge *bridge)
{
	struct pl_tables *tables = bridge->tables;

	if (acts_as_normal(bridge) && !tables->table[0].n_rules)
		implicit_add(bridge);
	else if (!acts_as_normal(bridge) && tables->implicit)
		pl_rule_remove(tables->implicit, OFPRR_DELETE, false);
	else
		return;
	pl_commit();
}
