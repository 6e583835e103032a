/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports over a DPDK ethdev: what the types `dpdk` and `af-xdp` share.
 * Threads: control.
 */
#ifndef PORT_ETH_H
#define PORT_ETH_H

#include "port/port.h"

struct port_eth {
	char devargs[1024]; /* as EAL takes them */
	uint16_t id;
	unsigned n_mbufs;    /* 0: the shared pool */
	uint16_t n_rxq_wish; /* 0: one */
	uint32_t frame_wish; /* frames that the device makes whatever its MTU; 0: none */
	bool plugged_in;     /* by us: is taken out again */
	bool scatters;       /* a frame may span buffers */
	bool has_lsc;        /* tells of link changes */
	bool has_rx_intr;    /* receive interrupts; before the device is open: may it have them? */
	bool refuses;        /* to be configured or started so */
	int wake_fd[PORT_MAX_QUEUES]; /* what tells of frames; -1: nothing [ctl w, worker r] */
};

/* Attaches the device that eth->devargs name, configures and starts it, and fills port, whose priv
 * is eth (owned by the caller). Nothing is left behind on failure. */
int port_eth_open(struct port *port, struct port_eth *eth, struct evs_error *err);
void port_eth_close(struct port *port);

/* port_eth_wake.c: which descriptors of this process, below a bound, are sockets for frames; and,
 * for the device that was opened since, which tell of them. */
#define PORT_ETH_MAX_FD 65536
void port_eth_sockets(uint64_t *map);
void port_eth_find_wake(const struct port *port, struct port_eth *eth, const uint64_t *before);

/* For the rows of port_types. */
int port_eth_arm(struct port *port, uint16_t queue);
void port_eth_disarm(struct port *port, uint16_t queue);
int port_eth_set_mtu(struct port *port, uint16_t mtu, struct evs_error *err);
int port_eth_set_mac(struct port *port, const struct rte_ether_addr *mac, struct evs_error *err);
int port_eth_set_admin(struct port *port, bool up, struct evs_error *err);
void port_eth_get_link(struct port *port, struct port_link *link);
void port_eth_get_status(struct port *port,
                         void (*add)(void *arg, const char *key, const char *value), void *arg);
void port_eth_get_xstats(struct port *port, void (*add)(void *arg, const char *key, uint64_t value),
                         void *arg);

#endif
