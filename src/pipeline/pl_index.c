/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of cached flows: nodes, owners, victims; see pl_index_pvt.h.
 * Threads: control.
 */
#include "pipeline/pl_index_pvt.h"

#include <stdlib.h>

#include "flow/flow_mask.h"
#include "pkt/pkt_hash.h"

#define DOOMED 0x80000000u

static_assert(FLOW_CACHE_MAX_FLOWS <= 1u << PL_INDEX_BITS, "a handle names any flow");
static_assert(EVS_MAX_WORKERS <= 256, "a handle names any worker");

/* By index: the first node of a flow, and whether it is a victim; 0: not there. */
struct firsts {
	uint32_t *first;
	uint32_t cap;
};

struct pl_node *pl_nodes;
static uint32_t n_nodes, nodes_cap, free_node;
static struct firsts firsts[EVS_MAX_WORKERS];
static struct pl_owner **buckets;
static uint32_t n_buckets, n_owners, n_flows;
static struct pl_victims victims;

static void *need(void *ptr)
{
	if (!ptr)
		abort(); /* a flow that tells an older story would live on */
	return ptr;
}

uint32_t pl_index_n_flows(void)
{
	return n_flows;
}

/* Nodes */

static uint32_t node_take(void)
{
	uint32_t id = free_node;

	if (id) {
		free_node = pl_nodes[id].sibling;
		return id;
	}
	if (n_nodes + 1 >= nodes_cap) {
		nodes_cap = nodes_cap ? nodes_cap * 2 : 1024;
		pl_nodes = need(realloc(pl_nodes, nodes_cap * sizeof(*pl_nodes)));
	}
	return ++n_nodes;
}

static void node_give(uint32_t id)
{
	pl_nodes[id].sibling = free_node;
	free_node = id;
}

/* Owners */

static uint32_t owner_hash(uint32_t kind, const void *obj, uint64_t arg)
{
	return (uint32_t)pkt_hash_mum((uintptr_t)obj ^ pkt_hash_secret[0],
	                              arg * 2 + kind + pkt_hash_secret[1]);
}

static struct pl_owner **owner_link(uint32_t kind, const void *obj, uint64_t arg)
{
	struct pl_owner **link = &buckets[owner_hash(kind, obj, arg) & (n_buckets - 1)];

	while (*link && !((*link)->obj == obj && (*link)->arg == arg && (*link)->kind == kind))
		link = &(*link)->next;
	return link;
}

struct pl_owner *pl_owner_find(uint32_t kind, const void *obj, uint64_t arg)
{
	return n_buckets ? *owner_link(kind, obj, arg) : NULL;
}

static void buckets_grow(void)
{
	struct pl_owner **old = buckets;
	uint32_t n_old = n_buckets;

	n_buckets = n_old ? n_old * 2 : 256;
	buckets = need(calloc(n_buckets, sizeof(buckets[0])));
	for (uint32_t i = 0; i < n_old; i++) {
		for (struct pl_owner *owner = old[i], *next; owner; owner = next) {
			struct pl_owner **head;

			next = owner->next;
			head = &buckets[owner_hash(owner->kind, owner->obj, owner->arg) &
			                (n_buckets - 1)];
			owner->next = *head;
			*head = owner;
		}
	}
	free(old);
}

static void owner_insert(struct pl_owner *owner)
{
	struct pl_owner **head;

	if (n_owners >= n_buckets)
		buckets_grow();
	n_owners++;
	head = &buckets[owner_hash(owner->kind, owner->obj, owner->arg) & (n_buckets - 1)];
	owner->next = *head;
	*head = owner;
}

/* Nobody refers to it any more. */
static void owner_remove(struct pl_owner *owner)
{
	*owner_link(owner->kind, owner->obj, owner->arg) = owner->next;
	n_owners--;
	if (owner->kind == PL_OWNER_CLASS)
		pl_class_destroy(pl_class_of(owner));
	else
		free(owner);
}

