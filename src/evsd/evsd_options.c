/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line of evsd. Threads: main.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api_evsd.h"
#include "evsd/evsd_pvt.h"

enum option_id {
#define X(id, name, arg, help) OPTION_##id,
	API_EVSD_OPTIONS(X)
#undef X
	        N_OPTIONS
};

static const struct option long_options[] = {
#define X(id, name, arg, help) {name, (arg) ? required_argument : no_argument, NULL, OPTION_##id},
        API_EVSD_OPTIONS(X)
#undef X
                {NULL, 0, NULL, 0}};

static void help_line(const char *name, const char *arg, const char *help)
{
	char left[48];

	snprintf(left, sizeof(left), "--%s%s%s", name, arg ? " " : "", arg ? arg : "");
	printf("  %-30s %s\n", left, help);
}

void evsd_help(void)
{
	printf("evsd: the daemon of evs, the elastic virtual switch\n\n"
	       "usage: evsd [OPTION...]\n\n");
#define X(id, name, arg, help) help_line(name, arg, help);
	API_EVSD_OPTIONS(X)
#undef X
	printf("\nA first session:\n\n"
	       "  evsd --detach\n"
	       "  evsctl bridge add br0 address=10.0.0.1/24\n"
	       "  evsctl port add br0 p0 type=tap\n"
	       "  evsctl port show\n"
	       "  evsctl top\n\n"
	       "Huge pages are used where they are reserved, but are not needed. PCI devices are\n"
	       "left alone unless --dpdk names them. 'evsctl --help' goes on from here.\n");
}

static void option_set(struct evsd_options *o, int id, const char *value)
{
	switch ((enum option_id)id) {
	case OPTION_run_dir:
		o->run_dir = value;
		break;
	case OPTION_state_dir:
		o->state_dir = value;
		break;
	case OPTION_config:
		o->config_given = value;
		break;
	case OPTION_no_config:
		o->no_config = true;
		break;
	case OPTION_worker_cpus:
		o->worker_cpus = value;
		break;
	case OPTION_control_cpus:
		o->control_cpus = value;
		break;
	case OPTION_dpdk:
		o->dpdk = value;
		break;
	case OPTION_log:
		o->log = value;
		break;
	case OPTION_http:
		o->http = value;
		break;
	case OPTION_detach:
		o->detach = true;
		break;
	case OPTION_pidfile:
		o->pidfile = value;
		break;
	case OPTION_version:
		o->version = true;
		break;
	case OPTION_help:
		o->help = true;
		break;
	case N_OPTIONS:
		break;
	}
}

static char *absolute(const char *path)
{
	char *cwd, *out = NULL;

	if (path[0] == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	if (cwd && asprintf(&out, "%s/%s", cwd, path) < 0)
		out = NULL;
	free(cwd);
	return out;
}

static int place_config(struct evsd_options *o, struct evs_error *err)
{
	char *path = NULL;

	if (o->no_config && o->config_given)
		return evs_error_set(err, -EINVAL,
		                     "--config %s and --no-config exclude each other: give one",
		                     o->config_given);
	if (o->no_config)
		return 0;
	if (o->config_given)
		path = absolute(o->config_given);
	else if (asprintf(&path, "%s/config.json", o->state_dir) < 0)
		path = NULL;
	o->config_file = path;
	return path ? 0 : evs_error_set(err, -ENOMEM, "no memory");
}

int evsd_options_parse(struct evsd_options *o, int argc, char **argv, struct evs_error *err)
{
	int id;

	memset(o, 0, sizeof(*o));
	o->run_dir = "/run/evs";
	o->state_dir = "/var/lib/evs";
	opterr = 0;
	while ((id = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (id == '?')
			return evs_error_set(err, -EINVAL,
			                     "unknown option '%s': 'evsd --help' lists them",
			                     argv[optind - 1]);
		if (id == ':')
			return evs_error_set(err, -EINVAL, "option '%s' needs a value",
			                     argv[optind - 1]);
		option_set(o, id, optarg);
	}
	if (optind < argc)
		return evs_error_set(err, -EINVAL, "'%s' is no option: 'evsd --help' lists them",
		                     argv[optind]);
	if (o->help || o->version)
		return 0;
	return place_config(o, err);
}
