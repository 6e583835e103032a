/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shaper of one port: queues that hold packets, and the clock by which they leave.
 * Threads: one at a time (the port's owner worker); statistics are read by control, and whether a
 * queue admits packets by all workers. Time is the caller's, so that tests simulate it. Owner: held
 * packets are the shaper's.
 *
 * Problem. Packets come in bursts and must leave at an average rate, after idle time at a peak rate
 * for one burst; within that by guarantee, priority and weight, with limits of queues and of
 * classes (tenants), and without queues that stand. Libraries do not serve: rte_sched fixes its
 * tree and its four traffic classes at the start and holds no queue's guarantee.
 *
 * Data structure. port -> class -> queue. The queues of a class, of one priority, form a group, and
 * another while they have a guaranteed rate left. A group stands at a level: its priority among
 * what queues are guaranteed; among what classes are guaranteed; or among the rest. The first queue
 * of the first group of the lowest level sends, by deficit round robin over groups and over
 * queues, in which one may overdraw by a packet and pays later. A queue or class above its limit,
 * or whose guarantee is used up, waits in a timing wheel (qos_sched.c). A rate is one number, the
 * time until which it is spent (qos_rate_pvt.h). Packets wait in nodes of one pool; each queue
 * has some places in it that others can not take. CoDel (RFC 8289) acts at the head of a queue,
 * WRED at its tail; both mark instead of dropping where the sender can be told.
 *
 * Invariants. Rates count from the moment that packets wait: a poll that comes late, up to ten
 * milliseconds, or a turn of others costs the traffic nothing; a guarantee is made up for after up
 * to a tenth of a second. What was put is taken, dropped, or in the backlog. One call does a
 * bounded amount of work, whatever waits.
 *
 * Cost. A packet meets its node and one cache line of its queue, two if that has rates. Lists are
 * indexes in that line, taken from at the front only: a queue that has run empty, or was stopped
 * by a limit, stays in its other list until its turn comes there. Nothing depends on the number
 * of queues.
 */
#ifndef QOS_SHAPER_H
#define QOS_SHAPER_H

#include <rte_mbuf.h>

#include "base/evs_base.h"

#define QOS_QUEUES        4096 /* queue ids are below this; an id without a queue is queue 0 */
#define QOS_CLASSES       1024 /* class ids are below this; 0 is there without being configured */
#define QOS_PRIORITIES    8
#define QOS_WEIGHT_MAX    100
#define QOS_LIMIT_DEFAULT 1024    /* packets of a queue */
#define QOS_BACKLOG_MAX   1048576 /* packets of all queues of a shaper */
#define QOS_BURST_LEN     32
#define QOS_WHOLE         1000 /* a probability of 1 */

enum qos_aqm { QOS_AQM_DEFAULT, QOS_AQM_NONE, QOS_AQM_CODEL, QOS_AQM_WRED };

/* Weighted random early detection. A packet of drop precedence 2 or 3 (AFx2, AFx3 of RFC 2597)
 * meets two thirds or one third of the thresholds. */
struct qos_wred_config {
	uint32_t min_pkts, max_pkts; /* of the mean queue length */
	uint32_t drop_max;           /* probability at max_pkts, of QOS_WHOLE */
};

struct qos_queue_config {
	uint16_t id;
	uint8_t priority;     /* 0 leaves first */
	uint8_t weight;       /* 1 .. QOS_WEIGHT_MAX, among those of one class and priority */
	uint32_t limit_pkts;  /* tail drop above; 1 .. QOS_BACKLOG_MAX */
	uint16_t class_id;    /* one that there is */
	uint8_t aqm;          /* enum qos_aqm */
	uint64_t min_bps;     /* guaranteed; 0: nothing */
	uint64_t max_bps;     /* 0: the class's and the port's limit only */
	uint64_t burst_bytes; /* above max_bps after idle time */
	struct qos_wred_config wred;
};

struct qos_class_config {
	uint16_t id;
	uint8_t weight;   /* among classes with packets of one priority */
	uint64_t min_bps; /* guaranteed to its queues together; 0: nothing */
	uint64_t max_bps; /* 0: the port's limit only */
	uint64_t burst_bytes;
};

#define QOS_MAP_NONE UINT16_MAX
/* Queues of packets for which nobody chose one: by DSCP of IP packets, else by PCP of tagged ones.
 */
struct qos_map {
	uint16_t dscp[64], pcp[8]; /* QOS_MAP_NONE: queue 0 */
};

struct qos_shaper_config {
	uint64_t average_bps;     /* not 0 */
	uint64_t peak_bps;        /* 0: a burst goes as fast as the port takes it */
	uint64_t burst_bytes;     /* what may go above the average after idle time */
	uint32_t overhead_bytes;  /* counted besides each frame: 24 for rates of layer 1 */
	uint32_t frame_min_bytes; /* shorter frames count as so long: 60 for rates of layer 1 */
	uint32_t target_us;    /* CoDel's target for waiting; 0: no CoDel unless a queue says so */
	uint32_t interval_us;  /* CoDel's interval: a round trip */
	uint32_t backlog_pkts; /* of all queues; 0: 16 a queue, at least 4,096 */
	uint32_t pool_pkts;    /* room for at least so many, to be moved from another shaper */
	unsigned n_queues;     /* queue 0 may be left out: then it has the defaults */
	const struct qos_queue_config *queues;
	unsigned n_classes;
	const struct qos_class_config *classes;
	const struct qos_map *map; /* NULL: none */
};

struct qos_shaper;

/* [ctl] NULL: errno says EINVAL or ENOMEM. tsc_hz is the rate of now_tsc below. */
struct qos_shaper *qos_shaper_create(const struct qos_shaper_config *config, uint64_t tsc_hz);
void qos_shaper_destroy(struct qos_shaper *shaper); /* frees what it holds */

/* The queue of a packet for which somebody chose `queue`, 0 for nobody: what the maps say. */
uint32_t qos_shaper_queue_for(const struct qos_shaper *shaper, uint32_t queue,
                              const struct rte_mbuf *mbuf);

enum qos_put { QOS_PUT_DONE, QOS_PUT_FULL, QOS_PUT_AQM };
/* FULL: the queue or the pool is full; AQM: WRED wants it dropped. Then the packet, perhaps another
 * now, stays the caller's. */
enum qos_put qos_shaper_put(struct qos_shaper *shaper, uint32_t queue, struct rte_mbuf **mbuf,
                            uint64_t now_tsc);

/* A packet for this queue will be put soon. */
void qos_shaper_prefetch(const struct qos_shaper *shaper, uint32_t queue);

/* For workers that hand packets over to the owner. Would the queue take one more, where the way to
 * it has room for `room` more of `size`? On a crowded way the lower priorities give way to the
 * higher and to what is guaranteed. */
bool qos_shaper_admits(const struct qos_shaper *shaper, uint32_t queue, uint32_t room,
                       uint32_t size);
void qos_shaper_refused(struct qos_shaper *shaper, uint32_t queue); /* counts one as QOS_PUT_FULL */

struct qos_taken {
	unsigned n_out, n_dropped;
	bool more; /* something may leave already: the work of one call is bounded */
	struct rte_mbuf *out[QOS_BURST_LEN];
	struct rte_mbuf *dropped[QOS_BURST_LEN]; /* by CoDel */
};
/* What may leave now, up to QOS_BURST_LEN packets, in order. */
void qos_shaper_take(struct qos_shaper *shaper, uint64_t now_tsc, struct qos_taken *taken);
/* The same without regard to rates and CoDel, for a port that is not shaped any more: no other call
 * than put and this from then on. */
unsigned qos_shaper_flush(struct qos_shaper *shaper, struct rte_mbuf *out[QOS_BURST_LEN]);
/* Hands packets, statistics and spent rates to another shaper that is new; queues that it does not
 * have go to queue 0. Nothing is lost, whatever its limits are, but pool_pkts. */
void qos_shaper_move(struct qos_shaper *from, struct qos_shaper *to, uint64_t now_tsc);
uint32_t qos_shaper_backlog(const struct qos_shaper *shaper); /* packets; any thread */
uint32_t qos_shaper_pool(const struct qos_shaper *shaper);    /* packets that it has room for */

struct qos_queue_stats { /* [owner w, ctl r] */
	uint64_t pkts, bytes;
	uint64_t full_drops, aqm_drops, marks;
	uint64_t backlog_pkts, backlog_bytes;
};
struct qos_queue_info {
	struct qos_queue_config config;
	struct qos_queue_stats stats;
	double wait_p50_us, wait_p99_us, wait_max_us; /* of the last seconds; 0: nothing left */
};
struct qos_class_info {
	struct qos_class_config config;
	uint64_t pkts, bytes;
};
/* [ctl] The i-th queue or class; false: there are no more. */
bool qos_shaper_queue(const struct qos_shaper *shaper, unsigned i, struct qos_queue_info *info);
bool qos_shaper_class(const struct qos_shaper *shaper, unsigned i, struct qos_class_info *info);
/* [ctl] The queue of this id; false: there is none of its own. */
bool qos_shaper_queue_by_id(const struct qos_shaper *shaper, uint32_t id,
                            struct qos_queue_info *info);

/* Sets "congestion experienced" (RFC 3168) if the packet is IP and its sender is capable of it; a
 * shared packet is replaced by a copy. false: it is not, or no buffer is left. */
bool qos_ecn_mark(struct rte_mbuf **mbuf);

#endif
