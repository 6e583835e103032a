/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short way out of tunnels: packets whose outer header is known are taken out before they are
 * parsed, and only the inner packet is looked up.
 * Threads: worker. Owner: the worker's table; it holds no packet between bursts.
 *
 * The table says, by the sender's address, which cached flow of a port its packets have, and their
 * template (tun_template.h). A cached flow that control ended is not used any more, exactly as in
 * the caches: its generation tells. What does not fit goes the long way; in one burst with what
 * fits only if it can not be of the same inner flow, so that order stays.
 */
#ifndef PMD_DECAP_PVT_H
#define PMD_DECAP_PVT_H

#include "flow/flow_cache.h"
#include "tunnel/tun_template.h"

struct pmd_exec;
struct pmd_view;
struct pmd_worker;

#define PMD_N_DECAPS 256

struct pmd_decap {
	struct tun_template t;
	struct flow *flow; /* that does nothing but end the tunnel */
	uint32_t gen;      /* of it, then */
	uint32_t arg;      /* of its op */
	uint16_t in_port;  /* PKT_PORT_NONE: the place is free */
	bool used;         /* since another sender wanted the place */
} EVS_CACHE_ALIGNED;

/* Packets of a burst that go the long way. */
struct pmd_decap_rest {
	unsigned n;
	struct rte_mbuf *mbuf[PKT_BURST_MAX];
};

/* Of n packets that the port received and that are not parsed yet, takes out of their tunnels those
 * that are known: counted, parsed, they are the burst now; returns how many. */
unsigned pmd_decap_take(struct pmd_worker *w, struct pmd_view *v, unsigned n,
                        struct pmd_decap_rest *rest);
/* Notes what can be known of packets that are about to leave a tunnel the long way. */
void pmd_decap_learn(struct pmd_worker *w, const struct pmd_exec *x);

#endif
