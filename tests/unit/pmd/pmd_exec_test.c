/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker: packets in, packets out, for each kind of op that moves packets, each drop reason
 * that a worker gives, and the sum of the account.
 */
#include "pmd_test_offload.h"
#include "qos/qos_meter.h"

static struct fake *a, *b, *c;

static int start(void **state)
{
	struct pmd_config config = env_config();

	env_pmd_start(&config);
	a = fake_attach(1);
	b = fake_attach(2);
	c = fake_attach(3);
	assert_int_equal(pmd_worker_add(0, NULL), 0);
	return 0;
}

static int stop(void **state)
{
	env_pmd_stop();
	return 0;
}

static void set_eth_dst(struct flow_prog_builder *p, uint8_t byte)
{
	struct pkt_set_eth *set = (void *)flow_prog_add(p, FLOW_OP_SET_ETH, 0)->payload;

	memset(set->value, byte, 6);
	memset(set->mask, 0xff, 6);
}

static uint8_t dst_byte(const struct rte_mbuf *m)
{
	return *rte_pktmbuf_mtod(m, const uint8_t *);
}

/* Takes the next packet of a port and holds it against sequence number and destination. */
static void expect(struct fake *f, uint32_t seq, uint8_t dst)
{
	struct rte_mbuf *m = env_take(f);

	assert_non_null(m);
	assert_int_equal(env_seq(m), seq);
	assert_int_equal(dst_byte(m), dst);
	rte_pktmbuf_free(m);
}

/* Waits until the workers have dealt with everything, then checks the sum and its parts. */
static void expect_account(struct pmd_account want)
{
	struct pmd_account got = {0};
	bool same = ENV_WAIT((got = env_account(), memcmp(&got, &want, sizeof(got)) == 0));

	if (!same)
		print_error("rx %lu injected %lu copies %lu, tx %lu dropped %lu punted %lu\n",
		            got.rx, got.injected, got.copies, got.tx, got.dropped, got.punted);
	assert_true(same);
	assert_int_equal(got.rx + got.injected + got.copies, got.tx + got.dropped + got.punted);
}

static void expect_drops(struct fake *f, enum pkt_drop reason, uint64_t n)
{
	bool met = ENV_WAIT(env_drops(f, reason) == n);

	if (!met)
		print_error("%s: %lu instead of %lu\n", pkt_drop_name(reason), env_drops(f, reason),
		            n);
	assert_true(met);
}

static void test_output(void **state)
{
	struct port_counters sum;

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for (uint32_t i = 0; i < 100; i++)
		env_put(a, env_frame(1, i, ENV_FRAME_SIZE));
	for (uint32_t i = 0; i < 100; i++)
		expect(b, i, 0x22);
	assert_int_equal(env_translations, 1);
	expect_account((struct pmd_account){.rx = 100, .tx = 100});
	port_counters_sum(&a->port, &sum);
	assert_int_equal(sum.rx_pkts, 100);
	assert_int_equal(sum.rx_bytes, 100 * ENV_FRAME_SIZE);
	port_counters_sum(&b->port, &sum);
	assert_int_equal(sum.tx_pkts, 100);
	assert_int_equal(sum.tx_bytes, 100 * ENV_FRAME_SIZE);
}

static void test_mixed_flows_keep_order(void **state)
{
	uint32_t next[40] = {0};

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	flow_prog_add(&env_progs[3], FLOW_OP_OUTPUT, 2);
	for (uint32_t i = 0; i < 400; i++)
		env_put(i % 2 ? a : c, env_frame(i % 40, i / 40, ENV_FRAME_SIZE));
	for (uint32_t i = 0; i < 400; i++) {
		struct rte_mbuf *m = env_take(b);
		const struct rte_udp_hdr *udp;

		assert_non_null(m);
		udp = rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, 34);
		assert_int_equal(env_seq(m), next[rte_be_to_cpu_16(udp->src_port)]++);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(env_translations, 40);
	expect_account((struct pmd_account){.rx = 400, .tx = 400});
}

/* Program by flow, so that one burst holds simple, dropping and editing programs. */
static void translate_by_flow(unsigned worker, const struct pkt_burst *burst, unsigned i,
                              struct flow_xlate *x)
{
	uint16_t flow = rte_be_to_cpu_16(burst->base[i].tp_src);

