/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shaper of one port. Threads: the owner worker; control makes and destroys it.
 * Times of rates are TSC ticks with 8 binary places, compared by difference.
 */
#include "qos/qos_shaper.h"

#include <stdlib.h>
#include <string.h>

#include "qos/qos_codel_pvt.h"

#define TIME_SHIFT    8
#define COST_SHIFT    24
#define SLACK_MAX     (UINT64_C(1) << 60)
#define LATE_DIV      1000 /* of a second: how late a poll may come without loss of rate */
#define QUANTUM_BYTES 1600 /* of weight 1 in a round */
#define MTU_BYTES     1514 /* a backlog below is none for CoDel */
#define NONE          UINT32_MAX

struct rate {
	uint64_t spent; /* time until which it is spent */
	uint64_t cost;  /* of a byte: time << COST_SHIFT; 0: no limit */
	uint64_t slack; /* time that an idle shaper may save up */
};

struct node {
	struct rte_mbuf *mbuf;
	uint64_t since_tsc;
	uint32_t len; /* as counted by rates */
	uint32_t next;
};

struct queue {
	uint32_t head, tail;
	uint32_t n, bytes;
	int64_t deficit;
	struct queue *next; /* of those of the priority that hold packets */
	struct qos_codel codel;
	struct qos_queue_config config;
	struct qos_queue_stats stats;
};

struct active { /* circular; the last one's next is the first */
	struct queue *last;
};

struct qos_shaper {
	struct rate average, peak;
	uint64_t late; /* time */
	uint32_t backlog;
	uint32_t free;
	uint32_t overhead;
	bool started;
	struct qos_codel_config codel;
	struct active active[QOS_PRIORITIES];
	unsigned n_queues;
	struct queue *queues;     /* [0] is queue 0 */
	uint16_t map[QOS_QUEUES]; /* id -> index */
	struct node nodes[QOS_HELD_MAX];
};

static void rate_init(struct rate *r, uint64_t bps, uint64_t burst_bytes, uint64_t tsc_hz)
{
	__uint128_t bits_time = (__uint128_t)tsc_hz << TIME_SHIFT, slack;

	if (bps == 0)
		return;
	slack = bits_time * 8 * burst_bytes / bps;
	r->cost = (uint64_t)(((bits_time * 8) << COST_SHIFT) / bps);
	r->slack = slack > SLACK_MAX ? SLACK_MAX : (uint64_t)slack;
}

/* Time of which more than `slack` passed unused is gone. */
static void rate_refresh(struct rate *r, uint64_t now, uint64_t slack)
{
	if ((int64_t)(r->spent - (now - slack)) < 0)
		r->spent = now - slack;
}

EVS_INLINE bool rate_open(const struct rate *r, uint64_t now)
{
	return r->cost == 0 || (int64_t)(r->spent - now) < 0;
}

EVS_INLINE void rate_charge(struct rate *r, uint32_t len)
{
	r->spent += (uint64_t)(((__uint128_t)r->cost * len) >> COST_SHIFT);
}

static bool config_ok(const struct qos_shaper_config *config)
{
	if (config->average_bps == 0 || config->n_queues > QOS_QUEUES)
		return false;
	for (unsigned i = 0; i < config->n_queues; i++) {
		const struct qos_queue_config *q = &config->queues[i];

		if (q->id >= QOS_QUEUES || q->priority >= QOS_PRIORITIES || q->weight == 0 ||
		    q->weight > QOS_WEIGHT_MAX || q->limit_pkts == 0 ||
		    q->limit_pkts > QOS_HELD_MAX)
			return false;
	}
	return true;
}

static void queues_init(struct qos_shaper *s, const struct qos_shaper_config *config)
{
	s->n_queues = 1;
	s->queues[0].config = (struct qos_queue_config){
	        .priority = QOS_PRIORITIES / 2, .weight = 1, .limit_pkts = QOS_HELD_MAX / 4};
	for (unsigned i = 0; i < config->n_queues; i++) {
		const struct qos_queue_config *q = &config->queues[i];
		unsigned at = q->id == 0 ? 0 : s->map[q->id] ? s->map[q->id] : s->n_queues++;

		s->queues[at].config = *q;
		s->map[q->id] = (uint16_t)at;
	}
	for (unsigned i = 0; i < s->n_queues; i++)
		s->queues[i].head = s->queues[i].tail = NONE;
}

static void nodes_init(struct qos_shaper *s)
{
	for (uint32_t i = 0; i < QOS_HELD_MAX; i++)
		s->nodes[i].next = i + 1 < QOS_HELD_MAX ? i + 1 : NONE;
}

struct qos_shaper *qos_shaper_create(const struct qos_shaper_config *config, uint64_t tsc_hz)
{
	struct qos_shaper *s;

