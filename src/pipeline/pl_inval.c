/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invalidation: which cached flows did the changes make wrong?
 * Threads: control. Owner: this file owns passes; killed flows are the cache's.
 *
 * Problem. After a barrier no cached flow may tell an older story; a flow that a change cannot
 * affect must live on, and changes must cost neither it nor the worker that uses it anything.
 *
 * Data structure. Changes collect in a pass. When no other pass is under way, it starts: a grace
 * period, after which every translation is newer than its changes; then the flows that were born
 * until then enter the index (pl_index_pvt.h), which names those that the changes can affect, and
 * these are killed; then, after one more grace period if any was, the callbacks of barriers run.
 * Only changes of ports and bridges, which are rare, and which most flows refer to, take a walk
 * over all flows.
 *
 * Invariants. A change that comes while a pass waits belongs to the next one. An object is marked
 * with a pass number that only grows, so an early kill is possible and harmless, a late one not.
 * Killed flows leave each cache in the order in which they were killed; so what a pass made
 * superfluous can be freed when as many flows left as were killed by its end.
 */
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "pipeline/pl_index_pvt.h"
#include "pkt/pkt_hash.h"

#define TURNS_A_S   1000 /* a pass works so long between two turns of the event loop */
#define WALK_LEN    4096 /* flows of a cache in one step */
#define COLLECT_LEN 2048 /* newborn flows in one step */
#define KILL_LEN    1024 /* victims in one step */
#define MACS_LEN    1024 /* slots in one step */

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

/* What a pass does, in this order. */
enum stage { STAGE_COLLECT, STAGE_RULES, STAGE_ADDED, STAGE_MACS, STAGE_WALK, STAGE_DONE };

struct pass {
	uint64_t seq;
	bool any;  /* there is something to look for */
	bool walk; /* the index does not name all flows */
	bool all;  /* kill everything */
	bool any_index;
	bool is_under_way;
	bool killed;   /* some flow */
	bool has_left; /* packets that were in hand then are gone */
	enum stage stage;
	unsigned worker; /* where the stage is */
	uint32_t cursor;
	uint32_t born[EVS_MAX_WORKERS]; /* flows up to here may be older than the changes */
	struct pl_vec neighs;
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

/* An address is found where it was at first: the packets' own flow may stay. */
static bool came_by(uint32_t handle, const void *port)
{
	return pl_index_flow(handle)->key.in_port == *(const uint16_t *)port;
}

static void mac_doom(const struct mac_change *mac)
{
	if (mac->kinds & PL_FDB_CHANGE_DST)
		pl_index_doom(FLOW_REF_FDB, mac->bridge, mac->id, NULL, NULL);
	if (mac->kinds & PL_FDB_CHANGE_SRC)
		pl_index_doom(FLOW_REF_FDB_SRC, mac->bridge, mac->id, came_by, &mac->keep_index);
}

static bool macs_step(struct pass *pass)
{
	uint32_t end = EVS_MIN(pass->mac_slots, pass->cursor + MACS_LEN);

	for (; pass->cursor < end; pass->cursor++)
		if (pass->macs[pass->cursor].bridge)
			mac_doom(&pass->macs[pass->cursor]);
	return pass->cursor < pass->mac_slots;
}

/* The walk */

static bool ref_hit(const struct pass *pass, const struct flow_ref *ref)
{
	const struct pl_bridge *bridge = ref->obj;
	const struct pl_port *port = ref->obj;

	switch (ref->kind) {
	case FLOW_REF_FDB:
	case FLOW_REF_FDB_SRC:
	case FLOW_REF_BRIDGE:
		return bridge->change_seq[PL_CHANGE_ALL] >= pass->seq ||
		       ((ref->flags & PL_REF_FLOOD) &&
		        bridge->change_seq[PL_CHANGE_STATE] >= pass->seq);
	case FLOW_REF_PORT:
		return port->change_seq[PL_CHANGE_ALL] >= pass->seq ||
		       ((ref->flags & PL_REF_STATE) &&
		        port->change_seq[PL_CHANGE_STATE] >= pass->seq);
	default:
		return false; /* the index knows */
	}
}

static bool flow_hit(const struct pass *pass, const struct flow *flow)
{
	uint16_t in_port = flow->key.in_port;

	if (pass->all || (pass->any_index && pass->indexes[in_port / 64] >> (in_port % 64) & 1))
		return true;
	for (unsigned i = 0; i < flow->n_refs; i++)
		if (ref_hit(pass, flow_ref_at(flow, i)))
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

	if (!flow_hit(walk->pass, flow))
		return true;
	active->killed = true;
	pl_flow_kill(walk->worker, walk->cache, flow);
	return true;
}

static struct flow_cache *cache_of(unsigned worker)
{
	return pl_globals.config.worker_cache ? pl_globals.config.worker_cache(worker) : NULL;
}

static bool walk_step(struct pass *pass)
{
	for (; pass->worker < EVS_MAX_WORKERS; pass->worker++, pass->cursor = 0) {
		struct walk walk = {.pass = pass, .worker = pass->worker};

		walk.cache = cache_of(pass->worker);
		if (walk.cache &&
		    flow_cache_walk_some(walk.cache, &pass->cursor, WALK_LEN, walk_visit, &walk))
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
	pl_index_del(worker, flow_cache_flow_index(cache, flow));
	flow_cache_kill(cache, flow);
}

static void kill_handle(uint32_t handle)
{
	unsigned worker = pl_handle_worker(handle);
	struct flow_cache *cache = cache_of(worker);

	active->killed = true;
	pl_flow_kill(worker, cache, flow_cache_flow(cache, pl_handle_index(handle)));
}

/* Kills some of those that a stage doomed; false: none is left. */
static bool kill_step(void)
{
	uint32_t handle;

	for (unsigned n = 0; n < KILL_LEN; n++) {
		if (!pl_victim_next(&handle))
			return false;
		kill_handle(handle);
	}
	return true;
}

/* Newborn flows */

void pl_flow_born(struct flow *flow, void *arg)
{
	unsigned worker = (unsigned)(uintptr_t)arg;
	struct flow_cache *cache = cache_of(worker);

	pl_index_add(worker, flow_cache_flow_index(cache, flow), flow);
}

static bool collect_step(const uint32_t born[EVS_MAX_WORKERS])
{
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		struct flow_cache *cache = cache_of(w);

		if (cache && flow_cache_collect(cache, born[w], COLLECT_LEN))
			return true;
	}
	return false;
}

static void note_born(uint32_t born[EVS_MAX_WORKERS])
{
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		struct flow_cache *cache = cache_of(w);

		born[w] = cache ? flow_cache_born(cache) : 0;
	}
}

