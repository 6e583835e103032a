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
#include <fcntl.h>
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
	uint32_t caps = PORT_TX_MULTI_SEG | (features & VHU_NOT_OURS ? 0 : PORT_TX_LENT);

	if (features & 1ull << VIRTIO_NET_F_GUEST_CSUM)
		caps |= PORT_TX_L4_CSUM;
	if ((caps & PORT_TX_L4_CSUM) && (features & tso) == tso)
		caps |= PORT_TX_TSO;
	if ((caps & PORT_TX_L4_CSUM) && (features & 1ull << VIRTIO_NET_F_GUEST_UFO))
		caps |= PORT_TX_UFO;
	return caps;
}

static void gather(int vid, struct vhu_facts *facts)
{
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
}

static void wait_for_workers(void)
{
	uint64_t token = rte_rcu_qsbr_start(evs_rcu);

	while (rte_rcu_qsbr_check(evs_rcu, token, false) == 0)
		usleep(GRACE_POLL_US);
}

/* Under vhu->lock. */
static struct vhu_conn *conn_of(struct vhu *vhu, int vid)
{
	for (unsigned i = 0; i < VHU_MAX_CONNS; i++)
		if (vhu->conn[i].vid == vid)
			return &vhu->conn[i];
	return NULL;
}

static struct vhu_conn *ready_conn(struct vhu *vhu)
{
	for (unsigned i = 0; i < VHU_MAX_CONNS; i++)
		if (vhu->conn[i].vid != VHU_NO_DEVICE && vhu->conn[i].is_ready)
			return &vhu->conn[i];
	return NULL;
}

bool vhu_get_facts(struct vhu *vhu, struct vhu_facts *facts)
{
	bool connected = false;
	struct vhu_conn *conn;

	memset(facts, 0, sizeof(*facts));
	pthread_mutex_lock(&vhu->lock);
	for (unsigned i = 0; i < VHU_MAX_CONNS; i++)
		connected |= vhu->conn[i].vid != VHU_NO_DEVICE;
	conn = conn_of(vhu, evs_load_relaxed(&vhu->vid));
	if (conn && conn->vid != VHU_NO_DEVICE)
		*facts = conn->facts;
	pthread_mutex_unlock(&vhu->lock);
	return connected;
}

/* Workers serve this device from now on. Under vhu->lock. */
static void serve(struct vhu *vhu, struct vhu_conn *conn)
{
	evs_store_release(&vhu->rings, conn->rings);
	vhu_steer_map(vhu);
	evs_store_relaxed(&vhu->served, conn);
	evs_store_relaxed(&vhu->port->tx_caps, vhu_caps(conn->facts.features));
	evs_store_relaxed(&vhu->port->drop_full, PKT_DROP_GUEST_RING_FULL);
	vhu_announce_start(vhu);
	evs_store_release(&vhu->vid, conn->vid);
	port_wake();
}

/* Workers serve no device when this returns. No lock may be held. */
static void withdraw(struct vhu *vhu)
{
	if (evs_load_acquire(&vhu->vid) == VHU_NO_DEVICE)
		return;
	evs_store_relaxed(&vhu->port->drop_full, PKT_DROP_GUEST_NOT_READY);
	evs_store_relaxed(&vhu->port->tx_caps, vhu_caps(0));
	evs_store_release(&vhu->vid, VHU_NO_DEVICE);
	if (!evs_load_acquire(&vhu->is_closing)) /* else no worker has the port any more */
		wait_for_workers();
}

struct vhu_conn *vhu_conn_lookup(int vid)
{
	struct vhu *vhu = of_device(vid);
	struct vhu_conn *conn = NULL;

	if (!vhu)
		return NULL;
	pthread_mutex_lock(&vhu->lock);
	conn = conn_of(vhu, vid);
	pthread_mutex_unlock(&vhu->lock);
	return conn;
}

bool vhu_memory_changed(struct vhu_conn *conn)
{
	struct rte_vhost_memory *mem = NULL;
	bool is_safe = true;
	uint64_t bytes = 0;

	if (rte_vhost_get_mem_table(conn->vid, &mem))
		return true;
	vhu_guard_del(conn);
	conn->mem.n = EVS_MIN(mem->nregions, (uint32_t)VHU_MEM_REGIONS);
	for (uint32_t i = 0; i < conn->mem.n; i++) {
		conn->mem.region[i].gpa = mem->regions[i].guest_phys_addr;
		conn->mem.region[i].size = mem->regions[i].size;
		conn->mem.region[i].hva = (void *)(uintptr_t)mem->regions[i].host_user_addr;
		is_safe &=
		        vhu_guard_add(conn, mem->regions[i].mmap_addr, mem->regions[i].mmap_size);
		bytes += mem->regions[i].size;
	}
	pthread_mutex_lock(&conn->vhu->lock);
	/* Closed meanwhile: of one that is ready, on_destroy_device takes the guards away. */
	if (!evs_load_acquire(&conn->vhu->is_open) && !conn->is_ready)
		vhu_guard_del(conn);
	conn->facts.n_regions = mem->nregions;
	conn->facts.memory_bytes = bytes;
	pthread_mutex_unlock(&conn->vhu->lock);
	free(mem);
	return is_safe;
}

