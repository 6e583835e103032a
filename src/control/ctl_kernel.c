/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the kernel: addresses of bridges' internal devices, and routes whose next hop is in a
 * bridge's network (rtnetlink(7)). Threads: control.
 *
 * A change there or here wakes us up; a moment later both tables are read anew, and what differs is
 * applied. Reading takes time where the kernel knows very many routes, so that it happens the less
 * often the longer it takes; what leads to no bridge is never kept. Where several routes lead to
 * one network, those of the lowest metric count.
 */
#include <event2/event.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/evs_clock.h"
#include "base/evs_log.h"
#include "control/ctl_ip.h"

#define WAIT_MS     50
#define WAIT_MAX_MS 10000
#define REST        10 /* we read a tenth of the time at most */
#define BUFFER_SIZE 32768
#define MAX_GIVEN   256

struct found {
	struct pl_route route;
	uint32_t metric;
};

struct given {
	uint32_t bridge;
	struct pl_prefix prefix;
};

static struct mnl_socket *events; /* NULL: there is no rtnetlink */
static struct event *changed, *timer;
static uint32_t last_took_ms;
static struct given given[MAX_GIVEN];
static unsigned n_given;

/* ---- routes ---- */

static struct found found[PL_MAX_ROUTES];
static unsigned n_found;
static bool too_many;

static bool same_network(const struct pl_prefix *a, const struct pl_prefix *b)
{
	return a->len == b->len && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

static bool is_wanted(const struct pl_bridge *bridge)
{
	const json_t *params = bridge ? ctl_conf_get("bridge", pl_bridge_name(bridge)) : NULL;

	return params && ctl_param_bool(params, "follow-kernel", true);
}

/* Keeps a route, unless there is a better one to its network. */
static void keep(const struct found *new)
{
	unsigned kept = 0;

	if (!is_wanted(pl_route_bridge(new->route.via)))
		return;
	for (unsigned i = 0; i < n_found; i++) {
		bool same = same_network(&found[i].route.dst, &new->route.dst);

		if (same && found[i].metric < new->metric)
			return;
		if (!same || found[i].metric == new->metric)
			found[kept++] = found[i];
	}
	n_found = kept;
	if (n_found < PL_MAX_ROUTES)
		found[n_found++] = *new;
	else
		too_many = true;
}

static bool read_ip(const struct nlattr *attr, int family, uint8_t addr[16])
{
	size_t size = family == AF_INET ? 4 : 16;
	uint32_t v4;

	if (mnl_attr_get_payload_len(attr) < size)
		return false;
	if (family == AF_INET6) {
		memcpy(addr, mnl_attr_get_payload(attr), size);
		return true;
	}
	memcpy(&v4, mnl_attr_get_payload(attr), size);
	pl_ip_from_v4(v4, addr);
	return true;
}

/* RTA_VIA: a next hop of the other IP version, which evs does not have; so of this one only. */
static bool read_via(const struct nlattr *attr, int family, uint8_t addr[16])
{
	return mnl_attr_get_type(attr) == RTA_GATEWAY && read_ip(attr, family, addr);
}

static void keep_multipath(const struct nlattr *attr, int family, struct found *new)
{
	const uint8_t *p = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *hop = (const struct rtnexthop *)p;
		const struct nlattr *inner;

		if (hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > left)
			return;
		inner = (const struct nlattr *)(p + RTNH_LENGTH(0));
		new->route.weight = hop->rtnh_hops + 1;
		for (size_t at = RTNH_LENGTH(0);
		     at < hop->rtnh_len && mnl_attr_ok(inner, (int)(hop->rtnh_len - at));
		     at += MNL_ALIGN(inner->nla_len), inner = (const struct nlattr *)(p + at))
			if (read_via(inner, family, new->route.via))
				keep(new);
		left -= EVS_MIN((size_t)MNL_ALIGN(hop->rtnh_len), left);
		p += MNL_ALIGN(hop->rtnh_len);
	}
}

static int on_route(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *multipath = NULL;
	uint32_t table = rt->rtm_table;
	struct found new = {.route.weight = 1};
	bool has_via = false;

	if (rt->rtm_type != RTN_UNICAST ||
	    (rt->rtm_family != AF_INET && rt->rtm_family != AF_INET6) ||
	    rt->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	if (rt->rtm_family == AF_INET)
		pl_ip_from_v4(0, new.route.dst.addr);
	new.route.dst.len = (uint8_t)(rt->rtm_dst_len + (rt->rtm_family == AF_INET ? 96 : 0));
	mnl_attr_for_each(attr, message, sizeof(*rt))
	{
		switch (mnl_attr_get_type(attr)) {
		case RTA_DST:
			read_ip(attr, rt->rtm_family, new.route.dst.addr);
			break;
		case RTA_GATEWAY:
			has_via = read_via(attr, rt->rtm_family, new.route.via);
			break;
		case RTA_PRIORITY:
			new.metric = mnl_attr_get_u32(attr);
			break;
		case RTA_TABLE:
			table = mnl_attr_get_u32(attr);
			break;
		case RTA_MULTIPATH:
			multipath = attr;
			break;
		}
	}
	if (table != RT_TABLE_MAIN)
		return MNL_CB_OK;
	if (has_via)
		keep(&new);
	if (multipath)
		keep_multipath(multipath, rt->rtm_family, &new);
	return MNL_CB_OK;
}

/* ---- addresses ---- */

static struct given seen[MAX_GIVEN];
static unsigned n_seen;

static struct ctl_bridge *bridge_of_device(unsigned ifindex)
{
	struct ctl_bridge *bridge;
	struct ctl_port *port;

	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		TAILQ_FOREACH (port, &bridge->ports, link) {
			if (port->local && port->port && (unsigned)port->port->ifindex == ifindex)
				return bridge;
		}
	}
	return NULL;
}

