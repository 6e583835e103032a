/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of output buffers: packets go to a port in bursts, at once where one is whole.
 * Threads: worker. Owner: the packets are the output's when a function here returns.
 */
#ifndef PMD_OUT_PVT_H
#define PMD_OUT_PVT_H

#include "pmd/pmd_pvt.h"
#include "pmd/pmd_shape_pvt.h"

void pmd_out_send(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs, unsigned n);
/* The same, where the sum is known. */
void pmd_out_send_sum(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                      const struct pkt_sum *sum);
void pmd_out_flush(struct pmd_worker *w);
/* Past the shaper, if there is one. */
void pmd_out_unshaped(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                      unsigned n);

/* Puts one packet into the output buffer of a port. */
EVS_INLINE void pmd_out_one(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf *mbuf)
{
	if (!v->listed) {
		v->listed = true;
		v->next = w->waiting;
		w->waiting = v;
	}
	v->mbuf[v->n++] = mbuf;
	if (evs_unlikely(v->n == PKT_BURST_MAX)) {
		v->n = 0;
		pmd_out_send(w, v, v->mbuf, PKT_BURST_MAX);
	}
}

/* Likewise all of a group, for the queue that was chosen. */
EVS_INLINE void pmd_out_queued(struct pmd_worker *w, struct pmd_view *v, struct pmd_shaper *s,
                               const struct pmd_exec *x)
{
	for (unsigned i = 0; i < x->n; i++) {
		if (evs_unlikely(v->queued_by != s->id)) {
			v->queued_by = s->id;
			v->queued = 0;
		}
		v->queue[v->n] = (uint16_t)EVS_MIN(x->queue, (uint32_t)UINT16_MAX);
		v->queued |= UINT32_C(1) << v->n;
		pmd_out_one(w, v, x->mbuf[i]);
	}
}

/* Puts n packets into the output buffer of a port; a whole burst goes straight through. mbufs is
 * an array of PKT_BURST_MAX, all of which may be read. */
EVS_INLINE void pmd_out_append(struct pmd_worker *w, struct pmd_view *v, struct rte_mbuf **mbufs,
                               unsigned n)
{
	if (evs_likely(v->n == 0)) {
		if (evs_likely(n == PKT_BURST_MAX)) {
			pmd_out_send(w, v, mbufs, n);
			return;
		}
		memcpy(v->mbuf, mbufs, sizeof(v->mbuf)); /* a constant size is four moves */
		v->n = (uint16_t)n;
		if (!v->listed) {
			v->listed = true;
			v->next = w->waiting;
			w->waiting = v;
		}
		return;
	}
	for (unsigned i = 0; i < n; i++)
		pmd_out_one(w, v, mbufs[i]);
}

#endif
