/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bridges' OpenFlow sockets, and controllers: whom to call, whom to await. Threads: control.
 *
 * An active controller that can not be reached is called again after 1, 2, 4, … seconds.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/ctl_of_pvt.h"
#include "control/ctl_rules.h"
#include "control/ctl_tls.h"

#define PROBE_S   5
#define BACKOFF_S 8
#define BACKLOG   16

/* ---- targets ---- */

struct target {
	struct sockaddr_storage addr;
	int len;
	bool passive, tls;
};

static int unix_target(const char *path, struct target *t, struct evs_error *err)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&t->addr;

	if (strlen(path) == 0 || strlen(path) >= sizeof(un->sun_path))
		return evs_error_set(err, -EINVAL, "'%s': a socket path has 1 to %zu characters",
		                     path, sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	t->len = sizeof(*un);
	return 0;
}

static int ip_target(const char *text, struct target *t, struct evs_error *err)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&t->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&t->addr;
	int len = sizeof(t->addr);

	if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&t->addr, &len) != 0)
		return evs_error_set(err, -EINVAL, "'%s' is not IP[:PORT]; IPv6 stands in brackets",
		                     text);
	t->len = len;
	if (in->sin_family == AF_INET && in->sin_port == 0)
		in->sin_port = htons(OF_TCP_PORT);
	if (in6->sin6_family == AF_INET6 && in6->sin6_port == 0)
		in6->sin6_port = htons(OF_TCP_PORT);
	return 0;
}

/* Of listeners the port is told first: "[PORT][:IP]". */
static int listen_target(const char *text, struct target *t, struct evs_error *err)
{
	char *rest, turned[96];
	unsigned long port = strtoul(text, &rest, 10);

	if ((*rest != '\0' && *rest != ':') || port > 65535)
		return evs_error_set(err, -EINVAL, "'%s' is not [PORT][:IP]", text);
	snprintf(turned, sizeof(turned), "%s:%lu", *rest && rest[1] ? rest + 1 : "0.0.0.0",
	         port ? port : OF_TCP_PORT);
	return ip_target(turned, t, err);
}

static int parse_target(const char *text, struct target *t, struct evs_error *err)
{
	static const struct {
		const char *prefix;
		int (*parse)(const char *text, struct target *t, struct evs_error *err);
		bool passive, tls;
	} schemes[] = {
	        {"tcp:", ip_target, false, false},    {"ssl:", ip_target, false, true},
	        {"unix:", unix_target, false, false}, {"ptcp:", listen_target, true, false},
	        {"pssl:", listen_target, true, true}, {"punix:", unix_target, true, false},
	};

	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < EVS_ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (strncmp(text, schemes[i].prefix, n) != 0)
			continue;
		t->passive = schemes[i].passive;
		t->tls = schemes[i].tls;
		return schemes[i].parse(text + n, t, err);
	}
	return evs_error_set(err, -EINVAL,
	                     "controller '%s': a target is tcp:IP:PORT, ssl:IP:PORT, unix:PATH, "
	                     "ptcp:PORT[:IP], pssl:PORT[:IP] or punix:PATH",
	                     text);
}

/* ---- connections ---- */

/* Takes fd over; -1: to be connected. */
static struct bufferevent *wrap(struct ctl_of_controller *c, evutil_socket_t fd)
{
	struct evs_error err = {.text = "no memory"};
	struct bufferevent *bev;

	if (c && c->tls) {
		bev = ctl_tls_wrap(fd, fd >= 0, &err);
	} else {
		bev = bufferevent_socket_new(ctl_base, fd, BEV_OPT_CLOSE_ON_FREE);
		if (!bev && fd >= 0)
			close(fd);
	}
	if (!bev && c)
		snprintf(c->last_error, sizeof(c->last_error), "%s", err.text);
	return bev;
}

