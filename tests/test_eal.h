/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAL for tests, fuzz targets and micro benchmarks: without huge pages, devices and telemetry, on
 * the first CPU that is allowed. Nothing of it stays in the file system, however the program ends:
 * no file is made, and the folder that EAL makes for each process goes at once.
 */
#ifndef TEST_EAL_H
#define TEST_EAL_H

#include <rte_eal.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/evs_base.h"

/* log: a level, or "PATTERN:LEVEL", as EAL's option has it. */
static inline bool test_eal_start(const char *megabytes, const char *log)
{
	char prefix[32], lcores[16], level[64];
	char *args[] = {"test",          "--no-huge",      "-m",  (char *)(uintptr_t)megabytes,
	                "--no-pci",      "--no-telemetry", level, "--no-shconf",
	                "--file-prefix", prefix,           lcores};
	unsigned cpu = 0;
	cpu_set_t cpus;

	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus))
			cpu++;
	snprintf(prefix, sizeof(prefix), "evs-test-%d", (int)getpid());
	snprintf(lcores, sizeof(lcores), "--lcores=0@%u", cpu);
	snprintf(level, sizeof(level), "--log-level=%s", log);
	if (rte_eal_init(EVS_ARRAY_LEN(args), args) < 0)
		return false;
	rmdir(rte_eal_get_runtime_dir());
	return true;
}

#endif
