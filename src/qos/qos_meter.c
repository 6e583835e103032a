/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meters. Threads: as qos_meter.h says. Owner: the control thread.
 *
 * Times are TSC ticks with 8 binary places, compared by difference, since they wrap after years.
 */
#include "qos/qos_meter.h"

#include <stdlib.h>
#include <string.h>

#include "base/evs_rcu.h"

#define TIME_SHIFT 8  /* binary places of a time */
#define COST_SHIFT 24 /* binary places of a cost */
#define BURST_MAX  (UINT64_C(1) << 60)

struct band {
	uint64_t spent_until; /* [workers rw, by compare-and-swap] */
	uint64_t cost;        /* of a byte or packet: time << COST_SHIFT */
	uint64_t burst;       /* time */
	uint32_t rate;
	uint8_t verdict;
} EVS_CACHE_ALIGNED;

struct worker_counts {
	struct qos_count in, bands[QOS_METER_BANDS_MAX]; /* [worker w, ctl r] */
} EVS_CACHE_ALIGNED;

struct qos_meter {
	unsigned n_bands;
	bool by_pkts;
	struct band bands[QOS_METER_BANDS_MAX];
	struct worker_counts counts[EVS_MAX_WORKERS];
};

static bool band_init(struct band *band, const struct qos_band_config *config, bool by_pkts,
                      uint64_t tsc_hz)
{
	if (config->rate == 0 || config->prec_level > 3)
		return false;
	uint64_t units = by_pkts ? 1 : 1000 / 8; /* bytes of a kbit */
	__uint128_t second = (__uint128_t)tsc_hz << TIME_SHIFT;
	__uint128_t per_second = (__uint128_t)config->rate * units;
	__uint128_t burst = config->burst ? second * config->burst / config->rate : second / 20;
	band->cost = (uint64_t)((second << COST_SHIFT) / per_second);
	band->burst = burst > BURST_MAX ? BURST_MAX : (uint64_t)burst;
	band->rate = config->rate;
	band->verdict = config->kind == QOS_BAND_DROP ? QOS_DROP : QOS_REMARK | config->prec_level;
	return true;
}

struct qos_meter *qos_meter_create(const struct qos_meter_config *config, uint64_t tsc_hz)
{
	if (config->n_bands > QOS_METER_BANDS_MAX || tsc_hz == 0) {
		errno = EINVAL;
		return NULL;
	}
	struct qos_meter *meter = aligned_alloc(EVS_CACHE_LINE, sizeof(*meter));
	if (meter == NULL)
		return NULL;
	memset(meter, 0, sizeof(*meter));
	meter->n_bands = config->n_bands;
	meter->by_pkts = config->by_pkts;
	for (unsigned i = 0; i < config->n_bands; i++)
		if (!band_init(&meter->bands[i], &config->bands[i], config->by_pkts, tsc_hz)) {
			free(meter);
			errno = EINVAL;
			return NULL;
		}
	return meter;
}

void qos_meter_destroy(struct qos_meter *meter)
{
	free(meter);
}

EVS_INLINE uint64_t band_cost(const struct band *band, uint32_t units)
{
	return (uint64_t)(((__uint128_t)band->cost * units) >> COST_SHIFT);
}

/* Mask of the packets that exceed the band; the others are charged to it. */
static EVS_HOT uint32_t band_run(struct band *band, const uint32_t *units, unsigned n, uint64_t now)
{
	uint64_t old = evs_load_relaxed(&band->spent_until), spent;
	uint32_t over;
	do {
		uint64_t floor = now - band->burst;
		/* A full bucket, or (years) one whose time lies out of range. */
		spent = (int64_t)(old - floor) < 0 || old == 0 ? floor : old;
		over = 0;
		for (unsigned i = 0; i < n; i++) {
			if ((int64_t)(spent - now) < 0)
				spent += band_cost(band, units[i]);
			else
				over |= 1u << i;
		}
		/* Relaxed: the time guards no other data. */
	} while (!__atomic_compare_exchange_n(&band->spent_until, &old, spent, true,
	                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return over;
}

static void count(struct qos_count *count, uint64_t pkts, uint64_t bytes)
{
	evs_counter_add(&count->pkts, pkts);
	evs_counter_add(&count->bytes, bytes);
}

EVS_HOT uint32_t qos_meter_run(struct qos_meter *meter, unsigned worker,
                               struct rte_mbuf *const *mbufs, unsigned n, uint64_t now_tsc,
                               uint8_t verdict[])
{
	struct worker_counts *counts = &meter->counts[worker];
	uint32_t units[32], any = 0, over[QOS_METER_BANDS_MAX];
	uint64_t bytes = 0;
	for (unsigned i = 0; i < n; i++) {
		bytes += mbufs[i]->pkt_len;
		units[i] = meter->by_pkts ? 1 : mbufs[i]->pkt_len;
		verdict[i] = QOS_PASS;
	}
	count(&counts->in, n, bytes);
	for (unsigned b = 0; b < meter->n_bands; b++) {
		over[b] = band_run(&meter->bands[b], units, n, now_tsc << TIME_SHIFT);
		any |= over[b];
	}
	for (uint32_t left = any; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left), best = QOS_METER_BANDS_MAX;
		for (unsigned b = 0; b < meter->n_bands; b++)
			if ((over[b] >> i & 1) && (best == QOS_METER_BANDS_MAX ||
			                           meter->bands[b].rate > meter->bands[best].rate))
				best = b;
		verdict[i] = meter->bands[best].verdict;
		count(&counts->bands[best], 1, mbufs[i]->pkt_len);
	}
	return any;
}

uint8_t qos_dscp_remark(uint8_t tos, unsigned levels)
{
	unsigned dscp = tos >> 2, class = dscp >> 3, prec = (dscp >> 1) & 3;
	if ((dscp & 7) == 0)
		return (uint8_t)((class - EVS_MIN(levels, class)) << 5 | (tos & 3));
	if ((dscp & 1) || class < 1 || class > 4 || prec == 0)
		return tos;
	prec = EVS_MIN(prec + levels, 3u);
	return (uint8_t)((class << 3 | prec << 1) << 2 | (tos & 3));
}

void qos_meter_counts(const struct qos_meter *meter, struct qos_count *in, struct qos_count *bands)
{
	memset(in, 0, sizeof(*in));
	memset(bands, 0, meter->n_bands * sizeof(*bands));
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		const struct worker_counts *c = &meter->counts[w];
		in->pkts += evs_load_relaxed(&c->in.pkts);
		in->bytes += evs_load_relaxed(&c->in.bytes);
		for (unsigned b = 0; b < meter->n_bands; b++) {
			bands[b].pkts += evs_load_relaxed(&c->bands[b].pkts);
			bands[b].bytes += evs_load_relaxed(&c->bands[b].bytes);
		}
	}
}
