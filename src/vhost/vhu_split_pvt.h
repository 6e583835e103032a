/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split rings (virtio 1.1, 2.6) as vhu_layout_pvt.h wants them: a slot is an entry of the
 * available ring, and of the used ring. Threads: worker, under the ring's lock.
 */
#ifndef VHU_SPLIT_PVT_H
#define VHU_SPLIT_PVT_H

#include "vhost/vhu_desc_pvt.h"

EVS_INLINE uint16_t vhu_split_waiting(const struct vhu_ring *ring)
{
	return (uint16_t)(evs_load_acquire(&ring->avail->idx) - ring->last_avail);
}

/* A head that is none ends the burst. */
EVS_INLINE uint16_t vhu_split_find(const struct vhu_ring *ring, uint16_t at, struct vhu_buf *bufs,
                                   uint16_t n)
{
	const uint16_t mask = (uint16_t)(ring->size - 1), first = (uint16_t)(ring->last_avail + at);

	for (uint16_t i = 0; i < n; i++) {
		bufs[i].id = evs_load_relaxed(&ring->avail->ring[(first + i) & mask]);
		if (evs_unlikely(bufs[i].id >= ring->size))
			return i;
		__builtin_prefetch(&ring->desc[bufs[i].id]);
	}
	return n;
}

int vhu_split_walk(const struct vhu_ring *ring, const struct vhu_buf *buf, vhu_desc_fn *fn,
                   void *arg);

/* The at-th entry that is not published yet. */
EVS_INLINE void vhu_split_use(struct vhu_ring *ring, uint16_t at, const struct vhu_used *used)
{
	ring->used->ring[(ring->last_used + at) & (uint16_t)(ring->size - 1)] =
	        (struct vring_used_elem){.id = used->id, .len = used->len};
}

EVS_INLINE bool vhu_split_polls(const struct vhu_ring *ring)
{
	return evs_load_relaxed(&ring->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT;
}

bool vhu_split_start(struct vhu_ring *ring, const struct rte_vhost_vring *vring); /* [vhost] */
uint16_t vhu_split_take(struct vhu_ring *ring, const struct vhu_catch *c);
uint16_t vhu_split_give(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n);
void vhu_split_publish(struct vhu_ring *ring, uint16_t n);
void vhu_split_ask(struct vhu_ring *ring, bool kicks);

#endif
