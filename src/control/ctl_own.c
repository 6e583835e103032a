/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bridge as a host: ARP (RFC 826), neighbour discovery (RFC 4861) and echo (RFC 792, 4443) for
 * its addresses. Threads: control. Owner: packets are ours until they are injected.
 *
 * Frames come from the network: whatever is read lies within one contiguous copy of bounded size.
 * An echo's answer is made in the copy; where the bridge has a device of the host, the host's own
 * stack answers, and what comes here only teaches neighbours.
 */
#include <netinet/in.h>
#include <string.h>

#include "base/evs_log.h"
#include "control/ctl_ip.h"
#include "pkt/pkt_csum.h"
#include "pkt/pkt_hdr.h"
#include "pkt/pkt_parse.h"

#define FRAME_MAX 9216
#define ND_SIZE   (PKT_ETH_SIZE + PKT_IPV6_SIZE + PKT_ND_SIZE + 8)

struct frame {
	struct pl_bridge *bridge;
	uint32_t index;
	const uint8_t *mac; /* of the bridge */
	uint16_t vlan;      /* its tag is taken off; 0: none */
	bool has_device;
	uint32_t size;
	uint8_t data[FRAME_MAX];
};

static struct rte_mbuf *mbuf_from(const uint8_t *data, uint32_t size)
{
	static struct rte_mempool *pool;
	struct rte_mbuf *m;
	char *room;

	if (!pool)
		pool = port_pool_get(PORT_MTU_DEFAULT, SOCKET_ID_ANY, NULL);
	m = pool ? rte_pktmbuf_alloc(pool) : NULL;
	room = m ? rte_pktmbuf_append(m, (uint16_t)size) : NULL;
	if (room)
		memcpy(room, data, size);
	else
		rte_pktmbuf_free(m);
	return room ? m : NULL;
}

static void put_tag(struct rte_mbuf *m, uint16_t vlan)
{
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, PKT_VLAN_SIZE);

	if (!p) /* a fresh buffer has headroom */
		return;
	memmove(p, p + PKT_VLAN_SIZE, 12);
	pkt_st16(p + 12, RTE_BE16(PKT_ETH_VLAN));
	pkt_st16(p + 14, rte_cpu_to_be_16(vlan));
}

static void send_own(struct pl_bridge *bridge, uint16_t vlan, const uint8_t *data, uint32_t size)
{
	static struct pl_injection injection;
	static struct pkt_key key;
	struct rte_mbuf *m = mbuf_from(data, size);

	if (!m)
		return; /* asked again later */
	if (vlan)
		put_tag(m, vlan);
	memset(&key, 0, sizeof(key));
	if (pkt_parse_one(m, &key, &(struct pkt_offsets){0}) == 0) {
		pl_send_own(bridge, &key, &injection);
		if (pmd_inject(m, injection.in_port, &injection.prog) == 0)
			return;
	}
	EVS_LOG_LIMITED(control, WARN, "bridge '%s': no worker could send a packet of its own",
	                pl_bridge_name(bridge));
	rte_pktmbuf_free(m);
}

static uint8_t *put_eth(uint8_t *p, const uint8_t dst[6], const uint8_t src[6], uint16_t type)
{
	memcpy(p, dst, 6);
	memcpy(p + 6, src, 6);
	pkt_st16(p + 12, rte_cpu_to_be_16(type));
	return p + PKT_ETH_SIZE;
}

/* ---- ARP ---- */

struct arp {
	uint16_t op, vlan;
	const uint8_t *sha, *spa, *tha, *tpa;
};

static void send_arp(struct pl_bridge *bridge, const uint8_t dst[6], const struct arp *arp)
{
	uint8_t frame[60] = {0}, *p = put_eth(frame, dst, arp->sha, PKT_ETH_ARP);

	pkt_st16(p, RTE_BE16(1));
	pkt_st16(p + 2, RTE_BE16(PKT_ETH_IPV4));
	p[4] = 6;
	p[5] = 4;
	pkt_st16(p + 6, rte_cpu_to_be_16(arp->op));
	memcpy(p + 8, arp->sha, 6);
	memcpy(p + 14, arp->spa, 4);
	memcpy(p + 18, arp->tha, 6);
	memcpy(p + 24, arp->tpa, 4);
	send_own(bridge, arp->vlan, frame, sizeof(frame));
}

/* A neighbour speaks where its network is, or it is not believed. */
static void heard(const struct frame *f, const uint8_t addr[16], const uint8_t mac[6])
{
	const struct pl_address *own = pl_address_towards(f->index, addr);

	if (own && own->vlan == f->vlan)
		ctl_neigh_heard(f->index, addr, mac);
}

