/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running one method. Threads: control.
 */
#include "control/ctl_pvt.h"

#include <stdio.h>
#include <string.h>

#include "base/evs_task.h"

static ctl_handler *const handlers[API_N_METHODS] = {
#define X(id) [API_ID_##id] = ctl_##id,
        API_METHODS(X)
#undef X
};

enum call_state { IDLE, RUNNING, FINISHED, PENDING };

int ctl_call_init(struct ctl_call *call, const struct api_method *method, enum api_id id,
                  const json_t *params)
{
	memset(call, 0, sizeof(*call));
	call->method = method;
	call->id = id;
	return api_params_check(method, params, &call->params, &call->err);
}

void ctl_call_fini(struct ctl_call *call)
{
	json_decref(call->params);
	json_decref(call->result);
	json_decref(call->err_data);
	call->params = call->result = call->err_data = NULL;
}

static void handle(void *arg)
{
	struct ctl_call *call = arg;

	call->handled = handlers[call->id](call);
}

/* The handler returned. */
static int handled(struct ctl_call *call)
{
	int ret = call->handled;

	if (ret == CTL_PENDING && call->state == FINISHED)
		ret = call->ret;
	call->state = ret == CTL_PENDING ? PENDING : IDLE;
	if (ret < 0 && call->err.code == 0)
		evs_error_set(&call->err, ret, "%s: %s", call->method->name, strerror(-ret));
	return ret;
}

/* After several turns. */
static void handled_late(void *arg)
{
	struct ctl_call *call = arg;
	int ret = handled(call);

	if (ret != CTL_PENDING)
		call->finished(call, ret);
}

int ctl_call_run(struct ctl_call *call)
{
	call->state = RUNNING;
	if (!(call->method->flags & API_RULES))
		handle(call);
	else if (!evs_task_run(handle, call, handled_late))
		return CTL_PENDING;
	return handled(call);
}

void ctl_call_finish(struct ctl_call *call, int ret)
{
	if (call->state == RUNNING) {
		call->state = FINISHED;
		call->ret = ret;
		return;
	}
	assert(call->state == PENDING);
	call->state = IDLE;
	if (ret < 0 && call->err.code == 0)
		evs_error_set(&call->err, ret, "%s: %s", call->method->name, strerror(-ret));
	call->finished(call, ret);
}

json_t *ctl_call_result(struct ctl_call *call)
{
	if (!call->result)
		call->result = json_object();
	return call->result;
}

void ctl_call_warn(struct ctl_call *call, const char *fmt, ...)
{
	json_t *warnings = json_object_get(ctl_call_result(call), "warnings");
	char text[EVS_ERROR_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	EVS_LOG(control, WARN, "%s", text);
	if (!warnings) {
		warnings = json_array();
		json_object_set_new(call->result, "warnings", warnings);
	}
	json_array_append_new(warnings, json_string(text));
}
