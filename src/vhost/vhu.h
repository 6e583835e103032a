/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of virtual machines: type `vhost-user`, on DPDK's vhost library.
 * Threads: control; the burst functions run in workers, the callbacks in the library's threads.
 *
 * Problem. A guest shares its memory and its rings over a Unix socket. It may come, go, change its
 * queues and die at any instant, and nothing that it writes can be believed.
 *
 * Data structure. Per port a mailbox: the device number that workers read, a bitmap of enabled
 * rings, and facts for people. The library's thread writes it and wakes the control thread
 * (port_link_wake), which reads the latest state, never a history: a guest that toggles its
 * queues a million times costs one look every few milliseconds.
 *
 * Invariants. A worker reads the device number once per burst and uses it until its next
 * quiescent state. Before the library may free a device, its thread withdraws the number and
 * waits for a grace period of the workers; the control thread never waits. tx_caps are least
 * while there is no device, so a worker with an old view sends frames that any guest takes.
 *
 * Rings: of guest queue pair q, ring 2q is what the guest receives (we transmit), 2q + 1 what it
 * transmits. Any worker may send: it uses the enabled pair of its number modulo their count; two
 * workers in one ring are serialised by its lock, once per burst.
 */
#ifndef VHU_H
#define VHU_H

#include "port/port.h"

#define VHU_MAX_PAIRS 16

extern const struct port_type vhu_port_type;

/* [ctl] Start-up, after port_init: adds the type, takes the flag of lent frames. -EBUSY: a driver
 * has that flag. */
int vhu_init(struct evs_error *err);

#endif
