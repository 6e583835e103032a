/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions on the wire (section 7.2.4), and of Nicira's those that set masked fields, which
 * OpenFlow 1.3 itself cannot say.
 * Threads: any; no state.
 */
#include "openflow/of_wire_pvt.h"

#include <string.h>

#define ACTION_HEADER  4
#define EXPERIMENTER   0xffff
#define NX_HEADER      10 /* type, length, experimenter, subtype */
#define NX_REG_LOAD    7
#define NX_REG_LOAD2   33
#define NX_REG_LOAD_SZ 24
#define ETH_TYPE_MIN   0x600 /* less is a length of 802.3 */
#define NX_LOAD2_OXM   16    /* offset of the OXM TLV in REG_LOAD2 */

static const struct {
	uint16_t number, size;
	const char *name;
} actions_of13[OF_N_ACTIONS] = {
#define X(id, number, size, name) [OF_ACTION_##id] = {number, size, name},
        OF_ACTIONS(X)
#undef X
};

const char *of_action_name(enum of_action_kind kind)
{
	return kind < OF_N_ACTIONS ? actions_of13[kind].name : "unknown";
}

static int kind_of_number(uint16_t number)
{
	switch (number) {
#define X(id, n, size, name)                                                                       \
	case n:                                                                                    \
		return OF_ACTION_##id;
		OF_ACTIONS(X)
#undef X
	}
	return -1;
}

static int check_eth_type(const struct of_action *a, struct of_error *err)
{
	bool ok = true;

	if (a->kind == OF_ACTION_PUSH_VLAN)
		ok = a->eth_type == 0x8100 || a->eth_type == 0x88a8;
	else if (a->kind == OF_ACTION_PUSH_MPLS)
		ok = a->eth_type == 0x8847 || a->eth_type == 0x8848;
	else if (a->kind == OF_ACTION_PUSH_PBB)
		ok = a->eth_type == 0x88e7;
	return ok ? 0 : of_error_set(err, OFPBAC_BAD_ARGUMENT);
}

/* Actions of a fixed size; p is the whole action. */
static int decode_plain(const uint8_t *p, struct of_action *a, struct of_error *err)
{
	switch (a->kind) {
	case OF_ACTION_OUTPUT:
		a->port = of_get_u32(p + 4);
		a->max_len =
		        of_get_u16(p + 8); /* means something to CONTROLLER only, told as sent */
		return 0;
	case OF_ACTION_SET_MPLS_TTL:
	case OF_ACTION_SET_NW_TTL:
		a->ttl = p[4];
		return 0;
	case OF_ACTION_SET_QUEUE:
		a->queue_id = of_get_u32(p + 4);
		return 0;
	case OF_ACTION_GROUP:
		a->group_id = of_get_u32(p + 4);
		return a->group_id <= OFPG_MAX ? 0 : of_error_set(err, OFPBAC_BAD_OUT_GROUP);
	case OF_ACTION_PUSH_VLAN:
	case OF_ACTION_PUSH_MPLS:
	case OF_ACTION_PUSH_PBB:
	case OF_ACTION_POP_MPLS:
		a->eth_type = of_get_u16(p + 4);
		return check_eth_type(a, err);
	default:
		return 0;
	}
}

/* Fills a SET_FIELD; mask NULL: exact. Bits outside the mask become zero. */
static void fill_set_field(struct of_action *a, const struct flow_field *f, const uint8_t *value,
                           const uint8_t *mask)
{
	unsigned room = f->size > 8 ? 16 : 8;
	uint8_t *to_mask = a->value + room;

	a->kind = OF_ACTION_SET_FIELD;
	a->field = f->id;
	a->size8 = (uint8_t)(1 + 2 * room / 8);
	if (mask != NULL)
		memcpy(to_mask, mask, f->size);
	else
		flow_field_ones(f, to_mask);
	for (unsigned i = 0; i < f->size; i++)
		a->value[i] = value[i] & to_mask[i];
	/* Setting the id of a tag says that there is one; some controllers leave that out. */
	if (f->id == FLOW_FIELD_VLAN_VID && mask == NULL)
		a->value[0] |= OFPVID_PRESENT >> 8;
}

