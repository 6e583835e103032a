/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARP and ND suppression: what stations say of themselves becomes bindings; a question of a local
 * station for one behind a tunnel is answered where it was asked.
 * Threads: as pl_xlate_pvt.h.
 *
 * Not answered, and so flooded as without suppression: probes for duplicates (RFC 5227, RFC 4862),
 * announcements, questions to one station (which probe whether it is still there), questions for
 * the asker's own address or station, for link-local addresses (pl_bind_takes), and what was asked
 * through a tunnel.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "openflow/of_proto.h"
#include "pipeline/pl_bind_pvt.h"
#include "pipeline/pl_trace_pvt.h"
#include "pipeline/pl_underlay_pvt.h"
#include "pkt/pkt_hdr.h"

#define RECENT   256
#define AGAIN_MS 50   /* a worker reports one address so often at most */
#define FRESH_MS 1000 /* and one that is as it was so often */

/* What a message says: who speaks, and whom it asks for. */
struct message {
	uint8_t sender[16], target[16];
	const uint8_t *mac; /* of the sender */
	bool has_sender, is_question;
};

static bool read_arp(struct pl_xlate *x, struct message *message)
{
	const struct pkt_key_base *base = &x->pkt.key.pkt.base;

	PL_LOOK(x, pkt.base.arp_op);
	PL_LOOK(x, pkt.base.arp_spa);
	PL_LOOK(x, pkt.base.arp_tpa);
	PL_LOOK(x, pkt.base.arp_sha);
	message->mac = base->arp_sha;
	message->has_sender = base->arp_spa != 0;
	message->is_question = base->arp_op == RTE_BE16(1);
	pl_ip_from_v4(base->arp_spa, message->sender);
	pl_ip_from_v4(base->arp_tpa, message->target);
	return message->is_question || base->arp_op == RTE_BE16(2);
}

static bool read_nd(struct pl_xlate *x, struct message *message)
{
	const struct pkt_key *key = &x->pkt.key.pkt;
	static const uint8_t unspecified[16];
	unsigned type;

	PL_LOOK(x, pkt.base.ip_proto);
	if (key->base.ip_proto != IPPROTO_ICMPV6 || key->base.frag)
		return false;
	PL_LOOK(x, pkt.base.tp_src);
	type = rte_be_to_cpu_16(key->base.tp_src);
	if (type != PKT_ND_SOLICIT && type != PKT_ND_ADVERT)
		return false;
	PL_LOOK(x, pkt.base.tp_dst);
	PL_LOOK(x, pkt.base.ip_ttl);
	PL_LOOK(x, pkt.ext.ipv6);
	message->is_question = type == PKT_ND_SOLICIT;
	message->mac = message->is_question ? key->ext.ipv6.nd_sll : key->ext.ipv6.nd_tll;
	memcpy(message->target, key->ext.ipv6.nd_target, sizeof(message->target));
	memcpy(message->sender, message->is_question ? key->ext.ipv6.src : message->target,
	       sizeof(message->sender));
	message->has_sender = message->sender[0] != 0xff &&
	                      memcmp(message->sender, unspecified, sizeof(unspecified)) != 0;
	return key->base.ip_ttl == 255 && key->base.tp_dst == 0;
}

/* True: the control thread shall hear of it. */
static bool worth_posting(struct pl_xlate *x, uint16_t vlan, const struct pl_bind *bind,
                          const struct message *m)
{
	static _Thread_local struct {
		const void *bridge;
		uint8_t addr[16], mac[6];
		uint16_t vlan;
		uint32_t ms;
	} recent[RECENT];
	unsigned slot =
	        (m->sender[15] ^ m->sender[13] * 31u ^ m->mac[5] * 7u ^ vlan * 13u) % RECENT;

	if (bind && bind->port == x->in->port && !memcmp(bind->mac, m->mac, 6) &&
	    pl_xlate_now(x) - evs_load_relaxed(&bind->used_ms) < FRESH_MS)
		return false;
	if (bind && !bind->port)
		return false;
	if (recent[slot].bridge == x->snap->bridge && recent[slot].vlan == vlan &&
	    pl_xlate_now(x) - recent[slot].ms < AGAIN_MS &&
	    !memcmp(recent[slot].addr, m->sender, 16) && !memcmp(recent[slot].mac, m->mac, 6))
		return false;
	recent[slot].bridge = x->snap->bridge;
	recent[slot].vlan = vlan;
	recent[slot].ms = pl_xlate_now(x);
	memcpy(recent[slot].addr, m->sender, 16);
	memcpy(recent[slot].mac, m->mac, 6);
	return true;
}

