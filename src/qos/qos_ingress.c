/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policing, shaping and storm control of a port. Threads: as qos_ingress.h says.
 */
#define ALLOW_EXPERIMENTAL_API /* of DPDK: rte_atomic128_cmp_exchange */
#include "qos/qos_ingress.h"

#include <stdlib.h>
#include <string.h>

#include <rte_atomic.h>
#include <rte_ether.h>

#include "base/evs_rcu.h"
#include "pkt/pkt_edit.h"
#include "qos/qos_shaper_pvt.h"

#define LATE_DIV      100  /* of a second: how late a poll may come without loss of shaped rate */
#define PEAK_LATE_DIV 10   /* of that: without loss of peak rate */
#define FRAME_BYTES   1514 /* what a packet is taken for before it is seen */

struct counts {
	struct qos_ingress_counts c; /* [worker w, ctl r] */
} EVS_CACHE_ALIGNED;

struct qos_ingress {
	bool polices, shapes, storms; /* storms: of what the address tells */
	struct qos_police_config police;
	struct qos_wire wire;
	struct qos_rate committed, excess; /* spent: unused */
	uint64_t late;
	/* [workers rw] */
	rte_int128_t state EVS_CACHE_ALIGNED; /* of both buckets */
	struct qos_rate average EVS_CACHE_ALIGNED, peak;
	struct {
		struct qos_rate rate;
		bool by_pkts;
	} EVS_CACHE_ALIGNED storm[QOS_N_STORMS];
	struct counts counts[EVS_MAX_WORKERS];
};

/* ---- birth ---- */

static bool police_ok(const struct qos_police_config *p)
{
	if (p->committed_bps == 0 || p->committed_burst_bytes == 0)
		return false;
	if (p->tcm == QOS_TCM_2698)
		return p->excess_bps >= p->committed_bps && p->excess_burst_bytes > 0;
	return p->tcm == QOS_TCM_2697 || p->excess_burst_bytes == 0 || p->excess_bps > 0;
}

static void police_init(struct qos_ingress *in, const struct qos_police_config *p, uint64_t tsc_hz)
{
	in->police = *p;
	qos_rate_init_bps(&in->committed, p->committed_bps, p->committed_burst_bytes, tsc_hz);
	qos_rate_init_bps(&in->excess, p->tcm == QOS_TCM_2697 ? p->committed_bps : p->excess_bps,
	                  p->excess_burst_bytes, tsc_hz);
}

static void storms_init(struct qos_ingress *in, const struct qos_ingress_config *config,
                        uint64_t tsc_hz)
{
	for (unsigned i = 0; i < QOS_N_STORMS; i++) {
		bool by_pkts = config->storm[i].by_pkts;
		struct qos_rate_spec spec = {config->storm[i].rate, by_pkts ? 1 : 8,
		                             config->storm[i].burst};

		qos_rate_init(&in->storm[i].rate, &spec, tsc_hz);
		in->storm[i].by_pkts = by_pkts;
		in->storms |= i != QOS_STORM_UNKNOWN && spec.per_second;
	}
}

struct qos_ingress *qos_ingress_create(const struct qos_ingress_config *config, uint64_t tsc_hz)
{
	struct qos_ingress *in;

	if (tsc_hz == 0 || (config->polices && config->shapes) ||
	    (config->polices && !police_ok(&config->police)) ||
	    (config->shapes && config->average_bps == 0)) {
		errno = EINVAL;
		return NULL;
	}
	in = aligned_alloc(EVS_CACHE_LINE, sizeof(*in));
	if (!in)
		return NULL;
	memset(in, 0, sizeof(*in));
	in->polices = config->polices;
	in->shapes = config->shapes;
	in->wire = (struct qos_wire){config->overhead_bytes, config->frame_min_bytes};
	in->late = (tsc_hz << QOS_TIME_SHIFT) / LATE_DIV;
	if (config->polices)
		police_init(in, &config->police, tsc_hz);
	if (config->shapes) {
		qos_rate_init_bps(&in->average, config->average_bps, config->burst_bytes, tsc_hz);
		qos_rate_init_bps(&in->peak, config->peak_bps, 0, tsc_hz);
	}
	storms_init(in, config, tsc_hz);
	return in;
}

