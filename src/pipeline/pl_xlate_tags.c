/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VLAN tags during translation: a stack, and the way from one stack to another.
 * Threads: as pl_xlate_pvt.h.
 */
#include "pipeline/pl_xlate_pvt.h"

#define TCI_MASK RTE_BE16(0xefff) /* without the place of DEI, which the key does not keep */

void pl_tags_push(struct pl_tags *tags, struct pkt_vlan tag)
{
	memmove(&tags->tag[1], &tags->tag[0], (PL_MAX_TAGS - 1) * sizeof(tags->tag[0]));
	tags->tag[0] = tag;
	tags->n++;
}

void pl_tags_pop(struct pl_tags *tags)
{
	memmove(&tags->tag[0], &tags->tag[1], (PL_MAX_TAGS - 1) * sizeof(tags->tag[0]));
	tags->tag[PL_MAX_TAGS - 1] = (struct pkt_vlan){0};
	tags->n--;
}

static bool is_tag_type(rte_be16_t eth_type)
{
	return eth_type == RTE_BE16(0x8100) || eth_type == RTE_BE16(0x88a8);
}

void pl_tags_init(struct pl_pkt *pkt)
{
	const struct pkt_key_base *base = &pkt->key.pkt.base;

	for (unsigned i = 0; i < PKT_N_VLANS; i++)
		if (base->vlan[i].tci & RTE_BE16(PKT_VLAN_PRESENT))
			pkt->tags.tag[pkt->tags.n++] = base->vlan[i];
	pkt->hidden_tag = is_tag_type(base->eth_type);
	pkt->base_tags = pkt->tags;
}

/* All tags are looked at, and from now on they are what the stack says. */
static void tags_know(struct pl_xlate *x)
{
	const size_t ofs = offsetof(struct flow_key, pkt.base.vlan);
	const size_t size = sizeof(x->pkt.key.pkt.base.vlan);

	if (x->pkt.tags_moved)
		return;
	pl_look(x, ofs, size);
	pl_define(x, ofs, size);
	x->pkt.tags_moved = true;
}

void pl_tags_set(struct pl_xlate *x, const struct pl_tags *want)
{
	if (pl_tags_equal(want, &x->pkt.tags))
		return;
	if (!x->pkt.tags_moved && x->pkt.any_dirty)
		pl_commit_edits(x); /* set-field of the outer tag, before the stack moves */
	tags_know(x);
	x->pkt.tags = *want;
	memcpy(x->pkt.key.pkt.base.vlan, want->tag, sizeof(x->pkt.key.pkt.base.vlan));
}

static void emit_set(struct pl_xlate *x, struct pkt_vlan value, struct pkt_vlan mask)
{
	struct flow_op *op = flow_prog_add(&x->out->prog, FLOW_OP_SET_VLAN, 0);
	struct pkt_set_vlan *set = (struct pkt_set_vlan *)op->payload;

	mask.tci &= TCI_MASK;
	set->mask = mask;
	set->value.tpid = value.tpid & mask.tpid;
	set->value.tci = value.tci & mask.tci;
	x->n_edits++;
}

static void emit_push(struct pl_xlate *x, struct pkt_vlan tag)
{
	struct flow_op *op = flow_prog_add(&x->out->prog, FLOW_OP_PUSH_VLAN, 0);

	((struct flow_op_push_vlan *)op->payload)->vlan = tag;
	x->n_edits++;
}

/* Set-fields of the outer tag of a packet whose stack is as it came. */
static void commit_outer(struct pl_xlate *x)
{
	struct pkt_vlan *key = &x->pkt.key.pkt.base.vlan[0], *base = &x->pkt.base.pkt.base.vlan[0];
	struct pkt_vlan *dirty = &x->pkt.dirty.pkt.base.vlan[0];
	const struct pkt_vlan *wc = &x->wc.pkt.base.vlan[0];
	struct pkt_vlan mask = {
	        .tci = dirty->tci & ((key->tci ^ base->tci) | ~wc->tci) & TCI_MASK,
	};

	if (mask.tci)
		emit_set(x, *key, mask);
	memset(dirty, 0, sizeof(*dirty));
	*base = *key;
	x->pkt.tags.tag[0] = *key;
	x->pkt.base_tags = x->pkt.tags;
}

void pl_tags_commit(struct pl_xlate *x)
{
	struct pl_tags *want = &x->pkt.tags, *have = &x->pkt.base_tags;
	uint32_t same = 0, n_pop, n_push;

	if (!x->pkt.tags_moved) {
		if (x->pkt.dirty.pkt.base.vlan[0].tci)
			commit_outer(x);
		return;
	}
	want->tag[0] = x->pkt.key.pkt.base.vlan[0]; /* set-field may have changed it */
	if (pl_tags_equal(want, have))
		return;
	while (same < want->n && same < have->n &&
	       !memcmp(&want->tag[want->n - 1 - same], &have->tag[have->n - 1 - same],
	               sizeof(want->tag[0])))
		same++;
	n_pop = have->n - same;
	n_push = want->n - same;
	for (; n_pop > 1 || (n_pop && !n_push); n_pop--, x->n_edits++)
		flow_prog_add(&x->out->prog, FLOW_OP_POP_VLAN, 0);
	if (n_pop) {
		struct pkt_vlan old = have->tag[have->n - 1 - same], new = want->tag[--n_push];

		emit_set(x, new, (struct pkt_vlan){old.tpid ^ new.tpid, old.tci ^ new.tci});
	}
	while (n_push)
		emit_push(x, want->tag[--n_push]);
	*have = *want;
	memset(x->pkt.dirty.pkt.base.vlan, 0, sizeof(x->pkt.dirty.pkt.base.vlan));
	memcpy(x->pkt.base.pkt.base.vlan, want->tag, sizeof(x->pkt.base.pkt.base.vlan));
}
