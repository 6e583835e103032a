/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Execution of tunnel ops, inside src/pmd.
 * Threads: worker.
 */
#ifndef PMD_TUNNEL_PVT_H
#define PMD_TUNNEL_PVT_H

#include "pmd/pmd_pvt.h"
#include "tunnel/tun_ports.h"

/* Port: index of the tunnel port, which counts. */
void pmd_tunnel_push(struct pmd_worker *w, struct pmd_exec *x,
                     const struct pkt_tunnel_header *header, uint32_t port);
/* Takes outer headers off; the inner packets go round again as packets of their tunnel port. */
void pmd_tunnel_pop(struct pmd_worker *w, struct pmd_exec *x, uint32_t arg);
/* All packets are private, and none must be prepared. */
bool pmd_tunnel_is_ready(const struct pmd_exec *x);
/* Some packet must be prepared before this push. */
bool pmd_tunnel_odd(const struct pmd_exec *x, const struct pkt_tunnel_header *header);
/* Makes of packet i what may be put into a tunnel: how many pieces; 0: dropped. */
unsigned pmd_tunnel_prepare(struct pmd_worker *w, struct pmd_exec *x, unsigned i,
                            const struct pkt_tunnel_header *header, struct rte_mbuf **pieces);
/* pmd_edit.c. Makes the packets of the group writable. */
void pmd_make_private(struct pmd_worker *w, struct pmd_exec *x);
/* pmd_again.c. One packet that came out of a tunnel; false: there is no room, or it was round too
 * often. */
bool pmd_again_tunnel(struct pmd_worker *w, struct rte_mbuf *m, uint16_t in_port,
                      const struct pkt_key_tun *tun);
/* A packet that was put together, as one that came in there; false: there is no room. */
bool pmd_again_whole(struct pmd_worker *w, struct rte_mbuf *m, uint16_t in_port);
/* pmd_mtu.c. Takes what is too long and whose sender can be told; arg: of the op. */
void pmd_check_mtu(struct pmd_worker *w, struct pmd_exec *x, uint32_t arg);
/* pmd_frag.c. Takes fragments of packets for us; those that are whole go round again. */
void pmd_reassemble(struct pmd_worker *w, struct pmd_exec *x);
/* pmd_join.c. Packet i of a kind with segments: true: it is whole now; false: it was taken. */
bool pmd_join(struct pmd_worker *w, struct pmd_exec *x, unsigned i, enum tun_kind kind);
/* The same packet had these options. */
void pmd_again_options(struct pmd_worker *w, const struct pkt_key_tmd *tmd);

/* Packets of one sender, network and tunnel port that follow each other: one look-up, one count. */
struct pmd_ends {
	struct pkt_key_tun tun; /* of the first one */
	uint16_t port;          /* PKT_PORT_NONE: nobody's, or none yet */
	uint8_t open;           /* enum tun_wild: what may differ */
	struct port_counters *counters;
	uint64_t pkts, bytes;
};

EVS_INLINE bool pmd_ends_hold(const struct pmd_ends *ends, const struct pkt_key_tun *tun)
{
	const struct pkt_key_tun *first = &ends->tun;

	return ends->port != PKT_PORT_NONE && (ends->open & TUN_ANY_KEY || first->id == tun->id) &&
	       (ends->open & TUN_ANY_REMOTE || !memcmp(first->src, tun->src, sizeof(tun->src))) &&
	       (ends->open & TUN_ANY_LOCAL || !memcmp(first->dst, tun->dst, sizeof(tun->dst)));
}

EVS_INLINE void pmd_ends_count(struct pmd_ends *ends)
{
	if (ends->port == PKT_PORT_NONE)
		return;
	evs_counter_add(&ends->counters->rx_pkts, ends->pkts);
	evs_counter_add(&ends->counters->rx_bytes, ends->bytes);
	ends->pkts = ends->bytes = 0;
}

/* Finds the port of tun for those that follow; arg: of the op. */
void pmd_ends_begin(struct pmd_worker *w, struct pmd_ends *ends, const struct pkt_key_tun *tun,
                    uint32_t arg);

#endif
