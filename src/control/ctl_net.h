/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bridges and ports as the control thread knows them: what ties the pipeline's view, the datapath's
 * port, and the configuration together. Threads: control. Owner: ctl_net.c.
 */
#ifndef CTL_NET_H
#define CTL_NET_H

#include <sys/queue.h>

#include "control/ctl_pvt.h"
#include "pipeline/pl.h"
#include "port/port.h"

struct ctl_port {
	TAILQ_ENTRY(ctl_port) link; /* of its bridge */
	struct ctl_bridge *bridge;
	struct pl_port *pl;    /* NULL: being deleted */
	struct port *port;     /* NULL: patch port */
	bool local;            /* the bridge's internal port */
	uint32_t patch_config; /* OFPPC_* of a patch port */
	uint64_t since_ns;     /* when it was made */
	uint64_t qos_since_ns; /* since when it has been shaped */
	char type[PORT_NAME_LEN];
	char name[PORT_NAME_LEN];
	/* while it is being deleted */
	void (*gone)(void *arg, int ret);
	void *gone_arg;
};

struct ctl_of_bridge;

struct ctl_bridge {
	TAILQ_ENTRY(ctl_bridge) link;
	struct pl_bridge *pl;
	TAILQ_HEAD(, ctl_port) ports; /* those being deleted are not in it */
	unsigned n_ports;
	unsigned n_controllers;
	struct ctl_of_bridge *of; /* its OpenFlow sessions */
	char name[PORT_NAME_LEN];
};

TAILQ_HEAD(ctl_bridge_list, ctl_bridge);
extern struct ctl_bridge_list ctl_bridges;

/* NULL with err (may be NULL): the name and the remedy. */
struct ctl_bridge *ctl_bridge_lookup(const char *name, struct evs_error *err);
struct ctl_port *ctl_port_lookup(const char *name, struct evs_error *err);
struct ctl_port *ctl_port_by_port(const struct port *port);

/* Options for the port room. Strings are borrowed from params. -E2BIG with err. */
int ctl_port_args(const struct api_method *method, const json_t *params, struct port_args *args,
                  struct evs_error *err);
/* The pipeline's view of a port as params have it; what it points to holds until the next call.
 * -EINVAL with err. */
int ctl_port_config(const json_t *params, struct pl_port_config *config, struct evs_error *err);

struct ctl_port_spec {
	const char *type, *name;
	bool local;
	const struct port_args *args;
	struct pl_port_config config; /* index is filled in */
};
/* Opens the device, makes it part of the bridge, gives it to the workers. */
int ctl_port_open(struct ctl_bridge *bridge, struct ctl_port_spec *spec, struct ctl_port **portp,
                  struct evs_error *err);
/* Takes it from bridge and workers; gone(arg, 0) when the device is closed. port is invalid now. */
void ctl_port_close(struct ctl_port *port, void (*gone)(void *arg, int ret), void *arg);
/* Tells the pipeline, OpenFlow and subscribers that link or flags changed. */
void ctl_port_state_changed(struct ctl_port *port);
void ctl_port_event(const struct ctl_port *port, const char *event);

/* Removes a port and its static MAC entries from the document. */
void ctl_forget_port(const char *name);

int ctl_capture_init(struct evs_error *err);
void ctl_capture_fini(void); /* before ctl_net_fini */
/* The port will be destroyed, after a grace period at the earliest. */
void ctl_capture_port_gone(const struct port *port);

/* Samples the rates that qos.show tells; to be called often. */
void ctl_qos_tick(void);
void ctl_qos_forget(void); /* the samples, at the end */

void ctl_worker_init(void); /* after pmd_init */
void ctl_worker_tick(void); /* now and then queues go to other workers */

void ctl_net_fini(void); /* closes all ports and bridges; waits for grace periods */

#endif
