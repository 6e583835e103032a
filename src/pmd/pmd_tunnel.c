/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into tunnels and out of them, a group of packets at a time.
 * Threads: worker. Owner of packets: the group, or the queue of those that go round again.
 */
#include "pmd/pmd_tunnel_pvt.h"
#include "pkt/pkt_edit.h"
#include "tunnel/tun_push.h"

#define RX_CSUM_FLAGS (RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK)

bool pmd_tunnel_is_ready(const struct pmd_exec *x)
{
	bool ready = true;

	for (unsigned i = 0; i < x->n; i++)
		ready &= pkt_is_writable(x->mbuf[i]) && !(x->mbuf[i]->ol_flags & PKT_TX_REQUEST);
	return ready;
}

/* Is something asked of the sender of m that the tunnel's header can not carry? */
static bool must_prepare(const struct rte_mbuf *m, const struct pkt_tunnel_header *header)
{
	const struct tun_kind_ops *ops = &tun_kinds[header->kind];

	return m->ol_flags & PKT_TX_REQUEST && !(ops->carries && ops->carries(header, m));
}

bool pmd_tunnel_odd(const struct pmd_exec *x, const struct pkt_tunnel_header *header)
{
	for (unsigned i = 0; i < x->n; i++)
		if (must_prepare(x->mbuf[i], header))
			return true;
	return false;
}

unsigned pmd_tunnel_prepare(struct pmd_worker *w, struct pmd_exec *x, unsigned i,
                            const struct pkt_tunnel_header *header, struct rte_mbuf **pieces)
{
	struct rte_mbuf *m = x->mbuf[i];
	int n = 1;

	pieces[0] = m;
	if (must_prepare(m, header))
		n = pkt_offload_prepare(m, PKT_TX_MULTI_SEG, m->pool, pieces, PKT_OFFLOAD_MAX);
	if (n <= 0) {
		uint16_t in_port = w->burst.base[x->slot[i]].in_port;

		pmd_drop(w, pmd_view_of(w, in_port), &m, 1, pkt_offload_drop(n));
		return 0;
	}
	evs_counter_add(&w->account.copies, (unsigned)n - 1);
	return (unsigned)n;
}

/* Where the headers are now; stored as one word. */
EVS_INLINE void set_offsets(struct pkt_offsets *ofs, const struct pkt_tunnel_header *header,
                            const struct rte_mbuf *m)
{
	uint32_t l3_len = m->pkt_len - header->l3;
	struct pkt_offsets now = {
	        .l3 = header->l3,
	        .l4 = tun_kinds[header->kind].dst_port ? header->l4 : 0,
	        .l3_len = (uint16_t)EVS_MIN(l3_len, (uint32_t)UINT16_MAX),
	};

	memcpy(ofs, &now, sizeof(now));
}

/* Packet i of the group; 0 or the error of tun_push. */
EVS_INLINE int push_one(const struct pmd_worker *w, struct pmd_exec *x, unsigned i,
                        const struct pkt_tunnel_header *header)
{
	struct rte_mbuf *m = x->mbuf[i];
	unsigned slot = x->slot[i];
	uint32_t hash = tun_flow_hash(&w->burst.base[slot], &w->burst.ext[slot]);
	int rc;

	if (evs_likely(tun_push_is_plain(header, m)))
		tun_push_plain(header, m, hash);
	else if (evs_unlikely((rc = tun_push(header, m, hash)) != 0))
		return rc;
	m->ol_flags &= ~(uint64_t)RX_CSUM_FLAGS;
	set_offsets(&x->ofs[i], header, m);
	return 0;
}

static uint32_t egress_mtu(struct pmd_worker *w, const struct pkt_tunnel_header *header)
{
	const struct port *port = pmd_view_of(w, header->egress)->port;

	return port ? evs_load_relaxed(&port->mtu) : PORT_MTU_DEFAULT;
}

EVS_HOT void pmd_tunnel_push(struct pmd_worker *w, struct pmd_exec *x,
                             const struct pkt_tunnel_header *header, uint32_t port)
{
	struct port_counters *counters = pmd_view_of(w, port)->counters;
	const struct tun_kind_ops *ops = &tun_kinds[header->kind];
	const uint32_t mtu = ops->cut ? egress_mtu(w, header) : 0;
	uint64_t start = pmd_nested_begin(w), bytes = 0;
	uint32_t too_long = 0, no_room = 0;

	for (unsigned i = 0; i < x->n; i++) {
		uint32_t size = x->mbuf[i]->pkt_len;
		int rc = push_one(w, x, i, header);

		if (evs_likely(!rc)) {
			bytes += size;
			if (evs_unlikely(mtu))
				ops->cut(header, x->mbuf[i], mtu);
		} else if (rc == -EMSGSIZE)
			too_long |= UINT32_C(1) << i;
		else
			no_room |= UINT32_C(1) << i;
	}
	evs_counter_add(&counters->tx_pkts,
	                x->n - (unsigned)__builtin_popcount(too_long | no_room));
	evs_counter_add(&counters->tx_bytes, bytes);
	if (evs_unlikely(too_long))
		pmd_exec_drop(w, x, too_long, PKT_DROP_TX_MTU);
	else if (evs_unlikely(no_room))
		pmd_exec_drop(w, x, no_room, PKT_DROP_NO_MBUF);
	pmd_nested_end(w, PMD_STAGE_ENCAP, start);
}

