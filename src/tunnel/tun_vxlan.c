/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VXLAN (RFC 7348, section 5) with the group policy extension, and VXLAN-GPE: eight bytes behind
 * UDP. Threads: any.
 *
 *   flags(8) reserved(24) | VNI(24) reserved(8)
 *   GBP: G at bit 7 of the flags; D 0x40, A 0x08 in the second byte; group policy id in bytes 2 and
 * 3 GPE: P at bit 2 of the flags; next protocol in byte 3
 */
#include "tunnel/tun_pvt.h"

#define VXLAN_SIZE   8
#define FLAG_I       0x08 /* a VNI is there */
#define FLAG_G       0x80
#define FLAG_P       0x04
#define FLAG_O       0x01
#define GPE_VERSION  0x30
#define GPE_IPV4     1
#define GPE_IPV6     2
#define GPE_ETHERNET 3
#define GBP_FLAGS    0x48

const struct tun_plain tun_vxlan_plain = {
        .want = {FLAG_I},
        .care = {FLAG_I | FLAG_G},
        .size = VXLAN_SIZE,
        .key_at = 4,
        .key_bytes = 3,
        .flags = PKT_TUN_KEY,
};
const struct tun_plain tun_gpe_plain = {
        .want = {FLAG_I | FLAG_P, 0, 0, GPE_ETHERNET},
        .care = {FLAG_I | FLAG_P | FLAG_O | GPE_VERSION, 0, 0, 0xff},
        .size = VXLAN_SIZE,
        .key_at = 4,
        .key_bytes = 3,
        .flags = PKT_TUN_KEY,
        .proto_type = GPE_ETHERNET,
};

static void put_vni(uint8_t *p, rte_be64_t key)
{
	tun_put32(p + 4, (uint32_t)rte_be_to_cpu_64(key) << 8);
}

static bool key_fits(rte_be64_t key)
{
	return rte_be_to_cpu_64(key) < 1u << 24;
}

size_t tun_vxlan_build(const struct tun_outer *outer, uint8_t *p)
{
	uint8_t *start = p;

	if (!key_fits(outer->key))
		return 0;
	p = tun_udp_build(outer, p);
	memset(p, 0, VXLAN_SIZE);
	p[0] = FLAG_I;
	put_vni(p, outer->key);
	if (outer->gbp) {
		p[0] |= FLAG_G;
		p[1] = outer->gbp_flags & GBP_FLAGS;
		memcpy(p + 2, &outer->gbp_id, 2);
	}
	return (size_t)(p + VXLAN_SIZE - start);
}

size_t tun_vxlan_parse(const uint8_t *p, uint32_t size, uint32_t avail, struct tun_inner *inner)
{
	const uint8_t *vxlan = p + TUN_UDP_SIZE;

	if (size < TUN_UDP_SIZE + VXLAN_SIZE || avail < TUN_UDP_SIZE + VXLAN_SIZE ||
	    !(vxlan[0] & FLAG_I))
		return 0;
	inner->tun->id = rte_cpu_to_be_64(tun_get32(vxlan + 4) >> 8);
	inner->tun->flags |= PKT_TUN_KEY;
	if (vxlan[0] & FLAG_G) {
		inner->tun->gbp_flags = vxlan[1] & GBP_FLAGS;
		memcpy(&inner->tun->gbp_id, vxlan + 2, 2);
	}
	return TUN_UDP_SIZE + VXLAN_SIZE;
}

size_t tun_gpe_build(const struct tun_outer *outer, uint8_t *p)
{
	uint8_t *start = p, next;

	switch (rte_be_to_cpu_16(outer->inner_type)) {
	case 0:
		next = GPE_ETHERNET;
		break;
	case 0x0800:
		next = GPE_IPV4;
		break;
	case 0x86dd:
		next = GPE_IPV6;
		break;
	default:
		return 0;
	}
	if (!key_fits(outer->key))
		return 0;
	p = tun_udp_build(outer, p);
	memset(p, 0, VXLAN_SIZE);
	p[0] = FLAG_I | FLAG_P | (outer->flags & PKT_TUN_OAM ? FLAG_O : 0);
	p[3] = next;
	put_vni(p, outer->key);
	return (size_t)(p + VXLAN_SIZE - start);
}

size_t tun_gpe_parse(const uint8_t *p, uint32_t size, uint32_t avail, struct tun_inner *inner)
{
	const uint8_t *vxlan = p + TUN_UDP_SIZE;

	if (size < TUN_UDP_SIZE + VXLAN_SIZE || avail < TUN_UDP_SIZE + VXLAN_SIZE ||
	    !(vxlan[0] & FLAG_I) || (vxlan[0] & GPE_VERSION))
		return 0;
	inner->tun->id = rte_cpu_to_be_64(tun_get32(vxlan + 4) >> 8);
	inner->tun->flags |= PKT_TUN_KEY;
	if (vxlan[0] & FLAG_O)
		inner->tun->flags |= PKT_TUN_OAM;
	if (!(vxlan[0] & FLAG_P))
		return TUN_UDP_SIZE + VXLAN_SIZE; /* as VXLAN: Ethernet */
	inner->tun->proto_type = vxlan[3];
	if (vxlan[3] == GPE_IPV4)
		inner->inner_type = rte_cpu_to_be_16(0x0800);
	else if (vxlan[3] == GPE_IPV6)
		inner->inner_type = rte_cpu_to_be_16(0x86dd);
	else if (vxlan[3] != GPE_ETHERNET)
		return 0;
	return TUN_UDP_SIZE + VXLAN_SIZE;
}
