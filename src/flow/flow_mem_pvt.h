/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the flow cache: regions by mmap. Threads: control maps and unmaps.
 *
 * A region is address space; pages appear when they are touched.
 */
#ifndef FLOW_MEM_PVT_H
#define FLOW_MEM_PVT_H

#include "base/evs_base.h"

struct flow_region {
	void *base;
	size_t size;
};

/* [ctl] Maps zeroed memory, with huge pages where the kernel has some if `is_dense` (the region
 * will be touched all over), near numa_node if that is not negative. 0 or -ENOMEM. */
int flow_region_map(struct flow_region *region, size_t size, bool is_dense, int numa_node);
void flow_region_unmap(struct flow_region *region); /* [ctl] also of a zeroed struct */

#endif
