/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of this room share: an EAL of their own, a network namespace of their own.
 */
#ifndef PORT_TEST_H
#define PORT_TEST_H

#include <rte_eal.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/evs_clock.h"
#include "port/port.h"

#define TEST_SKIPPED 77 /* meson */

/* EAL without huge pages and PCI, with megabytes of memory. */
static inline void test_eal(const char *megabytes)
{
	char prefix[32];
	char *args[] = {"test",
	                "--no-huge",
	                "-m",
	                (char *)(uintptr_t)megabytes,
	                "--no-pci",
	                "--file-prefix",
	                prefix,
	                "--no-telemetry",
	                "--log-level=lib.eal:error",
	                "-l",
	                "0"};

	snprintf(prefix, sizeof(prefix), "evs-test-%d", (int)getpid());
	evs_clock_init();
	if (rte_eal_init(EVS_ARRAY_LEN(args), args) < 0)
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
