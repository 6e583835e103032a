/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masked sets of header fields with checksums kept in step. Threads: worker.
 *
 * Every set first finds and checks what it needs and pulls it into the first segment, then writes;
 * so a failure changes no byte. What a write changes in a one's complement sum is its "delta":
 * the sum of ~old and new of each word (RFC 1624).
 */
#include "pkt/pkt_edit.h"

#include "pkt/pkt_csum.h"
#include "pkt/pkt_ipv6_pvt.h"

EVS_INLINE uint8_t *at(struct rte_mbuf *m, uint32_t ofs)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, ofs);
}

/* The masked writes; each returns its delta. */
EVS_INLINE uint64_t set32(uint8_t *p, uint32_t value, uint32_t mask)
{
	uint32_t old = pkt_ld32(p), new = (old & ~mask) | (value & mask);
	pkt_st32(p, new);
	return (uint64_t)(uint32_t)~old + new;
}

EVS_INLINE uint64_t set16(uint8_t *p, uint16_t value, uint16_t mask)
{
	uint16_t old = pkt_ld16(p), new = (uint16_t)((old & ~mask) | (value & mask));
	pkt_st16(p, new);
	return (uint64_t)(uint16_t)~old + new;
}

EVS_INLINE uint64_t set128(uint8_t *p, const uint8_t *value, const uint8_t *mask)
{
	uint64_t delta = 0;
	for (unsigned i = 0; i < 16; i += 4)
		delta += set32(p + i, pkt_ld32(value + i), pkt_ld32(mask + i));
	return delta;
}

EVS_INLINE uint64_t set_mac(uint8_t *p, const uint8_t *value, const uint8_t *mask)
{
	return set32(p, pkt_ld32(value), pkt_ld32(mask)) +
	       set16(p + 4, pkt_ld16(value + 4), pkt_ld16(mask + 4));
}

/* One byte, as the word of the sum that it lies in: `high` if at an even offset. */
EVS_INLINE uint64_t set8(uint8_t *p, uint8_t value, uint8_t mask, bool high)
{
	uint8_t old = *p, new = (uint8_t)((old & ~mask) | (value & mask));
	*p = new;
	unsigned shift = high ? 0 : 8; /* of the word in memory, least significant byte first */
	return (uint64_t)(uint16_t) ~(old << shift) + (uint16_t)(new << shift);
}

/* The L4 header and how its checksum is kept. */
struct l4_info {
	uint32_t ofs;  /* 0: none */
	uint32_t csum; /* offset of the checksum field in the frame, 0: nothing to keep */
	uint8_t proto;
	bool is_partial; /* the field holds a pseudo-header sum for the sender to complete */
	bool is_fragment;
	bool routing_left;
	uint32_t proto_ofs; /* of the byte that names the protocol */
};

/* Do ol_flags request a checksum of the L4 header at l4? */
static bool is_partial(const struct rte_mbuf *m, uint32_t l4)
{
	return evs_unlikely(m->ol_flags & PKT_TX_REQUEST) && m->l2_len + m->l3_len == l4;
}

static uint32_t csum_place(uint8_t proto)
{
	switch (proto) {
	case PKT_IP_TCP:
		return 16;
	case PKT_IP_UDP:
		return 6;
	case PKT_IP_SCTP:
		return 8;
	default:
		return 2; /* ICMP, ICMPv6 */
	}
}

static void find_ipv6_l4(struct rte_mbuf *m, const struct pkt_offsets *ofs, struct l4_info *l4)
{
	struct pkt_frame f;
	struct pkt_ipv6_walk walk;
	pkt_frame_init(&f, m);
	f.end = EVS_MIN(f.end, (uint32_t)ofs->l3 + ofs->l3_len);
	pkt_ipv6_walk(&f, ofs->l3, &walk);
	l4->proto = walk.proto;
	l4->proto_ofs = walk.proto_ofs;
	l4->is_fragment = walk.frag != 0;
	l4->routing_left = walk.routing_left;
}

