/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a worker: what the loop, the miss path, the execution of programs, the output
 * buffers and the control side share.
 * Threads: each field says. Owner: control makes and frees; between, the worker's own memory.
 */
#ifndef PMD_PVT_H
#define PMD_PVT_H

#include <pthread.h>
#include <string.h>

#include "base/evs_clock.h"
#include "pmd/pmd.h"
#include "pmd/pmd_decap_pvt.h"
#include "pmd/pmd_fair_pvt.h"
#include "pmd/pmd_wake_pvt.h"

struct pmd_shaper;
struct pmd_port;
struct tun_joins;
struct qos_ingress;

#define PMD_MAX_DEPTH     8    /* recirculations of one packet */
#define PMD_MAX_CLONES    16   /* clones within clones */
#define PMD_AGAIN_LEN     256  /* packets that wait to go round again */
#define PMD_PUNT_LEN      1024 /* records */
#define PMD_INJECT_LEN    128
#define PMD_SAMPLE_PERIOD 61 /* bursts; prime, so that no queue is favoured */

enum pmd_stage {
	PMD_STAGE_RX, /* with the polling of empty queues before */
	PMD_STAGE_PARSE,
	PMD_STAGE_LOOKUP,
	PMD_STAGE_MISS,
	PMD_STAGE_ACTIONS,
	PMD_STAGE_ENCAP,
	PMD_STAGE_DECAP,
	PMD_STAGE_TX,
	PMD_STAGE_AGAIN,
	PMD_STAGE_OTHER, /* the end of the loop: rest of the output, caches, injection */
};

/* What may change while workers run [ctl w, worker r; each value alone, relaxed]. */
struct pmd_settings {
	pmd_translate_fn *translate; /* never changes */
	pmd_uncached_fn *uncached;   /* likewise */
	uint64_t flush_tsc;
	uint64_t miss_interval_tsc; /* between two new flows; 0: no limit */
	bool adaptive_sleep;
	bool drop_fragments;
} EVS_CACHE_ALIGNED;
extern struct pmd_settings pmd_settings;

/* A receive queue. */
struct pmd_rxq {
	struct port *port;
	uint16_t queue;
	uint16_t in_port;
	struct qos_ingress *gate; /* shapes what is taken; NULL: nothing does [ctl w, worker r] */
	/* [ctl] */
	enum { PMD_RXQ_IDLE, PMD_RXQ_POLLED, PMD_RXQ_MOVING } state;
	struct pmd_worker *owner;  /* POLLED: who polls it; else NULL */
	struct pmd_worker *target; /* MOVING: who will */
	bool leaving;
	double load;
	uint64_t seen_busy_tsc, seen_tsc;
	/* [the polling worker w, ctl r] */
	uint64_t pkts EVS_CACHE_ALIGNED;
	uint64_t busy_tsc;
	/* [the polling worker] */
	bool is_armed; /* has an edge when frames come, see pmd_wake.c */
	bool can_arm;  /* the last attempt to arm it succeeded; tried again at the next port_wake */
} EVS_CACHE_ALIGNED;

/* What a worker polls: immutable. */
struct pmd_poll {
	unsigned most; /* bursts of a queue in a round, while they are full */
	unsigned n;
	struct pmd_rxq *rxq[];
};

/* A worker's view of a port: where it counts, what waits to be sent, the miss budget. */
struct pmd_view {
	struct port *port; /* NULL: a port that is not there (pmd_worker.nowhere) */
	struct port_counters *counters;
	struct pmd_shaper *shaper;   /* NULL: not shaped [ctl w, worker r] */
	struct pmd_view *next;       /* of those with waiting packets */
	struct qos_ingress *ingress; /* NULL: no policing, no storm control [ctl w, worker r] */
	uint64_t miss_tsc;           /* when the next new flow is due (GCRA) */
	struct pmd_fair_account fair;
	uint16_t txq; /* [ctl w, worker r] */
	uint16_t n;   /* mbufs that wait */
	bool listed;
	uint8_t decap_l3;  /* where IP begins in packets of known tunnels; 0: none is known */
	uint8_t decap_src; /* where the sender's address ends; 0: IP's version tells */
	struct rte_mbuf *mbuf[PKT_BURST_MAX] EVS_CACHE_ALIGNED;
	/* of a shaped port: for which of them a queue was chosen, which, and of whom */
	uint32_t queued;
	uint32_t queued_by; /* pmd_shaper.id */
	uint16_t queue[PKT_BURST_MAX];
} EVS_CACHE_ALIGNED;

