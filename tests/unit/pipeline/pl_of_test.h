/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building flow-mods, group-mods and actions for the tests of the pipeline.
 */
#ifndef PL_OF_TEST_H
#define PL_OF_TEST_H

#include "pl_test.h"

/* Action lists are taken from here and given back all at once. */
static uint64_t pt_pool[1 << 20];
static unsigned pt_pool_used;
static struct of_error pt_err;

struct pt_list {
	struct of_actions actions;
};

static EVS_UNUSED struct of_action *pt_act(struct of_actions *list, unsigned kind, unsigned words)
{
	struct of_action *action = (struct of_action *)&pt_pool[pt_pool_used];

	assert_true(pt_pool_used + words < EVS_ARRAY_LEN(pt_pool));
	if (!list->list)
		list->list = action;
	memset(action, 0, words * 8);
	action->kind = (uint8_t)kind;
	action->size8 = (uint8_t)words;
	list->size += words * 8;
	pt_pool_used += words;
	return action;
}

static EVS_UNUSED void pt_output(struct of_actions *list, uint32_t port)
{
	struct of_action *action = pt_act(list, OF_ACTION_OUTPUT, 1);

	action->port = port;
	if (port == OFPP_CONTROLLER)
		action->max_len = OF_CML_NO_BUF;
}

static EVS_UNUSED void pt_group(struct of_actions *list, uint32_t group_id)
{
	pt_act(list, OF_ACTION_GROUP, 1)->group_id = group_id;
}

static EVS_UNUSED void pt_set(struct of_actions *list, enum flow_field_id id, uint64_t value)
{
	const struct flow_field *field = &flow_fields[id];
	unsigned words = field->size > 8 ? 5 : 3;
	struct of_action *action = pt_act(list, OF_ACTION_SET_FIELD, words);

	action->field = (uint16_t)id;
	flow_field_value_put_u64(field, action->value, value);
	flow_field_ones(field, action->value + of_action_value_size(action));
}

static EVS_UNUSED void pt_tag_op(struct of_actions *list, unsigned kind, uint16_t eth_type)
{
	pt_act(list, kind, 1)->eth_type = eth_type;
}

static EVS_UNUSED struct of_actions pt_out(uint32_t port)
{
	struct of_actions list = {NULL, 0};

	pt_output(&list, port);
	return list;
}

/* A flow-mod to fill in. */
static EVS_UNUSED struct of_flow_mod pt_mod(uint8_t table, uint16_t priority)
{
	struct of_flow_mod mod = {
	        .table_id = table,
	        .command = OFPFC_ADD,
	        .priority = priority,
	        .out_port = OFPP_ANY,
	        .out_group = OFPG_ANY,
	        .buffer_id = OF_NO_BUFFER,
	};

	return mod;
}

static EVS_UNUSED void pt_apply(struct of_flow_mod *mod, struct of_actions actions)
{
	mod->insts.set |= OF_INST_APPLY_ACTIONS;
	mod->insts.apply = actions;
}

static EVS_UNUSED void pt_write(struct of_flow_mod *mod, struct of_actions actions)
{
	mod->insts.set |= OF_INST_WRITE_ACTIONS;
	mod->insts.write = actions;
}

static EVS_UNUSED void pt_goto(struct of_flow_mod *mod, uint8_t table)
{
	mod->insts.set |= OF_INST_GOTO_TABLE;
	mod->insts.goto_table = table;
}

static EVS_UNUSED void pt_match(struct of_flow_mod *mod, enum flow_field_id id, uint64_t value)
{
	flow_match_add_u64(&mod->match, id, value);
}

static EVS_UNUSED void pt_match_udp(struct of_flow_mod *mod, uint64_t port)
{
	pt_match(mod, FLOW_FIELD_ETH_TYPE, 0x0800);
	pt_match(mod, FLOW_FIELD_IP_PROTO, 17);
	pt_match(mod, FLOW_FIELD_UDP_DST, port);
}

/* Sends it; fails the test if it is refused. */
static EVS_UNUSED void pt_send(struct pl_bridge *br, const struct of_flow_mod *mod)
{
	if (pl_flow_mod(br, mod, &pt_err))
		fail_msg("flow-mod: %s", of_error_name(pt_err));
}

/* Sends it; the error that came back, 0 if none. */
static EVS_UNUSED int pt_refused(struct pl_bridge *br, const struct of_flow_mod *mod)
{
	return pl_flow_mod(br, mod, &pt_err) ? pt_err.type << 16 | pt_err.code : 0;
}

static EVS_UNUSED void pt_group_mod(struct pl_bridge *br, unsigned command, uint32_t id,
                                    unsigned type, const struct of_bucket *buckets, uint32_t n)
{
	struct of_group_mod mod = {
	        .command = (uint16_t)command,
	        .type = (uint8_t)type,
	        .group_id = id,
	        .buckets = buckets,
	        .n_buckets = n,
	};

	if (pl_group_mod(br, &mod, &pt_err))
		fail_msg("group-mod: %s", of_error_name(pt_err));
}

static EVS_UNUSED struct of_bucket pt_bucket(uint16_t weight, uint32_t watch_port,
                                             struct of_actions actions)
{
	return (struct of_bucket){weight, watch_port, OFPG_ANY, actions};
}

/* A secure bridge (no rules) with ports 1 to n. */
static EVS_UNUSED struct pl_bridge *pt_secure(const char *name, unsigned n)
{
	struct pl_bridge_config config = {.dpid = 1, .fail_mode = PL_FAIL_SECURE};
	struct evs_error err = {0};
	struct pl_bridge *bridge = NULL;

	pt_pool_used = 0;
	assert_int_equal(pl_bridge_create(name, &config, &bridge, &err), 0);
	for (unsigned i = 1; i <= n; i++)
		pt_port(bridge, (uint16_t)i);
	return bridge;
}

/* Publishes and lets the grace period and the walk pass. */
static EVS_UNUSED void pt_commit(void)
{
	pl_commit();
	while (evs_rcu_poll())
		;
}

#endif
