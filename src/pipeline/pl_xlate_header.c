/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation of set-field, push and pop (OpenFlow 1.3.5, section 5.12).
 * Threads: as pl_xlate_pvt.h.
 *
 * A pushed header starts as the specification says; the headers that it hides are gone from the
 * key. What a pop of a label or a backbone header brings to light was never parsed: the key is
 * stale from there on, and who needs it goes by RECIRC.
 */
#include <netinet/in.h>

#include "flow/flow_field.h"
#include "pipeline/pl_trace_pvt.h"
#include "pipeline/pl_xlate_pvt.h"

#define ETH_MPLS 0x8847
#define ETH_MCMP 0x8848
#define ETH_PBB  0x88e7

#define LSE_BOS      RTE_BE32(0x100)
#define LSE_TTL_MASK RTE_BE32(0xff)

static bool is_mpls(rte_be16_t eth_type)
{
	return eth_type == RTE_BE16(ETH_MPLS) || eth_type == RTE_BE16(ETH_MCMP);
}

static bool is_ip(rte_be16_t eth_type)
{
	return eth_type == RTE_BE16(0x0800) || eth_type == RTE_BE16(0x86dd);
}

static bool proto_is(struct pl_xlate *x, uint8_t proto)
{
	const struct pkt_key_base *base = &x->pkt.key.pkt.base;

	if (!is_ip(base->eth_type))
		return false;
	PL_LOOK(x, pkt.base.ip_proto);
	return base->ip_proto == proto && !(base->frag & PKT_FRAG_LATER);
}

static bool nd_is(struct pl_xlate *x, unsigned type)
{
	if (x->pkt.key.pkt.base.eth_type != RTE_BE16(0x86dd) || !proto_is(x, IPPROTO_ICMPV6))
		return false;
	PL_LOOK(x, pkt.base.tp_src);
	return x->pkt.key.pkt.base.tp_src == rte_cpu_to_be_16(type);
}

/* Whether the packet has what the field needs. Rules say so by their match, but the buckets of
 * groups and packet-outs have none. */
static bool has_prereq(struct pl_xlate *x, uint8_t prereq)
{
	const struct pkt_key_base *base = &x->pkt.key.pkt.base;

	switch (prereq) {
	case FLOW_PREREQ_VLAN:
		PL_LOOK(x, pkt.base.vlan[0].tci);
		return base->vlan[0].tci & RTE_BE16(PKT_VLAN_PRESENT);
	case FLOW_PREREQ_IP:
		return is_ip(base->eth_type);
	case FLOW_PREREQ_IPV4:
		return base->eth_type == RTE_BE16(0x0800);
	case FLOW_PREREQ_IPV6:
		return base->eth_type == RTE_BE16(0x86dd);
	case FLOW_PREREQ_ARP:
		return base->eth_type == RTE_BE16(0x0806) || base->eth_type == RTE_BE16(0x8035);
	case FLOW_PREREQ_TCP:
		return proto_is(x, IPPROTO_TCP);
	case FLOW_PREREQ_UDP:
		return proto_is(x, IPPROTO_UDP);
	case FLOW_PREREQ_SCTP:
		return proto_is(x, IPPROTO_SCTP);
	case FLOW_PREREQ_ICMPV4:
		return base->eth_type == RTE_BE16(0x0800) && proto_is(x, IPPROTO_ICMP);
	case FLOW_PREREQ_ICMPV6:
		return base->eth_type == RTE_BE16(0x86dd) && proto_is(x, IPPROTO_ICMPV6);
	case FLOW_PREREQ_ND:
		return nd_is(x, 135) || nd_is(x, 136);
	case FLOW_PREREQ_ND_SOL:
		return nd_is(x, 135);
	case FLOW_PREREQ_ND_ADV:
		return nd_is(x, 136);
	case FLOW_PREREQ_MPLS:
		return is_mpls(base->eth_type);
	case FLOW_PREREQ_PBB:
		return base->eth_type == RTE_BE16(ETH_PBB);
	default:
		return true;
	}
}

/* All that lies behind eth_type is what translation says from now on: nothing, at first. */
static void hide_payload(struct pl_xlate *x, uint16_t eth_type)
{
	const size_t from = offsetof(struct flow_key, pkt.base.ip_proto);
	const size_t to = offsetof(struct flow_key, pkt.base.holder);
	struct pkt_key *key = &x->pkt.key.pkt;

	memset((uint8_t *)&x->pkt.key + from, 0, to - from);
	memset(&key->ext.ipv6, 0, sizeof(key->ext.ipv6));
	key->base.eth_type = rte_cpu_to_be_16(eth_type);
	key->base.frag = 0;
	key->base.lines &= (uint8_t)~PKT_LINE_IPV6;
	pl_define(x, from, to - from);
	pl_define(x, offsetof(struct flow_key, pkt.ext.ipv6), sizeof(key->ext.ipv6));
	pl_define(x, offsetof(struct flow_key, pkt.base.eth_type), sizeof(key->base.eth_type));
	pl_define(x, offsetof(struct flow_key, pkt.base.frag), sizeof(key->base.frag));
	pl_define(x, offsetof(struct flow_key, pkt.base.lines), sizeof(key->base.lines));
}

