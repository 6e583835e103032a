/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation through tunnel ports.
 * Threads: as pl_xlate_pvt.h.
 *
 * Out: route, neighbour and the port's configuration make the outer header, once per cached flow;
 * from there the packet is one that the underlay's bridge itself sends. Every bit of it is known,
 * so the rules of that bridge un-wildcard nothing of the inner packet.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "pipeline/pl_trace_pvt.h"
#include "pipeline/pl_underlay_pvt.h"

#define DEFAULT_TTL 64

static bool is_ip(const struct pl_xlate *x)
{
	rte_be16_t type = x->pkt.key.pkt.base.eth_type;

	return type == RTE_BE16(0x0800) || type == RTE_BE16(0x86dd);
}

static void look_tos(struct pl_xlate *x, uint8_t bits)
{
	x->wc.pkt.base.ip_tos |= bits & (uint8_t)~x->pkt.fixed.pkt.base.ip_tos;
}

/* RFC 6040, 4.1: ECN is copied; DSCP and TTL as configured (RFC 2983). */
static void fill_tos_ttl(struct pl_xlate *x, const struct pl_tunnel *t, struct tun_outer *outer)
{
	const struct pkt_key_base *base = &x->pkt.key.pkt.base;
	bool ip = is_ip(x);

	outer->tos = t->tos & 0xfc;
	outer->ttl = t->ttl ? t->ttl : DEFAULT_TTL;
	if (!ip)
		return;
	look_tos(x, t->tos_inherit ? 0xff : 3);
	if (t->tos_inherit)
		outer->tos = base->ip_tos & 0xfc;
	outer->tos |= tun_ecn_outer(base->ip_tos);
	if (!t->ttl_inherit)
		return;
	PL_LOOK(x, pkt.base.ip_ttl);
	outer->ttl = base->ip_ttl;
}

/* Over IPv6 a UDP checksum is there unless both ends have been told to do without (RFC 6936). */
static bool wants_csum6(const struct pl_tunnel *t)
{
	return tun_kinds[t->kind].ip_proto == IPPROTO_UDP && !t->zero_csum6;
}

/* end: where translation itself says who gets it; else NULL. */
static void fill_ends(struct pl_xlate *x, const struct pl_tunnel *t, const struct pl_end *end,
                      struct tun_outer *outer)
{
	const struct pkt_key_tun *tun = &x->pkt.key.pkt.ext.tun;

	memcpy(outer->dst, end ? end->remote : t->remote, sizeof(outer->dst));
	outer->key = t->key;
	outer->flags = t->flags;
	if (t->remote_flow && !end) {
		PL_LOOK(x, pkt.ext.tun.dst);
		memcpy(outer->dst, tun->dst, sizeof(outer->dst));
	}
	if (t->key_flow && end) {
		outer->key = end->key;
	} else if (t->key_flow) {
		PL_LOOK(x, pkt.ext.tun.id);
		outer->key = tun->id;
	}
	if (t->has_key || t->key_flow)
		outer->flags |= PKT_TUN_KEY;
	if (wants_csum6(t) && !pl_ip_is_v4(outer->dst))
		outer->flags |= PKT_TUN_CSUM;
	outer->gbp = t->gbp;
	if (t->gbp) {
		PL_LOOK(x, pkt.ext.tun.gbp_id);
		PL_LOOK(x, pkt.ext.tun.gbp_flags);
		outer->gbp_id = tun->gbp_id;
		outer->gbp_flags = tun->gbp_flags;
	}
}

/* The packet waits at the control thread, with its tunnel fields. The program is for this packet
 * alone, so nothing need be looked at. */