/* ---- storm control ---- */

static void count_drops(struct qos_count *count, struct rte_mbuf *const *mbufs, uint32_t mask)
{
	uint64_t bytes = 0;

	for (uint32_t left = mask; left; left &= left - 1)
		bytes += mbufs[__builtin_ctz(left)]->pkt_len;
	evs_counter_add(&count->pkts, (unsigned)__builtin_popcount(mask));
	evs_counter_add(&count->bytes, bytes);
}

/* Of the packets of the mask, those above the limit. */
static uint32_t storm_run(struct qos_ingress *in, const struct qos_ingress_burst *b,
                          enum qos_storm kind, uint32_t mask)
{
	struct qos_rate *r = &in->storm[kind].rate;
	uint64_t now = b->now_tsc << QOS_TIME_SHIFT;
	uint64_t old = evs_load_relaxed(&r->spent), spent;
	uint32_t over;

	if (!mask || !r->cost)
		return 0;
	do {
		spent = qos_rate_from(old, now, EVS_MAX(r->slack, UINT64_C(1)));
		over = 0;
		for (uint32_t left = mask; left; left &= left - 1) {
			unsigned i = (unsigned)__builtin_ctz(left);
			const struct rte_mbuf *m = b->mbufs[i];

			if ((int64_t)(spent - now) < 0)
				spent += qos_rate_cost(r, in->storm[kind].by_pkts
				                                  ? pkt_wire_of(m).n
				                                  : qos_wire_len(&in->wire, m));
			else
				over |= 1u << i;
		}
		/* Relaxed: the time guards no other data. */
	} while (!__atomic_compare_exchange_n(&r->spent, &old, spent, true, __ATOMIC_RELAXED,
	                                      __ATOMIC_RELAXED));
	if (over)
		count_drops(&in->counts[b->worker].c.storm[kind], b->mbufs, over);
	return over;
}

static uint32_t storms_run(struct qos_ingress *in, const struct qos_ingress_burst *b)
{
	uint32_t broadcast = 0, multicast = 0;

	for (unsigned i = 0; i < b->n; i++) {
		const struct rte_ether_addr *dst =
		        rte_pktmbuf_mtod(b->mbufs[i], const struct rte_ether_addr *);

		if (b->mbufs[i]->data_len < sizeof(*dst) || !rte_is_multicast_ether_addr(dst))
			continue;
		if (rte_is_broadcast_ether_addr(dst))
			broadcast |= 1u << i;
		else
			multicast |= 1u << i;
	}
	return storm_run(in, b, QOS_STORM_BROADCAST, broadcast) |
	       storm_run(in, b, QOS_STORM_MULTICAST, multicast);
}

uint32_t qos_ingress_unknown(struct qos_ingress *in, const struct qos_ingress_burst *b,
                             uint32_t mask)
{
	return storm_run(in, b, QOS_STORM_UNKNOWN, mask);
}

/* ---- policing ---- */

/* Both buckets. c, e: time until which each is spent; of RFC 2697 e is what the second one lacks.
 */
struct buckets {
	uint64_t c, e;
};

static void buckets_refresh(const struct qos_ingress *in, struct buckets *b, uint64_t now)
{
	uint64_t c = b->c;
	bool never = c == 0;

	b->c = qos_rate_from(c, now, in->committed.slack);
	if (in->police.tcm != QOS_TCM_2697) {
		b->e = qos_rate_from(b->e, now, in->excess.slack);
	} else if (never) {
		b->e = 0;
	} else { /* what the first bucket can not hold goes to the second */
		b->e -= EVS_MIN(b->e, b->c - c);
	}
}