/* Who speaks for another station's Ethernet address is not believed; nor who speaks for ours. */
static void note(struct pl_xlate *x, uint16_t vlan, const struct message *m)
{
	const struct pkt_key_base *base = &x->pkt.key.pkt.base;
	struct pl_learn learn = {
	        .bridge = x->snap->bridge->index,
	        .in_port = x->in->ofport == PL_OFPORT_LOCAL ? 0xfffe : (uint16_t)x->in->ofport,
	        .vlan = vlan,
	        .rx_port = x->in_index,
	};
	const struct pl_bind *bind;

	if (!m->has_sender || !pl_bind_takes(m->sender) || memcmp(m->mac, base->eth_src, 6) != 0 ||
	    !rte_is_valid_assigned_ether_addr((const struct rte_ether_addr *)m->mac) ||
	    pl_address_is_own(learn.bridge, vlan, m->sender))
		return;
	bind = pl_bind_lookup(x, vlan, m->sender);
	if (x->quiet || !pl_globals.config.post_learn || !worth_posting(x, vlan, bind, m))
		return;
	memcpy(learn.mac, m->mac, sizeof(learn.mac));
	memcpy(learn.addr, m->sender, sizeof(learn.addr));
	pl_globals.config.post_learn(x->worker, &learn);
}

static bool may_answer(const struct pl_xlate *x, const struct message *m)
{
	return m->is_question && m->has_sender && pl_bind_takes(m->target) &&
	       (x->pkt.key.pkt.base.eth_dst[0] & 1) && !x->in->tunnel &&
	       x->in->index != PKT_PORT_NONE && !(x->in->flags & (PL_PORT_DOWN | PL_PORT_NO_FWD)) &&
	       !x->pkt.any_dirty && memcmp(m->sender, m->target, sizeof(m->target)) != 0 &&
	       memcmp(m->mac, x->pkt.key.pkt.base.eth_src, 6) == 0;
}

static void trace_answer(struct pl_xlate *x, const struct pl_bind *bind)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (evs_likely(!x->trace))
		return;
	if (pl_ip_is_v4(bind->addr))
		inet_ntop(AF_INET, bind->addr + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, bind->addr, text, sizeof(text));
	PL_TRACE(x, "answers for %s at %02x:%02x:%02x:%02x:%02x:%02x, %s%s%s: not flooded", text,
	         bind->mac[0], bind->mac[1], bind->mac[2], bind->mac[3], bind->mac[4], bind->mac[5],
	         bind->port ? "behind '" : "a static binding", bind->port ? bind->port->name : "",
	         bind->port ? "'" : "");
}

static bool answer(struct pl_xlate *x, uint16_t vlan, const struct message *m)
{
	const struct pl_bind *bind;
	struct pkt_answer *payload;
	struct pl_copy copy;

	if (!may_answer(x, m))
		return false;
	bind = pl_bind_lookup(x, vlan, m->target);
	if (!bind || (bind->port && !bind->port->tunnel) ||
	    memcmp(bind->mac, x->pkt.key.pkt.base.eth_src, 6) == 0)
		return false;
	trace_answer(x, bind);
	pl_ref_add(x, FLOW_REF_PORT, x->in->port, x->in->index)->flags |= PL_REF_STATE;
	pl_copy_begin(x, &copy); /* other actions may have the question as it came */
	payload = (struct pkt_answer *)flow_prog_add(&x->out->prog, FLOW_OP_ANSWER, 0)->payload;
	memcpy(payload->mac, bind->mac, sizeof(payload->mac));
	flow_prog_add(&x->out->prog, FLOW_OP_OUTPUT, x->in->index);
	x->n_edits++;
	pl_copy_end(x, &copy);
	x->n_out++;
	return true;
}

bool pl_suppress(struct pl_xlate *x, uint16_t vlan)
{
	struct message message = {0};
	bool is_one = false;

	if (!x->in || x->pkt.stale)
		return false;
	switch (rte_be_to_cpu_16(x->pkt.key.pkt.base.eth_type)) {
	case PKT_ETH_ARP:
		is_one = read_arp(x, &message);
		break;
	case PKT_ETH_IPV6:
		is_one = read_nd(x, &message);
		break;
	}
	if (!is_one)
		return false;
	note(x, vlan, &message);
	return answer(x, vlan, &message);
}
