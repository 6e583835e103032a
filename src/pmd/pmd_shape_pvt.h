/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside shaping: what its worker side and its control side share.
 * Threads: each field says.
 */
#ifndef PMD_SHAPE_PVT_H
#define PMD_SHAPE_PVT_H

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "pmd/pmd_pvt.h"
#include "pmd/pmd_shape.h"

#define PMD_SHAPE_RING_LEN 2048

struct pmd_shaper_item {
	struct rte_mbuf *mbuf;
	uint64_t queue;
};
static_assert(sizeof(struct pmd_shaper_item) == 16, "an element of the ring");

struct pmd_shaper {
	struct port *port;
	uint32_t id;               /* of all there ever were, from 1 */
	struct rte_ring *ring;     /* of items, from the workers that are not the owner */
	struct pmd_worker *owner;  /* [ctl w, workers r] NULL while it moves or has none */
	struct pmd_shaper *next;   /* of the owner's list [ctl w, owner r] */
	struct qos_shaper *next_q; /* a changed configuration [ctl and owner, by exchange] */
	bool closing;              /* [ctl w, owner r] send all */
	/* written by the owner */
	struct qos_shaper *q EVS_CACHE_ALIGNED; /* [owner w, ctl r] */
	struct qos_shaper *retired;             /* [owner sets, ctl frees and clears] */
	bool is_empty;                          /* [owner w, ctl r] closing is done */
	/* [ctl] */
	struct pmd_port *p EVS_CACHE_ALIGNED;
	uint32_t pool_pkts; /* that the shaper set last has room for */
	uint64_t loops;     /* of the owner, when it began to go */
	bool leaving;       /* del or detach was called */
	bool moving;        /* a grace period runs until it has its next owner */
	bool detaching;     /* the port goes, too */
	bool stopped;       /* its owner was told to stop a grace period ago */
	void (*done)(void *arg);
	void *arg;
};

#endif
