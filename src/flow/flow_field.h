/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields: everything that can be matched or set, described once.
 * Threads: any; the table is constant.
 *
 * A field is a place in struct flow_key and what OpenFlow says about it: its OXM and NXM numbers,
 * its width, whether it may be masked or set, what it requires of other fields (prerequisites,
 * OpenFlow 1.3.5 section 7.2.3.6), how a person writes it. Codec, parser of ovs-ofctl syntax,
 * printer, table-features, set-field and trace all expand this one table (flow_field_table.h).
 *
 * A value outside a key is a row of `size` bytes in wire order, right aligned, as in an OXM TLV.
 */
#ifndef FLOW_FIELD_H
#define FLOW_FIELD_H

#include "flow/flow_field_table.h"
#include "flow/flow_key.h"

#define FLOW_VALUE_MAX 16 /* bytes of the widest field */

/* How values are written and read by people. */
enum flow_field_form {
	FLOW_FORM_DEC,
	FLOW_FORM_HEX,
	FLOW_FORM_ETH,
	FLOW_FORM_IPV4,
	FLOW_FORM_IPV6,
	FLOW_FORM_PORT, /* OpenFlow port number or reserved name */
	FLOW_FORM_FRAG,
	FLOW_FORM_TCP_FLAGS,
	FLOW_FORM_CT_STATE,
};

/* Prerequisites; each is a condition on the other fields of the match. */
enum flow_prereq {
	FLOW_PREREQ_NONE,
	FLOW_PREREQ_VLAN, /* a tag is present */
	FLOW_PREREQ_IP,   /* IPv4 or IPv6 */
	FLOW_PREREQ_IPV4,
	FLOW_PREREQ_IPV6,
	FLOW_PREREQ_ARP,
	FLOW_PREREQ_TCP,
	FLOW_PREREQ_UDP,
	FLOW_PREREQ_SCTP,
	FLOW_PREREQ_ICMPV4,
	FLOW_PREREQ_ICMPV6,
	FLOW_PREREQ_ND,     /* ICMPv6 type 135 or 136, code 0 */
	FLOW_PREREQ_ND_SOL, /* 135 */
	FLOW_PREREQ_ND_ADV, /* 136 */
	FLOW_PREREQ_MPLS,
	FLOW_PREREQ_PBB,
	FLOW_PREREQ_IN_PORT, /* in_phy_port needs in_port */
};

enum flow_field_flag {
	FLOW_FIELD_MASK = 0x01, /* may be masked */
	FLOW_FIELD_SET = 0x02,  /* may be the object of set-field */
	FLOW_FIELD_HOST = 0x04, /* in host order within struct flow_key */
	FLOW_FIELD_OF13 = 0x08, /* one of the 40 of OpenFlow 1.3.5 */
};

enum flow_field_id {
#define X(id, ...) FLOW_FIELD_##id,
	FLOW_FIELDS(X)
#undef X
	        FLOW_N_FIELDS,
	FLOW_FIELD_NONE = 0xff
};

/* OXM classes (section 7.2.3.3). */
enum flow_oxm_class {
	FLOW_OXM_NXM0 = 0x0000, /* NXM_OF_* */
	FLOW_OXM_NXM1 = 0x0001, /* NXM_NX_* */
	FLOW_OXM_BASIC = 0x8000,
	FLOW_OXM_NONE = 0xfffe,         /* for a field without a second number */
	FLOW_OXM_EXPERIMENTER = 0xffff, /* here: of ONF, FLOW_OXM_ONF follows the header */
};
#define FLOW_OXM_ONF 0x4f4e4600U

struct flow_field {
	const char *name;     /* of the OpenFlow specification: "ipv4_dst" */
	const char *ovs_name; /* as ovs-ofctl prints it: "nw_dst" */
	uint16_t ofs;         /* of the storage in struct flow_key */
	uint8_t storage;      /* bytes there */
	uint8_t shift;        /* bits to the right of the field within its storage */
	uint8_t n_bits;
	uint8_t size;  /* bytes of a value on the wire */
	uint8_t flags; /* enum flow_field_flag */
	uint8_t prereq;
	uint8_t form;
	uint8_t id;
	uint8_t oxm_field; /* number within its class */
	uint8_t nxm_field; /* second number, within nxm_class */
	uint16_t oxm_class;
	uint16_t nxm_class; /* FLOW_OXM_NONE: there is no second number */
};

extern const struct flow_field flow_fields[FLOW_N_FIELDS];

/* A set of fields. */
struct flow_field_set {
	uint64_t bits[3];
};
static_assert(FLOW_N_FIELDS <= 192, "a set holds every field");

EVS_INLINE bool flow_field_set_has(const struct flow_field_set *set, unsigned id)
{
	return set->bits[id / 64] >> (id % 64) & 1;
}

EVS_INLINE void flow_field_set_add(struct flow_field_set *set, unsigned id)
{
	set->bits[id / 64] |= UINT64_C(1) << (id % 64);
}

/* By number: NULL if unknown. Experimenter class: of ONF. */
const struct flow_field *flow_field_by_oxm(uint16_t oxm_class, uint8_t oxm_field);
/* By any name or alias (len characters, any case); NULL if unknown. Legacy names
 * that depend on the protocol (tp_src, icmp_type) are left to the text parser. */
const struct flow_field *flow_field_by_name(const char *name, size_t len);

/* Between a value and its place in a key. `set` clears the field's other bits; `set_masked` leaves
 * bits outside the mask as they are. */
void flow_field_get(const struct flow_field *field, const struct flow_key *key, uint8_t *value);
void flow_field_put(const struct flow_field *field, struct flow_key *key, const uint8_t *value);
void flow_field_put_masked(const struct flow_field *field, struct flow_key *key,
                           const uint8_t *value, const uint8_t *mask);
/* For fields of up to 64 bits. */
uint64_t flow_field_get_u64(const struct flow_field *field, const struct flow_key *key);
void flow_field_put_u64(const struct flow_field *field, struct flow_key *key, uint64_t value);

/* The value of all ones: an exact mask. */
void flow_field_ones(const struct flow_field *field, uint8_t *value);
bool flow_field_value_fits(const struct flow_field *field, const uint8_t *value);
uint64_t flow_field_value_u64(const struct flow_field *field, const uint8_t *value);
void flow_field_value_put_u64(const struct flow_field *field, uint8_t *value, uint64_t number);

#endif
