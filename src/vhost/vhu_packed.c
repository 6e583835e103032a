/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed rings: where they may lie, chains, what the guest gets back, and whether it is told
 * (virtio 1.1, 2.7). Threads: worker, under the ring's lock; vhost starts them.
 */
#include <rte_vhost.h>

#include "vhost/vhu_layout_pvt.h"

static bool can_start(const struct vhu_ring *ring, const struct rte_vhost_vring *vring)
{
	const size_t event = sizeof(struct vring_packed_desc_event);

	return (ring->last_avail & ~VHU_WRAP) < ring->size && ring->last_avail == ring->last_used &&
	       vhu_mem_holds(ring->mem, vring->desc_packed,
	                     vring->size * sizeof(struct vring_packed_desc), 16) &&
	       vhu_mem_holds(ring->mem, vring->driver_event, event, 4) &&
	       vhu_mem_holds(ring->mem, vring->device_event, event, 4);
}

bool vhu_packed_start(struct vhu_ring *ring, const struct rte_vhost_vring *vring)
{
	if (!can_start(ring, vring))
		return false;
	ring->packed = vring->desc_packed;
	ring->driver_event = vring->driver_event;
	ring->gpa = vhu_mem_gpa(ring->mem, ring->packed);
	ring->device_event = vring->device_event;
	vhu_packed_ask(ring, false); /* we look without being told */
	return true;
}

/* Whoever asks looks once more afterwards. */
void vhu_packed_ask(struct vhu_ring *ring, bool kicks)
{
	struct vring_packed_desc_event *event = ring->device_event;
	uint16_t flags = VHU_EVENT_NEVER;

	if (kicks)
		flags = ring->event_idx ? VHU_EVENT_AT : VHU_EVENT_ALWAYS;
	evs_store_relaxed(&event->off_wrap, ring->last_avail);
	evs_store_release(&event->flags, flags);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->log)
		rte_vhost_log_write(ring->vid, vhu_mem_gpa(ring->mem, event), sizeof(*event));
}

/* Without an end nobody can tell where the next buffer is: the ring is done for, and not looked at
 * again before the guest has said something new of it; `port show` says why. So is one with a chain
 * that is longer than any frame may be, or goes on in slots that the guest can not have back yet:
 * it would be walked for each burst towards the guest, at the expense of whoever sends. */
EVS_COLD bool vhu_packed_chain(struct vhu_ring *ring, struct vhu_buf *buf, uint32_t room)
{
	const uint32_t most = EVS_MIN(room, (uint32_t)VHU_MARKS_MAX);
	uint16_t place = buf->place;

	for (uint32_t n = 2; n <= most; n++) {
		const struct vring_packed_desc *desc;

		place = vhu_packed_step(ring->size, place, 1);
		desc = vhu_packed_at(ring, place);
		if (evs_load_relaxed(&desc->flags) & VRING_DESC_F_NEXT)
			continue;
		buf->id = evs_load_relaxed(&desc->id);
		buf->span = (uint16_t)n;
		return true;
	}
	evs_store_relaxed(&ring->has_no_end, true);
	ring->is_active = false;
	return false;
}

static int walk_table(const struct vhu_ring *ring, const struct vhu_buf *buf, vhu_desc_fn *fn,
                      void *arg)
{
	const struct vring_packed_desc *table;
	uint32_t n;
	int ret = 0;

	table = vhu_table_at(ring, &buf->desc, &n);
	if (!table)
		return -EFAULT;
	for (uint32_t i = 0; i < n && !ret; i++) { /* no other flag means anything here (2.7.7) */
		struct vring_packed_desc packed;
		struct vring_desc desc;

		memcpy(&packed, &table[i], sizeof(packed)); /* once, wherever the guest put it */
		__asm__ volatile("" ::: "memory");
		desc = vhu_packed_read(&packed, packed.flags & VRING_DESC_F_WRITE);
		ret = fn(ring, arg, &desc);
	}
	return ret;
}

