/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meters. Threads: as qos_meter.h says. Owner: the control thread.
 */
#include "qos/qos_meter.h"

#include <stdlib.h>
#include <string.h>

#include "base/evs_rcu.h"
#include "pkt/pkt_offload.h"
#include "qos/qos_rate_pvt.h"

struct band {
	struct qos_rate rate; /* spent: [workers rw, by compare-and-swap] */
	uint32_t per_second;  /* as configured */
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
	struct qos_rate_spec spec = {config->rate, 1, config->burst};
	if (!by_pkts) { /* kbit, counted in bytes */
		spec.per_second = (uint64_t)config->rate * (1000 / 8);
		spec.burst = (uint64_t)config->burst * (1000 / 8);
	}
	qos_rate_init(&band->rate, &spec, tsc_hz);
	if (config->burst == 0)
		band->rate.slack = (tsc_hz << QOS_TIME_SHIFT) / 20;
	band->per_second = config->rate;
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

/* Mask of the packets that exceed the band; the others are charged to it. */
static EVS_HOT uint32_t band_run(struct band *band, const uint32_t *units, unsigned n, uint64_t now)
{
	uint64_t old = evs_load_relaxed(&band->rate.spent), spent;
	uint32_t over;
	do {
		spent = qos_rate_from(old, now, band->rate.slack);
		over = 0;
		for (unsigned i = 0; i < n; i++) {
			if ((int64_t)(spent - now) < 0)
				spent += qos_rate_cost(&band->rate, units[i]);
			else
				over |= 1u << i;
		}
		/* Relaxed: the time guards no other data. */
	} while (!__atomic_compare_exchange_n(&band->rate.spent, &old, spent, true,
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
		struct pkt_wire wire = pkt_wire_of(mbufs[i]);

		bytes += mbufs[i]->pkt_len;
		units[i] = meter->by_pkts ? wire.n : wire.bytes;
		verdict[i] = QOS_PASS;
	}
	count(&counts->in, n, bytes);
	for (unsigned b = 0; b < meter->n_bands; b++) {
		over[b] = band_run(&meter->bands[b], units, n, now_tsc << QOS_TIME_SHIFT);
		any |= over[b];
	}
	for (uint32_t left = any; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left), best = QOS_METER_BANDS_MAX;
		for (unsigned b = 0; b < meter->n_bands; b++)
			if ((over[b] >> i & 1) &&
			    (best == QOS_METER_BANDS_MAX ||
			     meter->bands[b].per_second > meter->bands[best].per_second))
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
