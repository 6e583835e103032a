/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a shaper: what its pool of packets, its scheduler, its queue management and its statistics
 * share. Threads: the owner worker, but for what qos_stats.c reads.
 */
#ifndef QOS_SHAPER_PVT_H
#define QOS_SHAPER_PVT_H

#include <sys/queue.h>

#include "pkt/pkt_offload.h"
#include "qos/qos_codel_pvt.h"
#include "qos/qos_rate_pvt.h"
#include "qos/qos_shaper.h"

#define QOS_BAND                                                                                   \
	QOS_PRIORITIES /* levels of one kind: what queues are guaranteed, classes, the rest */
#define QOS_LEVELS       (3 * QOS_BAND)
#define QOS_BEST_EFFORT  (2 * QOS_BAND) /* levels from here on have no guarantee */
#define QOS_WHEEL_SLOTS  512
#define QOS_NONE         UINT32_MAX
#define QOS_NONE_16      UINT16_MAX
#define QOS_WAIT_SLOTS   96 /* of a histogram: four an octave, from about a microsecond */
#define QOS_SOJOURN(tsc) ((tsc) >> 10) /* of 32 bits: as a queue keeps CoDel's target */

struct qos_node {
	struct rte_mbuf *mbuf;
	uint64_t since_tsc;
	uint32_t len; /* as counted by rates */
	uint32_t next;
};

enum qos_which { QOS_MIN, QOS_MAX, QOS_N_RATES };

/* What a queue or a class is guaranteed and may have at most, with a timer for each, which is armed
 * while the rate is spent and somebody waits for it. */
struct qos_rates {
	struct qos_rate rate[QOS_N_RATES];
	uint16_t next[QOS_N_RATES]; /* timer in the slot of the wheel */
	uint8_t armed;              /* bits of enum qos_which */
};

/* How long packets waited, in two generations of some seconds [owner w, ctl r]. */
struct qos_waits {
	uint64_t since_tsc;
	uint32_t now;
	uint32_t n[2][QOS_WAIT_SLOTS];
	uint64_t max_tsc[2];
};

struct qos_wred {
	float mean;        /* queue length */
	float above;       /* packets that were not dropped since the last that was */
	uint64_t idle_tsc; /* when the queue ran empty */
};

/* How frames are counted. */
struct qos_wire {
	uint32_t overhead, frame_min;
};

/* What a group holds: queues while they have a guarantee left, or queues by priority and weight. A
 * queue can be in one of each. */
enum qos_kind { QOS_GUARANTEED, QOS_PLAIN, QOS_N_KINDS };

/* All that a packet meets: the first line, and the second where the queue has rates of its own. */
struct qos_queue {
	uint32_t head, tail;            /* nodes */
	uint32_t n, bytes;              /* [owner w, ctl r] */
	uint64_t sent_pkts, sent_bytes; /* [owner w, ctl r] */
	int32_t deficit;
	uint32_t limit;
	uint32_t target;            /* CoDel looks on while packets wait no longer */
	uint16_t next[QOS_N_KINDS]; /* queue in the group's list */
	uint16_t class;
	uint8_t priority, weight, aqm;
	uint8_t in; /* lists that it is in: bits of enum qos_kind; perhaps without packets */
	bool is_limited;
	bool codel_on; /* CoDel counts */
	struct qos_rates rates EVS_CACHE_ALIGNED;
} EVS_CACHE_ALIGNED;
static_assert(offsetof(struct qos_queue, rates) == EVS_CACHE_LINE, "one line without rates");
static_assert(sizeof(struct qos_queue) == 2 * EVS_CACHE_LINE, "two with");

/* What few packets meet. */
struct qos_queue_rest {
	struct qos_codel codel;
	struct qos_codel_config codel_config;
	struct qos_wred wred;
	uint64_t full_drops, aqm_drops, marks; /* [owner w, ctl r] */
	struct qos_waits waits;
	struct qos_queue_config config; /* constant */
};

/* Queues of a class, of one kind and priority: a list, of which the first sends. */
struct qos_group {
	TAILQ_ENTRY(qos_group) link; /* of the level */
	uint16_t head, tail;         /* queues */
	uint16_t class;
	uint8_t kind, priority;
	uint8_t level; /* while it is listed */
	bool listed;
	int32_t deficit;
};
TAILQ_HEAD(qos_group_list, qos_group);

struct qos_class {
	struct qos_rates rates;
	bool is_limited;
	bool asleep;   /* above its limit */
	bool promised; /* has a guarantee left */
	int32_t quantum;
	uint32_t n;           /* queues that hold packets */
	uint64_t pkts, bytes; /* [owner w, ctl r] */
	struct qos_class_config config;
	struct qos_group groups[QOS_N_KINDS][QOS_PRIORITIES];
} EVS_CACHE_ALIGNED;