static struct pl_owner *owner_get(uint32_t kind, const void *obj, uint64_t arg)
{
	struct pl_owner *owner = pl_owner_find(kind, obj, arg);

	if (owner)
		return owner;
	owner = need(malloc(sizeof(*owner)));
	*owner = (struct pl_owner){.obj = obj, .arg = arg, .kind = kind};
	owner_insert(owner);
	return owner;
}

static struct pl_class *class_get(struct pl_table *table, const struct flow_mask *mask,
                                  uint32_t rewritten)
{
	uint64_t arg = (uintptr_t)mask | (uint64_t)rewritten << 56;
	struct pl_owner *owner = pl_owner_find(PL_OWNER_CLASS, table, arg);

	if (!owner) {
		owner = pl_class_owner(pl_class_create(table, mask, rewritten));
		*owner = (struct pl_owner){.obj = table, .arg = arg, .kind = PL_OWNER_CLASS};
		owner_insert(owner);
	}
	return pl_class_of(owner);
}

/* Flows */

static uint32_t handle_of(unsigned worker, uint32_t index)
{
	return worker << PL_INDEX_BITS | index;
}

static uint32_t *first_of(uint32_t handle)
{
	struct firsts *f = &firsts[pl_handle_worker(handle)];
	uint32_t index = pl_handle_index(handle);

	return index < f->cap ? &f->first[index] : NULL;
}

static uint32_t *first_make(uint32_t handle)
{
	struct firsts *f = &firsts[pl_handle_worker(handle)];
	uint32_t index = pl_handle_index(handle), cap = f->cap ? f->cap : 1024;

	while (cap <= index)
		cap *= 2;
	if (cap != f->cap) {
		f->first = need(realloc(f->first, cap * sizeof(f->first[0])));
		memset(&f->first[f->cap], 0, (cap - f->cap) * sizeof(f->first[0]));
		f->cap = cap;
	}
	return &f->first[index];
}

const struct flow *pl_index_flow(uint32_t handle)
{
	struct flow_cache *cache = pl_globals.config.worker_cache(pl_handle_worker(handle));

	return flow_cache_flow(cache, pl_handle_index(handle));
}

void pl_index_key(const struct flow *flow, struct flow_key *key)
{
	const struct pl_port *port = pl_port_map[flow->key.in_port];

	memset(key, 0, sizeof(*key));
	key->pkt.base = flow->key;
	if (flow->ext_key)
		key->pkt.ext = *flow->ext_key;
	key->pipe.in_port = port ? rte_cpu_to_be_32(port->ofport) : 0;
	key->pipe.in_phy_port = key->pipe.in_port;
}

/* A node of the flow, whose first node *first was so far. */
static uint32_t node_add(uint32_t *first, uint32_t handle, struct pl_owner *owner)
{
	uint32_t id = node_take();

	pl_nodes[id] = (struct pl_node){.owner = owner, .flow = handle, .sibling = *first};
	*first = id;
	return id;
}

static void refer(uint32_t *first, uint32_t handle, struct pl_owner *owner)
{
	uint32_t id = node_add(first, handle, owner);

	pl_nodes[id].next = owner->head;
	if (owner->head)
		pl_nodes[owner->head].prev = id;
	owner->head = id;
}

struct entrant {
	const struct flow *flow;
	uint32_t handle;
	uint32_t *first;
	bool has_key;
	struct flow_key key;
};

static void join(struct entrant *e, struct pl_table *table, const struct flow_ref *ref)
{
	struct pl_class *class = class_get(table, e->flow->mask, ref->rewritten);
	uint32_t id = node_add(e->first, e->handle, pl_class_owner(class));

	if (!e->has_key)
		pl_index_key(e->flow, &e->key);
	e->has_key = true;
	pl_nodes[id].priority = ref->priority;
	pl_class_join(class, id, &e->key);
}

