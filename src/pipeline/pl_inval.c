/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invalidation: which cached flows did the changes make wrong?
 * Threads: control. Owner: this file owns passes; killed flows are the cache's.
 *
 * Problem. After a barrier no cached flow may tell an older story; a flow that a change cannot
 * affect must live on; ten thousand changes against a hundred thousand flows must be cheap.
 *
 * Data structure. Changes collect in a pass. When no other pass is under way, it starts: a grace
 * period, after which every translation is newer than its changes; then one walk over all caches
 * for all of its changes; then the callbacks of barriers. An object that changed carries the
 * number of the pass, so that a flow's reference is checked by one compare; MAC addresses are a
 * hash set; added rules are hashed by mask (pl_added.c).
 *
 * Invariants. A change that comes while a pass waits belongs to the next one. An object is marked
 * with a pass number that only grows, so an early kill is possible and harmless, a late one not.
 * Killed flows leave each cache in the order in which they were killed; so what a pass made
 * superfluous can be freed when as many flows left as were killed by its end.
 */
#include <stdlib.h>
#include <string.h>

#include "base/evs_log.h"
#include "pipeline/pl_of_pvt.h"
#include "pipeline/pl_pvt.h"
#include "pkt/pkt_hash.h"

#define SLICE_LEN 65536 /* flows of a cache between two turns of the event loop */

struct call {
	struct call *next;
	void (*fn)(void *arg);
	void *arg;
};

struct call_list {
	struct call *head, **tail;
};

struct mac_change {
	struct pl_bridge *bridge; /* NULL: the slot is free */
	uint64_t id;
	uint16_t keep_index;
	uint8_t kinds;
};

struct pass {
	uint64_t seq;
	bool any; /* there is something to walk for */
	bool all; /* kill everything */
	bool any_index;
	bool is_walking;
	unsigned worker; /* where the walk is */
	uint32_t cursor;
	uint64_t indexes[(PKT_PORT_MAX + 1) / 64];
	struct mac_change *macs;
	uint32_t n_macs, mac_slots; /* slots: a power of two or 0 */
	struct call_list done;      /* after the walk */
	struct call_list gone;      /* when the killed flows are gone */
};

/* What waits for flows to leave the caches. */
struct gone {
	struct gone *next;
	uint64_t killed[EVS_MAX_WORKERS];
	struct call_list calls;
};

static struct pass *collecting, *active;
static struct gone *gone_head, **gone_tail = &gone_head;
static uint64_t n_killed[EVS_MAX_WORKERS], n_left[EVS_MAX_WORKERS];

static void *need(void *ptr)
{
	if (!ptr)
		abort(); /* without it a wrong flow would live on; there is no way to go on */
	return ptr;
}

static void list_init(struct call_list *list)
{
	list->head = NULL;
	list->tail = &list->head;
}

static void list_add(struct call_list *list, void (*fn)(void *arg), void *arg)
{
	struct call *call = need(malloc(sizeof(*call)));

	*call = (struct call){.fn = fn, .arg = arg};
	*list->tail = call;
	list->tail = &call->next;
}

static void list_run(struct call_list *list)
{
	struct call *call = list->head, *next;

	list_init(list);
	for (; call; call = next) {
		next = call->next;
		call->fn(call->arg);
		free(call);
	}
}

static struct pass *pass_create(uint64_t seq)
{
	struct pass *pass = need(calloc(1, sizeof(*pass)));

	pass->seq = seq;
	list_init(&pass->done);
	list_init(&pass->gone);
	return pass;
}

/* MAC addresses that changed */

static struct mac_change *mac_slot(struct mac_change *macs, uint32_t slots,
                                   const struct pl_bridge *bridge, uint64_t id)
{
	uint32_t i = pkt_hash_mum(id ^ pkt_hash_secret[2], bridge->index + 0x9e3779b97f4a7c15ull);

	for (;; i++) {
		struct mac_change *mac = &macs[i & (slots - 1)];

		if (!mac->bridge || (mac->bridge == bridge && mac->id == id))
			return mac;
	}
}

static void macs_grow(struct pass *pass)
{
	uint32_t slots = pass->mac_slots ? pass->mac_slots * 2 : 64;
	struct mac_change *macs = need(calloc(slots, sizeof(*macs)));

	for (uint32_t i = 0; i < pass->mac_slots; i++)
		if (pass->macs[i].bridge)
			*mac_slot(macs, slots, pass->macs[i].bridge, pass->macs[i].id) =
			        pass->macs[i];
	free(pass->macs);
	pass->macs = macs;
	pass->mac_slots = slots;
}

