/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rooms of the datapath, and the doors between those that do not know each other: a miss of a
 * worker goes to the pipeline, what it learned comes back through the workers' rings.
 * Threads: main starts; translate and post_learn run on workers.
 */
#include <string.h>
#include <unistd.h>

#include "base/evs_rcu.h"
#include "control/ctl.h"
#include "evsd/evsd_pvt.h"
#include "pipeline/pl.h"
#include "pkt/pkt_parse.h"
#include "pmd/pmd.h"
#include "port/port.h"
#include "vhost/vhu.h"

#define CACHE_FLOWS (1u << 20) /* of each worker; memory is taken as it is used */
#define CACHE_MASKS 256

/* [worker] */
static bool post_learn(unsigned worker, const struct pl_learn *learn)
{
	struct pmd_punt punt = {
	        .kind = PMD_PUNT_LEARN,
	        .bridge = learn->bridge,
	        .in_port = learn->rx_port,
	        .ofport = learn->in_port,
	        .vlan = learn->vlan,
	};

	memcpy(punt.mac, learn->mac, sizeof(punt.mac));
	memcpy(punt.tun.src, learn->end.remote, sizeof(punt.tun.src));
	punt.tun.id = learn->end.key;
	memcpy(punt.tun.dst, learn->addr, sizeof(punt.tun.dst));
	return pmd_punt(worker, &punt);
}

/* [worker] */
static bool post_neigh(unsigned worker, const struct pl_neigh_want *want)
{
	struct pmd_punt punt = {
	        .kind = PMD_PUNT_TUNNEL, .bridge = want->bridge, .in_port = want->rx_port};

	memcpy(punt.tun.dst, want->addr, sizeof(punt.tun.dst));
	return pmd_punt(worker, &punt);
}

static void kill_flows(unsigned worker)
{
	pl_cache_flush((int)worker);
}

static int pmd_start(const struct evsd_options *options, struct evs_error *err)
{
	struct pmd_config config = {
	        .translate = pl_translate,
	        .uncached = pl_credit_packet,
	        .kill_flows = kill_flows,
	        .credit = pl_flow_left,
	        .cache = {.n_flows = CACHE_FLOWS,
	                  .n_exact = 2 * CACHE_FLOWS,
	                  .n_exact_ext = CACHE_FLOWS / 2,
	                  .max_masks = CACHE_MASKS,
	                  .born = pl_flow_born},
	        .isa = pkt_isa_best(),
	        .flush_us = 50,
	        .miss_budget_pps = 0,
	        .adaptive_sleep = pmd_sleep_wise(evsd_cpus_last(&options->workers)),
	};

	return pmd_init(&config, err);
}

static int pl_start(struct evs_error *err)
{
	struct pl_config config = {.worker_cache = pmd_worker_cache,
	                           .port_note = ctl_qos_note,
	                           .post_learn = post_learn,
	                           .post_neigh = post_neigh};

	return pl_init(&config, err);
}

/* A CPU has one worker, and perhaps one that is ending still. Devices get a transmit queue for
 * each, so there had better not be many more than that. */
static unsigned most_workers(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	return (unsigned)EVS_MIN(EVS_MAX(2 * cpus, 4), (long)EVS_MAX_WORKERS);
}

int evsd_rooms_init(const struct evsd_options *options, struct evs_error *err)
{
	int ret = port_init(most_workers(), err);

	if (ret)
		return ret;
	port_queues_changed = pmd_port_queues_changed;
	ret = vhu_init(err);
	if (ret == 0)
		ret = pmd_start(options, err);
	if (ret)
		goto fail_pmd;
	ret = pl_start(err);
	if (ret)
		goto fail_pl;
	return 0;

fail_pl:
	pmd_fini();
fail_pmd:
	port_fini();
	return ret;
}

void evsd_rooms_fini(void)
{
	pmd_fini();
	pl_fini();
	port_fini();
}
