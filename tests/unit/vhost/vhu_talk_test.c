/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a running guest says while frames go both ways: none of them is lost or repeated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "vhost/vhu_pvt.h"
#include "vhu_ready.h"

#define LOG_ALL  (1ull << 26)
#define LOG_SIZE 0x40000u /* a bit for each page up to the end of the guest's memory */
#define N_BURST  64
#define N_ROUNDS 100

struct talk {
	struct master *m;
	bool (*say)(struct master *m, unsigned i);
	bool ends, good;
	unsigned n;
};

static int log_fd;
static const uint8_t *log_bits;

static bool set_features(struct master *m, uint64_t features)
{
	const struct master_msg msg = {
	        .request = MASTER_SET_FEATURES, .flags = 1, .size = 8, .u64 = features};

	return master_send(m, &msg, -1);
}

static bool set_log(struct master *m)
{
	struct master_msg msg = {.request = MASTER_SET_LOG_BASE, .flags = 1, .size = 16};

	msg.state.index = LOG_SIZE; /* as 64 bits, and an offset of 0 */
	return master_send(m, &msg, log_fd) && master_receive(m, &msg);
}

/* Interrupts that move, queues that come and go. */
static bool say_calls(struct master *m, unsigned i)
{
	const struct master_msg call = {
	        .request = MASTER_SET_VRING_CALL, .flags = 1, .size = 8, .u64 = i & 1};

	return master_send(m, &call, m->event_fd) && master_enable(m, 3, i & 1);
}

/* A migration that begins and is given up. */
static bool say_log(struct master *m, unsigned i)
{
	return (i & 1 || set_log(m)) && set_features(m, m->features | (i & 1 ? 0 : LOG_ALL)) &&
	       master_set_addr(m, 0) && master_set_addr(m, 1);
}

/* Another log while one is written to. */
static bool say_new_log(struct master *m, unsigned i)
{
	(void)i;
	return set_log(m) && set_features(m, m->features | LOG_ALL);
}

/* Memory comes and goes, behind all that is in use. */
static bool say_memory(struct master *m, unsigned i)
{
	return master_set_memory(m, MASTER_MEMORY - (i & 1) * 0x10000);
}

static void *talk(void *arg)
{
	struct talk *t = arg;

	for (unsigned i = 0; !evs_load_relaxed(&t->ends); i++) {
		struct master_msg question = {.request = MASTER_GET_FEATURES, .flags = 1};

		t->good &= t->say(t->m, i) && master_send(t->m, &question, -1) &&
		           master_receive(t->m, &question);
		evs_store_relaxed(&t->n, i + 1);
	}
	return NULL;
}

/* Sends numbered frames, which come back in their order. */
static void exchange_burst(struct master *m, unsigned first)
{
	unsigned got = 0;

	for (unsigned k = 0; k < N_BURST; k++) {
		uint32_t frame[16] = {0x02, first + k};

		master_transmit(m, 1, NULL, frame, sizeof(frame));
	}
	while (got < N_BURST) {
		uint32_t id = 0, len = 0, number;

		await(master_take_back(m, 0, &id, &len));
		memcpy(&number, master_buf(m, 0, id) + 12 + 4, sizeof(number));
		assert_int_equal(number, first + got++);
		master_offer(m, 0, (uint16_t)id);
	}
	await((master_reap(m, 1, &(uint32_t){0}, &(uint32_t){0}), m->used[1] == m->next[1]));
}

static void talk_in_traffic(bool (*say)(struct master *m, unsigned i))
{
	struct port *port = test_open(0, NULL);
	struct master m;
	struct talk t = {.m = &m, .say = say, .good = true};
	uint64_t refused = n_refused[0];
	pthread_t talker;

	connect_ready(&m, port, 0, 4);
	pthread_create(&talker, NULL, talk, &t);
	for (unsigned i = 0; i < N_ROUNDS || evs_load_relaxed(&t.n) < N_ROUNDS; i++)
		exchange_burst(&m, i * N_BURST);
	evs_store_relaxed(&t.ends, true);
	pthread_join(talker, NULL);
	assert_true(t.good);
	assert_int_equal(n_refused[0], refused);
	assert_int_equal(((struct vhu *)port->priv)->n_lost, 0);
	master_close(&m);
	test_close(0);
}

static void test_calls(void **state)
{
	talk_in_traffic(say_calls);
}

static bool has_page(uint64_t gpa)
{
	return log_bits[gpa / 4096 / 8] >> (gpa / 4096 % 8) & 1;
}

static void test_log(void **state)
{
	talk_in_traffic(say_log);
	talk_in_traffic(say_new_log);
	assert_true(has_page(master_buf_gpa(0, 0)));
	assert_false(has_page(master_buf_gpa(1, 0))); /* that is only read */
}

static void test_memory(void **state)
{
	talk_in_traffic(say_memory);
}

static void open_log(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ftruncate(log_fd, LOG_SIZE))
		abort();
	log_bits = mmap(NULL, LOG_SIZE, PROT_READ, MAP_SHARED, log_fd, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_calls),
	        cmocka_unit_test(test_log),
	        cmocka_unit_test(test_memory),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	open_log();
	test_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_end();
	return ret;
}
