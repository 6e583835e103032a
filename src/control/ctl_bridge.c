/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods bridge.*. Threads: control.
 */
#include <net/if.h>
#include <rte_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_task.h"
#include "control/ctl_ip.h"
#include "control/ctl_of.h"
#include "pipeline/pl_bind.h"

static uint64_t mac_to_u64(const struct rte_ether_addr *mac)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < 6; i++)
		n = n << 8 | mac->addr_bytes[i];
	return n;
}

static void bridge_config(const json_t *params, struct pl_bridge_config *config)
{
	memset(config, 0, sizeof(*config));
	rte_ether_unformat_addr(ctl_param_str(params, "hwaddr", ""), &config->hwaddr);
	config->dpid = strtoull(ctl_param_str(params, "dpid", "0"), NULL, 16);
	config->fail_mode = strcmp(ctl_param_str(params, "fail-mode", "standalone"), "secure")
	                            ? PL_FAIL_STANDALONE
	                            : PL_FAIL_SECURE;
	config->fdb_age_s = (uint32_t)ctl_param_uint(params, "fdb-age", PL_FDB_AGE_S);
	config->fdb_size = (uint32_t)ctl_param_uint(params, "fdb-size", PL_FDB_SIZE);
	config->suppress = ctl_param_bool(params, "arp-suppress", false);
	config->forward_bpdu = ctl_param_bool(params, "forward-bpdu", false);
	ctl_geneve_options(ctl_param_str(params, "geneve-options", NULL), &config->options, NULL);
}

/* What the user left to us and what must stay the same over restarts. */
static void fill_identity(json_t *params)
{
	struct rte_ether_addr mac;
	char text[CTL_MAC_LEN];

	if (!json_object_get(params, "hwaddr")) {
		rte_eth_random_addr(mac.addr_bytes);
		ctl_mac_text(mac.addr_bytes, text);
		json_object_set_new(params, "hwaddr", json_string(text));
	}
	rte_ether_unformat_addr(ctl_param_str(params, "hwaddr", ""), &mac);
	if (!json_object_get(params, "dpid"))
		json_object_set_new(params, "dpid",
		                    json_sprintf("%016llx", (unsigned long long)mac_to_u64(&mac)));
}

static int check_params(const json_t *params, struct evs_error *err)
{
	const char *address = ctl_param_str(params, "address", NULL);
	struct tun_option_map options;
	struct rte_ether_addr mac;
	int ret;

	rte_ether_unformat_addr(ctl_param_str(params, "hwaddr", "02:00:00:00:00:01"), &mac);
	if (rte_is_multicast_ether_addr(&mac) || rte_is_zero_ether_addr(&mac))
		return evs_error_set(err, -EINVAL,
		                     "hwaddr must be the address of one host: not zero, and its "
		                     "first byte even");
	ret = ctl_geneve_options(ctl_param_str(params, "geneve-options", NULL), &options, err);
	return ret ? ret
	           : ctl_address_check(address, ctl_param_bool(params, "internal", true), err);
}

static struct ctl_port *local_port(struct ctl_bridge *bridge)
{
	struct ctl_port *port;

	TAILQ_FOREACH (port, &bridge->ports, link) {
		if (port->local)
			return port;
	}
	return NULL;
}

/* The bridge works without; so what fails here is a warning. */
static void open_local(struct ctl_bridge *bridge, const json_t *params, struct ctl_call *call)
{
	struct port_args args = {.n = 1};
	struct ctl_port_spec spec = {
	        .type = "internal", .name = bridge->name, .local = true, .args = &args};
	struct evs_error err = {0};
	struct ctl_port *port;

	args.arg[0].key = "mac";
	args.arg[0].value = ctl_param_str(params, "hwaddr", "");
	ctl_port_config(NULL, &spec.config, NULL);
	spec.config.ofport = PL_OFPORT_LOCAL;
	if (ctl_port_open(bridge, &spec, &port, &err)) {
		ctl_call_warn(call, "bridge '%s' has no internal device: %s", bridge->name,
		              err.text);
		return;
	}
	ctl_address_device(bridge, NULL, ctl_param_str(params, "address", NULL), call);
}

static int make(const char *name, const json_t *params, struct ctl_bridge **bridgep,
                struct evs_error *err)
{
	struct ctl_bridge *bridge = calloc(1, sizeof(*bridge));
	struct pl_bridge_config config;
	int ret;

	if (!bridge)
		return -ENOMEM;
	TAILQ_INIT(&bridge->ports);
	snprintf(bridge->name, sizeof(bridge->name), "%s", name);
	bridge_config(params, &config);
	ret = pl_bridge_create(name, &config, &bridge->pl, err);
	if (ret) {
		free(bridge);
		return ret;
	}
	pl_commit();
	ret = ctl_of_bridge_add(bridge, err);
	if (ret) {
		pl_bridge_destroy(bridge->pl);
		free(bridge);
		return ret;
	}
	TAILQ_INSERT_TAIL(&ctl_bridges, bridge, link);
	*bridgep = bridge;
	return 0;
}

