/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of bindings. Threads and ownership: pl_bind.h; entries go after a grace period.
 */
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "pipeline/pl_bind_pvt.h"
#include "pkt/pkt_hash.h"

#define N_BUCKETS  1024
#define N_CELLS    1024
#define MOVE_MS    1000
#define EXPIRE_MAX 1000 /* of one port in one tick */

static uint8_t cells[N_CELLS]; /* only their addresses count */

static uint64_t hash_of(const struct pl_bridge *bridge, uint16_t vlan, const uint8_t addr[16])
{
	return pkt_hash_mum(pkt_hash_u64(addr) ^ ((uint64_t)bridge->index << 16 | vlan) ^
	                            pkt_hash_secret[0],
	                    pkt_hash_u64(addr + 8) ^ pkt_hash_secret[1]);
}

static struct pl_bind **bucket_of(const struct pl_bridge *bridge, uint16_t vlan,
                                  const uint8_t addr[16])
{
	return &bridge->binds.buckets[hash_of(bridge, vlan, addr) % N_BUCKETS];
}

static struct pl_bind *find(const struct pl_bridge *bridge, uint16_t vlan, const uint8_t addr[16])
{
	struct pl_bind *bind = evs_load_acquire(bucket_of(bridge, vlan, addr));

	while (bind && (bind->vlan != vlan || memcmp(bind->addr, addr, sizeof(bind->addr)) != 0))
		bind = evs_load_acquire(&bind->next);
	return bind;
}

static void *cell_of(const struct pl_bridge *bridge, uint16_t vlan, const uint8_t addr[16])
{
	return &cells[(hash_of(bridge, vlan, addr) >> 20) % N_CELLS];
}

const struct pl_bind *pl_bind_lookup(struct pl_xlate *x, uint16_t vlan, const uint8_t addr[16])
{
	const struct pl_bridge *bridge = x->snap->bridge;

	pl_ref_add(x, FLOW_REF_NEIGH, cell_of(bridge, vlan, addr), 0);
	return find(bridge, vlan, addr);
}

int pl_bind_init(struct pl_bridge *bridge, struct evs_error *err)
{
	bridge->binds.buckets = calloc(N_BUCKETS, sizeof(bridge->binds.buckets[0]));
	return bridge->binds.buckets ? 0 : evs_error_set(err, -ENOMEM, "no memory for bindings");
}

static void list_leave(struct pl_bind *bind)
{
	if (!bind->port)
		return;
	TAILQ_REMOVE(&bind->port->binds, bind, lru);
	bind->port->n_binds--;
}

static void list_join(struct pl_bind *bind)
{
	if (!bind->port)
		return;
	TAILQ_INSERT_TAIL(&bind->port->binds, bind, lru);
	bind->port->n_binds++;
}

static void unlink_entry(struct pl_bridge *bridge, struct pl_bind *bind)
{
	struct pl_bind **link = bucket_of(bridge, bind->vlan, bind->addr);

	while (*link != bind)
		link = &(*link)->next;
	evs_store_release(link, bind->next);
	list_leave(bind);
	bridge->binds.stats.n_entries--;
	evs_rcu_free(bind);
}

static void entry_remove(struct pl_bridge *bridge, struct pl_bind *bind)
{
	pl_change_neigh(cell_of(bridge, bind->vlan, bind->addr));
	unlink_entry(bridge, bind);
}

static bool evict_one(struct pl_bridge *bridge)
{
	struct pl_port *port, *most = NULL;

	TAILQ_FOREACH (port, &bridge->ports, link)
		if (port->n_binds && (!most || port->n_binds > most->n_binds))
			most = port;
	if (!most)
		return false;
	entry_remove(bridge, TAILQ_FIRST(&most->binds));
	bridge->binds.stats.evicted++;
	return true;
}

/* The new entry stands before an old one of the same address, which then goes. */
static bool entry_put(struct pl_bridge *bridge, const struct pl_bind *wanted, struct pl_bind *old)
{
	struct pl_bind **bucket = bucket_of(bridge, wanted->vlan, wanted->addr), *bind;

	if (!old && bridge->binds.stats.n_entries >= PL_MAX_BINDS && !evict_one(bridge))
		return false;
	bind = malloc(sizeof(*bind));
	if (!bind)
		return false;
	*bind = *wanted;
	bind->used_ms = bind->move_ms = evs_clock_ms();
	bind->next = *bucket;
	evs_store_release(bucket, bind);
	list_join(bind);
	bridge->binds.stats.n_entries++;
	if (old) {
		struct pl_bind **link = &bind->next;

		while (*link != old)
			link = &(*link)->next;
		evs_store_release(link, old->next);
		list_leave(old);
		bridge->binds.stats.n_entries--;
		evs_rcu_free(old);
	}
	pl_change_neigh(cell_of(bridge, bind->vlan, bind->addr));
	return true;
}

static void touch(struct pl_bind *bind)
{
	evs_store_relaxed(&bind->used_ms, evs_clock_ms());
	list_leave(bind);
	list_join(bind);
}

