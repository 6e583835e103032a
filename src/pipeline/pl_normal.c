/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NORMAL: the learning switch, with the VLAN modes of the Port table of the Open_vSwitch schema.
 * Threads: as pl_xlate_pvt.h.
 *
 * A packet is taken to its place inside the switch: a VLAN, the tags that are left when the tag of
 * that VLAN is off, and its priority. From there each port of the VLAN dresses it its own way.
 */
#include "pipeline/pl_bind_pvt.h"
#include "pipeline/pl_trace_pvt.h"
#include "pipeline/pl_underlay_pvt.h"
#include "pipeline/pl_xlate_pvt.h"

#define REFRESH_MS 1000 /* a worker reports one address so often at most */
#define RECENT_LEN 256

/* The packet inside the switch. */
struct inner {
	uint16_t vlan;
	uint16_t cvlan;      /* VLAN id of the outermost tag that is left; 0: none */
	rte_be16_t tpid;     /* for a tag of `vlan` */
	uint16_t pcp;        /* bits 13..15 */
	struct pl_tags tags; /* what is left */
};

static bool is_tagged(struct pkt_vlan tag)
{
	return tag.tci & RTE_BE16(PKT_VLAN_PRESENT);
}

static uint16_t vid_of(struct pkt_vlan tag)
{
	return rte_be_to_cpu_16(tag.tci) & 0xfff;
}

static bool port_has(struct pl_xlate *x, const struct pl_view *port, const struct inner *inner)
{
	if (port->vlan_mode == PL_VLAN_DOT1Q_TUNNEL && port->cvlans)
		PL_LOOK(x, pkt.base.vlan);
	switch (port->vlan_mode) {
	case PL_VLAN_ACCESS:
		return port->tag == inner->vlan;
	case PL_VLAN_TRUNK:
		return pl_vlan_set_has(port->trunks, inner->vlan);
	case PL_VLAN_DOT1Q_TUNNEL:
		return port->tag == inner->vlan && pl_vlan_set_has(port->cvlans, inner->cvlan);
	default:
		return port->tag == inner->vlan || pl_vlan_set_has(port->trunks, inner->vlan);
	}
}

/* What port `in` makes of the packet. False: it does not take it. */
static bool bring_in(struct pl_xlate *x, const struct pl_view *in, struct inner *inner)
{
	const rte_be16_t vid_bits = RTE_BE16(PKT_VLAN_PRESENT | 0xfff);
	struct pkt_vlan tag = x->pkt.key.pkt.base.vlan[0];
	uint8_t mode = in ? in->vlan_mode : PL_VLAN_TRUNK;
	uint16_t vid = vid_of(tag);

	x->wc.pkt.base.vlan[0].tci |= vid_bits & ~x->pkt.fixed.pkt.base.vlan[0].tci;
	inner->tags = x->pkt.tags;
	inner->tags.tag[0] = tag;
	inner->tpid = mode == PL_VLAN_DOT1Q_TUNNEL ? in->qinq_tpid
	              : is_tagged(tag)             ? tag.tpid
	                                           : RTE_BE16(0x8100);
	inner->pcp = rte_be_to_cpu_16(tag.tci) & 0xe000;
	if (mode == PL_VLAN_ACCESS && vid)
		return false;
	if (mode == PL_VLAN_TRUNK)
		inner->vlan = vid;
	else if (mode == PL_VLAN_ACCESS || mode == PL_VLAN_DOT1Q_TUNNEL)
		inner->vlan = in->tag;
	else
		inner->vlan = vid ? vid : in->tag;
	if (mode != PL_VLAN_DOT1Q_TUNNEL && is_tagged(tag))
		pl_tags_pop(&inner->tags);
	inner->cvlan = vid_of(inner->tags.tag[0]);
	return !in || port_has(x, in, inner);
}

/* How a port sends packets of the VLAN. */
enum dress { DRESS_PLAIN, DRESS_PRIORITY, DRESS_TAGGED, N_DRESSES };