/* Fills l4 for the IP packet at ofs->l3 and pulls its header, if there is one, together. */
static int find_l4(struct rte_mbuf *m, const struct pkt_offsets *ofs, struct l4_info *l4)
{
	*l4 = (struct l4_info){0};
	if (ofs->l3 == 0)
		return -EINVAL;
	int err = pkt_pull(m, ofs->l3 + PKT_IPV4_SIZE);
	if (evs_unlikely(err))
		return err;
	const uint8_t *p = at(m, ofs->l3);
	bool is_ipv6 = p[0] >> 4 == 6;
	if (evs_likely(p[0] >> 4 == 4)) {
		l4->proto = p[9];
		l4->proto_ofs = ofs->l3 + 9u;
		l4->is_fragment = (pkt_ld16(p + 6) & RTE_BE16(PKT_IPV4_MF | PKT_IPV4_FRAGOFS)) != 0;
	} else if (is_ipv6) {
		err = pkt_pull(m, ofs->l3 + PKT_IPV6_SIZE);
		if (evs_unlikely(err))
			return err;
		find_ipv6_l4(m, ofs, l4);
		err = pkt_pull(m, l4->proto_ofs + 1);
		if (evs_unlikely(err))
			return err;
	} else {
		return -EINVAL;
	}
	if (ofs->l4 == 0)
		return 0;
	uint32_t size = pkt_l4_min_size(l4->proto, is_ipv6);
	if (size == 0)
		return 0;
	err = pkt_pull(m, ofs->l4 + size);
	if (evs_unlikely(err))
		return err;
	l4->ofs = ofs->l4;
	l4->csum = ofs->l4 + csum_place(l4->proto);
	l4->is_partial = is_partial(m, ofs->l4);
	return 0;
}

/* Adds the delta of bytes that the checksum covers. Not for SCTP. */
static void csum_apply(struct rte_mbuf *m, const struct l4_info *l4, uint64_t delta)
{
	uint8_t *p = at(m, l4->csum);
	uint16_t csum = pkt_ld16(p);
	if (l4->proto == PKT_IP_UDP && csum == 0)
		return;
	csum = (uint16_t)~pkt_csum_fold((uint64_t)(uint16_t)~csum + delta);
	if (l4->proto == PKT_IP_UDP && csum == 0)
		csum = 0xffff;
	pkt_st16(p, csum);
}

/* Addresses or protocol changed by delta. */
static void csum_pseudo(struct rte_mbuf *m, const struct l4_info *l4, uint64_t delta)
{
	if (l4->ofs == 0 || l4->proto == PKT_IP_SCTP || l4->proto == PKT_IP_ICMP)
		return;
	if (evs_unlikely(l4->is_partial)) {
		uint8_t *p = at(m, l4->csum);
		pkt_st16(p, pkt_csum_fold((uint64_t)pkt_ld16(p) + delta));
		return;
	}
	csum_apply(m, l4, delta);
}

/* Bytes of the L4 header changed by delta. A partial checksum is summed later. */
static void csum_header(struct rte_mbuf *m, const struct pkt_offsets *ofs, const struct l4_info *l4,
                        uint64_t delta)
{
	if (l4->is_partial)
		return;
	if (l4->proto == PKT_IP_SCTP) {
		uint32_t size = ofs->l3 + (uint32_t)ofs->l3_len - l4->ofs;
		pkt_st32(at(m, l4->csum), pkt_csum_crc32c_mbuf(m, l4->ofs, size, 8));
		return;
	}
	csum_apply(m, l4, delta);
}

int pkt_edit_eth(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_eth *set)
{
	int err = pkt_pull(m, PKT_ETH_SIZE);
	if (evs_unlikely(err))
		return err;
	uint8_t *p = at(m, 0);
	for (unsigned i = 0; i < 12; i += 4)
		set32(p + i, pkt_ld32(set->value + i), pkt_ld32(set->mask + i));
	if (evs_likely(!set->mask[12]))
		return 0;
	return pkt_set_eth_type(m, pkt_ld16(set->value + 12));
}

int pkt_edit_vlan(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_set_vlan *set)
{
	int err = pkt_pull(m, 12 + PKT_VLAN_SIZE);
	if (evs_unlikely(err))
		return err;
	set16(at(m, 12), set->value.tpid, set->mask.tpid);
	set16(at(m, 14), set->value.tci, set->mask.tci & ~RTE_BE16(PKT_VLAN_PRESENT));
	return 0;
}

static int edit_ipv4(struct rte_mbuf *m, const struct pkt_offsets *ofs,
                     const struct pkt_set_ipv4 *set)
{
	struct l4_info l4;
	int err = find_l4(m, ofs, &l4);
	if (evs_unlikely(err))
		return err;
	uint8_t *p = at(m, ofs->l3);
	if (evs_unlikely(p[0] >> 4 != 4))
		return -EINVAL;
	uint64_t delta = set32(p + 12, set->src, set->src_mask);
	delta += set32(p + 16, set->dst, set->dst_mask);
	delta += set8(p + 9, set->proto, set->proto_mask, false);
	csum_pseudo(m, &l4, delta);
	delta += set8(p + 1, set->tos, set->tos_mask, false);
	delta += set8(p + 8, set->ttl, set->ttl_mask, true);
	pkt_st16(p + 10, (uint16_t)~pkt_csum_fold((uint16_t)~pkt_ld16(p + 10) + delta));
	return 0;
}