EVS_INLINE bool has(uint64_t spent, uint64_t cost, uint64_t slack, uint64_t now)
{
	return slack && (int64_t)(spent + EVS_MIN(cost, slack) - now) <= 0;
}

EVS_INLINE enum qos_colour colour_of(const struct qos_ingress *in, struct buckets *b, uint32_t len,
                                     enum qos_colour came, uint64_t now)
{
	uint64_t c = qos_rate_cost(&in->committed, len), e = qos_rate_cost(&in->excess, len);

	if (in->police.tcm == QOS_TCM_2698) { /* RFC 2698, 3: the peak comes first */
		if (came == QOS_RED || !has(b->e, e, in->excess.slack, now))
			return QOS_RED;
		b->e += e;
		if (came == QOS_YELLOW || !has(b->c, c, in->committed.slack, now))
			return QOS_YELLOW;
		b->c += c;
		return QOS_GREEN;
	}
	if (came == QOS_GREEN && has(b->c, c, in->committed.slack, now)) {
		b->c += c;
		return QOS_GREEN;
	}
	if (came == QOS_RED)
		return QOS_RED;
	if (in->police.tcm == QOS_TCM_4115
	            ? !has(b->e, e, in->excess.slack, now)
	            : !in->excess.slack || b->e + EVS_MIN(e, in->excess.slack) > in->excess.slack)
		return QOS_RED;
	b->e += e;
	return QOS_YELLOW;
}

static enum qos_colour came_as(const struct rte_mbuf *m)
{
	unsigned precedence = qos_precedence(m);

	return precedence > 1 ? QOS_RED : precedence ? QOS_YELLOW : QOS_GREEN;
}

/* Colours of the packets that storm control left. */
static EVS_HOT void colour(struct qos_ingress *in, const struct qos_ingress_burst *b,
                           uint8_t colours[])
{
	uint64_t now = b->now_tsc << QOS_TIME_SHIFT;
	rte_int128_t old, new;
	uint32_t lens[32];
	uint8_t came[32] = {QOS_GREEN};

	for (unsigned i = 0; i < b->n; i++)
		lens[i] = qos_wire_len(&in->wire, b->mbufs[i]);
	for (unsigned i = 0; in->police.colour_aware && i < b->n; i++)
		came[i] = (uint8_t)came_as(b->mbufs[i]);
	/* torn reads make the exchange fail, which reads whole */
	old.val[0] = evs_load_relaxed(&in->state.val[0]);
	old.val[1] = evs_load_relaxed(&in->state.val[1]);
	do {
		struct buckets bs = {old.val[0], old.val[1]};

		buckets_refresh(in, &bs, now);
		for (unsigned i = 0; i < b->n; i++)
			if (!(b->storm >> i & 1))
				colours[i] = (uint8_t)colour_of(in, &bs, lens[i], came[i], now);
		new.val[0] = bs.c;
		new.val[1] = bs.e;
	} while (!rte_atomic128_cmp_exchange(&in->state, &old, &new, false, __ATOMIC_RELAXED,
	                                     __ATOMIC_RELAXED));
}

static void act(const struct qos_action *action, struct qos_ingress_burst *b, unsigned i)
{
	int dscp;

	if (action->kind == QOS_ACT_DROP) {
		b->police |= 1u << i;
		return;
	}
	dscp = qos_dscp(b->mbufs[i]);
	if (dscp < 0)
		return;
	if (action->kind == QOS_ACT_REMARK)
		dscp = qos_dscp_remark((uint8_t)(dscp << 2), action->value) >> 2;
	else
		dscp = action->value;
	if (qos_dscp_set(&b->mbufs[i], (uint8_t)dscp))
		b->no_mbuf |= 1u << i;
}