static enum dress dress_of(const struct pl_view *port, const struct inner *inner)
{
	bool tagged = inner->vlan != 0;

	if (port->vlan_mode == PL_VLAN_DOT1Q_TUNNEL)
		return DRESS_PLAIN;
	if (port->vlan_mode == PL_VLAN_ACCESS ||
	    (port->vlan_mode == PL_VLAN_NATIVE_UNTAGGED && port->tag == inner->vlan))
		tagged = false;
	if (tagged)
		return DRESS_TAGGED;
	if (port->priority_tags == PL_PRIORITY_TAGS_ALWAYS)
		return DRESS_PRIORITY;
	return port->priority_tags == PL_PRIORITY_TAGS_IF_NONZERO && inner->pcp ? DRESS_PRIORITY
	                                                                        : DRESS_PLAIN;
}

static void dress_tags(const struct inner *inner, enum dress dress, struct pl_tags *tags)
{
	uint16_t vlan = dress == DRESS_TAGGED ? inner->vlan : 0;

	*tags = inner->tags;
	if (dress != DRESS_PLAIN && tags->n < PL_MAX_TAGS)
		pl_tags_push(tags,
		             (struct pkt_vlan){inner->tpid, rte_cpu_to_be_16(inner->pcp | vlan |
		                                                             PKT_VLAN_PRESENT)});
}

/* end: which of those behind a tunnel port with a flood list; NULL: all of the list. */
static void send(struct pl_xlate *x, const struct pl_view *port, const struct inner *inner,
                 const struct pl_end *end)
{
	enum dress dress = dress_of(port, inner);
	struct pl_tags tags;

	if (port->priority_tags == PL_PRIORITY_TAGS_IF_NONZERO && dress != DRESS_TAGGED)
		PL_LOOK(x, pkt.base.vlan[0].tci);
	dress_tags(inner, dress, &tags);
	pl_tags_set(x, &tags);
	if (port->flood)
		pl_tunnel_send(x, port, end);
	else
		pl_xlate_output(x, port, true); /* a reference for the address stands already */
}

/* Learning */

/* Who sent it through the tunnel, where that is to be learned. */
static void end_of(struct pl_xlate *x, struct pl_end *end)
{
	const struct pkt_key_tun *tun = &x->pkt.key.pkt.ext.tun;

	*end = (struct pl_end){0};
	if (!x->in->flood)
		return;
	PL_LOOK(x, pkt.ext.tun.src);
	memcpy(end->remote, tun->src, sizeof(end->remote));
	if (!x->in->tunnel->key_flow)
		return;
	PL_LOOK(x, pkt.ext.tun.id);
	end->key = tun->id;
}

static bool worth_posting(struct pl_xlate *x, struct pl_mac *mac, uint64_t id, bool moved)
{
	static _Thread_local struct {
		uint64_t id;
		uint32_t ms;
	} recent[RECENT_LEN]; /* unknown ones that were reported just now */
	uint32_t slot = (uint32_t)((id * 0x9e3779b97f4a7c15ull) >> 56) ^ x->snap->bridge->index;

	if (mac) {
		uint32_t wait = moved ? REFRESH_MS / 100 : REFRESH_MS;

		if (!moved && pl_xlate_now(x) - evs_load_relaxed(&mac->used_ms) < REFRESH_MS)
			return false;
		if (pl_xlate_now(x) - evs_load_relaxed(&mac->posted_ms) < wait)
			return false;
		evs_store_relaxed(&mac->posted_ms, pl_xlate_now(x));
		return !evs_load_relaxed(&mac->is_static);
	}
	slot %= RECENT_LEN;
	if (recent[slot].id == id && pl_xlate_now(x) - recent[slot].ms < REFRESH_MS / 20)
		return false;
	recent[slot].id = id;
	recent[slot].ms = pl_xlate_now(x);
	return true;
}

