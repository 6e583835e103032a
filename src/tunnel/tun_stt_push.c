/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into STT: what was asked of the sender for the inner frame goes into the header, so large
 * segments and open checksums travel as they are; the outer packet is then one to be cut.
 * Threads: any build, workers push; frame ids count per worker thread.
 */
#include <rte_cycles.h>

#include "pkt/pkt_offload.h"
#include "tunnel/tun_push.h"
#include "tunnel/tun_stt_pvt.h"

#define SUM_AT_ONCE 512 /* longer packets leave the checksum to the sender */

size_t tun_stt_build(const struct tun_outer *outer, uint8_t *p)
{
	if (outer->inner_type)
		return 0; /* Ethernet only */
	memset(p, 0, PKT_TCP_SIZE + STT_SIZE);
	tun_put16(p, outer->sport_lo);
	memcpy(p + STT_TCP_DST, &outer->dst_port, 2);
	p[STT_TCP_DATA] = PKT_TCP_SIZE / 4 << 4;
	p[STT_TCP_FLAGS] = TUN_STT_TCP_FLAGS;
	tun_put16(p + STT_TCP_WINDOW, UINT16_MAX);
	memcpy(p + PKT_TCP_SIZE + STT_CONTEXT, &outer->key, sizeof(outer->key));
	return PKT_TCP_SIZE + STT_SIZE;
}

bool tun_stt_carries(const struct pkt_tunnel_header *header, const struct rte_mbuf *m)
{
	return m->pkt_len + header->size - header->l3 <= TUN_MAX_IP_SIZE &&
	       !(m->ol_flags & RTE_MBUF_F_TX_UDP_SEG) && m->l2_len + m->l3_len <= UINT8_MAX &&
	       m->data_len >= PKT_ETH_SIZE &&
	       stt_find_ip(m, m->ol_flags & RTE_MBUF_F_TX_IPV4) == m->l2_len;
}

static void read_requests(const struct rte_mbuf *m, struct stt_meta *meta)
{
	meta->flags = STT_PARTIAL;
	if (m->ol_flags & RTE_MBUF_F_TX_IPV4)
		meta->flags |= STT_IPV4;
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG ||
	    (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM)
		meta->flags |= STT_TCP;
	meta->l4 = (uint8_t)(m->l2_len + m->l3_len);
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		meta->mss = m->tso_segsz;
}

/* Of a frame that asks for nothing: what it is, if TCP or UDP lies right behind IP. */
static void read_frame(const struct rte_mbuf *m, struct stt_meta *meta)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t l3 = PKT_ETH_SIZE, room = m->data_len;
	uint8_t proto = 0;

	if (room >= l3 + PKT_VLAN_SIZE && pkt_be16(p + 12) == PKT_ETH_VLAN)
		l3 += PKT_VLAN_SIZE;
	if (room < l3 + PKT_IPV6_SIZE)
		return;
	if (pkt_be16(p + l3 - 2) == PKT_ETH_IPV4) {
		meta->flags = STT_IPV4;
		proto = p[l3 + 9];
		meta->l4 = (uint8_t)(l3 + (p[l3] & 0xfu) * 4);
		if (pkt_be16(p + l3 + 6) & (PKT_IPV4_MF | PKT_IPV4_FRAGOFS))
			proto = 0;
	} else if (pkt_be16(p + l3 - 2) == PKT_ETH_IPV6) {
		proto = p[l3 + 6];
		meta->l4 = (uint8_t)(l3 + PKT_IPV6_SIZE);
	}
	if (proto == PKT_IP_TCP)
		meta->flags |= STT_TCP;
	if ((proto == PKT_IP_TCP || proto == PKT_IP_UDP) && pkt_l4_is_checked(m))
		meta->flags |= STT_VERIFIED;
	else
		meta->l4 = 0; /* it only says what of the checksum is known */
}

/* The outermost tag goes into the header. */
static void take_tag(struct rte_mbuf *m, struct stt_meta *meta)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	if (m->data_len < PKT_ETH_SIZE + PKT_VLAN_SIZE || pkt_be16(p + 12) != PKT_ETH_VLAN)
		return;
	meta->vlan = (uint16_t)((pkt_be16(p + 14) & ~STT_VLAN_PRESENT) | STT_VLAN_PRESENT);
	memmove(p + PKT_VLAN_SIZE, p, 12);
	rte_pktmbuf_adj(m, PKT_VLAN_SIZE);
	if (meta->l4)
		meta->l4 -= PKT_VLAN_SIZE;
}

static void put_meta(const struct stt_meta *meta, uint8_t *stt)
{
	stt[STT_FLAGS] = meta->flags;
	stt[STT_L4] = meta->l4;
	tun_put16(stt + STT_MSS, meta->mss);
	tun_put16(stt + STT_VLAN, meta->vlan);
}

/* TCP's checksum of a packet of `size` bytes from L4; of a long one it is asked of the sender. */
static void put_csum(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint8_t *tcp,
                     uint32_t size)
{
	const uint8_t *ip = tcp - header->l4 + header->l3;
	uint16_t csum = pkt_csum_pseudo(ip, PKT_IP_TCP, size);

	m->ol_flags &= ~(uint64_t)(PKT_TX_REQUEST | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	if (m->nb_segs == 1 && size <= SUM_AT_ONCE) {
		csum = (uint16_t)~pkt_csum_fold(pkt_csum_add(csum, tcp, size));
	} else {
		m->tx_offload = 0;
		m->l2_len = header->l3 & 0x7f;
		m->l3_len = (header->l4 - header->l3) & 0x1ff;
		m->l4_len = PKT_TCP_SIZE;
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		m->ol_flags |= ip[0] >> 4 == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	}
	memcpy(tcp + STT_TCP_CSUM, &csum, sizeof(csum));
}

int EVS_HOT tun_stt_push(const struct pkt_tunnel_header *header, struct rte_mbuf *m,
                         uint32_t flow_hash)
{
	static __thread uint32_t id;
	struct stt_meta meta = {0};
	uint32_t size;
	uint8_t *tcp;

	if (evs_unlikely(id == 0)) /* so that workers that share a port differ */
		id = (uint32_t)rte_rdtsc() * 0x9e3779b1u | 1;
	if (m->ol_flags & PKT_TX_REQUEST)
		read_requests(m, &meta);
	else
		read_frame(m, &meta);
	take_tag(m, &meta);
	tcp = tun_push_ip(header, m, flow_hash);
	if (evs_unlikely(!tcp))
		return -ENOMEM;
	size = m->pkt_len - header->l4;
	put_meta(&meta, tcp + PKT_TCP_SIZE);
	if (header->sport_n)
		pkt_st16(tcp, tun_push_sport(header, flow_hash));
	tun_put16(tcp + STT_TCP_SIZE_OF_FRAME, (uint16_t)(size - PKT_TCP_SIZE));
	tun_put32(tcp + STT_TCP_ID, id++);
	put_csum(header, m, tcp, size);
	return 0;
}

/* Section 4.2 of the draft: cut as if it were TCP, every segment is one of the frame. */
void tun_stt_cut(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint32_t mtu)
{
	uint32_t headers = header->l4 - header->l3 + PKT_TCP_SIZE;

	if (evs_likely(m->pkt_len - header->l3 <= mtu) || mtu < headers + PKT_SEGMENT_MIN ||
	    !(m->ol_flags & RTE_MBUF_F_TX_L4_MASK))
		return;
	m->tso_segsz = (uint16_t)(mtu - headers);
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
}
