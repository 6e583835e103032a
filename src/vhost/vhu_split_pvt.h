/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What taking from and giving to split rings share. Threads: worker, under the ring's lock.
 */
#ifndef VHU_SPLIT_PVT_H
#define VHU_SPLIT_PVT_H

#include <string.h>

#include "vhost/vhu_ring_pvt.h"

#define VHU_CHAINED (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)

EVS_INLINE struct vring_desc vhu_desc_read(const struct vring_desc *from)
{
	struct vring_desc desc;

	memcpy(&desc, from, sizeof(desc)); /* once: the guest may write at any time */
	__asm__ volatile("" ::: "memory");
	return desc;
}

/* Reads up to n heads from the `at`th one on; a head that is none ends the burst. */
EVS_INLINE uint16_t vhu_heads_read(const struct vhu_ring *ring, uint16_t at, uint16_t *heads,
                                   uint16_t n)
{
	const uint16_t mask = (uint16_t)(ring->size - 1);

	for (uint16_t i = 0; i < n; i++) {
		heads[i] = evs_load_relaxed(&ring->avail->ring[(at + i) & mask]);
		if (evs_unlikely(heads[i] >= ring->size))
			return i;
		__builtin_prefetch(&ring->desc[heads[i]]);
	}
	return n;
}

/* How many heads wait. */
EVS_INLINE uint16_t vhu_heads_waiting(const struct vhu_ring *ring)
{
	return (uint16_t)(evs_load_acquire(&ring->avail->idx) - ring->last_avail);
}

/* A chain, one descriptor after another, of which there are no more than the ring has entries. */
typedef int vhu_desc_fn(const struct vhu_ring *ring, void *arg, const struct vring_desc *desc);

EVS_INLINE int vhu_chain_walk(const struct vhu_ring *ring, struct vring_desc desc, vhu_desc_fn *fn,
                              void *arg)
{
	const struct vring_desc *table = ring->desc;
	uint32_t n = ring->size;
	int ret;

	if (desc.flags & VRING_DESC_F_INDIRECT) {
		uint32_t size = desc.len;

		table = (const void *)vhu_mem_at(ring->mem, desc.addr, &size);
		n = size / (uint32_t)sizeof(desc);
		if (!table || size < desc.len || n == 0 || n > ring->size)
			return -EFAULT;
		desc = vhu_desc_read(table);
	}
	for (uint32_t steps = 1;; steps++) {
		if (desc.flags & VRING_DESC_F_INDIRECT)
			return -EFAULT; /* a table in a table, or in a chain */
		ret = fn(ring, arg, &desc);
		if (ret || !(desc.flags & VRING_DESC_F_NEXT))
			return ret;
		if (desc.next >= n || steps >= n)
			return -EFAULT;
		desc = vhu_desc_read(&table[desc.next]);
	}
}

/* Says in the used ring what became of the i-th head that is not published yet. */
EVS_INLINE void vhu_used_write(struct vhu_ring *ring, uint16_t i, uint16_t head, uint32_t len)
{
	ring->used->ring[(ring->last_used + i) & (uint16_t)(ring->size - 1)] =
	        (struct vring_used_elem){.id = head, .len = len};
}

/* The guest has n heads back, whose entries are written; calls it if it wants that. */
void vhu_used_publish(struct vhu_ring *ring, uint16_t n);

#endif
