/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that edit headers: each applied to a whole group.
 * Threads: worker. A packet that an op does not apply to is dropped as BAD_ACTION.
 */
#include "pkt/pkt_edit.h"
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
		break

EVS_HOT bool pmd_edit(struct pmd_worker *w, struct pmd_exec *x, const struct flow_op *op)
{
	const void *p = op->payload;
	uint32_t bad = 0;

	if (!x->is_private)
		pmd_make_private(w, x);
	switch (op->kind) {
		EDIT(SET_ETH, pkt_edit_eth, p);
		EDIT(SET_VLAN, pkt_edit_vlan, p);
		EDIT(PUSH_VLAN, pkt_push_vlan, ((const struct flow_op_push_vlan *)p)->vlan);
		EDIT(POP_VLAN, pkt_pop_vlan);
		EDIT(SET_IPV4, pkt_edit_ipv4, p);
		EDIT(SET_IPV6, pkt_edit_ipv6, p);
		EDIT(SET_L4, pkt_edit_l4, p);
		EDIT(SET_ICMP, pkt_edit_icmp, p);
		EDIT(SET_ARP, pkt_edit_arp, p);
		EDIT(SET_ND, pkt_edit_nd, p);
		EDIT(SET_MPLS, pkt_edit_mpls, p);
		EDIT(PUSH_MPLS, pkt_push_mpls, p);
		EDIT(POP_MPLS, pkt_pop_mpls, ((const struct flow_op_pop_mpls *)p)->eth_type);
		EDIT(COPY_TTL, pkt_copy_ttl, op->arg);
		EDIT(SET_PBB, pkt_edit_pbb, p);
		EDIT(PUSH_PBB, pkt_push_pbb, ((const struct flow_op_push_pbb *)p)->itag);
		EDIT(POP_PBB, pkt_pop_pbb);
	default:
		return false;
	}
	if (evs_unlikely(bad))
		pmd_exec_drop(w, x, bad, PKT_DROP_BAD_ACTION);
	return true;
}
