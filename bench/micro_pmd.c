/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a packet cost between the drivers? Two ports without cost on one worker, both ways:
 * receive hands out prebuilt 64-byte frames, send forgets them.
 * Usage: micro_pmd [flows [outputs [seconds [MODE]]]]. Modes: plain; neighbour shapes a port that
 * nothing goes to, police and shape the two that the packets use, to rates that never hold; encap
 * and decap put the packets into VXLAN and take them out, one way; csum leaves checksums open
 * between ports that fill them in. Prints one JSON object: cycles a packet, by stage.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "../tests/test_eal.h"
#include "base/evs_clock.h"
#include "pkt/pkt_hash.h"
#include "pmd/pmd.h"
#include "pmd/pmd_ingress.h"
#include "pmd/pmd_shape.h"
#include "tunnel/tun_ports.h"

#define N_PORTS    4
#define FRAME_SIZE 60
#define HEADROOM   128
#define VNI        77

static struct {
	struct port port;
	struct rte_mbuf **mbufs; /* n of them, a multiple of a burst */
	unsigned n, next;
} ports[N_PORTS + 1];
static unsigned n_outputs = 1;
static enum { PLAIN, ENCAP, DECAP } tunnel;
static bool leaves_csum;
static struct pkt_tunnel_header header;
static uint16_t frame_size = FRAME_SIZE; /* received */

static uint16_t rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	unsigned i = port->index, next = ports[i].next;

	if (ports[i].n == 0)
		return 0;
	memcpy(mbufs, ports[i].mbufs + next, PKT_BURST_MAX * sizeof(*mbufs));
	for (unsigned k = 0; k < n; k++)
		rte_mbuf_refcnt_set(mbufs[k], 1);
	ports[i].next = next + n == ports[i].n ? 0 : next + n;
	return n;
}

/* Frames as they were before tunnels were put on and taken off. */
static uint16_t rx_again(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	n = rx(port, queue, mbufs, n);
	for (unsigned k = 0; k < n; k++) {
		mbufs[k]->data_off = HEADROOM;
		mbufs[k]->data_len = frame_size;
		mbufs[k]->pkt_len = frame_size;
	}
	return n;
}

static uint16_t tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return n;
}

/* Port 1 to port 2 and back; with more outputs also to ports 3 and 4. Outer packets are all of one
 * cached flow. */
static void translate(unsigned worker, const struct pkt_burst *burst, unsigned i,
                      struct flow_xlate *x)
{
	bool outer = tunnel == DECAP && burst->base[i].in_port == 1;

	memset(&x->mask, 0, sizeof(x->mask));
	memset(&x->mask.base, 0xff, offsetof(struct pkt_key_base, tcp_flags));
	x->mask.base.lines = 0;
	flow_prog_builder_init(&x->prog);
	x->n_refs = 0;
	x->cacheable = true;
	if (tunnel == ENCAP)
		flow_prog_add_tunnel(&x->prog, 4, &header);
	if (outer) {
		x->mask.base.tp_src = 0;
		flow_prog_add(&x->prog, FLOW_OP_TUNNEL_POP, TUN_VXLAN << 16 | 4789);
		return;
	}
	for (unsigned o = 0; o < n_outputs; o++)
		flow_prog_add(&x->prog, FLOW_OP_OUTPUT,
		              o                             ? 2 + o
		              : burst->base[i].in_port == 2 ? 1
		                                            : 2);
}

static struct rte_mbuf *frame(struct rte_mempool *pool, unsigned port, unsigned flow)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *eth = m ? (void *)rte_pktmbuf_append(m, FRAME_SIZE) : NULL;
	struct rte_ipv4_hdr *ip = (void *)(eth + 1);
	struct rte_udp_hdr *udp = (void *)(ip + 1);

	if (!eth)
		exit(1);
	memset(eth, 0, FRAME_SIZE);
	eth->dst_addr.addr_bytes[5] = (uint8_t)(3 - port);
	eth->src_addr.addr_bytes[5] = (uint8_t)port;
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16(FRAME_SIZE - 14);
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = rte_cpu_to_be_32(0x0a000000 + (port << 20) + flow);
	ip->dst_addr = rte_cpu_to_be_32(0x0b000001);
	udp->src_port = rte_cpu_to_be_16((uint16_t)(flow * 7));
	udp->dst_port = rte_cpu_to_be_16(53);
	udp->dgram_len = rte_cpu_to_be_16(FRAME_SIZE - 34);
	m->l2_len = sizeof(*eth);
	m->l3_len = sizeof(*ip);
	m->ol_flags |= leaves_csum ? RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV4 : 0;
	return m;
}

