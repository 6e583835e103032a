/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taps and kernel interfaces with the kernel's own stack at both ends: this test forwards frames
 * between two ports as a worker would, while TCP runs between two network namespaces.
 *
 *   [netns A] t0 --- tap port | forward() | tap, af-packet or af-xdp port --- t1 or v0-v1 [netns B]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <rte_ethdev.h>

#include "port_test.h"

#define BULK (8 << 20)

static struct evs_error err;
static pid_t ns_a, ns_b; /* processes that do nothing but hold a namespace */

static pid_t hold_netns(void)
{
	int fds[2];
	pid_t pid;
	char byte;

	if (pipe(fds))
		abort();
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || system("ip link set lo up") ||
		    write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(fds[0], &byte, 1) != 1)
		abort();
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void enter(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		abort();
	close(fd);
}

/* Forwarding, and what was seen on the way. */
struct seen {
	unsigned frames, large, partial;
};

/* What pmd does for ports without the capability; large segments do not go there in this test. */
static void send_all(struct port *to, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t sent;

	for (uint16_t i = 0; i < n && !(to->tx_caps & PORT_TX_L4_CSUM); i++) {
		assert_false(mbufs[i]->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
		assert_int_equal(pkt_csum_complete(mbufs[i]), 0);
	}
	sent = to->tx(to, 0, mbufs, n);
	rte_pktmbuf_free_bulk(mbufs + sent, (unsigned)n - sent);
}

static void forward(struct port *from, struct port *to, struct seen *seen)
{
	for (uint16_t q = 0; q < from->n_rxq; q++) {
		struct rte_mbuf *mbufs[32];
		uint16_t n = from->rx(from, q, mbufs, 32);

		for (uint16_t i = 0; i < n; i++) {
			seen->frames++;
			seen->large += !!(mbufs[i]->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
			seen->partial += !!(mbufs[i]->ol_flags & RTE_MBUF_F_TX_L4_MASK);
		}
		send_all(to, mbufs, n);
	}
}

/* One end of a TCP connection, in a thread of its own, which lives in one namespace. */
struct end {
	pid_t netns;
	const char *addr;
	int family;
	bool is_server;
	unsigned failures;
	bool done;
};

static uint8_t pattern(unsigned offset)
{
	return (uint8_t)(offset * 7 + (offset >> 11));
}

static void serve(struct end *end, int fd)
{
	static uint8_t buf[65536];
	unsigned got = 0;
	ssize_t len;

	while ((len = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < len; i++)
			end->failures += buf[i] != pattern(got + (unsigned)i);
		got += (unsigned)len;
	}
	end->failures += got != BULK;
}

static void push(struct end *end, int fd)
{
	static uint8_t buf[65536];

	for (unsigned sent = 0; sent < BULK;) {
		ssize_t len;

		for (unsigned i = 0; i < sizeof(buf); i++)
			buf[i] = pattern(sent + i);
		len = write(fd, buf, EVS_MIN(sizeof(buf), BULK - sent));
		if (len <= 0) {
			end->failures++;
			return;
		}
		sent += (unsigned)len;
	}
}

static socklen_t fill_addr(const struct end *end, struct sockaddr_storage *addr)
{
	struct sockaddr_in *v4 = (void *)addr;
	struct sockaddr_in6 *v6 = (void *)addr;

	memset(addr, 0, sizeof(*addr));
	addr->ss_family = (sa_family_t)end->family;
	if (end->family == AF_INET) {
		v4->sin_port = htons(5001);
		inet_pton(AF_INET, end->addr, &v4->sin_addr);
		return sizeof(*v4);
	}
	v6->sin6_port = htons(5001);
	inet_pton(AF_INET6, end->addr, &v6->sin6_addr);
	return sizeof(*v6);
}

static void *run_end(void *arg)
{
	struct end *end = arg;
	struct sockaddr_storage addr;
	socklen_t size = fill_addr(end, &addr);
	const int on = 1;
	int fd, listener = -1;

	enter(end->netns);
	fd = socket(end->family, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (end->is_server) {
		listener = fd;
		fd = bind(listener, (void *)&addr, size) || listen(listener, 1)
		             ? -1
		             : accept(listener, NULL, NULL);
		serve(end, fd);
		close(listener);
	} else {
		while (connect(fd, (void *)&addr, size)) {
			close(fd); /* the server may not listen yet */
			usleep(20000);
			fd = socket(end->family, SOCK_STREAM, 0);
		}
		push(end, fd);
	}
	close(fd);
	evs_store_release(&end->done, true);
	return NULL;
}

/* From A to B, then from B to A. */
static struct seen transfer(struct port *a, struct port *b, int family)
{
	static const char *const addrs[2][2] = {{"10.0.0.1", "10.0.0.2"}, {"fd00::1", "fd00::2"}};
	struct seen seen = {0};

	for (unsigned back = 0; back < 2; back++) {
		const char *addr = addrs[family == AF_INET6][!back];
		struct end server = {back ? ns_a : ns_b, addr, family, true, 0, false};
		struct end client = {back ? ns_b : ns_a, addr, family, false, 0, false};
		uint64_t limit = evs_clock_ns() + 120000000000u;
		pthread_t threads[2];

		pthread_create(&threads[0], NULL, run_end, &server);
		pthread_create(&threads[1], NULL, run_end, &client);
		while (!evs_load_acquire(&server.done) || !evs_load_acquire(&client.done)) {
			forward(a, b, &seen);
			forward(b, a, &seen);
			if (evs_clock_ns() > limit)
				fail_msg("the transfer does not end: %u frames, %u large",
				         seen.frames, seen.large);
		}
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
		assert_int_equal(server.failures + client.failures, 0);
	}
	return seen;
}

static void move(const char *ifname, pid_t pid, unsigned host)
{
	run("ip link set %s netns %d", ifname, (int)pid);
	run("nsenter -t %d -n sh -c 'ip addr add 10.0.0.%u/24 dev %s; "
	    "ip addr add fd00::%u/64 dev %s nodad; ip link set %s up'",
	    (int)pid, host, ifname, host, ifname, ifname);
}

static struct port *make_tap(const char *name, pid_t pid, unsigned host)
{
	const struct port_args args = {.n = 0};
	struct port *port = make_port("tap", name, &args);

	move(name, pid, host);
	return port;
}

/* A veth pair: NAMEe is evs' end. */
static void make_veth(const char *name, pid_t pid, unsigned host)
{
	run("ip link add %se type veth peer name %s", name, name);
	run("ip link set %se up", name);
	move(name, pid, host);
}

/* Whatever the port says is free again: descriptors and buffers. */
static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_tap_to_tap(void **state)
{
	struct port *a = make_tap("t0", ns_a, 1), *b = make_tap("t1", ns_b, 2);
	struct rte_mempool *pool = a->pool;
	struct port_counters sum;
	struct seen seen = transfer(a, b, AF_INET);

	assert_true(seen.large > 100);
	seen = transfer(a, b, AF_INET6);
	assert_true(seen.large > 100);
	port_counters_sum(a, &sum);
	assert_int_equal(sum.rx_pkts, 0); /* none that the port itself dropped */
	port_destroy(a);
	port_destroy(b);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void test_jumbo_and_set(void **state)
{
	struct port *a = make_tap("t0", ns_a, 1), *b = make_tap("t1", ns_b, 2);
	const struct port_args args = {2, {{"mtu", "9000"}, {"mac", "02:00:00:00:00:77"}}};
	const struct port_args bad = {2, {{"mac", "02:00:00:00:00:78"}, {"rxq", "2"}}};
	struct seen seen;

	assert_int_equal(port_set(a, &args, &err), 0);
	assert_int_equal(port_set(b, &args, &err), 0);
	assert_int_equal(port_set(b, &bad, &err), -EINVAL);
	run("nsenter -t %d -n ip link show t1 | grep -q 'mtu 9000'", (int)ns_b);
	run("nsenter -t %d -n ip link show t1 | grep -q 02:00:00:00:00:77", (int)ns_b);
	assert_int_equal(b->mtu, 9000);
	run("nsenter -t %d -n ip link set t1 address 02:00:00:00:00:79", (int)ns_b);
	run("nsenter -t %d -n ethtool -K t0 tso off gso off 2>/dev/null", (int)ns_a);
	seen = transfer(a, b, AF_INET);
	assert_true(seen.frames > 0);
	port_destroy(a);
	port_destroy(b);
}

static void test_veth_packet(void **state)
{
	const struct port_args args = {1, {{"iface", "v1e"}}};
	struct port *a = make_tap("t0", ns_a, 1), *b;
	struct rte_mempool *pool = a->pool;
	struct seen seen;

	make_veth("v1", ns_b, 2);
	b = make_port("af-packet", "v1", &args);
	assert_int_equal(b->mtu, 1500);
	seen = transfer(a, b, AF_INET);
	assert_true(seen.large > 100);
	seen = transfer(a, b, AF_INET6);
	assert_true(seen.partial > 100);
	port_destroy(a);
	port_destroy(b);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	run("ip link del v1e");
}

static void test_veth_xdp(void **state)
{
	const struct port_args args = {1, {{"iface", "v2e"}}};
	struct port *a = make_tap("t0", ns_a, 1), *b = NULL;
	struct seen seen;

	make_veth("v2", ns_b, 2);
	if (port_create("af-xdp", "v2", &args, &b, &err)) {
		print_message("af-xdp: %s\n", err.text);
		fail();
	}
	run("nsenter -t %d -n ethtool -K t0 tso off gso off >/dev/null", (int)ns_a);
	seen = transfer(a, b, AF_INET);
	assert_true(seen.partial > 100);
	seen = transfer(a, b, AF_INET6);
	assert_true(seen.partial > 100);
	port_destroy(a);
	port_destroy(b);
	run("ip link del v2e");
}

static int raw_socket(pid_t pid, const char *ifname)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0003)};
	int here = open("/proc/thread-self/ns/net", O_RDONLY), fd;

	enter(pid);
	addr.sll_ifindex = (int)if_nametoindex(ifname);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)) || setns(here, CLONE_NEWNET))
		abort();
	close(here);
	return fd;
}

