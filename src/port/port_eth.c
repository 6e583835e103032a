/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, configuring and closing an ethdev. See port_eth.h; port_eth_ops.c has the rest.
 * Threads: control; the burst functions below run in workers.
 *
 * Transmit offloads are taken as the driver offers them, but not MBUF_FAST_FREE: buffers of one
 * burst come from several pools and, when flooded, have several owners.
 */
#include "port/port_eth.h"

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_bitmap.h"
#include "base/evs_log.h"
#include "port/port_pvt.h"

#define N_RX_DESC     1024
#define MAX_OWN_MBUFS (1u << 20)
#define N_TX_DESC     1024
#define RSS_WISH      (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP)

static EVS_HOT uint16_t eth_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                               uint16_t n)
{
	return rte_eth_rx_burst(port->ethdev_id, queue, mbufs, n);
}

static EVS_HOT uint16_t eth_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                               uint16_t n)
{
	return rte_eth_tx_burst(port->ethdev_id, queue, mbufs, n);
}

/* The driver's preparation writes checksum fields and the device reads them later: a shared
 * frame is copied. False: no buffer. */
static EVS_COLD bool make_own(struct port *port, struct rte_mbuf **m)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(*m, port->pool, 0, UINT32_MAX);

	if (!copy)
		return false;
	rte_pktmbuf_free(*m);
	*m = copy;
	return true;
}

/* A frame as a driver may have it. To be cut right, IPv4 must ask for the header's checksum too
 * (rte_mbuf_core.h, TX_TCP_SEG). False: no buffer. */
static EVS_HOT bool make_ready(struct port *port, struct rte_mbuf **m)
{
	const uint64_t cut = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;

	if (!((*m)->ol_flags & PKT_TX_REQUEST))
		return true;
	if ((rte_mbuf_refcnt_read(*m) > 1 || !RTE_MBUF_DIRECT(*m)) && !make_own(port, m))
		return false;
	if (((*m)->ol_flags & cut) == cut)
		(*m)->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	return true;
}

/* Of a device that fills in checksums: its driver wants to see such frames first. */
static EVS_HOT uint16_t eth_tx_offload(struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                                       uint16_t n)
{
	uint64_t any = 0;
	uint16_t i, sent;

	for (i = 0; i < n; i++)
		any |= mbufs[i]->ol_flags;
	if (evs_likely(!(any & PKT_TX_REQUEST)))
		return rte_eth_tx_burst(port->ethdev_id, queue, mbufs, n);
	for (i = 0; i < n;) {
		if (make_ready(port, &mbufs[i]))
			i++;
		else
			port_tx_put_aside(mbufs, i, n--);
	}
	for (sent = 0; sent < n;) {
		uint16_t good = rte_eth_tx_prepare(port->ethdev_id, queue, mbufs + sent,
		                                   (uint16_t)(n - sent));
		uint16_t taken = rte_eth_tx_burst(port->ethdev_id, queue, mbufs + sent, good);

		sent = (uint16_t)(sent + taken);
		if (taken < good || sent == n)
			break;
		port_tx_put_aside(mbufs, sent, n--);
	}
	return sent;
}

/* Who uses an ethdev [ctl]. Not DPDK's ownership, which would hide the device from the list that
 * telemetry gives. */
static const struct port *users[RTE_MAX_ETHPORTS];

static int find_device(const char *devargs, uint16_t *id)
{
	struct rte_dev_iterator it;
	uint16_t found = RTE_MAX_ETHPORTS, i;

	RTE_ETH_FOREACH_MATCHING_DEV(i, devargs, &it)
	if (found == RTE_MAX_ETHPORTS && !users[i])
		found = i;
	*id = found;
	return found == RTE_MAX_ETHPORTS ? -ENODEV : 0;
}

/* The device's own name: devargs up to the first comma. */
static void device_name(const char *devargs, char *name, size_t size)
{
	snprintf(name, size, "%.*s", (int)strcspn(devargs, ","), devargs);
}

