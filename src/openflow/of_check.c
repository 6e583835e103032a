/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether actions fit the packets that a match lets through (section 7.2.4, last paragraphs).
 * Threads: any; no state.
 *
 * The walk keeps what is known of the packet as a match: pushing a tag makes it known that
 * there is one, taking a tag or a label off forgets what was said about it.
 */
#include "openflow/of_action.h"

const uint8_t of_action_place[OF_N_ACTIONS] = {
        [OF_ACTION_COPY_TTL_IN] = 1,   [OF_ACTION_POP_VLAN] = 2,
        [OF_ACTION_POP_MPLS] = 3,      [OF_ACTION_POP_PBB] = 4,
        [OF_ACTION_PUSH_MPLS] = 5,     [OF_ACTION_PUSH_PBB] = 6,
        [OF_ACTION_PUSH_VLAN] = 7,     [OF_ACTION_COPY_TTL_OUT] = 8,
        [OF_ACTION_DEC_NW_TTL] = 9,    [OF_ACTION_DEC_MPLS_TTL] = 10,
        [OF_ACTION_SET_FIELD] = 11,    [OF_ACTION_SET_NW_TTL] = 11,
        [OF_ACTION_SET_MPLS_TTL] = 11, [OF_ACTION_SET_QUEUE] = 12,
        [OF_ACTION_GROUP] = 13,        [OF_ACTION_OUTPUT] = OF_ACTION_PLACES,
};

static void know_eth_type(struct flow_match *m, uint16_t eth_type)
{
	flow_match_add_u64(m, FLOW_FIELD_ETH_TYPE, eth_type);
	flow_field_put_u64(&flow_fields[FLOW_FIELD_IP_PROTO], &m->key, 0);
	flow_field_put_u64(&flow_fields[FLOW_FIELD_IP_PROTO], &m->mask, 0);
}

static void know_tag(struct flow_match *m, bool present)
{
	flow_match_add_u64(m, FLOW_FIELD_VLAN_VID, present ? OFPVID_PRESENT : OFPVID_NONE);
}

static int need(const struct flow_match *m, enum flow_prereq prereq, struct of_error *err)
{
	return flow_match_prereq_ok(m, prereq) ? 0 : of_error_set(err, OFPBAC_MATCH_INCONSISTENT);
}

static int check_set_field(struct flow_match *m, const struct of_action *a, struct of_error *err)
{
	if (a->field == FLOW_FIELD_VLAN_VID)
		return need(m, FLOW_PREREQ_VLAN, err);
	if (a->field == FLOW_FIELD_ETH_TYPE)
		know_eth_type(m, (uint16_t)(a->value[0] << 8 | a->value[1]));
	return need(m, flow_fields[a->field].prereq, err);
}

static void forget_eth_type(struct flow_match *m)
{
	know_eth_type(m, 0);
	flow_field_put_u64(&flow_fields[FLOW_FIELD_ETH_TYPE], &m->mask, 0);
}

static int check_pop_pbb(struct flow_match *m, struct of_error *err)
{
	int rc = need(m, FLOW_PREREQ_PBB, err);

	forget_eth_type(m);
	return rc;
}

static int check_ttl(const struct flow_match *m, struct of_error *err)
{
	return flow_match_prereq_ok(m, FLOW_PREREQ_IP) ? 0 : need(m, FLOW_PREREQ_MPLS, err);
}

static int check_action(struct flow_match *m, const struct of_action *a, struct of_error *err)
{
	switch (a->kind) {
	case OF_ACTION_PUSH_VLAN:
		know_tag(m, true);
		return 0;
	case OF_ACTION_POP_VLAN:
		/* There may be a second tag behind it, so it stays known that there is one. */
		return need(m, FLOW_PREREQ_VLAN, err);
	case OF_ACTION_PUSH_MPLS:
	case OF_ACTION_PUSH_PBB:
		know_eth_type(m, a->eth_type);
		return 0;
	case OF_ACTION_POP_PBB:
		return check_pop_pbb(m, err);
	case OF_ACTION_POP_MPLS:
		if (need(m, FLOW_PREREQ_MPLS, err) != 0)
			return -EPROTO;
		know_eth_type(m, a->eth_type);
		return 0;
	case OF_ACTION_SET_MPLS_TTL:
	case OF_ACTION_DEC_MPLS_TTL:
		return need(m, FLOW_PREREQ_MPLS, err);
	case OF_ACTION_SET_NW_TTL:
	case OF_ACTION_DEC_NW_TTL:
		return need(m, FLOW_PREREQ_IP, err);
	case OF_ACTION_COPY_TTL_OUT:
	case OF_ACTION_COPY_TTL_IN:
		return check_ttl(m, err);
	case OF_ACTION_SET_FIELD:
		return check_set_field(m, a, err);
	default:
		return 0;
	}
}

static int check_list(struct flow_match *m, const struct of_actions *actions, struct of_error *err)
{
	OF_ACTION_FOREACH(a, actions)
	{
		int rc = check_action(m, a, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* An action set runs in the order of section 5.10, whatever the order on the wire. */
static int check_set(struct flow_match *m, const struct of_actions *actions, struct of_error *err)
{
	for (unsigned place = 1; place <= OF_ACTION_PLACES; place++) {
		OF_ACTION_FOREACH(a, actions)
		{
			int rc = of_action_place[a->kind] == place ? check_action(m, a, err) : 0;
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

int of_insts_check(const struct of_insts *insts, const struct flow_match *match,
                   struct of_error *err)
{
	struct flow_match known;
	int rc = 0;

	if (match == NULL || (insts->apply.size == 0 && insts->write.size == 0))
		return 0;
	known = *match;
	if (insts->set & OF_INST_APPLY_ACTIONS)
		rc = check_list(&known, &insts->apply, err);
	if (rc == 0 && (insts->set & OF_INST_WRITE_ACTIONS))
		rc = check_set(&known, &insts->write, err);
	return rc;
}
