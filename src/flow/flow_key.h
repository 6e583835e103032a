/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The match space of rules: the packet's key and what the pipeline adds to it.
 * Threads: any. Owner: the caller.
 *
 * A field (flow_field.h) is a byte offset, a bit offset and a width within this struct, so that
 * rules, translation, printing and set-field share one layout. Caches only ever see `pkt`.
 */
#ifndef FLOW_KEY_H
#define FLOW_KEY_H

#include "pkt/pkt_key.h"

#define FLOW_N_REGS 16

/* What exists only while a packet is translated. Wire order, as regs. */
struct flow_key_pipe {
	rte_be64_t metadata;
	rte_be32_t in_port;       /* OpenFlow number; matched instead of pkt.base.in_port */
	rte_be32_t in_phy_port;   /* OpenFlow number of the port under a tunnel port */
	rte_be32_t actset_output; /* of OpenFlow 1.5 */
	rte_be32_t pkt_mark;
	rte_be32_t skb_priority; /* the queue that set_queue chose */
	rte_be32_t conj_id;
	uint8_t zero[32];
};

struct flow_key {
	struct pkt_key pkt;
	rte_be32_t regs[FLOW_N_REGS];
	struct flow_key_pipe pipe;
};

#define FLOW_KEY_N_U64 (sizeof(struct flow_key) / sizeof(uint64_t))

static_assert(sizeof(struct flow_key) == 10 * EVS_CACHE_LINE, "ten lines");

#endif
