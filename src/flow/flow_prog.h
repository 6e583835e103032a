/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Action programs: what translation made of a packet, for the worker to run.
 * Threads: built by the translating thread in its own builder; immutable afterwards; run by the
 * worker that holds it. Owner: the flow pool of the worker (interned: equal programs are one).
 *
 * A program is a row of 8-byte aligned ops: `struct flow_op` and its payload. The worker runs it
 * on a group of packets at a time: one switch per op and group, no indirect call. Ops
 * that carry sub-programs (CLONE) hold them inline, as payload. An empty program does not exist:
 * dropping is the op DROP with its reason.
 *
 * Adding an op: a row in FLOW_OPS, its payload struct here, its body in pmd, its line in the
 * printer (flow_prog_format).
 */
#ifndef FLOW_PROG_H
#define FLOW_PROG_H

#include "flow/flow_key.h"
#include "pkt/pkt_answer.h"
#include "pkt/pkt_drop.h"
#include "pkt/pkt_set.h"
#include "pkt/pkt_tunnel.h"

/* X(ENUM, "name", payload struct) */
#define FLOW_OPS(X)                                                                                \
	X(OUTPUT, "output", flow_op_none) /* arg: port index */                                    \
	X(DROP, "drop", flow_op_none)     /* arg: enum pkt_drop; ends the program */               \
	X(SET_ETH, "set-eth", pkt_set_eth)                                                         \
	X(SET_VLAN, "set-vlan", pkt_set_vlan) /* the outer tag's TCI and TPID */                   \
	X(PUSH_VLAN, "push-vlan", flow_op_push_vlan)                                               \
	X(POP_VLAN, "pop-vlan", flow_op_none)                                                      \
	X(SET_IPV4, "set-ipv4", pkt_set_ipv4)                                                      \
	X(SET_IPV6, "set-ipv6", pkt_set_ipv6)                                                      \
	X(SET_L4, "set-l4", pkt_set_l4)       /* TCP, UDP, SCTP ports */                           \
	X(SET_ICMP, "set-icmp", pkt_set_icmp) /* ICMP and ICMPv6 type and code */                  \
	X(SET_ARP, "set-arp", pkt_set_arp)                                                         \
	X(SET_ND, "set-nd", pkt_set_nd)                                                            \
	X(ANSWER, "answer", pkt_answer) /* the question for a neighbour becomes its answer */      \
	X(SET_MPLS, "set-mpls", pkt_set_mpls) /* the top label stack entry */                      \
	X(PUSH_MPLS, "push-mpls", pkt_push_mpls)                                                   \
	X(POP_MPLS, "pop-mpls", flow_op_pop_mpls)                                                  \
	X(COPY_TTL, "copy-ttl", flow_op_none) /* arg: 1 to the top label, 0 from it */             \
	X(SET_PBB, "set-pbb", pkt_set_pbb)                                                         \
	X(PUSH_PBB, "push-pbb", flow_op_push_pbb)                                                  \
	X(POP_PBB, "pop-pbb", flow_op_none)                                                        \
	X(TUNNEL_PUSH, "tunnel-push", flow_op_none) /* arg: port index; flow_prog_add_tunnel */    \
	X(TUNNEL_POP, "tunnel-pop",                                                                \
	  flow_op_none)                         /* arg: kind << 16 | UDP port; ends the program */ \
	X(CHECK_MTU, "check-mtu", flow_op_none) /* arg: port << 16 | bytes a tunnel adds; what     \
	                                           does not fit: its sender is told */             \
	X(REASSEMBLE, "reassemble", flow_op_none) /* fragments for us; ends the program */         \
	X(METER, "meter", flow_op_meter)                                                           \
	X(STORM, "storm-control", flow_op_none) /* its destination is unknown: receiver's limit */ \
	X(SET_QUEUE, "set-queue", flow_op_none) /* arg: queue id */                                \
	X(CONTROLLER, "controller", flow_op_controller)                                            \
	X(WAIT, "wait", flow_op_wait)       /* for a neighbour, to leave by tunnel port `arg` */   \
	X(CLONE, "clone", flow_op_none)     /* payload: ops that run on a copy */                  \
	X(RECIRC, "recirc", flow_op_recirc) /* parse again and look up; ends the program */

enum flow_op_kind {
#define X(id, name, payload) FLOW_OP_##id,
	FLOW_OPS(X)
#undef X
	        FLOW_N_OPS
};

struct flow_op {
	uint8_t kind;
	uint8_t flags;
	uint16_t size; /* bytes to the next op, payload included; a multiple of 8 */
	uint32_t arg;
	uint8_t payload[];
};

