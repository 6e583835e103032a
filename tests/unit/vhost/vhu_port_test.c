/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that does as it should: frames, offloads, queues, and every way of coming and going.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vhost/vhu_pvt.h"
#include "vhu_ready.h"

#define NO_FILE    0x100u /* beside the number of the ring */
#define GUEST_CSUM (1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM)
#define TSO                                                                                        \
	(1ull << VIRTIO_NET_F_HOST_TSO4 | 1ull << VIRTIO_NET_F_HOST_TSO6 |                         \
	 1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_GUEST_TSO6)

static uint64_t dropped(const struct port *port, enum pkt_drop reason)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	return sum.drops[reason];
}

static void test_features(void **state)
{
	uint64_t features = 0xff;
	struct evs_error err;
	char text[128];

	assert_int_equal(vhu_features_parse("packed,-csum", &features, &err), 0);
	assert_int_equal(features, 0xfe | 1ull << 34);
	assert_int_equal(vhu_features_parse("packed,frob", &features, &err), -EINVAL);
	assert_non_null(strstr(err.text, "'frob'"));
	assert_int_equal(vhu_features_parse(",", &features, &err), -EINVAL);
	assert_int_equal(features, 0xfe | 1ull << 34);
	assert_int_equal(vhu_features_parse("-status", &features, &err), -EINVAL);
	assert_non_null(strstr(err.text, "virtio feature 'status' can not be chosen"));
	assert_null(strstr(err.text, "unknown"));
	assert_int_equal(vhu_features_parse("-iommu", &features, &err), -EINVAL);
	assert_non_null(strstr(err.text, "iommu=on"));
	vhu_features_format(1ull << 34 | 1ull << 0 | 1ull << 6 | 1ull << 50, text, sizeof(text));
	assert_string_equal(text, "csum,gso,packed,0x4000000000000");
	vhu_features_format(~0ull, text, 10);
	assert_int_equal(strlen(text), 9);
}

static void test_refusals(void **state)
{
	static const struct {
		struct port_args args;
		const char *words;
	} cases[] = {
	        {{.n = 0}, "path=SOCKET"},
	        {{1, {{"path", "relative"}}}, "absolute"},
	        {{2, {{"path", "/tmp/x"}, {"mode", "peer"}}}, "client"},
	        {{2, {{"path", "/tmp/x"}, {"iommu", "maybe"}}}, "on or off"},
	        {{3, {{"path", "/tmp/x"}, {"iommu", "on"}, {"postcopy", "on"}}}, "exclude"},
	        {{2, {{"path", "/tmp/x"}, {"tx-steering", "rss"}}}, "thread"},
	        {{2, {{"path", "/tmp/evs-none"}, {"features", "x"}}}, "unknown virtio feature"},
	        {{2, {{"path", "/nonexistent/dir/s"}, {"mode", "server"}}}, "directory"},
	        {{2, {{"path", "/tmp/x"}, {"socket-mode", "0660"}}}, "mode=server"},
	        {{3, {{"path", "/tmp/x"}, {"mode", "server"}, {"socket-mode", "rw"}}}, "octal"},
	        {{3, {{"path", "/tmp/x"}, {"mode", "server"}, {"socket-owner", "nobody:?"}}},
	         "of this host"},
	        {{2, {{"path", "/etc/passwd"}, {"mode", "server"}}}, "no socket"},
	};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(cases); i++) {
		struct evs_error err = {0};
		struct port *port = NULL;

		assert_true(port_create("vhost-user", "p", &cases[i].args, &port, &err) < 0);
		if (!strstr(err.text, cases[i].words))
			fail_msg("case %u: %s", i, err.text);
	}
}

/* Sends n frames and expects each back with its content. */
static void exchange(struct master *m, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t frame[64 + 900];
		uint32_t id = 0, len = 0, size = 64 + i % 900;

		memset(frame, (int)i, sizeof(frame));
		frame[12] = 0x88;
		frame[13] = 0xb5;
		master_transmit(m, 1, NULL, frame, size);
		await(master_reap(m, 0, &id, &len) == 1);
		assert_int_equal(len, 12 + size);
		assert_memory_equal(master_buf(m, 0, id) + 12, frame, size);
		master_offer(m, 0, (uint16_t)id);
	}
}

