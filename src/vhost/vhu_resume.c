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
 * A chain's first descriptor is marked last: those behind it, which look like available ones of a
 * driver that was further, do not count before it is (can_be_at).
 *
 * The first picture holds since evs marks each descriptor, also those of a chain and with in-order.
 * Behind an IOMMU the library does so while each buffer takes one: with indirect descriptors, and
 * towards the guest with mergeable buffers, as all common drivers have them. Else what QEMU says
 * stands. A device that was killed while it gave back a burst can have left out the first one of it
 * (which is written last). All from there on is given back then, as empty.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <rte_vhost.h>

#include "base/evs_log.h"
#include "vhost/vhu_packed_pvt.h"
#include "vhost/vhu_pvt.h"

#define TRIES 8 /* looks at a ring whose driver goes on, until one is undisturbed */

static uint16_t flags_at(const struct vring_packed_desc *ring, uint16_t place)
{
	return evs_load_relaxed(&ring[place & ~VHU_WRAP].flags);
}

/* Is it as the driver made it in the lap of `place`, whatever became of it then? */
static bool was_offered(const struct vring_packed_desc *ring, uint16_t place)
{
	return !(flags_at(ring, place) & VHU_AVAIL) == !(place & VHU_WRAP);
}

/* Is it still the device's? */
static bool is_offered(const struct vring_packed_desc *ring, uint16_t place)
{
	return vhu_packed_is_offered(flags_at(ring, place), place);
}

static uint16_t step_back(uint16_t size, uint16_t place)
{
	return place & ~VHU_WRAP ? place - 1u : (place ^ VHU_WRAP) | (size - 1u);
}

/* Can the driver be at `place`? Then all from there round to it is of the lap before; but of a
 * chain that it writes just now, it marks the first descriptor last. */
static bool can_be_at(const struct vring_packed_desc *ring, uint16_t size, uint16_t place)
{
	const uint16_t before = place ^ VHU_WRAP;
	uint16_t at = place;
	unsigned n = 0;

	if (was_offered(ring, before) && !is_offered(ring, before))
		for (n = 1; n < size; n++) {
			at = vhu_packed_step(size, at, 1);
			if (!is_offered(ring, at))
				break;
		}
	for (; n < size; n++, at = vhu_packed_step(size, at, 1))
		if (!was_offered(ring, at ^ VHU_WRAP))
			return false;
	return true;
}

/* The first index from `at` on of another lap than the one before it. */
static uint16_t find_turn(const struct vring_packed_desc *ring, uint16_t size, uint16_t at)
{
	const uint16_t lap = flags_at(ring, at) & VHU_AVAIL;

	while (at < size && (flags_at(ring, at) & VHU_AVAIL) == lap)
		at++;
	return at;
}

/* The driver's place: where the laps meet; while it writes a chain across the end of the ring, or
 * from its beginning on, where the first descriptor of that is. False: it moved meanwhile. */
static bool find_driver(const struct vring_packed_desc *ring, uint16_t size, uint16_t *place)
{
	const uint16_t lap = flags_at(ring, 0) & VHU_AVAIL ? VHU_WRAP : 0, other = lap ^ VHU_WRAP;
	const uint16_t turn = find_turn(ring, size, 0);
	const uint16_t next = turn < size ? find_turn(ring, size, turn) : size;
	const uint16_t places[] = {turn < size ? lap | turn : other, other,
	                           next < size ? other | next : other};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(places); i++) {
		*place = places[i];
		if (can_be_at(ring, size, *place))
			return true;
	}
	*place = places[0];
	return false;
}

/* The device's place, and how many are available from there to the driver's. */
static uint16_t find_device(const struct vring_packed_desc *ring, uint16_t size, uint16_t driver,
                            unsigned *n_avail)
{
	uint16_t device = driver;

	for (*n_avail = 0; *n_avail < size; ++*n_avail) {
		uint16_t at = step_back(size, device);

		if (!is_offered(ring, at))
			break;
		device = at;
	}
	return device;
}

/* How many of n descriptors before the device's place begin with one that was left out. */
static unsigned find_gap(const struct vring_packed_desc *ring, uint16_t size, uint16_t device,
                         unsigned n)
{
	unsigned gap = 0;

	for (unsigned i = 1; i <= n; i++) {
		device = step_back(size, device);
		if (is_offered(ring, device))
			gap = i;
	}
	return gap;
}

static void give_back(struct vring_packed_desc *ring, uint16_t place)
{
	struct vring_packed_desc *desc = &ring[place & ~VHU_WRAP];

	desc->len = 0;
	evs_store_release(&desc->flags, place & VHU_WRAP ? VHU_AVAIL | VHU_USED : 0);
}

/* What the driver offers meanwhile is of another lap than what was left out. */
uint16_t vhu_resume_place(struct vring_packed_desc *ring, uint16_t size)
{
	uint16_t driver, device, at;
	unsigned n_avail, gap;

	for (unsigned n = 0; !find_driver(ring, size, &driver) && n < TRIES; n++)
		;
	at = device = find_device(ring, size, driver, &n_avail);
	gap = find_gap(ring, size, device, EVS_MIN(size - n_avail, VHU_MARKS_MAX + 1u));
	while (gap--) { /* the oldest last, for which the driver waits */
		at = step_back(size, at);
		give_back(ring, at);
	}
	return device;
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
		if ((features & theirs) == theirs &&
		    vhu_mem_holds(&conn->mem, ring.desc_packed,
		                  ring.size * sizeof(struct vring_packed_desc), 16))
			resume(conn->vid, i, features, &ring);
		/* Who served it before may not have come to that. Whether the guest wants it can
		 * not be told without the place up to which it was called; once too often is
		 * harmless. */
		if (conn->ring[i].call_fd >= 0)
			vhu_call(conn->ring[i].call_fd);
	}
}
