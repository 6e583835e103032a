/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For fuzz targets of code that allocates or frees packet buffers: a pool, and whether all came
 * back to it.
 */
#ifndef FUZZ_POOL_H
#define FUZZ_POOL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "../test_eal.h"

static struct rte_mempool *fuzz_pool;

static inline int fuzz_pool_init(void)
{
	if (!test_eal_start("64", "1"))
		abort();
	fuzz_pool = rte_pktmbuf_pool_create("fuzz", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return fuzz_pool ? 0 : -1;
}

static inline struct rte_mbuf *fuzz_segment(const uint8_t *data, uint32_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fuzz_pool);

	memcpy(rte_pktmbuf_append(m, (uint16_t)size), data, size);
	return m;
}

static inline void fuzz_pool_check(void)
{
	if (rte_mempool_in_use_count(fuzz_pool) != 0)
		abort();
}

#endif
