/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting on ordinary headers, without a call: what is UDP, GRE, or NVGRE, over IPv4 that is not to
 * be fragmented or IPv6, without checksum over the payload or sequence number, and at most 128
 * bytes long, which are copied by 64. Threads: worker.
 */
#ifndef TUN_PUSH_H
#define TUN_PUSH_H

#include "pkt/pkt_csum.h"
#include "pkt/pkt_hdr.h"
#include "tunnel/tunnel.h"

#define TUN_PUSH_COPY   64
#define TUN_MAX_IP_SIZE 65535u /* RFC 791 and 8200: what length fields can say */

/* pkt_tunnel_header.plain: what is left to do for a header. */
enum tun_push_shape {
	TUN_PUSH_PLAIN = 0x01, /* it is ordinary; with none of these, IPv4 and UDP in one copy */
	TUN_PUSH_IPV6 = 0x02,
	TUN_PUSH_GRE = 0x04,     /* no UDP */
	TUN_PUSH_FLOW_ID = 0x08, /* of NVGRE: the last byte */
	TUN_PUSH_LONG = 0x10,    /* two copies */
};

/* Is the header ordinary, has m room before its data, and both together a length that can be said?
 * Else tun_push tells. */
EVS_INLINE bool tun_push_is_plain(const struct pkt_tunnel_header *header, const struct rte_mbuf *m)
{
	return header->plain && m->data_off >= EVS_MAX(TUN_PUSH_COPY, header->size + 8) &&
	       m->pkt_len + header->size - header->l3 <= TUN_MAX_IP_SIZE;
}

/* The source port of a flow: one of header->sport_n. */
EVS_INLINE rte_be16_t tun_push_sport(const struct pkt_tunnel_header *header, uint32_t flow_hash)
{
	uint64_t offset = (uint64_t)flow_hash * header->sport_n >> 32;

	return rte_cpu_to_be_16((uint16_t)(header->sport_lo + offset));
}

/* NVGRE's (RFC 7637, 3.2), for the same purpose. */
EVS_INLINE uint8_t tun_push_flow_id(uint32_t flow_hash)
{
	return (uint8_t)(flow_hash >> 24);
}

/* Body of tun_push_plain; shape: of the header. */
EVS_INLINE void tun_push_as(const struct pkt_tunnel_header *header, struct rte_mbuf *m,
                            uint32_t flow_hash, const uint8_t shape)
{
	const uint8_t *end = &header->data[pkt_tunnel_used(header)];
	uint16_t size = header->size, l3 = header->l3;
	uint8_t *inner = rte_pktmbuf_mtod(m, uint8_t *), *ip = inner - size + l3, *l4;
	uint32_t ip_size = m->pkt_len + size - l3;
	rte_be16_t wire_size = rte_cpu_to_be_16((uint16_t)ip_size);

	if (shape & TUN_PUSH_LONG)
		memcpy(inner - pkt_tunnel_used(header), header->data, TUN_PUSH_COPY);
	memcpy(inner - TUN_PUSH_COPY, end - TUN_PUSH_COPY, TUN_PUSH_COPY);
	m->data_off -= size;
	m->data_len += size;
	m->pkt_len += size;
	if (shape & TUN_PUSH_IPV6) {
		ip_size -= PKT_IPV6_SIZE;
		l4 = ip + PKT_IPV6_SIZE;
		pkt_st16(ip + 4, rte_cpu_to_be_16((uint16_t)ip_size));
	} else {
		ip_size -= PKT_IPV4_SIZE;
		l4 = ip + PKT_IPV4_SIZE;
		pkt_st16(ip + 2, wire_size);
		pkt_st16(ip + 10, (uint16_t)~pkt_csum_fold((uint64_t)header->ip_sum + wire_size));
	}
	if (!(shape & TUN_PUSH_GRE)) {
		pkt_st16(l4, tun_push_sport(header, flow_hash));
		pkt_st16(l4 + 4, rte_cpu_to_be_16((uint16_t)ip_size));
	} else if (shape & TUN_PUSH_FLOW_ID) {
		inner[-1] = tun_push_flow_id(flow_hash);
	}
}

/* What tun_push does where tun_push_is_plain. */
EVS_INLINE void tun_push_plain(const struct pkt_tunnel_header *header, struct rte_mbuf *m,
                               uint32_t flow_hash)
{
	if (evs_likely(header->plain == TUN_PUSH_PLAIN))
		tun_push_as(header, m, flow_hash, TUN_PUSH_PLAIN);
	else
		tun_push_as(header, m, flow_hash, header->plain);
}

#endif
