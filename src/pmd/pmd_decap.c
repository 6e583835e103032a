/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets out of tunnels by templates: see pmd_decap_pvt.h.
 * Threads: worker.
 */
#include "pmd/pmd_decap_pvt.h"

#include <rte_prefetch.h>

#include "flow/flow_mask.h"
#include "pmd/pmd_tunnel_pvt.h"

#define AHEAD 8 /* packets whose first line is asked for */

/* What is known of the packets of a burst. */
struct look {
	struct pmd_decap *place[PKT_BURST_MAX];
	uint32_t src[PKT_BURST_MAX]; /* the last bytes of the sender's address; 0: too short */
	uint32_t fits;
	uint32_t tmd; /* of those that were taken out: mapped options came with them */
};

EVS_INLINE struct pmd_decap *place_of(struct pmd_worker *w, uint16_t in_port, uint32_t src)
{
	uint32_t hash = (src ^ (uint32_t)in_port << 20) * 0x9e3779b1u;

	return &w->decaps[hash >> 16 & (PMD_N_DECAPS - 1)];
}

EVS_INLINE bool is_alive(const struct pmd_decap *d)
{
	return evs_load_relaxed(&d->flow->gen) == d->gen;
}

#define IP_ENDS 24 /* bytes of either version in which protocol and sender are */

EVS_INLINE bool is_ipv6(const uint8_t *ip)
{
	return ip[0] >> 4 == 6;
}

/* Where in an IP header the sender's address ends, four bytes of which tell senders apart. */
EVS_INLINE uint32_t sender_end(bool ipv6)
{
	return ipv6 ? 24 : 16;
}

/* Bit i: packet i fits. */
EVS_INLINE uint32_t look_at(struct pmd_worker *w, const struct pmd_view *v, unsigned i,
                            struct look *look)
{
	const struct rte_mbuf *m = w->burst.mbuf[i];
	const uint32_t l3 = v->decap_l3;
	struct pmd_decap *d;
	uint32_t end;

	look->src[i] = 0;
	if (evs_unlikely(m->data_len < l3 + IP_ENDS))
		return 0;
	end = v->decap_src;
	if (evs_unlikely(!end))
		end = l3 + sender_end(is_ipv6(rte_pktmbuf_mtod_offset(m, const uint8_t *, l3)));
	look->src[i] = pkt_ld32(rte_pktmbuf_mtod_offset(m, const uint8_t *, end - 4));
	d = place_of(w, v->port->index, look->src[i]);
	look->place[i] = d;
	return (uint32_t)(d->in_port == v->port->index && is_alive(d) && tun_template_may_fit(m) &&
	                  tun_template_fits(&d->t, m))
	       << i;
}

/* May packet i, which does not fit, be of the same inner flow as one that does? */
static bool may_belong(const struct pmd_worker *w, const struct look *look, unsigned i, uint32_t l3)
{
	const struct rte_mbuf *m = w->burst.mbuf[i];
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, l3);
	bool same = false;
	uint8_t proto;

	if (m->data_len < l3 + IP_ENDS)
		return false;
	proto = ip[is_ipv6(ip) ? 6 : 9];
	if (proto == PKT_IP_TCP || proto == PKT_IP_ICMP || proto == PKT_IP_ICMPV6)
		return false; /* none with templates; behind an extension header there may be one */
	for (uint32_t left = look->fits; left; left &= left - 1)
		same |= look->src[__builtin_ctz(left)] == look->src[i];
	return same;
}

/* Divides the burst in those that fit and the rest; if that may change the order of packets of a
 * flow, all are rest. */
static void divide(struct pmd_worker *w, struct look *look, uint32_t all, uint32_t l3,
                   struct pmd_decap_rest *rest)
{
	uint32_t odd = all & ~look->fits;

	for (uint32_t left = look->fits ? odd : 0; left; left &= left - 1) {
		if (may_belong(w, look, (unsigned)__builtin_ctz(left), l3)) {
			look->fits = 0;
			odd = all;
			break;
		}
	}
	for (; odd; odd &= odd - 1)
		rest->mbuf[rest->n++] = w->burst.mbuf[__builtin_ctz(odd)];
}

/* Packets of one place that follow each other. */
struct tally {
	struct pmd_decap *place;
	uint32_t pkts;
	uint64_t bytes;
};

EVS_INLINE void tally_end(struct pmd_worker *w, struct tally *tally)
{
	if (tally->pkts)
		flow_cache_hit(w->cache, tally->place->flow, tally->pkts, tally->bytes, w->now_ms);
	tally->pkts = 0;
	tally->bytes = 0;
}

