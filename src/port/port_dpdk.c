/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Type `dpdk`: any device that DPDK has a driver for, by devargs or PCI address, plugged in
 * when the port is added and out when it is deleted.
 * Threads: control. Owner: struct port_eth is freed with the port.
 */
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/port_args.h"
#include "port/port_eth.h"
#include "port/port_pvt.h"

static int parse_devargs(const struct port_args *args, struct port_eth *eth, struct evs_error *err)
{
	const char *devargs = port_arg(args, "devargs"), *pci = port_arg(args, "pci");
	const char *text = devargs ? devargs : pci;

	if (!devargs == !pci)
		return evs_error_set(
		        err, -EINVAL,
		        "type dpdk needs either devargs=DRIVERn[,PARAM=VALUE...] (as in "
		        "net_pcap0,rx_pcap=FILE) or pci=ADDRESS (as in 0000:81:00.0)");
	if (strlen(text) >= sizeof(eth->devargs) || !*text)
		return evs_error_set(err, -EINVAL, "device arguments have 1 to %zu characters",
		                     sizeof(eth->devargs) - 1);
	snprintf(eth->devargs, sizeof(eth->devargs), "%s", text);
	return 0;
}

/* net_null makes frames of the size it is told, into a buffer of whatever size. */
static void note_frame_size(struct port_eth *eth)
{
	const char *size = strstr(eth->devargs, ",size=");

	if (!strncmp(eth->devargs, "net_null", 8) && size)
		eth->frame_wish = (uint32_t)EVS_MIN(strtoul(size + 6, NULL, 0), 65536ul);
}

/* Some drivers have a link that nothing but evs can change: no need to look. */
static bool link_is_constant(const struct port_eth *eth)
{
	static const char *const drivers[] = {"net_null", "net_pcap", "net_ring"};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(drivers); i++)
		if (!strncmp(eth->devargs, drivers[i], strlen(drivers[i])))
			return true;
	return false;
}

static int dpdk_create(struct port *port, const struct port_args *args, struct evs_error *err)
{
	struct port_eth *eth = calloc(1, sizeof(*eth));
	uint64_t rxq = 0, n_mbufs = 0;
	int ret;

	if (!eth)
		return evs_error_set(err, -ENOMEM, "no memory for port '%s'", port->name);
	ret = parse_devargs(args, eth, err);
	if (!ret)
		ret = port_arg_uint(args, "rxq", (struct port_arg_range){1, PORT_MAX_QUEUES}, &rxq,
		                    err);
	if (!ret)
		ret = port_arg_uint(args, "mbufs", (struct port_arg_range){1024, 1 << 24}, &n_mbufs,
		                    err);
	if (!ret) {
		eth->n_rxq_wish = (uint16_t)rxq;
		eth->n_mbufs = (unsigned)n_mbufs;
		note_frame_size(eth);
		ret = port_eth_open(port, eth, err);
	}
	if (ret) {
		free(eth);
		return ret;
	}
	/* a NIC without MSI-X has one interrupt, which is the receiver's then */
	port->link_polled = (!eth->has_lsc || eth->has_rx_intr) && !link_is_constant(eth);
	return 0;
}

static void dpdk_destroy(struct port *port)
{
	port_eth_close(port);
	free(port->priv);
}

static const struct port_option options[] = {
        {"devargs", "DEVARGS", "a DPDK device: driver with a number, and its parameters", 0, NULL},
        {"pci", "ADDRESS", "a PCI device bound to vfio-pci, or one of a bifurcated driver", 0,
         NULL},
        {"rxq", "N", "receive queues, filled by RSS", 0, "1"},
        {"mbufs", "N", "a buffer pool of its own with N buffers", 0, NULL},
        {NULL, NULL, NULL, 0, NULL},
};

const struct port_type port_dpdk_type = {
        .name = "dpdk",
        .help = "a device with a DPDK driver: a NIC, or a virtual one",
        .options = options,
        .has_datapath = true,
        .create = dpdk_create,
        .destroy = dpdk_destroy,
        .arm = port_eth_arm,
        .disarm = port_eth_disarm,
        .set_mtu = port_eth_set_mtu,
        .set_mac = port_eth_set_mac,
        .set_admin = port_eth_set_admin,
        .get_link = port_eth_get_link,
        .get_status = port_eth_get_status,
        .get_xstats = port_eth_get_xstats,
};