	if (!config_ok(config) || tsc_hz == 0) {
		errno = EINVAL;
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->queues = calloc(config->n_queues + 1, sizeof(*s->queues));
	if (!s->queues) {
		free(s);
		return NULL;
	}
	rate_init(&s->average, config->average_bps, config->burst_bytes, tsc_hz);
	rate_init(&s->peak, config->peak_bps, 0, tsc_hz);
	s->late = (tsc_hz << TIME_SHIFT) / LATE_DIV;
	s->overhead = config->overhead_bytes;
	s->codel.target = tsc_hz / 1000000 * config->target_us;
	s->codel.interval = tsc_hz / 1000000 * config->interval_us;
	queues_init(s, config);
	nodes_init(s);
	return s;
}

void qos_shaper_destroy(struct qos_shaper *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n_queues; i++)
		for (uint32_t n = s->queues[i].head; n != NONE; n = s->nodes[n].next)
			rte_pktmbuf_free(s->nodes[n].mbuf);
	free(s->queues);
	free(s);
}

/* Bytes that the frame, or those it will be cut into, take. The sizes in a request for
 * segmentation may lie. */
static uint32_t wire_len(const struct qos_shaper *s, const struct rte_mbuf *m)
{
	uint32_t len = m->pkt_len, headers, pieces = 1;

	if (evs_unlikely(m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG))) {
		headers = (uint32_t)(m->l2_len + m->l3_len + m->l4_len);
		if (m->tso_segsz && headers < len) {
			pieces = (len - headers + m->tso_segsz - 1) / m->tso_segsz;
			len += (pieces - 1) * headers;
		}
	}
	return len + pieces * s->overhead;
}

static void activate(struct qos_shaper *s, struct queue *q)
{
	struct active *a = &s->active[q->config.priority];

	if (q->deficit <= 0)
		q->deficit += q->config.weight * QUANTUM_BYTES;
	if (a->last) {
		q->next = a->last->next;
		a->last->next = q;
	} else {
		q->next = q;
	}
	a->last = q;
}

/* Takes the first queue of a list away. */
static void deactivate(struct active *a)
{
	struct queue *first = a->last->next;

	if (first == a->last)
		a->last = NULL;
	else
		a->last->next = first->next;
	if (first->deficit > 0)
		first->deficit = 0;
}

/* A node is free: the caller knows. */
static void append(struct qos_shaper *s, struct queue *q, struct rte_mbuf *mbuf, uint64_t since_tsc)
{
	uint32_t at = s->free;
	struct node *node = &s->nodes[at];

	s->free = node->next;
	*node = (struct node){mbuf, since_tsc, wire_len(s, mbuf), NONE};
	if (q->tail == NONE)
		q->head = at;
	else
		s->nodes[q->tail].next = at;
	q->tail = at;
	q->bytes += node->len;
	if (q->n++ == 0)
		activate(s, q);
	evs_store_relaxed(&s->backlog, s->backlog + 1);
	evs_store_relaxed(&q->stats.backlog_pkts, q->n);
	evs_store_relaxed(&q->stats.backlog_bytes, q->bytes);
}

/* Packets begin to wait: what idle time is worth is settled now. */
static void wake(struct qos_shaper *s, uint64_t now)
{
	if (!s->started) {
		s->started = true;
		s->average.spent = now - s->average.slack;
		s->peak.spent = now - 1;
	}
	rate_refresh(&s->average, now, EVS_MAX(s->average.slack, UINT64_C(1)));
	rate_refresh(&s->peak, now, 1);
}

EVS_HOT bool qos_shaper_put(struct qos_shaper *s, uint32_t queue, struct rte_mbuf *mbuf,
                            uint64_t now_tsc)
{
	struct queue *q = &s->queues[queue < QOS_QUEUES ? s->map[queue] : 0];

	if (evs_unlikely(s->free == NONE) || evs_unlikely(q->n >= q->config.limit_pkts)) {
		evs_counter_add(&q->stats.full_drops, 1);
		return false;
	}
	if (s->backlog == 0)
		wake(s, now_tsc << TIME_SHIFT);
	append(s, q, mbuf, now_tsc);
	return true;
}

/* The packet at the head of a queue that holds some. */
static struct rte_mbuf *pop(struct qos_shaper *s, struct queue *q, uint32_t *lenp)
{
	uint32_t at = q->head;
	struct node *node = &s->nodes[at];

	q->head = node->next;
	if (q->head == NONE)
		q->tail = NONE;
	q->n--;
	q->bytes -= node->len;
	node->next = s->free;
	s->free = at;
	*lenp = node->len;
	evs_store_relaxed(&s->backlog, s->backlog - 1);
	evs_store_relaxed(&q->stats.backlog_pkts, q->n);
	evs_store_relaxed(&q->stats.backlog_bytes, q->bytes);
	return node->mbuf;
}

/* Does CoDel want the head of the queue dropped? A marked packet stays. */
static bool codel_drops(struct qos_shaper *s, struct queue *q, uint64_t now_tsc)
{
	struct node *node = &s->nodes[q->head];
	uint64_t sojourn = now_tsc - node->since_tsc;
	bool bad;

	if (s->codel.target == 0)
		return false;
	bad = qos_codel_is_bad(&q->codel, &s->codel, sojourn, q->bytes <= MTU_BYTES, now_tsc);
	if (evs_likely(!qos_codel_hits(&q->codel, &s->codel, bad, now_tsc)))
		return false;
	if (qos_ecn_mark(&node->mbuf)) {
		evs_counter_add(&q->stats.marks, 1);
		return false;
	}
	evs_counter_add(&q->stats.aqm_drops, 1);
	return true;
}

