/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matches in text.
 * Threads: any; no state.
 */
#include <string.h>

#include "openflow/of_text_pvt.h"

static uint64_t known(const struct flow_match *match, enum flow_field_id id)
{
	return flow_field_get_u64(&flow_fields[id], &match->key);
}

static bool add_keyword(const struct of_text_span *key, struct flow_match *match)
{
	for (unsigned i = 0; i < OF_TEXT_N_KEYWORDS; i++) {
		const struct of_text_keyword *k = &of_text_keywords[i];
		if (!of_text_is(key, k->name))
			continue;
		flow_match_add_u64(match, FLOW_FIELD_ETH_TYPE, k->eth_type);
		if (k->ip_proto)
			flow_match_add_u64(match, FLOW_FIELD_IP_PROTO, k->ip_proto);
		return true;
	}
	return false;
}

static const struct flow_field *port_field(uint64_t proto, bool src)
{
	switch (proto) {
	case 6:
		return &flow_fields[src ? FLOW_FIELD_TCP_SRC : FLOW_FIELD_TCP_DST];
	case 17:
		return &flow_fields[src ? FLOW_FIELD_UDP_SRC : FLOW_FIELD_UDP_DST];
	case 132:
		return &flow_fields[src ? FLOW_FIELD_SCTP_SRC : FLOW_FIELD_SCTP_DST];
	case 1:
		return &flow_fields[src ? FLOW_FIELD_ICMPV4_TYPE : FLOW_FIELD_ICMPV4_CODE];
	case 58:
		return &flow_fields[src ? FLOW_FIELD_ICMPV6_TYPE : FLOW_FIELD_ICMPV6_CODE];
	default:
		return NULL;
	}
}

/* Names whose meaning depends on the protocol. *legacy: it is such a name. */
static const struct flow_field *legacy_field(const struct of_text_span *key,
                                             const struct flow_match *match, bool *legacy)
{
	uint64_t proto = known(match, FLOW_FIELD_IP_PROTO);
	bool src = of_text_is(key, "tp_src") || of_text_is(key, "icmp_type");
	bool arp = known(match, FLOW_FIELD_ETH_TYPE) == 0x0806 ||
	           known(match, FLOW_FIELD_ETH_TYPE) == 0x8035;

	*legacy = src || of_text_is(key, "tp_dst") || of_text_is(key, "icmp_code");
	if (*legacy)
		return port_field(proto, src);
	if (arp && of_text_is(key, "nw_src"))
		return &flow_fields[FLOW_FIELD_ARP_SPA];
	if (arp && of_text_is(key, "nw_dst"))
		return &flow_fields[FLOW_FIELD_ARP_TPA];
	if (arp && of_text_is(key, "nw_proto"))
		return &flow_fields[FLOW_FIELD_ARP_OP];
	return flow_field_by_name(key->p, key->len);
}

/* dl_vlan, vlan_tci, nw_tos: values in an older form. 1: it was one. */
static int old_form(struct of_text_scan *s, const struct of_text_span *key,
                    const struct of_text_span *value, struct flow_match *match)
{
	uint64_t n;

	if (of_text_is(key, "dl_vlan")) {
		if (of_text_number(s, value, 0xffff, &n) != 0)
			return -EINVAL;
		if (n > 0xfff && n != 0xffff)
			return of_text_fail(s, value->p, "a VLAN is 0 to 4095, or 0xffff for none");
		flow_match_add_u64(match, FLOW_FIELD_VLAN_VID,
		                   n == 0xffff ? 0 : n | OFPVID_PRESENT);
		return 1;
	}
	if (of_text_is(key, "vlan_tci")) {
		if (of_text_number(s, value, 0xffff, &n) != 0)
			return -EINVAL;
		flow_match_add_u64(match, FLOW_FIELD_VLAN_VID, n & 0x1fff);
		if (n & 0x1000)
			flow_match_add_u64(match, FLOW_FIELD_VLAN_PCP, n >> 13);
		return 1;
	}
	if (of_text_is(key, "nw_tos")) {
		if (of_text_number(s, value, 0xff, &n) != 0)
			return -EINVAL;
		if (n & 3)
			return of_text_fail(s, value->p, "nw_tos is a multiple of 4");
		flow_match_add_u64(match, FLOW_FIELD_IP_DSCP, n >> 2);
		return 1;
	}
	return 0;
}

int of_text_match_item(struct of_text_scan *s, const struct of_text_span *key,
                       const struct of_text_span *value, struct flow_match *match)
{
	uint8_t v[FLOW_VALUE_MAX], mask[FLOW_VALUE_MAX];
	const struct flow_field *f;
	bool masked, legacy;
	int ret;

	if (value->p == key->p + key->len && add_keyword(key, match))
		return 0;
	ret = old_form(s, key, value, match);
	if (ret != 0)
		return ret < 0 ? ret : 0;
	f = legacy_field(key, match, &legacy);
	if (f == NULL && legacy)
		return of_text_fail(s, key->p, "'%.*s' needs the protocol before it: tcp, udp, …",
		                    (int)key->len, key->p);
	if (f == NULL)
		return -ENOENT;
	if (!flow_match_prereq_ok(match, f->prereq))
		return of_text_fail(s, key->p,
		                    "'%.*s' needs the protocol before it: ip, ipv6, tcp, arp, …",
		                    (int)key->len, key->p);
	if (of_text_value(s, f, value, v, mask, &masked) != 0)
		return -EINVAL;
	flow_match_add(match, f, v, mask);
	return 0;
}
