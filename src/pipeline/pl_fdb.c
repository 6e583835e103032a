/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MAC tables: chained hash tables with one writer under readers.
 * Threads: control; pl_fdb_lookup any. Owner: this file, entries go after a grace period.
 *
 * Each dynamic entry stands on the list of its port, the least recently used first. When the table
 * is full, the port with the most entries gives up its oldest, so that a flood of addresses from
 * one port displaces only its own. An address that moves more than a few times a second (a loop
 * between two ports, or two hosts with one address) is held where it is until the second is over.
 */
#include "pipeline/pl_pvt.h"

#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "pipeline/pl_underlay.h"
#include "pkt/pkt_hash.h"

#define MOVES_PER_SECOND 8
#define EXPIRE_MAX       1000 /* entries of one port in one tick */

static uint32_t bucket_of(const struct pl_fdb *fdb, uint64_t id)
{
	return pkt_hash_mum(id ^ pkt_hash_secret[0], pkt_hash_secret[1] | 1) & fdb->mask;
}

struct pl_mac *pl_fdb_lookup(const struct pl_fdb *fdb, uint64_t id)
{
	struct pl_mac *mac = evs_load_acquire(&fdb->buckets[bucket_of(fdb, id)]);

	while (mac && mac->id != id)
		mac = evs_load_acquire(&mac->next);
	return mac;
}

/* The number of buckets stays what it is for the life of the bridge: chains get longer. */
int pl_fdb_init(struct pl_fdb *fdb, uint32_t size, struct evs_error *err)
{
	uint32_t n = 1024;

	while (n < size && n < 1u << 20)
		n *= 2;
	fdb->buckets = calloc(n, sizeof(fdb->buckets[0]));
	if (!fdb->buckets)
		return evs_error_set(err, -ENOMEM, "no memory for a MAC table of %u entries", size);
	fdb->mask = n - 1;
	fdb->stats.size = size;
	return 0;
}

static void list_leave(struct pl_mac *mac)
{
	struct pl_port *port = mac->port;

	if (mac->is_static) {
		port->n_static--;
	} else {
		TAILQ_REMOVE(&port->macs, mac, lru);
		port->n_macs--;
	}
}

static void list_join(struct pl_mac *mac)
{
	struct pl_port *port = mac->port;

	if (mac->is_static) {
		port->n_static++;
	} else {
		TAILQ_INSERT_TAIL(&port->macs, mac, lru);
		port->n_macs++;
	}
}

static void entry_remove(struct pl_bridge *bridge, struct pl_mac *mac)
{
	struct pl_mac **link = &bridge->fdb.buckets[bucket_of(&bridge->fdb, mac->id)];

	while (*link != mac)
		link = &(*link)->next;
	evs_store_release(link, mac->next);
	list_leave(mac);
	bridge->fdb.stats.n_entries--;
	pl_change_fdb(bridge, mac->id, PL_FDB_CHANGE_DST | PL_FDB_CHANGE_SRC, PKT_PORT_NONE);
	evs_rcu_free(mac);
}

static bool evict_one(struct pl_bridge *bridge)
{
	struct pl_port *port, *most = NULL;

	TAILQ_FOREACH (port, &bridge->ports, link)
		if (port->n_macs && (!most || port->n_macs > most->n_macs))
			most = port;
	if (!most)
		return false;
	entry_remove(bridge, TAILQ_FIRST(&most->macs));
	bridge->fdb.stats.evicted++;
	return true;
}

/* An entry that is to be: its id, place, and whether it is static. */
static struct pl_mac *entry_publish(struct pl_bridge *bridge, const struct pl_mac *wanted)
{
	struct pl_mac **bucket = &bridge->fdb.buckets[bucket_of(&bridge->fdb, wanted->id)];
	struct pl_mac *mac = malloc(sizeof(*mac));

	if (!mac)
		return NULL;
	*mac = *wanted;
	mac->next = *bucket;
	evs_store_release(bucket, mac);
	list_join(mac);
	return mac;
}

static struct pl_mac *entry_add(struct pl_bridge *bridge, struct pl_mac *wanted)
{
	struct pl_fdb *fdb = &bridge->fdb;
	struct pl_mac *mac;

	if (fdb->stats.n_entries >= fdb->stats.size && !evict_one(bridge))
		return NULL;
	wanted->used_ms = wanted->move_ms = evs_clock_ms();
	mac = entry_publish(bridge, wanted);
	if (!mac)
		return NULL;
	fdb->stats.n_entries++;
	pl_change_fdb(bridge, mac->id, PL_FDB_CHANGE_DST, mac->port->index);
	return mac;
}

/* The new entry stands before the old one, so that readers find one of them at any time. Without
 * memory it stays where it was. Flows from another end of the same port are not spared: were they
 * to live, nobody would see the address come back there. */
