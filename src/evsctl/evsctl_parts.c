/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long list of lines in several requests: a line of JSON has a bound, files of rules have none.
 */
#include "evsctl/evsctl_pvt.h"

#define PART_BYTES (128u << 10) /* of lines; escaped they are up to six times as long */

static const char *lines_of(const struct api_method *method)
{
	for (const struct api_param *p = method->params; p && p->name; p++)
		if ((p->flags & API_LINES) && api_param_lookup(method, "more"))
			return p->name;
	return NULL;
}

/* The lines from *at on that one request takes. */
static json_t *part_of(const json_t *lines, size_t *at)
{
	json_t *part = json_array();

	for (size_t bytes = 0; *at < json_array_size(lines) && bytes < PART_BYTES; ++*at) {
		json_t *line = json_array_get(lines, *at);

		bytes += json_string_length(line) + 3;
		json_array_append(part, line);
	}
	return part;
}

json_t *evsctl_conn_call_parts(struct evsctl_conn *conn, const struct evsctl_request *request,
                               json_t **errorp)
{
	const char *name = lines_of(request->method);
	const json_t *lines = name ? json_object_get(request->params, name) : NULL;
	json_t *result = NULL;
	size_t at = 0;

	if (!lines)
		return evsctl_conn_call(conn, request->method->name, json_incref(request->params),
		                        errorp);
	do {
		json_t *params = json_copy(request->params);

		json_decref(result);
		json_object_set_new(params, name, part_of(lines, &at));
		json_object_set_new(params, "more", json_boolean(at < json_array_size(lines)));
		result = evsctl_conn_call(conn, request->method->name, params, errorp);
	} while (result && at < json_array_size(lines));
	return result;
}
