/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does tx-steering=hash cost? A guest of this process receives bursts of 32 frames, each of
 * another flow, by one ring, as with tx-steering=thread, or by 2 to 16, which take turns window by
 * window; one thread plays guest and worker, so that nobody waits for a ring. Cycles a frame.
 * Usage: micro_steer [windows]. The best window counts. Prints one JSON object.
 */
#include <rte_ip.h>
#include <rte_udp.h>

#include "../tests/unit/vhost/vhu_master.h"
#include "../tests/unit/vhost/vhu_test.h"
#include "pkt/pkt_hash.h"

#define BURST  32
#define ROUNDS 64 /* bursts in a window */
#define WAYS   5  /* a ring for the worker, then 2, 4, 8, 16 for all */

static struct master m;
static struct port *port;

static struct rte_mbuf *make_frame(uint16_t flow, uint16_t size)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(port->pool);
	uint8_t *at = frame ? (uint8_t *)rte_pktmbuf_append(frame, size) : NULL;
	struct rte_ipv4_hdr ip = {.version_ihl = 0x45, .next_proto_id = IPPROTO_UDP};
	struct rte_udp_hdr udp = {.src_port = rte_cpu_to_be_16(flow)};

	if (!at)
		exit(1);
	memset(at, 0, size);
	at[12] = 8;
	memcpy(at + 14, &ip, sizeof(ip));
	memcpy(at + 34, &udp, sizeof(udp));
	return frame;
}

static void set_steering(bool by_hash)
{
	const struct port_args args = {1, {{"tx-steering", by_hash ? "hash" : "thread"}}};

	if (port_set(port, &args, NULL))
		exit(1);
}

static void wait_handled(void)
{
	struct master_msg last = {.request = MASTER_GET_FEATURES, .flags = 1};

	if (!master_send(&m, &last, -1) || !master_receive(&m, &last))
		exit(1);
}

static void set_rings(unsigned n)
{
	for (unsigned pair = 0; pair < MASTER_RINGS / 2; pair++)
		master_enable(&m, 2 * pair, pair < n);
	wait_handled();
	set_steering(n > 1);
}

static void recycle(void)
{
	uint32_t id, len;

	for (unsigned ring = 0; ring < MASTER_RINGS; ring += 2)
		while (master_take_back(&m, ring, &id, &len))
			master_offer(&m, ring, (uint16_t)id);
}

static double one_window(struct rte_mbuf *const *frames)
{
	uint64_t cycles = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct rte_mbuf *burst[BURST];
		uint64_t t0;

		memcpy(burst, frames, sizeof(burst));
		for (unsigned f = 0; f < BURST; f++)
			rte_mbuf_refcnt_update(burst[f], 1); /* they stay */
		t0 = evs_clock_tsc();
		if (port->tx(port, 0, burst, BURST) != BURST)
			exit(1);
		cycles += evs_clock_tsc() - t0;
		recycle();
	}
	return (double)cycles / (ROUNDS * BURST);
}

static void measure(uint16_t size, unsigned n_windows)
{
	double best[WAYS] = {1e9, 1e9, 1e9, 1e9, 1e9};
	struct rte_mbuf *frames[BURST];

	for (uint16_t i = 0; i < BURST; i++)
		frames[i] = make_frame(i, size);
	for (unsigned w = 0; w < n_windows; w++)
		for (unsigned way = 0; way < WAYS; way++) {
			double cycles;

			set_rings(1u << way);
			cycles = one_window(frames);
			best[way] = EVS_MIN(best[way], cycles);
		}
	rte_pktmbuf_free_bulk(frames, BURST);
	printf(", \"thread-%u\": %.0f", size, best[0]);
	for (unsigned way = 1; way < WAYS; way++)
		printf(", \"hash-%u-rings-%u\": %.0f", 1u << way, size, best[way]);
}

int main(int argc, char **argv)
{
	static const uint16_t sizes[] = {64, 512, 1500};
	const uint64_t features = 1ull << 32 | 1ull << VIRTIO_NET_F_MRG_RXBUF |
	                          1ull << VIRTIO_NET_F_MQ | 1ull << VIRTIO_NET_F_CTRL_VQ;
	unsigned n_windows = argc > 1 ? (unsigned)atoi(argv[1]) : 200;

	pkt_hash_init(1);
	test_start();
	evs_store_relaxed(&worker_ends, true); /* we do its work */
	pthread_join(test_worker, NULL);
	port = test_open(0, NULL);
	test_connect(&m, 0);
	if (!master_start(&m, features, MASTER_RINGS))
		exit(1);
	while (!port->link_up)
		port_poll_links(NULL, NULL);
	for (unsigned ring = 0; ring < MASTER_RINGS; ring += 2) {
		master_be_quiet(&m, ring, true);
		master_refill(&m, ring);
	}
	printf("{\"question\": \"cycles a frame\"");
	for (unsigned i = 0; i < EVS_ARRAY_LEN(sizes); i++)
		measure(sizes[i], n_windows);
	printf("}\n");
	master_close(&m);
	port_destroy(port);
	port_fini();
	evs_rcu_fini();
	rmdir(test_dir);
	return 0;
}
