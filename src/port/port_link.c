/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link states: who tells of a change, and the round that reads the states.
 * Threads: control; port_link_wake any. Owner: the descriptors here.
 *
 * One epoll descriptor stands for three sources, so that the event loop needs to watch only that:
 * netlink for kernel interfaces, an eventfd for drivers and vhost, a timer for devices
 * that have no event. A source marks ports; only marked and polled ones are read, as reading
 * can be a system call.
 */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/evs_log.h"
#include "port/port_netdev.h"
#include "port/port_pvt.h"

#define POLL_MS 5 /* a change is to be seen within 10 ms */

static int epoll_fd = -1, wake_fd = -1, timer_fd = -1;
static bool timer_runs;

static int watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return fd < 0 ? -1 : epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

int port_link_init(struct evs_error *err)
{
	int ret = port_netdev_init(err);

	if (ret)
		return ret;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (epoll_fd < 0 || watch(wake_fd) || watch(timer_fd) || watch(port_netdev_event_fd())) {
		int error = errno;

		port_link_fini();
		return evs_error_set(err, -error, "could not watch link states: %s",
		                     strerror(error));
	}
	return 0;
}

void port_link_fini(void)
{
	const int fds[] = {epoll_fd, wake_fd, timer_fd};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	epoll_fd = wake_fd = timer_fd = -1;
	timer_runs = false;
	port_netdev_fini();
}

int port_link_fd(void)
{
	return epoll_fd;
}

void port_link_wake(void)
{
	const uint64_t one = 1;
	ssize_t unused EVS_UNUSED = write(wake_fd, &one, sizeof(one));
}

void port_link_mark(const char *ifname, int ifindex)
{
	for (unsigned i = 1; i <= PKT_PORT_MAX; i++) {
		struct port *port = port_table[i];

		if (!port || port->ifname[0] == '\0')
			continue;
		if (!ifname || ifindex == port->ifindex || !strcmp(ifname, port->ifname))
			evs_store_relaxed(&port->link_check, true);
	}
}

static void drain(int fd)
{
	uint64_t n;
	ssize_t unused EVS_UNUSED = read(fd, &n, sizeof(n));
}

static void run_timer(bool run)
{
	const long ns = run ? POLL_MS * 1000000L : 0;
	const struct itimerspec spec = {.it_value.tv_nsec = ns, .it_interval.tv_nsec = ns};

	if (run != timer_runs && !timerfd_settime(timer_fd, 0, &spec, NULL))
		timer_runs = run;
}

bool port_link_read(struct port *port)
{
	struct port_link link = {.up = true};

	if (!port->type->get_link)
		return false;
	port->type->get_link(port, &link);
	if (link.up == port->link.up && link.full_duplex == port->link.full_duplex &&
	    link.speed_mbps == port->link.speed_mbps)
		return false;
	if (link.up != port->link.up)
		EVS_LOG(port, INFO, "port '%s': link is %s", port->name, link.up ? "up" : "down");
	port->link = link;
	evs_store_relaxed(&port->link_up, link.up);
	return true;
}

void port_poll_links(void (*changed)(struct port *port, void *arg), void *arg)
{
	bool polled = false;

	drain(wake_fd);
	drain(timer_fd);
	port_netdev_drain_events();
	for (unsigned i = 1; i <= PKT_PORT_MAX; i++) {
		struct port *port = port_table[i];

		if (!port || !port->type->get_link)
			continue;
		if (!port->link_polled &&
		    !__atomic_exchange_n(&port->link_check, false, __ATOMIC_ACQUIRE))
			continue;
		if (port_link_read(port) && changed)
			changed(port, arg);
		polled |= port->link_polled; /* which the look itself may have set */
	}
	run_timer(polled);
}
