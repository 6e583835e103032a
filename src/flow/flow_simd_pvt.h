/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOW_SIMD_PVT_H
#define FLOW_SIMD_PVT_H

/*
 * Comparisons and hashes of key lines, in three variants: FLOW_ISA 0 is plain C, 1 AVX2, 2 AVX-512.
 * Threads: any.
 *
 * Included by a file that has set FLOW_ISA and, for 1 and 2, the target of the functions that
 * follow (flow_target_pvt.h). Every variant gives the same answers; tests hold them to that.
 */
#if FLOW_ISA > 0
#include <immintrin.h>
#endif

#include "flow/flow_exact_pvt.h"
#include "flow/flow_mask.h"

EVS_INLINE uint64_t flow_simd_word(const void *p, unsigned i)
{
	return pkt_hash_u64((const uint8_t *)p + 8 * i);
}

#if FLOW_ISA == 2
#define flow_simd_nh pkt_nh_avx512
#elif FLOW_ISA == 1
#define flow_simd_nh pkt_nh_avx2
#else
#define flow_simd_nh pkt_nh_c
#endif

/* Hash of the key under the mask. The mask's lines must be in use in the key. */
EVS_INLINE uint64_t flow_mask_hash(const struct flow_mask *mask, const struct pkt_key_base *base,
                                   const struct pkt_key_ext *ext)
{
	uint64_t hash = pkt_nh_end(0, flow_simd_nh(base, &mask->mask.base));

	for (uint32_t left = pkt_ext_lines(mask->lines); left; left &= left - 1) {
		unsigned line = (unsigned)__builtin_ctz(left);

		hash = pkt_nh_end(hash, flow_simd_nh(pkt_ext_line(ext, line),
		                                     pkt_ext_line(&mask->mask.ext, line)));
	}
	return hash;
}

#if FLOW_ISA == 2

/* Bit i: byte i of two lines differs. */
EVS_INLINE uint64_t flow_simd_bytes_differ(const void *a, const void *b)
{
	return _mm512_cmpneq_epi8_mask(_mm512_load_si512(a), _mm512_load_si512(b));
}

/* Bits in which two lines differ under a mask; the second is masked already. */
EVS_INLINE uint64_t flow_simd_masked_differ(const void *line, const void *mask, const void *key,
                                            const bool whole)
{
	__m512i masked = _mm512_and_si512(_mm512_load_si512(line), _mm512_load_si512(mask));
	__mmask8 words = _mm512_cmpneq_epi64_mask(masked, _mm512_load_si512(key));

	return whole ? words : words & 0x7f;
}

#elif FLOW_ISA == 1