static void enter(struct entrant *e, const struct flow_ref *ref)
{
	switch (ref->kind) {
	case FLOW_REF_RULE:
		refer(e->first, e->handle, owner_get(FLOW_REF_RULE, ref->obj, 0));
		join(e, ((struct pl_rule *)ref->obj)->table, ref);
		break;
	case FLOW_REF_TABLE_MISS:
		join(e, ref->obj, ref);
		break;
	case FLOW_REF_GROUP:
	case FLOW_REF_METER:
	case FLOW_REF_NEIGH:
		refer(e->first, e->handle, owner_get(ref->kind, ref->obj, 0));
		break;
	case FLOW_REF_FDB:
	case FLOW_REF_FDB_SRC:
		refer(e->first, e->handle, owner_get(ref->kind, ref->obj, ref->arg));
		break;
	case FLOW_REF_BRIDGE:
		if (ref->flags & PL_REF_ANY)
			refer(e->first, e->handle, owner_get(FLOW_REF_BRIDGE, NULL, 0));
		break;
	default:
		break; /* ports, recirculation: nothing that an index is worth for */
	}
}

void pl_index_add(unsigned worker, uint32_t index, const struct flow *flow)
{
	struct entrant e = {.flow = flow, .handle = handle_of(worker, index)};

	e.first = first_make(e.handle);
	assert(!*e.first);
	n_flows++;
	for (unsigned i = 0; i < flow->n_refs; i++)
		enter(&e, flow_ref_at(flow, i));
}

static void node_remove(uint32_t id)
{
	struct pl_node *node = &pl_nodes[id];
	struct pl_owner *owner = node->owner;

	if (owner->kind == PL_OWNER_CLASS) {
		if (pl_class_leave(pl_class_of(owner), node->position))
			owner_remove(owner);
		return;
	}
	if (node->next)
		pl_nodes[node->next].prev = node->prev;
	if (node->prev)
		pl_nodes[node->prev].next = node->next;
	else
		owner->head = node->next;
	if (!owner->head)
		owner_remove(owner);
}

void pl_index_del(unsigned worker, uint32_t index)
{
	uint32_t *first = first_of(handle_of(worker, index));
	uint32_t id = first ? *first & ~DOOMED : 0, next;

	n_flows--;
	for (; id; id = next) {
		next = pl_nodes[id].sibling;
		node_remove(id);
		node_give(id);
	}
	if (first)
		*first = 0;
}

/* Victims */

void pl_victim_add(uint32_t handle)
{
	uint32_t *first = first_of(handle);

	if (*first & DOOMED)
		return;
	*first |= DOOMED;
	if (victims.n == victims.cap) {
		victims.cap = victims.cap ? victims.cap * 2 : 256;
		victims.handle =
		        need(realloc(victims.handle, victims.cap * sizeof(victims.handle[0])));
	}
	victims.handle[victims.n++] = handle;
}

/* One that was killed meanwhile, for whatever reason, is doomed no more. */
bool pl_victim_next(uint32_t *handle)
{
	while (victims.n) {
		*handle = victims.handle[--victims.n];
		if (*first_of(*handle) & DOOMED)
			return true;
	}
	return false;
}

void pl_index_doom(uint32_t kind, const void *obj, uint64_t arg,
                   bool (*spare)(uint32_t handle, const void *arg), const void *spare_arg)
{
	const struct pl_owner *owner = pl_owner_find(kind, obj, arg);

	if (!owner)
		return;
	for (uint32_t id = owner->head; id; id = pl_nodes[id].next)
		if (!spare || !spare(pl_nodes[id].flow, spare_arg))
			pl_victim_add(pl_nodes[id].flow);
}

void pl_index_fini(void)
{
	for (uint32_t i = 0; i < n_buckets; i++)
		while (buckets[i])
			owner_remove(buckets[i]);
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++)
		free(firsts[w].first);
	free(buckets);
	free(pl_nodes);
	free(victims.handle);
	memset(firsts, 0, sizeof(firsts));
	memset(&victims, 0, sizeof(victims));
	buckets = NULL;
	pl_nodes = NULL;
	n_buckets = n_owners = n_flows = n_nodes = nodes_cap = free_node = 0;
}