static int edit_ipv6(struct rte_mbuf *m, const struct pkt_offsets *ofs,
                     const struct pkt_set_ipv6 *set)
{
	struct l4_info l4;
	int err = find_l4(m, ofs, &l4);
	if (evs_unlikely(err))
		return err;
	uint8_t *p = at(m, ofs->l3);
	if (evs_unlikely(p[0] >> 4 != 6))
		return -EINVAL;
	uint64_t delta = set128(p + 8, set->src, set->src_mask);
	uint64_t dst_delta = set128(p + 24, set->dst, set->dst_mask);
	if (evs_likely(!l4.routing_left))
		delta += dst_delta;
	delta += set8(at(m, l4.proto_ofs), set->proto, set->proto_mask, false);
	csum_pseudo(m, &l4, delta);
	uint32_t word = rte_cpu_to_be_32((uint32_t)set->tc << 20);
	uint32_t mask = rte_cpu_to_be_32((uint32_t)set->tc_mask << 20);
	const uint32_t flabel = RTE_BE32(0x000fffff);
	set32(p, word | (set->flabel & flabel), mask | (set->flabel_mask & flabel));
	set8(p + 7, set->hlimit, set->hlimit_mask, false);
	return 0;
}

static bool has_ports(const uint8_t *p, const struct pkt_set_l4 *set)
{
	return !((pkt_ld16(p) ^ set->src) & set->src_mask) &&
	       !((pkt_ld16(p + 2) ^ set->dst) & set->dst_mask);
}

static int edit_l4(struct rte_mbuf *m, const struct pkt_offsets *ofs, const struct pkt_set_l4 *set)
{
	struct l4_info l4;
	int err = find_l4(m, ofs, &l4);
	if (evs_unlikely(err))
		return err;
	bool is_sctp = l4.proto == PKT_IP_SCTP;
	if (l4.ofs == 0 || (l4.proto != PKT_IP_TCP && l4.proto != PKT_IP_UDP && !is_sctp))
		return -EINVAL;
	/* The CRC of a fragment's whole message can not be known here. */
	if (evs_unlikely(is_sctp && l4.is_fragment))
		return has_ports(at(m, l4.ofs), set) ? 0 : -ENOTSUP;
	uint64_t delta = set16(at(m, l4.ofs), set->src, set->src_mask);
	delta += set16(at(m, l4.ofs + 2), set->dst, set->dst_mask);
	csum_header(m, ofs, &l4, delta);
	return 0;
}

static int edit_icmp(struct rte_mbuf *m, const struct pkt_offsets *ofs,
                     const struct pkt_set_icmp *set)
{
	struct l4_info l4;
	int err = find_l4(m, ofs, &l4);
	if (evs_unlikely(err))
		return err;
	if (l4.ofs == 0 || (l4.proto != PKT_IP_ICMP && l4.proto != PKT_IP_ICMPV6))
		return -EINVAL;
	uint64_t delta = set8(at(m, l4.ofs), set->type, set->type_mask, true);
	delta += set8(at(m, l4.ofs + 1), set->code, set->code_mask, false);
	csum_header(m, ofs, &l4, delta);
	return 0;
}

static int edit_arp(struct rte_mbuf *m, const struct pkt_offsets *ofs,
                    const struct pkt_set_arp *set)
{
	static const uint8_t ethernet_ipv4[6] = {0, 1, 8, 0, 6, 4};
	if (ofs->l3 == 0)
		return -EINVAL;
	int err = pkt_pull(m, ofs->l3 + PKT_ARP_SIZE);
	if (evs_unlikely(err))
		return err;
	uint8_t *p = at(m, ofs->l3);
	if (memcmp(p, ethernet_ipv4, sizeof(ethernet_ipv4)) != 0)
		return -EINVAL;
	set16(p + 6, set->op, set->op_mask);
	set_mac(p + 8, set->sha, set->sha_mask);
	set32(p + 14, set->spa, set->spa_mask);
	set_mac(p + 18, set->tha, set->tha_mask);
	set32(p + 24, set->tpa, set->tpa_mask);
	return 0;
}

/* Offsets of the first source and target link-layer address in the options (0: none), found as the
 * parser finds them, and the end of what is to be pulled. */
struct nd_options {
	uint32_t sll, tll, end;
};

