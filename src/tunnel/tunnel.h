/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tunnels: putting frames into IP packets and taking them out.
 * Threads: workers push and pop; control and workers build headers. Owner: the caller.
 *
 * Problem. Every encapsulation wants the same (an outer Ethernet and IP header, entropy for ECMP,
 * lengths, checksums) and differs in a few bytes behind; a packet must pay for none of the choices.
 *
 * Data structure. A kind is a row of tun_kinds[]: how its header is built, what is left to do per
 * packet, how it is recognised and taken off. Building runs once per cached flow and yields the
 * whole header as bytes (pkt_tunnel.h); pushing copies it and fills in lengths, source port and
 * checksums. Popping holds every length against the packet before it believes it.
 *
 * Cost. Push: one 64-byte copy and four stores for VXLAN over IPv4. Pop: a dozen compares.
 *
 * STT alone cuts what is too long into segments; tun_join.h puts them together again.
 *
 * Sources: RFC 7348 (VXLAN), draft-ietf-nvo3-vxlan-gpe, draft-smith-vxlan-group-policy, RFC 8926
 * (Geneve), RFC 2784, 2890 and 7637 (GRE, NVGRE), draft-davie-stt-08, RFC 6040 (ECN), RFC 6935,
 * 6936 (UDP over IPv6).
 */
#ifndef TUNNEL_H
#define TUNNEL_H

#include <rte_mbuf.h>

#include "pkt/pkt_burst.h"
#include "pkt/pkt_drop.h"
#include "pkt/pkt_hash.h"
#include "pkt/pkt_tunnel.h"

enum tun_kind {
	TUN_NONE,
	TUN_VXLAN,
	TUN_VXLAN_GPE,
	TUN_GENEVE,
	TUN_GRE,
	TUN_NVGRE,
	TUN_STT,
	TUN_N_KINDS
};

#define TUN_GENEVE_OPTIONS_MAX 252
#define TUN_PLAIN_SIZE         8
#define TUN_SPORT_LO           49152 /* RFC 7348, 5: the dynamic range */
#define TUN_SPORT_N            16384
#define TUN_STT_TCP_FLAGS      0x18 /* ACK and PSH */

/* Everything about the outer header of one cached flow. */
struct tun_outer {
	enum tun_kind kind;
	uint8_t eth_dst[6], eth_src[6];
	struct pkt_vlan vlan; /* of the underlay; tci 0: none */
	uint8_t src[16];      /* IPv4 as ::ffff:a.b.c.d */
	uint8_t dst[16];
	uint8_t tos, ttl;
	uint16_t flags;      /* PKT_TUN_CSUM, DF, KEY, SEQ, OAM */
	rte_be64_t key;      /* VNI or GRE key, as in pkt_key_tun.id */
	rte_be16_t dst_port; /* of UDP */
	uint16_t sport_lo, sport_n;
	rte_be16_t gbp_id;
	uint8_t gbp_flags;
	bool gbp;
	rte_be16_t
	        inner_type; /* 0: Ethernet; else the ethertype of a packet without a MAC header */
	const uint8_t *options; /* Geneve, as on the wire */
	uint8_t options_size;   /* bytes; a multiple of 4 */
};

/* Options of Geneve that are fields of a bridge: an option of 4 * n bytes is n words of
 * tun_metadata. Without such an option the words are zero, and words of zero send none. Immutable.
 */
struct tun_option {
	rte_be16_t option_class;
	uint8_t type;
	uint8_t n_words; /* 1..31 */
	uint8_t word;    /* the first of them */
};
struct tun_option_map {
	unsigned n;
	struct tun_option option[PKT_N_TMD];
};

/* What parse found. */
struct tun_inner {
	struct pkt_key_tun *tun;
	rte_be16_t inner_type;  /* 0: Ethernet */
	const uint8_t *options; /* Geneve; within the packet */
	uint16_t options_size;
	const uint8_t *meta; /* STT: its header; within the packet */
};

/* A segment of a frame that came in several. */
struct tun_part {
	uint32_t header; /* bytes of its L4 header */
	uint32_t size;   /* of the frame in this segment */
	uint32_t offset, total;
	uint32_t id, ports; /* with the addresses: of which frame; as on the wire */
};

/* An ordinary header of a kind, behind UDP or IP, with Ethernet inside; parse finds in it what is
 * said here, and nothing else. */
struct tun_plain {
	uint8_t want[TUN_PLAIN_SIZE], care[TUN_PLAIN_SIZE]; /* its first bytes, masked */
	uint8_t size;      /* of it, without options; at least the bytes in `care` */
	uint8_t key_at;    /* four bytes with the network, */
	uint8_t key_bytes; /* of which so many are it: 0, 3 or 4 */
	uint8_t flags;     /* PKT_TUN_* */
	uint8_t proto_type;
	bool options; /* those of Geneve may follow; the first byte tells how many */
};

