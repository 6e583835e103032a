/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers: birth, end, figures.
 * Threads: control, but for main_of_worker. Owner: a worker's memory is made before its thread
 * starts and freed after its thread ended, its flows were credited, and nobody refers to it.
 */
#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_lcore.h>

#include "base/evs_log.h"
#include "base/evs_thread.h"
#include "pmd/pmd_pvt.h"

#define FLUSH_US_DEFAULT 20
#define FAIR_QUANTUM_US  20 /* what a busy port may be ahead of another */

struct pmd_worker *pmd_workers[EVS_MAX_WORKERS];
struct pmd_config pmd_config;
struct pmd_settings pmd_settings;

const struct pmd_poll pmd_poll_nothing;
static struct port_counters lost_before; /* by workers that ended */

static void *main_of_worker(void *arg)
{
	struct pmd_worker *w = arg;

	pmd_sleep_init();
	if (rte_thread_register() < 0)
		EVS_LOG(pmd, WARN, "worker %u: no EAL lcore id is left, buffer pools are slower",
		        w->id);
	evs_rcu_worker_online(w->id);
	w->now_tsc = w->flushed_tsc = evs_clock_tsc();
	pmd_fair_init(&w->fair, FAIR_QUANTUM_US * evs_clock_tsc_hz / 1000000);
	w->now_ms = evs_clock_ms();
	pmd_loop_run(w);
	evs_rcu_worker_offline(w->id);
	rte_thread_unregister();
	return NULL;
}

struct pmd_worker *pmd_worker_at_cpu(unsigned cpu)
{
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++) {
		struct pmd_worker *w = pmd_workers[id];

		if (w && w->state == PMD_WORKER_RUNNING && w->cpu == cpu)
			return w;
	}
	return NULL;
}

unsigned pmd_n_workers(void)
{
	unsigned n = 0;

	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++)
		n += pmd_workers[id] && pmd_workers[id]->state == PMD_WORKER_RUNNING;
	return n;
}

struct flow_cache *pmd_worker_cache(unsigned worker)
{
	struct pmd_worker *w = worker < EVS_MAX_WORKERS ? pmd_workers[worker] : NULL;

	return w && w->state != PMD_WORKER_ENDED ? w->cache : NULL;
}

/* The struct on its NUMA node, with what it needs before its thread starts. */
static int worker_alloc(unsigned id, unsigned cpu, struct pmd_worker **wp, struct evs_error *err)
{
	struct flow_cache_config cache = pmd_config.cache;
	size_t size = sizeof(struct pmd_worker);
	struct pmd_worker *w =
	        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (w == MAP_FAILED)
		return evs_error_set(err, -ENOMEM, "worker on CPU %u: no memory for %zu bytes", cpu,
		                     size);
	cache.numa_node = -1;
	if (numa_available() >= 0) {
		cache.numa_node = numa_node_of_cpu((int)cpu);
		if (cache.numa_node >= 0)
			numa_tonode_memory(w, size, cache.numa_node);
	}
	cache.isa = pmd_config.isa;
	cache.born_arg = (void *)(uintptr_t)id;
	rc = pmd_wake_init(w);
	if (rc)
		evs_error_set(err, rc, "worker on CPU %u: no eventfd: %s", cpu, strerror(-rc));
	else
		rc = flow_cache_create(&cache, &w->cache, err);
	if (rc) {
		pmd_wake_fini(w);
		munmap(w, size);
		return rc;
	}
	w->mem_size = size;
	w->id = id;
	w->cpu = cpu;
	w->numa_node = cache.numa_node;
	w->isa = pmd_config.isa;
	w->sample = PMD_SAMPLE_PERIOD;
	w->poll = (struct pmd_poll *)&pmd_poll_nothing;
	w->nowhere.counters = &w->lost;
	for (unsigned i = 0; i < EVS_ARRAY_LEN(w->view); i++)
		w->view[i] = &w->nowhere;
	w->frags = pmd_frags_create(w->numa_node);
	pmd_joins_init(w);
	*wp = w;
	return 0;
}

static void worker_free(struct pmd_worker *w)
{
	for (unsigned i = 0; i < EVS_ARRAY_LEN(w->view); i++)
		if (w->view[i] != &w->nowhere)
			free(w->view[i]);
	for (unsigned i = 0; i < PKT_N_DROPS; i++)
		lost_before.drops[i] += w->lost.drops[i];
	if (w->poll != &pmd_poll_nothing)
		free(w->poll);
	pmd_frags_destroy(w);
	pmd_joins_fini(w);
	pmd_wake_fini(w);
	flow_cache_destroy(w->cache);
	munmap(w, w->mem_size);
}

