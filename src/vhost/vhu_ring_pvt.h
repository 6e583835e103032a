/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings that evs serves itself: split and packed ones, without IOMMU. The library serves the
 * others. Threads: workers take, under the ring's lock, for which they never wait, or give, for
 * which they wait for each other; vhost places and removes.
 *
 * Why. The library turns the virtio-net header into flags before anybody could hold it against
 * the frame (it knows one VLAN tag, and writes checksums where it is told to), copies by 16 bytes,
 * and waits with its locks held for messages. Here a descriptor and a header are read once, into
 * private memory, and only that is checked and used; payload may change at any time, which harms
 * nobody but its receiver.
 *
 * Invariants. While a message is handled that changes a ring, its memory or its features, it is not
 * active (vhu_rings_pause), so these only change while no worker uses them. Other messages, and
 * other rings, are not disturbed; frames towards a ring that rests are kept (vhu_keep.c). The lock
 * is held for the time of a burst, in which no other lock is taken. Indices are given back to the
 * library before it may use them.
 *
 * From ring to ring. Of a large frame only the head is copied when it is taken; the rest is lent
 * (pkt/pkt_lent.h) until a receiver's copy is made, mostly straight into another guest's ring. The
 * descriptors of such a burst, and of those behind it, stay open: their entries are written into
 * the used ring, but the guest sees them when the worker has sent all it holds (port_debt.h),
 * within the same turn of its loop. vhu_rings_pause waits for that, so memory stays as long as
 * somebody looks at it. Where lending was in vain, since somebody had to copy the frame after all,
 * the ring copies at once for some bursts.
 *
 * Kept back. DPDK's driver in a guest frees what it sent when room is short; but if it then finds
 * less than 32 frames on their way, all of its ring at once, more than the cache of its pool takes,
 * and from then on it sends and posts the oldest of all its buffers, which are in no cache of the
 * CPU: writing 9,000 bytes to one of 14,000 buffers takes twice as long as to one of 2,000. So of a
 * guest that polls (no event index, no interrupts wanted) the last few large frames' buffers stay
 * open until it sends more or was found quiet a few times. No chains: few of them can be all that
 * the ring has.
 */
#ifndef VHU_RING_PVT_H
#define VHU_RING_PVT_H

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <rte_mbuf.h>
#include <rte_spinlock.h>

#include "port/port_debt.h"

#define VHU_MEM_REGIONS 8

struct vhu_mem {
	unsigned n; /* [vhost w; any thread that finds it cut, to 0; worker r] */
	struct {
		uint64_t gpa, size;
		uint8_t *hva;
	} region[VHU_MEM_REGIONS];
};

struct vhu_ring {
	/* All but the counters under lock, or while !is_placed */
	rte_spinlock_t lock;
	bool is_active; /* placed and enabled */
	bool is_placed;
	bool is_enabled;
	bool event_idx, offloads, merges, log;
	bool has_called;
	bool has_no_end; /* [worker w, ctl r] a chain in it: it is not active for that */
	bool is_lent;    /* some of what is open: debt is listed */
	bool keeps; /* all that is open, or came last, are large frames of single descriptors */
	uint8_t hdr_size;
	uint16_t size, index;
	uint16_t last_avail, last_used; /* indices, of a packed ring places (vhu_packed_pvt.h) */
	uint16_t last_call;
	uint16_t n_open;        /* slots taken and not given back yet */
	uint16_t n_quiet;       /* polls in vain since, while something is open */
	uint16_t sparse;        /* bursts in which nothing is lent, as it was in vain */
	uint32_t in_vain;       /* [worker of the queue] */
	uint16_t room;          /* frames that may still be kept; 0: it does not rest */
	uint16_t n_kept;        /* in kept */
	struct rte_mbuf **kept; /* [vhost w] or NULL */
	struct port_debt debt;  /* listed while is_lent */
	const struct vhu_layout *layout;
	int vid;
	int call_fd; /* our copy; -1: none */
	int kick_fd; /* the library's; negative: none */
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver_event;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device_event;
	};
	uint64_t gpa; /* of a packed ring, where the guest sees it */
	const struct vhu_mem *mem;
	/* [workers w, ctl r], n_drops by several at a time */
	uint64_t n_calls, n_pkts, n_bytes, n_drops;
} EVS_CACHE_ALIGNED;

