/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into tunnels and out of them, a group of packets at a time.
 * Threads: worker. Owner of packets: the group, or the queue of those that go round again.
 */
#include "pmd/pmd_tunnel_pvt.h"
#include "tunnel/tun_ports.h"
#include "tunnel/tunnel.h"

#define RX_CSUM_FLAGS (RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK)

bool pmd_tunnel_odd(const struct pmd_exec *x)
{
	uint64_t requests = 0;

	for (unsigned i = 0; i < x->n; i++)
		requests |= x->mbuf[i]->ol_flags;
	return requests & PKT_TX_REQUEST;
}

unsigned pmd_tunnel_prepare(struct pmd_worker *w, struct pmd_exec *x, unsigned i,
                            struct rte_mbuf **pieces)
{
	struct rte_mbuf *m = x->mbuf[i];
	int n = 1;

	pieces[0] = m;
	if (pkt_offload_needed(m, PKT_TX_MULTI_SEG))
		n = pkt_offload_prepare(m, PKT_TX_MULTI_SEG, m->pool, pieces, PKT_OFFLOAD_MAX);
	if (n <= 0) {
		uint16_t in_port = w->burst.base[x->slot[i]].in_port;

		pmd_drop(w, pmd_view_of(w, in_port), &m, 1, pkt_offload_drop(n));
		return 0;
	}
	evs_counter_add(&w->account.copies, (unsigned)n - 1);
	return (unsigned)n;
}

/* Where the headers are now. */
static void set_offsets(struct pkt_offsets *ofs, const struct pkt_tunnel_header *header,
                        const struct rte_mbuf *m)
{
	uint32_t l3_len = m->pkt_len - header->l3;

	ofs->l2_5 = 0;
	ofs->l3 = header->l3;
	ofs->l4 = tun_kinds[header->kind].dst_port ? header->l4 : 0;
	ofs->l3_len = (uint16_t)EVS_MIN(l3_len, (uint32_t)UINT16_MAX);
}

EVS_HOT void pmd_tunnel_push(struct pmd_worker *w, struct pmd_exec *x,
                             const struct pkt_tunnel_header *header, uint32_t port)
{
	struct port_counters *counters = pmd_view_of(w, port)->counters;
	uint32_t too_long = 0, no_room = 0;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < x->n; i++) {
		struct rte_mbuf *m = x->mbuf[i];
		unsigned slot = x->slot[i];
		uint32_t size = m->pkt_len;
		int rc = tun_push(header, m,
		                  tun_flow_hash(&w->burst.base[slot], &w->burst.ext[slot]));

		if (evs_unlikely(rc)) {
			too_long |= (uint32_t)(rc == -EMSGSIZE) << i;
			no_room |= (uint32_t)(rc != -EMSGSIZE) << i;
			continue;
		}
		bytes += size;
		m->ol_flags &= ~(uint64_t)RX_CSUM_FLAGS;
		set_offsets(&x->ofs[i], header, m);
	}
	evs_counter_add(&counters->tx_pkts,
	                x->n - (unsigned)__builtin_popcount(too_long | no_room));
	evs_counter_add(&counters->tx_bytes, bytes);
	if (evs_unlikely(too_long))
		pmd_exec_drop(w, x, too_long, PKT_DROP_TX_MTU);
	else if (evs_unlikely(no_room))
		pmd_exec_drop(w, x, no_room, PKT_DROP_NO_MBUF);
}

/* The outer checksum is vouched for, or checked here; anything else that is asked of the sender
 * can not be done for a packet whose outer header goes. */
static bool settle_requests(struct rte_mbuf *m)
{
	uint64_t asked = m->ol_flags & PKT_TX_REQUEST;

	if (evs_likely(!asked))
		return true;
	if ((asked & ~(uint64_t)RTE_MBUF_F_TX_IP_CKSUM) != RTE_MBUF_F_TX_UDP_CKSUM)
		return false;
	m->ol_flags &= ~(uint64_t)(PKT_TX_REQUEST | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return true;
}

/* Packets of one sender, network and tunnel port that follow each other: one look-up, one count. */
struct run {
	struct pkt_key_tun tun; /* of the last one */
	uint16_t port;          /* PKT_PORT_NONE: no run */
	struct port_counters *counters;
	uint64_t pkts, bytes;
};

EVS_INLINE bool same_ends(const struct pkt_key_tun *a, const struct pkt_key_tun *b)
{
	return a->id == b->id && !memcmp(a->src, b->src, sizeof(a->src)) &&
	       !memcmp(a->dst, b->dst, sizeof(a->dst)) && a->flags == b->flags;
}

static void run_end(struct run *run)
{
	if (run->port == PKT_PORT_NONE)
		return;
	evs_counter_add(&run->counters->rx_pkts, run->pkts);
	evs_counter_add(&run->counters->rx_bytes, run->bytes);
	run->pkts = run->bytes = 0;
}

/* Finds the port of tun and makes it the run's. */
static EVS_HOT void run_begin(struct pmd_worker *w, struct run *run, const struct pkt_key_tun *tun,
                              uint32_t arg)
{
	run_end(run);
	run->port = tun_port_lookup((enum tun_kind)(arg >> 16), (uint16_t)arg, tun);
	run->tun = *tun;
	if (run->port != PKT_PORT_NONE)
		run->counters = pmd_view_of(w, run->port)->counters;
}

EVS_INLINE enum pkt_drop pop_one(struct pmd_worker *w, struct pmd_exec *x, unsigned i, uint32_t arg,
                                 struct run *run)
{
	struct rte_mbuf *m = x->mbuf[i];
	struct pkt_key_tun tun;
	enum pkt_drop reason;

	if (evs_unlikely(!settle_requests(m)))
		return PKT_DROP_TUN_BAD_HEADER;
	reason = tun_pop((enum tun_kind)(arg >> 16), m, &x->ofs[i], &tun);
	if (evs_unlikely(reason != PKT_DROP_NONE))
		return reason;
	if (run->port == PKT_PORT_NONE || !same_ends(&run->tun, &tun))
		run_begin(w, run, &tun, arg);
	if (evs_unlikely(run->port == PKT_PORT_NONE))
		return PKT_DROP_TUN_UNKNOWN_KEY;
	run->pkts++;
	run->bytes += m->pkt_len;
	return pmd_again_tunnel(w, m, run->port, &tun) ? PKT_DROP_NONE : PKT_DROP_RECURSION;
}

EVS_HOT void pmd_tunnel_pop(struct pmd_worker *w, struct pmd_exec *x, uint32_t arg)
{
	struct run run = {.port = PKT_PORT_NONE};

	if (!x->is_private)
		pmd_make_private(w, x);
	for (unsigned i = 0; i < x->n; i++) {
		enum pkt_drop reason = pop_one(w, x, i, arg, &run);
		uint16_t in_port = w->burst.base[x->slot[i]].in_port;

		if (evs_unlikely(reason != PKT_DROP_NONE))
			pmd_drop(w, pmd_view_of(w, in_port), &x->mbuf[i], 1, reason);
	}
	run_end(&run);
	x->n = 0;
}
