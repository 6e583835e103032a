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
 * (IPv4 without options or IPv6 without extension headers, not a fragment, UDP or GRE, one of the
 * kind's headers in tun_plain), they are two lines of 64 bytes: one masked compare, and for what is
 * longer one more of 16. Whatever fits is a packet of that flow, and well-formed: that tun_pop and
 * the parser say the same of it is tested over mutated frames. What does not fit may be fine all
 * the same and goes the long way.
 *
 * Cost: about ten cycles for compare, lengths and IPv4's checksum, as many to take it off; options
 * and checksums over the payload cost what they are long.
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
#define TUN_TEMPLATE_MORE 16 /* and behind them, where the headers are longer */

struct tun_template {
	uint8_t want[TUN_TEMPLATE_SIZE] EVS_ALIGNED(TUN_TEMPLATE_SIZE);
	uint8_t care[TUN_TEMPLATE_SIZE];
	uint8_t more_want[TUN_TEMPLATE_MORE], more_care[TUN_TEMPLATE_MORE];
	uint64_t look;     /* word of pkt_key_tun that begins with the flags: what all have */
	uint32_t key_care; /* of the four bytes at key_at: the network */
	uint8_t key_at, key_shift;
	uint8_t l3, l4; /* offsets of the IP header and of what is behind it */
	uint8_t size;   /* bytes of the outer headers, without options */
	bool is_ipv4, is_udp;
	bool is_summed;   /* GRE's checksum is there */
	bool has_options; /* Geneve's options may follow */
	bool is_common;   /* IPv4, UDP, a network of three bytes; nothing of the two */
};

/* A packet that a cached flow took out of a tunnel. Key and mask are the flow's, the key masked. */
struct tun_known {
	enum tun_kind kind;
	uint16_t dst_port; /* of UDP; GRE: 0 */
	const struct pkt_key_base *key, *mask;
	const struct pkt_key_ipv6 *key6, *mask6;
	const uint8_t *header; /* TUN_PLAIN_SIZE bytes of the packet, behind UDP or IP */
};

/* The template for packets like this. False: there is none for its header, or for the flow; t is as
 * it was. */
bool tun_template_make(const struct tun_known *known, struct tun_template *t);

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

/* The same for the bytes behind; `size` is the frame's. */
EVS_INLINE bool tun_template_more_fits(const struct tun_template *t, const uint8_t *p,
                                       uint32_t size)
{
	uint64_t differs = 0;

	if (size < TUN_TEMPLATE_SIZE + TUN_TEMPLATE_MORE)
		return false;
	p += TUN_TEMPLATE_SIZE;
	for (unsigned i = 0; i < TUN_TEMPLATE_MORE; i += 8)
		differs |=
		        (pkt_ld64(p + i) ^ pkt_ld64(t->more_want + i)) & pkt_ld64(t->more_care + i);
	return !differs;
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

/* Bytes of options in a frame that fits so far. */
EVS_INLINE uint32_t tun_template_options(const struct tun_template *t, const uint8_t *p)
{
	return t->has_options ? (p[t->l4 + PKT_UDP_SIZE] & 0x3fu) * 4 : 0;
}

bool tun_template_options_fit(const struct tun_template *t, const struct rte_mbuf *m);

/* What is rarer: bytes behind the first ones, a checksum of GRE, options (well formed, with a frame
 * behind them). */
EVS_INLINE bool tun_template_rest_fits(const struct tun_template *t, const struct rte_mbuf *m,
                                       const uint8_t *p)
{
	if (t->size > TUN_TEMPLATE_SIZE && !tun_template_more_fits(t, p, m->data_len))
		return false;
	if (t->is_summed &&
	    pkt_csum_fold(pkt_csum_add(0, p + t->l4, m->data_len - t->l4)) != 0xffff)
		return false;
	return !tun_template_options(t, p) || tun_template_options_fit(t, m);
}

/* UDP's length, and its checksum if nobody vouches for it. */
EVS_INLINE bool tun_template_udp_fits(const struct tun_template *t, const struct rte_mbuf *m,
                                      const uint8_t *udp, uint32_t size)
{
	if (pkt_be16(udp + 4) != size)
		return false;
	return evs_likely(!pkt_ld16(udp + 6)) || pkt_l4_is_checked(m) ||
	       pkt_csum_verify(m, t->l3) == PKT_CSUM_GOOD;
}

/* Body of tun_template_fits; ipv4, udp, rest: of the template. */
EVS_INLINE bool tun_template_fits_as(const struct tun_template *t, const struct rte_mbuf *m,
                                     const bool ipv4, const bool udp, const bool rest)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *ip = p + t->l3;
	const uint32_t head = ipv4 ? PKT_IPV4_SIZE : PKT_IPV6_SIZE;
	uint32_t l3_size = ipv4 ? pkt_be16(ip + 2) : pkt_be16(ip + 4) + head;

	if (tun_template_differs(t, p))
		return false;
	if (l3_size + t->l3 != m->data_len || m->data_len < t->size + PKT_ETH_SIZE ||
	    (udp && !tun_template_udp_fits(t, m, ip + head, l3_size - head)))
		return false;
	if (rest && !tun_template_rest_fits(t, m, p))
		return false;
	return !ipv4 || pkt_ip_is_checked(m) || tun_template_sum_is_good(ip);
}

/* Is m (which may fit) of this template, complete, and without error? */
EVS_INLINE bool tun_template_fits(const struct tun_template *t, const struct rte_mbuf *m)
{
	if (evs_likely(t->is_common))
		return tun_template_fits_as(t, m, true, true, false);
	return tun_template_fits_as(t, m, t->is_ipv4, t->is_udp, true);
}

/* Body of tun_template_pop. */
EVS_INLINE uint32_t tun_template_pop_as(const struct tun_template *t, struct rte_mbuf *m,
                                        struct pkt_key_tun *tun, const bool common)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *ip = p + t->l3;
	const bool ipv4 = common || t->is_ipv4, udp = common || t->is_udp;
	const uint8_t *l4 = ip + (ipv4 ? PKT_IPV4_SIZE : PKT_IPV6_SIZE);
	const uint64_t v4 = (uint64_t)RTE_BE32(0x0000ffff);
	uint64_t look = udp && pkt_ld16(l4 + 6) ? PKT_TUN_CSUM : 0;
	uint8_t *to = (uint8_t *)tun;

	/* Word by word: a vector made of them would wait for its own stores. */
	if (common)
		pkt_st64(to, (uint64_t)(pkt_ld32(p + t->size - 4) & RTE_BE32(0xffffff00)) << 40);
	else
		pkt_st64(to, (uint64_t)(pkt_ld32(p + t->key_at) & t->key_care) << t->key_shift);
	if (ipv4) {
		pkt_st64(to + 8, 0);
		pkt_st64(to + 16, (uint64_t)pkt_ld32(ip + 12) << 32 | v4);
		pkt_st64(to + 24, 0);
		pkt_st64(to + 32, (uint64_t)pkt_ld32(ip + 16) << 32 | v4);
		look |= (uint64_t)(ip[6] >> 6 & 1) * PKT_TUN_DF | (uint64_t)ip[1] << 16 |
		        (uint64_t)ip[8] << 24;
	} else {
		for (unsigned i = 0; i < 32; i += 8)
			pkt_st64(to + 8 + i, pkt_ld64(ip + 8 + i));
		look |= (uint64_t)(pkt_be16(ip) >> 4 & 0xff) << 16 | (uint64_t)ip[7] << 24;
	}
	pkt_st64(to + 40, t->look | look);
	pkt_st64(to + 48, 0);
	pkt_st64(to + 56, 0);
	return t->size;
}

/* Takes the outer header off m, which fits, and fills tun, as tun_pop does. Returns how many bytes
 * of options there were; they are those before the frame now. */
EVS_INLINE uint32_t tun_template_pop(const struct tun_template *t, struct rte_mbuf *m,
                                     struct pkt_key_tun *tun)
{
	uint32_t options = 0, size;

	if (evs_likely(t->is_common)) {
		size = tun_template_pop_as(t, m, tun, true);
	} else {
		options = tun_template_options(t, rte_pktmbuf_mtod(m, const uint8_t *));
		size = tun_template_pop_as(t, m, tun, false) + options;
	}
	m->data_off += size;
	m->data_len -= size;
	m->pkt_len = m->data_len;
	m->ol_flags &= ~(uint64_t)(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
	return options;
}

#endif
