/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syntax of ovs-ofctl: what is read is printed the same, and errors name their column.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "openflow/of_text.h"

static struct of_arena arena;
static struct of_buf buf;
static struct of_flow_mod mod;

static void same_flow(const char *match, const char *actions)
{
	struct evs_error err = {0};
	char text[512];

	snprintf(text, sizeof(text), "%s%sactions=%s", match, *match ? "," : "", actions);
	of_arena_reset(&arena);
	if (of_text_parse_flow(text, OFPFC_ADD, NULL, &arena, &mod, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	buf.size = 0;
	of_text_match(&buf, &mod.match, NULL);
	assert_string_equal(of_text_string(&buf), match);
	buf.size = 0;
	of_text_insts(&buf, &mod.insts, NULL);
	assert_string_equal(of_text_string(&buf), actions);
}

static void refused(const char *text, const char *why)
{
	struct evs_error err = {0};

	of_arena_reset(&arena);
	assert_int_equal(of_text_parse_flow(text, OFPFC_ADD, NULL, &arena, &mod, &err), -EINVAL);
	assert_string_equal(err.text, why);
}

static void test_flows(void **state)
{
	same_flow("", "drop");
	same_flow("udp,nw_dst=10.0.0.0/8", "output:2");
	same_flow("in_port=1,dl_vlan=5,dl_src=02:00:00:00:00:01", "pop_vlan,NORMAL");
	same_flow("tcp,nw_src=10.0.0.1,tp_dst=80", "set_field:10.0.0.2->ipv4_dst,output:3");
	same_flow("ipv6,ipv6_src=2001:db8::/32", "goto_table:1");
	same_flow("arp,arp_op=1,arp_spa=10.0.0.1", "CONTROLLER:128");
	same_flow("icmp6,icmp_type=135,nd_target=fe80::1", "LOCAL");
	same_flow("mpls,mpls_label=16", "set_mpls_ttl(9),dec_mpls_ttl,pop_mpls:0x0800,output:1");
	same_flow("metadata=0x1/0xff",
	          "meter:1,group:7,clear_actions,write_actions(set_queue:3,output:2),"
	          "write_metadata:0x1/0xff,goto_table:9");
	same_flow("ip,nw_tos=32", "dec_ttl,IN_PORT");
	(void)state;
}

static void test_errors(void **state)
{
	refused("udp,nw_srcc=1.2.3.4,actions=drop", "column 5: unknown field 'nw_srcc'");
	refused("ip,nw_src=1.2.3,actions=drop",
	        "column 11: '1.2.3' is not an address for ipv4_src");
	refused("ip,actions=outptu:1", "column 12: unknown action 'outptu'");
	refused("priority=70000,actions=drop", "column 10: '70000' is too large: at most 65535");
	refused("ip", "column 3: actions= is missing");
	refused("actions=write_actions(output:1", "column 22: a parenthesis is not closed");
	(void)state;
}

static void test_group(void **state)
{
	static const char text[] = "group_id=1,type=select,bucket=weight:10,actions=output:2,"
	                           "bucket=weight:20,watch_port:3,actions=output:3,output:4";
	struct evs_error err = {0};
	struct of_group_mod group;
	struct of_group_desc desc;

	assert_int_equal(of_text_parse_group(text, OFPGC_ADD, NULL, &arena, &group, &err), 0);
	desc = (struct of_group_desc){group.type, group.group_id, group.buckets, group.n_buckets};
	buf.size = 0;
	of_text_group_desc(&buf, &desc, NULL);
	assert_string_equal(of_text_string(&buf), text);
	(void)state;
}

static void test_meter(void **state)
{
	struct evs_error err = {0};
	struct of_meter_mod meter;

	assert_int_equal(of_text_parse_meter("meter=1,kbps,burst,bands=type=drop,rate=1000,"
	                                     "burst_size=100",
	                                     OFPMC_ADD, &arena, &meter, &err),
	                 0);
	assert_int_equal(meter.meter_id, 1);
	assert_int_equal(meter.flags, OFPMF_KBPS | OFPMF_BURST);
	assert_int_equal(meter.n_bands, 1);
	assert_int_equal(meter.bands[0].rate, 1000);
	(void)state;
}

static int teardown(void **state)
{
	of_arena_fini(&arena);
	of_buf_fini(&buf);
	(void)state;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_flows),
	        cmocka_unit_test(test_errors),
	        cmocka_unit_test(test_group),
	        cmocka_unit_test(test_meter),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