/* The queue whose turn it is, first of its list; NULL: all are empty. */
static struct queue *next_queue(struct qos_shaper *s, struct active **ap)
{
	for (unsigned p = 0; p < QOS_PRIORITIES; p++) {
		struct active *a = &s->active[p];
		struct queue *q;

		if (!a->last)
			continue;
		for (q = a->last->next; q->deficit <= 0; q = a->last->next) {
			q->deficit += q->config.weight * QUANTUM_BYTES;
			a->last = q;
		}
		*ap = a;
		return q;
	}
	return NULL;
}

EVS_HOT void qos_shaper_take(struct qos_shaper *s, uint64_t now_tsc, struct qos_taken *t)
{
	uint64_t now = now_tsc << TIME_SHIFT;
	struct active *a;
	struct queue *q;
	uint32_t len;

	t->n_out = t->n_dropped = 0;
	if (s->backlog == 0)
		return;
	rate_refresh(&s->average, now, EVS_MAX(s->average.slack, s->late));
	rate_refresh(&s->peak, now, s->late);
	while (t->n_out < QOS_BURST_LEN && t->n_dropped < QOS_BURST_LEN &&
	       rate_open(&s->average, now) && rate_open(&s->peak, now) &&
	       (q = next_queue(s, &a)) != NULL) {
		if (evs_unlikely(codel_drops(s, q, now_tsc))) {
			t->dropped[t->n_dropped++] = pop(s, q, &len);
		} else {
			t->out[t->n_out++] = pop(s, q, &len);
			q->deficit -= len;
			rate_charge(&s->average, len);
			rate_charge(&s->peak, len);
			evs_counter_add(&q->stats.pkts, 1);
			evs_counter_add(&q->stats.bytes, len);
		}
		if (q->n == 0)
			deactivate(a);
	}
}

unsigned qos_shaper_flush(struct qos_shaper *s, struct rte_mbuf *out[QOS_BURST_LEN])
{
	struct active *a;
	struct queue *q;
	unsigned n = 0;
	uint32_t len;

	while (n < QOS_BURST_LEN && (q = next_queue(s, &a)) != NULL) {
		out[n++] = pop(s, q, &len);
		q->deficit -= len;
		evs_counter_add(&q->stats.pkts, 1);
		evs_counter_add(&q->stats.bytes, len);
		if (q->n == 0)
			deactivate(a);
	}
	return n;
}

/* Time that was spent stays so, but for what the new burst does not owe. */
static void rate_move(const struct rate *from, struct rate *to, uint64_t now)
{
	uint64_t debt_max = to->slack + 1;

	to->spent = from->cost ? from->spent : now;
	rate_refresh(to, now, debt_max);
}

void qos_shaper_move(struct qos_shaper *from, struct qos_shaper *to, uint64_t now_tsc)
{
	for (unsigned i = 0; i < from->n_queues; i++) {
		struct queue *old = &from->queues[i];
		struct queue *new = &to->queues[to->map[old->config.id]];
		struct node *node;

		if (new->config.id == old->config.id)
			new->stats = old->stats;
		for (uint32_t at = old->head; at != NONE; at = node->next) {
			node = &from->nodes[at];
			append(to, new, node->mbuf, node->since_tsc);
		}
		old->head = old->tail = NONE;
		old->n = old->bytes = 0;
	}
	memset(from->active, 0, sizeof(from->active));
	evs_store_relaxed(&from->backlog, 0);
	to->started = from->started;
	rate_move(&from->average, &to->average, now_tsc << TIME_SHIFT);
	rate_move(&from->peak, &to->peak, now_tsc << TIME_SHIFT);
}

uint32_t qos_shaper_backlog(const struct qos_shaper *s)
{
	return evs_load_relaxed(&s->backlog);
}

bool qos_shaper_queue(const struct qos_shaper *s, unsigned i, struct qos_queue_info *info)
{
	const struct qos_queue_stats *stats;

	if (i >= s->n_queues)
		return false;
	stats = &s->queues[i].stats;
	info->config = s->queues[i].config;
	info->stats = (struct qos_queue_stats){
	        .pkts = evs_load_relaxed(&stats->pkts),
	        .bytes = evs_load_relaxed(&stats->bytes),
	        .full_drops = evs_load_relaxed(&stats->full_drops),
	        .aqm_drops = evs_load_relaxed(&stats->aqm_drops),
	        .marks = evs_load_relaxed(&stats->marks),
	        .backlog_pkts = evs_load_relaxed(&stats->backlog_pkts),
	        .backlog_bytes = evs_load_relaxed(&stats->backlog_bytes),
	};
	return true;
}