EVS_INLINE uint64_t flow_simd_bytes_differ(const void *a, const void *b)
{
	const __m256i *x = a, *y = b;
	__m256i low = _mm256_cmpeq_epi8(_mm256_load_si256(x), _mm256_load_si256(y));
	__m256i high = _mm256_cmpeq_epi8(_mm256_load_si256(x + 1), _mm256_load_si256(y + 1));
	uint64_t equal = (uint32_t)_mm256_movemask_epi8(low) |
	                 (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;

	return ~equal;
}

EVS_INLINE uint64_t flow_simd_masked_differ(const void *line, const void *mask, const void *key,
                                            const bool whole)
{
	const __m256i *l = line, *m = mask, *k = key;
	__m256i low = _mm256_and_si256(_mm256_load_si256(l), _mm256_load_si256(m));
	__m256i high = _mm256_and_si256(_mm256_load_si256(l + 1), _mm256_load_si256(m + 1));
	unsigned equal;

	low = _mm256_cmpeq_epi64(low, _mm256_load_si256(k));
	high = _mm256_cmpeq_epi64(high, _mm256_load_si256(k + 1));
	equal = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(low)) |
	        (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
	return ~equal & (whole ? 0xff : 0x7f);
}

#else

EVS_INLINE uint64_t flow_simd_masked_differ(const void *line, const void *mask, const void *key,
                                            const bool whole)
{
	uint64_t diff = 0;

	for (unsigned i = 0; i < (whole ? 8 : 7); i++)
		diff |= (flow_simd_word(line, i) & flow_simd_word(mask, i)) ^
		        flow_simd_word(key, i);
	return diff;
}

#endif

#if FLOW_ISA > 0

/* Bits of flow_simd_base_differs: all, and those of bytes that are not volatile. */
#define FLOW_SIMD_ALL    FLOW_KEY_BYTES
#define FLOW_SIMD_STEADY (FLOW_KEY_BYTES & ~PKT_KEY_VOLATILE_BYTES)

/* Not 0: the key differs from that of the entry, which may not care for volatile bytes. */
EVS_INLINE uint64_t flow_simd_key_differs(const void *base, const struct flow_entry *entry)
{
	uint64_t ignore = entry->life & FLOW_LIFE_FULL ? 0 : PKT_KEY_VOLATILE_BYTES;

	return flow_simd_bytes_differ(base, entry) & (FLOW_KEY_BYTES & ~ignore);
}

/* In which matched bytes two base lines differ. */
EVS_INLINE uint64_t flow_simd_base_differs(const void *a, const void *b)
{
	return flow_simd_bytes_differ(a, b) & FLOW_KEY_BYTES;
}

EVS_INLINE uint64_t flow_simd_line_differs(const void *a, const void *b)
{
	return flow_simd_bytes_differ(a, b);
}

/* Bit i: pair i of the bucket has the signature. */
EVS_INLINE unsigned flow_simd_sig_match(const struct flow_bucket *bucket, uint32_t sig)
{
	__m256i sigs = _mm256_load_si256((const __m256i *)bucket);
	__m256i equal = _mm256_cmpeq_epi32(sigs, _mm256_set1_epi32((int)sig));

	return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(equal)) & 0x7f;
}

#else

EVS_INLINE uint64_t flow_simd_words_differ(const void *a, const void *b, unsigned n, uint64_t keep)
{
	uint64_t diff = 0;

	for (unsigned i = 0; i < n; i++)
		diff |= (flow_simd_word(a, i) ^ flow_simd_word(b, i)) &
		        (i == PKT_KEY_VOLATILE_WORD ? keep : UINT64_MAX);
	return diff;
}

EVS_INLINE uint64_t flow_simd_key_differs(const void *base, const struct flow_entry *entry)
{
	uint64_t ignore = entry->life & FLOW_LIFE_FULL ? 0 : PKT_KEY_VOLATILE_MASK64;

	return flow_simd_words_differ(base, entry, 7, ~ignore);
}

#define FLOW_SIMD_ALL    UINT64_C(3)
#define FLOW_SIMD_STEADY UINT64_C(1)

EVS_INLINE uint64_t flow_simd_base_differs(const void *a, const void *b)
{
	uint64_t steady = flow_simd_words_differ(a, b, 7, ~PKT_KEY_VOLATILE_MASK64);
	uint64_t changing = (flow_simd_word(a, PKT_KEY_VOLATILE_WORD) ^
	                     flow_simd_word(b, PKT_KEY_VOLATILE_WORD)) &
	                    PKT_KEY_VOLATILE_MASK64;

	return (uint64_t)(steady != 0) | (uint64_t)(changing != 0) << 1;
}

EVS_INLINE uint64_t flow_simd_line_differs(const void *a, const void *b)
{
	return flow_simd_words_differ(a, b, 8, UINT64_MAX);
}

EVS_INLINE unsigned flow_simd_sig_match(const struct flow_bucket *bucket, uint32_t sig)
{
	unsigned match = 0;

	for (unsigned i = 0; i < FLOW_BUCKET_LEN; i++)
		match |= (unsigned)(bucket->sig[i] == sig) << i;
	return match;
}

#endif

#endif
