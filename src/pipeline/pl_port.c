/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of bridges: numbers, VLAN configuration, state, patch peers.
 * Threads: control. Owner: this file, until a grace period after removal.
 */
#include "pipeline/pl_bridge_pvt.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/pl_bind_pvt.h"
#include "pipeline/pl_underlay.h"
#include "tunnel/tun_ports.h"

struct pl_port *pl_port_map[PKT_PORT_MAX + 1];

struct pl_port *pl_port_lookup(const char *name)
{
	struct pl_port *port;

	for (unsigned i = 0; i < PL_MAX_BRIDGES; i++) {
		if (!pl_globals.bridges[i])
			continue;
		TAILQ_FOREACH (port, &pl_globals.bridges[i]->ports, link)
			if (!strcmp(port->name, name))
				return port;
	}
	return NULL;
}

struct pl_port *pl_port_by_ofport(const struct pl_bridge *bridge, uint32_t ofport)
{
	const struct pl_view *view = pl_snap_port(bridge->snap, ofport);

	return view ? view->port : NULL;
}

struct pl_port *pl_port_by_index(uint16_t index)
{
	return index <= PKT_PORT_MAX ? pl_port_map[index] : NULL;
}

uint32_t pl_port_ofport(const struct pl_port *port)
{
	return port->ofport;
}

const char *pl_port_name(const struct pl_port *port)
{
	return port->name;
}

/* NULL stands for every VLAN. */
static int vlan_set_make(const uint8_t bitmap[512], struct pl_vlan_set **setp)
{
	bool none = true, all = true;

	*setp = NULL;
	for (unsigned i = 0; i < 512; i++) {
		none &= bitmap[i] == 0;
		all &= bitmap[i] == 0xff;
	}
	if (none || all)
		return 0;
	*setp = calloc(1, sizeof(**setp));
	if (!*setp)
		return -ENOMEM;
	for (unsigned vid = 0; vid < 4096; vid++)
		if (bitmap[vid / 8] >> (vid % 8) & 1)
			(*setp)->word[vid >> 6] |= 1ull << (vid & 63);
	return 0;
}

static int config_check(const char *name, const struct pl_port_config *config,
                        struct evs_error *err)
{
	if (config->tag > 4095)
		return evs_error_set(err, -EINVAL, "port '%s': tag %u is not in 0..4095", name,
		                     config->tag);
	if (config->index > PKT_PORT_MAX)
		return evs_error_set(err, -EINVAL, "port '%s': index %u above %u", name,
		                     config->index, PKT_PORT_MAX);
	if (!config->patch_peer && config->index == PKT_PORT_NONE)
		return evs_error_set(err, -EINVAL, "port '%s': neither a device nor a patch peer",
		                     name);
	if (config->patch_peer && strlen(config->patch_peer) >= PL_NAME_LEN)
		return evs_error_set(err, -EINVAL, "port '%s': peer name too long", name);
	if (config->patch_peer && !strcmp(config->patch_peer, name))
		return evs_error_set(err, -EINVAL, "port '%s': is its own peer; name the other one",
		                     name);
	if (config->ofport > PL_OFPORT_MAX && config->ofport != PL_OFPORT_LOCAL)
		return evs_error_set(err, -EINVAL, "port '%s': ofport %u is not in 1..%u", name,
		                     config->ofport, PL_OFPORT_MAX);
	return 0;
}

static int ofport_choose(const struct pl_bridge *bridge, const char *name, uint32_t wanted,
                         uint32_t *ofportp, struct evs_error *err)
{
	uint32_t next = 1;
	struct pl_port *port;

	*ofportp = wanted;
	if (wanted) {
		port = pl_port_by_ofport(bridge, wanted);
		return port ? evs_error_set(err, -EEXIST, "port '%s': ofport %u is '%s' already",
		                            name, wanted, port->name)
		            : 0;
	}
	TAILQ_FOREACH (port, &bridge->ports, link)
		if (port->ofport == next)
			next++;
	*ofportp = next;
	return next <= PL_OFPORT_MAX
	               ? 0
	               : evs_error_set(err, -ENOSPC, "port '%s': no free ofport", name);
}

static int flood_make(const struct pl_flood *flood, struct pl_flood **copyp)
{
	*copyp = flood ? malloc(sizeof(*flood)) : NULL;
	if (!flood)
		return 0;
	if (!*copyp)
		return -ENOMEM;
	**copyp = *flood;
	return 0;
}

/* What the port had before is the caller's: snapshots still name it. */
static int config_apply(struct pl_port *port, const struct pl_port_config *config,
                        struct evs_error *err)
{
	struct pl_vlan_set *trunks, *cvlans = NULL;
	struct pl_flood *flood = NULL;

