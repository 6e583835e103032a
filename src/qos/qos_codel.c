/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoDel. Threads: the shaper's owner.
 */
#include <math.h>

#include "qos/qos_codel_pvt.h"

#define RESUME_INTERVALS 16 /* a spell that starts so soon after the last goes on at its pace */

/* Drops come the faster the longer the spell lasts. */
static uint64_t next_drop(const struct qos_codel *c, const struct qos_codel_config *config,
                          uint64_t from)
{
	return from + (uint64_t)((double)config->interval / sqrt((double)c->count));
}

bool qos_codel_is_bad(struct qos_codel *c, const struct qos_codel_config *config, uint64_t sojourn,
                      bool small_backlog, uint64_t now)
{
	if (sojourn < config->target || small_backlog) {
		c->first_above = 0;
		return false;
	}
	if (c->first_above == 0) {
		c->first_above = now + config->interval;
		return false;
	}
	return now >= c->first_above;
}

static void spell_begin(struct qos_codel *c, const struct qos_codel_config *config, uint64_t now)
{
	uint32_t last = c->count - c->last_count;
	bool soon = now - c->drop_next < RESUME_INTERVALS * config->interval;

	c->dropping = true;
	c->count = last > 1 && soon ? last : 1;
	c->last_count = c->count;
	c->drop_next = next_drop(c, config, now);
}

bool qos_codel_hits(struct qos_codel *c, const struct qos_codel_config *config, bool is_bad,
                    uint64_t now)
{
	if (!is_bad) {
		c->dropping = false;
		return false;
	}
	if (!c->dropping) {
		spell_begin(c, config, now);
		return true;
	}
	if (now < c->drop_next)
		return false;
	c->count++;
	c->drop_next = next_drop(c, config, c->drop_next);
	return true;
}
