/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Egress shaping of ports: the door for the control thread.
 * Threads: control. Owner: a shaper is the port's, from set until del or detach.
 *
 * Problem. Several workers send to a port that may only send at a rate, while other ports must not
 * notice.
 *
 * Data structure. A shaped port has one owner worker, which alone touches its queues
 * (qos/qos_shaper.h) and polls them once a loop, for a bounded number of packets. The others
 * hand packets over by a lock-free ring. A worker's output buffer knows the shaper, so a port
 * without one costs a branch a burst.
 *
 * Invariants
 *  - A packet that waits in a ring or queue counts as held. The worker that put it there adds to
 *    its account, the one that takes it out subtracts from its own, so that the sum over workers
 *    is what is held (pmd_held) and each account is balanced by itself.
 *  - The packets of a flow, which one worker receives, keep their order in a queue; also over a
 *    change of the configuration and of the owner.
 */
#ifndef PMD_SHAPE_H
#define PMD_SHAPE_H

#include "port/port.h"
#include "qos/qos_shaper.h"

/* [ctl] Shapes the port from now on, or changes how, under traffic; what waits goes on waiting.
 * -ENOENT: not attached; -EBUSY: just being removed; -EINVAL, -ENOMEM. */
int pmd_shaper_set(struct port *port, const struct qos_shaper_config *config,
                   struct evs_error *err);
/* [ctl] Sends what waits, without regard to rates, then calls done(arg). -ENOENT: none. */
int pmd_shaper_del(struct port *port, void (*done)(void *arg), void *arg, struct evs_error *err);
/* [ctl] For statistics; valid until the next call that changes it. NULL: not shaped. */
const struct qos_shaper *pmd_shaper_get(const struct port *port);
uint64_t pmd_held(void); /* [ctl] packets that wait in shapers of all ports */

#endif
