/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before anything starts: limits, directories, the pid file; each failure names cause and remedy.
 * Threads: main.
 */
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/evs_log.h"
#include "control/ctl.h"
#include "evsd/evsd_pvt.h"

#define WANTED_FILES 65536

int evsd_limits_raise(const struct evsd_options *options, struct evs_error *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < WANTED_FILES) {
		struct rlimit more = {WANTED_FILES, EVS_MAX(limit.rlim_max, WANTED_FILES)};

		if (setrlimit(RLIMIT_NOFILE, &more)) {
			limit.rlim_cur = limit.rlim_max;
			setrlimit(RLIMIT_NOFILE, &limit);
		}
	}
	return 0;
}

/* mkdir -p */
static int make_dir(const char *path, mode_t mode)
{
	char *copy = strdup(path);
	int ret = 0;

	if (!copy)
		return -ENOMEM;
	for (char *c = copy + 1; ret == 0; c++) {
		char was = *c;

		if (was != '/' && was != '\0')
			continue;
		*c = '\0';
		if (mkdir(copy, mode) && errno != EEXIST)
			ret = -errno;
		*c = was;
		if (was == '\0')
			break;
	}
	free(copy);
	return ret;
}

static int usable_dir(const char *what, const char *option, const char *path, struct evs_error *err)
{
	struct stat st;
	int ret = make_dir(path, 0755);

	if (ret == 0 && stat(path, &st))
		ret = -errno;
	else if (ret == 0 && !S_ISDIR(st.st_mode))
		ret = -ENOTDIR;
	if (ret == 0 && access(path, W_OK | X_OK))
		ret = -errno;
	if (ret)
		return evs_error_set(err, ret,
		                     "cannot use the %s dir %s: %s: make it writable for evsd, or "
		                     "name another with %s",
		                     what, path, strerror(-ret), option);
	return 0;
}

static int config_dir(const struct evsd_options *options, struct evs_error *err)
{
	char *copy;
	int ret;

	if (!options->config_file)
		return 0;
	if (!options->config_given)
		return usable_dir("state", "--state-dir", options->state_dir, err);
	copy = strdup(options->config_file);
	if (!copy)
		return -ENOMEM;
	ret = access(dirname(copy), W_OK | X_OK) ? -errno : 0;
	free(copy);
	if (ret)
		return evs_error_set(err, ret,
		                     "--config %s: its directory can not be written: %s: make it, "
		                     "or use --no-config",
		                     options->config_file, strerror(-ret));
	return 0;
}

int evsd_dirs_make(const struct evsd_options *options, struct evs_error *err)
{
	char socket[256];
	int ret = usable_dir("run", "--run-dir", options->run_dir, err);

	if (ret)
		return ret;
	snprintf(socket, sizeof(socket), "%s/evs.sock", options->run_dir);
	ret = ctl_socket_probe(socket, err);
	return ret ? ret : config_dir(options, err);
}

static char *pidfile;

int evsd_pidfile_write(const struct evsd_options *options, struct evs_error *err)
{
	char text[24];
	int len, fd;

	if (!options->pidfile)
		return 0;
	fd = open(options->pidfile, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return evs_error_set(err, -errno, "--pidfile %s: %s", options->pidfile,
		                     strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return evs_error_set(err, -EBUSY,
		                     "--pidfile %s is held by a running evsd: stop it or name "
		                     "another file",
		                     options->pidfile);
	}
	len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || write(fd, text, (size_t)len) != len)
		return evs_error_set(err, -EIO, "--pidfile %s: cannot write", options->pidfile);
	pidfile = strdup(options->pidfile);
	return 0; /* the descriptor stays open: it holds the lock */
}

void evsd_pidfile_remove(void)
{
	if (pidfile)
		unlink(pidfile);
	free(pidfile);
	pidfile = NULL;
}
