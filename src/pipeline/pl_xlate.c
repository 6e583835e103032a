/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation: begin and end, looking and writing, output, bridges.
 * Threads: as pl_xlate_pvt.h.
 */
#include "pipeline/pl_xlate_pvt.h"

#include "pipeline/pl_of_pvt.h"
#include "pipeline/pl_trace_pvt.h"
#include "pipeline/pl_underlay_pvt.h"

void pl_look_mask(struct pl_xlate *x, const struct flow_key *mask)
{
	const uint64_t *m = (const uint64_t *)mask, *fixed = (const uint64_t *)&x->pkt.fixed;
	uint64_t *wc = (uint64_t *)&x->wc;

	for (unsigned i = 0; i < FLOW_KEY_N_U64; i++)
		wc[i] |= m[i] & ~fixed[i];
}

/* Bytes that several protocols share belong to one group: a rule of another protocol differs in
 * eth_type already. */
uint32_t pl_group_of(size_t ofs)
{
	const size_t ext = offsetof(struct flow_key, pkt.ext);

	if (ofs >= offsetof(struct flow_key, regs))
		return FLOW_REWRITTEN_PIPE;
	if (ofs >= ext + offsetof(struct pkt_key_ext, tmd))
		return FLOW_REWRITTEN_TUN;
	if (ofs >= ext + offsetof(struct pkt_key_ext, ct))
		return FLOW_REWRITTEN_CT;
	if (ofs >= ext + offsetof(struct pkt_key_ext, tun))
		return FLOW_REWRITTEN_TUN;
	if (ofs >= ext + offsetof(struct pkt_key_ipv6, nd_target))
		return ofs < ext + offsetof(struct pkt_key_ipv6, flabel) ||
		                       ofs >= ext + offsetof(struct pkt_key_ipv6, nd_sll)
		               ? FLOW_REWRITTEN_L4
		               : FLOW_REWRITTEN_L3;
	if (ofs >= ext)
		return FLOW_REWRITTEN_L3;
	if (ofs < offsetof(struct flow_key, pkt.base.vlan))
		return FLOW_REWRITTEN_ETH;
	if (ofs < offsetof(struct flow_key, pkt.base.ip_proto))
		return FLOW_REWRITTEN_VLAN;
	return ofs >= offsetof(struct flow_key, pkt.base.tp_src) &&
	                       ofs < offsetof(struct flow_key, pkt.base.ip_ttl)
	               ? FLOW_REWRITTEN_L4
	               : FLOW_REWRITTEN_L3;
}

static void mark_rewritten(struct pl_xlate *x, size_t ofs, size_t size)
{
	for (size_t i = 0; i < size; i++)
		x->pkt.rewritten |= pl_group_of(ofs + i);
}

void pl_write(struct pl_xlate *x, size_t ofs, size_t size, const void *value, const void *mask)
{
	uint8_t *key = (uint8_t *)&x->pkt.key + ofs, *fixed = (uint8_t *)&x->pkt.fixed + ofs;
	uint8_t *dirty = (uint8_t *)&x->pkt.dirty + ofs;
	const uint8_t *v = value, *m = mask;

	for (size_t i = 0; i < size; i++) {
		uint8_t bits = m ? m[i] : 0xff;

		key[i] = (uint8_t)((key[i] & ~bits) | (v[i] & bits));
		fixed[i] |= bits;
		dirty[i] |= bits;
	}
	x->pkt.any_fixed = x->pkt.any_dirty = true;
	mark_rewritten(x, ofs, size);
}

void pl_define(struct pl_xlate *x, size_t ofs, size_t size)
{
	memset((uint8_t *)&x->pkt.fixed + ofs, 0xff, size);
	memset((uint8_t *)&x->pkt.dirty + ofs, 0, size);
	x->pkt.any_fixed = true;
	mark_rewritten(x, ofs, size);
}

struct flow_ref *pl_ref_add(struct pl_xlate *x, enum flow_ref_kind kind, const void *obj,
                            uint64_t arg)
{
	struct flow_xlate *out = x->out;
	struct flow_ref *ref;

	if (kind != FLOW_REF_RULE && (kind != FLOW_REF_GROUP || arg == UINT32_MAX)) {
		for (uint32_t i = 0; i < out->n_refs; i++)
			if (out->refs[i].obj == obj && out->refs[i].arg == arg &&
			    out->refs[i].kind == kind)
				return &out->refs[i];
	}
	/* too many to name: any change at all ends this flow */
	if (out->n_refs == FLOW_REFS_MAX - 1) {
		kind = FLOW_REF_BRIDGE;
		obj = x->snap->bridge;
	}
	if (out->n_refs == FLOW_REFS_MAX)
		return &out->refs[FLOW_REFS_MAX - 1];
	ref = &out->refs[out->n_refs++];
	*ref = (struct flow_ref){.obj = (void *)obj, .arg = arg, .kind = kind};
	if (out->n_refs == FLOW_REFS_MAX)
		ref->flags = PL_REF_ANY;
	return ref;
}

