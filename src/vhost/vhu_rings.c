/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings that evs serves itself: placed as the library has them, taken away for messages that
 * change them; see vhu_ring_pvt.h. Threads: vhost.
 */
#include <fcntl.h>
#include <rte_vhost.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhost/vhu_pvt.h"

#define BIT(n)       (1ull << (n))
#define LONG_HDR     (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF))
#define LOG_ALL      BIT(26)
#define DEBT_POLL_US 5

/* With any of these the header before a frame means something: of frames to a guest, and from it.
 */
static const uint64_t offloads[2] = {
        BIT(VIRTIO_NET_F_GUEST_CSUM),
        BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
                BIT(VIRTIO_NET_F_HOST_UFO),
};

/* Under the ring's lock, which is let go for moments if frames are given. */
static void end_keeping(struct vhu_conn *conn, struct vhu_ring *ring, bool gives)
{
	uint16_t lost = vhu_keep_end(ring, gives);

	if (!lost)
		return;
	__atomic_fetch_add(&conn->vhu->n_lost, lost, __ATOMIC_RELAXED);
	__atomic_fetch_add(&ring->n_drops, lost, __ATOMIC_RELAXED);
}

/* Returns whether it has become so. port_wake follows then: frames may be there, and no worker has
 * armed it. */
static bool set_active(struct vhu_conn *conn, struct vhu_ring *ring)
{
	const bool is_active = ring->is_placed && ring->is_enabled;
	bool is_new;

	rte_spinlock_lock(&ring->lock);
	if (is_active && ring->room + ring->n_kept)
		end_keeping(conn, ring, true);
	is_new = is_active && !ring->is_active;
	ring->is_active = is_active;
	if (!is_active && !ring->is_lent)
		vhu_ring_return(ring);
	rte_spinlock_unlock(&ring->lock);
	return is_new;
}

/* What workers still hold of it they give back (await_debt). */
static void set_resting(struct vhu_ring *ring, enum vhu_rest rest)
{
	rte_spinlock_lock(&ring->lock);
	if (ring->is_active && rest == VHU_REST_A_MOMENT && !(ring->index & 1))
		vhu_keep_begin(ring);
	ring->is_placed = ring->is_active = false;
	rte_spinlock_unlock(&ring->lock);
}

/* Until the worker has given back what it holds of the ring, which takes it a turn of its loop. It
 * can not be waiting for us: what it sends to a guest whose frames it holds goes by rings of ours,
 * and of all other guests none has a message handled now. */
static void await_debt(struct vhu_ring *ring)
{
	bool is_lent;

	for (;;) {
		rte_spinlock_lock(&ring->lock);
		is_lent = ring->is_lent;
		if (!is_lent)
			vhu_ring_return(ring);
		rte_spinlock_unlock(&ring->lock);
		if (!is_lent)
			return;
		usleep(DEBT_POLL_US);
	}
}

void vhu_ring_pause(struct vhu_conn *conn, unsigned i, enum vhu_rest rest)
{
	struct vhu_ring *ring = &conn->ring[i];

	if (!ring->is_placed)
		return;
	if (rest == VHU_REST_A_MOMENT && !(i & 1))
		vhu_keep_alloc(ring);
	set_resting(ring, rest);
	await_debt(ring);
	rte_vhost_set_vring_base(conn->vid, ring->index, ring->last_avail, ring->last_used);
}

void vhu_rings_pause(struct vhu_conn *conn, enum vhu_rest rest)
{
	for (unsigned i = 0; i < VHU_N_RINGS; i++)
		vhu_ring_pause(conn, i, rest);
}

void vhu_rings_forget(struct vhu_conn *conn)
{
	for (unsigned i = 0; i < VHU_N_RINGS; i += 2) {
		struct vhu_ring *ring = &conn->ring[i];

		rte_spinlock_lock(&ring->lock);
		if (ring->room + ring->n_kept)
			end_keeping(conn, ring, false);
		rte_spinlock_unlock(&ring->lock);
	}
}

