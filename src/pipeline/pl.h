/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline: bridges, their ports, MAC tables, OpenFlow tables, and the translation of a packet
 * through them into an action program.
 * Threads: control writes; workers read inside pl_translate, between two quiescent states.
 *
 * Problem. A worker must see one consistent set of rules while control changes them, a change must
 * be visible at once or not at all, and after a barrier no cached flow may tell an older story.
 *
 * Data structure. Rules carry the range of versions in which they exist; tables are hash tables
 * that one writer changes under readers. A worker reads the published version once per packet and
 * sees the rules of that version only. Changes collect in the next version; pl_commit publishes it.
 * After a grace period every newer translation is of the new version; then the control thread kills
 * the cached flows that the collected changes can affect, which an index of its own names
 * (pl_index_pvt.h); then the callbacks of pl_barrier run. Ports and the configuration of bridges
 * are immutable snapshots, published when changed; MAC tables are chained hash tables with one
 * writer. Cached flows that depend on those are killed by the same pass.
 *
 * The pipeline knows ports by number and state only: what a port is, is the business of src/port.
 */
#ifndef PL_H
#define PL_H

#include <rte_ether.h>

#include "base/evs_rcu.h"
#include "flow/flow_cache.h"
#include "tunnel/tunnel.h"

#define PL_MAX_BRIDGES  256
#define PL_MAX_TABLES   254
#define PL_NAME_LEN     64
#define PL_FDB_AGE_S    300
#define PL_FDB_SIZE     8192   /* entries of a MAC table, by default */
#define PL_OFPORT_MAX   0xfeff /* highest number of a port; LOCAL stands above */
#define PL_OFPORT_LOCAL 0xfffffffeu

struct pl_bridge;
struct pl_port;

/* The far end behind a tunnel port with a flood list; all zero elsewhere. */
struct pl_end {
	uint8_t remote[16]; /* IPv4 as ::ffff:a.b.c.d */
	rte_be64_t key;     /* of vni=flow; else 0 */
};

/* What a worker learned: a source address at a port. */
struct pl_learn {
	uint32_t bridge;  /* index */
	uint16_t in_port; /* OpenFlow number in 16 bits: LOCAL is 0xfffe */
	uint16_t vlan;
	uint16_t rx_port; /* index of the port that received, of whatever bridge */
	uint8_t mac[6];
	struct pl_end end;
	uint8_t addr[16]; /* not zero: the station says that it has this IP address (pl_bind.h) */
};

/* The next hop of a tunnel, wanted by a worker. */
struct pl_neigh_want {
	uint32_t bridge;  /* index */
	uint16_t rx_port; /* index of the port whose packet wants it */
	uint8_t addr[16];
};

#define PL_NOTE_LEN 160

struct pl_config {
	/* [ctl] The cache of a worker, NULL where there is none; worker < EVS_MAX_WORKERS. */
	struct flow_cache *(*worker_cache)(unsigned worker);
	/* [worker] Posts a pl_learn towards the control thread; false if the ring is full. */
	bool (*post_learn)(unsigned worker, const struct pl_learn *learn);
	/* [worker] Posts a wanted neighbour likewise. */
	bool (*post_neigh)(unsigned worker, const struct pl_neigh_want *want);
	/* [ctl] What trace tells of a port: how it polices (out false), or shapes packets of a
	 * queue. 0: nothing. NULL: nobody knows. */
	int (*port_note)(uint16_t port, bool out, uint32_t queue, char *text);
	uint32_t flow_idle_ms; /* cached flows unused for so long go; 0: 10,000 */
};

enum pl_fail_mode { PL_FAIL_STANDALONE, PL_FAIL_SECURE };
enum pl_vlan_mode {
	PL_VLAN_TRUNK,
	PL_VLAN_ACCESS,
	PL_VLAN_NATIVE_TAGGED,
	PL_VLAN_NATIVE_UNTAGGED,
	PL_VLAN_DOT1Q_TUNNEL,
};
enum pl_priority_tags { PL_PRIORITY_TAGS_NO, PL_PRIORITY_TAGS_IF_NONZERO, PL_PRIORITY_TAGS_ALWAYS };

