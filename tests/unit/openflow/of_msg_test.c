/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec against byte strings written from OpenFlow 1.3.5, and its errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#include <cmocka.h>

#include "openflow/of_msg.h"

static struct of_arena arena;
static struct of_buf buf;

static size_t hex(const char *text, uint8_t *out)
{
	size_t n = 0;

	for (; *text; text++) {
		unsigned v;
		if (*text == ' ')
			continue;
		sscanf(text, "%2x", &v);
		out[n++] = (uint8_t)v;
		text++;
	}
	return n;
}

/* Puts the length into the header, so that the strings below need not count. */
static int decode(const char *text, struct of_msg *msg, struct of_error *err)
{
	static uint8_t bytes[65536];
	size_t n = hex(text, bytes);

	bytes[2] = (uint8_t)(n >> 8);
	bytes[3] = (uint8_t)n;
	of_arena_reset(&arena);
	memset(err, 0xff, sizeof(*err));
	return of_msg_decode(bytes, (uint16_t)n, &arena, msg, err);
}

static void expect_error(const char *text, enum of_error_no number)
{
	struct of_error err, want;
	struct of_msg msg;

	of_error_set(&want, number);
	assert_int_equal(decode(text, &msg, &err), -EPROTO);
	assert_string_equal(of_error_name(err), of_error_name(want));
}

/* What decodes encodes to the same bytes. */
static void expect_same(const char *text)
{
	uint8_t bytes[2048];
	size_t n = hex(text, bytes);
	struct of_error err;
	struct of_msg msg;

	bytes[2] = (uint8_t)(n >> 8);
	bytes[3] = (uint8_t)n;
	assert_int_equal(decode(text, &msg, &err), 0);
	buf.size = 0;
	assert_int_equal(of_msg_encode(&msg, &buf), 0);
	assert_int_equal(buf.size, n);
	assert_memory_equal(buf.data, bytes, n);
}

#define FLOW_MOD(body)                                                                             \
	"040e0000 00000001 0000000000000007 ffffffffffffffff 01 00 0005 0006 0064 ffffffff"        \
	" ffffffff ffffffff 0001 0000 " body

static void test_flow_mod(void **state)
{
	struct of_error err;
	struct of_msg msg;

	assert_int_equal(
	        decode(FLOW_MOD("0001 001b 80000a02 0800 80001401 11 80001708 0a000000 ff000000 "
	                        "0000000000"
	                        " 0004 0018 00000000 0000 0010 00000002 0000 000000000000"),
	               &msg, &err),
	        0);
	assert_int_equal(msg.flow_mod.cookie, 7);
	assert_int_equal(msg.flow_mod.table_id, 1);
	assert_int_equal(msg.flow_mod.priority, 100);
	assert_int_equal(msg.flow_mod.insts.set, OF_INST_APPLY_ACTIONS);
	assert_int_equal(msg.flow_mod.insts.apply.size, 8);
	assert_int_equal(msg.flow_mod.insts.apply.list->port, 2);
	assert_int_equal(
	        flow_field_get_u64(&flow_fields[FLOW_FIELD_IPV4_SRC], &msg.flow_mod.match.key),
	        0x0a000000);
	(void)state;
}

static void test_match_errors(void **state)
{
	expect_error(FLOW_MOD("0000 0004 00000000"), OFPBMC_BAD_TYPE);
	expect_error(FLOW_MOD("0001 0003 00000000"), OFPBMC_BAD_LEN);
	expect_error(FLOW_MOD("0001 0030 00000000"), OFPBMC_BAD_LEN);
	expect_error(FLOW_MOD("0001 000a 80000a04 0800 000000000000"), OFPBMC_BAD_LEN);
	expect_error(FLOW_MOD("0001 000c 80000a04 08000000 00000000"), OFPBMC_BAD_LEN);
	expect_error(FLOW_MOD("0001 000c 8000fe04 08000000 00000000"), OFPBMC_BAD_FIELD);
	expect_error(FLOW_MOD("0001 000c 80000b04 0800ffff 00000000"), OFPBMC_BAD_MASK);
	expect_error(FLOW_MOD("0001 000a 80000c02 3064 000000000000"), OFPBMC_BAD_VALUE);
	expect_error(FLOW_MOD("0001 000a 80000c02 0064 000000000000"), OFPBMC_BAD_VALUE);
	expect_error(FLOW_MOD("0001 000c 80000d04 10640fff 00000000"), OFPBMC_BAD_WILDCARDS);
	expect_error(FLOW_MOD("0001 0009 80001401 06 00000000000000"), OFPBMC_BAD_PREREQ);
	expect_error(FLOW_MOD("0001 0010 80000a02 0800 80000a02 0800"), OFPBMC_DUP_FIELD);
	(void)state;
}

