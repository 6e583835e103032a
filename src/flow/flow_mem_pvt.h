/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the flow cache: regions by mmap, and an arena of blocks in one.
 * Threads: control maps and unmaps; one worker allocates and frees blocks, without system calls.
 *
 * A region is address space; pages appear when they are touched. The arena hands out blocks of
 * 64 bytes to 16 KB, powers of two, from free lists, then from the untouched end, then by splitting
 * a larger free block. Blocks are never merged: the sizes in use are few and steady.
 */
#ifndef FLOW_MEM_PVT_H
#define FLOW_MEM_PVT_H

#include "base/evs_base.h"

#define FLOW_ARENA_MIN_SHIFT 6
#define FLOW_ARENA_MAX_SHIFT 14
#define FLOW_ARENA_N_CLASSES (FLOW_ARENA_MAX_SHIFT - FLOW_ARENA_MIN_SHIFT + 1)

struct flow_region {
	void *base;
	size_t size;
};

struct flow_arena {
	struct flow_region region;
	size_t used;   /* bytes from the start that were ever handed out */
	size_t in_use; /* bytes handed out now */
	void *free[FLOW_ARENA_N_CLASSES];
};

/* [ctl] Maps zeroed memory, with huge pages where the kernel has some if `is_dense` (the region
 * will be touched all over), near numa_node if that is not negative. 0 or -ENOMEM. */
int flow_region_map(struct flow_region *region, size_t size, bool is_dense, int numa_node);
void flow_region_unmap(struct flow_region *region); /* [ctl] also of a zeroed struct */

/* [worker] A block of at least `size` bytes, aligned to 64, contents undefined; NULL: full. */
void *flow_arena_alloc(struct flow_arena *arena, size_t size);
/* [worker] `size` as given to alloc; ptr may be NULL. */
void flow_arena_free(struct flow_arena *arena, void *ptr, size_t size);

#endif
