/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be changed and read of a running ethdev. See port_eth.h. Threads: control.
 */
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/port_eth.h"

int port_eth_set_mtu(struct port *port, uint16_t mtu, struct evs_error *err)
{
	const struct port_eth *eth = port->priv;
	uint16_t room = (uint16_t)(rte_pktmbuf_data_room_size(port->pool) - RTE_PKTMBUF_HEADROOM);
	int ret;

	if (!eth->scatters &&
	    mtu + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN > room)
		return evs_error_set(err, -EINVAL,
		                     "port '%s' has buffers of %u bytes, and its driver does not "
		                     "spread frames over several: delete it and add it with mtu=%u",
		                     port->name, room, mtu);
	ret = rte_eth_dev_set_mtu(port->ethdev_id, mtu);
	if (ret == -EBUSY)
		return evs_error_set(err, ret,
		                     "the driver of port '%s' changes the MTU only while stopped: "
		                     "delete it and add it with mtu=%u",
		                     port->name, mtu);
	if (ret == -ENOTSUP && mtu <= PORT_MTU_DEFAULT)
		return 0; /* evs itself keeps to it */
	if (ret)
		return evs_error_set(err, ret, "port '%s': the driver refuses MTU %u: %s",
		                     port->name, mtu, strerror(-ret));
	return 0;
}

int port_eth_set_mac(struct port *port, const struct rte_ether_addr *mac, struct evs_error *err)
{
	struct rte_ether_addr addr = *mac;
	int ret = rte_eth_dev_default_mac_addr_set(port->ethdev_id, &addr);

	if (ret)
		return evs_error_set(err, ret, "port '%s': the driver refuses the address: %s",
		                     port->name, strerror(-ret));
	return 0;
}

int port_eth_set_admin(struct port *port, bool up, struct evs_error *err)
{
	int ret = up ? rte_eth_dev_set_link_up(port->ethdev_id)
	             : rte_eth_dev_set_link_down(port->ethdev_id);

	if (ret == -ENOTSUP)
		return 0; /* the worker keeps to the flag, but the peer goes on seeing a link */
	if (ret)
		return evs_error_set(err, ret,
		                     "port '%s': the driver does not take its link %s: %s",
		                     port->name, up ? "up" : "down", strerror(-ret));
	return 0;
}

void port_eth_get_link(struct port *port, struct port_link *link)
{
	struct rte_eth_link eth = {0};

	rte_eth_link_get_nowait(port->ethdev_id, &eth);
	link->up = eth.link_status == RTE_ETH_LINK_UP;
	link->full_duplex = eth.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	link->speed_mbps = eth.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : eth.link_speed;
}

void port_eth_get_status(struct port *port,
                         void (*add)(void *arg, const char *key, const char *value), void *arg)
{
	const struct port_eth *eth = port->priv;
	struct rte_eth_dev_info info;
	char text[32];

	add(arg, "devargs", eth->devargs);
	add(arg, "wake", eth->has_rx_intr ? "interrupt" : eth->wake_fd[0] < 0 ? "timer" : "socket");
	if (!rte_eth_dev_info_get(port->ethdev_id, &info))
		add(arg, "driver", info.driver_name);
	snprintf(text, sizeof(text), "%u", port->ethdev_id);
	add(arg, "ethdev", text);
	snprintf(text, sizeof(text), "%d", port->numa_node);
	add(arg, "numa", text);
	snprintf(text, sizeof(text), "%u", port->pool->size);
	add(arg, "pool_mbufs", text);
	snprintf(text, sizeof(text), "%u", rte_mempool_avail_count(port->pool));
	add(arg, "pool_free", text);
}

void port_eth_get_xstats(struct port *port, void (*add)(void *arg, const char *key, uint64_t value),
                         void *arg)
{
	int n = rte_eth_xstats_get_names(port->ethdev_id, NULL, 0);
	struct rte_eth_xstat_name *names;
	struct rte_eth_xstat *stats;

	if (n <= 0)
		return;
	names = calloc((size_t)n, sizeof(*names));
	stats = calloc((size_t)n, sizeof(*stats));
	if (names && stats && rte_eth_xstats_get_names(port->ethdev_id, names, (unsigned)n) == n &&
	    rte_eth_xstats_get(port->ethdev_id, stats, (unsigned)n) == n) {
		for (int i = 0; i < n; i++)
			add(arg, names[stats[i].id].name, stats[i].value);
	}
	free(names);
	free(stats);
}
