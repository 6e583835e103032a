/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbours: asked for, heard, held, forgotten; and the methods neigh.*. Threads: control.
 *
 * Only neighbours that a tunnel asked for are kept, so that nobody can fill the table from outside;
 * a message about any other is not believed. A neighbour that moves is followed at once, but once a
 * second at most, so that a spoofer can not make flows flap faster.
 */
#include "control/ctl_ip.h"

#include <rte_ether.h>
#include <stdio.h>
#include <string.h>

#include "base/evs_clock.h"
#include "base/evs_log.h"

#define ASK_MS     1000 /* between two questions */
#define N_ASKS     3    /* without answer: it is not there */
#define REST_MS    3000 /* then nobody asks for so long */
#define FRESH_S    60   /* an answer is good for so long; then it is asked again */
#define MOVE_MS    1000
#define MAX_NEIGHS 1024

enum state { INCOMPLETE, REACHABLE, PROBE, FAILED, STATIC };
static const char *const state_names[] = {"incomplete", "reachable", "probe", "failed", "static"};

struct neigh {
	uint32_t bridge;
	enum state state;
	uint8_t addr[16], mac[6];
	uint8_t n_asks;
	uint32_t due_ms;   /* of the next step */
	uint32_t heard_ms; /* last answer */
	uint32_t moved_ms;
};

static struct neigh neighs[MAX_NEIGHS];
static unsigned n_neighs;

static struct neigh *find(uint32_t bridge, const uint8_t addr[16])
{
	for (unsigned i = 0; i < n_neighs; i++)
		if (neighs[i].bridge == bridge && !memcmp(neighs[i].addr, addr, 16))
			return &neighs[i];
	return NULL;
}

static struct neigh *make(uint32_t bridge, const uint8_t addr[16])
{
	struct neigh *n = &neighs[n_neighs];

	if (n_neighs == MAX_NEIGHS) /* what did not answer makes room */
		for (n = neighs; n < &neighs[MAX_NEIGHS] && n->state != FAILED;)
			n++;
	else
		n_neighs++;
	if (n == &neighs[MAX_NEIGHS])
		return NULL;
	*n = (struct neigh){.bridge = bridge, .moved_ms = evs_clock_ms() - MOVE_MS};
	memcpy(n->addr, addr, sizeof(n->addr));
	return n;
}

static void forget(struct neigh *n)
{
	pl_neigh_del(n->bridge, n->addr);
	*n = neighs[--n_neighs];
}

static void ask(struct neigh *n, uint32_t now_ms)
{
	n->n_asks++;
	n->due_ms = now_ms + ASK_MS;
	ctl_own_ask(n->bridge, n->addr);
}

void ctl_neigh_wanted(uint32_t bridge, const uint8_t addr[16])
{
	struct neigh *n = find(bridge, addr);

	if (n)
		return;
	n = make(bridge, addr);
	if (!n) {
		EVS_LOG_LIMITED(control, WARN, "more than %d neighbours: one is not resolved",
		                MAX_NEIGHS);
		return;
	}
	ask(n, evs_clock_ms());
}

static uint32_t fresh_ms(uint32_t index)
{
	const struct pl_bridge *bridge = pl_bridge_at(index);
	const json_t *params = bridge ? ctl_conf_get("bridge", pl_bridge_name(bridge)) : NULL;

	return 1000 * (uint32_t)ctl_param_uint(params, "neigh-age", FRESH_S);
}

void ctl_neigh_heard(uint32_t bridge, const uint8_t addr[16], const uint8_t mac[6])
{
	struct neigh *n = find(bridge, addr);
	uint32_t now_ms = evs_clock_ms();
	bool known, moved;

	if (!n || n->state == STATIC ||
	    !rte_is_valid_assigned_ether_addr((const struct rte_ether_addr *)mac))
		return;
	known = n->state == REACHABLE || n->state == PROBE;
	moved = known && memcmp(n->mac, mac, 6);
	if (moved && now_ms - n->moved_ms < MOVE_MS) {
		n->due_ms = n->moved_ms + MOVE_MS; /* ask who it is, when that may count */
		return;
	}
	if (moved)
		n->moved_ms = now_ms;
	n->state = REACHABLE;
	n->n_asks = 0;
	n->heard_ms = now_ms;
	n->due_ms = now_ms + fresh_ms(bridge);
	memcpy(n->mac, mac, sizeof(n->mac));
	if (!known || moved)
		pl_neigh_set(bridge, addr, mac);
	if (!known)
		ctl_hold_retry();
}