/* Until the frame with this mark comes; others are the namespace's own business. */
static struct rte_mbuf *await(struct port *port, const uint8_t *mark)
{
	uint64_t limit = evs_clock_ns() + 60000000000u;

	while (evs_clock_ns() < limit) {
		struct rte_mbuf *m;

		if (!port->rx(port, 0, &m, 1))
			continue;
		if (!memcmp(rte_pktmbuf_mtod(m, void *), mark, 12))
			return m;
		rte_pktmbuf_free(m);
	}
	return NULL;
}

/* Frames with any tags pass as they are, through an af-packet port. */
static void test_tags(void **state)
{
	static const uint16_t tpids[][2] = {{0, 0},           {0x8100, 0},      {0x88a8, 0},
	                                    {0x88a8, 0x8100}, {0x8100, 0x8100}, {0x88a8, 0x88a8}};
	const struct port_args args = {1, {{"iface", "v3e"}}};
	struct port *port;
	int fd;

	make_veth("v3", ns_b, 2);
	port = make_port("af-packet", "v3", &args);
	fd = raw_socket(ns_b, "v3");
	for (unsigned i = 0; i < EVS_ARRAY_LEN(tpids); i++) {
		uint8_t frame[100] = {2, 9, 9, 9, 9, (uint8_t)i, 2, 8, 8, 8, 8, 8};
		unsigned at = 12;
		struct rte_mbuf *m;

		for (unsigned j = 0; j < 2 && tpids[i][j]; j++, at += 4) {
			frame[at] = (uint8_t)(tpids[i][j] >> 8);
			frame[at + 1] = (uint8_t)tpids[i][j];
			frame[at + 2] = 0x60;
			frame[at + 3] = (uint8_t)(5 + j);
		}
		frame[at] = 0x88;
		frame[at + 1] = 0xb5;
		assert_int_equal(write(fd, frame, sizeof(frame)), sizeof(frame));
		m = await(port, frame);
		assert_non_null(m);
		assert_int_equal(m->pkt_len, sizeof(frame));
		assert_memory_equal(rte_pktmbuf_mtod(m, void *), frame, sizeof(frame));
		assert_int_equal(port->tx(port, 0, &m, 1), 1);
	}
	close(fd);
	port_destroy(port);
	run("ip link del v3e");
}

