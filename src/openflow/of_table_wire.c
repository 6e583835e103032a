/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table features on the wire (section 7.3.5.5): properties are lists of identifiers, decoded as
 * sets. Threads: any; no state.
 *
 * Every property is a row: where its set lies in struct of_table_features, and how one identifier
 * is read and written. An odd number is the same property for the table-miss rule.
 */
#include "openflow/of_wire_pvt.h"

#include <string.h>

#define PROP_HEADER  4
#define N_PROPS      16
#define EXPERIMENTER 0xffff

enum prop_form { PROP_NONE, PROP_INSTS, PROP_TABLES, PROP_ACTIONS, PROP_OXMS };

struct prop {
	uint8_t form;
	bool once; /* no variant for table-miss: the odd number does not exist */
	uint16_t ofs, miss_ofs;
};

#define PROP(form, member)                                                                         \
	{                                                                                          \
		form, false, offsetof(struct of_table_features, member[0]),                        \
		        offsetof(struct of_table_features, member[1])                              \
	}
#define PROP_ONCE(form, member)                                                                    \
	{                                                                                          \
		form, true, offsetof(struct of_table_features, member), 0                          \
	}

/* By property number / 2. */
static const struct prop props[N_PROPS / 2] = {
        [OFPTFPT_INSTRUCTIONS / 2] = PROP(PROP_INSTS, insts),
        [OFPTFPT_NEXT_TABLES / 2] = PROP(PROP_TABLES, next_tables),
        [OFPTFPT_WRITE_ACTIONS / 2] = PROP(PROP_ACTIONS, write_actions),
        [OFPTFPT_APPLY_ACTIONS / 2] = PROP(PROP_ACTIONS, apply_actions),
        [OFPTFPT_MATCH / 2] = PROP_ONCE(PROP_OXMS, match),
        [OFPTFPT_WILDCARDS / 2] = PROP_ONCE(PROP_OXMS, wildcards),
        [OFPTFPT_WRITE_SETFIELD / 2] = PROP(PROP_OXMS, write_setfield),
        [OFPTFPT_APPLY_SETFIELD / 2] = PROP(PROP_OXMS, apply_setfield),
};

static const struct prop *prop_of(unsigned number)
{
	const struct prop *p = number < N_PROPS ? &props[number / 2] : NULL;

	return p == NULL || p->form == PROP_NONE || (p->once && number % 2) ? NULL : p;
}

/* The numbers of actions and their place in sets. */
static const uint16_t action_numbers[OF_N_ACTIONS] = {
#define X(id, number, size, name) [OF_ACTION_##id] = number,
        OF_ACTIONS(X)
#undef X
};

/* Identifiers of instructions and actions: type and length, 4 bytes. */
static int decode_types(const uint8_t *p, size_t n, bool insts, uint32_t *set, struct of_error *err)
{
	for (size_t at = 0; at < n; at += 4) {
		unsigned number, i;
		if (n - at < 4 || of_get_u16(p + at + 2) != 4)
			return of_error_set(err, OFPTFFC_BAD_LEN);
		number = of_get_u16(p + at);
		for (i = 0; !insts && i < OF_N_ACTIONS && action_numbers[i] != number; i++)
			;
		if (insts ? number < 1 || number > 6 : i == OF_N_ACTIONS)
			return of_error_set(err, OFPTFFC_BAD_ARGUMENT);
		*set |= 1U << (insts ? number : i);
	}
	return 0;
}

static int decode_oxms(const uint8_t *p, size_t n, struct flow_field_set *set,
                       struct flow_field_set *masked, struct of_error *err)
{
	struct of_oxm oxm;

	for (size_t at = 0; at < n; at += oxm.header_size) {
		if (of_oxm_get(p + at, n - at, true, &oxm) != 0)
			return of_error_set(err, OFPTFFC_BAD_LEN);
		if (oxm.field == NULL)
			return of_error_set(err, OFPTFFC_BAD_ARGUMENT);
		flow_field_set_add(set, oxm.field->id);
		if (masked != NULL && oxm.has_mask)
			flow_field_set_add(masked, oxm.field->id);
	}
	return 0;
}

static int decode_prop(const uint8_t *p, size_t n, unsigned number, struct of_table_features *f,
                       struct of_error *err)
{
	const struct prop *prop = prop_of(number);
	void *set;

