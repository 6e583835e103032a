/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The learning switch: flooding, learning, VLAN modes, patch ports, what gets un-wildcarded.
 */
#include "pl_test.h"

static void test_floods_then_forwards(void **state)
{
	struct pl_bridge *br = pt_bridge("br0");
	struct pkt_key there = pt_packet(1, 0xa, 0xb), back = pt_packet(2, 0xb, 0xa);

	for (unsigned i = 1; i <= 3; i++)
		pt_port(br, i);
	assert_string_equal(pt_translate(&there), "output:2,output:3");
	assert_int_equal(pt_n_learned, 1);
	pt_settle();
	assert_string_equal(pt_translate(&back), "output:1");
	pt_settle();
	assert_string_equal(pt_translate(&there), "output:2");
	/* the switch looked at addresses and VLAN, and at nothing above */
	assert_int_equal(pt_xlate.mask.base.eth_src[5], 0xff);
	assert_int_equal(pt_xlate.mask.base.vlan[0].tci, RTE_BE16(0x1fff));
	assert_int_equal(pt_xlate.mask.base.eth_type, 0xffff);
	assert_int_equal(pt_xlate.mask.base.ip_src, 0);
	assert_int_equal(pt_xlate.mask.base.ip_proto, 0);
	assert_int_equal(pt_xlate.mask.base.vlan[0].tpid, 0);
	/* who was behind a port whose link is down may be anywhere */
	pl_port_state(pl_port_by_ofport(br, 2), 0, false);
	assert_string_equal(pt_translate(&there), "output:2,output:3");
	assert_string_equal(pt_translate(&back), "output:1");
}

static void test_drops_have_names(void **state)
{
	struct pl_bridge *br = pt_bridge("br0");
	struct pkt_key pkt = pt_packet(1, 0xa, 0xb), bpdu = pt_packet(1, 0xa, 0);
	struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 0xb}};
	struct pl_bridge_config config;
	struct evs_error err;
	struct pl_port *p1, *p2;

	p1 = pt_port_with(br, 1, (struct pl_port_config){.protected_port = true});
	assert_string_equal(pt_translate(&pkt), "drop:no-output");
	p2 = pt_port_with(br, 2, (struct pl_port_config){.protected_port = true});
	assert_string_equal(pt_translate(&pkt), "drop:no-output");
	assert_int_equal(
	        pl_fdb_add_static(br, &(struct pl_fdb_entry){.mac = mac, .pl_port = p2}, &err), 0);
	assert_string_equal(pt_translate(&pkt), "drop:protected");
	assert_int_equal(
	        pl_fdb_add_static(br, &(struct pl_fdb_entry){.mac = mac, .pl_port = p1}, &err), 0);
	assert_string_equal(pt_translate(&pkt), "drop:same-port");
	memcpy(bpdu.base.eth_dst, (uint8_t[]){1, 0x80, 0xc2, 0, 0, 0xe}, 6);
	assert_string_equal(pt_translate(&bpdu), "drop:rx-reserved-mac");
	config = *pl_bridge_config(br);
	config.forward_bpdu = true;
	assert_int_equal(pl_bridge_set(br, &config, &err), 0);
	pt_port(br, 3);
	assert_string_equal(pt_translate(&bpdu), "output:3");
	pl_port_state(p1, PL_PORT_NO_RECV, true);
	assert_string_equal(pt_translate(&pkt), "drop:rx-port-down");
	pl_port_del(p1);
	assert_string_equal(pt_translate(&pkt), "drop:no-bridge");
}

/* Ports: 1 access 10, 2 trunk of 10 and 20, 3 native-tagged 10, 4 native-untagged 10, 5 access 20,
 * 6 dot1q-tunnel 10 with customer VLANs 5 and none, 7 trunk of all. */
static void vlan_ports(struct pl_bridge *br)
{
	struct pl_port_config trunk = {0}, tunnel = {.vlan_mode = PL_VLAN_DOT1Q_TUNNEL, .tag = 10};

	pt_vlan_add(trunk.trunks, 10);
	pt_vlan_add(trunk.trunks, 20);
	pt_vlan_add(tunnel.cvlans, 5);
	pt_vlan_add(tunnel.cvlans, 0);
	pt_port_with(br, 1, (struct pl_port_config){.vlan_mode = PL_VLAN_ACCESS, .tag = 10});
	pt_port_with(br, 2, trunk);
	trunk.tag = 10;
	trunk.vlan_mode = PL_VLAN_NATIVE_TAGGED;
	pt_port_with(br, 3, trunk);
	trunk.vlan_mode = PL_VLAN_NATIVE_UNTAGGED;
	pt_port_with(br, 4, trunk);
	pt_port_with(br, 5, (struct pl_port_config){.vlan_mode = PL_VLAN_ACCESS, .tag = 20});
	pt_port_with(br, 6, tunnel);
	pt_port_with(br, 7, (struct pl_port_config){0});
}

struct vlan_case {
	uint16_t in_port;
	int outer, inner; /* VLAN ids; -1: no tag */
	const char *prog;
};

