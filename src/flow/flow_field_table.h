/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of fields. Order is the order of printing and encoding: what a field requires
 * stands before it.
 * Threads: any.
 *
 * X(ID, name, ovs-ofctl's name, member of struct flow_key, shift, bits, bytes on the wire,
 *   class, number, second class, second number, prerequisite, flags, form)
 * "M" may be masked, "S" may be set, "H" host order, "13" of OpenFlow 1.3.5, table 12.
 * L4 ports and ND target may be masked beyond what 1.3.5 asks for, as other switches do.
 * NONE as second class: there is no second number.
 */
#ifndef FLOW_FIELD_TABLE_H
#define FLOW_FIELD_TABLE_H

/* clang-format off */
#define FLOW_FIELDS_OF13(X) \
 X(IN_PORT, "in_port", "in_port", pipe.in_port, 0, 32, 4, BASIC, 0, NONE, 0, NONE, F13, PORT) \
 X(IN_PHY_PORT, "in_phy_port", "in_phy_port", pipe.in_phy_port, 0, 32, 4, BASIC, 1, NONE, 0, IN_PORT, F13, PORT) \
 X(METADATA, "metadata", "metadata", pipe.metadata, 0, 64, 8, BASIC, 2, NONE, 0, NONE, F13 M, HEX) \
 X(ETH_DST, "eth_dst", "dl_dst", pkt.base.eth_dst, 0, 48, 6, BASIC, 3, NXM0, 1, NONE, F13 M S, ETH) \
 X(ETH_SRC, "eth_src", "dl_src", pkt.base.eth_src, 0, 48, 6, BASIC, 4, NXM0, 2, NONE, F13 M S, ETH) \
 X(ETH_TYPE, "eth_type", "dl_type", pkt.base.eth_type, 0, 16, 2, BASIC, 5, NXM0, 3, NONE, F13 S, HEX) \
 X(VLAN_VID, "vlan_vid", "vlan_vid", pkt.base.vlan[0].tci, 0, 13, 2, BASIC, 6, NONE, 0, NONE, F13 M S, HEX) \
 X(VLAN_PCP, "vlan_pcp", "dl_vlan_pcp", pkt.base.vlan[0].tci, 13, 3, 1, BASIC, 7, NONE, 0, VLAN, F13 S, DEC) \
 X(IP_DSCP, "ip_dscp", "nw_tos_shifted", pkt.base.ip_tos, 2, 6, 1, BASIC, 8, NONE, 0, IP, F13 S, DEC) \
 X(IP_ECN, "ip_ecn", "nw_ecn", pkt.base.ip_tos, 0, 2, 1, BASIC, 9, NXM1, 28, IP, F13 S, DEC) \
 X(IP_PROTO, "ip_proto", "nw_proto", pkt.base.ip_proto, 0, 8, 1, BASIC, 10, NXM0, 6, IP, F13 S, DEC) \
 X(IPV4_SRC, "ipv4_src", "nw_src", pkt.base.ip_src, 0, 32, 4, BASIC, 11, NXM0, 7, IPV4, F13 M S, IPV4) \
 X(IPV4_DST, "ipv4_dst", "nw_dst", pkt.base.ip_dst, 0, 32, 4, BASIC, 12, NXM0, 8, IPV4, F13 M S, IPV4) \
 X(TCP_SRC, "tcp_src", "tp_src", pkt.base.tp_src, 0, 16, 2, BASIC, 13, NXM0, 9, TCP, F13 M S, DEC) \
 X(TCP_DST, "tcp_dst", "tp_dst", pkt.base.tp_dst, 0, 16, 2, BASIC, 14, NXM0, 10, TCP, F13 M S, DEC) \
 X(UDP_SRC, "udp_src", "tp_src", pkt.base.tp_src, 0, 16, 2, BASIC, 15, NXM0, 11, UDP, F13 M S, DEC) \
 X(UDP_DST, "udp_dst", "tp_dst", pkt.base.tp_dst, 0, 16, 2, BASIC, 16, NXM0, 12, UDP, F13 M S, DEC) \
 X(SCTP_SRC, "sctp_src", "tp_src", pkt.base.tp_src, 0, 16, 2, BASIC, 17, NONE, 0, SCTP, F13 M S, DEC) \
 X(SCTP_DST, "sctp_dst", "tp_dst", pkt.base.tp_dst, 0, 16, 2, BASIC, 18, NONE, 0, SCTP, F13 M S, DEC) \
 X(ICMPV4_TYPE, "icmpv4_type", "icmp_type", pkt.base.tp_src, 0, 8, 1, BASIC, 19, NXM0, 13, ICMPV4, F13 S, DEC) \
 X(ICMPV4_CODE, "icmpv4_code", "icmp_code", pkt.base.tp_dst, 0, 8, 1, BASIC, 20, NXM0, 14, ICMPV4, F13 S, DEC) \
 X(ARP_OP, "arp_op", "arp_op", pkt.base.arp_op, 0, 16, 2, BASIC, 21, NXM0, 15, ARP, F13 S, DEC) \
 X(ARP_SPA, "arp_spa", "arp_spa", pkt.base.arp_spa, 0, 32, 4, BASIC, 22, NXM0, 16, ARP, F13 M S, IPV4) \
 X(ARP_TPA, "arp_tpa", "arp_tpa", pkt.base.arp_tpa, 0, 32, 4, BASIC, 23, NXM0, 17, ARP, F13 M S, IPV4) \
 X(ARP_SHA, "arp_sha", "arp_sha", pkt.base.arp_sha, 0, 48, 6, BASIC, 24, NXM1, 17, ARP, F13 M S, ETH) \
 X(ARP_THA, "arp_tha", "arp_tha", pkt.base.arp_tha, 0, 48, 6, BASIC, 25, NXM1, 18, ARP, F13 M S, ETH) \
 X(IPV6_SRC, "ipv6_src", "ipv6_src", pkt.ext.ipv6.src, 0, 128, 16, BASIC, 26, NXM1, 19, IPV6, F13 M S, IPV6) \
 X(IPV6_DST, "ipv6_dst", "ipv6_dst", pkt.ext.ipv6.dst, 0, 128, 16, BASIC, 27, NXM1, 20, IPV6, F13 M S, IPV6) \
 X(IPV6_FLABEL, "ipv6_flabel", "ipv6_label", pkt.ext.ipv6.flabel, 0, 20, 4, BASIC, 28, NXM1, 27, IPV6, F13 M S, HEX) \
 X(ICMPV6_TYPE, "icmpv6_type", "icmp_type", pkt.base.tp_src, 0, 8, 1, BASIC, 29, NXM1, 21, ICMPV6, F13 S, DEC) \
 X(ICMPV6_CODE, "icmpv6_code", "icmp_code", pkt.base.tp_dst, 0, 8, 1, BASIC, 30, NXM1, 22, ICMPV6, F13 S, DEC) \
 X(IPV6_ND_TARGET, "ipv6_nd_target", "nd_target", pkt.ext.ipv6.nd_target, 0, 128, 16, BASIC, 31, NXM1, 23, ND, F13 M S, IPV6) \
 X(IPV6_ND_SLL, "ipv6_nd_sll", "nd_sll", pkt.ext.ipv6.nd_sll, 0, 48, 6, BASIC, 32, NXM1, 24, ND_SOL, F13 M S, ETH) \
 X(IPV6_ND_TLL, "ipv6_nd_tll", "nd_tll", pkt.ext.ipv6.nd_tll, 0, 48, 6, BASIC, 33, NXM1, 25, ND_ADV, F13 M S, ETH) \
 X(MPLS_LABEL, "mpls_label", "mpls_label", pkt.base.mpls_lse[0], 12, 20, 4, BASIC, 34, NONE, 0, MPLS, F13 S, DEC) \
 X(MPLS_TC, "mpls_tc", "mpls_tc", pkt.base.mpls_lse[0], 9, 3, 1, BASIC, 35, NONE, 0, MPLS, F13 S, DEC) \
 X(MPLS_BOS, "mpls_bos", "mpls_bos", pkt.base.mpls_lse[0], 8, 1, 1, BASIC, 36, NONE, 0, MPLS, F13 S, DEC) \
 X(PBB_ISID, "pbb_isid", "pbb_isid", pkt.base.pbb_isid, 0, 24, 3, BASIC, 37, NONE, 0, PBB, F13 M S, HEX) \
 X(TUNNEL_ID, "tunnel_id", "tun_id", pkt.ext.tun.id, 0, 64, 8, BASIC, 38, NXM1, 16, NONE, F13 M S, HEX) \
 X(IPV6_EXTHDR, "ipv6_exthdr", "ipv6_exthdr", pkt.base.ipv6_exthdr, 0, 9, 2, BASIC, 39, NONE, 0, IPV6, F13 M, HEX)