static struct pl_mac *entry_move(struct pl_bridge *bridge, struct pl_mac *old,
                                 const struct pl_mac *wanted)
{
	struct pl_mac moved = *old, *mac, **link;

	moved.port = wanted->port;
	moved.end = wanted->end;
	moved.is_static = wanted->is_static;
	mac = entry_publish(bridge, &moved);
	if (!mac)
		return NULL;
	for (link = &mac->next; *link != old;)
		link = &(*link)->next;
	evs_store_release(link, old->next);
	list_leave(old);
	pl_change_fdb(bridge, mac->id, PL_FDB_CHANGE_DST | PL_FDB_CHANGE_SRC,
	              mac->port == old->port ? PKT_PORT_NONE : mac->port->index);
	evs_rcu_free(old);
	return mac;
}

static bool move_allowed(struct pl_mac *mac, uint32_t now_ms)
{
	if (now_ms - mac->move_ms >= 1000) {
		mac->move_ms = now_ms;
		mac->n_moves = 0;
	}
	return ++mac->n_moves <= MOVES_PER_SECOND;
}

static void entry_touch(struct pl_mac *mac, uint32_t used_ms)
{
	if ((int32_t)(used_ms - mac->used_ms) <= 0)
		return;
	evs_store_relaxed(&mac->used_ms, used_ms);
	if (!mac->is_static) {
		TAILQ_REMOVE(&mac->port->macs, mac, lru);
		TAILQ_INSERT_TAIL(&mac->port->macs, mac, lru);
	}
}

void pl_fdb_learn(const struct pl_learn *learn)
{
	struct pl_bridge *bridge = pl_bridge_at(learn->bridge);
	uint32_t now_ms = evs_clock_ms();
	struct pl_mac wanted = {.id = pl_mac_id(learn->mac, learn->vlan), .end = learn->end};
	struct pl_port *port;
	struct pl_mac *mac;

	/* the report may be older than the removal of what it names */
	if (!bridge || (learn->mac[0] & 1) || learn->vlan > 4095)
		return;
	port = pl_port_by_ofport(bridge,
	                         learn->in_port == 0xfffe ? PL_OFPORT_LOCAL : learn->in_port);
	if (!port)
		return;
	wanted.port = port;
	mac = pl_fdb_lookup(&bridge->fdb, wanted.id);
	if (!mac) {
		if (entry_add(bridge, &wanted))
			bridge->fdb.stats.learned++;
	} else if (pl_mac_is_at(mac, port, &learn->end)) {
		entry_touch(mac, now_ms);
	} else if (!mac->is_static) {
		if (!move_allowed(mac, now_ms)) {
			bridge->fdb.stats.held++;
		} else if ((mac = entry_move(bridge, mac, &wanted)) != NULL) {
			entry_touch(mac, now_ms);
			bridge->fdb.stats.moved++;
		}
	}
}

/* A cached flow from in_port proves that the address still lives there. */
void pl_fdb_used(struct pl_bridge *bridge, uint64_t id, uint16_t in_port, uint32_t used_ms)
{
	struct pl_mac *mac = pl_fdb_lookup(&bridge->fdb, id);

	if (mac && (mac->port->index == in_port || mac->port->index == PKT_PORT_NONE))
		entry_touch(mac, used_ms);
}

void pl_fdb_expire(struct pl_bridge *bridge, uint32_t now_ms)
{
	uint32_t age_ms = bridge->config.fdb_age_s * 1000;
	struct pl_port *port;

	TAILQ_FOREACH (port, &bridge->ports, link) {
		for (unsigned i = 0; i < EXPIRE_MAX; i++) {
			struct pl_mac *mac = TAILQ_FIRST(&port->macs);

			if (!mac || (int32_t)(now_ms - mac->used_ms) < (int32_t)age_ms)
				break;
			entry_remove(bridge, mac);
			bridge->fdb.stats.expired++;
		}
	}
}

int pl_fdb_resize(struct pl_bridge *bridge, uint32_t size, struct evs_error *err)
{
	while (bridge->fdb.stats.n_entries > size)
		if (!evict_one(bridge))
			return evs_error_set(
			        err, -EINVAL,
			        "bridge '%s': %u static MAC entries exceed the size %u",
			        bridge->name, bridge->fdb.stats.n_entries, size);
	bridge->fdb.stats.size = size;
	return 0;
}

/* Each entry of the table; fn may remove it. */
static void each_entry(struct pl_bridge *bridge,
                       void (*fn)(struct pl_bridge *bridge, struct pl_mac *mac, void *arg),
                       void *arg)
{
	for (uint32_t i = 0; i <= bridge->fdb.mask; i++) {
		struct pl_mac *mac = bridge->fdb.buckets[i], *next;

		for (; mac; mac = next) {
			next = mac->next;
			fn(bridge, mac, arg);
		}
	}
}

static void remove_if_at(struct pl_bridge *bridge, struct pl_mac *mac, void *port)
{
	if (mac->port == port)
		entry_remove(bridge, mac);
}