/* After an op was emitted, the packet is what the key says. */
static void emitted(struct pl_xlate *x)
{
	x->pkt.base = x->pkt.key;
	x->n_edits++;
}

/* The bytes behind mean something else from now on. */
static void set_eth_type(struct pl_xlate *x, const struct of_action *action)
{
	rte_be16_t type;
	struct pkt_set_eth *set;

	memcpy(&type, action->value, sizeof(type));
	if (x->pkt.key.pkt.base.eth_type == type)
		return;
	pl_commit_edits(x);
	hide_payload(x, rte_be_to_cpu_16(type));
	set = (struct pkt_set_eth *)flow_prog_add(&x->out->prog, FLOW_OP_SET_ETH, 0)->payload;
	memcpy(set->value + 12, &type, sizeof(type));
	memset(set->mask + 12, 0xff, sizeof(type));
	x->pkt.stale = EVS_MAX(x->pkt.stale, (uint8_t)PL_STALE_L3);
	emitted(x);
}

/* Of a tunnel's address: IPv4 is written ::ffff:a.b.c.d. */
static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

void pl_set_field(struct pl_xlate *x, const struct of_action *action)
{
	const struct flow_field *field = &flow_fields[action->field];
	const uint8_t *mask = of_action_mask(action);
	uint8_t prereq = action->field == FLOW_FIELD_VLAN_VID ? FLOW_PREREQ_VLAN : field->prereq;

	if (!has_prereq(x, prereq)) {
		PL_TRACE(x, "set_field %s: the packet has no such header", field->name);
		return;
	}
	if (action->field == FLOW_FIELD_ETH_TYPE) {
		set_eth_type(x, action);
		return;
	}
	if (action->field == FLOW_FIELD_TUN_IPV4_SRC || action->field == FLOW_FIELD_TUN_IPV4_DST)
		pl_write(x, field->ofs - sizeof(v4_prefix), sizeof(v4_prefix), v4_prefix, NULL);
	flow_field_put_masked(field, &x->pkt.key, action->value, mask);
	flow_field_put_masked(field, &x->pkt.fixed, mask, mask);
	flow_field_put_masked(field, &x->pkt.dirty, mask, mask);
	x->pkt.any_fixed = x->pkt.any_dirty = true;
	for (unsigned i = 0; i < field->storage; i++)
		x->pkt.rewritten |= pl_group_of(field->ofs + i);
	if (action->field == FLOW_FIELD_VLAN_VID) /* a set-field does not take the tag away */
		x->pkt.key.pkt.base.vlan[0].tci |= RTE_BE16(PKT_VLAN_PRESENT);
}

/* VLAN */

static void sync_outer(struct pl_xlate *x)
{
	if (x->pkt.tags.n)
		x->pkt.tags.tag[0] = x->pkt.key.pkt.base.vlan[0];
}

void pl_push_vlan(struct pl_xlate *x, uint16_t tpid)
{
	struct pl_tags want;
	struct pkt_vlan tag;

	pl_commit_edits(x);
	sync_outer(x);
	want = x->pkt.tags;
	if (want.n == PL_MAX_TAGS) {
		pl_xlate_fail(x, PKT_DROP_BAD_ACTION);
		return;
	}
	tag.tpid = rte_cpu_to_be_16(tpid);
	tag.tci = want.tag[0].tci | RTE_BE16(PKT_VLAN_PRESENT);
	pl_tags_push(&want, tag);
	pl_tags_set(x, &want);
}

void pl_pop_vlan(struct pl_xlate *x)
{
	struct pl_tags want;

	PL_LOOK(x, pkt.base.vlan[0].tci);
	if (!x->pkt.tags.n) {
		PL_TRACE(x, "pop_vlan: there is no tag");
		return;
	}
	pl_commit_edits(x);
	sync_outer(x);
	want = x->pkt.tags;
	pl_tags_pop(&want);
	pl_tags_set(x, &want);
	if (x->pkt.hidden_tag && want.n < PKT_N_VLANS)
		x->pkt.stale = EVS_MAX(x->pkt.stale, (uint8_t)PL_STALE_TAGS);
}

/* Beyond layer 2 */

