/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bindings, inside the pipeline. Threads: as pl_bind.h.
 */
#ifndef PL_BIND_PVT_H
#define PL_BIND_PVT_H

#include "pipeline/pl_bind.h"
#include "pipeline/pl_xlate_pvt.h"

/* What workers read is immutable but for used_ms: it is replaced when it changes. */
struct pl_bind {
	struct pl_bind *next; /* chain of the bucket [ctl w, worker r] */
	uint8_t addr[16];
	uint8_t mac[6];
	uint16_t vlan;
	struct pl_port *port; /* NULL: static */
	uint32_t used_ms;     /* [ctl w, worker r] */
	/* control only */
	uint32_t move_ms;         /* of the last change */
	TAILQ_ENTRY(pl_bind) lru; /* of the port, the least recently heard first */
};

int pl_bind_init(struct pl_bridge *bridge, struct evs_error *err);
void pl_bind_fini(struct pl_bridge *bridge);
void pl_bind_flush(struct pl_bridge *bridge); /* those learned */
void pl_bind_forget_port(struct pl_port *port);
void pl_bind_expire(struct pl_bridge *bridge, uint32_t now_ms);
/* Of a link-local address none is kept: hosts know routers by it, and an answer that can not say
 * whether it speaks for a router (R, RFC 4861, 7.2.5) would end it as one. */
EVS_INLINE bool pl_bind_takes(const uint8_t addr[16])
{
	return addr[0] != 0xfe || (addr[1] & 0xc0) != 0x80;
}
/* [worker] NULL: none. The flow depends on it either way. */
const struct pl_bind *pl_bind_lookup(struct pl_xlate *x, uint16_t vlan, const uint8_t addr[16]);

/* pl_suppress.c: learns from ARP and ND, and answers at the port where it was asked. True: nothing
 * more is to be done. */
bool pl_suppress(struct pl_xlate *x, uint16_t vlan);

#endif
