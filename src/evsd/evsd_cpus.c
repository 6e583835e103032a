/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUs: what is allowed, what workers and the control thread get. Threads: main.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_rcu.h"
#include "evsd/evsd_pvt.h"

int evsd_cpus_parse(const char *list, cpu_set_t *set, struct evs_error *err)
{
	const char *at = list;

	CPU_ZERO(set);
	do {
		unsigned long first, last;
		char *end;

		if (!isdigit((unsigned char)*at))
			break;
		first = last = strtoul(at, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if (first > last || last >= CPU_SETSIZE)
			return evs_error_set(err, -EINVAL, "there is no CPU %lu (in '%s')", last,
			                     list);
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, set);
		at = end;
		if (*at == '\0')
			return 0;
	} while (*at++ == ',');
	return evs_error_set(err, -EINVAL, "'%s' is no list of CPUs like 2,4-6", list);
}

void evsd_cpus_format(const cpu_set_t *set, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && used < size; cpu++)
		if (CPU_ISSET(cpu, set))
			used += (size_t)snprintf(buf + used, size - used, "%s%u", used ? "," : "",
			                         cpu);
}

unsigned evsd_cpus_last(const cpu_set_t *set)
{
	for (unsigned cpu = CPU_SETSIZE; cpu-- > 0;)
		if (CPU_ISSET(cpu, set))
			return cpu;
	return 0;
}

/* A list of the user, within what is allowed. */
static int checked(const char *option, const char *list, const cpu_set_t *allowed, cpu_set_t *set,
                   struct evs_error *err)
{
	char may[512];

	if (evsd_cpus_parse(list, set, err))
		return evs_error_prefix(err, "%s", option);
	evsd_cpus_format(allowed, may, sizeof(may));
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, set) && !CPU_ISSET(cpu, allowed))
			return evs_error_set(err, -EINVAL,
			                     "%s: CPU %u does not exist or is not allowed here: "
			                     "choose from %s, or widen the cpuset of evsd",
			                     option, cpu, may);
	return 0;
}

static void control_default(struct evsd_options *o)
{
	cpu_set_t rest;

	o->control = o->allowed;
	CPU_XOR(&rest, &o->allowed, &o->workers); /* workers are a subset */
	if (CPU_COUNT(&rest))
		o->control = rest;
}

int evsd_cpus_check(struct evsd_options *o, struct evs_error *err)
{
	if (sched_getaffinity(0, sizeof(o->allowed), &o->allowed))
		return evs_error_set(err, -errno, "cannot ask for the CPUs allowed: %s",
		                     strerror(errno));
	o->workers_given = o->worker_cpus != NULL;
	CPU_ZERO(&o->workers);
	CPU_SET(evsd_cpus_last(&o->allowed), &o->workers);
	if (o->worker_cpus &&
	    checked("--worker-cpus", o->worker_cpus, &o->allowed, &o->workers, err))
		return err->code;
	if (CPU_COUNT(&o->workers) > EVS_MAX_WORKERS)
		return evs_error_set(err, -EINVAL, "--worker-cpus: at most %d workers",
		                     EVS_MAX_WORKERS);
	if (!o->control_cpus) {
		control_default(o);
		return 0;
	}
	return checked("--control-cpus", o->control_cpus, &o->allowed, &o->control, err);
}