	env_translate(worker, burst, i, x);
	flow_prog_builder_init(&x->prog);
	if (flow % 4 == 3) {
		flow_prog_add(&x->prog, FLOW_OP_DROP, PKT_DROP_RULE);
		return;
	}
	if (flow % 4 == 2)
		set_eth_dst(&x->prog, 0x66);
	flow_prog_add(&x->prog, FLOW_OP_OUTPUT, 2 + flow % 2);
}

static int start_by_flow(void **state)
{
	struct pmd_config config = env_config();

	config.translate = translate_by_flow;
	env_pmd_start(&config);
	a = fake_attach(1);
	b = fake_attach(2);
	c = fake_attach(3);
	for (uint32_t i = 0; i < 64; i++) /* before the worker, so that bursts are full */
		env_put(a, env_frame(i % 8, i, ENV_FRAME_SIZE));
	assert_int_equal(pmd_worker_add(0, NULL), 0);
	return 0;
}

static void test_mixed_programs(void **state)
{
	for (unsigned i = 0; i < 16; i++) {
		struct rte_mbuf *m = env_take(c);

		assert_non_null(m);
		assert_int_equal(env_seq(m) % 4, 1);
		rte_pktmbuf_free(m);
	}
	for (unsigned i = 0; i < 32; i++) {
		struct rte_mbuf *m = env_take(b);

		assert_non_null(m);
		assert_int_equal(dst_byte(m), env_seq(m) % 4 == 2 ? 0x66 : 0x22);
		rte_pktmbuf_free(m);
	}
	expect_drops(a, PKT_DROP_RULE, 16);
	expect_account((struct pmd_account){.rx = 64, .tx = 48, .dropped = 16});
}

static void test_flood(void **state)
{
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 3);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 1);
	for (uint32_t i = 0; i < 70; i++)
		env_put(a, env_frame(1, i, ENV_FRAME_SIZE));
	for (uint32_t i = 0; i < 70; i++) {
		expect(a, i, 0x22);
		expect(b, i, 0x22);
		expect(c, i, 0x22);
	}
	expect_account((struct pmd_account){.rx = 70, .copies = 140, .tx = 210});
}

static void test_edit_after_output_copies(void **state)
{
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	set_eth_dst(&env_progs[1], 0x66);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 3);
	for (uint32_t i = 0; i < 40; i++)
		env_put(a, env_frame(1, i, ENV_FRAME_SIZE));
	for (uint32_t i = 0; i < 40; i++) {
		expect(b, i, 0x22);
		expect(c, i, 0x66);
	}
	expect_account((struct pmd_account){.rx = 40, .copies = 40, .tx = 80});
}

static void test_clone(void **state)
{
	struct flow_prog_builder *p = &env_progs[1];
	uint32_t mark = flow_prog_clone_begin(p);

	set_eth_dst(p, 0x66);
	flow_prog_add(p, FLOW_OP_OUTPUT, 2);
	flow_prog_clone_end(p, mark);
	flow_prog_add(p, FLOW_OP_OUTPUT, 3);
	env_put(a, env_frame(1, 7, ENV_FRAME_SIZE));
	expect(b, 7, 0x66);
	expect(c, 7, 0x22);
	expect_account((struct pmd_account){.rx = 1, .copies = 1, .tx = 2});
}

static void test_clone_last_and_unused(void **state)
{
	struct flow_prog_builder *p = &env_progs[1];
	uint32_t mark = flow_prog_clone_begin(p);

	set_eth_dst(p, 0x55); /* no receiver: the reference is taken back */
	flow_prog_clone_end(p, mark);
	mark = flow_prog_clone_begin(p);
	set_eth_dst(p, 0x66);
	flow_prog_add(p, FLOW_OP_OUTPUT, 2);
	flow_prog_clone_end(p, mark);
	env_put(a, env_frame(1, 7, ENV_FRAME_SIZE));
	expect(b, 7, 0x66);
	expect_account((struct pmd_account){.rx = 1, .tx = 1});
}

