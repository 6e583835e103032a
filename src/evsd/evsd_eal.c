/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting DPDK's environment (EAL): its options, its memory, what its refusal means.
 * Threads: main.
 *
 * The user's options win; ours fill what they leave open. What EAL says goes to evsd's log, and its
 * last lines are kept: when it refuses to start they are the cause that the user is told.
 */
#include <fcntl.h>
#include <glob.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/evs_log.h"
#include "evsd/evsd_pvt.h"

#define MAX_ARGS    96
#define KEPT_LINES  4
#define NO_HUGE_MB  1024
#define NO_HUGE_MIN 128
#define FEW_HUGE    16 /* too few to start with, as far as we can say */

struct args {
	int n;
	char *arg[MAX_ARGS + 1];
};

static char kept[KEPT_LINES][200];
static unsigned n_kept;

static int add(struct args *args, const char *text)
{
	if (args->n == MAX_ARGS)
		return -E2BIG;
	args->arg[args->n] = strdup(text);
	return args->arg[args->n++] ? 0 : -ENOMEM;
}

/* Words, with quotes as a shell has them. */
static int split(struct args *args, const char *text)
{
	char word[1024], quote = 0;
	size_t len = 0;
	bool open = false;

	for (;; text++) {
		if (*text == '\0' || (!quote && (*text == ' ' || *text == '\t'))) {
			word[len] = '\0';
			if (open && add(args, word))
				return -E2BIG;
			len = 0;
			open = false;
			if (*text == '\0')
				return quote ? -EINVAL : 0;
		} else if ((*text == '"' || *text == '\'') && (!quote || quote == *text)) {
			quote = quote ? 0 : *text;
			open = true;
		} else if (len + 1 < sizeof(word)) {
			word[len++] = *text;
			open = true;
		}
	}
}

/* Did the user give one of the options "--a", "-b" …? */
static bool given(const struct args *args, const char *const *names)
{
	for (; *names; names++) {
		size_t len = strlen(*names);

		for (int i = 1; i < args->n; i++) {
			const char *arg = args->arg[i];
			bool is_long = (*names)[1] == '-';

			if (!strncmp(arg, *names, len) &&
			    (!is_long || arg[len] == '\0' || arg[len] == '='))
				return true;
		}
	}
	return false;
}

/* ---- memory ---- */

