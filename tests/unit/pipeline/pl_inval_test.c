/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invalidation, both ways: what a change affects is gone after the barrier, what it does not affect
 * lives on. And statistics, which must survive that.
 */
#include "pl_of_test.h"

static struct pkt_key udp_to(uint16_t port)
{
	struct pkt_key key = pt_packet(1, 0xa, 0xb);

	key.base.tp_dst = rte_cpu_to_be_16(port);
	return key;
}

/* Flows of packets to UDP ports 1..4, each by a rule of its own at priority 10, in table 1. */
static struct pl_bridge *four_rules(void)
{
	struct pl_bridge *br = pt_secure("br0", 4);
	struct of_flow_mod mod = pt_mod(0, 0);

	pt_goto(&mod, 1);
	pt_send(br, &mod);
	for (uint16_t port = 1; port <= 4; port++) {
		mod = pt_mod(1, 10);
		pt_match_udp(&mod, port);
		pt_apply(&mod, pt_out(2));
		pt_send(br, &mod);
	}
	pt_commit();
	for (uint16_t port = 1; port <= 4; port++) {
		struct pkt_key key = udp_to(port);

		assert_false(pt_pass(&key));
		assert_true(pt_pass(&key));
	}
	return br;
}

/* Which of the flows are alive: bit per UDP port. Brings the dead ones back. */
static unsigned alive(void)
{
	unsigned bits = 0;

	for (uint16_t port = 1; port <= 4; port++) {
		struct pkt_key key = udp_to(port);

		bits |= (unsigned)pt_pass(&key) << port;
	}
	return bits;
}

static void test_deleted_rule(void **state)
{
	struct pl_bridge *br = four_rules();
	struct of_flow_mod mod = pt_mod(1, 10);

	mod.command = OFPFC_DELETE_STRICT;
	pt_match_udp(&mod, 3);
	pt_send(br, &mod);
	assert_int_equal(alive(), 0x1e); /* not committed */
	pt_commit();
	assert_int_equal(alive(), 0x16);
	assert_string_equal(pt_translate(&(struct pkt_key){.base = udp_to(3).base}),
	                    "drop:table-miss");
}

static void test_modified_rule(void **state)
{
	struct pl_bridge *br = four_rules();
	struct of_flow_mod mod = pt_mod(1, 10);

	mod.command = OFPFC_MODIFY_STRICT;
	pt_match_udp(&mod, 2);
	pt_apply(&mod, pt_out(3));
	pt_send(br, &mod);
	pt_commit();
	assert_int_equal(alive(), 0x1a);
}

static void test_added_rule(void **state)
{
	struct pl_bridge *br = four_rules();
	struct of_flow_mod mod = pt_mod(1, 20);

	pt_match_udp(&mod, 4);
	pt_apply(&mod, pt_out(3));
	pt_send(br, &mod);
	pt_commit();
	assert_int_equal(alive(), 0x0e);
	/* below what they hit: no effect */
	mod = pt_mod(1, 5);
	pt_apply(&mod, pt_out(3));
	pt_send(br, &mod);
	pt_commit();
	assert_int_equal(alive(), 0x1e);
	/* in a table that they do not pass */
	mod = pt_mod(7, 50);
	pt_send(br, &mod);
	pt_commit();
	assert_int_equal(alive(), 0x1e);
	/* of another in_port */
	mod = pt_mod(1, 50);
	pt_match(&mod, FLOW_FIELD_IN_PORT, 2);
	pt_send(br, &mod);
	pt_commit();
	assert_int_equal(alive(), 0x1e);
	/* by a field that nobody looked at: may be any of them */
	mod = pt_mod(1, 50);
	pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
	pt_match(&mod, FLOW_FIELD_IPV4_DST, 0x01020304);
	pt_send(br, &mod);
	pt_commit();
	assert_int_equal(alive(), 0x00);
	/* now they looked at it: one more of its kind is elsewhere */
	pt_match(&mod, FLOW_FIELD_IPV4_SRC, 0x01020304);
	pt_send(br, &mod);
	pt_commit();
	alive();
	mod = pt_mod(1, 50);
	pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
	pt_match(&mod, FLOW_FIELD_IPV4_DST, 0x01020306);
	pt_send(br, &mod);
	pt_commit();
	alive();
	assert_int_equal(alive(), 0x1e);
}

