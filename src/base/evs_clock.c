/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calibration of the time-stamp counter against CLOCK_MONOTONIC. Threads: any after init.
 */
#include "base/evs_clock.h"

uint64_t evs_clock_tsc_hz = 1000000000u;
static uint64_t origin_ns;

void evs_clock_init(void)
{
	uint64_t ns0 = evs_clock_ns(), tsc0 = evs_clock_tsc();
	uint64_t ns1, tsc1;
	struct timespec nap = {.tv_nsec = 20000000};

	nanosleep(&nap, NULL);
	ns1 = evs_clock_ns();
	tsc1 = evs_clock_tsc();
	evs_clock_tsc_hz = (uint64_t)((double)(tsc1 - tsc0) * 1e9 / (double)(ns1 - ns0));
	if (origin_ns == 0)
		origin_ns = ns0;
}

uint32_t evs_clock_ms(void)
{
	return (uint32_t)((evs_clock_ns() - origin_ns) / 1000000u);
}

uint64_t evs_clock_tsc_to_ns(uint64_t tsc)
{
	return (uint64_t)((__uint128_t)tsc * 1000000000u / evs_clock_tsc_hz);
}

uint64_t evs_clock_ns_to_tsc(uint64_t ns)
{
	return (uint64_t)((__uint128_t)ns * evs_clock_tsc_hz / 1000000000u);
}
