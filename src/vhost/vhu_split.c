/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes frames out of a split ring (virtio 1.1, 2.6); see vhu_ring_pvt.h. Threads: worker.
 *
 * A burst in three passes, so that loads overlap: heads, descriptors, bytes. A chain that lies
 * (addresses, lengths, loops) costs its frame, never more than the ring's size in steps.
 */
#include <rte_prefetch.h>
#include <rte_vhost.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>

#include "pkt/pkt_burst.h"
#include "pkt/pkt_drop.h"
#include "port/port_vnet.h"
#include "vhost/vhu_ring_pvt.h"

#define FRAME_MAX 65600 /* a TCP segment of 64 KB with its tags */
#define CHAINED   (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)
#define HDR_MAX   sizeof(struct virtio_net_hdr_mrg_rxbuf)

/* A frame on its way into buffers. */
struct intake {
	struct rte_mempool *pool;
	struct rte_mbuf *head, *last;
	uint32_t hdr_left;
	uint8_t hdr[HDR_MAX];
};

EVS_INLINE struct vring_desc read_desc(const struct vring_desc *from)
{
	struct vring_desc desc;

	memcpy(&desc, from, sizeof(desc)); /* once: the guest may write at any time */
	__asm__ volatile("" ::: "memory");
	return desc;
}

/* The frame grows by these bytes. */
static int append(struct intake *in, const uint8_t *from, uint32_t size)
{
	while (size) {
		struct rte_mbuf *last = in->last;
		uint32_t part = EVS_MIN(size, (uint32_t)rte_pktmbuf_tailroom(last));

		/* The C library copies from where a guest has put its frame (12 bytes behind a
		 * line) in three quarters of the time that rte_memcpy by AVX-512 takes. */
		memcpy(rte_pktmbuf_mtod_offset(last, void *, last->data_len), from, part);
		last->data_len = (uint16_t)(last->data_len + part);
		in->head->pkt_len += part;
		from += part;
		size -= part;
		if (size == 0)
			return 0;
		last->next = rte_pktmbuf_alloc(in->pool);
		if (!last->next)
			return -ENOMEM;
		in->last = last->next;
		in->head->nb_segs++;
	}
	return 0;
}

/* The bytes of one descriptor: first of the header, then of the frame. */
static int take_desc(const struct vhu_ring *ring, struct intake *in, const struct vring_desc *desc)
{
	uint64_t gpa = desc->addr;
	uint32_t left = desc->len;
	int ret = 0;

	if (left > FRAME_MAX || (desc->flags & VRING_DESC_F_WRITE) ||
	    in->head->pkt_len + left > FRAME_MAX)
		return -EFAULT;
	while (left && !ret) {
		uint32_t size = left, part;
		const uint8_t *from = vhu_mem_at(ring->mem, gpa, &size);

		if (!from)
			return -EFAULT;
		part = EVS_MIN(in->hdr_left, size);
		if (part) {
			memcpy(in->hdr + ring->hdr_size - in->hdr_left, from, part);
			in->hdr_left -= part;
		}
		ret = append(in, from + part, size - part);
		gpa += size;
		left -= size;
	}
	return ret;
}

static int take_chain(const struct vhu_ring *ring, struct intake *in, struct vring_desc desc)
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
		desc = read_desc(table);
	}
	for (uint32_t steps = 1;; steps++) {
		if (desc.flags & VRING_DESC_F_INDIRECT)
			return -EFAULT; /* a table in a table, or in a chain */
		ret = take_desc(ring, in, &desc);
		if (ret || !(desc.flags & VRING_DESC_F_NEXT))
			return ret;
		if (desc.next >= n || steps >= n)
			return -EFAULT;
		desc = read_desc(&table[desc.next]);
	}
}

