/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outer packets that come in fragments: put together again, for tunnels only.
 * Threads: worker. Owner of packets: the table of the worker, until they are whole or given up.
 *
 * Fragments of a packet for one of our addresses wait in DPDK's table (rte_ip_frag), of bounded
 * size, for a second at most; the whole packet then goes round again as one that came in where its
 * last fragment did. What is given up is counted where it came in. While fragments wait they are in
 * flight; of a whole packet all fragments but one are taken off the count of copies.
 */
#define ALLOW_EXPERIMENTAL_API /* one call that gives up what is late */
#include "pmd/pmd_tunnel_pvt.h"

#include <rte_ip_frag.h>

#include "pkt/pkt_csum.h"
#include "pkt/pkt_edit.h"
#include "pkt/pkt_hdr.h"

#define N_PACKETS  128 /* that wait in parts, of 8 fragments each at most */
#define N_ENTRIES  8   /* of a bucket: an attacker who knows the hash fills no more */
#define HEAD_BYTES 192 /* of a whole packet that are made contiguous: tunnels' headers */
#define FRAG6_SIZE 8

struct pmd_frags {
	struct rte_ip_frag_tbl *table;
	struct rte_ip_frag_death_row dead;
	uint32_t n_held;
};

struct pmd_frags *pmd_frags_create(int numa_node)
{
	struct pmd_frags *f = calloc(1, sizeof(*f));

	if (f)
		f->table = rte_ip_frag_table_create(N_PACKETS / N_ENTRIES, N_ENTRIES, N_PACKETS,
		                                    rte_get_tsc_hz(), numa_node);
	if (f && !f->table) {
		free(f);
		f = NULL;
	}
	return f;
}

/* Frees what was given up, each counted where it came in. */
static void bury(struct pmd_worker *w, struct pmd_frags *f, enum pkt_drop reason)
{
	for (uint32_t i = 0; i < f->dead.cnt; i++) {
		struct rte_mbuf *m = f->dead.row[i];

		pmd_drop(w, pmd_view_of(w, m->hash.usr), &m, 1, reason);
	}
	f->n_held -= EVS_MIN(f->n_held, f->dead.cnt);
	f->dead.cnt = 0;
}

void pmd_frags_expire(struct pmd_worker *w)
{
	struct pmd_frags *f = w->frags;

	if (evs_likely(!f || !f->n_held))
		return;
	rte_ip_frag_table_del_expired_entries(f->table, &f->dead, w->now_tsc);
	bury(w, f, PKT_DROP_FRAG_TIMEOUT);
}

void pmd_frags_destroy(struct pmd_worker *w)
{
	struct pmd_frags *f = w->frags;

	if (!f)
		return;
	w->now_tsc += 10 * rte_get_tsc_hz(); /* all are late */
	while (f->n_held) {
		uint32_t before = f->n_held;

		rte_ip_frag_table_del_expired_entries(f->table, &f->dead, w->now_tsc);
		bury(w, f, PKT_DROP_SHUTDOWN);
		if (f->n_held == before)
			break;
	}
	rte_ip_frag_table_destroy(f->table);
	free(f);
	w->frags = NULL;
}

/* The whole packet, NULL if it waits or was given up. */
static struct rte_mbuf *join(struct pmd_worker *w, struct rte_mbuf *m, uint32_t l3)
{
	struct pmd_frags *f = w->frags;
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, l3);

	m->l2_len = l3;
	if (ip[0] >> 4 == 4) {
		m->l3_len = (ip[0] & 0xfu) * 4;
		return rte_ipv4_frag_reassemble_packet(f->table, &f->dead, m, w->now_tsc,
		                                       (struct rte_ipv4_hdr *)ip);
	}
	m->l3_len = PKT_IPV6_SIZE + FRAG6_SIZE;
	return rte_ipv6_frag_reassemble_packet(
	        f->table, &f->dead, m, w->now_tsc, (struct rte_ipv6_hdr *)ip,
	        (struct rte_ipv6_fragment_ext *)(ip + PKT_IPV6_SIZE));
}

/* The library changes IPv4's length and leaves no checksum. */
static void finish(struct rte_mbuf *m, uint32_t l3)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, l3);

	m->ol_flags &= ~(uint64_t)(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
	if (ip[0] >> 4 != 4)
		return;
	pkt_st16(ip + 10, 0);
	pkt_st16(ip + 10, (uint16_t)~pkt_csum_fold(pkt_csum_add(0, ip, (ip[0] & 0xfu) * 4)));
}

/* Are the headers that joining reads there, and is the payload what they say? The library knows a
 * fragment header behind IPv6's own only. One segment each, so that those of the whole are counted.
 */
static bool is_good(struct rte_mbuf *m, const struct pkt_offsets *ofs)
{
	const uint8_t *ip;
	uint32_t header, size;

	if (!ofs->l3 || (m->nb_segs > 1 && rte_pktmbuf_linearize(m)) ||
	    m->data_len < ofs->l3 + PKT_IPV4_SIZE)
		return false;
	ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs->l3);
	header = (ip[0] & 0xfu) * 4;
	size = pkt_be16(ip + 2);
	if (ip[0] >> 4 == 6) {
		header = PKT_IPV6_SIZE + FRAG6_SIZE;
		if (m->data_len < ofs->l3 + header || ip[6] != PKT_IP_FRAG)
			return false;
		size = PKT_IPV6_SIZE + pkt_be16(ip + 4);
	}
	if (size <= header || m->pkt_len < ofs->l3 + size)
		return false;
	if (m->pkt_len > ofs->l3 + size && /* padding of the link */
	    rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - ofs->l3 - size)))
		return false;
	return true;
}

static void collect(struct pmd_worker *w, struct rte_mbuf *m, const struct pkt_offsets *ofs,
                    uint16_t in_port)
{
	struct pmd_view *v = pmd_view_of(w, in_port);
	struct rte_mbuf *whole;

	if (!w->frags || !is_good(m, ofs)) {
		pmd_drop(w, v, &m, 1, PKT_DROP_TUN_BAD_HEADER);
		return;
	}
	m->hash.usr = in_port;
	w->frags->n_held++;
	whole = join(w, m, ofs->l3);
	if (w->frags->dead.cnt) /* no room, or what overlaps; what is too old is seen before */
		bury(w, w->frags, PKT_DROP_FRAG_REFUSED);
	if (!whole)
		return;
	w->frags->n_held -= EVS_MIN(w->frags->n_held, (uint32_t)whole->nb_segs);
	evs_counter_add(&w->account.copies, -(uint64_t)(whole->nb_segs - 1u));
	finish(whole, ofs->l3);
	if (pkt_pull(whole, EVS_MIN(whole->pkt_len, (uint32_t)HEAD_BYTES)) ||
	    !pmd_again_whole(w, whole, in_port))
		pmd_drop(w, v, &whole, 1, PKT_DROP_NO_MBUF);
}

void pmd_reassemble(struct pmd_worker *w, struct pmd_exec *x)
{
	if (!x->is_private)
		pmd_make_private(w, x);
	for (unsigned i = 0; i < x->n; i++)
		collect(w, x->mbuf[i], &x->ofs[i], w->burst.base[x->slot[i]].in_port);
	x->n = 0;
}
