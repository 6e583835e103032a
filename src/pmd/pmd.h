/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Poll-mode workers: the door for the control thread.
 * Threads: control calls; workers run. Nothing here blocks on a worker; what must wait for one
 * goes on in callbacks that the control thread runs later (evs_rcu_poll).
 *
 * Problem. A packet must pass receive, parse, look-up, actions and transmit in a few dozen cycles,
 * while the control thread adds and takes ports, workers and queues, and not one packet is lost
 * without a name or overtakes another of its flow.
 *
 * Data structure. A worker is a pthread pinned to a CPU and registered with EAL; one struct on its
 * NUMA node holds all that it touches: caches, burst, output buffers, rings. It polls the receive
 * queues that its current poll list names. A list is a snapshot: control makes a new one and swaps
 * the pointer. Towards each port a worker has an output buffer of one burst, which is sent when
 * it is full and in any case before the loop ends.
 *
 * Invariants
 *  - Between two loops (the quiescent state) a worker holds no packet, so a queue that leaves
 *    worker A's list may enter B's after a grace period and no packet overtakes another.
 *  - A port leaves in two steps: poll lists lose its queues; after a grace period the workers lose
 *    their output buffers towards it; after another one nobody touches it.
 *  - rx + injected + copies = tx + dropped + punted + held (struct pmd_account), for each worker,
 * whenever it is quiescent.
 *
 * Cost. Per burst: one indirect call each to receive and send, two time stamps. Per packet: no
 * atomic, no indirect call, no store to a line that another worker reads.
 */
#ifndef PMD_H
#define PMD_H

#include "flow/flow_cache.h"
#include "port/port.h"

struct pmd_worker;

/* The walk of a miss: fills xlate for the key of packet i. [worker] Set once by evsd. */
typedef void pmd_translate_fn(unsigned worker, const struct pkt_burst *burst, unsigned i,
                              struct flow_xlate *xlate);

/* A packet of `size` bytes met what xlate refers to and left no cached flow to count it. [worker]
 */
typedef void pmd_uncached_fn(const struct flow_xlate *xlate, uint32_t size);

struct pmd_config {
	pmd_translate_fn *translate;
	pmd_uncached_fn *uncached; /* NULL: nobody counts */
	/* [ctl] When a worker ended: kills all flows of its cache. NULL: pmd does. */
	void (*kill_flows)(unsigned worker);
	/* [ctl] Then for each with its last figures, before it is freed, as in flow_cache_reap; arg
	 * is the worker's number. NULL: none. */
	void (*credit)(struct flow *flow, void *arg);
	struct flow_cache_config cache; /* of each worker; numa_node and isa are filled in */
	enum pkt_isa isa;
	/* These may change later: pmd_configure. */
	uint32_t flush_us;        /* longest time that a packet waits in an output buffer */
	uint32_t miss_budget_pps; /* new flows per second, worker and port; 0: no limit */
	bool adaptive_sleep;      /* see pmd_sleep_wise */
	bool drop_fragments;
};

int pmd_init(const struct pmd_config *config, struct evs_error *err); /* [ctl] */
void pmd_configure(const struct pmd_config *config);                  /* [ctl] under traffic */
const struct pmd_config *pmd_configured(void);                        /* [ctl] as it is now */
/* [ctl] Stops all workers, credits their flows, runs what waits for them; bounded, under 1 s.
 * Ports that are still attached are as if detached. */
void pmd_fini(void);
/* [ctl] Should idle workers sleep by default? Yes, unless the CPU was isolated for polling. */
bool pmd_sleep_wise(unsigned cpu);

/* [ctl] Starts a worker on a CPU, or ends it after its queues moved to the others. The last one
 * may go too: then nothing is polled. -EEXIST, -ENOENT, -EINVAL, -EBUSY (still ending), … */
int pmd_worker_add(unsigned cpu, struct evs_error *err);
int pmd_worker_del(unsigned cpu, struct evs_error *err);
bool pmd_worker_is_ending(unsigned cpu); /* it was deleted, and is not gone yet */
unsigned pmd_n_workers(void);

/* [ctl] Gives the port's queues to workers; it receives and is sent to from now on. */
int pmd_port_attach(struct port *port, struct evs_error *err);
/* [ctl] Takes it from all workers and calls done(port) when nobody touches it any more; at once for
 * a port that is not attached. */
void pmd_port_detach(struct port *port, void (*done)(struct port *port, void *arg), void *arg);
/* [ctl] Number of queues, or NUMA node, changed (vhost-user): redistribute. */
int pmd_port_queues_changed(struct port *port, struct evs_error *err);
/* [ctl] Moves one receive queue; or distributes all by measured load (they move only if the
 * busiest worker gains by it). */
