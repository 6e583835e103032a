/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port type `vhost-user`: its life, queues as the guest has them, status.
 * Threads: control. Owner: struct vhu is the port's priv.
 */
#include <rte_log.h>
#include <rte_vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_mbuf_dyn.h>

#include "base/evs_clock.h"
#include "base/evs_log.h"
#include "pkt/pkt_lent.h"
#include "port/port_args.h"
#include "vhost/vhu_pvt.h"

#define LOOK_PAUSE_NS 5000000 /* at least between two changes of queues */

static void put_pool(void *pool)
{
	port_pool_put(pool);
}

/* One buffer for a frame of the MTU; chains of usual ones do as well, only slower. */
static struct rte_mempool *get_pool(uint16_t mtu, int numa_node, struct evs_error *err)
{
	struct rte_mempool *pool = port_pool_get(mtu, numa_node, err);

	if (pool || mtu <= PORT_MTU_DEFAULT)
		return pool;
	return port_pool_get(PORT_MTU_DEFAULT, numa_node, err);
}

/* Under traffic. Without memory for others the present buffers stay. */
static void change_pool(struct port *port, struct vhu *vhu, uint16_t mtu, int numa_node)
{
	struct rte_mempool *pool = get_pool(mtu, numa_node, NULL), *old = port->pool;

	if (!pool)
		return;
	port->pool = pool;
	evs_store_release(&vhu->pool, pool);
	evs_rcu_call(put_pool, old);
}

/* Buffers follow the guest's memory. Returns whether it is somewhere else now. */
static bool follow_numa(struct port *port, struct vhu *vhu, int numa_node)
{
	if (numa_node < 0 || numa_node == port->numa_node)
		return false;
	port->numa_node = numa_node;
	change_pool(port, vhu, port->mtu, numa_node);
	return true;
}

static uint16_t count_rxq(uint64_t rings)
{
	uint16_t n = 1;

	for (uint16_t pair = 0; pair < VHU_MAX_PAIRS; pair++)
		if (rings >> (2 * pair + 1) & 1)
			n = (uint16_t)(pair + 1);
	return n;
}

/* Brings the port into line with the guest that is served. A guest may come back with the same
 * rings, and its memory elsewhere. */
static void apply(struct port *port, struct vhu *vhu, const struct vhu_facts *facts)
{
	const uint64_t rings = evs_load_acquire(&vhu->rings);
	struct evs_error err;
	uint16_t n_rxq;
	bool has_moved;

	if (facts->n_rings == 0)
		return; /* there is none */
	has_moved = follow_numa(port, vhu, facts->numa_node);
	n_rxq = count_rxq(rings);
	if (n_rxq == port->n_rxq && !has_moved)
		return;
	evs_store_relaxed(&port->n_rxq, n_rxq);
	if (port_queues_changed && port_queues_changed(port, &err))
		EVS_LOG(vhost, ERR, "%s", err.text);
}

/* There is no guest yet: we look for it, or that it can find us. */
static void wait_for_guest(struct vhu *vhu, bool waits, uint64_t now)
{
	vhu_hurry_wait(vhu, waits && vhu->is_client);
	if (waits)
		vhu_open_again(vhu, now);
	if (waits && vhu->is_client)
		vhu_hurry(now);
}

static void vhu_get_link(struct port *port, struct port_link *link)
{
	const uint64_t receiving = 0x55555555;
	struct vhu *vhu = port->priv;
	uint64_t now = evs_clock_ns();
	struct vhu_facts facts;

	if (now - vhu->last_look_ns < LOOK_PAUSE_NS) {
		port->link_polled = true; /* look again when the timer says so */
		*link = port->link;
		return;
	}
	port->link_polled = !vhu_get_facts(vhu, &facts);
	wait_for_guest(vhu, port->link_polled, now);
	vhu->last_look_ns = now;
	apply(port, vhu, &facts);
	*link = (struct port_link){.full_duplex = true};
	link->up = !(port->config & PORT_CONFIG_DOWN) && evs_load_acquire(&vhu->vid) >= 0 &&
	           (evs_load_acquire(&vhu->rings) & receiving);
}

/* The guest's device has its MTU from whoever made the guest; evs keeps to its own. */
static int vhu_set_mtu(struct port *port, uint16_t mtu, struct evs_error *err)
{
	(void)err;
	change_pool(port, port->priv, mtu, port->numa_node);
	return 0;
}

static int vhu_set(struct port *port, const struct port_args *args, struct evs_error *err)
{
	struct vhu *vhu = port->priv;
	int ret;

	pthread_mutex_lock(&vhu->lock);
	ret = vhu_steer_parse(vhu, args, err);
	if (!ret)
		vhu_steer_map(vhu);
	pthread_mutex_unlock(&vhu->lock);
	return ret;
}

static int vhu_set_mac(struct port *port, const struct rte_ether_addr *mac, struct evs_error *err)
{
	return vhu_announce_set(port->priv, mac, err);
}

