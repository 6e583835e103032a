/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The underlay in the control room: texts of addresses, neighbours, tunnel ports, own packets.
 * Threads: control.
 */
#ifndef CTL_IP_H
#define CTL_IP_H

#include "control/ctl_net.h"
#include "pipeline/pl_underlay.h"
#include "pmd/pmd.h"

#define CTL_IP_LEN 64

/* "10.0.0.1" or "fd00::1"; -EINVAL with err (may be NULL). */
int ctl_ip_parse(const char *text, uint8_t addr[16], struct evs_error *err);
/* "10.0.0.0/8"; without a length, the host alone. */
int ctl_prefix_parse(const char *text, struct pl_prefix *prefix, struct evs_error *err);
const char *ctl_ip_text(const uint8_t addr[16], char text[CTL_IP_LEN]);
const char *ctl_prefix_text(const struct pl_prefix *prefix, char text[CTL_IP_LEN]);

/* Addresses of a bridge: "10.0.0.1/24,fd00::1/64", or with a VLAN "10.0.0.1/24@100"; NULL: none.
 * -EINVAL with err. */
int ctl_address_check(const char *text, bool internal, struct evs_error *err);
/* From one list to another, in the pipeline; at the internal device. What fails is a warning. */
void ctl_address_change(struct ctl_bridge *bridge, const char *before, const char *after,
                        struct ctl_call *call);
void ctl_address_device(struct ctl_bridge *bridge, const char *before, const char *after,
                        struct ctl_call *call);
/* An address of a host's device: set, and the device brought up, or taken away. */
int ctl_netdev_address(const char *ifname, const struct pl_prefix *prefix, bool add,
                       struct evs_error *err);

/* Following addresses and routes of the kernel; without rtnetlink evs goes on without. */
void ctl_kernel_init(void);
void ctl_kernel_fini(void);
void ctl_kernel_look(void); /* bridges or their addresses changed: look again, soon */

/* "0x102/5/8=tun_metadata0,..."; NULL: none. -EINVAL with err. */
int ctl_geneve_options(const char *text, struct tun_option_map *map, struct evs_error *err);

/* Options of a tunnel port; 1: the type is no tunnel. -EINVAL with err. */
int ctl_tunnel_config(const char *type, const struct port_args *args, struct pl_tunnel *tunnel,
                      struct evs_error *err);

/* "10.0.0.2,10.0.0.3@5": far ends, some of them for one network alone; "none". -EINVAL with err. */
int ctl_flood_parse(const char *text, struct pl_flood *flood, struct evs_error *err);

/* A packet for an address of a bridge, from a worker; frees its buffer. */
void ctl_own_input(const struct pmd_punt *punt);
/* Asks who has addr, from the bridge's address towards it. */
void ctl_own_ask(uint32_t bridge, const uint8_t addr[16]);

/* A packet waits for a neighbour; all that wait, when one was found, now and then, at the end. */
void ctl_hold_add(const struct pmd_punt *punt);
void ctl_hold_retry(void);
void ctl_hold_tick(void);
void ctl_hold_fini(void);
/* How many it dropped itself, since no worker had room for them: came back and were dropped. */
uint64_t ctl_hold_lost(void);

/* A packet was too long for a tunnel whose port tells senders so; frees its buffer. */
void ctl_too_big(const struct pmd_punt *punt);

/* A worker needs this neighbour. */
void ctl_neigh_wanted(uint32_t bridge, const uint8_t addr[16]);
/* The neighbour spoke; one that nobody asked for is not believed. */
void ctl_neigh_heard(uint32_t bridge, const uint8_t addr[16], const uint8_t mac[6]);
void ctl_neigh_tick(void);
void ctl_neigh_fini(void);

#endif