static void wait_for_neigh(struct pl_xlate *x, const struct pl_view *view,
                           const struct tun_outer *outer)
{
	struct flow_op_wait *wait;

	pl_commit_edits(x);
	wait = (struct flow_op_wait *)flow_prog_add(&x->out->prog, FLOW_OP_WAIT, view->index)
	               ->payload;
	wait->tun = x->pkt.key.pkt.ext.tun;
	wait->tmd = x->pkt.key.pkt.ext.tmd;
	memcpy(wait->tun.dst, outer->dst, sizeof(wait->tun.dst));
	wait->tun.id = outer->key;
	x->out->cacheable = false; /* those behind it are dropped until then */
	x->n_out++;
}

/* What chooses among next hops; all that it reads makes cached flows narrower. */
static uint32_t flow_hash(struct pl_xlate *x)
{
	const struct pkt_key *key = &x->pkt.key.pkt;

	PL_LOOK(x, pkt.base.eth_src);
	PL_LOOK(x, pkt.base.eth_dst);
	if (!is_ip(x))
		return tun_flow_hash(&key->base, &key->ext);
	PL_LOOK(x, pkt.base.ip_proto);
	PL_LOOK(x, pkt.base.tp_src);
	PL_LOOK(x, pkt.base.tp_dst);
	if (key->base.lines & PKT_LINE_IPV6) {
		PL_LOOK(x, pkt.ext.ipv6.src);
		PL_LOOK(x, pkt.ext.ipv6.dst);
	} else {
		PL_LOOK(x, pkt.base.ip_src);
		PL_LOOK(x, pkt.base.ip_dst);
	}
	return tun_flow_hash(&key->base, &key->ext);
}

/* Whether one next hop is usable; then snap is its bridge. */
static enum pl_neigh try_hop(struct pl_xlate *x, const struct pl_hop *hop, struct tun_outer *outer,
                             const struct pl_snap **snap)
{
	const struct pl_bridge *bridge = pl_bridge_at(hop->bridge);
	enum pl_neigh known;

	*snap = bridge ? pl_snap_get(bridge) : NULL;
	if (!*snap)
		return PL_NEIGH_UNKNOWN;
	known = pl_neigh_lookup(x, hop->bridge, hop->next, outer->eth_dst);
	outer->vlan = (struct pkt_vlan){0};
	if (hop->vlan)
		outer->vlan = (struct pkt_vlan){RTE_BE16(0x8100),
		                                rte_cpu_to_be_16(hop->vlan | PKT_VLAN_PRESENT)};
	if (known == PL_NEIGH_KNOWN)
		memcpy(outer->eth_src, (*snap)->config.hwaddr.addr_bytes, sizeof(outer->eth_src));
	else
		PL_TRACE(x, "a next hop on bridge '%s' is not resolved", bridge->name);
	return known;
}

/* Route and neighbour: the next hop of the flow, or one that answers. False: the reason is set. */
static bool resolve(struct pl_xlate *x, const struct pl_view *view, struct tun_outer *outer,
                    const struct pl_snap **snap)
{
	const struct pl_tunnel *t = view->tunnel;
	enum pl_neigh known, best = PL_NEIGH_UNKNOWN;
	struct pl_hop hop;
	unsigned n_hops = pl_route_lookup(outer->dst, 0, 0, &hop);
	uint32_t hash = n_hops > 1 ? flow_hash(x) : 0;

	if (n_hops == 0) {
		PL_TRACE(x, "no route to the remote endpoint");
		x->reason = PKT_DROP_TUN_NO_ROUTE;
		return false;
	}
	for (unsigned i = 0; i < n_hops; i++) {
		if (n_hops > 1)
			pl_route_lookup(outer->dst, hash, i, &hop);
		known = try_hop(x, &hop, outer, snap);
		best = EVS_MAX(best, known);
		if (known != PL_NEIGH_KNOWN)
			continue;
		memcpy(outer->src, t->has_local ? t->local : hop.src, sizeof(outer->src));
		return true;
	}
	x->reason = PKT_DROP_TUN_NO_NEIGH;
	if (best == PL_NEIGH_ASKED)
		wait_for_neigh(x, view, outer);
	return false;
}

