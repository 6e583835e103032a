/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Type `af-packet`: a network interface of the kernel, by packet sockets (packet(7)).
 * Threads: control opens and changes; ap_rx and ap_tx run in workers.
 * Owner: struct ap is the port's priv.
 *
 * DPDK's driver for packet sockets loses the kind of an outer tag, knows no checksum state and
 * dies when stopped; this one asks for a virtio-net header with each frame (large segments and
 * missing checksums pass whole) and for the tag that the kernel took out, which it puts back
 * with its own TPID. Several queues are sockets of one fanout group, by flow hash. Should the
 * interface vanish and come back, the sockets follow it. Sending passes the interface's qdisc:
 * without it (PACKET_QDISC_BYPASS) the kernel drops what it would have to segment in software.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
#define SOCK_BYTES    (8 << 20)

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

struct ap_queue {
	int fd;
	uint64_t pause_tsc;
	uint64_t next_tsc;
	bool is_armed; /* its worker sleeps until a frame comes: each look counts */
	struct port_stock stock;
} EVS_CACHE_ALIGNED;

struct ap {
	uint64_t pause_max_tsc;
	struct port_netdev dev;
	uint64_t kernel_drops; /* [ctl] reading the kernel's counter clears it */
	unsigned n_queues;
	struct ap_queue queue[];
};

/* Puts the tag back that the kernel keeps beside the frame. False: no room. */
static bool restore_tag(struct rte_mbuf *m, const struct tpacket_auxdata *aux,
                        struct virtio_net_hdr *hdr)
{
	const uint16_t tpid =
	        aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid : ETH_P_8021Q;
	char *start = rte_pktmbuf_prepend(m, RTE_VLAN_HLEN);
	rte_be16_t tag[2];

	if (!start)
		return false;
	memmove(start, start + RTE_VLAN_HLEN, 2 * RTE_ETHER_ADDR_LEN);
	tag[0] = htons(tpid);
	tag[1] = htons(aux->tp_vlan_tci);
	memcpy(start + 2 * RTE_ETHER_ADDR_LEN, tag, sizeof(tag));
	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		hdr->csum_start = (uint16_t)(hdr->csum_start + RTE_VLAN_HLEN);
	return true;
}

static bool apply_aux(struct msghdr *msg, struct rte_mbuf *m, struct virtio_net_hdr *hdr)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID)
			return restore_tag(m, &aux, hdr);
	}
	return true;
}

/* One frame. 0: none there; 1: read, and *mp is it, or NULL if it was dropped. */
static int read_frame(struct port *port, uint16_t queue, struct rte_mbuf **mp)
{
	struct port_stock *stock = &((struct ap *)port->priv)->queue[queue].stock;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct msghdr msg = {.msg_iov = stock->iov,
	                     .msg_iovlen = 1u + stock->len,
	                     .msg_control = &control,
	                     .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(((struct ap *)port->priv)->queue[queue].fd, &msg, 0);
	enum pkt_drop reason = PKT_DROP_RX_TRUNCATED;
	struct rte_mbuf *m;

	*mp = NULL;
	if (len < (ssize_t)sizeof(stock->hdr))
		return 0;
	m = port_stock_take(stock, (uint32_t)len - (uint32_t)sizeof(stock->hdr));
	if (m && !(msg.msg_flags & MSG_TRUNC) && apply_aux(&msg, m, &stock->hdr)) {
		if (!port_vnet_rx(&stock->hdr, m)) {
			*mp = m;
			return 1;
		}
		reason = PKT_DROP_GUEST_BAD_OFFLOAD;
	}
	rte_pktmbuf_free(m);
	port_rx_drop(port, queue, reason);
	return 1;
}

static EVS_HOT uint16_t ap_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                              uint16_t n)
{
	struct ap *ap = port->priv;
	struct ap_queue *q = &ap->queue[queue];
	uint64_t now = evs_clock_tsc();
	uint16_t got = 0;

	if (now < q->next_tsc && !q->is_armed)
		return 0;
	while (got < n && port_stock_ready(&q->stock) && read_frame(port, queue, &mbufs[got]))
		got = (uint16_t)(got + (mbufs[got] != NULL));
	if (got > 0) {
		q->pause_tsc = 0;
		return got;
	}
	q->pause_tsc = EVS_MIN(q->pause_tsc * 2 + ap->pause_max_tsc / 16, ap->pause_max_tsc);
	q->next_tsc = now + q->pause_tsc;
	return 0;
}

