/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What DPDK's vhost library tells: a guest is there, gone, has enabled a ring.
 * Threads: the library's, but destroy_device also control (while a port is destroyed).
 * Owner: the mailbox of each port; the list of ports under vhu_list_lock.
 *
 * Some callbacks come with locks of the rings held, on which a worker may be spinning: so only
 * destroy_device waits, for which the library holds none.
 */
#include <linux/virtio_net.h>
#include <rte_vhost.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/evs_log.h"
#include "vhost/vhu_pvt.h"

#define GRACE_POLL_US 20

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vhu *list;

static struct vhu *find(const char *path)
{
	struct vhu *vhu = list;

	while (vhu && strcmp(vhu->path, path))
		vhu = vhu->next;
	return vhu;
}

int vhu_list_add(struct vhu *vhu)
{
	int ret = -EEXIST;

	pthread_mutex_lock(&list_lock);
	if (!find(vhu->path)) {
		vhu->next = list;
		list = vhu;
		ret = 0;
	}
	pthread_mutex_unlock(&list_lock);
	return ret;
}

void vhu_list_del(struct vhu *vhu)
{
	struct vhu **link = &list;

	pthread_mutex_lock(&list_lock);
	while (*link && *link != vhu)
		link = &(*link)->next;
	if (*link)
		*link = vhu->next;
	pthread_mutex_unlock(&list_lock);
}

/* A port leaves the list only after the library forgot its socket: what is found stays. */
static struct vhu *of_device(int vid)
{
	char path[VHU_PATH_LEN] = "";
	struct vhu *vhu;

	if (rte_vhost_get_ifname(vid, path, sizeof(path)))
		return NULL;
	pthread_mutex_lock(&list_lock);
	vhu = find(path);
	pthread_mutex_unlock(&list_lock);
	return vhu;
}

static void tell_control(struct vhu *vhu)
{
	evs_store_release(&vhu->port->link_check, true);
	port_link_wake();
}

uint32_t vhu_caps(uint64_t features)
{
	const uint64_t tso = 1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_GUEST_TSO6;
	uint32_t caps = PORT_TX_MULTI_SEG;

	if (features & 1ull << VIRTIO_NET_F_GUEST_CSUM)
		caps |= PORT_TX_L4_CSUM;
	if ((caps & PORT_TX_L4_CSUM) && (features & tso) == tso)
		caps |= PORT_TX_TSO;
	return caps;
}

static void gather(int vid, struct vhu_facts *facts)
{
	struct rte_vhost_memory *mem = NULL;

	rte_vhost_get_negotiated_features(vid, &facts->features);
	facts->numa_node = rte_vhost_get_numa_node(vid);
	facts->n_rings = EVS_MIN(rte_vhost_get_vring_num(vid), (uint16_t)(2 * VHU_MAX_PAIRS));
	if (rte_vhost_get_mtu(vid, &facts->mtu))
		facts->mtu = 0;
	for (uint16_t i = 0; i < facts->n_rings; i++) {
		struct rte_vhost_vring ring = {0};

		if (!rte_vhost_get_vhost_vring(vid, i, &ring))
			facts->ring_size[i] = ring.size;
	}
	facts->n_regions = 0;
	facts->memory_bytes = 0;
	if (rte_vhost_get_mem_table(vid, &mem))
		return;
	facts->n_regions = mem->nregions;
	for (uint32_t i = 0; i < mem->nregions; i++)
		facts->memory_bytes += mem->regions[i].size;
	free(mem);
}

static int on_new_device(int vid)
{
	struct vhu *vhu = of_device(vid);
	struct vhu_facts facts = {.connected = true};

	if (!vhu)
		return -1;
	gather(vid, &facts);
	pthread_mutex_lock(&vhu->lock);
	vhu->facts = facts;
	pthread_mutex_unlock(&vhu->lock);
	evs_store_relaxed(&vhu->port->tx_caps, vhu_caps(facts.features));
	evs_store_relaxed(&vhu->port->drop_full, PKT_DROP_GUEST_RING_FULL);
	evs_store_release(&vhu->vid, vid);
	EVS_LOG(vhost, INFO, "port '%s': guest is ready: %u rings, features %#llx", vhu->port->name,
	        facts.n_rings, (unsigned long long)facts.features);
	tell_control(vhu);
	return 0;
}

