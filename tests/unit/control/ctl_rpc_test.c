/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON-RPC server on a real socket, with the rooms of the datapath behind it but no EAL: lines,
 * batches, transactions, subscriptions, and clients that behave badly. The server runs in a thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/api_rpc.h"
#include "base/evs_clock.h"
#include "base/evs_log.h"
#include "base/evs_rcu.h"
#include "control/ctl.h"
#include "control/ctl_pvt.h"
#include "pipeline/pl.h"
#include "pmd/pmd.h"
#include "port/port.h"

static char dir[] = "/tmp/evs-rpc-XXXXXX";
static char config_file[64], socket_file[64];
static pthread_t server;

static void *serve(void *arg)
{
	ctl_run();
	return NULL;
}

static struct flow_cache *no_cache(unsigned worker)
{
	return NULL;
}

static bool no_learn(unsigned worker, const struct pl_learn *learn)
{
	return false;
}

static int setup(void **state)
{
	struct ctl_config config = {.run_dir = dir, .config_file = config_file};
	struct pl_config pl = {.worker_cache = no_cache, .post_learn = no_learn};
	struct pmd_config pmd = {.translate = pl_translate};
	struct evs_error err = {0};
	struct rlimit files;

	if (!mkdtemp(dir) || getrlimit(RLIMIT_NOFILE, &files))
		return -1;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	snprintf(config_file, sizeof(config_file), "%s/config.json", dir);
	snprintf(socket_file, sizeof(socket_file), "%s/evs.sock", dir);
	evs_clock_init();
	evs_log_set("err", NULL);
	if (evs_rcu_init(&err) || port_init(4, &err) || pmd_init(&pmd, &err) ||
	    pl_init(&pl, &err) || ctl_init(&config, &err) || ctl_restore(&err) ||
	    ctl_listen(&err)) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	return pthread_create(&server, NULL, serve, NULL);
}

static int teardown(void **state)
{
	ctl_stop();
	pthread_join(server, NULL);
	ctl_fini();
	pmd_fini();
	pl_fini();
	port_fini();
	evs_rcu_fini();
	unlink(config_file);
	return rmdir(dir); /* fails if anything is left */
}

/* ---- a client ---- */

static int dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval limit = {10, 0};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, socket_file);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The next line, without its end; "" when the other side closed. */
static const char *hear(int fd)
{
	static char line[1 << 20];
	size_t n = 0;

	while (n < sizeof(line) - 1 && recv(fd, &line[n], 1, 0) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	return line;
}

static json_t *hear_json(int fd)
{
	json_t *value = json_loads(hear(fd), 0, NULL);

	assert_non_null(value);
	return value;
}

static int code_of(int fd)
{
	json_t *answer = hear_json(fd);
	int code =
	        (int)json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));

	json_decref(answer);
	return code;
}

#define VERSION "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"version\"}"

static void a_request_in_pieces(void **state)
{
	int fd = dial();
	json_t *answer;

	for (const char *c = VERSION "\n"; *c; c++)
		assert_int_equal(send(fd, c, 1, 0), 1);
	answer = hear_json(fd);
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), 7);
	assert_string_equal(ctl_param_str(json_object_get(answer, "result"), "evs", ""),
	                    EVS_VERSION);
	json_decref(answer);
	close(fd);
}

static void many_requests_in_one_piece(void **state)
{
	int fd = dial();

	say(fd, VERSION "\n" VERSION "\n\n  \n" VERSION "\n");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(code_of(fd), 0);
	close(fd);
}

static void the_last_line_may_lack_its_end(void **state)
{
	int fd = dial();

	say(fd, VERSION);
	shutdown(fd, SHUT_WR);
	assert_int_equal(code_of(fd), 0);
	assert_string_equal(hear(fd), "");
	close(fd);
}

static void wrong_requests_get_their_code(void **state)
{
	static const struct {
		const char *line;
		int code;
	} cases[] = {
	        {"nonsense\n", -32700},
	        {"[]\n", -32600},
	        {"7\n", -32600},
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no.such\"}\n", -32601},
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"bridge.add\"}\n", -32602},
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"bridge.del\",\"params\":{\"name\":"
	         "\"b\"}}\n",
	         -32000},
	};
	int fd = dial();

	for (unsigned i = 0; i < EVS_ARRAY_LEN(cases); i++) {
		say(fd, cases[i].line);
		assert_int_equal(code_of(fd), cases[i].code);
	}
	close(fd);
}

static void a_batch_answers_what_has_an_id(void **state)
{
	int fd = dial();
	json_t *answer;

	say(fd, "[" VERSION ",{\"jsonrpc\":\"2.0\",\"method\":\"version\"},3]\n" VERSION "\n");
	answer = hear_json(fd);
	assert_int_equal(json_array_size(answer), 2);
	json_decref(answer);
	/* A batch of notifications alone gets no answer at all. */
	assert_int_equal(code_of(fd), 0);
	say(fd, "[{\"jsonrpc\":\"2.0\",\"method\":\"version\"}]\n" VERSION "\n");
	answer = hear_json(fd);
	assert_true(json_is_object(answer));
	json_decref(answer);
	close(fd);
}

static json_t *call(int fd, const char *method, const char *params)
{
	char line[1024];

	snprintf(line, sizeof(line),
	         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n", method,
	         params);
	say(fd, line);
	return hear_json(fd);
}

static bool has_bridge(int fd, const char *name)
{
	char params[64];
	json_t *answer;
	bool has;

	snprintf(params, sizeof(params), "{\"name\":\"%s\"}", name);
	answer = call(fd, "bridge.show", params);
	has = json_object_get(answer, "result") != NULL;
	json_decref(answer);
	return has;
}

