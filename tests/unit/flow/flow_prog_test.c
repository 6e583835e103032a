/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Action programs: building, overflow, text, interning.
 */
#include <arpa/inet.h>

#include "flow_cache_util.h"

static struct flow_prog_builder b;

static const char *port_name(uint16_t port, void *arg)
{
	return port == 2 ? "p2" : NULL;
}

static const char *text(void)
{
	static char buf[1024];
	size_t len = flow_prog_format(buf, sizeof(buf), b.ops, b.size, port_name, NULL);

	assert_int_equal(len, strlen(buf));
	return buf;
}

static void prints_ops(void **state)
{
	struct pkt_set_eth *eth;
	struct pkt_set_ipv4 *ip;
	struct flow_op_push_vlan *vlan;
	struct pkt_set_l4 *l4;
	uint32_t mark;

	flow_prog_builder_init(&b);
	eth = (void *)flow_prog_add(&b, FLOW_OP_SET_ETH, 0)->payload;
	eth->value[5] = 7;
	memset(eth->mask, 0xff, 6);
	mark = flow_prog_clone_begin(&b);
	vlan = (void *)flow_prog_add(&b, FLOW_OP_PUSH_VLAN, 0)->payload;
	vlan->vlan.tpid = htons(0x8100);
	vlan->vlan.tci = htons(0x6005);
	flow_prog_add(&b, FLOW_OP_OUTPUT, 2);
	flow_prog_clone_end(&b, mark);
	ip = (void *)flow_prog_add(&b, FLOW_OP_SET_IPV4, 0)->payload;
	ip->dst = htonl(0x0a000001);
	ip->dst_mask = UINT32_MAX;
	ip->src_mask = htonl(0xff000000);
	l4 = (void *)flow_prog_add(&b, FLOW_OP_SET_L4, 0)->payload;
	l4->dst = htons(80);
	l4->dst_mask = UINT16_MAX;
	flow_prog_add(&b, FLOW_OP_POP_VLAN, 0);
	flow_prog_add(&b, FLOW_OP_OUTPUT, 3);
	assert_string_equal(text(), "set-eth(dst=00:00:00:00:00:07),"
	                            "clone(push-vlan(tpid=0x8100,vid=5,pcp=3),output:p2),"
	                            "set-ipv4(src=0.0.0.0/255.0.0.0,dst=10.0.0.1),set-l4(dst=80),"
	                            "pop-vlan,output:3");
}

static void prints_every_op(void **state)
{
	for (unsigned kind = 0; kind < FLOW_N_OPS; kind++) {
		flow_prog_builder_init(&b);
		flow_prog_add(&b, (enum flow_op_kind)kind, 1);
		assert_int_equal(strncmp(text(), flow_op_name((enum flow_op_kind)kind),
		                         strlen(flow_op_name((enum flow_op_kind)kind))),
		                 0);
	}
}

static void says_how_long_it_would_be(void **state)
{
	char buf[8];

	flow_prog_builder_init(&b);
	flow_prog_add(&b, FLOW_OP_DROP, PKT_DROP_RULE);
	assert_int_equal(flow_prog_format(buf, sizeof(buf), b.ops, b.size, NULL, NULL),
	                 strlen("drop:rule"));
	assert_string_equal(buf, "drop:ru");
	assert_int_equal(flow_prog_format(NULL, 0, b.ops, b.size, NULL, NULL), strlen("drop:rule"));
}

static void overflow_is_told(void **state)
{
	uint32_t mark, size;

	flow_prog_builder_init(&b);
	mark = flow_prog_clone_begin(&b);
	for (unsigned i = 0; i <= FLOW_PROG_MAX / sizeof(struct pkt_set_ipv6); i++)
		memset(flow_prog_add(&b, FLOW_OP_SET_IPV6, 0)->payload, 0xff,
		       sizeof(struct pkt_set_ipv6));
	assert_true(b.overflow);
	assert_true(b.size <= FLOW_PROG_MAX);
	/* Smaller ops that would fit still do not: the program would have a hole. */
	size = b.size;
	flow_prog_add(&b, FLOW_OP_OUTPUT, 1);
	assert_int_equal(b.size, size);
	flow_prog_clone_end(&b, mark);
	assert_true(b.overflow);
}

static void equal_programs_are_one(void **state)
{
	struct flow_intern intern = {0};
	struct flow_arena arena = {0};
	struct flow_prog *progs[1000], *more;

	assert_int_equal(flow_intern_init(&intern, 16, -1), 0);
	assert_int_equal(flow_arena_init(&arena, 8 * FLOW_CHUNK_SIZE, -1), 0);
	for (unsigned i = 0; i < 1000; i++) {
		flow_prog_builder_init(&b);
		flow_prog_add(&b, FLOW_OP_OUTPUT, i / 2 + 1);
		progs[i] = flow_intern_get(&intern, &arena, 1, &b);
		assert_non_null(progs[i]);
		assert_int_equal(progs[i]->simple_port, i / 2 + 1);
		if (i & 1)
			assert_ptr_equal(progs[i], progs[i - 1]);
	}
	assert_int_equal(intern.n_progs, 500);
	/* A larger one, until memory ends; then small ones go, and it fits. */
	for (unsigned i = 0; i < 2000; i++) {
		flow_prog_builder_init(&b);
		flow_prog_add(&b, FLOW_OP_SET_IPV6, i);
		more = flow_intern_get(&intern, &arena, 1, &b);
		if (!more)
			break;
	}
	assert_null(more);
	for (unsigned i = 0; i < 1000; i++)
		flow_intern_put(&intern, &arena, progs[i]);
	more = flow_intern_get(&intern, &arena, 1, &b);
	assert_non_null(more);
	assert_int_equal(more->refs, 1);
	flow_intern_fini(&intern);
	flow_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(prints_ops),
	        cmocka_unit_test(prints_every_op),
	        cmocka_unit_test(says_how_long_it_would_be),
	        cmocka_unit_test(overflow_is_told),
	        cmocka_unit_test(equal_programs_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
