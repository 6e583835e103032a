/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes frames out of a ring; see vhu_ring_pvt.h. Threads: worker.
 *
 * A burst in three passes, so that loads overlap: buffers, descriptors, bytes. A buffer that lies
 * (addresses, lengths, loops) costs its frame, never more than DESCS_MAX steps. It ends the burst,
 * so that a poll costs no more than one of them, and the caller is told (port_n_bad).
 */
#include <string.h>

#include "pkt/pkt_burst.h"
#include "pkt/pkt_drop.h"
#include "pkt/pkt_lent.h"
#include "port/port_vnet.h"
#include "vhost/vhu_layout_pvt.h"

#define FRAME_MAX 65600 /* a TCP segment of 64 KB with its tags */
#define HDR_MAX   sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define L4_MAX    60u
#define DESCS_MAX 256u /* of one frame, so that empty ones are no work without end */
#define LEND_MIN  768u /* bytes: shorter frames are copied faster than told of */
#define SPARSE    64   /* bursts that are copied after one that was lent in vain */
#define KEEP      32   /* buffers that a guest need not have back yet */
#define QUIET     16   /* polls in vain, after which it has */

/* A frame on its way into buffers. */
struct intake {
	struct rte_mbuf *head, *last;
	struct pkt_lent *lent; /* NULL: all is copied */
	uint32_t n_descs, hdr_left;
	uint8_t hdr[HDR_MAX];
};

/* All of the frame is copied, and what follows will be. */
static int copy_after_all(struct intake *in)
{
	int ret;

	in->lent = NULL;
	ret = pkt_own_slow(in->head);
	in->last = rte_pktmbuf_lastseg(in->head);
	return ret;
}

/* The frame grows by bytes that stay where they are, once its head is full. */
static int lend(struct intake *in, const uint8_t *from, uint32_t size)
{
	struct pkt_lent *lent = in->lent;
	struct rte_mbuf *m = in->head;

	if (m->data_len < PKT_LENT_HEAD) {
		uint32_t part = EVS_MIN(size, (uint32_t)(PKT_LENT_HEAD - m->data_len));
		int ret = pkt_append(m, &in->last, from, part);

		from += part;
		size -= part;
		if (ret || size == 0)
			return ret;
	}
	if (lent->n == PKT_LENT_PIECES) {
		int ret = copy_after_all(in);

		return ret ? ret : pkt_append(m, &in->last, from, size);
	}
	lent->piece[lent->n].at = from;
	lent->piece[lent->n++].size = size;
	m->pkt_len += size;
	return 0;
}

/* The bytes of one descriptor: first of the header, then of the frame. */
static int take_desc(const struct vhu_ring *ring, void *arg, const struct vring_desc *desc)
{
	struct intake *in = arg;
	uint64_t gpa = desc->addr;
	uint32_t left = desc->len;
	int ret = 0;

	if (++in->n_descs > DESCS_MAX || left > FRAME_MAX || (desc->flags & VRING_DESC_F_WRITE) ||
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
		from += part;
		if (size > part)
			ret = in->lent ? lend(in, from, size - part)
			               : pkt_append(in->head, &in->last, from, size - part);
		gpa += size;
		left -= size;
	}
	return ret;
}

/* Is a frame to stay in the guest's memory, but for its head? Of a request only headers may be
 * looked at; headers pushed before it, for which there is the headroom, must not make it longer
 * than one segment can be. */
EVS_INLINE bool is_worth_it(uint32_t size, const struct virtio_net_hdr *hdr)
{
	return size >= LEND_MIN && size <= UINT16_MAX - RTE_PKTMBUF_HEADROOM &&
	       (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	        hdr->csum_start + L4_MAX <= PKT_LENT_HEAD);
}

/* The frame is whole; its head is in the buffer, the list behind it. */
EVS_INLINE void become_lent(struct vhu_ring *ring, struct rte_mbuf *m, uint32_t size)
{
	m->pkt_len = size;
	m->data_len = (uint16_t)size;
	m->ol_flags |= PKT_LENT;
	pkt_lent_of(m)->in_vain = &ring->in_vain;
}

/* The reason to drop the frame, or PKT_DROP_NONE. */
static enum pkt_drop take_long(struct vhu_ring *ring, struct rte_mbuf *m, const struct vhu_buf *buf,
                               struct virtio_net_hdr *hdr)
{
	struct intake in = {.head = m, .last = m, .hdr_left = ring->hdr_size};
	int ret;

