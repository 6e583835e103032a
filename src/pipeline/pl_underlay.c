/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of bridges and routes.
 * Threads: control writes; workers read. Owner: this file; replaced lists go after a grace period.
 */
#include "pipeline/pl_underlay_pvt.h"

#include <stdlib.h>

struct address {
	uint32_t bridge;
	struct pl_address at;
};

/* What workers see. */
struct list {
	uint32_t n_addrs, n_routes;
	struct address addrs[PL_MAX_ADDRESSES];
	struct pl_route routes[]; /* active ones, by falling prefix length */
};

static struct list *current; /* [ctl w, worker r] */
/* control only */
static struct address addrs[PL_MAX_ADDRESSES];
static struct pl_route routes[PL_MAX_ROUTES]; /* those that were configured, and the kernel's */
static uint32_t n_addrs, n_routes;            /* n_routes: both */

bool pl_ip_within(const uint8_t addr[16], const struct pl_prefix *prefix)
{
	unsigned bytes = prefix->len / 8, bits = prefix->len % 8;

	return !memcmp(addr, prefix->addr, bytes) &&
	       (!bits || !((addr[bytes] ^ prefix->addr[bytes]) >> (8 - bits)));
}

static void prefix_clear_host(struct pl_prefix *prefix)
{
	for (unsigned bit = prefix->len; bit < 128; bit++)
		prefix->addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static bool prefix_equal(const struct pl_prefix *a, const struct pl_prefix *b)
{
	return a->len == b->len && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

/* The address whose network holds addr, the longest. */
static const struct address *connected_to(const uint8_t addr[16])
{
	const struct address *best = NULL;

	for (uint32_t i = 0; i < n_addrs; i++)
		if (pl_ip_within(addr, &addrs[i].at.prefix) &&
		    (!best || addrs[i].at.prefix.len > best->at.prefix.len))
			best = &addrs[i];
	return best;
}

static struct pl_route route_connected(const struct address *address)
{
	struct pl_route route = {
	        .dst = address->at.prefix,
	        .bridge = address->bridge,
	        .vlan = address->at.vlan,
	        .weight = 1,
	        .origin = PL_ROUTE_ADDRESS,
	        .active = true,
	};

	memcpy(route.src, address->at.prefix.addr, sizeof(route.src));
	prefix_clear_host(&route.dst);
	return route;
}

/* What a person said about a network counts, not what the kernel says. */
static bool is_overruled(const struct pl_route *route)
{
	if (route->origin != PL_ROUTE_KERNEL)
		return false;
	for (uint32_t i = 0; i < n_routes; i++)
		if (routes[i].origin == PL_ROUTE_CONFIGURED &&
		    prefix_equal(&routes[i].dst, &route->dst))
			return true;
	for (uint32_t i = 0; i < n_addrs; i++) {
		struct pl_prefix net = addrs[i].at.prefix;

		prefix_clear_host(&net);
		if (prefix_equal(&net, &route->dst))
			return true;
	}
	return false;
}

static struct pl_route route_resolved(const struct pl_route *told)
{
	const struct address *by = connected_to(told->via);
	struct pl_route route = *told;

	route.active = by && !is_overruled(told);
	if (by) {
		route.bridge = by->bridge;
		route.vlan = by->at.vlan;
		memcpy(route.src, by->at.prefix.addr, sizeof(route.src));
	}
	return route;
}

/* Longer prefixes first, next hops of one network together, its own bridge first. */
static int by_length(const void *a, const void *b)
{
	const struct pl_route *x = a, *y = b;
	int order = y->dst.len - x->dst.len;

	if (order == 0)
		order = memcmp(x->dst.addr, y->dst.addr, sizeof(x->dst.addr));
	return order ? order : memcmp(x->via, y->via, sizeof(x->via));
}

/* Publishes; every cached flow may depend on it. */
static int publish(struct evs_error *err)
{
	size_t size = sizeof(struct list) + (n_addrs + n_routes) * sizeof(struct pl_route);
	struct list *list = calloc(1, size), *old = current;

	if (!list)
		return evs_error_set(err, -ENOMEM, "no memory for addresses and routes");
	list->n_addrs = n_addrs;
	memcpy(list->addrs, addrs, n_addrs * sizeof(addrs[0]));
	for (uint32_t i = 0; i < n_addrs; i++)
		list->routes[list->n_routes++] = route_connected(&addrs[i]);
	for (uint32_t i = 0; i < n_routes; i++) {
		struct pl_route route = route_resolved(&routes[i]);

		if (route.active)
			list->routes[list->n_routes++] = route;
	}
	qsort(list->routes, list->n_routes, sizeof(list->routes[0]), by_length);
	evs_store_release(&current, list);
	evs_rcu_free(old);
	pl_change_all();
	return 0;
}

int pl_address_add(struct pl_bridge *bridge, const struct pl_address *address,
                   struct evs_error *err)
{
	int rc;

	for (uint32_t i = 0; i < n_addrs; i++)
		if (!memcmp(addrs[i].at.prefix.addr, address->prefix.addr,
		            sizeof(address->prefix.addr)))
			return evs_error_set(err, -EEXIST, "a bridge has this address already");
	if (n_addrs == PL_MAX_ADDRESSES)
		return evs_error_set(err, -ENOSPC, "more than %d addresses", PL_MAX_ADDRESSES);
	addrs[n_addrs++] = (struct address){bridge->index, *address};
	rc = publish(err);
	if (rc)
		n_addrs--;
	return rc;
}

void pl_address_del(struct pl_bridge *bridge, const struct pl_prefix *address)
{
	for (uint32_t i = 0; i < n_addrs; i++) {
		if (addrs[i].bridge != bridge->index || !prefix_equal(&addrs[i].at.prefix, address))
			continue;
		addrs[i] = addrs[--n_addrs];
		publish(NULL);
		return;
	}
}

void pl_address_forget(const struct pl_bridge *bridge)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n_addrs; i++)
		if (addrs[i].bridge != bridge->index)
			addrs[kept++] = addrs[i];
	if (kept == n_addrs)
		return;
	n_addrs = kept;
	publish(NULL);
}

