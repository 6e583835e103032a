/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving one JSON-RPC connection. Threads: control. Reads what foreign clients send.
 *
 * Requests of a connection are answered in their order: while one is pending, or much output is
 * unread, nothing further is read, so memory is bounded by the line limit, the pause limit and one
 * answer. A turn serves a few requests and lets others have theirs.
 */
#include "control/ctl_client.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_task.h"

#define TURN_REQUESTS 16

static void client_free(struct ctl_client *client)
{
	ctl_rpc_forget(client);
	if (client->turn)
		event_free(client->turn);
	if (client->answers)
		evbuffer_free(client->answers);
	json_decref(client->message);
	ctl_flow_list_free(client->flow_list);
	free(client);
}

/* Frees a closed connection unless something will still come back to it. */
static void client_release(struct ctl_client *client)
{
	if (!client->bev && !client->busy && !client->serving)
		client_free(client);
}

void ctl_client_close(struct ctl_client *client, const char *why)
{
	if (client->bev) {
		if (why)
			EVS_LOG(control, WARN, "client %u: disconnected: %s", client->number, why);
		bufferevent_free(client->bev);
		client->bev = NULL;
	}
	client_release(client);
}

static size_t unread(const struct ctl_client *client)
{
	return evbuffer_get_length(bufferevent_get_output(client->bev));
}

/* ---- answers ---- */

static void send_text(struct ctl_client *client, const char *line, size_t size)
{
	if (client->bev)
		bufferevent_write(client->bev, line, size);
}

static void answer_put(struct ctl_client *client, const char *line, size_t size)
{
	if (!client->answers) {
		send_text(client, line, size);
		return;
	}
	evbuffer_add(client->answers, evbuffer_get_length(client->answers) ? "," : "[", 1);
	evbuffer_add(client->answers, line, size - 1); /* without the line feed */
}

static void answer(struct ctl_client *client, json_t *id, json_t *message)
{
	size_t size = 0;
	char *line = api_rpc_line(message, &size);
	size_t before = client->answers ? evbuffer_get_length(client->answers) : 0;

	json_decref(message);
	if (!line || size + before > CTL_ANSWER_MAX) {
		free(line);
		message = api_rpc_error(id, API_RPC_BUSY,
		                        "the answer is too long: ask for less at a time", -EMSGSIZE,
		                        NULL);
		line = api_rpc_line(message, &size);
		json_decref(message);
	}
	if (line)
		answer_put(client, line, size);
	free(line);
}

static void answer_error(struct ctl_client *client, json_t *id, enum api_rpc_code code,
                         const struct evs_error *err, json_t *data_new)
{
	answer(client, id, api_rpc_error(id, code, err->text, err->code, data_new));
}

/* ---- one request ---- */

static void call_ended(struct ctl_client *client, int ret, enum api_rpc_code code)
{
	struct ctl_call *call = &client->call;

	if (client->answer_wanted && ret < 0)
		answer_error(client, client->id, code, &call->err,
		             call->err_data ? json_incref(call->err_data) : NULL);
	else if (client->answer_wanted)
		answer(client, client->id,
		       api_rpc_result(client->id, call->result ? json_incref(call->result) : NULL));
	ctl_call_fini(call);
}

/* A pending call ended: go on with the connection, or let go of it if it is gone. */
static void resume(struct ctl_client *client)
{
	client->busy = false;
	if (client->bev && !client->serving)
		event_active(client->turn, 0, 0);
	client_release(client);
}

static void call_finished(struct ctl_call *call, int ret)
{
	struct ctl_client *client = call->runner;

	call_ended(client, ret, API_RPC_REFUSED);
	resume(client);
}

static void write_finished(struct ctl_txn *txn, int ret, void *arg)
{
	struct ctl_client *client = arg;
	enum api_rpc_code code = txn->params_wrong ? API_RPC_PARAMS : API_RPC_REFUSED;

	client->call.err = txn->err;
	client->call.result = json_incref(json_array_get(txn->results, 0));
	call_ended(client, ret, code);
	resume(client);
}

