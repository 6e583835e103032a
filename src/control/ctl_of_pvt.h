/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the OpenFlow sessions. Threads: control.
 */
#ifndef CTL_OF_PVT_H
#define CTL_OF_PVT_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "control/ctl_net.h"
#include "control/ctl_of.h"
#include "pipeline/pl_of.h"

#define CTL_OF_IN_MAX    (256 * 1024)
#define CTL_OF_OUT_PAUSE (1024 * 1024)
#define CTL_OF_OUT_CLOSE (4 * 1024 * 1024)
#define CTL_OF_N_TABLES  254
#define CTL_OF_MISS_LEN  128 /* miss_send_len unless a controller says otherwise */
#define CTL_OF_ASYNC_ALL 0x7
#define CTL_OF_N_BUFFERS 256 /* packets kept for a session */

enum ctl_of_kind { CTL_OF_PRIMARY, CTL_OF_SERVICE, CTL_OF_SNOOP };

struct ctl_of_job;     /* a multipart reply under way */
struct ctl_of_buffers; /* packets kept for the controller */

struct ctl_of_session {
	TAILQ_ENTRY(ctl_of_session) link;
	struct ctl_of_bridge *ob;             /* NULL: the bridge is gone */
	struct ctl_of_controller *controller; /* NULL: came through BRIDGE.mgmt or .snoop */
	struct bufferevent *bev;              /* NULL: closed */
	struct event *turn, *probe;
	struct of_arena arena;
	struct of_buf out;
	struct of_msg msg;
	struct ctl_of_job *job;
	uint8_t *late; /* the message whose change takes several turns; NULL: none */
	uint16_t late_size;
	struct evbuffer *parts;         /* of a multipart request; NULL: none is under way */
	struct ctl_of_buffers *buffers; /* NULL: never needed */
	struct of_async async;
	char peer[64];
	char why[64]; /* it is ending */
	uint64_t heard_ns;
	uint32_t role; /* OFPCR_ROLE_* */
	uint16_t miss_send_len;
	uint8_t kind;
	bool hello;      /* the other side's was received */
	bool probing;    /* an echo request is unanswered */
	bool in_barrier; /* pl_barrier holds us */
	bool in_task;    /* a task holds us: ours, or one that has to end before our next message */
	bool busy;       /* handling messages: do not free */
	bool dirty;      /* rules changed since the last commit */
	bool ending;     /* closes when the last words are out */
};
TAILQ_HEAD(ctl_of_sessions, ctl_of_session);

struct ctl_of_controller {
	TAILQ_ENTRY(ctl_of_controller) link;
	struct ctl_of_bridge *ob;
	char *target;
	struct evconnlistener *listener; /* passive */
	struct event *retry;             /* active */
	struct sockaddr_storage *addr;
	int addr_len;
	bool tls;
	unsigned n_sessions;
	uint32_t rate, burst, probe_s, max_backoff_s, backoff_s;
	uint64_t tokens_ns; /* token bucket: time credit */
	uint64_t filled_ns;
	uint64_t packet_ins, limited, dropped;
	char last_error[128];
};
TAILQ_HEAD(ctl_of_controllers, ctl_of_controller);

struct ctl_of_bridge {
	struct ctl_bridge *bridge;
	struct evconnlistener *mgmt, *snoop;
	struct ctl_of_sessions sessions;
	struct ctl_of_controllers controllers;
	unsigned n_snoops;
	uint16_t config_flags;
	bool has_generation;
	uint64_t generation_id;
};

/* Sessions (ctl_of_session.c). fd or a connected/connecting bufferevent is taken over. */
struct ctl_of_session *ctl_of_session_new(struct ctl_of_bridge *ob,
                                          struct ctl_of_controller *controller,
                                          enum ctl_of_kind kind, struct bufferevent *bev,
                                          const char *peer);
