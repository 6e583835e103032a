/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of a ring: its lock, and what its layout does behind it. Threads: worker.
 */
#include "port/port.h"
#include "vhost/vhu_layout_pvt.h"

const struct vhu_layout vhu_split = {
        .start = vhu_split_start,
        .take = vhu_split_take,
        .give = vhu_split_give,
        .walk = vhu_split_walk,
        .publish = vhu_split_publish,
        .ask = vhu_split_ask,
};

const struct vhu_layout vhu_packed = {
        .start = vhu_packed_start,
        .take = vhu_packed_take,
        .give = vhu_packed_give,
        .walk = vhu_packed_walk,
        .publish = vhu_packed_publish,
        .ask = vhu_packed_ask,
};

EVS_HOT uint16_t vhu_ring_take(struct vhu_ring *ring, const struct vhu_catch *c)
{
	uint16_t got = 0;

	if (!rte_spinlock_trylock(&ring->lock))
		return 0;
	if (evs_likely(ring->is_active))
		got = ring->layout->take(ring, c);
	rte_spinlock_unlock(&ring->lock);
	return got;
}

EVS_HOT uint16_t vhu_ring_give(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t given = 0;

	rte_spinlock_lock(&ring->lock); /* held for a burst at most */
	if (evs_likely(ring->is_active))
		given = ring->layout->give(ring, mbufs, n);
	else if (ring->room)
		given = vhu_keep(ring, mbufs, n);
	rte_spinlock_unlock(&ring->lock);
	return given;
}

void vhu_ring_return(struct vhu_ring *ring)
{
	if (ring->n_open)
		ring->layout->publish(ring, ring->n_open);
	ring->n_open = 0;
}

void vhu_ring_count(struct vhu_ring *ring, struct rte_mbuf *const *mbufs, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += mbufs[i]->pkt_len;
	rte_spinlock_lock(&ring->lock);
	evs_counter_add(&ring->n_pkts, n);
	evs_counter_add(&ring->n_bytes, bytes);
	rte_spinlock_unlock(&ring->lock);
}

EVS_HOT void vhu_ring_call(struct vhu_ring *ring)
{
	if (ring->call_fd < 0)
		return;
	evs_counter_add(&ring->n_calls, 1);
	vhu_call(ring->call_fd);
}

int vhu_ring_arm(struct vhu_ring *ring)
{
	int fd = PORT_ARM_SILENT;

	rte_spinlock_lock(&ring->lock);
	if (ring->is_active) {
		fd = ring->kick_fd >= 0 ? ring->kick_fd : PORT_ARM_NEVER;
		if (fd >= 0)
			ring->layout->ask(ring, true);
	}
	rte_spinlock_unlock(&ring->lock);
	return fd;
}

void vhu_ring_disarm(struct vhu_ring *ring)
{
	rte_spinlock_lock(&ring->lock);
	if (ring->is_active)
		ring->layout->ask(ring, false);
	rte_spinlock_unlock(&ring->lock);
}

bool vhu_ring_can_kick(struct vhu_ring *ring)
{
	bool can;

	rte_spinlock_lock(&ring->lock);
	can = !ring->is_active || ring->kick_fd >= 0;
	rte_spinlock_unlock(&ring->lock);
	return can;
}
