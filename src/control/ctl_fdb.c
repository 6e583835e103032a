/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods fdb.*. Threads: control.
 */
#include <rte_ether.h>
#include <stdio.h>
#include <string.h>

#include "control/ctl_ip.h"

struct show {
	json_t *out;
	const char *port;
};

static void visit(const struct pl_fdb_entry *entry, void *arg)
{
	struct show *show = arg;
	const char *port = pl_port_name(entry->pl_port);
	static const uint8_t nobody[16];
	char mac[CTL_MAC_LEN], ip[CTL_IP_LEN];
	json_t *out;

	if (show->port && strcmp(show->port, port))
		return;
	ctl_mac_text(entry->mac.addr_bytes, mac);
	out = json_pack("{s:s, s:i, s:s, s:i, s:b}", "mac", mac, "vlan", (int)entry->vlan, "port",
	                port, "age", (int)entry->age_s, "static", entry->is_static);
	if (memcmp(entry->end.remote, nobody, sizeof(nobody)))
		json_object_set_new(out, "remote", json_string(ctl_ip_text(entry->end.remote, ip)));
	if (entry->end.key)
		json_object_set_new(out, "vni",
		                    json_integer((json_int_t)rte_be_to_cpu_64(entry->end.key)));
	json_array_append_new(show->out, out);
}

static struct ctl_bridge *bridge_of(struct ctl_call *call)
{
	return ctl_bridge_lookup(ctl_param_str(call->params, "bridge", ""), &call->err);
}

/* The port that is named, which must be one of the bridge. */
static struct ctl_port *port_of(struct ctl_call *call, const struct ctl_bridge *bridge)
{
	const char *name = ctl_param_str(call->params, "port", "");
	struct ctl_port *port = ctl_port_lookup(name, &call->err);

	if (port && port->bridge != bridge) {
		evs_error_set(&call->err, -EINVAL, "port '%s' is one of bridge '%s', not of '%s'",
		              name, port->bridge->name, bridge->name);
		return NULL;
	}
	return port;
}

int ctl_fdb_show(struct ctl_call *call)
{
	struct ctl_bridge *bridge = bridge_of(call);
	struct show show = {.port = ctl_param_str(call->params, "port", NULL)};

	if (!bridge || (show.port && !port_of(call, bridge)))
		return call->err.code;
	show.out = call->result = json_array();
	pl_fdb_walk(bridge->pl, visit, &show);
	return 0;
}

static void entry_name(const json_t *params, char name[128])
{
	snprintf(name, 128, "%s %s %u", ctl_param_str(params, "bridge", ""),
	         ctl_param_str(params, "mac", ""), (unsigned)ctl_param_uint(params, "vlan", 0));
}

int ctl_fdb_add(struct ctl_call *call)
{
	struct ctl_bridge *bridge = bridge_of(call);
	struct ctl_port *port = bridge ? port_of(call, bridge) : NULL;
	const char *remote = ctl_param_str(call->params, "remote", NULL);
	struct pl_fdb_entry entry = {.vlan = (uint16_t)ctl_param_uint(call->params, "vlan", 0)};
	char name[128];
	int ret;

	if (!port)
		return call->err.code;
	rte_ether_unformat_addr(ctl_param_str(call->params, "mac", ""), &entry.mac);
	if (rte_is_multicast_ether_addr(&entry.mac))
		return evs_error_set(&call->err, -EINVAL,
		                     "a MAC table holds addresses of hosts: %s is a group address",
		                     ctl_param_str(call->params, "mac", ""));
	entry.pl_port = port->pl;
	entry.end.key = rte_cpu_to_be_64(ctl_param_uint(call->params, "vni", 0));
	if (remote && ctl_ip_parse(remote, entry.end.remote, &call->err))
		return call->err.code;
	ret = pl_fdb_add_static(bridge->pl, &entry, &call->err);
	if (ret)
		return ret;
	pl_commit();
	entry_name(call->params, name);
	ctl_conf_put("fdb", name, call->params);
	return 0;
}

int ctl_fdb_del(struct ctl_call *call)
{
	struct ctl_bridge *bridge = bridge_of(call);
	struct rte_ether_addr mac;
	char name[128];
	int ret;

	entry_name(call->params, name);
	if (!bridge)
		return call->err.code;
	rte_ether_unformat_addr(ctl_param_str(call->params, "mac", ""), &mac);
	ret = pl_fdb_del(bridge->pl, &mac, (uint16_t)ctl_param_uint(call->params, "vlan", 0),
	                 &call->err);
	if (ret && !ctl_conf_get("fdb", name))
		return ret;
	pl_commit();
	ctl_conf_del("fdb", name);
	return 0;
}

int ctl_fdb_flush(struct ctl_call *call)
{
	struct ctl_bridge *bridge = bridge_of(call);
	struct ctl_port *port = NULL;

	if (!bridge)
		return call->err.code;
	if (json_object_get(call->params, "port")) {
		port = port_of(call, bridge);
		if (!port)
			return call->err.code;
	}
	pl_fdb_flush(bridge->pl, port ? port->pl : NULL);
	pl_commit();
	return 0;
}
