/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shaper of one port: its birth and end, its pool of packets, what comes in and what leaves.
 * Threads: the owner worker; control makes and destroys it.
 */
#include "qos/qos_shaper.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "qos/qos_shaper_pvt.h"

#define LATE_DIV        100  /* of a second: how late a poll may come without loss of rate */
#define LATE_MIN_DIV    10   /* of a second: without loss of a guarantee */
#define PEAK_LATE_DIV   10   /* of LATE_DIV: without loss of peak rate */
#define MTU_BYTES       1514 /* a backlog below is none for CoDel */
#define TARGET_US       5000
#define INTERVAL_US     100000
#define BACKLOG_DEFAULT 4096
#define BACKLOG_QUEUE   16 /* of each queue, if there are many */
#define RESERVE_MAX     32
#define STEPS_MAX       256 /* of one call to take */
#define WAITS_S         8   /* of a generation */
#define FEW_QUEUES      64  /* whose every packet counts in the waiting times */
#define WAITS_SKIP      8   /* else one in so many does */

/* ---- birth and end ---- */

static bool queue_ok(const struct qos_queue_config *q, const bool *classes)
{
	if (q->id >= QOS_QUEUES || q->priority >= QOS_PRIORITIES || q->weight == 0 ||
	    q->weight > QOS_WEIGHT_MAX || q->limit_pkts == 0 || q->limit_pkts > QOS_BACKLOG_MAX)
		return false;
	if (q->class_id >= QOS_CLASSES || !classes[q->class_id] || q->aqm > QOS_AQM_WRED)
		return false;
	if (q->aqm == QOS_AQM_WRED && (q->wred.min_pkts >= q->wred.max_pkts ||
	                               q->wred.drop_max == 0 || q->wred.drop_max > QOS_WHOLE))
		return false;
	return !q->max_bps || q->min_bps <= q->max_bps;
}

static bool config_ok(const struct qos_shaper_config *config)
{
	bool classes[QOS_CLASSES] = {true};

	if (config->average_bps == 0 || config->n_queues > QOS_QUEUES ||
	    config->n_classes > QOS_CLASSES || config->backlog_pkts > QOS_BACKLOG_MAX)
		return false;
	for (unsigned i = 0; i < config->n_classes; i++) {
		const struct qos_class_config *c = &config->classes[i];

		if (c->id >= QOS_CLASSES || c->weight == 0 || c->weight > QOS_WEIGHT_MAX ||
		    (c->max_bps && c->min_bps > c->max_bps))
			return false;
		classes[c->id] = true;
	}
	for (unsigned i = 0; i < config->n_queues; i++)
		if (!queue_ok(&config->queues[i], classes))
			return false;
	return true;
}

static void rates_init(struct qos_rates *r, uint64_t min_bps, uint64_t max_bps,
                       uint64_t burst_bytes, const struct qos_shaper *s)
{
	qos_rate_init_bps(&r->rate[QOS_MIN], min_bps, 0, s->tsc_hz);
	qos_rate_init_bps(&r->rate[QOS_MAX], max_bps, burst_bytes, s->tsc_hz);
}

static void classes_init(struct qos_shaper *s, const struct qos_shaper_config *config,
                         uint16_t index[QOS_CLASSES])
{
	s->n_classes = 1;
	s->classes[0].config.weight = 1;
	for (unsigned i = 0; i < config->n_classes; i++) {
		const struct qos_class_config *c = &config->classes[i];
		unsigned at = c->id == 0 ? 0 : index[c->id] ? index[c->id] : s->n_classes++;

		s->classes[at].config = *c;
		index[c->id] = (uint16_t)at;
		rates_init(&s->classes[at].rates, c->min_bps, c->max_bps, c->burst_bytes, s);
	}
}

/* CoDel's times: not below what two frames take at the queue's own limits. */
static void codel_init(struct qos_shaper *s, struct qos_queue *q,
                       const struct qos_shaper_config *config)
{
	uint64_t target_us = config->target_us ? config->target_us : TARGET_US;
	uint64_t interval_us = config->interval_us ? config->interval_us : INTERVAL_US;
	struct qos_queue_rest *rest = qos_rest_of(s, q);
	uint64_t limits[2] = {rest->config.max_bps, s->classes[q->class].config.max_bps};

	for (unsigned i = 0; i < 2; i++)
		if (limits[i])
			target_us = EVS_MAX(target_us,
			                    2 * 8 * UINT64_C(1000000) * MTU_BYTES / limits[i]);
	rest->codel_config.target = (uint64_t)((__uint128_t)s->tsc_hz * target_us / 1000000);
	q->target = (uint32_t)EVS_MIN(QOS_SOJOURN(rest->codel_config.target), UINT64_C(0xffffffff));
	rest->codel_config.interval =
	        (uint64_t)((__uint128_t)s->tsc_hz * EVS_MAX(interval_us, target_us) / 1000000);
}

