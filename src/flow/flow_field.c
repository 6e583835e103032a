/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields: the table expanded, and values moved between wire order and key.
 * Threads: any; nothing is written.
 */
#include "flow/flow_field.h"

#include <string.h>
#include <strings.h>

/* Flags stand in the table as words; each expands to "| flag". */
#define F13        | FLOW_FIELD_OF13
#define M          | FLOW_FIELD_MASK
#define S          | FLOW_FIELD_SET
#define H          | FLOW_FIELD_HOST
#define FLAGS(...) (0 __VA_ARGS__)

#define MEMBER_SIZE(member) sizeof(((struct flow_key *)0)->member)

#define X(ident, oxm_name, legacy, member, shift_, bits, wire, class_, number, class2, number2,    \
          needs, flags_, form_)                                                                    \
	[FLOW_FIELD_##ident] = {                                                                   \
	        .name = oxm_name,                                                                  \
	        .ovs_name = legacy,                                                                \
	        .ofs = offsetof(struct flow_key, member),                                          \
	        .storage = MEMBER_SIZE(member),                                                    \
	        .shift = shift_,                                                                   \
	        .n_bits = bits,                                                                    \
	        .size = wire,                                                                      \
	        .flags = FLAGS(flags_),                                                            \
	        .prereq = FLOW_PREREQ_##needs,                                                     \
	        .form = FLOW_FORM_##form_,                                                         \
	        .id = FLOW_FIELD_##ident,                                                          \
	        .oxm_field = number,                                                               \
	        .nxm_field = number2,                                                              \
	        .oxm_class = FLOW_OXM_##class_,                                                    \
	        .nxm_class = FLOW_OXM_##class2,                                                    \
	},
const struct flow_field flow_fields[FLOW_N_FIELDS] = {FLOW_FIELDS(X)};
#undef X

/* Further names people use. */
static const struct {
	const char *name;
	uint8_t id;
} aliases[] = {
        {"nw_src", FLOW_FIELD_IPV4_SRC},          {"nw_dst", FLOW_FIELD_IPV4_DST},
        {"ip_src", FLOW_FIELD_IPV4_SRC},          {"ip_dst", FLOW_FIELD_IPV4_DST},
        {"nw_proto", FLOW_FIELD_IP_PROTO},        {"vlan_pcp", FLOW_FIELD_VLAN_PCP},
        {"nd_target", FLOW_FIELD_IPV6_ND_TARGET}, {"tun_metadata_id", FLOW_FIELD_TUNNEL_ID},
        {"nw_frag", FLOW_FIELD_IP_FRAG},          {"ip_ttl", FLOW_FIELD_IP_TTL},
        {"ipv6_label", FLOW_FIELD_IPV6_FLABEL},
};

const struct flow_field *flow_field_by_oxm(uint16_t oxm_class, uint8_t oxm_field)
{
	if (oxm_class == FLOW_OXM_BASIC && oxm_field <= 39)
		return &flow_fields[FLOW_FIELD_IN_PORT + oxm_field];
	if (oxm_class == FLOW_OXM_NONE)
		return NULL;
	for (unsigned i = 0; i < FLOW_N_FIELDS; i++) {
		const struct flow_field *f = &flow_fields[i];
		if ((f->oxm_class == oxm_class && f->oxm_field == oxm_field) ||
		    (f->nxm_class == oxm_class && f->nxm_field == oxm_field))
			return f;
	}
	return NULL;
}

static bool name_is(const char *name, const char *text, size_t len)
{
	/* most names differ in their first letter */
	return ((name[0] ^ text[0]) & ~0x20) == 0 && strncasecmp(name, text, len) == 0 &&
	       name[len] == '\0';
}

/* The legacy names that several fields share are the text parser's to tell apart. */
static bool is_shared(const struct flow_field *f)
{
	return strncmp(f->ovs_name, "tp_", 3) == 0 || strncmp(f->ovs_name, "icmp_", 5) == 0 ||
	       f->id == FLOW_FIELD_IP_DSCP;
}