/* A packet that a program sent round again, with what the parser can not know. */
struct pmd_again {
	struct rte_mbuf *mbuf;
	uint32_t recirc_id;
	uint16_t in_port;
	uint8_t lines; /* PKT_LINE_TUN, CT, TMD */
	struct pkt_key_tun tun;
	struct pkt_key_ct ct;
	struct pkt_key_tmd tmd;
};

struct pmd_inject {
	struct rte_mbuf *mbuf;
	uint16_t in_port;
	struct flow_prog_builder prog;
};

/* Indexes of a ring with one writer and one reader, each on its own line. */
struct pmd_ring {
	uint32_t head EVS_CACHE_ALIGNED; /* written so far [writer] */
	uint32_t tail_seen;              /* the writer's last look at tail */
	uint32_t tail EVS_CACHE_ALIGNED; /* read so far [reader] */
};

struct pmd_worker {
	/* read per loop and burst */
	struct pmd_poll *poll; /* [ctl w, worker r] release, acquire */
	struct flow_cache *cache;
	struct pmd_shaper *shapers; /* that it owns [ctl w, worker r] */
	struct pmd_frags *frags;    /* fragments for tunnels; NULL: no memory */
	struct tun_joins *joins;    /* segments of tunnels; NULL: no memory */
	unsigned id;
	enum pkt_isa isa;
	bool stop; /* [ctl w, worker r] */

	/* written per burst [worker w; counters: ctl r] */
	struct pmd_view *waiting EVS_CACHE_ALIGNED; /* output buffers that are not empty */
	uint64_t now_tsc;                           /* time of the last burst or loop */
	uint64_t flushed_tsc; /* when nothing waited to be sent for the last time */
	uint64_t ms_tsc;      /* when now_ms is to be read again */
	uint32_t now_ms;
	uint32_t sample; /* bursts until the next sample */
	uint32_t depth;  /* rounds of recirculation */
	bool sampling;
	bool is_lent;          /* some packet of the burst may be (pkt_lent.h) */
	uint32_t shapers_done; /* of the list: where the last loop ended */
	struct pmd_fair fair;
	struct pmd_account account EVS_CACHE_ALIGNED;
	uint64_t bursts;
	uint64_t loops;
	uint64_t longest_tsc[2]; /* loop, in this and the last generation */
	uint64_t longest_since_tsc;
	unsigned longest_now;
	uint64_t install_tsc; /* of the last installation */
	uint64_t busy_tsc EVS_CACHE_ALIGNED, idle_tsc, translations, translate_tsc, sleeps;
	uint64_t idle_since_tsc; /* 0: not idle */
	struct pmd_nap nap;
	struct pmd_wake wake;
	uint64_t stage_tsc[PMD_N_STAGES] EVS_CACHE_ALIGNED;
	uint64_t stage_pkts;
	uint64_t nested_tsc; /* of stages within others */

	struct flow_found found EVS_CACHE_ALIGNED;
	struct pkt_burst burst EVS_CACHE_ALIGNED;
	struct flow_xlate xlate EVS_CACHE_ALIGNED;
	struct pmd_view *view[PKT_PORT_MAX + 1]; /* never NULL [ctl w, worker r] */
	struct pmd_view nowhere;
	struct port_counters lost; /* of nowhere */
	uint32_t again_head, again_tail;
	struct pmd_again again[PMD_AGAIN_LEN];
	struct pmd_decap decaps[PMD_N_DECAPS];

	struct pmd_ring punt_ring;
	struct pmd_punt punts[PMD_PUNT_LEN];
	uint16_t n_punts[PKT_PORT_MAX + 1]; /* in the ring, by port [worker] */
	struct pmd_ring inject_ring;
	struct pmd_inject injects[PMD_INJECT_LEN];

