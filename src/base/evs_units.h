/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers with units, as people write and read them. Threads: any. No allocation.
 *
 *	count     1500  64k  1.5M           k M G T are powers of 1000, Ki Mi Gi Ti of 1024
 *	bytes     1500  64k  64kB  2MiB
 *	bit rate  10G  10Gbit/s  1.25GB/s   bits a second; B/s is eight of them
 *	duration  500us  10ms  1.5s  5m  1h   a unit is required, but for 0
 *
 * A value must come out whole in the base unit (1, byte, bit/s, ns), so nothing is lost in silence.
 */
#ifndef EVS_UNITS_H
#define EVS_UNITS_H

#include "base/evs_base.h"

enum evs_unit {
	EVS_UNIT_COUNT,
	EVS_UNIT_BYTES,
	EVS_UNIT_BPS,
	EVS_UNIT_NS,
};

#define EVS_UNITS_TEXT_LEN 32

/* 0, or -EINVAL (no such number), -ERANGE (does not fit 64 bits) with err. */
int evs_units_parse(enum evs_unit unit, const char *text, uint64_t *valuep, struct evs_error *err);
/* Up to three digits after the unit fits: "9.88Gbit/s", "64kB", "1.5ms". Returns text. */
char *evs_units_format(enum evs_unit unit, uint64_t value, char text[EVS_UNITS_TEXT_LEN]);

#endif
