/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of tunnel kinds and what all of them share in looks and ECN.
 * Threads: any.
 */
#include <string.h>

#include "pkt/pkt_hash.h"
#include "tunnel/tun_pvt.h"

const struct tun_kind_ops tun_kinds[TUN_N_KINDS] = {
        [TUN_VXLAN] =
                {
                        .name = "vxlan",
                        .help = "VXLAN (RFC 7348)",
                        .ip_proto = IPPROTO_UDP,
                        .dst_port = 4789,
                        .key_name = "vni",
                        .key_max = 0xffffff,
                        .build = tun_vxlan_build,
                        .finish = tun_udp_finish,
                        .parse = tun_vxlan_parse,
                        .plain = &tun_vxlan_plain,
                        .n_plain = 1,
                },
        [TUN_VXLAN_GPE] =
                {
                        .name = "vxlan-gpe",
                        .help = "VXLAN with a next protocol (draft-ietf-nvo3-vxlan-gpe), without "
                                "NSH",
                        .ip_proto = IPPROTO_UDP,
                        .dst_port = 4790,
                        .key_name = "vni",
                        .key_max = 0xffffff,
                        .build = tun_gpe_build,
                        .finish = tun_udp_finish,
                        .parse = tun_gpe_parse,
                        .plain = &tun_gpe_plain,
                        .n_plain = 1,
                },
        [TUN_GENEVE] =
                {
                        .name = "geneve",
                        .help = "Geneve with options (RFC 8926)",
                        .ip_proto = IPPROTO_UDP,
                        .dst_port = 6081,
                        .key_name = "vni",
                        .key_max = 0xffffff,
                        .build = tun_geneve_build,
                        .finish = tun_udp_finish,
                        .parse = tun_geneve_parse,
                        .plain = tun_geneve_plains,
                        .n_plain = TUN_N_GENEVE_PLAINS,
                },
        [TUN_GRE] =
                {
                        .name = "gre",
                        .help = "GRE with key, checksum and sequence number (RFC 2784, 2890), "
                                "Ethernet inside",
                        .ip_proto = IPPROTO_GRE,
                        .key_name = "key",
                        .key_max = UINT32_MAX,
                        .build = tun_gre_build,
                        .finish = tun_gre_finish,
                        .parse = tun_gre_parse,
                        .plain = tun_gre_plains,
                        .n_plain = TUN_N_GRE_PLAINS,
                },
        [TUN_NVGRE] =
                {
                        .name = "nvgre",
                        .help = "NVGRE (RFC 7637)",
                        .ip_proto = IPPROTO_GRE,
                        .key_name = "vni",
                        .key_max = 0xffffff,
                        .build = tun_nvgre_build,
                        .parse = tun_nvgre_parse,
                        .plain = &tun_nvgre_plain,
                        .n_plain = 1,
                },
        [TUN_STT] =
                {
                        .name = "stt",
                        .help = "STT (draft-davie-stt-08)",
                        .ip_proto = IPPROTO_TCP,
                        .dst_port = 7471,
                        .key_name = "key",
                        .key_max = UINT64_MAX,
                        .build = tun_stt_build,
                        .push = tun_stt_push,
                        .carries = tun_stt_carries,
                        .cut = tun_stt_cut,
                        .part = tun_stt_part,
                        .whole = tun_stt_whole,
                        .parse = tun_stt_parse,
                        .settle = tun_stt_settle,
                },
};

enum tun_kind tun_kind_lookup(const char *name)
{
	for (unsigned kind = 1; kind < TUN_N_KINDS; kind++)
		if (!strcmp(tun_kinds[kind].name, name))
			return (enum tun_kind)kind;
	return TUN_NONE;
}

uint32_t tun_flow_hash_odd(const struct pkt_key_base *base, const struct pkt_key_ext *ext)
{
	const uint64_t *s = pkt_hash_secret;
	uint64_t addresses, hash;

	if (base->ip_proto == 0) /* not IP: stations */
		hash = pkt_hash_mum(pkt_hash_u64(base->eth_dst) ^ s[0],
		                    pkt_hash_u64((const uint8_t *)base + 12) ^ s[1]);
	else
		hash = pkt_hash_mum(base->ip_proto ^ s[0],
		                    ((uint64_t)base->tp_src << 16 | base->tp_dst) ^ s[1]);
	memcpy(&addresses, &base->ip_src, sizeof(addresses));
	if (base->lines & PKT_LINE_IPV6)
		addresses = pkt_hash_line(0, &ext->ipv6) ^ base->ip_proto;
	hash = pkt_hash_mum(hash ^ s[2], addresses ^ s[3]);
	return (uint32_t)(hash ^ hash >> 32);
}

/* RFC 6040, section 4.1: ECT(0), ECT(1), CE and Not-ECT are copied. */
uint8_t tun_ecn_outer(uint8_t inner_tos)
{
	return inner_tos & 3;
}

/* RFC 6040, figure 4. */
int tun_ecn_inner(uint8_t inner_tos, uint8_t outer_tos)
{
	enum { NOT_ECT, ECT_1, ECT_0, CE };
	uint8_t inner = inner_tos & 3, outer = outer_tos & 3;

	if (outer == CE)
		return inner == NOT_ECT ? -1 : CE;
	if (inner == ECT_0 && outer == ECT_1)
		return ECT_1;
	return inner;
}
