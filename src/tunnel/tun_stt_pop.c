/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of STT: headers held against the packet, and what they ask for the inner frame.
 * Threads: worker.
 */
#include "pkt/pkt_offload.h"
#include "tunnel/tun_stt_pvt.h"

#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_FIN 0x01
#define TCP_URG 0x20

/* A header like TCP's without options, and no flag that opens or ends a connection. */
static bool is_segment(const uint8_t *tcp, uint32_t size, uint32_t avail)
{
	return size > PKT_TCP_SIZE && avail >= PKT_TCP_SIZE &&
	       tcp[STT_TCP_DATA] >> 4 == PKT_TCP_SIZE / 4 &&
	       !(tcp[STT_TCP_FLAGS] & (TCP_SYN | TCP_RST | TCP_FIN | TCP_URG));
}

bool tun_stt_part(const uint8_t *tcp, uint32_t size, uint32_t avail, struct tun_part *part)
{
	if (!is_segment(tcp, size, avail))
		return false;
	part->header = PKT_TCP_SIZE;
	part->size = size - PKT_TCP_SIZE;
	part->offset = tun_get16(tcp + STT_TCP_OFFSET);
	part->total = tun_get16(tcp + STT_TCP_SIZE_OF_FRAME);
	memcpy(&part->id, tcp + STT_TCP_ID, sizeof(part->id));
	memcpy(&part->ports, tcp, sizeof(part->ports));
	return part->total >= STT_SIZE + PKT_ETH_SIZE && part->offset + part->size <= part->total;
}

void tun_stt_whole(uint8_t *tcp)
{
	tun_put16(tcp + STT_TCP_OFFSET, 0);
}

static bool meta_is_good(const struct stt_meta *meta)
{
	const uint8_t both = STT_VERIFIED | STT_PARTIAL;

	return (meta->flags & both) != both;
}

size_t tun_stt_parse(const uint8_t *tcp, uint32_t size, uint32_t avail, struct tun_inner *inner)
{
	const uint8_t *stt = tcp + PKT_TCP_SIZE;
	struct stt_meta meta;
	struct tun_part part;

	if (!tun_stt_part(tcp, size, avail, &part) || part.offset || part.size != part.total ||
	    avail < PKT_TCP_SIZE + STT_SIZE || stt[STT_VERSION])
		return 0;
	meta = (struct stt_meta){stt[STT_FLAGS], stt[STT_L4], tun_get16(stt + STT_MSS),
	                         tun_get16(stt + STT_VLAN)};
	if (!meta_is_good(&meta))
		return 0;
	memcpy(&inner->tun->id, stt + STT_CONTEXT, sizeof(inner->tun->id));
	inner->tun->flags |= PKT_TUN_KEY;
	inner->meta = stt;
	return PKT_TCP_SIZE + STT_SIZE;
}

/* A large segment: its TCP header, and whether it must be cut at all. */
static bool ask_for_cut(struct rte_mbuf *m, const struct stt_meta *meta)
{
	uint32_t l4_len;

	if (m->data_len < meta->l4 + PKT_TCP_SIZE)
		return false;
	l4_len = (uint32_t)(*rte_pktmbuf_mtod_offset(m, uint8_t *, meta->l4 + 12) >> 4) * 4;
	m->l4_len = (uint8_t)l4_len;
	if (l4_len < PKT_TCP_SIZE || meta->mss < PKT_SEGMENT_MIN)
		return false;
	if (m->pkt_len <= meta->l4 + l4_len + meta->mss)
		return true;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	m->tso_segsz = meta->mss;
	return true;
}

/* An open checksum becomes a request to whoever sends the frame on; nothing of it is believed that
 * the frame does not say as well. */
static bool ask(struct rte_mbuf *m, const struct stt_meta *meta)
{
	bool ipv4 = meta->flags & STT_IPV4, tcp = meta->flags & STT_TCP;
	uint32_t l3 = stt_find_ip(m, ipv4), end;

	if (l3 == 0 || meta->l4 < l3 + PKT_IPV4_SIZE)
		return false;
	m->tx_offload = 0;
	m->l2_len = l3 & 0x7f;
	m->l3_len = (meta->l4 - l3) & 0x1ff;
	m->ol_flags |= ipv4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	m->ol_flags |= tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	if (tcp && meta->mss && !ask_for_cut(m, meta))
		return false;
	if (pkt_offload_check(m, &end))
		return false;
	if (end == m->pkt_len)
		return true;
	/* Padding, of which no checksum should know. */
	return !(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) && pkt_csum_complete(m) == 0;
}

static void put_tag(struct rte_mbuf *m, uint16_t vlan)
{
	uint8_t *p;

	/* There is room: a longer outer header was just taken off. */
	m->data_off -= PKT_VLAN_SIZE;
	m->data_len += PKT_VLAN_SIZE;
	m->pkt_len += PKT_VLAN_SIZE;
	p = rte_pktmbuf_mtod(m, uint8_t *);
	memmove(p, p + PKT_VLAN_SIZE, 12);
	tun_put16(p + 12, PKT_ETH_VLAN);
	tun_put16(p + 14, vlan & (uint16_t)~STT_VLAN_PRESENT);
	if (m->ol_flags & PKT_TX_REQUEST)
		m->l2_len += PKT_VLAN_SIZE;
}

bool tun_stt_settle(struct rte_mbuf *m, const struct tun_inner *inner)
{
	const uint8_t *stt = inner->meta;
	const struct stt_meta meta = {stt[STT_FLAGS], stt[STT_L4], tun_get16(stt + STT_MSS),
	                              tun_get16(stt + STT_VLAN)};
	const uint64_t before = m->ol_flags;

	if (m->data_len < PKT_ETH_SIZE) /* the rest is in other buffers */
		return false;
	if (meta.flags & STT_VERIFIED)
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	if (meta.flags & STT_PARTIAL && !ask(m, &meta)) {
		m->ol_flags = before;
		return false;
	}
	if (meta.vlan & STT_VLAN_PRESENT)
		put_tag(m, meta.vlan);
	return true;
}
