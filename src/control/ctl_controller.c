/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods controller.*. Threads: control.
 */
#include <stdio.h>
#include <string.h>

#include "control/ctl_net.h"
#include "control/ctl_of.h"

static struct ctl_bridge *bridge_of(struct ctl_call *call)
{
	return ctl_bridge_lookup(ctl_param_str(call->params, "bridge", ""), &call->err);
}

static void conf_name(const json_t *params, char name[256])
{
	snprintf(name, 256, "%s %s", ctl_param_str(params, "bridge", ""),
	         ctl_param_str(params, "target", ""));
}

/* With a controller a standalone bridge starts with table 0 empty, like a secure one. */
static int count_changed(struct ctl_bridge *bridge, struct evs_error *err)
{
	struct pl_bridge_config config = *pl_bridge_config(bridge->pl);

	int ret;

	config.has_controller = bridge->n_controllers > 0;
	ret = pl_bridge_set(bridge->pl, &config, err);
	if (ret == 0)
		ctl_of_fail_check(bridge);
	return ret;
}

int ctl_controller_add(struct ctl_call *call)
{
	const json_t *params = call->params;
	struct ctl_of_controller_config config = {
	        .target = ctl_param_str(params, "target", ""),
	        .rate_limit = (uint32_t)ctl_param_uint(params, "rate-limit", 0),
	        .burst_limit = (uint32_t)ctl_param_uint(params, "burst-limit", 0),
	        .probe_s = (uint32_t)ctl_param_uint(params, "probe", 0),
	        .max_backoff_s = (uint32_t)ctl_param_uint(params, "max-backoff", 0),
	};
	struct ctl_bridge *bridge = bridge_of(call);
	char name[256];
	int ret;

	if (!bridge)
		return call->err.code;
	conf_name(params, name);
	ret = ctl_of_controller_add(bridge, &config, &call->err);
	if (ret)
		return ret;
	ret = count_changed(bridge, &call->err);
	pl_commit();
	if (ret) {
		ctl_of_controller_del(bridge, config.target, NULL);
		return ret;
	}
	ctl_conf_put("controller", name, params);
	return 0;
}

int ctl_controller_del(struct ctl_call *call)
{
	const char *target = ctl_param_str(call->params, "target", "");
	struct ctl_bridge *bridge = bridge_of(call);
	char name[256];
	int ret;

	conf_name(call->params, name);
	if (!bridge)
		return call->err.code;
	ret = ctl_of_controller_del(bridge, target, &call->err);
	if (ret && !ctl_conf_get("controller", name))
		return ret;
	if (ret == 0)
		ret = count_changed(bridge, &call->err);
	pl_commit();
	ctl_conf_del("controller", name);
	return ret;
}

struct show {
	json_t *out;
	const char *bridge;
};

static void visit(const struct ctl_of_controller_info *info, void *arg)
{
	struct show *show = arg;
	json_t *row = json_pack("{s:s, s:s, s:b, s:s, s:i, s:I, s:I, s:I}", "bridge", show->bridge,
	                        "target", info->target, "connected", info->connected, "role",
	                        info->role ? info->role : "-", "sessions", (int)info->n_sessions,
	                        "packet-ins", (json_int_t)info->packet_ins, "packet-ins-limited",
	                        (json_int_t)info->packet_ins_limited, "packet-ins-dropped",
	                        (json_int_t)info->packet_ins_dropped);

	json_object_set_new(row, "last-error",
	                    json_string(info->last_error ? info->last_error : ""));
	json_array_append_new(show->out, row);
}

int ctl_controller_show(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "bridge", NULL);
	struct ctl_bridge *bridge;
	struct show show;

	if (name && !bridge_of(call))
		return call->err.code;
	show.out = call->result = json_array();
	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		show.bridge = bridge->name;
		if (!name || !strcmp(name, bridge->name))
			ctl_of_controllers_walk(bridge, visit, &show);
	}
	return 0;
}
