/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Execution of programs: a group of packets with one program goes through it op by op.
 * Threads: worker. Owner of packets: the group, until an op gives them away.
 *
 * Copies are references first: a packet that goes to one more receiver gets a higher reference
 * count, and whoever edits a packet that is shared makes its own copy before (pkt_make_writable).
 * The last receiver of a program gets the packet itself.
 */
#include "pkt/pkt_lent.h"
#include "pmd/pmd_out_pvt.h"
#include "pmd/pmd_tunnel_pvt.h"

EVS_INLINE const struct flow_op *op_next(const struct flow_op *op)
{
	return (const struct flow_op *)((const uint8_t *)op + op->size);
}

void pmd_exec_drop(struct pmd_worker *w, struct pmd_exec *x, uint32_t mask, enum pkt_drop reason)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < x->n; i++) {
		if (mask & UINT32_C(1) << i) {
			uint16_t in_port = w->burst.base[x->slot[i]].in_port;

			pmd_drop(w, pmd_view_of(w, in_port), &x->mbuf[i], 1, reason);
			continue;
		}
		x->mbuf[kept] = x->mbuf[i];
		x->ofs[kept] = x->ofs[i];
		x->slot[kept++] = x->slot[i];
	}
	x->n = (uint16_t)kept;
}

/* The whole group, which seldom comes from several ports. */
static EVS_HOT void drop_all(struct pmd_worker *w, struct pmd_exec *x, enum pkt_drop reason)
{
	const struct pkt_key_base *base = w->burst.base;
	uint16_t in_port = base[x->slot[0]].in_port;
	uint16_t differs = 0;

	for (unsigned i = 1; i < x->n; i++)
		differs |= base[x->slot[i]].in_port ^ in_port;
	if (evs_unlikely(differs)) {
		pmd_exec_drop(w, x, UINT32_MAX, reason);
		return;
	}
	pmd_drop(w, pmd_view_of(w, in_port), x->mbuf, x->n, reason);
	x->n = 0;
}

EVS_INLINE void share_one(struct rte_mbuf *m, unsigned refs)
{
	rte_mbuf_refcnt_update(m, (int16_t)refs);
	if (evs_likely(m->nb_segs == 1)) /* `next` is on another line */
		return;
	while ((m = m->next) != NULL)
		rte_mbuf_refcnt_update(m, (int16_t)refs);
}

/* Gives every packet of the group `refs` more owners. */
static EVS_HOT void share(struct pmd_worker *w, struct pmd_exec *x, unsigned refs)
{
	for (unsigned i = 0; i < x->n; i++)
		share_one(x->mbuf[i], refs);
	evs_counter_add(&w->account.copies, refs * x->n);
	x->given = true;
	x->is_private = false;
}

/* A row of outputs: one reference count update for all of them. Returns the op after the row. */
static EVS_HOT const struct flow_op *output(struct pmd_worker *w, struct pmd_exec *x,
                                            const struct flow_op *op, const struct flow_op *end)
{
	const struct flow_op *after = op;
	unsigned refs = 0;

	for (; after < end && after->kind == FLOW_OP_OUTPUT; after = op_next(after))
		refs++;
	if (after >= end)
		refs--;
	if (refs)
		share(w, x, refs);
	for (; op < after; op = op_next(op)) {
		struct pmd_view *v = pmd_view_of(w, op->arg);
		struct pmd_shaper *s = x->queue ? evs_load_acquire(&v->shaper) : NULL;

		if (evs_unlikely(s != NULL))
			pmd_out_queued(w, v, s, x);
		else
			pmd_out_append(w, v, x->mbuf, x->n);
	}
	if (after >= end)
		x->n = 0;
	return after;
}

/* Hands m to the control thread, or drops it. */
static void hand_over(struct pmd_worker *w, struct pmd_punt *punt, struct rte_mbuf *m)
{
	punt->mbuf = m;
	if (pmd_punt(w->id, punt))
		evs_counter_add(&w->account.punted, 1);
	else
		pmd_drop(w, pmd_view_of(w, punt->in_port), &m, 1, PKT_DROP_PUNT_FULL);
}

/* A controller gets bytes and gives bytes back, and what was asked of the sender is in neither. So
 * it gets frames as the wire would: checksums filled in, a large segment cut. */
static EVS_COLD void hand_over_frames(struct pmd_worker *w, struct pmd_punt *punt,
                                      struct rte_mbuf *m)
{
	struct rte_mbuf *pieces[PKT_OFFLOAD_MAX];
	int n = pkt_offload_prepare(m, PKT_TX_MULTI_SEG, m->pool, pieces, PKT_OFFLOAD_MAX);

