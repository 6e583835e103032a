/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of addresses, and the options of tunnel ports. Threads: control.
 */
#include "control/ctl_ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ctl_ip_parse(const char *text, uint8_t addr[16], struct evs_error *err)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		pl_ip_from_v4(v4.s_addr, addr);
		return 0;
	}
	if (inet_pton(AF_INET6, text, addr) == 1 && !pl_ip_is_v4(addr))
		return 0;
	return evs_error_set(err, -EINVAL,
	                     "'%.60s' is no address: give one like 10.0.0.1 or fd00::1", text);
}

int ctl_prefix_parse(const char *text, struct pl_prefix *prefix, struct evs_error *err)
{
	const char *slash = strchr(text, '/');
	char ip[CTL_IP_LEN] = "", *end = NULL;
	unsigned long len, max;
	int ret;

	snprintf(ip, sizeof(ip), "%.*s", slash ? (int)(slash - text) : CTL_IP_LEN - 1, text);
	ret = ctl_ip_parse(ip, prefix->addr, err);
	if (ret)
		return ret;
	max = pl_ip_is_v4(prefix->addr) ? 32 : 128;
	len = slash ? strtoul(slash + 1, &end, 10) : max;
	if (len > max || (slash && (end == slash + 1 || *end)))
		return evs_error_set(err, -EINVAL, "'%.60s': a prefix length is 0 to %lu", text,
		                     max);
	prefix->len = (uint8_t)(len + 128 - max);
	return 0;
}

const char *ctl_ip_text(const uint8_t addr[16], char text[CTL_IP_LEN])
{
	if (pl_ip_is_v4(addr))
		inet_ntop(AF_INET, addr + 12, text, CTL_IP_LEN);
	else
		inet_ntop(AF_INET6, addr, text, CTL_IP_LEN);
	return text;
}

const char *ctl_prefix_text(const struct pl_prefix *prefix, char text[CTL_IP_LEN])
{
	size_t used = strlen(ctl_ip_text(prefix->addr, text));

	snprintf(text + used, CTL_IP_LEN - used, "/%u",
	         pl_ip_is_v4(prefix->addr) ? prefix->len - 96u : prefix->len);
	return text;
}

/* ---- tunnel ports ---- */

static const char *arg(const struct port_args *args, const char *key)
{
	for (unsigned i = 0; i < args->n; i++)
		if (!strcmp(args->arg[i].key, key))
			return args->arg[i].value;
	return NULL;
}

static int number(const struct port_args *args, const char *key, uint64_t max, uint64_t *value,
                  struct evs_error *err)
{
	const char *text = arg(args, key);
	char *end;

	if (!text)
		return 0;
	errno = 0;
	*value = strtoull(text, &end, 0);
	if (!*text || *end || *text == '-' || *value > max || errno)
		return evs_error_set(err, -EINVAL, "%s=%.40s: give a number from 0 to %llu", key,
		                     text, (unsigned long long)max);
	return 0;
}

static int on_off(const struct port_args *args, const char *key, bool *on, struct evs_error *err)
{
	const char *text = arg(args, key);

	if (!text)
		return 0;
	*on = !strcmp(text, "on") || !strcmp(text, "true");
	if (!*on && strcmp(text, "off") && strcmp(text, "false"))
		return evs_error_set(err, -EINVAL, "%s=%.40s: use on or off", key, text);
	return 0;
}

static int flag(const struct port_args *args, const char *key, uint16_t bit, uint16_t *flags,
                struct evs_error *err)
{
	bool on = *flags & bit;
	int ret = on_off(args, key, &on, err);

	*flags = (uint16_t)((*flags & ~bit) | (on ? bit : 0));
	return ret;
}

/* A number, or "inherit". */
static int inheritable(const struct port_args *args, const char *key, uint8_t *value, bool *inherit,
                       struct evs_error *err)
{
	const char *text = arg(args, key);
	uint64_t n = *value;
	int ret;

	if (text && !strcmp(text, "inherit")) {
		*inherit = true;
		return 0;
	}
	ret = number(args, key, 255, &n, err);
	*value = (uint8_t)n;
	return ret;
}

