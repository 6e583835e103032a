/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: monotonic, from one origin. Threads: any. No EAL is needed.
 */
#ifndef EVS_CLOCK_H
#define EVS_CLOCK_H

#include <time.h>

#include "base/evs_base.h"

EVS_INLINE uint64_t evs_clock_tsc(void)
{
	return __builtin_ia32_rdtsc();
}

extern uint64_t evs_clock_tsc_hz; /* measured by evs_clock_init */
void evs_clock_init(void);

EVS_INLINE uint64_t evs_clock_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Milliseconds since evs_clock_init, as stored in flows and MAC entries; wraps after 49 days,
 * so compare by difference. */
uint32_t evs_clock_ms(void);
uint64_t evs_clock_tsc_to_ns(uint64_t tsc);
uint64_t evs_clock_ns_to_tsc(uint64_t ns);

#endif