	if (n <= 0) {
		pmd_drop(w, pmd_view_of(w, punt->in_port), &m, 1, pkt_offload_drop(n));
		return;
	}
	evs_counter_add(&w->account.copies, (unsigned)n - 1);
	for (int i = 0; i < n; i++) {
		punt->total_len = pieces[i]->pkt_len;
		hand_over(w, punt, pieces[i]);
	}
}

/* For the control thread: m itself to be prepared there, else as much of it as is asked for. */
static struct rte_mbuf *copy_for(struct rte_mbuf *m, bool whole, uint16_t max_len)
{
	if (!whole)
		return rte_pktmbuf_copy(m, m->pool, 0,
		                        max_len == UINT16_MAX ? UINT32_MAX : max_len);
	share_one(m, 1);
	return m;
}

/* Hands one packet, or a copy of it, to the control thread. What waits there is sent by it later,
 * with all that is asked of the sender. */
static void punt_one(struct pmd_worker *w, struct pmd_exec *x, unsigned i, const struct flow_op *op,
                     bool last)
{
	const struct flow_op_controller waits = {
	        .max_len = UINT16_MAX, .to_host = FLOW_TO_WAIT, .cookie = op->arg};
	const struct flow_op_controller *controller =
	        op->kind == FLOW_OP_WAIT ? &waits : (const void *)op->payload;
	const struct pkt_key_base *base = &w->burst.base[x->slot[i]];
	struct rte_mbuf *m = x->mbuf[i];
	struct pmd_punt punt = {.kind = PMD_PUNT_CONTROLLER,
	                        .in_port = base->in_port,
	                        .total_len = m->pkt_len,
	                        .controller = *controller};
	bool cut = op->kind != FLOW_OP_WAIT && pkt_offload_needed(m, PKT_TX_MULTI_SEG);
	bool room = pmd_punt_room(w, base->in_port);

	if (!last) {
		evs_counter_add(&w->account.copies, 1);
		m = room ? copy_for(m, cut, controller->max_len) : NULL;
	}
	if (evs_unlikely(!m || !room)) {
		pmd_drop(w, pmd_view_of(w, base->in_port), m ? &m : NULL, 1,
		         room ? PKT_DROP_NO_MBUF : PKT_DROP_PUNT_FULL);
		return;
	}
	if (op->kind == FLOW_OP_WAIT) {
		const struct flow_op_wait *wait = (const struct flow_op_wait *)op->payload;

		punt.tun = wait->tun;
		punt.tmd = wait->tmd;
	} else if (base->lines & PKT_LINE_TUN) {
		punt.tun = w->burst.ext[x->slot[i]].tun;
	}
	if (evs_unlikely(cut))
		hand_over_frames(w, &punt, m);
	else
		hand_over(w, &punt, m);
}

static void punt(struct pmd_worker *w, struct pmd_exec *x, const struct flow_op *op, bool last)
{
	for (unsigned i = 0; i < x->n; i++)
		punt_one(w, x, i, op, last);
	if (last)
		x->n = 0;
	else
		x->given = true;
	x->is_private = false; /* the control thread may see the same bytes */
}

static void exec(struct pmd_worker *w, struct pmd_exec *x, const struct flow_op *op,
                 const struct flow_op *end);

/* Runs the ops that a CLONE holds, on references; the last op's on the packets themselves. */
static void run_clone(struct pmd_worker *w, struct pmd_exec *x, const struct flow_op *op, bool last)
{
	struct pmd_exec copy;

	if (!last)
		share(w, x, 1);
	copy = *x;
	copy.depth++;
	if (evs_unlikely(copy.depth > PMD_MAX_CLONES))
		pmd_exec_drop(w, &copy, UINT32_MAX, PKT_DROP_RECURSION);
	else
		exec(w, &copy, (const struct flow_op *)op->payload, op_next(op));
	if (last)
		x->n = 0;
}

/* Puts the outer header on. Large segments and open checksums must be done before, as nobody
 * looks into a tunnel afterwards, unless the header tells of them; then each packet goes on by
 * itself, to keep the order. */
