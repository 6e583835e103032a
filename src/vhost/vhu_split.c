/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes frames out of a split ring (virtio 1.1, 2.6); see vhu_ring_pvt.h. Threads: worker.
 *
 * A burst in three passes, so that loads overlap: heads, descriptors, bytes. A chain that lies
 * (addresses, lengths, loops) costs its frame, never more than the ring's size in steps.
 */
#include <rte_prefetch.h>
#include <string.h>

#include "pkt/pkt_burst.h"
#include "pkt/pkt_drop.h"
#include "port/port_vnet.h"
#include "vhost/vhu_split_pvt.h"

#define FRAME_MAX 65600 /* a TCP segment of 64 KB with its tags */
#define HDR_MAX   sizeof(struct virtio_net_hdr_mrg_rxbuf)

/* A frame on its way into buffers. */
struct intake {
	struct rte_mempool *pool;
	struct rte_mbuf *head, *last;
	uint32_t hdr_left;
	uint8_t hdr[HDR_MAX];
};

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
static int take_desc(const struct vhu_ring *ring, void *arg, const struct vring_desc *desc)
{
	struct intake *in = arg;
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

/* The reason to drop the frame, or PKT_DROP_NONE. */
EVS_INLINE enum pkt_drop take_frame(const struct vhu_ring *ring, struct intake *in,
                                    const struct vring_desc *desc)
{
	struct virtio_net_hdr hdr;
	int ret = desc->flags & VHU_CHAINED ? vhu_chain_walk(ring, *desc, take_desc, in)
	                                    : take_desc(ring, in, desc);

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

/* Gives the heads back; nothing is written to what they describe. */
EVS_INLINE void give_back(struct vhu_ring *ring, const uint16_t *heads, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		vhu_used_write(ring, i, heads[i], 0);
	ring->last_avail = (uint16_t)(ring->last_avail + n);
	vhu_used_publish(ring, n);
}

static EVS_HOT uint16_t take_burst(struct vhu_ring *ring, struct rte_mempool *pool,
                                   uint64_t *dropped, struct rte_mbuf **mbufs, uint16_t n)
{
	struct vring_desc desc[PKT_BURST_MAX];
	uint16_t heads[PKT_BURST_MAX], kept = 0;

	n = EVS_MIN(n, EVS_MIN(vhu_heads_waiting(ring), (uint16_t)PKT_BURST_MAX));
	n = vhu_heads_read(ring, ring->last_avail, heads, n);
	if (n == 0 || rte_pktmbuf_alloc_bulk(pool, mbufs, n))
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t size = 1;
		const uint8_t *from;

		desc[i] = vhu_desc_read(&ring->desc[heads[i]]);
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
