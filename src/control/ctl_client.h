/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the JSON-RPC server. Threads: control.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <event2/bufferevent.h>

#include "control/ctl_pvt.h"

#define CTL_OUT_PAUSE  (1u << 20)  /* with so many unread bytes no further request is served */
#define CTL_OUT_MAX    (8u << 20)  /* with so many, a notification ends the connection */
#define CTL_ANSWER_MAX (64u << 20) /* bytes of one answer */
#define CTL_STALL_S    30          /* unread output for so long ends the connection */

struct ctl_flow_list; /* ctl_flow_replace.c */
void ctl_flow_list_free(struct ctl_flow_list *list);

struct ctl_client {
	TAILQ_ENTRY(ctl_client) link;
	struct bufferevent *bev; /* NULL: gone, waits for its call to end */
	struct event *turn;      /* goes on with what was read */
	unsigned number;
	uint32_t topics; /* bits by ctl_topics */
	bool busy;       /* a call is pending */
	bool serving;    /* within serve(): not to be freed */
	bool eof;        /* the other side writes no more */
	bool closing;    /* close when all is written */
	size_t last_unread;
	unsigned stalled_s;

	struct ctl_flow_list *flow_list; /* what flow.replace collects; NULL: nothing */

	/* the line that is being served */
	json_t *message;          /* NULL: none */
	size_t at;                /* in a batch */
	struct evbuffer *answers; /* of a batch, as text */
	struct ctl_call call;
	json_t *id; /* of the request being served; NULL: notification */
	bool answer_wanted;
};

/* Takes the socket over. NULL: out of memory (the socket is closed). */
struct ctl_client *ctl_client_create(int fd, unsigned number);
void ctl_client_close(struct ctl_client *client, const char *why); /* why NULL: not logged */
/* Called by a timer each period_s seconds: ends connections that do not read. */
void ctl_client_check(struct ctl_client *client, unsigned period_s);
void ctl_client_notify(struct ctl_client *client, const char *line, size_t size);
/* The server forgets a client that is about to be freed. */
void ctl_rpc_forget(struct ctl_client *client);

#endif