static void test_table_miss(void **state)
{
	struct pl_bridge *br = four_rules();
	struct pkt_key other = udp_to(9);
	struct of_flow_mod mod = pt_mod(1, 0);

	assert_false(pt_pass(&other));
	assert_true(pt_pass(&other));
	pt_apply(&mod, pt_out(OFPP_CONTROLLER));
	pt_send(br, &mod);
	pt_commit();
	assert_int_equal(alive(), 0x1e);
	assert_false(pt_pass(&other));
}

/* The packet's own address says nothing about a table behind a rule that rewrites it. */
static void test_rewritten_field(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 4);
	struct pkt_key key = udp_to(1);
	struct of_flow_mod mod = pt_mod(0, 0);
	struct of_actions list = {0};

	pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
	pt_set(&list, FLOW_FIELD_IPV4_DST, 0x05050505);
	pt_apply(&mod, list);
	pt_goto(&mod, 1);
	pt_send(br, &mod);
	mod = pt_mod(0, 9); /* so that the address is looked at */
	pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
	pt_match(&mod, FLOW_FIELD_IPV4_DST, 0x09090909);
	pt_send(br, &mod);
	pt_commit();
	assert_false(pt_pass(&key));
	assert_true(pt_pass(&key));
	mod = pt_mod(1, 1);
	pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
	pt_match(&mod, FLOW_FIELD_IPV4_DST, 0x05050505);
	pt_apply(&mod, pt_out(2));
	pt_send(br, &mod);
	pt_commit();
	assert_false(pt_pass(&key));
	pt_translate(&key);
	assert_string_equal(pt_text, "set-ipv4(dst=5.5.5.5),output:2");
}

static void test_group_change(void **state)
{
	struct pl_bridge *br = four_rules();
	struct of_bucket bucket = pt_bucket(0, OFPP_ANY, pt_out(2));
	struct of_flow_mod mod = pt_mod(1, 10);
	struct of_actions list = {0};

	pt_group_mod(br, OFPGC_ADD, 5, OFPGT_ALL, &bucket, 1);
	pt_group(&list, 5);
	mod.command = OFPFC_MODIFY_STRICT;
	pt_match_udp(&mod, 1);
	pt_apply(&mod, list);
	pt_send(br, &mod);
	pt_commit();
	assert_int_equal(alive(), 0x1c);
	assert_int_equal(alive(), 0x1e);
	bucket = pt_bucket(0, OFPP_ANY, pt_out(3));
	pt_group_mod(br, OFPGC_MODIFY, 5, OFPGT_ALL, &bucket, 1);
	pt_commit();
	assert_int_equal(alive(), 0x1c);
}

static void test_port_gone(void **state)
{
	struct pl_bridge *br = four_rules();
	struct of_flow_mod mod = pt_mod(1, 10);

	mod.command = OFPFC_MODIFY_STRICT;
	pt_match_udp(&mod, 1);
	pt_apply(&mod, pt_out(3));
	pt_send(br, &mod);
	pt_commit();
	alive();
	pl_port_del(pl_port_by_ofport(br, 3));
	pt_commit();
	assert_int_equal(alive(), 0x1c);
	pt_port(br, 3);
	pt_commit();
	assert_int_equal(alive(), 0x1c); /* it waited for the port */
}

