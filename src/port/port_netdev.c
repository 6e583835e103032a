/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink (RFC 3549; rtnetlink(7)): one socket for requests, one for events. See port_netdev.h.
 * Threads: control.
 */
#include "port/port_netdev.h"

#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/evs_log.h"
#include "port/port_pvt.h"

static int request_fd = -1, event_fd = -1;
static int away_fd = -1; /* between port_netdev_enter and leave */
static uint32_t sequence;

/* A request that grows by attributes. */
struct request {
	struct nlmsghdr hdr;
	union {
		struct ifinfomsg link;
		struct rtgenmsg gen;
	};
	char attrs[256];
};

static_assert(offsetof(struct request, link) == NLMSG_HDRLEN, "message layout");

static void put(struct request *req, uint16_t type, const void *data, size_t size)
{
	struct rtattr *attr = (struct rtattr *)((char *)req + NLMSG_ALIGN(req->hdr.nlmsg_len));

	assert(NLMSG_ALIGN(req->hdr.nlmsg_len) + RTA_SPACE(size) <= sizeof(*req));
	attr->rta_type = type;
	attr->rta_len = (uint16_t)RTA_LENGTH(size);
	memcpy(RTA_DATA(attr), data, size);
	req->hdr.nlmsg_len = (uint32_t)(NLMSG_ALIGN(req->hdr.nlmsg_len) + RTA_SPACE(size));
}

static void start(struct request *req, uint16_t type, size_t size)
{
	memset(req, 0, sizeof(*req));
	req->hdr.nlmsg_type = type;
	req->hdr.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	req->hdr.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
}

static void start_link(struct request *req, uint16_t type, const struct port_netdev *dev)
{
	start(req, type, sizeof(req->link));
	put(req, IFLA_IFNAME, dev->name, strlen(dev->name) + 1);
	if (dev->nsid != PORT_NETDEV_HERE) {
		uint32_t nsid = (uint32_t)dev->nsid;

		put(req, IFLA_TARGET_NETNSID, &nsid, sizeof(nsid));
	}
}

/* Sends the request and reads until its acknowledgement; `take` sees what comes before. */
static int transact(struct request *req, void (*take)(const struct nlmsghdr *hdr, void *arg),
                    void *arg)
{
	char buf[16384] __attribute__((aligned(NLMSG_ALIGNTO)));

	const int fd = away_fd >= 0 ? away_fd : request_fd;

	req->hdr.nlmsg_seq = ++sequence;
	if (send(fd, req, req->hdr.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (struct nlmsghdr *hdr = (struct nlmsghdr *)buf; NLMSG_OK(hdr, (size_t)len);
		     hdr = NLMSG_NEXT(hdr, len)) {
			if (hdr->nlmsg_seq != sequence)
				continue;
			if (hdr->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(hdr))->error;
			if (take)
				take(hdr, arg);
		}
	}
}

static void take_link(const struct nlmsghdr *hdr, void *arg)
{
	struct port_netdev_info *info = arg;
	const struct ifinfomsg *link = NLMSG_DATA(hdr);
	int len = (int)IFLA_PAYLOAD(hdr);

	if (hdr->nlmsg_type != RTM_NEWLINK)
		return;
	info->ifindex = link->ifi_index;
	info->flags = link->ifi_flags;
	for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_MTU)
			memcpy(&info->mtu, RTA_DATA(a), sizeof(info->mtu));
		else if (a->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(a) == sizeof(info->mac))
			memcpy(&info->mac, RTA_DATA(a), sizeof(info->mac));
	}
}

int port_netdev_get(const struct port_netdev *dev, struct port_netdev_info *info)
{
	struct request req;
	uint32_t no_vfs = RTEXT_FILTER_SKIP_STATS;
	int ret;

	memset(info, 0, sizeof(*info));
	start_link(&req, RTM_GETLINK, dev);
	put(&req, IFLA_EXT_MASK, &no_vfs, sizeof(no_vfs));
	ret = transact(&req, take_link, info);
	return ret ? ret : info->ifindex ? 0 : -ENODEV;
}

int port_netdev_set_mtu(const struct port_netdev *dev, uint32_t mtu)
{
	struct request req;

	start_link(&req, RTM_SETLINK, dev);
	put(&req, IFLA_MTU, &mtu, sizeof(mtu));
	return transact(&req, NULL, NULL);
}

int port_netdev_set_mac(const struct port_netdev *dev, const struct rte_ether_addr *mac)
{
	struct request req;

	start_link(&req, RTM_SETLINK, dev);
	put(&req, IFLA_ADDRESS, mac, sizeof(*mac));
	return transact(&req, NULL, NULL);
}

int port_netdev_set_flags(const struct port_netdev *dev, unsigned flags, unsigned mask)
{
	struct request req;

	start_link(&req, RTM_SETLINK, dev);
	req.link.ifi_flags = flags;
	req.link.ifi_change = mask;
	return transact(&req, NULL, NULL);
}