bool vhu_rings_call(struct vhu_conn *conn, unsigned i, int fd)
{
	struct vhu_ring *ring = &conn->ring[i];
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0), old;

	if (copy < 0 && fd >= 0)
		return false;
	rte_spinlock_lock(&ring->lock);
	old = ring->call_fd;
	ring->call_fd = copy;
	rte_spinlock_unlock(&ring->lock);
	if (old >= 0)
		close(old);
	return true;
}

bool vhu_mem_holds(const struct vhu_mem *mem, const void *start, size_t size, uintptr_t align)
{
	for (unsigned i = 0; i < mem->n; i++) {
		uintptr_t offset = (uintptr_t)start - (uintptr_t)mem->region[i].hva;

		if (offset < mem->region[i].size && size <= mem->region[i].size - offset)
			return ((uintptr_t)start & (align - 1)) == 0;
	}
	return false;
}

uint64_t vhu_mem_gpa(const struct vhu_mem *mem, const void *at)
{
	for (unsigned i = 0; i < mem->n; i++) {
		uintptr_t offset = (uintptr_t)at - (uintptr_t)mem->region[i].hva;

		if (offset < mem->region[i].size)
			return mem->region[i].gpa + offset;
	}
	return 0;
}

/* A packed ring that starts: was it served before, and how far? */
static void resume(struct vhu_conn *conn, struct vhu_ring *ring,
                   const struct rte_vhost_vring *vring, uint64_t features)
{
	if (conn->resumed >> ring->index & 1)
		return;
	conn->resumed |= BIT(ring->index);
	if (!vhu_mem_holds(ring->mem, vring->desc_packed,
	                   vring->size * sizeof(struct vring_packed_desc), 16))
		return;
	ring->last_avail = vhu_resume_from(ring->index, features, vring, ring->last_avail);
	ring->last_used = ring->last_avail;
}

/* Returns whether the ring has become active. */
static bool place(struct vhu_conn *conn, uint16_t index, uint64_t features)
{
	struct vhu_ring *ring = &conn->ring[index];
	struct rte_vhost_vring vring = {0};

	if (!(conn->started >> index & 1) || /* so it has its size and place */
	    rte_vhost_get_vhost_vring(conn->vid, index, &vring) || !vring.size || !vring.desc ||
	    rte_vhost_get_vring_base(conn->vid, index, &ring->last_avail, &ring->last_used))
		return false;
	ring->vid = conn->vid;
	ring->index = index;
	ring->size = vring.size;
	ring->kick_fd = vring.kickfd;
	ring->mem = &conn->mem;
	ring->event_idx = features & BIT(VIRTIO_RING_F_EVENT_IDX);
	ring->offloads = features & offloads[index & 1];
	ring->merges = features & BIT(VIRTIO_NET_F_MRG_RXBUF);
	ring->log = features & LOG_ALL;
	ring->hdr_size = features & LONG_HDR ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
	                                     : sizeof(struct virtio_net_hdr);
	ring->has_called = ring->has_no_end = false;
	ring->layout = features & BIT(VIRTIO_F_RING_PACKED) ? &vhu_packed : &vhu_split;
	if (ring->layout == &vhu_packed)
		resume(conn, ring, &vring, features);
	ring->is_placed = ring->layout->start(ring, &vring);
	return set_active(conn, ring);
}

void vhu_rings_place(struct vhu_conn *conn)
{
	uint64_t features = 0;
	bool any = false;

	rte_vhost_get_negotiated_features(conn->vid, &features);
	evs_store_relaxed(&conn->is_ours, !(features & VHU_NOT_OURS));
	if (!conn->is_ours || !conn->has_memory)
		return;
	for (uint16_t i = 0; i < VHU_N_RINGS; i++)
		if (!conn->ring[i].is_placed)
			any |= place(conn, i, features);
	if (any)
		port_wake();
}

void vhu_rings_enable(struct vhu_conn *conn, uint16_t index, bool enable)
{
	if (index >= VHU_N_RINGS)
		return;
	conn->ring[index].is_enabled = enable;
	if (set_active(conn, &conn->ring[index]))
		port_wake();
}
