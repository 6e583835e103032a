/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of ports on DPDK's virtual devices, pools and their limits, counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <rte_ethdev.h>

#include "port_test.h"

static struct evs_error err;

static void test_refusals(void **state)
{
	static const struct {
		const char *type, *name;
		struct port_args args;
		int code;
		const char *words;
	} cases[] = {
	        {"frob", "p", {.n = 0}, -EINVAL, "there are: dpdk, tap"},
	        {"dpdk", "", {.n = 0}, -EINVAL, "1 to 63"},
	        {"dpdk", "a b", {.n = 0}, -EINVAL, "printable"},
	        {"dpdk", "p", {.n = 0}, -EINVAL, "devargs="},
	        {"dpdk", "p", {1, {{"devargs", "net_nosuch0"}}}, 0, "net_nosuch0"},
	        {"dpdk", "p", {1, {{"devargs", "net_pcap0,rx_pcap=/no/file"}}}, 0, "net_pcap0"},
	        {"dpdk", "p", {1, {{"pci", "ffff:ff:1f.7"}}}, 0, "ffff:ff:1f.7"},
	        {"dpdk", "p", {2, {{"devargs", "net_null0"}, {"mtu", "67"}}}, -EINVAL, "68"},
	        {"dpdk",
	         "p",
	         {2, {{"devargs", "net_null0"}, {"mbufs", "16000000"}}},
	         -ENOMEM,
	         "bytes of DPDK memory"},
	        {"dpdk",
	         "p",
	         {2, {{"devargs", "net_null0"}, {"admin", "x"}}},
	         -EINVAL,
	         "up or down"},
	        {"dpdk", "p", {1, {{"devargs", "net_null0,size=40000"}}}, -EINVAL, "40000"},
	        {"patch", "p", {1, {{"peer", "p"}}}, -EINVAL, "own peer"},
	        {"patch",
	         "p",
	         {2, {{"peer", "q"}, {"mac", "02:00:00:00:00:01"}}},
	         -EOPNOTSUPP,
	         "MAC"},
	};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(cases); i++) {
		struct port *port = NULL;
		int ret = port_create(cases[i].type, cases[i].name, &cases[i].args, &port, &err);

		assert_true(cases[i].code ? ret == cases[i].code : ret < 0);
		if (!strstr(err.text, cases[i].words))
			fail_msg("case %u: %s", i, err.text);
		assert_null(port);
		assert_int_equal(rte_eth_dev_count_avail(), 0);
	}
}

static void test_cycles(void **state)
{
	const struct port_args args = {1, {{"devargs", "net_null0,size=64"}}};
	struct port *port = NULL, *other = NULL;
	uint16_t last = 0;

	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(port_create("dpdk", "p0", &args, &port, &err), 0);
		assert_ptr_equal(port_get(port->index), port);
		assert_ptr_equal(port_lookup("p0"), port);
		assert_true(port->index > last); /* no number comes back at once */
		last = port->index;
		assert_int_equal(port_create("dpdk", "p0", &args, &other, &err), -EEXIST);
		assert_int_equal(port_create("dpdk", "p1", &args, &other, &err), -EBUSY);
		assert_non_null(strstr(err.text, "'p0'"));
		assert_true(port->link_up);
		port_destroy(port);
		assert_null(port_get(last));
		assert_int_equal(rte_eth_dev_count_avail(), 0);
	}
}

static void test_traffic(void **state)
{
	const struct port_args args = {2, {{"devargs", "net_null0,size=64"}, {"rxq", "2"}}};
	struct port *port = make_port("dpdk", "p0", &args);
	struct rte_mbuf *mbufs[32];
	unsigned before = rte_mempool_avail_count(port->pool);

	assert_int_equal(port->n_rxq, 2);
	assert_int_equal(port->n_txq, 2);
	assert_null(port->tx_locks);
	for (uint16_t q = 0; q < 2; q++) {
		assert_int_equal(port->rx(port, q, mbufs, 32), 32);
		assert_int_equal(mbufs[0]->pkt_len, 64);
		assert_int_equal(port->tx(port, q, mbufs, 32), 32);
	}
	assert_int_equal(rte_mempool_avail_count(port->pool), before);
	port_destroy(port);
}