static void test_trailing_edit_is_no_loss(void **state)
{
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	set_eth_dst(&env_progs[1], 0x66);
	set_eth_dst(&env_progs[3], 0x66); /* nobody gets it at all */
	env_put(a, env_frame(1, 7, ENV_FRAME_SIZE));
	env_put(c, env_frame(1, 7, ENV_FRAME_SIZE));
	expect(b, 7, 0x22);
	expect_drops(c, PKT_DROP_RULE, 1);
	expect_account((struct pmd_account){.rx = 2, .tx = 1, .dropped = 1});
}

static void test_vlan(void **state)
{
	struct flow_op_push_vlan *push;
	struct rte_mbuf *m;

	push = (void *)flow_prog_add(&env_progs[1], FLOW_OP_PUSH_VLAN, 0)->payload;
	push->vlan.tpid = rte_cpu_to_be_16(0x8100);
	push->vlan.tci = rte_cpu_to_be_16(0x1064);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	flow_prog_add(&env_progs[2], FLOW_OP_POP_VLAN, 0);
	flow_prog_add(&env_progs[2], FLOW_OP_OUTPUT, 3);
	env_put(a, env_frame(1, 9, ENV_FRAME_SIZE));
	m = env_take(b);
	assert_int_equal(m->pkt_len, ENV_FRAME_SIZE + 4);
	assert_int_equal(*rte_pktmbuf_mtod_offset(m, rte_be16_t *, 12), rte_cpu_to_be_16(0x8100));
	assert_int_equal(*rte_pktmbuf_mtod_offset(m, rte_be16_t *, 14), rte_cpu_to_be_16(100));
	env_put(b, m);
	expect(c, 9, 0x22);
	expect_account((struct pmd_account){.rx = 2, .tx = 2});
}

static void test_bad_action(void **state)
{
	struct pkt_set_arp *set;

	set = (void *)flow_prog_add(&env_progs[1], FLOW_OP_SET_ARP, 0)->payload;
	set->op = set->op_mask = 0xffff;
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	env_put(a, env_frame(1, 9, ENV_FRAME_SIZE)); /* UDP has no ARP fields */
	expect_drops(a, PKT_DROP_BAD_ACTION, 1);
	expect_account((struct pmd_account){.rx = 1, .dropped = 1});
}

static void test_recirc(void **state)
{
	struct flow_op_recirc *recirc;

	set_eth_dst(&env_progs[1], 0x77);
	recirc = (void *)flow_prog_add(&env_progs[1], FLOW_OP_RECIRC, 0)->payload;
	recirc->id = 1;
	flow_prog_add(&env_again[1], FLOW_OP_OUTPUT, 2);
	recirc = (void *)flow_prog_add(&env_again[1], FLOW_OP_RECIRC, 0)->payload;
	recirc->id = 2;
	flow_prog_add(&env_again[2], FLOW_OP_OUTPUT, 3);
	for (uint32_t i = 0; i < 50; i++)
		env_put(a, env_frame(1, i, ENV_FRAME_SIZE));
	for (uint32_t i = 0; i < 50; i++) {
		expect(b, i, 0x77);
		expect(c, i, 0x77);
	}
	expect_account((struct pmd_account){.rx = 50, .copies = 50, .tx = 100});
}

static void test_recirc_ends(void **state)
{
	struct flow_op_recirc *recirc;

	recirc = (void *)flow_prog_add(&env_progs[1], FLOW_OP_RECIRC, 0)->payload;
	recirc->id = 1;
	flow_prog_add(&env_again[1], FLOW_OP_OUTPUT, 2);
	recirc = (void *)flow_prog_add(&env_again[1], FLOW_OP_RECIRC, 0)->payload;
	recirc->id = 1;
	env_put(a, env_frame(1, 5, ENV_FRAME_SIZE));
	for (unsigned i = 0; i < 8; i++)
		expect(b, 5, 0x22);
	expect_drops(a, PKT_DROP_RECURSION, 1);
	expect_account((struct pmd_account){.rx = 1, .copies = 8, .tx = 8, .dropped = 1});
}

static struct pmd_punt punts[2048];
static unsigned n_punts;

static void take_punt(const struct pmd_punt *punt, void *arg)
{
	punts[n_punts++] = *punt;
}

static void add_controller(struct flow_prog_builder *p, uint16_t max_len)
{
	struct flow_op_controller *to = (void *)flow_prog_add(p, FLOW_OP_CONTROLLER, 0)->payload;

	to->max_len = max_len;
	to->cookie = 0x1234;
}

