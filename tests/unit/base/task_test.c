/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks: turns, who waits for them, and that short ones are as a call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/evs_clock.h"
#include "base/evs_task.h"

static unsigned n_short, n_done, order[8], n_order;
static bool may_end;

static void short_work(void *arg)
{
	n_short++;
	evs_task_breathe();
}

static void never(void *arg)
{
	fail();
}

static void note(void *arg)
{
	order[n_order++] = (unsigned)(uintptr_t)arg;
}

static void done(void *arg)
{
	assert_ptr_equal(arg, &may_end);
	assert_false(evs_task_is_elsewhere());
	n_done++;
}

/* Deep in a stack of its own, which must be whole after each turn. */
static unsigned long_work_at(unsigned depth)
{
	volatile unsigned local = depth;

	if (depth)
		return long_work_at(depth - 1) + local;
	while (!may_end) {
		assert_false(evs_task_is_elsewhere());
		assert_false(evs_task_after(never, NULL)); /* it does not wait for itself */
		evs_task_breathe();
	}
	return local;
}

static void long_work(void *arg)
{
	assert_int_equal(long_work_at(100), 5050);
	assert_true(evs_task_run(short_work, NULL, never)); /* within a task: a call */
}

static void start_another(void *arg)
{
	note(arg);
	may_end = false;
	assert_false(evs_task_run(long_work, &may_end, done));
}

/* The end of a task lets others begin, who have not waited: those who have come first. */
static void done_and_on(void *arg)
{
	done(arg);
	note((void *)1);
	assert_true(evs_task_after(start_another, (void *)4));
}

static void go_on(void *arg)
{
	note(arg);
	for (unsigned i = 0; i < 3; i++)
		assert_false(evs_task_after(never, NULL)); /* its turn has come: all of it */
}

static void test_order(void **state)
{
	n_done = n_order = 0;
	may_end = false;
	assert_false(evs_task_run(long_work, &may_end, done_and_on));
	assert_true(evs_task_after(go_on, (void *)2));
	assert_true(evs_task_after(go_on, (void *)3));
	may_end = true;
	assert_true(evs_task_step());
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(order[i], i + 1);
	may_end = true;
	evs_task_finish();
	assert_int_equal(n_done, 2);
	assert_int_equal(n_order, 4);
	assert_false(evs_task_after(never, NULL));
}

static void test_short(void **state)
{
	assert_true(evs_task_run(short_work, NULL, never));
	assert_int_equal(n_short, 1);
	assert_false(evs_task_step());
	assert_false(evs_task_after(never, NULL));
	evs_task_breathe(); /* outside: nothing */
}

static void test_turns(void **state)
{
	n_short = 0;
	assert_false(evs_task_run(long_work, &may_end, done));
	assert_true(evs_task_is_elsewhere());
	for (unsigned i = 0; i < 5; i++)
		assert_true(evs_task_step());
	assert_true(evs_task_after(note, (void *)1));
	assert_true(evs_task_after(start_another, (void *)2));
	assert_true(evs_task_after(note, (void *)3));
	assert_int_equal(n_done + n_order, 0);
	may_end = true;
	assert_true(
	        evs_task_step()); /* the second one began: the third who waits goes on waiting */
	assert_int_equal(n_done, 1);
	assert_int_equal(n_order, 2);
	may_end = true;
	assert_false(evs_task_step());
	assert_int_equal(n_done, 2);
	assert_int_equal(n_order, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(order[i], i + 1);
	assert_int_equal(n_short, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_short),
	        cmocka_unit_test(test_turns),
	        cmocka_unit_test(test_order),
	};

	evs_clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
