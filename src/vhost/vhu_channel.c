/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back-end's channel of a guest behind an IOMMU, by which the library asks where a page is. It
 * asks in the worker that met the page, and would wait there for ever while the socket is full:
 * the guest need only not read, and O_NONBLOCK on its own open file it can undo. So the library
 * has one end of a pair of ours that never lets anybody wait; what it can not write now it asks
 * again later. A thread takes the questions from the other end to the guest. Nothing comes back by
 * this way: answers come as messages on the guest's socket.
 *
 * Threads: vhost opens and closes, one of our own for each connection relays. Owner: the pair and
 * the copy of the guest's descriptor are the channel's.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/evs_thread.h"
#include "vhost/vhu_pvt.h"

#define QUESTION_MAX 1024
#define NO_ROOM_MS   10 /* at most, until it is tried again: the guest can have sent another file */

struct vhu_channel {
	int guest;   /* [vhost w by dup2, relay r] */
	int pair[2]; /* ours, and what the library has a copy of */
	pthread_t relay;
};

/* False: there is nothing left to ask. */
static bool await_room(const struct vhu_channel *channel)
{
	struct pollfd fds[] = {{.fd = channel->pair[0]}, {channel->guest, POLLOUT, 0}};

	poll(fds, 2, NO_ROOM_MS);
	return !(fds[0].revents & POLLHUP);
}

/* One that the guest can not take for another reason than a lack of room is lost with it. */
static bool hand_over(const struct vhu_channel *channel, const void *question, size_t size)
{
	while (send(channel->guest, question, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		if (errno != EAGAIN && errno != EINTR)
			return true;
		else if (!await_room(channel))
			return false;
	return true;
}

static void *relay(void *arg)
{
	const struct vhu_channel *channel = arg;
	char question[QUESTION_MAX];
	ssize_t size;

	do
		size = recv(channel->pair[0], question, sizeof(question), 0);
	while ((size < 0 && errno == EINTR) ||
	       (size > 0 && hand_over(channel, question, (size_t)size)));
	return NULL;
}

static void free_channel(struct vhu_channel *channel)
{
	for (unsigned i = 0; i < 2; i++)
		if (channel->pair[i] >= 0)
			close(channel->pair[i]);
	if (channel->guest >= 0)
		close(channel->guest);
	free(channel);
}

/* A pair whose writer never waits. */
static bool open_pair(int pair[2])
{
	int flags;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	flags = fcntl(pair[1], F_GETFL);
	return flags >= 0 && !fcntl(pair[1], F_SETFL, flags | O_NONBLOCK);
}

/* NULL: see errno. */
static struct vhu_channel *start(int fd)
{
	struct vhu_channel *channel = malloc(sizeof(*channel));
	int ret;

	if (!channel)
		return NULL;
	*channel = (struct vhu_channel){.guest = fcntl(fd, F_DUPFD_CLOEXEC, 0), .pair = {-1, -1}};
	ret = channel->guest < 0 || !open_pair(channel->pair)
	              ? -errno
	              : evs_thread_start(&channel->relay, NULL, relay, channel);
	if (!ret) {
		pthread_setname_np(channel->relay, "vhost-ask");
		return channel;
	}
	free_channel(channel);
	errno = -ret;
	return NULL;
}

bool vhu_channel_takes(int fd)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(int);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) && domain == AF_UNIX &&
	       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) && type == SOCK_STREAM;
}

int vhu_channel_open(struct vhu_conn *conn, int fd)
{
	if (!conn->channel)
		conn->channel = start(fd);
	else if (dup3(fd, conn->channel->guest, O_CLOEXEC) < 0)
		return -1;
	return conn->channel ? fcntl(conn->channel->pair[1], F_DUPFD_CLOEXEC, 0) : -1;
}

void vhu_channel_close(struct vhu_conn *conn)
{
	if (!conn->channel)
		return;
	shutdown(conn->channel->pair[0], SHUT_RDWR);
	pthread_join(conn->channel->relay, NULL);
	free_channel(conn->channel);
	conn->channel = NULL;
}
