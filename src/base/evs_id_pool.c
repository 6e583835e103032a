/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id pool: see evs_id_pool.h. Threads: one at a time. Owner: one allocation, levels inside.
 *
 * Level 0 has a bit an id, 1 while it is free. A bit of level n + 1 is 1 while the word of level n
 * that it stands for is not 0. The last level is one word.
 */
#include "base/evs_id_pool.h"

#include <stdlib.h>

#include "base/evs_bitmap.h"

#define MAX_LEVELS 6 /* 64^6 > 2^32 */

struct evs_id_pool {
	uint32_t first;
	uint32_t n;
	uint32_t n_taken;
	uint32_t n_levels;
	uint64_t *level[MAX_LEVELS];
	uint64_t words[];
};

static void fill(uint64_t *map, uint64_t n_bits)
{
	memset(map, 0xff, n_bits / 64 * sizeof(*map));
	if (n_bits % 64)
		map[n_bits / 64] = (UINT64_C(1) << (n_bits % 64)) - 1;
}

int evs_id_pool_create(uint32_t first, uint32_t n, struct evs_id_pool **poolp)
{
	struct evs_id_pool *pool;
	uint64_t n_bits = n, n_words = 0, *word;

	if (n == 0 || (uint64_t)first + n > (UINT64_C(1) << 32))
		return -EINVAL;
	for (uint64_t bits = n; bits > 1 || n_words == 0; bits = EVS_BITMAP_LEN(bits))
		n_words += EVS_BITMAP_LEN(bits);
	pool = calloc(1, sizeof(*pool) + n_words * sizeof(uint64_t));
	if (!pool)
		return -ENOMEM;
	pool->first = first;
	pool->n = n;
	word = pool->words;
	do {
		pool->level[pool->n_levels++] = word;
		fill(word, n_bits);
		n_bits = EVS_BITMAP_LEN(n_bits);
		word += n_bits;
	} while (n_bits > 1);
	*poolp = pool;
	return 0;
}

void evs_id_pool_destroy(struct evs_id_pool *pool)
{
	free(pool);
}

static void mark_taken(struct evs_id_pool *pool, uint64_t bit)
{
	for (uint32_t i = 0; i < pool->n_levels; i++) {
		evs_bitmap_clear(pool->level[i], bit);
		bit /= 64;
		if (pool->level[i][bit])
			break;
	}
	pool->n_taken++;
}

int evs_id_pool_get(struct evs_id_pool *pool, uint32_t *idp)
{
	uint64_t bit = 0;

	if (pool->n_taken == pool->n)
		return -ENOSPC;
	for (uint32_t i = pool->n_levels; i-- > 0;)
		bit = bit * 64 + (uint64_t)__builtin_ctzll(pool->level[i][bit]);
	mark_taken(pool, bit);
	*idp = pool->first + (uint32_t)bit;
	return 0;
}

int evs_id_pool_take(struct evs_id_pool *pool, uint32_t id)
{
	if (id < pool->first || id - pool->first >= pool->n)
		return -ERANGE;
	if (evs_id_pool_taken(pool, id))
		return -EEXIST;
	mark_taken(pool, id - pool->first);
	return 0;
}

void evs_id_pool_put(struct evs_id_pool *pool, uint32_t id)
{
	uint64_t bit = id - pool->first;

	assert(evs_id_pool_taken(pool, id));
	for (uint32_t i = 0; i < pool->n_levels; i++) {
		evs_bitmap_set(pool->level[i], bit);
		bit /= 64;
	}
	pool->n_taken--;
}

bool evs_id_pool_taken(const struct evs_id_pool *pool, uint32_t id)
{
	if (id < pool->first || id - pool->first >= pool->n)
		return false;
	return !evs_bitmap_test(pool->level[0], id - pool->first);
}

uint32_t evs_id_pool_n_taken(const struct evs_id_pool *pool)
{
	return pool->n_taken;
}