static void test_set(void **state)
{
	const struct port_args args = {1, {{"devargs", "net_ring0"}}};
	const struct port_args bad = {2, {{"admin", "down"}, {"mtu", "9000"}}};
	const struct port_args good = {1, {{"admin", "down"}}};
	const struct port_args fixed = {1, {{"devargs", "net_ring1"}}};
	struct port *port = make_port("dpdk", "p0", &args);

	assert_int_equal(port_set(port, &fixed, &err), -EINVAL);
	assert_true(port_set(port, &bad, &err) < 0);
	assert_int_equal(port->config, 0);
	assert_int_equal(port->mtu, 1500);
	assert_int_equal(port_set(port, &good, &err), 0);
	assert_int_equal(port->config, PORT_CONFIG_DOWN);
	port_poll_links(NULL, NULL);
	assert_false(port->link_up);
	assert_int_equal(port_set_config(port, 0, PORT_CONFIG_DOWN, &err), 0);
	port_poll_links(NULL, NULL);
	assert_true(port->link_up);
	port_destroy(port);
}

static void test_pools(void **state)
{
	struct rte_mempool *a = port_pool_get(1500, SOCKET_ID_ANY, &err);
	struct rte_mempool *b = port_pool_get(68, 0, &err);
	struct rte_mempool *c = port_pool_get(9000, SOCKET_ID_ANY, &err);

	assert_non_null(a);
	assert_ptr_equal(a, b);
	assert_non_null(c);
	assert_true(rte_pktmbuf_data_room_size(c) >= 9000 + RTE_PKTMBUF_HEADROOM);
	/* 64 MB: less than the wish, and the next one less again, down to an exact refusal */
	assert_true(a->size >= 2047 && a->size < 32767);
	assert_null(port_pool_get(16110, SOCKET_ID_ANY, &err));
	assert_non_null(strstr(err.text, "nr_hugepages"));
	port_pool_put(a);
	port_pool_put(b);
	port_pool_put(c);
	c = port_pool_get(16110, SOCKET_ID_ANY, &err); /* takes the memory of the idle ones */
	assert_non_null(c);
	port_pool_put(c);
}

static void test_counters(void **state)
{
	const struct port_args args = {1, {{"devargs", "net_null0"}}};
	struct port *port = make_port("dpdk", "p0", &args);
	struct port_counters sum;

	assert_int_equal(port_counters_prepare(port, 0, &err), 0);
	assert_int_equal(port_counters_prepare(port, 63, &err), 0);
	assert_int_equal(port_counters_prepare(port, 63, &err), 0);
	port->counters[0]->rx_pkts = 3;
	port->counters[63]->rx_pkts = 4;
	port->counters[63]->drops[PKT_DROP_RULE] = 1;
	port->rxq_drops[0].drops[PKT_DROP_RX_TRUNCATED] = 2;
	port_counters_drop(port, PKT_DROP_RULE); /* had been received by a worker */
	port_counters_sum(port, &sum);
	assert_int_equal(sum.rx_pkts, 9);
	assert_int_equal(sum.drops[PKT_DROP_RULE], 2);
	assert_int_equal(sum.drops[PKT_DROP_RX_TRUNCATED], 2);
	port_counters_clear(port);
	port_counters_sum(port, &sum);
	assert_int_equal(sum.rx_pkts, 0);
	assert_int_equal(sum.drops[PKT_DROP_RULE], 0);
	assert_int_equal(sum.drops[PKT_DROP_RX_TRUNCATED], 0);
	port_destroy(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_refusals), cmocka_unit_test(test_cycles),
	        cmocka_unit_test(test_traffic),  cmocka_unit_test(test_set),
	        cmocka_unit_test(test_counters), cmocka_unit_test(test_pools),
	};
	int ret;

	test_eal("64");
	if (port_init(2, &err))
		return 1;
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	port_fini();
	rte_eal_cleanup();
	return ret;
}
