/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interning of programs. Threads and ownership: flow_intern_pvt.h.
 */
#include "flow/flow_intern_pvt.h"

#include <string.h>

#include "pkt/pkt_hash.h"

int flow_intern_init(struct flow_intern *intern, uint32_t n_buckets, int numa_node)
{
	size_t size = n_buckets * sizeof(*intern->buckets);

	if (flow_region_map(&intern->region, size, false, numa_node))
		return -ENOMEM;
	intern->buckets = intern->region.base;
	intern->mask = n_buckets - 1;
	return 0;
}

void flow_intern_fini(struct flow_intern *intern)
{
	flow_region_unmap(&intern->region);
}

static uint32_t hash_ops(const struct flow_prog_builder *b)
{
	uint64_t hash = b->size;

	for (uint32_t i = 0; i < b->size; i += 8)
		hash = pkt_hash_mum(hash ^ pkt_hash_secret[0],
		                    pkt_hash_u64(b->ops + i) ^ pkt_hash_secret[1]);
	return (uint32_t)hash;
}

static uint16_t simple_port(const struct flow_prog_builder *b)
{
	const struct flow_op *op = (const struct flow_op *)b->ops;

	return op->kind == FLOW_OP_OUTPUT && op->size == b->size ? (uint16_t)op->arg : 0;
}

struct flow_prog *flow_intern_get(struct flow_intern *intern, struct flow_arena *arena,
                                  uint16_t port, const struct flow_prog_builder *b)
{
	uint32_t hash = hash_ops(b);
	struct flow_prog **head = &intern->buckets[hash & intern->mask];
	struct flow_prog *prog;

	for (prog = *head; prog; prog = prog->next) {
		if (prog->hash == hash && prog->size == b->size &&
		    !memcmp(prog->ops, b->ops, b->size)) {
			prog->refs++;
			return prog;
		}
	}
	prog = flow_arena_alloc(arena, port, sizeof(*prog) + b->size);
	if (!prog)
		return NULL;
	*prog = (struct flow_prog){
	        .hash = hash,
	        .size = b->size,
	        .simple_port = simple_port(b),
	        .refs = 1,
	        .next = *head,
	};
	memcpy(prog->ops, b->ops, b->size);
	*head = prog;
	intern->n_progs++;
	return prog;
}

void flow_intern_put(struct flow_intern *intern, struct flow_arena *arena, struct flow_prog *prog)
{
	struct flow_prog **link = &intern->buckets[prog->hash & intern->mask];

	assert(prog->refs > 0);
	if (--prog->refs > 0)
		return;
	while (*link != prog)
		link = &(*link)->next;
	*link = prog->next;
	intern->n_progs--;
	flow_arena_free(arena, prog, sizeof(*prog) + prog->size);
}