static struct vhu *alloc_vhu(struct port *port)
{
	struct vhu *vhu = aligned_alloc(EVS_CACHE_LINE, sizeof(*vhu));

	if (!vhu)
		return NULL;
	memset(vhu, 0, sizeof(*vhu));
	vhu->vid = VHU_NO_DEVICE;
	for (unsigned i = 0; i < VHU_MAX_CONNS; i++)
		vhu->conn[i].vid = VHU_NO_DEVICE;
	vhu->port = port;
	pthread_mutex_init(&vhu->lock, NULL);
	return vhu;
}

static void free_vhu(struct vhu *vhu)
{
	pthread_mutex_destroy(&vhu->lock);
	free(vhu);
}

static int vhu_create(struct port *port, const struct port_args *args, struct evs_error *err)
{
	struct vhu *vhu = alloc_vhu(port);
	int ret;

	if (!vhu)
		return evs_error_set(err, -ENOMEM, "no memory for port '%s'", port->name);
	ret = vhu_open_parse(vhu, args, err);
	if (ret)
		goto fail;
	port->pool = vhu->pool = get_pool(port->mtu, port->numa_node, err);
	if (!port->pool) {
		ret = -ENOMEM;
		goto fail;
	}
	port->priv = vhu;
	port->rx = vhu_rx;
	port->tx = vhu_tx;
	port->n_rxq = 1;
	port->rxq_alloc = VHU_MAX_PAIRS;
	port->n_txq = EVS_MAX_WORKERS;
	port->tx_caps = vhu_caps(0);
	port->drop_full = PKT_DROP_GUEST_NOT_READY;
	ret = vhu_list_add(vhu);
	if (ret) {
		evs_error_set(err, ret, "socket '%s' belongs to another port", vhu->path);
		goto fail_pool;
	}
	ret = vhu_open(vhu, args, err);
	if (ret)
		goto fail_list;
	port_link_wake(); /* to look for the guest from now on */
	return 0;

fail_list:
	vhu_list_del(vhu);
fail_pool:
	port_pool_put(port->pool);
fail:
	free_vhu(vhu);
	return ret;
}

static void vhu_destroy(struct port *port)
{
	struct vhu *vhu = port->priv;

	evs_store_release(&vhu->is_closing, true);
	vhu_close(vhu);
	vhu_list_del(vhu);
	vhu_hurry_wait(vhu, false);
	free_vhu(vhu);
	port_pool_put(port->pool);
}

static const struct port_option options[] = {
        {"path", "SOCKET", "Unix socket, shared with the guest", PORT_OPTION_REQUIRED, NULL},
        {"mode", "client|server", "client: the guest makes the socket, evs connects", 0, "client"},
        {"socket-owner", "USER:GROUP", "of the socket, in mode=server (evsd's user)", 0, NULL},
        {"socket-mode", "OCTAL", "of the socket, in mode=server, as 0660; by umask else", 0, NULL},
        {"features", "[-]NAME,...", "virtio features to offer or not to offer, as packed,-tso", 0,
         NULL},
        {"tx-steering", "thread|hash",
         "to a guest of many queues: a ring for each worker, or flows spread over all",
         PORT_OPTION_CHANGEABLE, "thread"},
        {"mac", "XX:XX:XX:XX:XX:XX|none", "the guest's address, to announce it when it appears",
         PORT_OPTION_CHANGEABLE, "none"},
        {"iommu", "on|off", "offer a guest's IOMMU; not with postcopy", 0, "off"},
        {"postcopy", "on|off", "postcopy live migration", 0, "off"},
        {NULL, NULL, NULL, 0, NULL},
};

const struct port_type vhu_port_type = {
        .name = "vhost-user",
        .help = "a virtual machine, or a container with virtio-user",
        .options = options,
        .has_datapath = true,
        .create = vhu_create,
        .destroy = vhu_destroy,
        .arm = vhu_arm,
        .disarm = vhu_disarm,
        .refused = vhu_refused,
        .set = vhu_set,
        .set_mtu = vhu_set_mtu,
        .set_mac = vhu_set_mac,
        .get_link = vhu_get_link,
        .get_status = vhu_get_status,
        .get_xstats = vhu_get_xstats,
};

int vhu_init(struct evs_error *err)
{
	static const struct rte_mbuf_dynflag lent_flag = {.name = "evs_lent"};

	if (rte_mbuf_dynflag_register_bitnum(&lent_flag, PKT_LENT_BIT) != PKT_LENT_BIT)
		return evs_error_set(err, -EBUSY, "flag %d of packets is in use by a driver",
		                     PKT_LENT_BIT);
	vhu_open_log(RTE_LOG_CRIT);
	rte_log_set_level_pattern("lib.vhost.data", RTE_LOG_CRIT);
	vhu_guard_init();
	vhu_call_init();
	port_type_add(&vhu_port_type);
	return 0;
}
