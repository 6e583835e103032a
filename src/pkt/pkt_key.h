/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key: the fixed layout that a packet is parsed into and that caches and
 * classifier mask, hash and compare.
 * Threads: any. Owner: the caller.
 *
 * A key is a row of 64-byte lines. Line 0, `struct pkt_key_base`, holds all that an
 * IPv4, ARP, MPLS or PBB frame with up to two VLAN tags needs; its first 56 bytes are
 * matched, its last 8 belong to whoever holds the key (hash in a burst, slot and
 * generation in the exact cache), so that a cache entry is one line. Further lines
 * follow for IPv6, tunnel, connection tracking, and tunnel metadata; `lines` in line 0
 * says which are in use, and those that are not in use are zero and never touched.
 *
 * Invariants
 *  - Fields are in wire order (rte_be*), but in_port, recirc_id, lines, frag and n_mpls.
 *  - What a packet does not have is zero; fields that share bytes are told apart by
 *    eth_type (and ip_proto), which every cached mask matches whole.
 *  - An all-ones bit in a mask of the same layout means that the bit was looked at.
 *  - in_port is the datapath's port index (1..PKT_PORT_MAX), not the OpenFlow number.
 */
#ifndef PKT_KEY_H
#define PKT_KEY_H

#include <rte_byteorder.h>

#include "base/evs_base.h"

#define PKT_PORT_NONE 0
#define PKT_PORT_MAX  4095

/* Bits of pkt_key_base.lines. */
enum pkt_key_line {
	PKT_LINE_IPV6 = 0x01,
	PKT_LINE_TUN = 0x02,
	PKT_LINE_CT = 0x04,
	PKT_LINE_TMD = 0x08, /* the four lines of tunnel metadata */
};

/* pkt_key_base.frag */
enum pkt_frag {
	PKT_FRAG_ANY = 0x01,   /* it is a fragment */
	PKT_FRAG_LATER = 0x02, /* with an offset other than zero: no L4 header */
};

/* In a TCI of the key: "there is a tag" (the place of CFI/DEI, which is not matched). */
#define PKT_VLAN_PRESENT 0x1000
#define PKT_N_VLANS      2
#define PKT_N_MPLS       3

struct pkt_vlan {
	rte_be16_t tpid;
	rte_be16_t tci; /* PCP, PKT_VLAN_PRESENT, VID; 0 without a tag */
};

struct pkt_key_base {
	uint16_t in_port;
	uint8_t lines; /* enum pkt_key_line */
	uint8_t frag;  /* enum pkt_frag */
	uint32_t recirc_id;
	uint8_t eth_dst[6];
	uint8_t eth_src[6];
	rte_be16_t eth_type; /* of the innermost tag known; 0x05ff for 802.2 without SNAP */
	struct pkt_vlan vlan[PKT_N_VLANS]; /* [0] is the outer one */
	uint8_t ip_proto;
	uint8_t ip_tos; /* DSCP and ECN; IPv6 traffic class */
	union {         /* offset 32 */
		struct {
			rte_be32_t ip_src;
			rte_be32_t ip_dst;
			rte_be16_t tp_src; /* ICMP, ICMPv6: type, in the low byte of the number */
			rte_be16_t tp_dst; /* ICMP, ICMPv6: code */
			rte_be16_t tcp_flags; /* 12 bits: reserved and flags */
			uint8_t ip_ttl;       /* IPv6: hop limit */
			uint8_t n_mpls;       /* labels parsed, 0..3 */
			uint8_t zero[4];
		};
		struct {
			rte_be32_t arp_spa;
			rte_be32_t arp_tpa;
			uint8_t arp_sha[6];
			uint8_t arp_tha[6];
		};
		rte_be32_t mpls_lse[PKT_N_MPLS]; /* [0] is the top of the stack */
		rte_be32_t pbb_isid;             /* low 24 bits */
	};
	rte_be16_t arp_op;      /* offset 52 */
	rte_be16_t ipv6_exthdr; /* OFPIEH_* bits, wire order */
	/* offset 56: not part of the key */
	union {
		struct {
			uint32_t hash;
			uint32_t user;
		};
		uint64_t holder;
	};
} EVS_CACHE_ALIGNED;

#define PKT_KEY_BASE_SIZE 56 /* bytes of line 0 that are matched */

/* TCP flags and TTL change from packet to packet of a connection and are seldom matched: bytes 44
 * to 46, as a mask of the bytes of line 0, and as one of its word 5. */
