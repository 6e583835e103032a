/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that stay in a guest's memory until they are copied into another ring: every byte comes,
 * over any chain of descriptors; the guest gets its buffers back when that is done, not before;
 * and no message is handled while a worker looks at its memory. Of one that polls a few are kept
 * back while it sends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rte_ip.h>
#include <rte_tcp.h>
#include <sys/socket.h>

#include "vhost/vhu_pvt.h"
#include "vhu_ready.h"

#define INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define MERGEABLE (1ull << VIRTIO_NET_F_MRG_RXBUF)
#define OFFLOADS                                                                                   \
	(1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM |                             \
	 1ull << VIRTIO_NET_F_HOST_TSO4 | 1ull << VIRTIO_NET_F_HOST_TSO6 |                         \
	 1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_GUEST_TSO6)
#define HDR_SIZE   12u
#define FRAME_MAX  65535u
#define SPARSE_MAX 200 /* more bursts than go by copying after one in vain */
#define KEPT_MAX   32  /* as vhu_ring_pvt.h has it, of a ring of 256 */
#define POLLS_MAX  64  /* more than find out that a guest is quiet */

static uint8_t frame[FRAME_MAX], got[FRAME_MAX + HDR_SIZE];

/* An IPv4 and TCP frame; whole, or a large segment. */
static void make_frame(uint32_t size, struct virtio_net_hdr *hdr)
{
	struct rte_ipv4_hdr *ip = (void *)(frame + 14);
	struct rte_tcp_hdr *tcp = (void *)(frame + 34);

	for (uint32_t i = 0; i < size; i++)
		frame[i] = (uint8_t)(size + i * 13 + (i >> 8));
	memset(frame, 2, 12);
	memcpy(frame + 12, "\x08", 2);
	memset(ip, 0, sizeof(*ip) + sizeof(*tcp));
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(size - 14));
	ip->next_proto_id = IPPROTO_TCP;
	tcp->data_off = 0x50;
	tcp->cksum = rte_ipv4_phdr_cksum(ip, 0);
	memset(hdr, 0, sizeof(*hdr));
	if (size > 9000)
		*hdr = (struct virtio_net_hdr){
		        VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 54, 1448, 34, 16};
}

/* The frame in a chain of descriptors of at most `part` bytes; the first may be shorter. */
static void describe(struct master *m, uint32_t size, uint32_t first, uint32_t part)
{
	struct virtio_net_hdr hdr;
	uint32_t left = size + HDR_SIZE, at = 0;
	uint16_t i = 0;

	make_frame(size, &hdr);
	memset(got, 0, HDR_SIZE);
	memcpy(got, &hdr, sizeof(hdr));
	memcpy(got + HDR_SIZE, frame, size);
	for (; left; i++) {
		uint32_t n = EVS_MIN(left, i ? part : first);

		memcpy(master_buf(m, 1, i), got + at, n);
		left -= n;
		at += n;
		master_desc(m, 1)[i] = (struct vring_desc){
		        master_buf_gpa(1, i), n, left ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1)};
	}
}

/* Sends it; a frame of odd size by an indirect table. */
static void transmit(struct master *m, uint32_t size, uint32_t first, uint32_t part)
{
	describe(m, size, first, part);
	if (size % 2)
		master_offer_indirect(m, 1, 0, 0);
	else
		master_offer(m, 1, 0);
}

/* Gathers what came back in one or several buffers, which are offered again; the whole size. */
static uint32_t receive(struct master *m)
{
	uint32_t size = 0, ids[64], len;
	uint16_t n = 1;

	for (uint16_t i = 0; i < n; i++) {
		assert_in_range(i, 0, EVS_ARRAY_LEN(ids) - 1);
		await(master_take_back(m, 0, &ids[i], &len));
		assert_in_range(len, 1, MASTER_BUF_SIZE);
		memcpy(got + size, master_buf(m, 0, ids[i]), len);
		size += len;
		if (i == 0)
			memcpy(&n, got + sizeof(struct virtio_net_hdr), sizeof(n));
	}
	for (uint16_t i = 0; i < n; i++)
		master_offer(m, 0, (uint16_t)ids[i]);
	return size;
}

static void check_chain(struct master *m, uint32_t size, uint32_t first, uint32_t part)
{
	uint32_t id, len;

	transmit(m, size, first, part);
	assert_int_equal(receive(m), size + HDR_SIZE);
	assert_memory_equal(got + HDR_SIZE, frame, size);
	await(master_reap(m, 1, &id, &len) == 1);
	assert_int_equal(len, 0);
}

