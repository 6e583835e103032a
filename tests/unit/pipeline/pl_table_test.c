/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables: lookup by priority, instructions, action sets, actions, groups, versions.
 */
#include "pl_of_test.h"

static void test_priorities_and_miss(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct pkt_key pkt = pt_packet(1, 0xa, 0xb);
	struct of_flow_mod mod = pt_mod(0, 10);

	assert_string_equal(pt_translate(&pkt), "drop:table-miss");
	pt_match_udp(&mod, 2000);
	pt_apply(&mod, pt_out(2));
	pt_send(br, &mod);
	assert_string_equal(pt_translate(&pkt), "drop:table-miss"); /* not committed yet */
	pt_commit();
	assert_string_equal(pt_translate(&pkt), "output:2");
	assert_int_equal(pt_xlate.mask.base.tp_dst, 0xffff);
	assert_int_equal(pt_xlate.mask.base.tp_src, 0);
	mod.priority = 11;
	pt_apply(&mod, pt_out(3));
	pt_send(br, &mod);
	pt_commit();
	assert_string_equal(pt_translate(&pkt), "output:3");
	mod.command = OFPFC_DELETE_STRICT;
	pt_send(br, &mod);
	pt_commit();
	assert_string_equal(pt_translate(&pkt), "output:2");
	pkt.base.in_port = 2;
	assert_string_equal(pt_translate(&pkt), "drop:same-port");
}

static void test_action_set_order(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct pkt_key pkt = pt_packet(1, 0xa, 0xb);
	struct of_flow_mod mod = pt_mod(0, 10);
	struct of_actions write = {0}, later = {0};

	pt_output(&write, 2);
	pt_set(&write, FLOW_FIELD_VLAN_VID, 0x1005);
	pt_tag_op(&write, OF_ACTION_PUSH_VLAN, 0x8100);
	pt_write(&mod, write);
	pt_goto(&mod, 3);
	pt_send(br, &mod);
	mod = pt_mod(3, 1);
	pt_output(&later, 3);
	pt_set(&later, FLOW_FIELD_ETH_DST, 0x020000000042);
	pt_write(&mod, later);
	pt_send(br, &mod);
	pt_commit();
	assert_string_equal(pt_translate(&pkt), "push-vlan(tpid=0x8100,vid=5,pcp=0),"
	                                        "set-eth(dst=02:00:00:00:00:42),output:3");
	mod.insts.set |= OF_INST_CLEAR_ACTIONS;
	mod.insts.set &= ~(uint32_t)OF_INST_WRITE_ACTIONS;
	pt_send(br, &mod);
	pt_commit();
	assert_string_equal(pt_translate(&pkt), "drop:rule");
}

static void test_metadata_and_goto(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct pkt_key pkt = pt_packet(1, 0xa, 0xb);
	struct of_flow_mod mod = pt_mod(0, 0);

	mod.insts.set = OF_INST_WRITE_METADATA;
	mod.insts.metadata = 0x1234;
	mod.insts.metadata_mask = 0xffff;
	pt_goto(&mod, 1);
	pt_send(br, &mod);
	mod = pt_mod(1, 5);
	pt_match(&mod, FLOW_FIELD_METADATA, 0x1234);
	pt_apply(&mod, pt_out(OFPP_IN_PORT));
	pt_send(br, &mod);
	pt_commit();
	assert_string_equal(pt_translate(&pkt), "output:1");
}

/* Edits come right before an output, only what differs from the packet as it is then. */
static void test_apply_actions(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct pkt_key pkt = pt_packet(1, 0xa, 0xb);
	struct of_flow_mod mod = pt_mod(0, 0);
	struct of_actions list = {0};

	pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
	pt_output(&list, 2);
	pt_set(&list, FLOW_FIELD_IPV4_SRC, 0x01020304);
	pt_act(&list, OF_ACTION_DEC_NW_TTL, 1);
	pt_output(&list, 3);
	pt_set(&list, FLOW_FIELD_IPV4_SRC, 0x01020305);
	pt_apply(&mod, list);
	pt_send(br, &mod);
	pt_commit();
	assert_string_equal(pt_translate(&pkt), "output:2,set-ipv4(src=1.2.3.4,ttl=63),output:3");
	assert_int_equal(pt_xlate.mask.base.ip_src, 0); /* set without asking */
	assert_int_equal(pt_xlate.mask.base.ip_ttl, 0xff);
	pkt.base.ip_ttl = 1;
	pt_translate(&pkt);
	assert_non_null(strstr(pt_text, "output:2,"));
	assert_non_null(strstr(pt_text, "controller("));
	assert_null(strstr(pt_text, "output:3"));
}

