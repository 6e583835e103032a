/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which descriptor a connection has, that the vhost library keeps to itself, and its time-outs.
 * Threads: vhost. Owner: the library's stays its own, the caller has a copy.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "vhost/vhu_pvt.h"

/* A message is written at once, and at once it can be read; a reply finds room as long as the
 * other side reads. */
#define HALF_MESSAGE_US 20000
#define REPLY_US        1000
/* Postcopy: the library waits for QEMU's answer to its own answer, with the memory table. */
#define ANSWER_US 900000

typedef int name_fn(int fd, struct sockaddr *addr, socklen_t *size);

/* Connections that come at once, in different threads, each find another one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* "": none, which is in the file system. False: it is no Unix socket, or not connected. */
static bool get_path(int fd, name_fn *name, char path[VHU_PATH_LEN + 1])
{
	struct sockaddr_un addr = {0};
	socklen_t size = sizeof(addr);

	if (name(fd, (struct sockaddr *)&addr, &size) || addr.sun_family != AF_UNIX)
		return false;
	snprintf(path, VHU_PATH_LEN + 1, "%.*s", VHU_PATH_LEN, addr.sun_path);
	return true;
}

static int get_option(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) ? -1 : value;
}

/* A connection that has no time-out, so nobody has found it yet? */
static bool is_new(int fd)
{
	struct timeval timeout = {0};
	socklen_t size = sizeof(timeout);

	return get_option(fd, SO_ACCEPTCONN) == 0 && get_option(fd, SO_TYPE) == SOCK_STREAM &&
	       !getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, &size) && !timeout.tv_sec &&
	       !timeout.tv_usec;
}

/* A server's end has the path as its own name, a client's as that of the other side. But that one
 * may go by another name: of a link, relative to a directory, from before it was moved. Then a
 * client's end is known by its kind, as evsd waits for no other socket that it connects. */
static enum match { NO_MATCH, BY_KIND, BY_NAME } get_match(int fd, const struct vhu *vhu)
{
	char ours[VHU_PATH_LEN + 1], theirs[VHU_PATH_LEN + 1];

	if (!is_new(fd) || !get_path(fd, getsockname, ours) || !get_path(fd, getpeername, theirs))
		return NO_MATCH;
	if (!strcmp(vhu->is_client ? theirs : ours, vhu->path))
		return BY_NAME;
	return vhu->is_client && !*ours && *theirs && !vhu_list_has(theirs) &&
	                       !(fcntl(fd, F_GETFL) & O_NONBLOCK)
	               ? BY_KIND
	               : NO_MATCH;
}

static int find(const struct vhu *vhu)
{
	DIR *dir = opendir("/proc/self/fd");
	enum match best = NO_MATCH;
	struct dirent *entry;
	int found = -1;

	while (dir && best < BY_NAME && (entry = readdir(dir))) {
		const int fd = atoi(entry->d_name);
		const enum match match = get_match(fd, vhu);

		found = match > best ? fd : found;
		best = EVS_MAX(best, match);
	}
	if (dir)
		closedir(dir);
	return found;
}

void vhu_socket_be_patient(const struct vhu_conn *conn)
{
	static const struct timeval answer = {.tv_usec = ANSWER_US};

	setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &answer, sizeof(answer));
}

int vhu_socket_find(const struct vhu *vhu)
{
	static const struct timeval half = {.tv_usec = HALF_MESSAGE_US},
	                            reply = {.tv_usec = REPLY_US};
	int fd;

	pthread_mutex_lock(&lock);
	fd = find(vhu);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof(half));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &reply, sizeof(reply));
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	pthread_mutex_unlock(&lock);
	return fd;
}
