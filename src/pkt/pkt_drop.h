/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drop reasons: one list for the enum, the names users see, and the help.
 * Threads: any.
 *
 * Every packet that a worker received is sent, held in a shaper, handed to the control
 * thread, or counted under exactly one of these, per port and worker. The port is
 * the one it came from, or, for reasons of the sending side, the one it should have left by.
 */
#ifndef PKT_DROP_H
#define PKT_DROP_H

#include "base/evs_base.h"

/* X(ENUM, "name", "help") */
#define PKT_DROPS(X)                                                                               \
	X(NONE, "none", "not dropped")                                                             \
	X(RX_TRUNCATED, "rx-truncated", "shorter than an Ethernet header")                         \
	X(RX_PORT_DOWN, "rx-port-down", "the receiving port is configured down or no-recv")        \
	X(RX_FRAGMENT, "rx-fragment", "IP fragment while the switch drops fragments")              \
	X(RX_STP, "rx-reserved-mac", "reserved multicast address (802.1D) that is not forwarded")  \
	X(MISS_BUDGET, "miss-budget", "the port sent new flows faster than its budget allows")     \
	X(NO_BRIDGE, "no-bridge", "the port belongs to no bridge any more")                        \
	X(RULE, "rule", "a rule says drop: no action, or an empty action set")                     \
	X(TABLE_MISS, "table-miss", "no rule matched and the table has no table-miss rule")        \
	X(VLAN, "vlan", "the port does not carry the packet's VLAN")                               \
	X(PROTECTED, "protected", "both ports are protected")                                      \
	X(SAME_PORT, "same-port", "the destination is the port it came from")                      \
	X(NO_OUTPUT, "no-output", "flooding or a group found no port to send to")                  \
	X(RECURSION, "recursion", "too many tables, groups, patch ports or recirculations")        \
	X(METER, "meter", "a meter's drop band")                                                   \
	X(INVALID_TTL, "invalid-ttl", "TTL or hop limit would reach zero")                         \
	X(BAD_ACTION, "bad-action", "an action does not apply to this packet")                     \
	X(POLICER, "policer", "ingress policing")                                                  \
	X(STORM, "storm-control", "broadcast, multicast or unknown unicast above its limit")       \
	X(PUNT_FULL, "punt-full", "the ring towards the control thread is full")                   \
	X(PUNT_LIMIT, "punt-limit", "packet-in above the controller's rate limit")                 \
	X(TX_PORT_DOWN, "tx-port-down", "the sending port is configured down, no-fwd, or gone")    \
	X(TX_MTU, "tx-mtu", "longer than the sending port's MTU and not to be segmented")          \
	X(TX_RING_FULL, "tx-ring-full", "the driver's transmit queue is full")                     \
	X(GUEST_RING_FULL, "guest-ring-full", "the guest does not empty its receive ring")         \
	X(GUEST_NOT_READY, "guest-not-ready", "no guest is connected, or its driver is not ready") \
	X(GUEST_BAD_OFFLOAD, "guest-bad-offload", "offload fields that contradict the packet")     \
	X(GUEST_BAD_BUFFER, "guest-bad-buffer", "a chain of descriptors that lies")                \
	X(NO_MBUF, "no-mbuf", "the packet buffer pool is empty")                                   \
	X(SEGMENT, "segment", "software segmentation or checksum failed")                          \
	X(TUN_NO_ROUTE, "tunnel-no-route", "no route to the remote endpoint")                      \
	X(TUN_NO_NEIGH, "tunnel-no-neighbour", "the next hop does not answer")                     \
	X(TUN_BAD_HEADER, "tunnel-bad-header", "malformed outer header")                           \
	X(TUN_UNKNOWN_KEY, "tunnel-unknown-key", "no port for this VNI or key")                    \
	X(FRAG_TIMEOUT, "fragment-timeout",                                                        \
	  "the rest of an outer packet or STT frame did not come in time")                         \
	X(FRAG_REFUSED, "fragment-refused",                                                        \
	  "no room for fragments of outer packets or segments of STT, or they overlap")            \
	X(QUEUE_FULL, "queue-full", "the egress queue is full")                                    \
	X(QUEUE_AQM, "queue-aqm", "dropped early by WRED or CoDel")                                \
	X(CT, "conntrack", "connection tracking refused the packet")                               \
	X(SHUTDOWN, "shutdown", "in flight while a port or the switch stopped")

enum pkt_drop {
#define X(id, name, help) PKT_DROP_##id,
	PKT_DROPS(X)
#undef X
	        PKT_N_DROPS
};

const char *pkt_drop_name(enum pkt_drop reason);
const char *pkt_drop_help(enum pkt_drop reason);

#endif