static void learn(struct pl_xlate *x, uint16_t vlan)
{
	const uint8_t *src = x->pkt.key.pkt.base.eth_src;
	struct pl_bridge *bridge = x->snap->bridge;
	uint64_t id = pl_mac_id(src, vlan);
	struct pl_mac *mac;
	struct pl_end end;
	bool is_here;

	PL_LOOK(x, pkt.base.eth_src);
	/* nobody owns a group address or the null address */
	if (!x->in || !rte_is_valid_assigned_ether_addr((const struct rte_ether_addr *)src))
		return;
	if (x->in->flood && !x->in->tunnel->learning)
		return;
	end_of(x, &end);
	pl_ref_add(x, FLOW_REF_FDB_SRC, bridge, id);
	mac = pl_fdb_lookup(&bridge->fdb, id);
	is_here = mac && pl_mac_is_at(mac, x->in->port, &end);
	if (is_here)
		PL_TRACE(x, "source is known at this port");
	else if (mac)
		PL_TRACE(x, "source moves here from '%s'", mac->port->name);
	else
		PL_TRACE(x, "learns the source at this port in VLAN %u", vlan);
	if (!x->quiet && pl_globals.config.post_learn && worth_posting(x, mac, id, !is_here)) {
		struct pl_learn learn = {
		        .bridge = bridge->index,
		        .in_port = x->in->ofport == PL_OFPORT_LOCAL ? 0xfffe : x->in->ofport,
		        .vlan = vlan,
		        .rx_port = x->in_index,
		        .end = end,
		};

		memcpy(learn.mac, src, sizeof(learn.mac));
		pl_globals.config.post_learn(x->worker, &learn);
	}
}

/* Forwarding */

static bool may_send(const struct pl_xlate *x, const struct pl_view *port,
                     const struct inner *inner)
{
	const struct pl_view *in = x->in;

	if (!in)
		return true;
	if (port->tunnel && in->tunnel && port->tunnel->split_horizon && in->tunnel->split_horizon)
		return false; /* each of a mesh of tunnels reaches every host itself */
	if (port->port == in->port && !port->flood)
		return false; /* but a hub sends from one end to another */
	return !(port->is_protected && in->is_protected);
}

/* The address is where the packet comes from. */
static bool is_same_place(struct pl_xlate *x, const struct pl_mac *mac)
{
	struct pl_end end;

	if (!x->in || mac->port != x->in->port)
		return false;
	end_of(x, &end);
	return pl_mac_is_at(mac, x->in->port, &end);
}

static void flood(struct pl_xlate *x, const struct inner *inner)
{
	const struct pl_snap *snap = x->snap;
	struct pl_tags came = x->pkt.tags, tags;

	x->reason = PKT_DROP_NO_OUTPUT; /* unless a port that was tried knows better */
	/* those that take it as it is come first; then each dress once */
	for (int dress = -1; dress < N_DRESSES && !x->failed; dress++) {
		for (uint32_t i = 0; i < snap->n_ports && !x->failed; i++) {
			const struct pl_view *port = &snap->ports[i];
			enum dress d = dress_of(port, inner);

			if (!may_send(x, port, inner) || !port_has(x, port, inner))
				continue;
			dress_tags(inner, d, &tags);
			if ((dress == -1) == pl_tags_equal(&tags, &came) &&
			    (dress == -1 || (int)d == dress))
				send(x, port, inner, NULL);
		}
	}
	if (x->reason == PKT_DROP_TX_PORT_DOWN)
		x->reason = PKT_DROP_NO_OUTPUT; /* what is down has no part in a flood */
}