/* One step of a neighbour whose time has come. False: it is gone. */
static bool step(struct neigh *n, uint32_t now_ms)
{
	switch (n->state) {
	case REACHABLE:
		n->state = PROBE;
		ask(n, now_ms);
		return true;
	case INCOMPLETE:
	case PROBE:
		if (n->n_asks < N_ASKS) {
			ask(n, now_ms);
			return true;
		}
		if (n->state == PROBE)
			pl_neigh_del(n->bridge, n->addr);
		n->state = FAILED;
		n->due_ms = now_ms + REST_MS;
		return true;
	case FAILED:
		forget(n); /* flows ask again, if there are any */
		return false;
	case STATIC:
		break;
	}
	return true;
}

void ctl_neigh_tick(void)
{
	uint32_t now_ms = evs_clock_ms();

	for (unsigned i = 0; i < n_neighs;) {
		struct neigh *n = &neighs[i];
		bool due = n->state != STATIC && (int32_t)(now_ms - n->due_ms) >= 0;

		if (!pl_bridge_at(n->bridge)) {
			forget(n);
			continue;
		}
		i += !due || step(n, now_ms);
	}
}

void ctl_neigh_fini(void)
{
	n_neighs = 0;
}

/* ---- methods ---- */

static int named(struct ctl_call *call, uint32_t *bridge, uint8_t addr[16])
{
	struct ctl_bridge *found =
	        ctl_bridge_lookup(ctl_param_str(call->params, "bridge", ""), &call->err);

	if (!found)
		return call->err.code;
	*bridge = pl_bridge_index(found->pl);
	return ctl_ip_parse(ctl_param_str(call->params, "address", ""), addr, &call->err);
}

static void entry_name(const json_t *params, char name[128])
{
	snprintf(name, 128, "%s %s", ctl_param_str(params, "bridge", ""),
	         ctl_param_str(params, "address", ""));
}

int ctl_neigh_add(struct ctl_call *call)
{
	struct rte_ether_addr mac;
	struct neigh *n;
	uint32_t bridge = 0;
	uint8_t addr[16];
	char name[128];
	int ret = named(call, &bridge, addr);

	if (ret)
		return ret;
	rte_ether_unformat_addr(ctl_param_str(call->params, "mac", ""), &mac);
	if (!rte_is_valid_assigned_ether_addr(&mac))
		return evs_error_set(&call->err, -EINVAL, "%s is not the address of one station",
		                     ctl_param_str(call->params, "mac", ""));
	n = find(bridge, addr);
	if (!n)
		n = make(bridge, addr);
	if (!n)
		return evs_error_set(&call->err, -ENOSPC, "more than %d neighbours", MAX_NEIGHS);
	n->state = STATIC;
	memcpy(n->mac, mac.addr_bytes, sizeof(n->mac));
	ret = pl_neigh_set(bridge, addr, n->mac);
	if (ret)
		return evs_error_set(&call->err, ret, "no memory for a neighbour");
	entry_name(call->params, name);
	ctl_conf_put("neigh", name, call->params);
	return 0;
}

int ctl_neigh_del(struct ctl_call *call)
{
	struct neigh *n;
	uint32_t bridge = 0;
	uint8_t addr[16];
	char name[128];
	int ret = named(call, &bridge, addr);

	if (ret)
		return ret;
	n = find(bridge, addr);
	if (!n)
		return evs_error_set(&call->err, -ENOENT,
		                     "no such neighbour: 'evsctl neigh show' lists them");
	forget(n);
	entry_name(call->params, name);
	ctl_conf_del("neigh", name);
	return 0;
}

int ctl_neigh_show(struct ctl_call *call)
{
	const char *only = ctl_param_str(call->params, "bridge", NULL);
	uint32_t now_ms = evs_clock_ms();

	if (only && !ctl_bridge_lookup(only, &call->err))
		return -ENOENT;
	call->result = json_array();
	for (unsigned i = 0; i < n_neighs; i++) {
		const struct neigh *n = &neighs[i];
		const struct pl_bridge *bridge = pl_bridge_at(n->bridge);
		bool known = n->state != INCOMPLETE && n->state != FAILED;
		char ip[CTL_IP_LEN], mac[CTL_MAC_LEN];

		if (!bridge || (only && strcmp(only, pl_bridge_name(bridge))))
			continue;
		json_array_append_new(
		        call->result,
		        json_pack("{s:s, s:s, s:s, s:s, s:i}", "bridge", pl_bridge_name(bridge),
		                  "address", ctl_ip_text(n->addr, ip), "mac",
		                  known ? ctl_mac_text(n->mac, mac) : "", "state",
		                  state_names[n->state], "age",
		                  n->heard_ms ? (int)((now_ms - n->heard_ms) / 1000) : 0));
	}
	return 0;
}