static int worker_start(struct pmd_worker *w, struct evs_error *err)
{
	pthread_attr_t attr;
	cpu_set_t cpus;
	char name[16];
	int rc;

	CPU_ZERO(&cpus);
	CPU_SET(w->cpu, &cpus);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	rc = evs_thread_start(&w->thread, &attr, main_of_worker, w);
	pthread_attr_destroy(&attr);
	if (rc == -EINVAL)
		return evs_error_set(err, -EINVAL,
		                     "CPU %u is not there or not allowed to this "
		                     "process; see `taskset -p` for those that are",
		                     w->cpu);
	if (rc)
		return evs_error_set(err, rc, "cannot start a worker on CPU %u: %s", w->cpu,
		                     strerror(-rc));
	snprintf(name, sizeof(name), "evs-w%u", w->id);
	pthread_setname_np(w->thread, name);
	return 0;
}

static int views_make(struct pmd_worker *w, struct evs_error *err)
{
	for (unsigned i = 1; i <= PKT_PORT_MAX; i++) {
		int rc = pmd_ports[i] ? pmd_view_add(w, pmd_ports[i]->port, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

int pmd_worker_add(unsigned cpu, struct evs_error *err)
{
	struct pmd_worker *w = NULL;
	unsigned id = 0;
	int rc;

	if (pmd_worker_at_cpu(cpu))
		return evs_error_set(err, -EEXIST, "CPU %u has a worker already", cpu);
	if (cpu >= CPU_SETSIZE)
		return evs_error_set(err, -EINVAL, "CPU %u is not there", cpu);
	while (id < EVS_MAX_WORKERS && pmd_workers[id])
		id++;
	if (id >= EVS_MIN((unsigned)EVS_MAX_WORKERS, port_max_workers))
		return evs_error_set(err, -ENOSPC, "there are %u workers already, no more fit", id);
	rc = worker_alloc(id, cpu, &w, err);
	if (rc)
		return rc;
	rc = views_make(w, err);
	if (rc == 0) {
		evs_store_release(&pmd_workers[id], w);
		rc = worker_start(w, err);
	}
	if (rc) {
		evs_store_release(&pmd_workers[id], NULL);
		worker_free(w);
		return rc;
	}
	EVS_LOG(pmd, INFO, "worker %u: polls on CPU %u, NUMA node %d", id, cpu, w->numa_node);
	pmd_place_spread(false);
	pmd_shape_join();
	return 0;
}

static bool kill_flow(struct flow *flow, void *arg)
{
	flow_cache_kill(arg, flow);
	return true;
}

static void no_credit(struct flow *flow, void *arg)
{
}

/* One step towards an empty cache of a worker that ended; here its housekeeping is ours. */
static uint32_t reap_step(struct pmd_worker *w)
{
	flow_cache_poll(w->cache);
	return flow_cache_reap(w->cache, pmd_config.credit ? pmd_config.credit : no_credit,
	                       (void *)(uintptr_t)w->id);
}

static void worker_reap(void *arg)
{
	struct pmd_worker *w = arg;

	if (reap_step(w)) {
		evs_rcu_call(worker_reap, w);
		return;
	}
	pmd_workers[w->id] = NULL;
	EVS_LOG(pmd, INFO, "worker %u: ended on CPU %u", w->id, w->cpu);
	worker_free(w);
}

EVS_UNUSED static bool balanced(const struct pmd_account *a)
{
	return a->rx + a->injected + a->copies == a->tx + a->dropped + a->punted + a->held;
}

/* Its poll list has been empty for a grace period. The wait is for one turn of its loop. */
static void worker_stop(void *arg)
{
	struct pmd_worker *w = arg;

	evs_store_release(&w->stop, true);
	pmd_wake(w);
	pthread_join(w->thread, NULL);
	pmd_frags_destroy(w);
	pmd_joins_fini(w);
	pmd_punt_wipe(w);
	assert(balanced(&w->account));
	pmd_shape_ended(w);
	if (pmd_config.kill_flows)
		pmd_config.kill_flows(w->id);
	else
		flow_cache_walk(w->cache, kill_flow, w->cache);
	w->state = PMD_WORKER_ENDED;
}

static void worker_end(void *arg)
{
	worker_stop(arg);
	worker_reap(arg);
}

int pmd_worker_del(unsigned cpu, struct evs_error *err)
{
	struct pmd_worker *w = pmd_worker_at_cpu(cpu);

	if (!w)
		return evs_error_set(err, -ENOENT, "CPU %u has no worker", cpu);
	w->state = PMD_WORKER_LEAVING;
	pmd_place_leave(w);
	pmd_shape_leave(w);
	evs_rcu_call(worker_end, w);
	return 0;
}

bool pmd_worker_is_ending(unsigned cpu)
{
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++)
		if (pmd_workers[id] && pmd_workers[id]->cpu == cpu &&
		    pmd_workers[id]->state != PMD_WORKER_RUNNING)
			return true;
	return false;
}

const struct pmd_config *pmd_configured(void)
{
	return &pmd_config;
}

void pmd_configure(const struct pmd_config *config)
{
	uint64_t flush_us = config->flush_us ? config->flush_us : FLUSH_US_DEFAULT;
	uint32_t pps = config->miss_budget_pps;

	pmd_config.flush_us = config->flush_us;
	pmd_config.miss_budget_pps = pps;
	pmd_config.adaptive_sleep = config->adaptive_sleep;
	pmd_config.drop_fragments = config->drop_fragments;
	evs_store_relaxed(&pmd_settings.flush_tsc, evs_clock_ns_to_tsc(flush_us * 1000));
	evs_store_relaxed(&pmd_settings.miss_interval_tsc, pps ? evs_clock_tsc_hz / pps : 0);
	evs_store_relaxed(&pmd_settings.adaptive_sleep, config->adaptive_sleep);
	evs_store_relaxed(&pmd_settings.drop_fragments, config->drop_fragments);
}

int pmd_init(const struct pmd_config *config, struct evs_error *err)
{
	pmd_config = *config;
	pmd_settings.translate = config->translate;
	pmd_settings.uncached = config->uncached;
	pmd_configure(config);
	memset(&lost_before, 0, sizeof(lost_before));
	return pmd_punt_init(err);
}

void pmd_fini(void)
{
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++)
		if (pmd_workers[id])
			evs_store_release(&pmd_workers[id]->stop, true);
	evs_rcu_synchronize(); /* workers that were ending are gone now, ports that left are, too */
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++)
		if (pmd_workers[id])
			worker_stop(pmd_workers[id]);
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++) {
		struct pmd_worker *w = pmd_workers[id];

		if (!w)
			continue;
		while (reap_step(w))
			evs_rcu_synchronize();
		worker_free(w);
		pmd_workers[id] = NULL;
	}
	pmd_attach_fini();
	pmd_punt_fini();
}