static int on_new_device(int vid)
{
	struct vhu *vhu = of_device(vid);
	struct vhu_facts facts = {0};
	struct vhu_conn *conn;

	if (!vhu)
		return -1;
	gather(vid, &facts);
	withdraw(vhu); /* who comes last is served */
	pthread_mutex_lock(&vhu->lock);
	conn = conn_of(vhu, vid);
	if (conn && (!conn->has_memory || !evs_load_acquire(&vhu->is_open)))
		conn = NULL;
	if (conn) {
		facts.n_regions = conn->facts.n_regions;
		facts.memory_bytes = conn->facts.memory_bytes;
		conn->facts = facts;
		vhu_resume(conn);
		conn->is_ready = true;
		serve(vhu, conn);
	}
	pthread_mutex_unlock(&vhu->lock);
	if (!conn)
		return -1;
	EVS_LOG_LIMITED(vhost, INFO, "port '%s': guest is ready: %u rings, features %#llx",
	                vhu->port->name, facts.n_rings, (unsigned long long)facts.features);
	tell_control(vhu);
	return 0;
}

/* Another guest, if there is one that is ready, is served instead. */
static void stop_serving(struct vhu *vhu)
{
	struct vhu_conn *conn;

	withdraw(vhu);
	pthread_mutex_lock(&vhu->lock);
	conn = ready_conn(vhu);
	if (conn)
		serve(vhu, conn);
	pthread_mutex_unlock(&vhu->lock);
	EVS_LOG_LIMITED(vhost, INFO, "port '%s': guest is gone", vhu->port->name);
	tell_control(vhu);
}

static void on_destroy_device(int vid)
{
	struct vhu *vhu = of_device(vid);
	struct vhu_conn *conn;

	if (!vhu)
		return;
	pthread_mutex_lock(&vhu->lock);
	conn = conn_of(vhu, vid);
	if (conn) {
		conn->is_ready = false;
		conn->is_leaving = true;
	}
	pthread_mutex_unlock(&vhu->lock);
	if (conn)
		vhu_rings_pause(conn, VHU_REST_FOR_GOOD);
	if (evs_load_acquire(&vhu->vid) == vid)
		stop_serving(vhu);
	if (!conn)
		return;
	pthread_mutex_lock(&vhu->lock);
	conn->is_leaving = false;
	if (!evs_load_acquire(&vhu->is_open)) /* the library unmaps its memory when we return */
		vhu_guard_del(conn);
	pthread_mutex_unlock(&vhu->lock);
}

/* Of the guest that is served, frames go only to rings that are enabled. Under vhu->lock. */
static void set_ring(struct vhu *vhu, struct vhu_conn *conn, uint16_t ring, bool enable)
{
	const uint64_t bit = 1ull << ring;

	conn->rings = enable ? conn->rings | bit : conn->rings & ~bit;
	if (enable)
		vhu_rings_enable(conn, ring, true);
	if (evs_load_relaxed(&vhu->vid) == conn->vid) {
		evs_store_release(&vhu->rings, conn->rings);
		vhu_steer_map(vhu);
	}
	if (!enable)
		vhu_rings_enable(conn, ring, false);
}

static int on_ring(int vid, uint16_t ring, int enable)
{
	struct vhu *vhu = of_device(vid);
	struct vhu_conn *conn;

	if (!vhu || ring >= 2 * VHU_MAX_PAIRS)
		return 0; /* more queues than we serve: they stay idle */
	pthread_mutex_lock(&vhu->lock);
	conn = conn_of(vhu, vid);
	if (conn && (enable || !conn->is_calling)) /* it stops rings only to change the file */
		set_ring(vhu, conn, ring, enable);
	pthread_mutex_unlock(&vhu->lock);
	tell_control(vhu);
	return 0;
}

/* The dirty log of a migration goes on or off. */
static int on_features(int vid, uint64_t features)
{
	struct vhu *vhu = of_device(vid);
	struct vhu_conn *conn;

	if (!vhu)
		return 0;
	pthread_mutex_lock(&vhu->lock);
	conn = conn_of(vhu, vid);
	if (conn)
		conn->facts.features = features;
	pthread_mutex_unlock(&vhu->lock);
	return 0;
}

