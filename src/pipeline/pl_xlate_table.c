/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation through the tables.
 * Threads: as pl_xlate_pvt.h.
 */
#include "pipeline/pl_of_pvt.h"

void pl_xlate_table(struct pl_xlate *x, unsigned table)
{
	struct pl_bridge *bridge = x->snap->bridge;

	if (!pl_xlate_step(x))
		return;
	if (evs_load_relaxed(&bridge->tables->normal)) {
		pl_normal(x);
		return;
	}
	pl_ref_add(x, FLOW_REF_BRIDGE, bridge, 0);
	x->reason = PKT_DROP_TABLE_MISS;
}

void pl_xlate_thaw(struct pl_xlate *x, uint32_t recirc_id)
{
	x->reason = PKT_DROP_RECURSION; /* nothing freezes packets */
}
