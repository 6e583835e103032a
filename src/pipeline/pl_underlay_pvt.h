/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Underlay and tunnels, inside the pipeline.
 * Threads: as pl_xlate_pvt.h.
 */
#ifndef PL_UNDERLAY_PVT_H
#define PL_UNDERLAY_PVT_H

#include "pipeline/pl_underlay.h"
#include "pipeline/pl_xlate_pvt.h"

/* Where a packet to an address goes. */
struct pl_hop {
	uint32_t bridge;
	uint16_t vlan;
	uint8_t src[16], next[16];
};
/* How many next hops there are to dst; hop: the one that the hash of a flow chooses by weight, or
 * the one that comes `skip` behind it. */
unsigned pl_route_lookup(const uint8_t dst[16], uint32_t hash, unsigned skip, struct pl_hop *hop);
bool pl_underlay_any(uint32_t bridge); /* has the bridge addresses? */
/* What is known of a neighbour; either way the flow depends on it. */
enum pl_neigh { PL_NEIGH_UNKNOWN, PL_NEIGH_ASKED /* a packet may wait */, PL_NEIGH_KNOWN };
enum pl_neigh pl_neigh_lookup(struct pl_xlate *x, uint32_t bridge, const uint8_t addr[16],
                              uint8_t mac[6]);

/* pl_tunnel.c */
/* The packet leaves by a tunnel port: encapsulated, it goes on in the underlay's bridge. */
void pl_tunnel_output(struct pl_xlate *x, const struct pl_view *view);
/* By a tunnel port with a flood list: to this end, or (NULL) to each of the list but the one that
 * it came from. */
void pl_tunnel_send(struct pl_xlate *x, const struct pl_view *view, const struct pl_end *end);
/* It came out of one: RFC 6040. False: it must be dropped. */
bool pl_tunnel_input(struct pl_xlate *x);

/* pl_own.c */
/* The packet is for the bridge itself. True: it was taken; else a device may have it. */
bool pl_own_packet(struct pl_xlate *x, bool has_device);

#endif