static void queue_init(struct qos_shaper *s, unsigned at, const struct qos_shaper_config *config,
                       const uint16_t class_index[QOS_CLASSES])
{
	struct qos_queue *q = &s->queues[at];
	const struct qos_queue_config *c = &s->rests[at].config;

	q->head = q->tail = QOS_NONE;
	q->limit = c->limit_pkts;
	q->priority = c->priority;
	q->weight = c->weight;
	q->class = class_index[c->class_id];
	q->aqm = c->aqm != QOS_AQM_DEFAULT ? c->aqm
	         : config->target_us       ? QOS_AQM_CODEL
	                                   : QOS_AQM_NONE;
	rates_init(&q->rates, c->min_bps, c->max_bps, c->burst_bytes, s);
	codel_init(s, q, config);
}

static void queues_init(struct qos_shaper *s, const struct qos_shaper_config *config,
                        const uint16_t class_index[QOS_CLASSES])
{
	s->n_queues = 1;
	s->rests[0].config = (struct qos_queue_config){
	        .priority = QOS_PRIORITIES / 2, .weight = 1, .limit_pkts = QOS_LIMIT_DEFAULT};
	for (unsigned i = 0; i < config->n_queues; i++) {
		const struct qos_queue_config *q = &config->queues[i];
		unsigned at = q->id == 0 ? 0 : s->map[q->id] ? s->map[q->id] : s->n_queues++;

		s->rests[at].config = *q;
		s->map[q->id] = (uint16_t)at;
	}
	for (unsigned i = 0; i < s->n_queues; i++)
		queue_init(s, i, config, class_index);
}

static uint32_t backlog_of(const struct qos_shaper_config *config)
{
	uint32_t all = (config->n_queues + 1) * BACKLOG_QUEUE;

	return config->backlog_pkts ? config->backlog_pkts : EVS_MAX(all, BACKLOG_DEFAULT);
}

/* Places: some for each queue alone, the rest for who comes first. */
static void places_init(struct qos_shaper *s, uint32_t backlog)
{
	s->free = QOS_NONE;
	s->reserve = EVS_MAX(EVS_MIN(backlog / 2 / s->n_queues, (uint32_t)RESERVE_MAX), 1u);
	s->shared = backlog - EVS_MIN(backlog, s->reserve * s->n_queues);
}

static void *zeroed(size_t n, size_t size)
{
	size_t all = (n * size + EVS_CACHE_LINE - 1) / EVS_CACHE_LINE * EVS_CACHE_LINE;
	void *mem = aligned_alloc(EVS_CACHE_LINE, all);

	return mem ? memset(mem, 0, all) : NULL;
}

static struct qos_shaper *alloc(const struct qos_shaper_config *config)
{
	uint32_t backlog = backlog_of(config), n_nodes;
	struct qos_shaper *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	n_nodes = EVS_MAX(backlog, config->n_queues + 1) + BACKLOG_QUEUE;
	s->n_nodes = EVS_MAX(n_nodes, config->pool_pkts);
	s->queues = zeroed(config->n_queues + 1, sizeof(*s->queues));
	s->classes = zeroed(config->n_classes + 1, sizeof(*s->classes));
	s->rests = calloc(config->n_queues + 1, sizeof(*s->rests));
	s->nodes = calloc(s->n_nodes, sizeof(*s->nodes));
	if (s->queues && s->classes && s->rests && s->nodes)
		return s;
	qos_shaper_destroy(s);
	errno = ENOMEM;
	return NULL;
}

struct qos_shaper *qos_shaper_create(const struct qos_shaper_config *config, uint64_t tsc_hz)
{
	uint16_t class_index[QOS_CLASSES] = {0};
	struct qos_shaper *s;

