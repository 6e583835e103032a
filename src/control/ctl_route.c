/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods route.*. Threads: control.
 */
#include <stdio.h>
#include <string.h>

#include "control/ctl_ip.h"

static void entry_name(const struct pl_prefix *dst, const uint8_t via[16],
                       char name[2 * CTL_IP_LEN])
{
	char net[CTL_IP_LEN], hop[CTL_IP_LEN];

	snprintf(name, 2 * CTL_IP_LEN, "%s %s", ctl_prefix_text(dst, net), ctl_ip_text(via, hop));
}

int ctl_route_add(struct ctl_call *call)
{
	struct pl_prefix dst;
	uint8_t via[16];
	char name[2 * CTL_IP_LEN];
	int ret = ctl_prefix_parse(ctl_param_str(call->params, "dst", ""), &dst, &call->err);

	if (ret == 0)
		ret = ctl_ip_parse(ctl_param_str(call->params, "via", ""), via, &call->err);
	if (ret == 0 && pl_ip_is_v4(via) != (dst.len >= 96 && pl_ip_is_v4(dst.addr)))
		ret = evs_error_set(&call->err, -EINVAL,
		                    "network and next hop are of different IP versions");
	if (ret == 0)
		ret = pl_route_add(&dst, via, (uint16_t)ctl_param_uint(call->params, "weight", 1),
		                   &call->err);
	if (ret)
		return ret;
	entry_name(&dst, via, name);
	ctl_conf_put("route", name, call->params);
	return 0;
}

int ctl_route_del(struct ctl_call *call)
{
	const char *hop = ctl_param_str(call->params, "via", NULL);
	struct pl_prefix dst;
	uint8_t via[16] = {0};
	char name[2 * CTL_IP_LEN];
	int ret = ctl_prefix_parse(ctl_param_str(call->params, "dst", ""), &dst, &call->err);

	if (ret == 0 && hop)
		ret = ctl_ip_parse(hop, via, &call->err);
	if (ret == 0)
		ret = pl_route_del(&dst, via, &call->err);
	if (ret)
		return ret;
	entry_name(&dst, via, name);
	ctl_conf_del("route", name);
	return 0;
}

static void visit(const struct pl_route *route, void *arg)
{
	const struct pl_bridge *bridge = route->active ? pl_bridge_at(route->bridge) : NULL;
	char dst[CTL_IP_LEN], via[CTL_IP_LEN], src[CTL_IP_LEN];

	static const char *const origins[] = {"address", "configured", "kernel"};

	json_array_append_new(
	        arg,
	        json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s}", "dst",
	                  ctl_prefix_text(&route->dst, dst), "via",
	                  route->origin == PL_ROUTE_ADDRESS ? "" : ctl_ip_text(route->via, via),
	                  "bridge", bridge ? pl_bridge_name(bridge) : "", "src",
	                  bridge ? ctl_ip_text(route->src, src) : "", "vlan", route->vlan, "weight",
	                  route->weight, "by", origins[route->origin], "state",
	                  route->origin == PL_ROUTE_ADDRESS ? "connected"
	                  : bridge                          ? "active"
	                                                    : "unreachable"));
}

int ctl_route_show(struct ctl_call *call)
{
	call->result = json_array();
	pl_route_walk(visit, call->result);
	return 0;
}
