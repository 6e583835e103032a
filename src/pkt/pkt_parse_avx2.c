/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Burst parser for AVX2: three 16-byte loads, shuffles, three stores. Threads: any; no state.
 *
 * The loads end with the UDP header (L3 + 28 bytes), which pkt_parse_common made sure of; TCP's
 * flags are loaded apart.
 */
#include <immintrin.h>

#include "pkt/pkt_parse_pvt.h"

#define TARGET PKT_TARGET_AVX2
#define Z      -128 /* shuffle control: zero */

/* Frame bytes 0..15 to key bytes 16..31; one row each for untagged and tagged. */
static const int8_t shuffle_l2[2][16] EVS_ALIGNED(16) = {
        {8, 9, 10, 11, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z},
        {8, 9, 10, 11, Z, Z, 12, 13, 14, 15, Z, Z, Z, Z, Z, Z},
};
static const uint8_t set_l2[2][16] EVS_ALIGNED(16) = {
        {0, 0, 0, 0, 0x08},
        {0, 0, 0, 0, 0x08, 0, 0, 0, PKT_VLAN_PRESENT >> 8},
};

TARGET EVS_INLINE __m128i key_lo(__m128i frame, __m128i head)
{
	return _mm_or_si128(head, _mm_slli_si128(frame, 8));
}

TARGET EVS_INLINE __m128i key_mid(__m128i frame, __m128i ip, bool tagged)
{
	const __m128i take_ip = _mm_setr_epi8(Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, 9, 1);
	__m128i take_l2 = _mm_load_si128((const __m128i *)shuffle_l2[tagged]);
	__m128i set = _mm_load_si128((const __m128i *)set_l2[tagged]);
	__m128i l2 = _mm_or_si128(_mm_shuffle_epi8(frame, take_l2), set);
	return _mm_or_si128(l2, _mm_shuffle_epi8(ip, take_ip));
}

TARGET EVS_INLINE __m128i key_l4(__m128i ip, __m128i l4, uint32_t flags)
{
	const __m128i take_ttl = _mm_setr_epi8(Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, 8, Z);
	const __m128i take_l4 = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, Z, Z, Z, Z);
	__m128i key = _mm_or_si128(_mm_shuffle_epi8(l4, take_l4), _mm_shuffle_epi8(ip, take_ttl));
	return _mm_insert_epi16(key, (int)flags, 6);
}

struct before {
	__m256i front, back;
};

/* pkt_nh_base of a key in registers: dwords 11 (TCP flags, TTL), 14, 15 (holder) are left out. */
TARGET EVS_INLINE uint32_t hash_of(__m256i front, __m256i back)
{
	__m256i sums;

	back = _mm256_blend_epi32(back, _mm256_setzero_si256(), 0xc8);
	sums = _mm256_add_epi64(pkt_nh_products(front, pkt_hash_secret),
	                        pkt_nh_products(back, pkt_hash_secret + 4));
	return (uint32_t)pkt_nh_end(0, pkt_nh_fold(sums));
}

TARGET EVS_INLINE struct pkt_stored store_key(void *before, struct pkt_key_base *base,
                                              const uint8_t *p, const struct pkt_common *c,
                                              uint16_t in_port)
{
	struct before *last = before;
	__m256i differs;
	const __m128i head = _mm_cvtsi32_si128(in_port);
	const uint8_t *l3 = p + c->l3;
	__m128i frame = _mm_loadu_si128((const __m128i *)p);
	__m128i ip = _mm_loadu_si128((const __m128i *)l3);
	__m128i l4 = _mm_loadu_si128((const __m128i *)(l3 + 12));
	uint32_t flags = 0;
	if (c->is_tcp)
		flags = pkt_ld16(l3 + PKT_IPV4_SIZE + 12) & RTE_BE16(0x0fff);
	bool tagged = c->l3 != PKT_ETH_SIZE;
	__m256i front = _mm256_inserti128_si256(_mm256_castsi128_si256(key_lo(frame, head)),
	                                        key_mid(frame, ip, tagged), 1);
	__m256i back = _mm256_zextsi128_si256(key_l4(ip, l4, flags));
	_mm256_store_si256((__m256i *)base, front);
	_mm256_store_si256((__m256i *)base + 1, back);
	differs = _mm256_or_si256(_mm256_xor_si256(front, last->front),
	                          _mm256_xor_si256(back, last->back));
	*last = (struct before){front, back};
	return (struct pkt_stored){hash_of(front, back), !_mm256_testz_si256(differs, differs)};
}

TARGET EVS_HOT void pkt_parse_rehash_avx2(struct pkt_burst *burst, unsigned n)
{
	pkt_rehash_all(burst, n, pkt_nh_avx2);
}

TARGET EVS_HOT uint32_t pkt_parse_burst_avx2(struct pkt_burst *burst, unsigned n, uint16_t in_port)
{
	struct before before = {_mm256_setzero_si256(), _mm256_setzero_si256()};

	return pkt_parse_by(burst, n, in_port,
	                    (struct pkt_variant){&before, store_key, pkt_nh_avx2});
}

TARGET EVS_HOT uint32_t pkt_parse_inner_avx2(struct pkt_burst *burst, unsigned n, uint16_t in_port)
{
	uint32_t drop = pkt_parse_burst_avx2(burst, n, in_port);

	pkt_add_tunnel_lines(burst, n);
	pkt_parse_rehash_avx2(burst, n);
	return drop;
}
