/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that guests make: with names that are not those evs knows them by, and messages that
 * would hold up all others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "vhost/vhu_pvt.h"
#include "vhu_ready.h"

static struct master good;

static int setup(void **state)
{
	const struct port *port = test_open(1, NULL);

	test_connect(&good, 1);
	if (!master_start(&good, VERSION_1, 2))
		return -1;
	await(port->link_up);
	master_refill(&good, 0);
	return 0;
}

static int teardown(void **state)
{
	master_close(&good);
	test_close(1);
	return 0;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* The thread that serves all guests is there for the other one. */
static void check_messages(void)
{
	all_handled(&good);
	check_echo(&good);
}

static bool is_tried(int listener)
{
	struct pollfd one = {.fd = listener, .events = POLLIN};

	return poll(&one, 1, 0) == 1;
}

static void accept_one(struct master *m, int listener)
{
	await(is_tried(listener));
	assert_int_equal(master_accept(m, listener), 0);
}

/* A header whose message never comes, from a guest behind this socket. */
static void say_half(int listener)
{
	const struct master_msg msg = {.request = MASTER_SET_FEATURES, .flags = 1, .size = 8};
	struct master m;

	accept_one(&m, listener);
	assert_int_equal(send(m.fd, &msg, 12, MSG_NOSIGNAL), 12);
	check_messages();
	master_close(&m);
}

/* Replies are not read. */
static void say_much(int listener)
{
	const struct master_msg msg = {.request = MASTER_GET_FEATURES, .flags = 1};
	struct master m;

	accept_one(&m, listener);
	while (master_send(&m, &msg, -1))
		;
	check_messages();
	master_close(&m);
}

static void work(int listener, const struct port *port)
{
	struct master m;

	accept_one(&m, listener);
	while (!master_start(&m, VERSION_1, 2)) { /* one that evs has closed */
		master_close(&m);
		accept_one(&m, listener);
	}
	await(port->link_up);
	master_refill(&m, 0);
	check_echo(&m);
	master_close(&m);
	await(!port->link_up);
}

/* Connected sockets that are no guest's: one that evsd made, one that it was born with. */
struct others {
	int listener, made, given, before;
	char path[64];
};

static int connect_to(const char *path, int flags)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | flags, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void open_others(struct others *others)
{
	snprintf(others->path, sizeof(others->path), "%s/journal", test_dir);
	others->listener = listen_at(others->path);
	others->made = connect_to(others->path, SOCK_CLOEXEC);
	others->given = connect_to(others->path, SOCK_CLOEXEC);
	others->before = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(dup2(others->given, STDIN_FILENO), STDIN_FILENO);
}

static bool is_untouched(int fd)
{
	struct timeval timeout = {.tv_sec = 1};
	socklen_t size = sizeof(timeout);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, &size), 0);
	return !timeout.tv_sec && !timeout.tv_usec;
}

static void close_others(struct others *others)
{
	if (others->before >= 0)
		dup2(others->before, STDIN_FILENO);
	else
		close(STDIN_FILENO);
	close(others->before);
	close(others->given);
	close(others->made);
	close(others->listener);
	unlink(others->path);
}

/* A socket at `path` that was bound under another name: of a link's end, from before it was moved;
 * which can be that of another port, as in another mount namespace. */
static int listen_as(const char *path, const char *other, unsigned kind)
{
	char good_path[64], kept[80];
	int listener;

	socket_path(1, good_path, sizeof(good_path));
	snprintf(kept, sizeof(kept), "%s-kept", good_path);
	if (kind == 3) {
		assert_int_equal(rename(good_path, kept), 0);
		other = good_path;
	}
	listener = listen_at(kind == 0 ? path : other);
	if (kind == 1 || kind == 3)
		assert_int_equal(rename(other, path), 0);
	if (kind == 2)
		assert_int_equal(symlink(other, path), 0);
	if (kind == 3)
		assert_int_equal(rename(kept, good_path), 0);
	return listener;
}

static void test_names(void **state)
{
	char path[64], other[80];

	socket_path(0, path, sizeof(path));
	snprintf(other, sizeof(other), "%s-other", path);
	for (unsigned kind = 0; kind < 4; kind++) {
		int listener = listen_as(path, other, kind);
		const struct port *port;
		struct others others;

		open_others(&others);
		port = test_open_as(0, "client", NULL, NULL);
		work(listener, port);
		assert_true(is_untouched(others.made) && is_untouched(others.given));
		say_half(listener);
		say_much(listener);
		work(listener, port);
		test_close(0);
		close_others(&others);
		close(listener);
		unlink(path);
		unlink(other);
	}
}

/* Another connection that the library could have made, at the same time: the file tells. */
static void test_told_by_file(void **state)
{
	char path[64], other[80], third[80];
	const struct port *port;
	int listener, another, stranger;

	socket_path(0, path, sizeof(path));
	snprintf(other, sizeof(other), "%s-other", path);
	snprintf(third, sizeof(third), "%s-third", path);
	listener = listen_as(path, other, 2);
	another = listen_at(third);
	stranger = connect_to(third, 0); /* as the library has it, before it tells */
	port = test_open_as(0, "client", NULL, NULL);
	work(listener, port);
	assert_true(is_untouched(stranger));
	test_close(0);
	close(stranger);
	close(another);
	unlink(third);
	close(listener);
	unlink(path);
	unlink(other);
}

/* The last descriptor became the connection: time-outs can not be given, so it is closed, and tried
 * again when there are more. */
static void test_no_descriptors(void **state)
{
	struct rlimit usual, scarce;
	struct port *port;
	struct vhu *vhu;
	char path[64];
	int listener, next;

	socket_path(0, path, sizeof(path));
	port = test_open_as(0, "client", NULL, NULL); /* waits with a socket */
	vhu = port->priv;
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	close(listener);
	next = listener;
	listener = listen_at(path);
	assert_int_equal(listener, next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	scarce = (struct rlimit){(rlim_t)next + 1, usual.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &scarce), 0);
	await(evs_load_acquire(&vhu->is_refused));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	work(listener, port);
	test_close(0);
	close(listener);
	unlink(path);
}

static void find_socket(void *arg, const char *key, const char *value)
{
	if (!strcmp(key, "socket"))
		snprintf(arg, 64, "%s", value);
}

static void test_no_socket(void **state)
{
	char path[64], text[64] = "";
	struct port *port;

	socket_path(0, path, sizeof(path));
	port = test_open_as(0, "client", NULL, NULL);
	vhu_get_status(port, find_socket, text);
	assert_string_equal(text, "connecting (No such file or directory)");
	close(open(path, O_CREAT | O_WRONLY, 0600));
	vhu_get_status(port, find_socket, text);
	assert_string_equal(text, "connecting (path is no socket)");
	unlink(path);
	close(listen_at(path));
	vhu_get_status(port, find_socket, text);
	assert_string_equal(text, "connecting (nobody listens)");
	test_close(0);
	unlink(path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_names),
	        cmocka_unit_test(test_told_by_file),
	        cmocka_unit_test(test_no_descriptors),
	        cmocka_unit_test(test_no_socket),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	test_start();
	ret = cmocka_run_group_tests(tests, setup, teardown);
	test_end();
	return ret;
}
