/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a port: created by its type, numbered, changed, destroyed.
 * Threads: control; workers only read port_table. Owner: ports are ours until port_destroy.
 *
 * Indices are given out in rotation, so that one just freed is not at once another port.
 */
#include "port/port_pvt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_log.h"
#include "port/port_args.h"
#include "port/port_debt.h"

const struct port_type *port_types[PORT_MAX_TYPES + 1] = {
        &port_dpdk_type,   &port_tap_type,   &port_internal_type, &port_af_packet_type,
        &port_af_xdp_type, &port_patch_type, &port_vxlan_type,    &port_vxlan_gpe_type,
        &port_geneve_type, &port_gre_type,   &port_nvgre_type,    &port_stt_type,
};

struct port *port_table[PKT_PORT_MAX + 1];
unsigned port_max_workers = 1;
int (*port_queues_changed)(struct port *port, struct evs_error *err);

static uint16_t last_index;

__thread struct port_debt *port_debts;
__thread unsigned port_n_bad;

int port_init(unsigned max_workers, struct evs_error *err)
{
	int ret;

	port_max_workers = EVS_MIN(EVS_MAX(max_workers, 1u), (unsigned)EVS_MAX_WORKERS);
	ret = port_link_init(err);
	if (!ret && (ret = port_wake_init(err)) != 0)
		port_link_fini();
	return ret;
}

void port_fini(void)
{
	port_wake_fini();
	port_link_fini();
	port_pools_fini();
}

void port_type_add(const struct port_type *type)
{
	unsigned n = 0;

	while (port_types[n]) {
		if (port_types[n] == type)
			return;
		n++;
	}
	assert(n < PORT_MAX_TYPES);
	port_types[n] = type;
}

const struct port_type *port_type_lookup(const char *name)
{
	for (unsigned i = 0; port_types[i]; i++)
		if (!strcmp(port_types[i]->name, name))
			return port_types[i];
	return NULL;
}

struct port *port_lookup(const char *name)
{
	for (unsigned i = 1; i <= PKT_PORT_MAX; i++)
		if (port_table[i] && !strcmp(port_table[i]->name, name))
			return port_table[i];
	return NULL;
}

static int find_type(const char *name, const struct port_type **typep, struct evs_error *err)
{
	char known[256] = "";

	*typep = port_type_lookup(name);
	if (*typep)
		return 0;
	for (unsigned i = 0; port_types[i]; i++) {
		size_t used = strlen(known);

		snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
		         port_types[i]->name);
	}
	return evs_error_set(err, -EINVAL, "unknown port type '%s'; there are: %s", name, known);
}

static int check_name(const char *name, struct evs_error *err)
{
	size_t len = strlen(name);

	if (len == 0 || len >= PORT_NAME_LEN)
		return evs_error_set(err, -EINVAL, "a port name has 1 to %d characters",
		                     PORT_NAME_LEN - 1);
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return evs_error_set(err, -EINVAL,
			                     "port name '%s': use printable ASCII without spaces "
			                     "and '/'",
			                     name);
	if (port_lookup(name))
		return evs_error_set(err, -EEXIST,
		                     "there is a port '%s' already: choose another name", name);
	return 0;
}

static int take_index(struct port *port, struct evs_error *err)
{
	for (unsigned i = 0; i < PKT_PORT_MAX; i++) {
		last_index = (uint16_t)(last_index % PKT_PORT_MAX + 1);
		if (!port_table[last_index]) {
			port->index = last_index;
			return 0;
		}
	}
	return evs_error_set(err, -ENOSPC, "there are %d ports, and no more are possible",
	                     PKT_PORT_MAX);
}

/* What a user can give with every type. */
struct common {
	uint16_t mtu; /* 0: not given */
	bool has_mac, has_admin, up;
	struct rte_ether_addr mac;
};

/* Of a type that can be without, none is the address of zeros. */
static int parse_mac(const struct port_args *args, const struct port_type *type,
                     struct rte_ether_addr *mac, struct evs_error *err)
{
	const char *text = port_arg(args, "mac"),
	           *initial = port_option_lookup(type, "mac")->initial;