static int on_address(const struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(message);
	struct ctl_bridge *bridge = bridge_of_device(ifa->ifa_index);
	const struct nlattr *attr;
	struct given new = {0};
	bool has_local = false, has = false;

	if (!bridge || !is_wanted(bridge->pl) || n_seen == MAX_GIVEN ||
	    ifa->ifa_scope == RT_SCOPE_LINK ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*ifa))
	{
		int type = mnl_attr_get_type(attr);

		/* IFA_LOCAL is ours; without it, IFA_ADDRESS is. */
		if (type == IFA_LOCAL || (type == IFA_ADDRESS && !has_local))
			has |= read_ip(attr, ifa->ifa_family, new.prefix.addr);
		has_local |= type == IFA_LOCAL;
	}
	if (!has)
		return MNL_CB_OK;
	new.bridge = pl_bridge_index(bridge->pl);
	new.prefix.len = (uint8_t)(ifa->ifa_prefixlen + (ifa->ifa_family == AF_INET ? 96 : 0));
	seen[n_seen++] = new;
	return MNL_CB_OK;
}

static bool is_in(const struct given *list, unsigned n, const struct given *one)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i].bridge == one->bridge && same_network(&list[i].prefix, &one->prefix))
			return true;
	return false;
}

/* Those that went go, those that came come; what was configured is there already. */
static void apply_addresses(void)
{
	struct pl_bridge *bridge;
	unsigned kept = 0;

	for (unsigned i = 0; i < n_given; i++) {
		bridge = pl_bridge_at(given[i].bridge);
		if (is_in(seen, n_seen, &given[i]) &&
		    pl_address_is_own(given[i].bridge, 0, given[i].prefix.addr))
			given[kept++] = given[i];
		else if (bridge)
			pl_address_del(bridge, &given[i].prefix);
	}
	n_given = kept;
	for (unsigned i = 0; i < n_seen && n_given < MAX_GIVEN; i++) {
		struct pl_address address = {.prefix = seen[i].prefix};

		bridge = pl_bridge_at(seen[i].bridge);
		if (bridge && !is_in(given, n_given, &seen[i]) &&
		    pl_address_add(bridge, &address, NULL) == 0)
			given[n_given++] = seen[i];
	}
}

/* ---- reading both ---- */

static int dump(uint16_t type, mnl_cb_t take)
{
	static char buffer[BUFFER_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	ssize_t size;
	int ret = nl ? MNL_CB_OK : -1;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = 1;
	mnl_nlmsg_put_extra_header(request, sizeof(struct rtmsg)); /* of any family */
	if (ret == MNL_CB_OK && (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	                         mnl_socket_sendto(nl, request, request->nlmsg_len) < 0))
		ret = -1;
	while (ret == MNL_CB_OK) {
		size = mnl_socket_recvfrom(nl, buffer, sizeof(buffer));
		ret = size < 0 ? -1
		               : mnl_cb_run(buffer, (size_t)size, 1, mnl_socket_get_portid(nl),
		                            take, NULL);
	}
	if (nl)
		mnl_socket_close(nl);
	return ret == MNL_CB_STOP ? 0 : -1;
}

static void read_all(void)
{
	static struct pl_route routes[PL_MAX_ROUTES];

	n_seen = n_found = 0;
	too_many = false;
	if (dump(RTM_GETADDR, on_address) == 0)
		apply_addresses();
	if (dump(RTM_GETROUTE, on_route)) {
		EVS_LOG_LIMITED(control, WARN, "cannot read the kernel's routes: %s",
		                strerror(errno));
		return;
	}
	for (unsigned i = 0; i < n_found; i++)
		routes[i] = found[i].route;
	if (pl_route_follow(routes, n_found) || too_many)
		EVS_LOG_LIMITED(control, WARN,
		                "more than %d routes by networks of bridges: some are left out",
		                PL_MAX_ROUTES);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	uint32_t begin_ms = evs_clock_ms();

	read_all();
	last_took_ms = evs_clock_ms() - begin_ms;
}

void ctl_kernel_look(void)
{
	uint32_t ms = EVS_MIN(WAIT_MS + last_took_ms * REST, (uint32_t)WAIT_MAX_MS);
	struct timeval wait = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	if (timer && !evtimer_pending(timer, NULL))
		evtimer_add(timer, &wait);
}

/* That something changed is enough: also when the socket overflowed. */
static void on_change(evutil_socket_t fd, short what, void *arg)
{
	char buffer[4096];

	for (unsigned i = 0; i < 64; i++)
		if (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) < 0 && errno != ENOBUFS)
			break;
	ctl_kernel_look();
}

void ctl_kernel_init(void)
{
	const unsigned groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_IFADDR |
	                        RTMGRP_IPV6_IFADDR | RTMGRP_LINK;

	n_given = 0;
	events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!events || mnl_socket_bind(events, groups, MNL_SOCKET_AUTOPID) < 0) {
		EVS_LOG(control, WARN, "routes of the kernel are not followed: %s",
		        strerror(errno));
		return;
	}
	timer = evtimer_new(ctl_base, on_timer, NULL);
	changed = event_new(ctl_base, mnl_socket_get_fd(events), EV_READ | EV_PERSIST, on_change,
	                    NULL);
	if (changed)
		event_add(changed, NULL);
	ctl_kernel_look();
}

void ctl_kernel_fini(void)
{
	if (changed)
		event_free(changed);
	if (timer)
		event_free(timer);
	if (events)
		mnl_socket_close(events);
	changed = timer = NULL;
	events = NULL;
}
