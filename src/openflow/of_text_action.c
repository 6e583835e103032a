/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions and instructions in text.
 * Threads: any; no state.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "openflow/of_text_pvt.h"

#define ACTION_MAX 40 /* bytes of the largest action */

struct list {
	struct of_text_scan *s;
	uint8_t *data;
	uint32_t size, cap;
	const struct flow_match *match;
	bool tagged; /* a tag is there: matched, or pushed before */
};

static struct of_action *add(struct list *l, enum of_action_kind kind)
{
	struct of_action *a;

	if (l->cap - l->size < ACTION_MAX) {
		uint32_t cap = l->cap ? 2 * l->cap : 8 * ACTION_MAX;
		uint8_t *data = of_arena_alloc(l->s->arena, cap);
		if (data == NULL)
			return NULL;
		if (l->size)
			memcpy(data, l->data, l->size);
		l->data = data;
		l->cap = cap;
	}
	a = (struct of_action *)(l->data + l->size);
	a->kind = (uint8_t)kind;
	a->size8 = 1;
	l->size += 8;
	return a;
}

static int set_field(struct list *l, const struct flow_field *f, const uint8_t *value,
                     const uint8_t *mask)
{
	struct of_action *a = add(l, OF_ACTION_SET_FIELD);
	unsigned room = f->size > 8 ? 16 : 8;

	if (a == NULL)
		return -ENOMEM;
	a->field = f->id;
	a->size8 = (uint8_t)(1 + 2 * room / 8);
	l->size += 2 * room;
	for (unsigned i = 0; i < f->size; i++)
		a->value[i] = value[i] & mask[i];
	memcpy(a->value + room, mask, f->size);
	return 0;
}

static int set_number(struct list *l, enum flow_field_id id, uint64_t number)
{
	uint8_t value[FLOW_VALUE_MAX], ones[FLOW_VALUE_MAX];

	flow_field_value_put_u64(&flow_fields[id], value, number);
	flow_field_ones(&flow_fields[id], ones);
	return set_field(l, &flow_fields[id], value, ones);
}

/* VALUE[/MASK]->FIELD */
static int parse_set_field(struct list *l, const struct of_text_span *value)
{
	const char *arrow = memmem(value->p, value->len, "->", 2);
	uint8_t v[FLOW_VALUE_MAX], mask[FLOW_VALUE_MAX];
	struct of_text_span left, name;
	const struct flow_field *f;
	bool masked;

	if (arrow == NULL)
		return of_text_fail(l->s, value->p, "set_field is written VALUE[/MASK]->FIELD");
	left = (struct of_text_span){value->p, (size_t)(arrow - value->p)};
	name = (struct of_text_span){arrow + 2, value->len - left.len - 2};
	f = flow_field_by_name(name.p, name.len);
	if (f == NULL)
		return of_text_fail(l->s, name.p, "unknown field '%.*s'", (int)name.len, name.p);
	if (!(f->flags & FLOW_FIELD_SET))
		return of_text_fail(l->s, name.p, "%s cannot be set", f->name);
	if (of_text_value(l->s, f, &left, v, mask, &masked) != 0)
		return -EINVAL;
	if (f->id == FLOW_FIELD_VLAN_VID && !masked)
		v[0] |= OFPVID_PRESENT >> 8;
	return set_field(l, f, v, mask);
}

static int parse_output(struct list *l, const struct of_text_span *value)
{
	struct of_action *a = add(l, OF_ACTION_OUTPUT);

	if (a == NULL)
		return -ENOMEM;
	if (of_text_port_number(l->s, value, &a->port) != 0)
		return -EINVAL;
	if (a->port == OFPP_CONTROLLER)
		a->max_len = OF_CML_NO_BUF;
	return 0;
}

/* controller, controller:LEN, controller(max_len=LEN) */
static int parse_controller(struct list *l, const struct of_text_span *value)
{
	struct of_action *a = add(l, OF_ACTION_OUTPUT);
	struct of_text_span key, len = *value;
	uint64_t number = OF_CML_NO_BUF;

	if (a == NULL)
		return -ENOMEM;
	if (of_text_split(value, '=', &key, &len) && !of_text_is(&key, "max_len"))
		return of_text_fail(l->s, key.p, "controller takes max_len only");
	if (len.len > 0 && of_text_number(l->s, &len, 0xffff, &number) != 0)
		return -EINVAL;
	a->port = OFPP_CONTROLLER;
	a->max_len = (uint16_t)number;
	return 0;
}