	if (vlan_set_make(config->trunks, &trunks) || vlan_set_make(config->cvlans, &cvlans) ||
	    flood_make(config->flood, &flood)) {
		free(trunks);
		free(cvlans);
		return evs_error_set(err, -ENOMEM, "port '%s': no memory", port->name);
	}
	port->trunks = trunks;
	port->cvlans = cvlans;
	port->flood = flood;
	port->config = *config;
	port->config.patch_peer = NULL;
	port->config.tunnel = NULL;
	port->config.flood = NULL;
	memset(port->peer_name, 0, sizeof(port->peer_name));
	if (config->patch_peer)
		strncpy(port->peer_name, config->patch_peer, PL_NAME_LEN - 1);
	return 0;
}

/* The endpoint by which packets find the port. Which UDP ports are tunnels may be new. */
static int tunnel_apply(struct pl_port *port, const struct pl_tunnel *tunnel, struct evs_error *err)
{
	struct tun_match match = {.index = port->index};
	int rc;

	if (!tunnel)
		return 0;
	match.kind = tunnel->kind;
	match.dst_port = tun_kinds[tunnel->kind].dst_port ? tunnel->dst_port : 0;
	match.wild = (tunnel->remote_flow ? TUN_ANY_REMOTE : 0) |
	             (tunnel->key_flow ? TUN_ANY_KEY : 0) | (tunnel->has_local ? 0 : TUN_ANY_LOCAL);
	match.key = tunnel->key_flow ? 0 : tunnel->key;
	if (!tunnel->remote_flow)
		memcpy(match.remote, tunnel->remote, sizeof(match.remote));
	if (tunnel->has_local)
		memcpy(match.local, tunnel->local, sizeof(match.local));
	port->tunnel = malloc(sizeof(*tunnel));
	if (!port->tunnel)
		return evs_error_set(err, -ENOMEM, "port '%s': no memory", port->name);
	*port->tunnel = *tunnel;
	rc = tun_port_add(&match, err);
	if (rc == 0)
		pl_change_all();
	return rc;
}

