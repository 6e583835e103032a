/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a shaper: what its pool of packets, its scheduler, its queue management and its statistics
 * share. Threads: the owner worker, but for what qos_stats.c reads.
 */
#ifndef QOS_SHAPER_PVT_H
#define QOS_SHAPER_PVT_H

#include <sys/queue.h>

#include "qos/qos_codel_pvt.h"
#include "qos/qos_rate_pvt.h"
#include "qos/qos_shaper.h"

#define QOS_LEVELS      (2 * QOS_PRIORITIES) /* guaranteed ones first */
#define QOS_WHEEL_SLOTS 512
#define QOS_NONE        UINT32_MAX
#define QOS_WAIT_SLOTS  96 /* of a histogram: four an octave, from about a microsecond */

struct qos_node {
	struct rte_mbuf *mbuf;
	uint64_t since_tsc;
	uint32_t len; /* as counted by rates */
	uint32_t next;
};

/* Something that is to be looked at again at a time. */
struct qos_timer {
	TAILQ_ENTRY(qos_timer) link;
	uint64_t at_tsc;
	uint16_t slot;
	bool armed, is_class;
};
TAILQ_HEAD(qos_timer_list, qos_timer);

/* How long packets waited, in two generations of some seconds [owner w, ctl r]. */
struct qos_waits {
	uint64_t since_tsc;
	uint32_t now;
	uint32_t n[2][QOS_WAIT_SLOTS];
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

struct qos_group;
struct qos_queue;

/* A queue's place in a group: of a guaranteed level it is `guaranteed`, else `place`. */
struct qos_place {
	TAILQ_ENTRY(qos_place) link;
	struct qos_group *group; /* NULL: it has none */
};
TAILQ_HEAD(qos_place_list, qos_place);

/* The first line is met by every packet that comes, the first two by every packet that leaves. */
struct qos_queue {
	uint32_t head, tail;
	uint32_t n, bytes; /* [owner w, ctl r] */
	int32_t deficit, quantum;
	uint32_t limit;
	uint8_t priority, aqm;
	bool is_limited; /* has a rate of its own */
	struct qos_class *class;
	struct qos_place place; /* while it holds packets and its own limit lets it send */
	uint64_t sent_pkts EVS_CACHE_ALIGNED, sent_bytes; /* [owner w, ctl r] */
	struct qos_codel codel;
	struct qos_codel_config codel_config;
	struct qos_place guaranteed
	        EVS_CACHE_ALIGNED; /* besides, while its guarantee is not used up */
	struct qos_rate max, min;
	struct qos_timer timer;
	uint64_t full_drops, aqm_drops, marks; /* [owner w, ctl r] */
	struct qos_wred wred;
	struct qos_queue_config config; /* constant */
} EVS_CACHE_ALIGNED;
static_assert(offsetof(struct qos_queue, sent_pkts) == EVS_CACHE_LINE, "one line for what comes");
static_assert(offsetof(struct qos_queue, guaranteed) == 2 * EVS_CACHE_LINE, "two for what leaves");

/* Queues of a class at a level. */
struct qos_group {
	TAILQ_ENTRY(qos_group) link; /* of the level */
	struct qos_place_list places;
	struct qos_class *class;
	int32_t deficit;
	uint8_t level;
	bool listed;
};
TAILQ_HEAD(qos_group_list, qos_group);

struct qos_class {
	struct qos_rate max;
	int32_t quantum;
	uint32_t n; /* queues that hold packets */
	bool asleep;
	uint64_t pkts, bytes; /* [owner w, ctl r] */
	struct qos_timer timer;
	struct qos_class_config config;
	struct qos_group groups[QOS_LEVELS];
} EVS_CACHE_ALIGNED;

struct qos_shaper {
	struct qos_rate average, peak;
	uint64_t late; /* time by which a poll may be late without loss of rate */
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
	struct qos_timer_list wheel[QOS_WHEEL_SLOTS];

	uint64_t tsc_hz;
	uint32_t wait_shift; /* TSC to about microseconds */
	uint32_t wait_skip;  /* of so many packets, all but one are not looked at; a mask */
	uint32_t n_sent;
	unsigned n_queues, n_classes;
	struct qos_queue *queues;  /* [0] is queue 0 */
	struct qos_class *classes; /* [0] is class 0 */
	struct qos_waits *waits;
	struct qos_node *nodes;
	bool has_map;
	struct qos_map classify;
	uint16_t map[QOS_QUEUES]; /* id -> index */
};

/* qos_sched.c */
void qos_sched_init(struct qos_shaper *s);
/* The queue holds packets now; or it holds none any more. */
void qos_sched_start(struct qos_shaper *s, struct qos_queue *q, uint64_t now);
void qos_sched_stop(struct qos_shaper *s, struct qos_queue *q);
/* Wakes whose time has come; bounded. */
void qos_sched_wake(struct qos_shaper *s, uint64_t now);
void qos_sched_flush(struct qos_shaper *s); /* rates count no more */
/* The place whose queue's turn it is; NULL: none, or *steps are used up. */
struct qos_place *qos_sched_next(struct qos_shaper *s, uint64_t now, unsigned *steps);
/* Its queue sent len bytes. */
void qos_sched_charge(struct qos_shaper *s, struct qos_place *p, uint32_t len);

EVS_INLINE struct qos_queue *qos_place_queue(struct qos_place *p)
{
	return p->group->level < QOS_PRIORITIES ? evs_container_of(p, struct qos_queue, guaranteed)
	                                        : evs_container_of(p, struct qos_queue, place);
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

/* Bytes that the frame, or those it will be cut into, take. The sizes in a request for
 * segmentation may lie. */
EVS_INLINE uint32_t qos_wire_len(const struct qos_wire *w, const struct rte_mbuf *m)
{
	uint32_t len = m->pkt_len, headers, pieces = 1;

	if (evs_unlikely(m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG))) {
		headers = (uint32_t)(m->l2_len + m->l3_len + m->l4_len);
		if (m->tso_segsz && headers < len) {
			pieces = (len - headers + m->tso_segsz - 1) / m->tso_segsz;
			len += (pieces - 1) * headers;
		}
	}
	return EVS_MAX(len, w->frame_min) + pieces * w->overhead;
}

/* Notes how long a packet waited. */
EVS_INLINE void qos_waits_add(const struct qos_shaper *s, struct qos_waits *w, uint64_t tsc)
{
	uint64_t x = EVS_MAX(tsc >> s->wait_shift, UINT64_C(4));
	unsigned octave = 63 - (unsigned)__builtin_clzll(x);
	unsigned slot = (octave - 2) * 4 + (unsigned)(x >> (octave - 2) & 3);

	slot = EVS_MIN(slot, QOS_WAIT_SLOTS - 1u);
	evs_counter_add(&w->n[w->now][slot], 1);
}

#endif