void pl_xlate_fail(struct pl_xlate *x, enum pkt_drop reason)
{
	if (!x->failed)
		x->reason = reason;
	x->failed = true;
}

bool pl_xlate_step(struct pl_xlate *x)
{
	if (++x->n_steps > PL_MAX_STEPS)
		pl_xlate_fail(x, PKT_DROP_RECURSION);
	return !x->failed;
}

/* Copies */

void pl_copy_begin(struct pl_xlate *x, struct pl_copy *copy)
{
	pl_commit_edits(x); /* edits that are due are made once, for the copy and what follows */
	copy->pkt = x->pkt;
	copy->snap = x->snap;
	copy->in = x->in;
	copy->set = x->set;
	copy->cookie = x->cookie;
	copy->table = x->table;
	copy->is_miss = x->is_miss;
	copy->in_set = x->in_set;
	copy->n_edits = x->n_edits;
	copy->mark = flow_prog_clone_begin(&x->out->prog);
}

/* A copy that was not changed needs not be one: its ops move into the row. */
static void copy_unwrap(struct flow_prog_builder *prog, uint32_t mark)
{
	memmove(prog->ops + mark, prog->ops + mark + sizeof(struct flow_op),
	        prog->size - mark - sizeof(struct flow_op));
	prog->size -= sizeof(struct flow_op);
}

void pl_copy_end(struct pl_xlate *x, struct pl_copy *copy)
{
	struct flow_prog_builder *prog = &x->out->prog;
	uint32_t mark = copy->mark;

	flow_prog_clone_end(prog, mark);
	if (!prog->overflow &&
	    (x->n_edits == copy->n_edits || prog->size == mark + sizeof(struct flow_op)))
		copy_unwrap(prog, mark);
	x->pkt = copy->pkt;
	x->snap = copy->snap;
	x->in = copy->in;
	x->set = copy->set;
	x->cookie = copy->cookie;
	x->table = copy->table;
	x->is_miss = copy->is_miss;
	x->in_set = copy->in_set;
	x->stopped = false;
}

void pl_xlate_classify(struct pl_xlate *x, const struct pl_snap *snap)
{
	if (snap->config.drop_fragments && x->pkt.key.pkt.base.frag) {
		PL_TRACE(x, "a fragment: dropped");
		x->reason = PKT_DROP_RX_FRAGMENT;
		return;
	}
	if (evs_unlikely(snap->config.is_alone)) {
		PL_TRACE(x, "no controller answers, the bridge stands alone");
		pl_normal(x);
		return;
	}
	pl_xlate_table(x, 0);
}

/* Output */

static void cross(struct pl_xlate *x, const struct pl_view *view)
{
	const struct pl_snap *snap;
	const struct pl_view *in;
	struct pl_copy copy;

	snap = view->peer ? pl_snap_get(view->peer) : NULL;
	in = snap ? pl_snap_port(snap, view->peer_ofport) : NULL;
	if (!in || (view->flags & (PL_PORT_DOWN | PL_PORT_NO_FWD)) ||
	    (in->flags & (PL_PORT_DOWN | PL_PORT_NO_RECV))) {
		x->reason = PKT_DROP_TX_PORT_DOWN;
		return;
	}
	if (x->depth >= PL_MAX_DEPTH) {
		pl_xlate_fail(x, PKT_DROP_RECURSION);
		return;
	}
	x->depth++;
	pl_copy_begin(x, &copy);
	pl_ref_add(x, FLOW_REF_PORT, in->port, in->index)->flags |= PL_REF_STATE;
	pl_xlate_enter(x, snap, in);
	pl_xlate_classify(x, snap);
	pl_copy_end(x, &copy);
	x->depth--;
}

void pl_xlate_output(struct pl_xlate *x, const struct pl_view *view, bool flood)
{
	if (x->failed)
		return;
	if (view->index == PKT_PORT_NONE) {
		pl_ref_add(x, FLOW_REF_PORT, view->port, view->index)->flags |= PL_REF_STATE;
		cross(x, view);
		return;
	}
	if (view->tunnel) {
		pl_tunnel_output(x, view);
		return;
	}
	if (view->ofport == PL_OFPORT_LOCAL && pl_own_packet(x, true))
		return;
	if (!flood)
		pl_ref_add(x, FLOW_REF_PORT, view->port, view->index);
	pl_commit_edits(x);
	flow_prog_add(&x->out->prog, FLOW_OP_OUTPUT, view->index);
	x->n_out++;
}

/* Begin and end */