	if (ring->sparse == 0) { /* whether it is worth it is seen at the end */
		in.lent = pkt_lent_of(m);
		in.lent->n = 0;
		in.lent->in_vain = NULL;
	}
	ret = buf->desc.flags & VHU_CHAINED ? ring->layout->walk(ring, buf, take_desc, &in)
	                                    : take_desc(ring, &in, &buf->desc);
	memcpy(hdr, in.hdr, sizeof(*hdr));
	if (!ret && in.lent && in.lent->n) {
		if (is_worth_it(m->pkt_len, hdr))
			become_lent(ring, m, m->pkt_len);
		else
			ret = copy_after_all(&in);
	}
	if (ret)
		return ret == -ENOMEM ? PKT_DROP_NO_MBUF : PKT_DROP_GUEST_BAD_BUFFER;
	return m->pkt_len ? PKT_DROP_NONE : PKT_DROP_GUEST_BAD_BUFFER;
}

/* A frame in one descriptor, header and all. False: it goes the long way. */
EVS_INLINE bool take_short(struct vhu_ring *ring, struct rte_mbuf *m, const struct vhu_buf *buf,
                           struct virtio_net_hdr *hdr)
{
	uint32_t size = buf->size - ring->hdr_size;
	const uint8_t *from;

	if (evs_unlikely(!buf->bytes || buf->size < buf->desc.len) ||
	    size - 1 >= FRAME_MAX - HDR_MAX)
		return false;
	from = buf->bytes + ring->hdr_size;
	memcpy(hdr, buf->bytes, sizeof(*hdr));
	if (evs_likely(size < LEND_MIN)) {
		memcpy(rte_pktmbuf_mtod(m, void *), from, size);
		m->pkt_len = size;
		m->data_len = (uint16_t)size;
		return true;
	}
	if (ring->sparse || !is_worth_it(size, hdr))
		return false;
	memcpy(rte_pktmbuf_mtod(m, void *), from, PKT_LENT_HEAD);
	pkt_lent_of(m)->n = 1;
	pkt_lent_of(m)->piece[0].at = from + PKT_LENT_HEAD;
	pkt_lent_of(m)->piece[0].size = size - PKT_LENT_HEAD;
	become_lent(ring, m, size);
	return true;
}

EVS_INLINE enum pkt_drop take_frame(struct vhu_ring *ring, struct rte_mbuf *m,
                                    const struct vhu_buf *buf)
{
	enum pkt_drop reason = PKT_DROP_NONE;
	struct virtio_net_hdr hdr;

	if (evs_unlikely(!take_short(ring, m, buf, &hdr)))
		reason = take_long(ring, m, buf, &hdr);
	if (evs_unlikely(reason != PKT_DROP_NONE) || !ring->offloads)
		return reason;
	switch (port_vnet_rx(&hdr, m)) {
	case 0:
		return PKT_DROP_NONE;
	case -ENOMEM:
		return PKT_DROP_NO_MBUF;
	default:
		return PKT_DROP_GUEST_BAD_OFFLOAD;
	}
}

/* How many of the open buffers stay so until more come; see vhu_ring_pvt.h. */
EVS_INLINE uint16_t to_keep(const struct vhu_ring *ring, bool packed)
{
	if (evs_likely(!ring->keeps) || !ring->is_active || !vhu_guest_polls(ring, packed))
		return 0;
	return EVS_MIN(ring->n_open, EVS_MIN((uint16_t)KEEP, (uint16_t)(ring->size / 8)));
}

/* The guest has all but `keep` of the open buffers back; nothing is lent, and if something was in
 * vain, be it that port_vnet_rx had to write a checksum, the next bursts are copied. */
EVS_INLINE void return_open(struct vhu_ring *ring, bool packed, uint16_t keep)
{
	if (evs_likely(ring->n_open > keep))
		vhu_slots_publish(ring, packed, (uint16_t)(ring->n_open - keep));
	ring->n_open = keep;
	if (evs_unlikely(ring->in_vain)) {
		ring->sparse = SPARSE;
		ring->in_vain = 0;
	}
}

