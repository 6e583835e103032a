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

#include "qos/qos_shaper_pvt.h"

#define QUANTUM_BYTES 1600 /* of weight 1 in a round */
#define TICKS_PER_S   32768
#define WAKES_MAX     64 /* of one call */

/* ---- the wheel ---- */

static void timer_stop(struct qos_shaper *s, struct qos_timer *t)
{
	if (!t->armed)
		return;
	TAILQ_REMOVE(&s->wheel[t->slot], t, link);
	t->armed = false;
	s->n_timers--;
}

static void timer_start(struct qos_shaper *s, struct qos_timer *t, uint64_t at_tsc)
{
	uint64_t tick = EVS_MAX(at_tsc >> s->tick_shift, s->tick);

	timer_stop(s, t);
	t->at_tsc = at_tsc;
	t->slot = (uint16_t)(EVS_MIN(tick, s->tick + QOS_WHEEL_SLOTS - 1) % QOS_WHEEL_SLOTS);
	t->armed = true;
	s->n_timers++;
	TAILQ_INSERT_TAIL(&s->wheel[t->slot], t, link);
}

/* When a rate opens again. */
static uint64_t opens_tsc(const struct qos_rate *r)
{
	return (r->spent >> QOS_TIME_SHIFT) + 1;
}

/* ---- lists ---- */