/* To decapsulate: in a tunnel from the remote end. */
static struct rte_mbuf *outer(struct rte_mbuf *m, unsigned flow)
{
	if (tunnel != DECAP)
		return m;
	if (tun_push(&header, m, flow * 0x9e3779b1u))
		exit(1);
	memmove((uint8_t *)m->buf_addr + HEADROOM, rte_pktmbuf_mtod(m, void *), m->data_len);
	frame_size = m->data_len;
	return m;
}

/* Port 4 is a tunnel port; the header has the addresses in the order of the direction. */
static int open_tunnel(struct evs_error *err)
{
	struct tun_match match = {.kind = TUN_VXLAN,
	                          .wild = TUN_ANY_LOCAL | TUN_ANY_KEY,
	                          .dst_port = 4789,
	                          .index = 4};
	struct tun_outer o = {.kind = TUN_VXLAN,
	                      .eth_dst = {2, 1},
	                      .eth_src = {2, 2},
	                      .ttl = 64,
	                      .flags = PKT_TUN_DF,
	                      .key = rte_cpu_to_be_64(VNI),
	                      .dst_port = rte_cpu_to_be_16(4789),
	                      .sport_lo = TUN_SPORT_LO,
	                      .sport_n = TUN_SPORT_N};

	memcpy(o.src + 10, "\xff\xff\x0a\x00\x00\x01", 6);
	memcpy(o.dst + 10, "\xff\xff\x0a\x00\x00\x02", 6);
	memcpy(match.remote, o.src, sizeof(match.remote));
	return tun_header_build(&o, &header) ? -1 : tun_port_add(&match, err);
}

static int open_ports(unsigned n_flows)
{
	unsigned n = EVS_MAX(512u, (n_flows + PKT_BURST_MAX - 1) / PKT_BURST_MAX * PKT_BURST_MAX);
	struct rte_mempool *pool =
	        rte_pktmbuf_pool_create("bench", 2 * n + 1, 0, 0, 256 + FRAME_SIZE, SOCKET_ID_ANY);
	struct evs_error err;

	if (!pool)
		return -1;
	for (unsigned i = 1; i <= N_PORTS; i++) {
		struct port *port = &ports[i].port;

		snprintf(port->name, sizeof(port->name), "p%u", i);
		port->index = (uint16_t)i;
		port->rx = tunnel ? rx_again : rx;
		port->tx = tx;
		port->n_rxq = i <= 2;
		port->n_txq = 1;
		port->mtu = 1500;
		port->numa_node = -1;
		port->tx_caps = PORT_TX_MULTI_SEG | PORT_TX_L4_CSUM | PORT_TX_TSO;
		if (i <= (tunnel ? 1 : 2)) {
			ports[i].n = n;
			ports[i].mbufs = malloc(n * sizeof(struct rte_mbuf *));
			for (unsigned k = 0; k < n; k++)
				ports[i].mbufs[k] = outer(frame(pool, i, k % n_flows), k % n_flows);
		}
		if (pmd_port_attach(port, &err)) {
			fprintf(stderr, "%s\n", err.text);
			return -1;
		}
	}
	return 0;
}

#define FAST_BPS UINT64_C(1000000000000)

