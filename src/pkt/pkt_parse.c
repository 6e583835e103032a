/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The complete parser: every kind of frame, one at a time. Threads: any; no state.
 *
 * What the burst variants do not recognise as the common shape comes here. It is also the
 * definition that they are tested against. Lengths: the frame bounds Ethernet to L3; the IP
 * length field, where it is shorter, bounds what follows, so padding is never taken for a
 * header; where it is longer, the frame does.
 */
#include "pkt/pkt_parse.h"

#include "pkt/pkt_ipv6_pvt.h"
#include "pkt/pkt_parse_pvt.h"

/* Ports, type and code, flags. Sets ofs->l4 if the header is whole. */
static const uint8_t *parse_l4(struct pkt_frame *f, uint32_t l4, bool is_ipv6,
                               struct pkt_key_base *base, struct pkt_offsets *ofs)
{
	uint32_t size = pkt_l4_min_size(base->ip_proto, is_ipv6);
	const uint8_t *p = size ? pkt_frame_at(f, l4, size) : NULL;
	if (p == NULL || l4 > UINT16_MAX)
		return NULL;
	ofs->l4 = (uint16_t)l4;
	if (base->ip_proto == PKT_IP_ICMP || base->ip_proto == PKT_IP_ICMPV6) {
		base->tp_src = rte_cpu_to_be_16(p[0]);
		base->tp_dst = rte_cpu_to_be_16(p[1]);
		return p;
	}
	base->tp_src = pkt_ld16(p);
	base->tp_dst = pkt_ld16(p + 2);
	if (base->ip_proto == PKT_IP_TCP)
		base->tcp_flags = pkt_ld16(p + 12) & RTE_BE16(0x0fff);
	return p;
}

static void parse_ipv4(struct pkt_frame *f, uint32_t l3, struct pkt_key_base *base,
                       struct pkt_offsets *ofs)
{
	const uint8_t *p = pkt_frame_at(f, l3, PKT_IPV4_SIZE);
	if (p == NULL || p[0] >> 4 != 4)
		return;
	uint32_t header = (p[0] & 0x0fu) * 4;
	if (header < PKT_IPV4_SIZE || l3 + header > f->end)
		return;
	uint32_t end = l3 + pkt_be16(p + 2);
	f->end = EVS_MIN(f->end, end);
	ofs->l3 = (uint16_t)l3;
	ofs->l3_len = (uint16_t)(f->end - l3);
	base->ip_tos = p[1];
	base->ip_ttl = p[8];
	base->ip_proto = p[9];
	base->ip_src = pkt_ld32(p + 12);
	base->ip_dst = pkt_ld32(p + 16);
	uint16_t frag = pkt_be16(p + 6) & (PKT_IPV4_MF | PKT_IPV4_FRAGOFS);
	if (frag)
		base->frag = PKT_FRAG_ANY | (frag & PKT_IPV4_FRAGOFS ? PKT_FRAG_LATER : 0);
	if (!(frag & PKT_IPV4_FRAGOFS))
		parse_l4(f, l3 + header, false, base, ofs);
}

/* Target and link-layer address options (RFC 4861, 4.3, 4.4, 4.6); of repeated options the
 * first one counts. An option of length 0 or beyond the end makes the rest void. */
static void parse_nd(struct pkt_frame *f, uint32_t l4, struct pkt_key_ipv6 *ipv6)
{
	const uint8_t *p = pkt_frame_at(f, l4, PKT_ND_SIZE);
	if (p == NULL)
		return;
	memcpy(ipv6->nd_target, p + 8, 16);
	bool sll = false, tll = false;
	uint32_t ofs = l4 + PKT_ND_SIZE;
	for (unsigned i = 0; i < PKT_ND_OPTIONS_MAX; i++) {
		p = pkt_frame_at(f, ofs, 8);
		if (p == NULL || p[1] == 0 || ofs + p[1] * 8u > f->end)
			return;
		if (p[0] == PKT_ND_OPT_SLL && p[1] == 1 && !sll) {
			memcpy(ipv6->nd_sll, p + 2, 6);
			sll = true;
		} else if (p[0] == PKT_ND_OPT_TLL && p[1] == 1 && !tll) {
			memcpy(ipv6->nd_tll, p + 2, 6);
			tll = true;
		}
		ofs += p[1] * 8u;
	}
}