static bool drained(unsigned want)
{
	pmd_punt_drain(take_punt, NULL, 16);
	return n_punts >= want;
}

static void test_controller(void **state)
{
	n_punts = 0;
	add_controller(&env_progs[1], 30);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	add_controller(&env_progs[2], UINT16_MAX);
	env_put(a, env_frame(1, 5, ENV_FRAME_SIZE));
	expect(b, 5, 0x22);
	assert_true(ENV_WAIT(drained(1)));
	assert_int_equal(punts[0].mbuf->pkt_len, 30);
	assert_int_equal(punts[0].total_len, ENV_FRAME_SIZE);
	assert_int_equal(punts[0].in_port, 1);
	assert_int_equal(punts[0].controller.cookie, 0x1234);
	env_put(b, env_frame(1, 6, ENV_FRAME_SIZE));
	assert_true(ENV_WAIT(drained(2)));
	assert_int_equal(env_seq(punts[1].mbuf), 6);
	rte_pktmbuf_free(punts[0].mbuf);
	rte_pktmbuf_free(punts[1].mbuf);
	expect_account((struct pmd_account){.rx = 2, .copies = 1, .tx = 1, .punted = 2});
}

static void test_controller_flood(void **state)
{
	uint64_t rung;

	n_punts = 0;
	add_controller(&env_progs[1], UINT16_MAX);
	add_controller(&env_progs[2], UINT16_MAX);
	for (uint32_t i = 0; i < 1500; i++)
		env_put(a, env_frame(1, i, ENV_FRAME_SIZE));
	expect_drops(a, PKT_DROP_PUNT_FULL, 1500 - 896);
	for (uint32_t i = 896; i < 1024 + 20; i++) /* the last eighth is not for a port with more */
		env_put(b, env_frame(1, i, ENV_FRAME_SIZE));
	expect_drops(b, PKT_DROP_PUNT_FULL, 20);
	assert_int_equal(read(pmd_punt_fd(), &rung, sizeof(rung)), sizeof(rung));
	assert_true(ENV_WAIT(drained(1024)));
	for (unsigned i = 0; i < n_punts; i++) {
		assert_int_equal(env_seq(punts[i].mbuf), i);
		rte_pktmbuf_free(punts[i].mbuf);
	}
	expect_account((struct pmd_account){.rx = 1648, .dropped = 624, .punted = 1024});
	drained(0); /* empty: armed again */
	env_put(a, env_frame(1, 1, ENV_FRAME_SIZE));
	assert_true(ENV_WAIT(read(pmd_punt_fd(), &rung, sizeof(rung)) == sizeof(rung)));
	assert_true(drained(1025));
	rte_pktmbuf_free(punts[1024].mbuf);
}

static void test_tx_drops(void **state)
{
	struct port_counters lost;
	struct rte_mbuf *m;

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	flow_prog_add(&env_progs[2], FLOW_OP_OUTPUT, 7); /* no such port */
	flow_prog_add(&env_progs[3], FLOW_OP_OUTPUT, 1);
	evs_store_relaxed(&a->port.config, PORT_CONFIG_NO_FWD);
	env_put(a, env_frame(1, 0, 1514));
	env_put(a, env_frame(1, 1, 1515)); /* one above the MTU */
	m = env_frame(1, 2, 1518);         /* but one tag does not count */
	*rte_pktmbuf_mtod_offset(m, rte_be16_t *, 12) = rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN);
	env_put(a, m);
	env_put(b, env_frame(1, 0, ENV_FRAME_SIZE));
	env_put(c, env_frame(1, 0, ENV_FRAME_SIZE));
	expect(b, 0, 0x22);
	rte_pktmbuf_free(env_take(b));
	expect_drops(b, PKT_DROP_TX_MTU, 1);
	expect_drops(a, PKT_DROP_TX_PORT_DOWN, 1);
	expect_account((struct pmd_account){.rx = 5, .tx = 2, .dropped = 3});
	pmd_drops_sum(&lost);
	assert_int_equal(lost.drops[PKT_DROP_TX_PORT_DOWN], 1);

	b->tx_room = 0;
	for (uint32_t i = 0; i < 5; i++)
		env_put(a, env_frame(1, i, ENV_FRAME_SIZE));
	expect_drops(b, PKT_DROP_TX_RING_FULL, 5);
	b->port.drop_full = PKT_DROP_GUEST_RING_FULL; /* tried again while there is progress */
	b->tx_room = 8;
	for (uint32_t i = 0; i < 32; i++)
		env_put(a, env_frame(1, i, ENV_FRAME_SIZE));
	for (uint32_t i = 0; i < 32; i++)
		expect(b, i, 0x22);
	assert_int_equal(env_drops(b, PKT_DROP_GUEST_RING_FULL), 0);
}

