/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON-RPC 2.0 messages. Threads: any. Reads what foreign clients sent.
 */
#include "api/api_rpc.h"

#include <stdlib.h>
#include <string.h>

json_t *api_rpc_parse(const char *line, size_t size, struct evs_error *err)
{
	json_error_t why;
	json_t *message = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);

	if (!message)
		evs_error_set(err, -EINVAL, "not JSON: %s (column %d)", why.text, why.column);
	return message;
}

static bool id_valid(const json_t *id)
{
	return !id || json_is_string(id) || json_is_number(id) || json_is_null(id);
}

int api_rpc_request_read(json_t *message, struct api_rpc_request *req, struct evs_error *err)
{
	json_t *id = json_object_get(message, "id");
	const char *version = json_string_value(json_object_get(message, "jsonrpc"));

	req->method = json_string_value(json_object_get(message, "method"));
	req->params = json_object_get(message, "params");
	req->id = id_valid(id) ? id : NULL;
	if (!json_is_object(message))
		return evs_error_set(err, -EINVAL, "a request must be a JSON object");
	if (!id_valid(id))
		return evs_error_set(err, -EINVAL, "id must be a number, a text, or null");
	if (!version || strcmp(version, "2.0"))
		return evs_error_set(err, -EINVAL, "a request needs \"jsonrpc\":\"2.0\"");
	if (!req->method)
		return evs_error_set(err, -EINVAL, "a request needs a method, as text");
	if (req->params && !json_is_object(req->params) && !json_is_array(req->params))
		return evs_error_set(err, -EINVAL, "params must be an object");
	return 0;
}

static json_t *answer(json_t *id, const char *key, json_t *value_new)
{
	json_t *message = json_object();

	json_object_set_new(message, "jsonrpc", json_string("2.0"));
	json_object_set_new(message, "id", id ? json_incref(id) : json_null());
	json_object_set_new(message, key, value_new);
	return message;
}

json_t *api_rpc_result(json_t *id, json_t *result_new)
{
	return answer(id, "result", result_new ? result_new : json_object());
}

json_t *api_rpc_error(json_t *id, enum api_rpc_code code, const char *text, int negative_errno,
                      json_t *data_new)
{
	json_t *error = json_object();
	json_t *shown = json_string(text);

	json_object_set_new(error, "code", json_integer(code));
	json_object_set_new(error, "message", shown ? shown : json_string("(text is not UTF-8)"));
	if (negative_errno && !data_new)
		data_new = json_object();
	if (negative_errno)
		json_object_set_new(data_new, "errno", json_integer(-negative_errno));
	if (data_new)
		json_object_set_new(error, "data", data_new);
	return answer(id, "error", error);
}

json_t *api_rpc_notification(const char *method, json_t *params_new)
{
	json_t *message = json_object();

	json_object_set_new(message, "jsonrpc", json_string("2.0"));
	json_object_set_new(message, "method", json_string(method));
	json_object_set_new(message, "params", params_new);
	return message;
}

char *api_rpc_line(const json_t *message, size_t *sizep)
{
	char *text = json_dumps(message, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	char *line = text ? realloc(text, len + 2) : NULL;

	if (!line) {
		free(text);
		return NULL;
	}
	line[len] = '\n';
	line[len + 1] = '\0';
	*sizep = len + 1;
	return line;
}