/* The outer checksums are vouched for, or checked here; anything else that is asked of the sender
 * can not be done for a packet whose outer header goes. That a kind with segments is to be cut does
 * not matter any more. */
static bool settle_requests(struct rte_mbuf *m, const struct tun_kind_ops *ops)
{
	uint64_t asked = m->ol_flags & PKT_TX_REQUEST;

	if (evs_likely(!asked))
		return true;
	if (ops->part)
		asked &= ~RTE_MBUF_F_TX_TCP_SEG;
	if (asked != (ops->part ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM))
		return false;
	m->ol_flags &= ~(uint64_t)(PKT_TX_REQUEST | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return true;
}

EVS_HOT void pmd_ends_begin(struct pmd_worker *w, struct pmd_ends *ends,
                            const struct pkt_key_tun *tun, uint32_t arg)
{
	pmd_ends_count(ends);
	ends->port = tun_port_lookup((enum tun_kind)(arg >> 16), (uint16_t)arg, tun, &ends->open);
	ends->tun = *tun;
	if (ends->port != PKT_PORT_NONE)
		ends->counters = pmd_view_of(w, ends->port)->counters;
}

struct options {
	uint32_t size;
	uint8_t bytes[TUN_GENEVE_OPTIONS_MAX];
};

/* Options of a Geneve header, copied while it is there. What the length says is held against the
 * packet when the header is taken off. */
static void save_options(const struct rte_mbuf *m, const struct pkt_offsets *ofs,
                         struct options *copy)
{
	const uint8_t *geneve = rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs->l4 + 8u);
	uint32_t size;

	copy->size = 0;
	if (ofs->l4 == 0 || m->data_len < ofs->l4 + 16u)
		return;
	size = (geneve[0] & 0x3fu) * 4;
	if (m->data_len < ofs->l4 + 16u + size)
		return;
	memcpy(copy->bytes, geneve + 8, size);
	copy->size = size;
}

/* A Geneve packet with options; it is queued only if none of them is critical and unknown. */
static enum pkt_drop pop_options(struct pmd_worker *w, struct rte_mbuf *m,
                                 const struct pmd_ends *ends, const struct pkt_key_tun *tun,
                                 const struct options *options)
{
	struct pkt_key_tmd tmd;
	bool any;

	if (!tun_options_read(tun_port_options(ends->port), options->bytes, options->size, &tmd,
	                      &any))
		return PKT_DROP_TUN_BAD_HEADER;
	if (!pmd_again_tunnel(w, m, ends->port, tun))
		return PKT_DROP_RECURSION;
	if (any)
		pmd_again_options(w, &tmd);
	return PKT_DROP_NONE;
}

EVS_INLINE enum pkt_drop pop_one(struct pmd_worker *w, struct pmd_exec *x, unsigned i, uint32_t arg,
                                 struct pmd_ends *ends)
{
	const struct tun_kind_ops *ops = &tun_kinds[arg >> 16];
	struct rte_mbuf *m = x->mbuf[i];
	struct options options;
	struct pkt_key_tun tun;
	enum pkt_drop reason;

	options.size = 0;
	if (arg >> 16 == TUN_GENEVE)
		save_options(m, &x->ofs[i], &options);
	if (evs_unlikely(!settle_requests(m, ops)))
		return PKT_DROP_TUN_BAD_HEADER;
	if (evs_unlikely(ops->part != NULL)) {
		if (!pmd_join(w, x, i, (enum tun_kind)(arg >> 16)))
			return PKT_DROP_NONE;
		m = x->mbuf[i];
	}
	reason = tun_pop((enum tun_kind)(arg >> 16), m, &x->ofs[i], &tun);
	if (evs_unlikely(reason != PKT_DROP_NONE))
		return reason;
	if (!pmd_ends_hold(ends, &tun))
		pmd_ends_begin(w, ends, &tun, arg);
	if (evs_unlikely(ends->port == PKT_PORT_NONE))
		return PKT_DROP_TUN_UNKNOWN_KEY;
	ends->pkts++;
	ends->bytes += m->pkt_len;
	if (evs_unlikely(options.size))
		return pop_options(w, m, ends, &tun, &options);
	return pmd_again_tunnel(w, m, ends->port, &tun) ? PKT_DROP_NONE : PKT_DROP_RECURSION;
}

EVS_HOT void pmd_tunnel_pop(struct pmd_worker *w, struct pmd_exec *x, uint32_t arg)
{
	struct pmd_ends ends = {.port = PKT_PORT_NONE};
	uint64_t start = pmd_nested_begin(w);

	if (w->depth == 0 && x->n)
		pmd_decap_learn(w, x);
	if (!x->is_private)
		pmd_make_private(w, x);
	for (unsigned i = 0; i < x->n; i++) {
		enum pkt_drop reason = pop_one(w, x, i, arg, &ends);
		uint16_t in_port = w->burst.base[x->slot[i]].in_port;

		if (evs_unlikely(reason != PKT_DROP_NONE))
			pmd_drop(w, pmd_view_of(w, in_port), &x->mbuf[i], 1, reason);
	}
	pmd_ends_count(&ends);
	x->n = 0;
	pmd_nested_end(w, PMD_STAGE_DECAP, start);
}
