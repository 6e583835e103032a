/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of a port: one block a worker, one writer each; sums and clearing by a remembered
 * offset, since only the writer may write.
 * Threads: control. Owner: the port.
 */
#include <stdlib.h>
#include <string.h>

#include "port/port_pvt.h"

int port_counters_prepare(struct port *port, unsigned worker, struct evs_error *err)
{
	struct port_counters *counters;

	assert(worker < EVS_MAX_WORKERS);
	if (port->counters[worker])
		return 0;
	counters = aligned_alloc(EVS_CACHE_LINE, sizeof(*counters));
	if (!counters)
		return evs_error_set(err, -ENOMEM, "no memory for %zu bytes of counters",
		                     sizeof(*counters));
	memset(counters, 0, sizeof(*counters));
	evs_store_release(&port->counters[worker], counters);
	return 0;
}

static struct port_counters deleted; /* [ctl] what deleted ports had counted */

static void add_worker(struct port_counters *sum, const struct port_counters *c)
{
	sum->rx_pkts += evs_load_relaxed(&c->rx_pkts);
	sum->rx_bytes += evs_load_relaxed(&c->rx_bytes);
	sum->tx_pkts += evs_load_relaxed(&c->tx_pkts);
	sum->tx_bytes += evs_load_relaxed(&c->tx_bytes);
	for (unsigned i = 0; i < PKT_N_DROPS; i++)
		sum->drops[i] += evs_load_relaxed(&c->drops[i]);
}

/* What a queue dropped had been received. */
static void add_queue(struct port_counters *sum, const struct port_counters *c)
{
	for (unsigned i = 0; i < PKT_N_DROPS; i++) {
		uint64_t n = evs_load_relaxed(&c->drops[i]);

		sum->drops[i] += n;
		sum->rx_pkts += n;
	}
}

void port_counters_drop(struct port *port, enum pkt_drop reason)
{
	port->ctl_drops[reason]++;
}

static void sum_all(const struct port *port, struct port_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned i = 0; i < EVS_MAX_WORKERS; i++)
		if (port->counters[i])
			add_worker(sum, port->counters[i]);
	for (unsigned i = 0; port->rxq_drops && i < port->rxq_alloc; i++)
		add_queue(sum, &port->rxq_drops[i]);
	for (unsigned i = 0; i < PKT_N_DROPS; i++)
		sum->drops[i] += port->ctl_drops[i];
}

void port_counters_sum(const struct port *port, struct port_counters *sum)
{
	const struct port_counters *base = &port->cleared;

	sum_all(port, sum);
	sum->rx_pkts -= base->rx_pkts;
	sum->rx_bytes -= base->rx_bytes;
	sum->tx_pkts -= base->tx_pkts;
	sum->tx_bytes -= base->tx_bytes;
	for (unsigned i = 0; i < PKT_N_DROPS; i++)
		sum->drops[i] -= base->drops[i];
}

void port_counters_retire(const struct port *port)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	add_worker(&deleted, &sum);
}

void port_counters_deleted(struct port_counters *sum)
{
	*sum = deleted;
}

void port_counters_clear(struct port *port)
{
	sum_all(port, &port->cleared);
}