	if (prop == NULL)
		return of_error_set(err, OFPTFFC_BAD_TYPE);
	if (f->props & 1U << number)
		return of_error_set(err, OFPTFFC_BAD_ARGUMENT);
	f->props |= 1U << number;
	set = (uint8_t *)f + (number % 2 ? prop->miss_ofs : prop->ofs);
	switch (prop->form) {
	case PROP_INSTS:
	case PROP_ACTIONS:
		return decode_types(p, n, prop->form == PROP_INSTS, set, err);
	case PROP_TABLES:
		for (size_t i = 0; i < n; i++)
			((uint64_t *)set)[p[i] / 64] |= UINT64_C(1) << p[i] % 64;
		return 0;
	default:
		return decode_oxms(p, n, set, number == OFPTFPT_MATCH ? &f->match_masked : NULL,
		                   err);
	}
}

static int decode_props(struct of_cursor *c, void *member)
{
	struct of_table_features *f = evs_container_of(member, struct of_table_features, props);
	int rc;

	while (c->left > 0) {
		size_t n = c->left >= PROP_HEADER ? of_get_u16(c->p + 2) : 0;
		size_t padded = (n + 7) & ~(size_t)7;
		if (n < PROP_HEADER || padded > c->left)
			return of_error_set(c->err, OFPTFFC_BAD_LEN);
		rc = decode_prop(c->p + PROP_HEADER, n - PROP_HEADER, of_get_u16(c->p), f, c->err);
		if (rc != 0)
			return rc;
		c->p += padded;
		c->left -= padded;
	}
	return 0;
}

static void encode_types(struct of_buf *buf, bool insts, uint32_t set)
{
	for (unsigned i = 0; i < 32; i++) {
		if (!(set >> i & 1))
			continue;
		of_buf_put_u16(buf, insts ? (uint16_t)i : action_numbers[i]);
		of_buf_put_u16(buf, 4);
	}
}

static void encode_oxms(struct of_buf *buf, const struct flow_field_set *set,
                        const struct flow_field_set *masked)
{
	for (unsigned i = 0; i < FLOW_N_FIELDS; i++)
		if (flow_field_set_has(set, i))
			of_oxm_put_header(buf, &flow_fields[i],
			                  masked != NULL && flow_field_set_has(masked, i));
}

static void encode_prop(struct of_buf *buf, const struct of_table_features *f, unsigned number)
{
	const struct prop *prop = prop_of(number);
	const void *set = (const uint8_t *)f + (number % 2 ? prop->miss_ofs : prop->ofs);
	size_t start = buf->size;

	of_buf_put_u16(buf, (uint16_t)number);
	of_buf_put_u16(buf, 0);
	if (prop->form == PROP_INSTS || prop->form == PROP_ACTIONS)
		encode_types(buf, prop->form == PROP_INSTS, *(const uint32_t *)set);
	else if (prop->form == PROP_OXMS)
		encode_oxms(buf, set, number == OFPTFPT_MATCH ? &f->match_masked : NULL);
	for (unsigned i = 0; prop->form == PROP_TABLES && i < 256; i++)
		if (((const uint64_t *)set)[i / 64] >> i % 64 & 1)
			of_buf_put(buf, &(uint8_t){(uint8_t)i}, 1);
	of_buf_patch_len(buf, start + 2, start);
	of_buf_pad8(buf, start);
}

static int encode_props(struct of_buf *buf, const void *member)
{
	const struct of_table_features *f =
	        evs_container_of(member, const struct of_table_features, props);

	for (unsigned i = 0; i < N_PROPS; i++)
		if ((f->props >> i & 1) && prop_of(i) != NULL)
			encode_prop(buf, f, i);
	return 0;
}

const struct of_wire_call of_call_table_props = {decode_props, encode_props};

static const struct of_wire rows_table_features[] = {
        OF_LEN(8),
        OF_INT(struct of_table_features, table_id),
        OF_PAD(5),
        OF_TEXT(struct of_table_features, name),
        OF_INT(struct of_table_features, metadata_match),
        OF_INT(struct of_table_features, metadata_write),
        OF_INT(struct of_table_features, config),
        OF_INT(struct of_table_features, max_entries),
        OF_CALL(struct of_table_features, props, &of_call_table_props),
        OF_END,
};
const struct of_wire_elem of_elem_table_features = {
        rows_table_features, sizeof(struct of_table_features), OFPTFFC_BAD_LEN, NULL};