	if (!config_ok(config) || tsc_hz == 0) {
		errno = EINVAL;
		return NULL;
	}
	s = alloc(config);
	if (!s)
		return NULL;
	s->tsc_hz = tsc_hz;
	s->wait_shift = 63 - (uint32_t)__builtin_clzll(tsc_hz / 4000000 | 1);
	qos_rate_init_bps(&s->average, config->average_bps, config->burst_bytes, tsc_hz);
	qos_rate_init_bps(&s->peak, config->peak_bps, 0, tsc_hz);
	s->packet_tsc = EVS_MAX(
	        (uint64_t)((__uint128_t)tsc_hz * MTU_BYTES * 8 / config->average_bps), UINT64_C(1));
	s->late = (tsc_hz << QOS_TIME_SHIFT) / LATE_DIV;
	s->late_min = (tsc_hz << QOS_TIME_SHIFT) / LATE_MIN_DIV;
	s->wire = (struct qos_wire){config->overhead_bytes, config->frame_min_bytes};
	s->random = 2463534242u;
	s->has_map = config->map != NULL;
	if (config->map)
		s->classify = *config->map;
	classes_init(s, config, class_index);
	queues_init(s, config, class_index);
	s->wait_skip = s->n_queues > FEW_QUEUES ? WAITS_SKIP - 1 : 0;
	places_init(s, backlog_of(config));
	qos_sched_init(s);
	return s;
}

void qos_shaper_destroy(struct qos_shaper *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n_queues; i++)
		for (uint32_t n = s->queues[i].head; n != QOS_NONE; n = s->nodes[n].next)
			rte_pktmbuf_free(s->nodes[n].mbuf);
	free(s->nodes);
	free(s->rests);
	free(s->classes);
	free(s->queues);
	free(s);
}

/* ---- in ---- */

/* A node is free: the caller knows. */
static void append(struct qos_shaper *s, struct qos_queue *q, struct rte_mbuf *mbuf,
                   uint64_t since_tsc, uint64_t now_tsc)
{
	uint32_t at = s->free != QOS_NONE ? s->free : s->fresh++;
	struct qos_node *node = &s->nodes[at];

	if (at == s->free)
		s->free = node->next;
	*node = (struct qos_node){mbuf, since_tsc, qos_wire_len(&s->wire, mbuf), QOS_NONE};
	if (q->tail == QOS_NONE)
		q->head = at;
	else
		s->nodes[q->tail].next = at;
	q->tail = at;
	s->in_shared += q->n >= s->reserve;
	evs_store_relaxed(&s->backlog, s->backlog + 1);
	evs_store_relaxed(&q->bytes, q->bytes + node->len);
	evs_store_relaxed(&q->n, q->n + 1);
	if (q->n == 1)
		qos_sched_start(s, q, now_tsc << QOS_TIME_SHIFT);
}

static bool has_room(const struct qos_shaper *s, const struct qos_queue *q)
{
	if (evs_unlikely(q->n >= q->limit) || evs_unlikely(s->backlog >= s->n_nodes))
		return false;
	return q->n < s->reserve || s->in_shared < s->shared;
}

/* Packets begin to wait: what idle time is worth is settled now. */
static void wake(struct qos_shaper *s, uint64_t now)
{
	qos_rate_refresh(&s->average, now, EVS_MAX(s->average.slack, UINT64_C(1)));
	qos_rate_refresh(&s->peak, now, 1);
}

EVS_INLINE struct qos_queue *queue_of(const struct qos_shaper *s, uint32_t id)
{
	return &s->queues[id < QOS_QUEUES ? s->map[id] : 0];
}

EVS_HOT void qos_shaper_prefetch(const struct qos_shaper *s, uint32_t queue)
{
	const struct qos_queue *q = queue_of(s, queue);

	rte_prefetch0(q);
	rte_prefetch0(&q->rates);
}

EVS_HOT uint32_t qos_shaper_queue_for(const struct qos_shaper *s, uint32_t queue,
                                      const struct rte_mbuf *mbuf)
{
	return queue == 0 && s->has_map ? qos_classify(&s->classify, mbuf) : queue;
}

EVS_HOT bool qos_shaper_admits(const struct qos_shaper *s, uint32_t queue, uint32_t room,
                               uint32_t size)
{
	const struct qos_queue *q = queue_of(s, queue);
	bool guaranteed = q->is_limited && q->rates.rate[QOS_MIN].cost;
	uint32_t spare = guaranteed ? 0 : q->priority * (size / (2 * QOS_PRIORITIES));

	return evs_load_relaxed(&q->n) < q->limit && room > spare;
}

/* Several workers may. */
void qos_shaper_refused(struct qos_shaper *s, uint32_t queue)
{
	__atomic_fetch_add(&qos_rest_of(s, queue_of(s, queue))->full_drops, 1, __ATOMIC_RELAXED);
}

