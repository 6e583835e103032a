/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a prebuilt header before a frame.
 * Threads: worker.
 */
#include "tunnel/tun_push.h"

#include "tunnel/tun_pvt.h"

/* A buffer of its own for the header, chained before m, where the headroom is too small. The frame
 * keeps its first mbuf, so what was there moves to a new one. */
static uint8_t *prepend_segment(struct rte_mbuf *m, uint16_t size)
{
	struct rte_mbuf *rest = rte_pktmbuf_alloc(m->pool);
	uint16_t len = m->data_len;

	if (!rest)
		return NULL;
	if (rte_pktmbuf_tailroom(rest) < len || m->buf_len - RTE_PKTMBUF_HEADROOM < size) {
		rte_pktmbuf_free(rest);
		return NULL;
	}
	memcpy(rte_pktmbuf_mtod(rest, void *), rte_pktmbuf_mtod(m, void *), len);
	rest->data_len = len;
	rest->next = m->next;
	m->next = rest;
	m->nb_segs++;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = size;
	m->pkt_len += size;
	return rte_pktmbuf_mtod(m, uint8_t *);
}

EVS_INLINE uint8_t *prepend(const struct pkt_tunnel_header *header, struct rte_mbuf *m)
{
	const uint8_t *end = &header->data[pkt_tunnel_used(header)];
	uint8_t *p;

	if (evs_likely(header->size <= 64 && m->data_off >= 64)) {
		m->data_off -= header->size;
		m->data_len += header->size;
		m->pkt_len += header->size;
		p = rte_pktmbuf_mtod(m, uint8_t *);
		memcpy(p + header->size - 64, end - 64, 64);
		return p;
	}
	p = (uint8_t *)rte_pktmbuf_prepend(m, header->size);
	if (!p)
		p = prepend_segment(m, header->size);
	if (p)
		memcpy(p, end - header->size, header->size);
	return p;
}

EVS_INLINE void finish_ipv4(const struct pkt_tunnel_header *header, uint8_t *ip, uint16_t size,
                            uint32_t flow_hash)
{
	rte_be16_t wire_size = rte_cpu_to_be_16(size), id = 0, csum;

	/* RFC 6864: an atomic datagram (DF) needs no identification. */
	if (!(header->flags & PKT_TUN_DF)) {
		id = (rte_be16_t)(flow_hash ^ rte_rdtsc());
		memcpy(ip + 4, &id, 2);
	}
	memcpy(ip + 2, &wire_size, 2);
	csum = (rte_be16_t)~pkt_csum_fold((uint64_t)header->ip_sum + wire_size + id);
	memcpy(ip + 10, &csum, 2);
}

EVS_INLINE uint8_t *push_ip(const struct pkt_tunnel_header *header, struct rte_mbuf *m,
                            uint32_t flow_hash)
{
	uint8_t *p = prepend(header, m);

	if (evs_unlikely(!p))
		return NULL;
	if (p[header->l3] >> 4 == 4)
		finish_ipv4(header, p + header->l3, (uint16_t)(m->pkt_len - header->l3), flow_hash);
	else
		tun_put16(p + header->l3 + 4, (uint16_t)(m->pkt_len - header->l4));
	return p + header->l4;
}

EVS_HOT uint8_t *tun_push_ip(const struct pkt_tunnel_header *header, struct rte_mbuf *m,
                             uint32_t flow_hash)
{
	return push_ip(header, m, flow_hash);
}

int EVS_HOT tun_push(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint32_t flow_hash)
{
	const struct tun_kind_ops *ops = &tun_kinds[header->kind];
	uint8_t *l4;

	if (evs_unlikely(m->pkt_len + header->size - header->l3 > TUN_MAX_IP_SIZE))
		return -EMSGSIZE;
	if (ops->push)
		return ops->push(header, m, flow_hash);
	l4 = push_ip(header, m, flow_hash);
	if (evs_unlikely(!l4))
		return -ENOMEM;
	if (ops->ip_proto == IPPROTO_UDP && header->sport_n)
		pkt_st16(l4, tun_push_sport(header, flow_hash));
	if (header->kind == TUN_NVGRE)
		l4[7] = tun_push_flow_id(flow_hash);
	if (ops->finish)
		ops->finish(header, m, l4, m->pkt_len - header->l4);
	return 0;
}

/* RFC 768 and 6935: length, and a checksum if it is on. */
void tun_udp_finish(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint8_t *p,
                    uint32_t size)
{
	uint64_t sum;
	uint16_t csum;

	tun_put16(p + 4, (uint16_t)size);
	if (evs_likely(!(header->flags & PKT_TUN_CSUM)))
		return;
	sum = pkt_csum_pseudo(p - header->l4 + header->l3, IPPROTO_UDP, size);
	csum = (uint16_t)~pkt_csum_fold(pkt_csum_add_mbuf(sum, m, header->l4, size));
	if (csum == 0)
		csum = 0xffff;
	memcpy(p + 6, &csum, 2);
}