	if (text && initial && !strcmp(text, initial))
		return 0;
	return port_arg_mac(args, "mac", mac, err);
}

static int parse_common(const struct port_args *args, const struct port_type *type,
                        struct common *common, struct evs_error *err)
{
	const char *admin = port_arg(args, "admin");
	uint64_t mtu = 0;
	int ret;

	memset(common, 0, sizeof(*common));
	common->has_mac = port_arg(args, "mac") != NULL;
	common->has_admin = admin != NULL;
	common->up = admin && !strcmp(admin, "up");
	if (admin && !common->up && strcmp(admin, "down"))
		return evs_error_set(err, -EINVAL, "admin=%s: use up or down", admin);
	ret = parse_mac(args, type, &common->mac, err);
	if (!ret)
		ret = port_arg_uint(args, "mtu",
		                    (struct port_arg_range){PORT_MTU_MIN, PORT_MTU_MAX}, &mtu, err);
	common->mtu = (uint16_t)mtu;
	return ret;
}

static int set_mtu(struct port *port, uint16_t mtu, struct evs_error *err)
{
	int ret;

	if (!port->type->set_mtu)
		return evs_error_set(err, -EOPNOTSUPP, "ports of type %s have no MTU of their own",
		                     port->type->name);
	ret = port->type->set_mtu(port, mtu, err);
	if (!ret)
		evs_store_relaxed(&port->mtu, mtu);
	return ret;
}

static int set_mac(struct port *port, const struct rte_ether_addr *mac, struct evs_error *err)
{
	int ret;

	if (!port->type->set_mac)
		return evs_error_set(err, -EOPNOTSUPP,
		                     "ports of type %s have no MAC address of their own",
		                     port->type->name);
	ret = port->type->set_mac(port, mac, err);
	if (!ret)
		port->mac = *mac;
	return ret;
}

int port_set_config(struct port *port, uint32_t config, uint32_t mask, struct evs_error *err)
{
	uint32_t next = (port->config & ~mask) | (config & mask);
	bool down = next & PORT_CONFIG_DOWN;

	if (((next ^ port->config) & PORT_CONFIG_DOWN) && port->type->set_admin) {
		int ret = port->type->set_admin(port, !down, err);

		if (ret)
			return ret;
	}
	evs_store_relaxed(&port->config, next);
	evs_store_relaxed(&port->link_check, true);
	port_link_wake();
	return 0;
}

static int alloc_queues(struct port *port, struct evs_error *err)
{
	size_t size;

	port->rxq_alloc = EVS_MAX(port->rxq_alloc, port->n_rxq);
	size = port->rxq_alloc * sizeof(struct port_counters);
	if (size) {
		port->rxq_drops = aligned_alloc(EVS_CACHE_LINE, size);
		if (!port->rxq_drops)
			return evs_error_set(err, -ENOMEM, "no memory for %zu bytes of counters",
			                     size);
		memset(port->rxq_drops, 0, size);
	}
	if (port->n_txq == 0 || port->n_txq >= port_max_workers)
		return 0;
	port->tx_locks = calloc(port->n_txq, sizeof(*port->tx_locks));
	if (!port->tx_locks)
		return evs_error_set(err, -ENOMEM, "no memory for %u locks", port->n_txq);
	return 0;
}

static void free_port(struct port *port)
{
	if (!port)
		return;
	for (unsigned i = 0; i < EVS_MAX_WORKERS; i++)
		free(port->counters[i]);
	free(port->rxq_drops);
	free(port->tx_locks);
	free(port);
}

static struct port *alloc_port(const struct port_type *type, const char *name)
{
	struct port *port = aligned_alloc(EVS_CACHE_LINE, sizeof(*port));

