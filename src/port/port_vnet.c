/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net headers to and from mbufs; see port_vnet.h. Threads: worker.
 */
#include "port/port_vnet.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <string.h>

#include "pkt/pkt_lent.h"

#define L2_LEN_MAX 127 /* widths of the mbuf's fields */
#define L3_LEN_MAX 511

/* Where the L4 header of a whole TCP or UDP packet lies. */
struct place {
	uint32_t l2_len, l3_len, l4_len;
	uint32_t end; /* of the packet by its own length field */
	uint8_t proto;
	bool is_ipv6;
};

static const void *at(const struct rte_mbuf *m, uint32_t offset, uint32_t size)
{
	if (offset + size > m->data_len)
		return NULL;
	return rte_pktmbuf_mtod_offset(m, const void *, offset);
}

static int locate_l2(const struct rte_mbuf *m, struct place *place, rte_be16_t *type)
{
	const rte_be16_t *next;

	for (uint32_t offset = 2 * RTE_ETHER_ADDR_LEN; offset < L2_LEN_MAX - 2;
	     offset += RTE_VLAN_HLEN) {
		next = at(m, offset, sizeof(*next));
		if (!next)
			return -EINVAL;
		place->l2_len = offset + 2;
		*type = *next;
		if (*type != RTE_BE16(RTE_ETHER_TYPE_VLAN) &&
		    *type != RTE_BE16(RTE_ETHER_TYPE_QINQ) &&
		    *type != RTE_BE16(RTE_ETHER_TYPE_QINQ1))
			return 0;
	}
	return -EINVAL;
}

static int locate_ipv4(const struct rte_mbuf *m, struct place *place)
{
	const struct rte_ipv4_hdr *ip = at(m, place->l2_len, sizeof(*ip));
	const rte_be16_t fragment = RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK);

	if (!ip || ip->version_ihl >> 4 != 4 || (ip->fragment_offset & fragment))
		return -EINVAL;
	place->l3_len = rte_ipv4_hdr_len(ip);
	place->end = place->l2_len + rte_be_to_cpu_16(ip->total_length);
	place->proto = ip->next_proto_id;
	return place->l3_len < sizeof(*ip) ? -EINVAL : 0;
}

static int locate_ipv6(const struct rte_mbuf *m, struct place *place)
{
	const struct rte_ipv6_hdr *ip = at(m, place->l2_len, sizeof(*ip));

	if (!ip || rte_be_to_cpu_32(ip->vtc_flow) >> 28 != 6)
		return -EINVAL;
	place->is_ipv6 = true;
	place->l3_len = sizeof(*ip);
	place->end = place->l2_len + (uint32_t)sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	place->proto = ip->proto;
	while (place->proto == IPPROTO_HOPOPTS || place->proto == IPPROTO_ROUTING ||
	       place->proto == IPPROTO_DSTOPTS) {
		const uint8_t *ext = at(m, place->l2_len + place->l3_len, 8);

		if (!ext)
			return -EINVAL;
		place->proto = ext[0];
		place->l3_len += 8u * (ext[1] + 1u);
		if (place->l3_len > L3_LEN_MAX)
			return -EINVAL;
	}
	return 0;
}

static int locate_l4(const struct rte_mbuf *m, struct place *place)
{
	uint32_t offset = place->l2_len + place->l3_len;

	if (place->proto == IPPROTO_TCP) {
		const struct rte_tcp_hdr *tcp = at(m, offset, sizeof(*tcp));

		place->l4_len = tcp ? (tcp->data_off >> 4) * 4u : 0;
		if (place->l4_len < sizeof(*tcp))
			return -EINVAL;
	} else if (place->proto == IPPROTO_UDP) {
		place->l4_len = sizeof(struct rte_udp_hdr);
	} else {
		return -EINVAL;
	}
	if (!at(m, offset, place->l4_len) || offset + place->l4_len > place->end)
		return -EINVAL;
	return 0;
}

static int locate(const struct rte_mbuf *m, struct place *place)
{
	rte_be16_t type;
	int ret;

	*place = (struct place){0};
	ret = locate_l2(m, place, &type);
	if (ret)
		return ret;
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		ret = locate_ipv4(m, place);
	else if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		ret = locate_ipv6(m, place);
	else
		return -EINVAL;
	if (!ret)
		ret = locate_l4(m, place);
	return ret ? ret : place->end <= m->pkt_len ? 0 : -EINVAL;
}

static uint32_t csum_offset(uint8_t proto)
{
	return proto == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum)
	                            : offsetof(struct rte_udp_hdr, dgram_cksum);
}

/* Fills in, here and now, the checksum at start + offset over [start, end), with what the field
 * holds (the pseudo-header sum) in it. */
