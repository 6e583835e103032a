/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of a bridge's internal device, by rtnetlink(7). Threads: control.
 */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/ctl_ip.h"

static int bring_up(const char *ifname)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = 0;
	struct ifreq ifr = {0};

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr))
		ret = -errno;
	ifr.ifr_flags |= IFF_UP;
	if (ret == 0 && ioctl(fd, SIOCSIFFLAGS, &ifr))
		ret = -errno;
	close(fd);
	return ret;
}

/* Sends a request and waits for the kernel's answer, which comes at once. */
static int ask(struct nlmsghdr *request)
{
	char answer[4096];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	ssize_t size;
	int ret = 0;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, request, request->nlmsg_len) < 0)
		ret = -errno;
	if (ret == 0) {
		size = mnl_socket_recvfrom(nl, answer, sizeof(answer));
		if (size < 0 || mnl_cb_run(answer, (size_t)size, request->nlmsg_seq,
		                           mnl_socket_get_portid(nl), NULL, NULL) < 0)
			ret = -errno;
	}
	mnl_socket_close(nl);
	return ret;
}

static int request_address(const char *ifname, const struct pl_prefix *prefix, bool add)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	bool v4 = pl_ip_is_v4(prefix->addr);
	const uint8_t *addr = v4 ? prefix->addr + 12 : prefix->addr;
	size_t size = v4 ? 4 : 16;
	struct ifaddrmsg *ifa;

	request->nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	request->nlmsg_seq = 1;
	ifa = mnl_nlmsg_put_extra_header(request, sizeof(*ifa));
	ifa->ifa_family = v4 ? AF_INET : AF_INET6;
	ifa->ifa_prefixlen = v4 ? prefix->len - 96 : prefix->len;
	ifa->ifa_index = if_nametoindex(ifname);
	if (!ifa->ifa_index)
		return -ENODEV;
	mnl_attr_put(request, IFA_LOCAL, size, addr);
	mnl_attr_put(request, IFA_ADDRESS, size, addr);
	return ask(request);
}

int ctl_netdev_address(const char *ifname, const struct pl_prefix *prefix, bool add,
                       struct evs_error *err)
{
	/* IPv6 addresses go when a device goes down, so it comes up first. */
	int ret = add ? bring_up(ifname) : 0;
	char text[CTL_IP_LEN];

	if (ret == 0)
		ret = request_address(ifname, prefix, add);
	if (ret)
		return evs_error_set(err, ret, "cannot %s address %s of device %s: %s",
		                     add ? "set" : "remove", ctl_prefix_text(prefix, text), ifname,
		                     strerror(-ret));
	return 0;
}