/* What the timer collects; goes on as long as there are more than one turn is good for. */
static bool is_collecting;

static void collect_run(void *arg)
{
	uint64_t end_tsc = evs_clock_tsc() + evs_clock_tsc_hz / TURNS_A_S;
	uint32_t born[EVS_MAX_WORKERS];
	bool more;

	note_born(born);
	do
		more = collect_step(born);
	while (more && evs_clock_tsc() < end_tsc);
	is_collecting = more;
	if (more)
		evs_rcu_call(collect_run, NULL);
}

void pl_collect(void)
{
	if (!is_collecting)
		collect_run(NULL);
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

static void pass_end(struct pass *pass)
{
	gone_add(pass);
	active = NULL;
	list_run(&pass->done);
	free(pass->macs);
	free(pass->neighs.item);
	free(pass);
	if (!active && (collecting->any || collecting->done.head || collecting->gone.head))
		pass_start();
}

static void pass_begin(struct pass *pass)
{
	pass->is_under_way = true;
	note_born(pass->born);
	pass->stage = pass->any ? STAGE_COLLECT : STAGE_DONE;
}

static bool stage_step(struct pass *pass)
{
	switch (pass->stage) {
	case STAGE_COLLECT:
		return collect_step(pass->born);
	case STAGE_RULES:
		return pl_removed_step(pass->seq);
	case STAGE_ADDED:
		return pl_added_step(pass->seq);
	case STAGE_MACS:
		return macs_step(pass);
	case STAGE_WALK:
		return pass->walk && walk_step(pass);
	default:
		return false;
	}
}

/* What takes few words. */
static void doom_few(const struct pass *pass)
{
	for (uint32_t i = 0; i < pass->neighs.n; i++)
		pl_index_doom(FLOW_REF_NEIGH, pass->neighs.item[i], 0, NULL, NULL);
	pl_index_doom(FLOW_REF_BRIDGE, NULL, 0, NULL, NULL); /* any change ends them */
}

static void pass_run(void *arg)
{
	struct pass *pass = arg;
	uint64_t end_tsc = evs_clock_tsc() + evs_clock_tsc_hz / TURNS_A_S;

	if (!pass->is_under_way)
		pass_begin(pass);
	while (pass->stage != STAGE_DONE) {
		if (evs_clock_tsc() > end_tsc) {
			evs_rcu_call(pass_run, pass); /* the event loop gets a turn in between */
			return;
		}
		if (kill_step() || stage_step(pass) || kill_step())
			continue;
		pass->stage++;
		pass->worker = pass->cursor = 0;
		if (pass->stage == STAGE_MACS)
			doom_few(pass);
	}
	/* A burst that a worker has in hand still goes by the flows that it found. */
	if (pass->killed && !pass->has_left) {
		pass->has_left = true;
		evs_rcu_call(pass_run, pass);
		return;
	}
	pass_end(pass);
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
	collecting->any = collecting->walk = true;
	wanted();
}

void pl_change_bridge(struct pl_bridge *bridge, enum pl_change what)
{
	bridge->change_seq[what] = collecting->seq;
	collecting->any = collecting->walk = true;
	wanted();
}

void pl_change_index(uint16_t index)
{
	collecting->indexes[index / 64] |= 1ull << (index % 64);
	collecting->any = collecting->walk = collecting->any_index = true;
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
	collecting->any = collecting->walk = collecting->all = true;
	wanted();
}

void pl_change_neigh(void *cell)
{
	pl_vec_add(&collecting->neighs, cell);
	collecting->any = true;
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
	evs_rcu_synchronize(); /* what is being collected */
	pl_index_fini();
}