static EVS_HOT void tally_begin(struct pmd_worker *w, struct tally *tally, struct pmd_decap *d,
                                struct pmd_ends *ends)
{
	tally_end(w, tally);
	if (tally->place && tally->place->arg != d->arg) {
		pmd_ends_count(ends);
		ends->port = PKT_PORT_NONE; /* another kind of tunnel */
	}
	tally->place = d;
	d->used = true;
}

/* Packet n, which comes from `port`, has `size` bytes of options before it. False: one of them is
 * critical and unknown. */
static EVS_HOT bool take_options(struct pmd_worker *w, struct look *look, unsigned n, uint16_t port,
                                 uint32_t size)
{
	const uint8_t *options = rte_pktmbuf_mtod(w->burst.mbuf[n], const uint8_t *) - size;
	bool any;

	if (!tun_options_read(tun_port_options(port), options, size, &w->burst.ext[n].tmd, &any))
		return false;
	look->tmd |= (uint32_t)any << n;
	return true;
}

/* Takes those that fit out: they become the burst, with their tunnel lines; ports[i] is where
 * packet i comes from now. Returns how many. */
static EVS_HOT unsigned take_out(struct pmd_worker *w, struct pmd_view *v, struct look *look,
                                 uint16_t *ports)
{
	struct pkt_burst *b = &w->burst;
	struct pmd_ends ends = {.port = PKT_PORT_NONE};
	struct tally tally = {0};
	uint64_t outer = 0;
	unsigned n = 0;

	for (uint32_t left = look->fits; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		struct rte_mbuf *m = b->mbuf[i];
		struct pkt_key_tun *tun = &b->ext[n].tun;
		uint32_t options;

		if (evs_unlikely(tally.place != look->place[i]))
			tally_begin(w, &tally, look->place[i], &ends);
		tally.pkts++;
		tally.bytes += m->pkt_len;
		outer += m->pkt_len;
		options = tun_template_pop(&tally.place->t, m, tun);
		if (evs_unlikely(!pmd_ends_hold(&ends, tun)))
			pmd_ends_begin(w, &ends, tun, tally.place->arg);
		if (evs_unlikely(ends.port == PKT_PORT_NONE)) {
			pmd_drop(w, v, &m, 1, PKT_DROP_TUN_UNKNOWN_KEY);
			continue;
		}
		ends.pkts++;
		ends.bytes += m->pkt_len;
		b->mbuf[n] = m;
		if (evs_unlikely(options) && !take_options(w, look, n, ends.port, options)) {
			pmd_drop(w, v, &m, 1, PKT_DROP_TUN_BAD_HEADER);
			continue;
		}
		ports[n++] = ends.port;
	}
	tally_end(w, &tally);
	pmd_ends_count(&ends);
	evs_counter_add(&v->counters->rx_bytes, outer);
	return n;
}

/* Keys of the inner packets, which seldom come from several ports or with options; tmd: of which.
 */
static EVS_HOT unsigned parse(struct pmd_worker *w, unsigned n, const uint16_t *ports, uint32_t tmd)
{
	struct pkt_burst *b = &w->burst;
	uint32_t bad = pkt_parse_inner(b, n, ports[0], w->isa);
	uint16_t differs = 0;

	for (unsigned i = 1; i < n; i++)
		differs |= ports[i] ^ ports[0];
	if (evs_unlikely(differs || tmd)) {
		for (unsigned i = 0; i < n; i++) {
			b->base[i].in_port = ports[i];
			b->base[i].lines |= tmd >> i & 1 ? PKT_LINE_TMD : 0;
		}
		pkt_parse_rehash(b, n, w->isa);
	}
	return evs_unlikely(bad) ? pmd_loop_sift(w, n, bad, PKT_DROP_RX_TRUNCATED) : n;
}

EVS_HOT unsigned pmd_decap_take(struct pmd_worker *w, struct pmd_view *v, unsigned n,
                                struct pmd_decap_rest *rest)
{
	const uint32_t all = UINT32_MAX >> (PKT_BURST_MAX - n);
	uint16_t ports[PKT_BURST_MAX];
	unsigned n_fit, n_inner;
	uint32_t fits = 0;
	struct look look;

	rest->n = 0;
	for (unsigned i = 0; i < EVS_MIN(n, (unsigned)AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(w->burst.mbuf[i], const void *));
	for (unsigned i = 0; i < n; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(w->burst.mbuf[i + AHEAD], const void *));
		fits |= look_at(w, v, i, &look);
	}
	look.fits = fits;
	look.tmd = 0;
	if (evs_unlikely(look.fits != all))
		divide(w, &look, all, v->decap_l3, rest);
	if (evs_unlikely(!look.fits))
		return 0;
	n_fit = (unsigned)__builtin_popcount(look.fits);
	evs_counter_add(&w->account.rx, n_fit);
	evs_counter_add(&v->counters->rx_pkts, n_fit);
	n_inner = take_out(w, v, &look, ports);
	return evs_likely(n_inner) ? parse(w, n_inner, ports, look.tmd) : 0;
}

