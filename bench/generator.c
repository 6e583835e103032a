/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that sends UDP flows at a rate through its first port and looks at what comes back
 * through its second one, with the time that each packet took. Usage: generator EAL-OPTIONS --
 * [FRAMES.pcap | tso:BYTES] Each line "RATE FLOWS SECONDS" on its input is a run, answered by one
 * JSON object. RATE: packets a second, 0: as many as go. FLOWS: five-tuples in turn, 0: each packet
 * has a new one. With a file its frames are sent in turn instead; with tso:BYTES TCP segments of so
 * many bytes, to be cut by whoever must. SIGUSR1 ends a run early. One thread; its CPU is busy only
 * during runs.
 */
#include <inttypes.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define BURST      32
#define FRAME_SIZE 60
#define RING       1024
#define MAGIC      UINT32_C(0x65767367)
#define MAX_FRAMES 100000
#define LARGE_PART 2000 /* bytes of a large segment in one buffer */
#define LARGE_MSS  1448
#define N_BINS     (1u << 20) /* of latencies, each BIN_NS wide */
#define BIN_NS     50
#define DRAIN_US   20000

struct frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	uint32_t magic;
	uint64_t tsc;
	uint8_t pad[6];
} __rte_packed __rte_aligned(2);
_Static_assert(sizeof(struct frame) == FRAME_SIZE, "a frame of 64 bytes, FCS counted");

struct result {
	uint64_t sent, received, received_bytes, timed;
	double seconds;
};

static volatile sig_atomic_t ended;           /* the run shall end now */
static struct rte_mempool *rx_pool, *tx_pool; /* small: what a CPU touches stays in its cache */
static uint16_t n_ports;
static uint32_t bins[N_BINS];
static uint64_t next_flow;
static struct {
	uint8_t *data;
	uint32_t size;
} frames[MAX_FRAMES];
static uint32_t n_frames;
static struct rte_mbuf *large[2 * BURST]; /* segments that are sent again and again */
static uint32_t n_large;

static void fail(const char *what)
{
	fprintf(stderr, "generator: %s\n", what);
	exit(1);
}

static void end_run(int signal)
{
	(void)signal;
	ended = 1;
}

static void open_port(uint16_t port)
{
	struct rte_eth_conf conf = {0};

	if (n_large) {
		conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER |
		                       RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
		conf.txmode.offloads = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
		                       RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	}
	if (rte_eth_dev_configure(port, 1, 1, &conf) ||
	    rte_eth_rx_queue_setup(port, 0, RING, SOCKET_ID_ANY, NULL, rx_pool) ||
	    rte_eth_tx_queue_setup(port, 0, RING, SOCKET_ID_ANY, NULL) || rte_eth_dev_start(port))
		fail("cannot start a port");
}

static void load_frames(const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *file = pcap_open_offline(path, error);
	struct pcap_pkthdr *header;
	const uint8_t *data;

	if (!file)
		fail(error);
	while (n_frames < MAX_FRAMES && pcap_next_ex(file, &header, &data) == 1) {
		frames[n_frames].data = malloc(header->caplen);
		frames[n_frames].size = header->caplen;
		memcpy(frames[n_frames++].data, data, header->caplen);
	}
	pcap_close(file);
}

/* Flow k: source address and port tell all flows apart. */
static void fill_flow(struct rte_mbuf *m, uint32_t k)
{
	uint32_t x = k * UINT32_C(0x9e3779b1);
	struct frame *f = rte_pktmbuf_mtod(m, struct frame *);

	*f = (struct frame){
	        .eth = {{{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 1}}, RTE_BE16(RTE_ETHER_TYPE_IPV4)},
	        .ip = {.version_ihl = 0x45,
	               .total_length = RTE_BE16(FRAME_SIZE - 14),
	               .time_to_live = 64,
	               .next_proto_id = IPPROTO_UDP,
	               .src_addr = rte_cpu_to_be_32(0x0a000000 | x >> 12),
	               .dst_addr = rte_cpu_to_be_32(0x0b000000 | (x * 5 & 0xffffff))},
	        .udp = {.src_port = rte_cpu_to_be_16((uint16_t)(1024 + (x & 0xfff))),
	                .dst_port = rte_cpu_to_be_16((uint16_t)(1 + (x * 7 & 0x7fff))),
	                .dgram_len = RTE_BE16(FRAME_SIZE - 34)},
	        .magic = MAGIC,
	        .tsc = rte_rdtsc(),
	};
	f->ip.hdr_checksum = rte_ipv4_cksum(&f->ip);
	m->data_len = FRAME_SIZE;
	m->pkt_len = FRAME_SIZE;
}