/* A guest that begins anew has only the queues that it then enables. */
static void test_reset_owner(void **state)
{
	const struct master_msg reset = {.request = MASTER_RESET_OWNER, .flags = 1};
	struct port *port = test_open(0, NULL);
	const struct vhu *vhu = port->priv;
	struct master m;

	connect_ready(&m, port, 0, 4);
	await(port->n_rxq == 2);
	exchange(&m, 1);
	assert_true(master_send(&m, &reset, -1));
	await(!port->link_up);
	assert_true(master_start(&m, VERSION_1, 2));
	await(port->link_up);
	assert_int_equal(evs_load_acquire(&vhu->rings), 3);
	assert_int_equal(port->n_rxq, 1);
	master_refill(&m, 0);
	exchange(&m, 20);
	master_close(&m);
	await(!port->link_up);
	test_close(0);
}

static void test_frames(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;

	assert_false(port->link_up);
	assert_int_equal(port->drop_full, PKT_DROP_GUEST_NOT_READY);
	connect_ready(&m, port, 0, 2);
	assert_int_equal(port->drop_full, PKT_DROP_GUEST_RING_FULL);
	assert_int_equal(port->tx_caps, PORT_TX_MULTI_SEG | PORT_TX_LENT);
	exchange(&m, 1000);
	master_close(&m);
	await(!port->link_up);
	assert_int_equal(port->drop_full, PKT_DROP_GUEST_NOT_READY);
	test_close(0);
}

#define NEVER  (-1)
#define ALWAYS 0x10000

/* The slot at which ring 1 asks for a kick. */
static int kick_wish(struct master *m)
{
	const struct vring_packed_desc_event *event = master_event(m, 1) + 1;
	const struct vring_used *used = master_used(m, 1);

	if (m->packed)
		return event->flags == 2 ? event->off_wrap : event->flags == 1 ? NEVER : ALWAYS;
	if (used->flags & VRING_USED_F_NO_NOTIFY)
		return NEVER;
	return m->features & 1ull << VIRTIO_RING_F_EVENT_IDX
	               ? *(const uint16_t *)&used->ring[MASTER_RING_LEN]
	               : ALWAYS;
}

static void find_wake(void *arg, const char *key, const char *value)
{
	if (!strcmp(key, "wake"))
		snprintf(arg, 16, "%s", value);
}

/* As `port show` has it: "", "kick" or "timer". */
static bool wakes_by(struct port *port, const char *what)
{
	char text[16] = "";

	port->type->get_status(port, find_wake, text);
	return !strcmp(text, what);
}

/* A guest is asked to kick for as long as the worker wants to sleep, in either manner. */
static void test_arm(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;

	assert_int_equal(port->type->arm(port, 0), PORT_ARM_SILENT);
	assert_true(wakes_by(port, ""));
	for (unsigned by_index = 0; by_index < 2; by_index++) {
		uint32_t epoch = evs_load_acquire(&port_wake_epoch);
		bool can_stop;

		connect_ready(&m, port, (uint64_t)by_index << VIRTIO_RING_F_EVENT_IDX, 2);
		can_stop = m.packed || !by_index;
		assert_true(evs_load_acquire(&port_wake_epoch) != epoch);
		assert_true(wakes_by(port, "kick"));
		exchange(&m, 300);
		if (can_stop)
			assert_int_equal(kick_wish(&m), NEVER);
		assert_true(port->type->arm(port, 0) >= 0);
		assert_int_equal(kick_wish(&m), !by_index  ? ALWAYS
		                                : m.packed ? m.place[1]
		                                           : m.next[1]);
		port->type->disarm(port, 0);
		if (can_stop)
			assert_int_equal(kick_wish(&m), NEVER);
		master_close(&m);
		await(!port->link_up);
		assert_int_equal(port->type->arm(port, 0), PORT_ARM_SILENT);
	}
	test_close(0);
}

static uint32_t make_tcp(uint8_t *frame, uint16_t payload)
{
	struct rte_ipv4_hdr *ip = (void *)(frame + 14);
	struct rte_tcp_hdr *tcp = (void *)(frame + 34);

	memset(frame, 2, 12);
	frame[12] = 8;
	frame[13] = 0;
	memset(ip, 0, sizeof(*ip) + sizeof(*tcp));
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(40 + payload));
	ip->next_proto_id = IPPROTO_TCP;
	tcp->data_off = 0x50;
	memset(tcp + 1, 0x77, payload);
	tcp->cksum = rte_ipv4_phdr_cksum(ip, 0);
	return 54u + payload;
}

