/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of one worker, each stored once: a hash table with chains, blocks from the arena.
 * Threads: one worker; control creates and destroys.
 *
 * Thousands of cached flows end in a few programs ("output to 3"), which so stay in the first-level
 * cache, and packets of different flows with the same program can run together.
 */
#ifndef FLOW_INTERN_PVT_H
#define FLOW_INTERN_PVT_H

#include "flow/flow_arena_pvt.h"
#include "flow/flow_prog.h"

struct flow_intern {
	struct flow_prog **buckets;
	uint32_t mask;
	uint32_t n_progs;
	struct flow_region region;
};

int flow_intern_init(struct flow_intern *intern, uint32_t n_buckets, int numa_node); /* [ctl] */
void flow_intern_fini(struct flow_intern *intern);                                   /* [ctl] */

/* [worker] The program with these ops, with one more reference; NULL: arena full. */
struct flow_prog *flow_intern_get(struct flow_intern *intern, struct flow_arena *arena,
                                  uint16_t port, const struct flow_prog_builder *b);
/* [worker] Drops a reference; the last one frees. */
void flow_intern_put(struct flow_intern *intern, struct flow_arena *arena, struct flow_prog *prog);

#endif
