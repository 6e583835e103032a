/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tunnel endpoints: which port does a packet that arrived in a tunnel belong to?
 * Threads: control adds and deletes; workers look up between two quiescent states.
 * Owner: this room; tables that were replaced are freed after a grace period.
 *
 * Problem. Thousands of ports share one UDP port and differ by key, remote or local address, each
 * of which a port may leave open; the most specific port gets the packet.
 *
 * Data structure. An immutable hash table that is made anew at each change. A port that leaves
 * something open stands under zero there, and the table knows which of the eight combinations
 * occur: a look-up probes those only, most specific first. Cost: one probe where all ports are
 * alike.
 */
#ifndef TUN_PORTS_H
#define TUN_PORTS_H

#include "tunnel/tunnel.h"

#define TUN_N_SERVICES 16 /* different UDP and TCP ports, and GRE, at a time */

enum tun_wild { TUN_ANY_LOCAL = 0x01, TUN_ANY_REMOTE = 0x02, TUN_ANY_KEY = 0x04 };

struct tun_match {
	uint8_t kind;
	uint8_t wild;      /* enum tun_wild: what is open is zero below */
	uint16_t dst_port; /* of UDP or TCP, in host order; GRE: 0 */
	uint16_t index;    /* of the port */
	uint16_t zero;
	rte_be64_t key;
	uint8_t remote[16], local[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* [ctl] -EEXIST (another port has the same match, or another kind the same UDP port or GRE),
 * -ENOSPC, -ENOMEM, with err. */
int tun_port_add(const struct tun_match *match, struct evs_error *err);
void tun_port_del(uint16_t index); /* [ctl] */

/* [worker] The port for a packet whose outer header is tun; PKT_PORT_NONE: nobody's. Packets that
 * differ in nothing but what *open names (enum tun_wild) have the same. */
uint16_t tun_port_lookup(enum tun_kind kind, uint16_t dst_port, const struct pkt_key_tun *tun,
                         uint8_t *open);
/* [ctl] Which options of packets to a port are fields; NULL: none. The map lives on for a grace
 * period after the next call. */
void tun_port_set_options(uint16_t index, const struct tun_option_map *map);
const struct tun_option_map *tun_port_options(uint16_t index); /* [worker] */
/* [worker, ctl] The kind that packets of this protocol and UDP port have; TUN_NONE: no tunnel. */
enum tun_kind tun_service_lookup(uint8_t ip_proto, uint16_t dst_port);
bool tun_service_any(uint8_t ip_proto); /* [worker] some kind of this protocol is in use */

#endif
