/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods capture.start, capture.stop, capture.show. Threads: control; see ctl_capture_pvt.h for
 * the writers. Owner: the list here.
 *
 * A capture's life: its writer opens the file, then the port is hooked and start is answered; stop,
 * a limit, or the end of the port unhooks it; after a grace period the writer empties the buffers
 * and ends. Its rings go when both are through. A capture that ended by itself stays in the list
 * with its figures until it is stopped or its port goes.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/evs_rcu.h"
#include "base/evs_thread.h"
#include "control/ctl_capture_pvt.h"

#define MAX_CAPTURES 16
#define MB           UINT64_C(1000000)

static TAILQ_HEAD(, ctl_capture) captures = TAILQ_HEAD_INITIALIZER(captures);
static unsigned n_captures;
static struct event *wake;
static int wake_fd = -1;

static struct ctl_capture *lookup(const char *name)
{
	struct ctl_capture *c;

	TAILQ_FOREACH (c, &captures, link)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static void capture_free(struct ctl_capture *c)
{
	TAILQ_REMOVE(&captures, c, link);
	n_captures--;
	pcap_freecode(&c->program);
	free(c->path);
	free(c->filter);
	free(c);
}

static const char *state_of(const struct ctl_capture *c)
{
	if (c->done)
		return "ended";
	return c->stopping || c->unhooking ? "ending" : c->hooked ? "running" : "opening";
}

static json_t *figures(const struct ctl_capture *c)
{
	uint64_t lost = c->source ? port_capture_lost(c->source) : c->lost;

	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s}", "port", c->name, "file",
	                 c->path, "state", state_of(c), "packets",
	                 (json_int_t)evs_load_relaxed(&c->packets), "bytes",
	                 (json_int_t)evs_load_relaxed(&c->bytes), "lost", (json_int_t)lost,
	                 "filter", c->filter, "why", c->done && c->why ? c->why : "");
}

/* ---- life ---- */

static void settle(struct ctl_capture *c);

static void unhooked(void *arg)
{
	struct ctl_capture *c = arg;

	c->hooked = c->unhooking = false;
	evs_store_release(&c->order, CTL_CAPTURE_FINISH);
	settle(c);
}

static void unhook(struct ctl_capture *c)
{
	if (!c->hooked || c->unhooking)
		return;
	port_capture_end(c->source);
	c->unhooking = true;
	evs_rcu_call(unhooked, c);
}

static void release(struct ctl_capture *c)
{
	if (!c->joined)
		pthread_join(c->thread, NULL);
	c->joined = true;
	if (!c->source)
		return;
	c->lost = port_capture_lost(c->source);
	port_capture_destroy(c->source, c->port);
	c->source = NULL;
}

static void answer_stop(struct ctl_capture *c)
{
	struct ctl_call *call = c->stopping;

	call->result = figures(c);
	capture_free(c);
	ctl_call_finish(call, 0);
}

static void hook(struct ctl_capture *c)
{
	struct ctl_call *call = c->starting;
	struct ctl_port *port = ctl_port_lookup(c->name, &call->err);
	const struct port_capture_config config = {
	        .filter = c->program.bf_len ? c->program.bf_insns : NULL,
	        .snap_bytes = c->snap_bytes,
	        .rx = c->rx,
	        .tx = c->tx,
	};
	int ret = -ENOENT;

	if (port && port->port)
		ret = port_capture_start(port->port, &config, &c->source, &call->err);
	c->starting = NULL;
	if (ret == 0) {
		c->port = port->port;
		c->hooked = true;
	}
	evs_store_release(&c->order, ret ? CTL_CAPTURE_LEAVE : CTL_CAPTURE_WRITE);
	ctl_call_finish(call, ret);
}

/* Does what is due after the writer, or a grace period, came to its end. */
static void settle(struct ctl_capture *c)
{
	enum ctl_capture_phase phase = evs_load_acquire(&c->phase);
	struct ctl_call *call = c->starting;

	if (phase == CTL_CAPTURE_OPENED && call)
		hook(c);
	if (phase != CTL_CAPTURE_ENDED || c->done)
		return;
	if (c->hooked) {
		unhook(c);
		return;
	}
	release(c);
	c->done = true;
	if (c->why)
		EVS_LOG(control, NOTICE, "capture of port '%s' ends with %lu packets: %s", c->name,
		        c->packets, c->why);
	if (call) { /* it could not begin */
		call->err = c->err;
		capture_free(c);
		ctl_call_finish(call, call->err.code);
	} else if (c->stopping) {
		answer_stop(c);
	} else if (!c->port) { /* it went, or was never hooked */
		capture_free(c);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_capture *c, *next;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return;
	for (c = TAILQ_FIRST(&captures); c; c = next) {
		next = TAILQ_NEXT(c, link);
		settle(c);
	}
}

void ctl_capture_port_gone(const struct port *port)
{
	struct ctl_capture *c, *next;

	for (c = TAILQ_FIRST(&captures); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->port != port)
			continue;
		unhook(c);
		c->port = NULL;
		if (c->done)
			capture_free(c);
	}
}

