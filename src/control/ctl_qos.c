/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods qos.set, qos.del, qos.show: shaping of ports. Threads: control.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_units.h"
#include "control/ctl_net.h"
#include "pmd/pmd_shape.h"

#define AVERAGE_MIN_BPS  UINT64_C(8000)
#define AVERAGE_MAX_BPS  UINT64_C(1000000000000)
#define BURST_MAX_BYTES  UINT64_C(1000000000)
#define BURST_DEFAULT_MS 5
#define TARGET_US        5000
#define INTERVAL_US      100000
#define QUEUE_PREFIX     "queue."

struct shape {
	const char *port;
	uint64_t frame_bytes; /* the longest frame */
	struct qos_shaper_config config;
	struct qos_queue_config *queues; /* owned */
};

/* A value with its unit; stays as it is if it is not given. */
static int read_value(const json_t *params, const char *name, enum evs_unit unit, uint64_t *valuep,
                      struct evs_error *err)
{
	const char *text = ctl_param_str(params, name, NULL);

	if (!text)
		return 0;
	if (evs_units_parse(unit, text, valuep, err))
		return evs_error_prefix(err, "%s", name);
	return 0;
}

/* Refuses a value outside its limits with the nearest that is valid. */
static int check_within(const char *name, enum evs_unit unit, uint64_t value,
                        const uint64_t limits[2], struct evs_error *err)
{
	char text[EVS_UNITS_TEXT_LEN], nearest[EVS_UNITS_TEXT_LEN];

	if (value >= limits[0] && value <= limits[1])
		return 0;
	evs_units_format(unit, limits[value > limits[1]], nearest);
	if (unit == EVS_UNIT_BYTES) /* not rounded, or it would be refused again */
		snprintf(nearest, sizeof(nearest), "%luB", limits[value > limits[1]]);
	return evs_error_set(err, -EINVAL, "%s %s is too %s: the nearest valid value is %s", name,
	                     evs_units_format(unit, value, text),
	                     value < limits[0] ? "small" : "large", nearest);
}

static int read_rates(const json_t *params, struct shape *shape, struct evs_error *err)
{
	struct qos_shaper_config *c = &shape->config;
	const uint64_t averages[2] = {AVERAGE_MIN_BPS, AVERAGE_MAX_BPS};
	uint64_t peaks[2] = {0, AVERAGE_MAX_BPS}, bursts[2] = {shape->frame_bytes, BURST_MAX_BYTES};

	if (!ctl_param_str(params, "egress.average", NULL))
		return evs_error_set(err, -EINVAL,
		                     "port '%s': give egress.average, the rate to "
		                     "shape to",
		                     shape->port);
	if (read_value(params, "egress.average", EVS_UNIT_BPS, &c->average_bps, err) ||
	    check_within("egress.average", EVS_UNIT_BPS, c->average_bps, averages, err))
		return err->code;
	c->burst_bytes = EVS_MAX(c->average_bps / 8 * BURST_DEFAULT_MS / 1000, bursts[0]);
	if (read_value(params, "egress.burst", EVS_UNIT_BYTES, &c->burst_bytes, err) ||
	    check_within("egress.burst", EVS_UNIT_BYTES, c->burst_bytes, bursts, err))
		return err->code;
	if (!ctl_param_str(params, "egress.peak", NULL))
		return 0;
	peaks[0] = c->average_bps;
	if (read_value(params, "egress.peak", EVS_UNIT_BPS, &c->peak_bps, err))
		return err->code;
	return check_within("egress.peak (not below egress.average)", EVS_UNIT_BPS, c->peak_bps,
	                    peaks, err);
}

static struct qos_queue_config *queue_of(struct shape *shape, uint16_t id)
{
	struct qos_queue_config *queues = shape->queues;
	unsigned n = shape->config.n_queues;