/* Every write is a transaction, if only of one call. */
static void run_write(struct ctl_client *client)
{
	struct ctl_call *call = &client->call;

	client->busy = true;
	ctl_txn_run(json_pack("[{s:s, s:O}]", "method", call->method->name, "params", call->params),
	            client, write_finished, client);
}

static void run(struct ctl_client *client);

static void run_after(void *arg)
{
	struct ctl_client *client = arg;

	client->busy = false;
	run(client);
	if (!client->busy)
		resume(client);
}

/* Other rules are being changed, over several turns. */
static bool has_to_wait(struct ctl_client *client)
{
	if (!(client->call.method->flags & API_RULES) || !evs_task_after(run_after, client))
		return false;
	client->busy = true;
	return true;
}

static void run(struct ctl_client *client)
{
	struct ctl_call *call = &client->call;
	int ret;

	if (has_to_wait(client))
		return;

	call->client = client;
	call->finished = call_finished;
	call->runner = client;
	if ((call->method->flags & API_WRITE) && call->id != API_ID_transaction) {
		run_write(client);
		return;
	}
	client->busy = true;
	ret = ctl_call_run(call);
	if (ret == CTL_PENDING)
		return;
	client->busy = false;
	call_ended(client, ret, API_RPC_REFUSED);
}

static void method_unknown(struct ctl_client *client, const struct api_rpc_request *req)
{
	const char *near = api_method_suggest(req->method);
	struct evs_error err;

	evs_error_set(&err, -ENOSYS, "unknown method '%.60s'%s%s", req->method,
	              near ? ": did you mean " : ": rpc.describe lists them", near ? near : "");
	answer_error(client, req->id, API_RPC_METHOD, &err, NULL);
}

static void serve_request(struct ctl_client *client, json_t *message)
{
	const struct api_method *method;
	struct api_rpc_request req;
	struct evs_error err = {0};
	enum api_id id;
	int ret;

	if (api_rpc_request_read(message, &req, &err)) {
		answer_error(client, req.id, API_RPC_REQUEST, &err, NULL);
		return;
	}
	client->id = req.id;
	client->answer_wanted = req.id != NULL;
	method = api_method_lookup(req.method, &id);
	if (!method) {
		if (req.id)
			method_unknown(client, &req);
		return;
	}
	ret = ctl_call_init(&client->call, method, id, req.params);
	if (ret)
		call_ended(client, ret, API_RPC_PARAMS);
	else
		run(client);
}

/* ---- lines ---- */

static void message_end(struct ctl_client *client)
{
	if (client->answers) {
		if (evbuffer_get_length(client->answers)) {
			evbuffer_add(client->answers, "]\n", 2);
			if (client->bev)
				bufferevent_write_buffer(client->bev, client->answers);
		}
		evbuffer_free(client->answers);
		client->answers = NULL;
	}
	json_decref(client->message);
	client->message = NULL;
}

static void message_start(struct ctl_client *client, const char *line, size_t size)
{
	struct evs_error err = {0};
	json_t *message = api_rpc_parse(line, size, &err);

	if (!message) {
		answer_error(client, NULL, API_RPC_PARSE, &err, NULL);
		return;
	}
	if (json_is_array(message) && json_array_size(message) == 0) {
		evs_error_set(&err, -EINVAL, "an empty batch asks for nothing");
		answer_error(client, NULL, API_RPC_REQUEST, &err, NULL);
		json_decref(message);
		return;
	}
	client->message = message;
	client->at = 0;
	if (json_is_array(message))
		client->answers = evbuffer_new();
}

/* One request of the message; false: the message is done. */
static bool message_step(struct ctl_client *client)
{
	if (!json_is_array(client->message)) {
		if (client->at++)
			return false;
		serve_request(client, client->message);
		return true;
	}
	if (client->at >= json_array_size(client->message))
		return false;
	serve_request(client, json_array_get(client->message, client->at++));
	return true;
}

