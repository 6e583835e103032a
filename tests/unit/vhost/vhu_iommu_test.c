/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest behind an IOMMU: it is asked where its pages are, on a channel of its own, and need not
 * listen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "vhu_ready.h"

#define IOMMU    (1ull << 33)
#define MAY_BOTH 3
#define MISS     1
#define UPDATE   2
#define FAR      0x200000000ull /* no memory is there */
#define PAGE     4096

static struct port *port;
static struct master good;

static int setup(void **state)
{
	const struct port *good_port = test_open(1, NULL);

	port = test_open_as(0, "server", "iommu", "on");
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

static void tell_place(struct master *m, uint64_t iova)
{
	const struct master_msg msg = {
	        .request = MASTER_IOTLB_MSG,
	        .flags = 1,
	        .size = 32,
	        .iotlb = {iova, MASTER_MEMORY, (uintptr_t)m->mem, MAY_BOTH, UPDATE, {0}}};

	assert_true(master_send(m, &msg, -1));
}

static void send_channel(struct master *m, int fd)
{
	const struct master_msg msg = {.request = MASTER_SET_CHANNEL, .flags = 1};

	assert_true(master_send(m, &msg, fd));
}

/* The rings' places are known, the buffers' are not. */
static void connect_asked(struct master *m, int channel)
{
	test_connect(m, 0);
	send_channel(m, channel);
	assert_true(master_start(m, VERSION_1 | IOMMU, 2));
	tell_place(m, (uintptr_t)m->mem);
	await(port->link_up);
}

static bool receive_question(int fd, uint64_t *iova)
{
	struct master_msg question;

	if (recv(fd, &question, 12 + 32, MSG_DONTWAIT) <= 0)
		return false;
	assert_int_equal(question.request, 1);
	assert_int_equal(question.size, 32);
	assert_int_equal(question.iotlb.type, MISS);
	*iova = question.iotlb.iova;
	return true;
}

static unsigned reap(struct master *m, unsigned ring)
{
	uint32_t id, len;

	return master_reap(m, ring, &id, &len);
}

/* Asked and answered, frames go both ways. */
static void test_questions(void **state)
{
	struct master m;
	uint64_t iova;
	int channel[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
	for (unsigned i = 0; i < 2; i++) {
		connect_asked(&m, channel[1]);
		master_refill(&m, 0);
		master_transmit(&m, 1, NULL, "0123456789abcdef0123", 20);
		await(receive_question(channel[0], &iova) && iova == master_buf_gpa(1, 0));
		tell_place(&m, MASTER_GPA);
		all_handled(&m);
		if (!m.packed) /* else that frame is lost */
			await(reap(&m, 0) == 1);
		check_echo(&m);
		master_close(&m);
		await(!port->link_up);
	}
	close(channel[0]);
	close(channel[1]);
}

static bool is_full(int fd)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};

	return poll(&room, 1, 0) == 0;
}

/* A frame in a page that is not known costs that frame of a packed ring; in a split one it is
 * looked at again and again. */
static void send_from(struct master *m, uint64_t iova)
{
	const uint16_t i = m->next[1] % MASTER_RING_LEN;

	if (!m->packed && m->next[1] > 0) {
		__atomic_store_n(&master_desc(m, 1)[0].addr, iova, __ATOMIC_RELAXED);
		return;
	}
	master_desc(m, 1)[i] = (struct vring_desc){iova, 32, 0, 0};
	master_offer(m, 1, i);
}

static bool is_asked(struct master *m, int fd, uint64_t wanted)
{
	uint64_t iova = 0;

	if (!m->packed || reap(m, 1))
		send_from(m, wanted);
	while (iova != wanted && receive_question(fd, &iova))
		;
	return iova == wanted;
}

/* It is asked without end, and reads nothing: workers have other things to do. */
static void test_questions_not_read(void **state)
{
	const int least = 1;
	unsigned n_behind = 0;
	uint64_t at = FAR;
	struct master m;
	int channel[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
	setsockopt(channel[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	connect_asked(&m, channel[1]);
	while (n_behind < 1000) { /* more than finds room in any buffer */
		send_from(&m, at += PAGE);
		n_behind += is_full(channel[1]);
		check_echo(&good);
		await(!m.packed || reap(&m, 1));
	}
	/* it listens late: what could not be asked then is asked now */
	send_from(&m, at);
	await(is_asked(&m, channel[0], at));
	tell_place(&m, MASTER_GPA);
	all_handled(&m);
	master_refill(&m, 0);
	send_from(&m, MASTER_GPA + MASTER_MEMORY / 2);
	await(reap(&m, 0) == 1);
	master_close(&m);
	await(!port->link_up);
	close(channel[0]);
	close(channel[1]);
}

/* Only sockets can be written to without a wait that the guest could make one. */
static void test_strange_channels(void **state)
{
	int files[2], tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct master_msg answer;

	assert_int_equal(pipe(files), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct master m;

		test_connect(&m, 0);
		send_channel(&m, i == 0 ? files[1] : i == 1 ? m.mem_fd : tcp);
		assert_false(master_receive(&m, &answer));
		master_close(&m);
	}
	send_channel(&good, files[1]); /* without an IOMMU nobody ever writes to it */
	all_handled(&good);
	check_echo(&good);
	close(files[0]);
	close(files[1]);
	close(tcp);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_questions),
	        cmocka_unit_test(test_questions_not_read),
	        cmocka_unit_test(test_strange_channels),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	test_start();
	ret = cmocka_run_group_tests(tests, setup, teardown);
	test_end();
	return ret;
}
