/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside evsd: options, pre-flight, EAL, the glue between rooms. Threads: main (= control).
 */
#ifndef EVSD_PVT_H
#define EVSD_PVT_H

#include <sched.h>

#include "base/evs_base.h"

struct evsd_options {
	const char *run_dir, *state_dir;
	char *config_file; /* NULL: --no-config; owned */
	const char *config_given;
	bool no_config, detach, version, help;
	const char *worker_cpus, *control_cpus, *dpdk, *log, *http, *pidfile;
	/* filled in by evsd_cpus_check */
	cpu_set_t allowed, workers, control;
	bool workers_given;
};

/* evsd_options.c */
int evsd_options_parse(struct evsd_options *options, int argc, char **argv, struct evs_error *err);
void evsd_help(void);

/* evsd_cpus.c */
int evsd_cpus_check(struct evsd_options *options, struct evs_error *err);
int evsd_cpus_parse(const char *list, cpu_set_t *set, struct evs_error *err);
void evsd_cpus_format(const cpu_set_t *set, char *buf, size_t size);
unsigned evsd_cpus_last(const cpu_set_t *set); /* the set is not empty */

/* evsd_preflight.c */
int evsd_limits_raise(const struct evsd_options *options, struct evs_error *err);
int evsd_dirs_make(const struct evsd_options *options, struct evs_error *err);
int evsd_pidfile_write(const struct evsd_options *options, struct evs_error *err);
void evsd_pidfile_remove(void);

/* evsd_eal.c */
int evsd_eal_init(const struct evsd_options *options, struct evs_error *err);
void evsd_eal_fini(void);

/* evsd_eal_files.c: at exit. Said before EAL starts, it is done after what EAL does there itself.
 */
void evsd_eal_files_remove(void);

/* evsd_service.c: parent processes and service managers. */
int evsd_detach(const struct evsd_options *options, struct evs_error *err);
void evsd_ready(void);                /* tells the parent and the service manager */
void evsd_failed(const char *reason); /* tells the parent */
void evsd_stopping(void);
void evsd_log_reopen(void); /* async-signal-safe */

/* evsd_rooms.c: the rooms of the datapath, and the doors between them. */
int evsd_rooms_init(const struct evsd_options *options, struct evs_error *err);
void evsd_rooms_fini(void);

#endif
