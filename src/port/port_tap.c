/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types `tap` and `internal`: a kernel tap device; evs is at the other end of its cable.
 * Threads: control opens and changes; tap_rx and tap_tx run in workers.
 * Owner: struct tap is the port's priv.
 *
 * Frames carry a virtio-net header, so large segments and missing checksums pass whole in
 * both directions. The device may move to another network namespace: descriptors stay, and what
 * control does to it goes by rtnetlink with the namespace's id. An idle queue is read less and less
 * often, down to once in READ_PAUSE_US, since each look is a system call.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/evs_clock.h"
#include "base/evs_log.h"
#include "port/port_args.h"
#include "port/port_netdev.h"
#include "port/port_pvt.h"
#include "port/port_stock.h"
#include "port/port_vnet.h"

#define READ_PAUSE_US 16
#define SEGS_MAX      64

struct tap_queue {
	int fd;
	uint64_t pause_tsc; /* between looks at an idle queue */
	uint64_t next_tsc;
	bool is_armed; /* its worker sleeps until a frame comes: each look counts */
	struct port_stock stock;
} EVS_CACHE_ALIGNED;

struct tap {
	uint64_t pause_max_tsc;
	struct port_netdev dev;
	unsigned n_queues;
	struct tap_queue queue[];
};

static void pause_reading(const struct tap *tap, struct tap_queue *q, uint64_t now)
{
	q->pause_tsc = EVS_MIN(q->pause_tsc * 2 + tap->pause_max_tsc / 16, tap->pause_max_tsc);
	q->next_tsc = now + q->pause_tsc;
}

static EVS_HOT uint16_t tap_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                               uint16_t n)
{
	struct tap *tap = port->priv;
	struct tap_queue *q = &tap->queue[queue];
	uint64_t now = evs_clock_tsc();
	uint16_t got = 0;

	if (now < q->next_tsc && !q->is_armed)
		return 0;
	while (got < n && port_stock_ready(&q->stock)) {
		ssize_t len = readv(q->fd, q->stock.iov, 1 + q->stock.len);
		struct rte_mbuf *m;

		if (len < (ssize_t)sizeof(q->stock.hdr))
			break;
		m = port_stock_take(&q->stock, (uint32_t)len - (uint32_t)sizeof(q->stock.hdr));
		if (evs_unlikely(!m)) {
			port_rx_drop(port, queue, PKT_DROP_RX_TRUNCATED);
		} else if (evs_unlikely(port_vnet_rx(&q->stock.hdr, m))) {
			port_rx_drop(port, queue, PKT_DROP_GUEST_BAD_OFFLOAD);
			rte_pktmbuf_free(m);
		} else {
			mbufs[got++] = m;
		}
	}
	if (got == 0)
		pause_reading(tap, q, now);
	else
		q->pause_tsc = 0;
	return got;
}

static int tap_arm(struct port *port, uint16_t queue)
{
	struct tap_queue *q = &((struct tap *)port->priv)->queue[queue];

	q->is_armed = true;
	return q->fd;
}

static void tap_disarm(struct port *port, uint16_t queue)
{
	((struct tap *)port->priv)->queue[queue].is_armed = false;
}

static EVS_HOT uint16_t tap_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                               uint16_t n)
{
	struct tap *tap = port->priv;
	int fd = tap->queue[queue].fd;
	struct iovec iov[1 + SEGS_MAX];
	struct virtio_net_hdr hdr;
	uint16_t i = 0;

	iov[0] = (struct iovec){&hdr, sizeof(hdr)};
	while (i < n) {
		unsigned len = port_stock_gather(mbufs[i], iov + 1, SEGS_MAX);

		port_vnet_tx(mbufs[i], &hdr);
		if (evs_likely(len && writev(fd, iov, (int)len + 1) >= 0))
			i++;
		else if (len && (errno == EAGAIN || errno == EIO || errno == EBADFD))
			break; /* full, down, gone: the next one would not do better */
		else
			port_tx_put_aside(mbufs, i, n--);
	}
	rte_pktmbuf_free_bulk(mbufs, i);
	return i;
}

