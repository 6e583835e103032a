/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grace periods with threads as workers: nothing is freed under a reader, callbacks keep their
 * order, a worker that is offline holds nobody up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/evs_rcu.h"

#define N_WORKERS 3
#define ALIVE     0x11223344u

struct object {
	uint32_t magic;
	uint32_t serial;
};

static struct object *current; /* [ctl w, worker r] */
static bool stop;
static uint32_t n_online, n_bad, n_reads;

static void *reader(void *arg)
{
	unsigned worker = (unsigned)(uintptr_t)arg;

	evs_rcu_worker_online(worker);
	__atomic_fetch_add(&n_online, 1, __ATOMIC_SEQ_CST);
	while (!evs_load_relaxed(&stop)) {
		struct object *obj = evs_load_acquire(&current);

		for (int i = 0; i < 50; i++)
			if (evs_load_relaxed(&obj->magic) != ALIVE)
				__atomic_fetch_add(&n_bad, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&n_reads, 1, __ATOMIC_RELAXED);
		evs_rcu_quiescent(worker);
	}
	evs_rcu_worker_offline(worker);
	return NULL;
}

static struct object *object_new(uint32_t serial)
{
	struct object *obj = malloc(sizeof(*obj));

	assert_non_null(obj);
	obj->magic = ALIVE;
	obj->serial = serial;
	return obj;
}

static uint32_t next_freed;

static void object_free(void *arg)
{
	struct object *obj = arg;

	assert_int_equal(obj->serial, next_freed++);
	evs_store_relaxed(&obj->magic, 0); /* a reader that is left would see it */
	free(obj);
}

static void start_readers(pthread_t threads[N_WORKERS])
{
	stop = false;
	n_online = 0;
	for (uintptr_t w = 0; w < N_WORKERS; w++)
		assert_int_equal(pthread_create(&threads[w], NULL, reader, (void *)w), 0);
	while (__atomic_load_n(&n_online, __ATOMIC_SEQ_CST) < N_WORKERS)
		sched_yield();
}

static void stop_readers(pthread_t threads[N_WORKERS])
{
	evs_store_relaxed(&stop, true);
	for (unsigned w = 0; w < N_WORKERS; w++)
		pthread_join(threads[w], NULL);
}

static void nothing_is_freed_under_a_reader(void **state)
{
	pthread_t threads[N_WORKERS];
	uint32_t serial = 0;

	next_freed = 0;
	current = object_new(serial++);
	start_readers(threads);
	for (int i = 0; i < 3000; i++) {
		struct object *old = current;

		evs_store_release(&current, object_new(serial++));
		evs_rcu_call(object_free, old);
		evs_rcu_poll();
	}
	evs_rcu_synchronize();
	assert_int_equal(next_freed, serial - 1);
	assert_int_equal(evs_rcu_poll(), 0);
	stop_readers(threads);
	assert_int_equal(n_bad, 0);
	assert_true(n_reads > 0);
	free(current);
}

static unsigned n_called;

static void count_call(void *arg)
{
	n_called++;
}

static void waits_for_a_worker_that_reads(void **state)
{
	n_called = 0;
	evs_rcu_worker_online(5);
	evs_rcu_call(count_call, NULL);
	for (int i = 0; i < 100; i++)
		assert_int_equal(evs_rcu_poll(), 1);
	assert_int_equal(n_called, 0);
	evs_rcu_quiescent(5);
	assert_int_equal(evs_rcu_poll(), 0);
	assert_int_equal(n_called, 1);
	/* Offline: nobody to wait for. */
	evs_rcu_worker_offline(5);
	evs_rcu_call(count_call, NULL);
	assert_int_equal(evs_rcu_poll(), 0);
	assert_int_equal(n_called, 2);
}

static void call_again(void *arg)
{
	unsigned *left = arg;

	n_called++;
	if (--*left > 0)
		evs_rcu_call(call_again, left);
}

static void callbacks_may_call(void **state)
{
	unsigned left = 4;

	n_called = 0;
	evs_rcu_call(call_again, &left);
	evs_rcu_free(malloc(16));
	evs_rcu_free(NULL);
	evs_rcu_synchronize();
	assert_int_equal(n_called, 4);
	assert_int_equal(evs_rcu_poll(), 0);
}

static int setup(void **state)
{
	return evs_rcu_init(NULL);
}

static int teardown(void **state)
{
	evs_rcu_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nothing_is_freed_under_a_reader),
	        cmocka_unit_test(waits_for_a_worker_that_reads),
	        cmocka_unit_test(callbacks_may_call),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
