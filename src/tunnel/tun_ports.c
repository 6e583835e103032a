/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of tunnel endpoints.
 * Threads and owner: as tun_ports.h.
 */
#include "tunnel/tun_ports.h"

#include <stdlib.h>
#include <string.h>

#include "base/evs_rcu.h"
#include "pkt/pkt_hash.h"

struct service {
	uint8_t kind, ip_proto;
	uint16_t dst_port;
};

struct table {
	uint32_t n, mask;
	uint8_t n_wilds, wilds[8]; /* those that occur, most specific first */
	uint8_t open;              /* what all of them leave open */
	uint32_t n_services;
	struct service services[TUN_N_SERVICES];
	struct tun_match slots[]; /* index PKT_PORT_NONE: free */
};

static struct table *current; /* [ctl w, worker r] */

static uint32_t match_hash(const struct tun_match *match)
{
	const uint64_t *s = pkt_hash_secret;
	uint64_t hash =
	        pkt_hash_mum(match->key ^ s[0], ((uint64_t)match->kind << 24 |
	                                         (uint64_t)match->wild << 16 | match->dst_port) ^
	                                                s[1]);

	hash ^= pkt_hash_mum(pkt_hash_u64(match->remote) ^ s[2],
	                     pkt_hash_u64(match->remote + 8) ^ hash);
	hash ^= pkt_hash_mum(pkt_hash_u64(match->local) ^ s[3],
	                     pkt_hash_u64(match->local + 8) ^ hash);
	return (uint32_t)(hash ^ hash >> 32);
}

static bool match_equal(const struct tun_match *a, const struct tun_match *b)
{
	return a->kind == b->kind && a->wild == b->wild && a->dst_port == b->dst_port &&
	       a->key == b->key && !memcmp(a->remote, b->remote, sizeof(a->remote)) &&
	       !memcmp(a->local, b->local, sizeof(a->local));
}

/* The slot with this match, or the free one where it would be. */
static struct tun_match *slot_of(const struct table *table, const struct tun_match *match)
{
	uint32_t i = match_hash(match);

	for (;; i++) {
		const struct tun_match *slot = &table->slots[i & table->mask];

		if (slot->index == PKT_PORT_NONE || match_equal(slot, match))
			return (struct tun_match *)slot;
	}
}

static int note_service(struct table *table, const struct tun_match *match, struct evs_error *err)
{
	uint8_t proto = tun_kinds[match->kind].ip_proto;

	for (uint32_t i = 0; i < table->n_services; i++) {
		const struct service *service = &table->services[i];

		if (service->ip_proto != proto || service->dst_port != match->dst_port)
			continue;
		if (service->kind == match->kind)
			return 0;
		return evs_error_set(
		        err, -EEXIST,
		        "%s ports have that place already (port %u of UDP or TCP, or GRE): "
		        "packets of two kinds could not be told apart",
		        tun_kinds[service->kind].name, match->dst_port);
	}
	if (table->n_services == TUN_N_SERVICES)
		return evs_error_set(err, -ENOSPC, "more than %d different UDP ports",
		                     TUN_N_SERVICES);
	table->services[table->n_services++] =
	        (struct service){match->kind, proto, match->dst_port};
	return 0;
}

static void note_wild(struct table *table, uint8_t wild)
{
	unsigned i = 0;

	for (unsigned k = 0; k < table->n_wilds; k++)
		if (table->wilds[k] == wild)
			return;
	/* fewer open ones first; of equally many, an open local address is the least loss */
	while (i < table->n_wilds &&
	       (__builtin_popcount(table->wilds[i]) < __builtin_popcount(wild) ||
	        (__builtin_popcount(table->wilds[i]) == __builtin_popcount(wild) &&
	         table->wilds[i] < wild)))
		i++;
	memmove(&table->wilds[i + 1], &table->wilds[i], table->n_wilds - i);
	table->wilds[i] = wild;
	table->n_wilds++;
	table->open &= wild;
}

