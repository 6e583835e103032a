/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One OpenFlow connection: framing, turns, back-pressure, echo. Threads: control.
 * Reads what foreign programs send.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/evs_clock.h"
#include "base/evs_task.h"
#include "control/ctl_of_pvt.h"
#include "control/ctl_tls.h"

#define TURN_MESSAGES 128
#define END_S         2 /* how long last words may take */

static void session_free(struct ctl_of_session *s)
{
	ctl_of_job_free(s);
	ctl_of_parts_free(s);
	ctl_of_buffers_free(s);
	if (s->turn)
		event_free(s->turn);
	if (s->probe)
		event_free(s->probe);
	of_arena_fini(&s->arena);
	of_buf_fini(&s->out);
	free(s->late);
	free(s);
}

/* Frees a closed session unless somebody will still come back to it. */
static void session_release(struct ctl_of_session *s)
{
	if (!s->bev && !s->busy && !s->in_barrier && !s->in_task)
		session_free(s);
}

void ctl_of_session_close(struct ctl_of_session *s, const char *why)
{
	struct ctl_bridge *bridge = s->bev ? s->ob->bridge : NULL;

	if (s->bev) {
		EVS_LOG(control, INFO, "bridge '%s': OpenFlow session %s ended: %s",
		        s->ob->bridge->name, s->peer, why);
		ctl_of_commit(s);
		bufferevent_free(s->bev);
		s->bev = NULL;
		if (s->turn)
			event_del(s->turn);
		if (s->probe)
			event_del(s->probe);
		if (s->kind == CTL_OF_SNOOP)
			s->ob->n_snoops--;
		TAILQ_REMOVE(&s->ob->sessions, s, link);
		if (s->controller)
			ctl_of_controller_lost(s->controller, why);
		s->controller = NULL;
		s->ob = NULL;
		ctl_of_fail_check(bridge);
	}
	session_release(s);
}

static size_t unread(const struct ctl_of_session *s)
{
	return evbuffer_get_length(bufferevent_get_output(s->bev));
}

/* ---- output ---- */

static void snoop(struct ctl_of_session *s, const void *bytes, size_t size)
{
	struct ctl_of_session *to;

	if (s->ob->n_snoops == 0 || s->kind != CTL_OF_PRIMARY)
		return;
	TAILQ_FOREACH (to, &s->ob->sessions, link) {
		if (to->kind == CTL_OF_SNOOP && to->hello && unread(to) < CTL_OF_OUT_PAUSE)
			bufferevent_write(to->bev, bytes, size);
	}
}

/* What the socket takes at once does not wait for the event loop to find out that it would: half
 * of the time of who waits for a barrier after each rule. An error is left to the bufferevent. */