static void forward(struct pl_xlate *x, const struct inner *inner)
{
	const uint8_t *dst = x->pkt.key.pkt.base.eth_dst;
	struct pl_bridge *bridge = x->snap->bridge;
	uint64_t id = pl_mac_id(dst, inner->vlan);
	const struct pl_mac *mac = dst[0] & 1 ? NULL : pl_fdb_lookup(&bridge->fdb, id);
	const struct pl_port *at = mac ? mac->port : NULL;
	const struct pl_view *port = at ? pl_snap_port(x->snap, at->ofport) : NULL;
	struct flow_ref *ref = pl_ref_add(x, FLOW_REF_FDB, bridge, id);

	if (!port || port->port != at) {
		ref->flags |= PL_REF_FLOOD;
		PL_TRACE(x, "%s: floods VLAN %u",
		         dst[0] & 1 ? "multicast destination" : "destination is unknown",
		         inner->vlan);
		if (!(dst[0] & 1) && x->in && x->in->storm_unknown) {
			PL_TRACE(x, "storm control of '%s' counts it", x->in->port->name);
			flow_prog_add(&x->out->prog, FLOW_OP_STORM, 0);
		}
		flood(x, inner);
		return;
	}
	PL_TRACE(x, "destination is at '%s'", at->name);
	if (is_same_place(x, mac))
		x->reason = PKT_DROP_SAME_PORT;
	else if (!may_send(x, port, inner))
		x->reason = PKT_DROP_PROTECTED;
	else if (!port_has(x, port, inner))
		x->reason = PKT_DROP_VLAN;
	else
		send(x, port, inner, &mac->end); /* a port that goes takes its addresses along */
}

/* What is addressed to the bridge itself goes to its LOCAL port. Without one, the bridge takes what
 * concerns its addresses; group traffic also goes on. True: nothing more is to be done. */
static bool to_bridge(struct pl_xlate *x, const struct inner *inner)
{
	const struct pl_snap *snap = x->snap;
	const struct pl_view *local = pl_snap_port(snap, PL_OFPORT_LOCAL);
	const uint8_t *dst = x->pkt.key.pkt.base.eth_dst;
	bool is_own = !memcmp(dst, &snap->config.hwaddr, 6);
	struct pl_tags tags;

	if (!(is_own || (dst[0] & 1)) || !pl_underlay_any(snap->bridge->index))
		return false;
	pl_ref_add(x, FLOW_REF_BRIDGE, snap->bridge, 0)->flags |= PL_REF_FLOOD;
	if (local && is_own && local != x->in && port_has(x, local, inner)) {
		send(x, local, inner, NULL);
		return true;
	}
	if (local)
		return false;
	if (is_own)
		x->reason = PKT_DROP_NO_OUTPUT;
	dress_tags(inner, inner->vlan ? DRESS_TAGGED : DRESS_PLAIN, &tags);
	pl_tags_set(x, &tags);
	return pl_own_packet(x, false) || is_own;
}

static bool is_reserved(const uint8_t mac[6])
{
	static const uint8_t prefix[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};

	return !memcmp(mac, prefix, sizeof(prefix)) && mac[5] < 0x10;
}

void pl_normal(struct pl_xlate *x)
{
	struct pl_tags came;
	struct inner inner;

	PL_LOOK(x, pkt.base.eth_dst);
	if (is_reserved(x->pkt.key.pkt.base.eth_dst) && !x->snap->config.forward_bpdu) {
		PL_TRACE(x, "reserved address: not forwarded");
		x->reason = PKT_DROP_RX_STP;
		pl_ref_add(x, FLOW_REF_BRIDGE, x->snap->bridge, 0);
		return;
	}
	if (x->pkt.any_dirty)
		pl_tags_commit(x);
	came = x->pkt.tags;
	if (!bring_in(x, x->in, &inner)) {
		PL_TRACE(x, "the port does not carry the packet's VLAN");
		x->reason = PKT_DROP_VLAN;
		pl_ref_add(x, FLOW_REF_BRIDGE, x->snap->bridge, 0);
		return;
	}
	learn(x, inner.vlan);
	if (!to_bridge(x, &inner) && !(x->snap->config.suppress && pl_suppress(x, inner.vlan)))
		forward(x, &inner);
	pl_tags_set(x, &came);
}
