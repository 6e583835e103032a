/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shaper of one port: queues that hold packets, and the clock by which they leave.
 * Threads: one at a time (the port's owner worker); statistics are read by control. Time is the
 * caller's, so that tests simulate it. Owner: held packets are the shaper's.
 *
 * Problem. Packets come in bursts and must leave at an average rate, after idle time at a peak rate
 * for one burst, by priority and weight, without queues that stand.
 *
 * Data structure. One pool of nodes, whose number bounds all queues together; a queue is a list of
 * nodes. For each priority a list of queues that hold packets; the first of the highest one sends,
 * by deficit round robin, in which a queue may overdraw by one packet and pays later. A rate is one
 * number, the time until which it is spent; a packet leaves when average and peak lie in the past.
 * CoDel (RFC 8289) drops or marks at the head of each queue.
 *
 * Invariants. Rates count from the moment that packets wait: a poll that comes late, up to a
 * millisecond, costs the traffic nothing. What was put is taken, dropped, or in the backlog.
 *
 * Cost. A packet costs a node and some dozen instructions; nothing depends on the number of queues.
 */
#ifndef QOS_SHAPER_H
#define QOS_SHAPER_H

#include <rte_mbuf.h>

#include "base/evs_base.h"

#define QOS_QUEUES     4096 /* queue ids are below this; an id without a queue is queue 0 */
#define QOS_PRIORITIES 8
#define QOS_WEIGHT_MAX 100
#define QOS_HELD_MAX   4096 /* packets in all queues of a shaper */
#define QOS_BURST_LEN  32

struct qos_queue_config {
	uint16_t id;
	uint8_t priority;    /* 0 leaves first */
	uint8_t weight;      /* 1 .. QOS_WEIGHT_MAX, among those of one priority */
	uint16_t limit_pkts; /* tail drop above; 1 .. QOS_HELD_MAX */
};

struct qos_shaper_config {
	uint64_t average_bps;    /* not 0 */
	uint64_t peak_bps;       /* 0: a burst goes as fast as the port takes it */
	uint64_t burst_bytes;    /* what may go above the average after idle time */
	uint32_t overhead_bytes; /* counted besides each frame: 24 for rates of layer 1 */
	uint32_t target_us;      /* CoDel's target for waiting; 0: no CoDel */
	uint32_t interval_us;    /* CoDel's interval: a round trip */
	unsigned n_queues;       /* queue 0 may be left out: then it has the defaults */
	const struct qos_queue_config *queues;
};

struct qos_shaper;

/* [ctl] NULL: errno says EINVAL or ENOMEM. tsc_hz is the rate of now_tsc below. */
struct qos_shaper *qos_shaper_create(const struct qos_shaper_config *config, uint64_t tsc_hz);
void qos_shaper_destroy(struct qos_shaper *shaper); /* frees what it holds */

/* false: the queue or the pool is full, the packet stays the caller's. */
bool qos_shaper_put(struct qos_shaper *shaper, uint32_t queue, struct rte_mbuf *mbuf,
                    uint64_t now_tsc);

struct qos_taken {
	unsigned n_out, n_dropped;
	struct rte_mbuf *out[QOS_BURST_LEN];
	struct rte_mbuf *dropped[QOS_BURST_LEN]; /* by CoDel */
};
/* What may leave now, up to QOS_BURST_LEN packets, in order. */
void qos_shaper_take(struct qos_shaper *shaper, uint64_t now_tsc, struct qos_taken *taken);
/* The same without regard to rates and CoDel, for a port that is not shaped any more. */
unsigned qos_shaper_flush(struct qos_shaper *shaper, struct rte_mbuf *out[QOS_BURST_LEN]);
/* Hands packets, statistics and spent rates to another shaper that is new; queues that it does not
 * have go to queue 0. Nothing is lost, whatever its limits are. */
void qos_shaper_move(struct qos_shaper *from, struct qos_shaper *to, uint64_t now_tsc);
uint32_t qos_shaper_backlog(const struct qos_shaper *shaper); /* packets; any thread */

struct qos_queue_stats { /* [owner w, ctl r] */
	uint64_t pkts, bytes;
	uint64_t full_drops, aqm_drops, marks;
	uint64_t backlog_pkts, backlog_bytes;
};
struct qos_queue_info {
	struct qos_queue_config config;
	struct qos_queue_stats stats;
};
/* [ctl] The i-th queue; false: there are no more. */
bool qos_shaper_queue(const struct qos_shaper *shaper, unsigned i, struct qos_queue_info *info);

/* Sets "congestion experienced" (RFC 3168) if the packet is IP and its sender is capable of it; a
 * shared packet is replaced by a copy. false: it is not, or no buffer is left. */
bool qos_ecn_mark(struct rte_mbuf **mbuf);

#endif