/* Follows a device that was renamed or moved. */
static void track(struct port *port)
{
	struct tap *tap = port->priv;
	struct ifreq ifr = {0};
	int ns_fd;

	if (!ioctl(tap->queue[0].fd, TUNGETIFF, &ifr)) {
		memcpy(tap->dev.name, ifr.ifr_name, IFNAMSIZ);
		memcpy(port->ifname, ifr.ifr_name, IFNAMSIZ);
	}
	ns_fd = ioctl(tap->queue[0].fd, TUNGETDEVNETNS);
	if (ns_fd < 0)
		return;
	if (port_netdev_nsid(ns_fd, &tap->dev.nsid))
		tap->dev.nsid = PORT_NETDEV_HERE;
	close(ns_fd);
}

static void tap_get_link(struct port *port, struct port_link *link)
{
	struct tap *tap = port->priv;
	struct port_netdev_info info;

	track(port);
	*link = (struct port_link){.full_duplex = true};
	if (!port_netdev_get(&tap->dev, &info)) {
		port->ifindex = info.ifindex;
		port->mac = info.mac;
		link->up = (info.flags & IFF_UP) && (info.flags & PORT_IFF_LOWER_UP);
	}
	evs_store_relaxed(&port->drop_full,
	                  link->up ? PKT_DROP_TX_RING_FULL : PKT_DROP_TX_PORT_DOWN);
}

/* Where the device is now. Returns what the change returns. */
static int change(struct port *port, int (*set)(const struct port_netdev *dev, const void *value),
                  const void *value)
{
	struct tap *tap = port->priv;
	struct port_netdev dev;
	int ns_fd = ioctl(tap->queue[0].fd, TUNGETDEVNETNS), ret = 0;

	track(port);
	dev = tap->dev;
	dev.nsid = PORT_NETDEV_HERE;
	if (ns_fd >= 0)
		ret = port_netdev_enter(ns_fd);
	if (!ret)
		ret = set(&dev, value);
	port_netdev_leave();
	if (ns_fd >= 0)
		close(ns_fd);
	return ret;
}

static int apply_mtu(const struct port_netdev *dev, const void *value)
{
	return port_netdev_set_mtu(dev, *(const uint16_t *)value);
}

static int apply_mac(const struct port_netdev *dev, const void *value)
{
	return port_netdev_set_mac(dev, value);
}

static int tap_set_mtu(struct port *port, uint16_t mtu, struct evs_error *err)
{
	int ret = change(port, apply_mtu, &mtu);

	if (ret)
		return evs_error_set(err, ret, "interface '%s' refuses MTU %u: %s", port->ifname,
		                     mtu, strerror(-ret));
	return 0;
}

static int tap_set_mac(struct port *port, const struct rte_ether_addr *mac, struct evs_error *err)
{
	int ret = change(port, apply_mac, mac);

	if (ret)
		return evs_error_set(err, ret, "interface '%s' refuses the address: %s",
		                     port->ifname, strerror(-ret));
	return 0;
}

/* evs plugs the cable out and in; whether the device itself is up is its owner's choice. */
static int tap_set_admin(struct port *port, bool up, struct evs_error *err)
{
	struct tap *tap = port->priv;
	int carrier = up;

	if (ioctl(tap->queue[0].fd, TUNSETCARRIER, &carrier))
		return evs_error_set(err, -errno, "interface '%s': carrier can not be changed: %s",
		                     tap->dev.name, strerror(errno));
	return 0;
}

static void tap_get_status(struct port *port,
                           void (*add)(void *arg, const char *key, const char *value), void *arg)
{
	const struct tap *tap = port->priv;
	char text[32];

	add(arg, "ifname", tap->dev.name);
	snprintf(text, sizeof(text), "%d", port->ifindex);
	add(arg, "ifindex", text);
	snprintf(text, sizeof(text), "%d", tap->dev.nsid);
	add(arg, "netns", tap->dev.nsid == PORT_NETDEV_HERE ? "evsd's" : text);
}

static int open_queue(const char *ifname, bool multi, int *fdp, struct evs_error *err)
{
	const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int hdr_size = sizeof(struct virtio_net_hdr), error;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return evs_error_set(
		        err, -errno,
		        "could not open /dev/net/tun: %s (load the tun module, or make "
		        "the node readable for evsd)",
		        strerror(errno));
	if (multi)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &hdr_size) ||
	    ioctl(fd, TUNSETOFFLOAD, offloads)) {
		error = errno;
		close(fd);
		return evs_error_set(err, -error, "could not open tap device '%s': %s%s", ifname,
		                     strerror(error),
		                     error == EBUSY   ? " (another process has it, or it is no tap)"
		                     : error == EPERM ? " (evsd needs CAP_NET_ADMIN)"
		                                      : "");
	}
	*fdp = fd;
	return 0;
}