static void count_change(struct port *port, void *arg)
{
	(*(unsigned *)arg)++;
}

/* Waits, as an event loop would, until the port's link is as said. */
static void await_link(struct port *port, bool up)
{
	struct pollfd pfd = {.fd = port_link_fd(), .events = POLLIN};
	uint64_t start = evs_clock_ns();
	unsigned n = 0;

	while (port->link_up != up) {
		assert_true(evs_clock_ns() - start < 60000000000u);
		if (poll(&pfd, 1, 100) > 0)
			port_poll_links(count_change, &n);
	}
	assert_true(n <= 1);
}

static void test_links(void **state)
{
	const struct port_args args = {1, {{"iface", "v4e"}}}, none = {.n = 0};
	struct port *tap = make_port("tap", "t0", &none), *veth;

	make_veth("v4", ns_b, 2);
	veth = make_port("af-packet", "v4", &args);
	await_link(veth, true);
	assert_false(tap->link_up); /* nobody set it up */
	assert_int_equal(tap->drop_full, PKT_DROP_TX_PORT_DOWN);
	move("t0", ns_a, 1);
	await_link(tap, true);
	run("nsenter -t %d -n ip link set t0 down", (int)ns_a);
	await_link(tap, false);
	run("nsenter -t %d -n sh -c 'ip link set t0 name renamed; ip link set renamed up'",
	    (int)ns_a);
	await_link(tap, true);
	assert_string_equal(tap->ifname, "renamed");
	assert_int_equal(port_set_config(tap, PORT_CONFIG_DOWN, PORT_CONFIG_DOWN, &err), 0);
	await_link(tap, false);
	run("nsenter -t %d -n ip link set v4 down", (int)ns_b);
	await_link(veth, false);
	run("nsenter -t %d -n ip link set v4 up", (int)ns_b);
	await_link(veth, true);
	run("ip link del v4e");
	await_link(veth, false);
	make_veth("v4", ns_b, 2);
	await_link(veth, true); /* the same name is back */
	port_destroy(tap);
	port_destroy(veth);
	run("ip link del v4e");
}

