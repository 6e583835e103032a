/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of this room share: an EAL of their own, a network namespace of their own.
 */
#ifndef PORT_TEST_H
#define PORT_TEST_H

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../test_eal.h"
#include "base/evs_clock.h"
#include "port/port.h"

#define TEST_SKIPPED 77 /* meson */

/* EAL without huge pages and PCI, with megabytes of memory. */
static inline void test_eal(const char *megabytes)
{
	evs_clock_init();
	if (!test_eal_start(megabytes, "lib.eal:error"))
		exit(1);
}

/* Needs root; the test is skipped without. */
static inline void test_own_netns(void)
{
	if (unshare(CLONE_NEWNET) || access("/dev/net/tun", R_OK | W_OK)) {
		fprintf(stderr, "skipped: needs root and /dev/net/tun\n");
		exit(TEST_SKIPPED);
	}
}

static inline void run(const char *fmt, ...) EVS_PRINTF(1, 2);
static inline void run(const char *fmt, ...)
{
	char command[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	if (system(command)) {
		fprintf(stderr, "failed: %s\n", command);
		abort();
	}
}

static inline struct port *make_port(const char *type, const char *name,
                                     const struct port_args *args)
{
	struct evs_error err = {0};
	struct port *port = NULL;

	if (port_create(type, name, args, &port, &err)) {
		fprintf(stderr, "%s: %s\n", name, err.text);
		abort();
	}
	return port;
}

#endif
