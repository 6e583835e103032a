/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration document: saved whole or not at all; the way from one document to another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/ctl_conf_pvt.h"

static char dir[] = "/tmp/evs-conf-XXXXXX";
static char file[64];

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/config.json", dir);
	return 0;
}

static int teardown(void **state)
{
	char beside[80];

	snprintf(beside, sizeof(beside), "%s.new", file);
	unlink(file);
	unlink(beside);
	return rmdir(dir);
}

static json_t *json(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	assert_non_null(value);
	return value;
}

static void put(const char *kind, const char *name, const char *text)
{
	json_t *params = json(text);

	ctl_conf_put(kind, name, params);
	json_decref(params);
}

static void what_was_saved_is_read(void **state)
{
	struct evs_error err = {0};

	assert_int_equal(ctl_conf_init(file, &err), 0);
	assert_int_equal(ctl_conf_load_saved(&err), 0); /* absent: empty */
	put("bridge", "br0", "{\"name\":\"br0\",\"fdb-age\":60}");
	put("port", "p0", "{\"name\":\"p0\",\"bridge\":\"br0\",\"type\":\"tap\"}");
	assert_int_equal(ctl_conf_save(&err), 0);
	ctl_conf_fini();

	assert_int_equal(ctl_conf_init(file, &err), 0);
	assert_int_equal(ctl_conf_load_saved(&err), 0);
	assert_int_equal(
	        json_integer_value(json_object_get(ctl_conf_get("bridge", "br0"), "fdb-age")), 60);
	ctl_conf_del("port", "p0");
	assert_null(ctl_conf_get("port", "p0"));
	ctl_conf_fini();
}