static void parse_ipv6(struct pkt_frame *f, uint32_t l3, struct pkt_key_base *base,
                       struct pkt_key_ipv6 *ipv6, struct pkt_offsets *ofs)
{
	const uint8_t *p = pkt_frame_at(f, l3, PKT_IPV6_SIZE);
	if (p == NULL || p[0] >> 4 != 6)
		return;
	uint32_t end = l3 + PKT_IPV6_SIZE + pkt_be16(p + 4);
	f->end = EVS_MIN(f->end, end);
	ofs->l3 = (uint16_t)l3;
	ofs->l3_len = (uint16_t)EVS_MIN(f->end - l3, (uint32_t)UINT16_MAX);
	base->lines |= PKT_LINE_IPV6;
	base->ip_tos = (uint8_t)(pkt_be16(p) >> 4);
	base->ip_ttl = p[7];
	memset(ipv6, 0, sizeof(*ipv6));
	ipv6->flabel = pkt_ld32(p) & RTE_BE32(0x000fffff);
	memcpy(ipv6->src, p + 8, 16);
	memcpy(ipv6->dst, p + 24, 16);

	struct pkt_ipv6_walk walk;
	pkt_ipv6_walk(f, l3, &walk);
	base->ip_proto = walk.proto;
	base->frag = walk.frag;
	base->ipv6_exthdr = rte_cpu_to_be_16(walk.exthdr);
	p = walk.complete ? parse_l4(f, walk.l4, true, base, ofs) : NULL;
	if (p != NULL && base->ip_proto == PKT_IP_ICMPV6 &&
	    (p[0] == PKT_ND_SOLICIT || p[0] == PKT_ND_ADVERT) && p[1] == 0)
		parse_nd(f, walk.l4, ipv6);
}

static void parse_arp(struct pkt_frame *f, uint32_t l3, struct pkt_key_base *base,
                      struct pkt_offsets *ofs)
{
	/* hardware Ethernet, protocol IPv4, sizes 6 and 4 */
	static const uint8_t ethernet_ipv4[6] = {0, 1, 8, 0, 6, 4};
	const uint8_t *p = pkt_frame_at(f, l3, PKT_ARP_SIZE);
	if (p == NULL || memcmp(p, ethernet_ipv4, sizeof(ethernet_ipv4)) != 0)
		return;
	ofs->l3 = (uint16_t)l3;
	ofs->l3_len = PKT_ARP_SIZE;
	base->arp_op = pkt_ld16(p + 6);
	memcpy(base->arp_sha, p + 8, 6);
	base->arp_spa = pkt_ld32(p + 14);
	memcpy(base->arp_tha, p + 18, 6);
	base->arp_tpa = pkt_ld32(p + 24);
}

static void parse_mpls(struct pkt_frame *f, uint32_t ofs, struct pkt_key_base *base,
                       struct pkt_offsets *ofsp)
{
	for (unsigned i = 0; i < PKT_N_MPLS; i++, ofs += PKT_MPLS_SIZE) {
		const uint8_t *p = pkt_frame_at(f, ofs, PKT_MPLS_SIZE);
		if (p == NULL)
			return;
		if (i == 0)
			ofsp->l2_5 = (uint16_t)ofs;
		base->mpls_lse[i] = pkt_ld32(p);
		base->n_mpls++;
		if (base->mpls_lse[i] & RTE_BE32(PKT_MPLS_BOS))
			return;
	}
}

