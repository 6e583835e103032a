/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting on the commonest header, without a call: UDP over IPv4, not to be fragmented, no checksum
 * over the payload, and at most 64 bytes, which are copied at once.
 * Threads: worker.
 */
#ifndef TUN_PUSH_H
#define TUN_PUSH_H

#include "pkt/pkt_csum.h"
#include "pkt/pkt_hdr.h"
#include "tunnel/tunnel.h"

#define TUN_PUSH_COPY   64
#define TUN_MAX_IP_SIZE 65535u /* RFC 791 and 8200: what length fields can say */

/* Has the header this shape (header->plain), m room before its data, and both together a length
 * that can be said? Else tun_push tells. */
EVS_INLINE bool tun_push_is_plain(const struct pkt_tunnel_header *header, const struct rte_mbuf *m)
{
	return header->plain && m->data_off >= TUN_PUSH_COPY &&
	       m->pkt_len + header->size - header->l3 <= TUN_MAX_IP_SIZE;
}

/* The source port of a flow: one of header->sport_n. */
EVS_INLINE rte_be16_t tun_push_sport(const struct pkt_tunnel_header *header, uint32_t flow_hash)
{
	uint64_t offset = (uint64_t)flow_hash * header->sport_n >> 32;

	return rte_cpu_to_be_16((uint16_t)(header->sport_lo + offset));
}

/* What tun_push does where tun_push_is_plain. */
EVS_INLINE void tun_push_plain(const struct pkt_tunnel_header *header, struct rte_mbuf *m,
                               uint32_t flow_hash)
{
	const uint8_t *end = &header->data[pkt_tunnel_used(header)];
	uint16_t size = header->size, l3 = header->l3;
	uint8_t *inner = rte_pktmbuf_mtod(m, uint8_t *), *ip = inner - size + l3;
	uint32_t ip_size = m->pkt_len + size - l3;
	rte_be16_t wire_size = rte_cpu_to_be_16((uint16_t)ip_size);

	memcpy(inner - TUN_PUSH_COPY, end - TUN_PUSH_COPY, TUN_PUSH_COPY);
	m->data_off -= size;
	m->data_len += size;
	m->pkt_len += size;
	pkt_st16(ip + 2, wire_size);
	pkt_st16(ip + 10, (uint16_t)~pkt_csum_fold((uint64_t)header->ip_sum + wire_size));
	pkt_st16(ip + PKT_IPV4_SIZE, tun_push_sport(header, flow_hash));
	pkt_st16(ip + PKT_IPV4_SIZE + 4, rte_cpu_to_be_16((uint16_t)(ip_size - PKT_IPV4_SIZE)));
}

#endif