/* A burst to be taken. */
struct vhu_catch {
	struct rte_mempool *pool;
	uint64_t *dropped; /* by enum pkt_drop */
	struct rte_mbuf **mbufs;
	uint16_t n;
};

struct rte_vhost_vring;
struct vhu_buf;

/* What is to be done with each descriptor of a buffer; not 0 ends it. */
typedef int vhu_desc_fn(const struct vhu_ring *ring, void *arg, const struct vring_desc *desc);

/* How a ring lies in the guest's memory; chosen when it is placed. All under the ring's lock. */
struct vhu_layout {
	/* The ring is ready to be served; false: it lies where it may not. [vhost] */
	bool (*start)(struct vhu_ring *ring, const struct rte_vhost_vring *vring);
	/* [worker] as below */
	uint16_t (*take)(struct vhu_ring *ring, const struct vhu_catch *c);
	uint16_t (*give)(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n);
	/* One descriptor of a buffer after another. */
	int (*walk)(const struct vhu_ring *ring, const struct vhu_buf *buf, vhu_desc_fn *fn,
	            void *arg);
	/* The guest has n slots more back; it is called if it wants that. */
	void (*publish)(struct vhu_ring *ring, uint16_t n);
	/* The guest shall kick when the next slot is available, or shall not. */
	void (*ask)(struct vhu_ring *ring, bool kicks);
};

extern const struct vhu_layout vhu_split, vhu_packed;

/* Guest's frames, with offload requests as port.h says. [worker] */
uint16_t vhu_ring_take(struct vhu_ring *ring, const struct vhu_catch *c);

/* Frames to the guest, lent ones too: how many of them it has. They stay the caller's. [worker] */
uint16_t vhu_ring_give(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n);

/* vhu_keep.c: under the lock. From now on frames are kept, for as many buffers as wait. [vhost] */
void vhu_keep_alloc(struct vhu_ring *ring); /* before, without the lock */
void vhu_keep_begin(struct vhu_ring *ring);
/* As vhu_ring_give, of a ring that rests. [worker] */
uint16_t vhu_keep(struct vhu_ring *ring, struct rte_mbuf **mbufs, uint16_t n);
/* They are given, or not; how many were not. The lock is let go between bursts. [vhost] */
uint16_t vhu_keep_end(struct vhu_ring *ring, bool gives);

/* The guest has back what was kept; nothing is lent. Under the lock. [vhost] */
void vhu_ring_return(struct vhu_ring *ring);

/* vhu_call.c */
bool vhu_call_init(void); /* [ctl] false: calls may have to wait, which is logged */
int vhu_call_decoy(void); /* for the library, which closes it; -1: none to be had. [vhost] */
void vhu_call(int fd);    /* an eventfd of a guest's; never waits for it. [any thread] */

/* These went through a ring that the library serves. [worker] */
void vhu_ring_count(struct vhu_ring *ring, struct rte_mbuf *const *mbufs, uint16_t n);

/* The guest is called. [worker] */
void vhu_ring_call(struct vhu_ring *ring);

/* Do these bytes lie in the guest's memory, as aligned as they must be? [vhost] */
bool vhu_mem_holds(const struct vhu_mem *mem, const void *start, size_t size, uintptr_t align);

/* From now on the guest kicks the descriptor that is returned when it makes frames available, until
 * vhu_ring_disarm; see port_type.arm. [worker] */
int vhu_ring_arm(struct vhu_ring *ring);
void vhu_ring_disarm(struct vhu_ring *ring);
bool vhu_ring_can_kick(struct vhu_ring *ring); /* or is not served. [any thread] */

/* Where the guest has what lies in its memory. [vhost] */
uint64_t vhu_mem_gpa(const struct vhu_mem *mem, const void *at);

/* Where `size` bytes at gpa are, or as many as lie together: *size is lowered. NULL: nowhere. */
EVS_INLINE uint8_t *vhu_mem_at(const struct vhu_mem *mem, uint64_t gpa, uint32_t *size)
{
	const unsigned n = evs_load_relaxed(&mem->n);

	for (unsigned i = 0; i < n; i++) {
		uint64_t offset = gpa - mem->region[i].gpa;

		if (offset >= mem->region[i].size)
			continue;
		*size = (uint32_t)EVS_MIN((uint64_t)*size, mem->region[i].size - offset);
		return mem->region[i].hva + offset;
	}
	return NULL;
}

#endif