int vhu_packed_walk(const struct vhu_ring *ring, const struct vhu_buf *buf, vhu_desc_fn *fn,
                    void *arg)
{
	struct vring_desc desc = buf->desc;
	uint16_t place = buf->place;
	int ret = 0;

	if (buf->span == 1 && desc.flags & VRING_DESC_F_INDIRECT)
		return walk_table(ring, buf, fn, arg);
	for (uint16_t i = 1; !ret; i++) {
		const struct vring_packed_desc *next;

		if (desc.flags & VRING_DESC_F_INDIRECT)
			return -EFAULT; /* a table in a chain */
		ret = fn(ring, arg, &desc);
		if (i == buf->span)
			break;
		place = vhu_packed_step(ring->size, place, 1);
		next = vhu_packed_at(ring, place);
		desc = vhu_packed_read(next, evs_load_relaxed(&next->flags));
	}
	return ret;
}

static EVS_COLD void log_used(const struct vhu_ring *ring, uint16_t place, uint16_t n)
{
	const uint64_t size = sizeof(struct vring_packed_desc);

	for (uint16_t i = 0; i < n; i++, place = vhu_packed_step(ring->size, place, 1))
		rte_vhost_log_write(ring->vid, ring->gpa + (place & ~VHU_WRAP) * size, size);
}

/* Does the guest want to hear of the last n slots? (2.7.10, 2.7.14) */
EVS_INLINE bool wants_call(struct vhu_ring *ring, int n)
{
	const int now = ring->last_used & ~VHU_WRAP;
	uint16_t flags, at;
	int event;

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the marks are there before we look */
	flags = evs_load_acquire(&ring->driver_event->flags) & VHU_EVENT_FLAGS;
	if (flags == VHU_EVENT_NEVER)
		return false;
	if (flags != VHU_EVENT_AT || !ring->event_idx)
		return true;
	at = evs_load_relaxed(&ring->driver_event->off_wrap);
	event = (int)(at & ~VHU_WRAP) - ((at ^ ring->last_used) & VHU_WRAP ? ring->size : 0);
	if ((event < now - n || event >= now) && ring->has_called)
		return false;
	ring->has_called = true;
	return true;
}

EVS_INLINE void mark(const struct vhu_ring *ring, uint16_t place, uint16_t written, int order)
{
	const uint16_t flags = (place & VHU_WRAP ? VHU_AVAIL | VHU_USED : 0) | written;

	__atomic_store_n(&vhu_packed_at(ring, place)->flags, flags, order);
}

/* At once, as the guest sees it: of a frame in several buffers it wants all, of a chain it takes
 * all for its own when it sees the first one. */
EVS_HOT void vhu_packed_reveal(struct vhu_ring *ring, uint16_t n)
{
	const uint16_t written = ring->index & 1 ? 0 : VRING_DESC_F_WRITE;
	const uint16_t first = ring->last_used;
	uint16_t place = first;

	for (uint16_t i = 1; i < n; i++) {
		place = vhu_packed_step(ring->size, place, 1);
		mark(ring, place, written, __ATOMIC_RELAXED);
	}
	mark(ring, first, written, __ATOMIC_RELEASE);
	ring->last_used = vhu_packed_step(ring->size, place, 1);
	if (evs_unlikely(ring->log))
		log_used(ring, first, n);
}

EVS_HOT void vhu_packed_tell(struct vhu_ring *ring, uint16_t n)
{
	if (evs_unlikely(wants_call(ring, n)))
		vhu_ring_call(ring);
}

/* Of n slots as many as are revealed at once: whole buffers, and no more than whoever serves the
 * ring after us looks for, as long as none of them is a chain, of which it can tell nothing. */
static EVS_COLD uint16_t part_of(const struct vhu_ring *ring, uint16_t n)
{
	uint16_t part = VHU_MARKS_MAX,
	         last = vhu_packed_step(ring->size, ring->last_used, part - 1u);

	while (part < n &&
	       evs_load_relaxed(&vhu_packed_at(ring, last)->flags) & VRING_DESC_F_NEXT) {
		last = vhu_packed_step(ring->size, last, 1);
		part++;
	}
	return part;
}

EVS_HOT void vhu_packed_publish(struct vhu_ring *ring, uint16_t n)
{
	uint16_t part;

	for (uint16_t left = n; left; left = (uint16_t)(left - part)) {
		part = left;
		if (evs_unlikely(left > VHU_MARKS_MAX))
			part = part_of(ring, left);
		vhu_packed_reveal(ring, part);
	}
	vhu_packed_tell(ring, n);
}
