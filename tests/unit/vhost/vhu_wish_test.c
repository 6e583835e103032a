/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a guest called when it wants to be, and only then? It says so by a flag, or by the slot at
 * which it wants to hear of what came back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/eventfd.h>

#include "vhost/vhu_packed_pvt.h"
#include "vhost/vhu_pvt.h"
#include "vhu_ready.h"

#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)

/* How often the guest was called for a ring, when its worker is done with what it does there. */
static uint64_t n_calls(struct port *port, unsigned i)
{
	struct vhu_ring *ring = &((struct vhu *)port->priv)->served->ring[i];
	uint64_t n;

	rte_spinlock_lock(&ring->lock);
	n = ring->n_calls;
	rte_spinlock_unlock(&ring->lock);
	return n;
}

/* Calls for each of the two rings while n frames go there and back, one after another. */
static void check_calls(struct master *m, struct port *port, unsigned n, unsigned calls)
{
	const uint64_t before[] = {n_calls(port, 0), n_calls(port, 1)};

	for (unsigned i = 0; i < n; i++)
		check_echo(m);
	assert_int_equal(n_calls(port, 0) - before[0], calls);
	assert_int_equal(n_calls(port, 1) - before[1], calls);
}

static void test_by_flag(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;

	connect_ready(&m, port, 0, 2);
	for (unsigned i = 0; i < 6; i++) {
		const bool quiet = i % 2;

		master_be_quiet(&m, 0, quiet);
		master_be_quiet(&m, 1, quiet);
		check_calls(&m, port, 10, quiet ? 0 : 10);
	}
	master_close(&m);
	test_close(0);
}

/* Not before n slots more have come back. */
static void wish(struct master *m, unsigned n)
{
	for (unsigned ring = 0; ring < 2; ring++) {
		uint16_t at = ring ? m->next[1] : m->used[0],
		         place = ring ? m->place[1] : m->back[0];

		if (m->packed) {
			master_event(m, ring)->off_wrap =
			        vhu_packed_step(MASTER_RING_LEN, place, n);
			master_event(m, ring)->flags = VHU_EVENT_AT;
		} else {
			master_avail(m, ring)->ring[MASTER_RING_LEN] = (uint16_t)(at + n);
		}
	}
}

/* Once, and not again before it has another wish; often enough for the ring to end in between. */
static void test_by_index(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;

	connect_ready(&m, port, EVENT_IDX, 2);
	assert_true(m.features & EVENT_IDX);
	wish(&m, 5);
	check_calls(&m, port, 1, 1); /* nobody knows what it was told before */
	for (unsigned i = 0; i < 80; i++) {
		wish(&m, 5);
		check_calls(&m, port, 5, 0);
		check_calls(&m, port, 1, 1);
		check_calls(&m, port, 4, 0);
	}
	master_close(&m);
	test_close(0);
}

static bool is_called(struct vhu_ring *ring, uint16_t n)
{
	const uint64_t before = ring->n_calls;

	ring->has_called = true;
	ring->layout->publish(ring, n);
	return ring->n_calls > before;
}

/* Of n slots that come back, one is the wanted one; also where the index begins anew. */
static void test_any_split_index(void **state)
{
	static union {
		struct vring_used used;
		struct vring_avail avail;
		uint64_t space[64];
	} avail, used;
	struct vhu_ring ring = {.index = 1, .size = 16, .event_idx = true, .layout = &vhu_split};

	ring.call_fd = eventfd(0, EFD_NONBLOCK);
	ring.avail = &avail.avail;
	ring.used = &used.used;
	for (unsigned start = 65500; start < 65600; start++)
		for (uint16_t n = 1; n <= 16; n++)
			for (int at = -20; at < 20; at++) {
				ring.last_used = ring.last_call = (uint16_t)start;
				avail.avail.ring[16] = (uint16_t)((int)start + at);
				assert_int_equal(is_called(&ring, n), at >= 0 && at < n);
			}
	close(ring.call_fd);
}

#define SMALL 7 /* slots; packed rings may have any number */

static void test_any_packed_place(void **state)
{
	struct vring_packed_desc desc[SMALL] = {0};
	struct vring_packed_desc_event event = {.flags = VHU_EVENT_AT};
	struct vhu_ring ring = {
	        .index = 1, .size = SMALL, .event_idx = true, .layout = &vhu_packed};

	ring.call_fd = eventfd(0, EFD_NONBLOCK);
	ring.packed = desc;
	ring.driver_event = &event;
	for (unsigned start = 0; start < 2 * SMALL; start++)
		for (uint16_t n = 1; n <= SMALL; n++)
			for (unsigned at = 0; at < 2 * SMALL; at++) {
				ring.last_used = vhu_packed_step(
				        SMALL, start < SMALL ? 0 : VHU_WRAP, start % SMALL);
				event.off_wrap = vhu_packed_step(SMALL, ring.last_used, at % SMALL);
				event.off_wrap ^= at < SMALL ? 0 : VHU_WRAP;
				assert_int_equal(is_called(&ring, n), at < n);
			}
	close(ring.call_fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_by_flag),
	        cmocka_unit_test(test_by_index),
	        cmocka_unit_test(test_any_split_index),
	        cmocka_unit_test(test_any_packed_place),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	test_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_end();
	return ret;
}