static void group_list(struct qos_shaper *s, struct qos_group *g)
{
	if (g->listed || g->class->asleep)
		return;
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

static void place_list(struct qos_shaper *s, struct qos_place *p, struct qos_group *g)
{
	if (p->group)
		return;
	TAILQ_INSERT_TAIL(&g->places, p, link);
	p->group = g;
	group_list(s, g);
}

static void place_unlist(struct qos_shaper *s, struct qos_place *p)
{
	struct qos_group *g = p->group;

	if (!g)
		return;
	TAILQ_REMOVE(&g->places, p, link);
	p->group = NULL;
	if (TAILQ_EMPTY(&g->places)) {
		group_unlist(s, g);
		g->deficit = EVS_MIN(g->deficit, 0); /* a debt stays, credit goes */
	}
}

/* Lists the queue where it belongs; if its guarantee is used up, until it opens again. */
static void queue_list(struct qos_shaper *s, struct qos_queue *q, uint64_t now)
{
	place_list(s, &q->place, &q->class->groups[q->priority + QOS_PRIORITIES]);
	if (!q->min.cost || s->flushing)
		return;
	qos_rate_refresh(&q->min, now, EVS_MAX(q->min.slack, s->late));
	if (qos_rate_open(&q->min, now))
		place_list(s, &q->guaranteed, &q->class->groups[q->priority]);
	else
		timer_start(s, &q->timer, opens_tsc(&q->min));
}

static void queue_unlist(struct qos_shaper *s, struct qos_queue *q)
{
	place_unlist(s, &q->place);
	place_unlist(s, &q->guaranteed);
	timer_stop(s, &q->timer);
}

void qos_sched_start(struct qos_shaper *s, struct qos_queue *q, uint64_t now)
{
	if (q->max.cost)
		qos_rate_refresh(&q->max, now, EVS_MAX(q->max.slack, UINT64_C(1)));
	if (q->class->n++ == 0 && q->class->max.cost)
		qos_rate_refresh(&q->class->max, now, EVS_MAX(q->class->max.slack, UINT64_C(1)));
	if (q->deficit <= 0)
		q->deficit += q->quantum;
	queue_list(s, q, now);
}

void qos_sched_stop(struct qos_shaper *s, struct qos_queue *q)
{
	queue_unlist(s, q);
	q->deficit = EVS_MIN(q->deficit, 0);
	q->class->n--;
}

static void class_wake(struct qos_shaper *s, struct qos_class *c)
{
	c->asleep = false;
	for (unsigned level = 0; level < QOS_LEVELS; level++)
		if (!TAILQ_EMPTY(&c->groups[level].places))
			group_list(s, &c->groups[level]);
}

static void timer_fire(struct qos_shaper *s, struct qos_timer *t, uint64_t now)
{
	timer_stop(s, t);
	if (t->is_class)
		class_wake(s, evs_container_of(t, struct qos_class, timer));
	else
		queue_list(s, evs_container_of(t, struct qos_queue, timer), now);
}

/* A timer further away than the wheel reaches takes another round. */
static void slot_run(struct qos_shaper *s, struct qos_timer_list *slot, uint64_t now,
                     unsigned *left)
{
	struct qos_timer *t, *next;

	for (t = TAILQ_FIRST(slot); t && *left; t = next, --*left) {
		next = TAILQ_NEXT(t, link);
		if (t->at_tsc <= now >> QOS_TIME_SHIFT)
			timer_fire(s, t, now);
		else if (t->at_tsc >> s->tick_shift > s->tick)
			timer_start(s, t, t->at_tsc);
	}
}

void qos_sched_wake(struct qos_shaper *s, uint64_t now)
{
	uint64_t to = now >> (QOS_TIME_SHIFT + s->tick_shift);
	unsigned left = WAKES_MAX;

	if (to > s->tick + QOS_WHEEL_SLOTS)
		s->tick = to - QOS_WHEEL_SLOTS; /* what lies in between is in these slots, too */
	while (s->tick < to && s->n_timers) {
		struct qos_timer_list *slot = &s->wheel[s->tick % QOS_WHEEL_SLOTS];

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
		while (!TAILQ_EMPTY(&s->wheel[i]))
			timer_fire(s, TAILQ_FIRST(&s->wheel[i]), 0);
}

/* ---- whose turn ---- */

static void group_rotate(struct qos_shaper *s, struct qos_group *g)
{
	TAILQ_REMOVE(&s->level[g->level], g, link);
	TAILQ_INSERT_TAIL(&s->level[g->level], g, link);
}

/* The first group of the level, unless its class may not send or it has had its turn. */
static struct qos_group *group_next(struct qos_shaper *s, unsigned level, uint64_t now)
{
	struct qos_group *g = TAILQ_FIRST(&s->level[level]);
	struct qos_class *c = g->class;

	if (c->max.cost && !s->flushing) {
		qos_rate_refresh(&c->max, now, EVS_MAX(c->max.slack, s->late));
		if (c->asleep || !qos_rate_open(&c->max, now)) {
			if (!c->asleep)
				timer_start(s, &c->timer, opens_tsc(&c->max));
			c->asleep = true;
			group_unlist(s, g);
			return NULL;
		}
	}
	if (g->deficit > 0 || level < QOS_PRIORITIES)
		return g;
	if (!TAILQ_NEXT(g, link)) {
		g->deficit = c->quantum; /* alone: nobody to settle with */
		return g;
	}
	g->deficit += c->quantum;
	group_rotate(s, g);
	return NULL;
}

/* May the queue send by its own rates? Else the place is given up until it may. */
static bool queue_may(struct qos_shaper *s, struct qos_queue *q, struct qos_place *p, uint64_t now)
{
	if (q->max.cost) {
		qos_rate_refresh(&q->max, now, EVS_MAX(q->max.slack, s->late));
		if (!qos_rate_open(&q->max, now)) {
			queue_unlist(s, q);
			timer_start(s, &q->timer, opens_tsc(&q->max));
			return false;
		}
	}
	if (p == &q->guaranteed && !qos_rate_open(&q->min, now)) {
		place_unlist(s, p);
		timer_start(s, &q->timer, opens_tsc(&q->min));
		return false;
	}
	return true;
}

static void place_rotate(struct qos_place *p)
{
	TAILQ_REMOVE(&p->group->places, p, link);
	TAILQ_INSERT_TAIL(&p->group->places, p, link);
}

EVS_HOT struct qos_place *qos_sched_next(struct qos_shaper *s, uint64_t now, unsigned *steps)
{
	for (; s->levels && *steps; --*steps) {
		struct qos_group *g = group_next(s, (unsigned)__builtin_ctz(s->levels), now);
		struct qos_place *p = g ? TAILQ_FIRST(&g->places) : NULL;
		struct qos_queue *q = p ? qos_place_queue(p) : NULL;

		if (!p)
			continue;
		if (q->deficit <= 0 && p == &q->place) {
			q->deficit += q->quantum;
			place_rotate(p);
			continue;
		}
		if (q->is_limited && !s->flushing && !queue_may(s, q, p, now))
			continue;
		return p;
	}
	return NULL;
}

EVS_HOT void qos_sched_charge(struct qos_shaper *s, struct qos_place *p, uint32_t len)
{
	struct qos_queue *q = qos_place_queue(p);
	struct qos_class *c = q->class;

	if (p == &q->guaranteed) { /* each has its rate: plainly in turn */
		qos_rate_charge(&q->min, len);
		place_rotate(p);
		group_rotate(s, p->group);
	} else {
		q->deficit -= (int32_t)len;
		p->group->deficit -= (int32_t)len;
	}
	if (q->max.cost)
		qos_rate_charge(&q->max, len);
	if (c->max.cost)
		qos_rate_charge(&c->max, len);
	evs_counter_add(&c->pkts, 1);
	evs_counter_add(&c->bytes, len);
}

void qos_sched_init(struct qos_shaper *s)
{
	s->tick_shift = 63 - (uint32_t)__builtin_clzll(s->tsc_hz / TICKS_PER_S | 1);
	for (unsigned i = 0; i < QOS_WHEEL_SLOTS; i++)
		TAILQ_INIT(&s->wheel[i]);
	for (unsigned i = 0; i < QOS_LEVELS; i++)
		TAILQ_INIT(&s->level[i]);
	for (unsigned i = 0; i < s->n_classes; i++) {
		struct qos_class *c = &s->classes[i];

		c->timer.is_class = true;
		c->quantum = c->config.weight * QUANTUM_BYTES;
		for (unsigned level = 0; level < QOS_LEVELS; level++) {
			TAILQ_INIT(&c->groups[level].places);
			c->groups[level].class = c;
			c->groups[level].level = (uint8_t)level;
		}
	}
	for (unsigned i = 0; i < s->n_queues; i++) {
		struct qos_queue *q = &s->queues[i];

		q->quantum = q->config.weight * QUANTUM_BYTES;
		q->is_limited = q->max.cost || q->min.cost;
	}
}
