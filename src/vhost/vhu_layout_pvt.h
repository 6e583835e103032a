/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What taking and giving ask of a ring, whatever its layout: their bodies are inlined once for each
 * layout, with `packed` constant. Threads: worker, under the ring's lock.
 *
 * A buffer lies in one or more slots of the ring, one after another. Slots are counted from the
 * first one that was not taken yet, or, of buffers that are used, from the first one that was not
 * published yet: they are used in the order in which they came.
 */
#ifndef VHU_LAYOUT_PVT_H
#define VHU_LAYOUT_PVT_H

#include "vhost/vhu_packed_pvt.h"
#include "vhost/vhu_split_pvt.h"

/* So many slots may be taken at most. Once a burst: the guest adds to them meanwhile. */
EVS_INLINE uint16_t vhu_slots_waiting(const struct vhu_ring *ring, bool packed)
{
	return packed ? vhu_packed_waiting(ring) : vhu_split_waiting(ring);
}

/* Finds up to n buffers in the slots from `at` on, of which no fewer wait, and starts to fetch
 * them: vhu_buf_read when all are known; direction: VRING_DESC_F_WRITE, or 0 to read from it. */
EVS_INLINE uint16_t vhu_bufs_find(struct vhu_ring *ring, bool packed, uint16_t at,
                                  struct vhu_buf *bufs, uint16_t n)
{
	return packed ? vhu_packed_find(ring, at, bufs, n) : vhu_split_find(ring, at, bufs, n);
}

EVS_INLINE void vhu_buf_read(const struct vhu_ring *ring, bool packed, struct vhu_buf *buf,
                             uint16_t direction)
{
	if (!packed)
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

/* It looks for what it has back by itself. With an event index, calls that are off say nothing of a
 * split ring (virtio 1.1, 2.6.7), and of a packed one only that they are off for the moment. */
EVS_INLINE bool vhu_guest_polls(const struct vhu_ring *ring, bool packed)
{
	return !ring->event_idx && (packed ? vhu_packed_polls(ring) : vhu_split_polls(ring));
}

/* How many slots it takes. */
EVS_INLINE uint16_t vhu_buf_span(bool packed, const struct vhu_buf *buf)
{
	return packed ? buf->span : 1;
}

/* Says what became of the buffer in slot `at`; the guest sees it when it is published. */
EVS_INLINE void vhu_buf_use(struct vhu_ring *ring, bool packed, uint16_t at, struct vhu_used used)
{
	if (packed)
		vhu_packed_use(ring, &used);
	else
		vhu_split_use(ring, at, &used);
}

EVS_INLINE struct vhu_used vhu_buf_used(bool packed, const struct vhu_buf *buf, uint32_t len)
{
	return (struct vhu_used){.len = len, .id = buf->id, .place = packed ? buf->place : 0};
}

EVS_INLINE void vhu_slots_take(struct vhu_ring *ring, bool packed, uint16_t n)
{
	ring->last_avail = packed ? vhu_packed_step(ring->size, ring->last_avail, n)
	                          : (uint16_t)(ring->last_avail + n);
}

/* Of a packed ring n slots that are used: the guest may come to them as soon as it likes, and it
 * is told later (vhu_packed_tell). Split rings do both at the end. */
EVS_INLINE void vhu_slots_reveal(struct vhu_ring *ring, bool packed, uint16_t n)
{
	if (packed)
		vhu_packed_reveal(ring, n);
}

EVS_INLINE void vhu_slots_publish(struct vhu_ring *ring, bool packed, uint16_t n)
{
	if (packed)
		vhu_packed_publish(ring, n);
	else
		vhu_split_publish(ring, n);
}

#endif