static void fill_key(struct pkt_key *key, const struct tun_outer *outer)
{
	struct pkt_key_base *base = &key->base;

	base->lines = 0;
	memcpy(base->eth_dst, outer->eth_dst, sizeof(base->eth_dst));
	memcpy(base->eth_src, outer->eth_src, sizeof(base->eth_src));
	base->vlan[0] = outer->vlan;
	base->ip_proto = tun_kinds[outer->kind].ip_proto;
	base->ip_tos = outer->tos;
	base->ip_ttl = outer->ttl;
	base->tp_dst = outer->dst_port;
	if (base->ip_proto == IPPROTO_TCP)
		base->tcp_flags = RTE_BE16(TUN_STT_TCP_FLAGS);
	if (pl_ip_is_v4(outer->dst)) {
		base->eth_type = RTE_BE16(0x0800);
		memcpy(&base->ip_src, &outer->src[12], 4);
		memcpy(&base->ip_dst, &outer->dst[12], 4);
		return;
	}
	base->eth_type = RTE_BE16(0x86dd);
	base->lines = PKT_LINE_IPV6;
	memcpy(key->ext.ipv6.src, outer->src, 16);
	memcpy(key->ext.ipv6.dst, outer->dst, 16);
}

/* From here on the packet is the outer one, of which all is known. */
static void become_outer(struct pl_xlate *x, const struct tun_outer *outer)
{
	struct pl_pkt *pkt = &x->pkt;
	uint16_t in_port = pkt->key.pkt.base.in_port;
	uint32_t queue = pkt->queue;

	memset(pkt, 0, sizeof(*pkt));
	pkt->key.pkt.base.in_port = in_port;
	fill_key(&pkt->key.pkt, outer);
	memset(&pkt->fixed, 0xff, sizeof(pkt->fixed));
	pl_tags_init(pkt);
	pkt->tags_moved = pkt->any_fixed = true;
	pkt->base = pkt->key;
	pkt->queue = pkt->base_queue = queue;
	pkt->rewritten = FLOW_REWRITTEN_ALL;
}

/* Metadata that the bridge maps to options. False: they are more than a header holds. */
static bool fill_options(struct pl_xlate *x, struct tun_outer *outer, uint8_t *options)
{
	const struct tun_option_map *map = &x->snap->config.options;
	int size;

	if (outer->kind != TUN_GENEVE || !map->n)
		return true;
	for (unsigned i = 0; i < map->n; i++)
		pl_look(x, offsetof(struct flow_key, pkt.ext.tmd.word) + 4u * map->option[i].word,
		        4u * map->option[i].n_words);
	size = tun_options_write(map, &x->pkt.key.pkt.ext.tmd, options);
	if (size < 0)
		return false;
	outer->options = options;
	outer->options_size = (uint8_t)size;
	return true;
}

/* The port by which a program leaves behind an op: the first; PKT_PORT_NONE: none. */
static uint16_t first_output(const struct flow_prog_builder *prog, const struct flow_op *from)
{
	const uint8_t *end = prog->ops + prog->size;

	if (prog->overflow)
		return PKT_PORT_NONE;
	for (const struct flow_op *op = from; (const uint8_t *)op < end;
	     op = op->kind == FLOW_OP_CLONE /* what it holds lies behind it */
	                  ? op + 1
	                  : (const struct flow_op *)((const uint8_t *)op + op->size))
		if (op->kind == FLOW_OP_OUTPUT)
			return (uint16_t)op->arg;
	return PKT_PORT_NONE;
}

static void trace_push(struct pl_xlate *x, const struct pl_view *view,
                       const struct tun_outer *outer, const struct pl_snap *snap)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (evs_likely(!x->trace))
		return;
	if (pl_ip_is_v4(outer->dst))
		inet_ntop(AF_INET, outer->dst + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, outer->dst, text, sizeof(text));
	PL_TRACE(x, "Tunnel '%s': %s to %s, key %" PRIu64 ", on in bridge '%s'", view->port->name,
	         tun_kinds[outer->kind].name, text, rte_be_to_cpu_64(outer->key),
	         snap->bridge->name);
}