static void line_too_long(struct ctl_client *client)
{
	struct evs_error err;

	evs_error_set(&err, -EMSGSIZE, "a line has more than %u bytes: send less at a time",
	              API_RPC_LINE_MAX);
	answer_error(client, NULL, API_RPC_REQUEST, &err, NULL);
	EVS_LOG_LIMITED(control, WARN, "client %u: line too long, disconnecting", client->number);
	client->closing = true;
	bufferevent_disable(client->bev, EV_READ);
}

/* Takes the next line; false: there is none. */
static bool next_line(struct ctl_client *client)
{
	struct evbuffer *in = bufferevent_get_input(client->bev);
	size_t size = 0;
	char *line = evbuffer_readln(in, &size, EVBUFFER_EOL_LF);

	if (!line && client->eof && evbuffer_get_length(in)) {
		size = evbuffer_get_length(in); /* the last line may lack its end */
		line = malloc(size);
		if (line)
			evbuffer_remove(in, line, size);
	}
	if (!line && evbuffer_get_length(in) > API_RPC_LINE_MAX)
		line_too_long(client);
	if (!line)
		return false;
	if (strspn(line, " \t\r") < size)
		message_start(client, line, size);
	free(line);
	return true;
}

/* Up to TURN_REQUESTS requests; true: there may be more to serve at once. */
static bool serve_some(struct ctl_client *client)
{
	for (unsigned i = 0; i < TURN_REQUESTS && client->bev && !client->busy; i++) {
		if (unread(client) > CTL_OUT_PAUSE) {
			bufferevent_disable(client->bev, EV_READ);
			return false; /* on_written goes on */
		}
		if (client->message) {
			if (!message_step(client))
				message_end(client);
		} else if (client->closing || !next_line(client)) {
			return false;
		}
	}
	return client->bev && !client->busy;
}

/* A turn: some requests, unless one is pending or the output is not read. */
static void serve(struct ctl_client *client)
{
	static const struct timeval now = {0, 0};

	client->serving = true;
	if (serve_some(client))
		event_add(client->turn, &now); /* after the sockets of others were looked at */
	client->serving = false;
	if (client->bev && (client->closing || client->eof) && !client->busy && !client->message &&
	    unread(client) == 0 &&
	    (client->closing || !evbuffer_get_length(bufferevent_get_input(client->bev))))
		ctl_client_close(client, NULL);
	else
		client_release(client);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_client *client = arg;

	if (client->bev)
		serve(client);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	serve(arg);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct ctl_client *client = arg;

	if (!client->closing && !client->eof)
		bufferevent_enable(bev, EV_READ);
	serve(client);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct ctl_client *client = arg;

	if (what & BEV_EVENT_ERROR) {
		ctl_client_close(client, NULL);
		return;
	}
	if (what & BEV_EVENT_EOF) {
		client->eof = true;
		serve(client);
	}
}

struct ctl_client *ctl_client_create(int fd, unsigned number)
{
	struct ctl_client *client = calloc(1, sizeof(*client));
	struct bufferevent *bev = bufferevent_socket_new(ctl_base, fd, BEV_OPT_CLOSE_ON_FREE);

	if (client)
		client->turn = event_new(ctl_base, -1, 0, on_turn, client);
	if (!client || !bev || !client->turn) {
		if (bev)
			bufferevent_free(bev);
		else
			evutil_closesocket(fd);
		free(client);
		return NULL;
	}
	client->bev = bev;
	client->number = number;
	bufferevent_setcb(bev, on_read, on_written, on_event, client);
	bufferevent_setwatermark(bev, EV_READ, 0, API_RPC_LINE_MAX + 1);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	return client;
}

void ctl_client_notify(struct ctl_client *client, const char *line, size_t size)
{
	if (!client->bev || client->closing)
		return;
	send_text(client, line, size);
	if (unread(client) > CTL_OUT_MAX)
		ctl_client_close(client, "it does not read its notifications");
}

void ctl_client_check(struct ctl_client *client, unsigned period_s)
{
	size_t now = client->bev ? unread(client) : 0;

	client->stalled_s = now && now >= client->last_unread ? client->stalled_s + period_s : 0;
	client->last_unread = now;
	if (client->stalled_s >= CTL_STALL_S)
		ctl_client_close(client, "it does not read its answers");
}