#define FLOW_FIELDS_REGS(X) \
 X(REG0, "reg0", "reg0", regs[0], 0, 32, 4, NXM1, 0, NONE, 0, NONE, M S, HEX) \
 X(REG1, "reg1", "reg1", regs[1], 0, 32, 4, NXM1, 1, NONE, 0, NONE, M S, HEX) \
 X(REG2, "reg2", "reg2", regs[2], 0, 32, 4, NXM1, 2, NONE, 0, NONE, M S, HEX) \
 X(REG3, "reg3", "reg3", regs[3], 0, 32, 4, NXM1, 3, NONE, 0, NONE, M S, HEX) \
 X(REG4, "reg4", "reg4", regs[4], 0, 32, 4, NXM1, 4, NONE, 0, NONE, M S, HEX) \
 X(REG5, "reg5", "reg5", regs[5], 0, 32, 4, NXM1, 5, NONE, 0, NONE, M S, HEX) \
 X(REG6, "reg6", "reg6", regs[6], 0, 32, 4, NXM1, 6, NONE, 0, NONE, M S, HEX) \
 X(REG7, "reg7", "reg7", regs[7], 0, 32, 4, NXM1, 7, NONE, 0, NONE, M S, HEX) \
 X(REG8, "reg8", "reg8", regs[8], 0, 32, 4, NXM1, 8, NONE, 0, NONE, M S, HEX) \
 X(REG9, "reg9", "reg9", regs[9], 0, 32, 4, NXM1, 9, NONE, 0, NONE, M S, HEX) \
 X(REG10, "reg10", "reg10", regs[10], 0, 32, 4, NXM1, 10, NONE, 0, NONE, M S, HEX) \
 X(REG11, "reg11", "reg11", regs[11], 0, 32, 4, NXM1, 11, NONE, 0, NONE, M S, HEX) \
 X(REG12, "reg12", "reg12", regs[12], 0, 32, 4, NXM1, 12, NONE, 0, NONE, M S, HEX) \
 X(REG13, "reg13", "reg13", regs[13], 0, 32, 4, NXM1, 13, NONE, 0, NONE, M S, HEX) \
 X(REG14, "reg14", "reg14", regs[14], 0, 32, 4, NXM1, 14, NONE, 0, NONE, M S, HEX) \
 X(REG15, "reg15", "reg15", regs[15], 0, 32, 4, NXM1, 15, NONE, 0, NONE, M S, HEX)

