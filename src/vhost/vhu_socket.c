/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which descriptor a connection has, that the vhost library keeps to itself, and its time-outs.
 * Threads: vhost. Owner: the descriptor stays the library's.
 */
#include <dirent.h>
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

static bool has_path(int fd, name_fn *name, const char *path)
{
	struct sockaddr_un addr = {0};
	socklen_t size = sizeof(addr) - 1;

	return !name(fd, (struct sockaddr *)&addr, &size) && addr.sun_family == AF_UNIX &&
	       !strcmp(addr.sun_path, path);
}

/* A server's end has the path as its own name, a client's as that of the other side. */
static bool is_connection(int fd, const struct vhu *vhu)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) && !listening &&
	       has_path(fd, vhu->is_client ? getpeername : getsockname, vhu->path);
}

static bool is_taken(const struct vhu *vhu, int fd)
{
	for (unsigned i = 0; i < VHU_MAX_CONNS; i++)
		if (vhu->conn[i].vid != VHU_NO_DEVICE &&
		    (vhu->conn[i].fd == fd || vhu->conn[i].own_fd == fd))
			return true;
	return false;
}

void vhu_socket_be_patient(const struct vhu_conn *conn)
{
	static const struct timeval answer = {.tv_usec = ANSWER_US};

	if (conn->fd >= 0)
		setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &answer, sizeof(answer));
}

int vhu_socket_find(const struct vhu_conn *conn)
{
	static const struct timeval half = {.tv_usec = HALF_MESSAGE_US},
	                            reply = {.tv_usec = REPLY_US};
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int found = -1;

	while (dir && found < 0 && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (is_connection(fd, conn->vhu) && !is_taken(conn->vhu, fd))
			found = fd;
	}
	if (dir)
		closedir(dir);
	if (found < 0)
		return -1;
	setsockopt(found, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof(half));
	setsockopt(found, SOL_SOCKET, SO_SNDTIMEO, &reply, sizeof(reply));
	return found;
}
