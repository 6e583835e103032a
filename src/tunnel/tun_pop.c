/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking an outer header off.
 * Threads: worker.
 */
#include <rte_ether.h>

#include "pkt/pkt_csum.h"
#include "tunnel/tun_pvt.h"

static void read_addresses(const uint8_t *ip, struct pkt_key_tun *tun)
{
	if (ip[0] >> 4 == 4) {
		memset(tun->src, 0, 10);
		memset(tun->dst, 0, 10);
		memset(&tun->src[10], 0xff, 2);
		memset(&tun->dst[10], 0xff, 2);
		memcpy(&tun->src[12], ip + 12, 4);
		memcpy(&tun->dst[12], ip + 16, 4);
		tun->tos = ip[1];
		tun->ttl = ip[8];
		if (ip[6] & 0x40)
			tun->flags |= PKT_TUN_DF;
	} else {
		memcpy(tun->src, ip + 8, 16);
		memcpy(tun->dst, ip + 24, 16);
		tun->tos = (uint8_t)(tun_get16(ip) >> 4);
		tun->ttl = ip[7];
	}
}

/* RFC 1122, 3.2.1.2: a datagram whose header has a wrong checksum is dropped. */
bool tun_ip_is_good(const struct rte_mbuf *m, uint32_t l3)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, l3);

	if (ip[0] >> 4 != 4 || pkt_ip_is_checked(m))
		return true;
	return pkt_csum_fold(pkt_csum_add(0, ip, 4u * (ip[0] & 0xf))) == 0xffff;
}

/* RFC 768: a checksum that is there must be right; RFC 7348, 5 and RFC 8926, 3.3 allow zero. */
static bool udp_is_good(const struct rte_mbuf *m, const struct pkt_offsets *ofs, const uint8_t *udp)
{
	uint16_t size = tun_get16(udp + 4);

	if (size < TUN_UDP_SIZE || size > ofs->l3_len - (ofs->l4 - ofs->l3))
		return false;
	if (udp[6] == 0 && udp[7] == 0)
		return true;
	if (pkt_l4_is_checked(m))
		return true;
	return pkt_csum_verify(m, ofs->l3) == PKT_CSUM_GOOD;
}

/* TCP's checksum is never left out. */
bool tun_tcp_is_good(const struct rte_mbuf *m, uint32_t l3)
{
	return pkt_l4_is_checked(m) || pkt_csum_verify(m, l3) == PKT_CSUM_GOOD;
}

/* Gives a packet that came without a MAC header one: zero addresses, its ethertype. */
static void put_mac(struct rte_mbuf *m, rte_be16_t type)
{
	struct rte_ether_hdr *eth =
	        (struct rte_ether_hdr *)rte_pktmbuf_prepend(m, sizeof(struct rte_ether_hdr));

	/* There is room: a longer outer header was just taken off. */
	memset(eth, 0, sizeof(*eth));
	eth->ether_type = type;
}

/* Takes `skip` bytes off; `size` are left. False: m is as it was. */
EVS_INLINE bool take_off(struct rte_mbuf *m, uint32_t skip, uint32_t size,
                         const struct tun_inner *inner,
                         bool (*settle)(struct rte_mbuf *m, const struct tun_inner *inner))
{
	const uint64_t flags = m->ol_flags;
	uint32_t pad;

	rte_pktmbuf_adj(m, (uint16_t)skip);
	/* Padding behind the outer packet is not part of the inner one. */
	pad = m->pkt_len - EVS_MIN(m->pkt_len, size);
	m->pkt_len -= pad;
	m->ol_flags &= ~(uint64_t)(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
	if (settle && evs_unlikely(!settle(m, inner))) {
		m->pkt_len += pad;
		m->ol_flags = flags;
		rte_pktmbuf_prepend(m, (uint16_t)skip);
		return false;
	}
	m->pkt_len += pad;
	if (pad)
		rte_pktmbuf_trim(m, (uint16_t)pad);
	if (inner->inner_type)
		put_mac(m, inner->inner_type);
	return true;
}

/* The parser knows no header behind GRE's number, so for it only the IP header tells. */
static uint32_t l4_offset(const struct rte_mbuf *m, const struct pkt_offsets *ofs, uint8_t ip_proto)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs->l3);

	if (ip_proto != IPPROTO_GRE || ofs->l3 == 0)
		return ofs->l4;
	if (m->data_len < ofs->l3 + 40u)
		return 0;
	if (ip[0] >> 4 == 4)
		return ip[9] == IPPROTO_GRE ? ofs->l3 + 4u * (ip[0] & 0xf) : 0;
	return ip[6] == IPPROTO_GRE ? ofs->l3 + 40u : 0;
}

enum pkt_drop EVS_HOT tun_pop(enum tun_kind kind, struct rte_mbuf *m, const struct pkt_offsets *ofs,
                              struct pkt_key_tun *tun)
{
	const struct tun_kind_ops *ops = &tun_kinds[kind];
	struct tun_inner inner = {.tun = tun};
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t l4 = l4_offset(m, ofs, ops->ip_proto), payload, size;

	if (l4 == 0 || ofs->l3_len < l4 - ofs->l3 || m->data_len <= l4 ||
	    !tun_ip_is_good(m, ofs->l3))
		return PKT_DROP_TUN_BAD_HEADER;
	payload = ofs->l3_len - (l4 - ofs->l3);
	memset(tun, 0, sizeof(*tun));
	if (ops->ip_proto == IPPROTO_UDP) {
		if (m->data_len < l4 + TUN_UDP_SIZE || payload < TUN_UDP_SIZE ||
		    !udp_is_good(m, ofs, frame + l4))
			return PKT_DROP_TUN_BAD_HEADER;
		if (frame[l4 + 6] | frame[l4 + 7])
			tun->flags |= PKT_TUN_CSUM;
		payload = tun_get16(frame + l4 + 4);
	}
	if (tun->flags == 0 && kind == TUN_GRE && (frame[l4] & 0x80) &&
	    pkt_csum_fold(pkt_csum_add_mbuf(0, m, l4, payload)) != 0xffff)
		return PKT_DROP_TUN_BAD_HEADER;
	if (ops->ip_proto == IPPROTO_TCP) {
		if (!tun_tcp_is_good(m, ofs->l3))
			return PKT_DROP_TUN_BAD_HEADER;
		tun->flags |= PKT_TUN_CSUM;
	}
	size = (uint32_t)ops->parse(frame + l4, payload, m->data_len - l4, &inner);
	if (size == 0 || (inner.inner_type == 0 && payload - size < sizeof(struct rte_ether_hdr)))
		return PKT_DROP_TUN_BAD_HEADER;

	read_addresses(frame + ofs->l3, tun);
	return take_off(m, l4 + size, payload - size, &inner, ops->settle)
	               ? PKT_DROP_NONE
	               : PKT_DROP_TUN_BAD_HEADER;
}