struct flow_op_none {
	char none[0];
};

/* Masked sets: new = (old & ~mask) | value, value within mask. */
struct flow_op_push_vlan {
	struct pkt_vlan vlan;
	uint8_t zero[4];
};
struct flow_op_pop_mpls {
	rte_be16_t eth_type;
	uint8_t zero[6];
};
struct flow_op_push_pbb {
	rte_be32_t itag; /* priority bits and I-SID; outer MACs and tag are copied from the frame */
	uint8_t zero[4];
};
struct flow_op_meter {
	void *meter; /* struct qos_meter; lives as long as a cached flow refers to it */
};
enum flow_to_host {
	FLOW_TO_CONTROLLERS,
	FLOW_TO_HOST,   /* for the bridge's own addresses: ARP, ND, echo */
	FLOW_TO_SENDER, /* is told that it is too long; cookie: offset of L3 << 32 | MTU */
	FLOW_TO_WAIT,   /* until a neighbour is known, to leave by the tunnel port `cookie` then */
};
struct flow_op_controller {
	uint16_t max_len; /* 0xffff: all */
	uint8_t reason;   /* OFPR_* */
	uint8_t table_id;
	uint16_t bridge; /* index */
	uint8_t to_host; /* enum flow_to_host */
	uint8_t zero;
	uint64_t cookie;
	rte_be64_t metadata;
	rte_be32_t in_port; /* OpenFlow number */
	uint32_t zero2;
};
struct flow_op_wait {
	struct pkt_key_tun tun; /* tunnel fields as actions left them */
	struct pkt_key_tmd tmd; /* the same; zero where the bridge maps no options */
};
struct flow_op_recirc {
	uint32_t id; /* frozen state of the translation that goes on */
	uint32_t zero;
};

#define FLOW_OP_SIZE_MAX (sizeof(struct flow_op) + sizeof(struct pkt_tunnel_header))
#define FLOW_PROG_MAX    12288 /* bytes of ops; a longer translation drops as PKT_DROP_RECURSION */

/* An immutable program. */
struct flow_prog {
	uint32_t hash;
	uint32_t size;        /* bytes of ops */
	uint16_t simple_port; /* not 0: the program is one OUTPUT to this port */
	uint16_t flags;
	uint32_t refs;          /* [worker w] cached flows that use it */
	struct flow_prog *next; /* chain of the intern table [worker w] */
	uint8_t ops[] EVS_ALIGNED(8);
};

/* Where translation writes. Caller's memory, reusable after flow_prog_builder_init. */
struct flow_prog_builder {
	uint32_t size;
	bool overflow;
	uint8_t ops[FLOW_PROG_MAX] EVS_ALIGNED(8);
	uint8_t scratch[FLOW_OP_SIZE_MAX] EVS_ALIGNED(8); /* what is added after overflow */
};

void flow_prog_builder_init(struct flow_prog_builder *b);
/* Appends an op with room for its payload (zeroed) and returns it, or a scratch op that is
 * not part of the program once it overflowed (b->overflow). */
struct flow_op *flow_prog_add(struct flow_prog_builder *b, enum flow_op_kind kind, uint32_t arg);
/* Appends TUNNEL_PUSH, returned as by flow_prog_add; its payload is the header as far as it is
 * used.
 */
struct flow_op *flow_prog_add_tunnel(struct flow_prog_builder *b, uint16_t port,
                                     const struct pkt_tunnel_header *header);
/* Opens a CLONE: what is added until flow_prog_clone_end(mark) runs on a copy. */
uint32_t flow_prog_clone_begin(struct flow_prog_builder *b);
void flow_prog_clone_end(struct flow_prog_builder *b, uint32_t mark);

const char *flow_op_name(enum flow_op_kind kind);

#define FLOW_OP_FOREACH(op, ops, ops_size)                                                         \
	for (const struct flow_op *op = (const struct flow_op *)(ops);                             \
	     (const uint8_t *)op < (const uint8_t *)(ops) + (ops_size);                            \
	     op = (const struct flow_op *)((const uint8_t *)op + op->size))

/* Text as `trace` and `cache dump` show it; port_name may be NULL (then numbers).
 * Returns the length that was needed, as snprintf. */
size_t flow_prog_format(char *buf, size_t size, const uint8_t *ops, size_t ops_size,
                        const char *(*port_name)(uint16_t port, void *arg), void *arg);

/* Runs an op that edits on a packet: as pkt_edit.h, or -EOPNOTSUPP for any other op. */
struct rte_mbuf;
struct pkt_offsets;
int flow_op_edit(const struct flow_op *op, struct rte_mbuf *m, struct pkt_offsets *ofs);

#endif
