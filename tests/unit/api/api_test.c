/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of methods is consistent, and parameters are held against it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/api_rpc.h"

static void methods_are_complete(void **state)
{
	for (unsigned i = 0; i < API_N_METHODS; i++) {
		const struct api_method *m = api_methods[i];
		unsigned access = m->flags & (API_READ | API_WRITE | API_ACT);
		enum api_id id;

		assert_non_null(m->name);
		assert_ptr_equal(api_method_lookup(m->name, &id), m);
		assert_int_equal(id, i);
		assert_true(access == API_READ || access == API_WRITE || access == API_ACT);
		assert_true(m->help && strlen(m->help) > 8);
		assert_int_not_equal(m->help[strlen(m->help) - 1], '.');
		assert_non_null(m->example);
	}
}

static void parameters_are_complete(void **state)
{
	for (unsigned i = 0; i < API_N_METHODS; i++) {
		bool optional_seen = false;

		for (const struct api_param *p = api_methods[i]->params; p && p->name; p++) {
			assert_non_null(p->form);
			assert_true(p->help && strlen(p->help) > 3);
			assert_true(p->kind != API_UINT || p->max > p->min);
			assert_ptr_equal(api_param_lookup(api_methods[i], p->name), p);
			if (!(p->flags & API_POS))
				continue;
			/* What stands by position can not be required behind an optional one. */
			assert_false(optional_seen && (p->flags & API_REQUIRED));
			optional_seen |= !(p->flags & API_REQUIRED);
		}
	}
}

/* Every example starts with the words of its method. */
static void examples_match(void **state)
{
	for (unsigned i = 0; i < API_N_METHODS; i++) {
		char noun[32], verb[32], words[72];

		api_method_words(api_methods[i], noun, verb);
		snprintf(words, sizeof(words), "%s%s%s", noun, *verb ? " " : "", verb);
		assert_int_equal(strncmp(api_methods[i]->example, words, strlen(words)), 0);
	}
}

static int check(const char *method, const char *params, json_t **out, struct evs_error *err)
{
	json_t *in = json_loads(params, JSON_DECODE_ANY, NULL);
	int ret;

	assert_non_null(in);
	*out = NULL;
	err->code = 0;
	ret = api_params_check(api_method_lookup(method, NULL), in, out, err);
	json_decref(in);
	return ret;
}

static void accepts(const char *method, const char *params, const char *canonical)
{
	json_t *out, *want = json_loads(canonical, 0, NULL);
	struct evs_error err;

	assert_int_equal(check(method, params, &out, &err), 0);
	assert_true(json_equal(out, want));
	json_decref(out);
	json_decref(want);
}

static void refuses(const char *method, const char *params, const char *word)
{
	struct evs_error err;
	json_t *out;

	assert_int_equal(check(method, params, &out, &err), -EINVAL);
	assert_null(out);
	if (!strstr(err.text, word))
		fail_msg("'%s' does not say '%s'", err.text, word);
}

static void values_become_canonical(void **state)
{
	accepts("bridge.add", "{\"name\":\"br0\"}", "{\"name\":\"br0\"}");
	accepts("bridge.add", "{\"name\":\"br0\",\"fail_mode\":\"secure\"}",
	        "{\"name\":\"br0\",\"fail-mode\":\"secure\"}");
	accepts("bridge.add", "{\"name\":\"br0\",\"fdb-age\":\"60\",\"internal\":\"off\"}",
	        "{\"name\":\"br0\",\"fdb-age\":60,\"internal\":false}");
	accepts("bridge.add", "{\"name\":\"b\",\"dpid\":\"0xAB\",\"hwaddr\":\"02:AA:00:00:00:01\"}",
	        "{\"name\":\"b\",\"dpid\":\"00000000000000ab\",\"hwaddr\":\"02:aa:00:00:00:01\"}");
	accepts("bridge.set", "{\"name\":\"b\",\"fdb-age\":null}",
	        "{\"name\":\"b\",\"fdb-age\":null}");
	accepts("port.add",
	        "{\"bridge\":\"b\",\"name\":\"p\",\"type\":\"tap\",\"trunks\":[1,2],\"rx_q\":3}",
	        "{\"bridge\":\"b\",\"name\":\"p\",\"type\":\"tap\",\"trunks\":\"1,2\",\"rx-q\":"
	        "\"3\"}");
	accepts("rpc.subscribe", "{\"topics\":\"port\"}", "{\"topics\":[\"port\"]}");
}