struct qos_shaper {
	struct qos_rate average, peak;
	uint64_t late;     /* time by which a poll may be late without loss of rate */
	uint64_t late_min; /* likewise of guarantees: others stand for them */
	uint32_t backlog;
	uint32_t free;  /* list of nodes that were used before */
	uint32_t fresh; /* nodes from here on were never used */
	uint32_t n_nodes;
	uint32_t reserve; /* places that each queue has for itself */
	uint32_t shared, in_shared;
	struct qos_wire wire;
	uint32_t levels; /* bit: the level has groups */
	bool flushing;
	uint32_t random;
	uint64_t packet_tsc; /* that a full frame takes at the average */
	struct qos_group_list level[QOS_LEVELS];
	/* the wheel */
	uint64_t tick; /* next slot to look at */
	uint32_t n_timers;
	uint32_t tick_shift;
	uint16_t wheel[QOS_WHEEL_SLOTS]; /* timers */

	uint64_t tsc_hz;
	uint32_t wait_shift; /* TSC to about microseconds */
	uint32_t wait_skip;  /* of so many packets, all but one are not looked at; a mask */
	uint32_t n_sent;
	unsigned n_queues, n_classes;
	struct qos_queue *queues;     /* [0] is queue 0 */
	struct qos_queue_rest *rests; /* by the same index */
	struct qos_class *classes;    /* [0] is class 0 */
	struct qos_node *nodes;
	bool has_map;
	struct qos_map classify;
	uint16_t map[QOS_QUEUES]; /* id -> index */
};

/* qos_sched.c */
void qos_sched_init(struct qos_shaper *s);
/* The queue holds packets now. */
void qos_sched_start(struct qos_shaper *s, struct qos_queue *q, uint64_t now);
/* Wakes whose time has come; bounded. */
void qos_sched_wake(struct qos_shaper *s, uint64_t now);
void qos_sched_flush(struct qos_shaper *s); /* rates count no more */
/* The group whose first queue sends next; NULL: none, or *steps are used up. */
struct qos_group *qos_sched_next(struct qos_shaper *s, uint64_t now, unsigned *steps);
/* A packet left the first queue of the group; len: bytes, 0 if it was dropped. */
void qos_sched_left(struct qos_shaper *s, struct qos_group *g, uint32_t len);

EVS_INLINE struct qos_queue_rest *qos_rest_of(const struct qos_shaper *s, const struct qos_queue *q)
{
	return &s->rests[q - s->queues];
}

/* qos_wred.c: is a packet that comes to be dropped? A marked one is not. */
bool qos_wred_drops(struct qos_shaper *s, struct qos_queue *q, struct rte_mbuf **mbuf,
                    uint64_t now_tsc);
/* qos_classify.c: the queue for a packet for which nobody chose one. */
uint32_t qos_classify(const struct qos_map *map, const struct rte_mbuf *mbuf);
/* DSCP, or -1 if it is no IP packet. */
int qos_dscp(const struct rte_mbuf *mbuf);
/* Sets it; the packet is IP. A shared packet is replaced by a copy. -ENOMEM: no buffer is left. */
int qos_dscp_set(struct rte_mbuf **mbuf, uint8_t dscp);
/* Drop precedence (RFC 2597): 1 or 2 for AFx2 or AFx3, 0 for all others. */
unsigned qos_precedence(const struct rte_mbuf *mbuf);
/* Offset of the IP header behind up to two tags, 0: none. */
uint32_t qos_ip_offset(const struct rte_mbuf *m, uint8_t *versionp);

/* Bytes that the frame, or those it will be cut into, take. */
EVS_INLINE uint32_t qos_wire_len(const struct qos_wire *w, const struct rte_mbuf *m)
{
	struct pkt_wire wire = pkt_wire_of(m);

	return EVS_MAX(wire.bytes, w->frame_min) + wire.n * w->overhead;
}

/* Notes how long a packet waited. */
EVS_INLINE void qos_waits_add(const struct qos_shaper *s, struct qos_waits *w, uint64_t tsc)
{
	uint64_t x = EVS_MAX(tsc >> s->wait_shift, UINT64_C(4));
	unsigned octave = 63 - (unsigned)__builtin_clzll(x);
	unsigned slot = (octave - 2) * 4 + (unsigned)(x >> (octave - 2) & 3);

	slot = EVS_MIN(slot, QOS_WAIT_SLOTS - 1u);
	evs_counter_add(&w->n[w->now][slot], 1);
	if (evs_unlikely(tsc > w->max_tsc[w->now]))
		evs_store_relaxed(&w->max_tsc[w->now], tsc);
}

#endif
