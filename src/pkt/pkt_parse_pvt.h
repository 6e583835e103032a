/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the parser's files: the complete parser, and the bursts of each instruction set.
 * Threads: any.
 */
#ifndef PKT_PARSE_PVT_H
#define PKT_PARSE_PVT_H

#include "pkt/pkt_hdr.h"
#include "pkt/pkt_nh.h"
#include "pkt/pkt_parse.h"

/* Parses any frame into zeroed base, ofs, and (if base->lines then says so) zeroed ipv6. */
int pkt_parse_frame(const struct rte_mbuf *m, struct pkt_key_base *base, struct pkt_key_ipv6 *ipv6,
                    struct pkt_offsets *ofs);

/* Packet i of a burst by the complete parser, stripped tags put back first. Returns its bit if it
 * is to be dropped, else 0. */
uint32_t pkt_parse_rare(struct pkt_burst *burst, unsigned i, uint16_t in_port);

#define PKT_RX_STRIPPED (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)

/* How far ahead of parsing the first line of a packet is asked for. */
#define PKT_PARSE_AHEAD 8

typedef uint32_t pkt_parse_burst_fn(struct pkt_burst *burst, unsigned n, uint16_t in_port);
pkt_parse_burst_fn pkt_parse_burst_c, pkt_parse_burst_avx2, pkt_parse_burst_avx512;
pkt_parse_burst_fn pkt_parse_inner_c, pkt_parse_inner_avx2, pkt_parse_inner_avx512;
typedef void pkt_parse_rehash_fn(struct pkt_burst *burst, unsigned n);
pkt_parse_rehash_fn pkt_parse_rehash_c, pkt_parse_rehash_avx2, pkt_parse_rehash_avx512;

EVS_INLINE void pkt_parse_prefetch(const struct rte_mbuf *m)
{
	__builtin_prefetch(rte_pktmbuf_mtod(m, const char *));
}

/*
 * The common shape: all headers in the first segment, at most one VLAN tag, IPv4 without
 * options, not a fragment, TCP or UDP, lengths that agree with the frame. These checks, without
 * a branch that depends on TCP or UDP, serve every variant.
 */
struct pkt_common {
	uint32_t l3;     /* 14 or 18 */
	uint32_t l3_len; /* total length */
	bool is_tcp;
};

EVS_INLINE bool pkt_parse_common(const struct rte_mbuf *m, const uint8_t *p, struct pkt_common *c)
{
	uint32_t size = m->data_len;
	if (evs_unlikely(size < PKT_ETH_SIZE + PKT_VLAN_SIZE + PKT_IPV4_SIZE + PKT_UDP_SIZE ||
	                 (m->ol_flags & PKT_RX_STRIPPED)))
		return false;
	uint16_t type = pkt_ld16(p + 12);
	bool tagged = type == RTE_BE16(PKT_ETH_VLAN) || type == RTE_BE16(PKT_ETH_QINQ);
	uint32_t l3 = PKT_ETH_SIZE + (tagged ? PKT_VLAN_SIZE : 0);
	const uint8_t *ip = p + l3;
	uint32_t l3_len = pkt_be16(ip + 2);
	bool is_tcp = ip[9] == PKT_IP_TCP;
	uint32_t need = PKT_IPV4_SIZE + (is_tcp ? PKT_TCP_SIZE : PKT_UDP_SIZE);
	bool bad = (pkt_ld16(ip - 2) != RTE_BE16(PKT_ETH_IPV4)) | (ip[0] != 0x45) |
	           (pkt_ld16(ip + 6) & RTE_BE16(PKT_IPV4_MF | PKT_IPV4_FRAGOFS)) |
	           (!is_tcp & (ip[9] != PKT_IP_UDP)) | (l3_len < need) | (l3 + l3_len > size);
	c->l3 = l3;
	c->l3_len = l3_len;
	c->is_tcp = is_tcp;
	return evs_likely(!bad);
}

/* Does the parser look at nothing of the frame (of 64 bytes at least) behind these? So it is,
 * unless IP can follow, whose options and extension headers have no end. */
