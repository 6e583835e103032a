/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the pipeline: bridges, ports, snapshots, MAC tables, changes and the walk over the caches.
 * Threads: as said at each field. Owner: the control thread; memory that workers may see is freed
 * after a grace period.
 */
#ifndef PL_PVT_H
#define PL_PVT_H

#include <string.h>
#include <sys/queue.h>

#include "pipeline/pl_bind.h"

struct pl_tables; /* OpenFlow tables, groups and meters of a bridge: pl_of_pvt.h */

/* What changed about an object, as an index of its change_seq[]. */
enum pl_change {
	PL_CHANGE_STATE, /* port: flags or link; bridge: which ports there are */
	PL_CHANGE_ALL,
	PL_N_CHANGES,
};

/* flow_ref.flags */
enum pl_ref_flag {
	PL_REF_FLOOD = 0x01, /* FDB, BRIDGE: depends on the set of ports too */
	PL_REF_STATE = 0x02, /* PORT: depends on flags and link too */
	PL_REF_FIRST = 0x08, /* GROUP: counts for the group, not for the bucket alone */
	PL_REF_ANY = 0x04,   /* BRIDGE: depends on more than can be named: any change ends it */
};

/* An immutable bitmap of VLAN ids, shared by snapshots. */
struct pl_vlan_set {
	uint64_t word[64];
};

/* A port as workers see it: immutable, part of a snapshot. */
struct pl_view {
	struct pl_port *port;
	uint32_t ofport;
	uint16_t index;
	uint16_t tag;
	uint8_t vlan_mode, priority_tags;
	bool is_protected, storm_unknown, link_up;
	rte_be16_t qinq_tpid;
	uint32_t flags;
	struct pl_bridge *peer; /* patch: the bridge of the peer, or NULL */
	uint32_t peer_ofport;
	const struct pl_tunnel *tunnel;   /* NULL: no tunnel port */
	const struct pl_flood *flood;     /* NULL: none */
	const struct pl_vlan_set *trunks; /* NULL: all */
	const struct pl_vlan_set *cvlans;
};

struct pl_snap {
	struct pl_bridge *bridge;
	struct pl_bridge_config config;
	uint32_t n_ports;
	struct pl_view ports[]; /* by rising ofport, so LOCAL is the last */
};

struct pl_mac {
	struct pl_mac *next;  /* chain of the bucket [ctl w, worker r] */
	uint64_t id;          /* VLAN << 48 | MAC */
	struct pl_port *port; /* where it is: constant; who moves has a new entry */
	struct pl_end end;    /* likewise */
	uint32_t posted_ms;   /* last pl_learn about it [workers w, relaxed] */
	uint32_t used_ms;     /* [ctl w, worker r] */
	bool is_static;       /* [ctl w, worker r] */
	/* control only */
	uint32_t move_ms; /* start of the second in which moves are counted */
	uint32_t n_moves;
	TAILQ_ENTRY(pl_mac) lru; /* of the port, oldest first; static ones are not on it */
};
TAILQ_HEAD(pl_mac_list, pl_mac);

struct pl_fdb {
	struct pl_mac **buckets; /* [ctl w, worker r] */
	uint32_t mask;
	struct pl_fdb_stats stats; /* [ctl] */
};

struct pl_bind;
TAILQ_HEAD(pl_bind_list, pl_bind);

struct pl_binds {
	struct pl_bind **buckets;   /* [ctl w, worker r] */
	struct pl_bind_stats stats; /* [ctl] */
};

struct pl_port {
	/* [worker r], constant */
	struct pl_bridge *bridge;
	uint32_t ofport;
	uint16_t index;
	struct pl_tunnel *tunnel; /* NULL: none */
	/* control only */
	char name[PL_NAME_LEN];
	char peer_name[PL_NAME_LEN]; /* "" : no patch port */
	struct pl_port_config config;
	struct pl_vlan_set *trunks, *cvlans; /* what snapshots point to */
	struct pl_flood *flood;              /* likewise */
	uint32_t flags;
	bool link_up;
	uint64_t change_seq[PL_N_CHANGES];
	struct pl_mac_list macs;
	uint32_t n_macs, n_static;
	struct pl_bind_list binds;
	uint32_t n_binds;
	TAILQ_ENTRY(pl_port) link; /* of the bridge, by rising ofport */
};
TAILQ_HEAD(pl_port_list, pl_port);