static int attach(struct port_eth *eth, struct evs_error *err)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t id;
	int ret;

	device_name(eth->devargs, name, sizeof(name));
	if (!rte_eth_dev_get_port_by_name(name, &id)) {
		if (users[id])
			return evs_error_set(
			        err, -EBUSY,
			        "device '%s' is in use by port '%s': delete that first", name,
			        users[id]->name);
		eth->id = id; /* named on evsd's command line */
		return 0;
	}
	ret = rte_eth_dev_count_total() < RTE_MAX_ETHPORTS ? rte_dev_probe(eth->devargs) : -ENOSPC;
	if (ret == -ENOSPC)
		return evs_error_set(err, ret,
		                     "no room for '%s': this build of DPDK takes %d devices, and "
		                     "all are in use (ports of type tap, af-packet and vhost-user "
		                     "do not count)",
		                     eth->devargs, RTE_MAX_ETHPORTS);
	if (ret < 0)
		return evs_error_set(
		        err, ret,
		        "DPDK could not attach '%s' (%s): check the driver's name and "
		        "parameters, and that the device is bound to a driver for user "
		        "space; evsd's log has the driver's words",
		        eth->devargs, strerror(-ret));
	eth->plugged_in = true;
	if (find_device(eth->devargs, &eth->id) && rte_eth_dev_get_port_by_name(name, &eth->id))
		return evs_error_set(err, -ENODEV,
		                     "DPDK attached '%s', but no Ethernet device came of it",
		                     eth->devargs);
	return 0;
}

static int on_event(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret_param)
{
	struct port *port = arg;

	(void)ret_param;
	if (type == RTE_ETH_EVENT_INTR_RMV)
		EVS_LOG(port, ERR, "ethdev %u: its device was taken out: delete the port", id);
	evs_store_relaxed(&port->link_check, true);
	port_link_wake();
	port_wake(); /* a queue that was made anew forgot that it was armed */
	return 0;
}