EVS_INLINE bool pkt_ends_early(const uint8_t *p)
{
	uint16_t type = pkt_be16(p + 12);

	if (pkt_eth_is_vlan(type) || type == PKT_ETH_IPV4 || type == PKT_ETH_IPV6)
		return false;
	return type >= PKT_ETH_MIN || p[14] != 0xaa; /* SNAP has a type of its own */
}

/*
 * Packet i of a burst is, byte by byte, a frame like the one before it, in all that is parsed: then
 * what was found for that holds again. Asked only where the common shape does not fit, so that
 * trains of one frame (hellos, probes, test streams) cost a compare instead of the complete parser.
 */
EVS_INLINE bool pkt_may_repeat(const struct rte_mbuf *m)
{
	return m->data_len >= PKT_ETH_SIZE && m->pkt_len == m->data_len &&
	       !(m->ol_flags & PKT_RX_STRIPPED) &&
	       (m->data_len <= EVS_CACHE_LINE ||
	        pkt_ends_early(rte_pktmbuf_mtod(m, const uint8_t *)));
}

EVS_INLINE bool pkt_same_bytes(const uint8_t *p, const uint8_t *q, uint32_t size)
{
	uint64_t diff = pkt_ld64(p + size - 8) ^ pkt_ld64(q + size - 8);
	for (uint32_t at = 0; at + 8 <= size; at += 8)
		diff |= pkt_ld64(p + at) ^ pkt_ld64(q + at);
	return diff == 0;
}

EVS_INLINE bool pkt_repeats(const struct rte_mbuf *m, const struct rte_mbuf *before)
{
	return m->data_len == before->data_len && pkt_may_repeat(m) && pkt_may_repeat(before) &&
	       pkt_same_bytes(rte_pktmbuf_mtod(m, const uint8_t *),
	                      rte_pktmbuf_mtod(before, const uint8_t *),
	                      EVS_MIN(m->data_len, (uint32_t)EVS_CACHE_LINE));
}

EVS_INLINE void pkt_repeat_parse(struct pkt_burst *burst, unsigned i)
{
	burst->base[i] = burst->base[i - 1];
	burst->ofs[i] = burst->ofs[i - 1];
	if (evs_unlikely(burst->base[i].lines))
		burst->ext[i].ipv6 = burst->ext[i - 1].ipv6;
}

/* Are the packets' keys equal in every line? */
EVS_INLINE bool pkt_same_key(const struct pkt_burst *burst, unsigned a, unsigned b)
{
	const uint8_t *p = (const uint8_t *)&burst->base[a], *q = (const uint8_t *)&burst->base[b];
	const struct pkt_key_ext *x = &burst->ext[a], *y = &burst->ext[b];
	uint8_t lines = burst->base[a].lines;
	uint64_t diff = 0;
	for (unsigned at = 0; at < PKT_KEY_BASE_SIZE; at += 8)
		diff |= pkt_ld64(p + at) ^ pkt_ld64(q + at);
	if (evs_likely(diff || !lines))
		return !diff;
	return !((lines & PKT_LINE_IPV6 && memcmp(&x->ipv6, &y->ipv6, sizeof(x->ipv6))) ||
	         (lines & PKT_LINE_TUN && memcmp(&x->tun, &y->tun, sizeof(x->tun))) ||
	         (lines & PKT_LINE_CT && memcmp(&x->ct, &y->ct, sizeof(x->ct))) ||
	         (lines & PKT_LINE_TMD && memcmp(&x->tmd, &y->tmd, sizeof(x->tmd))));
}

/* Every key has a tunnel line; hashes and heads are of before. */
EVS_INLINE void pkt_add_tunnel_lines(struct pkt_burst *burst, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		burst->base[i].lines |= PKT_LINE_TUN;
}

/* Hash of packet i by the body of the instruction set; its bit if it begins a run. */
EVS_INLINE uint32_t pkt_rehash(struct pkt_burst *burst, unsigned i, pkt_nh_fn *nh)
{
	burst->base[i].hash = pkt_nh_key(&burst->base[i], &burst->ext[i], nh);
	return (uint32_t)(i == 0 || !pkt_same_key(burst, i - 1, i)) << i;
}

