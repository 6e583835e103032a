/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Software segmentation, behind pkt_offload_prepare. Threads: worker.
 */
#ifndef PKT_GSO_PVT_H
#define PKT_GSO_PVT_H

#include "pkt/pkt_offload.h"

/* m asks for TX_TCP_SEG or TX_UDP_SEG. Writes the pieces to out; m is only read and stays the
 * caller's. Returns their number or an error of pkt_offload_prepare. */
int pkt_gso_run(const struct rte_mbuf *m, uint32_t caps, struct rte_mempool *pool,
                struct rte_mbuf **out, unsigned max);

#endif
