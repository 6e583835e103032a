/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow-mods, group-mods and their errors; cookies, filters, timeouts; MAC tables.
 */
#include "pl_of_test.h"

static void on_rule(const struct of_flow_stats *stats, void *arg)
{
	++*(unsigned *)arg;
}

static unsigned count(struct pl_bridge *br)
{
	struct of_flow_request request = {
	        .table_id = OFPTT_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
	struct pl_flow_cursor cursor = {0};
	unsigned n = 0;

	pl_commit();
	while (pl_flow_walk(br, &request, &cursor, 16, on_rule, &n))
		;
	return n;
}

static void rule_add(struct pl_bridge *br, uint8_t table, uint16_t udp, uint64_t cookie)
{
	struct of_flow_mod mod = pt_mod(table, 10);

	mod.cookie = cookie;
	pt_match_udp(&mod, udp);
	pt_apply(&mod, pt_out(udp % 3 + 1));
	pt_send(br, &mod);
}

static void test_errors(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct of_flow_mod mod = pt_mod(254, 1);
	struct of_actions list = {0};

	assert_int_equal(pt_refused(br, &mod), OFPFMFC_BAD_TABLE_ID);
	mod.table_id = 255;
	assert_int_equal(pt_refused(br, &mod), OFPFMFC_BAD_TABLE_ID);
	mod.table_id = 3;
	mod.command = 77;
	assert_int_equal(pt_refused(br, &mod), OFPFMFC_BAD_COMMAND);
	mod.command = OFPFC_ADD;
	mod.flags = 0x20;
	assert_int_equal(pt_refused(br, &mod), OFPFMFC_BAD_FLAGS);
	mod.flags = 0;
	pt_goto(&mod, 3);
	assert_int_equal(pt_refused(br, &mod), OFPBIC_BAD_TABLE_ID);
	pt_goto(&mod, 4);
	pt_apply(&mod, pt_out(OFPP_TABLE));
	assert_int_equal(pt_refused(br, &mod), OFPBAC_BAD_OUT_PORT);
	pt_apply(&mod, pt_out(0));
	assert_int_equal(pt_refused(br, &mod), OFPBAC_BAD_OUT_PORT);
	pt_group(&list, 9);
	pt_apply(&mod, list);
	assert_int_equal(pt_refused(br, &mod), OFPBAC_BAD_OUT_GROUP);
	mod.insts.set = OF_INST_METER;
	mod.insts.meter_id = 1;
	assert_int_equal(pt_refused(br, &mod), OFPMMFC_INVALID_METER);
	assert_int_equal(count(br), 0);
}

static void test_overlap(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct of_flow_mod mod = pt_mod(0, 10);

	rule_add(br, 0, 5, 0);
	mod.flags = OFPFF_CHECK_OVERLAP;
	pt_match(&mod, FLOW_FIELD_IN_PORT, 1);
	assert_int_equal(pt_refused(br, &mod), OFPFMFC_OVERLAP);
	mod.priority = 11;
	assert_int_equal(pt_refused(br, &mod), 0);
	mod = pt_mod(0, 10);
	mod.flags = OFPFF_CHECK_OVERLAP;
	pt_match_udp(&mod, 6);
	assert_int_equal(pt_refused(br, &mod), 0);
}

static void test_filters(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct of_flow_mod mod;

	for (uint16_t udp = 0; udp < 9; udp++)
		rule_add(br, udp % 2, udp, udp);
	assert_int_equal(count(br), 9);
	mod = pt_mod(OFPTT_ALL, 0);
	mod.command = OFPFC_DELETE;
	mod.cookie = 4;
	mod.cookie_mask = 0xc; /* 4..7 */
	mod.out_port = 3;      /* 5 */
	pt_send(br, &mod);
	assert_int_equal(count(br), 8);
	mod.out_port = OFPP_ANY; /* 4, 6, 7 */
	pt_send(br, &mod);
	assert_int_equal(count(br), 5);
	mod.cookie_mask = 0;
	mod.table_id = 1; /* 1, 3 */
	pt_match(&mod, FLOW_FIELD_ETH_TYPE, 0x0800);
	pt_send(br, &mod);
	assert_int_equal(count(br), 3);
	mod.table_id = 0;
	pt_match(&mod, FLOW_FIELD_IPV4_SRC, 1); /* narrower than any rule */
	pt_send(br, &mod);
	assert_int_equal(count(br), 3);
	pt_commit();
}

static void test_groups_refuse(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct of_bucket bucket = pt_bucket(0, OFPP_ANY, pt_out(1)), loop;
	struct of_group_mod mod = {
	        .command = OFPGC_ADD, .group_id = 1, .buckets = &bucket, .n_buckets = 1};
	struct of_actions list = {0};

	assert_int_equal(pl_group_mod(br, &mod, &pt_err), 0);
	pl_group_mod(br, &mod, &pt_err);
	assert_string_equal(of_error_name(pt_err), "OFPGMFC_GROUP_EXISTS");
	mod.group_id = 2;
	mod.command = OFPGC_MODIFY;
	pl_group_mod(br, &mod, &pt_err);
	assert_string_equal(of_error_name(pt_err), "OFPGMFC_UNKNOWN_GROUP");
	mod.command = OFPGC_ADD;
	pt_group(&list, 1);
	loop = pt_bucket(0, OFPP_ANY, list);
	mod.buckets = &loop;
	assert_int_equal(pl_group_mod(br, &mod, &pt_err), 0);
	/* 1 -> 2 -> 1 */
	list = (struct of_actions){0};
	pt_group(&list, 2);
	loop.actions = list;
	mod.group_id = 1;
	mod.command = OFPGC_MODIFY;
	pl_group_mod(br, &mod, &pt_err);
	assert_string_equal(of_error_name(pt_err), "OFPGMFC_LOOP");
	mod.command = OFPGC_DELETE;
	pl_group_mod(br, &mod, &pt_err);
	assert_string_equal(of_error_name(pt_err), "OFPGMFC_CHAINED_GROUP");
	mod.group_id = OFPG_ALL;
	assert_int_equal(pl_group_mod(br, &mod, &pt_err), 0);
	pt_commit();
}

static void on_meter(const struct of_meter_stats *stats, void *arg)
{
	*(uint32_t *)arg = stats->meter_id << 16 | stats->flow_count << 8 | stats->n_bands;
}

static void test_meters(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct of_meter_band band = {.type = OFPMBT_DROP, .rate = 1000};
	struct of_meter_mod mod = {.command = OFPMC_ADD,
	                           .flags = OFPMF_KBPS,
	                           .meter_id = 5,
	                           .bands = &band,
	                           .n_bands = 1};
	struct of_flow_mod rule = pt_mod(0, 0);
	struct pkt_key pkt = pt_packet(1, 0xa, 0xb);
	uint32_t seen = 0;

	assert_int_equal(pl_meter_mod(br, &mod, &pt_err), 0);
	pl_meter_mod(br, &mod, &pt_err);
	assert_string_equal(of_error_name(pt_err), "OFPMMFC_METER_EXISTS");
	rule.insts.set = OF_INST_METER;
	rule.insts.meter_id = 5;
	pt_apply(&rule, pt_out(2));
	pt_send(br, &rule);
	pt_commit();
	pt_translate(&pkt);
	assert_non_null(strstr(pt_text, "meter"));
	assert_non_null(strstr(pt_text, "output:2"));
	assert_int_equal(pl_meter_known(br, 5, &pt_err), 0);
	assert_false(pl_meter_walk(br, 5, &(uint32_t){0}, on_meter, &seen));
	assert_int_equal(seen, 5 << 16 | 1 << 8 | 1);
	mod.command = OFPMC_MODIFY;
	mod.flags = OFPMF_KBPS | OFPMF_PKTPS;
	pl_meter_mod(br, &mod, &pt_err);
	assert_string_equal(of_error_name(pt_err), "OFPMMFC_BAD_FLAGS");
	mod.flags = OFPMF_PKTPS;
	assert_int_equal(pl_meter_mod(br, &mod, &pt_err), 0);
	mod.command = OFPMC_DELETE; /* takes the rule along */
	assert_int_equal(pl_meter_mod(br, &mod, &pt_err), 0);
	assert_int_equal(count(br), 0);
	assert_int_not_equal(pl_meter_known(br, 5, &pt_err), 0);
	pt_commit();
}

static uint8_t removed_reason;

static void on_removed(struct pl_bridge *bridge, const struct of_flow_removed *msg, void *arg)
{
	removed_reason = msg->reason + 100;
}

static void test_hard_timeout(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct of_flow_mod mod = pt_mod(0, 1);
	uint64_t sent;

	pl_on_flow_removed(on_removed, NULL);
	removed_reason = 0;
	mod.flags = OFPFF_SEND_FLOW_REM;
	mod.hard_timeout = 1;
	mod.idle_timeout = 60;
	pt_send(br, &mod);
	pt_commit();
	sent = evs_clock_ns();
	while (!removed_reason && evs_clock_ns() - sent < 60000000000u) {
		usleep(20000);
		pl_tick();
		evs_rcu_synchronize();
	}
	assert_int_equal(count(br), 0);
	assert_true(evs_clock_ns() - sent > 900000000);
	assert_int_equal(removed_reason, 100 + OFPRR_HARD_TIMEOUT);
	pl_on_flow_removed(NULL, NULL);
}

/* A standalone bridge switches; the rule for that can be deleted, and goes with a controller. */
static void test_standalone(void **state)
{
	struct pl_bridge_config config;
	struct evs_error err;
	struct pl_bridge *br = pt_bridge("br0");

	assert_int_equal(count(br), 1);
	config = *pl_bridge_config(br);
	config.has_controller = true;
	assert_int_equal(pl_bridge_set(br, &config, &err), 0);
	assert_int_equal(count(br), 0);
	config.has_controller = false;
	assert_int_equal(pl_bridge_set(br, &config, &err), 0);
	assert_int_equal(count(br), 1);
}

static void learn(struct pl_bridge *br, uint8_t last, uint16_t port)
{
	struct pl_learn learned = {
	        .bridge = pl_bridge_index(br), .in_port = port, .mac = {2, 0, 0, 0, 0, last}};

	pl_fdb_learn(&learned);
}

static void test_fdb_limits(void **state)
{
	struct pl_bridge_config config = {.fdb_size = 4, .fdb_age_s = 1};
	struct rte_ether_addr fixed = {{2, 0, 0, 0, 0, 99}};
	struct pl_fdb_stats stats;
	struct pl_bridge *br;
	struct evs_error err;
	struct pl_port *p2;

	assert_int_equal(pl_bridge_create("br0", &config, &br, &err), 0);
	pt_port(br, 1);
	p2 = pt_port(br, 2);
	learn(br, 50, 2);
	for (uint8_t i = 1; i <= 10; i++) /* a flood from port 1 displaces only its own */
		learn(br, i, 1);
	pl_fdb_stats_get(br, &stats);
	assert_int_equal(stats.n_entries, 4);
	assert_int_equal(stats.evicted, 7);
	learn(br, 50, 2);
	pl_fdb_stats_get(br, &stats);
	assert_int_equal(stats.learned, 11);
	/* a loop: the address is held */
	for (unsigned i = 0; i < 40; i++)
		learn(br, 50, (uint16_t)(1 + i % 2));
	pl_fdb_stats_get(br, &stats);
	assert_int_equal(stats.moved, 8);
	assert_true(stats.held > 10);
	/* static entries do not move, age, or get flushed */
	assert_int_equal(
	        pl_fdb_add_static(br, &(struct pl_fdb_entry){.mac = fixed, .pl_port = p2}, &err),
	        0);
	learn(br, 99, 1);
	pl_fdb_flush(br, NULL);
	pl_fdb_stats_get(br, &stats);
	assert_int_equal(stats.n_entries, 1);
	learn(br, 7, 1);
	usleep(1100000);
	pl_tick();
	pl_fdb_stats_get(br, &stats);
	assert_int_equal(stats.n_entries, 1);
	assert_int_equal(stats.expired, 1);
	assert_int_equal(pl_fdb_del(br, &fixed, 0, &err), 0);
	assert_int_equal(pl_fdb_del(br, &fixed, 0, &err), -ENOENT);
	pt_settle();
}

static char traced[8192];

static void on_line(const char *text, void *arg)
{
	strncat(traced, text, sizeof(traced) - strlen(traced) - 2);
	strcat(traced, "\n");
}

static void test_trace(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct pkt_key pkt = pt_packet(1, 0xa, 0xb);
	struct flow_key key = {.pkt = pkt, .pipe = {.in_port = RTE_BE32(1)}};
	struct of_flow_mod mod = pt_mod(0, 7);

	pt_match_udp(&mod, 2000);
	pt_goto(&mod, 2);
	pt_send(br, &mod);
	pt_commit();
	traced[0] = 0;
	pl_trace(br, &key, on_line, NULL, NULL);
	assert_non_null(strstr(traced, "priority=7"));
	assert_non_null(strstr(traced, "table 2"));
	assert_non_null(strstr(traced, "Dropped: table-miss"));
	assert_non_null(strstr(traced, "Cached: by no worker"));
	if (getenv("EVS_SHOW"))
		printf("%s", traced);
}

static void test_packet_out(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct of_flow_mod mod = pt_mod(0, 0);
	struct of_packet_out msg = {.in_port = OFPP_CONTROLLER, .actions = pt_out(OFPP_ALL)};
	struct pkt_key key = pt_packet(0, 1, 2);
	static struct pl_injection inj;

	pt_apply(&mod, pt_out(OFPP_IN_PORT));
	pt_send(br, &mod);
	pt_commit();
	assert_int_equal(pl_packet_out(br, &msg, &key, &inj, &pt_err), 0);
	flow_prog_format(pt_text, sizeof(pt_text), inj.prog.ops, inj.prog.size, NULL, NULL);
	assert_string_equal(pt_text, "output:1,output:2,output:3");
	msg.in_port = 2;
	msg.actions = pt_out(OFPP_TABLE);
	assert_int_equal(pl_packet_out(br, &msg, &key, &inj, &pt_err), 0);
	flow_prog_format(pt_text, sizeof(pt_text), inj.prog.ops, inj.prog.size, NULL, NULL);
	assert_string_equal(pt_text, "output:2");
	assert_int_equal(inj.in_port, 2);
	msg.in_port = 77;
	assert_int_not_equal(pl_packet_out(br, &msg, &key, &inj, &pt_err), 0);
	assert_string_equal(of_error_name(pt_err), "OFPBRC_BAD_PORT");
}

static void sum_rules(const struct of_flow_stats *stats, void *arg)
{
	uint64_t *sum = arg;

	sum[0] += stats->packet_count;
	sum[1] += stats->byte_count;
}

static void sum_group(const struct of_group_stats *stats, void *arg)
{
	uint64_t *sum = arg;

	sum[0] = stats->packet_count;
	sum[1] = stats->buckets[0].byte_count;
}

/* Packets that no cached flow counts: for the rule, or what took its place, its table, its group.
 */
static void test_credit_uncached(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	struct of_flow_request request = {
	        .table_id = OFPTT_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
	struct of_bucket bucket = pt_bucket(0, OFPP_ANY, pt_out(2));
	struct pkt_key pkt = pt_packet(1, 1, 2);
	struct of_flow_mod rule = pt_mod(0, 10);
	struct of_actions actions = {NULL, 0};
	struct of_table_stats table;
	uint64_t sum[2] = {0};

	pt_group_mod(br, OFPGC_ADD, 7, OFPGT_ALL, &bucket, 1);
	pt_group(&actions, 7);
	pt_apply(&rule, actions);
	pt_send(br, &rule);
	pt_commit();
	pt_translate(&pkt);
	pl_credit_packet(&pt_xlate, 100);
	pt_send(br, &rule); /* takes the place of the first */
	pl_credit_packet(&pt_xlate, 50);
	pl_flow_walk(br, &request, &(struct pl_flow_cursor){0}, 1000, sum_rules, sum);
	assert_int_equal(sum[0], 2);
	assert_int_equal(sum[1], 150);
	pl_group_walk(br, 7, &(uint32_t){0}, sum_group, sum);
	assert_int_equal(sum[0], 2);
	assert_int_equal(sum[1], 150);
	pl_table_stats(br, 0, &table);
	assert_int_equal(table.lookup_count, 2);
	assert_int_equal(table.matched_count, 2);
	pt_commit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_errors, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_overlap, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_filters, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_groups_refuse, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_credit_uncached, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_meters, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_hard_timeout, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_standalone, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_fdb_limits, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_trace, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_packet_out, pt_init, pt_fini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