static EVS_HOT void push(struct pmd_worker *w, struct pmd_exec *x, const struct flow_op *op,
                         const struct flow_op *end)
{
	const struct pkt_tunnel_header *header = (const void *)op->payload;
	struct rte_mbuf *pieces[PKT_OFFLOAD_MAX];

	if (evs_likely(pmd_tunnel_is_ready(x))) {
		x->is_private = true;
		pmd_tunnel_push(w, x, header, op->arg);
		return;
	}
	if (!x->is_private)
		pmd_make_private(w, x);
	if (evs_likely(!pmd_tunnel_odd(x, header))) {
		pmd_tunnel_push(w, x, header, op->arg);
		return;
	}
	for (unsigned i = 0; i < x->n; i++) {
		unsigned n = pmd_tunnel_prepare(w, x, i, header, pieces);

		for (unsigned p = 0; p < n; p += PKT_BURST_MAX) {
			struct pmd_exec sub = {.queue = x->queue, .depth = x->depth};

			sub.is_private = true;
			for (; sub.n < PKT_BURST_MAX && p + sub.n < n; sub.n++) {
				sub.mbuf[sub.n] = pieces[p + sub.n];
				sub.ofs[sub.n] = x->ofs[i];
				sub.slot[sub.n] = x->slot[i];
			}
			pmd_tunnel_push(w, &sub, header, op->arg);
			exec(w, &sub, op_next(op), end);
		}
	}
	x->n = 0;
}

/* The program ended and nobody took the packets. */
static void leave(struct pmd_worker *w, struct pmd_exec *x)
{
	if (!x->given) {
		pmd_exec_drop(w, x, UINT32_MAX, PKT_DROP_RULE);
		return;
	}
	evs_counter_add(&w->account.copies, -(uint64_t)x->n); /* the last reference was enough */
	rte_pktmbuf_free_bulk(x->mbuf, x->n);
}

#define OP(id) (UINT64_C(1) << FLOW_OP_##id)
/* For which a packet may be lent: they look at, or change, headers at most, and do not hold it. */
#define LENT_OPS                                                                                   \
	(OP(OUTPUT) | OP(DROP) | OP(CLONE) | OP(METER) | OP(STORM) | OP(SET_QUEUE) | OP(SET_ETH) | \
	 OP(SET_VLAN) | OP(PUSH_VLAN) | OP(POP_VLAN) | OP(SET_IPV4) | OP(SET_IPV6) | OP(SET_L4))

static EVS_COLD void own(struct pmd_worker *w, struct pmd_exec *x)
{
	uint32_t bad = pkt_own_all(x->mbuf, x->n);

	if (bad)
		pmd_exec_drop(w, x, bad, PKT_DROP_NO_MBUF);
}

static EVS_HOT void exec(struct pmd_worker *w, struct pmd_exec *x, const struct flow_op *op,
                         const struct flow_op *end)
{
	while (op < end && x->n) {
		const struct flow_op *next = op_next(op);

		if (evs_unlikely(w->is_lent) && !(LENT_OPS >> op->kind & 1))
			own(w, x);
		switch (op->kind) {
		case FLOW_OP_OUTPUT:
			op = output(w, x, op, end);
			continue;
		case FLOW_OP_DROP:
			drop_all(w, x, op->arg);
			break;
		case FLOW_OP_CONTROLLER:
		case FLOW_OP_WAIT:
			punt(w, x, op, next >= end);
			break;
		case FLOW_OP_CLONE:
			run_clone(w, x, op, next >= end);
			break;
		case FLOW_OP_RECIRC:
			pmd_again_add(w, x, ((const struct flow_op_recirc *)op->payload)->id);
			break;
		case FLOW_OP_METER:
			pmd_meter(w, x, op);
			break;
		case FLOW_OP_TUNNEL_PUSH:
			push(w, x, op, end);
			break;
		case FLOW_OP_TUNNEL_POP:
			pmd_tunnel_pop(w, x, op->arg);
			break;
		case FLOW_OP_CHECK_MTU:
			pmd_check_mtu(w, x, op->arg);
			break;
		case FLOW_OP_REASSEMBLE:
			pmd_reassemble(w, x);
			break;
		case FLOW_OP_STORM:
			pmd_ingress_unknown(w, x);
			break;
		case FLOW_OP_SET_QUEUE:
			x->queue = op->arg;
			break;
		default:
			if (!pmd_edit(w, x, op))
				pmd_exec_drop(w, x, UINT32_MAX, PKT_DROP_BAD_ACTION);
		}
		op = next;
	}
	if (x->n)
		leave(w, x);
}

EVS_HOT void pmd_exec_run(struct pmd_worker *w, const uint8_t *ops, uint32_t size, uint32_t members)
{
	struct pmd_exec x;

	x.n = x.depth = 0;
	x.queue = 0;
	x.given = x.is_private = false;
	for (; members; members &= members - 1) {
		unsigned i = (unsigned)__builtin_ctz(members);

		x.mbuf[x.n] = w->burst.mbuf[i];
		x.ofs[x.n] = w->burst.ofs[i];
		x.slot[x.n++] = (uint8_t)i;
	}
	exec(w, &x, (const struct flow_op *)ops, (const struct flow_op *)(ops + size));
}