/* Shapes or polices ports. */
static int limit(const char *mode, struct evs_error *err)
{
	struct qos_shaper_config shaper = {.average_bps = FAST_BPS, .burst_bytes = 10000000};
	struct qos_ingress_config ingress = {.polices = true};
	int rc = 0;

	ingress.police.committed_bps = FAST_BPS;
	ingress.police.committed_burst_bytes = 10000000;
	ingress.police.actions[QOS_RED].kind = QOS_ACT_DROP;
	if (!strcmp(mode, "neighbour"))
		return pmd_shaper_set(&ports[3].port, &shaper, err);
	for (unsigned i = 1; rc == 0 && i <= 2; i++) {
		if (!strcmp(mode, "shape"))
			rc = pmd_shaper_set(&ports[i].port, &shaper, err);
		else if (!strcmp(mode, "police"))
			rc = pmd_ingress_set(&ports[i].port,
			                     qos_ingress_create(&ingress, evs_clock_tsc_hz), err);
	}
	return rc;
}

#define WINDOW_US 10000 /* the best one counts: what others take of the CPU only ever adds */

static struct pmd_worker_stats before, after;

static double cycles_per_packet(void)
{
	uint64_t tsc = after.busy_tsc + after.idle_tsc - before.busy_tsc - before.idle_tsc;

	return after.pkts == before.pkts ? 1e9 : (double)tsc / (double)(after.pkts - before.pkts);
}

static void take_stats(unsigned worker, const struct pmd_worker_stats *s, void *arg)
{
	*(struct pmd_worker_stats *)arg = *s;
}

static void measure(double seconds)
{
	struct pmd_worker_stats best_before = {0}, best_after = {0};
	double best = 1e9;

	for (unsigned i = 0; i < seconds * 1e6 / WINDOW_US; i++) {
		pmd_workers_walk(take_stats, &before);
		usleep(WINDOW_US);
		pmd_workers_walk(take_stats, &after);
		if (cycles_per_packet() < best) {
			best = cycles_per_packet();
			best_before = before;
			best_after = after;
		}
	}
	before = best_before;
	after = best_after;
}

static void report(unsigned n_flows)
{
	uint64_t pkts = after.pkts - before.pkts, sampled = after.stage_pkts - before.stage_pkts;

	printf("{\"flows\": %u, \"outputs\": %u, \"isa\": \"%s\", \"mpps\": %.2f, "
	       "\"cycles\": %.1f, \"hits\": %.4f",
	       n_flows, n_outputs, pkt_isa_name(pkt_isa_best()),
	       (double)evs_clock_tsc_hz / cycles_per_packet() / 1e6, cycles_per_packet(),
	       1.0 - (double)(after.translations - before.translations) / (double)pkts);
	for (unsigned i = 0; i < PMD_N_STAGES; i++)
		printf(", \"%s\": %.1f", pmd_stage_names[i],
		       (double)(after.stage_tsc[i] - before.stage_tsc[i]) / (double)sampled);
	printf("}\n");
}

int main(int argc, char **argv)
{
	unsigned n_flows = argc > 1 ? (unsigned)atoi(argv[1]) : 1, cpu = 0;
	double seconds = argc > 3 ? atof(argv[3]) : 1;
	struct pmd_config config = {.translate = translate, .isa = pkt_isa_best()};
	struct evs_error err = {0};
	cpu_set_t cpus;

	leaves_csum = argc > 4 && !strcmp(argv[4], "csum");
	if (argc > 4)
		tunnel = !strcmp(argv[4], "encap")   ? ENCAP
		         : !strcmp(argv[4], "decap") ? DECAP
		                                     : PLAIN;
	n_outputs = argc > 2 ? EVS_MIN((unsigned)atoi(argv[2]), N_PORTS - 1u) : 1;
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &cpus))
			cpu = i;
	if (n_flows == 0 || !test_eal_start("512", "error"))
		return 1;
	evs_clock_init();
	pkt_hash_init(1);
	port_max_workers = 1;
	if (evs_rcu_init(&err) || pmd_init(&config, &err) || open_tunnel(&err) ||
	    open_ports(n_flows) || pmd_worker_add(cpu, &err) ||
	    limit(argc > 4 ? argv[4] : "plain", &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	evs_rcu_synchronize(); /* queues arrive */
	usleep(300000);
	measure(seconds);
	report(n_flows);
	pmd_fini();
	evs_rcu_fini();
	return rte_eal_cleanup();
}
