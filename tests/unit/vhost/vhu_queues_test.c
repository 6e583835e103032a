/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest of two pairs disables and enables the rings that it receives by, while frames are on
 * their way: none is lost, by either way of steering. The guest sends numbered frames of some flows
 * by ring 1, and the worker sends them back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pkt/pkt_hash.h"
#include "vhost/vhu_pvt.h"
#include "vhu_ready.h"

#define FLOWS     16
#define MOST      64 /* on their way: each ring has room for them all */
#define WAIT_NS   60000000000u
#define MOMENT_NS 10000000
#define RECEIVES  (MASTER_RINGS / 2)

static const char *const ways[] = {"thread", "hash"};

static struct {
	uint32_t n_sent, n_got, by_ring[RECEIVES];
	uint32_t next[FLOWS], had[FLOWS]; /* numbers */
} wire;

static void set_steering(struct port *port, const char *how)
{
	const struct port_args args = {1, {{"tx-steering", how}}};
	struct evs_error err = {0};

	if (port_set(port, &args, &err))
		fail_msg("%s", err.text);
}

/* UDP from one port for each flow, and the number of the frame in it. */
static void send_one(struct master *m)
{
	const uint32_t flow = wire.n_sent++ % FLOWS;
	uint8_t frame[64] = {[12] = 8, [14] = 0x45, [23] = 17, [34] = (uint8_t)flow};

	memcpy(frame + 42, &wire.next[flow], 4);
	wire.next[flow]++;
	master_transmit(m, 1, NULL, frame, sizeof(frame));
}

/* Those in a ring that is disabled by now have come before: they count, too. */
static void collect(struct master *m)
{
	for (unsigned i = 0; i < RECEIVES; i++) {
		uint32_t id = 0, len = 0, number;

		while (master_take_back(m, 2 * i, &id, &len)) {
			const uint8_t *frame = master_buf(m, 2 * i, id) + 12;

			memcpy(&number, frame + 42, 4);
			assert_in_range(frame[34], 0, FLOWS - 1);
			assert_true(number < wire.next[frame[34]]);
			wire.had[frame[34]]++;
			wire.by_ring[i]++;
			wire.n_got++;
			master_offer(m, 2 * i, (uint16_t)id);
		}
	}
}

/* The control thread rests meanwhile: what it has not seen yet must not matter. */
static void collect_all(struct master *m, const struct port *port)
{
	uint64_t limit = evs_clock_ns() + WAIT_NS;
	uint32_t id, len;

	while (wire.n_got < wire.n_sent) {
		collect(m);
		if (evs_clock_ns() > limit)
			fail_msg("%u of %u frames came, %llu were refused", wire.n_got, wire.n_sent,
			         (unsigned long long)evs_load_relaxed(&n_refused[0]));
	}
	master_reap(m, 1, &id, &len);
	for (unsigned flow = 0; flow < FLOWS; flow++)
		assert_int_equal(wire.had[flow], wire.next[flow]);
}

static void start(struct master *m, struct port *port, const char *how)
{
	connect_ready(m, port, 1ull << VIRTIO_NET_F_MQ | 1ull << VIRTIO_NET_F_CTRL_VQ, 4);
	master_refill(m, 2);
	set_steering(port, how);
	memset(&wire, 0, sizeof(wire));
}

/* Which ring goes and comes: of a worker that has one for itself, its own. */
static unsigned toggled(const char *how)
{
	return strcmp(how, "hash") ? 0 : 2;
}

/* The frames that follow the switch's answer go by the other ring. */
static void test_disabled(void **state)
{
	for (unsigned way = 0; way < EVS_ARRAY_LEN(ways); way++) {
		const unsigned ring = toggled(ways[way]);
		struct port *port = test_open(0, NULL);
		struct master m;
		uint32_t before;

		start(&m, port, ways[way]);
		for (unsigned i = 0; i < MOST; i++)
			send_one(&m);
		collect_all(&m, port);
		assert_true(wire.by_ring[ring / 2] > 0);
		assert_true(master_enable(&m, ring, false));
		all_handled(&m);
		before = wire.by_ring[ring / 2];
		for (unsigned i = 0; i < MOST; i++)
			send_one(&m);
		collect_all(&m, port);
		assert_int_equal(wire.by_ring[ring / 2], before);
		assert_true(master_enable(&m, ring, true));
		all_handled(&m);
		for (unsigned i = 0; i < MOST; i++)
			send_one(&m);
		collect_all(&m, port);
		assert_true(wire.by_ring[ring / 2] > before);
		master_close(&m);
		test_close(0);
	}
}

/* A worker that has chosen the ring, and waits for its lock while the guest disables it: mostly,
 * for nobody says who gets the lock first, so it is tried some times. */
static void disable_before_its_turn(struct master *m, struct port *port, unsigned ring)
{
	struct vhu *vhu = port->priv;
	const uint16_t map = evs_load_acquire(&vhu->txq[0].n_maps);
	rte_spinlock_t *lock = &vhu->served->ring[ring].lock;
	uint64_t limit;

	usleep(500); /* vhost's thread has done with the message before */
	rte_spinlock_lock(lock);
	for (unsigned i = 0; i < FLOWS; i++)
		send_one(m);
	usleep(500);
	assert_true(master_enable(m, ring, false));
	limit = evs_clock_ns() + MOMENT_NS;
	while (evs_load_acquire(&vhu->txq[0].n_maps) == map && evs_clock_ns() < limit)
		;
	rte_spinlock_unlock(lock);
	collect_all(m, port);
	assert_true(master_enable(m, ring, true));
	all_handled(m);
}

static void test_disabled_before_its_turn(void **state)
{
	for (unsigned way = 0; way < EVS_ARRAY_LEN(ways); way++) {
		struct port *port = test_open(0, NULL);
		struct master m;

		start(&m, port, ways[way]);
		for (unsigned i = 0; i < 30; i++)
			disable_before_its_turn(&m, port, toggled(ways[way]));
		master_close(&m);
		test_close(0);
	}
}

/* Frames that are under way at that moment are not lost either. */
static void test_toggled(void **state)
{
	for (unsigned way = 0; way < EVS_ARRAY_LEN(ways); way++) {
		struct port *port = test_open(0, NULL);
		struct master m;

		start(&m, port, ways[way]);
		for (unsigned round = 0; round < 100; round++) {
			for (unsigned i = 0; i < MOST / 2; i++)
				send_one(&m);
			assert_true(master_enable(&m, toggled(ways[way]), round & 1));
			for (unsigned i = 0; i < MOST / 2; i++)
				send_one(&m);
			collect_all(&m, port);
			all_handled(&m);
		}
		master_close(&m);
		test_close(0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_disabled),
	        cmocka_unit_test(test_disabled_before_its_turn),
	        cmocka_unit_test(test_toggled),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	pkt_hash_init(1);
	test_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_end();
	return ret;
}
