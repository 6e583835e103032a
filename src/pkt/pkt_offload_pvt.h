/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between checksum, offload and writable: requests in ol_flags, checked, and copies.
 * Threads: any.
 */
#ifndef PKT_OFFLOAD_PVT_H
#define PKT_OFFLOAD_PVT_H

#include <rte_mbuf.h>

#include "base/evs_base.h"

#define PKT_FRAG_SIZE 8 /* IPv6 fragment header */

/* Where the request in ol_flags points to, checked against the packet. Offsets in the frame. */
struct pkt_request {
	uint32_t l3, l4;
	uint32_t l4_size; /* header and payload by the IP length */
	uint32_t csum;    /* of the checksum field */
	uint8_t proto;
	bool is_ipv6;
};

/* Reads only. -EINVAL: the fields contradict the packet. */
int pkt_request_check(const struct rte_mbuf *m, struct pkt_request *r);

/* A packet with the content of m and a private head, from pool; m stays. NULL: pool empty. */
struct rte_mbuf *pkt_copy_writable(struct rte_mbuf *m, struct rte_mempool *pool);
/* Everything that says what the packet is, but lengths and buffer. */
void pkt_copy_metadata(struct rte_mbuf *to, const struct rte_mbuf *from);

#endif
