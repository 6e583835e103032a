/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a guest's memory and rings, split or packed: what is taken from one ring is given to
 * another, once as it is (lent frames are copied from guest to guest), once as a copy in between.
 * Nothing outside the guest's memory is touched, each frame is as long as it says, and every buffer
 * comes back.
 * Rings lie in blocks of exactly their size, and the memory in two that only guests see as one.
 */
#include "fuzz_pool.h"
#include "pkt/pkt_burst.h"
#include "pkt/pkt_drop.h"
#include "pkt/pkt_lent.h"
#include "vhost/vhu_pvt.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GPA       0x1000u
#define HALF      0x3000u
#define FRAME_MAX 65600u
#define ROUNDS    2

struct choice {
	uint8_t order, flags, size_log2, n;
	uint16_t last_avail[2], last_used[2];
};

struct input {
	const uint8_t *data;
	size_t size;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return fuzz_pool_init();
}

/* A block of its own, filled as far as there is input. */
static void *take_block(struct input *in, size_t size)
{
	size_t n = EVS_MIN(size, in->size);
	void *block;

	if (posix_memalign(&block, 16, size)) /* not a byte more: the next one is poisoned */
		abort();
	memset(block, 0, size);
	if (n)
		memcpy(block, in->data, n);
	in->data += n;
	in->size -= n;
	return block;
}

static void make_split(struct vhu_ring *ring, const struct choice *c, unsigned i, struct input *in)
{
	ring->layout = &vhu_split;
	ring->last_avail = c->last_avail[i];
	ring->last_used = c->last_used[i];
	ring->avail =
	        take_block(in, sizeof(struct vring_avail) + ring->size * sizeof(uint16_t) + 2);
	ring->desc = take_block(in, ring->size * sizeof(struct vring_desc));
	ring->used = take_block(in, sizeof(struct vring_used) +
	                                    ring->size * sizeof(struct vring_used_elem) + 2);
}

/* Of any size, also one that is no power of two. */
static void make_packed(struct vhu_ring *ring, const struct choice *c, unsigned i, struct input *in)
{
	const uint16_t place = c->last_avail[i];

	ring->layout = &vhu_packed;
	ring->size = (uint16_t)(ring->size - (c->n & 1));
	ring->last_avail = (uint16_t)((place & 0x8000) | (place & 0x7fff) % ring->size);
	ring->last_used = ring->last_avail;
	ring->gpa = GPA;
	ring->driver_event = take_block(in, sizeof(*ring->driver_event));
	ring->packed = take_block(in, ring->size * sizeof(*ring->packed));
	ring->device_event = take_block(in, sizeof(*ring->device_event));
}

static void make_ring(struct vhu_ring *ring, const struct choice *c, unsigned i,
                      const struct vhu_mem *mem, struct input *in)
{
	memset(ring, 0, sizeof(*ring));
	ring->index = (uint16_t)!i; /* the guest sends by the first one */
	ring->size = (uint16_t)(4u << c->size_log2 % 7);
	ring->is_active = ring->is_placed = ring->is_enabled = true;
	ring->event_idx = c->flags & 1;
	ring->offloads = c->flags & 2;
	ring->merges = c->flags & 4;
	ring->hdr_size = c->flags & 8 ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
	                              : sizeof(struct virtio_net_hdr);
	ring->call_fd = -1;
	ring->mem = mem;
	if (c->flags & 16)
		make_packed(ring, c, i, in);
	else
		make_split(ring, c, i, in);
}

static void free_ring(struct vhu_ring *ring)
{
	free(ring->avail);
	free(ring->desc);
	free(ring->used);
}

/* Reads all bytes; they are as many as the frame says. */
static void check_frame(const struct rte_mbuf *m)
{
	uint8_t sum = 0;
	uint32_t size = 0, wanted = m->pkt_len;

	for (; m; m = m->next) {
		for (uint32_t i = 0; i < m->data_len; i++)
			sum ^= rte_pktmbuf_mtod(m, const uint8_t *)[i];
		size += m->data_len;
	}
	__asm__ volatile("" : : "r"(sum)); /* they are read */
	if (size != wanted || size == 0 || size > FRAME_MAX)
		abort();
}

static void forward(struct vhu_ring *from, struct vhu_ring *to, bool copies)
{
	uint64_t dropped[PKT_N_DROPS] = {0};
	struct rte_mbuf *mbufs[PKT_BURST_MAX];
	const struct vhu_catch into = {fuzz_pool, dropped, mbufs, PKT_BURST_MAX};
	uint16_t n = vhu_ring_take(from, &into), kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		bool good = !copies || !pkt_own(mbufs[i]);

		if (good && !(mbufs[i]->ol_flags & PKT_LENT))
			check_frame(mbufs[i]);
		if (good)
			mbufs[kept++] = mbufs[i];
		else
			rte_pktmbuf_free(mbufs[i]);
	}
	if (kept && vhu_ring_give(to, mbufs, kept) > kept)
		abort();
	rte_pktmbuf_free_bulk(mbufs, kept);
	port_settle();
	if (from->is_lent || from->n_open > EVS_MIN(from->size / 8, 32)) /* a few are kept back */
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct vhu_mem mem = {2, {{GPA, HALF, NULL}, {GPA + HALF, HALF, NULL}}};
	struct vhu_ring from, to;
	struct choice c;

	if (size < sizeof(c))
		return -1;
	memcpy(&c, data, sizeof(c));
	in.data += sizeof(c);
	in.size -= sizeof(c);
	make_ring(&from, &c, 0, &mem, &in);
	make_ring(&to, &c, 1, &mem, &in);
	mem.region[0].hva = take_block(&in, HALF);
	mem.region[1].hva = take_block(&in, HALF);
	for (unsigned i = 0; i < ROUNDS; i++)
		forward(&from, &to, (c.order >> i & 1) != 0);
	vhu_ring_return(&from);
	if (from.n_open ||
	    (from.layout == &vhu_split && (uint16_t)(from.last_used - c.last_used[0]) !=
	                                          (uint16_t)(from.last_avail - c.last_avail[0])) ||
	    (from.layout == &vhu_packed && from.last_used != from.last_avail))
		abort();
	free_ring(&from);
	free_ring(&to);
	free(mem.region[0].hva);
	free(mem.region[1].hva);
	fuzz_pool_check();
	return 0;
}