void pmd_drops_sum(struct port_counters *sum)
{
	*sum = lost_before;
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++)
		for (unsigned i = 0; pmd_workers[id] && i < PKT_N_DROPS; i++)
			sum->drops[i] += evs_load_relaxed(&pmd_workers[id]->lost.drops[i]);
}

/* One writer each: relaxed loads, word by word. */
static void copy_relaxed(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size / sizeof(uint64_t); i++)
		((uint64_t *)to)[i] = evs_load_relaxed((const uint64_t *)from + i);
}

static void stats_of(const struct pmd_worker *w, struct pmd_worker_stats *s)
{
	s->cpu = w->cpu;
	s->numa_node = w->numa_node;
	s->n_queues = w->poll->n;
	s->loops = evs_load_relaxed(&w->loops);
	s->longest_tsc =
	        EVS_MAX(evs_load_relaxed(&w->longest_tsc[0]), evs_load_relaxed(&w->longest_tsc[1]));
	s->busy_tsc = evs_load_relaxed(&w->busy_tsc);
	s->idle_tsc = evs_load_relaxed(&w->idle_tsc);
	s->bursts = evs_load_relaxed(&w->bursts);
	s->translations = evs_load_relaxed(&w->translations);
	s->translate_tsc = evs_load_relaxed(&w->translate_tsc);
	s->sleeps = evs_load_relaxed(&w->sleeps);
	s->stage_pkts = evs_load_relaxed(&w->stage_pkts);
	copy_relaxed(s->stage_tsc, w->stage_tsc, sizeof(s->stage_tsc));
	copy_relaxed(&s->account, &w->account, sizeof(s->account));
	s->pkts = s->account.rx;
	flow_cache_stats_get(w->cache, &s->cache);
}

void pmd_workers_walk(void (*visit)(unsigned worker, const struct pmd_worker_stats *stats,
                                    void *arg),
                      void *arg)
{
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++) {
		struct pmd_worker_stats stats = {0};

		if (!pmd_workers[id] || pmd_workers[id]->state != PMD_WORKER_RUNNING)
			continue;
		stats_of(pmd_workers[id], &stats);
		visit(id, &stats, arg);
	}
}
