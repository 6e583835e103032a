/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a guest's frame cost? A guest of this process sends from one ring and receives in
 * another; one thread plays guest and worker, so that nobody waits. For each size: cycles of taking
 * frames from the guest (evs' own reader, and DPDK's; split and packed rings), of giving them to
 * it, and of nothing but copying as many bytes once. Frames of more than 9,000 bytes are TCP
 * segments with a request. Usage: micro_vhu [windows]. The best window counts. Prints one JSON
 * object.
 */
#include <rte_ip.h>
#include <rte_memcpy.h>
#include <rte_tcp.h>

#include "../tests/unit/vhost/vhu_master.h"
#include "../tests/unit/vhost/vhu_test.h"
#include "vhost/vhu_pvt.h"

#define BURST  32
#define CHUNK  2048u /* of a frame, a descriptor */
#define ROUNDS 64    /* bursts in a window */

static struct master m;
static struct port *port;
static unsigned n_windows = 200;
static uint32_t frame_size, n_chunks, burst;

struct cost {
	double take, give, copy;
};

static void make_frame(uint8_t *to)
{
	static const uint8_t macs[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	struct virtio_net_hdr hdr = {
	        VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 54, 1448, 34, 16};
	struct rte_ipv4_hdr ip = {.version_ihl = 0x45, .next_proto_id = IPPROTO_TCP};
	struct rte_tcp_hdr tcp = {.data_off = 0x50};

	ip.total_length = rte_cpu_to_be_16((uint16_t)(frame_size - 14));
	tcp.cksum = rte_ipv4_phdr_cksum(&ip, 0);
	memset(to, 0, 12);
	if (frame_size > 9014)
		memcpy(to, &hdr, sizeof(hdr));
	memcpy(to + 12, macs, sizeof(macs));
	memcpy(to + 26, &ip, sizeof(ip));
	memcpy(to + 46, &tcp, sizeof(tcp));
}

/* Chains of n_chunks descriptors; as many frames as the ring has room for. */
static void describe(void)
{
	uint32_t left = 0;

	for (uint16_t i = 0; i < burst * n_chunks; i++) {
		uint32_t first = i % n_chunks == 0, part;

		if (first) {
			left = frame_size + 12;
			make_frame(master_buf(&m, 1, i));
		}
		part = EVS_MIN(left, CHUNK);
		left -= part;
		master_desc(&m, 1)[i] =
		        (struct vring_desc){master_buf_gpa(1, i), part,
		                            left ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1)};
	}
}

static void send_burst(void)
{
	for (uint16_t i = 0; i < burst; i++)
		master_offer(&m, 1, (uint16_t)(i * n_chunks));
}

/* All that came back may be filled again. */
static void recycle(void)
{
	uint32_t id, len;

	while (master_take_back(&m, 0, &id, &len))
		master_offer(&m, 0, (uint16_t)id);
	while (master_take_back(&m, 1, &id, &len))
		;
}

static void one_window(struct cost *best)
{
	uint64_t take = 0, give = 0, n = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct rte_mbuf *mbufs[BURST];
		uint64_t t0, t1, t2;
		uint16_t got, sent;

		send_burst();
		t0 = evs_clock_tsc();
		got = port->rx(port, 0, mbufs, (uint16_t)burst);
		t1 = evs_clock_tsc();
		sent = port->tx(port, 0, mbufs, got);
		port_settle();
		t2 = evs_clock_tsc();
		if (got != burst || sent != got) {
			fprintf(stderr, "micro_vhu: %u of %u bytes taken, %u given\n", got,
			        frame_size, sent);
			exit(1);
		}
		take += t1 - t0;
		give += t2 - t1;
		n += got;
		recycle();
	}
	best->take = EVS_MIN(best->take, (double)take / (double)n);
	best->give = EVS_MIN(best->give, (double)give / (double)n);
}

/* The frames' bytes from the guest's memory to buffers of the pool, and nothing else. */
static void one_copy(struct cost *best)
{
	struct rte_mbuf *mbufs[MASTER_RING_LEN];
	unsigned n = burst * n_chunks;
	uint64_t t0;

	if (rte_pktmbuf_alloc_bulk(port->pool, mbufs, n))
		exit(1);
	t0 = evs_clock_tsc();
	for (unsigned i = 0; i < n; i++)
		rte_memcpy(rte_pktmbuf_mtod(mbufs[i], void *), master_buf(&m, 1, i),
		           EVS_MIN(frame_size, CHUNK));
	best->copy = EVS_MIN(best->copy, (double)(evs_clock_tsc() - t0) / burst);
	rte_pktmbuf_free_bulk(mbufs, n);
}

static struct cost measure(uint32_t size)
{
	struct cost best = {1e9, 1e9, 1e9};

	frame_size = size;
	n_chunks = (size + 12 + CHUNK - 1) / CHUNK;
	burst = EVS_MIN((uint32_t)BURST, MASTER_RING_LEN / 2 / n_chunks);
	describe();
	for (unsigned i = 0; i < n_windows; i++) {
		one_window(&best);
		one_copy(&best);
	}
	return best;
}

static void connect_guest(bool own, bool packed)
{
	const uint64_t features = 1ull << 32 | 1ull << VIRTIO_NET_F_MRG_RXBUF |
	                          1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM |
	                          1ull << VIRTIO_NET_F_HOST_TSO4 | 1ull << VIRTIO_NET_F_HOST_TSO6 |
	                          1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_GUEST_TSO6;
	struct vhu *vhu;

	setenv("VHU_RINGS", packed ? "packed" : "split", 1);
	port = test_open(0, NULL);
	evs_store_release(&echo_ports[0], NULL); /* we are the worker */
	test_connect(&m, 0);
	if (!master_start(&m, features, 2))
		exit(1);
	while (!port->link_up)
		port_poll_links(NULL, NULL);
	vhu = port->priv;
	if (!own) {
		vhu_rings_pause(vhu->served, VHU_REST_FOR_GOOD);
		evs_store_relaxed(&vhu->served->is_ours, false);
	}
	master_be_quiet(&m, 0, true);
	master_be_quiet(&m, 1, true);
	master_refill(&m, 0);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {64, 512, 1500, 9000, 65000};

	n_windows = argc > 1 ? (unsigned)atoi(argv[1]) : n_windows;
	test_start();
	evs_store_relaxed(&worker_ends, true); /* we do its work */
	pthread_join(test_worker, NULL);
	printf("{\"question\": \"cycles a frame\"");
	for (int kind = 0; kind < 4; kind++) {
		const bool own = kind < 2, packed = kind & 1;

		connect_guest(own, packed);
		for (unsigned i = 0; i < EVS_ARRAY_LEN(sizes); i++) {
			struct cost cost = measure(sizes[i]);

			printf(", \"%s%s-%u\": {\"take\": %.0f, \"give\": %.0f, \"copy\": %.0f}",
			       own ? "evs" : "library", packed ? "-packed" : "", sizes[i],
			       cost.take, cost.give, cost.copy);
			fflush(stdout);
		}
		master_close(&m);
		port_destroy(port);
	}
	printf("}\n");
	port_fini();
	evs_rcu_fini();
	rmdir(test_dir);
	return 0;
}