/* A frame that is longer than the guest's buffers is the only one that is lost. */
static void test_too_long_for_guest(void **state)
{
	struct rte_mbuf *burst[PKT_BURST_MAX];

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	b->port.drop_full = PKT_DROP_GUEST_RING_FULL;
	b->port.mtu = 9000;
	b->tx_longest = 1518;
	for (uint32_t i = 0; i < PKT_BURST_MAX; i++)
		burst[i] = env_frame(1, i, i % 4 == 3 ? 1522 : ENV_FRAME_SIZE);
	assert_int_equal(rte_ring_sp_enqueue_bulk(a->in[0], (void **)burst, PKT_BURST_MAX, NULL),
	                 PKT_BURST_MAX);
	for (uint32_t i = 0; i < PKT_BURST_MAX; i++)
		if (i % 4 != 3)
			expect(b, i, 0x22);
	expect_drops(b, PKT_DROP_GUEST_RING_FULL, 8);
	expect_account((struct pmd_account){.rx = PKT_BURST_MAX, .tx = 24, .dropped = 8});
}

/* A full ring is not asked again for a frame that is no shorter than one that it refused. */
static void test_long_and_full(void **state)
{
	struct rte_mbuf *burst[PKT_BURST_MAX];

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	b->port.drop_full = PKT_DROP_GUEST_RING_FULL;
	b->port.mtu = 9000;
	b->tx_room = b->tx_calls = 0;
	for (uint32_t i = 0; i < PKT_BURST_MAX; i++)
		burst[i] = env_frame(1, i, 1600 + i / 8 * 100 % 200);
	assert_int_equal(rte_ring_sp_enqueue_bulk(a->in[0], (void **)burst, PKT_BURST_MAX, NULL),
	                 PKT_BURST_MAX);
	expect_drops(b, PKT_DROP_GUEST_RING_FULL, PKT_BURST_MAX);
	assert_int_equal(b->tx_calls, 1);
	expect_account((struct pmd_account){.rx = PKT_BURST_MAX, .dropped = PKT_BURST_MAX});
}

static void test_offload_by_port(void **state)
{
	struct rte_mbuf *m;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;
	uint16_t pseudo, filled_in;

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2); /* does nothing itself */
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 3); /* fills checksums in */
	c->port.tx_caps |= PORT_TX_L4_CSUM | PORT_TX_TSO;
	m = env_frame_unfinished(1);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	pseudo = ((struct rte_udp_hdr *)(ip + 1))->dgram_cksum;
	env_put(a, m);

	m = env_take(b);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	udp = (struct rte_udp_hdr *)(ip + 1);
	filled_in = udp->dgram_cksum;
	udp->dgram_cksum = 0;
	assert_int_equal(filled_in, rte_ipv4_udptcp_cksum(ip, udp));
	assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
	rte_pktmbuf_free(m);
	m = env_take(c);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	assert_int_equal(((struct rte_udp_hdr *)(ip + 1))->dgram_cksum, pseudo);
	assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_UDP_CKSUM);
	rte_pktmbuf_free(m);
	expect_account((struct pmd_account){.rx = 1, .copies = 1, .tx = 2});
}

static void test_offload_that_lies(void **state)
{
	struct rte_mbuf *m = env_frame_unfinished(1);

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	m->l2_len = 100; /* beyond the packet */
	env_put(a, m);
	expect_drops(b, PKT_DROP_GUEST_BAD_OFFLOAD, 1);
	expect_account((struct pmd_account){.rx = 1, .dropped = 1});
}

