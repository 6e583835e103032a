/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation of TTL actions (OpenFlow 1.3.5, section 5.12).
 * Threads: as pl_xlate_pvt.h.
 *
 * A TTL is part of what a cached flow looked at: its successor stands in the program.
 */
#include "pipeline/pl_of_pvt.h"
#include "pipeline/pl_trace_pvt.h"

static bool is_mpls(const struct pl_xlate *x)
{
	rte_be16_t eth_type = x->pkt.key.pkt.base.eth_type;

	return eth_type == RTE_BE16(0x8847) || eth_type == RTE_BE16(0x8848);
}

static bool is_ip(const struct pl_xlate *x)
{
	rte_be16_t eth_type = x->pkt.key.pkt.base.eth_type;

	return eth_type == RTE_BE16(0x0800) || eth_type == RTE_BE16(0x86dd);
}

static void set_ip_ttl(struct pl_xlate *x, uint8_t ttl)
{
	pl_write(x, offsetof(struct flow_key, pkt.base.ip_ttl), 1, &ttl, NULL);
}

static void set_mpls_ttl(struct pl_xlate *x, uint8_t ttl)
{
	const rte_be32_t mask = RTE_BE32(0xff), value = rte_cpu_to_be_32(ttl);

	pl_write(x, offsetof(struct flow_key, pkt.base.mpls_lse[0]), sizeof(value), &value, &mask);
}

/* The packet ends here; controllers that want to know get it. */
static void expired(struct pl_xlate *x)
{
	PL_TRACE(x, "TTL would reach zero: dropped");
	pl_xlate_controller(x, OFPR_INVALID_TTL, OF_CML_NO_BUF);
	x->reason = PKT_DROP_INVALID_TTL;
	x->stopped = true;
}

static void dec_ip(struct pl_xlate *x)
{
	uint8_t ttl = x->pkt.key.pkt.base.ip_ttl;

	PL_LOOK(x, pkt.base.ip_ttl);
	if (ttl <= 1)
		expired(x);
	else
		set_ip_ttl(x, ttl - 1);
}

static void dec_mpls(struct pl_xlate *x)
{
	uint8_t ttl = rte_be_to_cpu_32(x->pkt.key.pkt.base.mpls_lse[0]) & 0xff;

	pl_look(x, offsetof(struct flow_key, pkt.base.mpls_lse[0]) + 3, 1);
	if (ttl <= 1)
		expired(x);
	else
		set_mpls_ttl(x, ttl - 1);
}

/* Between the outermost two headers with a TTL. What is under a single label is not in the key, so
 * the worker copies it by itself. */
static void copy_ttl(struct pl_xlate *x, bool outwards)
{
	const size_t outer = offsetof(struct flow_key, pkt.base.mpls_lse[0]) + 3;
	const size_t inner = offsetof(struct flow_key, pkt.base.mpls_lse[1]) + 3;
	uint8_t *key = (uint8_t *)&x->pkt.key;
	bool two;

	PL_LOOK(x, pkt.base.n_mpls);
	two = x->pkt.key.pkt.base.n_mpls >= 2;
	if (outwards && two) {
		pl_look(x, inner, 1);
		set_mpls_ttl(x, key[inner]);
		return;
	}
	pl_commit_edits(x);
	if (!outwards && two) {
		pl_look(x, outer, 1);
		key[inner] = key[outer];
		pl_define(x, inner, 1);
	}
	flow_prog_add(&x->out->prog, FLOW_OP_COPY_TTL, outwards);
	x->n_edits++;
	x->pkt.base = x->pkt.key;
	if (outwards)
		x->pkt.stale = EVS_MAX(x->pkt.stale, (uint8_t)PL_STALE_L3);
}

void pl_ttl_action(struct pl_xlate *x, const struct of_action *action)
{
	switch (action->kind) {
	case OF_ACTION_DEC_NW_TTL:
		if (is_ip(x))
			dec_ip(x);
		break;
	case OF_ACTION_SET_NW_TTL:
		if (is_ip(x))
			set_ip_ttl(x, (uint8_t)action->ttl);
		break;
	case OF_ACTION_DEC_MPLS_TTL:
		if (is_mpls(x))
			dec_mpls(x);
		break;
	case OF_ACTION_SET_MPLS_TTL:
		if (is_mpls(x))
			set_mpls_ttl(x, (uint8_t)action->ttl);
		break;
	case OF_ACTION_COPY_TTL_IN:
	case OF_ACTION_COPY_TTL_OUT:
		if (is_mpls(x))
			copy_ttl(x, action->kind == OF_ACTION_COPY_TTL_OUT);
		break;
	}
}
