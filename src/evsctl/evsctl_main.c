/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evsctl: from the command line to one request and its result.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evsctl/evsctl_pvt.h"

struct options {
	const char *socket;
	const char *complete;
	const char *packet; /* of trace: --packet HEX is packet=HEX */
	bool json, help, version, watch;
	int n;
	char **words;
};

/* Options stand before the words; --help and --json also among them. */
static int parse_options(int argc, char **argv, struct options *o)
{
	o->words = argv; /* compacted in place */
	o->socket = getenv("EVS_SOCKET") ? getenv("EVS_SOCKET") : EVSCTL_SOCKET;
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		bool more = i + 1 < argc;

		if (!strcmp(a, "--socket") && more)
			o->socket = argv[++i];
		else if (!strncmp(a, "--socket=", 9))
			o->socket = a + 9;
		else if (!strcmp(a, "--complete") && more)
			o->complete = argv[++i];
		else if (!strcmp(a, "--json"))
			o->json = true;
		else if (!strcmp(a, "--watch"))
			o->watch = true;
		else if (!strcmp(a, "--help") || !strcmp(a, "-h"))
			o->help = true;
		else if (!strcmp(a, "--version"))
			o->version = true;
		else if (!strcmp(a, "--packet") && more)
			o->packet = argv[++i];
		else if (!strncmp(a, "--", 2))
			return fprintf(stderr,
			               "evsctl: unknown option '%s', or its value is "
			               "missing: 'evsctl --help' lists them\n",
			               a),
			       EVSCTL_USAGE;
		else
			o->words[o->n++] = argv[i];
	}
	return 0;
}

static int help(int n, char **words)
{
	const struct api_method *method = n ? api_method_lookup(words[0], NULL) : NULL;
	char name[80];

	if (n > 1) {
		snprintf(name, sizeof(name), "%.30s.%.40s", words[0], words[1]);
		method = api_method_lookup(name, NULL);
	}
	if (method)
		evsctl_help_method(stdout, method);
	else if (n == 0 || !strcmp(words[0], "top"))
		evsctl_help(stdout);
	else if (!evsctl_help_noun(stdout, words[0])) {
		fprintf(stderr, "evsctl: there is no '%s'\n", words[0]);
		return EVSCTL_USAGE;
	}
	return EVSCTL_OK;
}

static int refused(const json_t *error, const char *socket)
{
	const char *text = json_string_value(json_object_get(error, "message"));
	json_int_t code = json_integer_value(json_object_get(error, "code"));

	if (!error) {
		fprintf(stderr, "evsctl: evsd at %s closed the connection before it answered\n",
		        socket);
		return EVSCTL_NO_EVSD;
	}
	fprintf(stderr, "evsctl: %s\n", text ? text : "refused, without a reason");
	return code == API_RPC_METHOD || code == API_RPC_PARAMS ? EVSCTL_USAGE : EVSCTL_REFUSED;
}

/* A subscription lasts as long as the connection: print what comes. */
static void follow(struct evsctl_conn *conn)
{
	json_t *message;

	while ((message = evsctl_conn_next(conn))) {
		json_dumpf(message, stdout, JSON_COMPACT);
		printf("\n");
		fflush(stdout);
		json_decref(message);
	}
}

static int call(const struct options *o, const struct evsctl_request *request)
{
	struct evsctl_conn *conn = evsctl_conn_open(o->socket, false);
	json_t *result, *error;
	int status = EVSCTL_OK;

	if (!conn)
		return EVSCTL_NO_EVSD;
	result = evsctl_conn_call_parts(conn, request, &error);
	if (!result) {
		status = refused(error, o->socket);
	} else if (!strcmp(request->method->name, "rpc.subscribe")) {
		follow(conn);
	} else if (o->json) {
		json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
		printf("\n");
	} else {
		evsctl_print(request, result);
	}
	json_decref(result);
	json_decref(error);
	evsctl_conn_close(conn);
	return status;
}

/* Once a second, until it fails or somebody ends it. */
static int watch(const struct options *o, const struct evsctl_request *request)
{
	int status = EVSCTL_OK;

	if (!(request->method->flags & API_READ) ||
	    !strcmp(request->method->name, "rpc.subscribe")) {
		fprintf(stderr, "evsctl: --watch belongs to methods that show something\n");
		return EVSCTL_USAGE;
	}
	while (status == EVSCTL_OK) {
		if (isatty(STDOUT_FILENO))
			printf("\033[H\033[2J"); /* to the corner, clear */
		status = call(o, request);
		fflush(stdout);
		sleep(1);
	}
	return status;
}

int main(int argc, char **argv)
{
	struct evsctl_request request = {0};
	struct options o = {0};
	int status = parse_options(argc, argv, &o);

	if (status)
		return status;
	if (o.complete)
		return evsctl_complete(o.complete, o.socket);
	if (o.version) {
		printf("evs %s\n", EVS_VERSION);
		return EVSCTL_OK;
	}
	if (o.n && !strcmp(o.words[0], "help"))
		return help(o.n - 1, o.words + 1);
	if (o.help)
		return help(o.n, o.words);
	if (o.n == 0) {
		evsctl_help(stderr);
		return EVSCTL_USAGE;
	}
	if (!strcmp(o.words[0], "top"))
		return evsctl_top(o.socket, o.n - 1, o.words + 1);
	status = evsctl_args_parse(o.n, o.words, &request);
	if (status == 0 && o.packet && strcmp(request.method->name, "trace")) {
		fprintf(stderr, "evsctl: --packet belongs to trace\n");
		status = EVSCTL_USAGE;
	} else if (status == 0 && o.packet) {
		json_object_set_new(request.params, "packet", json_string(o.packet));
	}
	if (status == 0 && o.watch)
		status = watch(&o, &request);
	else if (status == 0)
		status = call(&o, &request);
	json_decref(request.params);
	return status;
}
