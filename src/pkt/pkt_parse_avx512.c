/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Burst parser for AVX-512 with VBMI: one masked load of the frame's first 64 bytes, one byte
 * permutation to the key's layout, one store of the whole line. Threads: any; no state.
 *
 * The load is masked by the frame's length, so bytes behind it are never touched. TCP's
 * flags end at byte 52 of a tagged frame, so 64 bytes hold all that the common shape needs.
 */
#include <immintrin.h>

#include "pkt/pkt_parse_pvt.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,bmi2")))

/* For a header at l3: which byte of the frame goes to which byte of the key. */
#define TAKE_L3(l3)                                                                                \
	[30] = (l3) + 9, [31] = (l3) + 1, [32] = (l3) + 12, [33] = (l3) + 13, [34] = (l3) + 14,    \
	[35] = (l3) + 15, [36] = (l3) + 16, [37] = (l3) + 17, [38] = (l3) + 18, [39] = (l3) + 19,  \
	[40] = (l3) + 20, [41] = (l3) + 21, [42] = (l3) + 22, [43] = (l3) + 23, [44] = (l3) + 32,  \
	[45] = (l3) + 33, [46] = (l3) + 8
#define TAKE_MACS                                                                                  \
	[8] = 0, [9] = 1, [10] = 2, [11] = 3, [12] = 4, [13] = 5, [14] = 6, [15] = 7, [16] = 8,    \
	[17] = 9, [18] = 10, [19] = 11

static const uint8_t take[2][64] EVS_ALIGNED(64) = {
        {TAKE_MACS, [20] = 12, [21] = 13, TAKE_L3(14)},
        {TAKE_MACS, [20] = 16, [21] = 17, [22] = 12, [23] = 13, [24] = 14, [25] = 15, TAKE_L3(18)},
};

/* Bits of the permuted bytes that are kept: [tagged][tcp]. */
#define KEEP_MACS                                                                                  \
	[8] = 255, [9] = 255, [10] = 255, [11] = 255, [12] = 255, [13] = 255, [14] = 255,          \
	[15] = 255, [16] = 255, [17] = 255, [18] = 255, [19] = 255, [20] = 255, [21] = 255
#define KEEP_VLAN [22] = 255, [23] = 255, [24] = 255, [25] = 255
#define KEEP_L3                                                                                    \
	[30] = 255, [31] = 255, [32] = 255, [33] = 255, [34] = 255, [35] = 255, [36] = 255,        \
	[37] = 255, [38] = 255, [39] = 255, [40] = 255, [41] = 255, [42] = 255, [43] = 255,        \
	[46] = 255
#define KEEP_FLAGS [44] = 0x0f, [45] = 255

static const uint8_t keep[2][2][64] EVS_ALIGNED(64) = {
        {{KEEP_MACS, KEEP_L3}, {KEEP_MACS, KEEP_L3, KEEP_FLAGS}},
        {{KEEP_MACS, KEEP_VLAN, KEEP_L3}, {KEEP_MACS, KEEP_VLAN, KEEP_L3, KEEP_FLAGS}},
};

TARGET EVS_INLINE void store_key(struct pkt_key_base *base, const uint8_t *p, uint32_t size,
                                 const struct pkt_common *c, __m512i head)
{
	bool tagged = c->l3 != PKT_ETH_SIZE;
	__mmask64 there = _bzhi_u64(~UINT64_C(0), EVS_MIN(size, 64u));
	__m512i frame = _mm512_maskz_loadu_epi8(there, p);
	__m512i key = _mm512_permutexvar_epi8(_mm512_load_si512(take[tagged]), frame);
	/* (key & keep) | set in one instruction */
	__m512i set = tagged ? _mm512_or_si512(head, _mm512_zextsi256_si512(_mm256_set_epi64x(
	                                                     PKT_VLAN_PRESENT >> 8, 0, 0, 0)))
	                     : head;
	key = _mm512_ternarylogic_epi64(key, _mm512_load_si512(keep[tagged][c->is_tcp]), set, 0xea);
	_mm512_store_si512(base, key);
}

TARGET EVS_INLINE bool repeats(const struct rte_mbuf *m, const struct rte_mbuf *before)
{
	if (!pkt_may_repeat(m, before))
		return false;
	__mmask64 there = _bzhi_u64(~UINT64_C(0), m->data_len);
	__m512i now = _mm512_maskz_loadu_epi8(there, rte_pktmbuf_mtod(m, const void *));
	__m512i then = _mm512_maskz_loadu_epi8(there, rte_pktmbuf_mtod(before, const void *));
	return _mm512_cmpneq_epi64_mask(now, then) == 0;
}

TARGET EVS_HOT uint32_t pkt_parse_burst_avx512(struct pkt_burst *burst, unsigned n,
                                               uint16_t in_port)
{
	uint32_t drop = 0;
	const __m512i head = _mm512_zextsi128_si512(_mm_cvtsi32_si128(in_port));
	for (unsigned i = 0; i < EVS_MIN(n, (unsigned)PKT_PARSE_AHEAD); i++)
		pkt_parse_prefetch(burst->mbuf[i]);
	for (unsigned i = 0; i < n; i++) {
		struct pkt_common c;
		const struct rte_mbuf *m = burst->mbuf[i];
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
		if (i + PKT_PARSE_AHEAD < n)
			pkt_parse_prefetch(burst->mbuf[i + PKT_PARSE_AHEAD]);
		if (evs_unlikely(!pkt_parse_common(m, p, &c))) {
			if (i > 0 && repeats(m, burst->mbuf[i - 1]))
				pkt_repeat_parse(burst, i);
			else
				drop |= pkt_parse_rare(burst, i, in_port);
			continue;
		}
		store_key(&burst->base[i], p, m->data_len, &c, head);
		uint64_t word = pkt_offsets_word(&c);
		memcpy(&burst->ofs[i], &word, sizeof(word));
	}
	return drop;
}