/* The reason to drop the frame, or PKT_DROP_NONE. */
EVS_INLINE enum pkt_drop take_frame(const struct vhu_ring *ring, struct intake *in,
                                    const struct vring_desc *desc)
{
	struct virtio_net_hdr hdr;
	int ret = desc->flags & CHAINED ? take_chain(ring, in, *desc) : take_desc(ring, in, desc);

	if (evs_unlikely(ret))
		return ret == -ENOMEM ? PKT_DROP_NO_MBUF : PKT_DROP_GUEST_BAD_BUFFER;
	if (evs_unlikely(in->head->pkt_len == 0))
		return PKT_DROP_GUEST_BAD_BUFFER;
	if (!ring->offloads)
		return PKT_DROP_NONE;
	memcpy(&hdr, in->hdr, sizeof(hdr));
	return evs_unlikely(port_vnet_rx(&hdr, in->head)) ? PKT_DROP_GUEST_BAD_OFFLOAD
	                                                  : PKT_DROP_NONE;
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

EVS_INLINE void give_back(struct vhu_ring *ring, const uint16_t *heads, uint16_t n)
{
	const uint16_t mask = (uint16_t)(ring->size - 1);

	for (uint16_t i = 0; i < n; i++)
		ring->used->ring[(ring->last_used + i) & mask] =
		        (struct vring_used_elem){.id = heads[i]};
	ring->last_avail = (uint16_t)(ring->last_avail + n);
	ring->last_used = (uint16_t)(ring->last_used + n);
	evs_store_release(&ring->used->idx, ring->last_used);
	if (evs_unlikely(ring->log))
		log_used(ring, n);
	if (evs_unlikely(wants_call(ring)) && ring->call_fd >= 0) {
		evs_counter_add(&ring->n_calls, 1);
		eventfd_write(ring->call_fd, 1);
	}
}

/* Reads up to n heads; a head that is none ends the burst. */
EVS_INLINE uint16_t read_heads(const struct vhu_ring *ring, uint16_t *heads, uint16_t n)
{
	const uint16_t mask = (uint16_t)(ring->size - 1);
	uint16_t there = (uint16_t)(evs_load_acquire(&ring->avail->idx) - ring->last_avail);

	n = EVS_MIN(n, there);
	for (uint16_t i = 0; i < n; i++) {
		heads[i] = evs_load_relaxed(&ring->avail->ring[(ring->last_avail + i) & mask]);
		if (evs_unlikely(heads[i] >= ring->size))
			return i;
		rte_prefetch0(&ring->desc[heads[i]]);
	}
	return n;
}

static EVS_HOT uint16_t take_burst(struct vhu_ring *ring, struct rte_mempool *pool,
                                   uint64_t *dropped, struct rte_mbuf **mbufs, uint16_t n)
{
	struct vring_desc desc[PKT_BURST_MAX];
	uint16_t heads[PKT_BURST_MAX], kept = 0;

	n = read_heads(ring, heads, EVS_MIN(n, (uint16_t)PKT_BURST_MAX));
	if (n == 0 || rte_pktmbuf_alloc_bulk(pool, mbufs, n))
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t size = 1;
		const uint8_t *from;

		desc[i] = read_desc(&ring->desc[heads[i]]);
		from = vhu_mem_at(ring->mem, desc[i].addr, &size);
		if (evs_likely(from)) {
			rte_prefetch0(from);
			rte_prefetch0(from + EVS_CACHE_LINE);
		}
	}
	for (uint16_t i = 0; i < n; i++) {
		struct intake in = {pool, mbufs[i], mbufs[i], .hdr_left = ring->hdr_size};
		enum pkt_drop reason = take_frame(ring, &in, &desc[i]);

		mbufs[kept] = mbufs[i];
		if (evs_likely(reason == PKT_DROP_NONE)) {
			kept++;
			continue;
		}
		evs_counter_add(&dropped[reason], 1);
		rte_pktmbuf_free(mbufs[i]);
	}
	give_back(ring, heads, n);
	return kept;
}

EVS_HOT uint16_t vhu_split_take(struct vhu_ring *ring, struct rte_mempool *pool, uint64_t *dropped,
                                struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t got = 0;

	if (!rte_spinlock_trylock(&ring->lock))
		return 0;
	if (evs_likely(ring->is_active))
		got = take_burst(ring, pool, dropped, mbufs, n);
	rte_spinlock_unlock(&ring->lock);
	return got;
}