static void fill_file(struct rte_mbuf *m, uint32_t k)
{
	memcpy(rte_pktmbuf_mtod(m, void *), frames[k].data, frames[k].size);
	m->data_len = (uint16_t)frames[k].size;
	m->pkt_len = frames[k].size;
}

static void fill_tcp(struct rte_mbuf *m)
{
	struct {
		struct rte_ether_hdr eth;
		struct rte_ipv4_hdr ip;
		struct rte_tcp_hdr tcp;
	} __rte_packed __rte_aligned(2) *f = rte_pktmbuf_mtod(m, void *);

	f->eth = (struct rte_ether_hdr){
	        {{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 1}}, RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	f->ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
	                              .total_length = rte_cpu_to_be_16((uint16_t)(m->pkt_len - 14)),
	                              .time_to_live = 64,
	                              .next_proto_id = IPPROTO_TCP,
	                              .src_addr = RTE_BE32(0x0a000001),
	                              .dst_addr = RTE_BE32(0x0a000002)};
	f->ip.hdr_checksum = rte_ipv4_cksum(&f->ip);
	f->tcp = (struct rte_tcp_hdr){.data_off = 0x50, .tcp_flags = RTE_TCP_ACK_FLAG};
	m->l2_len = sizeof(f->eth);
	m->l3_len = sizeof(f->ip);
	m->l4_len = sizeof(f->tcp);
	m->tso_segsz = LARGE_MSS;
	m->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
	f->tcp.cksum = rte_ipv4_phdr_cksum(&f->ip, m->ol_flags);
}

static struct rte_mbuf *make_large(uint32_t size)
{
	struct rte_mbuf *head = NULL, *last = NULL;

	for (uint32_t left = size, part; left; left -= part) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(tx_pool);

		if (!m)
			return NULL;
		part = RTE_MIN(left, LARGE_PART + 0u);
		memset(rte_pktmbuf_mtod(m, void *), 0, part);
		m->data_len = (uint16_t)part;
		if (head) {
			last->next = m;
			head->nb_segs++;
		} else {
			head = m;
			m->pkt_len = size;
		}
		last = m;
	}
	fill_tcp(head);
	return head;
}

/* As many as there are buffers for, and room for others. */
static void make_larges(uint32_t size)
{
	uint32_t most = RTE_MIN(1900 / (size / LARGE_PART + 1), RTE_DIM(large));

	if (size < 2 * LARGE_MSS || size > UINT16_MAX)
		fail("tso: from 2,896 to 65,535 bytes");
	while (n_large < most)
		if (!(large[n_large++] = make_large(size)))
			fail("no memory for large segments");
}

static uint32_t turn(uint64_t n_flows)
{
	uint64_t k = next_flow++;

	if (n_frames)
		return (uint32_t)(k % n_frames);
	return (uint32_t)(n_flows ? k % n_flows : k);
}

/* Up to n packets; what the ring does not take waits for the next call, its time running. */
static unsigned send_some(unsigned n, uint64_t n_flows)
{
	static struct rte_mbuf *ready[BURST];
	static unsigned n_ready;
	unsigned sent;

	if (n_ready == 0 && n_large) {
		for (; n_ready < n; n_ready++) {
			ready[n_ready] = large[next_flow++ % n_large];
			rte_pktmbuf_refcnt_update(ready[n_ready], 1);
		}
	} else if (n_ready == 0 && rte_pktmbuf_alloc_bulk(tx_pool, ready, n) == 0) {
		for (n_ready = 0; n_ready < n; n_ready++) {
			if (n_frames)
				fill_file(ready[n_ready], turn(n_flows));
			else
				fill_flow(ready[n_ready], turn(n_flows));
		}
	}
	sent = rte_eth_tx_burst(0, 0, ready, (uint16_t)n_ready);
	n_ready -= sent;
	memmove(ready, ready + sent, n_ready * sizeof(ready[0]));
	return sent;
}

