/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread: event loop, JSON-RPC server, OpenFlow sessions, configuration store.
 * Threads: the control thread only, but ctl_stop (also from a signal handler).
 *
 * Problem. One thread serves people, scripts and controllers, changes what the workers read, and
 * must never wait for a worker nor for a client.
 *
 * Structure. One libevent base. Every source of work is an event on it: client sockets, the
 * eventfd of the workers' punt rings, timers. What needs a grace period takes a callback
 * (evs_rcu_call); between two rounds of events the loop runs the callbacks that are due and, while
 * some wait, wakes up after some ten microseconds.
 *
 * Changes. A call that changes configuration runs as a transaction (ctl_txn.c): one at a time, over
 * as many rounds as it needs; the changed objects are noted in a journal, the document is saved,
 * then the client is answered; on failure the journal is played backwards.
 */
#ifndef CTL_H
#define CTL_H

#include <event2/event.h>
#include <jansson.h>

#include "base/evs_base.h"

struct ctl_config {
	const char *run_dir;     /* evs.sock and the OpenFlow sockets */
	const char *config_file; /* NULL: start empty, save nothing */
	const char *http;        /* ADDR:PORT of the metrics; NULL: none */
	bool restore_workers;    /* false: the caller starts them */
};

extern struct event_base *ctl_base; /* [ctl] from ctl_init to ctl_fini */
const char *ctl_run_dir(void);

/* Makes the loop, its timers and the registry; no socket yet. After pl_init and pmd_init. */
int ctl_init(const struct ctl_config *config, struct evs_error *err);
/* Reads the saved configuration and applies it. An object that can not be restored (device gone)
 * is logged and stays in the document; a document that can not be read is an error. */
int ctl_restore(struct evs_error *err);
/* 0 if nobody listens on the Unix socket, a stale one being removed; -EADDRINUSE if somebody does.
 */
int ctl_socket_probe(const char *path, struct evs_error *err);
/* Opens the JSON-RPC socket, and that of the metrics. */
int ctl_listen(struct evs_error *err);
void ctl_run(void);  /* until ctl_stop */
void ctl_stop(void); /* async-signal-safe */
/* Removes all ports and bridges without touching the saved document; closes sockets. */
void ctl_fini(void);

/* Tells the subscribers of a topic ("port", "fdb", "worker", "flow-removed", …). Takes over the
 * reference to params. Cheap when nobody listens: test first with ctl_notify_wanted. */
void ctl_notify(const char *topic, json_t *params);
bool ctl_notify_wanted(const char *topic);

/* pl_config.port_note: what the configuration says about a port, into PL_NOTE_LEN bytes. */
int ctl_qos_note(uint16_t port, bool out, uint32_t queue, char *text);

#endif
