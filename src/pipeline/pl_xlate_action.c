/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation of actions: lists, sets, output (OpenFlow 1.3.5, sections 5.10 to 5.12).
 * Threads: as pl_xlate_pvt.h.
 */
#include "pipeline/pl_of_pvt.h"
#include "pipeline/pl_trace_pvt.h"

void pl_actset_write(struct pl_actset *set, const struct of_actions *actions)
{
	OF_ACTION_FOREACH(action, actions)
	{
		uint32_t i;

		for (i = 0; i < set->n; i++)
			if (set->act[i]->kind == action->kind &&
			    (action->kind != OF_ACTION_SET_FIELD ||
			     set->act[i]->field == action->field))
				break;
		if (i == PL_ACTSET_MAX)
			continue; /* there are fewer kinds and fields that a packet can have */
		set->act[i] = action;
		if (i == set->n)
			set->n++;
	}
}

void pl_xlate_controller(struct pl_xlate *x, uint8_t reason, uint16_t max_len)
{
	const struct pl_view *in = x->in;
	struct flow_op_controller *c;

	if (in) {
		pl_ref_add(x, FLOW_REF_PORT, in->port, in->index)->flags |= PL_REF_STATE;
		if (reason == OFPR_NO_MATCH && (in->flags & PL_PORT_NO_PACKET_IN))
			return;
	}
	pl_commit_edits(x);
	c = (struct flow_op_controller *)flow_prog_add(&x->out->prog, FLOW_OP_CONTROLLER, 0)
	            ->payload;
	c->max_len = max_len;
	c->reason = reason;
	c->table_id = x->table;
	c->bridge = (uint16_t)x->snap->bridge->index;
	c->cookie = x->cookie;
	c->metadata = x->pkt.key.pipe.metadata;
	c->in_port = x->pkt.key.pipe.in_port;
	x->n_out++;
}

static void output_flood(struct pl_xlate *x)
{
	const struct pl_snap *snap = x->snap;
	const struct pl_port *in = x->in ? x->in->port : NULL;

	pl_ref_add(x, FLOW_REF_BRIDGE, snap->bridge, 0)->flags |= PL_REF_FLOOD;
	for (uint32_t i = 0; i < snap->n_ports; i++)
		if (snap->ports[i].port != in)
			pl_xlate_output(x, &snap->ports[i], true);
}

static void output_port(struct pl_xlate *x, uint32_t ofport)
{
	const struct pl_view *view = pl_snap_port(x->snap, ofport);

	if (!view) {
		PL_TRACE(x, "there is no port %u", ofport);
		pl_ref_add(x, FLOW_REF_BRIDGE, x->snap->bridge, 0)->flags |= PL_REF_FLOOD;
		x->reason = PKT_DROP_TX_PORT_DOWN;
	} else if (x->in && view->port == x->in->port) {
		/* section 7.2.5: only IN_PORT sends back */
		PL_TRACE(x, "port %u is where it came from", ofport);
		x->reason = PKT_DROP_SAME_PORT;
	} else {
		pl_xlate_output(x, view, false);
	}
}

static void output_table(struct pl_xlate *x)
{
	struct pl_copy copy;

	if (x->depth >= PL_MAX_DEPTH) {
		pl_xlate_fail(x, PKT_DROP_RECURSION);
		return;
	}
	x->depth++;
	pl_copy_begin(x, &copy);
	pl_xlate_table(x, 0);
	pl_copy_end(x, &copy);
	x->depth--;
}

static void output(struct pl_xlate *x, const struct of_action *action)
{
	switch (action->port) {
	case OFPP_IN_PORT:
		if (x->in)
			pl_xlate_output(x, x->in, false);
		break;
	case OFPP_CONTROLLER:
		pl_xlate_controller(x, x->is_miss ? OFPR_NO_MATCH : OFPR_ACTION, action->max_len);
		break;
	case OFPP_NORMAL:
		pl_normal(x);
		break;
	case OFPP_FLOOD:
	case OFPP_ALL:
		output_flood(x);
		break;
	case OFPP_TABLE:
		output_table(x);
		break;
	default:
		output_port(x, action->port);
	}
}

