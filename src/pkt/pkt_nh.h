/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash by which the caches place keys, one body for each instruction set. Threads: any.
 *
 * NH (as in UMAC): a line is masked, secret numbers are added to the halves of each word, and the
 * products of the halves are summed. One vector multiplication does a line. The sums of the even
 * and the odd words stay apart until the end, where one more multiplication mixes them, since the
 * low bits of such sums alone are weak. All bodies give the same values.
 */
#ifndef PKT_NH_H
#define PKT_NH_H

#include <immintrin.h>

#include "pkt/pkt_hash.h"

#define PKT_TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define PKT_TARGET_AVX512                                                                          \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,bmi,bmi2,lzcnt,popcnt")))

/* What of line 0 is hashed: all that is matched but TCP flags and TTL, which seldom matter and
 * change from packet to packet, and, so that whole halves of words stay out, the number of MPLS
 * labels, which the labels imply. [8..15]: a whole line. */
extern const uint64_t pkt_nh_mask[16];

struct pkt_nh {
	uint64_t even, odd;
};

/* `before`: hash of the lines before this one, 0 if it is the first. */
EVS_INLINE uint64_t pkt_nh_end(uint64_t before, struct pkt_nh sum)
{
	return pkt_hash_mum(before ^ sum.even ^ pkt_hash_secret[0], sum.odd ^ pkt_hash_secret[1]);
}

/* The part of one masked word. */
EVS_INLINE uint64_t pkt_nh_word(uint64_t word, uint64_t secret)
{
	return (uint64_t)((uint32_t)word + (uint32_t)secret) *
	       ((uint32_t)(word >> 32) + (uint32_t)(secret >> 32));
}

EVS_INLINE struct pkt_nh pkt_nh_c(const void *line, const void *mask)
{
	uint64_t sum[2] = {0};

	for (unsigned i = 0; i < 8; i++) {
		uint64_t word = pkt_hash_u64((const uint8_t *)line + 8 * i) &
		                pkt_hash_u64((const uint8_t *)mask + 8 * i);

		sum[i % 2] += pkt_nh_word(word, pkt_hash_secret[i]);
	}
	return (struct pkt_nh){sum[0], sum[1]};
}

PKT_TARGET_AVX2 EVS_INLINE struct pkt_nh pkt_nh_fold(__m256i sums)
{
	__m128i sum =
	        _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));

	return (struct pkt_nh){(uint64_t)_mm_cvtsi128_si64(sum),
	                       (uint64_t)_mm_extract_epi64(sum, 1)};
}

PKT_TARGET_AVX2 EVS_INLINE __m256i pkt_nh_products(__m256i words, const uint64_t *secret)
{
	words = _mm256_add_epi32(words, _mm256_loadu_si256((const __m256i *)secret));
	return _mm256_mul_epu32(words, _mm256_srli_epi64(words, 32));
}

PKT_TARGET_AVX2 EVS_INLINE struct pkt_nh pkt_nh_avx2(const void *line, const void *mask)
{
	const __m256i *l = line, *m = mask;
	__m256i low = _mm256_and_si256(_mm256_load_si256(l), _mm256_load_si256(m));
	__m256i high = _mm256_and_si256(_mm256_load_si256(l + 1), _mm256_load_si256(m + 1));

	return pkt_nh_fold(_mm256_add_epi64(pkt_nh_products(low, pkt_hash_secret),
	                                    pkt_nh_products(high, pkt_hash_secret + 4)));
}

/* Of a masked line in a register, the secret added. */
PKT_TARGET_AVX512 EVS_INLINE struct pkt_nh pkt_nh_sum(__m512i words)
{
	words = _mm512_mul_epu32(words, _mm512_srli_epi64(words, 32));
	return pkt_nh_fold(_mm256_add_epi64(_mm512_castsi512_si256(words),
	                                    _mm512_extracti64x4_epi64(words, 1)));
}

PKT_TARGET_AVX512 EVS_INLINE struct pkt_nh pkt_nh_avx512(const void *line, const void *mask)
{
	__m512i words = _mm512_and_si512(_mm512_load_si512(line), _mm512_load_si512(mask));

	return pkt_nh_sum(_mm512_add_epi32(words, _mm512_loadu_si512(pkt_hash_secret)));
}

typedef struct pkt_nh pkt_nh_fn(const void *line, const void *mask);

/* Hash of the first line without its volatile bytes, and of one more, which goes on from the 32
 * bits that a burst keeps; nh: a body of above. */
EVS_INLINE uint64_t pkt_nh_base(const void *base, pkt_nh_fn *nh)
{
	return pkt_nh_end(0, nh(base, pkt_nh_mask));
}

EVS_INLINE uint64_t pkt_nh_line(uint64_t hash, const void *line, pkt_nh_fn *nh)
{
	return pkt_nh_end((uint32_t)hash, nh(line, pkt_nh_mask + 8));
}

/* Hash of a whole key: what pkt_key_base.hash holds in a burst. */
EVS_INLINE uint32_t pkt_nh_key(const struct pkt_key_base *base, const struct pkt_key_ext *ext,
                               pkt_nh_fn *nh)
{
	uint64_t hash = pkt_nh_base(base, nh);

	for (uint32_t left = pkt_ext_lines(base->lines); evs_unlikely(left); left &= left - 1)
		hash = pkt_nh_line(hash, pkt_ext_line(ext, (unsigned)__builtin_ctz(left)), nh);
	return (uint32_t)hash;
}

#endif