#define ANY_MATCH         "0001 0004 00000000 "
#define APPLY(size, body) ANY_MATCH "0004 " size " 00000000 " body

static void test_inst_errors(void **state)
{
	expect_error(FLOW_MOD(ANY_MATCH "0007 0008 00000000"), OFPBIC_UNKNOWN_INST);
	expect_error(FLOW_MOD(ANY_MATCH "ffff 0008 00002320"), OFPBIC_BAD_EXPERIMENTER);
	expect_error(FLOW_MOD(ANY_MATCH "0001 0010 01000000 00000000 00000000"), OFPBIC_BAD_LEN);
	expect_error(FLOW_MOD(ANY_MATCH "0001 0010 01000000"), OFPBIC_BAD_LEN);
	expect_error(FLOW_MOD(ANY_MATCH "0001 0008 ff000000"), OFPBIC_BAD_TABLE_ID);
	expect_error(FLOW_MOD(ANY_MATCH "0001 0008 02000000 0001 0008 03000000"), OFPBIC_DUP_INST);
	(void)state;
}

static void test_action_errors(void **state)
{
	expect_error(FLOW_MOD(APPLY("0010", "0001 0008 00000000")), OFPBAC_BAD_TYPE);
	expect_error(FLOW_MOD(APPLY("0010", "0000 0008 00000001")), OFPBAC_BAD_LEN);
	expect_error(FLOW_MOD(APPLY("0010", "0000 0010 00000001")), OFPBAC_BAD_LEN);
	expect_error(FLOW_MOD(APPLY("0010", "ffff 0008 00000001")), OFPBAC_BAD_EXPERIMENTER);
	expect_error(FLOW_MOD(APPLY("0010", "0011 0008 08000000")), OFPBAC_BAD_ARGUMENT);
	expect_error(FLOW_MOD(APPLY("0010", "0016 0008 ffffffff")), OFPBAC_BAD_OUT_GROUP);
	expect_error(FLOW_MOD(APPLY("0018", "0019 0010 80000004 00000001 00000000")),
	             OFPBAC_BAD_SET_TYPE);
	expect_error(FLOW_MOD(APPLY("0018", "0019 0010 80000c02 2064 000000000000")),
	             OFPBAC_BAD_SET_ARGUMENT);
	expect_error(FLOW_MOD(APPLY("0018", "0019 0010 80000a02 0064 000000000000")),
	             OFPBAC_BAD_SET_ARGUMENT);
	expect_error(FLOW_MOD(APPLY("0018", "0019 0010 80000c04 10640000 00000000")),
	             OFPBAC_BAD_SET_LEN);
	(void)state;
}

static void test_request_errors(void **state)
{
	expect_error("050a0000 00000001", OFPBRC_BAD_VERSION);
	expect_error("041e0000 00000001", OFPBRC_BAD_TYPE);
	expect_error("04050000 00000001 00000000", OFPBRC_BAD_LEN);
	expect_error("04120000 00000001 00200000 00000000", OFPBRC_BAD_MULTIPART);
	expect_error("04120000 00000001 ffff0000 00000000", OFPBRC_BAD_EXPERIMENTER);
	expect_error("040e0000 00000001 0000", OFPBRC_BAD_LEN);
	expect_error("040f0000 00000001 0003 00 00 00000001", OFPGMFC_BAD_COMMAND);
	expect_error("040f0000 00000001 0000 04 00 00000001", OFPGMFC_BAD_TYPE);
	expect_error("040f0000 00000001 0000 00 00 00000001 0008 0000 00000000",
	             OFPGMFC_BAD_BUCKET);
	expect_error("041d0000 00000001 0000 0003 00000001", OFPMMFC_BAD_FLAGS);
	expect_error("041d0000 00000001 0000 0001 00000001 0003 0010 00000001 00000001 00000000",
	             OFPMMFC_BAD_BAND);
	expect_error("04180000 00000001 00000004 00000000 0000000000000000", OFPRRFC_BAD_ROLE);
	expect_error("04090000 00000001 0002 0080", OFPSCFC_BAD_FLAGS);
	(void)state;
}

