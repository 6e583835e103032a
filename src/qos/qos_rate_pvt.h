/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rate as one number: the time until which it is spent. What passes moves that time on by its
 * cost; time that passed unused may be saved up to a slack, which is the burst.
 * Threads: the caller's; times are TSC ticks with 8 binary places, compared by difference.
 */
#ifndef QOS_RATE_PVT_H
#define QOS_RATE_PVT_H

#include "base/evs_base.h"

#define QOS_TIME_SHIFT 8  /* binary places of a time */
#define QOS_COST_SHIFT 24 /* binary places of a cost */
#define QOS_SLACK_MAX  (UINT64_C(1) << 60)

struct qos_rate {
	uint64_t spent; /* time until which it is spent; 0: never used */
	uint64_t cost;  /* of a unit: time << QOS_COST_SHIFT; 0: no limit */
	uint64_t slack; /* time that idleness may save up */
};

/* units a second; scale: what counts as a unit is so many of them (8: bytes, of a rate in bit/s).
 * burst in what counts. */
struct qos_rate_spec {
	uint64_t per_second; /* 0: no limit */
	uint32_t scale;
	uint64_t burst;
};
EVS_INLINE void qos_rate_init(struct qos_rate *r, const struct qos_rate_spec *spec, uint64_t tsc_hz)
{
	__uint128_t second = (__uint128_t)tsc_hz << QOS_TIME_SHIFT, cost, slack;

	r->spent = r->cost = r->slack = 0;
	if (spec->per_second == 0)
		return;
	cost = (second * spec->scale << QOS_COST_SHIFT) / spec->per_second;
	slack = second * spec->scale * spec->burst / spec->per_second;
	r->cost = cost > UINT64_MAX ? UINT64_MAX : EVS_MAX((uint64_t)cost, UINT64_C(1));
	r->slack = slack > QOS_SLACK_MAX ? QOS_SLACK_MAX : (uint64_t)slack;
}

EVS_INLINE void qos_rate_init_bps(struct qos_rate *r, uint64_t bps, uint64_t burst_bytes,
                                  uint64_t tsc_hz)
{
	qos_rate_init(r, &(struct qos_rate_spec){bps, 8, burst_bytes}, tsc_hz);
}

EVS_INLINE uint64_t qos_rate_cost(const struct qos_rate *r, uint32_t units)
{
	return (uint64_t)(((__uint128_t)r->cost * units) >> QOS_COST_SHIFT);
}

/* Where a rate stands that was spent until `spent`, if only `slack` of idle time counts. */
EVS_INLINE uint64_t qos_rate_from(uint64_t spent, uint64_t now, uint64_t slack)
{
	return (int64_t)(spent - (now - slack)) < 0 || spent == 0 ? now - slack : spent;
}

EVS_INLINE void qos_rate_refresh(struct qos_rate *r, uint64_t now, uint64_t slack)
{
	r->spent = qos_rate_from(r->spent, now, slack);
}

EVS_INLINE bool qos_rate_open(const struct qos_rate *r, uint64_t now)
{
	return r->cost == 0 || (int64_t)(r->spent - now) < 0;
}

EVS_INLINE void qos_rate_charge(struct qos_rate *r, uint32_t units)
{
	r->spent += qos_rate_cost(r, units);
}

/* A rate that takes another's place: so many bytes as were owed or saved up still are, but for what
 * its own burst can not hold. */
EVS_INLINE void qos_rate_move(const struct qos_rate *from, struct qos_rate *to, uint64_t now)
{
	__int128_t ahead = (int64_t)(from->spent - now);

	to->spent = now;
	if (from->cost && from->spent)
		to->spent += (uint64_t)(ahead * (__int128_t)to->cost / (__int128_t)from->cost);
	qos_rate_refresh(to, now, to->slack + 1);
}

#endif