static void test_segmentation(void **state)
{
	static const unsigned sizes[] = {54 + 1448, 54 + 1448, 54 + 1104};
	struct rte_mbuf *m;

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	flow_prog_add(&env_progs[3], FLOW_OP_OUTPUT, 1);
	a->port.tx_caps |= PORT_TX_L4_CSUM | PORT_TX_TSO;
	env_put(a, env_frame_large(2));
	for (unsigned i = 0; i < 3; i++) {
		m = env_take(b);
		assert_int_equal(m->pkt_len, sizes[i]);
		rte_pktmbuf_free(m);
	}
	expect_account((struct pmd_account){.rx = 1, .copies = 2, .tx = 3});
	env_put(c, env_frame_large(2)); /* whole to a port that cuts it, though above the MTU */
	m = env_take(a);
	assert_int_equal(m->pkt_len, 4054);
	rte_pktmbuf_free(m);
	m = env_frame_large(2);
	m->tso_segsz = 1461; /* pieces would be above the MTU */
	env_put(c, m);
	expect_drops(a, PKT_DROP_TX_MTU, 1);
}

/* What goes to several ports is cut for each of them, without a copy of the whole: there are no
 * more buffers than the frame and the pieces take. */
static void test_segmentation_of_shared(void **state)
{
	struct rte_mempool *all = env_pool, *few;
	struct rte_mbuf *m;

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 3);
	few = rte_pktmbuf_pool_create("few", 1 + 10 + 2 * 3, 0, 0, 2176, SOCKET_ID_ANY);
	assert_non_null(few);
	env_pool = few;
	m = env_frame_large(10);
	env_pool = all;
	env_put(a, m);
	for (unsigned i = 0; i < 6; i++)
		rte_pktmbuf_free(env_take(i < 3 ? b : c));
	expect_account((struct pmd_account){.rx = 1, .copies = 5, .tx = 6});
	assert_int_equal(rte_mempool_in_use_count(few), 0);
	rte_mempool_free(few);
}

static void expect_frame(const struct pmd_punt *punt, uint32_t size)
{
	assert_int_equal(punt->total_len, size);
	assert_int_equal(punt->mbuf->pkt_len, size);
	assert_int_equal(punt->mbuf->ol_flags & PKT_TX_REQUEST, 0);
	assert_int_equal(pkt_csum_verify(punt->mbuf, 14), PKT_CSUM_GOOD);
	rte_pktmbuf_free(punt->mbuf);
}

/* A controller gives back the bytes that it got: nothing may be left to be done for them. Other
 * receivers get the packet as it came, and so does who waits for a neighbour. */
static void test_controller_gets_frames(void **state)
{
	static const uint32_t sizes[] = {54 + 1448, 54 + 1448, 54 + 1104};
	struct rte_mbuf *m;

	n_punts = 0;
	c->port.tx_caps |= PORT_TX_L4_CSUM | PORT_TX_TSO;
	add_controller(&env_progs[1], 30); /* for the sum, the rest is wanted, too */
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 3);
	add_controller(&env_progs[2], UINT16_MAX);
	flow_prog_add(&env_progs[3], FLOW_OP_WAIT, 4);
	env_put(a, env_frame_unfinished(1));
	m = env_take(c);
	assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_UDP_CKSUM);
	assert_true(ENV_WAIT(drained(1)));
	expect_frame(&punts[0], m->pkt_len);
	rte_pktmbuf_free(m);

	env_put(a, env_frame_large(2));
	m = env_take(c);
	assert_int_equal(m->pkt_len, 4054);
	assert_true(ENV_WAIT(drained(4)));
	rte_pktmbuf_free(m);
	env_put(b, env_frame_large(2));
	assert_true(ENV_WAIT(drained(7)));
	for (unsigned i = 0; i < 6; i++)
		expect_frame(&punts[1 + i], sizes[i % 3]);

	env_put(c, env_frame_large(2));
	assert_true(ENV_WAIT(drained(8)));
	assert_int_equal(punts[7].mbuf->pkt_len, 4054);
	assert_true(punts[7].mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
	rte_pktmbuf_free(punts[7].mbuf);

	m = env_frame_unfinished(1);
	m->l2_len = 100; /* beyond the packet */
	env_put(b, m);
	expect_drops(b, PKT_DROP_GUEST_BAD_OFFLOAD, 1);
	expect_account(
	        (struct pmd_account){.rx = 5, .copies = 6, .tx = 2, .dropped = 1, .punted = 8});
}

