/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address of a bridge's internal device, by ioctl (netdevice(7)). Threads: control.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/ctl_net.h"

/* linux/ipv6.h, which has it, clashes with netinet/in.h. */
struct in6_ifreq_abi {
	struct in6_addr addr;
	uint32_t prefixlen;
	int ifindex;
};

struct prefix {
	int family;
	unsigned len;
	struct in_addr v4;
	struct in6_addr v6;
};

static int parse(const char *text, struct prefix *prefix, struct evs_error *err)
{
	const char *slash = strchr(text, '/');
	char ip[INET6_ADDRSTRLEN] = "", *end = NULL;
	unsigned long len = slash ? strtoul(slash + 1, &end, 10) : 0;

	if (slash && (size_t)(slash - text) < sizeof(ip))
		memcpy(ip, text, (size_t)(slash - text));
	prefix->family = inet_pton(AF_INET, ip, &prefix->v4) == 1    ? AF_INET
	                 : inet_pton(AF_INET6, ip, &prefix->v6) == 1 ? AF_INET6
	                                                             : 0;
	prefix->len = (unsigned)len;
	if (!prefix->family || !end || end == slash + 1 || *end ||
	    len > (prefix->family == AF_INET ? 32 : 128))
		return evs_error_set(err, -EINVAL,
		                     "address '%.60s' is not of the form 10.0.0.1/24 or "
		                     "fd00::1/64",
		                     text);
	return 0;
}

int ctl_netdev_address_check(const char *address, struct evs_error *err)
{
	struct prefix prefix;

	return parse(address, &prefix, err);
}

static int set_v4(int fd, const char *ifname, const struct prefix *prefix, bool add)
{
	struct ifreq ifr = {0};
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr.ifr_addr;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	sin->sin_family = AF_INET;
	if (add)
		sin->sin_addr = prefix->v4; /* else 0.0.0.0, which takes the address away */
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		return -errno;
	if (!add)
		return 0;
	sin->sin_addr.s_addr = prefix->len ? htonl(~0u << (32 - prefix->len)) : 0;
	return ioctl(fd, SIOCSIFNETMASK, &ifr) ? -errno : 0;
}

static int set_v6(int fd, const char *ifname, const struct prefix *prefix, bool add)
{
	struct in6_ifreq_abi req = {.addr = prefix->v6, .prefixlen = prefix->len};

	req.ifindex = (int)if_nametoindex(ifname);
	if (!req.ifindex)
		return -ENODEV;
	if (ioctl(fd, add ? SIOCSIFADDR : SIOCDIFADDR, &req))
		return add && errno == EEXIST ? 0 : -errno;
	return 0;
}

static int bring_up(int fd, const char *ifname)
{
	struct ifreq ifr = {0};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr))
		return -errno;
	ifr.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) ? -errno : 0;
}

int ctl_netdev_address(const char *ifname, const char *address, bool add, struct evs_error *err)
{
	struct prefix prefix;
	int fd, ret = parse(address, &prefix, err);

	if (ret)
		return ret;
	fd = socket(prefix.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return evs_error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	/* IPv6 addresses go when a device goes down, so it comes up first. */
	ret = add ? bring_up(fd, ifname) : 0;
	if (ret == 0)
		ret = prefix.family == AF_INET ? set_v4(fd, ifname, &prefix, add)
		                               : set_v6(fd, ifname, &prefix, add);
	close(fd);
	if (ret)
		return evs_error_set(err, ret, "cannot %s address %s of device %s: %s",
		                     add ? "set" : "remove", address, ifname, strerror(-ret));
	return 0;
}
