/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of decoded messages: allocated piece by piece, given back at once.
 * Threads: one at a time. Owner: the caller; what is in it lives until reset.
 */
#ifndef OF_ARENA_H
#define OF_ARENA_H

#include "base/evs_base.h"

struct of_arena_chunk;

struct of_arena {
	struct of_arena_chunk *chunks; /* newest first; the first ever is kept over resets */
};

void of_arena_init(struct of_arena *arena);
void of_arena_fini(struct of_arena *arena);
void of_arena_reset(struct of_arena *arena);
/* Zeroed memory, 8-byte aligned; NULL only when the heap is empty. */
void *of_arena_alloc(struct of_arena *arena, size_t size);

#endif