bool vhu_kick_set(struct vhu_conn *conn, uint32_t ring, int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0), old;

	if (copy < 0 && fd >= 0)
		return false;
	pthread_mutex_lock(&conn->vhu->lock);
	old = conn->kick_fd[ring];
	conn->kick_fd[ring] = copy;
	pthread_mutex_unlock(&conn->vhu->lock);
	if (old >= 0)
		close(old);
	return true;
}

static void give_up(struct vhu_conn *conn)
{
	for (uint32_t ring = 0; ring < VHU_N_RINGS; ring++) {
		vhu_kick_set(conn, ring, -1);
		vhu_rings_call(conn, ring, -1);
	}
	vhu_channel_close(conn);
	vhu_rings_forget(conn);
	for (uint32_t ring = 0; ring < VHU_N_RINGS; ring++) {
		free(conn->ring[ring].kept);
		conn->ring[ring].kept = NULL;
	}
	vhu_guard_del(conn);
	close(conn->fd);
	conn->fd = -1;
}

static struct vhu_conn *take_conn(struct vhu *vhu, int vid, int fd)
{
	struct vhu_conn *conn;

	pthread_mutex_lock(&vhu->lock);
	conn = conn_of(vhu, VHU_NO_DEVICE);
	if (conn) {
		memset(conn, 0, sizeof(*conn));
		conn->vid = vid;
		conn->fd = fd;
		conn->vhu = vhu;
		memset(conn->kick_fd, -1, sizeof(conn->kick_fd));
		for (unsigned ring = 0; ring < VHU_N_RINGS; ring++)
			conn->ring[ring].call_fd = -1;
		evs_counter_add(&vhu->n_connects, 1);
	}
	pthread_mutex_unlock(&vhu->lock);
	return conn;
}

/* The library closes it, and as a client does not try again. */
static int refuse(struct vhu *vhu, const char *why)
{
	EVS_LOG_LIMITED(vhost, WARN, "port '%s': a connection of '%s' is refused: %s",
	                vhu->port->name, vhu->path, why);
	evs_store_release(&vhu->is_refused, true);
	tell_control(vhu);
	return -1;
}

static int on_connect(int vid)
{
	struct vhu *vhu = of_device(vid);
	struct vhu_conn *conn;
	int fd;

	if (!vhu)
		return -1;
	fd = vhu_socket_find(vhu);
	if (fd < 0) /* it would have no time-outs, and could hold up all others */
		return refuse(
		        vhu, fd == -EXDEV ? "it can not be told from other sockets: let the "
		                            "guest's side bind it under this path"
		                          : "no descriptor of it can be had: raise LimitNOFILE (or "
		                            "ulimit -n), or mount /proc");
	conn = take_conn(vhu, vid, fd);
	if (!conn) {
		close(fd);
		return refuse(vhu, "there are too many");
	}
	vhu_vet(conn);
	EVS_LOG_LIMITED(vhost, INFO, "port '%s': socket is connected", vhu->port->name);
	return 0;
}

void vhu_conn_end(struct vhu_conn *conn)
{
	give_up(conn);
	pthread_mutex_lock(&conn->vhu->lock);
	conn->vid = VHU_NO_DEVICE;
	pthread_mutex_unlock(&conn->vhu->lock);
}

static void on_disconnect(int vid)
{
	struct vhu_conn *conn = vhu_conn_lookup(vid);

	if (!conn)
		return;
	vhu_hurry_hush(false); /* its last message may not have come to that */
	vhu_rings_pause(conn, VHU_REST_FOR_GOOD);
	if (evs_load_relaxed(&conn->is_cut)) {
		evs_counter_add(&conn->vhu->n_cuts, 1);
		EVS_LOG_LIMITED(vhost, WARN,
		                "port '%s': the guest took memory away that it had shared (or its "
		                "host has no memory left for it: prealloc=on, or a larger "
		                "/dev/shm), and was disconnected",
		                conn->vhu->port->name);
	}
	vhu_conn_end(conn);
	tell_control(conn->vhu); /* that it may have to look for the next one */
}

/* The library calls a guest in the worker that serves it, and tells the device only. */
static __thread struct vhu_ring *called;

void vhu_call_for(struct vhu_conn *conn, uint16_t ring)
{
	called = &conn->ring[ring];
}

/* Under the library's lock of the ring, so that no message changes the file meanwhile. */
static void on_call(int vid)
{
	(void)vid;
	if (called)
		vhu_ring_call(called);
}

const struct rte_vhost_device_ops vhu_ops = {
        .new_device = on_new_device,
        .destroy_device = on_destroy_device,
        .vring_state_changed = on_ring,
        .features_changed = on_features,
        .new_connection = on_connect,
        .destroy_connection = on_disconnect,
        .guest_notified = on_call,
};