struct pl_bridge_config {
	uint64_t dpid;
	struct rte_ether_addr hwaddr;
	enum pl_fail_mode fail_mode;
	uint32_t fdb_age_s; /* 0: PL_FDB_AGE_S */
	uint32_t fdb_size;  /* 0: PL_FDB_SIZE */
	bool suppress;      /* learn bindings, answer questions for stations behind tunnels */
	bool forward_bpdu;  /* forward 01:80:c2:00:00:0x */
	/* A standalone bridge without controller gets a rule that acts as NORMAL, at priority 0 in
	 * table 0, if that is empty when it becomes one. Whoever deletes the rule has none. */
	bool has_controller;
	bool is_alone; /* its controllers are lost: all packets go as NORMAL says (section 6.3.2) */
	bool drop_fragments;           /* as OFPC_FRAG_DROP asks */
	struct tun_option_map options; /* of Geneve that are fields */
};

struct pl_port_config {  /* columns of the Port table of the Open_vSwitch schema */
	uint16_t index;  /* the datapath's number (struct port); PKT_PORT_NONE: a patch port */
	uint32_t ofport; /* 0: the next free number; 1..PL_OFPORT_MAX or PL_OFPORT_LOCAL */
	enum pl_vlan_mode vlan_mode;
	enum pl_priority_tags priority_tags;
	uint16_t tag;         /* 0: none */
	uint8_t trunks[512];  /* bitmap of VLAN ids; all zero or all ones: every VLAN */
	uint8_t cvlans[512];  /* of dot1q-tunnel, likewise */
	rte_be16_t qinq_tpid; /* 0x88a8 or 0x8100; 0: 0x88a8 */
	bool protected_port;
	bool storm_unknown;             /* has a limit for frames to unknown addresses: op STORM */
	const char *patch_peer;         /* name of the peer port, NULL if it is no patch port */
	const struct pl_tunnel *tunnel; /* of a tunnel port; copied by pl_port_add, then constant */
	const struct pl_flood *flood;   /* of a tunnel port to several ends; copied; NULL: none */
};

/* State of a port: bits as in OFPPC_* and PORT_CONFIG_*. */
enum pl_port_flag {
	PL_PORT_DOWN = 0x01,
	PL_PORT_NO_RECV = 0x04,
	PL_PORT_NO_FWD = 0x20,
	PL_PORT_NO_PACKET_IN = 0x40,
};

/* [ctl] */
int pl_init(const struct pl_config *config, struct evs_error *err);
/* [ctl] Workers have ended or translate no more; bridges that are left are destroyed. */
void pl_fini(void);
int pl_bridge_create(const char *name, const struct pl_bridge_config *config,
                     struct pl_bridge **bridgep, struct evs_error *err);
int pl_bridge_set(struct pl_bridge *bridge, const struct pl_bridge_config *config,
                  struct evs_error *err);
void pl_bridge_destroy(struct pl_bridge *bridge); /* ports that are left go with it */
struct pl_bridge *pl_bridge_lookup(const char *name);
struct pl_bridge *pl_bridge_at(uint32_t index); /* NULL: none */
uint32_t pl_bridge_index(const struct pl_bridge *bridge);
const char *pl_bridge_name(const struct pl_bridge *bridge);
const struct pl_bridge_config *pl_bridge_config(const struct pl_bridge *bridge);

/* [ctl] Makes a port part of a bridge. Names are unique in all bridges. A patch port finds its peer
 * by name whenever both exist. -EEXIST, -EINVAL, -ENOSPC, -ENOMEM with err. */
int pl_port_add(struct pl_bridge *bridge, const char *name, const struct pl_port_config *config,
                struct pl_port **pl_portp, struct evs_error *err);
/* [ctl] index and ofport stay as they are (ofport 0 or the same). */
int pl_port_set(struct pl_port *pl_port, const struct pl_port_config *config,
                struct evs_error *err);
