/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wakes workers that sleep until there is something to receive; see port_type.arm.
 * Threads: any.
 *
 * The eventfd is never read: who sleeps watches its edges, and each write is one.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "port/port_pvt.h"

uint32_t port_wake_epoch;
static int wake_fd = -1;

int port_wake_init(struct evs_error *err)
{
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return evs_error_set(err, -errno, "cannot make an eventfd: %s", strerror(errno));
	return 0;
}

void port_wake_fini(void)
{
	if (wake_fd >= 0)
		close(wake_fd);
	wake_fd = -1;
}

int port_wake_fd(void)
{
	return wake_fd;
}

void port_wake(void)
{
	__atomic_fetch_add(&port_wake_epoch, 1, __ATOMIC_RELEASE);
	if (wake_fd >= 0)
		eventfd_write(wake_fd, 1);
}