static void bridge_event(const char *name, const char *event)
{
	if (ctl_notify_wanted("bridge"))
		ctl_notify("bridge", json_pack("{s:s, s:s}", "event", event, "bridge", name));
}

int ctl_bridge_add(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "name", "");
	struct ctl_bridge *bridge;
	json_t *params;
	int ret;

	if (ctl_bridge_lookup(name, NULL))
		return evs_error_set(&call->err, -EEXIST,
		                     "bridge '%s' exists: 'evsctl bridge set' changes it", name);
	if (ctl_port_lookup(name, NULL))
		return evs_error_set(&call->err, -EEXIST,
		                     "'%s' is the name of a port: give the bridge another", name);
	params = ctl_params_merge(NULL, call->params);
	ret = check_params(params, &call->err);
	if (ret == 0) {
		fill_identity(params);
		ret = make(name, params, &bridge, &call->err);
	}
	if (ret == 0) {
		if (ctl_param_bool(params, "internal", true))
			open_local(bridge, params, call);
		ctl_conf_put("bridge", name, params);
		/* Tunnels stand on it, with and without a device of the host. */
		ctl_address_change(bridge, NULL, ctl_param_str(params, "address", NULL), call);
		json_object_set(ctl_call_result(call), "dpid", json_object_get(params, "dpid"));
		bridge_event(name, "added");
	}
	json_decref(params);
	return ret;
}

/* ---- deletion: its ports first, then, when the last is gone, itself ---- */

struct deletion {
	struct ctl_call *call;
	struct ctl_bridge *bridge;
	unsigned left;
};

static void destroy(void *arg)
{
	struct deletion *del = arg;

	pl_bridge_destroy(del->bridge->pl);
}

static void destroyed(void *arg)
{
	struct deletion *del = arg;

	bridge_event(del->bridge->name, "removed");
	free(del->bridge);
	ctl_call_finish(del->call, 0);
	free(del);
}

/* Its tables may have a million rules. */
static void all_gone(void *arg)
{
	if (evs_task_run(destroy, arg, destroyed))
		destroyed(arg);
}

static void one_gone(void *arg, int ret)
{
	struct deletion *del = arg;

	if (--del->left == 0 && !evs_task_after(all_gone, del))
		all_gone(del);
}

/* Removes the objects of a kind that have this member. */
static void forget(const char *kind, const char *key, const char *value)
{
	json_t *entries = json_object_get(ctl_conf_document(), kind), *entry;
	const char *name;
	void *next;

	json_object_foreach_safe(entries, next, name, entry)
	{
		if (!strcmp(ctl_param_str(entry, key, ""), value))
			ctl_conf_del(kind, name);
		entries = json_object_get(ctl_conf_document(), kind);
		if (!entries)
			return;
	}
}

void ctl_forget_port(const char *name)
{
	forget("fdb", "port", name);
	ctl_conf_del("qos", name);
	ctl_conf_del("port", name);
}

/* How the ports of a bridge are shaped. */
static void forget_shapes(const char *bridge)
{
	json_t *ports = json_object_get(ctl_conf_document(), "port"), *params;
	const char *port;

	json_object_foreach (ports, port, params)
		if (!strcmp(ctl_param_str(params, "bridge", ""), bridge))
			ctl_conf_del("qos", port);
}

static void forget_bridge(const char *name)
{
	forget_shapes(name);
	forget("port", "bridge", name);
	forget("fdb", "bridge", name);
	forget("binding", "bridge", name);
	forget("neigh", "bridge", name);
	forget("controller", "bridge", name);
	ctl_conf_del("bridge", name);
}

int ctl_bridge_del(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "name", "");
	struct ctl_bridge *bridge = ctl_bridge_lookup(name, &call->err);
	struct deletion *del;
	struct ctl_port *port;

	if (!bridge && ctl_conf_get("bridge", name)) { /* could not be restored */
		forget_bridge(name);
		return 0;
	}
	if (!bridge)
		return -ENOENT;
	del = calloc(1, sizeof(*del));
	if (!del)
		return -ENOMEM;
	del->call = call;
	del->bridge = bridge;
	del->left = 1;
	TAILQ_REMOVE(&ctl_bridges, bridge, link);
	ctl_of_bridge_del(bridge);
	forget_bridge(name);
	while ((port = TAILQ_FIRST(&bridge->ports))) {
		del->left++;
		ctl_port_close(port, one_gone, del);
	}
	one_gone(del, 0);
	return CTL_PENDING;
}

/* ---- change ---- */

static void set_address(struct ctl_bridge *bridge, const json_t *old, const json_t *new,
                        struct ctl_call *call)
{
	const char *before = ctl_param_str(old, "address", NULL);
	const char *after = ctl_param_str(new, "address", NULL);

	ctl_address_change(bridge, before, after, call);
	if (local_port(bridge))
		ctl_address_device(bridge, before, after, call);
}

