/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Execution of tunnel ops, inside src/pmd.
 * Threads: worker.
 */
#ifndef PMD_TUNNEL_PVT_H
#define PMD_TUNNEL_PVT_H

#include "pmd/pmd_pvt.h"

/* Port: index of the tunnel port, which counts. */
void pmd_tunnel_push(struct pmd_worker *w, struct pmd_exec *x,
                     const struct pkt_tunnel_header *header, uint32_t port);
/* Takes outer headers off; the inner packets go round again as packets of their tunnel port. */
void pmd_tunnel_pop(struct pmd_worker *w, struct pmd_exec *x, uint32_t arg);
bool pmd_tunnel_odd(const struct pmd_exec *x); /* some packet must be prepared before a push */
/* Makes of packet i what may be put into a tunnel: how many pieces; 0: dropped. */
unsigned pmd_tunnel_prepare(struct pmd_worker *w, struct pmd_exec *x, unsigned i,
                            struct rte_mbuf **pieces);
/* pmd_edit.c. Makes the packets of the group writable. */
void pmd_make_private(struct pmd_worker *w, struct pmd_exec *x);
/* pmd_again.c. One packet that came out of a tunnel; false: there is no room, or it was round too
 * often. */
bool pmd_again_tunnel(struct pmd_worker *w, struct rte_mbuf *m, uint16_t in_port,
                      const struct pkt_key_tun *tun);

#endif
