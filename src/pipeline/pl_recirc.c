/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recirculation: what is left to do for packets that must be parsed anew.
 * Threads: workers freeze and thaw, control ages; one short lock. Owner: this file.
 *
 * The rest of the work is kept by value (actions, action set, metadata), so that no rule needs to
 * stay for it. Equal rests are one: a hundred thousand flows of one rule share an id. An id is a
 * slot and its generation; a packet with an id that was given away since finds nothing and is
 * dropped. The table is bounded; a rest that nobody used for a while goes. Idle cached flows go
 * before that, and busy ones touch their ids whenever they are credited.
 */
#include <rte_spinlock.h>

#include "base/evs_clock.h"
#include "pipeline/pl_of_pvt.h"
#include "pipeline/pl_trace_pvt.h"
#include "pkt/pkt_hash.h"

#define N_SLOTS   4096
#define BYTES_MAX 1024
#define KEEP_MS   30000
#define SLOT_BITS 12
#define N_CHAINS  1024
#define TICK_LEN  256 /* slots that a tick looks at */

struct rest {
	uint32_t bridge, in_ofport; /* in_ofport 0: none */
	uint32_t queue;
	uint32_t set_size; /* bytes of the action set, behind the code's */
	uint64_t cookie;
	uint32_t regs[FLOW_N_REGS];
	struct flow_key_pipe pipe;
	uint8_t table, is_miss, in_set, zero[5];
	struct pl_code code;
	uint8_t bytes[BYTES_MAX]; /* apply, write, set */
};

static_assert(offsetof(struct rest, bytes) == offsetof(struct rest, code) + sizeof(struct pl_code),
              "the code's bytes");

struct slot {
	uint64_t hash;
	uint32_t id; /* 0: free */
	uint32_t used_ms;
	uint32_t size;
	uint32_t next; /* of the chain, index + 1 */
	struct rest rest;
};

static struct slot slots[N_SLOTS];
static uint32_t chains[N_CHAINS], generation, hand;
static rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;

static uint64_t rest_hash(const struct rest *rest, uint32_t size)
{
	const uint8_t *p = (const uint8_t *)rest;
	uint64_t hash = size;

	for (uint32_t i = 0; i + 8 <= size; i += 8)
		hash = pkt_hash_mum(hash ^ pkt_hash_u64(p + i), 0x9e3779b97f4a7c15ull);
	return hash | 1;
}

static struct slot *find(const struct rest *rest, uint32_t size, uint64_t hash)
{
	for (uint32_t i = chains[hash >> 32 & (N_CHAINS - 1)]; i; i = slots[i - 1].next) {
		struct slot *slot = &slots[i - 1];

		if (slot->hash == hash && slot->size == size && !memcmp(&slot->rest, rest, size))
			return slot;
	}
	return NULL;
}

static struct slot *take_slot(const struct rest *rest, uint32_t size, uint64_t hash)
{
	uint32_t *chain = &chains[hash >> 32 & (N_CHAINS - 1)];

	for (uint32_t i = 0; i < N_SLOTS; i++) {
		uint32_t index = hand++ % N_SLOTS;
		struct slot *slot = &slots[index];

		if (slot->id)
			continue;
		generation = (generation + 1) & ((1u << (32 - SLOT_BITS)) - 1);
		slot->id = (generation ? generation : ++generation) << SLOT_BITS | index;
		slot->hash = hash;
		slot->size = size;
		memcpy(&slot->rest, rest, size);
		slot->next = *chain;
		*chain = index + 1;
		return slot;
	}
	return NULL;
}

/* The id of a rest, 0 if the table is full. */
static uint32_t store(const struct rest *rest, uint32_t size, uint32_t now_ms)
{
	uint64_t hash = rest_hash(rest, size);
	struct slot *slot;
	uint32_t id = 0;

	rte_spinlock_lock(&lock);
	slot = find(rest, size, hash);
	if (!slot)
		slot = take_slot(rest, size, hash);
	if (slot) {
		slot->used_ms = now_ms;
		id = slot->id;
	}
	rte_spinlock_unlock(&lock);
	return id;
}

static bool load(uint32_t id, struct rest *rest, uint32_t now_ms)
{
	struct slot *slot = &slots[id % N_SLOTS];
	bool found;

	rte_spinlock_lock(&lock);
	found = slot->id == id;
	if (found) {
		memcpy(rest, &slot->rest, slot->size);
		slot->used_ms = now_ms;
	}
	rte_spinlock_unlock(&lock);
	return found;
}

void pl_recirc_used(uint32_t id, uint32_t used_ms)
{
	struct slot *slot = &slots[id % N_SLOTS];

	rte_spinlock_lock(&lock);
	if (slot->id == id && (int32_t)(used_ms - slot->used_ms) > 0)
		slot->used_ms = used_ms;
	rte_spinlock_unlock(&lock);
}

static void release(struct slot *slot)
{
	uint32_t *link = &chains[slot->hash >> 32 & (N_CHAINS - 1)];

	while (&slots[*link - 1] != slot)
		link = &slots[*link - 1].next;
	*link = slot->next;
	slot->id = 0;
}

void pl_recirc_tick(uint32_t now_ms)
{
	static uint32_t next;
	uint32_t keep = EVS_MAX((uint32_t)KEEP_MS, 3 * pl_globals.config.flow_idle_ms);

	rte_spinlock_lock(&lock);
	for (unsigned i = 0; i < TICK_LEN; i++) {
		struct slot *slot = &slots[next++ % N_SLOTS];

		if (slot->id && (int32_t)(now_ms - slot->used_ms) > (int32_t)keep)
			release(slot);
	}
	rte_spinlock_unlock(&lock);
}

