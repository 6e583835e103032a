/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts frames into a ring (virtio 1.1, 5.1.6.3); see vhu_ring_pvt.h. Threads: worker.
 *
 * As a rule a frame goes into one descriptor, in three passes over the burst: buffers, descriptors,
 * bytes. From the first one on that needs more, frames go one by one: room is found first, over
 * chains and, with mergeable buffers, over several of them, and bytes are written when there is
 * enough. What a guest has described badly ends the burst, and is looked at anew by the next.
 */
#include <rte_vhost.h>

#include "base/evs_copy.h"
#include "pkt/pkt_burst.h"
#include "pkt/pkt_lent.h"
#include "port/port_vnet.h"
#include "vhost/vhu_layout_pvt.h"

#define PIECES_MAX 256 /* of one frame */

_Static_assert(PIECES_MAX <= VHU_MARKS_MAX, "a frame is revealed at once");

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
	struct vhu_used used[PIECES_MAX]; /* of its buffers, each of a piece at least */
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

/* Slots of the ring that a burst fills, from the first one on. */
struct stretch {
	uint16_t filled, end;
	uint64_t bytes; /* of frames */
};

/* Finds room for a frame in the next slots; returns how many buffers it takes, 0: none. */
static uint16_t find_room(struct vhu_ring *ring, bool packed, struct room *room,
                          struct stretch *stretch)
{
	uint16_t n = 0, at = stretch->filled;

	while (room->size < room->wanted) {
		uint64_t before = room->size;
		struct vhu_buf buf;

		if (at >= stretch->end || (n && !ring->merges) ||
		    !vhu_bufs_find(ring, packed, at, &buf, 1))
			return 0;
		vhu_buf_read(ring, packed, &buf, VRING_DESC_F_WRITE);
		if (ring->layout->walk(ring, &buf, add_desc, room) < 0)
			return 0;
		room->used[n++] = vhu_buf_used(packed, &buf, (uint32_t)(room->size - before));
		at = (uint16_t)(at + vhu_buf_span(packed, &buf));
	}
	stretch->filled = at;
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

static bool give_long(struct vhu_ring *ring, bool packed, const struct rte_mbuf *m,
                      struct stretch *stretch)
{
	const uint16_t first = stretch->filled;
	struct header header;
	struct room room;
	uint16_t n;

	room.size = room.n_pieces = room.piece = 0;
	room.wanted = (uint64_t)m->pkt_len + ring->hdr_size;
	n = find_room(ring, packed, &room, stretch);
	if (n == 0)
		return false;
	fill_header(ring, m, n, &header);
	put(ring, &room, &header, ring->hdr_size);
	if (m->ol_flags & PKT_LENT)
		put_lent(ring, &room, m);
	stretch->bytes += m->pkt_len;
	for (; m && !(m->ol_flags & PKT_LENT); m = m->next)
		put(ring, &room, rte_pktmbuf_mtod(m, const void *), m->data_len);
	for (uint16_t i = 0; i < n; i++)
		vhu_buf_use(ring, packed, (uint16_t)(first + i), room.used[i]);
	vhu_slots_reveal(ring, packed, (uint16_t)(stretch->filled - first));
	return true;
}

/* ---- the short way ---- */

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

/* has_next: a buffer follows. */
EVS_INLINE bool give_short(struct vhu_ring *ring, const struct rte_mbuf *m,
                           const struct vhu_buf *buf, bool has_next)
{
	const struct vhu_buf *next = &buf[has_next && buf[1].bytes];
	const uint32_t size = m->pkt_len + ring->hdr_size;
	struct header header;

	if (evs_unlikely(!buf->bytes) || evs_unlikely(size > buf->size || m->nb_segs > 1))
		return false;
	fill_header(ring, m, 1, &header);
	if (evs_likely(ring->hdr_size == sizeof(header.vnet)))
		memcpy(buf->bytes, &header, sizeof(header.vnet));
	else
		memcpy(buf->bytes, &header, sizeof(header.vnet.hdr));
	copy(buf->bytes + ring->hdr_size, m, next->bytes + ring->hdr_size);
	if (evs_unlikely(ring->log))
		log_write(ring, buf->desc.addr, size);
	return true;
}

/* Frames that go the short way: how many. */
EVS_INLINE uint16_t give_shorts(struct vhu_ring *ring, bool packed, struct rte_mbuf **mbufs,
                                uint16_t n, struct stretch *stretch)
{
	struct vhu_buf bufs[PKT_BURST_MAX];
	uint16_t given = 0;

	n = EVS_MIN(n, EVS_MIN(stretch->end, (uint16_t)PKT_BURST_MAX));
	n = vhu_bufs_find(ring, packed, 0, bufs, n);
	for (uint16_t i = 0; i < n; i++)
		vhu_buf_read(ring, packed, &bufs[i], VRING_DESC_F_WRITE);
	while (given < n && give_short(ring, mbufs[given], &bufs[given], given + 1 < n))
		given++;
	for (uint16_t i = 0; i < given; i++) {
		stretch->bytes += mbufs[i]->pkt_len;
		vhu_buf_use(ring, packed, i,
		            vhu_buf_used(packed, &bufs[i], mbufs[i]->pkt_len + ring->hdr_size));
	}
	stretch->filled = given;
	if (given)
		vhu_slots_reveal(ring, packed, given);
	return given;
}

EVS_INLINE uint16_t give(struct vhu_ring *ring, bool packed, struct rte_mbuf **mbufs, uint16_t n)
{
	struct stretch stretch = {.end = vhu_slots_waiting(ring, packed)};
	uint16_t i = give_shorts(ring, packed, mbufs, n, &stretch);

	while (i < n && give_long(ring, packed, mbufs[i], &stretch))
		i++;
	if (stretch.filled == 0)
		return 0;
	evs_counter_add(&ring->n_pkts, i);
	evs_counter_add(&ring->n_bytes, stretch.bytes);
	vhu_slots_take(ring, packed, stretch.filled);
	if (packed)
		vhu_packed_tell(ring, stretch.filled);
	else
		vhu_split_publish(ring, stretch.filled);
	return i;
}

EVS_HOT uint16_t vhu_split_give(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n)
{
	return give(ring, false, mbufs, n);
}

EVS_HOT uint16_t vhu_packed_give(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n)
{
	return give(ring, true, mbufs, n);
}