static int check_set_value(const struct flow_field *f, const uint8_t *value, const uint8_t *mask,
                           struct of_error *err)
{
	if (!flow_field_value_fits(f, value) || (mask != NULL && !flow_field_value_fits(f, mask)))
		return of_error_set(err, OFPBAC_BAD_SET_ARGUMENT);
	if (f->id == FLOW_FIELD_ETH_TYPE && of_get_u16(value) < ETH_TYPE_MIN)
		return of_error_set(err, OFPBAC_BAD_SET_ARGUMENT);
	return 0;
}

/* The OXM TLV of n bytes (padding included) at p. */
static int decode_set_field(const uint8_t *p, size_t n, bool may_mask, struct of_action *a,
                            struct of_error *err)
{
	const struct flow_field *f;
	const uint8_t *value, *mask;
	struct of_oxm oxm;

	if (of_oxm_get(p, n, false, &oxm) != 0)
		return of_error_set(err, OFPBAC_BAD_SET_LEN);
	f = oxm.field;
	if (f == NULL || !(f->flags & FLOW_FIELD_SET) || (oxm.has_mask && !may_mask))
		return of_error_set(err, OFPBAC_BAD_SET_TYPE);
	if (oxm.size != f->size * (oxm.has_mask ? 2 : 1) || n - oxm.header_size - oxm.size >= 8)
		return of_error_set(err, OFPBAC_BAD_SET_LEN);
	value = p + oxm.header_size;
	mask = oxm.has_mask ? value + f->size : NULL;
	if (check_set_value(f, value, mask, err) != 0)
		return -EPROTO;
	fill_set_field(a, f, value, mask);
	return 0;
}

/* NXAST_REG_LOAD: n bits of a 64-bit value into a field at an offset. */
static int decode_reg_load(const uint8_t *p, struct of_action *a, struct of_error *err)
{
	unsigned shift = of_get_u16(p + NX_HEADER) >> 6;
	unsigned n_bits = (of_get_u16(p + NX_HEADER) & 0x3f) + 1;
	uint64_t load = of_get_u64(p + 16),
	         bits = n_bits == 64 ? UINT64_MAX : (UINT64_C(1) << n_bits) - 1;
	uint8_t value[FLOW_VALUE_MAX] = {0}, mask[FLOW_VALUE_MAX] = {0};
	const struct flow_field *f;
	struct of_oxm oxm;

	if (of_oxm_get(p + 12, 4, true, &oxm) != 0 || oxm.field == NULL ||
	    !(oxm.field->flags & FLOW_FIELD_SET))
		return of_error_set(err, OFPBAC_BAD_SET_TYPE);
	f = oxm.field;
	if (shift + n_bits > f->n_bits || (load & ~bits))
		return of_error_set(err, OFPBAC_BAD_SET_ARGUMENT);
	for (unsigned i = 0; i < n_bits; i++) {
		unsigned at = shift + i;
		mask[f->size - 1 - at / 8] |= (uint8_t)(1 << at % 8);
		value[f->size - 1 - at / 8] |= (uint8_t)((load >> i & 1) << at % 8);
	}
	fill_set_field(a, f, value, mask);
	return 0;
}

static int decode_experimenter(const uint8_t *p, size_t n, struct of_action *a,
                               struct of_error *err)
{
	if (of_get_u32(p + 4) != OF_EXP_NICIRA)
		return of_error_set(err, OFPBAC_BAD_EXPERIMENTER);
	if (n < NX_LOAD2_OXM)
		return of_error_set(err, OFPBAC_BAD_LEN);
	switch (of_get_u16(p + 8)) {
	case NX_REG_LOAD:
		return n == NX_REG_LOAD_SZ ? decode_reg_load(p, a, err)
		                           : of_error_set(err, OFPBAC_BAD_LEN);
	case NX_REG_LOAD2:
		return decode_set_field(p + NX_LOAD2_OXM, n - NX_LOAD2_OXM, true, a, err);
	default:
		return of_error_set(err, OFPBAC_BAD_EXP_TYPE);
	}
}

