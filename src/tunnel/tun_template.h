/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outer headers that are known: a template of a frame's first bytes.
 * Threads: worker. Owner: the caller.
 *
 * Problem. To take a packet out of a tunnel it was parsed, hashed and looked up as an outer packet
 * first, although nearly all that a port receives from a peer begins with the same bytes but for
 * lengths, checksums, source port, and network.
 *
 * Data structure. A cached flow that does nothing but end a tunnel says by key and mask which bytes
 * matter; written in the order of the frame, with what makes a frame an ordinary one of its kind
 * (IPv4 without options, not a fragment, UDP, a header of the kind without extensions), they are
 * two lines of 64 bytes: one masked compare. Whatever fits is a packet of that flow, and
 * well-formed: that tun_pop and the parser say the same of it is tested over mutated frames. What
 * does not fit may be fine all the same and goes the long way.
 *
 * Cost: about ten cycles for compare, lengths and IPv4's checksum, as many to take it off.
 */
#ifndef TUN_TEMPLATE_H
#define TUN_TEMPLATE_H

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "pkt/pkt_csum.h"
#include "pkt/pkt_hdr.h"
#include "tunnel/tunnel.h"

#define TUN_TEMPLATE_SIZE 64 /* bytes compared; a frame that fits has that many */

struct tun_template {
	uint8_t want[TUN_TEMPLATE_SIZE] EVS_ALIGNED(TUN_TEMPLATE_SIZE);
	uint8_t care[TUN_TEMPLATE_SIZE];
	uint64_t look; /* word of pkt_key_tun that begins with the flags: what all packets have */
	uint8_t l3;    /* offset of the IPv4 header */
	uint8_t size;  /* bytes of the outer headers */
};

/* The template for packets of the kind that a flow with this key and mask matches; the key is
 * masked. False: there is none for the kind, or for the flow. */
bool tun_template_make(enum tun_kind kind, uint16_t dst_port, const struct pkt_key_base *key,
                       const struct pkt_key_base *mask, struct tun_template *t);

/* Not 0: the frame's first bytes are others. */
EVS_INLINE uint64_t tun_template_differs(const struct tun_template *t, const uint8_t *p)
{
#ifdef __AVX512F__
	__m512i differs = _mm512_xor_si512(_mm512_loadu_si512(p), _mm512_load_si512(t->want));

	return _mm512_test_epi64_mask(differs, _mm512_load_si512(t->care));
#else
	uint64_t differs = 0;

	for (unsigned i = 0; i < TUN_TEMPLATE_SIZE; i += 8)
		differs |= (pkt_ld64(p + i) ^ pkt_ld64(t->want + i)) & pkt_ld64(t->care + i);
	return differs;
#endif
}

/* RFC 791, 3.1; 20 bytes. */
EVS_INLINE bool tun_template_sum_is_good(const uint8_t *ip)
{
	uint64_t sum = pkt_ld64(ip), more = pkt_ld64(ip + 8);

	sum = (sum & UINT32_MAX) + (sum >> 32) + (more & UINT32_MAX) + (more >> 32);
	return pkt_csum_fold(sum + pkt_ld32(ip + 16)) == 0xffff;
}

/* May m be a frame with such a header at all? Then its first bytes are there to be read. */
EVS_INLINE bool tun_template_may_fit(const struct rte_mbuf *m)
{
	const uint64_t odd =
	        PKT_TX_REQUEST | RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED;

	return m->data_len >= TUN_TEMPLATE_SIZE && m->pkt_len == m->data_len && m->nb_segs == 1 &&
	       rte_mbuf_refcnt_read(m) == 1 && !(m->ol_flags & odd);
}

/* Is m (which may fit) of this template, complete, and without error? */
EVS_INLINE bool tun_template_fits(const struct tun_template *t, const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *ip = p + t->l3;
	const uint64_t good_ip = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK,
	               good_l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	uint32_t l3_size = pkt_be16(ip + 2), udp_size = pkt_be16(ip + PKT_IPV4_SIZE + 4);

	if (tun_template_differs(t, p))
		return false;
	if (l3_size + t->l3 != m->data_len || udp_size + PKT_IPV4_SIZE != l3_size ||
	    m->data_len < t->size + PKT_ETH_SIZE)
		return false;
	if (evs_unlikely(pkt_ld16(ip + PKT_IPV4_SIZE + 6) &&
	                 good_l4 != RTE_MBUF_F_RX_L4_CKSUM_GOOD))
		return false;
	return good_ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD || tun_template_sum_is_good(ip);
}

/* Takes the outer header off m, which fits, and fills tun, as tun_pop does. */
EVS_INLINE void tun_template_pop(const struct tun_template *t, struct rte_mbuf *m,
                                 struct pkt_key_tun *tun)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *ip = p + t->l3;
	const uint64_t v4 = (uint64_t)RTE_BE32(0x0000ffff);
	uint64_t df = ip[6] >> 6 & 1, summed = pkt_ld16(ip + PKT_IPV4_SIZE + 6) != 0;
	uint8_t *to = (uint8_t *)tun;

	/* Word by word: a vector made of them would wait for its own stores. */
	pkt_st64(to, (uint64_t)(pkt_ld32(p + t->size - 4) & RTE_BE32(0xffffff00)) << 40);
	pkt_st64(to + 8, 0);
	pkt_st64(to + 16, (uint64_t)pkt_ld32(ip + 12) << 32 | v4);
	pkt_st64(to + 24, 0);
	pkt_st64(to + 32, (uint64_t)pkt_ld32(ip + 16) << 32 | v4);
	pkt_st64(to + 40, t->look | df * PKT_TUN_DF | summed * PKT_TUN_CSUM |
	                          (uint64_t)ip[1] << 16 | (uint64_t)ip[8] << 24);
	pkt_st64(to + 48, 0);
	pkt_st64(to + 56, 0);
	m->data_off += t->size;
	m->data_len -= t->size;
	m->pkt_len = m->data_len;
	m->ol_flags &= ~(uint64_t)(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
}

#endif
