/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of src/tunnel: the parts of each kind, for the table, and small helpers.
 */
#ifndef TUN_PVT_H
#define TUN_PVT_H

#include <netinet/in.h>
#include <string.h>

#include "tunnel/tunnel.h"

#define TUN_ETHERTYPE_TEB 0x6558 /* transparent Ethernet bridging */
#define TUN_UDP_SIZE      8

/* Two functions of each kind; some have more. */
#define TUN_KIND_FUNCTIONS(kind)                                                                   \
	size_t tun_##kind##_build(const struct tun_outer *outer, uint8_t *p);                      \
	size_t tun_##kind##_parse(const uint8_t *p, uint32_t size, uint32_t avail,                 \
	                          struct tun_inner *inner)
TUN_KIND_FUNCTIONS(vxlan);
TUN_KIND_FUNCTIONS(gpe);
TUN_KIND_FUNCTIONS(geneve);
TUN_KIND_FUNCTIONS(gre);
TUN_KIND_FUNCTIONS(nvgre);
TUN_KIND_FUNCTIONS(stt);
#define TUN_N_GRE_PLAINS    8 /* with and without checksum, key, sequence number */
#define TUN_N_GENEVE_PLAINS 2 /* without options, and with */
extern const struct tun_plain tun_vxlan_plain, tun_gpe_plain, tun_nvgre_plain;
extern const struct tun_plain tun_geneve_plains[TUN_N_GENEVE_PLAINS];
extern const struct tun_plain tun_gre_plains[TUN_N_GRE_PLAINS];

/* RFC 8926, 3.5: options whose lengths fill `size` bytes. */
bool tun_options_are_well_formed(const uint8_t *options, size_t size);

void tun_udp_finish(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint8_t *p,
                    uint32_t size);
void tun_gre_finish(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint8_t *p,
                    uint32_t size);

int tun_stt_push(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint32_t flow_hash);
bool tun_stt_carries(const struct pkt_tunnel_header *header, const struct rte_mbuf *m);
void tun_stt_cut(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint32_t mtu);
bool tun_stt_part(const uint8_t *p, uint32_t size, uint32_t avail, struct tun_part *part);
void tun_stt_whole(uint8_t *p);
bool tun_stt_settle(struct rte_mbuf *m, const struct tun_inner *inner);

/* Is it vouched for, or right? The IPv4 header's checksum; the one of a packet like TCP's. */
bool tun_ip_is_good(const struct rte_mbuf *m, uint32_t l3);
bool tun_tcp_is_good(const struct rte_mbuf *m, uint32_t l3);
/* Puts the header before m, with IP's lengths and checksum right; returns where L4 begins, NULL:
 * no room. The packet is not too long. */
uint8_t *tun_push_ip(const struct pkt_tunnel_header *header, struct rte_mbuf *m,
                     uint32_t flow_hash);
/* Writes a UDP header with ports, length and checksum still zero; returns its end. */
uint8_t *tun_udp_build(const struct tun_outer *outer, uint8_t *p);

EVS_INLINE void tun_put16(uint8_t *p, uint16_t value)
{
	rte_be16_t wire = rte_cpu_to_be_16(value);
	memcpy(p, &wire, sizeof(wire));
}

EVS_INLINE void tun_put32(uint8_t *p, uint32_t value)
{
	rte_be32_t wire = rte_cpu_to_be_32(value);
	memcpy(p, &wire, sizeof(wire));
}

EVS_INLINE uint16_t tun_get16(const uint8_t *p)
{
	rte_be16_t wire;
	memcpy(&wire, p, sizeof(wire));
	return rte_be_to_cpu_16(wire);
}

EVS_INLINE uint32_t tun_get32(const uint8_t *p)
{
	rte_be32_t wire;
	memcpy(&wire, p, sizeof(wire));
	return rte_be_to_cpu_32(wire);
}

EVS_INLINE bool tun_is_ipv4(const uint8_t addr[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
	return !memcmp(addr, prefix, sizeof(prefix));
}

#endif
