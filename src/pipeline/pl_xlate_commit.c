/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commit: emits the pending edits as masked set ops, one per header.
 * Threads: as pl_xlate_pvt.h.
 *
 * A bit is set if it was written, and either differs from what the packet has there now, or the
 * packet may have anything there since nobody looked.
 */
#include <netinet/in.h>

#include "pipeline/pl_xlate_pvt.h"

/* Collects what is to be set at [ofs, ofs + size) of the key, a field, into value and mask, and
 * counts it as done. Returns whether there is anything. All written bits of the field or none, so
 * that programs differ less. */
static bool take(struct pl_xlate *x, size_t ofs, size_t size, void *value, void *mask)
{
	uint8_t *key = (uint8_t *)&x->pkt.key + ofs, *base = (uint8_t *)&x->pkt.base + ofs;
	uint8_t *dirty = (uint8_t *)&x->pkt.dirty + ofs, *wc = (uint8_t *)&x->wc + ofs;
	uint8_t *v = value, *m = mask, any = 0;

	for (size_t i = 0; i < size; i++)
		any |= dirty[i] & ((key[i] ^ base[i]) | (uint8_t)~wc[i]);
	for (size_t i = 0; i < size; i++) {
		m[i] = any ? dirty[i] : 0;
		v[i] = key[i] & m[i];
		base[i] = key[i];
		dirty[i] = 0;
	}
	return any;
}

#define TAKE(x, member, value, mask)                                                               \
	take((x), offsetof(struct flow_key, member), sizeof(((struct flow_key *)0)->member),       \
	     (value), (mask))

static void *emit(struct pl_xlate *x, enum flow_op_kind kind, const void *payload, size_t size)
{
	struct flow_op *op = flow_prog_add(&x->out->prog, kind, 0);

	memcpy(op->payload, payload, size);
	x->n_edits++;
	return op->payload;
}

static void commit_eth(struct pl_xlate *x)
{
	struct pkt_set_eth set = {0};
	bool any = TAKE(x, pkt.base.eth_dst, set.value, set.mask);

	any |= TAKE(x, pkt.base.eth_src, set.value + 6, set.mask + 6);
	if (any)
		emit(x, FLOW_OP_SET_ETH, &set, sizeof(set));
}

static void commit_ipv4(struct pl_xlate *x)
{
	struct pkt_set_ipv4 set = {0};
	bool any = TAKE(x, pkt.base.ip_src, &set.src, &set.src_mask);

	any |= TAKE(x, pkt.base.ip_dst, &set.dst, &set.dst_mask);
	any |= TAKE(x, pkt.base.ip_tos, &set.tos, &set.tos_mask);
	any |= TAKE(x, pkt.base.ip_ttl, &set.ttl, &set.ttl_mask);
	any |= TAKE(x, pkt.base.ip_proto, &set.proto, &set.proto_mask);
	if (any)
		emit(x, FLOW_OP_SET_IPV4, &set, sizeof(set));
}

static void commit_ipv6(struct pl_xlate *x)
{
	struct pkt_set_ipv6 set = {0};
	bool any = TAKE(x, pkt.ext.ipv6.src, set.src, set.src_mask);

	any |= TAKE(x, pkt.ext.ipv6.dst, set.dst, set.dst_mask);
	any |= TAKE(x, pkt.ext.ipv6.flabel, &set.flabel, &set.flabel_mask);
	any |= TAKE(x, pkt.base.ip_tos, &set.tc, &set.tc_mask);
	any |= TAKE(x, pkt.base.ip_ttl, &set.hlimit, &set.hlimit_mask);
	any |= TAKE(x, pkt.base.ip_proto, &set.proto, &set.proto_mask);
	if (any)
		emit(x, FLOW_OP_SET_IPV6, &set, sizeof(set));
}

