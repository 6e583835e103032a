/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regions. Threads and ownership: flow_mem_pvt.h.
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
