/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes pcapng files of one interface (draft-ietf-opsawg-pcapng). Threads: the caller's, one at a
 * time. Memory: the caller's. An error sticks: the functions return -errno of the first.
 */
#ifndef CTL_PCAPNG_H
#define CTL_PCAPNG_H

#include <stdint.h>
#include <stdio.h>

struct ctl_pcapng {
	FILE *file;
	uint64_t bytes; /* written so far */
	int error;      /* negative errno */
};

struct ctl_pcapng_packet {
	uint64_t time_ns; /* since 1970 */
	const void *data;
	uint32_t cap_len, len;
	uint32_t out; /* sent by the interface; else received */
};

struct ctl_pcapng_totals {
	uint64_t time_ns;
	uint64_t packets; /* that the filter let through */
	uint64_t lost;
};

/* Head of the file. filter: as the user wrote it; NULL or "": none. */
int ctl_pcapng_begin(struct ctl_pcapng *p, const char *interface, const char *filter,
                     uint32_t snap_bytes);
int ctl_pcapng_packet(struct ctl_pcapng *p, const struct ctl_pcapng_packet *packet);
int ctl_pcapng_end(struct ctl_pcapng *p, const struct ctl_pcapng_totals *totals);

#endif