/* What a new entry takes from the packet; the rest is zero (section 5.12.1). */
static rte_be32_t first_label(struct pl_xlate *x)
{
	const struct pkt_key_base *base = &x->pkt.key.pkt.base;

	if (!is_ip(base->eth_type))
		return LSE_BOS;
	PL_LOOK(x, pkt.base.ip_ttl);
	return LSE_BOS | rte_cpu_to_be_32(base->ip_ttl);
}

void pl_push_mpls(struct pl_xlate *x, uint16_t eth_type)
{
	rte_be32_t lse[PKT_N_MPLS] = {0};
	struct pkt_key_base *base = &x->pkt.key.pkt.base;
	struct pkt_push_mpls *push;
	uint8_t n = 1;

	pl_commit_edits(x);
	if (is_mpls(base->eth_type)) {
		PL_LOOK(x, pkt.base.mpls_lse);
		PL_LOOK(x, pkt.base.n_mpls);
		n = (uint8_t)EVS_MIN(base->n_mpls + 1, PKT_N_MPLS);
		lse[0] = base->mpls_lse[0] & ~LSE_BOS;
		lse[1] = base->mpls_lse[0];
		lse[2] = base->mpls_lse[1];
	} else {
		lse[0] = first_label(x);
	}
	hide_payload(x, eth_type);
	memcpy(base->mpls_lse, lse, sizeof(lse));
	base->n_mpls = n;
	push = (struct pkt_push_mpls *)flow_prog_add(&x->out->prog, FLOW_OP_PUSH_MPLS, 0)->payload;
	push->lse = lse[0];
	push->eth_type = rte_cpu_to_be_16(eth_type);
	emitted(x);
}

void pl_pop_mpls(struct pl_xlate *x, uint16_t eth_type)
{
	rte_be32_t lse[PKT_N_MPLS] = {0};
	struct pkt_key_base *base = &x->pkt.key.pkt.base;
	struct flow_op_pop_mpls *pop;
	uint8_t n;

	if (!is_mpls(base->eth_type)) {
		PL_TRACE(x, "pop_mpls: there is no label");
		return;
	}
	pl_commit_edits(x);
	PL_LOOK(x, pkt.base.mpls_lse);
	PL_LOOK(x, pkt.base.n_mpls);
	n = base->n_mpls;
	lse[0] = base->mpls_lse[1];
	lse[1] = base->mpls_lse[2];
	hide_payload(x, eth_type);
	/* two labels are known and asked for: no need to look again */
	if (is_mpls(base->eth_type) && n == 2) {
		memcpy(base->mpls_lse, lse, sizeof(lse));
		base->n_mpls = 1;
	} else {
		x->pkt.stale = EVS_MAX(x->pkt.stale, (uint8_t)PL_STALE_L3);
	}
	pop = (struct flow_op_pop_mpls *)flow_prog_add(&x->out->prog, FLOW_OP_POP_MPLS, 0)->payload;
	pop->eth_type = rte_cpu_to_be_16(eth_type);
	emitted(x);
}

/* The frame with its tags goes behind the new header; priority bits come from its tag. */
void pl_push_pbb(struct pl_xlate *x)
{
	struct pkt_key_base *base = &x->pkt.key.pkt.base;
	struct flow_op_push_pbb *push;
	rte_be32_t itag = 0;
	bool again = base->eth_type == RTE_BE16(ETH_PBB);

	pl_commit_edits(x);
	if (again)
		PL_LOOK(x, pkt.base.pbb_isid);
	PL_LOOK(x, pkt.base.vlan);
	if (x->pkt.tags.n)
		itag = rte_cpu_to_be_32((uint32_t)(rte_be_to_cpu_16(base->vlan[0].tci) & 0xe000)
		                        << 16);
	if (again)
		itag |= base->pbb_isid;
	hide_payload(x, ETH_PBB);
	base->pbb_isid = itag & RTE_BE32(0xffffff);
	memset(base->vlan, 0, sizeof(base->vlan));
	pl_define(x, offsetof(struct flow_key, pkt.base.vlan), sizeof(base->vlan));
	memset(&x->pkt.tags, 0, sizeof(x->pkt.tags));
	x->pkt.base_tags = x->pkt.tags;
	x->pkt.tags_moved = true;
	x->pkt.hidden_tag = false;
	push = (struct flow_op_push_pbb *)flow_prog_add(&x->out->prog, FLOW_OP_PUSH_PBB, 0)
	               ->payload;
	push->itag = itag;
	emitted(x);
}

void pl_pop_pbb(struct pl_xlate *x)
{
	if (x->pkt.key.pkt.base.eth_type != RTE_BE16(ETH_PBB)) {
		PL_TRACE(x, "pop_pbb: there is no backbone header");
		return;
	}
	pl_commit_edits(x);
	hide_payload(x, 0);
	flow_prog_add(&x->out->prog, FLOW_OP_POP_PBB, 0);
	x->pkt.stale = PL_STALE_ALL;
	emitted(x);
}