static void wrong_values_are_named(void **state)
{
	refuses("bridge.add", "{}", "'name'");
	refuses("bridge.add", "[]", "object");
	refuses("bridge.add", "{\"name\":17}", "17");
	refuses("bridge.add", "{\"name\":\"\"}", "name");
	refuses("bridge.add", "{\"name\":\"a/b\"}", "a/b");
	refuses("bridge.add", "{\"name\":\"../x\"}", "name");
	refuses("bridge.add", "{\"name\":\"x\",\"nom\":1}", "'nom'");
	refuses("bridge.add", "{\"name\":\"x\",\"fdb-age\":9}", "from 10");
	refuses("bridge.add", "{\"name\":\"x\",\"fdb-age\":-1}", "-1");
	refuses("bridge.add", "{\"name\":\"x\",\"fdb-age\":1.5}", "1.5");
	refuses("bridge.add", "{\"name\":\"x\",\"fdb-age\":\"99999999999999999999\"}", "fdb-age");
	refuses("bridge.add", "{\"name\":\"x\",\"fail-mode\":\"sec\"}", "standalone|secure");
	refuses("bridge.add", "{\"name\":\"x\",\"internal\":\"maybe\"}", "maybe");
	refuses("bridge.add", "{\"name\":\"x\",\"hwaddr\":\"02:00:00:00:00\"}", "MAC");
	refuses("bridge.add", "{\"name\":\"x\",\"dpid\":\"12345678123456789\"}", "dpid");
	refuses("bridge.add", "{\"name\":\"x\",\"fail-mode\":\"secure\",\"fail_mode\":\"secure\"}",
	        "twice");
	refuses("port.add", "{\"bridge\":\"b\",\"name\":\"p\",\"type\":\"t\",\"x\":{}}", "'x'");
	refuses("port.add",
	        "{\"bridge\":\"b\",\"name\":\"p\",\"type\":\"t\",\"trunks\":\"1,5000\"}", "VLAN");
	refuses("port.add", "{\"bridge\":\"b\",\"name\":\"p\",\"type\":\"t\",\"trunks\":\"9-3\"}",
	        "VLAN");
	refuses("port.add", "{\"bridge\":\"b\",\"name\":\"p\",\"type\":\"t\",\"tag\":4096}",
	        "4095");
	refuses("transaction", "{\"calls\":[{\"params\":{}}]}", "method");
}

static void vlans_become_bits(void **state)
{
	uint8_t bits[512];
	unsigned n = 0;

	api_vlans_to_bitmap("0,5-7,4095", bits);
	for (unsigned i = 0; i < 4096; i++)
		n += bits[i / 8] >> i % 8 & 1;
	assert_int_equal(n, 5);
	assert_int_equal(bits[0], 0xe1);
	assert_int_equal(bits[511], 0x80);
}

static void suggestions_are_near(void **state)
{
	assert_string_equal(api_method_suggest("port.ad"), "port.add");
	assert_string_equal(api_method_suggest("bridge.shw"), "bridge.show");
	assert_null(api_method_suggest("something.quite.different"));
}

static void usage_tells_all(void **state)
{
	char buf[512];

	api_method_usage(&api_port_add, buf, sizeof(buf));
	assert_non_null(strstr(buf, "port add BRIDGE NAME type=TYPE [ofport=N]"));
	assert_non_null(strstr(buf, "[key=value...]"));
	assert_true(api_method_usage(&api_port_add, buf, 10) > 10); /* no overflow */
}

static void requests_are_read(void **state)
{
	static const struct {
		const char *text;
		int ret;
		bool has_id;
	} cases[] = {
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}", 0, true},
	        {"{\"jsonrpc\":\"2.0\",\"method\":\"version\"}", 0, false},
	        {"{\"jsonrpc\":\"2.0\",\"id\":\"x\"}", -EINVAL, true},
	        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"version\"}", -EINVAL, true},
	        {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"version\"}", -EINVAL, false},
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", -EINVAL, true},
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"v\",\"params\":1}", -EINVAL, true},
	        {"42", -EINVAL, false},
	};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(cases); i++) {
		struct api_rpc_request req;
		struct evs_error err = {0};
		json_t *message = api_rpc_parse(cases[i].text, strlen(cases[i].text), &err);

		assert_non_null(message);
		assert_int_equal(api_rpc_request_read(message, &req, &err), cases[i].ret);
		assert_int_equal(req.id != NULL, cases[i].has_id);
		json_decref(message);
	}
}

static void errors_carry_errno(void **state)
{
	json_t *error = api_rpc_error(NULL, API_RPC_REFUSED, "no", -EEXIST, NULL);
	size_t size;
	char *line = api_rpc_line(error, &size);

	assert_string_equal(line, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,"
	                          "\"message\":\"no\",\"data\":{\"errno\":17}}}\n");
	assert_int_equal(size, strlen(line));
	free(line);
	json_decref(error);
}

static void lines_that_are_no_json(void **state)
{
	static const char *const lines[] = {"{nonsense", "", "\xff\xfe", "{\"a\":1,\"a\":2}",
	                                    "1 2"};
	struct evs_error err = {0};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(lines); i++)
		assert_null(api_rpc_parse(lines[i], strlen(lines[i]), &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(methods_are_complete),   cmocka_unit_test(parameters_are_complete),
	        cmocka_unit_test(examples_match),         cmocka_unit_test(values_become_canonical),
	        cmocka_unit_test(wrong_values_are_named), cmocka_unit_test(vlans_become_bits),
	        cmocka_unit_test(suggestions_are_near),   cmocka_unit_test(usage_tells_all),
	        cmocka_unit_test(requests_are_read),      cmocka_unit_test(errors_carry_errno),
	        cmocka_unit_test(lines_that_are_no_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