struct pl_bridge {
	struct pl_snap *snap;     /* [ctl w, worker r; acquire] */
	struct pl_tables *tables; /* constant */
	struct pl_fdb fdb;
	struct pl_binds binds;
	uint32_t index;
	/* control only */
	char name[PL_NAME_LEN];
	struct pl_bridge_config config;
	struct pl_port_list ports;
	uint32_t n_ports;
	uint64_t change_seq[PL_N_CHANGES];
};

struct pl_globals {
	struct pl_config config;
	struct pl_bridge *bridges[PL_MAX_BRIDGES];
};
extern struct pl_globals pl_globals;
extern struct pl_port *pl_port_map[PKT_PORT_MAX + 1]; /* [ctl w, worker r; acquire] */
extern uint64_t pl_version;                           /* published [ctl w, worker r; acquire] */

/* Snapshots [worker, ctl] */
const struct pl_view *pl_snap_port(const struct pl_snap *snap, uint32_t ofport);
EVS_INLINE const struct pl_snap *pl_snap_get(const struct pl_bridge *bridge)
{
	return evs_load_acquire(&bridge->snap);
}
EVS_INLINE bool pl_vlan_set_has(const struct pl_vlan_set *set, uint16_t vid)
{
	return !set || (set->word[vid >> 6] >> (vid & 63) & 1);
}

/* MAC tables */
EVS_INLINE bool pl_mac_is_at(const struct pl_mac *mac, const struct pl_port *port,
                             const struct pl_end *end)
{
	return mac->port == port && !memcmp(&mac->end, end, sizeof(*end));
}
EVS_INLINE uint64_t pl_mac_id(const uint8_t mac[6], uint16_t vlan)
{
	uint64_t id = vlan;
	for (unsigned i = 0; i < 6; i++)
		id = id << 8 | mac[i];
	return id;
}
int pl_fdb_init(struct pl_fdb *fdb, uint32_t size, struct evs_error *err);
int pl_fdb_resize(struct pl_bridge *bridge, uint32_t size, struct evs_error *err);
void pl_fdb_fini(struct pl_bridge *bridge);
void pl_fdb_forget_port(struct pl_port *port);                       /* static ones too */
struct pl_mac *pl_fdb_lookup(const struct pl_fdb *fdb, uint64_t id); /* [worker, ctl] */
void pl_fdb_used(struct pl_bridge *bridge, uint64_t id, uint16_t in_port, uint32_t used_ms);
void pl_fdb_expire(struct pl_bridge *bridge, uint32_t now_ms);

/*
 * Changes [ctl]. What was published already (ports, bridges, MACs) is announced by
 * pl_change_*; the walk that follows the next grace period kills the flows that depend on it.
 */
enum pl_fdb_change { PL_FDB_CHANGE_DST = 1, PL_FDB_CHANGE_SRC = 2 };
uint64_t pl_change_seq(void); /* of the walk that will handle changes announced now */
void pl_change_port(struct pl_port *port, enum pl_change what);
void pl_change_bridge(struct pl_bridge *bridge, enum pl_change what);
void pl_change_rules(void);           /* they wait for the pass pl_change_seq() */
void pl_change_neigh(void *cell);     /* the object of FLOW_REF_NEIGH */
void pl_change_index(uint16_t index); /* flows of packets that came in there */
/* kinds: enum pl_fdb_change. SRC spares flows of packets that came in by `keep_index`. */
void pl_change_fdb(struct pl_bridge *bridge, uint64_t id, unsigned kinds, uint16_t keep_index);
void pl_change_all(void);
/* Calls fn(arg) after the walk that handles what has been announced so far, when the flows that it
 * killed are gone: nothing refers to arg any more. */
void pl_change_call(void (*fn)(void *arg), void *arg);

/* pl_change_rules and pl_change_call in one. */
void pl_change_batch(void (*fn)(void *arg), void *arg);

/* Kills a live flow; every kill goes through here. */
void pl_flow_kill(unsigned worker, struct flow_cache *cache, struct flow *flow);
/* Credits what the flow counted since the last time to what it refers to. */
void pl_flow_credit(struct flow *flow);
void pl_collect(void);                    /* makes newborn flows known to the index */
void pl_sweep(uint32_t now_ms, bool all); /* credits, refreshes, expires */
uint32_t pl_reap(void);
void pl_inval_init(void);
void pl_inval_fini(void);

#endif