static void find_nd_options(struct rte_mbuf *m, uint32_t l4, uint32_t end, struct nd_options *nd)
{
	struct pkt_frame f;
	uint32_t ofs = l4 + PKT_ND_SIZE;
	pkt_frame_init(&f, m);
	f.end = EVS_MIN(f.end, end);
	*nd = (struct nd_options){.end = ofs};
	for (unsigned i = 0; i < PKT_ND_OPTIONS_MAX; i++) {
		const uint8_t *p = pkt_frame_at(&f, ofs, 8);
		if (p == NULL || p[1] == 0 || ofs + p[1] * 8u > f.end)
			return;
		uint32_t *place = p[0] == PKT_ND_OPT_SLL   ? &nd->sll
		                  : p[0] == PKT_ND_OPT_TLL ? &nd->tll
		                                           : NULL;
		if (place != NULL && *place == 0 && p[1] == 1) {
			*place = ofs + 2;
			nd->end = ofs + 8;
		}
		ofs += p[1] * 8u;
	}
}

static int edit_nd(struct rte_mbuf *m, const struct pkt_offsets *ofs, const struct pkt_set_nd *set)
{
	struct l4_info l4;
	struct nd_options nd;
	int err = find_l4(m, ofs, &l4);
	if (evs_unlikely(err))
		return err;
	uint32_t end = ofs->l3 + (uint32_t)ofs->l3_len;
	if (l4.ofs == 0 || l4.proto != PKT_IP_ICMPV6 || l4.ofs + PKT_ND_SIZE > end)
		return -EINVAL;
	const uint8_t *p = at(m, l4.ofs);
	if (p[0] != PKT_ND_SOLICIT && p[0] != PKT_ND_ADVERT)
		return -EINVAL;
	find_nd_options(m, l4.ofs, end, &nd);
	err = pkt_pull(m, nd.end);
	if (evs_unlikely(err))
		return err;
	uint64_t delta = set128(at(m, l4.ofs + 8), set->target, set->target_mask);
	if (nd.sll)
		delta += set_mac(at(m, nd.sll), set->sll, set->sll_mask);
	if (nd.tll)
		delta += set_mac(at(m, nd.tll), set->tll, set->tll_mask);
	csum_header(m, ofs, &l4, delta);
	return 0;
}

/* A 32-bit header at l2_5 behind an ethertype. */
static int find_l2_5(struct rte_mbuf *m, const struct pkt_offsets *ofs, uint16_t *eth_type)
{
	if (ofs->l2_5 == 0)
		return -EINVAL;
	int err = pkt_pull(m, ofs->l2_5 + 4);
	if (err == 0)
		*eth_type = pkt_be16(at(m, ofs->l2_5 - 2u));
	return err;
}

static int edit_mpls(struct rte_mbuf *m, const struct pkt_offsets *ofs,
                     const struct pkt_set_mpls *set)
{
	uint16_t type;
	int err = find_l2_5(m, ofs, &type);
	if (evs_unlikely(err))
		return err;
	if (!pkt_eth_is_mpls(type))
		return -EINVAL;
	set32(at(m, ofs->l2_5), set->lse, set->mask);
	return 0;
}

static int edit_pbb(struct rte_mbuf *m, const struct pkt_offsets *ofs,
                    const struct pkt_set_pbb *set)
{
	uint16_t type;
	int err = find_l2_5(m, ofs, &type);
	if (evs_unlikely(err))
		return err;
	if (type != PKT_ETH_PBB)
		return -EINVAL;
	set32(at(m, ofs->l2_5), set->itag, set->mask);
	return 0;
}

static EVS_COLD bool any(const uint8_t *p, unsigned n)
{
	uint8_t bits = 0;

	for (unsigned i = 0; i < n; i++)
		bits |= p[i];
	return bits;
}

/* A header that a frame lacks reads as zeroes in its key. So whoever looked there sees that an edit
 * to zeroes changes nothing, and leaves it out; it comes to the same if nobody looked. */
#define EDIT(name, values)                                                                         \
	int pkt_edit_##name(struct rte_mbuf *m, struct pkt_offsets *ofs,                           \
	                    const struct pkt_set_##name *set)                                      \
	{                                                                                          \
		int err = edit_##name(m, ofs, set);                                                \
		if (evs_likely(err != -EINVAL))                                                    \
			return err;                                                                \
		return (values) ? err : 0;                                                         \
	}

EDIT(ipv4, set->src || set->dst || set->tos || set->ttl || set->proto)
EDIT(ipv6,
     any(set->src, 16) || any(set->dst, 16) || set->flabel || set->tc || set->hlimit || set->proto)
EDIT(l4, set->src || set->dst)
EDIT(icmp, set->type || set->code)
EDIT(arp, set->op || set->spa || set->tpa || any(set->sha, 6) || any(set->tha, 6))
EDIT(nd, any(set->target, 16) || any(set->sll, 6) || any(set->tll, 6))
EDIT(mpls, set->lse)
EDIT(pbb, set->itag)