static EVS_HOT void settle(struct port_debt *debt)
{
	struct vhu_ring *ring = (void *)((uint8_t *)debt - offsetof(struct vhu_ring, debt));
	const bool packed = ring->layout == &vhu_packed;

	rte_spinlock_lock(&ring->lock);
	ring->is_lent = false;
	return_open(ring, packed, to_keep(ring, packed));
	rte_spinlock_unlock(&ring->lock);
}

/* Buffers that are done with, but for what is lent; nothing is written to them. */
EVS_INLINE void give_back(struct vhu_ring *ring, bool packed, const struct vhu_buf *bufs,
                          uint16_t n, bool lent)
{
	uint16_t n_slots = 0;

	for (uint16_t i = 0; i < n; i++) {
		vhu_buf_use(ring, packed, (uint16_t)(ring->n_open + i),
		            vhu_buf_used(packed, &bufs[i], 0));
		n_slots = (uint16_t)(n_slots + vhu_buf_span(packed, &bufs[i]));
	}
	vhu_slots_take(ring, packed, n_slots);
	ring->n_open = (uint16_t)(ring->n_open + n_slots);
	ring->n_quiet = 0;
	if (ring->is_lent)
		return;
	if (evs_likely(!lent)) {
		return_open(ring, packed, to_keep(ring, packed));
		return;
	}
	ring->is_lent = true;
	ring->debt.settle = settle;
	port_debt_add(&ring->debt);
}

/* The first frame behind `kept` is not taken, but its buffer is; those behind it are for the next
 * burst. Returns how many buffers are done with, of n. */
static EVS_COLD uint16_t end_burst(struct vhu_ring *ring, const struct vhu_catch *c, uint16_t kept,
                                   uint16_t n, enum pkt_drop reason)
{
	evs_counter_add(&c->dropped[reason], 1);
	__atomic_fetch_add(&ring->n_drops, 1, __ATOMIC_RELAXED);
	rte_pktmbuf_free_bulk(c->mbufs + kept, (unsigned)(n - kept));
	port_n_bad++;
	return (uint16_t)(kept + 1);
}

/* Nothing waits: a guest that is quiet gets what was kept back. */
EVS_INLINE void be_quiet(struct vhu_ring *ring, bool packed)
{
	if (evs_likely(ring->n_open == 0) || ring->is_lent)
		return;
	if (++ring->n_quiet >= QUIET || to_keep(ring, packed) < ring->n_open)
		return_open(ring, packed, 0);
}

EVS_INLINE uint16_t take(struct vhu_ring *ring, bool packed, const struct vhu_catch *c)
{
	struct vhu_buf bufs[PKT_BURST_MAX];
	uint16_t n = vhu_slots_waiting(ring, packed), kept = 0, chained = 0;
	uint64_t flags = 0, bytes = 0;

	n = EVS_MIN(n, EVS_MIN(c->n, (uint16_t)PKT_BURST_MAX));
	n = vhu_bufs_find(ring, packed, 0, bufs, n);
	if (n == 0) {
		be_quiet(ring, packed);
		return 0;
	}
	if (rte_pktmbuf_alloc_bulk(c->pool, c->mbufs, n))
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		vhu_buf_read(ring, packed, &bufs[i], 0);
		chained |= bufs[i].desc.flags & VRING_DESC_F_NEXT;
	}
	for (; kept < n; kept++) {
		enum pkt_drop reason = take_frame(ring, c->mbufs[kept], &bufs[kept]);

		if (evs_unlikely(reason != PKT_DROP_NONE)) {
			n = end_burst(ring, c, kept, n, reason);
			break;
		}
		bytes += c->mbufs[kept]->pkt_len;
		flags |= c->mbufs[kept]->ol_flags;
	}
	evs_counter_add(&ring->n_pkts, kept);
	evs_counter_add(&ring->n_bytes, bytes);
	ring->sparse -= ring->sparse != 0;
	ring->keeps = !chained && bytes >= (uint64_t)n * LEND_MIN && (ring->keeps || !ring->n_open);
	give_back(ring, packed, bufs, n, flags & PKT_LENT);
	return kept;
}

EVS_HOT uint16_t vhu_split_take(struct vhu_ring *ring, const struct vhu_catch *c)
{
	return take(ring, false, c);
}

EVS_HOT uint16_t vhu_packed_take(struct vhu_ring *ring, const struct vhu_catch *c)
{
	return take(ring, true, c);
}