static void test_offloads(void **state)
{
	struct port *port = test_open(0, NULL);
	struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                             .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	                             .gso_size = 500,
	                             .hdr_len = 54,
	                             .csum_start = 34,
	                             .csum_offset = 16},
	                      back;
	uint8_t frame[2000];
	uint32_t size = make_tcp(frame, 1400), id = 0, len = 0;
	uint64_t bad = 0;
	struct master m;

	connect_ready(&m, port, GUEST_CSUM | TSO, 2);
	assert_int_equal(port->tx_caps,
	                 PORT_TX_MULTI_SEG | PORT_TX_LENT | PORT_TX_L4_CSUM | PORT_TX_TSO);
	master_transmit(&m, 1, &hdr, frame, size);
	await(master_reap(&m, 0, &id, &len) == 1);
	memcpy(&back, master_buf(&m, 0, id), sizeof(back));
	assert_memory_equal(&back, &hdr, sizeof(hdr));
	hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	hdr.gso_size = 0;
	master_transmit(&m, 1, &hdr, frame, size);
	await(master_reap(&m, 0, &id, &len) == 1);
	memcpy(&back, master_buf(&m, 0, id), sizeof(back));
	assert_int_equal(back.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(back.csum_start, 34);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = 3; /* would be 467 pieces */
	master_transmit(&m, 1, &hdr, frame, size);
	await((bad = dropped(port, PKT_DROP_GUEST_BAD_OFFLOAD)) == 1);
	hdr.gso_size = 500;
	frame[16] = 0x7f; /* a packet longer than its frame */
	master_transmit(&m, 1, &hdr, frame, size);
	await((bad = dropped(port, PKT_DROP_GUEST_BAD_OFFLOAD)) == 2);
	assert_int_equal(master_reap(&m, 0, &id, &len), 0);
	master_close(&m);
	test_close(0);
}

static void test_no_guest_csum(void **state)
{
	struct port *port = test_open(0, "-guest-csum,-guest-tso");
	struct master m;

	connect_ready(&m, port, GUEST_CSUM | TSO, 2);
	assert_false(m.features & 1ull << VIRTIO_NET_F_GUEST_CSUM);
	assert_true(m.features & 1ull << VIRTIO_NET_F_CSUM);
	assert_int_equal(port->tx_caps, PORT_TX_MULTI_SEG | PORT_TX_LENT);
	master_close(&m);
	test_close(0);
}

static void test_ring_full(void **state)
{
	struct port *port = test_open(0, NULL);
	uint8_t frame[64] = {2};
	struct master m;
	uint64_t refused = n_refused[0];

	connect_empty(&m, port, 0, 2);
	master_transmit(&m, 1, NULL, frame, sizeof(frame)); /* no buffer to come back in */
	await(evs_load_relaxed(&n_refused[0]) == refused + 1);
	master_close(&m);
	test_close(0);
}

static void test_queues(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;

	connect_ready(&m, port, 1ull << VIRTIO_NET_F_MQ | 1ull << VIRTIO_NET_F_CTRL_VQ, 4);
	await(port->n_rxq == 2);
	exchange(&m, 20);
	assert_true(master_enable(&m, 3, false) && master_enable(&m, 2, false));
	await(port->n_rxq == 1);
	exchange(&m, 20);
	assert_true(master_enable(&m, 3, true) && master_enable(&m, 2, true));
	await(port->n_rxq == 2);
	assert_true(master_enable(&m, 0, false) && master_enable(&m, 2, false));
	await(!port->link_up);
	assert_true(master_enable(&m, 0, true));
	await(port->link_up);
	exchange(&m, 20);
	master_close(&m);
	test_close(0);
}

/* Who kicks by no file at all is found by polling only. */
static void test_no_kick(void **state)
{
	const struct master_msg msg = {
	        .request = MASTER_SET_VRING_KICK, .flags = 1, .size = 8, .u64 = 1 | NO_FILE};
	struct port *port = test_open(0, NULL);
	struct master m;

	connect_ready(&m, port, 0, 2);
	assert_true(wakes_by(port, "kick"));
	assert_true(master_send(&m, &msg, -1));
	await(wakes_by(port, "timer"));
	await(port->type->arm(port, 0) == PORT_ARM_NEVER);
	exchange(&m, 5);
	master_close(&m);
	test_close(0);
}