void pl_port_del(struct pl_port *pl_port);
/* [ctl] Link or port-mod flags (enum pl_port_flag) changed. Flows that looked at it are killed
 * without waiting for the next commit. A port starts with no flags and link up. */
void pl_port_state(struct pl_port *pl_port, uint32_t flags, bool link_up);
uint32_t pl_port_ofport(const struct pl_port *pl_port);
const char *pl_port_name(const struct pl_port *pl_port);
struct pl_port *pl_port_lookup(const char *name);
struct pl_port *pl_port_by_ofport(const struct pl_bridge *bridge, uint32_t ofport);
struct pl_port *pl_port_by_index(uint16_t index);

/* [worker] The walk of a miss; a pmd_translate_fn. Fills the mask, program and references. */
void pl_translate(unsigned worker, const struct pkt_burst *burst, unsigned i,
                  struct flow_xlate *xlate);

/* [worker, ctl] Counts one packet that was handled by a translation without a cached flow, for the
 * rules, tables and groups that it met; before the next quiescent state. */
void pl_credit_packet(const struct flow_xlate *xlate, uint32_t size);

/* [ctl] Publishes all rule changes since the last commit as one version and has the affected cached
 * flows killed; returns at once. */
void pl_commit(void);
/* [ctl] Calls done(arg) when no packet received from then on meets a rule, port or MAC entry older
 * than the last commit. Callbacks run in order. Driven by evs_rcu_poll. */
void pl_barrier(void (*done)(void *arg), void *arg);
/* [ctl] Timer work, bounded per call: expiry of rules, MACs and cached flows; statistics. Call it
 * every 100 ms or so. Returns how many cached flows wait for being freed. */
uint32_t pl_tick(void);
/* [ctl] Brings the statistics of rules, groups and meters up to now. */
void pl_stats_sync(void);
/* The same, some flows at a time; start with a zeroed cursor; false: that was the end. */
struct pl_sync_cursor {
	uint32_t worker, slot;
};
bool pl_stats_sync_some(struct pl_sync_cursor *cursor);
/* [ctl] Kills every cached flow (of one worker, or of all: worker < 0). */
void pl_cache_flush(int worker);
/* [ctl] What a flow cache calls for each new flow (flow_cache_config.born), with the worker's
 * number as arg. */
void pl_flow_born(struct flow *flow, void *worker);
/* [ctl] What flow_cache_reap calls for each flow that left the cache of a worker, with the worker's
 * number as arg: takes its last statistics. For a worker that ended: pl_cache_flush before. */
void pl_flow_left(struct flow *flow, void *worker);

/* MAC tables. [ctl] */
void pl_fdb_learn(const struct pl_learn *learn);

struct pl_fdb_entry {
	struct rte_ether_addr mac;
	uint16_t vlan;
	bool is_static;
	uint32_t age_s;
	struct pl_port *pl_port;
	struct pl_end end;
};
struct pl_fdb_stats {
	uint32_t n_entries, size;
	uint64_t learned, moved, expired, evicted, held; /* held: moves refused as too frequent */
};
void pl_fdb_walk(const struct pl_bridge *bridge,
                 void (*visit)(const struct pl_fdb_entry *entry, void *arg), void *arg);
/* Of entry: mac, vlan, pl_port, end. -EINVAL, -ENOSPC, -ENOMEM with err. */
int pl_fdb_add_static(struct pl_bridge *bridge, const struct pl_fdb_entry *entry,
                      struct evs_error *err);
int pl_fdb_del(struct pl_bridge *bridge, const struct rte_ether_addr *mac, uint16_t vlan,
               struct evs_error *err);
/* Dynamic entries of a port, or all; static ones stay. */
void pl_fdb_flush(struct pl_bridge *bridge, struct pl_port *only);
void pl_fdb_stats_get(const struct pl_bridge *bridge, struct pl_fdb_stats *stats);

#endif
