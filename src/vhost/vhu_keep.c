/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames towards a ring that rests: while a message is handled that changes it, workers put them
 * here, and they are given in their order before the ring is served again. Threads: workers keep,
 * vhost begins and ends, all under the ring's lock. Owner: what is kept is the ring's.
 *
 * Bounds. No more is kept than the guest had buffers for when the rest began, so a guest that does
 * not take frames holds none of the switch's. One message of all guests is handled at a time.
 */
#include <rte_mbuf.h>
#include <stdlib.h>

#include "pkt/pkt_burst.h"
#include "pkt/pkt_lent.h"
#include "vhost/vhu_layout_pvt.h"
#include "vhost/vhu_pvt.h"

#define KEPT_MAX 1024

static uint16_t count_waiting(const struct vhu_ring *ring)
{
	uint16_t n = 0, place = ring->last_avail;

	if (ring->layout != &vhu_packed)
		return EVS_MIN(vhu_split_waiting(ring), ring->size);
	while (n < EVS_MIN(ring->size, KEPT_MAX) &&
	       vhu_packed_is_offered(evs_load_relaxed(&vhu_packed_at(ring, place)->flags), place)) {
		place = vhu_packed_step(ring->size, place, 1);
		n++;
	}
	return n;
}

void vhu_keep_alloc(struct vhu_ring *ring)
{
	if (!ring->kept)
		ring->kept = malloc(KEPT_MAX * sizeof(ring->kept[0]));
}

void vhu_keep_begin(struct vhu_ring *ring)
{
	if (ring->kept)
		ring->room = EVS_MIN(count_waiting(ring), (uint16_t)KEPT_MAX);
}

EVS_COLD uint16_t vhu_keep(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t i = 0;

	n = EVS_MIN(n, ring->room);
	for (; i < n && !pkt_own(mbufs[i]); i++) {
		rte_pktmbuf_refcnt_update(mbufs[i], 1); /* the caller frees its own */
		ring->kept[ring->n_kept++] = mbufs[i];
	}
	ring->room = (uint16_t)(ring->room - i);
	return i;
}

/* A burst of what is kept, beginning at *done. False: the guest takes no more. */
static bool give_some(struct vhu_ring *ring, uint16_t *done)
{
	const uint16_t n = (uint16_t)EVS_MIN(ring->n_kept - *done, PKT_BURST_MAX);
	uint16_t given = ring->layout->give(ring, ring->kept + *done, n);

	rte_pktmbuf_free_bulk(ring->kept + *done, given);
	*done = (uint16_t)(*done + given);
	return given > 0;
}

uint16_t vhu_keep_end(struct vhu_ring *ring, bool gives)
{
	uint16_t done = 0, lost;

	while (gives && done < ring->n_kept && give_some(ring, &done)) {
		rte_spinlock_unlock(&ring->lock); /* nobody waits longer than for a burst */
		rte_spinlock_lock(&ring->lock);
	}
	lost = (uint16_t)(ring->n_kept - done);
	if (lost)
		rte_pktmbuf_free_bulk(ring->kept + done, lost);
	ring->room = ring->n_kept = 0;
	return lost;
}
