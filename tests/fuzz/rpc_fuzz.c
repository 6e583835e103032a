/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of JSON-RPC clients: parsed, taken apart, their parameters held against the table of
 * methods. What is accepted must be accepted again, and stay the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "api/api.h"
#include "api/api_rpc.h"

static void check_params(const struct api_method *method, const json_t *params)
{
	struct evs_error err = {0};
	json_t *once, *twice;

	if (api_params_check(method, params, &once, &err)) {
		if (err.code != -EINVAL || !err.text[0])
			abort();
		return;
	}
	if (api_params_check(method, once, &twice, &err) || !json_equal(once, twice))
		abort();
	json_decref(once);
	json_decref(twice);
}

static void serve(json_t *message)
{
	struct api_rpc_request req;
	struct evs_error err = {0};
	const struct api_method *method;
	json_t *answer;
	size_t size;

	if (api_rpc_request_read(message, &req, &err)) {
		answer = api_rpc_error(req.id, API_RPC_REQUEST, err.text, err.code, NULL);
		free(api_rpc_line(answer, &size));
		json_decref(answer);
		return;
	}
	method = api_method_lookup(req.method, NULL);
	if (method)
		check_params(method, req.params);
	else
		api_method_suggest(req.method);
	for (unsigned i = 0; i < API_N_METHODS && !method; i++)
		check_params(api_methods[i], req.params); /* so that all kinds are tried */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evs_error err = {0};
	json_t *message = api_rpc_parse((const char *)data, size, &err);
	json_t *item;
	size_t i;

	if (!message)
		return 0;
	if (json_is_array(message)) {
		json_array_foreach (message, i, item) {
			serve(item);
		}
	} else {
		serve(message);
	}
	json_decref(message);
	return 0;
}