#define FLOW_FIELDS_EXT(X) \
 X(IP_FRAG, "ip_frag", "ip_frag", pkt.base.frag, 0, 2, 1, NXM1, 26, NONE, 0, IP, M, FRAG) \
 X(IP_TTL, "ip_ttl", "nw_ttl", pkt.base.ip_ttl, 0, 8, 1, NXM1, 29, NONE, 0, IP, S, DEC) \
 X(MPLS_TTL, "mpls_ttl", "mpls_ttl", pkt.base.mpls_lse[0], 0, 8, 1, NXM1, 30, NONE, 0, MPLS, S, DEC) \
 X(TCP_FLAGS, "tcp_flags", "tcp_flags", pkt.base.tcp_flags, 0, 12, 2, EXPERIMENTER, 42, NXM1, 34, TCP, M, TCP_FLAGS) \
 X(ACTSET_OUTPUT, "actset_output", "actset_output", pipe.actset_output, 0, 32, 4, EXPERIMENTER, 43, BASIC, 43, NONE, , PORT) \
 X(PKT_MARK, "pkt_mark", "pkt_mark", pipe.pkt_mark, 0, 32, 4, NXM1, 33, NONE, 0, NONE, M S, HEX) \
 X(TUN_IPV4_SRC, "tun_ipv4_src", "tun_src", pkt.ext.tun.v4_src, 0, 32, 4, NXM1, 31, NONE, 0, NONE, M S, IPV4) \
 X(TUN_IPV4_DST, "tun_ipv4_dst", "tun_dst", pkt.ext.tun.v4_dst, 0, 32, 4, NXM1, 32, NONE, 0, NONE, M S, IPV4) \
 X(TUN_IPV6_SRC, "tun_ipv6_src", "tun_ipv6_src", pkt.ext.tun.src, 0, 128, 16, NXM1, 109, NONE, 0, NONE, M S, IPV6) \
 X(TUN_IPV6_DST, "tun_ipv6_dst", "tun_ipv6_dst", pkt.ext.tun.dst, 0, 128, 16, NXM1, 110, NONE, 0, NONE, M S, IPV6) \
 X(TUN_FLAGS, "tun_flags", "tun_flags", pkt.ext.tun.flags, 0, 16, 2, NXM1, 104, NONE, 0, NONE, M S H, HEX) \
 X(TUN_GBP_ID, "tun_gbp_id", "tun_gbp_id", pkt.ext.tun.gbp_id, 0, 16, 2, NXM1, 38, NONE, 0, NONE, M S, HEX) \
 X(TUN_GBP_FLAGS, "tun_gbp_flags", "tun_gbp_flags", pkt.ext.tun.gbp_flags, 0, 8, 1, NXM1, 39, NONE, 0, NONE, M S, HEX) \
 X(CT_STATE, "ct_state", "ct_state", pkt.ext.ct.state, 0, 32, 4, NXM1, 105, NONE, 0, NONE, M H, CT_STATE) \
 X(CT_ZONE, "ct_zone", "ct_zone", pkt.ext.ct.zone, 0, 16, 2, NXM1, 106, NONE, 0, NONE, H, DEC) \
 X(CT_MARK, "ct_mark", "ct_mark", pkt.ext.ct.mark, 0, 32, 4, NXM1, 107, NONE, 0, NONE, M S H, HEX) \
 X(CT_LABEL, "ct_label", "ct_label", pkt.ext.ct.label, 0, 128, 16, NXM1, 108, NONE, 0, NONE, M S, HEX)