static void list_insert(struct pl_bridge *bridge, struct pl_port *port)
{
	struct pl_port *at;

	bridge->n_ports++;
	TAILQ_FOREACH (at, &bridge->ports, link) {
		if (at->ofport > port->ofport) {
			TAILQ_INSERT_BEFORE(at, port, link);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&bridge->ports, port, link);
}

/* The peer's bridge has a new view of this port, or none any more. */
static void peer_refresh(const char *peer_name, const struct pl_bridge *not_this)
{
	struct pl_port *peer = peer_name[0] ? pl_port_lookup(peer_name) : NULL;

	if (!peer)
		return;
	if (peer->bridge != not_this)
		pl_bridge_publish(peer->bridge);
	pl_change_port(peer, PL_CHANGE_ALL);
	pl_change_bridge(peer->bridge, PL_CHANGE_STATE);
}

/* Ports of this name may be waited for by a patch port that was there first. */
static void announce(struct pl_port *port)
{
	if (port->index != PKT_PORT_NONE)
		pl_change_index(port->index);
	pl_change_port(port, PL_CHANGE_ALL);
	pl_change_bridge(port->bridge, PL_CHANGE_STATE);
	peer_refresh(port->peer_name, port->bridge);
}

static int add_check(struct pl_bridge *bridge, const char *name,
                     const struct pl_port_config *config, struct evs_error *err)
{
	struct pl_port *other;

	if (!name[0] || strlen(name) >= PL_NAME_LEN)
		return evs_error_set(err, -EINVAL, "port name '%.80s': 1 to %d characters", name,
		                     PL_NAME_LEN - 1);
	other = pl_port_lookup(name);
	if (other)
		return evs_error_set(err, -EEXIST, "port '%s' exists already on bridge '%s'", name,
		                     other->bridge->name);
	if (config->index <= PKT_PORT_MAX && config->index && pl_port_map[config->index])
		return evs_error_set(err, -EEXIST, "port '%s': device %u is port '%s' already",
		                     name, config->index, pl_port_map[config->index]->name);
	if (config->tunnel && config->flood && pl_flood_check(config->tunnel, config->flood, err))
		return -EINVAL;
	return config_check(name, config, err);
}

int pl_port_add(struct pl_bridge *bridge, const char *name, const struct pl_port_config *config,
                struct pl_port **portp, struct evs_error *err)
{
	struct pl_port *port;
	uint32_t ofport;
	int rc = add_check(bridge, name, config, err);

	if (rc)
		return rc;
	rc = ofport_choose(bridge, name, config->ofport, &ofport, err);
	if (rc)
		return rc;
	port = calloc(1, sizeof(*port));
	if (!port)
		return evs_error_set(err, -ENOMEM, "port '%s': no memory", name);
	strcpy(port->name, name);
	port->bridge = bridge;
	port->ofport = ofport;
	port->index = config->index;
	port->link_up = true;
	TAILQ_INIT(&port->macs);
	TAILQ_INIT(&port->binds);
	rc = config_apply(port, config, err);
	if (rc)
		goto free_port;
	rc = tunnel_apply(port, config->tunnel, err);
	if (rc)
		goto free_config;
	list_insert(bridge, port);
	rc = pl_bridge_publish(bridge);
	if (rc) {
		evs_error_set(err, rc, "port '%s': no memory", name);
		goto unlink;
	}
	if (port->index != PKT_PORT_NONE)
		evs_store_release(&pl_port_map[port->index], port);
	announce(port);
	*portp = port;
	return 0;
unlink:
	TAILQ_REMOVE(&bridge->ports, port, link);
	bridge->n_ports--;
	if (port->tunnel)
		tun_port_del(port->index);
free_config:
	free(port->tunnel);
	free(port->flood);
	free(port->trunks);
	free(port->cvlans);
free_port:
	free(port);
	return rc;
}

/* The configuration as it was before a change that nobody has seen yet. */
static void config_restore(struct pl_port *port, const struct pl_port *old)
{
	free(port->trunks);
	free(port->cvlans);
	free(port->flood);
	port->trunks = old->trunks;
	port->cvlans = old->cvlans;
	port->flood = old->flood;
	port->config = old->config;
	memcpy(port->peer_name, old->peer_name, sizeof(port->peer_name));
}

int pl_port_set(struct pl_port *port, const struct pl_port_config *config, struct evs_error *err)
{
	struct pl_port_config new = *config;
	struct pl_port old = *port;
	int rc = config_check(port->name, config, err);

	if (rc)
		return rc;
	if (config->index != port->index || (config->ofport && config->ofport != port->ofport))
		return evs_error_set(err, -EINVAL,
		                     "port '%s': device and ofport stay; delete and add the port",
		                     port->name);
	if (config->flood && !(port->tunnel && port->tunnel->has_flood))
		return evs_error_set(err, -EINVAL,
		                     "port '%s' has no flood list: delete the port and add it with "
		                     "flood= in place of remote=",
		                     port->name);
	if (config->flood && pl_flood_check(port->tunnel, config->flood, err))
		return -EINVAL;
	new.ofport = port->ofport;
	rc = config_apply(port, &new, err);
	if (rc)
		return rc;
	rc = pl_bridge_publish(port->bridge);
	if (rc) {
		config_restore(port, &old);
		return evs_error_set(err, rc, "port '%s': no memory", port->name);
	}
	evs_rcu_free(old.trunks);
	evs_rcu_free(old.cvlans);
	evs_rcu_free(old.flood);
	if (strcmp(old.peer_name, port->peer_name))
		peer_refresh(old.peer_name, port->bridge);
	/* VLANs decide about forwarding to this port from any other one */
	pl_change_bridge(port->bridge, PL_CHANGE_ALL);
	announce(port);
	return 0;
}

void pl_port_state(struct pl_port *port, uint32_t flags, bool link_up)
{
	if (port->flags == flags && port->link_up == link_up)
		return;
	/* Who was behind it may come back behind another port, as a migrated guest does. */
	if (port->link_up && !link_up)
		pl_fdb_flush(port->bridge, port);
	port->flags = flags;
	port->link_up = link_up;
	pl_bridge_publish(port->bridge);
	pl_change_port(port, PL_CHANGE_STATE);
}

static void port_free(void *arg)
{
	struct pl_port *port = arg;

	free(port->tunnel);
	free(port->flood);
	free(port->trunks);
	free(port->cvlans);
	free(port);
}

void pl_port_del(struct pl_port *port)
{
	struct pl_bridge *bridge;

	if (!port)
		return;
	bridge = port->bridge;
	if (port->tunnel) {
		tun_port_del(port->index);
		tun_port_set_options(port->index, NULL);
		pl_change_all();
	}
	if (port->index != PKT_PORT_NONE)
		evs_store_release(&pl_port_map[port->index], (struct pl_port *)NULL);
	TAILQ_REMOVE(&bridge->ports, port, link);
	bridge->n_ports--;
	pl_bridge_publish(bridge);
	pl_fdb_forget_port(port);
	pl_bind_forget_port(port);
	announce(port);
	pl_change_call(port_free, port);
}
