/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of decoded messages. Chunks double up to what is asked for; reset keeps the oldest, so
 * that a session that only sees small messages never allocates again.
 * Threads: one at a time.
 */
#include "openflow/of_arena.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK 8192

struct of_arena_chunk {
	struct of_arena_chunk *next;
	size_t used, cap;
	uint8_t data[] EVS_ALIGNED(16);
};

void of_arena_init(struct of_arena *arena)
{
	arena->chunks = NULL;
}

void of_arena_reset(struct of_arena *arena)
{
	struct of_arena_chunk *chunk = arena->chunks;

	while (chunk != NULL && chunk->next != NULL) {
		struct of_arena_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
	if (chunk != NULL)
		chunk->used = 0;
	arena->chunks = chunk;
}

void of_arena_fini(struct of_arena *arena)
{
	of_arena_reset(arena);
	free(arena->chunks);
	arena->chunks = NULL;
}

static struct of_arena_chunk *chunk_add(struct of_arena *arena, size_t size)
{
	size_t cap = arena->chunks != NULL ? 2 * arena->chunks->cap : FIRST_CHUNK;
	struct of_arena_chunk *chunk;

	if (cap < size)
		cap = size;
	chunk = malloc(sizeof(*chunk) + cap);
	if (chunk == NULL)
		return NULL;
	chunk->next = arena->chunks;
	chunk->used = 0;
	chunk->cap = cap;
	arena->chunks = chunk;
	return chunk;
}

void *of_arena_alloc(struct of_arena *arena, size_t size)
{
	struct of_arena_chunk *chunk = arena->chunks;
	void *p;

	size = (size + 7) & ~(size_t)7;
	if (chunk == NULL || chunk->cap - chunk->used < size) {
		chunk = chunk_add(arena, size);
		if (chunk == NULL)
			return NULL;
	}
	p = chunk->data + chunk->used;
	chunk->used += size;
	return memset(p, 0, size);
}
