/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that edit headers: each applied to a whole group.
 * Threads: worker. A packet that an op does not apply to is dropped as BAD_ACTION.
 */
#include "flow/flow_op_edits.h"
#include "pmd/pmd_tunnel_pvt.h"

EVS_HOT void pmd_make_private(struct pmd_worker *w, struct pmd_exec *x)
{
	uint32_t bad = 0;

	for (unsigned i = 0; i < x->n; i++)
		bad |= (uint32_t)(pkt_make_writable(&x->mbuf[i], x->mbuf[i]->pool) != 0) << i;
	if (evs_unlikely(bad))
		pmd_exec_drop(w, x, bad, PKT_DROP_NO_MBUF);
	x->is_private = true;
}

/* A row of the switch: the function on each packet; bit i of bad: it does not apply to packet i. */
#define EDIT(op, function, ...)                                                                    \
	case FLOW_OP_##op:                                                                         \
		for (unsigned i = 0; i < x->n; i++)                                                \
			bad |= (uint32_t)(function(x->mbuf[i], &x->ofs[i], ##__VA_ARGS__) != 0)    \
			       << i;                                                               \
		break;

EVS_HOT bool pmd_edit(struct pmd_worker *w, struct pmd_exec *x, const struct flow_op *op)
{
	const void *p = op->payload;
	uint32_t bad = 0;

	if (!x->is_private)
		pmd_make_private(w, x);
	switch (op->kind) {
		FLOW_OP_EDITS(EDIT)
	default:
		return false;
	}
	if (evs_unlikely(bad))
		pmd_exec_drop(w, x, bad, PKT_DROP_BAD_ACTION);
	return true;
}
