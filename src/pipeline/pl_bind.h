/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bindings of a bridge: which station has an IP address, so that questions for those behind tunnels
 * need not be flooded (ARP and ND suppression).
 * Threads: control writes, workers read in translation.
 *
 * Problem. In an overlay each question for a neighbour goes to every host. What other stations have
 * said about themselves answers most of them at the port where they are asked; but a table that
 * anybody may write must neither grow, nor be rewritten faster than it is believed.
 *
 * Data structure. A chained hash table of (VLAN, address) with one writer, like the MAC table; an
 * entry that changes is replaced. Learned entries stand on the list of their port, the least
 * recently heard first: when the table is full the port with the most gives up its oldest. A
 * binding changes once a second at most. Flows that asked for a binding, there or not, name a cell
 * by the hash of its address, and a change names the cell.
 *
 * Cost: nothing where suppression is off. Cached flows of questions match sender and target.
 */
#ifndef PL_BIND_H
#define PL_BIND_H

#include "pipeline/pl.h"

#define PL_MAX_BINDS 4096 /* of a bridge */

struct pl_bind_entry {
	uint8_t addr[16]; /* IPv4 as ::ffff:a.b.c.d */
	struct rte_ether_addr mac;
	uint16_t vlan;
	bool is_static;
	uint32_t age_s;
	struct pl_port *pl_port; /* where it was heard; NULL: static */
};
struct pl_bind_stats {
	uint32_t n_entries;
	uint64_t learned, moved, expired, evicted, held; /* held: changes refused as too frequent */
};

/* [ctl] learn->addr says of itself that it is at learn->mac. */
void pl_bind_learn(const struct pl_learn *learn);
/* [ctl] Pins one: neither aged nor changed by what is heard. -EINVAL, -ENOSPC with err. */
int pl_bind_add_static(struct pl_bridge *bridge, const struct pl_bind_entry *entry,
                       struct evs_error *err);
/* [ctl] Static or learned. -ENOENT with err. */
int pl_bind_del(struct pl_bridge *bridge, const uint8_t addr[16], uint16_t vlan,
                struct evs_error *err);
void pl_bind_walk(const struct pl_bridge *bridge,
                  void (*visit)(const struct pl_bind_entry *entry, void *arg), void *arg);
void pl_bind_stats_get(const struct pl_bridge *bridge, struct pl_bind_stats *stats);

#endif