static void test_cycles(void **state)
{
	const struct port_args args = {1, {{"rxq", "4"}}}, clash = {1, {{"ifname", "t0"}}};
	struct port *port = NULL, *other = NULL;
	unsigned fds = count_fds();

	for (unsigned i = 0; i < 100; i++) {
		port = make_port("tap", "t0", &args);
		assert_int_equal(port->n_rxq, 4);
		assert_true(port_create("tap", "t1", &clash, &other, &err) < 0);
		port_destroy(port);
	}
	assert_int_equal(count_fds(), fds);
}

static void test_bad_interfaces(void **state)
{
	const struct port_args missing = {1, {{"iface", "nosuch"}}};
	const struct port_args lo = {2, {{"ifname", "lo"}, {"mtu", "1400"}}};
	const struct port_args none = {.n = 0};
	struct port *port = NULL;

	assert_int_equal(port_create("af-packet", "p", &missing, &port, &err), -ENODEV);
	assert_int_equal(port_create("af-xdp", "p", &missing, &port, &err), -ENODEV);
	assert_true(port_create("tap", "p", &lo, &port, &err) < 0);
	assert_int_equal(port_create("tap", "a-name-that-is-too-long", &none, &port, &err),
	                 -EINVAL);
	assert_null(port);
}

static uint64_t handed; /* flags of the last frame that a driver was given */

