/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bitmaps over arrays of 64-bit words. Threads: as the caller's array. Owner: the caller.
 * Sizes are in bits; bits beyond the size stay 0 where these functions write.
 */
#ifndef EVS_BITMAP_H
#define EVS_BITMAP_H

#include <string.h>

#include "base/evs_base.h"

#define EVS_BITMAP_LEN(n_bits) (((n_bits) + 63) / 64)
#define EVS_BITMAP_NONE        SIZE_MAX

/* uint64_t name[]; e.g. struct { EVS_BITMAP(vlans, 4096); }; */
#define EVS_BITMAP(name, n_bits) uint64_t name[EVS_BITMAP_LEN(n_bits)]

EVS_INLINE void evs_bitmap_clear_all(uint64_t *map, size_t n_bits)
{
	memset(map, 0, EVS_BITMAP_LEN(n_bits) * sizeof(*map));
}

EVS_INLINE void evs_bitmap_set(uint64_t *map, size_t bit)
{
	map[bit / 64] |= UINT64_C(1) << (bit % 64);
}

EVS_INLINE void evs_bitmap_clear(uint64_t *map, size_t bit)
{
	map[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

EVS_INLINE bool evs_bitmap_test(const uint64_t *map, size_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

/* The first bit that is set at `from` or after, or EVS_BITMAP_NONE. */
EVS_INLINE size_t evs_bitmap_next(const uint64_t *map, size_t n_bits, size_t from)
{
	for (size_t i = from / 64; i < EVS_BITMAP_LEN(n_bits) && from < n_bits; i++) {
		uint64_t word = map[i];

		if (i == from / 64)
			word &= ~UINT64_C(0) << (from % 64);
		if (word) {
			size_t bit = i * 64 + (size_t)__builtin_ctzll(word);

			return bit < n_bits ? bit : EVS_BITMAP_NONE;
		}
	}
	return EVS_BITMAP_NONE;
}

EVS_INLINE size_t evs_bitmap_count(const uint64_t *map, size_t n_bits)
{
	size_t count = 0;

	for (size_t i = 0; i < EVS_BITMAP_LEN(n_bits); i++)
		count += (size_t)__builtin_popcountll(map[i]);
	return count;
}

#define EVS_BITMAP_FOREACH(bit, map, n_bits)                                                       \
	for (size_t bit = evs_bitmap_next(map, n_bits, 0); bit != EVS_BITMAP_NONE;                 \
	     bit = evs_bitmap_next(map, n_bits, bit + 1))

#endif
