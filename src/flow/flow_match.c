/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matches in full form.
 * Threads: any. Owner: the caller.
 */
#include "flow/flow_match.h"

#include <string.h>

#define ETH_IPV4  0x0800
#define ETH_IPV6  0x86dd
#define ETH_ARP   0x0806
#define ETH_RARP  0x8035
#define ETH_MPLS  0x8847
#define ETH_MPLS2 0x8848
#define ETH_PBB   0x88e7
#define IP_ICMP   1
#define IP_TCP    6
#define IP_UDP    17
#define IP_ICMPV6 58
#define IP_SCTP   132
#define ND_SOL    135
#define ND_ADV    136

void flow_match_init(struct flow_match *match)
{
	memset(match, 0, sizeof(*match));
}

static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* Tunnel addresses of IPv4 are the end of those of IPv6; this is where those begin. 0: another. */
static size_t tun_address(unsigned id)
{
	const size_t tun = offsetof(struct flow_key, pkt.ext.tun);

	switch (id) {
	case FLOW_FIELD_TUN_IPV4_SRC:
	case FLOW_FIELD_TUN_IPV6_SRC:
		return tun + offsetof(struct pkt_key_tun, src);
	case FLOW_FIELD_TUN_IPV4_DST:
	case FLOW_FIELD_TUN_IPV6_DST:
		return tun + offsetof(struct pkt_key_tun, dst);
	default:
		return 0;
	}
}

static bool is_v4_form(unsigned id)
{
	return id == FLOW_FIELD_TUN_IPV4_SRC || id == FLOW_FIELD_TUN_IPV4_DST;
}

void flow_match_add(struct flow_match *match, const struct flow_field *field, const uint8_t *value,
                    const uint8_t *mask)
{
	uint8_t ones[FLOW_VALUE_MAX], within[FLOW_VALUE_MAX];

	if (mask == NULL) {
		flow_field_ones(field, ones);
		mask = ones;
	}
	for (unsigned i = 0; i < field->size; i++)
		within[i] = value[i] & mask[i];
	flow_field_put(field, &match->key, within);
	flow_field_put(field, &match->mask, mask);
	if (is_v4_form(field->id)) {
		memcpy((uint8_t *)&match->key + tun_address(field->id), v4_prefix, 12);
		memset((uint8_t *)&match->mask + tun_address(field->id), 0xff, 12);
	}
}

void flow_match_add_u64(struct flow_match *match, enum flow_field_id id, uint64_t value)
{
	flow_field_put_u64(&flow_fields[id], &match->key, value);
	flow_field_put_u64(&flow_fields[id], &match->mask, UINT64_MAX);
}

static bool any_bit(const uint8_t *p, unsigned size)
{
	uint8_t any = 0;

	for (unsigned i = 0; i < size; i++)
		any |= p[i];
	return any != 0;
}

static bool has_mask(const struct flow_match *match, const struct flow_field *f)
{
	return f->storage > 8 ? any_bit((const uint8_t *)&match->mask + f->ofs, f->storage)
	                      : flow_field_get_u64(f, &match->mask) != 0;
}

static bool exact_is(const struct flow_match *match, enum flow_field_id id, uint64_t value)
{
	const struct flow_field *f = &flow_fields[id];

	return flow_field_get_u64(f, &match->key) == value &&
	       flow_field_get_u64(f, &match->mask) == (UINT64_C(1) << f->n_bits) - 1;
}

static bool is_ip(const struct flow_match *match)
{
	return exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_IPV4) ||
	       exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_IPV6);
}

static bool is_proto(const struct flow_match *match, uint8_t proto)
{
	return is_ip(match) && exact_is(match, FLOW_FIELD_IP_PROTO, proto);
}

static bool is_nd(const struct flow_match *match, bool sol, bool adv)
{
	bool type_ok = (sol && exact_is(match, FLOW_FIELD_ICMPV6_TYPE, ND_SOL)) ||
	               (adv && exact_is(match, FLOW_FIELD_ICMPV6_TYPE, ND_ADV));

	return type_ok && flow_match_prereq_ok(match, FLOW_PREREQ_ICMPV6);
}

static bool vlan_present(const struct flow_match *match)
{
	const struct flow_field *f = &flow_fields[FLOW_FIELD_VLAN_VID];

	return (flow_field_get_u64(f, &match->key) & PKT_VLAN_PRESENT) != 0;
}

bool flow_match_prereq_ok(const struct flow_match *match, enum flow_prereq prereq)
{
	switch (prereq) {
	case FLOW_PREREQ_NONE:
		return true;
	case FLOW_PREREQ_VLAN:
		return vlan_present(match);
	case FLOW_PREREQ_IP:
		return is_ip(match);
	case FLOW_PREREQ_IPV4:
		return exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_IPV4);
	case FLOW_PREREQ_IPV6:
		return exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_IPV6);
	case FLOW_PREREQ_ARP:
		return exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_ARP) ||
		       exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_RARP);
	case FLOW_PREREQ_TCP:
		return is_proto(match, IP_TCP);
	case FLOW_PREREQ_UDP:
		return is_proto(match, IP_UDP);
	case FLOW_PREREQ_SCTP:
		return is_proto(match, IP_SCTP);
	case FLOW_PREREQ_ICMPV4:
		return exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_IPV4) && is_proto(match, IP_ICMP);
	case FLOW_PREREQ_ICMPV6:
		return exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_IPV6) && is_proto(match, IP_ICMPV6);
	case FLOW_PREREQ_ND:
		return is_nd(match, true, true);
	case FLOW_PREREQ_ND_SOL:
		return is_nd(match, true, false);
	case FLOW_PREREQ_ND_ADV:
		return is_nd(match, false, true);
	case FLOW_PREREQ_MPLS:
		return exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_MPLS) ||
		       exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_MPLS2);
	case FLOW_PREREQ_PBB:
		return exact_is(match, FLOW_FIELD_ETH_TYPE, ETH_PBB);
	case FLOW_PREREQ_IN_PORT:
		return has_mask(match, &flow_fields[FLOW_FIELD_IN_PORT]);
	}
	return false;
}

/* Of the two forms of a tunnel address the one that was meant is told. */
static bool is_other_form(const struct flow_match *match, const struct flow_field *field)
{
	static const uint8_t ones[12] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	                                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	size_t at = tun_address(field->id);
	bool v4;

	if (!at)
		return false;
	v4 = !memcmp((const uint8_t *)&match->key + at, v4_prefix, 12) &&
	     !memcmp((const uint8_t *)&match->mask + at, ones, 12) &&
	     has_mask(match, &flow_fields[at == tun_address(FLOW_FIELD_TUN_IPV4_SRC)
	                                          ? FLOW_FIELD_TUN_IPV4_SRC
	                                          : FLOW_FIELD_TUN_IPV4_DST]);
	return v4 != is_v4_form(field->id);
}

bool flow_match_field_used(const struct flow_match *match, const struct flow_field *field)
{
	if (is_other_form(match, field))
		return false;
	return has_mask(match, field) && flow_match_prereq_ok(match, field->prereq);
}

void flow_match_fields(const struct flow_match *match, struct flow_field_set *set)
{
	memset(set, 0, sizeof(*set));
	for (unsigned i = 0; i < FLOW_N_FIELDS; i++)
		if (flow_match_field_used(match, &flow_fields[i]))
			flow_field_set_add(set, i);
}
