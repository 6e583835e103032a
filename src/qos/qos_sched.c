/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which queue sends: levels, groups, deficit round robin, and the wheel on which those wait that
 * may not send yet. Threads: the owner worker.
 *
 * Limits are looked at when a queue's turn comes, not before: what may not send then leaves its
 * list for the wheel. So a packet costs no search, and one that no limit touches never meets
 * the wheel. A slot is looked at when its time has passed whole, so nothing wakes early; the
 * lateness, some 30 us, is credit of the rate.
 */
#include <string.h>

#include <rte_prefetch.h>

#include "qos/qos_shaper_pvt.h"

#define QUANTUM_BYTES 1600 /* of weight 1 in a round */
#define TICKS_PER_S   32768
#define WAKES_MAX     64 /* of one call */

/* ---- the wheel ---- */

/* A timer's name: an index, which of its rates, and of what. */
#define TIMER_INDEX    0xfff
#define TIMER_WHICH(t) ((enum qos_which)((t) >> 12 & 1))
#define TIMER_CLASS    0x2000
static_assert(QOS_QUEUES - 1 <= TIMER_INDEX && QOS_CLASSES - 1 <= TIMER_INDEX, "12 bits");

EVS_INLINE uint16_t queue_timer(const struct qos_shaper *s, const struct qos_queue *q,
                                enum qos_which which)
{
	return (uint16_t)((unsigned)(q - s->queues) | which << 12);
}

EVS_INLINE uint16_t class_timer(const struct qos_shaper *s, const struct qos_class *c,
                                enum qos_which which)
{
	return (uint16_t)((unsigned)(c - s->classes) | which << 12 | TIMER_CLASS);
}

static struct qos_rates *timer_rates(const struct qos_shaper *s, uint16_t timer)
{
	return timer & TIMER_CLASS ? &s->classes[timer & TIMER_INDEX].rates
	                           : &s->queues[timer & TIMER_INDEX].rates;
}

/* Until the rate is open again. */
static void timer_start(struct qos_shaper *s, uint16_t timer)
{
	struct qos_rates *r = timer_rates(s, timer);
	enum qos_which which = TIMER_WHICH(timer);
	uint64_t opens_tsc = (r->rate[which].spent >> QOS_TIME_SHIFT) + 1;
	uint64_t tick = EVS_MAX(opens_tsc >> s->tick_shift, s->tick);
	unsigned slot = EVS_MIN(tick, s->tick + QOS_WHEEL_SLOTS - 1) % QOS_WHEEL_SLOTS;

	if (r->armed >> which & 1)
		return;
	r->armed |= (uint8_t)(1u << which);
	r->next[which] = s->wheel[slot];
	s->wheel[slot] = timer;
	s->n_timers++;
}

/* The first of a slot that holds some. */
static uint16_t timer_pop(struct qos_shaper *s, uint16_t *slot)
{
	uint16_t timer = *slot;
	struct qos_rates *r = timer_rates(s, timer);

	*slot = r->next[TIMER_WHICH(timer)];
	r->armed &= (uint8_t) ~(1u << TIMER_WHICH(timer));
	s->n_timers--;
	return timer;
}

/* ---- lists ---- */

static void group_list(struct qos_shaper *s, struct qos_group *g)
{
	const struct qos_class *c = &s->classes[g->class];

	if (g->listed || c->asleep)
		return;
	g->level = (uint8_t)(g->priority + (g->kind == QOS_GUARANTEED ? 0
	                                    : c->promised             ? QOS_BAND
	                                                              : QOS_BEST_EFFORT));
	TAILQ_INSERT_TAIL(&s->level[g->level], g, link);
	s->levels |= 1u << g->level;
	g->listed = true;
}

static void group_unlist(struct qos_shaper *s, struct qos_group *g)
{
	if (!g->listed)
		return;
	TAILQ_REMOVE(&s->level[g->level], g, link);
	if (TAILQ_EMPTY(&s->level[g->level]))
		s->levels &= ~(1u << g->level);
	g->listed = false;
}

static void group_rotate(struct qos_shaper *s, struct qos_group *g)
{
	if (!TAILQ_NEXT(g, link))
		return;
	TAILQ_REMOVE(&s->level[g->level], g, link);
	TAILQ_INSERT_TAIL(&s->level[g->level], g, link);
}

