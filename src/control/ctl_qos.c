/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods qos.set and qos.del: what a port may send and take in. Threads: control.
 */
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "control/ctl_qos_pvt.h"
#include "pmd/pmd_ingress.h"
#include "pmd/pmd_shape.h"

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

/* Translation counts frames to unknown addresses only where somebody wants to know. *wasp: it did
 * before. */
static int storm_set(struct ctl_port *port, bool on, bool *wasp, struct evs_error *err)
{
	const json_t *params = ctl_conf_get("port", port->name);
	struct pl_port_config config;
	int ret;

	ctl_port_config(params, &config, NULL);
	if (wasp)
		*wasp = config.storm_unknown;
	if (wasp && config.storm_unknown == on)
		return 0;
	config.storm_unknown = on;
	config.index = port->port->index;
	ret = pl_port_set(port->pl, &config, err);
	pl_commit();
	return ret;
}

static void deleted(void *arg)
{
	ctl_call_finish(arg, 0);
}

/* All that can fail for want of memory comes first. */
static int apply(struct ctl_call *call, struct ctl_port *port, const struct ctl_qos *qos)
{
	bool storm = qos->ingress.storm[QOS_STORM_UNKNOWN].rate > 0, storm_was;
	struct qos_ingress *in = NULL;
	int ret;

	if (qos->guards) {
		in = qos_ingress_create(&qos->ingress, evs_clock_tsc_hz);
		if (!in)
			return evs_error_set(&call->err, -errno, "port '%s': cannot police: %s",
			                     port->name, strerror(errno));
	}
	ret = storm_set(port, storm, &storm_was, &call->err);
	if (ret < 0) {
		free(in);
		return ret;
	}
	if (!pmd_shaper_get(port->port))
		port->qos_since_ns = evs_clock_ns();
	if (qos->shapes) {
		ret = pmd_shaper_set(port->port, &qos->egress, &call->err);
	} else if (pmd_shaper_get(port->port)) {
		ret = pmd_shaper_del(port->port, deleted, call, &call->err);
		ret = ret ? ret : CTL_PENDING;
	}
	if (ret >= 0) {
		pmd_ingress_set(port->port, in, &call->err);
		return ret;
	}
	if (storm != storm_was)
		storm_set(port, storm_was, NULL, NULL);
	free(in);
	return ret;
}

int ctl_qos_set(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "port", "");
	struct ctl_port *port = port_of(call, name);
	struct ctl_qos qos;
	json_t *params;
	int ret;

	if (!port)
		return call->err.code;
	params = ctl_params_merge(ctl_conf_get("qos", name), call->params);
	ret = ctl_qos_read(params, port->port, &qos, &call->err);
	if (ret == 0)
		ret = apply(call, port, &qos);
	if (ret >= 0)
		ctl_conf_put("qos", name, params);
	ctl_qos_fini(&qos);
	json_decref(params);
	return ret;
}

int ctl_qos_del(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "port", "");
	bool known = ctl_conf_get("qos", name) != NULL;
	struct ctl_port *port = ctl_port_lookup(name, known ? NULL : &call->err);
	int ret = 0;

	if (!port && !known)
		return -ENOENT;
	if (!known)
		return evs_error_set(&call->err, -ENOENT, "port '%s' is neither shaped nor policed",
		                     name);
	if (port && port->port) { /* else it could not be restored */
		if (pmd_shaper_get(port->port))
			ret = pmd_shaper_del(port->port, deleted, call, &call->err);
		if (ret)
			return ret;
		ret = pmd_shaper_get(port->port) ? CTL_PENDING : 0;
		pmd_ingress_set(port->port, NULL, NULL);
		storm_set(port, false, NULL, NULL);
	}
	ctl_conf_del("qos", name);
	return ret;
}
