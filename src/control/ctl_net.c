/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of bridges and ports, and the life of a port between rooms. Threads: control.
 *
 * A port enters in the order device, pipeline, workers, and leaves in the reverse order; the
 * device closes when no worker touches it any more, which the workers' room reports by a callback.
 */
#include "control/ctl_ip.h"

#include "base/evs_clock.h"
#include "base/evs_task.h"
#include "control/ctl_of.h"
#include "control/ctl_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pmd/pmd.h"

struct ctl_bridge_list ctl_bridges = TAILQ_HEAD_INITIALIZER(ctl_bridges);

struct ctl_bridge *ctl_bridge_lookup(const char *name, struct evs_error *err)
{
	struct ctl_bridge *bridge;

	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		if (!strcmp(bridge->name, name))
			return bridge;
	}
	evs_error_set(err, -ENOENT, "no bridge '%s': 'evsctl bridge show' lists them", name);
	return NULL;
}

struct ctl_port *ctl_port_lookup(const char *name, struct evs_error *err)
{
	struct ctl_bridge *bridge;
	struct ctl_port *port;

	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		TAILQ_FOREACH (port, &bridge->ports, link) {
			if (!strcmp(port->name, name))
				return port;
		}
	}
	evs_error_set(err, -ENOENT, "no port '%s': 'evsctl port show' lists them", name);
	return NULL;
}

struct ctl_port *ctl_port_by_port(const struct port *wanted)
{
	struct ctl_bridge *bridge;
	struct ctl_port *port;

	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		TAILQ_FOREACH (port, &bridge->ports, link) {
			if (port->port == wanted)
				return port;
		}
	}
	return NULL;
}

void ctl_port_event(const struct ctl_port *port, const char *event)
{
	if (!ctl_notify_wanted("port"))
		return;
	ctl_notify("port", json_pack("{s:s, s:s, s:s, s:I, s:s}", "event", event, "name",
	                             port->name, "bridge", port->bridge->name, "ofport",
	                             port->pl ? (json_int_t)pl_port_ofport(port->pl) : 0, "link",
	                             !port->port || port->port->link.up ? "up" : "down"));
}

void ctl_port_state_changed(struct ctl_port *port)
{
	if (port->port)
		port_link_read(port->port); /* who took it up finds it up: its event comes later */
	if (port->pl && port->port)
		pl_port_state(port->pl, port->port->config, port->port->link.up);
	else if (port->pl)
		pl_port_state(port->pl, port->patch_config, true);
	ctl_port_event(port, "changed");
	ctl_of_port_status(port, OFPPR_MODIFY);
}

static int unknown_type(const struct ctl_port_spec *spec, struct evs_error *err)
{
	char known[300] = "";
	size_t used = 0;

	for (unsigned i = 0; port_types[i] && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
		                         port_types[i]->name);
	return evs_error_set(err, -EINVAL, "port '%s': unknown type '%s': there are %s", spec->name,
	                     spec->type, known);
}

static int enter_datapath(struct ctl_port *port, struct ctl_port_spec *spec, struct evs_error *err)
{
	const struct port_type *type = port_type_lookup(spec->type);

	spec->config.index = PKT_PORT_NONE;
	if (!type)
		return unknown_type(spec, err);
	if (!type->has_datapath)
		return 0;
	if (port_create(spec->type, spec->name, spec->args, &port->port, err))
		return err->code;
	spec->config.index = port->port->index;
	return 0;
}

static void destroy_later(void *arg)
{
	port_destroy(arg);
}

static int enter_bridge(struct ctl_port *port, struct ctl_port_spec *spec, struct evs_error *err)
{
	struct pl_tunnel tunnel;
	int ret = ctl_tunnel_config(spec->type, spec->args, &tunnel, err);

	if (ret < 0)
		return ret;
	spec->config.tunnel = ret == 0 ? &tunnel : NULL;
	ret = pl_port_add(port->bridge->pl, spec->name, &spec->config, &port->pl, err);
	spec->config.tunnel = NULL;
	if (ret || !port->port)
		return ret;
	pl_port_state(port->pl, port->port->config, port->port->link.up);
	ret = pmd_port_attach(port->port, err);
	if (ret)
		pl_port_del(port->pl);
	return ret;
}

int ctl_port_open(struct ctl_bridge *bridge, struct ctl_port_spec *spec, struct ctl_port **portp,
                  struct evs_error *err)
{
	struct ctl_port *port = calloc(1, sizeof(*port));
	int ret;

	if (!port)
		return evs_error_set(err, -ENOMEM, "port '%s': no memory", spec->name);
	port->since_ns = evs_clock_ns();
	port->bridge = bridge;
	port->local = spec->local;
	snprintf(port->name, sizeof(port->name), "%s", spec->name);
	snprintf(port->type, sizeof(port->type), "%s", spec->type);
	ret = enter_datapath(port, spec, err);
	if (ret)
		goto fail_port;
	ret = enter_bridge(port, spec, err);
	if (ret)
		goto fail_datapath;
	pl_commit();
	TAILQ_INSERT_TAIL(&bridge->ports, port, link);
	bridge->n_ports++;
	*portp = port;
	ctl_port_event(port, "added");
	ctl_of_port_status(port, OFPPR_ADD);
	return 0;

fail_datapath:
	pl_commit();
	if (port->pl) /* workers may have seen it; else the name is free at once */
		evs_rcu_call(destroy_later, port->port);
	else if (port->port)
		port_destroy(port->port);
fail_port:
	free(port);
	return ret;
}

