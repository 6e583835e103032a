/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena of a flow cache. Threads and ownership: flow_arena_pvt.h.
 */
#include "flow/flow_arena_pvt.h"

#include "pkt/pkt_key.h"

int flow_arena_init(struct flow_arena *arena, size_t size, int numa_node)
{
	size_t n = size >> FLOW_CHUNK_SHIFT;
	size_t holders_size = (PKT_PORT_MAX + 1) * sizeof(arena->holders[0]);

	if (flow_region_map(&arena->region, size, false, numa_node) ||
	    flow_region_map(&arena->book, holders_size + n * sizeof(arena->chunks[0]), false,
	                    numa_node)) {
		flow_arena_fini(arena);
		return -ENOMEM;
	}
	arena->n_chunks = (uint32_t)n;
	arena->holders = arena->book.base;
	arena->chunks = (struct flow_chunk *)(arena->holders + PKT_PORT_MAX + 1);
	return 0;
}

void flow_arena_fini(struct flow_arena *arena)
{
	flow_region_unmap(&arena->region);
	flow_region_unmap(&arena->book);
}

static unsigned size_class(size_t size)
{
	unsigned shift = size <= 1 ? 0 : 64 - (unsigned)__builtin_clzl(size - 1);

	return shift <= FLOW_ARENA_MIN_SHIFT ? 0 : shift - FLOW_ARENA_MIN_SHIFT;
}

static unsigned blocks_of_chunk(unsigned class)
{
	return 1u << (FLOW_CHUNK_SHIFT - FLOW_ARENA_MIN_SHIFT - class);
}

static void list_add(struct flow_arena *arena, uint32_t *head, struct flow_chunk *chunk)
{
	uint32_t at = (uint32_t)(chunk - arena->chunks) + 1;

	chunk->prev = 0;
	chunk->next = *head;
	if (*head)
		arena->chunks[*head - 1].prev = at;
	*head = at;
}

static void list_del(struct flow_arena *arena, uint32_t *head, const struct flow_chunk *chunk)
{
	if (chunk->next)
		arena->chunks[chunk->next - 1].prev = chunk->prev;
	if (chunk->prev)
		arena->chunks[chunk->prev - 1].next = chunk->next;
	else
		*head = chunk->next;
}

/* Who fills the cache must not keep the others' new flows out of it. */
static bool may_hold(const struct flow_arena *arena, const struct flow_holder *holder)
{
	return evs_may_take(arena->n_chunks - arena->n_held, arena->n_chunks, holder->n_chunks);
}

static struct flow_chunk *chunk_get(struct flow_arena *arena, uint16_t port, unsigned class)
{
	struct flow_holder *holder = &arena->holders[port];
	struct flow_chunk *chunk;

	if (holder->partial[class])
		return &arena->chunks[holder->partial[class] - 1];
	if (!may_hold(arena, holder))
		return NULL;
	chunk = &arena->chunks[arena->free ? arena->free - 1 : arena->n_touched++];
	if (arena->free)
		arena->free = chunk->next;
	*chunk = (struct flow_chunk){.holder = port};
	list_add(arena, &holder->partial[class], chunk);
	holder->n_chunks++;
	arena->n_held++;
	return chunk;
}

static void chunk_put(struct flow_arena *arena, struct flow_chunk *chunk, unsigned class)
{
	struct flow_holder *holder = &arena->holders[chunk->holder];

	list_del(arena, &holder->partial[class], chunk);
	holder->n_chunks--;
	arena->n_held--;
	chunk->next = arena->free;
	arena->free = (uint32_t)(chunk - arena->chunks) + 1;
}

void *flow_arena_alloc(struct flow_arena *arena, uint16_t port, size_t size)
{
	unsigned class = size_class(size), shift = class + FLOW_ARENA_MIN_SHIFT;
	struct flow_chunk *chunk;
	uint8_t *base;
	uint16_t *block;

	port &= PKT_PORT_MAX;
	if (class >= FLOW_ARENA_N_CLASSES || !(chunk = chunk_get(arena, port, class)))
		return NULL;
	base = (uint8_t *)arena->region.base + (size_t)(chunk - arena->chunks) * FLOW_CHUNK_SIZE;
	if (chunk->free) {
		block = (uint16_t *)(base + ((size_t)(chunk->free - 1) << shift));
		chunk->free = *block;
	} else {
		block = (uint16_t *)(base + ((size_t)chunk->n_touched++ << shift));
	}
	if (++chunk->n_used == blocks_of_chunk(class))
		list_del(arena, &arena->holders[port].partial[class], chunk);
	return block;
}

void flow_arena_free(struct flow_arena *arena, void *ptr, size_t size)
{
	unsigned class = size_class(size), shift = class + FLOW_ARENA_MIN_SHIFT;
	struct flow_chunk *chunk;
	size_t at;

	if (!ptr)
		return;
	at = (size_t)((uint8_t *)ptr - (uint8_t *)arena->region.base);
	chunk = &arena->chunks[at >> FLOW_CHUNK_SHIFT];
	*(uint16_t *)ptr = chunk->free;
	chunk->free = (uint16_t)(((at & (FLOW_CHUNK_SIZE - 1)) >> shift) + 1);
	if (chunk->n_used == blocks_of_chunk(class))
		list_add(arena, &arena->holders[chunk->holder].partial[class], chunk);
	if (--chunk->n_used == 0)
		chunk_put(arena, chunk, class);
}
