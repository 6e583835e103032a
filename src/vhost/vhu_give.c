/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts frames into a split ring (virtio 1.1, 2.6, 5.1.6.3); see vhu_ring_pvt.h. Threads: worker.
 *
 * As a rule a frame goes into one descriptor, in three passes over the burst: heads, descriptors,
 * bytes. From the first one on that needs more, frames go one by one: room is found first, over
 * chains and, with mergeable buffers, over several of them, and bytes are written when there is
 * enough. What a guest has described badly ends the burst, and is looked at anew by the next.
 */
#include <rte_vhost.h>

#include "base/evs_copy.h"
#include "pkt/pkt_burst.h"
#include "pkt/pkt_lent.h"
#include "port/port_vnet.h"
#include "vhost/vhu_split_pvt.h"

#define PIECES_MAX 256 /* of one frame */

/* What is written before a frame; a guest of old reads less of it. */
struct header {
	struct virtio_net_hdr_mrg_rxbuf vnet;
};

/* Room for one frame, and how far it is filled. */
struct room {
	uint64_t size, wanted;
	uint32_t n_pieces, piece;
	struct {
		uint8_t *at;
		uint64_t gpa;
		uint32_t size;
	} pieces[PIECES_MAX];
};

EVS_INLINE void fill_header(const struct vhu_ring *ring, const struct rte_mbuf *m,
                            uint16_t n_buffers, struct header *h)
{
	struct virtio_net_hdr vnet = {0};

	if (ring->offloads)
		port_vnet_tx(m, &vnet);
	memcpy(&h->vnet.hdr, &vnet, sizeof(vnet));
	h->vnet.num_buffers = n_buffers;
}

static EVS_COLD void log_write(const struct vhu_ring *ring, uint64_t gpa, uint64_t size)
{
	rte_vhost_log_write(ring->vid, gpa, size);
}

/* ---- the long way ---- */

/* 1: there is enough. Each descriptor adds a piece, so that steps are bounded as pieces are. */
static int add_desc(const struct vhu_ring *ring, void *arg, const struct vring_desc *desc)
{
	struct room *room = arg;
	uint64_t gpa = desc->addr;
	uint32_t left = desc->len;

	if (!(desc->flags & VRING_DESC_F_WRITE) || left == 0)
		return -EFAULT;
	while (left && room->size < room->wanted) {
		uint32_t size = left;
		uint8_t *at = vhu_mem_at(ring->mem, gpa, &size);

		if (!at || room->n_pieces == PIECES_MAX)
			return -EFAULT;
		size = (uint32_t)EVS_MIN((uint64_t)size, room->wanted - room->size);
		room->pieces[room->n_pieces].at = at;
		room->pieces[room->n_pieces].gpa = gpa;
		room->pieces[room->n_pieces++].size = size;
		room->size += size;
		gpa += size;
		left -= size;
	}
	return room->size == room->wanted;
}

/* Finds room behind the first n_used heads; returns how many heads more it takes, 0: none. */
static uint16_t find_room(struct vhu_ring *ring, struct room *room, uint16_t n_used,
                          uint16_t n_heads)
{
	uint16_t n = 0;

	while (room->size < room->wanted) {
		uint64_t before = room->size;
		uint16_t head;

		if (n_used + n >= n_heads || (n && !ring->merges) ||
		    !vhu_heads_read(ring, (uint16_t)(ring->last_avail + n_used + n), &head, 1) ||
		    vhu_chain_walk(ring, vhu_desc_read(&ring->desc[head]), add_desc, room) < 0)
			return 0;
		vhu_used_write(ring, (uint16_t)(n_used + n), head, (uint32_t)(room->size - before));
		n++;
	}
	return n;
}

/* There is as much room. */
static void put(const struct vhu_ring *ring, struct room *room, const void *bytes, uint32_t size)
{
	const uint8_t *from = bytes;

	while (size) {
		uint32_t part = EVS_MIN(size, room->pieces[room->piece].size);

		memmove(room->pieces[room->piece].at, from, part); /* it may send to itself */
		if (evs_unlikely(ring->log))
			log_write(ring, room->pieces[room->piece].gpa, part);
		room->pieces[room->piece].at += part;
		room->pieces[room->piece].gpa += part;
		room->pieces[room->piece].size -= part;
		room->piece += room->pieces[room->piece].size == 0;
		from += part;
		size -= part;
	}
}

static void put_lent(const struct vhu_ring *ring, struct room *room, const struct rte_mbuf *m)
{
	const struct pkt_lent *lent = pkt_lent_of(m);
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t part = (uint32_t)((const uint8_t *)lent - data), left = m->pkt_len - part;

	put(ring, room, data, part);
	for (uint32_t i = 0; i < lent->n; i++, left -= part) {
		part = EVS_MIN(left, lent->piece[i].size);
		put(ring, room, lent->piece[i].at, part);
	}
}

