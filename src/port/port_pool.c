/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet buffers: mempools by NUMA node and buffer size, shared by ports.
 * Threads: control; workers only allocate from and free into pools. Owner: this file.
 *
 * Most ports share one pool of 2 KB buffers; types that can spread a frame over buffers ask for
 * the default MTU whatever theirs is. The number of buffers follows the memory there is: the wish
 * is halved until it takes no more than half of what is free, and refused below a floor.
 *
 * A pool without users stays, as its buffers may still be on their way through workers; it is
 * used again by the next port of its class, and freed when it is whole and memory is wanted.
 */
#include "port/port_pvt.h"

#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/evs_log.h"

#define POOL_WISH  32767 /* 2^n - 1 suits the ring below */
#define POOL_FLOOR 2047
#define POOL_CACHE 256
#define FRAME_ROOM (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN)
/* Behind each buffer, belonging to nothing: DPDK's vhost, told by a guest to write a checksum of
 * two bytes to where the last byte of a whole buffer is, does so. */
#define SLACK sizeof(uint64_t)

struct pool {
	struct pool *next;
	struct rte_mempool *mp;
	uint16_t room; /* bytes of a buffer after the headroom */
	int numa_node;
	unsigned n_users;
	unsigned n_lost; /* buffers that a driver keeps for ever */
	bool own;        /* of one port */
};

static struct pool *pools;
static unsigned n_named;

static uint16_t room_for(uint16_t mtu)
{
	static const uint16_t rooms[] = {2048, 4096, 10240, 16384};
	unsigned i = 0;

	while (rooms[i] < mtu + FRAME_ROOM)
		i++;
	return rooms[i];
}

static unsigned element_size(uint16_t room)
{
	return (unsigned)(sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + room + SLACK);
}

static size_t buffer_size(uint16_t room)
{
	struct rte_mempool_objsz size;

	return rte_mempool_calc_obj_size(element_size(room), 0, &size) + sizeof(void *);
}

/* Free huge pages that DPDK has not taken yet, in bytes. */
static size_t free_huge_bytes(void)
{
	static const struct {
		const char *path;
		size_t size;
	} kinds[] = {
	        {"/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", (size_t)2 << 20},
	        {"/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", (size_t)1 << 30},
	};
	size_t bytes = 0;

	for (unsigned i = 0; i < EVS_ARRAY_LEN(kinds); i++) {
		FILE *file = fopen(kinds[i].path, "r");
		unsigned long n = 0;

		if (file && fscanf(file, "%lu", &n) == 1)
			bytes += n * kinds[i].size;
		if (file)
			fclose(file);
	}
	return bytes;
}

static size_t free_bytes(int numa_node)
{
	struct rte_malloc_socket_stats stats;
	size_t bytes = rte_eal_has_hugepages() ? free_huge_bytes() : 0;

	if (!rte_malloc_get_socket_stats(numa_node, &stats))
		bytes += stats.heap_freesz_bytes;
	return bytes;
}

static int norm_node(int numa_node)
{
	struct rte_malloc_socket_stats stats;

	if (numa_node >= 0 && rte_eal_has_hugepages() &&
	    !rte_malloc_get_socket_stats(numa_node, &stats))
		return numa_node;
	return rte_socket_id_by_idx(0);
}

static void free_pool(struct pool **link)
{
	struct pool *pool = *link;

	*link = pool->next;
	rte_mempool_free(pool->mp);
	free(pool);
}

static bool is_whole(const struct pool *pool)
{
	return rte_mempool_in_use_count(pool->mp) <= pool->n_lost;
}

/* Frees pools without users whose buffers are all back: those of one port, or any kind. */
static void reap(bool any)
{
	struct pool **link = &pools;

	while (*link) {
		struct pool *pool = *link;

		if (pool->n_users == 0 && (any || pool->own) && is_whole(pool))
			free_pool(link);
		else
			link = &pool->next;
	}
}