static void test_sizes(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;

	connect_ready(&m, port, INDIRECT | MERGEABLE | OFFLOADS, 2);
	for (uint32_t size = 60; size < 2036; size += 17) {
		check_chain(&m, size, 2048, 2048);
		check_chain(&m, size, 12, 2048);
	}
	for (uint32_t size = 2000; size < 9000; size += 391) {
		check_chain(&m, size, 2048, 2048);
		check_chain(&m, size, 12, 1000);
		check_chain(&m, size, 5, 333);  /* a header in two */
		check_chain(&m, size, 100, 64); /* more pieces than are told of */
	}
	for (uint32_t size = 9001; size < FRAME_MAX; size += 4999)
		check_chain(&m, size, 2048, 2048);
	check_chain(&m, FRAME_MAX, 12, 2048);
	master_close(&m);
	test_close(0);
}

/* A chain of a split ring may end in a table, in both directions (virtio 1.1, 2.6.5.3.1). */
static void test_table_at_the_end(void **state)
{
	struct port *port = test_open(0, NULL);
	struct master m;
	uint32_t id, len;

	connect_empty(&m, port, INDIRECT | OFFLOADS, 2);
	for (unsigned before = 0; before < (m.packed ? 1 : 4); before++) {
		for (uint16_t i = 0; i < 5; i++)
			master_desc(&m, 0)[i] = (struct vring_desc){
			        master_buf_gpa(0, i), 600,
			        VRING_DESC_F_WRITE | (i < 4 ? VRING_DESC_F_NEXT : 0),
			        (uint16_t)(i + 1)};
		master_offer_indirect(&m, 0, 0, before);
		describe(&m, 2500, 100, 500);
		master_offer_indirect(&m, 1, 0, before);
		await(master_take_back(&m, 0, &id, &len));
		assert_int_equal(len, 2500 + HDR_SIZE);
		for (uint32_t i = 0; i < 5; i++)
			memcpy(got + i * 600, master_buf(&m, 0, i), 600);
		assert_memory_equal(got + HDR_SIZE, frame, 2500);
		await(master_reap(&m, 1, &id, &len) == 1);
	}
	master_close(&m);
	test_close(0);
}

/* From here on the test is the worker. */
static struct port *take_over_with(struct master *m, uint64_t features)
{
	struct port *port = test_open(0, NULL);

	evs_store_release(&echo_ports[0], NULL);
	evs_rcu_synchronize();
	connect_ready(m, port, features, 2);
	return port;
}

static struct port *take_over(struct master *m)
{
	return take_over_with(m, INDIRECT | MERGEABLE | OFFLOADS);
}

static void end(struct master *m, struct port *port)
{
	master_close(m);
	evs_store_release(&echo_ports[0], port);
	test_close(0);
}

static struct rte_mbuf *take_one(struct port *port)
{
	struct rte_mbuf *m = NULL;

	await(port->rx(port, 0, &m, 1) == 1);
	return m;
}