	for (unsigned i = 0; i < n; i++)
		if (queues[i].id == id)
			return &queues[i];
	queues = realloc(queues, (n + 1) * sizeof(*queues));
	if (!queues)
		return NULL;
	shape->config.queues = shape->queues = queues;
	shape->config.n_queues = n + 1;
	queues[n] = (struct qos_queue_config){.id = id,
	                                      .priority = QOS_PRIORITIES / 2,
	                                      .weight = 1,
	                                      .limit_pkts = QOS_LIMIT_DEFAULT};
	return &queues[n];
}

/* "queue.N.OPTION" */
static int read_queue_option(const char *key, const char *text, struct shape *shape,
                             struct evs_error *err)
{
	static const struct {
		const char *name;
		uint64_t limits[2];
	} options[] = {{"priority", {0, QOS_PRIORITIES - 1}},
	               {"weight", {1, QOS_WEIGHT_MAX}},
	               {"limit", {1, QOS_BACKLOG_MAX}}};
	struct qos_queue_config *queue;
	unsigned option = 0, id;
	uint64_t value;
	int end = 0;

	if (sscanf(key, QUEUE_PREFIX "%4u.%n", &id, &end) != 1 || end == 0 || id >= QOS_QUEUES)
		return evs_error_set(err, -EINVAL,
		                     "'%s': write queue.N.priority, .weight or "
		                     ".limit, with N up to %d",
		                     key, QOS_QUEUES - 1);
	while (option < EVS_ARRAY_LEN(options) && strcmp(key + end, options[option].name))
		option++;
	if (option == EVS_ARRAY_LEN(options))
		return evs_error_set(err, -EINVAL,
		                     "a queue has no option '%s': it has priority, "
		                     "weight, limit",
		                     key + end);
	if (evs_units_parse(EVS_UNIT_COUNT, text, &value, err))
		return evs_error_prefix(err, "%s", key);
	if (check_within(key, EVS_UNIT_COUNT, value, options[option].limits, err))
		return err->code;
	queue = queue_of(shape, (uint16_t)id);
	if (!queue)
		return evs_error_set(err, -ENOMEM, "no memory for queues");
	if (option == 0)
		queue->priority = (uint8_t)value;
	else if (option == 1)
		queue->weight = (uint8_t)value;
	else
		queue->limit_pkts = (uint32_t)value;
	return 0;
}

static int read_queues(const json_t *params, struct shape *shape, struct evs_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)params, key, value) {
		int ret = 0;

		if (!strncmp(key, QUEUE_PREFIX, strlen(QUEUE_PREFIX)))
			ret = read_queue_option(key, json_string_value(value), shape, err);
		else if (!api_param_lookup(&api_qos_set, key))
			ret = evs_error_set(err, -EINVAL,
			                    "qos.set has no parameter '%s': it takes "
			                    "egress.average, egress.peak, "
			                    "egress.burst, egress.overhead, "
			                    "egress.aqm, queue.N.priority, "
			                    "queue.N.weight, queue.N.limit",
			                    key);
		if (ret)
			return ret;
	}
	return 0;
}

/* The caller frees shape->queues. */
static int read_shape(const json_t *params, const struct port *port, struct shape *shape,
                      struct evs_error *err)
{
	struct qos_shaper_config *c = &shape->config;
	int ret;

	memset(shape, 0, sizeof(*shape));
	shape->port = port->name;
	shape->frame_bytes = port->mtu + RTE_ETHER_HDR_LEN;
	ret = read_rates(params, shape, err);
	if (ret == 0)
		ret = read_queues(params, shape, err);
	if (ret)
		return ret;
	c->overhead_bytes = (uint32_t)ctl_param_uint(params, "egress.overhead", 0);
	if (strcmp(ctl_param_str(params, "egress.aqm", "codel"), "none")) {
		/* Not below what two frames take, or a slow link is always bad. */
		uint64_t frames_us = shape->frame_bytes * 2 * 8 * 1000000 / c->average_bps;

		c->target_us = (uint32_t)EVS_MAX((uint64_t)TARGET_US, frames_us);
		c->interval_us = EVS_MAX((uint32_t)INTERVAL_US, c->target_us);
	}
	return 0;
}

