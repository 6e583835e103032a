/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an edit of a header says: masked sets, new = (old & ~mask) | value, value within mask.
 * Threads: any; plain values. Payloads of action programs and arguments of pkt_edit.h alike, so
 * sizes are multiples of 8 bytes.
 */
#ifndef PKT_SET_H
#define PKT_SET_H

#include "pkt/pkt_key.h"

struct pkt_set_eth {
	uint8_t value[16], mask[16]; /* dst, src, type behind the tags, 2 zero bytes */
};
struct pkt_set_vlan {
	struct pkt_vlan value, mask; /* PKT_VLAN_PRESENT is ignored */
};
struct pkt_set_ipv4 {
	rte_be32_t src, src_mask, dst, dst_mask;
	uint8_t tos, tos_mask, ttl, ttl_mask;
	uint8_t proto, proto_mask, zero[2];
};
struct pkt_set_ipv6 {
	uint8_t src[16], src_mask[16], dst[16], dst_mask[16];
	rte_be32_t flabel, flabel_mask;
	uint8_t tc, tc_mask, hlimit, hlimit_mask;
	uint8_t proto, proto_mask, zero[2];
};
struct pkt_set_l4 {
	rte_be16_t src, src_mask, dst, dst_mask;
};
struct pkt_set_icmp {
	uint8_t type, type_mask, code, code_mask, zero[4];
};
struct pkt_set_arp {
	rte_be32_t spa, spa_mask, tpa, tpa_mask;
	uint8_t sha[6], sha_mask[6], tha[6], tha_mask[6];
	rte_be16_t op, op_mask;
	uint8_t zero[4];
};
struct pkt_set_nd {
	uint8_t target[16], target_mask[16];
	uint8_t sll[6], sll_mask[6], tll[6], tll_mask[6];
};
struct pkt_set_mpls {
	rte_be32_t lse, mask; /* the top label stack entry, BoS bit included */
};
struct pkt_set_pbb {
	rte_be32_t itag, mask; /* priority, DEI, UCA, I-SID */
};
struct pkt_push_mpls {
	rte_be32_t lse;
	rte_be16_t eth_type; /* 0x8847 or 0x8848 */
	uint8_t zero[2];
};

#endif