static void no_delay(evutil_socket_t fd, const struct sockaddr *addr)
{
	int one = 1;

	if (addr->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void accepted(struct ctl_of_bridge *ob, struct ctl_of_controller *c, enum ctl_of_kind kind,
                     evutil_socket_t fd)
{
	struct bufferevent *bev = wrap(c, fd);
	struct ctl_of_session *s;
	char peer[64];

	if (!bev)
		return;
	snprintf(peer, sizeof(peer), "%s#%d",
	         c                      ? c->target
	         : kind == CTL_OF_SNOOP ? "snoop"
	                                : "mgmt",
	         fd);
	s = ctl_of_session_new(ob, c, kind, bev, peer);
	if (!s)
		return;
	if (c && c->tls)
		bufferevent_enable(bev, EV_READ | EV_WRITE); /* starts after the handshake */
	else
		ctl_of_session_start(s);
}

static void on_mgmt(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len,
                    void *arg)
{
	accepted(arg, NULL, CTL_OF_SERVICE, fd);
}

static void on_snoop(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len,
                     void *arg)
{
	accepted(arg, NULL, CTL_OF_SNOOP, fd);
}

static void on_passive(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len,
                       void *arg)
{
	struct ctl_of_controller *c = arg;

	no_delay(fd, addr);
	accepted(c->ob, c, CTL_OF_PRIMARY, fd);
}

static void retry_later(struct ctl_of_controller *c)
{
	struct timeval wait = {0};

	c->backoff_s = c->backoff_s ? EVS_MIN(2 * c->backoff_s, c->max_backoff_s) : 1;
	wait.tv_sec = c->backoff_s;
	event_add(c->retry, &wait);
}

static void connect_now(struct ctl_of_controller *c)
{
	struct bufferevent *bev = wrap(c, -1);
	struct ctl_of_session *s =
	        bev ? ctl_of_session_new(c->ob, c, CTL_OF_PRIMARY, bev, c->target) : NULL;

	if (!s) {
		retry_later(c);
		return;
	}
	bufferevent_enable(bev, EV_WRITE);
	if (bufferevent_socket_connect(bev, (struct sockaddr *)c->addr, c->addr_len) != 0)
		EVS_LOG_LIMITED(control, WARN, "controller '%s': %s", c->target, strerror(errno));
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	connect_now(arg);
}

void ctl_of_controller_lost(struct ctl_of_controller *c, const char *why)
{
	c->n_sessions--;
	snprintf(c->last_error, sizeof(c->last_error), "%s", why);
	if (c->retry)
		retry_later(c);
}

static struct evconnlistener *listen_at(const struct target *t, evconnlistener_cb cb, void *arg)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&t->addr;

	if (un->sun_family == AF_UNIX)
		unlink(un->sun_path);
	return evconnlistener_new_bind(ctl_base, cb, arg,
	                               LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
	                                       LEV_OPT_REUSEABLE,
	                               BACKLOG, (const struct sockaddr *)&t->addr, t->len);
}

/* ---- controllers ---- */

static void controller_free(struct ctl_of_controller *c)
{
	struct ctl_of_session *s, *next;

	if (c->retry)
		event_free(c->retry);
	c->retry = NULL;
	for (s = TAILQ_FIRST(&c->ob->sessions); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->controller == c)
			ctl_of_session_close(s, "the controller was deleted");
	}
	if (c->listener)
		evconnlistener_free(c->listener);
	TAILQ_REMOVE(&c->ob->controllers, c, link);
	c->ob->bridge->n_controllers--;
	free(c->addr);
	free(c->target);
	free(c);
}

static struct ctl_of_controller *controller_lookup(struct ctl_of_bridge *ob, const char *target)
{
	struct ctl_of_controller *c;

	TAILQ_FOREACH (c, &ob->controllers, link) {
		if (!strcmp(c->target, target))
			return c;
	}
	return NULL;
}

