/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where to go on in the rings of a guest that was served before: by an evsd that was killed, say.
 * Threads: vhost, before the device is served. Owner: the ring is the guest's memory.
 *
 * Of a split ring the library finds the place in the ring. Of a packed one (virtio 1.1, 2.7) QEMU
 * tells the place where the device was last stopped in good order, or the beginning: the guest
 * would wait for ever. But the descriptors know. Each carries two bits: the driver sets "avail"
 * to its wrap counter and "used" to the opposite; the device, when done, "used" to the same. So in
 * order of time, from the driver's place round to it, the ring holds used ones, then available
 * ones, and the device's place is between them.
 *
 *      | used, this lap | available | used, the lap before |
 *      0                device      driver                 size
 *
 * That holds since evs marks each descriptor, also those of a chain and with in-order. Behind an
 * IOMMU the library does so while each buffer takes one: with indirect descriptors, and towards the
 * guest with mergeable buffers, as all common drivers have them. Else what QEMU says stands.
 * A device that was killed while it gave back a burst can have left out the first one of it (which
 * is written last). All from there on is given back then, as empty.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <rte_vhost.h>

#include "base/evs_log.h"
#include "vhost/vhu_packed_pvt.h"
#include "vhost/vhu_pvt.h"

#define TRIES 8 /* looks at a ring whose driver goes on, until one is undisturbed */

static bool is_avail_set(const struct vring_packed_desc *desc)
{
	return evs_load_relaxed(&desc->flags) & VHU_AVAIL;
}

static bool is_used(const struct vring_packed_desc *desc)
{
	const uint16_t flags = evs_load_relaxed(&desc->flags);

	return !(flags & VHU_AVAIL) == !(flags & VHU_USED);
}

static void give_back(struct vring_packed_desc *desc)
{
	desc->len = 0;
	evs_store_release(&desc->flags, is_avail_set(desc) ? VHU_AVAIL | VHU_USED : 0);
}

/* Descriptors that the driver made available since the one after which it began this lap. */
static unsigned find_driver(const struct vring_packed_desc *ring, unsigned size, bool *wrap)
{
	unsigned i = 1;

	*wrap = is_avail_set(&ring[0]);
	while (i < size && is_avail_set(&ring[i]) == *wrap)
		i++;
	if (i < size)
		return i;
	*wrap = !*wrap;
	return 0;
}

/* What the ring tells: where the driver is, how many descriptors before it are available, and how
 * many of those before that begin with one that was left out. */
struct tale {
	unsigned driver, n_avail, gap;
	bool wrap;
};

/* False: the driver has moved meanwhile, and what it offered looks like what was left out. */
static bool read_tale(const struct vring_packed_desc *ring, unsigned size, struct tale *t)
{
	bool wrap;

	t->driver = find_driver(ring, size, &t->wrap);
	t->n_avail = t->gap = 0;
	while (t->n_avail < size && !is_used(&ring[(t->driver + size - 1 - t->n_avail) % size]))
		t->n_avail++;
	for (unsigned i = t->n_avail + 1; i < size && i <= t->n_avail + VHU_MARKS_MAX; i++)
		if (!is_used(&ring[(t->driver + size - 1 - i) % size]))
			t->gap = i + 1 - t->n_avail;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return find_driver(ring, size, &wrap) == t->driver && wrap == t->wrap;
}

uint16_t vhu_resume_place(struct vring_packed_desc *ring, uint16_t size)
{
	struct tale t;
	unsigned place, n = 0;

	while (!read_tale(ring, size, &t) && n < TRIES)
		n++;
	if (n == TRIES)
		t.gap = 0; /* nothing is better than the wrong ones */
	place = (t.driver + size - t.n_avail) % size;
	for (unsigned i = 1; i <= t.gap; i++) /* the oldest last, for which the driver waits */
		give_back(&ring[(place + size - i) % size]);
	return (uint16_t)(place | (t.wrap == (t.n_avail <= t.driver) ? VHU_WRAP : 0));
}

/* Does the library write to each descriptor of the ring? */
static bool is_simple(unsigned ring, uint64_t features)
{
	const unsigned needed = ring & 1 ? VIRTIO_RING_F_INDIRECT_DESC : VIRTIO_NET_F_MRG_RXBUF;

	if (features & 1ull << VIRTIO_F_IN_ORDER)
		return false; /* one used descriptor may stand for many */
	return features & 1ull << needed;
}

uint16_t vhu_resume_from(unsigned ring, uint64_t features, const struct rte_vhost_vring *vring,
                         uint16_t told)
{
	uint16_t place;

	if ((features & VHU_NOT_OURS) && !is_simple(ring, features))
		return told;
	place = vhu_resume_place(vring->desc_packed, vring->size);
	if (place != told)
		EVS_LOG_LIMITED(vhost, INFO, "ring %u goes on at %u, not at %u", ring,
		                place & ~VHU_WRAP, told & ~VHU_WRAP);
	return place;
}

/* A ring that the library serves. */
static void resume(int vid, uint16_t i, uint64_t features, const struct rte_vhost_vring *vring)
{
	uint16_t avail = 0, used = 0, place;

	if (rte_vhost_get_vring_base(vid, i, &avail, &used))
		return;
	place = vhu_resume_from(i, features, vring, avail);
	if (place != avail)
		rte_vhost_set_vring_base(vid, i, place, place);
}

void vhu_resume(const struct vhu_conn *conn)
{
	const uint64_t features = conn->facts.features,
	               theirs = 1ull << VIRTIO_F_RING_PACKED | VHU_NOT_OURS;

	for (uint16_t i = 0; i < conn->facts.n_rings; i++) {
		struct rte_vhost_vring ring = {0};

		if (rte_vhost_get_vhost_vring(conn->vid, i, &ring) || !ring.desc || !ring.size)
			continue;
		if ((features & theirs) == theirs)
			resume(conn->vid, i, features, &ring);
		/* Who served it before may not have come to that. Whether the guest wants it can
		 * not be told without the place up to which it was called; once too often is
		 * harmless. */
		if (conn->ring[i].call_fd >= 0)
			vhu_call(conn->ring[i].call_fd);
	}
}