static bool mac_hit(const struct pass *pass, const struct flow *flow, const struct flow_ref *ref)
{
	const struct mac_change *mac;

	if (!pass->n_macs)
		return false;
	mac = mac_slot(pass->macs, pass->mac_slots, ref->obj, ref->arg);
	if (!mac->bridge)
		return false;
	if (ref->kind == FLOW_REF_FDB)
		return mac->kinds & PL_FDB_CHANGE_DST;
	return (mac->kinds & PL_FDB_CHANGE_SRC) && flow->key.in_port != mac->keep_index;
}

/* The walk */

static bool ref_hit(const struct pass *pass, const struct flow *flow, const struct flow_ref *ref)
{
	const struct pl_bridge *bridge = ref->obj;
	const struct pl_port *port = ref->obj;

	switch (ref->kind) {
	case FLOW_REF_FDB:
	case FLOW_REF_FDB_SRC:
		if (mac_hit(pass, flow, ref))
			return true;
		/* fall through */
	case FLOW_REF_BRIDGE:
		return bridge->change_seq[PL_CHANGE_ALL] >= pass->seq ||
		       (ref->flags & PL_REF_ANY) ||
		       ((ref->flags & PL_REF_FLOOD) &&
		        bridge->change_seq[PL_CHANGE_STATE] >= pass->seq);
	case FLOW_REF_PORT:
		return port->change_seq[PL_CHANGE_ALL] >= pass->seq ||
		       ((ref->flags & PL_REF_STATE) &&
		        port->change_seq[PL_CHANGE_STATE] >= pass->seq);
	case FLOW_REF_NEIGH:
		return *(const uint64_t *)ref->obj >= pass->seq;
	default:
		return pl_of_ref_hit(pass->seq, flow, ref);
	}
}

static bool flow_hit(const struct pass *pass, const struct flow *flow)
{
	uint16_t in_port = flow->key.in_port;

	if (pass->all || (pass->any_index && pass->indexes[in_port / 64] >> (in_port % 64) & 1))
		return true;
	for (unsigned i = 0; i < flow->n_refs; i++)
		if (ref_hit(pass, flow, flow_ref_at(flow, i)))
			return true;
	return false;
}

struct walk {
	const struct pass *pass;
	struct flow_cache *cache;
	unsigned worker;
};

static bool walk_visit(struct flow *flow, void *arg)
{
	struct walk *walk = arg;

	if (flow_hit(walk->pass, flow))
		pl_flow_kill(walk->worker, walk->cache, flow);
	return true;
}

static struct flow_cache *cache_of(unsigned worker)
{
	return pl_globals.config.worker_cache ? pl_globals.config.worker_cache(worker) : NULL;
}

/* One slice; returns whether there is more. */
static bool pass_walk(struct pass *pass)
{
	for (; pass->worker < EVS_MAX_WORKERS; pass->worker++, pass->cursor = 0) {
		struct walk walk = {.pass = pass, .worker = pass->worker};

		walk.cache = cache_of(pass->worker);
		if (walk.cache &&
		    flow_cache_walk_some(walk.cache, &pass->cursor, SLICE_LEN, walk_visit, &walk))
			return true;
	}
	return false;
}

/* What it counted so far is credited at once: after a barrier statistics are those of then, but for
 * packets that the worker has in hand. Those follow when the flow leaves. */
void pl_flow_kill(unsigned worker, struct flow_cache *cache, struct flow *flow)
{
	pl_flow_credit(flow);
	n_killed[worker]++;
	flow_cache_kill(cache, flow);
}

/* Passes */

static void gone_add(struct pass *pass)
{
	struct gone *gone;

	if (!pass->gone.head)
		return;
	gone = need(calloc(1, sizeof(*gone)));
	memcpy(gone->killed, n_killed, sizeof(n_killed));
	gone->calls.head = pass->gone.head;
	*gone_tail = gone;
	gone_tail = &gone->next;
}

static void pass_start(void);

static void pass_run(void *arg)
{
	struct pass *pass = arg;

	if (!pass->is_walking)
		pl_of_pass_begin(pass->seq);
	pass->is_walking = true;
	if (pass->any && pass_walk(pass)) {
		evs_rcu_call(pass_run, pass); /* the event loop gets a turn in between */
		return;
	}
	pl_of_pass_end();
	gone_add(pass);
	active = NULL;
	list_run(&pass->done);
	free(pass->macs);
	free(pass);
	if (!active && (collecting->any || collecting->done.head || collecting->gone.head))
		pass_start();
}

