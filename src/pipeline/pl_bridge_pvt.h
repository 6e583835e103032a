/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between pl_bridge.c, pl_port.c and the tables of a bridge.
 * Threads: control.
 */
#ifndef PL_BRIDGE_PVT_H
#define PL_BRIDGE_PVT_H

#include "pipeline/pl_pvt.h"

int pl_bridge_publish(struct pl_bridge *bridge); /* a new snapshot; 0 or -ENOMEM */

int pl_tables_create(struct pl_bridge *bridge, struct pl_tables **tablesp, struct evs_error *err);
/* Its memory goes when no cached flow refers to it any more. */
void pl_tables_destroy(struct pl_tables *tables);
/* fail_mode or has_controller may have changed. */
void pl_tables_bridge_set(struct pl_bridge *bridge);

#endif
