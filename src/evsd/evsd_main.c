/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evsd: start-up as one table, run forward to start and backward to stop. Threads: main, which
 * becomes the control thread.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "base/evs_log.h"
#include "base/evs_rcu.h"
#include "control/ctl.h"
#include "evsd/evsd_pvt.h"
#include "pmd/pmd.h"

static struct evsd_options options;

static void on_end(int number)
{
	ctl_stop();
}

static void on_hup(int number)
{
	int saved = errno;

	evsd_log_reopen();
	errno = saved;
}

static int log_start(struct evs_error *err)
{
	return options.log ? evs_log_set(options.log, err) : 0;
}

static int cpus_start(struct evs_error *err)
{
	return evsd_cpus_check(&options, err);
}

static int limits_start(struct evs_error *err)
{
	return evsd_limits_raise(&options, err);
}

static int dirs_start(struct evs_error *err)
{
	return evsd_dirs_make(&options, err);
}

static int detach_start(struct evs_error *err)
{
	return evsd_detach(&options, err);
}

static int pidfile_start(struct evs_error *err)
{
	return evsd_pidfile_write(&options, err);
}

static int clock_start(struct evs_error *err)
{
	evs_clock_init();
	return 0;
}

static int eal_start(struct evs_error *err)
{
	return evsd_eal_init(&options, err);
}

static int rooms_start(struct evs_error *err)
{
	return evsd_rooms_init(&options, err);
}

static int control_start(struct evs_error *err)
{
	struct ctl_config config = {
	        .run_dir = options.run_dir,
	        .config_file = options.config_file,
	        .http = options.http,
	        .restore_workers = !options.workers_given,
	};

	return ctl_init(&config, err);
}

/* From here on a signal ends the loop; before, it ends the process, and nothing is left behind. */
static int signals_start(struct evs_error *err)
{
	struct sigaction end = {.sa_handler = on_end, .sa_flags = SA_RESTART};
	struct sigaction hup = {.sa_handler = on_hup, .sa_flags = SA_RESTART};

	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGHUP, &hup, NULL);
	return 0;
}

static int workers_start(struct evs_error *err)
{
	for (unsigned cpu = 0; options.workers_given && cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &options.workers) && pmd_worker_add(cpu, err))
			return err->code;
	return 0;
}

/* The saved workers come with the configuration; where there are none, one is started first, so
 * that restored ports find it. */
static int config_start(struct evs_error *err)
{
	int ret = ctl_restore(err);

	if (ret == 0 && pmd_n_workers() == 0)
		ret = pmd_worker_add(evsd_cpus_last(&options.workers), err);
	return ret;
}

static int socket_start(struct evs_error *err)
{
	return ctl_listen(err);
}

static int ready_start(struct evs_error *err)
{
	EVS_LOG(evsd, NOTICE, "evs %s is ready: %u workers, %s/evs.sock", EVS_VERSION,
	        pmd_n_workers(), options.run_dir);
	evsd_ready();
	return 0;
}

static const struct step {
	const char *name;
	int (*start)(struct evs_error *err);
	void (*stop)(void);
} steps[] = {
        {"log", log_start, NULL},
        {"cpus", cpus_start, NULL},
        {"limits", limits_start, NULL},
        {"directories", dirs_start, NULL},
        {"detach", detach_start, NULL},
        {"pid file", pidfile_start, evsd_pidfile_remove},
        {"clock", clock_start, NULL},
        {"DPDK", eal_start, evsd_eal_fini},
        {"rcu", evs_rcu_init, evs_rcu_fini},
        {"datapath", rooms_start, evsd_rooms_fini},
        {"control", control_start, ctl_fini},
        {"signals", signals_start, NULL},
        {"workers", workers_start, NULL},
        {"configuration", config_start, NULL},
        {"socket", socket_start, NULL},
        {"ready", ready_start, evsd_stopping},
};

static void stop_from(size_t n)
{
	while (n-- > 0)
		if (steps[n].stop)
			steps[n].stop();
}

static int start(struct evs_error *err)
{
	for (size_t i = 0; i < EVS_ARRAY_LEN(steps); i++) {
		int ret = steps[i].start(err);

		if (ret) {
			if (err->code == 0)
				evs_error_set(err, ret, "%s: %s", steps[i].name, strerror(-ret));
			stop_from(i);
			return ret;
		}
	}
	return 0;
}

static int fail(const struct evs_error *err, int status)
{
	fprintf(stderr, "evsd: %s\n", err->text);
	evsd_failed(err->text);
	free(options.config_file);
	return status;
}

int main(int argc, char **argv)
{
	struct evs_error err = {0};

	if (evsd_options_parse(&options, argc, argv, &err))
		return fail(&err, 2);
	if (options.help) {
		evsd_help();
		return 0;
	}
	if (options.version) {
		printf("evs %s\n", EVS_VERSION);
		return 0;
	}
	/* Without, glibc collects small pieces of freed rules, and then joins a million of them
	 * at once: 0.2 s, in which the control thread answers nobody. */
	mallopt(M_MXFAST, 0);
	if (start(&err))
		return fail(&err, 1);
	ctl_run();
	EVS_LOG(evsd, NOTICE, "stopping");
	stop_from(EVS_ARRAY_LEN(steps));
	free(options.config_file);
	return 0;
}