static int controller_start(struct ctl_of_controller *c, const struct target *t,
                            struct evs_error *err)
{
	if (t->passive) {
		c->listener = listen_at(t, on_passive, c);
		return c->listener ? 0
		                   : evs_error_set(err, -errno, "controller '%s': listen: %s",
		                                   c->target, strerror(errno));
	}
	c->retry = event_new(ctl_base, -1, 0, on_retry, c);
	if (!c->retry)
		return evs_error_set(err, -ENOMEM, "controller '%s': no memory", c->target);
	/* From the loop, so that whoever adds it is answered first. */
	event_active(c->retry, EV_TIMEOUT, 0);
	return 0;
}

int ctl_of_controller_add(struct ctl_bridge *bridge, const struct ctl_of_controller_config *config,
                          struct evs_error *err)
{
	struct ctl_of_bridge *ob = bridge->of;
	struct ctl_of_controller *c;
	struct target t;
	int ret = parse_target(config->target, &t, err);

	if (ret)
		return ret;
	if (controller_lookup(ob, config->target))
		return evs_error_set(err, -EEXIST, "bridge '%s' has controller '%s' already",
		                     bridge->name, config->target);
	if (t.tls && !ctl_tls_info(&(struct ctl_tls_info){0}))
		return evs_error_set(err, -EINVAL,
		                     "controller '%s': TLS needs keys first: 'evsctl ssl set "
		                     "private-key=FILE certificate=FILE ca-cert=FILE'",
		                     config->target);
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->ob = ob;
	c->target = strdup(config->target);
	c->addr = malloc(sizeof(*c->addr));
	c->rate = config->rate_limit;
	c->burst = config->burst_limit;
	c->probe_s = config->probe_s ? config->probe_s : PROBE_S;
	c->max_backoff_s = config->max_backoff_s ? config->max_backoff_s : BACKOFF_S;
	TAILQ_INSERT_TAIL(&ob->controllers, c, link);
	bridge->n_controllers++;
	if (!c->target || !c->addr) {
		ret = -ENOMEM;
	} else {
		*c->addr = t.addr;
		c->addr_len = t.len;
		c->tls = t.tls;
		ret = controller_start(c, &t, err);
	}
	if (ret)
		controller_free(c);
	return ret;
}

int ctl_of_controller_del(struct ctl_bridge *bridge, const char *target, struct evs_error *err)
{
	struct ctl_of_controller *c = controller_lookup(bridge->of, target);

	if (!c)
		return evs_error_set(err, -ENOENT,
		                     "bridge '%s' has no controller '%s': 'evsctl controller show' "
		                     "lists them",
		                     bridge->name, target);
	controller_free(c);
	return 0;
}

static bool is_lost(const struct ctl_bridge *bridge)
{
	const json_t *params = ctl_conf_get("bridge", bridge->name);
	const struct ctl_of_session *s;

	if (!bridge->n_controllers || strcmp(ctl_param_str(params, "fail-mode", ""), "standalone"))
		return false;
	TAILQ_FOREACH (s, &bridge->of->sessions, link) {
		if (s->kind == CTL_OF_PRIMARY && s->hello)
			return false;
	}
	return true;
}

void ctl_of_fail_check(struct ctl_bridge *bridge)
{
	struct pl_bridge_config config = *pl_bridge_config(bridge->pl);
	struct evs_error err = {0};

	if (!bridge->of || config.is_alone == is_lost(bridge))
		return;
	config.is_alone = !config.is_alone;
	EVS_LOG(control, NOTICE, "bridge '%s': %s", bridge->name,
	        config.is_alone ? "no controller answers, it learns and forwards by itself"
	                        : "it does as its controllers say");
	if (pl_bridge_set(bridge->pl, &config, &err) != 0)
		EVS_LOG(control, ERR, "bridge '%s': %s", bridge->name, err.text);
	pl_commit();
}

const char *ctl_of_tls_user(void)
{
	struct ctl_bridge *bridge;
	struct ctl_of_controller *c;

	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		TAILQ_FOREACH (c, &bridge->of->controllers, link) {
			if (c->tls)
				return c->target;
		}
	}
	return NULL;
}

