/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the device's place in a packed ring: a driver and a device of our own run, and at any
 * moment the ring alone must tell where the device is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "vhost/vhu_pvt.h"

#define LEN_MAX 256

struct ring {
	struct vring_packed_desc desc[LEN_MAX];
	uint16_t size;
	uint16_t driver, device; /* places; the highest bit is the wrap counter */
	unsigned n_avail;
};

static uint16_t step(const struct ring *r, uint16_t place)
{
	return (place & 0x7fff) + 1 < r->size ? place + 1 : (place & 0x8000) ^ 0x8000;
}

static void start(struct ring *r, uint16_t size)
{
	memset(r, 0, sizeof(*r));
	r->size = size;
	r->driver = r->device = 0x8000;
}

static void offer(struct ring *r)
{
	r->desc[r->driver & 0x7fff].flags = r->driver & 0x8000 ? 1u << 7 : 1u << 15;
	r->driver = step(r, r->driver);
	r->n_avail++;
}

static void mark_used(struct ring *r, uint16_t place)
{
	r->desc[place & 0x7fff].flags = place & 0x8000 ? 1u << 7 | 1u << 15 : 0;
	r->desc[place & 0x7fff].len = 60;
}

static void use(struct ring *r)
{
	mark_used(r, r->device);
	r->device = step(r, r->device);
	r->n_avail--;
}

static void test_at_any_moment(void **state)
{
	static const uint16_t sizes[] = {1, 2, 3, 64, LEN_MAX};
	unsigned seed = 7;

	for (unsigned s = 0; s < EVS_ARRAY_LEN(sizes); s++) {
		struct ring r;

		start(&r, sizes[s]);
		for (unsigned i = 0; i < 20000; i++) {
			/* now the driver is ahead, now the device keeps up */
			bool driver = (unsigned)rand_r(&seed) % 10 < (i / 1000 % 2 ? 8u : 3u);

			if (driver && r.n_avail < r.size)
				offer(&r);
			else if (!driver && r.n_avail)
				use(&r);
			assert_int_equal(vhu_resume_place(r.desc, r.size), r.device);
		}
	}
}

/* Killed while it gave back a burst: the first descriptor is still the guest's to wait for. */
static void test_interrupted_burst(void **state)
{
	for (unsigned before = 0; before < 3 * LEN_MAX; before++) {
		struct ring r;
		uint16_t place;

		start(&r, LEN_MAX);
		for (unsigned i = 0; i < before; i++) {
			offer(&r);
			use(&r);
		}
		for (unsigned i = 0; i < 40; i++)
			offer(&r);
		place = step(&r, r.device);
		for (unsigned i = 1; i < 32; i++, place = step(&r, place))
			mark_used(&r, place);
		assert_int_equal(vhu_resume_place(r.desc, r.size), place);
		for (unsigned i = 0; i < 32; i++, r.device = step(&r, r.device)) {
			const struct vring_packed_desc *desc = &r.desc[r.device & 0x7fff];

			assert_int_equal(desc->flags, r.device & 0x8000 ? 0x8080 : 0);
			assert_int_equal(desc->len, 0);
		}
		assert_int_equal(vhu_resume_place(r.desc, r.size), place);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_at_any_moment),
	        cmocka_unit_test(test_interrupted_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