static EVS_HOT void police(struct qos_ingress *in, struct qos_ingress_burst *b)
{
	struct qos_count *counts = in->counts[b->worker].c.colours;
	uint64_t pkts[QOS_N_COLOURS] = {0}, bytes[QOS_N_COLOURS] = {0};
	uint8_t colours[32];

	colour(in, b, colours);
	for (unsigned i = 0; i < b->n; i++) {
		unsigned c = colours[i];

		if (b->storm >> i & 1)
			continue;
		pkts[c]++;
		bytes[c] += b->mbufs[i]->pkt_len;
		if (evs_unlikely(in->police.actions[c].kind != QOS_ACT_PASS))
			act(&in->police.actions[c], b, i);
	}
	for (unsigned c = 0; c < QOS_N_COLOURS; c++) {
		evs_counter_add(&counts[c].pkts, pkts[c]);
		evs_counter_add(&counts[c].bytes, bytes[c]);
	}
}

EVS_HOT uint32_t qos_ingress_run(struct qos_ingress *in, struct qos_ingress_burst *b)
{
	b->police = b->storm = b->no_mbuf = 0;
	if (in->storms)
		b->storm = storms_run(in, b);
	if (in->polices)
		police(in, b);
	return b->police | b->storm | b->no_mbuf;
}

/* ---- shaping ---- */

bool qos_ingress_shapes(const struct qos_ingress *in)
{
	return in->shapes;
}

bool qos_ingress_drops(const struct qos_ingress *in, enum qos_colour colour)
{
	return in->police.actions[colour].kind == QOS_ACT_DROP;
}

/* Frames that the time until now is worth, and one more, which may owe the rest. */
static uint64_t frames(const struct qos_rate *r, uint64_t now, uint64_t slack)
{
	uint64_t spent = qos_rate_from(evs_load_relaxed(&r->spent), now, slack);

	if (r->cost == 0)
		return UINT64_MAX;
	if ((int64_t)(spent - now) >= 0)
		return 0;
	return 1 + (now - spent) / EVS_MAX(qos_rate_cost(r, FRAME_BYTES), UINT64_C(1));
}

unsigned qos_ingress_room(const struct qos_ingress *in, uint64_t now_tsc, unsigned max)
{
	uint64_t now = now_tsc << QOS_TIME_SHIFT;
	uint64_t average = frames(&in->average, now, EVS_MAX(in->average.slack, in->late));
	uint64_t peak = frames(&in->peak, now, in->late / PEAK_LATE_DIV);

	return (unsigned)EVS_MIN(EVS_MIN(average, peak), (uint64_t)max);
}

static void charge(struct qos_rate *r, uint64_t now, uint64_t slack, uint32_t bytes)
{
	uint64_t old = evs_load_relaxed(&r->spent), spent;

	do {
		spent = qos_rate_from(old, now, slack) + qos_rate_cost(r, bytes);
	} while (!__atomic_compare_exchange_n(&r->spent, &old, spent, true, __ATOMIC_RELAXED,
	                                      __ATOMIC_RELAXED));
}

void qos_ingress_took(struct qos_ingress *in, struct rte_mbuf *const *mbufs, unsigned n,
                      uint64_t now_tsc)
{
	struct qos_count *taken = &in->counts->c.taken;
	uint64_t now = now_tsc << QOS_TIME_SHIFT;
	uint32_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += qos_wire_len(&in->wire, mbufs[i]);
	charge(&in->average, now, EVS_MAX(in->average.slack, in->late), bytes);
	if (in->peak.cost)
		charge(&in->peak, now, in->late / PEAK_LATE_DIV, bytes);
	__atomic_fetch_add(&taken->pkts, n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&taken->bytes, bytes, __ATOMIC_RELAXED);
}

/* ---- figures ---- */

void qos_ingress_counts(const struct qos_ingress *in, struct qos_ingress_counts *sum)
{
	uint64_t *to = (uint64_t *)sum;

	memset(sum, 0, sizeof(*sum));
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		const uint64_t *from = (const uint64_t *)&in->counts[w].c;

		for (unsigned i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
			to[i] += evs_load_relaxed(&from[i]);
	}
}
