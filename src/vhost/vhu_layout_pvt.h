/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What taking and giving ask of a ring, whatever its layout. Threads: worker, under the ring's
 * lock.
 *
 * A buffer lies in one or more slots of the ring, one after another. Slots are counted from the
 * first one that was not taken yet, or, of buffers that are used, from the first one that was not
 * published yet: they are used in the order in which they came.
 */
#ifndef VHU_LAYOUT_PVT_H
#define VHU_LAYOUT_PVT_H

#include "vhost/vhu_split_pvt.h"

/* So many slots may be taken at most. Once a burst: the guest adds to them meanwhile. */
EVS_INLINE uint16_t vhu_slots_waiting(const struct vhu_ring *ring)
{
	return vhu_split_waiting(ring);
}

/* Finds up to n buffers in the slots from `at` on, of which there are as many, and starts to fetch
 * them: vhu_buf_read when all are known; direction: VRING_DESC_F_WRITE, or 0 to read from it. */
EVS_INLINE uint16_t vhu_bufs_find(struct vhu_ring *ring, uint16_t at, struct vhu_buf *bufs,
                                  uint16_t n)
{
	return vhu_split_find(ring, at, bufs, n);
}

EVS_INLINE void vhu_buf_read(const struct vhu_ring *ring, struct vhu_buf *buf, uint16_t direction)
{
	buf->desc = vhu_desc_read(&ring->desc[buf->id]);
	buf->size = buf->desc.len;
	buf->bytes = vhu_mem_at(ring->mem, buf->desc.addr, &buf->size);
	if (evs_unlikely(!buf->bytes))
		return;
	/* clang wants to know what for before it knows the direction */
	for (unsigned i = 0; i < 2 * EVS_CACHE_LINE; i += EVS_CACHE_LINE) {
		if (direction)
			__builtin_prefetch(buf->bytes + i, 1);
		else
			__builtin_prefetch(buf->bytes + i, 0);
	}
	if (evs_unlikely((buf->desc.flags & (VHU_CHAINED | VRING_DESC_F_WRITE)) != direction))
		buf->bytes = NULL;
}

/* It looks for what it has back by itself. */
EVS_INLINE bool vhu_guest_polls(const struct vhu_ring *ring)
{
	return vhu_split_polls(ring);
}

/* One descriptor of a buffer after another. */
EVS_INLINE int vhu_buf_walk(const struct vhu_ring *ring, const struct vhu_buf *buf, vhu_desc_fn *fn,
                            void *arg)
{
	return vhu_split_walk(ring, buf, fn, arg);
}

/* Says what became of the buffer in slot `at`. */
EVS_INLINE void vhu_buf_use(struct vhu_ring *ring, uint16_t at, const struct vhu_buf *buf,
                            uint32_t len)
{
	vhu_split_use(ring, at, buf->id, len);
}

#endif
