/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that will be too long once a tunnel's header is on: their senders are told.
 * Threads: worker. Owner of packets: the control thread, of those that are taken.
 */
#include <rte_ether.h>

#include "pkt/pkt_hdr.h"
#include "pmd/pmd_tunnel_pvt.h"

/* IPv6, and IPv4 that forbids fragments: others expect no such message. */
static bool wants_to_know(const struct rte_mbuf *m, const struct pkt_offsets *ofs)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs->l3);

	if (ofs->l3 == 0 || m->data_len < ofs->l3 + PKT_IPV4_SIZE)
		return false;
	return ip[0] >> 4 == 6 || (ip[0] >> 4 == 4 && (ip[6] & 0x40));
}

static void tell(struct pmd_worker *w, struct rte_mbuf *m, uint16_t in_port, uint64_t cookie)
{
	struct pmd_punt punt = {.kind = PMD_PUNT_CONTROLLER,
	                        .in_port = in_port,
	                        .total_len = m->pkt_len,
	                        .mbuf = m,
	                        .controller = {.to_host = FLOW_TO_SENDER, .cookie = cookie}};

	if (pmd_punt(w->id, &punt))
		evs_counter_add(&w->account.punted, 1);
	else
		pmd_drop(w, pmd_view_of(w, in_port), &m, 1, PKT_DROP_PUNT_FULL);
}

void pmd_check_mtu(struct pmd_worker *w, struct pmd_exec *x, uint32_t arg)
{
	const struct port *port = pmd_view_of(w, arg >> 16)->port;
	uint32_t added = arg & UINT16_MAX, mtu = port ? evs_load_relaxed(&port->mtu) : UINT16_MAX;
	uint32_t fits = mtu > added ? mtu - added : 0;
	unsigned kept = 0;

	for (unsigned i = 0; i < x->n; i++) {
		struct rte_mbuf *m = x->mbuf[i];
		const struct pkt_offsets *ofs = &x->ofs[i];

		if (evs_unlikely(pkt_wire_of(m).longest > fits) && wants_to_know(m, ofs) &&
		    fits > ofs->l3) {
			tell(w, m, w->burst.base[x->slot[i]].in_port,
			     (uint64_t)ofs->l3 << 32 | (fits - ofs->l3));
			continue;
		}
		x->mbuf[kept] = m;
		x->ofs[kept] = *ofs;
		x->slot[kept++] = x->slot[i];
	}
	x->n = (uint16_t)kept;
}
