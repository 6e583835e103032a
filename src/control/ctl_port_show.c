/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods port.show, drop.show, stats.show: counters of ports. Threads: control.
 */
#include <rte_ether.h>
#include <string.h>

#include "control/ctl_ip.h"
#include "control/ctl_net.h"
#include "pmd/pmd.h"
#include "pmd/pmd_shape.h"

static uint64_t drops_total(const struct port_counters *counters)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < PKT_N_DROPS; i++)
		total += counters->drops[i];
	return total;
}

static void set_count(json_t *out, const char *key, uint64_t value)
{
	json_object_set_new(out, key, json_integer((json_int_t)value));
}

static json_t *drops_by_reason(const struct port_counters *counters)
{
	json_t *out = json_object();

	for (unsigned i = 0; i < PKT_N_DROPS; i++)
		if (counters->drops[i])
			set_count(out, pkt_drop_name(i), counters->drops[i]);
	return out;
}

static void add_status(void *arg, const char *key, const char *value)
{
	json_object_set_new(arg, key, json_string(value));
}

static void add_xstat(void *arg, const char *key, uint64_t value)
{
	set_count(arg, key, value);
}

static void show_counters(json_t *out, const struct port *port)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	set_count(out, "rx-pkts", sum.rx_pkts);
	set_count(out, "rx-bytes", sum.rx_bytes);
	set_count(out, "tx-pkts", sum.tx_pkts);
	set_count(out, "tx-bytes", sum.tx_bytes);
	set_count(out, "drops", drops_total(&sum));
	json_object_set_new(out, "drops-by-reason", drops_by_reason(&sum));
}

static void show_device(json_t *out, struct port *port, bool xstats)
{
	const struct port_type *type = port->type;
	char mac[CTL_MAC_LEN];
	json_t *status = json_object(), *stats = json_object();

	ctl_mac_text(port->mac.addr_bytes, mac);
	json_object_set_new(out, "index", json_integer(port->index));
	json_object_set_new(out, "mac", json_string(mac));
	json_object_set_new(out, "mtu", json_integer(port->mtu));
	json_object_set_new(out, "admin",
	                    json_string(port->config & PORT_CONFIG_DOWN ? "down" : "up"));
	json_object_set_new(out, "link", json_string(port->link.up ? "up" : "down"));
	json_object_set_new(out, "speed-mbps", json_integer(port->link.speed_mbps));
	json_object_set_new(out, "rx-queues", json_integer(port->n_rxq));
	json_object_set_new(out, "tx-queues", json_integer(port->n_txq));
	json_object_set_new(out, "numa", json_integer(port->numa_node));
	show_counters(out, port);
	if (type->get_status)
		type->get_status(port, add_status, status);
	json_object_set_new(out, "status", status);
	if (xstats && type->get_xstats)
		type->get_xstats(port, add_xstat, stats);
	if (xstats)
		json_object_set(out, "xstats", stats);
	json_decref(stats);
}

static json_t *show_one(const struct ctl_port *port, bool xstats)
{
	json_t *out =
	        json_pack("{s:s, s:s, s:I, s:s}", "name", port->name, "bridge", port->bridge->name,
	                  "ofport", (json_int_t)pl_port_ofport(port->pl), "type", port->type);
	json_t *options = ctl_conf_get("port", port->name);

	if (port->port)
		show_device(out, port->port, xstats);
	else
		json_object_set_new(out, "link", json_string("up"));
	if (options)
		json_object_set_new(out, "options", json_deep_copy(options));
	return out;
}

typedef void visit_fn(struct ctl_port *port, void *arg);

static void ports_walk(const char *bridge_name, const char *name, visit_fn *visit, void *arg)
{
	struct ctl_bridge *bridge;
	struct ctl_port *port;

	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		if (bridge_name && strcmp(bridge->name, bridge_name))
			continue;
		TAILQ_FOREACH (port, &bridge->ports, link) {
			if (!name || !strcmp(port->name, name))
				visit(port, arg);
		}
	}
}

struct show {
	json_t *out;
	bool xstats, zero;
};

static void visit_show(struct ctl_port *port, void *arg)
{
	struct show *show = arg;

	json_array_append_new(show->out, show_one(port, show->xstats));
}

/* Ports of the document that could not be restored. */
static void show_failed(json_t *out, const char *bridge, const char *only)
{
	json_t *ports = json_object_get(ctl_conf_document(), "port"), *options;
	const char *name;

	json_object_foreach (ports, name, options) {
		const char *why = ctl_conf_failure("port", name, NULL);
		const char *its_bridge = ctl_param_str(options, "bridge", "");

		if (!why || (only && strcmp(only, name)) || (bridge && strcmp(bridge, its_bridge)))
			continue;
		json_array_append_new(out,
		                      json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:O}", "name", name,
		                                "bridge", its_bridge, "ofport",
		                                (json_int_t)ctl_param_uint(options, "ofport", 0),
		                                "type", ctl_param_str(options, "type", ""), "link",
		                                "failed", "error", why, "options", options));
	}
}