	/* [ctl] */
	pthread_t thread EVS_CACHE_ALIGNED;
	enum { PMD_WORKER_RUNNING, PMD_WORKER_LEAVING, PMD_WORKER_ENDED } state;
	unsigned cpu;
	int numa_node;
	unsigned n_queues;
	double load; /* while placing */
	size_t mem_size;
};

/* One group of packets of the worker's burst on its way through a program. */
struct pmd_exec {
	struct rte_mbuf *mbuf[PKT_BURST_MAX];
	struct pkt_offsets ofs[PKT_BURST_MAX];
	uint8_t slot[PKT_BURST_MAX]; /* place in the burst, for the key */
	uint16_t n;
	uint16_t depth;  /* of clones */
	uint32_t queue;  /* chosen by SET_QUEUE */
	bool given;      /* somebody got a reference: ending without a receiver is no loss */
	bool is_private; /* writable for sure */
};

/* pmd_loop.c [worker] */
void pmd_loop_run(struct pmd_worker *w);
/* Look-up, translation of misses, execution for the first n packets of the burst, parsed. */
void pmd_loop_walk(struct pmd_worker *w, unsigned n);
/* Takes the packets of the mask out of the burst, counting a drop; returns how many are left. */
unsigned pmd_loop_sift(struct pmd_worker *w, unsigned n, uint32_t mask, enum pkt_drop reason);

/* pmd_miss.c [worker]: flows[] of the packets in the mask; those that stay NULL are done with. */
void pmd_miss(struct pmd_worker *w, uint32_t mask);

/* pmd_exec.c [worker]: runs ops on the members of the burst; they are gone afterwards. */
void pmd_exec_run(struct pmd_worker *w, const uint8_t *ops, uint32_t size, uint32_t members);
/* Drops packets of the mask out of the group, counted at their receiving port. */
void pmd_exec_drop(struct pmd_worker *w, struct pmd_exec *x, uint32_t mask, enum pkt_drop reason);
/* pmd_meter.c [worker]: runs op METER. */
void pmd_meter(struct pmd_worker *w, struct pmd_exec *x, const struct flow_op *op);
/* pmd_edit.c [worker]: runs an op that edits packets; false: it is none of those. */
bool pmd_edit(struct pmd_worker *w, struct pmd_exec *x, const struct flow_op *op);

/* pmd_again.c [worker] */
void pmd_again_add(struct pmd_worker *w, struct pmd_exec *x, uint32_t recirc_id);
void pmd_again_run(struct pmd_worker *w);

/* pmd_frag.c */
struct pmd_frags *pmd_frags_create(int numa_node); /* [ctl] */
void pmd_frags_expire(struct pmd_worker *w);       /* [worker] now and then */
void pmd_frags_destroy(struct pmd_worker *w);      /* [ctl] the worker ended */

/* pmd_join.c */
void pmd_joins_init(struct pmd_worker *w);   /* [ctl] */
void pmd_joins_fini(struct pmd_worker *w);   /* [ctl] the worker ended */
void pmd_joins_expire(struct pmd_worker *w); /* [worker] now and then */

/* pmd_shape.c [worker] */
/* Puts n packets for the view's port into its queues. */
void pmd_shape(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs, unsigned n);
/* Polls the shapers that the worker owns, a bounded number; returns for how many packets. */
unsigned pmd_shape_run(struct pmd_worker *w, struct pmd_shaper *shapers);

/* pmd_shape_ctl.c [ctl] */
void pmd_shape_leave(struct pmd_worker *w); /* its shapers go to others */
void pmd_shape_join(void);                  /* there is a new worker: for those without one */
void pmd_shape_ended(const struct pmd_worker *w);
struct pmd_shaper *pmd_shape_of_view(const struct port *port);
/* true: calls pmd_attach_detach_views when the port's shaper is gone. */
bool pmd_shape_detach(struct pmd_port *p);
void pmd_shape_fini(struct pmd_port *p); /* workers have ended */

/* pmd_ingress.c */
/* Of a burst that is not parsed yet: counts the packets of the mask as received, and drops them;
 * then the others close up. Returns how many are left. */
void pmd_ingress_drop(struct pmd_worker *w, struct pmd_view *v, uint32_t mask,
                      enum pkt_drop reason);
