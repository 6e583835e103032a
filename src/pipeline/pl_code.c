/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions of rules: at rest, and whether they may be.
 * Threads: control. Owner: the rule.
 */
#include "pipeline/pl_of_pvt.h"

#include <stdlib.h>

struct pl_code *pl_code_create(const struct of_insts *insts)
{
	uint32_t apply = insts->set & OF_INST_APPLY_ACTIONS ? insts->apply.size : 0;
	uint32_t write = insts->set & OF_INST_WRITE_ACTIONS ? insts->write.size : 0;
	struct pl_code *code = malloc(sizeof(*code) + apply + write);

	if (!code)
		return NULL;
	*code = (struct pl_code){
	        .metadata = insts->metadata & insts->metadata_mask,
	        .metadata_mask = insts->metadata_mask,
	        .set = insts->set,
	        .meter_id = insts->meter_id,
	        .apply_size = apply,
	        .write_size = write,
	        .goto_table = insts->goto_table,
	};
	if (apply)
		memcpy(code + 1, insts->apply.list, apply);
	if (write)
		memcpy((uint8_t *)(code + 1) + apply, insts->write.list, write);
	return code;
}

void pl_code_insts(const struct pl_code *code, struct of_insts *insts)
{
	*insts = (struct of_insts){
	        .set = code->set,
	        .meter_id = code->meter_id,
	        .apply = pl_code_apply(code),
	        .write = pl_code_write(code),
	        .metadata = code->metadata,
	        .metadata_mask = code->metadata_mask,
	        .goto_table = (uint8_t)code->goto_table,
	};
}

static bool actions_have(const struct of_actions *actions, uint32_t port, uint32_t group)
{
	OF_ACTION_FOREACH(action, actions)
	{
		if (action->kind == OF_ACTION_OUTPUT && port != OFPP_ANY && action->port == port)
			return true;
		if (action->kind == OF_ACTION_GROUP && group != OFPG_ANY &&
		    action->group_id == group)
			return true;
	}
	return false;
}

/* Section 6.4: filters of delete and of statistics; ANY filters nothing. */
bool pl_code_has_output(const struct pl_code *code, uint32_t port, uint32_t group)
{
	struct of_actions apply = pl_code_apply(code), write = pl_code_write(code);

	if (port != OFPP_ANY && !actions_have(&apply, port, OFPG_ANY) &&
	    !actions_have(&write, port, OFPG_ANY))
		return false;
	return group == OFPG_ANY || actions_have(&apply, OFPP_ANY, group) ||
	       actions_have(&write, OFPP_ANY, group);
}

void pl_actions_count(struct pl_bridge *bridge, const struct of_actions *actions, int by)
{
	OF_ACTION_FOREACH(action, actions)
	{
		struct pl_group *group;

		if (action->kind != OF_ACTION_GROUP)
			continue;
		group = pl_group_lookup(bridge->tables, action->group_id, pl_next_version());
		if (group)
			group->n_refs += by;
	}
}

void pl_code_count(struct pl_bridge *bridge, const struct pl_code *code, int by)
{
	struct of_actions apply = pl_code_apply(code), write = pl_code_write(code);

	pl_actions_count(bridge, &apply, by);
	pl_actions_count(bridge, &write, by);
	if (code->set & OF_INST_METER) {
		struct pl_meter *meter =
		        pl_meter_lookup(bridge->tables, code->meter_id, pl_next_version());

		if (meter)
			meter->n_rule_refs += by;
	}
}

static int check_port(uint32_t port, bool is_packet_out, struct of_error *err)
{
	switch (port) {
	case OFPP_IN_PORT:
	case OFPP_NORMAL:
	case OFPP_FLOOD:
	case OFPP_ALL:
	case OFPP_CONTROLLER:
	case OFPP_LOCAL:
		return 0;
	case OFPP_TABLE:
		return is_packet_out ? 0 : of_error_set(err, OFPBAC_BAD_OUT_PORT);
	default:
		return port && port <= OFPP_MAX ? 0 : of_error_set(err, OFPBAC_BAD_OUT_PORT);
	}
}

/* What the codec could not know: ports, groups, queues. */
int pl_check_actions(struct pl_bridge *bridge, const struct of_actions *actions, bool is_packet_out,
                     struct of_error *err)
{
	OF_ACTION_FOREACH(action, actions)
	{
		int rc = 0;

		if (action->kind == OF_ACTION_OUTPUT)
			rc = check_port(action->port, is_packet_out, err);
		else if (action->kind == OF_ACTION_GROUP &&
		         !pl_group_lookup(bridge->tables, action->group_id, pl_next_version()))
			rc = of_error_set(err, OFPBAC_BAD_OUT_GROUP);
		else if (action->kind == OF_ACTION_SET_QUEUE && action->queue_id == OFPQ_ALL)
			rc = of_error_set(err, OFPBAC_BAD_QUEUE);
		if (rc)
			return rc;
	}
	return 0;
}

int pl_check_insts(struct pl_bridge *bridge, uint8_t table_id, const struct of_flow_mod *mod,
                   struct of_error *err)
{
	const struct of_insts *insts = &mod->insts;
	int rc = of_insts_check(insts, &mod->match, err);

	if (rc)
		return rc;
	if ((insts->set & OF_INST_GOTO_TABLE) &&
	    (insts->goto_table <= table_id || !pl_table_exists(bridge, insts->goto_table)))
		return of_error_set(err, OFPBIC_BAD_TABLE_ID);
	if ((insts->set & OF_INST_METER) &&
	    !pl_meter_lookup(bridge->tables, insts->meter_id, pl_next_version()))
		return of_error_set(err, OFPMMFC_INVALID_METER);
	if (insts->set & OF_INST_APPLY_ACTIONS)
		rc = pl_check_actions(bridge, &insts->apply, false, err);
	if (!rc && (insts->set & OF_INST_WRITE_ACTIONS))
		rc = pl_check_actions(bridge, &insts->write, false, err);
	return rc;
}
