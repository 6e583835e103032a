/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets out of a tunnel by the short way: the same as by the long way in order, counts and drops,
 * among packets that go the long way, and never by a flow that control ended.
 *
 *   p1 --- worker --- p2: what was in the tunnel (p4 is the tunnel port)
 *                 --- p3: what is not of a tunnel
 */
#include "pmd_test_env.h"
#include "pmd/pmd_pvt.h"
#include "tunnel/tun_ports.h"

#define VNI 77

static struct fake *a, *b, *c, *vx;
static bool tunnels_end; /* here; else everything goes to p3 */

/* Of outer packets nothing matters but what makes them one of a tunnel; of inner ones all. */
static void translate(unsigned worker, const struct pkt_burst *burst, unsigned i,
                      struct flow_xlate *x)
{
	const struct pkt_key_base *base = &burst->base[i];
	bool outer = base->in_port == 1;

	env_translate(worker, burst, i, x);
	flow_prog_builder_init(&x->prog);
	if (base->in_port == 4) {
		flow_prog_add(&x->prog, FLOW_OP_OUTPUT, 2);
		return;
	}
	x->mask.base.tp_src = 0;
	x->mask.base.ip_ttl = 0;
	memset(x->mask.base.eth_src, 0, 6);
	if (outer && tunnels_end && base->tp_dst == RTE_BE16(4789))
		flow_prog_add(&x->prog, FLOW_OP_TUNNEL_POP, TUN_VXLAN << 16 | 4789);
	else
		flow_prog_add(&x->prog, FLOW_OP_OUTPUT, 3);
}

static int start(void **state)
{
	struct pmd_config config = env_config();
	struct tun_match match = {.kind = TUN_VXLAN,
	                          .wild = TUN_ANY_LOCAL | TUN_ANY_REMOTE,
	                          .dst_port = 4789,
	                          .index = 4,
	                          .key = rte_cpu_to_be_64(VNI)};

	config.translate = translate;
	env_pmd_start(&config);
	a = fake_attach(1);
	b = fake_attach(2);
	c = fake_attach(3);
	vx = fake_attach(4);
	tunnels_end = true;
	assert_int_equal(tun_port_add(&match, NULL), 0);
	assert_int_equal(pmd_worker_add(0, NULL), 0);
	return 0;
}

static int stop(void **state)
{
	tun_port_del(4);
	env_pmd_stop();
	return 0;
}

/* A frame of the flow in a tunnel from host `remote`. */
static struct rte_mbuf *tunnelled(uint32_t flow, uint32_t seq, uint32_t vni, uint8_t remote)
{
	struct tun_outer outer = {.kind = TUN_VXLAN,
	                          .eth_dst = {2, 1},
	                          .eth_src = {2, 2},
	                          .ttl = 64,
	                          .flags = PKT_TUN_DF,
	                          .key = rte_cpu_to_be_64(vni),
	                          .dst_port = RTE_BE16(4789),
	                          .sport_lo = TUN_SPORT_LO,
	                          .sport_n = TUN_SPORT_N};
	struct pkt_tunnel_header header;
	struct rte_mbuf *m = env_frame(flow, seq, ENV_FRAME_SIZE);

	memcpy(outer.src + 10, "\xff\xff\x0a\x00\x00\x01", 6);
	memcpy(outer.dst + 10, "\xff\xff\x0a\x00\x00\x02", 6);
	outer.src[15] = remote;
	assert_int_equal(tun_header_build(&outer, &header), 0);
	assert_int_equal(tun_push(&header, m, flow * 0x9e3779b1u), 0);
	return m;
}

static void expect(struct fake *f, uint32_t seq)
{
	struct rte_mbuf *m = env_take(f);

	assert_int_equal(env_seq(m), seq);
	assert_int_equal(m->pkt_len, ENV_FRAME_SIZE);
	rte_pktmbuf_free(m);
}

static bool is_known(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PMD_N_DECAPS; i++)
		n += pmd_workers[0]->decaps[i].in_port != PKT_PORT_NONE;
	return n > 0 && pmd_workers[0]->view[1]->decap_l3 == 14;
}

/* So that the worker knows the remote host. */
static void introduce(uint8_t remote)
{
	env_put(a, tunnelled(1, 0, VNI, remote));
	expect(b, 0);
	assert_true(is_known());
}

static void expect_account(uint64_t rx, uint64_t dropped)
{
	struct pmd_account got = {0};

	assert_true(ENV_WAIT((got = env_account(), got.rx == rx && got.tx + got.dropped == rx)));
	assert_int_equal(got.dropped, dropped);
}

static struct port_counters counters_of(struct fake *f)
{
	struct port_counters sum;

	port_counters_sum(&f->port, &sum);
	return sum;
}

static void test_known(void **state)
{
	introduce(1);
	for (uint32_t i = 1; i < 500; i++)
		env_put(a, tunnelled(i % 7, i, VNI, 1));
	for (uint32_t i = 1; i < 500; i++)
		expect(b, i);
	expect_account(500, 0);
	assert_int_equal(counters_of(a).rx_pkts, 500);
	assert_int_equal(counters_of(a).rx_bytes, 500 * (ENV_FRAME_SIZE + 50));
	assert_int_equal(counters_of(vx).rx_pkts, 500);
	assert_int_equal(counters_of(vx).rx_bytes, 500 * ENV_FRAME_SIZE);
	assert_int_equal(env_translations, 1 + 7);
}