static void test_rx_drops(void **state)
{
	struct pmd_config config = env_config();
	struct rte_mbuf *m;

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	evs_store_relaxed(&c->port.config, PORT_CONFIG_NO_RECV);
	env_put(c, env_frame(1, 0, ENV_FRAME_SIZE));
	expect_drops(c, PKT_DROP_RX_PORT_DOWN, 1);

	m = rte_pktmbuf_alloc(env_pool);
	memset(rte_pktmbuf_append(m, 10), 0, 10);
	env_put(a, m);
	env_put(a, env_frame(1, 3, ENV_FRAME_SIZE));
	expect(b, 3, 0x22);
	expect_drops(a, PKT_DROP_RX_TRUNCATED, 1);

	config.drop_fragments = true;
	pmd_configure(&config);
	m = env_frame(1, 0, ENV_FRAME_SIZE);
	rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14)->fragment_offset =
	        rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG);
	env_put(a, m);
	env_put(a, env_frame(1, 4, ENV_FRAME_SIZE));
	expect(b, 4, 0x22);
	expect_drops(a, PKT_DROP_RX_FRAGMENT, 1);
	expect_account((struct pmd_account){.rx = 5, .tx = 2, .dropped = 3});
}

static void test_miss_budget(void **state)
{
	struct pmd_config config = env_config();

	config.miss_budget_pps = 1; /* and 256 at once */
	pmd_configure(&config);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for (uint32_t i = 0; i < 600; i++)
		env_put(a, env_frame(1000 + i, i, ENV_FRAME_SIZE));
	for (uint32_t i = 0; i < 256; i++)
		expect(b, i, 0x22);
	assert_true(ENV_WAIT(env_account().dropped + env_account().tx == 600));
	assert_in_range(env_drops(a, PKT_DROP_MISS_BUDGET), 600 - 256 - 100, 600 - 256);
	env_put(a, env_frame(1000, 77, ENV_FRAME_SIZE)); /* what is known goes on */
	ring_empty(b->out[0]);
}

static void test_not_cacheable(void **state)
{
	env_cacheable = false;
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for (uint32_t i = 0; i < 50; i++)
		env_put(a, env_frame(1, i, ENV_FRAME_SIZE));
	for (uint32_t i = 0; i < 50; i++)
		expect(b, i, 0x22);
	assert_int_equal(env_translations, 50);
	expect_account((struct pmd_account){.rx = 50, .tx = 50});
}

static void test_inject(void **state)
{
	struct flow_op_recirc *recirc;
	struct flow_prog_builder p;

	flow_prog_builder_init(&p);
	flow_prog_add(&p, FLOW_OP_OUTPUT, 2);
	assert_int_equal(pmd_inject(env_frame(1, 1, ENV_FRAME_SIZE), PKT_PORT_NONE, &p), 0);
	expect(b, 1, 0x22);

	flow_prog_builder_init(&p); /* through the tables, as if received at port 3 */
	recirc = (void *)flow_prog_add(&p, FLOW_OP_RECIRC, 0)->payload;
	recirc->id = 0;
	flow_prog_add(&env_progs[3], FLOW_OP_OUTPUT, 1);
	assert_int_equal(pmd_inject(env_frame(1, 2, ENV_FRAME_SIZE), 3, &p), 0);
	expect(a, 2, 0x22);
	expect_account((struct pmd_account){.injected = 2, .tx = 2});
}

static void test_flows_are_credited(void **state)
{
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for (uint32_t i = 0; i < 300; i++)
		env_put(a, env_frame(i % 30, i, ENV_FRAME_SIZE));
	for (uint32_t i = 0; i < 300; i++)
		expect(b, i, 0x22);
	assert_int_equal(pmd_worker_del(0, NULL), 0);
	assert_int_equal(pmd_n_workers(), 0);
	assert_true(ENV_WAIT(env_credited_pkts == 300 && !pmd_worker_cache(0)));
}

static struct qos_meter *meter_add(struct flow_prog_builder *p, const struct qos_band_config *band)
{
	struct qos_meter_config config = {.by_pkts = true, .n_bands = 1, .bands = {*band}};
	struct qos_meter *meter = qos_meter_create(&config, evs_clock_tsc_hz);