static uint32_t caps_of(uint64_t offloads)
{
	const uint64_t l4 = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint64_t cut = l4 | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO;
	uint32_t caps = 0;

	if (offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
		caps |= PORT_TX_MULTI_SEG;
	if ((offloads & l4) == l4)
		caps |= PORT_TX_L4_CSUM;
	if ((offloads & cut) == cut)
		caps |= PORT_TX_TSO;
	return caps;
}

static void choose_conf(struct port *port, struct port_eth *eth,
                        const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	const uint64_t tx_wish = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
	                         RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
	                         RTE_ETH_TX_OFFLOAD_TCP_TSO;

	memset(conf, 0, sizeof(*conf));
	conf->rxmode.mtu = port->mtu;
	conf->txmode.offloads = info->tx_offload_capa & tx_wish;
	if (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) {
		eth->scatters = true;
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	}
	if (port->n_rxq > 1 && (info->flow_type_rss_offloads & RSS_WISH)) {
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & RSS_WISH;
	}
	eth->has_lsc = *info->dev_flags & RTE_ETH_DEV_INTR_LSC;
	conf->intr_conf.lsc = eth->has_lsc;
	conf->intr_conf.rxq = eth->has_rx_intr;
	port->tx_caps = caps_of(conf->txmode.offloads);
}

static int choose_queues(struct port *port, const struct port_eth *eth,
                         const struct rte_eth_dev_info *info, struct evs_error *err)
{
	unsigned wish = EVS_MAX(eth->n_rxq_wish, (uint16_t)1);

	if (wish > EVS_MIN((unsigned)info->max_rx_queues, (unsigned)PORT_MAX_QUEUES))
		return evs_error_set(err, -EINVAL,
		                     "rxq=%u: device '%s' has at most %u receive queues", wish,
		                     eth->devargs, info->max_rx_queues);
	port->n_rxq = (uint16_t)wish;
	port->n_txq = (uint16_t)EVS_MIN(port_max_workers, (unsigned)info->max_tx_queues);
	return 0;
}

static int get_pool(struct port *port, const struct port_eth *eth, struct evs_error *err)
{
	uint32_t frame = eth->scatters ? PORT_MTU_DEFAULT : port->mtu;

	frame = EVS_MAX(frame, eth->frame_wish);
	if (frame > PORT_MTU_MAX)
		return evs_error_set(err, -EINVAL,
		                     "frames of %u bytes are longer than the %d that "
		                     "are possible",
		                     frame, PORT_MTU_MAX);
	if (eth->n_mbufs)
		port->pool = port_pool_get_own((uint16_t)frame, port->numa_node, eth->n_mbufs, err);
	else
		port->pool = port_pool_get((uint16_t)frame, port->numa_node, err);
	return port->pool ? 0 : -ENOMEM;
}

/* A device may want more buffers than the shared pool has (net_pcap keeps a whole capture in them):
 * it gets pools of its own, twice as large each time, as long as there is memory. */
static int setup_rx_queue(struct port *port, const struct port_eth *eth, uint16_t q, uint16_t n)
{
	unsigned node = (unsigned)port->numa_node, size = port->pool->size;
	int ret;

	while ((ret = rte_eth_rx_queue_setup(eth->id, q, n, node, NULL, port->pool)) != 0 &&
	       q == 0 && !eth->n_mbufs && size < MAX_OWN_MBUFS) {
		struct rte_mempool *pool;

		size = size * 2 + 1;
		pool = port_pool_get_own(port->mtu, port->numa_node, size, NULL);
		if (!pool)
			break;
		port_pool_put(port->pool);
		port->pool = pool;
	}
	return ret;
}

static int setup_queues(struct port *port, const struct port_eth *eth, struct evs_error *err)
{
	uint16_t n_rx = N_RX_DESC, n_tx = N_TX_DESC;
	unsigned node = (unsigned)port->numa_node;
	int ret = rte_eth_dev_adjust_nb_rx_tx_desc(eth->id, &n_rx, &n_tx);

	for (uint16_t q = 0; !ret && q < port->n_txq; q++)
		ret = rte_eth_tx_queue_setup(eth->id, q, n_tx, node, NULL);
	if (ret)
		return evs_error_set(err, ret, "device '%s' refuses a transmit queue: %s",
		                     eth->devargs, strerror(-ret));
	for (uint16_t q = 0; !ret && q < port->n_rxq; q++)
		ret = setup_rx_queue(port, eth, q, n_rx);
	if (ret)
		return evs_error_set(err, ret,
		                     "device '%s' refuses a receive queue of %u descriptors with "
		                     "%u buffers: %s; mbufs=N gives the port a pool of N buffers",
		                     eth->devargs, n_rx, port->pool->size, strerror(-ret));
	return 0;
}

static int configure(struct port *port, struct port_eth *eth, struct evs_error *err)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	int ret = rte_eth_dev_info_get(eth->id, &info);

	if (ret)
		return evs_error_set(err, ret, "device '%s' does not describe itself: %s",
		                     eth->devargs, strerror(-ret));
	port->numa_node = rte_eth_dev_socket_id(eth->id);
	ret = choose_queues(port, eth, &info, err);
	if (ret)
		return ret;
	choose_conf(port, eth, &info, &conf);
	ret = rte_eth_dev_configure(eth->id, port->n_rxq, port->n_txq, &conf);
	if (ret && port->n_txq > port->n_rxq) { /* some want as many of one kind as of the other */
		port->n_txq = port->n_rxq;
		ret = rte_eth_dev_configure(eth->id, port->n_rxq, port->n_txq, &conf);
	}
	eth->refuses = ret != 0;
	if (ret)
		return evs_error_set(err, ret,
		                     "device '%s' refuses %u receive queues, %u transmit queues "
		                     "and MTU %u: %s",
		                     eth->devargs, port->n_rxq, port->n_txq, port->mtu,
		                     strerror(-ret));
	ret = get_pool(port, eth, err);
	return ret ? ret : setup_queues(port, eth, err);
}

