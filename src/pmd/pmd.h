/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Poll-mode workers: the door for the control thread.
 * Threads: control calls; workers run. Nothing here blocks on a worker; what must wait for one
 * takes a callback that the control thread runs later (evs_rcu_poll).
 *
 * A worker is a pthread pinned to a CPU and registered with EAL (rte_thread_register). It polls the
 * receive queues that its current poll list names. A list is a snapshot: control makes a new one
 * and swaps the pointer. A queue moves from worker A to B in two steps: A's list loses it, A
 * flushes its output and passes a quiescent state, then B's list gains it. So no packet of a flow
 * overtakes another.
 */
#ifndef PMD_H
#define PMD_H

#include "flow/flow_cache.h"
#include "port/port.h"

struct pmd_worker;

/* The walk of a miss: fills xlate for the key of packet i. [worker] Set once by evsd. */
typedef void pmd_translate_fn(unsigned worker, const struct pkt_burst *burst, unsigned i,
                              struct flow_xlate *xlate);

struct pmd_config {
	pmd_translate_fn *translate;
	struct flow_cache_config cache; /* of each worker */
	enum pkt_isa isa;
	uint32_t flush_us;        /* longest time that a packet waits in an output batch */
	uint32_t miss_budget_pps; /* new flows per second and port; 0: no limit */
	bool adaptive_sleep;
	bool drop_fragments;
};

int pmd_init(const struct pmd_config *config, struct evs_error *err); /* [ctl] */
void pmd_fini(void); /* [ctl] stops all workers; bounded, under 1 s */

/* [ctl] Starts a worker on a CPU, or ends it after its queues moved to the others. */
int pmd_worker_add(unsigned cpu, struct evs_error *err);
int pmd_worker_del(unsigned cpu, struct evs_error *err);
unsigned pmd_n_workers(void);

/* [ctl] Gives the port's queues to workers; it receives and is sent to from now on. */
int pmd_port_attach(struct port *port, struct evs_error *err);
/* [ctl] Takes it from all workers and calls done(port) when nobody touches it any more. */
void pmd_port_detach(struct port *port, void (*done)(struct port *port, void *arg), void *arg);
/* [ctl] Number of queues changed (vhost-user): redistribute. */
int pmd_port_queues_changed(struct port *port, struct evs_error *err);
/* [ctl] Moves one receive queue; or distributes all by measured load. */
int pmd_queue_move(struct port *port, uint16_t queue, unsigned cpu, struct evs_error *err);
int pmd_rebalance(struct evs_error *err);

/* What a worker hands to the control thread (packet-in, MAC learning, ARP, …). */
enum pmd_punt_kind { PMD_PUNT_CONTROLLER, PMD_PUNT_LEARN, PMD_PUNT_TUNNEL };
struct pmd_punt {
	uint8_t kind;
	uint8_t zero[3];
	uint16_t in_port;
	uint16_t vlan;   /* LEARN: VLAN id */
	uint32_t bridge; /* LEARN: bridge index */
	uint8_t mac[6];  /* LEARN */
	uint8_t zero2[2];
	struct rte_mbuf *mbuf; /* CONTROLLER: the packet; the consumer frees it */
	struct flow_op_controller controller;
	struct pkt_key_tun tun; /* CONTROLLER: valid if in_port is a tunnel */
};
/* [worker] false: ring full (the caller counts). Wakes the control thread. */
bool pmd_punt(unsigned worker, const struct pmd_punt *punt);
int pmd_punt_fd(void); /* [ctl] eventfd that becomes readable */
/* [ctl] Up to max records; returns how many. */
unsigned pmd_punt_drain(void (*take)(const struct pmd_punt *punt, void *arg), void *arg,
                        unsigned max);

/* [ctl] Runs a program on a packet on some worker (packet-out; one bridge keeps its order). The
 * mbuf is the worker's afterwards. in_port may be PKT_PORT_NONE. -ENOBUFS if its ring is full. */
int pmd_inject(struct rte_mbuf *mbuf, uint16_t in_port, const struct flow_prog_builder *prog);

/* Figures of a worker. */
struct pmd_worker_stats {
	unsigned cpu;
	int numa_node;
	uint64_t loops, busy_tsc, idle_tsc, bursts, pkts;
	uint64_t stage_tsc[8]; /* see pmd_stage_names */
	uint64_t translations, translate_tsc;
	struct flow_cache_stats cache;
	unsigned n_queues;
};
extern const char *const pmd_stage_names[8];
/* [ctl] For each worker; queues by a second walk. */
void pmd_workers_walk(void (*visit)(unsigned worker, const struct pmd_worker_stats *stats,
                                    void *arg),
                      void *arg);
void pmd_queues_walk(void (*visit)(struct port *port, uint16_t queue, unsigned cpu, uint64_t pkts,
                                   double load, void *arg),
                     void *arg);
/* [ctl] The caches, for invalidation, expiry, statistics, dump. */
struct flow_cache *pmd_worker_cache(unsigned worker); /* NULL: no such worker */

#endif