static struct ctl_port *port_of(struct ctl_call *call, const char *name)
{
	struct ctl_port *port = ctl_port_lookup(name, &call->err);

	if (port && !port->port) {
		evs_error_set(&call->err, -EOPNOTSUPP,
		              "port '%s' is a %s port: its packets never leave the switch; shape "
		              "the ports where they do",
		              name, port->type);
		return NULL;
	}
	return port;
}

int ctl_qos_set(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "port", "");
	struct ctl_port *port = port_of(call, name);
	struct shape shape;
	json_t *params;
	int ret;

	if (!port)
		return call->err.code;
	params = ctl_params_merge(ctl_conf_get("qos", name), call->params);
	ret = read_shape(params, port->port, &shape, &call->err);
	if (ret == 0)
		ret = pmd_shaper_set(port->port, &shape.config, &call->err);
	if (ret == 0)
		ctl_conf_put("qos", name, params);
	free(shape.queues);
	json_decref(params);
	return ret;
}

static void deleted(void *arg)
{
	ctl_call_finish(arg, 0);
}

int ctl_qos_del(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "port", "");
	bool known = ctl_conf_get("qos", name) != NULL;
	struct ctl_port *port = ctl_port_lookup(name, known ? NULL : &call->err);
	int ret;

	if (!port && !known)
		return -ENOENT;
	if (!port || !port->port || (known && !pmd_shaper_get(port->port))) {
		if (!known)
			return evs_error_set(&call->err, -ENOENT, "port '%s' is not shaped", name);
		ctl_conf_del("qos", name); /* it could not be restored */
		return 0;
	}
	ret = pmd_shaper_del(port->port, deleted, call, &call->err);
	if (ret)
		return ret;
	ctl_conf_del("qos", name);
	return CTL_PENDING;
}

static json_t *show_queue(const struct ctl_port *port, const struct qos_queue_info *info)
{
	const struct qos_queue_stats *stats = &info->stats;
	const json_t *params = ctl_conf_get("qos", port->name);

	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, "
	                 "s:I}",
	                 "port", port->name, "average", ctl_param_str(params, "egress.average", ""),
	                 "peak", ctl_param_str(params, "egress.peak", ""), "burst",
	                 ctl_param_str(params, "egress.burst", ""), "queue", info->config.id,
	                 "priority", info->config.priority, "weight", info->config.weight, "limit",
	                 info->config.limit_pkts, "pkts", (json_int_t)stats->pkts, "bytes",
	                 (json_int_t)stats->bytes, "backlog-pkts", (json_int_t)stats->backlog_pkts,
	                 "backlog-bytes", (json_int_t)stats->backlog_bytes, "full-drops",
	                 (json_int_t)stats->full_drops, "aqm-drops", (json_int_t)stats->aqm_drops,
	                 "marks", (json_int_t)stats->marks);
}

static void show_port(const struct ctl_port *port, json_t *out)
{
	const struct qos_shaper *shaper = port->port ? pmd_shaper_get(port->port) : NULL;
	struct qos_queue_info info;

	for (unsigned i = 0; shaper && qos_shaper_queue(shaper, i, &info); i++)
		json_array_append_new(out, show_queue(port, &info));
}

int ctl_qos_show(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "port", NULL);
	struct ctl_bridge *bridge;
	struct ctl_port *port;

	if (name && !ctl_port_lookup(name, &call->err))
		return -ENOENT;
	call->result = json_array();
	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		TAILQ_FOREACH (port, &bridge->ports, link) {
			if (!name || !strcmp(port->name, name))
				show_port(port, call->result);
		}
	}
	return 0;
}
