/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bridges and their snapshots.
 * Threads: control, but pl_snap_port (any). Owner: this file, until a grace period after removal.
 *
 * A snapshot is made anew at each change of the bridge or of one of its ports and swapped in; so
 * a worker sees the old configuration or the new one, never a mixture.
 */
#include "pipeline/pl_bind_pvt.h"
#include "pipeline/pl_of_pvt.h"

#include <stdlib.h>
#include <string.h>

#include "base/evs_log.h"
#include "pipeline/pl_underlay.h"
#include "tunnel/tun_ports.h"

struct pl_globals pl_globals;

const struct pl_view *pl_snap_port(const struct pl_snap *snap, uint32_t ofport)
{
	uint32_t low = 0, high = snap->n_ports;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (snap->ports[mid].ofport == ofport)
			return &snap->ports[mid];
		if (snap->ports[mid].ofport < ofport)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void view_fill(struct pl_view *view, struct pl_port *port)
{
	const struct pl_port_config *config = &port->config;
	struct pl_port *peer = port->peer_name[0] ? pl_port_lookup(port->peer_name) : NULL;

	*view = (struct pl_view){
	        .port = port,
	        .ofport = port->ofport,
	        .index = port->index,
	        .tag = config->tag,
	        .vlan_mode = config->vlan_mode,
	        .priority_tags = config->priority_tags,
	        .is_protected = config->protected_port,
	        .storm_unknown = config->storm_unknown,
	        .link_up = port->link_up,
	        .qinq_tpid = config->qinq_tpid ? config->qinq_tpid : RTE_BE16(0x88a8),
	        .flags = port->flags,
	        .tunnel = port->tunnel,
	        .flood = port->flood,
	        .trunks = port->trunks,
	        .cvlans = port->cvlans,
	};
	/* both must name each other, else a packet would come out where nobody expects it */
	if (peer && !strcmp(peer->peer_name, port->name)) {
		view->peer = peer->bridge;
		view->peer_ofport = peer->ofport;
	}
}

int pl_bridge_publish(struct pl_bridge *bridge)
{
	struct pl_snap *old = bridge->snap, *snap;
	struct pl_port *port;
	uint32_t n = 0;

	snap = malloc(sizeof(*snap) + bridge->n_ports * sizeof(snap->ports[0]));
	if (!snap)
		return -ENOMEM;
	snap->bridge = bridge;
	snap->config = bridge->config;
	TAILQ_FOREACH (port, &bridge->ports, link)
		view_fill(&snap->ports[n++], port);
	snap->n_ports = n;
	evs_store_release(&bridge->snap, snap);
	TAILQ_FOREACH (port, &bridge->ports, link)
		if (port->tunnel)
			tun_port_set_options(port->index,
			                     snap->config.options.n ? &snap->config.options : NULL);
	evs_rcu_free(old);
	return 0;
}

struct pl_bridge *pl_bridge_lookup(const char *name)
{
	for (unsigned i = 0; i < PL_MAX_BRIDGES; i++)
		if (pl_globals.bridges[i] && !strcmp(pl_globals.bridges[i]->name, name))
			return pl_globals.bridges[i];
	return NULL;
}

struct pl_bridge *pl_bridge_at(uint32_t index)
{
	return index < PL_MAX_BRIDGES ? evs_load_acquire(&pl_globals.bridges[index]) : NULL;
}

uint32_t pl_bridge_index(const struct pl_bridge *bridge)
{
	return bridge->index;
}

const char *pl_bridge_name(const struct pl_bridge *bridge)
{
	return bridge->name;
}

const struct pl_bridge_config *pl_bridge_config(const struct pl_bridge *bridge)
{
	return &bridge->config;
}

static void config_complete(struct pl_bridge_config *config)
{
	if (!config->fdb_age_s)
		config->fdb_age_s = PL_FDB_AGE_S;
	if (!config->fdb_size)
		config->fdb_size = PL_FDB_SIZE;
}

static int bridge_slot(const char *name, uint32_t *indexp, struct evs_error *err)
{
	if (!name[0] || strlen(name) >= PL_NAME_LEN)
		return evs_error_set(err, -EINVAL, "bridge name '%.80s': 1 to %d characters", name,
		                     PL_NAME_LEN - 1);
	if (pl_bridge_lookup(name))
		return evs_error_set(err, -EEXIST, "bridge '%s' exists already", name);
	for (*indexp = 0; *indexp < PL_MAX_BRIDGES; ++*indexp)
		if (!pl_globals.bridges[*indexp])
			return 0;
	return evs_error_set(err, -ENOSPC, "bridge '%s': there are %d bridges already", name,
	                     PL_MAX_BRIDGES);
}

int pl_bridge_create(const char *name, const struct pl_bridge_config *config,
                     struct pl_bridge **bridgep, struct evs_error *err)
{
	struct pl_bridge *bridge;
	uint32_t index;
	int rc = bridge_slot(name, &index, err);

	if (rc)
		return rc;
	bridge = calloc(1, sizeof(*bridge));
	if (!bridge)
		return evs_error_set(err, -ENOMEM, "bridge '%s': no memory", name);
	strcpy(bridge->name, name);
	bridge->index = index;
	bridge->config = *config;
	config_complete(&bridge->config);
	TAILQ_INIT(&bridge->ports);
	rc = pl_fdb_init(&bridge->fdb, bridge->config.fdb_size, err);
	if (rc)
		goto free_bridge;
	rc = pl_bind_init(bridge, err);
	if (rc)
		goto fini_fdb;
	rc = pl_tables_create(bridge, &bridge->tables, err);
	if (rc)
		goto fini_binds;
	rc = pl_bridge_publish(bridge);
	if (rc) {
		evs_error_set(err, rc, "bridge '%s': no memory", name);
		goto destroy_tables;
	}
	evs_store_release(&pl_globals.bridges[index], bridge);
	*bridgep = bridge;
	return 0;
destroy_tables:
	pl_tables_destroy(bridge->tables);
fini_binds:
	pl_bind_fini(bridge);
fini_fdb:
	pl_fdb_fini(bridge);
free_bridge:
	free(bridge);
	return rc;
}

int pl_bridge_set(struct pl_bridge *bridge, const struct pl_bridge_config *config,
                  struct evs_error *err)
{
	struct pl_bridge_config old = bridge->config, new = *config;
	int rc;

	config_complete(&new);
	if (new.fdb_size != old.fdb_size) {
		rc = pl_fdb_resize(bridge, new.fdb_size, err);
		if (rc)
			return rc;
	}
	bridge->config = new;
	if (pl_bridge_publish(bridge)) {
		bridge->config = old;
		return evs_error_set(err, -ENOMEM, "bridge '%s': no memory", bridge->name);
	}
	if (new.forward_bpdu != old.forward_bpdu ||
	    memcmp(&new.hwaddr, &old.hwaddr, sizeof(new.hwaddr)))
		pl_change_bridge(bridge, PL_CHANGE_ALL);
	if (new.drop_fragments != old.drop_fragments || new.is_alone != old.is_alone ||
	    new.suppress != old.suppress || memcmp(&new.options, &old.options, sizeof(new.options)))
		pl_change_all(); /* every flow looked at it, and few have a reference to the bridge
		                  */
	if (!new.suppress)
		pl_bind_flush(bridge);
	pl_tables_bridge_set(bridge);
	return 0;
}

static void bridge_free(void *arg)
{
	struct pl_bridge *bridge = arg;

	if (pl_rules_leave()) {
		evs_rcu_call(bridge_free, bridge);
		return;
	}
	pl_fdb_fini(bridge);
	pl_bind_fini(bridge);
	free(bridge->snap);
	free(bridge);
}

void pl_bridge_destroy(struct pl_bridge *bridge)
{
	struct pl_port *port;

	if (!bridge)
		return;
	while ((port = TAILQ_FIRST(&bridge->ports)))
		pl_port_del(port);
	evs_store_release(&pl_globals.bridges[bridge->index], (struct pl_bridge *)NULL);
	pl_recirc_forget(bridge->index); /* which another bridge may get soon */
	pl_tables_destroy(bridge->tables);
	pl_address_forget(bridge);
	pl_change_bridge(bridge, PL_CHANGE_ALL);
	pl_change_call(bridge_free, bridge);
}