static void close_queues(struct tap *tap)
{
	for (unsigned i = 0; i < tap->n_queues; i++) {
		port_stock_fini(&tap->queue[i].stock);
		close(tap->queue[i].fd);
	}
	tap->n_queues = 0;
}

static int open_queues(struct port *port, struct tap *tap, unsigned n, struct evs_error *err)
{
	for (unsigned i = 0; i < n; i++) {
		int ret = open_queue(tap->dev.name, n > 1, &tap->queue[i].fd, err);

		if (ret) {
			close_queues(tap);
			return ret;
		}
		port_stock_init(&tap->queue[i].stock, port->pool);
		tap->n_queues++;
	}
	return 0;
}

static int start(struct port *port, const char *ifname, unsigned n_queues, struct evs_error *err)
{
	size_t size = sizeof(struct tap) + n_queues * sizeof(struct tap_queue);
	struct tap *tap = aligned_alloc(EVS_CACHE_LINE, (size + 63) & ~(size_t)63);
	int ret;

	if (!tap)
		return evs_error_set(err, -ENOMEM, "no memory for port '%s'", port->name);
	memset(tap, 0, size);
	tap->dev.nsid = PORT_NETDEV_HERE;
	tap->pause_max_tsc = evs_clock_ns_to_tsc(READ_PAUSE_US * 1000);
	snprintf(tap->dev.name, sizeof(tap->dev.name), "%s", ifname);
	ret = open_queues(port, tap, n_queues, err);
	if (ret) {
		free(tap);
		return ret;
	}
	port->priv = tap;
	ret = tap_set_mtu(port, port->mtu, err);
	if (ret) {
		close_queues(tap);
		free(tap);
	}
	return ret;
}

static int tap_create(struct port *port, const struct port_args *args, struct evs_error *err)
{
	const struct port_args name = {1, {{"name", port->name}}};
	const char *ifname = NULL;
	uint64_t n_queues = 1;
	int ret = port_arg_ifname(args, "ifname", &ifname, err);

	if (!ret && !ifname)
		ret = port_arg_ifname(&name, "name", &ifname, err);
	if (!ret)
		ret = port_arg_uint(args, "rxq", (struct port_arg_range){1, 16}, &n_queues, err);
	if (ret)
		return ret;
	port->pool = port_pool_get(PORT_MTU_DEFAULT, port->numa_node, err);
	if (!port->pool)
		return -ENOMEM;
	ret = start(port, ifname, (unsigned)n_queues, err);
	if (ret) {
		port_pool_put(port->pool);
		return ret;
	}
	port->rx = tap_rx;
	port->tx = tap_tx;
	port->n_rxq = port->n_txq = (uint16_t)n_queues;
	port->tx_caps = PORT_TX_MULTI_SEG | PORT_TX_L4_CSUM | PORT_TX_TSO;
	return 0;
}

static void tap_destroy(struct port *port)
{
	struct tap *tap = port->priv;

	close_queues(tap);
	free(tap);
	port_pool_put(port->pool);
}

static const struct port_option tap_options[] = {
        {"ifname", "NAME", "of the device; the port's name by default", 0, NULL},
        {"rxq", "N", "queues, 1 to 16", 0, "1"},
        {NULL, NULL, NULL, 0, NULL},
};

static const struct port_option internal_options[] = {{NULL, NULL, NULL, 0, NULL}};

#define TAP_ROW                                                                                    \
	.has_datapath = true, .create = tap_create, .destroy = tap_destroy, .arm = tap_arm,        \
	.disarm = tap_disarm, .set_mtu = tap_set_mtu, .set_mac = tap_set_mac,                      \
	.set_admin = tap_set_admin, .get_link = tap_get_link, .get_status = tap_get_status

const struct port_type port_tap_type = {
        .name = "tap",
        .help = "a kernel tap device, for a network namespace, a container, or the host",
        .options = tap_options,
        TAP_ROW,
};

const struct port_type port_internal_type = {
        .name = "internal",
        .help = "the bridge's own host interface, named like the port",
        .options = internal_options,
        TAP_ROW,
};
