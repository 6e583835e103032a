/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push and pop of VLAN tags, MPLS labels, PBB headers. Threads: worker.
 *
 * The bytes before the place of change move, since they are few; so pushing takes headroom.
 */
#include "pkt/pkt_edit.h"

#include "pkt/pkt_csum.h"
#include "pkt/pkt_hdr.h"

#define VLANS_MAX 8                              /* tags that a push of MPLS looks behind */
#define PBB_SIZE  (PKT_ETH_SIZE + PKT_ITAG_SIZE) /* what push_pbb puts in front */
#define L2_MAX    127                            /* mbuf's l2_len has 7 bits */

static uint8_t *frame_at(struct rte_mbuf *m, uint32_t ofs)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, ofs);
}

/* Where a request counts from, after the front grew by delta; -ENOBUFS if l2_len has no room for
 * that. Without a request it holds what an earlier owner of the buffer left. */
static int shift_l2_len(struct rte_mbuf *m, int delta)
{
	int size = m->l2_len + delta;

	if (evs_likely(!(m->ol_flags & PKT_TX_REQUEST)))
		return 0;
	if (size < PKT_ETH_SIZE || size > L2_MAX)
		return -ENOBUFS;
	m->l2_len = (uint16_t)size & L2_MAX;
	return 0;
}

static void shift_offset(uint16_t *ofs, int delta)
{
	if (*ofs)
		*ofs = (uint16_t)(*ofs + delta);
}

static void shift_offsets(struct pkt_offsets *ofs, int delta)
{
	shift_offset(&ofs->l2_5, delta);
	shift_offset(&ofs->l3, delta);
	shift_offset(&ofs->l4, delta);
}

/* A gap of size bytes before offset `at`. */
static int insert(struct rte_mbuf *m, uint32_t at, uint32_t size)
{
	int err = pkt_pull(m, at);
	if (evs_unlikely(err))
		return err;
	if (evs_unlikely(rte_pktmbuf_headroom(m) < size))
		return -ENOBUFS;
	err = shift_l2_len(m, (int)size);
	if (evs_unlikely(err))
		return err;
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)size);
	memmove(p, p + size, at);
	return 0;
}

/* Takes out size bytes at offset `at`; those, and `keep` bytes behind, must be there. */
static int take_out(struct rte_mbuf *m, uint32_t at, uint32_t size, uint32_t keep)
{
	int err = pkt_pull(m, at + size + keep);
	if (evs_unlikely(err))
		return err;
	err = shift_l2_len(m, -(int)size);
	if (evs_unlikely(err))
		return -EINVAL;
	uint8_t *p = frame_at(m, 0);
	memmove(p + size, p, at);
	rte_pktmbuf_adj(m, (uint16_t)size);
	return 0;
}

int pkt_push_vlan(struct rte_mbuf *m, struct pkt_offsets *ofs, struct pkt_vlan vlan)
{
	int err = insert(m, 12, PKT_VLAN_SIZE);
	if (evs_unlikely(err))
		return err;
	pkt_st16(frame_at(m, 12), vlan.tpid);
	pkt_st16(frame_at(m, 14), vlan.tci & ~RTE_BE16(PKT_VLAN_PRESENT));
	shift_offsets(ofs, PKT_VLAN_SIZE);
	return 0;
}

int pkt_pop_vlan(struct rte_mbuf *m, struct pkt_offsets *ofs)
{
	int err = take_out(m, 12, PKT_VLAN_SIZE, 2);
	if (evs_likely(err == 0))
		shift_offsets(ofs, -PKT_VLAN_SIZE);
	return err;
}

/* Offset of the ethertype behind all VLAN tags. */
static int find_type(struct rte_mbuf *m, uint32_t *at)
{
	*at = 12;
	for (unsigned i = 0; i <= VLANS_MAX; i++, *at += PKT_VLAN_SIZE) {
		int err = pkt_pull(m, *at + 2);
		if (err)
			return err;
		if (!pkt_eth_is_vlan(pkt_be16(frame_at(m, *at))))
			return 0;
	}
	return -EINVAL;
}

