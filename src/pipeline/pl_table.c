/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a bridge.
 * Threads: control writes, workers read.
 */
#include "pipeline/pl_of_pvt.h"

#include <stdlib.h>

#include "base/evs_clock.h"

uint64_t pl_version = 1;

static bool acts_as_normal(const struct pl_bridge *bridge)
{
	return bridge->config.fail_mode == PL_FAIL_STANDALONE && !bridge->config.has_controller;
}

int pl_tables_create(struct pl_bridge *bridge, struct pl_tables **tablesp, struct evs_error *err)
{
	struct pl_tables *tables = calloc(1, sizeof(*tables));

	if (!tables)
		return evs_error_set(err, -ENOMEM, "bridge '%s': no memory for its tables",
		                     bridge->name);
	tables->bridge = bridge;
	tables->normal = acts_as_normal(bridge);
	*tablesp = tables;
	return 0;
}

void pl_tables_destroy(struct pl_tables *tables)
{
	pl_change_call(free, tables);
}

void pl_tables_bridge_set(struct pl_bridge *bridge)
{
	bool normal = acts_as_normal(bridge);

	if (bridge->tables->normal == normal)
		return;
	evs_store_relaxed(&bridge->tables->normal, normal);
	pl_change_bridge(bridge, PL_CHANGE_ALL);
}

void pl_commit(void)
{
	evs_store_release(&pl_version, pl_version + 1);
}

bool pl_of_ref_hit(uint64_t seq, const struct flow *flow, const struct flow_ref *ref)
{
	return false;
}

bool pl_of_pass_begin(uint64_t seq)
{
	return false;
}

void pl_of_pass_end(uint64_t seq)
{
}

void pl_of_credit(const struct flow_ref *ref, const struct pl_credit *credit)
{
}

void pl_of_tick(uint32_t now_ms)
{
}
