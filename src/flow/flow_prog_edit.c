/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One op on one packet, for those who follow a program by hand: trace, tests. Workers edit bursts
 * (pmd_edit).
 * Threads: any; the caller owns the packet.
 */
#include "flow/flow_op_edits.h"

#define EDIT(op, function, ...)                                                                    \
	case FLOW_OP_##op:                                                                         \
		return function(m, ofs, ##__VA_ARGS__);

int flow_op_edit(const struct flow_op *op, struct rte_mbuf *m, struct pkt_offsets *ofs)
{
	const void *p = op->payload;

	switch (op->kind) {
		FLOW_OP_EDITS(EDIT)
	default:
		return -EOPNOTSUPP;
	}
}