static void test_mac_moves(void **state)
{
	struct pl_bridge *br = pt_bridge("br0");
	struct pkt_key ab = pt_packet(1, 0xa, 0xb), ba = pt_packet(2, 0xb, 0xa);
	struct pkt_key ca = pt_packet(3, 0xc, 0xa), cb = pt_packet(3, 0xc, 0xb), moved;

	for (uint16_t i = 1; i <= 4; i++)
		pt_port(br, i);
	pt_pass(&ab);
	pt_settle();
	pt_pass(&ba);
	pt_settle();
	pt_pass(&ca);
	pt_pass(&cb);
	pt_pass(&ab);
	pt_settle();
	assert_true(pt_pass(&ab) && pt_pass(&ba) && pt_pass(&ca) && pt_pass(&cb));
	/* a shows up at port 4 */
	moved = pt_packet(4, 0xa, 0xb);
	pt_pass(&moved);
	pt_settle();
	assert_true(pt_pass(&cb));
	assert_true(pt_pass(&moved));
	assert_false(pt_pass(&ca));
	assert_false(pt_pass(&ba));
	assert_string_equal(pt_translate(&ca), "output:4");
	/* and back again: its old flow must not hide that */
	usleep(20000);
	assert_false(pt_pass(&ab));
	pt_settle();
	assert_string_equal(pt_translate(&ca), "output:1");
}

static uint64_t removed_pkts;
static unsigned n_removed;

static void on_removed(struct pl_bridge *bridge, const struct of_flow_removed *msg, void *arg)
{
	removed_pkts = msg->packet_count;
	n_removed++;
}

static void tell_pkts(const struct of_flow_stats *stats, void *arg)
{
	((uint64_t *)arg)[stats->priority] += stats->packet_count;
}

static void test_statistics(void **state)
{
	struct of_flow_request request = {
	        .table_id = 1, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
	struct pl_bridge *br = four_rules();
	struct of_flow_mod mod = pt_mod(1, 10);
	struct pl_flow_cursor cursor = {0};
	uint64_t pkts[100] = {0};

	pl_stats_sync();
	while (pl_flow_walk(br, &request, &cursor, 2, tell_pkts, pkts))
		;
	assert_int_equal(pkts[10], 8);
	/* a modified rule counts on; a deleted one tells its last figures */
	pl_on_flow_removed(on_removed, NULL);
	n_removed = 0;
	mod.flags = OFPFF_SEND_FLOW_REM;
	pt_match_udp(&mod, 1);
	pt_apply(&mod, pt_out(2));
	pt_send(br, &mod);
	pt_commit();
	alive();
	alive();
	mod.command = OFPFC_MODIFY;
	pt_apply(&mod, pt_out(3));
	pt_send(br, &mod);
	pt_commit();
	alive();
	mod.command = OFPFC_DELETE_STRICT;
	pt_send(br, &mod);
	pt_commit();
	assert_int_equal(n_removed, 0);
	for (unsigned i = 0; i < 10; i++) {
		flow_cache_poll(pt_cache);
		pl_tick();
		evs_rcu_synchronize();
	}
	assert_int_equal(n_removed, 1);
	assert_int_equal(removed_pkts, 5);
	pl_on_flow_removed(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_deleted_rule, pt_cache_init, pt_cache_fini),
	        cmocka_unit_test_setup_teardown(test_modified_rule, pt_cache_init, pt_cache_fini),
	        cmocka_unit_test_setup_teardown(test_added_rule, pt_cache_init, pt_cache_fini),
	        cmocka_unit_test_setup_teardown(test_table_miss, pt_cache_init, pt_cache_fini),
	        cmocka_unit_test_setup_teardown(test_rewritten_field, pt_cache_init, pt_cache_fini),
	        cmocka_unit_test_setup_teardown(test_group_change, pt_cache_init, pt_cache_fini),
	        cmocka_unit_test_setup_teardown(test_port_gone, pt_cache_init, pt_cache_fini),
	        cmocka_unit_test_setup_teardown(test_mac_moves, pt_cache_init, pt_cache_fini),
	        cmocka_unit_test_setup_teardown(test_statistics, pt_cache_init, pt_cache_fini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