static int ap_arm(struct port *port, uint16_t queue)
{
	struct ap_queue *q = &((struct ap *)port->priv)->queue[queue];

	q->is_armed = true;
	return q->fd;
}

static void ap_disarm(struct port *port, uint16_t queue)
{
	((struct ap *)port->priv)->queue[queue].is_armed = false;
}

static EVS_HOT uint16_t ap_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                              uint16_t n)
{
	struct ap *ap = port->priv;
	struct iovec iov[1 + SEGS_MAX];
	struct virtio_net_hdr hdr;
	struct msghdr msg = {.msg_iov = iov};
	uint16_t i = 0;

	iov[0] = (struct iovec){&hdr, sizeof(hdr)};
	while (i < n) {
		unsigned len = port_stock_gather(mbufs[i], iov + 1, SEGS_MAX);

		port_vnet_tx(mbufs[i], &hdr);
		hdr.flags &= (uint8_t)~VIRTIO_NET_HDR_F_DATA_VALID;
		msg.msg_iovlen = 1 + len;
		if (evs_likely(len && sendmsg(ap->queue[queue].fd, &msg, MSG_DONTWAIT) >= 0))
			i++;
		else if (len && (errno == EAGAIN || errno == ENOBUFS || errno == ENETDOWN ||
		                 errno == ENXIO))
			break;
		else
			port_tx_put_aside(mbufs, i, n--);
	}
	rte_pktmbuf_free_bulk(mbufs, i);
	return i;
}

static int bind_queue(int fd, int ifindex)
{
	const struct sockaddr_ll addr = {
	        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};
	const struct packet_mreq promisc = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};

	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)))
		return -errno;
	return 0;
}

static int join_fanout(struct port *port, const struct ap *ap, unsigned n)
{
	const unsigned group = ((unsigned)getpid() ^ (unsigned)port->index << 4) & 0xffff;
	const unsigned mode = group | PACKET_FANOUT_HASH << 16;

	for (unsigned i = 0; n > 1 && i < n; i++)
		if (setsockopt(ap->queue[i].fd, SOL_PACKET, PACKET_FANOUT, &mode, sizeof(mode)))
			return -errno;
	return 0;
}

/* The interface vanished and is there again: another one to the kernel. */
static void rebind(struct port *port, struct ap *ap, int ifindex)
{
	for (unsigned i = 0; i < ap->n_queues; i++) {
		int ret = bind_queue(ap->queue[i].fd, ifindex);

		if (ret) {
			EVS_LOG(port, WARN, "port '%s': interface '%s' is back, but: %s",
			        port->name, ap->dev.name, strerror(-ret));
			return;
		}
	}
	port->ifindex = ifindex;
	EVS_LOG(port, INFO, "port '%s': interface '%s' is back", port->name, ap->dev.name);
}

static uint32_t read_speed(const char *ifname)
{
	char path[64];
	long speed = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/speed", ifname);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%ld", &speed) != 1)
		speed = 0;
	fclose(file);
	return speed > 0 ? (uint32_t)speed : 0;
}