static void test_same(void **state)
{
	expect_same("04000000 00000001 0001 0008 00000010");
	expect_same("04010000 00000002 0001 0006 0102030405");
	expect_same("04020000 00000003 616263");
	expect_same("04060000 00000003 0000000000000042 00000000 fe 00 0000 0000004f 00000000");
	expect_same("040a0000 00000000 ffffffff 0040 01 03 0000000000000005"
	            " 0001 000c 80000004 00000001 00000000 0000 aabbccddeeff");
	expect_same("040b0000 00000000 0000000000000005 0064 02 00 00000001 00000002 0003 0004"
	            " 0000000000000001 0000000000000040 0001 000a 80000a02 0806 000000000000");
	expect_same("040d0000 00000000 ffffffff fffffffd 0010 000000000000"
	            " 0000 0010 00000002 0000 000000000000 aabb");
	expect_same("040f0000 00000001 0000 01 00 00000005 0020 000a ffffffff ffffffff 00000000"
	            " 0000 0010 00000002 0000 000000000000");
	expect_same("041d0000 00000001 0000 0005 00000001 0001 0010 000003e8 00000064 00000000"
	            " 0002 0010 000003e8 00000064 01000000");
	expect_same("04120000 00000001 0001 0000 00000000 ff000000 ffffffff ffffffff 00000000"
	            " 0000000000000000 0000000000000000 0001 0004 00000000");
	expect_same("04180000 00000001 00000002 00000000 0000000000000001");
	expect_same("04140000 00000009");
	(void)state;
}

/* A reply of many elements comes in parts, all but the last flagged. */
static void test_parts(void **state)
{
	struct of_multipart_writer w;
	struct of_flow_stats stats;
	struct of_error err;
	static struct of_msg msg;
	uint32_t n = 0, parts = 0;

	memset(&stats, 0, sizeof(stats));
	buf.size = 0;
	of_multipart_begin(&w, &buf, 9, OFPMP_FLOW);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(of_multipart_add(&w, &stats), 0);
	for (size_t at = 0; at < buf.size; parts++) {
		uint16_t size = of_msg_size(buf.data + at);
		of_arena_reset(&arena);
		assert_int_equal(of_msg_decode(buf.data + at, size, &arena, &msg, &err), 0);
		at += size;
		n += msg.multipart.list.n;
		assert_int_equal(msg.multipart.flags, at < buf.size ? OFPMPF_MORE : 0);
	}
	assert_int_equal(n, 5000);
	assert_int_equal(parts, 5);
	(void)state;
}

static void test_every_field(void **state)
{
	for (unsigned i = 0; i < FLOW_N_FIELDS; i++) {
		const struct flow_field *f = &flow_fields[i];
		uint8_t ones[FLOW_VALUE_MAX], back[FLOW_VALUE_MAX];
		struct flow_key key;
		memset(&key, 0, sizeof(key));
		flow_field_ones(f, ones);
		flow_field_put(f, &key, ones);
		flow_field_get(f, &key, back);
		assert_memory_equal(ones, back, f->size);
		assert_ptr_equal(flow_field_by_oxm(f->oxm_class, f->oxm_field), f);
		assert_ptr_equal(flow_field_by_name(f->name, strlen(f->name)), f);
		assert_true(f->storage * 8 >= f->n_bits + f->shift);
	}
	(void)state;
}

static void expect_consistent(const char *body, bool ok)
{
	struct of_error err;
	struct of_msg msg;

	assert_int_equal(decode(body, &msg, &err), 0);
	assert_int_equal(of_insts_check(&msg.flow_mod.insts, &msg.flow_mod.match, &err),
	                 ok ? 0 : -EPROTO);
}

static void test_consistency(void **state)
{
	/* pop_vlan without a tag in the match, with push before it; TTL without IP */
	expect_consistent(FLOW_MOD(APPLY("0010", "0012 0008 00000000")), false);
	expect_consistent(FLOW_MOD(APPLY("0018", "0011 0008 81000000 0012 0008 00000000")), true);
	expect_consistent(FLOW_MOD(APPLY("0010", "0018 0008 00000000")), false);
	expect_consistent(FLOW_MOD("0001 000a 80000a02 0800 000000000000 0004 0010 00000000"
	                           " 0018 0008 00000000"),
	                  true);
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
	        cmocka_unit_test(test_flow_mod),       cmocka_unit_test(test_match_errors),
	        cmocka_unit_test(test_inst_errors),    cmocka_unit_test(test_action_errors),
	        cmocka_unit_test(test_request_errors), cmocka_unit_test(test_same),
	        cmocka_unit_test(test_parts),          cmocka_unit_test(test_every_field),
	        cmocka_unit_test(test_consistency),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