struct tun_kind_ops {
	const char *name;
	const char *help;
	uint8_t ip_proto;
	uint16_t dst_port;    /* of UDP or TCP, by default; 0: has none */
	const char *key_name; /* of the option of a port */
	uint64_t key_max;
	/* Bytes behind IP: writes them to `p` (room for PKT_TUNNEL_HEADER_MAX) and returns how
	 * many. */
	size_t (*build)(const struct tun_outer *outer, uint8_t *p);
	/* [worker] What depends on the packet, behind IP; p is the IP payload, size its bytes. May
	 * be NULL. */
	void (*finish)(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint8_t *p,
	               uint32_t size);
	/* [worker] Of a kind that is not put on in the common way: all that tun_push does. */
	int (*push)(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint32_t flow_hash);
	/* [worker] Does the header carry what m asks of its sender? NULL: never. */
	bool (*carries)(const struct pkt_tunnel_header *header, const struct rte_mbuf *m);
	/* [worker] Asks for m, just pushed, to be cut where it is too long for an MTU below. */
	void (*cut)(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint32_t mtu);
	/* [worker] Of a kind with segments: reads what parse reads of one; false: malformed. */
	bool (*part)(const uint8_t *p, uint32_t size, uint32_t avail, struct tun_part *part);
	/* [worker] The header at p is now that of a whole frame. */
	void (*whole)(uint8_t *p);
	/* [worker] Reads the header at p of an IP payload of `size` bytes, of which `avail` lie at
	 * p: fills key but for addresses, tos and ttl; returns the header's bytes, or 0 if
	 * malformed. */
	size_t (*parse)(const uint8_t *p, uint32_t size, uint32_t avail, struct tun_inner *inner);
	/* [worker] The header is off: does to the inner frame what it said. False: it lied, and m
	 * is as it was. May be NULL. */
	bool (*settle)(struct rte_mbuf *m, const struct tun_inner *inner);
	const struct tun_plain *plain; /* n_plain of them, for tun_template.h */
	uint8_t n_plain;
};

extern const struct tun_kind_ops tun_kinds[TUN_N_KINDS];
/* By the name of the port type; TUN_NONE if there is none. */
enum tun_kind tun_kind_lookup(const char *name);

/* [ctl, worker] Builds the outer header. 0, -EINVAL (address families differ, options too long, key
 * too wide), with nothing allocated. */
int tun_header_build(const struct tun_outer *outer, struct pkt_tunnel_header *header);

/* The same for what is not IPv4. */
uint32_t tun_flow_hash_odd(const struct pkt_key_base *base, const struct pkt_key_ext *ext);
/* [worker] The hash that chooses the source port and an ECMP path: addresses, protocol, ports of
 * the inner packet, the same for every packet of a flow. */
EVS_INLINE uint32_t tun_flow_hash(const struct pkt_key_base *base, const struct pkt_key_ext *ext)
{
	uint64_t hash, ports = pkt_hash_u64(&base->tp_src) & UINT32_MAX;

	if (evs_unlikely(base->ip_proto == 0 || base->lines & PKT_LINE_IPV6))
		return tun_flow_hash_odd(base, ext);
	hash = pkt_hash_mum(pkt_hash_u64(&base->ip_src) ^ pkt_hash_secret[3],
	                    ((uint64_t)base->ip_proto << 32 | ports) ^ pkt_hash_secret[1]);
	return (uint32_t)(hash ^ hash >> 32);
}

/* [worker] Puts the header before a frame, which is writable and wants nothing of the sender
 * (checksums complete, not a large segment) but what the kind carries. 0, -ENOMEM (no room and no
 * buffer), -EMSGSIZE. */
int tun_push(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint32_t flow_hash);

/* [worker] Takes the outer header off a packet whose IP header is at ofs->l3 and L4 at ofs->l4, in
 * the first segment: fills tun and adjusts the frame to the inner one (a frame without MAC header
 * gets one of zeros). Returns PKT_DROP_NONE, or why it is malformed; then the frame is unchanged.
 */
enum pkt_drop tun_pop(enum tun_kind kind, struct rte_mbuf *m, const struct pkt_offsets *ofs,
                      struct pkt_key_tun *tun);

/* [worker] Options as on the wire, well formed, to words; map may be NULL. *any: some are mapped.
 * False: an option is critical and unknown, so that the packet must be dropped (RFC 8926, 3.5). */
bool tun_options_read(const struct tun_option_map *map, const uint8_t *options, size_t size,
                      struct pkt_key_tmd *tmd, bool *any);
/* Words to options; p has room for TUN_GENEVE_OPTIONS_MAX; returns their bytes, -E2BIG. */
int tun_options_write(const struct tun_option_map *map, const struct pkt_key_tmd *tmd, uint8_t *p);

/* RFC 6040, 4.1 normal mode and 4.2: the outer ECN at encapsulation, the inner one at
 * decapsulation; the latter is -1 where the packet must be dropped. */
uint8_t tun_ecn_outer(uint8_t inner_tos);
int tun_ecn_inner(uint8_t inner_tos, uint8_t outer_tos);

#endif
