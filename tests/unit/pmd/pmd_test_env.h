/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of workers share: EAL without huge pages, ports made of rings, frames, and a
 * translation that looks the program up by port or recirculation id.
 * Threads: the test's thread plays control and the wire; workers are real ones.
 */
#ifndef PMD_TEST_ENV_H
#define PMD_TEST_ENV_H

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_udp.h>

#include "../../test_eal.h"
#include "base/evs_clock.h"
#include "pkt/pkt_hash.h"
#include "pmd/pmd.h"

#define ENV_PORTS      8
#define ENV_QUEUES     2
#define ENV_RING       2048
#define ENV_POOL       8191
#define ENV_WAIT_NS    60000000000u
#define ENV_FRAME_SIZE 60

/* A port whose wire is a pair of rings a queue. */
struct fake {
	struct port port;
	struct rte_ring *in[ENV_QUEUES], *out[ENV_QUEUES];
	rte_spinlock_t lock[ENV_QUEUES];
	unsigned order;      /* tells the thread sanitizer what the rings order: see wire_sync */
	unsigned tx_room;    /* packets that tx takes at once */
	uint32_t tx_longest; /* and of what length */
	unsigned tx_calls;
};

static struct rte_mempool *env_pool;
static struct fake env_ports[ENV_PORTS + 1];              /* by port index */
static struct flow_prog_builder env_progs[ENV_PORTS + 1]; /* by receiving port */
static struct flow_prog_builder env_again[8];             /* by recirculation id, from 1 */
static bool env_cacheable = true;
static unsigned env_translations;
static uint64_t env_credited_pkts;

/* DPDK's rings order by barriers that the thread sanitizer does not see. */
static void wire_sync(struct fake *f)
{
	__atomic_fetch_add(&f->order, 1, __ATOMIC_ACQ_REL);
}

static uint16_t fake_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct fake *f = (struct fake *)port;

	n = (uint16_t)rte_ring_sc_dequeue_burst(f->in[queue], (void **)mbufs, n, NULL);
	wire_sync(f);
	return n;
}

static uint16_t fake_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct fake *f = (struct fake *)port;

	f->tx_calls++;
	n = (uint16_t)EVS_MIN((unsigned)n, f->tx_room);
	for (uint16_t i = 0; i < n; i++)
		if (mbufs[i]->pkt_len > f->tx_longest)
			n = i;
	wire_sync(f);
	return (uint16_t)rte_ring_sp_enqueue_burst(f->out[queue], (void **)mbufs, n, NULL);
}

static void env_translate(unsigned worker, const struct pkt_burst *burst, unsigned i,
                          struct flow_xlate *x)
{
	const struct pkt_key_base *base = &burst->base[i];

	memset(&x->mask, 0, sizeof(x->mask));
	memset(&x->mask.base, 0xff, PKT_KEY_BASE_SIZE);
	x->mask.base.lines = 0;
	x->prog = base->recirc_id ? env_again[base->recirc_id % 8] : env_progs[base->in_port];
	x->n_refs = 0;
	x->cacheable = env_cacheable;
	__atomic_add_fetch(&env_translations, 1, __ATOMIC_RELAXED);
}

EVS_UNUSED static void env_credit(struct flow *flow, void *arg)
{
	env_credited_pkts += flow->n_pkts;
}

static const struct port_type fake_type = {.name = "fake", .has_datapath = true};

static struct fake *fake_open(uint16_t index, uint16_t n_queues)
{
	struct fake *f = &env_ports[index];

	memset(&f->port, 0, sizeof(f->port));
	snprintf(f->port.name, sizeof(f->port.name), "p%u", index);
	f->port.index = index;
	f->port.type = &fake_type;
	f->port.rx = fake_rx;
	f->port.tx = fake_tx;
	f->port.n_rxq = f->port.n_txq = n_queues;
	f->port.tx_caps = PORT_TX_MULTI_SEG;
	f->port.mtu = 1500;
	f->port.drop_full = PKT_DROP_TX_RING_FULL;
	f->port.numa_node = -1;
	f->port.tx_locks = f->lock;
	f->tx_room = PKT_BURST_MAX;
	f->tx_longest = UINT32_MAX;
	for (unsigned q = 0; q < n_queues; q++) {
		char name[32];

		if (f->in[q])
			continue;
		snprintf(name, sizeof(name), "in%u-%u", index, q);
		f->in[q] = rte_ring_create(name, ENV_RING, -1, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof(name), "out%u-%u", index, q);
		f->out[q] = rte_ring_create(name, ENV_RING, -1, RING_F_SP_ENQ | RING_F_SC_DEQ);
		assert_non_null(f->in[q]);
		assert_non_null(f->out[q]);
	}
	return f;
}

static void ring_empty(struct rte_ring *ring)
{
	void *m;

	while (ring && rte_ring_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
}

static void fake_free_counters(struct fake *f)
{
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		free(f->port.counters[w]);
		f->port.counters[w] = NULL;
	}
}

static void fake_close(struct fake *f)
{
	for (unsigned q = 0; q < ENV_QUEUES; q++) {
		ring_empty(f->in[q]);
		ring_empty(f->out[q]);
	}
	fake_free_counters(f);
}

