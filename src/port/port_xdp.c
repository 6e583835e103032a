/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Type `af-xdp`: a network interface of the kernel, by AF_XDP sockets, through DPDK's driver.
 * Threads: control; xdp_rx runs in workers. Owner: struct port_eth is freed with the port.
 *
 * An AF_XDP socket says nothing about checksums, and a local sender (the peer of a veth) leaves
 * them to the device: so frames that carry just the pseudo-header sum are completed.
 * The driver keeps the buffers of its fill rings when it closes. So each port has a pool to
 * itself, which goes with it.
 */
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/port_args.h"
#include "port/port_eth.h"
#include "port/port_netdev.h"
#include "port/port_pvt.h"
#include "port/port_vnet.h"

#define POOL_BUFFERS 4095
#define FILL_RING    2048

static EVS_HOT uint16_t xdp_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                               uint16_t n)
{
	n = rte_eth_rx_burst(port->ethdev_id, queue, mbufs, n);
	for (uint16_t i = 0; i < n; i++)
		port_vnet_guess(mbufs[i]);
	return n;
}

static int check_interface(struct port *port, const char *ifname, struct evs_error *err)
{
	struct port_netdev dev = {.nsid = PORT_NETDEV_HERE};
	struct port_netdev_info info;
	int ret;

	snprintf(dev.name, sizeof(dev.name), "%s", ifname);
	ret = port_netdev_get(&dev, &info);
	if (ret)
		return evs_error_set(err, ret,
		                     "interface '%s': %s (it must lie in evsd's network namespace)",
		                     ifname, strerror(-ret));
	port->ifindex = info.ifindex;
	memcpy(port->ifname, dev.name, sizeof(port->ifname));
	return 0;
}

static int xdp_create(struct port *port, const struct port_args *args, struct evs_error *err)
{
	struct port_eth *eth = calloc(1, sizeof(*eth));
	const char *ifname = NULL;
	uint64_t rxq = 1;
	int ret;

	if (!eth)
		return evs_error_set(err, -ENOMEM, "no memory for port '%s'", port->name);
	ret = port_arg_ifname(args, "iface", &ifname, err);
	if (!ret)
		ret = port_arg_uint(args, "rxq", (struct port_arg_range){1, PORT_MAX_QUEUES}, &rxq,
		                    err);
	if (!ret)
		ret = check_interface(port, ifname, err);
	if (!ret) {
		eth->n_rxq_wish = (uint16_t)rxq;
		eth->n_mbufs = (unsigned)(POOL_BUFFERS + (rxq - 1) * FILL_RING);
		snprintf(eth->devargs, sizeof(eth->devargs),
		         "net_af_xdp%u,iface=%s,start_queue=0,queue_count=%u", port->index, ifname,
		         (unsigned)rxq);
		ret = port_eth_open(port, eth, err);
	}
	if (ret) {
		free(eth);
		return ret;
	}
	port->rx = xdp_rx;
	return 0;
}

static void xdp_destroy(struct port *port)
{
	port_pool_lose(port->pool, port->n_rxq * FILL_RING);
	port_eth_close(port);
	free(port->priv);
}

static const struct port_option options[] = {
        {"iface", "NAME", "an interface in evsd's network namespace", PORT_OPTION_REQUIRED, NULL},
        {"rxq", "N", "queues, as many as the interface has channels", 0, "1"},
        {NULL, NULL, NULL, 0, NULL},
};

const struct port_type port_af_xdp_type = {
        .name = "af-xdp",
        .help = "a kernel interface, by AF_XDP sockets",
        .options = options,
        .has_datapath = true,
        .create = xdp_create,
        .destroy = xdp_destroy,
        .arm = port_eth_arm,
        .disarm = port_eth_disarm,
        .set_mtu = port_eth_set_mtu,
        .set_mac = port_eth_set_mac,
        .set_admin = port_eth_set_admin,
        .get_link = port_eth_get_link,
        .get_status = port_eth_get_status,
        .get_xstats = port_eth_get_xstats,
};
