/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells a worker that sleeps of frames in an ethdev: see port_type.arm.
 * Threads: control finds the descriptors, workers arm them. Owner: they are the driver's.
 *
 * Drivers of devices with receive interrupts name a descriptor for each queue and switch the
 * interrupts on and off; where there is nothing to switch (net_tap) the descriptor is always on.
 * Others read a socket of the kernel and do not say so (net_af_xdp, net_af_packet, net_pcap on an
 * interface): it is among the sockets that come into being while control opens the device. As the
 * lowest number that is free is given to each, they come in the order of the queues.
 * Devices that have neither (net_null, net_ring, net_memif) can only be looked at.
 */
#include <dirent.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/evs_bitmap.h"
#include "port/port_eth.h"

static bool receives_frames(int fd)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) &&
	       (domain == AF_PACKET || domain == AF_XDP);
}

void port_eth_sockets(uint64_t *map)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	memset(map, 0, EVS_BITMAP_LEN(PORT_ETH_MAX_FD) * sizeof(*map));
	while (dir && (entry = readdir(dir)) != NULL) {
		unsigned long fd = strtoul(entry->d_name, NULL, 10); /* "." is 0: no socket */

		if (fd < PORT_ETH_MAX_FD && receives_frames((int)fd))
			evs_bitmap_set(map, fd);
	}
	if (dir)
		closedir(dir);
}

/* The sockets that are new, if they are as many as queues. */
static void take_sockets(const struct port *port, struct port_eth *eth, const uint64_t *before)
{
	uint64_t map[EVS_BITMAP_LEN(PORT_ETH_MAX_FD)];
	size_t fd;
	unsigned n = 0;

	port_eth_sockets(map);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(map); i++)
		map[i] &= ~before[i];
	if (evs_bitmap_count(map, PORT_ETH_MAX_FD) != port->n_rxq)
		return;
	for (fd = evs_bitmap_next(map, PORT_ETH_MAX_FD, 0); fd != EVS_BITMAP_NONE;
	     fd = evs_bitmap_next(map, PORT_ETH_MAX_FD, fd + 1))
		eth->wake_fd[n++] = (int)fd;
}

/* The library calls it an error when a device has none. */
static int interrupt_fd(uint16_t id, uint16_t queue)
{
	int type = rte_log_register("lib.ethdev"), level = rte_log_get_level((uint32_t)type), fd;

	rte_log_set_level((uint32_t)type, RTE_LOG_CRIT);
	fd = rte_eth_dev_rx_intr_ctl_q_get_fd(id, queue);
	rte_log_set_level((uint32_t)type, (uint32_t)level);
	return fd;
}

void port_eth_find_wake(const struct port *port, struct port_eth *eth, const uint64_t *before)
{
	for (uint16_t q = 0; q < PORT_MAX_QUEUES; q++) {
		bool asks = q < port->n_rxq && eth->has_rx_intr;

		eth->wake_fd[q] = asks ? interrupt_fd(eth->id, q) : -1;
	}
	eth->has_rx_intr &= eth->wake_fd[0] >= 0;
	if (!eth->has_rx_intr)
		take_sockets(port, eth, before);
}

int port_eth_arm(struct port *port, uint16_t queue)
{
	const struct port_eth *eth = port->priv;
	int ret = 0;

	if (eth->wake_fd[queue] < 0)
		return PORT_ARM_NEVER;
	if (eth->has_rx_intr)
		ret = rte_eth_dev_rx_intr_enable(eth->id, queue);
	return ret && ret != -ENOTSUP ? PORT_ARM_NEVER : eth->wake_fd[queue];
}

void port_eth_disarm(struct port *port, uint16_t queue)
{
	const struct port_eth *eth = port->priv;

	if (eth->has_rx_intr)
		rte_eth_dev_rx_intr_disable(eth->id, queue);
}
