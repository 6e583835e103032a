/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed rings (virtio 1.1, 2.7) as vhu_layout_pvt.h wants them: a slot is a descriptor of the
 * ring. Threads: worker, under the ring's lock.
 *
 * A place is an index with the wrap counter in its highest bit, as in a base of vhost-user. What is
 * used lies where it was offered, as all comes back in order. The guest looks no further than to
 * the first slot that it has not got back: so that one is marked last, and all others of a burst
 * before. Also those behind the first of a chain are marked, which the guest never looks at:
 * whoever serves the ring after us finds the place from the marks (vhu_resume.c).
 */
#ifndef VHU_PACKED_PVT_H
#define VHU_PACKED_PVT_H

#include "vhost/vhu_desc_pvt.h"

#define VHU_WRAP  (1u << 15) /* of a place */
#define VHU_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define VHU_USED  (1u << VRING_PACKED_DESC_F_USED)
/* So many slots of single descriptors are marked before the first one of them, so long may a chain
 * be, and so far does vhu_resume.c look. */
#define VHU_MARKS_MAX 256

/* n: at most the ring's size. */
EVS_INLINE uint16_t vhu_packed_step(uint16_t size, uint16_t place, uint32_t n)
{
	uint32_t wrap = place & VHU_WRAP, index = (place & ~VHU_WRAP) + n;

	if (index >= size) {
		index -= size;
		wrap ^= VHU_WRAP;
	}
	return (uint16_t)(wrap | index);
}

EVS_INLINE struct vring_packed_desc *vhu_packed_at(const struct vhu_ring *ring, uint16_t place)
{
	return &ring->packed[place & ~VHU_WRAP];
}

EVS_INLINE bool vhu_packed_is_offered(uint16_t flags, uint16_t place)
{
	return (flags & (VHU_AVAIL | VHU_USED)) == (place & VHU_WRAP ? VHU_AVAIL : VHU_USED);
}

/* Each field is read once; `flags` was. */
EVS_INLINE struct vring_desc vhu_packed_read(const struct vring_packed_desc *from, uint16_t flags)
{
	return (struct vring_desc){.addr = evs_load_relaxed(&from->addr),
	                           .len = evs_load_relaxed(&from->len),
	                           .flags = flags};
}

/* What is taken and not given back still looks offered to us. */
EVS_INLINE uint16_t vhu_packed_waiting(const struct vhu_ring *ring)
{
	return (uint16_t)(ring->size - ring->n_open);
}

/* Of a chain: its length, and the id, which the last descriptor has. False: it has no end in the
 * slots that may belong to it. */
bool vhu_packed_chain(struct vhu_ring *ring, struct vhu_buf *buf, uint32_t room);

EVS_INLINE uint16_t vhu_packed_find(struct vhu_ring *ring, uint16_t at, struct vhu_buf *bufs,
                                    uint16_t n)
{
	uint32_t room = (uint32_t)vhu_packed_waiting(ring) - at;
	uint16_t place = vhu_packed_step(ring->size, ring->last_avail, at);

	for (uint16_t i = 0; i < n; i++) {
		const struct vring_packed_desc *desc = vhu_packed_at(ring, place);
		const uint16_t flags = evs_load_acquire(&desc->flags);

		if (room == 0 || !vhu_packed_is_offered(flags, place))
			return i;
		bufs[i].desc = vhu_packed_read(desc, flags);
		bufs[i].id = evs_load_relaxed(&desc->id);
		bufs[i].place = place;
		bufs[i].span = 1;
		if (evs_unlikely(flags & VRING_DESC_F_NEXT) &&
		    !vhu_packed_chain(ring, &bufs[i], room))
			return i;
		room -= bufs[i].span;
		place = vhu_packed_step(ring->size, place, bufs[i].span);
	}
	return n;
}

int vhu_packed_walk(const struct vhu_ring *ring, const struct vhu_buf *buf, vhu_desc_fn *fn,
                    void *arg);

/* Not before all is ready to be revealed: who serves the ring after us would read it. A length is
 * said of what is written only, so a frame that is lent stays as it was offered. */
EVS_INLINE void vhu_packed_use(struct vhu_ring *ring, const struct vhu_used *used)
{
	struct vring_packed_desc *desc = vhu_packed_at(ring, used->place);

	desc->id = used->id;
	if (used->len)
		desc->len = used->len;
}

#define VHU_EVENT_ALWAYS 0u /* flags of an event structure (2.7.14) */
#define VHU_EVENT_NEVER  1u
#define VHU_EVENT_AT     2u
#define VHU_EVENT_FLAGS  3u

EVS_INLINE bool vhu_packed_polls(const struct vhu_ring *ring)
{
	return (evs_load_relaxed(&ring->driver_event->flags) & VHU_EVENT_FLAGS) == VHU_EVENT_NEVER;
}

bool vhu_packed_start(struct vhu_ring *ring, const struct rte_vhost_vring *vring); /* [vhost] */
uint16_t vhu_packed_take(struct vhu_ring *ring, const struct vhu_catch *c);
uint16_t vhu_packed_give(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n);
void vhu_packed_reveal(struct vhu_ring *ring, uint16_t n);
void vhu_packed_tell(struct vhu_ring *ring, uint16_t n);
void vhu_packed_publish(struct vhu_ring *ring, uint16_t n);
void vhu_packed_ask(struct vhu_ring *ring, bool kicks);

#endif