void ctl_of_session_start(struct ctl_of_session *s); /* it is connected: HELLO */
void ctl_of_session_close(struct ctl_of_session *s, const char *why);
/* Hears no more, says what is left, closes. */
void ctl_of_session_end(struct ctl_of_session *s, const char *why);
/* Sends what was encoded into s->out. */
void ctl_of_session_flush(struct ctl_of_session *s);
void ctl_of_session_write(struct ctl_of_session *s, const void *bytes, size_t size);
void ctl_of_session_wake(struct ctl_of_session *s); /* go on reading */
void ctl_of_reply(struct ctl_of_session *s, struct of_msg *msg);
/* For what the switch tells by itself. droppable: rather lost than piled up. */
bool ctl_of_session_tell(struct ctl_of_session *s, const struct of_msg *msg, bool droppable);
bool ctl_of_wants_async(const struct ctl_of_session *s);

/* Messages (ctl_of_handle.c): 0 or -EPROTO with err. Those that only switches send have no handler,
 * whatever is in them. */
bool ctl_of_handles(uint8_t type);
int ctl_of_handle(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err);
/* Whether a message changes what a task may be changing: it waits for its end. -EINPROGRESS of
 * ctl_of_handle: it is such a task itself, and what became of it ctl_of_session_changed tells. */
bool ctl_of_changes(const uint8_t *bytes, size_t size);
void ctl_of_session_changed(struct ctl_of_session *s, int ret, struct of_error err);
void ctl_of_commit(struct ctl_of_session *s);

/* Multipart (ctl_of_multipart.c). */
int ctl_of_multipart(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err);
void ctl_of_job_step(struct ctl_of_session *s);
void ctl_of_job_free(struct ctl_of_session *s);

/* Requests of several messages (ctl_of_parts.c). true: the message is part of one, and *ret (0 or
 * -EPROTO with err, -ENOMEM) says what became of it. */
bool ctl_of_part(struct ctl_of_session *s, const uint8_t *bytes, uint16_t size, int *ret,
                 struct of_error *err);
void ctl_of_parts_free(struct ctl_of_session *s);

/* Ports (ctl_of_ports.c). */
void ctl_of_port_desc(const struct ctl_port *port, struct of_port *desc);
int ctl_of_port_mod(struct ctl_of_bridge *ob, const struct of_port_mod *mod, struct of_error *err);
void ctl_of_port_stats(const struct ctl_port *port, struct of_port_stats *stats);
struct ctl_port *ctl_of_port_lookup(struct ctl_of_bridge *ob, uint32_t port_no);

/* Packets (ctl_of_packet.c). */
struct rte_mbuf *ctl_of_packet_make(const uint8_t *data, uint32_t size); /* NULL: no buffer */
int ctl_of_packet_out(struct ctl_of_session *s, const struct of_packet_out *out,
                      struct of_error *err);
/* A kept packet goes through the tables, as if a packet-out to TABLE followed the flow-mod. */
int ctl_of_packet_release(struct ctl_of_session *s, uint32_t buffer_id, struct of_error *err);

/* Packets kept for the controller (ctl_of_buffers.c). */
struct ctl_of_packet {
	uint8_t *data;
	uint32_t size;
	uint32_t in_port;
};
/* The id under which a copy is kept; OF_NO_BUFFER: it is not. */
uint32_t ctl_of_buffer_keep(struct ctl_of_session *s, const struct of_blob *whole,
                            uint32_t in_port);
/* 0: the caller frees packet->data. -EPROTO: OFPBRC_BUFFER_UNKNOWN or _EMPTY. */
int ctl_of_buffer_take(struct ctl_of_session *s, uint32_t id, struct ctl_of_packet *packet,
                       struct of_error *err);
void ctl_of_buffers_free(struct ctl_of_session *s);

/* Controllers (ctl_of_controller.c). */
void ctl_of_controller_lost(struct ctl_of_controller *c, const char *why);

/* Queues (ctl_of_queues.c). */
bool ctl_of_queue_exists(const struct ctl_of_bridge *ob, uint32_t port_no, uint32_t queue_id);
void ctl_of_queues_walk(const struct ctl_of_bridge *ob, const struct of_object_request *request,
                        void (*visit)(const struct of_queue_stats *stats, void *arg), void *arg);
/* How many; valid until the next call. */
unsigned ctl_of_queue_configs(const struct ctl_of_bridge *ob, uint32_t port_no,
                              const struct of_queue **queuesp);

#endif
