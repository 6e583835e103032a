/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues as OpenFlow tells them: multipart QUEUE and queue-get-config (sections 7.3.5.8, 7.3.6).
 * Threads: control. A port has queues while it is shaped (`qos set`).
 */
#include "base/evs_clock.h"
#include "control/ctl_of_pvt.h"
#include "pmd/pmd_shape.h"

/* A reply is one message of 64 kB; queues beyond are told by their statistics only. */
#define CONFIG_MAX 1300

static const struct qos_shaper *shaper_of(const struct ctl_port *port)
{
	return port->port ? pmd_shaper_get(port->port) : NULL;
}

bool ctl_of_queue_exists(const struct ctl_of_bridge *ob, uint32_t port_no, uint32_t queue_id)
{
	struct qos_queue_info info;
	struct ctl_port *port;

	TAILQ_FOREACH (port, &ob->bridge->ports, link) {
		const struct qos_shaper *s = shaper_of(port);

		if ((port_no == OFPP_ANY || pl_port_ofport(port->pl) == port_no) && s &&
		    qos_shaper_queue_by_id(s, queue_id, &info))
			return true;
	}
	return false;
}

static void queue_stats(const struct ctl_port *port, const struct qos_queue_info *info,
                        struct of_queue_stats *stats)
{
	uint64_t age_ns = evs_clock_ns() - port->qos_since_ns;

	*stats = (struct of_queue_stats){
	        .port_no = pl_port_ofport(port->pl),
	        .queue_id = info->config.id,
	        .tx_bytes = info->stats.bytes,
	        .tx_packets = info->stats.pkts,
	        .tx_errors = info->stats.full_drops + info->stats.aqm_drops,
	        .duration_sec = (uint32_t)(age_ns / 1000000000u),
	        .duration_nsec = (uint32_t)(age_ns % 1000000000u),
	};
}

void ctl_of_queues_walk(const struct ctl_of_bridge *ob, const struct of_object_request *request,
                        void (*visit)(const struct of_queue_stats *stats, void *arg), void *arg)
{
	struct qos_queue_info info;
	struct of_queue_stats stats;
	struct ctl_port *port;

	TAILQ_FOREACH (port, &ob->bridge->ports, link) {
		const struct qos_shaper *s = shaper_of(port);

		if (!s || (request->id != OFPP_ANY && pl_port_ofport(port->pl) != request->id))
			continue;
		for (unsigned i = 0; qos_shaper_queue(s, i, &info); i++) {
			if (request->queue_id != OFPQ_ALL && request->queue_id != info.config.id)
				continue;
			queue_stats(port, &info, &stats);
			visit(&stats, arg);
		}
	}
}

/* Tenths of a percent of the port's speed. */
static uint16_t share(uint64_t bps, uint64_t speed_bps)
{
	if (bps == 0 || speed_bps == 0)
		return OF_QUEUE_RATE_NONE;
	return (uint16_t)EVS_MIN(bps * 1000 / speed_bps, UINT64_C(1000));
}

unsigned ctl_of_queue_configs(const struct ctl_of_bridge *ob, uint32_t port_no,
                              const struct of_queue **queuesp)
{
	static struct of_queue queues[CONFIG_MAX]; /* control is one thread */
	struct qos_queue_info info;
	struct ctl_port *port;
	unsigned n = 0;

	TAILQ_FOREACH (port, &ob->bridge->ports, link) {
		const struct qos_shaper *s = shaper_of(port);
		uint64_t speed_bps =
		        port->port ? port->port->link.speed_mbps * UINT64_C(1000000) : 0;

		if (!s || (port_no != OFPP_ANY && pl_port_ofport(port->pl) != port_no))
			continue;
		for (unsigned i = 0; n < CONFIG_MAX && qos_shaper_queue(s, i, &info); i++)
			queues[n++] = (struct of_queue){info.config.id, pl_port_ofport(port->pl),
			                                share(info.config.min_bps, speed_bps),
			                                share(info.config.max_bps, speed_bps)};
	}
	*queuesp = queues;
	return n;
}
