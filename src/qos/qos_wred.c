/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weighted random early detection with marking, at the tail of a queue: thresholds by drop
 * precedence, drops spread evenly, the mean length aged while the queue is empty.
 * Threads: the owner worker.
 */
#include <math.h>

#include "qos/qos_shaper_pvt.h"

#define MEAN_WEIGHT (1.0f / 64) /* of the length at an arrival, in the mean */

/* xorshift: the same for every run, as good as needed to spread drops */
static float random_unit(struct qos_shaper *s)
{
	uint32_t x = s->random;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	s->random = x;
	return (float)(x >> 8) / (float)(1 << 24);
}

static void mean_update(const struct qos_shaper *s, struct qos_queue *q, uint64_t now_tsc)
{
	struct qos_wred *w = &qos_rest_of(s, q)->wred;

	if (q->n == 0 && w->idle_tsc) { /* as if so many short queues had been seen */
		float missed = (float)(now_tsc - w->idle_tsc) / (float)s->packet_tsc;

		w->mean *= expf(-missed * MEAN_WEIGHT);
		w->idle_tsc = 0;
	}
	w->mean += ((float)q->n - w->mean) * MEAN_WEIGHT;
}

/* Is this one of those that are hit? */
static bool is_hit(struct qos_shaper *s, struct qos_queue *q, float p)
{
	struct qos_wred *w = &qos_rest_of(s, q)->wred;
	float left = 1 - w->above * p;

	if (left > 0 && random_unit(s) > p / left) {
		w->above++;
		return false;
	}
	w->above = 0;
	return true;
}

bool qos_wred_drops(struct qos_shaper *s, struct qos_queue *q, struct rte_mbuf **mbuf,
                    uint64_t now_tsc)
{
	struct qos_queue_rest *rest = qos_rest_of(s, q);
	const struct qos_wred_config *config = &rest->config.wred;
	float share, low, high, mean;

	mean_update(s, q, now_tsc);
	mean = rest->wred.mean;
	if (mean < (float)config->min_pkts / 3)
		return false;
	share = (float)(3 - qos_precedence(*mbuf)) / 3;
	low = (float)config->min_pkts * share;
	high = (float)config->max_pkts * share;
	if (mean < low) {
		rest->wred.above = 0;
		return false;
	}
	if (mean >= high)
		return true; /* RFC 3168, 7: above the upper threshold marking is not enough */
	if (!is_hit(s, q, (mean - low) / (high - low) * (float)config->drop_max / QOS_WHOLE))
		return false;
	if (!qos_ecn_mark(mbuf))
		return true;
	evs_counter_add(&rest->marks, 1);
	return false;
}