static int insert(struct table *table, const struct tun_match *match, struct evs_error *err)
{
	struct tun_match *slot = slot_of(table, match);

	if (slot->index != PKT_PORT_NONE)
		return evs_error_set(err, -EEXIST,
		                     "another %s port has the same remote, local, key and port",
		                     tun_kinds[match->kind].name);
	*slot = *match;
	table->n++;
	note_wild(table, match->wild);
	return note_service(table, match, err);
}

/* All of the current table but port `without`, and one more match (may be NULL). */
static int rebuild(uint16_t without, const struct tun_match *more, struct evs_error *err)
{
	uint32_t n = current ? current->n + 1 : 1, size = 8;
	struct table *table, *old = current;
	int rc = 0;

	while (size < 2 * n)
		size *= 2;
	table = calloc(1, sizeof(*table) + size * sizeof(table->slots[0]));
	if (!table)
		return evs_error_set(err, -ENOMEM, "no memory for the table of tunnels");
	table->mask = size - 1;
	table->open = TUN_ANY_LOCAL | TUN_ANY_REMOTE | TUN_ANY_KEY;
	for (uint32_t i = 0; old && i <= old->mask && rc == 0; i++)
		if (old->slots[i].index != PKT_PORT_NONE && old->slots[i].index != without)
			rc = insert(table, &old->slots[i], err);
	if (rc == 0 && more)
		rc = insert(table, more, err);
	if (rc) {
		free(table);
		return rc;
	}
	evs_store_release(&current, table);
	evs_rcu_free(old);
	return 0;
}

int tun_port_add(const struct tun_match *match, struct evs_error *err)
{
	return rebuild(PKT_PORT_NONE, match, err);
}

/* Without memory the entry stays; packets for it meet a port that is not there any more. */
void tun_port_del(uint16_t index)
{
	rebuild(index, NULL, NULL);
}

static const struct tun_option_map *option_maps[PKT_PORT_MAX + 1]; /* [ctl w, worker r] */

void tun_port_set_options(uint16_t index, const struct tun_option_map *map)
{
	evs_store_release(&option_maps[index & PKT_PORT_MAX], map);
}

const struct tun_option_map *tun_port_options(uint16_t index)
{
	return evs_load_acquire(&option_maps[index & PKT_PORT_MAX]);
}

uint16_t EVS_HOT tun_port_lookup(enum tun_kind kind, uint16_t dst_port,
                                 const struct pkt_key_tun *tun, uint8_t *open)
{
	const struct table *table = evs_load_acquire(&current);

	*open = table ? table->open : 0;
	for (unsigned i = 0; table && i < table->n_wilds; i++) {
		struct tun_match match = {
		        .kind = (uint8_t)kind, .wild = table->wilds[i], .dst_port = dst_port};
		const struct tun_match *slot;

		if (!(match.wild & TUN_ANY_KEY))
			match.key = tun->id;
		if (!(match.wild & TUN_ANY_REMOTE))
			memcpy(match.remote, tun->src, sizeof(match.remote));
		if (!(match.wild & TUN_ANY_LOCAL))
			memcpy(match.local, tun->dst, sizeof(match.local));
		slot = slot_of(table, &match);
		if (slot->index != PKT_PORT_NONE)
			return slot->index;
	}
	return PKT_PORT_NONE;
}

bool tun_service_any(uint8_t ip_proto)
{
	const struct table *table = evs_load_acquire(&current);

	for (uint32_t i = 0; table && i < table->n_services; i++)
		if (table->services[i].ip_proto == ip_proto)
			return true;
	return false;
}

enum tun_kind tun_service_lookup(uint8_t ip_proto, uint16_t dst_port)
{
	const struct table *table = evs_load_acquire(&current);

	for (uint32_t i = 0; table && i < table->n_services; i++)
		if (table->services[i].ip_proto == ip_proto &&
		    table->services[i].dst_port == dst_port)
			return (enum tun_kind)table->services[i].kind;
	return TUN_NONE;
}