static const struct vlan_case vlan_cases[] = {
        {1, -1, -1,
         "output:4,output:6,push-vlan(tpid=0x8100,vid=10,pcp=0),output:2,output:3,output:7"},
        {1, 0, -1,
         "pop-vlan,output:4,output:6,push-vlan(tpid=0x8100,vid=10,pcp=0),"
         "output:2,output:3,output:7"},
        {1, 10, -1, "drop:vlan"},
        {2, 10, -1, "output:3,output:7,pop-vlan,output:1,output:4,output:6"},
        {2, 20, -1, "output:3,output:4,output:7,pop-vlan,output:5"},
        {2, 30, -1, "drop:vlan"},
        {2, -1, -1, "drop:vlan"},
        {3, -1, -1,
         "output:1,output:4,output:6,push-vlan(tpid=0x8100,vid=10,pcp=0),"
         "output:2,output:7"},
        {4, -1, -1,
         "output:1,output:6,push-vlan(tpid=0x8100,vid=10,pcp=0),output:2,output:3,"
         "output:7"},
        {4, 20, -1, "output:2,output:3,output:7,pop-vlan,output:5"},
        {6, 5, -1,
         "output:1,output:4,push-vlan(tpid=0x88a8,vid=10,pcp=0),output:2,output:3,"
         "output:7"},
        {6, 6, -1, "drop:vlan"},
        {7, 10, 5, "output:2,output:3,pop-vlan,output:1,output:4,output:6"},
        {7, 10, 6, "output:2,output:3,pop-vlan,output:1,output:4"},
        {7, -1, -1, "drop:no-output"},
};

static void test_vlan_modes(void **state)
{
	struct pl_bridge *br = pt_bridge("br0");

	vlan_ports(br);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(vlan_cases); i++) {
		const struct vlan_case *c = &vlan_cases[i];
		struct pkt_key pkt = pt_packet(c->in_port, 0xa, 255);

		if (c->inner >= 0)
			pt_tag(&pkt, c->inner);
		if (c->outer >= 0)
			pt_tag(&pkt, c->outer);
		if (strcmp(pt_translate(&pkt), c->prog))
			fail_msg("case %u: port %u, VLAN %d/%d: %s", i, c->in_port, c->outer,
			         c->inner, pt_text);
	}
}

static void test_priority_tags(void **state)
{
	struct pl_bridge *br = pt_bridge("br0");
	struct pkt_key pkt = pt_packet(1, 0xa, 255);

	pt_port(br, 1);
	pt_port_with(br, 2,
	             (struct pl_port_config){.vlan_mode = PL_VLAN_ACCESS,
	                                     .tag = 10,
	                                     .priority_tags = PL_PRIORITY_TAGS_IF_NONZERO});
	pt_tag(&pkt, 10);
	assert_string_equal(pt_translate(&pkt), "pop-vlan,output:2");
	pkt.base.vlan[0].tci |= RTE_BE16(3 << 13);
	assert_string_equal(pt_translate(&pkt), "set-vlan(vid=0/0xa),output:2");
}

static void test_patch_ports(void **state)
{
	struct pl_bridge *br0 = pt_bridge("br0"), *br1 = pt_bridge("br1");
	struct pkt_key pkt = pt_packet(1, 0xa, 255);

	pt_port(br0, 1);
	pt_port(br1, 2);
	pt_port_with(br1, 3, (struct pl_port_config){.vlan_mode = PL_VLAN_ACCESS, .tag = 7});
	pt_patch(br0, "to1", "to0");
	assert_string_equal(pt_translate(&pkt), "drop:no-output");
	pt_patch(br1, "to0", "to1");
	assert_string_equal(pt_translate(&pkt), "output:2");
	pt_tag(&pkt, 7);
	assert_string_equal(pt_translate(&pkt), "output:2,pop-vlan,output:3");
	assert_true(pt_n_learned >= 2); /* in both bridges */
	pt_port(br0, 4);
	assert_string_equal(pt_translate(&pkt), "output:4,output:2,pop-vlan,output:3");
}

static void test_loop_is_cut(void **state)
{
	struct pl_bridge *br0 = pt_bridge("br0"), *br1 = pt_bridge("br1");
	struct pkt_key pkt = pt_packet(1, 0xa, 255);
	struct pl_port_config config = {0};
	struct evs_error err;
	struct pl_port *port;

	pt_port(br0, 1);
	for (unsigned i = 0; i < 2; i++) {
		char there[8], back[8];

		snprintf(there, sizeof(there), "t%u", i);
		snprintf(back, sizeof(back), "b%u", i);
		config.patch_peer = back;
		assert_int_equal(pl_port_add(br0, there, &config, &port, &err), 0);
		config.patch_peer = there;
		assert_int_equal(pl_port_add(br1, back, &config, &port, &err), 0);
	}
	assert_string_equal(pt_translate(&pkt), "drop:recursion");
	assert_true(pt_xlate.cacheable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_floods_then_forwards, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_drops_have_names, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_vlan_modes, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_priority_tags, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_patch_ports, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_loop_is_cut, pt_init, pt_fini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
