/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policing, shaping and storm control of what comes in by a port: the door for the control thread.
 * Threads: control. Owner: a qos_ingress is the port's, from set until the next set or detach.
 */
#ifndef PMD_INGRESS_H
#define PMD_INGRESS_H

#include "port/port.h"
#include "qos/qos_ingress.h"

/* [ctl] From now on; NULL: no more. The one before is freed after a grace period. Takes `in` in any
 * case. -ENOENT: not attached. */
int pmd_ingress_set(struct port *port, struct qos_ingress *in, struct evs_error *err);
/* [ctl] For statistics; valid until the next set. NULL: none. */
const struct qos_ingress *pmd_ingress_get(const struct port *port);

#endif
