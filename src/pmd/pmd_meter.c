/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The op METER: drops or remarks what exceeds a meter's bands.
 * Threads: worker.
 */
#include "pkt/pkt_edit.h"
#include "pmd/pmd_pvt.h"
#include "qos/qos_meter.h"

#define LEVELS_MASK (QOS_REMARK - 1)

/* Raises the drop precedence of an IP packet; others stay. */
static void remark(struct rte_mbuf *m, struct pkt_offsets *ofs, unsigned levels)
{
	const uint8_t *ip;
	uint8_t tos;

	if (!ofs->l3 || pkt_pull(m, ofs->l3 + 2u))
		return;
	ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs->l3);
	if (ip[0] >> 4 == 4) {
		tos = qos_dscp_remark(ip[1], levels);
		pkt_edit_ipv4(m, ofs, &(struct pkt_set_ipv4){.tos = tos, .tos_mask = 0xff});
	} else if (ip[0] >> 4 == 6) {
		tos = qos_dscp_remark((uint8_t)(ip[0] << 4 | ip[1] >> 4), levels);
		pkt_edit_ipv6(m, ofs, &(struct pkt_set_ipv6){.tc = tos, .tc_mask = 0xff});
	}
}

/* The mask as it is when the places of another are taken out. */
static EVS_COLD uint32_t without(uint32_t mask, uint32_t gone)
{
	uint32_t out = 0;

	for (unsigned i = 0, to = 0; i < PKT_BURST_MAX; i++)
		if (!(gone >> i & 1))
			out |= (mask >> i & 1) << to++;
	return out;
}

EVS_HOT void pmd_meter(struct pmd_worker *w, struct pmd_exec *x, const struct flow_op *op)
{
	struct qos_meter *meter = ((const struct flow_op_meter *)op->payload)->meter;
	uint8_t verdict[PKT_BURST_MAX];
	uint32_t hit = qos_meter_run(meter, w->id, x->mbuf, x->n, w->now_tsc, verdict), drop = 0;
	uint32_t stuck = 0;

	for (uint32_t left = hit; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		if (verdict[i] & QOS_DROP)
			drop |= 1u << i;
		else if (!pkt_make_writable(&x->mbuf[i], x->mbuf[i]->pool))
			remark(x->mbuf[i], &x->ofs[i], verdict[i] & LEVELS_MASK);
		else /* it must not go on with the precedence that it has lost */
			stuck |= 1u << i;
	}
	if (drop)
		pmd_exec_drop(w, x, drop, PKT_DROP_METER);
	if (evs_unlikely(stuck))
		pmd_exec_drop(w, x, without(stuck, drop), PKT_DROP_NO_MBUF);
}
