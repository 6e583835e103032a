/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The underlay: addresses of bridges, routes, neighbours, and the tunnel ports that stand on them.
 * Threads: control writes; workers read in translation.
 *
 * Problem. An operator names a peer; which bridge leads there, from which address and to which
 * station, is found here, and a cached flow must not outlive a change of it.
 *
 * Data structure. Addresses and routes are one immutable list by falling prefix length, neighbours
 * one sorted array; each is made anew at a change and freed after a grace period. Addresses and
 * routes change seldom, so their change ends every cached flow; a neighbour's ends those that named
 * it. Who keeps neighbours alive is the control thread; here is only what resolved.
 *
 * Cost: once per translation a scan of the routes and a binary search.
 *
 * IPv4 addresses are written ::ffff:a.b.c.d throughout, prefix lengths count from there (96..128).
 */
#ifndef PL_UNDERLAY_H
#define PL_UNDERLAY_H

#include "pipeline/pl_of.h"
#include "tunnel/tunnel.h"

#define PL_MAX_ADDRESSES 256
#define PL_MAX_ROUTES    4096
#define PL_MAX_NEIGHS    4096
#define PL_MAX_WEIGHT    256 /* as in the kernel */
#define PL_MAX_FLOOD     64  /* far ends of one tunnel port that get what is flooded */

/* Far ends that get what has no known one, each by a copy of its own (head-end replication). */
struct pl_flood {
	unsigned n;
	struct pl_flood_end {
		uint8_t remote[16];
		bool has_key; /* takes part in the network `key` alone */
		rte_be64_t key;
	} end[PL_MAX_FLOOD];
};

/* A tunnel port's configuration; constant while the port lives. */
struct pl_tunnel {
	enum tun_kind kind;
	bool remote_flow, key_flow; /* from tunnel fields of the packet, and matching any */
	bool has_flood; /* remote_flow, and NORMAL learns which address is behind which end */
	bool learning;  /* has_flood: from what comes in */
	bool has_local, has_key;
	bool tos_inherit, ttl_inherit;
	bool split_horizon; /* NORMAL sends nothing from one such tunnel to another */
	bool tell_mtu;      /* senders of what is too long are told */
	bool gbp;           /* VXLAN: send the group policy fields */
	bool zero_csum6;    /* no UDP checksum over IPv6, either way (RFC 6935) */
	uint8_t tos, ttl;
	uint16_t flags; /* PKT_TUN_CSUM, DF, KEY, SEQ */
	uint16_t dst_port;
	uint16_t sport_lo, sport_n;
	rte_be64_t key;
	uint8_t remote[16], local[16];
};

struct pl_prefix {
	uint8_t addr[16];
	uint8_t len;
};

/* Of a bridge; its network is a route. */
struct pl_address {
	struct pl_prefix prefix; /* host bits included */
	uint16_t vlan;           /* in which it is; 0: untagged */
};

enum pl_route_origin { PL_ROUTE_ADDRESS, PL_ROUTE_CONFIGURED, PL_ROUTE_KERNEL };

struct pl_route {
	struct pl_prefix dst;
	uint8_t via[16]; /* all zero: the destination itself, on `bridge` */
	uint32_t bridge; /* index; of what `via` says where that is not zero */
	uint8_t src[16]; /* address to send from */
	uint16_t vlan;   /* of that address */
	uint16_t weight; /* its share of the network's flows; 1..PL_MAX_WEIGHT */
	uint8_t origin;  /* enum pl_route_origin */
	bool active;     /* a bridge leads to `via`, and no route of the user is in its way */
};

EVS_INLINE bool pl_ip_is_v4(const uint8_t addr[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(addr, prefix, sizeof(prefix));
}
EVS_INLINE void pl_ip_from_v4(rte_be32_t v4, uint8_t addr[16])
{
	memset(addr, 0, 10);
	memset(addr + 10, 0xff, 2);
	memcpy(addr + 12, &v4, 4);
}
/* [ctl] Can packets of the tunnel get to this end? has_key: for end->key alone. -EINVAL with err.
 */
int pl_end_check(const struct pl_tunnel *t, const struct pl_end *end, bool has_key,
                 struct evs_error *err);
int pl_flood_check(const struct pl_tunnel *t, const struct pl_flood *flood, struct evs_error *err);
bool pl_ip_within(const uint8_t addr[16], const struct pl_prefix *prefix);

/* [ctl] Addresses of a bridge; their networks are routes. -EEXIST, -ENOSPC, -ENOMEM with err. */
int pl_address_add(struct pl_bridge *bridge, const struct pl_address *address,
                   struct evs_error *err);
void pl_address_del(struct pl_bridge *bridge, const struct pl_prefix *address);
void pl_address_forget(const struct pl_bridge *bridge); /* all of a bridge that goes */
/* [any] The bridge's own address, in this VLAN? */
bool pl_address_is_own(uint32_t bridge, uint16_t vlan, const uint8_t addr[16]);
/* [ctl] The bridge's address in the network of addr. NULL: it has none there. */
const struct pl_address *pl_address_towards(uint32_t bridge, const uint8_t addr[16]);

/* [ctl] Routes to a network by a next hop (via), or several, which share the flows by weight.
 * -EEXIST, -ENOENT, -ENOSPC, -ENOMEM with err. */
int pl_route_add(const struct pl_prefix *dst, const uint8_t via[16], uint16_t weight,
                 struct evs_error *err);
/* via all zero: the only one, which it becomes. */
int pl_route_del(const struct pl_prefix *dst, uint8_t via[16], struct evs_error *err);
/* [ctl] The routes of the host's kernel: they replace those told before. A route that was
 * configured to the same network goes before them. -ENOSPC (some were left out), -ENOMEM. */
int pl_route_follow(const struct pl_route *followed, uint32_t n);
/* [ctl] The bridge in whose networks `via` is; NULL: none. */
struct pl_bridge *pl_route_bridge(const uint8_t via[16]);
void pl_route_walk(void (*visit)(const struct pl_route *route, void *arg), void *arg);

/* [ctl] A neighbour resolved, moved, or is not there any more. */
int pl_neigh_set(uint32_t bridge, const uint8_t addr[16], const uint8_t mac[6]);
void pl_neigh_del(uint32_t bridge, const uint8_t addr[16]);

/* [ctl] The program that sends a packet, which waited, by a tunnel port (index); key.base.in_port
 * is where it came from. False: it is a drop, with its reason. */
bool pl_send_tunnel(uint16_t port, struct pkt_key *key, struct pl_injection *injection);
/* [ctl] The program that sends a packet of the bridge's own; run it with pmd_inject. */
void pl_send_own(struct pl_bridge *bridge, struct pkt_key *key, struct pl_injection *injection);

#endif
