/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON-RPC 2.0 messages as text lines: what server and client share. Threads: any.
 * Strings returned are the caller's, to free; json_t parameters named `_new` are taken over.
 */
#ifndef API_RPC_H
#define API_RPC_H

#include <jansson.h>

#include "base/evs_base.h"

#define API_RPC_LINE_MAX (1u << 20) /* bytes of one request line */

enum api_rpc_code {
	API_RPC_PARSE = -32700,
	API_RPC_REQUEST = -32600,
	API_RPC_METHOD = -32601,
	API_RPC_PARAMS = -32602,
	API_RPC_INTERNAL = -32603,
	API_RPC_REFUSED = -32000, /* the method said no: data.errno says what kind of no */
	API_RPC_BUSY = -32001,    /* too many connections or too much unread output */
};

/* One request as it was read. id is NULL for a notification (which gets no answer). */
struct api_rpc_request {
	const char *method; /* within message */
	json_t *id;         /* borrowed from message; NULL: notification */
	json_t *params;     /* borrowed; NULL: none */
};

/* Parses a line. NULL with err (code API_RPC_PARSE belongs to it) if it is no JSON value. */
json_t *api_rpc_parse(const char *line, size_t size, struct evs_error *err);
/* Takes one message apart. -EINVAL with err: no valid request (API_RPC_REQUEST). req->id is set
 * also then, if there is a usable one. */
int api_rpc_request_read(json_t *message, struct api_rpc_request *req, struct evs_error *err);

json_t *api_rpc_result(json_t *id, json_t *result_new);
/* An error object; negative_errno goes to data.errno (0: none); data_new may be NULL. */
json_t *api_rpc_error(json_t *id, enum api_rpc_code code, const char *text, int negative_errno,
                      json_t *data_new);
json_t *api_rpc_notification(const char *method, json_t *params_new);
/* Text with a line feed at its end; *sizep is set. NULL: out of memory. */
char *api_rpc_line(const json_t *message, size_t *sizep);

#endif