void pl_xlate_init(struct pl_xlate *x, struct flow_xlate *out, const struct pkt_key_base *base,
                   const struct pkt_key_ext *ext)
{
	struct pkt_key *key = &x->pkt.key.pkt;

	memset(x, 0, sizeof(*x));
	x->out = out;
	x->reason = PKT_DROP_NO_OUTPUT;
	x->version = evs_load_acquire(&pl_version);
	out->n_refs = 0;
	out->cacheable = true;
	flow_prog_builder_init(&out->prog);
	key->base = *base;
	key->base.holder = 0;
	if (base->lines & PKT_LINE_IPV6)
		key->ext.ipv6 = ext->ipv6;
	if (base->lines & PKT_LINE_TUN)
		key->ext.tun = ext->tun;
	if (base->lines & PKT_LINE_CT)
		key->ext.ct = ext->ct;
	if (base->lines & PKT_LINE_TMD)
		key->ext.tmd = ext->tmd;
	x->in_index = base->in_port;
	memset(&x->pkt.fixed.regs, 0xff, sizeof(struct flow_key) - offsetof(struct flow_key, regs));
	pl_tags_init(&x->pkt);
	x->pkt.base = x->pkt.key;
	PL_LOOK(x, pkt.base.in_port);
	PL_LOOK(x, pkt.base.recirc_id);
	PL_LOOK(x, pkt.base.lines);
	PL_LOOK(x, pkt.base.frag);
	PL_LOOK(x, pkt.base.eth_type);
}

/* Into a bridge: what the pipeline adds to the packet starts anew. */
void pl_xlate_enter(struct pl_xlate *x, const struct pl_snap *snap, const struct pl_view *in)
{
	struct flow_key *key = &x->pkt.key;

	if (x->snap)
		x->pkt.rewritten |= FLOW_REWRITTEN_PIPE;
	x->snap = snap;
	x->in = in;
	x->cookie = UINT64_MAX;
	x->is_miss = x->in_set = false;
	memset(key->regs, 0, sizeof(key->regs));
	memset(&key->pipe, 0, sizeof(key->pipe));
	key->pipe.in_port = in ? rte_cpu_to_be_32(in->ofport) : 0;
	key->pipe.in_phy_port = key->pipe.in_port;
}

/* A loop between bridges has more references than anybody can count: any change ends the flow. */
static void drop_whole(struct pl_xlate *x)
{
	struct flow_xlate *out = x->out;

	flow_prog_builder_init(&out->prog);
	flow_prog_add(&out->prog, FLOW_OP_DROP, x->reason);
	if (x->reason == PKT_DROP_RECURSION && x->snap) {
		out->n_refs = 0;
		pl_ref_add(x, FLOW_REF_BRIDGE, x->snap->bridge, 0)->flags |= PL_REF_ANY;
	}
}

/* If nothing follows the last copy, the packet itself will do. */
static void unwrap_last(struct flow_prog_builder *prog)
{
	const struct flow_op *last = NULL;

	FLOW_OP_FOREACH (op, prog->ops, prog->size)
		last = op;
	if (last && last->kind == FLOW_OP_CLONE)
		copy_unwrap(prog, (uint32_t)((const uint8_t *)last - prog->ops));
}

void pl_xlate_finish(struct pl_xlate *x)
{
	struct flow_xlate *out = x->out;

	if (out->prog.overflow)
		pl_xlate_fail(x, PKT_DROP_RECURSION);
	if (x->failed)
		drop_whole(x);
	else if (!x->n_out)
		flow_prog_add(&out->prog, FLOW_OP_DROP, x->reason);
	else
		unwrap_last(&out->prog);
	memcpy(&out->mask, &x->wc.pkt, sizeof(out->mask));
	out->mask.base.holder = 0;
}

void pl_translate(unsigned worker, const struct pkt_burst *burst, unsigned i,
                  struct flow_xlate *out)
{
	const struct pkt_key_base *base = &burst->base[i];
	const struct pl_port *port = evs_load_acquire(&pl_port_map[base->in_port]);
	const struct pl_snap *snap = port ? pl_snap_get(port->bridge) : NULL;
	const struct pl_view *in = snap ? pl_snap_port(snap, port->ofport) : NULL;
	struct pl_xlate x;

	pl_xlate_init(&x, out, base, &burst->ext[i]);
	x.worker = worker;
	if (!in || in->port != port) {
		x.reason = PKT_DROP_NO_BRIDGE;
	} else if (in->flags & (PL_PORT_DOWN | PL_PORT_NO_RECV)) {
		x.reason = PKT_DROP_RX_PORT_DOWN;
		pl_xlate_enter(&x, snap, in);
		pl_ref_add(&x, FLOW_REF_PORT, port, port->index)->flags |= PL_REF_STATE;
	} else {
		pl_xlate_enter(&x, snap, in);
		if (in->tunnel && !base->recirc_id && !pl_tunnel_input(&x))
			x.reason = PKT_DROP_TUN_BAD_HEADER;
		else if (base->recirc_id)
			pl_xlate_thaw(&x, base->recirc_id);
		else
			pl_xlate_classify(&x, snap);
	}
	pl_xlate_finish(&x);
}
