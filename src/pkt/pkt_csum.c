/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checksums over memory and packets, completion of requested ones, verification.
 * Threads: any; no state.
 */
#include "pkt/pkt_csum.h"

#include <immintrin.h>

#include "pkt/pkt_edit.h"
#include "pkt/pkt_ipv6_pvt.h"
#include "pkt/pkt_offload_pvt.h"

/* Words are summed as they lie in memory: the result is in wire order too (RFC 1071, 2.B). */
EVS_HOT uint64_t pkt_csum_add(uint64_t sum, const void *data, size_t size)
{
	const uint8_t *p = data;
	for (; size >= 8; size -= 8, p += 8) {
		uint64_t v = pkt_ld64(p);
		sum += (v & 0xffffffff) + (v >> 32);
	}
	uint64_t tail = 0;
	memcpy(&tail, p, size);
	return sum + (tail & 0xffffffff) + (tail >> 32);
}

uint64_t pkt_csum_add_mbuf(uint64_t sum, const struct rte_mbuf *m, uint32_t offset, uint32_t size)
{
	bool odd = false;
	for (; m != NULL && size > 0; m = m->next) {
		if (offset >= m->data_len) {
			offset -= m->data_len;
			continue;
		}
		uint32_t part = EVS_MIN(size, m->data_len - offset);
		const void *p = rte_pktmbuf_mtod_offset(m, const void *, offset);
		if (odd)
			sum += __builtin_bswap16(pkt_csum_fold(pkt_csum_add(0, p, part)));
		else
			sum = pkt_csum_add(sum, p, part);
		odd ^= part & 1;
		size -= part;
		offset = 0;
	}
	return sum;
}

uint16_t pkt_csum_pseudo(const void *l3, uint8_t proto, uint32_t l4_size)
{
	const uint8_t *p = l3;
	uint64_t sum = rte_cpu_to_be_16(proto);
	sum += rte_cpu_to_be_32(l4_size);
	if (p[0] >> 4 == 4)
		return pkt_csum_fold(pkt_csum_add(sum, p + 12, 8));
	return pkt_csum_fold(pkt_csum_add(sum, p + 8, 32));
}

__attribute__((target("sse4.2"))) static uint32_t crc32c(uint32_t crc, const uint8_t *p,
                                                         size_t size)
{
	uint64_t c = crc;
	for (; size >= 8; size -= 8, p += 8)
		c = _mm_crc32_u64(c, pkt_ld64(p));
	for (; size > 0; size--, p++)
		c = _mm_crc32_u8((uint32_t)c, *p);
	return (uint32_t)c;
}

static uint32_t crc32c_mbuf(uint32_t crc, const struct rte_mbuf *m, uint32_t offset, uint32_t size)
{
	for (; m != NULL && size > 0; m = m->next) {
		if (offset >= m->data_len) {
			offset -= m->data_len;
			continue;
		}
		uint32_t part = EVS_MIN(size, m->data_len - offset);
		crc = crc32c(crc, rte_pktmbuf_mtod_offset(m, const uint8_t *, offset), part);
		size -= part;
		offset = 0;
	}
	return crc;
}

uint32_t pkt_csum_crc32c_mbuf(const struct rte_mbuf *m, uint32_t offset, uint32_t size,
                              uint32_t skip)
{
	static const uint8_t zero[4];
	uint32_t crc = crc32c_mbuf(~0u, m, offset, skip);
	crc = crc32c(crc, zero, sizeof(zero));
	crc = crc32c_mbuf(crc, m, offset + skip + 4, size - skip - 4);
	return rte_cpu_to_le_32(~crc);
}

/* An IP header of header_size bytes at l3 that is not a fragment and, by its length, ends at *end
 * within the packet. */
static int check_ip(const struct rte_mbuf *m, uint32_t l3, uint32_t header_size, bool is_ipv6,
                    uint32_t *end)
{
	struct pkt_frame f;
	uint32_t min = is_ipv6 ? PKT_IPV6_SIZE : PKT_IPV4_SIZE;
	pkt_frame_init(&f, m);
	const uint8_t *p = pkt_frame_at(&f, l3, min);
	if (p == NULL || header_size < min || l3 + header_size > m->pkt_len ||
	    p[0] >> 4 != (is_ipv6 ? 6 : 4))
		return -EINVAL;
	if (!is_ipv6 && ((p[0] & 0x0fu) * 4 != header_size ||
	                 (pkt_be16(p + 6) & (PKT_IPV4_MF | PKT_IPV4_FRAGOFS))))
		return -EINVAL;
	*end = l3 + (is_ipv6 ? PKT_IPV6_SIZE + pkt_be16(p + 4) : pkt_be16(p + 2));
	return *end >= l3 + header_size && *end <= m->pkt_len ? 0 : -EINVAL;
}

/* Protocol that the flags speak of, 0: none that could be asked for. */
static uint8_t request_proto(uint64_t flags)
{
	if (flags & RTE_MBUF_F_TX_TCP_SEG)
		return PKT_IP_TCP;
	if (flags & RTE_MBUF_F_TX_UDP_SEG)
		return PKT_IP_UDP;
	switch (flags & RTE_MBUF_F_TX_L4_MASK) {
	case RTE_MBUF_F_TX_TCP_CKSUM:
		return PKT_IP_TCP;
	case RTE_MBUF_F_TX_UDP_CKSUM:
		return PKT_IP_UDP;
	default:
		return 0;
	}
}

