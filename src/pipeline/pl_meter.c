/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meters.
 * Threads: control writes, workers look up.
 */
#include "pipeline/pl_of_pvt.h"

#include <stdlib.h>

struct pl_meter *pl_meter_lookup(const struct pl_tables *tables, uint32_t id, uint64_t version)
{
	struct pl_meter *meter = evs_load_acquire(&tables->meters[id % PL_GROUP_BUCKETS]);

	while (meter && (meter->id != id || !pl_exists(meter->added, &meter->removed, version)))
		meter = evs_load_acquire(&meter->next);
	return meter;
}

void pl_meter_unlink(struct pl_meter *meter)
{
	struct pl_meter **link = &meter->bridge->tables->meters[meter->id % PL_GROUP_BUCKETS];

	while (*link != meter)
		link = &(*link)->next;
	evs_store_release(link, meter->next);
}

void pl_meter_free(struct pl_meter *meter)
{
	free(meter);
}

void pl_meters_clear(struct pl_tables *tables)
{
}