static void receive(struct result *r)
{
	struct rte_mbuf *mbufs[BURST];
	unsigned n = rte_eth_rx_burst(n_ports - 1, 0, mbufs, BURST);
	uint64_t now = rte_rdtsc(), hz = rte_get_tsc_hz();

	for (unsigned i = 0; i < n; i++) {
		const struct frame *f = rte_pktmbuf_mtod(mbufs[i], const struct frame *);

		if (mbufs[i]->data_len == FRAME_SIZE && f->magic == MAGIC && f->tsc < now) {
			uint64_t bin = (now - f->tsc) * 1000000000 / hz / BIN_NS;

			bins[RTE_MIN(bin, N_BINS - 1ul)]++;
			r->timed++;
		}
		r->received_bytes += mbufs[i]->pkt_len;
	}
	r->received += n;
	rte_pktmbuf_free_bulk(mbufs, n);
}

static void run(double rate, uint64_t n_flows, double seconds, struct result *r)
{
	uint64_t hz = rte_get_tsc_hz(), start = rte_rdtsc(), now = start;
	uint64_t end = start + (uint64_t)(seconds * (double)hz), late = 0;
	const uint64_t behind = (uint64_t)RTE_MIN(2 * BURST + rate / 1000, (double)RING);

	memset(bins, 0, sizeof(bins));
	for (ended = 0; now < end && !ended;) {
		uint64_t due = rate > 0 ? (uint64_t)((double)(now - start) * rate / (double)hz)
		                        : r->sent + BURST;

		if (due > r->sent + late + behind) /* it stood still: no burst makes up for it */
			late = due - r->sent;
		if (due > r->sent + late)
			r->sent += send_some((unsigned)RTE_MIN(due - r->sent - late, BURST + 0ul),
			                     n_flows);
		receive(r);
		now = rte_rdtsc();
	}
	r->seconds = (double)(now - start) / (double)hz;
	for (end = now + hz / 1000000 * DRAIN_US; rte_rdtsc() < end;)
		receive(r);
}

static double quantile(const struct result *r, double q)
{
	uint64_t want = (uint64_t)((double)r->timed * q), seen = 0;

	for (uint32_t i = 0; i < N_BINS; i++) {
		seen += bins[i];
		if (seen > want)
			return (i + 0.5) * BIN_NS / 1000;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	double rate, seconds;
	uint64_t n_flows;
	char line[128];

	if (used < 0)
		fail("EAL");
	if (argc > used + 1 && strncmp(argv[used + 1], "tso:", 4))
		load_frames(argv[used + 1]);
	n_ports = rte_eth_dev_count_avail();
	tx_pool = rte_pktmbuf_pool_create("tx", 2047, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
	                                  SOCKET_ID_ANY);
	rx_pool = rte_pktmbuf_pool_create("rx", n_ports * 2048u - 1, 256, 0,
	                                  RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!tx_pool || !rx_pool || n_ports == 0)
		fail("no memory, or no port");
	if (argc > used + 1 && !strncmp(argv[used + 1], "tso:", 4))
		make_larges((uint32_t)atoi(argv[used + 1] + 4));
	for (uint16_t i = 0; i < n_ports; i++)
		open_port(i);
	signal(SIGUSR1, end_run);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		struct result r = {0};

		if (sscanf(line, "%lf %" SCNu64 " %lf", &rate, &n_flows, &seconds) != 3)
			fail("a line is RATE FLOWS SECONDS");
		run(rate, n_flows, seconds, &r);
		printf("{\"sent\": %" PRIu64 ", \"received\": %" PRIu64
		       ", \"received_bytes\": %" PRIu64 ", \"pps\": %.0f, "
		       "\"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f}\n",
		       r.sent, r.received, r.received_bytes, (double)r.sent / r.seconds,
		       quantile(&r, 0.5), quantile(&r, 0.99), quantile(&r, 0.999));
		fflush(stdout);
	}
	return rte_eal_cleanup();
}
