/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First packets into tunnels, held until the next hop is known.
 * Threads: control. Owner: a packet is ours from its punt until it is injected.
 *
 * A worker sends a few for each question that it asks; here their number and time are bounded.
 * What waited in vain goes back to be dropped where it came in, under the reason that holds then.
 */
#include <rte_mbuf.h>
#include <string.h>

#include "base/evs_clock.h"
#include "control/ctl_ip.h"
#include "pkt/pkt_parse.h"
#include "port/port.h"

#define MAX_HELD 128
#define HOLD_MS  3000

struct held {
	struct rte_mbuf *mbuf;
	uint16_t in_port, tunnel;
	uint32_t since_ms;
	struct pkt_key_tun tun; /* its tunnel fields */
	struct pkt_key_tmd tmd;
};

static struct held held[MAX_HELD];
static unsigned n_held;
static uint64_t n_lost;

/* No worker has room to drop it, so that it is counted here, as if one had. */
static void lose(const struct held *h)
{
	struct port *port = port_get(h->in_port);

	if (port) {
		port_counters_drop(port, PKT_DROP_TUN_NO_NEIGH);
		n_lost++;
	}
	rte_pktmbuf_free(h->mbuf);
}

uint64_t ctl_hold_lost(void)
{
	return n_lost;
}

/* Sends it, or drops it if `last`. False: it goes on waiting, if only for a worker that takes it.
 */
static bool settle(const struct held *h, bool last)
{
	static struct pl_injection injection;
	static struct pkt_key key;
	int ret;

	memset(&key, 0, sizeof(key));
	if (pkt_parse_one(h->mbuf, &key, &(struct pkt_offsets){0}) == 0) {
		key.base.in_port = h->in_port;
		key.base.lines |= PKT_LINE_TUN | PKT_LINE_TMD;
		key.ext.tun = h->tun;
		key.ext.tmd = h->tmd;
		if (!pl_send_tunnel(h->tunnel, &key, &injection) && !last)
			return false;
		ret = pmd_inject(h->mbuf, injection.in_port, &injection.prog);
		if (ret == 0 || ret == -ENOBUFS)
			return ret == 0;
	}
	lose(h);
	return true;
}

static void settle_all(uint32_t older_than_ms)
{
	uint32_t now_ms = evs_clock_ms();
	unsigned kept = 0;

	for (unsigned i = 0; i < n_held; i++)
		if (!settle(&held[i], now_ms - held[i].since_ms >= older_than_ms))
			held[kept++] = held[i];
	n_held = kept;
}

/* Others' first packets want to wait, too. */
static bool has_room(uint16_t in_port)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_held; i++)
		n += held[i].in_port == in_port;
	return evs_may_take(MAX_HELD - n_held, MAX_HELD, n);
}

void ctl_hold_add(const struct pmd_punt *punt)
{
	struct held h = {punt->mbuf,     punt->in_port, (uint16_t)punt->controller.cookie,
	                 evs_clock_ms(), punt->tun,     punt->tmd};
	bool room = has_room(h.in_port);

	if (settle(&h, !room))
		return;
	if (room)
		held[n_held++] = h;
	else
		lose(&h);
}

void ctl_hold_retry(void)
{
	settle_all(UINT32_MAX);
}

void ctl_hold_tick(void)
{
	settle_all(HOLD_MS);
}

void ctl_hold_fini(void)
{
	while (n_held)
		rte_pktmbuf_free(held[--n_held].mbuf);
}