static void ap_get_link(struct port *port, struct port_link *link)
{
	struct ap *ap = port->priv;
	struct port_netdev_info info;

	*link = (struct port_link){.full_duplex = true};
	if (!port_netdev_get(&ap->dev, &info)) {
		if (info.ifindex != port->ifindex && ap->n_queues == 1)
			rebind(port, ap, info.ifindex);
		link->up = info.ifindex == port->ifindex && (info.flags & IFF_UP) &&
		           (info.flags & PORT_IFF_LOWER_UP);
		link->speed_mbps = link->up ? read_speed(ap->dev.name) : 0;
	}
	evs_store_relaxed(&port->drop_full,
	                  link->up ? PKT_DROP_TX_RING_FULL : PKT_DROP_TX_PORT_DOWN);
}

static int ap_set_mtu(struct port *port, uint16_t mtu, struct evs_error *err)
{
	struct ap *ap = port->priv;
	int ret = port_netdev_set_mtu(&ap->dev, mtu);

	if (ret)
		return evs_error_set(err, ret, "interface '%s' refuses MTU %u: %s", ap->dev.name,
		                     mtu, strerror(-ret));
	return 0;
}

static int ap_set_mac(struct port *port, const struct rte_ether_addr *mac, struct evs_error *err)
{
	struct ap *ap = port->priv;
	int ret = port_netdev_set_mac(&ap->dev, mac);

	if (ret)
		return evs_error_set(err, ret, "interface '%s' refuses the address: %s",
		                     ap->dev.name, strerror(-ret));
	return 0;
}

static int ap_set_admin(struct port *port, bool up, struct evs_error *err)
{
	struct ap *ap = port->priv;
	int ret = port_netdev_set_flags(&ap->dev, up ? IFF_UP : 0, IFF_UP);

	if (ret)
		return evs_error_set(err, ret, "interface '%s' can not be set %s: %s", ap->dev.name,
		                     up ? "up" : "down", strerror(-ret));
	return 0;
}

static void ap_get_status(struct port *port,
                          void (*add)(void *arg, const char *key, const char *value), void *arg)
{
	const struct ap *ap = port->priv;
	char text[32];

	add(arg, "ifname", ap->dev.name);
	snprintf(text, sizeof(text), "%d", port->ifindex);
	add(arg, "ifindex", text);
}

static void ap_get_xstats(struct port *port,
                          void (*add)(void *arg, const char *key, uint64_t value), void *arg)
{
	struct ap *ap = port->priv;

	for (unsigned i = 0; i < ap->n_queues; i++) {
		struct tpacket_stats stats;
		socklen_t size = sizeof(stats);

		if (!getsockopt(ap->queue[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size))
			ap->kernel_drops += stats.tp_drops;
	}
	add(arg, "rx_socket_full", ap->kernel_drops);
}

static int open_queue(int ifindex, int *fdp)
{
	static const int wanted[] = {PACKET_VNET_HDR, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING};
	const int on = 1, size = SOCK_BYTES;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), ret = 0;

	if (fd < 0)
		return -errno;
	for (unsigned i = 0; !ret && i < EVS_ARRAY_LEN(wanted); i++)
		if (setsockopt(fd, SOL_PACKET, wanted[i], &on, sizeof(on)))
			ret = -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (!ret)
		ret = bind_queue(fd, ifindex);
	if (ret)
		close(fd);
	else
		*fdp = fd;
	return ret;
}

static void close_queues(struct ap *ap)
{
	for (unsigned i = 0; i < ap->n_queues; i++) {
		port_stock_fini(&ap->queue[i].stock);
		close(ap->queue[i].fd);
	}
}

static int open_queues(struct port *port, struct ap *ap, unsigned n, struct evs_error *err)
{
	int ret = 0;

	while (!ret && ap->n_queues < n) {
		struct ap_queue *q = &ap->queue[ap->n_queues];

		ret = open_queue(port->ifindex, &q->fd);
		if (ret)
			break;
		port_stock_init(&q->stock, port->pool);
		ap->n_queues++;
	}
	if (!ret)
		ret = join_fanout(port, ap, n);
	if (!ret)
		return 0;
	close_queues(ap);
	return evs_error_set(err, ret, "could not open a packet socket on '%s': %s%s", ap->dev.name,
	                     strerror(-ret), ret == -EPERM ? " (evsd needs CAP_NET_RAW)" : "");
}

