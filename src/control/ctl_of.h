/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenFlow sessions: the door for the rest of the control room.
 * Threads: control.
 *
 * Problem. Controllers send thousands of messages ahead, read slowly, vanish in the middle of one;
 * none may delay another, and none may make the switch's memory grow.
 *
 * Structure. Each bridge has a listener (BRIDGE.mgmt), a snoop listener (BRIDGE.snoop), and
 * controllers. A connection is a session: bytes in, messages one by one in order, bytes out. A
 * session takes turns: some messages, then others have theirs. Rule changes of a turn are
 * published together. What takes long (a barrier, the statistics of many rules) stops the session's
 * reading, not the loop.
 *
 * Bounds, each session: unread input 256 KB, output 1 MB before it is read no more; then only what
 * the switch itself tells (packet-in: dropped and counted; others: up to 4 MB, then the session is
 * closed).
 */
#ifndef CTL_OF_H
#define CTL_OF_H

#include "openflow/of_proto.h"
#include "pmd/pmd.h"

struct ctl_bridge;
struct ctl_port;
struct ctl_of_bridge;
struct ctl_of_controller;

/* Opens the sockets of a bridge and closes them. bridge->of is set by add. */
int ctl_of_bridge_add(struct ctl_bridge *bridge, struct evs_error *err);
void ctl_of_bridge_del(struct ctl_bridge *bridge);

/* "tcp:IP[:PORT]", "ssl:IP[:PORT]", "unix:PATH", "ptcp:[PORT][:IP]", "pssl:[PORT][:IP]",
 * "punix:PATH"; IPv6 in brackets. */
struct ctl_of_controller_config {
	const char *target;
	uint32_t rate_limit;    /* packet-ins per second; 0: none */
	uint32_t burst_limit;   /* 0: as many as rate_limit */
	uint32_t probe_s;       /* silence before an echo; 0: 5 */
	uint32_t max_backoff_s; /* 0: 8 */
};
int ctl_of_controller_add(struct ctl_bridge *bridge, const struct ctl_of_controller_config *config,
                          struct evs_error *err);
int ctl_of_controller_del(struct ctl_bridge *bridge, const char *target, struct evs_error *err);

/* A bridge whose fail-mode was set to standalone handles packets as NORMAL says while it has
 * controllers but no session with any (section 6.3.2): to be called when that may have changed. */
void ctl_of_fail_check(struct ctl_bridge *bridge);

const char *ctl_of_tls_user(void); /* the target of one over TLS, NULL: there is none */

struct ctl_of_controller_info {
	const char *target;
	const char *role; /* "master", "slave", "equal"; of the newest session */
	unsigned n_sessions;
	bool connected;
	uint64_t packet_ins, packet_ins_limited, packet_ins_dropped;
	const char *last_error;
};
void ctl_of_controllers_walk(struct ctl_bridge *bridge,
                             void (*visit)(const struct ctl_of_controller_info *info, void *arg),
                             void *arg);

/* A packet for the controllers; frees the mbuf. */
void ctl_of_packet_in(const struct pmd_punt *punt);
void ctl_of_port_status(const struct ctl_port *port, enum of_port_reason reason);

#endif