static void encapsulate(struct pl_xlate *x, const struct pl_view *view,
                        const struct tun_outer *outer, const struct pl_snap *snap)
{
	struct pkt_tunnel_header header;
	struct flow_op *check = NULL, *push;
	struct pl_copy copy;

	if (tun_header_build(outer, &header)) {
		PL_TRACE(x, "the tunnel's addresses or key do not fit together");
		x->reason = PKT_DROP_TUN_NO_ROUTE;
		return;
	}
	x->depth++;
	pl_copy_begin(x, &copy);
	if (view->tunnel->tell_mtu)
		check = flow_prog_add(&x->out->prog, FLOW_OP_CHECK_MTU,
		                      (uint32_t)header.size - header.l3);
	push = flow_prog_add_tunnel(&x->out->prog, view->index, &header);
	x->n_edits++;
	trace_push(x, view, outer, snap);
	become_outer(x, outer);
	pl_xlate_enter(x, snap, pl_snap_port(snap, PL_OFPORT_LOCAL));
	pl_xlate_table(x, 0);
	if (tun_kinds[outer->kind].cut)
		((struct pkt_tunnel_header *)push->payload)->egress =
		        first_output(&x->out->prog, push);
	if (check)
		check->arg |= (uint32_t)first_output(&x->out->prog, check) << 16;
	pl_copy_end(x, &copy);
	x->depth--;
}

static void send_to(struct pl_xlate *x, const struct pl_view *view, const struct pl_end *end)
{
	const struct pl_tunnel *t = view->tunnel;
	struct tun_outer outer = {
	        .kind = t->kind,
	        .dst_port = rte_cpu_to_be_16(t->dst_port),
	        .sport_lo = t->sport_lo,
	        .sport_n = t->sport_n,
	};
	uint8_t options[TUN_GENEVE_OPTIONS_MAX];
	const struct pl_snap *snap;

	fill_ends(x, t, end, &outer);
	fill_tos_ttl(x, t, &outer);
	if (!fill_options(x, &outer, options)) {
		PL_TRACE(x, "more options than a Geneve header holds");
		x->reason = PKT_DROP_BAD_ACTION;
		return;
	}
	if (resolve(x, view, &outer, &snap))
		encapsulate(x, view, &outer, snap);
}

/* Is the end of a flood list one for this packet? */
static bool end_takes(struct pl_xlate *x, const struct pl_view *view,
                      const struct pl_flood_end *end)
{
	const struct pkt_key_tun *tun = &x->pkt.key.pkt.ext.tun;

	if (end->has_key) {
		PL_LOOK(x, pkt.ext.tun.id);
		if (tun->id != end->key)
			return false;
	}
	if (!x->in || x->in->port != view->port)
		return true;
	PL_LOOK(x, pkt.ext.tun.src); /* a hub */
	return memcmp(tun->src, end->remote, sizeof(tun->src)) != 0;
}

static void send_to_all(struct pl_xlate *x, const struct pl_view *view)
{
	const struct pl_flood *flood = view->flood;

	PL_TRACE(x, "Tunnel '%s': a copy to each of its flood list of %u", view->port->name,
	         flood->n);
	if (view->tunnel->key_flow)
		PL_LOOK(x, pkt.ext.tun.id);
	for (unsigned i = 0; i < flood->n && !x->failed; i++) {
		struct pl_end end = {.key = x->pkt.key.pkt.ext.tun.id};

		memcpy(end.remote, flood->end[i].remote, sizeof(end.remote));
		if (end_takes(x, view, &flood->end[i]))
			send_to(x, view, &end);
	}
}