/* unused: neither in use nor promised to somebody. */
static void count_huge(unsigned long *total, unsigned long *unused)
{
	unsigned long sum[3] = {0};
	glob_t found;

	*total = *unused = 0;
	if (glob("/sys/kernel/mm/hugepages/hugepages-*", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		static const char *const files[] = {"nr_hugepages", "free_hugepages",
		                                    "resv_hugepages"};

		for (unsigned f = 0; f < EVS_ARRAY_LEN(files); f++) {
			unsigned long n = 0;
			char path[256];
			FILE *file;

			snprintf(path, sizeof(path), "%s/%s", found.gl_pathv[i], files[f]);
			file = fopen(path, "re");
			if (file && fscanf(file, "%lu", &n) == 1)
				sum[f] += n;
			if (file)
				fclose(file);
		}
	}
	globfree(&found);
	*total = sum[0];
	*unused = sum[1] > sum[2] ? sum[1] - sum[2] : 0;
}

/* Without huge pages memory is taken page by page as it is used; the size is a ceiling. */
static unsigned long no_huge_mb(void)
{
	unsigned long kb = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];

	while (file && kb == 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %lu kB", &kb) != 1)
			kb = 0;
	if (file)
		fclose(file);
	return EVS_MAX(NO_HUGE_MIN, EVS_MIN(NO_HUGE_MB, kb / 1024 / 2));
}

static int add_memory(struct args *args)
{
	static const char *const any[] = {
	        "--in-memory",  "--no-huge", "--huge-dir",    "--legacy-mem",
	        "--socket-mem", "-m",        "--huge-unlink", NULL};
	static const char *const no_huge[] = {"--no-huge", NULL}, *const size[] = {"-m", NULL};
	unsigned long total, unused;
	char mb[32];

	snprintf(mb, sizeof(mb), "%lu", no_huge_mb());
	if (given(args, any))
		return given(args, no_huge) && !given(args, size) ? add(args, "-m") || add(args, mb)
		                                                  : 0;
	count_huge(&total, &unused);
	if (total) /* also if none is free: DPDK removes what dead processes left in hugetlbfs */
		return add(args, "--in-memory") || add(args, "--single-file-segments");
	EVS_LOG(evsd, NOTICE, "no huge pages are reserved: running without (up to %s MB)", mb);
	return add(args, "--no-huge") || add(args, "-m") || add(args, mb);
}

/* ---- the other options ---- */

/* Several evsd side by side differ by their run dir, so their prefixes do. */
static int add_prefix(struct args *args, const char *run_dir)
{
	uint32_t hash = 2166136261u;
	char prefix[32] = "evs";

	for (const char *c = run_dir; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	if (strcmp(run_dir, "/run/evs"))
		snprintf(prefix, sizeof(prefix), "evs-%08x", hash);
	return add(args, "--file-prefix") || add(args, prefix);
}

static int add_lcores(struct args *args, const cpu_set_t *control)
{
	char cpus[1024], lcores[1040];

	evsd_cpus_format(control, cpus, sizeof(cpus));
	snprintf(lcores, sizeof(lcores), "0@(%s)", cpus);
	return add(args, "--lcores") || add(args, lcores);
}

static int make_args(const struct evsd_options *options, struct args *args, struct evs_error *err)
{
	static const char *const pci[] = {"-a", "-b", "--allow", "--block", "--no-pci", NULL};
	static const char *const prefix[] = {"--file-prefix", NULL};
	static const char *const lcores[] = {"-l", "-c", "-s", "--lcores", "--main-lcore", NULL};
	int ret = add(args, "evsd");

	/* It warns at each start that it does without a socket of old. */
	ret |= add(args, "--log-level=lib.telemetry:error");
	if (options->dpdk && split(args, options->dpdk))
		return evs_error_set(err, -EINVAL,
		                     "--dpdk '%s': a quote does not end, or there are more than "
		                     "%d words",
		                     options->dpdk, MAX_ARGS);
	ret |= given(args, pci) ? 0 : add(args, "--no-pci");
	ret |= given(args, prefix) ? 0 : add_prefix(args, options->run_dir);
	ret |= given(args, lcores) ? 0 : add_lcores(args, &options->control);
	if (ret == 0)
		ret = add_memory(args);
	if (ret && err->code == 0)
		return evs_error_set(err, -E2BIG, "--dpdk: too many options");
	args->arg[args->n] = NULL;
	return ret;
}

/* ---- what EAL says ---- */

static void keep(const char *line, size_t len)
{
	char *slot = kept[n_kept++ % KEPT_LINES];

	snprintf(slot, sizeof(kept[0]), "%.*s", (int)len, line);
}

static ssize_t log_take(void *cookie, const char *text, size_t size)
{
	static const enum evs_log_level levels[] = {EVS_LOG_ERR,    EVS_LOG_ERR,  EVS_LOG_ERR,
	                                            EVS_LOG_ERR,    EVS_LOG_ERR,  EVS_LOG_WARN,
	                                            EVS_LOG_NOTICE, EVS_LOG_INFO, EVS_LOG_DEBUG};
	unsigned level = (unsigned)rte_log_cur_msg_loglevel();
	size_t len = size;

	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	if (len == 0)
		return (ssize_t)size;
	if (level <= RTE_LOG_WARNING)
		keep(text, len);
	level = EVS_MIN(level, (unsigned)RTE_LOG_DEBUG);
	if (levels[level] <= evs_load_relaxed(&evs_log_levels[EVS_LOG_ROOM_evsd]))
		evs_log_write(EVS_LOG_ROOM_evsd, levels[level], "%.*s", (int)len, text);
	return (ssize_t)size;
}

static void capture_log(void)
{
	cookie_io_functions_t io = {.write = log_take};
	FILE *stream = fopencookie(NULL, "w", io);

	if (!stream)
		return;
	setvbuf(stream, NULL, _IOLBF, 0);
	rte_openlog_stream(stream);
}

static const char *remedy(const char *said)
{
	static const char *const known[][2] = {
	        {"hugepage", "reserve huge pages, or run without: --dpdk --no-huge"},
	        {"Cannot get hugepage", "run without huge pages: --dpdk --no-huge"},
	        {"in-memory", "--in-memory and --no-huge exclude each other: give one"},
	        {"config", "another process uses this --file-prefix: give another in --dpdk"},
	        {"permission", "run evsd as root, or give it the capabilities of evsd.service"},
	        {"memory", "less memory is free than asked for: lower -m in --dpdk"},
	};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(known); i++)
		if (strcasestr(said, known[i][0]))
			return known[i][1];
	return "see 'evsd --log debug', and DPDK's documentation of EAL options";
}

/* DPDK says little of it when huge pages are reserved, but in use. */
static int no_huge_left(const char *said, struct evs_error *err)
{
	unsigned long total, unused;

	count_huge(&total, &unused);
	if (total == 0 || unused >= FEW_HUGE)
		return 0;
	return evs_error_set(err, -ENOMEM,
	                     "%lu of %lu huge pages are free, too few to start: reserve more "
	                     "(/proc/sys/vm/nr_hugepages), stop who holds them, or run without: "
	                     "--dpdk \"--no-huge -m %lu\" (DPDK said: %.200s)",
	                     unused, total, no_huge_mb(), said);
}

static int refused(const struct evsd_options *options, int why, struct evs_error *err)
{
	char said[KEPT_LINES * sizeof(kept[0])] = "";
	size_t used = 0;

	for (unsigned i = n_kept > KEPT_LINES ? n_kept - KEPT_LINES : 0; i < n_kept; i++)
		used += (size_t)snprintf(said + used, sizeof(said) - used, "%s%s", used ? "; " : "",
		                         kept[i % KEPT_LINES]);
	if (!(options->dpdk && strstr(options->dpdk, "--no-huge")) && no_huge_left(said, err))
		return err->code;
	return evs_error_set(err, why ? -why : -EINVAL, "DPDK refused to start%s%s%s: %.300s (%s)",
	                     options->dpdk ? " with --dpdk \"" : "",
	                     options->dpdk ? options->dpdk : "", options->dpdk ? "\"" : "",
	                     used ? said : "it does not say why", remedy(said));
}

/* EAL prints its usage to stdout when it does not like an option: not for our users. */
static int eal_init_quietly(struct args *args)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), out = dup(STDOUT_FILENO), ret;
	char *argv[MAX_ARGS + 1];

	memcpy(argv, args->arg, sizeof(argv)); /* EAL reorders */
	fflush(stdout);
	if (null >= 0)
		dup2(null, STDOUT_FILENO);
	ret = rte_eal_init(args->n, argv);
	fflush(stdout);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	close(out);
	close(null);
	return ret;
}

int evsd_eal_init(const struct evsd_options *options, struct evs_error *err)
{
	struct args args = {0};
	int ret = make_args(options, &args, err);

	if (ret == 0) {
		/* DPDK's own threads get the CPUs that are allowed and not lcores': without this,
		 * those of the workers. */
		if (sched_setaffinity(0, sizeof(options->control), &options->control))
			EVS_LOG(evsd, WARN, "cannot keep to the control CPUs: %s", strerror(errno));
		capture_log();
		evsd_eal_files_remove();
		if (eal_init_quietly(&args) < 0)
			ret = refused(options, rte_errno, err);
	}
	for (int i = 0; i < args.n; i++)
		free(args.arg[i]);
	return ret;
}

void evsd_eal_fini(void)
{
	rte_eal_cleanup();
}
