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
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

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

/* By the same name, or through a link. A relative name says nothing: it is of another directory. */
static bool is_same(const char *theirs, const char *path)
{
	struct stat a, b;

	return !strcmp(theirs, path) || (*theirs == '/' && !stat(theirs, &a) && !stat(path, &b) &&
	                                 a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

/* Could it be the library's end of a connection that it made? What evsd itself connects does not
 * wait or is closed on exec, as the library's is not; and it was born with some sockets. */
static bool is_library_kind(int fd)
{
	return fd > STDERR_FILENO && !(fcntl(fd, F_GETFL) & O_NONBLOCK) &&
	       !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* A server's end has the path as its own name, a client's as that of the other side. But that one
 * may go by another name: relative to a directory, of another mount namespace (where it may be that
 * of another port's socket here), from before it was moved. Then a client's end is known by its
 * kind, if it is the only one of this kind. */
static enum match { NO_MATCH, BY_KIND, BY_NAME, N_MATCHES } get_match(int fd, const struct vhu *vhu)
{
	char ours[VHU_PATH_LEN + 1], theirs[VHU_PATH_LEN + 1];

	if (!is_new(fd) || !get_path(fd, getsockname, ours) || !get_path(fd, getpeername, theirs))
		return NO_MATCH;
	if (!vhu->is_client)
		return strcmp(ours, vhu->path) ? NO_MATCH : BY_NAME;
	if (*ours || !*theirs)
		return NO_MATCH;
	return is_same(theirs, vhu->path) ? BY_NAME : is_library_kind(fd) ? BY_KIND : NO_MATCH;
}

/* -EXDEV: none, or one of several. */
static int find(const struct vhu *vhu)
{
	DIR *dir = opendir("/proc/self/fd");
	int found[N_MATCHES] = {0}, n[N_MATCHES] = {0};
	struct dirent *entry;
	enum match best;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		const int fd = atoi(entry->d_name);
		const enum match match = get_match(fd, vhu);

		found[match] = fd;
		n[match]++;
	}
	closedir(dir);
	best = n[BY_NAME] ? BY_NAME : BY_KIND;
	return n[best] == 1 ? found[best] : -EXDEV;
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
		fd = fd < 0 ? -errno : fd;
	}
	pthread_mutex_unlock(&lock);
	return fd;
}
