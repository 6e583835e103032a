/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over IPv6 extension headers (RFC 8200, OpenFlow 1.3.5 A.2.3.8). Threads: any; no state.
 *
 * The preferred order is hop-by-hop, destination, routing, fragment, authentication, ESP,
 * destination. Each kind has a rank; a header whose rank is below that of one before it is out of
 * sequence. Destination options have two ranks: before a routing header, and last.
 */
#include "pkt/pkt_ipv6_pvt.h"

#include "pkt/pkt_key.h"

enum rank {
	RANK_START,
	RANK_HOP,
	RANK_DEST1,
	RANK_ROUTER,
	RANK_FRAG,
	RANK_AUTH,
	RANK_ESP,
	RANK_DEST2
};

struct order {
	enum rank rank; /* highest so far */
	unsigned n_dest;
};

static uint16_t note_dest(struct order *o)
{
	uint16_t bits = PKT_EXTHDR_DEST;
	if (o->n_dest++ >= 2)
		bits |= PKT_EXTHDR_UNREP;
	if (o->rank < RANK_DEST1)
		o->rank = RANK_DEST1;
	else
		o->rank = RANK_DEST2;
	return bits;
}

/* Bits that header `kind`, of this rank and bit, adds to those that were seen. */
static uint16_t note(struct order *o, uint16_t seen, enum rank rank, uint16_t bit)
{
	uint16_t bits = bit;
	if (seen & bit)
		bits |= PKT_EXTHDR_UNREP;
	if (rank < o->rank)
		bits |= PKT_EXTHDR_UNSEQ;
	else
		o->rank = rank;
	return bits;
}

/* Hop-by-hop options count as present only as the very first header. */
static uint16_t note_hop(struct order *o, uint16_t seen)
{
	if (o->rank == RANK_START) {
		o->rank = RANK_HOP;
		return PKT_EXTHDR_HOP;
	}
	return PKT_EXTHDR_UNSEQ | (seen & PKT_EXTHDR_HOP ? PKT_EXTHDR_UNREP : 0);
}

static uint16_t note_exthdr(struct order *o, uint16_t seen, uint8_t proto)
{
	switch (proto) {
	case PKT_IP_HOP:
		return note_hop(o, seen);
	case PKT_IP_DEST:
		return note_dest(o);
	case PKT_IP_ROUTER:
		return note(o, seen, RANK_ROUTER, PKT_EXTHDR_ROUTER);
	case PKT_IP_FRAG:
		return note(o, seen, RANK_FRAG, PKT_EXTHDR_FRAG);
	case PKT_IP_AUTH:
		return note(o, seen, RANK_AUTH, PKT_EXTHDR_AUTH);
	default:
		return note(o, seen, RANK_ESP, PKT_EXTHDR_ESP);
	}
}

static bool is_exthdr(uint8_t proto)
{
	return proto == PKT_IP_HOP || proto == PKT_IP_DEST || proto == PKT_IP_ROUTER ||
	       proto == PKT_IP_FRAG || proto == PKT_IP_AUTH || proto == PKT_IP_ESP;
}

static uint32_t exthdr_size(uint8_t proto, const uint8_t *p)
{
	switch (proto) {
	case PKT_IP_FRAG:
		return 8;
	case PKT_IP_AUTH:
		return (p[1] + 2u) * 4;
	default:
		return (p[1] + 1u) * 8;
	}
}

/* One extension header that is there at walk->l4. False: the walk ends. */
static bool step(struct pkt_frame *f, struct pkt_ipv6_walk *walk, struct order *o)
{
	const uint8_t *p = pkt_frame_at(f, walk->l4, 8);
	if (p == NULL)
		return false;
	uint8_t kind = walk->proto;
	uint32_t size = exthdr_size(kind, p);
	if (kind != PKT_IP_ESP && walk->l4 + size > f->end)
		return false;
	walk->exthdr |= note_exthdr(o, walk->exthdr, kind);
	if (kind == PKT_IP_ESP)
		return false;
	if (kind == PKT_IP_ROUTER && p[3] > 0)
		walk->routing_left = true;
	bool later = false;
	if (kind == PKT_IP_FRAG) {
		uint16_t frag = pkt_be16(p + 2);
		later = (frag & 0xfff8) != 0;
		walk->frag |= PKT_FRAG_ANY | (later ? PKT_FRAG_LATER : 0);
	}
	walk->proto = p[0];
	walk->proto_ofs = walk->l4;
	walk->l4 += size;
	return !later;
}

void pkt_ipv6_walk(struct pkt_frame *f, uint32_t l3, struct pkt_ipv6_walk *walk)
{
	struct order o = {.rank = RANK_START};
	const uint8_t *p = pkt_frame_at(f, l3, PKT_IPV6_SIZE);
	*walk = (struct pkt_ipv6_walk){
	        .l4 = l3 + PKT_IPV6_SIZE, .proto_ofs = l3 + 6, .proto = p ? p[6] : PKT_IP_NONEXT};
	if (p == NULL)
		return;
	for (unsigned i = 0; i < PKT_EXTHDR_MAX; i++) {
		if (walk->proto == PKT_IP_NONEXT) {
			walk->exthdr |= PKT_EXTHDR_NONEXT;
			return;
		}
		if (!is_exthdr(walk->proto)) {
			walk->complete = true;
			return;
		}
		if (!step(f, walk, &o))
			return;
	}
}
