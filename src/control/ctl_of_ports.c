/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports as OpenFlow tells and changes them. Threads: control.
 */
#include <stdio.h>
#include <string.h>

#include "base/evs_clock.h"
#include "control/ctl_of_pvt.h"

struct ctl_port *ctl_of_port_lookup(struct ctl_of_bridge *ob, uint32_t port_no)
{
	struct ctl_port *port;

	TAILQ_FOREACH (port, &ob->bridge->ports, link) {
		if (pl_port_ofport(port->pl) == port_no)
			return port;
	}
	return NULL;
}

static uint32_t speed_feature(const struct port_link *link)
{
	static const struct {
		uint32_t mbps, full, half;
	} speeds[] = {
	        {10, OFPPF_10MB_FD, OFPPF_10MB_HD},    {100, OFPPF_100MB_FD, OFPPF_100MB_HD},
	        {1000, OFPPF_1GB_FD, OFPPF_1GB_HD},    {10000, OFPPF_10GB_FD, OFPPF_10GB_FD},
	        {40000, OFPPF_40GB_FD, OFPPF_40GB_FD}, {100000, OFPPF_100GB_FD, OFPPF_100GB_FD},
	        {1000000, OFPPF_1TB_FD, OFPPF_1TB_FD},
	};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(speeds); i++)
		if (speeds[i].mbps == link->speed_mbps)
			return link->full_duplex ? speeds[i].full : speeds[i].half;
	return link->speed_mbps ? OFPPF_OTHER : 0;
}

void ctl_of_port_desc(const struct ctl_port *port, struct of_port *desc)
{
	const struct port *device = port->port;
	bool up = !device || device->link.up;

	memset(desc, 0, sizeof(*desc));
	desc->port_no = port->pl ? pl_port_ofport(port->pl) : OFPP_ANY;
	snprintf(desc->name, sizeof(desc->name), "%.15s", port->name);
	desc->state = up ? OFPPS_LIVE : OFPPS_LINK_DOWN;
	desc->config = (device ? device->config : port->patch_config) & OFPPC_ALL;
	if (desc->config & OFPPC_PORT_DOWN)
		desc->state &= ~(uint32_t)OFPPS_LIVE;
	if (!device)
		return;
	memcpy(desc->hw_addr, device->mac.addr_bytes, sizeof(desc->hw_addr));
	desc->curr = speed_feature(&device->link);
	desc->curr_speed = desc->max_speed = device->link.speed_mbps * 1000;
}

/* Was it to leave by the port that counted it? */
static bool is_tx_drop(unsigned reason)
{
	return (reason >= PKT_DROP_TX_PORT_DOWN && reason <= PKT_DROP_GUEST_NOT_READY) ||
	       reason == PKT_DROP_QUEUE_FULL || reason == PKT_DROP_QUEUE_AQM;
}

static uint64_t drops(const struct port_counters *c, bool tx)
{
	uint64_t sum = 0;

	for (unsigned i = 1; i < PKT_N_DROPS; i++)
		if (is_tx_drop(i) == tx)
			sum += c->drops[i];
	return sum;
}

void ctl_of_port_stats(const struct ctl_port *port, struct of_port_stats *stats)
{
	struct port_counters sum;

	uint64_t age_ns = evs_clock_ns() - port->since_ns;

	memset(stats, 0, sizeof(*stats));
	stats->port_no = pl_port_ofport(port->pl);
	stats->duration_sec = (uint32_t)(age_ns / 1000000000u);
	stats->duration_nsec = (uint32_t)(age_ns % 1000000000u);
	/* A patch port counts nothing, and what is not counted is told as all ones. */
	stats->rx_frame_err = stats->rx_over_err = stats->rx_crc_err = UINT64_MAX;
	stats->collisions = stats->rx_errors = stats->tx_errors = UINT64_MAX;
	if (!port->port)
		return;
	port_counters_sum(port->port, &sum);
	stats->rx_packets = sum.rx_pkts;
	stats->rx_bytes = sum.rx_bytes;
	stats->tx_packets = sum.tx_pkts;
	stats->tx_bytes = sum.tx_bytes;
	stats->rx_dropped = drops(&sum, false);
	stats->tx_dropped = drops(&sum, true);
}

int ctl_of_port_mod(struct ctl_of_bridge *ob, const struct of_port_mod *mod, struct of_error *err)
{
	struct ctl_port *port = ctl_of_port_lookup(ob, mod->port_no);
	struct evs_error why = {0};
	struct of_port desc;

	if (!port)
		return of_error_set(err, OFPPMFC_BAD_PORT);
	ctl_of_port_desc(port, &desc);
	if (memcmp(desc.hw_addr, mod->hw_addr, sizeof(mod->hw_addr)) != 0)
		return of_error_set(err, OFPPMFC_BAD_HW_ADDR);
	if (!port->port)
		port->patch_config = (port->patch_config & ~mod->mask) | (mod->config & mod->mask);
	else if (port_set_config(port->port, mod->config & mod->mask, mod->mask, &why) != 0) {
		EVS_LOG(control, WARN, "port '%s': port-mod: %s", port->name, why.text);
		return of_error_set(err, OFPPMFC_EPERM);
	}
	ctl_port_state_changed(port);
	return 0;
}

void ctl_of_port_status(const struct ctl_port *port, enum of_port_reason reason)
{
	struct ctl_of_bridge *ob = port->bridge ? port->bridge->of : NULL;
	struct of_msg msg = {.type = OFPT_PORT_STATUS};
	struct ctl_of_session *s, *next;

	if (!ob)
		return;
	msg.port_status.reason = (uint8_t)reason;
	ctl_of_port_desc(port, &msg.port_status.desc);
	for (s = TAILQ_FIRST(&ob->sessions); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (ctl_of_wants_async(s) &&
		    (s->async.port_status[s->role == OFPCR_ROLE_SLAVE] >> reason & 1))
			ctl_of_session_tell(s, &msg, false);
	}
}
