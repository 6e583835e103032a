/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regions and arena. Threads and ownership: flow_mem_pvt.h.
 */
#include "flow/flow_mem_pvt.h"

#include <sys/mman.h>

#include <numa.h>

#define HUGE_PAGE ((size_t)2 << 20)

int flow_region_map(struct flow_region *region, size_t size, bool is_dense, int numa_node)
{
	/* Room to start at a multiple of 2 MB: else the kernel can not use huge pages at the ends.
	 */
	size_t slack = is_dense && size >= HUGE_PAGE ? HUGE_PAGE : 0;
	uint8_t *base;
	size_t head;

	size = (size + 4095) & ~(size_t)4095;
	base = mmap(NULL, size + slack, PROT_READ | PROT_WRITE,
	            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -ENOMEM;
	if (slack) {
		head = -(uintptr_t)base & (HUGE_PAGE - 1);
		if (head)
			munmap(base, head);
		base += head;
		if (slack != head)
			munmap(base + size, slack - head);
		madvise(base, size, MADV_HUGEPAGE); /* a wish: pages of 4 KB work as well */
	}
	if (numa_node >= 0 && numa_available() >= 0)
		numa_tonode_memory(base, size, numa_node);
	region->base = base;
	region->size = size;
	return 0;
}

void flow_region_unmap(struct flow_region *region)
{
	if (region->base)
		munmap(region->base, region->size);
	region->base = NULL;
	region->size = 0;
}

static unsigned size_class(size_t size)
{
	unsigned shift = size <= 1 ? 0 : 64 - (unsigned)__builtin_clzl(size - 1);

	return shift <= FLOW_ARENA_MIN_SHIFT ? 0 : shift - FLOW_ARENA_MIN_SHIFT;
}

static void push(struct flow_arena *arena, unsigned class, void *block)
{
	*(void **)block = arena->free[class];
	arena->free[class] = block;
}

static void *pop(struct flow_arena *arena, unsigned class)
{
	void *block = arena->free[class];

	if (block)
		arena->free[class] = *(void **)block;
	return block;
}

/* Halves a larger free block until it fits; the upper halves go to their lists. */
static void *split(struct flow_arena *arena, unsigned class)
{
	for (unsigned larger = class + 1; larger < FLOW_ARENA_N_CLASSES; larger++) {
		uint8_t *block = pop(arena, larger);

		if (!block)
			continue;
		while (larger-- > class)
			push(arena, larger, block + ((size_t)1 << (larger + FLOW_ARENA_MIN_SHIFT)));
		return block;
	}
	return NULL;
}

void *flow_arena_alloc(struct flow_arena *arena, size_t size)
{
	unsigned class = size_class(size);
	size_t bytes = (size_t)1 << (class + FLOW_ARENA_MIN_SHIFT);
	void *block;

	if (class >= FLOW_ARENA_N_CLASSES)
		return NULL;
	block = pop(arena, class);
	if (!block && arena->used + bytes <= arena->region.size) {
		block = (uint8_t *)arena->region.base + arena->used;
		arena->used += bytes;
	}
	if (!block)
		block = split(arena, class);
	if (block)
		arena->in_use += bytes;
	return block;
}

void flow_arena_free(struct flow_arena *arena, void *ptr, size_t size)
{
	unsigned class = size_class(size);

	if (!ptr)
		return;
	arena->in_use -= (size_t)1 << (class + FLOW_ARENA_MIN_SHIFT);
	push(arena, class, ptr);
}