static int use_interface(struct port *port, struct ap *ap, bool has_mtu, struct evs_error *err)
{
	struct port_netdev_info info;
	int ret = port_netdev_get(&ap->dev, &info);

	if (ret)
		return evs_error_set(err, ret,
		                     "interface '%s': %s (it must lie in evsd's network namespace)",
		                     ap->dev.name, strerror(-ret));
	port->ifindex = info.ifindex;
	port->mac = info.mac;
	memcpy(port->ifname, ap->dev.name, sizeof(port->ifname));
	if (has_mtu)
		return ap_set_mtu(port, port->mtu, err);
	port->mtu = (uint16_t)EVS_MAX((uint32_t)PORT_MTU_MIN,
	                              EVS_MIN(info.mtu, (uint32_t)PORT_MTU_MAX));
	return 0;
}

static int ap_create(struct port *port, const struct port_args *args, struct evs_error *err)
{
	const char *ifname = NULL;
	uint64_t n = 1;
	struct ap *ap;
	size_t size;
	int ret = port_arg_ifname(args, "iface", &ifname, err);

	if (!ret)
		ret = port_arg_uint(args, "rxq", (struct port_arg_range){1, 16}, &n, err);
	if (ret)
		return ret;
	size = sizeof(*ap) + n * sizeof(struct ap_queue);
	ap = aligned_alloc(EVS_CACHE_LINE, (size + 63) & ~(size_t)63);
	if (!ap)
		return evs_error_set(err, -ENOMEM, "no memory for port '%s'", port->name);
	memset(ap, 0, size);
	ap->dev.nsid = PORT_NETDEV_HERE;
	ap->pause_max_tsc = evs_clock_ns_to_tsc(READ_PAUSE_US * 1000);
	snprintf(ap->dev.name, sizeof(ap->dev.name), "%s", ifname);
	port->priv = ap;
	ret = use_interface(port, ap, port_arg(args, "mtu") != NULL, err);
	if (ret)
		goto fail;
	port->pool = port_pool_get(PORT_MTU_DEFAULT, port->numa_node, err);
	ret = port->pool ? open_queues(port, ap, (unsigned)n, err) : -ENOMEM;
	if (ret)
		goto fail_pool;
	port->rx = ap_rx;
	port->tx = ap_tx;
	port->n_rxq = port->n_txq = (uint16_t)n;
	port->tx_caps = PORT_TX_MULTI_SEG | PORT_TX_L4_CSUM | PORT_TX_TSO;
	return 0;

fail_pool:
	if (port->pool)
		port_pool_put(port->pool);
fail:
	free(ap);
	return ret;
}

static void ap_destroy(struct port *port)
{
	close_queues(port->priv);
	free(port->priv);
	port_pool_put(port->pool);
}

static const struct port_option options[] = {
        {"iface", "NAME", "an interface in evsd's network namespace", PORT_OPTION_REQUIRED, NULL},
        {"rxq", "N", "queues, 1 to 16, filled by flow hash", 0, "1"},
        {NULL, NULL, NULL, 0, NULL},
};

const struct port_type port_af_packet_type = {
        .name = "af-packet",
        .help = "a kernel interface, by packet sockets",
        .options = options,
        .has_datapath = true,
        .create = ap_create,
        .destroy = ap_destroy,
        .arm = ap_arm,
        .disarm = ap_disarm,
        .set_mtu = ap_set_mtu,
        .set_mac = ap_set_mac,
        .set_admin = ap_set_admin,
        .get_link = ap_get_link,
        .get_status = ap_get_status,
        .get_xstats = ap_get_xstats,
};