int ctl_port_show(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "name", NULL);
	const char *bridge = ctl_param_str(call->params, "bridge", NULL);
	struct show show = {.xstats = ctl_param_bool(call->params, "xstats", false)};

	if ((name && !ctl_port_lookup(name, &call->err) && !ctl_conf_failure("port", name, NULL)) ||
	    (bridge && !ctl_bridge_lookup(bridge, &call->err)))
		return -ENOENT;
	show.out = call->result = json_array();
	ports_walk(bridge, name, visit_show, &show);
	show_failed(call->result, bridge, name);
	return 0;
}

static void append_drops(struct show *show, const char *name, const struct port_counters *sum)
{
	for (unsigned i = 1; i < PKT_N_DROPS; i++)
		if (sum->drops[i] || show->zero)
			json_array_append_new(show->out,
			                      json_pack("{s:s, s:s, s:I, s:s}", "port", name,
			                                "reason", pkt_drop_name(i), "pkts",
			                                (json_int_t)sum->drops[i], "help",
			                                pkt_drop_help(i)));
}

static void add_sum(struct port_counters *sum, const struct port_counters *one)
{
	sum->rx_pkts += one->rx_pkts;
	sum->rx_bytes += one->rx_bytes;
	sum->tx_pkts += one->tx_pkts;
	sum->tx_bytes += one->tx_bytes;
	for (unsigned i = 0; i < PKT_N_DROPS; i++)
		sum->drops[i] += one->drops[i];
}

/* What is counted to no port any more: by ports that were deleted, and on the way to them. */
static void sum_deleted(struct port_counters *sum)
{
	struct port_counters lost;

	port_counters_deleted(sum);
	memset(&lost, 0, sizeof(lost));
	pmd_drops_sum(&lost);
	add_sum(sum, &lost);
}

static void visit_drops(struct ctl_port *port, void *arg)
{
	struct port_counters sum;

	if (!port->port)
		return;
	port_counters_sum(port->port, &sum);
	append_drops(arg, port->name, &sum);
}

int ctl_drop_show(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "port", NULL);
	struct show show = {.zero = ctl_param_bool(call->params, "zero", false)};
	struct port_counters gone;

	if (name && !ctl_port_lookup(name, &call->err))
		return -ENOENT;
	show.out = call->result = json_array();
	ports_walk(NULL, name, visit_drops, &show);
	if (!name) {
		sum_deleted(&gone);
		append_drops(&show, "(deleted ports)", &gone);
	}
	return 0;
}

static void visit_account(unsigned worker, const struct pmd_worker_stats *stats, void *arg)
{
	struct pmd_account *sum = arg;

	sum->rx += stats->account.rx;
	sum->injected += stats->account.injected;
	sum->copies += stats->account.copies;
	sum->tx += stats->account.tx;
	sum->dropped += stats->account.dropped;
	sum->punted += stats->account.punted;
	sum->held += stats->account.held;
}

static void visit_sum(struct ctl_port *port, void *arg)
{
	struct port_counters one;

	if (!port->port)
		return;
	port_counters_sum(port->port, &one);
	add_sum(arg, &one);
}

static json_t *buffers(void)
{
	struct port_pool_usage usage;

	port_pools_usage(&usage);
	return json_pack("{s:I, s:I, s:I}", "total", (json_int_t)usage.total, "in-use",
	                 (json_int_t)usage.in_use, "lost", (json_int_t)usage.lost);
}

int ctl_stats_show(struct ctl_call *call)
{
	struct pmd_account account = {0};
	struct port_counters sum;
	json_t *out = ctl_call_result(call);

	pmd_workers_walk(visit_account, &account);
	account.injected += ctl_hold_lost();
	account.dropped += ctl_hold_lost();
	sum_deleted(&sum);
	ports_walk(NULL, NULL, visit_sum, &sum);
	set_count(out, "received", account.rx);
	set_count(out, "injected", account.injected);
	set_count(out, "copied", account.copies);
	set_count(out, "sent", account.tx);
	set_count(out, "dropped", account.dropped);
	set_count(out, "punted", account.punted);
	set_count(out, "held", pmd_held());
	json_object_set_new(
	        out, "in-flight",
	        json_integer((json_int_t)(account.rx + account.injected + account.copies -
	                                  account.tx - account.dropped - account.punted -
	                                  account.held)));
	json_object_set_new(out, "drops-by-reason", drops_by_reason(&sum));
	json_object_set_new(out, "ports",
	                    json_pack("{s:I, s:I, s:I, s:I, s:I}", "rx-pkts",
	                              (json_int_t)sum.rx_pkts, "rx-bytes", (json_int_t)sum.rx_bytes,
	                              "tx-pkts", (json_int_t)sum.tx_pkts, "tx-bytes",
	                              (json_int_t)sum.tx_bytes, "drops",
	                              (json_int_t)drops_total(&sum)));
	json_object_set_new(out, "buffers", buffers());
	return 0;
}