EVS_INLINE void pkt_rehash_all(struct pkt_burst *burst, unsigned n, pkt_nh_fn *nh)
{
	uint8_t lines = 0;
	burst->heads = 0;
	for (unsigned i = 0; i < n; i++) {
		burst->heads |= pkt_rehash(burst, i, nh);
		lines |= burst->base[i].lines;
	}
	burst->lines = lines;
}

EVS_INLINE uint64_t pkt_offsets_word(const struct pkt_common *c)
{
	return (uint64_t)c->l3 << 16 | (uint64_t)(c->l3 + PKT_IPV4_SIZE) << 32 |
	       (uint64_t)c->l3_len << 48;
}

/* What of a packet of the common shape is known while its key is in registers. */
struct pkt_stored {
	uint32_t hash;
	bool differs; /* from the one that was stored before */
};

/* Writes the key of a packet of the common shape whose frame starts at p. before: the variant's
 * own, the key that it wrote last. */
typedef struct pkt_stored pkt_store_key_fn(void *before, struct pkt_key_base *base,
                                           const uint8_t *p, const struct pkt_common *c,
                                           uint16_t in_port);

/* Packets of odd shapes (bits), which were parsed byte by byte, are hashed and compared only when
 * all are: a vector can not be loaded at once from bytes that were just stored. */
EVS_INLINE void pkt_hash_odd(struct pkt_burst *burst, unsigned n, uint32_t odd, pkt_nh_fn *nh)
{
	uint32_t behind = (odd | odd << 1) & UINT32_MAX >> (PKT_BURST_MAX - n) & ~1u;

	burst->heads = (burst->heads & ~behind) | 1;
	for (uint32_t left = odd | behind; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		if (odd >> i & 1) {
			burst->base[i].hash = pkt_nh_key(&burst->base[i], &burst->ext[i], nh);
			burst->lines |= burst->base[i].lines;
		}
		if (i > 0)
			burst->heads |= (uint32_t)!pkt_same_key(burst, i - 1, i) << i;
	}
}

/* What an instruction set brings along; nh: for packets of odd shapes. */
struct pkt_variant {
	void *before;
	pkt_store_key_fn *store;
	pkt_nh_fn *nh;
};

/* Parses, hashes and compares in one pass. */
EVS_INLINE uint32_t pkt_parse_by(struct pkt_burst *burst, unsigned n, uint16_t in_port,
                                 struct pkt_variant v)
{
	uint32_t drop = 0, odd = 0, heads = 0;

	for (unsigned i = 0; i < EVS_MIN(n, (unsigned)PKT_PARSE_AHEAD); i++)
		pkt_parse_prefetch(burst->mbuf[i]);
	for (unsigned i = 0; i < n; i++) {
		const struct rte_mbuf *m = burst->mbuf[i];
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
		struct pkt_stored stored;
		struct pkt_common c;
		uint64_t word;

		if (i + PKT_PARSE_AHEAD < n)
			pkt_parse_prefetch(burst->mbuf[i + PKT_PARSE_AHEAD]);
		if (evs_unlikely(!pkt_parse_common(m, p, &c))) {
			if (i > 0 && pkt_repeats(m, burst->mbuf[i - 1]))
				pkt_repeat_parse(burst, i);
			else
				drop |= pkt_parse_rare(burst, i, in_port);
			odd |= 1u << i;
			continue;
		}
		stored = v.store(v.before, &burst->base[i], p, &c, in_port);
		burst->base[i].hash = stored.hash;
		heads |= (uint32_t)stored.differs << i;
		word = pkt_offsets_word(&c);
		memcpy(&burst->ofs[i], &word, sizeof(word));
	}
	burst->lines = 0;
	burst->heads = heads;
	if (evs_unlikely(odd)) {
		if ((unsigned)__builtin_popcount(odd) > n / 2)
			pkt_rehash_all(burst, n, v.nh);
		else
			pkt_hash_odd(burst, n, odd, v.nh);
	}
	burst->sum = pkt_sum_up(burst->mbuf, n);
	return drop;
}

#endif
