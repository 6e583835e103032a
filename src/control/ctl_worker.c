/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods worker.*, queue.*, cache.show, cache.flush. Threads: control.
 */
#include "control/ctl_net.h"

#include <stdio.h>

#include "base/evs_clock.h"
#include "base/evs_rcu.h"
#include "pmd/pmd.h"

static double ratio(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

/* Two digits are enough for people and scripts. */
static json_t *rounded(double value)
{
	return json_real((double)(int64_t)(value * 100 + 0.5) / 100);
}

static json_t *stages(const struct pmd_worker_stats *s)
{
	json_t *out = json_object();

	for (unsigned i = 0; i < PMD_N_STAGES; i++)
		if (pmd_stage_names[i])
			json_object_set_new(
			        out, pmd_stage_names[i],
			        rounded(ratio((double)s->stage_tsc[i], (double)s->stage_pkts)));
	return out;
}

static void visit_worker(unsigned worker, const struct pmd_worker_stats *s, void *arg)
{
	const struct flow_cache_stats *c = &s->cache;
	double busy = (double)s->busy_tsc, all = busy + (double)s->idle_tsc;
	double ns = ratio((double)evs_clock_tsc_to_ns(s->translate_tsc), (double)s->translations);
	json_t *out = json_pack(
	        "{s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:o, "
	        "s:I, s:I, s:I, s:o}",
	        "worker", (int)worker, "cpu", (int)s->cpu, "numa", s->numa_node, "queues",
	        (int)s->n_queues, "busy", rounded(100 * ratio(busy, all)), "cycles-per-pkt",
	        rounded(ratio(busy, (double)s->pkts)), "pkts-per-burst",
	        rounded(ratio((double)s->pkts, (double)s->bursts)), "pkts", (json_int_t)s->pkts,
	        "memo-hits", (json_int_t)c->memo_hits, "exact-hits", (json_int_t)c->exact_hits,
	        "wide-hits", (json_int_t)c->wide_hits, "misses", (json_int_t)c->misses,
	        "translations", (json_int_t)s->translations, "translation-ns", rounded(ns),
	        "sleeps", (json_int_t)s->sleeps, "stage-cycles-per-pkt", stages(s), "busy-tsc",
	        (json_int_t)s->busy_tsc, "idle-tsc", (json_int_t)s->idle_tsc, "loops",
	        (json_int_t)s->loops, "longest-loop-us",
	        rounded((double)evs_clock_tsc_to_ns(s->longest_tsc) / 1000));

	json_array_append_new(arg, out);
}

int ctl_worker_show(struct ctl_call *call)
{
	call->result = json_array();
	pmd_workers_walk(visit_worker, call->result);
	return 0;
}

static void visit_conf(unsigned worker, const struct pmd_worker_stats *s, void *arg)
{
	json_t *params = json_pack("{s:i}", "cpu", (int)s->cpu);
	char name[16];

	snprintf(name, sizeof(name), "%u", s->cpu);
	ctl_conf_put("worker", name, params);
	json_decref(params);
}

static void worker_event(unsigned cpu, const char *event)
{
	if (ctl_notify_wanted("worker"))
		ctl_notify("worker", json_pack("{s:s, s:i}", "event", event, "cpu", (int)cpu));
}

int ctl_worker_add(struct ctl_call *call)
{
	unsigned cpu = (unsigned)ctl_param_uint(call->params, "cpu", 0);
	int ret = pmd_worker_add(cpu, &call->err);

	if (ret)
		return ret;
	/* From the first change on the document names all workers, also the default one. */
	pmd_workers_walk(visit_conf, NULL);
	worker_event(cpu, "added");
	return 0;
}

/* After each grace period: who deletes and adds workers in turn must not pile them up. */
static void on_left(void *arg)
{
	struct ctl_call *call = arg;

	if (pmd_worker_is_ending((unsigned)ctl_param_uint(call->params, "cpu", 0)))
		evs_rcu_call(on_left, call);
	else
		ctl_call_finish(call, 0);
}

int ctl_worker_del(struct ctl_call *call)
{
	unsigned cpu = (unsigned)ctl_param_uint(call->params, "cpu", 0);
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "%u", cpu);
	pmd_workers_walk(visit_conf, NULL);
	ret = pmd_worker_del(cpu, &call->err);
	if (ret)
		return ret;
	ctl_conf_del("worker", name);
	worker_event(cpu, "removed");
	evs_rcu_call(on_left, call);
	return CTL_PENDING;
}

int ctl_worker_rebalance(struct ctl_call *call)
{
	return pmd_rebalance(&call->err);
}

static void visit_queue(const struct pmd_queue_stats *q, void *arg)
{
	json_array_append_new(arg, json_pack("{s:s, s:i, s:i, s:I, s:o}", "port", q->port->name,
	                                     "queue", (int)q->queue, "cpu", (int)q->cpu, "pkts",
	                                     (json_int_t)q->pkts, "load", rounded(100 * q->load)));
}

int ctl_queue_show(struct ctl_call *call)
{
	call->result = json_array();
	pmd_queues_walk(visit_queue, call->result);
	return 0;
}

int ctl_queue_move(struct ctl_call *call)
{
	struct ctl_port *port =
	        ctl_port_lookup(ctl_param_str(call->params, "port", ""), &call->err);

	if (!port)
		return -ENOENT;
	if (!port->port)
		return evs_error_set(&call->err, -EINVAL,
		                     "port '%s' of type %s has no queues: nothing polls it",
		                     port->name, port->type);
	return pmd_queue_move(port->port, (uint16_t)ctl_param_uint(call->params, "queue", 0),
	                      (unsigned)ctl_param_uint(call->params, "cpu", 0), &call->err);
}

static json_t *show_cache(unsigned worker, const struct flow_cache_stats *c,
                          struct flow_cache *cache)
{
	uint64_t hits = c->memo_hits + c->exact_hits + c->wide_hits;

	return json_pack(
	        "{s:i, s:i, s:i, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
	        "worker", (int)worker, "flows", (int)flow_cache_live(cache), "masks",
	        (int)flow_cache_n_masks(cache), "hits", (json_int_t)hits, "misses",
	        (json_int_t)c->misses, "hit-percent",
	        rounded(100 * ratio((double)hits, (double)(hits + c->misses))), "memo-hits",
	        (json_int_t)c->memo_hits, "exact-hits", (json_int_t)c->exact_hits, "wide-hits",
	        (json_int_t)c->wide_hits, "installs", (json_int_t)c->installs, "not-cached",
	        (json_int_t)(c->not_cached_pool + c->not_cached_refs), "exact-inserts",
	        (json_int_t)c->exact_inserts, "exact-refused", (json_int_t)c->exact_refused,
	        "wide-probes", (json_int_t)c->wide_probes, "wide-skips", (json_int_t)c->wide_skips);
}

static void visit_cache(unsigned worker, const struct pmd_worker_stats *stats, void *arg)
{
	struct ctl_call *call = arg;
	struct flow_cache *cache = pmd_worker_cache(worker);

	if (cache && ctl_param_uint(call->params, "worker", worker) == worker)
		json_array_append_new(call->result, show_cache(worker, &stats->cache, cache));
}

int ctl_cache_show(struct ctl_call *call)
{
	call->result = json_array();
	pmd_workers_walk(visit_cache, call);
	return 0;
}

static void flushed(void *arg)
{
	ctl_call_finish(arg, 0);
}

int ctl_cache_flush(struct ctl_call *call)
{
	pl_cache_flush(-1);
	pl_barrier(flushed, call);
	return CTL_PENDING;
}