int pmd_queue_move(struct port *port, uint16_t queue, unsigned cpu, struct evs_error *err);
int pmd_rebalance(struct evs_error *err);
/* [ctl] The same, but only if some worker is busy for more than this share of its time (0 to 1). */
void pmd_rebalance_above(double load);

/* What a worker hands to the control thread (packet-in, MAC learning, ARP, …). */
enum pmd_punt_kind { PMD_PUNT_CONTROLLER, PMD_PUNT_LEARN, PMD_PUNT_TUNNEL };
struct pmd_punt {
	uint8_t kind;
	uint8_t zero[3];
	uint16_t in_port;      /* index of the port that received; 0: none */
	uint16_t vlan;         /* LEARN: VLAN id */
	uint32_t bridge;       /* LEARN, TUNNEL: bridge index */
	uint8_t mac[6];        /* LEARN */
	uint16_t ofport;       /* LEARN: OpenFlow number in 16 bits */
	uint32_t total_len;    /* CONTROLLER: of the packet, which mbuf may hold only in part */
	struct rte_mbuf *mbuf; /* CONTROLLER: the packet; the consumer frees it */
	struct flow_op_controller controller;
	struct pkt_key_tun tun; /* CONTROLLER: valid if in_port is a tunnel, else zero; TUNNEL: dst
	                         * is a neighbour that is wanted; LEARN: src and id are the end, dst
	                         * an IP address */
	struct pkt_key_tmd tmd; /* CONTROLLER, of a packet that waits: its tunnel metadata */
};
/* [worker] A ring for each worker. false: it is full, or in_port has its share of it (the caller
 * counts and keeps the mbuf). Wakes the control thread if it sleeps. */
bool pmd_punt(unsigned worker, const struct pmd_punt *punt);
int pmd_punt_fd(void); /* [ctl] eventfd that becomes readable */
/* [ctl] To be called when the eventfd is readable: up to max records; returns how many. If some may
 * be left, the eventfd stays readable. */
unsigned pmd_punt_drain(void (*take)(const struct pmd_punt *punt, void *arg), void *arg,
                        unsigned max);

/* [ctl] Runs a program on a packet on some worker (packet-out; order is kept). The
 * mbuf is the worker's afterwards. in_port may be PKT_PORT_NONE. -ENOBUFS: its ring is full,
 * -ENOENT: no worker; then the mbuf stays the caller's. */
int pmd_inject(struct rte_mbuf *mbuf, uint16_t in_port, const struct flow_prog_builder *prog);

/*
 * Every packet, exactly once. A packet comes by reception or injection; a copy comes into being
 * where a program gives a packet to one more receiver (flooding, clone, controller), or where
 * segmentation makes several of one. Each ends as sent, dropped (by reason, at a port), or
 * punted, or is held in a shaper (pmd_shape.h): held is the difference of what the worker put in
 * and took out, so it may be negative, and only the sum over workers has a meaning. A program that
 * gave its packet away and ends without a last receiver takes back one copy.
 */
struct pmd_account { /* [worker w, ctl r] */
	uint64_t rx, injected, copies;
	uint64_t tx, dropped, punted, held;
};

/* Figures of a worker. */
#define PMD_N_STAGES 10
struct pmd_worker_stats {
	unsigned cpu;
	int numa_node;
	uint64_t loops, busy_tsc, idle_tsc, bursts, pkts;
	uint64_t longest_tsc; /* loop of the last one to two seconds: so late was a poll */
	/* Of sampled bursts with stage_pkts packets together; see pmd_stage_names. */
	uint64_t stage_tsc[PMD_N_STAGES], stage_pkts;
	uint64_t translations, translate_tsc;
	uint64_t sleeps;
	struct pmd_account account;
	struct flow_cache_stats cache;
	unsigned n_queues;
};
extern const char *const pmd_stage_names[PMD_N_STAGES];
/* [ctl] For each worker; queues by a second walk. */
void pmd_workers_walk(void (*visit)(unsigned worker, const struct pmd_worker_stats *stats,
                                    void *arg),
                      void *arg);
struct pmd_queue_stats {
	struct port *port;
	uint16_t queue;
	unsigned cpu; /* of its worker; UINT32_MAX: none */
	uint64_t pkts;
	double load; /* share of a CPU, 0 to 1, since the last measurement (0.1 s at least) */
};
void pmd_queues_walk(void (*visit)(const struct pmd_queue_stats *queue, void *arg),
                     void *arg); /* [ctl] */
/* [ctl] Drops that belong to no port any more: it was deleted before the packet came to it. */
void pmd_drops_sum(struct port_counters *sum);
/* [ctl] The caches, for invalidation, expiry, statistics, dump. */
struct flow_cache *pmd_worker_cache(unsigned worker); /* NULL: no such worker */

#endif
