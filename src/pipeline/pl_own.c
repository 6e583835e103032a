/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets for a bridge itself: tunnels end here, and ARP, ND and echo for its addresses go to the
 * control thread where no device of the host answers them.
 * Threads: as pl_xlate_pvt.h.
 */
#include <netinet/in.h>

#include "openflow/of_proto.h"
#include "pipeline/pl_trace_pvt.h"
#include "pipeline/pl_underlay_pvt.h"
#include "tunnel/tun_ports.h"

static void to_host(struct pl_xlate *x)
{
	struct flow_op_controller *c;

	pl_commit_edits(x);
	c = (struct flow_op_controller *)flow_prog_add(&x->out->prog, FLOW_OP_CONTROLLER, 0)
	            ->payload;
	c->max_len = UINT16_MAX;
	c->bridge = (uint16_t)x->snap->bridge->index;
	c->to_host = FLOW_TO_HOST;
	x->n_out++;
	PL_TRACE(x, "Bridge '%s' takes it for an address of its own", x->snap->bridge->name);
}

/* The VLAN of the tag that is looked at before. */
static uint16_t vlan_of(const struct pl_xlate *x)
{
	return rte_be_to_cpu_16(x->pkt.key.pkt.base.vlan[0].tci) & 0xfff;
}

static bool is_own_address(const struct pl_xlate *x, const uint8_t addr[16])
{
	return pl_address_is_own(x->snap->bridge->index, vlan_of(x), addr);
}

/* Requests and answers that name one of our addresses as target. */
static void own_arp(struct pl_xlate *x)
{
	uint8_t addr[16];

	PL_LOOK(x, pkt.base.arp_tpa);
	pl_ip_from_v4(x->pkt.key.pkt.base.arp_tpa, addr);
	if (is_own_address(x, addr))
		to_host(x);
}

static void own_icmpv6(struct pl_xlate *x, bool is_own, bool has_device)
{
	const struct pkt_key *key = &x->pkt.key.pkt;
	unsigned type;

	PL_LOOK(x, pkt.base.tp_src);
	type = rte_be_to_cpu_16(key->base.tp_src);
	if (type == 135 || type == 136)
		PL_LOOK(x, pkt.ext.ipv6.nd_target);
	if ((type == 135 && is_own_address(x, key->ext.ipv6.nd_target)) ||
	    (type == 136 && is_own) || (type == 128 && is_own && !has_device))
		to_host(x);
}

static bool pop(struct pl_xlate *x, enum tun_kind kind)
{
	const struct pkt_key_base *base = &x->pkt.key.pkt.base;
	uint16_t dst_port = tun_kinds[kind].dst_port ? rte_be_to_cpu_16(base->tp_dst) : 0;
	struct pl_copy copy;

	pl_copy_begin(x, &copy); /* others may receive the packet as it is */
	flow_prog_add(&x->out->prog, FLOW_OP_TUNNEL_POP, (uint32_t)kind << 16 | dst_port);
	x->n_edits++;
	pl_copy_end(x, &copy);
	x->n_out++;
	PL_TRACE(x, "A tunnel (%s) ends here", tun_kinds[kind].name);
	return true;
}

/* The whole packet comes round again. Where the bridge has a device, the host joins its own. */
static bool reassemble(struct pl_xlate *x)
{
	pl_commit_edits(x);
	flow_prog_add(&x->out->prog, FLOW_OP_REASSEMBLE, 0);
	x->n_edits++;
	x->n_out++;
	PL_TRACE(x, "A fragment of a packet into a tunnel waits for the others");
	return true;
}

static bool own_ip(struct pl_xlate *x, bool has_device)
{
	const struct pkt_key *key = &x->pkt.key.pkt;
	bool v4 = key->base.eth_type == RTE_BE16(0x0800), is_own, has_ports;
	enum tun_kind kind;
	uint8_t addr[16];

	PL_LOOK(x, pkt.base.ip_proto);
	if (v4) {
		PL_LOOK(x, pkt.base.ip_dst);
		pl_ip_from_v4(key->base.ip_dst, addr);
	} else {
		PL_LOOK(x, pkt.ext.ipv6.dst);
		memcpy(addr, key->ext.ipv6.dst, sizeof(addr));
	}
	is_own = is_own_address(x, addr);
	if (!v4 && key->base.ip_proto == IPPROTO_ICMPV6) {
		own_icmpv6(x, is_own, has_device);
		return false;
	}
	if (!is_own)
		return false;
	if (key->base.frag)
		return !has_device && tun_service_any(key->base.ip_proto) && reassemble(x);
	has_ports = key->base.ip_proto == IPPROTO_UDP ||
	            (key->base.ip_proto == IPPROTO_TCP && tun_service_any(IPPROTO_TCP));
	if (has_ports)
		PL_LOOK(x, pkt.base.tp_dst);
	kind = tun_service_lookup(key->base.ip_proto,
	                          has_ports ? rte_be_to_cpu_16(key->base.tp_dst) : 0);
	if (kind != TUN_NONE)
		return pop(x, kind);
	if (v4 && key->base.ip_proto == IPPROTO_ICMP && !has_device)
		to_host(x);
	return false;
}

bool pl_own_packet(struct pl_xlate *x, bool has_device)
{
	const struct pkt_key_base *base = &x->pkt.key.pkt.base;

	if (!pl_underlay_any(x->snap->bridge->index))
		return false;
	PL_LOOK(x, pkt.base.vlan[0].tci);
	PL_LOOK(x, pkt.base.vlan[1].tci);
	if (x->pkt.tags.n > 1 || x->pkt.stale)
		return false;
	switch (rte_be_to_cpu_16(base->eth_type)) {
	case 0x0806:
		own_arp(x);
		return false;
	case 0x0800:
	case 0x86dd:
		return own_ip(x, has_device);
	default:
		return false;
	}
}

bool pl_send_tunnel(uint16_t port, struct pkt_key *key, struct pl_injection *injection)
{
	static struct flow_xlate out;
	const struct pl_port *at = pl_port_map[port];
	const struct pl_snap *snap = at ? pl_snap_get(at->bridge) : NULL;
	const struct pl_view *view = snap ? pl_snap_port(snap, at->ofport) : NULL;
	struct pl_xlate x;

	injection->in_port = key->base.in_port;
	pl_xlate_init(&x, &out, &key->base, &key->ext);
	x.quiet = true;
	if (view && view->tunnel) {
		pl_xlate_enter(&x, snap, NULL);
		pl_tunnel_output(&x, view);
	}
	pl_xlate_finish(&x);
	injection->prog = out.prog;
	return x.n_out > 0;
}

void pl_send_own(struct pl_bridge *bridge, struct pkt_key *key, struct pl_injection *injection)
{
	static struct flow_xlate out; /* large; control is one thread */
	const struct pl_snap *snap = pl_snap_get(bridge);
	const struct pl_view *in = pl_snap_port(snap, PL_OFPORT_LOCAL);
	struct pl_xlate x;

	injection->in_port = in ? in->index : PKT_PORT_NONE;
	key->base.in_port = injection->in_port;
	key->base.recirc_id = 0;
	pl_xlate_init(&x, &out, &key->base, &key->ext);
	x.quiet = true;
	pl_xlate_enter(&x, snap, in);
	pl_xlate_table(&x, 0);
	pl_xlate_finish(&x);
	injection->prog = out.prog;
}
