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
 * that one writer changes under readers. A worker reads the published version once per burst and
 * sees the rules of that version only. Changes collect in the next version; pl_commit publishes it.
 * After a grace period every newer translation is of the new version; then the control thread walks
 * the cached flows once and kills those that the collected changes can affect; then the callbacks
 * of pl_barrier run.
 */
#ifndef PL_H
#define PL_H

#include "flow/flow_cache.h"
#include "port/port.h"

#define PL_MAX_BRIDGES 256
#define PL_MAX_TABLES  254
#define PL_FDB_AGE_S   300
#define PL_FDB_SIZE    8192 /* entries of a MAC table, by default */

struct pl_bridge;
struct pl_port;

enum pl_fail_mode { PL_FAIL_STANDALONE, PL_FAIL_SECURE };
enum pl_vlan_mode {
	PL_VLAN_TRUNK,
	PL_VLAN_ACCESS,
	PL_VLAN_NATIVE_TAGGED,
	PL_VLAN_NATIVE_UNTAGGED,
	PL_VLAN_DOT1Q_TUNNEL,
};

struct pl_bridge_config {
	uint64_t dpid;
	struct rte_ether_addr hwaddr;
	enum pl_fail_mode fail_mode;
	uint32_t fdb_age_s;
	uint32_t fdb_size;
	bool forward_bpdu;   /* forward 01:80:c2:00:00:0x */
	bool has_controller; /* with fail_mode secure or a controller, table 0 starts empty */
};

struct pl_port_config {  /* columns of the Port table of the Open_vSwitch schema */
	uint32_t ofport; /* 0: the next free number */
	enum pl_vlan_mode vlan_mode;
	uint16_t tag;         /* 0: none */
	uint8_t trunks[512];  /* bitmap of VLAN ids; all ones: every VLAN */
	uint8_t cvlans[512];  /* of dot1q-tunnel */
	rte_be16_t qinq_tpid; /* 0x88a8 or 0x8100 */
	bool protected_port;
	const char *patch_peer; /* name of the peer port, NULL if it is no patch port */
};

/* [ctl] */
int pl_init(struct evs_error *err);
void pl_fini(void);
int pl_bridge_create(const char *name, const struct pl_bridge_config *config,
                     struct pl_bridge **bridgep, struct evs_error *err);
int pl_bridge_set(struct pl_bridge *bridge, const struct pl_bridge_config *config,
                  struct evs_error *err);
void pl_bridge_destroy(struct pl_bridge *bridge); /* all ports are gone */
struct pl_bridge *pl_bridge_lookup(const char *name);
uint32_t pl_bridge_index(const struct pl_bridge *bridge);

/* [ctl] Makes a port part of a bridge. port may be NULL for a patch port. */
int pl_port_add(struct pl_bridge *bridge, const char *name, struct port *port,
                const struct pl_port_config *config, struct pl_port **pl_portp,
                struct evs_error *err);
int pl_port_set(struct pl_port *pl_port, const struct pl_port_config *config,
                struct evs_error *err);
void pl_port_del(struct pl_port *pl_port);
void pl_port_link_changed(struct pl_port *pl_port); /* link or port-mod flags */
uint32_t pl_port_ofport(const struct pl_port *pl_port);

/* [worker] The walk of a miss; a pmd_translate_fn. */
void pl_translate(unsigned worker, const struct pkt_burst *burst, unsigned i,
                  struct flow_xlate *xlate);

/* [ctl] Publishes all changes since the last commit as one version and has the affected cached
 * flows killed; returns at once. */
void pl_commit(void);
/* [ctl] Calls done(arg) when no packet received from then on meets a rule older than the last
 * commit. Callbacks run in order. */
void pl_barrier(void (*done)(void *arg), void *arg);
/* [ctl] Timer work, bounded per call: expiry of rules, MACs and cached flows; statistics. */
void pl_tick(void);
/* [ctl] Brings the statistics of rules, groups and meters up to now. */
void pl_stats_sync(void);

/* [ctl] What a worker learned: a source address at a port. */
struct pl_learn {
	uint32_t bridge;
	uint16_t in_port;
	uint16_t vlan;
	uint8_t mac[6];
};
void pl_fdb_learn(const struct pl_learn *learn);
/* [worker] Set by evsd: posts a pl_learn towards the control thread; false if the ring is full. */
extern bool (*pl_post_learn)(unsigned worker, const struct pl_learn *learn);

struct pl_fdb_entry {
	struct rte_ether_addr mac;
	uint16_t vlan;
	bool is_static;
	uint32_t age_s;
	struct pl_port *pl_port;
};
void pl_fdb_walk(const struct pl_bridge *bridge,
                 void (*visit)(const struct pl_fdb_entry *entry, void *arg), void *arg);
int pl_fdb_add_static(struct pl_bridge *bridge, const struct rte_ether_addr *mac, uint16_t vlan,
                      struct pl_port *pl_port, struct evs_error *err);
int pl_fdb_del(struct pl_bridge *bridge, const struct rte_ether_addr *mac, uint16_t vlan,
               struct evs_error *err);
void pl_fdb_flush(struct pl_bridge *bridge, struct pl_port *only); /* only: NULL for all */

#endif