/* One action of n bytes at p into zeroed *a. */
static int decode_action(const uint8_t *p, size_t n, struct of_action *a, struct of_error *err)
{
	uint16_t number = of_get_u16(p);
	int kind = kind_of_number(number);

	if (number == EXPERIMENTER)
		return decode_experimenter(p, n, a, err);
	if (kind < 0)
		return of_error_set(err, OFPBAC_BAD_TYPE);
	if (kind == OF_ACTION_SET_FIELD)
		return decode_set_field(p + ACTION_HEADER, n - ACTION_HEADER, false, a, err);
	if (n != actions_of13[kind].size)
		return of_error_set(err, OFPBAC_BAD_LEN);
	a->kind = (uint8_t)kind;
	a->size8 = 1;
	return decode_plain(p, a, err);
}

/* A decoded action is less than twice as long as its wire form (set-field has a mask). */
int of_actions_decode(struct of_cursor *c, struct of_actions *actions)
{
	uint8_t *list;
	int rc;

	actions->list = NULL;
	actions->size = 0;
	if (c->left == 0)
		return 0;
	list = of_arena_alloc(c->arena, 2 * c->left + sizeof(struct of_action));
	if (list == NULL)
		return -ENOMEM;
	while (c->left > 0) {
		struct of_action *a = (struct of_action *)(list + actions->size);
		size_t n = c->left >= ACTION_HEADER ? of_get_u16(c->p + 2) : 0;
		if (n < 8 || n % 8 != 0 || n > c->left)
			return of_error_set(c->err, OFPBAC_BAD_LEN);
		rc = decode_action(c->p, n, a, c->err);
		if (rc != 0)
			return rc;
		actions->size += a->size8 * 8U;
		c->p += n;
		c->left -= n;
	}
	actions->list = (const struct of_action *)list;
	return 0;
}

static void encode_nx_load2(struct of_buf *buf, const struct of_action *a)
{
	const struct flow_field *f = &flow_fields[a->field];

	of_buf_put_u32(buf, OF_EXP_NICIRA);
	of_buf_put_u16(buf, NX_REG_LOAD2);
	of_buf_add(buf, 6);
	of_oxm_put_header(buf, f, true);
	of_buf_put(buf, a->value, f->size);
	of_buf_put(buf, of_action_mask(a), f->size);
}

static void encode_set_field(struct of_buf *buf, const struct of_action *a)
{
	const struct flow_field *f = &flow_fields[a->field];
	size_t start = buf->size;
	uint8_t ones[FLOW_VALUE_MAX];
	bool masked;

	flow_field_ones(f, ones);
	masked = memcmp(ones, of_action_mask(a), f->size) != 0;
	of_buf_put_u16(buf, masked ? EXPERIMENTER : actions_of13[OF_ACTION_SET_FIELD].number);
	of_buf_put_u16(buf, 0);
	if (masked) {
		encode_nx_load2(buf, a);
	} else {
		of_oxm_put_header(buf, f, false);
		of_buf_put(buf, a->value, f->size);
	}
	of_buf_pad8(buf, start);
	of_buf_patch_len(buf, start + 2, start);
}

static void encode_plain(struct of_buf *buf, const struct of_action *a)
{
	of_buf_put_u16(buf, actions_of13[a->kind].number);
	of_buf_put_u16(buf, actions_of13[a->kind].size);
	switch (a->kind) {
	case OF_ACTION_OUTPUT:
		of_buf_put_u32(buf, a->port);
		of_buf_put_u16(buf, a->max_len);
		of_buf_add(buf, 6);
		break;
	case OF_ACTION_SET_MPLS_TTL:
	case OF_ACTION_SET_NW_TTL:
		of_buf_put_u32(buf, a->ttl << 24);
		break;
	case OF_ACTION_SET_QUEUE:
	case OF_ACTION_GROUP:
		of_buf_put_u32(buf, a->group_id);
		break;
	default:
		of_buf_put_u16(buf, a->eth_type);
		of_buf_add(buf, 2);
		break;
	}
}

void of_actions_encode(struct of_buf *buf, const struct of_actions *actions)
{
	OF_ACTION_FOREACH(a, actions)
	{
		if (a->kind == OF_ACTION_SET_FIELD)
			encode_set_field(buf, a);
		else
			encode_plain(buf, a);
	}
}

static int decode_rest(struct of_cursor *c, void *member)
{
	return of_actions_decode(c, member);
}

static int encode_rest(struct of_buf *buf, const void *member)
{
	of_actions_encode(buf, member);
	return 0;
}

const struct of_wire_call of_call_actions = {decode_rest, encode_rest};
