/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods worker.set and worker.reset, and the regular look at the workers' load. Threads: control.
 */
#include <string.h>

#include "base/evs_clock.h"
#include "control/ctl_net.h"
#include "control/ctl_pvt.h"
#include "pmd/pmd.h"

#define KIND "workers"
#define NAME "all"

#define REBALANCE_S    10
#define REBALANCE_LOAD 0.7 /* below it nobody gains by a move */

static unsigned rebalance_s = REBALANCE_S;
static uint64_t rebalance_ms; /* of the last look */
static bool auto_sleep;       /* what `sleep=auto` means here */

void ctl_worker_init(void)
{
	auto_sleep = pmd_configured()->adaptive_sleep;
	rebalance_s = REBALANCE_S;
	rebalance_ms = evs_clock_ms();
}

void ctl_worker_tick(void)
{
	uint64_t now = evs_clock_ms();

	if (rebalance_s == 0 || now - rebalance_ms < (uint64_t)rebalance_s * 1000)
		return;
	rebalance_ms = now;
	pmd_rebalance_above(REBALANCE_LOAD);
}

/* Makes the settings those of the parameters; what they lack is at its default. */
static void apply(const json_t *params)
{
	struct pmd_config config = *pmd_configured();
	const char *sleep = ctl_param_str(params, "sleep", "auto");

	config.adaptive_sleep = strcmp(sleep, "auto") ? !strcmp(sleep, "on") : auto_sleep;
	config.miss_budget_pps = (uint32_t)ctl_param_uint(params, "miss-budget", 0);
	rebalance_s = (unsigned)ctl_param_uint(params, "rebalance", REBALANCE_S);
	pmd_configure(&config);
}

int ctl_worker_set(struct ctl_call *call)
{
	json_t *params = ctl_params_merge(ctl_conf_get(KIND, NAME), call->params);

	if (json_object_size(call->params)) {
		apply(params);
		ctl_conf_put(KIND, NAME, params);
	}
	call->result = json_pack(
	        "[{s:s, s:i, s:i}]", "sleep", ctl_param_str(params, "sleep", "auto"), "rebalance",
	        (int)rebalance_s, "miss-budget", (int)pmd_configured()->miss_budget_pps);
	json_decref(params);
	return 0;
}

int ctl_worker_reset(struct ctl_call *call)
{
	json_t *nothing = json_object();

	apply(nothing);
	ctl_conf_del(KIND, NAME);
	json_decref(nothing);
	return 0;
}
