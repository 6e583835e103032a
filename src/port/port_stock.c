/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Empty buffers for reading, see port_stock.h. Threads: worker.
 */
#include "port/port_stock.h"

#include <string.h>

void port_stock_init(struct port_stock *stock, struct rte_mempool *pool)
{
	memset(stock, 0, sizeof(*stock));
	stock->pool = pool;
	stock->room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	stock->len = (uint16_t)(PORT_STOCK_BYTES / stock->room + 1);
	assert(stock->len <= PORT_STOCK_MAX);
	stock->missing = stock->len;
	stock->iov[0] = (struct iovec){&stock->hdr, sizeof(stock->hdr)};
}

void port_stock_fini(struct port_stock *stock)
{
	for (unsigned i = stock->missing; i < stock->len; i++)
		rte_pktmbuf_free(stock->mbuf[i]);
	stock->missing = stock->len;
}

bool port_stock_refill(struct port_stock *stock)
{
	if (rte_pktmbuf_alloc_bulk(stock->pool, stock->mbuf, stock->missing))
		return false;
	for (unsigned i = 0; i < stock->missing; i++)
		stock->iov[1 + i] =
		        (struct iovec){rte_pktmbuf_mtod(stock->mbuf[i], void *), stock->room};
	stock->missing = 0;
	return true;
}

struct rte_mbuf *port_stock_take(struct port_stock *stock, uint32_t size)
{
	struct rte_mbuf *head = stock->mbuf[0];
	uint32_t left = size;
	uint16_t n = 0;

	if (size == 0 || size >= stock->len * stock->room)
		return NULL;
	while (left > 0) {
		struct rte_mbuf *m = stock->mbuf[n];

		m->data_len = (uint16_t)EVS_MIN(left, stock->room);
		m->next = NULL;
		left -= m->data_len;
		if (n > 0)
			stock->mbuf[n - 1]->next = m;
		n++;
	}
	head->pkt_len = size;
	head->nb_segs = n;
	stock->missing = n;
	return head;
}

unsigned port_stock_gather(const struct rte_mbuf *m, struct iovec *iov, unsigned max)
{
	unsigned n = 0;

	for (; m; m = m->next) {
		if (n == max)
			return 0;
		iov[n++] = (struct iovec){rte_pktmbuf_mtod(m, void *), m->data_len};
	}
	return n;
}
