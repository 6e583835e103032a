/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that come in segments (STT): the worker's table of them, and its account.
 * Threads: worker; control makes and frees. Owner of packets: the table while they wait.
 *
 * While segments wait they are in flight, as fragments are; of a whole frame all segments but one
 * are taken off the count of copies.
 */
#include "pmd/pmd_tunnel_pvt.h"
#include "tunnel/tun_join.h"

/* Where the segment came in, it is counted. */
static void on_drop(void *arg, struct rte_mbuf *m, enum pkt_drop reason)
{
	struct pmd_worker *w = arg;

	pmd_drop(w, pmd_view_of(w, m->hash.usr), &m, 1, reason);
}

void pmd_joins_init(struct pmd_worker *w)
{
	w->joins = tun_joins_create(rte_get_tsc_hz(), on_drop, w);
}

void pmd_joins_fini(struct pmd_worker *w)
{
	tun_joins_destroy(w->joins);
	w->joins = NULL;
}

void pmd_joins_expire(struct pmd_worker *w)
{
	if (evs_unlikely(w->joins && tun_joins_held(w->joins)))
		tun_joins_expire(w->joins, w->now_tsc);
}

EVS_HOT bool pmd_join(struct pmd_worker *w, struct pmd_exec *x, unsigned i, enum tun_kind kind)
{
	struct rte_mbuf *m = x->mbuf[i];
	uint16_t in_port = w->burst.base[x->slot[i]].in_port;
	struct tun_stump stump = {.kind = kind, .mbuf = m, .ofs = &x->ofs[i]};
	unsigned n_parts;

	if (!tun_join_is_part(&stump))
		return true;
	m->hash.usr = in_port;
	if (evs_unlikely(!w->joins)) {
		on_drop(w, m, PKT_DROP_FRAG_REFUSED);
		return false;
	}
	m = tun_join(w->joins, &stump, w->now_tsc, &n_parts);
	if (n_parts)
		evs_counter_add(&w->account.copies, -(uint64_t)(n_parts - 1u));
	x->mbuf[i] = m;
	return m != NULL;
}