static size_t send_now(struct ctl_of_session *s, const void *bytes, size_t size)
{
	ssize_t n;

	if (unread(s) || ctl_tls_is(s->bev))
		return 0;
	n = send(bufferevent_getfd(s->bev), bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n > 0 ? (size_t)n : 0;
}

void ctl_of_session_write(struct ctl_of_session *s, const void *bytes, size_t size)
{
	size_t sent;

	if (!s->bev || size == 0)
		return;
	snoop(s, bytes, size);
	sent = send_now(s, bytes, size);
	if (sent < size)
		bufferevent_write(s->bev, (const uint8_t *)bytes + sent, size - sent);
}

void ctl_of_session_flush(struct ctl_of_session *s)
{
	ctl_of_session_write(s, s->out.data, s->out.size);
	s->out.size = 0;
	s->out.failed = false;
	if (s->out.cap > CTL_OF_IN_MAX)
		of_buf_fini(&s->out);
}

void ctl_of_reply(struct ctl_of_session *s, struct of_msg *msg)
{
	msg->xid = s->msg.xid;
	if (of_msg_encode(msg, &s->out) != 0)
		EVS_LOG_LIMITED(control, ERR, "session %s: a %s does not fit a message", s->peer,
		                of_type_name(msg->type));
}

/* After the sockets were looked at: event_active would come before any of them. */
static void turn_again(struct ctl_of_session *s)
{
	static const struct timeval now = {0, 0};

	event_add(s->turn, &now);
}

void ctl_of_session_end(struct ctl_of_session *s, const char *why)
{
	snprintf(s->why, sizeof(s->why), "%s", why);
	s->ending = true;
	ctl_of_session_flush(s);
	bufferevent_disable(s->bev, EV_READ);
	bufferevent_setwatermark(s->bev, EV_WRITE, 0, 0);
	bufferevent_set_timeouts(s->bev, NULL, &(struct timeval){.tv_sec = END_S});
	if (unread(s) == 0)
		turn_again(s);
}

bool ctl_of_session_tell(struct ctl_of_session *s, const struct of_msg *msg, bool droppable)
{
	size_t waiting = unread(s) + s->out.size;

	if (waiting > CTL_OF_OUT_PAUSE && droppable)
		return false;
	if (waiting > CTL_OF_OUT_CLOSE) {
		ctl_of_session_close(s, "it does not read what it is told");
		return false;
	}
	if (of_msg_encode(msg, &s->out) != 0)
		return false;
	if (!s->busy)
		ctl_of_session_flush(s);
	return true;
}

bool ctl_of_wants_async(const struct ctl_of_session *s)
{
	return s->hello &&
	       (s->kind == CTL_OF_PRIMARY || (s->kind == CTL_OF_SERVICE && s->miss_send_len > 0));
}

/* ---- input ---- */

static void send_error(struct ctl_of_session *s, struct of_error err, const uint8_t *bytes,
                       size_t size)
{
	uint32_t xid = (uint32_t)bytes[4] << 24 | bytes[5] << 16 | bytes[6] << 8 | bytes[7];

	EVS_LOG_LIMITED(control, INFO, "bridge '%s': refused a %s of %s: %s", s->ob->bridge->name,
	                of_type_name(bytes[1]), s->peer, of_error_name(err));
	of_error_encode(err, xid, bytes, size, &s->out);
}

/* The first message tells the versions of the other side (section 6.3.1). */
static bool take_hello(struct ctl_of_session *s, const uint8_t *bytes, size_t size)
{
	static const char text[] = "this switch speaks OpenFlow 1.3 (version 0x04)";
	struct of_error err;

	if (s->msg.type == OFPT_HELLO && (s->msg.hello.versions & 1u << OF_VERSION_13)) {
		s->hello = true;
		ctl_of_fail_check(s->ob->bridge);
		return true;
	}
	of_error_set(&err, OFPHFC_INCOMPATIBLE);
	of_error_encode(err, s->msg.xid, (const uint8_t *)text, sizeof(text) - 1, &s->out);
	ctl_of_session_end(s, "it does not speak OpenFlow 1.3");
	return false;
}

/* What became of a message. */
static void handled(struct ctl_of_session *s, int ret, struct of_error err, const uint8_t *bytes,
                    size_t size)
{
	if (!s->bev)
		return;
	if (ret == -EPROTO && bytes[1] != OFPT_ERROR)
		send_error(s, err, bytes, size);
	else if (ret < 0 && ret != -EPROTO)
		ctl_of_session_close(s, "no memory");
}

/* It goes on over several turns; an error would tell the message. */
static void handle_late(struct ctl_of_session *s, const uint8_t *bytes, uint16_t size)
{
	s->in_task = true;
	s->late = malloc(size);
	if (!s->late)
		abort(); /* nobody could say what became of it */
	memcpy(s->late, bytes, size);
	s->late_size = size;
}

void ctl_of_session_changed(struct ctl_of_session *s, int ret, struct of_error err)
{
	s->in_task = false;
	s->busy = true;
	handled(s, ret, err, s->late, s->late_size);
	free(s->late);
	s->late = NULL;
	ctl_of_commit(s);
	s->busy = false;
	ctl_of_session_wake(s);
}

static void handle(struct ctl_of_session *s, const uint8_t *bytes, uint16_t size)
{
	struct of_error err = {0};
	int ret;

	of_arena_reset(&s->arena);
	if (s->hello && ctl_of_part(s, bytes, size, &ret, &err))
		goto end;
	if (s->hello && bytes[0] == OF_VERSION_13 && !ctl_of_handles(bytes[1]))
		ret = of_error_set(&err, OFPBRC_BAD_TYPE);
	else
		ret = of_msg_decode(bytes, size, &s->arena, &s->msg, &err);
	if (!s->hello && (ret == 0 || bytes[1] != OFPT_HELLO)) {
		if (!take_hello(s, bytes, size))
			return;
	}
	if (ret == 0)
		ret = ctl_of_handle(s, &s->msg, &err);
end:
	if (ret == -EINPROGRESS)
		handle_late(s, bytes, size);
	else
		handled(s, ret, err, bytes, size);
}

static void task_ended(void *arg)
{
	struct ctl_of_session *s = arg;

	s->in_task = false;
	ctl_of_session_wake(s);
}

/* Whether the message has to wait for the end of somebody else's task. */
static bool has_to_wait(struct ctl_of_session *s, const uint8_t *bytes, size_t size)
{
	if (!ctl_of_changes(bytes, size) || !evs_task_after(task_ended, s))
		return false;
	s->in_task = true;
	return true;
}

/* Takes one whole message from the input; false if there is none. */
static bool take_message(struct ctl_of_session *s)
{
	struct evbuffer *in = bufferevent_get_input(s->bev);
	uint8_t header[OF_HEADER_SIZE];
	uint8_t *bytes;
	uint16_t size;

	if (evbuffer_copyout(in, header, sizeof(header)) < (ev_ssize_t)sizeof(header))
		return false;
	size = of_msg_size(header);
	if (size == 0) {
		struct of_error err;
		of_error_set(&err, OFPBRC_BAD_LEN);
		send_error(s, err, header, sizeof(header));
		ctl_of_session_end(s, "a message shorter than its header");
		return false;
	}
	if (evbuffer_get_length(in) < size)
		return false;
	bytes = evbuffer_pullup(in, size);
	if (!bytes) {
		ctl_of_session_close(s, "no memory");
		return false;
	}
	if (has_to_wait(s, bytes, size))
		return false;
	snoop(s, bytes, size);
	handle(s, bytes, size);
	if (s->bev)
		evbuffer_drain(in, size);
	return s->bev && !s->ending;
}

static bool may_go_on(const struct ctl_of_session *s)
{
	return s->bev && !s->ending && !s->in_barrier && !s->in_task && !s->job &&
	       unread(s) + s->out.size < CTL_OF_OUT_PAUSE;
}

/* Stops reading what could not be handled, so that the sender waits. */
static void set_reading(struct ctl_of_session *s)
{
	if (may_go_on(s))
		bufferevent_enable(s->bev, EV_READ);
	else
		bufferevent_disable(s->bev, EV_READ);
}

static void take_turn(struct ctl_of_session *s)
{
	unsigned n = 0;

	if (!s->bev || s->busy)
		return;
	if (s->ending && unread(s) == 0) {
		ctl_of_session_close(s, s->why);
		return;
	}
	s->busy = true;
	if (s->job && unread(s) < CTL_OF_OUT_PAUSE)
		ctl_of_job_step(s);
	while (n < TURN_MESSAGES && may_go_on(s) && take_message(s))
		n++;
	if (s->bev) {
		ctl_of_commit(s);
		ctl_of_session_flush(s);
		set_reading(s);
		if (n == TURN_MESSAGES || (s->job && unread(s) < CTL_OF_OUT_PAUSE))
			turn_again(s);
	}
	s->busy = false;
	session_release(s);
}

void ctl_of_session_wake(struct ctl_of_session *s)
{
	if (!s->bev)
		session_release(s);
	else if (!s->busy)
		take_turn(s);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct ctl_of_session *s = arg;

	s->heard_ns = evs_clock_ns();
	s->probing = false;
	take_turn(s);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	take_turn(arg);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	take_turn(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct ctl_of_session *s = arg;
	char text[128];

	if (what & BEV_EVENT_CONNECTED)
		ctl_of_session_start(s);
	else if (s->ending)
		ctl_of_session_close(s, s->why);
	else if (ctl_tls_why(bev, text, sizeof(text)))
		ctl_of_session_close(s, text);
	else if (what & BEV_EVENT_EOF)
		ctl_of_session_close(s, "closed by the other side");
	else
		ctl_of_session_close(s, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
}

static void on_probe(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_of_session *s = arg;
	struct of_msg msg = {.type = OFPT_ECHO_REQUEST};
	uint64_t silent_ns = evs_clock_ns() - s->heard_ns;
	uint64_t probe_ns = (uint64_t)s->controller->probe_s * 1000000000u;

	if (s->in_barrier || s->in_task || s->job || silent_ns < probe_ns)
		return;
	if (s->probing || !s->hello) {
		ctl_of_session_close(s, s->hello ? "no answer to an echo request" : "no HELLO");
		return;
	}
	s->probing = true;
	ctl_of_session_tell(s, &msg, true);
}

struct ctl_of_session *ctl_of_session_new(struct ctl_of_bridge *ob,
                                          struct ctl_of_controller *controller,
                                          enum ctl_of_kind kind, struct bufferevent *bev,
                                          const char *peer)
{
	struct ctl_of_session *s = calloc(1, sizeof(*s));
	struct timeval second = {1, 0};

	if (!s || !bev)
		goto fail;
	s->turn = event_new(ctl_base, -1, 0, on_turn, s);
	if (controller)
		s->probe = event_new(ctl_base, -1, EV_PERSIST, on_probe, s);
	if (!s->turn || (controller && !s->probe))
		goto fail;
	s->ob = ob;
	s->controller = controller;
	s->kind = (uint8_t)kind;
	s->bev = bev;
	s->role = OFPCR_ROLE_EQUAL;
	s->miss_send_len = kind == CTL_OF_PRIMARY ? CTL_OF_MISS_LEN : 0;
	s->async = (struct of_async){
	        {CTL_OF_ASYNC_ALL, 0}, {CTL_OF_ASYNC_ALL, CTL_OF_ASYNC_ALL}, {0xf, 0}};
	s->heard_ns = evs_clock_ns();
	snprintf(s->peer, sizeof(s->peer), "%s", peer);
	of_arena_init(&s->arena);
	of_buf_init(&s->out);
	TAILQ_INSERT_TAIL(&ob->sessions, s, link);
	if (controller) {
		controller->n_sessions++;
		event_add(s->probe, &second); /* connecting takes no longer than an echo may */
	}
	if (kind == CTL_OF_SNOOP)
		ob->n_snoops++;
	bufferevent_setwatermark(bev, EV_READ, 0, CTL_OF_IN_MAX);
	bufferevent_setwatermark(bev, EV_WRITE, CTL_OF_OUT_PAUSE / 2, 0);
	bufferevent_setcb(bev, on_read, on_write, on_event, s);
	return s;

fail:
	if (s && s->turn)
		event_free(s->turn);
	free(s);
	if (bev)
		bufferevent_free(bev);
	return NULL;
}

void ctl_of_session_start(struct ctl_of_session *s)
{
	struct of_msg msg = {.type = OFPT_HELLO};

	EVS_LOG(control, INFO, "bridge '%s': OpenFlow session %s", s->ob->bridge->name, s->peer);
	msg.hello.versions = 1u << OF_VERSION_13;
	s->heard_ns = evs_clock_ns();
	if (s->controller)
		s->controller->backoff_s = 0;
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
	ctl_of_session_tell(s, &msg, false);
}