bool pl_underlay_any(uint32_t bridge)
{
	const struct list *list = evs_load_acquire(&current);

	for (uint32_t i = 0; list && i < list->n_addrs; i++)
		if (list->addrs[i].bridge == bridge)
			return true;
	return false;
}

bool pl_address_is_own(uint32_t bridge, uint16_t vlan, const uint8_t addr[16])
{
	const struct list *list = evs_load_acquire(&current);

	for (uint32_t i = 0; list && i < list->n_addrs; i++)
		if (list->addrs[i].bridge == bridge && list->addrs[i].at.vlan == vlan &&
		    !memcmp(list->addrs[i].at.prefix.addr, addr, 16))
			return true;
	return false;
}

const struct pl_address *pl_address_towards(uint32_t bridge, const uint8_t addr[16])
{
	for (uint32_t i = 0; i < n_addrs; i++)
		if (addrs[i].bridge == bridge && pl_ip_within(addr, &addrs[i].at.prefix))
			return &addrs[i].at;
	return NULL;
}

/* The first of the next hops to the longest network that dst is in, and how many they are. */
static const struct pl_route *routes_to(const struct list *list, const uint8_t dst[16],
                                        unsigned *n_hops)
{
	const struct pl_route *first = NULL;

	*n_hops = 0;
	for (uint32_t i = 0; list && i < list->n_routes; i++) {
		const struct pl_route *at = &list->routes[i];

		if (!first && pl_ip_within(dst, &at->dst))
			first = at;
		if (first && !prefix_equal(&at->dst, &first->dst))
			break;
		*n_hops += first != NULL;
	}
	return first;
}

/* Which of n next hops a flow has: each has so many of the hashes as its weight. */
static unsigned hop_of(const struct pl_route *hops, unsigned n, uint32_t hash)
{
	uint32_t total = 0, point;
	unsigned i = 0;

	for (unsigned k = 0; k < n; k++)
		total += hops[k].weight;
	for (point = hash % total; point >= hops[i].weight; i++)
		point -= hops[i].weight;
	return i;
}

