/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shaper tells about its queues and classes. Threads: control, while the owner works on.
 */
#include "qos/qos_shaper_pvt.h"

uint32_t qos_shaper_backlog(const struct qos_shaper *s)
{
	return evs_load_relaxed(&s->backlog);
}

uint32_t qos_shaper_pool(const struct qos_shaper *s)
{
	return s->n_nodes;
}

/* The middle of a slot. */
static double slot_us(const struct qos_shaper *s, unsigned slot)
{
	double quarter = (double)(UINT64_C(1) << s->wait_shift) * (double)(UINT64_C(1) << slot / 4);

	return (4.5 + slot % 4) * quarter * 1e6 / (double)s->tsc_hz;
}

static double percentile(const struct qos_shaper *s, const uint64_t *n, double share)
{
	uint64_t sum = 0, seen = 0;

	for (unsigned i = 0; i < QOS_WAIT_SLOTS; i++)
		sum += n[i];
	for (unsigned i = 0; sum && i < QOS_WAIT_SLOTS; i++) {
		seen += n[i];
		if ((double)seen >= share * (double)sum)
			return slot_us(s, i);
	}
	return 0;
}

static void waits_get(const struct qos_shaper *s, const struct qos_waits *w,
                      struct qos_queue_info *info)
{
	uint64_t n[QOS_WAIT_SLOTS], max_tsc;

	for (unsigned i = 0; i < QOS_WAIT_SLOTS; i++)
		n[i] = (uint64_t)evs_load_relaxed(&w->n[0][i]) + evs_load_relaxed(&w->n[1][i]);
	info->wait_p50_us = percentile(s, n, 0.5);
	info->wait_p99_us = percentile(s, n, 0.99);
	max_tsc = EVS_MAX(evs_load_relaxed(&w->max_tsc[0]), evs_load_relaxed(&w->max_tsc[1]));
	info->wait_max_us = (double)max_tsc * 1e6 / (double)s->tsc_hz;
	/* the middle of a slot may lie above all that is in it */
	info->wait_p50_us = EVS_MIN(info->wait_p50_us, info->wait_max_us);
	info->wait_p99_us = EVS_MIN(info->wait_p99_us, info->wait_max_us);
}

bool qos_shaper_queue(const struct qos_shaper *s, unsigned i, struct qos_queue_info *info)
{
	const struct qos_queue *q = &s->queues[i];
	const struct qos_queue_rest *rest = &s->rests[i];

	if (i >= s->n_queues)
		return false;
	info->config = rest->config;
	info->stats = (struct qos_queue_stats){
	        .pkts = evs_load_relaxed(&q->sent_pkts),
	        .bytes = evs_load_relaxed(&q->sent_bytes),
	        .full_drops = evs_load_relaxed(&rest->full_drops),
	        .aqm_drops = evs_load_relaxed(&rest->aqm_drops),
	        .marks = evs_load_relaxed(&rest->marks),
	        .backlog_pkts = evs_load_relaxed(&q->n),
	        .backlog_bytes = evs_load_relaxed(&q->bytes),
	};
	waits_get(s, &rest->waits, info);
	return true;
}

bool qos_shaper_queue_by_id(const struct qos_shaper *s, uint32_t id, struct qos_queue_info *info)
{
	unsigned i = id < QOS_QUEUES ? s->map[id] : 0;

	return (i || id == 0) && qos_shaper_queue(s, i, info);
}

bool qos_shaper_class(const struct qos_shaper *s, unsigned i, struct qos_class_info *info)
{
	if (i >= s->n_classes)
		return false;
	info->config = s->classes[i].config;
	info->pkts = evs_load_relaxed(&s->classes[i].pkts);
	info->bytes = evs_load_relaxed(&s->classes[i].bytes);
	return true;
}
