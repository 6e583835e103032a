/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods port.add, port.del, port.set, port.types. Threads: control.
 */
#include <string.h>

#include "control/ctl_net.h"
#include "port/port_args.h"

int ctl_port_add(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "name", "");
	struct ctl_bridge *bridge =
	        ctl_bridge_lookup(ctl_param_str(call->params, "bridge", ""), &call->err);
	struct port_args args;
	struct ctl_port_spec spec = {.name = name, .args = &args};
	struct ctl_port *port;
	json_t *params;
	int ret;

	if (!bridge)
		return -ENOENT;
	if (ctl_port_lookup(name, NULL) || ctl_bridge_lookup(name, NULL))
		return evs_error_set(&call->err, -EEXIST,
		                     "the name '%s' is taken: 'evsctl port show' lists ports; "
		                     "'evsctl port set' changes one",
		                     name);
	params = ctl_params_merge(NULL, call->params); /* without nulls */
	spec.type = ctl_param_str(params, "type", "");
	ret = ctl_port_config(params, &spec.config, &call->err);
	if (ret == 0)
		ret = ctl_port_args(call->method, params, &args, &call->err);
	if (ret == 0)
		ret = ctl_port_open(bridge, &spec, &port, &call->err);
	if (ret == 0) {
		json_t *ofport = json_integer(pl_port_ofport(port->pl));

		json_object_set(params, "ofport", ofport);
		ctl_conf_put("port", name, params);
		json_object_set_new(ctl_call_result(call), "ofport", ofport);
	}
	json_decref(params);
	return ret;
}

static void deleted(void *arg, int ret)
{
	ctl_call_finish(arg, ret);
}

int ctl_port_del(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "name", "");
	struct ctl_port *port = ctl_port_lookup(name, &call->err);

	if (!port && !ctl_conf_get("port", name))
		return -ENOENT;
	if (port && port->local)
		return evs_error_set(&call->err, -EPERM,
		                     "'%s' is the internal port of its bridge: 'evsctl bridge set "
		                     "%s internal=off' removes it",
		                     name, name);
	ctl_forget_port(name);
	if (!port) /* could not be restored: it was in the document only */
		return 0;
	ctl_port_close(port, deleted, call);
	return CTL_PENDING;
}

/* What is null goes back to its default. */
static int args_reset(const struct api_method *method, const char *type, const json_t *change,
                      struct port_args *args, struct evs_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)change, key, value) {
		const struct port_option *option;

		if (!json_is_null(value) || api_param_lookup(method, key))
			continue;
		option = port_option_lookup(port_type_lookup(type), key);
		if (option && (option->flags & PORT_OPTION_CHANGEABLE) && !option->initial)
			return evs_error_set(err, -EINVAL,
			                     "option '%s' of type %s has no default to go back "
			                     "to: give a value (%s)",
			                     key, type, option->form);
		if (args->n == PORT_N_ARGS)
			return evs_error_set(err, -E2BIG, "more than %d options for one port",
			                     PORT_N_ARGS);
		args->arg[args->n].key = key; /* others are refused with their reason */
		args->arg[args->n++].value = option && option->initial ? option->initial : "";
	}
	return 0;
}

static int set_device(struct ctl_port *port, struct ctl_call *call)
{
	struct port_args args;
	int ret = ctl_port_args(call->method, call->params, &args, &call->err);

	if (ret == 0)
		ret = args_reset(call->method, port->type, call->params, &args, &call->err);
	if (ret || args.n == 0)
		return ret;
	if (!port->port)
		return evs_error_set(
		        &call->err, -EOPNOTSUPP,
		        "port '%s': option '%s' of a %s port can not be changed: delete "
		        "the port and add it again",
		        port->name, args.arg[0].key, port->type);
	ret = port_set(port->port, &args, &call->err);
	if (ret == 0)
		ctl_port_state_changed(port);
	return ret;
}

int ctl_port_set(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "name", "");
	struct ctl_port *port = ctl_port_lookup(name, &call->err);
	const json_t *old = ctl_conf_get("port", name);
	struct pl_port_config config;
	json_t *params;
	int ret;

	if (!port)
		return -ENOENT;
	if (port->local)
		return evs_error_set(&call->err, -EPERM,
		                     "'%s' is the internal port of its bridge: 'evsctl bridge set' "
		                     "changes it",
		                     name);
	params = ctl_params_merge(old, call->params);
	ret = ctl_port_config(params, &config, &call->err);
	if (port->port)
		config.index = port->port->index;
	if (ret == 0)
		ret = pl_port_set(port->pl, &config, &call->err);
	if (ret == 0) {
		ret = set_device(port, call);
		if (ret) { /* wholly or not at all */
			ctl_port_config(old, &config, NULL);
			if (port->port)
				config.index = port->port->index;
			pl_port_set(port->pl, &config, NULL);
		} else {
			ctl_conf_put("port", name, params);
		}
	}
	pl_commit();
	json_decref(params);
	return ret;
}

/* of: if not NULL, of the one type that is asked for, which may have some in its own way */
static void types_options(json_t *out, const char *type, const struct port_option *options,
                          const struct port_type *of)
{
	for (const struct port_option *o = options; o && o->name; o++) {
		if (of && port_option_lookup(of, o->name) != o)
			continue;
		json_array_append_new(
		        out, json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "type", type,
		                       "option", o->name, "form", o->form ? o->form : "", "default",
		                       o->initial ? o->initial : "", "help", o->help ? o->help : "",
		                       "required", !!(o->flags & PORT_OPTION_REQUIRED),
		                       "changeable", !!(o->flags & PORT_OPTION_CHANGEABLE)));
	}
}

int ctl_port_types(struct ctl_call *call)
{
	const char *only = ctl_param_str(call->params, "type", NULL);

	if (only && !port_type_lookup(only))
		return evs_error_set(&call->err, -ENOENT,
		                     "unknown type '%s': 'evsctl port types' lists them", only);
	call->result = json_array();
	for (unsigned i = 0; port_types[i]; i++) {
		const struct port_type *type = port_types[i];

		if (only && strcmp(type->name, only))
			continue;
		json_array_append_new(call->result, json_pack("{s:s, s:s, s:s, s:s, s:s}", "type",
		                                              type->name, "option", "", "form", "",
		                                              "default", "", "help", type->help));
		types_options(call->result, type->name, type->options, NULL);
	}
	types_options(call->result, "(all)", port_common_options,
	              only ? port_type_lookup(only) : NULL);
	return 0;
}