EVS_INLINE void group_append(struct qos_shaper *s, struct qos_group *g, struct qos_queue *q)
{
	uint16_t at = (uint16_t)(q - s->queues);

	q->next[g->kind] = QOS_NONE_16;
	if (g->head == QOS_NONE_16)
		g->head = at;
	else
		s->queues[g->tail].next[g->kind] = at;
	g->tail = at;
}

static void group_add(struct qos_shaper *s, struct qos_queue *q, enum qos_kind kind)
{
	struct qos_group *g = &s->classes[q->class].groups[kind][q->priority];

	if (q->in >> kind & 1)
		return;
	q->in |= (uint8_t)(1u << kind);
	group_append(s, g, q);
	group_list(s, g);
}

/* Takes the first queue out. */
static void group_pop(struct qos_shaper *s, struct qos_group *g)
{
	struct qos_queue *q = &s->queues[g->head];

	q->in &= (uint8_t) ~(1u << g->kind);
	g->head = q->next[g->kind];
	if (g->head != QOS_NONE_16)
		return;
	group_unlist(s, g);
	g->deficit = EVS_MIN(g->deficit, 0); /* a debt stays, credit goes */
}

/* The first queue becomes the last. */
EVS_INLINE void group_turn(struct qos_shaper *s, struct qos_group *g)
{
	struct qos_queue *q = &s->queues[g->head];

	if (g->head == g->tail)
		return;
	g->head = q->next[g->kind];
	group_append(s, g, q);
}

/* Lists the queue where it belongs; if its guarantee is used up, until it opens again. */
static void queue_list(struct qos_shaper *s, struct qos_queue *q, uint64_t now, uint64_t slack)
{
	struct qos_rate *min = &q->rates.rate[QOS_MIN];

	group_add(s, q, QOS_PLAIN);
	if (!q->is_limited || !min->cost || s->flushing)
		return;
	qos_rate_refresh(min, now, slack);
	if (qos_rate_open(min, now))
		group_add(s, q, QOS_GUARANTEED);
	else
		timer_start(s, queue_timer(s, q, QOS_MIN));
}

/* Idle time is worth a burst of its limit, and little of a guarantee. */
static void rates_start(const struct qos_shaper *s, struct qos_rates *r, uint64_t now)
{
	struct qos_rate *max = &r->rate[QOS_MAX];

	if (max->cost)
		qos_rate_refresh(max, now, EVS_MAX(max->slack, UINT64_C(1)));
	qos_rate_refresh(&r->rate[QOS_MIN], now, s->late);
}

EVS_HOT void qos_sched_start(struct qos_shaper *s, struct qos_queue *q, uint64_t now)
{
	struct qos_class *c = &s->classes[q->class];

	if (q->is_limited)
		rates_start(s, &q->rates, now);
	if (c->n++ == 0 && c->is_limited)
		rates_start(s, &c->rates, now);
	if (q->deficit <= 0)
		q->deficit += q->weight * QUANTUM_BYTES;
	if (!q->is_limited || !(q->rates.armed >> QOS_MAX & 1))
		queue_list(s, q, now, s->late);
}

/* ---- waking ---- */

static void class_list(struct qos_shaper *s, struct qos_class *c)
{
	for (unsigned kind = 0; kind < QOS_N_KINDS; kind++)
		for (unsigned p = 0; p < QOS_PRIORITIES; p++)
			if (c->groups[kind][p].head != QOS_NONE_16)
				group_list(s, &c->groups[kind][p]);
}

/* The class has a guarantee left, or none: its groups change the level. */
static void class_promise(struct qos_shaper *s, struct qos_class *c, bool promised)
{
	c->promised = promised;
	for (unsigned p = 0; p < QOS_PRIORITIES; p++)
		group_unlist(s, &c->groups[QOS_PLAIN][p]);
	class_list(s, c);
}

static void timer_fire(struct qos_shaper *s, uint16_t timer, uint64_t now)
{
	struct qos_class *c = &s->classes[timer & TIMER_INDEX];
	struct qos_queue *q = &s->queues[timer & TIMER_INDEX];

	if (!(timer & TIMER_CLASS)) {
		if (q->n && !(q->rates.armed >> QOS_MAX & 1))
			queue_list(s, q, now, s->late_min);
	} else if (TIMER_WHICH(timer) == QOS_MIN) {
		class_promise(s, c, true);
	} else {
		c->asleep = false;
		class_list(s, c);
	}
}