/* Does the flow nothing but end a tunnel? Its program ends with that op. */
static const struct flow_op *only_pop(const struct flow *flow)
{
	const struct flow_op *op;

	if (!flow || evs_load_relaxed(&flow->gen) & 1)
		return NULL;
	op = (const struct flow_op *)flow->prog->ops;
	return op->kind == FLOW_OP_TUNNEL_POP && op->size == flow->prog->size ? op : NULL;
}

/* What tells the packet at x->mbuf[i]. False: it is no ordinary one, or its flow looks further. */
static bool describe(const struct pmd_exec *x, unsigned i, const struct flow *flow, uint32_t arg,
                     struct tun_known *known)
{
	static const struct pkt_key_ipv6 none;
	const struct rte_mbuf *m = x->mbuf[i];
	const struct flow_mask *mask = flow->mask;
	const enum tun_kind kind = (enum tun_kind)(arg >> 16);
	bool ipv6 = flow->key.eth_type == RTE_BE16(PKT_ETH_IPV6),
	     udp = tun_kinds[kind].ip_proto == PKT_IP_UDP;
	uint32_t at =
	        x->ofs[i].l3 + (ipv6 ? PKT_IPV6_SIZE : PKT_IPV4_SIZE) + (udp ? PKT_UDP_SIZE : 0);

	if (!tun_kinds[kind].n_plain || mask->mask.base.in_port != UINT16_MAX ||
	    mask->lines & ~PKT_LINE_IPV6 || x->ofs[i].l3 == 0 || m->data_len < at + TUN_PLAIN_SIZE)
		return false;
	*known = (struct tun_known){
	        .kind = kind,
	        .dst_port = (uint16_t)arg,
	        .key = &flow->key,
	        .mask = &mask->mask.base,
	        .key6 = flow->ext_key ? &flow->ext_key->ipv6 : &none,
	        .mask6 = flow->ext_key ? &mask->mask.ext.ipv6 : &none,
	        .header = rte_pktmbuf_mtod_offset(m, const uint8_t *, at),
	};
	return true;
}

/* Makes the template of the packet at x->mbuf[i] the one of its sender; where there is none, what
 * is known stays. */
static void learn(struct pmd_worker *w, struct pmd_decap *d, const struct pmd_exec *x, unsigned i,
                  uint32_t arg)
{
	struct flow *flow = w->found.flow[x->slot[i]];
	struct pmd_view *v = pmd_view_of(w, flow->key.in_port);
	struct tun_known known;
	struct tun_template t;
	uint32_t end;

	if (!v->port || !describe(x, i, flow, arg, &known) || !tun_template_make(&known, &t))
		return;
	if (v->decap_l3 && v->decap_l3 != t.l3)
		return; /* senders behind a tag and without one: only the first kind is known */
	d->t = t;
	end = d->t.l3 + sender_end(!d->t.is_ipv4);
	if (!v->decap_l3)
		v->decap_src = (uint8_t)end;
	else if (v->decap_src != end)
		v->decap_src = 0;
	v->decap_l3 = d->t.l3;
	d->flow = flow;
	d->gen = evs_load_relaxed(&flow->gen);
	d->arg = arg;
	d->in_port = flow->key.in_port;
	d->used = true;
}

EVS_HOT void pmd_decap_learn(struct pmd_worker *w, const struct pmd_exec *x)
{
	for (unsigned i = 0; i < x->n; i++) {
		const struct pkt_key_base *base = &w->burst.base[x->slot[i]];
		const struct flow *flow = w->found.flow[x->slot[i]];
		const struct flow_op *op = only_pop(flow);
		struct pmd_decap *d;
		uint32_t end;

		if (!op || base->in_port != flow->key.in_port ||
		    x->mbuf[i]->data_len < x->ofs[i].l3 + IP_ENDS)
			return;
		end = x->ofs[i].l3 + sender_end(base->eth_type == RTE_BE16(PKT_ETH_IPV6));
		d = place_of(
		        w, base->in_port,
		        pkt_ld32(rte_pktmbuf_mtod_offset(x->mbuf[i], const uint8_t *, end - 4)));
		if (d->in_port && is_alive(d) && d->used) {
			d->used = false; /* unless it is used until we come here again */
			continue;
		}
		learn(w, d, x, i, op->arg);
		return; /* one a burst is enough */
	}
}
