/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between tables, groups and meters, and the rest of the pipeline.
 * Threads: as said at each function.
 */
#ifndef PL_OF_PVT_H
#define PL_OF_PVT_H

#include "pipeline/pl_bridge_pvt.h"
#include "pipeline/pl_xlate_pvt.h"

/* What a cached flow counted since it was asked last. */
struct pl_credit {
	uint64_t pkts, bytes;
	uint32_t used_ms;
};

struct pl_tables {
	struct pl_bridge *bridge;
	bool normal; /* table 0 is empty and acts as NORMAL [ctl w, worker r] */
};

/* [ctl] Whether a change of pass `seq` affects what the reference says. */
bool pl_of_ref_hit(uint64_t seq, const struct flow *flow, const struct flow_ref *ref);
/* [ctl] Before and after the walk of a pass. begin: whether there is anything to walk for. */
bool pl_of_pass_begin(uint64_t seq);
void pl_of_pass_end(uint64_t seq);
void pl_of_credit(const struct flow_ref *ref, const struct pl_credit *credit); /* [ctl] */
void pl_of_tick(uint32_t now_ms);                                              /* [ctl] */

#endif
