/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread's own index of the cached flows: who depends on what.
 * Threads: control. Owner: this index; flows belong to their caches.
 *
 * Problem. A change must find the flows that it affects without looking at the others: a walk over
 * all of them takes cache lines away from the workers that write them, with each batch of changes.
 *
 * Data structure. Each flow enters once, when it is born (flow_cache_collect), and leaves when it
 * is killed. For each reference it gets a node in the list of an owner: the rule, group, meter, MAC
 * address or neighbour referred to. For each table passed it becomes a member of a class: the flows
 * with the same mask, in the same table, with the same fields rewritten before.
 *
 * A class answers which of its members a rule can take packets from. Rule and members are compared
 * on the bits that both masks have, which are the same for all members; so for each shape of rules
 * that ever asked, a class keeps its members hashed by those bits (a view), and a rule costs one
 * probe. Bits on which all members agree turn most rules away before that.
 *
 * A flow is named by a handle: worker and index.
 */
#ifndef PL_INDEX_PVT_H
#define PL_INDEX_PVT_H

#include <sys/queue.h>

#include "pipeline/pl_of_pvt.h"

struct pl_owner {
	struct pl_owner *next; /* of the hash chain */
	const void *obj;
	uint64_t arg;
	uint32_t kind; /* enum flow_ref_kind, or PL_OWNER_CLASS */
	uint32_t head; /* first node; unused by classes */
};

#define PL_OWNER_CLASS 0x100

/* The number of a node; 0: none. */
struct pl_node {
	struct pl_owner *owner;
	uint32_t flow;    /* handle */
	uint32_t sibling; /* the next node of the same flow, or of the free list */
	union {
		uint32_t next;     /* of the owner's list */
		uint32_t position; /* in the class */
	};
	union {
		uint32_t prev;     /* of the owner's list; 0: the head */
		uint32_t priority; /* of the rule that was hit in the table of the class */
	};
};
extern struct pl_node *pl_nodes;

/* Flows to kill, each once. */
struct pl_victims {
	uint32_t *handle;
	uint32_t n, cap;
};

#define PL_INDEX_BITS 24 /* of a handle; FLOW_CACHE_MAX_FLOWS */

EVS_INLINE unsigned pl_handle_worker(uint32_t handle)
{
	return handle >> PL_INDEX_BITS;
}
EVS_INLINE uint32_t pl_handle_index(uint32_t handle)
{
	return handle & ((1u << PL_INDEX_BITS) - 1);
}

/* pl_index.c */
void pl_index_add(unsigned worker, uint32_t index, const struct flow *flow);
void pl_index_del(unsigned worker, uint32_t index);
void pl_index_fini(void);
uint32_t pl_index_n_flows(void);
struct pl_owner *pl_owner_find(uint32_t kind, const void *obj, uint64_t arg);
/* Flows that refer to it become victims, but those for which spare (may be NULL) is true. */
void pl_index_doom(uint32_t kind, const void *obj, uint64_t arg,
                   bool (*spare)(uint32_t handle, const void *arg), const void *spare_arg);
void pl_victim_add(uint32_t handle);
/* Takes the next victim that still lives; false: none is left. */
bool pl_victim_next(uint32_t *handle);

/* pl_class.c */
struct pl_class *pl_class_create(struct pl_table *table, const struct flow_mask *mask,
                                 uint32_t rewritten);
void pl_class_destroy(struct pl_class *class);
struct pl_class *pl_class_next(const struct pl_class *class); /* of the table */
struct pl_owner *pl_class_owner(struct pl_class *class);
struct pl_class *pl_class_of(struct pl_owner *owner);
void pl_class_join(struct pl_class *class, uint32_t node, const struct flow_key *key);
/* Returns whether nobody is left. */
bool pl_class_leave(struct pl_class *class, uint32_t position);
/* Members that one of the rules can take packets from become victims. The rules are of one tuple,
 * whose mask this is. */
void pl_class_doom(struct pl_class *class, const struct flow_key *mask,
                   struct pl_rule *const *rules, uint32_t n);
/* The key as rules see it, for flows as for classes. */
void pl_index_key(const struct flow *flow, struct flow_key *key);
const struct flow *pl_index_flow(uint32_t handle);

#endif
