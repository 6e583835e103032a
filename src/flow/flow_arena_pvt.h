/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena: blocks for the programs, references and further key lines of cached flows.
 * Threads: control makes it and takes it down; one worker allocates and frees, without system
 * calls.
 *
 * Problem. Blocks of 64 bytes to 16 KB come and go in any order, and what one port's packets made
 * of the memory must not be what the others' flows lack: neither while its flows live, nor after.
 *
 * Data structure. The region is cut into chunks. A chunk belongs to one holder, a port, and to one
 * size, a power of two, while it has blocks in use; with the last of them it is free for anybody
 * and any size. So what a few flows that stay keep of a chunk counts as their port's, and no port's
 * blocks stand among those of another. The last eighth of the chunks is for ports with less than an
 * eighth of them.
 *
 * Cost. O(1); three cache lines. A port with flows that need blocks holds a chunk for each size in
 * use, mostly three.
 */
#ifndef FLOW_ARENA_PVT_H
#define FLOW_ARENA_PVT_H

#include "flow/flow_mem_pvt.h"

#define FLOW_ARENA_MIN_SHIFT 6
#define FLOW_CHUNK_SHIFT     14
#define FLOW_CHUNK_SIZE      ((size_t)1 << FLOW_CHUNK_SHIFT)
#define FLOW_ARENA_N_CLASSES (FLOW_CHUNK_SHIFT - FLOW_ARENA_MIN_SHIFT + 1)

struct flow_chunk {
	uint32_t next, prev; /* in a list: index + 1, 0: the end */
	uint16_t holder;
	uint16_t n_used;    /* blocks that are handed out */
	uint16_t n_touched; /* blocks from here on were never handed out */
	uint16_t free;      /* block + 1 that came back last; it names the one before */
};

struct flow_holder {
	uint32_t n_chunks;
	uint32_t partial[FLOW_ARENA_N_CLASSES]; /* chunks with blocks to hand out: index + 1 */
};

struct flow_arena {
	struct flow_region region, book;
	struct flow_chunk *chunks;
	struct flow_holder *holders; /* by port index */
	uint32_t n_chunks;
	uint32_t n_touched; /* chunks from here on were never used */
	uint32_t n_held;
	uint32_t free; /* chunk that came back last: index + 1 */
};

int flow_arena_init(struct flow_arena *arena, size_t size, int numa_node); /* [ctl] or -ENOMEM */
void flow_arena_fini(struct flow_arena *arena); /* [ctl] also of a zeroed struct */

/* [worker] A block of at least `size` bytes, aligned to 64, contents undefined. NULL: no memory, or
 * none for this port. */
void *flow_arena_alloc(struct flow_arena *arena, uint16_t port, size_t size);
/* [worker] `size` as given to alloc; ptr may be NULL. */
void flow_arena_free(struct flow_arena *arena, void *ptr, size_t size);

#endif