#define ADD(name)                                                                                  \
	"{\"method\":\"bridge.add\",\"params\":{\"name\":\"" name "\",\"internal\":false}}"

static void a_refused_transaction_is_undone(void **state)
{
	int fd = dial();
	json_t *answer =
	        call(fd, "transaction",
	             "{\"calls\":[" ADD("t1") "," ADD(
	                     "t2") ",{\"method\":\"bridge.set\","
	                           "\"params\":{\"name\":\"t1\",\"fdb-age\":99}}," ADD("t1") "]}");
	json_t *error = json_object_get(answer, "error"), *data = json_object_get(error, "data");

	assert_int_equal(json_integer_value(json_object_get(data, "index")), 3);
	assert_int_equal(json_integer_value(json_object_get(data, "errno")), EEXIST);
	assert_non_null(strstr(ctl_param_str(error, "message", ""), "t1"));
	json_decref(answer);
	assert_false(has_bridge(fd, "t1"));
	assert_false(has_bridge(fd, "t2"));
	close(fd);
}

static void a_transaction_takes_only_changes(void **state)
{
	int fd = dial();
	json_t *answer =
	        call(fd, "transaction", "{\"calls\":[" ADD("t1") ",{\"method\":\"version\"}]}");

	assert_non_null(json_object_get(answer, "error"));
	json_decref(answer);
	assert_false(has_bridge(fd, "t1"));
	close(fd);
}

static void what_is_answered_is_saved(void **state)
{
	int fd = dial();
	struct evs_error err = {0};
	json_t *doc, *answer = call(fd, "bridge.add", "{\"name\":\"s1\",\"internal\":false}");

	assert_non_null(json_object_get(answer, "result"));
	json_decref(answer);
	assert_int_equal(ctl_conf_read(config_file, &doc, &err), 0);
	assert_non_null(json_object_get(json_object_get(doc, "bridge"), "s1"));
	json_decref(doc);
	json_decref(call(fd, "bridge.del", "{\"name\":\"s1\"}"));
	close(fd);
}

/* The save fails: what was done is undone, and the client hears why. */
static void what_can_not_be_saved_is_undone(void **state)
{
	char beside[80];
	int fd = dial();
	json_t *answer;

	snprintf(beside, sizeof(beside), "%s.new", config_file);
	assert_int_equal(mkdir(beside, 0700), 0);
	answer = call(fd, "bridge.add", "{\"name\":\"s2\",\"internal\":false}");
	assert_non_null(strstr(ctl_param_str(json_object_get(answer, "error"), "message", ""),
	                       config_file));
	json_decref(answer);
	assert_false(has_bridge(fd, "s2"));
	rmdir(beside);
	close(fd);
}

static void subscribers_hear_of_changes(void **state)
{
	int listener = dial(), fd = dial();
	json_t *note;

	json_decref(call(listener, "rpc.subscribe", "{\"topics\":[\"bridge\"]}"));
	json_decref(call(fd, "bridge.add", "{\"name\":\"n1\",\"internal\":false}"));
	note = hear_json(listener);
	assert_string_equal(ctl_param_str(note, "method", ""), "bridge");
	assert_string_equal(ctl_param_str(json_object_get(note, "params"), "bridge", ""), "n1");
	json_decref(note);
	json_decref(call(fd, "bridge.del", "{\"name\":\"n1\"}"));
	close(listener);
	close(fd);
}

static void a_line_without_end_is_refused(void **state)
{
	static char much[65536];
	int fd = dial();

	memset(much, 'x', sizeof(much));
	for (unsigned i = 0; i < 40; i++)
		if (send(fd, much, sizeof(much), MSG_NOSIGNAL) < 0)
			break;
	assert_int_equal(code_of(fd), -32600);
	close(fd);
	fd = dial(); /* others are served */
	say(fd, VERSION "\n");
	assert_int_equal(code_of(fd), 0);
	close(fd);
}

static void a_client_that_leaves_amid_its_request(void **state)
{
	for (unsigned i = 0; i < 50; i++) {
		int fd = dial();

		say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cache.flush\"}\n" VERSION "\n");
		close(fd);
	}
	a_request_in_pieces(state);
}

static void too_many_are_told_so(void **state)
{
	static int fds[1100];
	unsigned n = 0, refused = 0;

	for (; n < EVS_ARRAY_LEN(fds); n++)
		fds[n] = dial();
	/* The last ones were turned away: they find a line and the end. */
	for (unsigned i = n - 10; i < n; i++)
		refused += code_of(fds[i]) == API_RPC_BUSY;
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	assert_int_equal(refused, 10);
	for (unsigned i = 0; i < 3000; i++) { /* room comes back as they leave */
		int fd = dial();

		say(fd, VERSION "\n");
		if (code_of(fd) == 0)
			i = 10000;
		close(fd);
		usleep(10000);
		assert_int_not_equal(i, 2999);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_request_in_pieces),
	        cmocka_unit_test(many_requests_in_one_piece),
	        cmocka_unit_test(the_last_line_may_lack_its_end),
	        cmocka_unit_test(wrong_requests_get_their_code),
	        cmocka_unit_test(a_batch_answers_what_has_an_id),
	        cmocka_unit_test(a_refused_transaction_is_undone),
	        cmocka_unit_test(a_transaction_takes_only_changes),
	        cmocka_unit_test(what_is_answered_is_saved),
	        cmocka_unit_test(what_can_not_be_saved_is_undone),
	        cmocka_unit_test(subscribers_hear_of_changes),
	        cmocka_unit_test(a_line_without_end_is_refused),
	        cmocka_unit_test(a_client_that_leaves_amid_its_request),
	        cmocka_unit_test(too_many_are_told_so),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