static int ends(const struct port_args *args, struct pl_tunnel *t, struct evs_error *err)
{
	const char *remote = arg(args, "remote"), *local = arg(args, "local");
	struct pl_end end = {.key = 0};
	int ret = 0;

	t->has_flood = arg(args, "flood") != NULL;
	if (!remote && !t->has_flood)
		return evs_error_set(
		        err, -EINVAL,
		        "remote=IP is missing: the tunnel's other end, or flood=IP,... "
		        "for several");
	t->remote_flow = !remote || !strcmp(remote, "flow");
	if (t->has_flood && !t->remote_flow)
		return evs_error_set(err, -EINVAL,
		                     "flood=IP,... says all ends: leave out remote=%.60s", remote);
	t->has_local = local != NULL;
	if (!t->remote_flow)
		ret = ctl_ip_parse(remote, t->remote, err);
	if (ret == 0 && local)
		ret = ctl_ip_parse(local, t->local, err);
	if (ret || t->remote_flow)
		return ret;
	memcpy(end.remote, t->remote, sizeof(end.remote));
	return pl_end_check(t, &end, false, err);
}

/* The list is part of what can change; here it must fit what can not. */
static int flood(const struct port_args *args, struct pl_tunnel *t, struct evs_error *err)
{
	struct pl_flood list;
	int ret;

	t->learning = true;
	if (!t->has_flood)
		return arg(args, "learning")
		               ? evs_error_set(err, -EINVAL, "learning= is for ports with flood=")
		               : 0;
	ret = ctl_flood_parse(arg(args, "flood"), &list, err);
	return ret ? ret : on_off(args, "learning", &t->learning, err);
}

static int key(const struct port_args *args, struct pl_tunnel *t, struct evs_error *err)
{
	const char *name = tun_kinds[t->kind].key_name;
	const char *text = arg(args, name);
	uint64_t value = 0;
	int ret;

	t->has_key = text != NULL || t->kind != TUN_GRE;
	t->key_flow = text && !strcmp(text, "flow");
	if (t->key_flow)
		return 0;
	ret = number(args, name, tun_kinds[t->kind].key_max, &value, err);
	t->key = rte_cpu_to_be_64(value);
	return ret;
}

static int source_ports(const struct port_args *args, struct pl_tunnel *t, struct evs_error *err)
{
	const char *text = arg(args, "src-ports");
	unsigned first, last;
	char more;

	t->sport_lo = TUN_SPORT_LO;
	t->sport_n = TUN_SPORT_N;
	if (!text)
		return 0;
	if (sscanf(text, "%u-%u%c", &first, &last, &more) != 2 || first == 0 || first > last ||
	    last > UINT16_MAX)
		return evs_error_set(err, -EINVAL, "src-ports=%.40s: give a range like 49152-65535",
		                     text);
	t->sport_lo = (uint16_t)first;
	t->sport_n = (uint16_t)EVS_MIN(last - first + 1, 65535u);
	return 0;
}

int ctl_tunnel_config(const char *type, const struct port_args *args, struct pl_tunnel *t,
                      struct evs_error *err)
{
	uint64_t dst_port;
	int ret;

	memset(t, 0, sizeof(*t));
	t->kind = tun_kind_lookup(type);
	if (t->kind == TUN_NONE)
		return 1;
	t->flags = PKT_TUN_DF;
	t->split_horizon = true;
	dst_port = tun_kinds[t->kind].dst_port;
	ret = ends(args, t, err);
	if (ret == 0)
		ret = flood(args, t, err);
	if (ret == 0)
		ret = key(args, t, err);
	if (ret == 0)
		ret = number(args, "dst-port", UINT16_MAX, &dst_port, err);
	if (ret == 0)
		ret = source_ports(args, t, err);
	if (ret == 0)
		ret = inheritable(args, "tos", &t->tos, &t->tos_inherit, err);
	if (ret == 0)
		ret = inheritable(args, "ttl", &t->ttl, &t->ttl_inherit, err);
	if (ret == 0)
		ret = flag(args, "df", PKT_TUN_DF, &t->flags, err);
	if (ret == 0)
		ret = flag(args, "csum", PKT_TUN_CSUM, &t->flags, err);
	if (ret == 0)
		ret = on_off(args, "split-horizon", &t->split_horizon, err);
	if (ret == 0)
		ret = on_off(args, "gbp", &t->gbp, err);
	if (ret == 0)
		ret = on_off(args, "tell-mtu", &t->tell_mtu, err);
	if (ret == 0 && arg(args, "dst-port") && dst_port == 0)
		return evs_error_set(err, -EINVAL, "dst-port=0: give a number from 1 to 65535");
	t->dst_port = (uint16_t)dst_port;
	t->zero_csum6 = arg(args, "csum") && !(t->flags & PKT_TUN_CSUM);
	return ret;
}
