/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoDel (RFC 8289, section 5): when to drop at the head of a queue, so that no queue stands.
 * Threads: the shaper's owner. Times are TSC ticks.
 */
#ifndef QOS_CODEL_PVT_H
#define QOS_CODEL_PVT_H

#include "base/evs_base.h"

struct qos_codel {
	uint64_t first_above; /* when waiting will have been too long for an interval; 0: it is not
	                       */
	uint64_t drop_next;
	uint32_t count, last_count; /* drops of this and of the last spell */
	bool dropping;
};

struct qos_codel_config {
	uint64_t target, interval; /* target 0: none */
};

/* Has the packet at the head, after `sojourn`, stood in a queue that is bad for an interval? With
 * small_backlog the link is not even busy. */
bool qos_codel_is_bad(struct qos_codel *c, const struct qos_codel_config *config, uint64_t sojourn,
                      bool small_backlog, uint64_t now);
/* Is that packet to be dropped (or marked)? To be called once for each packet at the head. */
bool qos_codel_hits(struct qos_codel *c, const struct qos_codel_config *config, bool is_bad,
                    uint64_t now);

#endif