static int parse_eth_type(struct list *l, enum of_action_kind kind,
                          const struct of_text_span *value)
{
	struct of_action *a = add(l, kind);
	uint64_t n;

	if (a == NULL)
		return -ENOMEM;
	if (of_text_number(l->s, value, 0xffff, &n) != 0)
		return -EINVAL;
	if ((kind == OF_ACTION_PUSH_VLAN && n != 0x8100 && n != 0x88a8) ||
	    (kind == OF_ACTION_PUSH_MPLS && n != 0x8847 && n != 0x8848) ||
	    (kind == OF_ACTION_PUSH_PBB && n != 0x88e7))
		return of_text_fail(l->s, value->p, "%s does not take this Ethertype",
		                    of_action_name(kind));
	l->tagged |= kind == OF_ACTION_PUSH_VLAN;
	a->eth_type = (uint16_t)n;
	return 0;
}

static int parse_arg(struct list *l, enum of_action_kind kind, uint64_t max,
                     const struct of_text_span *value)
{
	struct of_action *a = add(l, kind);
	uint64_t n;

	if (a == NULL)
		return -ENOMEM;
	if (of_text_number(l->s, value, max, &n) != 0)
		return -EINVAL;
	a->group_id = (uint32_t)n;
	return 0;
}

/* mod_*: set-field by older names; a VLAN is pushed where there is none. */
static int parse_mod(struct list *l, const struct of_text_span *key,
                     const struct of_text_span *value)
{
	struct of_text_span name = {key->p + 4, key->len - 4};
	uint64_t proto = flow_field_get_u64(&flow_fields[FLOW_FIELD_IP_PROTO], &l->match->key);
	bool vid = of_text_is(&name, "vlan_vid"), pcp = of_text_is(&name, "vlan_pcp");
	uint8_t v[FLOW_VALUE_MAX], mask[FLOW_VALUE_MAX];
	const struct flow_field *f = flow_field_by_name(name.p, name.len);
	struct of_action *push;
	bool masked, src;
	uint64_t n;

	if (vid || pcp) {
		push = l->tagged ? NULL : add(l, OF_ACTION_PUSH_VLAN);
		if (push)
			push->eth_type = 0x8100;
		l->tagged = true;
		if (of_text_number(l->s, value, vid ? 0xfff : 7, &n) != 0)
			return -EINVAL;
		return vid ? set_number(l, FLOW_FIELD_VLAN_VID, n | OFPVID_PRESENT)
		           : set_number(l, FLOW_FIELD_VLAN_PCP, n);
	}
	if (of_text_is(&name, "nw_tos")) {
		if (of_text_number(l->s, value, 0xff, &n) != 0)
			return -EINVAL;
		return set_number(l, FLOW_FIELD_IP_DSCP, n >> 2);
	}
	src = of_text_is(&name, "tp_src");
	if (src || of_text_is(&name, "tp_dst")) {
		if (of_text_number(l->s, value, 0xffff, &n) != 0)
			return -EINVAL;
		if (proto == 6)
			return set_number(l, src ? FLOW_FIELD_TCP_SRC : FLOW_FIELD_TCP_DST, n);
		if (proto == 17)
			return set_number(l, src ? FLOW_FIELD_UDP_SRC : FLOW_FIELD_UDP_DST, n);
		if (proto == 132)
			return set_number(l, src ? FLOW_FIELD_SCTP_SRC : FLOW_FIELD_SCTP_DST, n);
		return of_text_fail(l->s, key->p, "this needs a match on tcp, udp or sctp");
	}
	if (f == NULL || !(f->flags & FLOW_FIELD_SET))
		return of_text_fail(l->s, key->p, "unknown action '%.*s'", (int)key->len, key->p);
	if (of_text_value(l->s, f, value, v, mask, &masked) != 0)
		return -EINVAL;
	return set_field(l, f, v, mask);
}

static int plain_kind(const struct of_text_span *key)
{
	static const uint8_t kinds[] = {OF_ACTION_COPY_TTL_OUT, OF_ACTION_COPY_TTL_IN,
	                                OF_ACTION_DEC_MPLS_TTL, OF_ACTION_DEC_NW_TTL,
	                                OF_ACTION_POP_VLAN,     OF_ACTION_POP_PBB};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(kinds); i++)
		if (of_text_is(key, of_action_name(kinds[i])))
			return kinds[i];
	return of_text_is(key, "strip_vlan") ? OF_ACTION_POP_VLAN : -1;
}

