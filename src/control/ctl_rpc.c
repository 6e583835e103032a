/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON-RPC server: its socket, its clients, notifications. Threads: control.
 */
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/ctl_client.h"

#define MAX_CLIENTS 1024
#define CHECK_S     2

static struct evconnlistener *listener;
static struct event *check_timer, *accept_timer;
static TAILQ_HEAD(, ctl_client) clients = TAILQ_HEAD_INITIALIZER(clients);
static unsigned n_clients, next_number;
static char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];

const char *const ctl_topics[] = {"bridge", "port",         "worker", "fdb",
                                  "config", "flow-removed", NULL};

void ctl_rpc_forget(struct ctl_client *client)
{
	TAILQ_REMOVE(&clients, client, link);
	n_clients--;
}

static int topic_bit(const char *topic)
{
	for (int i = 0; ctl_topics[i]; i++)
		if (!strcmp(ctl_topics[i], topic))
			return i;
	return -1;
}

bool ctl_client_topic(struct ctl_client *client, const char *topic, bool on)
{
	int bit = topic_bit(topic);

	if (bit < 0)
		return false;
	client->topics = (client->topics & ~(1u << bit)) | (uint32_t)on << bit;
	return true;
}

bool ctl_notify_wanted(const char *topic)
{
	int bit = topic_bit(topic);
	struct ctl_client *client;

	TAILQ_FOREACH (client, &clients, link) {
		if (bit >= 0 && client->topics >> bit & 1)
			return true;
	}
	return false;
}

void ctl_notify(const char *topic, json_t *params)
{
	json_t *message = api_rpc_notification(topic, params);
	int bit = topic_bit(topic);
	struct ctl_client *client, *next;
	size_t size = 0;
	char *line = ctl_notify_wanted(topic) ? api_rpc_line(message, &size) : NULL;

	json_decref(message);
	for (client = TAILQ_FIRST(&clients); line && client; client = next) {
		next = TAILQ_NEXT(client, link);
		if (client->topics >> bit & 1)
			ctl_client_notify(client, line, size);
	}
	free(line);
}

/* Says why, as far as the socket takes it at once, and closes. */
static void turn_away(int fd)
{
	char text[160];
	json_t *message;
	size_t size = 0;
	char *line;

	snprintf(text, sizeof(text),
	         "evsd serves at most %d connections at a time: close some, or use one for many "
	         "requests",
	         MAX_CLIENTS);
	message = api_rpc_error(NULL, API_RPC_BUSY, text, -EBUSY, NULL);
	line = api_rpc_line(message, &size);
	if (line && send(fd, line, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		EVS_LOG_LIMITED(control, DEBUG, "a client left before it was turned away");
	EVS_LOG_LIMITED(control, WARN, "a client was turned away: %d connections are open",
	                MAX_CLIENTS);
	free(line);
	json_decref(message);
	evutil_closesocket(fd);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg)
{
	struct ctl_client *client;

	if (n_clients >= MAX_CLIENTS) {
		turn_away(fd);
		return;
	}
	client = ctl_client_create(fd, ++next_number);
	if (!client)
		return;
	TAILQ_INSERT_TAIL(&clients, client, link);
	n_clients++;
}

/* Out of descriptors, most likely: rest a while instead of spinning. */
static void on_accept_error(struct evconnlistener *l, void *arg)
{
	struct timeval second = {1, 0};

	EVS_LOG_LIMITED(control, ERR, "cannot accept a connection: %s",
	                strerror(EVUTIL_SOCKET_ERROR()));
	evconnlistener_disable(l);
	event_add(accept_timer, &second);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	evconnlistener_enable(listener);
}

static void on_check(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_client *client, *next;

	for (client = TAILQ_FIRST(&clients); client; client = next) {
		next = TAILQ_NEXT(client, link);
		ctl_client_check(client, CHECK_S);
	}
}

/* A socket that nobody listens on is stale, and removed. */
static int remove_stale(const struct sockaddr_un *addr, struct evs_error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret = 0;

	if (fd < 0)
		return evs_error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN)
		ret = evs_error_set(err, -EADDRINUSE,
		                    "%s is in use by a running evsd: stop it, or give this one "
		                    "another --run-dir",
		                    addr->sun_path);
	else if (unlink(addr->sun_path) && errno != ENOENT)
		ret = evs_error_set(err, -errno, "cannot remove the stale socket %s: %s",
		                    addr->sun_path, strerror(errno));
	close(fd);
	return ret;
}

int ctl_socket_probe(const char *path, struct evs_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(addr.sun_path))
		return evs_error_set(
		        err, -ENAMETOOLONG,
		        "the path %s is too long for a socket: use a shorter --run-dir", path);
	strcpy(addr.sun_path, path);
	return remove_stale(&addr, err);
}

static int open_socket(struct evs_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, ret = ctl_socket_probe(socket_path, err);

	if (ret)
		return ret;
	strcpy(addr.sun_path, socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    chmod(socket_path, 0660) || listen(fd, 1024)) {
		ret = evs_error_set(err, -errno, "cannot listen on %s: %s", socket_path,
		                    strerror(errno));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	return fd;
}

int ctl_rpc_init(struct evs_error *err)
{
	struct timeval period = {CHECK_S, 0};
	int fd;

	if (snprintf(socket_path, sizeof(socket_path), "%s/evs.sock", ctl_run_dir()) >=
	    (int)sizeof(socket_path))
		return evs_error_set(err, -ENAMETOOLONG, "the run dir's name is too long: %s",
		                     ctl_run_dir());
	fd = open_socket(err);
	if (fd < 0)
		return fd;
	listener = evconnlistener_new(ctl_base, on_accept, NULL,
	                              LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	check_timer = event_new(ctl_base, -1, EV_PERSIST, on_check, NULL);
	accept_timer = event_new(ctl_base, -1, 0, on_accept_again, NULL);
	if (!listener || !check_timer || !accept_timer)
		return evs_error_set(err, -ENOMEM, "no memory for the JSON-RPC server");
	evconnlistener_set_error_cb(listener, on_accept_error);
	event_add(check_timer, &period);
	return 0;
}

void ctl_rpc_fini(void)
{
	struct ctl_client *client, *next;

	if (listener) {
		evconnlistener_free(listener);
		unlink(socket_path);
	}
	listener = NULL;
	for (client = TAILQ_FIRST(&clients); client; client = next) {
		next = TAILQ_NEXT(client, link);
		ctl_client_close(client, NULL);
	}
	if (check_timer)
		event_free(check_timer);
	if (accept_timer)
		event_free(accept_timer);
	check_timer = accept_timer = NULL;
}