static void test_labels(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct pkt_key pkt = pt_packet(1, 0xa, 0xb);
	struct of_flow_mod mod = pt_mod(0, 0);
	struct of_actions list = {0}, pop = {0};
	unsigned id;

	pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
	pt_tag_op(&list, OF_ACTION_PUSH_MPLS, 0x8847);
	pt_set(&list, FLOW_FIELD_MPLS_LABEL, 77);
	pt_output(&list, 2);
	pt_apply(&mod, list);
	pt_send(br, &mod);
	mod = pt_mod(0, 0);
	pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x8847);
	pt_tag_op(&pop, OF_ACTION_POP_MPLS, 0x0800);
	pt_act(&pop, OF_ACTION_DEC_NW_TTL, 1);
	pt_output(&pop, 3);
	pt_apply(&mod, pop);
	pt_send(br, &mod);
	pt_commit();
	pt_translate(&pkt);
	assert_non_null(strstr(pt_text, "push-mpls(0x8847,"));
	assert_non_null(strstr(pt_text, "set-mpls("));
	memset(&pkt.base.ip_proto, 0, 26);
	pkt.base.eth_type = RTE_BE16(0x8847);
	pkt.base.mpls_lse[0] = RTE_BE32(77u << 12 | 0x100 | 9);
	pkt.base.n_mpls = 1;
	pt_translate(&pkt);
	assert_int_equal(sscanf(pt_text, "pop-mpls(0x0800),recirc(0x%x)", &id), 1);
	/* the worker parses it again */
	pkt = pt_packet(1, 0xa, 0xb);
	pkt.base.recirc_id = id;
	pt_translate(&pkt);
	assert_string_equal(pt_text, "set-ipv4(ttl=63),output:3");
}

static void test_groups(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 4);
	struct pkt_key pkt = pt_packet(1, 0xa, 0xb);
	struct of_flow_mod mod = pt_mod(0, 0);
	struct of_actions list = {0}, tag = {0};
	struct of_bucket buckets[3];

	pt_tag_op(&tag, OF_ACTION_PUSH_VLAN, 0x8100);
	pt_output(&tag, 3);
	buckets[0] = pt_bucket(0, OFPP_ANY, pt_out(2));
	buckets[1] = pt_bucket(0, OFPP_ANY, tag);
	buckets[2] = pt_bucket(0, OFPP_ANY, pt_out(4));
	pt_group_mod(br, OFPGC_ADD, 1, OFPGT_ALL, buckets, 3);
	pt_group(&list, 1);
	pt_apply(&mod, list);
	pt_send(br, &mod);
	pt_commit();
	assert_string_equal(pt_translate(&pkt),
	                    "output:2,clone(push-vlan(tpid=0x8100,vid=0,pcp=0),output:3),output:4");
	/* fast failover follows the link */
	buckets[0] = pt_bucket(0, 2, pt_out(2));
	buckets[1] = pt_bucket(0, 3, pt_out(3));
	pt_group_mod(br, OFPGC_MODIFY, 1, OFPGT_FF, buckets, 2);
	pt_commit();
	assert_string_equal(pt_translate(&pkt), "output:2");
	pl_port_state(pl_port_by_ofport(br, 2), 0, false);
	assert_string_equal(pt_translate(&pkt), "output:3");
	/* the group takes its rules along */
	pt_group_mod(br, OFPGC_DELETE, 1, 0, NULL, 0);
	pt_commit();
	assert_string_equal(pt_translate(&pkt), "drop:table-miss");
}

static void test_select_weights(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 4);
	struct pkt_key pkt = pt_packet(1, 0xa, 0xb);
	struct of_flow_mod mod = pt_mod(0, 0);
	struct of_actions list = {0};
	struct of_bucket buckets[3];
	unsigned n[5] = {0};

	buckets[0] = pt_bucket(50, OFPP_ANY, pt_out(2));
	buckets[1] = pt_bucket(30, OFPP_ANY, pt_out(3));
	buckets[2] = pt_bucket(20, OFPP_ANY, pt_out(4));
	pt_group_mod(br, OFPGC_ADD, 1, OFPGT_SELECT, buckets, 3);
	pt_group(&list, 1);
	pt_apply(&mod, list);
	pt_send(br, &mod);
	pt_commit();
	for (unsigned i = 0; i < 10000; i++) {
		unsigned port;

		pkt.base.ip_src = rte_cpu_to_be_32(0x0a000000 + i);
		assert_int_equal(sscanf(pt_translate(&pkt), "output:%u", &port), 1);
		n[port]++;
	}
	assert_in_range(n[2], 4800, 5200);
	assert_in_range(n[3], 2800, 3200);
	assert_in_range(n[4], 1800, 2200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_priorities_and_miss, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_action_set_order, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_metadata_and_goto, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_apply_actions, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_labels, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_groups, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_select_weights, pt_init, pt_fini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