static void take_nsid(const struct nlmsghdr *hdr, void *arg)
{
	int len = (int)NLMSG_PAYLOAD(hdr, NLMSG_ALIGN(sizeof(struct rtgenmsg)));
	const struct rtattr *a = (const void *)((const char *)NLMSG_DATA(hdr) +
	                                        NLMSG_ALIGN(sizeof(struct rtgenmsg)));

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len))
		if (a->rta_type == NETNSA_NSID)
			memcpy(arg, RTA_DATA(a), sizeof(int));
}

static bool is_ours(int ns_fd)
{
	struct stat ours, other;

	return !stat("/proc/thread-self/ns/net", &ours) && !fstat(ns_fd, &other) &&
	       ours.st_ino == other.st_ino && ours.st_dev == other.st_dev;
}

static int ask_nsid(int ns_fd, int *nsid)
{
	struct request req;
	uint32_t fd = (uint32_t)ns_fd;

	*nsid = NETNSA_NSID_NOT_ASSIGNED;
	start(&req, RTM_GETNSID, NLMSG_ALIGN(sizeof(req.gen)));
	put(&req, NETNSA_FD, &fd, sizeof(fd));
	return transact(&req, take_nsid, nsid);
}

int port_netdev_nsid(int ns_fd, int *nsid)
{
	struct request req;
	uint32_t fd = (uint32_t)ns_fd;
	int32_t any = -1;
	int ret;

	*nsid = PORT_NETDEV_HERE;
	if (is_ours(ns_fd))
		return 0;
	ret = ask_nsid(ns_fd, nsid);
	if (ret || *nsid != NETNSA_NSID_NOT_ASSIGNED)
		return ret;
	start(&req, RTM_NEWNSID, NLMSG_ALIGN(sizeof(req.gen)));
	put(&req, NETNSA_NSID, &any, sizeof(any));
	put(&req, NETNSA_FD, &fd, sizeof(fd));
	ret = transact(&req, NULL, NULL);
	if (ret && ret != -EEXIST)
		return ret;
	ret = ask_nsid(ns_fd, nsid);
	return ret ? ret : *nsid == NETNSA_NSID_NOT_ASSIGNED ? -ENOENT : 0;
}

static void take_event(const struct nlmsghdr *hdr)
{
	const struct ifinfomsg *link = NLMSG_DATA(hdr);
	const char *name = "";
	int len = (int)IFLA_PAYLOAD(hdr);

	if (hdr->nlmsg_type != RTM_NEWLINK && hdr->nlmsg_type != RTM_DELLINK)
		return;
	for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, len); a = RTA_NEXT(a, len))
		if (a->rta_type == IFLA_IFNAME)
			name = RTA_DATA(a);
	port_link_mark(name, link->ifi_index);
}

void port_netdev_drain_events(void)
{
	char buf[32768] __attribute__((aligned(NLMSG_ALIGNTO)));

	for (;;) {
		ssize_t len = recv(event_fd, buf, sizeof(buf), 0);

		if (len < 0 && errno == ENOBUFS)
			port_link_mark(NULL, 0);
		else if (len < 0 && errno != EINTR)
			return;
		for (struct nlmsghdr *hdr = (struct nlmsghdr *)buf;
		     len > 0 && NLMSG_OK(hdr, (size_t)len); hdr = NLMSG_NEXT(hdr, len))
			take_event(hdr);
	}
}

int port_netdev_event_fd(void)
{
	return event_fd;
}

static int open_socket(int flags, uint32_t groups)
{
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int open_requests(void)
{
	const struct timeval patience = {.tv_sec = 1};
	const int on = 1;
	int fd = open_socket(0, 0);

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	}
	return fd;
}

/* A socket belongs to the namespace in which it was opened: so only this thread changes over,
 * and only to open one. */
int port_netdev_enter(int ns_fd)
{
	int home, ret = 0;

	if (is_ours(ns_fd))
		return 0;
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return -errno;
	if (setns(ns_fd, CLONE_NEWNET)) {
		ret = -errno;
	} else {
		away_fd = open_requests();
		ret = away_fd < 0 ? -errno : 0;
		if (setns(home, CLONE_NEWNET)) {
			EVS_LOG(port, ERR, "no way back to evsd's network namespace: %s",
			        strerror(errno));
			abort(); /* every later request would go astray */
		}
	}
	close(home);
	return ret;
}

void port_netdev_leave(void)
{
	if (away_fd >= 0)
		close(away_fd);
	away_fd = -1;
}

int port_netdev_init(struct evs_error *err)
{
	const int on = 1, size = 1 << 20;

	request_fd = open_requests();
	event_fd = open_socket(SOCK_NONBLOCK, RTMGRP_LINK);
	if (request_fd < 0 || event_fd < 0) {
		int error = errno;

		port_netdev_fini();
		return evs_error_set(err, -error, "could not open a netlink socket: %s",
		                     strerror(error));
	}
	setsockopt(event_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(event_fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof(on)))
		EVS_LOG(port, NOTICE,
		        "no CAP_NET_BROADCAST: link changes in other network namespaces are not "
		        "seen");
	return 0;
}

void port_netdev_fini(void)
{
	if (request_fd >= 0)
		close(request_fd);
	if (event_fd >= 0)
		close(event_fd);
	request_fd = event_fd = -1;
}
