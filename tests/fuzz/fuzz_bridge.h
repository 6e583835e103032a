/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For fuzz targets of what stands behind translation: a pipeline without workers.
 */
#ifndef FUZZ_BRIDGE_H
#define FUZZ_BRIDGE_H

#include "base/evs_clock.h"
#include "base/evs_rcu.h"
#include "fuzz_pool.h"
#include "pipeline/pl_bind.h"
#include "pipeline/pl_underlay.h"
#include "pkt/pkt_csum.h"
#include "pkt/pkt_hash.h"
#include "pkt/pkt_parse.h"

static inline void fuzz_pipeline_init(bool (*post)(unsigned worker, const struct pl_learn *learn),
                                      struct flow_cache *(*cache)(unsigned worker))
{
	struct pl_config config = {.worker_cache = cache, .post_learn = post};
	struct evs_error err = {0};

	if (fuzz_pool_init())
		abort();
	evs_clock_init();
	pkt_hash_init(1);
	if (evs_rcu_init(&err) || pl_init(&config, &err))
		abort();
}

static inline void fuzz_settle(void)
{
	pl_commit();
	while (evs_rcu_poll())
		;
}

static inline struct pl_bridge *fuzz_bridge(bool suppress)
{
	struct pl_bridge_config config = {
	        .dpid = 1, .suppress = suppress, .hwaddr = {{2, 0, 0, 0, 0, 0xb0}}};
	struct evs_error err = {0};
	struct pl_bridge *bridge;

	if (pl_bridge_create("fuzz", &config, &bridge, &err))
		abort();
	return bridge;
}

static inline struct pl_port *fuzz_port(struct pl_bridge *bridge, uint16_t index,
                                        const struct pl_tunnel *tunnel)
{
	struct pl_port_config config = {.index = index, .ofport = index, .tunnel = tunnel};
	struct evs_error err = {0};
	struct pl_port *port;
	char name[16];

	snprintf(name, sizeof(name), "p%u", index);
	if (pl_port_add(bridge, name, &config, &port, &err))
		abort();
	return port;
}

#endif
