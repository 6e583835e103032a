/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start, end and timer of the pipeline.
 * Threads: control.
 */
#include "pipeline/pl.h"

#include <string.h>

#include "base/evs_clock.h"
#include "pipeline/pl_bind_pvt.h"
#include "pipeline/pl_of_pvt.h"

int pl_init(const struct pl_config *config, struct evs_error *err)
{
	memset(&pl_globals, 0, sizeof(pl_globals));
	pl_globals.config = *config;
	pl_inval_init();
	return 0;
}

void pl_fini(void)
{
	for (unsigned i = 0; i < PL_MAX_BRIDGES; i++)
		pl_bridge_destroy(pl_globals.bridges[i]);
	pl_commit();
	pl_inval_fini();
	evs_rcu_synchronize();
}

uint32_t pl_tick(void)
{
	uint32_t now_ms = evs_clock_ms();

	pl_collect();
	pl_sweep(now_ms, false);
	for (unsigned i = 0; i < PL_MAX_BRIDGES; i++)
		if (pl_globals.bridges[i]) {
			pl_fdb_expire(pl_globals.bridges[i], now_ms);
			pl_bind_expire(pl_globals.bridges[i], now_ms);
		}
	pl_of_tick(now_ms);
	return pl_reap();
}
