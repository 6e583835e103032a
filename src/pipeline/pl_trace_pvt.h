/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder of a traced translation.
 * Threads: control; for workers it is a NULL pointer.
 */
#ifndef PL_TRACE_PVT_H
#define PL_TRACE_PVT_H

#include "pipeline/pl_xlate_pvt.h"

struct pl_rule;

struct pl_trace {
	void (*line)(const char *text, void *arg);
	void *arg;
	unsigned indent;
};

void pl_trace_line(struct pl_xlate *x, const char *fmt, ...) EVS_PRINTF(2, 3) EVS_COLD;
void pl_trace_rule(struct pl_xlate *x, const struct pl_rule *rule) EVS_COLD;

#define PL_TRACE(x, ...)                                                                           \
	do {                                                                                       \
		if (evs_unlikely((x)->trace != NULL))                                              \
			pl_trace_line((x), __VA_ARGS__);                                           \
	} while (0)
/* Lines from here on stand deeper by n levels (negative: back). */
#define PL_TRACE_INDENT(x, n)                                                                      \
	do {                                                                                       \
		if (evs_unlikely((x)->trace != NULL))                                              \
			(x)->trace->indent += (n);                                                 \
	} while (0)

#endif
