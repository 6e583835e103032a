/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbours as translation sees them: those that resolved.
 * Threads: control writes; workers read. Owner: this file; replaced arrays go after a grace period.
 *
 * A flow that asked for a neighbour, known or not, names one of a fixed set of cells by the hash of
 * the address; a change names the cell. Two addresses in one cell cost a needless translation.
 */
#include "pipeline/pl_underlay_pvt.h"

#include <stdlib.h>

#include "pkt/pkt_hash.h"

#define N_CELLS  1024
#define RECENT   64
#define AGAIN_MS 200 /* a worker asks for one neighbour so often at most */
#define WAITING  4   /* packets that may wait for each question */

struct neigh {
	uint32_t bridge;
	uint8_t addr[16];
	uint8_t mac[6];
	uint8_t zero[2];
};

struct list {
	uint32_t n;
	struct neigh neigh[]; /* sorted by bridge and address */
};

static struct list *current;   /* [ctl w, worker r] */
static uint8_t cells[N_CELLS]; /* only their addresses count */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct neigh, mac));
}

static uint8_t *cell_of(uint32_t bridge, const uint8_t addr[16])
{
	uint64_t hash = pkt_hash_mum(pkt_hash_u64(addr) ^ bridge ^ pkt_hash_secret[0],
	                             pkt_hash_u64(addr + 8) ^ pkt_hash_secret[1]);

	return &cells[hash % N_CELLS];
}

/* Publishes the list without this neighbour, and with `more` (may be NULL). */
static int publish(const struct neigh *without, const struct neigh *more)
{
	struct list *old = current, *list;
	uint32_t n = old ? old->n : 0;

	list = calloc(1, sizeof(*list) + (n + 1) * sizeof(list->neigh[0]));
	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (compare(&old->neigh[i], without))
			list->neigh[list->n++] = old->neigh[i];
	if (more && list->n < PL_MAX_NEIGHS) {
		uint32_t i = list->n++;

		for (; i && compare(&list->neigh[i - 1], more) > 0; i--)
			list->neigh[i] = list->neigh[i - 1];
		list->neigh[i] = *more;
	}
	evs_store_release(&current, list);
	evs_rcu_free(old);
	pl_change_neigh(cell_of(without->bridge, without->addr));
	return 0;
}

int pl_neigh_set(uint32_t bridge, const uint8_t addr[16], const uint8_t mac[6])
{
	struct neigh neigh = {.bridge = bridge};

	memcpy(neigh.addr, addr, sizeof(neigh.addr));
	memcpy(neigh.mac, mac, sizeof(neigh.mac));
	return publish(&neigh, &neigh);
}

void pl_neigh_del(uint32_t bridge, const uint8_t addr[16])
{
	struct neigh neigh = {.bridge = bridge};

	memcpy(neigh.addr, addr, sizeof(neigh.addr));
	publish(&neigh, NULL);
}

/* Asks the control thread to resolve it. True: one of the first packets, which may wait. */
static bool want(struct pl_xlate *x, const struct neigh *neigh)
{
	static _Thread_local struct {
		struct neigh neigh;
		uint32_t ms, waiting;
	} recent[RECENT];
	unsigned slot = (unsigned)(cell_of(neigh->bridge, neigh->addr) - cells) % RECENT;
	struct pl_neigh_want wanted = {.bridge = neigh->bridge, .rx_port = x->in_index};

	if (x->quiet || !pl_globals.config.post_neigh)
		return false;
	if (!compare(&recent[slot].neigh, neigh) && pl_xlate_now(x) - recent[slot].ms < AGAIN_MS)
		return ++recent[slot].waiting <= WAITING;
	recent[slot].neigh = *neigh;
	recent[slot].ms = pl_xlate_now(x);
	recent[slot].waiting = 1;
	memcpy(wanted.addr, neigh->addr, sizeof(wanted.addr));
	return pl_globals.config.post_neigh(x->worker, &wanted);
}

enum pl_neigh pl_neigh_lookup(struct pl_xlate *x, uint32_t bridge, const uint8_t addr[16],
                              uint8_t mac[6])
{
	const struct list *list = evs_load_acquire(&current);
	struct neigh key = {.bridge = bridge};
	const struct neigh *found = NULL;

	memcpy(key.addr, addr, sizeof(key.addr));
	pl_ref_add(x, FLOW_REF_NEIGH, cell_of(bridge, addr), 0);
	if (list)
		found = bsearch(&key, list->neigh, list->n, sizeof(key), compare);
	if (!found)
		return want(x, &key) ? PL_NEIGH_ASKED : PL_NEIGH_UNKNOWN;
	memcpy(mac, found->mac, 6);
	return PL_NEIGH_KNOWN;
}