static void wait_for_workers(void)
{
	uint64_t token = rte_rcu_qsbr_start(evs_rcu);

	while (rte_rcu_qsbr_check(evs_rcu, token, false) == 0)
		usleep(GRACE_POLL_US);
}

static void on_destroy_device(int vid)
{
	struct vhu *vhu = of_device(vid);

	if (!vhu || evs_load_acquire(&vhu->vid) != vid)
		return;
	evs_store_relaxed(&vhu->port->drop_full, PKT_DROP_GUEST_NOT_READY);
	evs_store_relaxed(&vhu->port->tx_caps, vhu_caps(0));
	evs_store_release(&vhu->vid, VHU_NO_DEVICE);
	if (!evs_load_acquire(&vhu->is_closing)) /* else no worker has the port any more */
		wait_for_workers();
	EVS_LOG(vhost, INFO, "port '%s': guest is gone", vhu->port->name);
	tell_control(vhu);
}

static int on_ring(int vid, uint16_t ring, int enable)
{
	struct vhu *vhu = of_device(vid);

	if (!vhu || ring >= 2 * VHU_MAX_PAIRS)
		return 0; /* more queues than we serve: they stay idle */
	if (enable)
		__atomic_fetch_or(&vhu->rings, 1ull << ring, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(&vhu->rings, ~(1ull << ring), __ATOMIC_RELEASE);
	tell_control(vhu);
	return 0;
}

static int on_features(int vid, uint64_t features)
{
	struct vhu *vhu = of_device(vid);

	if (!vhu)
		return 0;
	pthread_mutex_lock(&vhu->lock);
	vhu->facts.features = features; /* the dirty log of a migration goes on or off */
	pthread_mutex_unlock(&vhu->lock);
	return 0;
}

/* One guest a port: a second one at the same socket is sent away. */
static int on_connect(int vid)
{
	struct vhu *vhu = of_device(vid);
	bool is_first;

	if (!vhu)
		return -1;
	pthread_mutex_lock(&vhu->lock);
	is_first = vhu->conn == VHU_NO_DEVICE;
	if (is_first) {
		vhu->conn = vid;
		vhu->facts = (struct vhu_facts){.connected = true};
		evs_store_release(&vhu->rings, 0);
		evs_counter_add(&vhu->n_connects, 1);
	}
	pthread_mutex_unlock(&vhu->lock);
	EVS_LOG_LIMITED(vhost, INFO, "port '%s': %s", vhu->port->name,
	                is_first ? "socket is connected" : "a second guest is sent away");
	return is_first ? 0 : -1;
}

static void on_disconnect(int vid)
{
	struct vhu *vhu = of_device(vid);

	if (!vhu)
		return;
	pthread_mutex_lock(&vhu->lock);
	if (vhu->conn == vid) {
		vhu->conn = VHU_NO_DEVICE;
		vhu->facts.connected = false;
		evs_store_release(&vhu->rings, 0);
	}
	pthread_mutex_unlock(&vhu->lock);
}

static void on_kick(int vid)
{
	struct vhu *vhu = of_device(vid);

	if (vhu)
		__atomic_fetch_add(&vhu->n_kicks, 1, __ATOMIC_RELAXED);
}

const struct rte_vhost_device_ops vhu_ops = {
        .new_device = on_new_device,
        .destroy_device = on_destroy_device,
        .vring_state_changed = on_ring,
        .features_changed = on_features,
        .new_connection = on_connect,
        .destroy_connection = on_disconnect,
        .guest_notified = on_kick,
};