static void learn_known(struct pl_bridge *bridge, struct pl_bind *bind, const struct pl_bind *heard)
{
	if (!bind->port)
		return; /* pinned: whoever says otherwise is not believed */
	if (bind->port == heard->port && !memcmp(bind->mac, heard->mac, sizeof(bind->mac))) {
		touch(bind);
	} else if (evs_clock_ms() - bind->move_ms < MOVE_MS) {
		bridge->binds.stats.held++;
		pl_change_neigh(cell_of(bridge, bind->vlan, bind->addr)); /* heard again later */
	} else if (entry_put(bridge, heard, bind)) {
		bridge->binds.stats.moved++;
	}
}

void pl_bind_learn(const struct pl_learn *learn)
{
	struct pl_bridge *bridge = pl_bridge_at(learn->bridge);
	struct pl_bind heard = {.vlan = learn->vlan}, *bind;

	/* the report may be older than the removal of what it names */
	if (!bridge || !bridge->config.suppress)
		return;
	heard.port = pl_port_by_ofport(bridge,
	                               learn->in_port == 0xfffe ? PL_OFPORT_LOCAL : learn->in_port);
	if (!heard.port)
		return;
	memcpy(heard.addr, learn->addr, sizeof(heard.addr));
	memcpy(heard.mac, learn->mac, sizeof(heard.mac));
	bind = find(bridge, heard.vlan, heard.addr);
	if (bind)
		learn_known(bridge, bind, &heard);
	else if (entry_put(bridge, &heard, NULL))
		bridge->binds.stats.learned++;
}

void pl_bind_expire(struct pl_bridge *bridge, uint32_t now_ms)
{
	uint32_t age_ms = bridge->config.fdb_age_s * 1000;
	struct pl_port *port;

	TAILQ_FOREACH (port, &bridge->ports, link) {
		for (unsigned i = 0; i < EXPIRE_MAX; i++) {
			struct pl_bind *bind = TAILQ_FIRST(&port->binds);

			if (!bind || (int32_t)(now_ms - bind->used_ms) < (int32_t)age_ms)
				break;
			entry_remove(bridge, bind);
			bridge->binds.stats.expired++;
		}
	}
}

void pl_bind_forget_port(struct pl_port *port)
{
	struct pl_bind *bind;

	while ((bind = TAILQ_FIRST(&port->binds)))
		entry_remove(port->bridge, bind);
}

void pl_bind_flush(struct pl_bridge *bridge)
{
	struct pl_port *port;

	TAILQ_FOREACH (port, &bridge->ports, link)
		pl_bind_forget_port(port);
}

/* No reader is left. */
void pl_bind_fini(struct pl_bridge *bridge)
{
	for (unsigned i = 0; i < N_BUCKETS; i++) {
		struct pl_bind *bind = bridge->binds.buckets[i], *next;

		for (; bind; bind = next) {
			next = bind->next;
			free(bind);
		}
	}
	free(bridge->binds.buckets);
}

int pl_bind_add_static(struct pl_bridge *bridge, const struct pl_bind_entry *entry,
                       struct evs_error *err)
{
	struct pl_bind wanted = {.vlan = entry->vlan};

	if (!rte_is_valid_assigned_ether_addr(&entry->mac))
		return evs_error_set(err, -EINVAL, "a binding needs the address of one station");
	if (!pl_bind_takes(entry->addr))
		return evs_error_set(err, -EINVAL,
		                     "questions for link-local addresses are never answered, "
		                     "since the station may be a router: give another address");
	memcpy(wanted.addr, entry->addr, sizeof(wanted.addr));
	memcpy(wanted.mac, &entry->mac, sizeof(wanted.mac));
	if (entry_put(bridge, &wanted, find(bridge, entry->vlan, entry->addr)))
		return 0;
	return evs_error_set(err, -ENOSPC, "bridge '%s' is full of static bindings (%d)",
	                     bridge->name, PL_MAX_BINDS);
}

int pl_bind_del(struct pl_bridge *bridge, const uint8_t addr[16], uint16_t vlan,
                struct evs_error *err)
{
	struct pl_bind *bind = find(bridge, vlan, addr);

	if (!bind)
		return evs_error_set(err, -ENOENT,
		                     "bridge '%s' has no such binding in VLAN %u: 'evsctl binding "
		                     "show' lists them",
		                     bridge->name, vlan);
	entry_remove(bridge, bind);
	return 0;
}

void pl_bind_walk(const struct pl_bridge *bridge,
                  void (*visit)(const struct pl_bind_entry *entry, void *arg), void *arg)
{
	uint32_t now_ms = evs_clock_ms();

	for (unsigned i = 0; i < N_BUCKETS; i++) {
		for (const struct pl_bind *b = bridge->binds.buckets[i]; b; b = b->next) {
			struct pl_bind_entry entry = {
			        .vlan = b->vlan,
			        .is_static = !b->port,
			        .age_s = b->port ? (now_ms - b->used_ms) / 1000 : 0,
			        .pl_port = b->port,
			};

			memcpy(entry.addr, b->addr, sizeof(entry.addr));
			memcpy(&entry.mac, b->mac, sizeof(entry.mac));
			visit(&entry, arg);
		}
	}
}

void pl_bind_stats_get(const struct pl_bridge *bridge, struct pl_bind_stats *stats)
{
	*stats = bridge->binds.stats;
}