static int complete(struct rte_mbuf *m, uint32_t start, uint32_t offset, uint32_t end)
{
	uint16_t sum;

	if (pkt_own(m))
		return -ENOMEM;
	if (start >= end || start + offset + sizeof(sum) > m->data_len)
		return -EINVAL;
	if (rte_raw_cksum_mbuf(m, start, end - start, &sum))
		return -EINVAL;
	sum = sum == 0xffff ? sum : (uint16_t)~sum;
	memcpy(rte_pktmbuf_mtod_offset(m, char *, start + offset), &sum, sizeof(sum));
	return 0;
}

static int request(struct rte_mbuf *m, const struct place *place, uint16_t gso_size)
{
	const bool is_tcp = place->proto == IPPROTO_TCP;
	uint32_t start = place->l2_len + place->l3_len;

	if (place->end != m->pkt_len) /* padding, of which no checksum should know */
		return gso_size ? -EINVAL
		                : complete(m, start, csum_offset(place->proto), place->end);
	m->l2_len = place->l2_len & L2_LEN_MAX;
	m->l3_len = place->l3_len & L3_LEN_MAX;
	m->l4_len = place->l4_len & 0xff;
	m->ol_flags |= place->is_ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	m->ol_flags |= is_tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	if (gso_size == 0)
		return 0;
	if (gso_size < PORT_GSO_SIZE_MIN)
		return -EINVAL;
	/* A fragment's size counts the UDP header, a segment's does not count TCP's. */
	if (m->pkt_len > start + (is_tcp ? place->l4_len : 0) + gso_size) {
		m->ol_flags |= is_tcp ? RTE_MBUF_F_TX_TCP_SEG : RTE_MBUF_F_TX_UDP_SEG;
		m->tso_segsz = gso_size;
	}
	return 0;
}

int port_vnet_request(struct rte_mbuf *m, uint16_t gso_size)
{
	struct place place;
	int ret = locate(m, &place);

	return ret ? ret : request(m, &place, gso_size);
}

static uint8_t gso_type_of(const struct place *place)
{
	if (place->proto == IPPROTO_UDP)
		return VIRTIO_NET_HDR_GSO_UDP;
	return place->is_ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
}

int port_vnet_rx_slow(const struct virtio_net_hdr *hdr, struct rte_mbuf *m)
{
	const uint8_t gso_type = hdr->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	const bool is_gso = hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE;
	struct place place;

	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) {
		if (hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID)
			m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		return is_gso ? -EINVAL : 0;
	}
	if (locate(m, &place) || hdr->csum_start != place.l2_len + place.l3_len ||
	    hdr->csum_offset != csum_offset(place.proto))
		return is_gso ? -EINVAL /* else as inside a tunnel: no need to know what it is */
		              : complete(m, hdr->csum_start, hdr->csum_offset, m->pkt_len);
	if (!is_gso)
		return request(m, &place, 0);
	if (gso_type != gso_type_of(&place) || hdr->gso_size == 0)
		return -EINVAL;
	return request(m, &place, hdr->gso_size);
}

void port_vnet_guess(struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = at(m, 0, sizeof(*eth));
	const void *l3;
	const rte_be16_t *field;
	struct place place;
	uint16_t pseudo;

	if (!eth || locate(m, &place))
		return;
	l3 = at(m, place.l2_len, place.l3_len);
	field = at(m, place.l2_len + place.l3_len + csum_offset(place.proto), sizeof(*field));
	pseudo = place.is_ipv6 ? rte_ipv6_phdr_cksum(l3, 0) : rte_ipv4_phdr_cksum(l3, 0);
	if (*field == pseudo)
		request(m, &place, 0);
}

void port_vnet_tx_slow(const struct rte_mbuf *m, struct virtio_net_hdr *hdr)
{
	const uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	const bool is_tso = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	const bool is_ufo = m->ol_flags & RTE_MBUF_F_TX_UDP_SEG;
	const uint16_t start = (uint16_t)(m->l2_len + m->l3_len);

	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->csum_start = start;
	hdr->csum_offset = is_ufo || (l4 == RTE_MBUF_F_TX_UDP_CKSUM && !is_tso)
	                           ? offsetof(struct rte_udp_hdr, dgram_cksum)
	                           : offsetof(struct rte_tcp_hdr, cksum);
	if (!is_tso && !is_ufo)
		return;
	hdr->gso_type = is_ufo                             ? VIRTIO_NET_HDR_GSO_UDP
	                : m->ol_flags & RTE_MBUF_F_TX_IPV6 ? VIRTIO_NET_HDR_GSO_TCPV6
	                                                   : VIRTIO_NET_HDR_GSO_TCPV4;
	hdr->gso_size = m->tso_segsz;
	hdr->hdr_len = (uint16_t)(start + m->l4_len);
}