static struct fake *fake_attach(uint16_t index)
{
	struct fake *f = fake_open(index, 1);

	assert_int_equal(pmd_port_attach(&f->port, NULL), 0);
	return f;
}

/* Waits for a condition, playing the event loop meanwhile; false: it did not come in time. */
#define ENV_WAIT(condition)                                                                        \
	({                                                                                         \
		uint64_t end_ = evs_clock_ns() + ENV_WAIT_NS;                                      \
		bool met_;                                                                         \
		while (!(met_ = (condition)) && evs_clock_ns() < end_) {                           \
			evs_rcu_poll();                                                            \
			usleep(50);                                                                \
		}                                                                                  \
		met_;                                                                              \
	})

/* An Ethernet, IPv4, UDP frame; `seq` goes into the payload, `flow` into the source port. */
EVS_UNUSED static struct rte_mbuf *env_frame(uint32_t flow, uint32_t seq, uint16_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(env_pool);
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;

	if (!m)
		return NULL;
	eth = (void *)rte_pktmbuf_append(m, size);
	if (!eth)
		abort();
	ip = (void *)(eth + 1);
	udp = (void *)(ip + 1);
	memset(eth, 0, size);
	memset(&eth->dst_addr, 0x22, 6);
	memset(&eth->src_addr, 0x44, 6);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(size - 14));
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = rte_cpu_to_be_32(0x0a000001);
	ip->dst_addr = rte_cpu_to_be_32(0x0a000002);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp->src_port = rte_cpu_to_be_16((uint16_t)flow);
	udp->dst_port = rte_cpu_to_be_16(2000);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(size - 34));
	memcpy(udp + 1, &seq, sizeof(seq));
	return m;
}

EVS_UNUSED static uint32_t env_seq(const struct rte_mbuf *m)
{
	uint32_t seq;

	memcpy(&seq, rte_pktmbuf_mtod_offset(m, const void *, 42), sizeof(seq));
	return seq;
}

EVS_UNUSED static void env_put(struct fake *f, struct rte_mbuf *m)
{
	assert_non_null(m);
	wire_sync(f);
	assert_int_equal(rte_ring_enqueue(f->in[0], m), 0);
}

/* The next packet that the port sent. */
EVS_UNUSED static struct rte_mbuf *env_take(struct fake *f)
{
	void *m = NULL;

	assert_true(ENV_WAIT(rte_ring_dequeue(f->out[0], &m) == 0));
	wire_sync(f);
	return m;
}

static void sum_account(unsigned worker, const struct pmd_worker_stats *s, void *arg)
{
	struct pmd_account *sum = arg;

	sum->rx += s->account.rx;
	sum->injected += s->account.injected;
	sum->copies += s->account.copies;
	sum->tx += s->account.tx;
	sum->dropped += s->account.dropped;
	sum->punted += s->account.punted;
}

EVS_UNUSED static struct pmd_account env_account(void)
{
	struct pmd_account a = {0};

	pmd_workers_walk(sum_account, &a);
	return a;
}

EVS_UNUSED static uint64_t env_drops(struct fake *f, enum pkt_drop reason)
{
	struct port_counters c;

	port_counters_sum(&f->port, &c);
	return c.drops[reason];
}

static void env_pmd_start(const struct pmd_config *config)
{
	assert_int_equal(evs_rcu_init(NULL), 0);
	assert_int_equal(pmd_init(config, NULL), 0);
	env_cacheable = true;
	env_translations = 0;
	env_credited_pkts = 0;
	for (unsigned i = 0; i < EVS_ARRAY_LEN(env_progs); i++)
		flow_prog_builder_init(&env_progs[i]);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(env_again); i++)
		flow_prog_builder_init(&env_again[i]);
}

static struct pmd_config env_config(void)
{
	return (struct pmd_config){
	        .translate = env_translate,
	        .credit = env_credit,
	        .cache = {.n_flows = 4096, .n_exact = 4096, .n_exact_ext = 1024, .max_masks = 32},
	        .isa = pkt_isa_best(),
	        .adaptive_sleep = true,
	};
}

/* Stops the workers; every buffer must be back. */
static void env_pmd_stop(void)
{
	pmd_fini();
	evs_rcu_fini();
	for (unsigned i = 1; i <= ENV_PORTS; i++)
		fake_close(&env_ports[i]);
	assert_int_equal(rte_mempool_avail_count(env_pool), ENV_POOL);
}

static int env_eal_start(void **state)
{
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	if (!test_eal_start("96", "error"))
		return -1;
	sched_setaffinity(0, sizeof(cpus), &cpus); /* EAL pinned us beside a worker */
	evs_clock_init();
	pkt_hash_init(1);
	port_max_workers = EVS_MAX_WORKERS;
	env_pool = rte_pktmbuf_pool_create("test", ENV_POOL, 128, 0, 2176, SOCKET_ID_ANY);
	return env_pool ? 0 : -1;
}

static int env_eal_stop(void **state)
{
	rte_eal_cleanup();
	return 0;
}

#endif
