/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a chain in a packed ring may be, towards the guest and from it: whoever posts a longer
 * one has a ring that rests, and is not looked at for each burst.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "vhost/vhu_packed_pvt.h"

#define RING_LEN 4096
#define GPA      0x10000u

static struct vring_packed_desc descs[RING_LEN];
static struct vring_packed_desc_event events[2];
static uint8_t bytes[4096];
static struct vhu_mem mem = {1, {{GPA, sizeof(bytes), bytes}}};

/* The first slots are a chain of n; those behind it are not offered. */
static struct vhu_ring make_ring(uint16_t index, uint32_t n)
{
	struct vhu_ring ring = {
	        .is_active = true,
	        .hdr_size = sizeof(struct virtio_net_hdr_mrg_rxbuf),
	        .size = RING_LEN,
	        .index = index,
	        .last_avail = VHU_WRAP,
	        .last_used = VHU_WRAP,
	        .layout = &vhu_packed,
	        .call_fd = -1,
	        .packed = descs,
	        .driver_event = &events[0],
	        .device_event = &events[1],
	        .mem = &mem,
	};

	memset(descs, 0, sizeof(descs));
	for (uint32_t i = 0; i < n; i++)
		descs[i] = (struct vring_packed_desc){
		        GPA, 8, (uint16_t)n,
		        (uint16_t)(VHU_AVAIL | (index & 1 ? 0 : VRING_DESC_F_WRITE) |
		                   (i + 1 < n ? VRING_DESC_F_NEXT : 0))};
	return ring;
}

static uint16_t give_one(struct vhu_ring *ring)
{
	static uint8_t frame[60];
	struct rte_mbuf m = {.buf_addr = frame, .nb_segs = 1, .pkt_len = 60, .data_len = 60};
	struct rte_mbuf *mbufs[] = {&m};

	return vhu_ring_give(ring, mbufs, 1);
}

static void test_longest(void **state)
{
	struct vhu_ring ring = make_ring(0, VHU_MARKS_MAX);

	assert_int_equal(give_one(&ring), 1);
	assert_true(ring.is_active);
	assert_int_equal(ring.last_used, VHU_WRAP | VHU_MARKS_MAX);
}

static void test_too_long(void **state)
{
	static const uint32_t lengths[] = {VHU_MARKS_MAX + 1, RING_LEN - 1, RING_LEN};
	struct vhu_buf buf;

	for (unsigned i = 0; i < EVS_ARRAY_LEN(lengths); i++) {
		struct vhu_ring ring = make_ring(0, lengths[i]);

		descs[0].flags &= (uint16_t)~VRING_DESC_F_WRITE; /* nor could it be used */
		assert_int_equal(give_one(&ring), 0);
		assert_true(ring.has_no_end);
		assert_false(ring.is_active);
		ring = make_ring(1, lengths[i]);
		assert_int_equal(vhu_packed_find(&ring, 0, &buf, 1), 0);
		assert_true(ring.has_no_end);
		assert_false(ring.is_active);
	}
}

/* It goes on in what the guest has not got back yet. */
static void test_round(void **state)
{
	struct vhu_ring ring = make_ring(1, 4);
	struct vhu_buf buf;

	ring.last_avail = VHU_WRAP | 2;
	ring.n_open = 2;
	ring.size = 4;
	descs[3].flags |= VRING_DESC_F_NEXT;
	descs[0].flags &= (uint16_t)~VRING_DESC_F_NEXT;
	assert_int_equal(vhu_packed_find(&ring, 0, &buf, 1), 0);
	assert_true(ring.has_no_end);
	assert_false(ring.is_active);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_longest),
	        cmocka_unit_test(test_too_long),
	        cmocka_unit_test(test_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