int pkt_set_eth_type(struct rte_mbuf *m, rte_be16_t eth_type)
{
	uint32_t at;
	int err = find_type(m, &at);

	if (evs_unlikely(err))
		return err;
	pkt_st16(frame_at(m, at), eth_type);
	return 0;
}

int pkt_push_mpls(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_push_mpls *push)
{
	uint32_t at;
	int err = find_type(m, &at);
	if (evs_unlikely(err))
		return err;
	/* The length field of 802.3 has no place under a label. */
	if (pkt_be16(frame_at(m, at)) < PKT_ETH_MIN)
		return -EINVAL;
	err = insert(m, at + 2, PKT_MPLS_SIZE);
	if (evs_unlikely(err))
		return err;
	pkt_st16(frame_at(m, at), push->eth_type);
	pkt_st32(frame_at(m, at + 2), push->lse);
	shift_offsets(ofs, PKT_MPLS_SIZE);
	ofs->l2_5 = (uint16_t)(at + 2);
	return 0;
}

int pkt_pop_mpls(struct rte_mbuf *m, struct pkt_offsets *ofs, rte_be16_t eth_type)
{
	uint16_t l2_5 = ofs->l2_5;
	if (l2_5 == 0)
		return -EINVAL;
	int err = pkt_pull(m, l2_5 + PKT_MPLS_SIZE);
	if (evs_unlikely(err))
		return err;
	if (!pkt_eth_is_mpls(pkt_be16(frame_at(m, l2_5 - 2u))))
		return -EINVAL;
	err = take_out(m, l2_5, PKT_MPLS_SIZE, 0);
	if (evs_unlikely(err))
		return err;
	pkt_st16(frame_at(m, l2_5 - 2u), eth_type);
	shift_offsets(ofs, -PKT_MPLS_SIZE);
	bool more = pkt_eth_is_mpls(rte_be_to_cpu_16(eth_type)) &&
	            m->pkt_len >= l2_5 + (uint32_t)PKT_MPLS_SIZE;
	ofs->l2_5 = more ? l2_5 : 0;
	return 0;
}

int pkt_push_pbb(struct rte_mbuf *m, struct pkt_offsets *ofs, rte_be32_t itag)
{
	if (m->pkt_len < PKT_ETH_SIZE)
		return -EINVAL;
	int err = pkt_pull(m, 12);
	if (err == 0)
		err = insert(m, 0, PBB_SIZE);
	if (evs_unlikely(err))
		return err;
	uint8_t *p = frame_at(m, 0);
	memcpy(p, p + PBB_SIZE, 12);
	pkt_st16(p + 12, RTE_BE16(PKT_ETH_PBB));
	pkt_st32(p + PKT_ETH_SIZE, itag);
	shift_offsets(ofs, PBB_SIZE);
	ofs->l2_5 = PKT_ETH_SIZE;
	return 0;
}

int pkt_pop_pbb(struct rte_mbuf *m, struct pkt_offsets *ofs)
{
	uint8_t addresses[12];
	uint32_t l2_5 = ofs->l2_5;
	if (l2_5 == 0)
		return -EINVAL;
	/* ethertype, I-TAG, customer addresses; the customer's ethertype stays */
	int err = pkt_pull(m, l2_5 + PKT_ITAG_SIZE + 12 + 2);
	if (evs_unlikely(err))
		return err;
	if (pkt_be16(frame_at(m, l2_5 - 2)) != PKT_ETH_PBB)
		return -EINVAL;
	memcpy(addresses, frame_at(m, l2_5 + PKT_ITAG_SIZE), sizeof(addresses));
	err = take_out(m, l2_5 - 2, PBB_SIZE, 2);
	if (evs_unlikely(err))
		return err;
	memcpy(frame_at(m, 0), addresses, sizeof(addresses));
	shift_offsets(ofs, -PBB_SIZE);
	ofs->l2_5 = 0;
	return 0;
}