static void test_given_back_when_done(void **state)
{
	static const struct master_msg stop = {MASTER_GET_VRING_BASE, 1, 8, .state = {.index = 1}};
	struct master_msg answer;
	struct rte_mbuf *mbuf;
	struct master m;
	struct port *port = take_over(&m);
	uint32_t id, len;

	transmit(&m, 1500, 2048, 2048);
	mbuf = take_one(port);
	assert_true(mbuf->ol_flags & PKT_LENT);
	assert_int_equal(master_reap(&m, 1, &id, &len), 0);
	assert_int_equal(port->tx(port, 0, &mbuf, 1), 1);
	assert_int_equal(receive(&m), 1500 + HDR_SIZE);
	assert_int_equal(master_reap(&m, 1, &id, &len), 0);
	port_settle();
	assert_int_equal(master_reap(&m, 1, &id, &len), 1);

	transmit(&m, 1500, 2048, 2048);
	mbuf = take_one(port);
	assert_true(master_send(&m, &stop, -1)); /* is not handled while we hold the frame */
	usleep(200000);
	assert_int_equal(recv(m.fd, &answer, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(pkt_own(mbuf), 0);
	assert_memory_equal(rte_pktmbuf_mtod(mbuf, void *), frame, 1500);
	rte_pktmbuf_free(mbuf);
	port_settle();
	assert_true(master_receive(&m, &answer));
	assert_int_equal(answer.state.num, m.packed ? 0x8002 : 2); /* both are given back */
	end(&m, port);
}

/* Tags that are pushed before a lent frame make its one segment longer. */
static void test_longest(void **state)
{
	struct master m;
	struct port *port = take_over(&m);

	for (uint32_t size = FRAME_MAX - RTE_PKTMBUF_HEADROOM - 1; size <= FRAME_MAX; size++) {
		struct rte_mbuf *mbuf;

		transmit(&m, size, 2048, 2048);
		mbuf = take_one(port);
		assert_int_equal(mbuf->pkt_len, size);
		if (mbuf->ol_flags & PKT_LENT)
			assert_in_range(mbuf->data_len + rte_pktmbuf_headroom(mbuf), size,
			                UINT16_MAX);
		rte_pktmbuf_free(mbuf);
		port_settle();
	}
	end(&m, port);
}

/* The next frames are copied for a while. */
static void check_copied(struct master *m, struct port *port)
{
	unsigned n_copied = 0;
	struct rte_mbuf *mbuf;
	bool is_lent;

	do {
		transmit(m, 1500, 2048, 2048);
		mbuf = take_one(port);
		is_lent = mbuf->ol_flags & PKT_LENT;
		if (!is_lent)
			assert_memory_equal(rte_pktmbuf_mtod(mbuf, void *), frame, 1500);
		rte_pktmbuf_free(mbuf);
		port_settle();
	} while (!is_lent && ++n_copied < SPARSE_MAX);
	assert_in_range(n_copied, 1, SPARSE_MAX - 1);
}

/* What was lent and had to be copied is copied at once for a while. */
static void test_in_vain(void **state)
{
	struct master m;
	struct port *port = take_over(&m);
	struct rte_mbuf *mbuf;

	transmit(&m, 1500, 2048, 2048);
	mbuf = take_one(port);
	assert_int_equal(pkt_own(mbuf), 0);
	rte_pktmbuf_free(mbuf);
	port_settle();
	check_copied(&m, port);
	end(&m, port);
}

/* So is a frame that never was handed out as lent, since its checksum had to be written: one that
 * is neither TCP nor UDP. */
static void test_in_vain_at_once(void **state)
{
	const struct virtio_net_hdr hdr = {
	        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 2};
	struct master m;
	struct port *port = take_over(&m);
	struct rte_mbuf *mbuf;

	describe(&m, 1500, 2048, 2048);
	memcpy(master_buf(&m, 1, 0), &hdr, sizeof(hdr));
	master_buf(&m, 1, 0)[HDR_SIZE + 23] = IPPROTO_ICMP;
	master_offer(&m, 1, 0);
	mbuf = take_one(port);
	assert_false(mbuf->ol_flags & PKT_LENT);
	rte_pktmbuf_free(mbuf);
	check_copied(&m, port);
	end(&m, port);
}

static void forward(struct master *m, struct port *port, uint32_t size)
{
	struct rte_mbuf *mbuf;

	transmit(m, size, 2048, 2048);
	mbuf = take_one(port);
	assert_int_equal(port->tx(port, 0, &mbuf, 1), 1);
	assert_int_equal(receive(m), size + HDR_SIZE);
	port_settle();
}

static void poll_in_vain(struct port *port, unsigned n)
{
	struct rte_mbuf *mbuf;

	while (n--)
		assert_int_equal(port->rx(port, 0, &mbuf, 1), 0);
}

static unsigned reap(struct master *m)
{
	uint32_t id, len;

	return master_reap(m, 1, &id, &len);
}

static void test_kept_back(void **state)
{
	struct master m;
	struct port *port = take_over(&m);

	master_be_quiet(&m, 1, true);
	for (unsigned i = 0; i < KEPT_MAX; i++)
		forward(&m, port, 1500);
	assert_int_equal(reap(&m), 0);
	forward(&m, port, 1500); /* no more of them */
	assert_int_equal(reap(&m), 1);
	poll_in_vain(port, 1);
	assert_int_equal(reap(&m), 0);
	poll_in_vain(port, POLLS_MAX); /* it is quiet */
	assert_int_equal(reap(&m), KEPT_MAX);

	forward(&m, port, 1500);
	forward(&m, port, 60); /* no small frame is kept, so none comes again from another evsd */
	assert_int_equal(reap(&m), 2);
	forward(&m, port, 4000); /* nor a chain: it could be all that the ring has */
	assert_int_equal(reap(&m), 1);

	forward(&m, port, 1500);
	master_be_quiet(&m, 1, false); /* it waits to be told */
	poll_in_vain(port, 1);
	assert_int_equal(reap(&m), 1);
	end(&m, port);
}

/* With an event index a guest has calls off for moments only, while it works. */
static void test_not_kept_with_index(void **state)
{
	struct master m;
	struct port *port = take_over_with(&m, MERGEABLE | 1ull << VIRTIO_RING_F_EVENT_IDX);

	master_be_quiet(&m, 1, true);
	forward(&m, port, 1500);
	assert_int_equal(reap(&m), 1);
	end(&m, port);
}

static void test_kept_is_back_when_stopped(void **state)
{
	struct master m;
	struct port *port = take_over(&m);

	master_be_quiet(&m, 1, true);
	for (unsigned i = 0; i < 5; i++)
		forward(&m, port, 1500);
	assert_int_equal(reap(&m), 0);
	assert_true(master_stop_vring(&m, 1));
	assert_int_equal(reap(&m), 5);
	end(&m, port);
}

#define LONG_LEN 512

/* A ring without a port, which holds one table of n descriptors, the first one of 64 bytes. */
static uint16_t take_table(const struct vhu_catch *c, uint32_t n, uint32_t size)
{
	static struct {
		struct vring_desc desc, table[LONG_LEN];
		uint32_t used[1 + 2 * LONG_LEN + 1];
		uint16_t avail[3 + LONG_LEN];
		uint8_t bytes[128];
	} guest;
	const struct vhu_mem mem = {1, {{MASTER_GPA, sizeof(guest), (uint8_t *)&guest}}};
	struct vhu_ring ring = {.index = 1,
	                        .size = LONG_LEN,
	                        .is_active = true,
	                        .hdr_size = HDR_SIZE,
	                        .sparse = 1,
	                        .layout = &vhu_split,
	                        .call_fd = -1,
	                        .mem = &mem};
	const uint64_t bytes = MASTER_GPA + (uint64_t)((uint8_t *)guest.bytes - (uint8_t *)&guest);
	const uint64_t table = MASTER_GPA + (uint64_t)((uint8_t *)guest.table - (uint8_t *)&guest);

	for (uint32_t i = 0; i < n; i++)
		guest.table[i] = (struct vring_desc){
		        bytes, i ? size : 64, i + 1 < n ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1)};
	guest.desc = (struct vring_desc){table, n * 16, VRING_DESC_F_INDIRECT, 0};
	guest.avail[1] = 1;
	ring.desc = &guest.desc;
	ring.avail = (void *)guest.avail;
	ring.used = (void *)guest.used;
	return vhu_ring_take(&ring, c);
}

/* As many as the steps that a frame may cost, also if they are empty. */
static void test_many_descriptors(void **state)
{
	static const struct {
		uint32_t n, size, taken;
	} cases[] = {
	        {2, 20, 1}, {256, 20, 1}, {257, 20, 0}, {2, 0, 1}, {256, 0, 1}, {LONG_LEN, 0, 0},
	};
	struct port *port = test_open(0, NULL);

	for (unsigned i = 0; i < EVS_ARRAY_LEN(cases); i++) {
		uint64_t dropped[PKT_N_DROPS] = {0};
		struct rte_mbuf *mbuf = NULL;
		const struct vhu_catch c = {port->pool, dropped, &mbuf, 1};

		assert_int_equal(take_table(&c, cases[i].n, cases[i].size), cases[i].taken);
		assert_int_equal(dropped[PKT_DROP_GUEST_BAD_BUFFER], !cases[i].taken);
		if (!cases[i].taken)
			continue;
		assert_int_equal(mbuf->pkt_len, 64 - HDR_SIZE + (cases[i].n - 1) * cases[i].size);
		rte_pktmbuf_free(mbuf);
	}
	test_close(0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_sizes),
	        cmocka_unit_test(test_table_at_the_end),
	        cmocka_unit_test(test_given_back_when_done),
	        cmocka_unit_test(test_longest),
	        cmocka_unit_test(test_in_vain),
	        cmocka_unit_test(test_in_vain_at_once),
	        cmocka_unit_test(test_kept_back),
	        cmocka_unit_test(test_not_kept_with_index),
	        cmocka_unit_test(test_kept_is_back_when_stopped),
	        cmocka_unit_test(test_many_descriptors),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	test_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_end();
	return ret;
}
