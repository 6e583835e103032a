/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option parsing: every kind of value, accepted and refused, and the check against a type.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "port/port_args.h"

static struct evs_error err;

static struct port_args one(const char *key, const char *value)
{
	return (struct port_args){1, {{key, value}}};
}

static void test_uint(void **state)
{
	static const char *const bad[] = {"",   "x",  "-1", "+1",    " 1", "11",
	                                  "1x", "0x", "0",  "0x100", "1 ", "99999999999999999999"};
	const struct port_arg_range range = {1, 10};
	uint64_t value = 77;

	for (unsigned i = 0; i < EVS_ARRAY_LEN(bad); i++) {
		struct port_args args = one("n", bad[i]);

		assert_int_equal(port_arg_uint(&args, "n", range, &value, &err), -EINVAL);
		assert_non_null(strstr(err.text, "from 1 to 10"));
	}
	assert_int_equal(value, 77);
	struct port_args args = one("n", "10");
	assert_int_equal(port_arg_uint(&args, "m", range, &value, &err), 0);
	assert_int_equal(value, 77);
	assert_int_equal(port_arg_uint(&args, "n", range, &value, &err), 0);
	assert_int_equal(value, 10);
	args = one("n", "0x0a");
	assert_int_equal(port_arg_uint(&args, "n", range, &value, &err), 0);
	assert_int_equal(value, 10);
}

static void test_bool(void **state)
{
	struct port_args args = one("b", "ON");
	bool value = false;

	assert_int_equal(port_arg_bool(&args, "b", &value, &err), 0);
	assert_true(value);
	args = one("b", "no");
	assert_int_equal(port_arg_bool(&args, "b", &value, &err), 0);
	assert_false(value);
	args = one("b", "maybe");
	assert_int_equal(port_arg_bool(&args, "b", &value, &err), -EINVAL);
}

static void test_mac(void **state)
{
	static const char *const bad[] = {"",
	                                  "1:2:3:4:5:6",
	                                  "01:00:00:00:00:01",
	                                  "00:00:00:00:00:00",
	                                  "02:00:00:00:00:0g",
	                                  "0200.0000.0001"};
	struct rte_ether_addr mac;
	struct port_args args = one("mac", "02:00:00:00:0a:0B");

	assert_int_equal(port_arg_mac(&args, "mac", &mac, &err), 0);
	assert_int_equal(mac.addr_bytes[4], 0x0a);
	assert_int_equal(mac.addr_bytes[5], 0x0b);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(bad); i++) {
		args = one("mac", bad[i]);
		assert_int_equal(port_arg_mac(&args, "mac", &mac, &err), -EINVAL);
	}
}

static void test_ifname(void **state)
{
	static const char *const bad[] = {"",    ".",     "..",  "a/b",
	                                  "a b", "tap%d", "a:1", "sixteencharslong"};
	const char *name = NULL;
	struct port_args args = one("iface", "fifteencharslng");

	assert_int_equal(port_arg_ifname(&args, "iface", &name, &err), 0);
	assert_string_equal(name, "fifteencharslng");
	for (unsigned i = 0; i < EVS_ARRAY_LEN(bad); i++) {
		args = one("iface", bad[i]);
		assert_int_equal(port_arg_ifname(&args, "iface", &name, &err), -EINVAL);
	}
}

static void test_check(void **state)
{
	const struct port_type *patch = port_type_lookup("patch");
	struct port_args args = {.n = 0};

	assert_int_equal(port_args_check(&args, patch, false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "peer=NAME"));
	args = one("peer", "p1");
	assert_int_equal(port_args_check(&args, patch, false, &err), 0);
	assert_int_equal(port_args_check(&args, patch, true, &err), -EINVAL);
	args = (struct port_args){2, {{"peer", "p1"}, {"peer", "p1"}}};
	assert_int_equal(port_args_check(&args, patch, false, &err), -EINVAL);
	args = (struct port_args){2, {{"peer", "p1"}, {"colour", "red"}}};
	assert_int_equal(port_args_check(&args, patch, false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "peer, mtu, mac, admin"));
	args = (struct port_args){2, {{"peer", "p1"}, {"mtu", "1500"}}};
	assert_int_equal(port_args_check(&args, patch, false, &err), 0);
}

static void test_types(void **state)
{
	assert_null(port_type_lookup("frob"));
	for (unsigned i = 0; port_types[i]; i++) {
		assert_ptr_equal(port_type_lookup(port_types[i]->name), port_types[i]);
		assert_non_null(port_types[i]->help);
		assert_non_null(port_types[i]->create);
		assert_non_null(port_types[i]->destroy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_uint),  cmocka_unit_test(test_bool),
	        cmocka_unit_test(test_mac),   cmocka_unit_test(test_ifname),
	        cmocka_unit_test(test_check), cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