static void pass_start(void)
{
	active = collecting;
	collecting = pass_create(active->seq + 1);
	evs_rcu_call(pass_run, active);
}

static void wanted(void)
{
	if (!active)
		pass_start();
}

uint64_t pl_change_seq(void)
{
	return collecting->seq;
}

void pl_change_port(struct pl_port *port, enum pl_change what)
{
	port->change_seq[what] = collecting->seq;
	collecting->any = true;
	wanted();
}

void pl_change_bridge(struct pl_bridge *bridge, enum pl_change what)
{
	bridge->change_seq[what] = collecting->seq;
	collecting->any = true;
	wanted();
}

void pl_change_index(uint16_t index)
{
	collecting->indexes[index / 64] |= 1ull << (index % 64);
	collecting->any = collecting->any_index = true;
	wanted();
}

void pl_change_fdb(struct pl_bridge *bridge, uint64_t id, unsigned kinds, uint16_t keep_index)
{
	struct pass *pass = collecting;
	struct mac_change *mac;

	if (pass->n_macs * 2 >= pass->mac_slots)
		macs_grow(pass);
	mac = mac_slot(pass->macs, pass->mac_slots, bridge, id);
	if (!mac->bridge)
		pass->n_macs++;
	else if (mac->keep_index != keep_index)
		keep_index = PKT_PORT_NONE; /* moved more than once */
	*mac = (struct mac_change){bridge, id, keep_index, mac->kinds | kinds};
	pass->any = true;
	wanted();
}

void pl_change_all(void)
{
	collecting->any = collecting->all = true;
	wanted();
}

void pl_change_rules(void)
{
	collecting->any = true;
	wanted();
}

void pl_change_call(void (*fn)(void *arg), void *arg)
{
	list_add(&collecting->gone, fn, arg);
	wanted();
}

void pl_change_batch(void (*fn)(void *arg), void *arg)
{
	collecting->any = true;
	list_add(&collecting->gone, fn, arg);
	wanted();
}

void pl_barrier(void (*done)(void *arg), void *arg)
{
	if (!active && !collecting->any && !collecting->gone.head) {
		done(arg); /* every change so far has been walked for */
		return;
	}
	list_add(&collecting->done, done, arg);
	wanted();
}

/* Flows on their way out */

void pl_flow_left(struct flow *flow, void *arg)
{
	unsigned worker = (unsigned)(uintptr_t)arg;

	pl_flow_credit(flow);
	n_left[worker]++;
}

static bool gone_due(const struct gone *gone)
{
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++)
		if (n_left[w] < gone->killed[w] && cache_of(w))
			return false;
	return true;
}

static void gone_run(void)
{
	while (gone_head && gone_due(gone_head)) {
		struct gone *gone = gone_head;

		gone_head = gone->next;
		if (!gone_head)
			gone_tail = &gone_head;
		list_run(&gone->calls);
		free(gone);
	}
}

uint32_t pl_reap(void)
{
	uint32_t n = 0;

	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		struct flow_cache *cache = cache_of(w);

		if (cache)
			n += flow_cache_reap(cache, pl_flow_left, (void *)(uintptr_t)w);
	}
	gone_run();
	return n;
}

struct flush {
	unsigned worker;
	struct flow_cache *cache;
};

static bool flush_visit(struct flow *flow, void *arg)
{
	const struct flush *flush = arg;

	pl_flow_kill(flush->worker, flush->cache, flow);
	return true;
}

void pl_cache_flush(int worker)
{
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		struct flush flush = {.worker = w, .cache = cache_of(w)};

		if (flush.cache && (worker < 0 || (unsigned)worker == w))
			flow_cache_walk(flush.cache, flush_visit, &flush);
	}
}

void pl_inval_init(void)
{
	collecting = pass_create(1);
	memset(n_killed, 0, sizeof(n_killed));
	memset(n_left, 0, sizeof(n_left));
}

/* Workers translate no more; what waits for flows is done at once. */
void pl_inval_fini(void)
{
	while (active || collecting->any || collecting->done.head || collecting->gone.head) {
		if (!active)
			pass_start();
		evs_rcu_synchronize();
	}
	while (gone_head) {
		struct gone *gone = gone_head;

		gone_head = gone->next;
		list_run(&gone->calls);
		free(gone);
	}
	gone_tail = &gone_head;
	free(collecting);
	collecting = NULL;
}
