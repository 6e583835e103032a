/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masks of cached flows, each with the table of its flows: the subtables of the wide cache.
 * Threads: the worker writes; control reads `mask` of live flows, and the counters.
 * Owner: the cache; a mask lives as long as flows refer to it.
 *
 * The table is a linear hash: it grows by splitting one bucket at a time, so that no install ever
 * pays for a rehash. A bucket is one cache line with seven (signature, flow) pairs; what
 * does not fit is chained through the flows. Each mask owns a range of virtual memory as
 * large as its table can get and touches only the start that is in use: a mask with four
 * flows is one line.
 */
#ifndef FLOW_MASK_H
#define FLOW_MASK_H

#include "pkt/pkt_key.h"

#define FLOW_BUCKET_LEN  7
#define FLOW_BUCKET_LOAD 4 /* flows per bucket, on average, before one is split */

struct flow_bucket {
	uint32_t sig[FLOW_BUCKET_LEN];  /* low 32 bits of the hash of the masked key */
	uint32_t chain;                 /* index + 1 of the first chained flow; 0: none */
	uint32_t flow[FLOW_BUCKET_LEN]; /* index + 1; 0: free */
	uint32_t zero;
} EVS_CACHE_ALIGNED;

struct flow_mask {
	/* line 0: what a probe reads */
	struct flow_bucket *buckets;
	uint32_t n_buckets;
	uint32_t bucket_mask; /* 2^k - 1 with 2^(k-1) <= n_buckets < 2^k */
	uint8_t lines;        /* further lines with bits set */
	bool is_volatile;     /* TCP flags or TTL were looked at */
	bool is_overflow;     /* the all-ones mask of its lines, shared by who may have no more */
	uint8_t zero;
	uint32_t n_flows;      /* [worker w, ctl r] */
	uint64_t hits, probes; /* [worker w, ctl r] */
	uint32_t w_hits;       /* of the current window */
	uint32_t w_probes;     /* of the current window */
	uint16_t port;         /* who made it */
	uint16_t id;           /* place in the array of masks */
	uint32_t score;        /* hits, ageing; 0: look-ups leave it out */
	/* line 1 */
	struct pkt_key mask;
} EVS_CACHE_ALIGNED;

static_assert(sizeof(struct flow_bucket) == EVS_CACHE_LINE, "one line");
static_assert(offsetof(struct flow_mask, mask) == EVS_CACHE_LINE, "one line");

#endif