static void port_gone(struct ctl_port *port)
{
	void (*gone)(void *arg, int ret) = port->gone;
	void *arg = port->gone_arg;

	free(port);
	gone(arg, 0);
}

static void on_detached(struct port *device, void *arg)
{
	port_destroy(device);
	port_gone(arg);
}

void ctl_port_close(struct ctl_port *port, void (*gone)(void *arg, int ret), void *arg)
{
	ctl_port_event(port, "removed");
	ctl_of_port_status(port, OFPPR_DELETE);
	TAILQ_REMOVE(&port->bridge->ports, port, link);
	port->bridge->n_ports--;
	port->gone = gone;
	port->gone_arg = arg;
	pl_port_del(port->pl);
	pl_commit();
	port->pl = NULL;
	port->bridge = NULL;
	if (port->port) {
		ctl_capture_port_gone(port->port);
		pmd_port_detach(port->port, on_detached, port);
	} else {
		port_gone(port);
	}
}

/* ---- parameters ---- */

static const char *text_of(const json_t *value)
{
	if (json_is_boolean(value))
		return json_is_true(value) ? "on" : "off";
	return json_string_value(value);
}

int ctl_port_args(const struct api_method *method, const json_t *params, struct port_args *args,
                  struct evs_error *err)
{
	const char *key;
	json_t *value;

	args->n = 0;
	json_object_foreach ((json_t *)(uintptr_t)params, key, value) {
		if (api_param_lookup(method, key) || json_is_null(value))
			continue;
		if (args->n == PORT_N_ARGS)
			return evs_error_set(err, -E2BIG, "more than %d options for one port",
			                     PORT_N_ARGS);
		args->arg[args->n].key = key;
		args->arg[args->n++].value = text_of(value);
	}
	return 0;
}

static enum pl_vlan_mode vlan_mode(const json_t *params)
{
	static const char *const names[] = {
	        [PL_VLAN_TRUNK] = "trunk",
	        [PL_VLAN_ACCESS] = "access",
	        [PL_VLAN_NATIVE_TAGGED] = "native-tagged",
	        [PL_VLAN_NATIVE_UNTAGGED] = "native-untagged",
	        [PL_VLAN_DOT1Q_TUNNEL] = "dot1q-tunnel",
	};
	const char *name = ctl_param_str(params, "vlan-mode", NULL);

	for (unsigned i = 0; name && i < EVS_ARRAY_LEN(names); i++)
		if (!strcmp(names[i], name))
			return (enum pl_vlan_mode)i;
	return ctl_param_uint(params, "tag", 0) ? PL_VLAN_ACCESS : PL_VLAN_TRUNK;
}

static void vlans(const json_t *params, const char *name, uint8_t bitmap[512])
{
	const char *text = ctl_param_str(params, name, NULL);

	memset(bitmap, 0xff, 512);
	if (text)
		api_vlans_to_bitmap(text, bitmap);
}

int ctl_port_config(const json_t *params, struct pl_port_config *config, struct evs_error *err)
{
	static struct pl_flood flood;
	const char *qinq = ctl_param_str(params, "qinq-ethtype", "802.1ad");
	const char *ends = ctl_param_str(params, "flood", NULL);

	memset(config, 0, sizeof(*config));
	config->ofport = (uint32_t)ctl_param_uint(params, "ofport", 0);
	config->vlan_mode = vlan_mode(params);
	config->tag = (uint16_t)ctl_param_uint(params, "tag", 0);
	vlans(params, "trunks", config->trunks);
	vlans(params, "cvlans", config->cvlans);
	config->qinq_tpid = rte_cpu_to_be_16(strcmp(qinq, "802.1q") ? 0x88a8 : 0x8100);
	config->protected_port = ctl_param_bool(params, "protected", false);
	config->patch_peer = ctl_param_str(params, "peer", NULL);
	config->storm_unknown =
	        ctl_param_str(ctl_conf_get("qos", ctl_param_str(params, "name", "")),
	                      "storm.unknown-unicast", NULL) != NULL;
	config->flood = ends ? &flood : NULL;
	return ends ? ctl_flood_parse(ends, &flood, err) : 0;
}

/* ---- the end ---- */

static void count_down(void *arg, int ret)
{
	--*(unsigned *)arg;
}

void ctl_net_fini(void)
{
	static unsigned left;
	struct ctl_bridge *bridge;
	struct ctl_port *port;

	ctl_hold_fini();
	ctl_neigh_fini();
	ctl_qos_forget();
	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		while ((port = TAILQ_FIRST(&bridge->ports))) {
			left++;
			ctl_port_close(port, count_down, &left);
		}
	}
	for (unsigned i = 0; left && i < 16; i++)
		evs_rcu_synchronize();
	evs_task_finish(); /* the deletion of a bridge that waited for its ports */
	while ((bridge = TAILQ_FIRST(&ctl_bridges))) {
		ctl_of_bridge_del(bridge);
		TAILQ_REMOVE(&ctl_bridges, bridge, link);
		pl_bridge_destroy(bridge->pl);
		free(bridge);
	}
	ctl_tls_clear();
}