static void parse_pbb(struct pkt_frame *f, uint32_t ofs, struct pkt_key_base *base,
                      struct pkt_offsets *ofsp)
{
	const uint8_t *p = pkt_frame_at(f, ofs, PKT_ITAG_SIZE);
	if (p == NULL)
		return;
	ofsp->l2_5 = (uint16_t)ofs;
	base->pbb_isid = pkt_ld32(p) & RTE_BE32(0x00ffffff);
}

/* Up to two tags; returns the offset behind the ethertype and leaves that in base->eth_type.
 * 0: the frame ends before it. */
static uint32_t parse_vlans(struct pkt_frame *f, struct pkt_key_base *base)
{
	uint32_t ofs = 12;
	for (unsigned i = 0;; i++) {
		const uint8_t *p = pkt_frame_at(f, ofs, 2);
		if (p == NULL)
			return 0;
		uint16_t type = pkt_be16(p);
		if (i == PKT_N_VLANS || !pkt_eth_is_vlan(type)) {
			base->eth_type = rte_cpu_to_be_16(type);
			return ofs + 2;
		}
		p = pkt_frame_at(f, ofs, PKT_VLAN_SIZE);
		if (p == NULL)
			return 0;
		base->vlan[i].tpid = pkt_ld16(p);
		base->vlan[i].tci = pkt_ld16(p + 2) | RTE_BE16(PKT_VLAN_PRESENT);
		ofs += PKT_VLAN_SIZE;
	}
}

/* 802.3: LLC with SNAP and OUI 0 holds an ethertype, anything else is 0x05ff. */
static uint32_t parse_llc(struct pkt_frame *f, uint32_t ofs, struct pkt_key_base *base)
{
	static const uint8_t snap[6] = {0xaa, 0xaa, 0x03, 0, 0, 0};
	const uint8_t *p = pkt_frame_at(f, ofs, PKT_SNAP_SIZE);
	base->eth_type = RTE_BE16(PKT_ETH_8022);
	if (p == NULL || memcmp(p, snap, sizeof(snap)) != 0 || pkt_be16(p + 6) < PKT_ETH_MIN)
		return ofs;
	base->eth_type = pkt_ld16(p + 6);
	return ofs + PKT_SNAP_SIZE;
}

int pkt_parse_frame(const struct rte_mbuf *m, struct pkt_key_base *base, struct pkt_key_ipv6 *ipv6,
                    struct pkt_offsets *ofs)
{
	struct pkt_frame f;
	pkt_frame_init(&f, m);
	const uint8_t *p = pkt_frame_at(&f, 0, PKT_ETH_SIZE);
	if (p == NULL)
		return -EINVAL;
	memcpy(base->eth_dst, p, 6);
	memcpy(base->eth_src, p + 6, 6);
	uint32_t next = parse_vlans(&f, base);
	if (next == 0)
		return 0;
	if (rte_be_to_cpu_16(base->eth_type) < PKT_ETH_MIN)
		next = parse_llc(&f, next, base);
	switch (rte_be_to_cpu_16(base->eth_type)) {
	case PKT_ETH_IPV4:
		parse_ipv4(&f, next, base, ofs);
		break;
	case PKT_ETH_IPV6:
		parse_ipv6(&f, next, base, ipv6, ofs);
		break;
	case PKT_ETH_ARP:
	case PKT_ETH_RARP:
		parse_arp(&f, next, base, ofs);
		break;
	case PKT_ETH_MPLS:
	case PKT_ETH_MPLS_MC:
		parse_mpls(&f, next, base, ofs);
		break;
	case PKT_ETH_PBB:
		parse_pbb(&f, next, base, ofs);
		break;
	}
	return 0;
}

int pkt_parse_one(const struct rte_mbuf *mbuf, struct pkt_key *key, struct pkt_offsets *ofs)
{
	return pkt_parse_frame(mbuf, &key->base, &key->ext.ipv6, ofs);
}