/* False: nothing leaves by it now. */
static bool begin(struct pl_xlate *x, const struct pl_view *view)
{
	pl_ref_add(x, FLOW_REF_PORT, view->port, view->index)->flags |= PL_REF_STATE;
	if (view->flags & (PL_PORT_DOWN | PL_PORT_NO_FWD)) {
		x->reason = PKT_DROP_TX_PORT_DOWN;
		return false;
	}
	if (x->depth >= PL_MAX_DEPTH)
		pl_xlate_fail(x, PKT_DROP_RECURSION);
	return !x->failed;
}

void pl_tunnel_send(struct pl_xlate *x, const struct pl_view *view, const struct pl_end *end)
{
	if (!begin(x, view))
		return;
	if (end)
		send_to(x, view, end);
	else
		send_to_all(x, view);
}

/* Where rules name no end, a flood list says who gets it. */
void pl_tunnel_output(struct pl_xlate *x, const struct pl_view *view)
{
	static const uint8_t nobody[16];

	if (!begin(x, view))
		return;
	if (view->flood)
		PL_LOOK(x, pkt.ext.tun.dst);
	if (view->flood && !memcmp(x->pkt.key.pkt.ext.tun.dst, nobody, sizeof(nobody)))
		send_to_all(x, view);
	else
		send_to(x, view, NULL);
}

/* A tag that a port does not ask for is reserved bits, which say nothing (RFC 7348, section 5). */
static void forget_policy(struct pl_xlate *x)
{
	const struct pkt_key_tun *tun = &x->pkt.key.pkt.ext.tun;
	static const uint8_t none[2];

	if (x->in->tunnel->kind != TUN_VXLAN || x->in->tunnel->gbp)
		return;
	PL_LOOK(x, pkt.ext.tun.gbp_id);
	PL_LOOK(x, pkt.ext.tun.gbp_flags);
	if (!tun->gbp_id && !tun->gbp_flags)
		return;
	pl_write(x, offsetof(struct flow_key, pkt.ext.tun.gbp_id), 2, none, NULL);
	pl_write(x, offsetof(struct flow_key, pkt.ext.tun.gbp_flags), 1, none, NULL);
}

/* RFC 8200, 8.1: such a packet must be discarded. */
static bool lacks_csum(struct pl_xlate *x)
{
	const struct pl_tunnel *t = x->in->tunnel;
	const struct pkt_key *key = &x->pkt.key.pkt;
	const size_t prefix = offsetof(struct flow_key, pkt.ext.tun.src);

	if (!wants_csum6(t) || !(key->base.lines & PKT_LINE_TUN))
		return false;
	if (t->remote_flow)
		pl_look(x, prefix, 12);
	if (pl_ip_is_v4(key->ext.tun.src))
		return false;
	PL_LOOK(x, pkt.ext.tun.flags);
	if (key->ext.tun.flags & PKT_TUN_CSUM)
		return false;
	PL_TRACE(x, "no UDP checksum over IPv6, which csum=off would allow");
	return true;
}

bool pl_tunnel_input(struct pl_xlate *x)
{
	const struct pkt_key *key = &x->pkt.key.pkt;
	uint8_t tos = key->base.ip_tos, mask = 3;
	int ecn;

	if (lacks_csum(x))
		return false;
	forget_policy(x);
	if (!is_ip(x) || !(key->base.lines & PKT_LINE_TUN))
		return true;
	x->wc.pkt.ext.tun.tos |= 3;
	if (!(key->ext.tun.tos & 3))
		return true; /* nothing was marked */
	look_tos(x, 3);
	ecn = tun_ecn_inner(tos, key->ext.tun.tos);
	if (ecn < 0)
		return false;
	tos = (uint8_t)((tos & ~3) | ecn);
	if (tos != key->base.ip_tos)
		pl_write(x, offsetof(struct flow_key, pkt.base.ip_tos), 1, &tos, &mask);
	return true;
}