void pl_fdb_forget_port(struct pl_port *port)
{
	struct pl_mac *mac;

	while ((mac = TAILQ_FIRST(&port->macs)))
		entry_remove(port->bridge, mac);
	if (port->n_static)
		each_entry(port->bridge, remove_if_at, port);
}

void pl_fdb_flush(struct pl_bridge *bridge, struct pl_port *only)
{
	struct pl_port *port;
	struct pl_mac *mac;

	TAILQ_FOREACH (port, &bridge->ports, link)
		while ((!only || port == only) && (mac = TAILQ_FIRST(&port->macs)))
			entry_remove(bridge, mac);
}

static void free_entry(struct pl_bridge *bridge, struct pl_mac *mac, void *arg)
{
	free(mac);
}

/* No reader is left. */
void pl_fdb_fini(struct pl_bridge *bridge)
{
	each_entry(bridge, free_entry, NULL);
	free(bridge->fdb.buckets);
}

static int static_check(const struct pl_bridge *bridge, const struct pl_fdb_entry *entry,
                        struct evs_error *err)
{
	static const struct pl_end nowhere;
	const struct pl_port *port = entry->pl_port;
	bool has_end = memcmp(&entry->end, &nowhere, sizeof(nowhere)) != 0;

	if (entry->vlan > 4095)
		return evs_error_set(err, -EINVAL, "VLAN %u is not in 0..4095", entry->vlan);
	if (entry->mac.addr_bytes[0] & 1)
		return evs_error_set(err, -EINVAL, "a MAC entry needs a unicast address");
	if (port->bridge != bridge)
		return evs_error_set(err, -EINVAL, "port '%s' is not on bridge '%s'", port->name,
		                     bridge->name);
	if (has_end && !(port->tunnel && port->tunnel->has_flood))
		return evs_error_set(err, -EINVAL,
		                     "port '%s' is no tunnel port with a flood list, which alone "
		                     "leads to several ends: leave out remote",
		                     port->name);
	if (!has_end && port->tunnel && port->tunnel->has_flood)
		return evs_error_set(err, -EINVAL,
		                     "port '%s' leads to several ends: say behind which one with "
		                     "remote=IP",
		                     port->name);
	return has_end ? pl_end_check(port->tunnel, &entry->end, entry->end.key != 0, err) : 0;
}

int pl_fdb_add_static(struct pl_bridge *bridge, const struct pl_fdb_entry *entry,
                      struct evs_error *err)
{
	struct pl_mac wanted = {.id = pl_mac_id(entry->mac.addr_bytes, entry->vlan),
	                        .port = entry->pl_port,
	                        .end = entry->end,
	                        .is_static = true};
	struct pl_mac *mac = pl_fdb_lookup(&bridge->fdb, wanted.id);
	int rc = static_check(bridge, entry, err);

	if (rc)
		return rc;
	if (mac ? entry_move(bridge, mac, &wanted) : entry_add(bridge, &wanted))
		return 0;
	return evs_error_set(err, -ENOSPC,
	                     "MAC table of bridge '%s' is full of static entries (%u)",
	                     bridge->name, bridge->fdb.stats.size);
}

int pl_fdb_del(struct pl_bridge *bridge, const struct rte_ether_addr *addr, uint16_t vlan,
               struct evs_error *err)
{
	struct pl_mac *mac = pl_fdb_lookup(&bridge->fdb, pl_mac_id(addr->addr_bytes, vlan));

	if (!mac)
		return evs_error_set(err, -ENOENT,
		                     "bridge '%s' has no MAC entry " RTE_ETHER_ADDR_PRT_FMT
		                     " in VLAN %u",
		                     bridge->name, RTE_ETHER_ADDR_BYTES(addr), vlan);
	entry_remove(bridge, mac);
	return 0;
}

struct visitor {
	void (*visit)(const struct pl_fdb_entry *entry, void *arg);
	void *arg;
	uint32_t now_ms;
};

static void show_entry(struct pl_bridge *bridge, struct pl_mac *mac, void *arg)
{
	const struct visitor *visitor = arg;
	struct pl_fdb_entry entry = {
	        .vlan = mac->id >> 48,
	        .is_static = mac->is_static,
	        .age_s = mac->is_static ? 0 : (visitor->now_ms - mac->used_ms) / 1000,
	        .pl_port = mac->port,
	        .end = mac->end,
	};

	for (unsigned i = 0; i < 6; i++)
		entry.mac.addr_bytes[i] = mac->id >> (40 - 8 * i);
	visitor->visit(&entry, visitor->arg);
}

void pl_fdb_walk(const struct pl_bridge *bridge,
                 void (*visit)(const struct pl_fdb_entry *entry, void *arg), void *arg)
{
	struct visitor visitor = {.visit = visit, .arg = arg, .now_ms = evs_clock_ms()};

	each_entry((struct pl_bridge *)bridge, show_entry, &visitor);
}

void pl_fdb_stats_get(const struct pl_bridge *bridge, struct pl_fdb_stats *stats)
{
	*stats = bridge->fdb.stats;
}
