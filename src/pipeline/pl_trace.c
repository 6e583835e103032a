/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace: a translation that tells what it does.
 * Threads: control.
 */
#include "pipeline/pl_of_pvt.h"
#include "pipeline/pl_trace_pvt.h"

#include <stdarg.h>
#include <stdio.h>

void pl_trace_line(struct pl_xlate *x, const char *fmt, ...)
{
	char text[512];
	unsigned n = EVS_MIN(2 * x->trace->indent, 64u);
	va_list args;

	memset(text, ' ', n);
	va_start(args, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, args);
	va_end(args);
	x->trace->line(text, x->trace->arg);
}

void pl_trace_rule(struct pl_xlate *x, const struct pl_rule *rule)
{
	pl_trace_line(x, "rule of priority %u", rule->cls.priority);
}