static int parse_action(struct list *l, const struct of_text_span *key,
                        const struct of_text_span *value)
{
	int kind = plain_kind(key);

	if (kind >= 0)
		return add(l, kind) ? 0 : -ENOMEM;
	if (of_text_is(key, "output"))
		return parse_output(l, value);
	if (of_text_is(key, "controller"))
		return parse_controller(l, value);
	if (of_text_is(key, "set_field"))
		return parse_set_field(l, value);
	if (of_text_is(key, "group"))
		return parse_arg(l, OF_ACTION_GROUP, OFPG_MAX, value);
	if (of_text_is(key, "set_queue"))
		return parse_arg(l, OF_ACTION_SET_QUEUE, UINT32_MAX, value);
	if (of_text_is(key, "mod_nw_ttl"))
		return parse_arg(l, OF_ACTION_SET_NW_TTL, 255, value);
	if (of_text_is(key, "set_mpls_ttl"))
		return parse_arg(l, OF_ACTION_SET_MPLS_TTL, 255, value);
	for (unsigned k = OF_ACTION_PUSH_VLAN; k <= OF_ACTION_PUSH_PBB; k++)
		if ((k == OF_ACTION_PUSH_VLAN || k == OF_ACTION_PUSH_MPLS ||
		     k == OF_ACTION_POP_MPLS || k == OF_ACTION_PUSH_PBB) &&
		    of_text_is(key, of_action_name(k)))
			return parse_eth_type(l, k, value);
	if (key->len > 4 && strncasecmp(key->p, "mod_", 4) == 0)
		return parse_mod(l, key, value);
	for (unsigned i = 0; i < OF_TEXT_N_PORTS; i++)
		if (of_text_is(key, of_text_ports[i].name))
			return parse_output(l, key);
	if (key->len > 0 && isdigit((unsigned char)key->p[0]))
		return parse_output(l, key);
	return of_text_fail(l->s, key->p, "unknown action '%.*s'", (int)key->len, key->p);
}

static int parse_write_actions(struct of_text_scan *s, const struct of_text_span *value,
                               const struct flow_match *match, struct of_insts *insts)
{
	struct of_text_scan inner = *s;

	inner.rest = *value;
	insts->set |= OF_INST_WRITE_ACTIONS;
	return of_text_action_list(&inner, match, &insts->write, NULL);
}

static int parse_metadata(struct of_text_scan *s, const struct of_text_span *value,
                          struct of_insts *insts)
{
	struct of_text_span left = *value, right;
	bool masked = of_text_split(value, '/', &left, &right);

	insts->set |= OF_INST_WRITE_METADATA;
	insts->metadata_mask = UINT64_MAX;
	if (of_text_number(s, &left, UINT64_MAX, &insts->metadata) != 0 ||
	    (masked && of_text_number(s, &right, UINT64_MAX, &insts->metadata_mask) != 0))
		return -EINVAL;
	insts->metadata &= insts->metadata_mask;
	return 0;
}

/* 1: it was an instruction; 0: it is none. */
static int parse_inst(struct of_text_scan *s, const struct of_text_span *key,
                      const struct of_text_span *value, const struct flow_match *match,
                      struct of_insts *insts)
{
	uint64_t n;
	int ret;

	if (of_text_is(key, "goto_table") || of_text_is(key, "meter")) {
		bool meter = of_text_is(key, "meter");
		ret = of_text_number(s, value, meter ? OFPM_MAX : OFPTT_MAX, &n);
		insts->set |= meter ? OF_INST_METER : OF_INST_GOTO_TABLE;
		if (ret == 0 && meter)
			insts->meter_id = (uint32_t)n;
		else if (ret == 0)
			insts->goto_table = (uint8_t)n;
	} else if (of_text_is(key, "write_metadata")) {
		ret = parse_metadata(s, value, insts);
	} else if (of_text_is(key, "write_actions")) {
		ret = parse_write_actions(s, value, match, insts);
	} else if (of_text_is(key, "clear_actions")) {
		insts->set |= OF_INST_CLEAR_ACTIONS;
		ret = 0;
	} else {
		return 0;
	}
	return ret ? ret : 1;
}

int of_text_action_list(struct of_text_scan *s, const struct flow_match *match,
                        struct of_actions *actions, struct of_insts *insts)
{
	struct list l = {.s = s, .match = match};
	struct of_text_span key, value;
	bool drop = false;
	int ret;

	l.tagged = flow_match_prereq_ok(match, FLOW_PREREQ_VLAN);
	while ((ret = of_text_next(s, ":=", &key, &value)) > 0) {
		if (drop)
			return of_text_fail(s, key.p, "drop stands alone");
		drop = of_text_is(&key, "drop");
		if (drop && l.size > 0)
			return of_text_fail(s, key.p, "drop stands alone");
		ret = drop ? 1 : insts ? parse_inst(s, &key, &value, match, insts) : 0;
		if (ret == 0)
			ret = parse_action(&l, &key, &value);
		if (ret < 0)
			return ret == -ENOMEM ? evs_error_set(s->err, -ENOMEM, "no memory") : ret;
	}
	actions->list = (const struct of_action *)l.data;
	actions->size = l.size;
	return ret;
}
