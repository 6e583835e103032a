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
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vhost/vhu_packed_pvt.h"
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

static void check(struct ring *r)
{
	const struct ring before = *r;

	assert_int_equal(vhu_resume_place(r->desc, r->size), r->device);
	assert_memory_equal(r, &before, sizeof(before)); /* nothing was left out */
}

/* A chain of n: the first one is marked last. */
static void offer(struct ring *r, unsigned n)
{
	uint16_t first = r->driver, place = first;

	for (unsigned i = 1; i < n; i++) {
		place = step(r, place);
		r->desc[place & 0x7fff].flags = place & 0x8000 ? 1u << 7 : 1u << 15;
		check(r);
	}
	r->desc[first & 0x7fff].flags = first & 0x8000 ? 1u << 7 : 1u << 15;
	r->driver = step(r, place);
	r->n_avail += n;
	check(r);
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
	check(r);
}

/* No chain takes all of the ring: nobody could tell whether it is there. */
static void test_at_any_moment(void **state)
{
	static const uint16_t sizes[] = {1, 2, 3, 4, 64, 100, LEN_MAX};
	unsigned seed = 7;

	for (unsigned s = 0; s < EVS_ARRAY_LEN(sizes); s++) {
		struct ring r;

		start(&r, sizes[s]);
		for (unsigned i = 0; i < 20000; i++) {
			/* now the driver is ahead, now the device keeps up */
			bool driver = (unsigned)rand_r(&seed) % 10 < (i / 1000 % 2 ? 8u : 3u);
			unsigned n = i % 3 ? 1 : 1 + (unsigned)rand_r(&seed) % 20;

			n = EVS_MIN(n, r.size > 1 ? r.size - 1u : 1u);
			if (driver && r.n_avail + n <= r.size)
				offer(&r, n);
			else if (!driver && r.n_avail)
				use(&r);
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
			offer(&r, 1);
			use(&r);
		}
		for (unsigned i = 0; i < 40; i++)
			offer(&r, 1);
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

/* A ring over several pages: when one of them that is guarded is touched for the first time,
 * something happens before, once. */
#define PER_PAGE 256u /* descriptors */
#define WIDE_LEN (3 * PER_PAGE)

static struct vring_packed_desc *wide, seen[WIDE_LEN];
static void (*on_touch)(void);

static void on_segv(int signo)
{
	if (!on_touch || mprotect(wide, sizeof(seen), PROT_READ | PROT_WRITE)) {
		signal(signo, SIG_DFL);
		return;
	}
	on_touch();
	on_touch = NULL;
}

static void make_wide(void)
{
	struct sigaction action = {.sa_handler = on_segv, .sa_flags = SA_NODEFER};

	wide = mmap(NULL, sizeof(seen), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(wide != MAP_FAILED);
	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
}

static void guard(unsigned page, int allowed, void (*then)(void))
{
	on_touch = then;
	assert_int_equal(mprotect(wide + page * PER_PAGE, PER_PAGE * sizeof(*wide), allowed), 0);
}

static void free_wide(void)
{
	assert_null(on_touch); /* it has happened */
	signal(SIGSEGV, SIG_DFL);
	munmap(wide, sizeof(seen));
}

static void set_flags(unsigned from, unsigned to, uint16_t flags)
{
	for (unsigned i = from; i < to; i++)
		wide[i].flags = flags;
}

static void look(void)
{
	memcpy(seen, wide, sizeof(seen));
}

/* What the guest sees when it has the first descriptor of many back, and what is found if the
 * device is killed just before that. */
static void test_returned_together(void **state)
{
	static const struct {
		unsigned n, chain, chain_end, together;
	} cases[] = {
	        {2, 0, 0, 2},         {100, 0, 0, 100},     {256, 0, 0, 256},
	        {300, 0, 0, 256},     {300, 8, 60, 256},    {300, 250, 255, 256},
	        {300, 250, 260, 261}, {257, 255, 256, 257}, {300, 60, 68, 256},
	        {400, 200, 399, 400},
	};
	const unsigned first = PER_PAGE - 1; /* alone on its page */

	for (unsigned c = 0; c < EVS_ARRAY_LEN(cases); c++) {
		struct vring_packed_desc_event never = {.flags = VHU_EVENT_NEVER};
		struct vhu_ring ring = {.index = 1, .size = WIDE_LEN, .call_fd = -1};

		make_wide();
		ring.packed = wide;
		ring.driver_event = &never;
		ring.last_used = (uint16_t)(VHU_WRAP | first);
		set_flags(0, first, VHU_AVAIL | VHU_USED);
		set_flags(first, first + cases[c].n, VHU_AVAIL);
		set_flags(first + cases[c].chain, first + cases[c].chain_end,
		          VHU_AVAIL | VRING_DESC_F_NEXT);
		guard(0, PROT_READ, look);
		vhu_packed_publish(&ring, (uint16_t)cases[c].n);
		assert_int_equal(ring.last_used, VHU_WRAP | (first + cases[c].n));
		for (unsigned i = 1; i < cases[c].n; i++)
			assert_int_equal(!(seen[first + i].flags & VHU_USED),
			                 i >= cases[c].together);
		for (unsigned i = 0; i < cases[c].n; i++)
			assert_int_equal(wide[first + i].flags, VHU_AVAIL | VHU_USED);
		if (!cases[c].chain)
			assert_int_equal(vhu_resume_place(seen, WIDE_LEN),
			                 VHU_WRAP | (first + cases[c].together));
		free_wide();
	}
}

#define SMALL_LEN (PER_PAGE + 128)

static void move_driver(void)
{
	set_flags(200, 261, VHU_AVAIL);
}

/* A guest transmits while the ring is looked at: what it offers was not left out by anybody. */
static void test_moving_driver(void **state)
{
	make_wide();
	set_flags(0, 100, VHU_AVAIL | VHU_USED);
	set_flags(100, 200, VHU_AVAIL);
	guard(1, PROT_NONE, move_driver); /* what lies behind its place is looked at, too */
	assert_int_equal(vhu_resume_place(wide, SMALL_LEN), VHU_WRAP | 100);
	for (unsigned i = 100; i < 261; i++)
		assert_int_equal(wide[i].flags, VHU_AVAIL);
	free_wide();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_at_any_moment),
	        cmocka_unit_test(test_interrupted_burst),
	        cmocka_unit_test(test_returned_together),
	        cmocka_unit_test(test_moving_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