static void set_hwaddr(struct ctl_bridge *bridge, const json_t *old, const json_t *new,
                       struct ctl_call *call)
{
	const char *mac = ctl_param_str(new, "hwaddr", "");
	struct port_args args = {.n = 1, .arg = {{"mac", mac}}};
	struct ctl_port *local = local_port(bridge);
	struct evs_error err = {0};

	if (!strcmp(ctl_param_str(old, "hwaddr", ""), mac) || !local)
		return;
	if (port_set(local->port, &args, &err))
		ctl_call_warn(call, "bridge '%s': its internal device keeps its address: %s",
		              bridge->name, err.text);
}

static void local_gone(void *arg, int ret)
{
	ctl_call_finish(arg, ret);
}

/* Opens or closes the internal port; CTL_PENDING while it closes. */
static int set_internal(struct ctl_bridge *bridge, const json_t *old, const json_t *new,
                        struct ctl_call *call)
{
	bool wanted = ctl_param_bool(new, "internal", true);
	struct ctl_port *local = local_port(bridge);

	if (wanted && !local && !ctl_param_bool(old, "internal", true))
		open_local(bridge, new, call);
	if (wanted || !local)
		return 0;
	ctl_port_close(local, local_gone, call);
	return CTL_PENDING;
}

static int apply(struct ctl_bridge *bridge, json_t *params, struct ctl_call *call)
{
	const json_t *old = ctl_conf_get("bridge", bridge->name);
	struct pl_bridge_config config;
	json_t *before;
	int ret = check_params(params, &call->err);

	if (ret)
		return ret;
	fill_identity(params);
	bridge_config(params, &config);
	config.has_controller = bridge->n_controllers > 0;
	config.drop_fragments = pl_bridge_config(bridge->pl)->drop_fragments;
	config.is_alone = pl_bridge_config(bridge->pl)->is_alone;
	ret = pl_bridge_set(bridge->pl, &config, &call->err);
	if (ret)
		return ret;
	pl_commit();
	before = json_deep_copy(old);
	ctl_conf_put("bridge", bridge->name, params);
	ctl_of_fail_check(bridge);
	set_hwaddr(bridge, before, params, call);
	set_address(bridge, before, params, call);
	ret = set_internal(bridge, before, params, call);
	json_decref(before);
	return ret;
}

int ctl_bridge_set(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "name", "");
	struct ctl_bridge *bridge = ctl_bridge_lookup(name, &call->err);
	json_t *params;
	int ret;

	if (!bridge)
		return -ENOENT;
	params = ctl_params_merge(ctl_conf_get("bridge", name), call->params);
	ret = apply(bridge, params, call);
	json_decref(params);
	if (ret >= 0)
		bridge_event(name, "changed");
	return ret;
}

/* ---- show ---- */

static json_t *show_one(const struct ctl_bridge *bridge)
{
	json_t *out = json_deep_copy(ctl_conf_get("bridge", bridge->name));
	struct pl_fdb_stats fdb;
	struct pl_bind_stats binds;
	const struct ctl_port *port;
	json_t *ports = json_array();

	pl_fdb_stats_get(bridge->pl, &fdb);
	pl_bind_stats_get(bridge->pl, &binds);
	TAILQ_FOREACH (port, &bridge->ports, link) {
		json_array_append_new(ports, json_string(port->name));
	}
	if (!json_object_get(out, "fail-mode"))
		json_object_set_new(out, "fail-mode", json_string("standalone"));
	json_object_set_new(out, "n-ports", json_integer(bridge->n_ports));
	json_object_set_new(out, "n-macs", json_integer(fdb.n_entries));
	json_object_set_new(out, "n-controllers", json_integer(bridge->n_controllers));
	json_object_set_new(out, "ports", ports);
	json_object_set_new(out, "fdb",
	                    json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "entries",
	                              fdb.n_entries, "size", fdb.size, "learned",
	                              (json_int_t)fdb.learned, "moved", (json_int_t)fdb.moved,
	                              "expired", (json_int_t)fdb.expired, "evicted",
	                              (json_int_t)fdb.evicted, "held", (json_int_t)fdb.held));
	json_object_set_new(out, "bindings",
	                    json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "entries",
	                              binds.n_entries, "size", PL_MAX_BINDS, "learned",
	                              (json_int_t)binds.learned, "moved", (json_int_t)binds.moved,
	                              "expired", (json_int_t)binds.expired, "evicted",
	                              (json_int_t)binds.evicted, "held", (json_int_t)binds.held));
	json_object_set_new(out, "mgmt", json_sprintf("%s/%s.mgmt", ctl_run_dir(), bridge->name));
	return out;
}

int ctl_bridge_show(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "name", NULL);
	const struct ctl_bridge *bridge;

	if (name && !ctl_bridge_lookup(name, &call->err))
		return -ENOENT;
	call->result = json_array();
	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		if (!name || !strcmp(bridge->name, name))
			json_array_append_new(call->result, show_one(bridge));
	}
	return 0;
}
