/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of ports and of guests, while the other side goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vhost/vhu_pvt.h"
#include "vhu_ready.h"

static struct port *port;
static struct master good;

static int setup(void **state)
{
	const struct port *good_port = test_open(1, NULL);

	port = test_open(0, NULL);
	test_connect(&good, 1);
	if (!master_start(&good, VERSION_1, 2))
		return -1;
	await(good_port->link_up);
	master_refill(&good, 0);
	return 0;
}

static int teardown(void **state)
{
	master_close(&good);
	test_close(0);
	test_close(1);
	return 0;
}

/* The port goes while guests are connected: one that is served, one whose rings have not begun, and
 * memory that is cut. */
static void test_port_closed(void **state)
{
	vhu_guard_init();
	for (unsigned i = 0; i < 10; i++) {
		struct master served, early;

		connect_ready(&served, port, 0, 2);
		test_connect(&early, 0);
		assert_true(master_set_memory(&early, MASTER_MEMORY));
		if (i & 1)
			all_handled(&early);
		if (i & 2)
			assert_int_equal(ftruncate(early.mem_fd, 0), 0);
		if (i & 4)
			assert_int_equal(ftruncate(served.mem_fd, 0), 0);
		test_close(0);
		check_echo(&good);
		master_close(&early);
		master_close(&served);
		port = test_open(0, NULL);
	}
}

/* What a guest said before it was cut off, as its memory table anew, counts no more. */
static void test_cut_is_not_heard(void **state)
{
	const struct master_msg msg = {.request = MASTER_GET_FEATURES, .flags = 1};
	struct vhu *vhu = port->priv;
	struct master_msg answer;
	struct master m;

	connect_empty(&m, port, 0, 2);
	evs_store_relaxed(&vhu->served->is_cut, true);
	assert_true(master_send(&m, &msg, -1));
	assert_false(master_receive(&m, &answer));
	master_close(&m);
	await(!port->link_up);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_port_closed),
	        cmocka_unit_test(test_cut_is_not_heard),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	test_start();
	ret = cmocka_run_group_tests(tests, setup, teardown);
	test_end();
	return ret;
}