static bool is_select(const struct pl_xlate *x, uint32_t group_id)
{
	const struct pl_group *group =
	        pl_group_lookup(x->snap->bridge->tables, group_id, x->version);

	return group && group->type == OFPGT_SELECT;
}

/* Whether the action needs to see what a pop brought to light. */
static bool needs_parse(const struct pl_xlate *x, const struct of_action *action)
{
	if (!x->pkt.stale)
		return false;
	switch (action->kind) {
	case OF_ACTION_OUTPUT:
		return action->port == OFPP_NORMAL && x->pkt.stale != PL_STALE_L3;
	case OF_ACTION_SET_QUEUE:
		return false;
	case OF_ACTION_GROUP:
		return is_select(x, action->group_id);
	case OF_ACTION_PUSH_VLAN:
	case OF_ACTION_POP_VLAN:
		return x->pkt.stale != PL_STALE_L3;
	case OF_ACTION_SET_FIELD:
		if (action->field == FLOW_FIELD_ETH_DST || action->field == FLOW_FIELD_ETH_SRC)
			return x->pkt.stale == PL_STALE_ALL;
		if (action->field == FLOW_FIELD_VLAN_VID || action->field == FLOW_FIELD_VLAN_PCP)
			return x->pkt.stale != PL_STALE_L3;
		return true;
	default:
		return true;
	}
}

static void run(struct pl_xlate *x, const struct of_action *action)
{
	switch (action->kind) {
	case OF_ACTION_OUTPUT:
		output(x, action);
		break;
	case OF_ACTION_GROUP:
		pl_xlate_group(x, action->group_id);
		break;
	case OF_ACTION_SET_FIELD:
		pl_set_field(x, action);
		break;
	case OF_ACTION_SET_QUEUE:
		x->pkt.queue = action->queue_id;
		x->pkt.key.pipe.skb_priority = rte_cpu_to_be_32(action->queue_id);
		break;
	case OF_ACTION_PUSH_VLAN:
		pl_push_vlan(x, action->eth_type);
		break;
	case OF_ACTION_POP_VLAN:
		pl_pop_vlan(x);
		break;
	case OF_ACTION_PUSH_MPLS:
		pl_push_mpls(x, action->eth_type);
		break;
	case OF_ACTION_POP_MPLS:
		pl_pop_mpls(x, action->eth_type);
		break;
	case OF_ACTION_PUSH_PBB:
		pl_push_pbb(x);
		break;
	case OF_ACTION_POP_PBB:
		pl_pop_pbb(x);
		break;
	default:
		pl_ttl_action(x, action);
	}
}

void pl_xlate_apply(struct pl_xlate *x, const struct of_actions *actions,
                    const struct pl_code *code)
{
	const uint8_t *end = (const uint8_t *)actions->list + actions->size;

	OF_ACTION_FOREACH(action, actions)
	{
		if (x->stopped || x->failed)
			return;
		if (needs_parse(x, action)) {
			static const struct pl_code none;
			struct of_actions rest = {action,
			                          (uint32_t)(end - (const uint8_t *)action)};

			pl_freeze(x, code ? code : &none, &rest);
			return;
		}
		run(x, action);
	}
}

/* Sorts by order; few elements, mostly sorted. */
static void set_sort(struct pl_actset *set)
{
	for (uint32_t i = 1; i < set->n; i++) {
		const struct of_action *action = set->act[i];
		uint32_t j = i;

		for (; j && of_action_place[set->act[j - 1]->kind] > of_action_place[action->kind];
		     j--)
			set->act[j] = set->act[j - 1];
		set->act[j] = action;
	}
}

void pl_xlate_actset(struct pl_xlate *x, struct pl_actset *set)
{
	bool has_group = false;

	x->in_set = true;
	set_sort(set);
	for (uint32_t i = 0; i < set->n && !x->stopped && !x->failed; i++) {
		const struct of_action *action = set->act[i];

		if (action->kind == OF_ACTION_OUTPUT && has_group)
			break; /* section 5.10: a group takes the output's place */
		has_group |= action->kind == OF_ACTION_GROUP;
		if (needs_parse(x, action)) {
			pl_freeze_list(x, &set->act[i], set->n - i);
			return;
		}
		run(x, action);
	}
}
