/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stock of empty buffers for a receive queue that reads frames from a descriptor: one
 * read scatters over as many buffers as a 64 KB segment needs, and only those used are replaced.
 * Threads: the worker that owns the queue; control before and after. Owner: the queue.
 */
#ifndef PORT_STOCK_H
#define PORT_STOCK_H

#include <linux/virtio_net.h>
#include <rte_mbuf.h>
#include <sys/uio.h>

#include "base/evs_base.h"

#define PORT_STOCK_BYTES (65536 + 64) /* the longest frame that the kernel hands over */
#define PORT_STOCK_MAX   34           /* buffers of 2 KB for it, and one for what is too long */

struct port_stock {
	struct rte_mempool *pool;
	uint16_t len;     /* buffers in a full stock */
	uint16_t missing; /* the first `missing` of them are to be replaced */
	uint32_t room;    /* bytes of a buffer */
	struct virtio_net_hdr hdr;
	struct iovec iov[1 + PORT_STOCK_MAX]; /* the header, the buffers */
	struct rte_mbuf *mbuf[PORT_STOCK_MAX];
};

void port_stock_init(struct port_stock *stock, struct rte_mempool *pool);
void port_stock_fini(struct port_stock *stock);
/* False: the pool is empty; nothing must be read now. */
bool port_stock_refill(struct port_stock *stock);
EVS_INLINE bool port_stock_ready(struct port_stock *stock)
{
	return evs_likely(stock->missing == 0) || port_stock_refill(stock);
}

/* Takes out the frame of `size` bytes (without the header) that was just read; NULL: too long, or
 * empty. */
struct rte_mbuf *port_stock_take(struct port_stock *stock, uint32_t size);

/* The segments of a frame to be sent, behind the header; returns the length of iov used, 0 if the
 * frame has more than max segments. */
unsigned port_stock_gather(const struct rte_mbuf *m, struct iovec *iov, unsigned max);

#endif
