/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Background, readiness, log file. Threads: main; evsd_log_reopen also in a signal handler.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "evsd/evsd_pvt.h"

static int parent_fd = -1; /* a byte to it ends the parent with status 0, a text with 1 */
static char log_file[256]; /* empty: stderr stays what it is */

void evsd_log_reopen(void)
{
	int fd;

	if (!log_file[0])
		return;
	fd = open(log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return;
	dup2(fd, STDERR_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
}

/* The parent waits until the child is ready, so that what comes next finds evsd at work. */
static void wait_for_child(int fd)
{
	char text[EVS_ERROR_LEN];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n == 1 && text[0] == '\0')
		_exit(0);
	text[n > 0 ? n : 0] = '\0';
	fprintf(stderr, "evsd: %s\n", n > 0 ? text : "ended while starting: see its log");
	_exit(1);
}

int evsd_detach(const struct evsd_options *options, struct evs_error *err)
{
	int fds[2], null;
	pid_t pid;

	if (!options->detach)
		return 0;
	snprintf(log_file, sizeof(log_file), "%s/evsd.log", options->run_dir);
	if (pipe2(fds, O_CLOEXEC))
		return evs_error_set(err, -errno, "--detach: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return evs_error_set(err, -errno, "--detach: %s", strerror(errno));
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(fds[0]);
	}
	close(fds[0]);
	parent_fd = fds[1];
	setsid();
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	close(null);
	evsd_log_reopen();
	return 0;
}

/* The protocol of sd_notify(3): one datagram. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (len < 2 || len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0'; /* abstract */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

static void tell_parent(const char *text, size_t size)
{
	ssize_t unused EVS_UNUSED;

	if (parent_fd < 0)
		return;
	unused = write(parent_fd, text, size);
	close(parent_fd);
	parent_fd = -1;
}

void evsd_ready(void)
{
	notify("READY=1\nSTATUS=switching");
	tell_parent("", 1);
}

void evsd_failed(const char *reason)
{
	tell_parent(reason, strlen(reason));
}

void evsd_stopping(void)
{
	notify("STOPPING=1");
}