static struct rte_mempool *try_create(const struct pool *pool, unsigned n)
{
	struct rte_pktmbuf_pool_private priv = {
	        .mbuf_data_room_size = (uint16_t)(RTE_PKTMBUF_HEADROOM + pool->room)};
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "evs_%u_%d_%u", pool->room, pool->numa_node, n_named++);
	return rte_mempool_create(name, n, element_size(pool->room), POOL_CACHE, sizeof(priv),
	                          rte_pktmbuf_pool_init, &priv, rte_pktmbuf_init, NULL,
	                          pool->numa_node, 0);
}

static int refuse(const struct pool *pool, unsigned n, struct evs_error *err)
{
	return evs_error_set(err, -ENOMEM,
	                     "%u packet buffers of %u bytes need %zu bytes of DPDK memory, and %zu "
	                     "are free: reserve more huge pages (/proc/sys/vm/nr_hugepages), or "
	                     "start evsd with more by --dpdk '-m MEGABYTES'",
	                     n, pool->room, n * buffer_size(pool->room),
	                     free_bytes(pool->numa_node));
}

static int create_shared(struct pool *pool, struct evs_error *err)
{
	for (unsigned n = POOL_WISH; n >= POOL_FLOOR; n /= 2) {
		if (n > POOL_FLOOR && n * buffer_size(pool->room) > free_bytes(pool->numa_node) / 2)
			continue;
		pool->mp = try_create(pool, n);
		if (!pool->mp)
			continue;
		if (n < POOL_WISH)
			EVS_LOG(port, NOTICE,
			        "DPDK memory is small: %u packet buffers of %u bytes instead of %u "
			        "(which need %zu bytes); bursts may be dropped",
			        n, pool->room, POOL_WISH, POOL_WISH * buffer_size(pool->room));
		return 0;
	}
	return refuse(pool, POOL_FLOOR, err);
}

static struct rte_mempool *add_pool(const struct pool *like, unsigned n, struct evs_error *err)
{
	struct pool *pool = malloc(sizeof(*pool));
	int ret = 0;

	if (!pool) {
		evs_error_set(err, -ENOMEM, "no memory for a pool");
		return NULL;
	}
	*pool = *like;
	reap(true);
	if (n == 0) {
		ret = create_shared(pool, err);
	} else {
		pool->mp = try_create(pool, n);
		if (!pool->mp)
			ret = refuse(pool, n, err);
	}
	if (ret) {
		free(pool);
		return NULL;
	}
	pool->n_users = 1;
	pool->next = pools;
	pools = pool;
	return pool->mp;
}

struct rte_mempool *port_pool_get(uint16_t mtu, int numa_node, struct evs_error *err)
{
	const struct pool like = {.room = room_for(mtu), .numa_node = norm_node(numa_node)};

	for (struct pool *pool = pools; pool; pool = pool->next) {
		if (pool->own || pool->room != like.room || pool->numa_node != like.numa_node)
			continue;
		pool->n_users++;
		return pool->mp;
	}
	return add_pool(&like, 0, err);
}

struct rte_mempool *port_pool_get_own(uint16_t mtu, int numa_node, unsigned n,
                                      struct evs_error *err)
{
	const struct pool like = {
	        .room = room_for(mtu), .numa_node = norm_node(numa_node), .own = true};

	return add_pool(&like, n, err);
}

void port_pool_put(struct rte_mempool *mp)
{
	for (struct pool *pool = pools; pool; pool = pool->next)
		if (pool->mp == mp)
			pool->n_users--;
	reap(false);
}

void port_pool_lose(struct rte_mempool *mp, unsigned n)
{
	for (struct pool *pool = pools; pool; pool = pool->next)
		if (pool->mp == mp)
			pool->n_lost += n;
}

void port_pools_fini(void)
{
	while (pools) {
		if (!is_whole(pools))
			EVS_LOG(port, WARN, "%u packet buffers did not come back",
			        rte_mempool_in_use_count(pools->mp));
		free_pool(&pools);
	}
}

void port_pools_usage(struct port_pool_usage *usage)
{
	*usage = (struct port_pool_usage){0};
	for (const struct pool *pool = pools; pool; pool = pool->next) {
		unsigned in_use = rte_mempool_in_use_count(pool->mp);

		usage->total += pool->mp->size;
		usage->in_use += in_use - EVS_MIN(in_use, pool->n_lost);
		usage->lost += pool->n_lost;
	}
}
