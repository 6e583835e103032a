/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that edit one packet: the function of pkt_edit.h and what it takes besides packet and
 * offsets; `op` is the op, `p` its payload. Whoever runs programs expands the table.
 */
#ifndef FLOW_OP_EDITS_H
#define FLOW_OP_EDITS_H

#include "flow/flow_prog.h"
#include "pkt/pkt_edit.h"

#define FLOW_OP_EDITS(EDIT)                                                                        \
	EDIT(SET_ETH, pkt_edit_eth, p)                                                             \
	EDIT(SET_VLAN, pkt_edit_vlan, p)                                                           \
	EDIT(PUSH_VLAN, pkt_push_vlan, ((const struct flow_op_push_vlan *)p)->vlan)                \
	EDIT(POP_VLAN, pkt_pop_vlan)                                                               \
	EDIT(SET_IPV4, pkt_edit_ipv4, p)                                                           \
	EDIT(SET_IPV6, pkt_edit_ipv6, p)                                                           \
	EDIT(SET_L4, pkt_edit_l4, p)                                                               \
	EDIT(SET_ICMP, pkt_edit_icmp, p)                                                           \
	EDIT(SET_ARP, pkt_edit_arp, p)                                                             \
	EDIT(SET_ND, pkt_edit_nd, p)                                                               \
	EDIT(ANSWER, pkt_answer, p)                                                                \
	EDIT(SET_MPLS, pkt_edit_mpls, p)                                                           \
	EDIT(PUSH_MPLS, pkt_push_mpls, p)                                                          \
	EDIT(POP_MPLS, pkt_pop_mpls, ((const struct flow_op_pop_mpls *)p)->eth_type)               \
	EDIT(COPY_TTL, pkt_copy_ttl, op->arg)                                                      \
	EDIT(SET_PBB, pkt_edit_pbb, p)                                                             \
	EDIT(PUSH_PBB, pkt_push_pbb, ((const struct flow_op_push_pbb *)p)->itag)                   \
	EDIT(POP_PBB, pkt_pop_pbb)

#endif
