/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods binding.*. Threads: control.
 */
#include <rte_ether.h>
#include <stdio.h>
#include <string.h>

#include "control/ctl_ip.h"
#include "pipeline/pl_bind.h"

static void visit(const struct pl_bind_entry *entry, void *arg)
{
	char ip[CTL_IP_LEN], mac[CTL_MAC_LEN];

	json_array_append_new(arg, json_pack("{s:s, s:s, s:i, s:s, s:i, s:b}", "address",
	                                     ctl_ip_text(entry->addr, ip), "mac",
	                                     ctl_mac_text(entry->mac.addr_bytes, mac), "vlan",
	                                     (int)entry->vlan, "port",
	                                     entry->pl_port ? pl_port_name(entry->pl_port) : "",
	                                     "age", (int)entry->age_s, "static", entry->is_static));
}

static struct ctl_bridge *bridge_of(struct ctl_call *call)
{
	return ctl_bridge_lookup(ctl_param_str(call->params, "bridge", ""), &call->err);
}

int ctl_binding_show(struct ctl_call *call)
{
	const struct ctl_bridge *bridge = bridge_of(call);

	if (!bridge)
		return -ENOENT;
	call->result = json_array();
	pl_bind_walk(bridge->pl, visit, call->result);
	return 0;
}

/* Bridge and address of the call; the name of the entry in the document. */
static int named(struct ctl_call *call, struct ctl_bridge **bridge, struct pl_bind_entry *entry,
                 char name[128])
{
	char ip[CTL_IP_LEN];
	int ret;

	*bridge = bridge_of(call);
	if (!*bridge)
		return -ENOENT;
	memset(entry, 0, sizeof(*entry));
	entry->vlan = (uint16_t)ctl_param_uint(call->params, "vlan", 0);
	ret = ctl_ip_parse(ctl_param_str(call->params, "address", ""), entry->addr, &call->err);
	if (ret == 0)
		snprintf(name, 128, "%s %s %u", (*bridge)->name, ctl_ip_text(entry->addr, ip),
		         entry->vlan);
	return ret;
}

int ctl_binding_add(struct ctl_call *call)
{
	struct ctl_bridge *bridge;
	struct pl_bind_entry entry;
	char name[128];
	int ret = named(call, &bridge, &entry, name);

	if (ret)
		return ret;
	rte_ether_unformat_addr(ctl_param_str(call->params, "mac", ""), &entry.mac);
	ret = pl_bind_add_static(bridge->pl, &entry, &call->err);
	if (ret)
		return ret;
	pl_commit();
	ctl_conf_put("binding", name, call->params);
	return 0;
}

int ctl_binding_del(struct ctl_call *call)
{
	struct ctl_bridge *bridge;
	struct pl_bind_entry entry;
	char name[128];
	int ret = named(call, &bridge, &entry, name);

	if (ret)
		return ret;
	ret = pl_bind_del(bridge->pl, entry.addr, entry.vlan, &call->err);
	if (ret && !ctl_conf_get("binding", name))
		return ret;
	pl_commit();
	ctl_conf_del("binding", name);
	return 0;
}