int pkt_request_check(const struct rte_mbuf *m, struct pkt_request *r)
{
	struct pkt_frame f;
	uint32_t end;
	uint64_t ip = m->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	if (ip != RTE_MBUF_F_TX_IPV4 && ip != RTE_MBUF_F_TX_IPV6)
		return -EINVAL;
	r->is_ipv6 = ip == RTE_MBUF_F_TX_IPV6;
	r->l3 = m->l2_len;
	r->l4 = r->l3 + m->l3_len;
	int err = check_ip(m, r->l3, m->l3_len, r->is_ipv6, &end);
	if (err)
		return err;
	r->l4_size = end - r->l4;
	r->proto = request_proto(m->ol_flags);
	r->csum = r->l4 + (r->proto == PKT_IP_TCP ? 16 : 6);
	if (r->proto == 0 || r->l4_size < pkt_l4_min_size(r->proto, r->is_ipv6))
		return -EINVAL;
	pkt_frame_init(&f, m);
	const uint8_t *p = pkt_frame_at(&f, r->l3, PKT_IPV4_SIZE);
	bool has_exthdr = r->is_ipv6 && m->l3_len > PKT_IPV6_SIZE;
	return has_exthdr || p[r->is_ipv6 ? 6 : 9] == r->proto ? 0 : -EINVAL;
}

int pkt_csum_complete(struct rte_mbuf *m)
{
	struct pkt_request r;
	if (!(m->ol_flags & PKT_TX_REQUEST))
		return 0;
	if (m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG))
		return -EINVAL;
	int err = pkt_request_check(m, &r);
	if (err == 0) /* what is written lies in the first segment then */
		err = pkt_pull(m, r.l4 + pkt_l4_min_size(r.proto, r.is_ipv6));
	if (err)
		return err;
	/* The field holds the pseudo header's sum, so it is summed with the rest. */
	uint16_t csum = (uint16_t)~pkt_csum_fold(pkt_csum_add_mbuf(0, m, r.l4, r.l4_size));
	if (r.proto == PKT_IP_UDP && csum == 0)
		csum = 0xffff;
	pkt_st16(rte_pktmbuf_mtod_offset(m, uint8_t *, r.csum), csum);
	m->ol_flags &= ~RTE_MBUF_F_TX_L4_MASK;
	return 0;
}

static enum pkt_csum_state verify_l4(struct pkt_frame *f, uint32_t l4, uint16_t pseudo,
                                     uint8_t proto, bool is_ipv6)
{
	uint32_t min = pkt_l4_min_size(proto, is_ipv6), size = f->end - l4;
	const uint8_t *p = min ? pkt_frame_at(f, l4, min) : NULL;
	if (p == NULL)
		return PKT_CSUM_NONE;
	if (proto == PKT_IP_SCTP) {
		uint32_t crc = pkt_ld32(p + 8);
		return crc == pkt_csum_crc32c_mbuf(f->m, l4, size, 8) ? PKT_CSUM_GOOD
		                                                      : PKT_CSUM_BAD_L4;
	}
	if (proto == PKT_IP_UDP && pkt_ld16(p + 6) == 0)
		return PKT_CSUM_NONE;
	uint64_t sum = proto == PKT_IP_ICMP ? 0 : pseudo;
	return pkt_csum_fold(pkt_csum_add_mbuf(sum, f->m, l4, size)) == 0xffff ? PKT_CSUM_GOOD
	                                                                       : PKT_CSUM_BAD_L4;
}

static enum pkt_csum_state verify_ipv4(struct pkt_frame *f, uint32_t l3)
{
	const uint8_t *p = pkt_frame_at(f, l3, PKT_IPV4_SIZE);
	uint32_t header = p ? (p[0] & 0x0fu) * 4 : 0;
	if (p == NULL || header < PKT_IPV4_SIZE || l3 + header > f->end)
		return PKT_CSUM_NONE;
	uint32_t end = l3 + pkt_be16(p + 2);
	uint8_t proto = p[9];
	uint16_t frag = pkt_be16(p + 6);
	if (pkt_csum_fold(pkt_csum_add_mbuf(0, f->m, l3, header)) != 0xffff)
		return PKT_CSUM_BAD_IP;
	if (end > f->end || end < l3 + header || (frag & (PKT_IPV4_MF | PKT_IPV4_FRAGOFS)))
		return PKT_CSUM_NONE;
	f->end = end;
	p = pkt_frame_at(f, l3, PKT_IPV4_SIZE);
	return verify_l4(f, l3 + header, pkt_csum_pseudo(p, proto, end - l3 - header), proto,
	                 false);
}

static enum pkt_csum_state verify_ipv6(struct pkt_frame *f, uint32_t l3)
{
	const uint8_t *p = pkt_frame_at(f, l3, PKT_IPV6_SIZE);
	if (p == NULL || l3 + PKT_IPV6_SIZE + pkt_be16(p + 4) > f->end)
		return PKT_CSUM_NONE;
	f->end = l3 + PKT_IPV6_SIZE + pkt_be16(p + 4);
	struct pkt_ipv6_walk walk;
	pkt_ipv6_walk(f, l3, &walk);
	if (!walk.complete || walk.frag || walk.routing_left)
		return PKT_CSUM_NONE;
	p = pkt_frame_at(f, l3, PKT_IPV6_SIZE);
	uint16_t pseudo = pkt_csum_pseudo(p, walk.proto, f->end - walk.l4);
	return verify_l4(f, walk.l4, pseudo, walk.proto, true);
}

enum pkt_csum_state pkt_csum_verify(const struct rte_mbuf *m, uint32_t l3)
{
	struct pkt_frame f;
	pkt_frame_init(&f, m);
	const uint8_t *p = pkt_frame_at(&f, l3, 1);
	if (p == NULL)
		return PKT_CSUM_NONE;
	switch (p[0] >> 4) {
	case 4:
		return verify_ipv4(&f, l3);
	case 6:
		return verify_ipv6(&f, l3);
	default:
		return PKT_CSUM_NONE;
	}
}