/* A driver that stops its rings and starts them again, over one connection. */
static void test_driver_reload(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;

	connect_ready(&m, port, 0, 2);
	for (unsigned i = 0; i < 20; i++) {
		exchange(&m, 10);
		assert_true(master_stop_vring(&m, 0) && master_stop_vring(&m, 1));
		await(!port->link_up);
		assert_true(master_start(&m, VERSION_1, 2));
		await(port->link_up);
		master_refill(&m, 0);
	}
	master_close(&m);
	test_close(0);
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_reconnects(void **state)
{
	struct port *port = test_open(0, NULL);
	struct rte_mempool *pool = port->pool;
	unsigned fds = 0;
	struct master m;

	for (unsigned i = 0; i < 100; i++) {
		connect_ready(&m, port, i & 1 ? GUEST_CSUM | TSO : 0, i & 2 ? 4 : 2);
		exchange(&m, 3);
		if (i & 4)
			master_stop_vring(&m, 1);
		master_close(&m); /* in the middle of whatever it is doing */
		await(!port->link_up);
		if (i == 10)
			fds = count_fds();
	}
	await(count_fds() <= fds);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	test_close(0);
}

/* A socket that only connects harms nobody; of two guests the last one is served, and when it goes,
 * the other one again. */
static void test_second_guest(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m, other, idle;

	connect_ready(&m, port, 0, 2);
	test_connect(&idle, 0);
	exchange(&m, 10);
	test_connect(&other, 0);
	assert_true(master_start(&other, VERSION_1 | GUEST_CSUM, 2));
	await(port->tx_caps & PORT_TX_L4_CSUM);
	master_refill(&other, 0);
	exchange(&other, 10);
	master_close(&other);
	await(port->tx_caps == (PORT_TX_MULTI_SEG | PORT_TX_LENT));
	exchange(&m, 10);
	master_close(&idle);
	master_close(&m);
	test_close(0);
}

/* Ports come and go while guests are connected and sending. */
static void test_port_cycles(void **state)
{
	unsigned fds = 0;

	for (unsigned i = 0; i < 12; i++) {
		struct port *port = test_open(0, NULL), *same = NULL;
		const struct port_args args = {2, {{"path", ""}, {"mode", "client"}}};
		struct port_args again = args;
		struct evs_error err;
		struct master m;
		char path[64];

		socket_path(0, path, sizeof(path));
		again.arg[0].value = path;
		assert_int_equal(port_create("vhost-user", "x", &again, &same, &err), -EEXIST);
		if (i % 3) {
			connect_ready(&m, port, 0, 2);
			exchange(&m, 2);
		}
		if (i % 3 == 1)
			master_close(&m);
		test_close(0);
		if (i % 3 == 2)
			master_close(&m);
		if (i == 5)
			fds = count_fds();
	}
	await(count_fds() <= fds);
}

/* A socket left behind by a killed daemon is no obstacle. */
static void test_stale_socket(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	socket_path(0, addr.sun_path, sizeof(addr.sun_path));
	assert_int_equal(bind(fd, (void *)&addr, sizeof(addr)), 0);
	close(fd);
	test_open(0, NULL);
	test_close(0);
	assert_int_equal(access(addr.sun_path, F_OK), -1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_features),      cmocka_unit_test(test_refusals),
	        cmocka_unit_test(test_frames),        cmocka_unit_test(test_reset_owner),
	        cmocka_unit_test(test_offloads),      cmocka_unit_test(test_no_guest_csum),
	        cmocka_unit_test(test_ring_full),     cmocka_unit_test(test_queues),
	        cmocka_unit_test(test_driver_reload), cmocka_unit_test(test_reconnects),
	        cmocka_unit_test(test_second_guest),  cmocka_unit_test(test_arm),
	        cmocka_unit_test(test_port_cycles),   cmocka_unit_test(test_stale_socket),
	        cmocka_unit_test(test_no_kick),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	test_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_end();
	return ret;
}