EVS_HOT enum qos_put qos_shaper_put(struct qos_shaper *s, uint32_t queue, struct rte_mbuf **mbuf,
                                    uint64_t now_tsc)
{
	struct qos_queue *q = queue_of(s, queue);

	if (evs_unlikely(!has_room(s, q))) {
		qos_shaper_refused(s, queue);
		return QOS_PUT_FULL;
	}
	if (q->aqm == QOS_AQM_WRED && qos_wred_drops(s, q, mbuf, now_tsc)) {
		evs_counter_add(&qos_rest_of(s, q)->aqm_drops, 1);
		return QOS_PUT_AQM;
	}
	if (s->backlog == 0)
		wake(s, now_tsc << QOS_TIME_SHIFT);
	append(s, q, *mbuf, now_tsc, now_tsc);
	return QOS_PUT_DONE;
}

/* ---- out ---- */

static void waited(struct qos_shaper *s, struct qos_queue *q, uint64_t since_tsc, uint64_t now_tsc)
{
	struct qos_waits *w = &qos_rest_of(s, q)->waits;

	if (evs_unlikely(now_tsc - w->since_tsc > WAITS_S * s->tsc_hz)) {
		w->since_tsc = now_tsc;
		w->now ^= 1;
		for (unsigned i = 0; i < QOS_WAIT_SLOTS; i++) /* control may read it */
			evs_store_relaxed(&w->n[w->now][i], 0);
		evs_store_relaxed(&w->max_tsc[w->now], 0);
	}
	qos_waits_add(s, w, now_tsc - since_tsc);
}

/* The packet at the head of a queue that holds some; *nodep stays readable until the next append.
 */
static struct rte_mbuf *pop(struct qos_shaper *s, struct qos_queue *q,
                            const struct qos_node **nodep)
{
	uint32_t at = q->head;
	struct qos_node *node = &s->nodes[at];

	q->head = node->next;
	if (q->head == QOS_NONE)
		q->tail = QOS_NONE;
	node->next = s->free;
	s->free = at;
	evs_store_relaxed(&q->n, q->n - 1);
	evs_store_relaxed(&q->bytes, q->bytes - node->len);
	evs_store_relaxed(&s->backlog, s->backlog - 1);
	s->in_shared -= q->n >= s->reserve;
	*nodep = node;
	return node->mbuf;
}

/* Does CoDel want the head of the queue dropped? A marked packet stays. */
static bool codel_drops(struct qos_shaper *s, struct qos_queue *q, uint64_t sojourn,
                        uint64_t now_tsc)
{
	struct qos_queue_rest *rest = qos_rest_of(s, q);
	bool bad, hit;

	bad = qos_codel_is_bad(&rest->codel, &rest->codel_config, sojourn, q->bytes <= MTU_BYTES,
	                       now_tsc);
	hit = qos_codel_hits(&rest->codel, &rest->codel_config, bad, now_tsc);
	q->codel_on = rest->codel.first_above || rest->codel.dropping;
	if (evs_likely(!hit))
		return false;
	if (qos_ecn_mark(&s->nodes[q->head].mbuf)) {
		evs_counter_add(&rest->marks, 1);
		return false;
	}
	evs_counter_add(&rest->aqm_drops, 1);
	return true;
}

/* A wait below the target of a queue that was not above it is of no interest. */
EVS_INLINE bool is_dropped(struct qos_shaper *s, struct qos_queue *q, uint64_t now_tsc)
{
	uint64_t sojourn = now_tsc - s->nodes[q->head].since_tsc;

	if (q->aqm != QOS_AQM_CODEL ||
	    (evs_likely(QOS_SOJOURN(sojourn) < q->target) && evs_likely(!q->codel_on)))
		return false;
	return codel_drops(s, q, sojourn, now_tsc);
}

/* The packet leaves the first queue of the group; the port may have been late by now_tsc. */
EVS_INLINE struct rte_mbuf *leave(struct qos_shaper *s, struct qos_group *g, uint64_t now_tsc,
                                  bool dropped)
{
	struct qos_queue *q = &s->queues[g->head];
	const struct qos_node *node;
	struct rte_mbuf *mbuf = pop(s, q, &node);

	if (evs_likely(!dropped)) {
		qos_rate_charge(&s->average, node->len);
		qos_rate_charge(&s->peak, node->len);
		evs_counter_add(&q->sent_pkts, 1);
		evs_counter_add(&q->sent_bytes, node->len);
		if ((s->n_sent++ & s->wait_skip) == 0)
			waited(s, q, node->since_tsc, now_tsc);
	}
	if (q->n == 0 && q->aqm == QOS_AQM_WRED)
		qos_rest_of(s, q)->wred.idle_tsc = now_tsc;
	qos_sched_left(s, g, dropped ? 0 : node->len);
	return mbuf;
}

