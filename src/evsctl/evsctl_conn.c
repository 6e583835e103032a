/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connection to evsd: a line out, a line in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "evsctl/evsctl_pvt.h"

struct evsctl_conn {
	int fd;
	int id;
	FILE *in;
};

static void explain(const char *path, int why)
{
	fprintf(stderr, "evsctl: no evsd answers at %s: %s\n", path, strerror(why));
	if (why == EACCES)
		fprintf(stderr, "Run evsctl as root, or as a member of the socket's group.\n");
	else
		fprintf(stderr,
		        "Start it with 'evsd --detach' or 'systemctl start evsd', or name its "
		        "socket with --socket.\n");
}

struct evsctl_conn *evsctl_conn_open(const char *path, bool quiet)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct evsctl_conn *conn = calloc(1, sizeof(*conn));
	int why = ENAMETOOLONG;

	if (!conn)
		abort();
	conn->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (strlen(path) < sizeof(addr.sun_path)) {
		strcpy(addr.sun_path, path);
		why = conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&addr, sizeof(addr))
		              ? errno
		              : 0;
	}
	if (why == 0) {
		conn->in = fdopen(dup(conn->fd), "r");
		why = conn->in ? 0 : errno;
	}
	if (why == 0)
		return conn;
	if (!quiet)
		explain(path, why);
	evsctl_conn_close(conn);
	return NULL;
}

void evsctl_conn_close(struct evsctl_conn *conn)
{
	if (!conn)
		return;
	if (conn->in)
		fclose(conn->in);
	if (conn->fd >= 0)
		close(conn->fd);
	free(conn);
}

static bool send_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		size -= (size_t)n;
	}
	return true;
}

json_t *evsctl_conn_next(struct evsctl_conn *conn)
{
	struct evs_error err;
	json_t *message = NULL;
	char *line = NULL;
	size_t room = 0;
	ssize_t len = getline(&line, &room, conn->in);

	if (len > 0)
		message = api_rpc_parse(line, (size_t)len, &err);
	free(line);
	return message;
}

static bool send_request(struct evsctl_conn *conn, const char *method, json_t *params_new)
{
	json_t *message = api_rpc_notification(method, params_new);
	size_t size = 0;
	bool sent;
	char *line;

	json_object_set_new(message, "id", json_integer(++conn->id));
	line = api_rpc_line(message, &size);
	sent = line && send_all(conn->fd, line, size);
	free(line);
	json_decref(message);
	return sent;
}

json_t *evsctl_conn_call(struct evsctl_conn *conn, const char *method, json_t *params_new,
                         json_t **errorp)
{
	json_t *message, *result;

	*errorp = NULL;
	if (!send_request(conn, method, params_new))
		return NULL;
	do {
		message = evsctl_conn_next(conn);
		if (message && json_object_get(message, "method")) { /* a notification */
			json_decref(message);
			continue;
		}
		break;
	} while (true);
	result = json_incref(json_object_get(message, "result"));
	if (!result)
		*errorp = json_incref(json_object_get(message, "error"));
	json_decref(message);
	return result;
}