/* Returns how many heads the frame took. */
static uint16_t give_one(struct vhu_ring *ring, const struct rte_mbuf *m, uint16_t n_used,
                         uint16_t n_heads)
{
	struct header header;
	struct room room;
	uint16_t n;

	room.size = room.n_pieces = room.piece = 0;
	room.wanted = (uint64_t)m->pkt_len + ring->hdr_size;
	n = find_room(ring, &room, n_used, n_heads);
	if (n == 0)
		return 0;
	fill_header(ring, m, n, &header);
	put(ring, &room, &header, ring->hdr_size);
	if (m->ol_flags & PKT_LENT)
		put_lent(ring, &room, m);
	for (; m && !(m->ol_flags & PKT_LENT); m = m->next)
		put(ring, &room, rte_pktmbuf_mtod(m, const void *), m->data_len);
	return n;
}

/* ---- the short way ---- */

/* A descriptor that is no chain and lies in one region. */
struct slot {
	uint8_t *at;
	uint64_t gpa;
	uint32_t size; /* 0: the long way must be gone */
};

EVS_INLINE struct slot find_slot(const struct vhu_ring *ring, uint16_t head)
{
	struct vring_desc desc = vhu_desc_read(&ring->desc[head]);
	uint32_t size = desc.len;
	uint8_t *at = vhu_mem_at(ring->mem, desc.addr, &size);

	if (evs_unlikely(!at) ||
	    (desc.flags & (VHU_CHAINED | VRING_DESC_F_WRITE)) != VRING_DESC_F_WRITE)
		return (struct slot){NULL, 0, 0};
	__builtin_prefetch(at, 1);
	__builtin_prefetch(at + EVS_CACHE_LINE, 1);
	return (struct slot){at, desc.addr, size};
}

/* Frames that go the short way, each in a slot. */
struct shorts {
	uint16_t n;
	uint16_t heads[PKT_BURST_MAX];
	struct slot slots[PKT_BURST_MAX];
};

/* The bytes of a frame. next: where those of the one behind it will go. */
EVS_INLINE void copy(uint8_t *to, const struct rte_mbuf *m, const uint8_t *next)
{
	if (evs_unlikely(m->ol_flags & PKT_LENT))
		pkt_lent_read(m, to, m->pkt_len, next);
	else if (m->data_len < EVS_COPY_MIN)
		memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
	else
		evs_copy_ahead(to, rte_pktmbuf_mtod(m, const void *), m->data_len, next);
}

EVS_INLINE bool give_short(struct vhu_ring *ring, const struct rte_mbuf *m, uint16_t i,
                           const struct shorts *shorts)
{
	const struct slot *slot = &shorts->slots[i], *next = &slot[i + 1 < shorts->n && slot[1].at];
	const uint32_t size = m->pkt_len + ring->hdr_size;
	struct header header;

	if (evs_unlikely(size > slot->size || m->nb_segs > 1))
		return false;
	fill_header(ring, m, 1, &header);
	if (evs_likely(ring->hdr_size == sizeof(header.vnet)))
		memcpy(slot->at, &header, sizeof(header.vnet));
	else
		memcpy(slot->at, &header, sizeof(header.vnet.hdr));
	copy(slot->at + ring->hdr_size, m, next->at + ring->hdr_size);
	vhu_used_write(ring, i, shorts->heads[i], size);
	if (evs_unlikely(ring->log))
		log_write(ring, slot->gpa, size);
	return true;
}

static EVS_HOT uint16_t give_burst(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n)
{
	const uint16_t n_heads = vhu_heads_waiting(ring);
	uint16_t n_used = 0, i = 0, took;
	struct shorts shorts;

	shorts.n = EVS_MIN(n, EVS_MIN(n_heads, (uint16_t)PKT_BURST_MAX));
	shorts.n = vhu_heads_read(ring, ring->last_avail, shorts.heads, shorts.n);
	for (uint16_t k = 0; k < shorts.n; k++)
		shorts.slots[k] = find_slot(ring, shorts.heads[k]);
	while (i < shorts.n && give_short(ring, mbufs[i], i, &shorts))
		i++;
	for (n_used = i; i < n; i++, n_used = (uint16_t)(n_used + took)) {
		took = give_one(ring, mbufs[i], n_used, n_heads);
		if (took == 0)
			break;
	}
	if (n_used == 0)
		return 0;
	ring->last_avail = (uint16_t)(ring->last_avail + n_used);
	vhu_used_publish(ring, n_used);
	return i;
}

EVS_HOT uint16_t vhu_split_give(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t given = 0;

	rte_spinlock_lock(&ring->lock); /* held for a burst at most */
	if (evs_likely(ring->is_active))
		given = give_burst(ring, mbufs, n);
	rte_spinlock_unlock(&ring->lock);
	return given;
}