#define PKT_KEY_VOLATILE_BYTES  (7ull << 44)
#define PKT_KEY_VOLATILE_WORD   5
#define PKT_KEY_VOLATILE_MASK64 0x00ffffff00000000ull

/* Line 1. */
struct pkt_key_ipv6 {
	uint8_t src[16];
	uint8_t dst[16];
	uint8_t nd_target[16];
	rte_be32_t flabel; /* 20 bits */
	uint8_t nd_sll[6];
	uint8_t nd_tll[6];
};

/* Line 2: the outer header that a tunnel port took off. */
struct pkt_key_tun {
	rte_be64_t id; /* VNI, GRE key */
	union {
		uint8_t src[16]; /* IPv4 as ::ffff:a.b.c.d */
		struct {
			uint8_t src_prefix[12];
			rte_be32_t v4_src;
		};
	};
	union {
		uint8_t dst[16];
		struct {
			uint8_t dst_prefix[12];
			rte_be32_t v4_dst;
		};
	};
	uint16_t flags; /* PKT_TUN_* */
	uint8_t tos;
	uint8_t ttl;
	rte_be16_t gbp_id;
	uint8_t gbp_flags;
	uint8_t proto_type; /* VXLAN-GPE next protocol */
	uint8_t zero[16];
};

enum pkt_tun_flag {
	PKT_TUN_CSUM = 0x01,
	PKT_TUN_DF = 0x02,
	PKT_TUN_KEY = 0x04,
	PKT_TUN_OAM = 0x08,
	PKT_TUN_SEQ = 0x10,
};

/* Line 3: connection tracking. */
struct pkt_key_ct {
	uint32_t state;
	uint16_t zone;
	uint8_t orig_proto;
	uint8_t zero;
	uint32_t mark;
	rte_be16_t orig_tp_src;
	rte_be16_t orig_tp_dst;
	uint8_t label[16];
	uint8_t orig_src[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t orig_dst[16];
};

/* Lines 4 to 7: the tunnel options that are mapped to fields, by words. */
#define PKT_N_TMD 64
struct pkt_key_tmd {
	union {
		uint8_t data[256];
		rte_be32_t word[PKT_N_TMD];
	};
};

/* The further lines; a member is valid only if its bit is in base.lines. */
struct pkt_key_ext {
	struct pkt_key_ipv6 ipv6;
	struct pkt_key_tun tun;
	struct pkt_key_ct ct;
	struct pkt_key_tmd tmd;
} EVS_CACHE_ALIGNED;

/* Line 0..6 of the further lines. */
EVS_INLINE const uint8_t *pkt_ext_line(const struct pkt_key_ext *ext, unsigned line)
{
	return (const uint8_t *)ext + line * EVS_CACHE_LINE;
}

/* Bit i: line i of pkt_key_ext (0..6) is in use; lines: bits of pkt_key_line. */
EVS_INLINE uint32_t pkt_ext_lines(uint8_t lines)
{
	return (lines & 7) | (lines & PKT_LINE_TMD ? 0x78 : 0);
}

/* A whole key, where space does not matter: translation, trace, tests. */
struct pkt_key {
	struct pkt_key_base base;
	struct pkt_key_ext ext;
};

static_assert(offsetof(struct pkt_key_base, eth_dst) == 8, "layout");
static_assert(offsetof(struct pkt_key_base, eth_type) == 20, "layout");
static_assert(offsetof(struct pkt_key_base, vlan) == 22, "layout");
static_assert(offsetof(struct pkt_key_base, ip_proto) == 30, "layout");
static_assert(offsetof(struct pkt_key_base, ip_src) == 32, "layout");
static_assert(offsetof(struct pkt_key_base, tp_src) == 40, "layout");
static_assert(offsetof(struct pkt_key_base, arp_op) == 52, "layout");
static_assert(offsetof(struct pkt_key_base, holder) == PKT_KEY_BASE_SIZE, "layout");
static_assert(sizeof(struct pkt_key_base) == EVS_CACHE_LINE, "line 0 is one cache line");
static_assert(sizeof(struct pkt_key_ipv6) == EVS_CACHE_LINE, "line 1 is one cache line");
static_assert(sizeof(struct pkt_key_tun) == EVS_CACHE_LINE, "line 2 is one cache line");
static_assert(sizeof(struct pkt_key_ct) == EVS_CACHE_LINE, "line 3 is one cache line");
static_assert(sizeof(struct pkt_key) == 8 * EVS_CACHE_LINE, "eight lines");

#endif
