/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods version, log.level, rpc.*. Threads: control.
 */
#include <rte_version.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/evs_clock.h"
#include "control/ctl_pvt.h"
#include "flow/flow_cache.h"

static uint8_t default_levels[EVS_LOG_N_ROOMS]; /* as the command line set them */

void ctl_log_remember_defaults(void)
{
	memcpy(default_levels, evs_log_levels, sizeof(default_levels));
}

int ctl_version(struct ctl_call *call)
{
	call->result = json_pack("{s:s, s:s, s:i, s:f}", "evs", EVS_VERSION, "dpdk", rte_version(),
	                         "pid", (int)getpid(), "uptime", evs_clock_ms() / 1000.0);
	return 0;
}

static json_t *log_show(int only)
{
	json_t *rooms = json_array();

	for (int i = 0; i < EVS_LOG_N_ROOMS; i++)
		if (only < 0 || only == i)
			json_array_append_new(
			        rooms, json_pack("{s:s, s:s}", "room", evs_log_room_name(i),
			                         "level", evs_log_level_name(evs_log_levels[i])));
	return rooms;
}

static int find_room(const char *name)
{
	for (int i = 0; i < EVS_LOG_N_ROOMS; i++)
		if (!strcmp(evs_log_room_name(i), name))
			return i;
	return -1;
}

static void log_set(int room, const char *level)
{
	const char *name = evs_log_room_name(room);
	bool back = !strcmp(level, "default");
	char spec[64];
	json_t *params;

	if (back)
		level = evs_log_level_name(default_levels[room]);
	snprintf(spec, sizeof(spec), "%s:%s", name, level);
	evs_log_set(spec, NULL);
	params = json_pack("{s:s, s:s}", "room", name, "level", level);
	if (back)
		ctl_conf_del("log", name);
	else
		ctl_conf_put("log", name, params);
	json_decref(params);
}

int ctl_log_level(struct ctl_call *call)
{
	const char *room = ctl_param_str(call->params, "room", NULL);
	const char *level = ctl_param_str(call->params, "level", NULL);
	struct evs_error err = {0};
	int only = -1;

	if (room && !level && find_room(room) < 0) { /* "log level debug": all rooms */
		level = room;
		room = NULL;
		if (strcmp(level, "default") && (strchr(level, ':') || evs_log_set(level, &err)))
			return evs_error_set(&call->err, -EINVAL,
			                     "'%.40s' is neither a room nor a level: 'evsctl log "
			                     "level' lists the rooms",
			                     level);
	}
	if (room) {
		only = find_room(room);
		if (only < 0)
			return evs_error_set(&call->err, -ENOENT,
			                     "unknown room '%.40s': 'evsctl log level' lists them",
			                     room);
	}
	for (int i = 0; level && i < EVS_LOG_N_ROOMS; i++)
		if (only < 0 || only == i)
			log_set(i, level);
	call->result = log_show(only);
	return 0;
}

int ctl_rpc_describe(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "method", NULL);
	const struct api_method *method = name ? api_method_lookup(name, NULL) : NULL;

	if (name && !method)
		return evs_error_set(&call->err, -ENOENT, "unknown method '%.60s'", name);
	call->result =
	        json_pack("{s:o}", "methods",
	                  method ? json_pack("[o]", api_method_describe(method)) : api_describe());
	return 0;
}

static int subscribe(struct ctl_call *call, bool on)
{
	json_t *topics = json_object_get(call->params, "topics"), *topic;
	char known[160] = "";
	size_t i;

	for (i = 0; ctl_topics[i]; i++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
		         i ? ", " : "", ctl_topics[i]);
	json_array_foreach (topics, i, topic) {
		if (!ctl_client_topic(call->client, json_string_value(topic), on))
			return evs_error_set(&call->err, -EINVAL,
			                     "unknown topic '%.40s': there are %s",
			                     json_string_value(topic), known);
	}
	return 0;
}

int ctl_rpc_subscribe(struct ctl_call *call)
{
	return subscribe(call, true);
}

int ctl_rpc_unsubscribe(struct ctl_call *call)
{
	return subscribe(call, false);
}