void pl_recirc_forget(uint32_t bridge)
{
	rte_spinlock_lock(&lock);
	for (unsigned i = 0; i < N_SLOTS; i++)
		if (slots[i].id && slots[i].rest.bridge == bridge)
			release(&slots[i]);
	rte_spinlock_unlock(&lock);
}

/* Freezing */

static bool append(struct rest *rest, uint32_t *used, const void *bytes, uint32_t size)
{
	if (*used + size > BYTES_MAX)
		return false;
	if (size)
		memcpy(rest->bytes + *used, bytes, size);
	*used += size;
	return true;
}

static void rest_init(struct pl_xlate *x, struct rest *rest)
{
	memset(rest, 0, offsetof(struct rest, bytes));
	rest->bridge = x->snap->bridge->index;
	rest->in_ofport = x->in ? x->in->ofport : 0;
	rest->queue = x->pkt.queue;
	rest->cookie = x->cookie;
	memcpy(rest->regs, x->pkt.key.regs, sizeof(rest->regs));
	rest->pipe = x->pkt.key.pipe;
	rest->table = x->table;
	rest->is_miss = x->is_miss;
	rest->in_set = x->in_set;
}

static void emit(struct pl_xlate *x, const struct rest *rest, uint32_t used, bool fits)
{
	uint32_t id = fits ? store(rest, offsetof(struct rest, bytes) + used, pl_xlate_now(x)) : 0;
	struct flow_op *op;

	x->stopped = true;
	if (!id) {
		/* A full table is so for now: the next packet tries again. */
		x->out->cacheable = !fits;
		pl_xlate_fail(x, PKT_DROP_RECURSION);
		return;
	}
	PL_TRACE(x, "goes round once more, to be parsed anew (recirculation id 0x%x)", id);
	pl_commit_edits(x);
	op = flow_prog_add(&x->out->prog, FLOW_OP_RECIRC, 0);
	((struct flow_op_recirc *)op->payload)->id = id;
	pl_ref_add(x, FLOW_REF_RECIRC, NULL, id);
	x->n_edits++;
	x->n_out++;
}

static bool append_set(struct pl_xlate *x, struct rest *rest, uint32_t *used)
{
	for (uint32_t i = 0; x->set && i < x->set->n; i++) {
		uint32_t size = x->set->act[i]->size8 * 8u;

		if (!append(rest, used, x->set->act[i], size))
			return false;
		rest->set_size += size;
	}
	return true;
}

void pl_freeze(struct pl_xlate *x, const struct pl_code *code, const struct of_actions *todo)
{
	struct of_actions write = pl_code_write(code);
	struct rest rest;
	uint32_t used = 0;
	bool fits;

	rest_init(x, &rest);
	rest.code = *code;
	rest.code.set &= ~(uint32_t)OF_INST_METER; /* the packet went through it */
	rest.code.set |= OF_INST_APPLY_ACTIONS;
	rest.code.apply_size = todo->size;
	fits = append(&rest, &used, todo->list, todo->size) &&
	       append(&rest, &used, write.list, write.size) && append_set(x, &rest, &used);
	emit(x, &rest, used, fits);
}

/* The rest of an action set or bucket, in its order. */
void pl_freeze_list(struct pl_xlate *x, const struct of_action *const *list, unsigned n)
{
	struct rest rest;
	uint32_t used = 0;
	bool fits = true;

	rest_init(x, &rest);
	rest.code.set = OF_INST_APPLY_ACTIONS;
	for (unsigned i = 0; i < n && fits; i++) {
		if (list[i]->kind == OF_ACTION_OUTPUT && i && list[i - 1]->kind == OF_ACTION_GROUP)
			break;
		fits = append(&rest, &used, list[i], list[i]->size8 * 8u);
	}
	rest.code.apply_size = used;
	emit(x, &rest, used, fits);
}

/* Thawing */

static void resume(struct pl_xlate *x, const struct rest *rest)
{
	struct of_actions saved = {
	        (const struct of_action *)(rest->bytes + rest->code.apply_size +
	                                   rest->code.write_size),
	        rest->set_size,
	};
	struct pl_actset set;

	set.n = 0;
	x->set = &set;
	pl_actset_write(&set, &saved);
	x->pkt.queue = rest->queue;
	x->cookie = rest->cookie;
	x->table = rest->table;
	x->is_miss = rest->is_miss;
	x->in_set = rest->in_set;
	memcpy(x->pkt.key.regs, rest->regs, sizeof(rest->regs));
	x->pkt.key.pipe = rest->pipe;
	x->pkt.base = x->pkt.key;
	x->pkt.rewritten |= FLOW_REWRITTEN_PIPE;
	pl_xlate_code(x, &rest->code);
	x->set = NULL;
}

void pl_xlate_thaw(struct pl_xlate *x, uint32_t id)
{
	const struct pl_bridge *bridge;
	const struct pl_snap *snap;
	struct rest rest;

	pl_ref_add(x, FLOW_REF_RECIRC, NULL, id);
	if (!load(id, &rest, pl_xlate_now(x))) {
		x->reason = PKT_DROP_RECURSION;
		return;
	}
	bridge = pl_bridge_at(rest.bridge);
	snap = bridge ? pl_snap_get(bridge) : NULL;
	if (!snap) {
		x->reason = PKT_DROP_NO_BRIDGE;
		return;
	}
	pl_xlate_enter(x, snap, rest.in_ofport ? pl_snap_port(snap, rest.in_ofport) : NULL);
	x->reason = PKT_DROP_RULE;
	resume(x, &rest);
}