unsigned pmd_ingress_keep(struct pmd_worker *w, unsigned n, uint32_t gone);
/* [worker] Polices the n packets in the burst, before they are parsed; returns how many are left.
 */
unsigned pmd_ingress(struct pmd_worker *w, struct pmd_view *v, struct qos_ingress *in, unsigned n);
/* [worker] Receives through a queue whose port is shaped at ingress. */
unsigned pmd_ingress_rx(struct pmd_worker *w, const struct pmd_rxq *rxq, struct qos_ingress *gate);
/* [worker] Runs op STORM. */
void pmd_ingress_unknown(struct pmd_worker *w, struct pmd_exec *x);

/* pmd_punt.c */
bool pmd_punt_room(struct pmd_worker *w, uint16_t port); /* [worker] */
unsigned pmd_inject_run(struct pmd_worker *w);           /* [worker] how many packets */
void pmd_punt_wipe(struct pmd_worker *w); /* [ctl] the worker ended: frees what its rings hold */
int pmd_punt_init(struct evs_error *err);
void pmd_punt_fini(void);

/* pmd_sleep.c [worker] after an empty loop */
void pmd_sleep(struct pmd_worker *w);
void pmd_sleep_init(void); /* of the calling thread */

/* pmd_worker.c [ctl] */
extern struct pmd_worker *pmd_workers[EVS_MAX_WORKERS]; /* by id */
extern struct pmd_config pmd_config;
extern const struct pmd_poll pmd_poll_nothing;
struct pmd_worker *pmd_worker_at_cpu(unsigned cpu); /* running; NULL: none */

/* pmd_place.c [ctl] */
struct pmd_port {
	struct port *port;
	int numa_node; /* for which its queues were placed */
	uint16_t n_rxq;
	struct pmd_rxq *rxq[PORT_MAX_QUEUES];
	struct pmd_shaper *shaper;   /* NULL: not shaped */
	struct qos_ingress *ingress; /* NULL: none */
	void (*done)(struct port *port, void *arg);
	void *arg;
};
extern struct pmd_port *pmd_ports[PKT_PORT_MAX + 1]; /* attached, by port index */
void pmd_place_measure(void);
/* Where a queue of this port had best go; NULL: there is no worker. */
struct pmd_worker *pmd_place_pick(const struct port *port);
/* The port's node may be another one now: its queues go to workers there, if there are any. */
void pmd_place_follow(struct pmd_port *p);
void pmd_place_start(struct pmd_rxq *q);                        /* a new queue */
void pmd_place_assign(struct pmd_rxq *q, struct pmd_worker *w); /* w NULL: nobody polls it */
void pmd_place_take(struct pmd_rxq *q);                         /* from its worker's list */
void pmd_place_spread(bool only_if_better);
void pmd_place_leave(struct pmd_worker *w); /* its queues go to the others */

/* pmd_attach.c [ctl] */
int pmd_view_add(struct pmd_worker *w, struct port *port, struct evs_error *err);
void pmd_attach_detach_views(struct pmd_port *p); /* its shaper is gone */
void pmd_attach_fini(void);                       /* workers have ended */

EVS_INLINE struct pmd_view *pmd_view_of(struct pmd_worker *w, unsigned port)
{
	return evs_load_acquire(&w->view[port & PKT_PORT_MAX]);
}

/* A stage within another one: begins, and ends. */
EVS_INLINE uint64_t pmd_nested_begin(const struct pmd_worker *w)
{
	return evs_unlikely(w->sampling) ? evs_clock_tsc() : 0;
}

EVS_INLINE void pmd_nested_end(struct pmd_worker *w, enum pmd_stage stage, uint64_t start)
{
	uint64_t tsc;

	if (evs_likely(!w->sampling))
		return;
	tsc = evs_clock_tsc() - start;
	evs_counter_add(&w->stage_tsc[stage], tsc);
	w->nested_tsc += tsc;
}

/* Frees n packets (NULL: they do not exist) and counts them as dropped. */
EVS_INLINE void pmd_drop(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                         unsigned n, enum pkt_drop reason)
{
	evs_counter_add(&v->counters->drops[reason], n);
	evs_counter_add(&w->account.dropped, n);
	if (mbufs)
		rte_pktmbuf_free_bulk(mbufs, n);
}

#endif
