/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id pool, also against an array of booleans.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/evs_id_pool.h"

static void lowest_first(void **state)
{
	struct evs_id_pool *pool;
	uint32_t id;

	assert_int_equal(evs_id_pool_create(1, 3, &pool), 0);
	for (uint32_t want = 1; want <= 3; want++) {
		assert_int_equal(evs_id_pool_get(pool, &id), 0);
		assert_int_equal(id, want);
	}
	assert_int_equal(evs_id_pool_get(pool, &id), -ENOSPC);
	evs_id_pool_put(pool, 2);
	assert_int_equal(evs_id_pool_n_taken(pool), 2);
	assert_int_equal(evs_id_pool_get(pool, &id), 0);
	assert_int_equal(id, 2);
	evs_id_pool_destroy(pool);
}

static void given_ids_and_limits(void **state)
{
	struct evs_id_pool *pool;
	uint32_t id;

	assert_int_equal(evs_id_pool_create(5, 0, &pool), -EINVAL);
	assert_int_equal(evs_id_pool_create(UINT32_MAX, 2, &pool), -EINVAL);
	assert_int_equal(evs_id_pool_create(UINT32_MAX, 1, &pool), 0);
	assert_int_equal(evs_id_pool_get(pool, &id), 0);
	assert_int_equal(id, UINT32_MAX);
	evs_id_pool_destroy(pool);
	evs_id_pool_destroy(NULL);

	assert_int_equal(evs_id_pool_create(10, 100, &pool), 0);
	assert_int_equal(evs_id_pool_take(pool, 9), -ERANGE);
	assert_int_equal(evs_id_pool_take(pool, 110), -ERANGE);
	assert_int_equal(evs_id_pool_take(pool, 10), 0);
	assert_int_equal(evs_id_pool_take(pool, 10), -EEXIST);
	assert_int_equal(evs_id_pool_get(pool, &id), 0);
	assert_int_equal(id, 11);
	assert_false(evs_id_pool_taken(pool, 9));
	assert_false(evs_id_pool_taken(pool, 110));
	evs_id_pool_destroy(pool);
}

#define N 5000

static void like_an_array(void **state)
{
	static bool taken[N];
	struct evs_id_pool *pool;
	uint32_t n_taken = 0;

	srand(7);
	assert_int_equal(evs_id_pool_create(0, N, &pool), 0);
	for (unsigned step = 0; step < 60000; step++) {
		uint32_t id = (uint32_t)rand() % N, lowest = 0;

		if (step % 20000 < 12000 ? rand() % 4 : rand() % 4 == 0) {
			while (lowest < N && taken[lowest])
				lowest++;
			assert_int_equal(evs_id_pool_get(pool, &id), lowest < N ? 0 : -ENOSPC);
			if (lowest == N)
				continue;
			assert_int_equal(id, lowest);
			taken[id] = true;
			n_taken++;
		} else if (taken[id]) {
			evs_id_pool_put(pool, id);
			taken[id] = false;
			n_taken--;
		} else {
			assert_int_equal(evs_id_pool_take(pool, id), 0);
			taken[id] = true;
			n_taken++;
		}
		assert_int_equal(evs_id_pool_n_taken(pool), n_taken);
	}
	evs_id_pool_destroy(pool);
}

static void every_size_ends_right(void **state)
{
	static const uint32_t sizes[] = {1, 63, 64, 65, 4095, 4096, 4097, 300000};

	for (size_t i = 0; i < EVS_ARRAY_LEN(sizes); i++) {
		struct evs_id_pool *pool;
		uint32_t id = 0;

		assert_int_equal(evs_id_pool_create(0, sizes[i], &pool), 0);
		for (uint32_t n = 0; n < sizes[i]; n++)
			assert_int_equal(evs_id_pool_get(pool, &id), 0);
		assert_int_equal(id, sizes[i] - 1);
		assert_int_equal(evs_id_pool_get(pool, &id), -ENOSPC);
		evs_id_pool_put(pool, sizes[i] - 1);
		assert_int_equal(evs_id_pool_get(pool, &id), 0);
		assert_int_equal(id, sizes[i] - 1);
		evs_id_pool_destroy(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(lowest_first),
	        cmocka_unit_test(given_ids_and_limits),
	        cmocka_unit_test(like_an_array),
	        cmocka_unit_test(every_size_ends_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