void ctl_of_controllers_walk(struct ctl_bridge *bridge,
                             void (*visit)(const struct ctl_of_controller_info *info, void *arg),
                             void *arg)
{
	static const char *const roles[] = {"", "equal", "master", "slave"};
	struct ctl_of_controller *c;
	struct ctl_of_session *s;

	TAILQ_FOREACH (c, &bridge->of->controllers, link) {
		struct ctl_of_controller_info info = {
		        .target = c->target,
		        .role = "",
		        .n_sessions = c->n_sessions,
		        .packet_ins = c->packet_ins,
		        .packet_ins_limited = c->limited,
		        .packet_ins_dropped = c->dropped,
		        .last_error = c->last_error,
		};
		TAILQ_FOREACH (s, &bridge->of->sessions, link) {
			if (s->controller != c || !s->hello)
				continue;
			info.connected = true;
			info.role = roles[s->role];
		}
		visit(&info, arg);
	}
}

/* ---- bridges ---- */

static void on_flow_removed(struct pl_bridge *pl, const struct of_flow_removed *removed, void *arg)
{
	struct ctl_bridge *bridge = ctl_bridge_lookup(pl_bridge_name(pl), NULL);
	struct ctl_of_session *s, *next;
	static struct of_msg msg;

	if (!bridge || !bridge->of)
		return;
	ctl_flow_removed(bridge, removed);
	msg.type = OFPT_FLOW_REMOVED;
	msg.flow_removed = *removed;
	for (s = TAILQ_FIRST(&bridge->of->sessions); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (ctl_of_wants_async(s) &&
		    (s->async.flow_removed[s->role == OFPCR_ROLE_SLAVE] >> removed->reason & 1))
			ctl_of_session_tell(s, &msg, false);
	}
}

static struct evconnlistener *listen_in_run_dir(struct ctl_of_bridge *ob, const char *suffix,
                                                evconnlistener_cb cb, struct evs_error *err)
{
	struct evconnlistener *listener;
	struct target t = {0};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.%s", ctl_run_dir(), ob->bridge->name, suffix);
	if (unix_target(path, &t, err) != 0)
		return NULL;
	listener = listen_at(&t, cb, ob);
	if (!listener)
		evs_error_set(err, -errno, "bridge '%s': cannot listen at %s: %s", ob->bridge->name,
		              path, strerror(errno));
	return listener;
}

int ctl_of_bridge_add(struct ctl_bridge *bridge, struct evs_error *err)
{
	struct ctl_of_bridge *ob = calloc(1, sizeof(*ob));

	if (!ob)
		return evs_error_set(err, -ENOMEM, "bridge '%s': no memory", bridge->name);
	ob->bridge = bridge;
	TAILQ_INIT(&ob->sessions);
	TAILQ_INIT(&ob->controllers);
	bridge->of = ob;
	pl_on_flow_removed(on_flow_removed, NULL);
	ob->mgmt = listen_in_run_dir(ob, "mgmt", on_mgmt, err);
	if (ob->mgmt)
		ob->snoop = listen_in_run_dir(ob, "snoop", on_snoop, err);
	if (ob->mgmt && ob->snoop)
		return 0;
	ctl_of_bridge_del(bridge);
	return err && err->code ? err->code : -EIO;
}

static void remove_socket(const struct ctl_of_bridge *ob, const char *suffix)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.%s", ctl_run_dir(), ob->bridge->name, suffix);
	unlink(path);
}

void ctl_of_bridge_del(struct ctl_bridge *bridge)
{
	struct ctl_of_bridge *ob = bridge->of;

	if (!ob)
		return;
	while (!TAILQ_EMPTY(&ob->controllers))
		controller_free(TAILQ_FIRST(&ob->controllers));
	while (!TAILQ_EMPTY(&ob->sessions))
		ctl_of_session_close(TAILQ_FIRST(&ob->sessions), "the bridge was deleted");
	if (ob->mgmt)
		evconnlistener_free(ob->mgmt);
	if (ob->snoop)
		evconnlistener_free(ob->snoop);
	remove_socket(ob, "mgmt");
	remove_socket(ob, "snoop");
	bridge->of = NULL;
	free(ob);
}
