/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building an outer header: Ethernet, a tag of the underlay, IPv4 or IPv6, and the kind's bytes.
 * Threads: any. Owner: the caller's memory.
 */
#include "pkt/pkt_csum.h"
#include "pkt/pkt_hdr.h"
#include "tunnel/tun_push.h"
#include "tunnel/tun_pvt.h"

static uint8_t *build_eth(const struct tun_outer *outer, bool ipv4, uint8_t *p)
{
	memcpy(p, outer->eth_dst, 6);
	memcpy(p + 6, outer->eth_src, 6);
	p += 12;
	if (outer->vlan.tci) {
		memcpy(p, &outer->vlan.tpid, 2);
		tun_put16(p + 2, rte_be_to_cpu_16(outer->vlan.tci) & ~PKT_VLAN_PRESENT & 0xffff);
		p += 4;
	}
	tun_put16(p, ipv4 ? 0x0800 : 0x86dd);
	return p + 2;
}

static uint8_t *build_ipv4(const struct tun_outer *outer, uint8_t *p)
{
	memset(p, 0, PKT_IPV4_SIZE);
	p[0] = 0x45;
	p[1] = outer->tos;
	if (outer->flags & PKT_TUN_DF)
		tun_put16(p + 6, 0x4000);
	p[8] = outer->ttl;
	p[9] = tun_kinds[outer->kind].ip_proto;
	memcpy(p + 12, &outer->src[12], 4);
	memcpy(p + 16, &outer->dst[12], 4);
	return p + PKT_IPV4_SIZE;
}

static uint8_t *build_ipv6(const struct tun_outer *outer, uint8_t *p)
{
	tun_put32(p, 6u << 28 | (uint32_t)outer->tos << 20);
	tun_put16(p + 4, 0);
	p[6] = tun_kinds[outer->kind].ip_proto;
	p[7] = outer->ttl;
	memcpy(p + 8, outer->src, 16);
	memcpy(p + 24, outer->dst, 16);
	return p + PKT_IPV6_SIZE;
}

uint8_t *tun_udp_build(const struct tun_outer *outer, uint8_t *p)
{
	tun_put16(p, outer->sport_lo);
	memcpy(p + 2, &outer->dst_port, 2);
	memset(p + 4, 0, 4);
	return p + TUN_UDP_SIZE;
}

/* For tun_push.h; 0: tun_push only. */
static uint8_t push_shape(const struct tun_outer *outer, size_t size, bool ipv4)
{
	const bool gre = tun_kinds[outer->kind].ip_proto == IPPROTO_GRE;
	uint8_t shape = TUN_PUSH_PLAIN;

	if (tun_kinds[outer->kind].push || outer->flags & (PKT_TUN_CSUM | PKT_TUN_SEQ) ||
	    size > 2 * TUN_PUSH_COPY || (ipv4 && !(outer->flags & PKT_TUN_DF)) ||
	    (!gre && !outer->sport_n))
		return 0;
	shape |= (ipv4 ? 0 : TUN_PUSH_IPV6) | (gre ? TUN_PUSH_GRE : 0);
	shape |= outer->kind == TUN_NVGRE ? TUN_PUSH_FLOW_ID : 0;
	return shape | (size > TUN_PUSH_COPY ? TUN_PUSH_LONG : 0);
}

int tun_header_build(const struct tun_outer *outer, struct pkt_tunnel_header *header)
{
	bool ipv4 = tun_is_ipv4(outer->dst);
	uint8_t bytes[PKT_TUNNEL_HEADER_MAX], *l3, *l4;
	size_t size;

	if (outer->kind == TUN_NONE || outer->kind >= TUN_N_KINDS ||
	    tun_is_ipv4(outer->src) != ipv4 || outer->options_size > TUN_GENEVE_OPTIONS_MAX ||
	    outer->options_size % 4)
		return -EINVAL;
	l3 = build_eth(outer, ipv4, bytes);
	l4 = ipv4 ? build_ipv4(outer, l3) : build_ipv6(outer, l3);
	size = tun_kinds[outer->kind].build(outer, l4);
	if (size == 0)
		return -EINVAL;
	size += (size_t)(l4 - bytes);

	memset(header, 0, sizeof(*header));
	header->kind = (uint8_t)outer->kind;
	header->flags = (uint8_t)outer->flags;
	header->size = (uint16_t)size;
	header->l3 = (uint16_t)(l3 - bytes);
	header->l4 = (uint16_t)(l4 - bytes);
	header->sport_lo = outer->sport_lo;
	header->sport_n = outer->sport_n;
	if (ipv4)
		header->ip_sum = pkt_csum_fold(pkt_csum_add(0, l3, PKT_IPV4_SIZE));
	header->plain = push_shape(outer, size, ipv4);
	memcpy(pkt_tunnel_bytes(header), bytes, size);
	return 0;
}
