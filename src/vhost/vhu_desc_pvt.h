/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of a guest. Threads: worker, under the ring's lock.
 */
#ifndef VHU_DESC_PVT_H
#define VHU_DESC_PVT_H

#include <string.h>

#include "vhost/vhu_ring_pvt.h"

#define VHU_CHAINED (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)

/* A buffer that the guest offers: one descriptor or several. */
struct vhu_buf {
	struct vring_desc desc; /* the first one */
	uint8_t *bytes;         /* as many of it as lie together, if it is the only one; or NULL */
	uint32_t size;
	uint16_t id;
	uint16_t place, span; /* of a packed ring: where it is, how many slots it takes */
};

/* What became of a buffer. len: bytes that were written. */
struct vhu_used {
	uint32_t len;
	uint16_t id, place;
};

EVS_INLINE struct vring_desc vhu_desc_read(const struct vring_desc *from)
{
	struct vring_desc desc;

	memcpy(&desc, from, sizeof(desc)); /* once: the guest may write at any time */
	__asm__ volatile("" ::: "memory");
	return desc;
}

/* An indirect table of *n descriptors; NULL: it is none. */
EVS_INLINE const void *vhu_table_at(const struct vhu_ring *ring, const struct vring_desc *desc,
                                    uint32_t *n)
{
	uint32_t size = desc->len;
	const void *table = vhu_mem_at(ring->mem, desc->addr, &size);

	*n = size / (uint32_t)sizeof(*desc);
	return size == desc->len && *n > 0 && *n <= ring->size ? table : NULL;
}

#endif