static void take_arp(struct frame *f)
{
	const uint8_t *p = f->data + PKT_ETH_SIZE;
	uint8_t sender[16], target[16];
	uint32_t spa, tpa;

	if (f->size < PKT_ETH_SIZE + PKT_ARP_SIZE || pkt_be16(p) != 1 ||
	    pkt_be16(p + 2) != PKT_ETH_IPV4 || p[4] != 6 || p[5] != 4)
		return;
	spa = pkt_ld32(p + 14);
	tpa = pkt_ld32(p + 24);
	pl_ip_from_v4(spa, sender);
	pl_ip_from_v4(tpa, target);
	if (spa)
		heard(f, sender, p + 8);
	if (pkt_be16(p + 6) == 1 && !f->has_device &&
	    pl_address_is_own(f->index, f->vlan, target)) {
		struct arp reply = {2, f->vlan, f->mac, p + 24, p + 8, p + 14};

		send_arp(f->bridge, p + 8, &reply);
	}
}

/* ---- neighbour discovery ---- */

/* A message of ND_SIZE bytes: type, target, and one link-layer option with our address. */
struct nd {
	uint8_t type;
	uint16_t vlan;
	const uint8_t *dst_mac, *src, *dst, *target;
};

static void send_nd(struct pl_bridge *bridge, const struct nd *message)
{
	const uint8_t *mac = pl_bridge_config(bridge)->hwaddr.addr_bytes;
	uint8_t frame[ND_SIZE] = {0}, *ip = put_eth(frame, message->dst_mac, mac, PKT_ETH_IPV6);
	uint8_t *nd = ip + PKT_IPV6_SIZE;
	uint32_t size = PKT_ND_SIZE + 8;
	uint64_t sum;

	ip[0] = 0x60;
	pkt_st16(ip + 4, rte_cpu_to_be_16((uint16_t)size));
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255; /* RFC 4861: proves that no router passed it on */
	memcpy(ip + 8, message->src, 16);
	memcpy(ip + 24, message->dst, 16);
	nd[0] = message->type;
	if (message->type == PKT_ND_ADVERT)
		nd[4] = 0x60; /* solicited, override */
	memcpy(nd + 8, message->target, 16);
	nd[24] = message->type == PKT_ND_ADVERT ? PKT_ND_OPT_TLL : PKT_ND_OPT_SLL;
	nd[25] = 1;
	memcpy(nd + 26, mac, 6);
	sum = pkt_csum_add(pkt_csum_pseudo(ip, IPPROTO_ICMPV6, size), nd, size);
	pkt_st16(nd + 2, (uint16_t)~pkt_csum_fold(sum));
	send_own(bridge, message->vlan, frame, sizeof(frame));
}

/* The link-layer address in the options; NULL: none. */
static const uint8_t *nd_option(const uint8_t *nd, uint32_t size, uint8_t type)
{
	uint32_t at = PKT_ND_SIZE;

	for (unsigned i = 0; i < PKT_ND_OPTIONS_MAX && at + 8 <= size; i++) {
		uint32_t len = nd[at + 1] * 8u;

		if (len == 0 || at + len > size)
			return NULL;
		if (nd[at] == type)
			return nd + at + 2;
		at += len;
	}
	return NULL;
}

static void take_nd(struct frame *f, uint8_t *ip, uint32_t size)
{
	const uint8_t *nd = ip + PKT_IPV6_SIZE, *mac;
	uint8_t src[16], target[16];
	static const uint8_t zero[16];

	if (ip[7] != 255 || size < PKT_ND_SIZE)
		return;
	memcpy(src, ip + 8, 16);
	memcpy(target, nd + 8, 16);
	if (nd[0] == PKT_ND_ADVERT) {
		mac = nd_option(nd, size, PKT_ND_OPT_TLL);
		heard(f, target, mac ? mac : f->data + 6);
		return;
	}
	mac = nd_option(nd, size, PKT_ND_OPT_SLL);
	if (!memcmp(src, zero, sizeof(src)))
		return; /* duplicate address detection: we defend by our own traffic only */
	if (mac)
		heard(f, src, mac);
	if (!f->has_device && pl_address_is_own(f->index, f->vlan, target)) {
		struct nd advert = {PKT_ND_ADVERT, f->vlan, mac ? mac : f->data + 6,
		                    target,        src,     target};

		send_nd(f->bridge, &advert);
	}
}

/* ---- echo ---- */

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t t = a[i];

		a[i] = b[i];
		b[i] = t;
	}
}

static void answer_echo(struct frame *f, uint8_t *ip, uint8_t *icmp, uint8_t type)
{
	uint16_t old = pkt_ld16(icmp);
	bool v4 = ip[0] >> 4 == 4;

	memcpy(f->data, f->data + 6, 6);
	memcpy(f->data + 6, f->mac, 6);
	swap(ip + (v4 ? 12 : 8), ip + (v4 ? 16 : 24), v4 ? 4 : 16);
	icmp[0] = type;
	pkt_st16(icmp + 2, pkt_csum_update16(pkt_ld16(icmp + 2), old, pkt_ld16(icmp)));
	send_own(f->bridge, f->vlan, f->data, f->size);
}