unsigned pl_route_lookup(const uint8_t dst[16], uint32_t hash, unsigned skip, struct pl_hop *hop)
{
	unsigned n_hops;
	const struct pl_route *route = routes_to(evs_load_acquire(&current), dst, &n_hops);

	if (!route)
		return 0;
	route += (hop_of(route, n_hops, hash) + skip) % n_hops;
	hop->bridge = route->bridge;
	hop->vlan = route->vlan;
	memcpy(hop->src, route->src, sizeof(hop->src));
	memcpy(hop->next, route->origin == PL_ROUTE_ADDRESS ? dst : route->via, sizeof(hop->next));
	return n_hops;
}

int pl_route_add(const struct pl_prefix *dst, const uint8_t via[16], uint16_t weight,
                 struct evs_error *err)
{
	struct pl_route route = {.dst = *dst, .weight = weight, .origin = PL_ROUTE_CONFIGURED};
	int rc;

	prefix_clear_host(&route.dst);
	memcpy(route.via, via, sizeof(route.via));
	for (uint32_t i = 0; i < n_routes; i++)
		if (routes[i].origin == PL_ROUTE_CONFIGURED &&
		    prefix_equal(&routes[i].dst, &route.dst) &&
		    !memcmp(routes[i].via, via, sizeof(route.via)))
			return evs_error_set(err, -EEXIST,
			                     "there is this route already: 'evsctl route show'");
	if (n_routes == PL_MAX_ROUTES)
		return evs_error_set(err, -ENOSPC, "more than %d routes", PL_MAX_ROUTES);
	routes[n_routes++] = route;
	rc = publish(err);
	if (rc)
		n_routes--;
	return rc;
}

int pl_route_del(const struct pl_prefix *dst, uint8_t via[16], struct evs_error *err)
{
	static const uint8_t any[16];
	struct pl_prefix net = *dst;
	bool by_via = memcmp(via, any, sizeof(any)) != 0;
	struct pl_route *found = NULL;

	prefix_clear_host(&net);
	for (uint32_t i = 0; i < n_routes; i++) {
		if (routes[i].origin != PL_ROUTE_CONFIGURED ||
		    !prefix_equal(&routes[i].dst, &net) ||
		    (by_via && memcmp(routes[i].via, via, sizeof(any))))
			continue;
		if (found)
			return evs_error_set(err, -EINVAL,
			                     "several next hops lead there: name one");
		found = &routes[i];
	}
	if (!found)
		return evs_error_set(err, -ENOENT,
		                     "there is no such route: 'evsctl route show' lists them");
	memcpy(via, found->via, sizeof(found->via));
	*found = routes[--n_routes];
	return publish(err);
}

static bool route_equal(const struct pl_route *a, const struct pl_route *b)
{
	return prefix_equal(&a->dst, &b->dst) && !memcmp(a->via, b->via, sizeof(a->via)) &&
	       a->weight == b->weight;
}

/* The kernel's routes as they are kept, in their order, are these. */
static bool is_followed(const struct pl_route *followed, uint32_t n)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < n_routes; i++)
		if (routes[i].origin == PL_ROUTE_KERNEL &&
		    (at == n || !route_equal(&routes[i], &followed[at++])))
			return false;
	return at == n;
}

int pl_route_follow(const struct pl_route *followed, uint32_t n)
{
	uint32_t kept = 0, taken;
	int rc;

	if (is_followed(followed, n))
		return 0;
	for (uint32_t i = 0; i < n_routes; i++)
		if (routes[i].origin != PL_ROUTE_KERNEL)
			routes[kept++] = routes[i];
	taken = EVS_MIN(n, PL_MAX_ROUTES - kept);
	for (uint32_t i = 0; i < taken; i++) {
		routes[kept + i] = followed[i];
		routes[kept + i].origin = PL_ROUTE_KERNEL;
	}
	n_routes = kept + taken;
	rc = publish(NULL);
	return rc ? rc : taken < n ? -ENOSPC : 0;
}

struct pl_bridge *pl_route_bridge(const uint8_t via[16])
{
	const struct address *by = connected_to(via);

	return by ? pl_bridge_at(by->bridge) : NULL;
}

void pl_route_walk(void (*visit)(const struct pl_route *route, void *arg), void *arg)
{
	struct pl_route route;

	for (uint32_t i = 0; i < n_addrs; i++) {
		route = route_connected(&addrs[i]);
		visit(&route, arg);
	}
	for (uint32_t i = 0; i < n_routes; i++) {
		route = route_resolved(&routes[i]);
		visit(&route, arg);
	}
}
