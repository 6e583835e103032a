/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is announced, and when: the worker sends what it receives back to the guest, RARP requests
 * too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vhu_ready.h"

#define RARP 0x3580 /* as it lies in memory */

static const uint8_t ours[] = {2, 0, 0, 0, 0, 0xaa}, theirs[] = {2, 0, 0, 0, 0, 0xbb};

/* The address that the next frame announces; all 0 if it is another frame. */
static const uint8_t *next(struct master *m)
{
	static const uint8_t none[6];
	const uint8_t *frame;
	uint32_t id = 0, len = 0;
	uint16_t type;

	await(master_take_back(m, 0, &id, &len));
	frame = master_buf(m, 0, id) + 12;
	memcpy(&type, frame + 12, sizeof(type));
	return type == RARP ? frame + 6 : none;
}

/* Announced so far are these addresses, n of them in any order, and nothing else. What is to be
 * announced comes at the latest with the first frame. */
static void expect(struct master *m, unsigned n, const uint8_t *const *addresses)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n + 2; i++) {
		const uint8_t frame[64] = {[12] = 0x88, [13] = 0xb5}, *got;

		if (i >= n) /* without them there is nothing to wait for */
			master_transmit(m, 1, NULL, frame, sizeof(frame));
		got = next(m);
		for (unsigned a = 0; a < n; a++)
			found |= (unsigned)!memcmp(got, addresses[a], 6) << a;
		if (i >= n)
			assert_int_equal(got[0], 0);
	}
	assert_int_equal(found, (1u << n) - 1);
}

static void tell(struct master *m, const uint8_t *mac)
{
	struct master_msg msg = {.request = MASTER_SEND_RARP, .flags = 1, .size = 8};

	memcpy(msg.bytes, mac, 6);
	assert_true(master_send(m, &msg, -1));
}

/* The worker looks when there are buffers to send to, not before. */
static void hold_worker(void)
{
	evs_store_release(&echo_ports[0], NULL);
	evs_rcu_synchronize(); /* it may just be at it */
}

static void come(struct master *m, struct port *port)
{
	hold_worker();
	connect_ready(m, port, 0, 2);
	evs_store_release(&echo_ports[0], port);
}

static void go(struct master *m, struct port *port)
{
	master_close(m);
	await(!port->link_up);
}

static void set_mac(struct port *port, const char *text)
{
	const struct port_args args = {1, {{"mac", text}}};
	struct evs_error err = {0};

	if (port_set(port, &args, &err))
		fail_msg("%s", err.text);
}

/* What QEMU tells is announced once: the next guest is another one. */
static void test_told(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;

	come(&m, port);
	tell(&m, theirs);
	expect(&m, 1, (const uint8_t *[]){theirs});
	tell(&m, theirs);
	expect(&m, 1, (const uint8_t *[]){theirs});
	go(&m, port);
	come(&m, port);
	expect(&m, 0, NULL);
	go(&m, port);
	test_close(0);
}

/* Of a guest that does not run yet, or is gone before its turn, nobody need know. */
static void test_told_too_early(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;

	hold_worker();
	test_connect(&m, 0);
	tell(&m, theirs);
	assert_true(master_start(&m, VERSION_1, 2));
	await(port->link_up);
	master_refill(&m, 0);
	evs_store_release(&echo_ports[0], port);
	expect(&m, 0, NULL);
	go(&m, port);
	test_close(0);
}

/* The operator's word is announced each time, whatever QEMU tells, until it is taken back. */
static void test_known(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;

	set_mac(port, "02:00:00:00:00:aa");
	for (unsigned i = 0; i < 2; i++) {
		come(&m, port);
		expect(&m, 1, (const uint8_t *[]){ours});
		tell(&m, theirs);
		expect(&m, 1, (const uint8_t *[]){theirs});
		go(&m, port);
	}
	set_mac(port, "02:00:00:00:00:bb");
	set_mac(port, "02:00:00:00:00:aa");
	come(&m, port);
	expect(&m, 1, (const uint8_t *[]){ours});
	go(&m, port);
	set_mac(port, "none");
	come(&m, port);
	expect(&m, 0, NULL);
	go(&m, port);
	test_close(0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_told),
	        cmocka_unit_test(test_told_too_early),
	        cmocka_unit_test(test_known),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	test_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_end();
	return ret;
}
