/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet-out: an action list of a controller, translated for one packet (OpenFlow 1.3.5, section
 * 7.3.7).
 * Threads: control.
 */
#include "pipeline/pl_of_pvt.h"

int pl_packet_out(struct pl_bridge *bridge, const struct of_packet_out *msg, struct pkt_key *key,
                  struct pl_injection *injection, struct of_error *err)
{
	static struct flow_xlate out; /* large; control is one thread */
	const struct pl_snap *snap = pl_snap_get(bridge);
	const struct pl_view *in = pl_snap_port(snap, msg->in_port);
	struct of_insts insts = {.set = OF_INST_APPLY_ACTIONS, .apply = msg->actions};
	struct pl_xlate x;
	int rc;

	if (!in && msg->in_port != OFPP_CONTROLLER && msg->in_port != OFPP_ANY &&
	    msg->in_port != OFPP_LOCAL)
		return of_error_set(err, OFPBRC_BAD_PORT);
	rc = of_insts_check(&insts, NULL, err);
	if (!rc)
		rc = pl_check_actions(bridge, &msg->actions, true, err);
	if (rc)
		return rc;
	injection->in_port = in ? in->index : PKT_PORT_NONE;
	key->base.in_port = injection->in_port;
	key->base.recirc_id = 0;
	pl_xlate_init(&x, &out, &key->base, &key->ext);
	pl_xlate_enter(&x, snap, in);
	x.pkt.key.pipe.in_port = rte_cpu_to_be_32(msg->in_port);
	x.reason = PKT_DROP_RULE;
	pl_xlate_apply(&x, &msg->actions, NULL);
	pl_xlate_finish(&x);
	pl_credit_packet(&out, msg->data.size);
	injection->prog = out.prog;
	return 0;
}