static void take_ipv4(struct frame *f)
{
	uint8_t *ip = f->data + PKT_ETH_SIZE;
	uint32_t header, total;

	if (f->size < PKT_ETH_SIZE + PKT_IPV4_SIZE + PKT_ICMP_SIZE)
		return;
	header = (ip[0] & 0xfu) * 4;
	total = pkt_be16(ip + 2);
	if (ip[0] >> 4 != 4 || header < PKT_IPV4_SIZE || total < header + PKT_ICMP_SIZE ||
	    total > f->size - PKT_ETH_SIZE || (pkt_be16(ip + 6) & 0x3fff) ||
	    pkt_csum_fold(pkt_csum_add(0, ip, header)) != 0xffff)
		return; /* RFC 1122, 3.2.1.2: a wrong checksum is dropped in silence */
	if (ip[9] == IPPROTO_ICMP && ip[header] == 8 && !f->has_device)
		answer_echo(f, ip, ip + header, 0);
}

static void take_ipv6(struct frame *f)
{
	uint8_t *ip = f->data + PKT_ETH_SIZE, *icmp = ip + PKT_IPV6_SIZE;
	uint32_t size;

	if (f->size < PKT_ETH_SIZE + PKT_IPV6_SIZE + PKT_ICMP_SIZE)
		return;
	size = pkt_be16(ip + 4);
	if (ip[0] >> 4 != 6 || ip[6] != IPPROTO_ICMPV6 || size < PKT_ICMP_SIZE ||
	    size > f->size - PKT_ETH_SIZE - PKT_IPV6_SIZE ||
	    pkt_csum_fold(pkt_csum_add(pkt_csum_pseudo(ip, IPPROTO_ICMPV6, size), icmp, size)) !=
	            0xffff)
		return;
	if (icmp[0] == PKT_ND_SOLICIT || icmp[0] == PKT_ND_ADVERT)
		take_nd(f, ip, size);
	else if (icmp[0] == 128 && !f->has_device)
		answer_echo(f, ip, icmp, 129);
}

/* ---- in and out ---- */

static void take_tag(struct frame *f)
{
	f->vlan = 0;
	if (f->size < PKT_ETH_SIZE + PKT_VLAN_SIZE || pkt_be16(f->data + 12) != PKT_ETH_VLAN)
		return;
	f->vlan = pkt_be16(f->data + 14) & 0xfff;
	f->size -= PKT_VLAN_SIZE;
	memmove(f->data + 12, f->data + 12 + PKT_VLAN_SIZE, f->size - 12);
}

void ctl_own_input(const struct pmd_punt *punt)
{
	static struct frame f;
	struct pl_bridge *bridge = pl_bridge_at(punt->controller.bridge);
	const void *data;

	f.size = rte_pktmbuf_pkt_len(punt->mbuf);
	if (bridge && f.size >= PKT_ETH_SIZE && f.size <= sizeof(f.data)) {
		f.bridge = bridge;
		f.index = punt->controller.bridge;
		f.mac = pl_bridge_config(bridge)->hwaddr.addr_bytes;
		f.has_device = pl_port_by_ofport(bridge, PL_OFPORT_LOCAL) != NULL;
		data = rte_pktmbuf_read(punt->mbuf, 0, f.size, f.data);
		if (data != f.data)
			memcpy(f.data, data, f.size);
		take_tag(&f);
		switch (pkt_be16(f.data + 12)) {
		case PKT_ETH_ARP:
			take_arp(&f);
			break;
		case PKT_ETH_IPV4:
			take_ipv4(&f);
			break;
		case PKT_ETH_IPV6:
			take_ipv6(&f);
			break;
		}
	}
	rte_pktmbuf_free(punt->mbuf);
}

void ctl_own_ask(uint32_t index, const uint8_t addr[16])
{
	static const uint8_t everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nobody[6];
	struct pl_bridge *bridge = pl_bridge_at(index);
	const struct pl_address *from = bridge ? pl_address_towards(index, addr) : NULL;
	const uint8_t *own = from ? from->prefix.addr : NULL;
	uint8_t group[16] = {0xff, 0x02, [11] = 0x01, [12] = 0xff}, mac[6] = {0x33, 0x33, 0xff};
	struct nd solicit = {PKT_ND_SOLICIT, from ? from->vlan : 0, mac, own, group, addr};

	if (!from)
		return;
	if (pl_ip_is_v4(addr)) {
		const uint8_t *hwaddr = pl_bridge_config(bridge)->hwaddr.addr_bytes;
		struct arp request = {1, from->vlan, hwaddr, own + 12, nobody, addr + 12};

		send_arp(bridge, everyone, &request);
		return;
	}
	memcpy(group + 13, addr + 13, 3); /* RFC 4291, 2.7.1: solicited-node address */
	memcpy(mac + 3, addr + 13, 3);
	send_nd(bridge, &solicit);
}