static void a_failed_save_leaves_the_file(void **state)
{
	struct evs_error err = {0};
	struct stat before, after;
	char beside[80];

	snprintf(beside, sizeof(beside), "%s.new", file);
	assert_int_equal(stat(file, &before), 0);
	assert_int_equal(mkdir(beside, 0700), 0); /* the new file can not be written */
	assert_int_equal(ctl_conf_init(file, &err), 0);
	put("bridge", "br1", "{\"name\":\"br1\"}");
	assert_true(ctl_conf_save(&err) < 0);
	assert_non_null(strstr(err.text, file));
	assert_int_equal(stat(file, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	rmdir(beside);
	assert_int_equal(ctl_conf_save(&err), 0); /* it is still to be saved */
	assert_int_equal(stat(file, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	ctl_conf_fini();
}

/* A child saves as fast as it can and is killed at some instant; the file is always whole. */
static void killed_amid_saving(void **state)
{
	for (unsigned round = 0; round < 20; round++) {
		struct evs_error err = {0};
		json_t *doc;
		pid_t pid = fork();

		if (pid == 0) {
			ctl_conf_init(file, &err);
			for (unsigned i = 0;; i++) {
				json_t *params =
				        json_pack("{s:s, s:i}", "name", "br", "fdb-age", i);

				ctl_conf_put("bridge", "br", params);
				ctl_conf_save(&err);
				json_decref(params);
			}
		}
		usleep(500 + 700 * round);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		assert_int_equal(ctl_conf_read(file, &doc, &err), 0);
		json_decref(doc);
	}
}

static void broken_documents_are_refused(void **state)
{
	static const char *const texts[] = {"",
	                                    "{",
	                                    "[]",
	                                    "{\"format\":2}",
	                                    "{\"format\":1,\"port\":[]}",
	                                    "{\"format\":1,\"port\":{\"p\":7}}"};
	char path[80];

	snprintf(path, sizeof(path), "%s/broken", dir);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(texts); i++) {
		struct evs_error err = {0};
		FILE *out = fopen(path, "w");
		json_t *doc;

		fputs(texts[i], out);
		fclose(out);
		assert_int_equal(ctl_conf_read(path, &doc, &err), -EINVAL);
		assert_non_null(strstr(err.text, path));
	}
	unlink(path);
}

static void expect_plan(const char *from, const char *to, bool undo, const char *want)
{
	json_t *f = json(from), *t = json(to), *w = json(want);
	json_t *plan = ctl_conf_plan(f, t, undo);

	if (!json_equal(plan, w))
		fail_msg("plan is %s", json_dumps(plan, JSON_COMPACT));
	json_decref(f);
	json_decref(t);
	json_decref(w);
	json_decref(plan);
}

static void plans_go_in_order(void **state)
{
	/* From nothing: bridges before ports. */
	expect_plan("{}",
	            "{\"port\":{\"p\":{\"name\":\"p\",\"bridge\":\"b\"}},\"bridge\":{\"b\":{"
	            "\"name\":\"b\"}}}",
	            false,
	            "[{\"method\":\"bridge.add\",\"params\":{\"name\":\"b\"}},"
	            "{\"method\":\"port.add\",\"params\":{\"name\":\"p\",\"bridge\":\"b\"}}]");
	/* To nothing: ports before bridges. */
	expect_plan(
	        "{\"bridge\":{\"b\":{\"name\":\"b\"}},\"port\":{\"p\":{\"name\":\"p\",\"tag\":3}}}",
	        "{}", false,
	        "[{\"method\":\"port.del\",\"params\":{\"name\":\"p\"}},"
	        "{\"method\":\"bridge.del\",\"params\":{\"name\":\"b\"}}]");
	expect_plan("{\"bridge\":{\"b\":{\"name\":\"b\"}}}",
	            "{\"bridge\":{\"b\":{\"name\":\"b\"}}}", false, "[]");
}

static void plans_change_what_can_be_changed(void **state)
{
	const char *old =
	        "{\"port\":{\"p\":{\"name\":\"p\",\"type\":\"tap\",\"tag\":3,\"mtu\":\"1500\"}}}";

	expect_plan(old, "{\"port\":{\"p\":{\"name\":\"p\",\"type\":\"tap\",\"mtu\":\"1500\"}}}",
	            false, "[{\"method\":\"port.set\",\"params\":{\"name\":\"p\",\"tag\":null}}]");
	/* Another type: away and anew. */
	expect_plan(old, "{\"port\":{\"p\":{\"name\":\"p\",\"type\":\"xdp\"}}}", false,
	            "[{\"method\":\"port.del\",\"params\":{\"name\":\"p\"}},"
	            "{\"method\":\"port.add\",\"params\":{\"name\":\"p\",\"type\":\"xdp\"}}]");
	/* What was set before can be set back. */
	expect_plan(
	        old,
	        "{\"port\":{\"p\":{\"name\":\"p\",\"type\":\"tap\",\"tag\":3,\"mtu\":\"9000\"}}}",
	        true, "[{\"method\":\"port.set\",\"params\":{\"name\":\"p\",\"mtu\":\"9000\"}}]");
}

/* Each call of a plan must be one that the table of methods takes. */
static void plans_are_valid_calls(void **state)
{
	json_t *doc = json("{\"log\":{\"port\":{\"room\":\"port\",\"level\":\"debug\"}},"
	                   "\"worker\":{\"1\":{\"cpu\":1}},"
	                   "\"bridge\":{\"b\":{\"name\":\"b\",\"fdb-age\":60}},"
	                   "\"port\":{\"p\":{\"name\":\"p\",\"bridge\":\"b\",\"type\":\"tap\","
	                   "\"mtu\":\"9000\"}},"
	                   "\"fdb\":{\"b 02:00:00:00:00:01 0\":{\"bridge\":\"b\",\"port\":\"p\","
	                   "\"mac\":\"02:00:00:00:00:01\"}}}");
	json_t *empty = json_object(), *call;
	size_t i;

	for (unsigned turn = 0; turn < 2; turn++) {
		json_t *plan =
		        turn ? ctl_conf_plan(doc, empty, false) : ctl_conf_plan(empty, doc, false);

		assert_int_equal(json_array_size(plan), 5);
		json_array_foreach (plan, i, call) {
			const struct api_method *m = api_method_lookup(
			        json_string_value(json_object_get(call, "method")), NULL);
			struct evs_error err;
			json_t *out;

			assert_non_null(m);
			if (api_params_check(m, json_object_get(call, "params"), &out, &err))
				fail_msg("%s", err.text);
			json_decref(out);
		}
		json_decref(plan);
	}
	json_decref(doc);
	json_decref(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_was_saved_is_read),
	        cmocka_unit_test(a_failed_save_leaves_the_file),
	        cmocka_unit_test(killed_amid_saving),
	        cmocka_unit_test(broken_documents_are_refused),
	        cmocka_unit_test(plans_go_in_order),
	        cmocka_unit_test(plans_change_what_can_be_changed),
	        cmocka_unit_test(plans_are_valid_calls),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
