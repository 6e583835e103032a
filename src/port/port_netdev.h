/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel interfaces over rtnetlink: state, MTU, address, flags, also of a device that moved to
 * another network namespace, and the socket that tells of changes.
 * Threads: control.
 *
 * A namespace is named by the kernel's id for it as seen from ours (nsid), which needs no lasting
 * descriptor into it: a namespace in which a port's device lies can still be deleted.
 */
#ifndef PORT_NETDEV_H
#define PORT_NETDEV_H

#include "port/port.h"

#define PORT_NETDEV_HERE (-1)
/* IFF_LOWER_UP (carrier) of <linux/if.h>, which does not go together with <net/if.h>. */
#define PORT_IFF_LOWER_UP (1u << 16)

struct port_netdev {
	char name[IFNAMSIZ];
	int nsid; /* PORT_NETDEV_HERE or the id of another namespace */
};

struct port_netdev_info {
	int ifindex;
	unsigned flags; /* IFF_* */
	uint32_t mtu;
	struct rte_ether_addr mac;
};

int port_netdev_init(struct evs_error *err);
void port_netdev_fini(void);
int port_netdev_event_fd(void);
/* Takes what the event socket has and calls port_link_mark for each interface named there. */
void port_netdev_drain_events(void);

/* -ENODEV if there is no such interface; other negative errno of the kernel. */
int port_netdev_get(const struct port_netdev *dev, struct port_netdev_info *info);
int port_netdev_set_mtu(const struct port_netdev *dev, uint32_t mtu);
int port_netdev_set_mac(const struct port_netdev *dev, const struct rte_ether_addr *mac);
int port_netdev_set_flags(const struct port_netdev *dev, unsigned flags, unsigned mask);
/* What follows, up to port_netdev_leave, is done in the namespace behind the descriptor (names are
 * looked up there, with nsid PORT_NETDEV_HERE): the kernel reads devices of other namespaces by
 * id, but does not change them so. Needs CAP_SYS_ADMIN; 0 if the namespace is ours anyway. */
int port_netdev_enter(int ns_fd);
void port_netdev_leave(void);
/* The id of the namespace behind a descriptor; gives it one if it has none. PORT_NETDEV_HERE if it
 * is ours. */
int port_netdev_nsid(int ns_fd, int *nsid);

#endif