/* Options of tunnels, as a bridge maps them (`geneve-options`). */
#define FLOW_TMD(X, n) \
 X(TUN_METADATA##n, "tun_metadata" #n, "tun_metadata" #n, pkt.ext.tmd.word[n], 0, 32, 4, NXM1, 40 + n, NONE, 0, NONE, M S, HEX)
#define FLOW_FIELDS_TMD(X) \
 FLOW_TMD(X, 0) \
 FLOW_TMD(X, 1) \
 FLOW_TMD(X, 2) \
 FLOW_TMD(X, 3) \
 FLOW_TMD(X, 4) \
 FLOW_TMD(X, 5) \
 FLOW_TMD(X, 6) \
 FLOW_TMD(X, 7) \
 FLOW_TMD(X, 8) \
 FLOW_TMD(X, 9) \
 FLOW_TMD(X, 10) \
 FLOW_TMD(X, 11) \
 FLOW_TMD(X, 12) \
 FLOW_TMD(X, 13) \
 FLOW_TMD(X, 14) \
 FLOW_TMD(X, 15) \
 FLOW_TMD(X, 16) \
 FLOW_TMD(X, 17) \
 FLOW_TMD(X, 18) \
 FLOW_TMD(X, 19) \
 FLOW_TMD(X, 20) \
 FLOW_TMD(X, 21) \
 FLOW_TMD(X, 22) \
 FLOW_TMD(X, 23) \
 FLOW_TMD(X, 24) \
 FLOW_TMD(X, 25) \
 FLOW_TMD(X, 26) \
 FLOW_TMD(X, 27) \
 FLOW_TMD(X, 28) \
 FLOW_TMD(X, 29) \
 FLOW_TMD(X, 30) \
 FLOW_TMD(X, 31) \
 FLOW_TMD(X, 32) \
 FLOW_TMD(X, 33) \
 FLOW_TMD(X, 34) \
 FLOW_TMD(X, 35) \
 FLOW_TMD(X, 36) \
 FLOW_TMD(X, 37) \
 FLOW_TMD(X, 38) \
 FLOW_TMD(X, 39) \
 FLOW_TMD(X, 40) \
 FLOW_TMD(X, 41) \
 FLOW_TMD(X, 42) \
 FLOW_TMD(X, 43) \
 FLOW_TMD(X, 44) \
 FLOW_TMD(X, 45) \
 FLOW_TMD(X, 46) \
 FLOW_TMD(X, 47) \
 FLOW_TMD(X, 48) \
 FLOW_TMD(X, 49) \
 FLOW_TMD(X, 50) \
 FLOW_TMD(X, 51) \
 FLOW_TMD(X, 52) \
 FLOW_TMD(X, 53) \
 FLOW_TMD(X, 54) \
 FLOW_TMD(X, 55) \
 FLOW_TMD(X, 56) \
 FLOW_TMD(X, 57) \
 FLOW_TMD(X, 58) \
 FLOW_TMD(X, 59) \
 FLOW_TMD(X, 60) \
 FLOW_TMD(X, 61) \
 FLOW_TMD(X, 62) \
 FLOW_TMD(X, 63)
/* clang-format on */

#define FLOW_FIELDS(X)                                                                             \
	FLOW_FIELDS_OF13(X)                                                                        \
	FLOW_FIELDS_REGS(X)                                                                        \
	FLOW_FIELDS_EXT(X)                                                                         \
	FLOW_FIELDS_TMD(X)

#endif