/* ---- methods ---- */

static char *join(const json_t *words)
{
	char *text = strdup(""), *longer;
	const json_t *word;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)words, i, word) {
		if (!text ||
		    asprintf(&longer, "%s%s%s", text, i ? " " : "", json_string_value(word)) < 0)
			longer = NULL;
		free(text);
		text = longer;
	}
	return text;
}

static struct ctl_capture *capture_new(const json_t *params)
{
	const char *direction = ctl_param_str(params, "direction", "both");
	struct ctl_capture *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	snprintf(c->name, sizeof(c->name), "%s", ctl_param_str(params, "port", ""));
	c->path = strdup(ctl_param_str(params, "file", ""));
	c->filter = join(json_object_get(params, "filter"));
	c->rx = strcmp(direction, "tx") != 0;
	c->tx = strcmp(direction, "rx") != 0;
	c->snap_bytes = (uint32_t)ctl_param_uint(params, "snaplen", PORT_CAPTURE_SNAP_MAX);
	c->max_packets = ctl_param_uint(params, "packets", 0);
	c->max_bytes = ctl_param_uint(params, "size", 1000) * MB;
	c->event_fd = wake_fd;
	TAILQ_INSERT_TAIL(&captures, c, link);
	n_captures++;
	return c;
}

static int start_thread(struct ctl_capture *c)
{
	int ret = evs_thread_start(&c->thread, NULL, ctl_capture_write, c);

	if (ret == 0)
		pthread_setname_np(c->thread, "evs-capture");
	return ret;
}

int ctl_capture_start(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "port", "");
	struct ctl_port *port = ctl_port_lookup(name, &call->err);
	struct ctl_capture *c = lookup(name);
	int ret;

	if (!port)
		return -ENOENT;
	if (!port->port)
		return evs_error_set(&call->err, -EOPNOTSUPP,
		                     "port '%s' of type %s moves no packets itself: capture at the "
		                     "ports they come from and go to",
		                     name, port->type);
	if (c && c->done)
		capture_free(c);
	else if (c)
		return evs_error_set(&call->err, -EBUSY,
		                     "port '%s' is being captured to %s: 'evsctl capture stop %s' "
		                     "ends that",
		                     name, c->path, name);
	if (n_captures >= MAX_CAPTURES)
		return evs_error_set(&call->err, -ENOSPC, "there are %d captures already: stop one",
		                     MAX_CAPTURES);
	c = capture_new(call->params);
	if (!c || !c->path || !c->filter) {
		if (c)
			capture_free(c);
		return evs_error_set(&call->err, -ENOMEM, "no memory for a capture");
	}
	c->starting = call;
	ret = start_thread(c);
	if (ret == 0)
		return CTL_PENDING;
	capture_free(c);
	return evs_error_set(&call->err, ret, "cannot start a thread: %s", strerror(-ret));
}

int ctl_capture_stop(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "port", NULL);
	struct ctl_capture *c = name ? lookup(name) : TAILQ_FIRST(&captures);

	if (!name && n_captures != 1)
		return evs_error_set(&call->err, -EINVAL,
		                     "there are %u captures: name the port ('evsctl capture show')",
		                     n_captures);
	if (!c)
		return evs_error_set(&call->err, -ENOENT,
		                     "port '%s' is not being captured: 'evsctl capture show' lists "
		                     "captures",
		                     name);
	if (c->done) {
		call->result = figures(c);
		capture_free(c);
		return 0;
	}
	if (!c->hooked || c->stopping)
		return evs_error_set(&call->err, -EBUSY, "the capture of port '%s' is %s: wait",
		                     c->name, state_of(c));
	c->stopping = call;
	unhook(c);
	return CTL_PENDING;
}

int ctl_capture_show(struct ctl_call *call)
{
	struct ctl_capture *c;

	call->result = json_array();
	TAILQ_FOREACH (c, &captures, link)
		json_array_append_new(call->result, figures(c));
	return 0;
}

/* ---- the room ---- */

int ctl_capture_init(struct evs_error *err)
{
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	wake = wake_fd < 0 ? NULL
	                   : event_new(ctl_base, wake_fd, EV_READ | EV_PERSIST, on_wake, NULL);
	if (!wake || event_add(wake, NULL))
		return evs_error_set(err, -ENOMEM, "no memory for the event loop");
	return 0;
}

void ctl_capture_fini(void)
{
	struct ctl_capture *c;

	TAILQ_FOREACH (c, &captures, link)
		unhook(c);
	evs_rcu_synchronize(); /* calls unhooked */
	while ((c = TAILQ_FIRST(&captures))) {
		if (!c->source)
			evs_store_release(&c->order, CTL_CAPTURE_LEAVE);
		if (evs_load_acquire(&c->phase) == CTL_CAPTURE_OPENING) { /* for how long? */
			TAILQ_REMOVE(&captures, c, link);
			pthread_detach(c->thread);
			continue;
		}
		release(c);
		capture_free(c);
	}
	if (wake)
		event_free(wake);
	if (wake_fd >= 0)
		close(wake_fd);
	wake = NULL;
	wake_fd = -1;
}