static int run(struct port *port, struct port_eth *eth, struct evs_error *err)
{
	uint16_t mtu = 0;
	int ret = rte_eth_dev_start(eth->id);

	eth->refuses = ret != 0;
	if (ret)
		return evs_error_set(err, ret, "device '%s' does not start: %s", eth->devargs,
		                     strerror(-ret));
	if (!rte_eth_dev_get_mtu(eth->id, &mtu) && mtu != port->mtu) {
		ret = rte_eth_dev_set_mtu(eth->id, port->mtu);
		if (ret && port->mtu > mtu) {
			rte_eth_dev_stop(eth->id);
			return evs_error_set(err, ret, "device '%s' refuses MTU %u (it has %u): %s",
			                     eth->devargs, port->mtu, mtu, strerror(-ret));
		}
	}
	ret = rte_eth_promiscuous_enable(eth->id);
	if (ret && ret != -ENOTSUP)
		EVS_LOG(port, WARN, "port '%s': not promiscuous: %s", port->name, strerror(-ret));
	rte_eth_macaddr_get(eth->id, &port->mac);
	return 0;
}

static void detach(struct port_eth *eth)
{
	struct rte_eth_dev_info info = {0};
	struct rte_device *device = NULL;

	if (!rte_eth_dev_is_valid_port(eth->id))
		return;
	if (!rte_eth_dev_info_get(eth->id, &info))
		device = info.device;
	users[eth->id] = NULL;
	if (!eth->plugged_in)
		return; /* it came with evsd's command line, and stays */
	rte_eth_dev_close(eth->id);
	if (device && rte_dev_remove(device))
		EVS_LOG(port, WARN, "DPDK could not take out device '%s'", eth->devargs);
}

/* Everything from the device's configuration to its start. Leaves nothing behind if it fails. */
static int set_up(struct port *port, struct port_eth *eth, struct evs_error *err)
{
	int ret = configure(port, eth, err);

	if (!ret)
		ret = run(port, eth, err);
	if (ret && port->pool) {
		port_pool_put(port->pool);
		port->pool = NULL;
	}
	return ret;
}

static int open_device(struct port *port, struct port_eth *eth, struct evs_error *err)
{
	int ret = attach(eth, err);

	if (ret)
		goto fail;
	users[eth->id] = port;
	rte_eth_dev_callback_register(eth->id, RTE_ETH_EVENT_INTR_LSC, on_event, port);
	rte_eth_dev_callback_register(eth->id, RTE_ETH_EVENT_INTR_RMV, on_event, port);
	eth->has_rx_intr = true;
	eth->refuses = false;
	ret = set_up(port, eth, err);
	if (ret && eth->refuses) { /* there may be too few vectors for interrupts of queues */
		eth->has_rx_intr = false;
		ret = set_up(port, eth, err);
	}
	if (!ret)
		return 0;
	rte_eth_dev_callback_unregister(eth->id, RTE_ETH_EVENT_INTR_RMV, on_event, port);
	rte_eth_dev_callback_unregister(eth->id, RTE_ETH_EVENT_INTR_LSC, on_event, port);
fail:
	detach(eth);
	return ret;
}

int port_eth_open(struct port *port, struct port_eth *eth, struct evs_error *err)
{
	uint64_t sockets[EVS_BITMAP_LEN(PORT_ETH_MAX_FD)];
	int ret;

	eth->id = RTE_MAX_ETHPORTS;
	port_eth_sockets(sockets);
	ret = open_device(port, eth, err);
	if (ret)
		return ret;
	port_eth_find_wake(port, eth, sockets);
	port->ethdev_id = eth->id;
	port->priv = eth;
	port->rx = eth_rx;
	port->tx = port->tx_caps & PORT_TX_L4_CSUM ? eth_tx_offload : eth_tx;
	return 0;
}

void port_eth_close(struct port *port)
{
	struct port_eth *eth = port->priv;

	rte_eth_dev_callback_unregister(eth->id, RTE_ETH_EVENT_INTR_RMV, on_event, port);
	rte_eth_dev_callback_unregister(eth->id, RTE_ETH_EVENT_INTR_LSC, on_event, port);
	rte_eth_dev_stop(eth->id);
	detach(eth);
	port_pool_put(port->pool);
}