/* A timer further away than the wheel reaches, or whose rate was used meanwhile, takes another
 * round. */
static void slot_run(struct qos_shaper *s, uint16_t *slot, uint64_t now, unsigned *left)
{
	for (; *slot != QOS_NONE_16 && *left; --*left) {
		uint16_t timer = timer_pop(s, slot);

		if (qos_rate_open(&timer_rates(s, timer)->rate[TIMER_WHICH(timer)], now))
			timer_fire(s, timer, now);
		else
			timer_start(s, timer);
	}
}

void qos_sched_wake(struct qos_shaper *s, uint64_t now)
{
	uint64_t to = now >> (QOS_TIME_SHIFT + s->tick_shift);
	unsigned left = WAKES_MAX;

	if (to > s->tick + QOS_WHEEL_SLOTS)
		s->tick = to - QOS_WHEEL_SLOTS; /* what lies in between is in these slots, too */
	while (s->tick < to && s->n_timers) {
		uint16_t *slot = &s->wheel[s->tick % QOS_WHEEL_SLOTS];

		slot_run(s, slot, now, &left);
		if (left == 0)
			return; /* the rest of the slot next time */
		s->tick++;
	}
	if (s->n_timers == 0)
		s->tick = EVS_MAX(s->tick, to);
}

void qos_sched_flush(struct qos_shaper *s)
{
	s->flushing = true;
	for (unsigned i = 0; i < QOS_WHEEL_SLOTS; i++)
		while (s->wheel[i] != QOS_NONE_16)
			timer_fire(s, timer_pop(s, &s->wheel[i]), 0);
}

/* ---- whose turn ---- */

/* May the class send, and at this level? */
static bool class_may(struct qos_shaper *s, struct qos_class *c, struct qos_group *g, uint64_t now)
{
	struct qos_rate *min = &c->rates.rate[QOS_MIN], *max = &c->rates.rate[QOS_MAX];

	if (max->cost) {
		qos_rate_refresh(max, now, EVS_MAX(max->slack, s->late));
		if (c->asleep || !qos_rate_open(max, now)) {
			c->asleep = true;
			timer_start(s, class_timer(s, c, QOS_MAX));
			group_unlist(s, g);
			return false;
		}
	}
	if (g->level < QOS_BAND || g->level >= QOS_BEST_EFFORT)
		return true;
	qos_rate_refresh(min, now, s->late_min);
	if (qos_rate_open(min, now))
		return true;
	class_promise(s, c, false);
	timer_start(s, class_timer(s, c, QOS_MIN));
	return false;
}

/* The first group of the level, unless its class may not send or it has had its turn. */
EVS_INLINE struct qos_group *group_next(struct qos_shaper *s, unsigned level, uint64_t now)
{
	struct qos_group *g = TAILQ_FIRST(&s->level[level]);
	struct qos_class *c = &s->classes[g->class];

	if (evs_unlikely(c->is_limited) && !s->flushing && !class_may(s, c, g, now))
		return NULL;
	if (g->deficit > 0 || level < QOS_BEST_EFFORT)
		return g;
	if (!TAILQ_NEXT(g, link)) {
		g->deficit = c->quantum; /* alone: nobody to settle with */
		return g;
	}
	g->deficit += c->quantum;
	group_rotate(s, g);
	return NULL;
}

/* May the first queue of the group send by its own rates? Else it leaves until it may. */
static bool queue_may(struct qos_shaper *s, struct qos_queue *q, struct qos_group *g, uint64_t now)
{
	struct qos_rate *min = &q->rates.rate[QOS_MIN], *max = &q->rates.rate[QOS_MAX];
	enum qos_which closed = QOS_N_RATES;

	if (max->cost) {
		qos_rate_refresh(max, now, EVS_MAX(max->slack, s->late));
		if (!qos_rate_open(max, now))
			closed = QOS_MAX;
	}
	if (closed == QOS_N_RATES && g->kind == QOS_GUARANTEED) {
		qos_rate_refresh(min, now, s->late_min);
		if (!qos_rate_open(min, now))
			closed = QOS_MIN;
	}
	if (closed == QOS_N_RATES)
		return true;
	group_pop(s, g);
	timer_start(s, queue_timer(s, q, closed));
	return false;
}