	if (!port)
		return NULL;
	memset(port, 0, sizeof(*port));
	port->type = type;
	port->ethdev_id = RTE_MAX_ETHPORTS;
	port->drop_full = PKT_DROP_TX_RING_FULL;
	port->mtu = PORT_MTU_DEFAULT;
	port->numa_node = SOCKET_ID_ANY;
	snprintf(port->name, sizeof(port->name), "%s", name);
	return port;
}

/* The device runs: what every type has in common. */
static int finish_create(struct port *port, const struct common *common, struct evs_error *err)
{
	int ret = alloc_queues(port, err);

	if (!ret && common->has_mac)
		ret = set_mac(port, &common->mac, err);
	if (!ret && common->has_admin && !common->up)
		ret = port_set_config(port, PORT_CONFIG_DOWN, PORT_CONFIG_DOWN, err);
	if (ret)
		return ret;
	port->link.up = true;
	if (port->type->get_link)
		port->type->get_link(port, &port->link);
	port->link_up = port->link.up;
	if (port->type->has_datapath) {
		port->link_check = true; /* it may have changed since */
		evs_store_release(&port_table[port->index], port);
		port_link_wake();
	}
	return 0;
}

int port_create(const char *type_name, const char *name, const struct port_args *args,
                struct port **portp, struct evs_error *err)
{
	const struct port_type *type;
	struct common common;
	struct port *port;
	int ret = find_type(type_name, &type, err);

	if (ret || (ret = check_name(name, err)) || (ret = port_args_check(args, type, false, err)))
		return ret;
	ret = parse_common(args, type, &common, err);
	if (ret)
		return ret;
	port = alloc_port(type, name);
	if (!port)
		return evs_error_set(err, -ENOMEM, "no memory for port '%s'", name);
	if (common.mtu)
		port->mtu = common.mtu;
	if (type->has_datapath)
		ret = take_index(port, err);
	if (!ret)
		ret = type->create(port, args, err);
	if (ret)
		goto fail;
	ret = finish_create(port, &common, err);
	if (ret)
		goto fail_created;
	EVS_LOG(port, INFO, "port '%s': %s, index %u, MTU %u, %u receive and %u transmit queues",
	        name, type->name, port->index, port->mtu, port->n_rxq, port->n_txq);
	*portp = port;
	return 0;

fail_created:
	type->destroy(port);
fail:
	free_port(port);
	return ret;
}

void port_destroy(struct port *port)
{
	if (!port)
		return;
	if (port->index != PKT_PORT_NONE)
		evs_store_release(&port_table[port->index], NULL);
	port_counters_retire(port);
	port->type->destroy(port);
	EVS_LOG(port, INFO, "port '%s' is gone", port->name);
	free_port(port);
}

/* Applies the common options, then those of the type; undoes what was applied if one fails. */
int port_set(struct port *port, const struct port_args *args, struct evs_error *err)
{
	const uint16_t old_mtu = port->mtu;
	const struct rte_ether_addr old_mac = port->mac;
	const uint32_t old_config = port->config;
	struct common common;
	int ret = port_args_check(args, port->type, true, err);

	if (ret || (ret = parse_common(args, port->type, &common, err)))
		return ret;
	if (common.mtu && common.mtu != old_mtu)
		ret = set_mtu(port, common.mtu, err);
	if (!ret && common.has_mac && memcmp(&common.mac, &old_mac, sizeof(old_mac)))
		ret = set_mac(port, &common.mac, err);
	if (!ret && common.has_admin)
		ret = port_set_config(port, common.up ? 0 : PORT_CONFIG_DOWN, PORT_CONFIG_DOWN,
		                      err);
	if (!ret && port->type->set)
		ret = port->type->set(port, args, err);
	if (!ret)
		return 0;
	if (port->config != old_config)
		port_set_config(port, old_config, PORT_CONFIG_DOWN, NULL);
	if (memcmp(&port->mac, &old_mac, sizeof(old_mac)))
		set_mac(port, &old_mac, NULL);
	if (port->mtu != old_mtu)
		set_mtu(port, old_mtu, NULL);
	return ret;
}