const struct flow_field *flow_field_by_name(const char *name, size_t len)
{
	for (unsigned i = 0; i < FLOW_N_FIELDS; i++) {
		const struct flow_field *f = &flow_fields[i];
		if (name_is(f->name, name, len) ||
		    (!is_shared(f) && name_is(f->ovs_name, name, len)))
			return f;
	}
	for (unsigned i = 0; i < EVS_ARRAY_LEN(aliases); i++)
		if (name_is(aliases[i].name, name, len))
			return &flow_fields[aliases[i].id];
	return NULL;
}

/* The storage as a number; only for fields of up to 8 bytes of storage. */
static uint64_t load(const struct flow_field *field, const struct flow_key *key)
{
	const uint8_t *p = (const uint8_t *)key + field->ofs;
	uint64_t number = 0;

	for (unsigned i = 0; i < field->storage; i++)
		number = number << 8 |
		         p[field->flags & FLOW_FIELD_HOST ? field->storage - 1 - i : i];
	return number;
}

static void store(const struct flow_field *field, struct flow_key *key, uint64_t number)
{
	uint8_t *p = (uint8_t *)key + field->ofs;

	for (unsigned i = field->storage; i-- > 0; number >>= 8)
		p[field->flags & FLOW_FIELD_HOST ? field->storage - 1 - i : i] = (uint8_t)number;
}

static uint64_t low_bits(unsigned n)
{
	return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

uint64_t flow_field_get_u64(const struct flow_field *field, const struct flow_key *key)
{
	return load(field, key) >> field->shift & low_bits(field->n_bits);
}

void flow_field_put_u64(const struct flow_field *field, struct flow_key *key, uint64_t value)
{
	uint64_t bits = low_bits(field->n_bits) << field->shift;

	store(field, key, (load(field, key) & ~bits) | (value << field->shift & bits));
}

/* Whole bytes in wire order: no arithmetic needed. */
static bool is_plain(const struct flow_field *field)
{
	return field->n_bits == field->size * 8 && field->storage == field->size &&
	       !(field->flags & FLOW_FIELD_HOST);
}

uint64_t flow_field_value_u64(const struct flow_field *field, const uint8_t *value)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < field->size; i++)
		number = number << 8 | value[i];
	return number;
}

void flow_field_value_put_u64(const struct flow_field *field, uint8_t *value, uint64_t number)
{
	for (unsigned i = field->size; i-- > 0; number >>= 8)
		value[i] = (uint8_t)number;
}

void flow_field_get(const struct flow_field *field, const struct flow_key *key, uint8_t *value)
{
	if (is_plain(field))
		memcpy(value, (const uint8_t *)key + field->ofs, field->size);
	else
		flow_field_value_put_u64(field, value, flow_field_get_u64(field, key));
}

void flow_field_put(const struct flow_field *field, struct flow_key *key, const uint8_t *value)
{
	if (is_plain(field))
		memcpy((uint8_t *)key + field->ofs, value, field->size);
	else
		flow_field_put_u64(field, key, flow_field_value_u64(field, value));
}

void flow_field_put_masked(const struct flow_field *field, struct flow_key *key,
                           const uint8_t *value, const uint8_t *mask)
{
	uint8_t merged[FLOW_VALUE_MAX];

	flow_field_get(field, key, merged);
	for (unsigned i = 0; i < field->size; i++)
		merged[i] = (merged[i] & ~mask[i]) | (value[i] & mask[i]);
	flow_field_put(field, key, merged);
}

void flow_field_ones(const struct flow_field *field, uint8_t *value)
{
	if (field->n_bits == field->size * 8)
		memset(value, 0xff, field->size);
	else
		flow_field_value_put_u64(field, value, low_bits(field->n_bits));
}

bool flow_field_value_fits(const struct flow_field *field, const uint8_t *value)
{
	return field->n_bits == field->size * 8 ||
	       (flow_field_value_u64(field, value) & ~low_bits(field->n_bits)) == 0;
}
