/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split rings: where they may lie, what the guest gets back, and whether it is told (virtio 1.1,
 * 2.6). Threads: worker, under the ring's lock; vhost starts them.
 */
#include <rte_vhost.h>
#include <stddef.h>

#include "vhost/vhu_layout_pvt.h"

/* Never believed, though the library has looked: it has done so for another size, perhaps. */
static bool can_start(const struct vhu_mem *mem, const struct rte_vhost_vring *vring)
{
	const size_t n = vring->size, event = sizeof(uint16_t);

	return !(n & (n - 1)) &&
	       vhu_mem_holds(mem, vring->desc, n * sizeof(struct vring_desc), 16) &&
	       vhu_mem_holds(mem, vring->avail, sizeof(struct vring_avail) + n * event + event,
	                     2) &&
	       vhu_mem_holds(mem, vring->used,
	                     sizeof(struct vring_used) + n * sizeof(struct vring_used_elem) + event,
	                     4);
}

bool vhu_split_start(struct vhu_ring *ring, const struct rte_vhost_vring *vring)
{
	if (!can_start(ring->mem, vring))
		return false;
	ring->desc = vring->desc;
	ring->avail = vring->avail;
	ring->used = vring->used;
	ring->last_call = ring->last_used;
	if (!ring->event_idx) /* we look without being told */
		evs_store_relaxed(&ring->used->flags, VRING_USED_F_NO_NOTIFY);
	return true;
}

/* There are no more descriptors than their table has. A table of the guest's ends the chain that it
 * comes in (2.6.5.3.1). */
int vhu_split_walk(const struct vhu_ring *ring, const struct vhu_buf *buf, vhu_desc_fn *fn,
                   void *arg)
{
	const struct vring_desc *table = ring->desc;
	struct vring_desc desc = buf->desc;
	uint32_t n = ring->size, steps = 0;
	bool is_table = false;
	int ret;

	for (;;) {
		if (evs_unlikely(desc.flags & VRING_DESC_F_INDIRECT)) {
			table = is_table ? NULL : vhu_table_at(ring, &desc, &n);
			if (!table)
				return -EFAULT; /* or a table in a table */
			is_table = true;
			steps = 0;
			desc = vhu_desc_read(table);
			continue;
		}
		ret = fn(ring, arg, &desc);
		if (ret || !(desc.flags & VRING_DESC_F_NEXT))
			return ret;
		if (desc.next >= n || ++steps >= n)
			return -EFAULT;
		desc = vhu_desc_read(&table[desc.next]);
	}
}

static EVS_COLD void log_used(const struct vhu_ring *ring, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		uint16_t at = (uint16_t)(ring->last_used - n + i) & (uint16_t)(ring->size - 1);

		rte_vhost_log_used_vring(ring->vid, ring->index,
		                         offsetof(struct vring_used, ring) +
		                                 at * sizeof(struct vring_used_elem),
		                         sizeof(struct vring_used_elem));
	}
	rte_vhost_log_used_vring(ring->vid, ring->index, offsetof(struct vring_used, idx),
	                         sizeof(uint16_t));
}

/* Does the guest want to hear of what was used since the last call? (2.6.7.2) */
EVS_INLINE bool wants_call(struct vhu_ring *ring)
{
	uint16_t now = ring->last_used, then = ring->last_call, event;

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* used->idx is there before we look */
	if (!ring->event_idx)
		return !(evs_load_relaxed(&ring->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	event = evs_load_relaxed(&ring->avail->ring[ring->size]);
	ring->last_call = now;
	if ((uint16_t)(now - event - 1) >= (uint16_t)(now - then) && ring->has_called)
		return false;
	ring->has_called = true;
	return true;
}

/* The guest looks after it made slots available (2.6.8). Past the index that was asked for it does
 * not kick again. */
void vhu_split_ask(struct vhu_ring *ring, bool kicks)
{
	uint16_t *event = (uint16_t *)&ring->used->ring[ring->size];

	if (!ring->event_idx)
		evs_store_relaxed(&ring->used->flags, kicks ? 0 : VRING_USED_F_NO_NOTIFY);
	else if (kicks)
		evs_store_relaxed(event, ring->last_avail);
}

EVS_HOT void vhu_split_publish(struct vhu_ring *ring, uint16_t n)
{
	ring->last_used = (uint16_t)(ring->last_used + n);
	evs_store_release(&ring->used->idx, ring->last_used);
	if (evs_unlikely(ring->log))
		log_used(ring, n);
	if (evs_unlikely(wants_call(ring)))
		vhu_ring_call(ring);
}
