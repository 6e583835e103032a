/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making templates of outer headers.
 * Threads: worker.
 */
#include "tunnel/tun_template.h"

#include "tunnel/tun_pvt.h"

static_assert(offsetof(struct pkt_key_tun, flags) == 40, "the word `look` of a template");

/* `size` bytes at `at` are as the flow's. */
static void put(struct tun_template *t, uint32_t at, const void *key, const void *mask,
                uint32_t size)
{
	memcpy(t->want + at, key, size);
	memcpy(t->care + at, mask, size);
}

/* The bytes at `at` are those of `value`, in the bits of `care`. */
static void put16(struct tun_template *t, uint32_t at, uint16_t value, uint16_t care)
{
	tun_put16(t->want + at, value & care);
	tun_put16(t->care + at, care);
}

/* Is the key, as far as the flow looked, that of an ordinary IPv4 packet in UDP? Its fields that
 * the template does not hold are zero then. */
static bool is_plain(const struct pkt_key_base *key, const struct pkt_key_base *mask)
{
	static const uint8_t zero[4];

	return key->eth_type == RTE_BE16(PKT_ETH_IPV4) && key->ip_proto == PKT_IP_UDP &&
	       (mask->ip_proto & PKT_IP_UDP) == PKT_IP_UDP && !key->lines && !key->frag &&
	       !key->recirc_id && !key->vlan[1].tpid && !key->vlan[1].tci && !key->tcp_flags &&
	       !key->n_mpls && !memcmp(key->zero, zero, sizeof(zero)) && !key->arp_op &&
	       !key->ipv6_exthdr;
}

/* MAC addresses, and a tag if there is one; returns the offset of the IPv4 header, 0: the tag is of
 * another kind. */
static uint32_t put_ethernet(struct tun_template *t, const struct pkt_key_base *key,
                             const struct pkt_key_base *mask)
{
	const struct pkt_vlan *tag = &key->vlan[0], *care = &mask->vlan[0];
	const uint16_t present = PKT_VLAN_PRESENT;
	uint32_t at = 12;

	put(t, 0, key->eth_dst, mask->eth_dst, 6);
	put(t, 6, key->eth_src, mask->eth_src, 6);
	if (tag->tci & rte_cpu_to_be_16(present)) {
		if (tag->tpid && tag->tpid != (RTE_BE16(PKT_ETH_VLAN) & care->tpid))
			return 0;
		put16(t, at, PKT_ETH_VLAN, UINT16_MAX);
		put16(t, at + 2, rte_be_to_cpu_16(tag->tci),
		      rte_be_to_cpu_16(care->tci) & (uint16_t)~present);
		at += PKT_VLAN_SIZE;
	} else if (tag->tci || tag->tpid) {
		return 0;
	}
	put16(t, at, PKT_ETH_IPV4, UINT16_MAX);
	return at + 2;
}

static void put_ipv4(struct tun_template *t, const struct pkt_key_base *key,
                     const struct pkt_key_base *mask)
{
	uint32_t l3 = t->l3;

	put16(t, l3, (uint16_t)(0x4500 | key->ip_tos), (uint16_t)(0xff00 | mask->ip_tos));
	put16(t, l3 + 6, 0, PKT_IPV4_MF | PKT_IPV4_FRAGOFS);
	put16(t, l3 + 8, (uint16_t)(key->ip_ttl << 8 | PKT_IP_UDP),
	      (uint16_t)(mask->ip_ttl << 8 | 0xff));
	put(t, l3 + 12, &key->ip_src, &mask->ip_src, 4);
	put(t, l3 + 16, &key->ip_dst, &mask->ip_dst, 4);
}

bool tun_template_make(enum tun_kind kind, uint16_t dst_port, const struct pkt_key_base *key,
                       const struct pkt_key_base *mask, struct tun_template *t)
{
	const struct tun_plain *plain = tun_kinds[kind].plain;
	uint32_t l4;

	if (!plain || !is_plain(key, mask) ||
	    (key->tp_dst ^ rte_cpu_to_be_16(dst_port)) & mask->tp_dst)
		return false;
	memset(t, 0, sizeof(*t));
	t->l3 = (uint8_t)put_ethernet(t, key, mask);
	if (t->l3 == 0)
		return false;
	put_ipv4(t, key, mask);
	l4 = t->l3 + PKT_IPV4_SIZE;
	put(t, l4, &key->tp_src, &mask->tp_src, 2);
	put16(t, l4 + 2, dst_port, UINT16_MAX);
	put(t, l4 + PKT_UDP_SIZE, plain->want, plain->care, sizeof(plain->want));
	t->size = (uint8_t)(l4 + PKT_UDP_SIZE + sizeof(plain->want));
	t->look = PKT_TUN_KEY | (uint64_t)plain->proto_type << 56;
	return true;
}