EVS_HOT void qos_shaper_take(struct qos_shaper *s, uint64_t now_tsc, struct qos_taken *t)
{
	uint64_t now = now_tsc << QOS_TIME_SHIFT;
	unsigned steps = STEPS_MAX;
	struct qos_group *g;

	t->n_out = t->n_dropped = 0;
	t->more = false;
	if (s->backlog == 0)
		return;
	qos_sched_wake(s, now);
	qos_rate_refresh(&s->average, now, EVS_MAX(s->average.slack, s->late));
	qos_rate_refresh(&s->peak, now, s->late / PEAK_LATE_DIV);
	while (t->n_out < QOS_BURST_LEN && t->n_dropped < QOS_BURST_LEN &&
	       qos_rate_open(&s->average, now) && qos_rate_open(&s->peak, now) &&
	       (g = qos_sched_next(s, now, &steps)) != NULL) {
		if (evs_unlikely(is_dropped(s, &s->queues[g->head], now_tsc)))
			t->dropped[t->n_dropped++] = leave(s, g, now_tsc, true);
		else
			t->out[t->n_out++] = leave(s, g, now_tsc, false);
	}
	t->more = t->n_out == QOS_BURST_LEN || t->n_dropped == QOS_BURST_LEN || steps == 0;
}

unsigned qos_shaper_flush(struct qos_shaper *s, struct rte_mbuf *out[QOS_BURST_LEN])
{
	unsigned n = 0, steps;
	struct qos_group *g;

	if (!s->flushing)
		qos_sched_flush(s);
	while (n < QOS_BURST_LEN && s->backlog) {
		steps = STEPS_MAX;
		g = qos_sched_next(s, 0, &steps);
		if (!g) {
			assert(steps == 0); /* debts are being paid */
			continue;
		}
		out[n++] = leave(s, g, s->nodes[s->queues[g->head].head].since_tsc, false);
	}
	return n;
}

/* ---- another configuration ---- */

static struct qos_class *class_of_id(struct qos_shaper *s, uint16_t id)
{
	for (unsigned i = 0; i < s->n_classes; i++)
		if (s->classes[i].config.id == id)
			return &s->classes[i];
	return NULL;
}

static void rates_move(const struct qos_rates *from, struct qos_rates *to, uint64_t now_tsc)
{
	for (unsigned i = 0; i < QOS_N_RATES; i++)
		qos_rate_move(&from->rate[i], &to->rate[i], now_tsc << QOS_TIME_SHIFT);
}

static void queue_move(struct qos_shaper *from, struct qos_queue *old, struct qos_shaper *to,
                       uint64_t now_tsc)
{
	const struct qos_queue_rest *old_rest = qos_rest_of(from, old);
	struct qos_queue *new = queue_of(to, old_rest->config.id);
	struct qos_queue_rest *rest = qos_rest_of(to, new);
	struct qos_node *node;

	if (rest->config.id == old_rest->config.id) {
		new->sent_pkts = old->sent_pkts;
		new->sent_bytes = old->sent_bytes;
		rest->full_drops = old_rest->full_drops;
		rest->aqm_drops = old_rest->aqm_drops;
		rest->marks = old_rest->marks;
		rest->waits = old_rest->waits;
		rest->wred = old_rest->wred;
		rates_move(&old->rates, &new->rates, now_tsc);
	}
	for (uint32_t at = old->head; at != QOS_NONE; at = node->next) {
		node = &from->nodes[at];
		append(to, new, node->mbuf, node->since_tsc, now_tsc);
	}
	old->head = old->tail = QOS_NONE;
	old->n = old->bytes = 0;
}

void qos_shaper_move(struct qos_shaper *from, struct qos_shaper *to, uint64_t now_tsc)
{
	qos_rate_move(&from->average, &to->average, now_tsc << QOS_TIME_SHIFT);
	qos_rate_move(&from->peak, &to->peak, now_tsc << QOS_TIME_SHIFT);
	for (unsigned i = 0; i < from->n_classes; i++) {
		struct qos_class *old = &from->classes[i], *new = class_of_id(to, old->config.id);

		if (!new)
			continue;
		rates_move(&old->rates, &new->rates, now_tsc);
		new->pkts = old->pkts;
		new->bytes = old->bytes;
	}
	for (unsigned i = 0; i < from->n_queues; i++)
		queue_move(from, &from->queues[i], to, now_tsc);
	evs_store_relaxed(&from->backlog, 0);
}