/* Every packet is counted to its flow once, the outer one and the inner one. */
static void test_credited(void **state)
{
	introduce(1);
	for (uint32_t i = 1; i < 100; i++)
		env_put(a, tunnelled(1, i, VNI, 1));
	for (uint32_t i = 1; i < 100; i++)
		expect(b, i);
	assert_int_equal(pmd_worker_del(0, NULL), 0);
	assert_true(ENV_WAIT(env_credited_pkts == 200 && !pmd_worker_cache(0)));
}

/* Among them what is not of a tunnel, and of tunnels what is not ordinary: a frame with padding
 * behind the packet, and one in a later network. */
static void test_mixed(void **state)
{
	uint32_t n_inner = 1, n_plain = 0;

	introduce(1);
	for (uint32_t i = 0; i < 900; i++) {
		struct rte_mbuf *m;

		if (i % 5 == 0) {
			env_put(a, env_frame(9, n_plain++, ENV_FRAME_SIZE));
			continue;
		}
		m = tunnelled(3, n_inner++, VNI, 1);
		if (i % 37 == 1)
			memset(rte_pktmbuf_append(m, 4), 0, 4);
		env_put(a, m);
	}
	for (uint32_t i = 1; i < n_inner; i++)
		expect(b, i);
	for (uint32_t i = 0; i < n_plain; i++)
		expect(c, i);
	expect_account(901, 0);
	assert_int_equal(counters_of(vx).rx_pkts, n_inner);
}

/* Hosts beyond number: each is known or not, none is lost. */
static void test_remotes(void **state)
{
	uint32_t next[256] = {0};

	for (uint32_t i = 0; i < 1000; i++)
		env_put(a, tunnelled(i % 200, i / 200, VNI, (uint8_t)(i % 200)));
	for (uint32_t i = 0; i < 1000; i++) {
		struct rte_mbuf *m = env_take(b);
		const struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(m, void *, 34);

		assert_int_equal(env_seq(m), next[rte_be_to_cpu_16(udp->src_port)]++);
		rte_pktmbuf_free(m);
	}
	expect_account(1000, 0);
}

static void test_refused(void **state)
{
	introduce(1);
	for (uint32_t i = 0; i < 64; i++) {
		struct rte_mbuf *m = tunnelled(1, i, i % 2 ? VNI : VNI + 1, 1);

		if (i % 4 == 3)
			*rte_pktmbuf_mtod_offset(m, uint8_t *, 42) = 0; /* no network */
		env_put(a, m);
	}
	for (uint32_t i = 1; i < 64; i += 4)
		expect(b, i);
	expect_account(65, 48);
	assert_int_equal(env_drops(a, PKT_DROP_TUN_UNKNOWN_KEY), 32);
	assert_int_equal(env_drops(a, PKT_DROP_TUN_BAD_HEADER), 16);
}

/* What no template can be made of does not cost its sender the one there is. */
static void test_no_template(void **state)
{
	introduce(1);
	for (uint32_t i = 0; i < 4; i++) {
		struct rte_mbuf *m = tunnelled(1, i, VNI, 1);

		*rte_pktmbuf_mtod_offset(m, uint8_t *, 42) = 0; /* no network */
		env_put(a, m);
		expect_account(2 + i, 1 + i);
		assert_true(is_known());
	}
	env_put(a, tunnelled(1, 9, VNI, 1));
	expect(b, 9);
	expect_account(6, 4);
}

static bool kill(struct flow *flow, void *arg)
{
	flow_cache_kill(arg, flow);
	return true;
}

/* What a rule change ended is not used once more. */
static void test_ended(void **state)
{
	introduce(1);
	__atomic_store_n(&tunnels_end, false, __ATOMIC_RELEASE);
	flow_cache_walk(pmd_worker_cache(0), kill, pmd_worker_cache(0));
	for (uint32_t i = 0; i < 100; i++)
		env_put(a, tunnelled(1, i, VNI, 1));
	for (uint32_t i = 0; i < 100; i++) {
		struct rte_mbuf *m = env_take(c);

		assert_int_equal(m->pkt_len, ENV_FRAME_SIZE + 50);
		rte_pktmbuf_free(m);
	}
	expect_account(101, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_known, start, stop),
	        cmocka_unit_test_setup_teardown(test_credited, start, stop),
	        cmocka_unit_test_setup_teardown(test_mixed, start, stop),
	        cmocka_unit_test_setup_teardown(test_remotes, start, stop),
	        cmocka_unit_test_setup_teardown(test_refused, start, stop),
	        cmocka_unit_test_setup_teardown(test_no_template, start, stop),
	        cmocka_unit_test_setup_teardown(test_ended, start, stop),
	};

	return cmocka_run_group_tests(tests, env_eal_start, env_eal_stop);
}
