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
};

/* Attaches the device that eth->devargs name, configures and starts it, and fills port, whose priv
 * is eth (owned by the caller). Nothing is left behind on failure. */
int port_eth_open(struct port *port, struct port_eth *eth, struct evs_error *err);
void port_eth_close(struct port *port);

/* For the rows of port_types. */
int port_eth_set_mtu(struct port *port, uint16_t mtu, struct evs_error *err);
int port_eth_set_mac(struct port *port, const struct rte_ether_addr *mac, struct evs_error *err);
int port_eth_set_admin(struct port *port, bool up, struct evs_error *err);
void port_eth_get_link(struct port *port, struct port_link *link);
void port_eth_get_status(struct port *port,
                         void (*add)(void *arg, const char *key, const char *value), void *arg);
void port_eth_get_xstats(struct port *port, void (*add)(void *arg, const char *key, uint64_t value),
                         void *arg);

#endif