EVS_INLINE void prefetch_next(const struct qos_shaper *s, const struct qos_queue *q,
                              enum qos_kind kind)
{
	const struct qos_queue *next = &s->queues[q->next[kind] & (QOS_QUEUES - 1)];

	rte_prefetch0(next);
	if (q->is_limited)
		rte_prefetch0(&next->rates);
}

EVS_HOT struct qos_group *qos_sched_next(struct qos_shaper *s, uint64_t now, unsigned *steps)
{
	for (; s->levels && *steps; --*steps) {
		struct qos_group *g = group_next(s, (unsigned)__builtin_ctz(s->levels), now);
		struct qos_queue *q = g ? &s->queues[g->head] : NULL;

		if (!g)
			continue;
		prefetch_next(s, q, g->kind);
		if (evs_unlikely(!q->n)) { /* ran empty in its other list */
			group_pop(s, g);
			continue;
		}
		if (g->kind == QOS_PLAIN && q->deficit <= 0) {
			q->deficit += q->weight * QUANTUM_BYTES;
			group_turn(s, g);
			continue;
		}
		if (q->is_limited && !s->flushing && !queue_may(s, q, g, now))
			continue;
		return g;
	}
	return NULL;
}

/* A packet that is sent by a guarantee is charged to that, others to the turn. */
EVS_INLINE void charge(struct qos_queue *q, struct qos_class *c, struct qos_group *g, uint32_t len)
{
	if (g->kind == QOS_GUARANTEED)
		qos_rate_charge(&q->rates.rate[QOS_MIN], len);
	else
		q->deficit -= (int32_t)len;
	if (q->is_limited && q->rates.rate[QOS_MAX].cost)
		qos_rate_charge(&q->rates.rate[QOS_MAX], len);
	if (g->level >= QOS_BEST_EFFORT)
		g->deficit -= (int32_t)len;
	if (c->is_limited) {
		qos_rate_charge(&c->rates.rate[QOS_MAX], len);
		if (g->level < QOS_BEST_EFFORT)
			qos_rate_charge(&c->rates.rate[QOS_MIN], len);
	}
	evs_counter_add(&c->pkts, 1);
	evs_counter_add(&c->bytes, len);
}

EVS_HOT void qos_sched_left(struct qos_shaper *s, struct qos_group *g, uint32_t len)
{
	struct qos_queue *q = &s->queues[g->head];
	struct qos_class *c = &s->classes[g->class];

	if (evs_likely(len))
		charge(q, c, g, len);
	if (g->level < QOS_BEST_EFFORT) /* each has its rate: plainly in turn */
		group_rotate(s, g);
	if (q->n == 0) {
		group_pop(s, g);
		q->deficit = EVS_MIN(q->deficit, 0);
		c->n--;
	} else if (g->kind == QOS_GUARANTEED) {
		group_turn(s, g);
	}
}

static void groups_init(struct qos_class *c, uint16_t at)
{
	for (unsigned kind = 0; kind < QOS_N_KINDS; kind++)
		for (unsigned p = 0; p < QOS_PRIORITIES; p++)
			c->groups[kind][p] = (struct qos_group){.head = QOS_NONE_16,
			                                        .class = at,
			                                        .kind = (uint8_t)kind,
			                                        .priority = (uint8_t)p};
}

static bool has_rates(const struct qos_rates *r)
{
	return r->rate[QOS_MIN].cost || r->rate[QOS_MAX].cost;
}

void qos_sched_init(struct qos_shaper *s)
{
	s->tick_shift = 63 - (uint32_t)__builtin_clzll(s->tsc_hz / TICKS_PER_S | 1);
	memset(s->wheel, 0xff, sizeof(s->wheel));
	for (unsigned i = 0; i < QOS_LEVELS; i++)
		TAILQ_INIT(&s->level[i]);
	for (unsigned i = 0; i < s->n_classes; i++) {
		struct qos_class *c = &s->classes[i];

		c->quantum = c->config.weight * QUANTUM_BYTES;
		c->promised = c->rates.rate[QOS_MIN].cost;
		c->is_limited = has_rates(&c->rates);
		groups_init(c, (uint16_t)i);
	}
	for (unsigned i = 0; i < s->n_queues; i++)
		s->queues[i].is_limited = has_rates(&s->queues[i].rates);
}