	assert_non_null(meter);
	((struct flow_op_meter *)flow_prog_add(p, FLOW_OP_METER, 0)->payload)->meter = meter;
	return meter;
}

static struct rte_ipv4_hdr *ip_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
}

static void test_meter_drops(void **state)
{
	struct qos_meter *meter = meter_add(
	        &env_progs[1], &(struct qos_band_config){QOS_BAND_DROP, .rate = 1, .burst = 50});
	struct qos_count in, band;

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for (uint32_t i = 0; i < 200; i++)
		env_put(a, env_frame(1, i, ENV_FRAME_SIZE));
	for (uint32_t i = 0; i < 50; i++)
		expect(b, i, 0x22);
	assert_true(ENV_WAIT(env_account().dropped + env_account().tx == 200));
	assert_in_range(env_drops(a, PKT_DROP_METER), 200 - 50 - 100, 200 - 50);
	qos_meter_counts(meter, &in, &band);
	assert_int_equal(in.pkts, 200);
	assert_int_equal(in.bytes, 200 * ENV_FRAME_SIZE);
	assert_int_equal(band.pkts, env_drops(a, PKT_DROP_METER));
	stop(state);
	qos_meter_destroy(meter);
}

/* AF11 becomes AF12 above the rate; the reference that port 3 holds stays as it was. */
static void test_meter_remarks(void **state)
{
	struct qos_meter *meter;
	unsigned n_marked = 0;

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 3);
	meter = meter_add(&env_progs[1], &(struct qos_band_config){QOS_BAND_DSCP_REMARK, .rate = 1,
	                                                           .burst = 10, .prec_level = 1});
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for (uint32_t i = 0; i < 40; i++) {
		struct rte_mbuf *m = env_frame(1, i, ENV_FRAME_SIZE);

		ip_of(m)->type_of_service = 10 << 2 | 1;
		ip_of(m)->hdr_checksum = 0;
		ip_of(m)->hdr_checksum = rte_ipv4_cksum(ip_of(m));
		env_put(a, m);
	}
	for (uint32_t i = 0; i < 40; i++) {
		struct rte_mbuf *m = env_take(b), *other = env_take(c);

		assert_int_equal(env_seq(m), i);
		assert_int_equal(ip_of(other)->type_of_service, 10 << 2 | 1);
		if (ip_of(m)->type_of_service == (12 << 2 | 1))
			n_marked++;
		else
			assert_int_equal(ip_of(m)->type_of_service, 10 << 2 | 1);
		assert_int_equal(rte_raw_cksum(ip_of(m), 20), 0xffff);
		rte_pktmbuf_free(m);
		rte_pktmbuf_free(other);
	}
	assert_in_range(n_marked, 1, 40 - 10);
	expect_account((struct pmd_account){.rx = 40, .copies = 40, .tx = 80});
	stop(state);
	qos_meter_destroy(meter);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_output),
	        TEST(test_mixed_flows_keep_order),
	        cmocka_unit_test_setup_teardown(test_mixed_programs, start_by_flow, stop),
	        TEST(test_flood),
	        TEST(test_edit_after_output_copies),
	        TEST(test_clone),
	        TEST(test_clone_last_and_unused),
	        TEST(test_trailing_edit_is_no_loss),
	        TEST(test_vlan),
	        cmocka_unit_test_setup(test_meter_drops, start),
	        cmocka_unit_test_setup(test_meter_remarks, start),
	        TEST(test_bad_action),
	        TEST(test_recirc),
	        TEST(test_recirc_ends),
	        TEST(test_controller),
	        TEST(test_controller_flood),
	        TEST(test_tx_drops),
	        TEST(test_too_long_for_guest),
	        TEST(test_long_and_full),
	        TEST(test_offload_by_port),
	        TEST(test_offload_that_lies),
	        TEST(test_segmentation),
	        TEST(test_segmentation_of_shared),
	        TEST(test_controller_gets_frames),
	        TEST(test_rx_drops),
	        TEST(test_miss_budget),
	        TEST(test_not_cacheable),
	        TEST(test_inject),
	        TEST(test_flows_are_credited),
	};

	return cmocka_run_group_tests(tests, env_eal_start, env_eal_stop);
}