static void commit_arp(struct pl_xlate *x)
{
	struct pkt_set_arp set = {0};
	bool any = TAKE(x, pkt.base.arp_spa, &set.spa, &set.spa_mask);

	any |= TAKE(x, pkt.base.arp_tpa, &set.tpa, &set.tpa_mask);
	any |= TAKE(x, pkt.base.arp_sha, set.sha, set.sha_mask);
	any |= TAKE(x, pkt.base.arp_tha, set.tha, set.tha_mask);
	any |= TAKE(x, pkt.base.arp_op, &set.op, &set.op_mask);
	if (any)
		emit(x, FLOW_OP_SET_ARP, &set, sizeof(set));
}

static void commit_mpls(struct pl_xlate *x)
{
	struct pkt_set_mpls set = {0};

	if (TAKE(x, pkt.base.mpls_lse[0], &set.lse, &set.mask))
		emit(x, FLOW_OP_SET_MPLS, &set, sizeof(set));
}

static void commit_pbb(struct pl_xlate *x)
{
	struct pkt_set_pbb set = {0};

	if (TAKE(x, pkt.base.pbb_isid, &set.itag, &set.mask))
		emit(x, FLOW_OP_SET_PBB, &set, sizeof(set));
}

static void commit_ports(struct pl_xlate *x)
{
	struct pkt_set_l4 set = {0};
	bool any = TAKE(x, pkt.base.tp_src, &set.src, &set.src_mask);

	any |= TAKE(x, pkt.base.tp_dst, &set.dst, &set.dst_mask);
	if (any)
		emit(x, FLOW_OP_SET_L4, &set, sizeof(set));
}

/* Type and code stand in the low bytes of the port fields. */
static void commit_icmp(struct pl_xlate *x)
{
	const size_t type = offsetof(struct flow_key, pkt.base.tp_src) + 1;
	const size_t code = offsetof(struct flow_key, pkt.base.tp_dst) + 1;
	struct pkt_set_icmp set = {0};
	bool any = take(x, type, 1, &set.type, &set.type_mask);

	any |= take(x, code, 1, &set.code, &set.code_mask);
	if (any)
		emit(x, FLOW_OP_SET_ICMP, &set, sizeof(set));
}

static void commit_nd(struct pl_xlate *x)
{
	struct pkt_set_nd set = {0};
	bool any = TAKE(x, pkt.ext.ipv6.nd_target, set.target, set.target_mask);

	any |= TAKE(x, pkt.ext.ipv6.nd_sll, set.sll, set.sll_mask);
	any |= TAKE(x, pkt.ext.ipv6.nd_tll, set.tll, set.tll_mask);
	if (any)
		emit(x, FLOW_OP_SET_ND, &set, sizeof(set));
}

static void commit_l4(struct pl_xlate *x)
{
	const struct pkt_key_base *base = &x->pkt.key.pkt.base;

	if (base->frag & PKT_FRAG_LATER)
		return;
	switch (base->ip_proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		commit_ports(x);
		break;
	case IPPROTO_ICMP:
		commit_icmp(x);
		break;
	case IPPROTO_ICMPV6:
		commit_nd(x); /* before the type, which says how the rest is laid out */
		commit_icmp(x);
		break;
	}
}

static void commit_queue(struct pl_xlate *x)
{
	if (x->pkt.queue == x->pkt.base_queue)
		return;
	flow_prog_add(&x->out->prog, FLOW_OP_SET_QUEUE, x->pkt.queue);
	x->pkt.base_queue = x->pkt.queue;
	x->n_edits++;
}

void pl_commit_edits(struct pl_xlate *x)
{
	commit_queue(x);
	pl_tags_commit(x);
	if (!x->pkt.any_dirty)
		return;
	x->pkt.any_dirty = false;
	commit_eth(x);
	switch (rte_be_to_cpu_16(x->pkt.key.pkt.base.eth_type)) {
	case 0x0800:
		commit_l4(x); /* while the addresses are those its checksum was made with */
		commit_ipv4(x);
		break;
	case 0x86dd:
		commit_l4(x);
		commit_ipv6(x);
		break;
	case 0x0806:
	case 0x8035:
		commit_arp(x);
		break;
	case 0x8847:
	case 0x8848:
		commit_mpls(x);
		break;
	case 0x88e7:
		commit_pbb(x);
		break;
	}
}
