/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error carrier, log levels, clock, bitmap, threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "base/evs_base.h"
#include "base/evs_bitmap.h"
#include "base/evs_clock.h"
#include "base/evs_log.h"
#include "base/evs_thread.h"

static void error_prefix_goes_before(void **state)
{
	struct evs_error err = {0};

	assert_int_equal(evs_error_set(&err, -EEXIST, "name '%s' is taken", "p0"), -EEXIST);
	assert_string_equal(err.text, "name 'p0' is taken");
	assert_int_equal(evs_error_prefix(&err, "bridge '%s'", "br0"), -EEXIST);
	assert_string_equal(err.text, "bridge 'br0': name 'p0' is taken");
	assert_int_equal(evs_error_set(NULL, -ENOMEM, "nobody listens"), -ENOMEM);
}

static void error_prefix_keeps_bounds(void **state)
{
	struct evs_error err = {0};
	char big[2 * EVS_ERROR_LEN];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	evs_error_set(&err, -EINVAL, "%s", big);
	assert_int_equal(strlen(err.text), EVS_ERROR_LEN - 1);
	evs_error_prefix(&err, "port 'p0'");
	assert_int_equal(strlen(err.text), EVS_ERROR_LEN - 1);
	assert_memory_equal(err.text, "port 'p0': xxx", 14);
	/* A prefix that leaves no room changes nothing. */
	evs_error_prefix(&err, "%s", big);
	assert_memory_equal(err.text, "port 'p0': xxx", 14);
}

static void log_spec_sets_rooms(void **state)
{
	struct evs_error err;

	assert_int_equal(evs_log_set("info,port:debug,pmd:err", &err), 0);
	assert_int_equal(evs_log_levels[EVS_LOG_ROOM_flow], EVS_LOG_INFO);
	assert_int_equal(evs_log_levels[EVS_LOG_ROOM_port], EVS_LOG_DEBUG);
	assert_int_equal(evs_log_levels[EVS_LOG_ROOM_pmd], EVS_LOG_ERR);
	/* What stands later wins. */
	assert_int_equal(evs_log_set("port:debug,warn", &err), 0);
	assert_int_equal(evs_log_levels[EVS_LOG_ROOM_port], EVS_LOG_WARN);
}

static void log_spec_wholly_or_not(void **state)
{
	static const char *const bad[] = {"info,port:loud",
	                                  "info,kitchen:debug",
	                                  "info,,port:debug",
	                                  "port:",
	                                  ":debug",
	                                  "infoo",
	                                  "inf"};
	struct evs_error err;

	assert_int_equal(evs_log_set("notice", &err), 0);
	for (size_t i = 0; i < EVS_ARRAY_LEN(bad); i++) {
		err.text[0] = '\0';
		assert_int_equal(evs_log_set(bad[i], &err), -EINVAL);
		assert_true(strlen(err.text) > 0);
		for (unsigned room = 0; room < EVS_LOG_N_ROOMS; room++)
			assert_int_equal(evs_log_levels[room], EVS_LOG_NOTICE);
	}
	assert_int_equal(evs_log_set("kitchen:debug", &err), -EINVAL);
	assert_non_null(strstr(err.text, "kitchen"));
}

static void log_limit_is_per_second(void **state)
{
	uint64_t last_ns, begin;
	bool again;

	do { /* once more, if the machine stalled in between */
		begin = evs_clock_ns();
		last_ns = 0;
		assert_true(evs_log_allow(&last_ns));
		again = evs_log_allow(&last_ns);
	} while (evs_clock_ns() - begin > 900000000);
	assert_false(again);
	last_ns -= 1000000000u;
	assert_true(evs_log_allow(&last_ns));
}

static void clock_converts_both_ways(void **state)
{
	uint64_t ns = 123456789012ull, back;

	evs_clock_init();
	assert_in_range(evs_clock_tsc_hz, 100000000u, 10000000000u);
	back = evs_clock_tsc_to_ns(evs_clock_ns_to_tsc(ns));
	assert_in_range(back, ns - 10, ns);
}

static void bitmap_walks_set_bits(void **state)
{
	EVS_BITMAP(map, 200);
	static const size_t bits[] = {0, 63, 64, 130, 199};
	size_t i = 0;

	evs_bitmap_clear_all(map, 200);
	assert_int_equal(evs_bitmap_next(map, 200, 0), EVS_BITMAP_NONE);
	for (i = 0; i < EVS_ARRAY_LEN(bits); i++)
		evs_bitmap_set(map, bits[i]);
	assert_int_equal(evs_bitmap_count(map, 200), 5);
	i = 0;
	EVS_BITMAP_FOREACH (bit, map, 200)
		assert_int_equal(bit, bits[i++]);
	assert_int_equal(i, 5);
	assert_int_equal(evs_bitmap_next(map, 199, 131), EVS_BITMAP_NONE);
	assert_int_equal(evs_bitmap_next(map, 200, 200), EVS_BITMAP_NONE);
	evs_bitmap_clear(map, 64);
	assert_false(evs_bitmap_test(map, 64));
	assert_true(evs_bitmap_test(map, 63));
}

static void *get_mask(void *mask)
{
	pthread_sigmask(SIG_SETMASK, NULL, mask);
	return NULL;
}

static void thread_takes_no_signals(void **state)
{
	sigset_t mask, ours;
	pthread_t thread;

	assert_int_equal(evs_thread_start(&thread, NULL, get_mask, &mask), 0);
	pthread_join(thread, NULL);
	assert_true(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGCHLD));
	assert_false(sigismember(&mask, SIGBUS));
	get_mask(&ours);
	assert_false(sigismember(&ours, SIGTERM));
}

static void thread_says_why_not(void **state)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	assert_int_equal(pthread_attr_setstacksize(&attr, (size_t)1 << 60), 0);
	assert_int_equal(evs_thread_start(&thread, &attr, get_mask, NULL), -EAGAIN);
	pthread_attr_destroy(&attr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(error_prefix_goes_before),
	        cmocka_unit_test(error_prefix_keeps_bounds),
	        cmocka_unit_test(log_spec_sets_rooms),
	        cmocka_unit_test(log_spec_wholly_or_not),
	        cmocka_unit_test(log_limit_is_per_second),
	        cmocka_unit_test(clock_converts_both_ways),
	        cmocka_unit_test(bitmap_walks_set_bits),
	        cmocka_unit_test(thread_takes_no_signals),
	        cmocka_unit_test(thread_says_why_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
