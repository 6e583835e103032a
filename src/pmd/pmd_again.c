/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recirculation: packets that are parsed and looked up once more, in rounds.
 * Threads: worker. Owner: the queue of the worker; it is empty between bursts.
 *
 * A round takes what waited at its start; what its programs add belongs to the next. So the depth
 * of a packet is the number of its round, and no stack grows.
 */
#include "pmd/pmd_tunnel_pvt.h"

bool pmd_again_whole(struct pmd_worker *w, struct rte_mbuf *m, uint16_t in_port)
{
	struct pmd_again *a;

	if (w->again_head - w->again_tail == PMD_AGAIN_LEN || w->depth >= PMD_MAX_DEPTH)
		return false;
	a = &w->again[w->again_head++ % PMD_AGAIN_LEN];
	a->mbuf = m;
	a->recirc_id = 0;
	a->in_port = in_port;
	a->lines = 0;
	return true;
}

/* A packet that came out of a tunnel: in_port and its outer header are new. */
bool pmd_again_tunnel(struct pmd_worker *w, struct rte_mbuf *m, uint16_t in_port,
                      const struct pkt_key_tun *tun)
{
	struct pmd_again *a = &w->again[w->again_head % PMD_AGAIN_LEN];

	if (!pmd_again_whole(w, m, in_port))
		return false;
	a->lines = PKT_LINE_TUN;
	a->tun = *tun;
	return true;
}

void pmd_again_options(struct pmd_worker *w, const struct pkt_key_tmd *tmd)
{
	struct pmd_again *a = &w->again[(w->again_head - 1) % PMD_AGAIN_LEN];

	a->lines |= PKT_LINE_TMD;
	a->tmd = *tmd;
}

EVS_HOT void pmd_again_add(struct pmd_worker *w, struct pmd_exec *x, uint32_t recirc_id)
{
	unsigned room = PMD_AGAIN_LEN - (w->again_head - w->again_tail);

	if (evs_unlikely(x->n > room || w->depth >= PMD_MAX_DEPTH)) {
		pmd_exec_drop(w, x, UINT32_MAX, PKT_DROP_RECURSION);
		return;
	}
	for (unsigned i = 0; i < x->n; i++) {
		const struct pkt_key_base *base = &w->burst.base[x->slot[i]];
		const struct pkt_key_ext *ext = &w->burst.ext[x->slot[i]];
		struct pmd_again *a = &w->again[w->again_head++ % PMD_AGAIN_LEN];

		a->mbuf = x->mbuf[i];
		a->recirc_id = recirc_id;
		a->in_port = base->in_port;
		a->lines = base->lines & (PKT_LINE_TUN | PKT_LINE_CT | PKT_LINE_TMD);
		if (a->lines & PKT_LINE_TUN)
			a->tun = ext->tun;
		if (a->lines & PKT_LINE_CT)
			a->ct = ext->ct;
		if (a->lines & PKT_LINE_TMD)
			a->tmd = ext->tmd;
	}
	x->n = 0;
}

/* Parses n packets of the queue into the burst; returns those that are no frames any more. */
static uint32_t refill(struct pmd_worker *w, unsigned n)
{
	struct pkt_burst *b = &w->burst;
	uint32_t bad, tail = w->again_tail;

	for (unsigned i = 0; i < n; i++)
		b->mbuf[i] = w->again[(tail + i) % PMD_AGAIN_LEN].mbuf;
	bad = pkt_parse_burst(b, n, w->again[tail % PMD_AGAIN_LEN].in_port, w->isa);
	for (unsigned i = 0; i < n; i++) {
		const struct pmd_again *a = &w->again[(tail + i) % PMD_AGAIN_LEN];

		b->base[i].in_port = a->in_port;
		b->base[i].recirc_id = a->recirc_id;
		b->base[i].lines |= a->lines;
		if (a->lines & PKT_LINE_TUN)
			b->ext[i].tun = a->tun;
		if (a->lines & PKT_LINE_CT)
			b->ext[i].ct = a->ct;
		if (a->lines & PKT_LINE_TMD)
			b->ext[i].tmd = a->tmd;
	}
	pkt_parse_rehash(b, n, w->isa);
	w->again_tail += n;
	return bad;
}

EVS_HOT void pmd_again_run(struct pmd_worker *w)
{
	while (w->again_head != w->again_tail) {
		uint32_t end = w->again_head;

		w->depth++;
		while (w->again_tail != end) {
			unsigned n = EVS_MIN(end - w->again_tail, (uint32_t)PKT_BURST_MAX);
			uint32_t bad = refill(w, n);

			if (evs_unlikely(bad))
				n = pmd_loop_sift(w, n, bad, PKT_DROP_RX_TRUNCATED);
			if (n)
				pmd_loop_walk(w, n);
		}
	}
	w->depth = 0;
}