static uint16_t note(uint16_t id, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n, void *arg)
{
	handed = mbufs[n - 1]->ol_flags;
	return n;
}

/* 1,000 bytes for TCP, with a request. */
static struct rte_mbuf *make_request(struct rte_mempool *pool, uint64_t flags)
{
	const bool v6 = flags & RTE_MBUF_F_TX_IPV6;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *p;

	assert_non_null(m);
	m->l2_len = 14;
	m->l3_len = v6 ? 40 : 20;
	m->l4_len = 20;
	m->tso_segsz = 400;
	m->ol_flags = flags;
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(14u + m->l3_len + 20 + 1000));
	assert_non_null(p);
	memset(p, 0, m->pkt_len);
	memcpy(p + 12, v6 ? "\x86\xdd\x60" : "\x08\x00\x45", 3);
	p[14 + (v6 ? 6 : 9)] = IPPROTO_TCP;
	p[14 + (v6 ? 4 : 2)] = (v6 ? 1020 : 1040) >> 8;
	p[14 + (v6 ? 5 : 3)] = (v6 ? 1020 : 1040) & 0xff;
	p[14 + m->l3_len + 12] = 0x50;
	return m;
}

/* A device cuts IPv4 right only if it is asked for the header's checksum as well (rte_mbuf_core.h);
 * whoever else has the frame does not see that. */
static void test_requests_to_drivers(void **state)
{
	static const struct {
		uint64_t asked, more;
	} cases[] = {
	        {RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG,
	         RTE_MBUF_F_TX_IP_CKSUM},
	        {RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG, 0},
	        {RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM, 0},
	        {0, 0},
	};
	const struct port_args args = {1, {{"devargs", "net_tap_req,iface=req0"}}};
	struct port *port = make_port("dpdk", "p0", &args);

	assert_true(port->tx_caps & PORT_TX_TSO);
	assert_non_null(rte_eth_add_tx_callback(port->ethdev_id, 0, note, NULL));
	for (unsigned i = 0; i < 2 * EVS_ARRAY_LEN(cases); i++) {
		struct rte_mbuf *m = make_request(port->pool, cases[i / 2].asked), *own = m;

		if (i % 2)
			rte_mbuf_refcnt_update(m, 1);
		handed = ~UINT64_C(0);
		if (port->tx(port, 0, &own, 1) == 0)
			rte_pktmbuf_free(own);
		assert_int_equal(handed, cases[i / 2].asked | cases[i / 2].more);
		if (i % 2) {
			assert_int_equal(m->ol_flags, cases[i / 2].asked);
			rte_pktmbuf_free(m);
		}
	}
	port_destroy(port);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_bad_interfaces),
	        cmocka_unit_test(test_cycles),
	        cmocka_unit_test(test_links),
	        cmocka_unit_test(test_tags),
	        cmocka_unit_test(test_tap_to_tap),
	        cmocka_unit_test(test_jumbo_and_set),
	        cmocka_unit_test(test_veth_packet),
	        cmocka_unit_test(test_veth_xdp),
	        cmocka_unit_test(test_requests_to_drivers),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	test_own_netns();
	ns_a = hold_netns();
	ns_b = hold_netns();
	test_eal("128");
	if (port_init(2, &err))
		return 1;
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	port_fini();
	rte_eal_cleanup();
	kill(ns_a, SIGKILL);
	kill(ns_b, SIGKILL);
	return ret;
}
