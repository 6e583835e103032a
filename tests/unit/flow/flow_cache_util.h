/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow cache with packets that are keys only: what its tests share.
 */
#ifndef FLOW_CACHE_UTIL_H
#define FLOW_CACHE_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/flow_cache.h"
#include "flow/flow_cache_pvt.h"

/* Translation costs this much, unless a test says otherwise: so much that every mask pays. */
#define DEAR (1u << 20)

struct bench {
	struct flow_cache *cache;
	struct pkt_burst burst;
	struct rte_mbuf mbufs[PKT_BURST_MAX];
	struct flow_xlate xlate;
	struct flow_found found;
	uint32_t now_ms;
	uint64_t cycles;
	uint64_t seed;
};

static inline uint32_t rnd(struct bench *b)
{
	b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(b->seed >> 33);
}

static inline struct bench *bench_new(const struct flow_cache_config *config)
{
	struct bench *b = aligned_alloc(64, sizeof(*b));
	struct evs_error err;

	memset(b, 0, sizeof(*b));
	assert_int_equal(flow_cache_create(config, &b->cache, &err), 0);
	for (unsigned i = 0; i < PKT_BURST_MAX; i++) {
		b->burst.mbuf[i] = &b->mbufs[i];
		b->mbufs[i].pkt_len = 100;
	}
	b->cycles = DEAR;
	b->cache->wide.xlate_cycles = DEAR;
	b->seed = 42;
	return b;
}

static inline struct bench *bench_small(enum pkt_isa isa)
{
	struct flow_cache_config config = {
	        .n_flows = 4096, .n_exact = 4096, .n_exact_ext = 1024, .numa_node = -1, .isa = isa};

	return bench_new(&config);
}

static inline void bench_free(struct bench *b)
{
	flow_cache_destroy(b->cache);
	free(b);
}

/* Packet i: UDP between two addresses. */
static inline struct pkt_key_base *udp(struct bench *b, unsigned i, uint32_t src, uint16_t port)
{
	struct pkt_key_base *base = &b->burst.base[i];

	memset(base, 0, sizeof(*base));
	base->in_port = 1;
	base->eth_type = rte_cpu_to_be_16(0x0800);
	base->ip_proto = 17;
	base->ip_src = src;
	base->ip_dst = rte_cpu_to_be_32(0x0a000001);
	base->tp_dst = port;
	return base;
}

/* The translation to install: one output, one reference, an empty mask. */
static inline void xlate_init(struct bench *b, uint32_t port)
{
	struct flow_xlate *x = &b->xlate;

	memset(&x->mask, 0, sizeof(x->mask));
	flow_prog_builder_init(&x->prog);
	flow_prog_add(&x->prog, FLOW_OP_OUTPUT, port);
	memset(x->refs, 0, sizeof(x->refs));
	x->n_refs = 1;
	x->cacheable = true;
}

static inline uint32_t lookup(struct bench *b, unsigned n)
{
	pkt_parse_rehash(&b->burst, n, PKT_ISA_C);
	return flow_cache_lookup(b->cache, &b->burst, n, &b->found, b->now_ms);
}

static inline struct flow *install(struct bench *b, unsigned i)
{
	pkt_parse_rehash(&b->burst, i + 1, PKT_ISA_C);
	return flow_cache_install(b->cache, &b->burst, i, &b->xlate, b->now_ms, b->cycles);
}

static inline struct flow_cache_stats stats(const struct bench *b)
{
	struct flow_cache_stats s;

	flow_cache_stats_get(b->cache, &s);
	return s;
}

/* The variants that this CPU can run. */
static inline unsigned n_isas(void)
{
	return pkt_isa_best() + 1;
}

#endif
